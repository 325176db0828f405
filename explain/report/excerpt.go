package report

import (
	"strings"
	"unicode/utf8"

	"github.com/whydenied/whydenied/explain/escape"
)

// tabStop is the width of a tab in an excerpt.
const tabStop = 4

// excerpt writes a rule's place, its source line and a caret with the note:
//
//	--> /etc/apparmor.d/web:17:3
//	 |
//	17 |   /srv/** r,
//	 |           ^ grants r
func (p *page) excerpt(r *Rule, gutter int) {
	blank := escape.Spaces(2 + gutter)
	name := escape.Line(r.File) + ":" + escape.Number(r.Line) + ":" + escape.Number(r.Column)
	p.Add(blank + p.paint(arrow, "-->") + " " + name + "\n")
	for _, v := range r.Via {
		p.Add(blank + "    included from " + escape.Line(v.File) + ":" + escape.Number(v.Line) + "\n")
	}
	bar := blank + p.paint(faint, " |")
	room := max(p.width-2-gutter-3, 20)
	skipped := max(r.TextColumn-1, 0)
	line := window(r.Text, r.Column-1-skipped, r.caretEnd()-skipped, room)
	p.Add(bar + "\n")
	p.Add("  " + p.paint(faint, pad(r.Line, gutter)+" |") + " " + line.text + "\n")
	p.caret(bar, line, r.Note, room)
	p.Add(bar + "\n")
}

// caret writes the marks below a source line, and the note after them or, where
// there is no room, below.
func (p *page) caret(bar escape.Text, line source, note string, room int) {
	marks := escape.Spaces(line.from) + p.paint(alarm, escape.Line(strings.Repeat("^", max(line.to-line.from, 1))))
	after := line.from + max(line.to-line.from, 1) + 1
	text := escape.Line(note)
	if after+text.Width() <= room || text == "" {
		if text != "" {
			marks += " " + text
		}
		p.Add(bar + " " + marks + "\n")
		return
	}
	p.Add(bar + " " + marks + "\n")
	indent := min(line.from, 4)
	lines := &page{width: room}
	lines.wrap(indent, indent, prose(normal, note))
	for l := range strings.Lines(string(lines.Text())) {
		p.Add(bar+" ", escape.Line(strings.TrimSuffix(l, "\n")), "\n")
	}
}

// caretEnd returns the 0-based column where the marks end: that of the place,
// or the end of its first line.
func (r *Rule) caretEnd() int {
	if r.EndLine > r.Line {
		return utf8.RuneCountInString(r.Text) + max(r.TextColumn-1, 0)
	}
	return r.EndColumn - 1
}

// pad right-aligns a line number.
func pad(line, gutter int) escape.Text {
	s := escape.Number(line)
	return escape.Spaces(gutter-len(s)) + s
}

// A source is a line as printed, and the columns of it that the place takes.
type source struct {
	text     escape.Text
	from, to int
}

// maxCells bounds the characters of a line that are looked at on either side of
// the place; a terminal shows far fewer.
const maxCells = 2000

// window returns a source line cut to a width, with tabs expanded and hostile
// characters escaped, such that the characters from start to end can be seen.
func window(line string, start, end, room int) source {
	start = min(max(start, 0), len(line))
	cells, skipped := cellsOf(line, start)
	start = min(start-skipped, len(cells))
	end = min(max(end-skipped, start), len(cells))
	first, last := 0, len(cells)
	if total(cells) > room || skipped > 0 {
		room -= 2 // for the ellipses
		first = start
		for used := 0; first > 0 && used+cells[first-1].Width() <= room/3; first-- {
			used += cells[first-1].Width()
		}
		last = first
		used := 0
		for ; last < len(cells) && used+cells[last].Width() <= room; last++ {
			used += cells[last].Width()
		}
		for ; last == len(cells) && first > 0 && used+cells[first-1].Width() <= room; first-- {
			used += cells[first-1].Width()
		}
	}
	var s source
	if first > 0 || skipped > 0 {
		s.text = "…"
	}
	s.from = s.text.Width() + total(cells[first:max(start, first)])
	s.to = s.from + total(cells[start:max(min(end, last), start)])
	s.text += escape.Join(cells[first:last], "")
	if last < len(cells) {
		return source{s.text + "…", s.from, s.to}
	}
	return source{escape.Line(strings.TrimRight(string(s.text), " ")), s.from, s.to}
}

// cellsOf splits a line into its characters as printed, leaving out those more
// than maxCells before start or after it, and returns how many it left out
// before the first.
func cellsOf(line string, start int) (cells []escape.Text, skipped int) {
	column, index := 0, 0
	for i := 0; i < len(line) && index <= start+maxCells; index++ {
		r, n := utf8.DecodeRuneInString(line[i:])
		cell := escape.Line(line[i : i+n])
		switch {
		case r == '\t':
			cell = escape.Spaces(tabStop - column%tabStop)
		case r == '[' && strings.HasSuffix(line[:i], "##"): // see escape.Write
			cell = `\x5b`
		}
		column += cell.Width()
		i += n
		if index < start-maxCells {
			skipped++
			continue
		}
		cells = append(cells, cell)
	}
	return cells, skipped
}

func total(cells []escape.Text) int {
	n := 0
	for _, c := range cells {
		n += c.Width()
	}
	return n
}
