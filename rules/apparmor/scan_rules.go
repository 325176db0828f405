package apparmor

import "strings"

// The functions below read the words of rules that have a mode of their own.

// rlimit reads a word of set rlimit NAME <= VALUE UNIT,.
func (s *scanner) rlimit() token {
	text := s.text[s.pos:]
	end := 0
	switch {
	case text[0] == ',':
		s.pop()
		return s.take(tokComma, s.pos+1)
	case strings.HasPrefix(text, "<="):
		return s.take(tokLessEqual, s.pos+2)
	case isAlpha(text[0]) || text[0] == '_':
		for end < len(text) && (isAlpha(text[end]) || text[end] == '_') {
			end++
		}
		if text[:end] == "infinity" {
			return s.take(tokValue, s.pos+end)
		}
		return s.take(tokID, s.pos+end)
	}
	if text[0] == '-' {
		end = 1
	}
	digits := end
	for end < len(text) && isDigit(text[end]) {
		end++
	}
	if end == digits {
		return s.unexpected()
	}
	return s.take(tokValue, s.pos+end)
}

// integer reads the number of priority=N.
func (s *scanner) integer() token {
	text := s.text[s.pos:]
	if text[0] == '=' {
		return s.take(tokEquals, s.pos+1)
	}
	end := 0
	if text[0] == '-' || text[0] == '+' {
		end = 1
	}
	for end < len(text) && isDigit(text[end]) {
		end++
	}
	if end == 0 || !isDigit(text[end-1]) {
		s.pop()
		return s.bad(s.pos+1, "expected a number after priority=")
	}
	s.pop()
	return s.take(tokValue, s.pos+end)
}

// changeProfile reads a word of change_profile [safe] [EXEC] [-> TARGET],.
func (s *scanner) changeProfile() token {
	text := s.text[s.pos:]
	if text[0] == ',' && s.ids(s.pos) == s.pos {
		s.pop()
		return s.take(tokComma, s.pos+1)
	}
	end := s.ids(s.pos)
	switch {
	case strings.HasPrefix(text, "->") && end <= s.pos+2:
		s.push(modeIDSpace)
		return s.take(tokArrow, s.pos+2)
	case s.text[s.pos:end] == "safe" || s.text[s.pos:end] == "unsafe":
		return s.take(tokKeyword, end)
	}
	return s.id(tokID, s.ids, false)
}

// ruleWord reads a token of a rule whose class has a vocabulary.
func (s *scanner) ruleWord() token {
	network, mount := s.words == networkWords, s.words == mountWords
	text := s.text[s.pos:]
	if text[0] == '(' && !mount {
		s.push(modeList)
		return s.take(tokOpenParen, s.pos+1)
	}
	end, word := max(s.idsNoEquals(s.pos), s.label(s.pos)), s.wordEnd()
	if network && text[0] == ',' && s.ids(s.pos) > s.pos {
		// 3.0 takes ,} for a word here, 4.0 for two tokens.
		s.quirks = append(s.quirks, Construct{At: s.span(s.pos, s.pos+1), What: "a network rule after whose comma no blank stands", Since: "4.0"})
		s.pop()
		return s.take(tokComma, s.pos+1)
	}
	if cr := strings.IndexByte(s.text[s.pos:end], '\r'); network && cr >= 0 {
		// 3.0 reads network rules of files with CR LF line endings; 4.0
		// takes the CR for a letter, as every version does in other rules.
		s.quirks = append(s.quirks, Construct{At: s.span(s.pos, end), What: "a network rule that ends in CR LF", Until: "4.0"})
		if end = s.pos + cr; end > s.pos && s.text[end-1] == ',' {
			end--
		}
	}
	if quoted := s.quoted(s.pos); quoted > end {
		if network {
			s.quirks = append(s.quirks, Construct{At: s.span(s.pos, quoted), What: "quotes in a network rule", Since: "4.0"})
		}
		return s.id(tokID, s.ids, false)
	}
	switch {
	case mount && strings.HasPrefix(text, "->") && end <= s.pos+2:
		return s.take(tokArrow, s.pos+2)
	case text[0] == ',' && end == s.pos:
		s.pop()
		return s.take(tokComma, s.pos+1)
	}
	if word > s.pos && word >= end {
		if t, ok := s.condName(word); ok {
			return t
		}
		if s.words.letters[0] != 0 && isLetterPerms(s.text[s.pos:word]) && s.isMode(word) {
			return s.take(tokMode, word)
		}
		if s.words.perms[s.text[s.pos:word]] != 0 {
			return s.take(tokKeyword, word)
		}
	}
	if end == s.pos {
		return s.unexpected()
	}
	t := s.take(tokID, end)
	t.value = unescape(t.value)
	return t
}

// wordEnd returns the end of the word that stands here.
func (s *scanner) wordEnd() int {
	end := s.pos
	for end < len(s.text) && isWord(s.text[end]) && (end > s.pos || isAlpha(s.text[end])) {
		end++
	}
	return end
}

// userns reads a word of userns [create],.
func (s *scanner) userns() token {
	end := s.wordEnd()
	switch {
	case s.text[s.pos] == ',':
		s.pop()
		return s.take(tokComma, s.pos+1)
	case strings.HasPrefix(s.text[s.pos:], "create"):
		return s.take(tokKeyword, s.pos+len("create"))
	case end == s.pos:
		return s.unexpected()
	}
	return s.bad(end, "expected create or ,")
}

// isInclude reports whether an include statement starts at i.
func (s *scanner) isInclude(i int) bool {
	text := s.text[i:]
	if text[0] == '#' {
		return strings.HasPrefix(text, "#include") && strings.IndexByte(text, '\n') >= 0
	}
	return strings.HasPrefix(text, "include ") || strings.HasPrefix(text, "include\t")
}

// include reads include, #include or include if exists.
func (s *scanner) include() token {
	end := s.pos + strings.Index(s.text[s.pos:], "include") + len("include")
	rest := s.text[end:]
	s.push(modeInclude)
	if after, ok := cutWord(rest, "if"); ok {
		if after, ok := cutWord(after, "exists"); ok && after != "" && (after[0] == ' ' || after[0] == '\t') {
			t := s.take(tokInclude, len(s.text)-len(after))
			t.value = "if exists"
			return t
		}
	}
	t := s.take(tokInclude, end)
	t.value = ""
	return t
}

// cutWord removes blanks and a word from the front of text.
func cutWord(text, word string) (string, bool) {
	trimmed := strings.TrimLeft(text, " \t")
	if len(trimmed) == len(text) {
		return "", false
	}
	return strings.CutPrefix(trimmed, word)
}

// path reads the file name of an include, or of an abi rule with its comma.
func (s *scanner) path() token {
	abi := s.mode() == modeABI
	if abi && s.text[s.pos] == ',' && s.includeIDs(s.pos) == s.pos {
		s.pop()
		return s.take(tokComma, s.pos+1)
	}
	end := s.quoted(s.pos)
	if s.text[s.pos] == '<' {
		n := strings.IndexAny(s.text[s.pos:], ">\t\n")
		if n < 2 || s.text[s.pos+n] != '>' {
			return s.bad(s.pos+1, "expected > at the end of the file name")
		}
		end = s.pos + n + 1
	}
	if end == s.pos {
		end = s.includeIDs(s.pos)
	}
	if end == s.pos {
		return s.unexpected()
	}
	t := s.take(tokPath, end)
	name := t.value
	if name[0] == '<' {
		name = strings.TrimSpace(name[1 : len(name)-1])
	}
	t.value = unescape(name)
	if !abi {
		s.pop()
	}
	return t
}
