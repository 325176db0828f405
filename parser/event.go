package parser

import (
	"bytes"
	"slices"
	"strings"
	"time"
)

// maxCompanions bounds the records kept of an event before and after a denial.
const maxCompanions = 8

// A pending denial is waiting for the rest of its event.
type pending struct {
	denial     int // index in scanner.dst
	repeat     int // or of its place in scanner.repeated, from 1 on
	record     Record
	start, end int // of its line
	before     int // of marks, how many precede the denial
	marks      []mark
}

// mark remembers a line that may belong to an event before or after it.
func (s *scanner) mark(start, end int, serial uint32) {
	newest := &s.newest[serial%marksApart]
	m := mark{int32(start), int32(end), serial, *newest}
	s.closeBefore(end)
	if s.waiting[serial%marksApart] > 0 {
		s.markOpen(m)
	}
	s.recent[s.seen%len(s.recent)] = m
	s.seen++
	*newest = int32(s.seen)
}

// closeBefore closes the pending denials whose events cannot have a line that ends at a
// position.
func (s *scanner) closeBefore(end int) {
	if len(s.open) == s.closed {
		return
	}
	lineStart, lineEnd := s.start, s.end
	for len(s.open) > s.closed && s.open[s.closed].end+Context <= end {
		s.close()
	}
	s.start, s.end = lineStart, lineEnd
}

// markOpen adds a line to the events of pending denials that it is of.
func (s *scanner) markOpen(m mark) {
	for _, p := range s.open[s.closed:] {
		if p.record.Serial == m.serial && int(m.end) < p.end+Context && len(p.marks)-p.before < maxCompanions {
			p.marks = append(p.marks, m)
		}
	}
}

// wait opens a pending denial or repeat on the line that triggered, with the lines of its
// event that were already seen.
func (s *scanner) wait(of pending) {
	s.closeBefore(s.end)
	var p *pending
	if n := len(s.pool); n > 0 {
		p, s.pool = s.pool[n-1], s.pool[:n-1]
	} else {
		p = new(pending)
	}
	of.start, of.end, of.marks = s.start, s.end, p.marks[:0]
	*p = of
	serial := p.record.Serial
	if serial != 0 {
		for i := int(s.newest[serial%marksApart]); i > 0 && i > s.seen-len(s.recent) && len(p.marks) < maxCompanions; {
			m := s.recent[(i-1)%len(s.recent)]
			if int(m.start) <= p.start-Context {
				break
			}
			if m.serial == serial {
				p.marks = append(p.marks, m)
			}
			i = int(m.before)
		}
		slices.Reverse(p.marks)
		p.before = len(p.marks)
	}
	s.open = append(s.open, p)
	s.waiting[serial%marksApart]++
}

// close completes the oldest pending denial.
func (s *scanner) close() {
	p := s.open[s.closed]
	if s.closed++; s.closed*2 >= len(s.open) {
		s.open = s.open[:copy(s.open, s.open[s.closed:])]
		s.closed = 0
	}
	s.waiting[p.record.Serial%marksApart]--
	s.start, s.end = p.start, p.end
	if p.repeat > 0 {
		s.closeRepeat(p)
		s.pool = append(s.pool, p)
		return
	}
	x := &s.dst[p.denial]
	records := make([]Record, 1, 1+len(p.marks))
	records[0] = p.record
	for _, m := range p.marks {
		if r, ok := s.companion(&p.record, m); ok {
			records = append(records, r)
		}
	}
	if p.record.Serial == 0 && p.record.Origin.Transport == JournalAudit {
		records = s.following(records)
	}
	x.Event.Records = records
	x.describe()
	s.pool = append(s.pool, p)
}

// following appends the companions of a record without a serial: journalctl's
// short forms print the SYSCALL record of the same process behind an AVC, and
// behind that what has no process.
func (s *scanner) following(records []Record) []Record {
	r := records[0]
	if r.Type != AVC {
		return records
	}
	window, first := s.window()
	rest := window[min(s.end-first+1, len(window)):]
	pid, call := fieldOf(r.Text, "pid"), false
	for range 16 {
		if len(rest) == 0 {
			break
		}
		line, after, _ := bytes.Cut(rest, []byte("\n"))
		rest = after
		if len(line) > 0 && line[0] == '{' {
			break // JSON, where records have serials
		}
		h, v := parseLine(string(line), s.z)
		if v != isRecord || h.transport != JournalAudit || h.serial != 0 {
			continue
		}
		owner := fieldOf(h.body, "pid")
		switch {
		case !call && h.typ == AVC && owner == pid:
			continue
		case !call && h.typ == SYSCALL && owner == pid:
			call = true
		case !call || !h.typ.isCompanion() || h.typ == SYSCALL:
			return records
		}
		if h.node != r.Node || h.userSpace != r.Origin.UserSpace || h.time.Sub(r.Time).Abs() > time.Second {
			return records
		}
		o := r.Origin
		o.Line = 0
		records = append(records, Record{Origin: o, Node: h.node, Type: h.typ, Time: h.time, Text: h.body})
	}
	return records
}

// companion reads the record at m if it is of the same event as r.
func (s *scanner) companion(r *Record, m mark) (Record, bool) {
	line := s.text(int(m.start), int(m.end))
	if raw, ok := s.readRaw(line); ok {
		if !s.isOf(line, raw, r) {
			return Record{}, false
		}
		return Record{Origin: Origin{File: r.Origin.File, Transport: AuditLog}, Node: r.Node, Type: raw.typ(line),
			Time: r.Time, Serial: r.Serial, Text: string(bytes.TrimLeft(line[raw.body:], " "))}, true
	}
	h, v := s.header(line, int(m.start))
	if v != isRecord || !h.typ.isCompanion() && h.typ != LANDLOCKDOMAIN || h.serial != r.Serial || h.transport != r.Origin.Transport ||
		h.userSpace != r.Origin.UserSpace || h.node != r.Node || !h.time.Equal(r.Time) {
		return Record{}, false
	}
	o := r.Origin
	o.Line = 0
	return Record{Origin: o, Node: h.node, Type: h.typ, Time: h.time, Serial: h.serial, Text: h.body, interpreted: h.interpreted}, true
}

// isOf reports whether a line of auditd's log, the last that was read, is of r's event.
func (s *scanner) isOf(line []byte, raw raw, r *Record) bool {
	return r.Origin.Transport == AuditLog && !r.Origin.UserSpace && s.id.serial == r.Serial &&
		string(raw.node(line)) == r.Node && s.id.time().Equal(r.Time)
}

// describe takes from a denial's companions what they say of its subject and of
// its call.
func (x *Denial) describe() {
	for i := range x.Event.Records {
		r := &x.Event.Records[i]
		if x.Other != nil && i != x.Record {
			x.describeOther(r)
		}
		switch r.Type {
		case SYSCALL:
			x.describeCall(r)
		case CONTEXTS:
			x.describeSubject(r)
		case PROCTITLE:
			if title := r.quick("proctitle"); title != "" && title != "(null)" {
				x.Subject.Argv = title
			}
		}
	}
	if x.Subject.Argv == "" {
		x.Subject.Argv = x.Event.argv()
	}
}

// describeSubject takes the label from the record that has those of all security
// modules, where the record itself says subj=?.
func (x *Denial) describeSubject(r *Record) {
	if x.Subject.Label == "" {
		x.Subject.Label = r.contextLabel()
	}
}

// contextLabel returns the first label of a record that has those of all modules.
func (r *Record) contextLabel() string {
	for _, key := range [...]string{"subj_apparmor", "subj_selinux", "subj_smack"} {
		if label := labelOf(r.quick(key)); label != "" {
			return label
		}
	}
	return ""
}

// describeCall uses the SYSCALL record of the event.
func (x *Denial) describeCall(r *Record) {
	if x.Event.Records[x.Record].Type == USERAVC {
		return // of the mediator, not of the subject
	}
	if x.Subject.Exe == "" {
		x.Subject.Exe = r.quick("exe")
	}
	if x.Subject.UID < 0 {
		if n, ok := atoi(r.quick("fsuid")); ok {
			x.Subject.UID = int(n)
		}
	}
	c := x.Seccomp
	if c == nil || r.interpreted {
		return
	}
	arch, _ := archOf(r.quick("arch"), false)
	number, ok := atoi(r.quick("syscall"))
	if !ok || arch != c.Arch || number != int64(c.Syscall) {
		return
	}
	for _, key := range [...]string{"a0", "a1", "a2", "a3"} {
		n, ok := parseHex(r.quick(key))
		if !ok {
			c.Args = nil
			return
		}
		c.Args = append(c.Args, n)
	}
}

// quick is Lookup of a companion without reading the whole record: in those, no
// value before the key can hold a space.
func (r *Record) quick(key string) string {
	if r.interpreted || r.Fields != nil {
		return r.Get(key)
	}
	for at := 0; ; {
		i := strings.Index(r.Text[at:], key)
		if i < 0 {
			return ""
		}
		i += at
		at = i + len(key)
		if (i == 0 || r.Text[i-1] == ' ') && strings.HasPrefix(r.Text[at:], "=") {
			f, _, _ := scanValue(r.Text, key, at+1, r.Type)
			return f.Value
		}
	}
}

// argv joins the arguments of the EXECVE records with NULs. Long ones are logged in
// pieces, a1[0] and a1[1], perhaps of several records (audit_log_execve_info in
// kernel/auditsc.c).
func (e *Event) argv() string {
	var argv strings.Builder
	last := ""
	for i := range e.Records {
		r := &e.Records[i]
		if r.Type != EXECVE {
			continue
		}
		fields, _ := r.scan()
		for _, f := range fields {
			key, _, _ := strings.Cut(f.Key, "[")
			if len(key) < 2 || key[0] != 'a' || key[1] < '0' || key[1] > '9' || strings.HasSuffix(key, "_len") {
				continue
			}
			if last != "" && key != last {
				argv.WriteByte(0)
			}
			last = key
			argv.WriteString(f.Value)
		}
	}
	return argv.String()
}

func parseHex(s string) (n uint64, ok bool) {
	if s == "" || len(s) > 16 {
		return 0, false
	}
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case '0' <= c && c <= '9':
			n = n<<4 | uint64(c-'0')
		case 'a' <= c && c <= 'f':
			n = n<<4 | uint64(c-'a'+10)
		default:
			return 0, false
		}
	}
	return n, true
}
