package seccomp

import (
	"slices"
	"strconv"
	"strings"

	"github.com/whydenied/whydenied/rules"
)

// A restriction is a setting of a unit, other than SystemCallFilter=, that systemd makes a
// filter of: src/core/exec-invoke.c and src/shared/seccomp-util.c of systemd 257.
// RestrictSUIDSGID= is read of chmod alone.
type restriction struct {
	key    string
	refuse func(r *unitReader, given [][]unitWord) // each what one assignment has, at least one
}

var restrictions = []restriction{
	{"RestrictNamespaces", (*unitReader).namespaces},
	{"RestrictAddressFamilies", (*unitReader).families},
	{"LockPersonality", ifSet(func(r *unitReader, at rules.Span) {
		r.when(at, "personality", "1", []node{compares(0, "SCMP_CMP_NE", 0, 0)}, [][]node{{compares(0, "SCMP_CMP_EQ", 0, 0)}})
	})},
	{"MemoryDenyWriteExecute", ifSet(func(r *unitReader, at rules.Span) {
		const write, exec = 2, 4 // PROT_WRITE, PROT_EXEC
		for _, call := range []string{"mmap", "mmap2"} {
			r.when(at, call, "1", []node{has(2, write|exec)}, [][]node{{masked(2, write|exec, 0)}, {masked(2, write|exec, write)}, {masked(2, write|exec, exec)}})
		}
		for _, call := range []string{"mprotect", "pkey_mprotect"} {
			r.when(at, call, "1", []node{has(2, exec)}, [][]node{{masked(2, exec, 0)}})
		}
		r.when(at, "shmat", "1", []node{has(2, 0x8000)}, [][]node{{masked(2, 0x8000, 0)}}) // SHM_EXEC
	})},
	{"RestrictRealtime", ifSet(func(r *unitReader, at rules.Span) {
		const fifo, roundRobin, deadline = 1, 2, 6
		for _, policy := range []uint64{fifo, roundRobin, deadline} {
			r.add(at, "sched_setscheduler", "1", compares(1, "SCMP_CMP_EQ", policy, 0))
		}
		r.allowed(at, "sched_setscheduler", [][]node{{compares(1, "SCMP_CMP_EQ", 0, 0)}, {compares(1, "SCMP_CMP_EQ", 3, 0)}, {compares(1, "SCMP_CMP_EQ", 5, 0)}})
	})},
	{"RestrictSUIDSGID", ifSet(func(r *unitReader, at rules.Span) {
		for i, call := range []string{"chmod", "fchmod", "fchmodat", "fchmodat2"} {
			mode := 1 + i/2 // the argument
			r.add(at, call, "1", has(mode, 0o4000))
			r.add(at, call, "1", has(mode, 0o2000))
			r.allowed(at, call, [][]node{{masked(mode, 0o6000, 0)}})
		}
	})},
	{"ProtectHostname", ifSet(refusing("sethostname", "setdomainname"))},
	{"ProtectClock", ifSet(refusing("@clock"))},
	{"ProtectKernelLogs", ifSet(refusing("syslog"))},
	{"ProtectKernelModules", ifSet(refusing("@module"))},
	{"ProtectKernelTunables", ifSet(refusing("_sysctl"))},
	{"PrivateDevices", ifSet(refusing("@raw-io"))},
}

// ifSet is a restriction that is on or off.
func ifSet(refuse func(*unitReader, rules.Span)) func(*unitReader, [][]unitWord) {
	return func(r *unitReader, given [][]unitWord) {
		if last := given[len(given)-1][0]; isYes(last.text) {
			refuse(r, last.at)
		}
	}
}

// isYes is parse_boolean() of systemd.
func isYes(s string) bool {
	return slices.Contains([]string{"1", "yes", "y", "true", "t", "on", "private"}, strings.ToLower(s))
}

// isNo is the other half of it.
func isNo(s string) bool {
	return slices.Contains([]string{"0", "no", "n", "false", "f", "off"}, strings.ToLower(s))
}

// refusing refuses calls and groups of them with EPERM, whatever their arguments are.
func refusing(names ...string) func(*unitReader, rules.Span) {
	return func(r *unitReader, at rules.Span) {
		for _, name := range names {
			for _, call := range callsOf(name) {
				r.add(at, call, "1")
			}
		}
	}
}

// add refuses a call with an error where its arguments are so.
func (r *unitReader) add(at rules.Span, call, errno string, args ...node) {
	r.refused[call] = true
	if _, listed := r.filter[call]; r.set && listed != r.allow {
		return // SystemCallFilter= refuses it whatever the arguments are
	}
	r.entries = append(r.entries, entryOf([]string{call}, at, "SCMP_ACT_ERRNO", errno, args...))
}

// allowed keeps in a list of what is allowed what a restriction leaves of a call.
func (r *unitReader) allowed(at rules.Span, call string, cases [][]node) {
	if _, listed := r.filter[call]; !r.set || !r.allow || !listed {
		return
	}
	for _, args := range cases {
		r.entries = append(r.entries, entryOf([]string{call}, at, "SCMP_ACT_ALLOW", "", args...))
	}
}

// when is add and allowed for one case that is refused.
func (r *unitReader) when(at rules.Span, call, errno string, args []node, cases [][]node) {
	r.add(at, call, errno, args...)
	r.allowed(at, call, cases)
}

// unitNamespaces are the namespaces that RestrictNamespaces= names (namespace_info[] of
// src/basic/namespace-util.c).
var unitNamespaces = []struct {
	name string
	flag uint64
}{{"cgroup", 0x02000000}, {"ipc", 0x08000000}, {"net", 0x40000000}, {"mnt", 0x20000}, {"pid", 0x20000000}, {"user", 0x10000000}, {"uts", 0x04000000}, {"time", 0x80}}

// spanOf is from the first word of an assignment to the last.
func spanOf(words []unitWord) rules.Span {
	return rules.Span{Start: words[0].at.Start, End: words[len(words)-1].at.End}
}

// namespacesLeft are the flags that assignments leave: config_parse_restrict_namespaces().
func namespacesLeft(given [][]unitWord) uint64 {
	const initial = ^uint64(0)
	left := initial
	for _, words := range given {
		first, inverted := strings.CutPrefix(words[0].text, "~")
		named := uint64(0)
		for _, n := range unitNamespaces {
			if n.name == first || slices.ContainsFunc(words[1:], func(w unitWord) bool { return w.text == n.name }) {
				named |= n.flag
			}
		}
		switch {
		case len(words) == 1 && isYes(first):
			left = 0
		case len(words) == 1 && isNo(first):
			left = initial
		case inverted:
			left &^= named
		case left == initial:
			left = named
		default:
			left |= named
		}
	}
	return left
}

// namespaces refuses what makes or enters namespaces: seccomp_restrict_namespaces().
func (r *unitReader) namespaces(given [][]unitWord) {
	at, refused := spanOf(given[len(given)-1]), ^namespacesLeft(given)
	all := uint64(0)
	for _, n := range unitNamespaces {
		if refused&n.flag == 0 {
			continue
		}
		all |= n.flag
		r.add(at, "unshare", "1", has(0, n.flag))
		if n.name != "time" { // of which the flag is part of clone's signal
			r.add(at, "clone", "1", has(0, n.flag))
		}
		r.add(at, "setns", "1", has(1, n.flag))
	}
	if all == 0 {
		return
	}
	r.add(at, "setns", "1", compares(1, "SCMP_CMP_EQ", 0, 0))
	r.add(at, "clone3", strconv.Itoa(enosys))
	r.allowed(at, "unshare", [][]node{{masked(0, all, 0)}})
	r.allowed(at, "clone", [][]node{{masked(0, all&^0x80, 0)}})
}

// families refuses sockets of families that RestrictAddressFamilies= does not name, or of
// those behind a tilde: seccomp_restrict_address_families(). The first assignment says which
// of the two the list is.
func (r *unitReader) families(given [][]unitWord) {
	const unsupported = "97" // EAFNOSUPPORT
	at := spanOf(given[len(given)-1])
	named := map[string]bool{}
	refuses := strings.HasPrefix(given[0][0].text, "~")
	for _, words := range given {
		_, inverted := strings.CutPrefix(words[0].text, "~")
		for i, w := range words {
			name := w.text
			if i == 0 {
				name = strings.TrimPrefix(name, "~")
			}
			if inverted == refuses && name != "" {
				named[name] = true
			} else {
				delete(named, name)
			}
		}
	}
	if refuses && len(named) == 0 { // systemctl show has "~" where there is no restriction
		return
	}
	var left [][]node
	for number, family := range addressFamilies {
		is := compares(0, "SCMP_CMP_EQ", uint64(number), 0)
		if named[family] != refuses {
			left = append(left, []node{is})
			continue
		}
		r.add(at, "socket", unsupported, is)
	}
	r.add(at, "socket", unsupported, compares(0, "SCMP_CMP_GE", uint64(len(addressFamilies)), 0))
	r.allowed(at, "socket", left)
}

// addressFamilies are their names by number: include/linux/socket.h of Linux 6.12.
var addressFamilies = strings.Fields("AF_UNSPEC AF_UNIX AF_INET AF_AX25 AF_IPX AF_APPLETALK AF_NETROM AF_BRIDGE AF_ATMPVC AF_X25 AF_INET6 AF_ROSE AF_DECnet AF_NETBEUI AF_SECURITY AF_KEY " +
	"AF_NETLINK AF_PACKET AF_ASH AF_ECONET AF_ATMSVC AF_RDS AF_SNA AF_IRDA AF_PPPOX AF_WANPIPE AF_LLC AF_IB AF_MPLS AF_CAN AF_TIPC AF_BLUETOOTH AF_IUCV AF_RXRPC AF_ISDN AF_PHONET " +
	"AF_IEEE802154 AF_CAIF AF_ALG AF_NFC AF_VSOCK AF_KCM AF_QIPCRTR AF_SMC AF_XDP AF_MCTP")

// compares is a condition on an argument.
func compares(index int, op string, value, valueTwo uint64) node {
	n := node{kind: object}
	n.set("index", node{kind: number, value: strconv.Itoa(index)})
	n.set("value", node{kind: number, value: strconv.FormatUint(value, 10)})
	n.set("valueTwo", node{kind: number, value: strconv.FormatUint(valueTwo, 10)})
	n.set("op", textNode(op, rules.Span{}))
	return n
}

// masked is the condition that an argument has a value under a mask.
func masked(index int, mask, value uint64) node {
	return compares(index, "SCMP_CMP_MASKED_EQ", mask, value)
}

// has is the condition that an argument has all bits of some.
func has(index int, bits uint64) node { return masked(index, bits, bits) }

// DropIn returns the setting that a drop-in of a unit needs for a call that the unit's
// setting of a key refuses: a line; "" if that is not known.
func DropIn(key string, call Call) string {
	switch key {
	case "SystemCallFilter":
		return key + "=" + call.Name
	case "RestrictNamespaces":
		if len(call.Args) == 0 || call.Name == "setns" {
			return ""
		}
		var names []string
		for _, n := range unitNamespaces {
			if call.Args[0]&n.flag != 0 && (n.name != "time" || call.Name == "unshare") {
				names = append(names, n.name)
			}
		}
		if names == nil {
			return ""
		}
		return key + "=" + strings.Join(names, " ")
	case "RestrictAddressFamilies":
		if len(call.Args) == 0 || call.Args[0] >= uint64(len(addressFamilies)) {
			return ""
		}
		return key + "=" + addressFamilies[call.Args[0]]
	}
	return key + "=no"
}
