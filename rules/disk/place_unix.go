//go:build unix && !aix && !solaris

package disk

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

const (
	nonBlock  = unix.O_NONBLOCK
	noFollow  = unix.O_NOFOLLOW
	directory = unix.O_DIRECTORY
)

// A place is a name in a directory that is held open, and so stays that directory
// whatever becomes of the path to it.
type place struct {
	dir    *os.File
	base   string
	path   string // of the directory, without links
	sticky bool   // others can put files into the directory, but not replace ours
}

// locate opens the directory of a name, and makes it and those above it with the mode
// dirs if it is not 0. The name itself is followed if it is a link and follow is set.
// As root, the path must be one that nobody can change but the trusted users: links
// are followed only where root put them.
func locate(name string, dirs fs.FileMode, follow bool, trusted []int) (*place, error) {
	if !path.IsAbs(name) {
		wd, err := unix.Getwd() // without links, which os.Getwd has of a shell's $PWD
		if err != nil {
			return nil, os.NewSyscallError("getcwd", err)
		}
		name = wd + "/" + name
	}
	for links := 0; ; links++ {
		p, target, err := walk(name, dirs, follow, trusted)
		if err != nil || target == "" {
			return p, err
		}
		if links == 40 {
			return nil, &fs.PathError{Op: "open", Path: name, Err: unix.ELOOP}
		}
		name = target
	}
}

// walk goes from the root down to the directory of an absolute name. At a link, or at
// "..", it returns the name that is meant instead.
func walk(name string, dirs fs.FileMode, follow bool, trusted []int) (_ *place, target string, err error) {
	parts := slices.DeleteFunc(strings.Split(name, "/"), func(part string) bool { return part == "" || part == "." })
	if len(parts) == 0 {
		return nil, "", &fs.PathError{Op: "open", Path: name, Err: unix.EISDIR}
	}
	root, err := os.OpenFile("/", os.O_RDONLY|directory, 0)
	if err != nil {
		return nil, "", err
	}
	p := &place{dir: root, path: "/"}
	defer func() {
		if err != nil || target != "" {
			p.close()
		}
	}()
	if err := p.check(trusted); err != nil {
		return nil, "", err
	}
	for i, part := range parts {
		p.base = part
		rest := strings.Join(parts[i+1:], "/")
		if part == ".." {
			return nil, path.Join(path.Dir(p.path), rest), nil
		}
		last := i == len(parts)-1
		if link, err := p.readlink(); err == nil && (!last || follow) {
			if !path.IsAbs(link) {
				link = p.path + "/" + link
			}
			// Not cleaned, as the link may lead through others.
			return nil, link + "/" + rest, p.checkLink()
		}
		if last {
			break
		}
		if err := p.enter(dirs, trusted); err != nil {
			return nil, "", err
		}
	}
	return p, "", nil
}

// enter moves a place into the directory that it names.
func (p *place) enter(dirs fs.FileMode, trusted []int) error {
	f, err := p.open(os.O_RDONLY|directory, 0)
	if errors.Is(err, fs.ErrNotExist) && dirs != 0 {
		if err := p.mkdir(dirs); err != nil {
			return err
		}
		f, err = p.open(os.O_RDONLY|directory, 0)
	}
	if err != nil {
		return err
	}
	p.dir.Close()
	p.dir, p.path = f, path.Join(p.path, p.base)
	return p.check(trusted)
}

// mkdir makes a directory where the place is, if there is none, for the owner of the
// one it is in.
func (p *place) mkdir(mode fs.FileMode) error {
	stop, err := p.asOwner()
	if err != nil {
		return err
	}
	defer stop()
	if err := unix.Mkdirat(p.fd(), p.base, uint32(mode)); err != nil && err != unix.EEXIST {
		return &fs.PathError{Op: "mkdir", Path: p.name(p.base), Err: err}
	}
	return nil
}

// check refuses a directory in which another user can change names. Only what root
// does can do more than that user could.
func (p *place) check(trusted []int) error {
	var s unix.Stat_t
	if err := unix.Fstat(p.fd(), &s); err != nil {
		return &fs.PathError{Op: "stat", Path: p.path, Err: err}
	}
	p.sticky = writable(&s) != "" && s.Mode&unix.S_ISVTX != 0
	if os.Geteuid() != 0 {
		return nil
	}
	who := owner(&s, trusted)
	if who == "" && !p.sticky {
		who = writable(&s)
	}
	if who != "" {
		return &Changeable{At: p.path, Who: who}
	}
	return nil
}

// checkLink refuses to follow a link that another user than root can put there.
func (p *place) checkLink() error {
	if os.Geteuid() != 0 {
		return nil
	}
	var dir, link unix.Stat_t
	err := unix.Fstat(p.fd(), &dir)
	if err == nil {
		err = unix.Fstatat(p.fd(), p.base, &link, unix.AT_SYMLINK_NOFOLLOW)
	}
	if err != nil {
		return &fs.PathError{Op: "stat", Path: p.name(p.base), Err: err}
	}
	who := owner(&dir, []int{0})
	if who == "" && p.sticky {
		who = owner(&link, []int{0})
	}
	if who != "" {
		return &Changeable{At: p.name(p.base) + " is a link, which", Who: who}
	}
	return nil
}

// checkFile refuses a file that another user can replace or, if alone is set, that
// another user than the trusted ones wrote.
func (p *place) checkFile(f *os.File, alone bool, trusted []int) error {
	var s unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &s); err != nil {
		return &fs.PathError{Op: "stat", Path: f.Name(), Err: err}
	}
	who := ""
	if alone || p.sticky && os.Geteuid() == 0 {
		who = owner(&s, trusted)
	}
	if alone && who == "" {
		who = writable(&s)
	}
	if who != "" {
		return &Changeable{At: f.Name(), Who: who}
	}
	return nil
}

// owner says that something belongs to another user than those trusted.
func owner(s *unix.Stat_t, trusted []int) string {
	if slices.Contains(trusted, int(s.Uid)) {
		return ""
	}
	return fmt.Sprintf("belongs to user %d", s.Uid)
}

// writable says who can write to something besides its owner. Where there are more
// entries in an access control list, the bits of the group are those of all of them.
func writable(s *unix.Stat_t) string {
	switch {
	case s.Mode&0o002 != 0:
		return "can be written to by all users"
	case s.Mode&0o020 != 0 && s.Gid != 0:
		return fmt.Sprintf("can be written to by group %d", s.Gid)
	}
	return ""
}

// ourselves are root and this user.
func ourselves() []int { return []int{0, os.Geteuid()} }

// writers are those who may change what this program writes: root, this user, and who
// asked sudo for it. Even they cannot have it write anything elsewhere.
func writers() []int {
	users := ourselves()
	if uid, ok := invoker(); ok {
		users = append(users, uid)
	}
	return users
}

// invoker is the user who asked sudo for this program.
func invoker() (uid int, ok bool) {
	uid, err := strconv.Atoi(os.Getenv("SUDO_UID"))
	return uid, err == nil
}

func (p *place) close() { p.dir.Close() }

func (p *place) fd() int { return int(p.dir.Fd()) }

// name is the path of a name in the directory.
func (p *place) name(base string) string { return path.Join(p.path, base) }

// open opens what the place names, which is no link.
func (p *place) open(flags int, mode fs.FileMode) (*os.File, error) {
	return p.openAt(p.base, flags, mode)
}

func (p *place) openAt(base string, flags int, mode fs.FileMode) (*os.File, error) {
	for {
		fd, err := unix.Openat(p.fd(), base, flags|unix.O_NOFOLLOW|unix.O_CLOEXEC|unix.O_NONBLOCK, uint32(mode.Perm()))
		switch err {
		case nil:
			return os.NewFile(uintptr(fd), p.name(base)), nil
		case unix.EINTR:
			continue
		}
		return nil, &fs.PathError{Op: "open", Path: p.name(base), Err: err}
	}
}

func (p *place) readlink() (string, error) {
	text := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(p.fd(), p.base, text)
	if err != nil {
		return "", err
	}
	return string(text[:n]), nil
}

func (p *place) link(old, new string) error {
	return linkError("link", p, old, new, unix.Linkat(p.fd(), old, p.fd(), new, 0))
}

func (p *place) rename(old, new string) error {
	return linkError("rename", p, old, new, unix.Renameat(p.fd(), old, p.fd(), new))
}

func linkError(op string, p *place, old, new string, err error) error {
	if err == nil {
		return nil
	}
	return &os.LinkError{Op: op, Old: p.name(old), New: p.name(new), Err: err}
}

func (p *place) remove(base string) error {
	if err := unix.Unlinkat(p.fd(), base, 0); err != nil {
		return &fs.PathError{Op: "remove", Path: p.name(base), Err: err}
	}
	return nil
}

// exists reports whether there is anything of that name, a link to nowhere too.
func (p *place) exists() bool {
	var s unix.Stat_t
	return unix.Fstatat(p.fd(), p.base, &s, unix.AT_SYMLINK_NOFOLLOW) == nil
}

// sync has what became of the names survive a loss of power. Not all file systems
// can.
func (p *place) sync() { _ = p.dir.Sync() }

// ownerOf returns the user whose an open file is.
func ownerOf(f *os.File) (uid int, err error) {
	var s unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &s); err != nil {
		return 0, &fs.PathError{Op: "stat", Path: f.Name(), Err: err}
	}
	return int(s.Uid), nil
}

// sameOwner gives a file the owner, group and mode of another.
func sameOwner(f, other *os.File) error {
	var want, own unix.Stat_t
	if err := errors.Join(unix.Fstat(int(other.Fd()), &want), unix.Fstat(int(f.Fd()), &own)); err != nil {
		return err
	}
	if want.Uid != own.Uid || want.Gid != own.Gid {
		if err := f.Chown(int(want.Uid), int(want.Gid)); err != nil {
			return fmt.Errorf("%s belongs to user %d and group %d, and this process cannot keep that: %w", other.Name(), want.Uid, want.Gid, err)
		}
	}
	return f.Chmod(fs.FileMode(want.Mode & 0o777))
}

// closed refuses a directory that others than the owner can put files into.
func (p *place) closed() error {
	var s unix.Stat_t
	if err := unix.Fstat(p.fd(), &s); err != nil {
		return &fs.PathError{Op: "stat", Path: p.path, Err: err}
	}
	if who := writable(&s); who != "" {
		return &Changeable{At: p.path, Who: who}
	}
	return nil
}
