package report

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/whydenied/whydenied/explain"
	"github.com/whydenied/whydenied/explain/container"
	"github.com/whydenied/whydenied/explain/escape"
	"github.com/whydenied/whydenied/explain/escape/escapetest"
	"github.com/whydenied/whydenied/explain/patch"
	"github.com/whydenied/whydenied/rules"
)

// hostileReport is a report in which a name is wherever one can come from outside.
// The diff of its patch is of another file, as a diff has names as they are.
func hostileReport(t testing.TB, name string) *Report {
	file := rules.NewFile(name, "profile x {\n"+name+"\n}\n")
	at := rules.Location{File: file, Span: rules.Span{Start: 12, End: 12 + len(name)}}
	f := poison(t)
	f.Denial.Subject.Comm, f.Container = name, container.Container{}
	f.Cause, f.Why, f.Notes = explain.Cause(name), name+" "+name, []string{name}
	f.Rules = []explain.Place{{At: at, Note: name}}
	f.Fixes = []rules.Fix{{Message: name, Rule: name, Grants: name, Reason: name, Proof: []string{name}, Edits: []rules.Edit{{At: at, New: "x"}}}}
	p := &patch.Patch{
		Changes:  []rules.Change{{File: rules.NewFile("web", "a\n"), New: "b\n"}},
		Remedies: []patch.Remedy{{Finding: &f, Fix: f.Fixes[0], File: name}},
		Left:     []patch.Unfixed{{Finding: &f, Reason: name}},
		Steps:    []string{name},
	}
	r := &Report{
		Version: name,
		Summary: &Summary{Samples: []Unparsed{{File: name, Line: 1, Why: name, Text: name}}},
		Silent:  &Silent{Policies: []SilentPolicy{{Target: name, Name: name, Policy: name, Why: name}}},
		Patch:   NewPatch(p),
		Diagnostics: []Diagnostic{NewDiagnostic(rules.Diagnostic{
			At: at, Severity: rules.Warning, Code: name, Message: name, Related: []rules.Related{{At: at, Message: name}}, Fixes: f.Fixes,
		})},
		Check: &CheckSummary{},
	}
	wire := NewFinding(f)
	require.NoError(t, r.Add(Message{Finding: &wire}))
	return r
}

var hostileNames = []string{
	evil, "\n", "\x1b[2J", "::error::x", "a ::add-mask::b", "::stop-commands::x", " ::error file=a::x", "##[error]x", "a##[group]b",
	"]]>", "a|b", "`", "```", "~~~", "</details>", "</failure>", "<!--", "'", `"`, "&amp;", "%0A::error::x", "%", "a,b:c", "\r\n::error::x",
	"\n```\n", "\n| a | b |\n", "@everyone #1", "https://x.example", "www.x.example", "[a](b)", "\\", "GH-1", "a@b.example", "mailto:a@b.example", "xx.www.x.example", "##vso[task.x]y", "section_start:1:x\r\x1b[0K", "::token::", "\x1b]8;;http://x\a", "[x]: http://y", "![a](b)", "<!-- x", "1. a", "- a", "    a", "[a](b", "](", "a\tb", "\xc2\\", "##\x00[a]", "{\"a\":1}", "\u2028::error::x",
}

// TestHostileFormats writes reports of hostile names in every format: what comes
// out is printable and well-formed, and no name is a command of a workflow.
func TestHostileFormats(t *testing.T) {
	for _, name := range hostileNames {
		for _, format := range Formats {
			var out bytes.Buffer
			require.NoError(t, format.Write(&out, hostileReport(t, name), TextOptions{Width: 80}))
			text := out.String()
			assertPrintable(t, text)
			if format.Name != "github" {
				assert.Empty(t, escapetest.Commands(text), "%q in %s", name, format.Name)
			}
			switch format.Name {
			case "json":
				checkJSONLines(t, text)
			case "sarif":
				var log map[string]any
				require.NoError(t, json.Unmarshal(out.Bytes(), &log))
				checkSARIF(t, "log", "log", log)
			case "junit":
				checkJUnit(t, name, out.Bytes())
			case "markdown":
				checkMarkdown(t, text)
			case "github":
				checkGitHub(t, name, text)
			case "gitlab":
				checkGitLab(t, name, out.Bytes())
			}
		}
	}
}

func checkJSONLines(t *testing.T, text string) {
	t.Helper()
	for line := range strings.Lines(text) {
		var m map[string]any
		require.NoError(t, json.Unmarshal([]byte(line), &m))
		assert.Len(t, m, 1)
	}
}

func checkJUnit(t *testing.T, name string, document []byte) {
	t.Helper()
	var parsed junitSuites
	require.NoError(t, xml.Unmarshal(document, &parsed))
	for d := xml.NewDecoder(bytes.NewReader(document)); ; {
		_, err := d.Token()
		if err == io.EOF {
			break
		}
		require.NoError(t, err)
	}
	require.Len(t, parsed.Suite.Cases, 2)
	assert.Equal(t, 1, parsed.Suite.Failures)
	assert.Equal(t, escape.Line(escape.UTF8(name)), parsed.Suite.Cases[1].Name)
}

// checkMarkdown holds that every row has the cells of its head, that no tag or
// link is there but ours, and that the fence is closed once.
func checkMarkdown(t *testing.T, text string) {
	t.Helper()
	rest, fenced, ok := strings.Cut(text, "<details><summary>The patch that remedies them</summary>\n\n")
	require.True(t, ok)
	fence := fenced[:strings.Index(fenced, "diff\n")]
	_, after, ok := strings.Cut(fenced[len(fence):], "\n"+fence+"\n\n</details>\n")
	require.True(t, ok)
	assert.NotContains(t, after, "</details>")
	cells := 0
	for line := range strings.Lines(rest + after) {
		bare := strings.NewReplacer(`\\`, "", `\|`, "", `\:`, "", "<!-- -->", "").Replace(line)
		assert.NotContains(t, bare, "<")
		assert.NotContains(t, bare, "://")
		assert.NotContains(t, bare, "www.")
		assert.NotRegexp(t, `[@#]\w`, strings.ReplaceAll(line, `\\`, ""))
		n := strings.Count(bare, "|")
		switch {
		case strings.HasPrefix(line, "| what"):
			cells = n
		case strings.HasPrefix(line, "|"):
			assert.Equal(t, cells, n, line)
		default:
			assert.Zero(t, n, line)
		}
	}
}

// checkGitHub holds that each line is an annotation of ours, whose place and
// message are what they were.
func checkGitHub(t *testing.T, name, output string) {
	t.Helper()
	lines := strings.Split(strings.TrimSuffix(output, "\n"), "\n")
	require.Len(t, lines, 2)
	command, _, _ := escapetest.GitHub(lines[0])
	assert.Equal(t, "error", command)
	command, _, message := escapetest.GitHub(lines[1])
	assert.Equal(t, "warning", command)
	assert.Equal(t, string(escape.Line(escape.UTF8(name))), message)
	properties := strings.Split(strings.TrimPrefix(lines[1][:strings.Index(lines[1][2:], "::")+2], "::warning "), ",")
	require.Len(t, properties, 3, lines[1])
	value := strings.NewReplacer("%25", "%", "%0D", "\r", "%0A", "\n", "%3A", ":", "%2C", ",").Replace(strings.TrimPrefix(properties[1], "file="))
	assert.Equal(t, string(escape.Line(escape.UTF8(name))), value)
}

// TestReportAdd holds that a report of messages is the report that they tell of.
func TestReportAdd(t *testing.T) {
	var r Report
	for _, m := range messages(t) {
		require.NoError(t, r.Add(m))
	}
	require.NoError(t, r.Add(Message{Repeat: &Repeat{ID: r.Findings[1].ID, Message: r.Findings[1].Message, Count: 7, First: "a", Last: "b"}}))
	require.NoError(t, r.Add(Message{Repeat: &Repeat{ID: "another", Count: 9}}))
	assert.Equal(t, 7, r.Findings[1].Count)
	assert.Equal(t, "b", r.Findings[1].Last)
	r.Findings[1].Count, r.Findings[1].First, r.Findings[1].Last = 1, Time(start), Time(start)
	var out bytes.Buffer
	require.NoError(t, writeJSONLines(&out, &r, TextOptions{}))
	assert.Equal(t, renderJSON(t, messages(t)), out.String())
}

// checkGitLab holds that each issue has what GitLab wants of it, and the name as it is shown.
func checkGitLab(t *testing.T, name string, document []byte) {
	t.Helper()
	var issues []gitlabIssue
	require.NoError(t, json.Unmarshal(document, &issues))
	require.Len(t, issues, 2)
	prints := map[string]bool{}
	for _, issue := range issues {
		prints[issue.Fingerprint] = true
		assert.Contains(t, []string{"info", "minor", "major"}, issue.Severity)
		assert.NotEmpty(t, issue.Description)
		assert.NotEmpty(t, issue.Location.Path)
		assert.Positive(t, issue.Location.Lines.Begin)
	}
	assert.Len(t, prints, 2)
	assert.Equal(t, escape.Line(name), issues[1].Check)
}

// TestGitLabFingerprints: they stay while lines move, and two of the same line differ.
func TestGitLabFingerprints(t *testing.T) {
	prints := func(list ...Diagnostic) (all []string) {
		var out bytes.Buffer
		require.NoError(t, writeGitLab(&out, &Report{Diagnostics: list}, TextOptions{}))
		var issues []gitlabIssue
		require.NoError(t, json.Unmarshal(out.Bytes(), &issues))
		for _, issue := range issues {
			all = append(all, issue.Fingerprint)
		}
		return all
	}
	d := Diagnostic{Code: "shadowed", Severity: "warning", Rule: Rule{File: "./web", Line: 3, Text: "/a r,"}}
	moved := d
	moved.Line = 9
	assert.Equal(t, prints(d), prints(moved))
	both := prints(d, moved)
	assert.NotEqual(t, both[0], both[1])
}
