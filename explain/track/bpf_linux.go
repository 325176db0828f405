package track

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
	"github.com/cilium/ebpf/ringbuf"

	"github.com/whydenied/whydenied/parser/bpf"
)

// What the programs write into the ring: a header of 40 bytes, in the order of
// bytes of the machine; a move has the ID and the path of the cgroup in place of comm.
const (
	offKind   = 0  // uint32
	offPID    = 4  // uint32
	offTime   = 8  // uint64, nanoseconds since boot
	offOther  = 16 // uint32: the parent of a fork, the hierarchy of a move
	offSame   = 20 // uint32: 1 if the child of a fork has its parent's cgroups
	offComm   = 24 // 16 bytes
	smallSize = 40
	offID     = 24 // uint64
	offPath   = 32
	pathSize  = 1024 // TRACE_CGROUP_PATH_LEN of kernel/cgroup/cgroup-internal.h
	moveSize  = offPath + pathSize
)

// ringSize holds some 90,000 small events until they are read.
const ringSize = 4 << 20

// A bpfFeed is four programs on raw tracepoints that write what processes do
// into a ring: fork, exec and exit of processes, and their moves from cgroup to
// cgroup with the path, which holds for cgroup v1, v2 and both together.
type bpfFeed struct {
	ring     *ebpf.Map
	dropped  *ebpf.Map // one counter: events for which the ring had no room
	programs []*ebpf.Program
	links    []link.Link
	reader   *ringbuf.Reader
	record   ringbuf.Record
	lost     uint64
}

// openBPF loads and attaches the programs. It needs Linux 5.8 with BTF, and
// CAP_BPF and CAP_PERFMON.
func openBPF() (feed, error) {
	offsets, err := taskOffsets()
	if err != nil {
		return nil, err
	}
	f := &bpfFeed{}
	if err := f.open(offsets); err != nil {
		f.close()
		if errors.Is(err, os.ErrPermission) {
			err = errors.New("not permitted: it needs CAP_BPF and CAP_PERFMON")
		}
		return nil, err
	}
	return f, nil
}

func (f *bpfFeed) open(offsets offsets) (err error) {
	if f.ring, f.reader, err = bpf.NewRing("whydenied_ring", ringSize); err != nil {
		return err
	}
	f.reader.SetDeadline(time.Unix(1, 0)) // drain never waits
	if f.dropped, err = bpf.NewCounters("whydenied_lost", 1); err != nil {
		return err
	}
	for _, p := range []struct {
		tracepoint   string
		instructions asm.Instructions
	}{
		// Moves first: a process that is not known yet is read from /proc.
		{"cgroup_attach_task", f.onMove(offsets)},
		{"sched_process_exit", f.onExit(offsets)},
		{"sched_process_exec", f.onExec()},
		{"sched_process_fork", f.onFork(offsets)},
	} {
		program, attached, err := bpf.Attach(p.tracepoint, p.instructions)
		if err != nil {
			return err
		}
		f.programs, f.links = append(f.programs, program), append(f.links, attached)
	}
	return nil
}

func (f *bpfFeed) close() {
	for _, l := range f.links {
		l.Close()
	}
	for _, p := range f.programs {
		p.Close()
	}
	if f.reader != nil {
		f.reader.Close()
	}
	f.ring.Close()
	f.dropped.Close()
}

func (f *bpfFeed) fd() int { return f.ring.FD() }

// drain hands over what the ring holds, in the order in which it happened, and
// reports whether events are missing among it.
func (f *bpfFeed) drain(apply func(event)) (lost bool, err error) {
	read := false
	for f.reader.AvailableBytes() > 0 {
		err := f.reader.ReadInto(&f.record)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			break
		}
		if err != nil {
			return false, fmt.Errorf("cannot read the ring buffer: %w", err)
		}
		read = true
		if e, ok := decodeBPF(f.record.RawSample); ok {
			apply(e)
		}
	}
	if !read {
		return false, nil
	}
	missing, err := f.missing()
	if err != nil {
		return false, err
	}
	lost, f.lost = missing != f.lost, missing
	return lost, nil
}

// missing returns how many events are missing so far: those for which the ring had no room, and
// those at which a program did not run, as it was interrupted by another process on the same
// processor: Linux 7.2 lets that happen (__bpf_trace_run() in kernel/trace/bpf_trace.c).
func (f *bpfFeed) missing() (n uint64, err error) {
	if err := f.dropped.Lookup(uint32(0), &n); err != nil {
		return 0, fmt.Errorf("cannot read the counter of lost events: %w", err)
	}
	for _, p := range f.programs {
		stats, err := p.Stats()
		if err != nil {
			return 0, fmt.Errorf("cannot read how often a program did not run: %w", err)
		}
		n += stats.RecursionMisses
	}
	return n, nil
}

// decodeBPF reads one event of the ring.
func decodeBPF(raw []byte) (event, bool) {
	if len(raw) < smallSize {
		return event{}, false
	}
	e := event{
		kind: eventKind(binary.NativeEndian.Uint32(raw[offKind:])),
		pid:  int(binary.NativeEndian.Uint32(raw[offPID:])),
		at:   time.Duration(binary.NativeEndian.Uint64(raw[offTime:])),
	}
	other := int(binary.NativeEndian.Uint32(raw[offOther:]))
	text, _, _ := strings.Cut(string(raw[offComm:]), "\x00")
	switch e.kind {
	case forked:
		e.parent, e.inherits, e.exact = other, binary.NativeEndian.Uint32(raw[offSame:]) == 1, true
	case executed:
		e.comm = text
	case exited:
		e.exact = true
	case moved:
		e.hierarchy, e.id = other, binary.NativeEndian.Uint64(raw[offID:])
		e.path, _, _ = strings.Cut(string(raw[offPath:]), "\x00")
	default:
		return event{}, false
	}
	return e, true
}

// offsets are those of the members of the kernel's structures, in bytes.
type offsets struct {
	pid, tgid, startBoottime, signal, cgroups int // struct task_struct
	live                                      int // struct signal_struct
	root, kn                                  int // struct cgroup
	id                                        int // struct kernfs_node
	hierarchyID                               int // struct cgroup_root
}

// taskOffsets looks them up in the type information of the running kernel.
func taskOffsets() (o offsets, err error) {
	types, err := bpf.KernelTypes()
	if err != nil {
		return o, err
	}
	for _, want := range []struct {
		structure, member string
		to                *int
	}{
		{"task_struct", "pid", &o.pid}, {"task_struct", "tgid", &o.tgid}, {"task_struct", "start_boottime", &o.startBoottime},
		{"task_struct", "signal", &o.signal}, {"task_struct", "cgroups", &o.cgroups}, {"signal_struct", "live", &o.live},
		{"cgroup", "root", &o.root}, {"cgroup", "kn", &o.kn}, {"kernfs_node", "id", &o.id}, {"cgroup_root", "hierarchy_id", &o.hierarchyID},
	} {
		if *want.to, err = bpf.OffsetOf(types, want.structure, want.member); err != nil {
			return o, err
		}
	}
	return o, nil
}

// The programs keep a small event on their stack at fp-40, and scratch below it.
const (
	eventAt  = -smallSize
	scratchA = -48
	scratchB = -56
)

// onFork is for sched_process_fork(parent, child), which the kernel passes
// before the child runs. The child's css_set is its parent's, unless it was
// cloned into a cgroup.
func (f *bpfFeed) onFork(o offsets) asm.Instructions {
	return slices.Concat(
		asm.Instructions{
			asm.LoadMem(asm.R6, asm.R1, 0, asm.DWord),
			asm.LoadMem(asm.R7, asm.R1, 8, asm.DWord),
		},
		skipThread(asm.R7, o),
		readKernel(eventAt+offTime, 8, asm.R7, o.startBoottime),
		readKernel(scratchA, 8, asm.R6, o.cgroups),
		readKernel(scratchB, 8, asm.R7, o.cgroups),
		asm.Instructions{
			asm.LoadMem(asm.R1, asm.RFP, scratchA, asm.DWord),
			asm.LoadMem(asm.R2, asm.RFP, scratchB, asm.DWord),
			asm.Mov.Imm(asm.R3, 1),
			asm.JEq.Reg(asm.R1, asm.R2, "same"),
			asm.Mov.Imm(asm.R3, 0),
			asm.StoreMem(asm.RFP, eventAt+offSame, asm.R3, asm.Word).WithSymbol("same"),
		},
		readKernel(eventAt+offOther, 4, asm.R6, o.tgid),
		f.emit(forked),
	)
}

// onExec is for sched_process_exec, passed by the process itself.
func (f *bpfFeed) onExec() asm.Instructions {
	return slices.Concat(
		asm.Instructions{
			asm.FnGetCurrentPidTgid.Call(),
			asm.RSh.Imm(asm.R0, 32),
			asm.StoreMem(asm.RFP, eventAt+offPID, asm.R0, asm.Word),
		},
		now(),
		f.emit(executed),
	)
}

// onExit is for sched_process_exit(task): the last thread to go is the end of
// the process, and only then can its ID be another's.
func (f *bpfFeed) onExit(o offsets) asm.Instructions {
	return slices.Concat(
		asm.Instructions{asm.LoadMem(asm.R6, asm.R1, 0, asm.DWord)},
		readKernel(scratchA, 8, asm.R6, o.signal),
		asm.Instructions{asm.LoadMem(asm.R7, asm.RFP, scratchA, asm.DWord)},
		readKernel(scratchA, 4, asm.R7, o.live),
		asm.Instructions{
			asm.LoadMem(asm.R1, asm.RFP, scratchA, asm.Word),
			asm.JNE.Imm(asm.R1, 0, "out"),
		},
		readKernel(eventAt+offPID, 4, asm.R6, o.tgid),
		now(),
		f.emit(exited),
	)
}

// onMove is for cgroup_attach_task(cgroup, path, task, threadgroup).
func (f *bpfFeed) onMove(o offsets) asm.Instructions {
	return slices.Concat(
		asm.Instructions{
			asm.LoadMem(asm.R6, asm.R1, 0, asm.DWord),
			asm.LoadMem(asm.R8, asm.R1, 8, asm.DWord),
			asm.LoadMem(asm.R7, asm.R1, 16, asm.DWord),
		},
		skipThread(asm.R7, o),
		readKernel(scratchA, 8, asm.R6, o.kn),
		asm.Instructions{asm.LoadMem(asm.R9, asm.RFP, scratchA, asm.DWord)},
		readKernel(scratchB, 8, asm.R9, o.id),
		readKernel(scratchA, 8, asm.R6, o.root),
		asm.Instructions{asm.LoadMem(asm.R6, asm.RFP, scratchA, asm.DWord)},
		readKernel(scratchA, 4, asm.R6, o.hierarchyID),
		asm.Instructions{
			asm.LoadMapPtr(asm.R1, f.ring.FD()),
			asm.Mov.Imm(asm.R2, moveSize),
			asm.Mov.Imm(asm.R3, 0),
			asm.FnRingbufReserve.Call(),
			asm.Mov.Imm(asm.R2, 0), // the only counter
			asm.JEq.Imm(asm.R0, 0, "count"),
			asm.Mov.Reg(asm.R9, asm.R0),
			asm.StoreImm(asm.R9, offKind, int64(moved), asm.Word),
			asm.LoadMem(asm.R1, asm.RFP, eventAt+offPID, asm.Word),
			asm.StoreMem(asm.R9, offPID, asm.R1, asm.Word),
			asm.LoadMem(asm.R1, asm.RFP, scratchA, asm.Word),
			asm.StoreMem(asm.R9, offOther, asm.R1, asm.Word),
			asm.StoreImm(asm.R9, offSame, 0, asm.Word),
			asm.FnKtimeGetBootNs.Call(),
			asm.StoreMem(asm.R9, offTime, asm.R0, asm.DWord),
			asm.LoadMem(asm.R1, asm.RFP, scratchB, asm.DWord),
			asm.StoreMem(asm.R9, offID, asm.R1, asm.DWord),
			asm.StoreImm(asm.R9, offPath, 0, asm.Word), // if the path cannot be read, it is ""
			asm.Mov.Reg(asm.R1, asm.R9),
			asm.Add.Imm(asm.R1, offPath),
			asm.Mov.Imm(asm.R2, pathSize),
			asm.Mov.Reg(asm.R3, asm.R8),
			asm.FnProbeReadKernelStr.Call(),
			asm.Mov.Reg(asm.R1, asm.R9),
			asm.Mov.Imm(asm.R2, 0),
			asm.FnRingbufSubmit.Call(),
			asm.Ja.Label("out"),
		},
		bpf.Count(f.dropped, scratchA),
	)
}

// now dates the event on the stack, which says of nothing but its process.
func now() asm.Instructions {
	return asm.Instructions{
		asm.FnKtimeGetBootNs.Call(),
		asm.StoreMem(asm.RFP, eventAt+offTime, asm.R0, asm.DWord),
		asm.StoreImm(asm.RFP, eventAt+offOther, 0, asm.Word),
		asm.StoreImm(asm.RFP, eventAt+offSame, 0, asm.Word),
	}
}

// emit completes the event on the stack and writes it into the ring.
func (f *bpfFeed) emit(kind eventKind) asm.Instructions {
	return slices.Concat(
		asm.Instructions{
			asm.StoreImm(asm.RFP, eventAt+offKind, int64(kind), asm.Word),
			asm.Mov.Reg(asm.R1, asm.RFP),
			asm.Add.Imm(asm.R1, eventAt+offComm),
			asm.Mov.Imm(asm.R2, 16),
			asm.FnGetCurrentComm.Call(),
			asm.LoadMapPtr(asm.R1, f.ring.FD()),
			asm.Mov.Reg(asm.R2, asm.RFP),
			asm.Add.Imm(asm.R2, eventAt),
			asm.Mov.Imm(asm.R3, smallSize),
			asm.Mov.Imm(asm.R4, 0),
			asm.FnRingbufOutput.Call(),
			asm.JEq.Imm(asm.R0, 0, "out"),
			asm.Mov.Imm(asm.R2, 0), // the only counter
		},
		bpf.Count(f.dropped, scratchA),
	)
}

// skipThread ends a program for a task that is not the first thread of its
// process, and leaves the process ID in the event.
func skipThread(task asm.Register, o offsets) asm.Instructions {
	return slices.Concat(
		readKernel(eventAt+offPID, 4, task, o.tgid),
		readKernel(scratchA, 4, task, o.pid),
		asm.Instructions{
			asm.LoadMem(asm.R1, asm.RFP, eventAt+offPID, asm.Word),
			asm.LoadMem(asm.R2, asm.RFP, scratchA, asm.Word),
			asm.JNE.Reg(asm.R1, asm.R2, "out"),
		},
	)
}

// readKernel copies kernel memory to the stack; what cannot be read becomes zero.
func readKernel(to int32, size int32, base asm.Register, offset int) asm.Instructions {
	return asm.Instructions{
		asm.Mov.Reg(asm.R1, asm.RFP),
		asm.Add.Imm(asm.R1, to),
		asm.Mov.Imm(asm.R2, size),
		asm.Mov.Reg(asm.R3, base),
		asm.Add.Imm(asm.R3, int32(offset)),
		asm.FnProbeReadKernel.Call(),
	}
}
