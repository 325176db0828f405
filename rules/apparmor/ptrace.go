package apparmor

import "strings"

// A PtraceRule is ptrace (trace, read) peer=label,.
type PtraceRule struct {
	Header
	Perms Perms    // never 0: an absent list means all
	Peer  *Pattern // nil is any
}

// PtracePerms is what a ptrace rule means that names no permissions.
const PtracePerms = Read | ReadBy | Trace | TracedBy

var ptraceWords = &vocabulary{
	perms:   map[string]Perms{"trace": Trace, "write": Trace, "read": Read, "tracedby": TracedBy, "readby": ReadBy},
	letters: [2]Perms{Read, Trace},
	all:     PtracePerms,
}

// A PtraceRequest is one side of a ptrace(2) or of a read in /proc that is
// checked like one.
type PtraceRequest struct {
	Perms Perms  // of PtracePerms
	Peer  string // label of the other task
}

func (PtraceRequest) class() string      { return "ptrace" }
func (q PtraceRequest) wanted() Perms    { return q.Perms }
func (q PtraceRequest) subject() Request { q.Perms = 0; return q }

// ptraceRule reads ptrace [PERMS] [peer=LABEL].
func (p *parser) ptraceRule(h Header) Rule {
	p.advance()
	r := &PtraceRule{Header: h}
	conds, ok := p.permsAndConds(ptraceWords, &r.Perms)
	if !ok {
		return nil
	}
	p.fields(conds, "ptrace", map[string]**Pattern{"peer": &r.Peer})
	return r
}

func (r *PtraceRule) resolve(by *resolver) Rule {
	c := *r
	by.label(&c.Peer)
	return &c
}

func (q PtraceRequest) ask(r Rule) (Perms, []string) {
	if r, ok := r.(*PtraceRule); ok {
		return r.Perms, compareAll(field{"peer", r.Peer.Match(q.Peer)})
	}
	return 0, nil
}

func (q PtraceRequest) decide(p *Profile, d *Decision) {
	p.askPeer(q.Peer, func(peer string) Request { q.Peer = peer; return q }, d)
}

func (q PtraceRequest) rule(Transition) string {
	return joinWords("ptrace", "("+q.Perms.Words()+")", condition("peer=", quoteIf(q.Peer))) + ","
}

func (r *PtraceRule) cells(c *celler) {
	c.product(func(v []string) {
		each(r.Perms, func(p Perms) { c.add(PtraceRequest{p, v[0]}) })
	}, names(c, r.Peer, func(r *PtraceRule) *Pattern { return r.Peer }, func(q PtraceRequest) string { return q.Peer }))
}

func (q PtraceRequest) variant() variant {
	return variant{func() Request { return q }, &q.Perms, []variedField{{&q.Peer, nil}}}
}

func (r *PtraceRule) narrow(p *Profile, req Request, _ Perms) (n Narrowed, ok bool) {
	q, ok := req.(PtraceRequest)
	if !ok || strings.Contains(q.Peer, "//&") || !r.Peer.Match(q.Peer) {
		return n, false
	}
	return p.narrowConditions(r, q, conditional{"ptrace", r.Perms, q.Perms, []ruleCondition{{key: "peer=", value: q.Peer, glob: r.Peer}}})
}

func (r *PtraceRule) labels() []*Pattern { return []*Pattern{r.Peer} }

func (q PtraceRequest) relabel(from, to string) Request {
	replace(&q.Peer, from, to)
	return q
}
