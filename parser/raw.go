package parser

import (
	"bytes"
	"time"
)

// A raw is a line of auditd's log, "[node=NODE ]type=NAME msg=audit(TIME:SERIAL): BODY",
// as offsets in it: most lines of most logs are such, and are looked at no further.
type raw struct{ name, space, body int }

// An eventID is the TIME:SERIAL of a line of auditd's log.
type eventID struct {
	text      []byte // "1795427169.844:13): "
	sec, nsec int64
	serial    uint32
}

// readRaw splits a line of auditd's log, and has its TIME:SERIAL in s.id. It does not look
// at the body.
func (s *scanner) readRaw(line []byte) (r raw, ok bool) {
	if len(line) > 5 && string(line[:5]) == "node=" {
		i := bytes.IndexByte(line, ' ')
		if i < 0 {
			return r, false
		}
		r.name = i + 1
	}
	if len(line) < r.name+5 || string(line[r.name:r.name+5]) != "type=" {
		return r, false
	}
	r.name += 5
	for r.space = r.name; r.space < len(line) && line[r.space] != ' '; r.space++ {
		if r.space-r.name == 31 {
			return r, false
		}
	}
	at := r.space + 11
	if r.space == r.name || len(line) < at || string(line[r.space:at]) != " msg=audit(" {
		return r, false
	}
	id := &s.id
	if n := len(id.text); n == 0 || len(line)-at < n || string(line[at:at+n]) != string(id.text) {
		var n int
		id.sec, id.nsec, id.serial, n = parseID(line[at:])
		if n == 0 || len(line) < at+n+2 || line[at+n] != ':' || line[at+n+1] != ' ' {
			id.text = nil
			return r, false
		}
		id.text = line[at : at+n+2]
	}
	r.body = at + len(id.text)
	return r, true
}

// node returns the host that a line names, nil if it does not.
func (r raw) node(line []byte) []byte {
	if r.name == len("type=") {
		return nil
	}
	return line[len("node=") : r.name-len(" type=")]
}

// time returns when the event happened.
func (id *eventID) time() time.Time {
	if id.sec == 0 && id.nsec == 0 {
		return time.Time{}
	}
	return time.Unix(id.sec, id.nsec).UTC()
}

// auditLine looks at a line of auditd's log. It goes by the type and the serial
// alone unless the type matters.
func (s *scanner) auditLine(line []byte, r raw, at int) {
	kind := kindOf(line[r.name:r.space])
	if s.part == body {
		s.stats.Serials.see(r.node(line), s.id.serial, s.id.sec, kind)
	}
	switch kind {
	case denialKind, abendKind:
		if s.part == body {
			s.auditDenial(line, r, at)
		}
	case companionKind:
		s.mark(at, at+len(line), s.id.serial)
	case neighbourKind:
		s.auditNeighbour(line, r, at)
	}
}

// auditDenial reads a line of auditd's log of which the type is a denial's.
func (s *scanner) auditDenial(line []byte, r raw, at int) {
	s.start, s.end = at, at+len(line)
	if s.inBinaryField(at) {
		s.stats.Others++
		return
	}
	typ, body := r.typ(line), line[r.body:]
	if typ == AVC && !bytes.HasPrefix(body, needleAppArmor) && !isSplit(string(body)) && !isAdorned(body) {
		if s.neighbour(AVC, body) {
			s.refusal(line, s.auditHeader(line, r))
			return
		}
		if bytes.HasPrefix(body, []byte("avc:")) && !bytes.Contains(body, []byte("{")) {
			s.wrappedNeighbour(line, AVC, body)
			return
		}
		s.stats.Others++
		return
	}
	h := header{transport: AuditLog, typ: typ, time: s.id.time(), serial: s.id.serial}
	body = bytes.TrimLeft(body, " ")
	if s.repeats(&h, r.node(line), body) {
		return
	}
	h.node, h.body = string(r.node(line)), string(body)
	s.found(line, &h)
}

// auditNeighbour reads a line of auditd's log of which the type is a neighbour's alone.
func (s *scanner) auditNeighbour(line []byte, r raw, at int) {
	typ := r.typ(line)
	if typ == LANDLOCKDOMAIN { // which says more of a refusal, too
		s.mark(at, at+len(line), s.id.serial)
	}
	if s.part != body {
		return
	}
	s.start, s.end = at, at+len(line)
	if s.neighbour(typ, line[r.body:]) {
		s.refusal(line, s.auditHeader(line, r))
		return
	}
	s.wrappedNeighbour(line, typ, line[r.body:])
}

// auditHeader returns the header of a line of auditd's log, the last that was read.
func (s *scanner) auditHeader(line []byte, r raw) *header {
	return &header{transport: AuditLog, typ: r.typ(line), time: s.id.time(), serial: s.id.serial, node: string(r.node(line)),
		body: string(bytes.TrimLeft(line[r.body:], " "))}
}

// typ returns the record's type.
func (r raw) typ(line []byte) Type {
	name := line[r.name:r.space]
	if t := recordTypes[string(name)]; t != "" { // most are in it, and are found without a copy
		return t
	}
	return typeOf(string(name))
}

// A kind is what a record type of auditd's log means to a Scan.
type kind uint8

const (
	otherKind kind = iota
	denialKind
	companionKind
	neighbourKind
	abendKind
	daemonKind // auditd's own records, which have serials of their own
)

func kindOf(name []byte) kind {
	switch name[0] {
	case 'S':
		switch string(name) {
		case "SYSCALL":
			return companionKind
		case "SECCOMP":
			return denialKind
		}
	case 'P':
		if string(name) == "PATH" || string(name) == "PROCTITLE" {
			return companionKind
		}
	case 'C':
		if string(name) == "CWD" {
			return companionKind
		}
	case 'E':
		if string(name) == "EXECVE" {
			return companionKind
		}
	case 'A':
		if string(name) == "AVC" || len(name) >= 8 && string(name[:8]) == "APPARMOR" {
			return denialKind
		}
		if string(name) == "ANOM_ABEND" {
			return abendKind
		}
	case 'D':
		if len(name) > 7 && string(name[:7]) == "DAEMON_" {
			return daemonKind
		}
	case 'F', 'I', 'L', 'M':
		return kindOfType(Type(name))
	case 'U':
		if string(name) == "USER_AVC" {
			return denialKind
		}
		if len(name) > 8 && string(name[:8]) == "UNKNOWN[" {
			return kindOfType(typeOf(string(name)))
		}
	case '1':
		switch string(name) {
		case "1300", "1302", "1307", "1309", "1327", "1425":
			return companionKind
		case "1326", "1400":
			return denialKind
		}
		return kindOfType(typeOf(string(name)))
	case '\x1b': // coloured
		return denialKind
	}
	return otherKind
}

func kindOfType(t Type) kind {
	switch {
	case t == AVC || t == SECCOMP || t == USERAVC || len(t) >= 8 && t[:8] == "APPARMOR":
		return denialKind
	case t.isCompanion():
		return companionKind
	case t == ANOMABEND:
		return abendKind
	case neighbourTypes[string(t)] != "":
		return neighbourKind
	}
	return otherKind
}
