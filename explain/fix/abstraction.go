package fix

import (
	"fmt"
	"reflect"
	"strings"

	"github.com/whydenied/whydenied/explain/library"
	"github.com/whydenied/whydenied/rules"
	"github.com/whydenied/whydenied/rules/apparmor"
)

// abstractionFixes proposes to include the abstraction that is about what was refused, if
// the system has one: that which names it most closely, and of those the smallest. What
// else that grants, Grants says.
func (p *Proposer) abstractionFixes(profile *apparmor.Profile, req apparmor.Request) []rules.Fix {
	var best *library.Abstraction
	closest := 0
	for _, a := range p.Library.Abstractions() {
		d := a.Profile.Decide(req)
		if d.Refused|d.Unmatched != 0 {
			continue
		}
		near := about(&a, req, d)
		if near > closest || best != nil && near == closest && len(a.Profile.Rules) < len(best.Profile.Rules) {
			best, closest = &a, near
		}
	}
	if best == nil {
		return nil
	}
	include := "include <abstractions/" + best.Name + ">"
	return []rules.Fix{Insert(profile, include, fmt.Sprintf("include the abstraction %s, %d rules for that purpose", best.Name, len(best.Profile.Rules)))}
}

// about returns how closely an abstraction that grants a request is about it, 0 if it only
// happens to grant it: of a file by how many folders and names its rule spells out, of
// anything else by whether half of its rules are of that class.
func about(a *library.Abstraction, req apparmor.Request, d apparmor.Decision) (near int) {
	class := map[reflect.Type]bool{}
	for _, r := range d.Allow {
		class[reflect.TypeOf(r)] = true
		file, ok := r.(*apparmor.FileRule)
		if !ok || file.Path == nil {
			continue
		}
		spelled := 0
		for component := range strings.SplitSeq(file.Path.Source, "/") {
			if component != "" && !strings.ContainsAny(component, "*?[{") {
				spelled++
			}
		}
		near = max(near, spelled)
	}
	if _, isFile := req.(apparmor.FileRequest); isFile {
		return near
	}
	same := 0
	for _, r := range a.Profile.Rules {
		if class[reflect.TypeOf(r)] {
			same++
		}
	}
	if same*2 < len(a.Profile.Rules) {
		return 0
	}
	return 1
}
