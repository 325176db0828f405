package source

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestIsNoLog(t *testing.T) {
	for _, c := range []struct {
		text string
		want bool
	}{
		{"", false}, // an empty log
		{"package main\n\nfunc main() {}\n", true},
		{"package main\ntype=AVC msg=audit(1.000:1): x\n", false},
		{"\x1f\x8b\xff", false}, // what cannot be told
		{"Nov 26 10:00:00 host app: hello\n", false},
	} {
		name := filepath.Join(t.TempDir(), "file")
		require.NoError(t, os.WriteFile(name, []byte(c.text), 0o600))
		assert.Equal(t, c.want, IsNoLog(name), "%q", c.text)
	}
	assert.False(t, IsNoLog("-"))
	assert.False(t, IsNoLog(t.TempDir()))
}
