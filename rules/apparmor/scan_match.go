package apparmor

import "strings"

// The functions below return the end of the longest match at i, or i for none.

// quoted matches "...".
func (s *scanner) quoted(i int) int {
	if s.text[i] != '"' {
		return i
	}
	for j := i + 1; j < len(s.text); j++ {
		switch s.text[j] {
		case 0:
			return i
		case '"':
			return j + 1
		case '\\':
			// \" does not end the string, unless nothing ends it later.
			if j+1 < len(s.text) && s.text[j+1] == '"' && strings.IndexByte(s.text[j+2:], '"') >= 0 {
				j++
			}
		}
	}
	return i
}

// variable matches @NAME, @{NAME}, $NAME or ${NAME}; it returns 0 for none.
func (s *scanner) variable(i int) int {
	j := i + 1
	brace := j < len(s.text) && s.text[j] == '{'
	if brace {
		j++
	}
	name := j
	for j < len(s.text) && isWord(s.text[j]) && (j > name || isAlpha(s.text[j])) {
		j++
	}
	if j == name {
		return 0
	}
	if !brace {
		return j
	}
	if j == len(s.text) || s.text[j] != '}' {
		return 0
	}
	return j + 1
}

// label matches what can start a path or a label: /..., @{VAR}..., :..., &....
func (s *scanner) label(i int) int {
	switch s.text[i] {
	case ':':
		if strings.HasPrefix(s.text[i:], ":=") {
			return i
		}
		return s.ids(i + 1)
	case '/', '&':
		return s.ids(i + 1)
	case '"':
		end := s.quoted(i)
		if end > i && strings.IndexByte("/@:&", s.text[i+1]) >= 0 {
			return end
		}
		return i
	case '@':
		end := s.variable(i)
		if end == 0 {
			return i
		}
		// More must follow the variable, but not what assigns to it.
		after := s.afterVariable(end)
		if after == end {
			if s.text[i+1] == '{' {
				return i
			}
			return s.bareVariableLabel(i, end)
		}
		return s.ids(after)
	}
	return i
}

// afterVariable matches what can follow a variable in a label: as idUnit, but
// neither = nor +, which assign; and a CR, which ends up in the label.
func (s *scanner) afterVariable(i int) int {
	if i >= len(s.text) {
		return i
	}
	c := s.text[i]
	switch {
	case c == '\r' || c == '\\':
		return max(i+1, s.idUnit(i))
	case c == ',' && i+1 < len(s.text) && strings.IndexByte(" \t\n\"!,=+", s.text[i+1]) < 0:
		return i + 2
	case c == ',' || c == '=' || c == '+' || strings.HasPrefix(s.text[i:], "?="):
		return i
	}
	return s.idUnit(i)
}

// bareVariableLabel matches @NAME without braces, whose last letter may count
// as what follows the variable.
func (s *scanner) bareVariableLabel(i, end int) int {
	if end-i > 2 {
		return s.ids(end)
	}
	return i
}

// ids matches a run of identifier characters: no blank, quote, ! or comma
// unless escaped; a comma counts if another such character follows it.
func (s *scanner) ids(i int) int {
	for {
		j := s.idUnit(i)
		if j == i {
			return i
		}
		i = j
	}
}

// idUnit matches one character or escape of ids.
func (s *scanner) idUnit(i int) int {
	if i >= len(s.text) {
		return i
	}
	switch c := s.text[i]; {
	case c == ',':
		if i+1 < len(s.text) && isIDChar(s.text[i+1]) {
			return i + 2
		}
		return i
	case c == '\\' && i+1 < len(s.text) && strings.IndexByte(" \t\"!,", s.text[i+1]) >= 0:
		return i + 2
	case isIDChar(c):
		return i + 1
	}
	return i
}

// idsNoEquals matches a word of a rule with conditions: no =, blank, quote, !
// or ), and no comma at its end.
func (s *scanner) idsNoEquals(i int) int {
	if i >= len(s.text) || strings.IndexByte(" \t\n\"!,=()+&", s.text[i]) >= 0 {
		return i
	}
	const stop = " \t\n\"!,=)"
	for i++; i < len(s.text); i++ {
		c := s.text[i]
		if c == ',' && i+1 < len(s.text) && strings.IndexByte(stop, s.text[i+1]) < 0 {
			i++
			continue
		}
		if strings.IndexByte(stop, c) >= 0 {
			break
		}
	}
	return i
}

// listValue matches a member of a list: no blank, quote, !, comma or
// parenthesis unless escaped.
func (s *scanner) listValue(i int) int {
	for i < len(s.text) {
		c := s.text[i]
		if c == '\\' && i+1 < len(s.text) && strings.IndexByte(" \t\"!,()", s.text[i+1]) >= 0 {
			i += 2
			continue
		}
		if strings.IndexByte(" \t\n\"!,()", c) >= 0 {
			break
		}
		i++
	}
	return i
}

// includeIDs matches a bare include file name.
func (s *scanner) includeIDs(i int) int {
	const stop = " \t\r\n\"!,<>"
	for i < len(s.text) {
		c := s.text[i]
		switch {
		case c == ',' && i+1 < len(s.text) && strings.IndexByte(stop, s.text[i+1]) < 0,
			c == '\\' && i+1 < len(s.text) && strings.IndexByte(" \t\"!,", s.text[i+1]) >= 0:
			i += 2
			continue
		case strings.IndexByte(stop, c) >= 0:
			return i
		}
		i++
	}
	return i
}

func isIDChar(c byte) bool { return strings.IndexByte(" \t\r\n\"!,", c) < 0 }
func isAlpha(c byte) bool  { return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' }
func isDigit(c byte) bool  { return '0' <= c && c <= '9' }
func isWord(c byte) bool   { return isAlpha(c) || isDigit(c) || c == '_' }
