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

// The config that Incus writes for an instance names neither it nor Incus.
func TestReadDaemonConfig(t *testing.T) {
	text := []byte("lxc.uts.name = web\nlxc.rootfs.path = dir:/var/lib/incus/storage-pools/default/containers/team_web/rootfs\nlxc.idmap = u 0 1000000 1000000000\n" +
		"lxc.apparmor.profile = incus-team_web_</var/lib/incus>//&:incus-team_web_<var-lib-incus>:\nlxc.seccomp.profile = /var/lib/incus/security/seccomp/team_web\n")
	found, err := Read("/run/incus/team_web/lxc.conf", text)
	require.NoError(t, err)
	c := found[0]
	assert.Equal(t, "incus", c.Runtime)
	assert.Equal(t, "web", c.Name)
	assert.Equal(t, "team", c.Setup.Project)
	assert.Equal(t, "incus-team_web_</var/lib/incus>", c.AppArmorProfile)
	assert.Equal(t, "`incus --project team restart web`", c.InstanceCommand("restart"))
	found, err = Read("/var/snap/lxd/common/lxd/logs/c1/lxc.conf", []byte("lxc.uts.name = x\nlxc.rootfs.path = dir:/x\n"))
	require.NoError(t, err)
	assert.Equal(t, "lxd", found[0].Runtime)
	assert.Equal(t, "unconfined", found[0].SeccompProfile, "LXC has no filter by default")
	assert.Equal(t, "`lxc restart c1`", found[0].InstanceCommand("restart"))
}
