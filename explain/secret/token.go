package secret

import (
	_ "embed"
	"fmt"
	"strconv"
	"strings"
	"sync"
)

//go:embed tokens.txt
var tokenTable string

// A format is a line of tokens.txt.
type format struct {
	kind        string
	edge        bool   // no letter or digit stands before
	before      *class // nil if nothing has to
	beforeLeast int
	mark        string
	after       *class // nil likewise
	afterLeast  int
}

// A class is a set of bytes.
type class [256]bool

const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

var classes = map[string]*class{
	"digit":   newClass("0123456789"),
	"hex":     newClass("0123456789abcdefABCDEF"),
	"alnum":   newClass("0123456789" + letters),
	"mixed":   newClass("0123456789_" + letters),
	"word":    newClass("0123456789_" + letters),
	"id":      newClass("0123456789_-" + letters),
	"token":   newClass("0123456789_-.~+" + letters),
	"radix":   newClass("0123456789+/" + letters),
	"base64_": newClass("0123456789_-.~+=%/" + letters),
}

var alnum, id, base64 = classes["alnum"], classes["id"], classes["base64_"]

func newClass(members string) *class {
	var c class
	for i := range len(members) {
		c[members[i]] = true
	}
	return &c
}

// run returns how many bytes of the class a text begins with.
func (c *class) run(text string) int {
	n := 0
	for n < len(text) && c[text[n]] {
		n++
	}
	return n
}

// runBack returns how many bytes of the class a text ends with, at most some.
func (c *class) runBack(text string, most int) int {
	n := 0
	for n < len(text) && n < most && c[text[len(text)-1-n]] {
		n++
	}
	return n
}

// formats are the lines of the table, and their places by the first two bytes of their
// marks.
var formats = sync.OnceValues(func() (list []format, byStart *[1 << 16][]uint8) {
	byStart = new([1 << 16][]uint8)
	for line := range strings.Lines(tokenTable) {
		fields := strings.Fields(line)
		if len(fields) == 0 || fields[0] == "#" {
			continue
		}
		f := format{kind: fields[0], edge: fields[1] == "edge", mark: fields[2]}
		if !f.edge {
			f.before, f.beforeLeast = readClass(fields[1])
		}
		f.after, f.afterLeast = readClass(fields[3])
		first, last := pair(f.mark, 0), pair(f.mark, 0)
		if len(f.mark) == 1 {
			last += 1<<8 - 1
		}
		for start := int(first); start <= int(last); start++ {
			byStart[start] = append(byStart[start], uint8(len(list)))
		}
		list = append(list, f)
	}
	return list, byStart
})

// readClass reads a word such as alnum20.
func readClass(word string) (*class, int) {
	if word == "-" {
		return nil, 0
	}
	name := strings.TrimRight(word, "0123456789")
	least, err := strconv.Atoi(word[len(name):])
	if err != nil || classes[name] == nil {
		panic(fmt.Sprintf("tokens.txt: no class %q", word)) // of this package's own table
	}
	return classes[name], least
}

func pair(text string, i int) uint16 {
	if i+1 >= len(text) {
		return uint16(text[i]) << 8
	}
	return uint16(text[i])<<8 | uint16(text[i+1])
}

// leastCut is how much of a token has to be there where the text was cut.
const leastCut = 4

// tokens returns what is of a known format. cut says that the text may end within one.
func tokens(text string, cut bool) (spans []span) {
	list, byStart := formats()
	last := 0 // the end of the token before
	for i := 0; i+1 < len(text); i++ {
		for _, n := range byStart[pair(text, i)] {
			f := &list[n]
			start, end, ok := f.match(text, i, last, cut)
			if !ok {
				continue
			}
			spans = append(spans, span{start, end, f.kind})
			last, i = end, end-1
			break
		}
	}
	return spans
}

// match returns the token whose mark may be at i, and ends before it at last.
func (f *format) match(text string, i, last int, cut bool) (start, end int, ok bool) {
	if !strings.HasPrefix(text[i:], f.mark) {
		return 0, 0, false
	}
	start, end = i, i+len(f.mark)
	switch {
	case f.edge && i > 0 && alnum[text[i-1]]:
		return 0, 0, false
	case f.before != nil:
		const most = 200
		n := f.before.runBack(text[last:i], most)
		if n < f.beforeLeast {
			return 0, 0, false
		}
		start -= n
	case strings.HasSuffix(f.mark, "/"):
		start = end
	}
	if f.after != nil {
		n := f.after.run(text[end:])
		if end += n; n < f.afterLeast && !(cut && end == len(text) && n >= leastCut) {
			return 0, 0, false
		}
		if f.after == classes["mixed"] && !byChance(text[start:end]) {
			return 0, 0, false
		}
	}
	return start, end, true
}

// privateKeys adds the private keys in PEM (RFC 7468), OpenSSH's, OpenPGP's and
// PuTTY's forms: all from the first line to the last, or to the text's end.
func privateKeys(text string, spans []span) []span {
	const begin, end, most = "-----BEGIN", "-----END ", 60
	for at := 0; ; {
		i := strings.Index(text[at:], begin)
		if i < 0 {
			break
		}
		start := at + i
		at = start + len(begin)
		head := text[at:min(at+most, len(text))]
		if !strings.Contains(head, "PRIVATE KEY") {
			continue
		}
		stop := len(text)
		if i := strings.Index(text[at:], end); i >= 0 {
			stop = at + i + len(end)
			if i := strings.Index(text[stop:min(stop+most, len(text))], "-----"); i >= 0 {
				stop += i + len("-----")
			}
		}
		spans = append(spans, span{start, stop, "private-key"})
		at = stop
	}
	const putty = "Private-Lines: "
	if i := strings.Index(text, putty); i >= 0 {
		spans = append(spans, span{i + len(putty), len(text), "private-key"})
	}
	return spans
}

// urls adds the passwords of URLs, and user names that are tokens.
func urls(text string, spans []span) []span {
	for at := 0; ; {
		i := strings.Index(text[at:], "://")
		if i < 0 {
			return spans
		}
		at += i + len("://")
		rest := text[at:]
		if stop := strings.IndexAny(rest, " \t\r\n\"'<>`\\"); stop >= 0 {
			rest = rest[:stop]
		}
		// All URLs in what comes before the next space have their last @ in common.
		end, lastAt := at+len(rest), at+strings.LastIndexByte(rest, '@')
		for at <= lastAt {
			if from, to := userInfo(text[at:end], lastAt-at); from < to {
				spans = append(spans, span{at + from, at + to, "url-password"})
				at += to
			}
			i := strings.Index(text[at:end], "://")
			if i < 0 {
				break
			}
			at += i + len("://")
		}
		at = end
	}
}

// userInfo returns where the secret is in what follows a URL's scheme, with the @
// behind it. RFC 3986 ends the host at the first slash; a password that was not
// escaped may hold one, and is told by what would else be no port. last is the place of
// the last @.
func userInfo(rest string, last int) (from, to int) {
	authority := rest
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		authority = rest[:i]
	}
	at := strings.LastIndexByte(authority, '@')
	colon := strings.IndexByte(authority, ':')
	switch {
	case at >= 0 && (colon < 0 || colon > at):
		if opaque(authority[:at], leastUser) {
			return 0, at + 1
		}
		return 0, 0
	case at >= 0:
		if colon+1 == at || opaque(authority[:colon], leastUser) { // TOKEN:@ and TOKEN:x-oauth-basic@
			return 0, at + 1
		}
		return colon + 1, at + 1
	case colon < 0 || authority[0] == '[' || strings.Trim(authority[colon+1:], "0123456789") == "":
		return 0, 0
	}
	return colon + 1, max(last, colon) + 1
}
