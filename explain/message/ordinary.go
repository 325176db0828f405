package message

import (
	"strings"
	"sync"
)

// An other is what people take for a refusal, or have in its place.
type other struct {
	says  string   // a clause
	texts []string // as those of a Row
}

// others are the errors of a full disk and of what is not there, and refusals by others than the kernel.
var others = []other{
	{"a file system is full, of blocks or of inodes (`df -h`, `df -i`)",
		[]string{"no space left on device", "ENOSPC"}},
	{"a disk quota is used up (`quota -s`); a rootless engine keeps its images in the home directory",
		[]string{"disk quota exceeded", "EDQUOT"}},
	{"the program is not in the image, or not in its PATH",
		[]string{"executable file not found in $PATH"}},
	{"the program is not there, or what runs it: the interpreter of its first line (#!, which a carriage return at the end of that line makes another), or the loader of another C library (of glibc in an image of Alpine)",
		[]string{"exec /{path}: no such file or directory", "exec user process caused: no such file or directory", `exec user process caused "no such file or directory`}},
	{"there is no /dev/fuse: the module fuse is not loaded, or the container has not the device (docker run --device /dev/fuse with --cap-add SYS_ADMIN; features: fuse=1 of Proxmox VE)",
		[]string{"fuse: device not found", "fuse device not found", "fuse: mount failed: no such device"}},
	{"the kernel has not what was asked for: a module (such as wireguard) that is not there or not loaded on the host",
		[]string{"RTNETLINK answers: operation not supported", "protocol not supported"}},
	{"the NFS server refused: its exports do not name this client",
		[]string{"access denied by server while mounting"}},
	{"Pod Security Admission of the API server refused the pod, by a label of its namespace (pod-security.kubernetes.io/enforce): the text names what its securityContext lacks",
		[]string{"violates PodSecurity"}},
	{"the API server admits no such pod: what the text names is allowed by none of the security context constraints (OpenShift) or pod security policies of its service account",
		[]string{"security context constraint", "PodSecurityPolicy{any}unable to"}},
	{"Kubernetes' own access control (RBAC) gives that account no such right: `kubectl auth can-i`",
		[]string{`is forbidden: User "{any}" cannot {word} resource`}},
	{"the registry refused the image: its name, or the login (docker login, imagePullSecrets)",
		[]string{"pull access denied", "requested access to the resource is denied"}},
	{"the program's C library is made for a newer kernel than this host's (`uname -r`), which containers share: take an older image, or a newer host",
		[]string{"kernel too old"}},
	{"the kernel has no user namespaces (CONFIG_USER_NS), or not all that were asked for: /proc/self/ns/user is there where it has; a bubblewrap that is set-user-ID does without",
		[]string{"likely because the kernel does not support user namespaces"}},
	{"s6-overlay wants to be the container's first process: an init before it (docker run --init, init: true of Compose, `init` of a Home Assistant add-on) or another entrypoint has that place",
		[]string{"s6-overlay-suexec: fatal: can only run as pid 1"}},
	{"BlueZ itself refused it, over D-Bus, or the Bluetooth device did: pairing, and the properties of what is read or written",
		[]string{"org.bluez.Error.NotPermitted", "org.bluez.Error.NotAuthorized"}},
	{"systemd itself does not run in a chroot: boot it as a container's first process (systemd-nspawn -b, machinectl), or run the program alone there",
		[]string{"Cannot be run in a chroot() environment"}},
	{"the git server refused the push: the rights of the account there, a protected branch, or a hook; its own words stand after `remote:`",
		[]string{"[remote rejected]", "hook declined", "remote: {any}permission denied for", "DENIED by fallthru", "remote: You are not allowed to", "remote: Permission to {any} denied"}},
	{"bubblewrap itself refuses to start with capabilities that it did not gain by a set-user-ID bit: something around it (a container, systemd's AmbientCapabilities=, pam_cap) leaves them set; start it without",
		[]string{"Unexpected capabilities but not setuid"}},
	{"harmless: the program goes on with ordinary priority. CAP_SYS_NICE on its file gives it the other (`sudo setcap cap_sys_nice=ep FILE`; cap_add: SYS_NICE of a container)",
		[]string{"No CAP_SYS_NICE, falling back"}},
	{"the SSH client itself leaves a private key or a file of its configuration alone that others may read or write: chmod 600 FILE, and the user as its owner",
		[]string{"Permissions {word} for {any} are too open", "Bad owner or permissions on {word}", "UNPROTECTED PRIVATE KEY FILE"}},
	{"the SSH server refused the key or the password",
		[]string{"Permission denied (publickey", "Permission denied (password"}},
	{"the database refused its own user or role",
		[]string{"permission denied for table", "permission denied for schema", "permission denied for database", "permission denied for relation", "permission denied for sequence", "permission denied for function", "permission denied for view", "permission denied for column", "permission denied to create ", "permission denied to set ", "SQLSTATE 42501", "must be owner of ", "password authentication failed", "Access denied for user"}},
	{"git itself looks at the owner: git config --global --add safe.directory DIR, or the owner of the working tree",
		[]string{"detected dubious ownership"}},
	{"PostgreSQL itself looks at owner and mode: the directory has to belong to its user, with mode 0700 or 0750",
		[]string{`data directory "{any}" has wrong ownership`, `data directory "{any}" has invalid permissions`, `data directory "{any}" has group or world access`}},
	{"Chromium itself does not run as root in its sandbox: run it as another user (USER of the image, runAsUser)",
		[]string{"running as root without --no-sandbox is not supported"}},
	{"another process has the port (`ss -ltnp`)",
		[]string{"address already in use", "port is already allocated"}},
	{"memory ran out, of the host or of the container's limit",
		[]string{"OOMKilled", "out of memory"}},
	{"an authorization plugin of the Docker daemon refused it (authorization-plugins in /etc/docker/daemon.json): its rules are another's than the kernel's",
		[]string{"authorization denied by plugin"}},
	{"fusermount itself refuses -o allow_other to who is not root: user_allow_other in /etc/fuse.conf allows it",
		[]string{"option allow_other only allowed if", "option allow_root only allowed if"}},
	{"the program is not there: exit code 127 is of a shell or a runtime that did not find it, in the container's own PATH",
		[]string{"exited with code 127", "Exit Code: 127", "Exited (127)", "exitCode: 127", "'exitCode': 127", "exit status 127"}},
	{"the program itself crashed (SIGSEGV): no policy sends that signal",
		[]string{"segmentation fault", "exited with code 139", "Exit Code: 139", "Exited (139)", "exitCode: 139", "'exitCode': 139", "code=dumped, status=11/SEGV"}},
	{"the program has an instruction that this processor lacks (SIGILL): an image for a newer one, or an emulator",
		[]string{"illegal instruction", "exited with code 132", "Exit Code: 132", "Exited (132)"}},
	{"the message bus itself refused it, by its configuration (/etc/dbus-1/system.d, /usr/share/dbus-1/system.d): who may own a name or send there is said in it, by user and group",
		[]string{"due to security policies in the configuration file", "Rejected send message, {n} matched rules"}},
	{"polkit refused it, as nobody was there to be asked: run it as root, or allow it by a rule in /etc/polkit-1/rules.d",
		[]string{"interactive authentication required", "Error.AuthFailed", "polkit{any}not authorized"}},
	{"there is no systemd, or its bus is not to be reached: in a container of one program, over SSH without a session, or by another user (XDG_RUNTIME_DIR, loginctl enable-linger)",
		[]string{"System has not been booted with systemd", "Failed to connect to bus", "Launch helper exited with unknown return code"}},
	{"the kernel's module is not there: in a container what counts are the host's kernel and its /lib/modules, and loading needs CAP_SYS_MODULE; load it on the host",
		[]string{"modprobe: FATAL: Module {word} not found", "modprobe: can't change directory to"}},
	{"the program's output is a socket (of systemd's journal, of a supervisor, of a daemon's parent), which no open() opens, by whatever name: give it a file or a pipe (`| cat`), or have it write to the descriptor",
		[]string{"/dev/stdout{any}no such device or address", "/dev/stderr{any}no such device or address", "/proc/self/fd/{n}{any}no such device or address"}},
	{"a server at the other end refused the request (HTTP 403, PERMISSION_DENIED of gRPC): its own rights, tokens and roles (IAM)",
		[]string{"permission_denied: 403", "403 Forbidden", "{n} PERMISSION_DENIED: ", "StatusCode.PERMISSION_DENIED", "(AccessDenied", "Errors::AccessDenied", "Code: AccessDenied", "<Code>AccessDenied", "(403) when calling the ", "is not authorized to perform: ", "status code: 403", "StatusCode: 403", "UnauthorizedOperation", "status code 403", "HTTP Error 403", "error: 403"}},
	{"the kernel's lockdown refused it (Secure Boot, or lockdown= of its command line), which no capability and no policy lifts",
		[]string{"see man kernel_lockdown"}},
	{"the program itself asks for root and looks no further: run it as root (sudo, --user 0, runAsUser: 0)",
		[]string{"only supports running as the root user", "must be run as root", "needs to be run as root", "please run as root"}},
	{"the file system failed (EFAULT, which no policy answers): a defect of it or of its driver, as of some NAS; the host's log may have more",
		[]string{": bad address"}},
	{"the user's ID has no name in the container's /etc/passwd, as with --user, runAsUser or OpenShift's random IDs: give it one, or set HOME and USER where the program asks for no more",
		[]string{"uv_os_get_passwd returned ENOENT", "cannot find name for user ID", "No user exists for uid", "getpwuid(): uid not found"}},
	{"a limit of the host's kernel is too low for the program, and is set on the host (`sudo sysctl -w NAME=VALUE`)",
		[]string{"vm.max_map_count [{n}] is too low", "max virtual memory areas vm.max_map_count"}},
	{"the kubelet itself permits a pod no such sysctl: --allowed-unsafe-sysctls of the node's kubelet, and the pod's own securityContext.sysctls",
		[]string{"forbidden sysctl", "SysctlForbidden"}},
	{"the API server does not take that text, as a field of it is not well-formed: nothing was started",
		[]string{"is invalid: spec."}},
	{"sudo itself wants a password, and nobody is there to type it (NOPASSWD in sudoers)",
		[]string{"sudo: a password is required", "sudo: a terminal is required to read the password", "sudo: no tty present and no askpass"}},
	{"the unit's User= or Group= is not there (`getent passwd USER`)",
		[]string{"Failed to determine user credentials", "status=217/USER", "Failed to determine group credentials", "status=216/GROUP"}},
	{"there is no /dev/net/tun: the module tun is not loaded, or the container has not the device (docker run --device /dev/net/tun with --cap-add NET_ADMIN)",
		[]string{"/dev/net/tun: no such file or directory"}},
	{"snapd wants an app in a scope of its own, which the user's systemd makes: a login session with a bus (DBUS_SESSION_BUS_ADDRESS, XDG_RUNTIME_DIR) is missing, as under su, sudo or cron",
		[]string{"is not a snap cgroup"}},
	{"nothing listens at that address, or a firewall rejects it: policies answer otherwise",
		[]string{"connection refused"}},
}

// otherRows are their texts, each with the clause as its hint.
var otherRows = sync.OnceValue(func() []Row {
	var rows []Row
	for _, o := range others {
		for _, text := range o.texts {
			r := Row{Text: text, Hint: o.says}
			r.compile()
			rows = append(rows, r)
		}
	}
	return rows
})

// ofWindows is said of what was refused by Windows.
const ofWindows = "Windows refused it, and no layer of Linux: another process has the file open (an editor, a virus scanner), or its ACL does not let the user"

// NoRefusal returns what a line says that no layer of the kernel refused, a clause, or "": such as that the disk
// is full, or that a server refused a client. It is for lines of which Read knows no refusal.
func NoRefusal(line string) string {
	text := bare(strings.TrimSpace(line[:min(len(line), maxMessage)]))
	if onWindows().MatchString(text) {
		return ofWindows
	}
	lower := lowerASCII(text)
	if row, _ := find(otherRows(), lower); row != nil {
		return row.Hint
	}
	return ""
}
