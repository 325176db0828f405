package aare

import (
	"encoding/binary"
	"slices"
	"sync"
	"sync/atomic"
)

// maxHeld bounds the memory, in bytes, that the states of one automaton hold.
// When a walk needs more, all are dropped and built again as needed, so memory
// stays bounded whatever the patterns and the names are.
const maxHeld = 64 << 20

// An Automaton matches a string against many tagged expressions at once. It is
// a nondeterministic automaton whose deterministic states are built when a walk
// first needs them. Building it serves one goroutine; once frozen, it can be walked
// by any number.
//
// Expressions that start alike share those states, so thousands of rules below
// /usr/lib cost little more than one.
type Automaton struct {
	nodes    []node
	children map[string]int32 // shared prefixes: node number and atom to node number
	keyBuf   []byte

	classes [256]uint8 // bytes that no expression tells apart have one class
	reps    []byte     // one byte of each class

	start  atomic.Pointer[State]
	mu     sync.Mutex // held to build states
	states map[string]*State
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

// A State is what an automaton knows after some bytes. It is not to be changed.
type State struct {
	ID    uint32  // no other state of the automaton has it
	Tags  []int32 // of the expressions that match these bytes, ascending
	nodes []int32
	next  []atomic.Pointer[State]
}

// Dead reports whether nothing matches however the bytes go on.
func (s *State) Dead() bool { return len(s.nodes) == 0 }

// New returns an automaton to which expressions can be added.
func New() *Automaton {
	return &Automaton{nodes: make([]node, 1), children: map[string]int32{}}
}

// Add adds an expression under a tag, before Freeze.
func (a *Automaton) Add(e *Expr, tag int32) {
	atoms := []*Expr{e}
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
func (a *Automaton) step(from int32, atom *Expr) int32 {
	a.keyBuf = atom.key(binary.LittleEndian.AppendUint32(a.keyBuf[:0], uint32(from)))
	if to, ok := a.children[string(a.keyBuf)]; ok {
		return to
	}
	key := string(a.keyBuf)
	to := a.build(from, atom)
	a.children[key] = to
	return to
}

func (a *Automaton) newNode() int32 {
	a.nodes = append(a.nodes, node{})
	return int32(len(a.nodes) - 1)
}

// build adds the nodes of an expression after from and returns the last one.
func (a *Automaton) build(from int32, e *Expr) int32 {
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

// Freeze ends the building: it computes the byte classes and the first state.
func (a *Automaton) Freeze() {
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
func (a *Automaton) reset() {
	a.states, a.held = map[string]*State{}, 0
	a.start.Store(a.intern([]int32{0}))
}

// intern returns the state of the given nodes and all they reach freely. It
// may change nodes.
func (a *Automaton) intern(nodes []int32) *State {
	nodes = a.closure(nodes)
	key := nodesKey(nodes)
	if s, ok := a.states[key]; ok {
		return s
	}
	a.made++
	s := &State{ID: a.made, nodes: nodes, next: make([]atomic.Pointer[State], len(a.reps))}
	for _, n := range nodes {
		s.Tags = append(s.Tags, a.nodes[n].tags...)
	}
	slices.Sort(s.Tags)
	s.Tags = slices.Compact(s.Tags)
	a.states[key] = s
	a.held += 128 + 8*len(s.next) + 8*len(nodes) + 4*len(s.Tags)
	return s
}

// closure adds the nodes reached freely, and sorts.
func (a *Automaton) closure(nodes []int32) []int32 {
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

// Start returns the state before the first byte.
func (a *Automaton) Start() *State { return a.start.Load() }

// Next returns the state after one byte.
func (a *Automaton) Next(s *State, c byte) *State {
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

// Walk returns the state after all of name, from s, or a dead one.
func (a *Automaton) Walk(s *State, name string) *State {
	for i := 0; i < len(name) && !s.Dead(); i++ {
		s = a.Next(s, name[i])
	}
	return s
}

// Match returns the tags of the expressions that match name, ascending. The
// caller must not change the result.
func (a *Automaton) Match(name string) []int32 {
	return a.Walk(a.Start(), name).Tags
}

// maxDetour bounds the states of AfterComponent.
const maxDetour = 64

// AfterComponent returns states after one or more bytes that are not a slash: all of
// them, as far as a bound goes.
func (a *Automaton) AfterComponent(from *State) []*State {
	var found []*State
	seen := map[*State]bool{}
	queue := []*State{from}
	for len(queue) > 0 && len(found) < maxDetour {
		s := queue[0]
		queue = queue[1:]
		for _, c := range a.reps {
			if c == '/' || c == 0 {
				continue
			}
			if next := a.Next(s, c); !next.Dead() && !seen[next] {
				seen[next] = true
				found, queue = append(found, next), append(queue, next)
			}
		}
	}
	return found
}
