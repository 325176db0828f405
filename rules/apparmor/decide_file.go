package apparmor

import (
	"slices"
	"strings"
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

// anyTarget is what a link rule without a target may link to: /[^/].*
var anyTarget = cat(set(oneByte('/')), set(without('/')), star(set(anyByte)))

// filePerms returns the permissions of a file rule with those they imply: w
// includes a, and ix includes m (process_dfa_entry() in parser_regex.c).
func filePerms(r *FileRule) Perms {
	perms := r.Perms
	if perms&Write != 0 {
		perms |= Append
	}
	if !r.Deny && perms&Exec != 0 && (r.Exec.Mode == Inherit || r.Exec.Fallback == Inherit) {
		perms |= Mmap
	}
	return perms
}

func (l *layer) add(e *expr, entry fileEntry) {
	l.files.add(e, int32(len(l.entries)))
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
			keys[mergeKey{r.Deny, strings.Join(r.Target.Expanded, "\n")}] = true
		}
	}
	return keys
}

type mergeKey struct {
	deny bool
	text string
}

// addFile adds a file rule, and reports whether it is lost; see merged.
func (l *layer) addFile(r *FileRule, merged map[mergeKey]bool) (lost bool) {
	path := filePattern(r).expr()
	if path == nil { // apparmor_parser refuses the glob, so it matches nothing
		return false
	}
	entry := fileEntry{perms: filePerms(r), owner: r.Owner, exact: path.exact(), vote: voteOf(r, 0)}
	if r.Perms&Exec != 0 && !r.Deny {
		entry.exec = &r.Exec
	}
	if r.Path != nil && merged[mergeKey{r.Deny, strings.Join(r.Path.Expanded, "\n")}] {
		entry.perms &= Link
		if entry.perms != 0 {
			l.addPair(path, anyTarget, entry, true)
		}
		return true
	}
	l.addHalves(path, anyTarget, entry, true)
	return false
}

func (l *layer) addLink(r *LinkRule) {
	link, target := r.Link.expr(), anyTarget
	if r.Target != nil {
		target = r.Target.expr()
	}
	if link == nil || target == nil {
		return
	}
	entry := fileEntry{perms: Link, owner: r.Owner, vote: voteOf(r, 0)}
	l.addHalves(link, target, entry, r.Subset)
}

func (l *layer) addAll(r *AllRule) {
	entry := fileEntry{perms: FilePerms, vote: voteOf(r, 0), exec: &Transition{Mode: Inherit}}
	if r.Deny {
		entry.exec = nil
	}
	l.addHalves(everyFile.expr(), anyTarget, entry, true)
	l.addChangeProfile(r, &ChangeProfileRule{Header: r.Header})
}

// addHalves adds the entry of the name, and for l that of the pair of link and
// target. A deny rule does not take l from the name: both halves must match.
func (l *layer) addHalves(name, target *expr, entry fileEntry, subset bool) {
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

// addPair adds the entry of a pair of link and target. Its bit for subset is
// that of lock, and apparmor_parser sets it for the owner of the target alone
// (LINK_TO_LINK_SUBSET in immunix.h).
func (l *layer) addPair(name, target *expr, entry fileEntry, subset bool) {
	pair := cat(name, set(oneByte(0)), target)
	entry.perms, entry.exec = Link, nil
	l.add(pair, entry)
	if subset {
		entry.perms, entry.owner = Lock, true
		l.add(pair, entry)
	}
}

// addImplied adds the rules that apparmor_parser gives to profiles with hats and
// to profiles that change profile, so that aa_change_hat(3) and
// aa_change_profile(3) can reach the kernel.
func (p *Profile) addImplied(l *layer) {
	hats := p.Hat
	for _, other := range p.siblingProfiles() {
		hats = hats || other.Parent == p
	}
	changes := slices.ContainsFunc(p.Rules, func(r Rule) bool {
		_, ok := r.(*ChangeProfileRule)
		return ok
	})
	add := func(glob string, perms Perms) {
		if e, err := parseGlob(glob, false); err == nil {
			l.add(e, fileEntry{perms: perms, owner: true})
		}
	}
	if hats {
		add("/proc/[0-9]*/attr/{apparmor/,}current", Write)
	}
	if changes {
		add("/proc/*/attr/{apparmor/,}{current,exec}", Write)
	}
	if hats || changes {
		add("/proc/*/attr/apparmor/", Read)
		add("/sys/module/apparmor/parameters/enabled", Read)
	}
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
		d.collect(&a, &d.layers[i], d.layers[i].files.match(key), owner)
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
		v := e.vote
		v.perms = e.perms
		a.votes = append(a.votes, v)
		if e.exec != nil {
			a.choose(e)
		}
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

func sameTransition(a, b Transition) bool {
	target := func(t Transition) string {
		if t.Target == nil {
			return ""
		}
		return t.Target.Source
	}
	return a.Mode == b.Mode && a.Fallback == b.Fallback && a.Unsafe == b.Unsafe && target(a) == target(b)
}

func (p *Profile) decideFile(r FileRequest, d *Decision) {
	a := p.ask(r.Path, r.Owner)
	d.settle(r.Perms, a.votes)
	if r.Perms&Link != 0 && r.Target != "" && d.Granted&Link != 0 {
		p.decideLink(r, a, d)
	}
	if d.Granted&Exec != 0 && a.exec != nil {
		p.decideExec(r, a, d)
	}
	for _, lost := range p.decider.lost {
		if d.Refused|d.Unmatched != 0 && lost.Path.Match(r.Path) {
			d.Notes = append(d.Notes, "the rule at "+lost.At.String()+
				" has no effect: apparmor_parser merges it with the change_profile rule that names the same text")
		}
	}
	if d.Granted != 0 && len(d.Allow) == 0 {
		d.Notes = append(d.Notes, "granted by a rule that apparmor_parser adds to profiles with hats or change_profile rules")
	}
}

// decideLink does the second half of a link check: profile_path_link() in
// security/apparmor/file.c. The new name grants l; now the pair must, and with
// subset the new name may grant nothing that the target does not.
func (p *Profile) decideLink(r FileRequest, name fileAnswer, d *Decision) {
	link := count(name.votes)
	pair := p.ask(r.Path+"\x00"+r.Target, r.Owner)
	both := Decision{profile: p}
	both.settle(Link, pair.votes)
	for _, rule := range both.Allow {
		if !slices.Contains(d.Allow, rule) {
			d.Allow = append(d.Allow, rule)
		}
	}
	d.Deny = append(d.Deny, both.Deny...)
	switch {
	case both.Granted == 0:
		d.Notes = append(d.Notes, "no rule pairs the new name with this target")
		if both.Refused != 0 {
			d.Notes[len(d.Notes)-1] = "a deny rule forbids this pair of names"
		}
	case count(pair.votes).allow&Lock != 0:
		target := p.ask(r.Target, r.Owner)
		extra := link.allow &^ count(target.votes).allow &^ Link
		if extra == 0 && link.allow&Exec != 0 && !linkExecSubset(name, target) {
			extra = Exec
		}
		if extra == 0 {
			return
		}
		both.Unmatched = Link
		d.Notes = append(d.Notes, "the new name would have permissions that the target has not: "+extra.String())
	default:
		return
	}
	d.Granted &^= Link
	d.Audited &^= Link
	d.Refused |= both.Refused
	d.Unmatched |= both.Unmatched
	d.quiet |= both.quiet
	d.Quiet = d.Refused|d.Unmatched == d.quiet
	d.Permitted = p.HasFlag("complain") && !d.Quiet
}

// linkExecSubset is xindex_is_subset() of the kernel: the same transition, and
// the link may not skip the scrubbing that the target demands.
func linkExecSubset(link, target fileAnswer) bool {
	if link.exec == nil || target.exec == nil {
		return link.exec == target.exec
	}
	l, t := *link.exec, *target.exec
	scrubs := l.Unsafe && !t.Unsafe
	l.Unsafe, t.Unsafe = false, false
	return sameTransition(l, t) && !scrubs
}

// An Execution is where an execution leads.
type Execution struct {
	Rule       *FileRule  // that chose the transition; nil if an all rule did
	Transition Transition // its mode and target
	// Profile is the full name of the profile that the program runs under, "" if
	// that cannot be told from this policy.
	Profile string
	// Missing reports that neither the policy holds the profile that the
	// transition asks for nor the rule has a fallback. The kernel then refuses the
	// execution, unless another policy file brings the profile.
	Missing bool
}

func (p *Profile) decideExec(r FileRequest, a fileAnswer, d *Decision) {
	x := &Execution{Transition: *a.exec}
	d.Exec = x
	if rule, ok := a.execRule.(*FileRule); ok {
		x.Rule = rule
	}
	if a.conflict {
		d.Notes = append(d.Notes, "rules give this program different exec transitions: apparmor_parser refuses the profile")
	}
	mode := x.Transition.Mode
	if mode == ToProfile || mode == ToChild {
		x.Profile = p.execTarget(x.Transition, r.Path)
		if x.Profile != "" {
			return
		}
		mode = x.Transition.Fallback
	}
	switch mode {
	case Inherit:
		x.Profile = p.FullName()
	case Unconfined:
		x.Profile = "unconfined"
	default:
		x.Missing = true
		d.Notes = append(d.Notes, "the policy has no profile for "+x.Transition.String()+" to change to; the kernel refuses the execution if none is loaded")
	}
}

// execTarget returns the name of the profile of the policy that px or cx leads
// to, or "".
func (p *Profile) execTarget(t Transition, path string) string {
	if t.Target == nil {
		parent := p
		if t.Mode == ToProfile {
			parent = nil
		}
		return p.attached(parent, path)
	}
	target := t.Target.Source
	name := strings.TrimPrefix(target, "&")
	if t.Mode == ToChild {
		name = p.Name + "//" + name
	}
	for _, other := range p.siblingProfiles() {
		if other.FullName() != name && (other.Name != name || other.Namespace != p.Namespace) {
			continue
		}
		if name != target && t.Mode == ToProfile { // stacked
			return p.FullName() + "//&" + other.FullName()
		}
		return other.FullName()
	}
	return ""
}

// attached returns the profile with the given parent that attaches to a program
// most specifically: by its literal name, else by the longest literal start.
func (p *Profile) attached(parent *Profile, path string) string {
	best, length := "", -1
	for _, other := range p.siblingProfiles() {
		if other.Parent != parent || other.Namespace != p.Namespace || other.Hat ||
			other.Attachment == nil || !other.Attachment.Match(path) {
			continue
		}
		n := strings.IndexAny(other.Attachment.Source, "*?[{@")
		if _, ok := other.Attachment.Literal(); ok {
			n = 1 << 20
		}
		if n > length {
			best, length = other.FullName(), n
		}
	}
	return best
}

// An ExecConflict is two rules that give one program different exec transitions
// and of which neither is more specific. apparmor_parser refuses the profile:
// "has merged rule with conflicting x modifiers".
type ExecConflict struct {
	A, B    *FileRule
	Example string // a shortest program that both match
}

// ExecConflicts returns the conflicting exec rules of the profile, in source
// order. A rule without * ** ? and [ ] wins over one that has them, so these do
// not conflict. It takes time quadratic in the number of exec rules.
func (p *Profile) ExecConflicts() []ExecConflict {
	var conflicts []ExecConflict
	var execs []*FileRule
	for _, r := range p.Rules {
		b, ok := r.(*FileRule)
		if !ok || b.Deny || b.Perms&Exec == 0 || b.Path != nil && b.Path.Err() != nil || slices.Contains(p.compile().lost, b) {
			continue
		}
		for _, a := range execs {
			if a.Priority != b.Priority || sameTransition(a.Exec, b.Exec) || a.exact() != b.exact() {
				continue
			}
			if example, ok := Overlaps(filePattern(a), filePattern(b)); ok {
				conflicts = append(conflicts, ExecConflict{a, b, example})
			}
		}
		execs = append(execs, b)
	}
	return conflicts
}

// filePattern returns the path pattern of a rule, that of the bare rule file,
// included.
func filePattern(r *FileRule) *Pattern {
	if r.Path == nil {
		return everyFile
	}
	return r.Path
}

var everyFile = &Pattern{Source: "/{**,}", Expanded: []string{"/{**,}"}}

// exact reports whether the rule's path is one that dominates in the choice of
// an exec transition.
func (r *FileRule) exact() bool { return filePattern(r).expr().exact() }
