package family

import (
	"regexp"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestOf(t *testing.T) {
	const uuid = "1c01b0a5-0f2e-4d1b-9c1d-0a1b2c3d4e5f"
	for _, c := range []struct{ profile, namespace, product, runtime, name, what, file string }{
		{"snap.nextcloud.mysql", "", "snap", "", "", "app mysql of snap nextcloud", "/var/lib/snapd/apparmor/profiles/snap.nextcloud.mysql"},
		{"snap.firefox_two.hook.configure", "", "snap", "", "", "hook configure of snap firefox_two", "/var/lib/snapd/apparmor/profiles/snap.firefox_two.hook.configure"},
		{"snap-update-ns.firefox", "", "snap", "", "", "snapd, which sets up the mounts of snap firefox", "/var/lib/snapd/apparmor/profiles/snap-update-ns.firefox"},
		{"/snap/snapd/21759/usr/lib/snapd/snap-confine//mount-namespace-capture-helper", "", "snap", "", "", "snap-confine, which starts the apps of snaps", ""},
		{"lxc-114_</var/lib/lxc>", "", "Proxmox VE or LXC", "lxc", "114", "container 114", "/var/lib/lxc/114/apparmor/lxc-114_<-var-lib-lxc>"},
		{"lxc-fediverse_</srv/containers>", "", "LXC", "lxc", "fediverse", "container fediverse", "/srv/containers/fediverse/apparmor/lxc-fediverse_<-srv-containers>"},
		{"lxc-114_</var/lib/lxc>//&:lxc-114_<-var-lib-lxc>:unconfined", "", "Proxmox VE or LXC", "lxc", "114", "container 114", "/var/lib/lxc/114/apparmor/lxc-114_<-var-lib-lxc>"},
		{"/usr/sbin/cron", "root//lxc-ct1_<-var-lib-lxc>", "LXC", "lxc", "ct1", "a process in the policy namespace of container ct1", ""},
		{"lxc-container-default-cgns", "", "LXC", "", "", "a container of LXC", "/etc/apparmor.d/lxc/lxc-default"},
		{"/usr/bin/lxc-start", "", "LXC", "", "", "lxc-start, which starts containers of LXC", "/etc/apparmor.d/usr.bin.lxc-start"},
		{"incus-f43_</var/lib/incus>", "", "Incus", "incus", "f43", "instance f43 of Incus", "/var/lib/incus/security/apparmor/profiles/incus-f43"},
		{"incus-team_web-1_</var/lib/incus>", "", "Incus", "incus", "web-1", "instance web-1 of Incus", "/var/lib/incus/security/apparmor/profiles/incus-team_web-1"},
		{"unconfined", "root//incus-f43_<var-lib-incus>", "Incus", "incus", "f43", "a process in the policy namespace of instance f43 of Incus", ""},
		{"lxd-j_</var/snap/lxd/common/lxd>", "", "LXD", "lxd", "j", "instance j of LXD", "/var/snap/lxd/common/lxd/security/apparmor/profiles/lxd-j"},
		{"system_tor", "root//lxd-web1_<var-lib-lxd>", "LXD", "lxd", "web1", "a process in the policy namespace of instance web1 of LXD", ""},
		{"lxd_dnsmasq-lxdbr0_</var/snap/lxd/common/lxd>", "", "LXD", "", "", "dnsmasq of LXD, for lxdbr0", "/var/snap/lxd/common/lxd/security/apparmor/profiles/"},
		{"libvirt-" + uuid, "", "libvirt", "", "", "virtual machine " + uuid + " of libvirt", "/etc/apparmor.d/libvirt/libvirt-" + uuid},
		{"libvirt-" + uuid + "//qemu_bridge_helper", "", "libvirt", "", "", "virtual machine " + uuid + " of libvirt", "/etc/apparmor.d/libvirt/libvirt-" + uuid},
		{"a0d7b954_nodered", "", "Home Assistant", "", "", "the add-on nodered of Home Assistant, by the form of the name", "/usr/share/hassio/apparmor/a0d7b954_nodered"},
		{"hassio-supervisor///usr/bin/git", "", "Home Assistant", "", "", "the Supervisor of Home Assistant", "/usr/share/hassio/apparmor/hassio-supervisor"},
		{"kubearmor-default-web-nginx", "", "KubeArmor", "", "", "a container that KubeArmor confines (namespace, owner and container: default-web-nginx)", "/etc/apparmor.d/kubearmor-default-web-nginx"},
		{"unpriv_bwrap", "", "bubblewrap", "", "", "what bubblewrap runs, such as a Flatpak app", "/etc/apparmor.d/bwrap-userns-restrict"},
		{"firejail-default", "", "Firejail", "", "", "a program that Firejail runs", "/etc/apparmor.d/firejail-default"},
	} {
		m := Of(c.profile, c.namespace)
		require.NotNil(t, m, c.profile)
		file := ""
		if len(m.Files) > 0 {
			file = m.Files[0]
		}
		assert.Equal(t, []string{c.product, c.runtime, c.name, c.what, c.file}, []string{m.Product, m.Runtime, m.Name, m.What, file}, c.profile)
	}
}

// What can only be of people's own, or is no name that could be typed, is of nobody.
func TestOfNobody(t *testing.T) {
	for _, profile := range []string{
		"", "unconfined", "docker-default", "/usr/sbin/mysqld", "snap.", "snap.x", "snap.x.$(y)", "lxc-_</var/lib/lxc>", "lxc-$(id)_</var/lib/lxc>",
		"lxc-a_</b c>", "libvirt-1c01", "libvirt-dbus", "web//&db", "incus-a b_</var/lib/incus>", "core_", "kubearmor-", "my_app",
	} {
		assert.Nil(t, Of(profile, ""), profile)
		assert.Nil(t, Of("x", "root//"+profile), profile)
	}
	assert.Equal(t, "a", Of("incus-b_</var/lib/incus>", "root//incus-a_<var-lib-incus>//incus-c_<var-lib-incus>").Name, "a container names its profiles as it likes")
	assert.False(t, (*Member)(nil).Generated())
}

func TestAdding(t *testing.T) {
	for profile, want := range map[string]string{
		"incus-f43_</var/lib/incus>":        "in `incus config edit f43` put the line `/a r,` into raw.apparmor, below config; then `incus restart f43`",
		"incus-team_web-1_</var/lib/incus>": "in `incus --project team config edit web-1` put the line `/a r,` into raw.apparmor, below config; then `incus --project team restart web-1`",
		"lxd-j_</var/snap/lxd/common/lxd>":  "in `lxc config edit j` put the line `/a r,` into raw.apparmor, below config; then `lxc restart j`",
		"snap.nextcloud.mysql":              "",
		"hassio-supervisor":                 "",
	} {
		m := Of(profile, "")
		assert.True(t, m.Generated(), profile)
		assert.Equal(t, want, m.Adding("/a r,"))
	}
	m := Of("unconfined", "root//incus-f43_<var-lib-incus>")
	assert.True(t, m.Inside)
	assert.False(t, m.Generated(), "it is the container's own policy that decides")
	assert.Equal(t, "incus exec f43 --", m.Enter)
	addon := Of("local_web", "")
	assert.True(t, addon.IsOwn("/x/web/apparmor.txt"), "what the product makes its own of")
	assert.True(t, addon.IsOwn("/etc/apparmor.d/local_web"), "a name that anybody may choose")
	assert.False(t, addon.IsOwn("/usr/share/hassio/apparmor/local_web"))
	assert.False(t, Of("libvirt-1c01b0a5-0f2e-4d1b-9c1d-0a1b2c3d4e5f", "").IsOwn("/etc/apparmor.d/libvirt/x"))
}

var groupName = regexp.MustCompile(`\$\{[^}]*\}`)

// Each text is whole: no group is named that the expression has not.
func TestTextsAreWhole(t *testing.T) {
	all := products()
	for i := range all {
		p := &all[i]
		groups := map[string]bool{}
		for _, name := range p.profile.SubexpNames() {
			groups["${"+name+"}"] = true
		}
		texts := slices.Concat([]string{p.what, p.add, p.then, p.enter}, p.files, p.other)
		for _, text := range texts {
			for _, named := range groupName.FindAllString(text, -1) {
				assert.True(t, groups[named], "%s: %s in %q", p.name, named, text)
			}
		}
		assert.Equal(t, p.add == "", p.then == "", p.name)
		assert.NotEmpty(t, append(p.other, p.add), p.name)
	}
}

func TestInterfaces(t *testing.T) {
	for path, want := range map[string]string{
		"/proc/1042/mounts": "mount-observe", "/mnt/disk/a": "removable-media", "/home/u/a": "home", "/home/u/.ssh/id": "personal-files",
		"/dev/video0": "camera", "/var/log/syslog": "log-observe", "/sys/class/net/": "hardware-observe", "/usr/bin/systemctl": "", "/": "",
	} {
		assert.Equal(t, want, FileInterface(path), path)
	}
	assert.Equal(t, "process-control", CapabilityInterface("sys_nice"))
	assert.Equal(t, "nextcloud", Snap("snap.nextcloud.mysql"))
	assert.Empty(t, Snap("web"))
}
