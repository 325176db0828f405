package coverage

import (
	"fmt"
	"slices"
	"strings"

	"github.com/whydenied/whydenied/explain/library"
	"github.com/whydenied/whydenied/rules"
	"github.com/whydenied/whydenied/rules/apparmor"
	"github.com/whydenied/whydenied/rules/seccomp"
)

// A Minimal is what policy can do without, as one change that is proved as a whole.
type Minimal struct {
	Removed  []Rule // dead: the policy answers everything alike without them
	Narrowed []Rule // to their Narrower
	Dropped  []Rule // not observed, though their use would have been seen
	Changes  []rules.Change
	Kept     []string // what was left as it is, and why, a sentence each
}

// Minimise removes the dead rules of profiles. If narrow is set, it also puts narrower rules in
// place of those that are broader than what was seen, and removes allow rules that were not observed though their use
// would have been: then nothing is granted besides, and all that was seen is decided as before. Rules of
// included files that others have, too, are left. What is not proved in the end is left out.
func Minimise(l *library.Library, profiles []Profile, narrow bool) (m Minimal, err error) {
	byPolicy := map[*apparmor.Policy][]*Profile{}
	var policies []*apparmor.Policy
	for i := range profiles {
		p := &profiles[i]
		switch {
		case p.Seccomp != nil:
			err = m.seccomp(p, narrow)
		case p.AppArmor.At.File.Builtin != "":
			m.keep("%s is built in: write it to a file first, with whydenied observe --format profile or the engine's own means", p.Name)
		case byPolicy[p.AppArmor.Policy] == nil:
			policies = append(policies, p.AppArmor.Policy)
			fallthrough
		default:
			byPolicy[p.AppArmor.Policy] = append(byPolicy[p.AppArmor.Policy], p)
		}
		if err != nil {
			return m, err
		}
	}
	for _, policy := range policies {
		w := minimiser{library: l, policy: policy, profiles: byPolicy[policy], minimal: &m}
		w.run(narrow)
	}
	return m, nil
}

func (m *Minimal) keep(format string, args ...any) {
	m.Kept = append(m.Kept, fmt.Sprintf(format, args...))
}

// A step is one edit of a rule.
type step struct {
	rule   Rule
	edit   rules.Edit
	narrow bool // it is proved by what was seen
}

// A minimiser makes one policy smaller.
type minimiser struct {
	library  *library.Library
	policy   *apparmor.Policy
	profiles []*Profile
	minimal  *Minimal
	taken    []step
}

func (w *minimiser) run(narrow bool) {
	var dead, rest []step
	for _, p := range w.profiles {
		for _, r := range p.Rules {
			switch {
			case r.Shared():
			case r.Dead:
				if edit, ok := apparmor.RemoveRule(r.AppArmor); ok {
					dead = append(dead, step{rule: r, edit: edit})
				}
			case narrow && r.Narrower != "":
				rest = append(rest, step{r, rules.Edit{At: r.At, New: indented(r.At, r.Narrower)}, true})
			case narrow && r.State == Unobserved && !r.AppArmor.Head().Deny:
				if edit, ok := apparmor.RemoveRule(r.AppArmor); ok {
					rest = append(rest, step{r, edit, true})
				}
			}
		}
	}
	w.take(dead)
	w.take(rest)
	var edits []rules.Edit
	for _, s := range w.taken {
		edits = append(edits, s.edit)
		switch {
		case !s.narrow:
			w.minimal.Removed = append(w.minimal.Removed, s.rule)
		case s.rule.Narrower != "":
			w.minimal.Narrowed = append(w.minimal.Narrowed, s.rule)
		default:
			w.minimal.Dropped = append(w.minimal.Dropped, s.rule)
		}
	}
	if changes, err := rules.Apply(edits); err == nil {
		w.minimal.Changes = append(w.minimal.Changes, changes...)
	}
}

// indented puts rules on lines of their own, as far in as the one whose place they take.
func indented(at rules.Location, text string) string {
	line, _ := at.File.Position(at.Span.Start)
	before := at.File.Text[at.File.LineStart(line):at.Span.Start]
	if strings.Trim(before, " \t") != "" {
		return strings.ReplaceAll(text, "\n", " ")
	}
	return strings.ReplaceAll(text, "\n", "\n"+before)
}

// take takes steps that are proved together with those taken before, or else each half of them; one
// that is not proved by itself is left.
func (w *minimiser) take(steps []step) {
	switch {
	case len(steps) == 0:
	case w.proved(slices.Concat(w.taken, steps)):
		w.taken = append(w.taken, steps...)
	case len(steps) == 1:
		w.minimal.keep("%s: `%s` is left as it is, as the changed policy could not be proved", steps[0].rule.At, steps[0].rule.At.Text())
	default:
		w.take(steps[:len(steps)/2])
		w.take(steps[len(steps)/2:])
	}
}

// proved loads the policy with steps, and compares each profile: without the narrowing ones all is
// answered alike, with them nothing is granted besides, and what was seen is decided as before.
func (w *minimiser) proved(steps []step) bool {
	edits, narrows := make([]rules.Edit, len(steps)), false
	for i, s := range steps {
		edits[i], narrows = s.edit, narrows || s.narrow
	}
	changes, err := rules.Apply(edits)
	if err != nil {
		return false
	}
	after, diagnostics, _ := library.Reload(w.library.Loader, w.policy, changes)
	if len(rules.Errors(diagnostics)) > len(w.library.Problems(w.policy)) || len(after.Profiles) != len(w.policy.Profiles) {
		return false
	}
	for i, p := range w.policy.Profiles {
		changed := after.Profiles[i]
		if changed.FullName() != p.FullName() {
			return false
		}
		if !narrows {
			if c := apparmor.CompareProfiles(p, changed); !c.Equal() {
				return false
			}
			continue
		}
		if gains, complete := apparmor.Gains(p, changed); len(gains) > 0 || !complete {
			return false
		}
	}
	for _, p := range w.profiles {
		changed := after.Profile(p.Name)
		if changed == nil || slices.ContainsFunc(p.seen, func(o *observation) bool { return !sameDecision(p.AppArmor, changed, o.request) }) {
			return false
		}
	}
	return true
}

// sameDecision reports whether a profile decides an access as another does.
func sameDecision(a, b *apparmor.Profile, req apparmor.Request) bool {
	was, is := a.Decide(req), b.Decide(req)
	return was.Granted == is.Granted && was.Audited == is.Audited && was.Quiet == is.Quiet && sameExecution(was.Exec, is.Exec)
}

// seccomp removes names of a seccomp profile. What containers need to start stays, whether a trace
// shows it or not.
func (m *Minimal) seccomp(p *Profile, narrow bool) error {
	if p.Seccomp.File.Builtin != "" {
		m.keep("%s is built in: write it to a file first, with whydenied observe --format profile", p.Name)
		return nil
	}
	parts := p.Seccomp.Parts()
	var drop []seccomp.Part
	for i, r := range p.Rules {
		switch {
		case r.Dead:
			m.Removed = append(m.Removed, r)
		case narrow && r.State == Unobserved && !r.Undecided && r.Entry.Action.Permits() && !seccomp.Starts(r.Name):
			m.Dropped = append(m.Dropped, r)
		default:
			continue
		}
		drop = append(drop, parts[i])
	}
	if len(drop) == 0 {
		return nil
	}
	edits, err := p.Seccomp.RemoveParts(drop)
	if err != nil {
		return err
	}
	changed, err := p.Seccomp.Edited(edits)
	if err != nil {
		return err
	}
	permits := func(g seccomp.Gain) bool { return g.Permits() }
	for _, runtime := range []string{seccomp.Runc, seccomp.Crun} {
		gains, complete := seccomp.GainsBy(seccomp.Loader{Runtime: runtime}, p.Seccomp, changed)
		if !complete || len(m.Dropped) == 0 && len(gains) > 0 || slices.ContainsFunc(gains, permits) {
			return fmt.Errorf("%s: what is left of the profile could not be proved to grant nothing else; it is left as it is", p.Seccomp.File.Name)
		}
	}
	for _, o := range p.seen {
		was, is := p.Seccomp.Decide(o.call), changed.Decide(o.call)
		if was.Action != is.Action || was.Errno != is.Errno {
			return fmt.Errorf("%s: what was seen would be decided otherwise; it is left as it is", p.Seccomp.File.Name)
		}
	}
	changes, err := rules.Apply(edits)
	m.Changes = append(m.Changes, changes...)
	return err
}
