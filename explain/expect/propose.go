package expect

import (
	"cmp"
	"errors"
	"fmt"
	"strings"

	"github.com/whydenied/whydenied/explain/access"
	"github.com/whydenied/whydenied/parser"
	"github.com/whydenied/whydenied/rules/apparmor"
	"github.com/whydenied/whydenied/rules/seccomp"
)

// A Proposal is an expectation of what policy answers to what was recorded. It holds.
type Proposal struct {
	Expectation
	// Beside says that the kernel granted it beside what the record says was refused.
	Beside bool
}

// Propose returns what a profile answers to the access of a record: to what was refused of
// it, or to all of it, and to what was granted beside that. The error says why there is no
// expectation of it.
func Propose(d *parser.Denial, p *apparmor.Profile) (list []Proposal, err error) {
	req, err := access.Request(d)
	if err != nil {
		return nil, err
	}
	requests := []apparmor.Request{req}
	if beside, ok := grantedBeside(d, req); ok {
		requests = append(requests, beside)
	}
	for i, req := range requests {
		text, owner, err := access.Written(req)
		if err != nil {
			return nil, err
		}
		prefix := ""
		if owner {
			prefix = "owner "
		}
		var candidates []Expectation
		if to := leadsFrom(req, p); to != "" {
			candidates = append(candidates, Expectation{Verb: Exec, Access: prefix + strings.TrimPrefix(text, "exec ") + " -> " + to})
		}
		for _, verb := range answers {
			candidates = append(candidates, Expectation{Verb: verb, Access: prefix + text})
		}
		e, err := firstThatHolds(candidates, p.FullName(), func(e Expectation) (Result, error) { return Check(e, p) })
		if err != nil {
			return nil, err
		}
		list = append(list, Proposal{e, i > 0})
	}
	return list, nil
}

// answers are the verbs of what policy answers to an access, the most telling first.
var answers = []Verb{Allow, Silent, Logged, Deny}

// firstThatHolds returns the first of some expectations that holds and can be read again.
func firstThatHolds(candidates []Expectation, profile string, check func(Expectation) (Result, error)) (Expectation, error) {
	why := ""
	for _, e := range candidates {
		e.Line, e.Profile, e.Text = 2, profile, string(e.Verb)+" "+e.Access
		r, err := check(e)
		if err != nil {
			return e, err
		}
		if r.Holds {
			return e, standsOnLine(e)
		}
		why = r.Why
	}
	return Expectation{}, errors.New(why)
}

// standsOnLine reports why an expectation is not what its own line says: names may hold line
// ends.
func standsOnLine(e Expectation) error {
	f, err := Parse("", "profile "+cmp.Or(e.Profile, "*")+"\n"+e.Text)
	if err != nil || len(f.Expectations) != 1 || f.Expectations[0] != e {
		return errors.New("its names cannot be written on a line")
	}
	return nil
}

// grantedBeside returns what was asked for together with what was refused, and granted.
func grantedBeside(d *parser.Denial, refused apparmor.Request) (apparmor.Request, bool) {
	file, ok := refused.(apparmor.FileRequest)
	if !ok || file.Target != "" || d.AppArmor.Denied == "" || d.AppArmor.Requested == "" {
		return nil, false
	}
	whole, asked := *d, *d.AppArmor
	asked.Denied = ""
	whole.AppArmor = &asked
	req, err := access.Request(&whole)
	all, ok := req.(apparmor.FileRequest)
	if err != nil || !ok || all.Perms&^file.Perms == 0 {
		return nil, false
	}
	file.Perms = all.Perms &^ file.Perms
	return file, true
}

// leadsFrom returns the profile that a program runs under, "" if that is not told or
// nothing is executed.
func leadsFrom(req apparmor.Request, p *apparmor.Profile) string {
	if file, ok := req.(apparmor.FileRequest); !ok || file.Perms != apparmor.Exec {
		return ""
	}
	if d := p.Decide(req); d.Exec != nil && !d.Exec.Missing {
		return d.Exec.Profile
	}
	return ""
}

// ProposeCall is Propose for the system call of a record and a seccomp profile. What is not
// said of a call is as in known, as for CheckCall.
func ProposeCall(s *parser.Seccomp, p *seccomp.Profile, known seccomp.Call) (Proposal, error) {
	if s.Suspected {
		return Proposal{}, errors.New("no record has the call")
	}
	name := s.SyscallName
	if name == "" {
		name, _ = seccomp.SyscallName(seccomp.Arch(s.Arch), s.Syscall)
	}
	text := "syscall " + cmp.Or(name, fmt.Sprint(s.Syscall))
	for _, arg := range s.Args {
		text += fmt.Sprintf(" %#x", arg)
	}
	call := seccomp.Call{Arch: seccomp.Arch(s.Arch), Syscall: s.Syscall}
	if arch := call.ArchName(); arch != known.Arch.String() {
		text += " arch=" + arch
	}
	var candidates []Expectation
	for _, verb := range answers {
		candidates = append(candidates, Expectation{Verb: verb, Access: text})
	}
	e, err := firstThatHolds(candidates, "", func(e Expectation) (Result, error) { return CheckCall(e, p, known) })
	return Proposal{Expectation: e}, err
}
