package explain

import (
	"cmp"
	"fmt"
	"math"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/whydenied/whydenied/explain/access"
	"github.com/whydenied/whydenied/explain/container"
	"github.com/whydenied/whydenied/explain/fix"
	"github.com/whydenied/whydenied/parser"
	"github.com/whydenied/whydenied/rules"
	"github.com/whydenied/whydenied/rules/seccomp"
	"github.com/whydenied/whydenied/rules/shell"
)

// explainSeccomp fills in what the seccomp profile says to the finding's system call.
func (x *Explainer) explainSeccomp(f *Explained) {
	record := f.Denial.Seccomp
	action := seccomp.Action(record.Code)
	if action == seccomp.Log {
		f.Cause, f.Why = LoggedOnly, "the filter's answer is SCMP_ACT_LOG: the call was logged and ran"
	}
	f.noteTraced(record)
	f.noteThread(action)
	profile, name := x.seccompProfile(f.Finding)
	if profile == nil {
		x.explainUnknownFilter(f, name)
		return
	}
	call := x.call(f.Finding)
	answer := x.filterAnswer(f.Finding, profile, call, record)
	if answer.profile != profile {
		profile, name = answer.profile, answer.profile.File.Builtin+"; "+answer.profile.Unknown
	}
	f.Seccomp, f.Policy = profile, name
	if answer.note != "" {
		f.Notes = append(f.Notes, answer.note)
	}
	if note := profile.PassedOver(call.Engine); note != "" {
		f.Notes = append(f.Notes, note)
	}
	d := answer.decision
	if named, name := x.Library.NamedSeccomp(); f.Container.SeccompProfile != "" && named != nil && profile != named {
		f.Notes = append(f.Notes, fmt.Sprintf("The profile is the container's own, from the inventory, and not %s.", name))
	}
	f.noteMissingArgs(record, d)
	if !access.Answers(d, record) {
		f.disagree(profile, call, d, record)
		if foretold(d, record) {
			f.refused(call, d)
		}
		return
	}
	f.Decision = ruling(d, record)
	if f.Cause == "" {
		f.Cause, f.Why = seccompCause(call, d)
	}
	if only := byAnswer(profile, call, d, record); only != "" && f.Cause == UndecidableArguments {
		f.Why += "; " + only
	}
	f.Rules = seccompPlaces(profile, d)
	if f.Cause == ArgumentMismatch && (seccomp.Call{Arch: call.Arch, Name: d.Syscall}).Swaps() {
		f.Notes = append(f.Notes, fmt.Sprintf("On %s the first argument of %s is the stack, and the flags are the second: a condition on argument 0 looks at the stack there. Default profiles have an entry for it with the condition on argument 1.", call.ArchName(), d.Syscall))
	}
	if f.Cause == LoggedOnly {
		return
	}
	f.refused(call, d)
	if d.Action == seccomp.Errno && profile.File.Builtin != "" && f.Cause != LibseccompTooOld {
		f.noteMended(call, d)
	}
}

// explainUnknownFilter fills in what there is to say where the filter is not known; why says why it is not.
func (x *Explainer) explainUnknownFilter(f *Explained, why string) {
	f.Decision = Undecidable
	if f.Cause == "" {
		f.Cause, f.Why = ProfileNotFound, why
		f.explainUnit()
		f.noteOwnFilter()
	}
	if f.Container.Runtime == container.Nspawn && f.explainNspawn() {
		return
	}
	if !x.Library.Unfiltered(f.Container) {
		f.NotFound = f.filtered()
	}
}

// sandboxed are programs that install filters of their own, by how their names begin: Chromium
// and what is made of it (sandbox/linux), Firefox (security/sandbox/linux), Tor
// (src/lib/sandbox), OpenSSH (sandbox-seccomp-filter.c), vsftpd (seccompsandbox.c), QEMU with
// -sandbox (system/qemu-seccomp.c).
var sandboxed = strings.Fields("chrome chromium msedge brave opera vivaldi electron firefox tor sshd vsftpd qemu-system-")

// noteOwnFilter says that a filter which is not known can be one that the program installed
// itself.
func (f *Explained) noteOwnFilter() {
	program := path.Base(cmp.Or(f.Denial.Subject.Exe, f.Denial.Subject.Comm))
	i := slices.IndexFunc(sandboxed, func(name string) bool {
		rest, ok := strings.CutPrefix(program, name)
		return ok && (strings.HasSuffix(name, "-") || rest == "" || rest[0] == '-')
	})
	if i >= 0 && f.Container.Unit == "" && f.Denial.Seccomp.Unit == "" {
		f.Notes = append(f.Notes, program+" confines parts of itself by filters of its own: this may be one of those, which no profile changes. A newer release of it may know the call.")
	}
}

// noteMended says which releases of the engine have a default profile under which the
// program gets on.
func (f *Explained) noteMended(call seccomp.Call, d seccomp.Decision) {
	call.Name = d.Syscall
	releases, answer, ok := seccomp.MendedBy(call)
	if !ok {
		return
	}
	does := "allows " + d.Syscall
	if answer.Action == seccomp.Errno {
		older, who, _ := seccomp.Fallback(d.Syscall)
		does = fmt.Sprintf("answers ENOSYS to %s, on which %s turn to %s", d.Syscall, who, older)
	}
	f.Notes = append(f.Notes, fmt.Sprintf("The default profile of %s %s: an update of the engine is a remedy, too, and needs no profile of your own.", releases, does))
}

// refused notes the call that the profile has to allow.
func (f *Explained) refused(call seccomp.Call, d seccomp.Decision) {
	// runc 1.3.6 asks statx for the number of a mount in /proc, and ends where there is no such call.
	byRunc := func(p *Tallied) bool { return strings.HasPrefix(p.Name, "runc:[") }
	call.NoFallback = d.Syscall == "statx" && slices.ContainsFunc(f.Programs, byRunc)
	f.Call = &call
	if danger := fix.SyscallDanger(d.Syscall); danger.Risk == rules.High {
		f.Investigate = fmt.Sprintf("%s: %s. Find out why the program calls it before allowing it.", d.Syscall, danger.Reason)
	}
}

// ruling is what a profile decides of a record's call.
func ruling(d seccomp.Decision, record *parser.Seccomp) Decision {
	switch refuses, sure := access.Refuses(d, record); {
	case !sure:
		return Undecidable
	case refuses:
		return Refused
	}
	return Granted
}

// seccompProfile returns the seccomp profile that a finding's process runs under, as
// Library.Seccomp does.
func (x *Explainer) seccompProfile(f *Finding) (profile *seccomp.Profile, name string) {
	return x.Library.Seccomp(f.where(), f.Denial.Subject.Label, seccomp.Arch(f.Denial.Seccomp.Arch))
}

// call returns the system call of a finding with what is known about its
// process, from the record, the inventory and the flags, in this order.
func (x *Explainer) call(f *Finding) seccomp.Call {
	record := f.Denial.Seccomp
	return access.Call(record, x.Library.Call(f.where(), seccomp.Arch(record.Arch)))
}

// foretold reports whether a call that was only logged is one that the profile
// refuses silently: what `whydenied observe --log-action` made of it was in force.
func foretold(d seccomp.Decision, record *parser.Seccomp) bool {
	silent := func(w seccomp.Outcome) bool { return w.Action.Silent() }
	return seccomp.Action(record.Code) == seccomp.Log && !access.Answers(d, record) && (silent(d.Outcome) || slices.ContainsFunc(d.Whens, silent))
}

// disagree says that the profile is not the one that the kernel applied: its
// answer is another than the record's.
func (f *Explained) disagree(profile *seccomp.Profile, call seccomp.Call, d seccomp.Decision, record *parser.Seccomp) {
	f.Decision = ruling(d, record)
	if f.Cause == "" {
		f.Cause = FlagsMismatch
		own, kernel := d.Action.String(), seccomp.Action(record.Code).String()
		if record.Traced && record.Errno != 0 {
			own, kernel = d.Outcome.String(), (seccomp.Outcome{Action: seccomp.Errno, Errno: record.Errno}).String()
		}
		f.Why = fmt.Sprintf("another filter is in force: this profile answers %s to %s, and the kernel's answer was %s", own, d.Syscall, kernel)
	}
	f.Rules = seccompPlaces(profile, d)
	if foretold(d, record) {
		_, why := seccompCause(call, d)
		would := "would answer " + d.Outcome.String() + " to"
		if d.Undecidable {
			would = "can refuse"
		}
		f.Why += fmt.Sprintf("; this profile %s %s: %s", would, d.Syscall, why)
		return
	}
	f.Notes = append(f.Notes, "Name the profile that the container was started with by --seccomp, or the container by --inventory; a program can also install filters of its own.")
}

// seccompCause names the cause of a refusal and puts it in words.
func seccompCause(call seccomp.Call, d seccomp.Decision) (Cause, string) {
	answer := d.Outcome.String()
	if !d.ArchListed {
		return ArchNotListed, fmt.Sprintf("the profile does not list the architecture %s, and the filter kills what it does not know", call.ArchName())
	}
	if caps := access.OnlyCaps(d); caps != "" {
		return CapabilityGated, fmt.Sprintf("the profile allows %s only with %s, which the process does not hold, as it was refused", d.Syscall, caps)
	}
	if d.Undecidable {
		return UndecidableArguments, "the answer depends on " + undecided(d) + ", which the record does not say"
	}
	for _, dropped := range d.Dropped {
		if !dropped.Entry.Action.Permits() {
			continue
		}
		switch dropped.Gate {
		case seccomp.CapGate:
			return CapabilityGated, fmt.Sprintf("an entry that allows %s is not in force: it %s", d.Syscall, dropped.Why)
		case seccomp.KernelGate:
			return KernelGated, fmt.Sprintf("an entry that allows %s is not in force: it %s", d.Syscall, dropped.Why)
		case seccomp.LibseccompGate:
			if !seccomp.IsVersion(call.Loader.Libseccomp) {
				return LibseccompTooOld, fmt.Sprintf("an entry allows %s: either %s, or another filter is in force, of which `whydenied help flags-mismatch` tells", d.Syscall, dropped.Why)
			}
			return LibseccompTooOld, fmt.Sprintf("an entry allows %s, but libseccomp, which makes the filter, drops the names that it does not know: %s", d.Syscall, dropped.Why)
		}
	}
	if d.Entry != nil && d.When != "" {
		return SyscallDenied, fmt.Sprintf("an entry names %s and answers %s when %s, as it did", d.Syscall, answer, d.When)
	}
	if d.Entry != nil {
		return SyscallDenied, fmt.Sprintf("an entry names %s and answers %s", d.Syscall, answer)
	}
	for _, near := range d.Near {
		if near.Action.Permits() && names(near, d.Syscall) {
			return ArgumentMismatch, fmt.Sprintf("the profile allows %s only with other arguments", d.Syscall)
		}
	}
	if d.Stub {
		return SyscallNotListed, fmt.Sprintf("%s is newer than every system call the profile names, so runc answers ENOSYS", d.Syscall)
	}
	return SyscallNotListed, fmt.Sprintf("no entry of the profile names %s, and its default action is %s", d.Syscall, answer)
}

// undecided says what the outcome of a call hangs on. A condition that holds only where
// another does is left out.
func undecided(d seccomp.Decision) string {
	var whens []string
	for _, w := range d.Whens {
		within := func(o seccomp.Outcome) bool { return o.When != "" && strings.HasPrefix(w.When, o.When+", and ") }
		if w.When != "" && !slices.ContainsFunc(d.Whens, within) {
			whens = append(whens, w.When)
		}
	}
	if len(whens) == 0 {
		return "its arguments"
	}
	return "whether " + strings.Join(inRanges(whens), ", or ")
}

// ofValue is a condition that an argument is a number, or no less than it.
var ofValue = regexp.MustCompile(`^(a[0-5]) (==|>=) (\d+)$`)

// A valueRange is a condition of which some are on an argument that lies between two values.
type valueRange struct {
	when, arg string // arg is "" for a condition of another kind
	from, to  uint64
}

// inRanges puts conditions on the same argument that follow each other into one, where there
// are more than a few: a unit's filter has one for each family of addresses that it refuses.
func inRanges(whens []string) []string {
	const few = 4
	if len(whens) <= few {
		return whens
	}
	var list []valueRange
	for _, when := range whens {
		r := valueRange{when: when}
		if m := ofValue.FindStringSubmatch(when); m != nil {
			r.from, _ = strconv.ParseUint(m[3], 10, 64)
			r.arg, r.to = m[1], r.from
			if m[2] == ">=" {
				r.to = math.MaxUint64
			}
		}
		last := len(list) - 1
		if last < 0 || r.arg == "" || list[last].arg != r.arg || list[last].to+1 != r.from {
			list = append(list, r)
			continue
		}
		of := &list[last]
		if of.to = r.to; r.to == math.MaxUint64 {
			of.when = fmt.Sprintf("%s >= %d", of.arg, of.from)
		} else {
			of.when = fmt.Sprintf("%d <= %s <= %d", of.from, of.arg, of.to)
		}
	}
	texts := make([]string, len(list))
	for i, r := range list {
		texts[i] = r.when
	}
	return texts
}

func names(e *seccomp.Entry, syscall string) bool {
	for _, n := range e.Names {
		if n.Text == syscall {
			return true
		}
	}
	return false
}

// seccompPlaces returns the places of the profile that decide a call: the entry
// or the default action, then the entries that nearly apply.
func seccompPlaces(profile *seccomp.Profile, d seccomp.Decision) []Place {
	var places []Place
	switch {
	case d.Entry != nil:
		places = append(places, entryPlace(d.Entry, d.Syscall, "answers "+d.Outcome.String()))
	case d.ArchListed && !d.Stub:
		places = append(places, Place{At: profile.DefaultAt, Note: "the answer to every call that no entry names: " + d.Outcome.String()})
	}
	for _, w := range d.Whens {
		if w.Entry != nil {
			places = append(places, entryPlace(w.Entry, d.Syscall, "answers "+w.String()+" when "+w.When))
		}
	}
	for _, dropped := range d.Dropped {
		places = append(places, entryPlace(dropped.Entry, d.Syscall, "not in force: "+dropped.Why))
	}
	for _, near := range d.Near {
		if names(near, d.Syscall) {
			places = append(places, entryPlace(near, d.Syscall, "applies to other arguments only"))
		}
	}
	seen := map[rules.Location]bool{}
	places = slices.DeleteFunc(places, func(p Place) bool { // a setting of a unit makes several entries
		was := seen[p.At]
		seen[p.At] = true
		return was
	})
	return places[:min(len(places), maxPlaces)]
}

// maxPlaces bounds the rules that a finding shows.
const maxPlaces = 4

// entryPlace points at a call's name in an entry.
func entryPlace(e *seccomp.Entry, syscall, note string) Place {
	for _, n := range e.Names {
		if n.Text == syscall {
			return Place{At: n.At, Note: note}
		}
	}
	return Place{At: e.At, Note: note}
}

// noteTraced says that a call was seen by tracing, and what came of it.
func (f *Explained) noteTraced(record *parser.Seccomp) {
	if !record.Traced {
		return
	}
	came := "raised SIGSYS"
	if record.Errno != 0 {
		came = "returned " + seccomp.ErrnoName(record.Errno)
	}
	f.Notes = append(f.Notes, fmt.Sprintf("Seen by tracing, not in a log: %s %s, as a seccomp filter answered before the kernel looked at the call.",
		cmp.Or(tracedCall(record), "the call"), came))
}

// noteThread says what becomes of a process of which one thread was killed. runc, a program of Go, was seen to wait
// for it for ever, and with it whoever had it start the container.
func (f *Explained) noteThread(action seccomp.Action) {
	switch comm := f.Denial.Subject.Comm; {
	case action != seccomp.KillThread:
	case strings.HasPrefix(comm, "runc:["):
		f.Notes = append(f.Notes, "Only the thread was killed, and runc waits for it: the container neither starts nor can be removed until the process is killed (`ps -C 'runc:[2:INIT]'` shows it).")
	default:
		f.Notes = append(f.Notes, "Only the thread was killed: a program of several goes on without it, and may wait for it for ever.")
	}
}

// noteMissingArgs says which arguments the event's SYSCALL record supplied.
func (f *Explained) noteMissingArgs(record *parser.Seccomp, d seccomp.Decision) {
	if d.Undecidable && record.Args == nil && access.OnlyCaps(d) == "" && !f.IsClaim() {
		f.Notes = append(f.Notes, "A SECCOMP record has no arguments, and the filter answers before auditing of the call starts; strace -f of the program shows them, and so does whydenied trace while it happens.")
	}
	if d.Ambiguous {
		f.Notes = append(f.Notes, "Entries on different arguments disagree; which one libseccomp asks first is not defined.")
	}
}

// IsPackaged reports whether a file is one of a package by its place, which an update writes anew.
func IsPackaged(file string) bool {
	return strings.HasPrefix(file, "/usr/share/") || strings.HasPrefix(file, "/usr/lib/")
}

// byOptions says of fixes of a policy that Incus or LXD makes of an instance's options that
// those are to be changed, as the file is made anew at each start.
func (f *Explained) byOptions() {
	edit, restart := f.Container.InstanceCommand("config edit"), f.Container.InstanceCommand("restart")
	for i := range f.Fixes {
		if fix := &f.Fixes[i]; len(fix.Edits) > 0 {
			fix.Message += fmt.Sprintf(", in raw.seccomp of the instance (%s) or in what the policy is made of without that, security.syscalls.*; then %s", edit, restart)
			fix.Edits = nil
		}
	}
}

// fixSeccomp proposes fixes of a refused call, and says what to think of first.
func (x *Explainer) fixSeccomp(f *Explained) {
	profile, call := f.Seccomp.Alone(), *f.Call
	d := access.DecideCall(profile, call, f.Denial.Seccomp)
	if since, known := seccomp.LibseccompFor(call); since != "" && (!known || f.Cause == LibseccompTooOld) {
		note := "The remedy is libseccomp %s or newer on the host (`runc --version` says which it is): it knows %s, and a change of the profile does nothing before that."
		switch {
		case f.Cause == LibseccompTooOld && seccomp.IsVersion(call.Loader.Libseccomp):
			note = "The profile is right already. " + note
		case f.Cause == LibseccompTooOld:
			note = "If it is this profile, it is right already. " + note
		}
		f.Notes = append(f.Notes, fmt.Sprintf(note, since, d.Syscall))
		return
	}
	f.Fixes = x.Fixes.Call(profile, call, d)
	if unit := f.Container.Unit; unit != "" && profile.Form == seccomp.Unit && len(f.Fixes) == 1 {
		f.Fixes[0].Message = fmt.Sprintf("give the unit a drop-in: `systemctl edit %s`, then `systemctl restart %[1]s`", shell.Quote(unit))
	}
	for i := range f.Fixes {
		if fix := &f.Fixes[i]; fix.Capability != "" && len(fix.Edits) == 0 {
			fix.Rule = strings.Join(f.Container.GivenCapability(fix.Capability), "\n")
		}
	}
	if named, _ := x.Library.NamedSeccomp(); f.Container.IsInstance() && f.Seccomp != named {
		f.byOptions()
	}
	if why := f.OutOfReach(); why != "" {
		f.Fixes = nil
		f.Notes = append(f.Notes, "No fix is proposed: "+why+".")
	}
	if how := f.Copes(); how != "" {
		f.Notes = append(f.Notes, "Leave it refused, if that is enough: "+how+".")
	}
	edited := slices.ContainsFunc(f.Fixes, func(fix rules.Fix) bool { return len(fix.Edits) > 0 })
	if edited && profile.File.Builtin != "" {
		f.Notes = append(f.Notes, "The profile is built into the runtime: `whydenied patch` writes the changed profile to a file, and says how the container is given that.")
	}
	if named, _ := x.Library.NamedSeccomp(); edited && IsPackaged(profile.File.Name) && f.Seccomp != named {
		f.Notes = append(f.Notes, profile.File.Name+" is a package's, which an update writes anew, and of other containers, too: `whydenied patch` writes a changed copy, and says how the container is given that.")
	}
	given := f.notePrivilege(profile, call)
	asked := call
	asked.Name = d.Syscall
	if next := NextOfCall(x.profileOf(f.Finding), asked); next != "" {
		f.Notes = append(f.Notes, next)
	}
	switch {
	case f.Cause == CapabilityGated && !given:
		f.Notes = append(f.Notes, "The kernel takes the call without the capability: to grant that instead is the bigger step, as it opens more than this call.")
	case f.Cause == KernelGated:
		f.Notes = append(f.Notes, "A kernel that the entry asks for needs no change of the profile.")
	case f.Cause == ArchNotListed:
		f.Notes = append(f.Notes, "Add the architecture to archMap or architectures only if the image really holds programs for it.")
	}
	if relatives, why := seccomp.Relatives(d.Syscall); relatives != nil && d.ArchListed && edited {
		f.Notes = append(f.Notes, fmt.Sprintf("%s goes together with %s: %s.", d.Syscall, strings.Join(relatives, ", "), why))
	}
}

// OutOfReach says why neither a profile nor a capability helps a call, one clause; "" if one
// may: the kernel asks for a capability in the user namespace of the host in any case, and
// the container has one of its own.
func (f *Explained) OutOfReach() string {
	if f.Call == nil || !f.Container.UserNamespace {
		return ""
	}
	p, ok := f.Call.Privilege()
	if !ok || !p.Host || p.Unless != "" || p.Setting != "" {
		return ""
	}
	return "the kernel asks for " + strings.Join(p.Caps, " or ") + " in the user namespace of the host, and the container has one of its own, in which none of its capabilities counts for that"
}

// notePrivilege says what the kernel asks for a call besides the filter's answer, and
// what a capability for the container then takes. It reports whether there is such a
// thing, as far as it is known.
func (f *Explained) notePrivilege(profile *seccomp.Profile, call seccomp.Call) bool {
	p, lacks, ok := fix.Wanted(profile, call)
	if !ok {
		return false
	}
	caps := strings.Join(p.Caps, " or ")
	switch {
	case p.Unless != "":
		f.Notes = append(f.Notes, fmt.Sprintf("Once the filter allows it, the kernel asks for %s unless %s: %s, Linux 6.12.", caps, p.Unless, p.Source))
	case lacks:
		f.Notes = append(f.Notes, fmt.Sprintf("A filter that allows the call does not help alone: the kernel asks for %s, and the container lacks it: %s, Linux 6.12.", caps, p.Source))
	default:
		f.Notes = append(f.Notes, fmt.Sprintf("A filter that allows the call does not help alone: the kernel asks for %s, and it is not known whether the container holds it (--caps, --inventory): %s, Linux 6.12.", caps, p.Source))
	}
	if p.Setting != "" {
		f.Notes = append(f.Notes, "The kernel asks for no capability with "+p.Setting+".")
	}
	if !slices.ContainsFunc(f.Fixes, func(fix rules.Fix) bool { return fix.Capability != "" }) {
		return true
	}
	if f.Container.UserNamespace {
		f.Notes = append(f.Notes, "The container runs in a user namespace of its own: the filter asks for the capability by its name, but the kernel counts it for what belongs to that namespace alone, so that a call which needs it of the host stays refused.")
	}
	if p.Host && !f.Container.UserNamespace {
		f.Notes = append(f.Notes, "The capability counts in the host's user namespace: in a container with one of its own (rootless engines, userns-remap, hostUsers: false) it does not help.")
	}
	if uid := f.Denial.Subject.UID; uid > 0 {
		f.Notes = append(f.Notes, fmt.Sprintf("The process ran as user %d: a capability that a container is given is held by its root alone, unless the program's file has it (setcap) or the engine makes it ambient.", uid))
	}
	return true
}
