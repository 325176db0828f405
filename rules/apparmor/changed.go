package apparmor

import (
	"maps"
	"slices"
)

// ChangedRules compares two texts of a profile rule by rule, in force and with
// includes: removed are the rules that only the first has, added those that only
// the second has, both in source order. A rule that merely moved is neither.
func ChangedRules(before, after *Profile) (removed, added []Rule) {
	a, b := before.Rules, after.Rules
	for len(a) > 0 && len(b) > 0 && sameRule(a[0], b[0]) {
		a, b = a[1:], b[1:]
	}
	for len(a) > 0 && len(b) > 0 && sameRule(a[len(a)-1], b[len(b)-1]) {
		a, b = a[:len(a)-1], b[:len(b)-1]
	}
	stay := map[ruleKey]int{}
	for _, r := range a {
		stay[keyOfRule(r)]++
	}
	for _, r := range b {
		if key := keyOfRule(r); stay[key] > 0 {
			stay[key]--
		} else {
			added = append(added, r)
		}
	}
	// What is left over was not found again: the last of equal rules.
	for _, r := range slices.Backward(a) {
		if key := keyOfRule(r); stay[key] > 0 {
			stay[key]--
			removed = append(removed, r)
		}
	}
	slices.Reverse(removed)
	return removed, added
}

// A ruleKey tells rules apart in one policy: by their text and the qualifiers
// that blocks add to it.
type ruleKey struct {
	quals Qualifiers
	text  string
}

func keyOfRule(r Rule) ruleKey {
	h := r.Head()
	return ruleKey{h.Qualifiers, h.At.Text()}
}

func sameRule(a, b Rule) bool { return keyOfRule(a) == keyOfRule(b) }

// sameSurroundings reports whether the same text means the same in two profiles:
// whether all that rules take from around them is alike.
func sameSurroundings(a, b *Profile) bool {
	if a.Policy == nil || b.Policy == nil {
		return false
	}
	alias := func(x, y Alias) bool { return x.From == y.From && x.To == y.To }
	profile := func(x, y *Profile) bool { return x.FullName() == y.FullName() }
	return a.FullName() == b.FullName() && a.Policy.modern() == b.Policy.modern() && attachmentText(a) == attachmentText(b) &&
		maps.EqualFunc(a.Policy.Variables, b.Policy.Variables, slices.Equal) &&
		slices.EqualFunc(a.Policy.Aliases, b.Policy.Aliases, alias) &&
		slices.EqualFunc(a.Policy.Profiles, b.Policy.Profiles, profile)
}

func attachmentText(p *Profile) string {
	if p.Attachment == nil {
		return ""
	}
	return p.Attachment.Source
}

// Without returns the profile less one rule and with others in its place, to ask
// what that rule is needed for.
func (p *Profile) Without(drop Rule, restore ...Rule) *Profile {
	other := &Profile{Name: p.Name, Namespace: p.Namespace, Attachment: p.Attachment, Flags: p.Flags, Parent: p.Parent,
		Hat: p.Hat, Policy: p.Policy, At: p.At, Body: p.Body, Via: p.Via}
	i := slices.Index(p.Rules, drop)
	if i < 0 {
		i = len(p.Rules)
	}
	other.Rules = slices.Concat(p.Rules[:i], restore, p.Rules[min(i+1, len(p.Rules)):])
	other.Reuse(p)
	return other
}
