// Package diff compares two texts of policy by what they answer, not by how they are
// written: what one grants and the other does not, what becomes silent or logged, and
// what else a profile's header changes. Its values serve any number of goroutines.
package diff

import (
	"slices"
	"strings"

	"github.com/whydenied/whydenied/explain/fix"
	"github.com/whydenied/whydenied/explain/library"
	"github.com/whydenied/whydenied/rules"
	"github.com/whydenied/whydenied/rules/apparmor"
	"github.com/whydenied/whydenied/rules/seccomp"
)

// A Kind is what becomes of an access.
type Kind string

// The kinds, in the order in which they are told.
const (
	Gain      Kind = "gain"      // granted by the new text alone
	Loss      Kind = "loss"      // granted by the old text alone
	Exec      Kind = "exec"      // executed by another transition
	Answer    Kind = "answer"    // of seccomp: refused by both, in another way
	Silenced  Kind = "silenced"  // refused by both, and no longer logged
	Logged    Kind = "logged"    // refused by both, and logged now
	Audited   Kind = "audited"   // granted by both, and logged now
	Unaudited Kind = "unaudited" // granted by both, and no longer logged
	Header    Kind = "header"    // the profile's mode, flags or attachment
)

// A Change is a set of accesses that the two texts answer otherwise, or a change of a
// profile's header, which has neither class nor example.
type Change struct {
	Kind    Kind
	Class   string // file, network, ...; syscall
	What    string // in words, with an example where there are many
	Example string // the shortest of them, as a rule that grants it, or as a call
	From    string // of Exec, Answer and seccomp's gains and losses: the answer before
	To      string // and now
	Risk    rules.Risk
	Reason  string          // for the risk of a gain
	Old     []apparmor.Rule // that decide the example in the old text
	New     []apparmor.Rule // and in the new one
	OldAt   rules.Location  // the same of seccomp; zero if no entry does
	NewAt   rules.Location
}

// A Profile is how one profile differs.
type Profile struct {
	Name     string
	Language string         // apparmor or seccomp
	At       rules.Location // of the profile in the new text, if that has it; of seccomp its file
	Only     string         // old or new, if only that text has the profile
	Changes  []Change
	// Unknown says why there may be differences besides, as a clause; "" if there are
	// none: the texts are compared in full.
	Unknown string
}

// Equal reports whether the two texts are proved to answer everything alike.
func (p *Profile) Equal() bool { return p.Only == "" && p.Unknown == "" && len(p.Changes) == 0 }

// Has reports whether there is a change of a kind.
func (p *Profile) Has(kind Kind) bool {
	return slices.ContainsFunc(p.Changes, func(c Change) bool { return c.Kind == kind })
}

// Risk is the greatest of what the new text grants.
func (p *Profile) Risk() (most rules.Risk) {
	for _, c := range p.Changes {
		most = max(most, c.Risk)
	}
	return most
}

// Compare compares two texts, profile by profile: those of one name, or the only one of
// each text whatever its name is. Seccomp filters are compared as a loader makes them. A
// language that one of the two has no policy of is left out.
func Compare(old, new library.Text, loader seccomp.Loader) (list []Profile) {
	if len(old.AppArmor) > 0 && len(new.AppArmor) > 0 {
		list = compareAll(old, new)
	}
	if old.Seccomp != nil && new.Seccomp != nil {
		list = append(list, compareSeccomp(old, new, loader))
	}
	return list
}

// compareAll compares the AppArmor profiles of two texts.
func compareAll(old, new library.Text) (list []Profile) {
	if a, b := old.AppArmor, new.AppArmor; len(a) == 1 && len(b) == 1 {
		return []Profile{compareAppArmor(b[0].FullName(), a[0], b[0])}
	}
	for _, p := range old.AppArmor {
		if other := new.Profile(p.FullName()); other != nil {
			list = append(list, compareAppArmor(p.FullName(), p, other))
			p.Forget()
			other.Forget()
		} else {
			list = append(list, Profile{Name: p.FullName(), Language: "apparmor", At: p.At, Only: "old"})
		}
	}
	for _, p := range new.AppArmor {
		if old.Profile(p.FullName()) == nil {
			list = append(list, Profile{Name: p.FullName(), Language: "apparmor", At: p.At, Only: "new"})
		}
	}
	return list
}

func compareAppArmor(name string, old, new *apparmor.Profile) Profile {
	p := Profile{Name: name, Language: "apparmor", At: new.At, Changes: headers(old, new)}
	if old.Loaded() || new.Loaded() {
		p.compareCompiled(old, new)
		return p
	}
	c := apparmor.CompareProfiles(old, new)
	for _, part := range []struct {
		kind Kind
		list []apparmor.Gain
	}{
		{Gain, c.Gains}, {Loss, c.Losses}, {Silenced, c.Silenced}, {Logged, c.Logged}, {Audited, c.Audited}, {Unaudited, c.Unaudited},
	} {
		for _, g := range part.list {
			p.Changes = append(p.Changes, appArmorChange(part.kind, g, old, new))
		}
	}
	slices.SortStableFunc(p.Changes, func(a, b Change) int { return rank(a.Kind) - rank(b.Kind) })
	switch {
	case c.Complete:
	case old.HasFlag("unconfined") != new.HasFlag("unconfined"):
		p.Unknown = "one of the two is unconfined, and grants whatever the other does not"
	case old.HasFlag("default_allow") != new.HasFlag("default_allow"):
		p.Unknown = "one of the two grants whatever it does not name"
	default:
		p.Unknown = "the rules that differ are too many or too wide to be compared to their ends"
	}
	for _, side := range []*apparmor.Profile{old, new} {
		if len(side.Unread) > 0 {
			p.Unknown = "what stands at " + side.Unread[0].String() + " was not understood"
		}
	}
	return p
}

// rank orders kinds as they are told: what the header says first, as it can make all the
// rest matter less.
func rank(kind Kind) int {
	return slices.Index([]Kind{Header, Gain, Exec, Loss, Answer, Silenced, Logged, Audited, Unaudited}, kind)
}

func appArmorChange(kind Kind, g apparmor.Gain, old, new *apparmor.Profile) Change {
	c := Change{Kind: kind, Class: apparmor.ClassOf(g.Example), What: words(g)}
	exec := apparmor.Transition{Mode: apparmor.Inherit}
	if g.Exec != nil {
		c.Kind, c.From, c.To, exec = Exec, g.Exec.From.String(), g.Exec.To.String(), g.Exec.To
	}
	c.Example = strings.TrimSuffix(apparmor.RuleFor(g.Example, exec), ",")
	if c.Kind == Gain || c.Kind == Exec {
		danger := fix.GainDanger(g)
		c.Risk, c.Reason = danger.Risk, danger.Reason
	}
	before, after := old.Decide(g.Example), new.Decide(g.Example)
	c.Old, c.New = append(before.Deny, before.Allow...), append(after.Deny, after.Allow...)
	return c
}

// words says which accesses a gain is.
func words(g apparmor.Gain) string {
	if class := apparmor.ClassOf(g.Example); class == "file" || class == "change_profile" {
		text := fix.GainsWords([]apparmor.Gain{g})
		if g.Lacks != 0 {
			text += ", refused for want of " + g.Lacks.String() + " on the target"
		}
		return text
	}
	example := strings.TrimSuffix(apparmor.RuleFor(g.Example, apparmor.Transition{}), ",")
	if g.Rule == nil {
		return example
	}
	rule := strings.Join(strings.Fields(strings.TrimSuffix(g.Rule.Location().Text(), ",")), " ")
	if bare := strings.TrimPrefix(strings.TrimPrefix(rule, "audit "), "deny "); bare == example {
		return example
	}
	return "of what `" + rule + "` names, such as " + example
}

// headers returns how the headers of two texts of a profile differ.
func headers(old, new *apparmor.Profile) (changes []Change) {
	say := func(what, from, to string) {
		if from != to {
			changes = append(changes, Change{Kind: Header, What: what, From: from, To: to})
		}
	}
	say("the mode", mode(old), mode(new))
	say("the flags", flags(old), flags(new))
	say("the programs that it attaches to", attachment(old), attachment(new))
	return changes
}

// modes are the flags that decide what becomes of a refusal.
var modes = []string{"enforce", "complain", "kill", "unconfined", "prompt", "default_allow"}

func mode(p *apparmor.Profile) string {
	for _, name := range modes {
		if p.HasFlag(name) {
			return name
		}
	}
	return "enforce"
}

func flags(p *apparmor.Profile) string {
	var names []string
	for _, f := range p.Flags {
		if !slices.Contains(modes, f.Name) {
			names = append(names, strings.TrimSuffix(f.Name+"="+f.Value, "="))
		}
	}
	slices.Sort(names)
	return strings.Join(slices.Compact(names), ", ")
}

func attachment(p *apparmor.Profile) string {
	if p.Attachment == nil {
		return ""
	}
	return p.Attachment.Source
}
