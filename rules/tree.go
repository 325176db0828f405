package rules

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/whydenied/whydenied/rules/disk"
)

// A Tree is where policy files are read. A nil *Tree is this machine's disk; any
// other is a copy, in memory, of files of a Linux host, under the names that they
// have there, whatever system this is.
type Tree struct {
	dir   string // what relative names begin at
	texts map[string]string
	lists map[string][]string // the files of each directory, without its name

	// over begins the names that are its own, if it lies over the disk: all others are the disk's.
	over string
}

// NewTreeOver is NewTree of texts whose names all begin with one text, over this machine's
// disk, which has all other names.
func NewTreeOver(over string, texts map[string]string) *Tree {
	t := NewTree("/", texts)
	t.over = over
	return t
}

// Has reports whether a name is the tree's, and not the disk's.
func (t *Tree) Has(name string) bool { return t.of(name) != nil }

// of returns the tree that has a name, nil for the disk.
func (t *Tree) of(name string) *Tree {
	if t != nil && t.over != "" && !strings.HasPrefix(name, t.over) {
		return nil
	}
	return t
}

// MaxFile is the size of the largest policy file that is read, in bytes.
const MaxFile = 8 << 20

// NewTree returns a tree of texts by their absolute names. Relative names begin
// at dir, as they did at the host's working directory.
func NewTree(dir string, texts map[string]string) *Tree {
	t := &Tree{dir: dir, texts: map[string]string{}, lists: map[string][]string{}}
	for name, text := range texts {
		name = t.absolute(name)
		if _, twice := t.texts[name]; twice {
			continue
		}
		t.texts[name] = text
		dir := path.Dir(name)
		t.lists[dir] = append(t.lists[dir], path.Base(name))
		for ; dir != "/"; dir = path.Dir(dir) {
			above := path.Dir(dir)
			if _, known := t.lists[above]; !known {
				t.lists[above] = nil
			}
		}
	}
	for _, names := range t.lists {
		slices.Sort(names)
	}
	return t
}

func (t *Tree) absolute(name string) string {
	if !path.IsAbs(name) {
		name = t.dir + "/" + name
	}
	return path.Clean("/" + name)
}

// ReadFile returns the text of a regular file.
func (t *Tree) ReadFile(name string) (string, error) {
	if t := t.of(name); t != nil {
		text, ok := t.texts[t.absolute(name)]
		switch {
		case t.IsDir(name):
			return "", fmt.Errorf("%s: not a regular file", name)
		case !ok:
			return "", &fs.PathError{Op: "stat", Path: name, Err: syscall.ENOENT}
		}
		return text, nil
	}
	text, err := disk.Read(name, MaxFile)
	return string(text), err
}

// ReadFile returns the text of a policy file that the user named, or what comes of a
// pipe whose other end the user's shell holds.
func ReadFile(name string) (string, error) {
	text, err := disk.ReadNamed(name, MaxFile)
	return string(text), err
}

// SystemPolicy is the directory of the system's AppArmor policy, whose links lead where
// its administrator wants.
const SystemPolicy = "/etc/apparmor.d"

// ReadListed is ReadFile of a file that was found below a directory. On this machine's
// disk, whoever made the directory can have a link there lead to what only this user can
// read; so none that leads out of it is followed, but in SystemPolicy.
func (t *Tree) ReadListed(dir, name string) (string, error) {
	if t.Has(name) || dir == SystemPolicy {
		return t.ReadFile(name)
	}
	below, err := filepath.Abs(dir)
	if err == nil {
		below, err = filepath.EvalSymlinks(below)
	}
	if err != nil {
		return "", err
	}
	real, _, err := disk.Resolve([]string{below}, name)
	if errors.Is(err, disk.ErrOutside) {
		return "", fmt.Errorf("%s: not read, as it is a link out of %s", name, dir)
	}
	if err != nil {
		return "", err
	}
	text, err := disk.ReadBelow(below, real, MaxFile)
	return string(text), err
}

// List returns the names of the regular files in a directory, sorted and
// without the directory's.
func (t *Tree) List(dir string) ([]string, error) {
	if t := t.of(dir); t != nil {
		names, ok := t.lists[t.absolute(dir)]
		if !ok {
			return nil, &fs.PathError{Op: "open", Path: dir, Err: syscall.ENOENT}
		}
		return slices.Clone(names), nil
	}
	return disk.List(dir)
}

// Dirs returns the names of the directories in a directory, sorted and without the
// directory's.
func (t *Tree) Dirs(dir string) ([]string, error) {
	var names []string
	if !t.Has(dir) {
		entries, err := os.ReadDir(dir)
		for _, e := range entries {
			if e.IsDir() {
				names = append(names, e.Name())
			}
		}
		return names, err
	}
	dir = t.absolute(dir)
	if _, ok := t.lists[dir]; !ok {
		return nil, &fs.PathError{Op: "open", Path: dir, Err: syscall.ENOENT}
	}
	for name := range t.lists {
		if name != dir && path.Dir(name) == dir {
			names = append(names, path.Base(name))
		}
	}
	slices.Sort(names)
	return names, nil
}

// IsDir reports whether there is a directory of that name.
func (t *Tree) IsDir(name string) bool {
	if t := t.of(name); t != nil {
		_, ok := t.lists[t.absolute(name)]
		return ok
	}
	info, err := os.Stat(name)
	return err == nil && info.IsDir()
}

// Join makes a name of a directory and what is in it.
func (t *Tree) Join(dir, name string) string {
	if t.Has(dir) {
		return path.Join(dir, name)
	}
	return filepath.Join(dir, name)
}
