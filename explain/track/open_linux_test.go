package track

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// What lies where a file should be neither blocks nor is read.
func TestReadFileHostile(t *testing.T) {
	dir := t.TempDir()
	name := func(s string) string { return filepath.Join(dir, s) }
	writeFile(t, name("file"), "{}")
	writeFile(t, name("long"), strings.Repeat("a", maxFile+1))
	require.NoError(t, unix.Mkfifo(name("fifo"), 0o600))
	require.NoError(t, os.Symlink("file", name("link")))
	require.NoError(t, os.Symlink("/dev/zero", name("device")))
	require.NoError(t, os.Symlink("/proc/self/environ", name("secret")))
	require.NoError(t, os.Mkdir(name("folder"), 0o755))
	socket, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	require.NoError(t, err)
	defer unix.Close(socket)
	t.Chdir(dir) // the path of a socket is short
	require.NoError(t, unix.Bind(socket, &unix.SockaddrUnix{Name: "socket"}))
	me := os.Geteuid()
	for _, hostile := range []string{"long", "fifo", "link", "device", "secret", "folder", "socket", "none", "/dev/zero", "/dev/tty"} {
		if !filepath.IsAbs(hostile) {
			hostile = name(hostile)
		}
		_, err := readFile(hostile, 0)
		assert.Error(t, err, hostile)
	}
	text, err := readFile(name("file"), me)
	require.NoError(t, err)
	assert.Equal(t, "{}", string(text))
	_, err = readFile(name("file"), 4_000_000)
	assert.ErrorContains(t, err, "belongs to user")
	for i := range 2 * maxNamespaces {
		writeFile(t, name("folder/"+fmt.Sprint(i)), "")
	}
	assert.Len(t, readNames(name("folder"), maxNamespaces), maxNamespaces)
	assert.Empty(t, readNames(name("fifo"), maxNamespaces))
}

// A file that becomes a FIFO at any time blocks nobody.
func TestReadFileSwapped(t *testing.T) {
	dir := t.TempDir()
	file, other := filepath.Join(dir, "config.json"), filepath.Join(dir, "other")
	writeFile(t, file, `{"ociVersion":"1.0.2","linux":{}}`)
	require.NoError(t, unix.Mkfifo(other, 0o600))
	var over atomic.Bool
	var swapping sync.WaitGroup
	swapping.Go(func() {
		for !over.Load() {
			assert.NoError(t, unix.Renameat2(unix.AT_FDCWD, file, unix.AT_FDCWD, other, unix.RENAME_EXCHANGE))
		}
	})
	read, failed := 0, 0
	for range 5000 {
		text, err := readFile(file, 0)
		if err != nil {
			failed++
			continue
		}
		read++
		assert.Contains(t, string(text), "ociVersion")
	}
	over.Store(true)
	swapping.Wait()
	t.Logf("%d times a file, %d times none", read, failed)
}
