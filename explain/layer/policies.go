package layer

import (
	"slices"
	"strings"
)

// engineAnswers are the errors that filters of engines give.
var engineAnswers = []string{"EPERM", "ENOSYS", "SIGSYS", ""}

// ofSeccomp judges seccomp, which is asked before the kernel looks at the call.
func ofSeccomp(f *facts) (Standing, string) {
	switch {
	case f.Seccomp.Refuses:
		return Refused, f.Seccomp.Why
	case f.errno == "SIGSYS":
		return Likely, "only a filter sends SIGSYS with the number of a call: the container's, or one that the program installed itself"
	case f.self.Filter && slices.Contains(engineAnswers, f.errno):
		return Open, "the program installed a filter of its own, of which nothing else is known"
	case f.Seccomp.Known:
		return RuledOut, f.Seccomp.Why
	case f.errno == "EAFNOSUPPORT" && f.hasFamily():
		return Likely, "each kernel has this family of addresses, and RestrictAddressFamilies= of a unit answers so"
	case f.errno == "EAFNOSUPPORT":
		return Open, "RestrictAddressFamilies= of a unit answers so: name it with --inventory (systemctl cat)"
	case !slices.Contains(engineAnswers, f.errno):
		return Unlikely, "default filters do not answer " + f.errno
	case f.call == "":
		return Open, "the text does not say which call it was, and filters go by calls: strace -f shows it"
	case f.mayExecute() && !f.is(executes):
		return Open, "it looks whether it may execute the program, and then executes it: which of the two was refused the text does not say"
	case f.kernelNeverSays() && f.Attempt.Hint != "":
		return Open, "a filter may answer so, and the text has other causes as well"
	case f.kernelNeverSays():
		return Likely, "the kernel does not answer " + f.answer() + " by itself, but for what a sysctl turns off"
	}
	return Open, orElse(f.Seccomp.Why, "which filter is in force is not known: name it with --seccomp, or the container with --inventory")
}

// hasFamily reports whether a socket was to be of a family that no kernel of a host lacks.
func (f *facts) hasFamily() bool {
	return f.argument("AF_UNIX") || f.argument("AF_NETLINK") || f.argument("AF_PACKET") || slices.Contains(f.Attempt.Args, "AF_INET")
}

// kernelNeverSays reports whether only a filter, or a sysctl, answers so.
func (f *facts) kernelNeverSays() bool {
	return f.errno == "EPERM" && !f.asks && (IsPlainClone(f.Attempt) || f.is("clone3 fork vfork statx fstatfs faccessat faccessat2 getrandom memfd_create inotify_init1 inotify_init close_range "+
		"copy_file_range membarrier rseq landlock_create_ruleset epoll_create1 eventfd2 timerfd_create signalfd4 newfstatat stat lstat"))
}

func orElse(why, other string) string {
	if why == "" {
		return other
	}
	return why
}

// ofAppArmor judges AppArmor: aa_audit() of security/apparmor answers EACCES, and EPERM
// for capabilities and for changes of profile under no_new_privs.
func ofAppArmor(f *facts) (Standing, string) {
	switch {
	case f.AppArmor.Refuses:
		return Refused, f.AppArmor.Why
	case f.Container.AppArmorProfile == "unconfined":
		return RuledOut, "the process is unconfined"
	case f.Attempt.First:
		return RuledOut, "it is not asked about a container's first program"
	case f.AppArmor.Known:
		return RuledOut, f.AppArmor.Why
	case f.errno == "EPERM" && f.asks:
		return Unlikely, "it would answer EPERM where its profile lacks the capability, and log that"
	case f.errno != "EACCES" || f.is("bpf"):
		return RuledOut, "it does not answer " + f.answer()
	case f.Container.AppArmorProfile == "" && f.limits != nil && f.limits.Resolved:
		return RuledOut, "the container has no profile"
	}
	return Open, orElse(f.AppArmor.Why, "which profile is in force is not known; its refusals are in the log, but for those by deny rules: name it with --profile-name, or the container with --inventory")
}

// ofSELinux judges SELinux, of which engines give processes a label unless it is off.
func ofSELinux(f *facts) (Standing, string) {
	switch {
	case f.errno != "EACCES" && f.errno != "EPERM":
		return RuledOut, "it does not answer " + f.answer()
	case f.limits != nil && f.limits.SELinux != "":
		return Open, "the process has the label " + f.limits.SELinux + "; its refusals are in the log (ausearch -m AVC), but for those by dontaudit rules"
	case f.limits.Lacks("selinux"):
		return RuledOut, "the kernel does not have it"
	case f.limits != nil && f.limits.Resolved:
		return RuledOut, "the container has no label of it"
	case f.Container.AppArmorProfile != "":
		return RuledOut, "the host's module is AppArmor"
	}
	return Unlikely, "nothing tells of it; its refusals are in the log (ausearch -m AVC)"
}

// ofLandlock judges Landlock, by which a program confines itself: file systems and TCP
// answer EACCES, mounts, traces and what is scoped EPERM (security/landlock).
func ofLandlock(f *facts) (Standing, string) {
	files := f.errno == "EACCES" && (f.aboutFile() || f.is("bind connect"))
	others := f.errno == "EPERM" && f.is("mount umount umount2 pivot_root move_mount ptrace kill tgkill connect sendto sendmsg sendmmsg process_vm_readv")
	switch {
	case !files && !others && f.call != "":
		return RuledOut, "it does not answer " + f.answer()
	case f.self.Landlock:
		return Likely, "the program confined itself before (landlock_restrict_self); since Linux 6.15 it logs LANDLOCK_ACCESS, and is asked before AppArmor"
	case f.self.Traced:
		return RuledOut, "the trace shows no landlock_restrict_self"
	}
	return Unlikely, "nothing tells of it; a program that confines itself calls landlock_restrict_self, and since Linux 6.15 the log has LANDLOCK_ACCESS"
}

// ofIntegrity judges what asks whether a file may be used: IPE and IMA answer EACCES,
// fapolicyd, by fanotify, EPERM.
func ofIntegrity(f *facts) (Standing, string) {
	switch {
	case f.errno != "EACCES" && f.errno != "EPERM":
		return RuledOut, "they do not answer " + f.answer()
	case f.errno == "EACCES" && !f.executing() || f.errno == "EPERM" && !f.executing() && !f.is(opens):
		return RuledOut, "they do not answer " + f.answer() + ": they are asked when files are executed, mapped or opened"
	}
	return Unlikely, "nothing tells of it; the log has IPE_ACCESS, INTEGRITY_DATA or FANOTIFY"
}

// ofBPF judges programs of BPF that are attached to LSM hooks.
func ofBPF(f *facts) (Standing, string) {
	programs := f.bpfPrograms()
	switch {
	case f.errno != "EACCES" && f.errno != "EPERM":
		return RuledOut, "they do not answer " + f.answer()
	case f.limits.Lacks("bpf"):
		return RuledOut, "the kernel asks none"
	case programs != nil:
		return Likely, "the host has programs at LSM hooks, which leave no record (bpftool prog list): " + strings.Join(programs, ", ")
	case f.BPF != "":
		return RuledOut, "of the programs at LSM hooks none is asked about this"
	}
	return Unlikely, "nothing tells of it: `bpftool prog list | grep lsm` on the host"
}

// bpfPrograms returns those of the host's programs at LSM hooks that can have refused this.
// Of systemd's own it is known what they are asked about, by its restrict-fs.bpf.c and
// userns-restrict.bpf.c. The kernel keeps 15 bytes of a name.
func (f *facts) bpfPrograms() (list []string) {
	for name := range strings.FieldsSeq(f.BPF) {
		switch {
		case name == "restrict_filesy" && (f.errno != "EPERM" || !f.is(opens) && f.call != ""):
		case strings.HasPrefix(name, "userns_restrict") && !f.ownUserNamespace():
		case name == "restrict_filesy":
			list = append(list, name+" (RestrictFileSystems= of a unit)")
		default:
			list = append(list, name)
		}
	}
	return list
}

// ofNone judges whether nothing refused it at all.
func ofNone(f *facts) (Standing, string) {
	switch {
	case f.errno == "ENOSYS" && f.Seccomp.Known && !f.Seccomp.Refuses && !f.self.Filter:
		return Refused, "no filter answers so: the kernel does not have this system call"
	case f.errno == "EAFNOSUPPORT" && f.hasFamily():
		return RuledOut, "each kernel has this family of addresses"
	case f.errno == "EAFNOSUPPORT" && !f.Seccomp.Refuses && !f.self.Filter:
		return Likely, "the kernel does not have this family of addresses: it was built without it, its module is not there, or it is turned off (ipv6.disable=1)"
	case f.errno == "EACCES" && f.is("bpf"):
		return Likely, "the kernel's verifier did not take the program of BPF: its log says why"
	case f.errno == "ENOEXEC":
		return Refused, "the file is no program for this machine's architecture, or a script without #!"
	case f.errno == "EPERM" && f.is("io_uring_setup") && f.Seccomp.Known && !f.Seccomp.Refuses && !f.self.Filter:
		return Likely, "a sysctl turns it off: kernel.io_uring_disabled"
	}
	return RuledOut, "something answered " + f.errno
}
