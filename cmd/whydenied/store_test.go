package main

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
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

// What a command asks of a fleet's database, it asks of one that is opened once, whose version it
// asks for once.
func TestFleetIsOpenedOnce(t *testing.T) {
	asked := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		statement, err := io.ReadAll(r.Body)
		assert.NoError(t, err)
		switch {
		case strings.Contains(string(statement), "schema_version"):
			asked++
			binary.Write(w, binary.LittleEndian, int64(4))
		case strings.Contains(string(statement), "count(*)"): // of nodes
			binary.Write(w, binary.LittleEndian, int64(0))
		}
	}))
	defer server.Close()
	address := "clickhouse://" + strings.TrimPrefix(server.URL, "http://") + "/db"
	for _, args := range [][]string{
		{"summary", address, "--by", "node", "--since", "1h"},
		{"explain", address, "--by", "node", "--since", "1h"},
		{"compare", address, "--split", "1h"},
	} {
		asked = 0
		var errors strings.Builder
		assert.Zero(t, run(t.Context(), args, strings.NewReader(""), io.Discard, &errors), "%s", &errors)
		assert.Equal(t, 1, asked, "%v", args)
	}
}

// What could not be written is said and waits, unless the store is damaged, or what waits is more
// than there is room for.
func TestHistoryGoesOn(t *testing.T) {
	full, h := errors.New("full"), &history{}
	assert.Equal(t, full, h.excused(full), "a watch that somebody looks at ends")
	var said []error
	h.excuse = func(err error) { said = append(said, err) }
	assert.NoError(t, h.excused(full))
	assert.NoError(t, h.excused(nil))
	assert.Equal(t, []error{full}, said)
	assert.ErrorIs(t, h.excused(store.ErrDamaged), store.ErrDamaged)
	h.breaks(nil)
	h.breaks(full)
	h.breaks(errors.New("later"))
	assert.Equal(t, full, h.excused(nil))
	assert.Len(t, said, 1)
}
