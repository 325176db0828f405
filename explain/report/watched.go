package report

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// A Sighting is when and on which node a finding was seen first of all that a store or a
// fleet's database knows, before the time that was asked for too.
type Sighting struct {
	Time    string `json:"time"` // as in Finding
	Cluster string `json:"cluster,omitempty"`
	Node    string `json:"node,omitempty"`
}

// Watched says from how many nodes a store or a fleet's database hears, and of which of them
// denials may not have been seen.
type Watched struct {
	Nodes int     `json:"nodes"`
	Blind int     `json:"blind"`           // nodes
	Named []Blind `json:"named,omitempty"` // the first of them

	all map[Node]*Blind
}

// A Node is one of a cluster; either is "" if it is not known.
type Node struct {
	Cluster string `json:"cluster,omitempty"`
	Name    string `json:"node"`
}

// A Blind is a node of which denials may not have been seen, and why.
type Blind struct {
	Node
	Missing Missing  `json:"missing"`          // records, as far as the kernel or a log says
	Lost    int      `json:"lost,omitempty"`   // records that were lost while somebody watched
	Silent  string   `json:"silent,omitempty"` // since when nobody has looked, as in Finding
	Doctor  []string `json:"doctor,omitempty"` // what it said would hide denials
}

// maxBlind bounds the nodes that are named.
const maxBlind = 100

// Add adds nodes that are blind.
func (w *Watched) Add(nodes map[Node]*Blind) {
	w.all = nodes
	w.Blind = len(nodes)
	w.Nodes = max(w.Nodes, w.Blind)
	for _, n := range slices.SortedFunc(maps.Keys(nodes), func(a, b Node) int {
		return cmp.Or(strings.Compare(a.Cluster, b.Cluster), strings.Compare(a.Name, b.Name))
	})[:min(len(nodes), maxBlind)] {
		b := *nodes[n]
		b.Cluster, b.Name, b.Doctor = plain(b.Cluster), plain(b.Name), texts(b.Doctor)
		w.Named = append(w.Named, b)
	}
}

// merge adds the nodes of another input.
func (w *Watched) merge(o *Watched) *Watched {
	if w == nil || o == nil {
		return cmp.Or(w, o)
	}
	sum := &Watched{Nodes: w.Nodes + o.Nodes, Blind: w.Blind + o.Blind, Named: slices.Concat(w.Named, o.Named)}
	sum.Named = sum.Named[:min(len(sum.Named), maxBlind)]
	return sum
}

// of counts the blind nodes that a name is of, and says why: by is node or cluster. Nodes of
// one name are told apart by their clusters.
func (w *Watched) of(by, name string) (n int, why string) {
	if w == nil {
		return 0, ""
	}
	var list []*Blind
	for node, b := range w.all {
		switch {
		case by == "node" && node.Name == name:
			list = append(list, b)
		case by == "cluster" && node.Cluster == name:
			n++
		}
	}
	if len(list) == 1 {
		return 1, plain(list[0].why(false))
	}
	slices.SortFunc(list, func(a, b *Blind) int { return strings.Compare(a.Cluster, b.Cluster) })
	var parts []string
	for _, b := range list[:min(len(list), maxBlindShown)] {
		parts = append(parts, fmt.Sprintf("of %s: %s", cmp.Or(b.Cluster, "no cluster"), b.why(false)))
	}
	if more := len(list) - len(parts); more > 0 {
		parts = append(parts, "and "+thousands(more)+" more")
	}
	return n + len(list), plain(strings.Join(parts, "; "))
}

// why words the reasons why a node is blind. Of one that is the only one its missing records
// are told elsewhere.
func (b *Blind) why(alone bool) string {
	var parts []string
	if b.Silent != "" {
		parts = append(parts, "silent since "+b.Silent)
	}
	if !alone {
		parts = append(parts, missingParts(b.Missing)...)
		if b.Lost > 0 {
			parts = append(parts, thousands(b.Lost)+" lost")
		}
	}
	return strings.Join(append(parts, b.Doctor...), ", ")
}

// maxBlindShown bounds the blind nodes that a line names.
const maxBlindShown = 3

// String words which nodes are blind; "" if none is known to be.
func (w *Watched) String() string {
	if w == nil || w.Blind == 0 {
		return ""
	}
	var list []string
	for i := range w.Named[:min(len(w.Named), maxBlindShown)] {
		b := &w.Named[i]
		if why := b.why(w.Nodes == 1); why != "" {
			list = append(list, fmt.Sprintf("%s (%s)", cmp.Or(b.Name, "this one"), why))
		}
	}
	if len(list) == 0 {
		return ""
	}
	if n := w.Blind - len(list); n > 0 {
		list = append(list, "and "+thousands(n)+" more")
	}
	return fmt.Sprintf("%s of %s may be blind: %s", thousands(w.Blind), count(w.Nodes, "node"), strings.Join(list, ", "))
}
