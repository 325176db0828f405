package fix

import (
	"slices"

	"github.com/whydenied/whydenied/rules"
	"github.com/whydenied/whydenied/rules/apparmor"
)

// Unix proposes what has a profile with the rule `network,` and no abi allow unix sockets
// on Linux 6.17 as it does on older kernels: an abi under which that rule covers them, which
// is what containerd and Docker do, or the rule `unix,`.
func (p *Proposer) Unix(profile *apparmor.Profile) []rules.Fix {
	name, grants := "abi/3.0", "what is of classes that abi 3.0 does not have: user namespaces, message queues, io_uring"
	if slices.ContainsFunc(profile.Policy.Profiles, usesAppArmor4) {
		name, grants = "abi/4.0", "what is of classes that abi 4.0 does not have"
	}
	edit, text := profile.Policy.SetABI(name)
	abi := rules.Fix{
		Message: "name an abi under which `network,` covers unix sockets",
		Rule:    text,
		Edits:   []rules.Edit{edit},
		Grants:  grants,
	}
	var fixes []rules.Fix
	for _, f := range []rules.Fix{abi, Insert(profile, "unix,", "add the rule for unix sockets")} {
		if p.proveDoes(&f, profile, coversUnix) {
			f.Proof = slices.Insert(f.Proof, 1, "unix sockets are covered")
			fixes = append(fixes, f)
		}
	}
	return fixes
}

// usesAppArmor4 reports whether a profile has rules of classes that AppArmor 4.0 added.
func usesAppArmor4(profile *apparmor.Profile) bool {
	return slices.ContainsFunc(profile.Rules, func(r apparmor.Rule) bool {
		switch r.(type) {
		case *apparmor.UsernsRule, *apparmor.MqueueRule, *apparmor.IOUringRule:
			return true
		}
		return false
	})
}

// coversUnix reports whether a profile allows unix sockets on any kernel.
func coversUnix(profile *apparmor.Profile) bool {
	d := profile.Decide(apparmor.UnixRequest{Perms: apparmor.UnixPerms, Type: "stream", Addr: "@x", Label: profile.Name, PeerAddr: "@y", PeerLabel: "unconfined"})
	byUnix := slices.ContainsFunc(d.Allow, func(r apparmor.Rule) bool {
		rule, ok := r.(*apparmor.UnixRule)
		return ok && rule.Perms == apparmor.UnixPerms
	})
	return d.Refused|d.Unmatched == 0 && (profile.Policy.ABI != nil || byUnix)
}
