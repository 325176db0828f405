package apparmor

// A UsernsRule is userns create,.
type UsernsRule struct {
	Header
	Perms Perms // UsernsCreate
}

// UsernsPerms is the permission of userns rules.
const UsernsPerms = Create

// A UsernsRequest is the creation of a user namespace.
type UsernsRequest struct{}

func (UsernsRequest) class() string                    { return "userns" }
func (UsernsRequest) wanted() Perms                    { return UsernsPerms }
func (q UsernsRequest) subject() Request               { return q }
func (q UsernsRequest) decide(p *Profile, d *Decision) { p.askInTurn(q, d) }
func (q UsernsRequest) variant() variant               { return variant{request: func() Request { return q }} }

// usernsRule reads userns [create].
func (p *parser) usernsRule(h Header) Rule {
	p.advance()
	p.word("create")
	p.since(&h, "4.0", "userns rules")
	return &UsernsRule{Header: h, Perms: UsernsPerms}
}

func (r *UsernsRule) resolve(*resolver) Rule { c := *r; return &c }

func (UsernsRequest) ask(r Rule) (Perms, []string) {
	if _, ok := r.(*UsernsRule); ok {
		return UsernsPerms, nil
	}
	return 0, nil
}

func (UsernsRequest) rule(Transition) string { return "userns create," }

func (*UsernsRule) cells(c *celler) { c.add(UsernsRequest{}) }

func (r *UsernsRule) narrow(p *Profile, req Request, _ Perms) (n Narrowed, ok bool) {
	if _, ok := req.(UsernsRequest); !ok {
		return n, false
	}
	return p.narrowed(r, req, nil, "")
}

func (*UsernsRule) labels() []*Pattern { return nil }

func (q UsernsRequest) relabel(string, string) Request { return q }
