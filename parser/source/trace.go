package source

import (
	"encoding/binary"
	"strconv"
	"strings"
	"time"

	"github.com/whydenied/whydenied/parser"
)

// A tracedCall is a system call that a seccomp filter answered, as the programs
// of trace_linux.go leave it: a header in the order of bytes of the machine, and
// the registers of the task as the kernel keeps them.
type tracedCall struct {
	pid, uid int
	at       time.Duration // since boot
	result   int64         // what the call returned
	compat   bool          // by a 32-bit program
	trap     bool          // SIGSYS is on its way to the task
	comm     string
	regs     []byte // struct pt_regs
}

// The header of a traced call.
const (
	callTime   = 0  // uint64, nanoseconds since boot
	callResult = 8  // int64
	callPID    = 16 // uint32
	callUID    = 20 // uint32
	callCompat = 24 // uint32, not 0 if it is set
	callTrap   = 28 // uint32, the same
	callComm   = 32 // 16 bytes
	callRegs   = 48
)

// decodeCall reads what the programs leave for one call.
func decodeCall(raw []byte) (c tracedCall, ok bool) {
	if len(raw) < callRegs {
		return c, false
	}
	comm, _, _ := strings.Cut(string(raw[callComm:callRegs]), "\x00")
	return tracedCall{
		at:     time.Duration(binary.NativeEndian.Uint64(raw[callTime:])),
		result: int64(binary.NativeEndian.Uint64(raw[callResult:])),
		pid:    int(binary.NativeEndian.Uint32(raw[callPID:])),
		uid:    int(binary.NativeEndian.Uint32(raw[callUID:])),
		compat: binary.NativeEndian.Uint32(raw[callCompat:]) != 0,
		trap:   binary.NativeEndian.Uint32(raw[callTrap:]) != 0,
		comm:   comm,
		regs:   raw[callRegs:],
	}, true
}

// A layout says where an architecture's kernel has the registers of a system call
// in struct pt_regs, by the members' names; the running kernel's type information
// has their places.
type layout struct {
	number, ip string
	native     abi // of programs of the kernel's own width
	compat     abi // of 32-bit programs
	// Where task_struct says that the call is one of a 32-bit program, and by
	// which bits.
	compatFlags string
	compatBits  int32
}

// An abi is how programs of one kind make system calls.
type abi struct {
	arch uint32 // AUDIT_ARCH_*
	args [6]string
}

// layouts are those of the architectures that can be traced, by GOARCH. The first
// argument is not where it was passed on arm64, as the result comes there. Linux
// 6.18: arch/x86/include/asm/syscall.h, ptrace.h and thread_info.h (TS_COMPAT);
// arch/arm64/include/asm/syscall.h, ptrace.h and thread_info.h (TIF_32BIT).
var layouts = map[string]layout{
	"amd64": {
		number: "orig_ax", ip: "ip",
		native:      abi{0xc000003e, [6]string{"di", "si", "dx", "r10", "r8", "r9"}},
		compat:      abi{0x40000003, [6]string{"bx", "cx", "dx", "si", "di", "bp"}},
		compatFlags: "thread_info.status", compatBits: 0x2,
	},
	"arm64": {
		number: "syscallno", ip: "pc",
		native:      abi{0xc00000b7, [6]string{"orig_x0", "regs.1", "regs.2", "regs.3", "regs.4", "regs.5"}},
		compat:      abi{0x40000028, [6]string{"orig_x0", "regs.1", "regs.2", "regs.3", "regs.4", "regs.5"}},
		compatFlags: "thread_info.flags", compatBits: 1 << 22,
	},
}

// registers are a layout with the places of its members in struct pt_regs, in
// bytes.
type registers struct {
	layout
	number, ip     int
	native, compat [6]int
}

// registersOf looks the places of a layout up; offset finds a member of struct
// pt_regs.
func registersOf(l layout, offset func(member string) (int, error)) (r registers, err error) {
	find := func(to *int, member string) {
		if err == nil {
			*to, err = offset(member)
		}
	}
	r.layout = l
	find(&r.number, l.number)
	find(&r.ip, l.ip)
	for i := range r.native {
		find(&r.native[i], l.native.args[i])
		find(&r.compat[i], l.compat.args[i])
	}
	return r, err
}

// The actions that tracing tells, as code= of a SECCOMP record has them
// (include/uapi/linux/seccomp.h).
const (
	returnErrno = 0x00050000
	returnTrap  = 0x00030000
)

// denial returns a call as a denial; at is its time on the wall clock. It is false
// for a call without a number, which a tracer took away from it.
func (c tracedCall) denial(r registers, at time.Time) (parser.Denial, bool) {
	word := func(offset int) uint64 {
		if offset+8 > len(c.regs) {
			return 0
		}
		return binary.NativeEndian.Uint64(c.regs[offset:])
	}
	if r.number+4 > len(c.regs) {
		return parser.Denial{}, false
	}
	number := binary.NativeEndian.Uint32(c.regs[r.number:]) // an int, also where the register is wider
	if int32(number) < 0 {
		return parser.Denial{}, false
	}
	call := parser.Seccomp{Arch: r.layout.native.arch, Syscall: number, Compat: c.compat, Code: returnErrno, IP: word(r.ip), Traced: true}
	places, mask := r.native, ^uint64(0)
	if c.compat {
		call.Arch, places, mask = r.layout.compat.arch, r.compat, 1<<32-1
	}
	call.Args = make([]uint64, len(places))
	for i, offset := range places {
		call.Args[i] = word(offset) & mask
	}
	if c.trap {
		call.Code, call.Signal = returnTrap, 31
	} else {
		call.Errno = int(-c.result)
	}
	record := parser.Record{Origin: parser.Origin{File: traceName, Transport: parser.Unknown}, Type: parser.TRACE, Time: at}
	record.Fields = c.fields(&call)
	return parser.Denial{
		Event:   parser.Event{Records: []parser.Record{record}},
		Time:    at,
		Subject: parser.Subject{PID: c.pid, Comm: c.comm, UID: c.uid},
		Mode:    parser.Denied,
		Seccomp: &call,
	}, true
}

// fields words a call as the audit system would, in one record: what SECCOMP and
// SYSCALL records have, and all six arguments.
func (c tracedCall) fields(call *parser.Seccomp) []parser.Field {
	decimal := strconv.Itoa
	hex := func(n uint64) string { return strconv.FormatUint(n, 16) }
	compat := "0"
	if c.compat {
		compat = "1"
	}
	fields := append(make([]parser.Field, 0, 16),
		parser.Field{Key: "uid", Value: decimal(c.uid)},
		parser.Field{Key: "pid", Value: decimal(c.pid)},
		parser.Field{Key: "comm", Value: c.comm},
		parser.Field{Key: "sig", Value: decimal(call.Signal)},
		parser.Field{Key: "arch", Value: hex(uint64(call.Arch))},
		parser.Field{Key: "syscall", Value: decimal(int(call.Syscall))},
		parser.Field{Key: "compat", Value: compat},
		parser.Field{Key: "ip", Value: "0x" + hex(call.IP)},
		parser.Field{Key: "code", Value: "0x" + hex(uint64(call.Code))},
	)
	if !c.trap {
		fields = append(fields, parser.Field{Key: "exit", Value: decimal(-call.Errno)})
	}
	for i, key := range [...]string{"a0", "a1", "a2", "a3", "a4", "a5"} {
		fields = append(fields, parser.Field{Key: key, Value: hex(call.Args[i])})
	}
	return fields
}
