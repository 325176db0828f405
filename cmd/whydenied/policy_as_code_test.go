package main

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
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
	for _, who := range []string{"AUTHOR", "COMMITTER"} { // so that commits have the same names always
		t.Setenv("GIT_"+who+"_DATE", "2026-11-02T10:00:00+00:00")
	}
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
		words := regexp.MustCompile(`'[^']*'|\S+`).FindAllString(args, -1)
		for i := range words {
			words[i] = strings.Trim(words[i], "'")
		}
		exit := exitFound
		if words[0] == "coverage" { // no rule is dead
			exit = exitClean
		}
		var out bytes.Buffer
		assert.Equal(t, exit, run(context.Background(), words, strings.NewReader(""), &out, &out), command)
		assert.Equal(t, want.String(), out.String(), command)
	}
	assert.Equal(t, 5, commands)
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
