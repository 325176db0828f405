package report

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/whydenied/whydenied/explain/escape"
)

// A Compared is a finding before and after.
type Compared struct {
	State   string `json:"state"` // of States
	ID      string `json:"id"`
	Message string `json:"message"`
	Cause   string `json:"cause"`
	Risk    string `json:"risk,omitempty"`
	Before  int    `json:"before"` // denials
	After   int    `json:"after"`
	First   string `json:"first,omitempty"` // of both
	Last    string `json:"last,omitempty"`

	FirstSeen *Sighting `json:"first_seen,omitempty"` // as in Finding
}

// States are what can have become of a finding, in the order of their weight. More is
// twice as many denials or more, less half of them or fewer.
var States = []string{"new", "more", "less", "gone", "ongoing"}

// A CompareSummary counts findings by what has become of them.
type CompareSummary struct {
	SchemaVersion string `json:"schema_version"`
	New           int    `json:"new"`
	More          int    `json:"more"`
	Ongoing       int    `json:"ongoing"`
	Less          int    `json:"less"`
	Gone          int    `json:"gone"`

	Watched *Watched `json:"watched,omitempty"` // as in Summary, of what is compared with what was before
}

// A CompareMessage is one line of what compare prints; one of its fields is set.
type CompareMessage struct {
	Compared *Compared       `json:"compared,omitempty"`
	Summary  *CompareSummary `json:"summary,omitempty"`
}

// Compare says what has become of findings, the weightiest first.
func Compare(before, after []Finding) (list []Compared, sums CompareSummary) {
	sums.SchemaVersion = SchemaVersion
	old := map[string]*Finding{}
	for i := range before {
		old[before[i].ID] = &before[i]
	}
	for i := range after {
		f := &after[i]
		c := Compared{ID: f.ID, Message: f.Message, Cause: f.Cause, Risk: f.risk(), After: f.Count, First: f.First, Last: f.Last, FirstSeen: f.FirstSeen}
		was := old[f.ID]
		delete(old, f.ID)
		if was != nil {
			c.Before, c.First = was.Count, earliest(was.First, f.First)
		}
		switch {
		case was == nil:
			c.State = "new"
			sums.New++
		case c.After >= 2*c.Before:
			c.State = "more"
			sums.More++
		case 2*c.After <= c.Before:
			c.State = "less"
			sums.Less++
		default:
			c.State = "ongoing"
			sums.Ongoing++
		}
		list = append(list, c)
	}
	for i := range before {
		if f := &before[i]; old[f.ID] == f {
			list = append(list, Compared{State: "gone", ID: f.ID, Message: f.Message, Cause: f.Cause, Risk: f.risk(), Before: f.Count, First: f.First, Last: f.Last})
			sums.Gone++
		}
	}
	slices.SortStableFunc(list, func(a, b Compared) int {
		if a.State != b.State {
			return slices.Index(States, a.State) - slices.Index(States, b.State)
		}
		return max(b.Before, b.After) - max(a.Before, a.After)
	})
	return list, sums
}

// Gated returns the findings of after as a gate has them, by what has become of them: those
// that are new fail.
func Gated(after []Finding, became []Compared) []Finding {
	states := map[string]string{}
	for _, c := range became {
		states[c.ID] = c.State
	}
	list := slices.Clone(after)
	for i := range list {
		list[i].Gate = &Gate{State: "known"}
		if states[list[i].ID] == "new" {
			list[i].Gate = &Gate{State: "new", Fails: true}
		}
	}
	return list
}

// Split cuts findings at a time: those whose denials came before it and those after it. The
// count of one that has both is that of its buckets; the bucket that holds the time goes by
// its beginning.
func Split(findings []Finding, at string) (before, after []Finding) {
	for _, f := range findings {
		switch {
		case f.Last != "" && f.Last < at:
			before = append(before, f)
		case f.First == "" || f.First >= at:
			after = append(after, f)
		default:
			old, later := f, f
			old.Count = f.countBefore(at)
			old.Last, later.First = at, at
			later.Count = f.Count - old.Count
			before, after = append(before, old), append(after, later)
		}
	}
	return before, after
}

// countBefore is how many denials came before a time, by the buckets; at least one, and not
// all.
func (f *Finding) countBefore(at string) (n int) {
	limit, err := time.Parse(time.RFC3339Nano, at)
	if f.Times == nil || err != nil {
		return 1
	}
	start, _ := time.Parse(time.RFC3339Nano, f.Times.Start)
	for i, count := range f.Times.Counts {
		if start.Add(time.Duration(i) * time.Duration(f.Times.Seconds) * time.Second).Before(limit) {
			n += int(count)
		}
	}
	return min(max(n, 1), max(f.Count-1, 1))
}

// CompareFormats are how comparisons are written besides JSON. Each returns a function that
// writes each message to w; calls must not overlap.
var CompareFormats = map[string]func(w io.Writer, o TextOptions) func(CompareMessage) error{
	"text": newCompareText, "markdown": newCompareMarkdown, "line": newCompareLine, "template": newCompareTemplate,
}

// newCompareMarkdown writes a table of what is not ongoing, and the sums below it.
func newCompareMarkdown(w io.Writer, _ TextOptions) func(CompareMessage) error {
	rows := 0
	return func(m CompareMessage) error {
		var out escape.Builder[escape.Markdown]
		if rows == 0 && (m.Summary != nil || m.Compared.State != "ongoing") {
			out.Add("## whydenied: before and after\n\n")
		}
		switch c := m.Compared; {
		case m.Summary != nil && rows == 0:
			out.Add(escape.Cell(m.Summary.String()), "\n")
		case m.Summary != nil:
			out.Add("\n", escape.Cell(m.Summary.String()), "\n")
		case c.State != "ongoing":
			if rows == 0 {
				table(&out, 1, "state", "what", "before", "after", "cause", "risk")
			}
			rows++
			row(&out, c.State, c.Message, thousands(c.Before), thousands(c.After), c.Cause, cmp.Or(c.Risk, "-"))
		}
		return escape.Write(w, out.Text())
	}
}

// newCompareLine writes each finding as one line of fixed columns: what has become of it, its
// ID, how often it came before and after, the risk of its first fix, its cause and its sentence.
func newCompareLine(w io.Writer, _ TextOptions) func(CompareMessage) error {
	return func(m CompareMessage) error {
		c := m.Compared
		if c == nil {
			return nil
		}
		return escape.Write(w, escape.Join([]escape.Text{
			right(escape.Line(c.State), 7), right(escape.Line(c.ID), 12), left(escape.Number(c.Before), 7), left(escape.Number(c.After), 7),
			right(escape.Line(cmp.Or(c.Risk, "-")), 11), right(escape.Line(c.Cause), 22), escape.Line(c.Message),
		}, "  ")+"\n")
	}
}

// newCompareTemplate writes what the template makes of each finding.
func newCompareTemplate(w io.Writer, o TextOptions) func(CompareMessage) error {
	return func(m CompareMessage) error {
		if m.Compared == nil {
			return nil
		}
		return writeTemplate(w, o, m.Compared)
	}
}

// String words the sums: "1 new, 0 more, 2 less, 0 gone, 5 ongoing".
func (s *CompareSummary) String() string {
	sums := fmt.Sprintf("%d new, %d more, %d less, %d gone, %d ongoing", s.New, s.More, s.Less, s.Gone, s.Ongoing)
	if blind := s.Watched.String(); blind != "" {
		sums += "; " + blind
	}
	return sums
}

// newCompareText writes a paragraph for each finding that is not ongoing.
func newCompareText(w io.Writer, o TextOptions) func(CompareMessage) error {
	return pages(w, o, func(p *page, m CompareMessage) {
		if s := m.Summary; s != nil {
			p.wrap(0, 2, prose(normal, s.String()))
			return
		}
		c := m.Compared
		if c.State == "ongoing" { // which is no news, and counted
			return
		}
		style := map[string]escape.Style{"new": alarm, "more": mild, "gone": plus, "less": plus}[c.State]
		counts := escape.Line("×"+thousands(c.Before)) + " → " + escape.Line("×"+thousands(c.After))
		switch c.State {
		case "new":
			counts = escape.Line("×" + thousands(c.After))
		case "gone":
			counts = escape.Line("×" + thousands(c.Before))
		}
		line := append([]word{{text: right(escape.Line(c.State), 8), style: style}}, prose(normal, c.Message)...)
		line = append(line, word{text: counts, style: strong, gap: 2}, word{text: escape.Line(c.Cause), style: faint, gap: 1})
		if seen := c.FirstSeen.String(); seen != "" && c.State == "new" {
			line = append(line, prose(faint, "first "+seen)...)
		}
		p.wrap(0, 9, line)
	})
}
