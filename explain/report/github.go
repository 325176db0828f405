package report

import (
	"fmt"
	"io"
	"strings"
)

// What GitHub's runner reads in workflow commands (actions/runner,
// ActionCommand.cs): in the message, and in the values of properties before it.
var (
	githubMessage  = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A")
	githubProperty = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C")
)

// WriteGitHub writes findings and diagnostics as annotations of a workflow run:
// workflow commands of GitHub Actions, a line each.
func WriteGitHub(w io.Writer, r *Report, _ TextOptions) error {
	var out strings.Builder
	for i := range r.Findings {
		f := &r.Findings[i]
		annotation(&out, "error", f.Cause, f.place(), f.Message+": "+f.Why)
	}
	for _, d := range r.Diagnostics {
		level := d.Severity
		if level == "note" {
			level = "notice"
		}
		annotation(&out, level, d.Code, d.Rule, d.Message)
	}
	_, err := io.WriteString(w, out.String())
	return err
}

func annotation(out *strings.Builder, level, title string, at Rule, message string) {
	where := "title=" + githubProperty.Replace("whydenied: "+Escape(title))
	if at.Line > 0 && at.Builtin == "" {
		where += fmt.Sprintf(",file=%s,line=%d", githubProperty.Replace(Escape(at.File)), at.Line)
	}
	fmt.Fprintf(out, "::%s %s::%s\n", level, where, githubMessage.Replace(Escape(message)))
}
