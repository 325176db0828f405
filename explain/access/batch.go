package access

import (
	"bytes"
	"cmp"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/whydenied/whydenied/parser"
	"github.com/whydenied/whydenied/rules/seccomp"
)

// MaxLine bounds the bytes of one line of a batch.
const MaxLine = 1 << 20

// An Asked is one request of a batch.
type Asked struct {
	Denial *parser.Denial // as the kernel would write it; nil for a system call
	Call   seccomp.Call   // if Denial is nil
	// Record is what the kernel said of the call, if the line is a record; else nil.
	Record *parser.Seccomp
	// HasArch reports whether the line says of which architecture the call is.
	HasArch bool
}

// Known is what holds for the requests of a batch that do not say it.
type Known struct {
	Owner bool         // the process owns the files
	Call  seccomp.Call // the architecture, the capabilities and the kernel
}

// Read reads one line of a batch: a JSON object with the keys of the kernel's
// records, such as `whydenied parse` prints, or of docs/query.md.
func Read(text []byte, known Known) (Asked, error) {
	l := new(line)
	if err := l.decode(text); err != nil {
		return Asked{}, err
	}
	if l.LookAlike {
		return Asked{}, errors.New(LookAlike)
	}
	if l.Syscall != "" || l.SyscallName != "" {
		return l.call(known.Call)
	}
	if err := l.decodeHex(); err != nil {
		return Asked{}, err
	}
	w := l.words(known.Owner)
	if l.AppArmor != "" { // of what the kernel asked, it knows the names
		return Asked{Denial: denial(parser.Type(l.Type), w.set("label", l.Label))}, nil
	}
	d, err := asked(l.object(w))
	return Asked{Denial: d}, err
}

// A line is one JSON object. Its keys are those of the kernel's records, or become
// them by words.
type line struct {
	LookAlike bool   `json:"look_alike"` // of a record that a process wrote
	AppArmor  string `json:"apparmor"`   // of a record
	Profile   string `json:"profile"`
	Class     string `json:"class"`     // file, cap, net, signal, ...
	Operation string `json:"operation"` // open, exec, capable, mount, ...
	Info      string `json:"info"`
	Name      string `json:"name"`
	NameHex   string `json:"name_hex"`

	Mask      string `json:"mask"`
	Requested string `json:"requested_mask"`
	Denied    string `json:"denied_mask"`
	Asked     string `json:"requested"` // the two of newer classes
	Refused   string `json:"denied"`
	FSUID     scalar `json:"fsuid"`
	OUID      scalar `json:"ouid"`
	Owner     *bool  `json:"owner"` // instead of the two

	Target    string `json:"target"` // old name of a link, profile to change to
	TargetHex string `json:"target_hex"`
	Exec      string `json:"exec"` // program with whose execution a change of profile takes place
	Label     string `json:"label"`

	CapName string `json:"capname"`
	Signal  string `json:"signal"`
	Peer    string `json:"peer"`

	Family   string `json:"family"`
	SockType string `json:"sock_type"`
	Type     string `json:"type"` // of a unix socket or a message queue; of a record AVC or USER_AVC
	LAddr    string `json:"laddr"`
	LPort    scalar `json:"lport"`
	FAddr    string `json:"faddr"`
	FPort    scalar `json:"fport"`
	Addr     string `json:"addr"`
	PeerAddr string `json:"peer_addr"`
	SAddr    string `json:"saddr"` // of a message
	Src      scalar `json:"src"`
	DAddr    string `json:"daddr"`
	Dest     scalar `json:"dest"`

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

	PeerProfile string `json:"peer_profile"`
	TContext    string `json:"tcontext"`

	Syscall     scalar   `json:"syscall"` // name or number
	SyscallName string   `json:"syscall_name"`
	Arch        scalar   `json:"arch"`
	Code        scalar   `json:"code"` // of a record
	Args        scalars  `json:"args"`
	Caps        []string `json:"caps"`
	Kernel      string   `json:"kernel"`
	Runtime     string   `json:"runtime"`
	Libseccomp  string   `json:"libseccomp"`
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
		*s = splitList(string(one))
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

func (l *line) decode(text []byte) error {
	text = bytes.TrimSpace(text)
	switch {
	case len(text) == 0:
		return errors.New("the line is empty")
	case len(text) > MaxLine:
		return fmt.Errorf("the line is longer than %d bytes", MaxLine)
	case !utf8.Valid(text):
		return errors.New("the line is not UTF-8; give the bytes of a name in hexadecimal as name_hex")
	case text[0] != '{':
		return errors.New("the line is no JSON object")
	}
	err := json.Unmarshal(text, l)
	var wrong *json.UnmarshalTypeError
	if errors.As(err, &wrong) {
		return fmt.Errorf("%q cannot be a JSON %s", wrong.Field, wrong.Value)
	}
	return err
}

// decodeHex takes names that are not UTF-8 from the keys that have their bytes.
func (l *line) decodeHex() error {
	for _, field := range []struct {
		key  string
		hex  string
		name *string
	}{{"name_hex", l.NameHex, &l.Name}, {"target_hex", l.TargetHex, &l.Target}, {"srcname_hex", l.SrcNameHex, &l.SrcName}} {
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

// words returns the words of an AppArmor access.
func (l *line) words(owner bool) Words {
	w := l.class(make(Words, 0, 16)).
		set("profile", l.Profile).set("info", l.Info).
		set("name", l.Name).set("target", l.Target).set("srcname", l.SrcName).
		set("requested_mask", cmp.Or(l.Requested, l.Asked)).set("denied_mask", cmp.Or(l.Mask, l.Denied, l.Refused)).
		set("capname", l.CapName).set("signal", l.Signal).
		set("peer", cmp.Or(l.PeerLabel, l.PeerProfile, l.TContext, l.Peer)).
		set("family", l.Family).set("sock_type", l.SockType).
		set("laddr", cmp.Or(l.Addr, l.LAddr, l.SAddr)).set("lport", string(cmp.Or(l.LPort, l.Src))).
		set("faddr", cmp.Or(l.PeerAddr, l.FAddr, l.DAddr)).set("fport", string(cmp.Or(l.FPort, l.Dest))).
		set("fstype", l.FSType).set("flags", strings.Join(l.Flags, ",")).
		set("rlimit", l.RLimit).set("value", string(l.Value)).
		set("bus", l.Bus).set("path", l.Path).set("interface", l.Interface).set("member", l.Member)
	switch {
	case l.Owner != nil:
		owner = *l.Owner
	case l.FSUID != "" && l.OUID != "":
		owner = l.FSUID == l.OUID
	}
	return w.owned(owner)
}

// class adds the words that say which class the access is of. What policy calls a
// class, and an operation in its place, become the words of records.
func (l *line) class(w Words) Words {
	class := strings.ToLower(l.Class)
	switch v := verbs[class]; {
	case v != nil:
		w = append(w, v.words()...)
	case l.Operation == "" && byOperation[class] != nil:
		return w.set("operation", class)
	default:
		w = w.set("class", class)
	}
	return w.set("operation", l.Operation)
}

// object adds the words of which records have none, or the same for something else.
func (l *line) object(w Words) Words {
	if l.Class == "exec" {
		w = w.add("target", "").set(leadsTo, l.Target)
	}
	if l.SockType == "" {
		w = w.set("sock_type", l.Type)
	}
	return w.set(queueType, l.Type).set(objectLabel, l.Label).set(onExec, l.Exec).set(mountData, l.Data)
}

// call returns the system call of a line.
func (l *line) call(known seccomp.Call) (asked Asked, err error) {
	asked = Asked{Call: known, HasArch: l.Arch != ""}
	if asked.HasArch {
		if err := SetArch(&asked.Call, string(l.Arch)); err != nil {
			return asked, err
		}
	}
	if l.Caps != nil {
		asked.Call.Caps = Caps(l.Caps)
	}
	asked.Call.Kernel = cmp.Or(l.Kernel, known.Kernel)
	if l.Runtime != "" {
		if asked.Call.Loader, err = seccomp.ParseRuntime(l.Runtime); err != nil {
			return asked, err
		}
	}
	asked.Call.Loader.Libseccomp = cmp.Or(l.Libseccomp, known.Loader.Libseccomp)
	if v := asked.Call.Loader.Libseccomp; v != "" && !seccomp.IsVersion(v) {
		return asked, fmt.Errorf("libseccomp %.40q is no version, such as 2.5.4", v)
	}
	asked.Call, err = ParseCall(asked.Call, cmp.Or(string(l.Syscall), l.SyscallName), l.Args)
	if code, err := strconv.ParseUint(string(l.Code), 0, 32); err == nil {
		asked.Record = &parser.Seccomp{Code: uint32(code)}
	}
	return asked, err
}
