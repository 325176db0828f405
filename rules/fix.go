package rules

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// An Edit replaces the text at a location; an empty span inserts.
type Edit struct {
	At  Location
	New string
}

// A Risk says how much a fix gives away, as judged for the access it grants.
type Risk int

// The risks, in rising order.
const (
	Low Risk = iota
	Medium
	High
)

// String returns "low", "medium" or "high".
func (r Risk) String() string { return [...]string{"low", "medium", "high"}[r] }

// A Fix is one way to remedy a finding. The fixes of a finding are
// alternatives, narrowest first but for one that is more easily read, which says what it
// grants: at most one of them is applied.
type Fix struct {
	Message string   // what it does, such as "add w to this rule"
	Rule    string   // the rule or entry as it reads afterwards
	Edits   []Edit   // none for a step outside a policy file, such as loading a profile
	Grants  string   // what it allows beyond the denied access; "" for nothing
	Risk    Risk     // of the access it grants
	Reason  string   // why the risk is what it is
	Proof   []string // what was checked, such as "compiles", "access now allowed"
	// Capability is what the container has to be given besides the edits, or, where
	// there are none, in their place: CAP_SYSLOG; "" for nothing.
	Capability string
}

// A Conflict is a pair of edits of which only one can be applied.
type Conflict struct{ Kept, Dropped Edit }

// Merge joins the edits of several fixes as commits are merged: identical edits
// coalesce, insertions at one place follow each other in the order given, and
// where two edits touch the same text the first is kept and the pair reported.
// The result is ordered by file name and position, an insertion before what is
// replaced at its place.
func Merge(sets ...[]Edit) ([]Edit, []Conflict) {
	var merged []Edit
	var conflicts []Conflict
	cluster := clusters(sets)
	kept := map[int][]Edit{} // by the cluster
	for _, set := range sets {
		for _, e := range set {
			n := cluster[e]
			if slices.Contains(kept[n], e) {
				continue
			}
			i := slices.IndexFunc(kept[n], func(m Edit) bool { return overlap(m, e) })
			if i >= 0 {
				conflicts = append(conflicts, Conflict{Kept: kept[n][i], Dropped: e})
				continue
			}
			kept[n] = append(kept[n], e)
			merged = append(merged, e)
		}
	}
	slices.SortStableFunc(merged, byPlace)
	return merged, conflicts
}

// byPlace orders edits by file name and position.
func byPlace(a, b Edit) int {
	s, t := a.At.Span, b.At.Span
	return cmp.Or(strings.Compare(a.At.File.Name, b.At.File.Name), s.Start-t.Start, s.End-t.End)
}

// clusters numbers edits so that those of different numbers touch different text.
func clusters(sets [][]Edit) map[Edit]int {
	number := map[Edit]int{}
	edits := map[*File][]Edit{}
	for _, set := range sets {
		for _, e := range set {
			if _, known := number[e]; !known {
				number[e] = 0
				edits[e.At.File] = append(edits[e.At.File], e)
			}
		}
	}
	n := 0
	for _, list := range edits {
		slices.SortFunc(list, byPlace)
		end := 0 // of the cluster
		for _, e := range list {
			if e.At.Span.Start >= end {
				n++
			}
			end = max(end, e.At.Span.End)
			number[e] = n
		}
		n++
	}
	return number
}

// overlap reports whether two edits change the same text. Two insertions never
// do; an insertion does with a replacement that encloses it strictly.
func overlap(a, b Edit) bool {
	if a.At.File != b.At.File {
		return false
	}
	s, t := a.At.Span, b.At.Span
	return s.Start < t.End && t.Start < s.End
}

// A Change is a file before and after some edits.
type Change struct {
	File *File
	New  string
}

// Apply returns the files that edits change, each once, ordered as Merge orders
// them. It fails if two edits touch the same text or one lies outside its file.
func Apply(edits []Edit) ([]Change, error) {
	sorted, conflicts := Merge(edits)
	if len(conflicts) > 0 {
		c := conflicts[0]
		return nil, fmt.Errorf("%s: edit overlaps the one at %s", c.Dropped.At, c.Kept.At)
	}
	var changes []Change
	for len(sorted) > 0 {
		f := sorted[0].At.File
		n := slices.IndexFunc(sorted, func(e Edit) bool { return e.At.File != f })
		if n < 0 {
			n = len(sorted)
		}
		text, err := applyFile(f, sorted[:n])
		if err != nil {
			return nil, err
		}
		changes = append(changes, Change{File: f, New: text})
		sorted = sorted[n:]
	}
	return changes, nil
}

// applyFile applies edits that are sorted and do not overlap to one file.
func applyFile(f *File, edits []Edit) (string, error) {
	var out strings.Builder
	at := 0
	for _, e := range edits {
		s := e.At.Span
		if s.Start < at || s.End < s.Start || s.End > len(f.Text) {
			return "", fmt.Errorf("%s: edit of bytes %d to %d is outside the file (%d bytes)", f.Name, s.Start, s.End, len(f.Text))
		}
		out.WriteString(f.Text[at:s.Start])
		out.WriteString(e.New)
		at = s.End
	}
	out.WriteString(f.Text[at:])
	return out.String(), nil
}
