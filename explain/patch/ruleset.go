package patch

import (
	"slices"
	"strconv"
	"strings"

	"github.com/whydenied/whydenied/explain"
	"github.com/whydenied/whydenied/rules"
	"github.com/whydenied/whydenied/rules/apparmor"
	"github.com/whydenied/whydenied/rules/seccomp"
)

// A RuleSet is the rules by which one profile grants what findings were refused.
type RuleSet struct {
	Seccomp  bool
	Name     string   // the profile's, or Explanation.NotFound of a filter
	File     string   // that has the profile; "" if its source is not known
	Head     []string // what stands before a profile: an abi rule
	Flags    []string // that the profile has to have
	Rules    []string // as they stand in the body; of seccomp, entries of "syscalls"
	Findings []*explain.Explained
	Left     []Unfixed
	Proof    []string // of the rules together; of seccomp each call is allowed
	Unproved string   // what they were not checked against; "" if the profile is known
}

// RuleSets returns the rules of a patch, and for findings of which no policy is known
// those that grant their accesses to an otherwise empty one, as one set for each, with
// all that a patch is made with: names that vary are globs, and accesses to one file are
// one rule. The findings are those that the patch was made of.
func RuleSets(x *explain.Explainer, findings []*explain.Explained, p *Patch) []RuleSet {
	return append(p.ruleSets(), unproved(x, findings)...)
}

// ruleSets are those of AppArmor profiles that a patch changes.
func (p *Patch) ruleSets() (sets []RuleSet) {
	for _, patched := range p.Profiles {
		if patched.Seccomp {
			continue
		}
		set := RuleSet{Name: patched.Name, File: patched.File}
		for _, r := range p.Remedies {
			if r.Finding.Profile == nil || !granted(patched.Profile, r) {
				continue
			}
			set.Findings, set.Proof = append(set.Findings, r.Finding), r.Fix.Proof
			for _, at := range r.Rules {
				set.add(at.Text())
			}
		}
		if len(set.Rules) > 0 {
			sets = append(sets, set)
		}
	}
	return sets
}

// granted reports whether a remedy is of a profile, as a patch has changed it.
func granted(profile *apparmor.Profile, r Remedy) bool {
	return len(r.Rules) > 0 && slices.ContainsFunc(profile.Rules, func(rule apparmor.Rule) bool { return rule.Location() == r.Rules[0] })
}

// add adds a rule once.
func (s *RuleSet) add(rule string) {
	if rule = strings.TrimSpace(rule); !slices.Contains(s.Rules, rule) {
		s.Rules = append(s.Rules, rule)
	}
}

// unproved are the sets of policies that are not known.
func unproved(x *explain.Explainer, findings []*explain.Explained) []RuleSet {
	var sets []*RuleSet
	assumed := map[*RuleSet][]*explain.Explained{}
	for _, f := range findings {
		if f.NotFound == "" {
			continue
		}
		of := RuleSet{Name: f.NotFound, Seccomp: f.Denial.Seccomp != nil}
		i := slices.IndexFunc(sets, func(s *RuleSet) bool { return s.Name == of.Name && s.Seccomp == of.Seccomp })
		if i < 0 {
			i = len(sets)
			of.Unproved = explain.Unproved(of.Seccomp)
			sets = append(sets, &of)
		}
		s := sets[i]
		s.Findings = append(s.Findings, f)
		if a := x.Assume(f); a != nil {
			assumed[s] = append(assumed[s], a)
		} else {
			s.Left = append(s.Left, Unfixed{f, "no rule decides on it by what the record says: " + f.Why})
		}
	}
	var all []RuleSet
	for _, s := range sets {
		s.make(x, assumed[s])
		all = append(all, *s)
	}
	return all
}

// make makes the rules of accesses to what is assumed to be empty.
func (s *RuleSet) make(x *explain.Explainer, assumed []*explain.Explained) {
	p := Make(x, assumed)
	s.Left = append(s.Left, p.Left...)
	if s.Seccomp {
		s.entries(p.Changes)
		return
	}
	if len(p.Remedies) > 0 {
		s.Proof = p.Remedies[0].Fix.Proof
	}
	for _, patched := range p.Profiles {
		if abi := patched.Profile.Policy.ABI; abi != nil {
			s.Head = append(s.Head, abi.At.Text())
		}
		for _, flag := range patched.Profile.Flags {
			s.Flags = append(s.Flags, flag.Name)
		}
		for _, r := range patched.Profile.Rules {
			s.add(r.Location().Text())
		}
	}
	for _, r := range p.Remedies { // what no rule limits is granted: no patch is made for it
		if limit, ok := r.Finding.Request.(apparmor.RlimitRequest); ok {
			s.add(apparmor.RuleFor(limit, apparmor.Transition{}))
		}
	}
}

// entries adds the entries of changed seccomp profiles, one for each architecture: those
// that look at no arguments as one, by their names.
func (s *RuleSet) entries(changes []rules.Change) {
	var names []string
	for _, c := range changes {
		profile, _, err := seccomp.Parse(rules.NewFile(c.File.Name, c.New))
		if err != nil {
			continue
		}
		for _, e := range profile.Entries {
			if len(e.Args) > 0 || e.Action != seccomp.Allow {
				s.add(e.At.Text())
				continue
			}
			for _, n := range e.Names {
				names = append(names, strconv.Quote(n.Text))
			}
		}
	}
	if slices.Sort(names); len(names) > 0 {
		s.add(`{"names": [` + strings.Join(slices.Compact(names), ", ") + `], "action": "` + seccomp.Allow.SCMP() + `"}`)
	}
}
