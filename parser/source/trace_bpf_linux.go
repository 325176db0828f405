package source

import (
	"slices"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"

	"github.com/whydenied/whydenied/parser/bpf"
)

// What is remembered of a task.
const (
	taskInside  = 1 // it went into a call
	taskOutside = 2 // it came out of one, and has gone into none since
	taskSeen    = 4 // and the first program saw it come out
)

// Where a program keeps a counter's index on its stack.
const scratch = -4

const (
	seccompFilter = 2             // SECCOMP_MODE_FILTER, linux/seccomp.h
	createStorage = 1             // BPF_LOCAL_STORAGE_GET_F_CREATE
	signalKill    = 1 << (9 - 1)  // SIGKILL in a sigset_t
	signalSys     = 1 << (31 - 1) // SIGSYS
	maxErrno      = 4095
)

// remembered ends a program for a task without a filter, and leaves the task in R6
// and what is remembered of it, at first 0, behind R0.
func (t *trace) remembered(o offsets) asm.Instructions {
	return slices.Concat(
		asm.Instructions{
			asm.FnGetCurrentTaskBtf.Call(),
			asm.Mov.Reg(asm.R6, asm.R0),
			asm.LoadMem(asm.R1, asm.R6, int16(o.mode), asm.Word),
			asm.JNE.Imm(asm.R1, seccompFilter, "out"),
		},
		storageOf(t.tasks, countBlind),
	)
}

// storageOf leaves what is remembered of the task in R6, at first 0, behind R0. Without room for it
// the program counts that and ends.
func storageOf(tasks *ebpf.Map, blind int32) asm.Instructions {
	return asm.Instructions{
		asm.LoadMapPtr(asm.R1, tasks.FD()),
		asm.Mov.Reg(asm.R2, asm.R6),
		asm.Mov.Imm(asm.R3, 0),
		asm.Mov.Imm(asm.R4, createStorage),
		asm.FnTaskStorageGet.Call(),
		asm.Mov.Imm(asm.R2, blind),
		asm.JEq.Imm(asm.R0, 0, "count"),
	}
}

// onEnter is for sys_enter(regs, number).
func (t *trace) onEnter(o offsets) asm.Instructions {
	return slices.Concat(
		t.remembered(o),
		asm.Instructions{
			asm.StoreImm(asm.R0, 0, taskInside, asm.Word),
			asm.Ja.Label("out"),
		},
		bpf.Count(t.counts, scratch),
	)
}

// onExit is for sys_exit(regs, result). The task is about to return to its program;
// signals have not been delivered yet.
func (t *trace) onExit(o offsets) asm.Instructions {
	return slices.Concat(
		asm.Instructions{asm.Mov.Reg(asm.R7, asm.R1)},
		t.remembered(o),
		asm.Instructions{
			asm.LoadMem(asm.R1, asm.R0, 0, asm.Word),
			asm.StoreImm(asm.R0, 0, taskOutside|taskSeen, asm.Word),
			asm.And.Imm(asm.R1, taskInside|taskOutside),
			asm.JNE.Imm(asm.R1, taskOutside, "out"),
		},
		t.answered(o),
		bpf.Count(t.counts, scratch),
	)
}

// onExitAgain is for sys_exit after onExit, where that may not have run.
func (t *trace) onExitAgain(o offsets) asm.Instructions {
	return slices.Concat(
		asm.Instructions{asm.Mov.Reg(asm.R7, asm.R1)},
		t.remembered(o),
		asm.Instructions{
			asm.LoadMem(asm.R1, asm.R0, 0, asm.Word),
			asm.StoreImm(asm.R0, 0, taskOutside, asm.Word),
			asm.JNE.Imm(asm.R1, taskOutside, "out"), // of what onExit has seen as well
		},
		t.answered(o),
		bpf.Count(t.counts, scratch),
	)
}

// answered tells of a call that a filter answered: an error, or SIGSYS. Of a task
// that is being killed it tells nothing, as its program sees no answer: what stops
// in ptrace at the time comes here with ENOSYS, whatever the filter. Nor does it of
// one under ptrace, as a tracer can answer calls itself (PTRACE_SYSEMU).
func (t *trace) answered(o offsets) asm.Instructions {
	return asm.Instructions{
		asm.LoadMem(asm.R9, asm.R7, 8, asm.DWord),
		asm.LoadMem(asm.R8, asm.R6, int16(o.compat), asm.Word),
		asm.And.Imm(asm.R8, o.compatBits),
		asm.JEq.Imm(asm.R8, 0, "wide"),
		// Older kernels of arm64 leave the upper half of a 32-bit program's empty.
		asm.LSh.Imm(asm.R9, 32),
		asm.ArSh.Imm(asm.R9, 32),
		asm.LoadMem(asm.R1, asm.R6, int16(o.pending), asm.DWord).WithSymbol("wide"),
		asm.Mov.Reg(asm.R2, asm.R1),
		asm.And.Imm(asm.R2, signalKill),
		asm.JNE.Imm(asm.R2, 0, "out"),
		asm.And.Imm(asm.R1, signalSys),
		asm.JNE.Imm(asm.R1, 0, "refused"),
		asm.JSGE.Imm(asm.R9, 0, "out"),
		asm.JSLT.Imm(asm.R9, -maxErrno, "out"),
		asm.LoadMem(asm.R3, asm.R6, int16(o.ptrace), asm.Word).WithSymbol("refused"),
		asm.Mov.Imm(asm.R2, countTraced),
		asm.JNE.Imm(asm.R3, 0, "count"),
		asm.StoreMem(asm.RFP, scratch, asm.R1, asm.Word),

		asm.LoadMapPtr(asm.R1, t.ring.FD()),
		asm.Mov.Imm(asm.R2, int32(callRegs+o.regsSize)),
		asm.Mov.Imm(asm.R3, 0),
		asm.FnRingbufReserve.Call(),
		asm.Mov.Imm(asm.R2, countFull),
		asm.JEq.Imm(asm.R0, 0, "count"),
		asm.Mov.Reg(asm.R6, asm.R0),
		asm.StoreMem(asm.R6, callResult, asm.R9, asm.DWord),
		asm.StoreMem(asm.R6, callCompat, asm.R8, asm.Word),
		asm.LoadMem(asm.R1, asm.RFP, scratch, asm.Word),
		asm.StoreMem(asm.R6, callTrap, asm.R1, asm.Word),
		asm.FnKtimeGetBootNs.Call(),
		asm.StoreMem(asm.R6, callTime, asm.R0, asm.DWord),
		asm.FnGetCurrentPidTgid.Call(),
		asm.RSh.Imm(asm.R0, 32),
		asm.StoreMem(asm.R6, callPID, asm.R0, asm.Word),
		asm.FnGetCurrentUidGid.Call(),
		asm.StoreMem(asm.R6, callUID, asm.R0, asm.Word),
		asm.Mov.Reg(asm.R1, asm.R6),
		asm.Add.Imm(asm.R1, callComm),
		asm.Mov.Imm(asm.R2, callRegs-callComm),
		asm.FnGetCurrentComm.Call(),
		asm.Mov.Reg(asm.R1, asm.R6),
		asm.Add.Imm(asm.R1, callRegs),
		asm.Mov.Imm(asm.R2, int32(o.regsSize)),
		asm.LoadMem(asm.R3, asm.R7, 0, asm.DWord),
		asm.FnProbeReadKernel.Call(),
		asm.Mov.Reg(asm.R1, asm.R6),
		asm.Mov.Imm(asm.R2, 0),
		asm.FnRingbufSubmit.Call(),
		asm.Ja.Label("out"),
	}
}
