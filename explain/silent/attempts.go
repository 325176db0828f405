package silent

import (
	"strings"

	"github.com/whydenied/whydenied/explain"
	"github.com/whydenied/whydenied/explain/library"
	"github.com/whydenied/whydenied/parser"
)

// Attempts asks the policies of a target about what a program tried and did not
// get. What they refuse becomes claims of a group. It serves one goroutine at a
// time, and its memory is bounded.
type Attempts struct {
	Unexplained []Unexplained // what neither policy refuses, at most 500

	library *library.Library
	target  Target
	group   *explain.Group
	claims  int               // distinct ones
	judged  map[string]answer // by what was tried, as a program can try it often
}

// An Unexplained is what failed for another reason than a policy.
type Unexplained struct {
	parser.Attempt
	Count int
	Why   string // what else it can be
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
	key := strings.Join(append([]string{a.Comm, a.Cwd, a.Arch, a.Syscall, a.Path, a.Errno}, a.Args...), "\x00")
	if a.Syscall == "" && a.Path == "" {
		key = a.Text
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

// judge answers something for the first time.
func (s *Attempts) judge(a parser.Attempt) answer {
	d, refused := Judge(s.library, a, s.target)
	if refused || isHarmless(&a) || len(s.Unexplained) == maxUnexplained {
		return answer{d, refused, -1}
	}
	s.Unexplained = append(s.Unexplained, Unexplained{Attempt: a, Why: otherReasons(&a)})
	return answer{unexplained: len(s.Unexplained) - 1}
}

// AddSuspects adds to a group what may have ended the program of a target with an
// exit status; see Suspects.
func AddSuspects(l *library.Library, t Target, status int, group *explain.Group) {
	for _, d := range Suspects(l, t, status) {
		group.AddClaim(d, t.Container)
	}
}

// AddKnownSuspects is AddSuspects for the exit statuses that the inventory has of
// containers, if the logs have nothing.
func AddKnownSuspects(l *library.Library, targets []Target, group *explain.Group) {
	if len(group.Findings()) > 0 {
		return
	}
	for _, t := range targets {
		if t.Container.ExitCode == 126 || t.Container.ExitCode == 127 { // others are the program's own
			AddSuspects(l, t, t.Container.ExitCode, group)
		}
	}
}
