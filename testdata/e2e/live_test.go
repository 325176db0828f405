//go:build e2e && linux && amd64

package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/whydenied/whydenied/testdata/e2e/kernel"
)

// TestMain is also the program whose system calls are logged, and an attacker's.
func TestMain(m *testing.M) {
	kernel.Main()
	attackMain()
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
	kernel.Alone(t)
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
	// printk lets ten through in five seconds, of anybody.
	logged := kernel.Logged{Calls: 1_000_000, Pause: time.Millisecond, Comm: flood}.Start(t)
	w.stdout.waitFor(t, flood+" (container unknown) called getppid")
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

// flood is the name of a program that is logged, and of no other on this machine.
var flood = fmt.Sprint("flood-", os.Getpid())

// A watch of records that come as fast as a filter can log them folds them, and
// tells what it lost where the machine gives it no time, in bounded memory. See
// docs/performance.md.
func TestWatchUnderLoad(t *testing.T) {
	kernel.Measures(t)
	program := buildForAll(t)
	kernel.OpenAudit(t).Nudge(t)
	w := startLive(t, program, "watch", "--source", "audit", "--format", "json", "--every", "100ms", "--comm", flood)
	const calls = 400_000
	began := time.Now()
	var floods []*exec.Cmd
	for range 2 {
		floods = append(floods, kernel.Logged{Calls: calls / 2, Comm: flood}.Start(t))
	}
	for _, cmd := range floods {
		require.NoError(t, cmd.Wait())
	}
	made := time.Since(began)
	// Both are one finding: the same program and the same call.
	folded, at, peak := 0, began, 0
	for deadline := time.Now().Add(30 * time.Second); folded+w.lost() < calls && time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		folded, at = w.folded()
		peak = max(peak, w.memory())
	}
	rate := float64(folded) / at.Sub(began).Seconds()
	assert.Equal(t, 3, w.end(os.Interrupt))
	lost := w.lost()
	t.Logf("%d records made in %v: %d folded, %.0f/s, %d lost; peak %d MiB, %v of CPU", calls, made.Round(time.Millisecond), folded, rate, lost,
		peak>>10, w.cmd.ProcessState.UserTime()+w.cmd.ProcessState.SystemTime())
	folded = w.summary().Complain
	assert.GreaterOrEqual(t, folded+lost, calls, "each is folded or told as lost")
	if lost == 0 {
		assert.Equal(t, calls, folded)
	}
	assert.GreaterOrEqual(t, rate, 20_000.0)
	assert.Less(t, peak, 256<<10)
}

// A watch that is stopped loses what its buffer cannot hold, and tells exactly
// how much by the kernel's serials.
func TestWatchLossIsExact(t *testing.T) {
	program := buildForAll(t)
	kernel.OpenAudit(t).Nudge(t)
	w := startLive(t, program, "watch", "--source", "audit", "--format", "json", "--every", "200ms", "--comm", flood, "--comm", "n0", "--comm", "n1")
	kernel.Logged{Calls: 1, Names: true}.Start(t).Wait()
	first := w.serialOf("n0")
	require.NoError(t, w.cmd.Process.Signal(syscall.SIGSTOP))
	const calls = 150_000
	require.NoError(t, kernel.Logged{Calls: calls, Comm: flood}.Start(t).Wait())
	require.NoError(t, w.cmd.Process.Signal(syscall.SIGCONT))
	for before, now := -2, -1; now > before; time.Sleep(2 * time.Second) { // until it has caught up
		before = now
		now, _ = w.folded()
	}
	kernel.Logged{Calls: 2, Call: kernel.NoCall + 1, Names: true}.Start(t).Wait() // the loss shows by what comes after it
	last := w.serialOf("n1")
	w.stdout.waitFor(t, "the receive buffer of ")
	time.Sleep(3 * time.Second)
	assert.Equal(t, 3, w.end(os.Interrupt))
	folded, lost := w.summary().Complain-3, w.lost()
	others := last - first - 2 - calls // events of the machine, of which some are lost too
	t.Logf("%d of %d folded, %d told as lost; %d other events meanwhile", folded, calls, lost, others)
	assert.Greater(t, lost, calls/4)
	assert.GreaterOrEqual(t, folded+lost, calls)
	assert.LessOrEqual(t, folded+lost, calls+others)
}

// serialOf waits for the finding of a program and returns its serial.
func (w *live) serialOf(comm string) int {
	w.t.Helper()
	w.stdout.waitFor(w.t, fmt.Sprintf(`"comm":%q`, comm))
	for _, line := range w.stdout.all() {
		var m struct {
			Finding *struct {
				Serials []int
				Subject struct{ Comm string }
			}
		}
		if json.Unmarshal([]byte(line), &m) == nil && m.Finding != nil && m.Finding.Subject.Comm == comm {
			return m.Finding.Serials[0]
		}
	}
	return 0
}

// folded is the count of the last repeat, and when it was printed.
func (w *live) folded() (int, time.Time) {
	all := w.stdout.all()
	for i := len(all) - 1; i >= 0; i-- {
		var m struct{ Repeat *struct{ Count int } }
		if json.Unmarshal([]byte(all[i]), &m) == nil && m.Repeat != nil {
			return m.Repeat.Count, w.stdout.at[i]
		}
	}
	return 0, time.Time{}
}

// lost adds up what the notices say.
func (w *live) lost() int {
	n := 0
	for _, line := range w.stdout.all() {
		var m struct {
			Notice *struct {
				Kind  string
				Count int
			}
		}
		if json.Unmarshal([]byte(line), &m) == nil && m.Notice != nil && m.Notice.Kind == "lost" {
			n += m.Notice.Count
		}
	}
	return n
}

// memory is the most that the process has had in memory, in KiB.
func (w *live) memory() int {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", w.cmd.Process.Pid))
	require.NoError(w.t, err)
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			n, err := strconv.Atoi(strings.TrimSuffix(strings.TrimSpace(rest), " kB"))
			require.NoError(w.t, err)
			return n
		}
	}
	return 0
}

// From the system call to the printed finding, at 100 findings a second.
func TestWatchLatency(t *testing.T) {
	kernel.Measures(t)
	program := buildForAll(t)
	kernel.OpenAudit(t)
	w := startLive(t, program, "watch", "--source", "audit", "--format", "json")
	const calls = 500
	cmd := kernel.Logged{Calls: calls, Pause: 10 * time.Millisecond, Names: true}.Start(t)
	require.NoError(t, cmd.Wait())
	w.stdout.waitFor(t, fmt.Sprintf(`"comm":"n%d"`, calls-1))
	made := kernel.Times(cmd)
	require.Len(t, made, calls)
	var latencies []time.Duration
	for i, line := range w.stdout.all() {
		var m struct {
			Finding *struct{ Subject struct{ Comm string } }
		}
		require.NoError(t, json.Unmarshal([]byte(line), &m))
		if m.Finding == nil {
			continue
		}
		if n, err := strconv.Atoi(strings.TrimPrefix(m.Finding.Subject.Comm, "n")); err == nil {
			latencies = append(latencies, w.stdout.at[i].Sub(made[n]))
		}
	}
	slices.Sort(latencies)
	require.Len(t, latencies, calls)
	median := latencies[calls/2]
	t.Logf("median %v, 90%% %v, 99%% %v, most %v of %d", median, latencies[calls*90/100], latencies[calls*99/100], latencies[calls-1], calls)
	assert.Less(t, median, 10*time.Millisecond)
	w.end(os.Interrupt)
}

// --cgroup selects by where processes are, in a cgroup below too.
func TestWatchCgroup(t *testing.T) {
	program := buildForAll(t)
	kernel.OpenAudit(t)
	root := "/sys/fs/cgroup"
	if _, err := os.Stat(root + "/unified/cgroup.procs"); err == nil {
		root += "/unified"
	}
	name := fmt.Sprint("/whydenied-e2e-", os.Getpid())
	inner := filepath.Join(root, name, "inner")
	if err := os.MkdirAll(inner, 0o755); err != nil {
		missing(t, "a cgroup v2 hierarchy: %v", err)
	}
	t.Cleanup(func() {
		assert.NoError(t, os.Remove(inner))
		assert.NoError(t, os.Remove(filepath.Dir(inner)))
	})
	w := startLive(t, program, "watch", "--cgroup", name)
	inside := kernel.Logged{Calls: 10, Pause: 100 * time.Millisecond, Comm: "inside"}.Start(t)
	require.NoError(t, os.WriteFile(filepath.Join(inner, "cgroup.procs"), fmt.Append(nil, inside.Process.Pid), 0))
	outside := kernel.Logged{Calls: 10, Pause: 100 * time.Millisecond, Comm: "outside"}.Start(t)
	require.NoError(t, outside.Wait())
	require.NoError(t, inside.Wait())
	w.stdout.waitFor(t, "inside (container unknown) called getppid")
	assert.Equal(t, 3, w.end(os.Interrupt))
	assert.NotContains(t, w.stdout.String(), "outside")
}
