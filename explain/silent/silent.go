// Package silent asks policies about what left no record: what they refuse without
// one, and what a program tried and did not get.
package silent

import (
	"fmt"
	"slices"
	"strings"

	"github.com/whydenied/whydenied/explain"
	"github.com/whydenied/whydenied/explain/access"
	"github.com/whydenied/whydenied/explain/library"
	"github.com/whydenied/whydenied/parser"
	"github.com/whydenied/whydenied/rules"
	"github.com/whydenied/whydenied/rules/apparmor"
	"github.com/whydenied/whydenied/rules/seccomp"
)

// A Policy is one policy of a target and what it refuses without a record.
type Policy struct {
	Target Target
	Source string // where it was read; "" if that is not known
	Why    string // what it refuses without a record, a sentence; or why that is not known

	// Profile is the AppArmor profile; nil for a seccomp profile, and for a policy
	// that is not known.
	Profile   *apparmor.Profile
	IsSeccomp bool

	Refusals []Refusal // the likeliest first
}

// A Refusal is a rule by which something is refused without a record.
type Refusal struct {
	Place  explain.Place
	Likely bool // it fits how the program failed, or takes what another rule grants or every program needs
}

// Of returns what the policies of a target refuse without a record. status is
// the exit status of the program; 0 takes that of the inventory, if it has one.
func Of(l *library.Library, t Target, status int) []Policy {
	if status == 0 {
		status = t.Container.ExitCode
	}
	var list []Policy
	switch {
	case t.Profile != "":
		list = append(list, ofAppArmor(l, t, status))
	case t.Container.AppArmorProfile == "unconfined":
		list = append(list, Policy{Target: t, Why: "the container is unconfined: AppArmor refuses it nothing"})
	}
	return append(list, ofSeccomp(l, t, status))
}

func ofAppArmor(l *library.Library, t Target, status int) Policy {
	s := Policy{Target: t, Profile: l.Profile(t.Container, t.Profile)}
	if s.Profile == nil {
		s.Why = fmt.Sprintf("the source of profile %s was not found; give its file with --profile, or its directory with --profile-dir", t.Profile)
		return s
	}
	s.Source = l.Source(s.Profile)
	if s.Profile.HasFlag("audit") {
		s.Why = "the profile has the flag audit: the kernel logs all that it refuses"
		return s
	}
	telling := tellingRules(s.Profile)
	for _, r := range s.Profile.Rules {
		h := r.Head()
		if !h.Deny || h.Audit {
			continue
		}
		refusal := Refusal{Place: explain.Place{At: h.At, Via: h.Via, Note: telling[h.At]}}
		refusal.Likely = refusal.Place.Note != "" && fits(r, status)
		s.Refusals = append(s.Refusals, refusal)
	}
	slices.SortStableFunc(s.Refusals, func(a, b Refusal) int { return b.rank() - a.rank() })
	switch n := len(s.Refusals); n {
	case 0:
		// cap_capable() is asked before apparmor_capable(), and change_hat(2) tells
		// nobody that a profile has no hat: security/apparmor/domain.c, Linux 6.18.
		s.Why = "no deny rule is without audit; what leaves no record is a capability that the process does not hold, and a hat that the profile does not have"
	case 1:
		s.Why = "1 deny rule without audit: what it refuses leaves no record"
	default:
		s.Why = fmt.Sprintf("%d deny rules without audit: what they refuse leaves no record", n)
	}
	return s
}

// rank orders refusals: likely ones first, then those with a reason, of which
// what is taken from another rule is the best.
func (r Refusal) rank() int {
	rank := 0
	if r.Likely {
		rank += 4
	}
	if strings.HasPrefix(r.Place.Note, takesAway) {
		rank += 2
	}
	if r.Place.Note != "" {
		rank++
	}
	return rank
}

const takesAway = "takes away what line "

func count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

// called are programs that entrypoint scripts call.
var called = []string{"/usr/bin/sed", "/bin/sed", "/usr/bin/env", "/bin/busybox", "/bin/sh", "/usr/bin/dash"}

// tellingRules returns, by their places, the deny rules that stand out: those
// that take away what another rule grants, and those that deny what programs need
// before they can say anything.
func tellingRules(profile *apparmor.Profile) map[rules.Location]string {
	notes := map[rules.Location]string{}
	add := func(at rules.Location, note string) {
		if have := notes[at]; have != "" && !strings.Contains(have, note) {
			note = have + "; " + note
		}
		notes[at] = note
	}
	for _, d := range apparmor.Lint(profile.Policy) {
		switch d.Code {
		case "shadowed-rule":
			line, _ := d.At.File.Position(d.At.Span.Start)
			for _, deny := range d.Related {
				add(deny.At, fmt.Sprintf("%s%d grants: %s", takesAway, line, strings.Join(strings.Fields(d.At.Text()), " ")))
			}
		case "silent-deny":
			add(d.At, "denies what programs load before they start")
		}
	}
	for _, r := range profile.Rules {
		deny, ok := r.(*apparmor.FileRule)
		if !ok || !deny.Deny || deny.Path == nil || deny.Perms&apparmor.Exec == 0 {
			continue
		}
		if i := slices.IndexFunc(called, deny.Path.Match); i >= 0 {
			add(deny.At, "denies the programs that scripts call, such as "+called[i])
		}
	}
	return notes
}

// fits reports whether a refusal by a rule can end a program with an exit status:
// 126 and 127 are those of a shell and of docker run for a program that cannot be
// executed or found, 127 also that of the dynamic linker; above 128 they are 128
// and the number of a signal.
func fits(r apparmor.Rule, status int) bool {
	perms := endedBy(status)
	file, ok := r.(*apparmor.FileRule)
	return perms == 0 || ok && file.Perms&perms != 0
}

// endedBy returns the file permissions whose refusal ends a program with an exit
// status, or 0 if it can be any.
func endedBy(status int) apparmor.Perms {
	switch status {
	case 126:
		return apparmor.Exec | apparmor.Mmap
	case 127:
		return apparmor.Exec | apparmor.Read | apparmor.Mmap
	case 128 + 11: // SIGSEGV
		return apparmor.Read | apparmor.Mmap
	}
	return 0
}

func ofSeccomp(l *library.Library, t Target, status int) Policy {
	s := Policy{Target: t, IsSeccomp: true}
	arch := archOf(l, &parser.Attempt{})
	profile, name := l.Seccomp(t.Container, t.Profile, arch)
	switch {
	case profile != nil:
		s.Source = name
	case t.Container.SeccompProfile != "":
		s.Why = name
		return s
	default:
		s.Why = "which one is in force is not known, and the default of every runtime refuses with an errno, without a record; name it with --seccomp, or the container with --inventory"
		return s
	}
	call := l.Call(t.Container, arch)
	if profile.Logs(call.Engine) {
		s.Why = "the profile has SECCOMP_FILTER_FLAG_LOG: the kernel logs all that it refuses"
		return s
	}
	add := func(at rules.Location, o seccomp.Outcome, what string) {
		if !o.Action.Unlogged() || slices.ContainsFunc(s.Refusals, func(r Refusal) bool { return r.Place.At == at }) {
			return // a setting of a unit makes several entries
		}
		likely := status == 0 || status == 128+31 && o.Action == seccomp.Trap || status < 128 && o.Action != seccomp.Trap
		s.Refusals = append(s.Refusals, Refusal{
			Place:  explain.Place{At: at, Note: fmt.Sprintf("answers %s to %s", o, what)},
			Likely: likely,
		})
	}
	add(profile.DefaultAt, seccomp.Outcome{Action: profile.Default, Errno: profile.DefaultErrno}, "every call that no entry names")
	for _, e := range profile.Entries {
		if !profile.InForce(e, call) {
			continue
		}
		what := count(len(e.Names), "call")
		if len(e.Args) > 0 {
			what += " with certain arguments"
		}
		if len(e.Names) == 1 {
			what = e.Names[0].Text
		}
		add(e.ActionAt, seccomp.Outcome{Action: e.Action, Errno: e.Errno}, what)
	}
	s.Why = "runc and crun do not ask the kernel for records of an errno or a trap, so these answers leave none"
	switch profile.Form {
	case seccomp.LXC:
		s.Why = "LXC does not ask the kernel for records of an errno, so these answers leave none"
	case seccomp.Unit:
		s.Why = "systemd does not ask the kernel for records of an errno, so these answers leave none"
	}
	if len(s.Refusals) == 0 {
		s.Why = "the profile answers with nothing that leaves no record"
	}
	if status == 128+31 && !slices.ContainsFunc(s.Refusals, func(r Refusal) bool { return r.Likely }) {
		s.Why += "; a filter that kills is logged, unless auditing is off or the record was lost"
	}
	return s
}

// maxSuspects bounds the accesses that an exit status alone brings up.
const maxSuspects = 5

// Suspects returns what may have ended a program with an exit status: what is
// refused without a record of what the profile's own rules grant. explain.Group.AddClaim
// takes them. The container's first program is not among them, as AppArmor is not
// asked about it.
func Suspects(l *library.Library, t Target, status int) (list []parser.Denial) {
	profile := l.Profile(t.Container, t.Profile)
	if profile == nil || status == 0 {
		return nil
	}
	ask := func(w access.Words) {
		a := parser.Attempt{Origin: parser.Origin{Transport: parser.ExitStatus}, Text: fmt.Sprintf("exit status %d", status)}
		if d, quiet, _ := askProfile(&a, profile, t, w); quiet && len(list) < maxSuspects {
			list = append(list, d)
		}
	}
	for _, r := range profile.Rules {
		allow, ok := r.(*apparmor.FileRule)
		if !ok || allow.Deny || allow.Path == nil || len(allow.Via) > 0 {
			continue
		}
		name, literal := allow.Path.Literal()
		perms := allow.Perms
		if ended := endedBy(status); ended != 0 {
			perms &= ended
		}
		switch {
		case !literal || perms == 0:
		case perms&apparmor.Exec != 0:
			ask(access.FileWords("exec", name, "x"))
		default:
			ask(access.FileWords("open", name, perms.String()))
		}
	}
	return list
}
