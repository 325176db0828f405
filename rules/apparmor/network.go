package apparmor

import (
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/whydenied/whydenied/rules"
	"github.com/whydenied/whydenied/rules/apparmor/aare"
)

// A NetworkRule grants sockets: network inet stream,.
type NetworkRule struct {
	Header
	Perms    Perms  // (send, receive); 0 means all
	Family   string // inet; "" for all
	Type     string // stream; "" for all
	Protocol string // tcp; "" for all
	// Local and Peer are the conditions of AppArmor 4.0; their labels and the
	// interface are those of 5.0.
	Local NetworkAddr
	Peer  NetworkAddr

	anyType bool // a family alone covers every type
}

// A NetworkAddr is ip=, port=, interface= and label= conditions; "" and nil are any.
type NetworkAddr struct {
	IP, Port, Interface string
	Label               *Pattern
	SetLabel            bool // label:=, which gives a packet the label
}

// onAddress reports whether there are conditions on addresses.
func (a NetworkAddr) onAddress() bool { return a.IP != "" || a.Port != "" }

// NetworkPerms is what a network rule means that names no permissions.
const NetworkPerms = UnixPerms

var networkWords = &vocabulary{
	perms: map[string]Perms{
		"send": Send, "write": Send, "receive": Receive, "read": Receive, "create": Create,
		"bind": Bind, "listen": Listen, "accept": Accept, "connect": Connect, "shutdown": Shutdown,
		"getattr": GetAttr, "setattr": SetAttr, "getopt": GetOpt, "setopt": SetOpt,
	},
	letters: [2]Perms{Receive, Send},
}

// A NetworkRequest is the use of a socket.
type NetworkRequest struct {
	Family string // inet, unix, netlink, ...
	Type   string // stream, dgram, raw, ...
	Perms  Perms  // of NetworkPerms, 0 for all: only rules of AppArmor 4 tell them apart
	// What rules of AppArmor 4 can ask for. Where all are "", the kernel does not
	// mediate addresses, as Linux up to 7.2, and such conditions count for nothing;
	// else "" is unknown, and matches none of them.
	IP, Port, PeerIP, PeerPort string
}

func (NetworkRequest) class() string                    { return "network" }
func (q NetworkRequest) decide(p *Profile, d *Decision) { p.askInTurn(q, d) }

func (q NetworkRequest) wanted() Perms {
	if q.Perms == 0 {
		return NetworkPerms
	}
	return q.Perms
}

// families are the address families of network rules, by name and number
// (linux/socket.h).
var families = map[string]int{
	"unspec": 0, "unix": 1, "inet": 2, "ax25": 3, "ipx": 4, "appletalk": 5, "netrom": 6, "bridge": 7, "atmpvc": 8,
	"x25": 9, "inet6": 10, "rose": 11, "netbeui": 12, "security": 13, "key": 14, "netlink": 16,
	"packet": 17, "ash": 18, "econet": 19, "atmsvc": 20, "rds": 21, "sna": 22, "irda": 23, "pppox": 24,
	"wanpipe": 25, "llc": 26, "ib": 27, "mpls": 28, "can": 29, "tipc": 30, "bluetooth": 31, "iucv": 32,
	"rxrpc": 33, "isdn": 34, "phonet": 35, "ieee802154": 36, "caif": 37, "alg": 38, "nfc": 39,
	"vsock": 40, "kcm": 41, "qipcrtr": 42, "smc": 43, "xdp": 44, "mctp": 45,
}

func isFamily(name string) bool {
	_, ok := families[name]
	return ok
}

// socketTypes are the types of network rules; the protocols stand for the type
// that carries them.
var socketTypes = wordSet("stream dgram seqpacket rdm raw packet")

var socketProtocols = wordSet("tcp udp icmp")

// protocolTypes are the families and the type that carry a protocol, as
// apparmor_parser maps them (network_mappings in network.c).
var protocolTypes = map[string]struct {
	typ      string
	families []string
}{
	"tcp":  {"stream", []string{"inet", "inet6"}},
	"udp":  {"dgram", []string{"inet", "inet6"}},
	"icmp": {"raw", []string{"inet"}},
}

// familyTypes are the types that a network rule with a family alone covers before
// 5.0. The bare rule network, covers every type, dccp among them, and from 5.0 on so
// does a family.
var familyTypes = []string{"stream", "dgram", "raw", "rdm", "seqpacket", "packet"}

// peerPerms are the permissions on a pair of sockets: af_unix.cc of apparmor_parser.
const peerPerms = Accept | Connect | Send | Receive

// networkRule reads network [PERMS] [FAMILY] [TYPE|PROTOCOL] [CONDITIONS].
func (p *parser) networkRule(h Header) Rule {
	at := p.advance()
	r := &NetworkRule{Header: h}
	var ok bool
	if r.Perms, ok = p.perms(networkWords); !ok {
		return nil
	}
	if r.Perms != 0 {
		p.since(&r.Header, "4.0", "permissions of network rules")
	}
	var words []string
	for p.tok.kind == tokID && len(words) < 2 {
		words = append(words, p.advance().value)
	}
	r.Family, r.Type, r.Protocol, ok = networkNames(words)
	if !ok {
		p.errorf(p.loc(at.start, p.last), "unknown-network", "no such network: %q is not a family and %s%s", strings.Join(words, " "),
			"a type (stream, dgram, seqpacket, rdm, raw, packet) or protocol (tcp, udp, icmp)", closest(words[0], keys(families)))
	}
	conds, ok := p.conds()
	if !ok {
		return nil
	}
	peer, ok := p.peer()
	if !ok {
		return nil
	}
	p.networkAddr(conds, &r.Local, "network")
	p.networkAddr(peer, &r.Peer, "network peer")
	if len(conds)+len(peer) > 0 {
		p.since(&r.Header, "4.0", "conditions of network rules")
		if r.Family != "" && r.Family != "inet" && r.Family != "inet6" && (len(conds) > 0 || r.Peer.onAddress()) {
			p.errorf(p.at(at), "bad-condition", "only the families inet and inet6 take addresses")
		}
	}
	if r.Local.Interface != "" || r.Local.Label != nil || r.Peer.Label != nil {
		p.since(&r.Header, "5.0", "labels and interfaces in network rules")
	}
	if r.Priority != 0 {
		p.errorf(p.at(at), "bad-qualifier", "priority= is not allowed on network rules")
	}
	if r.Peer.onAddress() && r.Perms&^peerPerms != 0 {
		p.errorf(p.at(at), "bad-condition", "%s cannot be used with peer conditions", (r.Perms &^ peerPerms).Words())
	}
	return r
}

// networkNames tells family, type and protocol of a network rule apart. Every
// family combines with every type; the protocols tcp and udp with inet and
// inet6, icmp with inet.
func networkNames(words []string) (family, typ, protocol string, ok bool) {
	if len(words) == 0 {
		return "", "", "", true
	}
	if len(words) == 1 {
		switch w := words[0]; {
		case isFamily(w):
			return w, "", "", true
		case socketTypes[w]:
			return "", w, "", true
		case socketProtocols[w]:
			return "", "", w, true
		}
		return "", "", "", false
	}
	family, typ = words[0], words[1]
	switch {
	case !isFamily(family):
		return "", "", "", false
	case socketTypes[typ]:
		return family, typ, "", true
	case family == "inet" && socketProtocols[typ], family == "inet6" && (typ == "tcp" || typ == "udp"):
		return family, "", typ, true
	}
	return "", "", "", false
}

func (p *parser) networkAddr(conds []cond, a *NetworkAddr, class string) {
	var ip, port, iface *Pattern
	fields := map[string]**Pattern{"ip": &ip, "port": &port, "label": &a.Label}
	if class == "network" {
		fields["interface"] = &iface
	}
	p.fields(conds, class, fields)
	a.SetLabel = slices.ContainsFunc(conds, func(c cond) bool { return c.set })
	if ip != nil {
		a.IP = ip.Source
		if _, err := netip.ParseAddr(a.IP); a.IP != "none" && (err != nil || strings.Contains(a.IP, "%")) {
			p.errorf(ip.At, "bad-address", "%q is not an IP address or none", a.IP)
		}
	}
	if port != nil {
		a.Port = port.Source
		from, to, isRange := strings.Cut(a.Port, "-")
		if !isRange {
			to = from
		}
		low, err := strconv.ParseUint(from, 10, 16)
		high, err2 := strconv.ParseUint(to, 10, 16)
		if err != nil || err2 != nil || low > high {
			p.errorf(port.At, "bad-port", "%q is not a port or a range of ports", a.Port)
		}
	}
	if iface != nil {
		a.Interface = iface.Source
		if _, err := aare.Parse(a.Interface, false); err != nil {
			p.errorf(iface.At, "bad-glob", "bad pattern %q: %v", a.Interface, err)
		}
	}
}

func (r *NetworkRule) resolve(by *resolver) Rule {
	c := *r
	c.anyType = by.modern()
	by.label(&c.Local.Label)
	by.label(&c.Peer.Label)
	return &c
}

// ask asks network rules. The kernel looks at family and type; a protocol in the
// rule stands for a type. Unix rules count as well: on kernels without unix
// mediation apparmor_parser makes allow rules of that class into network rules of
// their type, and leaves deny rules out.
func (q NetworkRequest) ask(r Rule) (Perms, []string) {
	switch r := r.(type) {
	case *NetworkRule:
		perms := r.Perms
		if perms == 0 {
			perms = NetworkPerms
		}
		return perms, networkDiff(r, q)
	case *UnixRule:
		if q.Family == "unix" && !r.Deny {
			return NetworkPerms, compareAll(field{"type", len(r.Type) == 0 || slices.Contains(r.Type, q.Type)})
		}
	}
	return 0, nil
}

func networkDiff(r *NetworkRule, req NetworkRequest) []string {
	family := r.Family == "" || r.Family == req.Family
	typ := r.Type == "" || r.Type == req.Type
	if p, ok := protocolTypes[r.Protocol]; ok {
		family = family && slices.Contains(p.families, req.Family)
		typ = req.Type == p.typ
	} else if r.Family != "" && r.Type == "" && !r.anyType {
		typ = slices.Contains(familyTypes, req.Type)
	}
	fields := []field{{"family", family}, {"type", typ}}
	// A kernel that does not mediate addresses names none, and apparmor_parser drops
	// the conditions on them for it: from deny rules, too.
	if req.IP+req.Port+req.PeerIP+req.PeerPort != "" {
		fields = append(fields, field{"local address", matchAddr(r.Local, req.IP, req.Port)},
			field{"peer address", matchAddr(r.Peer, req.PeerIP, req.PeerPort)})
	}
	return compareAll(fields...)
}

// matchAddr matches the ip= and port= conditions of AppArmor 4. A port may be a
// range, 0-1023.
func matchAddr(a NetworkAddr, ip, port string) bool {
	if a.IP != "" && a.IP != ip {
		return false
	}
	if a.Port == "" || a.Port == port {
		return true
	}
	low, high, ok := strings.Cut(a.Port, "-")
	n, err := strconv.ParseUint(port, 10, 16)
	l, err1 := strconv.ParseUint(low, 10, 16)
	h, err2 := strconv.ParseUint(high, 10, 16)
	return ok && err == nil && err1 == nil && err2 == nil && l <= n && n <= h
}

func (q NetworkRequest) rule(Transition) string { return joinWords("network", q.Family, q.Type) + "," }

func (r *NetworkRule) cells(c *celler) {
	families, types := orAll(oneOf(r.Family), slices.Sorted(maps.Keys(families))), orAll(oneOf(r.Type), append(slices.Sorted(maps.Keys(socketTypes)), "dccp"))
	ips, ports, perms := []string{""}, []string{""}, []Perms{0}
	for _, other := range c.rules {
		if o, ok := other.(*NetworkRule); ok {
			ips = append(ips, o.Local.IP, o.Peer.IP)
			ports = append(ports, o.Local.Port, o.Peer.Port)
			if o.Perms != 0 {
				perms = nil
				each(NetworkPerms, func(p Perms) { perms = append(perms, p) })
			}
		}
	}
	slices.Sort(ips)
	slices.Sort(ports)
	ips, ports = slices.Compact(ips), slices.Compact(ports)
	c.product(func(v []string) {
		for _, p := range perms {
			c.add(NetworkRequest{Family: v[0], Type: v[1], Perms: p, IP: v[2], Port: v[3], PeerIP: v[4], PeerPort: v[5]})
		}
	}, families, types, ips, ports, ips, ports)
	if r.Family == "" || r.Family == "unix" {
		unixCells(c, &UnixRule{Type: oneOf(r.Type), Perms: UnixPerms})
	}
}

// subject drops the permissions, which kernels before AppArmor 4 do not tell apart.
func (q NetworkRequest) subject() Request { q.Perms = 0; return q }

// sameSocket reports whether two requests are for unix sockets of one type: of
// kernels that tell their addresses apart, and of those that do not.
func sameSocket(a, b Request) bool {
	n, ok1 := a.(NetworkRequest)
	u, ok2 := b.(UnixRequest)
	return ok1 && ok2 && n.Family == "unix" && n.Type == u.Type
}

func (q NetworkRequest) variant() variant {
	return variant{func() Request { return q }, &q.Perms, []variedField{
		{&q.Family, slices.Sorted(maps.Keys(families))}, {&q.Type, append([]string{"dccp"}, familyTypes...)},
	}}
}

// narrow writes a network rule as one for each family that it covers besides, and for each
// other type of this one. dccp, which rules that name no type may cover, has no name
// in rules. A rule that names no permissions, which not every kernel tells apart, leaves out
// all.
func (r *NetworkRule) narrow(p *Profile, req Request, _ Perms) (n Narrowed, ok bool) {
	q, ok := req.(NetworkRequest)
	conditions := r.conditionText()
	bare := NetworkRequest{Family: q.Family, Type: q.Type}
	if !ok || len(networkDiff(r, bare)) > 0 || conditions != "" && r.Family == "" {
		return n, false
	}
	start := qualifiersOf(r, "network") + "network "
	if r.Perms != 0 {
		start += "(" + r.Perms.Words() + ") "
	}
	var texts, notes []string
	for _, family := range slices.Sorted(maps.Keys(families)) {
		if r.Family == "" && r.Type == "" && r.Protocol == "" && family != q.Family {
			texts = append(texts, start+family+conditions+",")
			continue
		}
		for _, typ := range slices.Sorted(slices.Values(familyTypes)) {
			one := NetworkRequest{Family: family, Type: typ}
			if one != bare && len(networkDiff(r, one)) == 0 {
				texts = append(texts, start+family+" "+typ+conditions+",")
			}
		}
	}
	if left := r.Perms &^ q.wanted(); left != 0 {
		texts = append(texts, qualifiersOf(r, "network")+"network ("+left.Words()+") "+q.Family+" "+q.Type+conditions+",")
	}
	unnamed := func(o NetworkRequest) bool {
		return o.Type == "dccp" && (o.Family == q.Family || r.Family == "" && r.Type == "" && !r.anyType)
	}
	if unnamed(NetworkRequest{q.Family, "dccp", 0, "", "", "", ""}) && len(networkDiff(r, NetworkRequest{Family: q.Family, Type: "dccp"})) == 0 {
		notes = append(notes, "The rule covered sockets of the type dccp, too, which no rule can name: they are left out.")
	}
	if r.Family == "" {
		notes = append(notes, "The rule covered every family; now those known so far are listed.")
	}
	if conditions != "" {
		notes = append(notes, "It is left out for every address.")
	}
	return p.narrowedBut(r, bare, texts, strings.Join(notes, " "), neighbours(q), func(other Request) bool {
		o := other.(NetworkRequest)
		return o.Family == q.Family && o.Type == q.Type && (r.Perms == 0 || o.wanted()&^q.wanted() == 0) || unnamed(o)
	})
}

// conditionText is what a network rule says behind its family and type, with a space
// before it.
func (r *NetworkRule) conditionText() string {
	if r.Local == (NetworkAddr{}) && r.Peer == (NetworkAddr{}) {
		return ""
	}
	text := strings.TrimSuffix(strings.TrimSpace(r.At.Text()), ",")
	first := len(text)
	for _, key := range []string{"ip=", "port=", "interface=", "label=", "peer=", "label:="} {
		if i := strings.Index(text, " "+key); i >= 0 {
			first = min(first, i)
		}
	}
	return text[first:]
}

// lintShadowedNetwork finds network rules whose sockets are all denied.
func lintShadowedNetwork(p *Profile, e *effort) []rules.Diagnostic {
	return lintShadowedBy(p, e, func(a, d *NetworkRule) string {
		if networkCovers(d, a) {
			return "anything"
		}
		return ""
	})
}

// networkCovers reports whether a rule without conditions covers another.
func networkCovers(a, b *NetworkRule) bool {
	if a.Perms != 0 || a.Local != (NetworkAddr{}) || a.Peer != (NetworkAddr{}) {
		return false
	}
	return (a.Family == "" || a.Family == b.Family) && (a.Type == "" || a.Type == b.Type) &&
		(a.Protocol == "" || a.Protocol == b.Protocol)
}

func (*NetworkRule) labels() []*Pattern { return nil }

func (q NetworkRequest) relabel(string, string) Request { return q }
