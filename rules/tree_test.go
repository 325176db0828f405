package rules

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A copy in memory answers as the disk does that it is a copy of.
func TestTree(t *testing.T) {
	root := filepath.ToSlash(t.TempDir())
	texts := map[string]string{}
	for name, text := range map[string]string{"etc/d/b": "B", "etc/d/a": "A", "etc/d/sub/deep/c": "C", "x": ""} {
		name = root + "/" + name
		require.NoError(t, os.MkdirAll(filepath.Dir(name), 0o755))
		require.NoError(t, os.WriteFile(name, []byte(text), 0o644))
		texts[name] = text
	}
	t.Chdir(root)
	var disk *Tree
	copied := NewTree(root, texts)
	for _, name := range []string{"/etc/d/b", "/etc/d//a", "/etc/../x", "/etc/d", "/etc/d/sub", "/etc/d/sub/deep/", "/etc/none", "/none/x", "/x/y", "", "/"} {
		for _, name := range []string{root + name, "." + name} {
			want, wantErr := disk.ReadFile(name)
			got, err := copied.ReadFile(name)
			assert.Equal(t, want, got, name)
			assert.Equal(t, wantErr == nil, err == nil, "%s: %v, %v", name, wantErr, err)
			if name != "./x/y" && name != root+"/x/y" { // which the disk says is below no directory
				assert.Equal(t, os.IsNotExist(wantErr), os.IsNotExist(err), "%s: %v, %v", name, wantErr, err)
			}
			wantList, wantErr := disk.List(name)
			list, err := copied.List(name)
			assert.Equal(t, wantList, list, name)
			assert.Equal(t, wantErr == nil, err == nil, "%s: %v, %v", name, wantErr, err)
			assert.Equal(t, disk.IsDir(name), copied.IsDir(name), name)
		}
	}
	_, err := copied.ReadFile("/etc/none")
	assert.ErrorIs(t, err, fs.ErrNotExist)
	assert.Equal(t, "/etc/d/a", copied.Join("/etc/d", "a"))
}
