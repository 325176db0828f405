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

// writeMarkdown writes findings, their patch, and diagnostics as Markdown, such as
// for a comment on a change or the summary of a job.
func writeMarkdown(w io.Writer, r *Report, _ TextOptions) error {
	var out strings.Builder
	if r.Check == nil {
		fmt.Fprintf(&out, "## whydenied: %s\n\n", count(len(r.Findings), "finding"))
	} else {
		fmt.Fprintf(&out, "## whydenied: %s\n\n", r.Check)
	}
	columns := []string{"what", "cause", "where", "count"}
	if r.Patch == nil {
		columns = append(columns, "fix")
	}
	table(&out, len(r.Findings), columns...)
	for i := range r.Findings {
		f := &r.Findings[i]
		cells := []string{f.Message, f.Cause + ": " + f.Why, where(f.place()), thousands(f.Count), ""}
		if len(f.Fixes) > 0 {
			cells[4] = f.Fixes[0].Message + "; risk: " + f.Fixes[0].Risk
		}
		row(&out, cells[:len(columns)]...)
	}
	table(&out, len(r.Diagnostics), "what", "code", "where", "severity")
	for _, d := range r.Diagnostics {
		row(&out, d.Message, d.Code, where(d.Rule), d.Severity)
	}
	if r.Patch != nil && r.Patch.Diff != "" {
		var diff strings.Builder
		if err := r.Patch.WriteDiff(&diff); err != nil {
			return err
		}
		fence := strings.Repeat("`", max(3, longestRun(diff.String(), '`')+1))
		fmt.Fprintf(&out, "\n<details><summary>The patch that remedies them</summary>\n\n%sdiff\n%s%s\n\n</details>\n", fence, escapeLines(diff.String()), fence)
	}
	if r.Summary != nil {
		fmt.Fprintf(&out, "\n%s\n", cell(summaryLine(r.Summary)))
	}
	_, err := io.WriteString(w, out.String())
	return err
}

// where names the line of a place, if there is one.
func where(r Rule) string {
	if r.Line == 0 {
		return ""
	}
	return fmt.Sprintf("%s:%d", r.File, r.Line)
}

// table writes the head of a table that has rows.
func table(out *strings.Builder, rows int, columns ...string) {
	if rows > 0 {
		out.WriteString("| " + strings.Join(columns, " | ") + " |\n" + strings.Repeat("|---", len(columns)) + "|\n")
	}
}

// row writes a row of a table.
func row(out *strings.Builder, cells ...string) {
	for _, text := range cells {
		out.WriteString("| " + cell(text) + " ")
	}
	out.WriteString("|\n")
}

// cell returns text for a table: what Markdown, HTML and GitHub would read is
// escaped. GitHub finds mentions and issues in what is rendered, where a backslash
// is gone, and links in what is written.
func cell(text string) string {
	var out strings.Builder
	text = Escape(text)
	for i, r := range text {
		switch {
		case r == '<':
			out.WriteString("&lt;")
		case r == '&':
			out.WriteString("&amp;")
		case r == '@' || r == '#':
			out.WriteRune(r)
			out.WriteString("<!-- -->")
		case strings.ContainsRune("\\`*_{}[]()+!|~>", r), strings.HasPrefix(text[i:], "://"), r == '.' && strings.HasSuffix(strings.ToLower(text[:i]), "www"):
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
