package parser

import (
	"fmt"
	"html"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A treatment is what a terminal, a mail program or a forum makes of the lines of
// a log.
type treatment struct {
	name string
	lost bool // it takes something away for good
	do   func(text string) string
}

func lines(text string, do func(line string) string) string {
	all := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	for i := range all {
		all[i] = do(all[i])
	}
	return strings.Join(all, "\n") + "\n"
}

// hard wraps a line at a column, in the middle of words, as terminals do.
func hard(width int) func(string) string {
	return func(line string) string {
		var out []string
		for len(line) > width {
			out = append(out, line[:width])
			line = line[width:]
		}
		return strings.Join(append(out, line), "\n")
	}
}

// soft wraps a line at spaces, as mail programs do, and puts something between.
func soft(width int, end, start string) func(string) string {
	return func(line string) string {
		var out strings.Builder
		column := 0
		for i, word := range strings.Split(line, " ") {
			if i > 0 && column+1+len(word) > width {
				out.WriteString(end + "\n" + start)
				column = len(start)
			} else if i > 0 {
				out.WriteByte(' ')
				column++
			}
			out.WriteString(word)
			column += len(word)
		}
		return out.String()
	}
}

// typeset matches the values that a word processor puts its own quotation marks around.
var typeset = regexp.MustCompile(`(=)"([^"\n]*)"`)

var treatments = func() []treatment {
	all := []treatment{
		{"whole", false, func(s string) string { return s }},
		{"quoted in mail", false, func(s string) string { return lines(s, func(l string) string { return "> " + l }) }},
		{"quoted twice", false, func(s string) string { return lines(s, func(l string) string { return ">> " + l }) }},
		{"indented", false, func(s string) string { return lines(s, func(l string) string { return "    " + l }) }},
		{"grep --color", false, func(s string) string {
			return strings.ReplaceAll(s, "DENIED", "\x1b[01;31m\x1b[KDENIED\x1b[m\x1b[K")
		}},
		{"grep --color of the key", false, func(s string) string {
			return strings.NewReplacer("apparmor=", "\x1b[01;31m\x1b[Kapparmor\x1b[m\x1b[K=", "SECCOMP ", "\x1b[01;31m\x1b[KSECCOMP\x1b[m\x1b[K ").Replace(s)
		}},
		{"coloured by journalctl", false, func(s string) string {
			return lines(s, func(l string) string { return "\x1b[0;1;31m" + l + "\x1b[0m" })
		}},
		{"HTML", false, func(s string) string { return lines(s, html.EscapeString) }},
		{"HTML with elements", false, func(s string) string {
			return lines(s, func(l string) string { return "<span class=x>" + html.EscapeString(l) + "</span><br/>" })
		}},
		{"BBCode", false, func(s string) string {
			return lines(s, func(l string) string { return "[color=#f00]" + l + "[/color]" })
		}},
		{"BBCode of the word", false, func(s string) string { return strings.ReplaceAll(s, "DENIED", "[b]DENIED[/b]") }},
		{"typographic quotes", false, func(s string) string {
			return lines(s, func(l string) string {
				at := max(strings.Index(l, "audit("), 0) // before which are the marks of the shape
				return l[:at] + typeset.ReplaceAllString(l[at:], "$1“$2”")
			})
		}},
		{"CSV", false, func(s string) string {
			return lines(s, func(l string) string {
				return `"2026-01-02T10:00:00.000Z","node1","` + strings.ReplaceAll(l, `"`, `""`) + `"`
			})
		}},
		{"backslash", false, func(s string) string { return lines(s, soft(90, ` \`, "")) }},
		{"one key a line", false, func(s string) string { return lines(s, soft(1, "", "")) }},
		{"mail, wrapped and quoted", false, func(s string) string {
			return lines(lines(s, soft(72, "", "")), func(l string) string { return "> " + l })
		}},
		{"less -S", true, func(s string) string {
			return lines(s, func(l string) string { return l[:min(len(l), 119)] + ">" })
		}},
	}
	for _, width := range []int{72, 76, 80, 100, 120} {
		all = append(all,
			treatment{fmt.Sprintf("wrapped at %d", width), false, func(s string) string { return lines(s, soft(width, "", "")) }},
			treatment{fmt.Sprintf("wrapped at %d, indented", width), false, func(s string) string { return lines(s, soft(width, "", "    ")) }},
			treatment{fmt.Sprintf("cut into %d columns", width), false, func(s string) string { return lines(s, hard(width)) }},
			treatment{fmt.Sprintf("cut off at %d", width), true, func(s string) string {
				return lines(s, func(l string) string { return l[:min(len(l), width)] })
			}})
	}
	return all
}()

// evident matches the lines of which none may be passed over.
var evident = regexp.MustCompile(`apparmor=\\*"(DENIED|ALLOWED|AUDIT)\\*"|type=(1326|SECCOMP)`)

// An outcome is what became of the records of one treatment.
type outcome struct {
	same   int // read, with all fields
	less   int // read, without some fields
	told   int // counted and located as not understood
	unseen int // no line shows that there was a denial
}

// Every kind of record in every shape, treated in every way: the same denials, or
// a counted and located "not understood"; never a different denial. docs/logs.md
// has the figures.
func TestProduct(t *testing.T) {
	var table strings.Builder
	total := outcome{}
	row := func(name string, o outcome) {
		fmt.Fprintf(&table, "| %s | %d | %d | %d | %d |\n", name, o.same, o.less, o.told, o.unseen)
	}
	for _, treatment := range treatments {
		sum := outcome{}
		for _, shape := range shapes {
			for _, k := range recordsOf(shape.log) {
				plain, _ := scanString(t, k.log)
				if len(plain) == 1 && !plain[0].Event.Records[0].IsLookAlike() {
					sum.treat(t, treatment, shape.name+", "+k.name, k.log, &plain[0])
				}
			}
		}
		row(treatment.name, sum)
		total.same += sum.same
		total.less += sum.less
		total.told += sum.told
		total.unseen += sum.unseen
	}
	row(fmt.Sprintf("all %d", total.same+total.less+total.told+total.unseen), total)
	text, err := os.ReadFile(filepath.Join("..", "docs", "logs.md"))
	require.NoError(t, err)
	assert.Contains(t, string(text), table.String(), "docs/logs.md has other figures; they are now:\n%s", table.String())
}

// docs/logs.md has every shape and every tool of the tables.
func TestLogsPage(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "docs", "logs.md"))
	require.NoError(t, err)
	names := make([]string, len(shapes))
	for i := range shapes {
		names[i] = shapes[i].name
	}
	assert.Contains(t, strings.ReplaceAll(string(text), "\n", " "), strings.Join(names, "; ")+".", "the shapes")
	for _, tool := range tools() {
		assert.Contains(t, string(text), fmt.Sprintf("| %s | %s |\n", tool.name, tool.instead))
	}
}

// treat scans what a treatment makes of a log with one record, and compares.
func (o *outcome) treat(t *testing.T, by treatment, name, log string, plain *Denial) {
	t.Helper()
	text := by.do(log)
	found, stats := scanString(t, text)
	where := fmt.Sprintf("%s, %s:\n%s", by.name, name, text)
	if len(found)+stats.Unparsed > 1 {
		t.Fatalf("%d denials, %d not understood: %s", len(found), stats.Unparsed, where)
	}
	switch {
	case stats.Unparsed == 1:
		require.Len(t, stats.Samples, 1)
		o.told++
	case len(found) == 0:
		require.NotRegexp(t, evident, text, where)
		o.unseen++
	default:
		r := &found[0].Event.Records[found[0].Record]
		got, want := facts(&found[0]), facts(plain)
		for key, value := range got {
			last := r.Fields[len(r.Fields)-1]
			if want[key] != value && !(by.lost && key == last.Key && strings.HasPrefix(want[key], value)) {
				t.Fatalf("%s=%q, not %q: %s", key, value, want[key], where)
			}
		}
		if len(got) < len(want) {
			o.less++
		} else {
			o.same++
		}
	}
}

// facts are what a denial says, by key.
func facts(x *Denial) map[string]string {
	m := map[string]string{"mode": x.Mode.String()}
	for _, f := range x.Event.Records[x.Record].Fields {
		if _, ok := m[f.Key]; !ok {
			m[f.Key] = f.Value
		}
	}
	return m
}

// A written record is a log of one shape that holds one kind of record.
type written struct{ name, log string }

// recordsOf writes every kind of record in a shape.
func recordsOf(shape string) []written {
	var out []written
	for _, k := range kinds {
		if strings.Contains(k.body, "\x1d") || k.typ != "AVC" && k.typ != "USER_AVC" {
			continue // of shapes of their own
		}
		out = append(out, written{k.name, fill(asType(shape, k.typ), k.body)})
	}
	if !strings.HasPrefix(strings.TrimLeft(shape, " "), "%s") { // without its type it is not told from others
		out = append(out, written{"seccomp", fill(asType(shape, "SECCOMP"), seccompBody)})
	}
	return out
}

// asType makes a shape's AVC another type.
func asType(shape, typ string) string {
	number := map[string]string{"AVC": "1400", "USER_AVC": "1107", "SECCOMP": "1326"}[typ]
	return strings.NewReplacer("type=AVC", "type="+typ, "1400", number, "AVC ", typ+" ", "65,86,67,", bytesJSON(typ)+",").Replace(shape)
}
