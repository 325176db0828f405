package apparmor

// A PtraceRule is ptrace (trace, read) peer=label,.
type PtraceRule struct {
	Header
	Perms Perms    // never 0: an absent list means all
	Peer  *Pattern // nil is any
}

// A PtraceRequest is one side of a ptrace(2) or of a read in /proc that is
// checked like one.
type PtraceRequest struct {
	Perms Perms  // of PtracePerms
	Peer  string // label of the other task
}

// ptraceRule reads ptrace [PERMS] [peer=LABEL].
func (p *parser) ptraceRule(h Header) Rule {
	p.advance()
	r := &PtraceRule{Header: h}
	conds, ok := p.permsAndConds(modePtrace, &r.Perms, PtracePerms)
	if !ok {
		return nil
	}
	p.fields(conds, "ptrace", map[string]**Pattern{"peer": &r.Peer})
	return r
}
