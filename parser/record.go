// Package parser turns log text into denials: lines of any log shape into
// Records, the records of one moment into Events, and each AppArmor or seccomp
// record of an event into a typed Denial.
//
// It does no I/O, reads no clock and starts no goroutine. Logs are hostile
// input: any bytes give records, or an explicit count of what was not
// understood, never a panic. Field values are decoded but otherwise exactly
// what the kernel wrote; whoever prints them must escape them. Functions are safe for
// concurrent use, and what they return is the caller's.
package parser

import (
	"fmt"
	"strings"
	"time"
)

// A Type is the name of an audit record type as the audit system spells it:
// AVC, SECCOMP, USER_AVC, SYSCALL, PATH, ... (linux/audit.h and
// auparse's type table). A type without a name is its decimal number.
type Type string

// The types that carry denials, or say more of one.
const (
	AVC       Type = "AVC"               // 1400: AppArmor through the kernel's LSM audit
	USERAVC   Type = "USER_AVC"          // 1107: a user-space mediator such as dbus-daemon
	SECCOMP   Type = "SECCOMP"           // 1326
	SYSCALL   Type = "SYSCALL"           // 1300
	PATH      Type = "PATH"              // 1302
	CWD       Type = "CWD"               // 1307
	EXECVE    Type = "EXECVE"            // 1309
	PROCTITLE Type = "PROCTITLE"         // 1327
	ANOMABEND Type = "ANOM_ABEND"        // 1701: a signal ended a process
	CONTEXTS  Type = "MAC_TASK_CONTEXTS" // 1425: what subj=? stands for, since Linux 6.18

	// TRACE is of no log and no audit system: a system call that was seen by
	// tracing (source.Open).
	TRACE Type = "TRACE"
)

// A Transport is the way by which a record left the kernel. The same record can
// reach a host's logs through several of them.
type Transport uint8

// The transports.
const (
	AuditLog     Transport = iota // auditd's log, its dispatcher, ausearch; the audit netlink
	RingBuffer                    // dmesg, /dev/kmsg, syslog and journald lines of the kernel
	JournalAudit                  // journald's own audit socket: "audit[PID]: AVC ..."
	Unknown                       // a bare record
	StraceOutput                  // no record: what strace saw
	ErrorOutput                   // no record: what a program said
	ExitStatus                    // no record: what a policy says of a program that failed
)

// IsClaim reports whether the kernel did not log it.
func (t Transport) IsClaim() bool { return t >= StraceOutput }

// An Origin says where a record was read.
type Origin struct {
	File      string // as named by the user; "-" for standard input
	Line      int    // 1-based; 0 for an event's companion records
	Transport Transport
	// UserSpace is set when the log itself says that a process and not the
	// kernel wrote the line: a /dev/kmsg facility other than kern, a syslog tag
	// other than kernel or audit. Such a line is a look-alike unless its type is
	// a user-space type (USER_AVC).
	UserSpace bool
	// UnknownPrefix is set when the text before the record is of no known log format,
	// or of one that the record does not come in, so that nothing says who wrote it.
	UnknownPrefix bool
}

// A Record is one audit record of one log line.
type Record struct {
	Origin Origin
	Node   string    // the host, from node= or the syslog header; "" if not said
	Type   Type      // AVC, SECCOMP, ...
	Time   time.Time // zero if the shape carries none; UTC
	Serial uint32    // the event's serial; 0 if the shape carries none
	Text   string    // the body after the header, as found
	Fields []Field   // in the order found; nil for companions, whose Text Lookup reads

	interpreted bool // Text is ausearch -i's, not the kernel's
	yearless    bool // see Yearless
}

// A Field is one key=value pair of a record.
type Field struct {
	Key   string // as spelled in the record
	Value string // decoded: without quotes, hex of untrusted strings undone
	// Start and End are the byte offsets of the raw value in Record.Text.
	Start, End int
}

// IsLookAlike reports whether the log says that a process wrote the record, of which
// only the kernel writes such; see Origin.UserSpace.
func (r *Record) IsLookAlike() bool { return r.Origin.UserSpace && r.Type != USERAVC }

// Yearless reports whether the log has no year, so that the one of Time is a guess: the
// latest before Block.Reference.
func (r *Record) Yearless() bool { return r.yearless }

// Get returns the decoded value of the first field of that key, or "".
func (r *Record) Get(key string) string {
	v, _ := r.Lookup(key)
	return v
}

// Lookup returns the decoded value of the first field of that key, and whether
// there is one.
func (r *Record) Lookup(key string) (string, bool) {
	fields := r.Fields
	if fields == nil {
		fields, _ = r.scan()
	}
	for i := range fields {
		if fields[i].Key == key {
			return fields[i].Value, true
		}
	}
	return "", false
}

// raw returns the value of a key as it is spelled, but for its quotes; "" if there is
// none, or no text that the fields are of.
func (r *Record) raw(key string) string {
	for _, f := range r.Fields {
		if f.Key == key && f.End > f.Start {
			return strings.Trim(r.Text[f.Start:f.End], `"`)
		}
	}
	return ""
}

// scan reads the fields of r.Text. It is false if the text ends too soon.
func (r *Record) scan() ([]Field, bool) {
	if r.interpreted {
		return scanInterpreted(r.Text), true
	}
	return scanFields(r.Text, r.Type)
}

// An Event is what the kernel logged at one moment under one serial: at least
// one record that may be a denial, and the SYSCALL, PATH, PROCTITLE, ... records
// found near it in the same log.
type Event struct{ Records []Record }

// Record returns the event's first record of a type, or nil.
func (e *Event) Record(t Type) *Record {
	for i := range e.Records {
		if e.Records[i].Type == t {
			return &e.Records[i]
		}
	}
	return nil
}

// AppendLine appends the record as one line of auditd's log, whatever shape it
// was read from; a look-alike of user space becomes a line that says so. Scan
// reads the same record from it, with another Origin. Line ends in it become
// spaces, as such a line could else forge records. It is not for what ausearch -i
// printed.
func (r *Record) AppendLine(dst []byte) []byte {
	seconds, fraction := int64(0), 0
	if !r.Time.IsZero() {
		seconds, fraction = r.Time.Unix(), r.Time.Nanosecond()
	}
	digits := 3
	if fraction%1e6 != 0 {
		digits = 9
	}
	msg := "msg="
	if r.Origin.UserSpace {
		dst, msg = append(dst, "12,0,0,-;audit: "...), "" // facility 1, user, of /dev/kmsg
	}
	if r.Origin.UnknownPrefix {
		dst = append(dst, "? "...)
	}
	if r.Node != "" {
		dst = append(append(append(dst, "node="...), r.Node...), ' ')
	}
	dst = fmt.Appendf(dst, "type=%s %saudit(%d.%s:%d): ", r.Type, msg, seconds, fmt.Sprintf("%09d", fraction)[:digits], r.Serial)
	start := len(dst)
	dst = append(dst, r.Text...)
	for i := start; i < len(dst); i++ {
		if dst[i] == '\n' || dst[i] == '\r' {
			dst[i] = ' '
		}
	}
	return append(dst, '\n')
}
