package disk

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// A Changeable is the error for a path that another user can have lead elsewhere, and
// that root therefore neither writes, believes nor runs.
type Changeable struct {
	Name string // that was asked for
	At   string // the part of its path
	Who  string // can change it: "belongs to user 1000"
	So   string // what follows
}

func (e *Changeable) Error() string {
	return fmt.Sprintf("%s: another user can change it, as %s %s; %s", e.Name, e.At, e.Who, e.So)
}

// What follows of a path that another user can change.
const (
	unwritten  = "it was left as it is: name a place that root alone can change, or run this as that user"
	unbelieved = "it is not believed: remove it, or name another"
	notRun     = "it is not run as root"
)

// about puts the name that was asked for, and what follows, into an error of its path.
func about(name, so string, err error) error {
	if changeable, ok := errors.AsType[*Changeable](err); ok {
		changeable.Name, changeable.So = name, so
	}
	return err
}

// ErrChanged is the error for a file that does not hold what it was thought to.
var ErrChanged = errors.New("it changed meanwhile")

// Replace puts a new text in place of the old one of a file: all of it or nothing,
// whatever happens meanwhile, with the mode, owner, access control list and attributes
// that the file had. What it held is kept beside it as NAME.orig, a name that
// apparmor_parser passes over, with digits before that where it is taken; the name is
// returned. The error is ErrChanged if the file does not hold the old text.
func Replace(name, old, new string) (backup string, err error) {
	p, unlock, err := locked(name, 0, true)
	if err != nil {
		return "", err
	}
	defer unlock()
	f, err := p.existing(writers())
	if err != nil {
		return "", about(name, unwritten, err)
	}
	defer f.Close()
	have, err := io.ReadAll(io.LimitReader(f, int64(len(old))+1))
	if err != nil {
		return "", err
	}
	if string(have) != old {
		return "", ErrChanged
	}
	temporary, err := p.temporary(f, 0, text(new))
	if err != nil {
		return "", err
	}
	if backup, err = p.keep(f, old); err == nil {
		f.Close() // as Windows renames over no open file
		err = p.rename(temporary, p.base)
	}
	if err != nil {
		_ = p.remove(temporary)
		return "", err
	}
	p.sync()
	if real, err := filepath.EvalSymlinks(name); err == nil { // as the user knows it
		backup = filepath.Join(filepath.Dir(real), filepath.Base(backup))
	}
	return backup, nil
}

// Put writes a file as Replace does, whatever it held, or creates it and the
// directories above it. It keeps nothing. What it creates in a directory of the user
// who asked sudo for this program is that user's.
func Put(name string, content []byte) error {
	return putting(name, 0o755, func(p *place, like *os.File) error {
		temporary, err := p.temporary(like, 0o644, text(string(content)))
		if err != nil {
			return err
		}
		like.Close() // as Windows renames over no open file
		if err := p.rename(temporary, p.base); err != nil {
			return errors.Join(err, p.remove(temporary))
		}
		p.sync()
		return nil
	})
}

// CanPut returns why Put could not write a file, if that can be told beforehand. It
// leaves nothing behind.
func CanPut(name string) error {
	try := func(p *place, like *os.File) error {
		temporary, err := p.temporary(like, 0o644, text("\n"))
		if err != nil {
			return err
		}
		return p.remove(temporary)
	}
	for {
		err := putting(name, 0, try)
		above := filepath.Dir(name)
		if !errors.Is(err, fs.ErrNotExist) || above == name {
			return err
		}
		name = above // which would be made
	}
}

// putting calls write with the place of a file, and the file if there is one, as the owner
// of the directory and while nobody else writes there.
func putting(name string, dirs fs.FileMode, write func(p *place, like *os.File) error) error {
	p, err := locate(name, dirs, true, writers())
	if err != nil {
		return about(name, unwritten, err)
	}
	defer p.close()
	stop, err := p.asOwner()
	if err != nil {
		return err
	}
	defer stop()
	unlock, err := p.lockFor(name)
	if err != nil {
		return err
	}
	defer unlock()
	f, err := p.existing(writers())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return about(name, unwritten, err)
	}
	defer f.Close() // which does nothing if there is none
	return write(p, f)
}

// Create makes a file of what write writes, of which there is all or nothing, with the
// mode perm. Directories above it that are not there are made with the mode dirs,
// unless that is 0. The error is fs.ErrExist if there is anything of that name.
func Create(name string, perm, dirs fs.FileMode, write func(*os.File) error) error {
	p, unlock, err := locked(name, dirs, false)
	if err != nil {
		return err
	}
	defer unlock()
	if p.exists() {
		return taken(name)
	}
	temporary, err := p.temporary(nil, perm, write)
	if err != nil {
		return err
	}
	err = p.publish(temporary, p.base)
	if errors.Is(err, fs.ErrExist) {
		return taken(name)
	}
	p.sync()
	return err
}

// taken is the error for a name that was to be a new file's; it is fs.ErrExist.
type taken string

func (name taken) Error() string { return string(name) + ": it is there already" }

func (taken) Is(target error) bool { return target == fs.ErrExist }

// ReadOwn is Read of what only this user and root can have written.
func ReadOwn(name string, max int64) ([]byte, error) {
	p, err := locate(name, 0, false, ourselves())
	if err != nil {
		return nil, about(name, unbelieved, err)
	}
	defer p.close()
	f, err := p.open(os.O_RDONLY, 0)
	if f, err = checked(f, err, name); err != nil {
		return nil, err
	}
	defer f.Close()
	if err := p.checkFile(f, true, ourselves()); err != nil {
		return nil, about(name, unbelieved, err)
	}
	return readAll(f, name, max)
}

// Remove removes a file where only this user and root could have put it.
func Remove(name string) error {
	p, err := locate(name, 0, false, ourselves())
	if err != nil {
		return about(name, unbelieved, err)
	}
	defer p.close()
	return p.remove(p.base)
}

// TempDir makes a directory for this user alone, which is to be removed. Nobody else
// can change the path that it returns.
func TempDir() (string, error) {
	p, err := locate(filepath.Join(os.TempDir(), "whydenied"), 0, false, ourselves())
	if err != nil {
		return "", about(os.TempDir(), unwritten, err)
	}
	defer p.close()
	return os.MkdirTemp(p.path, "whydenied-")
}

// text returns what writes a text.
func text(content string) func(*os.File) error {
	return func(f *os.File) error {
		_, err := f.WriteString(content)
		return err
	}
}

// locked locates a file to be written, and waits until nobody else writes in its
// directory.
func locked(name string, dirs fs.FileMode, follow bool) (p *place, unlock func(), err error) {
	if p, err = locate(name, dirs, follow, writers()); err != nil {
		return nil, nil, about(name, unwritten, err)
	}
	release, err := p.lockFor(name)
	if err != nil {
		p.close()
		return nil, nil, err
	}
	return p, func() {
		release()
		p.close()
	}, nil
}

// lockFor waits until nobody else writes in the place's directory.
func (p *place) lockFor(name string) (unlock func(), err error) {
	if unlock, err = p.lock(); err != nil {
		return nil, fmt.Errorf("%s: cannot write beside it: %w", name, err)
	}
	return unlock, nil
}

// isStill reports whether a name is that of an open file.
func (p *place) isStill(base string, f *os.File) bool {
	now, err := p.openAt(base, os.O_RDONLY, 0)
	if err != nil {
		return false
	}
	defer now.Close()
	a, errA := now.Stat()
	b, errB := f.Stat()
	return errA == nil && errB == nil && os.SameFile(a, b)
}

const temporaryPrefix, temporarySuffix = ".whydenied-", ".tmp"

// existing opens the file that is to be replaced.
func (p *place) existing(trusted []int) (*os.File, error) {
	f, err := p.open(os.O_RDONLY, 0)
	if f, err = checked(f, err, p.name(p.base)); err != nil {
		return nil, err
	}
	if err := p.checkFile(f, false, trusted); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// temporary writes a new file beside the place, and returns its name. It is like
// another file if there is one, else it has the mode perm.
func (p *place) temporary(like *os.File, perm fs.FileMode, write func(*os.File) error) (string, error) {
	name := temporaryPrefix + rand.Text() + temporarySuffix
	if like != nil {
		perm = 0o600 // until it has the other's owner
	}
	f, err := p.openAt(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, perm)
	if err != nil {
		return "", err
	}
	err = write(f)
	if err == nil && like != nil {
		if err = sameOwner(f, like); err == nil {
			err = sameAttributes(f, like)
		}
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return "", errors.Join(err, p.remove(name))
	}
	return name, nil
}

// keep gives a file that holds text a second name that is free, and returns it. Where
// files have one name each, it is that of a copy.
func (p *place) keep(f *os.File, held string) (string, error) {
	for n := range 1000 {
		name := p.base + ".orig"
		if n > 0 {
			name = fmt.Sprintf("%s.%d.orig", p.base, n)
		}
		err := p.link(p.base, name)
		if err == nil && !p.isStill(name, f) {
			return "", errors.Join(ErrChanged, p.remove(name))
		}
		if err != nil && !errors.Is(err, fs.ErrExist) {
			var copied string
			if copied, err = p.temporary(f, 0, text(held)); err != nil {
				return "", err
			}
			err = p.publish(copied, name)
		}
		switch {
		case err == nil:
			return p.name(name), nil
		case !errors.Is(err, fs.ErrExist):
			return "", err
		}
	}
	return "", fmt.Errorf("a thousand backups are there already; remove some of %s*.orig", p.name(p.base))
}

// publish gives a new file its name, if that is free.
func (p *place) publish(temporary, base string) error {
	err := p.link(temporary, base)
	if err == nil || errors.Is(err, fs.ErrExist) {
		return errors.Join(err, p.remove(temporary))
	}
	// A file system without a second name for a file.
	reserved, err := p.openAt(base, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err == nil {
		reserved.Close()
		err = p.rename(temporary, base)
	}
	if err != nil {
		return errors.Join(err, p.remove(temporary))
	}
	return nil
}
