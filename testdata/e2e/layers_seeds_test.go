//go:build e2e && linux && amd64

package e2e

import (
	"fmt"
	"slices"
	"strings"
)

// seeds are refusals by a layer each.
func seeds() []seed {
	return slices.Concat(seccompSeeds(), capabilitySeeds(), ownCapabilitySeeds(), mountSeeds(), modeSeeds(), deviceSeeds(), noNewPrivsSeeds(),
		userNamespaceSeeds(), limitSeeds(), landlockSeeds(), noneSeeds())
}

func sh(script string) []string { return []string{"/bin/sh", "-c", script} }

// py is a script of Python, with call(number, ...) for system calls.
func py(script string) []string {
	return []string{"/usr/bin/python3", "-ISc", "import ctypes,os,socket,sys\nlib=ctypes.CDLL(None,use_errno=True)\ndef call(*a):\n  r=lib.syscall(*a)\n" +
		"  if r<0: raise OSError(ctypes.get_errno(),os.strerror(ctypes.get_errno()))\n  return r\n" + script}
}

// filter is one that answers some calls with an errno and permits all others.
func filter(errno int, names ...string) object {
	return object{"linux": object{"seccomp": object{"defaultAction": "SCMP_ACT_ALLOW", "architectures": []string{"SCMP_ARCH_X86_64"},
		"syscalls": []object{{"names": names, "action": "SCMP_ACT_ERRNO", "errnoRet": errno}}}}}
}

func seccompSeeds() (list []seed) {
	const eperm, eacces, enosys = 1, 13, 38
	for _, s := range []struct {
		errno   int
		names   string
		argv    []string
		refused string
	}{
		{eperm, "mkdir mkdirat", sh("mkdir /tmp/x"), `mkdir("/tmp/x"`},
		{eacces, "mkdir mkdirat", sh("mkdir /tmp/x"), `mkdir("/tmp/x"`},
		{eperm, "unshare", sh("unshare -n true"), "unshare(CLONE_NEWNET"},
		{eperm, "sethostname", sh("hostname x"), "sethostname("},
		{eperm, "mount", sh("mount -t tmpfs x /mnt"), `mount("x", "/mnt"`},
		{eperm, "socket", py("socket.socket(socket.AF_INET,socket.SOCK_STREAM)"), "socket(AF_INET, SOCK_STREAM"},
		{eacces, "socket", py("socket.socket(socket.AF_INET,socket.SOCK_STREAM)"), "socket(AF_INET, SOCK_STREAM"},
		{eperm, "fchownat chown", sh("touch /tmp/f; chown 1 /tmp/f"), `fchownat(..."/tmp/f", 1,`},
		{eperm, "fchmodat chmod", sh("touch /tmp/f; chmod 700 /tmp/f"), `fchmodat(..."/tmp/f", 0700`},
		{eperm, "symlink symlinkat", sh("ln -s a /tmp/l"), `symlinkat("a"`},
		{eperm, "link linkat", sh("touch /tmp/f; ln /tmp/f /tmp/l"), `linkat(..."/tmp/f"`},
		{eperm, "personality", sh("setarch -R true"), "personality("},
		{eperm, "keyctl", py("call(250,0,-3,0)"), "keyctl("},
		{enosys, "memfd_create", py("os.memfd_create('x')"), `memfd_create("x"`},
		{eperm, "memfd_create", py("os.memfd_create('x')"), `memfd_create("x"`},
		{eperm, "chroot", sh("chroot / true"), `chroot("/"`},
		{eperm, "mknod mknodat", sh("mkfifo /tmp/p"), `"/tmp/p"`},
		{eperm, "userfaultfd", py("call(323,0)"), "userfaultfd("},
		{eperm, "inotify_init1", py("call(294,0)"), "inotify_init1("},
		{eperm, "eventfd2", py("call(290,0,0)"), "eventfd2("},
		{eperm, "epoll_create1", py("call(291,0)"), "epoll_create1("},
		{enosys, "close_range", py("call(436,900,901,0)"), "close_range("},
		{eperm, "sched_setaffinity", py("os.sched_setaffinity(0,{0})"), "sched_setaffinity("},
		{eperm, "timerfd_create", py("call(283,1,0)"), "timerfd_create("},
		{eperm, "setpriority", sh("nice -n 3 true"), "setpriority("},
		{eperm, "copy_file_range", py("a=os.open('/etc/passwd',0);b=os.open('/tmp/o',66);os.copy_file_range(a,b,5)"), "copy_file_range("},
	} {
		list = append(list, seed{layer: "seccomp", name: fmt.Sprintf("%d to %s", s.errno, s.names), config: filter(s.errno, strings.Fields(s.names)...), argv: s.argv,
			refused: s.refused + "...= -1 " + map[int]string{eperm: "EPERM", eacces: "EACCES", enosys: "ENOSYS"}[s.errno]})
	}
	list = append(list,
		seed{layer: "seccomp", name: "said by mkdir", config: filter(eperm, "mkdir", "mkdirat"), argv: sh("mkdir /tmp/x"), refused: "Operation not permitted", said: true},
		seed{layer: "seccomp", name: "said by ln", config: filter(eperm, "symlinkat", "symlink"), argv: sh("ln -s a /tmp/l"), refused: "Operation not permitted", said: true})
	return list
}

// privileged are programs that need a capability, with what is refused of them.
var privileged = []struct {
	caps    string
	argv    []string
	refused string
}{
	{"CAP_SYS_ADMIN", sh("mount -t tmpfs x /mnt"), `mount("x", "/mnt", "tmpfs", 0, NULL) = -1 EPERM`},
	{"CAP_SYS_ADMIN", sh("hostname x"), `sethostname("x", 1) = -1 EPERM`},
	{"CAP_SYS_ADMIN", sh("unshare -n true"), "unshare(CLONE_NEWNET) = -1 EPERM"},
	{"CAP_SYS_ADMIN", sh("unshare -m true"), "unshare(CLONE_NEWNS) = -1 EPERM"},
	{"CAP_SYS_ADMIN", sh("umount /proc"), `umount2("/proc", 0) = -1 EPERM`},
	{"CAP_SYS_CHROOT", sh("chroot / true"), `chroot("/") = -1 EPERM`},
	{"CAP_NET_RAW", py("socket.socket(socket.AF_INET,socket.SOCK_RAW,1)"), "socket(AF_INET, SOCK_RAW|SOCK_CLOEXEC, IPPROTO_ICMP) = -1 EPERM"},
	{"CAP_NET_RAW", py("socket.socket(17,socket.SOCK_DGRAM,0)"), "socket(AF_PACKET, SOCK_DGRAM|SOCK_CLOEXEC, htons(0 /* ETH_P_??? */)) = -1 EPERM"},
	{"CAP_NET_BIND_SERVICE", py("socket.socket().bind(('0.0.0.0',80))"), "= -1 EACCES"},
	{"CAP_SETUID", sh("setpriv --reuid 1000 true"), "setresuid(1000, 1000, 1000) = -1 EPERM"},
	{"CAP_SETGID", sh("setpriv --regid 1000 --keep-groups true"), "setresgid(1000, 1000, 1000) = -1 EPERM"},
	{"CAP_SETGID", py("os.setgroups([5])"), "setgroups(1, [5]) = -1 EPERM"},
	{"CAP_CHOWN", sh("D=$(mktemp -d); touch $D/f; chown 1000 $D/f"), `f", 1000, -1, 0) = -1 EPERM`},
	{"CAP_FOWNER", sh("D=$(mktemp -d); touch $D/f; chown 1000 $D/f; chmod 600 $D/f"), `f", 0600) = -1 EPERM`},
	{"CAP_DAC_OVERRIDE CAP_DAC_READ_SEARCH", sh("D=$(mktemp -d); touch $D/f; chmod 600 $D/f; chown 1000 $D/f; cat $D/f"), `f", O_RDONLY) = -1 EACCES`},
	{"CAP_DAC_OVERRIDE", sh("D=$(mktemp -d); touch $D/f; chmod 600 $D/f; chown 1000 $D/f; echo x >$D/f"), `f", O_WRONLY|O_CREAT|O_TRUNC, 0666) = -1 EACCES`},
	{"CAP_DAC_OVERRIDE", sh("D=$(mktemp -d); chmod 700 $D; chown 1000 $D; mkdir $D/d"), `d", 0777) = -1 EACCES`},
	{"CAP_KILL", sh("setpriv --reuid 1000 sleep 3 & sleep 0.3; kill $!"), "SIGTERM) = -1 EPERM"},
	{"CAP_MKNOD", sh("D=$(mktemp -d); mknod $D/n c 1 3"), "makedev(0x1, 0x3)) = -1 EPERM"},
	{"CAP_SYS_NICE", py("os.setpriority(os.PRIO_PROCESS,0,-15)"), "setpriority(PRIO_PROCESS, 0, -15) = -1 E"},
}

func capabilitySeeds() (list []seed) {
	for _, p := range privileged {
		list = append(list, seed{layer: "capability", name: p.caps + " " + p.refused, config: without(strings.Fields(p.caps)...), argv: p.argv, refused: p.refused})
	}
	return list
}

// ownCapabilitySeeds are of plain processes, which gave the capability up.
func ownCapabilitySeeds() (list []seed) {
	for _, p := range privileged {
		drop := ""
		for _, c := range strings.Fields(p.caps) {
			drop += ",-" + strings.ToLower(strings.TrimPrefix(c, "CAP_"))
		}
		drop = drop[1:]
		control := append([]string{"/usr/bin/unshare", "-mun"}, p.argv...) // so that nothing of this machine is changed
		argv := append([]string{"/usr/bin/unshare", "-mun", "/usr/bin/setpriv", "--bounding-set", drop, "--inh-caps", drop}, p.argv...)
		list = append(list, seed{layer: "capability", name: "given up " + p.caps + " " + p.refused, argv: argv, control: control, refused: p.refused})
	}
	return list
}

func tmpfs(at string, options ...string) object {
	return object{"mounts": []object{{"destination": at, "type": "tmpfs", "source": "tmpfs", "options": options}}}
}

func mountSeeds() []seed {
	root := object{"root": object{"readonly": true}}
	of := func(name string, config object, script, refused string) seed {
		return seed{layer: "mount", name: name, config: config, argv: sh(script), refused: refused}
	}
	list := []seed{
		of("root, touch", root, "touch /x", `"/x", O_WRONLY|O_CREAT|O_NOCTTY|O_NONBLOCK, 0666) = -1 EROFS`),
		of("root, mkdir", root, "mkdir /x", `mkdir("/x", 0777) = -1 EROFS`),
		of("root, ln", root, "ln -s a /x", `symlinkat("a", AT_FDCWD</>, "/x") = -1 EROFS`),
		of("root, rm", root, "rm /srv/secret", `"/srv/secret", 0) = -1 EROFS`),
		of("root, chmod", root, "chmod 600 /srv/secret", `"/srv/secret", 0600) = -1 EROFS`),
		of("root, write", root, "echo >>/srv/secret", `= -1 EROFS`),
		of("volume, touch", tmpfs("/data", "ro"), "touch /data/x", `= -1 EROFS`),
		of("volume, mkdir", tmpfs("/data", "ro"), "mkdir /data/x", `= -1 EROFS`),
		of("noexec, program", tmpfs("/data", "noexec"), "cp /usr/bin/true /data/t; /data/t", `execve("/data/t", ["/data/t"]...= -1 EACCES`),
		of("noexec, script", tmpfs("/data", "noexec"), "cp /srv/script /data/t; /data/t", `execve("/data/t", ["/data/t"]...= -1 EACCES`),
		of("read-only path", object{"linux": object{"readonlyPaths": []string{"/proc/sys"}}}, "echo 1 >/proc/sys/net/ipv4/ip_forward", `= -1 EROFS`),
		of("masked path", object{"linux": object{"maskedPaths": []string{"/srv"}}}, "touch /srv/x", `= -1 EROFS`),
		of("nodev", tmpfs("/data", "nodev"), "mknod /data/n c 1 3; cat /data/n", `"/data/n", O_RDONLY) = -1 EACCES`),
		{layer: "mount", name: "noexec, library", config: tmpfs("/data", "noexec"), argv: py("import shutil;shutil.copy('/usr/lib/x86_64-linux-gnu/libz.so.1','/data/z');ctypes.CDLL('/data/z')"), refused: "mmap(.../data/z>, ...= -1 EPERM"},
		{layer: "mount", name: "said by touch", config: root, argv: sh("touch /x"), refused: "Read-only file system", said: true},
		{layer: "mount", name: "said by sh", config: root, argv: sh("echo >/x"), refused: "Read-only file system", said: true},
	}
	for _, script := range []string{"touch /mnt/x", "mkdir /mnt/x", "ln -s a /mnt/x", "mkfifo /mnt/x"} {
		list = append(list, seed{layer: "mount", name: "own, " + script, argv: []string{"/usr/bin/unshare", "-m", "/bin/sh", "-c", "mount -t tmpfs -o ro x /mnt;" + script}, refused: "= -1 EROFS"})
	}
	return list
}

func modeSeeds() (list []seed) {
	user := object{"process": object{"user": object{"uid": 1000, "gid": 1000}}}
	for script, refused := range map[string]string{
		"cat /srv/secret":           `"/srv/secret", O_RDONLY) = -1 EACCES`,
		"touch /etc/x":              `"/etc/x", O_WRONLY|O_CREAT|O_NOCTTY|O_NONBLOCK, 0666) = -1 EACCES`,
		"mkdir /srv/x":              `mkdir("/srv/x", 0777) = -1 EACCES`,
		"ln -s a /srv/x":            `"/srv/x") = -1 EACCES`,
		"mv /srv/secret /srv/s":     `= -1 EACCES`,
		"rm -f /srv/secret":         `"/srv/secret", 0) = -1 EACCES`,
		"chmod 644 /srv/secret":     `"/srv/secret", 0644) = -1 EPERM`,
		"chown 1000 /srv/secret":    `"/srv/secret", 1000, -1, 0) = -1 EPERM`,
		"touch -d @1 /srv/script":   `utimensat(...= -1 EPERM`,
		"echo x >/srv/secret":       `"/srv/secret", O_WRONLY|O_CREAT|O_TRUNC, 0666) = -1 EACCES`,
		"truncate -s 0 /srv/secret": `"/srv/secret", O_WRONLY|O_CREAT|O_NONBLOCK, 0666) = -1 EACCES`,
	} {
		list = append(list, seed{layer: "file-mode", name: script, config: user, argv: sh(script), refused: refused})
	}
	list = append(list, seed{layer: "file-mode", name: "no x bit", config: object{}, argv: sh("/srv/plain"), refused: `execve("/srv/plain", ["/srv/plain"]...= -1 EACCES`, uncontrolled: true},
		seed{layer: "file-mode", name: "no x bit, user", config: user, argv: sh("/srv/plain"), refused: `execve("/srv/plain", ["/srv/plain"]...= -1 EACCES`, uncontrolled: true})
	as := []string{"/usr/bin/setpriv", "--reuid", "1000", "--regid", "1000", "--clear-groups"}
	for script, refused := range map[string]string{
		"cat /etc/shadow":       `"/etc/shadow", O_RDONLY) = -1 EACCES`,
		"touch /etc/x":          `"/etc/x", O_WRONLY|O_CREAT|O_NOCTTY|O_NONBLOCK, 0666) = -1 EACCES`,
		"mkdir /etc/x":          `mkdir("/etc/x", 0777) = -1 EACCES`,
		"rm -f /etc/passwd":     `"/etc/passwd", 0) = -1 EACCES`,
		"chmod 644 /etc/group":  `"/etc/group", 0644) = -1 EPERM`,
		"chown 1000 /etc/group": `"/etc/group", 1000, -1, 0) = -1 EPERM`,
		"kill 1":                "kill(1, SIGTERM) = -1 EPERM",
		"ls /root/":             `"/root/", O_RDONLY|O_NONBLOCK|O_CLOEXEC|O_DIRECTORY) = -1 EACCES`,
	} {
		list = append(list, seed{layer: "file-mode", name: "plain " + script, argv: slices.Concat(as, sh(script)), refused: refused})
	}
	slices.SortFunc(list, func(a, b seed) int { return strings.Compare(a.name, b.name) })
	return list
}

func deviceSeeds() (list []seed) {
	none := object{"linux": object{"resources": object{"devices": []object{{"allow": false, "access": "rwm"}}}}}
	for _, d := range []string{"fuse c 10 229", "mem c 1 1", "port c 1 4", "loop-control c 10 237", "loop7 b 7 7", "rtc0 c 254 0", "hpet c 10 228",
		"cuse c 10 203", "ttyS9 c 4 73", "vcs c 7 0", "nvram c 10 144", "watchdog c 10 130", "snd c 116 1", "kvm c 10 232"} {
		name, _, _ := strings.Cut(d, " ")
		list = append(list, seed{layer: "device-cgroup", name: name, config: none, argv: sh("mknod /dev/" + d + "; exec 3</dev/" + name), refused: `"/dev/` + name + `", O_RDONLY) = -1 EPERM`})
	}
	return append(list, seed{layer: "device-cgroup", name: "said by cat", config: none, argv: sh("mknod /dev/cuse c 10 203; head -c 0 /dev/cuse"), refused: "Operation not permitted", said: true},
		seed{layer: "device-cgroup", name: "said by sh", config: none, argv: sh("mknod /dev/fuse c 10 229; exec 3</dev/fuse"), refused: "Operation not permitted", said: true})
}

// noNewPrivsSeeds are programs that are root's when anybody executes them, and are to read
// what only root may.
func noNewPrivsSeeds() (list []seed) {
	as := []string{"/usr/bin/setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"}
	shadow := `"/etc/shadow", ...= -1 EACCES`
	for program, refused := range map[string]string{
		"su root -c true": shadow, "passwd -S nobody": shadow, "chage -l nobody": shadow, "chage -l root": shadow, "expiry -c": shadow,
		"unix_chkpwd nobody nullok": shadow, "gpasswd -r root": `"/etc/gshadow"...= -1 EACCES`, "chage -l bin": shadow, "chage -l daemon": shadow,
	} {
		argv := strings.Fields("exec </dev/null; exec " + program)
		list = append(list, seed{layer: "no-new-privs", name: program, argv: slices.Concat(as, []string{"--no-new-privs"}, sh(strings.Join(argv, " "))),
			control: slices.Concat(as, sh(strings.Join(argv, " "))), refused: refused})
	}
	slices.SortFunc(list, func(a, b seed) int { return strings.Compare(a.name, b.name) })
	return list
}

func userNamespaceSeeds() (list []seed) {
	for limit, option := range map[string]string{"user": "-U", "net": "-n", "mnt": "-m", "pid": "-p", "uts": "-u", "ipc": "-i", "cgroup": "-C", "time": "-T"} {
		list = append(list, seed{layer: "user-namespace", name: "max_" + limit + "_namespaces", refused: ") = -1 ENOSPC",
			argv: []string{"/usr/bin/unshare", "-Ur", "/bin/sh", "-c", "echo 0 >/proc/sys/user/max_" + limit + "_namespaces; unshare " + option + " true"}})
	}
	inside := []string{"/usr/bin/unshare", "-Urm"}
	for _, s := range []struct {
		argv    []string
		refused string
	}{
		{sh("setpriv --reuid 5 true"), "setresuid(5, 5, 5) = -1 EINVAL"},
		{sh("setpriv --regid 5 --keep-groups true"), "setresgid(5, 5, 5) = -1 EINVAL"},
		{sh("mknod /tmp/whydenied-n c 1 3"), "makedev(0x1, 0x3)) = -1 EPERM"},
		{sh("swapoff /dev/null"), `swapoff("/dev/null") = -1 EPERM`},
		{py("call(163,0)"), "acct(NULL) = -1 EPERM"},
		{py("call(153)"), "vhangup() = -1 EPERM"},
		{py("call(167,b'/dev/null',0)"), `swapon("/dev/null", 0) = -1 EPERM`},
		{py("import time;time.clock_settime(0,time.time())"), "clock_settime(CLOCK_REALTIME, ...= -1 EPERM"},
		{sh("mount -t debugfs x /mnt"), `mount("x", "/mnt", "debugfs", 0, NULL) = -1 EPERM`},
	} {
		list = append(list, seed{layer: "user-namespace", name: "inside, " + s.refused, argv: slices.Concat(inside, s.argv), refused: s.refused})
	}
	list = append(list, seed{layer: "user-namespace", name: "ID map", argv: []string{"/usr/bin/unshare", "-U", "/bin/sh", "-c", "echo 0 0 99 >/proc/self/uid_map"}, refused: `/uid_map>, "0 0 99\n", 7) = -1 EPERM`})
	slices.SortFunc(list, func(a, b seed) int { return strings.Compare(a.name, b.name) })
	return list
}

func limitSeeds() (list []seed) {
	files := object{"process": object{"rlimits": []object{{"type": "RLIMIT_NOFILE", "soft": 9, "hard": 9}}}}
	for name, script := range map[string]string{
		"open": "[os.open('/etc/passwd',0) for i in range(20)]", "socket": "[socket.socket() for i in range(20)]", "pipe": "[os.pipe() for i in range(20)]",
		"dup": "[os.dup(0) for i in range(20)]", "memfd": "[os.memfd_create('x') for i in range(20)]", "eventfd": "[call(290,0,0) for i in range(20)]",
	} {
		list = append(list, seed{layer: "limits", name: "files, " + name, config: files, argv: py("k=" + script), refused: "= -1 EMFILE"},
			seed{layer: "limits", name: "own files, " + name, argv: slices.Concat([]string{"/usr/bin/prlimit", "--nofile=9:9"}, py("k="+script)), refused: "= -1 EMFILE"})
	}
	pids := object{"linux": object{"resources": object{"pids": object{"limit": 6}}}}
	many := "for i in 1 2 3 4 5 6 7 8; do sleep 0.5 & done; wait"
	list = append(list, seed{layer: "limits", name: "pids", config: pids, argv: sh(many), refused: "= -1 EAGAIN"},
		seed{layer: "limits", name: "pids, said by sh", config: pids, argv: sh(many), refused: "Cannot fork", said: true},
		seed{layer: "limits", name: "pids, said by Python", config: pids, argv: py("import time\nfor i in range(9):\n  os.fork() or (time.sleep(0.5),os._exit(0))"), refused: "Resource temporarily unavailable", said: true},
		seed{layer: "limits", name: "files, said by Python", config: files, argv: py("k=[os.open('/etc/passwd',0) for i in range(20)]"), refused: "Too many open files", said: true})
	as := []string{"/usr/bin/setpriv", "--reuid", "54321", "--regid", "54321", "--clear-groups"}
	list = append(list, seed{layer: "limits", name: "own processes", argv: slices.Concat([]string{"/usr/bin/prlimit", "--nproc=1:1"}, as, sh("ls; true")), refused: "= -1 EAGAIN"})
	for _, bytes := range []string{"0", "65536"} {
		list = append(list, seed{layer: "limits", name: "own locked memory, " + bytes, refused: "mlockall(MCL_CURRENT) = -1 E",
			argv: slices.Concat([]string{"/usr/bin/prlimit", "--memlock=" + bytes + ":" + bytes}, as, py("call(151,1)"))})
	}
	slices.SortFunc(list, func(a, b seed) int { return strings.Compare(a.name, b.name) })
	return list
}

// restricted confines a script of Python by Landlock: no access to files, no TCP.
func restricted(script string) []string {
	return py("import struct\nb=ctypes.create_string_buffer(struct.pack('QQ',0x7fff,3),16)\nf=call(444,b,16,0)\ncall(157,38,1,0,0,0)\ncall(446,f,0)\n" + script)
}

func landlockSeeds() (list []seed) {
	for name, s := range map[string][2]string{
		"read":    {"os.open('/etc/passwd',os.O_RDONLY)", `"/etc/passwd", O_RDONLY|O_CLOEXEC) = -1 EACCES`},
		"write":   {"os.open('/etc/passwd',os.O_WRONLY)", `"/etc/passwd", O_WRONLY|O_CLOEXEC) = -1 EACCES`},
		"mkdir":   {"os.mkdir('/tmp/whydenied-d')", `mkdir("/tmp/whydenied-d", 0777) = -1 EACCES`},
		"unlink":  {"os.unlink('/etc/passwd')", `unlink("/etc/passwd") = -1 EACCES`},
		"symlink": {"os.symlink('a','/tmp/whydenied-l')", `"/tmp/whydenied-l") = -1 EACCES`},
		"fifo":    {"os.mkfifo('/tmp/whydenied-f')", `= -1 EACCES`},
		"list":    {"os.listdir('/etc')", `"/etc", O_RDONLY|O_NONBLOCK|O_CLOEXEC|O_DIRECTORY) = -1 EACCES`},
		"connect": {"socket.socket().connect(('127.0.0.1',9))", `= -1 EACCES`},
		"bind":    {"socket.socket().bind(('127.0.0.1',9999))", `= -1 EACCES`},
		"mount":   {"lib.mount(b'x',b'/mnt',b'tmpfs',0,0)", `mount("x", "/mnt", "tmpfs", 0, NULL) = -1 EPERM`},
	} {
		list = append(list, seed{layer: "landlock", name: "plain, " + name, argv: slices.Concat([]string{"/usr/bin/unshare", "-m"}, restricted(s[0])), refused: s[1]},
			seed{layer: "landlock", name: name, config: object{}, argv: restricted(s[0]), refused: s[1], uncontrolled: true})
	}
	slices.SortFunc(list, func(a, b seed) int { return strings.Compare(a.name, b.name) })
	return list
}

// noneSeeds are calls that the kernel does not have.
func noneSeeds() (list []seed) {
	for nr, name := range map[int]string{134: "uselib", 174: "create_module", 177: "get_kernel_syms", 178: "query_module", 180: "nfsservctl", 181: "getpmsg", 184: "tuxcall", 185: "security", 236: "vserver"} {
		list = append(list, seed{layer: "none", name: name, config: object{}, argv: py(fmt.Sprintf("call(%d,0,0,0,0,0)", nr)), refused: name + "(", uncontrolled: true})
	}
	slices.SortFunc(list, func(a, b seed) int { return strings.Compare(a.name, b.name) })
	return list
}
