package parser

import (
	"bytes"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// maxDepth bounds the objects within objects that are read.
const maxDepth = 8

// parseJSON sets the strings and numbers of the JSON object that text starts
// with, and those of the objects in it. It is false if the object is not whole.
func (e *entry) parseJSON(text []byte) bool {
	_, ok := e.parseObject(text, 0, "", 0)
	return ok
}

// parseObject reads the object at text[i:], which is the value of a key, and
// returns what follows it.
func (e *entry) parseObject(text []byte, i int, parent string, depth int) (int, bool) {
	i = skipSpace(text, i+1)
	for i < len(text) && text[i] != '}' {
		key, next, ok := jsonString(text, i)
		if !ok {
			return i, false
		}
		i = skipSpace(text, next)
		if i == len(text) || text[i] != ':' {
			return i, false
		}
		if i, ok = e.parseValue(text, skipSpace(text, i+1), parent, key, depth); !ok {
			return i, false
		}
		i = skipSpace(text, i)
		if i < len(text) && text[i] == ',' {
			i = skipSpace(text, i+1)
		}
	}
	return i + 1, i < len(text)
}

// parseValue reads the value of a key at text[i:], and returns what follows it.
func (e *entry) parseValue(text []byte, i int, parent, key string, depth int) (int, bool) {
	if i == len(text) || depth > maxDepth {
		return i, false
	}
	switch text[i] {
	case '"':
		value, next, ok := jsonString(text, i)
		e.setIn(parent, key, value)
		return next, ok
	case '{':
		return e.parseObject(text, i, key, depth+1)
	case '[':
		if j := skipSpace(text, i+1); j < len(text) && text[j] == '{' {
			return e.parseArray(text, j, key, depth+1)
		}
		value, next, ok := jsonBytes(text, i)
		e.setIn(parent, key, value)
		return next, ok
	}
	end := i
	for end < len(text) && text[end] != ',' && text[end] != '}' && text[end] != ']' && text[end] != '\n' {
		end++
	}
	e.setIn(parent, key, string(bytes.TrimSpace(text[i:end])))
	return end, true
}

// parseArray reads the objects of an array, behind its bracket.
func (e *entry) parseArray(text []byte, i int, key string, depth int) (int, bool) {
	for i < len(text) && text[i] != ']' {
		next, ok := e.parseValue(text, i, "", key, depth)
		if !ok {
			return i, false
		}
		if i = skipSpace(text, next); i < len(text) && text[i] == ',' {
			i = skipSpace(text, i+1)
		}
	}
	return i + 1, i < len(text)
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
	if n := bytes.IndexByte(text[i:], '"'); n >= 0 && bytes.IndexByte(text[i:i+n], '\\') < 0 && bytes.IndexByte(text[i:i+n], '\n') < 0 {
		return string(text[i : i+n]), i + n + 1, true
	}
	b := make([]byte, 0, 512)
	for i < len(text) {
		plain := i
		for plain < len(text) && text[plain] != '"' && text[plain] != '\\' && text[plain] != '\n' {
			plain++
		}
		b = append(b, text[i:plain]...)
		if i = plain; i == len(text) {
			break
		}
		switch text[i] {
		case '"':
			return string(b), i + 1, true
		case '\n':
			return "", len(text), false // JSON has none in strings: it was wrapped
		}
		if i+1 == len(text) || text[i+1] == '\n' {
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
// times) it is the first, or the first that holds a denial.
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
			if strings == 0 || holdsDenial([]byte(s)) && !holdsDenial([]byte(first)) {
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
