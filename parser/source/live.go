package source

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// A Start says where in a log to begin. The zero Start is now: only what comes
// from here on.
type Start struct {
	Since time.Time // with the first denial of this time or later, and all behind it, as a clock may be set back; zero for none of the past
	Last  int       // with this many of the newest lines; not with Since
	OrNow bool      // where no source that can be opened has Since, begin now; Passed says so
}

// traceName is the name of the source that traces system calls.
const traceName = "trace"

func (s Start) past() bool { return s.Last > 0 || !s.Since.IsZero() }

// A Live is an opened source of records as they come, which Follow reads. All
// that needs privilege was done when it was opened, but for Needs.
type Live struct {
	Name   string       // audit, audit-unicast, kmsg, journal, or the file's name
	Taken  string       // which it is, for people
	Passed []string     // why better ones were passed over, one sentence each
	Needs  []Capability // what the source needs later on, if it needs it now; see DropCapabilities

	from   Start
	stream stream
	// hold is how long a line waits for the rest of its event. The kernel writes
	// the records of an event within microseconds, but those of events on other
	// CPUs come between them, so that neither the next serial nor an EOE record
	// tells that an event is whole.
	hold     time.Duration
	patience time.Duration // the same, while little waits, if it is longer
	together time.Duration // lines that come within this are as old as the first of them
}

// longPatience is how long a line waits for the rest of its event where nothing is wanted at once, as
// long as fewer bytes wait than patientBytes, which are no crowd.
const (
	longPatience = 500 * time.Millisecond
	patientBytes = minCrowd / 2
)

// Patient has lines wait longer for the rest of their events, before the source is followed: on
// a busy host a process may be interrupted between the record of a refusal and that of its
// call, which tells how a file was opened.
func (l *Live) Patient() { l.patience = longPatience }

// unhurried is how long what came may wait where nobody looks at it at once.
const unhurried = lookQuiet + lookQuiet/4

// Unhurried has what comes be read and yielded some ten times a second, before the source is
// followed: to wake up for each record takes several times what is then done with it. It is for
// who counts, and knows processes that have ended meanwhile.
func (l *Live) Unhurried() {
	l.patience, l.together = max(l.patience, unhurried), unhurried/5
	if s, ok := l.stream.(interface{ unhurry() }); ok {
		s.unhurry()
	}
}

// Close closes a Live that is not followed.
func (l *Live) Close() { l.stream.close() }

// A stream is what each kind of source is to Follow.
type stream interface {
	// run gives what comes to in, until ctx ends or the source does. The error
	// says why the source ended, and is nil if ctx did.
	run(ctx context.Context, in *intake) error
	close()
}

// Open opens a source of live records by the name that --source has: "audit" is
// the audit netlink, beside auditd or without; "audit-unicast" is the same with
// this process as the audit daemon, in auditd's place; "kmsg" the kernel's ring
// buffer, "journal" the journal, "trace" what seccomp filters answer to system
// calls, logged or not, and anything else a file to be followed, which need not
// exist yet. The empty name chooses the best that can be opened: the audit netlink,
// else auditd's log if auditd runs, else the journal, else the ring buffer. The
// error says what is missing, by the name of the capability if it is privilege.
func Open(name string, from Start) (*Live, error) {
	if from.Last < 0 || from.Last > 0 && !from.Since.IsZero() {
		return nil, errors.New("begin either at a time or with the last lines")
	}
	l, err := open(name, from)
	if !from.OrNow || from.Since.IsZero() || !errors.Is(err, errNoPast) {
		return l, err
	}
	if l, err = open(name, Start{}); err != nil {
		return nil, err
	}
	l.Passed = append(l.Passed, "the "+l.Name+" source has no past: what came while nobody read it is not known")
	return l, nil
}

var errNoPast = errors.New("audit netlink: it has no past; begin now, or follow audit.log or the journal")

func open(name string, from Start) (*Live, error) {
	switch name {
	case "":
		return choose(from)
	case "audit":
		return openAudit(from)
	case "audit-unicast":
		return openUnicast(from)
	case "kmsg", kmsgPath:
		return openRing(from)
	case "journal":
		return openJournal(from)
	case traceName:
		return openTrace(from)
	}
	return openFile(name, from)
}

// choose opens the best source there is.
func choose(from Start) (*Live, error) {
	if runtime.GOOS != "linux" {
		return nil, errors.New("AppArmor and seccomp are parts of Linux, and this is " + runtime.GOOS + ": name a log that is copied here, such as by --source FILE")
	}
	return firstOf(from, openAudit, openAuditLog, openJournal, openRing)
}

// errNoLive comes after the reasons of all sources.
var errNoLive = errors.New("no source of live records can be read: see above, or name a log that is written to with --source FILE")

// firstOf opens the first source that can be opened.
func firstOf(from Start, open ...func(Start) (*Live, error)) (*Live, error) {
	var passed []string
	var all []error
	for _, try := range open {
		l, err := try(from)
		if err == nil {
			l.Passed = passed
			return l, nil
		}
		passed, all = append(passed, err.Error()), append(all, err)
	}
	return nil, errors.Join(append(all, errNoLive)...)
}

// openAuditLog opens auditd's log if auditd runs.
func openAuditLog(from Start) (*Live, error) {
	pid := auditd()
	if pid == 0 {
		return nil, fmt.Errorf("%s: auditd does not run", AuditLog)
	}
	if _, err := os.Stat(AuditLog); err != nil {
		return nil, fmt.Errorf("%s: %w", AuditLog, explain(err))
	}
	l, err := openFile(AuditLog, from)
	if err == nil {
		l.Taken = fmt.Sprintf("%s, which auditd (process %d) writes", AuditLog, pid)
	}
	return l, err
}

// auditdPID is where auditd says that it runs (auditd(8)). A process in a
// container can take auditd's name, but not write here.
var auditdPID = "/run/auditd.pid"

// auditd returns the process ID of the audit daemon, 0 if it does not run.
func auditd() int {
	text, err := os.ReadFile(auditdPID)
	if err != nil {
		return 0
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || pid <= 0 {
		return 0
	}
	comm, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "comm"))
	if err != nil || string(comm) != "auditd\n" {
		return 0
	}
	return pid
}

// watchAuditd says when auditd is started, which ran under some process ID or 0
// when the source was opened: the kernel then no longer prints
// records to its ring buffer (kauditd_hold_skb of kernel/audit.c), and the
// journal has only what journald reads of the audit netlink itself.
func watchAuditd(ctx context.Context, in *intake, ran int) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		pid := auditd()
		if pid != 0 && ran == 0 {
			in.notice(Notice{Kind: Lost, Text: fmt.Sprintf("auditd (process %d) was started, and the kernel sends it what it printed to the ring buffer before: "+
				"records are missing here from now on; follow %s instead", pid, AuditLog)})
		}
		ran = pid
	}
}
