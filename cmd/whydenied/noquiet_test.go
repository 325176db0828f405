package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestNoquiet(t *testing.T) {
	defer func(name string) { apparmorAudit = name }(apparmorAudit)
	apparmorAudit = filepath.Join(t.TempDir(), "audit")
	now := func() string {
		text, err := os.ReadFile(apparmorAudit)
		require.NoError(t, err)
		return string(text)
	}
	var stderr bytes.Buffer
	noquiet(t.Context(), &stderr)()
	assert.Empty(t, stderr.String(), "a host without AppArmor")

	for _, was := range []string{"normal", "quiet_denied"} {
		require.NoError(t, os.WriteFile(apparmorAudit, []byte(was+"\n"), 0o600))
		undo := noquiet(t.Context(), &stderr)
		assert.Equal(t, "noquiet", now())
		undo()
		assert.Equal(t, was, now())
		require.NoError(t, os.WriteFile(apparmorAudit, []byte("all\n"), 0o600))
		undo()
		assert.Equal(t, "all\n", now(), "what another has set meanwhile stays after the end")
	}
	noquiet(t.Context(), &stderr)()
	assert.Equal(t, "all\n", now(), "all is more")

	// An interrupt puts it back, too, and what was interrupted need not.
	require.NoError(t, os.WriteFile(apparmorAudit, []byte("normal\n"), 0o600))
	ctx, interrupt := context.WithCancel(t.Context())
	undo := noquiet(ctx, &stderr)
	interrupt()
	assert.Eventually(t, func() bool { return now() == "normal" }, 10*time.Second, time.Millisecond)
	undo()
	assert.Equal(t, "normal", now())

	// What cannot be done is said.
	stderr.Reset()
	apparmorAudit = t.TempDir()
	noquiet(t.Context(), &stderr)()
	assert.Contains(t, stderr.String(), "what deny rules of AppArmor refuse stays silent")
}
