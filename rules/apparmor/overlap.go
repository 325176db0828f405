package apparmor

import (
	"cmp"
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
func (e *effort) compare(a, b *Pattern, ask aare.Question) aare.Relation {
	r := Compare(a, b, ask)
	e.left -= r.Work + 8*(a.size()+b.size())
	return r
}

// size is how many bytes a pattern has with its variables and aliases; nil, which is
// any name, has none.
func (p *Pattern) size() (n int) {
	if p == nil {
		return 0
	}
	for _, text := range p.Expanded {
		n += len(text)
	}
	return n
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

// prefixes returns what names that a pattern matches start with: each with one of
// them, of which there are no more than most.
func prefixes(p *Pattern, most int) []string {
	if len(p.Expanded) > most {
		return []string{""}
	}
	var all []string
	for _, text := range p.Expanded {
		all = append(all, globPrefixes(text, most/len(p.Expanded))...)
	}
	return all
}

// globPrefixes is prefixes for a glob: its text up to the first wildcard, with each
// choice of the alternations that have none.
func globPrefixes(text string, most int) []string {
	heads := []string{""}
	for text != "" {
		n := strings.IndexAny(text, `*?[]{}\`)
		if n < 0 {
			n = len(text)
		}
		choices := []string{text[:n]}
		if n == 0 {
			n = plainAlternation(text)
			if n == 0 {
				break
			}
			choices = alternatives(text[1:n-1], most)
		}
		if len(heads)*len(choices) > most {
			break
		}
		var longer []string
		for _, head := range heads {
			for _, choice := range choices {
				longer = append(longer, head+choice)
			}
		}
		heads, text = longer, text[n:]
	}
	return heads
}

// plainAlternation returns the length of the alternation that text begins with, 0 if
// it begins with none or that holds a wildcard.
func plainAlternation(text string) int {
	depth := 0
	for i := range len(text) {
		switch text[i] {
		case '{':
			depth++
		case '}':
			if depth--; depth == 0 {
				return i + 1
			}
		case '*', '?', '[', ']', '\\':
			return 0
		}
		if depth == 0 {
			return 0
		}
	}
	return 0
}

// alternatives returns what a plain alternation matches, given without its braces; more
// than most if they are too many.
func alternatives(text string, most int) (all []string) {
	depth, start := 0, 0
	for i := 0; i <= len(text) && len(all) <= most; i++ {
		switch {
		case i < len(text) && text[i] == '{':
			depth++
		case i < len(text) && text[i] == '}':
			depth--
		case i == len(text) || depth == 0 && text[i] == ',':
			all = append(all, nested(text[start:i], most)...)
			start = i + 1
		}
	}
	return all
}

// nested returns what one choice of a plain alternation matches.
func nested(text string, most int) []string {
	i := strings.IndexByte(text, '{')
	if i < 0 {
		return []string{text}
	}
	n := plainAlternation(text[i:])
	var all []string
	for _, choice := range alternatives(text[i+1:i+n-1], most) {
		for _, rest := range nested(text[i+n:], most) {
			if all = append(all, text[:i]+choice+rest); len(all) > most {
				return all
			}
		}
	}
	return all
}

// A fileIndex finds among file rules those whose paths may match names that
// another's match: of two of their prefixes one begins with the other. So most pairs of
// rules are never looked at.
type fileIndex struct{ nodes []prefixNode }

// A prefixNode is the rules of one prefix; nodes are in order.
type prefixNode struct {
	prefix string
	parent int // the longest other prefix that this one begins with, or -1
	alike  []alikeRules
}

// alikeRules are rules that differ in their paths alone, as indexes, ascending.
type alikeRules struct {
	kind  int       // no other kind of the index has it
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

// The prefixes of one rule, and of all rules of an index besides one for each.
const (
	maxPrefixes   = 16
	sparePrefixes = 20_000
)

func indexFiles(list []*FileRule) *fileIndex {
	type entry struct {
		prefix string
		rule   int
	}
	var entries []entry
	most := maxPrefixes
	for i, r := range list {
		for _, prefix := range prefixes(filePattern(r), most) {
			entries = append(entries, entry{prefix, i})
		}
		if len(entries)-i > sparePrefixes {
			most = 1
		}
	}
	slices.SortFunc(entries, func(a, b entry) int { return cmp.Or(strings.Compare(a.prefix, b.prefix), a.rule-b.rule) })
	x := &fileIndex{}
	numbers := map[fileKind]int{}
	kinds := make([]int, len(list))
	for i, r := range list {
		kind := fileKindOf(r)
		if _, ok := numbers[kind]; !ok {
			numbers[kind] = len(numbers)
		}
		kinds[i] = numbers[kind]
	}
	places := map[[2]int]int{} // in a node's alike, by node and kind
	for _, at := range entries {
		n := len(x.nodes) - 1
		if n < 0 || x.nodes[n].prefix != at.prefix {
			parent := n
			for parent >= 0 && !strings.HasPrefix(at.prefix, x.nodes[parent].prefix) {
				parent = x.nodes[parent].parent
			}
			x.nodes = append(x.nodes, prefixNode{prefix: at.prefix, parent: parent})
			n++
		}
		node, place := &x.nodes[n], [2]int{n, kinds[at.rule]}
		k, ok := places[place]
		if !ok {
			k = len(node.alike)
			places[place] = k
			node.alike = append(node.alike, alikeRules{kind: kinds[at.rule], rule: list[at.rule]})
		}
		if same := &node.alike[k].rules; len(*same) == 0 || (*same)[len(*same)-1] != at.rule {
			*same = append(*same, at.rule)
		}
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

// near yields the rules of which a prefix begins with one of a pattern, or the other
// way round; some more than once.
func (x *fileIndex) near(p *Pattern) iter.Seq[*alikeRules] {
	return func(yield func(*alikeRules) bool) {
		for _, prefix := range prefixes(p, maxPrefixes) {
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
}
