package report

import (
	"fmt"
	"io"
	"unicode/utf8"

	"github.com/whydenied/whydenied/explain"
	"github.com/whydenied/whydenied/explain/escape"
	"github.com/whydenied/whydenied/explain/expect"
	"github.com/whydenied/whydenied/rules"
)

// An Expectation is what became of one expectation under one profile.
type Expectation struct {
	File    string `json:"file"` // of the expectation
	Line    int    `json:"line"`
	Text    string `json:"text"`
	Profile string `json:"profile"`
	Holds   bool   `json:"holds"`
	Why     string `json:"why,omitempty"` // if it does not hold: what the profile does instead
	Rules   []Rule `json:"rules"`         // that decide it
}

// NewExpectation returns the message of a result.
func NewExpectation(file string, r expect.Result) Expectation {
	e := Expectation{File: plain(file), Line: r.Line, Text: plain(r.Text), Profile: plain(r.Under), Holds: r.Holds, Why: plain(r.Why), Rules: make([]Rule, 0, len(r.Rules))}
	for _, at := range r.Rules {
		if !at.IsZero() {
			e.Rules = append(e.Rules, newRule(explain.Place{At: at}))
		}
	}
	return e
}

// Diagnostic returns an expectation for the formats that know diagnostics: what does not
// hold is an error.
func (e Expectation) Diagnostic() Diagnostic {
	d := Diagnostic{Severity: rules.Note.String(), Code: "expectation", Message: e.Text + " (profile " + e.Profile + ")", Related: e.Rules}
	d.Rule = Rule{File: e.File, Line: e.Line, Column: 1, EndLine: e.Line, EndColumn: 1 + utf8.RuneCountInString(e.Text), Text: e.Text}
	if !e.Holds {
		d.Severity = rules.Error.String()
		d.Message += ": " + e.Why
	}
	return d
}

// NewExpectationText returns a function that writes the expectations that do not hold as
// text. Calls must not overlap.
func NewExpectationText(w io.Writer, o TextOptions) func(Expectation) error {
	return pages(w, o, func(p *page, e Expectation) {
		if e.Holds {
			return
		}
		head := append(words(alarm, "failed:"), prose(strong, e.Text)...)
		head = append(head, word{text: "(profile " + escape.Name(e.Profile) + ")", style: faint, gap: 1})
		p.wrap(0, 4, append(head, prose(normal, "— "+e.Why)...))
		p.wrap(2, 4, prose(normal, fmt.Sprintf("expected at %s:%d", e.File, e.Line)))
		gutter := gutterOf(&Finding{Rules: e.Rules})
		for i := range e.Rules[:min(len(e.Rules), maxDeciding)] {
			p.excerpt(&e.Rules[i], gutter)
		}
	})
}
