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
