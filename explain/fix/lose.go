package fix

import (
	"slices"
	"strings"

	"github.com/whydenied/whydenied/rules"
	"github.com/whydenied/whydenied/rules/apparmor"
)

// Lost is what a change of policy takes away of what the policy granted.
type Lost struct {
	Losses []apparmor.Loss
	// Complete reports that nothing else is lost.
	Complete bool
	broad    bool // links are lost besides that rules for whole trees permit
}

// LostIn compares all profiles of a policy before and after an edit. A profile that is not
// there any more has lost nothing.
func LostIn(before, after *apparmor.Policy) Lost {
	all := Lost{Complete: true}
	for _, profile := range before.Profiles {
		edited := after.Profile(profile.FullName())
		if edited == nil {
			continue
		}
		losses, complete := apparmor.Losses(profile, edited)
		all.Complete = all.Complete && complete
		for _, l := range losses {
			if l.Broad {
				all.broad = true
			} else {
				all.Losses = append(all.Losses, l)
			}
		}
	}
	return all
}

// Any reports whether anything is lost.
func (l Lost) Any() bool { return len(l.Losses) > 0 }

// ButTransitions leaves out that a program is executed in another way.
func (l Lost) ButTransitions() Lost {
	l.Losses = slices.DeleteFunc(slices.Clone(l.Losses), func(loss apparmor.Loss) bool { return loss.Exec != nil })
	return l
}

// Proof is what is proved of it where nothing is lost.
func (l Lost) Proof() string {
	switch {
	case !l.Complete:
		return "what is no longer allowed was not compared in full"
	case l.broad:
		return "nothing is lost but hard links by this name to files that do not have the permission"
	}
	return "nothing is lost"
}

// Words says what is lost, or "" for nothing.
func (l Lost) Words() string {
	var gains []apparmor.Gain
	for _, loss := range l.Losses {
		gains = append(gains, loss.Gain)
	}
	return GainsWords(gains)
}

// maxMends bounds how often a fix is mended: what is granted to a file that is linked
// to may count for its own links.
const maxMends = 4

// Mend adds to a fix of a profile what keeps it from taking anything away, and returns the
// policy as it then is, nil if that is none, and what is lost all the same. edited is the
// policy with the fix, and load applies edits to that without.
func Mend(fix *rules.Fix, profile *apparmor.Profile, edited *apparmor.Policy, load func([]rules.Edit) *apparmor.Policy) (mended *apparmor.Policy, lost Lost) {
	var mends []rules.Fix
	keeping := func(mends []rules.Fix) (*apparmor.Policy, Lost) {
		edits := slices.Clone(fix.Edits)
		for _, m := range mends {
			edits = append(edits, m.Edits...)
		}
		policy := load(edits)
		if policy == nil {
			return nil, Lost{}
		}
		return policy, LostIn(profile.Policy, policy)
	}
	lost = LostIn(profile.Policy, edited)
	for range maxMends {
		if !lost.Any() {
			break
		}
		more := mendsOf(profile, lost.Losses, mends)
		if len(more) == 0 {
			return nil, lost
		}
		mends = append(mends, more...)
		edited, lost = keeping(mends)
	}
	if lost.Any() {
		return nil, lost
	}
	for i := len(mends) - 1; i >= 0 && len(mends) > 1; i-- { // another may have made it needless
		fewer := slices.Delete(slices.Clone(mends), i, i+1)
		if without, still := keeping(fewer); without != nil && !still.Any() {
			mends, edited, lost = fewer, without, still
		}
	}
	for _, m := range mends {
		fix.Edits = append(slices.Clip(fix.Edits), m.Edits...)
		fix.Rule += "\n" + m.Rule
	}
	if len(mends) > 0 {
		fix.Message += ", and as much to what it is linked to, for a link may not have more than its target"
	}
	return edited, lost
}

// mendsOf returns what gives the targets of lost links the permissions that they lack,
// each once; nil if that is not all that is lost.
func mendsOf(profile *apparmor.Profile, losses []apparmor.Loss, known []rules.Fix) (mends []rules.Fix) {
	for _, loss := range losses {
		link, ok := loss.Example.(apparmor.FileRequest)
		if !ok || loss.Lacks == 0 || loss.Lacks&apparmor.Exec != 0 || !slices.Contains(profile.Rules, loss.Rule) {
			return nil
		}
		mend, ok := targetFix(profile, loss, link)
		if !ok {
			return nil
		}
		same := func(m rules.Fix) bool { return m.Edits[0] == mend.Edits[0] }
		if !slices.ContainsFunc(known, same) && !slices.ContainsFunc(mends, same) {
			mends = append(mends, mend)
		}
	}
	return mends
}

// targetFix grants the target of a lost link what it lacks: by the rule that names it most
// closely or, where none can be changed, by a rule for what the link rule names.
func targetFix(profile *apparmor.Profile, loss apparmor.Loss, link apparmor.FileRequest) (rules.Fix, bool) {
	best, found := rules.Fix{}, -1
	for _, r := range profile.Naming(apparmor.FileRequest{Path: link.Target, Owner: link.Owner}) {
		rule, ok := r.(*apparmor.FileRule)
		if !ok || rule.Path == nil || rule.Owner && !link.Owner {
			continue
		}
		closeness := strings.IndexAny(rule.Path.Source+"*", "*?[{")
		if fix, ok := permsFix(profile, rule, loss.Lacks); ok && closeness > found {
			best, found = fix, closeness
		}
	}
	if found >= 0 {
		return best, true
	}
	glob := apparmor.QuotePath(link.Target)
	if rule, ok := loss.Rule.(*apparmor.LinkRule); ok && rule.Target != nil {
		glob = rule.Target.At.Text()
	}
	text := strings.Replace(apparmor.RuleFor(apparmor.FileRequest{Path: link.Target, Perms: loss.Lacks}, inherit), apparmor.QuotePath(link.Target), glob, 1)
	if link.Owner {
		text = "owner " + text
	}
	own := Insert(profile, text, "")
	return own, len(own.Edits) > 0
}

// takesAway is a note about an access for which there is no fix but one that loses
// something.
func takesAway(lost string) string {
	return "A rule for this would take away what the profile allows: " + lost + "."
}
