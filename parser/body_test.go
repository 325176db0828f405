package parser

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// one reads a log of one denial.
func one(t *testing.T, log string) *Denial {
	t.Helper()
	denials, stats := scanString(t, log)
	require.Zero(t, stats.Unparsed, "%v", stats.Samples)
	require.Len(t, denials, 1, log)
	return &denials[0]
}

// dbus-daemon ends a line behind its label, and the kernel's log begins another.
func TestDBusInTwoLines(t *testing.T) {
	const (
		head = `pid=829 uid=103 auid=4294967295 ses=4294967295 msg='apparmor="DENIED" operation="dbus_signal"  bus="system" path="/a" interface="i.i" member="M" name=":1.7" mask="receive" pid=3 label="snap.t.t" peer_pid=2 peer_label="unconfined"`
		rest = `                exe="/usr/bin/dbus-daemon" sauid=103 hostname=? addr=? terminal=?'`
	)
	want := one(t, "type=USER_AVC msg=audit(1597795709.152:14456): "+head+" "+rest+"\n")
	assert.Equal(t, "M", want.AppArmor.Member)
	assert.Equal(t, "receive", want.AppArmor.Denied)
	for _, log := range []string{
		"[1.0] audit: type=1107 audit(1597795709.152:14456): " + head,
		"[1.0] audit: type=1107 audit(1597795709.152:14456): " + head + "\n " + rest + "\n",
		"[1.0] audit: type=1107 audit(1597795709.152:14456): " + head + "\n[1.0] " + rest + "\n",
		"Aug 19 00:08:29 lab kernel: [    1.0] audit: type=1107 audit(1597795709.152:14456): " + head + "#012" + rest + "\n",
		"Aug 19 00:08:29 lab kernel: audit: type=1107 audit(1597795709.152:14456): " + head + "\n                                 " + rest + "\n",
		`{"_TRANSPORT":"kernel","MESSAGE":"audit: type=1107 audit(1597795709.152:14456): ` + quoteJSON(head) + `\n` + quoteJSON(rest) + `"}`,
	} {
		got := one(t, log)
		assert.Equal(t, want.AppArmor, got.AppArmor, log)
		assert.Equal(t, want.Subject, got.Subject, log)
		assert.False(t, got.Event.Records[0].Origin.UserSpace)
	}
	// One that is cut off before it says what was refused is not taken for less.
	denials, stats := scanString(t, `[1.0] audit: type=1107 audit(1597795709.152:14456): pid=829 uid=103 msg='apparmor="DENIED" operation="dbus_signal" bus="system"`)
	assert.Empty(t, denials)
	assert.Equal(t, 1, stats.Unparsed)
}

func TestBodies(t *testing.T) {
	const avc = `type=AVC msg=audit(1.2:3): apparmor="DENIED" profile="p" pid=7 comm="c" `
	x := one(t, `type=USER_AVC msg=audit(1.2:3): pid=1 msg='apparmor="DENIED" operation="dbus_method_call" bus="system" path="/a" interface="i.i" method="M" mask="send" label="p" peer_label="q" exe="/usr/bin/dbus-broker" sauid=103'`)
	assert.Equal(t, "M", x.AppArmor.Member)
	assert.Empty(t, x.Subject.Exe)

	x = one(t, avc+`operation="userns_create" class="namespace" requested="userns_create" denied="userns_create" execpath="/usr/bin/unshare"`)
	assert.Equal(t, "/usr/bin/unshare", x.Subject.Exe)

	x = one(t, avc+`operation="link" name="/srv/new" name2="/srv/old" requested_mask="l" denied_mask="l"`)
	assert.Equal(t, "/srv/new", x.AppArmor.Name)
	assert.Equal(t, "/srv/old", x.AppArmor.Target)

	for _, name := range []string{`4660`, `"4660"`} { // no hexadecimal of "F`"
		x = one(t, avc+`operation="msg_queue" class="sysv_mqueue" name=`+name+` requested="create" denied="create"`)
		assert.Equal(t, "4660", x.AppArmor.Name)
	}
}

func TestSubjects(t *testing.T) {
	for subj, label := range map[string]string{
		"subj=?": "", "subj=lab": "lab", "subj==lab//&b (enforce)": "lab//&b",
		"subj=system_u:system_r:container_t:s0:c1,c2": "system_u:system_r:container_t:s0:c1,c2",
	} {
		x := one(t, "type=SECCOMP msg=audit(1.2:3): auid=1 uid=0 gid=0 ses=1 "+subj+` pid=235 comm="c" exe="/c" sig=0 arch=c000003e syscall=39 compat=0 ip=0x1 code=0x50000`)
		assert.Equal(t, label, x.Subject.Label)
	}
	for label, is := range map[string]bool{
		"system_u:system_r:container_t:s0:c1,c2": true, "unconfined_u:unconfined_r:unconfined_t": true,
		"docker-default": false, ":ns:web": false, ":root//ns:web//&web": false, "a:b:c": false, "": false,
	} {
		assert.Equal(t, is, IsContext(label), label)
	}
}

func TestMonthsInAnyCase(t *testing.T) {
	for _, month := range []string{"Jul", "jul", "JUL"} {
		x := one(t, month+` 23 09:42:59 lab kernel: audit: `+avcBody)
		assert.Equal(t, "2026-07-23 09:42:59", x.Time.Format("2006-01-02 15:04:05"))
		assert.True(t, x.Event.Records[0].Yearless())
	}
	x := one(t, "2026-07-23T09:42:59Z lab kernel: audit: "+avcBody)
	assert.False(t, x.Event.Records[0].Yearless())
}

func TestAbends(t *testing.T) {
	const body = `auid=4294967295 uid=0 gid=0 ses=4294967295 subj=lab pid=2800 comm="a" exe="/usr/bin/a" sig=31 res=1`
	for _, log := range []string{
		"type=ANOM_ABEND msg=audit(1795960961.933:8907591): " + body,
		"type=1701 msg=audit(1795960961.933:8907591): " + body,
		"type=UNKNOWN[1701] msg=audit(1795960961.933:8907591): " + body,
		"[ 6680.755929] audit: type=1701 audit(1795960961.933:8907591): " + body,
		"Nov 29 14:02:41 lab kernel: audit: type=1701 audit(1795960961.933:8907591): " + body,
		"Nov 29 14:02:41 lab audit[2800]: ANOM_ABEND " + body,
		"ANOM_ABEND " + body,
		`{"_TRANSPORT":"audit","_AUDIT_TYPE":"1701","MESSAGE":"ANOM_ABEND ` + quoteJSON(body) + `"}`,
	} {
		x := one(t, log)
		assert.Equal(t, &Seccomp{Signal: 31, Suspected: true}, x.Seccomp, log)
		assert.Equal(t, Subject{PID: 2800, Comm: "a", Exe: "/usr/bin/a", Label: "lab"}, x.Subject)
		assert.Equal(t, Killed, x.Mode)
	}
	denials, stats := scanString(t, "type=ANOM_ABEND msg=audit(1795960961.933:8907591): "+strings.Replace(body, "sig=31", "sig=11", 1)+"\n")
	assert.Empty(t, denials)
	assert.Zero(t, stats.Unparsed)
}

// Linux 6.18 writes subj=? where several modules have a label, and a record of them.
func TestTaskContexts(t *testing.T) {
	const seccomp = "auid=1 uid=0 gid=0 ses=1 subj=? pid=235 comm=\"c\" exe=\"/c\" sig=0 arch=c000003e syscall=39 compat=0 ip=0x1 code=0x50000"
	for _, test := range []struct{ contexts, label string }{
		{"subj_selinux=system_u:system_r:init_t:s0 subj_apparmor=lab//&b (enforce)", "lab//&b"},
		{"subj_apparmor=? subj_selinux=system_u:system_r:init_t:s0", "system_u:system_r:init_t:s0"},
		{"subj_apparmor=?", ""},
	} {
		for _, name := range []string{"MAC_TASK_CONTEXTS", "UNKNOWN[1425]", "1425"} {
			x := one(t, "type=SECCOMP msg=audit(1.2:3): "+seccomp+"\ntype="+name+" msg=audit(1.2:3): "+test.contexts+"\n")
			assert.Equal(t, test.label, x.Subject.Label)
		}
		x := one(t, "[1.0] audit: type=1326 audit(1.2:3): "+seccomp+"\n[1.0] audit: type=1425 audit(1.2:3): "+test.contexts+"\n")
		assert.Equal(t, test.label, x.Subject.Label)
	}
	_, stats := scanString(t, "[ 12.3] audit: error in audit_log_subj_ctx\n[ 12.4] audit: kauditd hold queue overflow\n")
	assert.Equal(t, 1, stats.Lost.Failed)
	assert.Equal(t, 1, stats.Lost.Backlog)
}

// The words of ausearch -i stand behind a stamp of numbers, too.
func TestWordsBehindNumbers(t *testing.T) {
	x := one(t, "node=n3 type=SECCOMP msg=audit(1714550401.123:101): auid=unset uid=root gid=root ses=unset subj=docker-default (enforce) pid=7 comm=chown exe=/bin/busybox sig=SIGSYS arch=x86_64 syscall=chown compat=0 ip=0x7f code=kill\n")
	assert.Equal(t, &Seccomp{Arch: 0xc000003e, SyscallName: "chown", Signal: 31, Code: 0x80000000, IP: 0x7f}, x.Seccomp)
	assert.Equal(t, Subject{PID: 7, Comm: "chown", Exe: "/bin/busybox", Label: "docker-default"}, x.Subject)
}

// What web pages, loggers and sentences put around a record, or in place of its spaces, is no part of it.
func TestAroundRecords(t *testing.T) {
	const file = `[ 1.5] audit: type=1400 audit(1.5:1): apparmor="DENIED" operation="open" profile="web" name="/srv/a" pid=7 comm="cat" requested_mask="r" denied_mask="r" fsuid=0 ouid=0`
	for _, log := range []string{strings.ReplaceAll(file, " ", "\u00a0"), `\u001b[31m` + file + `\u001b[0m`, `^[[31m` + file + `^[[0m`} {
		d := one(t, log)
		assert.Equal(t, "/srv/a", d.AppArmor.Name, log)
		assert.Equal(t, "web", d.AppArmor.Profile, log)
	}
	const call = `audit: type=1326 audit(1.5:1): auid=4294967295 uid=0 gid=0 ses=4294967295 subj=docker-default pid=7 comm="x" exe="/x" sig=31 arch=c000003e syscall=165 compat=0 ip=0x7f code=0x80000000`
	for _, log := range []string{"I see `" + call + "` in the log.", "**" + call + "**", call + "."} {
		d := one(t, log)
		assert.Equal(t, uint32(0x80000000), d.Seccomp.Code, log)
	}
}
