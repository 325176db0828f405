package container

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The config of a container of LXC, or of Proxmox VE, is read as what confines it.
func TestReadLXC(t *testing.T) {
	found, err := Read("/var/lib/lxc/web/config", []byte("# a comment\nlxc.uts.name = www\nlxc.rootfs.path = dir:/var/lib/lxc/web/rootfs\nlxc.apparmor.profile = generated\n"+
		"lxc.apparmor.raw = deny /x w,\nlxc.apparmor.raw = /y r,\nlxc.apparmor.allow_nesting = 1\nlxc.seccomp.profile = /usr/share/lxc/config/common.seccomp\nlxc.cap.keep = net_bind_service chown\nlxc.idmap = u 0 100000 65536\nlxc.no_new_privs = 1\n"+
		"lxc.cgroup2.pids.max = 50\nlxc.prlimit.nofile = 256:512\n"))
	require.NoError(t, err)
	require.Len(t, found, 1)
	caps := []string{"CAP_CHOWN", "CAP_NET_BIND_SERVICE"}
	assert.Equal(t, Container{Name: "web", Runtime: "lxc", AppArmorProfile: "lxc-web_</var/lib/lxc>", SeccompProfile: "/usr/share/lxc/config/common.seccomp", Caps: caps,
		UserNamespace: true, Command: []string{}, Limits: &Limits{Effective: caps, NoNewPrivs: true, Pids: 50, Rlimits: []Rlimit{{"nofile", 256, 512}}},
		Setup: &Setup{File: "/var/lib/lxc/web/config", Option: "lxc.apparmor.raw", Raw: "deny /x w,\n/y r,", Nesting: true}}, found[0])
	assert.Equal(t, "web", (&Inventory{Containers: found}).Find(Subject{Label: "lxc-web_</var/lib/lxc>"}).Name)

	proxmox := "arch: amd64\nhostname: db\nrootfs: local:114/vm-114-disk-0.raw,size=8G\nunprivileged: 1\nlxc.apparmor.profile: unconfined\nlxc.cap.drop:\nlxc.cap.drop: sys_time\n\n[before]\nlxc.apparmor.profile: generated\n"
	found, err = Read("/etc/pve/lxc/114.conf", []byte(proxmox))
	require.NoError(t, err)
	assert.Equal(t, "114", found[0].Name)
	assert.Equal(t, "unconfined", found[0].AppArmorProfile)
	assert.True(t, found[0].UserNamespace)
	assert.Len(t, found[0].Caps, len(capabilityNames)-1)

	found, err = Read("x", []byte("lxc.include = /usr/share/lxc/config/common.conf\nlxc.cap.drop = sys_time\nlxc.utsname = old\nlxc.aa_profile = mine\n"))
	require.NoError(t, err)
	assert.Equal(t, Container{Name: "old", Runtime: "lxc", AppArmorProfile: "mine", Command: []string{}, Limits: &Limits{}, Setup: &Setup{File: "x", Option: "lxc.apparmor.raw"}}, found[0])
}
