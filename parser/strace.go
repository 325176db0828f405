package parser

import (
	"path"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// A Strace reads the output of strace line by line, in the shapes of its options
// -f, -o, -t, -tt, -ttt, -r, -T, -y, -i and -n, and finds the system calls that
// failed as a refusal would. It keeps what is needed of each process: the zero
// Strace is ready. It is for one goroutine.
type Strace struct {
	File  string // named in each Attempt
	All   bool   // Line returns calls that did not fail, too
	Lines int
	Calls int // that were understood, failed or not

	processes map[int]*traced
	newest    Self // of a process whose parent is not known
}

// A traced process is what is remembered of one while its lines come.
type traced struct {
	open string // a call whose end is on a later line, or that has none
	last string // the call before, whole
	comm string
	cwd  string
	arch string
	self Self
}

// maxTraced bounds the processes that are remembered at a time.
const maxTraced = 10000

var (
	// straceHead is what stands before a call: the process, the time, the
	// instruction pointer and the number of the call, each only with its option.
	straceHead = regexp.MustCompile(`^ *(?:\[pid +(\d+)(?:<[^>]*>)?\] +|(\d+)(?:<[^>]*>)? +)?` +
		`(?:(\d+:\d\d:\d\d(?:\.\d+)?|\d+\.\d+) +)?(?:\(\+ *[\d.]+\) +)?(?:\[[0-9a-f]{8,16}\] +)?(?:\[ *\d+\] +)?`)
	straceResumed = regexp.MustCompile(`^<\.\.\. (\w+) resumed> ?`)
	straceMode    = regexp.MustCompile(`\[ Process PID=(\d+) runs in (\d+) bit mode\. \]`)
	straceReturn  = regexp.MustCompile(`^ *= (\S+)(?: (E[A-Z0-9]+))?(?: \(errno (\d+)\))?`)
	// straceNS is the process ID of a child in another PID namespace, as strace knows it.
	straceNS      = regexp.MustCompile(`/\* (\d+) in strace's PID NS \*/`)
	straceSyscall = regexp.MustCompile(`\bsi_syscall=(?:__NR_)?(\w+)`)
)

const (
	unfinished = " <unfinished ...>"
	attached   = "strace: Process "
)

// Line reads the next line, without its end. It returns the attempt that the line
// completes, if that failed or All are wanted.
func (s *Strace) Line(line string) (a Attempt, wanted bool) {
	s.Lines++
	if m := straceMode.FindStringSubmatch(line); m != nil {
		s.mode(m[1], m[2])
		return a, false
	}
	m := straceHead.FindStringSubmatchIndex(line)
	pid := 0
	for _, i := range [...]int{2, 4} {
		if m[i] >= 0 {
			pid, _ = strconv.Atoi(line[m[i]:m[i+1]])
		}
	}
	rest := line[m[1]:]
	// Without -o strace's own messages fall into the lines.
	if i := strings.Index(rest, attached); i >= 0 && strings.HasSuffix(rest, " attached") {
		rest = rest[:i] + unfinished
	}
	p := s.process(pid)
	call, whole := p.take(rest)
	if !whole {
		return a, false
	}
	a = Attempt{Origin: Origin{File: s.File, Line: s.Lines, Transport: StraceOutput}, PID: pid, Text: line[:m[1]] + call}
	if m[6] >= 0 {
		a.Time = straceTime(line[m[6]:m[7]])
	}
	switch {
	case strings.HasPrefix(rest, "+++ "):
		wanted = a.killed(p, rest)
		defer delete(s.processes, pid)
	case strings.HasPrefix(rest, "--- SIGSYS "):
		wanted = a.trapped(p, rest)
	default:
		wanted = s.call(&a, p, call)
	}
	a.of(p)
	if wanted {
		self := p.self
		a.Self = &self
	}
	return a, wanted
}

// of says what is known of the process.
func (a *Attempt) of(p *traced) { a.Comm, a.Cwd, a.Arch = p.comm, p.cwd, p.arch }

// process returns what is known of a process. Of more than can be remembered, all
// is forgotten: what is lost are calls that span lines, and directories.
func (s *Strace) process(pid int) *traced {
	p := s.processes[pid]
	if p == nil {
		if s.processes == nil || len(s.processes) >= maxTraced {
			s.processes = map[int]*traced{}
		}
		p = &traced{self: s.newest}
		s.processes[pid] = p
	}
	return p
}

// mode notes that a process runs in 32-bit mode.
func (s *Strace) mode(pid, bits string) {
	n, _ := strconv.Atoi(pid)
	arch := ""
	if bits == "32" {
		arch = "i386"
	}
	s.process(n).arch = arch
}

// take puts together the call that begins or ends with the rest of a line.
func (p *traced) take(rest string) (call string, whole bool) {
	if begin, ok := strings.CutSuffix(rest, unfinished); ok {
		if begin != "" {
			p.open = clip(begin)
		}
		return "", false
	}
	if m := straceResumed.FindStringSubmatchIndex(rest); m != nil {
		begin := p.open
		p.open = ""
		name, _, _ := strings.Cut(begin, "(")
		if name != rest[m[2]:m[3]] {
			return "", false
		}
		return begin + rest[m[1]:], true
	}
	return rest, true
}

// call reads a whole call and reports whether it is wanted: it was refused, or All are.
func (s *Strace) call(a *Attempt, p *traced, call string) bool {
	name, after, ok := strings.Cut(call, "(")
	if !ok || !isWord(name) {
		return false
	}
	s.Calls++
	p.last, p.open = clip(call), ""
	if i := strings.Index(after, "AT_FDCWD</"); i >= 0 {
		p.cwd, _ = StraceFD(after[i:])
	}
	if !s.All && !changes[name] && !selfCalls[name] && !strings.Contains(after, "= -1 ") {
		return false
	}
	args, end := splitArgs(after)
	m := straceReturn.FindStringSubmatch(end)
	if m == nil {
		return false
	}
	if m[1] != "-1" {
		result := m[1]
		if ns := straceNS.FindStringSubmatch(end); ns != nil {
			result = ns[1]
		}
		s.succeeded(p, name, args, result)
		a.Syscall, a.Args = name, args
		return s.All
	}
	a.Syscall, a.Args, a.Errno = name, args, m[2]
	if m[3] != "" {
		a.Errno = map[string]string{"1": "EPERM", "11": "EAGAIN", "12": "ENOMEM", "13": "EACCES", "22": "EINVAL", "24": "EMFILE", "28": "ENOSPC", "30": "EROFS", "38": "ENOSYS", "97": "EAFNOSUPPORT"}[m[3]]
	}
	return s.All || refused(name, a.Errno)
}

// changes are the calls that change what is remembered of a process, or make one.
var changes = map[string]bool{"execve": true, "chdir": true, "fork": true, "vfork": true, "clone": true, "clone3": true}

// succeeded keeps what a call changed: the program, the directory, the process.
func (s *Strace) succeeded(p *traced, name string, args []string, result string) {
	if selfCalls[name] {
		p.self.did(name, args)
		s.newest = p.self
		return
	}
	if name != "execve" && name != "chdir" {
		if pid, err := strconv.Atoi(result); err == nil && pid > 0 {
			_, seen := s.processes[pid]
			child := s.process(pid)
			child.comm, child.cwd, child.arch = p.comm, p.cwd, p.arch
			if !seen {
				child.self = p.self
			}
			if strings.Contains(strings.Join(args, " "), "CLONE_NEWUSER") {
				child.self.enterUserNamespace()
			}
		}
		return
	}
	if name == "execve" {
		p.self.Traced = p.self.Traced || s.Calls == 1
		p.self.executed()
		s.newest = p.self
	}
	if len(args) == 0 {
		return
	}
	to, whole, ok := StraceString(args[0])
	switch {
	case !ok || !whole:
	case name == "execve":
		p.comm = path.Base(to)
	case strings.HasPrefix(to, "/"):
		p.cwd = to
	case p.cwd != "":
		p.cwd = path.Join(p.cwd, to)
	}
}

// trapped reads the SIGSYS that a filter sends: it names the call, whose
// arguments are those of the call before.
func (a *Attempt) trapped(p *traced, rest string) bool {
	m := straceSyscall.FindStringSubmatch(rest)
	if m == nil || !strings.Contains(rest, "SYS_SECCOMP") {
		return false
	}
	a.Syscall, a.Errno = m[1], "SIGSYS"
	if name, after, ok := strings.Cut(p.last, "("); ok && name == a.Syscall {
		args, _ := splitArgs(after)
		a.Args = args
	}
	p.last, p.open = "", ""
	return true
}

// killed reads how a process ended: by a filter, in its last call, which strace
// prints without an end, or with the call's own number as its result.
func (a *Attempt) killed(p *traced, rest string) bool {
	last := p.last
	if p.open != "" {
		last = p.open
	}
	last, _, _ = strings.Cut(last, unfinished)
	name, after, ok := strings.Cut(last, "(")
	if !ok || !strings.HasPrefix(rest, "+++ killed by SIGSYS") || !isWord(name) {
		return false
	}
	args, _ := splitArgs(after)
	a.Syscall, a.Args, a.Errno = name, args, "SIGSYS"
	return true
}

// maxArgs bounds the arguments that are looked at; no call has more than six, but
// clone names its own.
const maxArgs = 16

// splitArgs splits the arguments of a call at the commas that are in no string
// and no brackets, and returns what follows the closing parenthesis.
func splitArgs(s string) (args []string, rest string) {
	depth, start := 0, 0
	add := func(end int) {
		if arg := strings.TrimSpace(s[start:end]); arg != "" && len(args) < maxArgs {
			args = append(args, arg)
		}
	}
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '"':
			end := quoteEnd(s[i:])
			if end < 0 {
				return args, ""
			}
			i += end
		case '<': // 3</a,b>: strace escapes < and > in it
			if i > start && isWord(s[i-1:i]) {
				if end := strings.IndexByte(s[i:], '>'); end > 0 {
					i += end
				}
			}
		case '(', '[', '{':
			depth++
		case ')', ']', '}':
			if depth == 0 {
				add(i)
				return args, s[i+1:]
			}
			depth--
		case ',':
			if depth == 0 {
				add(i)
				start = i + 1
			}
		}
	}
	add(len(s))
	return args, ""
}

// clip bounds what is kept of a line.
func clip(call string) string {
	const most = 4096
	if len(call) <= most {
		return call
	}
	return strings.Clone(call[:most])
}

// straceTime reads the seconds since 1970 of -ttt; the other options do not say
// the day.
func straceTime(s string) time.Time {
	seconds, err := strconv.ParseFloat(s, 64)
	if err != nil || seconds < 1e8 || seconds > 1e11 {
		return time.Time{}
	}
	return time.UnixMicro(int64(seconds * 1e6)).UTC()
}

// isWord reports whether s can be the name of a system call.
func isWord(s string) bool {
	for _, c := range []byte(s) {
		if c != '_' && (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') {
			return false
		}
	}
	return s != ""
}
