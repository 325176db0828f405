package parser

import (
	"bytes"
	"encoding/binary"
	"strings"
	"time"
)

// An entry holds the fields of one journal entry, or of one message of dmesg
// --json, that matter here.
type entry struct {
	message    string
	transport  string // _TRANSPORT: kernel, audit, syslog, stdout, journal
	identifier string // SYSLOG_IDENTIFIER
	facility   string // SYSLOG_FACILITY
	host       string // _HOSTNAME
	auditType  string // _AUDIT_TYPE, a number
	auditID    string // _AUDIT_ID, the serial
	source     string // _SOURCE_REALTIME_TIMESTAMP, microseconds
	received   string // __REALTIME_TIMESTAMP, microseconds
	priority   string // pri, of dmesg: facility<<3 | level
	dmesg      bool   // of dmesg --json
	wrapped    bool   // a line was added to those that journalctl wrote
	carrier           // what collectors of logs write
	others     bool   // has other fields than the message and its cursor
	stamp      time.Time
}

// set keeps one field.
func (e *entry) set(key, value string) {
	switch key {
	case "MESSAGE":
		e.message = value
	case "msg":
		e.message, e.dmesg = value, true
	case "pri":
		e.priority = value
	case "fac":
		e.facility = value
	case "_TRANSPORT":
		e.transport = value
	case "SYSLOG_IDENTIFIER":
		e.identifier = value
	case "SYSLOG_FACILITY":
		e.facility = value
	case "_HOSTNAME":
		e.host = value
	case "_AUDIT_TYPE":
		e.auditType = value
	case "_AUDIT_ID":
		e.auditID = value
	case "_SOURCE_REALTIME_TIMESTAMP":
		e.source = value
	case "__REALTIME_TIMESTAMP":
		e.received = value
	default:
		e.others = e.others || !strings.HasPrefix(key, "__")
	}
}

// header reads the record in an entry.
func (e *entry) header(z zone) (header, verdict) {
	switch {
	case e.dmesg && e.priority == "" || e.message == "":
		return e.carried(z)
	case e.wrapped:
		return header{}, broken
	}
	p := prefix{facility: -1, host: e.host, time: e.time(), rest: e.message}
	if n, ok := atoi(e.facility); ok {
		p.facility = int(n)
	}
	switch {
	case e.dmesg:
		p.kernel = true
		if n, ok := atoi(e.priority); ok {
			p.facility = int(n >> 3)
		} else if e.facility != "" {
			p.facility = facilityOf(e.facility)
		}
		return parseMessage(p, z)
	case e.transport == "kernel":
		p.kernel = true
		return parseMessage(p, z)
	case e.transport == "audit":
		return e.audit(z)
	case e.transport == "" && e.identifier == "" && !e.others:
		return parseLine(e.message, z) // of --output-fields=MESSAGE
	}
	p.tag = e.identifier
	if p.tag == "" {
		p.tag = "?"
	}
	h, v := parseMessage(p, z)
	switch e.transport {
	case "", "syslog", "stdout", "journal", "driver":
	default:
		h.unsure = true
	}
	h.userSpace = h.userSpace || p.tag == "kernel" || p.tag == "audit" || e.transport != "syslog"
	return h, v
}

// audit reads an entry that journald received from the kernel's audit socket:
// its message is the type and the record's body.
func (e *entry) audit(z zone) (header, verdict) {
	h, ok := parseAudit(e.message, z)
	if !ok {
		return h, broken
	}
	if t := typeOf(e.auditType); t != "" {
		h.typ = t
	}
	h.transport, h.node = JournalAudit, e.host
	if n, ok := atoi(e.auditID); ok && n < 1<<32 {
		h.serial = uint32(n)
	}
	if t := e.time(); !t.IsZero() {
		h.time = t
	}
	return h, isRecord
}

// time returns when the entry's message was written, else received.
func (e *entry) time() time.Time {
	for _, s := range [...]string{e.source, e.received} {
		if n, ok := atoi(s); ok {
			return time.UnixMicro(n).UTC()
		}
	}
	return e.stamp
}

// hidesMessage reports whether a line starts a message whose text cannot be
// searched: one that journalctl writes as an array of bytes (-o json) or behind
// its length (-o export).
func hidesMessage(line []byte) bool {
	switch line[0] {
	case 'M':
		return string(line) == "MESSAGE"
	case '{', '"', ' ', '\t', 'd', '\x1e', '>', '\x1b':
	default:
		return false
	}
	for i := 0; ; i++ {
		n := bytes.IndexByte(line[i:], '[')
		if n < 0 {
			return false
		}
		i += n
		if bytes.HasSuffix(bytes.TrimRight(line[max(0, i-16):i], " :\t"), []byte(`"MESSAGE"`)) {
			return true
		}
	}
}

// header reads the record on a line, at position at, of any shape.
func (s *scanner) header(line []byte, at int) (header, verdict) {
	if s.inBinaryField(at) {
		return header{}, notRecord
	}
	text := bytes.TrimLeft(line, " \t\x1e")
	text = bytes.TrimPrefix(text, []byte("data: ")) // journalctl -o json-sse
	switch {
	case len(text) == 0:
		return header{}, notRecord
	case text[0] == '{':
		var e entry
		if !e.parseJSON(text) {
			return header{}, broken
		}
		return e.header(s.z)
	case text[0] == '"':
		return s.prettyJSON(text, at)
	case isExportField(text):
		return s.exportEntry(line, text, at)
	}
	return parseLine(string(line), s.z)
}

// prettyJSON reads the object that a line of journalctl -o json-pretty or dmesg
// --json is part of, if the line is that of the message or of the serial.
func (s *scanner) prettyJSON(text []byte, at int) (header, verdict) {
	key, i, ok := jsonString(text, 0)
	i = skipSpace(text, i)
	switch {
	case ok && (i == len(text) || text[i] == ',' || text[i] == ']'): // of an array
		return parseLine(key, s.z)
	case !ok || text[i] != ':':
		return parseLine(string(text), s.z)
	case key == "apparmor":
		value, _, ok := jsonString(text, skipSpace(text, i+1))
		if _, known := modeOf(value); !ok || !known {
			return header{}, notRecord
		}
		return header{why: "a record that a tool took apart: give the log itself, or one object on each line, as of jq -c ."}, broken
	}
	if isCarried(key) {
		value, _, ok := jsonString(text, skipSpace(text, i+1))
		if !ok {
			return header{}, broken
		}
		if key != "msg" {
			e := entry{carrier: carrier{lines: []string{value}}}
			return e.carried(s.z)
		}
	}
	switch key {
	case "MESSAGE", "msg", "_AUDIT_ID":
	default:
		return header{}, notRecord
	}
	window, lo := s.window()
	first := at - lo
	open := -1
	for i, n := first, 0; i > 0 && n < maxEntryLines; n++ {
		i = bytes.LastIndexByte(window[:i-1], '\n') + 1
		line := bytes.TrimLeft(window[i:first], " \t},")
		if len(line) > 0 && line[0] == '{' {
			open = len(window[:first]) - len(line)
			break
		}
	}
	if open < 0 {
		return header{}, broken
	}
	var e entry
	if !e.parseJSON(window[open:]) {
		return header{}, broken
	}
	return e.header(s.z)
}

// maxEntryLines bounds the lines of a journal entry looked at.
const maxEntryLines = 256

// isExportField reports whether a line is KEY=VALUE of journalctl -o export or
// verbose, or the KEY alone of a binary field's first line.
func isExportField(line []byte) bool {
	n := exportKey(line)
	if n == 0 {
		return false
	}
	return n < len(line) && line[n] == '=' || string(line) == "MESSAGE"
}

// exportKey returns the length of the journal field's name that a line starts
// with.
func exportKey(line []byte) int {
	n := 0
	for n < len(line) && n <= 64 && ('A' <= line[n] && line[n] <= 'Z' || line[n] == '_' || n > 0 && '0' <= line[n] && line[n] <= '9') {
		n++
	}
	if n > 64 {
		return 0
	}
	return n
}

// exportEntry reads the entry that a line of journalctl -o export or verbose is
// part of, if the line is that of the message or of the serial.
func (s *scanner) exportEntry(line, text []byte, at int) (header, verdict) {
	if !bytes.HasPrefix(text, []byte("MESSAGE=")) && string(text) != "MESSAGE" && !bytes.HasPrefix(text, []byte("_AUDIT_ID=")) {
		return header{}, notRecord
	}
	window, lo := s.window()
	start := at - lo
	verbose := len(text) < len(line)
	var e entry
	// Back to the blank line before the entry; verbose has a line of its own.
	for i, n := start, 0; i > 0 && n < maxEntryLines; n++ {
		j := bytes.LastIndexByte(window[:i-1], '\n') + 1
		field := bytes.TrimRight(window[j:i-1], "\r")
		if verbose && len(field) > 0 && field[0] != ' ' {
			e.stamp, _, _ = cutTime(string(field[:min(len(field), 64)]), s.z)
			break
		}
		if len(field) == 0 {
			break
		}
		start, i = j, j
	}
	e.parseExport(window[start:], verbose)
	return e.header(s.z)
}

// parseExport reads an entry's fields, up to the blank line that ends it or, if
// verbose, to the next line that is not indented.
func (e *entry) parseExport(text []byte, verbose bool) {
	for range maxEntryLines {
		line, after, _ := bytes.Cut(text, []byte("\n"))
		field := bytes.TrimRight(line, "\r")
		if verbose {
			if len(field) == 0 || field[0] != ' ' {
				e.wrapped = isUnquoted(string(field))
				return
			}
			field = bytes.TrimLeft(field, " ")
		}
		n := exportKey(field)
		switch {
		case len(field) == 0:
			return
		case n > 0 && n < len(field) && field[n] == '=':
			e.set(string(field[:n]), string(field[n+1:]))
		case n == len(field) && !verbose:
			value, rest, ok := cutBinary(after)
			if !ok {
				return
			}
			e.set(string(field), string(value))
			after = rest
		}
		text = after
	}
}

// cutBinary removes a binary field's little-endian 64-bit length, its bytes and
// the newline (systemd's Journal Export Format).
func cutBinary(text []byte) (value, rest []byte, ok bool) {
	if len(text) < 8 {
		return nil, nil, false
	}
	n := binary.LittleEndian.Uint64(text)
	if n > uint64(len(text)-8) {
		return nil, nil, false
	}
	rest = text[8+n:]
	return text[8 : 8+n], bytes.TrimPrefix(rest, []byte("\n")), true
}

// inBinaryField reports whether the line at a position lies in a binary field of journalctl -o
// export: whatever it says was written by a program with newlines in it, or is
// read as part of its entry.
func (s *scanner) inBinaryField(at int) bool {
	if !s.alone {
		return false
	}
	if s.export == 0 {
		s.export = -1
		for _, part := range [...][]byte{s.b.Before, s.b.Body, s.b.After} {
			if bytes.HasPrefix(part, exportMark[1:]) || bytes.Contains(part, exportMark) {
				s.export = 1
			}
		}
	}
	if s.export < 0 {
		return false
	}
	window, lo := s.window()
	first := at - lo
	for i := 0; i < first; {
		n := bytes.IndexByte(window[i:first], '\n')
		if n < 0 {
			return false
		}
		next := i + n + 1
		if n > 0 && n == exportKey(window[i:i+n]) && next+8 <= len(window) {
			size := binary.LittleEndian.Uint64(window[next:])
			if size < 1<<26 && uint64(first) < uint64(next+8)+size {
				return true
			}
		}
		i = next
	}
	return false
}

var exportMark = []byte("\n__REALTIME_TIMESTAMP=")
