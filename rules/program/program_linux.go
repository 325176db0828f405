package program

import (
	"os/exec"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

func confine(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
}

// limit sets the limits of a program that has just started. What it took before
// counts, too.
func limit(pid int, limits Limits) {
	seconds := uint64((limits.CPU + time.Second - 1) / time.Second)
	for _, l := range []struct {
		resource int
		most     uint64
		set      bool
	}{{unix.RLIMIT_CORE, 0, true}, {unix.RLIMIT_CPU, seconds, seconds > 0}, {unix.RLIMIT_AS, limits.Memory, limits.Memory > 0}} {
		if l.set {
			_ = unix.Prlimit(pid, l.resource, &unix.Rlimit{Cur: l.most, Max: l.most}, nil) // it may have ended
		}
	}
}
