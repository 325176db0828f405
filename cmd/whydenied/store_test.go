package main

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/whydenied/whydenied/explain/report"
	"github.com/whydenied/whydenied/explain/store"
)

// What could not be written of what was explained is kept for the next time.
func TestExplainedIsTriedAgain(t *testing.T) {
	ctx := t.Context()
	s, _, err := store.Open(ctx, filepath.Join(t.TempDir(), "history.db"))
	require.NoError(t, err)
	h := &history{Store: s}
	defer h.Close(ctx)
	h.explained(report.Finding{ID: "0123456789abcdef"})

	over, stop := context.WithCancel(ctx)
	stop()
	require.Error(t, h.flush(over))
	assert.Len(t, h.said, 1)
	require.NoError(t, h.flush(ctx))
	assert.Empty(t, h.said)
}
