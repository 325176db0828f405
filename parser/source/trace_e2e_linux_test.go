//go:build e2e && (amd64 || arm64)

package source

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/whydenied/whydenied/parser"
	"github.com/whydenied/whydenied/testdata/e2e/kernel"
)

// callsComm is the program's name, by which its calls are told from those of the rest
// of the machine.
var callsComm = fmt.Sprintf("calls-%d", os.Getpid())

// calls builds the program whose calls are traced.
func calls(t testing.TB) string {
	if _, err := exec.LookPath("gcc"); err != nil {
		missing(t, "gcc")
	}
	program := filepath.Join(t.TempDir(), callsComm)
	out, err := exec.Command("gcc", "-O1", "-static", "-pthread", "-Wall", "-Werror", "-o", program, "testdata/trace/calls.c").CombinedOutput()
	require.NoError(t, err, "%s", out)
	return program
}

// ofCalls returns what was told of the program and all that comes of it.
func (w *watched) ofCalls(syscall uint32) (n int) {
	for _, x := range w.denials {
		if x.Subject.Comm == callsComm && x.Seccomp.Syscall == syscall {
			n++
		}
	}
	return n
}

// Everything but a filter's answer that comes out of a call failing, or without
// having gone in: each mode of the program makes many, and a known number of calls
// that the filter refuses with EPERM.
func TestTraceTellsFiltersAnswersAlone(t *testing.T) {
	program := calls(t)
	for _, test := range []struct {
		mode          string
		count, mknods int
		symlinks      int
		ptraced       int // least number of calls of processes under ptrace
	}{
		{mode: "restart", count: 200, mknods: 1},
		{mode: "children", count: 300, mknods: 600},
		{mode: "exec", count: 50, mknods: 50},
		{mode: "capability", count: 200},
		{mode: "interrupts", count: 2000},
		{mode: "dispatch", count: 1000},
		{mode: "ptrace", count: 200, ptraced: 199}, // the last is killed in it
		{mode: "tsync", mknods: 4},
		{mode: "notify", count: 30, symlinks: 10},
	} {
		t.Run(test.mode, func(t *testing.T) {
			if runtime.GOARCH == "arm64" {
				switch test.mode {
				case "dispatch":
					t.Skip("arm64 has no syscall user dispatch")
				case "children":
					test.mknods -= 50 // of those that clone makes itself, as a child's side of it passes no sys_exit
				case "ptrace":
					test.ptraced = 0 // what is taken away returns no error
				}
			}
			w := watch(t, openLive(t, "trace", Start{}))
			out, err := exec.Command(program, test.mode, strconv.Itoa(test.count)).CombinedOutput()
			require.NoError(t, err, "%s", out)
			w.end()
			told := map[[2]int]int{} // by system call and errno
			for _, x := range w.denials {
				if x.Subject.Comm == callsComm {
					told[[2]int{int(x.Seccomp.Syscall), x.Seccomp.Errno}]++
				}
			}
			want := map[[2]int]int{}
			if test.mknods > 0 {
				want[[2]int{unix.SYS_MKNODAT, int(unix.EPERM)}] = test.mknods
			}
			if test.symlinks > 0 {
				want[[2]int{unix.SYS_SYMLINKAT, int(unix.EACCES)}] = test.symlinks
			}
			assert.Equal(t, want, told)
			ptraced := 0
			for _, n := range w.notices {
				ptraced += n.Count
			}
			assert.GreaterOrEqual(t, ptraced, test.ptraced, "%v", w.notices)
			if test.ptraced == 0 {
				assert.Empty(t, w.notices)
			}
		})
	}
}

// The arguments, the errno and the architecture are those of the call, also of one
// that is made in the way of 32-bit programs.
func TestTraceArguments(t *testing.T) {
	program := calls(t)
	modes := []string{"args"}
	if kernel.I386(t) {
		modes = append(modes, "args32")
	}
	for _, mode := range modes {
		t.Run(mode, func(t *testing.T) { traceArguments(t, program, mode) })
	}
}

func traceArguments(t *testing.T, program, mode string) {
	w := watch(t, openLive(t, "trace", Start{}))
	began := time.Now()
	cmd := exec.Command(program, mode)
	require.NoError(t, cmd.Run())
	w.end()
	require.Equal(t, 1, w.of(cmd.Process.Pid))
	x := w.denials[slices.IndexFunc(w.denials, func(x parser.Denial) bool { return x.Subject.PID == cmd.Process.Pid })]
	assert.WithinRange(t, x.Time, began.Add(-2*time.Millisecond), time.Now())
	assert.Equal(t, callsComm, x.Subject.Comm)
	assert.Equal(t, os.Getuid(), x.Subject.UID)
	call := x.Seccomp
	assert.True(t, call.Traced)
	assert.Equal(t, 1, call.Errno)
	assert.EqualValues(t, 0x50000, call.Code)
	assert.NotZero(t, call.IP)
	if mode == "args32" {
		assert.True(t, call.Compat)
		assert.EqualValues(t, 0x40000003, call.Arch)
		assert.EqualValues(t, 39, call.Syscall)
		assert.Equal(t, []uint64{0x11111111, 0x22222222, 0x33333333, 0x44444444, 0x85555555, 0x66666666}, call.Args)
		return
	}
	assert.EqualValues(t, map[string]uint32{"amd64": unix.AUDIT_ARCH_X86_64, "arm64": unix.AUDIT_ARCH_AARCH64}[runtime.GOARCH], call.Arch)
	assert.EqualValues(t, unix.SYS_MKNODAT, call.Syscall)
	assert.Equal(t, []uint64{0x1122334455667788, 2, 3, 4, 5, 1<<64 - 1}, call.Args)
}

// Of the answers that a program sees, an errno, SIGSYS and the ENOSYS that there is
// no tracer are told; one that says success is no refusal.
func TestTraceAnswers(t *testing.T) {
	program := calls(t)
	w := watch(t, openLive(t, "trace", Start{}))
	cmd := exec.Command(program, "answers")
	require.NoError(t, cmd.Run())
	w.end()
	type answer struct {
		code  uint32
		errno int
		sig   int
	}
	got := map[uint32]answer{}
	for _, x := range w.denials {
		if x.Subject.PID == cmd.Process.Pid {
			got[x.Seccomp.Syscall] = answer{x.Seccomp.Code, x.Seccomp.Errno, x.Seccomp.Signal}
		}
	}
	assert.Equal(t, map[uint32]answer{
		unix.SYS_MKNODAT: {0x50000, int(unix.EPERM), 0},
		unix.SYS_SWAPON:  {0x30000, 0, 31},
		unix.SYS_ACCT:    {0x50000, int(unix.ENOSYS), 0},
	}, got)
}

// Calls that had begun when tracing did come out of nothing that was seen, and
// fail in every way: they are not told, and the tasks' next refusals are.
func TestTraceInFlight(t *testing.T) {
	program := calls(t)
	cmd := exec.Command(program, "inflight")
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	ready, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "ready\n", ready)
	w := watch(t, openLive(t, "trace", Start{}))
	_, err = in.Write([]byte("\n"))
	require.NoError(t, err)
	require.NoError(t, cmd.Wait())
	w.end()
	assert.Equal(t, 4, w.ofCalls(unix.SYS_MKNODAT))
	assert.Equal(t, 4, w.of(cmd.Process.Pid))
	assert.Empty(t, w.notices)
}

// Of eight threads that are refused as fast as they can, every refusal is told or
// counted as lost.
func TestTraceLossIsExact(t *testing.T) {
	program := calls(t)
	for _, count := range []int{2000, 40_000} {
		w := watch(t, openLive(t, "trace", Start{}))
		cmd := exec.Command(program, "threads", strconv.Itoa(count))
		require.NoError(t, cmd.Run())
		w.end()
		t.Logf("%d refusals: %d told, %d lost; notices %v", 8*count, w.of(cmd.Process.Pid), w.lost(), w.notices)
		assert.Equal(t, 8*count, w.of(cmd.Process.Pid)+w.lost())
	}
}

var busy = flag.Duration("trace.busy", 5*time.Second, "how long TestTraceBusy builds")

// Of programs that are built over and over, under a filter that refuses nothing
// which they do, and beside that without one, nothing is told.
func TestTraceBusy(t *testing.T) {
	program := calls(t)
	w := watch(t, openLive(t, "trace", Start{}))
	end := time.Now().Add(*busy)
	var builders sync.WaitGroup
	var builds, filtered atomic.Int64
	for _, prefix := range [][]string{nil, {program, "under"}} {
		builders.Go(func() {
			for time.Now().Before(end) {
				ctx, stop := context.WithDeadline(t.Context(), end)
				args := append(slices.Clone(prefix), "go", "build", "-a", "-o", filepath.Join(t.TempDir(), "built"), "../../cmd/whydenied")
				out, err := exec.CommandContext(ctx, args[0], args[1:]...).CombinedOutput()
				if ctx.Err() == nil {
					assert.NoError(t, err, "%s", out)
				}
				stop()
				builds.Add(1)
				if prefix != nil {
					filtered.Add(1)
				}
			}
		})
	}
	builders.Wait()
	w.end()
	t.Logf("%d builds, of which %d under a filter, the last two cut short, in %v", builds.Load(), filtered.Load(), *busy)
	for _, x := range w.denials {
		if slices.Contains([]string{callsComm, "go", "compile", "asm", "link", "pack", "buildid"}, x.Subject.Comm) {
			t.Errorf("told: %s[%d] %v", x.Subject.Comm, x.Subject.PID, x.Event.Records[0].Fields)
		}
	}
	assert.Empty(t, w.notices)
}

// What tracing costs a system call: a program makes a million of the cheapest ones,
// in turns without and with tracing, with a filter and without one. The best of
// each counts. -benchtime 5x is five turns.
func BenchmarkTrace(b *testing.B) {
	program := calls(b)
	for name, mode := range map[string]string{"unconfined": "bare", "filtered": "loop"} {
		b.Run(name, func(b *testing.B) {
			run := func() float64 {
				out, err := exec.Command(program, mode, "1000000").Output()
				require.NoError(b, err)
				ns, err := strconv.ParseFloat(strings.TrimSpace(string(out)), 64)
				require.NoError(b, err)
				return ns
			}
			without, with := math.Inf(1), math.Inf(1)
			for range b.N {
				without = min(without, run())
				w := watch(b, openLive(b, "trace", Start{}))
				with = min(with, run())
				w.end()
			}
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(without, "ns/call-without")
			b.ReportMetric(with, "ns/call-with")
			b.ReportMetric(with/without, "ratio")
		})
	}
}
