package report

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/text"

	"github.com/whydenied/whydenied/explain/escape"
	"github.com/whydenied/whydenied/explain/escape/escapetest"
)

// fuzzFormat writes reports in which a name is wherever one can come from outside,
// and has a reader of the destination look at what comes out.
func fuzzFormat(f *testing.F, format string, look func(t *testing.T, name string, output []byte)) {
	for _, name := range hostileNames {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if len(name) > 1<<9 {
			return
		}
		for _, form := range Formats {
			if form.Name == format {
				var out bytes.Buffer
				require.NoError(t, form.Write(&out, hostileReport(t, name), TextOptions{Width: 40 + len(name)%100, Color: len(name)%2 == 0}))
				look(t, name, out.Bytes())
			}
		}
	})
}

// terminal is one with the colours that text has.
func terminal() *escapetest.Terminal {
	return &escapetest.Terminal{Colors: []string{string(strong), string(alarm), string(mild), string(minus), string(plus), string(arrow), string(faint)}}
}

// isText fails if output is more than text to a terminal or to a CI system.
func isText(t *testing.T, output []byte) {
	t.Helper()
	require.NoError(t, terminal().Print(string(output)))
	require.Empty(t, escapetest.Commands(sgr.ReplaceAllString(string(output), "")))
	require.Empty(t, escapetest.Commands(string(output)))
}

func FuzzText(f *testing.F) {
	fuzzFormat(f, "text", func(t *testing.T, _ string, output []byte) { isText(t, output) })
}

func FuzzJSON(f *testing.F) {
	fuzzFormat(f, "json", func(t *testing.T, name string, output []byte) {
		isText(t, output)
		for line := range bytes.Lines(output) {
			var m Message
			require.NoError(t, json.Unmarshal(line, &m))
			if m.Finding != nil {
				assert.Equal(t, escape.UTF8(name+" "+name), m.Finding.Why)
			}
		}
	})
}

func FuzzSARIF(f *testing.F) {
	fuzzFormat(f, "sarif", func(t *testing.T, name string, output []byte) {
		isText(t, output)
		var log sarifLog
		require.NoError(t, json.Unmarshal(output, &log))
		for _, r := range log.Runs[0].Results {
			require.NoError(t, terminal().Print(string(r.Message.Text)))
			assert.NotRegexp(t, `(^|[^\\])\]\(`, string(r.Message.Text), "a link")
		}
	})
}

func FuzzXML(f *testing.F) {
	fuzzFormat(f, "junit", func(t *testing.T, name string, output []byte) {
		isText(t, output)
		depth, cases := 0, 0
		for d := xml.NewDecoder(bytes.NewReader(output)); ; {
			token, err := d.Token()
			if errors.Is(err, io.EOF) {
				break
			}
			require.NoError(t, err)
			switch token := token.(type) {
			case xml.StartElement:
				depth++
				if token.Name.Local == "testcase" {
					cases++
				}
				for _, a := range token.Attr {
					require.NoError(t, terminal().Print(a.Value))
				}
			case xml.EndElement:
				depth--
			case xml.CharData:
				require.NoError(t, terminal().Print(string(token)))
			case xml.Comment, xml.Directive:
				t.Errorf("%#v", token)
			}
		}
		assert.Equal(t, []int{0, 2}, []int{depth, cases})
	})
}

func FuzzGitHub(f *testing.F) {
	fuzzFormat(f, "github", func(t *testing.T, name string, output []byte) {
		require.NoError(t, terminal().Print(string(output)))
		lines := strings.Split(strings.TrimSuffix(string(output), "\n"), "\n")
		require.Len(t, lines, 2)
		for i, level := range []string{"error", "warning"} {
			command, properties, message := escapetest.GitHub(lines[i])
			assert.Equal(t, level, command)
			assert.Equal(t, map[string]string{"title": string(escape.Line("whydenied: " + name)), "file": line(name), "line": "2"}, properties)
			if i == 1 {
				assert.Equal(t, line(name), message)
			}
			assert.NotContains(t, lines[i], "##[")
		}
	})
}

// line is a name as it is shown.
func line(name string) string { return string(escape.Line(escape.UTF8(name))) }

var gfm = goldmark.New(goldmark.WithExtensions(extension.GFM))

// reference is what GitHub looks for in the text of what was rendered: mentions,
// issues and pull requests.
var reference = regexp.MustCompile(`(^|\W)(@|#|(?i:gh-))\w`)

func FuzzMarkdown(f *testing.F) {
	fuzzFormat(f, "markdown", func(t *testing.T, name string, output []byte) {
		isText(t, output)
		before, after := "", ""
		rows, headings := 0, 0
		document := gfm.Parser().Parse(text.NewReader(output))
		require.NoError(t, ast.Walk(document, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
			if !entering {
				return ast.WalkContinue, nil
			}
			switch n := n.(type) {
			case *ast.Link, *ast.Image, *ast.AutoLink, *ast.CodeSpan, *ast.Emphasis, *ast.List, *ast.Blockquote, *ast.ThematicBreak, *ast.CodeBlock:
				t.Errorf("%s in %q", n.Kind(), output)
			case *ast.Heading:
				headings++
			case *ast.RawHTML:
				assert.Equal(t, "<!-- -->", string(n.Segments.Value(output)))
			case *ast.HTMLBlock:
				before += string(n.Lines().Value(output))
			case *ast.Text:
				assert.NotRegexp(t, reference, string(n.Value(output)))
			case *ast.String:
				after += string(n.Value)
			}
			if n.Kind().String() == "TableRow" {
				rows++
				assert.Equal(t, 4, n.ChildCount())
			}
			return ast.WalkContinue, nil
		}))
		assert.Equal(t, []int{1, 2}, []int{headings, rows})
		assert.Equal(t, "<details><summary>The patch that remedies them</summary>\n</details>\n", before)
		var html bytes.Buffer
		require.NoError(t, gfm.Convert(output, &html))
		assert.NotContains(t, html.String(), "<a ")
		assert.NotContains(t, html.String(), "<img")
	})
}
