package explain

import (
	"fmt"
	"slices"
	"strings"

	"github.com/whydenied/whydenied/rules"
	"github.com/whydenied/whydenied/rules/apparmor"
)

// What a fix says of apparmor_parser's verdict.
const (
	ruleProof   = "apparmor_parser takes the rule"
	policyProof = "apparmor_parser compiles it"
)

// check asks apparmor_parser, if Compile is set, about the rules of all fixes of
// the findings that are explained, in one run for each policy. It does not wait
// for the answers: finish does, and drops fixes with a rule that is refused. Whole
// policies are compiled by Patch; here that would take longer than all the rest.
// Findings that are nil are passed over.
func (x *Explainer) check(findings []*Explained) (finish func()) {
	if x.Compile == nil {
		return func() {}
	}
	byPolicy := map[*apparmor.Policy][]*rules.Fix{}
	var order []*apparmor.Policy
	for _, f := range findings {
		if f == nil || f.Request == nil {
			continue
		}
		for i := range f.Fixes {
			if f.Fixes[i].Rule == "" {
				continue
			}
			policy := f.Profile.Policy
			if byPolicy[policy] == nil {
				order = append(order, policy)
			}
			byPolicy[policy] = append(byPolicy[policy], &f.Fixes[i])
		}
	}
	waits := make([]func() error, len(order))
	for i, policy := range order {
		waits[i] = x.Compile("rules", rulesText(policy, byPolicy[policy]), nil)
	}
	return func() {
		refused := map[*rules.Fix]bool{}
		for i, policy := range order {
			if waits[i] != nil {
				x.checkRules(policy, byPolicy[policy], waits[i](), refused)
			}
		}
		dropFixes(findings, refused)
	}
}

// dropFixes takes refused fixes out of findings.
func dropFixes(findings []*Explained, refused map[*rules.Fix]bool) {
	if len(refused) == 0 {
		return
	}
	for _, f := range findings {
		kept := f.Fixes[:0]
		for i := range f.Fixes {
			if !refused[&f.Fixes[i]] {
				kept = append(kept, f.Fixes[i])
			}
		}
		f.Fixes = kept
	}
}

// checkRules takes the verdict of the rules of fixes together and, if they are
// refused, compiles each alone.
func (x *Explainer) checkRules(policy *apparmor.Policy, fixes []*rules.Fix, together error, refused map[*rules.Fix]bool) {
	if together == nil {
		for _, fix := range fixes {
			proveRule(fix)
		}
		return
	}
	if wait := x.Compile("rules", rulesText(policy, nil), nil); wait == nil || wait() != nil {
		return // it cannot judge here
	}
	for _, fix := range fixes {
		wait := x.Compile("rules", rulesText(policy, []*rules.Fix{fix}), nil)
		switch {
		case wait == nil:
		case wait() == nil:
			proveRule(fix)
		case !newer(fix.Rule):
			refused[fix] = true
		}
	}
}

// proveRule adds to the proof of a fix, which other findings may share, that
// apparmor_parser takes its rule.
func proveRule(fix *rules.Fix) {
	fix.Proof = slices.Insert(slices.Clone(fix.Proof), 1, ruleProof)
}

// rulesText is a policy of one profile for each fix, with the variables and the
// abi of the policy that they are for.
func rulesText(policy *apparmor.Policy, fixes []*rules.Fix) string {
	var body strings.Builder
	written := map[string]bool{}
	for _, fix := range fixes {
		if !written[fix.Rule] {
			fmt.Fprintf(&body, "profile p%d {\n%s\n}\n", len(written), fix.Rule)
			written[fix.Rule] = true
		}
	}
	body.WriteString("profile empty {\n}\n")
	var head strings.Builder
	if policy.ABI != nil {
		head.WriteString(policy.ABI.At.Text() + "\n")
	}
	includes := strings.Contains(body.String(), "include ") // files that need variables, too
	for name, values := range policy.Variables {
		if (includes || strings.Contains(body.String(), "@{"+name+"}")) && len(values) > 0 {
			fmt.Fprintf(&head, "@{%s}=\"%s\"\n", name, strings.Join(values, `" "`))
		}
	}
	return head.String() + body.String()
}

// newer reports whether a rule is of an AppArmor that the one installed may be
// older than.
func newer(rule string) bool {
	policy, _ := new(apparmor.Loader).Load(rules.NewFile("rule", "profile p {\n"+rule+"\n}\n"))
	return hasNewer(policy)
}

// hasNewer reports whether a policy has such a rule.
func hasNewer(policy *apparmor.Policy) bool {
	for _, profile := range policy.Profiles {
		if slices.ContainsFunc(profile.Rules, func(r apparmor.Rule) bool { return r.Head().Since != "" }) {
			return true
		}
	}
	return false
}

// compile starts to compile a changed policy. verdict waits for what
// apparmor_parser says: proof holds a line if it takes the policy, and refusal
// says why it does not, although it took the policy before. Both are nil where
// it cannot judge, as for rules that are newer than it may be.
func (x *Explainer) compile(before, after *apparmor.Policy, loader *apparmor.Loader) (verdict func() (proof []string, refusal error)) {
	unknown := func() ([]string, error) { return nil, nil }
	if x.Compile == nil {
		return unknown
	}
	wait := x.Compile(after.Files[0].Name, after.Files[0].Text, loader.Overlay)
	if wait == nil {
		return unknown
	}
	return func() ([]string, error) {
		refusal := wait()
		if refusal == nil {
			return []string{policyProof}, nil
		}
		if hasNewer(after) {
			return nil, nil
		}
		if wait = x.Compile(before.Files[0].Name, before.Files[0].Text, nil); wait == nil || wait() != nil {
			return nil, nil
		}
		return nil, refusal
	}
}
