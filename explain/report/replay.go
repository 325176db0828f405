package report

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/whydenied/whydenied/explain"
	"github.com/whydenied/whydenied/explain/access"
	"github.com/whydenied/whydenied/explain/escape"
	"github.com/whydenied/whydenied/explain/replay"
	"github.com/whydenied/whydenied/parser"
	"github.com/whydenied/whydenied/rules"
)

// A Replayed is a recorded access and what becomes of it; see replay.Access.
type Replayed struct {
	Outcome string         `json:"outcome"` // newly-refused, newly-silent, undecidable, still-refused, fixed, still-granted
	Profile string         `json:"profile"` // of seccomp the file
	Access  string         `json:"access"`  // in the words of query, where they have some for it
	Record  string         `json:"record"`  // DENIED, ALLOWED, AUDIT, ...
	Count   int            `json:"count"`   // of records
	First   string         `json:"first,omitempty"`
	Last    string         `json:"last,omitempty"`
	Was     ReplayedAnswer `json:"was"` // by the old text, or as it was recorded
	Is      ReplayedAnswer `json:"is"`  // by the new text
}

// A ReplayedAnswer is what policy says to a recorded access, or what its record does.
type ReplayedAnswer struct {
	Decision string `json:"decision"`           // granted, refused, quiet, undecidable
	Recorded bool   `json:"recorded,omitempty"` // the record says it
	Why      string `json:"why,omitempty"`
	Rules    []Rule `json:"rules"` // that decide
}

// NewReplayed returns the message of a recorded access.
func NewReplayed(a replay.Access) Replayed {
	return Replayed{
		Outcome: string(a.Outcome), Profile: plain(a.Policy), Access: plain(accessOf(a)), Record: a.Denial.Mode.String(), Count: a.Count,
		First: Time(a.First), Last: Time(a.Last), Was: newReplayedAnswer(a.Was), Is: newReplayedAnswer(a.Is),
	}
}

func newReplayedAnswer(a replay.Answer) ReplayedAnswer {
	wire := ReplayedAnswer{Decision: string(a.Decision), Recorded: a.Recorded, Why: plain(a.Why), Rules: make([]Rule, 0, len(a.Rules))}
	for _, at := range a.Rules {
		wire.Rules = append(wire.Rules, newRule(explain.Place{At: at}))
	}
	return wire
}

// accessOf words an access as query takes it, or else by what its record says.
func accessOf(a replay.Access) string {
	if a.Request != nil {
		if text, owner, err := access.Written(a.Request); err == nil {
			if owner {
				return "owner " + text
			}
			return text
		}
	}
	return recordedAs(&a.Denial)
}

// recordedAs words an access by what its record says.
func recordedAs(d *parser.Denial) string {
	if s := d.Seccomp; s != nil {
		return "syscall " + NewSeccomp(s).SyscallName
	}
	return strings.TrimSpace(d.AppArmor.Operation + " " + d.AppArmor.Name)
}

// outcomeStyles are how outcomes are marked.
var outcomeStyles = map[replay.Outcome]escape.Style{
	replay.NewlyRefused: alarm, replay.NewlySilent: alarm, replay.Undecidable: mild, replay.StillRefused: mild, replay.Fixed: plus, replay.StillGranted: normal,
}

// NewReplayedText returns a function that writes recorded accesses as text, but those that
// are granted as before. Calls must not overlap.
func NewReplayedText(w io.Writer, o TextOptions) func(Replayed) error {
	return pages(w, o, func(p *page, r Replayed) {
		if r.Outcome == string(replay.StillGranted) {
			return
		}
		head := append(words(outcomeStyles[replay.Outcome(r.Outcome)], escape.Line(r.Outcome)+":"), prose(strong, r.Access)...)
		head = append(head, word{text: "(profile " + escape.Name(r.Profile) + ")", style: faint, gap: 1})
		if r.Count > 1 {
			head = append(head, word{text: "×" + escape.Line(thousands(r.Count)), style: normal, gap: 1})
		}
		p.wrap(0, 4, head)
		p.answered("was", r.Was)
		p.answered("is", r.Is)
	})
}

// answered writes one side of a recorded access.
func (p *page) answered(side string, a ReplayedAnswer) {
	text := a.Decision
	if a.Recorded {
		text += " by its record"
	}
	if a.Why != "" {
		text += ": " + a.Why
	}
	p.wrap(2, 4, prose(normal, side+" "+text))
	p.deciding("by", a.Rules)
}

// Diagnostic returns a recorded access for the formats that know diagnostics: what fails
// is an error.
func (r Replayed) Diagnostic() Diagnostic {
	d := Diagnostic{Severity: rules.Note.String(), Code: r.Outcome, Message: r.Access + " (profile " + r.Profile + "): was " + r.Was.Decision + ", is " + r.Is.Decision}
	switch replay.Outcome(r.Outcome) {
	case replay.NewlyRefused:
		d.Severity = rules.Error.String()
	case replay.NewlySilent, replay.Undecidable:
		d.Severity = rules.Warning.String()
	}
	if r.Is.Why != "" {
		d.Message += ", " + r.Is.Why
	}
	if r.Count > 1 {
		d.Message += fmt.Sprintf(", %s times", thousands(r.Count))
	}
	if len(r.Is.Rules) > 0 {
		d.Rule = r.Is.Rules[0]
	}
	for _, old := range r.Was.Rules {
		old.Note = "decided before"
		d.Related = append(d.Related, old)
	}
	return d
}

// ReplayedSummary says in one line how many accesses have which outcome.
func ReplayedSummary(list []replay.Access) string {
	counts := map[replay.Outcome]int{}
	records := 0
	for _, a := range list {
		counts[a.Outcome]++
		records += a.Count
	}
	var parts []string
	for _, o := range slices.Backward(replay.Outcomes) {
		if counts[o] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", counts[o], o))
		}
	}
	if len(parts) == 0 {
		parts = []string{"none"}
	}
	accesses := "1 access"
	if len(list) != 1 {
		accesses = thousands(len(list)) + " accesses"
	}
	return fmt.Sprintf("of %s in %s: %s", accesses, count(records, "record"), strings.Join(parts, ", "))
}
