package parser

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func num(n int) *int { return &n }

// Records as Linux 4.4 to 6.18 and dbus-daemon write them.
var kinds = []struct {
	name, typ, body string
	mode            Mode
	subject         Subject
	want            AppArmor
}{
	{"status", "AVC", `apparmor="STATUS" operation="profile_load" profile="unconfined" name="docker-default" pid=191 comm="apparmor_parser"`,
		Status, Subject{PID: 191, Comm: "apparmor_parser", Label: "unconfined", UID: -1},
		AppArmor{Operation: "profile_load", Profile: "unconfined", Name: "docker-default"}},
	{"status without operation", "AVC", `apparmor="STATUS" info="AppArmor Filesystem Enabled" pid=1 comm="swapper/0"`,
		Status, Subject{PID: 1, Comm: "swapper/0", UID: -1}, AppArmor{Info: "AppArmor Filesystem Enabled"}},
	{"profile replace error", "AVC", `apparmor="STATUS" operation="profile_replace" info="same as current profile, skipping" profile="unconfined" name="/usr/bin/x" pid=5 comm="apparmor_parser"`,
		Status, Subject{PID: 5, Comm: "apparmor_parser", Label: "unconfined", UID: -1},
		AppArmor{Operation: "profile_replace", Info: "same as current profile, skipping", Profile: "unconfined", Name: "/usr/bin/x"}},
	{"hint", "AVC", `apparmor="HINT" operation="fork" profile="p" pid=5 comm="x" parent=4 profile="p" target=6`,
		Hint, Subject{PID: 5, Comm: "x", Label: "p", UID: -1}, AppArmor{Operation: "fork", Profile: "p", Target: "6"}},
	{"error", "AVC", `apparmor="ERROR" operation="exec" info="Failed name lookup" error=-2 profile="p" pid=5 comm="x"`,
		Failed, Subject{PID: 5, Comm: "x", Label: "p", UID: -1}, AppArmor{Operation: "exec", Info: "Failed name lookup", Error: -2, Profile: "p"}},
	{"audit", "AVC", `apparmor="AUDIT" operation="open" class="file" profile="p" name="/etc/x" pid=5 comm="x" requested_mask="r" fsuid=1000 ouid=0`,
		Audited, Subject{PID: 5, Comm: "x", Label: "p", UID: 1000},
		AppArmor{Operation: "open", Class: "file", Profile: "p", Name: "/etc/x", Requested: "r", FSUID: num(1000), OUID: num(0)}},
	{"killed", "AVC", `apparmor="KILLED" operation="capable" class="cap" profile="p" pid=5 comm="x" capability=21  capname="sys_admin"`,
		Killed, Subject{PID: 5, Comm: "x", Label: "p", UID: -1},
		AppArmor{Operation: "capable", Class: "cap", Profile: "p", Capability: num(21), CapName: "sys_admin"}},
	{"namespace and child", "AVC", `apparmor="DENIED" operation="open" namespace="root//lxd-c1_<var-lib-lxd>" profile="/usr/sbin/a//b" name="/x" pid=5 comm="x" requested_mask="wc" denied_mask="wc" fsuid=0 ouid=0`,
		Denied, Subject{PID: 5, Comm: "x", Label: "/usr/sbin/a//b", UID: 0},
		AppArmor{Operation: "open", Namespace: "root//lxd-c1_<var-lib-lxd>", Profile: "/usr/sbin/a//b", Name: "/x", Requested: "wc", Denied: "wc", FSUID: num(0), OUID: num(0)}},
	{"exec", "AVC", `apparmor="DENIED" operation="exec" info="no new privs" error=-1 profile="p" name="/bin/x" pid=5 comm="x" requested_mask="x" denied_mask="x" fsuid=0 ouid=0 target="p2"`,
		Denied, Subject{PID: 5, Comm: "x", Label: "p", UID: 0},
		AppArmor{Operation: "exec", Info: "no new privs", Error: -1, Profile: "p", Name: "/bin/x", Requested: "x", Denied: "x", FSUID: num(0), OUID: num(0), Target: "p2"}},
	{"link", "AVC", `apparmor="DENIED" operation="link" class="file" profile="p" name="/a" pid=5 comm="ln" requested_mask="l" denied_mask="l" fsuid=0 ouid=0 target=2F612062`,
		Denied, Subject{PID: 5, Comm: "ln", Label: "p", UID: 0},
		AppArmor{Operation: "link", Class: "file", Profile: "p", Name: "/a", Requested: "l", Denied: "l", FSUID: num(0), OUID: num(0), Target: "/a b"}},
	{"change_onexec", "AVC", `apparmor="DENIED" operation="change_onexec" info="label not found" error=-2 profile="unconfined" name="gone" pid=5 comm="runc:[2:INIT]"`,
		Denied, Subject{PID: 5, Comm: "runc:[2:INIT]", Label: "unconfined", UID: -1},
		AppArmor{Operation: "change_onexec", Info: "label not found", Error: -2, Profile: "unconfined", Name: "gone"}},
	{"stacked label", "AVC", `apparmor="DENIED" operation="change_profile" label="a//&b" name="c" pid=5 comm="x"`,
		Denied, Subject{PID: 5, Comm: "x", Label: "a//&b", UID: -1}, AppArmor{Operation: "change_profile", Name: "c"}},
	{"inet", "AVC", `apparmor="DENIED" operation="connect" class="net" profile="p" pid=5 comm="x" laddr=10.0.0.1 lport=4711 faddr=::ffff:1.2.3.4 fport=443 family="inet6" sock_type="stream" protocol=6 requested_mask="connect" denied_mask="connect"`,
		Denied, Subject{PID: 5, Comm: "x", Label: "p", UID: -1},
		AppArmor{Operation: "connect", Class: "net", Profile: "p", Addr: "10.0.0.1", Port: 4711, PeerAddr: "::ffff:1.2.3.4", PeerPort: 443, Family: "inet6", SockType: "stream", Protocol: num(6), Requested: "connect", Denied: "connect"}},
	{"inet by message", "AVC", `apparmor="DENIED" operation="sendmsg" profile="p" pid=5 comm="x" saddr=1.1.1.1 src=53 daddr=2.2.2.2 dest=5353 family="inet" sock_type="dgram" protocol=17 requested_mask="send" denied_mask="send"`,
		Denied, Subject{PID: 5, Comm: "x", Label: "p", UID: -1},
		AppArmor{Operation: "sendmsg", Profile: "p", Addr: "1.1.1.1", Port: 53, PeerAddr: "2.2.2.2", PeerPort: 5353, Family: "inet", SockType: "dgram", Protocol: num(17), Requested: "send", Denied: "send"}},
	{"unix", "AVC", `apparmor="DENIED" operation="connect" class="net" profile="p" pid=5 comm="x" family="unix" sock_type="stream" protocol=0 requested_mask="send receive connect" denied_mask="send connect" addr=none peer_addr="@/tmp/.X11-unix/X0" peer="unconfined"`,
		Denied, Subject{PID: 5, Comm: "x", Label: "p", UID: -1},
		AppArmor{Operation: "connect", Class: "net", Profile: "p", Family: "unix", SockType: "stream", Protocol: num(0), Requested: "send receive connect", Denied: "send connect", Addr: "none", PeerAddr: "@/tmp/.X11-unix/X0", Peer: "unconfined"}},
	{"unknown family", "AVC", `apparmor="DENIED" operation="create" profile="p" pid=5 comm="x" family="unknown(45)" sock_type="unknown(0)" protocol=0 requested_mask="create" denied_mask="create"`,
		Denied, Subject{PID: 5, Comm: "x", Label: "p", UID: -1},
		AppArmor{Operation: "create", Profile: "p", Family: "unknown(45)", SockType: "unknown(0)", Protocol: num(0), Requested: "create", Denied: "create"}},
	{"mount", "AVC", `apparmor="DENIED" operation="mount" class="mount" info="failed mntpnt match" error=-13 profile="p" name="/mnt/" pid=5 comm="mount" fstype="tmpfs" srcname=612062 flags="rw, bind"`,
		Denied, Subject{PID: 5, Comm: "mount", Label: "p", UID: -1},
		AppArmor{Operation: "mount", Class: "mount", Info: "failed mntpnt match", Error: -13, Profile: "p", Name: "/mnt/", FSType: "tmpfs", SrcName: "a b", Flags: "rw, bind"}},
	{"pivotroot", "AVC", `apparmor="DENIED" operation="pivotroot" class="mount" profile="p" name="/mnt/" pid=5 comm="x" srcname="/mnt/old/"`,
		Denied, Subject{PID: 5, Comm: "x", Label: "p", UID: -1},
		AppArmor{Operation: "pivotroot", Class: "mount", Profile: "p", Name: "/mnt/", SrcName: "/mnt/old/"}},
	{"umount", "AVC", `apparmor="DENIED" operation="umount" profile="p" name="/mnt/" pid=5 comm="umount"`,
		Denied, Subject{PID: 5, Comm: "umount", Label: "p", UID: -1}, AppArmor{Operation: "umount", Profile: "p", Name: "/mnt/"}},
	{"ptrace", "AVC", `apparmor="DENIED" operation="ptrace" class="ptrace" profile="p" pid=5 comm="x" requested_mask="read" denied_mask="read" peer="a//&b"`,
		Denied, Subject{PID: 5, Comm: "x", Label: "p", UID: -1},
		AppArmor{Operation: "ptrace", Class: "ptrace", Profile: "p", Requested: "read", Denied: "read", Peer: "a//&b"}},
	{"signal", "AVC", `apparmor="DENIED" operation="signal" class="signal" profile="p" pid=5 comm="x" requested_mask="send" denied_mask="send" signal=rtmin+8 peer=756E20636F6E66`,
		Denied, Subject{PID: 5, Comm: "x", Label: "p", UID: -1},
		AppArmor{Operation: "signal", Class: "signal", Profile: "p", Requested: "send", Denied: "send", Signal: "rtmin+8", Peer: "un conf"}},
	{"rlimit", "AVC", `apparmor="DENIED" operation="setrlimit" class="rlimits" profile="p" pid=5 comm="x" rlimit=nofile value=900`,
		Denied, Subject{PID: 5, Comm: "x", Label: "p", UID: -1},
		AppArmor{Operation: "setrlimit", Class: "rlimits", Profile: "p", RLimit: "nofile", Value: "900"}},
	{"userns", "AVC", `apparmor="DENIED" operation="userns_create" class="namespace" info="Userns create restricted - failed to find unprivileged_userns profile" error=-13 profile="unconfined" pid=5 comm="x" requested="userns_create" denied="userns_create" target="unprivileged_userns"`,
		Denied, Subject{PID: 5, Comm: "x", Label: "unconfined", UID: -1},
		AppArmor{Operation: "userns_create", Class: "namespace", Info: "Userns create restricted - failed to find unprivileged_userns profile", Error: -13, Profile: "unconfined", Requested: "userns_create", Denied: "userns_create", Target: "unprivileged_userns"}},
	{"mqueue", "AVC", `apparmor="DENIED" operation="create" class="posix_mqueue" profile="p" name="/q" pid=5 comm="x" requested="create" denied="create" fsuid=0 ouid=0`,
		Denied, Subject{PID: 5, Comm: "x", Label: "p", UID: 0},
		AppArmor{Operation: "create", Class: "posix_mqueue", Profile: "p", Name: "/q", Requested: "create", Denied: "create", FSUID: num(0), OUID: num(0)}},
	{"io_uring", "AVC", `apparmor="DENIED" operation="uring_override" class="io_uring" profile="p" pid=5 comm="x" requested="override_creds" denied="override_creds" tcontext="q"`,
		Denied, Subject{PID: 5, Comm: "x", Label: "p", UID: -1},
		AppArmor{Operation: "uring_override", Class: "io_uring", Profile: "p", Requested: "override_creds", Denied: "override_creds", Peer: "q"}},
	{"dbus", "USER_AVC", `pid=513 uid=102 auid=4294967295 ses=4294967295 subj=unconfined msg='apparmor="DENIED" operation="dbus_method_call"  bus="system" path="/org/freedesktop/login1" interface="org.freedesktop.login1.Manager" member="Inhibit" mask="send" name="org.freedesktop.login1" pid=1000 label="snap.x.y" peer_pid=700 peer_label="unconfined"  exe="/usr/bin/dbus-daemon" sauid=102 hostname=? addr=? terminal=?'`,
		Denied, Subject{PID: 1000, Label: "snap.x.y", UID: -1},
		AppArmor{Operation: "dbus_method_call", Profile: "snap.x.y", Name: "org.freedesktop.login1", Requested: "send", Denied: "send", Peer: "unconfined", Bus: "system", Path: "/org/freedesktop/login1", Interface: "org.freedesktop.login1.Manager", Member: "Inhibit"}},
	{"dbus enriched", "USER_AVC", `pid=513 uid=102 msg='apparmor="ALLOWED" operation="dbus_bind"  bus="session" name="a.b" mask="bind" pid=9 label="l" exe="/usr/bin/dbus-daemon" terminal=?'` + "\x1d" + `UID="messagebus" AUID="unset"`,
		Allowed, Subject{PID: 9, Label: "l", UID: -1},
		AppArmor{Operation: "dbus_bind", Profile: "l", Name: "a.b", Requested: "bind", Denied: "bind", Bus: "session"}},
	{"old type, of an own file", "APPARMOR_DENIED", `operation="inode_permission" requested_mask="r::" denied_mask="r::" fsuid=1000 name="/x" pid=5 profile="p"`,
		Denied, Subject{PID: 5, Label: "p", UID: 1000},
		AppArmor{Operation: "open", Requested: "r", Denied: "r", FSUID: num(1000), OUID: num(1000), Name: "/x", Profile: "p"}},
	{"old type, of another's file", "APPARMOR_DENIED", `operation="inode_create" requested_mask="::rw" denied_mask="::w" fsuid=7 name="/x" pid=5 profile="p"`,
		Denied, Subject{PID: 5, Label: "p", UID: 7},
		AppArmor{Operation: "mknod", Requested: "rw", Denied: "w", FSUID: num(7), Name: "/x", Profile: "p"}},
	{"old type, without a user", "1503", `operation="inode_permission" requested_mask="a::" denied_mask="a::" name="/dev/tty" pid=5 profile="p" namespace="default"`,
		Denied, Subject{PID: 5, Label: "p", UID: -1},
		AppArmor{Operation: "open", Requested: "a", Denied: "a", Name: "/dev/tty", Profile: "p"}},
	{"old type, of a capability", "1503", `operation="capable" name="sys_admin" pid=5 profile="p"`,
		Denied, Subject{PID: 5, Label: "p", UID: -1},
		AppArmor{Operation: "capable", CapName: "sys_admin", Profile: "p"}},
	{"old type, of a socket", "1503", `operation="socket_create" family="ax25" sock_type="dgram" protocol=0 pid=5 profile="p"`,
		Denied, Subject{PID: 5, Label: "p", UID: -1},
		AppArmor{Operation: "create", Family: "ax25", SockType: "dgram", Protocol: num(0), Profile: "p"}},
	{"old type by number", "1502", `apparmor="ALLOWED" operation="open" pid=5 parent=1 profile="p" name="/x" pid=5 comm="y" requested_mask="r" denied_mask="r" fsuid=0 ouid=0`,
		Allowed, Subject{PID: 5, Comm: "y", Label: "p", UID: 0},
		AppArmor{Operation: "open", Profile: "p", Name: "/x", Requested: "r", Denied: "r", FSUID: num(0), OUID: num(0)}},
	{"everything in hexadecimal", "AVC", `apparmor="DENIED" operation="open" namespace=6E2073 profile=702070 name=FF0A pid=5 comm=632022 requested_mask="r" denied_mask="r" fsuid=0 ouid=0`,
		Denied, Subject{PID: 5, Comm: `c "`, Label: "p p", UID: 0},
		AppArmor{Operation: "open", Namespace: "n s", Profile: "p p", Name: "\xff\n", Requested: "r", Denied: "r", FSUID: num(0), OUID: num(0)}},
	{"hexadecimal in quotes is a name", "AVC", `apparmor="DENIED" operation="open" profile="ABCD" name="DEADBEEF" pid=5 comm="1234" requested_mask="r" denied_mask="r" fsuid=0 ouid=0`,
		Denied, Subject{PID: 5, Comm: "1234", Label: "ABCD", UID: 0},
		AppArmor{Operation: "open", Profile: "ABCD", Name: "DEADBEEF", Requested: "r", Denied: "r", FSUID: num(0), OUID: num(0)}},
	{"enriched key behind hexadecimal", "AVC", `apparmor="DENIED" operation="exec" profile="p" name="/x" pid=5 comm="y" requested_mask="x" denied_mask="x" fsuid=0 ouid=0 target=2F6120AFFSUID="root" OUID="root"`,
		Denied, Subject{PID: 5, Comm: "y", Label: "p", UID: 0},
		AppArmor{Operation: "exec", Profile: "p", Name: "/x", Requested: "x", Denied: "x", FSUID: num(0), OUID: num(0), Target: "/a \xaf"}},
}

func TestKinds(t *testing.T) {
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			for _, line := range []string{
				"type=" + k.typ + " msg=audit(1795426979.597:47): " + k.body,
				"Nov 23 09:42:59 lab audit[5]: " + k.typ + " " + k.body,
			} {
				if strings.HasPrefix(k.name, "old type") && line[0] == 'N' {
					continue // older than journald
				}
				denials, stats := scanString(t, line+"\n")
				require.Len(t, denials, 1, "%v", stats.Samples)
				assert.Equal(t, k.mode, denials[0].Mode)
				assert.Equal(t, k.subject, denials[0].Subject)
				assert.Equal(t, k.want, *denials[0].AppArmor)
				assert.Nil(t, denials[0].Seccomp)
				for _, f := range denials[0].Event.Records[0].Fields {
					text := denials[0].Event.Records[0].Text
					assert.Equal(t, f.Key+"=", text[f.Start-len(f.Key)-1:f.Start])
					assert.LessOrEqual(t, f.End, len(text))
				}
			}
		})
	}
}

// Linux 2.6.22 to 2.6.26 have the type of AppArmor's records behind the stamp, with one space or two.
func TestOldStamps(t *testing.T) {
	const body = `operation="inode_permission" requested_mask="a::" denied_mask="a::" name="/dev/tty" pid=5598 profile="/usr/sbin/cupsd"`
	for _, head := range []string{
		"type=1503 audit(1198543538.950:3): ", "audit(1198543538.950:3): type=1503 ", "audit(1198543538.950:3):  type=1503 ",
		"[   74.013320] audit(1198543538.950:3):  type=1503 ", "Dec 24 19:45:39 ubuntu kernel: [   74.013320] audit(1198543538.950:3):  type=1503 ",
	} {
		denials, stats := scanString(t, head+body+"\n")
		require.Len(t, denials, 1, "%s: %v", head, stats.Samples)
		assert.Equal(t, Type("APPARMOR_DENIED"), denials[0].Event.Records[0].Type, head)
		assert.Equal(t, uint32(3), denials[0].Event.Records[0].Serial, head)
		assert.Equal(t, "open", denials[0].AppArmor.Operation, head)
		assert.Equal(t, "/dev/tty", denials[0].AppArmor.Name, head)
	}
	denials, _ := scanString(t, "audit(1198543538.950:3): type=1503 "+body[:len(body)-len(` profile="/usr/sbin/cupsd"`)]+"\n")
	b, err := denials[0].Pairs().MarshalJSON()
	require.NoError(t, err)
	assert.Contains(t, string(b), `"operation":"open","requested_mask":"a","denied_mask":"a","name":"/dev/tty"`)
}

func TestSeccompModes(t *testing.T) {
	for code, mode := range map[string]Mode{
		"0x0": Killed, "0x80000000": Killed, "0x30000": Denied, "0x50000": Denied, "0x7fc00000": Denied,
		"0x7ff00000": Denied, "0x7ffc0000": Allowed, "0x7fff0000": Allowed,
	} {
		denials, _ := scanString(t, `type=SECCOMP msg=audit(1.5:7): auid=1 uid=1000 gid=0 ses=1 subj==docker-default (enforce) pid=9 comm="x" exe=2F612062 sig=31 arch=40000003 syscall=20 compat=1 ip=0xf7f1ffffffffffff code=`+code+"\n")
		require.Len(t, denials, 1)
		assert.Equal(t, mode, denials[0].Mode, code)
		assert.Equal(t, Subject{PID: 9, Comm: "x", Exe: "/a b", Label: "docker-default", UID: 1000}, denials[0].Subject)
		assert.True(t, denials[0].Seccomp.Compat)
		assert.Equal(t, uint64(0xf7f1ffffffffffff), denials[0].Seccomp.IP)
		assert.Equal(t, 31, denials[0].Seccomp.Signal)
	}
}

func TestSeccompArguments(t *testing.T) {
	log := `type=SECCOMP msg=audit(1.5:7): auid=1 uid=0 gid=0 ses=1 pid=9 comm="x" exe="/x" sig=0 arch=c000003e syscall=41 compat=0 ip=0x1 code=0x50000
type=SYSCALL msg=audit(1.5:7): arch=c000003e syscall=41 success=no exit=-1 a0=10 a1=3 a2=fffffffffffffffe a3=0 items=0 ppid=1 pid=9 uid=0 fsuid=0 comm="x" exe="/x" key=(null)
`
	denials, _ := scanString(t, log)
	require.Len(t, denials, 1)
	assert.Equal(t, []uint64{16, 3, 1<<64 - 2, 0}, denials[0].Seccomp.Args)
	// Of another call they say nothing.
	denials, _ = scanString(t, `type=SYSCALL msg=audit(1.5:7): arch=c000003e syscall=42 success=no a0=10 a1=3 a2=1 a3=0 items=0 ppid=1 pid=9`+"\n"+log[:len(log)/3])
	require.Len(t, denials, 0)
}

func TestCompanions(t *testing.T) {
	log := `type=AVC msg=audit(1.5:7): apparmor="DENIED" operation="capable" profile="p" pid=9 comm="x" capability=0  capname="chown"
type=SYSCALL msg=audit(1.5:7): arch=c000003e syscall=92 success=no exit=-1 a0=1 a1=2 a2=3 a3=4 items=1 ppid=1 pid=9 auid=1 uid=33 fsuid=34 comm="x" exe=2F612062 subj=p (enforce) key=(null)
type=CWD msg=audit(1.5:7): cwd="/"
type=PATH msg=audit(1.5:7): item=0 name="/x" inode=5
type=EXECVE msg=audit(1.5:7): argc=3 a0="sh" a1="-c" a2=612062
type=AVC msg=audit(1.5:8): apparmor="DENIED" operation="capable" profile="p" pid=9 comm="x" capability=0  capname="chown"
type=PROCTITLE msg=audit(1.5:8): proctitle=73680061206200
type=SYSCALL msg=audit(1.6:8): arch=c000003e syscall=92 pid=9 fsuid=34 comm="x" exe="/other/time" key=(null)
node=b type=SYSCALL msg=audit(1.5:8): arch=c000003e syscall=92 pid=9 fsuid=34 comm="x" exe="/other/host" key=(null)
Nov 23 09:42:59 lab kernel: audit: type=1300 audit(1.5:8): arch=c000003e syscall=92 pid=9 fsuid=34 comm="x" exe="/other/transport" key=(null)
`
	denials, _ := scanString(t, log)
	require.Len(t, denials, 2)
	assert.Equal(t, Subject{PID: 9, Comm: "x", Exe: "/a b", Label: "p", UID: 34, Argv: "sh\x00-c\x00a b"}, denials[0].Subject)
	e := denials[0].Event
	require.Len(t, e.Records, 5)
	assert.Equal(t, "/", e.Record(CWD).Get("cwd"))
	assert.Equal(t, "/x", e.Record(PATH).Get("name"))
	assert.Equal(t, "p (enforce)", e.Record(SYSCALL).Get("subj"))
	assert.Nil(t, e.Record(USERAVC))
	assert.Equal(t, Subject{PID: 9, Comm: "x", Label: "p", UID: -1, Argv: "sh\x00a b\x00"}, denials[1].Subject)
}

// A long argument is logged in pieces, perhaps of several records.
func TestArgumentsInPieces(t *testing.T) {
	log := `type=AVC msg=audit(1.5:7): apparmor="DENIED" operation="capable" profile="p" pid=9 comm="x" capability=0  capname="chown"
type=EXECVE msg=audit(1.5:7): argc=3 a0="sh" a1_len=8 a1[0]=2D63 a1[1]="de"
type=EXECVE msg=audit(1.5:7): a1[2]=66 a2="x"
`
	denials, _ := scanString(t, log)
	require.Len(t, denials, 1)
	assert.Equal(t, "sh\x00-cdef\x00x", denials[0].Subject.Argv)
}

// Two AVC records of one event are two denials of it.
func TestTwoRecordsOfOneEvent(t *testing.T) {
	denials, _ := Scan(nil, Block{Body: readLog(t, "testdata/corpus/linux-6.1-auditd/stack-both.log")})
	require.Len(t, denials, 2)
	assert.Equal(t, "lab_stack_both", denials[0].AppArmor.Profile)
	assert.Equal(t, "lab_stack_c", denials[1].AppArmor.Profile)
	d := NewDedup()
	assert.False(t, d.Duplicate(&denials[0]))
	assert.False(t, d.Duplicate(&denials[1]))
	assert.True(t, d.Duplicate(&denials[0]))
}

// A file whose name cannot be looked up is refused in complain mode, too; a mount is not.
func TestWithoutName(t *testing.T) {
	for record, want := range map[string]Mode{
		`operation="open" info="Failed name lookup - disconnected path" error=-13 profile="p" name="proc/7/maps" requested_mask="r" denied_mask="r"`: Denied,
		`operation="mount" info="Failed name lookup - disconnected path" error=-13 profile="p" name="x" flags="rw, rslave"`:                          Allowed,
		`operation="mount" info="failed mntpnt match" error=-13 profile="p" name="/" flags="rw, rslave"`:                                             Allowed,
		`operation="open" profile="p" name="/x" requested_mask="r" denied_mask="r"`:                                                                  Allowed,
	} {
		denials, _ := scanString(t, "type=AVC msg=audit(1.002:3): apparmor=\"ALLOWED\" "+record+"\n")
		require.Len(t, denials, 1)
		assert.Equal(t, want, denials[0].Mode, record)
	}
}
