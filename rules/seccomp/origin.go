package seccomp

import (
	"fmt"
	"maps"
	"slices"

	"github.com/whydenied/whydenied/rules"
)

// Origin returns the built-in default profile that an engine made a profile of, and its
// full name. If several give the same, it is one of the engine's release, else one that
// the engine ever had, else any, the newest of each. An engine leaves out the entries that
// are not in force for a container on its host, and with them what would say why a call
// is refused. Of in, Arch (or Host), Caps, Kernel and Engine are used; without Caps nothing
// is told. ok is false if the profile is none of them, to the last name and condition.
func (p *Profile) Origin(in Call) (origin *Profile, name string, ok bool) {
	if in.Caps == nil {
		return nil, "", false
	}
	for _, name := range in.Engine.origins() {
		if b := builtin(name); p.MadeOf(b, in) {
			return b, b.File.Builtin, true
		}
	}
	return nil, "", false
}

// origins returns the names of all built-in texts in the order in which Origin asks them.
func (e Engine) origins() (names []string) {
	add := func(name string) {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	for _, version := range []string{e.Version, ""} {
		if found, ok := rules.FindReleases(e.Name, version); ok {
			texts, _ := found.Texts(func(r rules.Release) string { return r.Seccomp })
			for _, t := range slices.Backward(texts) {
				add(t.Name)
			}
		}
	}
	for _, name := range slices.Backward(builtinNames()) {
		add(name)
	}
	return names
}

// MadeOf reports whether a profile is what an engine makes of another for a
// container, as Origin says, to the last name and condition. Conditions on what in
// does not know can hold or not.
func (p *Profile) MadeOf(of *Profile, in Call) bool {
	in.ignored = of.ignores(in.Engine)
	of = of.without(in.ignored)
	if p.Default != of.Default || p.DefaultErrno != of.DefaultErrno || !slices.Equal(p.Flags, of.Flags) ||
		slices.ContainsFunc(p.Entries, func(e *Entry) bool { return !e.Includes.IsZero() || !e.Excludes.IsZero() }) {
		return false
	}
	if in.Host == 0 {
		in.Host = in.Arch.host()
	}
	own := p.answersOf(func(*Entry) bool { return true })
	sure := of.answersOf(func(e *Entry) bool { return e.inForce(&in) == yes })
	possible := of.answersOf(func(e *Entry) bool { return e.inForce(&in) != no })
	return holds(own, sure) && holds(possible, own)
}

// answersOf returns what some entries of a profile answer to what, a name and an
// entry's conditions at a time. Those that answer as the default does say nothing.
func (p *Profile) answersOf(which func(*Entry) bool) map[string]bool {
	all := map[string]bool{}
	for _, e := range p.Entries {
		if !which(e) || p.isDefault(e) {
			continue
		}
		errno := dataOf(e.Action, e.Errno)
		for _, n := range e.Names {
			all[fmt.Sprintf("%s %v %d %v", n.Text, e.Action, errno, distinct(e.Args))] = true
		}
	}
	return all
}

// holds reports whether a set holds another.
func holds(set, other map[string]bool) bool {
	for k := range maps.Keys(other) {
		if !set[k] {
			return false
		}
	}
	return true
}
