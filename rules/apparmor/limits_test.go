package apparmor

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/whydenied/whydenied/rules"
)

// Policy beyond a limit is told where, which limit and what to do, once, and the rest
// of it is read.
func TestLimits(t *testing.T) {
	lines := func(n int, format string) string {
		var out strings.Builder
		for i := range n {
			out.WriteString(strings.ReplaceAll(format, "%d", fmt.Sprint(i)) + "\n")
		}
		return out.String()
	}
	in := func(body string) string { return "profile p {\n" + body + "}\n" }
	for name, tt := range map[string]struct {
		text, code, message string
		line                int
	}{
		"tokens":       {in(lines(maxTokens/5+1, "audit deny owner /a r,")), "too-large", "more than 160000 words and signs", 0},
		"values":       {"@{V} =" + strings.Repeat(" a", maxTokens) + "\n" + in(""), "too-large", "more than 160000 words and signs", 1},
		"wide":         {"@{V} =" + strings.ReplaceAll(lines(maxValues+1, " a%d"), "\n", "") + "\n" + in("/@{V} r,\n"), "variable", "has more than 40000 values", 3},
		"rules":        {in(lines(maxRules+1, "/a r,")), "too-many-rules", "more than 50000 rules in a policy", maxRules + 2},
		"hats":         {in(lines(60, "^h%d { include <rules> }")), "too-many-rules", "more than 50000 rules in a policy", 0},
		"profiles":     {lines(maxProfiles+1, "profile p%d { }"), "too-many-profiles", "more than 10000 profiles and hats", maxProfiles + 1},
		"aliases":      {lines(maxAliases+1, "alias /%d/ -> /b/,") + in(""), "too-many-aliases", "more than 1000 aliases", maxAliases + 1},
		"alias bytes":  {lines(90, "alias / -> /mnt/%d/,") + in(lines(2000, "/srv/%d r,")), "too-large", "the patterns of a policy have more than 1536 KiB", 0},
		"patterns":     {in(lines(60, "/%d"+strings.Repeat("x", 30_000)+" r,")), "too-large", "the patterns of a policy have more than 1536 KiB", 0},
		"variables":    {"@{V}=" + strings.Repeat("a", 10_000) + "\n" + in(lines(200, "/%d@{V} r,")), "too-large", "the patterns of a policy have more than 1536 KiB", 0},
		"one variable": {"@{V}=" + strings.Repeat("a", 40_000) + "\n" + in("/@{V}@{V} r,\n"), "variable", "longer than 65536 bytes", 3},
	} {
		t.Run(name, func(t *testing.T) {
			l := Loader{Include: []string{"/d"}, Tree: rules.NewTree("/", map[string]string{"/d/rules": lines(1000, "/a%d r,")})}
			p, diags := l.Load(newFile(tt.text))
			var found []string
			for _, d := range diags {
				if d.Severity == rules.Error {
					found = append(found, d.Code)
					assert.Contains(t, d.Message, tt.message)
					if line, _ := d.At.File.Position(d.At.Span.Start); tt.line > 0 {
						assert.Equal(t, tt.line, line)
					}
				}
			}
			assert.Equal(t, []string{tt.code}, found)
			require.NotNil(t, p)
			Lint(p)
		})
	}
}

// A file that includes more than may be read is not read in part.
func TestLimitOfIncludes(t *testing.T) {
	texts := map[string]string{}
	for i := range 5 {
		texts[fmt.Sprintf("/d/large/%d", i)] = strings.Repeat("# comment\n", 400_000)
		texts[fmt.Sprintf("/d/many/%d", i)] = strings.Repeat("/a r,\n", 30_000)
	}
	for name, message := range map[string]string{"large": "the included files are larger than 16 MiB together; include fewer", "many": "more than 160000 words and signs, with those of other included files"} {
		l := Loader{Include: []string{"/d"}, Tree: rules.NewTree("/", texts)}
		_, diags := l.Load(newFile("profile p {\n  include <" + name + ">\n}\n"))
		assert.Contains(t, diagText(diags), message)
	}
}
