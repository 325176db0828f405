package report

import (
	"io"
	"strings"
	"unicode"
)

// A style is an ANSI "select graphic rendition" parameter, or "".
type style string

// The styles and what they are for.
const (
	normal style = ""
	strong style = "1"    // who and what
	alarm  style = "1;31" // refused, dangerous
	mild   style = "33"   // logged and permitted
	minus  style = "31"   // removed lines
	plus   style = "32"   // added lines
	arrow  style = "36"   // places
	faint  style = "2"    // gutter, labels
)

// A word is text that is not broken over lines.
type word struct {
	text  string
	style style
	gap   int // spaces before it beyond the usual one, unless it starts a line
}

// words styles escaped words.
func words(s style, texts ...string) []word {
	out := make([]word, len(texts))
	for i, t := range texts {
		out[i] = word{text: t, style: s}
	}
	return out
}

// prose splits text from outside into escaped words.
func prose(s style, text string) []word {
	return words(s, strings.Fields(Escape(text))...)
}

// A page collects lines of text.
type page struct {
	strings.Builder
	width int
	color bool
}

// pages returns a function that writes each message to w, as write puts it on a page.
func pages[M any](w io.Writer, o TextOptions, write func(p *page, m M)) func(M) error {
	if o.Width < 40 {
		o.Width = 80
	}
	return func(m M) error {
		p := &page{width: o.Width, color: o.Color}
		write(p, m)
		_, err := io.WriteString(w, p.String())
		return err
	}
}

// wrap writes words as a paragraph whose first line starts with indent spaces
// and whose others start with hang.
func (p *page) wrap(indent, hang int, paragraph []word) {
	p.WriteString(strings.Repeat(" ", indent))
	column, start := indent, true
	current := normal
	for _, w := range paragraph {
		n := width(w.text)
		space := 1 + w.gap
		switch {
		case start:
			space = 0
		case column+space+n > p.width:
			p.switchTo(&current, normal)
			p.WriteString("\n" + strings.Repeat(" ", hang))
			column, space = hang, 0
		}
		if w.style != current && space > 0 {
			p.switchTo(&current, normal)
		}
		p.WriteString(strings.Repeat(" ", space))
		p.switchTo(&current, w.style)
		p.WriteString(w.text)
		column += space + n
		start = false
	}
	p.switchTo(&current, normal)
	p.WriteByte('\n')
}

// switchTo changes the style that is on.
func (p *page) switchTo(current *style, s style) {
	if !p.color || *current == s {
		return
	}
	if *current != normal {
		p.WriteString("\x1b[0m")
	}
	if s != normal {
		p.WriteString("\x1b[" + string(s) + "m")
	}
	*current = s
}

// paint returns text in a style.
func (p *page) paint(s style, text string) string {
	if !p.color || s == normal || text == "" {
		return text
	}
	return "\x1b[" + string(s) + "m" + text + "\x1b[0m"
}

// width returns the terminal columns of escaped text.
func width(s string) int {
	n := 0
	for _, r := range s {
		n += runeWidth(r)
	}
	return n
}

// runeWidth is 0 for combining marks, 2 for East Asian wide characters and
// emoji (roughly Unicode's East_Asian_Width W and F), 1 for all others.
func runeWidth(r rune) int {
	switch {
	case r < 0x300:
		return 1
	case unicode.In(r, unicode.Mn, unicode.Me):
		return 0
	case unicode.Is(wide, r):
		return 2
	}
	return 1
}

var wide = &unicode.RangeTable{
	R16: []unicode.Range16{
		{0x1100, 0x115f, 1}, {0x2e80, 0x303e, 1}, {0x3041, 0x33ff, 1}, {0x3400, 0x4dbf, 1},
		{0x4e00, 0x9fff, 1}, {0xa000, 0xa4cf, 1}, {0xac00, 0xd7a3, 1}, {0xf900, 0xfaff, 1},
		{0xfe30, 0xfe6f, 1}, {0xff00, 0xff60, 1}, {0xffe0, 0xffe6, 1},
	},
	R32: []unicode.Range32{{0x1f300, 0x1f64f, 1}, {0x1f900, 0x1f9ff, 1}, {0x20000, 0x3fffd, 1}},
}
