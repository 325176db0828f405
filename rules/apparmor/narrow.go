package apparmor

import (
	"reflect"
	"strings"

	"github.com/whydenied/whydenied/rules"
)

// A Narrowed is a deny rule that leaves out one request.
type Narrowed struct {
	Edits []rules.Edit
	Text  string // the rules that stand in its place, one a line; "" if the rule goes
	// Note says what the text does not: where it lists all that is known of
	// something, or leaves out more than the request names. "" for nothing.
	Note string
}

// maxNarrowed is how many bytes the rules that replace one may take.
const maxNarrowed = 4000

// NarrowDeny returns what makes a deny rule of the profile leave out some
// permissions of a request, and refuse all else that it did. perms counts for
// files alone; the other classes leave out those of the request. A field of the
// request that is empty is unknown, and left out whatever it is.
//
// It reports false for a rule that is shared or does not refuse
// the request, and where no rules of reasonable length say exactly that. As w
// holds a, both are left out together. What is returned has been read again and
// compared with the rule.
func (p *Profile) NarrowDeny(r Rule, req Request, perms Perms) (n Narrowed, ok bool) {
	h := r.Head()
	if !h.Deny || h.Shared {
		return n, false
	}
	before := readRules(h.At.Text())
	if len(before) != 1 || reflect.TypeOf(before[0]) != reflect.TypeOf(r) {
		return n, false // two rules of one text
	}
	return r.narrow(p, req, perms)
}

// narrowed puts rules in the place of a deny rule that refuses a request, if they
// are not too long and refuse all else that it did.
func (p *Profile) narrowed(r Rule, req Request, texts []string, note string) (Narrowed, bool) {
	return p.narrowedBut(r, req, texts, note, neighbours(req), func(other Request) bool { return within(other, req) })
}

// narrowedBut is narrowed for rules that leave out more than the request: all of the
// others that but reports.
func (p *Profile) narrowedBut(r Rule, req Request, texts []string, note string, others []Request, but func(Request) bool) (Narrowed, bool) {
	if len(strings.Join(texts, "\n")) > maxNarrowed || !p.sameElsewhere(r, texts, req, others, but) {
		return Narrowed{}, false
	}
	edits, text, ok := replaceRule(r, texts)
	return Narrowed{edits, text, note}, ok
}

// replaceRule returns the edit that puts rules where one stands, and their text.
func replaceRule(r Rule, texts []string) (edits []rules.Edit, text string, ok bool) {
	at := r.Location()
	if len(texts) == 0 {
		edit, ok := RemoveRule(r)
		return []rules.Edit{edit}, "", ok
	}
	sep := " "
	if start := at.File.Text[:at.Span.Start]; strings.Trim(start[strings.LastIndexByte(start, '\n')+1:], " \t") == "" {
		sep = lineEnding(at.File.Text, at.Span.Start) + indentation(at)
	}
	text = strings.Join(texts, sep)
	return []rules.Edit{{At: at, New: text}}, text, true
}

// readRules parses the rules of a text, nil if there is an error.
func readRules(text string) []Rule {
	f, _ := parse(rules.NewFile("", "profile x {\n"+text+"\n}\n"), maxTokens)
	if len(f.diags) > 0 || len(f.stmts) != 1 {
		return nil
	}
	profile, ok := f.stmts[0].(*profileStmt)
	if !ok {
		return nil
	}
	var found []Rule
	for _, s := range profile.stmts {
		rule, ok := s.(*ruleStmt)
		if !ok {
			return nil
		}
		found = append(found, rule.rule)
	}
	return found
}

// readRule parses a text that is one rule, else it returns nil.
func readRule(text string) Rule {
	if found := readRules(text); len(found) == 1 {
		return found[0]
	}
	return nil
}

// resolver returns what resolves globs as rules of the profile hold them, with
// the aliases that apply to file rules if asked to.
func (p *Profile) resolver(aliases bool) *resolver {
	r := &resolver{globs: map[globKey]bool{}, policy: &Policy{}, symbols: symbols{vars: map[string]*variable{}}, reported: map[problem]bool{}}
	if p.Policy != nil {
		r.policy.Target, r.policy.ABI = p.Policy.Target, p.Policy.ABI
		for name, values := range p.Policy.Variables {
			r.symbols.vars[name] = &variable{expanded: values}
		}
		if aliases {
			r.policy.Aliases = p.Policy.Aliases
		}
	}
	r.symbols.enter(p)
	return r
}

// qualifiersOf returns the text of a rule before its first word.
func qualifiersOf(r Rule, word string) string {
	text := r.Location().Text()
	return text[:max(strings.Index(text, word), 0)]
}

// A place is a pattern of a rule and what the request has there.
type place struct {
	pattern *Pattern
	value   string
	kind    textKind
}

// narrowPaths narrows each pattern of a rule in a copy of its own: together they
// match all but the request. Every pattern must be written in the rule. aliases
// says whether those of the policy apply to the rule.
func (p *Profile) narrowPaths(r Rule, aliases bool, places ...place) (texts []string, ok bool) {
	res := p.resolver(aliases)
	for _, c := range places {
		if c.pattern == nil || c.value == "" || !c.pattern.Match(c.value) {
			return nil, false
		}
		if _, literal := c.pattern.Literal(); literal {
			continue
		}
		globs, ok := except(res, c.pattern, c.kind, c.value, false)
		if !ok {
			return nil, false
		}
		for _, g := range globs {
			texts = append(texts, amended(r.Location(), []rules.Edit{{At: c.pattern.At, New: quoted(g)}}))
		}
	}
	return texts, true
}
