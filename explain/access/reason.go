package access

import (
	"cmp"
	"fmt"
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
)

// ReasonOf reads info=. The texts are those of
// security/apparmor/{domain,path,label,file}.c, Linux 6.18.
func ReasonOf(a *parser.AppArmor) Reason {
	info := strings.ToLower(a.Info)
	switch {
	case info == "":
		return NoReason
	case strings.Contains(info, "disconnected path"):
		return Disconnected
	case strings.Contains(info, "deleted entry"):
		return Deleted
	case info == "no new privs":
		return NoNewPrivs
	case info == "profile transition not found":
		return TransitionNotFound
	case info == "link not subset of target":
		return LinkNotSubset
	case info == "hat not found":
		return HatNotFound
	case info == "label not found" || info == "profile not found":
		return NotLoaded
	}
	return NoReason
}

// Why puts the reason of a record in words, one clause; "" for NoReason.
func (r Reason) Why(a *parser.AppArmor) string {
	switch r {
	case Disconnected:
		return "the file is not reachable from the root directory that the process sees, and the profile has no attach_disconnected flag"
	case Deleted:
		return "the file was deleted while open, and the profile has no mediate_deleted flag"
	case NoNewPrivs:
		return fmt.Sprintf("no_new_privs is set, so the process may not change to profile %s, which is no subset of its own", a.Target)
	case TransitionNotFound:
		return fmt.Sprintf("the kernel has no profile such as the rule sends %s to", a.Name)
	case LinkNotSubset:
		return fmt.Sprintf("the rules allow more to the link %s than to its target %s, and a link must not widen access", a.Name, a.Target)
	case HatNotFound:
		return fmt.Sprintf("profile %s has no hat %s", a.Profile, cmp.Or(a.Name, a.Target))
	case NotLoaded:
		return fmt.Sprintf("the kernel has no profile %s", cmp.Or(a.Name, a.Target))
	}
	return ""
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
