package report

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/whydenied/whydenied/explain/escape"
	"github.com/whydenied/whydenied/explain/patch"
	"github.com/whydenied/whydenied/explain/secret"
	"github.com/whydenied/whydenied/rules"
)

// A Patch is patch.Patch as JSON: what to change so that the findings' accesses
// are allowed.
type Patch struct {
	Diff  string        `json:"diff"`  // unified, with the names that patch -p1 wants
	Files []PatchedFile `json:"files"` // as they are afterwards
	Fixed []PatchFix    `json:"fixed"`
	Left  []PatchLeft   `json:"left"`
	Steps []string      `json:"steps"` // what to do once the files are changed
	// Offers are fixes that grant more than was refused, and are no part of the diff.
	Offers []PatchOffer `json:"offers,omitempty"`

	of     *patch.Patch // nil if it was read from JSON
	hidden int          // secrets in Diff
	cut    []string     // files of which Diff has lines that are cut
}

// A PatchedFile is a file as the patch leaves it.
type PatchedFile struct {
	File string `json:"file"`
	New  bool   `json:"new,omitempty"`  // the patch creates it
	Part bool   `json:"part,omitempty"` // Text is the part of it that is policy, the filter of a config.json
	Text string `json:"text"`
}

// A PatchFix is a finding with the fix that is part of the patch.
type PatchFix struct {
	ID          string `json:"id"`
	Message     string `json:"message"`
	File        string `json:"file,omitempty"`
	Fix         Fix    `json:"fix"`
	Investigate string `json:"investigate,omitempty"`
}

// A PatchLeft is a finding that the patch does not fix.
type PatchLeft struct {
	ID      string `json:"id"`
	Message string `json:"message"`
	Reason  string `json:"reason"`
}

// A PatchOffer is a fix that the patch could have in place of those of some findings.
type PatchOffer struct {
	IDs []string `json:"ids"` // of the findings
	Fix Fix      `json:"fix"`
}

// NewPatch returns the JSON form of a patch. As in a Finding, what cannot be seen
// or is not UTF-8 is escaped, but for the texts of files and their diff: those
// are as they will be in the files, less wrong UTF-8 and secrets.
func NewPatch(p *patch.Patch) *Patch {
	wire := &Patch{Files: []PatchedFile{}, Fixed: []PatchFix{}, Left: []PatchLeft{}, Steps: []string{}, of: p}
	hidden := secret.Kinds{}
	wire.Diff = secret.Policy(rules.Unified(p.Changes), hidden)
	wire.hidden = hidden.Sum()
	for _, c := range p.Changes {
		wire.Files = append(wire.Files, PatchedFile{
			File: plain(c.File.Name), New: c.File.Absent, Part: c.File.Policy != rules.Span{}, Text: secret.Policy(c.Told().New, nil),
		})
		if c.IsCut() {
			wire.cut = append(wire.cut, plain(c.File.Name))
		}
	}
	for _, r := range p.Remedies {
		f := NewFinding(*r.Finding)
		wire.Fixed = append(wire.Fixed, PatchFix{ID: f.ID, Message: f.Message, File: plain(r.File), Fix: newFix(r.Fix), Investigate: f.Investigate})
	}
	for _, l := range p.Left {
		f := NewFinding(*l.Finding)
		wire.Left = append(wire.Left, PatchLeft{ID: f.ID, Message: f.Message, Reason: plain(l.Reason)})
	}
	for _, s := range p.Steps {
		wire.Steps = append(wire.Steps, plain(s))
	}
	for _, o := range p.Offers {
		offer := PatchOffer{Fix: newFix(o.Fix)}
		for _, f := range o.Findings {
			offer.IDs = append(offer.IDs, f.ID)
		}
		wire.Offers = append(wire.Offers, offer)
	}
	return wire
}

// fixes returns the fix of a finding that is part of the patch, if one is.
func (p *Patch) fixes(id string) (fixes []Fix) {
	for _, f := range p.Fixed {
		if f.ID == id {
			fixes = append(fixes, f.Fix)
		}
	}
	return fixes
}

// WriteJSON writes the patch as one line of JSON.
func (p *Patch) WriteJSON(w io.Writer) error { return escape.JSON(w, p) }

// WriteDiff writes the patch as a unified diff below comments that say what it
// fixes and why that is safe, which git apply and patch pass over.
func (p *Patch) WriteDiff(w io.Writer) error { return WriteDiff(w, p.comments(), p.Diff) }

// WriteDiff writes a unified diff below comments. The diff has the bytes of the
// files, as it could not be applied else; where they are more than printable lines,
// a last comment says so.
func WriteDiff(w io.Writer, comments escape.Text, diff string) error {
	if string(escape.Diff(diff)) != diff {
		comments += "# ! below are the bytes of the files, which a terminal or the log of a CI job can take for more than text\n"
	}
	return errors.Join(escape.Write(w, comments), escape.Write(w, escape.Raw(diff)))
}

// text is WriteDiff for people.
func (p *Patch) text() escape.Text { return p.comments() + p.newFiles() + escape.Diff(p.shown()) }

// newFiles names the files that shown leaves out.
func (p *Patch) newFiles() (text escape.Text) {
	for _, f := range p.Files {
		if n := strings.Count(f.Text, "\n"); p.of != nil && f.New && n > maxNewLines {
			text += "# \n# new file  " + escape.Line(f.File) + escape.Linef(", %s: whydenied patch has it in its diff and writes it with --write, run with --patch-dir", count(n, "line")) + "\n"
		}
	}
	return text
}

// shown is the diff that people see: long files that are new are named alone, as a
// profile of hundreds of lines drowns what it is for.
func (p *Patch) shown() string {
	if p.of == nil {
		return p.Diff
	}
	changes := slices.Clone(p.of.Changes)
	changes = slices.DeleteFunc(changes, func(c rules.Change) bool { return c.File.Absent && strings.Count(c.New, "\n") > maxNewLines })
	return secret.Policy(rules.Unified(changes), nil)
}

// maxNewLines is how long a new file may be that is shown.
const maxNewLines = 24

// comments are Comments as a diff has them.
func (p *Patch) comments() escape.Text {
	var out escape.Builder[escape.Text]
	for _, line := range p.Comments() {
		out.Add("# ", escape.Line(line), "\n")
	}
	return out.Text()
}

// Comments says what the patch fixes, why that is safe, and what is left, in lines.
func (p *Patch) Comments() (lines []string) {
	comment := func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) }
	comment("whydenied patch: %s fixed, %d left", count(len(p.Fixed), "finding"), len(p.Left))
	for i, f := range p.Fixed {
		comment("")
		comment("%d  %s", i+1, f.Message)
		comment("   %s; risk: %s%s", f.Fix.Message, f.Fix.Risk, because(f.Fix.Reason))
		if f.Fix.Grants != "" {
			comment("   also grants: %s", f.Fix.Grants)
		}
		if f.Fix.Risk == rules.High.String() {
			comment("   investigate first: find out why the process asks for it; the policy may be doing its work")
		}
		if len(f.Fix.Proof) > 0 {
			comment("   proved: %s", strings.Join(f.Fix.Proof, ", "))
		}
	}
	for _, l := range p.Left {
		comment("")
		comment("left  %s", l.Message)
		comment("      %s", l.Reason)
	}
	for _, o := range p.Offers {
		comment("")
		comment("offered, and no part of this patch: %s", o.Fix.Rule)
		comment("   %s; risk: %s%s", o.Fix.Message, o.Fix.Risk, because(o.Fix.Reason))
		comment("   also grants: %s", o.Fix.Grants)
	}
	if len(p.Steps) > 0 {
		comment("")
		comment("then:")
	}
	for _, s := range p.Steps {
		comment("  %s", s)
	}
	if p.hidden > 0 {
		comment("")
		comment("question marks stand for %s: where an old line has them, patch and git apply refuse it, and whydenied patch --write does not", count(p.hidden, "secret"))
	}
	for _, name := range p.cut {
		comment("")
		comment("of %s, which holds more than policy, only the filter is shown: patch and git apply refuse lines that are cut, and whydenied patch --write does not", name)
	}
	return lines
}

func because(reason string) string {
	if reason == "" {
		return ""
	}
	return ", as " + reason
}
