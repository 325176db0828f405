package silent

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/whydenied/whydenied/explain/access"
	"github.com/whydenied/whydenied/explain/library"
	"github.com/whydenied/whydenied/parser"
	"github.com/whydenied/whydenied/rules/apparmor"
	"github.com/whydenied/whydenied/rules/seccomp"
)

// Judge asks the policies of a target about something that a program tried and
// did not get. It returns the record that the kernel would have written if it was
// the policy that refused it, which explain.Group.AddClaim takes, or false if neither
// policy explains it. A filter is asked before AppArmor, as the kernel does.
func Judge(l *library.Library, a parser.Attempt, t Target) (parser.Denial, bool) {
	if a.Outside {
		return parser.Denial{}, false
	}
	filter, refused := bySeccomp(l, &a, t)
	if filter.sure {
		return filter.denial, true
	}
	if other, ok := byAppArmor(l, &a, t); ok && !lacks(&other, &a, t) {
		return other, true
	}
	return filter.denial, refused
}

// A refusal is what a filter answers to a call.
type refusal struct {
	denial parser.Denial
	usual  bool // as most loaders make the filter
	sure   bool // whatever is not known
}

// twins are the calls that libraries make in place of the one that a message
// names.
var twins = map[string][]string{
	"open": {"openat"}, "creat": {"openat"}, "mkdir": {"mkdirat"}, "rmdir": {"unlinkat"}, "unlink": {"unlinkat"},
	"rename": {"renameat", "renameat2"}, "symlink": {"symlinkat"}, "link": {"linkat"}, "mknod": {"mknodat"},
	"chmod": {"fchmodat"}, "chown": {"fchownat"}, "lchown": {"fchownat"}, "kill": {"tgkill"}, "clone": {"clone3"},
}

// bySeccomp asks the seccomp profile. Of several calls that it can have been, the first
// that is refused counts, and before those that may be one that surely is.
func bySeccomp(l *library.Library, a *parser.Attempt, t Target) (r refusal, ok bool) {
	profile, _ := l.Seccomp(t.Container, t.Profile, archOf(l, a))
	if profile == nil || a.Syscall == "" {
		return r, false
	}
	if a.Or == nil {
		return byCall(l, a, t, profile)
	}
	for _, tried := range suspects(a) {
		asked := *a
		asked.Syscall, asked.Args = tried.Syscall, tried.Args
		next, refuses := byCall(l, &asked, t, profile)
		if refuses && (next.sure || !ok) {
			r, ok = next, true
		}
		if r.sure {
			break
		}
	}
	return r, ok
}

// byCall asks the seccomp profile about one call, and about those that libraries make
// in its place unless it is one of several already. All have to be refused. The first
// counts, unless the filter as most loaders make it answers otherwise to it.
func byCall(l *library.Library, a *parser.Attempt, t Target, profile *seccomp.Profile) (r refusal, ok bool) {
	sure := true
	for i, name := range callsOf(a) {
		asked := *a
		asked.Syscall = name
		next, refuses := askFilter(l, &asked, t, profile)
		if !refuses {
			return refusal{}, false
		}
		if i == 0 || next.usual && !r.usual {
			r = next
		}
		sure = sure && next.sure
	}
	r.sure = sure
	return r, true
}

// callsOf returns the calls that libraries make of the one that a message names.
func callsOf(a *parser.Attempt) []string {
	switch {
	case a.First && strings.HasPrefix(a.Syscall, "faccessat"): // Go tries the older one if the newer is refused
		return []string{"faccessat2", "faccessat"}
	case a.Args == nil && a.Or == nil:
		return append([]string{a.Syscall}, twins[a.Syscall]...)
	}
	return []string{a.Syscall}
}

// byTwin says of a filter that answers so to some of the calls that libraries make in each other's place, and not
// to others, to which it does; "" of any other filter.
func byTwin(l *library.Library, a *parser.Attempt, t Target) string {
	profile, _ := l.Seccomp(t.Container, t.Profile, archOf(l, a))
	if profile == nil || a.Syscall == "" || a.Outside {
		return ""
	}
	var so, not []string
	for _, name := range callsOf(a) {
		asked := *a
		asked.Syscall = name
		if _, known := seccomp.SyscallNumber(archOf(l, a), name); !known {
			continue
		}
		if _, refuses := askFilter(l, &asked, t, profile); refuses {
			so = append(so, name)
		} else {
			not = append(not, name)
		}
	}
	if so == nil || not == nil {
		return ""
	}
	return "its filter, which answers " + a.Errno + " to " + strings.Join(so, " and ") + ", but not to " + strings.Join(not, " and ") + ": which was called is not told (strace -f shows it)"
}

// askFilter asks about one call.
func askFilter(l *library.Library, a *parser.Attempt, t Target, profile *seccomp.Profile) (r refusal, ok bool) {
	arch := archOf(l, a)
	nr, known := seccomp.SyscallNumber(arch, a.Syscall)
	if !known {
		return r, false
	}
	fields := access.NewWords("pid", fmt.Sprint(a.PID), "comm", comm(a), "arch", fmt.Sprintf("%x", uint32(arch)), "syscall", fmt.Sprint(nr), "code", "0x50000")
	if t.Profile != "" {
		fields = append(fields, parser.Field{Key: "subj", Value: t.Profile})
	}
	r.denial, ok = claim(a, parser.SECCOMP, fields)
	if !ok {
		return r, false
	}
	d := &r.denial
	d.Seccomp.Args = access.Arguments(a, arch)
	answer := profile.Decide(access.Call(d.Seccomp, l.Call(t.Container, arch)))
	isAnswer := func(o seccomp.Outcome) bool {
		if a.Errno == "SIGSYS" {
			return o.Action == seccomp.KillProcess || o.Action == seccomp.KillThread || o.Action == seccomp.Trap
		}
		return o.Action == seccomp.Errno && seccomp.ErrnoName(o.Errno) == a.Errno
	}
	outcomes := append([]seccomp.Outcome{answer.Outcome}, answer.Whens...)
	i := slices.IndexFunc(outcomes, isAnswer)
	if i < 0 {
		return r, false
	}
	r.usual = i == 0
	code := outcomes[i].Action
	d.Seccomp.Code, d.Seccomp.Errno = uint32(code), outcomes[i].Errno
	for j := range d.Event.Records[0].Fields {
		if f := &d.Event.Records[0].Fields[j]; f.Key == "code" {
			f.Value = fmt.Sprintf("0x%x", uint32(code))
		}
	}
	if code == seccomp.KillProcess || code == seccomp.KillThread {
		d.Mode = parser.Killed
	}
	r.sure = !answer.Undecidable || access.OnlyCaps(answer) != ""
	return r, true
}

// archOf returns the architecture of a process: what strace says, else the
// host's, else the one that the named filter is for, else x86-64, which most are.
func archOf(l *library.Library, a *parser.Attempt) seccomp.Arch {
	if a.Arch != "" {
		if arch, err := seccomp.ParseArch(a.Arch); err == nil {
			return arch
		}
	}
	if l.Arch != 0 {
		return l.Arch
	}
	if named, _ := l.NamedSeccomp(); named != nil && named.OtherArch() != 0 {
		return named.OtherArch()
	}
	return seccomp.X86_64
}

// comm is the name of the thread as the kernel has it, of 15 bytes.
func comm(a *parser.Attempt) string { return a.Comm[:min(len(a.Comm), 15)] }

// claim makes a denial of the words of a record that nobody logged.
func claim(a *parser.Attempt, typ parser.Type, fields access.Words) (parser.Denial, bool) {
	if a.PID == 0 {
		fields = slices.DeleteFunc(fields, func(f parser.Field) bool { return f.Key == "pid" })
	}
	if a.Comm == "" {
		fields = slices.DeleteFunc(fields, func(f parser.Field) bool { return f.Key == "comm" })
	}
	return parser.Record{Origin: a.Origin, Type: typ, Time: a.Time, Text: a.Text, Fields: fields}.Denial()
}

// byAppArmor asks the AppArmor profile. Of several names for the same thing, the
// first counts that is refused without a record.
func byAppArmor(l *library.Library, a *parser.Attempt, t Target) (d parser.Denial, refused bool) {
	profile := l.Profile(t.Container, t.Profile)
	if profile == nil || a.Errno == "" { // which is no refusal of a call
		return d, false
	}
	d, refused = byText(a, t, profile)
	for i := len(profile.Policy.Others) - 1; i >= 0 && !refused; i-- { // which may be in force as well
		if other := profile.Policy.Others[i].Profile(t.Profile); other != nil {
			d, refused = byText(a, t, other)
		}
	}
	return d, refused
}

// byText asks one text of an AppArmor profile.
func byText(a *parser.Attempt, t Target, profile *apparmor.Profile) (d parser.Denial, refused bool) {
	var list []access.Words
	switch {
	case a.First: // profile_onexec() in security/apparmor/domain.c, Linux 6.18: the runtime is unconfined
		return d, false
	case a.Errno == "EACCES":
		list = access.Attempted(a)
	case a.Errno != "EPERM":
		return d, false
	}
	// The kernel answers EPERM where a capability is missing, and bind(2) EACCES.
	if needed := access.Capability(a); needed != "" && (a.Errno == "EPERM" || a.Syscall == "bind") {
		list = append(list, access.NewWords("operation", "capable", "capname", needed))
	}
	for _, asked := range list {
		for _, w := range Spellings(asked, a, profile) {
			next, quiet, ok := askProfile(a, profile, t, w)
			if ok && (quiet || !refused) {
				d, refused = next, true
			}
			if ok && quiet {
				return d, true
			}
		}
	}
	return d, refused
}

// askProfile asks about one access. Where the mask is "?", it is what of reading,
// writing and execution is refused without a record; ok is false if nothing is.
func askProfile(a *parser.Attempt, profile *apparmor.Profile, t Target, w access.Words) (d parser.Denial, quiet, ok bool) {
	w = slices.Clone(w)
	unknown := false
	for i := range w {
		switch {
		case w[i].Value == access.OwnLabel:
			w[i].Value = t.Profile
		case w[i].Value == "?":
			unknown = true
			w[i].Value = quietMask(profile, w)
			if w[i].Value == "" && refusesOpening(profile, w) {
				unknown, w[i].Value = false, apparmor.Read.String()
			}
		}
	}
	fields := append(access.NewWords("apparmor", "DENIED", "profile", t.Profile, "pid", fmt.Sprint(a.PID), "comm", comm(a)), w...)
	d, ok = claim(a, parser.AVC, fields)
	if !ok {
		return d, false, false
	}
	req, err := access.Request(&d)
	if err != nil {
		return d, false, false
	}
	answer := profile.Decide(req)
	if unknown && !answer.Quiet {
		return d, false, false
	}
	return d, answer.Quiet, !answer.Permitted // which a profile in complain mode does
}

// refusesOpening reports whether a file may be neither read nor written, so that to open it is refused in any case.
func refusesOpening(profile *apparmor.Profile, w access.Words) bool {
	name := nameOf(w)
	for _, perm := range []apparmor.Perms{apparmor.Read, apparmor.Write, apparmor.Exec} {
		if profile.Decide(apparmor.FileRequest{Path: name, Perms: perm}).Permitted {
			return false
		}
	}
	return name != ""
}

// nameOf returns the file of an access, "" if it is of none.
func nameOf(w access.Words) string {
	i := slices.IndexFunc(w, func(f parser.Field) bool { return f.Key == "name" })
	if i < 0 {
		return ""
	}
	return w[i].Value
}

// quietMask returns what of reading and writing a file, else of executing it, is
// refused without a record.
func quietMask(profile *apparmor.Profile, w access.Words) string {
	name, mask := nameOf(w), ""
	for _, perm := range []apparmor.Perms{apparmor.Read, apparmor.Write, apparmor.Exec} {
		if perm == apparmor.Exec && mask != "" {
			break
		}
		if profile.Decide(apparmor.FileRequest{Path: name, Perms: perm}).Quiet {
			mask += perm.String()
		}
	}
	return mask
}

// Spellings returns an access under the names that the kernel may know its file
// by: AppArmor sees where a symbolic link leads. A program that is named without
// a directory is looked for where programs are.
func Spellings(w access.Words, a *parser.Attempt, profile *apparmor.Profile) []access.Words {
	at := slices.IndexFunc(w, func(f parser.Field) bool { return f.Key == "name" })
	if at < 0 || slices.ContainsFunc(w, func(f parser.Field) bool { return f.Key == "capname" || f.Key == "family" }) {
		return []access.Words{w}
	}
	name := w[at].Value
	names := []string{name}
	switch {
	case !strings.HasPrefix(name, "/"):
		names = programsNamed(name, profile)
	case strings.HasPrefix(name, "/proc/self/"):
		names = []string{fmt.Sprintf("/proc/%d/%s", max(a.PID, 2), strings.TrimPrefix(name, "/proc/self/"))}
	default:
		for _, link := range links {
			if rest, ok := strings.CutPrefix(name, link[0]); ok {
				names = append(names, link[1]+rest)
			}
		}
	}
	all := make([]access.Words, len(names))
	for i, name := range names {
		all[i] = slices.Clone(w)
		all[i][at].Value = name
	}
	return all
}

// links are directories that most distributions have as symbolic links.
var links = [][2]string{
	{"/var/run/", "/run/"}, {"/bin/", "/usr/bin/"}, {"/sbin/", "/usr/sbin/"}, {"/lib/", "/usr/lib/"}, {"/lib64/", "/usr/lib64/"},
}

// programsNamed returns the paths that a program's name may stand for: those that
// the profile itself names, else those where programs are.
func programsNamed(name string, profile *apparmor.Profile) []string {
	var names []string
	for _, r := range profile.Rules {
		file, ok := r.(*apparmor.FileRule)
		if !ok || file.Path == nil || file.Deny || file.Perms&apparmor.Exec == 0 {
			continue
		}
		if literal, ok := file.Path.Literal(); ok && path.Base(literal) == name {
			names = append(names, literal)
		}
	}
	if len(names) > 0 {
		return names
	}
	for _, dir := range []string{"/usr/bin/", "/usr/sbin/", "/bin/", "/sbin/", "/usr/local/bin/", "/usr/local/sbin/"} {
		names = append(names, dir+name)
	}
	return names
}

// isHarmless reports whether a call fails so without anything being wrong: a
// program that polls regular files is told that it need not, and one that tries a family of
// addresses that the kernel does not have.
func isHarmless(a *parser.Attempt) bool {
	return a.Syscall == "epoll_ctl" && a.Errno == "EPERM" || a.Errno == "EAFNOSUPPORT" && a.Origin.Transport != parser.ErrorOutput
}
