package explain

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/whydenied/whydenied/explain/access"
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
		switch a := f.Denial.AppArmor; {
		case f.Harmless != "" || a == nil:
		case a.Operation == "mknod":
			f.Harmless = f.wasThere()
		case f.Denial.Mode == parser.Denied && a.CapName != "":
			f.Harmless = cmp.Or(probed(f, all), f.wentOn())
		}
	}
	noteWentOn(all)
	for _, f := range all {
		f.leave()
	}
}

// A process is one of a log, as far as its records tell: IDs are used again, by others.
type process struct {
	node, label, comm string
	pid               int
}

// wentOnWithin bounds how long after a refusal a record is of the same process, and not of
// another that has its ID.
const wentOnWithin = 10 * time.Minute

// noteWentOn says where a process was refused something else a while after: it did not end by
// what it was refused first. That it did no harm is not told by this.
func noteWentOn(all []*Explained) {
	of := map[process][]*Explained{}
	for _, f := range all {
		d := &f.Denial
		if d.Subject.PID == 0 || d.Mode != parser.Denied || d.Other != nil || f.IsClaim() || f.isLookAlike() || f.First.IsZero() {
			continue
		}
		key := process{f.node, d.Subject.Label, d.Subject.Comm, d.Subject.PID}
		of[key] = append(of[key], f)
	}
	for key, findings := range of {
		slices.SortStableFunc(findings, func(a, b *Explained) int { return a.First.Compare(b.First) })
		for i, f := range findings {
			next := slices.IndexFunc(findings[i:], func(o *Explained) bool { return o.First.Sub(f.First) >= time.Second })
			if next < 0 || f.Harmless != "" {
				continue
			}
			if after := findings[i+next].First.Sub(f.First); after <= wentOnWithin {
				f.Notes = append(slices.Clip(f.Notes), fmt.Sprintf("Process %d went on after it: it was refused something else %s later, so that it did not end by this.", key.pid, after.Round(time.Second)))
			}
		}
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

// answered are system calls that succeed where what they ask for is refused, which is told in another way: a
// netlink socket takes a message and answers EPERM in one of its own, netlink_rcv_skb() in
// net/netlink/af_netlink.c; io_uring in its queue.
var answered = []string{"sendto", "sendmsg", "sendmmsg", "io_uring_enter"}

// wasThere says that a file was there that a process opened and would have made otherwise, as far as that is known:
// the kernel asks whether it may be made before it looks, and then does not heed the answer, lookup_open() in
// fs/namei.c of Linux 6.12. What the file is opened for it asks by itself.
func (f *Finding) wasThere() string {
	const asked = "the kernel asks whether a file may be made before it has looked whether it is there"
	call := f.Denial.Event.Record(parser.SYSCALL)
	switch {
	case f.Denial.AppArmor.Requested != "c":
		return ""
	case strings.HasPrefix(f.Denial.AppArmor.Name, "/proc/"):
		return asked + ", and in /proc nothing is made"
	case f.Denial.Mode != parser.Denied || f.Count != 1 || call == nil || call.Get("success") != "yes":
		return "" // other events may have ended otherwise, and complain mode makes it
	case slices.ContainsFunc([]string{"open", "openat", "openat2", "creat"}, func(name string) bool { return access.IsCall(call, name) }):
		return fmt.Sprintf("%s, and it was: it was opened (SYSCALL record: success=yes, exit=%s)", asked, call.Get("exit"))
	}
	return ""
}

// wentOn says that the system call for which a capability was refused succeeded, if its
// record says so.
func (f *Finding) wentOn() string {
	call := f.Denial.Event.Record(parser.SYSCALL)
	if call == nil || call.Get("success") != "yes" || slices.Contains(tellNothing, f.Denial.AppArmor.CapName) {
		return ""
	}
	if slices.ContainsFunc(answered, func(name string) bool { return access.IsCall(call, name) }) {
		return ""
	}
	return fmt.Sprintf("the system call went on without it and succeeded (SYSCALL record: success=yes, exit=%s)", call.Get("exit"))
}
