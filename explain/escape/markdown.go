package escape

import "strings"

// Markdown is for comments on changes and summaries of jobs, which GitHub and
// GitLab render.
type Markdown string

// Cell returns a string as the text of a paragraph or of a table's cell: what
// Markdown, HTML and GitHub would read is escaped. GitHub finds mentions and issues
// in what is rendered, where a backslash is gone, and links in what is written.
func Cell(s string) Markdown {
	var out strings.Builder
	text := string(Line(s))
	for i, r := range text {
		switch {
		case r == '<':
			out.WriteString("&lt;")
		case r == '&':
			out.WriteString("&amp;")
		case r == '@' || r == '#' || r == '-' && strings.HasSuffix(strings.ToLower(text[:i]), "gh"): // GH-1 is an issue
			out.WriteRune(r)
			out.WriteString("<!-- -->")
		case strings.ContainsRune("\\`*_{}[]()+!|~>", r), strings.HasPrefix(text[i:], "://"), r == '.' && strings.HasSuffix(strings.ToLower(text[:i]), "www"):
			out.WriteRune('\\')
			out.WriteRune(r)
		default:
			out.WriteRune(r)
		}
	}
	return Markdown(out.String())
}

// Code returns lines as a block of code in a language.
func Code(language Markdown, s string) Markdown {
	fence := Markdown(strings.Repeat("`", max(3, longestRun(s, '`')+1)))
	return fence + language + "\n" + Markdown(Lines(strings.TrimSuffix(s, "\n"))) + "\n" + fence + "\n"
}

// longestRun returns the length of the longest run of a byte.
func longestRun(text string, c byte) int {
	longest, n := 0, 0
	for i := range len(text) {
		if text[i] != c {
			n = 0
			continue
		}
		n++
		longest = max(longest, n)
	}
	return longest
}
