// Package aare reads AppArmor's globs (AARE), matches names against many of them at
// once, compares what they match, and writes globs. It knows nothing of profiles.
//
// Names are bytes. Expressions and frozen automata are safe for concurrent use.
package aare

import (
	"fmt"
	"strings"
)

// Limits on one glob. apparmor_parser refuses deeper nesting (MAX_ALT_DEPTH);
// the length is that of the longest token it reads with room to spare.
const (
	maxGlobDepth  = 50
	maxGlobLength = 1 << 16
)

// An Error is a glob that apparmor_parser refuses.
type Error struct {
	Glob   string
	Offset int // in bytes, where the trouble starts
	Reason string
}

// Error names the offset, the glob and the reason.
func (e *Error) Error() string {
	return fmt.Sprintf("glob %q, byte %d: %s", e.Glob, e.Offset, e.Reason)
}

// Parse reads an AppArmor glob (AARE). The language is defined by two steps
// of apparmor_parser, convert_aaregex_to_pcre() in parser_regex.c and the
// grammar of libapparmor_re/parse.y, and their interplay is part of it:
//
//   - * matches any run of bytes but / and NUL, ** any run but NUL, ? one byte
//     but / and NUL;
//   - after a slash, and before a slash or the end of the glob, * and ** match
//     at least one byte, which is not a slash: /a/* and /a/** do not match /a/.
//     Before the , or } of an alternation they do;
//   - [^x] matches every byte but x, the slash included;
//   - {a,b} matches a or b and needs at least one comma.
//
// With nul, * ? and ** match NUL too, as in the addresses of unix rules.
func Parse(glob string, nul bool) (*Expr, error) {
	if len(glob) > maxGlobLength {
		return nil, &Error{glob[:64] + "...", maxGlobLength, fmt.Sprintf("longer than %d bytes", maxGlobLength)}
	}
	t := globTranslator{glob: glob, nul: nul}
	if err := t.translate(); err != nil {
		return nil, err
	}
	r := regexReader{glob: glob, text: t.out, from: t.from}
	e, err := r.expr(0)
	if err != nil {
		return nil, err
	}
	if r.pos < len(r.text) {
		return nil, r.errorf("unexpected %q", r.text[r.pos])
	}
	return e, nil
}

// A globTranslator turns a glob into the regular expression that apparmor_parser
// makes of it, and remembers which byte of the glob each byte came from.
type globTranslator struct {
	glob string
	nul  bool
	at   int // byte of the glob being translated
	out  []byte
	from []int

	inClass bool
	commas  []int // of each open alternation
}

func (t *globTranslator) emit(s string) {
	for i := range len(s) {
		t.out = append(t.out, s[i])
		t.from = append(t.from, t.at)
	}
}

func (t *globTranslator) errorf(format string, args ...any) error {
	return &Error{t.glob, t.at, fmt.Sprintf(format, args...)}
}

func (t *globTranslator) translate() error {
	for t.at < len(t.glob) {
		c := t.glob[t.at]
		var err error
		switch {
		case c == 0:
			return t.errorf("NUL byte")
		case c == '\\':
			err = t.escape()
		case c == '*':
			t.star()
		case c == '?':
			t.emit(t.any("[^/\x00]", "[^/]"))
		case strings.IndexByte("[]{},", c) >= 0:
			err = t.group(c)
		case strings.IndexByte(".+|()", c) >= 0, strings.IndexByte("^$", c) >= 0 && !t.inClass:
			t.emit("\\" + string(rune(c)))
		default:
			t.emit(t.glob[t.at : t.at+1])
		}
		if err != nil {
			return err
		}
		t.at++
	}
	if t.inClass {
		return t.errorf("unclosed character class, expecting ]")
	}
	if len(t.commas) > 0 {
		return t.errorf("unclosed alternation, expecting }")
	}
	return nil
}

// any picks one of two expressions by whether NUL matches.
func (t *globTranslator) any(normal, nul string) string {
	if t.nul {
		return nul
	}
	return normal
}

// star translates * and **, the latter as one.
func (t *globTranslator) star() {
	rest := strings.TrimLeft(t.glob[t.at:], "*")
	if len(t.out) > 0 && t.out[len(t.out)-1] == '/' && (rest == "" || rest[0] == '/') {
		t.emit(t.any("[^/\x00]", "[^/]"))
	}
	if strings.HasPrefix(t.glob[t.at:], "**") {
		t.emit(t.any("[^\x00]*", ".*"))
		t.at++
		return
	}
	t.emit(t.any("[^/\x00]*", "[^/]*"))
}

// group translates the brackets and the comma.
func (t *globTranslator) group(c byte) error {
	depth := len(t.commas)
	switch {
	case c == '[':
		t.inClass = true
	case c == ']' && !t.inClass:
		return t.errorf("] without [")
	case c == ']':
		t.inClass = false
	case t.inClass: // { } , are ordinary in a class
	case c == '{' && depth+1 >= maxGlobDepth:
		return t.errorf("more than %d alternations inside each other", maxGlobDepth-1)
	case c == '{':
		t.commas = append(t.commas, 0)
		t.emit("(")
		return nil
	case c == '}' && depth == 0:
		return t.errorf("} without {")
	case c == '}' && t.commas[depth-1] == 0:
		return t.errorf("alternation without a comma between { and }")
	case c == '}':
		t.commas = t.commas[:depth-1]
		t.emit(")")
		return nil
	case depth > 0: // a comma
		t.commas[depth-1]++
		t.emit("|")
		return nil
	}
	t.emit(string(rune(c)))
	return nil
}

// escape translates a backslash and what follows it.
func (t *globTranslator) escape() error {
	if t.at+1 == len(t.glob) {
		return t.errorf("backslash at the end")
	}
	c := t.glob[t.at+1]
	if _, n := ReadEscape(t.glob[t.at+1:]); n > 0 {
		t.emit(t.glob[t.at : t.at+1+n])
		t.at += n
		return nil
	}
	t.at++
	switch {
	case c == 0:
		return t.errorf("NUL byte")
	case strings.IndexByte("*[]{}.+|()^$", c) >= 0, c == ',' && t.inClass:
		if (c == '^' || c == '$') && t.inClass {
			t.emit(string(rune(c)))
			return nil
		}
		t.emit("\\" + string(rune(c)))
	default: // an escape that means nothing is dropped
		t.emit(t.glob[t.at : t.at+1])
	}
	return nil
}

// A regexReader reads the regular expressions that globs become, by the grammar
// of libapparmor_re/parse.y: alternation, grouping, postfix * and +, classes,
// the dot, and escapes.
type regexReader struct {
	glob string
	text []byte
	from []int
	pos  int
}

func (r *regexReader) errorf(format string, args ...any) error {
	at := len(r.glob)
	if r.pos < len(r.from) {
		at = r.from[r.pos]
	}
	return &Error{r.glob, at, fmt.Sprintf(format, args...)}
}

// peek returns the next byte, or 0 at the end: NUL stands for itself only in
// classes, where the end is an error anyway.
func (r *regexReader) peek() byte {
	if r.pos < len(r.text) {
		return r.text[r.pos]
	}
	return 0
}

func (r *regexReader) expr(depth int) (*Expr, error) {
	var choices, parts []*Expr
	for r.pos < len(r.text) && r.peek() != ')' {
		if r.peek() == '|' {
			r.pos++
			choices, parts = append(choices, Cat(parts...)), nil
			continue
		}
		term, err := r.term(depth)
		if err != nil {
			return nil, err
		}
		switch r.peek() {
		case '*':
			term = star(term)
			r.pos++
		case '+':
			term = Cat(term, star(term))
			r.pos++
		}
		parts = append(parts, term)
	}
	return alt(append(choices, Cat(parts...))...), nil
}

func (r *regexReader) term(depth int) (*Expr, error) {
	c := r.text[r.pos]
	switch c {
	case '.':
		r.pos++
		return set(anyByte), nil
	case '[':
		return r.class()
	case '(':
		r.pos++
		e, err := r.expr(depth + 1)
		if err != nil {
			return nil, err
		}
		if r.peek() != ')' {
			return nil, r.errorf("unclosed alternation, expecting }")
		}
		r.pos++
		return e, nil
	case '*', '+':
		return nil, r.errorf("%q repeats nothing", c)
	}
	c, _ = r.char()
	return set(oneByte(c)), nil
}

// char reads one byte or escape; escaped reports the latter.
func (r *regexReader) char() (c byte, escaped bool) {
	c = r.text[r.pos]
	r.pos++
	if c != '\\' || r.pos == len(r.text) {
		return c, false
	}
	next := r.text[r.pos]
	if value, n := ReadEscape(string(r.text[r.pos:min(r.pos+4, len(r.text))])); n > 0 {
		r.pos += n
		return value, true
	}
	if strings.IndexByte("*+.|^$-[](){}", next) >= 0 {
		r.pos++
		return next, true
	}
	return '\\', true
}

// class reads [abc], [a-z] and [^abc]. The grammar takes a ] or - that comes
// first literally, a ^ anywhere but first, and a - nowhere else.
func (r *regexReader) class() (*Expr, error) {
	start := r.pos
	fail := func() error {
		r.pos = start
		return r.errorf("malformed character class")
	}
	r.pos++
	negated := r.peek() == '^'
	if negated {
		r.pos++
	}
	var members byteSet
	for first := true; ; first = false {
		if r.pos == len(r.text) {
			return nil, fail()
		}
		raw := r.text[r.pos]
		if raw == ']' && !first {
			r.pos++
			break
		}
		if raw == '-' && !first {
			return nil, fail()
		}
		low, _ := r.char()
		// [^^a-z] has a rule of its own, in which the second ^ opens no range.
		if r.peek() != '-' || raw == '^' && first {
			members.add(low)
			continue
		}
		r.pos++
		if r.pos == len(r.text) || r.text[r.pos] == ']' || r.text[r.pos] == '-' {
			return nil, fail()
		}
		high, _ := r.char()
		if low > high {
			low, high = high, low
		}
		for c := int(low); c <= int(high); c++ {
			members.add(byte(c))
		}
	}
	if negated {
		members = members.complement()
	}
	return &Expr{op: opSet, class: true, set: members}, nil
}

// ReadEscape reads an escape sequence after its backslash: the byte it stands for
// and its length, 0 if it is none.
func ReadEscape(s string) (byte, int) {
	if s == "" {
		return 0, 0
	}
	if '0' <= s[0] && s[0] <= '7' {
		return number(s, 8, 3)
	}
	switch s[0] {
	case '\\', '"':
		return s[0], 1
	case 'a':
		return '\a', 1
	case 'e':
		return 033, 1
	case 'f':
		return '\f', 1
	case 'n':
		return '\n', 1
	case 'r':
		return '\r', 1
	case 't':
		return '\t', 1
	case 'd', 'x':
		base, most := 10, 3
		if s[0] == 'x' {
			base, most = 16, 2
		}
		c, n := number(s[1:], base, most)
		if n == 0 {
			return 0, 0
		}
		return c, n + 1
	}
	return 0, 0
}

// number reads at most n digits while the value fits a byte.
func number(s string, base, n int) (byte, int) {
	v, i := 0, 0
	for i < min(n, len(s)) {
		d := strings.IndexByte("0123456789abcdef", s[i]|0x20)
		if '0' <= s[i] && s[i] <= '9' {
			d = int(s[i] - '0')
		}
		if d < 0 || d >= base || v*base+d > 255 {
			break
		}
		v = v*base + d
		i++
	}
	return byte(v), i
}

// IsLiteral reports whether a glob can be told to match nothing but its own text
// without reading it.
func IsLiteral(glob string) bool {
	return len(glob) <= maxGlobLength && !strings.ContainsAny(glob, "*?[]{}\\\x00")
}

// ParseAny reads globs of which any may match.
func ParseAny(globs []string) (*Expr, error) {
	choices := make([]*Expr, 0, len(globs))
	for _, g := range globs {
		e, err := Parse(g, false)
		if err != nil {
			return nil, err
		}
		choices = append(choices, e)
	}
	if len(choices) == 0 {
		return nil, &Error{Reason: "empty"}
	}
	return alt(choices...), nil
}
