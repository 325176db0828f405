package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestAction runs what action.yml runs, as a runner does.
func TestAction(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("a script for bash")
	}
	root, err := filepath.Abs("../..")
	require.NoError(t, err)
	dir := t.TempDir()
	program := filepath.Join(dir, "whydenied")
	require.NoError(t, os.WriteFile(program, []byte("#!/bin/sh\ntest \"$1 $4\" = 'check prof' || exit 9\ncase $3 in\nsarif) echo '{}';;\nline) echo \"prof:3:5: error[syntax]: no\";;\nmarkdown) echo '| what |';;\nesac\nexit 3\n"), 0o755))
	cmd := exec.Command(filepath.Join(root, ".ci/action/run"))
	cmd.Env = append(os.Environ(), "INPUT_COMMAND=check", "INPUT_ARGUMENTS=prof", "INPUT_WHYDENIED="+program,
		"RUNNER_TEMP="+dir, "GITHUB_STEP_SUMMARY="+dir+"/summary", "GITHUB_OUTPUT="+dir+"/output")
	out, err := cmd.CombinedOutput()
	assert.ErrorContains(t, err, "exit status 3", "%s", out)
	read := func(name string) string {
		text, err := os.ReadFile(filepath.Join(dir, name))
		require.NoError(t, err)
		return string(text)
	}
	assert.Equal(t, "| what |\n", read("summary"))
	assert.Equal(t, "{}\n", read("whydenied.sarif"))
	assert.Contains(t, read("output"), "status=3\n")

	matcher, err := os.ReadFile(filepath.Join(root, ".ci/action/matcher.json"))
	require.NoError(t, err)
	_, pattern, _ := strings.Cut(string(matcher), `"regexp": "`)
	pattern, _, _ = strings.Cut(pattern, `",`)
	m := regexp.MustCompile("(?m)" + strings.ReplaceAll(pattern, `\\`, `\`)).FindStringSubmatch(string(out))
	assert.Equal(t, []string{"prof", "3", "5", "error", "syntax", "no"}, m[1:])
}
