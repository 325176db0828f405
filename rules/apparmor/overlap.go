package apparmor

import (
	"iter"
	"slices"
	"sort"
	"strings"

	"github.com/whydenied/whydenied/rules/apparmor/aare"
)

// The bounds of what is compared for one answer about a policy. Policy that people
// write stays far below them; beyond them, less is found.
const (
	maxPairs  = 50_000  // pairs of rules
	maxEffort = 1 << 27 // visits of a node by a byte, and looks at rules
)

// An effort is what is left of the bounds.
type effort struct{ pairs, left int }

func newEffort() *effort { return &effort{pairs: maxPairs, left: maxEffort} }

// look spends n looks, and reports whether there is something left.
func (e *effort) look(n int) bool {
	e.left -= n
	return e.left > 0
}

// pair spends a pair, and reports whether there was one left.
func (e *effort) pair() bool {
	e.pairs--
	return e.pairs >= 0 && e.left > 0
}

// compare is Compare. Automata may have to be made, which costs, too.
func (e *effort) compare(a, b *Pattern) aare.Relation {
	r := Compare(a, b)
	e.left -= r.Work + 8*(a.size()+b.size())
	return r
}

// size is how many bytes a pattern has with its variables and aliases.
func (p *Pattern) size() (n int) {
	if p == nil {
		return 0
	}
	for _, text := range p.Expanded {
		n += len(text)
	}
	return n
}

// covers reports whether a surely matches every name that b matches.
func (e *effort) covers(a, b *Pattern) bool {
	if name, ok := b.Literal(); ok && a.size() < maxShown && strings.IndexByte(name, 0) < 0 {
		e.left -= len(name)
		return a.Match(name)
	}
	r := e.compare(a, b)
	return r.Complete && !r.HasOnlyB
}

// literalPrefix returns what every name that a pattern matches starts with.
func literalPrefix(p *Pattern) string {
	if len(p.Expanded) != 1 {
		return ""
	}
	text := p.Expanded[0]
	if i := strings.IndexAny(text, `*?[{\`); i >= 0 {
		return text[:i]
	}
	return text
}

// A fileIndex finds among file rules those whose paths may match names that
// another's match: one of the two literal prefixes begins with the other. So most
// pairs of rules are never looked at.
type fileIndex struct{ nodes []prefixNode }

// A prefixNode is the rules of one literal prefix; nodes are in order.
type prefixNode struct {
	prefix string
	parent int // the longest other prefix that this one begins with, or -1
	alike  []alikeRules
}

// alikeRules are rules that differ in their paths alone, as indexes, ascending.
type alikeRules struct {
	kind  fileKind
	rule  *FileRule // the first of them
	rules []int
}

// A fileKind is all that matters of a file rule but its path.
type fileKind struct {
	Qualifiers
	perms          Perms
	exec, target   string
	unsafe, anyway bool // anyway: the bare rule file
	exact          bool // of exec rules; see FileRule.exact
}

func fileKindOf(r *FileRule) fileKind {
	k := fileKind{Qualifiers: r.Qualifiers, perms: r.Perms, anyway: r.Path == nil}
	if r.Perms&Exec != 0 {
		k.exec, k.target, k.unsafe = r.Exec.String(), targetOf(r), r.Exec.Unsafe
		k.exact = filePattern(r).Err() == nil && r.exact()
	}
	return k
}

func indexFiles(list []*FileRule) *fileIndex {
	type place struct {
		prefix string
		kind   fileKind
	}
	order := make([]int, len(list))
	prefixes := make([]string, len(list))
	for i, r := range list {
		order[i], prefixes[i] = i, literalPrefix(filePattern(r))
	}
	slices.SortStableFunc(order, func(a, b int) int { return strings.Compare(prefixes[a], prefixes[b]) })
	x := &fileIndex{}
	places := map[place]int{}
	for _, i := range order {
		n := len(x.nodes) - 1
		if n < 0 || x.nodes[n].prefix != prefixes[i] {
			parent := n
			for parent >= 0 && !strings.HasPrefix(prefixes[i], x.nodes[parent].prefix) {
				parent = x.nodes[parent].parent
			}
			x.nodes = append(x.nodes, prefixNode{prefix: prefixes[i], parent: parent})
			n++
		}
		node, at := &x.nodes[n], place{prefixes[i], fileKindOf(list[i])}
		k, ok := places[at]
		if !ok {
			k = len(node.alike)
			places[at] = k
			node.alike = append(node.alike, alikeRules{kind: at.kind, rule: list[i]})
		}
		node.alike[k].rules = append(node.alike[k].rules, i)
	}
	return x
}

// above yields the rules whose prefixes a prefix begins with.
func (x *fileIndex) above(prefix string) iter.Seq[*alikeRules] {
	return func(yield func(*alikeRules) bool) {
		n := sort.Search(len(x.nodes), func(i int) bool { return x.nodes[i].prefix > prefix }) - 1
		for ; n >= 0; n = x.nodes[n].parent {
			if !strings.HasPrefix(prefix, x.nodes[n].prefix) {
				continue
			}
			for k := range x.nodes[n].alike {
				if !yield(&x.nodes[n].alike[k]) {
					return
				}
			}
		}
	}
}

// near yields those, and the rules whose prefixes begin with it.
func (x *fileIndex) near(prefix string) iter.Seq[*alikeRules] {
	return func(yield func(*alikeRules) bool) {
		for list := range x.above(prefix) {
			if !yield(list) {
				return
			}
		}
		n := sort.Search(len(x.nodes), func(i int) bool { return x.nodes[i].prefix > prefix })
		for ; n < len(x.nodes) && strings.HasPrefix(x.nodes[n].prefix, prefix); n++ {
			for k := range x.nodes[n].alike {
				if !yield(&x.nodes[n].alike[k]) {
					return
				}
			}
		}
	}
}

// inOrder yields the rules of several lists, ascending.
func inOrder(lists []*alikeRules) iter.Seq[int] {
	return func(yield func(int) bool) {
		at := make([]int, len(lists))
		for {
			least := -1
			for k, list := range lists {
				if at[k] < len(list.rules) && (least < 0 || list.rules[at[k]] < lists[least].rules[at[least]]) {
					least = k
				}
			}
			if least < 0 || !yield(lists[least].rules[at[least]]) {
				return
			}
			at[least]++
		}
	}
}
