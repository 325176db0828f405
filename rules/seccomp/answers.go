package seccomp

// answers are what a profile answers to the calls of one number in one case, of
// which all but the arguments is known: architecture, host, kernel and capabilities.
// They are those of Decide, and are quick where rules ask for equality.
type answers struct {
	bits32    bool
	only      bool    // fallback is the answer whatever the arguments
	fallback  Outcome // where no condition holds
	ambiguous bool    // see Decision.Ambiguous
	rules     []*rule // in force, with conditions
	groups    []group
	others    []int // of rules, those of no group
}

// A group is the rules whose argument of an index must be a value under a mask.
type group struct {
	index int
	mask  uint64
	rules map[uint64][]int // by that value, indexes of answers.rules
}

// maxGroups bounds the groups; rules of further ones are looked at in turn.
const maxGroups = 64

// answers prepares the answers to a call by number, on the architecture of an index
// of arches; the call has its generation.
func (p *Profile) answers(i int, nr uint32, c *Call) (a answers) {
	t := p.table(i)
	a = answers{bits32: arches[i].bits32, fallback: Outcome{Action: p.Default, Errno: dataOf(p.Default, p.DefaultErrno)}}
	if !p.covers(i, c.Host) {
		a.only, a.fallback = true, Outcome{Action: KillThread}
		return a
	}
	if stub, _ := p.stub(t, c, i, nr, true); (nr > t.sure || nr == 0) && stub == yes {
		a.only, a.fallback = true, Outcome{Action: Errno, Errno: enosys}
		return a
	}
	rules := t.calls[nr]
	if rules == nil {
		rules = &noRules
	}
	for k := range rules.always {
		if r := &rules.always[k]; r.inForce(c) == yes {
			a.only, a.fallback = true, r.outcome()
			return a
		}
	}
	hard, mixed, plain := false, false, true
	for k := range rules.when {
		r := &rules.when[k]
		if r.inForce(c) != yes {
			continue
		}
		a.add(r)
		hard, plain = hard || r.hard, plain && r.plain
		mixed = mixed || !same(a.rules[0].outcome(), r.outcome())
	}
	a.ambiguous = len(a.rules) > 1 && (hard || mixed && !plain)
	return a
}

// add adds a rule, to a group if it asks for equality.
func (a *answers) add(r *rule) {
	n := len(a.rules)
	a.rules = append(a.rules, r)
	for _, arg := range r.args {
		mask, want := ^uint64(0), arg.Value
		if arg.Op == MaskedEQ {
			mask, want = arg.Value, arg.ValueTwo&arg.Value
		}
		if arg.Op != EQ && arg.Op != MaskedEQ {
			continue
		}
		g := a.group(arg.Index, mask)
		if g == nil {
			continue
		}
		g.rules[want] = append(g.rules[want], n)
		return
	}
	a.others = append(a.others, n)
}

// group returns the group of an index and a mask, nil if there are too many.
func (a *answers) group(index int, mask uint64) *group {
	for k := range a.groups {
		if g := &a.groups[k]; g.index == index && g.mask == mask {
			return g
		}
	}
	if len(a.groups) == maxGroups {
		return nil
	}
	a.groups = append(a.groups, group{index, mask, map[uint64][]int{}})
	return &a.groups[len(a.groups)-1]
}

// to returns the answer to a call with all six arguments, whether it is ambiguous,
// and how many rules were looked at.
func (a *answers) to(args []uint64) (o Outcome, ambiguous bool, looks int) {
	if a.only {
		return a.fallback, false, 0
	}
	first, differ := len(a.rules), false
	look := func(list []int) {
		looks += len(list)
		for _, n := range list {
			if holds, _ := a.rules[n].holds(args, a.bits32); holds != yes {
				continue
			}
			differ = differ || first < len(a.rules) && !same(a.rules[first].outcome(), a.rules[n].outcome())
			first = min(first, n)
		}
	}
	look(a.others)
	for _, g := range a.groups {
		v := args[g.index]
		if a.bits32 {
			v &= low32
		}
		look(g.rules[v&g.mask])
	}
	if first == len(a.rules) {
		return a.fallback, a.ambiguous, looks
	}
	return a.rules[first].outcome(), a.ambiguous || differ, looks
}
