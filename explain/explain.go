// Package explain turns denials into findings: which container and process were
// refused what, for which cause, by which rule, and what would remedy it.
//
// It does no I/O of its own but reading the policy files that its library is given.
// An Explainer and a Group are for one goroutine at a time.
package explain

import (
	"github.com/whydenied/whydenied/explain/library"
	"github.com/whydenied/whydenied/rules"
)

// An Explainer explains findings by the policies of a library. It keeps what it has
// proved, and serves one goroutine at a time.
type Explainer struct {
	Library *library.Library
	// Compile, if it is set, starts to compile the text of a policy file with
	// apparmor_parser, with the text of some included files in place of theirs, by
	// name. wait returns why it is refused, or nil. wait itself is nil where that
	// cannot be told.
	Compile func(name, text string, included map[string]string) (wait func() error)

	proved      map[string]remedies    // by profile and access; see remediesOf
	provedCalls map[string][]rules.Fix // by seccomp profile and call
}

// New returns an explainer.
func New(l *library.Library) *Explainer {
	return &Explainer{Library: l, proved: map[string]remedies{}, provedCalls: map[string][]rules.Fix{}}
}

// Explain says why a finding was refused, by which rules, and what would remedy it.
func (x *Explainer) Explain(f Finding) Explanation { return x.explain(f, true) }

// Diagnose is Explain without the fixes that change rules, the proofs of which take
// most of its time. Patch makes and proves those of all findings together.
func (x *Explainer) Diagnose(f Finding) Explanation { return x.explain(f, false) }

// ExplainAll explains findings, those of AppArmor first: with Compile, apparmor_parser
// looks at their fixes while the others are explained.
func (x *Explainer) ExplainAll(findings []*Finding) []*Explained {
	all := make([]*Explained, len(findings))
	explainThose := func(ofAppArmor bool) {
		for i, f := range findings {
			if (f.Denial.AppArmor != nil) == ofAppArmor {
				all[i] = &Explained{f, x.Explain(*f)}
			}
		}
	}
	explainThose(true)
	finish := x.check(all)
	explainThose(false)
	finish()
	return all
}

// DiagnoseAll diagnoses findings, for Patch.
func (x *Explainer) DiagnoseAll(findings []*Finding) []*Explained {
	all := make([]*Explained, len(findings))
	for i, f := range findings {
		all[i] = &Explained{f, x.Diagnose(*f)}
	}
	return all
}

func (x *Explainer) explain(finding Finding, fixes bool) Explanation {
	f := &Explained{Finding: &finding}
	switch {
	case f.isLookAlike():
		f.Cause, f.Decision, f.Why = UndecidedOperation, Undecidable, lookAlike
		return f.Explanation
	case f.Denial.Seccomp != nil:
		x.explainSeccomp(f)
		if fixes && f.Call != nil {
			x.fixSeccomp(f)
		}
	default:
		x.explainAppArmor(f)
		if fixes && f.Request != nil {
			x.fixAppArmor(f)
		}
		if f.Request != nil {
			f.modes()
		}
	}
	if f.IsClaim() {
		x.explainClaim(f)
	}
	return f.Explanation
}
