package container

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestInCgroup(t *testing.T) {
	a, b := strings.Repeat("a", 64), strings.Repeat("b", 64)
	for path, want := range map[string][]Named{
		"/docker/" + a: {{a, "docker"}},
		"/docker/" + a + "/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-pod0b.slice/cri-containerd-" + b + ".scope": {{b, "containerd"}, {a, "docker"}},
		"/lxc.payload.c1/docker/" + a + "/lxc.payload.c2":                                                                    {{"c2", "lxc"}, {a, "docker"}, {"c1", "lxc"}},
		"/docker/" + a + "/docker/" + a:                                                                                      {{a, "docker"}},
		"/system.slice/docker.service":                                                                                       nil,
		"/docker/" + a + "/libpod-conmon-" + b + ".scope":                                                                    {{a, "docker"}},
		"/machine.slice/machine-libpod_pod_" + a + ".slice":                                                                  nil,
		"/system.slice/k3s.service/kubepods/besteffort/pod0/" + a:                                                            {{a, ""}},
	} {
		assert.Equal(t, want, InCgroup(path), path)
	}
}

// TestUnitOf holds which cgroups are of a service, and of which.
func TestUnitOf(t *testing.T) {
	for path, want := range map[string]string{
		"/system.slice/nginx.service": "nginx.service", "/system.slice/system-getty.slice/getty@tty1.service": "getty@tty1.service",
		"/system.slice/a.service/sub": "a.service", "/user.slice/user-1000.slice/user@1000.service/app.slice/x.service": "",
		"/user.slice/user-1000.slice/session-2.scope": "", "/": "", "/system.slice/a b.service": "",
		"/system.slice/.service": "", "/system.slice/é.service": "", "/system.slice/a.service.service": "a.service.service", `/system.slice/a\x2db.service`: `a\x2db.service`,
	} {
		assert.Equal(t, want, UnitOf(path), path)
	}
}

// Engines make IDs of 64 hex digits in lower case.
func TestIsFullID(t *testing.T) {
	assert.True(t, IsFullID(strings.Repeat("0f", 32)))
	for _, id := range []string{"", strings.Repeat("0f", 31), strings.Repeat("0F", 32), strings.Repeat("0f", 32) + "0"} {
		assert.False(t, IsFullID(id), "%q", id)
	}
}
