package patch

import (
	"cmp"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/whydenied/whydenied/explain"
	"github.com/whydenied/whydenied/explain/access"
	"github.com/whydenied/whydenied/parser"
	"github.com/whydenied/whydenied/rules/apparmor"
)

// coveredBy lists capabilities that the kernel asks for only as long as another access
// is refused, or whose refusal does no harm while the other is granted:
// generic_permission() in fs/namei.c, which asks for dac_read_search first where a file is
// read or a directory searched, and for dac_override alone where one is written;
// check_syslog_permissions() in kernel/printk; bpf_capable(), perfmon_capable() and
// checkpoint_restore_ns_capable() in linux/capability.h, Linux 6.12; may_access_mm() in
// kernel/fork.c, Linux 7.2, which asks for perfmon where ptrace is refused.
var coveredBy = map[string][]string{
	"dac_override":    {"dac_read_search"},
	"dac_read_search": {"dac_override"},
	"perfmon":         {ptraceRead},
	"sys_admin":       {"syslog", "bpf", "perfmon", "checkpoint_restore"},
}

// ptraceRead is the access by which a process reads another's memory.
const ptraceRead = "ptrace read"

// asksFor is what a finding's access is called in coveredBy.
func asksFor(f *explain.Explained) string {
	a := f.Denial.AppArmor
	switch {
	case a == nil:
		return ""
	case a.Operation == "ptrace" && (a.Denied == "read" || a.Denied == "readby"):
		return ptraceRead
	}
	return a.CapName
}

// covered returns the finding that makes a refused capability unnecessary: of an access
// that was refused to the same task in each of its events. What the kernel asks for though
// the other was permitted, as in complain mode, it asks for on its own account; but for
// dac_read_search, which it asks for first.
func (b *patcher) covered(f *explain.Explained) *explain.Explained {
	for _, name := range coveredBy[asksFor(f)] {
		if f.Denial.Mode == parser.Allowed && name != "dac_override" {
			continue
		}
		for _, other := range b.findings {
			a := other.Denial.AppArmor
			// The other of two processes may refuse to be read, by its own profile.
			ours := a != nil && (a.Profile == f.Denial.AppArmor.Profile || name == ptraceRead && a.Peer == f.Denial.AppArmor.Profile)
			if !ours || asksFor(other) != name || !together(f, other) {
				continue
			}
			if name == "dac_override" && other.Denial.Mode != parser.Allowed && together(other, f) {
				continue // which this one covers
			}
			if first := b.covered(other); first != nil {
				return first
			}
			return other
		}
	}
	return nil
}

// together reports whether each event of a finding, as far as they are known, is one of
// another's too.
func together(f, other *explain.Explained) bool {
	if len(f.Serials)+len(other.Serials) == 0 { // a log without serials
		return f.First.Equal(other.First) && f.Denial.Subject.PID == other.Denial.Subject.PID
	}
	return len(f.Serials) > 0 && !slices.ContainsFunc(f.Serials, func(serial uint32) bool { return !slices.Contains(other.Serials, serial) })
}

// explainSpared says of the findings that others make unnecessary why, once it is known
// whether those are remedied.
func (b *patcher) explainSpared() {
	for i, left := range b.patch.Left {
		other := b.spared[left.Finding]
		if other == nil {
			continue
		}
		asks := "the kernel asks for it only where the profile refuses %s"
		if asksFor(other) == "dac_override" {
			asks = "the kernel asks for it before %s"
		}
		reason := "not needed: " + asks + ", which the patch allows"
		if _, ok := b.remedies[other]; !ok {
			reason = asks + ", which is to be allowed first"
		}
		b.patch.Left[i].Reason = fmt.Sprintf(reason, asksFor(other))
	}
}

// retried reports whether a refused mount is another that was refused to the
// process, tried once more as read-only: so do mount(8) of util-linux and busybox. A record has no flags where
// there are none but rw: audit_cb() in security/apparmor/mount.c, Linux 6.12.
func (b *patcher) retried(f *explain.Explained) bool {
	a := f.Denial.AppArmor
	writable, ro := strings.CutPrefix(a.Flags, "ro")
	return a.Operation == "mount" && ro && slices.ContainsFunc(b.findings, func(other *explain.Explained) bool {
		o := other.Denial.AppArmor
		return o != nil && o.Operation == a.Operation && o.Profile == a.Profile && other.Denial.Subject.PID == f.Denial.Subject.PID &&
			o.Name == a.Name && o.SrcName == a.SrcName && o.FSType == a.FSType && (o.Flags == "rw"+writable || o.Flags+writable == "")
	})
}

// remountsBlind reports whether a refused remount is of a process that was refused to read before how
// the file system is mounted: mount(8) keeps the flags that are set, which it takes from there
// (mnt_context_apply_fstab() in libmount/src/context.c of util-linux 2.38).
func (b *patcher) remountsBlind(f *explain.Explained) bool {
	a := f.Denial.AppArmor
	return a.Operation == "mount" && strings.Contains(a.Flags, "remount") && f.Denial.Subject.PID != 0 && slices.ContainsFunc(b.findings, func(other *explain.Explained) bool {
		return refusedFirst(other, f) && other.Denial.Subject.PID == f.Denial.Subject.PID && mountTable().MatchString(other.Denial.AppArmor.Name) &&
			other.Request != nil && b.held(other.Request) == ""
	})
}

// mountTable is a file that tells how file systems are mounted.
var mountTable = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^/proc/[0-9]+/(?:mountinfo|mounts)$`) })

// optional is what the kernel says of a capability that it asks about with CAP_OPT_NOAUDIT,
// as for what root may do without, too: audit_caps() in security/apparmor/capability.c, Linux
// 6.1. Refused it leaves no record, so it is learnt alone.
const optional = "optional: no audit"

// harmless says why an access was asked for and is of no use, or returns "".
func (b *patcher) harmless(f *explain.Explained) string {
	call := f.Denial.Event.Record(parser.SYSCALL)
	instead := cmp.Or(b.instead(f), b.unchanged(f))
	switch {
	case instead != "":
		return instead
	case b.retried(f):
		return "it was tried read-only as the profile refuses it writable, which the patch allows"
	case b.remountsBlind(f):
		return "mount(8) asks for it without the flags that are set, as it may not read mountinfo, which the patch allows"
	case f.Denial.AppArmor.CapName == "dac_read_search" && b.overrides(f) && (call == nil || b.wentOn(f, call)):
		return "the kernel asks for it before dac_override, which the profile allows"
	case f.Denial.AppArmor.CapName != "" && f.Denial.AppArmor.Info == optional:
		return "the kernel asks for it as optional, and goes on without it"
	case call == nil:
	case f.Denial.AppArmor.CapName == "sys_resource" && access.IsCall(call, "mq_open") && b.wentOn(f, call):
		return "mq_open asks for it to choose the limits of the queue, and goes on with the lower ones without it"
	case f.Denial.AppArmor.CapName == "dac_override" && b.linksOwnAlone(f, call):
		return "link asks for it where the file is not writable, before it sees that it is the process's own"
	case f.Denial.AppArmor.CapName == "fsetid" && setsNoGroupBit(call):
		return "chmod asks for it lest a set-group-ID bit be set, and the mode here has none"
	}
	return ""
}

// overrides reports whether the profile of a finding allows dac_override.
func (b *patcher) overrides(f *explain.Explained) bool {
	return f.Profile.Grants(apparmor.CapabilityRequest{Name: "dac_override"})
}

// wentOn reports whether a call did not fail for a capability that it was refused,
// as that of mq_attr_ok() in ipc/mqueue.c (Linux 6.12) does not make mq_open(3) fail:
// it went on, to success, to another refusal or to an error that is none.
func (b *patcher) wentOn(f *explain.Explained, call *parser.Record) bool {
	refused := map[string]bool{"-13": true, "-1": true, "EACCES(Permission denied)": true, "EPERM(Operation not permitted)": true}
	return !refused[call.Get("exit")] || slices.ContainsFunc(b.findings, func(other *explain.Explained) bool {
		return other != f && other.Denial.AppArmor != nil && slices.ContainsFunc(f.Serials, func(serial uint32) bool { return slices.Contains(other.Serials, serial) })
	})
}

// setsNoGroupBit reports whether a call is a chmod whose mode has no set-group-ID
// bit, the only thing that setattr_prepare() in fs/attr.c (Linux 6.12) takes
// away without fsetid.
func setsNoGroupBit(call *parser.Record) bool {
	for name, arg := range map[string]string{"chmod": "a1", "fchmod": "a1", "fchmodat": "a2", "fchmodat2": "a2"} {
		if access.IsCall(call, name) {
			mode, err := strconv.ParseUint(call.Get(arg), 16, 64)
			return err == nil && mode&0o2000 == 0
		}
	}
	return false
}

// linksOwnAlone reports whether each event of a finding is a call of linksOwn. But for the one that it
// has, its events are known where the link was refused, too: as that of a finding whose known event is
// such a call.
func (b *patcher) linksOwnAlone(f *explain.Explained, call *parser.Record) bool {
	if f.Count == 1 && linksOwn(&f.Denial.Event, call) {
		return true
	}
	return f.Count == len(f.Serials) && !slices.ContainsFunc(f.Serials, func(serial uint32) bool {
		return !slices.ContainsFunc(b.findings, func(link *explain.Explained) bool {
			call := link.Denial.Event.Record(parser.SYSCALL)
			return link != f && call != nil && slices.Contains(link.Serials, serial) && linksOwn(&link.Denial.Event, call)
		})
	})
}

// linksOwn reports whether a call makes a hard link of a file of the process's own, in folders
// of its own that it may write to: then what safe_hardlink_source() in fs/namei.c (Linux
// 6.12) asks for is of no consequence, as may_linkat() permits that to the owner.
func linksOwn(event *parser.Event, call *parser.Record) bool {
	if !access.IsCall(call, "link") && !access.IsCall(call, "linkat") {
		return false
	}
	files, paths := 0, 0
	for i := range event.Records {
		r := &event.Records[i]
		if r.Type != parser.PATH || r.Get("mode") == "" {
			continue
		}
		paths++
		mode, err := strconv.ParseUint(r.Get("mode"), 8, 32)
		if err != nil || r.Get("ouid") != call.Get("fsuid") {
			return false
		}
		const writable = 0o300
		switch r.Get("nametype") {
		case "PARENT":
			if mode&writable != writable {
				return false
			}
		default:
			files++
		}
	}
	return files > 0 || paths == 0 && refusedBeside(event)
}

// refusedBeside reports whether an event without PATH records, as that of a link that AppArmor refused is
// on Linux 6.1, is of a file of the process's own that was to get another name in its folder.
func refusedBeside(event *parser.Event) bool {
	return slices.ContainsFunc(event.Records, func(r parser.Record) bool {
		return r.Get("operation") == "link" && r.Get("apparmor") == "DENIED" && r.Get("ouid") != "" && r.Get("ouid") == r.Get("fsuid") &&
			path.Dir(r.Get("name")) == path.Dir(r.Get("target"))
	})
}
