//go:build e2e && linux && amd64

package track

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/whydenied/whydenied/explain/container"
	"github.com/whydenied/whydenied/testdata/e2e/kernel"
)

// These tests run real containers whose processes end at once by a refused
// system call, and ask who they were when their record arrives. Each container's
// filter refuses another call, so that the record itself says whose it is. They
// need what the package testdata/e2e does.

// missing skips a test for want of something, or fails it.
var missing = kernel.Missing

// A refused is a SECCOMP record of one of our processes, and what was found for
// it as soon as it was read.
type refused struct {
	pid, syscall int
	time         time.Time
	proc         string // container, by /proc after the fact
	found        map[string]container.Container
}

// afterTheFact is the container that /proc said when the record was read.
func (r refused) afterTheFact(tracker *Tracker) string {
	id, _ := tracker.cache.identify(newMembership(parseCgroups(r.proc)))
	return id.id
}

// churnName is the name of our program, and of no other on this machine.
var churnName = fmt.Sprint("churn-", os.Getpid())

var seccompRecord = regexp.MustCompile(` msg=audit\((\d+)\.(\d+):(\d+)\): .* pid=(\d+) .* exe="[^"]*/` + churnName + `" sig=31 .* syscall=(\d+) `)

// listen asks for each record of our processes at once, until the function that
// it returns is called, which waits for those that have been made.
func listen(t *testing.T, trackers map[string]*Tracker) (stop func() []refused) {
	audit := kernel.OpenAudit(t)
	mark := fmt.Sprintf("whydenied-e2e-%d", time.Now().UnixNano())
	read := make(chan refused, 100_000)
	go func() { // alone, so that the kernel need not drop records while we look
		defer close(read)
		for {
			line, err := audit.Next(true)
			switch {
			case errors.Is(err, syscall.EINTR):
				continue
			case errors.Is(err, syscall.ENOBUFS): // records of others, too
				t.Log("the kernel dropped audit records")
				continue
			case err != nil || strings.Contains(line, mark):
				assert.NoError(t, err)
				return
			}
			m := seccompRecord.FindStringSubmatch(line)
			if m == nil {
				continue
			}
			number := func(i int) int { n, _ := strconv.Atoi(m[i]); return n }
			r := refused{pid: number(4), syscall: number(5), found: map[string]container.Container{}}
			r.time = time.Unix(int64(number(1)), int64(number(2))*int64(time.Millisecond))
			read <- r
		}
	}()
	found := make(chan []refused)
	go func() {
		var all []refused
		for r := range read {
			// First, so that it has the best chance: what the enrichers of other
			// tools do.
			if text, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", r.pid)); err == nil {
				r.proc = string(text)
			}
			for name, tracker := range trackers {
				r.found[name] = tracker.Find(container.Subject{PID: r.pid, Time: r.time})
			}
			all = append(all, r)
		}
		found <- all
	}()
	return func() []refused {
		for {
			audit.Say(t, mark) // what was made before comes before: see kernel.Audit.Mark
			select {
			case all := <-found:
				return all
			case <-time.After(time.Second): // the mark itself was dropped
			}
		}
	}
}

// track starts a tracker that must be of a tier.
func track(t *testing.T, tier string) *Tracker {
	tracker, err := watch(context.Background(), nil, tier)
	require.NoError(t, err)
	t.Cleanup(func() { tracker.Close() })
	got, why := tracker.Tier()
	if got != tier {
		missing(t, "tier %s: %s", tier, why)
	}
	return tracker
}

// A workload is a program that makes refused processes, one a letter.
type workload struct {
	name    string
	id      string // "" on the host
	syscall int
	root    string // of runc
	in      io.WriteCloser
	out     io.Reader
}

// refuse makes one refused process and waits for its end.
func (w *workload) refuse(t *testing.T, letter byte) {
	t.Helper()
	_, err := w.in.Write([]byte{letter})
	require.NoError(t, err)
	var dot [1]byte
	_, err = io.ReadFull(w.out, dot[:])
	require.NoError(t, err, "%s ended", w.name)
}

// start runs the program, in containers whose cgroups have different shapes, and
// on the host.
func start(t *testing.T) []*workload {
	for _, need := range []string{"runc", "gcc"} {
		if _, err := exec.LookPath(need); err != nil {
			missing(t, "%s", need)
		}
	}
	if os.Geteuid() != 0 {
		missing(t, "root")
	}
	dir := t.TempDir()
	churn := filepath.Join(dir, churnName)
	out, err := exec.Command("gcc", "-O1", "-static", "-Wall", "-Werror", "-o", churn, "testdata/live/churn.c").CombinedOutput()
	require.NoError(t, err, "%s", out)
	hexID := func() string {
		id := make([]byte, 32)
		rand.Read(id)
		return hex.EncodeToString(id)
	}
	a, b := hexID(), hexID()
	workloads := []*workload{
		{name: "mkdir", syscall: 83, id: a},
		{name: "rmdir", syscall: 84, id: b},
		{name: "symlink", syscall: 88, id: "whydenied-plain-" + a[:8]},
		{name: "link", syscall: 86, id: "whydenied-own-" + a[:8]},
		{name: "mknod", syscall: 133},
	}
	cgroups := map[string]string{
		"mkdir": "/docker/" + a,
		"rmdir": "/kubepods/burstable/pod0b3c8a1e-5f8b-4f3c-9a61-2f1d2c3b4a59/" + b,
		"link":  "/whydenied-own/x-" + a[:8],
	}
	for _, w := range workloads {
		var cmd *exec.Cmd
		if w.id == "" {
			cmd = exec.Command(churn, strconv.Itoa(w.syscall), "host")
		} else {
			w.root = filepath.Join(dir, "runc")
			bundle := filepath.Join(dir, w.name)
			writeBundle(t, bundle, churn, w, cgroups[w.name])
			cmd = exec.Command("runc", "--root", w.root, "run", w.id)
			cmd.Dir = bundle
		}
		cmd.Stderr = os.Stderr
		w.in, err = cmd.StdinPipe()
		require.NoError(t, err)
		w.out, err = cmd.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		t.Cleanup(func() {
			w.in.Close()
			assert.NoError(t, cmd.Wait(), w.name)
			// runc removes the container's cgroups, not what it made above them.
			for dir := filepath.Dir(cgroups[w.name]); len(dir) > 1; dir = filepath.Dir(dir) {
				left, _ := filepath.Glob("/sys/fs/cgroup/*" + dir)
				for _, d := range append(left, "/sys/fs/cgroup"+dir) {
					_ = os.Remove(d) // others may use it
				}
			}
		})
	}
	return workloads
}

func writeBundle(t *testing.T, bundle, churn string, w *workload, cgroup string) {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Join(bundle, "rootfs", "proc"), 0o755))
	require.NoError(t, os.Link(churn, filepath.Join(bundle, "rootfs", churnName)))
	type object = map[string]any
	linux := object{
		"namespaces": []object{{"type": "pid"}, {"type": "mount"}, {"type": "ipc"}, {"type": "network"}},
		"seccomp": object{
			"defaultAction": "SCMP_ACT_ALLOW", "architectures": []string{"SCMP_ARCH_X86_64"},
			"syscalls": []object{{"names": []string{w.name}, "action": "SCMP_ACT_KILL_PROCESS"}},
		},
	}
	if cgroup != "" {
		linux["cgroupsPath"] = cgroup
	}
	config, err := json.Marshal(object{
		"ociVersion": "1.0.2",
		"process":    object{"user": object{"uid": 0, "gid": 0}, "args": []string{"/" + churnName, strconv.Itoa(w.syscall)}, "cwd": "/", "env": []string{}},
		"root":       object{"path": "rootfs"},
		"mounts":     []object{{"destination": "/proc", "type": "proc", "source": "proc"}},
		"linux":      linux,
	})
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(bundle, "config.json"), config, 0o600))
}

// A tally counts answers.
type tally struct{ right, unknown, wrong int }

func (c *tally) add(want, got string) {
	switch got {
	case want:
		c.right++
	case "":
		c.unknown++
	default:
		c.wrong++
	}
}

func (c tally) String() string {
	return fmt.Sprintf("right %d, unknown %d, wrong %d", c.right, c.unknown, c.wrong)
}

// Of 1,000 processes of containers that live less than 5 ms at least 999 must be
// known, and none wrong.
func TestShortLived(t *testing.T) {
	kernel.Measures(t)
	trackers := map[string]*Tracker{TierBPF: track(t, TierBPF), TierConnector: track(t, TierConnector), TierProc: track(t, TierProc)}
	stop := listen(t, trackers)
	workloads := start(t)
	const each = 350
	letters := "fxd"
	for i := range each {
		for _, w := range workloads {
			w.refuse(t, letters[i%len(letters)])
		}
	}
	records := stop()
	for _, w := range workloads {
		if w.id != "" {
			t.Logf("%-7s is %.12s, of the engine %q", w.name, w.id, trackers[TierBPF].cache.container(context.Background(), identity{key: key{id: w.id}}, false).Runtime)
		}
	}

	bySyscall := map[int]*workload{}
	for _, w := range workloads {
		bySyscall[w.syscall] = w
	}
	counts, host := map[string]*tally{}, map[string]*tally{}
	for _, name := range append(slices.Collect(maps.Keys(trackers)), "/proc after the fact") {
		counts[name], host[name] = &tally{}, &tally{}
	}
	var lives []time.Duration
	short := 0
	confidence := map[string]map[string]int{}
	for _, r := range records {
		w := bySyscall[r.syscall]
		life := lifetime(trackers[TierBPF], r.pid, r.time)
		if life >= 5*time.Millisecond {
			continue
		}
		to := host
		if w.id != "" {
			lives = append(lives, life)
			short++
			to = counts
		}
		for name := range trackers {
			c := r.found[name]
			to[name].add(w.id, c.ID)
			if confidence[name] == nil {
				confidence[name] = map[string]int{}
			}
			confidence[name][c.Confidence.String()]++
			if c.ID != w.id && to[name].unknown < 5 {
				t.Logf("%s: %s %d: %q %v", name, w.name, r.pid, c.ID, c.Evidence)
			}
			if c.ID != "" && w.id == c.ID && name != TierProc {
				assert.Contains(t, c.SeccompProfile, w.name, "the bundle's filter is the policy")
			}
		}
		to["/proc after the fact"].add(w.id, r.afterTheFact(trackers[TierBPF]))
	}
	slices.Sort(lives)
	require.NotEmpty(t, lives)
	t.Logf("%d records; %d of containers' processes that lived under 5 ms (median %v, longest %v)", len(records), short, lives[len(lives)/2], lives[len(lives)-1])
	for name, c := range counts {
		t.Logf("%-20s %v; on the host: %v; %v", name, c, host[name], confidence[name])
	}
	require.GreaterOrEqual(t, short, 1000)
	for _, tier := range []string{TierBPF, TierConnector} {
		c := counts[tier]
		assert.GreaterOrEqual(t, c.right*1000, 999*short, "%s: %v", tier, c)
		assert.Zero(t, c.wrong, tier)
		assert.Zero(t, host[tier].wrong, "a process of the host in a container")
		assert.Zero(t, trackers[tier].Lost())
	}
}

// lifetime asks the events for how long a process lived.
func lifetime(tracker *Tracker, pid int, at time.Time) time.Duration {
	tracker.mu.Lock()
	defer tracker.mu.Unlock()
	tracker.drain()
	for _, p := range tracker.processes.uses(pid, window(at)) {
		return p.ended - p.start
	}
	return 0
}

// One PID used in turn by containers and the host must never be blamed on the
// wrong one: not at once after the other, and known where there is time between.
func TestReusedPID(t *testing.T) {
	const last = "/proc/sys/kernel/ns_last_pid"
	if _, err := os.Stat(last); err != nil {
		missing(t, "%s (CONFIG_CHECKPOINT_RESTORE)", last)
	}
	trackers := map[string]*Tracker{TierBPF: track(t, TierBPF), TierConnector: track(t, TierConnector), TierProc: track(t, TierProc)}
	stop := listen(t, trackers)
	workloads := start(t)
	bySyscall := map[int]*workload{}
	for _, w := range workloads {
		bySyscall[w.syscall] = w
	}
	const times = 60
	var apart time.Time
	// Ahead of all that others may still know by its number.
	text, err := os.ReadFile(last)
	require.NoError(t, err)
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	require.NoError(t, err)
	pid = pid%30_000 + 1000 // below 32,768, the least limit
	for slices.ContainsFunc(listProcesses(), func(p int) bool { return p >= pid && p < pid+10 }) {
		pid += 10
	}
	for i := range 2 * times {
		if i == times {
			time.Sleep(2 * recordSlack)
			apart = time.Now().Add(-recordSlack)
		}
		for _, w := range workloads {
			require.NoError(t, os.WriteFile(last, []byte(strconv.Itoa(pid-1)), 0))
			w.refuse(t, 'f')
			if i >= times {
				time.Sleep(recordSlack)
			}
		}
	}
	records := stop()
	users := map[int]map[int]bool{}
	for _, r := range records {
		if users[r.pid] == nil {
			users[r.pid] = map[int]bool{}
		}
		users[r.pid][r.syscall] = true
	}
	reused := 0
	for _, r := range records {
		if len(users[r.pid]) > 1 {
			reused++
		}
	}
	t.Logf("%d records; %d of processes whose ID others had too", len(records), reused)
	require.Greater(t, reused, len(workloads)*times)
	for tier := range trackers {
		var quick, slow, proc tally
		for _, r := range records {
			w := bySyscall[r.syscall]
			to := &quick
			if r.time.After(apart) {
				to = &slow
			}
			to.add(w.id, r.found[tier].ID)
			proc.add(w.id, r.afterTheFact(trackers[tier]))
			if got := r.found[tier]; to == &slow && tier != TierProc && got.ID != w.id {
				t.Logf("%s: %s %d: %q %v", tier, w.name, r.pid, got.ID, got.Evidence)
			}
		}
		t.Logf("%-10s at once: %v; later: %v; /proc after the fact: %v", tier, quick, slow, proc)
		assert.Zero(t, quick.wrong+slow.wrong, tier)
		assert.NotZero(t, slow.right, tier)
		if tier != TierProc && !testing.Short() { // how much is known depends on how soon trackers get a CPU
			// Any other process of the machine may take the ID that was asked for.
			assert.LessOrEqual(t, slow.unknown, times*len(workloads)/50, tier)
		}
	}
}

// A process that joins a running container is of it.
func TestJoined(t *testing.T) {
	trackers := map[string]*Tracker{TierBPF: track(t, TierBPF), TierConnector: track(t, TierConnector)}
	stop := listen(t, trackers)
	workloads := start(t)
	for range 10 {
		for _, w := range workloads {
			if w.id == "" {
				continue
			}
			w.refuse(t, 'f') // it has started
			cmd := exec.Command("runc", "--root", w.root, "exec", w.id, "/"+churnName, "-"+strconv.Itoa(w.syscall))
			assert.Error(t, cmd.Run())
		}
	}
	counts := map[string]*tally{TierBPF: {}, TierConnector: {}}
	for _, r := range stop() {
		for _, w := range workloads {
			if w.syscall == r.syscall {
				for tier, c := range counts {
					c.add(w.id, r.found[tier].ID)
					if got := r.found[tier]; got.ID != w.id {
						t.Logf("%s: %s %d: %q %v", tier, w.name, r.pid, got.ID, got.Evidence)
					}
				}
			}
		}
	}
	for tier, c := range counts {
		t.Logf("%-10s %v", tier, c)
		assert.Zero(t, c.wrong, tier)
	}
	assert.Zero(t, counts[TierBPF].unknown)
	if testing.Short() {
		return
	}
	// What ends within a millisecond of joining may do so unread.
	assert.LessOrEqual(t, counts[TierConnector].unknown, 16)
}

// A process can be cloned into the cgroup of a container, without any move
// (CLONE_INTO_CGROUP of clone3(2), cgroup v2 alone).
func TestCloned(t *testing.T) {
	root := "/sys/fs/cgroup"
	if _, err := os.Stat(root + "/unified/cgroup.procs"); err == nil {
		root += "/unified"
	}
	id := strings.Repeat("c0de", 16)
	parent := filepath.Join(root, "docker")
	_, existed := os.Stat(parent)
	if err := os.MkdirAll(filepath.Join(parent, id), 0o755); err != nil {
		missing(t, "a cgroup v2 hierarchy: %v", err)
	}
	t.Cleanup(func() {
		assert.NoError(t, os.Remove(filepath.Join(parent, id)))
		if existed != nil {
			assert.NoError(t, os.Remove(parent))
		}
	})
	dir, err := os.Open(filepath.Join(parent, id))
	require.NoError(t, err)
	defer dir.Close()
	for _, tier := range []string{TierBPF, TierConnector} {
		tracker := track(t, tier)
		cmd := exec.Command("cat")
		cmd.SysProcAttr = &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: int(dir.Fd())}
		in, err := cmd.StdinPipe()
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		c := tracker.Find(container.Subject{PID: cmd.Process.Pid, Time: time.Now()})
		assert.Equal(t, id, c.ID, "%s: %v", tier, c.Evidence)
		in.Close()
		require.NoError(t, cmd.Wait())
	}
}

// What a tier costs a shell that starts 500 programs.
func BenchmarkForks(b *testing.B) {
	for _, tier := range []string{"none", TierBPF, TierConnector} {
		b.Run(tier, func(b *testing.B) {
			if tier != "none" {
				tracker, err := watch(context.Background(), nil, tier)
				require.NoError(b, err)
				defer tracker.Close()
			}
			before := ownTime()
			for b.Loop() {
				require.NoError(b, exec.Command("busybox", "sh", "-c", "i=0; while [ $i -lt 500 ]; do /bin/true; i=$((i+1)); done").Run())
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/500, "us/program")
			b.ReportMetric(float64((ownTime()-before).Microseconds())/float64(b.N)/500, "us-own/program")
		})
	}
}

// ownTime is the CPU time of this process.
func ownTime() time.Duration {
	var usage syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &usage)
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// The ID of a cgroup that something is moved to is its folder's inode number, in each hierarchy.
func TestCgroupPath(t *testing.T) {
	tracker := track(t, TierBPF)
	text, err := os.ReadFile("/proc/self/mountinfo")
	require.NoError(t, err)
	tried := 0
	for line := range strings.Lines(string(text)) {
		m := regexp.MustCompile(`^\S+ \S+ \S+ / (\S+) .* - cgroup2? `).FindStringSubmatch(line)
		if m == nil {
			continue
		}
		name := fmt.Sprintf("/whydenied-path-%d", os.Getpid())
		dir := m[1] + name
		if os.Mkdir(dir, 0o755) != nil { // cpuset has none without settings, a folder of another mount is its
			continue
		}
		t.Cleanup(func() { os.Remove(dir) })
		info, err := os.Stat(dir)
		require.NoError(t, err)
		out, err := exec.Command("sh", "-c", `echo $$ >"$0/cgroup.procs" && cat /proc/self/cgroup`, dir).Output()
		if err != nil {
			t.Logf("%s cannot be joined: %v", dir, err)
			continue
		}
		i := slices.IndexFunc(parseCgroups(string(out)), func(c cgroup) bool { return c.path == name })
		require.GreaterOrEqual(t, i, 0, "%s", out)
		hierarchy := parseCgroups(string(out))[i].hierarchy
		assert.Equal(t, name, tracker.CgroupPath(hierarchy, info.Sys().(*syscall.Stat_t).Ino), dir)
		tried++
	}
	if tried == 0 {
		missing(t, "a hierarchy of cgroups that can be written")
	}
}
