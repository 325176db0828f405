package parser

import (
	"bytes"
	"regexp"
	"sync"
)

// A printer is a tool that prints denials in a form of its own, without what is
// needed to explain them.
type printer struct {
	name    string
	start   string // of its lines, without blanks and escape sequences; "" for any
	line    *regexp.Regexp
	instead string // what has the records
}

// The tools. aa-log is of apparmor.d, aa-notify of apparmor-utils, aureport of audit.
var tools = sync.OnceValue(func() []printer {
	return []printer{
		{"aa-log", "DENIED", regexp.MustCompile(`^DENIED +\S+ \S+ .*\b(comm|requested_mask|info)=`), "aa-log --raw prints whole records"},
		{"aa-log", "ALLOWED", regexp.MustCompile(`^ALLOWED +\S+ \S+ .*\b(comm|requested_mask|info)=`), "aa-log --raw prints whole records"},
		{"aa-notify", "Denied: ", regexp.MustCompile(`^Denied: [a-zA-Z_ ]+$`), "give the log that its line Logfile: names"},
		{"logwatch", "", regexp.MustCompile(`(?i)(apparmor|seccomp|\bdenied\b.*\bprofile).*\b\d+ Time\(s\)|\d+ Time\(s\).*(apparmor|seccomp)`), "give the log that it summed up, /var/log/kern.log or audit.log"},
		{"the Security Profiles Operator's log-enricher", "", regexp.MustCompile(`"type"="(apparmor|seccomp|selinux)"|"(auditType|type)":"(apparmor|seccomp)"|\btype=(apparmor|seccomp) node=`), "give the node's audit.log or dmesg, which it reads"},
		{"Auditbeat", "{", regexp.MustCompile(`"(message_type|type|action)":\s*\[?"(seccomp|violated-seccomp-policy|violated-apparmor-policy)"`), "give audit.log, or set include_raw_message"},
		{"Falco", "", regexp.MustCompile(`^\d\d:\d\d:\d\d\.\d{9}: (Emergency|Alert|Critical|Error|Warning|Notice|Informational|Debug) .*(?i)(apparmor|seccomp|EPERM|EACCES)`), "give the host's audit.log or dmesg: it sees calls and not the policy"},
		{"aureport", "", regexp.MustCompile(`^\d+\. \d\d/\d\d/\d+ \d\d:\d\d:\d\d .* (denied|DENIED|SECCOMP) \d+$`), "ausearch -m AVC,SECCOMP prints whole records"},
		{"snappy-debug", "Suggestion", regexp.MustCompile(`^Suggestions?:$`), "give its lines Log:, or the host's log"},
	}
})

// toolStarts holds the first bytes of the lines of tools; those of logwatch end in ")".
var toolStarts = [256]bool{'D': true, 'A': true, 'S': true, 'I': true, '{': true, '\x1b': true,
	'0': true, '1': true, '2': true, '3': true, '4': true, '5': true, '6': true, '7': true, '8': true, '9': true}

// mayBeTools reports whether a line of at least seven bytes can be one of a tool.
func mayBeTools(line []byte) bool {
	switch c := line[0]; {
	case c == 'D' || c == 'A' || c == 'S':
		return bytes.HasPrefix(line, []byte("DENIED ")) || bytes.HasPrefix(line, []byte("ALLOWED ")) ||
			bytes.HasPrefix(line, []byte("Denied: ")) || bytes.HasPrefix(line, []byte("Suggestion"))
	case c == 'I':
		return '0' <= line[1] && line[1] <= '9' // of klog
	case '0' <= c && c <= '9':
		return line[2] == ':' && line[5] == ':' || line[1] == '.' || line[2] == '.'
	case c == '{':
		return bytes.Contains(line, []byte(`seccomp`))
	case c == '\x1b':
		return true
	}
	return line[len(line)-1] == ')' && bytes.HasSuffix(line, []byte("Time(s)"))
}

// toolOf returns the tool that wrote a line, or nil.
func toolOf(line []byte) *printer {
	line = bytes.TrimLeft(escapeSequence.ReplaceAll(line[:min(len(line), maxWidth*8)], nil), " \t>")
	all := tools()
	for i := range all {
		if t := &all[i]; bytes.HasPrefix(line, []byte(t.start)) && t.line.Match(line) {
			return t
		}
	}
	return nil
}

// isBelowLog reports whether snappy-debug printed the record of what stands at a position: in
// the lines right above, which tell what the record does.
func (s *scanner) isBelowLog(at int) bool {
	above := s.text(max(at-Context/4, -len(s.b.Before)), at)
	for range 4 {
		above = bytes.TrimSuffix(above, []byte("\n"))
		start := bytes.LastIndexByte(above, '\n') + 1
		line := bytes.TrimLeft(above[start:], " \t>")
		if bytes.HasPrefix(line, []byte("Log: ")) {
			return bytes.Contains(line, []byte(`apparmor="`))
		}
		if above = above[:start]; len(bytes.TrimSpace(line)) == 0 {
			return false
		}
	}
	return false
}
