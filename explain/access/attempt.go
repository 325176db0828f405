package access

import (
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/whydenied/whydenied/parser"
	"github.com/whydenied/whydenied/rules/seccomp"
)

// A fileCall says what a call does to a path: which argument is the path and
// which the directory that it begins at, or -1, and what AppArmor asks.
type fileCall struct {
	operation string
	name, dir int
	mask      string
}

// fileCalls are the calls on one path. stat(2), access(2), chdir(2) and
// readlink(2) are not mediated.
var fileCalls = map[string]fileCall{
	"open": {"open", 0, -1, ""}, "openat": {"open", 1, 0, ""}, "openat2": {"open", 1, 0, ""}, "creat": {"mknod", 0, -1, "wc"},
	"execve": {"exec", 0, -1, "x"}, "execveat": {"exec", 1, 0, "x"},
	"mkdir": {"mkdir", 0, -1, "c"}, "mkdirat": {"mkdir", 1, 0, "c"}, "rmdir": {"rmdir", 0, -1, "d"},
	"unlink": {"unlink", 0, -1, "d"}, "unlinkat": {"unlink", 1, 0, "d"},
	"mknod": {"mknod", 0, -1, "c"}, "mknodat": {"mknod", 1, 0, "c"},
	"symlink": {"symlink", 1, -1, "c"}, "symlinkat": {"symlink", 2, 1, "c"},
	"truncate": {"truncate", 0, -1, "w"}, "ftruncate": {"truncate", -1, 0, "w"},
	"chmod": {"chmod", 0, -1, "w"}, "fchmod": {"chmod", -1, 0, "w"}, "fchmodat": {"chmod", 1, 0, "w"}, "fchmodat2": {"chmod", 1, 0, "w"},
	"chown": {"chown", 0, -1, "w"}, "lchown": {"chown", 0, -1, "w"}, "fchown": {"chown", -1, 0, "w"}, "fchownat": {"chown", 1, 0, "w"},
	"mmap": {"file_mmap", -1, 4, "m"},
}

// Attempted turns a system call, as strace and programs name it, into the words of
// records: what the kernel would log if AppArmor refused it, the most telling first;
// none if AppArmor is not asked, or if what is known does not say. A mask of "?" is not
// known, and a peer may be OwnLabel. The hooks are those of security/apparmor/lsm.c,
// Linux 6.18.
func Attempted(a *parser.Attempt) []Words {
	var list []Words
	if call, ok := fileCalls[a.Syscall]; ok {
		list = fileAccess(a, call)
	}
	switch a.Syscall {
	case "":
		if a.Path != "" { // what was done is not said
			list = []Words{FileWords("open", a.Path, "?")}
		}
	case "rename", "renameat", "renameat2":
		list = twoPaths(a, "rename", func(from, to string) []Words {
			return []Words{FileWords("rename_src", from, "rwd"), FileWords("rename_dest", to, "wc")}
		})
	case "link", "linkat":
		list = twoPaths(a, "link", func(from, to string) []Words {
			return []Words{FileWords("link", to, "l").add("target", from)}
		})
	case "socket", "socketpair":
		list = socketAccess(a)
	case "bind", "connect":
		list = addressAccess(a)
	case "mount":
		list = mountAccess(a)
	case "umount", "umount2":
		if name := pathArg(a, 0, -1); name != "" {
			list = []Words{NewWords("operation", "umount", "name", directory(name))}
		}
	case "pivot_root":
		if name := pathArg(a, 0, -1); name != "" {
			list = []Words{NewWords("operation", "pivotroot", "name", directory(name), "srcname", directory(pathArg(a, 1, -1)))}
		}
	case "kill", "tkill", "tgkill":
		list = signalAccess(a)
	case "ptrace", "process_vm_readv", "process_vm_writev":
		list = []Words{NewWords("operation", "ptrace", "requested_mask", "trace", "denied_mask", "trace", "peer", OwnLabel)}
	}
	return list
}

// OwnLabel stands for the profile of the process itself: the processes of a
// container have one.
const OwnLabel = "\x00own"

func directory(name string) string { return strings.TrimSuffix(name, "/") + "/" }

// arg returns an argument, or "".
func arg(a *parser.Attempt, i int) string {
	if i < 0 || i >= len(a.Args) {
		return ""
	}
	return a.Args[i]
}

// pathArg returns the absolute path that a call names: by an argument, which can
// begin at a directory, or by a file descriptor. It is "" if that is not known.
func pathArg(a *parser.Attempt, name, dir int) string {
	if a.Args == nil {
		return a.Path
	}
	base := a.Cwd
	if dir >= 0 && !strings.HasPrefix(arg(a, dir), "AT_FDCWD") || strings.Contains(arg(a, dir), "</") {
		base, _ = parser.StraceFD(arg(a, dir))
	}
	if name < 0 {
		return base
	}
	text, whole, ok := parser.StraceString(arg(a, name))
	switch {
	case !ok || !whole:
		return ""
	case strings.HasPrefix(text, "/"):
		return cleanPath(text)
	case base == "":
		return ""
	}
	return cleanPath(base + "/" + text)
}

// cleanPath is path.Clean but for a slash at the end, which a directory has.
func cleanPath(name string) string {
	clean := path.Clean(name)
	if strings.HasSuffix(name, "/") && clean != "/" {
		clean += "/"
	}
	return clean
}

// fileAccess is the access of a call on one path.
func fileAccess(a *parser.Attempt, call fileCall) []Words {
	name, mask := pathArg(a, call.name, call.dir), call.mask
	flags := arg(a, call.name+1)
	switch {
	case a.Syscall == "mmap" && a.Args != nil && !strings.Contains(arg(a, 2), "PROT_EXEC"):
		return nil
	case call.operation == "open" && a.Args == nil:
		mask = "?"
	case call.operation == "open":
		mask = openMask(flags)
		if strings.Contains(flags, "O_DIRECTORY") {
			name = directory(name)
		}
	case call.operation == "unlink" && strings.Contains(arg(a, call.name+1), "AT_REMOVEDIR"):
		call.operation = "rmdir"
	}
	if name == "" || name == "/" && call.operation != "open" {
		return nil
	}
	if call.operation == "mkdir" || call.operation == "rmdir" {
		name = directory(name)
	}
	return []Words{FileWords(call.operation, name, mask)}
}

// openMask returns the mask of a record for the flags of open(2):
// aa_map_file_to_perms() in security/apparmor/include/file.h.
func openMask(flags string) string {
	has := func(flag string) bool { return slices.Contains(strings.FieldsFunc(flags, notWord), flag) }
	mask := "r"
	switch {
	case has("O_WRONLY") && has("O_APPEND"):
		mask = "a"
	case has("O_RDWR") && has("O_APPEND"):
		mask = "ra"
	case has("O_WRONLY"):
		mask = "w"
	case has("O_RDWR"):
		mask = "wr"
	}
	if has("O_TRUNC") && !strings.Contains(mask, "w") {
		mask += "w"
	}
	if has("O_CREAT") && !has("O_PATH") && mask != "r" {
		mask += "c"
	}
	return mask
}

func notWord(r rune) bool {
	return r != '_' && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
}

// twoPaths is the access of a call on an old and a new path.
func twoPaths(a *parser.Attempt, plain string, access func(from, to string) []Words) []Words {
	if a.Args == nil { // a message names one of the two, and not which
		return nil
	}
	from, to := pathArg(a, 0, -1), pathArg(a, 1, -1)
	if a.Syscall != plain {
		from, to = pathArg(a, 1, 0), pathArg(a, 3, 2)
	}
	if from == "" || to == "" {
		return nil
	}
	return access(from, to)
}

// socketAccess is the creation of a socket.
func socketAccess(a *parser.Attempt) []Words {
	family, ok := strings.CutPrefix(arg(a, 0), "AF_")
	kind := strings.TrimPrefix(strings.Split(arg(a, 1), "|")[0], "SOCK_")
	if !ok || kind == "" {
		return nil
	}
	family = strings.ToLower(family)
	if family == "local" {
		family = "unix"
	}
	return []Words{NewWords("operation", "create", "class", "net", "family", family, "sock_type", strings.ToLower(kind), "requested_mask", "create", "denied_mask", "create")}
}

// sunPath finds the path of a unix socket's address.
var sunPath = regexp.MustCompile(`sun_path=("(?:[^"\\]|\\.)*")`)

// addressAccess is the use of a unix socket that has a path: the others need
// their type, which the call does not say.
func addressAccess(a *parser.Attempt) []Words {
	m := sunPath.FindStringSubmatch(arg(a, 1))
	if m == nil {
		return nil
	}
	name, whole, ok := parser.StraceString(m[1])
	switch {
	case !ok || !whole || !strings.HasPrefix(name, "/"):
		return nil
	case a.Syscall == "bind":
		return []Words{FileWords("mknod", name, "c")}
	}
	return []Words{FileWords("connect", name, "wr")}
}

// mountFlags are the flags of mount(2) in the words of records: audit_mnt_flags()
// in security/apparmor/mount.c.
var mountFlags = map[string]string{
	"MS_RDONLY": "ro", "MS_NOSUID": "nosuid", "MS_NODEV": "nodev", "MS_NOEXEC": "noexec", "MS_SYNCHRONOUS": "sync",
	"MS_REMOUNT": "remount", "MS_MANDLOCK": "mand", "MS_DIRSYNC": "dirsync", "MS_NOATIME": "noatime", "MS_NODIRATIME": "nodiratime",
	"MS_BIND": "bind", "MS_MOVE": "move", "MS_SILENT": "silent", "MS_POSIXACL": "acl", "MS_UNBINDABLE": "unbindable",
	"MS_PRIVATE": "private", "MS_SLAVE": "slave", "MS_SHARED": "shared", "MS_RELATIME": "relatime", "MS_STRICTATIME": "strictatime",
}

// mountAccess is a mount(2).
func mountAccess(a *parser.Attempt) []Words {
	target := pathArg(a, 1, -1)
	if target == "" || a.Args == nil {
		return nil
	}
	flags := []string{"rw"}
	recursive := strings.Contains(arg(a, 3), "MS_REC")
	for _, flag := range strings.FieldsFunc(arg(a, 3), notWord) {
		word := mountFlags[flag]
		switch {
		case word == "":
			continue
		case word == "ro":
			flags[0] = "ro"
			continue
		case recursive && slices.Contains([]string{"bind", "unbindable", "private", "slave", "shared"}, word):
			word = "r" + word
		}
		flags = append(flags, word)
	}
	w := NewWords("operation", "mount", "name", directory(target), "flags", strings.Join(flags, ", "))
	if source, whole, ok := parser.StraceString(arg(a, 0)); ok && whole {
		if slices.Contains(flags, "bind") || slices.Contains(flags, "rbind") || slices.Contains(flags, "move") {
			source = directory(source)
		}
		w = w.add("srcname", source)
	}
	if fstype, whole, ok := parser.StraceString(arg(a, 2)); ok && whole {
		w = w.add("fstype", fstype)
	}
	return []Words{w}
}

// signalAccess is a kill(2) of a process of the same profile.
func signalAccess(a *parser.Attempt) []Words {
	signal := ""
	for _, arg := range a.Args {
		if s, ok := strings.CutPrefix(arg, "SIG"); ok {
			signal = strings.ToLower(strings.ReplaceAll(s, "_", ""))
		}
	}
	if signal == "" {
		return nil
	}
	return []Words{NewWords("operation", "signal", "signal", signal, "requested_mask", "send", "denied_mask", "send", "peer", OwnLabel)}
}

// neededBy are the capabilities without which a call fails with EPERM, as the man
// page capabilities(7) and the kernel's own checks have them.
var neededBy = func() map[string]string {
	all := map[string]string{}
	for capability, calls := range map[string]string{
		"chown":            "chown fchown lchown fchownat",
		"fowner":           "chmod fchmod fchmodat fchmodat2 utimensat",
		"kill":             "kill tkill tgkill",
		"net_bind_service": "bind",
		"sys_nice":         "sched_setaffinity",
		"setpcap":          "capset",
	} {
		for call := range strings.FieldsSeq(calls) {
			all[call] = capability
		}
	}
	return all
}()

// Capability returns the capability that a call asks for, or "".
func Capability(a *parser.Attempt) string {
	isClone := a.Syscall == "clone" || a.Syscall == "clone3"
	if strings.Contains(strings.Join(a.Args, " "), "CLONE_NEWUSER") || isClone && a.Args == nil {
		return "" // anybody may, and holds all capabilities in it; threads and processes need none
	}
	if p, ok := Privilege(a, seccomp.X86_64); ok {
		return strings.ToLower(strings.TrimPrefix(p.Caps[0], "CAP_"))
	}
	return neededBy[a.Syscall]
}

// Privilege returns what the kernel asks of who makes the call of an attempt, as
// seccomp.Call.Privilege does. Of the requests of ioctl few are asked about, and by their names.
func Privilege(a *parser.Attempt, arch seccomp.Arch) (p seccomp.Privilege, ok bool) {
	if a.Syscall == "ioctl" && !slices.Contains(a.Args, "TIOCSTI") {
		ok = slices.ContainsFunc(a.Args, ofInterface.MatchString)
		if ok {
			p = seccomp.Privilege{Caps: []string{"CAP_NET_ADMIN"}, Source: "dev_ioctl() in net/core/dev_ioctl.c and tun_set_iff() in drivers/net/tun.c"}
		}
		return p, ok
	}
	known := *a
	known.Args = slices.Clone(a.Args)
	for i, arg := range a.Args { // what the kernel asks for hangs on no pointer
		if _, _, isText := parser.StraceString(arg); isText {
			known.Args[i] = "NULL"
		}
	}
	return seccomp.Call{Arch: arch, Name: a.Syscall, Args: Arguments(&known, arch)}.Privilege()
}

// ofInterface are the requests of ioctl that change network interfaces.
var ofInterface = regexp.MustCompile(`^(?:SIOCSIF\w+|SIOCBR\w+|TUNSETIFF)$`)

// constants are the values of names that strace prints for arguments, where
// container profiles have conditions on them: include/uapi/linux/sched.h,
// include/linux/socket.h, include/linux/net.h, include/uapi/linux/personality.h,
// asm-generic/ioctls.h and fcntl.h, stat.h, keyctl.h, bpf.h, time.h, fanotify.h, userfaultfd.h, ioprio.h
// of include/uapi/linux and include/linux/syslog.h of Linux 6.18. SOCK_ and O_ names have other
// values on MIPS, Alpha, PA-RISC and SPARC.
var constants = map[string]uint64{
	"NULL": 0, "AT_FDCWD": 1<<64 - 100,
	"S_IFIFO": 0x1000, "S_IFCHR": 0x2000, "S_IFBLK": 0x6000, "S_IFREG": 0x8000, "S_IFSOCK": 0xc000,

	"CLONE_NEWTIME": 0x80, "CLONE_VM": 0x100, "CLONE_FS": 0x200, "CLONE_FILES": 0x400, "CLONE_SIGHAND": 0x800, "CLONE_PIDFD": 0x1000,
	"CLONE_PTRACE": 0x2000, "CLONE_VFORK": 0x4000, "CLONE_PARENT": 0x8000, "CLONE_THREAD": 0x10000, "CLONE_NEWNS": 0x20000,
	"CLONE_SYSVSEM": 0x40000, "CLONE_SETTLS": 0x80000, "CLONE_PARENT_SETTID": 0x100000, "CLONE_CHILD_CLEARTID": 0x200000,
	"CLONE_DETACHED": 0x400000, "CLONE_UNTRACED": 0x800000, "CLONE_CHILD_SETTID": 0x1000000, "CLONE_NEWCGROUP": 0x2000000,
	"CLONE_NEWUTS": 0x4000000, "CLONE_NEWIPC": 0x8000000, "CLONE_NEWUSER": 0x10000000, "CLONE_NEWPID": 0x20000000,
	"CLONE_NEWNET": 0x40000000, "CLONE_IO": 0x80000000, "SIGCHLD": 17,

	"AF_UNSPEC": 0, "AF_UNIX": 1, "AF_LOCAL": 1, "AF_INET": 2, "AF_AX25": 3, "AF_IPX": 4, "AF_APPLETALK": 5, "AF_X25": 9, "AF_INET6": 10,
	"AF_NETLINK": 16, "AF_PACKET": 17, "AF_RDS": 21, "AF_CAN": 29, "AF_TIPC": 30, "AF_BLUETOOTH": 31, "AF_ALG": 38, "AF_NFC": 39, "AF_VSOCK": 40,
	"AF_QIPCRTR": 42, "AF_SMC": 43, "AF_XDP": 44,
	"SOCK_STREAM": 1, "SOCK_DGRAM": 2, "SOCK_RAW": 3, "SOCK_RDM": 4, "SOCK_SEQPACKET": 5, "SOCK_PACKET": 10, "SOCK_NONBLOCK": 0x800, "SOCK_CLOEXEC": 0x80000,
	"IPPROTO_IP": 0, "IPPROTO_ICMP": 1, "IPPROTO_TCP": 6, "IPPROTO_UDP": 17, "IPPROTO_ICMPV6": 58, "IPPROTO_RAW": 255, "NETLINK_ROUTE": 0, "NETLINK_AUDIT": 9,

	"PER_LINUX": 0, "PER_LINUX32": 8, "UNAME26": 0x20000, "ADDR_NO_RANDOMIZE": 0x40000,
	"READ_IMPLIES_EXEC": 0x400000, "FICLONE": 0x40049409,
	// What the kernel asks for hangs on these: see the table of privileges in rules/seccomp.
	"KEYCTL_GET_KEYRING_ID": 0, "KEYCTL_JOIN_SESSION_KEYRING": 1, "KEYCTL_UPDATE": 2, "KEYCTL_REVOKE": 3, "KEYCTL_CHOWN": 4, "KEYCTL_SETPERM": 5,
	"KEYCTL_DESCRIBE": 6, "KEYCTL_CLEAR": 7, "KEYCTL_LINK": 8, "KEYCTL_UNLINK": 9, "KEYCTL_SEARCH": 10, "KEYCTL_READ": 11, "KEYCTL_SET_TIMEOUT": 15,
	"KEYCTL_SESSION_TO_PARENT": 18, "KEYCTL_INVALIDATE": 21, "KEYCTL_GET_PERSISTENT": 22,
	"BPF_MAP_CREATE": 0, "BPF_MAP_LOOKUP_ELEM": 1, "BPF_MAP_UPDATE_ELEM": 2, "BPF_MAP_DELETE_ELEM": 3, "BPF_MAP_GET_NEXT_KEY": 4, "BPF_PROG_LOAD": 5,
	"BPF_OBJ_PIN": 6, "BPF_OBJ_GET": 7, "BPF_PROG_ATTACH": 8, "BPF_PROG_DETACH": 9, "BPF_PROG_TEST_RUN": 10, "BPF_PROG_GET_NEXT_ID": 11, "BPF_MAP_GET_NEXT_ID": 12,
	"BPF_PROG_GET_FD_BY_ID": 13, "BPF_MAP_GET_FD_BY_ID": 14, "BPF_OBJ_GET_INFO_BY_FD": 15, "BPF_PROG_QUERY": 16, "BPF_RAW_TRACEPOINT_OPEN": 17, "BPF_BTF_LOAD": 18,
	"BPF_BTF_GET_FD_BY_ID": 19, "BPF_TASK_FD_QUERY": 20, "BPF_BTF_GET_NEXT_ID": 23, "BPF_LINK_CREATE": 28, "BPF_LINK_GET_FD_BY_ID": 30, "BPF_LINK_GET_NEXT_ID": 31, "BPF_ENABLE_STATS": 32,
	"CLOCK_REALTIME": 0, "CLOCK_MONOTONIC": 1, "CLOCK_BOOTTIME": 7, "CLOCK_REALTIME_ALARM": 8, "CLOCK_BOOTTIME_ALARM": 9, "CLOCK_TAI": 11,
	"SCHED_OTHER": 0, "SCHED_FIFO": 1, "SCHED_RR": 2, "SCHED_BATCH": 3, "SCHED_IDLE": 5, "SCHED_DEADLINE": 6, "SCHED_RESET_ON_FORK": 0x40000000,
	"SYSLOG_ACTION_READ": 2, "SYSLOG_ACTION_READ_ALL": 3, "SYSLOG_ACTION_READ_CLEAR": 4, "SYSLOG_ACTION_CLEAR": 5, "SYSLOG_ACTION_CONSOLE_LEVEL": 8, "SYSLOG_ACTION_SIZE_UNREAD": 9, "SYSLOG_ACTION_SIZE_BUFFER": 10,
	"FAN_CLASS_NOTIF": 0, "FAN_CLOEXEC": 1, "FAN_NONBLOCK": 2, "FAN_CLASS_CONTENT": 4, "FAN_CLASS_PRE_CONTENT": 8, "FAN_UNLIMITED_QUEUE": 0x10, "FAN_UNLIMITED_MARKS": 0x20,
	"FAN_ENABLE_AUDIT": 0x40, "FAN_REPORT_PIDFD": 0x80, "FAN_REPORT_TID": 0x100, "FAN_REPORT_FID": 0x200, "FAN_REPORT_DIR_FID": 0x400, "FAN_REPORT_NAME": 0x800, "FAN_REPORT_TARGET_FID": 0x1000,
	"UFFD_USER_MODE_ONLY": 1, "IOPRIO_WHO_PROCESS": 1, "IOPRIO_WHO_PGRP": 2, "IOPRIO_WHO_USER": 3,
	"TIOCSTI": 0x5412, "TIOCLINUX": 0x541c, "PTRACE_TRACEME": 0, "PTRACE_ATTACH": 16, "PTRACE_SEIZE": 0x4206,
}

// Arguments returns the arguments of a call as numbers, in the order that an
// architecture has them in, as far as they are known: up to the first that is a pointer
// or a name without a known value.
func Arguments(a *parser.Attempt, arch seccomp.Arch) []uint64 {
	if a.Syscall == "clone" {
		return cloneArguments(a.Args, arch)
	}
	var list []uint64
	for _, text := range a.Args[:min(len(a.Args), 6)] {
		n, ok := evaluate(text)
		if !ok {
			break
		}
		list = append(list, n)
	}
	return list
}

// cloneArguments is Arguments for clone, of which strace names the arguments. The stack is
// the one that the filter saw, whatever it will be the next time.
func cloneArguments(args []string, arch seccomp.Arch) []uint64 {
	var list []uint64
	for _, name := range seccomp.CloneOrder(arch) {
		i := slices.IndexFunc(args, func(arg string) bool { return strings.HasPrefix(arg, name+"=") })
		if i < 0 {
			return list
		}
		text := args[i][len(name)+1:]
		n, ok := evaluate(text)
		if address, err := strconv.ParseUint(text, 0, 64); err == nil {
			n, ok = address, true
		}
		if !ok {
			return list
		}
		list = append(list, n)
	}
	return list
}

var comment = regexp.MustCompile(` */\*.*?\*/`)

// device is how strace prints the number of one.
var device = regexp.MustCompile(`^makedev\((\w+), (\w+)\)$`)

// deviceNumber is new_encode_dev() of include/linux/kdev_t.h.
func deviceNumber(major, minor string) (n uint64, ok bool) {
	m, err := strconv.ParseUint(major, 0, 12)
	if err != nil {
		return 0, false
	}
	i, err := strconv.ParseUint(minor, 0, 20)
	return i&0xff | m<<8 | i&^0xff<<12, err == nil
}

// evaluate returns the value of one argument: a number, a name, several joined by |, or the
// number of a file descriptor.
func evaluate(text string) (n uint64, ok bool) {
	text = comment.ReplaceAllLiteralString(text, "")
	text, _, _ = strings.Cut(text, "<")
	if m := device.FindStringSubmatch(text); m != nil {
		return deviceNumber(m[1], m[2])
	}
	for part := range strings.SplitSeq(text, "|") {
		v, known := constants[part]
		if !known {
			signed, err := strconv.ParseInt(part, 0, 64)
			v = uint64(signed)
			if err != nil {
				v, err = strconv.ParseUint(part, 0, 64)
			}
			if err != nil || strings.HasPrefix(part, "0x") && v > 1<<32 { // an address, of which nothing is known
				return 0, false
			}
		}
		n |= v
	}
	return n, true
}
