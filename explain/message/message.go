// Package message reads what programs, container runtimes and engines print when
// something was refused them: which system call is the likeliest, or that the loading
// of a policy itself failed. The texts are a table, messages.tsv; what no row of it
// has is read by its words.
package message

import (
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
		byRow(&a, row, line, lower, matched, arch)
		a.Hint, a.Host = withUnit(a.Hint, line), a.Host || ofSystemd().MatchString(whole)
		return a, true
	}
	a.Path = pathIn(line, at)
	byWords(&a, line, lower)
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
	a.Host = a.Host || ofHostApp().MatchString(line) || ofSystemd().MatchString(whole)
	if a.Path == "" && refusedFor().MatchString(lower[at:]) || onWindows().MatchString(line) {
		return a, false
	}
	if a.Syscall == "" && (isForeign(lower) || a.Path == "" && isProse(lower, end)) {
		return a, false
	}
	return a, isRefusal(&a, lower)
}

// byRow takes what the row says whose text a line holds, and whose refusal that is.
func byRow(a *parser.Attempt, row *Row, line, lower string, matched []int, arch seccomp.Arch) {
	row.apply(a, lower, matched, arch)
	a.Path = pathIn(line, matched[1])
	if a.Hint == hints["mount"].says && ofLXC().MatchString(lower) {
		take(a, "lxc")
	}
	if !a.First && (row.From == "Go" || row.Hint == "namespaces" || row.Hint == "mount") && ofCreation().MatchString(lower) {
		a.Outside = true // as anything in Go says so, runtimes too
	}
	if a.Outside && (a.Hint == "" || row.Hint == "mount") {
		take(a, "runtime")
	}
	a.Host = a.Host || ofHostApp().MatchString(line) || row.Hint == "namespaces" && ofLXC().MatchString(lower)
}

// refusedFor is how servers go on that refuse a client something by rules of their own.
var refusedFor = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^permission denied (?:for|to) [a-z]+\b`)
})

// onWindows is a path of Windows that was refused, in a text of Node.js, Python or .NET.
var onWindows = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`(?i)(?:operation not permitted|permission denied|is denied)[^'"]*['"][a-z]:\\|['"][a-z]:\\[^'"]*['"] is denied|^[a-z]:\\\S+: (?:permission denied|operation not permitted)`)
})

// unitName is the name of a unit of systemd in a line.
var unitName = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`(?:^|[\s"'/\[(])([\w@.:-]+\.(?:service|socket|mount|timer|scope))\b`)
})

// withUnit returns a hint with the name of the unit that a line is about in place of UNIT.
func withUnit(says, line string) string {
	if !strings.Contains(says, "UNIT") {
		return says
	}
	if m := unitName().FindStringSubmatch(line); m != nil {
		return unitPlace.ReplaceAllLiteralString(says, m[1])
	}
	return says
}

var unitPlace = regexp.MustCompile(`\bUNIT\b`)

// idMap are the files that make the ID maps of user namespaces: user_namespaces(7).
var idMap = regexp.MustCompile(`^/proc/[^/]+/(?:uid_map|gid_map|setgroups)$`)

// ofProcess are files of a process that the kernel shows to those alone who may look into it: ptrace_may_access().
var ofProcess = regexp.MustCompile(`^/proc/\d+/(?:task/\d+/)?(?:ns/\w+|root|cwd|exe|fd|fdinfo|environ|maps|smaps|mem|auxv)(?:/|$)`)

// ofEngineSocket are the sockets of Docker, by whose path alone programs say that they were refused it.
var ofEngineSocket = regexp.MustCompile(`/docker\.sock$`)

// ofQEMU is how QEMU begins what it says.
var ofQEMU = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`\bqemu-(?:system-\w+|kvm): `)
})

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
		`\bfailed to create (?:containerd task|shim task|shim)\b|\b(?:container|process)_linux\.go:\d+|\b(?:crun|sysbox-runc): |\bcannot create (?:sandbox|gofer) process\b|\bfailed to setup netns\b|\bfailed to launch qemu\b`)
})

// ofLXC is how LXC speaks, which makes containers itself: by its programs, functions and files of source.
var ofLXC = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`\blxc-(?:start|execute|attach|ls|create|copy|usernsexec)\b|\blxc_(?:setup|start|spawn|mount_\w+|container)\b|/src/lxc/|\b(?:safe_mount|switch_to_ns|fs_attach): \d+ `)
})

// afterFilter is what runc does with the files it has open, which is behind the filter: libcontainer/init_linux.go.
var afterFilter = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`\b(?:lstat|stat|fstat|open|readdirent) /proc/self/fd(?:/\d+)?: |\bclose exec fds\b`)
})

// ofSystemd is how a log of a host begins what systemd or one of its programs says, which no engine's container has.
var ofSystemd = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`(?:^| )systemd(?:-[a-z]+)*\[\d+\]: `)
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
	case a.Errno == "EACCES" && ofEngineSocket.MatchString(a.Path):
		return "docker-socket"
	case a.Errno == "EACCES" && a.Path != "" && ofQEMU().MatchString(lower):
		return "qemu-file"
	case a.Errno == "EACCES" && ofProcess.MatchString(a.Path):
		return "namespace-file"
	case !a.First && a.Syscall != "execve" && a.Syscall != "chdir" && ofCreation().MatchString(lower):
		return "runtime"
	case !a.First && ofLXC().MatchString(lower):
		return "lxc"
	case a.Syscall == "unshare" && (a.Errno == "EPERM" || a.Errno == "EACCES"):
		return "namespaces"
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
