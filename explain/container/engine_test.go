package container

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestEngines(t *testing.T) {
	for profile, want := range map[string]string{
		"docker-default": "docker", "cri-containerd.apparmor.d": "containerd", "crio-default": "cri-o", "containers-default-0.57.4": "podman",
		"lxc-container-default-cgns": "lxc", "docker-default2": "", "containers-default": "", "unconfined": "", "": "",
	} {
		e := EngineOf(profile)
		assert.Equal(t, want, e.Name, profile)
		assert.Equal(t, e, EngineNamed(want), profile)
	}
	for _, e := range Engines {
		for _, file := range slices.Concat(e.Sockets, e.Bundles, e.Configs, e.States, e.Names) {
			assert.Regexp(t, `^(RUN|DATA|/var/snap/[a-z0-9]+/common)/`, file)
		}
		for _, file := range slices.Concat(e.Bundles, e.Configs, e.States) {
			assert.Equal(t, 1, strings.Count(file, "/ID/"), file)
		}
	}
}
