package fix

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/whydenied/whydenied/rules"
	"github.com/whydenied/whydenied/rules/apparmor"
)

// What a fix says when apparmor_parser takes it.
const (
	ruleProof   = "apparmor_parser takes the rule"
	policyProof = "apparmor_parser compiles it"
)

// CompileRules has apparmor_parser, if Compile is set, compile the rules of fixes by
// their policy, in one run for each. It does not wait for the answers: finish does, adds
// them to the proofs, and returns the fixes with a rule that is refused. Whole
// policies are compiled of a patch; here that would take longer than all the rest.
func (p *Proposer) CompileRules(fixes []PolicyFixes) (finish func() (refused map[*rules.Fix]bool)) {
	waits := make([]func() error, len(fixes))
	for i, of := range fixes {
		if p.Compile != nil {
			waits[i] = p.Compile("rules", rulesText(of.Policy, of.Fixes), nil)
		}
	}
	return func() map[*rules.Fix]bool {
		refused := map[*rules.Fix]bool{}
		for i, wait := range waits {
			if wait != nil {
				p.takeRules(fixes[i].Policy, fixes[i].Fixes, wait(), refused)
			}
		}
		return refused
	}
}

// PolicyFixes are fixes that have a rule, of one policy.
type PolicyFixes struct {
	Policy *apparmor.Policy
	Fixes  []*rules.Fix
}

// takeRules proves the rules of fixes that were compiled together and, if they are
// refused, compiles each alone.
func (p *Proposer) takeRules(policy *apparmor.Policy, fixes []*rules.Fix, together error, refused map[*rules.Fix]bool) {
	var notAsked *NotAsked
	if together == nil && !policy.ReadBy(policy.Target.Parser) {
		return // it takes the rules, and may refuse the file that they stand in
	}
	if together == nil || errors.As(together, &notAsked) {
		for _, fix := range fixes {
			proveRule(fix, together)
		}
		return
	}
	if p.Compile("rules", rulesText(policy, nil), nil)() != nil {
		return // it cannot judge here
	}
	for _, fix := range fixes {
		verdict := p.Compile("rules", rulesText(policy, []*rules.Fix{fix}), nil)()
		switch {
		case verdict == nil && !policy.ReadBy(policy.Target.Parser):
		case verdict == nil || errors.As(verdict, &notAsked):
			proveRule(fix, verdict)
		case !newer(fix.Rule):
			refused[fix] = true
		}
	}
}

// proveRule adds to the proof of a fix, which other findings may share, that
// apparmor_parser takes its rule, or why it was not asked.
func proveRule(fix *rules.Fix, notAsked error) {
	if notAsked != nil {
		fix.Proof = append(slices.Clone(fix.Proof), notAsked.Error())
		return
	}
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

// CompileChanged starts to compile a changed policy. finish waits for what
// apparmor_parser says: proof holds a line if it takes the policy, and refusal
// says why it does not, although it took the policy before. Both are nil where
// it cannot judge, as for rules that are newer than it may be.
func (p *Proposer) CompileChanged(before, after *apparmor.Policy, loader *apparmor.Loader) (finish func() (proof []string, refusal error)) {
	unknown := func() ([]string, error) { return nil, nil }
	if p.Compile == nil {
		return unknown
	}
	wait := p.Compile(after.Files[0].Name, after.Files[0].Text, loader.Overlay)
	return func() ([]string, error) {
		refusal := wait()
		var notAsked *NotAsked
		switch {
		case refusal == nil:
			return []string{policyProof}, nil
		case errors.As(refusal, &notAsked):
			return []string{notAsked.Error()}, nil
		case hasNewer(after), p.Compile(before.Files[0].Name, before.Files[0].Text, nil)() != nil:
			return nil, nil
		}
		return nil, refusal
	}
}
