package apparmor

import (
	"errors"
	"fmt"
	"strings"

	"github.com/whydenied/whydenied/rules"
)

// abovePriority is more than priority= can be.
const abovePriority = 1001

// Within returns what the profile grants of all that a rule names, such as "/etc/** w,":
// nothing if it never grants any of it. The rule is read with the profile's variables.
// Where that cannot be followed to its end, complete is false, and nothing granted was
// found perhaps. The error says what is wrong with the rule.
func (p *Profile) Within(rule string) (gains []Gain, complete bool, err error) {
	rule = strings.TrimSuffix(strings.TrimSpace(rule), ",")
	if word, _, _ := strings.Cut(rule, " "); word == "deny" || word == "audit" || word == "allow" {
		return nil, false, fmt.Errorf("write what is never to be granted, without %s", word)
	}
	text := p.variablesOf(rule) + "profile never {\ndeny " + rule + ",\n}\n"
	policy, diagnostics := (&Loader{Tree: rules.NewTree("/", nil), Target: p.Policy.Target}).Load(rules.NewFile("rule", text))
	for _, d := range rules.Errors(diagnostics) {
		return nil, false, errors.New(d.Message)
	}
	if len(policy.Profiles) != 1 || len(policy.Profiles[0].Rules) == 0 {
		return nil, false, errors.New("it is no rule of a profile")
	}
	if p.HasFlag("unconfined") {
		return nil, false, nil
	}
	denied := policy.Profiles[0].Rules
	for _, r := range denied {
		r.Head().Priority = abovePriority
	}
	without := p.Without(nil, denied...)
	removed, added := differingRules(without, p)
	gains, complete = differ(without, p, gainedButLinks, nil)
	links, _, all := linkGains(without, p, removed, added)
	return append(gains, links...), complete && all, nil
}
