package source

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"
	"github.com/cilium/ebpf/link"
	"github.com/cilium/ebpf/ringbuf"
	"golang.org/x/sys/unix"

	"github.com/whydenied/whydenied/parser"
	"github.com/whydenied/whydenied/parser/bpf"
)

// A trace sees what seccomp filters answer, logged or not. The kernel asks the
// filters before it passes the tracepoint sys_enter (syscall_trace_enter of
// kernel/entry/common.c and of arch/arm64/kernel/ptrace.c, Linux 6.18), and passes sys_exit in any case. So a task that comes out of two calls
// and went into one had the other answered by a filter. A refusal by anything
// else, such as for want of a capability, has its sys_enter.
//
// What the programs remember is in the task itself (task storage), and only of
// tasks with a filter. A task of which nothing is remembered is never judged: one
// that was in a call when tracing began, a thread that is new and comes out of
// its parent's clone, one that has got its filter just now.
//
// The kernel does not run a program on a CPU on which it is running already, as it is where a task
// was preempted in it: that can be since tracepoints are passed under SRCU, Linux 7.0. So each
// tracepoint has two programs that do the same, of which one does nothing where the other has run: a
// task is preempted in one of them.
type trace struct {
	ring, tasks, counts *ebpf.Map
	enter, exit         [2]link.Link
	entering, leaving   [2]*ebpf.Program // asked for what the kernel did not run
	reader              *ringbuf.Reader
	regs                registers
	record              ringbuf.Record
	told                counts
}

// traceRing holds some 9,000 calls until they are read.
const traceRing = 2 << 20

// openTrace loads and attaches the programs. sys_enter comes first: a call whose
// sys_exit is seen for a task that is known has had its sys_enter seen, too.
func openTrace(from Start) (*Live, error) {
	if from.past() {
		return nil, errors.New("trace: what was refused before it was started is not known; leave out --since and --last")
	}
	t := &trace{}
	if err := t.open(); err != nil {
		t.close()
		if errors.Is(err, os.ErrPermission) {
			err = fmt.Errorf("not permitted; %s and %s are needed: run as root", BPF, Perfmon)
		}
		return nil, fmt.Errorf("trace: %w", err)
	}
	return &Live{
		Name: traceName, Taken: "system calls that seccomp filters answer, by tracing all of this host", from: from,
		Needs: []Capability{BPF}, stream: t,
	}, nil
}

func (t *trace) open() (err error) {
	places, err := traceOffsets()
	if err != nil {
		return err
	}
	t.regs = places.regs
	if t.ring, t.reader, err = bpf.NewRing("whydenied_calls", traceRing); err != nil {
		return err
	}
	if t.counts, err = bpf.NewCounters("whydenied_count", numCounts); err != nil {
		return err
	}
	if t.tasks, err = newTaskStorage(); err != nil {
		return err
	}
	for i := range t.enter {
		if t.entering[i], t.enter[i], err = bpf.Attach("sys_enter", t.onEnter(places)); err != nil {
			return err
		}
	}
	for i, instructions := range []asm.Instructions{t.onExit(places), t.onExitAgain(places)} {
		if t.leaving[i], t.exit[i], err = bpf.Attach("sys_exit", instructions); err != nil {
			return err
		}
	}
	return nil
}

// newTaskStorage returns room for what is remembered of tasks, in each task itself.
func newTaskStorage() (*ebpf.Map, error) {
	tasks, err := ebpf.NewMap(&ebpf.MapSpec{
		Name: "whydenied_tasks", Type: ebpf.TaskStorage, KeySize: 4, ValueSize: 4, Flags: unix.BPF_F_NO_PREALLOC,
		Key: &btf.Int{Name: "int", Size: 4, Encoding: btf.Signed}, Value: &btf.Int{Name: "unsigned int", Size: 4},
	})
	if err != nil {
		return nil, fmt.Errorf("cannot create a storage in tasks (Linux 5.13): %w", err)
	}
	return tasks, nil
}

// close ends what open started; sys_exit goes first, as it came last.
func (t *trace) close() {
	for _, l := range slices.Concat(t.exit[:], t.enter[:]) {
		if l != nil {
			l.Close()
		}
	}
	for _, p := range slices.Concat(t.leaving[:], t.entering[:]) {
		p.Close()
	}
	if t.reader != nil {
		t.reader.Close()
	}
	t.tasks.Close()
	t.ring.Close()
	t.counts.Close()
}

func (t *trace) run(ctx context.Context, in *intake) error {
	defer context.AfterFunc(ctx, func() { t.reader.Flush() })()
	for ctx.Err() == nil {
		t.reader.SetDeadline(time.Now().Add(patience))
		if _, err := t.round(in); err != nil {
			return err
		}
	}
	// What came before the end is told, and counted.
	for _, l := range t.exit {
		l.Close()
	}
	t.reader.SetDeadline(time.Unix(1, 0))
	for more := true; more; {
		var err error
		if more, err = t.round(in); err != nil {
			return err
		}
	}
	return nil
}

// round waits for calls, and hands over those that there are, but not all at once
// of very many: then there are more.
func (t *trace) round(in *intake) (more bool, err error) {
	var denials []parser.Denial
	for range maxDenials / 4 {
		err := t.reader.ReadInto(&t.record)
		if errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, ringbuf.ErrFlushed) {
			more = false
			break
		}
		if err != nil {
			return false, fmt.Errorf("cannot read the ring buffer: %w", err)
		}
		if c, ok := decodeCall(t.record.RawSample); ok {
			if d, ok := c.denial(t.regs, wallClock(c.at)); ok {
				denials = append(denials, d)
			}
		}
		if more = t.record.Remaining > 0; !more {
			break
		}
	}
	now, err := t.count()
	if err != nil {
		return false, err
	}
	// A call whose sys_enter was not seen for another reason would be taken for
	// one that was answered.
	if blind := now.blind - t.told.blind + both(now.entering, t.told.entering); blind > 0 {
		in.notice(Notice{Lost, len(denials), fmt.Sprintf("trace: %s of system calls not looked at by the kernel, as programs were running already; "+
			"%d answers of about that time are not told", times(int(blind)), len(denials))})
		denials = nil
	}
	if missed := both(now.leaving, t.told.leaving); missed > 0 {
		in.notice(Notice{Kind: Lost, Text: fmt.Sprintf("trace: the end of a system call not looked at by the kernel %s, as programs were running already: answers may be missing", times(int(missed)))})
	}
	if lost := int(now.full - t.told.full); lost > 0 {
		in.notice(Notice{Lost, lost, fmt.Sprintf("trace: %d answers of filters missing, as they came faster than they were read", lost)})
	}
	if traced := int(now.traced - t.told.traced); traced > 0 {
		in.notice(Notice{Lost, traced, fmt.Sprintf("trace: %d failed calls of processes under ptrace are not told: their tracers can answer calls like a filter", traced)})
	}
	t.told = now
	in.traced(denials)
	return more, nil
}

// counts are what the programs and the kernel count.
type counts struct {
	full              uint64    // answers for which the ring had no room
	traced            uint64    // answers to tasks under ptrace
	blind             uint64    // passes that a program could not remember
	entering, leaving [2]uint64 // passes at which each program did not run
}

// both returns the passes, since an earlier count, at which neither of two programs can have run: no
// more than each missed.
func both(now, before [2]uint64) uint64 { return min(now[0]-before[0], now[1]-before[1]) }

// The counters of the programs, by their index.
const (
	countFull = iota
	countTraced
	countBlind
	numCounts
)

func (t *trace) count() (c counts, err error) {
	for i, to := range []*uint64{countFull: &c.full, countTraced: &c.traced, countBlind: &c.blind} {
		if err := t.counts.Lookup(uint32(i), to); err != nil {
			return c, fmt.Errorf("cannot read the counters: %w", err)
		}
	}
	for i := range t.entering {
		if c.entering[i], err = misses(t.entering[i]); err != nil {
			return c, err
		}
		if c.leaving[i], err = misses(t.leaving[i]); err != nil {
			return c, err
		}
	}
	return c, nil
}

// misses returns how often a program did not run because it, or another, was running.
func misses(p *ebpf.Program) (uint64, error) {
	stats, err := p.Stats()
	if err != nil {
		return 0, fmt.Errorf("cannot read how often a program did not run: %w", err)
	}
	return stats.RecursionMisses, nil
}

// wallClock converts a time since boot, in whole milliseconds as the audit system
// stamps. It is never late: the clock of the wall is read first, so that a pause
// in between makes it early.
func wallClock(at time.Duration) time.Time {
	now := time.Now()
	return now.Add(at - bpf.SinceBoot()).UTC().Truncate(time.Millisecond)
}

// offsets are where the programs find what they need, in bytes.
type offsets struct {
	mode, ptrace, pending int // in struct task_struct
	compat                int
	compatBits            int32
	regsSize              int
	regs                  registers
}

// traceOffsets looks them up in the type information of the running kernel.
func traceOffsets() (o offsets, err error) {
	l, ok := layouts[runtime.GOARCH]
	if !ok {
		return o, fmt.Errorf("the registers of system calls are not known for %s", runtime.GOARCH)
	}
	types, err := bpf.KernelTypes()
	if err != nil {
		return o, err
	}
	for _, want := range []struct {
		member string
		to     *int
	}{
		{"seccomp.mode", &o.mode}, {"ptrace", &o.ptrace}, {"pending.signal", &o.pending}, {l.compatFlags, &o.compat},
	} {
		if *want.to, err = bpf.OffsetOf(types, "task_struct", want.member); err != nil {
			return o, err
		}
	}
	o.compatBits = l.compatBits
	var regs *btf.Struct
	if err := types.TypeByName("pt_regs", &regs); err != nil {
		return o, fmt.Errorf("cannot find struct pt_regs of the kernel: %w", err)
	}
	o.regsSize = int(regs.Size)
	o.regs, err = registersOf(l, func(member string) (int, error) { return bpf.OffsetOf(types, "pt_regs", member) })
	return o, err
}
