package access

import (
	"cmp"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/whydenied/whydenied/parser"
	"github.com/whydenied/whydenied/rules/apparmor"
)

// A class is a kind of access that rules decide on, and how records and people call
// it.
type class struct {
	names      string // class= of records, which Linux 6.3 and later write: aa_class_names in security/apparmor/audit.c of 6.18
	operations string // operation= of records that are of this class whatever they say of it, as older ones do not
	verbs      []verb
	phrases    map[string]string // see Phrase
	request    func(d *parser.Denial, mask string) (apparmor.Request, error)
}

// A verb is how --access words an access of a class, and what a batch can call the
// class.
type verb struct {
	class      *class // that it is of
	names      string // the first is that of the usage
	operation  string // of the record, where the class has several
	usage      string // what follows the name
	patterns   string // the same by the keys of records, with | between those of which one must fit
	conditions string // words NAME=VALUE by the keys of records: NAME:KEY, or NAME if they are the same
}

// classes are all of them.
var classes = []class{
	{
		names: "file", request: fileRequest,
		verbs: []verb{
			{names: "open file", usage: "PATH PERMS", patterns: "name denied_mask"},
			{names: "exec", operation: "exec", usage: "PATH [-> PROFILE]", patterns: "name|name -> leads_to"},
			{names: "link", operation: "link", usage: "NEW -> OLD", patterns: "name -> target"},
		},
	},
	{
		names: "cap", operations: "capable",
		verbs: []verb{{names: "capable capability", usage: "NAME", patterns: "capname"}},
		request: func(d *parser.Denial, _ string) (apparmor.Request, error) {
			return apparmor.CapabilityRequest{Name: d.AppArmor.CapName}, needs("capname", d.AppArmor.CapName)
		},
	},
	{
		names: "net", request: networkRequest,
		verbs: []verb{{names: "network", usage: "FAMILY TYPE [PERMS]", patterns: "family sock_type|family sock_type denied_mask",
			conditions: "ip:laddr port:lport peer_ip:faddr peer_port:fport"}},
	},
	{
		names: "unix", // people call it so; records say net
		verbs: []verb{{names: "unix", usage: "PERMS [type=T] [addr=A] [label=L] [peer_addr=A] [peer_label=L]", patterns: "denied_mask",
			conditions: "type:sock_type addr label:object_label peer_addr peer_label"}},
		request: unixRequest,
	},
	{
		names: "signal", operations: "signal",
		verbs: []verb{{names: "signal", usage: "PERM SIGNAL [PEER]", patterns: "denied_mask signal|denied_mask signal peer"}},
		request: func(d *parser.Denial, mask string) (apparmor.Request, error) {
			perms, err := someOf(mask, apparmor.SignalPerms)
			return apparmor.SignalRequest{Perms: perms, Signal: d.AppArmor.Signal, Peer: d.AppArmor.Peer},
				cmp.Or(err, needs("signal", d.AppArmor.Signal))
		},
	},
	{
		names: "ptrace", operations: "ptrace",
		verbs: []verb{{names: "ptrace", usage: "PERM [PEER]", patterns: "denied_mask|denied_mask peer"}},
		request: func(d *parser.Denial, mask string) (apparmor.Request, error) {
			perms, err := someOf(mask, apparmor.PtracePerms)
			return apparmor.PtraceRequest{Perms: perms, Peer: d.AppArmor.Peer}, err
		},
	},
	{
		names: "mount", operations: "mount remount umount", request: mountRequest,
		verbs: []verb{
			{names: "mount", usage: "[fstype=T] [options=(F,..)] SRC -> DIR/", patterns: "-> name|srcname -> name", conditions: "fstype options:flags data:mount_data"},
			{names: "remount", operation: "remount", usage: "[options=(F,..)] DIR/", patterns: "name", conditions: "options:flags"},
			{names: "umount", operation: "umount", usage: "DIR/", patterns: "name"},
		},
	},
	{
		names: "pivot_root", operations: "pivotroot pivot_root", // its records are of class mount
		verbs: []verb{{names: "pivot_root pivotroot", usage: "[oldroot=OLD/] NEW/", patterns: "name", conditions: "oldroot:srcname"}},
		request: func(d *parser.Denial, _ string) (apparmor.Request, error) {
			return apparmor.PivotRootRequest{NewRoot: d.AppArmor.Name, OldRoot: d.AppArmor.SrcName}, needs("name", d.AppArmor.Name)
		},
	},
	{
		names: "domain", operations: "change_profile change_onexec stack stack_onexec",
		verbs: []verb{{names: "change_profile", usage: "[PROGRAM] -> PROFILE", patterns: "target|-> target|on_exec -> target"}},
		request: func(d *parser.Denial, _ string) (apparmor.Request, error) {
			target := cmp.Or(d.AppArmor.Target, d.AppArmor.Name)
			if strings.HasPrefix(d.AppArmor.Operation, "stack") && !strings.HasPrefix(target, "&") {
				target = "&" + target
			}
			return apparmor.ChangeProfileRequest{Target: target, OnExec: extra(d, onExec)}, needs("target", target)
		},
	},
	{
		names: "rlimits", operations: "setrlimit", request: rlimitRequest,
		phrases: map[string]string{"setrlimit": "set the %rlimit limit to %value"},
		verbs:   []verb{{names: "rlimit", usage: "NAME VALUE", patterns: "rlimit value"}},
	},
	{
		names: "namespace", operations: "userns_create",
		phrases: map[string]string{"userns_create": "create a user namespace"},
		verbs:   []verb{{names: "userns", patterns: "|denied_mask"}},
		request: func(*parser.Denial, string) (apparmor.Request, error) { return apparmor.UsernsRequest{}, nil },
	},
	{
		names: "mqueue posix_mqueue sysv_mqueue", request: mqueueRequest,
		verbs: []verb{{names: "mqueue", usage: "PERMS [type=posix|sysv] [label=L] NAME", patterns: "denied_mask name", conditions: "type:queue_type label:object_label"}},
	},
	{
		names: "io_uring", operations: "uring_override uring_sqpoll",
		phrases: map[string]string{
			"uring_override": "override credentials through io_uring",
			"uring_sqpoll":   "create an io_uring with a polling thread of the kernel",
		},
		verbs: []verb{{names: "io_uring", usage: "PERM [label=L]", patterns: "denied_mask", conditions: "label:object_label"}},
		request: func(d *parser.Denial, mask string) (apparmor.Request, error) {
			perms, err := someOf(cmp.Or(map[string]string{"uring_override": "override_creds", "uring_sqpoll": "sqpoll"}[d.AppArmor.Operation], mask), apparmor.IOUringPerms)
			return apparmor.IOUringRequest{Perms: perms, Label: cmp.Or(d.AppArmor.Peer, extra(d, objectLabel))}, err
		},
	},
	{
		names: "dbus", operations: "dbus",
		verbs: []verb{{names: "dbus", usage: "PERM [bus=B] [path=P] [interface=I] [member=M] [name=N] [peer_label=L]", patterns: "denied_mask",
			conditions: "bus path interface member name peer_label"}},
		request: dbusRequest,
	},
}

// The classes by what records call them, and the verbs.
var (
	byName      = map[string]*class{}
	byOperation = map[string]*class{}
	verbs       = map[string]*verb{}
)

func init() {
	for i := range classes {
		c := &classes[i]
		for name := range strings.FieldsSeq(c.names) {
			byName[name] = c
		}
		for name := range strings.FieldsSeq(c.operations) {
			byOperation[name] = c
		}
		for j := range c.verbs {
			c.verbs[j].class = c
			for name := range strings.FieldsSeq(c.verbs[j].names) {
				verbs[name] = &c.verbs[j]
			}
		}
	}
}

// words returns those that say which class the verb is of.
func (v *verb) words() Words {
	name, _, _ := strings.Cut(v.class.names, " ")
	return NewWords("class", name, "operation", v.operation)
}

// Class is what a denial is about in a word: file, cap, net, ...; "syscall" of
// seccomp, and "other" where rules do not decide.
func Class(d *parser.Denial) string {
	switch {
	case d.Other != nil:
		return "other"
	case d.AppArmor == nil:
		return "syscall"
	}
	c := classOf(d.AppArmor)
	if c == nil {
		return "other"
	}
	name, _, _ := strings.Cut(c.names, " ")
	return name
}

// classOf returns the class of a record, nil if rules do not decide on it. The
// operation decides where a class has several: umount is of class mount.
func classOf(a *parser.AppArmor) *class {
	operation := a.Operation
	if strings.HasPrefix(operation, "dbus_") {
		operation = "dbus"
	}
	switch {
	case operation == "change_hat", operation == "syscall": // no rule is asked: of calls that kernels before 2.6.36 refuse whoever is confined
		return nil
	case byOperation[operation] != nil:
		return byOperation[operation]
	case a.Class != "":
		return byName[a.Class]
	case a.CapName != "":
		return byName["cap"]
	case a.Family != "":
		return byName["net"]
	case a.Name != "" || operation != "":
		return byName["file"]
	}
	return nil
}

// Request returns the access that an AppArmor record is about, as policy decides on
// it: what was refused, or all that was asked for if the record does not say. The
// error says why rules do not decide on it by what the record says.
func Request(d *parser.Denial) (apparmor.Request, error) {
	a := d.AppArmor
	c := classOf(a)
	switch {
	case c != nil:
		return c.request(d, cmp.Or(a.Denied, a.Requested))
	case a.Class == "" && a.Operation == "":
		return nil, errors.New("the request names no class, operation or syscall")
	}
	return nil, fmt.Errorf("no rule decides on class %.40q, operation %.40q", a.Class, a.Operation)
}

// Phrase says what an operation tries, as an infinitive without "to", with %KEY where
// the value of that key of the record belongs; "" where that takes more than a phrase.
func Phrase(operation string) string {
	if c := byOperation[operation]; c != nil {
		return c.phrases[operation]
	}
	return ""
}

// needs reports a key without value.
func needs(key, value string) error {
	if value == "" {
		return fmt.Errorf("%s is missing", key)
	}
	return nil
}

// networkRequest is a UnixRequest where the kernel tells addresses apart, which
// shows in the record, and a NetworkRequest otherwise.
func networkRequest(d *parser.Denial, mask string) (apparmor.Request, error) {
	a := d.AppArmor
	if a.Family == "unix" && (a.Addr != "" || a.PeerAddr != "") {
		return unixRequest(d, mask)
	}
	perms, err := wordsOf(mask, apparmor.NetworkPerms)
	r := apparmor.NetworkRequest{Family: a.Family, Type: a.SockType, Perms: perms}
	if strings.HasPrefix(a.Family, "inet") {
		r.IP, r.Port, r.PeerIP, r.PeerPort = a.Addr, portOf(a.Port), a.PeerAddr, portOf(a.PeerPort)
	}
	return r, cmp.Or(err, needs("family", a.Family), needs("sock_type", a.SockType))
}

func portOf(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}

func unixRequest(d *parser.Denial, mask string) (apparmor.Request, error) {
	a := d.AppArmor
	perms, err := someOf(mask, apparmor.UnixPerms)
	return apparmor.UnixRequest{Perms: perms, Type: a.SockType, Addr: AbstractAddr(a.Addr), Label: extra(d, objectLabel), PeerAddr: AbstractAddr(a.PeerAddr), PeerLabel: a.Peer}, err
}

// AbstractAddr returns the address of an abstract socket. The kernel writes one in
// hexadecimal digits after the @, within quotes, if it holds a byte that it does not
// print: addr="@6C616220C3A4" is @lab ä. Other names of such digits are as they stand.
func AbstractAddr(addr string) string {
	digits, ok := strings.CutPrefix(addr, "@")
	if !ok || strings.ToUpper(digits) != digits {
		return addr
	}
	name, err := hex.DecodeString(digits)
	if err != nil || !slices.ContainsFunc(name, func(c byte) bool { return c <= ' ' || c >= 0x7f || c == '"' }) {
		return addr
	}
	return "@" + string(name)
}

// mountRequest tells the kinds of mount apart by their flags, as
// security/apparmor/mount.c does; the kernel logs all as "mount".
func mountRequest(d *parser.Denial, _ string) (apparmor.Request, error) {
	a := d.AppArmor
	r := apparmor.MountRequest{Op: cmp.Or(a.Operation, "mount"), Source: a.SrcName, Target: a.Name, Fstype: a.FSType, Data: extra(d, mountData)}
	for _, flag := range splitList(a.Flags) {
		switch {
		case r.Op == "umount" || r.Op == "remount": // whatever else the flags say
		case flag == "bind" || flag == "rbind":
			r.Op = "bind"
		case flag == "remount" || flag == "move":
			r.Op = flag
		}
		r.Flags = append(r.Flags, flag)
	}
	return r, needs("name", a.Name)
}

// splitList splits "rw, bind" and "(rw, bind)".
func splitList(s string) []string {
	return strings.FieldsFunc(strings.Trim(s, "()"), func(r rune) bool { return r == ',' || r == ' ' })
}

// rlimitRequest asks for the capability that setting the limit of another process
// takes, if the record says that it was refused: aa_task_setrlimit().
func rlimitRequest(d *parser.Denial, _ string) (apparmor.Request, error) {
	a := d.AppArmor
	if a.Info == "cap_sys_resource" {
		return apparmor.CapabilityRequest{Name: "sys_resource"}, nil
	}
	value, err := strconv.ParseUint(a.Value, 10, 64)
	if err != nil {
		err = fmt.Errorf("the limit %.40q is no number and not infinity", a.Value)
	}
	return apparmor.RlimitRequest{Name: a.RLimit, Value: value}, cmp.Or(err, needs("rlimit", a.RLimit))
}

// mqueueRequest takes the type of the queue from the class, or from its name.
func mqueueRequest(d *parser.Denial, mask string) (apparmor.Request, error) {
	a := d.AppArmor
	kind, _, ok := strings.Cut(a.Class, "_mqueue")
	switch said := extra(d, queueType); {
	case said != "":
		kind = said
	case !ok && strings.HasPrefix(a.Name, "/"):
		kind = "posix"
	case !ok:
		kind = "sysv"
	}
	perms, err := someOf(mask, apparmor.MqueuePerms)
	return apparmor.MqueueRequest{Perms: perms, Type: kind, Name: a.Name, Label: extra(d, objectLabel)}, err
}

func dbusRequest(d *parser.Denial, mask string) (apparmor.Request, error) {
	a := d.AppArmor
	name := a.Name
	if strings.HasPrefix(name, ":") { // of a connection: the next has another
		name = ""
	}
	if mask == "" {
		mask = map[string]string{"dbus_eavesdrop": "eavesdrop", "dbus_bind": "bind"}[a.Operation]
	}
	perms, err := someOf(mask, apparmor.DBusPerms)
	if perms == apparmor.Eavesdrop { // of all messages of the bus: no rule names one
		return apparmor.DBusRequest{Perms: perms, Bus: a.Bus}, err
	}
	return apparmor.DBusRequest{Perms: perms, Bus: a.Bus, Path: a.Path, Interface: a.Interface, Member: a.Member, Name: name, PeerLabel: a.Peer}, err
}
