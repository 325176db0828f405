package apparmor

import (
	"slices"
	"strings"

	"github.com/whydenied/whydenied/rules"
)

// A spent is what a policy took of the limits when it was loaded.
type spent struct {
	whole    bool // and nothing is wrong with it
	tokens   int  // of its first file
	rules    int
	expanded int // bytes
}

// Tried returns what loading the policy with edits gives of the profile, where less than that
// tells: where they add one rule for files, which executes nothing, as Insert does, or make another
// such rule of one that stands directly in the body. It is nil where the policy has to be loaded.
// The profile is to be asked and not to be edited further: the places of its rules are those before
// the edits, and the new rule has a file of its own.
func (p *Profile) Tried(edits []rules.Edit) *Profile {
	if p.Policy == nil || !p.Policy.spent.whole || len(edits) == 0 || p.Body.File != p.Policy.Files[0] {
		return nil
	}
	i, drop, text := p.onePlace(edits)
	if i < 0 {
		return nil
	}
	rule := p.plainRule(text)
	if rule == nil {
		return nil
	}
	tried := p.withRules(slices.Concat(p.Rules[:i], []Rule{rule}, p.Rules[i+drop:]))
	tried.Xattrs, tried.Identities, tried.Unread = p.Xattrs, p.Identities, p.Unread
	of := p.Policy
	tried.Policy = &Policy{Files: of.Files, Variables: of.Variables, Aliases: of.Aliases, ABI: of.ABI, Target: of.Target,
		Constructs: of.Constructs, Unknown: of.Unknown, Releases: of.Releases, Others: of.Others, sets: of.sets}
	for _, other := range of.Profiles {
		if other == p {
			other = tried
		}
		tried.Policy.Profiles = append(tried.Policy.Profiles, other)
	}
	return tried
}

// onePlace returns where in the profile's rules the one is that edits make, how many it
// replaces, and its text. The place is -1 where that is not all that the edits do.
func (p *Profile) onePlace(edits []rules.Edit) (i, drop int, text string) {
	first := edits[0]
	if first.At.File != p.Body.File {
		return -1, 0, ""
	}
	// The last rule, or include with its rules, that begins before the edit.
	i = len(p.Rules)
	for ; i > 0; i-- {
		if outermost(p.Rules[i-1]).Span.Start <= first.At.Span.Start {
			break
		}
	}
	if len(edits) == 1 && p.local == nil && first == p.Insert(first.New) {
		return i, 0, first.New
	}
	i--
	if i < 0 || !p.standsAlone(i) {
		return -1, 0, ""
	}
	at := p.Rules[i].Location()
	for _, e := range edits {
		if e.At.File != at.File || e.At.Span.Start < at.Span.Start || e.At.Span.End > at.Span.End {
			return -1, 0, ""
		}
	}
	text = amended(at, edits)
	if text == at.Text() {
		return -1, 0, ""
	}
	return i, 1, text
}

// outermost returns where a rule stands in its profile: it, or the include that it is of.
func outermost(r Rule) rules.Location {
	if via := r.Head().Via; len(via) > 0 {
		return via[0]
	}
	return r.Location()
}

// standsAlone reports whether one of the profile's rules is all that a statement directly in
// the body says.
func (p *Profile) standsAlone(i int) bool {
	at := p.Rules[i].Location()
	same := func(i int) bool { return i >= 0 && i < len(p.Rules) && p.Rules[i].Location() == at }
	return len(p.Rules[i].Head().Via) == 0 && !same(i-1) && !same(i+1) &&
		slices.ContainsFunc(p.own(), func(item ownItem) bool { return item.span == at.Span })
}

// plainRule returns the rule of a text as the profile has it, nil where it is none for files alone,
// where anything is to be said about it, or where a limit is met.
func (p *Profile) plainRule(text string) Rule {
	f, tokens := parse(rules.NewFile("", "profile x {\n"+text+"\n}\n"), maxTokens)
	if len(f.diags) > 0 || len(f.constructs) > 0 || len(f.stmts) != 1 {
		return nil
	}
	profile, ok := f.stmts[0].(*profileStmt)
	if !ok || len(profile.stmts) != 1 {
		return nil
	}
	s, ok := profile.stmts[0].(*ruleStmt)
	if !ok {
		return nil
	}
	file, ok := s.rule.(*FileRule)
	if !ok || file.Exec != (Transition{}) || file.Perms&Exec != 0 {
		return nil
	}
	if strings.TrimSpace(f.file.Text[file.At.Span.End:]) != "}" {
		return nil // a comment, which takes in what follows on its line
	}
	by := p.resolver(true)
	rule := file.resolve(by)
	had := p.Policy.spent
	if len(by.diags) > 0 || len(by.policy.Constructs) > 0 ||
		had.tokens+tokens > maxTokens || had.rules+1 > maxRules || had.expanded+by.expanded > maxAll {
		return nil
	}
	return rule
}
