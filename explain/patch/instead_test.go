package patch

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// What a library asks for only where it was refused something else is left where both are in
// the log, and only there.
func TestInstead(t *testing.T) {
	const (
		shadow = `type=AVC msg=audit(1796072018.384:66): apparmor="DENIED" operation="open" profile="p" name="/etc/shadow" pid=912 comm="cron" requested_mask="r" denied_mask="r" fsuid=0 ouid=0` + "\n"
		chkpwd = `type=AVC msg=audit(1796072018.488:68): apparmor="DENIED" operation="exec" profile="p" name="/usr/sbin/unix_chkpwd" pid=914 comm="cron" requested_mask="x" denied_mask="x" fsuid=0 ouid=0` + "\n" +
			`type=SYSCALL msg=audit(1796072018.488:68): arch=c000003e syscall=59 success=no exit=-13 a0=7f168900704a a1=7ffd21ec1ac0 a2=7f168900a028 a3=7ffd21ec1a70 items=0 ppid=912 pid=914 auid=4294967295 uid=0 gid=0 euid=0 suid=0 fsuid=0 egid=0 sgid=0 fsgid=0 tty=(none) ses=4294967295 comm="cron" exe="/usr/sbin/cron" subj=p key=(null)` + "\n"
		unnamed = `type=AVC msg=audit(1796071859.832:35): apparmor="DENIED" operation="open" profile="p" name="/tmp/#11205" pid=331 comm="cron" requested_mask="wr" denied_mask="wr" fsuid=0 ouid=0` + "\n"
		named   = `type=AVC msg=audit(1796071859.896:36): apparmor="DENIED" operation="mknod" profile="p" name="/tmp/tmpfAyyHiA" pid=331 comm="cron" requested_mask="c" denied_mask="c" fsuid=0 ouid=0` + "\n"
		devlog  = `type=AVC msg=audit(1796071860.100:50): apparmor="DENIED" operation="connect" class="file" profile="p" name="/run/systemd/journal/dev-log" pid=331 comm="cron" requested_mask="w" denied_mask="w" fsuid=0 ouid=0` + "\n"
		console = `type=AVC msg=audit(1796071860.101:51): apparmor="DENIED" operation="open" class="file" profile="p" name="/dev/console" pid=331 comm="cron" requested_mask="w" denied_mask="w" fsuid=0 ouid=0` + "\n"
		probe   = `type=AVC msg=audit(1796071860.100:SERIAL): apparmor="DENIED" operation="mknod" profile="p" name="NAME" pid=77 comm="python3" requested_mask="c" denied_mask="c" fsuid=0 ouid=0` + "\n" +
			`type=SYSCALL msg=audit(1796071860.100:SERIAL): arch=c000003e syscall=257 success=no exit=-13 a0=ffffff9c a1=7f0 a2=a00c2 a3=180 items=2 ppid=7 pid=77 uid=0 comm="python3" exe="/usr/bin/python3.14"` + "\n"
		change = `type=AVC msg=audit(1795427169.844:20): apparmor="DENIED" operation="change_onexec" profile="p" name="q" pid=8 comm="app" target="q"` + "\n"
		execed = `type=AVC msg=audit(1795427169.844:21): apparmor="DENIED" operation="exec" profile="p" name="/usr/bin/tool" pid=8 comm="app" requested_mask="x" denied_mask="x" fsuid=0 ouid=0` + "\n" +
			`type=SYSCALL msg=audit(1795427169.844:21): arch=c000003e syscall=59 success=no exit=-13 items=0 ppid=7 pid=8 comm="app" exe="/usr/bin/app"` + "\n"
	)
	attr := func(name string, oldNew ...string) string {
		return strings.NewReplacer(append(oldNew, "4242", "8")...).Replace(opened(20, "/proc/8/"+name, "w", 0))
	}
	mount := func(serial int, flags string) string {
		return fmt.Sprintf(`type=AVC msg=audit(1796147497.320:%d): apparmor="DENIED" operation="mount" info="failed mntpnt match" error=-13 profile="p" name="/mnt/" pid=8 comm="mount" fstype="tmpfs" srcname="tmpfs"%s`+"\n", serial, flags)
	}
	probing := func(serial, name string) string {
		return strings.NewReplacer("SERIAL", serial, "NAME", name).Replace(probe)
	}
	adjust := func(serial, name string) string {
		return strings.NewReplacer("SERIAL", serial, "NAME", name).Replace(`type=AVC msg=audit(1796071860.100:SERIAL): apparmor="DENIED" operation="open" class="file" profile="p" name="/proc/2224/NAME" pid=2224 comm="sshd" requested_mask="wr" denied_mask="wr" fsuid=0 ouid=0` + "\n")
	}
	of := func(log string, oldNew ...string) string { return strings.NewReplacer(oldNew...).Replace(log) }
	for _, c := range []struct{ name, log, want, left string }{
		{"shadow and its helper", shadow + chkpwd, "/etc/shadow r,", "pam_unix runs it"},
		{"the helper of another process", of(shadow, "pid=912", "pid=913") + chkpwd, "/etc/shadow r,\n/usr/sbin/unix_chkpwd rix,", ""},
		{"the helper of another profile", of(shadow, `profile="p"`, `profile="q"`) + chkpwd, "/usr/sbin/unix_chkpwd rix,", ""},
		{"the helper alone", chkpwd, "/usr/sbin/unix_chkpwd rix,", ""},
		{"shadow after its helper", of(shadow, "1796072018.384:66", "1796072019.384:70") + chkpwd, "/etc/shadow r,\n/usr/sbin/unix_chkpwd rix,", ""},
		{"both are permitted", of(shadow+chkpwd, "DENIED", "ALLOWED"), "/etc/shadow r,\n/usr/sbin/unix_chkpwd rix,", ""},
		{"tmpfile", unnamed + named, `owner "/tmp/#[0-9]*" rw,`, "tmpfile(3) makes it"},
		{"a named file for one without a name", of(unnamed, "pid=331", "pid=77") + probing("40", "/tmp/rep_qo70uril"), `owner "/tmp/#[0-9]*" rw,`, "it is made as the program may have no file without a name"},
		{"a named file elsewhere", of(unnamed, "pid=331", "pid=77") + probing("40", "/srv/rep_qo70uril"), "owner \"/tmp/#[0-9]*\" rw,\nowner /srv/rep_???????? rw,", ""},
		{"a lasting file", of(unnamed, "pid=331", "pid=77") + of(probing("40", "/tmp/report.csv"), "a2=a00c2 a3=180", "a2=241 a3=1a4"), "owner \"/tmp/#[0-9]*\" rw,\nowner /tmp/report.csv w,", ""},
		{"tmpfile alone", named, "owner /tmp/tmpf?????? w,", ""},
		{"the console for the log", devlog + console, "owner /run/systemd/journal/dev-log w,", "syslog(3) writes to it"},
		{"the console alone", console, "owner /dev/console w,", ""},
		{"an old file of sshd", adjust("60", "oom_score_adj") + adjust("61", "oom_adj"), "owner /proc/[0-9]*/oom_score_adj rw,", "sshd opens it"},
		{"an old file of sshd, first", adjust("61", "oom_score_adj") + adjust("60", "oom_adj"), "owner /proc/[0-9]*/oom_adj rw,\nowner /proc/[0-9]*/oom_score_adj rw,", ""},
		{"vim's folders", of(probing("40", "/srv/.text.swp")+probing("41", "/var/tmp/text.swp"), "python", "vim."), "owner /srv/.text.swp rw,", "vim makes it"},
		{"vim's swap files of two texts", probing("40", "/srv/.text.swp") + probing("41", "/srv/d/.other.swp"), "owner /srv/.text.swp rw,\nowner /srv/d/.other.swp rw,", ""},
		{"Python's folders", probing("40", "/tmp/qo70uril") + probing("41", "/var/tmp/4xk2_w9q"), "owner /tmp/???????? rw,", "Python's tempfile tries"},
		{"Python's folders, the other way", probing("41", "/tmp/qo70uril") + probing("40", "/var/tmp/4xk2_w9q"), "owner /var/tmp/???????? rw,", "Python's tempfile tries"},
		{"the same of another program", of(probing("40", "/tmp/qo70uril")+probing("41", "/var/tmp/4xk2_w9q"), "/usr/bin/python3.14", "/usr/bin/other"), "owner /tmp/???????? rw,\nowner /var/tmp/???????? rw,", ""},
		{"Python's files in one folder", probing("40", "/tmp/qo70uril") + probing("41", "/tmp/4xk2_w9q"), "owner /tmp/???????? rw,", ""},
		{"Python's names with a prefix", probing("40", "/tmp/qo70uril") + probing("41", "/srv/tmp4xk2_w9q"), "owner /srv/tmp???????? rw,\nowner /tmp/???????? rw,", ""},
		{"tmpfile elsewhere", unnamed + of(named, "/tmp/", "/srv/"), "owner \"/tmp/#[0-9]*\" rw,\nowner /srv/tmpfAyyHiA w,", ""},
		{"the exec of a refused change at it", change + execed, "change_profile -> q,", `it came of a refused change of profile`},
		{"the exec by a child", of(change, "pid=8", "pid=7") + execed, "change_profile -> q,", `it came of a refused change of profile`},
		{"the exec of another process", of(change, "pid=8", "pid=9") + execed, "/usr/bin/tool rix,\nchange_profile -> q,", ""},
		{"the exec before", of(change, ":20", ":22") + execed, "/usr/bin/tool rix,\nchange_profile -> q,", ""},
		{"another access than that exec", change + opened(21, "/srv/f", "r", 0), "change_profile -> q,\nowner /srv/f r,", ""},
		{"what follows a refused change_profile", of(change, "change_onexec", "change_profile") + of(opened(21, "/srv/f", "r", 0), "4242", "8"), "change_profile -> q,", "it came of a refused change of profile"},
		{"what follows it under the other profile of a stacked label", of(change, "change_onexec", "change_profile") + of(opened(21, "/srv/f", "r", 0), "4242", "8", `profile="p"`, `profile="q"`), "change_profile -> q,", "it came of a refused change of profile"},
		{"the exec after a refused write to attr/exec", attr("attr/apparmor/exec") + execed, "owner /proc/[0-9]*/attr/apparmor/exec w,", "it came of a refused change of profile"},
		{"the exec after a refused write to a task's", attr("task/9/attr/exec") + execed, "owner /proc/[0-9]*/task/[0-9]*/attr/exec w,", "it came of a refused change of profile"},
		{"the exec after a refused read of attr/exec", attr("attr/exec", `"w"`, `"r"`) + execed, "/usr/bin/tool rix,\nowner /proc/[0-9]*/attr/exec r,", ""},
		{"the exec after another's", attr("attr/exec", "4242", "9") + execed, "/usr/bin/tool rix,\nowner /proc/[0-9]*/attr/exec w,", ""},
		{"another access than that exec, after attr/exec", attr("attr/exec") + of(opened(21, "/srv/f", "r", 0), "4242", "8"), "owner /proc/[0-9]*/attr/exec w,\nowner /srv/f r,", ""},
		{"what follows a refused write to attr/current", attr("attr/current") + of(opened(21, "/srv/f", "r", 0), "4242", "8"), "owner /proc/[0-9]*/attr/current w,", "it came of a refused change of profile"},
		{"attr/exec after that in attr/apparmor", attr("attr/apparmor/exec") + attr("attr/exec", ":20", ":21"), "owner /proc/[0-9]*/attr/apparmor/exec w,", "libapparmor opens it"},
		{"attr/exec after another thread's", attr("task/9/attr/apparmor/exec") + attr("attr/exec", ":20", ":21"), "owner /proc/[0-9]*/attr/exec w,\nowner /proc/[0-9]*/task/[0-9]*/attr/apparmor/exec w,", ""},
		{"a mount that is tried read-only", mount(1, ` flags="rw, nosuid"`) + mount(2, ` flags="ro, nosuid"`), "mount fstype=tmpfs options=(rw, nosuid) tmpfs -> /mnt/,", "it was tried read-only"},
		{"a mount without flags that is tried read-only", mount(1, "") + mount(2, ` flags="ro"`), "mount fstype=tmpfs options=(rw) tmpfs -> /mnt/,", "it was tried read-only"},
		{"a mount that is read-only", mount(1, "") + mount(2, ` flags="ro, nosuid"`), "mount fstype=tmpfs options=(ro, nosuid) tmpfs -> /mnt/,\nmount fstype=tmpfs options=(rw) tmpfs -> /mnt/,", ""},
		{"a remount by who may not read what is mounted", attr("mountinfo", `"w"`, `"r"`) + of(mount(21, ` flags="ro, remount, bind"`), ` fstype="tmpfs" srcname="tmpfs"`, ""), "owner /proc/[0-9]*/mountinfo r,", "mount(8) asks for it without the flags"},
		{"a mount by who may not read what is mounted", attr("mountinfo", `"w"`, `"r"`) + mount(21, ""), "mount fstype=tmpfs options=(rw) tmpfs -> /mnt/,\nowner /proc/[0-9]*/mountinfo r,", ""},
		{"a remount before", attr("mountinfo", `"w"`, `"r"`) + of(mount(1, ` flags="ro, remount, bind"`), ` fstype="tmpfs" srcname="tmpfs"`, ""), "owner /proc/[0-9]*/mountinfo r,\nremount options=(ro, bind) /mnt/,", ""},
		{"what follows a refused stack", of(change, "change_onexec", "stack") + of(opened(21, "/srv/f", "r", 0), "4242", "8"), "change_profile -> &q,\nowner /srv/f r,", ""},
	} {
		p := patched(t, c.log, "profile p {\n}\nprofile q {\n}\n", nil)
		require.NotEmpty(t, p.Changes, c.name)
		text, _, _ := strings.Cut(strings.TrimPrefix(p.Changes[0].New, "profile p {\n"), "}\n")
		assert.Equal(t, c.want, strings.TrimSpace(strings.ReplaceAll(text, "\n  ", "\n")), c.name)
		if c.left == "" {
			assert.Empty(t, p.Left, c.name)
			continue
		}
		require.Len(t, p.Left, 1, c.name)
		assert.Contains(t, p.Left[0].Reason, "not needed: "+c.left)
	}

	// A change that is not to be allowed stays refused, and what follows it is asked of this profile again.
	refused := of(change, "change_onexec", "change_profile", `"q"`, `"unconfined"`)
	p := patched(t, refused+of(opened(21, "/srv/f", "r", 0), "4242", "8"), "profile p {\n}\n", nil)
	require.Len(t, p.Changes, 1)
	assert.Contains(t, p.Changes[0].New, "owner /srv/f r,")
}
