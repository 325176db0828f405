// Package host finds out what on a Linux host would keep a refusal of AppArmor
// or seccomp out of the logs, and the reversible lever for each. Read collects
// facts, Answers says what they mean, Apply and Hold pull levers and Undo puts
// them back. A fact that cannot be had has the reason in its place; only levers have
// errors. Facts and answers are plain values, safe for concurrent use.
package host

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/whydenied/whydenied/rules/disk"
)

// A Host is where facts are read and levers are pulled. The zero Host is this
// one, with no program run and no policy compared. Its methods serve one
// goroutine at a time.
type Host struct {
	// Root is put before every path, so that a copy of /proc, /sys and /etc can be
	// read. Unless it is empty, the kernel is not asked through netlink.
	Root string
	// Run runs a program of the host, such as runc, and returns what it writes to
	// standard output. The error wraps exec.ErrNotFound where it is not installed.
	// If Run is nil, what it would tell is not known.
	Run func(ctx context.Context, program string, args ...string) ([]byte, error)
	// PolicyDir is the directory whose files Compare compares the loaded profiles
	// with, such as /etc/apparmor.d.
	PolicyDir string
}

// A Value is one reading: a text without the white space around it, or why there
// is none.
type Value struct {
	Text string
	Err  error
}

// missing reports whether there is nothing to be read, as opposed to nothing
// that we may read.
func (v Value) missing() bool {
	return errors.Is(v.Err, fs.ErrNotExist) || errors.Is(v.Err, errUnsupported)
}

var errUnsupported = errors.New("the kernel is built without it")

// Facts are what Read found.
type Facts struct {
	CommandLine Value // of the kernel
	Security    Value // the security modules in force, with commas
	AppArmor    AppArmor
	Policy      Policy  // filled in by Compare
	Applied     Applied // filled in by whoever knows the state file
	Audit       Audit
	Auditd      Auditd
	Listeners   []string // programs that read the audit netlink's multicast group, beside or instead of auditd
	Journald    bool     // systemd-journald runs

	PrintkRatelimit Value // kernel.printk_ratelimit: seconds; 0 is no limit
	PrintkBurst     Value // messages in that time
	DmesgRestrict   Value

	ActionsLogged    Value // kernel.seccomp.actions_logged
	ActionsAvailable Value
	Runtimes         []Runtime

	UsernsClone    Value // kernel.unprivileged_userns_clone, of Debian's and Ubuntu's kernels
	UsernsRestrict Value // kernel.apparmor_restrict_unprivileged_userns, of Ubuntu's
	UsernsMax      Value // user.max_user_namespaces

	Cgroups      string   // v1, v2, hybrid, or "" if none is mounted
	Sockets      []string // of container engines
	Elsewhere    []string // environment variables that name an engine by no socket of a file
	Capabilities Value    // CapEff of this process, in hexadecimal
}

// AppArmor is the state of AppArmor in the kernel.
type AppArmor struct {
	Enabled  Value // Y or N
	Mode     Value // enforce, complain, kill: of all profiles
	Audit    Value // normal, quiet_denied, quiet, noquiet, all
	Profiles []Loaded
	Err      error // why the profiles cannot be read
}

// A Loaded is a profile in the kernel.
type Loaded struct {
	Name string // parent//child
	Mode string // enforce, complain, kill, unconfined
	Hash string // SHA-1 or, from Linux 6.8 on, SHA-256, in hexadecimal; "" where the kernel keeps none
	At   time.Time
	Raw  string // the file with what was loaded; "" where the kernel keeps none

	dir string // where the kernel shows it
}

// An Audit is the state of auditing, which the kernel tells to CAP_AUDIT_CONTROL
// in the initial namespaces.
type Audit struct {
	Status   AuditStatus
	Err      error // why there is no status
	Excludes []Exclude
	RulesErr error // why there are no excludes
}

// An AuditStatus is struct audit_status of linux/audit.h.
type AuditStatus struct {
	Enabled      uint32 // 0 no, 1 yes, 2 yes and locked until the next boot
	PID          uint32 // of the audit daemon; 0 if there is none
	RateLimit    uint32 // records a second; 0 is no limit
	BacklogLimit uint32 // records that wait; 0 is no limit
	Lost         uint32 // records, since boot or the last auditctl --reset-lost
}

// An Exclude is a rule that keeps records out of the log (the exclude filter of
// auditctl(8)).
type Exclude struct {
	Rule     string // as after auditctl -a
	AppArmor bool   // it can match records of type AVC
	Seccomp  bool   // it can match records of type SECCOMP
	Partly   bool   // it has other conditions, such as a user
}

// An Auditd is the audit daemon as its configuration has it.
type Auditd struct {
	PID    int // 0 if it does not run
	Config Value
}

// A Runtime is a low-level container runtime.
type Runtime struct {
	Name    string
	Version string
	LogFlag Answered // whether it takes SECCOMP_FILTER_FLAG_LOG
	Err     error    // why it was not run, though it is there
	// Libseccomp is the version of the library that it says it makes filters with; crun
	// does not say. runc 1.5.2 says the one that it was built with, if that is older.
	Libseccomp string
}

// Answered is yes, no or not known.
type Answered int

// The answers.
const (
	NotKnown Answered = iota
	Yes
	No
)

// Read collects the facts of a host, but for what Compare does. It changes
// nothing. What cannot be read is told in the facts.
func (h Host) Read(ctx context.Context) Facts {
	f := Facts{
		CommandLine:      h.value("/proc/cmdline"),
		Security:         h.value("/sys/kernel/security/lsm"),
		AppArmor:         h.appArmor(),
		PrintkRatelimit:  h.value(printkRatelimit),
		PrintkBurst:      h.value("/proc/sys/kernel/printk_ratelimit_burst"),
		DmesgRestrict:    h.value("/proc/sys/kernel/dmesg_restrict"),
		ActionsLogged:    h.value(actionsLogged),
		ActionsAvailable: h.value("/proc/sys/kernel/seccomp/actions_avail"),
		Runtimes:         h.runtimes(ctx),
		UsernsClone:      h.value("/proc/sys/kernel/unprivileged_userns_clone"),
		UsernsRestrict:   h.value("/proc/sys/kernel/apparmor_restrict_unprivileged_userns"),
		UsernsMax:        h.value("/proc/sys/user/max_user_namespaces"),
		Listeners:        h.listeners(),
		Journald:         h.exists("/run/systemd/journal/socket"),
		Cgroups:          h.cgroups(),
		Sockets:          h.sockets(),
		Elsewhere:        h.elsewhere(),
		Capabilities:     h.capabilities(),
	}
	if h.Root == "" {
		f.Audit = readAudit()
	} else {
		f.Audit.Err = errors.New("the kernel is asked on the host itself only")
		f.Audit.RulesErr = f.Audit.Err
	}
	f.Auditd = h.auditd(f.Audit)
	return f
}

// maxRead bounds what is read of one file: the list of profiles can have
// thousands.
const maxRead = 4 << 20

// value reads a small file.
func (h Host) value(path string) Value {
	text, err := read(h.Root + path)
	if err != nil {
		return Value{Err: err}
	}
	return Value{Text: strings.TrimSpace(string(text))}
}

// read returns the first maxRead bytes of a file.
func read(name string) ([]byte, error) {
	file, err := disk.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return io.ReadAll(io.LimitReader(file, maxRead))
}

func (h Host) exists(path string) bool {
	_, err := os.Stat(h.Root + path)
	return err == nil
}
