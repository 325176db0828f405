package patch

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/whydenied/whydenied/explain/container"
)

// A container is given a policy in the form of what runs it, and of no other.
func TestGiving(t *testing.T) {
	pod := container.Container{Runtime: "containerd", Name: "web", Pod: "shop-0"}
	for _, c := range []struct {
		to                container.Container
		apparmor, seccomp string
	}{
		{container.Container{Runtime: "docker"},
			`docker run --security-opt apparmor=shop, Compose security_opt: ["apparmor=shop"]`,
			`docker run --security-opt 'seccomp=/srv/a b.json', Compose security_opt: ["seccomp=/srv/a b.json"]`},
		{container.Container{Runtime: "podman"}, "podman run --security-opt apparmor=shop", "podman run --security-opt 'seccomp=/srv/a b.json'"},
		{container.Container{Runtime: "containerd"},
			"ctr run --apparmor-profile shop, nerdctl run --security-opt apparmor=shop",
			"ctr run --seccomp --seccomp-profile '/srv/a b.json', nerdctl run --security-opt 'seccomp=/srv/a b.json'"},
		{pod,
			"Kubernetes 1.30 or later securityContext.appArmorProfile: {type: Localhost, localhostProfile: shop}",
			"Kubernetes securityContext.seccompProfile: {type: Localhost, localhostProfile: a path below /var/lib/kubelet/seccomp}"},
		{container.Container{Runtime: "lxc"}, "lxc.apparmor.profile = shop in the container's config", "lxc.seccomp.profile = /srv/a b.json in the container's config"},
		{container.Container{Runtime: "crun"}, "process.apparmorProfile in config.json of its bundle: shop", "linux.seccomp in config.json of its bundle: what /srv/a b.json holds"},
		{container.Container{},
			`docker run --security-opt apparmor=shop, Compose security_opt: ["apparmor=shop"], Kubernetes 1.30 or later securityContext.appArmorProfile: {type: Localhost, localhostProfile: shop}`,
			`docker run --security-opt 'seccomp=/srv/a b.json', Compose security_opt: ["seccomp=/srv/a b.json"], Kubernetes securityContext.seccompProfile: {type: Localhost, localhostProfile: a path below /var/lib/kubelet/seccomp}`},
	} {
		assert.Equal(t, c.apparmor, giving(c.to, apparmorOption, "shop"), c.to.Runtime)
		assert.Equal(t, c.seccomp, giving(c.to, seccompOption, "/srv/a b.json"), c.to.Runtime)
	}
}
