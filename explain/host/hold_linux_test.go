package host

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// What a process applied for a while is left only when that process is gone.
func TestUndoLeft(t *testing.T) {
	h, file := settings(t)
	changes, held, err := h.apply(file, "a process", []Lever{Noquiet})
	require.NoError(t, err)
	require.NotNil(t, held)
	assert.True(t, h.Applied(file).Held)
	assert.False(t, h.Applied(file).Left)
	done, err := h.UndoLeft(file)
	require.NoError(t, err)
	assert.Empty(t, done)
	assert.Equal(t, "noquiet", h.text(t, apparmorAudit))

	require.NoError(t, held.Close()) // as the end of the process does
	assert.False(t, h.Applied(file).Held)
	assert.True(t, h.Applied(file).Left)
	assert.Equal(t, changes, h.Applied(file).Changes)
	done, err = h.UndoLeft(file)
	require.NoError(t, err)
	assert.Equal(t, changes, done)
	assert.Equal(t, "normal", h.text(t, apparmorAudit))
	assert.Equal(t, Applied{}, h.Applied(file))
}

// What was applied until it is undone is nobody's, and is left alone.
func TestUndoLeftOfIntent(t *testing.T) {
	h, file := settings(t)
	_, err := h.Apply(file, []Lever{Noquiet})
	require.NoError(t, err)
	done, err := h.UndoLeft(file)
	require.NoError(t, err)
	assert.Empty(t, done)
	assert.False(t, h.Applied(file).Left)
	assert.Equal(t, "noquiet", h.text(t, apparmorAudit))

	another := filepath.Join(t.TempDir(), "state")
	require.NoError(t, os.WriteFile(another, []byte("[1, 2"), 0o600))
	assert.Equal(t, Applied{}, h.Applied(another))
}
