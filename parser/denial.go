package parser

import "time"

// A Mode says what the kernel did with the access.
type Mode uint8

// The modes. AppArmor writes them as apparmor="..."; for seccomp they follow
// from the action.
const (
	Denied  Mode = iota // refused
	Allowed             // complain mode, or SECCOMP_RET_LOG: logged and permitted
	Audited             // permitted, and logged because a rule or flag says audit
	Killed              // refused, and the task killed
	Status              // not about an access: a profile loaded, removed, ...
	Hint                // AppArmor's HINT
	Failed              // AppArmor's ERROR
)

// String returns the mode as AppArmor spells it: DENIED, ALLOWED, AUDIT, ...
func (m Mode) String() string {
	return [...]string{"DENIED", "ALLOWED", "AUDIT", "KILLED", "STATUS", "HINT", "ERROR"}[m]
}

// A Subject is the process that a record names. Everything in it was chosen by
// that process or is stale by the time it is read.
type Subject struct {
	PID   int
	Comm  string // at most 15 bytes of the thread's name
	Exe   string // from the record (execpath= since Linux 7.0) or the event's SYSCALL record; "" if unknown
	Label string // profile= or subj=: AppArmor's label, or a context of SELinux (see IsContext); "" if unknown
	UID   int    // fsuid=, or uid=; -1 if unknown
	Argv  string // from PROCTITLE or EXECVE, NUL-separated as logged; "" if unknown
}

// A Denial is one typed record of AppArmor, seccomp or another security module. Exactly
// one of AppArmor, Seccomp and Other is set.
type Denial struct {
	Event    Event
	Record   int // index of the record in Event.Records
	Time     time.Time
	Subject  Subject
	Mode     Mode
	AppArmor *AppArmor
	Seccomp  *Seccomp
	Other    *Other
	Form     *Form // of Forms.Scan: what repeats of it refer to; nil if each is parsed
}

// AppArmor is the body of an AppArmor record, as security/apparmor/audit.c of
// Linux 4.4 to 6.18 and dbus-daemon write it. Strings are decoded and "" when
// absent; numbers that can be absent are pointers.
type AppArmor struct {
	Operation string // open, exec, capable, create, mount, ptrace, ...
	Class     string // class=, written by 6.3 and later: file, cap, net, ...
	Namespace string // policy namespace of the profile: root//ns
	Profile   string // profile, hat a//b, learning profile a//null-...
	Name      string // the object: a path, a profile, ...
	Info      string // the kernel's own explanation: "label not found", ...
	Error     int    // negative errno, 0 if absent
	Requested string // requested_mask= or requested=
	Denied    string // denied_mask= or denied=
	FSUID     *int   // of the task
	OUID      *int   // of the object
	Target    string // exec or change_profile target, or a link's old name: target=, name2=
	Peer      string // the other label: peer=, peer_profile=, peer_label=

	Capability *int   // number
	CapName    string // lower case without cap_

	Family   string // inet, unix, netlink, ...
	SockType string // stream, dgram, raw, ...
	Protocol *int
	Addr     string // addr= of unix, or laddr of inet
	PeerAddr string // peer_addr= of unix, or faddr of inet
	Port     int    // lport=, src= ; 0 if absent
	PeerPort int    // fport=, dest=; 0 if absent

	Signal  string // term, rtmin+8, exists
	SrcName string // mount source, pivot_root's old root
	FSType  string
	Flags   string // mount flags: "rw, bind"
	RLimit  string // nofile, ...
	Value   string // of the rlimit

	Bus, Path, Interface, Member string // dbus
}

// Seccomp is the body of a SECCOMP record: audit_seccomp() in kernel/auditsc.c;
// or of a call that was seen by tracing, which knows more.
type Seccomp struct {
	Arch    uint32 // AUDIT_ARCH_*, such as 0xc000003e
	Syscall uint32 // as the kernel has it; x32 calls have bit 30 set
	// SyscallName is set, and Syscall 0, when the log has only a name: ausearch -i.
	SyscallName string
	Compat      bool
	Signal      int    // 0 if none was sent
	Code        uint32 // the filter's answer, SECCOMP_RET_* action word
	IP          uint64 // instruction pointer
	// Args are the call's arguments when a SYSCALL record of the same event
	// has them (a0 to a3 only) or the call was traced, else nil.
	Args []uint64

	// Unit is the service of which systemd logs next that it failed or that SIGSYS ended it,
	// which is perhaps that of the process; "" if it logs none.
	Unit string

	// Suspected says that no record has the filter's answer, nor the call: SIGSYS ended
	// the process, by its ANOM_ABEND record. Only Signal is set besides.
	Suspected bool

	Traced bool // seen by tracing, not in a log
	Errno  int  // what the program got, of a traced call and of what it printed; 0 if that is not known, and after SECCOMP_RET_TRAP
}
