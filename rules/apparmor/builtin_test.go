package apparmor

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/whydenied/whydenied/rules"
)

func TestBuiltins(t *testing.T) {
	const runc, powercap = "peer=runc,", "/sys/devices/virtual/powercap/"
	for _, test := range []struct {
		profile, version, says string // "" means none
		holds, lacks, unknown  string
		others                 int
	}{
		{"docker-default", "20.10.24+dfsg1", "docker-default of Docker 20.10.24 (github.com/docker/docker v20.10.14)", "deny mount,", powercap, "", 0},
		{"docker-default", "20.10.26", "docker-default of Docker 20.10.26 (github.com/docker/docker v23.0.7)", "[^0-9/]*}", powercap, "", 0},
		{"docker-default", "20.10.27", "docker-default of Docker 20.10.27 (github.com/docker/docker v23.0.11)", powercap, runc, "", 0},
		{"docker-default", "23.0.12", "docker-default of Docker 23.0.12 (github.com/docker/docker v23.0.18)", runc, "network alg", "", 0},
		{"docker-default", "26.1.2", "docker-default of Docker 26.1.2 (github.com/docker/docker v24.0.9)", powercap, runc, "", 0},
		{"docker-default", "28.1", "docker-default of Docker 28.1 (github.com/docker/docker v28.0.4)", runc, "network alg", "", 0},
		{"docker-default", "29.4.2", "docker-default of Docker 29.4.2 (github.com/docker/docker v28.0.4)", runc, "network alg", "", 0},
		{"docker-default", "29.4.3", "docker-default of Docker 29.4.3 (github.com/moby/profiles/apparmor v0.2.1)", "deny network alg,", "{{", "", 0},
		{"docker-default", "v99.0.0", "docker-default of Docker 29.7.0 to 29.7.2 (github.com/moby/profiles/apparmor v0.2.1)", "abi <abi/3.0>,", "vsock", "Docker v99.0.0 is not known, newer than 29.7.2", 1},
		{"docker-default", "19.03.15", "docker-default of Docker 20.10.0 to 20.10.3 (github.com/docker/docker v20.10.14)", "deny mount,", powercap, "Docker 19.03.15 is not known, older than 20.10.0", 0},
		{"docker-default", "", "docker-default of Docker 29.4.3 to 29.7.2 (github.com/moby/profiles/apparmor v0.2.1)", "deny network alg,", "vsock", "the version of Docker is not known", 8},
		{"cri-containerd.apparmor.d", "v1.6.20~ds1", "cri-containerd.apparmor.d of containerd 1.6.20 (github.com/containerd/containerd v1.5.10)", "signal", runc, "", 0},
		{"cri-containerd.apparmor.d", "1.7.29", "cri-containerd.apparmor.d of containerd 1.7.29 (github.com/containerd/containerd/v2 v2.0.7)", runc, "abi <", "", 0},
		{"cri-containerd.apparmor.d", "2.4.2", "cri-containerd.apparmor.d of containerd 2.4.2 (github.com/containerd/containerd/v2 v2.3.4)", "abi <abi/3.0>,", "{{", "", 0},
		{"crio-default", "1.29.1", "crio-default of CRI-O 1.29.1 (github.com/containers/common v0.57.7)", "profile crio-default ", "containers-default", "", 0},
		{"containers-default-0.66.0", "", "containers-default-0.66.0 of containers-common 0.66.0 (github.com/containers/common v0.64.1)", "peer=containers-default-0.66.0,", "{{", "", 0},
		{"containers-default-0.50.1", "4.3.1", "containers-default-0.50.1 of containers-common 0.50.1 (github.com/containers/common v0.47.5)", "profile containers-default-0.50.1 flags=", "{{", "", 0},
		{"containers-default-0.57.4-dev", "", "containers-default-0.57.4-dev of containers-common 0.57.4 (github.com/containers/common v0.57.7)", "profile containers-default-0.57.4-dev flags=", "{{", "", 0},
		{"containers-default", "", "", "", "", "", 0},
		{"containers-default-1 { file, }", "", "", "", "", "", 0},
		{"docker-default//child", "", "", "", "", "", 0},
		{"lxc-container-default-cgns", "", "", "", "", "", 0},
		{"web", "1.0", "", "", "", "", 0},
		{"", "", "", "", "", "", 0},
	} {
		t.Run(test.profile+" "+test.version, func(t *testing.T) {
			all, unknown := Builtins(test.profile, test.version)
			require.Equal(t, test.says != "", IsBuiltin(test.profile))
			assert.Equal(t, test.unknown, unknown)
			if test.says == "" {
				require.Empty(t, all)
				return
			}
			assert.Len(t, all[1:], test.others)
			f := all[0].File
			assert.Equal(t, "builtin:"+test.profile, f.Name)
			assert.Equal(t, test.says, f.Builtin)
			assert.Contains(t, f.Text, test.holds)
			assert.NotContains(t, f.Text, test.lacks)
		})
	}
}

// Each row of the releases has its text, and each text a row.
func TestBuiltinTexts(t *testing.T) {
	named := map[string]bool{}
	for engine := range rules.EngineTitles {
		all, _ := rules.FindReleases(engine, "")
		for _, r := range all.All {
			require.Contains(t, builtins(), r.AppArmor)
			named[r.AppArmor] = true
		}
	}
	assert.Len(t, builtins(), len(named))
}

// The system's own compiler takes every text.
func TestBuiltinCompiles(t *testing.T) {
	compiler, err := exec.LookPath("apparmor_parser")
	if err != nil {
		if os.Getenv("REQUIRE_TOOLS") == "1" {
			t.Fatal("needs apparmor_parser")
		}
		t.Skip("needs apparmor_parser")
	}
	if _, err := os.Stat("/etc/apparmor.d/abi/3.0"); err != nil {
		t.Skip("needs the includes of AppArmor 3: /etc/apparmor.d/abi/3.0")
	}
	names, err := filepath.Glob("builtin/*.txt")
	require.NoError(t, err)
	require.Len(t, names, len(builtins()))
	for _, name := range names {
		out, err := exec.Command(compiler, "--skip-kernel-load", "--skip-cache", name).CombinedOutput()
		assert.NoError(t, err, "%s: %s", name, out)
	}
	for _, profile := range []string{"crio-default", "containers-default-0.57.4-dev"} {
		all, _ := Builtins(profile, "")
		require.NotEmpty(t, all)
		f := all[0].File
		cmd := exec.Command(compiler, "--skip-kernel-load", "--skip-cache")
		cmd.Stdin = strings.NewReader(f.Text)
		out, err := cmd.CombinedOutput()
		assert.NoError(t, err, "%s: %s", profile, out)
	}
}
