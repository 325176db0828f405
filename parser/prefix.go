package parser

import (
	"strings"
	"time"
)

// A prefix is what a log line says before its message.
type prefix struct {
	facility int       // syslog facility; -1 if not said
	time     time.Time // zero if not said
	yearless bool      // the year of time is a guess
	host     string
	tag      string // the program; "" if not said
	pid      string // of the program, if said
	kernel   bool   // the shape is one of the kernel's log: dmesg, /dev/kmsg
	rest     string // the message
	unknown  bool   // the shape is not known; without a tag nothing says who wrote the message
}

// parsePrefix reads the prefixes of all shapes that log lines come in: none,
// dmesg with its options, /dev/kmsg, RFC 3164, RFC 5424, the files of rsyslog,
// syslog-ng, BusyBox and socklogd, and journalctl's short forms. Where the shape is not
// known, rest is the whole line.
func parsePrefix(s string, z zone) prefix {
	p := prefix{facility: -1, rest: s}
	if startsRecord(s) {
		return p
	}
	if rest, facility, ok := cutPriority(p.rest); ok {
		p.facility, p.rest = facility, rest
	}
	if rest, facility, ok := cutKmsg(p.rest); ok {
		return prefix{facility: facility, kernel: true, rest: rest}
	}
	if rest, facility, ok := cutDecoded(p.rest); ok {
		p.kernel, p.facility, p.rest = true, facility, rest
	}
	if strings.HasPrefix(p.rest, "1 2") && p.parseRFC5424(z) {
		return p
	}
	stamped := p.cutBrackets(z)
	if !stamped {
		if t, rest, ok := cutTime(p.rest, z); ok {
			p.yearless = p.rest[6] == ' ' // Nov 23 09:42:59
			p.time, p.rest, stamped = t, rest, true
		}
	}
	if startsRecord(p.rest) {
		p.kernel = p.kernel || p.facility >= 0
		return p
	}
	if p.parseSource(stamped) {
		return p
	}
	if p.kernel {
		return p
	}
	return unknownPrefix(s)
}

// unknownPrefix reads a line of no known shape. Only a tag with a process ID, NAME[PID],
// and that of the kernel say who wrote it: any other word before the first ": " may be
// anything.
func unknownPrefix(s string) prefix {
	p := prefix{facility: -1, rest: s, unknown: true}
	head, _, ok := strings.Cut(s[:min(len(s), 100)], ": ")
	p.setTag(head[strings.LastIndexByte(head, ' ')+1:])
	_, isPID := atoi(p.pid)
	if !ok || p.tag != "kernel" && !isPID {
		p.tag, p.pid = "", ""
		return p
	}
	p.rest = s[len(head)+2:]
	if p.tag == "kernel" {
		p.cutBrackets(zone{})
	}
	return p
}

// startsRecord reports whether a text starts with a record: there is no prefix.
func startsRecord(s string) bool {
	for _, start := range [...]string{"type=", "audit: ", "node=", "audit(", "apparmor=", "AVC apparmor=", "SECCOMP auid=", "USER_AVC pid=", "ANOM_ABEND auid="} {
		if strings.HasPrefix(s, start) {
			return true
		}
	}
	return false
}

// cutPriority removes syslog's <PRI>.
func cutPriority(s string) (rest string, facility int, ok bool) {
	if !strings.HasPrefix(s, "<") {
		return s, -1, false
	}
	end := strings.IndexByte(s[:min(len(s), 6)], '>')
	if end < 2 {
		return s, -1, false
	}
	n, ok := atoi(s[1:end])
	return s[end+1:], int(n >> 3), ok
}

// cutKmsg removes the head of a /dev/kmsg record: PRI,SEQUENCE,MICROSECONDS,FLAGS;
// (Documentation/ABI/testing/dev-kmsg).
func cutKmsg(s string) (rest string, facility int, ok bool) {
	end := strings.IndexByte(s[:min(len(s), 128)], ';')
	if end < 0 {
		return s, -1, false
	}
	fields := strings.SplitN(s[:end], ",", 5)
	if len(fields) < 4 {
		return s, -1, false
	}
	for _, f := range fields[:3] {
		if _, ok := atoi(f); !ok {
			return s, -1, false
		}
	}
	n, _ := atoi(fields[0])
	return unescapeKmsg(s[end+1:]), int(n >> 3), true
}

// unescapeKmsg undoes \xNN, which /dev/kmsg writes for bytes that are not
// printable ASCII and for the backslash.
func unescapeKmsg(s string) string {
	if !strings.Contains(s, `\x`) {
		return s
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if i+3 < len(s) && s[i] == '\\' && s[i+1] == 'x' {
			if c, ok := unhex(strings.ToUpper(s[i+2 : i+4])); ok {
				b = append(b, c[0])
				i += 3
				continue
			}
		}
		b = append(b, s[i])
	}
	return string(b)
}

// cutDecoded removes dmesg -x's "kern  :notice: ".
func cutDecoded(s string) (rest string, facility int, ok bool) {
	name, after, ok := strings.Cut(s[:min(len(s), 24)], ":")
	if !ok {
		return s, -1, false
	}
	level, _, ok := strings.Cut(after, ": ")
	facility = facilityOf(strings.TrimRight(name, " "))
	if !ok || facility < 0 || !isLevel(strings.TrimRight(level, " ")) {
		return s, -1, false
	}
	return s[len(name)+1+len(level)+2:], facility, true
}

// cutBrackets removes the kernel's own stamps, "[   18.157759] " and
// "[T123] ", also as dmesg -T, -e and -d print them.
func (p *prefix) cutBrackets(z zone) bool {
	found := false
	for strings.HasPrefix(p.rest, "[") {
		end := strings.IndexByte(p.rest[:min(len(p.rest), 48)], ']')
		if end < 0 || !isStamp(p.rest[1:end]) {
			break
		}
		if t, err := time.ParseInLocation(time.ANSIC, p.rest[1:end], z.location()); err == nil {
			p.time = t.UTC()
		}
		p.rest = strings.TrimLeft(p.rest[end+1:], " ")
		p.kernel = p.kernel || p.tag == ""
		found = true
	}
	return found
}

// isStamp reports whether the text between brackets can be a time or a caller:
// letters and digits, a digit at least, and what dmesg puts between them.
func isStamp(s string) bool {
	digits := 0
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case '0' <= c && c <= '9':
			digits++
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', strings.IndexByte(" .:,+-<>", c) >= 0:
		default:
			return false
		}
	}
	return digits > 0
}

// parseSource reads the host, the facility and the tag that stand between time
// and message, or without a time if there is a facility.
func (p *prefix) parseSource(stamped bool) bool {
	rest := p.rest
	for range 4 {
		word, _, ok := strings.Cut(rest[:min(len(rest), 300)], " ")
		if !ok || word == "" {
			return false
		}
		after := strings.TrimLeft(rest[len(word):], " ")
		bare := strings.Trim(word, "<>:")
		if name, level, ok := strings.Cut(bare, "."); ok && facilityOf(name) >= 0 && isLevel(level) {
			p.facility, p.rest, stamped = facilityOf(name), after, true
			if _, message, ok := cutTime(after, zone{}); ok { // socklogd's is before the facility
				p.rest = message
			}
			if p.cutBrackets(zone{}) && startsRecord(p.rest) {
				return true
			}
			rest = p.rest
			continue
		}
		if !stamped {
			return false
		}
		tag, ok := strings.CutSuffix(word, ":")
		if !ok {
			if p.host != "" {
				return false
			}
			p.host, rest = word, after
			continue
		}
		p.setTag(tag)
		p.rest = after
		if p.tag == "kernel" {
			p.cutBrackets(zone{})
		}
		return true
	}
	return false
}

// setTag splits TAG[PID].
func (p *prefix) setTag(s string) {
	p.tag, p.kernel = s, false
	if name, pid, ok := strings.Cut(s, "["); ok && strings.HasSuffix(pid, "]") {
		p.tag, p.pid = name, pid[:len(pid)-1]
	}
}

// parseRFC5424 reads VERSION TIMESTAMP HOSTNAME APP-NAME PROCID MSGID
// STRUCTURED-DATA MSG.
func (p *prefix) parseRFC5424(z zone) bool {
	f := strings.SplitN(p.rest, " ", 7)
	if len(f) < 7 {
		return false
	}
	t, _, ok := cutTime(f[1]+" ", z)
	if !ok {
		return false
	}
	rest := f[6]
	if strings.HasPrefix(rest, "-") {
		rest = rest[1:]
	} else {
		quoted, depth := false, 0
		i := 0
		for ; i < len(rest) && (depth > 0 || rest[i] == '['); i++ {
			switch {
			case quoted && rest[i] == '\\':
				i++
			case rest[i] == '"':
				quoted = !quoted
			case !quoted && rest[i] == '[':
				depth++
			case !quoted && rest[i] == ']':
				depth--
			}
		}
		if i == 0 || i > len(rest) {
			return false
		}
		rest = rest[i:]
	}
	p.time = t
	if f[2] != "-" {
		p.host = f[2]
	}
	p.setTag(f[3])
	if f[4] != "-" {
		p.pid = f[4]
	}
	p.rest = strings.TrimPrefix(strings.TrimLeft(rest, " "), "\ufeff")
	if p.tag == "kernel" {
		p.cutBrackets(zone{})
	}
	return true
}

func facilityOf(name string) int {
	switch name {
	case "kern":
		return 0
	case "user":
		return 1
	case "mail":
		return 2
	case "daemon":
		return 3
	case "auth":
		return 4
	case "syslog":
		return 5
	case "lpr":
		return 6
	case "news":
		return 7
	case "uucp":
		return 8
	case "cron":
		return 9
	case "authpriv":
		return 10
	case "ftp":
		return 11
	}
	if n, ok := strings.CutPrefix(name, "local"); ok && len(n) == 1 && '0' <= n[0] && n[0] <= '7' {
		return 16 + int(n[0]-'0')
	}
	return -1
}

func isLevel(name string) bool {
	switch name {
	case "emerg", "alert", "crit", "err", "error", "warn", "warning", "notice", "info", "debug", "panic":
		return true
	}
	return false
}

// atoi reads a decimal number of at most 18 digits.
func atoi(s string) (int64, bool) {
	if s == "" || len(s) > 18 {
		return 0, false
	}
	var n int64
	for i := 0; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
		n = n*10 + int64(s[i]-'0')
	}
	return n, true
}
