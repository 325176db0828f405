// Package replay asks another text of policy about accesses that were recorded: which
// refusals it would remedy, and which accesses it would refuse that went through. Its
// functions work on values, and serve one goroutine at a time, as findings do.
package replay

import (
	"cmp"
	"slices"
	"strings"

	"github.com/whydenied/whydenied/explain"
	"github.com/whydenied/whydenied/explain/access"
	"github.com/whydenied/whydenied/explain/library"
	"github.com/whydenied/whydenied/parser"
	"github.com/whydenied/whydenied/rules"
	"github.com/whydenied/whydenied/rules/apparmor"
	"github.com/whydenied/whydenied/rules/seccomp"
)

// An Outcome is what becomes of a recorded access.
type Outcome string

// The outcomes, in the order in which they are told.
const (
	NewlyRefused Outcome = "newly-refused" // permitted before, refused now
	NewlySilent  Outcome = "newly-silent"  // refused by both, and no longer logged
	Undecidable  Outcome = "undecidable"   // the record or the policy says too little
	StillRefused Outcome = "still-refused"
	Fixed        Outcome = "fixed" // refused before, granted now
	StillGranted Outcome = "still-granted"
)

// Outcomes are all of them, in their order.
var Outcomes = []Outcome{NewlyRefused, NewlySilent, Undecidable, StillRefused, Fixed, StillGranted}

// An Access is a recorded access, however often it was recorded, and what becomes of it.
type Access struct {
	*explain.Finding
	Outcome Outcome
	Policy  string // the profile's name; of seccomp the file's
	Request apparmor.Request
	Call    *seccomp.Call // of seccomp
	Was, Is Answer
}

// An Answer is what policy says to an access, or what its record does.
type Answer struct {
	Decision explain.Decision
	Recorded bool             // the record says it, not policy
	Why      string           // besides the rules, a clause; "" if they are all
	Rules    []rules.Location // that decide, deny rules first; seccomp's entry
}

// refuses reports whether the access does not go through.
func (a *Answer) refuses() bool { return a.Decision == explain.Refused || a.Decision == explain.Quiet }

// Policies are the texts that are asked: New, and Old for what was answered before, where
// not the record is to say it. Each may be one of AppArmor and one of seccomp.
type Policies struct {
	New, Old []library.Text
	// Call returns what is known of a process besides the record; see library.Call.
	Call func(*explain.Finding) seccomp.Call
}

// Of asks the policies about findings, and returns what becomes of each that is of one of
// them. others counts the records of the rest by the profile's name, or "seccomp" where no
// filter is given.
func (p *Policies) Of(findings []*explain.Finding) (list []Access, others map[string]int) {
	others = map[string]int{}
	for _, f := range findings {
		a, policy := p.judge(f)
		if policy == "" {
			others[PolicyOf(&f.Denial)] += f.Count
			continue
		}
		a.Policy = policy
		list = append(list, a)
	}
	slices.SortStableFunc(list, func(a, b Access) int {
		return cmp.Or(slices.Index(Outcomes, a.Outcome)-slices.Index(Outcomes, b.Outcome), strings.Compare(a.Policy, b.Policy), b.Count-a.Count,
			strings.Compare(a.ID, b.ID))
	})
	return list, others
}

// PolicyOf names the policy that a record is of: an AppArmor profile, "seccomp", or another
// security module.
func PolicyOf(d *parser.Denial) string {
	switch {
	case d.Seccomp != nil:
		return "seccomp"
	case d.AppArmor != nil:
		return cmp.Or(d.AppArmor.Profile, d.Subject.Label)
	}
	return d.Other.Module.String()
}

// judge returns what becomes of a finding, and the name of the policy that it is of; ""
// if it is of none.
func (p *Policies) judge(f *explain.Finding) (a Access, policy string) {
	a.Finding = f
	d := &f.Denial
	a.Was = recorded(d)
	switch {
	case d.Other != nil:
		return a, ""
	case d.Seccomp != nil:
		new := filterOf(p.New)
		if new == nil {
			return a, ""
		}
		known := access.Call(d.Seccomp, p.Call(f))
		a.Call = &known
		a.Is = ofCall(new, known)
		if old := filterOf(p.Old); old != nil {
			a.before(ofCall(old, known))
		}
		policy = new.File.Name
		if new.File.Builtin != "" {
			policy = new.File.Builtin
		}
	default:
		is, verdict := ofAccess(d, p.New)
		if verdict.Profile == nil {
			return a, ""
		}
		a.Is, a.Request, policy = is, verdict.Request, verdict.Profile.FullName()
		if old, by := ofAccess(d, p.Old); by.Profile != nil {
			a.before(old)
		}
	}
	a.Outcome = a.outcome()
	return a, policy
}

// before sets what the old text answers, unless that is not known but recorded.
func (a *Access) before(old Answer) {
	if old.Decision != explain.Undecidable {
		a.Was = old
	}
}

func (a *Access) outcome() Outcome {
	switch {
	case a.Is.Decision == explain.Undecidable:
		return Undecidable
	case a.Is.refuses() && !a.Was.refuses():
		return NewlyRefused
	case a.Is.Decision == explain.Quiet && a.Was.Decision == explain.Refused:
		return NewlySilent
	case a.Is.refuses():
		return StillRefused
	case a.Was.refuses():
		return Fixed
	}
	return StillGranted
}

// recorded returns what the kernel answered.
func recorded(d *parser.Denial) Answer {
	a := Answer{Decision: explain.Refused, Recorded: true}
	switch d.Mode {
	case parser.Allowed:
		a.Decision, a.Why = explain.Granted, "it was logged and let through"
	case parser.Audited, parser.Status, parser.Hint:
		a.Decision = explain.Granted
	}
	if d.Seccomp != nil && d.Seccomp.Traced {
		a.Decision = explain.Quiet
	}
	return a
}

// ofAccess asks texts about the access of a record.
func ofAccess(d *parser.Denial, texts []library.Text) (Answer, access.Verdict) {
	v := access.Decide(d, func(name string) *apparmor.Profile {
		name, _, _ = strings.Cut(name, apparmor.Learning)
		for i := range texts {
			if p := texts[i].Profile(name); p != nil {
				return p
			}
		}
		return nil
	})
	if v.Profile == nil {
		return Answer{}, v
	}
	a := Answer{Decision: explain.Granted, Why: v.Refused + v.Granted}
	for _, r := range slices.Concat(v.Decision.Deny, v.Decision.Allow) {
		if !r.Location().IsZero() {
			a.Rules = append(a.Rules, r.Location())
		}
	}
	switch {
	case d.Event.Records[d.Record].IsLookAlike():
		a.Decision, a.Why = explain.Undecidable, access.LookAlike
	case v.Refused != "":
		a.Decision = explain.Refused
	case v.Granted != "":
	case v.Err != nil:
		a.Decision, a.Why = explain.Undecidable, v.Err.Error()
	case len(v.Others) > 0:
		a.Decision, a.Why = explain.Undecidable, "texts that may be in force answer otherwise"
	case v.Decision.Quiet:
		a.Decision = explain.Quiet
	case !v.Decision.Permitted:
		a.Decision = explain.Refused
	case v.Decision.Refused|v.Decision.Unmatched != 0:
		a.Why = "the profile only complains"
	case len(v.Unknown) > 0:
		a.Decision, a.Why = explain.Undecidable, "each profile of a stack must allow it, and "+strings.Join(v.Unknown, ", ")+" is not among the policies"
	}
	return a, v
}

// filterOf returns the seccomp profile among texts, nil if there is none.
func filterOf(texts []library.Text) *seccomp.Profile {
	for i := range texts {
		if texts[i].Seccomp != nil {
			return texts[i].Seccomp
		}
	}
	return nil
}

// ofCall asks a filter about a system call. What it answers on arguments that the record
// does not have is not known.
func ofCall(p *seccomp.Profile, call seccomp.Call) Answer {
	d := access.DecideCall(p, call, nil)
	a := Answer{Decision: explain.Granted}
	if at := d.At(p); !at.IsZero() {
		a.Rules = []rules.Location{at}
	}
	refuses, sure := access.Refuses(d, nil)
	switch {
	case !sure:
		a.Decision, a.Why = explain.Undecidable, "it depends on what is not known: "+d.Whens[0].When
	case refuses && d.Action.Unlogged() && !p.Logs(call.Engine):
		a.Decision = explain.Quiet
	case refuses:
		a.Decision = explain.Refused
	}
	return a
}
