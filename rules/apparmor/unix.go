package apparmor

import (
	"maps"
	"slices"
	"strings"
)

// A UnixRule is unix (send, receive) type=stream addr=@x peer=(label=y),.
type UnixRule struct {
	Header
	Perms     Perms    // never 0: an absent list means all
	Type      []string // type=stream
	Protocol  []string // protocol=0
	Addr      *Pattern // addr=@name, addr=none, addr=auto
	Label     *Pattern // label=
	Attr      *Pattern // attr=
	Opt       *Pattern // opt=
	PeerAddr  *Pattern // peer=(addr=)
	PeerLabel *Pattern // peer=(label=)
}

// UnixPerms is what a unix rule means that names no permissions.
const UnixPerms = Create | Bind | Listen | Accept | Connect | Shutdown | GetAttr | SetAttr | GetOpt | SetOpt | Send | Receive

var unixWords = &vocabulary{perms: networkWords.perms, letters: networkWords.letters, all: UnixPerms}

// A UnixRequest is a use of an abstract or anonymous unix socket, on kernels
// that tell their addresses apart. The others check it as a NetworkRequest.
type UnixRequest struct {
	Perms     Perms  // of UnixPerms
	Type      string // stream, dgram, seqpacket
	Addr      string // @name, none, or "" when the socket is to be bound by the kernel
	Label     string // of the socket
	PeerAddr  string // of send, receive, connect, accept
	PeerLabel string
}

func (UnixRequest) class() string                    { return "unix" }
func (q UnixRequest) wanted() Perms                  { return q.Perms }
func (q UnixRequest) decide(p *Profile, d *Decision) { p.askInTurn(q, d) }

// unixRule reads unix [PERMS] [CONDITIONS] [peer=(CONDITIONS)].
func (p *parser) unixRule(h Header) Rule {
	at := p.advance()
	r := &UnixRule{Header: h}
	conds, ok := p.permsAndConds(unixWords, &r.Perms)
	if !ok {
		return nil
	}
	peer, ok := p.peer()
	if !ok {
		return nil
	}
	var typ *Pattern
	p.fields(conds, "unix", map[string]**Pattern{"type": &typ, "addr": &r.Addr})
	p.fields(peer, "unix peer", map[string]**Pattern{"addr": &r.PeerAddr, "label": &r.PeerLabel})
	if typ != nil {
		r.Type = []string{typ.Source}
		if !socketTypes[typ.Source] && typ.Source != "none" && typ.Source != "dccp" {
			p.errorf(typ.At, "unknown-type", "unknown socket type %q%s", typ.Source, closest(typ.Source, keys(socketTypes)))
		}
	}
	for _, a := range []*Pattern{r.Addr, r.PeerAddr} {
		if a != nil && !strings.HasPrefix(a.Source, "@") && a.Source != "none" && a.Source != "auto" {
			p.errorf(a.At, "bad-address", "the address of a unix socket is @NAME, none or auto: %q", a.Source)
		}
	}
	if bad := r.Perms &^ peerPerms; len(peer) > 0 && bad != 0 && r.Perms != UnixPerms {
		p.errorf(p.at(at), "bad-condition", "%s cannot be used with peer conditions", bad.Words())
	}
	return r
}

func (r *UnixRule) resolve(by *resolver) Rule {
	c := *r
	if c.Perms == Create { // at which a socket has no address
		by.unread(&c.Addr)
	} else {
		by.address(&c.Addr)
	}
	by.address(&c.PeerAddr)
	by.label(&c.Label)
	by.label(&c.PeerLabel)
	return &c
}

// unread keeps text that does not end up in the compiled policy. The parser
// looks its variables up all the same.
func (r *resolver) unread(p **Pattern) {
	if *p == nil {
		return
	}
	if _, problem := r.substitute((*p).Source); problem != "" {
		r.errorf((*p).At, "variable", "%s", problem)
	}
	*p = plain(*p)
}

// address expands the address of a unix socket: @ and a glob that may match
// NUL bytes, none or auto.
func (r *resolver) address(p **Pattern) { *p = r.expand(*p, addressText) }

// ask asks unix rules, and the network rules of the family unix, which mean the
// same as a unix rule of their type.
func (q UnixRequest) ask(r Rule) (Perms, []string) {
	switch r := r.(type) {
	case *NetworkRule:
		if r.Family != "" && r.Family != "unix" || r.Protocol != "" {
			return 0, nil
		}
		return UnixPerms, compareAll(field{"type", r.Type == "" || r.Type == q.Type})
	case *UnixRule:
		perms := r.Perms
		unnamed := q.Perms == Bind && q.Addr == "" // the kernel is to pick an address
		if (r.PeerAddr != nil || r.PeerLabel != nil) && !unnamed {
			perms &= peerPerms
		}
		if q.Perms == Bind && !unnamed && r.Addr != nil && r.Addr.Source == "auto" {
			perms &^= Bind // of an address that looks picked, but is the task's choice
		}
		fields := []field{{"type", len(r.Type) == 0 || slices.Contains(r.Type, q.Type)}}
		if q.Perms != Create { // the socket has no address yet
			fields = append(fields,
				field{"address", matchUnixAddr(r.Addr, q.Addr)},
				field{"label", r.Label.Match(q.Label)})
		}
		if q.Perms&peerPerms != 0 {
			fields = append(fields,
				field{"peer address", matchUnixAddr(r.PeerAddr, q.PeerAddr)},
				field{"peer label", r.PeerLabel.Match(q.PeerLabel)})
		}
		return perms, compareAll(fields...)
	}
	return 0, nil
}

// matchUnixAddr matches addr=. The words none and auto stand for an anonymous
// socket and for one that the kernel names: five hexadecimal digits.
func matchUnixAddr(p *Pattern, addr string) bool {
	switch {
	case p == nil:
		return true
	case p.Source == "none":
		return addr == "none"
	case p.Source == "auto":
		return addr == "" || autobound.Match(addr)
	case addr == "none" || addr == "":
		return false
	}
	return p.Match(addr)
}

var autobound = &Pattern{Source: "auto", Expanded: []string{"@[0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f]"}}

func (q UnixRequest) rule(Transition) string {
	peer := peerCondition(condition("label=", quoteIf(q.PeerLabel)), condition("addr=", quoteIf(nameable(q.PeerAddr))))
	addr := nameable(q.Addr)
	if addr == "none" && q.PeerAddr != "" {
		addr = "" // the socket of a client, which rules name by its peer
	}
	return joinWords("unix", "("+q.Perms.Words()+")", condition("type=", q.Type), condition("addr=", quoteIf(addr)), peer) + ","
}

// nameable is an address as far as a rule can name it. That of a socket in the file system is a
// path, which the kernel logs where it tells sockets by their type alone: under an abi before
// that of 4.1, Linux 6.17 and later.
func nameable(addr string) string {
	if addr == "none" || strings.HasPrefix(addr, "@") {
		return addr
	}
	return ""
}

func (r *UnixRule) cells(c *celler) {
	unixCells(c, r)
	for _, typ := range orAll(r.Type, slices.Sorted(maps.Keys(socketTypes))) {
		c.add(NetworkRequest{Family: "unix", Type: typ})
	}
}

func unixCells(c *celler, r *UnixRule) {
	own := func(p *Pattern, names []string) []string {
		if p == nil {
			return append(names, "none", "")
		}
		if p.Source == "none" || p.Source == "auto" {
			return []string{"none", "", "@00000"}
		}
		return names
	}
	c.product(func(v []string) {
		each(r.Perms, func(p Perms) { c.add(UnixRequest{p, v[0], v[1], v[2], v[3], v[4]}) })
	}, orAll(r.Type, []string{"stream", "dgram", "seqpacket"}),
		own(r.Addr, names(c, r.Addr, func(r *UnixRule) *Pattern { return r.Addr }, func(q UnixRequest) string { return q.Addr })),
		names(c, r.Label, func(r *UnixRule) *Pattern { return r.Label }, func(q UnixRequest) string { return q.Label }),
		own(r.PeerAddr, names(c, r.PeerAddr, func(r *UnixRule) *Pattern { return r.PeerAddr }, func(q UnixRequest) string { return q.PeerAddr })),
		names(c, r.PeerLabel, func(r *UnixRule) *Pattern { return r.PeerLabel }, func(q UnixRequest) string { return q.PeerLabel }))
}

// subject drops what rules do not look at; see ask.
func (q UnixRequest) subject() Request {
	if q.Perms == Create {
		q.Addr, q.Label = "", ""
	}
	if q.Perms&peerPerms == 0 {
		q.PeerAddr, q.PeerLabel = "", ""
	}
	q.Perms = 0
	return q
}

func (q UnixRequest) variant() variant {
	return variant{func() Request { return q }, &q.Perms, []variedField{
		{&q.Type, slices.Sorted(maps.Keys(socketTypes))}, {&q.Addr, nil}, {&q.Label, nil}, {&q.PeerAddr, nil}, {&q.PeerLabel, nil},
	}}
}

// narrow takes a unix rule apart. What an address is not cannot be written: where the rule
// names another than that of the request alone, it is left out for every address.
func (r *UnixRule) narrow(p *Profile, req Request, _ Perms) (n Narrowed, ok bool) {
	q, ok := req.(UnixRequest)
	local, peer := q.Perms != Create, q.Perms&peerPerms != 0
	if !ok || r.Attr != nil || r.Opt != nil || local && q.Perms&Create != 0 || peer && q.Perms&^peerPerms != 0 {
		return n, false // of several permissions, each would be asked for other conditions
	}
	alone := func(glob *Pattern, value string) bool {
		name, literal := glob.Literal()
		return literal && value != "" && name == value
	}
	every := local && !alone(r.Addr, q.Addr) || peer && !alone(r.PeerAddr, q.PeerAddr)
	n, ok = p.narrowConditions(r, q, conditional{"unix", r.Perms, q.Perms, []ruleCondition{
		{key: "type=", value: q.Type, listed: r.Type, known: slices.Sorted(maps.Keys(socketTypes))},
		{key: "addr=", value: q.Addr, glob: r.Addr, kind: addressText, ignored: !local || every},
		{key: "addr=", peer: true, value: q.PeerAddr, glob: r.PeerAddr, kind: addressText, ignored: !peer || every},
		{key: "label=", peer: true, value: q.PeerLabel, glob: r.PeerLabel, ignored: !peer}}})
	if ok && every {
		n.Note = joinWords(n.Note, "It is left out for every address.")
	}
	return n, ok
}

// asked is a request less the label of the socket, which no rule can name, and the address,
// where narrow leaves that out whatever it is.
func (r *UnixRule) asked(q UnixRequest) UnixRequest {
	q.Label = ""
	name, literal := r.Addr.Literal()
	peer, peerLiteral := r.PeerAddr.Literal()
	if !literal || name != q.Addr || !peerLiteral || peer != q.PeerAddr {
		q.Addr, q.PeerAddr = "", ""
	}
	return q
}

func (r *UnixRule) labels() []*Pattern { return []*Pattern{r.Label, r.PeerLabel} }

func (q UnixRequest) relabel(from, to string) Request {
	replace(&q.Label, from, to)
	replace(&q.PeerLabel, from, to)
	return q
}
