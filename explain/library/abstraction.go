package library

import (
	"strings"

	"github.com/whydenied/whydenied/rules"
	"github.com/whydenied/whydenied/rules/apparmor"
)

// An Abstraction is one of the system's sets of rules for a purpose, such as
// abstractions/nameservice.
type Abstraction struct {
	Name    string            // nameservice
	Profile *apparmor.Profile // that includes it and nothing else
}

// maxAbstraction is the most rules of an abstraction: larger ones give away too much
// for one denial.
const maxAbstraction = 150

// Abstractions loads those of the profile directory, once: the ones of at most 150
// rules, and that need no variables which the standard tunables do not set.
func (l *Library) Abstractions() []Abstraction {
	if l.abstractions != nil {
		return l.abstractions
	}
	l.abstractions = []Abstraction{}
	names, _ := l.tree.List(l.tree.Join(l.dir, "abstractions"))
	for _, name := range names {
		if apparmor.IgnoredFile(name) || strings.ContainsAny(name, "<>\"\n ") {
			continue
		}
		text := "include <tunables/global>\nprofile p {\n  include <abstractions/" + name + ">\n}\n"
		policy, diagnostics := l.Loader.Load(rules.NewFile("abstraction", text))
		profile := policy.Profile("p")
		if len(rules.Errors(diagnostics)) == 0 && profile != nil && len(profile.Rules) <= maxAbstraction {
			l.abstractions = append(l.abstractions, Abstraction{name, profile})
		}
	}
	return l.abstractions
}
