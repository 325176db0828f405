package source

import "fmt"

// A Capability is a Linux capability by its number (linux/capability.h).
type Capability uint8

// The capabilities that reading denials live, and finding out whose they are,
// can need.
const (
	DACReadSearch Capability = 2  // read any file and directory
	NetAdmin      Capability = 12 // receive buffers beyond net.core.rmem_max, the process connector
	SysPtrace     Capability = 19 // see all of other users' processes in /proc
	AuditControl  Capability = 30 // read the state of auditing
	MACAdmin      Capability = 33 // change what AppArmor logs
	Syslog        Capability = 34 // read the ring buffer if kernel.dmesg_restrict is set
	AuditRead     Capability = 37 // read the audit netlink
	Perfmon       Capability = 38 // load tracing programs
	BPF           Capability = 39 // load BPF programs
)

// String returns the name as capabilities(7) has it.
func (c Capability) String() string {
	switch c {
	case DACReadSearch:
		return "CAP_DAC_READ_SEARCH"
	case NetAdmin:
		return "CAP_NET_ADMIN"
	case SysPtrace:
		return "CAP_SYS_PTRACE"
	case AuditControl:
		return "CAP_AUDIT_CONTROL"
	case MACAdmin:
		return "CAP_MAC_ADMIN"
	case Syslog:
		return "CAP_SYSLOG"
	case AuditRead:
		return "CAP_AUDIT_READ"
	case Perfmon:
		return "CAP_PERFMON"
	case BPF:
		return "CAP_BPF"
	}
	return fmt.Sprintf("capability %d", uint8(c))
}
