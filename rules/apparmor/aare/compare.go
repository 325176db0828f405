package aare

import (
	"encoding/binary"
	"slices"
)

// maxCompare bounds the work of comparing two patterns, in visits of a node by
// a byte. Patterns as people write them need some thousand.
const maxCompare = 1 << 22

// A Question is what Compare looks for: names that both sides match, that only the
// first does, that only the second does.
type Question byte

// The questions, which can be joined.
const (
	Both Question = 1 << iota
	OnlyA
	OnlyB
)

// A Relation is what Compare found of what it was asked.
type Relation struct {
	// Both, OnlyA and OnlyB are shortest names that both sides match, that
	// only the first does, and that only the second does; valid where the
	// corresponding Has is set.
	Both, OnlyA, OnlyB          string
	HasBoth, HasOnlyA, HasOnlyB bool
	// Work is how many times a node was visited by a byte, as far as it was counted.
	Work int
	// Complete is false when the automata were too large to compare fully. What
	// was found holds; what was not found may still exist.
	Complete bool
}

// A pair is a step of the breadth-first walk through two automata at once.
type pair struct {
	a, b *State
	from int // index of the pair before
	c    byte
}

// key tells pairs of states apart.
func (p pair) key() uint64 { return uint64(p.a.ID)<<32 | uint64(p.b.ID) }

// answers returns the questions that names through a pair may answer.
func (p pair) answers() Question {
	switch {
	case p.a.Dead() && p.b.Dead():
		return 0
	case p.a.Dead():
		return OnlyB
	case p.b.Dead():
		return OnlyA
	}
	return Both | OnlyA | OnlyB
}

// Compare compares the names that two automata match, as far as it is asked. It goes
// no way that leads to no answer. Examples hold no NUL.
func Compare(a, b *Automaton, ask Question) Relation {
	alphabet := Alphabet(a, b)
	alphabet = alphabet[:len(alphabet)-1] // names hold no NUL
	queue := []pair{{a: a.Start(), b: b.Start(), from: -1}}
	seen := map[uint64]bool{queue[0].key(): true}
	var r Relation
	for i := 0; i < len(queue) && ask != 0; i++ {
		p := queue[i]
		ask &^= r.note(queue, i, ask)
		if p.answers()&ask == 0 {
			continue
		}
		if r.Work += len(alphabet) * (len(p.a.nodes) + len(p.b.nodes) + 1); r.Work > maxCompare {
			return r
		}
		for _, c := range alphabet {
			next := pair{a.Next(p.a, c), b.Next(p.b, c), i, c}
			if next.answers()&ask != 0 && !seen[next.key()] {
				seen[next.key()] = true
				queue = append(queue, next)
			}
		}
	}
	r.Complete = true
	return r
}

// note takes the name of a pair as the answer that it is, if that is asked for.
func (r *Relation) note(queue []pair, i int, ask Question) (answered Question) {
	switch inA, inB := len(queue[i].a.Tags) > 0, len(queue[i].b.Tags) > 0; {
	case inA && inB && ask&Both != 0:
		r.Both, r.HasBoth = spell(queue, i), true
		return Both
	case inA && !inB && ask&OnlyA != 0:
		r.OnlyA, r.HasOnlyA = spell(queue, i), true
		return OnlyA
	case inB && !inA && ask&OnlyB != 0:
		r.OnlyB, r.HasOnlyB = spell(queue, i), true
		return OnlyB
	}
	return 0
}

// appendNodes appends what identifies a state of an automaton for as long as that lives.
func appendNodes(key []byte, nodes []int32) []byte {
	for _, n := range nodes {
		key = binary.LittleEndian.AppendUint32(key, uint32(n))
	}
	return key
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

// Alphabet returns one byte for each set of bytes that no automaton tells
// apart, those that read best first. NUL comes last, on its own: no name holds
// one, but it stands between two.
func Alphabet(autos ...*Automaton) []byte {
	const nicest = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ-_.+:@/"
	var alphabet []byte
	// The bytes are told apart by one automaton after the other.
	var class [256]uint16
	count := uint16(1)
	for _, a := range autos {
		width := len(a.reps)
		numbers := make([]uint16, int(count)*width) // plus one, by class so far and the automaton's
		count = 0
		for c := range class {
			n := &numbers[int(class[c])*width+int(a.classes[c])]
			if *n == 0 {
				count++
				*n = count
			}
			class[c] = *n - 1
		}
	}
	seen := make([]bool, count)
	try := func(c byte) {
		if !seen[class[c]] {
			seen[class[c]] = true
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

// Representatives returns a shortest string for each set of the expressions that
// some string matched by own matches; the wanted strings stand for themselves. It
// looks at no more than limit states.
func Representatives(own *Expr, others []*Expr, wanted []string, limit int) []string {
	if name, ok := own.Literal(); ok {
		return []string{name}
	}
	a := New()
	a.Add(own, 0)
	owns := int32(len(a.nodes)) // others come after; where they begin like it, the nodes are its, too
	for i, e := range others {
		a.Add(e, int32(i+1))
	}
	for i, s := range wanted {
		a.Add(Literal(s), int32(len(others)+i+1))
	}
	a.Freeze()
	alphabet := Alphabet(a)
	w := wayfinder{a: a, seen: map[string]bool{}}
	w.visit(a.Start().nodes, -1, 0)
	found := map[string]int{}
	var names []string
	var live []byte
	for i := 0; i < len(w.ways) && i < limit; i++ {
		nodes := w.ways[i].nodes
		if tags := a.tagsOf(nodes); len(tags) > 0 && tags[0] == 0 {
			key := string(appendNodes(nil, tags))
			if k, ok := found[key]; !ok {
				found[key] = len(names)
				names = append(names, w.spell(i))
			} else if names[k] == "" {
				names[k] = w.spell(i) // an empty name tells the reader little
			}
		}
		live = a.leading(nodes, alphabet[:len(alphabet)-1], live[:0])
		for _, c := range live {
			if next := a.after(nodes, c); next[0] < owns { // else own matches no more
				w.visit(next, i, c)
			}
		}
	}
	return names
}

// A wayfinder finds a shortest way to each state of an automaton, breadth first. It makes no
// State, which would remember where each byte leads: each is asked once.
type wayfinder struct {
	a    *Automaton
	ways []way
	seen map[string]bool // by their nodes
	key  []byte
}

// A way leads to nodes by a byte from those of another.
type way struct {
	nodes []int32
	from  int // -1 for none
	c     byte
}

// visit adds a way, if it leads to nodes that none leads to yet.
func (w *wayfinder) visit(nodes []int32, from int, c byte) {
	w.key = appendNodes(w.key[:0], nodes)
	if !w.seen[string(w.key)] {
		w.seen[string(w.key)] = true
		w.ways = append(w.ways, way{slices.Clone(nodes), from, c})
	}
}

// spell returns the bytes on a way.
func (w *wayfinder) spell(i int) string {
	var out []byte
	for ; w.ways[i].from >= 0; i = w.ways[i].from {
		out = append(out, w.ways[i].c)
	}
	slices.Reverse(out)
	return string(out)
}
