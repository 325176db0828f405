package apparmor

import (
	"maps"
	"slices"
	"strings"

	"github.com/whydenied/whydenied/rules"
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

// differingRules are the rules by which two texts may answer otherwise. Where what is
// around them differs, such as a variable, a rule for files is one of them only if it was
// resolved to something else.
func differingRules(before, after *Profile) (removed, added []Rule) {
	if sameSurroundings(before, after) {
		return ChangedRules(before, after)
	}
	return unlike(before.Rules, after.Rules), unlike(after.Rules, before.Rules)
}

// unlike returns the rules of a list that are not resolved to the same in another.
func unlike(list, other []Rule) (rest []Rule) {
	known := map[fileKey]bool{}
	for _, r := range other {
		if r, ok := r.(*FileRule); ok {
			known[keyOfFile(r)] = true
		}
	}
	for _, r := range list {
		if file, ok := r.(*FileRule); !ok || !known[keyOfFile(file)] {
			rest = append(rest, r)
		}
	}
	return rest
}

// A fileKey is all that a rule for files is compiled to.
type fileKey struct {
	quals           Qualifiers
	perms           Perms
	exec            Transition // less its target
	target          string
	classes, noMmap bool
	path            string
}

func keyOfFile(r *FileRule) fileKey {
	k := fileKey{quals: r.Qualifiers, perms: r.Perms, exec: r.Exec, classes: r.classes, noMmap: r.noMmap, path: strings.Join(filePattern(r).Expanded, "\n")}
	if r.Exec.Target != nil {
		k.target = r.Exec.Target.Source
	}
	k.exec.Target, k.exec.TargetAt = nil, rules.Location{}
	return k
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

func sameRule(a, b Rule) bool { return a == b || keyOfRule(a) == keyOfRule(b) }

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
	i := slices.Index(p.Rules, drop)
	if i < 0 {
		i = len(p.Rules)
	}
	return p.withRules(slices.Concat(p.Rules[:i], restore, p.Rules[min(i+1, len(p.Rules)):]))
}

// withRules returns the profile with other rules.
func (p *Profile) withRules(list []Rule) *Profile {
	other := &Profile{Name: p.Name, Namespace: p.Namespace, Attachment: p.Attachment, Flags: p.Flags, Parent: p.Parent,
		Hat: p.Hat, Policy: p.Policy, At: p.At, Body: p.Body, Via: p.Via, Rules: list}
	other.Reuse(p)
	return other
}

// Replaced returns the profile with the rules of a text in place of one, to ask what they would
// be worth there. It reports false if the text is none of rules.
func (p *Profile) Replaced(drop Rule, text string) (*Profile, bool) {
	list := readRules(text)
	if len(list) == 0 {
		return nil, false
	}
	by := p.resolver(true)
	for i, r := range list {
		list[i] = r.resolve(by)
	}
	return p.Without(drop, list...), true
}
