package parser

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"strconv"
	"strings"
	"unicode/utf8"
)

// A Pair is one key of a JSON object and its value: a string, an int64, a uint64
// that is greater, or what a caller adds.
type Pair struct {
	Key   string
	Value any
}

// Pairs is a JSON object that keeps the order of its keys.
type Pairs []Pair

// MarshalJSON implements json.Marshaler. It does not escape <, > and &.
func (p Pairs) MarshalJSON() ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	buf.WriteByte('{')
	for i, pair := range p {
		if i > 0 {
			buf.WriteByte(',')
		}
		for j, v := range [...]any{pair.Key, pair.Value} {
			if j == 1 {
				buf.WriteByte(':')
			}
			if err := enc.Encode(v); err != nil {
				return nil, err
			}
			buf.Truncate(buf.Len() - 1) // the newline that Encode adds
		}
	}
	buf.WriteByte('}')
	return buf.Bytes(), nil
}

// Pairs returns the denial's own record with the kernel's key names: type, time
// (RFC 3339 with milliseconds, UTC), serial and node where the log has them, then
// the fields in their order, decoded. Numbers are int64 where the kernel writes a
// decimal number; hexadecimal words such as arch, code and ip stay as spelled.
//
// A value that is not UTF-8 has \xNN for each wrong byte and \\ for a backslash,
// and a key with _hex appended holds all its bytes in hexadecimal.
func (d *Denial) Pairs() Pairs {
	r := &d.Event.Records[d.Record]
	p := make(Pairs, 0, len(r.Fields)+4)
	p = append(p, Pair{"type", string(r.Type)})
	if !r.Time.IsZero() {
		p = append(p, Pair{"time", r.Time.UTC().Format("2006-01-02T15:04:05.000Z07:00")})
	}
	if r.Serial != 0 {
		p = append(p, Pair{"serial", int64(r.Serial)})
	}
	if r.Node != "" {
		p = p.text("node", r.Node)
	}
	for _, f := range r.Fields {
		if p.has(f.Key) || f.Key == "type" || f.Key == "time" || f.Key == "serial" || f.Key == "node" {
			continue
		}
		if n, ok := decimal(f.Value); ok && isNumber(f.Key) {
			p = append(p, Pair{f.Key, n})
			continue
		}
		if n, err := strconv.ParseUint(f.Value, 10, 64); err == nil && f.Key == "value" && strconv.FormatUint(n, 10) == f.Value {
			p = append(p, Pair{f.Key, n}) // RLIM_INFINITY
			continue
		}
		p = p.text(f.Key, f.Value)
	}
	return p
}

// has reports whether p has a key. A record has few.
func (p Pairs) has(key string) bool {
	for i := range min(len(p), 64) {
		if p[i].Key == key {
			return true
		}
	}
	return false
}

// text appends a string, whatever its bytes.
func (p Pairs) text(key, value string) Pairs {
	if utf8.ValidString(value) {
		return append(p, Pair{key, value})
	}
	var b strings.Builder
	for i := 0; i < len(value); {
		r, n := utf8.DecodeRuneInString(value[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			b.WriteString(`\x`)
			b.WriteString(hex.EncodeToString([]byte{value[i]}))
		case r == '\\':
			b.WriteString(`\\`)
		default:
			b.WriteString(value[i : i+n])
		}
		i += n
	}
	return append(p, Pair{key, b.String()}, Pair{key + "_hex", hex.EncodeToString([]byte(value))})
}

// decimal reads a number that is spelled as the kernel would.
func decimal(s string) (int64, bool) {
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil && strconv.FormatInt(n, 10) == s
}

// isNumber reports whether the kernel writes a key's value as a decimal number.
func isNumber(key string) bool {
	switch key {
	case "pid", "ppid", "peer_pid", "fsuid", "ouid", "uid", "gid", "auid", "euid", "suid", "egid", "sgid", "fsgid",
		"sauid", "ses", "capability", "error", "protocol", "sig", "syscall", "compat", "lport", "fport", "src", "dest",
		"value", "offset", "exit", "items":
		return true
	}
	return false
}
