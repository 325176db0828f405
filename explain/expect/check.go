package expect

import (
	"fmt"
	"strings"

	"github.com/whydenied/whydenied/explain/access"
	"github.com/whydenied/whydenied/rules"
	"github.com/whydenied/whydenied/rules/apparmor"
	"github.com/whydenied/whydenied/rules/seccomp"
)

// A Result is what became of an expectation under one profile.
type Result struct {
	Expectation
	Under string // the profile's name; of seccomp the file's
	Holds bool
	Open  bool             // it does not hold, as the answer depends on what is not known
	Why   string           // if it does not hold: what the profile does instead, as a clause
	Rules []rules.Location // that decide it
}

// Check holds an expectation against an AppArmor profile. The error says what is wrong with
// the expectation.
func Check(e Expectation, p *apparmor.Profile) (Result, error) {
	r := Result{Expectation: e, Under: p.FullName()}
	if e.Verb == Never {
		return never(r, p)
	}
	text, owner := strings.CutPrefix(e.Access, "owner ")
	if e.Verb == Exec {
		text = "exec " + text
	}
	path, target, leads := strings.Cut(text, " -> ")
	if e.Verb == Exec {
		if !leads {
			return r, fmt.Errorf("write exec PATH -> PROFILE")
		}
		text = path
	}
	d, err := access.Parse(text, owner)
	if err != nil {
		return r, err
	}
	v := access.Decide(d, func(string) *apparmor.Profile { return p })
	if v.Err != nil {
		return r, v.Err
	}
	for _, rule := range append(v.Decision.Deny, v.Decision.Allow...) {
		r.Rules = append(r.Rules, rule.Location())
	}
	if e.Verb == Exec {
		return leadsTo(r, v.Decision, target), nil
	}
	missing := v.Decision.Refused | v.Decision.Unmatched
	r.settle(missing == 0, v.Decision.Quiet, v.Decision.Logged() == missing)
	return r, nil
}

// settle says whether an access that is granted or not, and logged or not, is as expected.
func (r *Result) settle(granted, quiet, logged bool) {
	switch r.Verb {
	case Allow:
		r.Holds, r.Why = granted, "it is refused"
	case Deny:
		r.Holds, r.Why = !granted, "it is granted"
	case Silent:
		r.Holds, r.Why = !granted && quiet, "it is granted"
		if !granted {
			r.Why = "it is refused, and logged"
		}
	case Logged:
		r.Holds, r.Why = !granted && logged, "it is granted"
		if !granted {
			r.Why = "it is refused, and not all of it is logged"
		}
	}
	if r.Holds {
		r.Why = ""
	}
}

func leadsTo(r Result, d apparmor.Decision, target string) Result {
	switch {
	case d.Refused|d.Unmatched != 0 || d.Exec == nil:
		r.Why = "it is refused"
	case d.Exec.Missing:
		r.Why = "the profile " + d.Exec.Profile + " that it leads to is not among the policies"
	case d.Exec.Profile == target:
		r.Holds = true
	case d.Exec.Profile == "":
		r.Why = "where " + d.Exec.Transition.String() + " leads is not told by this policy"
	default:
		r.Why = "it leads to " + d.Exec.Profile
	}
	return r
}

// never compares all that a rule names with what the profile grants.
func never(r Result, p *apparmor.Profile) (Result, error) {
	gains, complete, err := p.Within(r.Access)
	if err != nil {
		return r, err
	}
	switch {
	case len(gains) > 0:
		r.Why = "it is granted, such as " + strings.TrimSuffix(apparmor.RuleFor(gains[0].Example, apparmor.Transition{}), ",")
		if gains[0].Rule != nil {
			for _, rule := range p.Decide(gains[0].Example).Allow {
				r.Rules = append(r.Rules, rule.Location())
			}
		}
	case p.HasFlag("unconfined"):
		r.Why = "the profile is unconfined, and grants everything"
	case !complete:
		r.Why = "the profile is too wide to be compared with that in full"
	default:
		r.Holds = true
	}
	return r, nil
}

// CheckCall holds an expectation against a seccomp profile: "syscall NAME [ARG...]
// [caps=CAP,...] [arch=ARCH] [kernel=VERSION]". What the text does not say is as in known. A
// call whose answer depends on what is not known holds for nothing.
func CheckCall(e Expectation, p *seccomp.Profile, known seccomp.Call) (Result, error) {
	r := Result{Expectation: e, Under: p.File.Name}
	words := strings.Fields(e.Access)
	if len(words) < 2 || words[0] != "syscall" || e.Verb == Exec || e.Verb == Never {
		return r, fmt.Errorf("of a seccomp profile write allow, deny, silent or logged, and syscall NAME [ARG...] [caps=CAP,...] [arch=ARCH] [kernel=VERSION]")
	}
	var args []string
	for _, w := range words[2:] {
		key, value, ok := strings.Cut(w, "=")
		switch {
		case !ok:
			args = append(args, w)
		case key == "caps":
			known.Caps = access.Caps(strings.Split(value, ","))
		case key == "kernel":
			known.Kernel = value
		case key == "arch":
			if err := access.SetArch(&known, value); err != nil {
				return r, err
			}
		default:
			return r, fmt.Errorf("%s= is none of caps=, arch=, kernel=", key)
		}
	}
	call, err := access.ParseCall(known, words[1], args)
	if err != nil {
		return r, err
	}
	d := access.DecideCall(p, call, nil)
	if at := d.At(p); !at.IsZero() {
		r.Rules = append(r.Rules, at)
	}
	refuses, sure := access.Refuses(d, nil)
	if !sure {
		r.Open, r.Why = true, "it depends on what is not known: "+d.Whens[0].When
		return r, nil
	}
	logged := !d.Action.Unlogged() || p.Logs(known.Engine)
	r.settle(!refuses, !logged, logged)
	return r, nil
}
