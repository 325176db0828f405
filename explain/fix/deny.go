package fix

import (
	"fmt"
	"slices"
	"strings"

	"github.com/whydenied/whydenied/rules"
	"github.com/whydenied/whydenied/rules/apparmor"
)

// denyFixes proposes to narrow the deny rules that refuse the access so that
// they leave it out and refuse all else. Where no rule allows the access either, a rule
// for it is added.
func (p *Proposer) denyFixes(profile *apparmor.Profile, req apparmor.Request, d apparmor.Decision) (fixes []rules.Fix, notes []string) {
	perms := deniedPerms(req, d)
	above := p.aboveFixes(profile, req, d)
	narrow := rules.Fix{Message: "make the deny rule leave out this alone"}
	written := map[string]bool{}
	for _, r := range d.Deny {
		if r.Head().Shared {
			fixes, notes = p.inlineFixes(profile, req, r)
			return append(above, fixes...), notes
		}
		narrowed, ok := profile.NarrowDeny(r, req, perms)
		if !ok && len(above) > 0 {
			return above, nil
		}
		if !ok {
			return nil, []string{"No rules of reasonable length say what `" + ruleText(r) + "` does but for this, so no change of it is proposed: it would take away the rest of what it refuses."}
		}
		unrepeated(narrowed.Edits, written)
		narrow.Edits = append(narrow.Edits, narrowed.Edits...)
		narrow.Rule = strings.TrimPrefix(narrow.Rule+"\n"+narrowed.Text, "\n")
		if narrowed.Note != "" {
			notes = append(notes, narrowed.Note)
		}
	}
	if narrow.Rule == "" {
		narrow.Message = "remove the deny rule (it names nothing else)"
	}
	if readable(narrow) {
		return []rules.Fix{p.allowToo(narrow, profile, req)}, notes
	}
	return slices.Concat(above, p.inPlaceFixes(profile, req, d), []rules.Fix{p.allowToo(narrow, profile, req)}), notes
}

// ownRule is a rule for an access alone, with the permissions of a file that it is to grant.
func ownRule(profile *apparmor.Profile, req apparmor.Request, perms apparmor.Perms) string {
	file, ok := req.(apparmor.FileRequest)
	if !ok {
		return apparmor.RuleFor(req, inherit)
	}
	file.Perms = perms
	rule := fileRule(profile, file, inherit)
	if file.Owner {
		rule = "owner " + rule
	}
	return rule
}

// inPlaceFixes proposes a rule for the access in the place of the deny rule, where no rule
// allows anything that it refuses: all else stays refused, and is logged from then on.
func (p *Proposer) inPlaceFixes(profile *apparmor.Profile, req apparmor.Request, d apparmor.Decision) []rules.Fix {
	rule := ownRule(profile, req, d.Refused|d.Unmatched)
	edit, ok := apparmor.RemoveRule(d.Deny[0])
	if _, ofAll := d.Deny[0].(*apparmor.AllRule); ofAll || len(d.Deny) != 1 || !ok || !apparmor.IsRule(rule) {
		return nil
	}
	without := p.Library.Tried([]rules.Edit{edit}, profile)
	if without == nil {
		return nil
	}
	if gains, complete := apparmor.Gains(profile, without); len(gains) > 0 || !complete {
		return nil
	}
	message := "put a rule for this alone in the place of the deny rule: all else that it named stays refused, as no rule allows it"
	if !d.Deny[0].Head().Audit {
		message += ", and is logged from then on"
	}
	return []rules.Fix{{
		Message: message,
		Rule:    rule, Edits: []rules.Edit{{At: d.Deny[0].Location(), New: rule}},
	}}
}

// deniedPerms are the permissions that deny rules are to leave out of an access.
func deniedPerms(req apparmor.Request, d apparmor.Decision) apparmor.Perms {
	if _, isFile := req.(apparmor.FileRequest); isFile && d.Refused&apparmor.Exec != 0 {
		return d.Refused | apparmor.Read | apparmor.Mmap // without which a program cannot run
	}
	return d.Refused
}

// readableClasses is how many negated classes of characters people still read.
const readableClasses = 2

// aboveFixes proposes a rule of a higher priority than the deny rules, which stay as they
// are and refuse all else. It needs apparmor_parser 4.1, and is no fix where nothing says
// that the policy is for that or a newer one.
func (p *Proposer) aboveFixes(profile *apparmor.Profile, req apparmor.Request, d apparmor.Decision) []rules.Fix {
	const highest = 1000 // of what the parser takes
	if !readsPriority(profile.Policy) {
		return nil
	}
	above := 0
	var kept []string
	for _, r := range d.Deny {
		above = max(above, r.Head().Priority+1)
		kept = append(kept, "`"+ruleText(r)+"`")
	}
	fix := Insert(profile, fmt.Sprintf("priority=%d %s", above, ownRule(profile, req, d.Refused|d.Unmatched)), "allow this above the deny rule, which apparmor_parser before 4.1 cannot read; all else that "+strings.Join(kept, " and ")+" names stays refused")
	if above > highest || len(fix.Edits) == 0 {
		return nil
	}
	return []rules.Fix{fix}
}

// readsPriority reports whether a policy is for an apparmor_parser that reads priority=: by
// what is known of the host, or as its abi or a rule of it needs one.
func readsPriority(policy *apparmor.Policy) bool {
	if policy.Target.Parser != "" {
		return policy.Target.AtLeast("4.1")
	}
	return policy.ReadBy("4.1") && !policy.ReadBy("4.0") || policy.ABI != nil && strings.Contains(policy.ABI.Path, "abi/5.")
}

// wholeDenyFixes proposes to take file permissions out of deny rules on all that they name,
// where narrowing them says less than that and another rule keeps permissions of it.
func (p *Proposer) wholeDenyFixes(profile *apparmor.Profile, req apparmor.Request, d apparmor.Decision) []rules.Fix {
	perms := deniedPerms(req, d)
	if _, isFile := req.(apparmor.FileRequest); !isFile || perms == 0 {
		return nil
	}
	wide := rules.Fix{Message: "take this out of the deny rule"}
	for _, r := range d.Deny {
		edits, text, ok := dropPerms(r, perms)
		if !ok || r.Head().Shared {
			return nil
		}
		wide.Edits, wide.Rule = append(wide.Edits, edits...), strings.TrimPrefix(wide.Rule+"\n"+text, "\n")
	}
	return []rules.Fix{p.allowToo(wide, profile, req)}
}

// unrepeated takes out of edits the rules that others have written already, as two
// deny rules that overlap leave much the same.
func unrepeated(edits []rules.Edit, written map[string]bool) {
	for i := range edits {
		var kept []string
		for line := range strings.SplitSeq(edits[i].New, "\n") {
			rule := strings.TrimSpace(line)
			if !written[rule] || rule == "" {
				kept = append(kept, line)
				written[rule] = true
			}
		}
		if len(kept) > 0 {
			edits[i].New = strings.TrimLeft(strings.Join(kept, "\n"), " \t")
		}
	}
}

// inlineFixes proposes what is to be done about a deny rule that other profiles
// share, and that no rule of this one outweighs: instead of the include, the
// profile gets a copy of what it includes, in which the rule is changed.
func (p *Proposer) inlineFixes(profile *apparmor.Profile, req apparmor.Request, denying apparmor.Rule) (fixes []rules.Fix, notes []string) {
	const most = 8 // includes that are copied, one in another
	include := denying.Head().Via[0]
	copied := profile
	var names []string
	for range most {
		d := copied.Decide(req)
		i := slices.IndexFunc(d.Deny, func(r apparmor.Rule) bool { return r.Head().Shared })
		if i < 0 {
			fixes, notes = p.denyFixes(copied, req, d)
			break
		}
		edit, ok := copied.Inline(d.Deny[i])
		if !ok {
			break
		}
		names = append(names, includedFile(d.Deny[i]))
		if copied = p.Library.Edited([]rules.Edit{edit}, copied); copied == nil {
			break
		}
	}
	kept := fixes[:0]
	for _, fix := range fixes {
		if edits, ok := sinceEdits(profile.Policy, fix.Edits); ok {
			fix.Edits = edits
			fix.Message = "copy " + strings.Join(names, " and ") + " into this profile instead of the include, and " + fix.Message
			kept = append(kept, fix)
		}
	}
	note := "The deny rule comes from %s, which other profiles share, and no rule of this profile can outweigh it: leave out the include at %s and copy what is needed of it."
	if len(kept) > 0 {
		note = "The deny rule comes from %s, which other profiles share, and no rule of this profile can outweigh it: the fix puts a copy in place of the include at %s, which later versions of that file do not change."
	}
	return kept, append(notes, fmt.Sprintf(note, denying.Location().File.Name, include))
}

// includedFile is the file that the profile itself includes to have a rule.
func includedFile(r apparmor.Rule) string {
	if via := r.Head().Via; len(via) > 1 {
		return via[1].File.Name
	}
	return r.Location().File.Name
}

// sinceEdits turns edits of a later version of a policy into edits of the policy
// itself, one for each file. It reports false if a file is not of the policy.
func sinceEdits(policy *apparmor.Policy, later []rules.Edit) (edits []rules.Edit, ok bool) {
	changes, err := rules.Apply(later)
	for _, c := range changes {
		i := slices.IndexFunc(policy.Files, func(f *rules.File) bool { return f.Name == c.File.Name })
		if i < 0 {
			return nil, false
		}
		file := policy.Files[i]
		lines := rules.Change{File: file, New: c.New}.LineEdits()
		if len(lines) == 0 {
			continue
		}
		span := rules.Span{Start: lines[0].At.Span.Start, End: lines[len(lines)-1].At.Span.End}
		edits = append(edits, rules.Edit{At: rules.Location{File: file, Span: span}, New: c.New[span.Start : len(c.New)-len(file.Text)+span.End]})
	}
	return edits, err == nil && len(edits) > 0
}

// dropPerms takes permissions out of a deny rule for files that keeps others.
func dropPerms(r apparmor.Rule, perms apparmor.Perms) ([]rules.Edit, string, bool) {
	if file, ok := r.(*apparmor.FileRule); ok && file.Path != nil && file.Perms&^perms != 0 {
		return file.SetPerms(file.WithoutPerms(perms))
	}
	return nil, "", false
}

// allowToo adds to a fix of deny rules a rule that allows the access, if
// without the deny nothing does.
func (p *Proposer) allowToo(fix rules.Fix, profile *apparmor.Profile, req apparmor.Request) rules.Fix {
	edited := p.Library.Tried(fix.Edits, profile)
	if edited == nil {
		return fix
	}
	d := edited.Decide(req)
	if d.Unmatched == 0 {
		return fix
	}
	rule := ownRule(profile, req, d.Unmatched)
	if !apparmor.IsRule(rule) {
		return rules.Fix{}
	}
	fix.Edits = append(fix.Edits, profile.Insert(rule))
	fix.Message += " and allow it"
	fix.Rule = strings.TrimPrefix(fix.Rule+"\n"+rule, "\n")
	return fix
}
