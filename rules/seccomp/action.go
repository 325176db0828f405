package seccomp

import "fmt"

// An Action is a filter's answer: the SECCOMP_RET_* action word, as code= of an
// audit record holds it (include/uapi/linux/seccomp.h, Linux 6.18). The errno
// or other data in the low 16 bits of the filter's answer is not part of it.
type Action uint32

// The actions, from the strongest to the weakest.
const (
	KillProcess Action = 0x80000000
	KillThread  Action = 0x00000000
	Trap        Action = 0x00030000
	Errno       Action = 0x00050000
	UserNotif   Action = 0x7fc00000
	Trace       Action = 0x7ff00000
	Log         Action = 0x7ffc0000
	Allow       Action = 0x7fff0000
)

var actions = []struct {
	action Action
	name   string // as in kernel.seccomp.actions_logged
	scmp   string // as in profiles
}{
	{KillProcess, "kill_process", "SCMP_ACT_KILL_PROCESS"},
	{KillThread, "kill_thread", "SCMP_ACT_KILL_THREAD"},
	{Trap, "trap", "SCMP_ACT_TRAP"},
	{Errno, "errno", "SCMP_ACT_ERRNO"},
	{UserNotif, "user_notif", "SCMP_ACT_NOTIFY"},
	{Trace, "trace", "SCMP_ACT_TRACE"},
	{Log, "log", "SCMP_ACT_LOG"},
	{Allow, "allow", "SCMP_ACT_ALLOW"},
}

// String returns the name that kernel.seccomp.actions_logged has for the
// action, such as "kill_process" or "errno", or the number of an unknown one.
// Bits of data in the low 16 are ignored.
func (a Action) String() string {
	for _, x := range actions {
		if x.action == a&0xffff0000 {
			return x.name
		}
	}
	return fmt.Sprintf("0x%x", uint32(a))
}

// SCMP returns the name that profiles have for the action, such as
// "SCMP_ACT_ERRNO", or the number of an unknown one.
func (a Action) SCMP() string {
	for _, x := range actions {
		if x.action == a&0xffff0000 {
			return x.scmp
		}
	}
	return fmt.Sprintf("0x%x", uint32(a))
}

// ParseAction returns the action of a name in a profile; SCMP_ACT_KILL is
// KillThread, as runc has it. The names are exact.
func ParseAction(scmp string) (Action, bool) {
	if scmp == "SCMP_ACT_KILL" {
		return KillThread, true
	}
	for _, x := range actions {
		if x.scmp == scmp {
			return x.action, true
		}
	}
	return 0, false
}

// Permits reports whether the system call runs after this answer: Allow and
// Log; a tracer or a listener decides after Trace and UserNotif.
func (a Action) Permits() bool { return a == Allow || a == Log }

// Silent reports whether an answer refuses a call and leaves no record of it, unless
// the filter has the log flag: what Observe brings to light.
func (a Action) Silent() bool { return a == Errno || a == Trap || a == Trace }

// Unlogged reports whether an answer leaves no record without the log flag:
// seccomp_log() in kernel/seccomp.c, Linux 6.18.
func (a Action) Unlogged() bool { return a.Silent() || a == UserNotif }
