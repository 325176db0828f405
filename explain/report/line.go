package report

import (
	"cmp"
	"io"

	"github.com/whydenied/whydenied/explain/escape"
)

// newLine returns a function that writes each finding as one line of fixed columns: its ID,
// how often, when last, the risk of its first fix, its cause, and its sentence; and each
// group of an overview likewise.
func newLine(w io.Writer, _ TextOptions) func(Message) error {
	return func(m Message) error {
		if m.Overview != nil {
			return m.Overview.lines(w)
		}
		f := m.Finding
		if f == nil {
			return nil
		}
		return escape.Write(w, escape.Join([]escape.Text{
			right(escape.Line(f.ID), 12), left(escape.Number(f.Count), 7), right(escape.Line(cmp.Or(f.Last, "-")), 24), right(escape.Line(cmp.Or(f.risk(), "-")), 11),
			right(escape.Line(f.Cause), 22), escape.Line(f.Message),
		}, "  ")+"\n")
	}
}

// lines writes each group as one line: how many denials and findings it has, when the last
// came, the risk, what it is named by, and what was refused.
func (o *Overview) lines(w io.Writer) error {
	for _, g := range o.Groups {
		first, second := o.names(&g)
		if err := escape.Write(w, escape.Join([]escape.Text{
			left(escape.Number(g.Count), 7), left(escape.Number(g.Findings), 5), right(escape.Line(cmp.Or(g.Last, "-")), 24), right(escape.Line(cmp.Or(g.Risk, "-")), 11),
			right(escape.Line(first), 30), right(escape.Line(second), 22), escape.Line(g.What),
		}, "  ")+"\n"); err != nil {
			return err
		}
	}
	return nil
}

// writeLine writes a report as lines: of findings as newLine does, of diagnostics as
// compilers do.
func writeLine(w io.Writer, r *Report, o TextOptions) error {
	return r.write(newLine(w, o), func(m CheckMessage) error {
		d := m.Diagnostic
		if d == nil {
			return nil
		}
		return escape.Write(w, escape.Line(d.File)+":"+escape.Number(d.Line)+":"+escape.Number(d.Column)+": "+
			escape.Line(d.Severity)+"["+escape.Line(d.Code)+"]: "+escape.Line(d.Message)+"\n")
	})
}
