package host

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A Status is what an Answer comes to.
type Status string

// The statuses.
const (
	OK      Status = "ok"
	Hides   Status = "hides"   // it would hide denials
	Stale   Status = "stale"   // the kernel decides by other rules than the files have
	Unknown Status = "unknown" // it cannot be read
)

// An Answer is what one fact, or a few that belong together, means for denials
// being seen.
type Answer struct {
	Name   string // stable name, such as "quiet-denies"
	Status Status
	Found  string
	Why    string // what follows from it
	// Do is the command that changes it and Undo the one that puts it back, for a
	// root shell. They are empty where nothing need or can be done.
	Do, Undo string
	Lever    *Lever // what Apply can do about it, without the command
}

// Levers returns those of the answers that hide denials.
func Levers(answers []Answer) (levers []Lever) {
	for _, a := range answers {
		if a.Status == Hides && a.Lever != nil {
			levers = append(levers, *a.Lever)
		}
	}
	return levers
}

// Answers says what facts mean. The order is that in which a denial passes the
// places: what decides, what makes the record, what carries it, who reads it.
func Answers(f Facts) []Answer {
	var all []Answer
	for _, answer := range []func(Facts) []Answer{
		appArmor, quietDenies, policy,
		seccompLogged, runtimes,
		auditing, rateLimit, lost, excludes,
		records, printk, journal,
		userns, cgroups, sockets, privileges, applied,
	} {
		all = append(all, answer(f)...)
	}
	return all
}

// pull makes an answer say how to pull a lever.
func (a Answer) pull(l Lever, now string) Answer {
	a.Lever, a.Do, a.Undo = &l, l.Command(l.Value), l.Command(now)
	return a
}

// unread is the answer where a value is there and may not be read.
func unread(name string, err error) []Answer {
	why := "what it would say is not known"
	if errors.Is(err, fs.ErrPermission) {
		why = "run it as root"
	}
	return []Answer{{Name: name, Status: Unknown, Found: err.Error(), Why: why}}
}

// word reports whether a command line of the kernel has a word.
func word(line Value, w string) bool { return slices.Contains(strings.Fields(line.Text), w) }

func appArmor(f Facts) []Answer {
	a := Answer{Name: "apparmor", Status: OK}
	enabled := f.AppArmor.Enabled
	switch {
	case enabled.missing():
		a.Found = "this kernel has no AppArmor"
		a.Why = "no refusal here is AppArmor's"
	case enabled.Err != nil:
		return unread(a.Name, enabled.Err)
	case enabled.Text != "Y":
		a.Found = "AppArmor is off"
		a.Why = "no refusal here is AppArmor's, until it is booted with apparmor=1 security=apparmor"
	case errors.Is(f.AppArmor.Err, fs.ErrNotExist):
		a.Status = Unknown
		a.Found = "AppArmor is on, and " + AppArmorFS + " is not there"
		a.Why = "which profiles are loaded cannot be read"
		a.Do, a.Undo = "mount -t securityfs securityfs /sys/kernel/security", "umount /sys/kernel/security"
	case f.AppArmor.Err != nil:
		return unread(a.Name, f.AppArmor.Err)
	default:
		a.Found = "AppArmor is on, " + modes(f.AppArmor.Profiles)
		if f.AppArmor.Mode.Text == "complain" {
			a.Why = "parameters/mode is complain: what would be refused is permitted and logged, whatever the profile's own mode"
		}
	}
	if f.Security.Text != "" {
		a.Found += "; security modules: " + f.Security.Text
	}
	return []Answer{a}
}

// modes counts profiles by mode: "3 profiles loaded: 2 enforce, 1 complain".
func modes(profiles []Loaded) string {
	counts := map[string]int{}
	var order []string
	for _, p := range profiles {
		if counts[p.Mode]++; counts[p.Mode] == 1 {
			order = append(order, p.Mode)
		}
	}
	slices.Sort(order)
	for i, mode := range order {
		order[i] = strconv.Itoa(counts[mode]) + " " + mode
	}
	text := count(len(profiles), "profile") + " loaded"
	if len(order) > 0 {
		text += ": " + strings.Join(order, ", ")
	}
	return text
}

func count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

// quietDenies explains what aa_audit and AUDIT_MODE do (security/apparmor/audit.c
// and include/policy.h).
func quietDenies(f Facts) []Answer {
	v := f.AppArmor.Audit
	if f.AppArmor.Enabled.Text != "Y" || v.missing() {
		return nil
	}
	if v.Err != nil {
		return unread("quiet-denies", v.Err)
	}
	a := Answer{Name: "quiet-denies", Status: Hides, Found: fmt.Sprintf("AppArmor's parameters/audit is %q", v.Text)}
	switch v.Text {
	case "noquiet", "all":
		a.Status, a.Why = OK, "what deny rules refuse is logged too"
		return []Answer{a}
	case "normal":
		a.Why = "what a deny rule without audit refuses leaves no record"
	case "quiet_denied":
		a.Why = "nothing that AppArmor refuses leaves a record"
	case "quiet":
		a.Why = "AppArmor leaves no records at all"
	default:
		a.Status, a.Why = Unknown, "this version does not know what it means"
		return []Answer{a}
	}
	return []Answer{a.pull(Noquiet, v.Text)}
}

func seccompLogged(f Facts) []Answer {
	v := f.ActionsLogged
	if v.missing() {
		return []Answer{{Name: "seccomp-actions", Status: Unknown, Found: "there is no sysctl kernel.seccomp.actions_logged",
			Why: "the kernel is older than 4.14, or built without seccomp"}}
	}
	if v.Err != nil {
		return unread("seccomp-actions", v.Err)
	}
	available := strings.Fields(f.ActionsAvailable.Text)
	available = slices.DeleteFunc(available, func(action string) bool { return action == "allow" }) // cannot be logged
	logged := strings.Fields(v.Text)
	var dropped []string
	for _, action := range available {
		if !slices.Contains(logged, action) {
			dropped = append(dropped, action)
		}
	}
	a := Answer{Name: "seccomp-actions", Status: OK, Found: "every action of seccomp may be logged"}
	if len(dropped) == 0 {
		a.Why = "kills are logged; an errno is where its filter has the log flag, which the default profiles of container engines have not"
		return []Answer{a}
	}
	a.Status = Hides
	a.Found = "kernel.seccomp.actions_logged lacks " + strings.Join(dropped, ", ")
	a.Why = "what a filter answers by these leaves no record, whatever its flags"
	return []Answer{a.pull(Lever{Name: "seccomp-actions-logged", Value: strings.Join(available, " ")}, v.Text)}
}

func runtimes(f Facts) []Answer {
	var all []Answer
	for _, r := range f.Runtimes {
		a := Answer{Name: "runtime", Found: strings.TrimSpace(r.Name + " " + r.Version)}
		switch {
		case r.Err != nil:
			a.Status = Unknown
			a.Found += " was not asked: " + r.Err.Error()
			a.Why = "whether it takes the log flag of seccomp profiles is not known"
		case r.LogFlag == Yes:
			a.Status = OK
			a.Why = "it takes the log flag of seccomp profiles (Docker passes it on since 23.0): whydenied observe --seccomp FILE adds it"
		case r.LogFlag == No:
			a.Status = Hides
			a.Why = "it does not take the log flag of seccomp profiles, so what they answer with an errno leaves no record"
			if r.Name == "runc" {
				a.Why += "; runc 1.2 is the first that takes it"
			}
		default:
			a.Status = Unknown
			a.Why = "whether it takes the log flag of seccomp profiles is not known; without it, what they answer with an errno leaves no record"
		}
		if r.Libseccomp != "" {
			a.Found += " with libseccomp " + r.Libseccomp
			a.Why += "; it drops from seccomp profiles the calls that its libseccomp does not know: give query and explain --runtime " + r.Name + "@" + r.Version + " --libseccomp " + r.Libseccomp
		}
		all = append(all, a)
	}
	return all
}

func userns(f Facts) []Answer {
	var all []Answer
	silent := func(setting, errno string) {
		all = append(all, Answer{Name: "user-namespaces", Status: Hides, Found: setting + " is 0",
			Why: "a program without privilege that makes a user namespace gets " + errno + ", and neither AppArmor nor seccomp has a part in it: there is no record"})
	}
	if f.UsernsClone.Text == "0" {
		silent("kernel.unprivileged_userns_clone", "EPERM")
	}
	if f.UsernsMax.Text == "0" {
		silent("user.max_user_namespaces", "ENOSPC")
	}
	if f.UsernsRestrict.Text == "1" {
		all = append(all, Answer{Name: "user-namespaces", Status: OK, Found: "kernel.apparmor_restrict_unprivileged_userns is 1",
			Why: "AppArmor refuses user namespaces to programs without privilege and without a profile that has userns, and logs it"})
	}
	if all == nil {
		all = append(all, Answer{Name: "user-namespaces", Status: OK, Found: "no setting of the host keeps programs without privilege from user namespaces"})
	}
	return all
}

func cgroups(f Facts) []Answer {
	a := Answer{Name: "cgroups", Status: OK, Found: "cgroup " + f.Cgroups, Why: "containers are told by their cgroups"}
	if f.Cgroups == "" {
		a = Answer{Name: "cgroups", Status: Unknown, Found: "no cgroups are mounted at /sys/fs/cgroup", Why: "which container a record is of can be told by its profile alone"}
	}
	return []Answer{a}
}

func sockets(f Facts) []Answer {
	a := Answer{Name: "engines", Status: OK, Found: strings.Join(f.Sockets, ", "), Why: "container engines can be asked for names"}
	if len(f.Sockets) == 0 {
		a.Found = "no container engine listens on this host"
		a.Why = "names of containers come from what runtimes leave on disk"
	}
	if len(f.Elsewhere) > 0 {
		a.Found += "; " + strings.Join(f.Elsewhere, " and ") + " names one that is asked over the network"
		a.Why += "; what is refused to that engine's containers is logged where it runs: run whydenied there"
	}
	return []Answer{a}
}

// needs are what reading denials, or changing what hides them, takes.
var needs = []struct {
	bit  uint
	name string
	what string
}{
	{37, "CAP_AUDIT_READ", "read the audit netlink"},
	{30, "CAP_AUDIT_CONTROL", "read and change the state of auditing"},
	{34, "CAP_SYSLOG", "read the ring buffer"},
	{12, "CAP_NET_ADMIN", "follow processes by the process connector"},
	{39, "CAP_BPF", "follow processes by eBPF"},
	{38, "CAP_PERFMON", "follow processes by eBPF"},
	{2, "CAP_DAC_READ_SEARCH", "read logs and what runtimes leave on disk"},
	{33, "CAP_MAC_ADMIN", "load AppArmor profiles and change its parameters"},
}

func privileges(f Facts) []Answer {
	const sysAdmin = 21
	mask, err := strconv.ParseUint(f.Capabilities.Text, 16, 64)
	if f.Capabilities.Err != nil || err != nil {
		return unread("privileges", cmp.Or(f.Capabilities.Err, err))
	}
	held := func(bit uint) bool { return mask&(1<<bit) != 0 }
	var lacking []string
	for _, n := range needs {
		switch {
		case held(n.bit):
		case n.name == "CAP_SYSLOG" && f.DmesgRestrict.Text == "0": // syslog(2)
		case (n.name == "CAP_BPF" || n.name == "CAP_PERFMON") && held(sysAdmin):
		default:
			lacking = append(lacking, n.name+" (to "+n.what+")")
		}
	}
	a := Answer{Name: "privileges", Status: OK, Found: "whydenied holds every capability that it can need here"}
	if len(lacking) > 0 {
		a.Status = Hides
		a.Found = "whydenied runs without " + strings.Join(lacking, ", ")
		a.Why = "it would not see all that is logged; run it as root, outside a container"
	}
	return []Answer{a}
}

// applied says what of this is whydenied's own doing, and whether anybody undoes it.
func applied(f Facts) []Answer {
	if len(f.Applied.Changes) == 0 {
		return nil
	}
	var what []string
	for _, c := range f.Applied.Changes {
		what = append(what, fmt.Sprintf("%s is %s, and was %s", c.Target(), c.Value, c.Previous))
	}
	a := Answer{Name: "applied", Status: OK, Found: fmt.Sprintf("set by whydenied at %s: %s", f.Applied.Since.Format(time.RFC3339), few(what))}
	switch {
	case f.Applied.Left:
		a.Status = Stale
		a.Why = "the whydenied that set it for a while was killed, together with the process that should have undone it: it stays until it is undone"
		a.Do = "whydenied doctor --undo"
	case f.Applied.Held:
		a.Why = "the whydenied that set it still runs, and undoes it at its end"
	default:
		a.Why = "it stays until the next boot or whydenied doctor --undo"
	}
	return []Answer{a}
}
