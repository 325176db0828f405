// Package shell writes the commands that people are to type.
package shell

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Quote makes one word of a text for a POSIX shell. What cannot be seen comes out in
// $'...', of POSIX.1-2024, bash, zsh and ksh, so that the command can be printed.
func Quote(text string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("/.,_+:=@%-", r)
	}
	switch {
	case text != "" && strings.TrimLeftFunc(text, plain) == "":
		return text
	case !utf8.ValidString(text) || strings.ContainsFunc(text, func(r rune) bool { return !strconv.IsPrint(r) }):
		return dollarQuote(text)
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}

func dollarQuote(text string) string {
	var out strings.Builder
	out.WriteString("$'")
	for i := 0; i < len(text); {
		r, n := utf8.DecodeRuneInString(text[i:])
		switch {
		case r == '\'' || r == '\\':
			out.WriteString(`\` + text[i:i+n])
		case strconv.IsPrint(r) && (r != utf8.RuneError || n > 1):
			out.WriteString(text[i : i+n])
		default: // three digits, as more could follow that are meant
			for _, b := range []byte(text[i : i+n]) {
				fmt.Fprintf(&out, `\%03o`, b)
			}
		}
		i += n
	}
	return out.String() + "'"
}

// Command makes a command of a program, which is taken as it is, and its words.
func Command(program string, words ...string) string {
	for _, word := range words {
		program += " " + Quote(word)
	}
	return program
}
