package explain

import (
	"slices"

	"github.com/whydenied/whydenied/explain/access"
	"github.com/whydenied/whydenied/rules/apparmor"
)

// explainUnix explains the refusal of a unix socket that `network,` allows on older
// kernels alone, and proposes both ways to have it as before.
func (x *Explainer) explainUnix(f *Explained) {
	req, err := access.Request(&f.Denial)
	if err != nil {
		return
	}
	allow := f.Profile.Decide(req).Allow
	for _, r := range allow {
		if _, ok := r.(*apparmor.NetworkRule); ok {
			f.addPlace(rulePlace(r, "covers unix sockets before Linux 6.17, or under abi 3.0 and 4.0"))
		}
	}
	f.Fixes = x.Fixes.Unix(f.Profile)
	if slices.ContainsFunc(allow, func(r apparmor.Rule) bool { _, ok := r.(*apparmor.UnixRule); return ok }) {
		f.Notes = append(f.Notes, "A unix rule allows this access already, so what the unix rules say did not reach the kernel: the abi is the surer remedy.")
	}
	if f.Profile.At.File.Builtin != "" {
		f.Notes = append(f.Notes, "containerd 1.7.31 and 2.2.2, Docker 29.4.3 and later load this profile with `abi <abi/3.0>,`: to update the engine is the remedy, too.")
		f.noteDerived()
	}
}

// noteDerived says what comes of a change of a built-in profile.
func (f *Explained) noteDerived() {
	f.Notes = append(f.Notes, "The profile is built into the runtime: `whydenied patch` writes the changed profile to a file under a name of its own, and says how the container is given that.")
}
