package layer

import (
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/whydenied/whydenied/explain/access"
	"github.com/whydenied/whydenied/explain/container"
	"github.com/whydenied/whydenied/parser"
	"github.com/whydenied/whydenied/rules/seccomp"
)

// facts are what the layers are judged by.
type facts struct {
	Question
	call, errno string
	path        string // absolute, that the call is about; "" if none is known
	limits      *container.Limits
	self        parser.Self // zero without a trace
	uid         int         // -1 if it is not known
	needs       seccomp.Privilege
	asks        bool // the kernel asks for a capability: needs
}

func factsOf(q Question) *facts {
	a := q.Attempt
	if a.Outside { // of what the runtime runs in nothing is known
		q.Container = &container.Container{}
	}
	f := &facts{Question: q, call: a.Syscall, errno: a.Errno, limits: q.Container.Limits, uid: -1, path: PathOf(a)}
	if a.Self != nil {
		f.self = *a.Self
	}
	switch {
	case f.self.Became:
		f.uid = f.self.UID
	case f.limits != nil:
		f.uid = f.limits.UID
	}
	f.needs, f.asks = neededBy(a)
	return f
}

// PathOf returns the path that an attempt is about, or "".
func PathOf(a *parser.Attempt) string {
	if a.Args == nil {
		return a.Path
	}
	for _, words := range access.Attempted(a) {
		for _, field := range words {
			if field.Key == "name" && strings.HasPrefix(field.Value, "/") {
				return path.Clean(field.Value)
			}
		}
	}
	for _, arg := range a.Args {
		if s, whole, ok := parser.StraceString(arg); ok && whole && strings.HasPrefix(s, "/") {
			return path.Clean(s)
		}
		if name, ok := parser.StraceFD(arg); ok {
			return path.Clean(name)
		}
	}
	return ""
}

// neededBy returns what the kernel asks of who makes the call.
func neededBy(a *parser.Attempt) (p seccomp.Privilege, asks bool) {
	if (a.Syscall == "clone" || a.Syscall == "clone3" || a.Syscall == "unshare") && access.Capability(a) == "" {
		return p, false // threads, processes and user namespaces are for everybody
	}
	arch := seccomp.X86_64
	if parsed, err := seccomp.ParseArch(a.Arch); err == nil && a.Arch != "" {
		arch = parsed
	}
	if p, asks = access.Privilege(a, arch); asks {
		return p, true
	}
	switch {
	case a.Syscall == "seccomp" && a.Errno == "EACCES":
		return seccomp.Privilege{Caps: []string{"CAP_SYS_ADMIN"}, Unless: "the process has set no_new_privs before", Source: "seccomp_prepare_filter() in kernel/seccomp.c"}, true
	case a.Syscall == "bind" && !lowPort(a):
		return p, false
	}
	if needed := access.Capability(a); needed != "" {
		return seccomp.Privilege{Caps: []string{"CAP_" + strings.ToUpper(needed)}}, true
	}
	return p, false
}

// lowPort reports whether an address may have a port that not everybody can bind.
func lowPort(a *parser.Attempt) bool {
	_, port, ok := strings.Cut(strings.Join(a.Args, " "), "port=htons(")
	if !ok {
		return a.Args == nil
	}
	port, _, _ = strings.Cut(port, ")")
	n, err := strconv.Atoi(port)
	return err != nil || n > 0 && n < 1024
}

// holds reports whether the process has one of some capabilities, as far as that is known:
// by what it did, else by what its container gives its first process.
func (f *facts) holds(caps ...string) (holds, known bool) {
	switch {
	case f.self.Effective != nil:
		return slices.ContainsFunc(caps, func(c string) bool { return slices.Contains(f.self.Effective, c) }), true
	case f.self.UserNamespace:
		return true, true // in that namespace
	case allIn(caps, f.self.Dropped):
		return false, true
	case f.Container.Caps != nil && !slices.ContainsFunc(caps, func(c string) bool { return slices.Contains(f.Container.Caps, c) }):
		return false, true // whoever it is, as no process of the container gains it
	case f.limits == nil:
		return false, false
	}
	return f.limits.Holds(caps)
}

func allIn(caps, list []string) bool {
	return !slices.ContainsFunc(caps, func(c string) bool { return !slices.Contains(list, c) })
}

// passesModes reports whether the process is one for which modes count nothing.
func (f *facts) passesModes() bool {
	holds, known := f.holds("CAP_DAC_OVERRIDE")
	return known && holds && !f.ownUserNamespace()
}

// ownUserNamespace reports whether the process is in another user namespace than the host's.
func (f *facts) ownUserNamespace() bool {
	return f.self.UserNamespace || f.Container.UserNamespace
}

func (f *facts) noNewPrivs() bool {
	return f.self.NoNewPrivs || f.limits != nil && f.limits.NoNewPrivs
}

// is reports whether the call is one of some, separated by spaces.
func (f *facts) is(calls string) bool { return contains(calls, f.call) }

// contains reports whether a call is one of some, separated by spaces.
func contains(calls, call string) bool {
	for c := range strings.FieldsSeq(calls) {
		if c == call {
			return true
		}
	}
	return false
}

// argument reports whether the arguments of the call hold a word.
func (f *facts) argument(word string) bool {
	return strings.Contains(strings.Join(f.Attempt.Args, " "), word)
}

const (
	opens    = "open openat openat2 creat"
	executes = "execve execveat"
	maps     = "mmap mprotect pkey_mprotect"
	forks    = "fork vfork clone clone3"
	// ofFiles are calls that a mode or an owner can refuse.
	ofFiles = opens + " " + executes + " access faccessat faccessat2 chdir chmod fchmod fchmodat fchmodat2 chown fchown lchown fchownat truncate mkdir mkdirat rmdir " +
		"unlink unlinkat rename renameat renameat2 link linkat symlink symlinkat mknod mknodat readlink readlinkat stat lstat newfstatat statx utimensat utime utimes " +
		"setxattr lsetxattr fsetxattr removexattr getxattr connect bind swapon acct mq_open inotify_add_watch"
	// ofOwners are calls that only the owner may make, without a capability for it.
	ofOwners = "chmod fchmod fchmodat fchmodat2 chown fchown lchown fchownat utimensat utime utimes unlink unlinkat rmdir rename renameat renameat2 link linkat setxattr " +
		ofProcesses
	// ofProcesses are those of them that act on a process.
	ofProcesses = "kill tkill tgkill sched_setaffinity"
)

// IsOfFile reports whether a call is one that the mode of a file can refuse.
func IsOfFile(call string) bool { return contains(ofFiles, call) }

// IsOfOwner reports whether a call is one that only the owner of a file or a process may
// make, without a capability for it.
func IsOfOwner(call string) bool { return contains(ofOwners, call) }

// IsPlainClone reports whether a call makes a thread or a process in the same namespaces,
// which everybody may.
func IsPlainClone(a *parser.Attempt) bool {
	return a.Syscall == "clone" && a.Args != nil && !slices.ContainsFunc(a.Args, func(arg string) bool {
		return strings.Contains(arg, "CLONE_NEW") || strings.Contains(arg, "?")
	})
}

// aboutFile reports whether it was a file that was refused.
func (f *facts) aboutFile() bool {
	return f.is(ofFiles) || f.call == "" && f.path != ""
}

// mayExecute reports whether it can have been the execution of a program that was refused,
// by what the text says.
func (f *facts) mayExecute() bool {
	return f.is(executes) || f.Attempt.First && slices.ContainsFunc(f.Attempt.Or, func(t parser.Tried) bool { return contains(executes, t.Syscall) })
}

// executing reports whether a program was to be executed, or code mapped.
func (f *facts) executing() bool {
	return f.is(executes) || f.Attempt.First || f.is(maps) && f.argument("PROT_EXEC")
}

// target is the path for a sentence.
func (f *facts) target() string {
	if f.path == "" {
		return "the file"
	}
	return f.path
}

// answer words the error and the call: "EPERM to mount".
func (f *facts) answer() string {
	if f.call == "" {
		return f.errno
	}
	return f.errno + " to " + f.call
}
