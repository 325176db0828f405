package apparmor

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

// except returns globs that together match what a pattern does but for one name,
// as a profile writes them, though without quotes. It reports false if the
// pattern does not match the name, or if no such globs of a reasonable length are
// found. That they are right is proved with automata before they are returned.
//
// The name is spelled byte by byte. At each, the names of the pattern that end
// there or go on with another byte branch off; what they may go on with is the
// pattern's derivative (Brzozowski, Derivatives of Regular Expressions, 1964).
// Branches in one directory share a glob while that stays short. Variables
// before the branches stay as the pattern writes them.
//
// Names hold no NUL, so it does not count what a class makes of it, unless noNUL
// asks that none matches it: the pair of a hard link is looked up with NUL
// between, and there k means that the new name may do no more than the target.
func except(r *resolver, p *Pattern, kind textKind, name string, noNUL bool) (globs []string, ok bool) {
	whole := p.expr()
	if whole == nil || len(name) > maxExcept || strings.IndexByte(name, 0) >= 0 {
		return nil, false
	}
	branches, ok := branchesOf(whole, name)
	if !ok {
		return nil, false
	}
	for _, start := range []variableStart{variableStartOf(r, p, kind, name), {}} {
		globs, ok = writeBranches(branches, name, start, noNUL)
		if ok && provesExcept(r, globs, kind, whole, name) {
			return globs, true
		}
		if start.text == "" {
			break
		}
	}
	return nil, false
}

// A branch is the names that begin as the excepted one does and then differ.
type branch struct {
	at   int   // bytes in common
	rest *expr // what follows them
}

// branchesOf returns the branches of an expression off a name. It reports false
// if the expression does not match the name or grows too large.
func branchesOf(e *expr, name string) ([]branch, bool) {
	var branches []branch
	add := func(at int, rest *expr) {
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
			other = union(cat(), other)
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
func writeBranches(branches []branch, name string, start variableStart, noNUL bool) (globs []string, ok bool) {
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
func writeGroup(branches []branch, name string, start variableStart, noNUL bool) (string, bool) {
	from := branches[0].at
	var choices []*expr
	for _, b := range branches {
		if b.at == from && b.rest.op == opAlt {
			choices = append(choices, b.rest.subs...)
			continue
		}
		choices = append(choices, cat(literalExpr(name[from:b.at]), b.rest))
	}
	common := commonEnd(choices)
	if n := len(common); n > 0 {
		for i, c := range choices {
			choices[i] = cat(c.subs[:len(c.subs)-n]...)
		}
		choices = flattened(choices)
	}
	w := globWriter{noNUL: noNUL}
	if start.text != "" && from >= start.length {
		w.out.WriteString(start.text)
		w.slash = strings.HasSuffix(start.text, "/")
	} else {
		start.length = 0
	}
	w.sequence(itemsOf(cat(literalExpr(name[start.length:from]), alt(choices...), cat(common...))), true)
	return w.out.String(), !w.bad
}

// commonEnd returns the end that all of several choices share, from a literal
// byte on.
func commonEnd(choices []*expr) []*expr {
	first := choices[0]
	if len(choices) < 2 || first.op != opCat {
		return nil
	}
	n := 0
	for same := true; same && n < len(first.subs); n++ {
		key := string(first.subs[len(first.subs)-1-n].key(nil))
		for _, c := range choices[1:] {
			if c.op != opCat || n >= len(c.subs) || string(c.subs[len(c.subs)-1-n].key(nil)) != key {
				same = false
			}
		}
		if !same {
			break
		}
	}
	end := first.subs[len(first.subs)-n:]
	for len(end) > 0 {
		if _, ok := end[0].literal(); ok {
			break
		}
		end = end[1:]
	}
	return end
}

// A variableStart is the start of a pattern up to the last variable and the
// plain text after it, and the length of what it stands for in a name. The zero
// variableStart is none.
type variableStart struct {
	text   string
	length int
}

// variableStartOf returns the start with which a pattern reaches furthest into a
// name.
func variableStartOf(r *resolver, p *Pattern, kind textKind, name string) variableStart {
	written := strings.Trim(p.At.Text(), `"`)
	end := lastVariable(written)
	if end == 0 || written != p.Source {
		return variableStart{}
	}
	plain := strings.IndexAny(written[end:], `*?[]{}\`)
	if plain < 0 {
		plain = len(written) - end
	}
	text := written[:end+plain]
	if plain == 0 || !printable(text) {
		return variableStart{}
	}
	pattern := r.entry(text, kind)
	for length := len(name); pattern != nil && length > 0; length-- {
		if pattern.Match(name[:length]) {
			return variableStart{text, length}
		}
	}
	return variableStart{}
}

// lastVariable returns the end of the last variable of a text, 0 if it has none.
func lastVariable(text string) int {
	end := 0
	for rest := text; ; {
		_, _, after, ok := cutVariable(rest)
		if !ok {
			return end
		}
		rest, end = after, len(text)-len(after)
	}
}

// printable reports whether a text can be written to a profile as it is.
func printable(text string) bool {
	return strings.IndexFunc(text, func(c rune) bool { return c < ' ' || c > '~' || c == '"' }) < 0
}

// entry resolves a glob as the profile would that holds it, or returns nil if
// that is refused.
func (r *resolver) entry(text string, kind textKind) *Pattern {
	r.diags = nil
	p := r.expand(&Pattern{Source: unescape(`"` + text + `"`)}, kind)
	if kind == pathText {
		p = r.alias(p)
	}
	if len(r.diags) > 0 || p.expr() == nil {
		return nil
	}
	return p
}

// provesExcept reports whether globs match what an expression does but for one
// name, and all of it.
func provesExcept(r *resolver, globs []string, kind textKind, whole *expr, name string) bool {
	narrowed, restored := newAutomaton(), newAutomaton()
	for _, g := range globs {
		p := r.entry(g, kind)
		if p == nil {
			return false
		}
		narrowed.add(p.expr(), 0)
		restored.add(p.expr(), 0)
	}
	restored.add(literalExpr(name), 0)
	narrowed.freeze()
	restored.freeze()
	if len(narrowed.match(name)) > 0 {
		return false
	}
	relation := compare(restored, automatonFor(whole))
	return relation.Complete && !relation.HasOnlyA && !relation.HasOnlyB
}

func automatonFor(e *expr) *automaton {
	a := newAutomaton()
	a.add(e, 0)
	a.freeze()
	return a
}

// nothing matches no name at all.
var nothing = &expr{op: opAlt}

func isNothing(e *expr) bool { return e.op == opAlt && len(e.subs) == 0 }

func literalExpr(text string) *expr {
	parts := make([]*expr, len(text))
	for i := range len(text) {
		parts[i] = set(oneByte(text[i]))
	}
	return cat(parts...)
}

// itemsOf returns the parts of a concatenation, or the expression alone.
func itemsOf(e *expr) []*expr {
	if e.op == opCat {
		return e.subs
	}
	return []*expr{e}
}

// size returns the number of nodes of an expression.
func size(e *expr) int {
	n := 1
	for _, sub := range e.subs {
		n += size(sub)
	}
	return n
}

// nullable reports whether an expression matches the empty string.
func nullable(e *expr) bool {
	switch e.op {
	case opSet:
		return false
	case opStar:
		return true
	case opAlt:
		return slices.ContainsFunc(e.subs, nullable)
	}
	return !slices.ContainsFunc(e.subs, func(sub *expr) bool { return !nullable(sub) })
}

// after returns what may follow a byte in the names of an expression: its
// derivative.
func after(e *expr, c byte) *expr {
	switch e.op {
	case opSet:
		if e.set.has(c) {
			return cat()
		}
		return nothing
	case opStar: // of a set: globs repeat nothing else
		if e.subs[0].set.has(c) {
			return e
		}
		return nothing
	}
	return parts(e, func(sub *expr) *expr { return after(sub, c) })
}

// startingIn returns the names of an expression that start with a byte of a set.
func startingIn(e *expr, first byteSet) *expr {
	switch e.op {
	case opSet:
		if s := e.set.and(first); s.without(0) != (byteSet{}) {
			return &expr{op: opSet, set: s}
		}
		return nothing
	case opStar:
		if head := startingIn(e.subs[0], first); !isNothing(head) {
			return cat(head, e)
		}
		return nothing
	}
	return parts(e, func(sub *expr) *expr { return startingIn(sub, first) })
}

// parts applies a function of the first byte of names to an alternation or a
// concatenation.
func parts(e *expr, of func(*expr) *expr) *expr {
	var choices []*expr
	for i, sub := range e.subs {
		choice := of(sub)
		if e.op == opAlt {
			choices = append(choices, choice)
			continue
		}
		if !isNothing(choice) {
			choices = append(choices, cat(append([]*expr{choice}, e.subs[i+1:]...)...))
		}
		if !nullable(sub) {
			break
		}
	}
	return union(choices...)
}

// union returns an alternation without choices that add nothing. Where one ends
// as another reads, as in {a/b,/b}, the ends become one: {,a}/b.
func union(choices ...*expr) *expr {
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
			head := cat(long[:len(long)-len(short)]...)
			choices[min(i, j)] = cat(append([]*expr{union(cat(), head)}, short...)...)
			return union(slices.Delete(choices, max(i, j), max(i, j)+1)...)
		}
	}
	return alt(choices...)
}

// endsAs reports whether an expression ends with the parts of another one, which
// begins with a literal byte.
func endsAs(long, short *expr) bool {
	l, s := itemsOf(long), itemsOf(short)
	if len(s) == 0 || len(l) <= len(s) {
		return false
	}
	if _, ok := s[0].literal(); !ok {
		return false
	}
	return slices.EqualFunc(l[len(l)-len(s):], s, func(a, b *expr) bool {
		return string(a.key(nil)) == string(b.key(nil))
	})
}

// Limits on the comparing of choices, which only makes globs shorter: how many,
// and pairs of states per comparison.
const (
	maxAbsorb      = 6
	maxAbsorbPairs = 200
)

// flattened returns the choices of an alternation with those of alternations
// among them, the empty one first, without those that another one covers.
func flattened(choices []*expr) []*expr {
	var flat []*expr
	empty := false
	seen := map[string]bool{}
	var add func(e *expr)
	add = func(e *expr) {
		switch key := ""; {
		case e.op == opAlt:
			for _, sub := range e.subs {
				add(sub)
			}
		case e.op == opCat && len(e.subs) == 0:
			empty = true
		default:
			if key = string(e.key(nil)); !seen[key] {
				seen[key] = true
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
		flat = append([]*expr{cat()}, flat...)
	}
	return flat
}

// absorbed drops the choices that another one covers.
func absorbed(choices []*expr) []*expr {
	automata := make([]*automaton, len(choices))
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
	var kept []*expr
	for i, c := range choices {
		if !dropped[i] {
			kept = append(kept, c)
		}
	}
	return kept
}

// coversSoon reports whether a matches all that b does, if few states tell.
func coversSoon(a, b *automaton) bool {
	alphabet := jointAlphabet(a, b)
	queue := [][2]*state{{a.start.Load(), b.start.Load()}}
	seen := map[[2]*state]bool{queue[0]: true}
	for i := 0; i < len(queue); i++ {
		inA, inB := queue[i][0], queue[i][1]
		if len(inB.tags) > 0 && len(inA.tags) == 0 || len(queue) > maxAbsorbPairs {
			return false
		}
		for _, c := range alphabet {
			next := [2]*state{a.next(inA, c), b.next(inB, c)}
			if len(next[1].nodes) > 0 && !seen[next] {
				seen[next] = true
				queue = append(queue, next)
			}
		}
	}
	return true
}
