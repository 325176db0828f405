package access

import (
	"fmt"
	"path"
	"slices"

	"github.com/whydenied/whydenied/parser"
	"github.com/whydenied/whydenied/rules/apparmor"
)

// Possible reports whether the kernel can have written the record of a refusal while a
// text of the profile was loaded, and, if not, why, as a clause. It cannot where the
// text's rules allow the access, where it has the flag for want of which the kernel says
// that it refused, and where the kernel asks nothing of the class under its abi. What is
// no refusal, or of no class that rules decide on, is possible under any text.
func Possible(d *parser.Denial, profile *apparmor.Profile) (ok bool, why string) {
	if d.AppArmor == nil || d.Mode != parser.Denied {
		return true, ""
	}
	if flag := ReasonOf(d.AppArmor).Flag(); flag != "" && profile.HasFlag(flag) {
		return false, "it has the flag " + flag
	}
	req, err := Request(d)
	if err != nil {
		return true, ""
	}
	if !mediated(profile, req) {
		return false, "under its " + notMediated(profile)
	}
	decision := profile.Decide(req)
	if ReasonOf(d.AppArmor) == NoReason && decision.Refused|decision.Unmatched == 0 && !UnixUncovered(d, profile, decision) {
		return false, "its rules allow it"
	}
	return true, ""
}

// mediated reports whether the kernel can ask a profile about a request under its abi.
func mediated(profile *apparmor.Profile, req apparmor.Request) bool {
	mediates, _ := profile.Mediates(req)
	return mediates
}

// notMediated says why it cannot.
func notMediated(profile *apparmor.Profile) string {
	return fmt.Sprintf("abi %s the kernel asks it about no such access", path.Base(profile.Policy.ABI.Path))
}

// UnixUncovered reports whether a refused use of a unix socket is one that the rule
// network, of a profile without abi allows on older kernels alone: Linux 6.17 mediates
// unix sockets by a class of their own (network_v9 in its features), and what such a
// policy is compiled for hangs on apparmor_parser. The record shows that it does not
// cover them. The sources are containerd's issue 12726 and AppArmor's 561; containerd
// 2.2.2 and moby/profiles 0.2.0 name abi/3.0 since, under which it does. A kernel that is
// known to be older does no such thing.
func UnixUncovered(d *parser.Denial, profile *apparmor.Profile, decision apparmor.Decision) bool {
	a := d.AppArmor
	if a.Family != "unix" || a.Class != "net" || d.Mode != parser.Denied {
		return false // class= is of Linux 6.3 and later
	}
	return byNetwork(profile, decision)
}

// byNetwork reports whether a use of a unix socket is granted by the rule network, which
// may not cover it from Linux 6.17 on.
func byNetwork(profile *apparmor.Profile, decision apparmor.Decision) bool {
	if abi := profile.Policy.ABI; abi != nil && abi.Path != "kernel" || profile.Policy.Target.KernelBefore("6.17") || decision.Refused|decision.Unmatched != 0 {
		return false
	}
	return slices.ContainsFunc(decision.Allow, func(r apparmor.Rule) bool {
		rule, ok := r.(*apparmor.NetworkRule)
		return ok && rule.Family == ""
	})
}
