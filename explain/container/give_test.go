package container

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

// A container is given a policy in the form of what runs it, and of no other.
func TestGivenPolicy(t *testing.T) {
	pod := Container{Runtime: "containerd", Name: "web", Pod: "shop-0"}
	for _, c := range []struct {
		to                Container
		apparmor, seccomp string
	}{
		{Container{Runtime: "docker"},
			`docker run --security-opt apparmor=shop, Compose security_opt: ["apparmor=shop"]`,
			`docker run --security-opt 'seccomp=/srv/a b.json', Compose security_opt: ["seccomp=/srv/a b.json"]`},
		{Container{Runtime: "podman"}, "podman run --security-opt apparmor=shop", "podman run --security-opt 'seccomp=/srv/a b.json'"},
		{Container{Runtime: "containerd"},
			"ctr run --apparmor-profile shop, nerdctl run --security-opt apparmor=shop",
			"ctr run --seccomp --seccomp-profile '/srv/a b.json', nerdctl run --security-opt 'seccomp=/srv/a b.json'"},
		{pod,
			"Kubernetes 1.30 or later securityContext.appArmorProfile: {type: Localhost, localhostProfile: shop}",
			"Kubernetes securityContext.seccompProfile: {type: Localhost, localhostProfile: a path below /var/lib/kubelet/seccomp}"},
		{Container{Runtime: "lxc"}, "lxc.apparmor.profile = shop in the container's config", "lxc.seccomp.profile = /srv/a b.json in the container's config"},
		{Container{Runtime: "crun"}, "process.apparmorProfile in config.json of its bundle: shop", "linux.seccomp in config.json of its bundle: what /srv/a b.json holds"},
		{Container{},
			`docker run --security-opt apparmor=shop, Compose security_opt: ["apparmor=shop"], Kubernetes 1.30 or later securityContext.appArmorProfile: {type: Localhost, localhostProfile: shop}`,
			`docker run --security-opt 'seccomp=/srv/a b.json', Compose security_opt: ["seccomp=/srv/a b.json"], Kubernetes securityContext.seccompProfile: {type: Localhost, localhostProfile: a path below /var/lib/kubelet/seccomp}`},
	} {
		assert.Equal(t, c.apparmor, c.to.GivenPolicy(GivenAppArmor, "shop"), c.to.Runtime)
		assert.Equal(t, c.seccomp, c.to.GivenPolicy(GivenSeccomp, "/srv/a b.json"), c.to.Runtime)
	}
}

// A capability is given in the form of what runs the container, and of no other.
func TestGivenCapability(t *testing.T) {
	for _, c := range []struct {
		to   Container
		want []string
	}{
		{Container{}, []string{"docker run --cap-add SYS_TIME", "Compose: cap_add: [SYS_TIME]", "Kubernetes: securityContext: {capabilities: {add: [SYS_TIME]}}"}},
		{Container{Runtime: "podman"}, []string{"podman run --cap-add SYS_TIME", "Compose: cap_add: [SYS_TIME]"}},
		{Container{Runtime: "buildah"}, []string{"buildah run --cap-add CAP_SYS_TIME"}},
		{Container{Runtime: "containerd"}, []string{"ctr run --cap-add CAP_SYS_TIME", "nerdctl run --cap-add SYS_TIME", "Kubernetes: securityContext: {capabilities: {add: [SYS_TIME]}}"}},
		{Container{Runtime: "containerd", Pod: "shop-0"}, []string{"Kubernetes: securityContext: {capabilities: {add: [SYS_TIME]}}"}},
		{Container{Runtime: "cri-o"}, []string{"Kubernetes: securityContext: {capabilities: {add: [SYS_TIME]}}"}},
		{Container{Runtime: "runc"}, []string{"process.capabilities in config.json of its bundle: CAP_SYS_TIME in bounding, permitted and effective"}},
		{Container{Runtime: Nspawn}, []string{"Capability=CAP_SYS_TIME below [Exec] in the machine's .nspawn file", "systemd-nspawn --capability=CAP_SYS_TIME"}},
		{Container{Runtime: Systemd, Unit: "web.service"}, []string{"AmbientCapabilities=CAP_SYS_TIME below [Service] of web.service (`systemctl edit web.service`), and in CapabilityBoundingSet=, if that is set"}},
		{Container{Runtime: "lxc"}, []string{"lxc.cap.drop without sys_time: an empty `lxc.cap.drop =` clears the list, those that stay dropped go below it", "lxc.cap.keep, where the config has that: with sys_time"}},
		{Container{Runtime: Instance}, []string{"raw.lxc, of a container: lxc.cap.drop without sys_time, where an empty `lxc.cap.drop =` clears the list"}},
	} {
		assert.Equal(t, c.want, c.to.GivenCapability("CAP_SYS_TIME"), c.to)
	}
}
