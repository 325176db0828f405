package access

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/whydenied/whydenied/parser"
	"github.com/whydenied/whydenied/rules"
	"github.com/whydenied/whydenied/rules/apparmor"
	"github.com/whydenied/whydenied/rules/seccomp"
)

// FuzzAsked asks any access in words and any line of a batch: there is a request to
// decide on, or an error.
func FuzzAsked(f *testing.F) {
	script, err := os.ReadFile("../../cmd/whydenied/testdata/script/query-batch.txtar")
	require.NoError(f, err)
	for line := range strings.Lines(string(script)) {
		f.Add(line)
	}
	for name, v := range verbs {
		f.Add(name + " " + v.usage)
	}
	f.Add(`mount options=(ro, bind) "/a b" -> '/c'`)
	policy, _ := (&apparmor.Loader{}).Load(rules.NewFile("p", "profile p {\n  file,\n  network,\n  mount,\n}\n"))
	find := func(string) *apparmor.Profile { return policy.Profiles[0] }
	filter, _, ok := seccomp.Builtin("docker", "")
	require.True(f, ok)
	decide := func(t *testing.T, d *parser.Denial) {
		if v := Decide(d, find); v.Err == nil {
			require.NotNil(t, v.Request)
		}
		ReasonOf(d.AppArmor).Why(d.AppArmor)
		Attached(d)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if d, err := Parse(text, false); err == nil {
			decide(t, d)
		}
		asked, err := Read([]byte(text), Known{Call: seccomp.Call{Arch: seccomp.X86_64}})
		switch {
		case err != nil:
		case asked.Denial != nil:
			decide(t, asked.Denial)
		default:
			Refuses(DecideCall(filter, asked.Call, asked.Record), asked.Record)
		}
	})
}
