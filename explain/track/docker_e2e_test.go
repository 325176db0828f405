//go:build e2e && linux && amd64

package track

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/whydenied/whydenied/explain/container"
)

// A real dockerd, which keeps its files in places that nobody knows: what it
// tells by its runtime's command line and its API is enough.
func TestDocker(t *testing.T) {
	for _, need := range []string{"dockerd", "docker"} {
		if _, err := exec.LookPath(need); err != nil {
			missing(t, "%s (Debian's docker.io)", need)
		}
	}
	dir := t.TempDir()
	socket := filepath.Join(dir, "s")
	t.Setenv("DOCKER_HOST", "unix://"+socket)
	daemon := exec.Command("dockerd", "--data-root", filepath.Join(dir, "data"), "--exec-root", filepath.Join(dir, "exec"), "-H", "unix://"+socket,
		"--pidfile", filepath.Join(dir, "pid"), "--bridge=none", "--iptables=false", "--ip6tables=false")
	require.NoError(t, daemon.Start())
	t.Cleanup(func() {
		_ = daemon.Process.Signal(syscall.SIGTERM)
		_ = daemon.Wait()
		left, _ := filepath.Glob("/sys/fs/cgroup/*/docker")
		for _, d := range left {
			_ = os.Remove(d) // if it is empty
		}
	})
	require.Eventually(t, func() bool { return exec.Command("docker", "version").Run() == nil }, 30*time.Second, 200*time.Millisecond)

	root := filepath.Join(dir, "root")
	require.NoError(t, os.Mkdir(root, 0o755))
	out, err := exec.Command("gcc", "-O1", "-static", "-o", filepath.Join(root, churnName), "testdata/live/churn.c").CombinedOutput()
	require.NoError(t, err, "%s", out)
	out, err = exec.Command("sh", "-c", "tar -C "+root+" -c . | docker import - churn:1").CombinedOutput()
	require.NoError(t, err, "%s", out)
	profile := filepath.Join(dir, "profile.json")
	require.NoError(t, os.WriteFile(profile, []byte(`{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["mkdir"],"action":"SCMP_ACT_KILL_PROCESS"}]}`), 0o600))

	trackers := map[string]*Tracker{TierBPF: track(t, TierBPF), TierConnector: track(t, TierConnector)}
	stop := listen(t, trackers)
	const times = 10
	for i := range times {
		out, _ := exec.Command("docker", "run", "--rm", "--network=none", "--name", fmt.Sprint("churn-", i), "--security-opt", "seccomp="+profile, "churn:1", "/"+churnName, "-83").CombinedOutput()
		require.NotContains(t, string(out), "docker:")
	}
	records := stop()
	require.Len(t, records, times)
	for i, r := range records {
		for tier, c := range r.found {
			assert.Equal(t, container.High, c.Confidence, "%s: %v", tier, c.Evidence)
			assert.Equal(t, "docker", c.Runtime)
			assert.Len(t, c.ID, 64)
			assert.Contains(t, c.SeccompProfile, `"mkdir"`, tier)
			assert.Contains(t, c.Caps, "CAP_CHOWN", tier)
			assert.Equal(t, fmt.Sprint("churn-", i), c.Name, tier)
			assert.Equal(t, "churn:1", c.Image, tier)
			if i == 0 {
				t.Logf("%s: %s, %s, %s, %s, %v", tier, c.Name, c.Image, c.Runtime, c.SeccompFile, c.Evidence)
			}
		}
	}
}

// An engine that goes away, or that stops to answer, costs names and no more: what
// was asked before is known still, and containers are told by their IDs.
func TestEngineGoesAway(t *testing.T) {
	var names sync.Map // of containers, by ID
	hang := make(chan struct{})
	var hangs atomic.Bool
	socket := engine(t, func(w http.ResponseWriter, r *http.Request) {
		if hangs.Load() {
			<-hang
		}
		id := strings.Split(r.URL.Path, "/")[2]
		name, ok := names.Load(id)
		if !ok {
			http.NotFound(w, r)
			return
		}
		fmt.Fprintf(w, `{"Id":%q,"Name":"/%s","State":{},"Config":{},"HostConfig":{}}`, id, name)
	})
	t.Cleanup(func() { close(hang) })
	t.Setenv("DOCKER_HOST", "unix://"+socket)
	trackers := map[string]*Tracker{TierBPF: track(t, TierBPF)}
	workloads := start(t)
	a, b := workloads[0], workloads[1]
	names.Store(a.id, "web-1")
	found := func(w *workload, letter byte) (container.Container, time.Duration) {
		stop := listen(t, trackers)
		began := time.Now()
		w.refuse(t, letter)
		records := stop()
		require.Len(t, records, 1)
		return records[0].found[TierBPF], time.Since(began)
	}
	require.Eventually(t, func() bool { // it is asked again if it did not know
		c, _ := found(a, 'f')
		return c.Name == "web-1"
	}, 20*time.Second, time.Second)

	hangs.Store(true)
	time.Sleep(askAgain)
	c, took := found(b, 'f')
	assert.Equal(t, b.id, c.ID)
	assert.Empty(t, c.Name)
	assert.Less(t, took, apiTimeout+2*time.Second)

	require.NoError(t, os.Remove(socket))
	c, _ = found(a, 'x')
	assert.Equal(t, "web-1", c.Name, "it was asked before")
	c, took = found(b, 'x')
	assert.Equal(t, b.id, c.ID)
	assert.Equal(t, container.High, c.Confidence)
	assert.Less(t, took, time.Second)
}
