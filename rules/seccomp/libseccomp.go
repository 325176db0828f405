package seccomp

import (
	"cmp"
	_ "embed"
	"fmt"
	"slices"
	"strings"
	"sync"
)

//go:generate echo "internal/tools/libseccomp needs a clone of libseccomp: see there"

// libseccompTSV has the versions of libseccomp, and a line for each name that one of
// them lacks on an architecture that it knows.
//
//go:embed libseccomp.tsv
var libseccompTSV string

// A spell is the versions of libseccomp that know a name on an architecture, as
// indexes of libseccompVersions: those from one on, and those before another. The zero
// value is all of them.
type spell struct{ from, gone uint8 }

// libseccompTables are the versions, oldest first, and by column of syscalls.tsv the
// names that not all of them know.
var libseccompTables = sync.OnceValues(func() (versions []string, spells map[string]map[string]spell) {
	lines := strings.Split(strings.TrimSpace(libseccompTSV), "\n")
	versions = strings.Split(lines[1], "\t")
	columns := strings.Split(lines[2], "\t")
	spells = map[string]map[string]spell{}
	for _, c := range columns[1:] {
		spells[c] = map[string]spell{}
	}
	for _, line := range lines[3:] {
		fields := strings.Split(line, "\t")
		for i, field := range fields[1:] {
			if field == "" {
				continue
			}
			before, from, lost := strings.Cut(field, " ")
			if !lost {
				before, from = "", field
			}
			s := spell{from: uint8(len(versions))}
			if k := slices.Index(versions, from); k >= 0 {
				s.from = uint8(k)
			}
			if lost {
				s.gone = uint8(slices.Index(versions, strings.TrimPrefix(before, "<")))
			}
			spells[columns[i+1]][fields[0]] = s
		}
	}
	return versions, spells
})

// spellOf returns the versions of libseccomp that know a name on an architecture of the
// index i. A call that others stand for there has a rule of its own in all of them.
func spellOf(i int, name string) spell {
	if _, _, mux := multiplexed(i, name); mux {
		return spell{}
	}
	_, spells := libseccompTables()
	return spells[arches[i].column][name]
}

// updates are the versions of distributions that have the table of a later release than
// the one that they are named after, and which `runc --version` names. They are from
// the changelogs of the packages.
var updates = map[string]struct{ named, table string }{
	"2.5.4-1+deb12u1": {"2.5.4", "2.5.5"}, // "Add support for syscalls up to Linux 6.7"
}

// updated returns the version of a distribution that a version may be besides the
// release of its name, "" if there is none.
func updated(version string) string {
	for name, u := range updates {
		if u.named == version {
			return name
		}
	}
	return ""
}

// libseccompOpen reports whether it is open which names a loader's libseccomp knows.
func (l Loader) libseccompOpen() bool {
	return updated(l.Libseccomp) != "" || !IsVersion(l.Libseccomp)
}

// A generation is a version of libseccomp as an index of libseccompTables: of the newest that
// is no newer. -1 is older than all, and anyGeneration one that is not known.
type generation int

const anyGeneration generation = 255 // counts as new

// generations caches what Loader.generation returns.
var generations sync.Map

// generation returns the one whose names a loader's libseccomp knows.
func (l Loader) generation() generation {
	if found, ok := generations.Load(l.Libseccomp); ok {
		return found.(generation)
	}
	if !IsVersion(l.Libseccomp) {
		return anyGeneration
	}
	versions, _ := libseccompTables()
	version := cmp.Or(updates[l.Libseccomp].table, l.Libseccomp)
	k := len(versions) - 1
	for k >= 0 && compareVersions(version, versions[k]) < 0 {
		k--
	}
	if k >= 0 && len(l.Libseccomp) < 32 { // what is asked about comes from outside, and there are not many
		generations.Store(l.Libseccomp, generation(k))
	}
	return generation(k)
}

// knownBy reports whether a generation is one of the versions.
func (s spell) knownBy(r generation) bool {
	return s == (spell{}) || int(s.from) <= int(r) || s.gone > 0 && int(r) < int(s.gone)
}

// String returns the versions as text: "libseccomp 2.5.6 or newer".
func (s spell) String() string {
	text := "libseccomp " + s.since() + " or newer"
	versions, _ := libseccompTables()
	if int(s.from) >= len(versions) {
		return "a libseccomp newer than " + versions[len(versions)-1]
	}
	if s.gone > 0 {
		text += ", or older than " + versions[s.gone]
	}
	return text
}

// since returns the version from which on libseccomp knows the name; "" if none does.
func (s spell) since() string {
	versions, _ := libseccompTables()
	if int(s.from) < len(versions) {
		return versions[s.from]
	}
	return ""
}

// bounds returns the versions of libseccomp, as indexes, from which on more or fewer of
// the names are known by which a table answers a number.
func (t *table) bounds(nr uint32, known bool) (bounds []uint8) {
	add := func(s spell) {
		for _, k := range [...]uint8{s.gone, s.from} {
			if k > 0 && !slices.Contains(bounds, k) {
				bounds = append(bounds, k)
			}
		}
	}
	if rules := t.calls[nr]; rules != nil && known {
		for _, list := range [...][]rule{rules.always, rules.when} {
			for k := range list {
				add(list[k].since)
			}
		}
	}
	if nr > t.sure || nr == 0 || !known {
		for _, top := range t.top {
			add(top.since)
		}
	}
	slices.Sort(bounds)
	return bounds
}

// decideByLibseccomp decides a call once for each libseccomp that it may be, of which
// the bounds tell those apart that matter: the answer is that by the newest, and those
// by older ones that differ are conditions.
func (p *Profile) decideByLibseccomp(c Call, i int, nr uint32, known bool, bounds []uint8) Decision {
	versions, _ := libseccompTables()
	by := func(g generation) Decision {
		call := c
		call.generation = g
		return p.decide(call, i, nr, known)
	}
	at := func(k uint8) string { return versions[min(int(k), len(versions)-1)] }
	type older struct {
		generation
		when string
	}
	var list []older // newest first
	newest, named := generation(bounds[len(bounds)-1]), c.Loader.Libseccomp
	if name := updated(named); name != "" {
		newest = Loader{Libseccomp: name}.generation()
		list = append(list, older{Loader{Libseccomp: named}.generation(), fmt.Sprintf("libseccomp is %s as released, and not %s", named, name)})
	} else {
		for j, bound := range slices.Backward(bounds) {
			o := older{0, "libseccomp is older than " + at(bound)}
			if j > 0 {
				o.generation = generation(bounds[j-1])
			}
			list = append(list, o)
		}
	}
	d := by(newest)
	later, own, outcomes := d, d.Whens, true
	for _, o := range list {
		is := by(o.generation)
		if alike(is, later) {
			continue
		}
		later = is
		is.under(o.when)
		// Where the conditions are the same, what is left of the answers goes after them.
		if outcomes = outcomes && alikeWhens(later.Whens, own); outcomes {
			d.Whens = slices.Insert(slices.Clone(d.Whens), len(own), is.Outcome)
		} else {
			d.Whens = append(is.Whens, append([]Outcome{is.Outcome}, d.Whens...)...)
		}
		d.Undecidable = true
	}
	d.settle()
	return d
}

// under puts all answers of a decision under a condition on the loader.
func (d *Decision) under(when string) {
	d.Whens = slices.Clone(d.Whens)
	for _, o := range append(pointers(d.Whens), &d.Outcome) {
		if o.Loader = true; o.When != "" {
			o.When = when + ", and " + o.When
		} else {
			o.When = when
		}
	}
}

func pointers(list []Outcome) (all []*Outcome) {
	for i := range list {
		all = append(all, &list[i])
	}
	return all
}

// alike reports whether two decisions are the same answers under the same conditions.
func alike(a, b Decision) bool {
	return same(a.Outcome, b.Outcome) && alikeWhens(a.Whens, b.Whens)
}

func alikeWhens(a, b []Outcome) bool {
	return slices.EqualFunc(a, b, func(x, y Outcome) bool { return same(x, y) && x.When == y.When })
}

// LibseccompFor returns the first version of libseccomp from which on it knows a call on
// its architecture, "2.5.6", and whether a loader's does, as far as that is known:
// libseccomp drops names that it does not know without a word. "" is for a call that
// every version knows. A distribution's libseccomp may know more calls than the release
// that it is named after.
func LibseccompFor(c Call) (since string, known bool) {
	i := c.Arch.index(c.Syscall)
	if tableOf(i) == nil {
		return "", true
	}
	name := c.Name
	if name == "" {
		name = syscallLabel(c.Arch, c.Syscall)
	}
	s := spellOf(i, name)
	if s == (spell{}) {
		return "", true
	}
	return s.since(), s.knownBy(c.Loader.generation())
}

// newestLibseccomp returns the newest version that is known here.
func newestLibseccomp() string {
	versions, _ := libseccompTables()
	return versions[len(versions)-1]
}
