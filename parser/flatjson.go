package parser

import (
	"bytes"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// parseJSON sets the strings and numbers of the JSON object that text starts
// with. It is false if the object is not whole.
func (e *entry) parseJSON(text []byte) bool {
	i := skipSpace(text, 1)
	for i < len(text) && text[i] != '}' {
		key, next, ok := jsonString(text, i)
		if !ok {
			return false
		}
		i = skipSpace(text, next)
		if i == len(text) || text[i] != ':' {
			return false
		}
		i = skipSpace(text, i+1)
		if i == len(text) {
			return false
		}
		switch c := text[i]; {
		case c == '"':
			var value string
			if value, i, ok = jsonString(text, i); !ok {
				return false
			}
			e.set(key, value)
		case c == '[':
			var value string
			if value, i, ok = jsonBytes(text, i); !ok {
				return false
			}
			e.set(key, value)
		case c == '{':
			return false // neither journalctl nor dmesg nests objects
		default:
			end := i
			for end < len(text) && text[end] != ',' && text[end] != '}' && text[end] != '\n' {
				end++
			}
			e.set(key, string(bytes.TrimSpace(text[i:end])))
			i = end
		}
		i = skipSpace(text, i)
		if i < len(text) && text[i] == ',' {
			i = skipSpace(text, i+1)
		}
	}
	return i < len(text)
}

func skipSpace(text []byte, i int) int {
	for i < len(text) && (text[i] == ' ' || text[i] == '\t' || text[i] == '\n' || text[i] == '\r') {
		i++
	}
	return i
}

// jsonString reads the string at text[i:] and returns what follows it.
func jsonString(text []byte, i int) (string, int, bool) {
	if i >= len(text) || text[i] != '"' {
		return "", i, false
	}
	i++
	end := i
	for end < len(text) && text[end] != '"' && text[end] != '\\' {
		end++
	}
	if end < len(text) && text[end] == '"' {
		return string(text[i:end]), end + 1, true
	}
	b := append(make([]byte, 0, end-i+64), text[i:end]...)
	for i = end; i < len(text); {
		switch c := text[i]; {
		case c == '"':
			return string(b), i + 1, true
		case c != '\\':
			b = append(b, c)
			i++
			continue
		}
		if i+1 == len(text) {
			break
		}
		i += 2
		switch c := text[i-1]; c {
		case 'n':
			b = append(b, '\n')
		case 't':
			b = append(b, '\t')
		case 'r':
			b = append(b, '\r')
		case 'b':
			b = append(b, '\b')
		case 'f':
			b = append(b, '\f')
		case 'u':
			r, n := jsonRune(text[i:])
			b = utf8.AppendRune(b, r)
			i += n
		case 'x': // dmesg --json writes \xNN for what it cannot print
			if n, err := strconv.ParseUint(string(text[i:min(len(text), i+2)]), 16, 8); err == nil && i+2 <= len(text) {
				b = append(b, byte(n))
				i += 2
			}
		default:
			b = append(b, c)
		}
	}
	return "", len(text), false
}

// jsonRune reads the digits of \uXXXX, and of the second half of a pair.
func jsonRune(text []byte) (rune, int) {
	hex := func(t []byte) (rune, bool) {
		if len(t) < 4 {
			return 0, false
		}
		n, err := strconv.ParseUint(string(t[:4]), 16, 16)
		return rune(n), err == nil
	}
	r, ok := hex(text)
	if !ok {
		return utf8.RuneError, 0
	}
	if utf16.IsSurrogate(r) && len(text) >= 10 && text[4] == '\\' && text[5] == 'u' {
		if low, ok := hex(text[6:]); ok {
			return utf16.DecodeRune(r, low), 10
		}
	}
	return r, 4
}

// jsonBytes reads an array of numbers, as journalctl -o json writes a value that
// is not printable UTF-8. Of an array of strings (a field that occurs several
// times) it is the first.
func jsonBytes(text []byte, i int) (string, int, bool) {
	var b []byte
	first, strings := "", 0
	for i++; i < len(text); {
		i = skipSpace(text, i)
		if i == len(text) {
			break
		}
		switch c := text[i]; {
		case c == ']':
			if strings > 0 {
				return first, i + 1, true
			}
			return string(b), i + 1, true
		case c == ',':
			i++
		case c == '"':
			s, next, ok := jsonString(text, i)
			if !ok {
				return "", i, false
			}
			if strings == 0 {
				first = s
			}
			strings++
			i = next
		case '0' <= c && c <= '9':
			n := 0
			for i < len(text) && '0' <= text[i] && text[i] <= '9' {
				n = (n*10 + int(text[i]-'0')) % 1000
				i++
			}
			b = append(b, byte(n))
		default:
			return "", i, false
		}
	}
	return "", i, false
}
