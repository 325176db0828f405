package library

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/whydenied/whydenied/rules"
)

// TestOtherKinds holds that what is evidently of another kind than policy is one error,
// which says what to take instead, and that policy is none of them.
func TestOtherKinds(t *testing.T) {
	for text, want := range map[string]string{
		"apiVersion: v1\nkind: Pod\nmetadata: {name: p}\n":                                                                    "kind Pod",
		"---\napiVersion: security-profiles-operator.x-k8s.io/v1\nkind: ProfileRecording\n":                                   "kubectl get seccompprofile",
		"apiVersion: v1\nkind: ConfigMap\ndata:\n  p.json: |-\n    {\"defaultAction\": \"SCMP_ACT_ERRNO\"}\n":                 "jq -r '.data[\"KEY\"]'",
		"Name = \"web\"\n[Filesystem]\nReadOnlyPaths = [\"/bin/**\"]\n":                                                       "TOML",
		"apiVersion: security-profiles-operator.x-k8s.io/v1\nkind: AppArmorProfile\nspec:\n  abstract:\n    filesystem: {}\n": "/etc/apparmor.d",
	} {
		diagnostics, noPolicy := New("", nil).Lint(rules.NewFile("f", text))
		if assert.Len(t, diagnostics, 1, text) {
			assert.Equal(t, "not-a-policy", diagnostics[0].Code)
			assert.Contains(t, diagnostics[0].Message, want)
		}
		assert.Error(t, noPolicy)
	}
	for _, text := range []string{"profile p {\n  /srv/[ab] r,\n}\n", "@{x} = \"a\"\nprofile p {\n}\n", "apiVersion: security-profiles-operator.x-k8s.io/v1beta1\nkind: SeccompProfile\nspec:\n  defaultAction: SCMP_ACT_ALLOW\n"} {
		_, noPolicy := New("", nil).Lint(rules.NewFile("f", text))
		assert.NoError(t, noPolicy, text)
	}
	for text, want := range map[string]string{
		`{"defaultAction": "SCMP_ACT_ERRNO"}`:              "name it by --seccomp",
		"apiVersion: v1\nkind: Pod\nmetadata: {name: p}\n": "a Kubernetes resource of kind Pod",
	} {
		name := filepath.Join(t.TempDir(), "f")
		require.NoError(t, os.WriteFile(name, []byte(text), 0o600))
		_, _, err := New("", nil).AddProfile(name)
		assert.ErrorContains(t, err, want)
	}
}
