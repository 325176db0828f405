package parser

import "strings"

// A carrier is what collectors of logs (Docker's json-file, Fluent Bit, Loki,
// Elastic's Beats, CloudWatch) write around a line, or make of a record.
type carrier struct {
	lines  []string // values with a record in them
	stream string   // stdout or stderr: a process wrote it
	record []member // the keys of a record that was taken apart
	depth  int      // of objects within strings
}

// A member is a key of JSON and its value, with the key of the object that they are in.
type member struct{ parent, key, value string }

// setIn keeps one field of an object that is the value of parent.
func (e *entry) setIn(parent, key, value string) {
	if i := strings.LastIndexByte(key, '.'); i >= 0 { // event.original
		parent, key = key[:i], key[i+1:]
		parent = parent[strings.LastIndexByte(parent, '.')+1:]
	}
	if isCarried(key) && holdsDenial([]byte(value)) {
		e.add(value)
	}
	switch key {
	case "stream":
		e.stream = value
	case "transport":
		e.transport = value
	case "ident", "identifier", "program", "programname", "appname":
		if e.identifier == "" {
			e.identifier = value
		}
	}
	if parent == "process" || isKnownKey(key) {
		e.record = append(e.record, member{parent, key, value})
	}
	if parent == "" || key != "message" {
		e.set(key, value)
	}
}

// isCarried reports whether a collector writes lines of logs as the value of a key.
func isCarried(key string) bool {
	switch key {
	case "message", "log", "msg", "line", "text", "original", "messages", "textPayload", "Message", "@message", "_raw", "raw_message":
		return true
	}
	return false
}

// add keeps a line, unless it is there in another field.
func (c *carrier) add(line string) {
	for i, other := range c.lines {
		if strings.Contains(other, line) {
			return
		}
		if strings.Contains(line, other) {
			c.lines[i] = line
			return
		}
	}
	c.lines = append(c.lines, line)
}

// carried reads the record that an entry of a collector carries.
func (e *entry) carried(z zone) (header, verdict) {
	switch {
	case len(e.lines) > 1:
		return header{why: "several records on one line of JSON: have one on each, as of jq -c '.[]'"}, broken
	case len(e.lines) == 0:
		return e.taken(z)
	}
	text := strings.TrimSpace(e.lines[0])
	var h header
	var v verdict
	switch {
	case strings.HasPrefix(text, "{") && e.depth < 3:
		inner := entry{carrier: carrier{depth: e.depth + 1}}
		if !inner.parseJSON([]byte(text)) {
			return header{}, broken
		}
		h, v = inner.header(z)
	case startsRecord(text) && e.identifier != "":
		h, v = parseMessage(prefix{facility: -1, host: e.host, time: e.time(), tag: e.identifier, rest: text}, z)
	default:
		h, v = parseLine(text, z)
	}
	// What a process wrote to its output, or has a line end in it, is not the kernel's.
	h.userSpace = h.userSpace || e.stream == "stdout" || e.stream == "stderr" || strings.Contains(text, "\n")
	return h, v
}

// taken puts together a record whose keys are those of an object, as Auditbeat
// has them in auditd.data: with the process in an object of its own.
func (e *entry) taken(z zone) (header, verdict) {
	at := -1
	for i, m := range e.record {
		if _, known := modeOf(m.value); m.key == "apparmor" && known {
			at = i
		}
	}
	if at < 0 {
		return header{}, notRecord
	}
	home := e.record[at].parent
	body := []byte(`apparmor="` + e.record[at].value + `"`)
	for i, m := range e.record {
		key := m.key
		switch {
		case i == at || key == "type" || key == "msg":
			continue
		case m.parent == "process" && key == "name":
			key = "comm"
		case m.parent == "process" && key != "pid" || m.parent != "process" && m.parent != home:
			continue
		}
		if strings.ContainsAny(m.value, "\"\n") {
			return header{why: "a value has a quotation mark in it: give the log itself"}, broken
		}
		if isNumber(key) {
			body = append(body, " "+key+"="+m.value...)
		} else {
			body = append(body, " "+key+`="`+m.value+`"`...)
		}
	}
	return header{transport: Unknown, typ: AVC, node: e.host, time: e.time(), body: string(body)}, isRecord
}
