package main

import (
	"bytes"
	"context"
	"os"
	"regexp"
	"slices"
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
	for _, command := range []string{"explain", "patch", "check", "run", "watch", "trace"} {
		var help, stderr bytes.Buffer
		require.Equal(t, exitClean, run(context.Background(), []string{command, "--help"}, strings.NewReader(""), &help, &stderr))
		assert.Contains(t, help.String(), oneOf(report.FormatNames()))
		if command == "trace" { // which needs a kernel that may be traced
			continue
		}
		for _, format := range report.FormatNames() {
			assert.Regexp(t, `(?m)^exits . whydenied `+command+` .*--format `+format+`\b`, string(script))
		}
	}
}

// TestFormatTable holds that the table of formats of the README says of each format which
// commands have it, as their flags do; -update writes the commands.
func TestFormatTable(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	require.NoError(t, err)
	have := map[string][]string{}
	for _, cmd := range newRoot().Commands() {
		if flag := cmd.Flags().Lookup("format"); flag != nil {
			_, list, _ := strings.Cut(flag.Usage, ": ")
			for name := range strings.FieldsFuncSeq(strings.ReplaceAll(list, " or ", ","), func(r rune) bool { return r == ',' || r == ' ' }) {
				have[name] = append(have[name], cmd.Name())
			}
		}
	}
	text := string(readme)
	for name, commands := range have {
		slices.Sort(commands)
		row := regexp.MustCompile("(?m)^(\\| `" + name + "` \\| .* \\| ).*( \\|)$")
		require.Regexp(t, row, text, name)
		text = row.ReplaceAllString(text, "${1}"+strings.Join(commands, ", ")+"$2")
	}
	compareFile(t, "../../README.md", text)
	_, table, found := strings.Cut(string(readme), "| `--format` | what | commands |\n|---|---|---|\n")
	require.True(t, found)
	table, _, _ = strings.Cut(table, "\n\n")
	for row := range strings.Lines(table) {
		assert.NotEmpty(t, have[strings.Split(row, "`")[1]], row)
	}
}
