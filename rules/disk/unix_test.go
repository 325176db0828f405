//go:build unix

package disk

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Nothing waits for the writer of a FIFO, and none is written to.
func TestFIFO(t *testing.T) {
	dir := t.TempDir()
	fifo := filepath.Join(dir, "fifo")
	require.NoError(t, syscall.Mkfifo(fifo, 0o600))
	for what, err := range map[string]error{
		"Open":      second(Open(fifo)),
		"OpenOwned": second(first(OpenOwned(fifo))),
		"Read":      second(Read(fifo, 9)),
		"ReadNamed": second(ReadNamed(fifo, 9)),
		"ReadBelow": second(ReadBelow(dir, fifo, 9)),
		"ReadOwn":   second(ReadOwn(fifo, 9)),
		"Replace":   second(Replace(fifo, "", "x")),
		"Put":       Put(fifo, []byte("x")),
	} {
		assert.ErrorContains(t, err, "not a regular file", what)
	}
	names, err := List(dir)
	require.NoError(t, err)
	assert.Empty(t, names)
	_, err = List(fifo)
	assert.ErrorIs(t, err, syscall.ENOTDIR)
}

func first[T any](x T, _ int, err error) (T, error) { return x, err }

func second[T any](_ T, err error) error { return err }

// A pipe of the user's shell is read as a file is.
func TestReadPipe(t *testing.T) {
	r, w, err := os.Pipe()
	require.NoError(t, err)
	defer r.Close()
	go func() {
		defer w.Close()
		w.WriteString("profile web {}")
	}()
	name := fmt.Sprint("/dev/fd/", r.Fd())
	text, err := ReadNamed(name, 100)
	require.NoError(t, err)
	assert.Equal(t, "profile web {}", string(text))
}

// What the kernel shows as files is no policy.
func TestKernelFiles(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("this is about Linux")
	}
	for _, name := range []string{"/proc/self/environ", "/proc/kmsg", "/proc/self/cmdline", "/sys/kernel/mm/transparent_hugepage/enabled"} {
		if _, err := os.Lstat(name); err != nil {
			continue
		}
		_, err := Read(name, 1<<20)
		assert.Error(t, err, name)
		if os.Geteuid() == 0 {
			assert.ErrorContains(t, err, "not a file on disk")
		}
	}
	status, err := ReadKernels("/proc/self/status", 1<<20)
	require.NoError(t, err)
	assert.Contains(t, string(status), "Name:")
	_, err = ReadKernels("/proc/self/status", 10)
	assert.ErrorContains(t, err, "larger than")
	_, err = Read("/dev/null", 10)
	assert.ErrorContains(t, err, "not a regular file")
	_, err = List("/proc/self")
	assert.ErrorContains(t, err, "not a directory on disk")
}

func asRoot(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("who may write what is of interest to root alone")
	}
}

// Root writes nothing where another user can have the path lead elsewhere.
func TestWriteWhereOthersCan(t *testing.T) {
	asRoot(t)
	t.Setenv("SUDO_UID", "")
	const stranger = 4242
	for _, test := range []struct {
		what   string
		change func(t *testing.T, dir, name string) (asked string)
		want   string // "" if it is written
	}{
		{"root's own", func(_ *testing.T, _, name string) string { return name }, ""},
		{"a directory of another user", func(t *testing.T, dir, name string) string {
			require.NoError(t, os.Chown(dir, stranger, 0))
			return name
		}, "belongs to user 4242"},
		{"one above it", func(t *testing.T, dir, name string) string {
			require.NoError(t, os.Chown(filepath.Dir(dir), stranger, 0))
			return name
		}, "belongs to user 4242"},
		{"a directory that all can write to", func(t *testing.T, dir, name string) string {
			require.NoError(t, os.Chmod(dir, 0o777))
			return name
		}, "can be written to by all users"},
		{"a directory that a group can write to", func(t *testing.T, dir, name string) string {
			require.NoError(t, os.Chown(dir, 0, stranger))
			require.NoError(t, os.Chmod(dir, 0o775))
			return name
		}, "can be written to by group 4242"},
		{"a directory like /tmp", func(t *testing.T, dir, name string) string {
			require.NoError(t, os.Chmod(dir, 0o777|fs.ModeSticky))
			return name
		}, ""},
		{"another user's file in it", func(t *testing.T, dir, name string) string {
			require.NoError(t, os.Chmod(dir, 0o777|fs.ModeSticky))
			require.NoError(t, os.Chown(name, stranger, 0))
			return name
		}, "belongs to user 4242"},
		{"another user's link in it", func(t *testing.T, dir, name string) string {
			top := filepath.Dir(dir)
			require.NoError(t, os.Chmod(top, 0o777|fs.ModeSticky))
			link := filepath.Join(top, "link")
			require.NoError(t, os.Symlink(dir, link))
			require.NoError(t, os.Lchown(link, stranger, 0))
			return filepath.Join(link, "web")
		}, "is a link, which belongs to user 4242"},
		{"root's link", func(t *testing.T, dir, name string) string {
			link := filepath.Join(filepath.Dir(dir), "link")
			require.NoError(t, os.Symlink("dir/../dir", link))
			return filepath.Join(link, "..", "link", "web")
		}, ""},
		{"another user's file in a directory of root's", func(t *testing.T, _, name string) string {
			require.NoError(t, os.Chown(name, stranger, stranger))
			return name
		}, ""},
	} {
		t.Run(test.what, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "dir")
			name := put(t, filepath.Join(dir, "web"), "old")
			before, err := os.Stat(name)
			require.NoError(t, err)
			asked := test.change(t, dir, name)
			uid := func() uint32 {
				info, err := os.Stat(name)
				require.NoError(t, err)
				return info.Sys().(*syscall.Stat_t).Uid
			}
			owner := uid()
			_, err = Replace(asked, "old", "new")
			errPut := Put(asked, []byte("newer"))
			text, _ := os.ReadFile(name)
			if test.want == "" {
				require.NoError(t, err)
				require.NoError(t, errPut)
				assert.Equal(t, "newer", string(text))
				assert.Equal(t, owner, uid(), "it has the owner that it had")
				return
			}
			for _, err := range []error{err, errPut} {
				assert.ErrorContains(t, err, test.want)
				assert.ErrorContains(t, err, asked+": another user can change it")
				assert.ErrorContains(t, err, "name a place that root alone can change")
			}
			assert.Equal(t, "old", string(text))
			after, err := os.Stat(name)
			require.NoError(t, err)
			assert.True(t, os.SameFile(before, after))
		})
	}
}

// Who asks sudo for it has it written in a directory of their own, and not through a
// link there.
func TestWriteForSudo(t *testing.T) {
	asRoot(t)
	t.Setenv("SUDO_UID", "4242")
	top := t.TempDir()
	dir, elsewhere := filepath.Join(top, "dir"), filepath.Join(top, "elsewhere")
	name := put(t, filepath.Join(dir, "web"), "old")
	put(t, filepath.Join(elsewhere, "web"), "old")
	require.NoError(t, os.Chown(dir, 4242, 0))
	_, err := Replace(name, "old", "new")
	require.NoError(t, err)
	link := filepath.Join(dir, "link")
	require.NoError(t, os.Symlink(elsewhere, link))
	_, err = Replace(filepath.Join(link, "web"), "old", "new")
	assert.ErrorContains(t, err, "is a link, which belongs to user 4242")
	require.NoError(t, os.Remove(name))
	require.NoError(t, os.Symlink(filepath.Join(elsewhere, "web"), name))
	assert.ErrorContains(t, Put(name, nil), "is a link, which belongs to user 4242")
	text, err := os.ReadFile(filepath.Join(elsewhere, "web"))
	require.NoError(t, err)
	assert.Equal(t, "old", string(text))
}

// Another user's file is not believed, and their program not run.
func TestOthersAreNotBelieved(t *testing.T) {
	asRoot(t)
	dir := t.TempDir()
	name := put(t, filepath.Join(dir, "nosuchtool"), "#!/bin/sh\n")
	require.NoError(t, os.Chmod(name, 0o755))
	t.Setenv("PATH", dir)
	_, err := Program("nosuchtool")
	require.NoError(t, err)
	require.NoError(t, os.Chown(name, 4242, 0))
	_, err = Program("nosuchtool")
	assert.EqualError(t, err, name+": another user can change it, as "+name+" belongs to user 4242; it is not run as root")
	_, err = ReadOwn(name, 100)
	assert.ErrorContains(t, err, "belongs to user 4242; it is not believed")
	require.NoError(t, os.Chown(name, 0, 0))
	require.NoError(t, os.Chmod(name, 0o757))
	_, err = ReadOwn(name, 100)
	assert.ErrorContains(t, err, "can be written to by all users")
	require.NoError(t, os.Chmod(dir, 0o777))
	_, err = Program("nosuchtool")
	assert.ErrorContains(t, err, dir+" can be written to by all users")
	assert.ErrorContains(t, Remove(name), "can be written to by all users")
	t.Setenv("TMPDIR", dir)
	_, err = TempDir()
	assert.ErrorContains(t, err, "can be written to by all users")
}

// What Put makes in a directory of who asked sudo is theirs, directories too; what was
// another's stays so.
func TestPutIsTheOwners(t *testing.T) {
	asRoot(t)
	if runtime.GOOS != "linux" {
		t.Skip("files are written as another user on Linux alone")
	}
	t.Setenv("SUDO_UID", "4242")
	t.Setenv("SUDO_GID", "4343")
	dir := filepath.Join(t.TempDir(), "dir")
	theirs := put(t, filepath.Join(dir, "mine"), "old")
	require.NoError(t, os.Chown(dir, 4242, 4343))
	name := filepath.Join(dir, "a", "b", "new")
	require.NoError(t, CanPut(name))
	assert.NoDirExists(t, filepath.Join(dir, "a"))
	require.NoError(t, Put(name, []byte("x")))
	for _, made := range []string{name, filepath.Dir(name), filepath.Join(dir, "a")} {
		info, err := os.Stat(made)
		require.NoError(t, err)
		s := info.Sys().(*syscall.Stat_t)
		assert.Equal(t, []uint32{4242, 4343}, []uint32{s.Uid, s.Gid}, made)
	}
	for _, err := range []error{CanPut(theirs), Put(theirs, []byte("x"))} {
		assert.ErrorContains(t, err, "mine belongs to user 0 and group 0, and this process cannot keep that")
	}
	text, err := os.ReadFile(theirs)
	require.NoError(t, err)
	assert.Equal(t, "old", string(text))
	require.NoError(t, os.Chown(theirs, 0, 4242)) // this thread is root again
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Len(t, entries, 2, "nothing else is left")
}

// Why a file could not be written is told beforehand.
func TestCanPut(t *testing.T) {
	dir := t.TempDir()
	put(t, filepath.Join(dir, "file"), "x")
	require.NoError(t, os.Mkdir(filepath.Join(dir, "folder"), 0o755))
	assert.NoError(t, CanPut(filepath.Join(dir, "file")))
	assert.NoError(t, CanPut(filepath.Join(dir, "a", "b", "new")))
	assert.ErrorIs(t, CanPut(filepath.Join(dir, "file", "new")), syscall.ENOTDIR)
	assert.ErrorContains(t, CanPut(filepath.Join(dir, "folder")), "not a regular file")
	if os.Geteuid() == 0 {
		t.Setenv("SUDO_UID", "")
		require.NoError(t, os.Chown(dir, 4242, 0))
		assert.ErrorContains(t, CanPut(filepath.Join(dir, "a", "new")), "another user can change it")
	}
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Len(t, entries, 2)
}

// A relative name is one below the directory that we are in, whatever links a shell
// went through to get there.
func TestPutWhereWeAre(t *testing.T) {
	asRoot(t)
	t.Setenv("SUDO_UID", "4242")
	top := t.TempDir()
	dir, link := filepath.Join(top, "dir"), filepath.Join(top, "link")
	require.NoError(t, os.Mkdir(dir, 0o755))
	require.NoError(t, os.Symlink(dir, link))
	require.NoError(t, os.Lchown(link, 4242, 4242))
	require.NoError(t, os.Chown(top, 4242, 4242))
	require.NoError(t, os.Chown(dir, 4242, 4242))
	t.Chdir(link)
	require.Equal(t, link, os.Getenv("PWD"))
	require.NoError(t, Put("patches/new", []byte("x")))
	assert.FileExists(t, filepath.Join(dir, "patches", "new"))
}
