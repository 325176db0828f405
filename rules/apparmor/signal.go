package apparmor

import (
	"maps"
	"slices"
	"strconv"
	"strings"
)

// A SignalRule is signal (send) set=(kill) peer=label,.
type SignalRule struct {
	Header
	Perms   Perms    // never 0: an absent list means all
	Signals []string // hup, rtmin+3; none means all
	Peer    *Pattern // nil is any
}

// SignalPerms is what a signal rule means that names no permissions.
const SignalPerms = Send | Receive

var signalWords = &vocabulary{
	perms:   map[string]Perms{"send": Send, "write": Send, "receive": Receive, "read": Receive},
	letters: [2]Perms{Receive, Send},
	all:     SignalPerms,
}

// A SignalRequest is one side of a kill(2).
type SignalRequest struct {
	Perms  Perms  // of SignalPerms
	Signal string // term, rtmin+8, exists
	Peer   string // label of the other task
}

func (SignalRequest) class() string      { return "signal" }
func (q SignalRequest) wanted() Perms    { return q.Perms }
func (q SignalRequest) subject() Request { q.Perms = 0; return q }

// signals are the names of signal rules; rtmin+N is checked apart.
var signals = wordSet(`hup int quit ill trap abrt bus fpe kill usr1 segv usr2 pipe alrm term stkflt chld
	cont stop stp tstp ttin ttou urg xcpu xfsz vtalrm prof winch io poll pwr sys emt exists`)

func isSignal(name string) bool {
	_, ok := signalName(name)
	return ok
}

// signalName returns the usual spelling of a signal. What follows rtmin+ is
// read as strtoul(3) does, which the parser uses: letters after the number, and
// a number that is missing, go unnoticed.
func signalName(name string) (string, bool) {
	text, ok := strings.CutPrefix(name, "rtmin+")
	if !ok {
		return name, signals[name]
	}
	text = strings.TrimLeft(text, " \t\n\v\f\r")
	text, negative := strings.CutPrefix(text, "-")
	if !negative {
		text = strings.TrimPrefix(text, "+")
	}
	digits := len(text) - len(strings.TrimLeft(text, "0123456789"))
	n, err := strconv.ParseUint("0"+text[:digits], 10, 64)
	if negative && err == nil {
		n = -n
	}
	return "rtmin+" + strconv.FormatUint(n, 10), err == nil && n <= 32
}

// allSignals returns the names of all signals as the kernel has them: sig_names.h
// of security/apparmor, where tstp is stp and poll is io.
func allSignals() []string {
	names := slices.Sorted(maps.Keys(signals))
	names = slices.DeleteFunc(names, func(name string) bool { return name == "tstp" || name == "poll" })
	for n := range 33 {
		names = append(names, "rtmin+"+strconv.Itoa(n))
	}
	return names
}

// signalRule reads signal [PERMS] [set=SIGNALS] [peer=LABEL].
func (p *parser) signalRule(h Header) Rule {
	p.advance()
	r := &SignalRule{Header: h}
	conds, ok := p.permsAndConds(signalWords, &r.Perms)
	if !ok {
		return nil
	}
	var others []cond
	for _, c := range conds {
		if c.name != "set" || c.in {
			others = append(others, c)
			continue
		}
		for _, v := range c.values {
			name, ok := signalName(v.Source)
			if !ok {
				hint := closest(v.Source, keys(signals))
				if lower := strings.TrimPrefix(strings.ToLower(v.Source), "sig"); isSignal(lower) {
					hint = "; did you mean " + lower + "?"
				}
				p.errorf(v.At, "unknown-signal", "unknown signal %q%s", v.Source, hint)
			}
			r.Signals = append(r.Signals, name)
		}
	}
	var none *Pattern
	p.fields(others, "signal", map[string]**Pattern{"peer": &r.Peer, "set": &none})
	return r
}

func (r *SignalRule) resolve(by *resolver) Rule {
	c := *r
	by.label(&c.Peer)
	return &c
}

func (q SignalRequest) ask(r Rule) (Perms, []string) {
	if r, ok := r.(*SignalRule); ok {
		return r.Perms, compareAll(
			field{"signal", len(r.Signals) == 0 || slices.Contains(r.Signals, q.Signal)},
			field{"peer", r.Peer.Match(q.Peer)})
	}
	return 0, nil
}

func (q SignalRequest) decide(p *Profile, d *Decision) {
	p.askPeer(q.Peer, func(peer string) Request { q.Peer = peer; return q }, d)
}

func (q SignalRequest) rule(Transition) string {
	set := ""
	if q.Signal != "" {
		set = "set=(" + q.Signal + ")"
	}
	return joinWords("signal", "("+q.Perms.Words()+")", set, condition("peer=", quoteIf(q.Peer))) + ","
}

func (r *SignalRule) cells(c *celler) {
	c.product(func(v []string) {
		each(r.Perms, func(p Perms) { c.add(SignalRequest{p, v[1], v[0]}) })
	}, names(c, r.Peer, func(r *SignalRule) *Pattern { return r.Peer }, func(q SignalRequest) string { return q.Peer }),
		orAll(r.Signals, c.signals()))
}

// signals are those that a rule or a wanted request names, and one that none does, which
// stands for all others.
func (c *celler) signals() []string {
	named := wantedNames(c, func(q SignalRequest) string { return q.Signal })
	for _, r := range c.rules {
		if r, ok := r.(*SignalRule); ok {
			named = append(named, r.Signals...)
		}
	}
	slices.Sort(named)
	named = slices.Compact(named)
	for _, name := range allSignals() {
		if !slices.Contains(named, name) {
			return append(named, name)
		}
	}
	return named
}

func (q SignalRequest) variant() variant {
	return variant{func() Request { return q }, &q.Perms, []variedField{{&q.Signal, allSignals()}, {&q.Peer, nil}}}
}

func (r *SignalRule) narrow(p *Profile, req Request, _ Perms) (n Narrowed, ok bool) {
	q, ok := req.(SignalRequest)
	if !ok || strings.Contains(q.Peer, "//&") {
		return n, false
	}
	return p.narrowConditions(r, q, conditional{"signal", r.Perms, q.Perms, []ruleCondition{
		{key: "set=", value: q.Signal, listed: r.Signals, known: allSignals(), together: true},
		{key: "peer=", value: q.Peer, glob: r.Peer}}})
}

func (r *SignalRule) labels() []*Pattern { return []*Pattern{r.Peer} }

func (q SignalRequest) relabel(from, to string) Request {
	replace(&q.Peer, from, to)
	return q
}
