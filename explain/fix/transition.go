package fix

import (
	"github.com/whydenied/whydenied/rules"
	"github.com/whydenied/whydenied/rules/apparmor"
)

// Flag proposes to add a flag to a profile: attach_disconnected or mediate_deleted.
// It is not proved against the access, as no rule decides that. attached is the access
// as it is once attach_disconnected has the path begin at the root, nil if that is not
// known: where the profile refuses it then, the fix has a rule for it, after the flag.
func (p *Proposer) Flag(profile *apparmor.Profile, flag string, attached *apparmor.FileRequest, c Caller) []rules.Fix {
	fix := rules.Fix{
		Message: "add the flag " + flag,
		Rule:    "flags=(" + flag + ")",
		Edits:   []rules.Edit{profile.AddFlag(flag)},
		Grants:  "whatever the rules say of such paths, as if they began at the root",
		Risk:    rules.Medium,
		Reason:  "a path outside the container can look like one inside",
	}
	if flag == "mediate_deleted" {
		fix.Grants = "whatever the rules say of the deleted file's old path"
		fix.Risk, fix.Reason = rules.Low, ""
	} else if attached != nil {
		if own := p.attachedRule(profile, *attached, c); own.Edits != nil {
			fix.Message += ", and a rule for the name that the file then has"
			fix.Rule += "\n" + own.Rule
			fix.Edits = append(fix.Edits, own.Edits...)
		}
	}
	if !p.proveDoes(&fix, profile, func(edited *apparmor.Profile) bool {
		return edited.HasFlag(flag) && (attached == nil || len(fix.Edits) == 1 || edited.Grants(*attached))
	}) {
		return nil
	}
	return []rules.Fix{fix}
}

// attachedRule is the rule that is needed beside attach_disconnected, if one is: that the
// profile does not allow the access by the name that it then has.
func (p *Proposer) attachedRule(profile *apparmor.Profile, req apparmor.FileRequest, c Caller) rules.Fix {
	d := profile.Decide(req)
	if d.Refused != 0 || d.Unmatched == 0 {
		return rules.Fix{}
	}
	candidates, _ := p.Candidates(profile, req, d, c)
	for _, candidate := range candidates {
		if _, ok := p.prove(&candidate, profile, req); ok {
			return candidate
		}
	}
	return rules.Fix{}
}

// Transition proposes another exec mode for a program whose transition by a rule
// failed: to stay in the profile under no_new_privs, or to fall back to that where
// the target is not loaded.
func (p *Proposer) Transition(profile *apparmor.Profile, rule *apparmor.FileRule, program string, notLoaded bool) []rules.Fix {
	exec, message := inherit, "stay in this profile"
	if notLoaded {
		exec, message = rule.Exec.OrInherit(), "stay in this profile where the target is not loaded"
	}
	edits, text := execEdits(profile, rule, program, exec)
	fix := rules.Fix{
		Message: message,
		Rule:    text,
		Edits:   edits,
		Grants:  "the program runs with this profile's rules, which must then cover what it does",
		Risk:    rules.Medium,
		Reason:  "two programs share one set of rules",
	}
	return p.executes(fix, profile, program, exec)
}

// Link proposes to have a link executed as its target is, where both may be and
// otherwise: the kernel compares the transitions of a link and its target.
func (p *Proposer) Link(profile *apparmor.Profile, name, to string) []rules.Fix {
	target, link := execRule(profile, to), execRule(profile, name)
	if target == nil || link == nil {
		return nil
	}
	edits, text := execEdits(profile, link, name, target.Exec)
	fix := rules.Fix{
		Message: "let the link run as its target does",
		Rule:    text,
		Edits:   edits,
		Grants:  "what the rule for " + to + " does, by another name of the same file",
		Risk:    rules.Low,
	}
	return p.executes(fix, profile, name, target.Exec)
}

// execRule returns the rule that decides how a program runs, or nil.
func execRule(profile *apparmor.Profile, path string) *apparmor.FileRule {
	for _, r := range profile.Decide(apparmor.FileRequest{Path: path, Perms: apparmor.Exec, Owner: true}).Allow {
		if rule, ok := r.(*apparmor.FileRule); ok && rule.Path != nil && rule.Exec.Mode != 0 {
			return rule
		}
	}
	return nil
}

// execEdits returns the edits that have one program run in another mode than the
// rule that decides it now says, and the rule that does so: that one changed if
// it names the program alone, else a new one, which wins over a glob.
func execEdits(profile *apparmor.Profile, rule *apparmor.FileRule, path string, exec apparmor.Transition) ([]rules.Edit, string) {
	if rule.Path != nil {
		if _, literal := rule.Path.Literal(); literal {
			if exec.Mode != apparmor.Inherit && exec.Target != rule.Exec.Target {
				return nil, "" // the rule keeps its own
			}
			edits, text, _ := rule.ChangeExec(exec)
			return edits, text
		}
	}
	text := apparmor.RuleFor(apparmor.FileRequest{Path: path, Perms: apparmor.Exec}, exec)
	return Insert(profile, text, "").Edits, text
}

// executes returns a fix after which a program is proved to run in a mode, if it is one.
func (p *Proposer) executes(fix rules.Fix, profile *apparmor.Profile, program string, exec apparmor.Transition) []rules.Fix {
	if len(fix.Edits) == 0 || !p.proveDoes(&fix, profile, func(edited *apparmor.Profile) bool {
		runs := edited.Decide(apparmor.FileRequest{Path: program, Perms: apparmor.Exec, Owner: true}).Exec
		return runs != nil && runs.Transition.String() == exec.String() && targetOf(runs.Transition) == targetOf(exec)
	}) {
		return nil
	}
	return []rules.Fix{fix}
}

// targetOf returns the profile that a transition names, "" for none.
func targetOf(exec apparmor.Transition) string {
	if exec.Target == nil {
		return ""
	}
	return exec.Target.Source
}
