package container

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const catOfUnit = `# /lib/systemd/system/tor@.service
[Unit]
Description=x

[Service]
User=debian-tor
ExecStart=@-/usr/sbin/tor tor \
   -f /etc/torrc
SystemCallFilter=@system-service
CapabilityBoundingSet=CAP_SETUID CAP_NET_BIND_SERVICE
AmbientCapabilities=CAP_NET_BIND_SERVICE
NoNewPrivileges=yes
AppArmorProfile=-system_tor
DeviceAllow=/dev/fuse rw
LimitNOFILE=1024:4096
TasksMax=10

# /etc/systemd/system/tor@.service.d/x.conf
[Service]
# a comment
CapabilityBoundingSet=CAP_CHOWN
`

// A unit of systemd is read as systemctl cat prints it, and as systemctl show does.
func TestReadUnit(t *testing.T) {
	found, err := Read("saved", []byte(catOfUnit))
	require.NoError(t, err)
	require.Len(t, found, 1)
	c := found[0]
	assert.Equal(t, "tor@.service", c.Unit)
	assert.Equal(t, Systemd, c.Runtime)
	assert.Equal(t, "system_tor", c.AppArmorProfile)
	assert.Equal(t, catOfUnit, c.SeccompProfile)
	assert.Equal(t, []string{"/usr/sbin/tor", "tor", "-f", "/etc/torrc"}, c.Command)
	assert.Equal(t, []string{"CAP_CHOWN", "CAP_NET_BIND_SERVICE", "CAP_SETUID"}, c.Caps)
	assert.Equal(t, &Limits{UID: -1, Effective: []string{"CAP_NET_BIND_SERVICE"}, NoNewPrivs: true, Devices: []string{"/dev/fuse"},
		Pids: 10, Rlimits: []Rlimit{{"nofile", 1024, 4096}}}, c.Limits)

	shown := "Type=simple\nExecStart={ path=/usr/bin/web ; argv[]=/usr/bin/web -x ; ignore_errors=no }\nSystemCallFilter=~\nNoNewPrivileges=no\nRestrictNamespaces=no\nId=web.service\n"
	found, err = Read("-", []byte(shown))
	require.NoError(t, err)
	assert.Equal(t, "web.service", found[0].Name)
	assert.Equal(t, "unconfined", found[0].SeccompProfile)
	assert.Equal(t, []string{"/usr/bin/web", "-x"}, found[0].Command)
	assert.Equal(t, 0, found[0].Limits.UID)
	assert.Len(t, found[0].Caps, len(capabilityNames))

	for _, text := range []string{`[{"Id":"x"}]`, "[Unit]\nDescription=x\n", "just text\nSystemCallFilter=x\n", "[Serv"} {
		_, err := Read("x", []byte(text))
		assert.Error(t, err, text)
	}
}

// A process is of a unit by its cgroup, by its profile, and by what systemd calls it before it
// executes the program.
func TestFindUnit(t *testing.T) {
	found, err := Read("saved", []byte(catOfUnit))
	require.NoError(t, err)
	inv := &Inventory{Containers: found}
	assert.Equal(t, High, inv.Find(Subject{CgroupPath: "/system.slice/system-tor.slice/tor@.service"}).Confidence)
	assert.Equal(t, "tor@.service", inv.Find(Subject{Label: "system_tor", Comm: "(tor)"}).Unit)
	assert.Equal(t, High, inv.Find(Subject{Label: "system_tor", Comm: "(tor)"}).Confidence)
	assert.Equal(t, Unknown, inv.Find(Subject{Label: "unconfined", Comm: "(tor)"}).Confidence)
}

// TestProtected holds what settings of a unit do to paths.
func TestProtected(t *testing.T) {
	for _, c := range []struct{ settings, path, by string }{
		{"ProtectSystem=strict", "/srv/x", "ProtectSystem=strict read-only"},
		{"ProtectSystem=strict", "/dev/x", ""},
		{"ProtectSystem=strict\nReadWritePaths=/srv", "/srv/x", ""},
		{"ProtectSystem=strict\nReadWritePaths=/srv", "/srvx", "ProtectSystem=strict read-only"},
		{"ProtectSystem=strict\nStateDirectory=web a/b", "/var/lib/a/b/x", ""},
		{"ProtectSystem=strict\nBindPaths=/a:/opt/b:rbind", "/opt/b/x", ""},
		{"ProtectSystem=full", "/etc/x", "ProtectSystem=full read-only"},
		{"ProtectSystem=yes", "/etc/x", ""},
		{"ProtectSystem=yes", "/usr/x", "ProtectSystem=yes read-only"},
		{"ProtectSystem=no\nProtectHome=yes", "/root/x", "ProtectHome=yes hidden"},
		{"ProtectHome=read-only", "/home/u", "ProtectHome=read-only read-only"},
		{"ProtectHome=tmpfs", "/home/u", ""},
		{"ProtectHome=yes\nReadWritePaths=/home", "/home/u", "ProtectHome=yes hidden"},
		{"DynamicUser=yes", "/home/u", "ProtectHome=read-only read-only"},
		{"DynamicUser=yes", "/tmp/x", ""},
		{"DynamicUser=yes", "/etc/x", "ProtectSystem=strict read-only"},
		{"InaccessiblePaths=-/srv/a /srv/b\nReadOnlyPaths=/srv", "/srv/a/x", "InaccessiblePaths=-/srv/a hidden"},
		{"InaccessiblePaths=-/srv/a\nReadOnlyPaths=/srv", "/srv/c", "ReadOnlyPaths=/srv read-only"},
		{"ProtectSystem=strict\nProtectKernelTunables=yes", "/proc/sys/x", "ProtectKernelTunables=yes read-only"},
		{"ProtectSystem=strict\nRootDirectory=/srv/root", "/etc/x", ""},
	} {
		found, err := Read("x.service", []byte("[Service]\n"+c.settings+"\n"))
		require.NoError(t, err)
		p, ok := found[0].Limits.ProtectedOf(c.path)
		by := ""
		switch {
		case ok && p.Hidden:
			by = p.By + " hidden"
		case ok && p.ReadOnly:
			by = p.By + " read-only"
		}
		assert.Equal(t, c.by, by, c.settings+" "+c.path)
	}
}
