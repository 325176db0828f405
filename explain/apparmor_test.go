package explain

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/whydenied/whydenied/explain/library"
)

// A flag that the source has cannot be what is missing: another text is loaded.
func TestPathFlagIsThere(t *testing.T) {
	for _, c := range []struct{ flag, info string }{
		{"attach_disconnected", "Failed name lookup - disconnected path"},
		{"mediate_deleted", "Failed name lookup - deleted entry"},
	} {
		log := apparmorRecord(`apparmor="DENIED" operation="open" info="` + c.info + `" error=-13 profile="p" name="a/b" pid=7 comm="cat" requested_mask="r" denied_mask="r" fsuid=0 ouid=0`)
		missing := explained(t, log, "profile p { }")
		assert.Equal(t, DisconnectedPath, missing.Cause, c.flag)
		require.Len(t, missing.Fixes, 1, c.flag)

		if c.flag == "attach_disconnected" {
			where := explained(t, log, "abi <abi/5.0>,\nprofile p flags=(attach_disconnected.path=/att/) { }")
			assert.Equal(t, AllowedByProfile, where.Cause, "it is attached elsewhere")
			assert.Empty(t, where.Fixes)
		}
		there := explained(t, log, "profile p flags=("+c.flag+") { }")
		assert.Equal(t, AllowedByProfile, there.Cause, c.flag)
		assert.Equal(t, Granted, there.Decision, c.flag)
		assert.Contains(t, there.Why, c.flag)
		assert.Empty(t, there.Fixes, c.flag)
	}
}

// Complain mode does not permit a path that cannot be looked up.
func TestComplainRefusesWithoutName(t *testing.T) {
	f := explained(t, apparmorRecord(`apparmor="ALLOWED" operation="open" info="Failed name lookup - disconnected path" error=-13 profile="p" name="a/b" pid=7 comm="cat" requested_mask="r" denied_mask="r" fsuid=0 ouid=0`), "profile p flags=(complain) { }")
	assert.Equal(t, DisconnectedPath, f.Cause)
	assert.Equal(t, Refused, f.Decision)
	require.NotEmpty(t, f.Fixes)
	assert.Contains(t, strings.Join(f.Notes, " "), "complain mode does not permit it")
}

// The engines write @{PROC}=/proc/ into their profile where tunables/global is
// missing, so it decides on a machine without AppArmor's files too.
func TestBuiltinWithoutTunables(t *testing.T) {
	for _, profile := range []string{"docker-default", "cri-containerd.apparmor.d", "containers-default-0.62.2", "crio-default"} {
		explainer := New(library.New(filepath.Join(t.TempDir(), "none"), nil))
		g := NewGroup(nil, Filter{})
		for _, d := range denials(t, apparmorRecord(`apparmor="DENIED" operation="open" profile="`+profile+`" name="/proc/sys/kernel/core_pattern" pid=7 comm="sh" requested_mask="w" denied_mask="w" fsuid=0 ouid=0`)) {
			g.Add(d)
		}
		finding := explainer.Explain(*g.Findings()[0])
		assert.Equal(t, DenyRule, finding.Cause, profile)
		assert.NotEmpty(t, finding.Policy, profile)
		require.NotEmpty(t, finding.Rules, profile)
		assert.Contains(t, finding.Rules[0].At.Text(), "deny @{PROC}/", profile)
	}
}

// A class that policy has no rules for is not decided by file rules.
func TestUnknownClass(t *testing.T) {
	f := explained(t, apparmorRecord(`apparmor="DENIED" operation="module_load" class="module" profile="p" name="/m.ko" pid=7 comm="insmod" requested="load" denied="load"`), "profile p { }")
	assert.Equal(t, UndecidedOperation, f.Cause)
	assert.Empty(t, f.Fixes)
}

// Ubuntu refuses user namespaces to unconfined programs.
func TestRestrictedUserNamespace(t *testing.T) {
	f := explained(t, apparmorRecord(`apparmor="DENIED" operation="userns_create" class="namespace" info="User namespace creation restricted" error=-13 profile="unconfined" pid=7 comm="bwrap" requested="userns_create" denied="userns_create"`), "profile p { }")
	assert.Contains(t, f.Why, "kernel.apparmor_restrict_unprivileged_userns")
}

// The kernel's own words decide what rules alone would answer wrongly.
func TestKernelReasons(t *testing.T) {
	f := explained(t, apparmorRecord(`apparmor="DENIED" operation="link" info="link not subset of target" error=-13 profile="p" name="/a/new" pid=7 comm="ln" requested_mask="xm" denied_mask="xm" fsuid=0 ouid=0 target="/b/old"`),
		"profile p {\n  /a/* rmix,\n  /b/* r,\n}\n")
	assert.Equal(t, MissingPermission, f.Cause)
	assert.Contains(t, f.Why, "than to its target /b/old")
	require.Len(t, f.Rules, 2)
	assert.Equal(t, "/a/* rmix,", f.Rules[0].At.Text())
	assert.Equal(t, "/b/* r,", f.Rules[1].At.Text())
	assert.Empty(t, f.Fixes, "no rule for the new name alone can help")

	const link = `apparmor="DENIED" operation="link" info="link not subset of target" error=-13 profile="p" name="/a/new" pid=7 comm="ln" requested_mask="x" denied_mask="x" fsuid=0 ouid=0 target="/b/old"`
	for profile, fix := range map[string]string{
		"profile p {\n  /a/* rlix,\n  /b/* rpx -> q,\n}\n":     "/a/new px -> q,",
		"profile p {\n  /a/new rlPx,\n  /b/old ix,\n}\n":       "/a/new rlix,",
		"profile p {\n  /a/new rlix,\n  /b/old rPx -> q,\n}\n": "",
	} {
		f = explained(t, apparmorRecord(link), profile)
		if fix == "" {
			assert.Empty(t, f.Fixes, profile)
			continue
		}
		require.Len(t, f.Fixes, 1, profile)
		assert.Equal(t, fix, f.Fixes[0].Rule)
	}

	const missing = `apparmor="DENIED" operation="exec" info="profile transition not found" error=-13 profile="p" name="/a/x" pid=7 comm="sh" requested_mask="x" denied_mask="x" fsuid=0 ouid=0 target="q"`
	for profile, fix := range map[string]string{
		"profile p {\n  /a/x rpx -> q,\n}\n":      "/a/x rpix -> q,",
		"profile p {\n  /a/* rpx -> q,\n}\n":      "/a/x pix -> q,",
		"profile p {\n  /a/x rPx,\n}\n":           "/a/x rPix,",
		"profile p {\n  /a/* px -> \"q r\",\n}\n": "/a/x pix -> \"q r\",",
		"profile p {\n  /a/* Px,\n}\n":            "/a/x Pix,",
	} {
		f = explained(t, apparmorRecord(missing), profile)
		require.Len(t, f.Fixes, 1, profile)
		assert.Equal(t, fix, f.Fixes[0].Rule)
	}

	f = explained(t, apparmorRecord(`apparmor="DENIED" operation="change_hat" info="hat not found" error=-2 profile="p" name="h" pid=7 comm="apache2"`),
		"profile p {\n  hat other { }\n}\n")
	assert.Equal(t, ProfileNotLoaded, f.Cause)
	assert.Contains(t, f.Why, "profile p has no hat h")

	f = explained(t, apparmorRecord(`apparmor="DENIED" operation="setrlimit" class="rlimits" info="cap_sys_resource" error=-13 profile="p" pid=7 comm="sh" rlimit=memlock value=18446744073709551615 peer="q"`), "profile p { }")
	assert.Equal(t, NoMatchingRule, f.Cause)
	require.NotEmpty(t, f.Fixes)
	assert.Equal(t, "capability sys_resource,", f.Fixes[0].Rule)
}

func TestLearningNote(t *testing.T) {
	f := explained(t, apparmorRecord(`apparmor="ALLOWED" operation="open" profile="p//null-/usr/bin/a//null-/usr/bin/b" name="/x" pid=7 comm="b" requested_mask="r" denied_mask="r" fsuid=0 ouid=0`), "profile p flags=(complain) { }")
	require.NotEmpty(t, f.Notes)
	assert.Contains(t, f.Notes[0], "learning: /usr/bin/a, then /usr/bin/b was executed without a rule")
}

// TestAskedNext holds that a finding says which capability comes next.
func TestAskedNext(t *testing.T) {
	const (
		mount = `apparmor="DENIED" operation="mount" error=-13 profile="p" name="/mnt/" pid=7 comm="mount" fstype="tmpfs" srcname="none" flags="rw"`
		raw   = `apparmor="DENIED" operation="create" profile="p" pid=7 comm="ping" family="inet" sock_type="raw" protocol=1 requested_mask="create" denied_mask="create"`
	)
	next := func(name string) string {
		return "The kernel asks for capability " + name + " next, which the profile does not allow either."
	}
	assert.Contains(t, explained(t, apparmorRecord(mount), "profile p {\n}\n").Notes, next("sys_admin"))
	assert.NotContains(t, explained(t, apparmorRecord(mount), "profile p {\n  capability sys_admin,\n}\n").Notes, next("sys_admin"))
	assert.Contains(t, explained(t, apparmorRecord(raw), "profile p {\n}\n").Notes, next("net_raw"))
	assert.NotContains(t, explained(t, apparmorRecord(strings.Replace(raw, "raw", "dgram", 1)), "profile p {\n}\n").Notes, next("net_raw"))
}

// TestMissingTarget holds that a failed exec transition names the profile that the
// rule leads to, which the record does not.
func TestMissingTarget(t *testing.T) {
	const record = `apparmor="DENIED" operation="exec" info="profile transition not found" error=-13 profile="p" name="/bin/x" pid=7 comm="sh" requested_mask="x" denied_mask="x" fsuid=0 ouid=0`
	for _, c := range []struct{ target, profiles, rule, why string }{
		{"", "", "/bin/x px -> q,", "the rule sends /bin/x to profile q, which is not loaded"},
		{"/bin/x", "", "/bin/x px,", "the rule sends /bin/x to the profile that attaches to it, and none that does is loaded"},
		{"/bin/x", "profile q /bin/x {}", "/bin/* Px,", "the rule sends /bin/x to the profile that attaches to it, and q is not loaded"},
		{"/bin/x", "profile q /bin/? {} profile r /b?n/x {}", "/bin/x Px,", "the rule sends /bin/x to the profile that attaches to it, and q and r all do: where neither names it more closely, the kernel takes none"},
		{"/bin/x", "profile q /bin/x {}", "/bin/x Cx,", "the rule sends /bin/x to the child profile that attaches to it, and none that does is loaded"},
	} {
		body := record
		if c.target != "" {
			body += fmt.Sprintf(` target=%q`, c.target)
		}
		f := explained(t, apparmorRecord(body), "profile p {\n  "+c.rule+"\n}\n"+c.profiles+"\n")
		assert.Equal(t, ExecTransition, f.Cause)
		assert.Equal(t, c.why, f.Why)
	}
}
