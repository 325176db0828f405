//go:build e2e

package source

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
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
	"golang.org/x/sys/unix"

	"github.com/whydenied/whydenied/parser"
	"github.com/whydenied/whydenied/testdata/e2e/kernel"
)

// missing skips a test for want of something, or fails it.
var missing = kernel.Missing

// TestMain is also the program whose system calls are logged.
func TestMain(m *testing.M) {
	kernel.Main()
	os.Exit(m.Run())
}

// logged starts a program that makes n logged calls.
func logged(t testing.TB, n int, pause time.Duration) *exec.Cmd {
	return kernel.Logged{Calls: n, Pause: pause}.Start(t)
}

func openLive(t testing.TB, name string, from Start) *Live {
	kernel.Alone(t)
	l, err := Open(name, from)
	if err != nil {
		missing(t, "permission to read live records: %v", err)
	}
	return l
}

// serials returns those of the denials of a process, repeats too, in their order.
func (w *watched) serials(pid int) []uint32 {
	var serials []uint32
	for _, x := range w.denials {
		if x.Subject.PID == pid {
			serials = append(serials, x.Event.Records[0].Serial)
		}
	}
	for _, r := range w.repeats {
		if r.PID == pid {
			serials = append(serials, r.Serial)
		}
	}
	return serials
}

// of counts the denials of a process.
func (w *watched) of(pid int) int { return len(w.serials(pid)) }

func (w *watched) lost() int {
	n := 0
	for _, notice := range w.notices {
		if notice.Kind == Lost {
			n += notice.Count
		}
	}
	return n
}

func TestAuditNetlink(t *testing.T) {
	l := openLive(t, "audit", Start{})
	w := watch(t, l)
	cmd := logged(t, 3, 0)
	pid := cmd.Process.Pid
	w.until("three records", func() bool { return w.of(pid) >= 3 })
	require.NoError(t, cmd.Wait())
	w.end()
	assert.Equal(t, 3, w.of(pid))
	assert.Zero(t, w.lost())
	for _, x := range w.denials {
		if x.Subject.PID == pid {
			require.NotNil(t, x.Seccomp)
			assert.EqualValues(t, unix.SYS_GETPPID, x.Seccomp.Syscall)
			assert.EqualValues(t, 0x7ffc0000, x.Seccomp.Code)
			assert.NotZero(t, x.Event.Records[0].Serial)
			assert.WithinDuration(t, time.Now(), x.Time, time.Minute)
		}
	}
	assert.ErrorIs(t, w.err, context.Canceled)
}

// This process becomes the audit daemon, loses nothing of a flood, as the kernel
// waits for it, and gives the place back at its end.
func TestAuditUnicast(t *testing.T) {
	if pid := auditd(); pid != 0 {
		missing(t, "a kernel without auditd, which runs as process %d", pid)
	}
	kernel.OpenAudit(t).Nudge(t)
	require.Zero(t, kernel.Status(t).PID)
	l := openLive(t, "audit-unicast", Start{})
	before := kernel.Status(t) // without a daemon, what others log is lost once what is held for one is full
	assert.EqualValues(t, os.Getpid(), before.PID)
	_, err := Open("audit-unicast", Start{})
	assert.ErrorContains(t, err, "another process is the audit daemon; --source audit reads beside it")
	w := watch(t, l)
	beside := watch(t, openLive(t, "audit", Start{}))
	const calls = 30_000
	began := time.Now()
	pid := logged(t, calls, 0).Process.Pid
	w.until("all", func() bool { return len(w.denials)+len(w.repeats) >= calls && w.of(pid) == calls })
	t.Logf("%.0f records/s", calls/time.Since(began).Seconds())
	assert.Equal(t, before.Lost, kernel.Status(t).Lost)
	w.end()
	assert.Zero(t, kernel.Status(t).PID)
	assert.Zero(t, w.lost())
	beside.until("all", func() bool { return len(beside.denials)+len(beside.repeats) >= calls && beside.of(pid) == calls })

	openLive(t, "audit-unicast", Start{}).Close()
	assert.Zero(t, kernel.Status(t).PID, "given back though it was not followed")
}

// Where the kernel gives the audit daemon up, as older ones do with one that is
// slow, its place is taken again, and that records may be missing is said.
func TestAuditUnicastGivenUp(t *testing.T) {
	l := openLive(t, "audit-unicast", Start{})
	w := watch(t, l)
	other, err := openNetlink(1<<16, 0)
	require.NoError(t, err)
	defer other.close()
	require.NoError(t, other.setDaemon(0))
	w.notice(Lost, "the kernel no longer took this process for the audit daemon")
	assert.EqualValues(t, os.Getpid(), kernel.Status(t).PID)
	pid := logged(t, 1, 0).Process.Pid
	w.until("a record", func() bool { return w.of(pid) == 1 })
	w.end()
	assert.Zero(t, kernel.Status(t).PID)
}

// A healthy auditd keeps its place.
func TestAuditUnicastBesideAuditd(t *testing.T) {
	startAuditd(t)
	_, err := Open("audit-unicast", Start{})
	assert.ErrorContains(t, err, fmt.Sprintf("auditd (process %d) is the audit daemon; --source audit reads beside it", auditd()))
	assert.EqualValues(t, auditd(), kernel.Status(t).PID)
}

// While nothing comes, the end of the context ends it at once.
func TestAuditNetlinkEnds(t *testing.T) {
	kernel.Measures(t)
	for _, name := range []string{"audit", "kmsg"} {
		w := watch(t, openLive(t, name, Start{}))
		time.Sleep(20 * time.Millisecond)
		began := time.Now()
		w.end()
		assert.Less(t, time.Since(began), 200*time.Millisecond, name)
	}
}

var serialInLine = regexp.MustCompile(`(?m)^type=\d+ msg=audit\([0-9.]+:(\d+)\): `)

// serials runs the netlink and returns the serials that it gave until the
// context ended, and how many events it said were lost.
func serials(ctx context.Context, n *netlink) (seen map[int]bool, lost int) {
	in := newIntake(ctx)
	go func() { in.end(n.run(ctx, in)) }()
	seen = map[int]bool{}
	f := follower{forms: parser.NewForms(true), in: in}
	for ended := false; !ended; {
		select {
		case <-in.ended:
			ended = true
		case <-time.After(5 * time.Millisecond):
		}
		var b Batch
		text, end, _ := f.take(time.Now(), true, &b)
		for _, m := range serialInLine.FindAllSubmatch(text[:end], -1) {
			serial, _ := strconv.Atoi(string(m[1]))
			seen[serial] = true
		}
		for _, notice := range b.Notices {
			lost += notice.Count
		}
	}
	n.close()
	return seen, lost
}

// With a receive buffer for a few records most of a flood is lost, and how much
// is told exactly: what a reader with a large buffer saw meanwhile is the truth.
func TestAuditNetlinkLossIsExact(t *testing.T) {
	kernel.Alone(t)
	small, err := openNetlink(1, 1)
	if err != nil {
		missing(t, "permission to read the audit netlink: %v", err)
	}
	large, err := openNetlink(receiveBuffer, 1)
	require.NoError(t, err)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var all map[int]bool
	done := make(chan struct{})
	go func() {
		all, _ = serials(ctx, large)
		close(done)
	}()
	go func() {
		defer stop()
		for range 3 { // the loss of each shows by the first records of the next
			cmd := logged(t, 5000, 0)
			cmd.Wait()
			time.Sleep(patience + time.Second)
		}
		logged(t, 1, 0).Wait()
		time.Sleep(patience + time.Second)
	}()
	seen, lost := serials(ctx, small)
	<-done
	first, last := math.MaxInt, 0
	for serial := range seen {
		first, last = min(first, serial), max(last, serial)
	}
	missed := 0
	for serial := range all {
		if serial >= first && serial <= last && !seen[serial] {
			missed++
		}
	}
	t.Logf("receive buffer of %d bytes: %d events seen, %d missed, %d told", small.size, len(seen), missed, lost)
	assert.Equal(t, missed, lost)
	assert.Greater(t, lost, 1000)
}

// Docker's containers can send audit messages, and must not forge others' records
// by a line end.
func TestAuditMessageOfSeveralLines(t *testing.T) {
	w := watch(t, openLive(t, "audit", Start{}))
	audit := kernel.OpenAudit(t)
	audit.Say(t, "op=x\n"+strings.ReplaceAll(avc(1), "/line/1", "/forged")+"\r"+avc(2))
	pid := logged(t, 1, 0).Process.Pid
	w.until("the record after it", func() bool { return w.of(pid) == 1 })
	for _, x := range w.denials {
		assert.Nil(t, x.AppArmor, "%+v", x)
	}
	assert.Positive(t, w.stats.Lines)
}

// What the ring buffer overwrites before it is read is counted.
func TestRingOverrun(t *testing.T) {
	l := openLive(t, "kmsg", Start{})
	const setting = "/proc/sys/kernel/printk_devkmsg"
	old, err := os.ReadFile(setting)
	require.NoError(t, err)
	if os.WriteFile(setting, []byte("on\n"), 0) != nil {
		missing(t, "permission to write %s", setting)
	}
	t.Cleanup(func() { os.WriteFile(setting, old, 0) })
	kmsg, err := os.OpenFile(kmsgPath, os.O_WRONLY, 0)
	if err != nil {
		missing(t, "permission to write the ring buffer: %v", err)
	}
	defer kmsg.Close()
	say := func(i int) {
		_, err := fmt.Fprintf(kmsg, "<15>whydenied-e2e: message %d %s\n", i, strings.Repeat("x", 900))
		require.NoError(t, err)
	}
	// One is read before the others overwrite it.
	const sizeBuffer = 10 // SYSLOG_ACTION_SIZE_BUFFER, syslog(2)
	size, err := unix.Klogctl(sizeBuffer, nil)
	require.NoError(t, err)
	messages := 2 * size / 900
	say(0)
	r := l.stream.(*ring)
	in := newIntake(t.Context())
	_, err = r.one(in)
	require.NoError(t, err)
	first := r.next
	for i := range messages {
		say(i + 1)
	}
	seen := 0
	for i := -1; i < messages; seen++ {
		record, err := r.one(in)
		require.NoError(t, err)
		if _, after, ok := bytes.Cut(record, []byte("whydenied-e2e: message ")); ok {
			number, _, _ := bytes.Cut(after, []byte(" "))
			i, _ = strconv.Atoi(string(number))
		}
	}
	lost := 0
	for _, n := range in.notices {
		lost += n.Count
	}
	t.Logf("%d messages seen, %d lost", seen, lost)
	assert.Positive(t, lost)
	assert.EqualValues(t, r.next-first, seen+lost)
	assert.GreaterOrEqual(t, seen+lost, messages)
}

// The kernel prints records to the ring buffer while no auditd runs.
func TestRing(t *testing.T) {
	if pid := auditd(); pid != 0 {
		missing(t, "a kernel without auditd, which runs as process %d", pid)
	}
	w := watch(t, openLive(t, "kmsg", Start{}))
	// printk lets ten through in five seconds, of anybody: ours are to be the first of
	// some, however much others log.
	pid := logged(t, 1_000_000, time.Millisecond).Process.Pid
	w.until("a record", func() bool { return w.of(pid) > 0 })
	for _, x := range w.denials {
		assert.Equal(t, parser.RingBuffer, x.Event.Records[0].Origin.Transport)
		assert.False(t, x.Event.Records[0].Origin.UserSpace)
	}
}

// startAuditd runs an auditd that rotates its log at each megabyte, until it is
// stopped or the test ends.
func startAuditd(t *testing.T) (log string, stop func()) {
	if pid := auditd(); pid != 0 {
		missing(t, "a kernel without auditd, which runs as process %d", pid)
	}
	daemon, err := exec.LookPath("auditd")
	if err != nil {
		missing(t, "auditd (Debian's auditd)")
	}
	dir := t.TempDir()
	log = filepath.Join(dir, "audit.log")
	require.NoError(t, os.Mkdir(filepath.Join(dir, "plugins"), 0o750))
	config := fmt.Sprintf("local_events = yes\nlog_file = %s\nlog_format = RAW\nflush = NONE\nmax_log_file = 1\nnum_logs = 50\nmax_log_file_action = ROTATE\nplugin_dir = %s/plugins\nspace_left = 2\nadmin_space_left = 1\n", log, dir)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "auditd.conf"), []byte(config), 0o640))
	kernel.OpenAudit(t) // auditd turns auditing on, and does not turn it off
	cmd := exec.Command(daemon, "-n", "-c", dir)
	require.NoError(t, cmd.Start())
	stop = func() {
		cmd.Process.Signal(syscall.SIGTERM)
		cmd.Wait()
	}
	t.Cleanup(stop)
	for range 1000 {
		if _, err := os.Stat(log); err == nil && auditd() == cmd.Process.Pid && int(kernel.Status(t).PID) == cmd.Process.Pid {
			return log, stop
		}
		time.Sleep(5 * time.Millisecond)
	}
	missing(t, "an auditd that starts")
	return "", nil
}

// auditd is started while its log and the ring buffer are followed, and rotates:
// its log has every record once, the audit netlink has them beside it, and the
// ring buffer's reader hears that it will have no more.
func TestAuditdRotates(t *testing.T) {
	ring := watch(t, openLive(t, "kmsg", Start{}))
	netlink := watch(t, openLive(t, "audit", Start{}))
	audit := kernel.OpenAudit(t)
	log, stop := startAuditd(t)
	file := watch(t, openLive(t, log, Start{}))
	const calls = 20_000
	before := kernel.Status(t).Lost
	cmd := logged(t, calls, 0)
	pid := cmd.Process.Pid
	require.NoError(t, cmd.Wait())
	later := logged(t, 100, 100*time.Millisecond).Process.Pid
	netlink.until("a later record", func() bool { return netlink.of(later) > 0 })
	// Without a CPU for kauditd the kernel drops some, of anybody, before anyone can
	// have them, and without one for their reader those that its socket has no room for.
	dropped := int(kernel.Status(t).Lost - before)
	ring.notice(Lost, "was started")
	// What is made after the records is written after them.
	for wrote := false; !wrote; {
		mark := audit.Mark(t)
		for end := time.Now().Add(time.Second); !wrote && time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
			wrote = bytes.Contains(readRotated(log), []byte(mark))
		}
	}
	stop() // and renames its files no more
	// The kernel drops records that auditd does not take for half a second, as on a
	// busy machine: what auditd wrote is the truth, and not what there was.
	written := serialsIn(readRotated(log), pid)
	file.until("all", func() bool { return file.of(pid) >= len(written) })
	file.end()
	netlink.end()
	rotated, err := filepath.Glob(log + ".*")
	require.NoError(t, err)
	t.Logf("%d records through %d rotations", file.of(pid), len(rotated))
	assert.Greater(t, len(rotated), 2)
	assert.GreaterOrEqual(t, netlink.of(pid)+dropped+netlink.lost(), calls, "what is missing is told")
	assert.Zero(t, file.lost())
	serials := map[uint32]bool{}
	for _, serial := range file.serials(pid) {
		serials[serial] = true
	}
	assert.True(t, maps.Equal(written, serials), "%d events read of %d written", len(serials), len(written))
	assert.Equal(t, len(written), file.of(pid), "each once")
	assert.Greater(t, len(written), calls*3/4)
}

// readRotated returns a log with the files that it was rotated to.
func readRotated(log string) (text []byte) {
	files, _ := filepath.Glob(log + "*")
	for _, file := range files {
		more, _ := os.ReadFile(file) // which may be renamed just now
		text = append(text, more...)
	}
	return text
}

// serialsIn returns the serials of a process's records in a log.
func serialsIn(log []byte, pid int) map[uint32]bool {
	found := map[uint32]bool{}
	record := regexp.MustCompile(fmt.Sprintf(`(?m)^type=SECCOMP msg=audit\([0-9.]+:(\d+)\): .* pid=%d `, pid))
	for _, m := range record.FindAllSubmatch(log, -1) {
		serial, _ := strconv.Atoi(string(m[1]))
		found[uint32(serial)] = true
	}
	return found
}

// After the source is open, it works without any capability, with cgo too.
func TestDropCapabilities(t *testing.T) {
	openLive(t, "audit", Start{}).Close()
	for _, cgo := range []string{"0", "1"} {
		t.Run("CGO_ENABLED="+cgo, func(t *testing.T) { testDropCapabilities(t, cgo) })
	}
}

func testDropCapabilities(t *testing.T, cgo string) {
	program := filepath.Join(t.TempDir(), "drop")
	build := exec.Command("go", "build", "-o", program, "./testdata/drop")
	build.Env = append(os.Environ(), "CGO_ENABLED="+cgo)
	out, err := build.CombinedOutput()
	require.NoError(t, err, "%s", out)
	comm := fmt.Sprint("dropped-", os.Getpid()) // nobody else's
	cmd := exec.Command(program, comm)
	cmd.Stderr = os.Stderr
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { cmd.Process.Kill() })
	stop := make(chan struct{})
	go func() {
		for {
			select {
			case <-stop:
				return
			case <-time.After(100 * time.Millisecond):
				kernel.Logged{Calls: 1, Comm: comm}.Start(t).Wait()
			}
		}
	}()
	var text bytes.Buffer
	_, err = text.ReadFrom(stdout)
	close(stop)
	require.NoError(t, err)
	require.NoError(t, cmd.Wait())
	t.Logf("\n%s", &text)
	ours := string(regexp.MustCompile(`(?m)^CapEff:\t(.*)$`).FindSubmatch(must(os.ReadFile("/proc/self/status")))[1])
	threads, child, again, denial := 0, "", "", ""
	for line := range strings.Lines(text.String()) {
		what, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch what {
		case "thread":
			threads++
			assert.Equal(t, "0000000000080000 0000000000080000", rest, "CAP_SYS_PTRACE alone")
		case "child":
			child = rest
		case "again":
			again = rest
		case "denial":
			denial = rest
		}
	}
	assert.Greater(t, threads, 12)
	assert.Equal(t, ours+" "+ours, child, "a program that root starts has its own")
	assert.Contains(t, again, "CAP_AUDIT_READ in the initial user namespace is needed")
	assert.Equal(t, comm, denial)
}

func must(text []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return text
}

// The audit netlink is the best, but for the past.
func TestChoice(t *testing.T) {
	l := openLive(t, "", Start{})
	l.Close()
	assert.Equal(t, "audit", l.Name)
	assert.Empty(t, l.Passed)
	l = openLive(t, "", Start{Last: 1})
	l.Close()
	assert.NotEqual(t, "audit", l.Name)
	assert.Contains(t, l.Passed[0], "audit netlink: it has no past")
	l = openLive(t, "audit", Start{Since: time.Now().Add(-time.Hour), OrNow: true})
	l.Close()
	assert.Equal(t, "audit", l.Name)
	assert.Contains(t, l.Passed[0], "what came while nobody read it is not known")
}

// From the record to the yielded denial, at 100 records/s.
func TestAuditNetlinkLatency(t *testing.T) {
	kernel.Measures(t)
	l := openLive(t, "audit", Start{})
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	const calls = 300
	pid := logged(t, calls, 10*time.Millisecond).Process.Pid
	var latencies []time.Duration
	for batch, err := range Follow(ctx, l) {
		now := time.Now()
		if errors.Is(err, context.Canceled) {
			break
		}
		require.NoError(t, err)
		for _, x := range batch.Denials {
			if x.Subject.PID == pid {
				latencies = append(latencies, now.Sub(x.Time)) // whose stamp is cut to a millisecond
			}
		}
		if len(latencies) >= calls-50 { // the first ones may have been before the socket
			stop()
		}
	}
	slices.Sort(latencies)
	median := latencies[len(latencies)/2]
	t.Logf("median %v, 99%% %v, most %v of %d", median, latencies[len(latencies)*99/100], latencies[len(latencies)-1], len(latencies))
	assert.Less(t, median, 10*time.Millisecond)
}

// Real records, made by two programs as fast as a filter can log, are read and
// parsed without loss.
func BenchmarkAuditNetlink(b *testing.B) {
	const calls = 100_000
	var lost int
	var spent time.Duration
	for b.Loop() {
		l := openLive(b, "audit", Start{})
		began := time.Now()
		ours := map[int]bool{}
		for range 2 {
			ours[logged(b, calls/2, 0).Process.Pid] = true
		}
		ctx, stop := context.WithTimeout(b.Context(), time.Minute)
		seen := 0
		for batch := range Follow(ctx, l) {
			for _, x := range batch.Denials {
				if ours[x.Subject.PID] {
					seen++
				}
			}
			for _, n := range batch.Notices {
				lost += max(n.Count, 1)
			}
			if seen == calls || lost > 0 {
				break
			}
		}
		stop()
		spent += time.Since(began)
	}
	b.ReportMetric(calls*float64(b.N)/spent.Seconds(), "records/s")
	b.ReportMetric(float64(lost), "lost")
}
