package report

import (
	_ "embed" // of the page's style
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/whydenied/whydenied/explain/escape"
	"github.com/whydenied/whydenied/rules"
)

//go:embed page/coverage.css
var coverageStyle escape.HTML

// maxSourceLines bounds the lines of a file that the page shows.
const maxSourceLines = 20000

// WriteCoverageHTML writes coverage as one page that needs nothing else: the source of each
// profile with what is known of the rules of each line beside it, in words and colours, and
// folded that of the files that it includes.
func WriteCoverageHTML(w io.Writer, list []Coverage) error {
	d := &document{}
	d.open("whydenied coverage", "", pageStyle+coverageStyle)
	d.Add("</header>\n<main>\n")
	for i := range list {
		d.coverage(&list[i])
	}
	d.Add("</main>\n</body>\n</html>\n")
	return escape.Write(w, d.Text())
}

// coverage adds one profile.
func (d *document) coverage(c *Coverage) {
	d.element("<section>\n<h2>", escape.Line(c.Profile), "</h2>\n")
	d.element("<p>", escape.Line(c.verdict()), "</p>\n")
	for _, note := range c.notes() {
		d.element("<p><small>", escape.Line(note), "</small></p>\n")
	}
	for _, file := range c.files() {
		own := slices.ContainsFunc(file.rules, func(r *Covered) bool { return !r.Shared })
		if own {
			d.element("<h3>", escape.Line(file.name), "</h3>\n")
			d.source(&file)
			continue
		}
		d.element("<details><summary>included: ", escape.Line(file.name), "</summary>\n")
		d.source(&file)
		d.Add("</details>\n")
	}
	d.Add("</section>\n")
}

// A sourceFile is a file in which rules of a profile stand.
type sourceFile struct {
	name  string
	file  *rules.File
	rules []*Covered
}

// files are those of the rules, in the order in which they come.
func (c *Coverage) files() (list []sourceFile) {
	for i := range c.Rules {
		r := &c.Rules[i]
		if r.at.File == nil {
			continue
		}
		at := slices.IndexFunc(list, func(f sourceFile) bool { return f.file == r.at.File })
		if at < 0 {
			at = len(list)
			list = append(list, sourceFile{name: r.File + r.Builtin, file: r.at.File})
		}
		list[at].rules = append(list[at].rules, r)
	}
	slices.SortStableFunc(list, func(a, b sourceFile) int { // what is the profile's own first
		shared := func(f sourceFile) int {
			if f.rules[0].Shared {
				return 1
			}
			return 0
		}
		return shared(a) - shared(b)
	})
	return list
}

// source adds the lines of a file.
func (d *document) source(f *sourceFile) {
	byLine := map[int][]*Covered{}
	for _, r := range f.rules {
		byLine[r.Line] = append(byLine[r.Line], r)
	}
	lines := 1 + strings.Count(strings.TrimSuffix(f.file.Text, "\n"), "\n")
	d.Add("<ol class=\"source\">\n")
	for line := 1; line <= min(lines, maxSourceLines); line++ {
		class, marks := marksOf(byLine[line])
		d.Add(`<li class="`, class, `"><b>`, escape.HTMLText(escape.Number(line)), "</b>")
		d.element("<i>", escape.Line(strings.Join(marks, ", ")), "</i>")
		text, _ := excerpt(f.file, line, f.file.LineStart(line))
		d.element("<code>", escape.Diff(text), "</code></li>\n")
		for _, r := range byLine[line] {
			for narrower := range strings.SplitSeq(r.Narrower, "\n") {
				if narrower != "" {
					d.Add(`<li class="broader"><b></b><i>narrower</i>`)
					d.element("<code>  ", escape.Line(narrower), "</code></li>\n")
				}
			}
		}
	}
	d.Add("</ol>\n")
	if lines > maxSourceLines {
		d.element("<p><small>", escape.Linef("and %s more lines", thousands(lines-maxSourceLines)), "</small></p>\n")
	}
}

// marksOf says what is known of the rules of a line, and which of it the line is marked by.
func marksOf(list []*Covered) (class escape.HTML, marks []string) {
	used := 0
	for _, r := range list {
		used += r.Count
	}
	if used > 0 {
		marks = append(marks, "×"+thousands(used))
	}
	for _, kind := range []struct {
		class escape.HTML
		word  string
		holds func(*Covered) bool
	}{{"dead", "dead", isDead}, {"broader", "broader", isBroader}, {"unobserved", "not observed", isUnobserved}, {"used", "", isUsed}, {"unrecorded", "not recorded", isUnrecorded}} {
		n := 0
		for _, r := range list {
			if kind.holds(r) {
				n++
			}
		}
		if n == 0 {
			continue
		}
		if class == "" {
			class = kind.class
		}
		switch {
		case kind.word == "":
		case len(list) > 1:
			marks = append(marks, fmt.Sprintf("%d %s", n, kind.word))
		default:
			marks = append(marks, kind.word)
		}
	}
	return class, marks
}
