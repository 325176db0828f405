package apparmor

import (
	"slices"
	"strings"

	"github.com/whydenied/whydenied/rules/apparmor/aare"
)

// A fileEntry is one expression of the file automaton with what it grants or
// denies. As in the kernel, the automaton matches file names, and the pairs of
// a hard link joined by NUL.
type fileEntry struct {
	perms Perms // of a pair: Link, and subset as Lock
	owner bool
	exact bool // dominates in the choice of an exec transition
	exec  *Transition
	vote  vote // rule, deny, audit, priority
}

func (l *layer) add(e *aare.Expr, entry fileEntry) {
	l.files.Add(e, int32(len(l.entries)))
	l.entries = append(l.entries, entry)
}

// merged returns the keys of the file rules that are lost to another rule.
// apparmor_parser merges rules on the same text (file_comp() in parser_merge.c),
// and of a change_profile rule it then compiles nothing but the change of
// profile: with `change_profile -> /x,` a rule `/x r,` has no effect.
func (p *Profile) merged() map[mergeKey]bool {
	var keys map[mergeKey]bool
	for _, r := range p.Rules {
		if r, ok := r.(*ChangeProfileRule); ok && r.Exec == nil && r.Target != nil {
			if keys == nil {
				keys = map[mergeKey]bool{}
			}
			keys[mergeKey{r.Deny, r.Target.mergeText()}] = true
		}
	}
	return keys
}

type mergeKey struct {
	deny bool
	text string
}

// mergedInto reports whether the rule is lost to one of those.
func (r *FileRule) mergedInto(merged map[mergeKey]bool) bool {
	return len(merged) > 0 && r.Path != nil && merged[mergeKey{r.Deny, r.Path.mergeText()}]
}

// mergeText is the text by which apparmor_parser merges rules, before it joins the slashes of paths.
func (p *Pattern) mergeText() string {
	if p.slashes != "" {
		return p.slashes
	}
	return strings.Join(p.Expanded, "\n")
}

func (r *FileRule) compile(l *layer, merged map[mergeKey]bool) {
	path := filePattern(r).expr()
	if path == nil { // apparmor_parser refuses the glob, so it matches nothing
		return
	}
	entry := fileEntry{perms: filePerms(r), owner: r.Owner, exact: r.exact(), vote: voteOf(r, 0)}
	if r.Perms&Exec != 0 && !r.Deny {
		entry.exec = &r.Exec
	}
	if r.mergedInto(merged) {
		entry.perms &= Link
		if entry.perms != 0 {
			l.addPair(path, anyTarget, entry, true)
		}
		l.lost = append(l.lost, r)
		return
	}
	if implied := entry.perms & Mmap &^ r.Perms; implied != 0 && entry.vote.audit {
		// apparmor_parser adds the m of ix to what is granted, not to what is logged.
		silent := fileEntry{perms: implied, owner: entry.owner, exact: entry.exact, vote: entry.vote}
		silent.vote.audit = false
		l.add(path, silent)
		entry.perms &^= implied
	}
	l.addHalves(path, anyTarget, entry, true)
}

// addHalves adds the entry of the name, and for l that of the pair of link and
// target. A deny rule does not take l from the name: both halves must match.
func (l *layer) addHalves(name, target *aare.Expr, entry fileEntry, subset bool) {
	half := entry
	if entry.vote.deny {
		half.perms &^= Link
	}
	if half.perms != 0 {
		l.add(name, half)
	}
	if entry.perms&Link != 0 {
		l.addPair(name, target, entry, subset)
	}
}

// addImplied adds the rules that apparmor_parser gives to profiles with hats and
// to profiles that change profile, so that aa_change_hat(3) and
// aa_change_profile(3) can reach the kernel.
func (p *Profile) addImplied(l *layer) {
	why := p.implied()
	add := func(glob string, perms Perms) {
		if e, err := aare.Parse(glob, false); err == nil {
			l.add(e, fileEntry{perms: perms, owner: true})
		}
	}
	if why.hats {
		add("/proc/[0-9]*/attr/{apparmor/,}current", Write)
	}
	if why.changes {
		add("/proc/*/attr/{apparmor/,}{current,exec}", Write)
	}
	if why != (implied{}) {
		add("/proc/*/attr/apparmor/", Read)
		add("/sys/module/apparmor/parameters/enabled", Read)
	}
}

// An implied is why apparmor_parser adds rules to a profile: see addImplied.
type implied struct{ hats, changes bool }

// implied returns why rules are added to a profile: it has hats or children, or is one, or changes profile.
func (p *Profile) implied() (i implied) {
	i.hats = p.Hat || slices.ContainsFunc(p.siblingProfiles(), func(other *Profile) bool { return other.Parent == p })
	i.changes = slices.ContainsFunc(p.Rules, func(r Rule) bool {
		_, ok := r.(*ChangeProfileRule)
		return ok
	})
	return i
}

// siblingProfiles returns all profiles of the policy that p is part of.
func (p *Profile) siblingProfiles() []*Profile {
	if p.Policy == nil {
		return nil
	}
	return p.Policy.Profiles
}

// fileAnswer is the votes on one name or pair, and the transition they choose.
type fileAnswer struct {
	votes    []vote
	exec     *Transition
	execRule Rule
	exact    bool
	conflict bool // two transitions of equal standing: apparmor_parser refuses the profile
}

// ask collects the votes of the entries that match a key.
func (p *Profile) ask(key string, owner bool) fileAnswer {
	d := p.compile()
	var a fileAnswer
	for i := range d.layers {
		d.collect(&a, &d.layers[i], d.layers[i].files.Match(key), owner)
	}
	if p.HasFlag("default_allow") {
		a.votes = append(a.votes, defaultAllow)
	}
	return a
}

// collect adds the votes of the entries of a layer that tags name.
func (d *decider) collect(a *fileAnswer, l *layer, tags []int32, owner bool) {
	for _, tag := range tags {
		e := &l.entries[tag]
		if e.owner && !owner || d.gone[e.vote.rule] {
			continue
		}
		a.add(e)
	}
}

// add adds the vote of an entry.
func (a *fileAnswer) add(e *fileEntry) {
	v := e.vote
	v.perms = e.perms
	a.votes = append(a.votes, v)
	if e.exec != nil {
		a.choose(e)
	}
}

// choose takes the transition of an entry if it is more specific than that
// found so far.
func (a *fileAnswer) choose(e *fileEntry) {
	switch {
	case a.exec == nil, e.exact && !a.exact:
		a.exec, a.execRule, a.exact, a.conflict = e.exec, e.vote.rule, e.exact, false
	case e.exact == a.exact && !sameTransition(*a.exec, *e.exec):
		a.conflict = true
	}
}

func (q FileRequest) decide(p *Profile, d *Decision) {
	a := p.ask(q.Path, q.Owner)
	d.settle(q.Perms, a.votes)
	if q.Perms&Link != 0 && q.Target != "" && d.Granted&Link != 0 {
		p.decideLink(q, a, d)
	}
	if d.Granted&Exec != 0 && a.exec != nil {
		p.decideExec(q, a, d)
	}
	for _, lost := range p.decider.lost {
		if d.Refused|d.Unmatched != 0 && lost.Path.Match(q.Path) {
			d.Notes = append(d.Notes, "the rule at "+lost.At.String()+
				" has no effect: apparmor_parser merges it with the change_profile rule that names the same text")
		}
	}
	if d.Granted != 0 && len(d.Allow) == 0 {
		d.Notes = append(d.Notes, "granted by a rule that apparmor_parser adds to profiles with hats or change_profile rules")
	}
}
