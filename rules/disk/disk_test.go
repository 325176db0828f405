package disk

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func put(t *testing.T, name, text string) string {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Dir(name), 0o755))
	require.NoError(t, os.WriteFile(name, []byte(text), 0o644))
	return name
}

func symlink(t *testing.T, target, name string) string {
	t.Helper()
	if err := os.Symlink(target, name); err != nil {
		t.Skipf("no symbolic links: %v", err)
	}
	return name
}

func listed(t *testing.T, dir string) (names []string) {
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func TestRead(t *testing.T) {
	dir := t.TempDir()
	name := put(t, filepath.Join(dir, "web"), "12345678")
	for _, read := range []func(string, int64) ([]byte, error){Read, ReadNamed} {
		text, err := read(name, 8)
		require.NoError(t, err)
		assert.Equal(t, "12345678", string(text))
		_, err = read(name, 7)
		assert.ErrorContains(t, err, name+": larger than 7 bytes")
		_, err = read(dir, 8)
		assert.ErrorContains(t, err, "not a regular file")
		_, err = read(filepath.Join(dir, "none"), 8)
		assert.ErrorIs(t, err, fs.ErrNotExist)
	}
	names, err := List(dir)
	require.NoError(t, err)
	assert.Equal(t, []string{"web"}, names)
}

// What is below a directory is told by where links lead, not by its name.
func TestReadBelow(t *testing.T) {
	top, err := filepath.EvalSymlinks(t.TempDir())
	require.NoError(t, err)
	dir := filepath.Join(top, "policy")
	inside := put(t, filepath.Join(dir, "sub", "web"), "inside")
	outside := put(t, filepath.Join(top, "secret"), "outside")
	read := func(name string) (string, error) {
		real, dir, err := Resolve([]string{dir}, name)
		if err != nil {
			return "", err
		}
		text, err := ReadBelow(dir, real, 100)
		return string(text), err
	}
	for _, name := range []string{inside, filepath.Join(dir, "sub", "..", "sub", "web"), symlink(t, inside, filepath.Join(top, "link"))} {
		text, err := read(name)
		require.NoError(t, err)
		assert.Equal(t, "inside", text)
	}
	for _, name := range []string{outside, dir + "/../secret", symlink(t, outside, filepath.Join(dir, "link")), symlink(t, top, filepath.Join(dir, "up")) + "/secret"} {
		_, err := read(name)
		assert.ErrorIs(t, err, ErrOutside, name)
	}
	// Somebody makes a link of what was resolved.
	require.NoError(t, os.Remove(inside))
	symlink(t, outside, inside)
	_, err = ReadBelow(dir, inside, 100)
	assert.ErrorContains(t, err, "escapes")
}

func TestReplaceKeepsAll(t *testing.T) {
	dir := t.TempDir()
	name := put(t, filepath.Join(dir, "web"), "old")
	require.NoError(t, os.Chmod(name, 0o640))
	_, err := Replace(name, "other", "new")
	assert.ErrorIs(t, err, ErrChanged)
	_, err = Replace(name, "ol", "new")
	assert.ErrorIs(t, err, ErrChanged)
	backup, err := Replace(name, "old", "new")
	require.NoError(t, err)
	assert.Equal(t, []string{"web", "web.orig"}, listed(t, dir), "and nothing else")
	for file, want := range map[string]string{name: "new", backup: "old"} {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		assert.Equal(t, want, string(text))
		if info, err := os.Stat(file); assert.NoError(t, err) && runtime.GOOS != "windows" {
			assert.Equal(t, fs.FileMode(0o640), info.Mode())
		}
	}
}

// Of writers of the same file that began with the same text, one wins.
func TestReplaceConcurrently(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("nobody is locked out here")
	}
	dir := t.TempDir()
	name := filepath.Join(dir, "web")
	for round := range 60 {
		put(t, name, "old")
		var won sync.Map
		var writers sync.WaitGroup
		for i := range 4 {
			writers.Go(func() {
				text := fmt.Sprint("new ", i)
				if _, err := Replace(name, "old", text); err == nil {
					won.Store(text, true)
				} else {
					assert.ErrorIs(t, err, ErrChanged)
				}
			})
		}
		writers.Wait()
		var texts []string
		won.Range(func(text, _ any) bool { texts = append(texts, text.(string)); return true })
		text, err := os.ReadFile(name)
		require.NoError(t, err)
		require.Equal(t, []string{string(text)}, texts, "round %d", round)
	}
	assert.Len(t, listed(t, dir), 61)
}

// What a killed writer left is removed by the next.
func TestReplaceSweeps(t *testing.T) {
	dir := t.TempDir()
	name := put(t, filepath.Join(dir, "web"), "old")
	put(t, filepath.Join(dir, ".whydenied-ABC.tmp"), "half")
	put(t, filepath.Join(dir, ".whydenied.lock"), "")
	_, err := Replace(name, "old", "new")
	require.NoError(t, err)
	if runtime.GOOS != "windows" {
		assert.Equal(t, []string{"web", "web.orig"}, listed(t, dir))
	}
}

func TestCreate(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "sub", "bundle")
	write := func(text string, err error) func(*os.File) error {
		return func(f *os.File) error { return errors.Join(err, justWrite(f, text)) }
	}
	assert.ErrorIs(t, Create(name, 0o600, 0, write("one", nil)), fs.ErrNotExist)
	failed := errors.New("no more room")
	assert.ErrorIs(t, Create(name, 0o600, 0o755, write("half", failed)), failed)
	assert.Empty(t, listed(t, filepath.Dir(name)), "half a file is none")
	require.NoError(t, Create(name, 0o600, 0o755, write("one", nil)))
	assert.ErrorIs(t, Create(name, 0o600, 0o755, write("two", nil)), fs.ErrExist)
	text, err := os.ReadFile(name)
	require.NoError(t, err)
	assert.Equal(t, "one", string(text))
	assert.ErrorIs(t, Create(symlink(t, filepath.Join(dir, "nowhere"), filepath.Join(dir, "link")), 0o600, 0, write("x", nil)), fs.ErrExist)
	assert.Equal(t, []string{"link", "sub"}, listed(t, dir))
}

func justWrite(f *os.File, text string) error {
	_, err := f.WriteString(text)
	return err
}

func TestPut(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "a", "b", "baseline")
	for _, text := range []string{"one", "two"} {
		require.NoError(t, Put(name, []byte(text)))
		got, err := os.ReadFile(name)
		require.NoError(t, err)
		assert.Equal(t, text, string(got))
	}
	assert.Equal(t, []string{"baseline"}, listed(t, filepath.Dir(name)))
	link := symlink(t, name, filepath.Join(dir, "link"))
	require.NoError(t, Put(link, []byte("three")), "ours is followed")
	got, err := os.ReadFile(name)
	require.NoError(t, err)
	assert.Equal(t, "three", string(got))
	assert.ErrorContains(t, Put(dir, nil), "not a regular file")
}

func TestOwn(t *testing.T) {
	name := put(t, filepath.Join(t.TempDir(), "state"), "text")
	text, err := ReadOwn(name, 100)
	require.NoError(t, err)
	assert.Equal(t, "text", string(text))
	require.NoError(t, Remove(name))
	_, err = ReadOwn(name, 100)
	assert.ErrorIs(t, err, fs.ErrNotExist)
	assert.ErrorIs(t, Remove(name), fs.ErrNotExist)
}

func TestTempDir(t *testing.T) {
	dir, err := TempDir()
	require.NoError(t, err)
	defer os.RemoveAll(dir)
	info, err := os.Stat(dir)
	require.NoError(t, err)
	if runtime.GOOS != "windows" {
		assert.Equal(t, fs.ModeDir|0o700, info.Mode())
	}
}

func TestProgram(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("programs have other names there")
	}
	dir := t.TempDir()
	put(t, filepath.Join(dir, "plain"), "#!/bin/sh\n")
	put(t, filepath.Join(dir, "tool"), "#!/bin/sh\n")
	require.NoError(t, os.Chmod(filepath.Join(dir, "tool"), 0o755))
	t.Setenv("PATH", strings.Join([]string{"relative", "", dir}, ":"))
	found, err := Program("tool")
	require.NoError(t, err)
	assert.Equal(t, filepath.Join(dir, "tool"), found)
	_, err = Program("plain")
	assert.ErrorIs(t, err, fs.ErrNotExist, "it is not executable")
	found, err = Program("sh")
	require.NoError(t, err, "it is where programs are, if not on the PATH")
	assert.True(t, filepath.IsAbs(found))
}
