package explain

import (
	"time"

	"github.com/whydenied/whydenied/explain/container"
	"github.com/whydenied/whydenied/parser"
	"github.com/whydenied/whydenied/rules/seccomp"
)

// A Session takes what logs give, saved or live: it drops what was logged twice,
// finds the container of each denial, folds denials into findings and counts the
// rest. It serves one goroutine at a time, and its memory is bounded.
type Session struct {
	*Group
	Stats      parser.Stats
	Duplicates int            // denials that were seen before in another log, or in another shape
	Answered   int            // suspicions of a filter whose answer has a record
	TooLong    int            // lines that were skipped for their length
	Torn       int            // inputs whose last line has no end
	Falls      map[string]int // system calls by which programs turned to others; see fallsBack

	seen *parser.Dedup
	sent sigsys
}

// NewSession returns an empty session. find says which container a process belongs
// to, and may be nil.
func NewSession(find func(container.Subject) container.Container, filter Filter) *Session {
	return &Session{Group: NewGroup(find, filter), Falls: map[string]int{}, seen: parser.NewDedup(), sent: sigsys{}}
}

// Count adds up what a part of a log holds besides denials, and how many lines of it
// were skipped for their length.
func (s *Session) Count(stats parser.Stats, tooLong int) {
	s.Stats.Add(stats)
	s.TooLong += tooLong
	if stats.TornLast {
		s.Torn++
	}
}

// Add folds one denial as Group.Add does, unless it is a duplicate, or no failure:
// then the finding is nil. A duplicate that says its year corrects one that was guessed.
func (s *Session) Add(d parser.Denial) (f *Finding, isNew bool) {
	s.learn(&d)
	if s.seen.Duplicate(&d) {
		s.Duplicates++
		s.date(&d)
		return nil, false
	}
	if s.sent.explains(&d) {
		s.Answered++
		return nil, false
	}
	if name, ok := fallsBack(&d); ok {
		s.Falls[name]++
		return nil, false
	}
	return s.Group.Add(d)
}

// End gives up what tells duplicates and repeats, some 10 MB of a long log: nothing is to be
// added any more.
func (s *Session) End() { s.seen, s.sent, s.forms = nil, nil, nil }

// A sigsys is when filters answered processes with SIGSYS by their records, by process ID.
type sigsys map[int]time.Time

// maxSent bounds the processes that are remembered.
const maxSent = 4096

// explains notes the answer of a filter, and reports whether a suspicion is of a
// process whose answer is known: the kernel logs it first, and the end of the process
// within moments.
func (s sigsys) explains(d *parser.Denial) bool {
	if d.Seccomp == nil || d.Event.Records[d.Record].IsLookAlike() {
		return false
	}
	if d.Seccomp.Suspected {
		at, known := s[d.Subject.PID]
		return known && d.Time.Sub(at).Abs() <= 2*time.Second
	}
	if answers(d.Seccomp) {
		s.note(d.Subject.PID, d.Time)
	}
	return false
}

// note notes the answer that a process got.
func (s sigsys) note(pid int, at time.Time) {
	if len(s) >= maxSent {
		clear(s)
	}
	s[pid] = at
}

// fallsBack reports whether a traced call had the answer by which programs go on
// with an older one, as profiles mean them to: nothing fails by that, and nothing
// is to be granted. Each thread that glibc starts under Docker's default profile is
// one.
func fallsBack(d *parser.Denial) (name string, ok bool) {
	if d.Seccomp == nil || !d.Seccomp.Traced || seccomp.ErrnoName(d.Seccomp.Errno) != "ENOSYS" {
		return "", false
	}
	name, _ = seccomp.SyscallName(seccomp.Arch(d.Seccomp.Arch), d.Seccomp.Syscall)
	_, _, ok = seccomp.Fallback(name)
	return name, ok
}
