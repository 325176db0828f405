package apparmor

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/whydenied/whydenied/rules"
)

// A stranger's profile has nothing shown of files that are none of its own: neither
// what they say nor what the parser says of them.
func TestReach(t *testing.T) {
	const secret = "hunter2"
	top := t.TempDir()
	at := func(name string) string { return filepath.Join(top, filepath.FromSlash(name)) }
	for name, text := range map[string]string{
		"stranger/inc/rules":    "  /granted r,\n",
		"stranger/inc/password": "  /granted r,\npassword=" + secret + "\n",
		"secrets/password":      "password=" + secret + "\n",
		"secrets/rules":         "  /" + secret + " r,\n",
		"library/rules":         "  /granted r,\n",
		"library/broken":        "  /granted r,\nbroken\n",
		"more/rules":            "  /granted r,\n",
	} {
		require.NoError(t, os.MkdirAll(filepath.Dir(at(name)), 0o755))
		require.NoError(t, os.WriteFile(at(name), []byte(text), 0o644))
	}
	links := os.Symlink(at("secrets/rules"), at("stranger/link")) == nil &&
		os.Symlink(at("secrets"), at("stranger/dir")) == nil && os.Symlink(at("secrets/rules"), at("library/link")) == nil
	for _, test := range []struct {
		include, want string // "" if it is included
		links         bool
	}{
		{`"TOP/stranger/inc/rules"`, "", false},
		{`"TOP/stranger/inc"`, "TOP/stranger/inc/password:2:1: not AppArmor policy", false},
		{`"TOP/stranger/inc/password"`, "TOP/stranger/inc/password:2:1: not AppArmor policy", false},
		{`<rules>`, "", false},
		{`"TOP/library/rules"`, "", false},
		{`"TOP/more/rules"`, "", false},
		{`<broken>`, "expected", false}, // policy's own directory: whatever the parser says
		{`"TOP/secrets/rules"`, "outside of the directories", false},
		{`"TOP/secrets/password"`, "outside of the directories", false},
		{`if exists "TOP/secrets/rules"`, "outside of the directories", false},
		{`"TOP/stranger/../secrets/rules"`, "outside of the directories", false},
		{`"TOP/secrets"`, "outside of the directories", false},
		{`<../secrets/rules>`, "cannot open the included file ../secrets/rules", false},
		{`"TOP/stranger/link"`, "outside of the directories", true},
		{`"TOP/stranger/dir/rules"`, "outside of the directories", true},
		{`"TOP/stranger/dir"`, "outside of the directories", true},
		{`<link>`, "cannot open the included file link", true},
		{`"/proc/self/environ"`, "outside of the directories", false},
		{`if exists "TOP/stranger/none"`, "", false},
	} {
		if test.links && !links {
			continue
		}
		t.Run(test.include, func(t *testing.T) {
			local := func(s string) string { return strings.ReplaceAll(s, "TOP", filepath.ToSlash(top)) }
			loader := &Loader{Include: []string{at("library")}, Allow: []string{at("more")}}
			policy, diagnostics := loader.Load(rules.NewFile(at("stranger/web"), "profile web {\n  include "+local(test.include)+"\n}\n"))
			var said []string
			for _, d := range rules.Errors(diagnostics) {
				said = append(said, d.String()+" "+d.At.Text())
			}
			all := strings.Join(said, "\n")
			for _, file := range policy.Files {
				all += file.Text
			}
			assert.NotContains(t, all, secret)
			if test.want == "" {
				assert.Empty(t, said)
				return
			}
			assert.Contains(t, strings.Join(said, "\n"), local(test.want))
		})
	}
}
