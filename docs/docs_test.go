package docs

import (
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/whydenied/whydenied/explain"
)

// TestCauses holds that each cause has a page, and each page a cause.
func TestCauses(t *testing.T) {
	known := map[string]bool{}
	for _, c := range explain.Causes() {
		name := string(c)
		known[name] = true
		page, ok := Cause(name)
		if !assert.True(t, ok, "docs/causes/%s.md is missing", name) {
			continue
		}
		assert.True(t, strings.HasPrefix(page, "# "+name+"\n"), "%s.md must begin with its name", name)
		for _, heading := range []string{"## In the log", "## What to do", "## What not to do", "## What whydenied can and cannot tell"} {
			assert.Contains(t, page, "\n"+heading+"\n", "%s.md", name)
		}
		for line := range strings.Lines(page) {
			assert.LessOrEqual(t, len(line), 161, "%s.md: %s", name, line)
		}
	}
	files, err := pages.ReadDir("causes")
	require.NoError(t, err)
	for _, p := range files {
		assert.True(t, known[strings.TrimSuffix(p.Name(), ".md")], "docs/causes/%s is the page of no cause", p.Name())
	}
}

// TestCauseOfNothing holds that a name cannot leave the folder.
func TestCauseOfNothing(t *testing.T) {
	for _, name := range []string{"", "no-such-cause", "../docs", "../causes/deny-rule", "/etc/passwd", "deny-rule.md"} {
		_, ok := Cause(name)
		assert.False(t, ok, name)
	}
}

// TestTopics holds that each topic has a page, and that a name cannot leave the folder.
func TestTopics(t *testing.T) {
	for _, name := range Topics {
		page, ok := Topic(name)
		assert.True(t, ok, name)
		assert.True(t, strings.HasPrefix(page, "# "), name)
	}
	for _, name := range []string{"", "architecture", "causes/deny-rule", "../README", "logs.md"} {
		_, ok := Topic(name)
		assert.False(t, ok, name)
	}
}

// link is a Markdown link to another page.
var link = regexp.MustCompile(`\]\(([^):#]+\.md)(#[^)]*)?\)`)

// TestLinks holds that what a page links is there: in the program, or at the top of the
// repository.
func TestLinks(t *testing.T) {
	files, err := filepath.Glob("*.md")
	require.NoError(t, err)
	inner, err := filepath.Glob("causes/*.md")
	require.NoError(t, err)
	for _, file := range append(files, inner...) {
		page, ok := Page(filepath.ToSlash(file))
		require.True(t, ok, file)
		for _, m := range link.FindAllStringSubmatch(page, -1) {
			target := path.Join(path.Dir(filepath.ToSlash(file)), m[1])
			if _, ok := Page(target); ok {
				continue
			}
			_, err := os.Stat(target)
			assert.NoError(t, err, "%s links %s", file, m[1])
		}
	}
}
