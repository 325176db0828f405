package explain

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/whydenied/whydenied/explain/container"
	"github.com/whydenied/whydenied/explain/library"
)

// A call that was refused to what may be a service of systemd is given to its unit, by itself
// or with its group.
func TestSystemCallFilter(t *testing.T) {
	const record = `type=SECCOMP msg=audit(1795427169.844:13): auid=4294967295 uid=998 gid=998 ses=4294967295 subj=unconfined pid=7053 comm="pyzor" exe="/usr/bin/python2.7" sig=31 arch=c000003e syscall=141 compat=0 ip=0x7f085ec6abf7 code=0x0` + "\n"
	of := func(record string, find func(container.Subject) container.Container) *Explained {
		g := NewGroup(find, Filter{})
		for _, d := range denials(t, record) {
			g.Add(d)
		}
		return New(library.New(t.TempDir(), nil)).ExplainAll(g.Findings())[0]
	}
	notes := strings.Join(of(record, nil).Notes, " ")
	assert.Contains(t, notes, "status=31/SYS")
	assert.Contains(t, notes, "`systemctl edit UNIT`. In that, below `[Service]`, `SystemCallFilter=setpriority` gives it this call, `SystemCallFilter=@resources` all 13 calls of its group.")
	notes = strings.Join(of(strings.Replace(record, "syscall=141", "syscall=318", 1), nil).Notes, " ")
	assert.Contains(t, notes, "SystemCallFilter=getrandom")
	assert.NotContains(t, notes, "@default", "which is always allowed")

	for name, other := range map[string]string{
		"of a login":            strings.Replace(record, "auid=4294967295", "auid=1000", 1),
		"under a profile":       strings.Replace(record, "subj=unconfined", "subj=docker-default", 1),
		"traced by a debugger":  strings.Replace(record, "code=0x0", "code=0x7ff00000", 1),
		"an error":              strings.Replace(record, "code=0x0", "code=0x50000", 1),
		"of x32":                strings.Replace(record, "syscall=141", "syscall=1073741965", 1),
		"a call without a name": strings.Replace(record, "syscall=141", "syscall=9999", 1),
	} {
		assert.NotContains(t, strings.Join(of(other, nil).Notes, " "), "SystemCallFilter", name)
	}
	notes = strings.Join(of(record, func(container.Subject) container.Container {
		return container.Container{Unit: "spam.service", Evidence: []string{"its cgroup is /system.slice/spam.service, which is no container's"}}
	}).Notes, " ")
	assert.Contains(t, notes, "By its cgroup the process was of the service spam.service")
	assert.Contains(t, notes, "`systemctl edit spam.service`")
	const ended = "Jun 19 12:17:11 lab systemd[1]: spam.service: Main process exited, code=dumped, status=31/SYS\n"
	const failed = `type=SERVICE_STOP msg=audit(1795427169.880:15): pid=1 uid=0 auid=4294967295 ses=4294967295 subj=unconfined msg='unit=spam comm="systemd" exe="/usr/lib/systemd/systemd" hostname=? addr=? terminal=? res=failed'UID="root" AUID="unset"` + "\n"
	printed := "[   12.1] audit: " + strings.Replace(strings.TrimPrefix(failed, "type=SERVICE_STOP msg="), "audit(", "type=1131 audit(", 1)
	other := strings.Replace(record, "pid=7053", "pid=7054", 1)
	for log, unit := range map[string]string{
		record + ended: "spam.service", record + "a line between\n" + record + ended: "spam.service",
		record + other + ended: "", ended + record: "",
		record + failed: "spam.service", record + printed: "spam.service", record + other + failed: "",
		record + strings.Replace(failed, "res=failed", "res=success", 1):  "",
		record + strings.Replace(failed, "1795427169", "1795427199", 1):   "", // half a minute later
		record + strings.Replace(failed, "pid=1 uid=0", "pid=7 uid=0", 1): "", // as a container can say
	} {
		notes := strings.Join(of(log, nil).Notes, " ")
		assert.Equal(t, unit != "", strings.Contains(notes, "systemd says that spam.service failed"), log)
		assert.Equal(t, unit != "", strings.Contains(notes, "`systemctl edit spam.service`"), log)
	}
	f := of(record, func(container.Subject) container.Container {
		return container.Container{Name: "web", Confidence: container.High}
	})
	assert.NotContains(t, strings.Join(f.Notes, " "), "SystemCallFilter", "a container is no unit")
}

// A filter that is not known can be one of the program's own, where programs of its name have
// some.
func TestOwnFilter(t *testing.T) {
	const record = `type=SECCOMP msg=audit(1592568000.1:88): auid=1000 uid=1000 gid=1000 ses=2 subj=unconfined pid=4110 comm="c" exe="%" sig=31 arch=c000003e syscall=39 compat=0 ip=0x55 code=0x0` + "\n"
	for exe, own := range map[string]bool{"/opt/google/chrome/chrome": true, "/usr/lib/firefox/firefox": true, "/usr/bin/qemu-system-x86_64": true, "/usr/bin/torsocks": false, "/usr/bin/node": false} {
		f := explained(t, strings.Replace(record, "%", exe, 1), "profile p {\n}\n")
		assert.Equal(t, own, strings.Contains(strings.Join(f.Notes, " "), "this may be one of those"), exe)
	}
}

// A profile of which a rule could not be read is not said to have none for an access, and
// mounts are offered what the profile has for mounts elsewhere.
func TestNearRules(t *testing.T) {
	const read = `apparmor="DENIED" operation="open" profile="p" name="/srv/x" pid=41 comm="c" requested_mask="r" denied_mask="r" fsuid=0 ouid=0`
	assert.Equal(t, "no rule of the profile speaks of it", explained(t, apparmorRecord(read), "profile p {\n}\n").Why)
	assert.Contains(t, explained(t, apparmorRecord(read), "profile p {\n  @{unset}/x r,\n}\n").Why, "one that could not may")

	const mount = `apparmor="DENIED" operation="mount" info="failed mntpnt match" error=-13 profile="p" name="/data/a/" pid=41 comm="c" fstype="fuse.sshfs" srcname="u@h:/" flags="rw, nosuid"`
	f := explained(t, apparmorRecord(mount), "@{fs} = fuse fuse.*\nprofile p {\n  mount fstype=@{fs} options in (nosuid,rw) -> /mnt/**/,\n  mount fstype=ext4 -> /srv/,\n}\n")
	var rulesOf []string
	for _, fix := range f.Fixes {
		rulesOf = append(rulesOf, fix.Rule)
	}
	assert.Contains(t, strings.Join(rulesOf, "\n"), "mount fstype=@{fs} options in (nosuid,rw) -> /data/a/,")
	assert.NotContains(t, strings.Join(rulesOf, "\n"), "ext4", "which would not grant it")
}

// A profile that systemd was to enter is named where units name it, and not as those of
// containers are.
func TestAppArmorProfileOfUnit(t *testing.T) {
	const record = `apparmor="DENIED" operation="change_onexec" info="label not found" error=-2 profile="unconfined" name="system_tor" pid=41 comm="%"`
	for comm, want := range map[string]string{
		"(tor)":         "by AppArmorProfile=system_tor of the unit whose program's name ends in tor",
		"systemd":       "by AppArmorProfile=system_tor: load the profile",
		"runc:[2:INIT]": "--security-opt apparmor=",
	} {
		f := explained(t, apparmorRecord(strings.Replace(record, "%", comm, 1)), "profile p {\n}\n")
		assert.Equal(t, ProfileNotLoaded, f.Cause)
		notes := strings.Join(f.Notes, " ")
		assert.Contains(t, notes, want)
		assert.Equal(t, comm == "runc:[2:INIT]", strings.Contains(notes, "--security-opt"))
	}
}

// A machine of systemd-nspawn is given a call by SystemCallFilter=: no file is its filter, which
// answers errnos alone.
func TestNspawn(t *testing.T) {
	const record = `type=SECCOMP msg=audit(1795427169.844:13): auid=4294967295 uid=0 gid=0 ses=4294967295 subj=unconfined pid=7053 comm="mkdir" exe="/usr/bin/busybox" sig=0 arch=c000003e syscall=83 compat=0 ip=0x7f code=0x50000` + "\n"
	of := func(record string) *Explained {
		g := NewGroup(func(container.Subject) container.Container {
			return container.Container{ID: "web 1", Runtime: container.Nspawn, Confidence: container.High}
		}, Filter{})
		for _, d := range denials(t, record) {
			g.Add(d)
		}
		return New(library.New(t.TempDir(), nil)).ExplainAll(g.Findings())[0]
	}
	f := of(record)
	notes := strings.Join(f.Notes, " ")
	assert.Contains(t, notes, "`SystemCallFilter=mkdir` allows it, below `[Exec]` in /etc/systemd/nspawn/'web 1'.nspawn, or `--system-call-filter=mkdir` on the command line")
	assert.Empty(t, f.NotFound, "no file is the filter")
	assert.Nil(t, f.Unchecked)
	assert.Empty(t, f.Investigate)
	assert.Contains(t, of(strings.Replace(record, "syscall=83", "syscall=272", 1)).Investigate, "unshare: ")

	f = of(strings.Replace(strings.Replace(record, "code=0x50000", "code=0x80000000", 1), "sig=0", "sig=31", 1))
	assert.Contains(t, f.Why, "and never kill_process: this is a filter of a unit in the machine, or of the program itself")
	assert.Contains(t, strings.Join(f.Notes, " "), "`systemctl --machine='web 1' cat UNIT`")
	assert.NotContains(t, strings.Join(f.Notes, " "), ".nspawn")

	assert.NotEmpty(t, of(strings.Replace(record, "syscall=83", "syscall=9999", 1)).NotFound)
}
