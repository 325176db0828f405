package silent

import (
	"fmt"
	"slices"
	"strings"

	"github.com/whydenied/whydenied/explain/access"
	"github.com/whydenied/whydenied/explain/container"
	"github.com/whydenied/whydenied/explain/layer"
	"github.com/whydenied/whydenied/parser"
	"github.com/whydenied/whydenied/rules"
	"github.com/whydenied/whydenied/rules/seccomp"
	"github.com/whydenied/whydenied/rules/shell"
)

// suspects are the calls that an attempt can have been, the likeliest first.
func suspects(a *parser.Attempt) []parser.Tried {
	if a.Syscall == "" {
		return nil
	}
	return append([]parser.Tried{{Syscall: a.Syscall, Args: a.Args}}, a.Or...)
}

// suspect puts the calls that a message can be of in words: "clone3, or clone". A call
// that strace shows needs no words; to one that a message names belong those that libraries
// make in its place.
func suspect(a *parser.Attempt) string {
	if a.Origin.Transport == parser.StraceOutput {
		return ""
	}
	var names []string
	for _, tried := range suspects(a) {
		name := tried.Syscall
		if known := strings.Join(tried.Args, ", "); strings.Trim(known, "?, ") != "" {
			name += "(" + known + ")"
		}
		names = append(names, name)
	}
	if a.Args == nil && a.Or == nil {
		names = append(names, twins[a.Syscall]...)
	}
	return strings.Join(names, ", or ")
}

// engines are those whose default filters are asked where no profile is known.
// Podman takes its from containers-common.
var engines = []string{"docker", "containerd", "containers-common", "cri-o"}

// byDefault says which engines' default filters answer to a call as it was answered,
// with the default capabilities; "" if none does.
func byDefault(a *parser.Attempt, arch seccomp.Arch) string {
	for _, tried := range suspects(a) {
		if _, has := seccomp.SyscallNumber(arch, tried.Syscall); !has {
			continue // a profile that names it says nothing of an architecture without it
		}
		asked := *a
		asked.Syscall, asked.Args = tried.Syscall, tried.Args
		call := seccomp.Call{
			Arch: arch, Name: tried.Syscall, Args: access.Arguments(&asked, arch), Caps: container.DefaultCaps(),
			Kernel: "6.12", Loader: seccomp.Loader{Runtime: seccomp.Runc, Version: "1.3.0", Libseccomp: "2.6.0"},
		}
		var those []string
		mended := true // in other releases
		which := ""
		for _, engine := range engines {
			names, all, some := refusing(engine, call, a.Errno)
			if names == "" {
				continue
			}
			those, mended = append(those, names), mended && !all
			if some {
				which = " with some arguments"
			}
		}
		if len(those) == 0 {
			continue
		}
		text := fmt.Sprintf("%s%s is answered so by the default filter of %s", tried.Syscall, which, strings.Join(those, ", "))
		if older, _, ok := seccomp.Fallback(tried.Syscall); ok && mended && a.Errno == "EPERM" {
			text += ": update to a release that answers ENOSYS, on which programs turn to " + older
		}
		return text
	}
	return ""
}

// refusing names the releases of an engine whose default filter can answer an errno to a
// call, "" if there are none; whether these are all, and whether some arguments alone are
// answered so.
func refusing(engine string, call seccomp.Call, errno string) (names string, all, some bool) {
	releases, ok := rules.FindReleases(engine, "")
	if !ok {
		return "", false, false
	}
	texts, _ := releases.Texts(func(r rules.Release) string { return r.Seccomp })
	var those []rules.ReleaseText
	all = true
	for _, text := range texts {
		if text.Later() {
			continue
		}
		profile, _, _ := seccomp.Builtin(engine, text.First())
		if d := profile.Decide(call); answersSo(d, errno) {
			those, some = append(those, text), some || d.Undecidable && access.OnlyCaps(d) == ""
		} else {
			all = false
		}
	}
	switch {
	case len(those) == 0:
		return "", false, false
	case all:
		return rules.EngineTitles[releases.Engine] + " (every release known here)", true, some
	}
	return rules.ReleaseNames(those...), false, some
}

// answersSo reports whether a decision can be an errno.
func answersSo(d seccomp.Decision, errno string) bool {
	for _, o := range append([]seccomp.Outcome{d.Outcome}, d.Whens...) {
		if o.Action == seccomp.Errno && seccomp.ErrnoName(o.Errno) == errno {
			return true
		}
	}
	return false
}

// otherReasons says why something fails that no known policy refuses: what the text says
// by itself, and what follows from the error. A filter of the engines answers EPERM;
// AppArmor answers EACCES, but EPERM where a capability is missing.
func otherReasons(a *parser.Attempt) string {
	switch {
	case a.Hint != "":
		return a.Hint
	case a.Errno == "ENOSYS":
		return "the kernel does not have this system call, or a filter of the program's own answers so"
	case a.Errno == "EAFNOSUPPORT":
		return "RestrictAddressFamilies= of a unit (`systemctl cat UNIT`, given as --inventory, tells); else the kernel was built without this family of addresses, its module is not there, or it is turned off (ipv6.disable=1)"
	case a.Errno == "SIGSYS":
		return "a filter that no engine has by default, such as one that the program installed itself"
	case a.Errno == "ENOEXEC":
		return "the file is no program for this machine's architecture, or a script without #!"
	case a.Errno == "EROFS":
		return "the file system is mounted read-only: docker run --read-only, readOnlyRootFilesystem, or a volume with ro"
	case a.Errno == "EPERM":
		return ofPermission(a)
	case a.First:
		return "the file has no x bit, or is on a file system that is mounted noexec; AppArmor is not asked about a container's first program, which the runtime starts unconfined, nor about the interpreter of a script"
	case strings.HasPrefix(a.Syscall, "exec") && slices.ContainsFunc(a.Or, func(t parser.Tried) bool { return t.Syscall == "openat" }):
		return "the file has no x bit, or is on a file system that is mounted noexec; or, where the shell was to redirect to it (> FILE), the mode and owner of it or of its directory"
	case strings.HasPrefix(a.Syscall, "exec"):
		return "the file has no x bit, or is on a file system that is mounted noexec"
	case layer.IsDevice(a.Path):
		return "the mode and group of the device's node (`ls -l " + shell.Quote(a.Path) + "`): a container's user needs that group by its number (docker run --group-add GID, supplementalGroups of a pod; rootless Podman --group-add keep-groups), and in a user namespace that does not have it, it counts nothing"
	case a.Syscall == "socket":
		return "an ICMP socket of a group that net.ipv4.ping_group_range does not have (ping, fping without CAP_NET_RAW); else the text does not tell: strace -f shows socket with its arguments"
	case a.Syscall == "bind" && a.Path == "" && !isOfFileSocket(a):
		return "ports below net.ipv4.ip_unprivileged_port_start need CAP_NET_BIND_SERVICE"
	case a.Syscall == "setpriority":
		return "the kernel asks for CAP_SYS_NICE where the priority becomes higher than RLIMIT_NICE permits"
	case a.Syscall != "" && a.Path == "" && !layer.IsOfFile(a.Syscall):
		return "the text does not tell: strace -f shows " + a.Syscall + " with its arguments"
	}
	return ofModes
}

// orProfile puts an AppArmor profile, of which nothing is known, beside the other reasons for EACCES. Those of
// engines refuse nothing of ordinary files, so that there it comes last, where no other is in force.
func orProfile(a *parser.Attempt, why string) string {
	const logged = "its refusals are in the log, but for those by deny rules"
	isKernels := strings.HasPrefix(a.Path, "/proc/") || strings.HasPrefix(a.Path, "/sys/")
	if (a.Path == "" && !layer.IsOfFile(a.Syscall) && a.Syscall != "") || isKernels {
		return "an AppArmor profile, which is not known here: " + logged + "; else " + why
	}
	return why + "; or an AppArmor profile of the program's or the container's own (the defaults of engines do not refuse this): " + logged
}

// ofModes is why who is not root is refused a file.
const ofModes = "the mode and owner of the file, or of a directory on the way to it"

// otherFilter are those that no engine loads by itself.
const otherFilter = "a filter that no engine has by default (--security-opt seccomp=FILE, localhostProfile of a pod, SystemCallFilter= of a unit, the program's own)"

// needsNothing are calls of which the kernel itself does not say EPERM, whoever makes
// them: a filter does, or it is off by a sysctl.
var needsNothing = strings.Fields("clone3 fork vfork statx fstatfs faccessat faccessat2 getrandom memfd_create inotify_init1 inotify_init inotify_add_watch close_range " +
	"openat2 io_uring_setup copy_file_range membarrier rseq landlock_create_ruleset epoll_create1 eventfd2 timerfd_create signalfd4 newfstatat stat lstat")

// writes are calls that write to what is open already, of which modes are not asked any more.
var writes = strings.Fields("write writev pwrite64 pwritev pwritev2 ftruncate fallocate fsync fdatasync")

// tooOld says that an engine's filter answers so where the libseccomp that made it does not know the call; ""
// of a call that every version knows.
func tooOld(call string) string {
	since, _ := seccomp.LibseccompFor(seccomp.Call{Arch: seccomp.X86_64, Name: call})
	if since == "" {
		return ""
	}
	return "an engine's own filter where the host's libseccomp is older than " + since + ", which does not know " + call + " (update libseccomp and the engine); or "
}

// isOfFileSocket reports whether a socket that was bound or connected is a file's.
func isOfFileSocket(a *parser.Attempt) bool {
	return (a.Syscall == "bind" || a.Syscall == "connect") && (a.Path != "" || strings.Contains(strings.Join(a.Args, " "), "AF_UNIX"))
}

// ofPermission says why a call answers EPERM.
func ofPermission(a *parser.Attempt) string {
	if a.First {
		return "the program's file has capabilities (getcap) that the container's bounding set lacks, as with cap_drop: ALL; or a filter refuses faccessat2 and faccessat, by which runc looks whether it may execute the program; or no-new-privileges with an engine that AppArmor confines itself (Docker as a snap), as the program may not change to the container's profile then; a missing x bit is EACCES"
	}
	if layer.IsPlainClone(a) || slices.Contains(needsNothing, a.Syscall) {
		return tooOld(a.Syscall) + otherFilter + ", as the kernel does not answer EPERM to this call by itself, but for what a sysctl turns off"
	}
	if a.Syscall == "bind" && isOfFileSocket(a) {
		return "the file system of the path keeps no sockets (a folder shared with a virtual machine, as of Vagrant; CIFS, some FUSE): put the socket below /run; or " + otherFilter
	}
	if a.Syscall == "link" || a.Syscall == "linkat" {
		return "the file system has no hard links (FAT, a folder shared with a virtual machine or with Windows), the file is another user's (fs.protected_hardlinks) or immutable; or " + otherFilter
	}
	p, asks := access.Privilege(a, seccomp.X86_64)
	needed := access.Capability(a)
	switch {
	case asks && p.Unless != "" && needed != "":
		return fmt.Sprintf("the kernel asks for %s unless %s; or %s", strings.Join(p.Caps, " or "), p.Unless, otherFilter)
	case needed != "" && layer.IsOfOwner(a.Syscall) && layer.IsOfFile(a.Syscall):
		return "the process lacks CAP_" + strings.ToUpper(needed) + ", or what it acts on is another user's, or of a file system that lets not even root do it (NFS with root_squash, CIFS, FAT)"
	case needed != "" && layer.IsOfOwner(a.Syscall):
		return "the process lacks CAP_" + strings.ToUpper(needed) + ", or what it acts on is another user's"
	case a.Syscall == "bpf":
		return "the process lacks CAP_BPF (before Linux 5.8 CAP_SYS_ADMIN), or for tracing CAP_PERFMON; or the kernel's lockdown (Secure Boot: `cat /sys/kernel/security/lockdown`), which no capability lifts; or " + otherFilter
	case needed != "":
		return "the process lacks CAP_" + strings.ToUpper(needed) + "; or " + otherFilter
	case layer.IsDevice(a.Path):
		return "the container's device cgroup does not permit the device (docker run --device, a device plugin); or " + otherFilter
	case strings.HasPrefix(a.Syscall, "exec"):
		return "the file has capabilities (getcap) that the container's bounding set lacks, as with cap_drop: ALL; or " + otherFilter + "; a missing x bit is EACCES"
	case a.Syscall == "":
		return "the text does not say which system call it was: strace -f shows it"
	case slices.Contains(writes, a.Syscall) || a.Syscall == "getcwd":
		return "a file system that answers so itself (FUSE, virtiofs or 9p of a virtual machine, a network's); or " + otherFilter
	case a.Syscall == "mmap":
		return "locked memory beyond RLIMIT_MEMLOCK without CAP_IPC_LOCK (MAP_LOCKED, a ring of perf events), code of a file system mounted noexec, or an address below vm.mmap_min_addr; or " + otherFilter
	case layer.IsOfOwner(a.Syscall) || layer.IsOfFile(a.Syscall):
		return "the state of what it acts on (an immutable file, another user's file or process); or " + otherFilter
	}
	return otherFilter
}
