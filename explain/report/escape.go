package report

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/whydenied/whydenied/explain/secret"
)

// Escape returns s safe to print: each control character, line or paragraph
// separator, character that changes the direction of text or cannot be seen,
// unusual space and byte of invalid UTF-8 becomes a visible \n, \x1b, \u202e, and
// so does the start of what the log of a GitHub workflow takes for a command.
// Everything else stays, backslashes too, so the result cannot always be undone.
func Escape(s string) string { return disarm(escapeHostile(s)) }

// disarm breaks what GitHub's runner takes for a workflow command, as what is
// printed is often the log of a workflow run, where a name could else mask words
// or turn commands off: ::NAME at the start of a line, which any word can come to
// be, and the older ##[NAME] anywhere.
func disarm(s string) string {
	if !strings.Contains(s, "::") && !strings.Contains(s, "##[") {
		return s
	}
	words := strings.Split(strings.ReplaceAll(s, "##[", `##\x5b`), " ")
	for i, word := range words {
		name, ok := strings.CutPrefix(word, "::")
		rest := strings.TrimLeft(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-")
		if ok && rest != name && (rest == "" || strings.HasPrefix(rest, "::")) { // ::ffff:10.0.0.1 is none
			words[i] = `\x3a:` + name
		}
	}
	return strings.Join(words, " ")
}

// escapeHostile escapes what hostile finds.
func escapeHostile(s string) string {
	if !hostile(s) {
		return s
	}
	return mapRunes(s, func(r rune) string {
		switch {
		case visible(r):
			return string(r)
		case r < utf8.RuneSelf: // \n, \t, ... and \x1b
			return strings.Trim(strconv.QuoteRuneToASCII(r), "'")
		case r <= 0xffff:
			return fmt.Sprintf(`\u%04x`, r)
		}
		return fmt.Sprintf(`\U%08x`, r)
	})
}

// mapRunes returns s with each character replaced, and \xNN for each byte that is not
// part of one.
func mapRunes(s string, replace func(r rune) string) string {
	var out strings.Builder
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && n == 1 {
			fmt.Fprintf(&out, `\x%02x`, s[i])
		} else {
			out.WriteString(replace(r))
		}
		i += n
	}
	return out.String()
}

// hostile reports whether s has what cannot be seen, or is not UTF-8.
func hostile(s string) bool {
	for i, r := range s {
		if !visible(r) {
			return true
		}
		if r == utf8.RuneError && !strings.HasPrefix(s[i:], "\uFFFD") {
			return true
		}
	}
	return false
}

// visible reports whether a character can be printed as it is. unicode.IsPrint
// already excludes controls, formats (the bidirectional and zero-width ones),
// separators and every space but U+0020.
func visible(r rune) bool {
	return unicode.IsPrint(r) && !unicode.Is(blank, r)
}

// blank are the characters that Unicode counts as letters, marks or symbols but
// that show nothing: fillers, joiners, variation selectors.
var blank = &unicode.RangeTable{
	R16: []unicode.Range16{
		{0x034f, 0x034f, 1}, {0x115f, 0x1160, 1}, {0x17b4, 0x17b5, 1}, {0x180b, 0x180f, 1},
		{0x2800, 0x2800, 1}, {0x3164, 0x3164, 1}, {0xfe00, 0xfe0f, 1}, {0xffa0, 0xffa0, 1},
	},
	R32: []unicode.Range32{{0xe0100, 0xe01ef, 1}},
}

// UTF8 returns s without secrets and as valid UTF-8. If it is not, each byte that is not
// part of a character becomes \xNN, and each backslash two, as in parser.Pairs.
func UTF8(s string) string { return validUTF8(secret.Text(s, nil)) }

// PolicyUTF8 is UTF8 for what becomes part of a policy, where secrets are question
// marks; see secret.Policy.
func PolicyUTF8(s string) string { return validUTF8(secret.Policy(s, nil)) }

func validUTF8(s string) string {
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

// texts is UTF8 for each of a list. An empty list is not nil, so that JSON has
// [] for it.
func texts(list []string) []string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = UTF8(s)
	}
	return out
}

// quoted returns a name from the log as one word of a sentence: escaped, and in
// quotes where it is empty or would read as more than one word.
func quoted(name string) string {
	if name == "" || strings.ContainsAny(name, " \"") {
		return `"` + strings.ReplaceAll(Escape(name), `"`, `\"`) + `"`
	}
	return Escape(name)
}
