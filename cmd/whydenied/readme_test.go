package main

import (
	"bytes"
	"context"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestReadme runs the first command of the README and compares what it prints
// with what the README says it prints.
func TestReadme(t *testing.T) {
	t.Chdir("../..")
	readme, err := os.ReadFile("README.md")
	require.NoError(t, err)
	_, rest, ok := strings.Cut(string(readme), "    go run ./cmd/whydenied ")
	require.True(t, ok)
	command, rest, ok := strings.Cut(rest, "\n\nIt prints:\n\n")
	require.True(t, ok)
	shown, _, ok := strings.Cut(rest, "\n\nand exits with status 3")
	require.True(t, ok)
	var want strings.Builder
	for line := range strings.Lines(shown + "\n") {
		want.WriteString(strings.TrimPrefix(line, "    "))
	}
	var stdout, stderr bytes.Buffer
	assert.Equal(t, exitFound, run(context.Background(), strings.Fields(command), strings.NewReader(""), &stdout, &stderr))
	assert.Equal(t, want.String(), stdout.String())
	assert.Empty(t, stderr.String())
}
