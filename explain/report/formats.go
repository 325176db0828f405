package report

import (
	"io"

	"github.com/whydenied/whydenied/explain/escape"
)

// A Report is what a command has found, whole. Any part can be missing.
type Report struct {
	Version  string // of the program that found it
	Config   *Config
	Findings []Finding
	Overview *Overview // in place of them
	Summary  *Summary  // of logs
	Silent   *Silent
	Next     []Step // after what was found in logs; of text alone
	Patch    *Patch
	Notices  []Notice

	Title       string // what the diagnostics come to, where they are of no policy file
	Diagnostics []Diagnostic
	Check       *CheckSummary // of policy files

	// Help returns the page on a cause, Markdown of the program's own; nil if there is none.
	Help func(cause string) (page string, ok bool)

	Incomplete bool // something that was to be read could not be

	places map[string]int // of the findings by their ID
}

// Add adds a message. Counts of findings that are there already take the place of
// theirs; of updates nothing is kept.
func (r *Report) Add(m Message) error {
	switch {
	case m.Config != nil:
		r.Config = m.Config
	case m.Finding != nil:
		if r.places == nil {
			r.places = map[string]int{}
		}
		r.places[m.Finding.ID] = len(r.Findings)
		r.Findings = append(r.Findings, *m.Finding)
	case m.Repeat != nil:
		if i, ok := r.places[m.Repeat.ID]; ok {
			f := &r.Findings[i]
			f.Message, f.Count, f.First, f.Last = m.Repeat.Message, m.Repeat.Count, m.Repeat.First, m.Repeat.Last
			f.Times, f.Containers, f.Programs = m.Repeat.Times, m.Repeat.Containers, m.Repeat.Programs
		}
	case m.Overview != nil:
		r.Overview = m.Overview
	case m.Notice != nil:
		r.Notices = append(r.Notices, *m.Notice)
	case m.Summary != nil:
		r.Summary = m.Summary
	case m.Silent != nil:
		r.Silent = m.Silent
	case m.Patch != nil:
		r.Patch = m.Patch
	}
	return nil
}

// A Format is a form in which reports are written.
type Format struct {
	Name string
	// Write writes a report whole.
	Write func(w io.Writer, r *Report, o TextOptions) error
	// Stream returns a function that writes each message as it comes; it is nil for
	// a format that is one document. Calls must not overlap.
	Stream func(w io.Writer, o TextOptions) func(Message) error
}

// Formats are all formats, the default first.
var Formats = []Format{
	{Name: "text", Write: writeText, Stream: NewText},
	{Name: "json", Write: writeJSONLines, Stream: func(w io.Writer, _ TextOptions) func(Message) error { return NewJSON(w) }},
	{Name: "sarif", Write: writeSARIF},
	{Name: "junit", Write: writeJUnit},
	{Name: "markdown", Write: writeMarkdown},
	{Name: "github", Write: WriteGitHub},
	{Name: "gitlab", Write: writeGitLab},
	{Name: "line", Write: writeLine, Stream: newLine},
	{Name: "html", Write: writeHTML},
	{Name: "template", Write: writeTemplated, Stream: newTemplate},
}

// TAP is the format that commands have besides whose messages are tests.
var TAP = Format{Name: "tap", Write: writeTAP}

// FormatNames are the names of Formats, in their order.
func FormatNames() []string {
	names := make([]string, len(Formats))
	for i, f := range Formats {
		names[i] = f.Name
	}
	return names
}

// writeText writes a report as text, and its patch as a diff below it.
func writeText(w io.Writer, r *Report, o TextOptions) error {
	if err := r.write(NewText(w, o), NewCheckText(w, o)); err != nil {
		return err
	}
	if r.Patch == nil || len(r.Patch.Fixed)+len(r.Patch.Left) == 0 {
		return nil
	}
	return escape.Write(w, "\n"+r.Patch.text())
}

func writeJSONLines(w io.Writer, r *Report, _ TextOptions) error {
	return r.write(NewJSON(w), NewJSONLines[CheckMessage](w))
}

// write gives the parts of a report to functions that write messages.
func (r *Report) write(print func(Message) error, check func(CheckMessage) error) error {
	list := []Message{{Config: r.Config}}
	for i := range r.Findings {
		list = append(list, Message{Finding: &r.Findings[i]})
	}
	for i := range r.Notices {
		list = append(list, Message{Notice: &r.Notices[i]})
	}
	list = append(list, Message{Overview: r.Overview}, Message{Summary: r.Summary}, Message{Silent: r.Silent}, Message{Patch: r.Patch})
	for _, m := range list {
		if m == (Message{}) {
			continue
		}
		if err := print(m); err != nil {
			return err
		}
	}
	for i := range r.Diagnostics {
		if err := check(CheckMessage{Diagnostic: &r.Diagnostics[i]}); err != nil {
			return err
		}
	}
	if r.Check == nil {
		return nil
	}
	return check(CheckMessage{Summary: r.Check})
}
