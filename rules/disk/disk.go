// Package disk opens, reads and writes files that others may control: policy of
// strangers, directories of other users, metadata that any process can put down.
//
// What is read is what was opened, never what a name meant a moment before, and no
// opening waits: not for the writer of a FIFO, nor for a device. What is written is
// written in a directory that is held open, whole or not at all; and as root only
// where no other user can have the path lead elsewhere.
//
// All functions are safe for concurrent use, by several processes too.
package disk

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
)

// ErrOutside is the error for a file that is not below the directories that may be
// read.
var ErrOutside = errors.New("outside of the directories that are read")

// Open opens a regular file for reading, and never waits for it. Files of the kernel,
// such as those of /proc, are regular ones.
func Open(name string) (*os.File, error) {
	// Opening a device can do something, such as to rewind a tape.
	if info, err := os.Stat(name); err == nil && !info.Mode().IsRegular() {
		return nil, notRegular(name)
	}
	f, err := os.OpenFile(name, os.O_RDONLY|nonBlock, 0)
	return checked(f, err, name)
}

// OpenOwned is Open of a file that any user can have made, and tells whose it is, 0 where
// files have no owner in the sense of Unix. No link in the file's place is followed.
func OpenOwned(name string) (f *os.File, uid int, err error) {
	if info, err := os.Lstat(name); err == nil && !info.Mode().IsRegular() {
		return nil, 0, notRegular(name)
	}
	f, err = os.OpenFile(name, os.O_RDONLY|nonBlock|noFollow, 0)
	if f, err = checked(f, err, name); err != nil {
		return nil, 0, err
	}
	if uid, err = ownerOf(f); err != nil {
		f.Close()
		return nil, 0, err
	}
	return f, uid, nil
}

// checked returns an opened file if it is a regular one.
func checked(f *os.File, err error, name string) (*os.File, error) {
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = notRegular(name)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

func notRegular(name string) error { return fmt.Errorf("%s: not a regular file", name) }

// Read returns the content of a regular file of at most max bytes, which is on a
// disk or in memory: what the kernel shows in /proc and /sys is refused.
func Read(name string, max int64) ([]byte, error) {
	f, err := Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return read(f, name, max)
}

// ReadKernels returns the content of a file of at most max bytes that the kernel makes, as in
// /proc and /sys: for names that are this program's own, and no user's.
func ReadKernels(name string, max int64) ([]byte, error) {
	f, err := Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return readAll(f, name, max)
}

func read(f *os.File, name string, max int64) ([]byte, error) {
	if isKernels(f) {
		return nil, fmt.Errorf("%s: not a file on disk, but one that the kernel makes", name)
	}
	return readAll(f, name, max)
}

func readAll(f io.Reader, name string, max int64) ([]byte, error) {
	text, err := io.ReadAll(io.LimitReader(f, max+1))
	if err == nil && int64(len(text)) > max {
		return nil, fmt.Errorf("%s: larger than %s", name, sizeOf(max))
	}
	return text, err
}

// sizeOf words a size: "16 MiB".
func sizeOf(n int64) string {
	if n < 1<<20 || n%(1<<20) != 0 {
		return fmt.Sprintf("%d bytes", n)
	}
	return fmt.Sprintf("%d MiB", n>>20)
}

// inherited are the names of what this program was started with, as a shell has it
// for <(command).
var inherited = regexp.MustCompile(`^/(dev|proc/self)/fd/\d+$|^/dev/stdin$`)

// ReadNamed is Read of what the user named. It may be a pipe then whose other end the
// user's shell holds, as of <(command), which is waited for.
func ReadNamed(name string, max int64) ([]byte, error) {
	if info, err := os.Stat(name); err == nil && info.Mode()&fs.ModeNamedPipe != 0 && inherited.MatchString(name) {
		f, err := os.OpenFile(name, os.O_RDONLY|nonBlock, 0)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		return readAll(f, name, max)
	}
	return Read(name, max)
}

// Resolve returns a name without links in it, and which of the directories, which are
// resolved too, it is below; ErrOutside if it is below none.
func Resolve(dirs []string, name string) (real, dir string, err error) {
	if real, err = filepath.Abs(name); err != nil {
		return "", "", err
	}
	if real, err = filepath.EvalSymlinks(real); err != nil {
		return "", "", err
	}
	for _, dir := range dirs {
		if within(dir, real) {
			return real, dir, nil
		}
	}
	return "", "", fmt.Errorf("%s: %w", name, ErrOutside)
}

func within(dir, name string) bool {
	rel, err := filepath.Rel(dir, name)
	return err == nil && filepath.IsLocal(rel)
}

// ReadBelow is Read of a name that Resolve returned with the directory: it is below
// that, even if somebody changes links meanwhile.
func ReadBelow(dir, real string, max int64) ([]byte, error) {
	rel, err := filepath.Rel(dir, real)
	if err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	if info, err := root.Stat(rel); err == nil && !info.Mode().IsRegular() {
		return nil, notRegular(real)
	}
	f, err := root.OpenFile(rel, os.O_RDONLY|nonBlock, 0)
	if f, err = checked(f, err, real); err != nil {
		return nil, err
	}
	defer f.Close()
	return read(f, real, max)
}

// List returns the names of the regular files of a directory, sorted and without the
// directory's. A directory of the kernel's is refused.
func List(dir string) ([]string, error) {
	f, err := os.OpenFile(dir, os.O_RDONLY|directory|nonBlock, 0)
	if err != nil {
		return nil, err
	}
	kernels := isKernels(f)
	f.Close()
	if kernels {
		return nil, fmt.Errorf("%s: not a directory on disk, but one that the kernel makes", dir)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if info, err := os.Stat(filepath.Join(dir, e.Name())); err == nil && info.Mode().IsRegular() {
			names = append(names, e.Name())
		}
	}
	return names, nil
}
