package report

import (
	"slices"
	"strings"

	"github.com/whydenied/whydenied/explain"
	"github.com/whydenied/whydenied/explain/patch"
	"github.com/whydenied/whydenied/rules"
)

// patchDiagnostics returns a patch as diagnostics: one for each finding, and with
// those that are fixed the part of the changes that does it. All parts together,
// each once, are the changes. What is fixed comes first, in the order of the parts;
// a file that is new is whole part of one finding.
func patchDiagnostics(p *patch.Patch) []Diagnostic {
	parts := patchParts(p)
	type fixed struct {
		first int
		Diagnostic
	}
	var list []fixed
	for i, r := range p.Remedies {
		f := fixed{first: len(parts), Diagnostic: findingDiagnostic(NewFinding(*r.Finding), "")}
		fix := Fix{Message: r.Fix.Message}
		for j, part := range parts {
			if slices.Contains(part.remedies, i) {
				f.first = min(f.first, j)
				fix.edits = append(fix.edits, part.edit)
			}
		}
		if r.Fix.Reason != "" {
			fix.Message += "; risk: " + r.Fix.Risk.String() + because(r.Fix.Reason)
		}
		f.Fixes = []Fix{fix}
		if f.Line == 0 && len(fix.edits) > 0 {
			f.Rule = newRule(explain.Place{At: fix.edits[0].At})
		}
		list = append(list, f)
	}
	slices.SortStableFunc(list, func(a, b fixed) int { return a.first - b.first })
	var diagnostics []Diagnostic
	for _, f := range list {
		diagnostics = append(diagnostics, f.Diagnostic)
	}
	for _, l := range p.Left {
		diagnostics = append(diagnostics, findingDiagnostic(NewFinding(*l.Finding), l.Reason))
	}
	return diagnostics
}

// A patchPart is a piece of a change: whole lines, of which the new ones hold
// rules of the remedies.
type patchPart struct {
	edit     rules.Edit
	from, to int // the new lines' bytes in the changed text
	remedies []int
}

// patchParts cuts the changes of a patch into parts in the order of the new
// texts.
func patchParts(p *patch.Patch) []patchPart {
	var parts []patchPart
	for _, c := range p.Changes {
		own := changeParts(p, c)
		for i := range own {
			own[i].remedies = remediesOf(p, c, own[i])
		}
		// What holds no rule of a finding (a flag, a narrowed deny) is there for
		// those that no part of the file is for, else for the first.
		var rest []int
		for i, r := range p.Remedies {
			if r.File == c.File.Name && !slices.ContainsFunc(own, func(part patchPart) bool { return slices.Contains(part.remedies, i) }) {
				rest = append(rest, i)
			}
		}
		if len(rest) == 0 {
			rest = []int{max(slices.IndexFunc(p.Remedies, func(r patch.Remedy) bool { return r.File == c.File.Name }), 0)}
		}
		for i := range own {
			if len(own[i].remedies) == 0 {
				own[i].remedies = rest[:1]
			}
		}
		parts = append(parts, own...)
	}
	return parts
}

// remediesOf returns the remedies that have a rule in a part.
func remediesOf(p *patch.Patch, c rules.Change, part patchPart) (remedies []int) {
	for i, r := range p.Remedies {
		if slices.ContainsFunc(r.Rules, func(at rules.Location) bool {
			return at.File.Name == c.File.Name && at.Span.Start < part.to && part.from < at.Span.End
		}) {
			remedies = append(remedies, i)
		}
	}
	if c.File.Absent && len(remedies) > 1 {
		remedies = remedies[:1]
	}
	return remedies
}

// changeParts cuts one change. Lines that are inserted together are cut where a
// rule of another finding begins.
func changeParts(p *patch.Patch, c rules.Change) []patchPart {
	var parts []patchPart
	shift := 0 // of the new text against the old
	edits := c.LineEdits()
	if c.File.Policy != (rules.Span{}) {
		edits = rules.Trim(edits)
	}
	for _, e := range edits {
		span := e.At.Span
		from := span.Start + shift
		shift += len(e.New) - (span.End - span.Start)
		to := from + len(e.New)
		last := from
		if span.Start == span.End && !c.File.Absent {
			for _, cut := range cuts(p, c, from, to) {
				parts = append(parts, patchPart{edit: rules.Edit{At: e.At, New: c.New[last:cut]}, from: last, to: cut})
				last = cut
			}
		}
		parts = append(parts, patchPart{edit: rules.Edit{At: e.At, New: c.New[last:to]}, from: last, to: to})
	}
	return parts
}

// cuts returns where the text that is inserted at from up to to can be cut: at
// the lines where rules begin, but never between two rules of one finding.
func cuts(p *patch.Patch, c rules.Change, from, to int) (places []int) {
	type span struct{ first, last int }
	var joined []span
	for _, r := range p.Remedies {
		own := span{to, from}
		for _, at := range r.Rules {
			if at.File.Name != c.File.Name || at.Span.Start < from || at.Span.Start >= to {
				continue
			}
			line := strings.LastIndexByte(c.New[:at.Span.Start], '\n') + 1
			own.first, own.last = min(own.first, line), max(own.last, line)
			places = append(places, line)
		}
		if own.first < own.last {
			joined = append(joined, own)
		}
	}
	slices.Sort(places)
	places = slices.Compact(places)
	return slices.DeleteFunc(places, func(place int) bool {
		return place <= from || slices.ContainsFunc(joined, func(s span) bool { return s.first < place && place <= s.last })
	})
}
