package report

import (
	"fmt"
	"io"

	"github.com/whydenied/whydenied/explain"
	"github.com/whydenied/whydenied/explain/escape"
	"github.com/whydenied/whydenied/rules"
)

// A CheckMessage is one line of the JSON form of diagnostics. Exactly one of its
// fields is set: any number of Diagnostics, then a Summary.
type CheckMessage struct {
	Diagnostic *Diagnostic   `json:"diagnostic,omitempty"`
	Summary    *CheckSummary `json:"summary,omitempty"`
}

// A Diagnostic is rules.Diagnostic as plain data, with its place.
type Diagnostic struct {
	Severity string `json:"severity"` // error, warning, note
	Code     string `json:"code"`
	Message  string `json:"message"`
	Rule
	Related []Rule `json:"related,omitempty"` // their Note says what they have to do with it
	Fixes   []Fix  `json:"fixes,omitempty"`   // alternatives

	finding *Finding // that it is, nil if it is of a policy file
}

// A CheckSummary counts what was checked and found.
type CheckSummary struct {
	SchemaVersion string `json:"schema_version"`
	Files         int    `json:"files"`   // policy files checked, without those they include
	Refused       int    `json:"refused"` // of them, those with an error
	Errors        int    `json:"errors"`
	Warnings      int    `json:"warnings"`
	Notes         int    `json:"notes"`
	Unreadable    int    `json:"unreadable"` // files and directories that could not be read
}

// NewDiagnostic returns a diagnostic as plain data.
func NewDiagnostic(d rules.Diagnostic) Diagnostic {
	wire := Diagnostic{Severity: d.Severity.String(), Code: d.Code, Message: plain(d.Message)}
	if !d.At.IsZero() {
		wire.Rule = newRule(explain.Place{At: d.At})
	}
	for _, r := range d.Related {
		if !r.At.IsZero() {
			wire.Related = append(wire.Related, newRule(explain.Place{At: r.At, Note: r.Message}))
		}
	}
	for _, fix := range d.Fixes {
		if wireFix, err := newFixWithDiff(fix); err == nil {
			wire.Fixes = append(wire.Fixes, wireFix)
		}
	}
	return wire
}

// NewCheckText returns a function that writes each message to w as text. Calls
// must not overlap.
func NewCheckText(w io.Writer, o TextOptions) func(CheckMessage) error {
	return pages(w, o, func(p *page, m CheckMessage) {
		switch {
		case m.Diagnostic != nil:
			p.diagnostic(m.Diagnostic)
			p.Add("\n")
		case m.Summary != nil:
			p.wrap(0, 2, prose(normal, m.Summary.String()))
		}
	})
}

// diagnostic writes what is wrong, the places it speaks of, and the remedies:
//
//	warning[shadowed-rule]: this rule grants nothing: ...
//	    --> web:7:3
//	     |
//	   7 |   /usr/sbin/nginx ix,
//	     |   ^^^^^^^^^^^^^^^^^^^
func (p *page) diagnostic(d *Diagnostic) {
	severity := map[string]escape.Style{"error": alarm, "warning": mild, "note": faint}[d.Severity]
	title := words(severity, escape.Line(d.Severity+"["+d.Code+"]:"))
	p.wrap(0, 4, append(title, prose(strong, d.Message)...))
	// A finding's layout serves the fixes of a diagnostic too.
	f := &Finding{Fixes: d.Fixes}
	if d.Line > 0 {
		f.Rules = append(f.Rules, d.Rule)
	}
	f.Rules = append(f.Rules, d.Related...)
	gutter := gutterOf(f)
	for i := range f.Rules {
		r := &f.Rules[i]
		if i > 0 && r.samePlace(&f.Rules[i-1]) { // one place has many things to say of it
			p.wrap(2, 4, append(words(faint, "-"), prose(normal, r.Note)...))
			continue
		}
		p.excerpt(r, gutter)
	}
	if d.Line > 0 { // the diff names any file but that of the diagnostic
		f.Rules = f.Rules[:1]
	}
	for i := range f.Fixes {
		p.fix(f, i, gutter)
	}
}

// samePlace reports whether two rules are the same piece of a file.
func (r *Rule) samePlace(o *Rule) bool {
	return r.File == o.File && r.Line == o.Line && r.Column == o.Column && r.EndLine == o.EndLine && r.EndColumn == o.EndColumn
}

// String words the summary: "2 files: 1 error, 0 warnings, 3 notes; 1 refused".
func (s *CheckSummary) String() string {
	line := fmt.Sprintf("%s: %s, %s, %s", count(s.Files, "file"),
		count(s.Errors, "error"), count(s.Warnings, "warning"), count(s.Notes, "note"))
	if s.Refused > 0 {
		line += "; " + thousands(s.Refused) + " refused"
	}
	if s.Unreadable > 0 {
		line += "; " + thousands(s.Unreadable) + " could not be read"
	}
	return line
}
