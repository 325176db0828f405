//go:build e2e && linux && amd64

package e2e

import (
	"bytes"
	"cmp"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/whydenied/whydenied/testdata/e2e/kernel"
)

const (
	actionsLogged = "/proc/sys/kernel/seccomp/actions_logged"
	allButTrace   = "kill_process kill_thread trap errno user_notif log"
)

// TestDoctor has doctor change this kernel's seccomp settings and puts it to
// all its ends: the kernel must be as it was before.
func TestDoctor(t *testing.T) {
	if os.Geteuid() != 0 {
		missing(t, "root")
	}
	kernel.Alone(t)
	// Under nohup it is ignored, and by what we start too.
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, unix.SIGHUP)
	t.Cleanup(func() { signal.Stop(hangups) })
	was, err := os.ReadFile(actionsLogged)
	if err != nil {
		missing(t, "the sysctl kernel.seccomp.actions_logged")
	}
	t.Cleanup(func() { assert.NoError(t, os.WriteFile(actionsLogged, bytes.TrimSpace(was), 0)) })
	require.NoError(t, os.WriteFile(actionsLogged, []byte(allButTrace), 0))
	whydenied := filepath.Join(t.TempDir(), "whydenied")
	goBuild(t, whydenied, "../../cmd/whydenied")
	state := filepath.Join(t.TempDir(), "undo.json")
	doctor := func(args ...string) *exec.Cmd {
		return exec.Command(whydenied, append([]string{"doctor", "--state", state}, args...)...)
	}
	logged := func() string {
		text, err := os.ReadFile(actionsLogged)
		require.NoError(t, err)
		return strings.TrimSpace(string(text))
	}
	all := func() bool { return strings.Contains(logged(), "trace") }
	undone := func(t *testing.T) {
		t.Helper()
		require.Eventually(t, func() bool { return logged() == allButTrace }, 5*time.Second, 10*time.Millisecond)
		require.Eventually(t, func() bool { _, err := os.Stat(state); return os.IsNotExist(err) }, 5*time.Second, 10*time.Millisecond)
	}
	start := func(t *testing.T, limit string) *exec.Cmd {
		t.Helper()
		cmd := doctor("--apply", "--for", limit)
		cmd.SysProcAttr = &unix.SysProcAttr{Setpgid: true}
		require.NoError(t, cmd.Start())
		t.Cleanup(func() { _ = cmd.Process.Kill() })
		require.Eventually(t, all, 30*time.Second, 10*time.Millisecond)
		return cmd
	}

	t.Run("says what it would do, and does nothing", func(t *testing.T) {
		out, err := doctor().Output()
		var exit *exec.ExitError
		require.ErrorAs(t, err, &exit)
		assert.Equal(t, 3, exit.ExitCode())
		assert.Contains(t, string(out), "kernel.seccomp.actions_logged lacks trace")
		assert.Equal(t, allButTrace, logged())
		assert.NoFileExists(t, state)
	})
	t.Run("applied and undone", func(t *testing.T) {
		out, _ := doctor("--apply").Output()
		assert.Contains(t, string(out), "set kernel.seccomp.actions_logged")
		assert.True(t, all())
		assert.FileExists(t, state)
		require.NoError(t, doctor("--undo").Run())
		undone(t)
	})
	t.Run("its time over", func(t *testing.T) {
		cmd := start(t, "1s")
		_ = cmd.Wait()
		undone(t)
	})
	for name, end := range map[string]func(*exec.Cmd) error{
		"kill -9":              func(cmd *exec.Cmd) error { return cmd.Process.Kill() },
		"Ctrl-C":               func(cmd *exec.Cmd) error { return unix.Kill(-cmd.Process.Pid, unix.SIGINT) },
		"kill -9 of the group": func(cmd *exec.Cmd) error { return unix.Kill(-cmd.Process.Pid, unix.SIGKILL) },
		"SIGHUP":               func(cmd *exec.Cmd) error { return unix.Kill(-cmd.Process.Pid, unix.SIGHUP) },
	} {
		t.Run(name, func(t *testing.T) {
			cmd := start(t, "10m")
			require.NoError(t, end(cmd))
			undone(t) // before it is waited for: it is the guardian that does it
			_ = cmd.Wait()
		})
	}
	t.Run("kill -9 of the guardian", func(t *testing.T) {
		cmd := start(t, "10m")
		guardian := childOf(t, cmd.Process.Pid)
		require.NoError(t, unix.Kill(guardian, unix.SIGKILL))
		time.Sleep(100 * time.Millisecond)
		assert.True(t, all())
		require.NoError(t, cmd.Process.Signal(unix.SIGINT))
		_ = cmd.Wait()
		undone(t)
	})
	t.Run("stopped beyond its time", func(t *testing.T) {
		cmd := start(t, "1s")
		require.NoError(t, cmd.Process.Signal(unix.SIGSTOP))
		undone(t)
		require.NoError(t, cmd.Process.Signal(unix.SIGCONT))
		_ = cmd.Wait()
	})
	t.Run("applied for good while a guardian waits", func(t *testing.T) {
		cmd := start(t, "10m")
		require.NoError(t, doctor("--undo").Run())
		_, _ = doctor("--apply").Output()
		require.True(t, all())
		require.NoError(t, cmd.Process.Kill())
		_ = cmd.Wait()
		time.Sleep(200 * time.Millisecond)
		assert.True(t, all(), "what somebody else applied stays")
		require.NoError(t, doctor("--undo").Run())
		undone(t)
	})
}

// TestDoctorLab runs testdata/lab/doctor in the lab's guest, where AppArmor is:
// what doctor says of hidden refusals and stale policy, and that its commands and
// levers do what it says.
func TestDoctorLab(t *testing.T) {
	release := cmp.Or(os.Getenv("KERNEL"), "6.1")
	lab := labOf(t, release)
	t.Setenv("LIMIT", cmp.Or(os.Getenv("LIMIT"), "600")) // of boot.sh, in seconds; it takes 60 on a quiet machine
	in, results := t.TempDir(), t.TempDir()
	goBuild(t, filepath.Join(in, "bin/whydenied"), "../../cmd/whydenied")
	command(t, "cp", filepath.Join(lab, "doctor"), filepath.Join(in, "run"))
	runGuest(t, lab, release, in, results)
}

// childOf returns the only child of a process.
func childOf(t *testing.T, pid int) int {
	t.Helper()
	// Any of its threads can have started it.
	tasks, err := filepath.Glob(filepath.Join("/proc", strconv.Itoa(pid), "task", "*", "children"))
	require.NoError(t, err)
	var text []byte
	for _, name := range tasks {
		if children, err := os.ReadFile(name); err == nil {
			text = append(text, children...)
		}
	}
	fields := strings.Fields(string(text))
	require.NotEmpty(t, fields)
	child, err := strconv.Atoi(fields[0])
	require.NoError(t, err)
	return child
}
