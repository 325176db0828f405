package seccomp

import (
	"fmt"
	"slices"
	"strings"

	"github.com/whydenied/whydenied/rules"
)

// A Call is a system call and what is known of the process that makes it.
type Call struct {
	Arch    Arch
	Syscall uint32 // as the record has it; x32 calls have bit 30 set
	Name    string // used instead of Syscall when it is not empty

	// Args are the arguments as far as they are known: nil for none; an audit
	// SYSCALL record has the first four only.
	Args []uint64
	// Caps is the container's bounding set, as CAP_SYS_ADMIN; nil if unknown,
	// empty for a container without capabilities.
	Caps []string
	// Kernel is the host's version, as "5.15" or "6.1.0-56-cloud-amd64"; "" if unknown.
	Kernel string
	// Host is the architecture of the host's kernel. If it is 0 it follows
	// from Arch: x86_64 for i386, aarch64 for arm, else Arch itself.
	Host Arch
	// Engine is what gave the profile to the runtime, and decided its conditions.
	Engine Engine
	// Loader is what made a filter of the profile.
	Loader Loader
	// NoFallback says that who calls it is known to fail where the answer is ENOSYS, and to call no older one.
	NoFallback bool

	// Capabilities that are known to be held or not in the case at hand, while
	// cases are told apart because Caps is unknown.
	present, absent []string
	generation      generation // of Loader
	ignored         ignored    // by Engine
}

// An Outcome is one answer of a profile.
type Outcome struct {
	Action Action
	Errno  int    // for Errno and Trace, else 0
	Entry  *Entry // nil: the default action, the stub, or an unlisted architecture
	// Name is the index in Entry.Names of the name that decided.
	Name int
	// When is the condition under which this is the answer, in the words of
	// the profile: "a0 != 40", "CAP_SYS_ADMIN held"; "" for none.
	When string
	// Loader is set where When asks what made the filter, and loaded it.
	Loader bool
	// Stub is set for ENOSYS by runc's stub: the call is newer than every one that the
	// profile names.
	Stub bool
	// Releases are those whose built-in text answers so, where the engine's version does
	// not tell which is in force; "" of the others, and of the newest.
	Releases string
}

// String returns the answer as "errno 1 (EPERM)" or "kill_process".
func (o Outcome) String() string {
	switch o.Action {
	case Errno:
		return fmt.Sprintf("errno %d (%s)", o.Errno, ErrnoName(o.Errno))
	case Trace:
		return "trace (ENOSYS without a tracer)"
	case UserNotif:
		return "user_notif (ENOSYS without a listener)"
	}
	return o.Action.String()
}

// A Dropped is an entry that names the call but is not in force.
type Dropped struct {
	Entry *Entry
	Name  int      // index in Entry.Names
	Why   string   // "needs CAP_SYS_ADMIN", "needs kernel 4.8, this is 4.4", ...
	Caps  []string // the capabilities that would bring it into force, or keep it out
	Gate  Gate
}

// A Gate is the kind of condition that keeps an entry out of force.
type Gate uint8

// The gates.
const (
	CapGate        Gate = iota + 1 // includes.caps not held, or excludes.caps held
	KernelGate                     // minKernel
	ArchGate                       // includes.arches or excludes.arches
	LibseccompGate                 // a name that libseccomp does not know, and drops
)

// A Decision is a profile's answer to a call.
type Decision struct {
	// Outcome is the answer. If Undecidable it is the answer when no condition
	// of When holds.
	Outcome
	Syscall string // name of the call; "syscall_N" if it has none here

	Undecidable bool      // arguments, capabilities, kernel or loader are unknown and matter
	Whens       []Outcome // then: the answers under conditions, the first that holds wins

	Dropped []Dropped // entries naming the call that are not in force
	Near    []*Entry  // entries naming it whose conditions the arguments do not meet, and entries allowing its relatives

	ArchListed bool // false: the filter does not cover the architecture and kills
	// Ambiguous: several entries with conditions on arguments are in force in a
	// combination that libseccomp 2.5 does not always test as written: they
	// disagree, or compare values above 32 bits. The answer may differ.
	Ambiguous bool
}

// At returns the place in a profile of what answers: the call's name in the entry, else the
// default action. It is zero if the profile does not write that.
func (d *Decision) At(p *Profile) rules.Location {
	if d.Entry == nil {
		return p.DefaultAt
	}
	return d.Entry.NameAt(d.Syscall)
}

// NameAt returns the place of a call's name in an entry, else that of a relative of the
// call, else the entry.
func (e *Entry) NameAt(syscall string) rules.Location {
	relatives, _ := Relatives(syscall)
	for _, names := range [][]string{{syscall}, relatives} {
		for _, n := range e.Names {
			if slices.Contains(names, n.Text) {
				return n.At
			}
		}
	}
	return e.At
}

// A status is a truth value with "unknown".
type status uint8

const (
	no status = iota
	maybe
	yes
)

// Decide returns what the profile answers to a call, as the call's Loader applies it:
//
//   - an architecture that the filter does not list is killed;
//   - if the default action refuses, a number above every one that the profile
//     names answers ENOSYS (runc only, see Profile.stubbed);
//   - entries whose conditions on the host do not hold are left out, and so are
//     those that answer as the default does;
//   - an entry without conditions on arguments wins over those with, and the
//     first of several wins;
//   - of the others one that holds is enough; else the default action.
//
// Where others may be in force in place of the profile, their answers are cases, too;
// see Profile.Others.
func (p *Profile) Decide(c Call) Decision {
	d := p.decided(c)
	if p.Form == Unit { // no two of its conditions hold at once
		d.Ambiguous = false
	}
	return d
}

func (p *Profile) decided(c Call) Decision {
	if p.Others != nil {
		return p.decideAmong(c)
	}
	c.ignored = p.ignores(c.Engine)
	p = p.without(c.ignored)
	i, nr, known := p.locate(&c)
	if i >= 0 && c.Loader.libseccompOpen() {
		if bounds := p.table(i).bounds(nr, known); len(bounds) > 0 {
			return p.decideByLibseccomp(c, i, nr, known, bounds)
		}
	}
	c.generation = c.Loader.generation()
	return p.decide(c, i, nr, known)
}

// decide decides a call as located, by a libseccomp that is known or does not matter.
func (p *Profile) decide(c Call, i int, nr uint32, known bool) Decision {
	d := Decision{Syscall: c.Name, ArchListed: true}
	if d.Syscall == "" {
		d.Syscall = syscallLabel(c.Arch, c.Syscall)
	}
	if i < 0 || !p.covers(i, c.Host) {
		d.ArchListed = false
		d.Action = KillThread
		return d
	}
	t := p.table(i)
	rules := t.calls[nr]
	if rules == nil || !known {
		rules = &noRules
	}
	stub := no
	if nr > t.sure || nr == 0 || !known {
		stub, _ = p.stub(t, &c, i, nr, known)
	}
	if stub != yes && !p.decideRules(&d, rules, &c, i) {
		d.Outcome = Outcome{Action: p.Default, Errno: dataOf(p.Default, p.DefaultErrno)}
		d.Undecidable = tableOf(i) == nil && len(p.Entries) > 0
	}
	if stub != no {
		p.addStub(&d, t, &c, i, nr, known)
	}
	if p.Base != "" && p.base == nil && d.Entry == nil { // its calls are allowed besides
		d.Whens = append(d.Whens, Outcome{Action: Allow, When: fmt.Sprintf("the base profile %.60q allows it", p.Base)})
	}
	d.settle()
	if !d.Action.Permits() || d.Undecidable {
		c.present, c.absent = nil, nil
		p.explain(&d, rules, &c)
	}
	return d
}

var noRules callRules

// locate fills in what a call leaves out, and returns the index of its
// architecture, or -1, its number without bit 30, and whether the number is
// known.
func (p *Profile) locate(c *Call) (i int, nr uint32, known bool) {
	if c.Host == 0 {
		c.Host = c.Arch.host()
	}
	i = c.Arch.index(c.Syscall)
	if c.Name == "" || i < 0 {
		if i == x32Index {
			return i, c.Syscall &^ x32Bit, true
		}
		return i, c.Syscall, true
	}
	n := tableOf(i)
	if n == nil {
		return i, 0, false
	}
	if nr, ok := n.numbers[c.Name]; ok {
		return i, nr, true
	}
	if call, number, ok := multiplexed(i, c.Name); ok {
		c.Args = append([]uint64{number}, c.Args[min(1, len(c.Args)):]...)
		return i, n.numbers[call], true
	}
	return i, 0, false
}

// covers reports whether the filter is for the architecture of an index of arches on
// a host. libseccomp's always is for the host's own.
func (p *Profile) covers(i int, host Arch) bool {
	return i != x32Index && arches[i].audit == host || p.lists(i, host)
}

// OtherArch returns the architecture that the profile lists first, where it lists some and
// none that x86-64 hosts have; 0 if it says nothing of its host.
func (p *Profile) OtherArch() Arch {
	isX86 := func(i int) bool { return arches[i].audit == X86_64 || arches[i].audit == I386 }
	if len(p.archs) == 0 || p.ArchMap != nil || slices.ContainsFunc(p.archs, isX86) {
		return 0
	}
	return arches[p.archs[0]].audit
}

// lists reports whether the profile names the architecture of an index of arches for
// a host.
func (p *Profile) lists(i int, host Arch) bool {
	if slices.Contains(p.archs, i) {
		return true
	}
	for _, m := range p.ArchMap {
		if m.host >= 0 && m.host != x32Index && arches[m.host].audit == host {
			return i == m.host || slices.Contains(m.sub, i)
		}
	}
	return false
}

// decideRules decides by the rules for a call, and reports whether one of them
// is sure to.
func (p *Profile) decideRules(d *Decision, rules *callRules, c *Call, i int) bool {
	for k := range rules.always {
		r := &rules.always[k]
		in := r.inForce(c)
		if in == no {
			continue
		}
		o := r.outcome()
		if in == yes {
			d.Outcome = o
			return true
		}
		o.When = r.when(c, nil)
		d.Whens = append(d.Whens, o)
		r.entry.exclude(c)
	}
	sure := false
	var first *rule // in force
	hard, mixed, plain := false, false, true
	for k := range rules.when {
		r := &rules.when[k]
		in := r.inForce(c)
		if in == no {
			continue
		}
		hard, plain = hard || r.hard, plain && r.plain
		if first != nil {
			mixed = mixed || !same(first.outcome(), r.outcome())
			d.Ambiguous = d.Ambiguous || hard || mixed && !plain
		} else {
			first = r
		}
		holds, open := r.holds(c.Args, arches[i].bits32)
		if holds == no {
			continue
		}
		o := r.outcome()
		if sure {
			d.Ambiguous = d.Ambiguous || !same(o, d.Outcome)
			continue
		}
		if in == yes && holds == yes {
			d.Outcome, sure = o, true
			continue
		}
		o.When = r.when(c, open)
		d.Whens = append(d.Whens, o)
		if open == nil {
			r.entry.exclude(c)
		}
	}
	return sure
}

// stub reports whether runc's stub answers a number before the filter does: there is
// one, and the number is above every one that an entry in force names. If that is
// open, when is the condition under which it does not.
func (p *Profile) stub(t *table, c *Call, i int, nr uint32, known bool) (s status, when string) {
	if !known && inAnyTable(c.Name) {
		return no, ""
	}
	s, when = p.newest(t, c, i, nr, known)
	if s == no {
		return no, ""
	}
	setup := known && nr == 0 && arches[i].audit == S390X
	switch there, unless := p.stubbed(c, i, setup); there {
	case no:
		return no, ""
	case yes:
		return s, when
	default:
		return maybe, orWhen(unless, when)
	}
}

// orWhen is the condition that one of two holds, of which either can be "".
func orWhen(a, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	return a + "; or " + b
}

// newest reports whether a number is above every one that an entry in force names,
// of which there must be one, and the condition under which it is not if that is open.
func (p *Profile) newest(t *table, c *Call, i int, nr uint32, known bool) (s status, newer string) {
	zero := nr == 0 && arches[i].audit == S390X // stands for numbers that the kernel does not know
	for _, top := range t.top {
		in := top.entry.inForce(c)
		if !top.since.knownBy(c.generation) {
			in = no
		}
		switch {
		case in == no:
		case top.nr >= nr && known && !zero:
			if in == yes {
				return no, ""
			}
			newer = orWhen(newer, top.entry.needs(c))
		case in == maybe: // an entry names a number, but none this new
			s = maybe
		case s == no && newer == "":
			return yes, ""
		default:
			return maybe, newer
		}
	}
	if s == maybe {
		newer = orWhen(newer, "no entry that names an older call is in force")
	}
	return s, newer
}

// addStub adds the answer of the stub, in the cases that are left open.
func (p *Profile) addStub(d *Decision, t *table, c *Call, i int, nr uint32, known bool) {
	s, when := p.stub(t, c, i, nr, known)
	if s == no {
		return
	}
	if o := d.Outcome; s == maybe {
		o.When, o.Loader = when, true
		d.Whens = append(d.Whens, o)
	}
	d.Outcome = Outcome{Action: Errno, Errno: enosys, Stub: true}
}

// inAnyTable reports whether a name is a system call of some architecture.
func inAnyTable(name string) bool {
	for i := range arches {
		if n := tableOf(i); n != nil {
			if _, ok := n.numbers[name]; ok {
				return true
			}
		}
	}
	return false
}

// settle drops the conditions that change nothing.
func (d *Decision) settle() {
	n := len(d.Whens)
	for n > 0 && same(d.Whens[n-1], d.Outcome) {
		n--
	}
	if n == 0 && len(d.Whens) > 0 && d.Entry == nil {
		d.Outcome, d.Outcome.When, d.Outcome.Loader = d.Whens[0], "", false
	}
	if d.Whens = d.Whens[:n]; n > 0 {
		d.Undecidable = true
	}
}

// same reports whether two outcomes are the same to the process.
func same(a, b Outcome) bool { return a.Action == b.Action && a.Errno == b.Errno }

// maxNear bounds the entries that a decision points at.
const maxNear = 64

// explain notes the entries that name a refused call to no avail.
func (p *Profile) explain(d *Decision, rules *callRules, c *Call) {
	for _, list := range [...][]rule{rules.always, rules.when, rules.same} {
		for i := range list {
			r := &list[i]
			if len(d.Dropped) == maxNear || len(d.Near) == maxNear || i == 4*maxNear {
				return
			}
			if i > 0 && list[i-1].entry == r.entry && list[i-1].name == r.name {
				continue // another rule of the same entry
			}
			if drop, ok := r.dropped(c); ok {
				drop.Name = r.name
				d.Dropped = append(d.Dropped, drop)
				continue
			}
			if d.Near == nil {
				d.Near = make([]*Entry, 0, min(len(list)-i+len(rules.near), maxNear))
			}
			d.addNear(r.entry)
		}
	}
	for _, e := range rules.near {
		d.addNear(e)
	}
}

// addNear notes an entry that is not part of the answer.
func (d *Decision) addNear(e *Entry) {
	in := e == d.Entry || slices.Contains(d.Near, e) ||
		slices.ContainsFunc(d.Dropped, func(o Dropped) bool { return o.Entry == e }) ||
		slices.ContainsFunc(d.Whens[:min(len(d.Whens), maxNear)], func(o Outcome) bool { return o.Entry == e })
	if !in && len(d.Near) < maxNear {
		d.Near = append(d.Near, e)
	}
}

// outcome returns the answer of a rule.
func (r *rule) outcome() Outcome {
	return Outcome{Action: r.entry.Action, Errno: dataOf(r.entry.Action, r.entry.Errno), Entry: r.entry, Name: r.name}
}

// dataOf returns the errno of an answer: only two actions have one.
func dataOf(a Action, errno int) int {
	if a == Errno || a == Trace {
		return errno
	}
	return 0
}

// holds reports whether all conditions of a rule hold for arguments of which
// some may be unknown, and which conditions are open.
func (r *rule) holds(args []uint64, bits32 bool) (status, []Arg) {
	var open []Arg
	for _, a := range r.args {
		if a.Index >= len(args) {
			open = append(open, a)
			continue
		}
		v := args[a.Index]
		if bits32 {
			v &= 1<<32 - 1
		}
		if !a.holds(v) {
			return no, nil
		}
	}
	if open != nil {
		return maybe, open
	}
	return yes, nil
}

// holds reports whether a condition holds for a value of its argument.
func (a Arg) holds(v uint64) bool {
	switch a.Op {
	case NE:
		return v != a.Value
	case LT:
		return v < a.Value
	case LE:
		return v <= a.Value
	case EQ:
		return v == a.Value
	case GE:
		return v >= a.Value
	case GT:
		return v > a.Value
	default: // libseccomp takes the bits outside the mask off the right side too
		return v&a.Value == a.ValueTwo&a.Value
	}
}

// when returns the conditions under which a rule applies, as text.
func (r *rule) when(c *Call, open []Arg) string {
	parts := make([]string, 0, 1+len(open))
	if needs := r.entry.needs(c); needs != "" {
		parts = append(parts, needs)
	}
	for _, a := range open {
		parts = append(parts, a.String())
	}
	return strings.Join(parts, " and ")
}
