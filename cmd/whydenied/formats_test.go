package main

import (
	"bytes"
	"context"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/whydenied/whydenied/explain/report"
)

// TestFormats holds that the script formats.txtar runs each command that reports
// with each format of the table, and that its help and the page of the formats name
// them all.
func TestFormats(t *testing.T) {
	script, err := os.ReadFile("testdata/script/formats.txtar")
	require.NoError(t, err)
	page, err := os.ReadFile("../../docs/formats.md")
	require.NoError(t, err)
	for _, format := range report.FormatNames() {
		assert.Contains(t, string(page), "| `"+format+"` |")
	}
	for _, command := range []string{"explain", "patch", "check", "run", "watch"} {
		var help, stderr bytes.Buffer
		require.Equal(t, exitClean, run(context.Background(), []string{command, "--help"}, strings.NewReader(""), &help, &stderr))
		assert.Contains(t, help.String(), oneOf(report.FormatNames()))
		for _, format := range report.FormatNames() {
			assert.Regexp(t, `(?m)^exits . whydenied `+command+` .*--format `+format+`\b`, string(script))
		}
	}
}
