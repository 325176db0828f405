package report

import (
	"io"

	"github.com/whydenied/whydenied/explain/escape"
)

// WriteGitHub writes findings and diagnostics as annotations of a workflow run:
// workflow commands of GitHub Actions, a line each.
func WriteGitHub(w io.Writer, r *Report, _ TextOptions) error {
	var out escape.Builder[escape.Annotation]
	annotate := func(level, title string, at Rule, message string) {
		if at.Builtin != "" {
			at.Line = 0
		}
		out.Add(escape.Annotate(level, "whydenied: "+title, at.File, at.Line, message))
	}
	for i := range r.Findings {
		f := &r.Findings[i]
		level, message := "error", f.Message+": "+f.Why
		if f.passes() {
			level = "notice"
		}
		if gate := f.gateWords(); gate != "" {
			message += " (" + gate + ")"
		}
		annotate(level, f.Cause, f.place(), message)
	}
	for _, d := range r.Diagnostics {
		annotate(d.Severity, d.Code, d.Rule, d.Message)
	}
	return escape.Write(w, out.Text())
}
