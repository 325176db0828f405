package parser

import (
	"bytes"
	"strconv"
	"strings"
)

// A Neighbour is a part of the kernel other than AppArmor and seccomp that says by records
// of its own what it refused, or what it refuses by. They are counted; refusals are
// denials, see Other.
type Neighbour uint8

// The neighbours.
const (
	SELinux        Neighbour = iota // AVC and USER_AVC with "avc:", which can be grants, too
	Smack                           // AVC with lsm=SMACK
	LandlockAccess                  // 1423, since Linux 6.15: a refusal
	LandlockDomain                  // 1424: which domain refused, and when it was freed
	IPE                             // 1420 to 1422, since Linux 6.12: refusals, and policy
	Fanotify                        // 1331: the answer of a program that permits access to files
	IMA                             // 1800: a file whose contents or signature are not as they should be
	Neighbours                      // how many there are
)

// String names the kind as summaries do.
func (n Neighbour) String() string {
	return [...]string{"SELinux", "Smack", "Landlock access", "Landlock domain", "IPE", "fanotify", "IMA"}[n]
}

// An Other is the body of a record by which a neighbour refused something. Strings are
// decoded and "" when absent.
type Other struct {
	Module Neighbour
	Access string // what was refused, as the module calls it: "read open", "fs.write_file", "EXECUTE"
	Class  string // of the object: SELinux's tclass, IPE's hook
	Name   string // of the object: a path, the last part of one (SELinux), or a process
	Target string // the label of the object
	Domain string // of Landlock, hexadecimal
	Rule   string // that decided: IPE's, the number that a fanotify program gave, or what IMA found wrong
}

// neighbourTypes are the types of records that are only of neighbours, by number and by
// name (include/uapi/linux/audit.h, Linux 6.18).
var neighbourTypes = map[string]Type{
	"1331": FANOTIFY, "FANOTIFY": FANOTIFY,
	"1800": INTEGRITYDATA, "INTEGRITY_DATA": INTEGRITYDATA,
	"1420": IPEACCESS, "IPE_ACCESS": IPEACCESS,
	"1421": "IPE_CONFIG_CHANGE", "IPE_CONFIG_CHANGE": "IPE_CONFIG_CHANGE",
	"1422": "IPE_POLICY_LOAD", "IPE_POLICY_LOAD": "IPE_POLICY_LOAD",
	"1423": LANDLOCKACCESS, "LANDLOCK_ACCESS": LANDLOCKACCESS,
	"1424": LANDLOCKDOMAIN, "LANDLOCK_DOMAIN": LANDLOCKDOMAIN,
}

// The types of neighbours' records that are refusals, or say more of one.
const (
	FANOTIFY       Type = "FANOTIFY"
	INTEGRITYDATA  Type = "INTEGRITY_DATA"
	IPEACCESS      Type = "IPE_ACCESS"
	LANDLOCKACCESS Type = "LANDLOCK_ACCESS"
	LANDLOCKDOMAIN Type = "LANDLOCK_DOMAIN"
)

// neighbourOf returns the neighbour that writes a record, if one does.
func neighbourOf(t Type, body []byte) (Neighbour, bool) {
	switch t {
	case AVC:
		if bytes.HasPrefix(body, []byte("lsm=SMACK")) {
			return Smack, true
		}
		return SELinux, bytes.HasPrefix(body, []byte("avc:"))
	case USERAVC:
		return SELinux, bytes.Contains(body, []byte("msg='avc:"))
	case LANDLOCKACCESS:
		return LandlockAccess, true
	case LANDLOCKDOMAIN:
		return LandlockDomain, true
	case FANOTIFY:
		return Fanotify, true
	case INTEGRITYDATA:
		return IMA, true
	}
	return IPE, strings.HasPrefix(string(t), "IPE_")
}

// refuses reports whether a neighbour's record says that something was refused, or would
// have been.
func (n Neighbour) refuses(t Type, body []byte) bool {
	switch n {
	case SELinux:
		_, rest, _ := bytes.Cut(body[:min(len(body), 512)], []byte("denied"))
		return bytes.HasPrefix(bytes.TrimLeft(rest, " "), []byte("{"))
	case Smack:
		return bytes.Contains(body, []byte("action=denied"))
	case LandlockAccess:
		return bytes.Contains(body, []byte("blockers="))
	case IPE:
		return t == IPEACCESS && bytes.Contains(body, []byte("action=DENY"))
	case Fanotify:
		resp, _, _ := bytes.Cut(body[:min(len(body), 16)], []byte(" ")) // which before Linux 6.3 is all of it
		return string(bytes.TrimSpace(resp)) == "resp=2"                // FAN_DENY
	case IMA: // others are of measurements, which refuse nothing
		return bytes.Contains(body, []byte("appraise_data")) && bytes.Contains(body, []byte(" res=0"))
	}
	return false
}

// neighbour counts a record if it is a neighbour's, and reports whether it is a refusal.
func (s *scanner) neighbour(t Type, body []byte) (refuses bool) {
	n, ok := neighbourOf(t, body)
	if !ok {
		return false
	}
	s.stats.Neighbours[n]++
	return n.refuses(t, body)
}

// refused counts the record of a header if it is a neighbour's, and reports whether it is a
// refusal, of which it adds the denial.
func (s *scanner) refused(line []byte, h *header) bool {
	if !s.neighbour(h.typ, []byte(h.body)) {
		return false
	}
	s.refusal(line, h)
	return true
}

// refusal adds the denial of a neighbour's record, on the line that triggered. Where the
// record is not whole there, it is read again as pasted.
func (s *scanner) refusal(line []byte, h *header) {
	x, r, why := s.parse(h)
	if !s.b.Live && (why != "" || !x.Other.isWhole(&r)) {
		if p, v := s.pasted(line, s.start); v == isRecord && refusesIn(&p) {
			if y, q, wrong := s.parse(&p); wrong == "" {
				x, r, why = y, q, ""
			}
		}
	}
	if why != "" {
		return // it is counted, and not evidently a denial of what is explained
	}
	s.stats.Records++
	s.dst = append(s.dst, x)
	s.wait(pending{denial: len(s.dst) - 1, record: r})
}

// wrappedNeighbour adds the denial of a neighbour's record that was wrapped before what says
// that it is one.
func (s *scanner) wrappedNeighbour(line []byte, typ Type, body []byte) {
	says := map[Type]string{LANDLOCKACCESS: "blockers=", IPEACCESS: "action=", AVC: "{"}[typ]
	if s.b.Live || says == "" || bytes.Contains(body, []byte(says)) {
		return
	}
	if h, v := s.pasted(line, s.start); v != broken && refusesIn(&h) {
		s.refusal(line, &h)
	}
}

// neighbourLine counts the record of a line of another shape than auditd's log, which
// has its word audit at a place: "audit: type=1423 audit(1.2:3): BODY", "audit[7]: AVC BODY".
func (s *scanner) neighbourLine(line []byte, at, audit int) {
	if s.part != body {
		return
	}
	if line[0] == '{' {
		s.neighbourJSON(line, at)
		return
	}
	rest := line[audit:]
	if i := bytes.Index(line, []byte("type=")); i > 0 && !isName(line[i-1]) {
		rest = line[i+len("type="):]
	} else if i := bytes.Index(rest[:min(len(rest), 24)], []byte(": ")); i >= 0 {
		rest = rest[i+2:]
	}
	word, rest, _ := bytes.Cut(rest[:min(len(rest), 512)], []byte(" "))
	if len(word) == 0 || word[0] > 'Z' || len(word) > 32 {
		return
	}
	rest = bytes.TrimPrefix(rest, []byte("msg="))
	if bytes.HasPrefix(rest, []byte("audit(")) {
		_, rest, _ = bytes.Cut(rest, []byte("): "))
	}
	typ := typeOf(string(word))
	if _, ok := neighbourOf(typ, rest); !ok {
		return
	}
	refuses := s.neighbour(typ, rest)
	if !refuses && s.b.Live {
		return
	}
	s.start, s.end = at, at+len(line)
	h, v := s.header(line, at)
	if !s.b.Live && (v != isRecord || !refusesIn(&h)) {
		h, v = s.pasted(line, at)
	}
	if v != broken && refusesIn(&h) {
		s.refusal(line, &h)
	}
}

// refusesIn reports whether a header is followed by a neighbour's record of a refusal.
func refusesIn(h *header) bool {
	n, ok := neighbourOf(h.typ, []byte(h.body))
	return ok && n.refuses(h.typ, []byte(h.body))
}

// isName reports whether a byte can be of a field's name.
func isName(c byte) bool {
	return c == '_' || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

// neighbourJSON reads a neighbour's record of journalctl -o json.
func (s *scanner) neighbourJSON(line []byte, at int) {
	const key = `"_AUDIT_TYPE":"`
	_, number, ok := bytes.Cut(line, []byte(key))
	number, _, _ = bytes.Cut(number[:min(len(number), 8)], []byte(`"`))
	if typ := typeOf(string(number)); !ok || typ != AVC && typ != USERAVC && neighbourTypes[string(number)] == "" {
		return
	}
	s.start, s.end = at, at+len(line)
	if h, v := s.header(line, at); v == isRecord {
		s.refused(line, &h)
	}
}

// isWhole reports whether a neighbour's record has what is written last in all of its kind.
func (o *Other) isWhole(r *Record) bool {
	if o == nil {
		return false
	}
	switch o.Module {
	case SELinux:
		return r.has("tclass")
	case Smack:
		return r.has("object")
	case IPE:
		return r.has("rule")
	case Fanotify:
		return r.has("fan_info")
	case IMA:
		return r.has("res")
	}
	return r.Fields[len(r.Fields)-1].Key != "blockers" // of which what is refused comes next
}

// typeOther fills in x from a neighbour's record: slow_avc_audit() and avc_dump_query() of
// security/selinux, smack_log_callback(), landlock_log_denial(), ipe_audit_match(),
// audit_fanotify(), integrity_audit_message(). It returns what is wrong with the record, or "".
func typeOther(x *Denial, r *Record) string {
	n, ok := neighbourOf(r.Type, []byte(r.Text))
	if !ok || !n.refuses(r.Type, []byte(r.Text)) {
		return "a record of another module that refuses nothing"
	}
	o := &Other{Module: n}
	x.Other, x.Mode, x.Subject.UID = o, Denied, -1
	if r.Type == USERAVC { // of which pid and exe are the mediator's
		x.Subject.PID, _ = strconv.Atoi(r.Get("spid"))
	} else {
		x.Subject.PID, _ = strconv.Atoi(r.Get("pid"))
		x.Subject.Comm, x.Subject.Exe = r.Get("comm"), r.Get("exe")
	}
	switch n {
	case SELinux:
		_, rest, _ := strings.Cut(r.Text, "{")
		access, _, _ := strings.Cut(rest, "}")
		o.Access = strings.TrimSpace(access)
		o.Class, o.Target, x.Subject.Label = r.Get("tclass"), r.Get("tcontext"), r.Get("scontext")
		o.Name = firstOf(r, "path", "name", "capability", "dest", "src")
		if r.Get("permissive") == "1" {
			x.Mode = Allowed
		}
	case Smack:
		o.Access, o.Target, x.Subject.Label = r.Get("requested"), r.Get("object"), r.Get("subject")
		o.Name = firstOf(r, "path", "name", "opid")
	case LandlockAccess:
		o.Access, o.Domain = r.Get("blockers"), r.Get("domain")
		o.Name = firstOf(r, "path", "ocomm", "opid", "dest", "src")
	case IPE:
		o.Access, o.Class, o.Rule = r.Get("ipe_op"), r.Get("ipe_hook"), r.Get("rule")
		o.Name = firstOf(r, "path", "dev")
		if r.Get("enforcing") == "0" {
			x.Mode = Allowed
		}
	case Fanotify:
		o.Access, o.Rule = "open", r.Get("fan_info")
	case IMA:
		o.Access, o.Rule, o.Name = "appraise", r.Get("cause"), r.Get("name")
		x.Subject.Label = labelOf(r.Get("subj"))
	}
	if o.Access == "" || n == SELinux && o.Class == "" {
		return "a record of another module without what was refused"
	}
	return ""
}

func firstOf(r *Record, keys ...string) string {
	for _, key := range keys {
		if v := r.Get(key); v != "" {
			return v
		}
	}
	return ""
}

// describeOther takes from a companion what a neighbour's record does not say: Landlock's
// and fanotify's name no process, and fanotify's no file.
func (x *Denial) describeOther(r *Record) {
	s := &x.Subject
	switch r.Type {
	case SYSCALL, LANDLOCKDOMAIN: // of which the first has who made the call, the other who made the domain
		if x.Other.Module != LandlockAccess && x.Other.Module != Fanotify || r.Type == LANDLOCKDOMAIN && s.Comm != "" {
			return
		}
		s.PID, _ = strconv.Atoi(r.Get("pid"))
		s.Comm, s.Exe = r.Get("comm"), r.Get("exe")
		if s.Label == "" {
			s.Label = labelOf(r.Get("subj"))
		}
	case PATH:
		if x.Other.Name == "" && x.Other.Module == Fanotify {
			x.Other.Name = r.Get("name")
		}
	}
}
