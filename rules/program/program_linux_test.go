package program

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestMain lets the test be a program that runs another.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "parent" {
		cmd := exec.CommandContext(context.Background(), "sh", "-c", "echo $$; exec sleep 600")
		cmd.Stdout = os.Stdout
		_ = Run(cmd, Limits{})
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// waitGone waits until a process has ended, if only as a zombie.
func waitGone(t *testing.T, pid int) {
	require.Eventually(t, func() bool {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		return err != nil || strings.Contains(string(stat), ") Z ")
	}, time.Minute, 10*time.Millisecond, "process %d is there still", pid)
}

// A program ends with this process, even when that is killed.
func TestEndsWithUs(t *testing.T) {
	parent := exec.Command(os.Args[0], "parent")
	out, err := parent.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, parent.Start())
	var pid int
	_, err = fmt.Fscan(bufio.NewReader(out), &pid)
	require.NoError(t, err)
	require.NoError(t, syscall.Kill(pid, 0))
	require.NoError(t, parent.Process.Kill())
	_ = parent.Wait()
	waitGone(t, pid)
}

// The end of the context ends what the program started, too.
func TestEndsItsGroup(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", "-c", "sleep 600 & echo $!; wait")
	read, write := io.Pipe()
	cmd.Stdout = write
	done := make(chan error, 1)
	go func() { done <- Run(cmd, Limits{}) }()
	var pid int
	_, err := fmt.Fscan(bufio.NewReader(read), &pid)
	require.NoError(t, err)
	cancel()
	assert.Error(t, <-done)
	waitGone(t, pid)
}

func TestLimits(t *testing.T) {
	ctx := t.Context()
	// The shell waits until its limit is set.
	const wait = `until ulimit -v | grep -q 200000; do sleep 0.01; done; `
	var out strings.Builder
	cmd := exec.CommandContext(ctx, "sh", "-c", wait+`ulimit -v; ulimit -t; ulimit -c`)
	cmd.Stdout = &out
	require.NoError(t, Run(cmd, Limits{Memory: 200_000 << 10, CPU: 1500 * time.Millisecond}))
	assert.Equal(t, "200000\n2\n0\n", out.String())
	err := Run(exec.CommandContext(ctx, "sh", "-c", `while :; do :; done`), Limits{CPU: time.Second})
	var exit *exec.ExitError
	require.True(t, errors.As(err, &exit), err)
	assert.Contains(t, []syscall.Signal{syscall.SIGKILL, syscall.SIGXCPU}, exit.Sys().(syscall.WaitStatus).Signal())
}
