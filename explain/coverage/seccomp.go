package coverage

import (
	"fmt"
	"slices"

	"github.com/whydenied/whydenied/explain/access"
	"github.com/whydenied/whydenied/explain/container"
	"github.com/whydenied/whydenied/parser"
	"github.com/whydenied/whydenied/rules"
	"github.com/whydenied/whydenied/rules/seccomp"
)

// addSeccomp counts a record of a filter's answer. all says that what counts it will not be
// another the next time.
func (c *Collector) addSeccomp(d *parser.Denial) (found []*observation, all bool) {
	if c.filter == nil || d.Seccomp.Suspected {
		return nil, true
	}
	c.filter.note(d.Time)
	o, kept := c.filter.observeCall(access.Call(d.Seccomp, c.library.Call(container.Container{}, seccomp.Arch(d.Seccomp.Arch))), unseen)
	return []*observation{o}, kept
}

// addCall counts a traced call, which the filter saw whatever became of it.
func (c *Collector) addCall(a *parser.Attempt) {
	if c.filter == nil || a.Syscall == "" {
		return
	}
	arch := c.library.Arch
	if arch == 0 {
		arch = seccomp.X86_64
	}
	if known, err := seccomp.ParseArch(a.Arch); a.Arch != "" && err == nil {
		arch = known
	}
	nr, ok := seccomp.SyscallNumber(arch, a.Syscall)
	if !ok {
		c.filter.evidence.Unread++
		return
	}
	c.filter.observeCall(access.Call(&parser.Seccomp{Arch: uint32(arch), Syscall: nr, Args: access.Arguments(a, arch)}, c.library.Call(container.Container{}, arch)), unseen)
}

// Observed counts a system call that was seen to be made, with what arguments and how often is not
// known. answered says that a filter answered it, else it let it pass.
func (c *Collector) Observed(arch seccomp.Arch, nr uint32, answered bool) {
	if c.filter == nil {
		return
	}
	c.filter.evidence.Observed++
	call := c.library.Call(container.Container{}, arch)
	call.Arch, call.Syscall = arch, nr
	became := passed
	if answered {
		became = refused
	}
	c.filter.observeCall(call, became)
}

// A fate is what became of a call, as far as that was seen and not concluded from the profile.
type fate int

const (
	unseen fate = iota
	passed
	refused
)

// may reports whether an answer can have had the fate.
func (f fate) may(a seccomp.Outcome) bool { return f == unseen || a.Action.Permits() == (f == passed) }

// observeCall counts a call; see observe. Of answers that hang on what is not known of it, only those count
// by which it may have had its fate, unless there is none: then another filter was in force.
func (u *usage) observeCall(call seccomp.Call, became fate) (o *observation, kept bool) {
	key := fmt.Sprintf("%x %d %s %x %d", uint32(call.Arch), call.Syscall, call.Name, call.Args, became)
	if o := u.known[key]; o != nil {
		o.count++
		return o, true
	}
	o = &observation{of: u, count: 1, call: call}
	d := u.seccomp.Decide(call)
	outcomes := []seccomp.Outcome{d.Outcome}
	if d.Undecidable {
		outcomes = append(slices.Clone(d.Whens), d.Outcome)
	}
	if slices.ContainsFunc(outcomes, became.may) {
		outcomes = slices.DeleteFunc(outcomes, func(a seccomp.Outcome) bool { return !became.may(a) })
	}
	var places []int
	for _, answer := range outcomes {
		o.granted = o.granted || answer.Action.Permits()
		if i := u.partOf(answer); !slices.Contains(places, i) {
			places = append(places, i)
		}
	}
	switch {
	case len(places) > 1:
		o.possible = slices.DeleteFunc(places, func(i int) bool { return i < 0 })
	case places[0] >= 0:
		o.rules = places
	}
	return o, u.keep(key, o)
}

// partOf returns the index of the name that gives an answer, or -1 if that is the default.
func (u *usage) partOf(answer seccomp.Outcome) int {
	if answer.Entry == nil || answer.Name >= len(answer.Entry.Names) {
		return -1
	}
	if u.parts == nil {
		u.parts = map[rules.Location]int{}
		for i, part := range u.seccomp.Parts() {
			u.parts[part.At()] = i
		}
	}
	if i, ok := u.parts[answer.Entry.Names[answer.Name].At]; ok {
		return i
	}
	return -1
}

// ofSeccomp says what is known of the names of a profile's entries.
func (u *usage) ofSeccomp() Profile {
	p := Profile{Name: u.source, Language: "seccomp", Source: u.source, Evidence: u.evidence, Seccomp: u.seccomp, seen: u.all}
	dead, undecided := u.seccomp.Dead()
	for i, part := range u.seccomp.Parts() {
		p.Rules = append(p.Rules, Rule{At: part.At(), Entry: part.Entry, Name: part.Text(), Count: u.more[i],
			Dead: slices.Contains(dead, part), Undecided: slices.Contains(undecided, part)})
	}
	if len(undecided) == len(p.Rules) && len(p.Rules) > 0 {
		p.Unproved = "runtimes refuse the profile, or which text of it is in force is not known"
	}
	p.Evidence.Ungranted = u.count(p.Rules)
	for i := range p.Rules {
		u.settle(&p.Rules[i], u.answers(p.Rules[i].Entry))
	}
	return p
}

// answers reports whether an answer by an entry would have been seen.
func (u *usage) answers(e *seccomp.Entry) bool {
	switch {
	case u.evidence.Calls+u.evidence.Observed > 0:
		return true
	case u.evidence.Records == 0 || e.Action == seccomp.Allow:
		return false
	case e.Action.Silent():
		return u.seccomp.Logs(seccomp.Engine{})
	}
	return true
}
