package explain

import (
	"fmt"
	"slices"
	"strings"

	"github.com/whydenied/whydenied/explain/access"
	"github.com/whydenied/whydenied/rules"
	"github.com/whydenied/whydenied/rules/apparmor"
)

// tellVersion is how the version of an engine is told.
const tellVersion = "give its version with --inventory (docker version -f json, podman info -f json, crictl version, kubectl get node -o json)"

// chooseText settles by which text of a built-in profile a refusal is explained where the
// engine's version does not tell: the newest under which the record is possible. It
// returns the text's name, and false if other texts answer otherwise and no record says
// which is in force.
func (f *Explained) chooseText(x *Explainer, v *access.Verdict) (source string, decided bool) {
	source, decided = x.Library.Source(v.Profile), true
	unknown := v.Profile.Policy.Unknown
	if unknown != "" && f.choosePossible(x, v) {
		return x.Library.Source(v.Profile), true
	}
	if unknown == "" || v.Err != nil || v.Refused != "" || v.Granted != "" { // no rule decides
		return source, true
	}
	if len(v.Others) == 0 {
		switch {
		case len(v.Profile.Policy.Others) > 0 && v.Decision.Permitted && !f.IsClaim():
			f.Notes = append(f.Notes, unsure(unknown)+": each text of the profile that is known here allows this, and that of an older release may not. Update the engine, or "+tellVersion+".")
		case len(v.Profile.Policy.Others) > 0:
			f.Notes = append(f.Notes, unsure(unknown)+": each text of the profile that may be in force answers the same.")
		default:
			f.Notes = append(f.Notes, unsure(unknown)+": this is by the nearest known text.")
		}
		return source, true
	}
	if f.IsClaim() {
		f.Notes = append(f.Notes, fmt.Sprintf("%s, and not every text of the profile that may be in force answers the same, as of %s; %s.", unsure(unknown), otherReleases(v.Others), tellVersion))
		return source, false
	}
	chosen := ""
	if v.Decision.Permitted {
		for _, o := range slices.Backward(v.Others) {
			if o.Refuses() {
				v.Profile, v.Decision, chosen = o.Profile, o.Decision, ", that of "+o.Releases.String()
				source = x.Library.Source(v.Profile)
				break
			}
		}
	}
	f.Notes = append(f.Notes, fmt.Sprintf("%s; this is by the newest text under which the record is possible%s. Other texts answer otherwise: %s.", unsure(unknown), chosen, tellVersion))
	return source, true
}

// settleTexts notes, for each built-in profile of which the version is not known, the newest
// text under which the records of all findings are possible, where that is not the newest
// of all. So findings of one log are explained, and patched, by one text.
func (x *Explainer) settleTexts(findings []*Finding) {
	left := map[*apparmor.Policy][]*apparmor.Policy{} // newest first
	for _, f := range findings {
		newest := x.unsettled(f)
		if newest == nil {
			continue
		}
		texts, known := left[newest.Policy]
		if !known {
			texts = append(slices.Clone(newest.Policy.Others), newest.Policy)
			slices.Reverse(texts)
		}
		left[newest.Policy] = slices.DeleteFunc(texts, func(text *apparmor.Policy) bool { return !f.possibleUnder(text, newest.FullName()) })
	}
	x.texts = map[*apparmor.Policy]*apparmor.Policy{}
	for newest, texts := range left {
		if len(texts) > 0 && texts[0] != newest {
			x.texts[newest] = texts[0]
		}
	}
}

// unsettled returns the newest text of the built-in profile that refused a finding, if
// others may be in force; else nil.
func (x *Explainer) unsettled(f *Finding) *apparmor.Profile {
	if f.Denial.AppArmor == nil || f.Further != nil || f.IsClaim() || f.isLookAlike() {
		return nil
	}
	newest := x.profile(f, f.Denial.AppArmor.Profile)
	if newest == nil || len(newest.Policy.Others) == 0 {
		return nil
	}
	return newest
}

// possibleUnder reports whether the record is possible under a text of a profile.
func (f *Finding) possibleUnder(text *apparmor.Policy, name string) bool {
	profile := text.Profile(name)
	if profile == nil {
		return false
	}
	possible, _ := access.Possible(&f.Denial, profile)
	return possible
}

// choosePossible takes the text that settleTexts found or, where the findings come one by
// one, the newest other one under which this record is possible, if it is not under the
// newest of all. It reports whether it did.
func (f *Explained) choosePossible(x *Explainer, v *access.Verdict) bool {
	newest := v.Profile
	possible, why := access.Possible(&f.Denial, newest)
	chosen := x.texts[newest.Policy]
	if f.IsClaim() || possible && chosen == nil {
		return false
	}
	if chosen == nil {
		others := newest.Policy.Others
		i := len(others) - 1
		for i >= 0 && !f.possibleUnder(others[i], newest.FullName()) {
			i--
		}
		if i < 0 {
			return false
		}
		chosen = others[i]
	}
	*v = access.Decide(&f.Denial, func(name string) *apparmor.Profile {
		if name == newest.FullName() {
			return chosen.Profile(name)
		}
		return x.profile(f.Finding, name)
	})
	under := "all records of the profile are"
	if !possible {
		under = "the record is"
	}
	f.Notes = append(f.Notes, fmt.Sprintf("%s; this is by the newest text under which %s possible, that of %s. Other texts answer otherwise: %s.",
		unsure(newest.Policy.Unknown), under, chosen.Releases, tellVersion))
	if !possible {
		f.Notes = append(f.Notes, fmt.Sprintf("Under the text of %s it is not possible, as %s.", newest.Policy.Releases, why))
	}
	return true
}

// unsure begins a sentence with why a text is not known.
func unsure(unknown string) string {
	return strings.ToUpper(unknown[:1]) + unknown[1:]
}

// otherReleases lists the releases of texts that answer otherwise.
func otherReleases(others []access.Otherwise) string {
	var all []rules.ReleaseText
	for _, o := range others {
		all = append(all, o.Releases)
	}
	return rules.ReleaseNames(all...)
}
