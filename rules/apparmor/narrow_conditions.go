package apparmor

import (
	"cmp"
	"reflect"
	"slices"
	"strings"
)

// A ruleCondition is a condition of a rule, and what the request has there.
type ruleCondition struct {
	key   string // peer=; "" for a name that stands by itself
	peer  bool   // inside peer=( )
	value string
	glob  *Pattern // nil for any
	any   *Pattern // what any is; nil for every name
	kind  textKind
	// Of a condition with a list in place of a glob: what it lists, nil for any;
	// all that can be; and how several are written.
	listed, known []string
	together      bool // set=(a b), not a rule for each
	ignored       bool // the request is not asked for it
}

// text returns the condition as the rule writes it, "" if it does not.
func (c *ruleCondition) text() string {
	switch {
	case c.known == nil && c.glob != nil:
		return c.glob.At.Text()
	case c.listed != nil:
		return c.list(c.listed)
	}
	return ""
}

// name returns what a message calls the condition.
func (c *ruleCondition) name() string {
	name := strings.TrimSuffix(c.key, "=")
	switch {
	case name == "":
		return "name"
	case name == "set":
		return "signal"
	case c.peer:
		return "peer " + name
	}
	return name
}

func (c *ruleCondition) list(values []string) string {
	if c.together {
		return "(" + strings.Join(values, " ") + ")"
	}
	return values[0]
}

// without returns the texts that together say what the condition does but for
// the request's value.
func (c *ruleCondition) without(res *resolver) ([]string, bool) {
	if c.known != nil {
		values := c.listed
		if values == nil {
			values = c.known
		}
		left := slices.DeleteFunc(slices.Clone(values), func(v string) bool { return v == c.value })
		switch {
		case len(left) == len(values):
			return nil, false
		case len(left) == 0:
			return nil, true
		case c.together:
			return []string{c.list(left)}, true
		}
		return left, true
	}
	glob := c.glob
	if glob == nil {
		glob = cmp.Or(c.any, anyProfile)
	}
	if name, ok := glob.Literal(); ok {
		return nil, name == c.value
	}
	globs, ok := except(res, glob, c.kind, c.value, false)
	for i, g := range globs {
		if strings.ContainsRune(g, ',') && quoted(g) == g {
			g = `"` + g + `"`
		}
		globs[i] = quoted(g)
	}
	return globs, ok
}

// A conditional is a rule of permissions and conditions.
type conditional struct {
	word         string
	perms, asked Perms
	conditions   []ruleCondition
}

// write writes the rule with other permissions, and another text for one of the
// conditions. Of the lists before that one the request's value alone is written: what has
// another is in the rules for those.
func (c *conditional) write(perms Perms, changed int, text string) string {
	words := []string{c.word, "(" + perms.Words() + ")"}
	var peer []string
	for i := range c.conditions {
		cond := &c.conditions[i]
		value := cond.text()
		switch {
		case i == changed:
			value = text
		case i < changed && cond.listed != nil && cond.value != "" && !cond.ignored:
			value = cond.list([]string{cond.value})
		}
		switch {
		case value == "":
		case cond.peer:
			peer = append(peer, cond.key+value)
		default:
			words = append(words, cond.key+value)
		}
	}
	if len(peer) > 0 {
		words = append(words, "peer=("+strings.Join(peer, ", ")+")")
	}
	return strings.Join(words, " ") + ","
}

// narrowConditions leaves a request out of a rule of permissions and conditions:
// the permissions that were not asked for stay on all that it matches, those
// that were on all that differs in one condition, each in a rule of its own.
func (p *Profile) narrowConditions(r Rule, req Request, c conditional) (n Narrowed, ok bool) {
	if c.perms&c.asked == 0 {
		return n, false
	}
	var texts []string
	start := qualifiersOf(r, c.word)
	if left := c.perms &^ c.asked; left != 0 {
		texts = append(texts, start+c.write(left, -1, ""))
	}
	var notes []string
	res := p.resolver(false)
	for i := range c.conditions {
		cond := &c.conditions[i]
		if cond.ignored {
			continue
		}
		if cond.value == "" {
			notes = append(notes, "The request does not say its "+cond.name()+": it is left out for every one.")
			continue
		}
		others, ok := cond.without(res)
		if !ok {
			return n, false
		}
		if cond.known != nil && cond.listed == nil {
			notes = append(notes, "The rule covered every "+cond.name()+"; now those known so far are listed.")
		}
		for _, text := range others {
			texts = append(texts, start+c.write(c.perms&c.asked, i, text))
		}
	}
	return p.narrowedBut(r, req, texts, strings.Join(notes, " "), neighbours(req), func(other Request) bool {
		if u, ok := r.(*UnixRule); ok {
			return within(other, u.asked(req.(UnixRequest)))
		}
		return within(other, req)
	})
}

// sameElsewhere reports whether rules refuse what one does but for a request, by
// asking both about the request and others, which are those that differ from it in any of
// their fields. That globs differ in one name alone is proved by except.
func (p *Profile) sameElsewhere(r Rule, texts []string, req Request, others []Request, but func(Request) bool) bool {
	res := p.resolver(true)
	before := readRule(r.Location().Text())
	var after []Rule
	for _, text := range texts {
		rule := readRule(text)
		if rule == nil || reflect.TypeOf(rule) != reflect.TypeOf(r) || rule.Head().Qualifiers != before.Head().Qualifiers {
			return false
		}
		after = append(after, rule.resolve(res))
	}
	if len(res.diags) > 0 || !refuses(r, req) {
		return false
	}
	return !slices.ContainsFunc(others, func(other Request) bool {
		want := refuses(r, other) && !but(other)
		return want != slices.ContainsFunc(after, func(rule Rule) bool { return refuses(rule, other) })
	})
}

// refuses reports whether a deny rule takes something of a request.
func refuses(r Rule, req Request) bool {
	perms, diff := req.ask(r)
	return len(diff) == 0 && perms&req.wanted() != 0
}

// A variant is a request whose fields can be set through pointers.
type variant struct {
	request func() Request // as the fields stand
	perms   *Perms         // nil for a class without
	fields  []variedField  // that rules tell requests apart by
}

// A variedField is a field of a request, and all that it can be where that is a
// list.
type variedField struct {
	value *string
	known []string
}

// within reports whether a request is part of another one of its class, whose
// empty fields are unknown.
func within(req, whole Request) bool {
	if req.wanted()&^whole.wanted() != 0 {
		return false
	}
	a, b := req.variant().fields, whole.variant().fields
	for i := range a {
		if *b[i].value != "" && *a[i].value != *b[i].value {
			return false
		}
	}
	return true
}

// neighbours returns a request and those that differ from it in any fields: in
// all that a field can be where that is a list, else in a longer name and two
// other ones. Of permissions each is asked for by itself.
func neighbours(req Request) (all []Request) {
	v := req.variant()
	var vary func(fields []variedField)
	vary = func(fields []variedField) {
		if len(fields) == 0 {
			all = append(all, v.request())
			return
		}
		field := fields[0]
		was, values := *field.value, field.known
		if values == nil {
			values = []string{was, was + "x", "/other/"}
		}
		for _, *field.value = range values {
			vary(fields[1:])
		}
		*field.value = was
	}
	if v.perms == nil || *v.perms == 0 {
		vary(v.fields)
		return all
	}
	for *v.perms = 1; *v.perms != 0; *v.perms <<= 1 {
		vary(v.fields)
	}
	return all
}
