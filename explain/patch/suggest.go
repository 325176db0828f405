package patch

import (
	"slices"
	"strings"

	"github.com/whydenied/whydenied/explain"
	"github.com/whydenied/whydenied/rules"
	"github.com/whydenied/whydenied/rules/apparmor"
)

// maxSuggested bounds the findings that one suggestion is made of, as each
// change of it makes the whole anew: some 0.3 s for 500 over 3,000 rules.
const maxSuggested = 500

// Suggestions are what a patch would be while findings still come: for each
// policy the fixes of its findings as they fit together. It serves the goroutine
// that its Explainer serves, and its work and memory are bounded.
type Suggestions struct {
	explainer *explain.Explainer
	all       map[string]*suggestion // by Finding.Policy
	stale     []*suggestion          // in the order in which they became so
}

// A suggestion is the merged fix of the findings of one policy.
type suggestion struct {
	policy    string
	revision  int // 1 is the findings' own first fixes
	findings  []*explain.Explained
	suggested map[*explain.Explained]string // the rule that was last suggested for it
	patch     *Patch                        // nil until there are two findings
	stale     bool
}

// NewSuggestions returns no suggestions yet.
func NewSuggestions(x *explain.Explainer) *Suggestions {
	return &Suggestions{explainer: x, all: map[string]*suggestion{}}
}

// A Revision is a fix that takes the place of what was suggested for findings
// before.
type Revision struct {
	Policy   string // of the findings
	Number   int    // of the suggestion for that policy: 2, 3, ...
	Findings []*explain.Explained
	Fix      rules.Fix // without edits; Rule is how it reads now, "" if nothing is to be changed
}

// Add takes a new finding that Explain has seen. If the suggestion as it is
// grants its access already, Add returns the rule that does and the number of
// the revision, and nothing needs to be suggested. Otherwise rule is "", the
// finding's own first fix is taken as suggested, and the next Revise fits it in.
func (s *Suggestions) Add(f *explain.Explained) (rule string, revision int) {
	if f.Policy == "" || f.Further != nil {
		return "", 0
	}
	g := s.all[f.Policy]
	if g == nil {
		g = &suggestion{policy: f.Policy, revision: 1, suggested: map[*explain.Explained]string{}}
		s.all[f.Policy] = g
	}
	if rule := g.grants(f); rule != "" {
		return rule, g.revision
	}
	if len(g.findings) == maxSuggested {
		f.Notes = append(f.Notes, "So much is refused under this policy that suggestions for it are no longer fitted together; the patch command does that.")
		return "", 0
	}
	g.findings = append(g.findings, f)
	if len(f.Fixes) > 0 {
		g.suggested[f] = f.Fixes[0].Rule
	}
	if len(g.findings) > 1 && !g.stale {
		g.stale = true
		s.stale = append(s.stale, g)
	}
	return "", 0
}

// Revise fits in what was added to one policy since the last call, and returns
// the fixes that are others now, and whether there is more to be done.
func (s *Suggestions) Revise() (revisions []Revision, more bool) {
	if len(s.stale) == 0 {
		return nil, false
	}
	g := s.stale[0]
	s.stale = s.stale[1:]
	g.stale = false
	return g.revise(s.explainer), len(s.stale) > 0
}

// revise makes the patch of a policy anew.
func (g *suggestion) revise(x *explain.Explainer) []Revision {
	g.patch = Make(x, g.findings)
	var revisions []Revision
	revise := func(f *explain.Explained, fix rules.Fix) {
		if g.suggested[f] == fix.Rule {
			return
		}
		g.suggested[f] = fix.Rule
		i := slices.IndexFunc(revisions, func(r Revision) bool { return r.Fix.Rule == fix.Rule && r.Fix.Message == fix.Message })
		if i < 0 {
			i = len(revisions)
			revisions = append(revisions, Revision{Policy: g.policy, Number: g.revision + 1, Fix: fix})
		}
		revisions[i].Findings = append(revisions[i].Findings, f)
	}
	for _, r := range g.patch.Remedies {
		fix := r.Fix
		fix.Rule = ruleNow(r)
		revise(r.Finding, fix)
	}
	for _, l := range g.patch.Left {
		if l.Finding.Denial.AppArmor != nil { // what a runtime will write anew is left, and its finding says so
			revise(l.Finding, rules.Fix{Message: l.Reason})
		}
	}
	if len(revisions) > 0 {
		g.revision++
	}
	return revisions
}

// ruleNow returns the rules that grant a finding's access in a patch, as they
// read there: a fix that came after can have changed them again.
func ruleNow(r Remedy) string {
	var texts []string
	for _, at := range r.Rules {
		texts = append(texts, textAt(at))
	}
	if len(texts) == 0 || slices.Contains(texts, r.Fix.Rule) {
		return r.Fix.Rule
	}
	return strings.Join(texts, "\n")
}

func textAt(at rules.Location) string {
	return strings.TrimSpace(at.File.Text[at.Span.Start:at.Span.End])
}

// grants returns the rule of the suggestion that grants a finding's access, or
// "". What should be looked into first is never taken as granted.
func (g *suggestion) grants(f *explain.Explained) string {
	if g.patch == nil || f.Request == nil || f.Investigate != "" {
		return ""
	}
	for _, patched := range g.patch.Profiles {
		if patched.Profile == nil || !patched.isOf(f.Profile.FullName()) {
			continue
		}
		wanted := []apparmor.Request{apparmor.Relabel(f.Request, f.Profile.FullName(), patched.Name)}
		if places := grantedBy(patched.Profile, wanted, g.patch.Changes); patched.Profile.Grants(wanted...) && len(places) > 0 {
			return textAt(places[0])
		}
	}
	return ""
}

// isOf reports whether a patched profile is that of a name, or was made of it.
func (p *Patched) isOf(name string) bool {
	if !p.Derived {
		return p.Name == name
	}
	_, child, _ := strings.Cut(name, "//")
	_, own, _ := strings.Cut(p.Name, "//")
	return child == own
}
