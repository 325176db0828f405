package aare

import (
	"slices"
	"sync"
	"sync/atomic"
)

// maxHeld bounds the memory, in bytes, that the states of one automaton hold.
// When a walk needs more, all are dropped and built again as needed, so memory
// stays bounded whatever the patterns and the names are.
const maxHeld = 32 << 20

// An Automaton matches a string against many tagged expressions at once. It is
// a nondeterministic automaton whose deterministic states are built when a walk
// first needs them. Building it serves one goroutine; once frozen, it can be walked
// by any number.
//
// Expressions that start alike share those states, so thousands of rules below
// /usr/lib cost little more than one.
type Automaton struct {
	nodes []node
	edges []edge
	free  []link // to nodes that are reached without a byte
	tags  []link // of what matches at a node
	sets  []byteSet

	// Until it is frozen: sets of one byte by that, plus one, others by their bytes, atoms but
	// for sets by their keys, and which node such an atom leads to from another.
	ones        *[256]int32
	setNumbers  map[byteSet]int32
	atomNumbers map[string]int32
	children    map[[2]int32]int32

	classes [256]uint8 // bytes that no expression tells apart have one class
	reps    []byte     // one byte of each class

	start  atomic.Pointer[State]
	mu     sync.Mutex // held to build states
	states map[string]*State
	made   uint32   // how many were made
	held   int      // bytes in states
	most   int      // that may be held
	seen   []uint32 // by node: the last round of closure that saw it
	round  uint32
	led    []int32 // scratch of Next
	key    []byte  // and of step and intern
}

// A node is a state of the nondeterministic automaton: the first of its edges,
// free links and tags, plus one; 0 for none. There are as many nodes as bytes in
// patterns that begin unlike, so they are small.
type node struct{ edge, free, tag int32 }

// An edge leads to a node by a byte of a set, given by its number; it is negative,
// less one, of an edge that is not for expressions which begin alike to share.
type edge struct{ set, to, next int32 }

func (e edge) number() int32 { return max(e.set, -1-e.set) }

type link struct{ value, next int32 }

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
	return &Automaton{most: maxHeld, nodes: make([]node, 1), ones: new([256]int32), setNumbers: map[byteSet]int32{}, atomNumbers: map[string]int32{}, children: map[[2]int32]int32{}}
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
	a.tags = append(a.tags, link{tag, a.nodes[at].tag})
	a.nodes[at].tag = int32(len(a.tags))
}

// maxFan bounds the edges of a node among which a shared one is looked for.
const maxFan = 300

// step returns the node after an atom, sharing it with earlier expressions that
// took the same steps from the root.
func (a *Automaton) step(from int32, atom *Expr) int32 {
	if atom.op == opSet {
		set := a.setNumber(atom.set)
		fan := 0
		for k := a.nodes[from].edge; k > 0 && fan < maxFan; k = a.edges[k-1].next {
			if a.edges[k-1].set == set {
				return a.edges[k-1].to
			}
			fan++
		}
		to := a.newNode()
		a.addEdge(from, set, to)
		return to
	}
	a.key = atom.key(a.key[:0])
	number, ok := a.atomNumbers[string(a.key)]
	if !ok {
		number = int32(len(a.atomNumbers))
		a.atomNumbers[string(a.key)] = number
	}
	child := [2]int32{from, number}
	if to, ok := a.children[child]; ok {
		return to
	}
	to := a.build(from, atom)
	a.children[child] = to
	return to
}

func (a *Automaton) setNumber(s byteSet) int32 {
	c, one := s.single()
	if one && a.ones[c] > 0 {
		return a.ones[c] - 1
	}
	if n, known := a.setNumbers[s]; known {
		return n
	}
	a.sets = append(a.sets, s)
	n := int32(len(a.sets))
	if one {
		a.ones[c] = n
	} else {
		a.setNumbers[s] = n - 1
	}
	return n - 1
}

func (a *Automaton) newNode() int32 {
	a.nodes = append(a.nodes, node{})
	return int32(len(a.nodes) - 1)
}

func (a *Automaton) addEdge(from, set, to int32) {
	a.edges = append(a.edges, edge{set, to, a.nodes[from].edge})
	a.nodes[from].edge = int32(len(a.edges))
}

func (a *Automaton) addFree(from, to int32) {
	a.free = append(a.free, link{to, a.nodes[from].free})
	a.nodes[from].free = int32(len(a.free))
}

// build adds the nodes of an expression after from and returns the last one.
func (a *Automaton) build(from int32, e *Expr) int32 {
	switch e.op {
	case opSet:
		to := a.newNode()
		a.addEdge(from, -1-a.setNumber(e.set), to)
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
			a.addFree(from, head)
			a.addFree(a.build(head, sub), to)
		}
		return to
	default:
		loop := a.newNode()
		a.addFree(from, loop)
		if e.subs[0].op == opSet {
			a.addEdge(loop, -1-a.setNumber(e.subs[0].set), loop)
			return loop
		}
		a.addFree(a.build(loop, e.subs[0]), loop)
		return loop
	}
}

// Hold bounds the memory, in bytes, that the states hold, before Freeze.
func (a *Automaton) Hold(most int) { a.most = most }

// Freeze ends the building: it computes the byte classes and the first state.
func (a *Automaton) Freeze() {
	a.ones, a.setNumbers, a.atomNumbers, a.children = nil, nil, nil, nil
	count := 1
	for _, s := range a.sets {
		count = splitClasses(&a.classes, s, count)
	}
	a.reps = make([]byte, count)
	for c := 255; c >= 0; c-- {
		a.reps[a.classes[c]] = byte(c)
	}
	a.reset()
}

// splitClasses refines byte classes by one set and returns their new number.
func splitClasses(classes *[256]uint8, s byteSet, count int) int {
	if c, one := s.single(); one { // as most are
		for other, class := range classes {
			if class == classes[c] && other != int(c) {
				classes[c] = uint8(count)
				return count + 1
			}
		}
		return count
	}
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
	a.start.Store(a.intern(append(a.led[:0], 0)))
}

// intern returns the state of the given nodes and all they reach freely. It
// may change nodes.
func (a *Automaton) intern(nodes []int32) *State {
	nodes = a.closure(nodes)
	a.led, a.key = nodes, appendNodes(a.key[:0], nodes)
	if s, ok := a.states[string(a.key)]; ok {
		return s
	}
	a.made++
	nodes = slices.Clone(nodes)
	s := &State{ID: a.made, Tags: a.tagsOf(nodes), nodes: nodes, next: make([]atomic.Pointer[State], len(a.reps))}
	a.states[string(a.key)] = s
	a.held += 128 + 8*len(s.next) + 8*len(nodes) + 4*len(s.Tags)
	return s
}

// tagsOf returns the tags of what matches at any of some nodes, ascending.
func (a *Automaton) tagsOf(nodes []int32) (tags []int32) {
	for _, n := range nodes {
		for t := a.nodes[n].tag; t > 0; t = a.tags[t-1].next {
			tags = append(tags, a.tags[t-1].value)
		}
	}
	slices.Sort(tags)
	return slices.Compact(tags)
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
		for f := a.nodes[kept[i]].free; f > 0; f = a.free[f-1].next {
			if to := a.free[f-1].value; a.seen[to] != a.round {
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
	if a.held >= a.most {
		a.reset() // walks under way keep the states they hold
	}
	to := a.intern(a.reached(s.nodes, a.reps[class]))
	s.next[class].Store(to)
	return to
}

// after returns the nodes to which some lead by a byte, and all that they reach freely. They
// are valid until the next call.
func (a *Automaton) after(nodes []int32, c byte) []int32 {
	a.led = a.closure(a.reached(nodes, c))
	return a.led
}

// reached returns the nodes to which some lead by a byte alone.
func (a *Automaton) reached(nodes []int32, c byte) []int32 {
	to := a.led[:0]
	for _, n := range nodes {
		for k := a.nodes[n].edge; k > 0; k = a.edges[k-1].next {
			if e := a.edges[k-1]; a.sets[e.number()].has(c) {
				to = append(to, e.to)
			}
		}
	}
	return to
}

// Leading appends those of some bytes to a list by which a state does not lead to a dead
// one, in their order. No state is made for the others.
func (a *Automaton) Leading(s *State, bytes, to []byte) []byte {
	return a.leading(s.nodes, bytes, to)
}

func (a *Automaton) leading(nodes []int32, bytes, to []byte) []byte {
	var live byteSet
	for _, n := range nodes {
		for k := a.nodes[n].edge; k > 0; k = a.edges[k-1].next {
			live = live.or(a.sets[a.edges[k-1].number()])
		}
	}
	for _, c := range bytes {
		if live.has(c) {
			to = append(to, c)
		}
	}
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

// makingCost is how many visits of a node it costs to make it a part of a state.
const makingCost = 8

// MatchWork is Match, and says how many nodes were visited on the way, as far as
// states did not know where to go.
func (a *Automaton) MatchWork(name string) (tags []int32, work int) {
	s := a.Start()
	for i := 0; i < len(name) && !s.Dead(); i++ {
		made := a.made
		next := a.Next(s, name[i])
		if work++; a.made != made {
			work += makingCost * (len(s.nodes) + len(next.nodes))
		}
		s = next
	}
	return s.Tags, work
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
