package explain

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/whydenied/whydenied/parser"
	"github.com/whydenied/whydenied/rules/apparmor"
)

// probes are capabilities of which the kernel asks for the second where it is refused the
// first, and goes on without either.
var probes = []struct{ first, second, why string }{
	{"sys_resource", "sys_admin", "the kernel asks for one and then for the other where a user has many pipes, and makes a smaller pipe without either, unless fs.pipe-user-pages-hard is set: pipe_is_unprivileged_user() in fs/pipe.c of Linux"},
}

// judge says of findings together which did no harm as far as the log tells.
func judge(all []*Explained) {
	for _, f := range all {
		if a := f.Denial.AppArmor; f.Harmless != "" || a == nil || f.Denial.Mode != parser.Denied || a.CapName == "" {
			continue
		}
		f.Harmless = probed(f, all)
		if f.Harmless == "" {
			f.Harmless = f.wentOn()
		}
	}
	for _, f := range all {
		f.leave()
	}
}

// leave asks nobody for a rule of a harmless finding, and proposes nothing where its profile
// is not known but to keep it out of the log, which a deny rule does in any profile.
func (f *Explained) leave() {
	if f.Harmless == "" {
		return
	}
	f.Notes = slices.DeleteFunc(slices.Clone(f.Notes), func(note string) bool { return strings.HasPrefix(note, lacks) })
	if f.Unchecked == nil {
		return
	}
	f.Unchecked, f.Investigate = nil, ""
	if a := f.Denial.AppArmor; a != nil && a.CapName != "" {
		f.Quiet = "deny " + apparmor.RuleFor(apparmor.CapabilityRequest{Name: a.CapName}, apparmor.Transition{})
	}
}

// probed says that a capability is one of a pair that one process was refused at once, if it is.
func probed(f *Explained, all []*Explained) string {
	for _, p := range probes {
		other := ""
		switch f.Denial.AppArmor.CapName {
		case p.first:
			other = p.second
		case p.second:
			other = p.first
		default:
			continue
		}
		const atOnce = time.Second
		if slices.ContainsFunc(all, func(o *Explained) bool {
			a := o.Denial.AppArmor
			return a != nil && a.CapName == other && a.Profile == f.Denial.AppArmor.Profile && o.Denial.Mode == parser.Denied &&
				o.Denial.Subject.PID != 0 && o.Denial.Subject.PID == f.Denial.Subject.PID && o.First.Sub(f.First).Abs() <= atOnce
		}) {
			return fmt.Sprintf("process %d was refused %s and %s at once: %s", f.Denial.Subject.PID, p.first, p.second, p.why)
		}
	}
	return ""
}

// tellNothing are capabilities of which the success of one call tells nothing of the next:
// without fsetid chmod(2) succeeds and takes a bit away; of setuid and setgid the kernel asks
// before it looks whether the ID is one of the process's own, and AppArmor logs a capability
// that is refused again but once (audit_caps() of security/apparmor/capability.c).
var tellNothing = []string{"fsetid", "setuid", "setgid"}

// wentOn says that the system call for which a capability was refused succeeded, if its
// record says so.
func (f *Finding) wentOn() string {
	call := f.Denial.Event.Record(parser.SYSCALL)
	if call == nil || call.Get("success") != "yes" || slices.Contains(tellNothing, f.Denial.AppArmor.CapName) {
		return ""
	}
	return fmt.Sprintf("the system call went on without it and succeeded (SYSCALL record: success=yes, exit=%s)", call.Get("exit"))
}
