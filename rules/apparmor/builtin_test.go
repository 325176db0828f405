package apparmor

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestBuiltin(t *testing.T) {
	tests := []struct{ profile, says, holds string }{
		{"docker-default", "docker-default of Docker 29.4.3 and later (github.com/moby/profiles/apparmor v0.2.1)", "deny network alg,"},
		{"cri-containerd.apparmor.d", "cri-containerd.apparmor.d of containerd 2.3.0 and later (github.com/containerd/containerd/v2 v2.4.2)", "signal (receive) peer=crun,"},
		{"crio-default", "crio-default of containers-common 0.63.0 and later (go.podman.io/common v0.66.0)", "profile crio-default flags="},
		{"containers-default-0.66.0", "containers-default-0.66.0 of containers-common 0.66.0 (go.podman.io/common v0.66.0)", "peer=containers-default-0.66.0,"},
		{"containers-default-0.50.1", "containers-default-0.50.1 of containers-common 0.50.1 (github.com/containers/common v0.50.1)", "profile containers-default-0.50.1 flags="},
		{"containers-default-0.57.4-dev", "containers-default-0.57.4-dev of containers-common 0.57.4 (github.com/containers/common v0.57.4)", "profile containers-default-0.57.4-dev flags="},
		{"containers-default-0.1.0", "containers-default-0.1.0 of containers-common 0.63.0 and later (go.podman.io/common v0.66.0)", "profile containers-default-0.1.0 flags="},
		{"containers-default", "", ""},
		{"containers-default-1 { file, }", "", ""},
		{"docker-default//child", "", ""},
		{"lxc-container-default-cgns", "", ""},
		{"", "", ""},
	}
	for _, test := range tests {
		t.Run(test.profile, func(t *testing.T) {
			f, ok := Builtin(test.profile)
			require.Equal(t, test.says != "", ok)
			if !ok {
				return
			}
			assert.Equal(t, "builtin:"+test.profile, f.Name)
			assert.Equal(t, test.says, f.Builtin)
			assert.Contains(t, f.Text, test.holds)
		})
	}
}

func TestBuiltinVersion(t *testing.T) {
	const runc, powercap = "peer=runc,", "/sys/devices/virtual/powercap/"
	tests := []struct {
		profile, version, module string // module "" means none
		holds, lacks             string
	}{
		{"docker-default", "20.10.24+dfsg1", "v20.10.0)", "deny mount,", powercap},
		{"docker-default", "20.10.26", "v20.10.26)", "[^0-9/]*}", powercap},
		{"docker-default", "20.10.27", "v20.10.27)", powercap, runc},
		{"docker-default", "23.0.7", "v20.10.26)", "signal", powercap},
		{"docker-default", "23.0.15", "v23.0.15)", runc, "network alg"},
		{"docker-default", "24.0.5", "v24.0.0)", "signal", powercap},
		{"docker-default", "24.0.9", "v24.0.9)", powercap, runc},
		{"docker-default", "25.0.5", "v24.0.9)", powercap, runc},
		{"docker-default", "25.0.6", "v28.3.3)", runc, "network alg"},
		{"docker-default", "26.1.2", "v24.0.9)", powercap, runc},
		{"docker-default", "28.5.1", "v28.3.3)", runc, "network alg"},
		{"docker-default", "29.4.2", "v28.3.3)", runc, "network alg"},
		{"docker-default", "29.4.3", "apparmor v0.2.1)", "deny network alg,", "{{"},
		{"docker-default", "v99.0", "apparmor v0.2.1)", "abi <abi/3.0>,", "{{"},
		{"docker-default", "19.03.15", "", "", ""},
		{"docker-default", "", "", "", ""},
		{"docker-default", "latest", "", "", ""},
		{"cri-containerd.apparmor.d", "v1.6.20~ds1", "v1.6.20)", "signal", runc},
		{"cri-containerd.apparmor.d", "1.7.29", "v1.7.29)", runc, "abi <"},
		{"cri-containerd.apparmor.d", "2.1.4", "v1.7.29)", runc, "abi <"},
		{"cri-containerd.apparmor.d", "2.4.2", "v2.4.2)", "abi <abi/3.0>,", "{{"},
		{"crio-default", "0.57.4", "v0.57.4)", "profile crio-default ", "containers-default"},
		{"web", "1.0", "", "", ""},
	}
	for _, test := range tests {
		t.Run(test.profile+" "+test.version, func(t *testing.T) {
			f, ok := BuiltinVersion(test.profile, test.version)
			require.Equal(t, test.module != "", ok)
			if !ok {
				return
			}
			assert.True(t, strings.HasSuffix(f.Builtin, test.module), f.Builtin)
			assert.Contains(t, f.Text, test.holds)
			assert.NotContains(t, f.Text, test.lacks)
		})
	}
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
		f, ok := Builtin(profile)
		require.True(t, ok)
		cmd := exec.Command(compiler, "--skip-kernel-load", "--skip-cache")
		cmd.Stdin = strings.NewReader(f.Text)
		out, err := cmd.CombinedOutput()
		assert.NoError(t, err, "%s: %s", profile, out)
	}
}
