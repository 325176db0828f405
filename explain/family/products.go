package family

import (
	"regexp"
	"sync"
)

// Names are what can be typed as it stands: others are not recognised.
const (
	name = `(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)`
	dir  = `_<(?P<dir>/[A-Za-z0-9/._-]*)>$` // of a container engine, as its profiles have it
)

// products are tried in order. Sources, with the places that tell the names, the files
// and what is done with them:
//
//   - snapd, August 2026: snap/naming/tag.go, dirs/dirs.go, interfaces/apparmor/backend.go
//   - LXC 7.0: src/lxc/lsm/apparmor.c, config/apparmor, lxc.container.conf(5); Proxmox VE: pct.conf(5)
//   - Incus 6 and 7, LXD 5: internal/server/apparmor (lxd/apparmor), and the options raw.apparmor and
//     security.nesting of instances
//   - libvirt: src/security/virt-aa-helper.c, src/security/apparmor
//   - Home Assistant Supervisor, 2026: supervisor/host/apparmor.py, supervisor/utils/apparmor.py
//   - KubeArmor: KubeArmor/core/kubeUpdate.go
//   - AppArmor 4.1: profiles/apparmor.d/unprivileged_userns, bwrap-userns-restrict; Firejail: etc/apparmor
var products = sync.OnceValue(func() []product {
	return []product{
		{
			name: "snap", profile: regexp.MustCompile(`^snap\.(?P<snap>[a-z0-9_+-]+)\.hook\.(?P<hook>[A-Za-z0-9-]+)$`),
			what: "hook ${hook} of snap ${snap}", files: []string{"/var/lib/snapd/apparmor/profiles/snap.${snap}.hook.${hook}"}, configs: snapConfigs,
			writer: snapdWrites, other: []string{snapPlugs, snapLayouts},
		},
		{
			name: "snap", profile: regexp.MustCompile(`^snap\.(?P<snap>[a-z0-9_+-]+)\.(?P<app>[A-Za-z0-9-]+)$`),
			what: "app ${app} of snap ${snap}", files: []string{"/var/lib/snapd/apparmor/profiles/snap.${snap}.${app}"}, configs: snapConfigs,
			writer: snapdWrites, other: []string{snapPlugs, snapLayouts},
		},
		{
			name: "snap", profile: regexp.MustCompile(`^snap-update-ns\.(?P<snap>[a-z0-9_+-]+)$`),
			what: "snapd, which sets up the mounts of snap ${snap}", files: []string{"/var/lib/snapd/apparmor/profiles/snap-update-ns.${snap}"},
			writer: snapdWrites, other: []string{"What it mounts follows from the layouts and interfaces of the snap. Where those need what is refused here, that is a fault of snapd or of the snap."},
		},
		{
			name: "snap", profile: regexp.MustCompile(`^(?:/snap/(?:snapd|core)/x?[0-9]+)?/usr/lib(?:exec)?/snapd/snap-confine$|^snap-confine\.`),
			what: "snap-confine, which starts the apps of snaps", writer: snapdWrites,
			other: []string{"Refusals of it that start no failure are known to be noise: it looks at what it inherits from whoever starts an app."},
		},
		{
			name: "Proxmox VE or LXC", profile: regexp.MustCompile(`^lxc-(?P<name>[1-9][0-9]{2,8})_<(?P<dir>/var/lib/lxc)>$`), runtime: "lxc",
			namespace: regexp.MustCompile(`^lxc-(?P<name>[1-9][0-9]{2,8})_<(?P<dir>-?var-lib-lxc)>$`),
			what:      "container ${name}", files: []string{"${dir}/${name}/apparmor/lxc-${name}_<DASHED>"}, configs: []string{"/etc/pve/lxc/${name}.conf", "${dir}/${name}/config"}, writer: lxcWrites,
			add:  "on Proxmox VE put the line `lxc.apparmor.raw: RULE` into /etc/pve/lxc/${name}.conf, elsewhere `lxc.apparmor.raw = RULE` into ${dir}/${name}/config",
			then: "start the container anew (pct stop ${name} && pct start ${name}; lxc-stop and lxc-start)", enter: "pct exec ${name} --",
			other: []string{
				"What containers in it need as a whole is `pct set ${name} --features nesting=1`, elsewhere lxc.apparmor.allow_nesting = 1: it takes the deny rules for /proc and /sys out, too.",
			},
		},
		{
			name: "LXC", profile: regexp.MustCompile(`^lxc-` + name + dir), runtime: "lxc",
			namespace: regexp.MustCompile(`^lxc-` + name + `_<[A-Za-z0-9._-]*>$`),
			what:      "container ${name}", files: []string{"${dir}/${name}/apparmor/lxc-${name}_<DASHED>"}, configs: []string{"${dir}/${name}/config"}, writer: lxcWrites,
			add:  "put the line `lxc.apparmor.raw = RULE` into ${dir}/${name}/config",
			then: "start the container anew (lxc-stop -n ${name}, lxc-start -n ${name})", enter: "lxc-attach -n ${name} --",
			other: []string{
				"lxc.apparmor.allow_nesting = 1 is what containers in it need as a whole; it takes the deny rules for /proc and /sys out, too. lxc.apparmor.profile = NAME gives it a profile of your own in place of the generated one.",
			},
		},
		{
			name: "LXC", profile: regexp.MustCompile(`^lxc-container-default`),
			what: "a container of LXC", files: []string{"/etc/apparmor.d/lxc/lxc-default", "/etc/apparmor.d/lxc/lxc-default-cgns"},
			other: []string{
				"Every LXC container without lxc.apparmor.profile has this profile. To change it for one, copy it under another name into /etc/apparmor.d/lxc/, name that in lxc.apparmor.profile, and load it: apparmor_parser -r /etc/apparmor.d/lxc-containers. Where nothing of the kind is set, lxc.apparmor.profile = generated makes one for the container.",
			},
		},
		{
			name: "LXC", profile: regexp.MustCompile(`^/usr/bin/lxc-start$`), starter: "lxc-start",
			what: "lxc-start, which starts containers of LXC", files: []string{"/etc/apparmor.d/usr.bin.lxc-start"},
			other: []string{
				"Of the profiles of containers it may enter those alone whose names begin with lxc- (abstractions/lxc/start-container). Where a change to another is refused, call the container's profile so, in its file and in lxc.apparmor.profile: nothing of this profile has to change.",
			},
		},
		instance("Incus", "incus", "incus", ""), instance("Incus", "incus", "incus", "(?P<project>[A-Za-z0-9._-]+)_"),
		instance("LXD", "lxd", "lxc", ""), instance("LXD", "lxd", "lxc", "(?P<project>[A-Za-z0-9._-]+)_"),
		helper("Incus", "incus"),
		helper("LXD", "lxd"),
		{
			name: "libvirt", profile: regexp.MustCompile(`^libvirt-(?P<uuid>[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})$`),
			what: "virtual machine ${uuid} of libvirt", files: []string{"/etc/apparmor.d/libvirt/libvirt-${uuid}"}, configs: []string{"/etc/libvirt/qemu/*.xml"},
			writer: "libvirt's virt-aa-helper makes it of /etc/apparmor.d/libvirt/TEMPLATE.qemu when the machine is defined, and its .files anew at each start, of what the machine's XML names",
			add:    "put the rule `RULE` into /etc/apparmor.d/local/abstractions/libvirt-qemu, which is of all machines",
			then:   "stop the machine and start it again, as its profile is loaded then",
			other: []string{
				"`virsh domname ${uuid}` tells the name of the machine.",
				"A disk, a device or a socket belongs into its XML (virsh edit): what is named there is allowed without a rule. The files that a disk image stands on are, too, where the image names them.",
			},
		},
		{
			name: "libvirt", profile: regexp.MustCompile(`^(?:/usr/sbin/)?(?P<daemon>libvirtd|virtqemud)$`), scrubs: true,
			what: "the daemon of libvirt", files: []string{"/etc/apparmor.d/usr.sbin.${daemon}"},
			other: []string{
				"Rules of your own go into /etc/apparmor.d/local/usr.sbin.${daemon}; then `sudo apparmor_parser -r -W /etc/apparmor.d/usr.sbin.${daemon}`.",
				"A QEMU that is not in /usr/bin needs a rule for the machines, too: its path with `rmix,` in /etc/apparmor.d/local/abstractions/libvirt-qemu.",
			},
		},
		{
			name: "Home Assistant", profile: regexp.MustCompile(`^hassio-supervisor$`),
			what: "the Supervisor of Home Assistant", files: []string{"/usr/share/hassio/apparmor/hassio-supervisor", "/mnt/data/supervisor/apparmor/hassio-supervisor"},
			writer: "it comes with the Supervisor, which fetches it anew with its updates",
			other:  []string{"A rule that lacks is reported to github.com/home-assistant/supervisor; `ha supervisor update` fetches the profile of today."},
		},
		{
			name: "Home Assistant", profile: regexp.MustCompile(`^(?P<repository>core|local|[0-9a-f]{8})_(?P<slug>[a-z0-9_]+)$`),
			what: "the add-on ${slug} of Home Assistant, by the form of the name", source: "apparmor.txt", loose: true, files: []string{"/usr/share/hassio/apparmor/${repository}_${slug}", "/mnt/data/supervisor/apparmor/${repository}_${slug}"},
			writer: "the Supervisor makes it of the add-on's apparmor.txt whenever the add-on is installed or updated",
			add:    "put the rule `RULE` into apparmor.txt of the add-on, beside its config.yaml",
			then:   "raise its version and update it, or of a local add-on rebuild it (`ha addons rebuild ${repository}_${slug}`)",
			other:  []string{"In an add-on that is not yours, the rule is for its maintainers. Switching its protection off in the user interface is no remedy: that gives it the host."},
		},
		{
			name: "KubeArmor", profile: regexp.MustCompile(`^kubearmor-(?P<rest>[a-z0-9.-]+)$`),
			what: "a container that KubeArmor confines (namespace, owner and container: ${rest})", files: []string{"/etc/apparmor.d/kubearmor-${rest}"},
			writer: "KubeArmor makes it anew of the KubeArmorPolicy resources, whenever those or the pods change",
			other:  []string{"Which policies select the pod: `kubectl get kubearmorpolicies -A`. Where one has action Allow, all that it does not name is refused; where it has Block, take the path or the process out of it."},
		},
		{
			name: "bubblewrap", profile: regexp.MustCompile(`^(?:unpriv_bwrap|bwrap)$`),
			what: "what bubblewrap runs, such as a Flatpak app", files: []string{"/etc/apparmor.d/bwrap-userns-restrict"},
			other: []string{"It is one profile for all that bubblewrap runs, and keeps capabilities from it by intent. What a Flatpak app may reach is set by `flatpak override --user APP` (--filesystem, --device, --socket), or in Flatseal, not here."},
		},
		{
			name: "Firejail", profile: regexp.MustCompile(`^firejail-default$`),
			what: "a program that Firejail runs", files: []string{"/etc/apparmor.d/firejail-default"},
			other: []string{"Rules of your own go into /etc/apparmor.d/local/firejail-default, and are of every program that Firejail runs with `apparmor`. For one alone, `ignore apparmor` in ~/.config/firejail/PROGRAM.local takes it out of the profile."},
		},
	}
})

// snapConfigs are where the apps and plugs of a snap are said.
var snapConfigs = []string{"/snap/${snap}/current/meta/snap.yaml", "/var/lib/snapd/snap/${snap}/current/meta/snap.yaml"}

const (
	snapdWrites = "snapd makes it anew when the snap is installed or refreshed, or one of its interfaces is connected"
	snapPlugs   = "Which interfaces the snap has and which of them are connected: `snap connections ${snap}`. Connect one: `sudo snap connect ${snap}:PLUG`."
	snapLayouts = "A path that the program expects at a place of its own is a layout of the snap (layout: in snapcraft.yaml), which its publisher adds. Where the app works all the same, leave the refusal alone."
	lxcWrites   = "LXC makes it anew whenever the container starts (lxc.apparmor.profile = generated)"
)

// instance is a container or a virtual machine of Incus or LXD: those of projects but the
// default one have that before their name, which has no underscore itself.
func instance(name, runtime, command, project string) product {
	profile, of := `^`+runtime+`-`+project+`(?P<name>[A-Za-z0-9-]+)`, runtime+"-"
	if project != "" {
		command, of = command+" --project ${project}", of+"${project}_"
	}
	return product{
		name: name, profile: regexp.MustCompile(profile + dir), runtime: runtime,
		namespace: regexp.MustCompile(profile + `_<(?P<dir>[A-Za-z0-9._-]*)>$`),
		what:      "instance ${name} of " + name, files: []string{"${dir}/security/apparmor/profiles/" + of + "${name}"},
		writer: name + " makes it anew whenever the instance starts",
		add:    "in `" + command + " config edit ${name}` put the line `RULE` into raw.apparmor, below config",
		change: "in `" + command + " config edit ${name}`, of raw.apparmor below config,",
		given:  "\n  ### Configuration: raw.apparmor\n",
		then:   "`" + command + " restart ${name}`", enter: command + " exec ${name} --",
		other: []string{"What containers in it need as a whole is `" + command + " config set ${name} security.nesting=true`."},
	}
}

// helper is a program that Incus or LXD runs for an instance, a network or an image.
func helper(name, runtime string) product {
	return product{
		name: name, profile: regexp.MustCompile(`^` + runtime + `_(?P<part>[a-z]+)-(?P<of>[A-Za-z0-9._-]+)` + dir),
		what: "${part} of " + name + ", for ${of}", files: []string{"${dir}/security/apparmor/profiles/"},
		writer: name + " makes it anew whenever it starts the program",
		other:  []string{"There is no option for it; what it lacks is a fault of " + name + ", and mended by a newer one."},
	}
}
