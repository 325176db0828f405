package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// pagesWithOutput show commands with what they print, kept by TestShown.
var pagesWithOutput = []string{"README.md", "docs/ci.md"}

// shown is a command in a page, and what stands below it up to the next one or the end of
// its block.
var shown = regexp.MustCompile("(?m)^\\$ whydenied (.*)\n((?:[^$`\n].*\n|\n)*)")

// TestShown runs the commands of pages, as they stand there, and compares what they print
// with what the pages say; -update writes it there.
func TestShown(t *testing.T) {
	t.Chdir("../..")
	t.Setenv("COLUMNS", "88")
	for _, name := range pagesWithOutput {
		page, err := os.ReadFile(name)
		require.NoError(t, err)
		ran := 0
		got := shown.ReplaceAllStringFunc(string(page), func(block string) string {
			ran++
			command, _, _ := strings.Cut(block, "\n")
			var out bytes.Buffer
			run(context.Background(), words(strings.TrimPrefix(command, "$ whydenied ")), strings.NewReader(""), &out, &out)
			return command + "\n" + out.String()
		})
		assert.NotZero(t, ran, name)
		compareFile(t, name, got)
	}
}

// words splits a command line at its spaces but for those in single quotes.
func words(line string) (list []string) {
	for i, part := range strings.Split(line, "'") {
		if i%2 == 1 {
			list = append(list, part)
		} else {
			list = append(list, strings.Fields(part)...)
		}
	}
	return list
}

// compareFile compares a file with what it must hold; -update writes it.
func compareFile(t *testing.T, name, want string) {
	t.Helper()
	if *update {
		require.NoError(t, os.WriteFile(name, []byte(want), 0o644))
	}
	got, err := os.ReadFile(name)
	require.NoError(t, err)
	assert.Equal(t, want, string(got), "%s; if the change is meant, run go test ./cmd/whydenied -update", name)
}

// TestCommandTable holds that the README has a row for each command, in the groups of the
// help, with its page where there is one.
func TestCommandTable(t *testing.T) {
	t.Chdir("../..")
	readme, err := os.ReadFile("README.md")
	require.NoError(t, err)
	const head = "| command | what |\n|---|---|\n"
	before, rest, found := strings.Cut(string(readme), head)
	require.True(t, found)
	_, after, _ := strings.Cut(rest, "\n\n")
	var rows strings.Builder
	root := newRoot()
	for _, group := range root.Groups() {
		for _, c := range root.Commands() {
			if c.GroupID != group.ID || c.Hidden {
				continue
			}
			page := "docs/" + c.Name() + ".md"
			if _, err := os.Stat(page); err == nil {
				page = fmt.Sprintf(" ([%s](%[1]s))", page)
			} else {
				page = ""
			}
			fmt.Fprintf(&rows, "| `whydenied %s` | %s%s |\n", strings.ReplaceAll(c.Use, "|", `\|`), c.Short, page)
		}
	}
	compareFile(t, "README.md", before+head+strings.TrimSuffix(rows.String(), "\n")+"\n\n"+after)
}
