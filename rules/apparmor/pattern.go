package apparmor

import (
	"strings"
	"sync"

	"github.com/whydenied/whydenied/rules/apparmor/aare"
)

// A matcher is what a Pattern is compiled to when it is first used: rules of a
// profile need the expression, to match a pattern alone takes the automaton.
type matcher struct {
	parsed, built sync.Once
	expression    *aare.Expr
	prefix        string // what every match begins with
	exact         bool   // nothing else matches
	auto          *aare.Automaton
	err           error
}

// expr returns the pattern's expression, or nil for a pattern that
// apparmor_parser refuses: it matches nothing.
func (p *Pattern) expr() *aare.Expr {
	m := &p.matcher
	m.parsed.Do(func() {
		if m.expression, m.err = aare.ParseAny(p.Expanded); m.err == nil {
			m.prefix, m.exact = m.expression.Prefix()
		}
	})
	return m.expression
}

func (p *Pattern) automaton() *aare.Automaton {
	p.matcher.built.Do(func() {
		a := aare.New()
		if e := p.expr(); e != nil {
			a.Add(e, 0)
		}
		a.Freeze()
		p.matcher.auto = a
	})
	return p.matcher.auto
}

// Err returns the *aare.Error of a pattern that apparmor_parser refuses, with an
// offset into the expanded glob, or nil.
func (p *Pattern) Err() error {
	p.expr()
	return p.matcher.err
}

// Match reports whether the pattern matches all of name. It takes time linear
// in the length of the name. The nil pattern matches everything.
func (p *Pattern) Match(name string) bool {
	if p == nil {
		return true
	}
	if p.expr() == nil || !strings.HasPrefix(name, p.matcher.prefix) {
		return false
	}
	if p.matcher.exact {
		return name == p.matcher.prefix
	}
	return len(p.automaton().Match(name)) > 0
}

// Literal returns the only name that the pattern matches, if there is just one.
func (p *Pattern) Literal() (name string, ok bool) {
	if p == nil || p.expr() == nil {
		return "", false
	}
	return p.expr().Literal()
}

// Compare compares the names that two patterns match. Examples hold no NUL, and
// no two slashes in a row if there is another example.
func Compare(a, b *Pattern) aare.Relation {
	return aare.Compare(automatonOf(a), automatonOf(b))
}

func automatonOf(p *Pattern) *aare.Automaton {
	if p == nil {
		p = anyProfile
	}
	return p.automaton()
}

// covers reports whether a surely matches every name that b matches.
func covers(a, b *Pattern) bool {
	r := Compare(a, b)
	return r.Complete && !r.HasOnlyB
}

// Overlaps returns a shortest name that both patterns match, if there is one.
func Overlaps(a, b *Pattern) (example string, ok bool) {
	if a != nil && b != nil && a.expr() != nil && b.expr() != nil && // else the automata answer
		!strings.HasPrefix(a.matcher.prefix, b.matcher.prefix) && !strings.HasPrefix(b.matcher.prefix, a.matcher.prefix) {
		return "", false
	}
	r := Compare(a, b)
	return r.Both, r.HasBoth
}
