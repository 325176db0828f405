package report

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/whydenied/whydenied/explain"
	"github.com/whydenied/whydenied/explain/container"
	"github.com/whydenied/whydenied/explain/escape"
	"github.com/whydenied/whydenied/parser"
	"github.com/whydenied/whydenied/rules"
)

// sgr are the only control sequences that colour writes.
var sgr = regexp.MustCompile("\x1b\\[[0-9;]*m")

// evil has what must never reach a terminal: escapes, newlines, C1 controls,
// bidirectional and zero-width characters, invalid UTF-8.
const evil = "a\x1b]0;t\a\x1b[2J\r\nb\u0085\u009b31m\x7f\u202e\u2066\u200e\u061c\u200b\ufeff\u2028\u00ad\u3164\U000e0041\xff\xc3 %s `\"<c>"

// assertPrintable asserts that output holds nothing but printable characters
// and the newlines that end lines.
func assertPrintable(t testing.TB, output string) {
	t.Helper()
	assert.True(t, utf8.ValidString(output), "invalid UTF-8")
	for _, r := range output {
		if r != '\n' && string(escape.Line(string(r))) != string(r) {
			assert.Failf(t, "not printable", "%U in %q", r, output)
			return
		}
	}
}

// poison returns a finding in which every string that comes from outside is evil.
func poison(t testing.TB) explain.Explained {
	d := denial(t, parser.AVC, parser.Denied, `apparmor="DENIED" operation="open" pid=1`)
	r := &d.Event.Records[0]
	for _, key := range []string{"profile", "name", "comm", "info", "denied_mask", "peer", "target", evil} {
		r.Fields = append(r.Fields, parser.Field{Key: key, Value: evil})
	}
	d.Subject = parser.Subject{Comm: evil, Exe: "/" + evil, Label: evil, Argv: evil + "\x00" + evil}
	f := rules.NewFile("/etc/"+evil, "first\n\t"+evil+"\nlast\n")
	at := rules.Location{File: f, Span: rules.Span{Start: 7, End: 7 + 9}}
	return explain.Explained{
		Finding: &explain.Finding{
			ID: "0", Denial: d, Count: 2,
			Container: container.Container{ID: evil, Name: evil, Image: evil, Runtime: evil, Pod: evil, Namespace: evil, Evidence: []string{evil}, Confidence: container.Low},
		},
		Explanation: explain.Explanation{
			Cause: "deny-rule", Why: evil, Policy: evil, Quiet: evil, Investigate: evil, Notes: []string{evil},
			Rules: []explain.Place{{At: at, Note: evil, Via: []rules.Location{at}}},
			Fixes: []rules.Fix{{
				Message: evil, Rule: evil, Grants: evil, Reason: evil, Proof: []string{evil, evil},
				Edits: []rules.Edit{{At: at, New: evil}},
			}},
		},
	}
}

func TestHostileNames(t *testing.T) {
	wire := NewFinding(poison(t))
	list := []Message{
		{Config: &Config{SchemaVersion: SchemaVersion, Version: evil, Inputs: []string{evil}, Filters: &Filters{Comm: []string{evil}}}},
		{Finding: &wire},
		{Summary: &Summary{Samples: []Unparsed{{File: evil, Why: evil, Text: evil}}}},
	}
	for _, operation := range operations(t) {
		f := wire
		f.Denial = append(Fields{{Key: "operation", Value: escape.UTF8(operation)}}, wire.Denial...)
		list = append(list, Message{Finding: &f})
	}
	for _, o := range []TextOptions{{Width: 80}, {Width: 41}, {Width: 100, Color: true}} {
		plain := sgr.ReplaceAllString(renderText(t, list, o), "")
		assertPrintable(t, plain)
	}
	saved := renderJSON(t, list)
	assertPrintable(t, saved)
	assert.Equal(t, len(list), strings.Count(saved, "\n"), "one line for each message")
	var again []Message
	for m, err := range Read(strings.NewReader(saved)) {
		require.NoError(t, err)
		again = append(again, m)
	}
	assert.Equal(t, renderText(t, list, TextOptions{}), renderText(t, again, TextOptions{}))
}

// operations are those of testdata/records.txt and one that does not exist.
func operations(t testing.TB) []string {
	list := []string{"no_such_operation"}
	for op := range phrases {
		list = append(list, op)
	}
	return append(list, "userns_create", "uring_override", "uring_sqpoll", "setprocattr", "exec", "link", "capable", "mount", "pivotroot", "signal", "ptrace", "setrlimit",
		"dbus_method_call", "dbus_bind", "mqueue_create", "file_mmap", "file_inherit", "connect", evil)
}

// The bytes of a name that is not UTF-8 must be there in the JSON form.
func TestNameBytes(t *testing.T) {
	wire := NewFinding(explain.Explained{Finding: &explain.Finding{Denial: denial(t, parser.AVC, parser.Denied, `apparmor="DENIED" operation="open" name="/caf\xe9"`)}})
	assert.Equal(t, `/caf\xe9`, wire.Denial.Get("name"))
	assert.Equal(t, "2f636166e9", strings.ToLower(wire.Denial.Get("name_hex")))
}

func TestReadErrors(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"not JSON", "type=AVC", "message 1: invalid character"},
		{"other JSON", `{"a":1}`, "neither config, finding nor summary"},
		{"another major version", `{"config":{"schema_version":"2.0.0"}}`, `schema version "2.0.0"`},
		{"no version", `{"config":{}}`, `schema version ""`},
		{"cut off", `{"config":{"schema_version":"1.0.0"}}` + "\n" + `{"finding":{"id":"x`, "message 2: unexpected EOF"},
		{"wrong type", `{"finding":{"count":"many"}}`, "cannot unmarshal"},
		{"nested record", `{"finding":{"denial":{"name":{}}}}`, `"name" must be a string`},
		{"record of another type", `{"finding":{"denial":[1]}}`, "must be an object"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var last error
			n := 0
			for _, err := range Read(strings.NewReader(c.in)) {
				last = err
				n++
				require.LessOrEqual(t, n, 2)
			}
			require.ErrorContains(t, last, c.want)
		})
	}
}

func TestReadBoundsAMessage(t *testing.T) {
	endless := readerFunc(func(p []byte) (int, error) {
		for i := range p {
			p[i] = ' '
		}
		return len(p), nil
	})
	for _, err := range Read(endless) {
		require.ErrorContains(t, err, "longer than 64 MiB")
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func TestIsSaved(t *testing.T) {
	for in, want := range map[string]bool{
		`{"config":{"schema_version":"1.0.0"}}`:                      true,
		"{\n  \"config\": {\n    \"schema_version\": \"1.0.0\"\n  }": true,
		`{"finding":{"id":"x"}}`:                                     true,
		`{"__CURSOR":"s=1"}`:                                         false,
		`type=AVC msg=audit(1.0:1): apparmor="DENIED"`:               false,
		`{"defaultAction":"SCMP_ACT_ERRNO"}`:                         false,
		"":                                                           false,
	} {
		assert.Equal(t, want, IsSaved([]byte(in)), in)
	}
}

// FuzzReplay feeds anything to Read and prints what it accepts: nothing may
// panic or reach the output raw, in any format, and JSON must read back as it was
// written.
func FuzzReplay(f *testing.F) {
	for _, m := range messages(f) {
		f.Add(renderJSON(f, []Message{m}), 80)
	}
	f.Add(`{"finding":{"rules":[{"file":"x","line":-1,"column":-5,"end_line":9,"end_column":-9,"text":"abc"}],"fixes":[{"diff":"--- a/x\n+++ b/x\n@@ -1 +1,9 @@\n-a\n+b"}]}}`, 60)
	f.Fuzz(func(t *testing.T, in string, width int) {
		var list []Message
		for m, err := range Read(strings.NewReader(in)) {
			if err != nil {
				break
			}
			list = append(list, m)
		}
		assertPrintable(t, renderText(t, list, TextOptions{Width: width % 300}))
		isText(t, []byte(renderText(t, list, TextOptions{Width: width % 300, Color: true})))
		saved := renderJSON(t, list)
		assertPrintable(t, saved)
		var again []Message
		for m, err := range Read(strings.NewReader(saved)) {
			require.NoError(t, err)
			again = append(again, m)
		}
		require.Equal(t, saved, renderJSON(t, again))
		var r Report
		for _, m := range list {
			require.NoError(t, r.Add(m))
		}
		for _, format := range Formats[1:] { // text has the diff of a patch as it is
			var out bytes.Buffer
			require.NoError(t, format.Write(&out, &r, TextOptions{}))
			assertPrintable(t, out.String())
		}
	})
}

// TestLongDiff holds that a diff of very many lines takes time in proportion.
func TestLongDiff(t *testing.T) {
	const n = 200_000
	diff := "--- a/x\n+++ b/x\n@@ -1,200000 +1,200000 @@\n" + strings.Repeat("-a\n", n) + strings.Repeat("+b\n", n)
	changes := changesOf(diff)
	require.Len(t, changes, 2*n)
	assert.Equal(t, change{file: "x", line: n, sign: '-', text: "a", other: "b"}, changes[n-1])
	assert.Equal(t, change{file: "x", line: n, sign: '+', text: "b", other: "a"}, changes[2*n-1])
}

func TestFieldsKeepOrderAndTypes(t *testing.T) {
	in := `{"z":"1","pid":12,"big":18446744073709551615,"neg":-13,"compat":false,"<&>":"<&>"}`
	var f Fields
	require.NoError(t, json.Unmarshal([]byte(in), &f))
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	require.NoError(t, e.Encode(f))
	assert.Equal(t, in+"\n", out.String())
}
