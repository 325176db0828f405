package seccomp

import (
	"cmp"
	"iter"
	"slices"
)

// A Gain is a set of calls of one name that one profile answers otherwise than
// another: what a change of the profile gives away, or takes.
type Gain struct {
	Syscall       string   // "syscall_N" for a number without a name
	Archs         []string // on which there are such calls, as the audit tools name them
	Before, After Outcome
	Every         bool // it is every call of the name there that had this answer, but for those wanted
	Example       Call // one of them, with all arguments
}

// Permits reports whether the calls run now and did not before.
func (g Gain) Permits() bool { return g.After.Action.Permits() && !g.Before.Action.Permits() }

// Refuses reports whether the calls ran before and do not now.
func (g Gain) Refuses() bool { return g.Before.Action.Permits() && !g.After.Action.Permits() }

// A Want is the calls of a name, on every architecture, for which all conditions
// hold.
type Want struct {
	Name string
	Args []Arg
}

// The bounds of one comparison. An edit as people make it needs some hundred cells.
const (
	maxGainWork = 1 << 17 // cells: decisions of both profiles
	maxCellWork = 1 << 25 // looks at a condition, to find cells
	maxLooks    = 1 << 28 // looks at a rule, to decide
)

// Gains returns the calls that a profile answers otherwise than another, less
// those that are wanted and refused no more than before. It splits what a filter
// can see, on hosts of the architectures that the profiles name (of all, if they
// name none) and for all that is covered there, into cells on which both
// profiles are constant: system call numbers, the arguments by the conditions of
// both, capabilities and kernels by the entries that ask for them; and decides
// one call of each. So every call that is answered otherwise is in one of the
// gains. Where there are too many cells, or libseccomp's answer is not defined
// (Decision.Ambiguous), complete is false, and there may be more.
func Gains(before, after *Profile, wanted ...Want) (gains []Gain, complete bool) {
	return GainsBy(Loader{}, before, after, wanted...)
}

// GainsBy returns what Gains does, where a loader makes the filters. What is not known of
// it is as of runc whose stub is there, and of a libseccomp that knows every name.
func GainsBy(l Loader, before, after *Profile, wanted ...Want) (gains []Gain, complete bool) {
	if l.Runtime == "" || l.Runtime == Runc && l.Version == "" {
		l.Runtime, l.Version = gainLoader().Runtime, gainLoader().Version
	}
	l.Libseccomp = cmp.Or(l.Libseccomp, gainLoader().Libseccomp)
	whole := pair{before, after}
	w := &gainWalk{loader: l, whole: whole, wanted: wanted, left: maxGainWork, cellWork: maxCellWork, looks: maxLooks, complete: true, changes: map[change]int{}, kept: map[kept]bool{}}
	hosts := append(before.hosts(), after.hosts()...)
	names, byName := changedNames(before, after)
	for i := range arches {
		n := tableOf(i)
		if n == nil {
			continue
		}
		own := arches[i].audit
		w.narrowed = whole
		if byName { // anew, as its tables of the architecture before are not needed
			w.narrowed = pair{before.narrowedTo(names), after.narrowedTo(names)}
		}
		for _, host := range slices.Compact([]Arch{own, own.host()}) {
			if len(hosts) == 0 || slices.Contains(hosts, host) {
				w.arch(i, n, host)
			}
		}
	}
	for k := range w.gains {
		g := &w.gains[k]
		g.Every = !slices.ContainsFunc(g.Archs, func(arch string) bool { return w.kept[kept{g.Syscall, arch, g.Before}] })
	}
	return w.gains, w.complete
}

// gainLoader has a stub, and knows every name.
func gainLoader() Loader {
	return Loader{Runtime: Runc, Version: stubNativeSince, Libseccomp: newestLibseccomp()}
}

// A pair is two profiles that are compared.
type pair struct{ before, after *Profile }

// hosts returns the architectures of hosts that a profile is made for: those of
// archMap, or those that run programs of the listed architectures. They are none
// if it names none, and so is made for all.
func (p *Profile) hosts() []Arch {
	var hosts []Arch
	for _, m := range p.ArchMap {
		if m.host >= 0 {
			hosts = append(hosts, arches[m.host].audit)
		}
	}
	for _, i := range p.archs {
		hosts = append(hosts, arches[i].audit.host())
	}
	return hosts
}

// A gainWalk compares two profiles.
type gainWalk struct {
	loader          Loader
	pair                 // the one of both below that is compared on the architecture at hand
	whole, narrowed pair // narrowed has the rules of those calls alone whose rules may differ, if they can be told by name
	wanted          []Want
	left            int // of maxGainWork
	cellWork, looks int // of maxCellWork and maxLooks
	complete        bool
	gains           []Gain
	changes         map[change]int // indexes of gains
	kept            map[kept]bool
}

// A change is what one gain is about: calls of a name, and their answers.
type change struct {
	name     string
	from, to Outcome
}

// A kept is calls of which some are answered as before.
type kept struct {
	name, arch string
	answer     Outcome
}

// arch compares the calls of one architecture on a host.
func (w *gainWalk) arch(i int, n *numbering, host Arch) {
	covers := [2]bool{w.whole.before.covers(i, host), w.whole.after.covers(i, host)}
	if !covers[0] && !covers[1] {
		return
	}
	w.pair = w.narrowed
	stubs := sameStub(w.before.table(i), w.after.table(i))
	if !stubs { // calls that no entry names may differ, too
		w.pair = w.whole
	}
	b, a := w.before.table(i), w.after.table(i)
	defaults := w.before.Default == w.after.Default && dataOf(w.before.Default, w.before.DefaultErrno) == dataOf(w.after.Default, w.after.DefaultErrno)
	alike := func(nr uint32) bool {
		stub := stubs || b.decided(nr) && a.decided(nr)
		return covers[0] == covers[1] && defaults && stub && sameRules(b.calls[nr], a.calls[nr])
	}
	for k := range len(n.names) + 1 { // one more for all numbers that are newer
		if nr := n.base + uint32(k); !alike(nr) {
			w.call(i, nr, host)
		}
	}
	for nr := range n.high {
		if !alike(nr) {
			w.call(i, nr, host)
		}
	}
}

// sameStub reports whether runc's stub answers alike by two tables.
func sameStub(b, a *table) bool {
	return b.sure == a.sure && slices.EqualFunc(b.open(), a.open(), func(x, y top) bool { return x.nr == y.nr && x.since == y.since && sameGates(x.entry, y.entry) })
}

// decided reports whether runc's stub leaves a number alone, or takes it, whatever
// the case: that of an entry which is always in force is as high. It takes 0 on
// s390x as soon as there is such an entry.
func (t *table) decided(nr uint32) bool { return nr <= t.sure && t.sure > 0 }

// open returns the entries by which the stub decides for numbers above those.
func (t *table) open() []top {
	return slices.DeleteFunc(slices.Clone(t.top), func(x top) bool { return x.nr <= t.sure })
}

// sameGates reports whether two entries are in force in the same cases.
func sameGates(a, b *Entry) bool {
	same := func(x, y Filter) bool {
		return x.MinKernel == y.MinKernel && slices.Equal(x.Caps, y.Caps) && slices.Equal(x.Arches, y.Arches)
	}
	return same(a.Includes, b.Includes) && same(a.Excludes, b.Excludes)
}

// sameRules reports whether the rules for a call are the same, wherever they are
// written.
func sameRules(a, b *callRules) bool {
	if a == b {
		return true
	}
	if a == nil {
		a = &noRules
	}
	if b == nil {
		b = &noRules
	}
	equal := func(x, y rule) bool {
		return x.since == y.since && same(x.outcome(), y.outcome()) && sameGates(x.entry, y.entry) &&
			slices.EqualFunc(x.args, y.args, sameArg)
	}
	return slices.EqualFunc(a.always, b.always, equal) && slices.EqualFunc(a.when, b.when, equal)
}

// call compares the answers to the calls of one number, cell by cell.
func (w *gainWalk) call(i int, nr uint32, host Arch) {
	c := Call{Arch: arches[i].audit, Syscall: nr, Host: host, Loader: w.loader, generation: w.loader.generation()}
	if i == x32Index {
		c.Syscall |= x32Bit
	}
	c.Name = syscallLabel(c.Arch, c.Syscall)
	s := w.split(i, nr, c.Name)
	if s == nil {
		w.complete = false
		return
	}
	byName := c.Name
	var keeps kept // the last one, as most cells are like the one before
	for _, kernel := range s.kernels {
		for set := range 1 << len(s.caps) {
			c.Kernel, c.Caps = kernel, chosen(s.caps, set)
			before, after := w.before.answers(i, nr, &c), w.after.answers(i, nr, &c)
			for args := range s.arguments() {
				if w.left--; w.left < 0 || w.looks < 0 {
					w.complete = false
					return
				}
				c.Args = args
				b, unsureBefore, looks := before.to(args)
				a, unsureAfter, more := after.to(args)
				w.looks -= looks + more
				if unsureAfter || unsureBefore && !a.Action.Permits() {
					w.complete = false
				}
				from, to := plain(b), plain(a)
				lost := from.Action.Permits() && !to.Action.Permits()
				switch {
				case from == to:
					if k := (kept{byName, arches[i].name, from}); k != keeps {
						w.kept[k], keeps = true, k
					}
				case lost || !w.wants(i, byName, args):
					w.add(i, byName, &c, from, to)
				}
			}
		}
	}
}

// plain returns the part of an outcome that the process sees.
func plain(o Outcome) Outcome { return Outcome{Action: o.Action, Errno: o.Errno} }

// chosen returns the capabilities of a set, given as bits.
func chosen(caps []string, set int) []string {
	held := []string{}
	for k, name := range caps {
		if set>>k&1 == 1 {
			held = append(held, name)
		}
	}
	return held
}

// add notes one cell that is answered otherwise.
func (w *gainWalk) add(i int, name string, c *Call, from, to Outcome) {
	key := change{name, from, to}
	k, ok := w.changes[key]
	if !ok {
		k = len(w.gains)
		w.changes[key] = k
		example := *c
		example.Name, example.Args, example.generation = name, slices.Clone(c.Args), 0
		w.gains = append(w.gains, Gain{Syscall: name, Before: from, After: to, Example: example})
	}
	if g := &w.gains[k]; !slices.Contains(g.Archs, arches[i].name) {
		g.Archs = append(g.Archs, arches[i].name)
	}
}

// wants reports whether a call is one of those wanted. Where one call stands for
// others, as socketcall does, it is if what it stands for is.
func (w *gainWalk) wants(i int, name string, args []uint64) bool {
	for _, want := range w.wanted {
		call, number, ok := multiplexed(i, want.Name)
		if want.Name != name && !(ok && call == name && args[0] == number && len(want.Args) == 0) {
			continue
		}
		holds := true
		for _, a := range want.Args {
			holds = holds && narrowed(a, i).holds(args[a.Index])
		}
		if holds {
			return true
		}
	}
	return false
}

// narrowed returns a condition as the filter of an architecture has it.
func narrowed(a Arg, i int) Arg {
	if arches[i].bits32 {
		a.Value &= low32
		a.ValueTwo &= low32
	}
	return a
}

// A split is the cases of one call that are to be told apart.
type split struct {
	kernels []string
	caps    []string
	values  [6][]uint64 // of each argument
}

// The bounds of one call.
const (
	maxCells     = 1 << 14
	maxSplitCaps = 10
)

// split returns the cases of a call, or nil if there are too many.
func (w *gainWalk) split(i int, nr uint32, name string) *split {
	s := &split{kernels: []string{"0.0"}}
	var conditions [6][]Arg
	count := 0
	look := func(e *Entry) {
		for _, f := range []Filter{e.Includes, e.Excludes} {
			for _, c := range f.Caps {
				if !slices.Contains(s.caps, c) && len(s.caps) <= maxSplitCaps {
					s.caps = append(s.caps, c)
				}
			}
			if f.MinKernel != "" && !slices.Contains(s.kernels, f.MinKernel) {
				s.kernels = append(s.kernels, f.MinKernel)
			}
		}
	}
	for _, p := range []*Profile{w.before, w.after} {
		t := p.table(i)
		if rules := t.calls[nr]; rules != nil {
			for _, list := range [][]rule{rules.always, rules.when} {
				for _, r := range list {
					look(r.entry)
					if count += len(r.args); count > maxCells {
						return nil
					}
					for _, a := range r.args {
						conditions[a.Index] = append(conditions[a.Index], a)
					}
				}
			}
		}
		if !t.decided(nr) {
			for _, top := range t.open() {
				look(top.entry)
			}
		}
	}
	if len(s.caps) > maxSplitCaps {
		return nil
	}
	return s.fill(i, name, w.tell(i, name, conditions), &w.cellWork)
}

// tell adds the conditions of what is wanted, and of the values that are told of
// first.
func (w *gainWalk) tell(i int, name string, conditions [6][]Arg) [6][]Arg {
	for _, want := range w.wanted {
		if call, number, ok := multiplexed(i, want.Name); ok && call == name {
			conditions[0] = append(conditions[0], Arg{Op: EQ, Value: number})
		}
		if want.Name == name {
			for _, a := range want.Args {
				conditions[a.Index] = append(conditions[a.Index], narrowed(a, i))
			}
		}
	}
	for _, a := range told(i, name) {
		for _, v := range a.such {
			conditions[a.index] = append(conditions[a.index], Arg{Index: a.index, Op: EQ, Value: v})
		}
	}
	return conditions
}

// told returns the arguments of a call of which some values are told of first.
func told(i int, name string) []argument {
	if swapped(name, arches[i].audit) {
		return nil
	}
	return argumentsOf[name]
}

// fill finds a value of each argument for each cell, those that are told of
// first in front.
func (s *split) fill(i int, name string, conditions [6][]Arg, work *int) *split {
	bits := 64
	if arches[i].bits32 {
		bits = 32
	}
	total := len(s.kernels) << len(s.caps)
	for k := range s.values {
		values, ok := cells(conditions[k], bits, maxCells, work)
		if total *= len(values); !ok || total > maxGainWork {
			return nil
		}
		s.values[k] = values
	}
	for _, a := range told(i, name) {
		order := func(v uint64) int {
			if k := slices.Index(a.such, v); k >= 0 {
				return k
			}
			return len(a.such)
		}
		slices.SortStableFunc(s.values[a.index], func(x, y uint64) int { return order(x) - order(y) })
	}
	return s
}

// arguments yields each combination of the values; the slice is used again.
func (s *split) arguments() iter.Seq[[]uint64] {
	return func(yield func([]uint64) bool) {
		args := make([]uint64, 6)
		var next func(k int) bool
		next = func(k int) bool {
			if k < 0 {
				return yield(args)
			}
			for _, v := range s.values[k] {
				if args[k] = v; !next(k - 1) {
					return false
				}
			}
			return true
		}
		next(5)
	}
}
