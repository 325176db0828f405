package docs

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestLibraryPage builds the program of library.md and runs it on the example.
func TestLibraryPage(t *testing.T) {
	page, ok := Page("library.md")
	require.True(t, ok)
	_, program, ok := strings.Cut(page, "```go\n")
	require.True(t, ok)
	program, _, _ = strings.Cut(program, "```\n")
	assert.Less(t, strings.Count(program, "\n"), 40)
	file := filepath.Join(t.TempDir(), "main.go")
	require.NoError(t, os.WriteFile(file, []byte(program), 0o600))
	out, err := exec.Command("go", "run", file, "examples/web/audit.log", "examples/web").CombinedOutput()
	require.NoError(t, err, "%s", out)
	assert.Contains(t, string(out), "missing-permission: a rule names this path but does not grant w\n")
	assert.Contains(t, string(out), "  add w to this rule (risk: low)\n")
}

// TestTestcontainersExample compiles the tests of the example, where its modules are at hand.
func TestTestcontainersExample(t *testing.T) {
	cmd := exec.Command("go", "vet", "./...")
	cmd.Dir, cmd.Env = "examples/testcontainers", append(os.Environ(), "CGO_ENABLED=0", "GOPROXY=off", "GOFLAGS=-mod=readonly")
	out, err := cmd.CombinedOutput()
	if strings.Contains(string(out), "module lookup disabled by GOPROXY=off") {
		t.Skip("its modules are not at hand: go mod download there fetches them")
	}
	require.NoError(t, err, "%s", out)
}

// TestExamples: files of other tools are YAML, and scripts are a shell's.
func TestExamples(t *testing.T) {
	for _, pattern := range []string{"examples/*/*.yaml", "../action.yml", "../.pre-commit-hooks.yaml", "../.github/ISSUE_TEMPLATE/*.yml"} {
		files, err := filepath.Glob(pattern)
		require.NoError(t, err)
		require.NotEmpty(t, files, pattern)
		for _, file := range files {
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			var value any
			assert.NoError(t, yaml.Unmarshal(text, &value), file)
		}
	}
	scripts, err := filepath.Glob("examples/*/*.sh")
	require.NoError(t, err)
	for _, script := range append(scripts, "../.ci/action/run") {
		out, err := exec.Command("bash", "-n", script).CombinedOutput()
		assert.NoError(t, err, "%s: %s", script, out)
	}
}
