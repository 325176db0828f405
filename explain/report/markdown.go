package report

import (
	"fmt"
	"io"
	"strings"
)

// escapeLines is Escape for a text of several lines.
func escapeLines(text string) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		lines[i] = Escape(strings.TrimRight(line, "\r"))
	}
	return strings.Join(lines, "\n")
}

// WriteMarkdown writes findings and their merged patch as Markdown, such as for a
// comment on a change or the summary of a job.
func WriteMarkdown(w io.Writer, findings []Finding, patch *Patch) error {
	var out strings.Builder
	fmt.Fprintf(&out, "## whydenied: %s\n\n", count(len(findings), "finding"))
	if len(findings) > 0 {
		out.WriteString("| what | cause | where | count |\n|---|---|---|---|\n")
	}
	for i := range findings {
		f := &findings[i]
		where := ""
		if len(f.Rules) > 0 {
			where = fmt.Sprintf("%s:%d", f.Rules[0].File, f.Rules[0].Line)
		}
		fmt.Fprintf(&out, "| %s | %s | %s | %s |\n", cell(f.Message), cell(f.Cause+": "+f.Why), cell(where), thousands(f.Count))
	}
	if patch.Diff != "" {
		var diff strings.Builder
		if err := patch.WriteDiff(&diff); err != nil {
			return err
		}
		fence := strings.Repeat("`", max(3, longestRun(diff.String(), '`')+1))
		fmt.Fprintf(&out, "\n<details><summary>The patch that remedies them</summary>\n\n%sdiff\n%s%s\n\n</details>\n", fence, escapeLines(diff.String()), fence)
	}
	_, err := io.WriteString(w, out.String())
	return err
}

// cell writes text into a table: what Markdown and HTML would read is escaped.
func cell(text string) string {
	var out strings.Builder
	for _, r := range Escape(text) {
		switch {
		case r == '<':
			out.WriteString("&lt;")
		case r == '&':
			out.WriteString("&amp;")
		case strings.ContainsRune("\\`*_{}[]()#+!|~>@", r):
			out.WriteRune('\\')
			out.WriteRune(r)
		default:
			out.WriteRune(r)
		}
	}
	return out.String()
}

// longestRun returns the length of the longest run of a byte.
func longestRun(text string, c byte) int {
	longest, n := 0, 0
	for i := range len(text) {
		if text[i] != c {
			n = 0
			continue
		}
		n++
		longest = max(longest, n)
	}
	return longest
}
