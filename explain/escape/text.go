// Package escape turns text from outside, all of which is hostile, into text of one
// destination, and writes it there.
//
// Each destination has a string type of its own. A constant of the program becomes
// one by itself, anything else by the functions of this package alone; and what is
// written to a stream is written by Write, JSON, XML and Status. The test of that,
// TestOutputIsEscaped, stands beside the test of the layers.
package escape

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/mattn/go-runewidth"
)

// Text is for a terminal and for the log of a CI job. Its only control characters
// are the ends of its lines, the tabs of Diff and the colours of Style.
type Text string

// A Style is a parameter of ANSI's "select graphic rendition", or "".
type Style string

// Start begins a style.
func (s Style) Start() Text { return Text("\x1b[" + s + "m") }

// Raw is the text of policy files, which is written as it is: what is to be applied
// or loaded cannot be escaped. Each conversion to it is one of those that
// TestOutputIsEscaped lists.
type Raw string

// A Builder collects text of one destination.
type Builder[T ~string] struct{ text strings.Builder }

// Add adds texts.
func (b *Builder[T]) Add(texts ...T) {
	for _, t := range texts {
		b.text.WriteString(string(t))
	}
}

// Reset takes back what was added.
func (b *Builder[T]) Reset() { b.text.Reset() }

// Text is what was added.
func (b *Builder[T]) Text() T { return T(b.text.String()) }

// Write writes text of a destination. No line of it but an annotation and policy is
// a command to a CI system, whatever its parts were.
func Write[T Text | Markdown | YAML | HTML | Annotation | Metric | Raw](w io.Writer, text T) error {
	out := string(text)
	switch any(text).(type) {
	case Text, Markdown, YAML, HTML:
		out = disarm(out)
	}
	_, err := io.WriteString(w, out)
	return err
}

// Status replaces the line that the cursor of a terminal is on by one of fewer
// columns than the terminal's width.
func Status(w io.Writer, line Text, width int) {
	shown := Line(string(line.cut(width)))
	for room := width; shown.Width() >= width && room > 0; { // as a line that is cut can be a command
		room--
		shown = Line(string(line.cut(room)))
	}
	io.WriteString(w, "\r\x1b[K"+string(shown))
}

// cut returns the start of a line that is of fewer columns than a width.
func (t Text) cut(width int) Text {
	column := 0
	for i, r := range t {
		if column += RuneWidth(r); column >= width {
			return t[:i]
		}
	}
	return t
}

// Line returns a string as one line: each control character, line or paragraph
// separator, character that changes the direction of text or cannot be seen,
// unusual space and byte of invalid UTF-8 becomes a visible \n, \x1b, \u202e, and
// so does the start of what a CI system takes for a command. Everything else stays,
// backslashes too, so the result cannot always be undone, and the line of a line is
// itself.
func Line(s string) Text { return Text(disarm(visibly(s))) }

// Linef is Line of a formatted string.
func Linef(format string, args ...any) Text { return Line(fmt.Sprintf(format, args...)) }

// Lines is Line for each line of a text.
func Lines(s string) Text {
	lines := strings.Split(s, "\n")
	for i, line := range lines {
		lines[i] = string(Line(strings.TrimRight(line, "\r")))
	}
	return Text(strings.Join(lines, "\n"))
}

// Diff is Lines for people who read a diff. Its tabs stay, so that it can be copied.
func Diff(s string) Text {
	parts := strings.Split(s, "\t")
	for i, part := range parts {
		parts[i] = string(Lines(part))
	}
	return Text(disarm(strings.Join(parts, "\t")))
}

// Name returns a name as one word of a sentence: in quotes where it is empty or
// would read as more than one word.
func Name(s string) Text {
	if s == "" || strings.ContainsAny(s, " \"") {
		return Text(`"` + strings.ReplaceAll(string(Line(s)), `"`, `\"`) + `"`)
	}
	return Line(s)
}

// Words splits a phrase into words and puts one name in place of each %.
func Words(phrase Text, names ...string) []Text {
	words := Fields(phrase)
	for i, word := range words {
		before, after, found := strings.Cut(string(word), "%")
		if found {
			words[i] = Text(before) + Name(names[0]) + Text(after)
			names = names[1:]
		}
	}
	return words
}

// Prose splits a string into words.
func Prose(s string) []Text { return Fields(Line(s)) }

// Fields splits text at its spaces.
func Fields(t Text) []Text {
	fields := strings.Fields(string(t))
	words := make([]Text, len(fields))
	for i, field := range fields {
		words[i] = Text(field)
	}
	return words
}

// SplitLines splits text into its lines, without their ends.
func SplitLines(t Text) []Text {
	lines := strings.Split(strings.TrimSuffix(string(t), "\n"), "\n")
	split := make([]Text, len(lines))
	for i, line := range lines {
		split[i] = Text(line)
	}
	return split
}

// Join joins texts.
func Join(texts []Text, separator Text) Text {
	var out Builder[Text]
	for i, t := range texts {
		if i > 0 {
			out.Add(separator)
		}
		out.Add(t)
	}
	return out.Text()
}

// Spaces are n spaces, none if n is negative.
func Spaces(n int) Text { return Text(strings.Repeat(" ", max(n, 0))) }

// Number is an integer in decimal digits.
func Number(n int) Text { return Text(strconv.Itoa(n)) }

// disarm breaks what CI systems take for commands, as what is printed is often the
// log of a job, where a name could else mask words, turn commands off or fold what
// follows: ::NAME:: and ::NAME of GitHub's runner at the start of a line, which any
// word can come to be; its older ##[NAME] anywhere, with ##vso[ of Azure Pipelines
// and ##teamcity[; and the section_start: and section_end: of GitLab.
func disarm(s string) string { return breakCommands(s, `\x%02x`) }

// breakCommands is disarm with another form of escapes.
func breakCommands(s, escape string) string {
	if !strings.Contains(s, "::") && !strings.Contains(s, "##") && !strings.Contains(s, "section_") {
		return s
	}
	var out strings.Builder
	last := 0
	for i := range len(s) {
		switch c := s[i]; {
		case c == ':' && (i == 0 || strings.IndexByte(" \t\n", s[i-1]) >= 0) && isCommand(s[i:]),
			c == ':' && (strings.HasSuffix(s[:i], "section_start") || strings.HasSuffix(s[:i], "section_end")),
			c == '[' && strings.HasSuffix(strings.TrimRight(s[last:i], letters), "##"):
			fmt.Fprintf(&out, "%s"+escape, s[last:i], c)
			last = i + 1
		}
	}
	return out.String() + s[last:]
}

const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-"

// isCommand reports whether text starts as a command of GitHub's runner does: with
// a name, which is of letters, or with any word between two colons each, as
// stop-commands makes one of any. The address ::ffff:10.0.0.1 is none.
func isCommand(text string) bool {
	name, ok := strings.CutPrefix(text, "::")
	if !ok {
		return false
	}
	if end := strings.IndexAny(name, " \n"); end >= 0 {
		name = name[:end]
	}
	word, _, _ := strings.Cut(name, "\t") // which the runner takes for a part of the name
	return word != "" && strings.Trim(word, letters) == "" || strings.Index(name, "::") > 0
}

// visibly escapes what cannot be seen.
func visibly(s string) string {
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

// Width returns the columns that text takes on a terminal.
func (t Text) Width() int {
	n := 0
	for _, r := range t {
		n += RuneWidth(r)
	}
	return n
}

// widths are those of most terminals, whatever the locale says.
var widths = runewidth.Condition{StrictEmojiNeutral: true}

// RuneWidth is 0 for combining marks, 2 for East Asian wide characters and emoji, 1 for
// all others.
func RuneWidth(r rune) int {
	if r < 0x300 || 0x2010 <= r && r <= 0x2027 { // the library makes a table of 2 MB for the first other one
		return 1
	}
	return widths.RuneWidth(r)
}
