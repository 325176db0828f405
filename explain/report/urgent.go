package report

import (
	"cmp"
	"slices"
	"strings"

	"github.com/whydenied/whydenied/explain/escape"
)

// An Urgent is a finding to look at first, however seldom it came, and why.
type Urgent struct {
	ID      string `json:"id"`
	Message string `json:"message"`       // that of the finding
	Why     string `json:"why,omitempty"` // what came of it, a clause; "" if the message says it
}

// maxUrgent bounds how many findings an overview names to be looked at first.
const maxUrgent = 2

// urgency is how much the finding is to be looked at first, and why: a container that ended
// says more than how often something was refused, as programs cope with most refusals. It
// is 0 where nothing says so.
func (f *Finding) urgency() (rank int, why string) {
	switch {
	case f.Harmless != "" || f.Granted != nil || f.Further != nil:
		return 0, ""
	case f.Consequence != "":
		return 2, f.Consequence
	case f.Mode == "KILLED":
		return 1, ""
	}
	return 0, ""
}

// urgent returns those of the findings to look at first, the latest ones, and how many more
// there are.
func urgent(findings []Finding) (first []Urgent, more int) {
	list := make([]*Finding, 0, len(findings))
	for i := range findings {
		if rank, _ := findings[i].urgency(); rank > 0 {
			list = append(list, &findings[i])
		}
	}
	slices.SortStableFunc(list, func(a, b *Finding) int {
		x, _ := a.urgency()
		y, _ := b.urgency()
		return cmp.Or(y-x, strings.Compare(b.Last, a.Last))
	})
	for _, f := range list[:min(len(list), maxUrgent)] {
		_, why := f.urgency()
		first = append(first, Urgent{ID: f.ID, Message: f.Message, Why: why})
	}
	return first, len(list) - len(first)
}

// urgent writes the findings to look at first, and how many more there are.
func (p *page) urgent(list []Urgent, more int) {
	for i, u := range list {
		var label escape.Text = "first:"
		if i > 0 {
			label = "  and:"
		}
		message := u.Message
		if u.Why != "" {
			message += ":"
		}
		line := append(append(words(alarm, label), prose(strong, message)...), prose(normal, u.Why)...)
		if i == len(list)-1 && more > 0 {
			line = append(line, prose(faint, "(and "+thousands(more)+" more)")...)
		}
		p.wrap(0, 7, line)
	}
}

// urgentRows is how many lines of a page these take.
func urgentRows(list []Urgent, more, width int) int {
	p := &page{width: width}
	p.urgent(list, more)
	return strings.Count(string(p.Text()), "\n")
}
