package source

import (
	"slices"

	"github.com/cilium/ebpf/asm"

	"github.com/whydenied/whydenied/parser"
	"github.com/whydenied/whydenied/parser/bpf"
)

// cgroupKey is the size of what a cgroup is known by: its IDs in a hierarchy of version 2 and in one of version 1.
const cgroupKey = 16

// Where the programs keep things on their stack.
const (
	keyAt    = -cgroupKey
	wordAt   = keyAt - 4 // a counter's index, or an element's
	numberAt = wordAt - 4
)

const noExist = 1 // BPF_NOEXIST

// onEnter is for sys_enter(regs, number), which the kernel passes once filters let a call pass.
func (o *Observer) onEnter(places offsets, ways [2][]int) asm.Instructions {
	return slices.Concat(
		asm.Instructions{
			asm.LoadMem(asm.R8, asm.R1, 8, asm.DWord),
			asm.FnGetCurrentTaskBtf.Call(),
			asm.Mov.Reg(asm.R6, asm.R0),
			asm.Mov.Imm(asm.R9, int32(parser.Free)*passageSize),
			asm.LoadMem(asm.R1, asm.R6, int16(places.mode), asm.Word),
			asm.JNE.Imm(asm.R1, seccompFilter, "called"),
		},
		storageOf(o.tasks, countObserveBlind),
		asm.Instructions{
			asm.StoreImm(asm.R0, 0, taskInside, asm.Word),
			asm.Mov.Imm(asm.R9, int32(parser.Passed)*passageSize),
		},
		o.mark(places, ways),
		bpf.Count(o.counts, wordAt),
	)
}

// onExit is for sys_exit(regs, result): a task that comes out of two calls and went into one had the other
// answered by a filter. One that is being killed, or is under ptrace, is passed over, as in tracing.
func (o *Observer) onExit(places offsets, ways [2][]int) asm.Instructions {
	return slices.Concat(
		asm.Instructions{
			asm.Mov.Reg(asm.R7, asm.R1),
			asm.FnGetCurrentTaskBtf.Call(),
			asm.Mov.Reg(asm.R6, asm.R0),
			asm.LoadMem(asm.R1, asm.R6, int16(places.mode), asm.Word),
			asm.JNE.Imm(asm.R1, seccompFilter, "out"),
		},
		storageOf(o.tasks, countObserveBlind),
		asm.Instructions{
			asm.LoadMem(asm.R1, asm.R0, 0, asm.Word),
			asm.StoreImm(asm.R0, 0, taskOutside, asm.Word),
			asm.JNE.Imm(asm.R1, taskOutside, "out"),
			asm.LoadMem(asm.R1, asm.R6, int16(places.pending), asm.DWord),
			asm.And.Imm(asm.R1, signalKill),
			asm.JNE.Imm(asm.R1, 0, "out"),
			asm.LoadMem(asm.R1, asm.R6, int16(places.ptrace), asm.Word),
			asm.JNE.Imm(asm.R1, 0, "out"),
			asm.StoreImm(asm.RFP, numberAt, -1, asm.Word),
			asm.Mov.Reg(asm.R1, asm.RFP),
			asm.Add.Imm(asm.R1, numberAt),
			asm.Mov.Imm(asm.R2, 4), // an int, also where the register is wider
			asm.LoadMem(asm.R3, asm.R7, 0, asm.DWord),
			asm.Add.Imm(asm.R3, int32(places.regs.number)),
			asm.FnProbeReadKernel.Call(),
			asm.LoadMem(asm.R8, asm.RFP, numberAt, asm.Word),
			asm.LSh.Imm(asm.R8, 32),
			asm.ArSh.Imm(asm.R8, 32),
			asm.Mov.Imm(asm.R9, int32(parser.Answered)*passageSize),
		},
		o.mark(places, ways),
		bpf.Count(o.counts, wordAt),
	)
}

// mark sets, for the task in R6, the bit of the call in R8 in the bitmaps that begin at R9; it is at the label "called".
func (o *Observer) mark(places offsets, ways [2][]int) asm.Instructions {
	return slices.Concat(
		asm.Instructions{
			asm.JSLT.Imm(asm.R8, 0, "out").WithSymbol("called"), // no call, or one that a tracer took away
			asm.Mov.Imm(asm.R2, countObserveBeyond),
			asm.JGE.Imm(asm.R8, maxCall, "count"),
			asm.LoadMem(asm.R1, asm.R6, int16(places.compat), asm.Word),
			asm.And.Imm(asm.R1, places.compatBits),
			asm.JEq.Imm(asm.R1, 0, "native"),
			asm.Add.Imm(asm.R9, abiSize),
			asm.Mov.Reg(asm.R1, asm.R6).WithSymbol("native"),
		},
		cgroupOf(ways),
		o.lookup(),
		asm.Instructions{asm.JNE.Imm(asm.R0, 0, "known")},
		o.begin(),
		asm.Instructions{
			asm.Mov.Reg(asm.R1, asm.R8).WithSymbol("known"),
			asm.RSh.Imm(asm.R1, 6),
			asm.LSh.Imm(asm.R1, 3),
			asm.Add.Reg(asm.R1, asm.R9),
			asm.Add.Reg(asm.R0, asm.R1),
			asm.And.Imm(asm.R8, 63),
			asm.Mov.Imm(asm.R1, 1),
			asm.LSh.Reg(asm.R1, asm.R8),
			// Most calls were made before: nothing is written then.
			asm.LoadMem(asm.R2, asm.R0, observedBits, asm.DWord),
			asm.And.Reg(asm.R2, asm.R1),
			asm.JNE.Imm(asm.R2, 0, "out"),
			asm.OrAtomic.Mem(asm.R0, asm.R1, asm.DWord, observedBits),
			asm.Ja.Label("out"),
		},
	)
}

// cgroupOf puts what the cgroup of the task in R6 is known by on the stack.
func cgroupOf(ways [2][]int) (list asm.Instructions) {
	for i, way := range ways {
		at := int16(keyAt + 8*i)
		if way == nil {
			list = append(list, asm.Mov.Imm(asm.R1, 0), asm.StoreMem(asm.RFP, at, asm.R1, asm.DWord))
			continue
		}
		list = append(list, asm.Mov.Reg(asm.R1, asm.R6))
		for _, offset := range way {
			list = append(list, asm.LoadMem(asm.R1, asm.R1, int16(offset), asm.DWord))
		}
		list = append(list, asm.StoreMem(asm.RFP, at, asm.R1, asm.DWord))
	}
	return list
}

// lookup leaves what is kept of the cgroup behind R0, which is 0 if there is nothing yet.
func (o *Observer) lookup() asm.Instructions {
	return asm.Instructions{
		asm.LoadMapPtr(asm.R1, o.cgroups.FD()),
		asm.Mov.Reg(asm.R2, asm.RFP),
		asm.Add.Imm(asm.R2, keyAt),
		asm.FnMapLookupElem.Call(),
	}
}

// begin makes room for the cgroup and notes the process, which is there once its time is.
func (o *Observer) begin() asm.Instructions {
	return slices.Concat(
		asm.Instructions{
			asm.StoreImm(asm.RFP, wordAt, 0, asm.Word),
			asm.LoadMapPtr(asm.R1, o.empty.FD()),
			asm.Mov.Reg(asm.R2, asm.RFP),
			asm.Add.Imm(asm.R2, wordAt),
			asm.FnMapLookupElem.Call(),
			asm.JEq.Imm(asm.R0, 0, "out"), // never; the kernel wants it asked
			asm.Mov.Reg(asm.R3, asm.R0),
			asm.LoadMapPtr(asm.R1, o.cgroups.FD()),
			asm.Mov.Reg(asm.R2, asm.RFP),
			asm.Add.Imm(asm.R2, keyAt),
			asm.Mov.Imm(asm.R4, noExist), // where another task was faster
			asm.FnMapUpdateElem.Call(),
		},
		o.lookup(),
		asm.Instructions{
			asm.Mov.Imm(asm.R2, countObserveFull),
			asm.JEq.Imm(asm.R0, 0, "count"),
			asm.Mov.Reg(asm.R7, asm.R0),
			asm.FnGetCurrentPidTgid.Call(),
			asm.RSh.Imm(asm.R0, 32),
			asm.StoreMem(asm.R7, observedPID, asm.R0, asm.Word),
			asm.FnKtimeGetBootNs.Call(),
			asm.StoreMem(asm.R7, observedTime, asm.R0, asm.DWord),
			asm.Mov.Reg(asm.R0, asm.R7),
		},
	)
}
