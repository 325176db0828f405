package host

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// tree writes files below a new root.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		path := filepath.Join(root, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
	}
	return root
}

// programs is a Host.Run that answers from a table.
func programs(says map[string]string) func(context.Context, string, ...string) ([]byte, error) {
	return func(_ context.Context, program string, args ...string) ([]byte, error) {
		said, ok := says[program+" "+args[0]]
		if !ok {
			return nil, fmt.Errorf("%s: %w", program, exec.ErrNotFound)
		}
		return []byte(said), nil
	}
}

func TestRead(t *testing.T) {
	const profiles = "sys/kernel/security/apparmor/policy/profiles/"
	h := Host{
		Root: tree(t, map[string]string{
			"proc/cmdline":                             "ro quiet\n",
			"sys/kernel/security/lsm":                  "capability,apparmor",
			"sys/module/apparmor/parameters/enabled":   "Y\n",
			"sys/module/apparmor/parameters/audit":     "normal",
			"sys/kernel/security/apparmor/profiles":    "web (enforce)\nweb//child (complain)\na (b) (enforce)\n",
			profiles + "web.3/name":                    "web\n",
			profiles + "web.3/sha1":                    "abc\n",
			profiles + "web.3/raw_data":                "x",
			profiles + "web.3/profiles/child.1/name":   "child\n",
			profiles + "web.3/profiles/child.1/sha256": "def\n",
			"proc/sys/kernel/printk_ratelimit":         "5\n",
			"proc/sys/kernel/seccomp/actions_logged":   "kill_process errno\n",
			"proc/net/netlink":                         "sk               Eth Pid        Groups   Rmem     Wmem     Dump  Locks    Drops    Inode\n0000000000000000 9   121        00000000 0 0 0 2 0 301\n0000000000000000 9   1          00000001 0 0 0 2 0 302\n0000000000000000 9   55         00000001 0 0 0 2 0 302\n0000000000000000 0   77         00000001 0 0 0 2 0 303\n",
			"proc/1/comm":                              "systemd\n",
			"proc/77/comm":                             "not audit\n",
			"run/auditd.pid":                           "121\n",
			"proc/121/comm":                            "auditd\n",
			"etc/audit/auditd.conf":                    "log_format = RAW\n",
			"run/systemd/journal/socket":               "",
			"sys/fs/cgroup/unified/cgroup.controllers": "",
			"run/docker.sock":                          "",
			"run/user/1000/podman/podman.sock":         "",
			"proc/self/status":                         "Name:\tx\nCapEff:\t000001ffffffffff\n",
		}),
		Run: programs(map[string]string{
			"runc --version": "runc version 1.1.5+ds1\ncommit: x\nlibseccomp: 2.5.4\n", "runc features": `{"linux":{"seccomp":{"enabled":true}}}`,
			"crun --version": "crun version 1.8.1\n", "crun features": "unknown command",
		}),
	}
	f := h.Read(t.Context())
	assert.Equal(t, "ro quiet", f.CommandLine.Text)
	assert.Equal(t, "normal", f.AppArmor.Audit.Text)
	require.Len(t, f.AppArmor.Profiles, 3)
	assert.Equal(t, Loaded{Name: "a (b)", Mode: "enforce"}, f.AppArmor.Profiles[0])
	web, child := f.AppArmor.Profiles[1], f.AppArmor.Profiles[2]
	assert.False(t, web.At.IsZero())
	assert.Equal(t, "/sys/kernel/security/apparmor/policy/profiles/web.3/raw_data", web.Raw)
	assert.Equal(t, "abc", web.Hash)
	assert.Equal(t, "web//child", child.Name)
	assert.Equal(t, "complain", child.Mode)
	assert.Equal(t, "def", child.Hash)
	assert.Empty(t, child.Raw)
	assert.Equal(t, 121, f.Auditd.PID)
	assert.Error(t, f.Audit.Err, "the kernel is not asked about a copy")
	assert.Equal(t, []string{"systemd", "a program that cannot be named"}, f.Listeners)
	assert.True(t, f.Journald)
	assert.Equal(t, "hybrid", f.Cgroups)
	assert.Equal(t, []string{"/run/docker.sock", "/run/user/1000/podman/podman.sock"}, f.Sockets)
	assert.Equal(t, []Runtime{{"runc", "1.1.5+ds1", No, nil, "2.5.4"}, {"crun", "1.8.1", Yes, nil, ""}}, f.Runtimes)
	assert.True(t, f.UsernsClone.missing())
	assert.Equal(t, "000001ffffffffff", f.Capabilities.Text)
}

// TestReadNothing holds that an empty host has an answer to every question.
func TestReadNothing(t *testing.T) {
	for _, a := range Answers((Host{Root: t.TempDir()}).Read(t.Context())) {
		assert.NotEmpty(t, a.Found, a.Name)
		assert.NotEqual(t, Stale, a.Status)
	}
}

func TestTakesLogFlag(t *testing.T) {
	const flags = `{"linux":{"seccomp":{"enabled":true,"supportedFlags":["SECCOMP_FILTER_FLAG_LOG"]}}}`
	tests := []struct {
		name, version, features string
		want                    Answered
	}{
		{"runc", "1.1.15", "", No},
		{"runc", "1.2.0-rc.1", "", Yes},
		{"runc", "1.2.0", "", Yes},
		{"runc", "1.10.0", "", Yes},
		{"runc", "0.9.9", "", No},
		{"runc", "", "", NotKnown},
		{"runc", "9.9.9", `{"linux":{"seccomp":{"enabled":true,"supportedFlags":[]}}}`, No},
		{"runc", "9.9.9", `{"linux":{"seccomp":{"enabled":false}}}`, No},
		{"crun", "0.9.1", "", Yes},
		{"crun", "0.8", "", No},
		{"youki", "0.6.0", "", NotKnown},
		{"youki", "0.6.0", flags, Yes},
	}
	for _, test := range tests {
		assert.Equal(t, test.want, takesLogFlag(test.name, test.version, []byte(test.features)), "%+v", test)
	}
}

// The environment names another socket of an engine on this host, and not in a copy of
// another's files.
func TestSocketsOfTheEnvironment(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "docker.sock")
	require.NoError(t, os.WriteFile(socket, nil, 0o600))
	t.Setenv("DOCKER_HOST", "unix://"+socket)
	assert.Contains(t, Host{}.sockets(), socket)
	assert.NotContains(t, Host{Root: t.TempDir()}.sockets(), socket)
	assert.Empty(t, Host{}.elsewhere())
	t.Setenv("DOCKER_HOST", "tcp://localhost:2375")
	assert.NotContains(t, Host{}.sockets(), socket)
	assert.Equal(t, []string{"DOCKER_HOST"}, Host{}.elsewhere())
	assert.Empty(t, Host{Root: t.TempDir()}.elsewhere())
}
