package report

import (
	"slices"
	"strings"

	"github.com/whydenied/whydenied/explain/container"
	"github.com/whydenied/whydenied/explain/escape"
)

// A block is a part of what an HTML page says of a finding. Its parts are, by its kind,
// a label and a text, a title and a risk, or lines.
type block struct {
	kind  blockKind
	parts []escape.Text
}

// A blockKind is what a block is. The page's script knows them by the same numbers.
type blockKind int

const (
	textBlock   blockKind = iota // a label and a text
	alertBlock                   // the same, of what is not to be passed over
	fixBlock                     // the title of a fix and its risk; what follows belongs to it
	codeBlock                    // lines to be copied
	diffBlock                    // likewise
	sourceBlock                  // lines of policy, with carets
	partBlock                    // a heading
)

// A detail collects the blocks of one finding or diagnostic.
type detail []block

func (d *detail) add(kind blockKind, parts ...escape.Text) { *d = append(*d, block{kind, parts}) }

// text adds a labelled text, if there is one.
func (d *detail) text(label, text escape.Text) {
	if text != "" {
		d.add(textBlock, label, text)
	}
}

// line is text for a string.
func (d *detail) line(label escape.Text, text string) { d.text(label, escape.Line(text)) }

// newDetail says of a finding what its sentence does not: why, where in the policy, what
// would remedy it, and how all that is known.
func newDetail(f *Finding) (d detail) {
	if f.Granted != nil {
		d.line("granted by what is suggested already", f.Granted.Rule)
	}
	d.line("baseline", f.gateWords())
	if c := f.Claim; c != nil {
		d.text("not logged", unstyled(append(said(c.File, c.Line), prose(normal, c.Text)...)))
	}
	d.text("cause", escape.Line(f.Cause)+" — "+escape.Line(f.Why))
	d.line("harmless as far as seen", f.Harmless)
	d.line("consequence", f.Consequence)
	if in := f.Incident; in != nil {
		d.line("known as "+escape.Line(in.ID), in.What+" ("+in.Versions+"). Remedy: "+in.Remedy+". Source: "+in.Source)
	}
	if info := f.Denial.Get("info"); info != "" {
		d.text("kernel", unstyled(kernelSays(info, f.Denial.Get("error"))))
	}
	for i := range f.Rules {
		d.source(&f.Rules[i])
	}
	if f.Investigate != "" {
		d.add(alertBlock, "investigate first", escape.Line(f.Investigate))
	}
	d.fixes(f.Fixes, f.given())
	if x := f.Unchecked; x != nil {
		d.add(fixBlock, "rule, not checked: "+escape.Line(x.Message), escape.Line(x.Risk))
		d.add(codeBlock, escape.SplitLines(escape.Lines(x.Rule))...)
		d.line("unproved", x.Unproved)
		d.line("because", x.Reason)
		d.line("also grants", x.Grants)
	}
	if f.Quiet != "" {
		d.add(fixBlock, "or do nothing: where it works without, this keeps it refused and out of the log", "")
		d.add(codeBlock, escape.SplitLines(escape.Lines(f.Quiet))...)
	}
	d.evidence(f)
	return d
}

// source adds a place of a policy with its line.
func (d *detail) source(r *Rule) {
	p := &page{width: pageWidth}
	p.excerpt(r, gutterOf(&Finding{Rules: []Rule{*r}}))
	d.add(sourceBlock, escape.SplitLines(p.Text())...)
}

// fixes adds remedies, each with its diff, for what a runtime runs.
func (d *detail) fixes(fixes []Fix, to container.Container) {
	for i := range fixes {
		x := &fixes[i]
		d.add(fixBlock, "fix "+escape.Number(i+1)+": "+escape.Line(x.Message), escape.Line(x.Risk))
		if x.Diff != "" {
			d.add(diffBlock, escape.SplitLines(escape.Diff(x.Diff))...)
		} else if x.Rule != "" {
			d.add(codeBlock, escape.SplitLines(escape.Lines(x.Rule))...)
		}
		if string(escape.Diff(x.Diff)) != x.Diff || x.Cut {
			d.text("not to be applied as it stands", "characters that cannot be seen are escaped here, and long lines cut; whydenied patch has the diff of the files")
		}
		d.line("proved", strings.Join(x.Proof, ", "))
		d.line("because", x.Reason)
		d.line("also grants", x.Grants)
		if x.Capability != "" && x.Diff != "" {
			d.line("besides", strings.Join(to.GivenCapability(x.Capability), ", "))
		}
	}
}

// evidence adds whose the denials were, how that is known, what is not known, and the
// first record.
func (d *detail) evidence(f *Finding) {
	d.add(partBlock, "Evidence")
	if c := f.Container; c != nil {
		names := slices.DeleteFunc([]string{c.Name, c.Image, c.Runtime, c.ID}, func(s string) bool { return s == "" })
		d.line("container", strings.Join(names, ", "))
		if c.Pod != "" {
			d.text("pod", podName(c))
		}
		d.line("attributed", c.Confidence+" confidence: "+strings.Join(c.Evidence, "; "))
	}
	d.text("containers", unstyled(tallied(f.Count, f.Containers)))
	d.text("programs", unstyled(tallied(f.Count, f.Programs)))
	d.line("command", strings.Join(f.Subject.Argv, " "))
	d.line("profile", f.profile())
	if f.Policy != f.profile() {
		d.line("policy", f.Policy)
	}
	if f.NotFound != "" {
		d.text("unknown", "the policy of "+escape.Line(f.NotFound)+" was not found, so no rule of it was judged")
	}
	for _, note := range f.Notes {
		d.line("note", note)
	}
	var record []word
	for _, field := range f.Denial {
		record = append(record, word{text: escape.Line(field.Key) + "=" + escape.Name(field.Value)})
	}
	d.text("first record", unstyled(record))
	d.line("finding", f.ID)
}

// newDiagnosticDetail says of a diagnostic what its message does not.
func newDiagnosticDetail(one *Diagnostic) (d detail) {
	if one.Line > 0 {
		d.source(&one.Rule)
	}
	for i := range one.Related {
		d.source(&one.Related[i])
	}
	d.fixes(one.Fixes, container.Container{})
	return d
}
