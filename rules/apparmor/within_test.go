package apparmor

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/whydenied/whydenied/rules"
)

func TestWithin(t *testing.T) {
	for _, c := range []struct{ body, rule, want string }{
		{"/srv/** rw,", "/etc/** w,", ""},
		{"/** rw,", "/etc/** w,", "/etc/a w,"},
		{"/** rw,\ndeny /etc/** w,", "/etc/** w", ""},
		{"/** rw,\ndeny /etc/* w,", "/etc/** w,", "/etc/a/ w,"},
		{"/etc/passwd w,", "/etc/** w,", "/etc/passwd w,"},
		{"owner /etc/x w,", "/etc/** w,", "/etc/x w,"},
		{"@{DIR}/x r,", "@{DIR}/** r,", "/a/x r,"},
		{"mount,", "mount,", "mount"},
		{"mount fstype=tmpfs tmpfs -> /m/,", "mount,", "mount"},
		{"umount,", "mount,", ""},
		{"capability chown,", "capability sys_admin,", ""},
		{"capability,", "capability sys_admin,", "capability sys_admin,"},
		{"network inet,", "network raw,", "network inet raw,"},
		{"network inet stream,", "network raw,", ""},
		{"/bin/* ix,", "/bin/sh x,", "/bin/sh x,"},
		{"change_profile -> unconfined,", "change_profile,", "change_profile"},
		{"link subset /l -> /t,\n/l r,", "link /l -> /t,", "link /l -> /t,"},
		{"link subset /l -> /t,\n/l r,\nowner /t r,", "link /l -> /x,", ""},
		{"priority=10 /etc/x w,", "/etc/** w,", "/etc/x w,"},
	} {
		policy, diagnostics := (&Loader{}).Load(newFile("abi <abi/4.0>,\n@{DIR}=/a\nprofile p {\n" + c.body + "\n}\n"))
		require.Empty(t, diagText(rules.Errors(diagnostics)), c.body)
		gains, complete, err := policy.Profiles[0].Within(c.rule)
		require.NoError(t, err)
		assert.True(t, complete, "%s within %s", c.body, c.rule)
		if c.want == "" {
			assert.Empty(t, gains, "%s within %s", c.body, c.rule)
			continue
		}
		if assert.NotEmpty(t, gains, "%s within %s", c.body, c.rule) {
			assert.Contains(t, RuleFor(gains[0].Example, Transition{}), c.want, "%s within %s", c.body, c.rule)
		}
	}
}

func TestWithinWrongRules(t *testing.T) {
	p := &Profile{Name: "p", Policy: &Policy{}}
	for rule, want := range map[string]string{
		"deny /etc/** w,": "without deny", "": "", "/etc/** q,": "", "}\nprofile x {": "", "capability nonsense": "", "include <a>": "",
	} {
		_, _, err := p.Within(rule)
		assert.ErrorContains(t, err, want, rule)
	}
}
