package report

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestDiagnostics prints diagnostics of every shape in both forms: nothing that
// cannot be seen comes through, and the JSON reads back.
func TestDiagnostics(t *testing.T) {
	var jsonOut, textOut bytes.Buffer
	printJSON, printText := NewJSONLines[CheckMessage](&jsonOut), NewCheckText(&textOut, TextOptions{})
	for _, d := range someDiagnostics() {
		wire := NewDiagnostic(d)
		require.NoError(t, printJSON(CheckMessage{Diagnostic: &wire}))
		require.NoError(t, printText(CheckMessage{Diagnostic: &wire}))
	}
	for _, out := range []string{jsonOut.String(), textOut.String()} {
		for line := range strings.Lines(out) {
			assertPrintable(t, line)
		}
	}
	text := textOut.String()
	assert.Contains(t, text, "warning[shadowed-rule]: ")
	assert.Contains(t, text, "fix 1  log it")
	assert.Contains(t, text, "error[syntax]: expected a rule\n")
	assert.Contains(t, text, "note[general]: about no place\n")

	lines := strings.Split(strings.TrimSpace(jsonOut.String()), "\n")
	require.Len(t, lines, 4)
	var m CheckMessage
	require.NoError(t, json.Unmarshal([]byte(lines[0]), &m))
	assert.Equal(t, "warning", m.Diagnostic.Severity)
	assert.Equal(t, 2, m.Diagnostic.Line)
	assert.Equal(t, "the deny rule", m.Diagnostic.Related[0].Note)
	assert.Len(t, m.Diagnostic.Fixes, 2, "without the one whose edits clash")
}

// TestRelatedPlace holds that several things to say of one place show it once.
func TestRelatedPlace(t *testing.T) {
	d := someDiagnostics()[1]
	d.Related = append(d.Related, someDiagnostics()[0].Related[0])
	d.Related[0].At = d.At
	d.Related = append(d.Related, d.Related[0])
	d.Related[1].Message = "and this"
	wire := NewDiagnostic(d)
	var out bytes.Buffer
	require.NoError(t, NewCheckText(&out, TextOptions{})(CheckMessage{Diagnostic: &wire}))
	assert.Equal(t, 1, strings.Count(out.String(), "-->"))
	assert.Contains(t, out.String(), "  - the deny rule\n  - and this\n")
}

func TestCheckSummary(t *testing.T) {
	for want, s := range map[string]CheckSummary{
		"0 files: 0 errors, 0 warnings, 0 notes":                                     {},
		"1 file: 1 error, 1 warning, 1 note; 1 refused":                              {Files: 1, Refused: 1, Errors: 1, Warnings: 1, Notes: 1},
		"2 files: 3 errors, 0 warnings, 4,000 notes; 2 refused; 1 could not be read": {Files: 2, Refused: 2, Errors: 3, Notes: 4000, Unreadable: 1},
	} {
		assert.Equal(t, want, s.String())
	}
}
