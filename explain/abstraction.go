package explain

import (
	"fmt"
	"strings"

	"github.com/whydenied/whydenied/rules"
	"github.com/whydenied/whydenied/rules/apparmor"
)

// An abstraction is one of the system's sets of rules for a purpose, such as
// abstractions/nameservice.
type abstraction struct {
	name    string            // nameservice
	profile *apparmor.Profile // that includes it and nothing else
}

// maxAbstraction is the most rules of an abstraction that is still proposed:
// larger ones give away too much for one denial.
const maxAbstraction = 150

// abstractionFixes proposes to include the smallest abstraction that grants the
// request, if the system has one. What else that grants, Grants says.
func (p *Policy) abstractionFixes(profile *apparmor.Profile, req apparmor.Request) []rules.Fix {
	var best *abstraction
	for _, a := range p.systemAbstractions() {
		if d := a.profile.Decide(req); d.Refused|d.Unmatched == 0 && (best == nil || len(a.profile.Rules) < len(best.profile.Rules)) {
			best = a
		}
	}
	if best == nil {
		return nil
	}
	include := "include <abstractions/" + best.name + ">"
	return []rules.Fix{insertFix(profile, include, fmt.Sprintf("include the abstraction %s, %d rules for that purpose", best.name, len(best.profile.Rules)))}
}

// systemAbstractions loads the abstractions of the profile directory, once.
// Those that need variables which the standard tunables do not set are left out.
func (p *Policy) systemAbstractions() []*abstraction {
	if p.abstractions != nil {
		return p.abstractions
	}
	p.abstractions = []*abstraction{}
	names, _ := p.tree.List(p.tree.Join(p.dir, "abstractions"))
	for _, name := range names {
		if apparmor.IgnoredFile(name) || strings.ContainsAny(name, "<>\"\n ") {
			continue
		}
		text := "include <tunables/global>\nprofile p {\n  include <abstractions/" + name + ">\n}\n"
		policy, diagnostics := p.loader.Load(rules.NewFile("abstraction", text))
		profile := policy.Profile("p")
		if len(errorsOf(diagnostics)) == 0 && profile != nil && len(profile.Rules) <= maxAbstraction {
			p.abstractions = append(p.abstractions, &abstraction{name, profile})
		}
	}
	return p.abstractions
}
