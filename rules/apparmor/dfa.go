package apparmor

import (
	"encoding/binary"
	"math/bits"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
)

// A byteSet is a set of byte values.
type byteSet [4]uint64

var anyByte = byteSet{^uint64(0), ^uint64(0), ^uint64(0), ^uint64(0)}

func oneByte(c byte) (s byteSet) { s.add(c); return s }

func without(bytes ...byte) byteSet {
	s := anyByte
	for _, c := range bytes {
		s[c>>6] &^= 1 << (c & 63)
	}
	return s
}

func (s *byteSet) add(c byte)     { s[c>>6] |= 1 << (c & 63) }
func (s byteSet) has(c byte) bool { return s[c>>6]&(1<<(c&63)) != 0 }
func (s byteSet) complement() byteSet {
	return byteSet{^s[0], ^s[1], ^s[2], ^s[3]}
}

// single returns the one member of a set that has exactly one.
func (s byteSet) single() (byte, bool) {
	n, at := 0, 0
	for i, word := range s {
		if word != 0 {
			at = i*64 + bits.TrailingZeros64(word)
		}
		n += bits.OnesCount64(word)
	}
	return byte(at), n == 1
}

// An expr is a regular expression over bytes. The zero expr matches the empty
// string.
type expr struct {
	op    exprOp
	class bool    // opSet written as [ ]
	set   byteSet // of opSet
	subs  []*expr
}

type exprOp byte

const (
	opCat  exprOp = iota // subs, one after the other
	opSet                // one byte of set
	opAlt                // one of subs
	opStar               // subs[0], any number of times
)

func set(s byteSet) *expr { return &expr{op: opSet, set: s} }

func star(e *expr) *expr { return &expr{op: opStar, subs: []*expr{e}} }

// cat joins expressions; concatenations in it are flattened.
func cat(parts ...*expr) *expr {
	joined := &expr{}
	for _, p := range parts {
		if p.op == opCat {
			joined.subs = append(joined.subs, p.subs...)
		} else {
			joined.subs = append(joined.subs, p)
		}
	}
	if len(joined.subs) == 1 {
		return joined.subs[0]
	}
	return joined
}

func alt(choices ...*expr) *expr {
	if len(choices) == 1 {
		return choices[0]
	}
	return &expr{op: opAlt, subs: choices}
}

// exact reports whether the expression is made of literals and alternations
// alone. Such a rule wins over others when apparmor_parser picks the dominating
// exec transition: add_rule_vec() in libapparmor_re/aare_rules.cc of 3.0.
func (e *expr) exact() bool {
	if e.op == opSet {
		_, ok := e.set.single()
		return ok && !e.class
	}
	for _, sub := range e.subs {
		if !sub.exact() {
			return false
		}
	}
	return e.op != opStar
}

// literal returns the only string that the expression matches, if there is one.
func (e *expr) literal() (string, bool) {
	switch e.op {
	case opSet:
		c, ok := e.set.single()
		return string([]byte{c}), ok
	case opCat:
		var out []byte
		for _, sub := range e.subs {
			s, ok := sub.literal()
			if !ok {
				return "", false
			}
			out = append(out, s...)
		}
		return string(out), true
	}
	return "", false
}

// prefix returns what all strings that match begin with, and whether there is
// but that one.
func (e *expr) prefix() (prefix string, exact bool) {
	if s, ok := e.literal(); ok {
		return s, true
	}
	if e.op != opCat {
		return "", false
	}
	for _, sub := range e.subs {
		s, ok := sub.literal()
		if !ok {
			break
		}
		prefix += s
	}
	return prefix, false
}

// key appends a canonical form of the expression, equal for equal expressions.
func (e *expr) key(to []byte) []byte {
	to = append(to, byte(e.op))
	if e.op == opSet {
		for _, word := range e.set {
			to = binary.LittleEndian.AppendUint64(to, word)
		}
		return to
	}
	to = strconv.AppendInt(to, int64(len(e.subs)), 10)
	for _, sub := range e.subs {
		to = sub.key(to)
	}
	return to
}

// maxHeld bounds the memory, in bytes, that the states of one automaton hold.
// When a walk needs more, all are dropped and built again as needed, so memory
// stays bounded whatever the patterns and the names are.
const maxHeld = 64 << 20

// An automaton matches a string against many tagged expressions at once. It is
// a nondeterministic automaton whose deterministic states are built when a walk
// first needs them. Building it serves one goroutine; walking it any number.
//
// Expressions that start alike share those states, so thousands of rules below
// /usr/lib cost little more than one.
type automaton struct {
	nodes    []node
	children map[string]int32 // shared prefixes: node number and atom to node number
	keyBuf   []byte

	classes [256]uint8 // bytes that no expression tells apart have one class
	reps    []byte     // one byte of each class

	start  atomic.Pointer[state]
	mu     sync.Mutex // held to build states
	states map[string]*state
	made   uint32   // how many were made
	held   int      // bytes in states
	seen   []uint32 // by node: the last round of closure that saw it
	round  uint32
}

// A node is a state of the nondeterministic automaton.
type node struct {
	edges []edge
	free  []int32 // nodes reached without a byte
	tags  []int32 // what matches here
}

type edge struct {
	set byteSet
	to  int32
}

// A state is a set of nodes, and the tags of all of them.
type state struct {
	id    uint32 // no other state of the automaton has it
	nodes []int32
	tags  []int32 // ascending
	next  []atomic.Pointer[state]
}

func newAutomaton() *automaton {
	return &automaton{nodes: make([]node, 1), children: map[string]int32{}}
}

// add adds an expression. All tags of a state are found by tags(), in ascending
// order.
func (a *automaton) add(e *expr, tag int32) {
	atoms := []*expr{e}
	if e.op == opCat {
		atoms = e.subs
	}
	at := int32(0)
	for _, atom := range atoms {
		at = a.step(at, atom)
	}
	a.nodes[at].tags = append(a.nodes[at].tags, tag)
}

// step returns the node after an atom, sharing it with earlier expressions that
// took the same steps from the root.
func (a *automaton) step(from int32, atom *expr) int32 {
	a.keyBuf = atom.key(binary.LittleEndian.AppendUint32(a.keyBuf[:0], uint32(from)))
	if to, ok := a.children[string(a.keyBuf)]; ok {
		return to
	}
	key := string(a.keyBuf)
	to := a.build(from, atom)
	a.children[key] = to
	return to
}

func (a *automaton) newNode() int32 {
	a.nodes = append(a.nodes, node{})
	return int32(len(a.nodes) - 1)
}

// build adds the nodes of an expression after from and returns the last one.
func (a *automaton) build(from int32, e *expr) int32 {
	switch e.op {
	case opSet:
		to := a.newNode()
		a.nodes[from].edges = append(a.nodes[from].edges, edge{e.set, to})
		return to
	case opCat:
		for _, sub := range e.subs {
			from = a.build(from, sub)
		}
		return from
	case opAlt:
		to := a.newNode()
		for _, sub := range e.subs {
			// A node of its own, lest a star at the start of one choice leak into another.
			head := a.newNode()
			a.nodes[from].free = append(a.nodes[from].free, head)
			end := a.build(head, sub)
			a.nodes[end].free = append(a.nodes[end].free, to)
		}
		return to
	default:
		loop := a.newNode()
		a.nodes[from].free = append(a.nodes[from].free, loop)
		if e.subs[0].op == opSet {
			a.nodes[loop].edges = append(a.nodes[loop].edges, edge{e.subs[0].set, loop})
			return loop
		}
		end := a.build(loop, e.subs[0])
		a.nodes[end].free = append(a.nodes[end].free, loop)
		return loop
	}
}

// freeze ends the building: it computes the byte classes and the first state.
func (a *automaton) freeze() {
	a.children, a.keyBuf = nil, nil
	seen := map[byteSet]bool{}
	count := 1
	for i := range a.nodes {
		for _, e := range a.nodes[i].edges {
			if !seen[e.set] {
				seen[e.set] = true
				count = splitClasses(&a.classes, e.set, count)
			}
		}
	}
	a.reps = make([]byte, count)
	for c := 255; c >= 0; c-- {
		a.reps[a.classes[c]] = byte(c)
	}
	a.reset()
}

// splitClasses refines byte classes by one set and returns their new number.
func splitClasses(classes *[256]uint8, s byteSet, count int) int {
	inside := [256]int16{} // class to the new class of its members in s, plus one
	outside := [256]bool{}
	for c := range 256 {
		if !s.has(byte(c)) {
			outside[classes[c]] = true
		}
	}
	for c := range 256 {
		class := classes[c]
		if !s.has(byte(c)) || !outside[class] {
			continue
		}
		if inside[class] == 0 {
			inside[class] = int16(count) + 1
			count++
		}
		classes[c] = uint8(inside[class] - 1)
	}
	return count
}

// reset drops all states but a fresh first one.
func (a *automaton) reset() {
	a.states, a.held = map[string]*state{}, 0
	a.start.Store(a.intern([]int32{0}))
}

// intern returns the state of the given nodes and all they reach freely. It
// may change nodes.
func (a *automaton) intern(nodes []int32) *state {
	nodes = a.closure(nodes)
	key := nodesKey(nodes)
	if s, ok := a.states[key]; ok {
		return s
	}
	a.made++
	s := &state{id: a.made, nodes: nodes, next: make([]atomic.Pointer[state], len(a.reps))}
	for _, n := range nodes {
		s.tags = append(s.tags, a.nodes[n].tags...)
	}
	slices.Sort(s.tags)
	s.tags = slices.Compact(s.tags)
	a.states[key] = s
	a.held += 128 + 8*len(s.next) + 8*len(nodes) + 4*len(s.tags)
	return s
}

// closure adds the nodes reached freely, and sorts.
func (a *automaton) closure(nodes []int32) []int32 {
	if a.seen == nil {
		a.seen = make([]uint32, len(a.nodes))
	}
	a.round++
	kept := nodes[:0]
	for _, n := range nodes {
		if a.seen[n] != a.round {
			a.seen[n] = a.round
			kept = append(kept, n)
		}
	}
	for i := 0; i < len(kept); i++ {
		for _, to := range a.nodes[kept[i]].free {
			if a.seen[to] != a.round {
				a.seen[to] = a.round
				kept = append(kept, to)
			}
		}
	}
	slices.Sort(kept)
	return kept
}

// next returns the state after one byte.
func (a *automaton) next(s *state, c byte) *state {
	class := a.classes[c]
	if to := s.next[class].Load(); to != nil {
		return to
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if to := s.next[class].Load(); to != nil {
		return to
	}
	if a.held >= maxHeld {
		a.reset() // walks under way keep the states they hold
	}
	var nodes []int32
	for _, n := range s.nodes {
		for _, e := range a.nodes[n].edges {
			if e.set.has(a.reps[class]) {
				nodes = append(nodes, e.to)
			}
		}
	}
	to := a.intern(nodes)
	s.next[class].Store(to)
	return to
}

// walk returns the state after all of name, from s. A state without nodes
// matches nothing however it goes on.
func (a *automaton) walk(s *state, name string) *state {
	for i := 0; i < len(name) && len(s.nodes) > 0; i++ {
		s = a.next(s, name[i])
	}
	return s
}

// match returns the tags of the expressions that match name, ascending. The
// caller must not change the result.
func (a *automaton) match(name string) []int32 {
	return a.walk(a.start.Load(), name).tags
}
