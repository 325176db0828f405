package binary

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/whydenied/whydenied/rules/apparmor"
)

// The classes of the policy automaton: security/apparmor/include/apparmor.h.
const (
	classCap      = 3
	classSocket   = 4 // that sockets of AF_UNIX are told apart, which Ubuntu's kernels do
	classMount    = 7
	classPtrace   = 9
	classSignal   = 10
	classNet      = 14
	classNetV9    = 15
	classLabel    = 16
	classPosix    = 17
	classSysv     = 18
	classUserns   = 21
	classIOUring  = 22
	classDBus     = 32
	unixAnonymous = "\x01"
	unixPeer      = "\x01"
	unixListen    = "\x02"
	unixOption    = "\x04"
)

// answer is the permissions of a request.
func (p *Profile) answer(req apparmor.Request) apparmor.Answer {
	switch q := req.(type) {
	case apparmor.FileRequest:
		return p.fileAnswer(q)
	case apparmor.CapabilityRequest:
		return p.capability(q)
	case apparmor.NetworkRequest:
		return p.network(q)
	case apparmor.UnixRequest:
		return p.unix(q)
	case apparmor.MountRequest:
		return p.mount(q)
	case apparmor.PivotRootRequest:
		return p.class(classMount, "mount", q.NewRoot+"\x00"+q.OldRoot, pivotMap)
	case apparmor.PtraceRequest:
		return p.peer(classPtrace, "ptrace", string([]byte{classLabel, classPtrace}), q.Peer, ptraceMap, q.Perms)
	case apparmor.SignalRequest:
		return p.signal(q)
	case apparmor.DBusRequest:
		return p.dbus(q)
	case apparmor.ChangeProfileRequest:
		return p.changeProfile(q)
	case apparmor.UsernsRequest:
		return p.class(classUserns, "userns", "", usernsMap)
	case apparmor.MqueueRequest:
		return p.mqueue(q)
	case apparmor.IOUringRequest:
		return p.ioUring(q)
	case apparmor.RlimitRequest:
		return p.rlimit(q)
	}
	return undecided("compiled policy is not asked about " + apparmor.ClassOf(req))
}

// undecided is an answer that grants nothing, and says why.
func undecided(note string) apparmor.Answer { return apparmor.Answer{Notes: []string{note}} }

// mediates reports whether the policy decides on a class: RULE_MEDIATES().
func (p *Profile) mediates(class byte) bool { return p.policy.match(string([]byte{class})) != 0 }

// leave is the answer of a class that the policy does not decide on.
func (p *Profile) leave(class string) apparmor.Answer {
	return apparmor.Answer{Allow: ^apparmor.Perms(0), Notes: []string{
		"the loaded policy was compiled without " + class + " rules, so the kernel does not ask it"}}
}

// at returns the permissions for a key of the policy automaton.
func (p *Profile) at(key string) perms { return p.policy.classPerms(p.policy.match(key), p.ABI) }

// class answers for a class that has one key.
func (p *Profile) class(class byte, name, key string, table []permBit) apparmor.Answer {
	if !p.mediates(class) {
		return p.leave(name)
	}
	return p.at(string([]byte{class}) + key).answer(table)
}

// peer answers for a label, of which all or each part must be allowed:
// aa_label_match() of label.c. Before its mend in 2026 the kernel refused a stack
// a//&b of which a rule allows the parts alone.
func (p *Profile) peer(class byte, name, prefix, label string, table []permBit, want apparmor.Perms) apparmor.Answer {
	if !p.mediates(class) {
		return p.leave(name)
	}
	whole := p.at(prefix + label).answer(table)
	if want&^whole.Allow == 0 || !strings.Contains(label, "//&") {
		return whole
	}
	all := apparmor.Answer{Allow: ^apparmor.Perms(0), Quiet: ^apparmor.Perms(0)}
	for part := range strings.SplitSeq(label, "//&") { // aa_perms_accum()
		a := p.at(prefix + part).answer(table)
		all.Quiet &= a.Quiet &^ a.Allow
		all.Audit |= a.Audit & a.Allow
		all.Allow &= a.Allow
	}
	return all
}

func (p *Profile) capability(q apparmor.CapabilityRequest) apparmor.Answer {
	n := slices.Index(apparmor.Capabilities(), q.Name)
	if n < 0 {
		return undecided(fmt.Sprintf("there is no capability %q", q.Name))
	}
	sets := p.Capabilities
	if p.mediates(classCap) { // profile_capable() of capability.c, Linux 6.17
		found := p.at(string([]byte{classCap, byte(n >> 5)}))
		sets = Capabilities{uint64(found.allow) << (n &^ 31), uint64(found.audit) << (n &^ 31), uint64(found.quiet) << (n &^ 31)}
	}
	bit := func(set uint64) apparmor.Perms {
		if set>>n&1 != 0 {
			return apparmor.Access
		}
		return 0
	}
	return apparmor.Answer{Allow: bit(sets.Allow), Audit: bit(sets.Audit), Quiet: bit(sets.Quiet)}
}

// socketTypes are the numbers of types: enum sock_type of linux/net.h.
var socketTypes = map[string]uint16{"stream": 1, "dgram": 2, "raw": 3, "rdm": 4, "seqpacket": 5, "dccp": 6, "packet": 10}

func be16(n uint16) string { return string(binary.BigEndian.AppendUint16(nil, n)) }

// network answers as aa_profile_af_perm() of net.c. Conditions on addresses are in
// no mainline kernel up to 7.2.
func (p *Profile) network(q apparmor.NetworkRequest) apparmor.Answer {
	class := byte(classNetV9)
	if !p.mediates(class) {
		class = classNet
	}
	if !p.mediates(class) {
		return p.leave("network")
	}
	family, ok := apparmor.FamilyNumber(q.Family)
	typ, known := socketTypes[q.Type]
	if !ok || !known {
		return undecided(fmt.Sprintf("there is no socket of family %q and type %q", q.Family, q.Type))
	}
	key := string([]byte{class}) + be16(uint16(family)) + be16(typ)
	found := p.at(key)
	if answer := found.answer(netMap); found.allow&bitContinue == 0 || apparmor.Wanted(q)&^answer.Allow == 0 { // early_match()
		return answer
	}
	return p.at(key + be16(0)).answer(netMap)
}

// unix answers as af_unix.c of Linux 6.17, and where policy is compiled for an older
// kernel as Ubuntu's do, whose key is the same but for its class. Mainline kernels
// before 6.17 ask about family and type alone, as policy for them does.
func (p *Profile) unix(q apparmor.UnixRequest) apparmor.Answer {
	class := byte(classNetV9)
	if !p.mediates(class) {
		if !p.mediates(classSocket) {
			return p.network(apparmor.NetworkRequest{Family: "unix", Type: q.Type})
		}
		class = classNet
		if !p.mediates(class) {
			class = classSocket
		}
	}
	key := string([]byte{class}) + be16(1) + be16(socketTypes[q.Type]) + be16(0)
	local := key + unixAddress(q.Addr) + "\x00"
	// The label of the own socket is no part of what mainline kernels match.
	if class != classNetV9 {
		local += q.Label
	}
	local += "\x00"
	answer := p.at(local).answer(netMap)
	part := func(key string, perms apparmor.Perms) {
		a := p.at(key).answer(netMap)
		answer.Allow = answer.Allow&^perms | a.Allow&perms
		answer.Quiet = answer.Quiet&^perms | a.Quiet&perms
		answer.Audit = answer.Audit&^perms | a.Audit&perms
	}
	part(key, apparmor.Create)
	part(local+unixListen+"\x00\x05", apparmor.Listen)
	part(local+unixOption+"\x00\x00", apparmor.SetOpt|apparmor.GetOpt)
	// Accept is asked of the own socket by Linux 6.17, of the pair by Ubuntu's.
	pair := apparmor.Send | apparmor.Receive | apparmor.Connect
	if class != classNetV9 {
		pair |= apparmor.Accept
	}
	part(local+unixPeer+unixAddress(q.PeerAddr)+"\x00"+q.PeerLabel, pair)
	return answer
}

// unixAddress is an address as the kernel matches it: match_addr() of af_unix.c.
func unixAddress(addr string) string {
	if addr == "none" {
		return unixAnonymous
	}
	if name, ok := strings.CutPrefix(addr, "@"); ok {
		return "\x00" + name
	}
	return addr
}

// mount answers as do_match_mnt() and match_mnt() of mount.c.
func (p *Profile) mount(q apparmor.MountRequest) apparmor.Answer {
	if q.Op == "umount" {
		return p.class(classMount, "mount", q.Target, umountMap)
	}
	flags, source, fstype := q.Mount()
	key := q.Target + "\x00" + source + "\x00" + fstype + "\x00"
	for bit := range 32 {
		if flags&(1<<bit) != 0 {
			key += string([]byte{byte(bit + 1)})
		}
	}
	found := p.at(string([]byte{classMount}) + key)
	if found.allow&bitWrite == 0 && found.allow&mountOnward != 0 && q.Data != "" {
		key += "\x00" + q.Data
	}
	return p.class(classMount, "mount", key, mountMap)
}

// signals are the numbers of signals in policy, include/sig_names.h: those of
// x86, and beside them what x86 has no number for.
var signals = map[string]byte{
	"hup": 1, "int": 2, "quit": 3, "ill": 4, "trap": 5, "abrt": 6, "bus": 7, "fpe": 8, "kill": 9, "usr1": 10, "segv": 11, "usr2": 12,
	"pipe": 13, "alrm": 14, "term": 15, "stkflt": 16, "chld": 17, "cont": 18, "stop": 19, "stp": 20, "tstp": 20, "ttin": 21, "ttou": 22,
	"urg": 23, "xcpu": 24, "xfsz": 25, "vtalrm": 26, "prof": 27, "winch": 28, "io": 29, "poll": 29, "pwr": 30, "sys": 31, "emt": 32, "lost": 33,
	"exists": 35,
}

const firstRealTime = 128 // of rtmin+0: SIGRT_BASE

func (p *Profile) signal(q apparmor.SignalRequest) apparmor.Answer {
	n, ok := signals[q.Signal]
	if number, real := strings.CutPrefix(q.Signal, "rtmin+"); real {
		i, err := strconv.ParseUint(number, 10, 5+1)
		n, ok = firstRealTime+byte(i), err == nil && i <= 32
	}
	if !ok {
		return undecided(fmt.Sprintf("there is no signal %q", q.Signal))
	}
	return p.peer(classSignal, "signal", string([]byte{classSignal, n}), q.Peer, signalMap, q.Perms)
}

// dbus answers as the bus daemon asks the kernel: aa_query_label() of libapparmor.
func (p *Profile) dbus(q apparmor.DBusRequest) apparmor.Answer {
	key := q.Bus
	switch q.Perms {
	case apparmor.Bind:
		key += "\x00" + q.Name
	case apparmor.Send, apparmor.Receive:
		key += "\x00" + strings.Join([]string{q.Name, q.PeerLabel, q.Path, q.Interface, q.Member}, "\x00")
	}
	return p.class(classDBus, "dbus", key, dbusMap)
}

// mqueue answers as aa_profile_mqueue_perm() of Ubuntu's ipc.c: the name alone, and
// where that is not enough, with the queue's label.
func (p *Profile) mqueue(q apparmor.MqueueRequest) apparmor.Answer {
	class, key := byte(classPosix), q.Name
	if q.Type == "sysv" {
		n, err := strconv.ParseUint(q.Name, 10, 32)
		if err != nil {
			return undecided(fmt.Sprintf("%q is no key of a System V queue", q.Name))
		}
		class, key = classSysv, string(binary.BigEndian.AppendUint32(nil, uint32(n)))
	}
	named := p.class(class, "mqueue", key, mqueueMap)
	if q.Perms&^named.Allow == 0 {
		return named
	}
	return p.class(class, "mqueue", key+"\x00"+q.Label, mqueueMap)
}

// ioUring answers as profile_uring() of lsm.c: SQPOLL has no label, and
// override_creds that of the credentials.
func (p *Profile) ioUring(q apparmor.IOUringRequest) apparmor.Answer {
	polls := p.class(classIOUring, "io_uring", "", ioUringMap)
	if q.Perms&apparmor.OverrideCreds == 0 {
		return polls
	}
	creds := p.peer(classIOUring, "io_uring", string([]byte{classIOUring}), q.Label, ioUringMap, q.Perms)
	creds.Allow = creds.Allow&^apparmor.SQPoll | polls.Allow&apparmor.SQPoll
	creds.Quiet = creds.Quiet&^apparmor.SQPoll | polls.Quiet&apparmor.SQPoll
	creds.Audit = creds.Audit&^apparmor.SQPoll | polls.Audit&apparmor.SQPoll
	return creds
}

// rlimits are the names of limits by number: asm-generic/resource.h.
var rlimits = strings.Fields("cpu fsize data stack core rss nproc nofile memlock as locks sigpending msgqueue nice rtprio rttime")

// rlimit answers as profile_setrlimit() of resource.c.
func (p *Profile) rlimit(q apparmor.RlimitRequest) apparmor.Answer {
	name := q.Name
	if name == "ofile" {
		name = "nofile"
	}
	n := slices.Index(rlimits, name)
	if n < 0 {
		return undecided(fmt.Sprintf("there is no limit %q", q.Name))
	}
	if limit, ok := p.Rlimits[n]; ok && q.Value > limit {
		return apparmor.Answer{}
	}
	return apparmor.Answer{Allow: apparmor.Access}
}
