package seccomp

import (
	_ "embed"
	"slices"
	"strings"
	"sync"
)

//go:generate echo "internal/tools/start needs root and container runtimes: see there"

// startTSV has the calls that starts of containers fail without: a line for each, or for
// two of which one is enough, and a column for each way to start one.
//
//go:embed start.tsv
var startTSV string

// A startNeed is calls of which one is enough, and the ways to start a container that
// fail without, as indexes of startColumns.
type startNeed struct {
	names []string
	by    []int
}

// A startColumn is a way to start a container: a runtime with no_new_privileges or
// without, or a shell that it runs.
type startColumn struct {
	runtime         string // "runc 1.1.5"; "" for a shell
	noNewPrivileges bool
	dynamic         bool // the shell is linked dynamically
}

// startTable is what was measured.
var startTable = sync.OnceValues(func() (columns []startColumn, needs []startNeed) {
	lines := strings.Split(strings.TrimSpace(startTSV), "\n")
	for _, title := range strings.Split(lines[1], "\t")[1:] {
		runtime, quiet := strings.CutSuffix(title, " no_new_privileges")
		c := startColumn{runtime: runtime, noNewPrivileges: quiet}
		if strings.HasSuffix(title, "shell") {
			c = startColumn{dynamic: strings.HasPrefix(title, "dynamic")}
		}
		columns = append(columns, c)
	}
	for _, line := range lines[2:] {
		fields := strings.Split(line, "\t")
		n := startNeed{names: strings.Fields(fields[0])}
		for i, field := range fields[1:] {
			if field != "" {
				n.by = append(n.by, i)
			}
		}
		needs = append(needs, n)
	}
	return columns, needs
})

// alternatives returns the calls of which one is enough: those that were measured, and
// what other shells, and architectures of 32 bits, call in their place.
func (n startNeed) alternatives() []string {
	names := slices.Clone(n.names)
	for _, name := range n.names {
		names = append(names, inPlace[name]...)
	}
	return names
}

// inPlace are the calls that are made in the place of others.
var inPlace = map[string][]string{
	"clone": {"clone3", "fork", "vfork"}, "vfork": {"clone", "clone3", "fork"}, "wait4": {"waitid", "waitpid"},
	"fstat": {"fstat64"}, "newfstatat": {"fstatat64"}, "fstatfs": {"fstatfs64"}, "statfs": {"statfs64"}, "mmap": {"mmap2"},
	"setuid": {"setuid32"}, "setgid": {"setgid32"}, "setgroups": {"setgroups32"}, "fcntl": {"fcntl64"}, "getuid": {"getuid32"},
	"setresuid": {"setresuid32"}, "setresgid": {"setresgid32"}, "geteuid": {"geteuid32"}, "lseek": {"_llseek"},
}

// who says who cannot do without the calls: "runc 1.3.7 and 1.5.2 without
// no_new_privileges, programs that are linked dynamically".
func (n startNeed) who() string {
	columns, _ := startTable()
	var parts []string
	for _, name := range [...]string{Runc, Crun} {
		loud, quiet := n.versions(name, false), n.versions(name, true)
		switch {
		case loud != "" && loud == quiet:
			parts = append(parts, loud)
		default:
			if loud != "" {
				parts = append(parts, loud+" without no_new_privileges")
			}
			if quiet != "" {
				parts = append(parts, quiet+" with no_new_privileges")
			}
		}
	}
	dynamic := slices.ContainsFunc(n.by, func(i int) bool { return columns[i].dynamic })
	if n.shells() {
		parts = append(parts, "shells")
	} else if dynamic {
		parts = append(parts, "programs that are linked dynamically")
	}
	return strings.Join(parts, ", ")
}

// versions names a runtime and its versions that cannot do without the calls: "runc" if
// all of them, "" if none.
func (n startNeed) versions(name string, noNewPrivileges bool) string {
	columns, _ := startTable()
	var versions []string
	all := true
	for i, c := range columns {
		version, ok := strings.CutPrefix(c.runtime, name+" ")
		switch {
		case !ok || c.noNewPrivileges != noNewPrivileges:
		case slices.Contains(n.by, i):
			versions = append(versions, version)
		default:
			all = false
		}
	}
	switch {
	case versions == nil:
		return ""
	case all:
		return name
	}
	return name + " " + strings.Join(versions, " and ")
}

// shells reports whether no shell starts without the calls, be it linked statically.
func (n startNeed) shells() bool {
	columns, _ := startTable()
	return slices.ContainsFunc(n.by, func(i int) bool { return columns[i] == startColumn{} })
}

// everywhere reports whether no runtime of those measured that have a prefix starts a
// container without the calls, however it is asked to.
func (n startNeed) everywhere(prefix string) bool {
	columns, _ := startTable()
	for i, c := range columns {
		if c.runtime != "" && strings.HasPrefix(c.runtime, prefix) && !slices.Contains(n.by, i) {
			return false
		}
	}
	return true
}

// commonCalls are what most programs call besides, in their C library (glibc 2.36, musl
// 1.2.4), their language's runtime, or a shell. Of several names one is enough.
var commonCalls = []struct {
	names []string
	why   string
}{
	{strings.Fields("futex"), "threads, and the locks of every C library, wait with it"},
	{strings.Fields("epoll_pwait epoll_wait"), "servers and the Go runtime wait with it"},
	{strings.Fields("sigaltstack"), "the Go runtime gives each thread a signal stack with it, and dies if it cannot"},
	{strings.Fields("rt_sigreturn"), "every signal handler returns with it: the process dies after the first signal"},
	{strings.Fields("rt_sigaction"), "signal handlers are set with it"},
	{strings.Fields("rt_sigprocmask"), "signals are blocked with it around every fork"},
	{strings.Fields("mmap mmap2"), "the loader maps the program and its libraries with it"},
	{strings.Fields("mprotect"), "the loader protects what it mapped with it"},
	{strings.Fields("brk"), "memory is allocated with it"},
	{strings.Fields("read"), "files and pipes are read with it"},
	{strings.Fields("close"), "descriptors are closed with it"},
	{strings.Fields("openat open"), "files are opened with it"},
	{strings.Fields("fstat newfstatat statx fstat64"), "the C library looks at files with it"},
	{strings.Fields("fcntl fcntl64"), "descriptors are marked to be closed at the start of a program with it"},
	{strings.Fields("arch_prctl"), "the C library sets up thread-local storage on x86-64 with it"},
	{strings.Fields("set_tid_address"), "the C library starts with it"},
	{strings.Fields("clone clone3 fork vfork"), "a shell starts every command with it"},
	{strings.Fields("wait4 waitid waitpid"), "a shell waits for its commands with it"},
	{strings.Fields("munmap"), "memory is given back with it"},
	{strings.Fields("set_robust_list"), "glibc sets it for every thread"},
	{strings.Fields("rseq"), "glibc 2.35 and later registers every thread with it"},
	{strings.Fields("prlimit64 getrlimit ugetrlimit"), "glibc asks for the stack limit with it"},
	{strings.Fields("getrandom"), "glibc, OpenSSL and language runtimes seed themselves with it"},
	{strings.Fields("dup2 dup3"), "a shell redirects with it"},
	{strings.Fields("pipe pipe2"), "a shell joins commands with it"},
	{strings.Fields("ioctl"), "a shell asks for the terminal with it"},
	{strings.Fields("getdents64 getdents"), "directories are listed with it, by runc too where close_range is missing"},
	{strings.Fields("readlink readlinkat"), "the loader and runc follow /proc/self links with it"},
	{strings.Fields("getpid"), "the Go runtime and shells call it"},
	{strings.Fields("gettid"), "the Go runtime and glibc call it for each thread"},
	{strings.Fields("tgkill"), "the Go runtime preempts threads, and abort ends programs, with it"},
	{strings.Fields("madvise"), "the Go runtime and malloc call it"},
	{strings.Fields("sched_yield"), "the Go runtime and spin locks call it"},
	{strings.Fields("nanosleep clock_nanosleep"), "the Go runtime and sleep call it"},
	{strings.Fields("sched_getaffinity"), "language runtimes count processors with it"},
	{strings.Fields("kill"), "a shell ends jobs with it"},
	{strings.Fields("setpgid"), "an interactive shell controls jobs with it"},
	{strings.Fields("umask"), "shells and servers call it"},
	{strings.Fields("setsid"), "servers leave the terminal with it"},
	{strings.Fields("unlink unlinkat"), "files are removed with it"},
	{strings.Fields("clock_gettime clock_gettime64"), "clocks that the vDSO does not have are read with it"},
}

// dangerous are calls that no container should be able to make whatever its
// capabilities and arguments, and what they give away.
var dangerous = map[string]string{
	"mount":             "changes what the container sees of the host's file systems",
	"umount2":           "takes away mounts that hide host files",
	"pivot_root":        "changes the root of the file system",
	"move_mount":        "changes what the container sees of the host's file systems",
	"open_tree":         "clones mounts, and so gets around those that hide host files",
	"fsopen":            "opens kernel file system code to the container",
	"fsmount":           "mounts file systems",
	"fsconfig":          "opens kernel file system code to the container",
	"mount_setattr":     "turns read-only mounts into writable ones",
	"setns":             "enters namespaces of other processes",
	"unshare":           "makes user namespaces, in which much kernel code is open to attack",
	"clone3":            "makes user namespaces, and its flags cannot be filtered as they are in memory",
	"kexec_load":        "replaces the running kernel",
	"kexec_file_load":   "replaces the running kernel",
	"init_module":       "loads code into the kernel",
	"finit_module":      "loads code into the kernel",
	"delete_module":     "unloads kernel modules",
	"bpf":               "loads programs into the kernel",
	"perf_event_open":   "reads performance counters of other processes and opens kernel code to attack",
	"open_by_handle_at": "opens any file of a host file system, past mounts",
	"reboot":            "stops or restarts the host",
	"swapon":            "adds swap to the host",
	"swapoff":           "takes swap from the host",
	"iopl":              "gives access to hardware ports",
	"ioperm":            "gives access to hardware ports",
	"userfaultfd":       "stops the kernel in the middle of an access: a tool of many exploits",
	"keyctl":            "reaches kernel keyrings, which containers share",
	"add_key":           "reaches kernel keyrings, which containers share",
	"request_key":       "reaches kernel keyrings, which containers share",
	"acct":              "turns the host's process accounting on or off",
	"quotactl":          "changes quotas of the host",
	"syslog":            "reads and clears the host's kernel log",
	"settimeofday":      "sets the host's clock",
	"clock_settime":     "sets the host's clock",
	"stime":             "sets the host's clock",
	"lookup_dcookie":    "leaks kernel information",
	"nfsservctl":        "controls the host's NFS server",
	"io_uring_setup":    "makes a ring whose requests no filter sees",
	"personality":       "turns off address randomisation for a program, unless its argument is limited",
	"process_vm_writev": "writes into the memory of other processes",
	"ptrace":            "controls other processes, and before Linux 4.8 got past seccomp",
	"vm86":              "opens virtual 8086 mode",
	"vm86old":           "opens virtual 8086 mode",
	"vhangup":           "hangs up the terminal",
}

// Starts reports whether containers that were measured do not start without a call, or without one of
// several of which it is one.
func Starts(name string) bool {
	_, needs := startTable()
	return slices.ContainsFunc(needs, func(n startNeed) bool { return slices.Contains(n.alternatives(), name) })
}
