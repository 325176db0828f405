package apparmor

import (
	"strings"

	"github.com/whydenied/whydenied/rules/apparmor/aare"
)

// except returns globs that together match what a pattern does but for one name,
// as a profile writes them, though without quotes. It reports false if the
// pattern does not match the name, or if no such globs of a reasonable length are
// found. That they are right is proved with automata before they are returned.
//
// Variables before what differs stay as the pattern writes them; see aare.Except.
// noNUL is for the pair of a hard link, which is looked up with NUL between: there k
// means that the new name may do no more than the target.
func except(r *resolver, p *Pattern, kind textKind, name string, noNUL bool) (globs []string, ok bool) {
	if p.expr() == nil {
		return nil, false
	}
	for _, start := range []aare.Start{variableStartOf(r, p, kind, name), {}} {
		globs, ok = aare.Except(p.expr(), name, start, noNUL)
		for i, g := range globs {
			globs[i] = escapeAt(g)
		}
		if ok && provesExcept(r, globs, kind, p.expr(), name) {
			return globs, true
		}
		if start.Text == "" {
			break
		}
	}
	return nil, false
}

// escapeAt writes an @ before an alternation as a class, as 5.0 would take the two for
// a variable.
func escapeAt(glob string) string {
	for {
		at := noVariable(glob)
		if at == "" {
			return glob
		}
		i := strings.Index(glob, at)
		glob = glob[:i] + "[@]" + glob[i+1:]
	}
}

// provesExcept reports whether globs, as the profile would read them, match what an
// expression does but for one name.
func provesExcept(r *resolver, globs []string, kind textKind, whole *aare.Expr, name string) bool {
	read := make([]*aare.Expr, len(globs))
	for i, g := range globs {
		p := r.entry(g, kind)
		if p == nil {
			return false
		}
		read[i] = p.expr()
	}
	return aare.IsExcept(read, whole, name)
}

// variableStartOf returns the start with which a pattern reaches furthest into a
// name.
func variableStartOf(r *resolver, p *Pattern, kind textKind, name string) aare.Start {
	written := strings.Trim(p.At.Text(), `"`)
	end := lastVariable(written)
	if end == 0 || written != p.Source {
		return aare.Start{}
	}
	plain := strings.IndexAny(written[end:], `*?[]{}\`)
	if plain < 0 {
		plain = len(written) - end
	}
	text := written[:end+plain]
	if plain == 0 || !printable(text) {
		return aare.Start{}
	}
	pattern := r.entry(text, kind)
	for length := len(name); pattern != nil && length > 0; length-- {
		if pattern.Match(name[:length]) {
			return aare.Start{Text: text, Length: length}
		}
	}
	return aare.Start{}
}

// lastVariable returns the end of the last variable of a text, 0 if it has none.
func lastVariable(text string) int {
	end := 0
	for rest := text; ; {
		_, _, after, ok := cutVariable(rest)
		if !ok {
			return end
		}
		rest, end = after, len(text)-len(after)
	}
}

// printable reports whether a text can be written to a profile as it is.
func printable(text string) bool {
	return strings.IndexFunc(text, func(c rune) bool { return c < ' ' || c > '~' || c == '"' }) < 0
}

// entry resolves a glob as the profile would that holds it, or returns nil if
// that is refused.
func (r *resolver) entry(text string, kind textKind) *Pattern {
	r.diags = nil
	p := r.expand(&Pattern{Source: unescape(`"` + text + `"`)}, kind)
	if kind == pathText {
		p = r.alias(p)
	}
	if len(r.diags) > 0 || p.expr() == nil {
		return nil
	}
	return p
}
