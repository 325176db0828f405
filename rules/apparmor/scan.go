package apparmor

import (
	"strings"

	"github.com/whydenied/whydenied/rules"
)

// A mode is a lexical state. AppArmor's words, quotes, commas and parentheses
// are cut differently inside each kind of rule, and a token decides which mode
// the next one is read in; the modes and what each accepts follow the flex
// states of apparmor_parser 3.0 and 4.1.
type mode byte

const (
	modeInitial       mode = iota
	modeID                 // the name after "profile" or "hat"
	modeIDSpace            // the name after "->"
	modeValue              // the value after "name="
	modeCond               // between "name" and its value
	modeCondList           // between "peer" or "xattrs" and its list
	modeList               // inside (a, b)
	modeCondListItems      // inside peer=(a=b c=d)
	modeCondValue          // a value in there
	modeCondValues         // a parenthesised value in there
	modeAssign             // after "@{VAR} ="
	modeRlimit
	modeInclude
	modeABI
	modeInteger
	modeChangeProfile
	modeUserns
	modeRule       // of a class with a vocabulary
	modeExpr       // after "if"
	modeAssignOp   // after "$NAME" that is assigned to
	modeAssignExpr // after "$NAME ="
	modeIdentities // after "+"
)

// A tokenKind classifies tokens.
type tokenKind byte

const (
	tokEOF        tokenKind = iota
	tokBad                  // value says what is wrong
	tokID                   // a path, a label or a word
	tokValue                // a member of a list or the value of a condition
	tokKeyword              // a reserved word; value is the word
	tokMode                 // file permissions: rwix
	tokCond                 // a condition's name, before "=" or "in"
	tokCondList             // "peer" or "xattrs" before "=("
	tokVar                  // @{NAME}
	tokBool                 // ${NAME}
	tokInclude              // include; value is "if exists" when that follows
	tokPath                 // <path>, "path" or path of an include or abi; text tells which
	tokOpen                 // {
	tokClose                // }
	tokOpenParen            // (
	tokCloseParen           // )
	tokEquals               // =
	tokAddAssign            // +=
	tokArrow                // ->
	tokLessEqual            // <=
	tokCaret                // ^
	tokColon                // :
	tokComma                // , which ends a rule
	tokIn                   // in
	tokNewline              // the end of a variable assignment
	tokCondAssign           // ?=
	tokSetAssign            // :=
	tokOperator             // and or not defined == != < > >= in, of an expression
	tokPlus                 // + before identities=
)

// A token is a piece of the source. Its value is unquoted, with escapes
// resolved as far as the parser resolves them before globbing.
type token struct {
	kind       tokenKind
	start, end int
	value      string
}

// A scanner cuts a policy file into tokens.
type scanner struct {
	text  string
	pos   int
	stack []mode
	words *vocabulary // of the rule in hand, in modeRule
	// quirks are spellings that only some versions of apparmor_parser read, since
	// the parser took them last.
	quirks []Construct
}

func (s *scanner) mode() mode {
	if len(s.stack) == 0 {
		return modeInitial
	}
	return s.stack[len(s.stack)-1]
}

func (s *scanner) push(m mode) { s.stack = append(s.stack, m) }

func (s *scanner) pop() {
	if len(s.stack) > 0 {
		s.stack = s.stack[:len(s.stack)-1]
	}
}

// begin replaces the current mode.
func (s *scanner) begin(m mode) {
	s.pop()
	s.push(m)
}

// reset continues at an offset as if a statement started there.
func (s *scanner) reset(pos int) {
	s.pos = pos
	s.stack = s.stack[:0]
}

// next returns the next token.
func (s *scanner) next() token {
	if t, done := s.skip(); done {
		return t
	}
	if s.pos >= len(s.text) {
		return token{kind: tokEOF, start: len(s.text), end: len(s.text)}
	}
	switch s.mode() {
	case modeInitial:
		return s.initial()
	case modeID, modeIDSpace:
		return s.id(tokID, s.ids, true)
	case modeValue:
		return s.id(tokValue, s.ids, true)
	case modeCond:
		return s.cond()
	case modeCondList:
		return s.condList()
	case modeList:
		return s.list()
	case modeCondListItems:
		return s.condItems()
	case modeCondValue:
		return s.id(tokValue, s.listValue, true)
	case modeCondValues:
		return s.condValues()
	case modeAssign:
		return s.assign()
	case modeRlimit:
		return s.rlimit()
	case modeInclude, modeABI:
		return s.path()
	case modeInteger:
		return s.integer()
	case modeChangeProfile:
		return s.changeProfile()
	case modeUserns:
		return s.userns()
	case modeExpr, modeAssignExpr:
		return s.expr()
	case modeAssignOp:
		return s.assignOp()
	case modeIdentities:
		return s.identities()
	}
	return s.ruleWord()
}

// skip passes blanks and, where the mode allows them, newlines and comments. It
// returns a token when a newline is one.
func (s *scanner) skip() (token, bool) {
	m := s.mode()
	for s.pos < len(s.text) {
		c := s.text[s.pos]
		switch {
		case (c == ' ' || c == '\t') && m != modeID && m != modeValue:
			s.pos++
		case s.newline(s.pos) > 0 && m != modeID && m != modeValue && m != modeInteger:
			start := s.pos
			s.pos += s.newline(s.pos)
			if m == modeAssign || m == modeAssignExpr {
				s.pop()
				return token{kind: tokNewline, start: start, end: s.pos}, true
			}
		case (m == modeAssign || m == modeAssignExpr) && strings.HasPrefix(s.text[s.pos:], "\\\n"):
			s.pos += 2
		case c == '#' && (m == modeInitial && !s.isInclude(s.pos) || m == modeExpr || m == modeAssignExpr):
			end := strings.IndexByte(s.text[s.pos:], '\n')
			if end < 0 {
				// The parser wants a newline after every comment.
				return s.bad(len(s.text), "expected a newline after the comment that ends the file"), true
			}
			s.comment(end, m)
		case c == '#' && m == modeAssign:
			// A comment ends an assignment from AppArmor 3.1 on; 3.0 reads
			// its words as values.
			return token{}, false
		default:
			return token{}, false
		}
	}
	return token{}, false
}

// comment passes a comment and the end of its line, which ends an assignment.
func (s *scanner) comment(end int, m mode) {
	switch m {
	case modeAssignExpr:
		s.pos += end // up to the line's end
		return
	case modeExpr:
		s.quirks = append(s.quirks, Construct{At: s.span(s.pos, s.pos+end), What: "a comment in the condition of an if", Until: "5.0"})
	}
	s.pos += end + 1
}

// span is a place in the text; the parser knows the file.
func (s *scanner) span(start, end int) rules.Location {
	return rules.Location{Span: rules.Span{Start: start, End: end}}
}

// newline returns the length of the line ending at i, or 0.
func (s *scanner) newline(i int) int {
	switch {
	case s.text[i] == '\n':
		return 1
	case s.text[i] == '\r' && i+1 < len(s.text) && s.text[i+1] == '\n':
		return 2
	}
	return 0
}

// take returns the token from the current position to end.
func (s *scanner) take(kind tokenKind, end int) token {
	t := token{kind: kind, start: s.pos, end: end, value: s.text[s.pos:end]}
	s.pos = end
	return t
}

func (s *scanner) bad(end int, message string) token {
	t := token{kind: tokBad, start: s.pos, end: end, value: message}
	s.pos = end
	return t
}

func (s *scanner) unexpected() token {
	return s.bad(s.pos+1, "unexpected character "+quoteByte(s.text[s.pos]))
}

// id reads a quoted string, or what unquoted measures, unescapes it and leaves
// the mode if pop is set.
func (s *scanner) id(kind tokenKind, unquoted func(int) int, pop bool) token {
	end := s.quoted(s.pos)
	if end == s.pos {
		end = unquoted(s.pos)
	}
	if end == s.pos || end == s.pos+2 && s.text[s.pos] == '"' && s.mode() == modeCondValue {
		return s.unexpected()
	}
	t := s.take(kind, end)
	t.value = unescape(t.value)
	if pop {
		s.pop()
	}
	return t
}

// initial reads a token of the top level or of a file rule.
func (s *scanner) initial() token {
	text := s.text[s.pos:]
	switch {
	case s.isInclude(s.pos):
		return s.include()
	case text[0] == '^':
		s.push(modeID)
		return s.take(tokCaret, s.pos+1)
	case strings.HasPrefix(text, "->"):
		s.push(modeIDSpace)
		return s.take(tokArrow, s.pos+2)
	case text[0] == '=':
		s.push(modeAssign)
		return s.take(tokEquals, s.pos+1)
	case strings.HasPrefix(text, "+="):
		s.push(modeAssign)
		return s.take(tokAddAssign, s.pos+2)
	case strings.HasPrefix(text, "?="):
		s.push(modeAssign)
		return s.take(tokCondAssign, s.pos+2)
	case strings.HasPrefix(text, ":="):
		s.push(modeAssign)
		return s.take(tokSetAssign, s.pos+2)
	case text[0] == '+':
		s.push(modeIdentities)
		return s.take(tokPlus, s.pos+1)
	case text[0] == '{':
		return s.take(tokOpen, s.pos+1)
	case text[0] == '}':
		return s.take(tokClose, s.pos+1)
	case text[0] == '(':
		s.push(modeList)
		return s.take(tokOpenParen, s.pos+1)
	case text[0] == ',':
		return s.take(tokComma, s.pos+1)
	case text[0] == '$':
		if end := s.variable(s.pos); end > 0 {
			if s.assigns(end) {
				s.push(modeAssignOp)
			}
			return s.take(tokBool, end)
		}
		return s.unexpected()
	}
	end := s.label(s.pos)
	if variable := s.variable(s.pos); text[0] == '@' && variable > 0 && variable >= end {
		return s.take(tokVar, variable)
	}
	if end > s.pos {
		t := s.take(tokID, end)
		t.value = unescape(t.value)
		return t
	}
	return s.word()
}

// word reads a keyword, permissions, a condition's name or a plain word at the
// top level: the longest wins, as in flex.
func (s *scanner) word() token {
	end := s.wordEnd()
	if end == s.pos {
		return s.unexpected()
	}
	word := s.text[s.pos:end]
	if t, ok := s.condName(end); ok {
		return t
	}
	if s.isMode(end) {
		return s.take(tokMode, end)
	}
	t := s.take(tokKeyword, end)
	switch {
	case word == "profile" || word == "hat":
		for s.pos < len(s.text) && (s.text[s.pos] == ' ' || s.text[s.pos] == '\t') {
			s.pos++
		}
		s.push(modeID)
	case !keywords[word]:
		t.kind = tokID
	case ruleModes[word] != modeInitial:
		s.push(ruleModes[word])
	case vocabularies[word] != nil:
		s.words = vocabularies[word]
		s.push(modeRule)
	}
	return t
}

// isMode reports whether the word up to end is file permissions. They must be
// followed by a blank or a comma.
func (s *scanner) isMode(end int) bool {
	if end >= len(s.text) || !strings.ContainsRune(" \t\n\v\f\r,", rune(s.text[end])) {
		return false
	}
	return modeWord(s.text[s.pos:end])
}

// condName reads a name that stands before "=" or "in (". The caller gives the
// end of the word.
func (s *scanner) condName(end int) (token, bool) {
	word := s.text[s.pos:end]
	rest := strings.TrimLeft(s.text[end:], " \t")
	switch {
	case strings.HasPrefix(rest, "="):
		if word == "priority" {
			s.push(modeInteger)
			return s.take(tokKeyword, end), true
		}
		after := strings.TrimLeft(rest[1:], " \t")
		if (word == "peer" || word == "xattrs") && strings.HasPrefix(after, "(") {
			s.push(modeCondList)
			return s.take(tokCondList, end), true
		}
	case len(rest) < len(s.text)-end && strings.HasPrefix(rest, "in"):
		if !strings.HasPrefix(strings.TrimLeft(rest[2:], " \t"), "(") {
			return token{}, false
		}
	default:
		return token{}, false
	}
	s.push(modeCond)
	return s.take(tokCond, end), true
}

// cond reads what stands between a condition's name and its value.
func (s *scanner) cond() token {
	switch c := s.text[s.pos]; {
	case c == '=':
		t := s.take(tokEquals, s.pos+1)
		for s.pos < len(s.text) && (s.text[s.pos] == ' ' || s.text[s.pos] == '\t') {
			s.pos++
		}
		if s.pos < len(s.text) && s.text[s.pos] != '(' && s.text[s.pos] != '\n' {
			s.begin(modeValue)
		}
		return t
	case c == '(':
		s.begin(modeList)
		return s.take(tokOpenParen, s.pos+1)
	case strings.HasPrefix(s.text[s.pos:], "in"):
		return s.take(tokIn, s.pos+2)
	}
	return s.unexpected()
}

// list reads a member of (a, b c).
func (s *scanner) list() token {
	for s.pos < len(s.text) && strings.IndexByte(", \t\n", s.text[s.pos]) >= 0 {
		s.pos++
	}
	if s.pos == len(s.text) {
		return token{kind: tokEOF, start: s.pos, end: s.pos}
	}
	if s.text[s.pos] == ')' {
		s.pop()
		return s.take(tokCloseParen, s.pos+1)
	}
	if n := s.newline(s.pos); n > 0 {
		s.pos += n
		return s.list()
	}
	return s.id(tokValue, s.listValue, false)
}

// condList reads what stands between "peer" and its list.
func (s *scanner) condList() token {
	switch s.text[s.pos] {
	case '=':
		return s.take(tokEquals, s.pos+1)
	case '(':
		s.begin(modeCondListItems)
		return s.take(tokOpenParen, s.pos+1)
	}
	return s.unexpected()
}

// condItems reads a name, an equals sign or the end of peer=(a=b c=d).
func (s *scanner) condItems() token {
	switch s.text[s.pos] {
	case ')':
		s.pop()
		return s.take(tokCloseParen, s.pos+1)
	case ',':
		s.pos++
		return s.next()
	case '=':
		return s.condOperator(tokEquals, 1)
	case ':':
		if strings.HasPrefix(s.text[s.pos:], ":=") {
			return s.condOperator(tokSetAssign, 2)
		}
	}
	end := s.pos
	for end < len(s.text) && strings.IndexByte(" \t\n\"!,=)", s.text[end]) < 0 && !strings.HasPrefix(s.text[end:], ":=") {
		end++
	}
	if end == s.pos {
		return s.unexpected()
	}
	t := s.take(tokCond, end)
	t.value = unescape(t.value)
	return t
}

// condOperator reads what stands between a name and its value in peer=(a=b c:=d).
func (s *scanner) condOperator(kind tokenKind, length int) token {
	t := s.take(kind, s.pos+length)
	i := s.pos
	for i < len(s.text) && (s.text[i] == ' ' || s.text[i] == '\t') {
		i++
	}
	if i < len(s.text) && s.text[i] == '(' {
		s.pos = i + 1
		s.push(modeCondValues)
	} else {
		s.push(modeCondValue)
	}
	return t
}

// condValues reads a value of peer=(a=(b)), or passes its closing parenthesis.
func (s *scanner) condValues() token {
	if s.text[s.pos] == ')' {
		s.pos++
		s.pop()
		return s.next()
	}
	return s.id(tokValue, s.listValue, false)
}

// assign reads a value of a variable.
func (s *scanner) assign() token {
	if s.text[s.pos] == ',' && s.ids(s.pos) == s.pos {
		return s.bad(s.pos+1, "a variable assignment ends with its line, without a comma")
	}
	return s.id(tokValue, s.ids, false)
}
