package apparmor

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/whydenied/whydenied/rules"
)

var (
	suiteResult = regexp.MustCompile(`(?m)^#=EXRESULT\s+(PASS|FAIL)`)
	suitePassed = regexp.MustCompile(`(?m)^#=(TODO|DISABLED)`)
)

// TestParserSuite judges the policies of apparmor_parser's own tests, each of which says
// whether the parser takes it. They are not of this project: APPARMOR_TESTS names the
// directory parser/tst/simple_tests of AppArmor's sources, in which its gen-*.py may have
// written more. What is marked there as not right yet, or as not run, is passed over.
func TestParserSuite(t *testing.T) {
	dir := os.Getenv("APPARMOR_TESTS")
	if dir == "" {
		t.Skip("NOT RUN: APPARMOR_TESTS names no directory parser/tst/simple_tests of AppArmor's sources")
	}
	t.Chdir(filepath.Dir(dir)) // some include files by names from there
	loader := Loader{Include: []string{dir}, Target: Target{Parser: "5.0"}}
	judged, off, passed := 0, 0, 0
	require.NoError(t, filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(name) != ".sd" {
			return err
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		result := suiteResult.FindSubmatch(text)
		if result == nil || suitePassed.Match(text) {
			passed++
			return nil
		}
		p, diags := loader.Load(rules.NewFile(name, string(text)))
		diags = append(diags, Lint(p)...)
		judged++
		if !assert.Equal(t, string(result[1]) == "PASS", !refused(diags), "%s\n%s", strings.TrimPrefix(name, dir), diagText(diags)) {
			off++
		}
		return nil
	}))
	t.Logf("%d judged, %d off, %d passed over", judged, off, passed)
	assert.Greater(t, judged, 2000)
}
