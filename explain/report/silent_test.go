package report

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/whydenied/whydenied/explain/silent"
	"github.com/whydenied/whydenied/parser"
)

// TestSilent holds how much of a long answer is printed, that a command stays on
// one line, and that nothing of a name reaches the terminal raw.
func TestSilent(t *testing.T) {
	hostile := "/x\x1b[31m\u202e\n"
	s := &Silent{
		Policies: []SilentPolicy{{Target: "container " + hostile, Kind: "apparmor", Name: hostile, Policy: hostile, Why: hostile}},
		Next:     []Step{{Command: "whydenied explain " + strings.Repeat("a", 200) + hostile, Why: hostile}},
	}
	var failed []silent.Unexplained
	for i := range 30 {
		s.Policies[0].Rules = append(s.Policies[0].Rules, Rule{File: hostile, Line: i + 1, Column: 1, EndLine: i + 1, EndColumn: 5, Text: "deny " + hostile})
		failed = append(failed, silent.Unexplained{Attempt: parser.Attempt{Text: fmt.Sprintf("call %d %s", i, hostile), Errno: "EACCES"}, Why: fmt.Sprint(i, hostile)})
	}
	s.Unexplained = NewUnexplained(failed)
	for i := range 6 {
		s.Policies[0].Rules[i].Note = "note"
	}
	s.Policies[0].Likely = 2
	var out bytes.Buffer
	require.NoError(t, NewText(&out, TextOptions{Width: 80})(Message{Silent: s}))
	text := out.String()
	assert.NotContains(t, text, "\x1b")
	assert.NotContains(t, text, "\u202e")
	assert.Contains(t, text, "and 14 more\n") // of 30, 4 with their source and 12 by a line
	assert.Contains(t, text, "20 more before these\n")
	assert.Contains(t, text, "call 29 ")
	assert.NotContains(t, text, "call 19 ")
	assert.Contains(t, text, "next: whydenied explain "+strings.Repeat("a", 200)+"/x\\x1b[31m")

	var saved bytes.Buffer
	require.NoError(t, NewJSON(&saved)(Message{Silent: s}))
	assert.NotContains(t, saved.String(), "\u202e")
	assert.True(t, IsSaved(saved.Bytes()))
	for m, err := range Read(&saved) {
		require.NoError(t, err)
		var again bytes.Buffer
		require.NoError(t, NewText(&again, TextOptions{Width: 80})(m))
		assert.Equal(t, text, again.String())
	}
}

// Texts of which the same is told stand together, a few of them, wherever they were said.
func TestAlike(t *testing.T) {
	var list []Unexplained
	for i := range 9 {
		list = append(list, Unexplained{Text: fmt.Sprint("text ", i), Count: 1, Why: []string{"why of even ones", "why of odd ones"}[i%2]})
	}
	var out bytes.Buffer
	require.NoError(t, NewText(&out, TextOptions{Width: 80})(Message{Silent: &Silent{Unexplained: list}}))
	assert.Equal(t, `suspected by what was said; no policy is known:
  1 more like these
  text 3
  text 5
  text 7
    it may be: why of odd ones
  2 more like these
  text 4
  text 6
  text 8
    it may be: why of even ones
`, strings.ReplaceAll(out.String(), "  \n", "\n"))
}

// TestNextStep holds that the command to type next comes with what comes first, once, and
// that a text which fits is told from one that does not.
func TestNextStep(t *testing.T) {
	next := &Next{Steps: []Step{{Command: "whydenied patch log", Why: "prints it"}, {Command: "other"}}}
	finding := Message{Finding: &Finding{Message: "x may not y", Cause: "deny-rule"}}
	silent := Message{Silent: &Silent{Policies: []SilentPolicy{{Target: "container a", Kind: "apparmor", Name: "p"}}}}
	said := Message{Silent: &Silent{Unexplained: []Unexplained{{Text: "one", Why: "w"}, {Text: "two", Why: "v"}}}}
	for name, c := range map[string]struct {
		list []Message
		want string // in order
	}{
		"finding":     {[]Message{{Next: next}, finding, finding}, `(?s)cause: deny-rule\n  next: whydenied patch log\n        prints it\n.*cause: deny-rule\n$`},
		"overview":    {[]Message{{Next: next}, {Overview: NewOverview([]Finding{*finding.Finding}, "cause")}, finding}, `(?s)count.*\nnext: whydenied patch log\n.*cause`},
		"policies":    {[]Message{{Next: next}, silent}, `(?s)^next: whydenied patch log\n.*silent: `},
		"unexplained": {[]Message{{Next: next}, said}, `(?s)one.*\n    next: whydenied patch log\n.*two`},
	} {
		var out bytes.Buffer
		print := NewText(&out, TextOptions{Width: 80})
		for _, m := range c.list {
			require.NoError(t, print(m))
		}
		assert.Regexp(t, c.want, out.String(), name)
		assert.Equal(t, 1, strings.Count(out.String(), "next: "), name)
	}

	o := TextOptions{Width: 80}
	assert.True(t, o.Fits(&Report{Findings: []Finding{*finding.Finding}, Silent: silent.Silent}))
	assert.False(t, o.Fits(&Report{Findings: slices.Repeat([]Finding{*finding.Finding}, 9)}))
	o.Rows = 50
	assert.True(t, o.Fits(&Report{Findings: slices.Repeat([]Finding{*finding.Finding}, 9)}))
}
