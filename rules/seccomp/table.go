package seccomp

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"sync"
)

// A table is what a profile says for one architecture, built at first use.
type table struct {
	once  sync.Once
	calls map[uint32]*callRules // by number, without bit 30 for x32
	top   []top                 // newest number first
	sure  uint32                // newest number of the entries that are always in force
}

// callRules are the rules for one system call.
type callRules struct {
	always []rule   // without conditions, in the order of the profile
	when   []rule   // with conditions, in the order in which libseccomp tests them
	same   []rule   // whose answer is the default's: runtimes leave them out
	near   []*Entry // entries that permit relatives of the call
}

// A rule is one rule of the filter: a name of an entry, on one architecture.
type rule struct {
	entry *Entry
	name  int   // index in entry.Names
	args  []Arg // all must hold
	hard  bool  // see hardArgs
	plain bool  // all comparisons are for equality or its opposite
	since spell // the versions of libseccomp that make it a rule of the filter
}

// A top is the newest number that an entry names, of those that the same versions of
// libseccomp know.
type top struct {
	entry *Entry
	nr    uint32
	since spell
}

// table returns the profile's rules for an index of arches; they are empty if
// there is no numbering for it.
func (p *Profile) table(i int) *table {
	t := &p.tables[i]
	t.once.Do(func() { p.build(t, i) })
	return t
}

// build fills a table.
func (p *Profile) build(t *table, i int) {
	t.calls = map[uint32]*callRules{}
	n := tableOf(i)
	if n == nil {
		return
	}
	only := p.onlyNumbers(i, n)
	known := namesOn(i)
	var newest []top // of one entry, by the versions that know the number
	for _, e := range p.withBase() {
		newest = newest[:0]
		for j, name := range e.Names {
			is := &known[name.id]
			if is.numbered {
				if !is.mux { // libseccomp has no number of the architecture for the others
					newest = noteNewest(newest, e, is.nr, is.since)
				}
				if only == nil || only[is.nr] {
					p.addRules(t, is.nr, rule{entry: e, name: j, since: is.since}, nil, arches[i].bits32)
				}
			}
			if is.mux && (only == nil || only[is.muxed]) {
				first := &Arg{Index: 0, Op: EQ, Value: is.argument, At: e.At}
				p.addRules(t, is.muxed, rule{entry: e, name: j}, first, arches[i].bits32)
			}
		}
		t.addTops(e, newest)
	}
	slices.SortStableFunc(t.top, func(a, b top) int { return int(int64(b.nr) - int64(a.nr)) })
	if only == nil {
		p.addRelatives(t, n)
	}
}

// noteNewest notes a number that an entry names where it is the newest of those that the
// same versions of libseccomp know.
func noteNewest(newest []top, e *Entry, nr uint32, since spell) []top {
	for k := range newest {
		if newest[k].since == since {
			newest[k].nr = max(newest[k].nr, nr)
			return newest
		}
	}
	return append(newest, top{e, nr, since})
}

// addTops notes the newest numbers that an entry names, but for those below one that
// every libseccomp knows.
func (t *table) addTops(e *Entry, newest []top) {
	sure := uint32(0)
	for _, n := range newest {
		if n.since == (spell{}) {
			sure = n.nr
		}
	}
	slices.SortFunc(newest, func(a, b top) int {
		return cmp.Or(cmp.Compare(a.since.from, b.since.from), cmp.Compare(a.since.gone, b.since.gone))
	})
	for _, n := range newest {
		if n.nr > 0 && n.nr >= sure {
			t.top = append(t.top, n)
		}
	}
	if e.Includes.IsZero() && e.Excludes.IsZero() {
		t.sure = max(t.sure, sure)
	}
}

// inForce reports whether the entry of a rule is in force, and libseccomp knows the
// name.
func (r *rule) inForce(c *Call) status {
	if !r.since.knownBy(c.generation) {
		return no
	}
	return r.entry.inForce(c)
}

// dropped returns why a rule is not there, if it is known not to be.
func (r *rule) dropped(c *Call) (Dropped, bool) {
	if d, ok := r.entry.dropped(c); ok {
		return d, true
	}
	if r.since.knownBy(c.generation) {
		return Dropped{}, false
	}
	return Dropped{Entry: r.entry, Gate: LibseccompGate, Why: "needs " + r.since.String() + ", this is " + c.Loader.Libseccomp}, true
}

// addRules adds the rules that runc makes of one name of an entry: one with all
// conditions, or one per condition as soon as two are on the same argument. For
// a call that stands for others, first takes the place of conditions on the
// first argument.
func (p *Profile) addRules(t *table, nr uint32, r rule, first *Arg, bits32 bool) {
	if !r.entry.valid {
		return
	}
	c := t.calls[nr]
	if c == nil {
		c = &callRules{}
		t.calls[nr] = c
	}
	if len(r.entry.Args) == 0 && first == nil {
		if p.isDefault(r.entry) {
			c.same = append(c.same, r)
		} else {
			c.always = append(c.always, r)
		}
		return
	}
	all := slices.Clone(r.entry.Args)
	sets := [][]Arg{all}
	if sharedIndex(all) {
		sets = make([][]Arg, len(all))
		for i := range all {
			sets[i] = all[i : i+1 : i+1]
		}
		if !p.isDefault(r.entry) {
			c.when = slices.Grow(c.when, len(sets))
		}
	}
	for _, args := range sets {
		if first != nil {
			args = slices.DeleteFunc(args, func(a Arg) bool { return a.Index == 0 })
			args = append(args, *first)
		}
		if bits32 {
			for i := range args {
				args[i].Value &= 1<<32 - 1
				args[i].ValueTwo &= 1<<32 - 1
			}
		}
		// A mask of no bits always matches, and libseccomp leaves it out.
		r.args = slices.DeleteFunc(args, func(a Arg) bool { return a.Op == MaskedEQ && a.Value == 0 })
		args = r.args
		r.plain = !slices.ContainsFunc(args, func(a Arg) bool { return a.Op != EQ && a.Op != NE })
		r.hard = hardArgs(args)
		switch {
		case p.isDefault(r.entry):
			c.same = append(c.same, r)
		case len(args) == 0:
			c.always = append(c.always, r)
		default:
			c.when = append(c.when, r)
		}
	}
}

// hardArgs reports whether conditions are of a kind that libseccomp 2.5.4 is
// known to get wrong at times when a call has other rules as well: ordering or
// masks with values above 32 bits, or on several arguments at once.
func hardArgs(args []Arg) bool {
	for _, a := range args {
		if a.Op != EQ && (a.Value>>32 != 0 || a.Op != NE && len(args) > 1) {
			return true
		}
	}
	return false
}

// isDefault reports whether an entry answers as the default action does.
func (p *Profile) isDefault(e *Entry) bool {
	return e.Action == p.Default && (e.Errno == p.DefaultErrno || e.Action != Errno && e.Action != Trace)
}

// sharedIndex reports whether two conditions are on the same argument.
func sharedIndex(args []Arg) bool {
	var seen [6]bool
	for _, a := range args {
		if seen[a.Index] {
			return true
		}
		seen[a.Index] = true
	}
	return false
}

// addRelatives notes for each call the entries that permit its relatives.
func (p *Profile) addRelatives(t *table, n *numbering) {
	for _, family := range families {
		for _, name := range family.names {
			nr, ok := n.numbers[name]
			if !ok {
				continue
			}
			var near []*Entry
			for _, other := range family.names {
				c := t.calls[n.numbers[other]]
				if other == name || c == nil {
					continue
				}
				for _, list := range [...][]rule{c.always, c.when} {
					for _, r := range list {
						if r.entry.Names[r.name].Text == other && r.entry.Action.Permits() && len(near) < maxNear && !slices.Contains(near, r.entry) {
							near = append(near, r.entry)
						}
					}
				}
			}
			if near == nil {
				continue
			}
			if t.calls[nr] == nil {
				t.calls[nr] = &callRules{}
			}
			t.calls[nr].near = near
		}
	}
}

// The calls that socketcall and ipc stand for on architectures that have them,
// with their first argument: include/uapi/linux/net.h and ipc.h, Linux 6.18.
// libseccomp adds a rule for socketcall or ipc to each rule for one of them.
var (
	socketCalls = strings.Fields(`- socket bind connect listen accept getsockname getpeername socketpair
		send recv sendto recvfrom shutdown setsockopt getsockopt sendmsg recvmsg accept4 recvmmsg sendmmsg`)
	ipcCalls = map[string]uint64{
		"semop": 1, "semget": 2, "semctl": 3, "semtimedop": 4, "msgsnd": 11, "msgrcv": 12,
		"msgget": 13, "msgctl": 14, "shmat": 21, "shmdt": 22, "shmget": 23, "shmctl": 24,
	}
)

// multiplexed returns the call that stands for a name on the architecture of
// an index of arches, and the value of its first argument.
func multiplexed(i int, name string) (call string, number uint64, ok bool) {
	if !arches[i].mux || name == "-" {
		return "", 0, false
	}
	if n, ok := ipcCalls[name]; ok {
		return "ipc", n, true
	}
	if n := slices.Index(socketCalls, name); n > 0 {
		return "socketcall", uint64(n), true
	}
	return "", 0, false
}

// String returns the condition as C would have it: "a0 != 40",
// "a1 & 0x7e020000 == 0".
func (a Arg) String() string {
	if a.Op == MaskedEQ {
		return fmt.Sprintf("a%d & %#x == %s", a.Index, a.Value, formatValue(a.ValueTwo&a.Value))
	}
	return fmt.Sprintf("a%d %s %s", a.Index, a.Op, formatValue(a.Value))
}

// formatValue writes small values in decimal and others in hexadecimal, as
// flags read better so.
func formatValue(v uint64) string {
	if v < 4096 {
		return fmt.Sprint(v)
	}
	return fmt.Sprintf("%#x", v)
}

// String returns the operator as C has it; "&" for MaskedEQ.
func (o Op) String() string {
	return [...]string{"?", "!=", "<", "<=", "==", ">=", ">", "&"}[min(o, MaskedEQ)]
}

// SCMP returns the name that profiles have for the operator.
func (o Op) SCMP() string {
	return "SCMP_CMP_" + [...]string{"?", "NE", "LT", "LE", "EQ", "GE", "GT", "MASKED_EQ"}[min(o, MaskedEQ)]
}
