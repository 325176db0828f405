package apparmor

import "strings"

// recover moves to where the next statement seems to start, after an error in
// one that started at start.
func (p *parser) recover(start int) {
	at := p.tok.start
	if p.tok.kind == tokEOF {
		return
	}
	if at > start && (p.startsLine(at) || p.file.Text[at] == '}') {
		p.restart(at)
		return
	}
	p.restart(p.extent(start, max(at, start+1)))
}

// extent returns where the statement that began at start seems to end, of which what
// stands before at has been read: at the comma or the line that ends it, after its
// block if it has one, or before the brace that closes the block around. A comma or a
// line in parentheses does not end it, unless nothing closes them.
func (p *parser) extent(start, at int) int {
	text := p.file.Text
	line := len(text) // the end of the first line, in case of parentheses that nothing closes
	depth := 0
	for i := start; i < len(text); i++ {
		rest := i >= at
		switch text[i] {
		case '(':
			depth++
		case ')':
			depth = max(depth-1, 0)
		case '"':
			if end := p.scan.quoted(i); end > i {
				i = end - 1
			}
		case '#':
			if i == 0 || isBlank(text[i-1]) {
				i += strings.IndexByte(text[i:]+"\n", '\n') - 1
			}
		case '\n':
			if rest && depth == 0 {
				return i + 1
			}
			if rest {
				line = min(line, i+1)
			}
		case '}':
			if rest && depth == 0 && isBlank(text[i-1]) || rest && i == at {
				return i
			}
		case '{':
			if depth == 0 && i > start && isBlank(text[i-1]) && (i+1 == len(text) || isBlank(text[i+1])) {
				end := blockEnd(text, i)
				next := strings.TrimLeft(text[end:], " \t\r\n")
				if end > 0 && strings.HasPrefix(next, "else") {
					i = len(text) - len(next) // and what stands for it otherwise
					continue
				}
				if end > at && strings.HasPrefix(next, ",") {
					return len(text) - len(next) + 1
				}
				if end > at {
					return end
				}
			}
		case ',':
			if rest && depth == 0 && (i+1 == len(text) || isBlank(text[i+1]) || text[i+1] == '}') {
				return i + 1
			}
		}
	}
	return line
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\n' }

// blockEnd returns the offset after the brace that closes the block at open, 0 if
// nothing closes it.
func blockEnd(text string, open int) int {
	depth := 0
	for i := open; i < len(text); i++ {
		switch text[i] {
		case '{':
			depth++
		case '}':
			if depth--; depth == 0 {
				return i + 1
			}
		case '#':
			if isBlank(text[i-1]) {
				i += strings.IndexByte(text[i:]+"\n", '\n') - 1
			}
		}
	}
	return 0
}

func (p *parser) restart(pos int) {
	p.scan.reset(pos)
	p.last = pos
	p.tok = p.scan.next()
}
