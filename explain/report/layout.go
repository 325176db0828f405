package report

import (
	"io"

	"github.com/whydenied/whydenied/explain/escape"
)

// The styles and what they are for.
const (
	normal escape.Style = ""
	strong escape.Style = "1"    // who and what
	alarm  escape.Style = "1;31" // refused, dangerous
	mild   escape.Style = "33"   // logged and permitted
	minus  escape.Style = "31"   // removed lines
	plus   escape.Style = "32"   // added lines
	arrow  escape.Style = "36"   // places
	faint  escape.Style = "2"    // gutter, labels
)

const reset = "\x1b[0m"

// A word is text that is not broken over lines.
type word struct {
	text  escape.Text
	style escape.Style
	gap   int // spaces before it beyond the usual one, unless it starts a line
}

// words styles words.
func words(s escape.Style, texts ...escape.Text) []word {
	out := make([]word, len(texts))
	for i, t := range texts {
		out[i] = word{text: t, style: s}
	}
	return out
}

// prose splits text into styled words.
func prose(s escape.Style, text string) []word { return words(s, escape.Prose(text)...) }

// unstyled joins words.
func unstyled(list []word) escape.Text {
	var line escape.Builder[escape.Text]
	for i, w := range list {
		if i > 0 {
			line.Add(" ")
		}
		line.Add(w.text)
	}
	return line.Text()
}

// A page collects lines of text.
type page struct {
	escape.Builder[escape.Text]
	width int
	color bool
	next  *Next // to be written with what comes first; nil if there is none
}

// pages returns a function that writes each message to w, as write puts it on a page.
func pages[M any](w io.Writer, o TextOptions, write func(p *page, m M)) func(M) error {
	return func(m M) error {
		p := &page{width: o.columns(), color: o.Color}
		write(p, m)
		return escape.Write(w, p.Text())
	}
}

// wrap writes words as a paragraph whose first line starts with indent spaces
// and whose others start with hang.
func (p *page) wrap(indent, hang int, paragraph []word) {
	p.Add(escape.Spaces(indent))
	column, start := indent, true
	current := normal
	for _, w := range paragraph {
		n := w.text.Width()
		space := 1 + w.gap
		switch {
		case start:
			space = 0
		case column+space+n > p.width:
			p.switchTo(&current, normal)
			p.Add("\n", escape.Spaces(hang))
			column, space = hang, 0
		}
		if w.style != current && space > 0 {
			p.switchTo(&current, normal)
		}
		p.Add(escape.Spaces(space))
		p.switchTo(&current, w.style)
		p.Add(w.text)
		column += space + n
		start = false
	}
	p.switchTo(&current, normal)
	p.Add("\n")
}

// switchTo changes the style that is on.
func (p *page) switchTo(current *escape.Style, s escape.Style) {
	if !p.color || *current == s {
		return
	}
	if *current != normal {
		p.Add(reset)
	}
	if s != normal {
		p.Add(s.Start())
	}
	*current = s
}

// paint returns text in a style.
func (p *page) paint(s escape.Style, text escape.Text) escape.Text {
	if !p.color || s == normal || text == "" {
		return text
	}
	return s.Start() + text + reset
}
