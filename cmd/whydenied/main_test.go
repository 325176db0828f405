//go:build unix

package main

import (
	"bufio"
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
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

// watch ends by a signal, and says what it saw; a time that was asked for and is not
// over leaves open what else there is. run ends as its command does.
func TestLiveEndedBySignal(t *testing.T) {
	dir := t.TempDir()
	empty, denied := filepath.Join(dir, "empty.log"), filepath.Join(dir, "denied.log")
	require.NoError(t, os.WriteFile(empty, nil, 0o600))
	const record = `type=AVC msg=audit(1795427171.844:13): apparmor="DENIED" operation="open" profile="web" name="/x" pid=159 comm="nginx" requested_mask="r" denied_mask="r" fsuid=0 ouid=0` + "\n"
	require.NoError(t, os.WriteFile(denied, []byte(record), 0o600))
	for _, test := range []struct {
		args  string
		shown string // on standard output before the signal comes; "" if nothing is
		sig   syscall.Signal
		want  int
	}{
		{"watch --source " + empty, "", syscall.SIGINT, exitClean},
		{"watch --source " + empty, "", syscall.SIGTERM, exitClean},
		{"watch --source " + denied + " --last 1", "may not", syscall.SIGINT, exitFound},
		{"watch --source " + empty + " --for 1h", "", syscall.SIGINT, 130},
		{"watch --source " + empty + " --for 1h", "", syscall.SIGTERM, 143},
		{"watch --source " + denied + " --last 1 --for 1h", "may not", syscall.SIGTERM, exitFound},
		{"run --all --source " + empty + " -- tail -f " + denied, "apparmor", syscall.SIGINT, 130},
		{"run --all --source " + empty + " -- tail -f " + denied, "apparmor", syscall.SIGTERM, 143},
	} {
		cmd := exec.Command(os.Args[0])
		cmd.Args = append([]string{"whydenied"}, strings.Fields(test.args)...)
		stdout, err := cmd.StdoutPipe()
		require.NoError(t, err)
		stderr, err := cmd.StderrPipe()
		require.NoError(t, err)
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // without a terminal
		require.NoError(t, cmd.Start())
		defer cmd.Process.Kill()
		waitFor(t, stderr, "reading ")
		go io.Copy(io.Discard, stderr)
		if test.shown != "" {
			waitFor(t, stdout, test.shown)
		}
		go io.Copy(io.Discard, stdout)
		require.NoError(t, cmd.Process.Signal(test.sig))
		_ = cmd.Wait()
		assert.Equal(t, test.want, cmd.ProcessState.ExitCode(), test.args)
	}
}

// waitFor reads until a line holds a text.
func waitFor(t *testing.T, from io.Reader, text string) {
	t.Helper()
	for lines := bufio.NewScanner(from); lines.Scan(); {
		if strings.Contains(lines.Text(), text) {
			return
		}
	}
	require.Fail(t, "it ended before it said "+text)
}
