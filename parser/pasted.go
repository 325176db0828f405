package parser

import (
	"bytes"
	"html"
	"regexp"
	"strings"
)

// What people paste has passed through a terminal, a mail program or a forum.
// What those did to a line is undone only where a record is not understood as it
// stands, and never in a Live block; what the kernel writes needs none of it.

var (
	escapeSequence = regexp.MustCompile("\x1b(\\[[0-9;:?]*[ -/]*[@-~]|\\][^\x07\x1b]*(\x07|\x1b\\\\)|[()][0-9A-B])")
	htmlTag        = regexp.MustCompile(`</?[a-zA-Z][^<>]*>`)
	entityQuote    = regexp.MustCompile(`&(quot|#0*34|#[xX]0*22);`)
	spelledEscape  = regexp.MustCompile(`(?:\\u001[bB]|\\x1[bB]|\\033|\\e|\^\[)\[[0-9;]*m`) // in words, as JSON and cat -v have it
	forumTag       = regexp.MustCompile(`(?i)\[/?(b|i|u|s|code|pre|quote|colou?r|size|font|spoiler|highlight|tt|mono)(=[^\]\[ ]{0,64})?\]`)
)

// typographic are the quotation marks that word processors and forums put in place of the
// record's own, and doubled is a value in a field of CSV, which has each of them twice.
var (
	typographic = strings.NewReplacer("“", `"`, "”", `"`, "„", `"`, "‟", `"`, "«", `"`, "»", `"`, "″", `"`)
	curly       = regexp.MustCompile(`\b(?:apparmor|comm|exe)=[“”„‟«»″]`)
	doubled     = regexp.MustCompile(`\b[a-z_]+=""[^"\s]`)
)

// unadorn removes from a line what colours it or marks it up: escape sequences of
// terminals, HTML's entities and elements where the record's own quotes are
// spelled as entities, tags of BBCode outside of values, and CSV around a field.
func unadorn(line []byte) []byte {
	if bytes.IndexByte(line, '\x1b') >= 0 {
		line = escapeSequence.ReplaceAll(line, nil)
	}
	if bytes.Contains(line, []byte("\u00a0")) {
		line = bytes.ReplaceAll(line, []byte("\u00a0"), []byte(" "))
	}
	if bytes.IndexByte(line, '&') >= 0 {
		line = cutHTML(line)
	}
	if bytes.IndexByte(line, '[') >= 0 {
		if bytes.ContainsAny(line, `\^`) {
			line = spelledEscape.ReplaceAll(line, nil)
		}
		line = cutTags(line)
	}
	if bytes.IndexByte(line, '"') < 0 && curly.Match(line) { // the kernel writes no letters beyond ASCII
		line = []byte(typographic.Replace(string(line)))
	}
	if bytes.Contains(line, []byte(`=""`)) {
		line = cutCSV(line)
	}
	return bytes.TrimRight(line, "\r")
}

// cutHTML undoes HTML, if all quotation marks of a line are entities.
func cutHTML(line []byte) []byte {
	text := htmlTag.ReplaceAll(line, nil)
	if bytes.IndexByte(text, '"') >= 0 || !entityQuote.Match(text) {
		return line
	}
	return []byte(html.UnescapeString(string(text)))
}

// cutTags removes tags of BBCode that stand outside of quoted values, where the
// kernel writes no such brackets, or around the word of a mode.
func cutTags(line []byte) []byte {
	var out []byte
	last := 0
	for _, tag := range forumTag.FindAllIndex(line, -1) {
		before := line[:tag[0]]
		if (bytes.Count(before, []byte(`"`))-bytes.Count(before, []byte(`\"`)))%2 == 1 {
			word := before[bytes.LastIndexByte(before, '"')+1:]
			key := before[:len(before)-len(word)-1]
			if !bytes.HasSuffix(key, needleAppArmor) {
				continue
			}
		}
		out = append(out, line[last:tag[0]]...)
		last = tag[1]
	}
	if last == 0 {
		return line
	}
	return append(out, line[last:]...)
}

// cutCSV returns the field of a line of CSV that has a record, if one has it, as exports of
// log viewers do: each of its quotation marks stands there twice.
func cutCSV(line []byte) []byte {
	at := doubled.FindIndex(line)
	if at == nil {
		return line
	}
	start := bytes.LastIndexByte(line[:at[0]], '"') + 1
	if start == 0 || start > 1 && bytes.IndexByte([]byte(",;\t"), line[start-2]) < 0 {
		return line
	}
	end := start
	for ; end < len(line); end++ {
		if line[end] != '"' {
			continue
		}
		if end+1 == len(line) || line[end+1] != '"' {
			break
		}
		end++
	}
	return bytes.ReplaceAll(line[start:end], []byte(`""`), []byte(`"`))
}

// cutQuoting removes the "> " that mail programs and Markdown put before lines.
func cutQuoting(line []byte) []byte {
	text := bytes.TrimLeft(line, " ")
	if len(text) == 0 || text[0] != '>' || len(line)-len(text) >= continuation {
		return line
	}
	return bytes.TrimLeft(text, "> ")
}

// isAdorned reports whether a line has bytes that the kernel writes into no
// record, or ends as none does.
func isAdorned(line []byte) bool {
	return len(line) > 0 && (isMark[line[len(line)-1]] || bytes.IndexByte(line, '\x1b') >= 0)
}

// maxWidth is wider than what wraps lines: a longer one was not wrapped, but is
// whole, or was cut by the kernel's ring buffer, of which what follows says nothing.
const maxWidth = 320

// maxJoined bounds the lines that are joined to one record.
const maxJoined = 48

// pasted reads the record of a line as if it had been pasted: adorned, and
// wrapped. The lines before it may have the record's header, those after it more
// fields, as long as what they say is a record's next key=value.
func (s *scanner) pasted(line []byte, at int) (header, verdict) {
	plain := unadorn(line)
	text := cutQuoting(plain)
	quoted := len(text) < len(plain)
	lead := bytes.TrimPrefix(bytes.TrimLeft(text, " \t\x1e"), []byte("data: "))
	if len(lead) > 0 && lead[0] == '{' || isPretty(lead) || isExportField(lead) {
		h, v := s.header(text, at)
		if h.body = strings.TrimSuffix(string(unadorn([]byte(h.body))), ">"); v == isRecord && h.holdsRecord() {
			return h, v
		}
		if value, ok := valueOf(lead); ok && len(text) < len(line) {
			return parseLine(value, s.z)
		}
		return header{}, broken
	}
	if len(text) > maxWidth {
		return parseLine(string(text), s.z)
	}
	window, lo := s.window()
	first := min(max(at-lo, 0), len(window))
	joined, hard := s.joinHeader(string(text), window[:first], quoted)
	next := first + len(line)
	if i := bytes.IndexByte(window[min(next, len(window)):], '\n'); i >= 0 {
		j := joiner{text: joined, widths: []int{len(text)}, hard: hard, quoted: quoted}
		joined = j.join(window[next+i+1:], s.z)
	}
	if joined == string(text) {
		joined = strings.TrimSuffix(joined, ">") // by which less -S marks what it cuts off
	}
	return parseLine(joined, s.z)
}

// isSplit reports whether a body ends within the word apparmor=, of which the
// rest stands on the next line if it was wrapped.
func isSplit(body string) bool {
	if body == "" || bytes.IndexByte(needleAppArmor, body[len(body)-1]) < 0 {
		return false // as nearly always
	}
	if i := strings.LastIndex(body, "msg='"); i >= 0 {
		body = body[i+len("msg='"):]
	}
	return body != "" && len(body) < len(needleAppArmor) && strings.HasPrefix(string(needleAppArmor), body)
}

// maySplit reports whether split is to look at a line, of which a part is behind the
// serial; that is nil if it is not known.
func maySplit(line, rest []byte) bool {
	return rest == nil || bytes.HasPrefix(rest, []byte(": auid=")) || bytes.IndexByte(needleAppArmor, line[len(line)-1]) >= 0 ||
		bytes.IndexByte(line[:len(line)-len(rest)-1], ')') >= 0
}

// split reads a line that has an audit serial and no sign of a denial, if a record
// was wrapped within those signs.
func (s *scanner) split(line []byte, at int) bool {
	_, rest, ok := bytes.Cut(line, []byte("): "))
	switch {
	case !ok:
		return false
	case bytes.HasPrefix(rest, []byte("auid=")):
		head, _, _ := bytes.Cut(line, []byte("audit("))
		if bytes.Contains(head, []byte("type=")) || holdsDenial(s.lineBefore(at)) {
			return false
		}
		s.start, s.end = at, at+len(line)
		if h, v := s.pasted(line, at); v == isRecord && h.isKernels() && h.typ == SECCOMP {
			s.found(line, &h)
			return true
		}
		return false
	case !isSplit(string(rest[max(0, len(rest)-16):])):
		return false
	}
	s.trigger(line, at)
	return true
}

// lineBefore returns the line before a position, without its line end.
func (s *scanner) lineBefore(at int) []byte {
	text := bytes.TrimRight(s.text(max(at-maxWidth, -len(s.b.Before)), at), "\r\n")
	return text[bytes.LastIndexByte(text, '\n')+1:]
}

// isKernels reports whether a header says where its record comes from.
func (h *header) isKernels() bool { return !h.userSpace && !h.unknown && h.transport != Unknown }

// isPretty reports whether a text is a key and its value of JSON that has a line
// for each.
func isPretty(text []byte) bool { return len(text) > 0 && text[0] == '"' }

// valueOf returns the value of a line that is one of journalctl -o export or
// verbose, or of JSON with a line for each key.
func valueOf(line []byte) (string, bool) {
	if value, ok := bytes.CutPrefix(line, []byte("MESSAGE=")); ok {
		return string(value), true
	}
	_, i, ok := jsonString(line, 0)
	if i = skipSpace(line, i); !ok || i == len(line) || line[i] != ':' {
		return "", false
	}
	value, _, ok := jsonString(line, skipSpace(line, i+1))
	return value, ok
}

// joinHeader puts before a text the lines of its header, which were wrapped
// before its first field or within the header. Only a header that then is
// followed by the record at once is taken. hard says that it was wrapped in the
// middle of a word.
func (s *scanner) joinHeader(text string, before []byte, quoted bool) (joined string, hard bool) {
	if h, v := parseLine(text, s.z); v == isRecord && h.isKernels() {
		return text, false
	}
	heads := []string{text}
	for range 3 {
		before = bytes.TrimSuffix(before, []byte("\n"))
		i := bytes.LastIndexByte(before, '\n') + 1
		line := unadorn(before[i:])
		if quoted {
			line = cutQuoting(line)
		}
		if blank := bytes.TrimSpace(line); len(blank) == 0 || len(line) > maxWidth || holdsDenial(line) {
			break
		}
		before = before[:i]
		head := strings.TrimSuffix(string(line), `\`)
		var longer []string
		for _, tail := range heads {
			tail = strings.TrimLeft(tail, " \t")
			for _, glue := range glues(tail) {
				whole := head + glue + tail
				h, v := parseLine(whole, s.z)
				if v == isRecord && !h.userSpace && !h.unknown && h.startsRecord() && (h.transport != Unknown || h.typ == USERAVC) {
					_, v := parseLine(head+" "+tail, s.z)
					return whole, glue == "" && v != isRecord
				}
				longer = append(longer, whole)
			}
		}
		heads = longer
	}
	return text, false
}

// glues returns what may have stood between a line and the next: a key is more
// likely to follow a space.
func glues(next string) [2]string {
	if keyAt(next) != "" {
		return [2]string{" ", ""}
	}
	return [2]string{"", " "}
}

// startsRecord reports whether a header's record follows it at once.
func (h *header) startsRecord() bool {
	return isAppArmor(h.typ, h.body) || h.typ == SECCOMP && strings.HasPrefix(h.body, "auid=")
}

// A joiner is a record of which not all lines were joined.
type joiner struct {
	text   string
	widths []int // of the lines that were joined
	hard   bool  // it was wrapped in the middle of a word
	soft   bool  // its lines differ in length, so that it was wrapped at spaces
	quoted bool  // in mail
	done   bool  // what auditd adds has begun
}

// join puts behind a text the lines that go on with it.
func (j *joiner) join(after []byte, z zone) string {
	if lines := bytes.SplitN(after, []byte("\n"), 3); len(lines) > 1 {
		// If a third line goes on, the next one is full.
		second, third := j.unadorn(lines[0]), j.unadorn(lines[1])
		j.soft = keyAt(string(bytes.TrimLeft(third, " \t"))) != "" && len(second) != j.widths[0]
	}
	for range maxJoined {
		line, rest, _ := bytes.Cut(after, []byte("\n"))
		if j.done || len(line) > maxWidth || !j.add(string(j.unadorn(line)), z) {
			break
		}
		after = rest
	}
	return j.text
}

// unadorn is as for the record's first line.
func (j *joiner) unadorn(line []byte) []byte {
	line = unadorn(line)
	if j.quoted {
		line = cutQuoting(line)
	}
	return line
}

// isEven reports whether all lines that were joined are of the same width, as
// terminals cut them.
func (j *joiner) isEven() bool {
	for _, n := range j.widths {
		if n != j.widths[0] {
			return false
		}
	}
	return true
}

// add joins the next line. It is false if that does not go on with the record.
func (j *joiner) add(line string, z zone) bool {
	text, escaped := strings.CutSuffix(strings.TrimRight(j.text, " "), `\`)
	if !escaped {
		text = j.text
	}
	if strings.HasSuffix(line, "]") && !strings.ContainsAny(line, "[^") {
		line = line[:len(line)-1] // of "message repeated N times: [...]"
	}
	for _, added := range [...]string{"\x1d", "^]"} { // by auditd, and not read
		var found bool
		line, _, found = strings.Cut(line, added)
		j.done = j.done || found
	}
	if strings.TrimLeft(line, " \t") == "" {
		return false
	}
	var ok bool
	switch body := j.body(z); {
	case body != "" && (strings.Contains(line, "audit(") || holdsDenial([]byte(line))):
		return false // another record
	case body == "":
		text, ok = joinWithin(text, line, z)
	case strings.HasPrefix(body, "avc:") && !strings.Contains(body, "}"):
		text, ok = joinAccess(text, body, line)
	case strings.HasPrefix(body, "avc:") && strings.HasSuffix(strings.TrimRight(body, " "), "}"):
		next := strings.TrimLeft(line, " \t")
		text, ok = strings.TrimRight(text, " ")+" "+next, strings.HasPrefix(next, "for ")
	case strings.Count(body, `"`)%2 == 1:
		text, ok = j.joinValue(text, line)
	default:
		text, ok = j.joinField(text, line)
	}
	if !ok {
		return false
	}
	j.text, j.widths = text, append(j.widths, len(line))
	return true
}

// body returns the fields that were joined so far, "" if the header is not whole.
func (j *joiner) body(z zone) string {
	h, v := parseLine(j.text, z)
	if v != isRecord {
		return ""
	}
	return h.body
}

// hasField reports whether the record has a key already.
func (j *joiner) hasField(key string) bool {
	text := j.text
	if i := strings.Index(text, "msg='"); i >= 0 {
		text = text[i+len("msg='"):] // what is within is of another process
		if strings.HasPrefix(text, key+"=") {
			return true
		}
	}
	return strings.HasPrefix(text, key+"=") || strings.Contains(text, " "+key+"=")
}

// joinWithin joins two lines of a header.
func joinWithin(text, line string, z zone) (string, bool) {
	line = strings.TrimLeft(line, " \t")
	for _, glue := range glues(line) {
		whole := text + glue + line
		if h, v := parseLine(whole, z); v == isRecord && h.isKernels() {
			return whole, true
		}
	}
	return "", false
}

// joinValue joins a line to a text that ends within a quoted value. In those that
// processes can choose the kernel writes no space; in others a space may have been lost,
// which only the way in which the record was wrapped tells.
func (j *joiner) joinValue(text, line string) (string, bool) {
	open := strings.LastIndexByte(text, '"')
	key := keyBefore(text[:open])
	next := strings.TrimLeft(line, " \t")
	piece, rest, closed := strings.Cut(next, `"`)
	if closed && rest != "" && strings.IndexByte(" '\x1d\\", rest[0]) < 0 || key == "" {
		return "", false
	}
	if !hasSpaces(key) {
		if strings.ContainsAny(piece, " \t=") {
			return "", false
		}
		j.hard = true
		return strings.TrimRight(text, " ") + next, true
	}
	soft := j.soft || !j.isEven() // as there is another line, those before it are full
	switch {
	case !closed || soft && j.hard:
		return "", false
	case strings.HasSuffix(text, " ") || open == len(text)-1:
		return text + next, true
	case j.hard:
		return text + line, true
	case soft:
		return text + " " + next, true
	}
	return "", false
}

// hasSpaces reports whether the kernel writes spaces into a quoted value of a key.
func hasSpaces(key string) bool {
	switch key {
	case "info", "flags", "requested_mask", "denied_mask", "requested", "denied":
		return true
	}
	return false
}

// joinField joins a line that goes on with the next field, or in the middle of a
// key or of a value without quotes.
func (j *joiner) joinField(text, line string) (string, bool) {
	next := strings.TrimLeft(line, " \t")
	word := text[strings.LastIndexByte(text, ' ')+1:]
	tight := word != "" && next == line
	n := 0
	for n < len(next) && isKeyByte[next[n]] {
		n++
	}
	if n > 0 && n < len(next) && next[n] == '=' {
		key := next[:n]
		if whole := word + key; tight && strings.IndexByte(word, '=') < 0 && isNextKey(whole) && !j.hasField(whole) {
			j.hard = true
			return text + next, true
		}
		if eq := strings.IndexByte(word, '='); tight && eq > 0 && glued(word[eq+1:]+key+"=", isUntrusted(word[:eq], "")) > 0 {
			return text + next, true
		}
		if isNextKey(key) && !j.hasField(key) {
			return strings.TrimRight(text, " ") + " " + next, true
		}
		return "", false
	}
	eq := strings.IndexByte(word, '=')
	if tight && next[0] == '=' && (isNextKey(word) && !j.hasField(word) || eq > 0 && glued(word[eq+1:]+"=", isUntrusted(word[:eq], "")) > 0) {
		j.hard = true
		return text + next, true
	}
	if !tight || eq < 0 {
		return "", false
	}
	first, rest, _ := strings.Cut(next, " ")
	value := word[eq+1:]
	if n := glued(first, isUntrusted(word[:eq], "")); n > 0 {
		first, rest = first[:n], ""
	}
	if key, _, _ := strings.Cut(rest, "="); isEnriched(key) {
		rest = ""
	}
	switch {
	case value == "" && first != "":
		if first[0] == '"' {
			j.hard = true
			return text + next, true
		}
	case strings.HasSuffix(value, `"`) || !isUnquoted(first):
		return "", false
	}
	if rest = strings.TrimLeft(rest, " "); rest == "" && !j.hard && (len(j.widths) == 1 || !j.isEven()) && value != "" || rest != "" && keyAt(rest) == "" {
		return "", false
	}
	j.hard = true
	return text + next, true
}

// joinAccess joins a line to a record of SELinux that ends before what was refused, or within
// it: avc:  denied  { read write } for.
func joinAccess(text, body, line string) (string, bool) {
	next := strings.TrimLeft(line, " \t")
	access, rest, closed := strings.Cut(next, "}")
	if said := strings.Fields(body); !strings.Contains(body, "{") {
		want := []string{"denied", "{"}[min(len(said)-1, 1)]
		if len(said) > 2 || said[len(said)-1] != []string{"avc:", "denied"}[len(said)-1] || !strings.HasPrefix(next, want) {
			return "", false
		}
		return strings.TrimRight(text, " ") + " " + next, true
	}
	for word := range strings.FieldsSeq(access) {
		if strings.Trim(word, "abcdefghijklmnopqrstuvwxyz_0123456789") != "" {
			return "", false
		}
	}
	if closed && !strings.HasPrefix(strings.TrimLeft(rest, " "), "for") && strings.TrimSpace(rest) != "" {
		return "", false
	}
	return strings.TrimRight(text, " ") + " " + next, true
}

// isUnquoted reports whether a word can be the rest of a value without quotes: a
// number, hexadecimal or a name such as rtmin+8.
func isUnquoted(word string) bool {
	for i := 0; i < len(word); i++ {
		c := word[i]
		if !isKeyByte[c] && strings.IndexByte("+.:()?\"'", c) < 0 {
			return false
		}
	}
	return word != ""
}

// keyAt returns the key that a text starts with, if a record can have it.
func keyAt(text string) string {
	key, _, ok := strings.Cut(text[:min(len(text), 40)], "=")
	if !ok || !isNextKey(key) {
		return ""
	}
	return key
}

// isNextKey reports whether a record can have a key: one of AppArmor and seccomp, or of a
// neighbour's.
func isNextKey(key string) bool { return isKnownKey(key) || neighbourKeys[key] }

// neighbourKeys are the keys of neighbours' records that those of AppArmor and seccomp do not
// have; see typeOther.
var neighbourKeys = map[string]bool{
	"scontext": true, "tcontext": true, "tclass": true, "permissive": true, "dev": true, "ino": true, "path": true, "src": true, "dest": true,
	"lsm": true, "action": true, "subject": true, "object": true,
	"domain": true, "blockers": true, "opid": true, "ocomm": true,
	"ipe_op": true, "ipe_hook": true, "enforcing": true, "rule": true, "fan_type": true, "fan_info": true, "subj_trust": true, "obj_trust": true,
}

// keyBefore returns the key of the value that starts behind a text.
func keyBefore(text string) string {
	text, ok := strings.CutSuffix(text, "=")
	if !ok {
		return ""
	}
	return text[strings.LastIndexAny(text, " '")+1:]
}
