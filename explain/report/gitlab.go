package report

import (
	"crypto/sha256"
	"fmt"
	"io"
	"path"
	"path/filepath"

	"github.com/whydenied/whydenied/explain/escape"
)

// A gitlabIssue is an issue of GitLab's code quality report, which is that of Code
// Climate's with these keys alone.
type gitlabIssue struct {
	Description escape.Text    `json:"description"`
	Check       escape.Text    `json:"check_name"`
	Fingerprint string         `json:"fingerprint"`
	Severity    string         `json:"severity"`
	Location    gitlabLocation `json:"location"`
}

type gitlabLocation struct {
	Path  escape.Text `json:"path"`
	Lines struct {
		Begin int `json:"begin"`
	} `json:"lines"`
}

// gitlabSeverities are GitLab's of those of diagnostics.
var gitlabSeverities = map[string]string{"error": "major", "warning": "minor", "note": "info"}

// writeGitLab writes a report as GitLab's code quality report. A finding's fingerprint is
// its ID; a diagnostic's is made of its code, its file and the text of its line, so that
// it stays while lines move.
func writeGitLab(w io.Writer, r *Report, _ TextOptions) error {
	issues := []gitlabIssue{}
	for i := range r.Findings {
		f := &r.Findings[i]
		severity := "major"
		if f.passes() {
			severity = "info"
		}
		issues = append(issues, newGitLabIssue(f.Cause, f.Message+": "+f.Why, f.ID, severity, r.placed(f.place())))
	}
	seen := map[string]int{}
	for _, d := range r.Diagnostics {
		key := d.Code + "\x00" + d.File + "\x00" + d.Text
		seen[key]++
		print := fmt.Sprintf("%x", sha256.Sum256(fmt.Appendf(nil, "%s\x00%d", key, seen[key])))
		issues = append(issues, newGitLabIssue(d.Code, d.Message, print[:32], gitlabSeverities[d.Severity], d.Rule))
	}
	return escape.JSON(w, issues)
}

// placed is a place, or the first input where there is none: an issue must have a path.
func (r *Report) placed(at Rule) Rule {
	if at.File == "" && r.Config != nil && len(r.Config.Inputs) > 0 {
		return Rule{File: r.Config.Inputs[0]}
	}
	return at
}

func newGitLabIssue(check, description, fingerprint, severity string, at Rule) gitlabIssue {
	issue := gitlabIssue{Description: escape.Line(description), Check: escape.Line(check), Fingerprint: fingerprint, Severity: severity}
	name := path.Clean(filepath.ToSlash(at.File)) // GitLab knows a/b, not ./a/b
	if at.File == "" {
		name = "unknown"
	}
	issue.Location.Path = escape.Line(name)
	issue.Location.Lines.Begin = max(at.Line, 1)
	return issue
}
