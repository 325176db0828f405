package apparmor

import (
	"encoding/binary"
	"maps"
	"slices"
	"strings"

	"github.com/whydenied/whydenied/rules"
	"github.com/whydenied/whydenied/rules/apparmor/aare"
)

// The bounds of what Dead compares, in visits of a state by a byte: of one rule, and of all
// rules of a profile. Rules as people write them need some thousand each.
const (
	maxDeadWork  = 1 << 22
	maxDeadWorks = 1 << 27
)

// Dead returns the rules that a profile does not need: without one of them, and without all of
// them, it answers every request as it does now, logs what it logs, and executes programs as it
// does. It compares the compiled rules, so that of each rule returned this is proved. Of
// two rules that each make the other needless one is returned: the profile's own before one that
// it shares, the later before the earlier. Both lists are in source order.
//
// undecided are the rules of which that is not known: they have too many cases, or what they mean
// differs between versions of apparmor_parser. They are all rules of a profile that
// grants whatever it does not name, or of which not everything was understood.
func (p *Profile) Dead() (dead, undecided []Rule) {
	if p.compiled != nil || len(p.Unread) > 0 || p.HasFlag("unconfined") || p.HasFlag("default_allow") {
		return nil, p.Rules
	}
	if p.HasFlag("audit") { // by which rules that log are alike to those that do not, but not as compiled
		p = p.withRules(p.Rules)
		p.Flags = slices.DeleteFunc(slices.Clone(p.Flags), func(f Flag) bool { return f.Name == "audit" })
	}
	s := &deadSearch{profile: p, layers: p.compile().layers, gone: maps.Clone(p.decider.gone), left: maxDeadWorks}
	if s.gone == nil {
		s.gone = map[Rule]bool{}
	}
	s.never = maps.Clone(s.gone)
	found := map[Rule]deadness{}
	copies := map[rules.Location][]Rule{} // of what is included more than once
	for _, r := range p.Rules {
		copies[r.Location()] = append(copies[r.Location()], r)
	}
	for _, shared := range []bool{false, true} {
		for _, r := range slices.Backward(p.Rules) {
			if _, known := found[r]; known || r.Head().Shared != shared {
				continue
			}
			all := copies[r.Location()]
			is := s.judge(all)
			for _, one := range all {
				if found[one] = is; is == isDead {
					s.gone[one], s.less = true, nil
				}
			}
		}
	}
	for _, r := range p.Rules {
		switch found[r] {
		case isDead:
			dead = append(dead, r)
		case isUndecided:
			undecided = append(undecided, r)
		}
	}
	return dead, undecided
}

// A deadness is what is known of a rule.
type deadness uint8

const (
	isLive deadness = iota
	isDead
	isUndecided
)

// A deadSearch looks for the rules that a profile does not need.
type deadSearch struct {
	profile *Profile
	layers  []layer
	never   map[Rule]bool // rules of the layers that the profile has not
	gone    map[Rule]bool // those, and what was found dead
	less    *Profile      // without what was found dead; nil until it is needed
	left    int           // of maxDeadWorks
	states  [][]int32     // scratch of walk: the tags of each layer
}

// judge says whether a rule is dead, by itself and besides those that are gone. It is given with
// its copies, where the file that it stands in is included more than once.
func (s *deadSearch) judge(all []Rule) deadness {
	switch r := all[0].(type) {
	case *RlimitRule:
		if !s.alsoLimits(r, all) {
			return isLive
		}
		return isDead
	case *ChangeProfileRule:
		if !s.alsoChanges(all) {
			return isLive
		}
	}
	compiled, isFile := all[0].(compiledRule)
	if h := all[0].Head(); h.Prompt || h.Other || !isFile && globsLabel(all[0]) {
		return isUndecided
	}
	if isFile {
		if is := s.file(compiled, all); is != isDead {
			return is
		}
	}
	return s.class(all, isFile)
}

// globsLabel reports whether a rule has a wildcard for labels, or a class that leaves out
// characters. As apparmor_parser 3.0 compiles them they match NUL, which no label holds, and other
// rules do not. A stack of labels is none that a request can stand for: the kernel asks for
// each of its labels besides.
func globsLabel(r Rule) bool {
	return strings.Contains(r.Location().Text(), "[^") || slices.ContainsFunc(r.labels(), func(p *Pattern) bool {
		if p == nil {
			return false
		}
		label, literal := p.Literal()
		return !literal || strings.Contains(label, "//&")
	})
}

// alsoLimits reports whether another rule sets the same limit, and none another one for the same
// thing. Limits are set, and nothing is granted by them.
func (s *deadSearch) alsoLimits(r *RlimitRule, all []Rule) (also bool) {
	for _, o := range s.profile.Rules {
		limit, ok := o.(*RlimitRule)
		switch {
		case !ok || rlimitName(limit.Name) != rlimitName(r.Name):
		case limit.Value != r.Value:
			return false
		case !slices.Contains(all, o) && !s.gone[o]:
			also = true
		}
	}
	return also
}

// alsoChanges reports whether other rules have apparmor_parser do what it does because of a
// change_profile rule: it adds rules of its own, and drops file rules; see merged.
func (s *deadSearch) alsoChanges(all []Rule) bool {
	less := s.without().but(all)
	changes := func(o Rule) bool { _, ok := o.(*ChangeProfileRule); return ok }
	before, after := s.profile.merged(), less.merged()
	lost := func(o Rule) bool {
		f, ok := o.(*FileRule)
		return ok && f.mergedInto(before) != f.mergedInto(after)
	}
	return slices.ContainsFunc(less.Rules, changes) && !slices.ContainsFunc(s.profile.Rules, lost)
}

// only returns the profile with some of its rules.
func (p *Profile) only(keep func(Rule) bool) *Profile {
	return p.withRules(slices.DeleteFunc(slices.Clone(p.Rules), func(r Rule) bool { return !keep(r) }))
}

// but returns the profile less some rules.
func (p *Profile) but(drop []Rule) *Profile {
	return p.only(func(r Rule) bool { return !slices.Contains(drop, r) })
}

// without returns the profile without what is dead.
func (s *deadSearch) without() *Profile {
	if s.less == nil {
		s.less = s.profile.only(func(r Rule) bool { return !s.gone[r] })
	}
	return s.less
}

// file judges a rule that the automaton of file names holds, as far as that goes. A name on which
// it decides something is most often found among some that it matches.
func (s *deadSearch) file(r compiledRule, all []Rule) deadness {
	delta := s.profile.layer([]Rule{r})
	if len(delta.entries) == 0 {
		return isUndecided // apparmor_parser refuses its glob, or drops the rule
	}
	delta.files.Freeze()
	if f, ok := r.(*FileRule); ok {
		for _, name := range sample(filePattern(f)).names {
			tags := s.states[:0]
			for i := range s.layers {
				tags = append(tags, s.layers[i].files.Match(name))
			}
			if s.states = tags; !s.alike(all, tags) {
				return isLive
			}
		}
	}
	return s.walk(all, delta.files)
}

// A deadStep is the states of a rule's automaton and of the layers after some bytes.
type deadStep []*aare.State

// walk visits every state in which a rule can match, until one is found in which it decides
// something.
func (s *deadSearch) walk(all []Rule, of *aare.Automaton) deadness {
	autos := []*aare.Automaton{of}
	for i := range s.layers {
		autos = append(autos, s.layers[i].files)
	}
	first := deadStep{}
	for _, a := range autos {
		first = append(first, a.Start())
	}
	alphabet := aare.Alphabet(autos...)
	queue, seen := []deadStep{first}, map[string]bool{}
	var key, live []byte
	work := min(s.left, maxDeadWork)
	for len(queue) > 0 {
		step := queue[len(queue)-1]
		queue = queue[:len(queue)-1]
		if len(step[0].Tags) > 0 {
			tags := s.states[:0]
			for _, state := range step[1:] {
				tags = append(tags, state.Tags)
			}
			if s.states = tags; !s.alike(all, tags) {
				return isLive
			}
		}
		live = of.Leading(step[0], alphabet, live[:0])
		cost := len(alphabet) + len(live)*len(autos)
		if s.left, work = s.left-cost, work-cost; work < 0 {
			return isUndecided
		}
		for _, c := range live {
			next := make(deadStep, len(autos))
			key = key[:0]
			for k, a := range autos {
				next[k] = a.Next(step[k], c)
				key = binary.LittleEndian.AppendUint32(key, next[k].ID)
			}
			if !seen[string(key)] && !next[0].Dead() {
				seen[string(key)] = true
				queue = append(queue, next)
			}
		}
	}
	return isDead
}

// alike reports whether what matches in a state of each layer says the same with and without
// a rule: of the whole profile, and of what is left of it.
func (s *deadSearch) alike(all []Rule, tags [][]int32) bool {
	for _, gone := range []map[Rule]bool{s.never, s.gone} {
		for _, owner := range []bool{true, false} {
			with, without := s.ask(tags, owner, gone, nil), s.ask(tags, owner, gone, all)
			if count(with.votes) != count(without.votes) || audits(with.votes) != audits(without.votes) ||
				with.conflict != without.conflict || !sameExec(with.exec, without.exec) {
				return false
			}
		}
		if len(s.gone) == len(s.never) {
			break // both are the same
		}
	}
	return true
}

// audits are the permissions that some rule has logged as they are granted, and as they are
// refused. apparmor_parser keeps both, whatever other rules make of them.
func audits(votes []vote) (perms [2]Perms) {
	for _, v := range votes {
		switch {
		case !v.audit:
		case v.deny:
			perms[1] |= v.perms
		default:
			perms[0] |= v.perms
		}
	}
	return perms
}

// ask collects the votes of the entries that tags name, but of rules that are gone and of others.
func (s *deadSearch) ask(tags [][]int32, owner bool, gone map[Rule]bool, but []Rule) (a fileAnswer) {
	for i := range s.layers {
		for _, tag := range tags[i] {
			e := &s.layers[i].entries[tag]
			if e.owner && !owner || e.vote.rule != nil && (gone[e.vote.rule] || slices.Contains(but, e.vote.rule)) {
				continue
			}
			a.add(e)
		}
	}
	return a
}

// class judges a rule by one request of each cell of those of the classes other than files that it
// matches; see classGains. A rule that has none may be judged by the files alone.
func (s *deadSearch) class(all []Rule, isFile bool) deadness {
	c := celler{rules: s.profile.others(), left: maxCells}
	all[0].cells(&c)
	switch {
	case c.left <= 0, !isFile && len(c.found) == 0:
		return isUndecided
	case len(c.found) == 0:
		return isDead
	}
	d := Decision{memo: memo{}}
	wholes := []*Profile{s.profile, s.without()}
	if h := all[0].Head(); h.Audit { // see audits
		wholes = append(wholes, s.without().only(func(r Rule) bool { return r.Head().Audit && r.Head().Deny == h.Deny }))
	}
	if _, isUnix := all[0].(*UnixRule); isUnix { // a deny network rule is compiled otherwise beside it
		wholes = append(wholes, s.without().only(func(r Rule) bool { _, ok := r.(*NetworkRule); return !ok }))
	}
	for _, whole := range wholes {
		less := whole.but(all)
		for _, req := range c.found {
			if s.left -= len(whole.others()); s.left < 0 {
				return isUndecided
			}
			if whole.tally(req, &d) != less.tally(req, &d) {
				return isLive
			}
		}
	}
	return isDead
}
