package silent

import (
	"fmt"
	"regexp"
	"strings"
	"sync"

	"github.com/whydenied/whydenied/explain"
	"github.com/whydenied/whydenied/explain/access"
	"github.com/whydenied/whydenied/explain/layer"
	"github.com/whydenied/whydenied/explain/library"
	"github.com/whydenied/whydenied/explain/message"
	"github.com/whydenied/whydenied/parser"
)

// Attempts asks the policies of a target about what a program tried and did not
// get. What they refuse becomes claims of a group. It serves one goroutine at a
// time, and its memory is bounded.
type Attempts struct {
	Unexplained []Unexplained // what neither policy refuses, at most 500
	// Logged says that the group has the log of what was tried: what AppArmor refuses but by
	// a deny rule is in it, or was not refused by AppArmor.
	Logged bool

	library *library.Library
	target  Target
	group   *explain.Group
	claims  int               // distinct ones
	judged  map[string]answer // by what was tried, as a program can try it often

	logged   []logged           // records of modules, once they are asked; nil before
	recorded map[recordKey]bool // what the log has, once it is asked
	beyond   bool               // it has more than the group tells apart
}

// An Unexplained is what failed for another reason than a policy.
type Unexplained struct {
	parser.Attempt
	Count   int
	Suspect string // the calls that the text can be of, for a sentence; "" if it shows the call, or is of none
	Why     string // what it can be, for the policies that are known
	Verdict layer.Verdict
	Next    string // what the next layer answers, once that of the verdict does not refuse it; "" if that is not known
}

// An answer is the record of what was refused, or the index of what was not, -1 if
// that is not kept.
type answer struct {
	denial      parser.Denial
	refused     bool
	unexplained int
}

// maxJudged bounds the distinct attempts that are remembered, maxClaims and
// maxUnexplained those among them that are kept for the answer.
const (
	maxJudged      = 20000
	maxClaims      = 500
	maxUnexplained = 500
)

// NewAttempts returns what judges attempts by the policies of a target, and adds
// claims to a group.
func NewAttempts(l *library.Library, t Target, group *explain.Group) *Attempts {
	return &Attempts{library: l, target: t, group: group, judged: map[string]answer{}}
}

// Add judges something that failed.
func (s *Attempts) Add(a parser.Attempt) {
	key := strings.Join(append([]string{a.Comm, a.Cwd, a.Arch, a.Syscall, a.Path, a.Errno, a.Hint}, a.Args...), "\x00")
	if a.Syscall == "" && a.Path == "" {
		key = varying().ReplaceAllString(a.Text, "#")
	}
	to, seen := s.judged[key]
	if !seen {
		to = s.judge(a)
		if len(s.judged) < maxJudged {
			s.judged[key] = to
		}
	}
	switch {
	case to.refused && s.claims == maxClaims && !seen:
		s.group.Beyond++
	case to.refused:
		if _, isNew := s.group.AddClaim(to.denial, s.target.Container); isNew {
			s.claims++
		}
	case to.unexplained >= 0:
		s.Unexplained[to.unexplained].Count++
	}
}

// varying is what differs between repeats of one message: times, dates, IDs of pods and containers, the heads of
// klog's lines.
var varying = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`\b\d{4}-\d\d-\d\d[T ]?|\b[A-Z][a-z]{2} [ \d]\d |\b\d\d:\d\d:\d\d(?:[.,]\d+)?|\b[IWEF]\d{4}\b|\b[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b|\b[0-9a-f]{12,64}\b|\[\d+\]`)
})

// AddNoRefusal adds what no layer refused, by the hint that it has.
func (s *Attempts) AddNoRefusal(a parser.Attempt) {
	a.Layer = string(layer.None)
	s.Add(a)
}

// judge answers something for the first time.
func (s *Attempts) judge(a parser.Attempt) answer {
	d, refused := Judge(s.library, a, s.target)
	unlogged := refused && s.Logged && s.isUnlogged(&d)
	refused = refused && !unlogged
	if refused || isHarmless(&a) || len(s.Unexplained) == maxUnexplained {
		return answer{d, refused, -1}
	}
	twin := byTwin(s.library, &a, s.target)
	u := Unexplained{Attempt: a, Suspect: suspect(&a), Why: otherReasons(&a), Verdict: s.verdictOf(&a, unlogged, twin)}
	u.Why = u.orBeyond()
	if unlogged {
		u.Why = "not AppArmor: no rule of " + s.target.Profile + " allows it, but what that refuses is logged, and the log has no record of it; else " + u.Why
	}
	if profile, _ := s.library.Seccomp(s.target.Container, s.target.Profile, archOf(s.library, &a)); profile == nil && !a.Outside && !a.Host {
		if by := byDefault(&a, archOf(s.library, &a)); by != "" {
			u.Why = by + "; else " + u.Why
		}
	}
	if twin != "" && !unlogged {
		u.Why = twin + "; else " + u.Why
	}
	if s.mayBeUnknownProfile(&a) {
		u.Why = orProfile(&a, u.Why)
	}
	u.Next = next(s.library, &a, s.target, u.Verdict)
	s.Unexplained = append(s.Unexplained, u)
	return answer{unexplained: len(s.Unexplained) - 1}
}

// mayBeUnknownProfile reports whether an AppArmor profile can have refused it, of which nothing is known.
func (s *Attempts) mayBeUnknownProfile(a *parser.Attempt) bool {
	return a.Errno == "EACCES" && a.Hint == "" && !a.First && s.target.Profile != "unconfined" && s.target.Container.AppArmorProfile != "unconfined" &&
		s.library.Profile(s.target.Container, s.target.Profile) == nil
}

// isUnlogged reports whether AppArmor would have logged that it refuses something, and the
// log has no record of it.
func (s *Attempts) isUnlogged(d *parser.Denial) bool {
	profile := s.library.Profile(s.target.Container, s.target.Profile)
	if d.AppArmor == nil || profile == nil {
		return false
	}
	req, err := access.Request(d)
	if err != nil || profile.Decide(req).Quiet {
		return false
	}
	if s.recorded == nil {
		s.recorded = map[recordKey]bool{}
		for _, f := range s.group.Findings() {
			s.beyond = s.beyond || f.Further != nil // names that are not told apart
			if a := f.Denial.AppArmor; a != nil && !f.IsClaim() {
				s.recorded[recordKey{a.Name, a.CapName, a.Family}] = true
			}
		}
	}
	return !s.beyond && !s.recorded[recordKey{d.AppArmor.Name, d.AppArmor.CapName, d.AppArmor.Family}]
}

// A recordKey tells what a record is about.
type recordKey struct{ name, capability, family string }

// AddSuspects adds to a group what may have ended the program of a target with an
// exit status; see Suspects.
func AddSuspects(l *library.Library, t Target, status int, group *explain.Group) {
	for _, d := range Suspects(l, t, status) {
		group.AddClaim(d, t.Container)
	}
}

// AddKnown adds what the inventory itself has of how containers failed, if the logs have
// nothing: exit statuses, and what engines say of their last start or end. It returns
// what no policy explains.
func AddKnown(l *library.Library, targets []Target, group *explain.Group) (rest []Unexplained) {
	if len(group.Findings()) > 0 {
		return nil
	}
	for _, t := range targets {
		attempts := NewAttempts(l, t, group)
		attempts.AddState()
		if status := t.Container.ExitCode; status == 126 || status == 127 { // others are the program's own
			AddSuspects(l, t, status, group)
		}
		rest = append(rest, attempts.Unexplained...)
		if len(rest) >= maxUnexplained {
			break
		}
	}
	return rest
}

// AddState judges what the inventory says of the target's last end.
func (s *Attempts) AddState() {
	c := &s.target.Container
	o := parser.Origin{File: s.target.Name()}
	for line := range strings.Lines(c.Error) {
		if a, ok := message.Read(o, line, archOf(s.library, &parser.Attempt{})); ok {
			s.Add(a)
		}
	}
	s.AddStatus(o, c.ExitCode, c.OOMKilled)
}

// AddStatus judges an exit status that is 128 and the number of a signal which a filter,
// or the lack of memory, can have sent.
func (s *Attempts) AddStatus(o parser.Origin, status int, outOfMemory bool) {
	o.Transport = parser.ExitStatus
	a := parser.Attempt{Origin: o, Text: fmt.Sprintf("exit status %d", status)}
	switch {
	case status == 128+31:
		a, _ = message.Read(o, a.Text, archOf(s.library, &a))
		a.Origin.Transport = parser.ExitStatus
	case outOfMemory:
		a.Text += ", OOMKilled"
		a.Layer = string(layer.None)
		a.Hint = "the kernel ended the program for want of memory (the memory limit of the container, or the host): no policy refused anything"
	case status == 128+9:
		a.Hint = "SIGKILL ended the program: docker kill or stop, a failed liveness probe, or want of memory (OOMKilled, `dmesg`); of filters those that kill send SIGSYS, which is status 159"
	default:
		return
	}
	s.Add(a)
}
