package explain

import (
	"fmt"
	"slices"

	"github.com/whydenied/whydenied/explain/access"
	"github.com/whydenied/whydenied/parser"
	"github.com/whydenied/whydenied/rules/seccomp"
)

// A filterKey is all that the answer of a filter to a record hangs on.
type filterKey struct {
	profile *seccomp.Profile
	call    string // as Go writes it, as it has lists
	code    uint32
	traced  bool
	errno   int
	claim   bool
}

// A filterAnswer is the text of a built-in profile by which a call is explained, and what
// it decides. It is not to be changed.
type filterAnswer struct {
	profile  *seccomp.Profile
	decision seccomp.Decision
	note     string // what is said of the choice; "" for nothing
}

// maxAnswers bounds the answers that are kept.
const maxAnswers = 4096

// filterAnswer chooses the text and decides, once for all programs that were answered alike:
// where the version of an engine is not known, many texts are asked.
func (x *Explainer) filterAnswer(f *Finding, profile *seccomp.Profile, call seccomp.Call, record *parser.Seccomp) filterAnswer {
	key := filterKey{profile, fmt.Sprintf("%#v", call), record.Code, record.Traced, record.Errno, f.IsClaim()}
	if a, ok := x.answers[key]; ok {
		return a
	}
	var a filterAnswer
	a.profile, a.note = chooseFilter(f, profile, call, record)
	a.decision = access.DecideCall(a.profile, call, record)
	if own := access.DecideCall(a.profile.Alone(), call, record); !f.IsClaim() || ruling(a.decision, record) == ruling(own, record) {
		a.decision = own // the newest text under which the record is possible; of a claim, others answer with another errno at most
	}
	if len(x.answers) >= maxAnswers || x.answers == nil {
		x.answers = map[filterKey]filterAnswer{}
	}
	x.answers[key] = a
	return a
}

// chooseFilter returns the text of a built-in seccomp profile by which a call is
// explained where the engine's version does not tell: without those under which the
// record is not possible; and what is said of that.
func chooseFilter(f *Finding, profile *seccomp.Profile, call seccomp.Call, record *parser.Seccomp) (chosen *seccomp.Profile, note string) {
	if profile.Unknown == "" {
		return profile, ""
	}
	may := "that may be in force"
	if !f.IsClaim() {
		may = "under which the record is possible"
		profile = profile.Possible(func(p *seccomp.Profile) bool { return access.Answers(access.DecideCall(p, call, record), record) })
	}
	switch d := access.DecideCall(profile, call, record); {
	case slices.ContainsFunc(d.Whens, func(w seccomp.Outcome) bool { return w.Releases != "" }):
		return profile, fmt.Sprintf("%s, and not every text of the profile %s answers the same; %s.", unsure(profile.Unknown), may, tellVersion)
	case len(profile.Others) > 0:
		return profile, unsure(profile.Unknown) + ": each text of the profile " + may + " answers the same."
	}
	return profile, fmt.Sprintf("%s: this is by the text of %s.", unsure(profile.Unknown), profile.Releases)
}
