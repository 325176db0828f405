package parser

import (
	"strings"
	"time"
)

// A header is what a log line says about the record in it.
type header struct {
	transport   Transport
	userSpace   bool // see Origin.UserSpace
	unknown     bool // see Origin.UnknownPrefix
	unsure      bool // as userSpace, and perhaps for want of what was cut off
	interpreted bool // printed by ausearch -i
	node        string
	typ         Type
	time        time.Time
	yearless    bool // the year of time is a guess
	serial      uint32
	body        string
	why         string // of one that is broken, where it is known
}

// A zone resolves times that do not say their year or their zone.
type zone struct {
	latest time.Time
	loc    *time.Location
}

// A verdict says what a line that looked interesting turned out to be.
type verdict uint8

const (
	notRecord verdict = iota
	isRecord
	broken // a record, but its header is not understood
)

// continuation is how far journalctl and dmesg indent what follows a newline inside
// a message, at least; and a message with a newline in it is never the kernel's audit.
const continuation = 12

// parseLine reads the header of a record in a line of any single-line shape.
func parseLine(line string, z zone) (header, verdict) {
	text := strings.TrimLeft(line, "\x00\ufeff \t")
	continued := len(line)-len(text) >= continuation && line[0] == ' '
	p := parsePrefix(text, z)
	if p.unknown {
		if rest, ok := cutGrepPrefix(text); ok {
			p = parsePrefix(rest, z)
		}
	}
	h, v := parseMessage(p, z)
	h.userSpace = h.userSpace || continued
	return h, v
}

// parseMessage reads the record of a message whose prefix says who sent it.
func parseMessage(p prefix, z zone) (header, verdict) {
	p.rest = onceMore(p.rest)
	h, ok := parseAudit(p.rest, z)
	trusted := true
	stray := p.unknown && p.tag == ""
	switch {
	case stray:
		h.unknown, trusted = true, false
	case p.kernel && p.tag == "" || p.tag == "kernel":
		// The kernel gives its own facility, 0, to nothing that a process writes, and
		// writes records in one shape.
		h.userSpace, h.unknown = p.facility > 0, h.transport != RingBuffer
	case p.tag == "":
		// A bare record, or a line of auditd's own log; or one that was given a time.
		h.unknown = !p.time.IsZero() && h.transport != RingBuffer
	case p.tag == "audit":
		if h.transport == Unknown {
			h.transport = JournalAudit
		}
		h.userSpace = p.facility > 0 && p.facility != 4
	case strings.HasPrefix(p.tag, "audisp"):
		h.userSpace = h.transport != AuditLog
	case isDBus(p.tag):
		// Without an audit socket dbus-daemon sends the same text to syslog.
		h.userSpace, trusted = true, false
		if ok && h.typ == AVC {
			h.typ = USERAVC
		}
	case isUnit(p.tag) && h.transport == Unknown && p.pid != "" && fieldOf(h.body, "pid") == p.pid:
		// journalctl -o with-unit prints the unit of the process in place of the
		// tag audit; journald files an audit record under the pid it names.
		h.transport = JournalAudit
	default:
		h.userSpace, trusted = true, false
	}
	if !ok {
		if trusted && startsRecord(p.rest) {
			return header{}, broken
		}
		if h, ok = embedded(p.rest, z); !ok {
			if stray {
				return header{}, broken
			}
			return header{}, notRecord
		}
		h.userSpace, h.unknown = !stray, stray
	}
	h.unsure = h.userSpace && isUnit(p.tag) && fieldOf(h.body, "pid") == ""
	if h.time.IsZero() {
		h.time, h.yearless = p.time, p.yearless
	}
	if h.node == "" {
		h.node = p.host
	}
	return h, isRecord
}

// onceMore returns the message that rsyslog's $RepeatedMsgReduction says was repeated;
// how often is not counted. Any other text stays.
func onceMore(text string) string {
	rest, ok := strings.CutPrefix(text, "message repeated ")
	if !ok {
		return text
	}
	if _, rest, ok = strings.Cut(rest, " times: ["); !ok {
		return text
	}
	return strings.TrimLeft(strings.TrimSuffix(rest, "]"), " ")
}

// parseAudit reads a record that starts the text:
//
//	[audit: ] [node=NODE ] type=TYPE msg=audit(TIME:SERIAL): BODY   auditd
//	[audit: ] type=NUMBER audit(TIME:SERIAL): BODY                  the kernel's printk
//	TYPE BODY                                                       journald
//	apparmor=BODY
func parseAudit(s string, z zone) (header, bool) {
	var h header
	h.transport = Unknown
	s = strings.TrimPrefix(s, "audit: ")
	if rest, ok := strings.CutPrefix(s, "node="); ok {
		h.node, s, ok = strings.Cut(rest, " ")
		if !ok {
			return header{}, false
		}
	}
	if rest, ok := strings.CutPrefix(s, "type="); ok {
		var name string
		name, s, ok = strings.Cut(rest, " ")
		if h.typ = typeOf(name); !ok || h.typ == "" {
			return header{}, false
		}
	}
	if rest, ok := strings.CutPrefix(s, "msg=audit("); ok {
		h.transport = AuditLog
		return parseStamp(h, rest, z)
	}
	if rest, ok := strings.CutPrefix(s, "audit("); ok {
		h.transport = RingBuffer
		return parseStamp(h, rest, z)
	}
	if h.typ != "" && !strings.HasPrefix(s, "apparmor=") {
		return header{}, false // a type= and neither a time nor a record
	}
	if h.typ == "" {
		if name, rest, ok := strings.Cut(s, " "); ok && isTypeWord(name) {
			h.typ, s = typeOf(name), rest
		}
	}
	h.body = s
	return h, h.inferType()
}

// parseStamp reads TIME:SERIAL): BODY.
func parseStamp(h header, s string, z zone) (header, bool) {
	sec, nsec, serial, n := parseID(s)
	if n == 0 {
		// ausearch -i: a date of the user's locale.
		var ok bool
		if h.time, h.serial, n, ok = parseLocalID(s, z); !ok {
			return header{}, false
		}
		h.interpreted = true
	} else {
		h.serial = serial
		if sec != 0 || nsec != 0 {
			h.time = time.Unix(sec, nsec).UTC()
		}
	}
	s = strings.TrimLeft(s[n:], " ") // ausearch -i and some pastes have a space here
	if !strings.HasPrefix(s, ":") {
		return header{}, false
	}
	h.body = strings.TrimLeft(s[1:], " ")
	return h, h.inferType()
}

// parseID reads the numbers of audit(SECONDS.FRACTION:SERIAL) after its
// parenthesis, and returns how long they are with the closing one, or 0.
func parseID[T string | []byte](s T) (sec, nsec int64, serial uint32, n int) {
	i := 0
	for i < len(s) && i < 12 && '0' <= s[i] && s[i] <= '9' {
		sec = sec*10 + int64(s[i]-'0')
		i++
	}
	if i == 0 || i == len(s) || s[i] != '.' {
		return 0, 0, 0, 0
	}
	i++
	unit := int64(time.Second)
	for i < len(s) && unit > 1 && '0' <= s[i] && s[i] <= '9' {
		unit /= 10
		nsec += int64(s[i]-'0') * unit
		i++
	}
	if i == len(s) || s[i] != ':' {
		return 0, 0, 0, 0
	}
	i++
	var id uint64
	first := i
	for i < len(s) && i-first < 10 && '0' <= s[i] && s[i] <= '9' {
		id = id*10 + uint64(s[i]-'0')
		i++
	}
	if i == first || i == len(s) || s[i] != ')' || id > 1<<32-1 {
		return 0, 0, 0, 0
	}
	return sec, nsec, uint32(id), i + 1
}

// inferType sets the type of a record whose header does not say it, and reports
// whether there is a type and a body.
func (h *header) inferType() bool {
	if h.typ == "" {
		if rest, ok := strings.CutPrefix(h.body, "type="); ok { // Linux 2.6.22 to 2.6.26 have it behind the stamp
			name, body, _ := strings.Cut(rest, " ")
			h.typ, h.body = typeOf(name), body
			return h.typ != "" && h.body != ""
		}
		switch {
		case strings.HasPrefix(h.body, "apparmor=") && !isOption(h.body):
			h.typ = AVC
		case strings.HasPrefix(h.body, "auid=") && strings.Contains(h.body, " code=0x"):
			h.typ = SECCOMP
		}
	}
	return h.typ != "" && h.body != ""
}

// isOption reports whether a text is an engine's option that names a profile
// (apparmor=docker-default, as in `docker run --security-opt` and what inspects it), and
// no record: what a record has there is a word in upper case, mostly quoted.
func isOption(body string) bool {
	value := strings.TrimPrefix(body, "apparmor=")
	for i, c := range []byte(value) {
		switch {
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9', c == '-' || c == '_' || c == '.' || c == '/':
			return true
		case 'A' <= c && c <= 'Z':
		default: // a quote, or the end of a word
			return false
		}
		if i > len("ALLOWED") {
			return true
		}
	}
	return false
}

// embedded finds a record that has other text before it, and perhaps is quoted in it.
func embedded(s string, z zone) (header, bool) {
	for _, start := range [...]string{"type=", "audit(", "AVC apparmor=", "SECCOMP auid=", "ANOM_ABEND auid=", "apparmor="} {
		i := strings.Index(s, start)
		if i < 0 || i > 0 && isKeyByte[s[i-1]] {
			continue
		}
		if h, ok := parseAudit(s[i:], z); ok {
			before := strings.TrimSuffix(s[:i], "audit: ")
			if n := len(before); n > 0 && strings.IndexByte("'`", before[n-1]) >= 0 {
				h.body = strings.TrimRight(h.body, before[n-1:])
			}
			return h, true
		}
	}
	return header{}, false
}

// isTypeWord reports whether a word is a record type as journald writes it.
func isTypeWord(s string) bool {
	if len(s) < 3 || len(s) > 32 {
		return false
	}
	for i := 0; i < len(s); i++ {
		c := s[i]
		if !('A' <= c && c <= 'Z' || c == '_' || '0' <= c && c <= '9' && i > 0 || c == '[' || c == ']') {
			return false
		}
	}
	return true
}

// recordTypes are the types that matter here, by their names and numbers.
var recordTypes = map[string]Type{
	"AVC": AVC, "1400": AVC,
	"SECCOMP": SECCOMP, "1326": SECCOMP,
	"USER_AVC": USERAVC, "1107": USERAVC,
	"SYSCALL": SYSCALL, "1300": SYSCALL,
	"PATH": PATH, "1302": PATH,
	"CWD": CWD, "1307": CWD,
	"EXECVE": EXECVE, "1309": EXECVE,
	"PROCTITLE": PROCTITLE, "1327": PROCTITLE,
	"ANOM_ABEND": ANOMABEND, "1701": ANOMABEND,
	"MAC_TASK_CONTEXTS": CONTEXTS, "1425": CONTEXTS,
	"APPARMOR": "APPARMOR", "1500": "APPARMOR",
	"APPARMOR_AUDIT": "APPARMOR_AUDIT", "1501": "APPARMOR_AUDIT",
	"APPARMOR_ALLOWED": "APPARMOR_ALLOWED", "1502": "APPARMOR_ALLOWED",
	"APPARMOR_DENIED": "APPARMOR_DENIED", "1503": "APPARMOR_DENIED",
	"APPARMOR_HINT": "APPARMOR_HINT", "1504": "APPARMOR_HINT",
	"APPARMOR_STATUS": "APPARMOR_STATUS", "1505": "APPARMOR_STATUS",
	"APPARMOR_ERROR": "APPARMOR_ERROR", "1506": "APPARMOR_ERROR",
	"APPARMOR_KILL": "APPARMOR_KILL", "1507": "APPARMOR_KILL",
}

// typeOf returns the type that a record's header names: by name, by number, or
// as UNKNOWN[number] (auditd) or AUDITnumber (journald). Numbers of types that do
// not matter here stay numbers. It is "" for what cannot be a type.
func typeOf(name string) Type {
	if n, ok := strings.CutPrefix(name, "UNKNOWN["); ok {
		name = strings.TrimSuffix(n, "]")
	} else if n, ok := strings.CutPrefix(name, "AUDIT"); ok && n != "" && '0' <= n[0] && n[0] <= '9' {
		name = n
	}
	if t := recordTypes[name]; t != "" {
		return t
	}
	if t := neighbourTypes[name]; t != "" {
		return t
	}
	if len(name) > 32 {
		return ""
	}
	for i := 0; i < len(name); i++ {
		if !isKeyByte[name[i]] {
			return ""
		}
	}
	return Type(name)
}

// isCompanion reports whether records of a type say more of a denial.
func (t Type) isCompanion() bool {
	switch t {
	case SYSCALL, PATH, CWD, EXECVE, PROCTITLE, CONTEXTS:
		return true
	}
	return false
}

// isDBus reports whether a syslog tag is that of a message bus that mediates for
// AppArmor.
func isDBus(tag string) bool {
	return tag == "dbus" || tag == "dbus-daemon" || tag == "dbus-broker"
}

// isUnit reports whether a tag is the name of a systemd unit.
func isUnit(tag string) bool {
	for _, suffix := range [...]string{".service", ".scope", ".slice", ".socket", ".mount"} {
		if strings.HasSuffix(tag, suffix) {
			return true
		}
	}
	return false
}

// fieldOf returns the unquoted value of a key, without decoding.
func fieldOf(body, key string) string {
	for rest := body; ; {
		i := strings.Index(rest, key)
		if i < 0 {
			return ""
		}
		before := i == 0 || rest[i-1] == ' '
		rest = rest[i+len(key):]
		if before && strings.HasPrefix(rest, "=") {
			rest = rest[1:]
			if end := strings.IndexAny(rest, " \x1d"); end >= 0 {
				return rest[:end]
			}
			return rest
		}
	}
}

// cutGrepPrefix removes the FILE: or LINE: or both that grep puts before lines.
func cutGrepPrefix(s string) (string, bool) {
	rest, found := s, false
	for range 2 {
		name, after, ok := strings.Cut(rest, ":")
		if !ok || name == "" || len(name) > 255 || strings.ContainsAny(name, " =\"'[") {
			break
		}
		if !strings.ContainsAny(name, "/.") && strings.Trim(name, "0123456789") != "" {
			break
		}
		rest, found = after, true
	}
	return rest, found
}
