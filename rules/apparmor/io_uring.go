package apparmor

// An IOUringRule is io_uring (sqpoll, override_creds) label=x,.
type IOUringRule struct {
	Header
	Perms Perms    // never 0: an absent list means all
	Label *Pattern // nil is any
}

// IOUringPerms is what an io_uring rule means that names no permissions.
const IOUringPerms = SQPoll | OverrideCreds

var ioUringWords = &vocabulary{
	perms: map[string]Perms{"sqpoll": SQPoll, "override_creds": OverrideCreds},
	all:   IOUringPerms,
}

// An IOUringRequest is a use of io_uring.
type IOUringRequest struct {
	Perms Perms
	Label string
}

func (IOUringRequest) class() string                    { return "io_uring" }
func (q IOUringRequest) wanted() Perms                  { return q.Perms }
func (q IOUringRequest) subject() Request               { q.Perms = 0; return q }
func (q IOUringRequest) decide(p *Profile, d *Decision) { p.askInTurn(q, d) }

// ioUringRule reads io_uring [PERMS] [label=LABEL].
func (p *parser) ioUringRule(h Header) Rule {
	p.advance()
	p.since(&h, "4.0", "io_uring rules")
	r := &IOUringRule{Header: h}
	if p.tok.kind == tokID && ioUringWords.perms[p.tok.value] != 0 {
		p.tok.kind = tokKeyword
	}
	conds, ok := p.permsAndConds(ioUringWords, &r.Perms)
	if !ok {
		return nil
	}
	// The conditions of a group count as if they stood alone, whatever its name.
	_, grouped, ok := p.condList()
	if !ok {
		return nil
	}
	p.fields(append(conds, grouped...), "io_uring", map[string]**Pattern{"label": &r.Label})
	return r
}

func (r *IOUringRule) resolve(by *resolver) Rule {
	c := *r
	by.label(&c.Label)
	return &c
}

func (q IOUringRequest) ask(r Rule) (Perms, []string) {
	if r, ok := r.(*IOUringRule); ok {
		return r.Perms, compareAll(field{"label", r.Label.Match(q.Label)})
	}
	return 0, nil
}

func (q IOUringRequest) rule(Transition) string {
	return joinWords("io_uring", "("+q.Perms.Words()+")", condition("label=", quoteIf(q.Label))) + ","
}

func (r *IOUringRule) cells(c *celler) {
	c.product(func(v []string) {
		each(r.Perms, func(p Perms) { c.add(IOUringRequest{p, v[0]}) })
	}, names(c, r.Label, func(r *IOUringRule) *Pattern { return r.Label }, func(q IOUringRequest) string { return q.Label }))
}

func (q IOUringRequest) variant() variant {
	return variant{func() Request { return q }, &q.Perms, []variedField{{&q.Label, nil}}}
}

func (r *IOUringRule) narrow(p *Profile, req Request, _ Perms) (n Narrowed, ok bool) {
	q, ok := req.(IOUringRequest)
	if !ok {
		return n, false
	}
	return p.narrowConditions(r, q, conditional{"io_uring", r.Perms, q.Perms, []ruleCondition{{key: "label=", value: q.Label, glob: r.Label}}})
}

func (r *IOUringRule) labels() []*Pattern { return []*Pattern{r.Label} }

func (q IOUringRequest) relabel(from, to string) Request {
	replace(&q.Label, from, to)
	return q
}
