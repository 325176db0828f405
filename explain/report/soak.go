package report

import (
	"io"

	"github.com/whydenied/whydenied/explain"
	"github.com/whydenied/whydenied/explain/escape"
	"github.com/whydenied/whydenied/rules"
)

// A Soak says whether a profile that only logs may be enforced.
type Soak struct {
	Profile  string        `json:"profile"`
	Answer   string        `json:"answer"` // yes, no, cannot say
	Hours    float64       `json:"hours"`  // that it was to be tried
	Since    string        `json:"since"`  // and when these were
	Until    string        `json:"until"`
	Findings []SoakFinding `json:"findings,omitempty"` // why not
	Because  []string      `json:"because,omitempty"`  // why it cannot be said
}

// A SoakFinding is what the profile would have refused.
type SoakFinding struct {
	ID      string `json:"id"`
	Message string `json:"message"`
	Cause   string `json:"cause"`
	New     bool   `json:"new"` // it was not seen before that time
	First   string `json:"first"`
	Last    string `json:"last"`
}

// IsOf reports whether the finding is of an AppArmor profile, or of a child of it.
func (f *Finding) IsOf(profile string) bool {
	return f.Seccomp == nil && f.Module == nil && explain.MatchLabel(profile, f.Denial.Get("profile", "label"))
}

// Diagnostic is the answer as one of a policy file, without a place: an error unless it is yes.
func (s Soak) Diagnostic() Diagnostic {
	d := Diagnostic{Severity: rules.Note.String(), Code: "soak", Message: "profile " + s.Profile + " may be enforced: " + s.Answer + ", from " + s.Since + " to " + s.Until}
	if s.Answer != "yes" {
		d.Severity = rules.Error.String()
	}
	for _, f := range s.Findings {
		d.Message += "; " + f.Message
	}
	for _, why := range s.Because {
		d.Message += "; " + why
	}
	return d
}

// NewSoakText returns a function that writes each answer to w as text.
func NewSoakText(w io.Writer, o TextOptions) func(Soak) error {
	return pages(w, o, func(p *page, s Soak) {
		style := map[string]escape.Style{"yes": plus, "no": alarm}[s.Answer]
		answer := escape.Line(s.Answer)
		if s.Answer != "cannot say" {
			answer += ","
		}
		line := append(words(strong, escape.Line(s.Profile)+":"), word{text: answer, style: style})
		switch s.Answer {
		case "yes":
			line = append(line, prose(normal, "it would have refused nothing from "+s.Since+" to "+s.Until)...)
		case "no":
			line = append(line, prose(normal, "it would have refused "+count(len(s.Findings), "finding")+" from "+s.Since+" to "+s.Until)...)
		default:
			line = append(line, prose(normal, "of the time from "+s.Since+" to "+s.Until+", because")...)
		}
		p.wrap(0, 2, line)
		for _, f := range s.Findings {
			state := escape.Text("still")
			if f.New {
				state = "new"
			}
			p.wrap(2, 9, append(words(faint, right(state, 6)), prose(normal, f.Message)...))
		}
		for _, why := range s.Because {
			p.wrap(2, 4, prose(normal, why))
		}
	})
}
