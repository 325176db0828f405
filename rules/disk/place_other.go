//go:build !unix || aix || solaris

package disk

import (
	"io/fs"
	"os"
	"path/filepath"
)

// Here files have no owner in the sense of Unix, names cannot be had of a directory
// that is held open, and nobody is locked out.
const (
	nonBlock  = 0
	noFollow  = 0
	directory = 0
)

// A place is a name in a directory.
type place struct{ path, base string }

func locate(name string, dirs fs.FileMode, follow bool, _ []int) (*place, error) {
	if dirs != 0 {
		if err := os.MkdirAll(filepath.Dir(name), dirs); err != nil {
			return nil, err
		}
	}
	if follow {
		if real, err := filepath.EvalSymlinks(name); err == nil {
			name = real
		}
	}
	if _, err := os.Stat(filepath.Dir(name)); err != nil {
		return nil, err
	}
	return &place{filepath.Dir(name), filepath.Base(name)}, nil
}

func (p *place) checkFile(*os.File, bool, []int) error { return nil }
func (p *place) close()                                {}
func (p *place) closed() error                         { return nil }
func (p *place) name(base string) string               { return filepath.Join(p.path, base) }
func (p *place) link(old, new string) error            { return os.Link(p.name(old), p.name(new)) }
func (p *place) rename(old, new string) error          { return os.Rename(p.name(old), p.name(new)) }
func (p *place) remove(base string) error              { return os.Remove(p.name(base)) }
func (p *place) sync()                                 {}

func (p *place) open(flags int, mode fs.FileMode) (*os.File, error) {
	return p.openAt(p.base, flags, mode)
}

func (p *place) openAt(base string, flags int, mode fs.FileMode) (*os.File, error) {
	return os.OpenFile(p.name(base), flags, mode)
}

func (p *place) exists() bool {
	_, err := os.Lstat(p.name(p.base))
	return err == nil
}

func ownerOf(*os.File) (uid int, err error) { return 0, nil }

func ourselves() []int { return nil }
func writers() []int   { return nil }

func (p *place) lock() (unlock func(), err error) { return func() {}, nil }

func sameOwner(f, other *os.File) error {
	info, err := other.Stat()
	if err != nil {
		return err
	}
	return f.Chmod(info.Mode().Perm())
}
