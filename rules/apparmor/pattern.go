package apparmor

import (
	"strings"
	"sync"
	"weak"

	"github.com/whydenied/whydenied/rules/apparmor/aare"
)

// A matcher is what a Pattern is compiled to when it is first used. What every use
// needs is kept; the expression and the automaton are many times as large, are made
// again when the collector has taken them, and are taken as soon as nobody uses them.
type matcher struct {
	once   sync.Once
	prefix string // what every match begins with
	exact  bool   // nothing else matches
	err    error

	mu         sync.Mutex
	expression weak.Pointer[aare.Expr]
	auto       weak.Pointer[aare.Automaton]
}

// read fills what is kept of the pattern.
func (p *Pattern) read() *matcher {
	m := &p.matcher
	m.once.Do(func() {
		var e *aare.Expr
		if e, m.err = aare.ParseAny(p.Expanded); m.err != nil {
			return
		}
		m.expression = weak.Make(e)
		if m.prefix, m.exact = e.Prefix(); len(p.Expanded) == 1 && strings.HasPrefix(p.Expanded[0], m.prefix) {
			m.prefix = p.Expanded[0][:len(m.prefix)] // which is there already
		}
	})
	return m
}

// expr returns the pattern's expression, or nil for a pattern that
// apparmor_parser refuses: it matches nothing.
func (p *Pattern) expr() *aare.Expr {
	m := p.read()
	if m.err != nil {
		return nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	e := m.expression.Value()
	if e == nil {
		e, _ = aare.ParseAny(p.Expanded)
		m.expression = weak.Make(e)
	}
	return e
}

func (p *Pattern) automaton() *aare.Automaton {
	e := p.expr()
	m := &p.matcher
	m.mu.Lock()
	defer m.mu.Unlock()
	a := m.auto.Value()
	if a == nil {
		a = aare.New()
		if e != nil {
			a.Add(e, 0)
		}
		a.Freeze()
		m.auto = weak.Make(a)
	}
	return a
}

// Err returns the *aare.Error of a pattern that apparmor_parser refuses, with an
// offset into the expanded glob, or nil.
func (p *Pattern) Err() error {
	return p.read().err
}

// Match reports whether the pattern matches all of name. It takes time linear
// in the length of the name. The nil pattern matches everything.
func (p *Pattern) Match(name string) bool {
	if p == nil {
		return true
	}
	m := p.read()
	if m.err != nil || !strings.HasPrefix(name, m.prefix) {
		return false
	}
	if m.exact {
		return name == m.prefix
	}
	return len(p.automaton().Match(name)) > 0
}

// Literal returns the only name that the pattern matches, if there is just one.
func (p *Pattern) Literal() (name string, ok bool) {
	if p == nil || p.Err() != nil || !p.matcher.exact {
		return "", false
	}
	return p.matcher.prefix, true
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

// Overlaps returns a shortest name that both patterns match, if there is one.
func Overlaps(a, b *Pattern) (example string, ok bool) {
	if a != nil && b != nil && a.expr() != nil && b.expr() != nil && // else the automata answer
		!strings.HasPrefix(a.matcher.prefix, b.matcher.prefix) && !strings.HasPrefix(b.matcher.prefix, a.matcher.prefix) {
		return "", false
	}
	r := Compare(a, b)
	return r.Both, r.HasBoth
}
