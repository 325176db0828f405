package main

import (
	"cmp"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/whydenied/whydenied/explain"
	"github.com/whydenied/whydenied/rules"
	"github.com/whydenied/whydenied/rules/apparmor"
)

// A request is one access or system call to answer. Its keys are those of the
// kernel's records, so that a record can be asked again as it is; --access is
// turned into the same.
type request struct {
	Profile   string `json:"profile"`
	Class     string `json:"class"`     // file, cap, net, signal, ...
	Operation string `json:"operation"` // open, exec, capable, mount, ...
	Name      string `json:"name"`
	NameHex   string `json:"name_hex"`

	Mask      string  `json:"mask"`
	Requested string  `json:"requested_mask"`
	Denied    string  `json:"denied_mask"`
	FSUID     *scalar `json:"fsuid"`
	OUID      *scalar `json:"ouid"`
	Owner     *bool   `json:"owner"` // instead of the two

	Target    string `json:"target"` // old name of a link, profile to change to
	TargetHex string `json:"target_hex"`
	Exec      string `json:"exec"` // program with whose execution a change of profile takes place
	Namespace string `json:"namespace"`
	Label     string `json:"label"`

	CapName string `json:"capname"`
	Signal  string `json:"signal"`
	Peer    string `json:"peer"`

	Family   string `json:"family"`
	SockType string `json:"sock_type"`
	Type     string `json:"type"` // of a unix socket or a message queue
	LAddr    string `json:"laddr"`
	LPort    scalar `json:"lport"`
	FAddr    string `json:"faddr"`
	FPort    scalar `json:"fport"`
	Addr     string `json:"addr"`
	PeerAddr string `json:"peer_addr"`

	SrcName    string  `json:"srcname"`
	SrcNameHex string  `json:"srcname_hex"`
	FSType     string  `json:"fstype"`
	Flags      scalars `json:"flags"`
	Data       string  `json:"data"`

	RLimit string `json:"rlimit"`
	Value  scalar `json:"value"`

	Bus       string `json:"bus"`
	Path      string `json:"path"`
	Interface string `json:"interface"`
	Member    string `json:"member"`
	PeerLabel string `json:"peer_label"`

	Syscall     scalar   `json:"syscall"` // name or number
	SyscallName string   `json:"syscall_name"`
	Arch        scalar   `json:"arch"`
	Args        scalars  `json:"args"`
	Caps        []string `json:"caps"`
	Kernel      string   `json:"kernel"`
}

// A scalar is a string, or the text of a JSON number.
type scalar string

// UnmarshalJSON reads a string or a number.
func (s *scalar) UnmarshalJSON(data []byte) error {
	switch {
	case data[0] == '"':
		return json.Unmarshal(data, (*string)(s))
	case string(data) == "null":
		return nil
	case data[0] == '-' || data[0] >= '0' && data[0] <= '9':
		*s = scalar(data)
		return nil
	}
	return errors.New("a key that must be a string or a number is neither")
}

// scalars is a list of scalars, or one string with commas.
type scalars []string

// UnmarshalJSON reads a list or a string.
func (s *scalars) UnmarshalJSON(data []byte) error {
	if data[0] != '[' {
		var one scalar
		if err := one.UnmarshalJSON(data); err != nil {
			return err
		}
		*s = splitFlags(string(one))
		return nil
	}
	var list []scalar
	if err := json.Unmarshal(data, &list); err != nil {
		return err
	}
	*s = make(scalars, len(list))
	for i, item := range list {
		(*s)[i] = string(item)
	}
	return nil
}

// splitFlags splits "rw, bind" and "(rw, bind)".
func splitFlags(s string) []string {
	return strings.FieldsFunc(strings.Trim(s, "()"), func(r rune) bool { return r == ',' || r == ' ' })
}

// kinds are what the classes and operations of requests ask for. The classes are
// aa_class_names of security/apparmor/audit.c, Linux 6.18, and those of policy.
var kinds = map[string]string{
	"file": "file", "open": "file", "exec": "exec", "link": "link",
	"cap": "capability", "capability": "capability", "capable": "capability",
	"net": "network", "network": "network", "unix": "unix",
	"signal": "signal", "ptrace": "ptrace",
	"mount": "mount", "remount": "mount", "umount": "mount",
	"pivot_root": "pivot_root", "pivotroot": "pivot_root",
	"domain": "change_profile", "change_profile": "change_profile", "change_onexec": "change_profile",
	"stack": "change_profile", "stack_onexec": "change_profile",
	"rlimits": "rlimit", "rlimit": "rlimit", "setrlimit": "rlimit",
	"namespace": "userns", "userns": "userns", "userns_create": "userns",
	"mqueue": "mqueue", "posix_mqueue": "mqueue", "sysv_mqueue": "mqueue",
	"io_uring": "io_uring", "uring_override": "io_uring", "uring_sqpoll": "io_uring",
	"dbus": "dbus",
}

// kind returns what is asked for, or "" if the request does not say. The
// operation decides where a class has several: umount is of class mount.
func (r *request) kind() string {
	class, operation := kinds[strings.ToLower(r.Class)], kinds[r.Operation]
	switch {
	case r.Operation == "change_hat": // no rule is asked
		return ""
	case r.Class == "dbus" || strings.HasPrefix(r.Operation, "dbus_"):
		return "dbus"
	case class != "" && class != "file" && class != "mount":
		return class
	case operation != "":
		return operation
	case class != "":
		return class
	case r.CapName != "":
		return "capability"
	case r.Family != "":
		return "network"
	case r.Name != "" && r.Class == "":
		return "file"
	}
	return ""
}

func (r *request) mask() string { return cmp.Or(r.Mask, r.Requested, r.Denied) }

// access returns the request as policy decides on it.
func (q *query) access(r *request) (apparmor.Request, error) {
	if err := r.decodeHex(); err != nil {
		return nil, err
	}
	req, err := q.build(r)
	if err != nil {
		return nil, err
	}
	return req, q.vocabulary(req)
}

// decodeHex takes names that are not UTF-8 from the keys that have their bytes.
func (r *request) decodeHex() error {
	for _, field := range []struct {
		key  string
		hex  string
		name *string
	}{{"name_hex", r.NameHex, &r.Name}, {"target_hex", r.TargetHex, &r.Target}, {"srcname_hex", r.SrcNameHex, &r.SrcName}} {
		if field.hex == "" {
			continue
		}
		name, err := hex.DecodeString(field.hex)
		if err != nil {
			return fmt.Errorf("%s is not hexadecimal", field.key)
		}
		*field.name = string(name)
	}
	return nil
}

func (q *query) build(r *request) (apparmor.Request, error) {
	switch kind := r.kind(); kind {
	case "file", "exec", "link":
		return q.file(r, kind)
	case "capability":
		name := strings.TrimPrefix(strings.ToLower(cmp.Or(r.CapName, r.Name)), "cap_")
		return apparmor.CapabilityRequest{Name: name}, needs("capname", name)
	case "network", "unix":
		return socket(r, kind)
	case "signal":
		perms, err := words(r, apparmor.SignalPerms)
		signal := strings.TrimPrefix(strings.ToLower(r.Signal), "sig")
		return apparmor.SignalRequest{Perms: perms, Signal: signal, Peer: r.Peer}, cmp.Or(err, needs("signal", signal))
	case "ptrace":
		perms, err := words(r, apparmor.PtracePerms)
		return apparmor.PtraceRequest{Perms: perms, Peer: r.Peer}, err
	case "mount":
		return mount(r), needs("name", r.Name)
	case "pivot_root":
		return apparmor.PivotRootRequest{NewRoot: r.Name, OldRoot: r.SrcName}, needs("name", r.Name)
	case "change_profile":
		return changeProfile(r)
	case "rlimit":
		return rlimit(r)
	case "dbus":
		perms, err := words(r, apparmor.DBusPerms)
		return apparmor.DBusRequest{Perms: perms, Bus: r.Bus, Path: r.Path, Interface: r.Interface, Member: r.Member,
			Name: r.Name, PeerLabel: cmp.Or(r.PeerLabel, r.Peer)}, err
	case "userns":
		return apparmor.UsernsRequest{}, nil
	case "mqueue":
		perms, err := words(r, apparmor.MqueuePerms)
		return apparmor.MqueueRequest{Perms: perms, Type: queueType(r), Name: r.Name, Label: r.Label}, cmp.Or(err, needs("name", r.Name))
	case "io_uring":
		return ioUring(r)
	}
	if r.Class == "" && r.Operation == "" {
		return nil, errors.New("the request names no class, operation or syscall")
	}
	return nil, fmt.Errorf("no rule decides on class %.40q, operation %.40q", r.Class, r.Operation)
}

// needs reports a key without value.
func needs(key, value string) error {
	if value == "" {
		return fmt.Errorf("%s is missing", key)
	}
	return nil
}

// words returns the permissions of a class that has words for them.
func words(r *request, allowed apparmor.Perms) (apparmor.Perms, error) {
	perms, err := explain.WordMask(r.mask(), allowed)
	if err == nil && perms == 0 {
		return 0, fmt.Errorf("the permission is missing; the words are %s", allowed.Words())
	}
	return perms, err
}

func (q *query) file(r *request, kind string) (apparmor.Request, error) {
	mask := r.mask()
	if mask == "" {
		mask = map[string]string{"exec": "x", "link": "l"}[kind]
	}
	perms, err := explain.FileMask(mask)
	if err != nil {
		return nil, err
	}
	req := apparmor.FileRequest{Path: r.Name, Perms: perms, Owner: q.owner}
	switch {
	case r.Owner != nil:
		req.Owner = *r.Owner
	case r.FSUID != nil && r.OUID != nil:
		req.Owner = *r.FSUID == *r.OUID
	}
	if kind == "link" {
		req.Target = r.Target
	}
	if perms == 0 {
		return nil, errors.New("mask is missing: the permissions asked for, such as r")
	}
	return req, needs("name", r.Name)
}

// socket is a UnixRequest where an address is asked for, as on kernels that tell
// addresses apart, and a NetworkRequest otherwise.
func socket(r *request, kind string) (apparmor.Request, error) {
	sockType := cmp.Or(r.SockType, r.Type)
	if kind == "unix" || r.Family == "unix" && (r.Addr != "" || r.PeerAddr != "") {
		perms, err := words(r, apparmor.UnixPerms)
		return apparmor.UnixRequest{Perms: perms, Type: sockType, Addr: r.Addr, Label: r.Label,
			PeerAddr: r.PeerAddr, PeerLabel: cmp.Or(r.PeerLabel, r.Peer)}, err
	}
	perms, err := explain.WordMask(r.mask(), apparmor.NetworkPerms)
	return apparmor.NetworkRequest{Family: r.Family, Type: sockType, Perms: perms,
			IP: r.LAddr, Port: string(r.LPort), PeerIP: r.FAddr, PeerPort: string(r.FPort)},
		cmp.Or(err, needs("family", r.Family), needs("sock_type", sockType))
}

// mount tells the kinds of mount apart by their flags, as the kernel does.
func mount(r *request) apparmor.Request {
	m := apparmor.MountRequest{Op: "mount", Source: r.SrcName, Target: r.Name, Fstype: r.FSType, Flags: r.Flags, Data: r.Data}
	for _, flag := range r.Flags {
		switch flag {
		case "bind", "rbind":
			m.Op = "bind"
		case "remount", "move":
			m.Op = flag
		}
	}
	if op := cmp.Or(r.Operation, r.Class); op == "umount" || op == "remount" {
		m.Op = op
	}
	return m
}

func changeProfile(r *request) (apparmor.Request, error) {
	target := cmp.Or(r.Target, r.Name)
	if strings.HasPrefix(r.Operation, "stack") && !strings.HasPrefix(target, "&") {
		target = "&" + target
	}
	return apparmor.ChangeProfileRequest{Target: target, OnExec: r.Exec}, needs("target", target)
}

func rlimit(r *request) (apparmor.Request, error) {
	value, err := strconv.ParseUint(string(r.Value), 10, 64)
	if strings.EqualFold(string(r.Value), "infinity") || r.Value == "-1" {
		value, err = 1<<64-1, nil // RLIM_INFINITY
	}
	if err != nil {
		err = fmt.Errorf("the limit %.40q is no number and not infinity", string(r.Value))
	}
	name := cmp.Or(r.RLimit, r.Name)
	return apparmor.RlimitRequest{Name: strings.TrimPrefix(strings.ToLower(name), "rlimit_"), Value: value}, cmp.Or(err, needs("rlimit", name))
}

// queueType returns the type of a message queue, by its name if it is not said.
func queueType(r *request) string {
	class, _, ok := strings.Cut(r.Class, "_mqueue")
	switch {
	case r.Type == "posix" || r.Type == "sysv":
		return r.Type
	case ok:
		return class
	case strings.HasPrefix(r.Name, "/"):
		return "posix"
	}
	return "sysv"
}

func ioUring(r *request) (apparmor.Request, error) {
	switch r.Operation {
	case "uring_override":
		r.Mask = "override_creds"
	case "uring_sqpoll":
		r.Mask = "sqpoll"
	}
	perms, err := words(r, apparmor.IOUringPerms)
	return apparmor.IOUringRequest{Perms: perms, Label: cmp.Or(r.Label, r.Target)}, err
}

var plainWord = regexp.MustCompile(`^[a-z0-9_+-]*$`)

// vocabulary reports a capability, a signal, a family or a limit that the policy
// language does not have: every profile would refuse it, which is no answer.
func (q *query) vocabulary(req apparmor.Request) error {
	var what, rule string
	var named []string
	switch r := req.(type) {
	case apparmor.CapabilityRequest:
		what, named, rule = "capability", []string{r.Name}, "capability "+r.Name
	case apparmor.SignalRequest:
		what, named, rule = "signal", []string{r.Signal}, "signal set="+r.Signal
	case apparmor.NetworkRequest:
		what, named, rule = "network", []string{r.Family, r.Type}, "network "+r.Family+" "+r.Type
	case apparmor.RlimitRequest:
		what, named, rule = "rlimit", []string{r.Name}, "set rlimit "+r.Name+" <= infinity"
	default:
		return nil
	}
	err, known := q.spelled[rule]
	if known {
		return err
	}
	if slices.ContainsFunc(named, func(word string) bool { return !plainWord.MatchString(word) }) || !parses(rule) {
		err = fmt.Errorf("AppArmor has no %s %s", what, strings.Join(named, " "))
	}
	if len(q.spelled) < maxNames {
		q.spelled[rule] = err
	}
	return err
}

// parses reports whether text is a rule of the policy language.
func parses(rule string) bool {
	_, diagnostics := (&apparmor.Loader{Include: []string{}}).Load(rules.NewFile("rule", "profile rule {\n"+rule+",\n}\n"))
	return !slices.ContainsFunc(diagnostics, func(d rules.Diagnostic) bool { return d.Severity == rules.Error })
}
