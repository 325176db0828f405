package apparmor

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/whydenied/whydenied/rules"
)

// TestSplitDeny holds that a deny rule that is split refuses no more than it did, leaves out the
// file, and refuses all but what it says that it frees.
func TestSplitDeny(t *testing.T) {
	const refused = Write
	for _, c := range []struct {
		text, path, want string
		still, freed     string // names
	}{
		{"deny /srv/** w,", "/srv/app/x", "deny /srv/[^a/]** w,\ndeny /srv/app/[^x/]** w,", "/srv/b /srv/b/c /srv/app/y/z", "/srv/a /srv/apart/x /srv/app/xy"},
		{"/srv/apart/** r,\n/srv/apex r,\ndeny /srv/** w,", "/srv/app/x", "deny /srv/[^a/]** w,\ndeny /srv/apart/{,**} w,\ndeny /srv/apex w,\ndeny /srv/app/[^x/]** w,", "/srv/apart/ /srv/apart/x /srv/apex", "/srv/apartment"},
		{"audit deny owner /srv/** wk,", "/srv/app/x", "audit deny owner /srv/** k,\naudit deny owner /srv/[^a/]** w,\naudit deny owner /srv/app/[^x/]** w,", "/srv/b/c", "/srv/ab"},
		{"deny /srv/* w,", "/srv/app", "", "", ""},
		{"deny \"/srv/a b/**\" w,", "/srv/a b/c/x", "deny \"/srv/a b/[^c/]**\" w,\ndeny \"/srv/a b/c/[^x/]**\" w,", "/srv/a b/y", "/srv/a b/cy"},
		{"deny /srv/** w,", "/srv/app/d/", "deny /srv/[^a/]** w,\ndeny /srv/app/[^d/]** w,", "/srv/b/", "/srv/a/ /srv/app/d/x"},
		{"deny /srv/** w,", "/srv/a{b/x", "", "", ""},
		{"deny /srv/** w,", "/srv/-b/x", "", "", ""},
		{"deny /srv/*/x w,", "/srv/app/x", "", "", ""},
		{"deny /srv/a* w,", "/srv/app", "", "", ""},
		{"deny /{srv,opt}/** w,", "/srv/app", "", "", ""},
	} {
		load := func(text string) *Profile {
			policy, diagnostics := (&Loader{}).Load(rules.NewFile("p", text))
			require.Empty(t, rules.Errors(diagnostics), text)
			return policy.Profile("p")
		}
		before := load("profile p {\n/** rwk,\n" + c.text + "\n}\n")
		request := func(path string) FileRequest { return FileRequest{Path: path, Perms: refused, Owner: true} }
		split, ok := before.SplitDeny(before.Rules[len(before.Rules)-1], request(c.path), refused)
		assert.Equal(t, c.want != "", ok, c.text)
		if !ok {
			continue
		}
		assert.Equal(t, c.want, split.Text)
		changes, err := rules.Apply(split.Edits)
		require.NoError(t, err)
		after := load(changes[0].New)
		assert.True(t, after.Grants(request(c.path)), c.text)
		for name := range strings.SplitSeq(strings.ReplaceAll(c.still, "a b", "a\x00b"), " ") {
			assert.NotZero(t, after.Decide(request(strings.ReplaceAll(name, "\x00", " "))).Refused, "%s: %s", c.text, name)
		}
		for name := range strings.SplitSeq(strings.ReplaceAll(c.freed, "a b", "a\x00b"), " ") {
			assert.True(t, after.Grants(request(strings.ReplaceAll(name, "\x00", " "))), "%s: %s", c.text, name)
		}
		losses, _ := Losses(before, after)
		assert.Empty(t, losses, "it refuses no more than it did")
	}
}
