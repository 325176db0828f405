package apparmor

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/whydenied/whydenied/rules"
)

// A cond is one condition of a rule: name=value, name=(a b) or name in (a b).
type cond struct {
	name   string
	in     bool
	values []*Pattern
	at     rules.Location
}

// conds reads conditions until something else comes.
func (p *parser) conds() ([]cond, bool) {
	var out []cond
	for p.tok.kind == tokCond {
		t := p.advance()
		c := cond{name: t.value}
		switch {
		case p.accept(tokEquals):
		case p.accept(tokIn):
			c.in = true
		default:
			return nil, p.expected("= or in")
		}
		if !p.condValue(&c) {
			return nil, false
		}
		c.at = p.loc(t.start, p.last)
		out = append(out, c)
	}
	return out, true
}

func (p *parser) condValue(c *cond) bool {
	if p.tok.kind == tokValue && !c.in {
		c.values = []*Pattern{p.pattern(p.advance())}
		return true
	}
	if !p.expect(tokOpenParen, "a value or (") {
		return false
	}
	for p.tok.kind == tokValue {
		c.values = append(c.values, p.pattern(p.advance()))
	}
	if len(c.values) == 0 {
		return p.expected("a value")
	}
	return p.expect(tokCloseParen, ") after the values")
}

// condList reads peer=(name=value ...), or xattrs=(...), if it is there.
func (p *parser) condList() (name string, conds []cond, ok bool) {
	if p.tok.kind != tokCondList {
		return "", nil, true
	}
	name = p.advance().value
	if !p.expect(tokEquals, "=") || !p.expect(tokOpenParen, "(") {
		return name, nil, false
	}
	for p.tok.kind == tokCond {
		t := p.advance()
		c := cond{name: t.value}
		if p.accept(tokEquals) {
			for p.tok.kind == tokValue {
				c.values = append(c.values, p.pattern(p.advance()))
			}
			if len(c.values) != 1 {
				return name, nil, p.expected("a value")
			}
		}
		c.at = p.loc(t.start, p.last)
		conds = append(conds, c)
	}
	return name, conds, p.expect(tokCloseParen, ") after the conditions")
}

// peer reads peer=(...) of a rule, if it is there.
func (p *parser) peer() ([]cond, bool) {
	at := p.tok
	name, conds, ok := p.condList()
	if ok && name != "" && name != "peer" {
		p.errorf(p.at(at), "bad-condition", "%s=(...) cannot stand in this rule", name)
	}
	for _, c := range conds {
		if len(c.values) == 0 {
			p.errorf(c.at, "bad-condition", "%s needs a value", c.name)
		}
	}
	return conds, ok
}

// perms reads permissions as words: one alone or several in parentheses, such
// as (send, receive). It returns 0 if there are none.
func (p *parser) perms(m mode) (Perms, bool) {
	switch p.tok.kind {
	case tokKeyword, tokMode:
		if perms := permsOf(m, p.tok.value); perms != 0 {
			p.advance()
			return perms, true
		}
		return 0, p.expected("permissions or conditions")
	case tokOpenParen:
	default:
		return 0, true
	}
	p.advance()
	var all Perms
	for p.tok.kind == tokValue {
		t := p.advance()
		perms := permsOf(m, t.value)
		if perms == 0 {
			p.errorf(p.at(t), "unknown-permission", "unknown permission %q%s", t.value, closest(t.value, keys(permNames[m])))
		}
		all |= perms
	}
	return all, p.expect(tokCloseParen, ") after the permissions")
}

// permsOf returns what a word means in a class of rules: a name, or letters of
// r and w in either case.
func permsOf(m mode, word string) Perms {
	if perms := permNames[m][word]; perms != 0 {
		return perms
	}
	letters, ok := permLetters[m]
	if !ok {
		return 0
	}
	var perms Perms
	for i := range len(word) {
		switch word[i] {
		case 'r', 'R':
			perms |= letters[0]
		case 'w', 'W':
			perms |= letters[1]
		default:
			return 0
		}
	}
	return perms
}

// fields stores conditions in the fields of a rule by name, and reports those
// that are unknown, doubled or have more than one value.
func (p *parser) fields(conds []cond, class string, fields map[string]**Pattern) {
	for _, c := range conds {
		field, ok := fields[c.name]
		switch {
		case !ok:
			p.errorf(c.at, "bad-condition", "unknown condition %q in a %s rule%s", c.name, class, closest(c.name, keys(fields)))
		case class == "pivot_root": // takes in for =, and the first value of the last condition
			*field = c.values[0]
		case c.in:
			p.errorf(c.at, "bad-condition", "%s cannot be used with in", c.name)
		case len(c.values) != 1:
			p.errorf(c.at, "bad-condition", "%s takes one value", c.name)
		case *field != nil:
			p.errorf(c.at, "bad-condition", "%s can be given only once", c.name)
		default:
			*field = c.values[0]
		}
	}
}

// networkRule reads network [PERMS] [FAMILY] [TYPE|PROTOCOL] [CONDITIONS].
func (p *parser) networkRule(h Header) Rule {
	at := p.advance()
	r := &NetworkRule{Header: h}
	var ok bool
	if r.Perms, ok = p.perms(modeNetwork); !ok {
		return nil
	}
	if r.Perms != 0 {
		r.Since = later(r.Since, "4.0")
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
		r.Since = later(r.Since, "4.0")
		if r.Family != "" && r.Family != "inet" && r.Family != "inet6" {
			p.errorf(p.at(at), "bad-condition", "only the families inet and inet6 take addresses")
		}
	}
	if len(peer) > 0 && r.Perms&^peerPerms != 0 {
		p.errorf(p.at(at), "bad-condition", "%s cannot be used with peer conditions", (r.Perms &^ peerPerms).Words())
	}
	return r
}

// peerPerms are the socket permissions that have a peer.
const peerPerms = Accept | Connect | Send | Receive

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
	}
}

// mountRule reads mount [CONDITIONS] [SOURCE] [-> TARGET], remount and umount.
func (p *parser) mountRule(h Header) Rule {
	op := p.advance().value
	if op == "unmount" {
		op = "umount"
	}
	r := &MountRule{Header: h, Op: op}
	conds, ok := p.conds()
	if !ok {
		return nil
	}
	p.mountConds(r, conds)
	if p.tok.kind == tokID {
		r.Source = p.pattern(p.advance())
	}
	if op != "mount" {
		r.Source, r.Target = nil, r.Source
		return r
	}
	if !p.accept(tokArrow) {
		return r
	}
	if p.tok.kind == tokCond {
		p.errorf(p.at(p.tok), "bad-condition", "conditions of a mount rule stand before its source")
		p.failed = true
		return nil
	}
	t := p.tok
	if !p.expect(tokID, "a mount point after ->") {
		return nil
	}
	r.Target = p.pattern(t)
	return r
}

func (p *parser) mountConds(r *MountRule, conds []cond) {
	for _, c := range conds {
		mc := MountCond{In: c.in}
		for _, v := range c.values {
			mc.Values = append(mc.Values, v.Source)
		}
		switch c.name {
		case "fstype", "vfstype":
			r.Fstype = append(r.Fstype, mc)
		case "options", "option":
			r.Options = append(r.Options, mc)
			p.mountOptions(c)
		default:
			p.errorf(c.at, "bad-condition", "unknown condition %q in a %s rule; expected fstype or options", c.name, r.Op)
		}
	}
}

// mountOptions reports the options that do not exist.
func (p *parser) mountOptions(c cond) {
	for _, v := range c.values {
		_, sets := mountFlags[v.Source]
		_, clears := clearedFlags[v.Source]
		if !sets && !clears {
			p.errorf(v.At, "unknown-option", "unknown mount option %q%s", v.Source,
				closest(v.Source, slices.Concat(keys(mountFlags), keys(clearedFlags))))
		}
	}
}

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

// permsAndConds reads [PERMS] [CONDITIONS]; no permissions mean all.
func (p *parser) permsAndConds(m mode, perms *Perms, all Perms) ([]cond, bool) {
	var ok bool
	if *perms, ok = p.perms(m); !ok {
		return nil, false
	}
	if *perms == 0 {
		*perms = all
	}
	return p.conds()
}

// signalRule reads signal [PERMS] [set=SIGNALS] [peer=LABEL].
func (p *parser) signalRule(h Header) Rule {
	p.advance()
	r := &SignalRule{Header: h}
	conds, ok := p.permsAndConds(modeSignal, &r.Perms, SignalPerms)
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

// unixRule reads unix [PERMS] [CONDITIONS] [peer=(CONDITIONS)].
func (p *parser) unixRule(h Header) Rule {
	at := p.advance()
	r := &UnixRule{Header: h}
	conds, ok := p.permsAndConds(modeUnix, &r.Perms, UnixPerms)
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

// dbusRule reads dbus [PERMS] [CONDITIONS] [peer=(CONDITIONS)].
func (p *parser) dbusRule(h Header) Rule {
	at := p.advance()
	r := &DBusRule{Header: h}
	conds, ok := p.permsAndConds(modeDBus, &r.Perms, 0)
	if !ok {
		return nil
	}
	peer, ok := p.peer()
	if !ok {
		return nil
	}
	p.fields(conds, "dbus", map[string]**Pattern{"bus": &r.Bus, "path": &r.Path,
		"interface": &r.Interface, "member": &r.Member, "name": &r.Name})
	p.fields(peer, "dbus peer", map[string]**Pattern{"name": &r.PeerName, "label": &r.PeerLabel})
	message := r.Path != nil || r.Interface != nil || r.Member != nil || r.PeerName != nil || r.PeerLabel != nil
	service := r.Name != nil
	problem := ""
	switch {
	case message && service:
		problem = "name= of a service cannot stand with the conditions of messages"
	case r.Perms == 0 && message:
		r.Perms = Send | Receive
	case r.Perms == 0 && service:
		r.Perms = Bind
	case r.Perms == 0:
		r.Perms = DBusPerms
	case message && r.Perms&Bind != 0:
		problem = "bind cannot be used with path, interface, member or peer"
	case service && r.Perms&(Send|Receive) != 0:
		problem = "send and receive cannot be used with name="
	case r.Perms&Eavesdrop != 0 && (message || service):
		problem = "eavesdrop can only be used with bus="
	}
	if problem != "" {
		p.errorf(p.loc(at.start, p.last), "bad-condition", "%s", problem)
	}
	return r
}

// usernsRule reads userns [create].
func (p *parser) usernsRule(h Header) Rule {
	p.advance()
	p.word("create")
	h.Since = later(h.Since, "4.0")
	return &UsernsRule{Header: h, Perms: UsernsPerms}
}

// mqueueRule reads mqueue [PERMS] [type=TYPE] [label=LABEL] [NAME].
func (p *parser) mqueueRule(h Header) Rule {
	at := p.advance()
	h.Since = later(h.Since, "4.0")
	r := &MqueueRule{Header: h}
	conds, ok := p.permsAndConds(modeMqueue, &r.Perms, MqueuePerms)
	if !ok {
		return nil
	}
	var typ *Pattern
	p.fields(conds, "mqueue", map[string]**Pattern{"type": &typ, "label": &r.Label})
	if typ != nil {
		if r.Type = typ.Source; r.Type != "posix" && r.Type != "sysv" {
			p.errorf(typ.At, "unknown-type", "unknown type %q; expected posix or sysv", r.Type)
		}
	}
	if p.tok.kind == tokID {
		r.Name = p.pattern(p.advance())
		p.mqueueName(r)
	}
	if r.Type == "sysv" && r.Perms&Open != 0 && r.Perms != MqueuePerms {
		p.errorf(p.at(at), "bad-condition", "a System V queue is not opened")
	}
	return r
}

func (p *parser) mqueueName(r *MqueueRule) {
	name := r.Name.Source
	digits := strings.Trim(name, "0123456789") == ""
	switch {
	case strings.HasPrefix(name, "/") && r.Type != "sysv":
		r.Type = "posix"
	case digits && r.Type != "posix":
		r.Type = "sysv"
	default:
		p.errorf(r.Name.At, "bad-name", "a POSIX message queue is named /NAME, a System V queue by a number: %q", name)
	}
}

// ioUringRule reads io_uring [PERMS] [label=LABEL].
func (p *parser) ioUringRule(h Header) Rule {
	p.advance()
	h.Since = later(h.Since, "4.0")
	r := &IOUringRule{Header: h}
	if p.tok.kind == tokID && permNames[modeInitial][p.tok.value] != 0 {
		p.tok.kind = tokKeyword
	}
	conds, ok := p.permsAndConds(modeInitial, &r.Perms, IOUringPerms)
	if !ok {
		return nil
	}
	p.fields(conds, "io_uring", map[string]**Pattern{"label": &r.Label})
	return r
}
