package parser

import (
	"bytes"
	"hash/maphash"
	"math/bits"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A Form is what a record has in common with its repeats: all that it says, and who wrote
// it, but for the time and serial of its header, the process ID and, of seccomp, the
// address of the call.
type Form struct {
	Node     string // as Record.Node
	Yearless bool   // as Record.Yearless

	transport Transport
	typ       Type
	text      string // of the first one
	holes     holes  // in text
	said      uint64 // hash of what it says; see Denial.said
	// The label and the program of the process, if the record says them.
	label, exe string

	hash uint64 // in its Forms
	next *Form  // of the same hash
}

// A Repeat is one more record of a known form. It is valid as long as the block that it was
// found in.
type Repeat struct {
	Form   *Form
	Time   time.Time // as Denial.Time
	Serial uint32    // as Record.Serial
	PID    int       // as Subject.PID
	Label  string    // as Subject.Label
	Exe    string    // as Subject.Exe, if it was asked for; see NewForms
	Line   int       // as Origin.Line
	After  int       // how many denials of the same Scan precede it

	ip         uint64
	block      *Block
	start, end int // of its line in the block's body
}

// Denial parses the record, with what its event has besides. It is what Scan gives of a
// record that is no repeat.
func (r *Repeat) Denial() Denial {
	// Within Context is all that can be of its event or entry, wherever a log is cut.
	b, end := r.block, r.end
	if i := bytes.IndexByte(b.Body[end:], '\n'); i >= 0 {
		end += i + 1
	}
	one := Block{File: b.File, Body: b.Body[r.start:end], Reference: b.Reference, Location: b.Location, Live: b.Live}
	one.Before, one.After = b.Body[max(0, r.start-Context):r.start], b.Body[end:min(end+Context, len(b.Body))]
	if n := Context - r.start; n > 0 {
		one.Before = slices.Concat(b.Before[max(0, len(b.Before)-n):], one.Before)
	}
	if n := Context - len(one.After); n > 0 {
		one.After = slices.Concat(one.After, b.After[:min(n, len(b.After))])
	}
	denials, _ := Scan(nil, one)
	d := denials[0]
	d.Form = r.Form
	d.Event.Records[d.Record].Origin.Line = r.Line
	return d
}

// File returns the log that the record is in, as Origin.File.
func (r *Repeat) File() string { return r.block.File }

// A hole is where in a body a number stands in which repeats may differ; it is empty if
// there is none.
type hole struct{ start, end int }

// The holes are the digits of pid=, and of ip= in a SECCOMP record.
type holes [2]hole

// holesOf returns where the holes of a body are, if it is one that the kernel wrote: in
// others, names may have words in them that look the same. fit tells.
func holesOf(typ Type, body []byte) (h holes) {
	for i := 4; i < len(body); i++ {
		n := bytes.IndexByte(body[i:], '=')
		if n < 0 {
			break
		}
		if i += n; string(body[i-4:i]) == " pid" {
			h[0] = digitsAt(body, i+1, 9, '9')
			break
		}
	}
	if typ != SECCOMP {
		return h
	}
	rest := body[h[0].end:]
	if i := bytes.Index(rest, []byte(" ip=0x")); i >= 0 {
		h[1] = digitsAt(body, len(body)-len(rest)+i+6, 16, 'f')
	}
	return h
}

// digitsAt returns where the decimal or lower-case hexadecimal digits are that begin at a
// place, as many as most.
func digitsAt(body []byte, at, most int, last byte) hole {
	end := at
	for end < len(body) && end-at < most && ('0' <= body[end] && body[end] <= '9' || last == 'f' && 'a' <= body[end] && body[end] <= 'f') {
		end++
	}
	return hole{at, end}
}

// fit reports whether the holes are the values of the fields whose they are to be, and
// the only ones, so that whatever digits stand there, all else is read the same.
func (h holes) fit(r *Record) bool {
	if r.Type != SECCOMP && h[1] != (hole{}) {
		return false
	}
	for i, key := range [...]string{"pid", "ip"} {
		if i == 1 && r.Type != SECCOMP {
			break
		}
		found := 0
		for _, f := range r.Fields {
			if f.Key != key {
				continue
			}
			found++
			start := f.Start
			if i == 1 {
				start += len("0x")
			}
			if h[i] != (hole{start, f.End}) || start >= f.End {
				return false
			}
		}
		if found > 1 || found == 0 && h[i] != (hole{}) {
			return false
		}
	}
	return true
}

// pieces returns what is between the holes.
func pieces[T string | []byte](h *holes, body T) (a, b, c T) {
	if h[1] == (hole{}) {
		return body[:h[0].start], body[h[0].end:], body[:0]
	}
	return body[:h[0].start], body[h[0].end:h[1].start], body[h[1].end:]
}

// Forms are those that were found last in the blocks that it scanned. Their memory is
// bounded. Scan must not be called by several goroutines at once.
type Forms struct {
	programs   bool
	seed       maphash.Seed
	young, old map[uint64]*Form  // by hash
	size       int               // of the young ones
	exes       map[string]string // decoded values of exe= by their spelling
	heads      [8]head           // see headOf
	open, pool []*pending        // of Scan, to be used again
}

// maxFormText bounds the bytes of a form's text; a longer record is parsed each time.
const maxFormText = 1024

// maxFormSize bounds the bytes of the young forms, and of the old ones.
const maxFormSize = 4 << 20

// NewForms returns forms of which none is known yet. With programs, repeats have the Exe of
// their process, which other records of their events may tell: it is for who asks whose
// process it was.
func NewForms(programs bool) *Forms {
	return &Forms{programs: programs, seed: maphash.MakeSeed(), young: map[uint64]*Form{}, exes: map[string]string{}}
}

// Scan is the function of that name, but that it parses each form of record once: what comes
// again is only a Repeat, and appended to repeats. The denials from which it learned a form
// have it as their Form. What it returns refers to b, which must stay as it is.
func (f *Forms) Scan(dst []Denial, repeats []Repeat, b *Block) ([]Denial, []Repeat, Stats) {
	s := scanner{dst: dst, forms: f, repeated: repeats, block: b, open: f.open, pool: f.pool}
	stats := s.scan(*b)
	f.open, f.pool = s.open, s.pool
	return s.dst, s.repeated, stats
}

// hash hashes what is the same in all records of a form.
func (f *Forms) hash(h *holes, node, body []byte) uint64 {
	a, b, c := pieces(h, body)
	n := maphash.Bytes(f.seed, a)
	n = bits.RotateLeft64(n, 21) ^ maphash.Bytes(f.seed, b)
	if len(c) > 0 {
		n = bits.RotateLeft64(n, 21) ^ maphash.Bytes(f.seed, c)
	}
	if len(node) > 0 {
		n = bits.RotateLeft64(n, 21) ^ maphash.Bytes(f.seed, node)
	}
	return n
}

// find returns the form of a record, nil if it is not known. Equal hashes are no evidence.
func (f *Forms) find(hash uint64, h *header, at *holes, node, body []byte) *Form {
	for form := f.young[hash]; form != nil; form = form.next {
		if form.is(h, at, node, body) {
			return form
		}
	}
	for form := f.old[hash]; form != nil; form = form.next {
		if form.is(h, at, node, body) {
			f.add(form)
			return form
		}
	}
	return nil
}

// is reports whether a record is of the form.
func (form *Form) is(h *header, at *holes, node, body []byte) bool {
	if form.transport != h.transport || form.typ != h.typ || form.Yearless != h.yearless || form.Node != string(node) || at[0].start != form.holes[0].start {
		return false
	}
	a, b, c := pieces(at, body)
	x, y, z := pieces(&form.holes, form.text)
	return string(a) == x && string(b) == y && string(c) == z
}

// add remembers a form.
func (f *Forms) add(form *Form) {
	const besides = 256 // of a Form and its place in a map
	size := len(form.text) + len(form.Node) + besides
	if f.size+size > maxFormSize {
		f.old, f.young, f.size = f.young, map[uint64]*Form{}, 0
	}
	f.size += size
	form.next = f.young[form.hash]
	f.young[form.hash] = form
}

// repeats reports whether the record of the line that triggered is of a known form, and
// then notes it.
func (s *scanner) repeats(h *header, node, body []byte) bool {
	if s.forms == nil || len(body) > maxRecord {
		return false
	}
	s.holes = holesOf(h.typ, body)
	s.hash = s.forms.hash(&s.holes, node, body)
	form := s.forms.find(s.hash, h, &s.holes, node, body)
	if form == nil {
		return false
	}
	waits := form.label == "" || s.forms.programs && form.exe == "" && h.typ != USERAVC
	if waits && h.serial == 0 && h.transport == JournalAudit { // see following
		return false
	}
	r := Repeat{
		Form: form, Time: h.time, Serial: h.serial, Label: form.label, Exe: form.exe, Line: s.stats.Lines, After: len(s.dst),
		block: s.block, start: s.start, end: s.end,
	}
	for _, c := range body[s.holes[0].start:s.holes[0].end] {
		r.PID = r.PID*10 + int(c-'0')
	}
	if digits := body[s.holes[1].start:s.holes[1].end]; len(digits) > 0 {
		r.ip, _ = strconv.ParseUint(string(digits), 16, 64)
	}
	s.stats.Records++
	s.repeated = append(s.repeated, r)
	if waits && h.serial != 0 {
		s.wait(pending{repeat: len(s.repeated), record: Record{
			Origin: Origin{File: s.b.File, Transport: h.transport}, Node: form.Node, Time: h.time, Serial: h.serial,
		}})
	}
	return true
}

// closeRepeat takes from the other records of its event what a repeat's own does not say.
func (s *scanner) closeRepeat(p *pending) {
	r := &s.repeated[p.repeat-1]
	for _, m := range p.marks {
		line := s.text(int(m.start), int(m.end))
		raw, ok := s.readRaw(line)
		switch {
		case ok && !s.isOf(line, raw, &p.record):
			continue
		case ok && raw.typ(line) == SYSCALL && s.forms.programs && r.Exe == "" && r.Form.typ != USERAVC:
			r.Exe = s.program(line[raw.body:], &p.record, m)
			continue
		case ok && raw.typ(line) != CONTEXTS:
			continue
		}
		c, ok := s.companion(&p.record, m)
		switch {
		case ok && c.Type == SYSCALL && s.forms.programs && r.Exe == "" && r.Form.typ != USERAVC:
			r.Exe = c.quick("exe")
		case ok && c.Type == CONTEXTS && r.Label == "":
			r.Label = c.contextLabel()
		}
	}
}

// program returns the exe= of the SYSCALL record at m with a body.
func (s *scanner) program(body []byte, r *Record, m mark) string {
	spelled := ""
	if i := bytes.Index(body, []byte(" exe=")); i >= 0 {
		value := body[i+len(" exe="):]
		end := bytes.IndexByte(value, ' ')
		if len(value) > 0 && value[0] == '"' {
			end = bytes.IndexByte(value[1:], '"') + 1
		}
		if end > 0 {
			if exe, known := s.forms.exes[string(value[:end])]; known {
				return exe
			}
			spelled = string(value[:end])
		}
	}
	c, _ := s.companion(r, m)
	exe := strings.Clone(c.quick("exe"))
	if spelled != "" {
		if len(s.forms.exes) >= maxExes {
			clear(s.forms.exes)
		}
		s.forms.exes[spelled] = exe
	}
	return exe
}

// maxExes bounds the programs whose names are remembered.
const maxExes = 1024

// learn remembers the form of a denial, if its repeats would be read the same but for the holes:
// if the kernel wrote it, in a shape that says so, and nothing around its line decides.
func (s *scanner) learn(h *header, x *Denial, r *Record) {
	switch c := x.Seccomp; {
	case s.forms == nil || len(r.Text) > maxFormText || !h.isKernels() || h.interpreted || r.interpreted:
		return
	case c != nil && (c.Suspected || x.Subject.Exe == ""):
		return
	case !s.holes.fit(r):
		return
	}
	x.Form = &Form{
		Node: r.Node, Yearless: r.yearless, transport: h.transport, typ: h.typ,
		text: r.Text, holes: s.holes, said: x.said(&r.Origin), label: x.Subject.Label, exe: x.Subject.Exe, hash: s.hash,
	}
	s.forms.add(x.Form)
}
