package message

// A hint is what a text says by itself and what to do, and the layer of the kernel that it
// names, as explain/layer has them, if it names one.
type hint struct{ layer, says string }

// hints are those of the texts, by their names in messages.tsv.
var hints = map[string]hint{
	"threads": {"", "a thread could not be started: the filter answers EPERM to clone3, on which glibc 2.34 and later do not turn to clone as they do on ENOSYS; or a limit was reached: --pids-limit or the pod's, ulimit -u, memory"},
	"exec":    {"", "execve(2) answers EPERM where a filter does, where the file has capabilities that the container's bounding set lacks, or where a tracer or no_new_privs forbids them; a missing x bit and noexec are EACCES"},
	"namespaces": {"", "it is about namespaces: default profiles allow clone and unshare with namespace flags only with CAP_SYS_ADMIN; " +
		"where no filter refuses it, the host may: kernel.unprivileged_userns_clone, user.max_user_namespaces, or kernel.apparmor_restrict_unprivileged_userns (Ubuntu 23.10 and later), under which the program needs an AppArmor profile with `userns,`"},
	"idmap": {"user-namespace", "the user namespace was made, and its ID map was refused: newuidmap without its setuid bit or file capability (or with no_new_privs), " +
		"no range in /etc/subuid and /etc/subgid, CAP_SETUID and CAP_SETGID dropped, or IDs that the namespace outside does not have; on Ubuntu 23.10 and later also kernel.apparmor_restrict_unprivileged_userns"},
	"whole-proc": {"", "in a user namespace the kernel mounts procfs and sysfs only where one is visible whole already, whatever the policies permit, and engines hide parts of /proc and /sys from a container; sysfs needs a network namespace of its own besides. " +
		"Show them whole to the outer container: podman run --security-opt unmask=ALL, docker run --security-opt systempaths=unconfined, procMount: Unmasked of a pod; nesting of LXC, LXD and Incus. The log of the kernel has `VFS: Mount too revealing`; what refuses mount itself comes before that"},
	"mount":              {"", "mount(2) needs CAP_SYS_ADMIN, in the filter's condition and in the kernel, and default AppArmor profiles deny it besides: that answers EACCES, the other two EPERM"},
	"no-user-namespaces": {"user-namespace", "the host permits no user namespace: user.max_user_namespaces is 0 (`sudo sysctl user.max_user_namespaces=15000`); no policy refused it"},
	"not-root":           {"none", "no layer of the kernel: mount(8) itself refuses who is not root (of another user that started it set-user-ID): run it as root"},
	"perf":               {"", "besides the filter the kernel asks for CAP_PERFMON above what kernel.perf_event_paranoid permits: that answers EACCES, the filter EPERM"},
	"coreclr":            {"", ".NET did not start, and does not say of what: a filter that answers EPERM to clone3 (0x80070008, with Docker before 20.10.10), or refuses sched_setaffinity, as that of a snap without the interface process-control; want of memory; or files in /tmp that may not be made or mapped. COREHOST_TRACE=1 and strace -f tell more"},
	"code-memory":        {"", "memory that code is put into was refused: MemoryDenyWriteExecute= of a unit, SELinux (execmem) and hardened kernels do that, and a file system that is mounted noexec where the memory is of a file"},
	"dmesg":              {"", "kernel.dmesg_restrict asks for CAP_SYSLOG; the filter's default profiles have a condition on that capability, too"},
	"ids":                {"", "changing IDs needs CAP_SETUID and CAP_SETGID: it is not held where the program does not run as root or the container drops it (--cap-drop ALL)"},
	"device":             {"", "the device cgroup of the container does not permit the device, or its node's mode does not: docker run --device, a device plugin; neither filter nor profile is the likeliest"},
	"qemu-file":          {"", "QEMU has the user of the hypervisor, and under libvirt the AppArmor profile libvirt-UUID of its machine, which is made of what the machine's XML names and of the images that those stand on: `sudo journalctl -k | grep libvirt-` has a record of it; else that user may not read the file, or search a directory above it"},
	"signal":             {"", "signals are refused with EACCES by security modules alone, and the profile of the container names whom it takes them from. Since AppArmor 4.0 (Ubuntu 23.10 and later) runc, crun, podman and rootlesskit have profiles of their own, which defaults of older engines do not name: update the engine; the kernel's log has the record"},
	"docker-socket":      {"file-mode", "the user may not write to the engine's socket, which belongs to root and the group docker: run it with sudo, or add the user to the group (`sudo usermod -aG docker USER`, which is as good as root) and log in anew; no policy refused it"},
	"namespace-file":     {"", "to open a namespace of another process asks who may look into that: CAP_SYS_PTRACE (docker run --cap-add SYS_PTRACE), kernel.yama.ptrace_scope, or a rule for ptrace of the AppArmor profile"},
	"setcap":             {"", "setting file capabilities needs CAP_SETFCAP, and in a user namespace the right version of them"},
	"net-admin":          {"capability", "the kernel answers so to a netlink or netfilter request without CAP_NET_ADMIN (docker run --cap-add NET_ADMIN): no call was refused, so it was hardly a filter"},
	"forced-buffer":      {"capability", "a buffer above the limits of net.core.rmem_max and wmem_max needs CAP_NET_ADMIN (docker run --cap-add NET_ADMIN, AmbientCapabilities= of a unit): raise the limits, or leave it, as programs go on with a smaller one"},
	"no-new-privs":       {"no-new-privs", "no_new_privs is set, or the file system is mounted nosuid: setuid programs gain nothing (docker run --security-opt no-new-privileges, allowPrivilegeEscalation: false); neither filter nor profile did it"},
	"time64": {"", "on 32-bit systems newer C libraries use the calls with 64-bit times, and a filter made by libseccomp before 2.4.2, or a profile that does not name them, answers EPERM: " +
		"update libseccomp on the host (2.5.1 or later) and the engine; the signature is fine"},
	"own-filter": {"", "the program has a filter of its own, which says so: its sandbox does not know a call that a newer C library or kernel makes. Update the program; the container's profile does not change its answer"},
	"sigsys": {"", "SIGSYS ended the process, as a seccomp filter that kills or traps does: the container's, the unit's SystemCallFilter=, or one that the program installed itself, such as a browser's sandbox; " +
		"default profiles of engines answer with an errno and do not do this"},

	"seccomp-rule": {"seccomp", "the profile was not loaded: libseccomp did not take the rule of that call. Either the rule's action is the default action (old libseccomp refuses that), it has a condition that libseccomp cannot express, or the name is not known there: `whydenied check PROFILE` says which"},
	"seccomp-524":  {"seccomp", "the filter was not loaded: errno 524 is ENOTSUPP, the kernel had no memory left for the JIT of filters. Raise net.core.bpf_jit_limit (it counts all filters of the host), or end what leaks them; the profile is not at fault"},
	"seccomp-load": {"seccomp", "the filter was not loaded, so the program was not started: the kernel or libseccomp refused it. EINVAL: a flag or action that this kernel does not have; EACCES: neither no_new_privs nor CAP_SYS_ADMIN; ENOMEM: the filter is too long. " +
		"`whydenied check PROFILE` says what loaders refuse"},
	"seccomp-library": {"seccomp", "the filter was not loaded: runc was built for a newer libseccomp than the one it found, which does not know that flag. Update libseccomp on the host, or take a runc that was built for it; the profile is not at fault"},
	"loads-filter":    {"", "the program loads a filter of its own, and could not: the kernel has no CONFIG_SECCOMP_FILTER (as of some NAS), an emulator of another architecture has no seccomp(2), or the container's filter refuses seccomp and prctl. Nothing else was refused"},
	"init-ended":      {"", "the runtime's own process in the container ended before it executed the program. The filter is in force by then: a profile of one's own must allow what the runtime still does (read, write, close, futex, fstat, execve, exit_group and others), which `whydenied check PROFILE` says; else memory ran out"},
	"seccomp-json":    {"seccomp", "the profile was not loaded: its text is not what the engine reads. `whydenied check PROFILE` names the place"},
	"seccomp-file":    {"seccomp", "the profile was not loaded: its file was not there to be read. docker reads it where the client runs; a kubelet on the node, below /var/lib/kubelet/seccomp, on every node that the pod can come to"},
	"seccomp-off":     {"seccomp", "the profile was not loaded: the runtime was built without libseccomp, or the kernel has no CONFIG_SECCOMP_FILTER. `runc features` and `whydenied doctor` say which"},

	"apparmor-not-loaded": {"apparmor", "the container was not started, as its AppArmor profile is not loaded in the kernel (of this host, or of the AppArmor namespace it runs in). `sudo aa-status` lists those that are; load it with `sudo apparmor_parser -r FILE`, on every node that the pod can come to"},
	"apparmor-unit":       {"apparmor", "the unit was not started, as the profile of its AppArmorProfile= could not be entered: most often it is not loaded in the kernel. `sudo aa-status` lists those that are; load it with `sudo apparmor_parser -r FILE`. AppArmorProfile=-NAME in a drop-in starts the unit without it"},
	"apparmor-confined":   {"apparmor", "the container was not started, as the runtime may not change to its AppArmor profile: the runtime is confined itself (snap, LXC, Docker in Docker) and its own profile has no change_profile rule for it, or /proc/self/attr is masked or read-only there"},
	"apparmor-off":        {"apparmor", "the container was not started, as a profile is asked for and AppArmor is off on this host, or the runtime was built without it: /sys/module/apparmor/parameters/enabled says Y where it is on. Name no profile, or start the kernel with lsm=...,apparmor"},
	"apparmor-parser":     {"apparmor", "the profile was not loaded: apparmor_parser refused it, or the kernel did. Run `sudo apparmor_parser -r FILE` by hand, and `whydenied check FILE`, which names the place"},
	"apparmor-features":   {"apparmor", "the profile was not loaded: the kernel's AppArmor does not know what the policy is compiled for, as where a vendor's or an older kernel runs below a newer distribution. Update the kernel, or compile for its features (features-file or policy-features in /etc/apparmor/parser.conf)"},
	"apparmor-nested":     {"apparmor", "the engine may not see AppArmor's policy, as one that runs in a container itself: nesting gives that a policy of its own (security.nesting=true of LXD and Incus, features: nesting=1 of Proxmox), with a kernel that has policy namespaces"},
	"apparmor-no-parser":  {"apparmor", "the profile was not loaded: the engine runs apparmor_parser for that, which is not installed or not in its PATH (package apparmor, apparmor-parser). Install it, or turn the engine's use of AppArmor off where the host has none"},
	"apparmor-unnamed":    {"apparmor", "the container was not started: it is to run under a profile of the node (localhost/, localhostProfile), and the name of that is empty. Name a profile that is loaded on each node, or ask for RuntimeDefault or Unconfined: appArmorProfile of the pod, or its older annotation, which may stand there besides"},
	"apparmor-admin":      {"apparmor", "the profile was not loaded: loading needs CAP_MAC_ADMIN in the namespace that owns AppArmor's policy, which neither a container has nor who is confined by a profile without `capability mac_admin,`: load it on the host, unconfined"},
	"detached-proc": {"apparmor", "runc 1.2.8, 1.3.3 and later open /proc/sys by a detached mount of procfs, which the AppArmor profile of a container around (LXC, Proxmox, Incus, LXD) sees as /sys and denies: update Incus to 6.19 or Proxmox' lxc-pve to 6.0.5-2; " +
		"no rule in the inner container helps (incident runc-in-lxc in `whydenied help known.md`)"},
	"selinux-label":     {"selinux", "the runtime may not give the container its SELinux label, as one that runs in a container itself: `ausearch -m AVC` on the host has what was refused"},
	"runtime":           {"", "the runtime does this before it loads the container's filter and enters its profile, so that neither refused it; what did is of where the runtime runs: a container around it (Docker in Docker, LXC) with its filter, its profile and its masked /proc, rootless, or a unit of systemd"},
	"cgroup":            {"file-mode", "the runtime may not make or change the container's cgroup: rootless without delegation (Delegate=yes of the user's service, cgroup v2), or /sys/fs/cgroup is read-only in a container around it; no policy of the container is asked"},
	"unmapped":          {"user-namespace", "the container's user is none of those that its user namespace has: its ID is not in the map (/etc/subuid and /etc/subgid, userns-remap, idmap of LXC): use a smaller ID, or map more"},
	"key-quota":         {"", "no policy refused it: the user has as many keys as kernel.keys.maxkeys and kernel.keys.maxbytes permit, and each container takes one of its user (/proc/key-users counts them): raise these"},
	"unit-capabilities": {"capability", "systemd could not set the capabilities of the unit: it asks for ones (AmbientCapabilities=, CapabilityBoundingSet=) that systemd itself does not hold, as in a container that drops them"},
	"non-root":          {"none", "no layer of the kernel: the pod asks for runAsNonRoot, and its image is to run as root or as a user without a number. Set securityContext.runAsUser, or a number as USER of the image"},
	"locked-memory":     {"limits", "memory could not be locked: the program lacks CAP_IPC_LOCK (docker run --cap-add IPC_LOCK), and RLIMIT_MEMLOCK is lower than what it wants (--ulimit memlock=-1); or it turns that off itself (disable_mlock, bootstrap.memory_lock)"},

	"kubelet-create": {"", "the kubelet could not have the container created: the policy may be the reason, and the event's own text says it (kubectl describe pod): profiles that are not loaded, or files that are not on the node"},
}
