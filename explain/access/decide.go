package access

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/whydenied/whydenied/parser"
	"github.com/whydenied/whydenied/rules"
	"github.com/whydenied/whydenied/rules/apparmor"
)

// A Verdict is what AppArmor policy says to the access of a record.
type Verdict struct {
	Label    string            // the profile, hat or stack as the record names it
	Unknown  []string          // the profiles of it that were not found
	Profile  *apparmor.Profile // the one that decides; nil if no source is known
	Request  apparmor.Request  // nil if Err is not
	Decision apparmor.Decision // of Profile to Request; zero if either is nil
	Err      error             // why rules do not decide on it

	// Others are the answers of other texts that may be in force in place of Profile, where
	// the engine's version does not tell which is and its text answers otherwise.
	Others []Otherwise

	Reason Reason // the kernel's own, beside which what the rules grant does not count
	// Refused and Granted say why it is refused or granted though the rules may answer
	// otherwise, one clause; both are "" if the rules decide.
	Refused, Granted string
}

// An Otherwise is what another text of a built-in profile answers.
type Otherwise struct {
	Releases rules.ReleaseText
	Profile  *apparmor.Profile
	Decision apparmor.Decision
}

// Refuses reports whether the text refuses something.
func (o *Otherwise) Refuses() bool { return !o.Decision.Permitted }

// Decide asks the profiles of a record, which find finds by name or returns nil: each
// profile of a stack a//&b must allow the access, and the one that refuses it decides.
func Decide(d *parser.Denial, find func(name string) *apparmor.Profile) Verdict {
	v := Verdict{Label: cmp.Or(d.AppArmor.Profile, d.Subject.Label), Reason: ReasonOf(d.AppArmor)}
	v.Request, v.Err = Request(d)
	if v.Err != nil {
		v.Request = nil
	}
	for name := range strings.SplitSeq(v.Label, "//&") {
		profile := find(name)
		if profile == nil {
			v.Unknown = append(v.Unknown, name)
			continue
		}
		v.Profile = profile
		if v.Err != nil {
			break
		}
		if v.Decision = profile.Decide(v.Request); v.Decision.Refused|v.Decision.Unmatched != 0 {
			break
		}
	}
	v.askOthers()
	v.overrule(d)
	v.askVersions()
	return v
}

// askOthers asks the other texts of a built-in profile.
func (v *Verdict) askOthers() {
	if v.Profile == nil || v.Err != nil {
		return
	}
	for _, policy := range v.Profile.Policy.Others {
		profile := policy.Profile(v.Profile.FullName())
		if profile == nil {
			continue
		}
		d := profile.Decide(v.Request)
		if d.Permitted != v.Decision.Permitted || d.Refused|d.Unmatched != v.Decision.Refused|v.Decision.Unmatched || d.Quiet != v.Decision.Quiet {
			v.Others = append(v.Others, Otherwise{policy.Releases, profile, d})
		}
	}
}

// askVersions notes which version of apparmor_parser or of the kernel decides, where
// others decide otherwise.
func (v *Verdict) askVersions() {
	if v.Profile == nil || v.Err != nil {
		return
	}
	if note := v.Profile.ByVersion(v.Request, &v.Decision); note != "" {
		v.Decision.Notes = append(slices.Clip(v.Decision.Notes), note)
	}
	if _, unix := v.Request.(apparmor.UnixRequest); unix && v.Reason == NoReason && byNetwork(v.Profile, v.Decision) {
		kernel := "the kernel is not known: Linux 6.17 and later refuse it"
		if release := v.Profile.Policy.Target.Kernel; release != "" {
			kernel = "Linux " + release + " refuses it"
		}
		v.Decision.Notes = append(slices.Clip(v.Decision.Notes), kernel+", unless apparmor_parser is configured with an older abi: unix sockets are a class of their own there, which `network,` does not cover")
	}
}

// overrule sets what decides in place of the rules.
func (v *Verdict) overrule(d *parser.Denial) {
	a := d.AppArmor
	if v.Profile == nil {
		if v.Reason == NotLoaded && v.Label == "unconfined" { // what is to be entered, no rule decides
			v.Refused = v.Reason.Why(a)
		}
		return
	}
	if v.Reason == NoReason && v.Err == nil && v.Decision.Refused|v.Decision.Unmatched == 0 && UnixUncovered(d, v.Profile, v.Decision) {
		v.Reason = Uncovered
	}
	leads := extra(d, leadsTo)
	switch exec, flag := v.Decision.Exec, v.Reason.Flag(); {
	case flag != "" && v.Profile.HasFlag(flag):
		v.Granted = fmt.Sprintf("the record is of a profile without the flag %s, which this one has", flag)
	case v.Reason != NoReason:
		v.Refused = v.Reason.Why(a)
	case v.Err == nil && len(v.Profile.Policy.Others) == 0 && !mediated(v.Profile, v.Request):
		v.Granted = "under its " + notMediated(v.Profile) + ", and leaves it to others"
	case LearnsAttributes(a):
		v.Granted = AttributesAnyway
	case leads != "" && exec != nil && exec.Profile != "" && exec.Profile != leads:
		v.Refused = fmt.Sprintf("the execution is granted, but leads to %s, not to %s", exec.Profile, leads)
	}
}

// LearnsAttributes reports whether a record is of attributes that were read by a
// program which has no rules yet. Each profile with rules allows that:
// compute_fperms_allow() in security/apparmor/policy_compat.c, Linux 6.12.
func LearnsAttributes(a *parser.AppArmor) bool {
	return a.Operation == "getattr" && strings.Contains(a.Profile, apparmor.Learning)
}

// AttributesAnyway is why what LearnsAttributes reports would be granted.
const AttributesAnyway = "every profile with rules lets the attributes of a file be read, and the one that the kernel made to learn has none"
