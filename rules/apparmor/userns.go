package apparmor

// A UsernsRule is userns create,.
type UsernsRule struct {
	Header
	Perms Perms // UsernsCreate
}

// A UsernsRequest is the creation of a user namespace.
type UsernsRequest struct{}

// usernsRule reads userns [create].
func (p *parser) usernsRule(h Header) Rule {
	p.advance()
	p.word("create")
	h.Since = later(h.Since, "4.0")
	return &UsernsRule{Header: h, Perms: UsernsPerms}
}
