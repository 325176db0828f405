package seccomp

import (
	"fmt"
	"slices"
	"strings"

	"github.com/whydenied/whydenied/rules"
)

// Lint returns what is wrong with a profile beyond what Parse says, in the
// order of the file. Capabilities and kernel are taken to be Docker's default
// set and 6.1, and what loads the filter to know every call; the architecture is the first that the profile lists.
func Lint(p *Profile) []rules.Diagnostic {
	l := &linter{p: p}
	l.defaults()
	l.entries()
	l.overlaps()
	l.listener()
	l.basics()
	l.fallbacks()
	slices.SortStableFunc(l.out, func(a, b rules.Diagnostic) int { return a.At.Span.Start - b.At.Span.Start })
	return l.out[:min(len(l.out), maxDiagnostics)]
}

// plainName returns a system call name as it is, and anything else quoted.
func plainName(name string) string {
	if checkName(name) == nil {
		return name
	}
	return fmt.Sprintf("%.40q", name)
}

// A linter collects diagnostics.
type linter struct {
	p   *Profile
	out []rules.Diagnostic
}

func (l *linter) report(at rules.Location, severity rules.Severity, code, format string, args ...any) {
	l.out = append(l.out, rules.Diagnostic{At: at, Severity: severity, Code: code, Message: fmt.Sprintf(format, args...)})
}

// defaults checks the default action.
func (l *linter) defaults() {
	p := l.p
	at := p.DefaultAt
	if at.IsZero() {
		at = p.At
	}
	switch p.Default {
	case Allow:
		l.report(at, rules.Warning, "allow-default", "the default action allows: calls that later kernels add are allowed too; list what is needed instead and refuse the rest")
	case Log:
		l.report(at, rules.Warning, "log-default", "the default action logs and allows: the profile refuses nothing that it does not name")
	case UserNotif:
		l.report(at, rules.Error, "notify-default", "the default action is SCMP_ACT_NOTIFY: runc refuses the profile")
	}
	if p.Base != "" && p.base == nil {
		l.report(p.At, rules.Note, "base-profile", "the calls of the base profile %q are allowed besides, and are not known here", p.Base)
	}
}

// entries checks each entry by itself.
func (l *linter) entries() {
	listed := l.listed()
	for _, e := range l.p.Entries {
		if len(e.Names) == 0 {
			l.report(e.At, rules.Warning, "no-names", "the entry names no system call: it has no effect")
		}
		if e.valid && len(e.Names) > 0 && l.p.isDefault(e) {
			l.report(e.ActionAt, rules.Note, "same-as-default", "the entry answers as the default action does: runtimes leave it out")
		}
		seen := map[string]bool{}
		for _, n := range e.Names {
			if seen[n.Text] {
				l.report(n.At, rules.Warning, "duplicate-name", "the entry names %s twice", plainName(n.Text))
			}
			seen[n.Text] = true
			l.name(n, listed)
			if why := dangerous[n.Text]; why != "" && e.allowsAlways() {
				l.report(n.At, rules.Warning, "dangerous-allow", "%s is allowed without any condition: it %s", n.Text, why)
			}
			if e.Action == UserNotif && n.Text == "write" {
				l.report(n.At, rules.Error, "notify-write", "SCMP_ACT_NOTIFY on write: runc refuses the profile")
			}
		}
		l.args(e)
	}
}

// listener checks that there is who answers what SCMP_ACT_NOTIFY asks: runc says
// "listenerPath is not set" (libcontainer/process_linux.go of 1.1.5 and 1.5.1), and
// crun makes a filter without a listener, for which the kernel answers ENOSYS.
func (l *linter) listener() {
	if path := l.p.node.get("listenerPath"); path != nil && path.value != "" {
		return
	}
	for _, e := range l.p.Entries {
		if e.Action == UserNotif && e.valid && len(e.Names) > 0 {
			l.report(e.ActionAt, rules.Error, "notify-no-listener", "SCMP_ACT_NOTIFY without listenerPath: runc refuses the profile, and under crun the calls answer ENOSYS")
			return
		}
	}
}

// allowsAlways reports whether an entry allows whatever the arguments and the
// capabilities are.
func (e *Entry) allowsAlways() bool {
	return e.valid && e.Action == Allow && len(e.Args) == 0 && len(e.Includes.Caps) == 0 && len(e.Excludes.Caps) == 0
}

// listed returns the indexes of the architectures that the profile lists.
func (l *linter) listed() []int {
	var list []int
	add := func(name string) {
		if i := scmpIndex(name); i >= 0 {
			list = append(list, i)
		}
	}
	for _, a := range l.p.Archs {
		add(a)
	}
	for _, m := range l.p.ArchMap {
		add(m.Arch)
		for _, s := range m.Sub {
			add(s)
		}
	}
	return list
}

// name checks that a system call exists, and on an architecture of the profile.
func (l *linter) name(n Name, listed []int) {
	if _, _, ok := multiplexed(1, n.Text); ok || slices.Contains(others, n.Text) {
		return
	}
	if !inAnyTable(n.Text) {
		hint := ""
		if near := nearest(n.Text); near != "" {
			hint = "; did you mean " + near + "?"
		}
		l.report(n.At, rules.Warning, "unknown-syscall", "no architecture has a system call %.40q: runtimes ignore it%s", n.Text, hint)
		return
	}
	if l.p.File.Builtin != "" || len(listed) == 0 || len(l.p.ArchMap) > 1 {
		return
	}
	var names []string
	for _, i := range listed {
		t := tableOf(i)
		if t == nil {
			return
		}
		if _, ok := t.numbers[n.Text]; ok {
			return
		}
		names = append(names, arches[i].name)
	}
	l.report(n.At, rules.Note, "not-on-architecture", "%s does not exist on %s: the name has no effect there", n.Text, strings.Join(names, ", "))
}

// others are names that libseccomp knows and no numbering here has.
var others = strings.Fields("fstatat64 sync_file_range2 umount riscv_flush_icache riscv_hwprobe s390_guarded_storage sys_debug_setcontext")

// nearest returns the system call whose name is one letter off, or "".
func nearest(name string) string {
	if len(name) > 40 {
		return ""
	}
	best := ""
	for candidate := range numberings()["x86_64"].numbers {
		if abs(len(candidate)-len(name)) <= 1 && len(name) > 3 && oneOff(candidate, name) && (best == "" || candidate < best) {
			best = candidate
		}
	}
	return best
}

func abs(n int) int { return max(n, -n) }

// oneOff reports whether two words differ by one letter: more, less, another,
// or two that changed places.
func oneOff(a, b string) bool {
	i := 0
	for i < len(a) && i < len(b) && a[i] == b[i] {
		i++
	}
	a, b = a[i:], b[i:]
	switch {
	case len(a) > len(b):
		return a[1:] == b
	case len(a) < len(b):
		return a == b[1:]
	case len(a) < 2:
		return true
	}
	return a[1:] == b[1:] || a[0] == b[1] && a[1] == b[0] && a[2:] == b[2:]
}

// args checks the conditions of an entry.
func (l *linter) args(e *Entry) {
	if e.valid && sharedIndex(e.Args) {
		l.report(e.At, rules.Warning, "alternative-conditions", "the entry has two conditions on one argument: runtimes take each of its conditions as a rule of its own, so one that holds is enough")
	}
	for _, a := range e.Args {
		if a.Op == MaskedEQ && a.ValueTwo&^a.Value != 0 {
			l.report(a.At, rules.Warning, "bits-outside-mask", "valueTwo has bits outside the mask %#x: they are ignored", a.Value)
		}
	}
}

// overlaps checks entries that name the same call under the same conditions on
// the host.
func (l *linter) overlaps() {
	type key struct{ name, gate string }
	first := map[key]*Entry{}
	conds := map[key]*Entry{}
	for _, e := range l.p.Entries {
		if !e.valid {
			continue
		}
		gate := gateText(e)
		for _, n := range e.Names {
			k := key{n.Text, gate}
			if len(e.Args) > 0 {
				c := key{n.Text, gate + argsText(e)}
				if o := conds[c]; o != nil && o != e && l.clash(o, e) {
					l.out = append(l.out, rules.Diagnostic{
						At: n.At, Severity: rules.Error, Code: "conflicting-entries",
						Message: fmt.Sprintf("%s has two answers under the same conditions: no container starts with the profile", plainName(n.Text)),
						Related: []rules.Related{{At: o.At, Message: "the other entry"}},
					})
				}
				conds[c] = e
				continue
			}
			o := first[k]
			switch {
			case o == nil:
				first[k] = e
			case o == e:
			case l.clash(o, e):
				l.out = append(l.out, rules.Diagnostic{
					At: n.At, Severity: rules.Warning, Code: "unreachable-name",
					Message: fmt.Sprintf("an earlier entry answers %s already: this one has no effect", plainName(n.Text)),
					Related: []rules.Related{{At: o.At, Message: "the earlier entry"}},
				})
			default:
				l.report(n.At, rules.Note, "duplicate-name", "an earlier entry names %s already", plainName(n.Text))
			}
		}
	}
	for _, e := range l.p.Entries {
		for _, n := range e.Names {
			o := first[key{n.Text, gateText(e)}]
			if e.valid && len(e.Args) > 0 && o != nil && !l.p.isDefault(o) {
				l.out = append(l.out, rules.Diagnostic{
					At: n.At, Severity: rules.Warning, Code: "unreachable-name",
					Message: fmt.Sprintf("an entry without conditions on arguments answers %s already: this one has no effect", plainName(n.Text)),
					Related: []rules.Related{{At: o.At, Message: "the entry without conditions"}},
				})
			}
		}
	}
}

// clash reports whether two entries answer differently and both become rules.
func (l *linter) clash(a, b *Entry) bool {
	return !same(Outcome{Action: a.Action, Errno: dataOf(a.Action, a.Errno)}, Outcome{Action: b.Action, Errno: dataOf(b.Action, b.Errno)}) &&
		!l.p.isDefault(a) && !l.p.isDefault(b)
}

// gateText returns the conditions of an entry on the host, to compare them.
func gateText(e *Entry) string {
	return fmt.Sprint(e.Includes.Caps, e.Includes.Arches, e.Includes.MinKernel, "|", e.Excludes.Caps, e.Excludes.Arches, e.Excludes.MinKernel)
}

// argsText returns the conditions of an entry on arguments, to compare them.
func argsText(e *Entry) string {
	var parts []string
	for _, a := range e.Args {
		parts = append(parts, a.String())
	}
	slices.Sort(parts)
	return strings.Join(parts, "&")
}

// host returns a call as the profile's first host makes it.
func (l *linter) host() Call {
	host := X86_64
	for _, i := range l.listed() {
		if tableOf(i) != nil {
			host = arches[i].audit.host()
			break
		}
	}
	return Call{Arch: host, Host: host, Kernel: "6.1", Loader: gainLoader(), Caps: dockerCaps}
}

// dockerCaps are the capabilities of a container that is given none and denied
// none (github.com/moby/moby oci/caps, v28).
var dockerCaps = strings.Fields(`CAP_CHOWN CAP_DAC_OVERRIDE CAP_FSETID CAP_FOWNER CAP_MKNOD CAP_NET_RAW CAP_SETGID CAP_SETUID
	CAP_SETFCAP CAP_SETPCAP CAP_NET_BIND_SERVICE CAP_SYS_CHROOT CAP_KILL CAP_AUDIT_WRITE`)

// permits reports whether a call is permitted, or is under some condition.
func (l *linter) permits(c Call) bool {
	passes := func(o Outcome) bool { return o.Action.Permits() || o.Action == Trace || o.Action == UserNotif }
	d := l.p.Decide(c)
	return passes(d.Outcome) || slices.ContainsFunc(d.Whens, passes)
}

// basics checks that a container and a shell in it can start, and that programs find
// what most of them call.
func (l *linter) basics() {
	if l.p.Base != "" && l.p.base == nil {
		return // it is there for what starts containers
	}
	var shells, runc, some, common []rules.Related
	told := map[string]bool{}
	_, needs := startTable()
	for _, n := range needs {
		r, names, ok := l.refusesAll(n.alternatives())
		if !ok || told[names[0]] {
			continue
		}
		for _, name := range names {
			told[name] = true
		}
		r.Message = strings.Join(names, " or ") + ": needed by " + n.who()
		switch {
		case n.everywhere("") || n.shells():
			shells = append(shells, r)
		case n.everywhere(Runc):
			runc = append(runc, r)
		default:
			some = append(some, r)
		}
	}
	for _, c := range commonCalls {
		if r, names, ok := l.refusesAll(c.names); ok && !told[names[0]] {
			r.Message = strings.Join(names, " or ") + ": " + c.why
			common = append(common, r)
		}
	}
	l.refused(rules.Error, "cannot-start", "the profile cannot start a shell: it refuses ", shells)
	l.refused(rules.Error, "cannot-start-runc", "runc starts no container with the profile: it refuses ", runc)
	l.refused(rules.Warning, "cannot-start-some", "some containers do not start with the profile: it refuses ", some)
	l.refused(rules.Warning, "missing-basics", "most programs call what the profile refuses: ", common)
}

// refusesAll reports whether the profile refuses all calls of which one is enough, of
// those that the architecture has; names are those, and r is the place that refuses the
// first.
func (l *linter) refusesAll(all []string) (r rules.Related, names []string, ok bool) {
	c := l.host()
	for _, name := range all {
		if _, known := SyscallNumber(c.Arch, name); !known {
			continue
		}
		names = append(names, name)
		if c.Name = name; l.permits(c) {
			return r, nil, false
		}
	}
	if names == nil {
		return r, nil, false
	}
	c.Name, r.At = names[0], l.p.DefaultAt
	if d := l.p.Decide(c); d.Entry != nil {
		r.At = d.Entry.Names[d.Name].At
	}
	return r, names, true
}

// refused reports calls that are refused, if there are any.
func (l *linter) refused(severity rules.Severity, code, message string, calls []rules.Related) {
	if len(calls) == 0 {
		return
	}
	at := l.p.DefaultAt
	if at.IsZero() {
		at = l.p.At
	}
	var names []string
	for _, r := range calls {
		name, _, _ := strings.Cut(r.Message, ": ")
		names = append(names, name)
	}
	l.out = append(l.out, rules.Diagnostic{At: at, Severity: severity, Code: code, Related: calls, Message: message + strings.Join(names, ", ")})
}

// fallbacks checks that newer calls answer so that programs fall back.
func (l *linter) fallbacks() {
	c := l.host()
	for _, name := range []string{"clone3", "faccessat2", "statx", "openat2", "close_range"} {
		c.Name = name
		if _, ok := SyscallNumber(c.Arch, name); !ok {
			continue
		}
		d := l.p.Decide(c)
		older, who, _ := Fallback(name)
		c.Name = older
		if d.Undecidable || d.Action.Permits() || d.Action == Errno && d.Errno == enosys || !l.permits(c) {
			continue
		}
		answer := d.Action.String()
		if d.Action == Errno {
			answer = ErrnoName(d.Errno)
		}
		at := l.p.DefaultAt
		if d.Entry != nil {
			at = d.Entry.Names[d.Name].At
		}
		if at.IsZero() {
			at = l.p.At
		}
		l.report(at, rules.Warning, "no-fallback", "%s answers %s: %s fall back to %s on ENOSYS only; answer errnoRet 38, or allow it", name, answer, who, older)
	}
}
