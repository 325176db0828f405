// Package secret finds what looks like a secret in texts and puts other characters in
// its place: as many as it had, so that places in the text stay. It is what everything
// that leaves the program goes through: bundles, findings, patches, parsed records.
//
// A secret is known by its own form (tokens.txt), by the name that it is given to, by
// the flag before it, by the program whose argument it is (programs.txt), by its place
// in a URL, or by being made of letters and digits by chance. What is hidden in none of
// these ways is not found. All of it takes time linear in the text.
package secret

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"
)

// Kinds counts what was found by its kind: "password", "github-token". A nil map
// counts nothing.
type Kinds map[string]int

func (k Kinds) add(kind string) {
	if k != nil {
		k[kind]++
	}
}

// Sum returns how many were found.
func (k Kinds) Sum() (n int) {
	for _, of := range k {
		n += of
	}
	return n
}

// String lists the kinds, the most frequent first: "3 password, 1 github-token".
func (k Kinds) String() string {
	kinds := slices.Collect(maps.Keys(k))
	slices.SortFunc(kinds, func(a, b string) int { return cmp.Or(k[b]-k[a], strings.Compare(a, b)) })
	for i, kind := range kinds {
		kinds[i] = fmt.Sprintf("%d %s", k[kind], kind)
	}
	return strings.Join(kinds, ", ")
}

// A span is the place of a secret in a text, in bytes.
type span struct {
	start, end int
	kind       string
}

// Text returns a text, such as a name, a command line or a script, with asterisks for
// its secrets.
func Text(text string, found Kinds) string { return mask(text, find(text), '*', found) }

// find returns the secrets of a text, in no order, and perhaps some twice.
func find(text string) []span {
	if len(text) < minSecret {
		return nil
	}
	if !strings.ContainsAny(text, "=: \t\r\n\x00") { // as most names
		return random(text, tokens(text, false))
	}
	spans := forms(text, false)
	spans = assigned(text, spans)
	spans = commandLine(text, spans)
	return random(text, spans)
}

// minSecret is the length of the shortest text that is looked at: "pw=x".
const minSecret = 4

// forms returns what is a secret by its own form, wherever it stands. cut says that
// the text may end within one.
func forms(text string, cut bool) []span {
	return privateKeys(text, urls(text, tokens(text, cut)))
}

// Policy returns the text of a profile with question marks for its secrets: all in
// comments, elsewhere only what is one by its own form. In a rule a question mark
// stands for any one character, so that the rule is still one for the same name.
func Policy(text string, found Kinds) string {
	spans := forms(text, false)
	start := 0
	for line := range strings.Lines(text) {
		if at := comment(line); at >= 0 {
			for _, s := range find(line[at:]) {
				spans = append(spans, span{start + at + s.start, start + at + s.end, s.kind})
			}
		}
		start += len(line)
	}
	return mask(text, spans, '?', found)
}

// comment returns where the comment of a line begins, or -1. A # that no space comes
// before is part of a name, and #include is none.
func comment(line string) int {
	for at := 0; at < len(line); at++ {
		if line[at] == '#' && (at == 0 || strings.IndexByte(" \t,{}+-", line[at-1]) >= 0) && !strings.HasPrefix(line[at:], "#include") {
			return at
		}
	}
	return -1
}

// Places returns where the secrets of a name are, in bytes: from the first of the first
// to behind the last of the last; ok is false if it has none.
func Places(name string) (from, to int, ok bool) {
	spans := find(name)
	from = len(name)
	for _, s := range spans {
		from, to = min(from, s.start), max(to, s.end)
	}
	return from, to, len(spans) > 0
}

// mask puts a character in the place of each of the spans' characters. What is masked
// already is not counted.
func mask(text string, spans []span, with byte, found Kinds) string {
	if len(spans) == 0 {
		return text
	}
	slices.SortFunc(spans, func(a, b span) int { return cmp.Or(a.start-b.start, b.end-a.end) })
	var out strings.Builder
	last := 0
	for _, s := range spans {
		if s.end <= last || strings.Trim(text[s.start:s.end], "*?@") == "" {
			continue
		}
		if s.start >= last { // else it goes on with the one before
			found.add(s.kind)
		}
		from := max(s.start, last)
		out.WriteString(text[last:from])
		for range utf8.RuneCountInString(text[from:s.end]) {
			out.WriteByte(with)
		}
		last = s.end
	}
	out.WriteString(text[last:])
	return out.String()
}
