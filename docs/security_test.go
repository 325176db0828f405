package docs_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The page on attacks names a test for each: there is one whose name begins so.
func TestSecurityPageNamesTests(t *testing.T) {
	page, err := os.ReadFile("security.md")
	require.NoError(t, err)
	var tests []string
	function := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`)
	err = filepath.WalkDir("..", func(name string, e fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(name, "_test.go") {
			return err
		}
		text, err := os.ReadFile(name)
		for _, m := range function.FindAllStringSubmatch(string(text), -1) {
			tests = append(tests, m[1])
		}
		return err
	})
	require.NoError(t, err)
	all := "\n" + strings.Join(tests, "\n")
	named := regexp.MustCompile("`((?:Test|Fuzz)\\w+)`").FindAllStringSubmatch(string(page), -1)
	assert.Greater(t, len(named), 50)
	for _, m := range named {
		assert.Contains(t, all, "\n"+m[1])
	}
}
