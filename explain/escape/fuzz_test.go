package escape

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/whydenied/whydenied/explain/escape/escapetest"
)

var hostileNames = []string{
	"", "a\x1b]0;t\a\x1b[2J\r\nb\u0085\u009b31m\x7f\u202e\u2066\u200e\u061c\u200b\ufeff\u2028\u00ad\u3164\U000e0041\xff\xc3 %s `\"<c>",
	"::error::x", "a ::add-mask::b", "\t::stop-commands::t", "::t::", "::::x::", ":::error::x", "##[error]x", "####[x]", "##a##[x]", "##vso[task.x]",
	"section_start:1:x\r\x1b[0K", "\x1b[1mx", "\x1b]8;;http://x\x1b\\", "a: b", "- x", "yes", "0x1f", "1e3", "2001-01-01", "#c", "&a", "*a", "!t", "%x",
	"|", ">", "'", `"`, `\`, "{a}", "=", "~", " a ", "a\n  b: c", "---", "...", "? a", "<<", "\ufeffx", "\\x3a", `##\`, "日本", "e\u0301", "12:30:45", ".inf", "0o7", "a:", "a #b", "\x00", "null", "NULL", "~a",
	"</script>", "</SCRIPT >", "<!--", "<!--<script>", "-->", "]]>", "<img src=x onerror=alert(1)>", "&lt;b&gt;", "&#60;b", `" onfocus="alert(1)`, "</pre>", "</title><b>", "\tx",
}

func add(f *testing.F) {
	for _, name := range hostileNames {
		f.Add(name, 80)
	}
}

// FuzzLine holds that a line is text, alone, along with others, in a style, on the
// status line and as a name; and that to escape it again changes nothing.
func FuzzLine(f *testing.F) {
	add(f)
	f.Fuzz(func(t *testing.T, s string, n int) {
		line := Line(s)
		assert.Equal(t, line, Line(string(line)))
		assert.Equal(t, Name(s), Line(string(Name(s))))
		terminal := &escapetest.Terminal{Colors: []string{"1"}}
		require.NoError(t, terminal.Print(string(line)))
		assert.NotContains(t, string(line), "\n")
		cut := 0
		if len(s) > 0 {
			cut = (n&0xffff)%len(s) + 1
		}
		var out bytes.Buffer
		parts := Line(s[:cut]) + Style("1").Start() + Name(s) + "\x1b[0m" + Lines(s[cut:]) + Line(s[:cut]) + Line(s[cut:]) + "\n" + Join(Words("a % b", s), "") + "\n" + line
		require.NoError(t, Write(&out, parts))
		require.NoError(t, terminal.Print(out.String()))
		require.Empty(t, escapetest.Commands(out.String()))
		out.Reset()
		require.NoError(t, Write(&out, Diff(s)))
		require.NoError(t, (&escapetest.Terminal{Tabs: true}).Print(out.String()))
		require.Empty(t, escapetest.Commands(out.String()))

		out.Reset()
		width := n&0xff + 1
		Status(&out, line, width)
		status, ok := strings.CutPrefix(out.String(), "\r\x1b[K")
		require.True(t, ok)
		assert.Empty(t, escapetest.Commands(status))
		terminal = &escapetest.Terminal{}
		require.NoError(t, terminal.Print(status))
		assert.Less(t, terminal.Columns, width)
	})
}

// FuzzYAML holds that a string is read back as it was, wherever it stands, and that
// a comment ends with its line.
func FuzzYAML(f *testing.F) {
	add(f)
	f.Fuzz(func(t *testing.T, s string, _ int) {
		var out bytes.Buffer
		require.NoError(t, Write(&out, YAMLComment(s)+"a:\n  "+YAMLComment(s)+"  "+YAMLString(s)+": "+YAMLString(s)+"\nb:\n  - "+YAMLString(s)+"\n"))
		require.NoError(t, (&escapetest.Terminal{}).Print(out.String()))
		require.Empty(t, escapetest.Commands(out.String()))
		var value map[string]any
		require.NoError(t, yaml.Unmarshal(out.Bytes(), &value), out.String())
		want := UTF8(s)
		assert.Equal(t, map[string]any{"a": map[string]any{want: want}, "b": []any{want}}, value, out.String())
	})
}

// FuzzJSON holds that a value is read back as it was, of what was UTF-8.
func FuzzJSON(f *testing.F) {
	add(f)
	f.Fuzz(func(t *testing.T, s string, n int) {
		want := map[string]any{UTF8(s): []any{UTF8(s), float64(n & 0xffff)}}
		var out bytes.Buffer
		require.NoError(t, JSON(&out, want))
		require.NoError(t, (&escapetest.Terminal{}).Print(out.String()))
		require.Empty(t, escapetest.Commands(out.String()))
		assert.Equal(t, 1, strings.Count(out.String(), "\n"))
		var value map[string]any
		require.NoError(t, json.Unmarshal(out.Bytes(), &value))
		assert.Equal(t, want, value)
	})
}

// FuzzHTML holds that text is read back as it was shown, wherever it stands, and is nothing
// else: no element, attribute, comment or end of the script that holds it as data.
func FuzzHTML(f *testing.F) {
	add(f)
	f.Fuzz(func(t *testing.T, s string, _ int) {
		data, err := ScriptData([]Text{Line(s), Diff(s)})
		require.NoError(t, err)
		var out bytes.Buffer
		require.NoError(t, Write(&out, "<title>"+HTMLText(Line(s))+"</title><p title=\""+HTMLText(Line(s))+"\">-"+HTMLText(Line(s))+"</p><pre>-"+HTMLText(Diff(s))+
			"</pre><script type=\"application/json\">"+data+"</script>"))
		require.NoError(t, (&escapetest.Terminal{}).Print(out.String()))
		require.Empty(t, escapetest.Commands(out.String()))
		page, err := escapetest.ReadHTML(out.String())
		require.NoError(t, err)
		assert.Empty(t, page.Comments)
		assert.Equal(t, []string{"html", "head", "title", "body", "p title=" + string(Line(s)), "pre", "script type=application/json"}, page.Elements)
		assert.Equal(t, []string{"-" + string(Line(s))}, page.Texts["p"])
		assert.Equal(t, []string{"-" + string(Diff(s))}, page.Texts["pre"])
		var value []string
		require.NoError(t, json.Unmarshal([]byte(page.Texts["script"][0]), &value))
		assert.Equal(t, []string{string(Line(s)), string(Diff(s))}, value)
	})
}
