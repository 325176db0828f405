package apparmor

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"sync"
)

// Limits on one glob. apparmor_parser refuses deeper nesting (MAX_ALT_DEPTH);
// the length is that of the longest token it reads with room to spare.
const (
	maxGlobDepth  = 50
	maxGlobLength = 1 << 16
)

// A GlobError is a glob that apparmor_parser refuses.
type GlobError struct {
	Glob   string
	Offset int // in bytes, where the trouble starts
	Reason string
}

// Error names the offset, the glob and the reason.
func (e *GlobError) Error() string {
	return fmt.Sprintf("glob %q, byte %d: %s", e.Glob, e.Offset, e.Reason)
}

// parseGlob reads an AppArmor glob (AARE). The language is defined by two steps
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
func parseGlob(glob string, nul bool) (*expr, error) {
	if len(glob) > maxGlobLength {
		return nil, &GlobError{glob[:64] + "...", maxGlobLength, fmt.Sprintf("longer than %d bytes", maxGlobLength)}
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

// cleanSlashes joins runs of slashes, as filter_slashes() in parser_regex.c
// does to the paths of rules before they become globs. Two leading slashes
// stay: they name another namespace.
func cleanSlashes(path string) string {
	if !strings.Contains(path, "//") {
		return path
	}
	var out strings.Builder
	rest := path
	if strings.HasPrefix(path, "//") && !strings.HasPrefix(path, "///") {
		out.WriteString("//")
		rest = path[2:]
	}
	slash := false
	for i := range len(rest) {
		if rest[i] == '/' && slash {
			continue
		}
		slash = rest[i] == '/'
		out.WriteByte(rest[i])
	}
	return out.String()
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
	return &GlobError{t.glob, t.at, fmt.Sprintf(format, args...)}
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
	if _, n := escape(t.glob[t.at+1:]); n > 0 {
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
	return &GlobError{r.glob, at, fmt.Sprintf(format, args...)}
}

// peek returns the next byte, or 0 at the end: NUL stands for itself only in
// classes, where the end is an error anyway.
func (r *regexReader) peek() byte {
	if r.pos < len(r.text) {
		return r.text[r.pos]
	}
	return 0
}

func (r *regexReader) expr(depth int) (*expr, error) {
	alternatives := []*expr{{}}
	for r.pos < len(r.text) && r.peek() != ')' {
		if r.peek() == '|' {
			r.pos++
			alternatives = append(alternatives, &expr{})
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
			term = cat(term, star(term))
			r.pos++
		}
		last := len(alternatives) - 1
		alternatives[last] = cat(alternatives[last], term)
	}
	return alt(alternatives...), nil
}

func (r *regexReader) term(depth int) (*expr, error) {
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
	if value, n := escape(string(r.text[r.pos:min(r.pos+4, len(r.text))])); n > 0 {
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
func (r *regexReader) class() (*expr, error) {
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
	return &expr{op: opSet, class: true, set: members}, nil
}

// A matcher is what a Pattern is compiled to when it is first used.
type matcher struct {
	once sync.Once
	expr *expr
	auto *automaton
	err  error
}

// compile returns the pattern's expression and automaton. A pattern that
// apparmor_parser refuses matches nothing.
func (p *Pattern) compile() *matcher {
	p.matcher.once.Do(func() {
		m := &p.matcher
		m.expr, m.err = parseGlobs(p.Expanded, false)
		m.auto = newAutomaton()
		if m.err == nil {
			m.auto.add(m.expr, 0)
		}
		m.auto.freeze()
	})
	return &p.matcher
}

// parseGlobs reads globs of which any may match.
func parseGlobs(globs []string, nul bool) (*expr, error) {
	choices := make([]*expr, 0, len(globs))
	for _, g := range globs {
		e, err := parseGlob(g, nul)
		if err != nil {
			return nil, err
		}
		choices = append(choices, e)
	}
	if len(choices) == 0 {
		return nil, &GlobError{Reason: "empty"}
	}
	return alt(choices...), nil
}

// Err returns the *GlobError of a pattern that apparmor_parser refuses, with an
// offset into the expanded glob, or nil.
func (p *Pattern) Err() error { return p.compile().err }

// Match reports whether the pattern matches all of name. It takes time linear
// in the length of the name. The nil pattern matches everything.
func (p *Pattern) Match(name string) bool {
	if p == nil {
		return true
	}
	return len(p.compile().auto.match(name)) > 0
}

// Literal returns the only name that the pattern matches, if there is just one.
func (p *Pattern) Literal() (name string, ok bool) {
	if p == nil || p.compile().err != nil {
		return "", false
	}
	return p.compile().expr.literal()
}

// maxCompare bounds the work of comparing two patterns, in visits of a node by
// a byte. Patterns as people write them need some thousand.
const maxCompare = 1 << 24

// A Relation is what Compare found.
type Relation struct {
	// Both, OnlyA and OnlyB are shortest names that both patterns match, that
	// only the first does, and that only the second does; valid where the
	// corresponding Has is set.
	Both, OnlyA, OnlyB          string
	HasBoth, HasOnlyA, HasOnlyB bool
	// Complete is false when the patterns were too large to compare fully. What
	// was found holds; what was not found may still exist.
	Complete bool
}

// Compare compares the names that two patterns match. Examples hold no NUL, and
// no two slashes in a row if there is another example.
func Compare(a, b *Pattern) Relation {
	return compare(automatonOf(a), automatonOf(b))
}

func automatonOf(p *Pattern) *automaton {
	if p == nil {
		p = anyProfile
	}
	return p.compile().auto
}

// Covers reports whether a surely matches every name that b matches.
func Covers(a, b *Pattern) bool {
	r := Compare(a, b)
	return r.Complete && !r.HasOnlyB
}

// Overlaps returns a shortest name that both patterns match, if there is one.
func Overlaps(a, b *Pattern) (example string, ok bool) {
	r := Compare(a, b)
	return r.Both, r.HasBoth
}

// Beyond returns a shortest name that a matches and b does not, if there is
// one: what replacing b by a would grant in addition.
func Beyond(a, b *Pattern) (example string, ok bool) {
	r := Compare(a, b)
	return r.OnlyA, r.HasOnlyA
}

// A pair is a step of the breadth-first walk through two automata at once.
type pair struct {
	a, b *state
	from int // index of the pair before
	c    byte
}

func compare(a, b *automaton) Relation {
	alphabet := jointAlphabet(a, b)
	queue := []pair{{a: a.start.Load(), b: b.start.Load(), from: -1}}
	seen := map[[2]string]bool{}
	visit := func(p pair) {
		key := [2]string{nodesKey(p.a.nodes), nodesKey(p.b.nodes)}
		if !seen[key] {
			seen[key] = true
			queue = append(queue, p)
		}
	}
	var r Relation
	work := 0
	for i := 0; i < len(queue); i++ {
		p := queue[i]
		inA, inB := len(p.a.tags) > 0, len(p.b.tags) > 0
		switch {
		case inA && inB && !r.HasBoth:
			r.Both, r.HasBoth = spell(queue, i), true
		case inA && !inB && !r.HasOnlyA:
			r.OnlyA, r.HasOnlyA = spell(queue, i), true
		case inB && !inA && !r.HasOnlyB:
			r.OnlyB, r.HasOnlyB = spell(queue, i), true
		}
		if r.HasBoth && r.HasOnlyA && r.HasOnlyB {
			break
		}
		if work += len(alphabet) * (len(p.a.nodes) + len(p.b.nodes) + 1); work > maxCompare {
			return r
		}
		for _, c := range alphabet {
			next := pair{a.next(p.a, c), b.next(p.b, c), i, c}
			if len(next.a.nodes) > 0 || len(next.b.nodes) > 0 {
				visit(next)
			}
		}
	}
	r.Complete = true
	return r
}

// nodesKey identifies a state of an automaton for as long as that lives.
func nodesKey(nodes []int32) string {
	key := make([]byte, 0, 4*len(nodes))
	for _, n := range nodes {
		key = binary.LittleEndian.AppendUint32(key, uint32(n))
	}
	return string(key)
}

// spell returns the bytes on the way to a pair.
func spell(queue []pair, i int) string {
	var out []byte
	for ; queue[i].from >= 0; i = queue[i].from {
		out = append(out, queue[i].c)
	}
	slices.Reverse(out)
	return string(out)
}

// jointAlphabet returns one byte for each set of bytes that neither automaton
// tells apart, those that read best first, and never NUL: no name holds one.
func jointAlphabet(a, b *automaton) []byte {
	const nicest = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ-_.+:@/"
	var alphabet []byte
	seen := map[[2]uint8]bool{}
	try := func(c byte) {
		class := [2]uint8{a.classes[c], b.classes[c]}
		if !seen[class] {
			seen[class] = true
			alphabet = append(alphabet, c)
		}
	}
	for i := range len(nicest) {
		try(nicest[i])
	}
	for c := 1; c < 256; c++ {
		try(byte(c))
	}
	return alphabet
}
