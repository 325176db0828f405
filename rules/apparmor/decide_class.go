package apparmor

import (
	"slices"
	"strconv"
	"strings"
)

// answer returns the permissions that a rule gives or takes, and what keeps it
// from matching the request. A rule of another class answers 0.
func answer(r Rule, req Request) (perms Perms, diff []string) {
	switch req := req.(type) {
	case CapabilityRequest:
		if r, ok := r.(*CapabilityRule); ok {
			return Access, compareAll(field{"capability", len(r.Names) == 0 || slices.Contains(r.Names, req.Name)})
		}
	case NetworkRequest:
		return answerNetwork(r, req)
	case MountRequest:
		if r, ok := r.(*MountRule); ok {
			return Access, mountDiff(r, req)
		}
	case PivotRootRequest:
		if r, ok := r.(*PivotRootRule); ok {
			return Access, compareAll(
				field{"new root", r.NewRoot.Match(req.NewRoot)},
				field{"old root", r.OldRoot.Match(req.OldRoot)})
		}
	case PtraceRequest:
		if r, ok := r.(*PtraceRule); ok {
			return r.Perms, compareAll(field{"peer", r.Peer.Match(req.Peer)})
		}
	case SignalRequest:
		if r, ok := r.(*SignalRule); ok {
			return r.Perms, compareAll(
				field{"signal", len(r.Signals) == 0 || slices.Contains(r.Signals, req.Signal)},
				field{"peer", r.Peer.Match(req.Peer)})
		}
	case UnixRequest:
		return answerUnix(r, req)
	case DBusRequest:
		if r, ok := r.(*DBusRule); ok {
			return r.Perms, dbusDiff(r, req)
		}
	case ChangeProfileRequest:
		if r, ok := r.(*ChangeProfileRule); ok { // of Near alone; see decideChangeProfile
			return Access, compareAll(
				field{"program", req.OnExec == "" || programOf(r).Match(req.OnExec)},
				field{"target profile", r.Target.Match(profileKey(req))})
		}
	case UsernsRequest:
		if _, ok := r.(*UsernsRule); ok {
			return UsernsPerms, nil
		}
	case MqueueRequest:
		if r, ok := r.(*MqueueRule); ok {
			return r.Perms, compareAll(
				field{"type", r.Type == "" || r.Type == req.Type},
				field{"name", r.Name.Match(req.Name)},
				field{"label", r.Label.Match(req.Label)})
		}
	case IOUringRequest:
		if r, ok := r.(*IOUringRule); ok {
			return r.Perms, compareAll(field{"label", r.Label.Match(req.Label)})
		}
	}
	return 0, nil
}

// A field is one condition of a rule, and whether the request meets it.
type field struct {
	name  string
	match bool
}

// compareAll returns the names of the fields that do not match.
func compareAll(fields ...field) (diff []string) {
	for _, f := range fields {
		if !f.match {
			diff = append(diff, f.name)
		}
	}
	return diff
}

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

// familyTypes are the types that a network rule with a family alone covers. The
// bare rule network, covers every type, dccp among them.
var familyTypes = []string{"stream", "dgram", "raw", "rdm", "seqpacket", "packet"}

// answerNetwork answers for network rules. The kernel checks family and type; a
// protocol in the rule stands for a type. Unix rules count as well: on kernels
// without unix mediation apparmor_parser makes allow rules of that class into
// network rules of their type, and leaves deny rules out.
func answerNetwork(r Rule, req NetworkRequest) (Perms, []string) {
	switch r := r.(type) {
	case *NetworkRule:
		perms := r.Perms
		if perms == 0 {
			perms = NetworkPerms
		}
		return perms, networkDiff(r, req)
	case *UnixRule:
		if req.Family == "unix" && !r.Deny {
			return NetworkPerms, compareAll(field{"type", len(r.Type) == 0 || slices.Contains(r.Type, req.Type)})
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
	} else if r.Family != "" && r.Type == "" {
		typ = slices.Contains(familyTypes, req.Type)
	}
	return compareAll(
		field{"family", family},
		field{"type", typ},
		field{"local address", matchAddr(r.Local, req.IP, req.Port)},
		field{"peer address", matchAddr(r.Peer, req.PeerIP, req.PeerPort)})
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

// unixLocal and unixPeer are the permissions on the socket itself and on the
// pair of sockets: af_unix.cc of apparmor_parser.
const (
	unixLocal = Create | Bind | Listen | Shutdown | GetAttr | SetAttr | GetOpt | SetOpt
	unixPeer  = Send | Receive | Connect | Accept
)

// answerUnix answers for unix rules, and for the network rules of the family
// unix, which mean the same as a unix rule of their type.
func answerUnix(r Rule, req UnixRequest) (Perms, []string) {
	switch r := r.(type) {
	case *NetworkRule:
		if r.Family != "" && r.Family != "unix" || r.Protocol != "" {
			return 0, nil
		}
		return UnixPerms, compareAll(field{"type", r.Type == "" || r.Type == req.Type})
	case *UnixRule:
		perms := r.Perms
		unnamed := req.Perms == Bind && req.Addr == "" // the kernel is to pick an address
		if (r.PeerAddr != nil || r.PeerLabel != nil) && !unnamed {
			perms &= unixPeer
		}
		if req.Perms == Bind && !unnamed && r.Addr != nil && r.Addr.Source == "auto" {
			perms &^= Bind // of an address that looks picked, but is the task's choice
		}
		fields := []field{{"type", len(r.Type) == 0 || slices.Contains(r.Type, req.Type)}}
		if req.Perms != Create { // the socket has no address yet
			fields = append(fields,
				field{"address", matchUnixAddr(r.Addr, req.Addr)},
				field{"label", r.Label.Match(req.Label)})
		}
		if req.Perms&unixPeer != 0 {
			fields = append(fields,
				field{"peer address", matchUnixAddr(r.PeerAddr, req.PeerAddr)},
				field{"peer label", r.PeerLabel.Match(req.PeerLabel)})
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

func dbusDiff(r *DBusRule, req DBusRequest) []string {
	bus := field{"bus", r.Bus.Match(req.Bus)}
	switch {
	case req.Perms&Eavesdrop != 0:
		return compareAll(bus)
	case req.Perms&Bind != 0:
		return compareAll(bus, field{"name", r.Name.Match(req.Name)})
	}
	return compareAll(bus,
		field{"path", r.Path.Match(req.Path)},
		field{"interface", r.Interface.Match(req.Interface)},
		field{"member", r.Member.Match(req.Member)},
		field{"peer name", r.PeerName.Match(req.Name)},
		field{"peer label", r.PeerLabel.Match(req.PeerLabel)})
}

// decideRlimit decides on setrlimit(2): profile_setrlimit() in
// security/apparmor/resource.c. Only a limit above the one that the profile sets
// is refused; there is nothing to grant.
func (p *Profile) decideRlimit(r RlimitRequest, d *Decision) {
	d.Granted, d.Permitted = Access, true
	for _, rule := range p.Rules {
		limit, ok := rule.(*RlimitRule)
		if !ok || rlimitName(limit.Name) != rlimitName(r.Name) {
			continue
		}
		highest, ok := rlimitValue(limit)
		if !ok {
			d.Notes = append(d.Notes, "the value "+limit.Value+" of the rule is not readable")
			continue
		}
		if r.Value <= highest {
			d.Allow = append(d.Allow, rule)
			continue
		}
		d.Granted, d.Unmatched, d.Permitted = 0, Access, p.HasFlag("complain")
		d.Notes = append(d.Notes, "the rule limits "+limit.Name+" to "+limit.Value)
		d.Deny = append(d.Deny, rule)
	}
}

// rlimitName folds the two names of RLIMIT_NOFILE.
func rlimitName(name string) string {
	if name == "ofile" {
		return "nofile"
	}
	return name
}

// rlimitValue returns the limit of a rule in the unit of setrlimit(2): bytes,
// seconds of cpu, microseconds of rttime, or a number. For nice, setrlimit takes 20
// less the nice value; what apparmor_parser (3.0.8) compiles is 20 more, and the
// kernel compares the two.
func rlimitValue(r *RlimitRule) (uint64, bool) {
	if r.Value == "infinity" {
		return ^uint64(0), true
	}
	end := strings.LastIndexAny(r.Value, "0123456789") + 1
	n, err := strconv.ParseInt(r.Value[:end], 10, 64)
	if err != nil {
		return 0, false
	}
	unit := strings.TrimSpace(r.Value[end:])
	switch kind := rlimitKinds[r.Name]; {
	case kind == "nice":
		return uint64(20 + n), n >= -20 && n < 20
	case n < 0:
		return 0, false
	case kind == "bytes" && unit != "":
		shift, ok := map[byte]uint{'K': 10, 'M': 20, 'G': 30}[unit[0]]
		return uint64(n) << shift, ok
	case unit == "":
		return uint64(n), true
	case kind == "seconds":
		return uint64(n*timeUnits[unit]) / 1e6, timeUnits[unit] != 0
	case kind == "microseconds":
		return uint64(n * timeUnits[unit]), timeUnits[unit] != 0
	}
	return uint64(n), true
}
