package escape

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// JSON writes a value as one line of JSON. The line is ASCII wherever a character
// could not be seen, so that it is safe on a terminal too.
func JSON(w io.Writer, value any) error {
	line, err := Encode(value)
	if err == nil {
		_, err = w.Write(unseen(append(line, '\n')))
	}
	return err
}

// Encode returns a value as JSON, with <, > and & as they are, to be part of what
// JSON writes.
func Encode(value any) ([]byte, error) {
	if m, ok := value.(json.Marshaler); ok {
		return m.MarshalJSON()
	}
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	err := e.Encode(value)
	return bytes.TrimSuffix(out.Bytes(), []byte("\n")), err
}

// unseen rewrites the characters of a JSON line that encoding/json leaves raw and
// Line would not print, and the starts of commands: they can only stand in strings,
// where \uXXXX means the same. The line ends with a newline, and may be returned
// itself.
func unseen(line []byte) []byte {
	if bytes.Contains(line, []byte("##")) || bytes.Contains(line, []byte("section_")) {
		line = []byte(breakCommands(string(line), `\u%04x`))
	}
	end := len(line) - 1 // the newline
	if visibleASCII(line[:end]) || !hostile(string(line[:end])) {
		return line
	}
	out := make([]byte, 0, len(line)+64)
	for i := 0; i < end; {
		r, n := utf8.DecodeRune(line[i:end])
		switch {
		case visible(r):
			out = append(out, line[i:i+n]...)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			out = fmt.Appendf(out, `\u%04x\u%04x`, high, low)
		default:
			out = fmt.Appendf(out, `\u%04x`, r)
		}
		i += n
	}
	return append(out, '\n')
}

// visibleASCII reports whether text is of visible ASCII alone, as most is, which is
// faster to find out than whether it is hostile.
func visibleASCII(text []byte) bool {
	for _, c := range text {
		if c < ' ' || c > '~' {
			return false
		}
	}
	return true
}

// UTF8 returns s as valid UTF-8, which strings of JSON are. If it is not, each byte
// that is not part of a character becomes \xNN, and each backslash two, as in
// parser.Pairs.
func UTF8(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	return mapRunes(s, func(r rune) string {
		if r == '\\' {
			return `\\`
		}
		return string(r)
	})
}

// A SARIF is a plain text message of a SARIF log.
type SARIF string

// SARIFMessage returns a string as a message. Brackets that would make a link are
// escaped (SARIF 2.1.0, section 3.11.6), as policy text is part of messages.
func SARIFMessage(s string) SARIF {
	s = string(Line(s))
	if strings.Contains(s, "](") {
		s = strings.NewReplacer(`[`, `\[`, `]`, `\]`).Replace(s)
	}
	return SARIF(s)
}
