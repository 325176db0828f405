package container

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// limitsOf reads the limits of the one container of a text.
func limitsOf(t *testing.T, text string) *Limits {
	t.Helper()
	found, err := Read("x", []byte(text))
	require.NoError(t, err)
	require.Len(t, found, 1)
	require.NotNil(t, found[0].Limits)
	return found[0].Limits
}

func TestLimitsDocker(t *testing.T) {
	l := limitsOf(t, `[{"Id":"a","State":{},"Config":{"User":"1000:1000"},"ProcessLabel":"",
		"Mounts":[{"Destination":"/data","RW":false},{"Destination":"/data/w","RW":true}],
		"HostConfig":{"ReadonlyRootfs":true,"SecurityOpt":["no-new-privileges"],"PidsLimit":20,"Tmpfs":{"/scratch":"exec"},"ReadonlyPaths":["/proc/sys"],
		"Ulimits":[{"Name":"nofile","Soft":8,"Hard":9}],"Devices":[{"PathInContainer":"/dev/fuse"}]}}]`)
	assert.Equal(t, 1000, l.UID)
	assert.Equal(t, []string{}, l.Effective, "another user than root has none")
	assert.True(t, l.NoNewPrivs && l.ReadOnlyRoot)
	assert.EqualValues(t, 20, l.Pids)
	assert.Equal(t, []string{"/dev/fuse"}, l.Devices)
	r, ok := l.Rlimit("nofile")
	assert.Equal(t, Rlimit{"nofile", 8, 9}, r)
	assert.True(t, ok)
	for name, want := range map[string]Mount{
		"/data/x":    {Path: "/data", ReadOnly: true},
		"/data/w/x":  {Path: "/data/w"},
		"/scratch/x": {Path: "/scratch", NoDev: true, NoSUID: true},
		"/dev/shm/x": {Path: "/dev/shm", NoExec: true, NoDev: true, NoSUID: true},
	} {
		m, _ := l.MountOf(name)
		assert.Equal(t, want, m, name)
	}
	_, on := l.MountOf("/database")
	assert.False(t, on)
}

func TestLimitsPod(t *testing.T) {
	found, err := Read("x", []byte(`{"kind":"Pod","apiVersion":"v1","metadata":{"name":"p"},"spec":{"securityContext":{"runAsUser":7},"containers":[{"name":"c",
		"securityContext":{"allowPrivilegeEscalation":false,"readOnlyRootFilesystem":true},"volumeMounts":[{"mountPath":"/etc/c","readOnly":true}]},{"name":"d",
		"securityContext":{"privileged":true,"runAsUser":0}}]}}`))
	require.NoError(t, err)
	l := found[0].Limits
	assert.Equal(t, 7, l.UID)
	assert.True(t, l.NoNewPrivs && l.ReadOnlyRoot && !l.AllDevices)
	m, ok := l.MountOf("/etc/c/x")
	assert.True(t, ok && m.ReadOnly)
	privileged := found[1].Limits
	assert.True(t, privileged.AllDevices)
	holds, known := privileged.Holds([]string{"CAP_SYS_ADMIN"})
	assert.True(t, holds && known)
}

func TestLimitsStatus(t *testing.T) {
	const status = "Name:\tsleep\nUmask:\t0022\nPid:\t77\nUid:\t1000\t1000\t1000\t1000\nCapEff:\t0000000000000400\nCapBnd:\t00000000a80425fb\nNoNewPrivs:\t1\nSeccomp:\t0\n"
	found, err := Read("status", []byte(status))
	require.NoError(t, err)
	c, l := found[0], found[0].Limits
	assert.Equal(t, "sleep", c.Name)
	assert.Equal(t, 77, c.PID)
	assert.Equal(t, "unconfined", c.SeccompProfile)
	assert.Equal(t, []string{"CAP_NET_BIND_SERVICE"}, c.Limits.Effective)
	assert.Equal(t, 1000, c.Limits.UID)
	assert.True(t, c.Limits.NoNewPrivs)
	assert.Equal(t, DefaultCaps(), c.Caps, "Docker's")
	found, err = Read("status", []byte(status+"web (enforce)\nlockdown,capability,landlock,apparmor\n"))
	require.NoError(t, err)
	assert.Equal(t, "web", found[0].AppArmorProfile)
	assert.True(t, found[0].Limits.Lacks("selinux") && !found[0].Limits.Lacks("apparmor") && !l.Lacks("selinux"))
	found, err = Read("status", []byte(status+"capability"))
	require.NoError(t, err)
	assert.Equal(t, "unconfined", found[0].AppArmorProfile)
	_, err = Read("status", []byte("Name:\tx\nCapEff:\tno\n"))
	assert.ErrorContains(t, err, "no mask of capabilities")
}
