//go:build e2e && linux && amd64

package e2e

// A scenario is one program in one container, and what must come of it.
type scenario struct {
	name    string
	profile string   // in profiles/, or one that newProfiles makes
	caps    []string // of the container
	call    call
	command []string // that makes the call; nil: the probe
	own     []string // answer and flags of a filter that the probe installs itself

	unfiltered string // outcome without a seccomp profile; "" is "ran"
	outcome    string // "ran", an errno or a signal
	record     string // fields of the SECCOMP record; "" is that there is none
	finding    *finding
	// resolved is the finding's cause by the profile in config.json, where the
	// engine has left out the entries that are not in force; "" is the same.
	resolved string
}

// A call is a system call as the profile names it.
type call struct {
	arch, name string
	number     string // for probe
	args       []string
}

// A finding is what whydenied must say.
type finding struct {
	syscall, arch, action, mode string
	cause, decision             string
	rules                       []int // lines of the profile, the deciding one first
}

const (
	amd64 = "c000003e" // AUDIT_ARCH_X86_64 of linux/audit.h
	i386  = "40000003"
)

var (
	mkdir    = call{"x86_64", "mkdir", "83", []string{"/made", "0755"}}
	mkdir32  = call{"i386", "mkdir", "39", []string{"/made", "0755"}}
	mkdirX32 = call{"x32", "mkdir", "0x40000053", []string{"/made", "0755"}}
	unshare  = call{"x86_64", "unshare", "272", []string{"0x10000000"}} // CLONE_NEWUSER
)

// dockersCaps are the capabilities that Docker gives a container.
var dockersCaps = []string{
	"CAP_AUDIT_WRITE", "CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL", "CAP_MKNOD", "CAP_NET_BIND_SERVICE",
	"CAP_NET_RAW", "CAP_SETFCAP", "CAP_SETGID", "CAP_SETPCAP", "CAP_SETUID", "CAP_SYS_CHROOT",
}

var scenarios = []scenario{
	// Each action on the same call.
	{
		name: "kill", profile: "kill.json", call: mkdir, outcome: "SIGSYS",
		record:  "sig=31 arch=" + amd64 + " syscall=83 compat=0 code=0x0",
		finding: &finding{"mkdir", "x86_64", "kill_thread", "KILLED", "syscall-denied", "refused", []int{6}},
	},
	{
		name: "kill thread", profile: "kill-thread.json", call: mkdir, outcome: "SIGSYS",
		record:  "sig=31 arch=" + amd64 + " syscall=83 compat=0 code=0x0",
		finding: &finding{"mkdir", "x86_64", "kill_thread", "KILLED", "syscall-denied", "refused", []int{6}},
	},
	{
		name: "kill process", profile: "kill-process.json", call: mkdir, outcome: "SIGSYS",
		record:  "sig=31 arch=" + amd64 + " syscall=83 compat=0 code=0x80000000",
		finding: &finding{"mkdir", "x86_64", "kill_process", "KILLED", "syscall-denied", "refused", []int{6}},
	},
	{name: "kill process, another call", profile: "kill-process.json", call: call{"x86_64", "chdir", "80", []string{"/bin"}}, outcome: "ran"},
	{name: "trap is silent", profile: "trap.json", call: mkdir, outcome: "SIGSYS"},
	{
		name: "trap with the log flag", profile: "trap-logged.json", call: mkdir, outcome: "SIGSYS",
		record:  "sig=0 arch=" + amd64 + " syscall=83 compat=0 code=0x30000",
		finding: &finding{"mkdir", "x86_64", "trap", "DENIED", "syscall-denied", "refused", []int{7}},
	},
	{name: "errno is silent", profile: "errno.json", call: mkdir, outcome: "EPERM"},
	{name: "another errno is silent", profile: "errno-eacces.json", call: mkdir, outcome: "EACCES"},
	{
		name: "errno with the log flag", profile: "errno-logged.json", call: mkdir, outcome: "EPERM",
		record:  "sig=0 arch=" + amd64 + " syscall=83 compat=0 code=0x50000",
		finding: &finding{"mkdir", "x86_64", "errno", "DENIED", "syscall-denied", "refused", []int{7}},
	},
	{name: "trace without a tracer is silent", profile: "trace.json", call: mkdir, outcome: "ENOSYS"},
	{
		name: "trace with the log flag", profile: "trace-logged.json", call: mkdir, outcome: "ENOSYS",
		record:  "sig=0 arch=" + amd64 + " syscall=83 compat=0 code=0x7ff00000",
		finding: &finding{"mkdir", "x86_64", "trace", "DENIED", "syscall-denied", "refused", []int{7}},
	},
	{
		name: "log", profile: "log.json", call: mkdir, outcome: "ran",
		record:  "sig=0 arch=" + amd64 + " syscall=83 compat=0 code=0x7ffc0000",
		finding: &finding{"mkdir", "x86_64", "log", "ALLOWED", "logged-only", "granted", []int{6}},
	},

	// Conditions on arguments.
	{name: "argument that is allowed", profile: "arguments.json", call: call{"x86_64", "personality", "135", []string{"0xffffffff"}}, outcome: "ran"},
	{
		name: "argument that is refused", profile: "arguments.json", call: call{"x86_64", "personality", "135", []string{"8"}}, outcome: "SIGSYS",
		record:  "sig=31 arch=" + amd64 + " syscall=135 compat=0 code=0x80000000",
		finding: &finding{"personality", "x86_64", "kill_process", "KILLED", "syscall-denied", "refused", []int{6}},
	},
	{name: "argument that is refused is silent", profile: "arguments-errno.json", call: call{"x86_64", "personality", "135", []string{"8"}}, outcome: "EPERM"},

	// Architectures and numbers.
	{
		name: "i386 program under a profile for x86-64", profile: "kill-process.json", call: mkdir32, outcome: "SIGSYS",
		record:  "sig=31 arch=" + i386 + " syscall=39 compat=1 code=0x0",
		finding: &finding{"mkdir", "i386", "kill_thread", "KILLED", "arch-not-listed", "refused", nil},
	},
	{
		name: "i386 program", profile: "kill-process-32.json", call: mkdir32, outcome: "SIGSYS",
		record:  "sig=31 arch=" + i386 + " syscall=39 compat=1 code=0x80000000",
		finding: &finding{"mkdir", "i386", "kill_process", "KILLED", "syscall-denied", "refused", []int{6}},
	},
	{name: "i386 call with the x86-64 number of mkdir", profile: "kill-process-32.json", call: call{"i386", "symlink", "83", []string{"/bin", "/made"}}, outcome: "ran"},
	{
		name: "x32 call under a profile for x86-64", profile: "kill-process.json", call: mkdirX32, unfiltered: "ENOSYS", outcome: "SIGSYS",
		record:  "sig=31 arch=" + amd64 + " syscall=1073741907 compat=0 code=0x0",
		finding: &finding{"mkdir", "x32", "kill_thread", "KILLED", "arch-not-listed", "refused", nil},
	},
	{
		name: "x32 call", profile: "kill-process-x32.json", call: mkdirX32, unfiltered: "ENOSYS", outcome: "SIGSYS",
		record:  "sig=31 arch=" + amd64 + " syscall=1073741907 compat=0 code=0x80000000",
		finding: &finding{"mkdir", "x32", "kill_process", "KILLED", "syscall-denied", "refused", []int{6}},
	},
	{
		name: "number without a call", profile: "docker-kill.json", caps: dockersCaps, call: call{"x86_64", "400", "400", nil}, unfiltered: "ENOSYS", outcome: "SIGSYS",
		record:  "sig=31 arch=" + amd64 + " syscall=400 compat=0 code=0x80000000",
		finding: &finding{"", "x86_64", "kill_process", "KILLED", "syscall-not-listed", "refused", []int{2}},
	},
	{name: "number above the profile's newest is silent", profile: "docker-kill.json", caps: dockersCaps, call: call{"x86_64", "1000", "1000", nil}, unfiltered: "ENOSYS", outcome: "ENOSYS"},

	// Docker's default, and capabilities.
	{
		name: "Docker's default is silent", profile: "docker.json", caps: dockersCaps, call: unshare, outcome: "EPERM",
		command: []string{"unshare", "-U", "true"},
	},
	{name: "Docker's default, a call that it allows", profile: "docker.json", caps: dockersCaps, call: mkdir, outcome: "ran"},
	{
		name: "Docker's default, clone3", profile: "docker.json", caps: dockersCaps, call: call{"x86_64", "clone3", "435", nil},
		unfiltered: "EINVAL", outcome: "ENOSYS",
	},
	{
		name: "Docker's default made visible by observe", profile: "docker-observed.json", caps: dockersCaps, call: unshare, outcome: "EPERM",
		command:  []string{"unshare", "-U", "true"},
		record:   "sig=0 arch=" + amd64 + " syscall=272 compat=0 code=0x50000",
		finding:  &finding{"unshare", "x86_64", "errno", "DENIED", "capability-gated", "refused", []int{2, 180}},
		resolved: "syscall-not-listed",
	},
	{
		name: "capability that is not held", profile: "docker-kill.json", caps: dockersCaps, call: unshare, outcome: "SIGSYS",
		record:   "sig=31 arch=" + amd64 + " syscall=272 compat=0 code=0x80000000",
		finding:  &finding{"unshare", "x86_64", "kill_process", "KILLED", "capability-gated", "refused", []int{2, 179}},
		resolved: "syscall-not-listed",
	},
	{name: "capability that is held", profile: "docker-kill.json", caps: append([]string{"CAP_SYS_ADMIN"}, dockersCaps...), call: unshare, outcome: "ran"},
	{
		name: "errno made visible by observe --log-action", profile: "errno-observed.json", call: mkdir, outcome: "ran",
		record:  "sig=0 arch=" + amd64 + " syscall=83 compat=0 code=0x7ffc0000",
		finding: &finding{"mkdir", "x86_64", "log", "ALLOWED", "logged-only", "granted", []int{6}},
	},

	// A filter that the program installs itself, under a profile that allows
	// the call.
	{name: "own filter, errno is silent", profile: "docker.json", caps: dockersCaps, call: mkdir, own: []string{"0x50001", "0"}, outcome: "EPERM"},
	{
		name: "own filter, errno with the log flag", profile: "docker.json", caps: dockersCaps, call: mkdir, own: []string{"0x50001", "2"}, outcome: "EPERM",
		record:  "sig=0 arch=" + amd64 + " syscall=83 compat=0 code=0x50000",
		finding: &finding{"mkdir", "x86_64", "errno", "DENIED", "flags-mismatch", "granted", []int{47}},
	},
	{name: "own filter, trap is silent", profile: "docker.json", caps: dockersCaps, call: mkdir, own: []string{"0x30000", "0"}, outcome: "SIGSYS"},
	{
		name: "own filter, trap with the log flag", profile: "docker.json", caps: dockersCaps, call: mkdir, own: []string{"0x30000", "2"}, outcome: "SIGSYS",
		record:  "sig=0 arch=" + amd64 + " syscall=83 compat=0 code=0x30000",
		finding: &finding{"mkdir", "x86_64", "trap", "DENIED", "flags-mismatch", "granted", []int{47}},
	},
}
