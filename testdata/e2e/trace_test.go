//go:build e2e && linux && amd64

package e2e

import (
	"bufio"
	"encoding/json"
	"io"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A tracing is a whydenied that traces or watches.
type tracing struct {
	cmd    *exec.Cmd
	stdout io.Reader
	stderr chan string // all of it, at the end
}

// trace starts one and waits until it sees.
func (b *bed) trace(t *testing.T, args ...string) *tracing {
	t.Helper()
	cmd := exec.Command(b.whydenied, append(args, "--format", "json")...)
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	stderr, err := cmd.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { cmd.Process.Kill() })
	lines := bufio.NewScanner(stderr)
	for lines.Scan() && !strings.Contains(lines.Text(), "whydenied: reading ") {
	}
	require.NoError(t, lines.Err())
	tr := &tracing{cmd, stdout, make(chan string, 1)}
	go func() {
		text, _ := io.ReadAll(stderr)
		tr.stderr <- string(text)
	}()
	return tr
}

// end interrupts it and returns its findings of a process, and the summary.
func (tr *tracing) end(t *testing.T, pid int) (findings []traced, summary struct{ Duplicates int }) {
	t.Helper()
	require.NoError(t, tr.cmd.Process.Signal(syscall.SIGINT))
	text, err := io.ReadAll(tr.stdout)
	require.NoError(t, err)
	tr.cmd.Wait()
	for line := range strings.Lines(string(text)) {
		var m struct {
			Finding *traced
			Notice  *struct{ Text string }
			Summary *struct{ Duplicates int }
		}
		require.NoError(t, json.Unmarshal([]byte(line), &m), line)
		assert.Nil(t, m.Notice, line)
		if m.Finding != nil && m.Finding.Subject.PID == pid {
			findings = append(findings, *m.Finding)
		}
		if m.Summary != nil {
			summary = *m.Summary
		}
	}
	return findings, summary
}

// traced is what the tests read of a finding.
type traced struct {
	explained
	Denial struct {
		Type string
		Exit int
		A0   string
	}
	Notes []string
	Fixes []struct{ Message, Rule, Diff string }
}

// A refusal that leaves no record is told, with its container, the entry that would
// allow it and why that is not in force; the same call refused for want of a
// capability, in a container without a filter, is not.
func TestTraceContainer(t *testing.T) {
	b := newBed(t)
	p := resolve(t, filepath.Join(b.profiles, "docker.json"), dockersCaps)
	for _, r := range newRuntimes(t) {
		t.Run("runc "+r.version, func(t *testing.T) {
			tr := b.trace(t, "trace")
			c, refusal := r.run(t, b.programs, []string{"unshare", "-U", "true"}, dockersCaps, p)
			require.NotNil(t, c, refusal)
			assert.Equal(t, "EPERM", c.outcome)
			assert.Empty(t, b.audit.of(t, c.pid), "the kernel logs it now")
			findings, _ := tr.end(t, c.pid)
			require.Len(t, findings, 1)
			f := findings[0]
			t.Logf("%s: %s, %s", f.Message, f.Cause, f.Why)
			assert.Equal(t, "unshare", f.Seccomp.SyscallName)
			assert.Equal(t, "errno", f.Seccomp.Action)
			require.NotNil(t, f.Container)
			assert.Equal(t, c.id, f.Container.ID)
			assert.Equal(t, "high", f.Container.Confidence)
			assert.Equal(t, -1, f.Denial.Exit)
			assert.Equal(t, "10000000", f.Denial.A0)
			assert.Equal(t, "capability-gated", f.Cause)
			assert.Contains(t, f.Why, "needs CAP_SYS_ADMIN")
			assert.Contains(t, f.Policy, "Docker's default seccomp profile")
			require.NotEmpty(t, f.Rules)
			assert.Contains(t, f.Notes[0], "Seen by tracing, not in a log: unshare(CLONE_NEWUSER) returned EPERM")
			require.NotEmpty(t, f.Fixes)
			assert.Contains(t, f.Fixes[0].Rule, `"unshare" when a0 == 0x10000000`)

			tr = b.trace(t, "trace")
			c, refusal = r.run(t, b.programs, []string{"probe64", "272", "0x20000"}, dockersCaps, nil) // CLONE_NEWNS
			require.NotNil(t, c, refusal)
			assert.Equal(t, "EPERM", c.outcome, "for want of CAP_SYS_ADMIN")
			findings, _ = tr.end(t, c.pid)
			assert.Empty(t, findings)
		})
	}
}

// An answer by which programs go on with an older call is no finding, but said.
func TestTraceFallback(t *testing.T) {
	b := newBed(t)
	p := resolve(t, filepath.Join(b.profiles, "docker.json"), dockersCaps)
	tr := b.trace(t, "trace")
	c, refusal := newRuntimes(t)[0].run(t, b.programs, []string{"probe64", "435"}, dockersCaps, p)
	require.NotNil(t, c, refusal)
	assert.Equal(t, "ENOSYS", c.outcome)
	findings, _ := tr.end(t, c.pid)
	assert.Empty(t, findings)
	assert.Contains(t, <-tr.stderr, "clone3 was answered ENOSYS ")
}

// Conditions on arguments are decided, as the arguments are known.
func TestTraceDecidesConditions(t *testing.T) {
	b := newBed(t)
	p := resolve(t, filepath.Join(b.profiles, "arguments-errno.json"), nil)
	r := newRuntimes(t)[0]
	tr := b.trace(t, "trace")
	c, refusal := r.run(t, b.programs, []string{"probe64", "135", "8"}, nil, p)
	require.NotNil(t, c, refusal)
	assert.Equal(t, "EPERM", c.outcome)
	findings, _ := tr.end(t, c.pid)
	require.Len(t, findings, 1)
	f := findings[0]
	t.Logf("%s: %s, %s", f.Message, f.Cause, f.Why)
	assert.Equal(t, "syscall-denied", f.Cause)
	assert.Equal(t, "refused", f.Decision)
	assert.Contains(t, f.Notes[0], "personality(PER_LINUX32) returned EPERM")
}

// watch sees both: a refusal that is logged counts once, also when it is traced; one
// that is not is seen besides.
func TestWatchSilent(t *testing.T) {
	b := newBed(t)
	p := resolve(t, filepath.Join(b.profiles, "docker.json"), dockersCaps)
	r := newRuntimes(t)[0]
	for flags, logged := range map[string]int{"0": 0, "2": 1} { // SECCOMP_FILTER_FLAG_LOG
		tr := b.trace(t, "watch", "--silent", "--source", "audit")
		c, refusal := r.run(t, b.programs, []string{"probe64", "filter", "0x50001", flags, "83", "/made", "0755"}, dockersCaps, p)
		require.NotNil(t, c, refusal)
		require.Len(t, b.audit.of(t, c.pid), logged)
		time.Sleep(50 * time.Millisecond) // the record waits for the rest of its event
		findings, summary := tr.end(t, c.pid)
		require.Len(t, findings, 1, flags)
		assert.Equal(t, 1, findings[0].Count, flags)
		assert.Equal(t, "mkdir", findings[0].Seccomp.SyscallName)
		assert.Equal(t, logged, summary.Duplicates)
	}
}

// The command's own refusals are gated on by run.
func TestRunSilent(t *testing.T) {
	b := newBed(t)
	probe := filepath.Join(b.programs, "probe64")
	out, stderr, status := b.exec(t, "run", "--silent", "--format", "json", "--", "sh", "-c", probe+" filter 0x50001 0 83 /x || :")
	assert.Equal(t, 3, status, stderr)
	assert.Contains(t, string(out), `"message":"probe64 (container unknown) may not call mkdir (x86_64 83)"`)
}
