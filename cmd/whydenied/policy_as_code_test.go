package main

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestPolicyAsCode runs each command of docs/policy-as-code.md and compares what it
// prints with what the page says it prints.
func TestPolicyAsCode(t *testing.T) {
	page, err := os.ReadFile("../../docs/policy-as-code.md")
	require.NoError(t, err)
	archive, err := txtar.ParseFile("testdata/policy-as-code.txtar")
	require.NoError(t, err)
	t.Chdir(t.TempDir())
	changedSinceMain(t, archive)
	commands := 0
	for block := range strings.SplitSeq(string(page), "\n    $ ") {
		command, rest, _ := strings.Cut(block, "\n")
		args, isOurs := strings.CutPrefix(command, "whydenied ")
		if !isOurs {
			continue
		}
		commands++
		var want strings.Builder
		for line := range strings.Lines(rest) {
			text, indented := strings.CutPrefix(line, "    ")
			if !indented {
				break
			}
			want.WriteString(text)
		}
		var out bytes.Buffer
		assert.Equal(t, exitFound, run(context.Background(), strings.Fields(args), strings.NewReader(""), &out, &out), command)
		assert.Equal(t, want.String(), out.String(), command)
	}
	assert.Equal(t, 3, commands)
}

// changedSinceMain makes a repository: what is below main/ is committed there, and the rest is the work tree.
func changedSinceMain(t *testing.T, archive *txtar.Archive) {
	t.Helper()
	for _, committed := range []bool{true, false} {
		for _, f := range archive.Files {
			name, isMain := strings.CutPrefix(f.Name, "main/")
			if isMain == committed {
				require.NoError(t, os.MkdirAll(filepath.Dir(name), 0o700))
				require.NoError(t, os.WriteFile(name, f.Data, 0o600))
			}
		}
		if !committed {
			continue
		}
		for _, args := range []string{"init -q -b main", "add .", "-c user.name=a -c user.email=a@b.example commit -q -m main"} {
			out, err := exec.Command("git", strings.Fields(args)...).CombinedOutput()
			require.NoError(t, err, string(out))
		}
	}
}
