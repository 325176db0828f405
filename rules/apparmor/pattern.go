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
	globs  []string
	once   sync.Once
	prefix string // what every match begins with
	exact  bool   // nothing else matches
	err    error

	mu         sync.Mutex
	expression weak.Pointer[aare.Expr]
	auto       weak.Pointer[aare.Automaton]
}

// read returns the pattern's matcher, with what is kept of the pattern filled in.
func (p *Pattern) read() *matcher {
	m := p.shared
	if m == nil {
		m = &p.matcher
	}
	m.once.Do(func() {
		if p.shared == nil {
			m.globs = p.Expanded
		}
		if len(m.globs) == 1 && aare.IsLiteral(m.globs[0]) {
			m.prefix, m.exact = m.globs[0], true
			return
		}
		var e *aare.Expr
		if e, m.err = aare.ParseAny(m.globs); m.err != nil {
			return
		}
		m.expression = weak.Make(e)
		if m.prefix, m.exact = e.Prefix(); len(m.globs) == 1 && strings.HasPrefix(m.globs[0], m.prefix) {
			m.prefix = m.globs[0][:len(m.prefix)] // which is there already
		}
	})
	return m
}

// literal returns the only name that matches, if there is just one.
func (m *matcher) literal() (name string, ok bool) {
	if m.err != nil || !m.exact {
		return "", false
	}
	return m.prefix, true
}

// expr returns the expression, or nil for what apparmor_parser refuses: it matches
// nothing.
func (m *matcher) expr() *aare.Expr {
	if m.err != nil {
		return nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	e := m.expression.Value()
	if e == nil {
		e, _ = aare.ParseAny(m.globs)
		m.expression = weak.Make(e)
	}
	return e
}

// expr is that of the pattern's matcher.
func (p *Pattern) expr() *aare.Expr { return p.read().expr() }

func (p *Pattern) automaton() *aare.Automaton {
	m := p.read()
	m.mu.Lock()
	a := m.auto.Value()
	m.mu.Unlock()
	if a != nil {
		return a
	}
	a = aare.New()
	if e := m.expr(); e != nil {
		a.Add(e, 0)
	}
	a.Freeze()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.auto = weak.Make(a)
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

// A memo knows which patterns match which names, where the same are asked about over and
// over. That of one decision is nil.
type memo map[asked]bool

type asked struct {
	pattern *Pattern
	name    string
}

// maxMemo bounds a memo.
const maxMemo = 1 << 14

// matches is p.Match(name).
func (m memo) matches(p *Pattern, name string) bool {
	if m == nil || p == nil {
		return p.Match(name)
	}
	key := asked{p, name}
	answer, known := m[key]
	if !known {
		answer = p.Match(name)
		if len(m) < maxMemo {
			m[key] = answer
		}
	}
	return answer
}

// Literal returns the only name that the pattern matches, if there is just one.
func (p *Pattern) Literal() (name string, ok bool) {
	if p == nil {
		return "", false
	}
	return p.read().literal()
}

// Compare compares the names that two patterns match, as far as it is asked. Examples
// hold no NUL.
func Compare(a, b *Pattern, ask aare.Question) aare.Relation {
	return aare.Compare(automatonOf(a), automatonOf(b), ask)
}

func automatonOf(p *Pattern) *aare.Automaton {
	if p == nil {
		p = anyProfile
	}
	return p.automaton()
}

// Overlaps returns a shortest name that both patterns match, if there is one.
func Overlaps(a, b *Pattern) (example string, ok bool) {
	if a != nil && b != nil {
		x, y := a.read(), b.read()
		if x.err == nil && y.err == nil && // else the automata answer
			!strings.HasPrefix(x.prefix, y.prefix) && !strings.HasPrefix(y.prefix, x.prefix) {
			return "", false
		}
	}
	r := Compare(a, b, aare.Both)
	return r.Both, r.HasBoth
}
