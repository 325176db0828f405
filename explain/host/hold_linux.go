package host

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Hold applies levers for a while: until release is called, or this process
// ends, in whatever way, or the limit of Guard is over. What undoes them is a
// process of its own, in a session of its own, that waits for the end of a pipe
// which this process holds: so it is told of kill -9 too, and not of Ctrl-C.
// guardian is the command that runs Guard, without its last argument, which is
// the owner. release may be called more than once, by one goroutine at a time.
func (h Host) Hold(file string, levers []Lever, guardian *exec.Cmd) (changes []Change, release func() error, err error) {
	owner := rand.Text()
	guardian.Args = append(guardian.Args, owner)
	guardian.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	held, err := guardian.StdinPipe()
	if err != nil {
		return nil, nil, err
	}
	said, err := guardian.StdoutPipe()
	if err != nil {
		return nil, nil, err
	}
	if err := guardian.Start(); err != nil {
		return nil, nil, fmt.Errorf("nothing is applied, as the process that would undo it cannot be started: %w", err)
	}
	ended := false
	var lock *os.File
	release = func() error {
		if ended {
			return nil
		}
		ended = true
		defer lock.Close() // which does nothing if there is none
		held.Close()
		failed := guardian.Wait()
		if _, err := h.undo(file, owner); err != nil { // if the guardian was killed
			return errors.Join(failed, err)
		}
		return nil
	}
	if line, _ := bufio.NewReader(said).ReadString('\n'); line != guards {
		return nil, nil, errors.Join(errors.New("nothing is applied, as the process that would undo it does not answer"), release())
	}
	changes, lock, err = h.apply(file, owner, levers)
	if err != nil {
		return nil, nil, errors.Join(err, release())
	}
	return changes, release, nil
}

// lockState locks a new state file until what it returns is closed, or this process ends. What
// this process starts does not keep it locked.
func lockState(f *os.File) (*os.File, error) {
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), f.Name()), unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB)
}

// stateLocked reports whether a process has the state file locked.
func stateLocked(file string) bool {
	f, err := os.OpenFile(file, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return false
	}
	defer f.Close()
	return unix.Flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB) == unix.EWOULDBLOCK
}

// guards is what a guardian says when it is there.
const guards = "guarding\n"

// Guard is the other side of Hold: it undoes what owner applied when in, a pipe,
// ends, when limit is over, if it is not 0, or when ctx ends.
func (h Host) Guard(ctx context.Context, in *os.File, out io.Writer, file, owner string, limit time.Duration) error {
	// Only what does not block has deadlines, and standard input blocks.
	fd := in.Fd()
	if err := syscall.SetNonblock(int(fd), true); err != nil {
		return err
	}
	pipe := os.NewFile(fd, "the pipe of the process that applied")
	if limit > 0 {
		if err := pipe.SetReadDeadline(time.Now().Add(limit)); err != nil {
			return err
		}
	}
	context.AfterFunc(ctx, func() { pipe.SetReadDeadline(time.Unix(1, 0)) })
	if _, err := io.WriteString(out, guards); err != nil {
		return err
	}
	_, _ = io.Copy(io.Discard, pipe) // however it ends
	_, err := h.undo(file, owner)
	return err
}
