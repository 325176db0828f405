package parser

import (
	"bytes"
	"strings"
)

// A head is what stands before audit(TIME:SERIAL) on a line of the kernel's own log, of
// which the header is known:
//
//	Nov 23 09:42:59 lab kernel: [   40.392669] audit: type=1400
//
// Others are read like it if they are as long and differ only in digits of times of which
// the header says nothing, as the record has its own: of a clock, behind it, between
// brackets, and of the fields of /dev/kmsg.
type head struct {
	text    []byte
	clock   int    // where HH:MM:SS starts; -1 if there is none
	free    []bool // the bytes that may be other digits
	escaped bool   // of /dev/kmsg, which writes some bytes of the record as \xNN
	header  header // without time, serial and body
}

// newHead learns the head of a line; ok is false if it has none.
func newHead(text []byte, h *header) (n head, ok bool) {
	n = head{text: bytes.Clone(text), clock: -1, free: make([]bool, len(text)), header: *h}
	n.header.body = ""
	digits := func(from, to int) {
		for i := from; i < to; i++ {
			n.free[i] = isDecimal[text[i]]
		}
	}
	if _, rest, ok := cutTime(string(text), zone{}); ok {
		n.learnClock(len(text) - len(rest))
	}
	if open := bytes.IndexByte(text, '['); open >= 0 && !strings.Contains(h.node, "[") {
		end := open + 1
		for end < len(text) && (isDecimal[text[end]] || text[end] == ' ' || text[end] == '.') {
			end++
		}
		if end < len(text) && text[end] == ']' && bytes.Count(text[open:end], []byte(".")) == 1 {
			digits(open, end)
		}
	}
	if _, _, ok := cutKmsg(string(text)); ok {
		n.escaped = true
		digits(bytes.IndexByte(text, ','), bytes.IndexByte(text, ';'))
	}
	return n, h.transport == RingBuffer && h.isKernels() && h.serial != 0 && !h.time.IsZero()
}

// learnClock frees the digits of the clock in the time that a head starts with.
func (n *head) learnClock(end int) {
	for i := 0; i+8 <= end; i++ {
		if _, _, _, ok := clock(string(n.text[i : i+8])); !ok {
			continue
		}
		n.clock = i
		behind := i + 8
		if n.text[behind] == '.' || n.text[behind] == ',' {
			_, digits := fraction(string(n.text[behind+1:]))
			behind += 1 + digits
		}
		for ; i < behind; i++ {
			n.free[i] = isDecimal[n.text[i]]
		}
		return
	}
}

// is reports whether a head is read like this one.
func (n *head) is(text []byte) bool {
	if len(text) != len(n.text) {
		return false
	}
	for i, c := range text {
		if c != n.text[i] && !(n.free[i] && isDecimal[c]) {
			return false
		}
	}
	if n.clock < 0 {
		return true
	}
	_, _, _, ok := clock(string(text[n.clock : n.clock+8]))
	return ok
}

// cutStamp finds the audit(TIME:SERIAL): of a line, which its head ends at and its body starts
// behind.
func cutStamp(line []byte) (id eventID, head, body []byte, ok bool) {
	at := bytes.Index(line, []byte("audit("))
	if at < 0 {
		return id, nil, nil, false
	}
	rest := line[at+len("audit("):]
	var n int
	id.sec, id.nsec, id.serial, n = parseID(rest)
	if n == 0 || id.serial == 0 || id.time().IsZero() || len(rest) < n+3 || string(rest[n:n+2]) != ": " || rest[n+2] == ' ' {
		return id, nil, nil, false
	}
	return id, line[:at], rest[n+2:], true
}

// repeatsHead is repeats of a line of which the head is known.
func (s *scanner) repeatsHead(line []byte, at int) bool {
	if s.forms == nil || s.inBinaryField(at) {
		return false
	}
	id, text, body, ok := cutStamp(line)
	if !ok || len(text) == 0 {
		return false
	}
	known := s.forms.headOf(text)
	if !known.is(text) || isAdorned(line) || known.escaped && bytes.Contains(body, []byte(`\x`)) {
		return false
	}
	h := known.header
	h.time, h.serial = id.time(), id.serial
	return s.repeats(&h, []byte(h.node), body)
}

// learnHead remembers the head of a line whose header is h.
func (s *scanner) learnHead(line []byte, h *header) {
	_, text, body, ok := cutStamp(line)
	if !ok || len(text) == 0 || string(body) != h.body {
		return
	}
	if known, ok := newHead(text, h); ok {
		*s.forms.headOf(text) = known
	}
}

// headOf returns the place of a head: those of the last types of records are kept.
func (f *Forms) headOf(text []byte) *head { return &f.heads[text[max(0, len(text)-2)]%8] }

// isDecimal holds the decimal digits.
var isDecimal = [256]bool{'0': true, '1': true, '2': true, '3': true, '4': true, '5': true, '6': true, '7': true, '8': true, '9': true}
