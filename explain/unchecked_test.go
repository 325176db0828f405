package explain

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/whydenied/whydenied/explain/container"
	"github.com/whydenied/whydenied/explain/library"
)

// alone explains the finding of a log of one denial with no policy at hand.
func alone(t *testing.T, log string, c container.Container) *Explained {
	t.Helper()
	group := NewGroup(func(container.Subject) container.Container { return c }, Filter{})
	for _, d := range denials(t, log) {
		group.Add(d)
	}
	require.Len(t, group.Findings(), 1)
	return New(library.New(t.TempDir(), nil)).ExplainAll(group.Findings())[0]
}

// TestUnchecked holds that what would grant an access without a known profile is told,
// as unproved, and is no fix.
func TestUnchecked(t *testing.T) {
	f := alone(t, apparmorRecord(`apparmor="DENIED" operation="open" profile="q" name="/tmp/tmp.Xb3kQ9zL1p" pid=7 comm="a" requested_mask="wc" denied_mask="wc" fsuid=0 ouid=0`), container.Container{})
	assert.Equal(t, ProfileNotFound, f.Cause)
	assert.Equal(t, Undecidable, f.Decision)
	assert.Equal(t, "q", f.NotFound)
	assert.Empty(t, f.Fixes)
	assert.Nil(t, f.Request, "what is not known is no part of a patch")
	require.NotNil(t, f.Unchecked)
	assert.Equal(t, "owner /tmp/tmp.?????????? w,", f.Unchecked.Rule)
	assert.Empty(t, f.Unchecked.Edits)
	assert.Empty(t, f.Unchecked.Proof)

	f = alone(t, apparmorRecord(`apparmor="DENIED" operation="capable" profile="a//&b//null-/x" pid=7 comm="a" capability=21 capname="sys_admin"`), container.Container{})
	assert.Equal(t, "a//&b", f.NotFound)
	assert.NotEmpty(t, f.Investigate, "a danger is told all the same")

	f = alone(t, apparmorRecord(`apparmor="DENIED" operation="change_hat" info="hat not found" error=-2 profile="q" pid=7 comm="a" target="h"`), container.Container{})
	assert.Nil(t, f.Unchecked, "no rule decides on it")
}

// TestUncheckedCall is the same for a filter that is not known, unless it is known that the
// container has none: then it is the program's own.
func TestUncheckedCall(t *testing.T) {
	const log = `type=SECCOMP msg=audit(1795427169.844:1): auid=0 uid=0 gid=0 ses=1 pid=7 comm="x" exe="/opt/x" sig=31 arch=c000003e syscall=161 compat=0 ip=0x1 code=0x0` + "\n"
	f := alone(t, log, container.Container{})
	assert.Equal(t, "program /opt/x", f.NotFound)
	require.NotNil(t, f.Unchecked)
	assert.Equal(t, `"chroot"`, f.Unchecked.Rule)
	assert.Nil(t, f.Call)

	f = alone(t, log, container.Container{ID: "1", Name: "web", Confidence: container.High, Evidence: []string{"x"}, SeccompProfile: "/no/such.json"})
	assert.Equal(t, "container web", f.NotFound)
	f = alone(t, log, container.Container{ID: "1", Name: "web", Confidence: container.High, Evidence: []string{"x"}, SeccompProfile: "unconfined"})
	assert.Empty(t, f.NotFound)
	assert.Nil(t, f.Unchecked)
}

// Flags that no rule can name together are granted by one for the mount point alone.
func TestMountOfFlagsThatNoRuleNames(t *testing.T) {
	f := explained(t, apparmorRecord(`apparmor="DENIED" operation="mount" class="mount" info="failed flags match" error=-13 profile="p" name="/srv/a/dev/" pid=7 comm="b" flags="ro, nosuid, noexec, remount, rbind, rprivate"`),
		"profile p {\n  mount options=(ro, nosuid, noexec, remount, bind),\n}\n")
	assert.Equal(t, NoMatchingRule, f.Cause)
	require.Len(t, f.Fixes, 1)
	assert.Equal(t, "mount -> /srv/a/dev/,", f.Fixes[0].Rule)
	assert.Contains(t, f.Fixes[0].Grants, "mount")
	f = explained(t, apparmorRecord(`apparmor="DENIED" operation="mount" class="mount" info="failed flags match" error=-13 profile="p" name="/srv/a/dev/" pid=7 comm="b" flags="ro, remount, bind"`),
		"profile p {\n  file,\n}\n")
	require.Len(t, f.Fixes, 1)
	assert.Contains(t, f.Fixes[0].Rule, "remount") // what one names is named
}

// What each text allows that is known was refused by one that is not: an older release's.
func TestAllowedByEveryKnownText(t *testing.T) {
	f := alone(t, apparmorRecord(`apparmor="DENIED" operation="ptrace" profile="docker-default" pid=7 comm="ps" requested_mask="readby" denied_mask="readby" peer="docker-default"`), container.Container{})
	assert.Equal(t, AllowedByProfile, f.Cause)
	assert.Contains(t, f.Notes[0], "that of an older release may not. Update the engine")
	f = alone(t, apparmorRecord(`apparmor="DENIED" operation="ptrace" profile="docker-default" pid=7 comm="ps" requested_mask="read" denied_mask="read" peer="unconfined"`), container.Container{})
	assert.Contains(t, f.Notes[0], "answers the same")
}
