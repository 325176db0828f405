package main

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestOneScreen holds that the page on analytics has what summary prints of a log with
// hundreds of findings, and that it is one screen of 80 columns and 24 lines, the last for
// the prompt; -update writes it.
func TestOneScreen(t *testing.T) {
	if testing.Short() {
		t.Skip("makes and reads a log of 200,000 lines")
	}
	dir := t.TempDir()
	log := filepath.Join(dir, "audit.log")
	made := exec.Command("go", "run", "../../testdata/loggen", "-lines", "200000")
	text, err := made.Output()
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(log, text, 0o600))
	t.Setenv("LINES", "24")
	t.Setenv("COLUMNS", "80")
	var out, stderr bytes.Buffer
	assert.Equal(t, exitFound, run(context.Background(), []string{"summary", log, "--profile-dir", dir}, strings.NewReader(""), &out, &stderr))
	assert.Empty(t, stderr.String())
	assert.Less(t, strings.Count(out.String(), "\n"), 24)
	page, err := os.ReadFile("../../docs/analytics.md")
	require.NoError(t, err)
	before, rest, found := strings.Cut(string(page), "a terminal of 80 columns and 24 lines:\n\n")
	require.True(t, found)
	_, after, found := strings.Cut(rest, "\n\n| column")
	require.True(t, found)
	var shown strings.Builder
	for line := range strings.Lines(out.String()) {
		if line != "\n" {
			shown.WriteString("    ")
		}
		shown.WriteString(line)
	}
	compareFile(t, "../../docs/analytics.md", before+"a terminal of 80 columns and 24 lines:\n\n"+strings.TrimSuffix(shown.String(), "\n")+"\n\n| column"+after)
}
