// Package fix proposes changes of policy that allow what was refused, proves what each
// of them gives, and says how dangerous that is. A fix that cannot be proved is not
// returned, and that is no error. It changes no file, and does no I/O but what its
// Library and Compile do.
package fix

import (
	"github.com/whydenied/whydenied/explain/library"
	"github.com/whydenied/whydenied/rules"
	"github.com/whydenied/whydenied/rules/apparmor"
)

// A Proposer proposes fixes for the policies of a library. It keeps what it has
// proved, and serves one goroutine at a time.
type Proposer struct {
	Library *library.Library
	// Compile, if it is set, starts to compile the text of a policy file with
	// apparmor_parser, with the text of some included files in place of theirs, by
	// name. wait returns why it is refused, nil if it is not, and a *NotAsked where
	// that cannot be told.
	Compile func(name, text string, included map[string]string) (wait func() error)

	// Breadth is how wide rules for files are to be.
	Breadth Breadth

	proved      map[string]Remedies          // by profile and access
	narrowest   map[string]rules.Fix         // the same, of Narrowest
	provedCalls map[string][]rules.Fix       // by seccomp profile and call
	included    map[string]*apparmor.Profile // see edited
	userns      map[string]UsernsFix         // by program
}

// New returns a proposer.
func New(l *library.Library) *Proposer {
	return &Proposer{Library: l, proved: map[string]Remedies{}, narrowest: map[string]rules.Fix{}, provedCalls: map[string][]rules.Fix{}, included: map[string]*apparmor.Profile{}, userns: map[string]UsernsFix{}}
}

// A NotAsked is the error of a policy that apparmor_parser has not judged: Why
// says what kept it from that.
type NotAsked struct{ Why string }

func (e *NotAsked) Error() string { return "apparmor_parser was not asked: " + e.Why }
