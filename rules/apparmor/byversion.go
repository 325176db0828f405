package apparmor

import (
	"fmt"
	"strings"
)

// versioned says what of a policy versions of apparmor_parser take for different things.
type versioned struct {
	rules bool // some; see versionedRequest for the requests that they can decide
	any   bool // what can decide any request

	load      func(Target) *Policy // the policy for another target
	byVersion map[string]*Policy   // as far as they were asked
}

// under returns the policy as a version of apparmor_parser takes it, nil if it does not.
func (p *Policy) under(version string) *Policy {
	if p.versioned.byVersion == nil {
		p.versioned.byVersion = map[string]*Policy{}
	}
	policy, ok := p.versioned.byVersion[version]
	if !ok && p.ReadBy(version) {
		policy = p.versioned.load(Target{Parser: version, Kernel: p.Target.Kernel})
	}
	p.versioned.byVersion[version] = policy
	return policy
}

// ByVersion says which versions of apparmor_parser decide, where the answer d to a
// request would be another one by a version that takes the policy too; else it returns
// "". It loads the policy again, and serves one goroutine at a time.
func (p *Profile) ByVersion(req Request, d *Decision) string {
	if v := p.Policy.versioned; !v.any && (!v.rules || !versionedRequest(req)) {
		return ""
	}
	var answers []string // in the order of versions
	versions := map[string][]string{}
	differ := false
	for _, version := range Releases() {
		policy := p.Policy.under(version)
		if policy == nil {
			continue
		}
		profile := policy.Profile(p.FullName())
		if profile == nil {
			continue
		}
		by := profile.Decide(req)
		differ = differ || by.Permitted != d.Permitted || by.Quiet != d.Quiet || by.Refused|by.Unmatched != d.Refused|d.Unmatched
		answer := answerOf(&by)
		if versions[answer] == nil {
			answers = append(answers, answer)
		}
		versions[answer] = append(versions[answer], version)
	}
	if !differ {
		return ""
	}
	var said []string
	for _, answer := range answers {
		said = append(said, answer+" by "+strings.Join(versions[answer], ", "))
	}
	return fmt.Sprintf("%s: it is %s", p.Policy.decidedBy(), strings.Join(said, "; "))
}

// answerOf says what a version makes of a request.
func answerOf(d *Decision) string {
	switch {
	case d.Refused|d.Unmatched == 0:
		return "granted"
	case d.Quiet:
		return "refused without a record"
	case d.Permitted:
		return "logged alone"
	}
	return "refused"
}

// decidedBy says which version of apparmor_parser an answer is of.
func (p *Policy) decidedBy() string {
	switch {
	case p.Target.Parser != "":
		return "this is the answer of apparmor_parser " + p.Target.Parser
	case p.ABI != nil && p.ABI.version() != "":
		return "which apparmor_parser loads the profile is not known, and was taken for that of its abi " + p.ABI.version()
	}
	return "which apparmor_parser loads the profile is not known, and was taken for one before 5.0"
}

// note notes of a rule that versions of apparmor_parser take it for different things;
// see FileRule.resolve, NetworkRule.resolve, AllRule.resolve and meant.
func (v *versioned) note(rule Rule) {
	switch r := rule.(type) {
	case *FileRule:
		v.rules = v.rules || r.Exec.Mode == Inherit || r.Exec.Fallback == Inherit || r.Exec.Target != nil && r.Perms&Link != 0 ||
			r.Perms&Exec != 0 && r.Path != nil && strings.ContainsAny(r.Path.Source, "[@")
	case *NetworkRule:
		v.rules = v.rules || r.Family != "" && r.Type == "" && r.Protocol == ""
	case *AllRule:
		v.any = v.any || r.Deny
	}
}

// versionedRequest reports whether such a rule, but deny all, can decide a request.
func versionedRequest(req Request) bool {
	switch q := req.(type) {
	case FileRequest:
		return q.Perms&(Mmap|Exec|Link) != 0
	case NetworkRequest:
		return true
	}
	return false
}
