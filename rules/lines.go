package rules

import (
	"slices"
	"sort"
	"strings"
	"unicode/utf8"

	"github.com/aymanbagabas/go-udiff"
)

// LineEdits returns the edits by which a change makes the new text of the old:
// whole lines, in order, and as few as can be found. They are the hunks of
// Unified without context.
func (c Change) LineEdits() []Edit {
	var edits []Edit
	for _, e := range lineEdits(c.File.Text, c.New) {
		edits = append(edits, Edit{At: Location{File: c.File, Span: Span{Start: e.Start, End: e.End}}, New: e.New})
	}
	return edits
}

// Trim returns edits without what stays as it was at their beginnings and ends.
func Trim(edits []Edit) []Edit {
	trimmed := slices.Clone(edits)
	for i, e := range trimmed {
		old, span := e.At.Text(), e.At.Span
		n := 0
		for n < len(old) && n < len(e.New) && old[n] == e.New[n] {
			n++
		}
		for n > 0 && n < len(old) && !utf8.RuneStart(old[n]) {
			n--
		}
		old, e.New = old[n:], e.New[n:]
		m := 0
		for m < len(old) && m < len(e.New) && old[len(old)-1-m] == e.New[len(e.New)-1-m] {
			m++
		}
		for m > 0 && !utf8.RuneStart(old[len(old)-m]) {
			m--
		}
		trimmed[i] = Edit{At: Location{e.At.File, Span{span.Start + n, span.End - m}}, New: e.New[:len(e.New)-m]}
	}
	return trimmed
}

// lineEdits compares two texts line by line. udiff gives up on long texts that
// differ in many places and replaces what is between the first and the last, so
// the texts are first cut at the lines that are in both of them, once: patience
// diff, as of `git diff --patience`.
func lineEdits(before, after string) []udiff.Edit {
	d := differ{old: slices.Collect(strings.Lines(before)), new: slices.Collect(strings.Lines(after))}
	offset := 0
	for _, line := range d.old {
		d.offsets = append(d.offsets, offset)
		offset += len(line)
	}
	d.offsets = append(d.offsets, offset)
	d.compare(0, len(d.old), 0, len(d.new))
	return d.edits
}

type differ struct {
	old, new []string
	offsets  []int // of the old lines, and of the end
	edits    []udiff.Edit
}

// compare adds the edits that make new[c:d] of old[a:b].
func (x *differ) compare(a, b, c, d int) {
	for a < b && c < d && x.old[a] == x.new[c] {
		a, c = a+1, c+1
	}
	for a < b && c < d && x.old[b-1] == x.new[d-1] {
		b, d = b-1, d-1
	}
	if a == b && c == d {
		return
	}
	anchors := x.anchors(a, b, c, d)
	if a == b || c == d || len(anchors) == 0 {
		for _, e := range udiff.Lines(strings.Join(x.old[a:b], ""), strings.Join(x.new[c:d], "")) {
			x.edits = append(x.edits, udiff.Edit{Start: e.Start + x.offsets[a], End: e.End + x.offsets[a], New: e.New})
		}
		return
	}
	for _, at := range anchors {
		x.compare(a, at[0], c, at[1])
		a, c = at[0]+1, at[1]+1
	}
	x.compare(a, b, c, d)
}

// anchors returns pairs of an old and a new line that are the same and stand
// there but once, as many as are in the same order on both sides.
func (x *differ) anchors(a, b, c, d int) (anchors [][2]int) {
	once := map[string]int{} // index of an old line, or -1
	for i := a; i < b; i++ {
		if _, twice := once[x.old[i]]; twice {
			once[x.old[i]] = -1
			continue
		}
		once[x.old[i]] = i
	}
	where := map[string]int{}
	for j := c; j < d; j++ {
		if _, twice := where[x.new[j]]; twice {
			where[x.new[j]] = -1
			continue
		}
		where[x.new[j]] = j
	}
	type link struct {
		pair [2]int
		prev *link
	}
	var ends []*link // by length, of the increasing sequence with the lowest end
	for j := c; j < d; j++ {
		i, ok := once[x.new[j]]
		if !ok || i < 0 || where[x.new[j]] < 0 {
			continue
		}
		n := sort.Search(len(ends), func(n int) bool { return ends[n].pair[0] > i })
		next := &link{pair: [2]int{i, j}}
		if n > 0 {
			next.prev = ends[n-1]
		}
		if n == len(ends) {
			ends = append(ends, next)
		} else {
			ends[n] = next
		}
	}
	if len(ends) == 0 {
		return nil
	}
	for l := ends[len(ends)-1]; l != nil; l = l.prev {
		anchors = append(anchors, l.pair)
	}
	slices.Reverse(anchors)
	return anchors
}
