package fix

import (
	"fmt"
	"slices"
	"strings"

	"github.com/whydenied/whydenied/rules"
	"github.com/whydenied/whydenied/rules/apparmor"
)

// prove reports whether a fix does what it says and no more, and writes down
// what was proved: the edited profile parses, grants the requests, grants
// nothing else but what Grants then says, and still grants all that the profile did; and
// no edit of it can be left out. What the fix would take away it is mended to keep; lost
// says what that is where it cannot be.
func (p *Proposer) prove(fix *rules.Fix, profile *apparmor.Profile, requests ...apparmor.Request) (lost string, ok bool) {
	edited := p.edited(fix.Edits, profile)
	if edited == nil || !grants(profile, edited, requests) || Conflicts(profile, edited) {
		return "", false
	}
	mended, taken := Mend(fix, profile, edited.Policy, func(edits []rules.Edit) *apparmor.Policy {
		if edited = p.Library.Tried(edits, profile); edited == nil {
			return nil
		}
		return edited.Policy
	})
	if taken.Any() {
		return taken.Words(), false
	}
	enough := func(fewer *apparmor.Profile) bool {
		return grants(profile, fewer, requests) && !LostIn(profile.Policy, fewer.Policy).Any()
	}
	if mended == nil || p.needless(fix.Edits, profile, enough) {
		return "", false
	}
	edited = mended.Profile(profile.FullName())
	gains, complete := apparmor.Gains(profile, edited, requests...)
	fix.Grants = GainsWords(gains)
	fix.Proof = []string{p.parses(profile), "the access is now allowed"}
	if beyond := ProvedBeyond(gains, complete); beyond != "" {
		fix.Proof = append(fix.Proof, beyond)
	}
	fix.Proof = append(fix.Proof, taken.Proof(), eachNeeded)
	d := Worst(requests, gains, edited)
	fix.Risk, fix.Reason = d.Risk, d.Reason
	return "", true
}

// proveDoes is prove for a fix of what no rule decides: does reports whether the kernel will
// not refuse so under an edited profile. What the fix grants besides is not looked at.
func (p *Proposer) proveDoes(fix *rules.Fix, profile *apparmor.Profile, does func(edited *apparmor.Profile) bool) bool {
	answers := func(edited *apparmor.Profile) bool { return does(edited) && !Conflicts(profile, edited) }
	enough := func(edited *apparmor.Profile) bool {
		return answers(edited) && !LostIn(profile.Policy, edited.Policy).ButTransitions().Any()
	}
	edited := p.Library.Tried(fix.Edits, profile)
	if edited == nil || !answers(edited) {
		return false
	}
	lost := LostIn(profile.Policy, edited.Policy)
	if lost.ButTransitions().Any() || p.needless(fix.Edits, profile, enough) {
		return false
	}
	kept := "nothing is lost but how the program was executed"
	if !lost.Any() {
		kept = lost.Proof()
	}
	fix.Proof = []string{p.parses(profile), kept, eachNeeded}
	return true
}

// eachNeeded says what needless has not found.
const eachNeeded = "each edit is needed"

// needless reports whether one of several edits can be left out, as the others are enough.
func (p *Proposer) needless(edits []rules.Edit, profile *apparmor.Profile, enough func(edited *apparmor.Profile) bool) bool {
	for i := range edits {
		fewer := slices.Delete(slices.Clone(edits), i, i+1)
		if len(fewer) == 0 {
			break // the profile as it is, which refuses
		}
		if without := p.Library.Tried(fewer, profile); without != nil && enough(without) {
			return true
		}
	}
	return false
}

// grants reports whether an edited profile grants requests by rules that have an effect
// under its own abi. One that narrows a deny rule need not have: it takes effect away.
func grants(before, edited *apparmor.Profile, requests []apparmor.Request) bool {
	return edited.Grants(requests...) && !slices.ContainsFunc(requests, func(req apparmor.Request) bool {
		return !edited.HasEffect(req) && before.Decide(req).Refused == 0
	})
}

// ProvedBeyond is what is proved of everything but the access that is granted, or "".
func ProvedBeyond(gains []apparmor.Gain, complete bool) string {
	switch {
	case !complete:
		return "what else is allowed was not compared in full"
	case len(gains) == 0:
		return "nothing else is"
	}
	return ""
}

// Conflicts reports whether an edit gave a program two exec transitions of equal
// standing, for which apparmor_parser refuses a profile.
func Conflicts(before, after *apparmor.Profile) bool {
	_, added := apparmor.ChangedRules(before, after)
	if !slices.ContainsFunc(added, func(r apparmor.Rule) bool {
		file, ok := r.(*apparmor.FileRule)
		return ok && file.Perms&apparmor.Exec != 0
	}) {
		return false
	}
	return len(after.ExecConflicts()) > len(before.ExecConflicts())
}

// parses says what edited found of a policy that it could load.
func (p *Proposer) parses(profile *apparmor.Profile) string {
	if len(p.Library.Problems(profile.Policy)) > 0 {
		return "the edited profile has no error that it did not have before"
	}
	return "the edited profile parses"
}

// GainsWords says what a fix grants beyond the denied access, or "" for nothing.
func GainsWords(gains []apparmor.Gain) string {
	const most = 3
	var words []string
	for _, g := range gains {
		words = append(words, gainWords(g))
	}
	if n := len(words) - most; n > 0 {
		words = append(words[:most], fmt.Sprintf("and what %d more rules name", n))
	}
	return strings.Join(words, "; ")
}

// gainWords says what one gain is: exactly one thing, or what its rule names.
func gainWords(g apparmor.Gain) string {
	whose := ""
	switch {
	case g.Owner:
		whose = " where it is the process's own"
	case g.Others:
		whose = " where it belongs to another user"
	}
	switch req := g.Example.(type) {
	case apparmor.FileRequest:
		return fileGainWords(g, req, whose)
	case apparmor.ChangeProfileRequest:
		if req.OnExec != "" {
			return "a change to profile " + req.Target + " with the execution of a program"
		}
		return "a change to profile " + req.Target
	}
	what := "everything else that"
	if g.Rule != nil && g.Rule.Head().Deny {
		what = "more of what" // it may refuse the rest still
	}
	return what + " `" + ruleText(g.Rule) + "` names, such as `" + apparmor.RuleFor(g.Example, inherit) + "`"
}

func fileGainWords(g apparmor.Gain, req apparmor.FileRequest, whose string) string {
	perms := g.Perms
	if perms&apparmor.Write != 0 {
		perms &^= apparmor.Append // which w includes
	}
	what := perms.String()
	if g.Exec != nil {
		what = "execution by " + g.Exec.String()
	}
	switch {
	case req.Target != "":
		return "links such as " + req.Path + " to " + req.Target
	case g.Single:
		return what + " on " + req.Path + whose
	}
	named := "what a rule that AppArmor adds itself names"
	if file, ok := g.Rule.(*apparmor.FileRule); ok {
		named = "every file"
		if file.Path != nil {
			named = "everything that " + file.Path.Source + " names"
		}
		if file.Deny {
			named = "everything that the deny rule for " + file.Path.Source + " named and others allow"
		}
	}
	return what + " on " + named + whose + ", such as " + req.Path
}

func ruleText(r apparmor.Rule) string {
	if r == nil {
		return "a rule that AppArmor adds itself"
	}
	return strings.Join(strings.Fields(r.Location().Text()), " ")
}
