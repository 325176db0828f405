package bpf

import (
	"fmt"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
	"github.com/cilium/ebpf/ringbuf"
	"golang.org/x/sys/unix"
)

// Attach loads a program and attaches it to a raw tracepoint, of which its
// arguments are those. It runs until the link is closed, and needs CAP_BPF and
// CAP_PERFMON; both are to be closed.
func Attach(tracepoint string, instructions asm.Instructions) (*ebpf.Program, link.Link, error) {
	program, err := ebpf.NewProgram(&ebpf.ProgramSpec{Name: "whydenied", Type: ebpf.RawTracepoint, Instructions: instructions, License: "GPL"})
	if err != nil {
		return nil, nil, fmt.Errorf("cannot load a program for %s: %w", tracepoint, err)
	}
	attached, err := link.AttachRawTracepoint(link.RawTracepointOptions{Name: tracepoint, Program: program})
	if err != nil {
		program.Close()
		return nil, nil, fmt.Errorf("cannot attach to the raw tracepoint %s: %w", tracepoint, err)
	}
	return program, attached, nil
}

// NewRing returns a ring buffer of a size in bytes, a power of two, for programs to
// write into, and its reader; both are to be closed.
func NewRing(name string, size int) (*ebpf.Map, *ringbuf.Reader, error) {
	unlimited := unix.Rlimit{Cur: unix.RLIM_INFINITY, Max: unix.RLIM_INFINITY}
	_ = unix.Setrlimit(unix.RLIMIT_MEMLOCK, &unlimited) // needed before Linux 5.11 only; what fails then says so
	ring, err := ebpf.NewMap(&ebpf.MapSpec{Name: name, Type: ebpf.RingBuf, MaxEntries: uint32(size)})
	if err != nil {
		return nil, nil, fmt.Errorf("cannot create a ring buffer: %w", err)
	}
	reader, err := ringbuf.NewReader(ring)
	if err != nil {
		ring.Close()
		return nil, nil, fmt.Errorf("cannot read the ring buffer: %w", err)
	}
	return ring, reader, nil
}

// NewCounters returns n counters of 64 bits, at first 0, which programs add to by
// Count. The name has at most 15 bytes.
func NewCounters(name string, n int) (*ebpf.Map, error) {
	counters, err := ebpf.NewMap(&ebpf.MapSpec{Name: name, Type: ebpf.Array, KeySize: 4, ValueSize: 8, MaxEntries: uint32(n)})
	if err != nil {
		return nil, fmt.Errorf("cannot create counters: %w", err)
	}
	return counters, nil
}

// Count is the end of a program: at the label "count" it adds 1 to the counter
// whose index is in R2, at "out" it does nothing. It uses the 4 bytes of the stack
// at scratch.
func Count(counters *ebpf.Map, scratch int16) asm.Instructions {
	return asm.Instructions{
		asm.StoreMem(asm.RFP, scratch, asm.R2, asm.Word).WithSymbol("count"),
		asm.LoadMapPtr(asm.R1, counters.FD()),
		asm.Mov.Reg(asm.R2, asm.RFP),
		asm.Add.Imm(asm.R2, int32(scratch)),
		asm.FnMapLookupElem.Call(),
		asm.JEq.Imm(asm.R0, 0, "out"),
		asm.Mov.Imm(asm.R1, 1),
		asm.AddAtomic.Mem(asm.R0, asm.R1, asm.DWord, 0),
		asm.Mov.Imm(asm.R0, 0).WithSymbol("out"),
		asm.Return(),
	}
}

// SinceBoot returns the time since boot, with that of suspension: the clock of
// bpf_ktime_get_boot_ns().
func SinceBoot() time.Duration {
	var boot unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_BOOTTIME, &boot) // cannot fail with this clock
	return time.Duration(boot.Nano())
}
