package apparmor

// A PivotRootRule is pivot_root oldroot=/old/ /new/ -> profile,.
type PivotRootRule struct {
	Header
	OldRoot *Pattern
	NewRoot *Pattern
	Target  *Pattern // profile to change to
}

// A PivotRootRequest is a pivot_root(2).
type PivotRootRequest struct {
	NewRoot, OldRoot string
}

func (PivotRootRequest) class() string                    { return "pivot_root" }
func (PivotRootRequest) wanted() Perms                    { return Access }
func (q PivotRootRequest) subject() Request               { return q }
func (q PivotRootRequest) decide(p *Profile, d *Decision) { p.askInTurn(q, d) }

// pivotRootRule reads pivot_root [oldroot=OLD] [NEW] [-> PROFILE].
func (p *parser) pivotRootRule(h Header) Rule {
	p.advance()
	r := &PivotRootRule{Header: h}
	conds, ok := p.conds()
	if !ok {
		return nil
	}
	p.fields(conds, "pivot_root", map[string]**Pattern{"oldroot": &r.OldRoot})
	if p.tok.kind == tokID {
		r.NewRoot = p.pattern(p.advance())
	}
	r.Target, _ = p.target()
	return r
}

func (r *PivotRootRule) resolve(by *resolver) Rule {
	c := *r
	by.path(&c.OldRoot)
	by.path(&c.NewRoot)
	if c.Target = plain(c.Target); c.Target != nil {
		if _, problem := by.substitute(c.Target.Source); problem != "" {
			by.policy.construct(c.Target.At, "a variable that is not assigned, after pivot_root ->", "", "5.0")
		}
	}
	return &c
}

func (q PivotRootRequest) ask(r Rule) (Perms, []string) {
	if r, ok := r.(*PivotRootRule); ok {
		return Access, compareAll(
			field{"new root", r.NewRoot.Match(q.NewRoot)},
			field{"old root", r.OldRoot.Match(q.OldRoot)})
	}
	return 0, nil
}

func (q PivotRootRequest) rule(Transition) string {
	return "pivot_root oldroot=" + QuotePath(q.OldRoot) + " " + QuotePath(q.NewRoot) + ","
}

func (r *PivotRootRule) cells(c *celler) {
	c.product(func(v []string) { c.add(PivotRootRequest{NewRoot: v[0], OldRoot: v[1]}) },
		names(c, r.NewRoot, func(r *PivotRootRule) *Pattern { return r.NewRoot }, func(q PivotRootRequest) string { return q.NewRoot }),
		names(c, r.OldRoot, func(r *PivotRootRule) *Pattern { return r.OldRoot }, func(q PivotRootRequest) string { return q.OldRoot }))
}

func (q PivotRootRequest) variant() variant {
	return variant{func() Request { return q }, nil, []variedField{{&q.NewRoot, nil}, {&q.OldRoot, nil}}}
}

func (r *PivotRootRule) narrow(p *Profile, req Request, _ Perms) (n Narrowed, ok bool) {
	q, ok := req.(PivotRootRequest)
	if !ok || r.Target != nil || !r.NewRoot.Match(q.NewRoot) || !r.OldRoot.Match(q.OldRoot) {
		return n, false
	}
	w := mountWriter{res: p.resolver(false)}
	oldRoot, newRoot := w.target(r.OldRoot, q.OldRoot), w.target(r.NewRoot, q.NewRoot)
	if w.failed {
		return n, false
	}
	start := qualifiersOf(r, "pivot_root")
	var texts []string
	for _, other := range oldRoot.others {
		texts = append(texts, start+joinWords("pivot_root", "oldroot="+other, newRoot.is)+",")
	}
	for _, other := range newRoot.others {
		texts = append(texts, start+joinWords("pivot_root", condition("oldroot=", oldRoot.is), other)+",")
	}
	return p.narrowed(r, q, texts, "")
}

func (*PivotRootRule) labels() []*Pattern { return nil }

func (q PivotRootRequest) relabel(string, string) Request { return q }
