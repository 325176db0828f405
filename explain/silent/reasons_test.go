package silent

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/whydenied/whydenied/explain"
	"github.com/whydenied/whydenied/explain/container"
	"github.com/whydenied/whydenied/explain/layer"
	"github.com/whydenied/whydenied/explain/library"
	"github.com/whydenied/whydenied/explain/message"
	"github.com/whydenied/whydenied/parser"
	"github.com/whydenied/whydenied/rules/seccomp"
)

// said judges lines of which no policy is known.
func said(t *testing.T, lines string) []Unexplained {
	t.Helper()
	attempts := NewAttempts(library.New(t.TempDir(), nil), Target{}, explain.NewGroup(nil, explain.Filter{}))
	for line := range strings.Lines(lines) {
		if a, ok := message.Read(parser.Origin{File: "f", Line: 1}, line, seccomp.X86_64); ok {
			attempts.Add(a)
		}
	}
	return attempts.Unexplained
}

const namespaces = "clone(flags=CLONE_NEWUSER)"

// texts are as real programs print them, with the suspect and a part of the reasons where
// no policy is known.
var texts = []struct{ text, suspect, why string }{
	{"runtime/cgo: pthread_create failed: Operation not permitted", "clone3", "Docker 20.10.0 to 20.10.9"},
	{"runtime/cgo: pthread_create failed: Operation not permitted", "clone3", "update to a release that answers ENOSYS, on which programs turn to clone"},
	{"libc++abi: terminating due to uncaught exception of type std::__1::system_error: thread constructor failed: Operation not permitted", "clone3", "Docker 20.10.0 to 20.10.9"},
	{"  what():  Operation not permitted", "clone3", "Docker 20.10.0 to 20.10.9"},
	{`thread 'main' panicked at 'failed to spawn thread: Os { code: 1, kind: PermissionDenied, message: "Operation not permitted" }'`, "clone3", "20.10.9"},
	{"runtime: failed to create new OS thread (have 2 already; errno=1)", "clone(flags=CLONE_THREAD), or clone3", ""},
	{`[warning][os,thread] Failed to start thread "Unknown thread" with pthread_create failed (EPERM) for attributes: stacksize: 1024k`, "clone3", "20.10.9"},
	{"[rootlesskit:parent] error: fork/exec /proc/self/exe: operation not permitted", namespaces, "CAP_SYS_ADMIN"},
	{"Failed to move to new namespace: PID namespaces supported, Network namespace supported, but failed: errno = Operation not permitted", namespaces, "every release"},
	{"bwrap: Creating new namespace failed: Operation not permitted", namespaces, "every release"},
	{"newuidmap: write to uid_map failed: Operation not permitted", "", "/etc/subuid"},
	{"starting container process caused: close exec fds: ensure /proc/self/fd is on procfs: operation not permitted: unknown", "fstatfs", "a filter"},
	{"unable to start container process: exec /x: operation not permitted: unknown", "faccessat2, or faccessat", "a filter"},
	{"mount: /mnt: permission denied.", "mount", "CAP_SYS_ADMIN"},
	{"mount: permission denied (are you root?)", "mount", "CAP_SYS_ADMIN"},
	{"umount: /mnt: must be superuser to unmount.", "umount2", "CAP_SYS_ADMIN"},
	{"hostname: you must be root to change the host name", "sethostname", "CAP_SYS_ADMIN"},
	{"io_uring_queue_init: Operation not permitted", "io_uring_setup", "a filter"},
	{"memfd_create: Operation not permitted", "memfd_create", "a filter"},
	{"pidfd_open: operation not permitted", "pidfd_open", "a filter"},
	{"getrandom: Operation not permitted", "getrandom", "a filter"},
	{"statx: Operation not permitted", "statx", "a filter"},
	{"inotify_init1: Operation not permitted", "inotify_init1", "a filter"},
	{"close_range: Operation not permitted", "close_range", "a filter"},
	{"openat2: Operation not permitted", "openat2", "a filter"},
	{"process_vm_readv: Operation not permitted", "process_vm_readv", ""},
	{"userfaultfd: Operation not permitted", "userfaultfd", ""},
	{"keyctl: Operation not permitted", "keyctl", "every release"},
	{"name_to_handle_at: Operation not permitted", "name_to_handle_at", ""},
	{"app: landlock_create_ruleset(): Operation not permitted", "landlock_create_ruleset", "a filter"}, // of no row
	{"warning: Error disabling address space randomization: Operation not permitted", "personality(ADDR_NO_RANDOMIZE)", "every release"},
	{"unable to join session keyring: unable to create session key: operation not permitted", "keyctl", "every release"},
	{"ls: cannot access '/tmp': Operation not permitted", "statx", "a filter"},
	{"cp: failed to clone 'b' from 'a': Operation not permitted", "ioctl(?, FICLONE)", "a filter"},
	{"No permission to enable task-clock event.", "perf_event_open", "perf_event_paranoid"},
	{"seccomp-bpf failure in syscall 0230", "clock_nanosleep", "a filter of its own"},
	{"Bad system call (core dumped)", "", "installed itself"},
	{"app.service: Main process exited, code=killed, status=31/SYS", "", "SystemCallFilter="},
	{"docker: error adding seccomp filter rule for syscall bdflush: requested action matches default action of filter", "", "libseccomp did not take the rule"},
	{"error loading seccomp filter into kernel: error loading seccomp filter: errno 524: unknown.", "", "bpf_jit_limit"},
	{"docker: Error response from daemon: Decoding seccomp profile failed: invalid character 'x'", "", "not what the engine reads"},
	{"container_linux.go:380: seccomp: config provided but seccomp not supported", "", "without libseccomp"},
	{"apparmor failed to apply profile: write /proc/self/attr/apparmor/exec: no such file or directory", "", "not loaded in the kernel"},
	{"apparmor failed to apply profile: write /proc/self/attr/exec: permission denied", "", "confined itself"},
	{"Error: failed to create containerd container: apparmor profile not found k8s-x", "", "not loaded in the kernel"},
	{"unable to apply apparmor profile: x", "", "not loaded in the kernel"},
	{"Warning  Failed  CreateContainerError", "", "kubectl describe pod"},
	{"cat: /etc/shadow: Permission denied", "", "mode and owner"},                                                                                              // EACCES
	{"cat: /etc/shadow: Permission denied", "", "or an AppArmor profile of the program's or the container's own (the defaults of engines do not refuse this)"}, // which comes last
	{"sh: can't create /proc/sys/net/ipv4/ip_forward: Permission denied", "creat", "an AppArmor profile, which is not known here"},                             // which comes first
	{"mysqld: io_uring_queue_init() failed with ENOMEM: try larger memory locked limit, ulimit -l", "", "RLIMIT_MEMLOCK"},
	{"mariadbd: io_uring_queue_init() failed with ENOSYS: check seccomp filters, and the kernel version", "io_uring_setup", "the kernel does not have this system call"},
	{"job.service: Failed at step NAMESPACE spawning /bin/sh: No such file or directory", "", "is not there"},
	{"job.service: Main process exited, code=exited, status=226/NAMESPACE", "", "the journal has the error"}, // which may be any
	{"job.service: Failed at step CHDIR spawning /bin/sh: Permission denied", "chdir", "WorkingDirectory="},
	{"tstun.New(\"tailscale0\"): operation not permitted", "ioctl(?, TUNSETIFF)", "--device /dev/net/tun"},
	{"mount error(13): Permission denied", "mount", "the SMB server refused"},
	{"pam_limits(sshd:session): Could not set limit for 'nofile': Operation not permitted", "prlimit64", "CAP_SYS_RESOURCE"},
	{"error during container init: error mounting \"sysfs\" to rootfs at \"/sys\": mount sysfs:/sys, flags: 0xf: operation not permitted", "mount", "in a user namespace the kernel mounts procfs and sysfs"},
	{"Error: unable to start container \"d2\": crun: make `/home/u/.local/share/containers/storage/overlay/abe/merged` private: Permission denied: OCI permission denied", "mount", "the runtime does this before"},
	{"Error: unable to start container d2: fork/exec /usr/bin/conmon: permission denied", "", "the engine's daemon was refused"},
	{"ip: socket: Permission denied", "socket", "an AppArmor profile, which is not known here"},
	{"could not open port /dev/ttyUSB0: [Errno 13] Permission denied: '/dev/ttyUSB0'", "open", "docker run --group-add GID"},
	{"bash: /dev/usb/lp0: Permission non accordée", "openat", "the mode and group of the device's node"},
	{"chown: changing ownership of '/var/lib/mysql/': Operation not permitted", "fchownat", "NFS with root_squash"},
	{"container_linux.go:247: starting container process caused \"process_linux.go:359: container init caused \\\"rootfs_linux.go:42: preparing rootfs caused \\\\\\\"permission denied\\\\\\\"\\\"\"", "mount", "the runtime does this before"},
	{"starting container process caused: process_linux.go:545: container init caused: rootfs_linux.go:76: mounting \"proc\" to rootfs at \"/proc\" caused: mount through procfd: permission denied: unknown", "mount", "the runtime does this before"},
	{"failed to create task: failed to create shim: QMP command failed: The device is not writable: Permission denied: unknown", "", "the rights of a file there"},
	{"failed to call cni.Setup: plugin type=\"bridge\" failed (add): failed to create bridge \"nerdctl0\": could not add \"nerdctl0\": operation not permitted", "", "the plugin of CNI was refused"},
	{"docker: Error response from daemon: open /sys/kernel/mm/hugepages: permission denied: unknown.", "", "the engine's daemon was refused"},
	{"Failed to create pod sandbox: container create failed: error adding seccomp rule for syscall socket: permission denied", "", "libseccomp did not take the rule"},
	{"error=\"stat /proc/1087/ns/pid: permission denied: unknown\"", "stat", "who may look into it"},
	{"Error: pasta failed with exit code 1: netns dir open: Permission denied, exiting", "", "run beside it"},
	{"bwrap: loopback: Failed RTM_NEWADDR: Operation not permitted", "", "unprivileged_userns"},
	{"bash: /app/run: Permission denied", "execve", "no x bit"},
	{"bash: /app/run: Operation not permitted", "execve", "capabilities"},
	{"ERROR: Cannot ioctl TUNSETIFF tun: Operation not permitted (errno=1)", "ioctl(?, TUNSETIFF)", "CAP_NET_ADMIN"},
	{"socket: Operation not permitted", "socket", "socket with some arguments is answered so"},
	{"keyctl: Operation not permitted", "keyctl", "keyctl is answered so"},
	{"fuse: failed to open /dev/fuse: Operation not permitted", "open", "device cgroup"},
	{"error during container init: open sysctl net.ipv4.ip_unprivileged_port_start file: reopen fd 8: permission denied: unknown", "", "runc-in-lxc"},
	{"exec /usr/bin/caddy: operation not permitted", "faccessat2, or faccessat, or execve", "getcap"},
	{"2026/11/25 10:00:00 [emerg] 1#1: bind() to 0.0.0.0:80 failed (13: Permission denied)", "bind", "CAP_NET_BIND_SERVICE"}, // which has no path
	{"ls: can't open '/data': Permission denied", "open", "SELinux where the host has it"},
	{"ls: cannot access '/data': Operation not permitted", "statx", "libseccomp is older than 2.3.3"},
	{"job.service: Failed at step NAMESPACE spawning /usr/bin/job: Permission denied", "mount", "Nesting allows them"},
	{"Error: crun: open executable: Operation not permitted: OCI permission denied", "", "no regular file"},
	{"ERRO[0000] sd-bus add match: Operation not permitted: OCI runtime permission denied error", "", "own session"},
	{"lxc 20260101 ERROR lxc_apparmor - lsm/apparmor.c:set:243 - No such file or directory - Failed to change apparmor profile to lxc-x", "", "not loaded in the kernel"},
	{"set_mempolicy: Operation not permitted", "set_mempolicy", "a filter that no engine has by default"},
	{"ping: socket: Operation not permitted", "socket", "CAP_NET_RAW"},
	{"nice: cannot set niceness: Permission denied", "setpriority", "CAP_SYS_NICE"},
	{"losetup: cannot find an unused loop device: Operation not permitted", "openat(AT_FDCWD, \"/dev/loop-control\")", "device cgroup"},
	{"app: could not do it: Operation not permitted (errno=1)", "", "which system call it was"},
	{"    Last State:     Terminated\n      Exit Code:    159", "", "SIGSYS"},

	// what a runtime or its shim does while it makes a container, in whatever words, but for the program that it executes
	{"container init caused: process_linux.go:578: handleReqOp caused: rootfs_init_linux.go:366: failed to mkdirall /x/sys/kernel/tracing: mkdir /x/sys/kernel/tracing: operation not permitted: unknown", "mkdirat", "the runtime does this before"},
	{"OCI runtime create failed: /usr/bin/runsc did not terminate successfully: creating container: fork/exec /proc/self/exe: operation not permitted", "clone(flags=CLONE_NEWUSER)", "it is about namespaces"},
	{"OCI runtime create failed: runc create failed: unable to start container process: error during container init: open /proc/self/oom_score_adj: permission denied", "open", "the runtime does this before"},
	{"rootfs_linux.go:1080: mounting \"sysfs\" to rootfs \"/mnt/docker/merged\" at \"sys\" caused: operation not permitted: unknown", "mount", "in a user namespace the kernel mounts procfs and sysfs"},
	{"starting container process caused \"exec: \\\"/app/start.sh\\\": permission denied\": unknown", "execve", "AppArmor is not asked about a container's first program"},
	{"OCI runtime create failed: container_linux.go:380: starting container process caused: chdir to cwd (\"/root\") set in config.json failed: permission denied: unknown", "chdir", "mode and owner"},
	{"Error processing tar file(exit status 1): operation not permitted", "", "the engine unpacks an image"},
	{"server error - make cli opts(): error making volume mountpoint for volume /run/x.sock: mkdir /run/x.sock: permission denied", "", "the engine's daemon was refused"},
	{"error while creating mount source path '/sys/firmware/devicetree/base': mkdir /sys/firmware/devicetree: operation not permitted", "", "nothing can be made below /sys"},

	// what the kernel refuses nobody, or for another reason than a filter
	{"Fatal error : clock_gettime() failed : Operation not permitted", "clock_gettime64", "64-bit"},
	{"failed to create perf ring for CPU 8: can't mmap: operation not permitted", "mmap", "CAP_IPC_LOCK"},
	{"app: mmap: Operation not permitted", "mmap", "CAP_IPC_LOCK"},
	{"FATAL:  could not write to file \"postmaster.pid\": Operation not permitted", "write", "a file system that answers so itself"},
	{"can't exec \"/proc/self/exe\": Operation not permitted (os error 1)", "clone(flags=CLONE_NEWUSER)", "it is about namespaces"},
	{"Failed to attach to PID 7: Operation not permitted", "ptrace", "CAP_SYS_PTRACE"},
	{"failed to get lookup key 82 from map containers_map: operation not permitted", "bpf", "CAP_BPF"},
	{"fusermount3: mount failed: Permission denied", "mount", "profile fusermount3"},
	{"join session keyring: create session key: operation not permitted: unknown.", "keyctl", "every release"},

	// programs of the host
	{"kloak.service: Main process exited, code=dumped, status=31/SYS", "", "systemctl cat kloak.service"},
	{"fastcgi dial failed: dial unix var: connect: permission denied", "connect(?, {sa_family=AF_UNIX})", "the mode and owner of the file"},
	{"ERROR: unable to bind listening socket for address '/srv/tmp/fpm.socket': Operation not permitted (1)", "bind", "keeps no sockets"},
	{"OpenSearchException[failed to bind service]; nested: AccessDeniedException[/usr/share/opensearch/data/nodes];", "", "the mode and owner of the file"},
	{"dial unix /var/run/docker.sock: permission denied", "", "group docker"},
	{"qemu-kvm: can't open backing store /dev/hugepages/libvirt/qemu/2-vm1 for guest RAM: Permission denied", "openat", "libvirt-UUID"},
	{"fping: can't create socket (must run as root?) : Permission denied", "socket(AF_INET, SOCK_RAW), or socket(AF_INET, SOCK_DGRAM)", "ping_group_range"},
	{"Error: crun: mount `proc` to `proc`: Operation not permitted: OCI permission denied", "mount", "visible whole already"},
	{"sudo: unable to get time of day: Operation not permitted", "clock_gettime64, or clock_gettime", "libseccomp"},
	{`LOG:  could not link file "pg_xlog/xlogtemp.25" to "pg_xlog/000000010000000000000001": Operation not permitted`, "link, or linkat", "no hard links"},
	{"thread 'main' panicked at 'unshare failed: Sys(EPERM)', src/libcore/result.rs:997:5", "unshare", "apparmor_restrict_unprivileged_userns"},
	{"Failed to mount proc (type proc) on /proc (MS_NOSUID|MS_NODEV|MS_NOEXEC \"\"): Operation not permitted", "mount", "visible whole already"},
	{"error: setting up a private mount namespace: Operation not permitted", "unshare(CLONE_NEWNS)", "user.max_user_namespaces"},
	{"app: cannot create a new network namespace: Operation not permitted", "unshare", "user.max_user_namespaces"},
	{`"Failed to create an oomWatcher" err="open /dev/kmsg: operation not permitted"`, "openat", "KubeletInUserNamespace"},
	{"failed to setup netns: open /var/run/netns/cni-1: permission denied", "open, or openat", "where the runtime runs"},
	{"bwrap: Can't bind mount /oldroot/home on /newroot/home: Operation not permitted", "mount", "unprivileged_userns"},
	{"lxc_mount_auto_mounts: 614 Operation not permitted - Failed to mount \"proc\" on \"/usr/lib/lxc/rootfs/proc\" with flags 14", "mount", "nesting"},
	{"lxc-ls: ../src/lxc/utils.c: switch_to_ns: 900 Operation not permitted - Failed to set process 24561 to \"net\" of 3", "setns", "CAP_SYS_ADMIN"},
	{"container_linux.go:392: signaling init process caused \"permission denied\"", "kill, or tgkill", "security modules alone"},
	{"failed to mount local volume: mount :/srv/data:/var/lib/docker/volumes/data/_data, data: addr=192.0.2.7: permission denied", "", "no policy of the container is asked"},
	{"[Server 1] exec /entrypoint.sh: operation not permitted", "faccessat2, or faccessat, or execve", "no-new-privileges"},
	{"bpf: Failed to load program: Operation not permitted", "bpf", "lockdown"},
	{"bash: toto: Permission denied", "execve, or openat", "redirect to it"},
	{"/opt/app/start.sh: line 31: /var/log/app.log: Permission denied", "openat", "the mode and owner of the file"},
	{"    Process: 13922 ExecStart=/usr/sbin/kloak (code=dumped, signal=SYS)", "", "systemctl cat UNIT"},
	{"Tue 2020-06-27 12:40:15 MDT 269 0 0  31 present   /usr/bin/sort", "", "SIGSYS"},
	{"Tue 2024-06-27 12:40:15 MDT 269 0 0 SIGSYS none /usr/bin/sort 1.2M", "", "SIGSYS"},
	{"/usr/lib/systemd/system/earlyoom.service:47: Failed to parse system call, ignoring: process_mrelease", "", "does not know its name"},
	{"error: internal error: cannot load AppArmor profile 'libvirt-aa58ea57-f6d7-48b1-b727-de97f4c508af'", "", "virt-aa-helper"},
	{"erro interno: não foi possível carregar o perfil de AppArmor 'libvirt-d6a03dfd-6e5c-43aa-b0b2-f062a7fb5aaf'", "", "virt-aa-helper"},
	{"libvirt:  error : cannot execute binary /usr/local/bin/qemu-system-x86_64: Permission denied", "execve", "profile libvirtd"},
	{"systemd-sysctl: Failed to write '16' to '/proc/sys/kernel/sysrq': Permission denied", "openat", "goes on without"},
	{"systemd-sysctl[36]: Couldn't write '1' to 'kernel/core_uses_pid', ignoring: Permission denied", "openat", "goes on without"},

	// programs that say themselves what they lack
	{"Couldn't start vault with IPC_LOCK. Disabling IPC_LOCK, please use --privileged or --cap-add IPC_LOCK", "", "it lacks a capability"},
	{"Error: this program requires CAP_NET_ADMIN to run", "", "it lacks a capability"},
	{"tool: need CAP_SYS_PTRACE (see capabilities(7))", "", "it lacks a capability"},
	{"apply_privileges()  Requesting capability set 0x1ff while permitted capability set is 0x1fd", "", "it lacks a capability"},
	{"ERROR  : Installation issue: starter-suid doesn't have setuid bit set", "", "mounted nosuid"},
	{"sudo: /usr/bin/sudo must be owned by uid 0 and have the setuid bit set", "", "mounted nosuid"},
	{"sudo: /etc/sudo.conf is owned by uid 1000, should be 0", "", "another user namespace"},
	{"sudo: unable to send audit message: Operation not permitted", "sendto", "CAP_AUDIT_WRITE"},
	{"PAM: audit_log_acct_message() failed: Operation not permitted", "sendto", "CAP_AUDIT_WRITE"},
	{"Failed to set capabilities on file `/bin/vault' (Operation not permitted)", "setxattr", "CAP_SETFCAP"},
	{"linux-sandbox-pid1.cc:398: \"remount(NULL, /home/a/proc, NULL, 2101281, NULL)\": Operation not permitted", "mount", "CAP_SYS_ADMIN"},
	{"syslog service cannot be started: [Errno 13] Permission denied: '/dev/log'", "connect", "mode and owner"},
	{"su: must be suid to work properly", "", "mounted nosuid"},
	{"[ERROR] [MY-012592] [InnoDB] Operating system error number 13 in a file operation.", "openat", "usr.sbin.mysqld"},
	{"GF_PATHS_DATA='/var/lib/grafana' is not writable.", "openat", "mode and owner"},
	{"Can not write to /var/jenkins_home/copy_reference_file.log. Wrong volume permissions?", "openat", "mode and owner"},
	{"{\"msg\":\"DBException in initAndListen, terminating\",\"attr\":{\"error\":\"IllegalOperation: Attempted to create a lock file on a read-only directory: /data/db\"}}", "openat", "mode and owner"},
	{"cannot change profile for the next exec call: No such file or directory", "", "snapd.apparmor"},
	{"app.service: Main process exited, code=exited, status=203/EXEC", "", "no x bit"},
	{"app.service: Failed at step STATE_DIRECTORY spawning /usr/bin/app: Permission denied", "mkdirat", "StateDirectory="},
	{"bwrap: Can't mount proc on /newroot/proc: Operation not permitted", "mount", "visible whole already"},
	{"ERROR: failed to solve: error from sender: open /home/u/pgdata: permission denied", "openat", ".dockerignore"},
	{"no subuid ranges found for user \"build\" in /etc/subuid", "", "add-subuids"},
	{"failed to create kubelet: open /dev/kmsg: operation not permitted", "open", "device cgroup"},
	{"Error: EPERM: operation not permitted, uv_cwd", "getcwd", "a file system that answers so itself"},
	// errors in a program's own words
	{"Failed to initialize NVML: Insufficient Permissions", "", "/dev/nvidia"},
	{"Failed to initialize NVML: Unknown Error", "", "daemon-reload"},
	{"[warn]: /var/log/containers/a.log unreadable. It is excluded and would be examined next time.", "openat", "mode and owner"},
	{"ERROR: Can't open /var/log/clamav/freshclam.log in append mode (check permissions!).", "openat", "mode and owner"},
	{"      Exit Code:    126", "", "no x bit"},
	{"/usr/bin/ubridge: Operation not permitted", "execve", "bounding set lacks"},
	{"bin/ejabberdctl: Permission denied", "execve", "no x bit"},
	{`** (File.Error) could not write to file "/opt/app/x.txt": permission denied`, "creat", "mode and owner"},
	{"error running container: error from /usr/bin/crun creating container for [/bin/sh -c true]: mount `tmpfs` to `/dev`: Permission denied", "mount", "the runtime does this"},
	{"ERRO[0000] creating file '/home/b/.local/share/containers/storage/overlay/ec/merged/run/secrets': Permission denied: OCI runtime permission denied error", "", "the runtime does this"},
	{"Error: mount /var/lib/containers/storage/overlay:/var/lib/containers/storage/overlay, flags: 0x1000: permission denied", "mount", "the runtime does this"},
	{"Error response from daemon: Cannot start container fdcf38ef: [8] System error: operation not permitted", "", "the runtime does this"},
	{`MountVolume.SetUp failed for volume "p": applyFSGroup failed for vol p: lchown /var/lib/kubelet/pods/x/mount: operation not permitted`, "", "root_squash"},
	{"error checking context: no permission to read from '/home/b/site/README.md'", "openat", ".dockerignore"},
	{"[ERROR] No access to perf events. Try --fdtransfer or --all-user option or 'sysctl kernel.perf_event_paranoid=1'", "perf_event_open", "CAP_PERFMON"},
	{"libibverbs: Warning: RLIMIT_MEMLOCK is 65536 bytes.", "", "--ulimit memlock"},
	{"sqlite3.OperationalError: unable to open database file", "", "SQLite says so"},
	{"EAL: cannot open VFIO container, error 1 (Operation not permitted)", "openat", "device cgroup"},
	{`avc:  denied  { open } for  pid=1 comm=systemd path=/tmp/x scontext=system_u:system_r:init_t:s0 tcontext=system_u:object_r:tmp_t:s0 tclass=file`, "", "audit2why"},
	{"/opt/run_runner.sh: line 12: cd: /data: Permission denied", "chdir", "mode and owner"},
	{"/opt/run.sh: Zeile 12: cd: /data: Keine Berechtigung", "chdir", "mode and owner"},
	{"dial tcp 10.96.0.1:443: connect: operation not permitted", "connect", "IPAddressDeny="},
	{"ping: sendmsg: Operation not permitted", "sendmsg", "nft list ruleset"},
	{"2021-10-28 12:00:00 write UDP: Operation not permitted (code=1)", "sendto", "kill switch"},
	{"VRRP_Instance(VI_1) Cant send advert to 192.168.1.195 (Operation not permitted)", "sendmsg", "nft list ruleset"},
	{"Netlink: error: Operation not permitted, type=(20), seq=1474249733, pid=0", "", "CAP_NET_ADMIN"},
	{"dco_new_peer: netlink reports error (-28): Operation not permitted", "", "CAP_NET_ADMIN"},
	{"prometheus.service: Failed to set up user namespacing: Permission denied", "unshare", "PrivateUsers=no"},
	{"mail CRON[30693]: Cannot make/remove an entry for the specified session", "", "pam_loginuid"},
	{"error: insufficient permission for adding an object to repository database .git/objects", "openat", "mode and owner"},
	{"hint: The '.husky/pre-commit' hook was ignored because it's not set as executable.", "execve", "no x bit"},
	{`OCI runtime create failed: container_linux.go:348: starting container process caused "lstat /proc/self/fd/0: operation not permitted": unknown.`, "lstat", "whydenied check PROFILE"},
	{"runc create failed: unable to start container process: error during container init: open /proc/self/fd: operation not permitted: unknown", "open", "whydenied check PROFILE"},
	{`Permission Denied: Try running again with elevated permissions by going 'sudo env "PATH=$PATH" !!'`, "ptrace", "CAP_SYS_PTRACE"},
	{"[FATAL src/PerfCounters.cc:224:start_counter()] Permission denied to use 'perf_event_open'; are hardware perf events available?", "perf_event_open", "perf_event_paranoid"},
	{"perf_event_open failed: Permission denied", "perf_event_open", "perf_event_paranoid"},
	{"mtr-packet: Failure to open IPv4 sockets: Operation not permitted", "socket", "CAP_NET_RAW"},
	{"1609459200: Error: Unable to open log file /mosquitto/log/mosquitto.log for writing.", "openat", "mode and owner"},
	{"Unable to lock JVM memory (ENOMEM). Increase RLIMIT_MEMLOCK.", "", "--ulimit memlock"},
	{"[AVHWDeviceContext @ 0x56] Failed to open /dev/dri/renderD128 as DRM device node.", "openat", "keep-groups"},
	// what it writes to
	{`nginx: [emerg] open() "/dev/stdout" failed (13: Permission denied)`, "open", "most often root"},
	{"(13)Permission denied: AH00091: httpd: could not open error log file /proc/self/fd/2.", "open", "most often root"},
	{"/entrypoint.sh: line 5: /dev/stderr: Permission denied", "openat", "most often root"},
	{`lxc-start: 101: ../src/lxc/cgroups/cgfsng.c: cgfsng_payload_create: 1430 Permission denied - Failed to create directory "/sys/fs/cgroup/lxc.payload.101"`, "mkdir", "Delegate=yes"},
	{"mkdir: cannot create directory '/sys/fs/cgroup/init': Permission denied", "mkdir", "Delegate=yes"},
	{"open /proc/sys/vm/overcommit_memory: permission denied", "open", "KubeletInUserNamespace"},
}

// TestSuspects holds what texts are taken for where no policy is known, and that none gets the hint of another error.
func TestSuspects(t *testing.T) {
	for _, c := range texts {
		got := said(t, c.text)
		if !assert.Len(t, got, 1, c.text) {
			continue
		}
		assert.True(t, strings.HasPrefix(got[0].Suspect, c.suspect) && (c.suspect != "" || got[0].Suspect == ""), "%s: %s", c.text, got[0].Suspect)
		assert.Contains(t, got[0].Why, c.why, c.text)
		assert.NotContains(t, got[0].Why, "a missing capability", c.text)
		if !strings.Contains(c.text, "/") && c.suspect != "" { // which acts on no file, and no other process
			assert.NotContains(t, got[0].Why, "another user's", c.text)
			assert.NotContains(t, got[0].Why, "immutable", c.text)
		}
		if got[0].Errno != "EACCES" {
			assert.NotContains(t, got[0].Why, "mode and owner", c.text)
			assert.NotContains(t, got[0].Why, "the file has no x bit", c.text)
		}
	}
}

// TestDefaultsOfAnArchitecture holds that nothing is said of what default filters answer to a
// call that the architecture does not have: to such a one they would, whatever they name.
func TestDefaultsOfAnArchitecture(t *testing.T) {
	got := said(t, "ASN1_TIME_adj:error getting time:crypto/asn1/a_time.c:330:")
	require.Len(t, got, 1)
	assert.NotContains(t, got[0].Why, "default filter of")
	assert.Contains(t, got[0].Why, "32-bit")
}

// TestAnswerTellsLoader holds that the errno which was printed tells which program loaded the
// filter, and which of two calls was refused.
func TestAnswerTellsLoader(t *testing.T) {
	const profile = `{"defaultAction": "SCMP_ACT_ERRNO", "architectures": ["SCMP_ARCH_X86_64"], "syscalls": [{"names": ["read", "write", "open", "execve", "execveat"], "action": "SCMP_ACT_ALLOW"}]}`
	for line, want := range map[string]string{
		"runc create failed: unable to start container process: exec /x: operation not permitted": "faccessat 1", // as runc's stub answers ENOSYS to the newer one
		"statx: Operation not permitted":  "statx 1",  // so crun loaded it
		"statx: Function not implemented": "statx 38", // so runc did
	} {
		a, ok := message.Read(parser.Origin{File: "f", Line: 1}, line, seccomp.X86_64)
		require.True(t, ok, line)
		l := policyOf(t, "", profile).Library
		group := explain.NewGroup(nil, explain.Filter{})
		attempts := NewAttempts(l, Target{}, group)
		attempts.Add(a)
		require.Len(t, group.Findings(), 1, line)
		found := group.Findings()[0]
		f := (&explain.Explainer{Library: l}).Diagnose(*found)
		name, _ := seccomp.SyscallName(seccomp.X86_64, found.Denial.Seccomp.Syscall)
		assert.Equal(t, want, fmt.Sprint(name, " ", found.Denial.Seccomp.Errno), line)
		assert.Equal(t, explain.SyscallNotListed, f.Cause, line)
		assert.Equal(t, strings.HasSuffix(want, "38"), strings.Contains(f.Why, "runc answers ENOSYS"), f.Why)
	}
}

// TestSuspectsAreAsked holds that a known profile decides which of several calls it was.
func TestSuspectsAreAsked(t *testing.T) {
	const profile = `{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": [NAMES], "action": "SCMP_ACT_ERRNO"}]}`
	for _, c := range []struct{ line, refused, want string }{
		{"pthread_create failed: Operation not permitted", `"clone3"`, "clone3"},
		{"pthread_create failed: Operation not permitted", `"clone"`, "clone"},
		{"pthread_create failed: Operation not permitted", `"unshare"`, ""},
		{"exec /x: operation not permitted", `"faccessat2"`, ""}, // Go then tries the older one
		{"exec /x: operation not permitted", `"faccessat2", "faccessat"`, "faccessat2"},
		{"apparmor profile not found x", `"clone3", "openat", "execve"`, ""},
		{"exec /x: operation not permitted", `"execve"`, "execve"},
	} {
		a, ok := message.Read(parser.Origin{File: "f", Line: 1}, c.line, seccomp.X86_64)
		require.True(t, ok, c.line)
		d, refused := Judge(policyOf(t, "", strings.Replace(profile, "NAMES", c.refused, 1)).Library, a, Target{})
		require.Equal(t, c.want != "", refused, c.line)
		if refused {
			name, _ := seccomp.SyscallName(seccomp.X86_64, d.Seccomp.Syscall)
			assert.Equal(t, c.want, name, c.line)
		}
	}
}

// TestThreadsAreOfTheirNamespaces holds that a thread or a process that could not be made is
// not taken for a namespace, which is what the default filters refuse to clone.
func TestThreadsAreOfTheirNamespaces(t *testing.T) {
	const profile = `{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["clone"], "action": "SCMP_ACT_ERRNO",
		"args": [{"index": 0, "value": 268435456, "valueTwo": 268435456, "op": "SCMP_CMP_MASKED_EQ"}]}]}`
	for line, want := range map[string]bool{
		"pthread_create failed: Operation not permitted":                false,
		"Fatal: cannot start worker threads: EPERM":                     false,
		"sh: 1: Cannot fork":                                            false,
		"make: /bin/sh: Operation not permitted":                        false,
		"cannot clone: Operation not permitted":                         true,
		"newuidmap: write to uid_map failed: Operation not permitted":   false,
		"bwrap: Creating new namespace failed: Operation not permitted": true,
	} {
		a, ok := message.Read(parser.Origin{File: "f", Line: 1}, line, seccomp.X86_64)
		require.True(t, ok, line)
		_, refused := Judge(policyOf(t, "", profile).Library, a, Target{})
		assert.Equal(t, want, refused, line)
	}
}

// TestBeyondModes holds that no mode is named where root passes all of them, and one is open
// where nothing says what was refused.
func TestBeyondModes(t *testing.T) {
	const line, unnamed = "touch: cannot touch '/data/x': Permission denied", "app: could not do it: Permission denied (errno=13)"
	ask := func(line string, limits *container.Limits) Unexplained {
		a, ok := message.Read(parser.Origin{File: "f", Line: 1}, line, seccomp.X86_64)
		require.True(t, ok, line)
		attempts := NewAttempts(library.New(t.TempDir(), nil), Target{Container: container.Container{Limits: limits, AppArmorProfile: "unconfined"}}, explain.NewGroup(nil, explain.Filter{}))
		attempts.Add(a)
		require.Len(t, attempts.Unexplained, 1)
		return attempts.Unexplained[0]
	}
	root := &container.Limits{Effective: []string{"CAP_DAC_OVERRIDE"}}
	assert.Contains(t, ask(line, root).Why, "root_squash")
	assert.Contains(t, ask(line, &container.Limits{UID: 1000}).Why, "mode and owner")
	of, ofRoot := ask(unnamed, nil).Verdict, ask(unnamed, root).Verdict
	assert.Equal(t, layer.Open, of.Of(layer.Mode).Standing)
	assert.Equal(t, layer.RuledOut, ofRoot.Of(layer.Mode).Standing)
}
