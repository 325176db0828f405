package message

import (
	"cmp"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/whydenied/whydenied/parser"
	"github.com/whydenied/whydenied/rules/seccomp"
)

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
		{regexp.MustCompile(`\b(?:[Cc]reat\w*|[Mm]ak\w+|[Ss]et\w* ?up|[Uu]nshar\w*|new|private) (?:\w+ ){0,2}(?:mount|user|network|net|pid|PID|ipc|IPC|uts|UTS) namespaces?\b`), "unshare"},
		{regexp.MustCompile(`\bbind[ -]?mount(?:ing|s)?\b`), "mount"},
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
	"bpf_load_program": "bpf", "bpf_prog_load": "bpf", "bpf_map_create": "bpf", "bpf_create_map": "bpf", "bpf_link_create": "bpf", "bpf_obj_get": "bpf", "bpf_obj_pin": "bpf",
	"seteuid": "setresuid", "setegid": "setresgid",
	"start_new_thread": "clone3", "start_joinable_thread": "clone3", "makedirs": "mkdir",
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
var startsProgram = regexp.MustCompile(`(?:^|\] )exec /?\S|^standard_init_linux\.go|\bexec user process\b|\b(?:unable to start|starting) container process\b.*[:"] ?exec:? [\\"/\w]`)

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
	for _, before := range [...]string{"container process", "AccessDeniedException"} { // of the JDK's, which is of files alone
		if _, inner, ok := strings.Cut(line, before); ok {
			return inner
		}
	}
	return line
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

// ofBash is a line of bash, which words a redirection as it does a program.
var ofBash = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^-?(?:[^\s:]*/)?bash: |^[^\s:]+: +line \d+: +(?:[^\s:]*[^\s:/]): [A-Z]`)
})

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

// goVerb is the first word of what begins like a function of Go's os.
var goVerb = regexp.MustCompile(`^(?:open|stat|lstat|unlinkat|readlink|lchown|fchmodat)\b`)

// notLetters may stand before the name of a function.
const notLetters = " \t[(<{\"'`=:;,.-"

// ofUnixSocket tells that what was connected or bound is a file's socket, whose path is not told.
var ofUnixSocket = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`\b(?:dial|listen) unix\b|\bunix:/|\bunix (?:domain )?socket\b`)
})

// exceptionName is what Python puts before the error of any call on a socket, whatever that was.
var exceptionName = regexp.MustCompile(`^socket\.error: `)

// redirected are what scripts write to and nobody executes, by their place or name.
var redirected = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^/(?:proc|sys|dev|var/log)/|\.(?:log|txt|conf|cfg|ini|json|ya?ml|pid|lock|out|err|csv|env|cnf)$`)
})

// byWords finds which call it was that no row has, by the words of a line.
func byWords(a *parser.Attempt, line, lower string) {
	words := pathPlace.ReplaceAllLiteralString(innermost(exceptionName.ReplaceAllLiteralString(line, "")), " ") // as the words of paths are names
	if startsThread(words) {
		a.Syscall, a.Or = "clone3", []parser.Tried{{Syscall: "clone", Args: []string{"flags=CLONE_THREAD"}}}
	}
	a.Syscall = cmp.Or(a.Syscall, callIn(lowerASCII(words)), nearestVerb(words), callOf(a.Comm, a.Errno))
	if a.Errno == "EAFNOSUPPORT" && a.Syscall != "socketpair" {
		a.Syscall = "socket" // which others are worded for that need one
	}
	if a.Syscall == "socket" {
		a.Args = familyIn(line)
	}
	if (a.Syscall == "connect" || a.Syscall == "bind") && a.Path == "" && ofUnixSocket().MatchString(lower) {
		a.Args = []string{"?", "{sa_family=AF_UNIX}"}
	}
	if a.Syscall == "" && a.Errno == "EAGAIN" && isLimit("", lower) {
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
		if redirected().MatchString(a.Path) {
			a.Syscall = "openat"
		} else if a.Errno == "EPERM" || ofBash().MatchString(line) { // or a redirection, which other shells than bash word with "cannot"
			a.Or = []parser.Tried{{Syscall: "openat"}}
		}
	}
	if a.Syscall == "" && programAlone().MatchString(line) {
		a.Syscall = "execve"
	}
	if a.Syscall == "" && a.Errno == "EPERM" && strings.HasPrefix(a.Path, "/dev/") {
		a.Syscall = "openat" // devices are refused so when they are opened
	}
}
