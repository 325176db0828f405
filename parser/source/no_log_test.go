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
		head bool
	}{
		{"", false, true}, // an empty log
		{"package main\n\nfunc main() {}\n", true, false},
		{"package main\ntype=AVC msg=audit(1.000:1): x\n", false, true},
		{"\x1f\x8b\xff", false, true}, // what cannot be told
		{"Nov 26 10:00:00 host app: hello\n", false, true},
		{"-- Boot 4f2 --\n", false, true},
		{"----\ntime->Thu\n", false, true}, // of ausearch
		{"---\nkind: Pod\n", true, false},
		{"runc: apparmor failed to apply profile\n", false, false},
	} {
		name := filepath.Join(t.TempDir(), "file")
		require.NoError(t, os.WriteFile(name, []byte(c.text), 0o600))
		assert.Equal(t, c.want, IsNoLog(name), "%q", c.text)
		assert.Equal(t, c.head, IsHeaded([]byte(c.text)), "%q", c.text)
	}
	assert.False(t, IsNoLog("-"))
	assert.False(t, IsNoLog(t.TempDir()))
}
