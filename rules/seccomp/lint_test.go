package seccomp

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/whydenied/whydenied/rules"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// lintText returns all diagnostics of a profile, a line each.
func lintText(p *Profile) string {
	var b strings.Builder
	for _, d := range Lint(p) {
		b.WriteString(d.String() + "\n")
		for _, r := range d.Related {
			b.WriteString("  " + r.At.String() + ": " + r.Message + "\n")
		}
	}
	return b.String()
}

func TestLintGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/profiles/*.json")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		got := lintText(parse(t, filepath.Base(file), string(text)))
		golden := strings.TrimSuffix(file, ".json") + ".lint"
		if *update {
			require.NoError(t, os.WriteFile(golden, []byte(got), 0o644))
		}
		want, err := os.ReadFile(golden)
		require.NoError(t, err)
		assert.Equal(t, string(want), got, file)
	}
}

// The guide's allowlist cannot start sh, and the report says why.
func TestLintRestrictive(t *testing.T) {
	text, err := os.ReadFile("testdata/profiles/restrictive.json")
	require.NoError(t, err)
	var found bool
	for _, d := range Lint(parse(t, "restrictive.json", string(text))) {
		if d.Code == "cannot-start" {
			found = true
			assert.Equal(t, rules.Error, d.Severity)
			assert.Contains(t, d.Message, "rt_sigreturn")
			assert.Contains(t, d.Message, "wait4")
			assert.Contains(t, d.Message, "prctl")
			assert.GreaterOrEqual(t, len(d.Related), 8)
		}
	}
	assert.True(t, found)
}

// Nothing in a default profile is unknown, duplicate or unreachable.
func TestLintBuiltins(t *testing.T) {
	for _, r := range releases {
		for _, d := range Lint(builtin(r)) {
			assert.Contains(t, []string{"dangerous-allow", "no-fallback"}, d.Code, "%s", d)
		}
	}
}

func TestBuiltin(t *testing.T) {
	tests := []struct{ engine, version, want string }{
		{"docker", "20.10.24+dfsg1", "Docker's default seccomp profile of moby v20.10.23"},
		{"dockerd", "v20.10.22", "Docker's default seccomp profile of moby v20.10.22"},
		{"docker", "23.0.9", "Docker's default seccomp profile of moby v23.0.7"},
		{"docker", "24.0.2", "Docker's default seccomp profile of moby v24.0.0"},
		{"docker", "27.5.1", "Docker's default seccomp profile of moby v25.0.3"},
		{"docker", "28.5.2", "Docker's default seccomp profile of moby v28.2.0"},
		{"Docker", "", "Docker's default seccomp profile of moby/profiles seccomp v0.2.4, the newest known; the version in use is unknown"},
		{"docker", "99.1", "Docker's default seccomp profile of moby/profiles seccomp v0.2.4, the newest known; in use is 99.1"},
		{"docker", "1.13", "Docker's default seccomp profile of moby v20.10.0, the oldest known; in use is 1.13"},
		{"containerd", "v2.4.2", "containerd's default seccomp profile of containerd v2.4.2"},
		{"containerd", "1.7.2", "containerd's default seccomp profile of containerd v2.4.2, the newest known; in use is 1.7.2"},
		{"cri-o", "1.31", "Podman's and CRI-O's default seccomp profile of go.podman.io/common v0.66.0, the newest known; in use is 1.31"},
	}
	for _, test := range tests {
		p, name, ok := Builtin(test.engine, test.version)
		require.True(t, ok)
		assert.Equal(t, test.want, name)
		assert.True(t, strings.HasPrefix(name, p.File.Builtin))
		assert.NotEmpty(t, p.File.Builtin)
	}
	_, _, ok := Builtin("lxc", "1")
	assert.False(t, ok)
}

func TestAdvice(t *testing.T) {
	older, who, ok := Fallback("clone3")
	assert.True(t, ok)
	assert.Equal(t, "clone", older)
	assert.Contains(t, who, "glibc")
	names, why := Relatives("clone3")
	assert.Contains(t, names, "clone")
	assert.NotContains(t, names, "clone3")
	assert.NotEmpty(t, why)
	for _, f := range families {
		for _, name := range f.names {
			assert.True(t, inAnyTable(name) || name == "fstatat64", name)
		}
	}
	for name, f := range fallbacks {
		assert.True(t, inAnyTable(name), name)
		assert.True(t, inAnyTable(f.older), f.older)
	}
	for _, b := range startCalls {
		for _, name := range b.names {
			assert.True(t, inAnyTable(name), name)
		}
	}
	for name := range dangerous {
		assert.True(t, inAnyTable(name), name)
	}
}

// SCMP_ACT_NOTIFY is for a listener, which runc wants to be told of.
func TestLintNotify(t *testing.T) {
	const entry = `"syscalls":[{"names":["mkdir"],"action":"SCMP_ACT_NOTIFY"}]}`
	has := func(text string) bool {
		return strings.Contains(lintText(parse(t, "p.json", text)), "notify-no-listener")
	}
	assert.True(t, has(`{"defaultAction":"SCMP_ACT_ALLOW",`+entry))
	assert.True(t, has(`{"defaultAction":"SCMP_ACT_ALLOW","listenerPath":"",`+entry))
	assert.False(t, has(`{"defaultAction":"SCMP_ACT_ALLOW","listenerPath":"/run/agent.sock",`+entry))
	assert.False(t, has(`{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["mkdir"],"action":"SCMP_ACT_ERRNO"}]}`))
}
