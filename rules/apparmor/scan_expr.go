package apparmor

import "strings"

// The functions below read the words of conditions and of assignments to booleans.

// assigns reports whether an assignment follows at i, after a variable.
func (s *scanner) assigns(i int) bool {
	rest := strings.TrimLeft(s.text[i:], " \t")
	for _, op := range []string{"=", "+=", "?=", ":="} {
		if strings.HasPrefix(rest, op) {
			return true
		}
	}
	return false
}

// assignOp reads the sign between a boolean variable and its value.
func (s *scanner) assignOp() token {
	s.begin(modeAssignExpr)
	text := s.text[s.pos:]
	switch {
	case text[0] == '=':
		return s.take(tokEquals, s.pos+1)
	case strings.HasPrefix(text, "+="):
		return s.take(tokAddAssign, s.pos+2)
	case strings.HasPrefix(text, "?="):
		return s.take(tokCondAssign, s.pos+2)
	}
	return s.take(tokSetAssign, s.pos+2)
}

// operators are the words and signs of expressions.
var operators = wordSet("and or not defined in == != < <= > >=")

// expr reads a token of an expression. The longest match wins, as in flex: a word
// goes on over ( and {, so that a blank must stand before these.
func (s *scanner) expr() token {
	text := s.text[s.pos:]
	end := max(s.noAssign(s.pos), s.quoted(s.pos))
	if variable := s.variable(s.pos); text[0] == '@' || text[0] == '$' {
		if t, ok := s.exprVariable(variable, end); ok {
			return t
		}
	}
	if len(text) > 1 && operators[text[:2]] && end <= s.pos+2 {
		return s.take(tokOperator, s.pos+2)
	}
	switch {
	case text[0] == '{' && s.mode() == modeExpr:
		if end > s.pos+1 {
			s.quirks = append(s.quirks, Construct{At: s.span(s.pos, end), What: "a { without a blank after it, after the condition of an if", Until: "5.0"})
		}
		s.pop()
		return s.take(tokOpen, s.pos+1)
	case text[0] == '(':
		return s.take(tokOpenParen, s.pos+1)
	case text[0] == ')':
		return s.take(tokCloseParen, s.pos+1)
	case text[0] == ',' && s.mode() == modeAssignExpr:
		return s.bad(s.pos+1, "a variable assignment ends with its line, without a comma")
	case end == s.pos:
		return s.unexpected()
	case operators[s.text[s.pos:end]]:
		return s.take(tokOperator, end)
	}
	t := s.take(tokID, end)
	t.value = unescape(t.value)
	return t
}

// exprVariable reads a variable that ends at one offset, if no longer word is there.
func (s *scanner) exprVariable(variable, word int) (token, bool) {
	kind := tokVar
	if s.text[s.pos] == '$' {
		kind = tokBool
	}
	if variable == 0 {
		return token{}, false
	}
	if word == variable+1 && s.text[variable] == '{' {
		// 3.0 and 4.1 read if $NAME{, which is one word for 5.0.
		s.quirks = append(s.quirks, Construct{At: s.span(s.pos, word), What: "a { right after the variable of an if", Until: "5.0"})
		word = variable
	}
	if word > variable || s.label(s.pos) > variable {
		return token{}, false
	}
	return s.take(kind, variable), true
}

// noAssign matches IDS_NOASSIGN of 5.0: a word without = and ), and without a : before
// an =. It does not begin with ( + or &.
func (s *scanner) noAssign(i int) int {
	const stop = " \t\n\"!,=:)"
	if i >= len(s.text) || strings.IndexByte("(+&", s.text[i]) >= 0 {
		return i
	}
	for i < len(s.text) {
		c := s.text[i]
		switch {
		case c == ':' && i+1 < len(s.text) && strings.IndexByte(" \t\n\"!,=)", s.text[i+1]) < 0:
			i += 2
		case c == ',' && i+1 < len(s.text) && strings.IndexByte(stop, s.text[i+1]) < 0:
			i += 2
		case strings.IndexByte(stop, c) >= 0:
			return i
		default:
			i++
		}
	}
	return i
}

// identities reads what follows the + after the name of a profile.
func (s *scanner) identities() token {
	const word = "identities"
	if strings.HasPrefix(s.text[s.pos:], word) && strings.HasPrefix(strings.TrimLeft(s.text[s.pos+len(word):], " \t"), "=") {
		s.begin(modeCond)
		return s.take(tokCond, s.pos+len(word))
	}
	return s.bad(s.pos+1, "expected identities= after +")
}
