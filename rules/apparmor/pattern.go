package apparmor

import (
	"encoding/binary"
	"slices"
	"strings"
	"sync"
)

// A matcher is what a Pattern is compiled to when it is first used: rules of a
// profile need the expression, to match a pattern alone takes the automaton.
type matcher struct {
	parsed, built sync.Once
	expression    *expr
	prefix        string // what every match begins with
	exact         bool   // nothing else matches
	auto          *automaton
	err           error
}

// expr returns the pattern's expression, or nil for a pattern that
// apparmor_parser refuses: it matches nothing.
func (p *Pattern) expr() *expr {
	m := &p.matcher
	m.parsed.Do(func() {
		if m.expression, m.err = parseGlobs(p.Expanded, false); m.err == nil {
			m.prefix, m.exact = m.expression.prefix()
		}
	})
	return m.expression
}

func (p *Pattern) automaton() *automaton {
	p.matcher.built.Do(func() {
		a := newAutomaton()
		if e := p.expr(); e != nil {
			a.add(e, 0)
		}
		a.freeze()
		p.matcher.auto = a
	})
	return p.matcher.auto
}

// parseGlobs reads globs of which any may match.
func parseGlobs(globs []string, nul bool) (*expr, error) {
	choices := make([]*expr, 0, len(globs))
	for _, g := range globs {
		e, err := parseGlob(g, nul)
		if err != nil {
			return nil, err
		}
		choices = append(choices, e)
	}
	if len(choices) == 0 {
		return nil, &GlobError{Reason: "empty"}
	}
	return alt(choices...), nil
}

// Err returns the *GlobError of a pattern that apparmor_parser refuses, with an
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
	return len(p.automaton().match(name)) > 0
}

// Literal returns the only name that the pattern matches, if there is just one.
func (p *Pattern) Literal() (name string, ok bool) {
	if p == nil || p.expr() == nil {
		return "", false
	}
	return p.expr().literal()
}

// maxCompare bounds the work of comparing two patterns, in visits of a node by
// a byte. Patterns as people write them need some thousand.
const maxCompare = 1 << 22

// A Relation is what Compare found.
type Relation struct {
	// Both, OnlyA and OnlyB are shortest names that both patterns match, that
	// only the first does, and that only the second does; valid where the
	// corresponding Has is set.
	Both, OnlyA, OnlyB          string
	HasBoth, HasOnlyA, HasOnlyB bool
	// Complete is false when the patterns were too large to compare fully. What
	// was found holds; what was not found may still exist.
	Complete bool
}

// Compare compares the names that two patterns match. Examples hold no NUL, and
// no two slashes in a row if there is another example.
func Compare(a, b *Pattern) Relation {
	return compare(automatonOf(a), automatonOf(b))
}

func automatonOf(p *Pattern) *automaton {
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
	r := Compare(a, b)
	return r.Both, r.HasBoth
}

// A pair is a step of the breadth-first walk through two automata at once.
type pair struct {
	a, b *state
	from int // index of the pair before
	c    byte
}

func compare(a, b *automaton) Relation {
	alphabet := jointAlphabet(a, b)
	alphabet = alphabet[:len(alphabet)-1] // names hold no NUL
	queue := []pair{{a: a.start.Load(), b: b.start.Load(), from: -1}}
	seen := map[[2]string]bool{}
	visit := func(p pair) {
		key := [2]string{nodesKey(p.a.nodes), nodesKey(p.b.nodes)}
		if !seen[key] {
			seen[key] = true
			queue = append(queue, p)
		}
	}
	var r Relation
	work := 0
	for i := 0; i < len(queue); i++ {
		p := queue[i]
		inA, inB := len(p.a.tags) > 0, len(p.b.tags) > 0
		switch {
		case inA && inB && !r.HasBoth:
			r.Both, r.HasBoth = spell(queue, i), true
		case inA && !inB && !r.HasOnlyA:
			r.OnlyA, r.HasOnlyA = spell(queue, i), true
		case inB && !inA && !r.HasOnlyB:
			r.OnlyB, r.HasOnlyB = spell(queue, i), true
		}
		if r.HasBoth && r.HasOnlyA && r.HasOnlyB {
			break
		}
		if work += len(alphabet) * (len(p.a.nodes) + len(p.b.nodes) + 1); work > maxCompare {
			return r
		}
		for _, c := range alphabet {
			next := pair{a.next(p.a, c), b.next(p.b, c), i, c}
			if len(next.a.nodes) > 0 || len(next.b.nodes) > 0 {
				visit(next)
			}
		}
	}
	r.Complete = true
	return r
}

// nodesKey identifies a state of an automaton for as long as that lives.
func nodesKey(nodes []int32) string {
	key := make([]byte, 0, 4*len(nodes))
	for _, n := range nodes {
		key = binary.LittleEndian.AppendUint32(key, uint32(n))
	}
	return string(key)
}

// spell returns the bytes on the way to a pair.
func spell(queue []pair, i int) string {
	var out []byte
	for ; queue[i].from >= 0; i = queue[i].from {
		out = append(out, queue[i].c)
	}
	slices.Reverse(out)
	return string(out)
}

// jointAlphabet returns one byte for each set of bytes that no automaton tells
// apart, those that read best first. NUL comes last, on its own: no name holds
// one, but it stands between two.
func jointAlphabet(autos ...*automaton) []byte {
	const nicest = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ-_.+:@/"
	var alphabet []byte
	seen := map[string]bool{}
	class := make([]byte, len(autos))
	try := func(c byte) {
		for i, a := range autos {
			class[i] = a.classes[c]
		}
		if !seen[string(class)] {
			seen[string(class)] = true
			alphabet = append(alphabet, c)
		}
	}
	for i := range len(nicest) {
		try(nicest[i])
	}
	for c := 1; c < 256; c++ {
		try(byte(c))
	}
	return append(alphabet, 0)
}
