package explain

import (
	"fmt"
	"strings"

	"github.com/whydenied/whydenied/explain/access"
	"github.com/whydenied/whydenied/explain/container"
	"github.com/whydenied/whydenied/explain/fix"
	"github.com/whydenied/whydenied/rules/apparmor"
)

// contradicts explains a record that the kernel cannot have written under this text of the
// profile, as it asks the profile nothing of the kind, and reports whether that is so.
// Then no rule of it is proposed, which would have no effect. That rules allow the access
// is another finding, see allowedBySource.
func (f *Explained) contradicts(profile *apparmor.Profile) bool {
	req, err := access.Request(&f.Denial)
	if err != nil {
		return false
	}
	possible, why := access.Possible(&f.Denial, profile)
	if mediates, _ := profile.Mediates(req); possible || mediates {
		return false
	}
	f.Cause, f.Decision = AllowedByProfile, Granted
	f.Why = "this text of the profile cannot have been in force, as " + why + ": the kernel applied another"
	place := profilePlace(profile, "a rule for this has no effect here")
	if abi := profile.Policy.ABI; abi != nil {
		place = Place{At: abi.At, Note: "has no such class, so that the kernel leaves it to others"}
	}
	f.Rules = []Place{place}
	if profile.At.File.Builtin == "" {
		f.Notes = append(f.Notes, edited(profile))
	} else {
		f.Notes = append(f.Notes, "The text in force is of another release of the engine, without that abi: name its version by --inventory.")
	}
	return true
}

// noteLoader says which engine did not load the profile of a container that its engine may
// not signal: dockerd and containerd write the label that they run under into the text
// (DaemonProfile in moby/profiles/apparmor), and load it only if there is none of its name.
func (f *Explained) noteLoader(req apparmor.Request) {
	r, ok := req.(apparmor.SignalRequest)
	engine := container.EngineOf(f.Profile.Name)
	if !ok || !fix.FromSnap(r) || engine.Name == "" {
		return
	}
	snap, _, _ := strings.Cut(strings.TrimPrefix(r.Peer, "snap."), ".")
	f.Notes = append(f.Notes, fmt.Sprintf("The sender is of the snap %s, and %s of that snap makes a text of this profile that names %s as its sender of signals. So another engine loaded the one in force: a second one is on this host, from a package that is no snap. Keep one of them, and restart it or the host, so that its own text is loaded.",
		snap, engine.Name, r.Peer))
}
