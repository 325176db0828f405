package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/whydenied/whydenied/explain/host"
)

// Where it has nothing to do, noquiet neither changes nor says anything. What it
// does where it has is tested in the lab's guest: testdata/lab/doctor.
func TestNoquietHasNothingToDo(t *testing.T) {
	h := host.Host{Root: t.TempDir()}
	var stderr bytes.Buffer
	noquiet(h, &stderr)()
	assert.Empty(t, stderr.String(), "a host without AppArmor")

	name := filepath.Join(h.Root, host.Noquiet.Target())
	require.NoError(t, os.MkdirAll(filepath.Dir(name), 0o700))
	require.NoError(t, os.WriteFile(name, []byte("all\n"), 0o600))
	noquiet(h, &stderr)()
	assert.Empty(t, stderr.String(), "all is more")
	text, err := os.ReadFile(name)
	require.NoError(t, err)
	assert.Equal(t, "all\n", string(text))
}
