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
	wait, err := Start(cmd, limits)
	if err != nil {
		return err
	}
	return wait()
}

// Start is Run without waiting for the end of the program, which wait does, once.
func Start(cmd *exec.Cmd, limits Limits) (wait func() error, err error) {
	cmd.WaitDelay = time.Second // for what holds its output after it
	confine(cmd)
	started, ended := make(chan error), make(chan error, 1)
	go func() {
		// The kernel sends PR_SET_PDEATHSIG when the thread ends that started the
		// program (prctl(2)), so this one must not be lent to others meanwhile.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		if err == nil {
			limit(cmd.Process.Pid, limits)
		}
		started <- err
		if err == nil {
			ended <- cmd.Wait()
		}
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	return func() error { return <-ended }, nil
}
