package apparmor

import (
	"strings"

	"github.com/whydenied/whydenied/rules/apparmor/aare"
)

// A ChangeProfileRule is change_profile safe /bin/bash -> target,.
type ChangeProfileRule struct {
	Header
	Safe   bool     // safe, when written
	Unsafe bool     // unsafe, when written
	Exec   *Pattern // the exec condition; nil if there is none
	Target *Pattern // nil is any profile
}

// A ChangeProfileRequest is a change of profile that the task asked for.
type ChangeProfileRequest struct {
	Target    string // a profile, or &profile to stack
	Namespace string // if it is not the task's own
	// OnExec is the program with whose execution the change takes place, or "".
	OnExec string
}

func (ChangeProfileRequest) class() string      { return "change_profile" }
func (ChangeProfileRequest) wanted() Perms      { return Access }
func (q ChangeProfileRequest) subject() Request { return q }

// changeProfileRule reads change_profile [safe|unsafe] [EXEC] [-> TARGET].
func (p *parser) changeProfileRule(h Header) Rule {
	p.advance()
	r := &ChangeProfileRule{Header: h}
	mode := p.tok
	r.Safe = p.word("safe")
	if !r.Safe {
		r.Unsafe = p.word("unsafe")
	}
	if p.tok.kind == tokID {
		r.Exec = p.pattern(p.advance())
		if s := r.Exec.Source; !strings.HasPrefix(s, "/") && !strings.HasPrefix(s, "@{") {
			p.errorf(r.Exec.At, "bad-path", "the program of a change_profile rule must begin with / or a variable: %q", s)
		}
	} else if r.Safe || r.Unsafe {
		p.errorf(p.at(mode), "bad-exec", "%s needs the path of a program after it", mode.value)
	}
	r.Target, _ = p.target()
	return r
}

func (r *ChangeProfileRule) resolve(by *resolver) Rule {
	c := *r
	by.label(&c.Exec) // apparmor_parser neither joins its slashes nor follows aliases
	by.label(&c.Target)
	return &c
}

// checkInBlock: the parser takes what a block adds its qualifiers to for an execution
// without a mode. From 4.0 on the rule's own deny does not count.
func (r *ChangeProfileRule) checkInBlock(by *resolver, block Qualifiers) {
	if r.Exec == nil {
		return
	}
	in3, in4 := !block.Deny && r.Deny != r.Unsafe, block.Deny != r.Unsafe
	const what = "a change_profile rule with a program inside a block"
	switch {
	case !in3 && !in4:
		by.errorf(r.At, "bad-exec", "apparmor_parser refuses %s: move it out", what)
	case !in3:
		by.policy.construct(r.At, what, "4.0", "")
	case !in4:
		by.policy.construct(r.At, what, "", "4.0")
	}
}

// onExec is the permission to change profile at the execution of a program.
const onExec Perms = 1 << 30

// anyProgram is the exec condition of a change_profile rule without one, and
// anyProfile the target.
var (
	anyProgram = &Pattern{Source: "/**", Expanded: []string{"/**"}}
	anyProfile = &Pattern{Source: "**", Expanded: []string{"**"}}
)

func programOf(r *ChangeProfileRule) *Pattern {
	if r.Exec == nil {
		return anyProgram
	}
	return r.Exec
}

func (r *ChangeProfileRule) compile(l *layer, _ map[mergeKey]bool) { l.addChangeProfile(r, r) }

// addChangeProfile adds the three expressions that process_dfa_entry() in
// parser_regex.c makes of a change_profile rule: the target, the program, and
// the pair of them. They share the automaton with file names, as in the kernel,
// and what that entails: a deny rule counts for its program whatever the target.
// of is the rule that decisions name: r, or the all rule that holds it.
func (l *layer) addChangeProfile(of Rule, r *ChangeProfileRule) {
	target := anyProfile
	if r.Target != nil {
		target = r.Target
	}
	program, profile := programOf(r).expr(), target.expr()
	if program == nil || profile == nil {
		return
	}
	entry := fileEntry{vote: voteOf(of, 0)}
	entry.vote.audit = true // without bits for quiet, a refusal is always logged
	add := func(e *aare.Expr, perms Perms) {
		entry.perms = perms
		l.add(e, entry)
	}
	add(profile, Access|onExec)
	add(program, onExec)
	add(aare.Cat(program, aare.Literal("\x00"), profile), onExec)
}

// profileKey is the name of the target as policy spells it.
func profileKey(req ChangeProfileRequest) string {
	if req.Namespace == "" {
		return req.Target
	}
	return ":" + req.Namespace + ":" + req.Target
}

func (q ChangeProfileRequest) key() string {
	if q.OnExec != "" {
		return q.OnExec + "\x00" + profileKey(q)
	}
	return profileKey(q)
}

func (ChangeProfileRequest) covers() (perms Perms, owner bool) { return Access | onExec, false }

// decide decides on a change of profile: aa_change_profile() and,
// for one that waits for an execution, change_profile_perms() in
// security/apparmor/domain.c, which asks for the program alone first.
func (q ChangeProfileRequest) decide(p *Profile, d *Decision) {
	if q.OnExec == "" {
		d.settle(Access, p.ask(q.key(), false).votes)
		d.Audited = 0
		return
	}
	d.settle(onExec, p.ask(q.OnExec, false).votes)
	if d.Granted != 0 {
		*d = Decision{profile: p, req: q}
		d.settle(onExec, p.ask(q.key(), false).votes)
	} else if len(d.Deny) > 0 {
		d.Notes = append(d.Notes, "a deny change_profile rule keeps every change at the execution of the programs it names, whatever its target")
	}
	for _, perms := range []*Perms{&d.Granted, &d.Refused, &d.Unmatched} {
		if *perms != 0 {
			*perms = Access
		}
	}
	d.Audited = 0
}

// ask serves Near alone; see decide.
func (q ChangeProfileRequest) ask(r Rule) (Perms, []string) {
	if r, ok := r.(*ChangeProfileRule); ok {
		return Access, compareAll(
			field{"explain/program", q.OnExec == "" || programOf(r).Match(q.OnExec)},
			field{"target profile", r.Target.Match(profileKey(q))})
	}
	return 0, nil
}

func (q ChangeProfileRequest) rule(Transition) string {
	stack, target := "", profileKey(q)
	if rest, ok := strings.CutPrefix(target, "&"); ok {
		stack, target = "&", rest
	}
	return joinWords("change_profile", quoteIf(q.OnExec), "->", stack+QuotePath(target)) + ","
}

func (*ChangeProfileRule) cells(*celler) {} // see fileGains

func (q ChangeProfileRequest) variant() variant {
	return variant{func() Request { return q }, nil, []variedField{{&q.Target, nil}, {&q.Namespace, nil}, {&q.OnExec, nil}}}
}

// narrow leaves a target out or, of a change at an execution, the program: for the programs
// that a deny rule names, the kernel refuses every change, whatever the target.
func (r *ChangeProfileRule) narrow(p *Profile, req Request, _ Perms) (n Narrowed, ok bool) {
	q, ok := req.(ChangeProfileRequest)
	if !ok || r.Safe || r.Unsafe {
		return n, false
	}
	w := mountWriter{res: p.resolver(false)}
	start := qualifiersOf(r, "change_profile") + "change_profile"
	target := condition("-> ", textOf(r.Target))
	var texts []string
	if q.OnExec == "" {
		if r.Exec != nil {
			return n, false
		}
		for _, other := range w.part(r.Target, anyProfile, labelText, profileKey(q)).others {
			texts = append(texts, joinWords(start, "->", other)+",")
		}
		if w.failed {
			return n, false
		}
		return p.narrowedBut(r, q, texts, "", neighbours(q), func(other Request) bool {
			o := other.(ChangeProfileRequest)
			return profileKey(o) == profileKey(q)
		})
	}
	for _, other := range w.part(r.Exec, anyProgram, pathText, q.OnExec).others {
		texts = append(texts, joinWords(start, other, target)+",")
	}
	if w.failed {
		return n, false
	}
	return p.narrowedBut(r, q, texts, "It is left out for every target.", neighbours(q), func(other Request) bool {
		return other.(ChangeProfileRequest).OnExec == q.OnExec
	})
}

func (*ChangeProfileRule) labels() []*Pattern { return nil }

func (q ChangeProfileRequest) relabel(string, string) Request { return q }
