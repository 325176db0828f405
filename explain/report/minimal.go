package report

import (
	"io"

	"github.com/whydenied/whydenied/explain/coverage"
	"github.com/whydenied/whydenied/explain/escape"
	"github.com/whydenied/whydenied/explain/secret"
	"github.com/whydenied/whydenied/rules"
)

// A Minimal is what policy can do without; see coverage.Minimal.
type Minimal struct {
	Removed  []Covered `json:"removed"`  // dead
	Narrowed []Covered `json:"narrowed"` // to their narrower
	Dropped  []Covered `json:"dropped"`  // not observed
	Kept     []string  `json:"kept"`     // what was left, and why
	Diff     string    `json:"diff"`
}

// NewMinimal returns the message of what policy can do without.
func NewMinimal(m *coverage.Minimal) *Minimal {
	wire := &Minimal{Removed: coveredOf(m.Removed), Narrowed: coveredOf(m.Narrowed), Dropped: coveredOf(m.Dropped), Kept: make([]string, 0, len(m.Kept)),
		Diff: secret.Policy(rules.Unified(m.Changes), nil)}
	for _, text := range m.Kept {
		wire.Kept = append(wire.Kept, plain(text))
	}
	return wire
}

// WriteJSON writes it as one object.
func (m *Minimal) WriteJSON(w io.Writer) error {
	utf8 := *m
	utf8.Diff = escape.UTF8(m.Diff)
	return escape.JSON(w, &utf8)
}

// WriteDiff writes the diff, with what it does and what is proved above it.
func (m *Minimal) WriteDiff(w io.Writer) error {
	if m.Diff == "" {
		return nil
	}
	var head escape.Text
	line := func(n int, one, many, proof string) {
		if n > 0 {
			head += "# " + escape.Line(counted(n, one, many)+proof) + "\n"
		}
	}
	line(len(m.Removed), "rule is", "rules are", " removed: proved, every access is answered alike without")
	line(len(m.Narrowed), "rule is", "rules are", " made narrower: proved, nothing is granted besides, and what was seen is decided as before")
	line(len(m.Dropped), "rule is", "rules are", " removed whose use was not seen: what the workload does at other times may be refused")
	return WriteDiff(w, head, m.Diff)
}
