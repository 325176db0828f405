package silent

import (
	"fmt"
	"strings"

	"github.com/whydenied/whydenied/explain/access"
	"github.com/whydenied/whydenied/explain/layer"
	"github.com/whydenied/whydenied/explain/library"
	"github.com/whydenied/whydenied/parser"
	"github.com/whydenied/whydenied/rules/apparmor"
)

// verdictOf says which layer refused what neither policy of a target does, or what
// AppArmor would have logged, and did not; twin is what byTwin says.
func (s *Attempts) verdictOf(a *parser.Attempt, unlogged bool, twin string) layer.Verdict {
	l, t := s.library, s.target
	c := t.Container
	if t.Profile == "unconfined" {
		c.AppArmorProfile = t.Profile
	}
	says := profileSays(l, a, t)
	if unlogged {
		says = layer.Answer{Known: true, Why: "what profile " + t.Profile + " refuses here is logged, and the log has no record of it"}
	}
	return layer.Judge(layer.Question{Attempt: a, Container: &c, Seccomp: filterSays(l, a, t, twin), AppArmor: says, BPF: l.Host(c).BPF, Records: s.recordsOf(a)})
}

// filterSays is what the seccomp profile says of what it does not refuse.
func filterSays(l *library.Library, a *parser.Attempt, t Target, twin string) layer.Answer {
	if a.Outside {
		return layer.Answer{Why: "which filter the runtime itself runs under is not known"}
	}
	if t.Container.SeccompProfile == "unconfined" {
		return layer.Answer{Known: true, Why: "there is no filter"}
	}
	profile, name := l.Seccomp(t.Container, t.Profile, archOf(l, a))
	switch {
	case profile == nil:
		return layer.Answer{Why: name}
	case a.Syscall == "":
		return layer.Answer{}
	case twin != "":
		return layer.Answer{Why: twin}
	}
	return layer.Answer{Known: true, Why: fmt.Sprintf("its profile does not answer %s to %s", a.Errno, a.Syscall)}
}

// profileSays is the same of the AppArmor profile.
func profileSays(l *library.Library, a *parser.Attempt, t Target) layer.Answer {
	profile := l.Profile(t.Container, t.Profile)
	asked := a.Errno != "EACCES" || len(access.Attempted(a)) > 0
	switch {
	case a.Outside:
		return layer.Answer{Why: "which profile the runtime itself runs under is not known"}
	case profile == nil && t.Profile != "" && t.Profile != "unconfined":
		return layer.Answer{Why: "the source of profile " + t.Profile + " was not found; its refusals are in the log, but for those by deny rules"}
	case profile != nil && a.Syscall == "mount" && a.Args == nil && a.Errno == "EACCES":
		return mountSays(profile)
	case profile == nil || !asked:
		return layer.Answer{}
	}
	return layer.Answer{Known: true, Why: "profile " + t.Profile + " does not refuse it"}
}

// mountSays is what an AppArmor profile says of a mount of which the arguments are not told.
func mountSays(profile *apparmor.Profile) layer.Answer {
	allows := false
	for _, r := range profile.Rules {
		switch m := r.(type) {
		case *apparmor.AllRule:
			allows = allows || !m.Deny
		case *apparmor.MountRule:
			bare := m.Op == "mount" && m.Fstype == nil && m.Options == nil && m.Source == nil && m.Target == nil
			if m.Deny && bare {
				return layer.Answer{Known: true, Refuses: true, Why: "profile " + profile.FullName() + " has `" + strings.TrimSpace(m.Location().Text()) + "`, which refuses every mount"}
			}
			allows = allows || !m.Deny && m.Op != "umount"
		}
	}
	if !allows {
		return layer.Answer{Known: true, Refuses: true, Why: "profile " + profile.FullName() + " has no rule that allows a mount"}
	}
	return layer.Answer{Why: "profile " + profile.FullName() + " allows some mounts, and the text does not say which this is: strace -f shows its arguments"}
}

// lacks reports whether a denial is of a capability that the process does not hold: the
// kernel looks at that before it asks AppArmor (cap_capable() comes first of all modules).
func lacks(d *parser.Denial, a *parser.Attempt, t Target) bool {
	if d.AppArmor == nil || d.AppArmor.CapName == "" {
		return false
	}
	c := t.Container
	v := layer.Judge(layer.Question{Attempt: a, Container: &c, Seccomp: layer.Answer{Known: true}, AppArmor: layer.Answer{Known: true}})
	of := v.Of(layer.Capability)
	return of.Standing == layer.Refused && strings.Contains(of.Why, "CAP_"+strings.ToUpper(d.AppArmor.CapName))
}

// next says what AppArmor, which would be asked next, answers to what another layer refused;
// "" if it does not refuse it, or is not known.
func next(l *library.Library, a *parser.Attempt, t Target, v layer.Verdict) string {
	if v.Layer != layer.Capability && v.Layer != layer.Devices && v.Layer != layer.Landlock {
		return ""
	}
	for _, errno := range []string{"EACCES", "EPERM"} { // of the call's own hook, of the capability
		asked := *a
		asked.Errno = errno
		if _, refused := byAppArmor(l, &asked, t); refused {
			return "AppArmor is asked next, and profile " + t.Profile + " refuses it, too"
		}
	}
	return ""
}

// IsDecided reports whether a layer that is neither policy is sure to have refused it, or a text says all, as of a
// policy that could not be loaded.
func (u Unexplained) IsDecided() bool {
	return u.Verdict.Sure && u.Errno == "" && u.Syscall == "" || u.Verdict.Sure && u.Verdict.Layer != layer.Seccomp && u.Verdict.Layer != layer.AppArmor
}

// MayBeAppArmor reports whether a profile can have refused it, if it is another than the
// known one or knows the file by another name.
func (u Unexplained) MayBeAppArmor() bool {
	return !u.Outside && u.Errno != "SIGSYS" && (u.Errno != "EPERM" || u.Verdict.Of(layer.AppArmor).Standing != layer.RuledOut)
}

// beyondModes is what root cannot pass either.
const beyondModes = "SELinux or another module, whose records are in the log; a file system of another host (NFS with root_squash) or of a user (FUSE without allow_other); or IDs that the container does not have (userns-remap)"

// orBeyond returns why something failed, without what the verdict rules out.
func (u *Unexplained) orBeyond() string {
	byMode := u.Hint == "" && u.Errno == "EACCES" && u.Verdict.Layer == "" && !u.First
	switch {
	case byMode && u.Syscall == "bind" && u.Verdict.Of(layer.Capability).Standing == layer.RuledOut:
		return "SELinux or Landlock, whose records are in the log, as the process may bind every port"
	case byMode && u.Syscall == "bind":
		return u.Why
	case byMode && (u.Syscall == "" || layer.IsOfFile(u.Syscall)) && u.Verdict.Of(layer.Mode).Standing == layer.RuledOut:
		return beyondModes
	case byMode && u.Why == ofModes && u.Verdict.Of(layer.SELinux).Standing != layer.RuledOut:
		return ofModes + "; or SELinux where the host has it (`sudo ausearch -m AVC -ts recent`)"
	}
	return u.Why
}
