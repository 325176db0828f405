package parser

import (
	"path"
	"regexp"
	"strings"
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
	{"failed to map segment from shared object", "EACCES"},
	{"accessdeniedexception", "EACCES"},
	{"permissiondenied", "EACCES"}, // Rust's kind
	{"eacces", "EACCES"},
	{"eperm", "EPERM"},
}

// A verb is how a message words the call that failed.
type verb struct {
	text *regexp.Regexp
	call string
}

// The verbs, the telling ones first. A name of a system call stands for itself.
var verbs = []verb{
	{regexp.MustCompile(`\bfailed to map segment\b|\bshared object file\b|\bloading shared librar`), "mmap"},
	{regexp.MustCompile(`\b(fork/exec|exec|execve|execv|execvp|spawn|posix_spawn)\b|\bexec user process\b|\b[Cc]annot (run|execute)\b|\bcan't execute\b`), "execve"},
	{regexp.MustCompile(`\b(mkdir|rmdir|unlink|unlinkat|rename|symlink|link|mknod|mkfifo|chmod|fchmod|chown|fchown|lchown|truncate|` +
		`bind|listen|connect|socket|setsockopt|unshare|setns|mount|umount|umount2|pivot_root|chroot|ptrace|kill|` +
		`setuid|setgid|setgroups|setresuid|setresgid|setrlimit|setpriority|sched_setscheduler|sched_setaffinity|mlock|mlockall|` +
		`sethostname|settimeofday|clock_settime|clone|clone3|keyctl|add_key|bpf|perf_event_open|io_uring_setup|userfaultfd|personality|` +
		`init_module|finit_module|delete_module|capset|syslog|open_by_handle_at|mbind|set_mempolicy|get_mempolicy|reboot|quotactl|acct|swapon|swapoff)\b`), ""},
	{regexp.MustCompile(`\b[Cc](annot|an't|ould not) create directory\b`), "mkdir"},
	{regexp.MustCompile(`\b[Cc](annot|an't|ould not) (create|touch|write)\b|\bfor writing\b`), "creat"},
	{regexp.MustCompile(`\b[Cc](annot|an't|ould not) (remove|delete)\b`), "unlink"},
	{regexp.MustCompile(`\b[Cc](annot|an't|ould not) (move|rename)\b`), "rename"},
	{regexp.MustCompile(`\bchanging ownership\b`), "chown"},
	{regexp.MustCompile(`\bchanging permissions\b`), "chmod"},
	{regexp.MustCompile(`\bset date\b`), "clock_settime"},
	{regexp.MustCompile(`\b[Cc](annot|an't|ould not) open\b|\b[Cc](annot|an't|ould not) read\b|\bfor reading\b|\bopendir\b|\bscandir\b`), "open"},
}

// programs are those whose messages are all of one call.
var programs = map[string]string{
	"unshare": "unshare", "nsenter": "setns", "mount": "mount", "umount": "umount2", "chroot": "chroot", "ping": "socket", "arping": "socket",
	"hostname": "sethostname", "dmesg": "syslog", "insmod": "init_module", "modprobe": "finit_module", "date": "clock_settime",
	"strace": "ptrace", "gdb": "ptrace", "kill": "kill", "mknod": "mknod", "mkdir": "mkdir", "chown": "chown", "chmod": "chmod",
}

// maxMessage bounds the bytes of a line that are looked at.
const maxMessage = 8192

// ReadMessage reads a line of a program's error output, and reports whether it
// says that something was refused. What was tried is taken from its words:
//
//	nginx: [emerg] open() "/run/nginx.pid" failed (13: Permission denied)
//	PermissionError: [Errno 13] Permission denied: '/data/x'
//	exec /docker-entrypoint.sh: operation not permitted
//
// Where they do not say, Syscall and Path are "".
func ReadMessage(o Origin, line string) (a Attempt, ok bool) {
	line = strings.TrimSpace(line[:min(len(line), maxMessage)])
	lower := strings.ToLower(line)
	if len(lower) != len(line) { // the offsets would not agree
		return a, false
	}
	at := -1
	for _, p := range phrases {
		if i := strings.LastIndex(lower, p.text); i >= 0 && isBounded(lower, i, len(p.text)) {
			a.Errno, at = p.errno, i
			break
		}
	}
	if at < 0 {
		return a, false
	}
	o.Transport = ErrorOutput
	a.Origin, a.Text = o, line
	a.Comm = speaker(line)
	a.Path = pathIn(line, at)
	a.Syscall = verbIn(pathPlace.ReplaceAllLiteralString(line, " ")) // as the words of paths are names
	a.First = runtimeSays.MatchString(line)
	if a.Syscall == "" {
		a.Syscall = programs[a.Comm]
	}
	if a.Syscall == "" && shellLine.MatchString(line) {
		a.Syscall = "execve" // unless it is a redirection, which the shells word with "cannot"
	}
	if a.Path == "" && a.Syscall == "execve" {
		a.Path = wordBefore(line[:at])
	}
	return a, true
}

// runtimeSays is how docker, containerd and runc say that the container's first
// program could not be started.
var runtimeSays = regexp.MustCompile(`^exec |^standard_init_linux\.go|\bexec user process\b|\b(unable to start|starting) container process\b`)

// shellLine is how shells say that they could not run a program.
var shellLine = regexp.MustCompile(`^(?:-?(?:ba|da|k|a|z)?sh|/[^:\s]+): (?:line )?\d+: [^\s:]+: |^-?(?:ba|da|k|a|z)?sh: [^\s:]+: `)

// isBounded reports whether a phrase is no part of a longer word.
func isBounded(s string, at, n int) bool {
	letter := func(i int) bool { return i >= 0 && i < len(s) && s[i] >= 'a' && s[i] <= 'z' }
	return !letter(at-1) && !letter(at+n) || strings.HasPrefix(s[at:], "accessdenied")
}

var speaking = regexp.MustCompile(`^([a-z/][\w./+-]*)(?:\[\d+\])?: `)

// speaker returns the name of the program that a message begins with, or "". The
// names of calls and of errors stand in the same place.
func speaker(line string) string {
	m := speaking.FindStringSubmatch(line)
	if m == nil || strings.HasSuffix(m[1], "Exception") || m[1] == "panic" || m[1] == "error" || m[1] == "fatal" {
		return ""
	}
	name := path.Base(m[1])
	if programs[name] == "" && verbIn(name) == name {
		return ""
	}
	return name
}

// verbIn returns the system call that a message names, or "".
func verbIn(line string) string {
	for _, v := range verbs {
		m := v.text.FindString(line)
		switch {
		case m == "":
		case v.call != "":
			return v.call
		case m == "umount":
			return "umount2"
		case m == "listen": // Go has it for bind(2)
			return "bind"
		case m == "mkfifo":
			return "mknod"
		default:
			return m
		}
	}
	return ""
}

// pathPlace finds what begins like an absolute path: in quotes, or plain.
var pathPlace = regexp.MustCompile("(?:^|[\\s=:(\\[])(?:\"(/[^\"]*)\"|'(/[^']*)'|‘(/[^’]*)’|`(/[^']*)'|(/[^\\s\"'’)\\],;]*))")

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
		name = strings.TrimRight(name, ":.")
		switch {
		case len(name) < 2 || strings.HasPrefix(name, "//"):
		case m[0] > at:
			return name
		case scriptPrefix.MatchString(line[min(m[0]+len(name), end):]) && m[0] == 0:
		default:
			before = name
		}
	}
	return before
}

// wordBefore returns the last word of a text that ends in ": ", or "".
func wordBefore(text string) string {
	text = strings.TrimRight(text, `: "`)
	word := text[strings.LastIndexAny(text, " \t\"'")+1:]
	if !plainName.MatchString(word) || word == "caused" {
		return ""
	}
	return word
}

var plainName = regexp.MustCompile(`^[\w.+-]+$`)
