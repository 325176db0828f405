package track

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/whydenied/whydenied/explain/container"
)

// A recorded feed hands over what a test puts in.
type recorded struct {
	mu     sync.Mutex
	events []event
	lost   bool
	err    error
}

func (f *recorded) drain(apply func(event)) (bool, error) {
	f.mu.Lock()
	events, lost := f.events, f.lost
	f.events, f.lost = nil, false
	f.mu.Unlock()
	for _, e := range events {
		apply(e)
	}
	return lost, f.err
}

func (f *recorded) fd() int { return -1 }
func (f *recorded) close()  {}

func (f *recorded) add(events ...event) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.events = append(f.events, events...)
}

// PIDs above the kernel's greatest (PID_MAX_LIMIT), so that /proc has none.
const nobody = 5_000_000

// follow returns a tracker of recorded events on an empty disk.
func follow(t *testing.T, tier string) (*Tracker, *recorded) {
	f := &recorded{}
	ctx, stop := context.WithCancel(context.Background())
	t.Cleanup(stop)
	tracker := &Tracker{cache: newCache(), ctx: ctx, stop: stop, done: make(chan struct{}), asking: make(chan struct{}, 1), feed: f, tier: tier}
	tracker.cache.disk.root = t.TempDir()
	tracker.cache.inspect = func(context.Context, api, string) (container.Container, error) {
		return container.Container{}, os.ErrNotExist
	}
	return tracker, f
}

func TestFindLive(t *testing.T) {
	a, b := strings.Repeat("a", 64), strings.Repeat("b", 64)
	tracker, f := follow(t, TierBPF)
	writeFile(t, tracker.cache.disk.root+"/run/containerd/io.containerd.runtime.v2.task/moby/"+a+"/config.json",
		`{"ociVersion":"1.0.2","process":{"apparmorProfile":"web"},"linux":{"cgroupsPath":"/docker/`+a+`","seccomp":{"defaultAction":"SCMP_ACT_ERRNO"}}}`)
	now := time.Now()
	at := func(ago time.Duration) time.Duration { return sinceBoot(now.Add(-ago)) }
	find := func(pid int, ago time.Duration) container.Container {
		return tracker.Find(container.Subject{PID: pid, Time: now.Add(-ago)})
	}
	const shim, init, child, other, host = nobody, nobody + 1, nobody + 2, nobody + 3, nobody + 4
	f.add(
		event{kind: forked, pid: shim, at: at(60 * time.Second), exact: true},
		event{kind: moved, pid: shim, at: at(60 * time.Second), path: "/system.slice/docker.service"},
		event{kind: forked, pid: init, parent: shim, at: at(50 * time.Second), inherits: true, exact: true},
		event{kind: moved, pid: init, at: at(40 * time.Second), hierarchy: 7, id: 77, path: "/docker/" + a},
		event{kind: forked, pid: child, parent: init, at: at(30 * time.Second), inherits: true, exact: true},
		event{kind: exited, pid: child, at: at(30*time.Second - 2*ms), exact: true},
		event{kind: forked, pid: child, parent: shim, at: at(20 * time.Second), inherits: true, exact: true},
		event{kind: exited, pid: child, at: at(10 * time.Second), exact: true},
		// One ID, within the precision of a record, in a container and outside.
		event{kind: forked, pid: other, parent: init, at: at(5000 * ms), inherits: true, exact: true},
		event{kind: exited, pid: other, at: at(4990 * ms), exact: true},
		event{kind: forked, pid: other, parent: shim, at: at(4980 * ms), inherits: true, exact: true},
		event{kind: forked, pid: host, parent: init, at: at(4 * time.Second), inherits: true, exact: true},
		event{kind: moved, pid: host, at: at(3 * time.Second), path: "/docker/" + b},
	)
	c := find(init, 35*time.Second)
	assert.Equal(t, a, c.ID)
	assert.Equal(t, container.High, c.Confidence)
	assert.Equal(t, []string{"the cgroup of process 5000001 was /docker/" + a}, c.Evidence)
	assert.Equal(t, "docker", c.Runtime)
	assert.Equal(t, "web", c.AppArmorProfile)
	assert.Contains(t, c.SeccompProfile, "SCMP_ACT_ERRNO")
	assert.True(t, strings.HasPrefix(c.SeccompFile, "/run/containerd/"), c.SeccompFile)

	c = find(init, 45*time.Second)
	assert.Equal(t, container.Unknown, c.Confidence)
	assert.Equal(t, []string{"the cgroup of process 5000001 was /system.slice/docker.service, which is no container's"}, c.Evidence)
	c = find(init, 40*time.Second+50*ms)
	assert.Equal(t, a, c.ID)
	assert.Equal(t, container.Medium, c.Confidence, "it was being moved")

	assert.Equal(t, a, find(child, 30*time.Second).ID, "it is dead")
	assert.Empty(t, find(child, 15*time.Second).ID, "another with its ID")
	c = find(child, 25*time.Second)
	assert.Equal(t, container.Container{Evidence: []string{"process 5000002 had ended before it was seen"}}, c, "between the two")

	c = find(other, 4995*ms)
	assert.Empty(t, c.ID)
	assert.Contains(t, c.Evidence[0], "was that of two processes within 100ms of the record, one of them in container aaaaaaaaaaaa")
	assert.Contains(t, find(host, 3050*ms).Evidence[0], "was in two containers within 100ms")
	assert.Equal(t, b, find(host, 2*time.Second).ID)
	assert.Empty(t, find(nobody+9, 0).ID)

	assert.Equal(t, "/docker/"+a, tracker.CgroupPath(7, 77))
	assert.Empty(t, tracker.CgroupPath(0, 77), "an ID is of one hierarchy")

	under := func(pid int, ago time.Duration, cgroup string) bool {
		return tracker.Under(container.Subject{PID: pid, Time: now.Add(-ago)}, cgroup)
	}
	assert.True(t, under(init, 35*time.Second, "/docker/"+a))
	assert.True(t, under(init, 35*time.Second, "/docker/"), "it is below")
	assert.True(t, under(init, 35*time.Second, "/"))
	assert.False(t, under(init, 35*time.Second, "/docker/a"), "a name that begins alike")
	assert.False(t, under(init, 45*time.Second, "/docker"), "before it was moved")
	assert.True(t, under(init, 40*time.Second+50*ms, "/docker"), "it was being moved")
	assert.True(t, under(child, 30*time.Second, "/docker"), "it is dead")
	assert.False(t, under(child, 25*time.Second, "/"), "between the two with its ID")
	assert.False(t, under(other, 4995*ms, "/docker"), "it may have been the one outside")

	assert.Equal(t, b, tracker.Find(container.Subject{CgroupPath: "/docker/" + b}).ID)
	c = tracker.Find(container.Subject{Label: "web"})
	assert.Equal(t, a, c.ID, "by its profile, as it was seen")
	assert.Equal(t, container.Medium, c.Confidence)
	assert.Equal(t, a, tracker.Find(container.Subject{PID: init, Time: time.Time{}}).ID)
	assert.Empty(t, tracker.Find(container.Subject{PID: child}).ID, "one of two")
}

func TestFindNested(t *testing.T) {
	a, b := strings.Repeat("a", 64), strings.Repeat("b", 64)
	tracker, f := follow(t, TierBPF)
	// A container of the host of that ID has nothing to do with it.
	writeFile(t, tracker.cache.disk.root+"/run/runc/"+b+"/state.json", `{"id":"`+b+`","init_process_pid":1,"config":{"apparmor_profile":"victim"}}`)
	f.add(
		event{kind: forked, pid: nobody, at: sinceBoot(time.Now()), exact: true},
		event{kind: moved, pid: nobody, at: sinceBoot(time.Now()), path: "/docker/" + a + "/docker-" + b + ".scope"},
	)
	time.Sleep(recordSlack)
	c := tracker.Find(container.Subject{PID: nobody, Time: time.Now()})
	assert.Equal(t, b, c.ID)
	assert.Equal(t, a, c.Parent)
	assert.Empty(t, c.AppArmorProfile)
	assert.Contains(t, c.Evidence[0], ", in container aaaaaaaaaaaa")
}

// A user can name cgroups of their own as they like.
func TestFindOfUser(t *testing.T) {
	b := strings.Repeat("b", 64)
	tracker, _ := follow(t, TierBPF)
	writeFile(t, tracker.cache.disk.root+"/run/runc/"+b+"/state.json", `{"id":"`+b+`","init_process_pid":1,"config":{"apparmor_profile":"victim"}}`)
	writeFile(t, tracker.cache.disk.root+"/run/user/0/runc/x", "")
	c := tracker.Find(container.Subject{CgroupPath: "/user.slice/user-1000.slice/user@1000.service/docker-" + b + ".scope"})
	assert.Equal(t, b, c.ID)
	assert.Empty(t, c.AppArmorProfile)
	c = tracker.Find(container.Subject{CgroupPath: "/system.slice/docker-" + b + ".scope"})
	assert.Equal(t, "victim", c.AppArmorProfile)
}

func TestFindPlainRunc(t *testing.T) {
	tracker, _ := follow(t, TierProc)
	dir := t.TempDir()
	writeFile(t, dir+"/config.json", `{"ociVersion":"1.0.2","process":{"args":["/app"]},"linux":{"seccomp":{"defaultAction":"SCMP_ACT_LOG"}}}`)
	find := func() container.Container { return tracker.Find(container.Subject{CgroupPath: "/lab7/below"}) }
	assert.Equal(t, container.Unknown, find().Confidence)
	writeFile(t, tracker.cache.disk.root+"/run/runc/lab7/state.json",
		`{"id":"lab7","init_process_pid":1,"config":{"labels":["bundle=`+dir+`"]},"cgroup_paths":{"":"/sys/fs/cgroup/lab7","cpu":"/sys/fs/cgroup/cpu/lab7"}}`)
	assert.Equal(t, container.Unknown, find().Confidence, "looked a moment ago")
	tracker.cache.scanned = time.Time{}
	c := find()
	assert.Equal(t, "lab7", c.ID)
	assert.Equal(t, "runc", c.Runtime)
	assert.Equal(t, []string{"/app"}, c.Command)
	assert.Contains(t, c.SeccompProfile, "SCMP_ACT_LOG")
	assert.Equal(t, filepath.Join(dir, "config.json"), c.SeccompFile)
}

// The children of a runtime look like it until they have a program of their own,
// but are in other folders.
func TestChildOfRuntime(t *testing.T) {
	dir := t.TempDir()
	r := startRuntime(t, install(t, "runc"), dir, "run", "box")
	pid := r.pid

	tracker, _ := follow(t, TierConnector)
	tracker.apply(event{kind: forked, pid: pid, at: r.start})
	tracker.took(r)
	tracker.catchUp()
	assert.NotContains(t, tracker.cache.byID, "box")
	tracker.apply(event{kind: executed, pid: pid, at: r.start + ms})
	tracker.took(r)
	tracker.catchUp()
	assert.Equal(t, dir, tracker.cache.byID["box"].dir)

	late, _ := follow(t, TierConnector)
	late.took(r)
	late.catchUp()
	assert.Equal(t, dir, late.cache.byID["box"].dir, "it was there before")
}

// A bundle that gets known is read at once, though the container was looked for
// a moment ago.
func TestBundleLater(t *testing.T) {
	tracker, _ := follow(t, TierConnector)
	id := identity{key: key{id: "box"}}
	c := tracker.cache.container(context.Background(), id, false)
	assert.Empty(t, c.SeccompProfile)
	id.bundle = bundle{id: "box", dir: t.TempDir()}
	writeFile(t, id.bundle.dir+"/config.json", `{"ociVersion":"1.0.2","linux":{"seccomp":{"defaultAction":"SCMP_ACT_LOG"}}}`)
	c = tracker.cache.container(context.Background(), id, false)
	assert.Contains(t, c.SeccompProfile, "SCMP_ACT_LOG")
}

// So is one that gets known when the engine has told already what it knows: the
// bundle has the filter that is in force. Who asks without knowing of it, later,
// does not have all read again.
func TestBundleAfterEngine(t *testing.T) {
	tracker, _ := follow(t, TierConnector)
	cache := tracker.cache
	cache.inspect = func(context.Context, api, string) (container.Container, error) {
		return container.Container{ID: "box", Name: "web", Runtime: "docker"}, nil
	}
	before := identity{key: key{id: "box"}, runtime: "docker"}
	c := cache.container(context.Background(), before, true)
	assert.Equal(t, []string{"web", ""}, []string{c.Name, c.SeccompProfile})
	now := before
	now.bundle = bundle{id: "box", dir: t.TempDir()}
	writeFile(t, now.bundle.dir+"/config.json", `{"ociVersion":"1.0.2","linux":{"seccomp":{"defaultAction":"SCMP_ACT_LOG"}}}`)
	c = cache.container(context.Background(), now, true)
	assert.Contains(t, c.SeccompProfile, "SCMP_ACT_LOG")
	assert.Equal(t, "web", c.Name)

	read := cache.entries[now.key].read
	for _, id := range []identity{before, now} {
		assert.Contains(t, cache.container(context.Background(), id, true).SeccompProfile, "SCMP_ACT_LOG")
	}
	assert.Equal(t, read, cache.entries[now.key].read)
}

func TestInventoryCompletes(t *testing.T) {
	a := strings.Repeat("a", 64)
	tracker, _ := follow(t, TierProc)
	tracker.inventory = &container.Inventory{Containers: []container.Container{{ID: a, Name: "web", PID: nobody, Started: time.Now().Add(-time.Hour)}}}
	assert.Equal(t, "web", tracker.Find(container.Subject{CgroupPath: "/docker/" + a}).Name)
	c := tracker.Find(container.Subject{PID: nobody, Time: time.Now()})
	assert.Equal(t, "web", c.Name, "by its PID")
	assert.Equal(t, "process 5000000 had ended before it was seen", c.Evidence[0])
}

// Events that were lost, or that stop coming, must not keep a PID alive.
func TestLost(t *testing.T) {
	a := strings.Repeat("a", 64)
	tracker, f := follow(t, TierBPF)
	now := time.Now()
	f.add(
		event{kind: forked, pid: nobody, at: sinceBoot(now.Add(-10 * time.Second)), exact: true},
		event{kind: moved, pid: nobody, at: sinceBoot(now.Add(-9 * time.Second)), path: "/docker/" + a},
		event{kind: executed, pid: nobody, at: sinceBoot(now.Add(-5 * time.Second)), comm: "app"},
	)
	find := func(ago time.Duration) string {
		return tracker.Find(container.Subject{PID: nobody, Time: now.Add(-ago)}).ID
	}
	assert.Equal(t, a, find(time.Second))
	f.lost = true
	assert.Empty(t, find(time.Second), "nobody has that ID now, and who had it then was not told")
	assert.Equal(t, a, find(6*time.Second), "what was told stays")
	assert.Equal(t, 1, tracker.Lost())
	tier, _ := tracker.Tier()
	assert.Equal(t, TierBPF, tier)

	f.err = unix.EBADF
	assert.Equal(t, a, find(6*time.Second))
	tier, why := tracker.Tier()
	assert.Equal(t, TierProc, tier)
	assert.Equal(t, "ebpf: bad file descriptor", why)
	assert.Empty(t, find(0))
}

func TestConcurrent(t *testing.T) {
	tracker, f := follow(t, TierBPF)
	go tracker.follow()
	var group sync.WaitGroup
	for i := range 4 {
		group.Go(func() {
			for n := range 200 {
				pid := nobody + i*1000 + n
				f.add(event{kind: forked, pid: pid, at: sinceBoot(time.Now()), exact: true}, event{kind: moved, pid: pid, at: sinceBoot(time.Now()), path: "/lxc.payload.c" + strconv.Itoa(n%20)})
				c := tracker.Find(container.Subject{PID: pid, Time: time.Now()})
				assert.Equal(t, "c"+strconv.Itoa(n%20), c.ID)
				tracker.Tier()
			}
		})
	}
	group.Wait()
	require.NoError(t, tracker.Close())
	assert.Equal(t, "c1", tracker.Find(container.Subject{PID: nobody + 1, Time: time.Now().Add(-recordSlack * 3 / 2)}).ID, "what was known stays")
}

func TestFollow(t *testing.T) {
	tracker, f := follow(t, TierConnector)
	now := time.Now()
	fork := func(pid, parent int, ago time.Duration) {
		f.add(event{kind: forked, pid: pid, parent: parent, at: sinceBoot(now.Add(-ago)), inherits: true})
	}
	followed := func(pid int, ago time.Duration) bool {
		return tracker.Followed(container.Subject{PID: pid, Time: now.Add(-ago)})
	}
	fork(nobody, 1, 9*time.Second)
	fork(nobody+1, nobody, 8*time.Second)
	tracker.Follow(nobody)
	tracker.Follow(nobody + 99)
	fork(nobody+2, nobody, 7*time.Second)
	fork(nobody+3, nobody+2, 6*time.Second)
	f.add(event{kind: exited, pid: nobody + 3, at: sinceBoot(now.Add(-5 * time.Second))})
	fork(nobody+3, nobody+1, 4*time.Second)
	assert.True(t, followed(nobody, 0))
	assert.False(t, followed(nobody+1, 0), "it was there before")
	assert.True(t, followed(nobody+2, 0))
	assert.True(t, followed(nobody+3, 5500*ms))
	assert.False(t, followed(nobody+3, 3*time.Second), "another with its ID")
	assert.False(t, followed(nobody+3, 4*time.Second+10*ms), "one of two")
	assert.False(t, followed(nobody+99, 0))
}

func BenchmarkFind(b *testing.B) {
	f := &recorded{}
	tracker := &Tracker{cache: newCache(), ctx: context.Background(), feed: f, tier: TierBPF}
	tracker.cache.disk.root = b.TempDir()
	now := time.Now()
	f.add(event{kind: forked, pid: nobody, at: sinceBoot(now.Add(-time.Second)), exact: true})
	for h := range 10 { // as many hierarchies as a host with both versions has
		f.add(event{kind: moved, pid: nobody, at: sinceBoot(now.Add(-time.Second)), hierarchy: h, path: "/lxc.payload.c1"})
	}
	for b.Loop() {
		if c := tracker.Find(container.Subject{PID: nobody, Time: now}); c.ID != "c1" {
			b.Fatal(c)
		}
	}
}

// A process that was not seen, on a host with many containers.
func BenchmarkFindLate(b *testing.B) {
	f := &recorded{}
	tracker := &Tracker{cache: newCache(), ctx: context.Background(), feed: f, tier: TierBPF}
	tracker.cache.disk.root = b.TempDir()
	for i := range maxContainers {
		tracker.cache.entries[key{id: strconv.Itoa(i)}] = &entry{c: container.Container{ID: strconv.Itoa(i), AppArmorProfile: "docker-default"}, found: true, complete: true}
	}
	for b.Loop() {
		if c := tracker.Find(container.Subject{PID: nobody, Time: time.Now(), Label: "web"}); c.ID != "" {
			b.Fatal(c)
		}
	}
}

// This process is found by /proc alone, without any privilege.
func TestWatchProc(t *testing.T) {
	tracker, err := watch(context.Background(), nil, TierProc)
	if err != nil {
		t.Skip(err) // in a container
	}
	tier, why := tracker.Tier()
	assert.Equal(t, TierProc, tier)
	assert.Empty(t, why)
	c := tracker.Find(container.Subject{PID: os.Getpid(), Time: time.Now().Add(time.Second)})
	assert.Contains(t, c.Evidence[0], "the cgroup of process "+strconv.Itoa(os.Getpid())+" is /")
	started := time.Now().Add(-sinceBoot(time.Now()))
	c = tracker.Find(container.Subject{PID: os.Getpid(), Time: started.Add(time.Second)})
	assert.Contains(t, c.Evidence[0], "another has its ID now")
	c = tracker.Find(container.Subject{PID: os.Getpid(), Time: started.Add(-time.Hour)})
	assert.Contains(t, c.Evidence[0], "had ended before this host was started")
	assert.NoError(t, tracker.Close())
}

func TestReadProcess(t *testing.T) {
	r, ok := readProcess(os.Getpid())
	require.True(t, ok)
	comm, err := os.ReadFile("/proc/self/comm")
	require.NoError(t, err)
	assert.Equal(t, strings.TrimSpace(string(comm)), r.comm)
	assert.Less(t, r.start, r.at)
	assert.NotEmpty(t, r.member.cgroups)
	assert.Contains(t, listProcesses(), os.Getpid())
	_, ok = readProcess(nobody)
	assert.False(t, ok)
}

func TestParseStat(t *testing.T) {
	const rest = " S 1 10 10 0 -1 4194560 100 0 0 0 1 2 0 0 20 0 1 0 5132 1000 200 18446744073709551615\n"
	for name, test := range map[string]struct {
		text, comm string
		ending, ok bool
	}{
		"plain":         {"10 (sh)" + rest, "sh", false, true},
		"hostile name":  {"10 (a) S 1 (b))" + rest, "a) S 1 (b)", false, true},
		"ending":        {"10 (sh)" + strings.Replace(rest, "4194560", "4194564", 1), "sh", true, true},
		"torn":          {"10 (sh) S 1", "", false, false},
		"no name":       {"10 sh S", "", false, false},
		"not a number":  {"10 (sh)" + strings.Replace(rest, "5132", "x", 1), "", false, false},
		"brackets torn": {")(", "", false, false},
		"empty":         {"", "", false, false},
	} {
		comm, start, ending, ok := parseStat(test.text)
		assert.Equal(t, test.ok, ok, name)
		assert.Equal(t, test.comm, comm, name)
		assert.Equal(t, test.ending, ending, name)
		if ok {
			assert.Equal(t, 51320*ms, start, name)
		}
	}
}

// connectorMessages are what a process with a thread makes, in the form of
// linux/cn_proc.h and linux/connector.h on a little-endian machine: fork, exec and
// exit.
func connectorMessages(t testing.TB) []byte {
	one := func(body string) string {
		return "4c000000" + "0300" + "0000" + "00000000" + "00000000" + // nlmsghdr
			"01000000" + "01000000" + "07000000" + "00000000" + "2800" + "0000" + body // cn_msg
	}
	text := one("0100000000000000"+"00ca9a3b00000000"+"0a0000000a0000001400000014000000"+"0000000000000000") +
		one("0100000000000000"+"01ca9a3b00000000"+"0a0000000a0000001500000014000000"+"0000000000000000") +
		one("0200000001000000"+"02ca9a3b00000000"+"1400000014000000"+"00000000000000000000000000000000") +
		one("0000008001000000"+"03ca9a3b00000000"+"150000001400000000000000000000000a0000000a000000") +
		one("0000008001000000"+"04ca9a3b00000000"+"1400000014000000000000001100000"+"00a0000000a000000")
	raw, err := hex.DecodeString(text)
	require.NoError(t, err)
	require.Equal(t, uint32(76), binary.NativeEndian.Uint32(raw))
	return raw
}

func TestDecodeConnector(t *testing.T) {
	raw := connectorMessages(t)
	assert.Equal(t, []event{
		{kind: forked, pid: 20, parent: 10, at: time.Second, inherits: true},
		{kind: executed, pid: 20, at: time.Second + 2},
		{kind: exited, pid: 20, at: time.Second + 4},
	}, decodeConnector(raw))
	_, ok := acknowledged(raw)
	assert.False(t, ok)
	copy(raw[36:], make([]byte, 4)) // of no kind
	raw[52] = byte(unix.EPERM)
	errno, ok := acknowledged(raw)
	assert.True(t, ok)
	assert.Equal(t, unix.EPERM, errno)
	for n := range raw {
		decodeConnector(raw[:n])
	}
}

func TestDecodeBPF(t *testing.T) {
	encode := func(kind eventKind, other, same uint32, text string) []byte {
		raw, at := make([]byte, smallSize), offComm
		if kind == moved {
			raw, at = make([]byte, moveSize), offPath
			binary.NativeEndian.PutUint64(raw[offID:], 9)
		}
		binary.NativeEndian.PutUint32(raw[offKind:], uint32(kind))
		binary.NativeEndian.PutUint32(raw[offPID:], 20)
		binary.NativeEndian.PutUint64(raw[offTime:], 7)
		binary.NativeEndian.PutUint32(raw[offOther:], other)
		binary.NativeEndian.PutUint32(raw[offSame:], same)
		copy(raw[at:], text)
		return raw
	}
	long := strings.Repeat("a", pathSize)
	for _, test := range []struct {
		raw  []byte
		want event
	}{
		{encode(forked, 10, 1, "sh"), event{kind: forked, parent: 10, inherits: true, exact: true}},
		{encode(forked, 10, 0, "sh"), event{kind: forked, parent: 10, exact: true}},
		{encode(executed, 0, 0, "runc"), event{kind: executed, comm: "runc"}},
		{encode(exited, 0, 0, "runc"), event{kind: exited, exact: true}},
		{encode(moved, 3, 0, "/docker/a"), event{kind: moved, hierarchy: 3, id: 9, path: "/docker/a"}},
		{encode(moved, 3, 0, long), event{kind: moved, hierarchy: 3, id: 9, path: long}},
	} {
		test.want.pid, test.want.at = 20, 7
		got, ok := decodeBPF(test.raw)
		assert.True(t, ok)
		assert.Equal(t, test.want, got)
	}
	for n := range smallSize {
		_, ok := decodeBPF(make([]byte, n))
		assert.False(t, ok)
	}
	_, ok := decodeBPF(make([]byte, smallSize))
	assert.False(t, ok, "of no kind")
}

func writeFile(t *testing.T, name, text string) {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Dir(name), 0o755))
	require.NoError(t, os.WriteFile(name, []byte(text), 0o600))
}

// Where every start of a process is told, one that is not known has ended: a record of it costs no
// look into /proc. Where starts may be missed, it is looked for.
func TestUnknownProcessHasEnded(t *testing.T) {
	self := container.Subject{PID: os.Getpid(), Time: time.Now().Add(time.Second)}
	for tier, want := range map[string]string{TierBPF: "had ended before it was seen", TierConnector: "(read from /proc after the record)"} {
		tracker, _ := follow(t, tier)
		assert.Contains(t, tracker.Find(self).Evidence[0], want, tier)
	}
}
