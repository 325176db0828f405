package seccomp

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/whydenied/whydenied/rules"
)

// A kind is the kind of a JSON value.
type kind uint8

const (
	null kind = iota
	boolean
	number
	text
	array
	object
)

// String names the kind with its article.
func (k kind) String() string {
	return [...]string{"null", "a boolean", "a number", "a string", "a list", "an object"}[k]
}

// A node is a JSON or YAML value with its place.
type node struct {
	kind  kind
	at    rules.Span
	value string // text: decoded; number, boolean: as written
	items []node // of a list
	keys  []member
	flow  bool // YAML: written in JSON's style; always true for JSON
}

// A member is one key of an object with its value.
type member struct {
	name  string
	at    rules.Span // the key
	value node
}

// maxDepth bounds how deep values nest; encoding/json allows 10,000.
const maxDepth = 200

// A jsonReader reads one JSON text. It accepts what encoding/json accepts.
type jsonReader struct {
	s      string
	pos    int
	values int // so far; see maxValues

	// What has been read of the lists and objects around the position: each takes its own
	// from the end.
	items []node
	keys  []member
}

// readJSON returns the tree of a JSON text, or an error at a byte offset.
func readJSON(s string) (*node, int, error) {
	r := &jsonReader{s: s}
	if strings.HasPrefix(s, "\ufeff") {
		return nil, 0, fmt.Errorf("the file starts with a byte order mark, which runtimes refuse: save it as UTF-8 without BOM")
	}
	n, err := r.read(0)
	if err != nil {
		return nil, r.pos, err
	}
	r.space()
	if r.pos < len(s) {
		return nil, r.pos, fmt.Errorf("unexpected %s after the end of the JSON value", r.here())
	}
	return &n, 0, nil
}

// space skips white space.
func (r *jsonReader) space() {
	for r.pos < len(r.s) {
		switch r.s[r.pos] {
		case ' ', '\t', '\n', '\r':
			r.pos++
		default:
			return
		}
	}
}

// here names the character at the position for a message.
func (r *jsonReader) here() string {
	if r.pos >= len(r.s) {
		return "end of file"
	}
	c, _ := utf8.DecodeRuneInString(r.s[r.pos:])
	return fmt.Sprintf("%q", c)
}

// read reads one value after white space.
func (r *jsonReader) read(depth int) (node, error) {
	if depth > maxDepth {
		return node{}, fmt.Errorf("values nest deeper than %d levels", maxDepth)
	}
	if r.values++; r.values > maxValues {
		return node{}, fmt.Errorf("more than %d values are too many for a seccomp profile", maxValues)
	}
	r.space()
	if r.pos >= len(r.s) {
		return node{}, fmt.Errorf("unexpected end of file: a JSON value is missing")
	}
	start := r.pos
	switch c := r.s[r.pos]; {
	case c == '{':
		return r.object(depth)
	case c == '[':
		return r.array(depth)
	case c == '"':
		v, err := r.text()
		return node{kind: text, at: rules.Span{Start: start, End: r.pos}, value: v, flow: true}, err
	case c == '-' || c >= '0' && c <= '9':
		return r.number()
	}
	for _, word := range []string{"true", "false", "null"} {
		if !strings.HasPrefix(r.s[r.pos:], word) {
			continue
		}
		r.pos += len(word)
		k := boolean
		if word == "null" {
			k = null
		}
		return node{kind: k, at: rules.Span{Start: start, End: r.pos}, value: word, flow: true}, nil
	}
	return node{}, fmt.Errorf("unexpected %s where a JSON value should start", r.here())
}

// object reads { ... }.
func (r *jsonReader) object(depth int) (node, error) {
	n := node{kind: object, at: rules.Span{Start: r.pos}, flow: true}
	from := len(r.keys)
	defer func() { r.keys = r.keys[:from] }()
	r.pos++
	for {
		r.space()
		if r.next('}') && len(r.keys) == from {
			break
		}
		if r.pos >= len(r.s) || r.s[r.pos] != '"' {
			return n, fmt.Errorf("unexpected %s where a key in quotes should be", r.here())
		}
		m := member{at: rules.Span{Start: r.pos}}
		var err error
		if m.name, err = r.text(); err != nil {
			return n, err
		}
		m.at.End = r.pos
		r.space()
		if !r.next(':') {
			return n, fmt.Errorf("unexpected %s after the key %q: a colon is missing", r.here(), m.name)
		}
		if m.value, err = r.read(depth + 1); err != nil {
			return n, err
		}
		r.keys = append(r.keys, m)
		r.space()
		if r.next(',') {
			continue
		}
		if r.next('}') {
			break
		}
		return n, fmt.Errorf("unexpected %s after a value of an object: a comma or } is missing", r.here())
	}
	n.at.End, n.keys = r.pos, slices.Clone(r.keys[from:])
	return n, nil
}

// array reads [ ... ].
func (r *jsonReader) array(depth int) (node, error) {
	n := node{kind: array, at: rules.Span{Start: r.pos}, flow: true}
	from := len(r.items)
	defer func() { r.items = r.items[:from] }()
	r.pos++
	for {
		r.space()
		if len(r.items) == from && r.next(']') {
			break
		}
		item, err := r.read(depth + 1)
		if err != nil {
			return n, err
		}
		r.items = append(r.items, item)
		r.space()
		if r.next(',') {
			continue
		}
		if r.next(']') {
			break
		}
		return n, fmt.Errorf("unexpected %s after a value of a list: a comma or ] is missing", r.here())
	}
	n.at.End, n.items = r.pos, slices.Clone(r.items[from:])
	return n, nil
}

// next consumes c if it comes next.
func (r *jsonReader) next(c byte) bool {
	if r.pos < len(r.s) && r.s[r.pos] == c {
		r.pos++
		return true
	}
	return false
}

// text reads a string in quotes and returns what it stands for.
func (r *jsonReader) text() (string, error) {
	start := r.pos
	plain := true
	for r.pos++; r.pos < len(r.s); r.pos++ {
		switch c := r.s[r.pos]; {
		case c == '"':
			r.pos++
			return unquote(r.s[start:r.pos], plain)
		case c == '\\':
			plain = false
			r.pos++
		case c < ' ':
			return "", fmt.Errorf("a string holds the control character %s: write it as an escape", r.here())
		case c >= utf8.RuneSelf:
			plain = false // may not be valid UTF-8
		}
	}
	r.pos = len(r.s)
	return "", fmt.Errorf("the string that starts with %.20q has no closing quote", r.s[start:])
}

// unquote decodes a string in quotes that holds no control characters.
func unquote(quoted string, plain bool) (string, error) {
	if plain {
		return quoted[1 : len(quoted)-1], nil
	}
	var s string
	if err := json.Unmarshal([]byte(quoted), &s); err != nil {
		return "", fmt.Errorf("bad string %.40q: %w", quoted, err)
	}
	return s, nil
}

// number reads a number and keeps its spelling.
func (r *jsonReader) number() (node, error) {
	start := r.pos
	for r.pos < len(r.s) && strings.IndexByte("+-.0123456789eE", r.s[r.pos]) >= 0 {
		r.pos++
	}
	n := node{kind: number, at: rules.Span{Start: start, End: r.pos}, value: r.s[start:r.pos], flow: true}
	if len(n.value) > 64 || !json.Valid([]byte(n.value)) {
		r.pos = start
		return n, fmt.Errorf("bad number %.20q", n.value)
	}
	return n, nil
}

// get returns the value of a key, the last one if it is given twice, as
// encoding/json does; the case of the key does not matter to it either. It
// returns nil if there is none.
func (n *node) get(name string) *node {
	for i := len(n.keys) - 1; i >= 0; i-- {
		if strings.EqualFold(n.keys[i].name, name) {
			return &n.keys[i].value
		}
	}
	return nil
}
