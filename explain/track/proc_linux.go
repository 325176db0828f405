package track

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/whydenied/whydenied/parser/bpf"
)

// initialPIDNamespace is PROC_PID_INIT_INO of the kernel's linux/proc_ns.h.
const initialPIDNamespace = "pid:[4026531836]"

// canTrack says if PIDs here are those of log records.
func canTrack() error {
	namespace, err := os.Readlink("/proc/self/ns/pid")
	if err != nil {
		return fmt.Errorf("cannot tell the PID namespace: %w; mount /proc", err)
	}
	if namespace != initialPIDNamespace {
		return fmt.Errorf("this is %s, not the host's PID namespace, whose IDs log records have; run it on the host, or in a container with --pid=host", namespace)
	}
	return nil
}

// waitFor waits until a file has something to read, or a time has passed, and reports
// whether it has.
func waitFor(fd int, most time.Duration) bool {
	timeout := unix.NsecToTimespec(most.Nanoseconds())
	n, _ := unix.Ppoll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, &timeout, nil)
	return n > 0
}

// A waiter waits as waitFor does, by the runtime's own poller: for a thread that waits in the
// kernel, the runtime looks some 300 times a second whether it is back.
type waiter struct {
	file *os.File
	raw  syscall.RawConn // nil if the poller does not take the file
}

// newWaiter returns one for a file, of which it has a descriptor of its own.
func newWaiter(fd int) *waiter {
	w := &waiter{}
	own, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return w
	}
	_ = unix.SetNonblock(own, true) // else the poller does not take it
	w.file = os.NewFile(uintptr(own), "events")
	if w.file.SetReadDeadline(time.Time{}) == nil {
		w.raw, _ = w.file.SyscallConn()
	}
	return w
}

func (w *waiter) wait(fd int, most time.Duration) {
	if w.raw == nil {
		waitFor(fd, most)
		return
	}
	_ = w.file.SetReadDeadline(time.Now().Add(most))
	_ = w.raw.Read(func(own uintptr) bool { return waitFor(int(own), 0) })
}

func (w *waiter) close() { w.file.Close() }

// listProcesses returns the PIDs that there are.
func listProcesses() []int {
	var pids []int
	for _, name := range readNames("/proc", -1) {
		if pid, err := strconv.Atoi(name); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}

// readProcess reads a process that lives. All comes from one open directory,
// which stays that of the same process when its PID is another's.
func readProcess(pid int) (r reading, ok bool) {
	dir, err := unix.Open("/proc/"+strconv.Itoa(pid), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return r, false
	}
	defer unix.Close(dir)
	r = reading{pid: pid, at: sinceBoot(time.Now())}
	cgroups, err := readAt(dir, "cgroup")
	if err != nil {
		return r, false
	}
	// After the cgroups: of a process that is ending those of cgroup v1 are "/"
	// (proc_cgroup_show of kernel/cgroup/cgroup.c), and its flags say so.
	stat, err := readAt(dir, "stat")
	if err != nil {
		return r, false
	}
	comm, start, ending, ok := parseStat(string(stat))
	if !ok || ending {
		return r, false
	}
	r.comm, r.start = comm, start
	r.member = newMembership(parseCgroups(string(cgroups)))
	return r, len(r.member.cgroups) > 0
}

func readAt(dir int, name string) ([]byte, error) {
	fd, err := unix.Openat(dir, name, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	var text []byte
	for chunk := make([]byte, 4096); ; {
		n, err := unix.Read(fd, chunk)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return nil, err
		}
		if n == 0 || len(text) > 1<<16 {
			return text, nil
		}
		text = append(text, chunk[:n]...)
	}
}

// parseStat reads /proc/PID/stat (proc_pid_stat(5)): the name of the program, the
// start, and whether the process is ending (PF_EXITING of linux/sched.h). The
// name may have anything in it, brackets too.
func parseStat(text string) (comm string, start time.Duration, ending, ok bool) {
	open, closed := strings.IndexByte(text, '('), strings.LastIndexByte(text, ')')
	if open < 0 || closed < open {
		return "", 0, false, false
	}
	fields := strings.Fields(text[closed+1:]) // from the third on
	if len(fields) < 20 {
		return "", 0, false, false
	}
	flags, err := strconv.ParseUint(fields[6], 10, 64)
	ticks, err2 := strconv.ParseInt(fields[19], 10, 64)
	if err != nil || err2 != nil {
		return "", 0, false, false
	}
	const exiting = 0x4
	return text[open+1 : closed], time.Duration(ticks) * clockTick, flags&exiting != 0, true
}

// sinceBoot converts a time of the wall clock as it goes now.
func sinceBoot(t time.Time) time.Duration {
	now := time.Now()
	last := booted.Load()
	if last == nil || now.Sub(last.at) >= bootedFor {
		last = &bootClock{at: now, wall: now.Round(0).Add(-bpf.SinceBoot())}
		booted.Store(last)
	}
	return t.Round(0).Sub(last.wall)
}

// A bootClock is when the system was started by the wall clock as it was at a time. It is
// asked for each record, and the kernel only now and then.
type bootClock struct{ at, wall time.Time }

var booted atomic.Pointer[bootClock]

// bootedFor is how long a bootClock is used, after which the wall clock may have been set.
const bootedFor = 10 * time.Millisecond
