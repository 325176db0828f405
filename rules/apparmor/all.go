package apparmor

import "strings"

// An AllRule is all,: everything that a profile can grant.
type AllRule struct {
	Header
	filesOnly bool // deny all denies files alone, as before 5.0
}

// allRule reads all.
func (p *parser) allRule(h Header) Rule {
	p.advance()
	p.since(&h, "4.0", "all rules")
	if h.Priority != 0 {
		p.errorf(p.loc(p.before, p.last), "bad-qualifier", "priority= is not allowed on all rules")
	}
	return &AllRule{Header: h}
}

func (r *AllRule) resolve(by *resolver) Rule {
	c := *r
	c.filesOnly = by.policy.Target.Parser != "" && !by.policy.Target.AtLeast("5.0")
	return &c
}

// vote is what the rule says of permissions. What deny all refuses is logged, unlike
// what other deny rules do: the corpus of Linux 7.2 with AppArmor 5.0.2.
func (r *AllRule) vote(perms Perms) vote {
	v := voteOf(r, perms)
	v.audit = v.audit || r.Deny
	return v
}

func (r *AllRule) compile(l *layer, _ map[mergeKey]bool) {
	entry := fileEntry{perms: FilePerms, vote: r.vote(0), exec: &Transition{Mode: Inherit}}
	if r.Deny {
		entry.exec = nil
	}
	l.addHalves(everyFile.expr(), anyTarget, entry, true)
	l.addChangeProfile(r, &ChangeProfileRule{Header: r.Header})
}

// cells adds those of the rules that it stands for, each within the bound of a rule.
func (*AllRule) cells(c *celler) {
	left := maxCells
	for _, bare := range readRules(bareRules) {
		c.left = maxCells
		bare.cells(c)
		left = min(left, c.left)
	}
	c.left = left
}

// bareRules are the rules that together say what all says besides files and changes of
// profile.
const bareRules = "capability,\nnetwork,\nmount,\numount,\npivot_root,\nptrace,\nsignal,\nunix,\ndbus,\nuserns,\nmqueue,\nio_uring,"

// narrow writes the rule as one for each class, and narrows that of the request. What
// deny all refuses is logged.
func (r *AllRule) narrow(p *Profile, req Request, perms Perms) (n Narrowed, ok bool) {
	start := qualifiersOf(r, "all")
	if !r.Audit {
		start = "audit " + start
	}
	words := everyFile.Source + " mrwklx,\nchange_profile,"
	if !r.filesOnly {
		words += "\n" + bareRules
	}
	var texts []string
	for word := range strings.Lines(words) {
		text := start + strings.TrimSuffix(word, "\n")
		bare := readRule(text)
		if bare == nil {
			return n, false
		}
		bare = bare.resolve(p.resolver(false))
		if !concerns(bare, req) {
			texts = append(texts, text)
			continue
		}
		one, ok := bare.narrow(p, req, perms)
		if !ok {
			return n, false
		}
		n.Note = joinWords(n.Note, one.Note)
		for line := range strings.Lines(one.Text) {
			texts = append(texts, strings.TrimSpace(line))
		}
	}
	note := n.Note
	n.Edits, n.Text, ok = replaceRule(r, texts)
	n.Note = note
	return n, ok
}

// concerns reports whether a bare rule is of the class of a request.
func concerns(r Rule, req Request) bool {
	if _, file := req.(FileRequest); file {
		_, ok := r.(*FileRule)
		return ok
	}
	perms, diff := req.ask(r)
	return perms != 0 && len(diff) == 0
}

func (*AllRule) labels() []*Pattern { return nil }
