package parser

import (
	"bytes"

	"time"
)

// Context is how many bytes around a line Scan looks at for the rest of its
// event or entry. With at least that much of the log in Before and After (or all
// there is), results do not depend on where a log was cut into blocks.
const Context = 16 << 10

// A Block is a run of whole lines of one log, with the bytes around it.
type Block struct {
	File   string // as named by the user; "-" for standard input
	Before []byte // what precedes Body in the log, at least Context bytes or all
	Body   []byte // whole lines; only a log's last line may lack its newline
	After  []byte // what follows Body in the log, at least Context bytes or all
	// Reference is the latest plausible time of a line, such as the file's
	// modification time: it gives a year to syslog times, which have none.
	Reference time.Time
	// Location is the zone of times that do not say theirs; nil is UTC.
	Location *time.Location
	// Live says that nobody pasted the lines: each record is a line as the kernel
	// or a logger wrote it. No lines are joined then, and nothing is undone that a
	// terminal, a mail program or a forum does to lines.
	Live bool
}

// Scan appends to dst the AppArmor and SECCOMP records that start on a line of
// b.Body, in the order of those lines, and returns what else was seen. Records of
// every Mode are among them, Status too, and look-alikes (Origin.UserSpace).
// Origin.Line counts from 1 at the first line of Body. It keeps no reference to b's bytes and may be
// called from several goroutines at once. Memory and time are linear in the
// block's size, whatever its bytes.
func Scan(dst []Denial, b Block) ([]Denial, Stats) {
	s := scanner{dst: dst}
	stats := s.scan(b)
	return s.dst, stats
}

// scan goes through a block.
func (s *scanner) scan(b Block) Stats {
	b.Before = b.Before[max(0, len(b.Before)-Context):]
	b.After = b.After[:min(len(b.After), Context)]
	s.b, s.z = b, zone{b.Reference, b.Location}
	s.walk(b.Before, -len(b.Before), before)
	s.walk(b.Body, 0, body)
	s.walk(b.After, len(b.Body), after)
	for len(s.open) > s.closed {
		s.close()
	}
	s.stats.Bytes = int64(len(b.Body))
	s.stats.NULs = bytes.Count(b.Body, []byte{0})
	s.stats.TornLast = len(b.Body) > 0 && b.Body[len(b.Body)-1] != '\n' && len(b.After) == 0
	s.stats.Serials.finish()
	return s.stats
}

// A part says which bytes of a block a line is in.
type part uint8

const (
	before part = iota
	body
	after
)

// scanner is the state of one Scan. Positions count from the start of Body and
// are negative in Before.
type scanner struct {
	dst   []Denial
	b     Block
	z     zone
	stats Stats
	part  part
	words finder // of the part's text
	first int    // position of that

	recent  [1024]mark         // lines with an audit serial, the newest at recent[seen-1]
	seen    int                // how many there were
	newest  [marksApart]int32  // seen when the last of the serial was there, by its last digits
	open    []*pending         // denials and repeats whose event may go on, oldest first
	closed  int                // how many of open are closed
	waiting [marksApart]uint32 // how many of open have the serial, by its last digits
	pool    []*pending         // closed ones, to be used again
	around  [3][]byte          // see text
	export  int8               // whether the block holds journalctl -o export: 1, or -1 for no
	alone   bool               // a line has the name of a journal field alone: see inBinaryField

	// id is that of the last line with one: the records of an event stand
	// together, and to compare is faster than to parse.
	id eventID

	start, end int // the line that triggered, or of the pending denial; see window

	// Of Forms.Scan; forms is nil if nothing is folded.
	forms    *Forms
	repeated []Repeat
	block    *Block
	holes    holes  // of the record on the line that triggered
	hash     uint64 // and its hash
}

// A mark is a line that may be part of an event.
type mark struct {
	start, end int32 // without the newline
	serial     uint32
	before     int32 // newest of its serial before it was
}

// marksApart is how many serials in a row are told apart without a look at each.
const marksApart = 64

// walk goes through the lines of one part, which starts at position at.
func (s *scanner) walk(text []byte, at int, p part) {
	s.part, s.words, s.first = p, finder{text: text}, at
	off := 0
	if p == before && len(text) >= Context {
		// The first line may have been cut.
		off = bytes.IndexByte(text, '\n') + 1
		if off == 0 {
			return
		}
	}
	for off < len(text) {
		n := bytes.IndexByte(text[off:], '\n')
		end := off + n
		if n < 0 {
			end = len(text)
			if p == after && len(text) >= Context {
				return
			}
		}
		if p == body {
			s.stats.Lines++
		}
		s.line(text[off:end], at+off)
		off = end + 1
	}
}

// line looks at one line, at position at.
func (s *scanner) line(line []byte, at int) {
	if n := len(line); n > 0 && line[n-1] == '\r' {
		line = line[:n-1]
		if s.part == body {
			s.stats.CRLF++
		}
	}
	if raw, ok := s.readRaw(line); ok {
		s.auditLine(line, raw, at)
		return
	}
	s.otherLine(line, at)
}

var (
	needleAppArmor = []byte("apparmor=")
	needleAudit    = []byte("audit")
	needleKey      = []byte(`apparmor":`)
	needleAuditID  = []byte("AUDIT_ID")
)

// otherLine looks at a line of any other shape.
func (s *scanner) otherLine(line []byte, at int) {
	if n := len(line); n > 0 && n <= 64 && exportKey(line) == n {
		s.alone = true
	}
	if len(line) < len("MESSAGE") {
		return
	}
	words := s.words.within(at-s.first, at-s.first+len(line))
	if words && holdsDenial(line) || hidesMessage(line) {
		if s.part == body {
			s.trigger(line, at)
		}
		return
	}
	if serial, rest, ok := s.words.companion(at-s.first, at-s.first+len(line)); ok {
		if s.part != body || s.b.Live || !maySplit(line, rest) || !s.split(line, at) {
			s.mark(at, at+len(line), serial)
		}
		return
	}
	audit := bytes.Index(line, needleAudit)
	if audit >= 0 {
		s.neighbourLine(line, at, audit)
		if serial, rest, ok := serialIn(line[audit:]); ok {
			if s.part == body && !s.b.Live && maySplit(line, rest) && s.split(line, at) {
				return
			}
			s.mark(at, at+len(line), serial)
			return
		}
	}
	switch line[0] {
	case '{', '"', '_', ' ', '\t', 'd', '\x1e':
		if words && s.part == body && bytes.Contains(line, needleKey) {
			s.trigger(line, at)
			return
		}
		if i := bytes.Index(line, needleAuditID); i >= 0 {
			if serial, ok := auditID(line[i+len(needleAuditID):]); ok {
				s.mark(at, at+len(line), serial)
				return
			}
		}
	}
	if s.part != body {
		return
	}
	if (toolStarts[line[0]] || line[len(line)-1] == ')') && !s.b.Live && mayBeTools(line) {
		if t := toolOf(line); t != nil && !(t.name == "snappy-debug" && s.isBelowLog(at)) {
			s.unparsed("a line of "+t.name+", which has no record: "+t.instead, line)
			return
		}
	}
	s.lost(line, audit >= 0)
}

// serialIn finds the serial of audit(TIME:SERIAL) in a line, and what stands behind it;
// that is nil if the stamp is of another form than the kernel's.
func serialIn(line []byte) (serial uint32, rest []byte, ok bool) {
	i := bytes.Index(line, []byte("audit("))
	if i < 0 {
		return 0, nil, false
	}
	line = line[i+6:]
	if _, _, serial, n := parseID(line); n > 0 {
		return serial, line[n:], serial > 0
	}
	end := bytes.IndexByte(line[:min(len(line), 80)], ')')
	if end < 0 {
		return 0, nil, false
	}
	colon := bytes.LastIndexByte(line[:end], ':')
	n, ok := atoi(string(line[colon+1 : end]))
	return uint32(n), nil, colon >= 0 && ok && n > 0 && n < 1<<32
}

// auditID reads the number of journald's _AUDIT_ID=13 or "_AUDIT_ID":"13".
func auditID(s []byte) (uint32, bool) {
	s = bytes.TrimLeft(s[:min(len(s), 24)], "\" :=")
	n := 0
	for n < len(s) && '0' <= s[n] && s[n] <= '9' {
		n++
	}
	v, ok := atoi(string(s[:n]))
	return uint32(v), ok && v > 0 && v < 1<<32
}

// maxRecord is more than the kernel and auditd let a record have: 8970 bytes
// (MAX_AUDIT_MESSAGE_LENGTH in libaudit.h).
const maxRecord = 64 << 10

// trigger reads a line that may hold a denial.
func (s *scanner) trigger(line []byte, at int) {
	s.start, s.end = at, at+len(line)
	if s.repeatsHead(line, at) {
		return
	}
	h, v := s.header(line, at)
	if v != isRecord && !s.b.Live && (v == broken || isAdorned(line)) && !s.inBinaryField(at) {
		if pasted, is := s.pasted(line, at); is == isRecord {
			h, v = pasted, is
		}
	}
	switch {
	case v == isRecord && s.forms != nil && h.isKernels() && !isAdorned(line) && s.repeats(&h, []byte(h.node), []byte(h.body)):
		s.learnHead(line, &h)
	case v == isRecord:
		s.found(line, &h)
	case v == broken && h.why != "":
		s.unparsed(h.why, line)
	case v == broken && isEvident(line):
		s.unparsed("the text before the record is of no known log format", line)
	default:
		s.stats.Others++
	}
}

// found types the record of a line whose header is understood.
func (s *scanner) found(line []byte, h *header) {
	adorned := !s.b.Live && isAdorned(line)
	if h.typ == ANOMABEND && !s.b.Live && fieldOf(h.body, "sig") == "" { // which comes late in it
		if p, v := s.pasted(line, s.start); v == isRecord {
			h = &p
		}
	}
	if !h.holdsRecord() && !adorned && !isSplit(h.body) && !bytes.Contains(line, []byte("apparmor=&")) {
		switch {
		case s.refused(line, h):
		case h.transport == Unknown && isEvident(line):
			s.unparsed("a part of a record", line)
		default:
			s.stats.Others++
		}
		return
	}
	x, r, why := s.parse(h)
	whole := why == "" && x.isWhole(&r)
	if !s.b.Live && (!whole || adorned || h.isPart(line)) {
		if p, v := s.pasted(line, s.start); v == isRecord && p.holdsRecord() {
			// Whatever stands around a whole record, its fields are its own.
			y, q, wrong := s.parse(&p)
			switch {
			case wrong == "" && (!whole || adorned || q.Text == r.Text):
				x, r, why, h = y, q, "", &p
				whole = x.isWhole(&r)
			case !whole && p.isKernels():
				h, why = &p, wrong
			}
		}
	}
	if !h.holdsRecord() && !isSplit(h.body) {
		if !s.refused(line, h) {
			s.stats.Others++
		}
		return
	}
	if why == "" && !whole {
		if key := x.cutOff(&r); key != "" {
			why = "the record is cut off behind " + key + "="
		}
	}
	if why != "" {
		if s.isTold(h, line) {
			s.unparsed(why, line)
		} else {
			s.stats.Others++
		}
		return
	}
	if whole && !h.isPart(line) && !isAdorned(line) {
		s.learn(h, &x, &r)
	}
	s.noteUnit(&x)
	s.stats.Records++
	s.dst = append(s.dst, x)
	s.wait(pending{denial: len(s.dst) - 1, record: r})
}

// holdsRecord reports whether a header is followed by a record of AppArmor or
// seccomp, or by one that speaks for seccomp.
func (h *header) holdsRecord() bool {
	return h.typ == SECCOMP || h.typ == ANOMABEND && isSuspicion(h.body) || isAppArmor(h.typ, h.body)
}

// isTold reports whether a record that is not understood is evidently a denial: what a
// program wrote is not, nor what has one word of it.
func (s *scanner) isTold(h *header, line []byte) bool {
	switch {
	case h.userSpace:
		return h.unsure && isEvident(line)
	case h.unknown:
		return bytes.Count(line, []byte("=")) >= 2
	}
	return h.holdsRecord() || h.body != "a" // of avc: or apparmor=
}

// isPart reports whether the start of a record may stand on the lines before, or
// something on this one keeps its header from being known.
func (h *header) isPart(line []byte) bool {
	return h.userSpace || h.unknown || h.transport == Unknown && bytes.HasPrefix(bytes.TrimLeft(line, " "), needleAppArmor)
}

// parse types the record of the line that triggered.
func (s *scanner) parse(h *header) (Denial, Record, string) {
	return parseDenial(h, Origin{File: s.b.File, Line: s.stats.Lines, Transport: h.transport, UserSpace: h.userSpace, UnknownPrefix: h.unknown})
}

// unparsed counts the line that triggered as not understood.
func (s *scanner) unparsed(why string, line []byte) {
	s.stats.unparsed(Origin{File: s.b.File, Line: s.stats.Lines}, why, line)
}

// parseDenial types a record. It returns what is wrong with it, or "".
func parseDenial(h *header, o Origin) (x Denial, r Record, why string) {
	if len(h.body) > maxRecord {
		return x, r, "the record is longer than any that the kernel writes"
	}
	r = Record{
		Origin: o, Node: h.node, Type: h.typ, Time: h.time, Serial: h.serial,
		Text: h.body, interpreted: h.interpreted, yearless: h.yearless,
	}
	var whole bool
	if r.Fields, whole = r.scan(); !whole {
		return x, r, "the record ends inside a quoted value"
	}
	if len(r.Fields) == 0 {
		return x, r, "the record has no fields"
	}
	x.Time = r.Time
	switch r.Type {
	case SECCOMP:
		if why = typeSeccomp(&x, &r); why == "" || r.interpreted {
			return x, r, why
		}
		// Tools write the words of ausearch -i behind a stamp of numbers, too.
		words := r
		words.interpreted = true
		if words.Fields, _ = words.scan(); typeSeccomp(&x, &words) == "" {
			return x, words, ""
		}
		return x, r, why
	case ANOMABEND:
		return x, r, typeAbend(&x, &r)
	}
	if _, is := neighbourOf(r.Type, []byte(r.Text)); is {
		return x, r, typeOther(&x, &r)
	}
	return x, r, typeAppArmor(&x, &r)
}

// text returns the bytes of the block from position lo to hi, which may lie in
// Before and After.
func (s *scanner) text(lo, hi int) []byte {
	n := len(s.b.Body)
	if lo >= 0 && hi <= n {
		return s.b.Body[lo:hi]
	}
	const near = 4 * Context
	join := func(i, from, to int) []byte {
		if s.around[i] == nil {
			s.around[i] = s.join(from, to)
		}
		return s.around[i][lo-from : hi-from]
	}
	first, last := -len(s.b.Before), n+len(s.b.After)
	switch {
	case n <= near:
		return join(0, first, last)
	case hi <= near:
		return join(1, first, near)
	case lo >= n-near:
		return join(2, n-near, last)
	}
	return s.join(lo, hi)
}

// join copies the bytes of the block from position lo to hi.
func (s *scanner) join(lo, hi int) []byte {
	n := len(s.b.Body)
	b := make([]byte, 0, hi-lo)
	if lo < 0 {
		b = append(b, s.b.Before[len(s.b.Before)+lo:len(s.b.Before)+min(hi, 0)]...)
	}
	b = append(b, s.b.Body[min(max(lo, 0), n):min(max(hi, 0), n)]...)
	if hi > n {
		b = append(b, s.b.After[max(lo-n, 0):hi-n]...)
	}
	return b
}

// window returns the whole lines that begin and end within Context bytes of the
// line that triggered, and their position.
func (s *scanner) window() ([]byte, int) {
	lo := max(s.start-Context, -len(s.b.Before))
	hi := min(s.end+1+Context, len(s.b.Body)+len(s.b.After))
	text := s.text(lo, hi)
	if hi == s.end+1+Context { // there may be more of the last line
		text = text[:max(bytes.LastIndexByte(text, '\n')+1, s.end-lo)]
	}
	if lo == s.start-Context { // and of the first
		cut := s.start - lo
		if i := bytes.IndexByte(text[:cut], '\n'); i >= 0 {
			cut = i + 1
		}
		text, lo = text[cut:], lo+cut
	}
	return text, lo
}
