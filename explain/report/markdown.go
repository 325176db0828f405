package report

import (
	"cmp"
	"fmt"
	"io"

	"github.com/whydenied/whydenied/explain/escape"
)

// writeMarkdown writes findings, their patch, and diagnostics as Markdown, such as
// for a comment on a change or the summary of a job.
func writeMarkdown(w io.Writer, r *Report, _ TextOptions) error {
	var out escape.Builder[escape.Markdown]
	title := count(len(r.Findings), "finding") + r.gated()
	switch {
	case r.Title != "":
		title = r.Title
	case r.Check != nil:
		title = r.Check.String()
	case r.Overview != nil:
		title = count(r.Overview.Findings, "finding") + " with " + count(r.Overview.Denials, "denial")
	}
	out.Add("## whydenied: ", escape.Cell(title), "\n\n")
	if r.Overview != nil {
		r.Overview.markdown(&out)
	}
	columns := []escape.Markdown{"what", "cause", "where", "count"}
	if r.Patch == nil {
		columns = append(columns, "fix")
	}
	table(&out, len(r.Findings), columns...)
	for i := range r.Findings {
		f := &r.Findings[i]
		what := f.Message
		if gate := f.gateWords(); gate != "" {
			what += " (" + gate + ")"
		}
		cells := []string{what, f.Cause + ": " + f.Why, where(f.place()), thousands(f.Count), ""}
		if len(f.Fixes) > 0 {
			cells[4] = f.Fixes[0].Message + "; risk: " + f.Fixes[0].Risk
		} else if f.Unchecked != nil {
			cells[4] = "not checked: " + f.Unchecked.Rule + "; risk: " + f.Unchecked.Risk
		}
		row(&out, cells[:len(columns)]...)
	}
	if len(r.Findings) > 0 && len(r.Diagnostics) > 0 {
		out.Add("\n")
	}
	table(&out, len(r.Diagnostics), "what", "code", "where", "severity")
	for _, d := range r.Diagnostics {
		row(&out, d.Message, d.Code, where(d.Rule), d.Severity)
	}
	if r.Patch != nil && r.Patch.Diff != "" {
		code := escape.Code("diff", string(r.Patch.comments()+r.Patch.newFiles())+r.Patch.shown())
		out.Add("\n<details><summary>The patch that remedies them</summary>\n\n", code, "\n</details>\n")
	}
	if r.Summary != nil {
		out.Add("\n", escape.Cell(summaryLine(r.Summary)), "\n")
	}
	return escape.Write(w, out.Text())
}

// markdown adds the groups as a table.
func (o *Overview) markdown(out *escape.Builder[escape.Markdown]) {
	for _, u := range o.Urgent {
		out.Add("- **", escape.Cell(u.Message), "**")
		if u.Why != "" {
			out.Add(": ", escape.Cell(u.Why))
		}
		out.Add("\n")
	}
	if o.MoreUrgent > 0 {
		out.Add("- and ", escape.Cell(count(o.MoreUrgent, "more such finding")), "\n")
	}
	if len(o.Urgent) > 0 {
		out.Add("\n")
	}
	table(out, len(o.Groups), "denials", "findings", "containers", "risk", escape.Cell(o.head()), escape.Cell(o.second()), "what", "last")
	for _, g := range o.Groups {
		first, second := o.names(&g)
		row(out, thousands(g.Count), thousands(g.Findings), thousands(g.Containers), cmp.Or(g.Risk, "-"), first, second, g.What, g.Last)
	}
}

// gated says how many of the findings fail the run, where some do not.
func (r *Report) gated() string {
	pass := 0
	for i := range r.Findings {
		if r.Findings[i].passes() {
			pass++
		}
	}
	if pass == 0 {
		return ""
	}
	return ", " + thousands(len(r.Findings)-pass) + " of which fail the run"
}

// where names the line of a place, if there is one.
func where(r Rule) string {
	if r.Line == 0 {
		return ""
	}
	return fmt.Sprintf("%s:%d", r.File, r.Line)
}

// table writes the head of a table that has rows.
func table(out *escape.Builder[escape.Markdown], rows int, columns ...escape.Markdown) {
	if rows == 0 {
		return
	}
	for _, c := range columns {
		out.Add("| ", c, " ")
	}
	out.Add("|\n")
	for range columns {
		out.Add("|---")
	}
	out.Add("|\n")
}

// row writes a row of a table.
func row(out *escape.Builder[escape.Markdown], cells ...string) {
	for _, text := range cells {
		out.Add("| ", escape.Cell(text), " ")
	}
	out.Add("|\n")
}
