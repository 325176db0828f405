package container

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const instanceConfig = `architecture: x86_64
config:
  image.description: Debian trixie amd64 (20261101_05:24)
  limits.kernel.nofile: "1024"
  limits.processes: "500"
  raw.apparmor: |-
    mount fstype=nfs,
      deny /srv/b r,
  raw.lxc: lxc.no_new_privs = 1
  security.nesting: "true"
devices:
  root:
    path: /
    type: disk
ephemeral: false
profiles:
- default
`

// An instance of Incus or LXD is read of what config show prints, under the name of the
// file, and of what list prints.
func TestReadInstance(t *testing.T) {
	found, err := Read("/tmp/f43.yaml", []byte(instanceConfig))
	require.NoError(t, err)
	want := Container{
		Name: "f43", Runtime: Instance, Image: "Debian trixie amd64 (20261101_05:24)", UserNamespace: true,
		Limits:         &Limits{NoNewPrivs: true, Pids: 500, Rlimits: []Rlimit{{"nofile", 1024, 1024}}},
		Setup:          &Setup{File: "/tmp/f43.yaml", Option: "raw.apparmor", Raw: "mount fstype=nfs,\n  deny /srv/b r,", Nesting: true},
		SeccompProfile: byDefault,
	}
	assert.Equal(t, []Container{want}, found)

	found, err = Read("f43", []byte("architecture: x86_64\nconfig:\n  user.empty:\n  raw.apparmor:\nprofiles: []\n"))
	require.NoError(t, err)
	assert.Equal(t, &Setup{File: "f43", Option: "raw.apparmor"}, found[0].Setup)

	list := `[{"name": "web-1", "project": "team", "location": "none", "status": "Running", "created_at": "2026-11-01T00:00:00Z", "type": "container", "architecture": "x86_64", "devices": {},
		"config": {}, "expanded_config": {"security.privileged": "true", "raw.lxc": "lxc.apparmor.profile=unconfined"}, "state": {"pid": 77, "status": "Running"}}]`
	found, err = Read("list", []byte(list))
	require.NoError(t, err)
	require.Len(t, found, 1)
	c := found[0]
	assert.Equal(t, "team", c.Setup.Project)
	assert.Equal(t, []any{"web-1", "running", 77, "unconfined", false}, []any{c.Name, c.State, c.PID, c.AppArmorProfile, c.UserNamespace})
}

// A virtual machine has no policy of LXC: its type says so, or what only machines have.
func TestMachine(t *testing.T) {
	config := strings.Replace(instanceConfig, "  raw.lxc:", "  image.type: disk-kvm.img\n  raw.lxc:", 1)
	list := `[{"name": "vm", "type": "virtual-machine", "status": "Running", "architecture": "x86_64", "devices": {}, "config": {}, "expanded_config": {"raw.apparmor": "/srv/a r,", "raw.seccomp": "2"}}]`
	typed := strings.Replace(instanceConfig, "ephemeral:", "type: virtual-machine\nephemeral:", 1)
	vsock := strings.Replace(instanceConfig, "devices:", "  volatile.vsock_id: \"7\"\ndevices:", 1)
	for name, text := range map[string]string{"image": config, "list": list, "typed": typed, "vsock": vsock} {
		found, err := Read(name, []byte(text))
		require.NoError(t, err)
		require.Len(t, found, 1)
		c := found[0]
		assert.True(t, c.Setup.Machine, name)
		assert.NotEmpty(t, c.Setup.Raw, name)
		assert.Equal(t, []any{"", "", false, false}, []any{c.SeccompProfile, c.AppArmorProfile, c.UserNamespace, c.Setup.Nesting}, name)
		assert.Nil(t, c.Limits, name)
	}
	kept, err := Read("vsock", ConfigLines("vsock", []byte(vsock)))
	require.NoError(t, err)
	assert.True(t, kept[0].Setup.Machine)
	container, err := Read("c", []byte(strings.Replace(instanceConfig, "  raw.lxc:", "  image.type: squashfs\n  raw.lxc:", 1)))
	require.NoError(t, err)
	assert.False(t, container[0].Setup.Machine)
}

const byDefault = "2\ndenylist\n[all]\nkexec_load errno 38\nopen_by_handle_at errno 38\ninit_module errno 38\nfinit_module errno 38\ndelete_module errno 38\n"

// The policy of LXC that an instance runs under is made of its options.
func TestInstancePolicy(t *testing.T) {
	for options, want := range map[string]string{
		"raw.seccomp: |-\n    2\n    denylist\n    [all]\n    keyctl errno 1": "2\ndenylist\n[all]\nkeyctl errno 1",
		"security.syscalls.deny: keyctl errno 1":                              "" + byDefault + "keyctl errno 1",
		"security.syscalls.blacklist: keyctl":                                 "" + byDefault + "keyctl",
		"security.syscalls.allow: read":                                       "2\nallowlist\n[all]\nread",
		"security.syscalls.deny_default: \"false\"":                           "unconfined",
		"security.syscalls.intercept.mknod: \"true\"":                         "", // the daemon is asked
		"security.nesting: \"true\"":                                          byDefault,
	} {
		found, err := Read("web.yaml", []byte("architecture: x86_64\nconfig:\n  image.description: x\n  "+options+"\ndevices: {}\nephemeral: false\nprofiles:\n- default\n"))
		require.NoError(t, err, options)
		assert.Equal(t, want, found[0].SeccompProfile, options)
	}
}

const domainXML = `<!--
WARNING: THIS IS AN AUTO-GENERATED FILE.
-->
<domain type='kvm' id='3'>
  <name>web</name>
  <uuid>1c01b0a5-0f2e-4d1b-9c1d-0a1b2c3d4e5f</uuid>
  <os><loader type='pflash'>/usr/share/OVMF/OVMF_CODE.fd</loader><nvram>/var/lib/libvirt/qemu/nvram/web.fd</nvram></os>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
    <disk><source file='/data/web.qcow2'/><backingStore><source file='/data/base.qcow2'/></backingStore></disk>
    <disk><source file='/data/cd.iso'/><readonly/></disk>
    <interface type='network'><source network='default'/></interface>
    <filesystem><source dir='/srv/share'/></filesystem>
  </devices>
  LABELS
</domain>
`

// A virtual machine of libvirt has the profile that its XML says, or one made for it.
func TestReadDomain(t *testing.T) {
	for labels, profile := range map[string]string{
		"": "libvirt-1c01b0a5-0f2e-4d1b-9c1d-0a1b2c3d4e5f",
		"<seclabel type='dynamic' model='apparmor' relabel='yes'/><seclabel type='dynamic' model='dac'/>": "libvirt-1c01b0a5-0f2e-4d1b-9c1d-0a1b2c3d4e5f",
		"<seclabel type='static' model='apparmor'><label>my-vm</label></seclabel>":                        "my-vm",
		"<seclabel type='none' model='apparmor'/>":                                                        "unconfined",
		"<seclabel type='none'/>":             "unconfined",
		"<seclabel type='none' model='dac'/>": "libvirt-1c01b0a5-0f2e-4d1b-9c1d-0a1b2c3d4e5f",
		"<seclabel type='dynamic' model='selinux'><label>system_u:system_r:svirt_t:s0:c1,c2</label></seclabel><seclabel model='dac'></seclabel>": "",
	} {
		found, err := Read("web.xml", []byte(strings.Replace(domainXML, "LABELS", labels, 1)))
		require.NoError(t, err)
		require.Len(t, found, 1)
		assert.Equal(t, profile, found[0].AppArmorProfile, labels)
	}
	found, err := Read("web.xml", []byte(strings.Replace(domainXML, "LABELS", "", 1)))
	require.NoError(t, err)
	c := found[0]
	assert.Equal(t, []string{"web", "running", "/usr/bin/qemu-system-x86_64"}, []string{c.Name, c.State, c.Command[0]})
	assert.Equal(t, []Given{
		{"/usr/share/OVMF/OVMF_CODE.fd", true}, {"/var/lib/libvirt/qemu/nvram/web.fd", false}, {"/data/web.qcow2", false}, {"/data/base.qcow2", true}, {"/data/cd.iso", true}, {"/srv/share", false},
	}, c.Setup.Given)
	g, ok := c.Setup.GivenFor("/srv/share/a")
	assert.True(t, ok)
	assert.Equal(t, "/srv/share", g.Path)
	_, ok = c.Setup.GivenFor("/data/other")
	assert.False(t, ok)

	_, err = Read("web.xml", []byte(domainXML[:300]))
	assert.ErrorContains(t, err, "virsh dumpxml")
	_, err = Read("x.html", []byte("<html><body>domain</body></html>"))
	assert.Error(t, err)
}

const snapYAML = `name: nextcloud
version: 28
summary: 'A server: # all of it'
plugs:
  media:
    interface: removable-media
  home:
  logs: log-observe
apps:
  mysql:
    command: bin/mysql --x
    plugs: [network, "mount-observe", logs]
  php-cli:
    plugs:
    - network
    - media
hooks:
  configure:
    plugs: [network]
`

// The apps and hooks of a snap have the plugs that they name, and those that none does.
func TestReadSnap(t *testing.T) {
	found, err := Read("meta/snap.yaml", []byte(snapYAML))
	require.NoError(t, err)
	plugs := map[string][]Plug{}
	for _, c := range found {
		assert.Equal(t, "snap."+c.Name, c.AppArmorProfile)
		plugs[c.Name] = c.Setup.Plugs
	}
	assert.Equal(t, map[string][]Plug{
		"nextcloud.mysql":          {{"home", "home"}, {"logs", "log-observe"}, {"mount-observe", "mount-observe"}, {"network", "network"}},
		"nextcloud.php-cli":        {{"home", "home"}, {"media", "removable-media"}, {"network", "network"}},
		"nextcloud.hook.configure": {{"home", "home"}, {"network", "network"}},
	}, plugs)
	assert.Equal(t, []string{"bin/mysql", "--x"}, found[1].Command)
	assert.Equal(t, "logs", found[1].Setup.PlugOf("log-observe"))
	assert.Empty(t, found[1].Setup.PlugOf("camera"))
}

// Of a config that is no JSON is kept what Read reads, and nothing else.
func TestConfigLines(t *testing.T) {
	const secret = "hunter2"
	unit := "# /lib/systemd/system/web.service\n[Service]\nEnvironment=PW=hunter2 \\\n  B=hunter2\nExecStart=/usr/sbin/web\n# hunter2\nSystemCallFilter=@system-service \\\n# hunter2\n  chroot\nSetCredential=a:hunter2\nUser=web\n"
	snap := strings.Replace(snapYAML, "    command:", "    environment:\n      PW: hunter2\n    command:", 1)
	instance := strings.Replace(instanceConfig, "config:\n", "config:\n  cloud-init.user-data: |\n    password: hunter2\n  environment.PW: hunter2\n  user.note: \"hunter2\"\n", 1)
	domain := strings.Replace(domainXML, "LABELS", "<seclabel type='none' model='apparmor'/><x>hunter2</x>", 1)
	domain = strings.Replace(domain, "</devices>", "<graphics type='vnc' passwd='hunter2'/></devices>", 1)
	lxc := "# hunter2\nlxc.uts.name = www\nlxc.environment = PW=hunter2\nlxc.apparmor.profile = generated\nlxc.cap.keep = chown\n"
	proxmox := "#hunter2\narch: amd64\nhostname: db\nrootfs: local:114/vm-114-disk-0.raw\nunprivileged: 1\nfeatures: nesting=1\n\n[before]\nlxc.x: hunter2\n"
	for name, text := range map[string]string{"f43.yaml": instance, "web.xml": domain, "snap.yaml": snap, "/var/lib/lxc/www/config": lxc, "/etc/pve/lxc/114.conf": proxmox, "web.service": unit} {
		kept := ConfigLines(name, []byte(text))
		assert.Contains(t, text, secret)
		assert.NotContains(t, string(kept), secret, name)
		want, err := Read(name, []byte(text))
		require.NoError(t, err)
		got, err := Read(name, kept)
		require.NoError(t, err, "%s", kept)
		if name == "web.service" { // of which the text is the filter
			assert.Equal(t, strings.Count(text, "\n"), strings.Count(string(kept), "\n"))
			assert.Equal(t, unitValues(text)["SystemCallFilter"], unitValues(string(kept))["SystemCallFilter"])
			want[0].SeccompProfile, got[0].SeccompProfile = "", ""
		}
		assert.Equal(t, want, got, "%s", kept)
	}
	for _, text := range []string{`{"name":"x","expanded_config":{}}`, "some words", "", "<domain type='kvm'>"} {
		assert.Nil(t, ConfigLines("x", []byte(text)), text)
	}
}
