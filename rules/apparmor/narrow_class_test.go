package apparmor

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// eachNetwork are the rules for all families of a type, or of any, but one of one family.
func eachNetwork(typ, family, but string) (texts []string) {
	for _, f := range slices.Sorted(maps.Keys(families)) {
		switch {
		case f != family:
			texts = append(texts, "deny "+joinWords("network", f, typ)+",")
		case typ == "":
			for _, t := range []string{"dgram", "packet", "raw", "rdm", "seqpacket", "stream"} {
				if t != but {
					texts = append(texts, "deny network "+f+" "+t+",")
				}
			}
		}
	}
	return texts
}

// makes are the rules for all changes of propagation.
var makes = []string{
	"deny mount options=(unbindable) options in (rprivate, rslave, rshared, silent),",
	"deny mount options=(private) options in (runbindable, rslave, rshared, silent),",
	"deny mount options=(slave) options in (runbindable, rprivate, rshared, silent),",
	"deny mount options=(shared) options in (runbindable, rprivate, rslave, silent),",
}

// TestNarrowDenyClasses narrows rules of the other classes, and has
// apparmor_parser read those that 3.0 knows. NarrowDeny itself asks what else
// they refuse.
func TestNarrowDenyClasses(t *testing.T) {
	var policies []string
	for _, c := range []struct {
		rule string
		req  Request
		want []string // nil where it cannot be narrowed
	}{
		{"deny capability net_admin sys_admin chown,", CapabilityRequest{"sys_admin"}, []string{
			"deny capability net_admin chown,",
		}},
		{"audit deny capability sys_admin,", CapabilityRequest{"sys_admin"}, []string{}},
		{"deny capability,", CapabilityRequest{"sys_admin"}, []string{
			"deny capability chown dac_override dac_read_search fowner fsetid kill setgid setuid setpcap linux_immutable net_bind_service net_broadcast net_admin net_raw ipc_lock ipc_owner sys_module sys_rawio sys_chroot sys_ptrace sys_pacct sys_boot sys_nice sys_resource sys_time sys_tty_config mknod lease audit_write audit_control setfcap mac_override mac_admin syslog wake_alarm block_suspend audit_read perfmon bpf checkpoint_restore,",
		}},
		{"deny network inet,", NetworkRequest{Family: "inet", Type: "stream"}, []string{
			"deny network inet dgram,",
			"deny network inet packet,",
			"deny network inet raw,",
			"deny network inet rdm,",
			"deny network inet seqpacket,",
		}},
		{"deny network inet tcp,", NetworkRequest{Family: "inet", Type: "stream"}, []string{}},
		{"deny network tcp,", NetworkRequest{Family: "inet", Type: "stream"}, []string{
			"deny network inet6 stream,",
		}},
		{"deny network,", NetworkRequest{Family: "inet", Type: "stream"}, eachNetwork("", "inet", "stream")},
		{"deny network raw,", NetworkRequest{Family: "packet", Type: "raw"}, eachNetwork("raw", "packet", "raw")},
		{"deny network raw,", NetworkRequest{Family: "packet", Type: "raw", Perms: Create}, eachNetwork("raw", "packet", "raw")},
		{"deny network (send, receive) inet stream,", NetworkRequest{Family: "inet", Type: "stream", Perms: Send}, []string{
			"deny network (receive) inet stream,",
		}},
		{"deny network inet tcp peer=(ip=10.0.0.1 port=80),", NetworkRequest{Family: "inet", Type: "stream"}, []string{}},
		{"deny network alg,", NetworkRequest{Family: "alg", Type: "seqpacket"}, []string{
			"deny network alg dgram,",
			"deny network alg packet,",
			"deny network alg raw,",
			"deny network alg rdm,",
			"deny network alg stream,",
		}},
		{"deny network stream,", NetworkRequest{Family: "inet", Type: "stream"}, eachNetwork("stream", "inet", "stream")},
		{"deny ptrace,", PtraceRequest{Trace, "strace"}, []string{
			"deny ptrace (read, tracedby, readby),",
			`deny ptrace (trace) peer="{,[^s]**,s{,[^t]**},st{,[^r]**},str{,[^a]**},stra{,[^c]**},strac{,[^e]**}}",`,
			`deny ptrace (trace) peer="strace{?,/}**",`,
		}},
		{"deny ptrace (trace, read) peer=/usr/bin/*,", PtraceRequest{Read, "/usr/bin/a"}, []string{
			"deny ptrace (trace) peer=/usr/bin/*,",
			`deny ptrace (read) peer="/usr/bin/{[^a/]*,a?*}",`,
		}},
		{"deny ptrace trace peer=unconfined,", PtraceRequest{Trace, "unconfined"}, []string{}},
		{"deny signal,", SignalRequest{Send, "term", "web"}, []string{
			"deny signal (receive),",
			"deny signal (send) set=(abrt alrm bus chld cont emt exists fpe hup ill int io kill pipe prof pwr quit segv stkflt stop stp sys trap ttin ttou urg usr1 usr2 vtalrm winch xcpu xfsz rtmin+0 rtmin+1 rtmin+2 rtmin+3 rtmin+4 rtmin+5 rtmin+6 rtmin+7 rtmin+8 rtmin+9 rtmin+10 rtmin+11 rtmin+12 rtmin+13 rtmin+14 rtmin+15 rtmin+16 rtmin+17 rtmin+18 rtmin+19 rtmin+20 rtmin+21 rtmin+22 rtmin+23 rtmin+24 rtmin+25 rtmin+26 rtmin+27 rtmin+28 rtmin+29 rtmin+30 rtmin+31 rtmin+32),",
			`deny signal (send) peer="{,[^w]**,w{,[^e]**},we{,[^b]**},web{?,/}**}",`,
		}},
		{"deny signal (send) set=(kill term) peer=unconfined,", SignalRequest{Send, "term", "unconfined"}, []string{
			"deny signal (send) set=(kill) peer=unconfined,",
		}},
		{"deny signal (send receive) set=(kill, term) peer=web*,", SignalRequest{Send, "term", "web1"}, []string{
			"deny signal (receive) set=(kill term) peer=web*,",
			"deny signal (send) set=(kill) peer=web*,",
			`deny signal (send) set=(term) peer="web{,[^1/]*,1?*}",`,
		}},
		{"deny mount fstype=(tmpfs, proc) -> /mnt/*,", MountRequest{Op: "mount", Fstype: "tmpfs", Source: "none", Target: "/mnt/b"}, []string{
			"deny mount fstype=\"proc\" -> /mnt/*,",
			"deny mount fstype=tmpfs -> /mnt/{[^b/]*,b?*},",
			"deny mount fstype=tmpfs {,[^n]**,n{,[^o]**},no{,[^n]**},non{,[^e]**},none{?,/}**} -> /mnt/*,",
		}},
		{"deny dbus bus=system,", DBusRequest{Perms: Send, Bus: "system", Path: "/org/x", Interface: "org.x", Member: "Get", Name: "org.x", PeerLabel: "unconfined"}, []string{
			"deny dbus (receive, bind, eavesdrop) bus=system,",
			`deny dbus (send) bus=system path="{,?**}",`,
			`deny dbus (send) bus=system path="/{,[^o]**,o{,[^r]**},or{,[^g]**},org{,?**}}",`,
			`deny dbus (send) bus=system path="/org/{,[^x]**,x{?,/}**}",`,
			`deny dbus (send) bus=system interface="{,[^o]**,o{,[^r]**},or{,[^g]**},org{,[^.]**},org.{,[^x]**},org.x{?,/}**}",`,
			`deny dbus (send) bus=system member="{,[^G]**,G{,[^e]**},Ge{,[^t]**},Get{?,/}**}",`,
			`deny dbus (send) bus=system peer=(name="{,[^o]**,o{,[^r]**},or{,[^g]**},org{,[^.]**},org.{,[^x]**},org.x{?,/}**}"),`,
			`deny dbus (send) bus=system peer=(label="{,[^u]**,u{,[^n]**},un{,[^c]**},unc{,[^o]**},unco{,[^n]**},uncon{,[^f]**}}"),`,
			`deny dbus (send) bus=system peer=(label="unconf{,[^i]**,i{,[^n]**},in{,[^e]**},ine{,[^d]**},ined{?,/}**}"),`,
		}},
		{"deny dbus send bus=system path=/org/x interface=org.x member={Get,Set} peer=(label=unconfined),", DBusRequest{Perms: Send, Bus: "system", Path: "/org/x", Interface: "org.x", Member: "Get", Name: "org.x", PeerLabel: "unconfined"}, []string{
			"deny dbus (send) bus=system path=/org/x interface=org.x member=Set peer=(label=unconfined),",
			`deny dbus (send) bus=system path=/org/x interface=org.x member={Get,Set} peer=(name="{,[^o]**,o{,[^r]**},or{,[^g]**},org{,[^.]**},org.{,[^x]**},org.x{?,/}**}", label=unconfined),`,
		}},
		{"deny dbus bind bus=session name=org.*,", DBusRequest{Perms: Bind, Bus: "session", Name: "org.x"}, []string{
			`deny dbus (bind) bus=session name="org.{,[^x/]*,x?*}",`,
		}},
		{"deny unix,", UnixRequest{Perms: Create, Type: "stream"}, []string{
			"deny unix (send, receive, bind, listen, accept, connect, shutdown, getattr, setattr, getopt, setopt),",
			"deny unix (create) type=dgram,",
			"deny unix (create) type=packet,",
			"deny unix (create) type=raw,",
			"deny unix (create) type=rdm,",
			"deny unix (create) type=seqpacket,",
		}},
		{"deny unix (create, send) type=stream,", UnixRequest{Perms: Create, Type: "stream"}, []string{
			"deny unix (send) type=stream,",
		}},
		{"deny unix,", UnixRequest{Perms: Connect, Type: "stream", Addr: "none", PeerAddr: "@x", PeerLabel: "a"}, []string{
			"deny unix (create, send, receive, bind, listen, accept, shutdown, getattr, setattr, getopt, setopt),",
			"deny unix (connect) type=dgram,",
			"deny unix (connect) type=packet,",
			"deny unix (connect) type=raw,",
			"deny unix (connect) type=rdm,",
			"deny unix (connect) type=seqpacket,",
			`deny unix (connect) peer=(label="{,[^a]**,a{?,/}**}"),`,
		}},
		{"deny unix (connect, send) addr=none peer=(addr=@x label=a*),", UnixRequest{Perms: Connect, Type: "stream", Addr: "none", PeerAddr: "@x", PeerLabel: "a"}, []string{
			"deny unix (send) addr=none peer=(addr=@x, label=a*),",
			"deny unix (connect) type=dgram addr=none peer=(addr=@x, label=a*),",
			"deny unix (connect) type=packet addr=none peer=(addr=@x, label=a*),",
			"deny unix (connect) type=raw addr=none peer=(addr=@x, label=a*),",
			"deny unix (connect) type=rdm addr=none peer=(addr=@x, label=a*),",
			"deny unix (connect) type=seqpacket addr=none peer=(addr=@x, label=a*),",
			"deny unix (connect) addr=none peer=(addr=@x, label=a?*),",
		}},
		{"deny userns,", UsernsRequest{}, []string{}},
		{"deny mqueue /q*,", MqueueRequest{Perms: Open, Type: "posix", Name: "/q1"}, []string{
			"deny mqueue (read, write, create, delete, getattr, setattr) type=posix /q*,",
			`deny mqueue (open) type=posix "/q{,[^1/]*,1?*}",`,
		}},
		{"deny mqueue,", MqueueRequest{Perms: Open, Type: "posix", Name: "/q1"}, []string{
			"deny mqueue (read, write, create, delete, getattr, setattr),",
			"deny mqueue (open) type=sysv,",
			`deny mqueue (open) "/{[^q/]**,q{,[^1]**},q1{?,/}**}",`,
		}},
		{"deny mqueue,", MqueueRequest{Perms: Open, Type: "sysv", Name: "12"}, []string{
			"deny mqueue (read, write, create, delete, getattr, setattr),",
			"deny mqueue (open) type=posix,",
		}},
		{"deny io_uring,", IOUringRequest{Perms: SQPoll}, []string{
			"deny io_uring (override_creds),",
		}},
		{"deny umount /mnt/**,", MountRequest{Op: "umount", Target: "/mnt/a/"}, []string{
			"deny umount /mnt/{[^a/]**,a{,?**}},",
			"deny umount /mnt/a/{?,/}**,",
		}},
		{"deny mount,", MountRequest{Op: "bind", Source: "/", Target: "/mnt/", Flags: []string{"rw", "rbind"}}, slices.Concat([]string{
			"deny remount,",
			"deny mount options=(bind),",
			"deny mount options=(rbind) -> /{,[^m]**,m{,[^n]**},mn{,[^t]**},mnt{,?**}},",
			"deny mount options=(rbind) -> /mnt/{?,/}**,",
			"deny mount options=(rbind) /{?,/}**,",
			"deny mount options=(move),",
		}, makes, []string{"deny mount fstype=?*,"})},
		{"deny mount,", MountRequest{Op: "mount", Source: "none", Target: "/mnt/", Fstype: "tmpfs"}, slices.Concat([]string{
			"deny remount,",
			"deny mount options=(bind),",
			"deny mount options=(rbind),",
			"deny mount options=(move),",
		}, makes, []string{
			`deny mount fstype="{[^t/]*,t{,[^m/]*},tm{,[^p/]*},tmp{,[^f/]*},tmpf{,[^s/]*},tmpfs?*}",`,
			"deny mount fstype=?* -> /{,[^m]**,m{,[^n]**},mn{,[^t]**},mnt{,?**}},",
			"deny mount fstype=?* -> /mnt/{?,/}**,",
			"deny mount fstype=?* {,[^n]**,n{,[^o]**},no{,[^n]**},non{,[^e]**},none{?,/}**},",
		})},
		{"deny mount /srv/** -> /mnt/**,", MountRequest{Op: "bind", Source: "/srv/a", Target: "/mnt/b/", Flags: []string{"bind"}}, []string{
			"deny mount options=(bind) /srv/** -> /mnt/{[^b/]**,b{,?**}},",
			"deny mount options=(bind) /srv/** -> /mnt/b/{?,/}**,",
			"deny mount options=(bind) /srv/{[^a/]**,a{?,/}**} -> /mnt/**,",
			"deny mount options=(rbind) /srv/** -> /mnt/**,",
			"deny mount options=(move) /srv/** -> /mnt/**,",
			"deny mount fstype=?* /srv/** -> /mnt/**,",
		}},
		{"deny remount,", MountRequest{Op: "remount", Target: "/mnt/", Flags: []string{"ro", "remount"}}, []string{
			"deny remount /{,[^m]**,m{,[^n]**},mn{,[^t]**},mnt{,?**}},",
			"deny remount /mnt/{?,/}**,",
		}},
		{"deny umount,", MountRequest{Op: "umount", Target: "/mnt/"}, []string{
			"deny umount /{,[^m]**,m{,[^n]**},mn{,[^t]**},mnt{,?**}},",
			"deny umount /mnt/{?,/}**,",
		}},
		{"deny pivot_root,", PivotRootRequest{NewRoot: "/n/", OldRoot: "/o/"}, []string{
			"deny pivot_root oldroot=/{,[^o]**,o{,?**}},",
			"deny pivot_root oldroot=/o/{?,/}**,",
			"deny pivot_root /{,[^n]**,n{,?**}},",
			"deny pivot_root /n/{?,/}**,",
		}},
		{"deny mount options=(rw, bind) /srv/* -> /mnt/**,", MountRequest{Op: "bind", Source: "/srv/a", Target: "/mnt/b/", Flags: []string{"rw", "bind"}}, []string{
			"deny mount options=(rw, bind) /srv/* -> /mnt/{[^b/]**,b{,?**}},",
			"deny mount options=(rw, bind) /srv/* -> /mnt/b/{?,/}**,",
			"deny mount options=(rw, bind) /srv/{[^a/]*,a?*} -> /mnt/**,",
		}},
		{"deny mount fstype=tmpfs options=(ro) none -> /mnt/**,", MountRequest{Op: "mount", Fstype: "tmpfs", Source: "none", Target: "/mnt/b/", Flags: []string{"ro"}}, []string{
			"deny mount fstype=tmpfs options=(ro) none -> /mnt/{[^b/]**,b{,?**}},",
			"deny mount fstype=tmpfs options=(ro) none -> /mnt/b/{?,/}**,",
		}},
		// Options that set no flag are of a new mount alone.
		{"deny mount options=(rw) -> /mnt/**,", MountRequest{Op: "mount", Fstype: "tmpfs", Source: "none", Target: "/mnt/b/"}, []string{
			`deny mount fstype="{[^t/]*,t{,[^m/]*},tm{,[^p/]*},tmp{,[^f/]*},tmpf{,[^s/]*},tmpfs?*}" options=(rw) -> /mnt/**,`,
			"deny mount options=(rw) -> /mnt/{[^b/]**,b{,?**}},",
			"deny mount options=(rw) -> /mnt/b/{?,/}**,",
			"deny mount options=(rw) {,[^n]**,n{,[^o]**},no{,[^n]**},non{,[^e]**},none{?,/}**} -> /mnt/**,",
		}},
		{"deny remount options=(ro) /mnt/**,", MountRequest{Op: "remount", Target: "/mnt/b/", Flags: []string{"ro"}}, []string{
			"deny remount options=(ro) /mnt/{[^b/]**,b{,?**}},",
			"deny remount options=(ro) /mnt/b/{?,/}**,",
		}},
		{"deny pivot_root oldroot=/o/* /n/,", PivotRootRequest{NewRoot: "/n/", OldRoot: "/o/a"}, []string{
			"deny pivot_root oldroot=/o/{[^a/]*,a?*} /n/,",
		}},
		{"deny link /a/* -> /b,", FileRequest{Path: "/a/x", Target: "/b", Perms: Link}, []string{
			"deny link /a/{[^x/]*,x?*} -> /b,",
		}},
		{"deny link subset /a/* -> /b/**,", FileRequest{Path: "/a/x", Target: "/b/c", Perms: Link}, []string{
			"deny link subset /a/{[^x/]*,x?*} -> /b/**,",
			"deny link subset /a/* -> /b/{[^c/]**,c{?,/}**},",
		}},
		{"deny /a/* wl,", FileRequest{Path: "/a/x", Target: "/b", Perms: Link}, []string{
			"deny /a/* w,",
			"deny /a/{[^x/]*,x?*} l,",
			"deny link /a/x -> /{[^b/]**,b{?,/}**},",
		}},
		{"deny change_profile -> web*,", ChangeProfileRequest{Target: "web1"}, []string{
			"deny change_profile -> web{,[^1/]*,1?*},",
		}},
		{"deny change_profile -> web,", ChangeProfileRequest{Target: "web"}, []string{}},
		{"deny change_profile,", ChangeProfileRequest{Target: "web"}, []string{
			"deny change_profile -> {,[^w]**,w{,[^e]**},we{,[^b]**},web{?,/}**},",
		}},
		{"deny change_profile -> web*,", ChangeProfileRequest{Target: "web1", OnExec: "/bin/a"}, []string{
			"deny change_profile /{[^b/]**,b{,[^i]**},bi{,[^n]**},bin{,?**}} -> web*,",
			"deny change_profile /bin/{,[^a]**,a{?,/}**} -> web*,",
		}},
	} {
		p := loadProfile(t, "profile p {\n  "+c.rule+" # why\n}\n")
		text, n, ok := narrowed(t, p, 0, c.req, c.req.wanted())
		require.Equal(t, c.want != nil, ok, c.rule)
		if !ok {
			continue
		}
		assert.Equal(t, strings.Join(c.want, "\n  "), n.Text)
		q := loadProfile(t, text)
		d := q.Decide(c.req)
		assert.Zero(t, d.Refused, text)
		if len(q.Rules) > 0 && q.Rules[0].Head().Since == "" {
			policies = append(policies, text)
		}
	}
	accepted, output := acceptedAll(t, parserTool(t), policies)
	assert.True(t, accepted, output)
}

func TestNarrowDenyNotes(t *testing.T) {
	for _, c := range []struct {
		rule string
		req  Request
		want string
	}{
		{"deny capability chown kill,", CapabilityRequest{"kill"}, ""},
		{"deny capability,", CapabilityRequest{"kill"}, "now those known so far are listed"},
		{"deny signal,", SignalRequest{Send, "term", "web"}, "every signal; now"},
		{"deny ptrace,", PtraceRequest{Trace, ""}, "does not say its peer"},
		{"deny dbus send,", DBusRequest{Perms: Send, Bus: "system", Path: "/x", Interface: "x", Member: "x"}, "does not say its peer label"},
	} {
		p := loadProfile(t, "profile p {\n  "+c.rule+"\n}\n")
		_, n, ok := narrowed(t, p, 0, c.req, 0)
		require.True(t, ok, c.rule)
		assert.Contains(t, n.Note, c.want)
		assert.Equal(t, c.want == "", n.Note == "")
	}
}
