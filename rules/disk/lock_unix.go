//go:build unix && !aix && !solaris

package disk

import (
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// lockWait is how long another writer is waited for.
const lockWait = 30 * time.Second

// lock waits until nobody else writes in the directory of a place. It locks a file
// that is there meanwhile, which apparmor_parser passes over as its name begins with a
// dot: the directory itself any user could keep locked who can read it. Where others
// can write, as in /tmp, each user has a lock of their own, as nobody can replace what
// is another's there.
func (p *place) lock() (unlock func(), err error) {
	name := ".whydenied.lock"
	if p.sticky {
		name = fmt.Sprintf(".whydenied-%d.lock", os.Geteuid())
	}
	for end := time.Now().Add(lockWait); ; {
		f, err := p.openAt(name, os.O_RDWR|os.O_CREATE, 0o600)
		if f, err = checked(f, err, p.name(name)); err != nil {
			return nil, err
		}
		free := tryLock(f)
		if free && p.isStill(name, f) {
			p.sweep()
			return func() {
				_ = p.remove(name) // before it is unlocked, so that isStill tells
				f.Close()
			}, nil
		}
		f.Close()
		if time.Now().After(end) {
			return nil, fmt.Errorf("somebody else has been writing for %s, and holds %s", lockWait, p.name(name))
		}
		if !free {
			time.Sleep(10 * time.Millisecond)
		}
	}
}

// tryLock locks a file, and reports whether nobody else had it locked. Where there
// are no locks, nobody has.
func tryLock(f *os.File) bool {
	for {
		switch err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err {
		case unix.EINTR:
		case unix.EWOULDBLOCK:
			return false
		default:
			return true
		}
	}
}

// sweep removes what one left that was killed, as nobody else writes here now.
func (p *place) sweep() {
	if p.sticky {
		return
	}
	dir, err := p.openAt(".", os.O_RDONLY|directory, 0)
	if err != nil {
		return
	}
	defer dir.Close()
	names, _ := dir.Readdirnames(-1)
	for _, name := range names {
		if strings.HasPrefix(name, temporaryPrefix) && strings.HasSuffix(name, temporarySuffix) {
			_ = p.remove(name)
		}
	}
}
