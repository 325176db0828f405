package disk

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// KeepInvoker has Put write in directories of the user who asked sudo for this
// program, when the process has given up its capabilities: the user becomes the saved
// one of the process, which every thread may write as (setresuid(2), setfsuid(2)).
// Programs that are started later have root alone. It does nothing without sudo.
func KeepInvoker() error {
	uid, ok := invoker()
	if os.Geteuid() != 0 || !ok {
		return nil
	}
	if gid, err := strconv.Atoi(os.Getenv("SUDO_GID")); err == nil {
		if err := syscall.Setresgid(-1, -1, gid); err != nil {
			return fmt.Errorf("cannot keep group %d of who asked sudo: %w", gid, err)
		}
	}
	if err := syscall.Setresuid(-1, -1, uid); err != nil {
		return fmt.Errorf("cannot keep user %d who asked sudo: %w", uid, err)
	}
	return nil
}

// asOwner has the thread open, make and rename files as the owner of the place's
// directory until it is told to stop: what is made there is the owner's, and nothing
// can be done there that the owner could not. Only root can, and only for those who
// may change what it writes.
func (p *place) asOwner() (stop func(), err error) {
	var s unix.Stat_t
	if err := unix.Fstat(p.fd(), &s); err != nil {
		return nil, &os.PathError{Op: "stat", Path: p.path, Err: err}
	}
	uid, ok := invoker()
	if os.Geteuid() != 0 || !ok || int(s.Uid) != uid || uid == 0 {
		return func() {}, nil
	}
	runtime.LockOSThread()
	stop = func() {
		_ = unix.Setfsuid(0)
		_ = unix.Setfsgid(os.Getegid())
		runtime.UnlockOSThread()
	}
	// Both fail in silence, and tell what was before.
	if gid, err := strconv.Atoi(os.Getenv("SUDO_GID")); err == nil {
		_ = unix.Setfsgid(gid)
	}
	_ = unix.Setfsuid(uid)
	if now, err := unix.SetfsuidRetUid(-1); err != nil || now != uid {
		stop()
		return nil, fmt.Errorf("%s belongs to user %d, whom this process may not write as", p.path, uid)
	}
	return stop, nil
}
