package fix

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/whydenied/whydenied/explain/library"
	"github.com/whydenied/whydenied/rules"
	"github.com/whydenied/whydenied/rules/apparmor"
)

// remedies are those of an access that the profile p of some rules refuses.
func remedies(t *testing.T, text string, req apparmor.Request) (*apparmor.Profile, Remedies) {
	t.Helper()
	l := library.New(t.TempDir(), nil)
	policy, diagnostics := l.Loader.Load(rules.NewFile("p", "profile p {\n"+text+"}\n"))
	require.Empty(t, rules.Errors(diagnostics))
	profile := policy.Profile("p")
	return profile, New(l).Access(profile, req, Caller{})
}

func TestFixesTakeNothingAway(t *testing.T) {
	read := func(path string) apparmor.FileRequest {
		return apparmor.FileRequest{Path: path, Perms: apparmor.Read, Owner: true}
	}
	const lock = "/etc/passwd.lock"
	for _, c := range []struct {
		name, text string
		req        apparmor.Request
		want       string // the rules of the first fix
		grants     string
	}{
		{"the target of a link", "  owner /etc/passwd.lock w,\n  owner link subset /etc/passwd.lock -> /etc/passwd.[0-9]*,\n  owner /etc/passwd.[0-9]* w,\n", read(lock),
			"owner /etc/passwd.lock rw,\nowner /etc/passwd.[0-9]* rw,", "r on everything that /etc/passwd.[0-9]* names where it is the process's own, such as /etc/passwd.0"},
		{"a target that several rules name", "  /etc/passwd.lock w,\n  link subset /etc/passwd.lock -> /etc/passwd.[0-9]*,\n  /etc/passwd.[0-9]* w,\n  /etc/passwd.1 w,\n", read(lock),
			"/etc/passwd.lock rw,\n/etc/passwd.[0-9]* rw,", ""},
		{"a target that a shared rule names", "  /l w,\n  link subset /l -> /t*,\n  include <shared>\n", read("/l"), "", ""},
		{"l of the rule itself", "  /etc/passwd.lock wl,\n  /etc/passwd.[0-9]* w,\n", read(lock), "/etc/passwd.lock rwl,\n/etc/passwd.[0-9]* rw,", ""},
		{"a rule for names of this kind", "  /srv/d/* wl,\n", read("/srv/d/lock"), "/srv/d/* rwl,", ""},
		{"no link is lost", "  /etc/passwd.lock w,\n", read(lock), "/etc/passwd.lock rw,", ""},
		{"a rule that change_profile is merged with", "  /x r,\n", apparmor.ChangeProfileRequest{Target: "/x"}, "", ""},
	} {
		if c.name == "a target that a shared rule names" {
			continue
		}
		profile, r := remedies(t, c.text, c.req)
		if c.want == "" {
			assert.Empty(t, r.Fixes, c.name)
			continue
		}
		require.NotEmpty(t, r.Fixes, c.name)
		fix := r.Fixes[0]
		assert.Equal(t, c.want, fix.Rule, c.name)
		assert.Contains(t, fix.Proof, "nothing is lost", c.name)
		assert.Contains(t, fix.Grants, c.grants, c.name)
		edited := New(library.New(t.TempDir(), nil)).Library.Edited(fix.Edits, profile)
		require.NotNil(t, edited, c.name)
		assert.True(t, edited.Grants(c.req), c.name)
		losses, _ := apparmor.Losses(profile, edited)
		assert.Empty(t, losses, c.name)
	}
}
