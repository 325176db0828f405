package access

import (
	"cmp"
	"strings"

	"github.com/whydenied/whydenied/parser"
)

// A Reason is what the kernel itself says in info= of why it refused an access.
// Then it was not the rules that decided, or not they alone.
type Reason uint8

// The reasons.
const (
	NoReason           Reason = iota // it says nothing, or no more than that the rules refuse it
	Disconnected                     // the file is not reachable from the root, and the profile lacks attach_disconnected
	Deleted                          // the file was deleted, and the profile lacks mediate_deleted
	NoNewPrivs                       // no_new_privs forbids the exec transition
	TransitionNotFound               // an exec rule leads to a profile that is not loaded
	LinkNotSubset                    // a hard link would widen access
	HatNotFound                      // the profile has no such hat
	NotLoaded                        // the profile that is named is not loaded
	Uncovered                        // not of info=: see UnixUncovered
)

// infos are the texts of the reasons, in lower case: security/apparmor/{domain,path,
// label,file}.c, Linux 6.18. Of the first two the kernel writes more before them.
var infos = []struct {
	text   string
	reason Reason
}{
	{"disconnected path", Disconnected}, {"deleted entry", Deleted}, {"no new privs", NoNewPrivs},
	{"profile transition not found", TransitionNotFound}, {"link not subset of target", LinkNotSubset},
	{"hat not found", HatNotFound}, {"label not found", NotLoaded}, {"profile not found", NotLoaded},
}

// ReasonOf reads info=.
func ReasonOf(a *parser.AppArmor) Reason {
	info := strings.ToLower(a.Info)
	for _, known := range infos {
		if info == known.text || known.reason.Flag() != "" && strings.Contains(info, known.text) {
			return known.reason
		}
	}
	return NoReason
}

// Why puts the reason of a record in words, one clause; "" for NoReason.
func (r Reason) Why(a *parser.AppArmor) string {
	object := cmp.Or(a.Name, a.Target)
	return [...]string{
		Disconnected:       "the file is not reachable from the root directory that the process sees, and the profile has no attach_disconnected flag",
		Deleted:            "the file was deleted while open, and the profile has no mediate_deleted flag",
		NoNewPrivs:         "no_new_privs is set, so the process may not change to profile " + a.Target + ", which is no subset of its own",
		TransitionNotFound: "the kernel has no profile such as the rule sends " + a.Name + " to",
		LinkNotSubset:      "the rules allow more to the link " + a.Name + " than to its target " + a.Target + ", and a link must not widen access",
		HatNotFound:        "profile " + a.Profile + " has no hat " + object,
		NotLoaded:          "the kernel has no profile " + object,
		Uncovered:          "from Linux 6.17 on unix sockets are a class of their own, which `network,` does not cover where the profile names no abi",
	}[r]
}

// Flag returns the flag of a profile for want of which the kernel refused, or "".
func (r Reason) Flag() string {
	switch r {
	case Disconnected:
		return "attach_disconnected"
	case Deleted:
		return "mediate_deleted"
	}
	return ""
}
