package access

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/whydenied/whydenied/parser"
	"github.com/whydenied/whydenied/rules/seccomp"
)

// Call returns the system call of a record, with what else is known of its process:
// its capabilities, the kernel, the host and the runtime.
func Call(record *parser.Seccomp, known seccomp.Call) seccomp.Call {
	known.Arch, known.Syscall, known.Name, known.Args = seccomp.Arch(record.Arch), record.Syscall, record.SyscallName, record.Args
	return known
}

// ParseCall adds a system call, by its name or number, and its arguments to what is
// known of the process.
func ParseCall(call seccomp.Call, name string, args []string) (seccomp.Call, error) {
	for _, text := range args {
		arg, err := register(text)
		if err != nil {
			return call, err
		}
		call.Args = append(call.Args, arg)
	}
	if len(call.Args) > 6 {
		return call, fmt.Errorf("a system call has six arguments, not %d", len(call.Args))
	}
	x32 := call.Syscall
	name = strings.TrimPrefix(name, "syscall_")
	if nr, err := strconv.ParseUint(name, 0, 32); err == nil {
		call.Syscall |= uint32(nr)
		return call, nil
	}
	call.Syscall, call.Name = 0, name
	if x32 == 0 {
		return call, nil
	}
	for nr := range uint32(1024) {
		if known, _ := seccomp.SyscallName(seccomp.X86_64, nr|x32); known == name {
			call.Syscall, call.Name = nr|x32, ""
			return call, nil
		}
	}
	return call, fmt.Errorf("x32 has no system call %.40q", name)
}

// SetArch sets the architecture of a call by its name or by arch= of a record. x32
// shows in the number of the call.
func SetArch(call *seccomp.Call, name string) error {
	arch, err := seccomp.ParseArch(name)
	call.Arch, call.Syscall = arch, 0
	if strings.HasSuffix(strings.ToLower(name), "x32") {
		call.Syscall = 1 << 30
	}
	return err
}

// Caps returns capabilities as seccomp profiles name them; the list is not nil, as
// that would mean that they are unknown.
func Caps(names []string) []string {
	caps := []string{}
	for _, name := range names {
		if name = strings.ToUpper(strings.TrimSpace(name)); name != "" {
			caps = append(caps, "CAP_"+strings.TrimPrefix(name, "CAP_"))
		}
	}
	return caps
}

// register reads an argument of a system call; a negative one is the register's
// 64 bits, as of AT_FDCWD.
func register(text string) (uint64, error) {
	text = strings.TrimSpace(text)
	if n, err := strconv.ParseUint(text, 0, 64); err == nil {
		return n, nil
	}
	if n, err := strconv.ParseInt(text, 0, 64); err == nil {
		return uint64(n), nil
	}
	return 0, fmt.Errorf("the argument %s is no number of 64 bits, such as 17 or 0x10000", strconv.QuoteToASCII(text[:min(len(text), 40)]))
}

// DecideCall asks a profile about a system call. If the call is of a record, the
// kernel's answer settles a decision that hangs on unknown arguments where it is that
// of one entry alone: then its condition held. Where none answers log and the call was
// logged, it is what `whydenied observe --log-action` made of the only one that refuses
// silently.
func DecideCall(profile *seccomp.Profile, call seccomp.Call, record *parser.Seccomp) seccomp.Decision {
	d := profile.Decide(call)
	if record == nil || !d.Undecidable {
		return d
	}
	d = byLoader(d, record)
	if !d.Undecidable || given(d.Outcome, record) {
		return d
	}
	var held, refusing []seccomp.Outcome
	for _, w := range append(slices.Clip(d.Whens), d.Outcome) {
		if given(w, record) {
			held = append(held, w)
		} else if w.Action.Silent() {
			refusing = append(refusing, w)
		}
	}
	if len(held) == 0 && seccomp.Action(record.Code) == seccomp.Log {
		held = refusing
	}
	// Of several that no entry gives, as each loader would, the last is as good as any.
	byLoaders := !slices.ContainsFunc(held, func(w seccomp.Outcome) bool { return !w.Loader || w.Entry != nil })
	if len(held) == 1 || len(held) > 1 && byLoaders {
		d = settled(d, held[len(held)-1])
	}
	return d
}

// byLoader drops from a decision what hangs on the program that loaded the filter, where
// the record tells that another answer was given. Where several of those that no entry
// gives fit, the last of them is as good as any.
func byLoader(d seccomp.Decision, record *parser.Seccomp) seccomp.Decision {
	fits := func(w seccomp.Outcome) bool { return given(w, record) }
	if seccomp.Action(record.Code) == seccomp.Log && !Answers(d, record) {
		permits := d.Action.Permits() // `whydenied observe` made it of a filter that refused, or its like of one that did not
		fits = func(w seccomp.Outcome) bool { return w.Action.Silent() && !permits || w.Action.Permits() && permits }
	}
	if !fits(d.Outcome) {
		return d
	}
	whens := slices.DeleteFunc(slices.Clone(d.Whens), func(w seccomp.Outcome) bool { return w.Loader && !fits(w) })
	plain := d.Entry == nil && !slices.ContainsFunc(whens, func(w seccomp.Outcome) bool { return !w.Loader || w.Entry != nil })
	switch {
	case len(whens) == 0 || plain:
		return settled(d, d.Outcome)
	case len(whens) < len(d.Whens):
		d.Whens = whens
	}
	return d
}

// settled is a decision of which the answer is known: the conditions asked before
// it did not hold, so entries that would have allowed the call were no help.
func settled(d seccomp.Decision, answer seccomp.Outcome) seccomp.Decision {
	near, dropped := slices.Clip(d.Near), slices.Clip(d.Dropped)
	for _, w := range d.Whens {
		if w.Entry == answer.Entry && w.When == answer.When {
			break
		}
		if w.Entry == nil || !w.Action.Permits() {
			continue
		}
		switch in, ex := w.Entry.Includes, w.Entry.Excludes; {
		case w.Loader:
			dropped = append(dropped, seccomp.Dropped{Entry: w.Entry, Name: w.Name, Why: "dropped but where " + w.When, Gate: seccomp.LibseccompGate})
		case in.MinKernel != "" || ex.MinKernel != "":
			dropped = append(dropped, seccomp.Dropped{Entry: w.Entry, Name: w.Name, Why: "needs " + w.When, Gate: seccomp.KernelGate})
		case len(in.Caps)+len(ex.Caps) > 0:
			dropped = append(dropped, seccomp.Dropped{Entry: w.Entry, Name: w.Name, Why: "needs " + w.When, Caps: in.Caps, Gate: seccomp.CapGate})
		default:
			near = append(near, w.Entry)
		}
	}
	if e := d.Entry; answer.Loader && answer.Entry == nil && e != nil && d.Action.Permits() { // what libseccomp made no rule of
		dropped = append(dropped, seccomp.Dropped{Entry: e, Name: d.Name, Why: answer.When + ", and dropped the name", Gate: seccomp.LibseccompGate})
	}
	answer.Loader = false
	d.Outcome, d.Undecidable, d.Whens, d.Near, d.Dropped = answer, false, nil, near, dropped
	return d
}

// Answers reports whether the decision can be the record's answer.
func Answers(d seccomp.Decision, record *parser.Seccomp) bool {
	return given(d.Outcome, record) || slices.ContainsFunc(d.Whens, func(w seccomp.Outcome) bool { return given(w, record) })
}

// given reports whether an outcome can be the kernel's answer. Of a traced call, and of one
// that a program says it made, the errno is known; of a traced one not what made it: a call
// also fails with ENOSYS for want of a tracer, and with whatever a supervising process says.
func given(o seccomp.Outcome, record *parser.Seccomp) bool {
	action := seccomp.Action(record.Code)
	switch {
	case action != seccomp.Errno || record.Errno == 0:
		return o.Action == action
	case o.Action == seccomp.Errno:
		return o.Errno == record.Errno
	case !record.Traced:
		return false
	}
	switch o.Action {
	case seccomp.Trace:
		return seccomp.ErrnoName(record.Errno) == "ENOSYS"
	}
	return o.Action == seccomp.UserNotif
}

// OnlyCaps returns the capabilities that the outcome of a call hangs on, if it
// is not decided and hangs on nothing else: a refusal then says that they are
// not held. It is "" otherwise.
func OnlyCaps(d seccomp.Decision) string {
	var caps []string
	for _, w := range d.Whens {
		if w.Entry == nil || len(w.Entry.Args) > 0 || len(w.Entry.Includes.Caps) == 0 || !w.Action.Permits() {
			return ""
		}
		caps = append(caps, strings.Join(w.Entry.Includes.Caps, " and "))
	}
	return strings.Join(caps, ", or ")
}

// Refuses reports whether a decision refuses the call, and whether that is sure: it is
// not where some of its outcomes refuse and others do not. A record, which may be nil,
// makes it sure where the outcome hangs on capabilities alone.
func Refuses(d seccomp.Decision, record *parser.Seccomp) (refuses, sure bool) {
	permits := d.Action.Permits()
	refuses = !permits
	for _, w := range d.Whens {
		permits, refuses = permits || w.Action.Permits(), refuses || !w.Action.Permits()
	}
	if d.Undecidable && record != nil && Answers(d, record) {
		logged := seccomp.Action(record.Code).Permits()
		return !logged, logged || OnlyCaps(d) != "" || !permits
	}
	return refuses, !d.Undecidable || !permits || !refuses
}

// IsCall reports whether a SYSCALL record is of a system call, by number or, as
// ausearch -i prints it, by name.
func IsCall(r *parser.Record, name string) bool { return callOf(r) == name }

// Called returns the system call and the error that the SYSCALL record of a denial's event
// has, "" where it has none.
func Called(d *parser.Denial) (call, errno string) {
	r := d.Event.Record(parser.SYSCALL)
	if r == nil {
		return "", ""
	}
	exit, _, _ := strings.Cut(r.Get("exit"), "(") // of ausearch -i: EACCES(Permission denied)
	if n, err := strconv.Atoi(exit); err == nil {
		if n >= 0 || n < -4095 {
			return callOf(r), ""
		}
		exit = seccomp.ErrnoName(-n)
	}
	return callOf(r), exit
}

// callOf returns the name of a SYSCALL record's system call, "" if that is not known.
func callOf(r *parser.Record) string {
	text := r.Get("syscall")
	nr, err := strconv.ParseUint(text, 10, 32)
	if err != nil {
		return text
	}
	arch, err := strconv.ParseUint(r.Get("arch"), 16, 32)
	if err != nil {
		return ""
	}
	name, _ := seccomp.SyscallName(seccomp.Arch(arch), uint32(nr))
	return name
}
