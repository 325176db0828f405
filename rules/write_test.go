package rules

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// onDisk writes a file to a new directory.
func onDisk(t *testing.T, text string, mode fs.FileMode) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "web")
	require.NoError(t, os.WriteFile(name, []byte(text), 0o600))
	require.NoError(t, os.Chmod(name, mode))
	return name
}

func assertHolds(t *testing.T, name, want string) {
	t.Helper()
	got, err := os.ReadFile(name)
	require.NoError(t, err)
	assert.Equal(t, want, string(got), name)
}

// names lists a directory.
func names(t *testing.T, dir string) (list []string) {
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, e := range entries {
		list = append(list, e.Name())
	}
	return list
}

func TestWrite(t *testing.T) {
	name := onDisk(t, "old\n", 0o640)
	text := "old\n"
	for i, want := range []string{".orig", ".1.orig", ".2.orig"} { // a backup is never written over
		next := text + "new\n"
		backup, err := Write(Change{NewFile(name, text), next})
		require.NoError(t, err)
		assert.Equal(t, name+want, backup)
		assertHolds(t, name, next)
		assertHolds(t, backup, text)
		text = next
		assert.Len(t, names(t, filepath.Dir(name)), i+2, "nothing else is left behind")
	}
	if runtime.GOOS != "windows" {
		for _, file := range []string{name, name + ".orig"} {
			info, err := os.Stat(file)
			require.NoError(t, err)
			assert.Equal(t, fs.FileMode(0o640), info.Mode().Perm(), file)
		}
	}
}

func TestWriteThroughLink(t *testing.T) {
	name := onDisk(t, "old\n", 0o600)
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(name, link); err != nil {
		t.Skipf("no symbolic links: %v", err)
	}
	backup, err := Write(Change{NewFile(link, "old\n"), "new\n"})
	require.NoError(t, err)
	assertHolds(t, name, "new\n")
	assert.Equal(t, "web.orig", filepath.Base(backup), "the backup is beside the file, not the link")
	assertHolds(t, backup, "old\n")
	info, err := os.Lstat(link)
	require.NoError(t, err)
	assert.NotZero(t, info.Mode()&fs.ModeSymlink, "the link is one still")
}

func TestWriteRefusesWhatChanged(t *testing.T) {
	name := onDisk(t, "somebody else's\n", 0o600)
	_, err := Write(Change{NewFile(name, "old\n"), "new\n"})
	assert.ErrorContains(t, err, name+": it changed while it was analysed")
	assertHolds(t, name, "somebody else's\n")
	assert.Equal(t, []string{"web"}, names(t, filepath.Dir(name)))

	require.NoError(t, os.Remove(name))
	_, err = Write(Change{NewFile(name, "old\n"), "new\n"})
	assert.ErrorIs(t, err, fs.ErrNotExist)
	assert.Empty(t, names(t, filepath.Dir(name)), "it is not made anew")
}

func TestWriteAbsent(t *testing.T) {
	name := filepath.Join(t.TempDir(), "containers", "web")
	absent := NewFile(name, "")
	absent.Absent = true
	backup, err := Write(Change{absent, "new\n"})
	require.NoError(t, err)
	assert.Empty(t, backup)
	assertHolds(t, name, "new\n")

	_, err = Write(Change{absent, "newer\n"})
	assert.ErrorContains(t, err, name+": it is there already")
	assertHolds(t, name, "new\n")

	link := filepath.Join(t.TempDir(), "web") // to nowhere: to write through it would make a file elsewhere
	if err := os.Symlink(filepath.Join(t.TempDir(), "elsewhere"), link); err != nil {
		t.Skipf("no symbolic links: %v", err)
	}
	absent = NewFile(link, "")
	absent.Absent = true
	_, err = Write(Change{absent, "new\n"})
	assert.ErrorIs(t, err, fs.ErrExist)
}

// TestWriteFails holds that where the new text cannot be put in place, the old
// one stays.
func TestWriteFails(t *testing.T) {
	name := onDisk(t, "old\n", 0o600)
	dir := filepath.Dir(name)
	require.NoError(t, os.Chmod(dir, 0o500))
	t.Cleanup(func() { os.Chmod(dir, 0o700) })
	if f, err := os.Create(filepath.Join(dir, "probe")); err == nil {
		f.Close()
		os.Remove(f.Name())
		t.Skip("this user can write to a directory of mode 0500")
	}
	_, err := Write(Change{NewFile(name, "old\n"), "new\n"})
	assert.True(t, errors.Is(err, fs.ErrPermission), err)
	assertHolds(t, name, "old\n")
}

// TestWriteNoRoomForBackup holds that nothing is changed if no backup can be
// kept, whoever runs it.
func TestWriteNoRoomForBackup(t *testing.T) {
	name := onDisk(t, "old\n", 0o600)
	require.NoError(t, os.Mkdir(name+".orig", 0o700))
	for n := 1; n < 1000; n++ {
		require.NoError(t, os.WriteFile(filepath.Join(filepath.Dir(name), fmt.Sprintf("web.%d.orig", n)), nil, 0o600))
	}
	_, err := Write(Change{NewFile(name, "old\n"), "new\n"})
	assert.ErrorContains(t, err, "a thousand backups are there already")
	assertHolds(t, name, "old\n")
}
