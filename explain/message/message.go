// Package message reads what programs, container runtimes and engines print when
// something was refused them: which system call is the likeliest, or that the loading
// of a policy itself failed. The texts are a table, messages.tsv; what no row of it
// has is read by its words.
package message

import (
	"cmp"
	"path"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/whydenied/whydenied/parser"
	"github.com/whydenied/whydenied/rules/seccomp"
)

// A phrase is how programs name an error.
type phrase struct {
	text  string // lower case
	errno string
}

// The phrases: strerror(3) of glibc and musl, the names of the errors, and the
// exceptions of Java and Python.
var phrases = []phrase{
	{"permission denied", "EACCES"},
	{"operation not permitted", "EPERM"},
	{"bad system call", "SIGSYS"},
	{"function not implemented", "ENOSYS"},
	{"exec format error", "ENOEXEC"},
	{"read-only file system", "EROFS"},
	{"too many open files", "EMFILE"},
	{"cannot allocate memory", "ENOMEM"}, // of what locks memory: see isLimit
	{"address family not supported by protocol", "EAFNOSUPPORT"},
	{"no space left on device", "ENOSPC"},          // of what makes namespaces or watches: see isLimit
	{"resource temporarily unavailable", "EAGAIN"}, // of what starts processes: see isLimit
	{"failed to map segment from shared object", "EACCES"},
	{"accessdeniedexception", "EACCES"},
	{"permissiondenied", "EACCES"}, // Rust's kind, of EPERM too: see errnoOf
	{"eacces", "EACCES"},
	{"eperm", "EPERM"},
	{"enosys", "ENOSYS"},
}

// A verb is how a message words the call that failed.
type verb struct {
	text *regexp.Regexp
	call string
}

// unable is how programs begin to say what they could not do.
const unable = `\b(?:[Cc](?:annot|an't|ould not)|(?:[Ff]ailed|[Uu]nable) to) `

// ofObject is what stands between that and the name of a thing that has a call of its own.
const ofObject = `(?:create|open|make|set ?up|initiali[sz]e|init|allocate) (?:an? |the |new )*`

// The verbs, the telling ones first. A name of a system call stands for itself.
var verbs = sync.OnceValue(func() []verb {
	return []verb{
		{regexp.MustCompile(unable + ofObject + `memfd\b`), "memfd_create"},
		{regexp.MustCompile(unable + ofObject + `timer ?fd\b`), "timerfd_create"},
		{regexp.MustCompile(unable + ofObject + `event ?fd\b`), "eventfd2"},
		{regexp.MustCompile(unable + ofObject + `epoll\b`), "epoll_create1"},
		{regexp.MustCompile(unable + ofObject + `(?:inotify|fsnotify)\b`), "inotify_init1"},
		{regexp.MustCompile(unable + ofObject + `perf events?\b`), "perf_event_open"},
		{regexp.MustCompile(unable + ofObject + `(?:special file|device node|fifo|named pipe)\b`), "mknodat"},
		{regexp.MustCompile(unable + ofObject + `(?:symlink|symbolic link)\b`), "symlinkat"},
		{regexp.MustCompile(unable + ofObject + `(?:\w+ )?keyring\b`), "keyctl"},
		{regexp.MustCompile(unable + ofObject + `(?:\w+ )?pipes?\b`), "pipe2"},
		{regexp.MustCompile(unable + ofObject + `(?:\w+ )?sockets?\b`), "socket"},
		{regexp.MustCompile(unable + ofObject + `(?:\w+ )?namespaces?\b`), "unshare"},
		{regexp.MustCompile(unable + ofObject + `io_?uring\b|\bio_?uring (?:setup|init\w*)\b`), "io_uring_setup"},
		{regexp.MustCompile(`\bfailed to map segment\b|\bshared object file\b|\bloading shared librar`), "mmap"},
		{regexp.MustCompile(`\b(fork/exec|exec|execve|execv|execvp|spawn|posix_spawn)\b|\bexec user process\b|` + unable + `(run|execute)\b`), "execve"},
		{regexp.MustCompile(`\b(mkdir|rmdir|unlink|unlinkat|rename|symlink|link|mknod|mkfifo|chmod|fchmod|chown|fchown|lchown|truncate|` +
			`bind|listen|connect|socket|setsockopt|unshare|setns|mount|umount|umount2|pivot_root|chroot|ptrace|kill|` +
			`setuid|setgid|setgroups|setresuid|setresgid|setrlimit|setpriority|sched_setscheduler|sched_setaffinity|mlock|mlockall|` +
			`sethostname|settimeofday|clock_settime|clone|clone3|keyctl|add_key|bpf|perf_event_open|io_uring_setup|userfaultfd|personality|` +
			`init_module|finit_module|delete_module|ioctl|prctl|sendto|sendmsg|capset|syslog|open_by_handle_at|mbind|set_mempolicy|get_mempolicy|reboot|quotactl|acct|swapon|swapoff|chdir|chgrp|prlimit|setsid|vhangup)\b`), ""},
		{regexp.MustCompile(`^\W*(?:open|stat|lstat|unlinkat|readlink|lchown|fchmodat)(?:\s*$|\s+(?:permission denied|operation not permitted|read-only file system)\b)`), ""}, // as Go has it before the path
		{regexp.MustCompile(`\(Bind failed\)`), "bind"},
		{regexp.MustCompile(`\b[Ss]et(?:ting)? (?:the )?(?:\w+ )?scheduling (?:policy|class|priority|parameters)\b|\b(?:[Rr]eal-?time|[Hh]igh-priority) (?:priority|scheduling)\b`), "sched_setscheduler"},
		{regexp.MustCompile(`\b[Ss]et(?:ting)? (?:the )?(?:CPU |cpu |process |thread )?affinity\b`), "sched_setaffinity"},
		{regexp.MustCompile(`\b(?:[Dd]rop(?:ping)?|[Ss]et(?:ting)?) (?:the )?(?:\w+ )?capabilities\b`), "capset"},
		{regexp.MustCompile(`\b[Ss]et(?:ting)? (?:the )?(?:supplementary |additional )?(?:groups|group list)\b`), "setgroups"},
		{regexp.MustCompile(`\b(?:[Ss]et|[Rr]aise|[Ii]ncrease|[Cc]hange) (?:the )?(?:max(?:imum)? )?(?:number of )?(?:open files|file descriptors|open file|(?:FD|fd|nofile|NOFILE) limit)\b`), "prlimit64"},
		{regexp.MustCompile(`(?i)\block(?:ing)? (?:\w+ )?memory\b`), "mlockall"},
		{regexp.MustCompile(`\b[Ss]et(?:ting)? (?:the )?nice[ -]?(?:level|value|ness)\b`), "setpriority"},
		{regexp.MustCompile(`\b[Ss]et(?:ting)? (?:the )?(?:effective |real |saved )?(?:uid|UID|user ID)\b`), "setuid"},
		{regexp.MustCompile(`\b[Ss]et(?:ting)? (?:the )?(?:effective |real |saved )?(?:gid|GID|group ID)\b`), "setgid"},
		{regexp.MustCompile(`\([Cc]onnect failed\)`), "connect"},
		{regexp.MustCompile(`\b(?:set|setting|raise) (?:\w+ )?rlimit\b`), "prlimit64"},
		{regexp.MustCompile(`\b[Ll]oad(?:ing)? (?:the )?(?:e?BPF|bpf) (?:program|object)`), "bpf"},
		{regexp.MustCompile(`\b(?:BPF|bpf) (?:map|link|object|program)\b|\blookup key\b.* map\b`), "bpf"},
		{regexp.MustCompile(`\b[Aa]ttach(?:ing)? to (?:the )?(?:pid|PID|process|container process)\b`), "ptrace"},
		{regexp.MustCompile(`\bio_uring\b`), "io_uring_setup"},
		{regexp.MustCompile(`\b[Pp]ivot (?:root )?(?:in)?to\b`), "pivot_root"},
		{regexp.MustCompile(unable + `create director(?:y|ies)\b`), "mkdir"},
		{regexp.MustCompile(unable + `(create|touch|write)\b|\bfor writing\b`), "creat"},
		{regexp.MustCompile(unable + `(remove|delete)\b`), "unlink"},
		{regexp.MustCompile(unable + `(move|rename)\b`), "rename"},
		{regexp.MustCompile(`\bchanging ownership\b|` + unable + `change (?:the )?(?:owner(?:ship)?|group)\b`), "chown"},
		{regexp.MustCompile(`\bchanging permissions\b|` + unable + `(?:change|set) (?:the )?(?:permissions|mode)\b`), "chmod"},
		{regexp.MustCompile(`\bset date\b`), "clock_settime"},
		{regexp.MustCompile(unable + `(open|read)\b|\bfor reading\b|\bopendir\b|\bscandir\b`), "open"},
	}
})

// ofFile finds that it is a file which is created or written: after the verb a name in quotes, or a word for it.
var ofFile = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`(?i)\b(?:create|touch|write)(?: to)? ?(?:['"‘“]|$|:)|\b(?:create|touch|write|creating)\b(?: \S+){0,3}? (?:[\w-]*files?|director(?:y|ies)|folder|lock|log|cache)\b|\bfor writing\b`)
})

// programs are those whose messages are all of one call, in whatever language they are; "" of
// those that only have the name of one.
var programs = map[string]string{
	"unshare": "unshare", "nsenter": "setns", "mount": "mount", "umount": "umount2", "chroot": "chroot", "ping": "socket", "arping": "socket",
	"hostname": "sethostname", "dmesg": "syslog", "insmod": "init_module", "modprobe": "finit_module", "date": "clock_settime",
	"strace": "ptrace", "gdb": "ptrace", "kill": "kill", "mknod": "mknod", "mkdir": "mkdir", "chown": "chown", "chmod": "chmod",
	"ln": "linkat", "mv": "rename", "rm": "unlink", "touch": "utimensat", "taskset": "sched_setaffinity", "chrt": "sched_setscheduler",
	"renice": "setpriority", "swapon": "swapon", "swapoff": "swapoff", "rmdir": "rmdir", "nice": "setpriority", "env": "execve",
	"tee": "", "stat": "", "sync": "", "time": "", "truncate": "", "link": "", "unlink": "", "rename": "", "write": "", "read": "",
}

// callOf is the call that a program's messages are of, or "". What looks at files gets EPERM
// only where statx(2) is refused.
func callOf(program, errno string) string {
	if errno == "EPERM" && (program == "ls" || program == "stat" || program == "find") {
		return "statx"
	}
	return programs[program]
}

// functions are those of libraries that have another name than the call they make.
var functions = map[string]string{
	"io_uring_queue_init": "io_uring_setup", "queue_init": "io_uring_setup", "io_queue_init": "io_setup", "klogctl": "syslog", "umount": "umount2", "remount": "mount", "mkfifo": "mknodat",
	"uv_os_setpriority": "setpriority", "uv_cwd": "getcwd", "chgrp": "fchownat", "prlimit": "prlimit64",
	"initgroups": "setgroups", "posix_spawn": "clone3", "posix_fallocate": "fallocate", "shm_open": "openat", "opendir": "openat", "scandir": "openat",
	"futimens": "utimensat", "lutime": "utimensat", "futime": "utimensat", "fstatat": "newfstatat", "fexecve": "execveat",
	"keyctl_join_session_keyring": "keyctl", "keyctl_read_alloc": "keyctl",
	"step_systime": "clock_settime", "ntp_set_tod": "clock_settime", "ntp_adjtime": "adjtimex", "adjtime": "adjtimex", "stime": "clock_settime", "pthread_setaffinity_np": "sched_setaffinity",
	"pthread_setschedparam": "sched_setscheduler", "sched_setparam": "sched_setscheduler", "shm_unlink": "unlink", "_fork_exec": "vfork", "fork_exec": "vfork", "semlock": "openat",
	"seteuid": "setresuid", "setegid": "setresgid",
	"start_new_thread": "clone3", "start_joinable_thread": "clone3", "makedirs": "mkdir",
}

// maxMessage bounds the bytes of a line that are looked at.
const maxMessage = 8192

// Read reads a line of a program's error output, or of what a runtime or an engine says,
// and reports whether it says that something was refused. What was tried is taken from
// the table, else from its words:
//
//	nginx: [emerg] open() "/run/nginx.pid" failed (13: Permission denied)
//	PermissionError: [Errno 13] Permission denied: '/data/x'
//	exec /docker-entrypoint.sh: operation not permitted
//
// Where they do not say, Syscall and Path are "". Numbers of system calls are those of
// an architecture.
func Read(o parser.Origin, line string, arch seccomp.Arch) (a parser.Attempt, ok bool) {
	whole := strings.TrimSpace(line[:min(len(line), maxMessage)])
	line = ofPHP.ReplaceAllLiteralString(toEnglish().Replace(bare(whole)), "")
	lower := lowerASCII(line)
	errno, at, end := errnoOf(lower)
	row, matched := find(Rows(), lower)
	if errno == "" && row == nil || isCodeAlone(lower) {
		return a, false
	}
	o.Transport = parser.ErrorOutput
	a = parser.Attempt{Origin: o, Text: whole, Errno: errno, Comm: speaker(line), First: startsProgram.MatchString(line)}
	if row != nil {
		row.apply(&a, lower, matched, arch)
		a.Path = pathIn(line, matched[1])
		if !a.First && (row.From == "Go" || row.Hint == "namespaces" || row.Hint == "mount") && ofCreation().MatchString(lower) {
			a.Outside = true // as anything in Go says so, runtimes too
		}
		if a.Outside && (a.Hint == "" || row.Hint == "mount") {
			take(&a, "runtime")
		}
		a.Host = a.Host || ofHostApp().MatchString(line)
		return a, true
	}
	a.Path = pathIn(line, at)
	words := pathPlace.ReplaceAllLiteralString(innermost(line), " ") // as the words of paths are names
	if startsThread(words) {
		a.Syscall, a.Or = "clone3", []parser.Tried{{Syscall: "clone", Args: []string{"flags=CLONE_THREAD"}}}
	}
	a.Syscall = cmp.Or(a.Syscall, callIn(lowerASCII(words)), nearestVerb(words), callOf(a.Comm, errno))
	if errno == "EAFNOSUPPORT" && a.Syscall != "socketpair" {
		a.Syscall = "socket" // which others are worded for that need one
	}
	if a.Syscall == "socket" {
		a.Args = familyIn(line)
	}
	if a.Syscall == "" && errno == "EAGAIN" && isLimit("", lower) {
		a.Syscall = "clone"
	}
	if m := builtin().FindStringSubmatch(line); m != nil && a.Syscall == "" {
		a.Syscall = builtins[m[1]]
	}
	if a.Syscall == "creat" && a.Path == "" && !ofFile().MatchString(words) {
		a.Syscall = "" // what else is created has calls of its own
	}
	if a.Syscall == "" && shellLine().MatchString(line) {
		a.Syscall = "execve"
		if strings.HasPrefix(a.Path, "/dev/") {
			a.Syscall = "openat" // a redirection, as nothing there is executed
		}
		if errno == "EPERM" { // or a redirection, which other shells than bash word with "cannot"
			a.Or = []parser.Tried{{Syscall: "openat"}}
		}
	}
	if a.Syscall == "" && programAlone().MatchString(line) {
		a.Syscall = "execve"
	}
	if a.Syscall == "" && errno == "EPERM" && strings.HasPrefix(a.Path, "/dev/") {
		a.Syscall = "openat" // devices are refused so when they are opened
	}
	if a.Path == "" && a.Syscall == "execve" {
		a.Path = wordBefore(line[:at])
	}
	if a.Path == "/dev/log" {
		a.Syscall = "connect" // the socket of the system's log, which is no call of that name
	}
	if name := namedHint(&a, lower); name != "" {
		take(&a, name)
	}
	readsClock(&a)
	a.Host = a.Host || ofHostApp().MatchString(line)
	if a.Syscall == "" && (isForeign(lower) || a.Path == "" && isProse(lower, end)) {
		return a, false
	}
	return a, isRefusal(&a, lower)
}

// idMap are the files that make the ID maps of user namespaces: user_namespaces(7).
var idMap = regexp.MustCompile(`^/proc/[^/]+/(?:uid_map|gid_map|setgroups)$`)

// ofProcess are files of a process that the kernel shows to those alone who may look into it: ptrace_may_access().
var ofProcess = regexp.MustCompile(`^/proc/\d+/(?:task/\d+/)?(?:ns/\w+|root|cwd|exe|fd|fdinfo|environ|maps|smaps|mem|auxv)(?:/|$)`)

// ofStream are the files that a program's own input and output are opened by.
var ofStream = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^/dev/(?:std(?:in|out|err)|fd/\d+|console|tty|pts/\d+)$|^/proc/(?:self|thread-self|\d+)/fd/[012]$`)
})

// ofHostApp are paths of programs that run on the host, and in no engine's container: those of an AppImage,
// of Firejail and of a snap (/var/snap is of engines, too).
var ofHostApp = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`(?:^|[^\w/])(?:/tmp/\.mount_\w|/run/firejail/|/snap/[a-z0-9-]+/(?:\d|x\d|current\b))`)
})

// ofCreation is what runtimes, their shims and what stands in for them say while they make a container. Of
// what they do then, the program is executed and the working directory entered as the container's user.
var ofCreation = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`\boci runtime (?:create )?(?:failed|error)\b|\brunc create failed\b|\bcontainer init caused\b|\berror during container init\b|` +
		`\boci (?:runtime )?permission denied\b|\bcannot start container\b|\berror from \S*(?:crun|runc)\b|/containers/storage/overlay\b|/var/lib/docker/(?:overlay2|image|buildkit)\b|` +
		`\bfailed to create (?:containerd task|shim task|shim)\b|\b(?:container|process)_linux\.go:\d+|\b(?:crun|sysbox-runc): |\bcannot create (?:sandbox|gofer) process\b|\bfailed to launch qemu\b`)
})

// afterFilter is what runc does with the files it has open, which is behind the filter: libcontainer/init_linux.go.
var afterFilter = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`\b(?:lstat|stat|fstat|open|readdirent) /proc/self/fd(?:/\d+)?: |\bclose exec fds\b`)
})

// take takes what a hint says, by its name.
func take(a *parser.Attempt, name string) {
	a.Layer, a.Hint = hints[name].layer, hints[name].says
	a.Outside, a.Host = slices.Contains(outside, name), slices.Contains(ofHost, name)
}

// IsExecStatus reports whether all that is known is an exit status of what could not be executed.
func IsExecStatus(a *parser.Attempt) bool { return a.Hint == hints["exit-126"].says }

// readsClock takes for a call of 64-bit times what is said of one that reads the clock, which the kernel refuses nobody.
func readsClock(a *parser.Attempt) {
	if a.Errno == "EPERM" && slices.Contains([]string{"clock_gettime", "gettimeofday", "time"}, a.Syscall) {
		a.Syscall, a.Or = "clock_gettime64", []parser.Tried{{Syscall: "clock_gettime"}}
		take(a, "time64")
	}
}

// namedHint is the name of the hint of what no row has, by what was to be done; "" if there is none.
func namedHint(a *parser.Attempt, lower string) string {
	switch isMap := idMap.MatchString(a.Path); {
	case isMap && a.Errno == "EPERM":
		return "idmap"
	case isMap && a.Errno == "EACCES":
		return "userns-stub"
	case a.Errno == "EPERM" && afterFilter().MatchString(lower):
		return "after-filter"
	case a.Errno == "EACCES" && a.Syscall == "perf_event_open":
		return "perf"
	case a.Errno == "EACCES" && ofStream().MatchString(a.Path):
		return "own-stream"
	case a.Errno == "EACCES" && ofProcess.MatchString(a.Path):
		return "namespace-file"
	case !a.First && a.Syscall != "execve" && a.Syscall != "chdir" && ofCreation().MatchString(lower):
		return "runtime"
	case a.Syscall == "mount":
		return "mount"
	case a.Errno == "EPERM" && (a.Syscall == "sendto" || a.Syscall == "sendmsg" || a.Syscall == "sendmmsg" || a.Syscall == "connect" && a.Path == ""):
		return "firewall"
	case a.Errno == "EACCES" && strings.HasPrefix(a.Path, "/proc/sys/"):
		return "sysctl-file"
	case a.Errno == "EACCES" && strings.HasPrefix(a.Path, "/sys/fs/cgroup/"):
		return "cgroup-file"
	}
	return ""
}

// isRefusal reports whether a message may be of a refusal: some errors are of a limit, and that of some calls alone.
func isRefusal(a *parser.Attempt, lower string) bool {
	switch a.Errno {
	case "EAGAIN":
		return isLimit(a.Syscall, lower)
	case "ENOMEM":
		return strings.HasPrefix(a.Syscall, "mlock")
	case "ENOSPC":
		return a.Syscall == "unshare" || a.Syscall == "inotify_add_watch" || strings.HasPrefix(a.Syscall, "clone")
	}
	return true
}

// families are how messages name a family of addresses, in lower case.
var families = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`\b[ap]f_([a-z0-9]+)\b|(\[::|\bipv6\b|\b(?:tcp|udp|inet)6\b)|\b(netlink|packet|vsock) socket\b`)
})

// familyIn returns the family of addresses that a message about a socket names, as the
// argument that strace prints; nil if it names none.
func familyIn(line string) []string {
	m := families().FindStringSubmatch(lowerASCII(line))
	switch {
	case m == nil:
		return nil
	case m[2] != "":
		return []string{"AF_INET6"}
	}
	return []string{"AF_" + strings.ToUpper(m[1]+m[3])}
}

// ofPHP is how PHP ends what it says: with the place in its source.
var ofPHP = regexp.MustCompile(` in /\S+ on line \d+$`)

// isLimit reports whether EAGAIN is the answer of a limit: most calls give it in
// the ordinary course.
func isLimit(call, lower string) bool {
	switch call {
	case "mlock", "mlock2", "mlockall":
		return true
	case "fork", "vfork", "clone", "clone3":
		return true
	}
	return strings.Contains(lower, "fork") || strings.Contains(lower, "thread")
}

// lowerASCII is strings.ToLower without a change of length.
func lowerASCII(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
}

// numbered is how programs print an error by its number alone.
var numbered = regexp.MustCompile(`\berrno(?: is| ?[:=])? ?(1|13|38)\b`)

// numbers are the errors of numbered.
var numbers = map[string]string{"1": "EPERM", "13": "EACCES", "38": "ENOSYS"}

// rustCode is how Rust prints the number of an error, and how Zig ends with one, which has
// another name for EACCES: both have PermissionDenied for EPERM.
var rustCode = regexp.MustCompile(`\bos \{ code: 1,|^error: permissiondenied$`)

// errnoOf returns the error that a line in lower case names, and from where to where; ""
// if it names none.
func errnoOf(lower string) (errno string, at, end int) {
	for _, p := range phrases {
		if !strings.Contains(lower, p.text) { // which is found much faster than where the last is
			continue
		}
		i := strings.LastIndex(lower, p.text)
		if !isBounded(lower, i, len(p.text)) {
			continue
		}
		if p.text == "permissiondenied" && rustCode.MatchString(lower) {
			return "EPERM", i, i + len(p.text)
		}
		return p.errno, i, i + len(p.text)
	}
	if !strings.Contains(lower, "errno") {
		return "", -1, -1
	}
	if m := numbered.FindStringSubmatchIndex(lower); m != nil {
		return numbers[lower[m[2]:m[3]]], m[0], m[1]
	}
	return "", -1, -1
}

// isCall reports whether a name is a system call of a common architecture.
func isCall(name string) bool {
	for _, arch := range [...]seccomp.Arch{seccomp.X86_64, seccomp.I386, seccomp.AARCH64, seccomp.ARM, seccomp.RISCV64} {
		if _, ok := seccomp.SyscallNumber(arch, name); ok {
			return true
		}
	}
	return false
}

// callNames are where the names of calls stand: right before the error, as perror(3)
// has it; before a parenthesis, or the number of the error in one; after a word that says
// so; and, of libuv, after the error.
var callNames = sync.OnceValue(func() []*regexp.Regexp {
	return []*regexp.Regexp{
		regexp.MustCompile(`(?:^|[^\w/.-])([a-z_][a-z_0-9]{2,}): ?(?:\[?errno \d+\]? ?)?(?:operation not permitted|permission denied|function not implemented|eperm\b|eacces\b|enosys\b)`),
		regexp.MustCompile(`(?:^|[^\w/.-])([a-z_][a-z_0-9]{2,})\(`),
		regexp.MustCompile(`(?:^|[^\w/.-])([a-z_][a-z_0-9]{2,}) \(\d+: (?:operation not permitted|permission denied)`),
		regexp.MustCompile(`\b(?:from|calling|syscall|system call):? ([a-z_][a-z_0-9]{2,})\b`),
		regexp.MustCompile(`(?:operation not permitted|permission denied), ([a-z_][a-z_0-9]{2,})\b`),
		regexp.MustCompile(`\b([a-z_][a-z_0-9]{2,})(?:\(2\))? system call failed\b`), // util-linux
	}
})

// aName is a word that can be the name of a call, and is no common one.
var aName = regexp.MustCompile(`\b[a-z]+(?:_[a-z0-9_]+|[a-z]*\d+)\b`)

// known returns the system call that a name is of, or "".
func known(name string) string {
	if call := functions[name]; call != "" {
		return call
	}
	if isCall(name) {
		return name
	}
	if strings.HasPrefix(name, "keyctl_") { // libkeyutils has a function for each operation
		return "keyctl"
	}
	return ""
}

// plainWords are words that are the names of old calls, too.
var plainWords = strings.Fields("signal time pause lock break idle profil")

// callIn returns the system call that a line in lower case names where calls are named,
// or a word of it that can be nothing else, or "".
func callIn(lower string) string {
	for _, place := range callNames() {
		for _, m := range place.FindAllStringSubmatch(lower, 16) {
			if call := known(m[1]); call != "" && !slices.Contains(plainWords, m[1]) {
				return call
			}
		}
	}
	for _, name := range aName.FindAllString(lower, 64) {
		if call := known(name); call != "" {
			return call
		}
	}
	return ""
}

// startsProgram is how docker, containerd and runc say that the container's first program
// could not be executed. What they do before that has the same beginning.
var startsProgram = regexp.MustCompile(`^exec |^standard_init_linux\.go|\bexec user process\b|\b(?:unable to start|starting) container process\b.*[:"] ?exec:? [\\"/\w]`)

// threadWords are how programs say that they could not start a thread, with what stands
// between the verb and it.
var threadWords = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`(?i)\b(?:creat\w*|start\w*|spawn\w*|launch\w*) ((?:[\w'"-]+ ){0,3}|\w+-)threads?\b(?:[^ ]| [^s]|$)|` +
		`\bpthread_create\b|\bthread (?:creation|constructor)\b|\bthreadpoolbuild`)
})

// startsThread reports whether a line says that a thread could not be started: one that is no
// attribute of something else.
func startsThread(words string) bool {
	m := threadWords().FindStringSubmatch(words)
	return m != nil && !slices.ContainsFunc(strings.Fields(m[1]), func(w string) bool { return slices.Contains([]string{"for", "of", "in", "to", "from", "with"}, w) })
}

// innermost is what a line says after what engines say of the container as a whole: each
// of them puts its own words before those of the one below.
func innermost(line string) string {
	_, inner, ok := strings.Cut(line, "container process")
	if !ok {
		return line
	}
	return inner
}

// shellLine is how shells say that they could not run a program, with the word for "line" in bash's languages.
var shellLine = sync.OnceValue(func() *regexp.Regexp {
	const line = lineWord
	const shell = shellName
	return regexp.MustCompile(`^(?:` + shell + `|/[^:\s]+): +` + line + `?\d+ ?: +[^\s:]+: |^[^\s:]+: +(?:` + line + `\d+|第 ?\d+ ?行) ?: +[^\s:]+: |^` + shell + `: +[^\s:]+: `)
})

// How bash calls a line in many languages, and how shells are called.
const (
	lineWord  = `(?:(?:line|ligne|[Zz]eile|línea|linea|linha|linia|riga|regel|rad|linje|строка|рядок|řádek|sor|satır|行|줄) ?)`
	shellName = `-?(?:[^\s:]*/)?(?:ba|da|k|a|z)?sh`
)

// programAlone is a program that could not be executed, as some shells and supervisors say it: by its path alone.
var programAlone = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^(?:[^\s:]*/)?(?:s?bin|libexec)/[^\s:]+: (?i:permission denied|operation not permitted)\.?$`)
})

// builtin is how shells say that a command of their own failed, and builtins are the calls
// that those make.
var (
	builtin = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`^(?:` + shellName + `|/[^:\s]+): +(?:` + lineWord + `?\d+ ?: +)?(cd|ulimit|pwd): `)
	})
	builtins = map[string]string{"cd": "chdir", "ulimit": "prlimit64", "pwd": "getcwd"}
)

// isBounded reports whether a phrase is no part of a longer word.
func isBounded(s string, at, n int) bool {
	letter := func(i int) bool { return i >= 0 && i < len(s) && s[i] >= 'a' && s[i] <= 'z' }
	return !letter(at-1) && !letter(at+n) || strings.HasPrefix(s[at:], "accessdenied")
}

var speaking = regexp.MustCompile(`^([a-z/][\w./+-]*)(?:\[\d+\])?: `)

// noPrograms stand where the name of a program does: words for errors, and engines and their
// clients, which speak of what is in a container.
var noPrograms = strings.Fields("panic error fatal docker dockerd podman nerdctl kubectl kubelet crictl containerd buildah")

// speaker returns the name of the program that a message begins with, or "". The
// names of calls and of errors stand in the same place.
func speaker(line string) string {
	m := speaking.FindStringSubmatch(line)
	if m == nil || strings.HasSuffix(m[1], "Exception") || slices.Contains(noPrograms, m[1]) {
		return ""
	}
	name := path.Base(m[1])
	if _, is := programs[name]; !is && (functions[name] != "" || isCall(name)) {
		return ""
	}
	return name
}

// nearestVerb returns the system call that a message names nearest to its end, or "": what stands
// before a colon is what the rest was done for.
func nearestVerb(words string) string {
	for rest := words; rest != ""; {
		i := strings.LastIndex(rest, ": ")
		if call := verbIn(rest[i+1:]); call != "" {
			return call
		}
		rest = rest[:max(i, 0)]
	}
	return verbIn(words)
}

// verbIn returns the system call that a message names, or "".
func verbIn(line string) string {
	for _, v := range verbs() {
		m := strings.TrimLeft(v.text.FindString(line), notLetters)
		switch {
		case m == "":
		case v.call != "":
			return v.call
		case m == "mkfifo":
			return "mknod"
		case goVerb.MatchString(m):
			return goVerb.FindString(m)
		case functions[m] != "":
			return functions[m]
		default:
			return m
		}
	}
	return ""
}

// notLetters may stand before the name of a function.
const notLetters = " \t[(<{\"'`=:;,.-"

// goVerb is the first word of what begins like a function of Go's os.
var goVerb = regexp.MustCompile(`^(?:open|stat|lstat|unlinkat|readlink|lchown|fchmodat)\b`)

// pathPlace finds what begins like an absolute path: in quotes, or plain.
var pathPlace = regexp.MustCompile("(?:^|[\\s=:(\\[])(?:\"(/[^\"]*)\"|'(/[^']*)'|‘(/[^’]*)’|`(/[^'`]*)['`]|(/[^\\s\"'’)\\],;]*))")

// scriptPrefix is what a shell prints of the script that it was reading.
var scriptPrefix = regexp.MustCompile(`^: (?:line )?\d+: `)

// pathIn returns the path that a message is about: the first after the words of
// the error, as Python and Node put it, else the last before.
func pathIn(line string, at int) string {
	before := ""
	for _, m := range pathPlace.FindAllStringSubmatchIndex(line, 64) {
		name, end := "", m[1]
		for i := 2; i < len(m); i += 2 {
			if m[i] >= 0 {
				name = line[m[i]:m[i+1]]
			}
		}
		name = strings.TrimRight(name, ":.`")
		switch {
		case len(name) < 2 || strings.HasPrefix(name, "//") || strings.HasSuffix(line[:m[0]], "(via"): // runc opens the target
		case m[0] > at:
			return name
		case scriptPrefix.MatchString(line[min(m[0]+len(name), end):]) && m[0] == 0:
		case m[0] == 0 && speaks(name) && strings.HasPrefix(line[len(name):], ": "):
		default:
			before = name
		}
	}
	return before
}

// speaks reports whether a path is of a program that speaks of something else than itself.
func speaks(name string) bool {
	_, is := programs[path.Base(name)]
	return is
}

// wordBefore returns the last word of a text that ends in ": ", or "".
func wordBefore(text string) string {
	text = strings.TrimRight(text, `: "'`)
	word := text[strings.LastIndexAny(text, " \t\"'")+1:]
	if !plainName.MatchString(word) || word == "caused" || known(lowerASCII(word)) != "" || word == "spawn" || word == "exec" {
		return "" // the verb and no program
	}
	return word
}

var plainName = regexp.MustCompile(`^[\w.+-]+$`)
