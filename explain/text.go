package explain

import (
	"fmt"
	"slices"
	"strings"

	"github.com/whydenied/whydenied/explain/access"
	"github.com/whydenied/whydenied/explain/library"
	"github.com/whydenied/whydenied/parser"
	"github.com/whydenied/whydenied/rules"
	"github.com/whydenied/whydenied/rules/seccomp"
)

// tellVersion is how the version of an engine is told.
const tellVersion = "give its version with --inventory (docker version -f json, podman info -f json, crictl version, kubectl get node -o json)"

// chooseText settles by which text of a built-in profile a refusal is explained where the
// engine's version does not tell: the newest under which the record is possible. It
// returns the text's name, and false if other texts answer otherwise and no record says
// which is in force.
func (f *Explained) chooseText(l *library.Library, v *access.Verdict) (source string, decided bool) {
	source, decided = l.Source(v.Profile), true
	unknown := v.Profile.Policy.Unknown
	if unknown == "" || v.Err != nil || v.Refused != "" || v.Granted != "" { // no rule decides
		return source, true
	}
	if len(v.Others) == 0 {
		if len(v.Profile.Policy.Others) > 0 {
			f.Notes = append(f.Notes, unsure(unknown)+": each text of the profile that may be in force answers the same.")
		} else {
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
				source = l.Source(v.Profile)
				break
			}
		}
	}
	f.Notes = append(f.Notes, fmt.Sprintf("%s; this is by the newest text under which the record is possible%s. Other texts answer otherwise: %s.", unsure(unknown), chosen, tellVersion))
	return source, true
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

// chooseFilter returns the text of a built-in seccomp profile by which a call is
// explained where the engine's version does not tell: without those under which the
// record is not possible.
func (f *Explained) chooseFilter(profile *seccomp.Profile, call seccomp.Call, record *parser.Seccomp) *seccomp.Profile {
	if profile.Unknown == "" {
		return profile
	}
	may := "that may be in force"
	if !f.IsClaim() {
		may = "under which the record is possible"
		profile = profile.Possible(func(p *seccomp.Profile) bool { return access.Answers(access.DecideCall(p, call, record), record) })
	}
	switch d := access.DecideCall(profile, call, record); {
	case slices.ContainsFunc(d.Whens, func(w seccomp.Outcome) bool { return w.Releases != "" }):
		f.Notes = append(f.Notes, fmt.Sprintf("%s, and not every text of the profile %s answers the same; %s.", unsure(profile.Unknown), may, tellVersion))
	case len(profile.Others) > 0:
		f.Notes = append(f.Notes, unsure(profile.Unknown)+": each text of the profile "+may+" answers the same.")
	default:
		f.Notes = append(f.Notes, fmt.Sprintf("%s: this is by the text of %s.", unsure(profile.Unknown), profile.Releases))
	}
	return profile
}
