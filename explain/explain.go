// Package explain turns denials into findings: which container and process were
// refused what, for which cause, by which rule, and what would remedy it.
//
// Log explains a log in memory. Its parts are an Explainer, which Options make, and a
// Session, which folds denials into findings as they come; each serves one goroutine
// at a time, and two do not disturb each other. The only I/O is to read the policy that
// is named. What cannot be known is said in the findings; errors are for policy that
// cannot be read.
package explain

import (
	"github.com/whydenied/whydenied/explain/access"
	"github.com/whydenied/whydenied/explain/fix"
	"github.com/whydenied/whydenied/explain/library"
	"github.com/whydenied/whydenied/rules"
	"github.com/whydenied/whydenied/rules/apparmor"
)

// An Explainer explains findings by the policies of a library. It serves one goroutine
// at a time.
type Explainer struct {
	Library *library.Library
	Fixes   *fix.Proposer

	early   map[*Finding]explainedEarly           // of Ahead
	texts   map[*apparmor.Policy]*apparmor.Policy // see settleTexts
	answers map[filterKey]filterAnswer
}

// New returns an explainer.
func New(l *library.Library) *Explainer { return &Explainer{Library: l, Fixes: fix.New(l)} }

// Explain says why a finding was refused, by which rules, and what would remedy it.
func (x *Explainer) Explain(f Finding) Explanation { return x.explain(f, true) }

// Diagnose is Explain without the fixes that change rules, the proofs of which take
// most of its time. Package patch makes and proves those of all findings together.
func (x *Explainer) Diagnose(f Finding) Explanation { return x.explain(f, false) }

// ExplainAll explains findings, those of AppArmor first: with Fixes.Compile,
// apparmor_parser looks at their fixes while the others are explained, and those with
// a rule that it refuses are dropped.
func (x *Explainer) ExplainAll(findings []*Finding) []*Explained {
	x.settleTexts(findings)
	all := make([]*Explained, len(findings))
	explainThose := func(ofAppArmor bool) {
		for i, f := range findings {
			if (f.Denial.AppArmor != nil) == ofAppArmor {
				all[i] = &Explained{f, x.explainOnce(f)}
			}
		}
	}
	explainThose(true)
	x.fixAlike(all)
	finish := x.Fixes.CompileRules(withRules(all))
	explainThose(false)
	if refused := finish(); len(refused) > 0 {
		for _, f := range all {
			f.drop(refused)
		}
	}
	judge(all)
	return all
}

// withRules returns the fixes of findings that have a rule, by policy. Findings that
// are nil have yet to be explained.
func withRules(all []*Explained) (list []fix.PolicyFixes) {
	places := map[*apparmor.Policy]int{}
	for _, f := range all {
		if f == nil || f.Request == nil {
			continue
		}
		for i := range f.Fixes {
			if f.Fixes[i].Rule == "" {
				continue
			}
			place, ok := places[f.Profile.Policy]
			if !ok {
				place = len(list)
				places[f.Profile.Policy] = place
				list = append(list, fix.PolicyFixes{Policy: f.Profile.Policy})
			}
			list[place].Fixes = append(list[place].Fixes, &f.Fixes[i])
		}
	}
	return list
}

// drop takes out refused fixes.
func (f *Explained) drop(refused map[*rules.Fix]bool) {
	kept := f.Fixes[:0]
	for i := range f.Fixes {
		if !refused[&f.Fixes[i]] {
			kept = append(kept, f.Fixes[i])
		}
	}
	f.Fixes = kept
}

// DiagnoseAll diagnoses findings, for package patch.
func (x *Explainer) DiagnoseAll(findings []*Finding) []*Explained {
	x.settleTexts(findings)
	all := make([]*Explained, len(findings))
	for i, f := range findings {
		all[i] = &Explained{f, x.Diagnose(*f)}
	}
	judge(all)
	return all
}

func (x *Explainer) explain(finding Finding, fixes bool) Explanation {
	f := &Explained{Finding: &finding}
	switch {
	case f.Further != nil:
		x.explainFurther(f)
		return f.Explanation
	case f.isLookAlike():
		f.Cause, f.Decision, f.Why = UndecidedOperation, Undecidable, access.LookAlike
		return f.Explanation
	case f.Denial.Other != nil:
		x.explainOther(f)
	case f.Denial.Seccomp != nil && f.Denial.Seccomp.Suspected:
		x.explainSuspicion(f)
	case f.Denial.Seccomp != nil:
		x.explainSeccomp(f)
		if fixes && f.Call != nil {
			x.fixSeccomp(f)
		}
	default:
		x.explainAppArmor(f)
		f.noteAfterAppArmor()
		if fixes && f.Request != nil {
			x.fixAppArmor(f)
		}
		if f.Request != nil {
			f.modes()
		}
		x.explainProduct(f)
	}
	if f.IsClaim() {
		x.explainClaim(f)
	}
	if fixes && f.NotFound != "" {
		x.explainUnchecked(f)
	}
	x.recognise(f)
	f.leave()
	f.Consequence = f.consequence()
	if f.Denial.Event.Records[f.Denial.Record].Origin.UnknownPrefix {
		f.Notes = append(f.Notes, "The text before the record is of no known log format, so nothing says that the kernel wrote the line.")
	}
	return f.Explanation
}
