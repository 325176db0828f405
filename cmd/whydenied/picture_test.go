package main

import (
	"bytes"
	"context"
	"fmt"
	"html"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"
)

// TestPicture draws docs/terminal.svg, what a terminal shows of the README's example; -update
// writes it.
func TestPicture(t *testing.T) {
	t.Chdir("../..")
	t.Setenv("COLUMNS", "88")
	const command = "whydenied explain audit.log --profile web.apparmor"
	const dir = "docs/examples/web/"
	var out bytes.Buffer
	run(context.Background(), []string{"explain", dir + "audit.log", "--profile", dir + "web.apparmor", "--color", "always"}, strings.NewReader(""), &out, &out)
	compareFile(t, "docs/terminal.svg", drawn("$ "+command+"\n"+strings.ReplaceAll(out.String(), dir, "")))
}

// sgr is a sequence of "select graphic rendition", or the text up to the next one.
var sgr = regexp.MustCompile("\x1b\\[([0-9;]*)m|[^\x1b]+")

// inks are how the styles of explain/report look on a dark terminal.
var inks = map[string]string{
	"": "", "0": "", "1": "font-weight:bold", "1;31": "font-weight:bold;fill:#ff7b72", "31": "fill:#ff7b72",
	"32": "fill:#7ee787", "33": "fill:#e3b341", "36": "fill:#79c0ff", "2": "fill:#8b949e",
}

// drawn is the text of a terminal as SVG, a line each, with its own font, so that carets
// stand below what they point at wherever it is looked at.
func drawn(text string) string {
	const size, advance, leading, margin = 13, 7.8, 17, 14
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	columns := 0
	var body strings.Builder
	for i, line := range lines {
		column := 0
		ink := ""
		fmt.Fprintf(&body, `<text y="%d">`, margin+size+i*leading)
		for _, m := range sgr.FindAllStringSubmatch(line, -1) {
			if strings.HasPrefix(m[0], "\x1b") {
				ink = inks[m[1]]
				continue
			}
			fmt.Fprintf(&body, `<tspan x="%.1f" style="%s">%s</tspan>`, margin+float64(column)*advance, ink, html.EscapeString(m[0]))
			column += utf8.RuneCountInString(m[0])
		}
		columns = max(columns, column)
		body.WriteString("</text>\n")
	}
	return fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" width="%.0f" height="%d" role="img" aria-label="whydenied explains a refusal of AppArmor">
<rect width="100%%" height="100%%" rx="8" fill="#0d1117"/>
<g font-family="ui-monospace,Menlo,Consolas,'DejaVu Sans Mono',monospace" font-size="%dpx" fill="#e6edf3" xml:space="preserve">
%s</g>
</svg>
`, 2*margin+float64(columns)*advance, 2*margin+len(lines)*leading, size, body.String())
}
