package main

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
	"github.com/spf13/pflag"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var manDir = flag.String("man", "", "write the man pages into this `DIR`, as the packages have them")

// TestManPages makes the man pages, one a command, of what its help says. Packages have
// them and the program needs none of what makes them, so this test writes them: see
// .ci/release. Their date is SOURCE_DATE_EPOCH's.
func TestManPages(t *testing.T) {
	dir := *manDir
	if dir == "" {
		dir = t.TempDir()
	}
	root := newRoot()
	forManPages(root)
	require.NoError(t, doc.GenManTree(root, &doc.GenManHeader{Source: "whydenied", Manual: "whydenied"}, dir))
	eachCommand(func(c *cobra.Command) {
		page, err := os.ReadFile(filepath.Join(dir, strings.ReplaceAll(c.CommandPath(), " ", "-")+".1"))
		require.NoError(t, err)
		for _, section := range []string{"NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS"} {
			assert.Contains(t, string(page), "\n.SH "+section+"\n", c.Name())
		}
		c.Flags().VisitAll(func(f *pflag.Flag) {
			assert.True(t, f.Hidden || strings.Contains(string(page), "--"+f.Name), "%s --%s", c.Name(), f.Name)
		})
	})
}

// forManPages makes Markdown of help texts, of which man pages are made.
func forManPages(c *cobra.Command) {
	c.Long = manText(c.Long)
	c.Flags().VisitAll(func(f *pflag.Flag) {
		name, usage := pflag.UnquoteUsage(f)
		if f.Usage = manWords.Replace(usage); f.DefValue == "" || f.DefValue == "[]" {
			f.DefValue = name
		}
	})
	for _, inner := range c.Commands() {
		forManPages(inner)
	}
}

// manWords escapes what Markdown would take for marks.
var manWords = strings.NewReplacer("*", `\*`, "_", `\_`, "<", `\<`, "`", "\\`", `\`, `\\`)

// manText is the text of a help: paragraphs, and lines that stand as they are, which begin
// with spaces.
func manText(text string) string {
	var out strings.Builder
	verbatim := false
	for line := range strings.Lines(text) {
		if indented := strings.HasPrefix(line, "  "); indented {
			if !verbatim {
				out.WriteString("\n")
			}
			verbatim = true
			out.WriteString("    " + line)
			continue
		}
		if verbatim && strings.TrimSpace(line) != "" {
			out.WriteString("\n")
		}
		verbatim = false
		out.WriteString(manWords.Replace(line))
	}
	return out.String()
}
