package layer

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/whydenied/whydenied/explain/container"
)

// ofLimits judges limits: of processes, files and locked memory.
func ofLimits(f *facts) (Standing, string) {
	switch {
	case f.errno == "EAGAIN" && f.is(forks):
		return Refused, f.limitOfProcesses()
	case f.errno == "EPERM" && f.is(forks) && strings.Contains(f.Attempt.Hint, "a limit was reached"): // the text names no error
		return Likely, f.limitOfProcesses()
	case f.errno == "EMFILE" && f.is("inotify_init inotify_init1"):
		return Refused, "the user has as many watchers as fs.inotify.max_user_instances permits, or the process as many open files as " + f.rlimit("nofile")
	case f.errno == "ENOSPC" && f.is("inotify_add_watch"):
		return Refused, "the user watches as many files as fs.inotify.max_user_watches permits"
	case f.errno == "EMFILE":
		return Refused, "the process has as many open files as " + f.rlimit("nofile")
	case f.is("mlock mlock2 mlockall") && (f.errno == "ENOMEM" || f.errno == "EPERM" || f.errno == "EAGAIN"):
		if holds, known := f.holds("CAP_IPC_LOCK"); holds && known {
			return RuledOut, "with CAP_IPC_LOCK no limit counts"
		}
		return Refused, "the process may lock no more memory than " + f.rlimit("memlock") + ", without CAP_IPC_LOCK"
	case f.call == "" && f.errno == "EAGAIN":
		return Likely, "EAGAIN is the answer of a limit"
	}
	return RuledOut, "no limit answers " + f.answer()
}

func (f *facts) limitOfProcesses() string {
	const more = "; `pids.events` of its cgroup counts what pids.max refused"
	switch {
	case slices.Contains(f.self.Rlimits, "RLIMIT_NPROC"):
		return "the program set RLIMIT_NPROC, and its user has as many processes"
	case f.limits == nil:
		return "a limit of processes was reached: pids.max of a cgroup (--pids-limit, the kubelet's podPidsLimit) or RLIMIT_NPROC (ulimit -u)" + more
	case f.limits.Pids > 0:
		return fmt.Sprintf("the container may have %d processes and threads (pids limit)%s", f.limits.Pids, more)
	}
	return "a limit of processes was reached: " + f.rlimit("nproc") + ", or pids.max of a cgroup above" + more
}

// rlimit words a limit.
func (f *facts) rlimit(name string) string {
	word := "RLIMIT_" + strings.ToUpper(name)
	if f.limits != nil && !slices.Contains(f.self.Rlimits, word) {
		if r, ok := f.limits.Rlimit(name); ok {
			return fmt.Sprintf("%s permits (%d)", word, r.Soft)
		}
	}
	return word + " permits"
}

// ofMount judges the flags of mounts and what is mounted over paths.
func ofMount(f *facts) (Standing, string) {
	m, on := container.Mount{}, false
	if f.limits != nil && f.path != "" {
		m, on = f.limits.MountOf(f.path)
	}
	switch {
	case f.errno == "EROFS":
		return Refused, f.readOnly(m, on)
	case f.errno == "EACCES" && f.hidden() != "":
		return Refused, f.hidden()
	case f.executing() && (f.errno == "EACCES" || f.errno == "EPERM" && f.is(maps)):
		switch {
		case on && m.NoExec:
			return Refused, m.Path + " is mounted noexec"
		case f.limits == nil || f.limits.Mounts == nil && !f.limits.Resolved || f.path == "":
			return Open, "whether the file system is mounted noexec is not known: `findmnt -T " + f.target() + "`"
		}
		return RuledOut, "no mount of the container that " + f.path + " is on is noexec"
	case f.errno == "EACCES" && f.is(opens) && on && m.NoDev && f.passesModes():
		return Likely, m.Path + " is mounted nodev, where devices cannot be opened"
	case f.errno == "EPERM" && f.is("mount mount_setattr") && f.ownUserNamespace() && (f.argument("MS_REMOUNT") || f.is("mount_setattr")):
		return Likely, "flags of a mount that the user namespace above made are locked (mount_namespaces(7))"
	}
	return RuledOut, "no mount's flags answer " + f.answer()
}

// hidden says which setting of a unit hides a path, if one does: who may pass the modes of
// directories finds it empty.
func (f *facts) hidden() string {
	if f.limits == nil || f.path == "" {
		return ""
	}
	p, ok := f.limits.ProtectedOf(f.path)
	passes, known := f.holds("CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH")
	if !ok || !p.Hidden || known && passes {
		return ""
	}
	return p.Path + " is hidden from the unit by " + p.By + ": a directory without permissions is mounted over it"
}

// readOnly says what makes a path read-only.
func (f *facts) readOnly(m container.Mount, on bool) string {
	if f.limits != nil && f.path != "" {
		if p, ok := f.limits.ProtectedOf(f.path); ok && p.ReadOnly {
			return p.Path + " is read-only for the unit by " + p.By + "; ReadWritePaths= in a drop-in (systemctl edit) with " + path.Dir(f.path) + ", if that is there, lifts it"
		}
		if p := container.Under(f.path, f.limits.ReadOnly); p != "" {
			return p + " is among the container's read-only paths"
		}
		if p := container.Under(f.path, f.limits.Masked); p != "" {
			return p + " is among the container's masked paths"
		}
		switch {
		case on && m.ReadOnly:
			return m.Path + " is mounted read-only"
		case !on && f.limits.ReadOnlyRoot:
			return "the container's root is read-only (docker run --read-only, readOnlyRootFilesystem)"
		}
	}
	if strings.HasPrefix(f.path, "/proc/sys/") || f.Attempt.Comm == "sysctl" {
		return "engines mount /proc/sys read-only in a container, whatever capabilities it has: docker run --sysctl NAME=VALUE (sysctls: of Compose, securityContext.sysctls of a pod) sets it from outside"
	}
	if strings.HasPrefix(f.path, "/sys/") {
		return "engines mount /sys and its cgroups read-only in a container that is not privileged (docker run --privileged, privileged: true of a pod); podman run --systemd=always leaves the container its own cgroups to write"
	}
	if f.limits == nil {
		return "the file system of " + f.target() + " is mounted read-only: by a unit's ProtectSystem= or ReadOnlyPaths=, a container's --read-only or readOnlyRootFilesystem, a volume's :ro, or on the host itself (`findmnt -T " + f.target() + "`)"
	}
	return "the file system of " + f.target() + " is mounted read-only"
}

// sticky are directories in which everybody can make files, where fs.protected_regular and
// its like refuse root, too.
var sticky = []string{"/tmp", "/var/tmp", "/dev/shm", "/run/lock"}

// ofMode judges modes, owners and attributes of files, and the owner of a process.
func ofMode(f *facts) (Standing, string) {
	switch {
	case f.errno == "EACCES" && f.aboutFile() && !(f.is("bind connect") && f.path == "" && !f.argument("AF_UNIX")):
		return f.ofFileMode()
	case f.errno == "EACCES" && f.call == "" && !f.passesModes():
		return Open, "the text does not say what was refused: strace -f shows it"
	case f.errno != "EPERM" || !f.is(ofOwners) && !f.is(opens):
		return RuledOut, "modes do not answer " + f.answer()
	case f.is(opens) && f.argument("O_NOATIME"):
		return Likely, "O_NOATIME is for the owner of the file"
	case f.is(opens) && f.readsOnly():
		return RuledOut, "modes do not answer EPERM to opening for reading"
	case f.is(opens) && IsDevice(f.path):
		return Unlikely, "modes do not answer EPERM to opening, and devices are seldom immutable"
	case f.is("open openat openat2") && f.Attempt.Args == nil:
		return Open, "an immutable or append-only file (lsattr), if it was opened to be written, which the text does not say"
	case f.is(opens):
		return Likely, "an immutable or append-only file (lsattr), which root cannot write either"
	case f.uid > 0:
		return Likely, fmt.Sprintf("user %d is not the owner, or the file is immutable (lsattr)", f.uid)
	}
	if holds, known := f.holds("CAP_FOWNER", "CAP_CHOWN", "CAP_KILL"); known && holds && f.path != "" && !f.asksAndLacks() {
		return Likely, "an immutable or append-only file (lsattr), which root cannot change either"
	}
	return Unlikely, "another user's, or an immutable file"
}

// readsOnly reports whether a file was opened for reading, as far as the arguments say.
func (f *facts) readsOnly() bool { return f.argument("O_RDONLY") && !f.argument("O_TRUNC") }

// ofFileMode judges EACCES to what is done to a file.
func (f *facts) ofFileMode() (Standing, string) {
	if f.is("bind") && !f.argument("AF_UNIX") && f.path == "" {
		return RuledOut, "the address is no file"
	}
	switch passes := f.passesModes(); {
	case passes && f.is(maps):
		return RuledOut, "modes are not asked about mapping"
	case passes && f.executing():
		return Likely, "no x bit: without any, root may not execute a file either"
	case passes && container.Under(f.path, sticky) != "" && f.argument("O_CREAT"):
		return Likely, "another's file in a directory for all: fs.protected_regular refuses root, too"
	case passes:
		return RuledOut, "with CAP_DAC_OVERRIDE modes count nothing"
	case f.uid == 0 && f.limits != nil && !f.executing() && !f.ownUserNamespace():
		return Unlikely, "root passes modes with CAP_DAC_OVERRIDE, which is what it lacks"
	case f.uid > 0:
		return Likely, fmt.Sprintf("user %d, by the mode and owner of %s or of a directory on the way", f.uid, f.target())
	case f.executing():
		return Likely, "the file has no x bit, or a directory on the way is another's"
	}
	return Likely, "the mode and owner of " + f.target() + ", or of a directory on the way"
}

// usualDevices are those that runtimes permit every container (OCI runtime
// specification, "Default Devices", and runc's AllowedDevices).
var usualDevices = []string{"/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty", "/dev/console", "/dev/ptmx", "/dev/pts", "/dev/shm", "/dev/mqueue", "/dev/hugepages",
	"/dev/fd", "/dev/stdin", "/dev/stdout", "/dev/stderr", "/dev/log"} // the last is a socket

// IsDevice reports whether a path is of a device that not every container has.
func IsDevice(name string) bool {
	return strings.HasPrefix(name, "/dev/") && container.Under(name, usualDevices) == ""
}

// ofDevices judges the device cgroup, which answers EPERM (devcgroup_check_permission()).
func ofDevices(f *facts) (Standing, string) {
	opened := f.is(opens) || f.call == "" && f.path != ""
	makes := f.is("mknod mknodat") && (f.argument("S_IFCHR") || f.argument("S_IFBLK")) && !f.argument("makedev(0, 0)") // the whiteout of an overlay
	switch {
	case f.errno != "EPERM" || !opened && !makes:
		return RuledOut, "it does not answer " + f.answer()
	case opened && !IsDevice(f.path):
		return RuledOut, f.target() + " is no device that it refuses"
	case f.limits == nil || f.limits.Devices == nil && !f.limits.AllDevices:
		return Likely, "which devices are permitted is not known: docker inspect and config.json have them"
	case f.limits.AllDevices:
		return RuledOut, "all devices are permitted"
	case slices.Contains(f.limits.Devices, f.path):
		return Unlikely, f.path + " was given to the container, perhaps not for this"
	case makes:
		return Likely, "runtimes permit to make devices, unless the container's own rules do not"
	}
	return Refused, f.path + " is not among the container's devices (docker run --device, a device plugin)"
}

// gainers are programs that are another user's when they are executed, by their mode, or
// gain capabilities.
var gainers = strings.Fields("su sudo doas mount umount newuidmap newgidmap passwd chsh chfn newgrp gpasswd chage expiry pkexec ping fusermount fusermount3 bwrap unix_chkpwd at crontab ssh-keysign")

// ofNoNewPrivs judges no_new_privs, under which such programs gain nothing.
func ofNoNewPrivs(f *facts) (Standing, string) {
	gains := slices.Contains(gainers, f.Attempt.Comm)
	says := f.Attempt.Layer == string(NoNewPrivs)
	switch {
	case f.errno != "EPERM" && f.errno != "EACCES" && !says:
		return RuledOut, "it does not answer " + f.answer()
	case f.Seccomp.Refuses || f.AppArmor.Refuses:
		return RuledOut, "a policy refuses it whatever the process gained"
	case f.noNewPrivs() && says:
		return Refused, "no_new_privs is set, so setuid programs gain nothing, as the text says"
	case f.noNewPrivs() && gains && f.uid > 0 && (f.asks || f.aboutFile()):
		return Refused, f.Attempt.Comm + " is setuid or has capabilities, which count nothing, as no_new_privs is set (allowPrivilegeEscalation: false, --security-opt no-new-privileges)"
	case says:
		return Likely, "the text says that a setuid program gained nothing: no_new_privs, or a file system that is mounted nosuid"
	case f.limits != nil && !f.noNewPrivs():
		return RuledOut, "it is not set"
	case f.noNewPrivs():
		return RuledOut, "it is set, and counts only when a program is executed that would gain something"
	}
	return Unlikely, "nothing tells of it: NoNewPrivs in /proc/PID/status"
}

// ofUserNamespace judges the limits of user namespaces, and what counts only in the
// first one.
func ofUserNamespace(f *facts) (Standing, string) {
	makes := f.is("unshare clone clone3") && f.argument("CLONE_NEWUSER") || f.is("unshare") && (f.Attempt.Args == nil || f.argument("?"))
	writesMap := f.call == "write" && (strings.HasSuffix(f.path, "/uid_map") || strings.HasSuffix(f.path, "/gid_map") || strings.HasSuffix(f.path, "/setgroups"))
	switch {
	case f.errno == "ENOSPC" && f.is("unshare clone clone3"):
		return Refused, "a limit of namespaces was reached: /proc/sys/user/max_*_namespaces"
	case f.errno == "EINVAL" && f.is("setuid setgid setresuid setresgid"):
		return Refused, "the user namespace has no such ID: it is not in its mapping"
	case f.errno == "EPERM" && writesMap:
		return Refused, "the kernel did not take the mapping of IDs: one line of one's own ID, or CAP_SETUID and CAP_SETGID in the namespace above (user_namespaces(7))"
	case f.errno == "EPERM" && f.asks && !f.needs.Maybe && f.needs.Host && f.ownUserNamespace():
		return Refused, fmt.Sprintf("%s counts only in the host's user namespace for this, and the process is in another", f.needs.Caps[0])
	case f.errno == "EPERM" && f.self.UserNamespace && f.is("setgroups"):
		return Refused, "setgroups is denied in a user namespace that was made without privilege (/proc/PID/setgroups)"
	case f.errno == "EPERM" && f.self.UserNamespace && f.is("mount fsmount") && !f.argument("MS_REMOUNT"):
		return Likely, "this file system, or this mount, is not for user namespaces other than the host's"
	case f.errno == "EPERM" && makes:
		return Likely, "the host may not let it: kernel.unprivileged_userns_clone, user.max_user_namespaces, kernel.apparmor_restrict_unprivileged_userns; nor may a process in a chroot, or one whose IDs are not mapped"
	case f.Attempt.Layer == string(UserNamespace):
		return Likely, "the mapping of its IDs was refused, as the text says"
	}
	return RuledOut, "it does not answer " + f.answer()
}

// asksAndLacks reports whether the kernel asks for a capability that the process is known
// not to hold.
func (f *facts) asksAndLacks() bool {
	holds, known := f.holds(f.needs.Caps...)
	return f.asks && known && !holds
}

// ofCapability judges what the kernel asks for.
func ofCapability(f *facts) (Standing, string) {
	if standing, why, decided := f.modeNeedsCapability(); decided {
		return standing, why
	}
	names := strings.Join(f.needs.Caps, " or ")
	holds, known := f.holds(f.needs.Caps...)
	switch {
	case f.errno == "EPERM" && f.mayExecute() && f.boundsNothing():
		return RuledOut, "the bounding set lacks no capability that the file may have"
	case f.errno == "EPERM" && f.mayExecute() && f.Container.Caps != nil:
		return Likely, "the file may have capabilities that the container's bounding set lacks (getcap): that answers EPERM"
	case f.errno == "EPERM" && f.mayExecute():
		return Open, "the file may have capabilities that the container's bounding set lacks (getcap): that answers EPERM"
	case f.errno != "EPERM" && !(f.errno == "EACCES" && f.is("bind perf_event_open setpriority seccomp")):
		return RuledOut, "a missing capability does not answer " + f.answer()
	case !f.asks && f.call == "" && f.path == "":
		return Open, "the text does not say which call it was"
	case !f.asks:
		return RuledOut, "the kernel asks for none"
	case f.is("mlock mlock2 mlockall"):
		return RuledOut, "it is the limit that refuses, and only with " + names + " none counts"
	case known && holds:
		return RuledOut, "the process holds " + names
	case f.is(ofOwners) && f.uid > 0:
		return RuledOut, "the owner needs none"
	case known && f.noNewPrivs() && f.uid > 0 && slices.Contains(gainers, f.Attempt.Comm):
		return RuledOut, "the program would hold " + names + ", but for no_new_privs"
	case known && f.needs.Unless == "" && f.is(ofProcesses):
		return Likely, "it needs " + names + " unless the process acts on one of its own user's"
	case known && (f.needs.Maybe || f.is("ptrace process_vm_readv process_vm_writev kcmp pidfd_getfd")):
		return Likely, "it needs " + names + " unless " + f.needs.Unless
	case known:
		return Refused, "it needs " + names + ", and the process does not hold it"
	case f.needs.Unless != "":
		return Open, "it needs " + names + " unless " + f.needs.Unless + "; whether the process holds it is not known (CapEff in /proc/PID/status)"
	}
	return Open, "it needs " + names + "; whether the process holds it is not known: name the container with --inventory, or /proc/PID/status"
}

// ofPrograms are capabilities that files of programs have in distributions.
var ofPrograms = []string{"CAP_NET_RAW", "CAP_NET_ADMIN", "CAP_NET_BIND_SERVICE", "CAP_SYS_NICE", "CAP_SYS_ADMIN", "CAP_SYS_PTRACE", "CAP_SETUID", "CAP_SETGID", "CAP_IPC_LOCK", "CAP_PERFMON", "CAP_BPF"}

// boundsNothing reports whether the bounding set holds whatever a file may have.
func (f *facts) boundsNothing() bool {
	return f.Container.Caps != nil && allIn(ofPrograms, f.Container.Caps)
}

// modeNeedsCapability judges root without what it passes modes by.
func (f *facts) modeNeedsCapability() (s Standing, why string, decided bool) {
	if f.errno != "EACCES" || !f.aboutFile() || f.is("bind") || f.executing() {
		return s, "", false
	}
	holds, known := f.holds("CAP_DAC_OVERRIDE")
	if f.uid != 0 || !known || holds {
		return s, "", false
	}
	return Likely, "root passes the modes of others' files only with CAP_DAC_OVERRIDE, which the process does not hold", true
}
