package bundle

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/whydenied/whydenied/explain/container"
	"github.com/whydenied/whydenied/explain/host"
	"github.com/whydenied/whydenied/explain/secret"
)

// What products say of what denials are about is taken along, and what they say of all else not.
func TestCollectProducts(t *testing.T) {
	const uuid = "1c01b0a5-0f2e-4d1b-9c1d-0a1b2c3d4e5f"
	root := t.TempDir()
	for name, text := range map[string]string{
		"/var/lib/lxc/web/config":                  "lxc.apparmor.profile = generated\nlxc.environment = PW=hunter2\n",
		"/var/lib/lxc/other/config":                "lxc.apparmor.profile = generated\n",
		"/snap/nextcloud/current/meta/snap.yaml":   "name: nextcloud\nversion: 1\napps:\n  php:\n    plugs: [home]\n",
		"/etc/libvirt/qemu/a.xml":                  "<domain type='kvm'><name>a</name><uuid>" + uuid + "</uuid></domain>",
		"/etc/libvirt/qemu/b.xml":                  "<domain type='kvm'><name>b</name><uuid>" + strings.Replace(uuid, "1", "2", 1) + "</uuid></domain>",
		"/lib/systemd/system/web.service":          "[Service]\nExecStart=/usr/sbin/web --password hunter2\nSystemCallFilter=@system-service\n",
		"/etc/systemd/system/web.service.d/b.conf": "[Service]\nSystemCallFilter=chroot\nEnvironment=PW=hunter2\n",
		"/lib/systemd/system/web.service.d/b.conf": "[Service]\nSystemCallFilter=mount\n",
		"/lib/systemd/system/web.service.d/a.conf": "[Service]\nSystemCallFilter=reboot\n",
		"/lib/systemd/system/other.service":        "[Service]\nExecStart=/usr/sbin/other\nSystemCallFilter=@system-service\n",
	} {
		require.NoError(t, os.MkdirAll(filepath.Dir(root+name), 0o755))
		require.NoError(t, os.WriteFile(root+name, []byte(text), 0o600))
	}
	c := &Collection{
		options: Options{Host: host.Host{Root: root}}, names: map[string]bool{}, secrets: secret.Kinds{}, programs: map[string]bool{"web": true},
		labels: map[string]bool{"lxc-web_</var/lib/lxc>": true, "snap.nextcloud.php": true, "libvirt-" + uuid: true, "lxc-none_</var/lib/lxc>": true},
	}
	require.NoError(t, c.products(t.Context()))
	var found []string
	for i, m := range c.Manifest.Inventory {
		assert.NotContains(t, string(c.Texts[i].Data), "hunter2")
		assert.Equal(t, m.Member, c.Texts[i].Name)
		read, err := container.Read(m.Name, c.Texts[i].Data)
		require.NoError(t, err)
		for _, x := range read {
			found = append(found, m.Name+" "+x.Name)
		}
	}
	assert.Equal(t, []string{
		"/etc/libvirt/qemu/a.xml a", "/var/lib/lxc/web/config web", "/snap/nextcloud/current/meta/snap.yaml nextcloud.php", "/lib/systemd/system/web.service web.service",
	}, found)
	unit := string(c.Texts[3].Data)
	assert.Less(t, strings.Index(unit, "SystemCallFilter=reboot"), strings.Index(unit, "SystemCallFilter=chroot"), "drop-ins count by their names")
	assert.NotContains(t, unit, "mount", "of two drop-ins of a name the first directory's counts")
}

// A config that the user names is taken without what it holds besides.
func TestCollectNamedConfig(t *testing.T) {
	file := filepath.Join(t.TempDir(), "web.service")
	require.NoError(t, os.WriteFile(file, []byte("[Service]\nEnvironment=PW=hunter2\nExecStart=/usr/sbin/web\nSystemCallFilter=@system-service\n"), 0o600))
	c := &Collection{options: Options{Inventory: []string{file}}, names: map[string]bool{}, secrets: secret.Kinds{}}
	require.NoError(t, c.containers(t.Context()))
	require.Len(t, c.Texts, 1)
	assert.Equal(t, "[Service]\n\nExecStart=/usr/sbin/web\nSystemCallFilter=@system-service\n", string(c.Texts[0].Data))
	assert.Equal(t, file, c.Manifest.Inventory[0].Name)

	require.NoError(t, os.WriteFile(file, []byte("PW=hunter2\n"), 0o600))
	assert.ErrorContains(t, c.containers(t.Context()), "not JSON, so that secrets in it cannot be found")
}
