package apparmor

import (
	"math/rand/v2"
	"strings"
)

// What tests of packages that import this one take from its own.
const (
	Preamble = preamble
	Features = features
)

var ParserTool = parserTool

// A Writer makes random profiles and requests that are likely to meet their rules.
type Writer struct{ w policyWriter }

// NewWriter returns a writer that always makes the same of a seed.
func NewWriter(seed uint64) Writer { return Writer{policyWriter{rand.New(rand.NewPCG(30, seed))}} }

// Profile makes a profile that apparmor_parser takes but for conflicts of its exec
// rules.
func (w Writer) Profile(name string) string { return w.w.profile(name) }

// Requests makes requests of each class that AppArmor 3.0 knows.
func (w Writer) Requests(p *Profile) []Request {
	var list []Request
	for range 14 {
		list = append(list, w.file(p))
	}
	for range 4 {
		list = append(list, FileRequest{Path: w.w.near(p), Target: w.w.near(p), Perms: Link, Owner: w.w.chance(50)})
	}
	for _, path := range []string{"/proc/1/attr/current", "/proc/1/attr/apparmor/exec", "/proc/x/attr/current"} {
		list = append(list, FileRequest{Path: path, Perms: Write, Owner: true})
	}
	for range 4 {
		list = append(list, CapabilityRequest{capabilities[w.w.IntN(len(capabilities))]})
	}
	for range 4 {
		list = append(list, w.network(), w.signal(), w.ptrace(), w.mount(), w.dbus(), w.unix(),
			ChangeProfileRequest{Target: w.w.pick("a", "b", "/a/b", "p1", "unconfined", "&a"), OnExec: w.w.pick("", w.w.path())})
	}
	return list
}

func (w Writer) file(p *Profile) FileRequest {
	req := FileRequest{Path: w.w.near(p), Owner: w.w.chance(50), Perms: Read}
	for _, bit := range []Perms{Write, Append, Exec, Exec, Mmap, Lock} {
		if w.w.chance(25) {
			req.Perms |= bit
		}
	}
	if req.Perms != Read && w.w.chance(50) {
		req.Perms &^= Read
	}
	return req
}

func (w Writer) network() NetworkRequest {
	return NetworkRequest{
		Family: w.w.pick("inet", "inet6", "netlink", "packet", "vsock", "unix"),
		Type:   w.w.pick("stream", "dgram", "raw", "seqpacket", "packet", "dccp"), Perms: Create,
	}
}

func (w Writer) signal() SignalRequest {
	req := SignalRequest{Perms: Send, Signal: w.w.signals(), Peer: w.w.peer()}
	if w.w.chance(50) {
		req.Perms = Receive
	}
	return req
}

func (w Writer) ptrace() PtraceRequest {
	return PtraceRequest{Perms: []Perms{Trace, Read, TracedBy, ReadBy}[w.w.IntN(4)], Peer: w.w.peer()}
}

func (w Writer) mount() MountRequest {
	return MountRequest{
		Op:     w.w.pick("mount", "mount", "mount", "umount", "remount", "bind", "move"),
		Source: w.w.pick("/dev/sda1", "tmpfs", "/a/", "/b/"), Target: w.w.pick("/a/", "/b/", "/a/b/", "/c/"),
		Fstype: w.w.pick("ext4", "tmpfs", "proc"),
		Flags:  strings.Fields(w.w.pick("", "ro", "ro nosuid", "noexec", "nodev ro", "rslave", "private", "rshared", "rbind")),
	}
}

func (w Writer) dbus() DBusRequest {
	return DBusRequest{
		Perms: []Perms{Send, Receive, Bind, Eavesdrop}[w.w.IntN(4)], Bus: w.w.pick("system", "session"),
		Path: w.w.pick("/org/a", "/org/a/b"), Interface: w.w.pick("org.I", "org.J"), Member: w.w.pick("Get", "Put"),
		Name: w.w.pick("org.a", "org.b", "x"), PeerLabel: w.w.pick("a", "p1", "/a"),
	}
}

func (w Writer) unix() UnixRequest {
	req := UnixRequest{
		Perms: []Perms{Create, Bind, GetAttr, Listen, Send, Receive, Connect, Accept, SetOpt}[w.w.IntN(9)], Type: w.w.pick("stream", "dgram"),
		Addr: w.w.pick("@a", "@ab", "@x", "none", "@01f2c"), Label: w.w.pick("p1", "a"),
		PeerAddr: w.w.pick("@a", "@b", "none"), PeerLabel: w.w.pick("p1", "a", "unconfined"),
	}
	if req.Perms == Bind && w.w.chance(30) {
		req.Addr = ""
	}
	return req
}

// VersionDependent reports whether a rule of the profile means something else to
// apparmor_parser 3.0.8 than to later ones.
func VersionDependent(p *Profile, req Request) bool {
	m, ok := req.(MountRequest)
	return ok && versionDependent(p, m)
}
