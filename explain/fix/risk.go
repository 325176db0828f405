package fix

import (
	"slices"
	"strings"
	"sync"

	"github.com/whydenied/whydenied/explain/container"
	"github.com/whydenied/whydenied/rules"
	"github.com/whydenied/whydenied/rules/apparmor"
)

// This file is the one table of what is dangerous to grant to a container. A
// high risk makes a finding say "investigate first" above any diff: such a
// denial is more often the policy doing its work than a fault in it.

// A Danger is a risk with its reason, "it reboots the host".
type Danger struct {
	Risk   rules.Risk
	Reason string
}

// pathDangers lists paths by AppArmor glob; the first that matches with one of
// the permissions counts.
var pathDangers = []struct {
	glob  string
	perms apparmor.Perms
	Danger
}{
	{"/proc/sysrq-trigger", apparmor.Write, Danger{rules.High, "writing it can reboot or crash the host"}},
	{"/proc/sys/kernel/{core_pattern,modprobe,hotplug,poweroff_cmd}", apparmor.Write, Danger{rules.High, "it names a program that the host's kernel runs as root: a known way out of a container"}},
	{"/proc/sys/**", apparmor.Write, Danger{rules.High, "it changes settings of the host's kernel"}},
	{"/proc/{kcore,kmem,mem}", apparmor.Read | apparmor.Write, Danger{rules.High, "it is the memory of the host's kernel"}},
	{"/proc/{kallsyms,kmsg,sched_debug,timer_list,keys}", apparmor.Read, Danger{rules.Medium, "it tells of the host's kernel and of other containers"}},
	{"/proc/*/{mem,attr/**}", apparmor.Write, Danger{rules.High, "it changes the memory or the confinement of a process"}},
	{"/proc/**", apparmor.Write, Danger{rules.Medium, "files below /proc steer the kernel and other processes"}},
	{"/sys/kernel/security/**", apparmor.Write, Danger{rules.High, "it changes the host's security policy"}},
	{"/sys/fs/cgroup/**", apparmor.Write, Danger{rules.High, "control groups reach beyond the container; release_agent is a known way out"}},
	{"/sys/**", apparmor.Write, Danger{rules.High, "it changes the host's kernel and devices"}},
	{engineSockets(), apparmor.Read | apparmor.Write, Danger{rules.High, "whoever can talk to the runtime's socket is root on the host"}},
	{"/dev/{mem,kmem,port,kmsg,nvram}", apparmor.Read | apparmor.Write, Danger{rules.High, "it is the memory or the console of the host"}},
	{"/dev/{sd,vd,xvd,nvme,hd,loop,dm-,mapper/}**", apparmor.Read | apparmor.Write, Danger{rules.High, "it is a disk of the host, below every file permission"}},
	{"/{boot,lib/modules,usr/lib/modules}/**", apparmor.Write, Danger{rules.High, "what lies there runs as the kernel"}},
	{"/etc/{shadow,gshadow}{,-}", apparmor.Read | apparmor.Write, Danger{rules.High, "it holds password hashes"}},
	{"/etc/{passwd,group,sudoers,sudoers.d/**,ld.so.preload,crontab,cron*/**}", apparmor.Write, Danger{rules.High, "it decides who is root and what root runs"}},
	{"/{root,home/*}/.ssh/**", apparmor.Read | apparmor.Write, Danger{rules.High, "it holds keys to other machines"}},
	{"/{root,home/*}/.{aws/**,docker/config.json,git-credentials,gnupg/private-keys*/**,kube/**,netrc,pgpass}", apparmor.Read | apparmor.Write, Danger{rules.High, "it holds keys and passwords of the user"}},
	{"/{,var/}run/secrets/**", apparmor.Read, Danger{rules.Medium, "it holds the container's credentials"}},
	{"/{,usr/}{bin,sbin,lib,lib64}/**", apparmor.Write, Danger{rules.Medium, "programs and libraries that can be rewritten outlive an intrusion"}},
}

// sharedFolders are those in which programs keep files that have nothing to do with each
// other: that some of them are granted says nothing of the rest.
var sharedFolders = pattern("/{,home/,home/*/,root/,etc/,dev/,dev/shm/,{,usr/}{,s}bin/,{,usr/}lib{,32,64}/{,*-linux-gnu*/},usr/{,local/}{,share/,libexec/},{,var/}{run/{,lock/,user/,user/*/},lock/,tmp/},var/{,cache/,lib/,log/,mail/,opt/,spool/},opt/,srv/,mnt/,media/,boot/,proc/{,*/},sys/{,**/}}")

func isSharedFolder(folder string) bool { return sharedFolders.Match(folder) }

// engineSockets is a glob of the sockets of container engines, those of users too.
func engineSockets() string {
	var names, places []string
	for _, e := range container.Engines {
		for _, name := range e.Sockets {
			if inRun, ok := strings.CutPrefix(name, "RUN/"); ok {
				names = append(names, inRun)
			} else {
				places = append(places, strings.TrimPrefix(name, "/"))
			}
		}
	}
	places = append(places, "{,var/}run/{,user/*/}{"+strings.Join(names, ",")+"}")
	return "/{" + strings.Join(places, ",") + "}"
}

// execDangers are programs that an intruder wants; the container may need them
// all the same.
var execDangers = []struct {
	glob string
	Danger
}{
	{"/{,usr/}bin/{sh,bash,dash,ash,zsh,busybox}", Danger{rules.Medium, "a shell is what an intruder runs first"}},
	{"/{,usr/}{,s}bin/{mount,umount,nsenter,unshare,insmod,modprobe,kexec,setcap,chroot}", Danger{rules.High, "it changes namespaces, mounts or the kernel"}},
	{"/{,usr/}{,s}bin/{apt,apt-get,dpkg,apk,yum,dnf,rpm,pip,curl,wget,nc,ncat,socat,gdb,strace}", Danger{rules.Medium, "it fetches or installs programs, or opens others"}},
}

// capDangers lists capabilities that are more than low; the words follow
// capabilities(7).
var capDangers = map[string]Danger{
	"sys_admin":       {rules.High, "it is close to root on the host: mounts, namespaces, devices"},
	"sys_module":      {rules.High, "it loads code into the host's kernel"},
	"sys_rawio":       {rules.High, "it reaches the host's memory and devices"},
	"sys_ptrace":      {rules.High, "it reads and changes other processes"},
	"sys_boot":        {rules.High, "it reboots the host or loads another kernel"},
	"sys_time":        {rules.High, "it sets the host's clock"},
	"bpf":             {rules.High, "it loads programs into the host's kernel"},
	"perfmon":         {rules.High, "it observes the host's kernel and other containers"},
	"mac_admin":       {rules.High, "it changes the host's security policy"},
	"mac_override":    {rules.High, "it overrides the host's security policy"},
	"dac_read_search": {rules.High, "with open_by_handle_at(2) it reads every file of the host"},
	"audit_control":   {rules.High, "it silences the host's audit log"},
	"net_admin":       {rules.Medium, "it changes interfaces, routes and firewalls"},
	"net_raw":         {rules.Medium, "it forges packets"},
	"dac_override":    {rules.Medium, "it ignores file permissions"},
	"mknod":           {rules.Medium, "it makes device nodes"},
	"setpcap":         {rules.Medium, "it passes capabilities on"},
	"setfcap":         {rules.Medium, "it gives programs capabilities"},
	"sys_nice":        {rules.Medium, "it takes processor time from other containers"},
	"sys_resource":    {rules.Medium, "it ignores limits"},
	"syslog":          {rules.Medium, "it reads the host's kernel log"},
	"ipc_lock":        {rules.Medium, "it locks memory beyond limits"},
	"checkpoint_restore": {rules.Medium,
		"it chooses process IDs and reads other processes' state"},
}

// undoing are the capabilities by which a process can undo its own confinement: it changes
// or ignores the policy, or the kernel that holds to it.
var undoing = []string{"mac_admin", "mac_override", "sys_module", "sys_rawio", "sys_boot", "audit_control"}

// Undoes says of an access that with it a process can undo its confinement why that is so,
// or returns "".
func Undoes(req apparmor.Request) string {
	if c, ok := req.(apparmor.CapabilityRequest); ok && slices.Contains(undoing, c.Name) {
		return capDangers[c.Name].Reason
	}
	return ""
}

// syscallDangers lists system calls that are more than low.
var syscallDangers = sync.OnceValue(func() map[string]Danger {
	byName := map[string]Danger{}
	for _, d := range []struct {
		names string
		Danger
	}{
		{"mount umount umount2 pivot_root move_mount open_tree fsopen fsconfig fsmount fspick mount_setattr",
			Danger{rules.High, "it changes what the container sees as its file system, and beyond it"}},
		{"unshare setns", Danger{rules.High, "it enters or makes namespaces, where much of the kernel becomes reachable"}},
		{"ptrace process_vm_readv process_vm_writev pidfd_getfd",
			Danger{rules.High, "it reads and changes other processes of the same user"}},
		{"kcmp", Danger{rules.Medium, "it tells what other processes of the same user share"}},
		{"process_madvise", Danger{rules.Medium, "it steers the memory of other processes of the same user"}},
		{"bpf perf_event_open userfaultfd lookup_dcookie", Danger{rules.High, "it is a broad way into the kernel, and often attacked"}},
		{"init_module finit_module delete_module create_module query_module kexec_load kexec_file_load",
			Danger{rules.High, "it replaces or extends the host's kernel"}},
		{"open_by_handle_at", Danger{rules.High, "it reaches files of the host past every path"}},
		{"add_key request_key keyctl", Danger{rules.High, "keyrings are of users and not of containers: it reaches the keys of the same user on the host"}},
		{"swapon swapoff acct settimeofday clock_settime clock_settime64 stime",
			Danger{rules.High, "it changes the host, not the container alone"}},
		{"quotactl quotactl_fd", Danger{rules.High, "it changes the quotas of the host's file systems"}},
		{"reboot", Danger{rules.High, "it ends the container, or the host where they share the process namespace"}},
		{"sethostname setdomainname", Danger{rules.Medium, "it renames the container, or the host where they share the UTS namespace"}},
		{"adjtimex clock_adjtime clock_adjtime64", Danger{rules.Medium, "it steers the host's clock where the container holds CAP_SYS_TIME, and else reads it"}},
		{"vhangup", Danger{rules.Medium, "it hangs the terminal up"}},
		{"fanotify_init", Danger{rules.Medium, "it watches what others do with files, and can hold it up"}},
		{"iopl ioperm pciconfig_read pciconfig_write", Danger{rules.High, "it reaches the host's hardware"}},
		{"io_uring_setup io_uring_enter io_uring_register", Danger{rules.Medium, "its many operations pass by this filter unseen"}},
		{"clone clone3", Danger{rules.Medium, "with namespace flags it is unshare"}},
		{"personality modify_ldt vm86 vm86old", Danger{rules.Medium, "it weakens protections of the process or is rarely tested"}},
		{"mbind set_mempolicy set_mempolicy_home_node get_mempolicy", Danger{rules.Low, "it says on which NUMA nodes the process's own memory lies"}},
		{"move_pages migrate_pages", Danger{rules.Medium, "it moves memory of other processes of the same user between NUMA nodes"}},
		{"syslog", Danger{rules.Medium, "it reads the host's kernel log"}},
	} {
		for name := range strings.FieldsSeq(d.names) {
			byName[name] = d.Danger
		}
	}
	return byName
})

// SyscallDanger returns how dangerous a system call is by its name alone.
func SyscallDanger(name string) Danger { return syscallDangers()[name] }

// An argumentDanger is calls with an argument that makes them more dangerous, or less,
// than the call is as a whole: that is one of some values, or has one of some bits. A
// row without either is of all that the rows before it are not of.
type argumentDanger struct {
	names string
	index int
	is    []uint64
	bits  uint64
	// gated says that the kernel asks for a capability besides (seccomp.Call.Privilege), so
	// that whoever may make any call of the name cannot make this one for that alone.
	gated bool
	Danger
}

var argumentDangers = []argumentDanger{
	{"socket socketpair", 0, []uint64{38}, 0, false, Danger{rules.High, "the kernel's crypto sockets are rarely needed and often attacked"}},
	{"socket socketpair", 0, []uint64{40}, 0, false, Danger{rules.Medium, "it talks to the host or to virtual machines past the network"}},
	{"socket", 0, []uint64{15}, 0, true, Danger{rules.Medium, "it sets up IPsec"}},
	{"socket", 0, []uint64{17}, 0, true, Danger{rules.Medium, "raw sockets read and forge traffic"}},
	{"socket", 0, []uint64{44}, 0, true, Danger{rules.Medium, "it reads and forges traffic past the firewall"}},
	{"clone unshare", 0, nil, 0x10000000, false, Danger{rules.High, "a user namespace makes much of the kernel reachable"}},
	{"clone unshare", 0, nil, 0x6e020000, true, Danger{rules.High, "with namespace flags it is unshare, and much of the kernel becomes reachable"}},
	{"clone", 0, nil, 0, false, Danger{}}, // of no namespace: what every program does
	{"personality", 0, nil, 0x440000, false, Danger{rules.Medium, "it turns off address randomisation, or makes memory executable"}},
	{"personality", 0, nil, 0, false, Danger{}},
	{"ioctl", 1, []uint64{0x5412}, 0, true, Danger{rules.High, "it types into the terminal that the container was started from, unless dev.tty.legacy_tiocsti is 0 (Linux 6.2)"}},
	{"mbind", 5, nil, 4, true, Danger{rules.Medium, "MPOL_MF_MOVE_ALL moves memory that other containers map, for which the kernel asks for CAP_SYS_NICE"}},
	{"move_pages", 5, nil, 4, true, Danger{rules.Medium, "MPOL_MF_MOVE_ALL moves memory that other containers map, for which the kernel asks for CAP_SYS_NICE"}},
	{"ptrace", 0, []uint64{0}, 0, false, Danger{rules.Low, "PTRACE_TRACEME lets the parent trace the process"}},
	{"userfaultfd", 0, nil, 1, false, Danger{rules.Medium, "it holds up faults of user mode alone, of less use to exploits of the kernel"}},
	{"syslog", 0, []uint64{3}, 0, true, Danger{rules.Medium, "it reads the host's kernel log"}},
	{"syslog", 0, []uint64{10}, 0, true, Danger{rules.Low, "it tells the size of the host's kernel log"}},
	{"syslog", 0, []uint64{5}, 0, true, Danger{rules.Medium, "it clears the host's kernel log"}},
}

// holds reports whether the argument is the dangerous one.
func (d *argumentDanger) holds(v uint64) bool {
	return d.is == nil && d.bits == 0 || v&d.bits != 0 || slices.Contains(d.is, v&(1<<32-1))
}

// CallDanger returns how dangerous it is to allow a system call: with its
// arguments, or with all if they are nil.
func CallDanger(name string, args []uint64) Danger {
	most := syscallDangers()[name]
	for _, d := range argumentDangers {
		switch {
		case !slices.Contains(strings.Fields(d.names), name):
		case args == nil: // one of many
			if d.Risk = min(d.Risk, rules.Medium); d.Risk > most.Risk && !d.gated {
				most = Danger{d.Risk, "among all that it does: " + d.Reason}
			}
		case d.index < len(args) && d.holds(args[d.index]):
			return d.Danger
		}
	}
	return most
}

// pathPatterns compiles the globs of the tables once.
var pathPatterns = sync.OnceValue(func() map[string]*apparmor.Pattern {
	compiled := map[string]*apparmor.Pattern{}
	for _, d := range pathDangers {
		compiled[d.glob] = pattern(d.glob)
	}
	for _, d := range execDangers {
		compiled[d.glob] = pattern(d.glob)
	}
	return compiled
})

func pattern(glob string) *apparmor.Pattern {
	return &apparmor.Pattern{Source: glob, Expanded: []string{glob}}
}

// fileDanger returns how dangerous it is to grant the permissions on a path.
func fileDanger(path string, perms apparmor.Perms) Danger {
	if perms&apparmor.Append != 0 {
		perms |= apparmor.Write
	}
	for _, d := range pathDangers {
		if perms&d.perms != 0 && pathPatterns()[d.glob].Match(path) {
			return d.Danger
		}
	}
	if perms&apparmor.Exec == 0 {
		return Danger{}
	}
	for _, d := range execDangers {
		if pathPatterns()[d.glob].Match(path) {
			return d.Danger
		}
	}
	return Danger{}
}

// unknownDanger is of what no table here speaks of.
var unknownDanger = Danger{rules.High, "what it opens is not known here"}

// RequestDanger returns how dangerous it is to grant a request.
func RequestDanger(r apparmor.Request) Danger {
	switch r := r.(type) {
	case apparmor.FileRequest:
		return fileDanger(r.Path, r.Perms)
	case apparmor.CapabilityRequest:
		return capDangers[r.Name]
	case apparmor.NetworkRequest:
		if r.Type == "raw" || r.Family == "packet" {
			return Danger{rules.Medium, "raw sockets read and forge traffic"}
		}
		if r.Family == "alg" {
			return Danger{rules.High, "the kernel's crypto sockets are rarely needed and often attacked"}
		}
	case apparmor.MountRequest, apparmor.PivotRootRequest:
		return Danger{rules.High, "mounts decide what the container and the host see of each other"}
	case apparmor.PtraceRequest:
		if r.Peer == "unconfined" && r.Perms&(apparmor.Trace|apparmor.Read) != 0 {
			return Danger{rules.High, "it reads or changes a process outside the container"}
		}
		return Danger{rules.Medium, "it reads or changes another process"}
	case apparmor.ChangeProfileRequest:
		if r.Target == "unconfined" {
			return Danger{rules.High, "it leaves the confinement altogether"}
		}
		return Danger{rules.Medium, "the process leaves this profile for another"}
	case apparmor.UsernsRequest:
		return Danger{rules.High, "a user namespace makes much of the kernel reachable"}
	case apparmor.IOUringRequest:
		return Danger{rules.High, "it borrows the kernel's or another process's credentials"}
	case apparmor.SignalRequest, apparmor.UnixRequest, apparmor.DBusRequest, apparmor.MqueueRequest, apparmor.RlimitRequest:
		// What it reaches has a policy of its own, or limits.
	default:
		return unknownDanger
	}
	return Danger{}
}

// Worst returns the greatest danger of what a fix grants: the requests, and what
// comes with them.
func Worst(requests []apparmor.Request, gains []apparmor.Gain, after *apparmor.Profile) Danger {
	var most Danger
	add := func(d Danger) {
		if d.Risk > most.Risk {
			most = d
		}
	}
	for _, req := range requests {
		add(RequestDanger(req))
		if file, ok := req.(apparmor.FileRequest); ok {
			add(writtenAndExecuted(file, after))
			add(leaves(file, after))
		}
	}
	for _, g := range gains {
		add(GainDanger(g))
	}
	return most
}

// leaves is the danger of executing a program that may run unconfined then.
func leaves(file apparmor.FileRequest, after *apparmor.Profile) Danger {
	if file.Perms&apparmor.Exec == 0 {
		return Danger{}
	}
	for _, r := range after.Decide(apparmor.FileRequest{Path: file.Path, Perms: apparmor.Exec, Owner: file.Owner}).Allow {
		if rule, ok := r.(*apparmor.FileRule); ok && (rule.Exec.Mode == apparmor.Unconfined || rule.Exec.Fallback == apparmor.Unconfined) {
			return Danger{rules.Medium, "without a profile of its own the program runs unconfined"}
		}
	}
	return Danger{}
}

// GainDanger returns the danger of what comes with a fix.
func GainDanger(g apparmor.Gain) Danger {
	d := RequestDanger(g.Example)
	if file, ok := g.Rule.(*apparmor.FileRule); ok && !g.Single {
		if all := globDanger(file, g.Perms); all.Risk > d.Risk {
			return all
		}
	}
	return d
}

// globDanger returns the danger of permissions on everything that a file rule
// names.
func globDanger(rule *apparmor.FileRule, perms apparmor.Perms) Danger {
	path := rule.Path
	if path == nil {
		path = pattern("/**")
	}
	var most Danger
	for _, d := range pathDangers {
		if perms&d.perms == 0 || d.Risk <= most.Risk {
			continue
		}
		if _, ok := apparmor.Overlaps(pathPatterns()[d.glob], path); ok {
			most = Danger{d.Risk, "among the files is what " + d.glob + " names: " + d.Reason}
		}
	}
	return most
}

// writtenAndExecuted is the danger of a file that can be written and then run:
// whoever gets in can keep a program there.
func writtenAndExecuted(file apparmor.FileRequest, after *apparmor.Profile) Danger {
	if file.Perms&(apparmor.Write|apparmor.Append|apparmor.Exec) == 0 {
		return Danger{}
	}
	file.Perms = apparmor.Write | apparmor.Exec
	if d := after.Decide(file); d.Refused|d.Unmatched == 0 {
		return Danger{rules.Medium, "the file can then be written and executed"}
	}
	return Danger{}
}
