package report

import (
	"fmt"
	"io"
	"strings"

	"github.com/whydenied/whydenied/explain/escape"
	"github.com/whydenied/whydenied/explain/host"
)

// A DoctorMessage is one line of the JSON form of what a host would hide.
// Exactly one of its fields is set: any number of Answers and Changes, then a
// Summary.
type DoctorMessage struct {
	Answer  *HostAnswer    `json:"check,omitempty"`
	Change  *Change        `json:"change,omitempty"`
	Summary *DoctorSummary `json:"summary,omitempty"`
}

// A HostAnswer is host.Answer as plain data.
type HostAnswer struct {
	Name   string `json:"check"`  // stable name: quiet-denies, audit-rate-limit, ...
	Status string `json:"status"` // ok, hides, stale, unknown
	Found  string `json:"found"`
	Why    string `json:"why,omitempty"`
	Do     string `json:"do,omitempty"`    // for a root shell
	Undo   string `json:"undo,omitempty"`  // puts back what Do changes
	Lever  string `json:"lever,omitempty"` // the name of what --apply would do
}

// A Change is a setting that was changed or put back.
type Change struct {
	Lever  string `json:"lever"`
	Target string `json:"target"` // of the kernel
	From   string `json:"from"`
	To     string `json:"to"`
	Undo   string `json:"undo,omitempty"` // for a root shell
	Left   string `json:"left,omitempty"` // what it is, and was left alone, as something else set it
}

// A DoctorSummary counts answers by status.
type DoctorSummary struct {
	SchemaVersion string `json:"schema_version"`
	OK            int    `json:"ok"`
	Hides         int    `json:"hides"`
	Stale         int    `json:"stale"`
	Unknown       int    `json:"unknown"`
}

// NewHostAnswer returns an answer as plain data.
func NewHostAnswer(a host.Answer) HostAnswer {
	c := HostAnswer{Name: a.Name, Status: string(a.Status), Found: plain(a.Found), Why: plain(a.Why), Do: plain(a.Do), Undo: plain(a.Undo)}
	if a.Lever != nil {
		c.Lever = a.Lever.Name
	}
	return c
}

// NewApplied returns a change that was made.
func NewApplied(c host.Change) Change {
	return Change{Lever: c.Name, Target: c.Target(), From: plain(c.Previous), To: plain(c.Value), Undo: plain(c.Command(c.Previous))}
}

// NewUndone returns a change that was undone.
func NewUndone(c host.Change) Change {
	return Change{Lever: c.Name, Target: c.Target(), From: plain(c.Value), To: plain(c.Previous), Left: plain(c.Left)}
}

// Count adds an answer to the summary.
func (s *DoctorSummary) Count(a host.Answer) {
	switch a.Status {
	case host.OK:
		s.OK++
	case host.Hides:
		s.Hides++
	case host.Stale:
		s.Stale++
	default:
		s.Unknown++
	}
}

// String words the summary: "12 ok, 2 would hide denials, 1 unknown".
func (s *DoctorSummary) String() string {
	parts := []string{fmt.Sprintf("%d ok", s.OK), fmt.Sprintf("%d would hide denials", s.Hides)}
	if s.Stale > 0 {
		parts = append(parts, fmt.Sprintf("%d stale", s.Stale))
	}
	return strings.Join(append(parts, fmt.Sprintf("%d unknown", s.Unknown)), ", ")
}

// NewDoctorText returns a function that writes each message to w as text. Calls
// must not overlap.
func NewDoctorText(w io.Writer, o TextOptions) func(DoctorMessage) error {
	return pages(w, o, func(p *page, m DoctorMessage) {
		switch {
		case m.Answer != nil:
			p.hostAnswer(m.Answer)
		case m.Change != nil:
			p.change(m.Change)
		case m.Summary != nil:
			p.wrap(0, 2, prose(normal, m.Summary.String()))
		}
	})
}

// hangFound is the column under what was found.
const hangFound = 9

// hostAnswer writes one answer:
//
//	hides    AppArmor's parameters/audit is "normal"
//	         what a deny rule without audit refuses leaves no record
//	         do    printf %s noquiet >/sys/module/apparmor/parameters/audit
//	         undo  printf %s normal >/sys/module/apparmor/parameters/audit
func (p *page) hostAnswer(c *HostAnswer) {
	status := map[string]escape.Style{"ok": plus, "hides": alarm, "stale": alarm, "unknown": mild}[c.Status]
	line := words(status, escape.Line(c.Status))
	found := prose(strong, c.Found)
	if len(found) > 0 {
		found[0].gap = max(hangFound-1-line[0].text.Width(), 0)
	}
	p.wrap(0, hangFound, append(line, found...))
	if c.Why != "" {
		p.indented(prose(normal, c.Why))
	}
	p.command("do", c.Do)
	p.command("undo", c.Undo)
}

func (p *page) indented(words []word) { p.wrap(hangFound, hangFound, words) }

// command writes a command as one line, so that it can be copied.
func (p *page) command(label escape.Text, command string) {
	if command != "" {
		p.Add(escape.Spaces(hangFound), p.paint(faint, label+escape.Spaces(len("undo ")-len(label))), " ", escape.Line(command), "\n")
	}
}

func (p *page) change(c *Change) {
	if c.Left != "" {
		p.wrap(0, hangFound, append(words(mild, "left"), prose(normal, fmt.Sprintf("%s is %q by now, which whydenied did not set; it was %q before", c.Target, c.Left, c.To))...))
		return
	}
	var verb escape.Text = "set"
	if c.Undo == "" {
		verb = "undone"
	}
	p.wrap(0, hangFound, append(words(strong, verb), prose(normal, fmt.Sprintf("%s to %q; it was %q", c.Target, c.To, c.From))...))
	p.command("undo", c.Undo)
}
