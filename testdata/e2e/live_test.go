//go:build e2e && linux && amd64

package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/whydenied/whydenied/testdata/e2e/kernel"
)

// TestMain is also the program whose system calls are logged.
func TestMain(m *testing.M) {
	kernel.Main()
	os.Exit(m.Run())
}

// A lines collects what a program prints, with the time of each line.
type lines struct {
	mu   sync.Mutex
	rest []byte
	text []string
	at   []time.Time
}

func (l *lines) Write(p []byte) (int, error) {
	now := time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rest = append(l.rest, p...)
	for {
		line, rest, ok := bytes.Cut(l.rest, []byte("\n"))
		if !ok {
			return len(p), nil
		}
		l.text, l.at = append(l.text, string(line)), append(l.at, now)
		l.rest = rest
	}
}

// all returns the lines so far.
func (l *lines) all() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text[:len(l.text):len(l.text)]
}

func (l *lines) String() string { return strings.Join(l.all(), "\n") }

// waitFor waits for a text and returns when its line came.
func (l *lines) waitFor(t *testing.T, text string) time.Time {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		for i, line := range l.all() {
			if strings.Contains(line, text) {
				return l.at[i]
			}
		}
	}
	require.FailNow(t, "not printed: "+text, "%s", l)
	return time.Time{}
}

// A live is a running whydenied.
type live struct {
	t              *testing.T
	cmd            *exec.Cmd
	stdout, stderr lines
}

// buildForAll builds whydenied where everyone can run it.
func buildForAll(t *testing.T) string {
	dir, err := os.MkdirTemp("", "whydenied-e2e") // t.TempDir's is for one user
	require.NoError(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	require.NoError(t, os.Chmod(dir, 0o755))
	goBuild(t, filepath.Join(dir, "whydenied"), "../../cmd/whydenied")
	return filepath.Join(dir, "whydenied")
}

// startLive starts a command and waits until it reads its source.
func startLive(t *testing.T, program string, args ...string) *live {
	w := launch(t, exec.Command(program, args...))
	w.stderr.waitFor(t, "whydenied: reading ")
	return w
}

func launch(t *testing.T, cmd *exec.Cmd) *live {
	w := &live{t: t, cmd: cmd}
	cmd.Stdout, cmd.Stderr = &w.stdout, &w.stderr
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	return w
}

// end sends a signal and returns the exit status.
func (w *live) end(signal os.Signal) int {
	w.t.Helper()
	require.NoError(w.t, w.cmd.Process.Signal(signal))
	return w.wait()
}

func (w *live) wait() int {
	w.t.Helper()
	kill := time.AfterFunc(20*time.Second, func() { w.cmd.Process.Kill() })
	defer kill.Stop()
	w.cmd.Wait()
	return w.cmd.ProcessState.ExitCode()
}

// summaryOf reads the last line.
func (w *live) summary() (s struct {
	Records, Findings, Complain int
	TornLines                   int `json:"torn_lines"`
}) {
	w.t.Helper()
	var m struct{ Summary any }
	m.Summary = &s
	all := w.stdout.all()
	require.NotEmpty(w.t, all, "%s", &w.stderr)
	require.NoError(w.t, json.Unmarshal([]byte(all[len(all)-1]), &m))
	return s
}

// Without privilege it says what would be needed for each source, and takes the
// best that is left.
func TestWithoutPrivilege(t *testing.T) {
	program := buildForAll(t)
	nobody := func(args ...string) *exec.Cmd {
		cmd := exec.Command(program, args...)
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		return cmd
	}
	const setting = "/proc/sys/kernel/dmesg_restrict"
	old, err := os.ReadFile(setting)
	require.NoError(t, err)
	if os.WriteFile(setting, []byte("1\n"), 0) != nil {
		missing(t, "permission to write %s", setting)
	}
	t.Cleanup(func() { os.WriteFile(setting, old, 0) })

	w := launch(t, nobody("watch"))
	assert.Equal(t, 1, w.wait(), "%s", &w.stderr)
	why := w.stderr.String()
	assert.Contains(t, why, "no source of live records can be read")
	assert.Contains(t, why, "CAP_AUDIT_READ in the initial user namespace is needed: run as root, outside a container")
	assert.Contains(t, why, "/dev/kmsg: ")
	assert.Contains(t, why, "CAP_SYSLOG")
	assert.Empty(t, w.stdout.all())

	w = launch(t, nobody("watch", "--source", "audit-unicast"))
	assert.Equal(t, 1, w.wait())
	assert.Contains(t, w.stderr.String(), "CAP_AUDIT_CONTROL in the initial PID and user namespaces is needed")

	require.NoError(t, os.WriteFile(setting, []byte("0\n"), 0))
	kmsg, err := os.Stat("/dev/kmsg")
	require.NoError(t, err)
	if kmsg.Mode().Perm()&0o004 == 0 {
		t.Skip("/dev/kmsg is for root alone here")
	}
	w = launch(t, nobody("watch"))
	w.stderr.waitFor(t, "whydenied: reading the kernel's ring buffer")
	assert.Contains(t, w.stderr.String(), "CAP_AUDIT_READ in the initial user namespace is needed")
	logged := kernel.Logged{Calls: 100, Pause: 100 * time.Millisecond}.Start(t) // as printk limits the rate
	w.stdout.waitFor(t, "called getppid")
	logged.Process.Kill()
	assert.Equal(t, 3, w.end(os.Interrupt))
}

// A log is followed to the end of its last whole line and beyond: what has no end
// when the watch is interrupted is not lost without a word.
func TestInterruptedMidLine(t *testing.T) {
	program := buildForAll(t)
	for _, signal := range []os.Signal{os.Interrupt, syscall.SIGTERM} {
		log := filepath.Join(t.TempDir(), "audit.log")
		file, err := os.Create(log)
		require.NoError(t, err)
		defer file.Close()
		w := startLive(t, program, "watch", "--source", log, "--format", "json")
		const record = `type=SECCOMP msg=audit(1795427172.956:%d): auid=4294967295 uid=0 gid=0 ses=4294967295 pid=7 comm="sh" exe="/bin/sh" sig=0 arch=c000003e syscall=%d compat=0 ip=0x1 code=0x50000` + "\n"
		fmt.Fprintf(file, record, 1, 83)
		w.stdout.waitFor(t, "mkdir")
		whole := fmt.Sprintf(record, 2, 84)
		fmt.Fprint(file, whole[:len(whole)-1]) // all but its end
		time.Sleep(100 * time.Millisecond)
		assert.Equal(t, 3, w.end(signal))
		s := w.summary()
		assert.Equal(t, 2, s.Records)
		assert.Equal(t, 2, s.Findings, "%s", &w.stdout)
		assert.Equal(t, 1, s.TornLines)
	}
}

// The place of the audit daemon is given back by whatever ends the watch.
func TestUnicastIsGivenBack(t *testing.T) {
	program := buildForAll(t)
	kernel.OpenAudit(t).Mark(t) // a holder that was killed is noticed by the next record
	if holder := kernel.Status(t).PID; holder != 0 {
		missing(t, "a kernel without an audit daemon: it is process %d", holder)
	}
	for _, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		w := startLive(t, program, "watch", "--source", "audit-unicast", "--format", "json")
		assert.EqualValues(t, w.cmd.Process.Pid, kernel.Status(t).PID)
		logged := kernel.Logged{Calls: 5}.Start(t)
		w.stdout.waitFor(t, `"syscall_name":"getppid"`)
		require.NoError(t, logged.Wait())
		assert.Equal(t, 3, w.end(signal), "%s", &w.stderr)
		assert.Zero(t, kernel.Status(t).PID, "after %v", signal)
	}
}

// A command that takes its time to end after ^C is waited for, with its status.
func TestRunInterrupted(t *testing.T) {
	program := buildForAll(t)
	w := launch(t, exec.Command(program, "run", "--all", "--", "sh", "-c", `trap 'sleep 2; echo cleaned up; exit 7' INT; echo ready; while :; do sleep 0.1; done`))
	w.stdout.waitFor(t, "ready")
	assert.Equal(t, 7, w.end(os.Interrupt), "%s", &w.stderr)
	assert.Contains(t, w.stdout.String(), "cleaned up")
}
