package explain_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/whydenied/whydenied/explain"
	"github.com/whydenied/whydenied/explain/container"
	"github.com/whydenied/whydenied/explain/library"
	"github.com/whydenied/whydenied/explain/patch"
)

// underProfile explains one record under a profile, a text or the name of a built-in one.
func underProfile(t *testing.T, record, profile string) (*explain.Explained, *patch.Patch) {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(dir, "abi"), 0o700))
	for _, name := range []string{"3.0", "4.0"} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, "abi", name), nil, 0o600))
	}
	x := explain.New(library.New(dir, nil))
	if !library.IsBuiltin(profile) {
		name := filepath.Join(dir, "p")
		require.NoError(t, os.WriteFile(name, []byte(profile), 0o600))
		profile = name
	}
	_, _, err := x.Library.AddProfile(profile)
	require.NoError(t, err)
	g := explain.NewGroup(nil, explain.Filter{})
	g.Add(denials(t, "type=AVC msg=audit(1795427169.844:1): "+record+"\n")[0])
	findings := x.ExplainAll(g.Findings())
	return findings[0], patch.Make(x, findings)
}

// No rule is proposed that has no effect under the abi of the policy.
func TestUsernsByABI(t *testing.T) {
	const record = `apparmor="DENIED" operation="userns_create" class="namespace" profile="docker-default" pid=4242 comm="coolwsd" requested="userns_create" denied="userns_create"`
	const body = "profile docker-default {\n  network,\n}\n"
	f, change := underProfile(t, record, "abi <abi/3.0>,\n"+body)
	assert.Equal(t, explain.AllowedByProfile, f.Cause)
	assert.Contains(t, f.Why, "this text of the profile cannot have been in force, as under its abi 3.0")
	assert.Empty(t, f.Fixes)
	assert.Empty(t, f.Quiet)
	assert.Empty(t, change.Changes)

	for _, profile := range []string{body, "builtin:docker-default@28.1"} {
		f, change = underProfile(t, record, profile)
		require.Len(t, f.Fixes, 1)
		assert.Len(t, f.Fixes[0].Edits, 2)
		assert.Empty(t, f.Quiet)
		require.Len(t, change.Changes, 1)
		assert.Contains(t, change.Changes[0].New, "abi <abi/4.0>,\n")
		assert.Contains(t, change.Changes[0].New, "  userns create,\n")
	}

	f, change = underProfile(t, record, "abi <abi/4.0>,\n"+body)
	require.Len(t, f.Fixes, 1)
	assert.Len(t, f.Fixes[0].Edits, 1)
	require.Len(t, change.Changes, 1)
	assert.Equal(t, "abi <abi/4.0>,\nprofile docker-default {\n  network,\n  userns create,\n}\n", change.Changes[0].New)
}

// From Linux 6.17 on, the rule network, of a policy without abi covers no unix sockets.
func TestUnixSockets(t *testing.T) {
	const record = `apparmor="DENIED" operation="create" class="net" info="failed protocol match" error=-13 profile="cri-containerd.apparmor.d" pid=7 comm="x" family="unix" sock_type="dgram" protocol=0 requested="create" denied="create" addr=none`
	const body = "profile cri-containerd.apparmor.d {\n  network,\n}\n"
	f, change := underProfile(t, record, body)
	assert.Equal(t, explain.NoMatchingRule, f.Cause)
	assert.Contains(t, f.Why, "Linux 6.17")
	require.Len(t, f.Fixes, 2)
	assert.Equal(t, []string{"abi <abi/3.0>,", "unix,"}, []string{f.Fixes[0].Rule, f.Fixes[1].Rule})
	require.Len(t, change.Changes, 1)
	assert.Equal(t, "abi <abi/3.0>,\n"+body, change.Changes[0].New)

	f, change = underProfile(t, record, "builtin:cri-containerd.apparmor.d@1.7.24")
	require.Len(t, f.Fixes, 2)
	require.Len(t, change.Changes, 1)
	assert.Contains(t, change.Changes[0].New, "abi <abi/3.0>,\n")
	assert.Contains(t, change.Changes[0].New, "profile cri-containerd.apparmor.d-custom")

	f, _ = underProfile(t, record, "profile cri-containerd.apparmor.d {\n  network,\n  userns,\n}\n")
	require.Len(t, f.Fixes, 2)
	assert.Equal(t, "abi <abi/4.0>,", f.Fixes[0].Rule)
	f, _ = underProfile(t, record, "abi <abi/3.0>,\n"+body)
	assert.Equal(t, explain.AllowedByProfile, f.Cause, "%s", f.Why)
	f, _ = underProfile(t, record, "profile cri-containerd.apparmor.d {\n}\n")
	assert.Equal(t, explain.NoMatchingRule, f.Cause)
	assert.NotContains(t, f.Why, "6.17")
}

// An engine that a snap confines may not stop containers under a profile that another
// engine loaded.
func TestSnapSignals(t *testing.T) {
	const record = `apparmor="DENIED" operation="signal" class="signal" profile="docker-default" pid=776562 comm="runc" requested_mask="receive" denied_mask="receive" signal=quit peer="snap.docker.dockerd"`
	f, change := underProfile(t, record, "builtin:docker-default@28.1")
	require.Len(t, f.Fixes, 2)
	assert.Equal(t, "signal (receive) peer=snap.docker.dockerd,", f.Fixes[0].Rule)
	assert.Contains(t, fmt.Sprint(f.Notes), "another engine loaded the one in force")
	require.Len(t, change.Changes, 1)
	assert.Contains(t, change.Changes[0].New, "  signal (receive) peer=snap.docker.dockerd,\n")
}

// Where the engine's version is not known, the text is the newest under which all records
// of a log are possible, and one change is made of it.
func TestPossibleText(t *testing.T) {
	const userns = `apparmor="DENIED" operation="userns_create" class="namespace" profile="docker-default" pid=4242 comm="coolwsd" requested="userns_create" denied="userns_create"`
	const mount = `apparmor="DENIED" operation="mount" class="mount" info="failed mntpnt match" error=-13 profile="docker-default" name="/opt/cool/child-roots/abc/" pid=4243 comm="coolmount" srcname="/opt/cool/systemplate/" flags="rw, rbind"`
	x := explain.New(library.New(t.TempDir(), nil))
	g := explain.NewGroup(nil, explain.Filter{})
	for _, d := range denials(t, "type=AVC msg=audit(1795427169.844:1): "+mount+"\ntype=AVC msg=audit(1795427169.845:2): "+userns+"\n") {
		g.Add(d)
	}
	findings := x.ExplainAll(g.Findings())
	require.Len(t, findings, 2)
	assert.Same(t, findings[0].Profile.Policy, findings[1].Profile.Policy)
	for _, f := range findings {
		assert.Nil(t, f.Profile.Policy.ABI)
		assert.Contains(t, f.Policy, "26.1.3 to 29.4.2")
	}
	assert.Contains(t, fmt.Sprint(findings[1].Notes), "under its abi 3.0 the kernel asks it about no such access")
	change := patch.Make(x, findings)
	require.Len(t, change.Changes, 1)
	assert.Len(t, change.Remedies, 2)
	assert.Contains(t, change.Changes[0].New, "abi <abi/4.0>,\n")

	alone, _ := explain.NewGroup(nil, explain.Filter{}).Add(denials(t, "type=AVC msg=audit(1795427169.845:2): "+userns+"\n")[0])
	f := explain.New(library.New(t.TempDir(), nil)).Explain(*alone)
	assert.Equal(t, explain.NoMatchingRule, f.Cause, "as it comes, too: %s", f.Why)
}

// In a container with a user namespace of its own nothing that it can be given helps
// against what the kernel asks for on the host.
func TestOutOfReach(t *testing.T) {
	c := container.Container{ID: "c1", Name: "c1", Runtime: "docker", Caps: []string{}, UserNamespace: true, AppArmorProfile: "docker-default", Confidence: container.High}
	inventory := new(container.Inventory)
	inventory.Add(c)
	for nr, none := range map[int]bool{nrSwapon: true, nrMount: false} {
		x := explain.New(library.New(t.TempDir(), nil))
		g := explain.NewGroup(inventory.Find, explain.Filter{})
		g.Add(loggedCall(t, nr, "x"))
		findings := x.ExplainAll(g.Findings())
		assert.Equal(t, none, len(findings[0].Fixes) == 0, "%d: %v", nr, messages(findings[0].Fixes))
		change := patch.Make(x, findings)
		assert.Equal(t, none, len(change.Left) == 1)
	}
}
