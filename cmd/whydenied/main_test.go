//go:build unix

package main

import (
	"bytes"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A command that waits for its input ends by a signal, and says so once.
func TestEndedBySignal(t *testing.T) {
	for sig, want := range map[syscall.Signal]int{syscall.SIGINT: 130, syscall.SIGTERM: 143} {
		var stdout, stderr bytes.Buffer
		cmd := exec.Command(os.Args[0])
		cmd.Args = []string{"whydenied", "parse", "-"}
		cmd.Stdout, cmd.Stderr = &stdout, &stderr
		in, err := cmd.StdinPipe()
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		defer cmd.Process.Kill()
		// It is read when it is handled: a pipe holds 64 KiB.
		_, err = in.Write(make([]byte, 256<<10))
		require.NoError(t, err)
		require.NoError(t, cmd.Process.Signal(sig))
		_ = cmd.Wait()
		assert.Equal(t, want, cmd.ProcessState.ExitCode())
		assert.Equal(t, "whydenied: interrupted\n", stderr.String())
	}
}

// What a command that was interrupted says of itself stands.
func TestInterruptedExit(t *testing.T) {
	after := func(d time.Duration, code int) <-chan int {
		ended := make(chan int, 1)
		time.AfterFunc(d, func() { ended <- code })
		return ended
	}
	assert.Equal(t, exitFound, interrupted(syscall.SIGINT, after(0, exitFound)), "it had ended")
	assert.Equal(t, 130, interrupted(syscall.SIGINT, after(0, exitFailed)))
	endsItself.Store(true)
	defer endsItself.Store(false)
	assert.Equal(t, exitFailed, interrupted(syscall.SIGINT, after(0, exitFailed)))
	assert.Equal(t, exitFound, interrupted(syscall.SIGINT, after(1200*time.Millisecond, exitFound)), "its end takes its time")
}
