package diff

import (
	"slices"

	"github.com/whydenied/whydenied/rules/apparmor"
)

// compareCompiled compares a text with compiled policy, which has no rules any more but
// answers: by what the text grants, an example of each of its rules.
func (p *Profile) compareCompiled(old, new *apparmor.Profile) {
	p.Unknown = "both are compiled, and have no rules any more to compare"
	kind, text := Loss, old
	if old.Loaded() {
		kind, text = Gain, new
	}
	if text.Loaded() {
		return
	}
	p.Unknown = "one of the two is compiled: only an example of each rule of the other was asked"
	empty := &apparmor.Profile{Name: text.Name, Namespace: text.Namespace, Policy: text.Policy, At: text.At}
	gains, _ := apparmor.Gains(empty, text)
	for _, g := range gains {
		before, after := old.Decide(g.Example), new.Decide(g.Example)
		lacking := before.Granted &^ after.Granted
		if kind == Gain {
			lacking = after.Granted &^ before.Granted
		}
		if lacking == 0 || len(before.Notes)+len(after.Notes) > 0 { // which say that it is not sure
			continue
		}
		p.Changes = append(p.Changes, appArmorChange(kind, g, old, new))
	}
	slices.SortStableFunc(p.Changes, func(a, b Change) int { return rank(a.Kind) - rank(b.Kind) })
}
