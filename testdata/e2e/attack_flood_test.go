//go:build e2e && linux && amd64

package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	goruntime "runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/whydenied/whydenied/testdata/e2e/kernel"
)

// flooding is how long TestAttackFlood floods, and by how many programs: in CI by one, which
// leaves a CPU to the kernel and to whydenied.
func flooding() (time.Duration, int) {
	if testing.Short() {
		return 20 * time.Second, 1
	}
	return time.Minute, 2
}

// One container makes records as fast as the kernel writes them, each of another
// call. A single denial of another container is shown all the same, at any time.
func TestAttackFlood(t *testing.T) {
	quiet := isQuiet(t)
	program := buildForAll(t)
	kernel.OpenAudit(t).Nudge(t)
	w := startLive(t, program, "watch", "--source", "audit", "--format", "json", "--every", "5s")
	evil := newCgroup(t, 0)
	began := time.Now()
	floodFor, programs := flooding()
	for range programs {
		cmd := kernel.Logged{Calls: 1 << 26, Names: true}.Start(t)
		evil.take(t, cmd)
		t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() }) // before its cgroup goes
	}
	var latencies []time.Duration
	for i := 1; time.Since(began) < floodFor; i++ {
		other := newCgroup(t, i)
		cmd := kernel.Logged{Calls: 2, Call: 1<<29 + 16*i, Names: true, Pause: 2 * time.Second}.Start(t)
		other.take(t, cmd) // before the second call
		require.NoError(t, cmd.Wait())
		at, found := w.findingIn(other.id, 30*time.Second)
		require.True(t, found, "container %d is not shown\n%s", i, &w.stderr)
		latencies = append(latencies, at.Sub(kernel.Times(cmd)[1]))
	}
	peak := w.memory()
	require.Equal(t, 3, w.end(os.Interrupt), "%s", &w.stderr)
	took := time.Since(began)
	var m struct {
		Summary struct{ Records, Findings, Dropped int }
	}
	all := w.stdout.all()
	require.NoError(t, json.Unmarshal([]byte(all[len(all)-1]), &m))
	t.Logf("%.0f records/s folded and %.0f/s told as lost; %d findings, %d denials beyond; quiet: %t; peak %d MiB; shown after %v",
		float64(m.Summary.Records)/took.Seconds(), float64(w.lost())/took.Seconds(), m.Summary.Findings, m.Summary.Dropped, quiet, peak>>10, latencies)
	assert.Positive(t, m.Summary.Dropped)
	assert.Less(t, m.Summary.Findings, 6000)
	assert.Less(t, peak, 256<<10)
	budgets := 0
	for _, line := range all {
		if strings.Contains(line, `{"notice":{"kind":"budget"`) {
			budgets++
		}
	}
	assert.Equal(t, 1, budgets)
	if quiet && !testing.Short() { // which CI is, and times are the machine's
		for _, latency := range latencies {
			assert.Less(t, latency, time.Second)
		}
	}
}

// isQuiet reports whether the machine has a CPU for what is to be measured.
func isQuiet(t *testing.T) bool {
	text, err := os.ReadFile("/proc/loadavg")
	require.NoError(t, err)
	var load float64
	_, err = fmt.Sscan(string(text), &load)
	require.NoError(t, err)
	return load < float64(goruntime.NumCPU())
}

// findingIn waits for the finding of a container's second call, and returns when it
// was printed.
func (w *live) findingIn(id string, most time.Duration) (time.Time, bool) {
	seen := 0
	for deadline := time.Now().Add(most); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		all := w.stdout.all()
		for ; seen < len(all); seen++ {
			if line := all[seen]; strings.HasPrefix(line, `{"finding":`) && strings.Contains(line, `"id":"`+id) && strings.Contains(line, `"comm":"n1"`) {
				return w.stdout.at[seen], true
			}
		}
	}
	return time.Time{}, false
}

// A cgroup is one with a name as Docker has it for a container.
type cgroup struct{ id, dir string }

// newCgroup makes the cgroup of a container that goes by a number.
func newCgroup(t *testing.T, n int) cgroup {
	root := "/sys/fs/cgroup"
	if _, err := os.Stat(root + "/unified/cgroup.procs"); err == nil {
		root += "/unified"
	}
	c := cgroup{id: fmt.Sprintf("%032x%032x", os.Getpid(), n)}
	c.dir = filepath.Join(root, "docker", c.id)
	if err := os.MkdirAll(c.dir, 0o755); err != nil {
		missing(t, "a cgroup v2 hierarchy: %v", err)
	}
	t.Cleanup(func() { assert.NoError(t, os.Remove(c.dir)) })
	return c
}

// take moves a program into the cgroup.
func (c cgroup) take(t *testing.T, cmd *exec.Cmd) {
	require.NoError(t, os.WriteFile(filepath.Join(c.dir, "cgroup.procs"), fmt.Append(nil, cmd.Process.Pid), 0))
}
