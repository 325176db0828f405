package seccomp

import (
	"fmt"
	"strings"
)

// An argument is one by which it is worth telling the calls of a name apart: it
// chooses what the call does. Descriptors, sizes and process IDs differ from
// run to run, and what a pointer points at no filter sees.
type argument struct {
	index int
	mask  uint64            // the bits that choose; 0 for all that the kernel looks at
	names map[uint64]string // of values, for people to read
	flags bool              // the value is a sum of names
	such  []uint64          // values that are told of first where others are allowed too
	why   string
}

// low32 are the bits of an int argument: the kernel ignores the upper half of
// its register.
const low32 = 1<<32 - 1

// namespaceFlags are the CLONE_NEW* flags of clone but for CLONE_NEWTIME, which
// is part of the signal number there (include/uapi/linux/sched.h, Linux 6.18).
const namespaceFlags = 0x7e020000

// argumentsOf has the arguments of each call that are worth a condition, with
// the reason.
var argumentsOf = map[string][]argument{
	"socket":            {{index: 0, names: socketFamilies, such: []uint64{38, 40, 17}, why: "the protocol family chooses the kernel code that is reached"}},
	"socketpair":        {{index: 0, names: socketFamilies, such: []uint64{38, 40}, why: "the protocol family chooses the kernel code that is reached"}},
	"personality":       {{index: 0, names: personalities, such: []uint64{0x40000}, why: "some personalities turn protections off, others only report"}},
	"clone":             {{index: 0, mask: namespaceFlags, names: cloneFlags, flags: true, such: []uint64{0x10000000, 0x20000}, why: "the namespace flags make it what unshare is; the others start threads and processes"}},
	"unshare":           {{index: 0, names: cloneFlags, flags: true, such: []uint64{0x10000000, 0x20000}, why: "each namespace opens other kernel code"}},
	"setns":             {{index: 1, names: cloneFlags, flags: true, such: []uint64{0x10000000, 0x20000}, why: "it names the kind of namespace that is entered"}},
	"prctl":             {{index: 0, why: "the option is the call"}},
	"arch_prctl":        {{index: 0, why: "the option is the call"}},
	"ioctl":             {{index: 1, names: map[uint64]string{0x5412: "TIOCSTI"}, such: []uint64{0x5412}, why: "the request is the call"}},
	"fcntl":             {{index: 1, why: "the command is the call"}},
	"fcntl64":           {{index: 1, why: "the command is the call"}},
	"keyctl":            {{index: 0, why: "the operation is the call"}},
	"bpf":               {{index: 0, why: "the command is the call"}},
	"ptrace":            {{index: 0, why: "the request is the call"}},
	"seccomp":           {{index: 0, why: "the operation is the call"}},
	"syslog":            {{index: 0, why: "the type is the call: some read, some clear"}},
	"quotactl":          {{index: 0, why: "the command is the call"}},
	"quotactl_fd":       {{index: 1, why: "the command is the call"}},
	"io_uring_register": {{index: 1, why: "the operation is the call"}},
	"membarrier":        {{index: 0, why: "the command is the call"}},
	"modify_ldt":        {{index: 0, why: "the function is the call: one reads, one writes"}},
	"kcmp":              {{index: 2, why: "the type says what is compared"}},
	"reboot":            {{index: 2, why: "the command is the call"}},
	"madvise":           {{index: 2, why: "the advice is the call"}},
	"prlimit64":         {{index: 1, why: "the resource is what is limited"}},
	"setrlimit":         {{index: 0, why: "the resource is what is limited"}},
	"setsockopt": {
		{index: 1, why: "the level chooses the protocol whose option is set"},
		{index: 2, why: "the option is the call"},
	},
	"getsockopt": {
		{index: 1, why: "the level chooses the protocol whose option is read"},
		{index: 2, why: "the option is the call"},
	},
	"socketcall": {{index: 0, why: "it names the call that is meant"}},
	"ipc":        {{index: 0, why: "it names the call that is meant"}},
}

// The names of values: include/linux/socket.h, include/uapi/linux/sched.h and
// personality.h, Linux 6.18.
var (
	socketFamilies = map[uint64]string{
		0: "AF_UNSPEC", 1: "AF_UNIX", 2: "AF_INET", 3: "AF_AX25", 10: "AF_INET6", 15: "AF_KEY", 16: "AF_NETLINK", 17: "AF_PACKET", 21: "AF_RDS",
		29: "AF_CAN", 30: "AF_TIPC", 31: "AF_BLUETOOTH", 38: "AF_ALG", 40: "AF_VSOCK", 44: "AF_XDP",
	}
	cloneFlags = map[uint64]string{
		0x00000080: "CLONE_NEWTIME", 0x00020000: "CLONE_NEWNS", 0x02000000: "CLONE_NEWCGROUP", 0x04000000: "CLONE_NEWUTS",
		0x08000000: "CLONE_NEWIPC", 0x10000000: "CLONE_NEWUSER", 0x20000000: "CLONE_NEWPID", 0x40000000: "CLONE_NEWNET",
	}
	personalities = map[uint64]string{
		0: "PER_LINUX", 8: "PER_LINUX32", 0x20000: "UNAME26", 0x20008: "PER_LINUX32|UNAME26",
		0x40000: "ADDR_NO_RANDOMIZE", 0x40008: "PER_LINUX32|ADDR_NO_RANDOMIZE", 0x400000: "READ_IMPLIES_EXEC", low32: "0xffffffff",
	}
)

// longArgs are the calls whose choosing argument is a long: all 64 bits of it
// count. That of the others is an int.
const longArgs = " clone unshare ptrace arch_prctl "

// wide reports whether all 64 bits of a call's choosing arguments count, as they
// may for calls that are not known here.
func wide(name string) bool {
	return argumentsOf[name] == nil || strings.Contains(longArgs, " "+name+" ")
}

// Conditions returns the narrowest conditions that are worth while for a call of
// which the arguments are known, and why those: what the call does at all, such
// as the family of a socket, and nothing that differs from run to run; for calls
// not known here, the arguments that the profile's own entries ask for. They are
// nil for a call without such arguments; known is false if it has some that Args
// do not reach.
func (p *Profile) Conditions(c Call) (conditions []Arg, why string, known bool) {
	if swapped(c.Name, c.Arch) {
		return nil, "", false
	}
	for _, a := range p.arguments(c.Name) {
		if a.index >= len(c.Args) {
			return nil, "", false
		}
		conditions = append(conditions, a.condition(c.Args[a.index], wide(c.Name)))
		why = a.why
	}
	return conditions, why, true
}

// arguments returns the arguments of a call that are worth a condition.
func (p *Profile) arguments(name string) []argument {
	if list, ok := argumentsOf[name]; ok {
		return list
	}
	var seen [6]bool
	for _, e := range p.Entries {
		for _, a := range e.Args {
			seen[a.Index] = seen[a.Index] || e.has(name)
		}
	}
	var list []argument
	for i, ok := range seen {
		if ok {
			list = append(list, argument{index: i, why: "the profile tells its calls apart by it"})
		}
	}
	return list
}

// swapped reports whether an architecture has the arguments of a call in another
// order: clone's first is the stack on s390 (clone(2)).
func swapped(name string, a Arch) bool { return name == "clone" && (a == S390X || a == s390) }

// Swaps reports whether the call has its arguments in another order than on other
// architectures, so that a condition on the first is one on another argument there.
func (c Call) Swaps() bool { return swapped(c.Name, c.Arch) }

// CloneOrder returns the first arguments of clone on an architecture, in order, as
// strace names them.
func CloneOrder(a Arch) []string {
	if swapped("clone", a) {
		return []string{"child_stack", "flags"}
	}
	return []string{"flags"}
}

// condition returns the condition that an argument has a value.
func (a argument) condition(v uint64, wide bool) Arg {
	switch {
	case a.mask != 0:
		return Arg{Index: a.index, Op: MaskedEQ, Value: a.mask, ValueTwo: v & a.mask}
	case !wide && v>>32 != 0:
		return Arg{Index: a.index, Op: MaskedEQ, Value: low32, ValueTwo: v & low32}
	}
	return Arg{Index: a.index, Op: EQ, Value: v}
}

// inOrder returns the arguments of a call in the order that most architectures have
// them in, as far as they are known.
func inOrder(a Arch, name string, args []uint64) []uint64 {
	switch {
	case !swapped(name, a):
		return args
	case len(args) < 2:
		return nil
	}
	return append([]uint64{args[1], args[0]}, args[2:]...)
}

// CallText returns a call of an architecture as C would have it, with the arguments that
// choose what it does: "socket(AF_VSOCK)", "ioctl(_, 0x5412)"; the bare name if it has
// none or they are not known.
func CallText(arch Arch, name string, args []uint64) string {
	list := argumentsOf[name]
	args = inOrder(arch, name, args)
	if len(list) == 0 {
		return name
	}
	last := list[len(list)-1].index
	if last >= len(args) {
		return name
	}
	words := make([]string, last+1)
	for i := range words {
		words[i] = "_"
	}
	for _, a := range list {
		words[a.index] = a.valueText(args[a.index])
	}
	return name + "(" + strings.Join(words, ", ") + ")"
}

// valueText returns a value by its name, or as a number.
func (a argument) valueText(v uint64) string {
	if a.mask != 0 {
		v &= a.mask
	}
	if name, ok := a.names[v]; ok {
		return name
	}
	if !a.flags || v == 0 {
		return formatValue(v)
	}
	var words []string
	rest := v
	for bit := uint64(1); bit != 0; bit <<= 1 {
		if name, ok := a.names[bit]; ok && v&bit != 0 {
			words = append(words, name)
			rest &^= bit
		}
	}
	if rest != 0 {
		words = append(words, fmt.Sprintf("%#x", rest))
	}
	return strings.Join(words, "|")
}
