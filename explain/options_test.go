package explain_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/whydenied/whydenied/explain"
	"github.com/whydenied/whydenied/explain/container"
	"github.com/whydenied/whydenied/parser"
)

const twoDenials = `type=AVC msg=audit(1795427172.956:20): apparmor="DENIED" operation="open" profile="docker-default" name="/proc/sysrq-trigger" pid=181 comm="sh" requested_mask="w" denied_mask="w" fsuid=0 ouid=0
type=SECCOMP msg=audit(1795427173.100:21): auid=0 uid=0 gid=0 ses=1 pid=181 comm="sh" exe="/bin/sh" sig=0 arch=c000003e syscall=165 compat=0 ip=0x7f code=0x50000
`

func logOf(text string) parser.Block { return parser.Block{File: "audit.log", Body: []byte(text)} }

// TestLog holds that a log is explained by what the options name, and by what is built
// in where they name nothing.
func TestLog(t *testing.T) {
	findings, stats, err := explain.Log(logOf(twoDenials), explain.Options{ProfileDir: t.TempDir()})
	require.NoError(t, err)
	require.Len(t, findings, 2)
	assert.Equal(t, 2, stats.Records)
	assert.Equal(t, explain.DenyRule, findings[0].Cause)
	assert.Contains(t, findings[0].Policy, "the version of Docker is not known")
	assert.Equal(t, explain.Undecidable, findings[1].Decision, "no profile is known")

	findings, _, err = explain.Log(logOf(twoDenials), explain.Options{
		Profiles: []string{"builtin:docker-default@28.1"}, ProfileDir: t.TempDir(), Seccomp: "builtin:docker@28.1",
		Inventory: &container.Inventory{Containers: []container.Container{{ID: "a", Name: "web", AppArmorProfile: "docker-default", PID: 181}}},
		Caps:      []string{"CAP_CHOWN"}, Filter: explain.Filter{Containers: []string{"web"}},
	})
	require.NoError(t, err)
	require.Len(t, findings, 2)
	assert.NotContains(t, findings[0].Policy, "unknown")
	assert.Equal(t, "web", findings[0].Container.Name)
	assert.Equal(t, explain.CapabilityGated, findings[1].Cause)

	findings, _, err = explain.Log(logOf(twoDenials), explain.Options{ProfileDir: t.TempDir(), Filter: explain.Filter{Comms: []string{"cat"}}})
	require.NoError(t, err)
	assert.Empty(t, findings)
}

// TestOptionsFail holds that what is named and cannot be read is an error, and what is
// wrong with policy is told.
func TestOptionsFail(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "missing")
	for want, o := range map[string]explain.Options{
		"cannot read the profile directory":     {ProfileDir: missing},
		"cannot read the profile:":              {Profiles: []string{missing}},
		`no profile "x" is built in`:            {Profiles: []string{"builtin:x"}},
		`no seccomp profile of "y" is built in`: {Seccomp: "builtin:y"},
	} {
		_, _, err := explain.Log(logOf(twoDenials), o)
		assert.ErrorContains(t, err, want)
	}
	torn := filepath.Join(t.TempDir(), "torn")
	require.NoError(t, os.WriteFile(torn, []byte("profile p {\n  /a nonsense,\n}\n"), 0o600))
	_, problems, err := explain.Options{Profiles: []string{torn}}.Explainer()
	require.NoError(t, err)
	assert.NotEmpty(t, problems)
	_, problems, err = explain.Options{Profiles: []string{torn, missing}}.Explainer()
	assert.Error(t, err)
	assert.NotEmpty(t, problems, "of what was read before it failed")
}
