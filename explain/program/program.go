// Package program runs other programs of the host within limits, and never longer
// than this process itself.
package program

import (
	"os/exec"
	"runtime"
	"time"
)

// Limits are what a program may take. Zero is no limit. They hold on Linux alone.
type Limits struct {
	Memory uint64        // of its address space, in bytes (RLIMIT_AS)
	CPU    time.Duration // in whole seconds, rounded up (RLIMIT_CPU)
}

// Run is cmd.Run for a command that was made with a context. On Linux the program
// has a process group of its own, which is killed as a whole when the context
// ends, and the program is killed when this process ends in whatever way.
func Run(cmd *exec.Cmd, limits Limits) error {
	// The kernel sends PR_SET_PDEATHSIG when the thread ends that started the
	// program (prctl(2)), so this one must not be lent to others meanwhile.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cmd.WaitDelay = time.Second // for what holds its output after it
	confine(cmd)
	if err := cmd.Start(); err != nil {
		return err
	}
	limit(cmd.Process.Pid, limits)
	return cmd.Wait()
}
