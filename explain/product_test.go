package explain

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/whydenied/whydenied/explain/container"
	"github.com/whydenied/whydenied/explain/library"
	"github.com/whydenied/whydenied/rules"
	"github.com/whydenied/whydenied/rules/apparmor"
)

// opened is the record of a file that a profile refused.
func opened(profile string) string {
	return apparmorRecord(`apparmor="DENIED" operation="open" ` + profile + ` name="/srv/a" pid=7 comm="cat" requested_mask="r" denied_mask="r" fsuid=0 ouid=0`)
}

// What a product makes anew is never changed: the product is asked for the rule, by its own
// means, or people are told what it has in place of rules.
func TestGeneratedIsNotEdited(t *testing.T) {
	for label, want := range map[string]string{
		"lxc-114_</var/lib/lxc>":                       "lxc.apparmor.raw: ",
		"lxd-j_</var/snap/lxd/common/lxd>":             "lxc config edit j",
		"incus-f43_</var/lib/incus>":                   "raw.apparmor",
		"libvirt-1c01b0a5-0f2e-4d1b-9c1d-0a1b2c3d4e5f": "/etc/apparmor.d/local/abstractions/libvirt-qemu",
		"snap.nextcloud.mysql":                         "", "hassio-supervisor": "", "kubearmor-default-web-nginx": "",
	} {
		for _, source := range []string{"profile \"" + label + "\" {\n  /srv/b r,\n}\n", "profile other {\n}\n"} {
			f := explained(t, opened(`profile="`+label+`"`), source)
			require.NotNil(t, f.Product, label)
			for _, fix := range f.Fixes {
				assert.Empty(t, fix.Edits, label)
			}
			if want == "" {
				assert.Empty(t, f.Fixes, label)
				assert.Nil(t, f.Unchecked, label)
				assert.Empty(t, f.Quiet, label)
				continue
			}
			if !strings.Contains(source, label) {
				assert.Empty(t, f.Fixes, "nothing is proved where the profile is not known")
				require.NotNil(t, f.Unchecked, label)
				f.Fixes = []rules.Fix{*f.Unchecked}
			}
			if assert.Len(t, f.Fixes, 1, label) {
				assert.Contains(t, f.Fixes[0].Message, want)
				assert.Contains(t, f.Fixes[0].Rule, "/srv/a r,")
			}
		}
	}
}

// What libvirt's daemon executes from elsewhere is executed as what is in /usr/bin, by what its profile says of
// that, or what libvirt's own says where it is not known: under the daemon's profile it is of no use.
func TestNamesakeIsExecutedAlike(t *testing.T) {
	exec := apparmorRecord(`apparmor="DENIED" operation="exec" profile="libvirtd" name="/usr/local/bin/qemu-system-x86_64" pid=7 comm="libvirtd" requested_mask="x" denied_mask="x" fsuid=0 ouid=0`)
	f := explained(t, exec, "profile libvirtd {\n  /** rwmkl,\n  /usr/bin/* PUx,\n}\n")
	if assert.NotEmpty(t, f.Fixes) {
		assert.Equal(t, "/usr/local/bin/qemu-system-x86_64 PUx,", f.Fixes[0].Rule)
		assert.Equal(t, rules.Medium, f.Fixes[0].Risk)
	}
	f = explained(t, exec, "profile libvirtd {\n  /** rwmkl,\n  /usr/bin/* ix,\n}\n")
	if assert.NotEmpty(t, f.Fixes) {
		assert.Equal(t, "/usr/local/bin/qemu-system-x86_64 ix,", f.Fixes[0].Rule)
	}
	f = explained(t, exec, "profile other {\n}\n")
	if assert.NotNil(t, f.Unchecked) {
		assert.Equal(t, "/usr/local/bin/qemu-system-x86_64 PUx,", f.Unchecked.Rule)
		assert.Equal(t, "without a profile of its own the program runs unconfined", f.Unchecked.Reason)
	}
	assert.Contains(t, strings.Join(f.Notes, "\n"), "local/usr.sbin.libvirtd")
}

// A container's init under the profile of lxc-start gets no rule there, a hook of lxc-start's does.
func TestContainerUnderItsStarter(t *testing.T) {
	record := `apparmor="DENIED" operation="mount" info="failed flags match" error=-13 profile="/usr/bin/lxc-start" name="/run/" pid=7 comm="%s" fstype="tmpfs" srcname="tmpfs" flags="rw, nosuid"`
	for comm, astray := range map[string]bool{"systemd": true, "(networkd)": true, "lxc-start": false, "mount-hook": false} {
		f := explained(t, apparmorRecord(fmt.Sprintf(record, comm)), "profile other {\n}\n")
		assert.Equal(t, astray, f.Unchecked == nil, comm)
		assert.Equal(t, astray, strings.Contains(strings.Join(f.Notes, "\n"), "whose own profile was not entered"), comm)
	}
}

// What a snap lacks of shared memory its publisher gives it, of files and of the message bus an interface does.
func TestSharedMemoryOfSnaps(t *testing.T) {
	note := func(record string) string {
		return strings.Join(explained(t, apparmorRecord(record), "profile other {\n}\n").Notes, "\n")
	}
	const file = `apparmor="DENIED" operation="%s" profile="snap.web.app" name="%s" pid=7 comm="app" requested_mask="%s" denied_mask="%s" fsuid=1000 ouid=1000`
	assert.Contains(t, note(fmt.Sprintf(file, "mknod", "/dev/shm/sem.x", "c", "c")), "whose names begin with snap.web.")
	assert.Contains(t, note(fmt.Sprintf(file, "mknod", "/dev/shm/.org.chromium.Chromium.x", "c", "c")), "web:browser-support")
	assert.Contains(t, note(fmt.Sprintf(file, "file_lock", "/home/u/a.txt", "wk", "wk")), "does not allow to lock")
	assert.NotContains(t, note(fmt.Sprintf(file, "open", "/home/u/a.txt", "r", "r")), "does not allow to lock")
	assert.Contains(t, note(`apparmor="DENIED" operation="dbus_method_call" bus="system" path="/" interface="org.freedesktop.DBus.ObjectManager" member="GetManagedObjects" mask="send" name="org.bluez" pid=7 label="snap.web.app"`), "web:bluez")
}

// Where the product takes no rules, the one that lacks is told for a report.
func TestLackingRule(t *testing.T) {
	f := explained(t, opened(`profile="snap.nextcloud.mysql"`), "profile snap.nextcloud.mysql {\n  /srv/b r,\n}\n")
	assert.Contains(t, strings.Join(f.Notes, "\n"), "The rule that lacks, for a report to who makes the profile: `owner /srv/a r,`")
}

// What did no harm is nothing to report.
func TestNothingLacksWhatIsHarmless(t *testing.T) {
	for result, want := range map[string]bool{"success=no exit=-1": true, "success=yes exit=0": false} {
		f := explained(t, apparmorRecord(`apparmor="DENIED" operation="capable" class="cap" profile="snap.nextcloud.mysql" pid=7 comm="a" capability=23 capname="sys_nice"`)+
			`type=SYSCALL msg=audit(1795427169.844:13): arch=c000003e syscall=141 `+result+` a0=0 a1=0 a2=0 a3=0 items=0 ppid=6 pid=7 uid=0 comm="a" exe="/bin/a"`+"\n", "profile snap.nextcloud.mysql {\n  /srv/b r,\n}\n")
		assert.Equal(t, want, f.Harmless == "")
		assert.Equal(t, want, strings.Contains(strings.Join(f.Notes, "\n"), "The rule that lacks"))
	}
}

// A profile that allows something and no file was meant for something else.
func TestNoFileRules(t *testing.T) {
	for body, want := range map[string]bool{"network,\n  deny network raw,": true, "network,\n  /srv/b r,": false, "": false} {
		f := explained(t, opened(`profile="p"`), "profile p {\n  "+body+"\n}\n")
		assert.Equal(t, want, strings.Contains(strings.Join(f.Notes, "\n"), "the rule `file,` is what it lacks"), body)
	}
}

// What abstractions/base has for files is of no program.
func TestNoFileRulesButBase(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"base": "/dev/null rw,\nsignal,\ninclude <abstractions/more>\n", "more": "/dev/zero rw,\n", "nginx": "/etc/nginx/** r,\n"} {
		require.NoError(t, os.MkdirAll(filepath.Join(dir, "abstractions"), 0o700))
		require.NoError(t, os.WriteFile(filepath.Join(dir, "abstractions", name), []byte(text), 0o600))
	}
	for includes, want := range map[string]bool{"base": true, "nginx": false} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, "p"), []byte("profile p {\n  network,\n  include <abstractions/"+includes+">\n}\n"), 0o600))
		group := NewGroup(nil, Filter{})
		group.Add(denials(t, opened(`profile="p"`))[0])
		f := New(library.New(dir, nil)).ExplainAll(group.Findings())[0]
		require.NotNil(t, f.Profile)
		assert.Equal(t, want, strings.Contains(strings.Join(f.Notes, "\n"), "no rule for files at all but those of abstractions/base"), includes)
	}
}

// A file without a name is given one that the next run does not have.
func TestLinkOfUnnamed(t *testing.T) {
	f := explained(t, apparmorRecord(`apparmor="DENIED" operation="link" class="file" profile="p" name="/srv/staterc.MgKprs" pid=7 comm="a" requested_mask="l" denied_mask="l" fsuid=0 ouid=0 target="/srv/#13597903"`), "profile p {\n  /srv/b r,\n}\n")
	assert.Contains(t, f.Fixes[0].Rule, `/srv/staterc.?????? -> "/srv/#[0-9]*",`)
}

// A rule that is added lifts no deny rule.
func TestGeneratedDeny(t *testing.T) {
	f := explained(t, opened(`profile="lxc-ct_</var/lib/lxc>"`), "profile \"lxc-ct_</var/lib/lxc>\" {\n  file,\n  deny /srv/** r,\n}\n")
	assert.Equal(t, DenyRule, f.Cause)
	assert.Empty(t, f.Fixes)
	assert.Contains(t, f.Notes, "A rule that is added does not lift a deny rule.")
}

// A deny rule that stands below the heading of raw.apparmor is the instance's option, and changed there.
func TestGivenDeny(t *testing.T) {
	const label = "incus-team_web_</var/lib/incus>"
	for _, c := range []struct{ rule, want string }{
		{"deny /srv/a r,", "in `incus --project team config edit web`, of raw.apparmor below config, take the line `deny /srv/a r,` out; then `incus --project team restart web`"},
		{"deny /srv/a rw,", "put `deny /srv/a w,` in place of the line `deny /srv/a rw,`"},
	} {
		f := explained(t, opened(`profile="`+label+`"`), "profile \""+label+"\" {\n  file,\n\n  ### Configuration: raw.apparmor\n  "+c.rule+"\n}\n")
		require.Len(t, f.Fixes, 1)
		assert.Contains(t, f.Fixes[0].Message, c.want)
		assert.Empty(t, f.Fixes[0].Edits)
		assert.NotEmpty(t, f.Fixes[0].Proof)
	}
}

// A file of people's own is changed, whatever its profile is called.
func TestProductsOwnSource(t *testing.T) {
	f := explained(t, opened(`profile="local_web"`), "profile local_web {\n}\n") // in a file "p"
	assert.NotNil(t, f.Fixes[0].Edits)
	assert.Nil(t, f.Product)
}

// The label tells which container it was, where nothing else does; a line that a process wrote
// does not, and within a container its own names do not.
func TestContainerOfProduct(t *testing.T) {
	of := func(record string, find func(container.Subject) container.Container) container.Container {
		g := NewGroup(find, Filter{})
		for _, d := range denials(t, record) {
			g.Add(d)
		}
		return g.Findings()[0].Container
	}
	c := of(opened(`profile="lxc-114_</var/lib/lxc>"`), nil)
	assert.Equal(t, "114", c.Name)
	assert.Equal(t, "lxc", c.Runtime)
	assert.Equal(t, container.High, c.Confidence)
	assert.Equal(t, []string{"Proxmox VE or LXC makes the profile lxc-114_</var/lib/lxc> for it alone"}, c.Evidence)

	c = of(opened(`namespace="root//incus-f43_<var-lib-incus>" profile="lxc-114_</var/lib/lxc>"`), nil)
	assert.Equal(t, "f43", c.Name)

	inv := &container.Inventory{Containers: []container.Container{{Name: "web", Runtime: container.Instance, SeccompProfile: "2\ndenylist\n[all]\nmkdir kill\n", Setup: &container.Setup{File: "web.yaml"}}}}
	killed := `audit(1.5:8): auid=0 uid=0 gid=0 ses=1 subj=incus-web_</var/lib/incus>//&:incus-web_<var-lib-incus>:unconfined pid=7 comm="a" exe="/a" sig=31 arch=c000003e syscall=83 compat=0 ip=0x0 code=0x0`
	c = of("type=SECCOMP msg="+killed, New(library.New("none", nil)).Find(inv))
	assert.Equal(t, container.High, c.Confidence, "a label tells more than that the filter answers so")
	assert.Equal(t, "incus", c.Runtime)

	other := container.Container{Name: "x", Confidence: container.Low}
	c = of(opened(`profile="lxc-114_</var/lib/lxc>"`), func(container.Subject) container.Container { return other })
	assert.Equal(t, "x", c.Name, "what metadata say goes before")
}

// In the policy namespace of a container the host's profiles of the same name do not count.
func TestInsideContainer(t *testing.T) {
	f := explained(t, opened(`namespace="root//lxd-web1_<var-lib-lxd>" profile="/usr/sbin/cron"`), "profile p {\n}\n")
	assert.Equal(t, ProfileNotFound, f.Cause)
	assert.Empty(t, f.Fixes)
	require.NotEmpty(t, f.Notes)
	notes := strings.Join(f.Notes, " ")
	assert.Contains(t, notes, "lxc exec web1 -- apparmor_parser -r FILE")
	assert.Contains(t, notes, "apparmor_parser -r -W -n 'lxd-web1_<var-lib-lxd>' FILE")

	f = explained(t, apparmorRecord(`apparmor="DENIED" operation="change_onexec" info="label not found" error=-2 namespace="root//lxd-web1_<var-lib-lxd>" profile="unconfined" name="system_tor" pid=41 comm="(tor)"`), "profile system_tor {\n}\n")
	assert.Equal(t, ProfileNotLoaded, f.Cause)
	assert.Contains(t, strings.Join(f.Notes, " "), "lxc exec web1 -- apparmor_parser -r FILE")
	require.Len(t, f.Fixes, 1)
	assert.Contains(t, f.Fixes[0].Message, "load it: apparmor_parser -r -W -n 'lxd-web1_<var-lib-lxd>' /")
}

// The interface of snapd is named that allows what an app was refused.
func TestPlugs(t *testing.T) {
	f := explained(t, strings.Replace(opened(`profile="snap.nextcloud.renew-certs"`), "/srv/a", "/proc/7/mounts", 1), "profile p {\n}\n")
	assert.Contains(t, strings.Join(f.Notes, " "), "sudo snap connect nextcloud:mount-observe")
	f = explained(t, apparmorRecord(`apparmor="DENIED" operation="capable" class="cap" profile="snap.x.y" pid=7 comm="y" capability=24  capname="sys_resource"`), "profile p {\n}\n")
	assert.Contains(t, strings.Join(f.Notes, " "), "sudo snap connect x:process-control")
	f = explained(t, apparmorRecord(`apparmor="DENIED" operation="create" class="net" profile="snap.x.y" pid=7 comm="y" family="netlink" sock_type="raw" protocol=0 requested_mask="create" denied_mask="create"`), "profile p {\n}\n")
	assert.Contains(t, strings.Join(f.Notes, " "), "sudo snap connect x:network`")
	f = explained(t, apparmorRecord(`apparmor="DENIED" operation="create" class="net" profile="snap.x.y" pid=7 comm="y" family="netlink" sock_type="dgram" protocol=0 requested_mask="create" denied_mask="create"`), "profile p {\n}\n")
	assert.NotContains(t, strings.Join(f.Notes, " "), "The interface")
}

// The interface home leaves out the data of snaps, of which an app writes its own revision's alone.
func TestDataOfSnaps(t *testing.T) {
	for _, c := range []struct{ profile, name, mask, want, not string }{
		{"snap.chat.chat", "/home/u/snap/chat/72/.config/x", "wc", "this is of revision 72", "snap connect chat:home"},
		{"snap.chat.chat", "/var/snap/chat/x3/db", "w", "this is of revision x3", "The interface"},
		{"snap.chat.chat", "/home/u/snap/chat/72/.config/x", "r", "", "revision 72"}, // which it may
		{"snap.chat.chat", "/home/u/snap/chat/common/x", "w", "", "this is of revision"},
		{"snap.chat.chat", "/home/u/snap/mail/72/x", "w", "", "snap connect chat:home"},
		{"snap.chat.chat", "/home/u/snapshots/x", "w", "snap connect chat:home", "revision"},
	} {
		f := explained(t, apparmorRecord(`apparmor="DENIED" operation="open" class="file" profile="`+c.profile+`" name="`+c.name+`" pid=7 comm="chat" requested_mask="`+c.mask+`" denied_mask="`+c.mask+`" fsuid=1000 ouid=1000`), "profile p {\n}\n")
		notes := strings.Join(f.Notes, "\n")
		assert.Contains(t, notes, c.want, c.name)
		assert.NotContains(t, notes, c.not, c.name)
	}
}

// What a snap keeps for a user it may reach if the user owns it.
func TestOwnerOfSnapData(t *testing.T) {
	for record, want := range map[string]bool{
		`name="/root/snap/shop/70/conf" fsuid=0 ouid=33`:        true,
		`name="/root/snap/shop/70/conf" fsuid=0 ouid=0`:         false,
		`name="/var/snap/shop/70/conf" fsuid=0 ouid=33`:         false,
		`name="/home/u/snap/other/70/conf" fsuid=1000 ouid=33`:  false,
		`name="/home/u/snap/shop/common/x" fsuid=1000 ouid=0`:   true,
		`name="/home/u/snap/shop/common/x" requested_mask="r" `: false,
	} {
		f := explained(t, apparmorRecord(`apparmor="DENIED" operation="open" class="file" profile="snap.shop.web" pid=7 comm="web" requested_mask="r" denied_mask="r" `+record), "profile p {\n}\n")
		assert.Equal(t, want, strings.Contains(strings.Join(f.Notes, "\n"), "(chown)"), record)
	}
}

// A flag of a profile is no rule that a product could be given.
func TestGeneratedFlag(t *testing.T) {
	f := explained(t, apparmorRecord(`apparmor="DENIED" operation="open" info="Failed name lookup - disconnected path" error=-13 profile="incus-f43_</var/lib/incus>" name="a/b" pid=7 comm="cat" requested_mask="r" denied_mask="r" fsuid=0 ouid=0`), "profile \"incus-f43_</var/lib/incus>\" {\n}\n")
	assert.Equal(t, DisconnectedPath, f.Cause)
	assert.Empty(t, f.Fixes)
}

// The config of a product says whose the profile is, what people's own rules in it are, and what
// is no remedy, as it is there already.
func TestSetup(t *testing.T) {
	const uuid = "1c01b0a5-0f2e-4d1b-9c1d-0a1b2c3d4e5f"
	instance := "architecture: x86_64\nconfig:\n  raw.apparmor: deny /srv/a r,\n  security.nesting: \"true\"\nprofiles:\n- default\n"
	machine := "<domain type='kvm'><name>web vm</name><uuid>" + uuid + "</uuid><devices><disk><source file='/srv/a'/>%s</disk></devices></domain>"
	snap := "name: nextcloud\nversion: 1\napps:\n  php:\n    plugs: [media]\nplugs:\n  media:\n    interface: removable-media\n"
	for _, c := range []struct{ label, name, text, body, record, want, not string }{
		{"incus-f43_</var/lib/incus>", "f43.yaml", instance, "deny /srv/a r,", "", "The deny rule is of people's own, in raw.apparmor, as f43.yaml has it: take the line `deny /srv/a r,` out there.", ""},
		{"incus-f43_</var/lib/incus>", "f43.yaml", instance, "deny /srv/* r,", "", "f43.yaml has nesting on already", "people's own"},
		{"lxd-f43_</var/lib/lxd>", "f43.yaml", instance, "/b r,", "", "raw.apparmor has 1 lines already, as f43.yaml says, which stay", ""},
		{"incus-f43_</var/lib/incus>", "f43.yaml", strings.Replace(instance, "profiles:", "type: virtual-machine\nprofiles:", 1), "/b r,", "", "f43.yaml is of a virtual machine: the profile is of its QEMU on the host", "What containers in it need"},
		{"lxd-f44_</var/lib/lxd>", "f43.yaml", instance, "/b r,", "", "", "f43.yaml"},
		{"lxc-f43_</var/lib/lxc>", "/var/lib/lxc/f43/config", "lxc.apparmor.profile = generated\nlxc.apparmor.raw = deny /srv/a r,\n", "deny /srv/a r,", "", "in lxc.apparmor.raw, as /var/lib/lxc/f43/config has it", ""},
		{"libvirt-" + uuid, "web.xml", fmt.Sprintf(machine, ""), "/b r,", "", "The XML of the machine names /srv/a, which libvirt allows without a rule when the machine starts.", ""},
		{"libvirt-" + uuid, "web.xml", fmt.Sprintf(machine, "<readonly/>"), "/b r,", `requested_mask="w" denied_mask="w"`, "take <readonly/> out there (`virsh edit 'web vm'`)", "which libvirt allows"},
		{"snap.nextcloud.php", "snap.yaml", snap, "/b r,", `name="/media/a" requested_mask="r" denied_mask="r"`, "has the plug media of it: `sudo snap connect nextcloud:media`", ""},
		{"snap.nextcloud.php", "snap.yaml", snap, "/b r,", `name="/home/u/a" requested_mask="r" denied_mask="r"`, "snap.yaml has no plug of it for this app", "snap connect nextcloud:home"},
	} {
		found, err := container.Read(c.name, []byte(c.text))
		require.NoError(t, err)
		record := `name="/srv/a" requested_mask="r" denied_mask="r"`
		if strings.HasPrefix(c.record, "name") {
			record = c.record
		} else if c.record != "" {
			record = `name="/srv/a" ` + c.record
		}
		f := explainedIn(t, found, apparmorRecord(`apparmor="DENIED" operation="open" profile="`+c.label+`" pid=7 comm="cat" `+record+` fsuid=0 ouid=0`), "profile \""+c.label+"\" {\n  "+c.body+"\n}\n")
		notes := strings.Join(f.Notes, "\n")
		assert.Contains(t, notes, c.want, c.label)
		if c.not != "" {
			assert.NotContains(t, notes, c.not, c.label)
		}
		if c.want != "" {
			assert.Equal(t, found[0].Name, f.Container.Name)
			assert.Greater(t, f.Container.Confidence, container.Unknown)
		}
		for _, fix := range f.Fixes {
			assert.Empty(t, fix.Edits, c.label)
		}
	}
}

// Of two instances of one name in two projects the label tells which it is.
func TestConfiguredProject(t *testing.T) {
	inv := &container.Inventory{}
	for _, project := range []string{"team", "default"} {
		inv.Containers = append(inv.Containers, container.Container{Name: "web", Runtime: container.Instance, Setup: &container.Setup{Project: project}})
	}
	for label, want := range map[string]string{"incus-team_web_</var/lib/incus>": "team", "incus-web_</var/lib/incus>": "default", "incus-x_web_</var/lib/incus>": "", "lxc-web_</var/lib/lxc>": ""} {
		c := configured(inv, label)
		if want == "" {
			assert.Nil(t, c, label)
			continue
		}
		require.NotNil(t, c, label)
		assert.Equal(t, want, c.Setup.Project)
	}
	inv.Containers[0].Setup.Project = ""
	assert.Nil(t, configured(inv, "incus-web_</var/lib/incus>"), "either may be it")
}

// A profile of this host's own policy may be of another host than the log.
func TestEdited(t *testing.T) {
	for name, other := range map[string]bool{"/etc/apparmor.d/web": true, "/srv/web": false} {
		policy, _ := (&apparmor.Loader{}).Load(rules.NewFile(name, "profile web {\n  /a r,\n}\n"))
		assert.Equal(t, other, strings.Contains(edited(policy.Profile("web")), "--profile-dir"), name)
	}
}
