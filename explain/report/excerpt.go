package report

import (
	"strconv"
	"strings"
	"unicode/utf8"
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
	blank := strings.Repeat(" ", 2+gutter)
	name := Escape(r.File) + ":" + strconv.Itoa(r.Line) + ":" + strconv.Itoa(r.Column)
	p.WriteString(blank + p.paint(arrow, "-->") + " " + name + "\n")
	for _, v := range r.Via {
		p.WriteString(blank + "    included from " + Escape(v.File) + ":" + strconv.Itoa(v.Line) + "\n")
	}
	bar := blank + p.paint(faint, " |")
	room := max(p.width-2-gutter-3, 20)
	line := window(r.Text, r.Column-1, r.caretEnd(), room)
	p.WriteString(bar + "\n")
	p.WriteString("  " + p.paint(faint, pad(r.Line, gutter)+" |") + " " + line.text + "\n")
	p.caret(bar, line, r.Note, room)
	p.WriteString(bar + "\n")
}

// caret writes the marks below a source line, and the note after them or, where
// there is no room, below.
func (p *page) caret(bar string, line source, note string, room int) {
	marks := strings.Repeat(" ", line.from) + p.paint(alarm, strings.Repeat("^", max(line.to-line.from, 1)))
	after := line.from + max(line.to-line.from, 1) + 1
	text := Escape(note)
	if after+width(text) <= room || text == "" {
		if text != "" {
			marks += " " + text
		}
		p.WriteString(bar + " " + marks + "\n")
		return
	}
	p.WriteString(bar + " " + marks + "\n")
	indent := min(line.from, 4)
	lines := &page{width: room}
	lines.wrap(indent, indent, prose(normal, note))
	for l := range strings.Lines(lines.String()) {
		p.WriteString(bar + " " + l)
	}
}

// caretEnd returns the 0-based column where the marks end: that of the place,
// or the end of its first line.
func (r *Rule) caretEnd() int {
	if r.EndLine > r.Line {
		return utf8.RuneCountInString(r.Text)
	}
	return r.EndColumn - 1
}

// pad right-aligns a line number.
func pad(line, gutter int) string {
	s := strconv.Itoa(line)
	return strings.Repeat(" ", max(gutter-len(s), 0)) + s
}

// A source is a line as printed, and the columns of it that the place takes.
type source struct {
	text     string
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
		for used := 0; first > 0 && used+width(cells[first-1]) <= room/3; first-- {
			used += width(cells[first-1])
		}
		last = first
		used := 0
		for ; last < len(cells) && used+width(cells[last]) <= room; last++ {
			used += width(cells[last])
		}
		for ; last == len(cells) && first > 0 && used+width(cells[first-1]) <= room; first-- {
			used += width(cells[first-1])
		}
	}
	var s source
	if first > 0 || skipped > 0 {
		s.text = "…"
	}
	s.from = width(s.text) + total(cells[first:max(start, first)])
	s.to = s.from + total(cells[start:max(min(end, last), start)])
	s.text += strings.Join(cells[first:last], "")
	if last < len(cells) {
		return source{s.text + "…", s.from, s.to}
	}
	return source{strings.TrimRight(s.text, " "), s.from, s.to}
}

// cellsOf splits a line into its characters as printed, leaving out those more
// than maxCells before start or after it, and returns how many it left out
// before the first.
func cellsOf(line string, start int) (cells []string, skipped int) {
	column, index := 0, 0
	for i := 0; i < len(line) && index <= start+maxCells; index++ {
		r, n := utf8.DecodeRuneInString(line[i:])
		cell := Escape(line[i : i+n])
		switch {
		case r == '\t':
			cell = strings.Repeat(" ", tabStop-column%tabStop)
		case r == '[' && strings.HasSuffix(line[:i], "##"): // see disarm
			cell = `\x5b`
		}
		column += width(cell)
		i += n
		if index < start-maxCells {
			skipped++
			continue
		}
		cells = append(cells, cell)
	}
	return cells, skipped
}

func total(cells []string) int {
	n := 0
	for _, c := range cells {
		n += width(c)
	}
	return n
}
