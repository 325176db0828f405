package explain

import (
	"fmt"
	"strings"

	"github.com/whydenied/whydenied/parser"
	"github.com/whydenied/whydenied/rules/apparmor"
	"github.com/whydenied/whydenied/rules/seccomp"
)

// What refuses first hides what would refuse next: the functions of this file say what
// the next layer answers to the same access, where that is known.

// profileOf returns the profile that AppArmor asks about the process of a finding, nil if it
// is not known.
func (x *Explainer) profileOf(f *Finding) *apparmor.Profile {
	if profile := x.Library.Profile(f.where(), f.Denial.Subject.Label); profile != nil {
		return profile
	}
	return x.Library.Profile(f.where(), f.Container.AppArmorProfile)
}

// A hook is what AppArmor is asked when a call is made: requests that stand for all of
// their kind, as most records do not say which it was.
type hook struct {
	calls, what string
	requests    func(profile *apparmor.Profile) []apparmor.Request
}

// nextHooks are the hooks of calls that default filters refuse (security/apparmor/lsm.c).
var nextHooks = []hook{
	{"mount move_mount", "mounts", func(*apparmor.Profile) []apparmor.Request {
		return []apparmor.Request{apparmor.MountRequest{Op: "mount", Source: "none", Target: "/mnt/", Fstype: "tmpfs"},
			apparmor.MountRequest{Op: "bind", Source: "/srv/", Target: "/mnt/"}}
	}},
	{"umount umount2", "unmounting", func(*apparmor.Profile) []apparmor.Request {
		return []apparmor.Request{apparmor.MountRequest{Op: "umount", Target: "/mnt/"}}
	}},
	{"pivot_root", "pivot_root", func(*apparmor.Profile) []apparmor.Request {
		return []apparmor.Request{apparmor.PivotRootRequest{NewRoot: "/mnt/", OldRoot: "/mnt/old/"}}
	}},
	{"ptrace process_vm_readv process_vm_writev", "traces of its own processes", func(p *apparmor.Profile) []apparmor.Request {
		return []apparmor.Request{apparmor.PtraceRequest{Perms: apparmor.Trace, Peer: p.FullName()}}
	}},
}

// NextOfCall says what AppArmor, which is asked next, answers to a call, a sentence; "" if
// it does not refuse it, or if that is not known.
func NextOfCall(profile *apparmor.Profile, call seccomp.Call) string {
	if profile == nil {
		return ""
	}
	for _, a := range nextHooks {
		if strings.Contains(" "+a.calls+" ", " "+call.Name+" ") {
			if by, refuses := refusesAll(profile, a.requests(profile)); refuses {
				return nextSentence(profile, a.what, by)
			}
		}
	}
	if (call.Name == "unshare" || call.Name == "clone") && strings.Contains(seccomp.CallText(call.Arch, call.Name, call.Args), "CLONE_NEWUSER") {
		_, known := profile.Mediates(apparmor.UsernsRequest{}) // older parsers and kernels do not ask
		if by, refuses := refusesAll(profile, []apparmor.Request{apparmor.UsernsRequest{}}); refuses && known {
			return nextSentence(profile, "user namespaces", by)
		}
	}
	p, asks := call.Privilege()
	if !asks || p.Unless != "" {
		return ""
	}
	var requests []apparmor.Request
	for _, name := range p.Caps {
		requests = append(requests, apparmor.CapabilityRequest{Name: strings.ToLower(strings.TrimPrefix(name, "CAP_"))})
	}
	if by, refuses := refusesAll(profile, requests); refuses {
		return nextSentence(profile, "the capability "+strings.Join(p.Caps, " or "), by)
	}
	return ""
}

// refusesAll reports whether a profile refuses each request, and by which deny rule, if
// by one.
func refusesAll(profile *apparmor.Profile, requests []apparmor.Request) (deny apparmor.Rule, refuses bool) {
	for _, request := range requests {
		d := profile.Decide(request)
		if d.Permitted {
			return nil, false
		}
		if len(d.Deny) > 0 && deny == nil {
			deny = d.Deny[0]
		}
	}
	return deny, true
}

func nextSentence(profile *apparmor.Profile, what string, deny apparmor.Rule) string {
	by := "no rule of it grants that"
	if deny != nil {
		by = "`" + deny.Location().Text() + "`"
	}
	text := fmt.Sprintf("AppArmor is asked next, and profile %s refuses %s, too: %s.", profile.Name, what, by)
	if what == "mounts" {
		text += " A container that is to mount needs a profile of its own for that."
	}
	return text
}

// noteAfterAppArmor says what the kernel asks for once AppArmor lets something through,
// where it asks AppArmor first: path_mount() in fs/namespace.c, __inet_bind() and
// inet_create() in net/ipv4/af_inet.c.
func (f *Explained) noteAfterAppArmor() {
	a := f.Denial.AppArmor
	raw := a.SockType == "raw" && a.Family != "netlink" && a.Family != "unix" || a.Family == "packet"
	needed := ""
	switch {
	case a.Operation == "mount":
		needed = "CAP_SYS_ADMIN"
	case a.Operation == "create" && raw:
		needed = "CAP_NET_RAW"
	case a.Operation == "bind" && strings.HasPrefix(a.Family, "inet") && 0 < a.Port && a.Port < 1024:
		needed = "CAP_NET_BIND_SERVICE"
	}
	l := f.Container.Limits
	if needed == "" || l == nil {
		return
	}
	if holds, known := l.Holds([]string{needed}); known && !holds {
		f.Notes = append(f.Notes, fmt.Sprintf("A rule does not help alone: after AppArmor the kernel asks for %s, which the container's first process does not hold.", needed))
	}
}

// landlockPerms are what AppArmor calls the accesses to files that Landlock does.
var landlockPerms = map[string]apparmor.Perms{
	"fs.read_file": apparmor.Read, "fs.read_dir": apparmor.Read, "fs.write_file": apparmor.Write, "fs.execute": apparmor.Exec,
}

// noteAfterLandlock says what AppArmor answers to what Landlock refused.
func (x *Explainer) noteAfterLandlock(f *Explained, o *parser.Other) {
	profile := x.profileOf(f.Finding)
	perms := landlockPerms[o.Access]
	if profile == nil || perms == 0 || !strings.HasPrefix(o.Name, "/") {
		f.Notes = append(f.Notes, "Landlock is asked before AppArmor, so its record may stand for both: what AppArmor would answer is not in the log.")
		return
	}
	by, refuses := refusesAll(profile, []apparmor.Request{apparmor.FileRequest{Path: o.Name, Perms: perms}})
	if refuses {
		f.Notes = append(f.Notes, nextSentence(profile, "this", by))
		return
	}
	f.Notes = append(f.Notes, fmt.Sprintf("AppArmor is asked next, and profile %s grants it.", profile.Name))
}
