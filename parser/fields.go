package parser

import (
	"slices"
	"strings"
)

// scanFields returns the key=value pairs of a record's body in the kernel's
// grammar: a quoted value ends at the next quote, any other at the next space,
// and a string with a control character, a space or a quote in it is written as
// upper-case hexadecimal without quotes (audit_log_untrustedstring in
// kernel/audit.c). What auditd adds to an ENRICHED record is left out. It is
// false when the body ends inside a quoted value.
//
// The fields inside msg='...' of a user-space record come first, since they are
// about the subject and those outside about the sender.
func scanFields(text string, typ Type) ([]Field, bool) {
	fields := make([]Field, 0, strings.Count(text, "="))
	for i := 0; i < len(text); {
		if text[i] == ' ' || text[i] == '\t' {
			i++
			continue
		}
		if text[i] == '\x1d' || strings.HasPrefix(text[i:], "^]") {
			break
		}
		eq := i
		for eq < len(text) && isKeyByte[text[eq]] {
			eq++
		}
		if eq == i || eq == len(text) || text[eq] != '=' {
			i = skipWord(text, i)
			continue
		}
		key, at := text[i:eq], eq+1
		if isEnriched(key) {
			break
		}
		if strings.HasPrefix(text[at:], "'") && key == "msg" {
			return scanNested(fields, text, at+1, typ)
		}
		f, next, ok := scanValue(text, key, at, typ)
		fields = append(fields, f)
		if !ok {
			return fields, false
		}
		i = next
	}
	return fields, true
}

// scanNested reads the fields of a msg='...' that opens at text[at:].
func scanNested(outer []Field, text string, at int, typ Type) ([]Field, bool) {
	end := len(text)
	if i := strings.IndexByte(text, '\x1d'); i >= at {
		end = i
	}
	closing := strings.LastIndexByte(text[at:end], '\'')
	if closing >= 0 {
		end = at + closing
	}
	inner, ok := scanFields(text[at:end], typ)
	if closing < 0 {
		// dbus-daemon puts a line end behind its label, and the kernel's log the rest,
		// which is about the daemon, on a line of its own.
		ok = ok && typ == USERAVC && hasKeys(inner, "mask", "label")
	}
	for i := range inner {
		inner[i].Start += at
		inner[i].End += at
	}
	n := len(inner)
	for _, f := range outer {
		if !slices.ContainsFunc(inner[:n], func(g Field) bool { return g.Key == f.Key }) {
			inner = append(inner, f)
		}
	}
	return inner, ok
}

// hasKeys reports whether there are fields of all these keys.
func hasKeys(fields []Field, keys ...string) bool {
	for _, key := range keys {
		if !slices.ContainsFunc(fields, func(f Field) bool { return f.Key == key }) {
			return false
		}
	}
	return true
}

// scanValue reads the value at text[at:] and returns where to go on.
func scanValue(text, key string, at int, typ Type) (Field, int, bool) {
	if at < len(text) && text[at] == '"' {
		n := strings.IndexByte(text[at+1:], '"')
		if n < 0 {
			return Field{key, text[at+1:], at, len(text)}, len(text), false
		}
		end := at + 1 + n
		return Field{key, text[at+1 : end], at, end + 1}, end + 1, true
	}
	end := at
	for end < len(text) && text[end] != ' ' && text[end] != '\x1d' {
		end++
	}
	if i := strings.Index(text[at:end], "^]"); i >= 0 {
		end = at + i
	}
	if strings.HasPrefix(key, "subj") { // and subj_apparmor of MAC_TASK_CONTEXTS
		end = subjectEnd(text, end)
	}
	next, hex := end, isUntrusted(key, typ)
	if i := glued(text[at:end], hex); i >= 0 {
		end, next = at+i, len(text)
	}
	value := text[at:end]
	if hex {
		if s, ok := unhex(value); ok {
			value = s
		}
	}
	return Field{key, value, at, end}, next, true
}

// subjectEnd extends a subj= value over the words that follow it without a key:
// the kernel writes a label with a space in it, or with its mode in
// parentheses, as it is.
func subjectEnd(text string, end int) int {
	for end < len(text) && text[end] == ' ' {
		word := text[end+1:]
		if i := strings.IndexAny(word, " \x1d"); i >= 0 {
			word = word[:i]
		}
		if word == "" || strings.IndexByte(word, '=') > 0 {
			break
		}
		end += 1 + len(word)
	}
	return end
}

// glued finds the key of an ENRICHED record's added part that follows a value
// without the separator between them, as in ouid=0FSUID="root". It returns -1
// if there is none.
func glued(value string, hex bool) int {
	eq := strings.IndexByte(value, '=')
	if eq < 3 {
		return -1
	}
	at := -1
	for i := eq - 1; i >= 0 && eq-i <= 7 && 'A' <= value[i] && value[i] <= 'Z'; i-- {
		// The longest name wins; behind hexadecimal, one that leaves whole bytes.
		if isEnriched(value[i:eq]) && (!hex || i%2 == 0) {
			at = i
		}
	}
	return at
}

// isEnriched reports whether auditd adds a key of this name when it writes
// ENRICHED records (auditd.conf(5), log_format).
func isEnriched(key string) bool {
	switch key {
	case "UID", "GID", "AUID", "EUID", "SUID", "FSUID", "OUID", "IUID", "SAUID",
		"EGID", "SGID", "FSGID", "OGID", "IGID", "ARCH", "SYSCALL", "SADDR":
		return true
	}
	return false
}

// isUntrusted reports whether the kernel or dbus-daemon writes a key's value
// with audit_log_untrustedstring or its like, so that hexadecimal is a string.
func isUntrusted(key string, typ Type) bool {
	switch key {
	case "name", "comm", "profile", "exe", "target", "peer", "label", "namespace",
		"srcname", "fstype", "trans", "options", "path", "addr", "peer_addr", "capname",
		"ns", "tcontext", "execpath", "olabel", "tlabel", "proctitle", "cwd", "peer_label", "peer_profile",
		"interface", "member", "method", "name2", "cmd", "key":
		return true
	}
	return typ == EXECVE && len(key) > 1 && key[0] == 'a' && '0' <= key[1] && key[1] <= '9'
}

// unhex decodes upper-case hexadecimal.
func unhex(s string) (string, bool) {
	if len(s) == 0 || len(s)%2 != 0 {
		return "", false
	}
	for i := 0; i < len(s); i++ {
		if hexDigit[s[i]] < 0 {
			return "", false
		}
	}
	var b strings.Builder
	b.Grow(len(s) / 2)
	for i := 0; i < len(s); i += 2 {
		b.WriteByte(byte(hexDigit[s[i]])<<4 | byte(hexDigit[s[i+1]]))
	}
	return b.String(), true
}

// skipWord returns the start of what follows the word at text[i:].
func skipWord(text string, i int) int {
	if n := strings.IndexByte(text[i:], ' '); n >= 0 {
		return i + n + 1
	}
	return len(text)
}

var (
	isKeyByte [256]bool
	hexDigit  [256]int8 // -1 unless a digit or upper-case A to F
)

func init() {
	for c := range 256 {
		hexDigit[c] = -1
	}
	for i, c := range "0123456789ABCDEF" {
		hexDigit[c] = int8(i)
	}
	for _, c := range "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-[]" {
		isKeyByte[c] = true
	}
}

// scanInterpreted returns the fields of a record that ausearch -i printed:
// strings lose their quotes whatever they hold, so a value reaches to the next
// key that such a record can have. A name with " pid=" in it therefore cannot be
// told from a field; the first one of a key counts.
func scanInterpreted(text string) []Field {
	var fields []Field
	start := func(i int) int { // of the value, if a new key starts at text[i:]
		eq := i
		for eq < len(text) && isKeyByte[text[eq]] {
			eq++
		}
		if eq == i || eq == len(text) || text[eq] != '=' || !isKnownKey(text[i:eq]) {
			return -1
		}
		return eq + 1
	}
	for i := 0; i < len(text); i++ {
		if i > 0 && text[i-1] != ' ' && text[i-1] != '\'' {
			continue
		}
		at := start(i)
		if at < 0 {
			continue
		}
		key, end := text[i:at-1], len(text)
		if key == "msg" {
			continue
		}
		if strings.HasPrefix(text[at:], `"`) && strings.IndexByte(text[at+1:], '"') >= 0 {
			end = at + 2 + strings.IndexByte(text[at+1:], '"')
			fields = append(fields, Field{key, text[at+1 : end-1], at, end})
			i = end - 1
			continue
		}
		for j := at; j < len(text); j++ {
			if text[j] == ' ' && start(j+1) >= 0 {
				end = j
				break
			}
		}
		value := text[at:end]
		if end == len(text) || !isUntrusted(key, "") {
			value = strings.TrimRight(value, " '")
		}
		fields = append(fields, Field{key, value, at, at + len(value)})
		i = end - 1
	}
	return fields
}

// isKnownKey reports whether AppArmor, seccomp, dbus-daemon or a companion
// record writes this key.
func isKnownKey(key string) bool {
	switch key {
	case "apparmor", "operation", "class", "info", "error", "namespace", "profile", "label", "name", "pid", "comm",
		"requested_mask", "denied_mask", "requested", "denied", "fsuid", "ouid", "target", "peer", "capability", "capname",
		"family", "sock_type", "protocol", "addr", "peer_addr", "laddr", "lport", "faddr", "fport", "saddr", "src", "daddr",
		"dest", "netif", "path", "signal", "srcname", "fstype", "trans", "flags", "options", "rlimit", "value", "bus",
		"interface", "member", "method", "name2", "mask", "peer_pid", "peer_label", "peer_profile", "execpath", "tcontext", "type", "ns",
		"offset", "olabel", "tlabel", "msg", "exe", "sauid", "hostname", "terminal",
		"auid", "uid", "gid", "ses", "subj", "sig", "arch", "syscall", "compat", "ip", "code", "res",
		"success", "exit", "a0", "a1", "a2", "a3", "items", "ppid", "euid", "suid", "egid", "sgid", "fsgid", "tty", "key",
		"cwd", "proctitle", "argc", "item", "inode", "dev", "mode", "ogid", "rdev", "nametype":
		return true
	}
	return false
}
