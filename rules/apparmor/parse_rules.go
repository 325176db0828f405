package apparmor

import (
	"github.com/whydenied/whydenied/rules"
)

// A cond is one condition of a rule: name=value, name=(a b) or name in (a b).
type cond struct {
	name   string
	in     bool
	set    bool // :=
	values []*Pattern
	at     rules.Location
}

// conds reads conditions until something else comes.
func (p *parser) conds() ([]cond, bool) {
	var out []cond
	for p.tok.kind == tokCond {
		t := p.advance()
		c := cond{name: t.value}
		switch {
		case p.accept(tokEquals):
		case p.accept(tokIn):
			c.in = true
		default:
			return nil, p.expected("= or in")
		}
		if !p.condValue(&c) {
			return nil, false
		}
		c.at = p.loc(t.start, p.last)
		out = append(out, c)
	}
	return out, true
}

func (p *parser) condValue(c *cond) bool {
	if p.tok.kind == tokValue && !c.in {
		c.values = []*Pattern{p.pattern(p.advance())}
		return true
	}
	if !p.expect(tokOpenParen, "a value or (") {
		return false
	}
	for p.tok.kind == tokValue {
		c.values = append(c.values, p.pattern(p.advance()))
	}
	if len(c.values) == 0 {
		return p.expected("a value")
	}
	return p.expect(tokCloseParen, ") after the values")
}

// condList reads peer=(name=value ...), or xattrs=(...), if it is there.
func (p *parser) condList() (name string, conds []cond, ok bool) {
	if p.tok.kind != tokCondList {
		return "", nil, true
	}
	name = p.advance().value
	if !p.expect(tokEquals, "=") || !p.expect(tokOpenParen, "(") {
		return name, nil, false
	}
	for p.tok.kind == tokCond {
		t := p.advance()
		c := cond{name: t.value}
		if c.set = p.tok.kind == tokSetAssign; c.set {
			p.construct(p.at(p.tok), "a condition with :=", "5.0", "")
		}
		if p.accept(tokEquals) || p.accept(tokSetAssign) {
			for p.tok.kind == tokValue {
				c.values = append(c.values, p.pattern(p.advance()))
			}
			if len(c.values) != 1 {
				return name, nil, p.expected("a value")
			}
		}
		c.at = p.loc(t.start, p.last)
		conds = append(conds, c)
	}
	return name, conds, p.expect(tokCloseParen, ") after the conditions")
}

// peer reads peer=(...) of a rule, if it is there.
func (p *parser) peer() ([]cond, bool) {
	at := p.tok
	name, conds, ok := p.condList()
	if ok && name != "" && name != "peer" {
		p.errorf(p.at(at), "bad-condition", "%s=(...) cannot stand in this rule", name)
	}
	for _, c := range conds {
		if len(c.values) == 0 {
			p.errorf(c.at, "bad-condition", "%s needs a value", c.name)
		}
	}
	return conds, ok
}

// perms reads permissions as words: one alone or several in parentheses, such
// as (send, receive). It returns 0 if there are none.
func (p *parser) perms(words *vocabulary) (Perms, bool) {
	switch p.tok.kind {
	case tokKeyword, tokMode:
		if perms := words.read(p.tok.value); perms != 0 {
			p.advance()
			return perms, true
		}
		return 0, p.expected("permissions or conditions")
	case tokOpenParen:
	default:
		return 0, true
	}
	p.advance()
	var all Perms
	for p.tok.kind == tokValue {
		t := p.advance()
		perms := words.read(t.value)
		if perms == 0 {
			p.errorf(p.at(t), "unknown-permission", "unknown permission %q%s", t.value, closest(t.value, keys(words.perms)))
		}
		all |= perms
	}
	return all, p.expect(tokCloseParen, ") after the permissions")
}

// fields stores conditions in the fields of a rule by name, and reports those
// that are unknown, doubled or have more than one value.
func (p *parser) fields(conds []cond, class string, fields map[string]**Pattern) {
	for _, c := range conds {
		field, ok := fields[c.name]
		switch {
		case !ok:
			p.errorf(c.at, "bad-condition", "unknown condition %q in a %s rule%s", c.name, class, closest(c.name, keys(fields)))
			p.newer = true
		case class == "pivot_root": // takes in for =, and the first value of the last condition
			*field = c.values[0]
		case c.set && (class != "network peer" || c.name != "label"):
			p.errorf(c.at, "bad-condition", "%s is compared with =, not set with :=", c.name)
		case c.in:
			p.errorf(c.at, "bad-condition", "%s cannot be used with in", c.name)
		case len(c.values) == 0:
			p.errorf(c.at, "bad-condition", "%s needs a value", c.name)
		case len(c.values) != 1:
			p.errorf(c.at, "bad-condition", "%s takes one value", c.name)
		case *field != nil:
			p.errorf(c.at, "bad-condition", "%s can be given only once", c.name)
		default:
			*field = c.values[0]
		}
	}
}

// permsAndConds reads [PERMS] [CONDITIONS]; no permissions mean all.
func (p *parser) permsAndConds(words *vocabulary, perms *Perms) ([]cond, bool) {
	var ok bool
	if *perms, ok = p.perms(words); !ok {
		return nil, false
	}
	if *perms == 0 {
		*perms = words.all
	}
	return p.conds()
}

// target reads -> NAME, if it is there.
func (p *parser) target() (*Pattern, bool) {
	if !p.accept(tokArrow) {
		return nil, true
	}
	if p.tok.kind != tokID && p.tok.kind != tokVar {
		return nil, p.expected("a name after ->")
	}
	return p.pattern(p.advance()), true
}
