package explain_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/whydenied/whydenied/explain"
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
