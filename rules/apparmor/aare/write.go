package aare

import (
	"math/bits"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A globWriter writes an expression as a glob that Parse reads as the same
// names. NUL does not count unless noNUL is set: no name holds it.
type globWriter struct {
	out   strings.Builder
	slash bool // a slash stands before, from which * asks for one more byte
	noNUL bool // a class matches no NUL where the set does not
	bad   bool // something cannot be written
}

// sequence writes parts one after the other; last says that the glob ends there.
func (w *globWriter) sequence(items []*Expr, last bool) {
	items = joinStars(items)
	// edge reports whether a star before item i reads as after a slash.
	edge := func(i int) bool {
		if i == len(items) {
			return last
		}
		next, _ := items[i].Literal()
		return next == "/"
	}
	for i := 0; i < len(items); i++ {
		e := items[i]
		text, literal := e.Literal()
		switch {
		case literal && text == "/":
			w.writeSlash()
		case literal:
			for i+1 < len(items) {
				next, ok := items[i+1].Literal()
				if !ok || next == "/" {
					break
				}
				text += next
				i++
			}
			w.write(Escape(text))
		case e.op == opStar && w.slash && edge(i+1):
			w.write("{," + w.star(e) + "}")
		case e.op == opStar:
			w.write(w.star(e))
		case e.op == opAlt:
			w.alternation(e.subs)
		case w.slash && w.oneByte(e) == "?" && i+1 < len(items) && items[i+1].op == opStar && edge(i+2):
			i++
			w.write(w.star(items[i]))
		default:
			w.write(w.oneByte(e))
		}
	}
}

func (w *globWriter) write(text string) {
	w.out.WriteString(text)
	w.slash = false
}

// writeSlash writes a slash; after another one as a class, lest the two be
// joined.
func (w *globWriter) writeSlash() {
	if w.slash {
		w.write("[/]")
		return
	}
	w.write("/")
	w.slash = true
}

func (w *globWriter) alternation(choices []*Expr) {
	w.write("{")
	for i, c := range choices {
		if i > 0 {
			w.write(",")
		}
		w.sequence(itemsOf(c), false)
	}
	w.write("}")
}

// joinStars makes two stars in a row one, as the text ** would.
func joinStars(items []*Expr) []*Expr {
	var out []*Expr
	for _, e := range items {
		if n := len(out); n > 0 && e.op == opStar && out[n-1].op == opStar {
			a, b := out[n-1].subs[0].set.without(0), e.subs[0].set.without(0)
			if a.and(b) == b {
				continue
			}
			if a.and(b) == a {
				out[n-1] = e
				continue
			}
		}
		out = append(out, e)
	}
	return out
}

func (w *globWriter) star(e *Expr) string {
	switch e.subs[0].set.without(0) {
	case without(0, '/'):
		return "*"
	case without(0):
		return "**"
	}
	w.bad = true
	return ""
}

// oneByte writes a set of bytes: as ?, or as a class of those in it or of those
// not in it, whichever are fewer.
func (w *globWriter) oneByte(e *Expr) string {
	if e.op != opSet {
		w.bad = true
		return ""
	}
	in, out := e.set.without(0), e.set.complement().without(0)
	switch ins, outs := in.count(), out.count(); {
	case outs == 0:
		return "{?,/}"
	case outs == 1 && out.has('/'):
		return "?"
	case ins == 1:
		return Escape(members(in))
	case ins < outs:
		return "[" + classText(members(in)) + "]"
	}
	if w.noNUL && !e.set.has(0) {
		return "[^" + classText(members(out)) + `\000]`
	}
	return "[^" + classText(members(out)) + "]"
}

// members returns the bytes of a set but NUL, in an order in which a class can
// hold them: - first, as elsewhere it makes a range, / last, as people write it,
// and ^ not at the start.
func members(s byteSet) string {
	var all [256]byte
	list := all[:0]
	if s.has('-') {
		list = append(list, '-')
	}
	for i, word := range s.without(0).without('-').without('/').without('^') {
		for ; word != 0; word &= word - 1 {
			list = append(list, byte(i*64+bits.TrailingZeros64(word)))
		}
	}
	for _, c := range [...]byte{'/', '^'} {
		if s.has(c) {
			list = append(list, c)
		}
	}
	return string(list)
}

// classText writes the bytes of a class, runs of letters, digits and of what is
// no ASCII as ranges.
func classText(bytes string) string {
	var out strings.Builder
	for i := 0; i < len(bytes); {
		n := 1
		for i+n < len(bytes) && bytes[i+n] == bytes[i]+byte(n) && kindOfByte(bytes[i]) != 0 && kindOfByte(bytes[i+n]) == kindOfByte(bytes[i]) {
			n++
		}
		if n < 3 {
			out.WriteString(classByte(bytes[i]))
			i++
			continue
		}
		out.WriteString(classByte(bytes[i]) + "-" + classByte(bytes[i+n-1]))
		i += n
	}
	return out.String()
}

func kindOfByte(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return 1
	case 'a' <= c && c <= 'z':
		return 2
	case 'A' <= c && c <= 'Z':
		return 3
	case c >= 0x7f:
		return 4
	case c < ' ':
		return 5
	}
	return 0
}

// classByte writes one byte of a class. A comma stands for itself there, and a
// backslash before it would be taken for another byte of the class.
func classByte(c byte) string {
	switch {
	case c == '-' || c == ',' || c == '^':
		return string(rune(c))
	case c == ']':
		return `\]`
	}
	return Escape(string([]byte{c}))
}

// Escape returns the glob that matches one name alone. The name may hold any bytes
// but NUL, which no name holds. What a terminal would not show as it is comes out as
// \NNN, and so do the quote and the backslash, which could be taken for the end of
// the glob in a profile or for keeping it open.
func Escape(name string) string {
	var out strings.Builder
	for i := 0; i < len(name); {
		r, n := utf8.DecodeRuneInString(name[i:])
		switch {
		case r == '"' || r == '\\' || r == utf8.RuneError && n == 1 || !unicode.IsPrint(r):
			for _, c := range []byte(name[i : i+n]) {
				out.Write([]byte{'\\', '0' + c>>6, '0' + c>>3&7, '0' + c&7})
			}
		case strings.ContainsRune("*?[]{}^,", r):
			out.WriteByte('\\')
			fallthrough
		default:
			out.WriteRune(r)
		}
		i += n
	}
	return out.String()
}
