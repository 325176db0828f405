package aare

import (
	"slices"
	"strings"
)

// Limits on the globs that stand for one glob without one of its names: longer
// ones are no improvement to a profile.
const (
	maxExcept     = 2000 // bytes of all of them together
	maxExceptGlob = 80   // bytes up to which one glob takes more branches: a line of a terminal
	maxExceptSize = 4096 // nodes of an expression on the way
)

// A Start is a text that stands for the start of a name, such as one with variables,
// and its length in that name. The zero Start is none.
type Start struct {
	Text   string
	Length int
}

// Except returns globs that together match what an expression does but for one name,
// as a profile writes them, though without quotes. It reports false if the expression
// does not match the name, or if no such globs of a reasonable length are found.
// IsExcept proves that they are right.
//
// The name is spelled byte by byte. At each, the names of the expression that end
// there or go on with another byte branch off; what they may go on with is the
// expression's derivative (Brzozowski, Derivatives of Regular Expressions, 1964).
// Branches in one directory share a glob while that stays short. Those behind start
// begin with its text.
//
// Names hold no NUL, so it does not count what a class makes of it, unless noNUL
// asks that none matches it.
func Except(e *Expr, name string, start Start, noNUL bool) (globs []string, ok bool) {
	if len(name) > maxExcept || strings.IndexByte(name, 0) >= 0 {
		return nil, false
	}
	branches, ok := branchesOf(e, name)
	if !ok {
		return nil, false
	}
	return writeBranches(branches, name, start, noNUL)
}

// IsExcept reports whether some expressions together match what another does but for
// one name, and all of it.
func IsExcept(some []*Expr, whole *Expr, name string) bool {
	narrowed, restored := New(), New()
	for _, e := range some {
		narrowed.Add(e, 0)
		restored.Add(e, 0)
	}
	restored.Add(Literal(name), 0)
	narrowed.Freeze()
	restored.Freeze()
	if len(narrowed.Match(name)) > 0 {
		return false
	}
	relation := Compare(restored, automatonFor(whole), OnlyA|OnlyB)
	return relation.Complete && !relation.HasOnlyA && !relation.HasOnlyB
}

// A branch is the names that begin as the excepted one does and then differ.
type branch struct {
	at   int   // bytes in common
	rest *Expr // what follows them
}

// branchesOf returns the branches of an expression off a name. It reports false
// if the expression does not match the name or grows too large.
func branchesOf(e *Expr, name string) ([]branch, bool) {
	var branches []branch
	add := func(at int, rest *Expr) {
		if !isNothing(rest) {
			branches = append(branches, branch{at, rest})
		}
	}
	for i := range len(name) {
		if size(e) > maxExceptSize || len(branches) > maxExcept/4 {
			return nil, false
		}
		other := startingIn(e, without(name[i]))
		if nullable(e) {
			other = union(Cat(), other)
		}
		add(i, other)
		e = after(e, name[i])
	}
	if size(e) > maxExceptSize || !nullable(e) {
		return nil, false
	}
	add(len(name), startingIn(e, anyByte))
	return branches, true
}

// writeBranches writes branches as globs: those in one directory together, as
// long as the glob stays short.
func writeBranches(branches []branch, name string, start Start, noNUL bool) (globs []string, ok bool) {
	total := 0
	for len(branches) > 0 {
		text, ok := writeGroup(branches[:1], name, start, noNUL)
		n := 1
		for ok && n < len(branches) && directory(name, branches[n]) == directory(name, branches[0]) {
			longer, fits := writeGroup(branches[:n+1], name, start, noNUL)
			if !fits || len(longer) > maxExceptGlob {
				break
			}
			text = longer
			n++
		}
		if total += len(text); !ok || total > maxExcept {
			return nil, false
		}
		globs = append(globs, text)
		branches = branches[n:]
	}
	return globs, true
}

// directory returns the length of the directory in which a branch leaves a name.
func directory(name string, b branch) int { return strings.LastIndexByte(name[:b.at], '/') + 1 }

// writeGroup writes branches as one glob: what they have in common at their
// start and end, and an alternation between.
func writeGroup(branches []branch, name string, start Start, noNUL bool) (string, bool) {
	from := branches[0].at
	var choices []*Expr
	for _, b := range branches {
		if b.at == from && b.rest.op == opAlt {
			choices = append(choices, b.rest.subs...)
			continue
		}
		choices = append(choices, Cat(Literal(name[from:b.at]), b.rest))
	}
	common := commonEnd(choices)
	if n := len(common); n > 0 {
		for i, c := range choices {
			choices[i] = Cat(c.subs[:len(c.subs)-n]...)
		}
		choices = flattened(choices)
	}
	w := globWriter{noNUL: noNUL}
	if start.Text != "" && from >= start.Length {
		w.out.WriteString(start.Text)
		w.slash = strings.HasSuffix(start.Text, "/")
	} else {
		start.Length = 0
	}
	w.sequence(itemsOf(Cat(Literal(name[start.Length:from]), alt(choices...), Cat(common...))), true)
	return w.out.String(), !w.bad
}

// commonEnd returns the end that all of several choices share, from a literal
// byte on.
func commonEnd(choices []*Expr) []*Expr {
	first := choices[0]
	if len(choices) < 2 || first.op != opCat {
		return nil
	}
	n := 0
	for same := true; same && n < len(first.subs); n++ {
		last := first.subs[len(first.subs)-1-n]
		for _, c := range choices[1:] {
			if c.op != opCat || n >= len(c.subs) || !c.subs[len(c.subs)-1-n].equal(last) {
				same = false
			}
		}
		if !same {
			break
		}
	}
	end := first.subs[len(first.subs)-n:]
	for len(end) > 0 {
		if _, ok := end[0].Literal(); ok {
			break
		}
		end = end[1:]
	}
	return end
}

func automatonFor(e *Expr) *Automaton {
	a := New()
	a.Add(e, 0)
	a.Freeze()
	return a
}

// nullable reports whether an expression matches the empty string.
func nullable(e *Expr) bool {
	switch e.op {
	case opSet:
		return false
	case opStar:
		return true
	case opAlt:
		return slices.ContainsFunc(e.subs, nullable)
	}
	return !slices.ContainsFunc(e.subs, func(sub *Expr) bool { return !nullable(sub) })
}

// after returns what may follow a byte in the names of an expression: its
// derivative.
func after(e *Expr, c byte) *Expr {
	switch e.op {
	case opSet:
		if e.set.has(c) {
			return Cat()
		}
		return nothing
	case opStar: // of a set: globs repeat nothing else
		if e.subs[0].set.has(c) {
			return e
		}
		return nothing
	}
	return parts(e, func(sub *Expr) *Expr { return after(sub, c) })
}

// startingIn returns the names of an expression that start with a byte of a set.
func startingIn(e *Expr, first byteSet) *Expr {
	switch e.op {
	case opSet:
		if s := e.set.and(first); s.without(0) != (byteSet{}) {
			return &Expr{op: opSet, set: s}
		}
		return nothing
	case opStar:
		if head := startingIn(e.subs[0], first); !isNothing(head) {
			return Cat(head, e)
		}
		return nothing
	}
	return parts(e, func(sub *Expr) *Expr { return startingIn(sub, first) })
}

// parts applies a function of the first byte of names to an alternation or a
// concatenation.
func parts(e *Expr, of func(*Expr) *Expr) *Expr {
	var choices []*Expr
	for i, sub := range e.subs {
		choice := of(sub)
		if e.op == opAlt {
			choices = append(choices, choice)
			continue
		}
		if !isNothing(choice) {
			choices = append(choices, Cat(append([]*Expr{choice}, e.subs[i+1:]...)...))
		}
		if !nullable(sub) {
			break
		}
	}
	return union(choices...)
}

// union returns an alternation without choices that add nothing. Where one ends
// as another reads, as in {a/b,/b}, the ends become one: {,a}/b.
func union(choices ...*Expr) *Expr {
	choices = flattened(choices)
	if len(choices) == 0 {
		return nothing
	}
	for i := 0; i < len(choices); i++ {
		for j := range choices {
			if i == j || !endsAs(choices[j], choices[i]) {
				continue
			}
			long, short := itemsOf(choices[j]), itemsOf(choices[i])
			head := Cat(long[:len(long)-len(short)]...)
			choices[min(i, j)] = Cat(append([]*Expr{union(Cat(), head)}, short...)...)
			return union(slices.Delete(choices, max(i, j), max(i, j)+1)...)
		}
	}
	return alt(choices...)
}

// endsAs reports whether an expression ends with the parts of another one, which
// begins with a literal byte.
func endsAs(long, short *Expr) bool {
	l, s := itemsOf(long), itemsOf(short)
	if len(s) == 0 || len(l) <= len(s) {
		return false
	}
	if _, ok := s[0].Literal(); !ok {
		return false
	}
	return slices.EqualFunc(l[len(l)-len(s):], s, (*Expr).equal)
}

// Limits on the comparing of choices, which only makes globs shorter: how many,
// and pairs of states per comparison.
const (
	maxAbsorb      = 6
	maxAbsorbPairs = 200
)

// flattened returns the choices of an alternation with those of alternations
// among them, the empty one first, without those that another one covers.
func flattened(choices []*Expr) []*Expr {
	var flat []*Expr
	empty := false
	seen := map[string]bool{}
	var key []byte
	var add func(e *Expr)
	add = func(e *Expr) {
		switch {
		case e.op == opAlt:
			for _, sub := range e.subs {
				add(sub)
			}
		case e.op == opCat && len(e.subs) == 0:
			empty = true
		default:
			if key = e.key(key[:0]); !seen[string(key)] {
				seen[string(key)] = true
				flat = append(flat, e)
			}
		}
	}
	for _, c := range choices {
		add(c)
	}
	if len(flat) > 1 && len(flat) <= maxAbsorb {
		flat = absorbed(flat)
	}
	if empty && !slices.ContainsFunc(flat, nullable) {
		flat = append([]*Expr{Cat()}, flat...)
	}
	return flat
}

// absorbed drops the choices that another one covers.
func absorbed(choices []*Expr) []*Expr {
	automata := make([]*Automaton, len(choices))
	for i, c := range choices {
		automata[i] = automatonFor(c)
	}
	dropped := make([]bool, len(choices))
	for i := range choices {
		for j := range choices {
			if i == j || dropped[i] || dropped[j] {
				continue
			}
			dropped[i] = coversSoon(automata[j], automata[i])
		}
	}
	var kept []*Expr
	for i, c := range choices {
		if !dropped[i] {
			kept = append(kept, c)
		}
	}
	return kept
}

// coversSoon reports whether a matches all that b does, if few states tell.
func coversSoon(a, b *Automaton) bool {
	alphabet := Alphabet(a, b)
	queue := [][2]*State{{a.Start(), b.Start()}}
	seen := map[[2]*State]bool{queue[0]: true}
	for i := 0; i < len(queue); i++ {
		inA, inB := queue[i][0], queue[i][1]
		if len(inB.Tags) > 0 && len(inA.Tags) == 0 || len(queue) > maxAbsorbPairs {
			return false
		}
		for _, c := range alphabet {
			next := [2]*State{a.Next(inA, c), b.Next(inB, c)}
			if !next[1].Dead() && !seen[next] {
				seen[next] = true
				queue = append(queue, next)
			}
		}
	}
	return true
}
