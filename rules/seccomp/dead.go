package seccomp

import (
	"slices"

	"github.com/whydenied/whydenied/rules"
)

// A Part is one name of an entry.
type Part struct {
	Entry *Entry
	Name  int // index in Entry.Names
}

// At returns where the name stands.
func (x Part) At() rules.Location { return x.Entry.Names[x.Name].At }

// Text returns the name.
func (x Part) Text() string { return x.Entry.Names[x.Name].Text }

// Parts returns every name of every entry, in order.
func (p *Profile) Parts() (list []Part) {
	for _, e := range p.Entries {
		for i := range e.Names {
			list = append(list, Part{e, i})
		}
	}
	return list
}

// Dead returns the names that a profile does not need: without one of them, and without all of
// them, every call is answered as now, on each architecture that the profile is for, as runc and as
// crun load it. It is proved as by Gains. Of two that make each other needless the later is returned. Both
// lists are in order.
//
// undecided are those of which that is not known: no table has the name, or its calls have too many
// cases.
func (p *Profile) Dead() (dead, undecided []Part) {
	parts := p.Parts()
	if p.refused != "" || len(p.Others) > 0 {
		return nil, parts
	}
	times := map[string]int{}
	for _, part := range parts {
		times[part.Text()]++
	}
	less := p
	for _, part := range slices.Backward(parts) {
		name := part.Text()
		switch {
		case !inAnyTable(name), !part.Entry.valid:
			undecided = append(undecided, part)
			continue
		case times[name] < 2 && !p.asDefault(part.Entry) && p.has(name):
			continue // it alone decides its calls, and otherwise than the default
		}
		alone, complete := p.alike(p.less(part))
		rest, all := alone, complete
		if alone && less != p {
			rest, all = p.alike(less.less(part))
		}
		switch {
		case !alone || !rest:
		case complete && all:
			dead = append(dead, part)
			less = less.less(part)
		default:
			undecided = append(undecided, part)
		}
	}
	slices.Reverse(dead)
	slices.Reverse(undecided)
	return dead, undecided
}

// asDefault reports whether an entry answers as the default action does.
func (p *Profile) asDefault(e *Entry) bool {
	return e.Action == p.Default && dataOf(e.Action, e.Errno) == dataOf(p.Default, p.DefaultErrno)
}

// has reports whether a call of a name exists on an architecture that the profile is for.
func (p *Profile) has(name string) bool {
	hosts := p.hosts()
	for i := range arches {
		n := tableOf(i)
		if n == nil {
			continue
		}
		_, numbered := n.numbers[name]
		_, _, through := multiplexed(i, name)
		if !numbered && !through {
			continue
		}
		for _, host := range []Arch{arches[i].audit, arches[i].audit.host()} {
			if (len(hosts) == 0 || slices.Contains(hosts, host)) && p.covers(i, host) {
				return true
			}
		}
	}
	return false
}

// alike reports whether another profile answers every call alike as each runtime loads it, as far as
// it was compared.
func (p *Profile) alike(other *Profile) (alike, complete bool) {
	for _, runtime := range []string{Runc, Crun} {
		gains, all := GainsBy(Loader{Runtime: runtime}, p, other)
		if len(gains) > 0 {
			return false, true
		}
		if !all {
			return true, false
		}
	}
	return true, true
}

// less returns the profile without a name, given as one of the profile that it was made of.
func (p *Profile) less(part Part) *Profile {
	other := p.clone()
	other.Entries = make([]*Entry, 0, len(p.Entries))
	for _, e := range p.Entries {
		if e.Index == part.Entry.Index {
			c := *e
			at := part.At()
			c.Names = slices.DeleteFunc(slices.Clone(e.Names), func(n Name) bool { return n.At == at })
			if e = &c; len(c.Names) == 0 {
				continue
			}
		}
		other.Entries = append(other.Entries, e)
	}
	return other
}
