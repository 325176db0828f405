package apparmor

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/whydenied/whydenied/rules"
)

// loadProfile returns the profile p of a policy text that must have no errors.
func loadProfile(t *testing.T, text string) *Profile {
	t.Helper()
	profile := load(t, text).Profile("p")
	require.NotNil(t, profile, text)
	return profile
}

// TestRuleFor holds that the rule for a request grants it and nothing near it.
func TestRuleFor(t *testing.T) {
	for _, c := range []struct {
		req   Request
		want  string
		other Request // must stay refused; nil for none
	}{
		{FileRequest{Path: "/etc/hosts", Perms: Read}, "/etc/hosts r,", FileRequest{Path: "/etc/hosts", Perms: Write}},
		{FileRequest{Path: "/a b", Perms: Write | Append}, `"/a b" w,`, FileRequest{Path: "/a", Perms: Write}},
		{FileRequest{Path: "/bin/x", Perms: Exec | Read}, "/bin/x rix,", FileRequest{Path: "/bin/x", Perms: Write}},
		{FileRequest{Path: "/new", Perms: Link, Target: "/old"}, "link /new -> /old,", FileRequest{Path: "/new", Perms: Link, Target: "/other"}},
		{CapabilityRequest{"net_admin"}, "capability net_admin,", CapabilityRequest{"net_raw"}},
		{NetworkRequest{Family: "inet", Type: "stream"}, "network inet stream,", NetworkRequest{Family: "inet", Type: "dgram"}},
		{MountRequest{Op: "mount", Source: "none", Target: "/mnt/", Fstype: "tmpfs"}, "mount fstype=tmpfs options=(rw) none -> /mnt/,",
			MountRequest{Op: "mount", Source: "none", Target: "/srv/", Fstype: "tmpfs"}},
		{MountRequest{Op: "bind", Source: "/a/", Target: "/b/", Flags: []string{"rw", "bind"}}, "mount options=(rw, bind) /a/ -> /b/,",
			MountRequest{Op: "bind", Source: "/c/", Target: "/b/", Flags: []string{"rw", "bind"}}},
		{MountRequest{Op: "remount", Target: "/b/", Flags: []string{"ro", "remount"}}, "remount options=(ro) /b/,",
			MountRequest{Op: "remount", Target: "/c/", Flags: []string{"ro", "remount"}}},
		{MountRequest{Op: "mount", Target: "/", Flags: []string{"rw", "rprivate"}}, "mount options=(rw, rprivate) -> /,",
			MountRequest{Op: "mount", Target: "/a/", Flags: []string{"rw", "rprivate"}}},
		{MountRequest{Op: "umount", Target: "/b/"}, "umount /b/,", MountRequest{Op: "umount", Target: "/c/"}},
		{PivotRootRequest{NewRoot: "/n/", OldRoot: "/n/old/"}, "pivot_root oldroot=/n/old/ /n/,", PivotRootRequest{NewRoot: "/m/", OldRoot: "/n/old/"}},
		{PtraceRequest{TracedBy, "strace"}, "ptrace (tracedby) peer=strace,", PtraceRequest{TracedBy, "other"}},
		{SignalRequest{Send, "rtmin+8", "unconfined"}, "signal (send) set=(rtmin+8) peer=unconfined,", SignalRequest{Send, "kill", "unconfined"}},
		{SignalRequest{Send | Receive, "exists", "/usr/bin/a b"}, `signal (send, receive) set=(exists) peer="/usr/bin/a b",`, nil},
		{UnixRequest{Perms: Send | Receive, Type: "stream", Addr: "none", PeerAddr: "@x", PeerLabel: "db"},
			"unix (send, receive) type=stream peer=(label=db, addr=@x),", nil},
		{UnixRequest{Perms: Connect, Type: "stream", Addr: "none", PeerAddr: "/run/x y"}, "unix (connect) type=stream,", nil},
		{UnixRequest{Perms: Bind, Type: "dgram", Addr: "/run/x"}, "unix (bind) type=dgram,", nil},
		{DBusRequest{Perms: Send, Bus: "system", Path: "/org/x", Interface: "org.x", Member: "Get", Name: "org.x", PeerLabel: "unconfined"},
			"dbus (send) bus=system path=/org/x interface=org.x member=Get peer=(name=org.x, label=unconfined),",
			DBusRequest{Perms: Send, Bus: "session", Path: "/org/x", Interface: "org.x", Member: "Get", Name: "org.x", PeerLabel: "unconfined"}},
		{DBusRequest{Perms: Bind, Bus: "system", Name: "org.x"}, "dbus (bind) bus=system name=org.x,", DBusRequest{Perms: Bind, Bus: "system", Name: "org.y"}},
		{ChangeProfileRequest{Target: "web"}, "change_profile -> web,", ChangeProfileRequest{Target: "db"}},
		{RlimitRequest{"nofile", 900}, "set rlimit nofile <= 900,", RlimitRequest{"nofile", 901}},
		{RlimitRequest{"nice", 30}, "set rlimit nice <= 10,", RlimitRequest{"nice", 31}},
		{UsernsRequest{}, "userns create,", nil},
		{MqueueRequest{Perms: Create | Open, Type: "posix", Name: "/q"}, "mqueue (create, open) type=posix /q,", MqueueRequest{Perms: Create, Type: "posix", Name: "/r"}},
		{IOUringRequest{Perms: SQPoll}, "io_uring (sqpoll),", IOUringRequest{Perms: OverrideCreds}},
	} {
		rule := RuleFor(c.req, Transition{Mode: Inherit})
		assert.Equal(t, c.want, rule)
		p := loadProfile(t, "profile p {\n  "+rule+"\n}\n")
		d := p.Decide(c.req)
		assert.Zero(t, d.Refused|d.Unmatched, "%s does not grant %+v", rule, c.req)
		if c.other != nil {
			d := p.Decide(c.other)
			assert.NotZero(t, d.Refused|d.Unmatched, "%s grants %+v", rule, c.other)
		}
	}
}

// TestRuleForHostileNames holds that no name breaks out of its rule.
func TestRuleForHostileNames(t *testing.T) {
	for _, name := range []string{
		"/a\nb", "/a\tb", `/a"b`, "/a*b", "/a?b", "/a[b]", "/a{b,c}", "/@{HOME}", "/a,b", "/a#b", "/a ", "/\x01\x7f", "/\xff\xfe", `/a\b`,
		"/a} profile q { /** rw,", "/a^b", "/a->b", "/a=(b)", "/\u202e",
	} {
		for _, req := range []Request{
			FileRequest{Path: name, Perms: Read},
			MountRequest{Op: "umount", Target: name},
			SignalRequest{Send, "kill", name},
			ChangeProfileRequest{Target: name[1:]},
		} {
			rule := RuleFor(req, Transition{})
			assert.NotContains(t, rule, "\n")
			p := loadProfile(t, "abi <abi/3.0>,\nprofile p {\n  "+rule+"\n}\n")
			assert.Len(t, p.Policy.Profiles, 1, rule)
			d := p.Decide(req)
			assert.Zero(t, d.Refused|d.Unmatched, "%q does not grant %+v", rule, req)
		}
	}
}

func TestAmend(t *testing.T) {
	apply := func(p *Profile, edits ...rules.Edit) string {
		changes, err := rules.Apply(edits)
		require.NoError(t, err)
		loadProfile(t, changes[0].New)
		return strings.TrimSpace(changes[0].New)
	}
	fileRule := func(p *Profile) *FileRule { return p.Rules[0].(*FileRule) }

	p := loadProfile(t, "profile p { }")
	assert.Equal(t, "profile p flags=(attach_disconnected) { }", apply(p, p.AddFlag("attach_disconnected")))
	p = loadProfile(t, "profile p flags=(complain, audit) { }")
	assert.Equal(t, "profile p flags=(complain, audit, attach_disconnected) { }", apply(p, p.AddFlag("attach_disconnected")))

	p = loadProfile(t, "profile p { /bin/x rPx -> target, } profile target { }")
	edits, text, ok := fileRule(p).ChangeExec(Transition{Mode: Inherit})
	require.True(t, ok)
	assert.Equal(t, "/bin/x rix,", text)
	assert.Equal(t, "profile p { /bin/x rix, } profile target { }", apply(p, edits...))
	edits, text, ok = fileRule(p).ChangeExec(fileRule(p).Exec.OrInherit())
	require.True(t, ok)
	assert.Equal(t, "/bin/x rPix -> target,", text)
	apply(p, edits...)

	p = loadProfile(t, "profile p { audit deny /srv/a rwklx, # why\n}")
	narrow := func(path string, perms Perms) (Narrowed, bool) {
		return p.NarrowDeny(fileRule(p), FileRequest{Path: path, Perms: perms}, perms)
	}
	n, ok := narrow("/srv/a", Write|Exec)
	require.True(t, ok)
	assert.Equal(t, "profile p { audit deny /srv/a rkl, # why\n}", apply(p, n.Edits...))

	p = loadProfile(t, "profile p {\n  audit deny /srv/* rw, # why\n}")
	n, ok = narrow("/srv/ab", Write)
	require.True(t, ok)
	assert.Equal(t, "audit deny /srv/* r,\n  audit deny /srv/{[^a/]*,a{,[^b/]*},ab?*} w,", n.Text)
	apply(p, n.Edits...)
	for _, path := range []string{"/srv/a/b", "/other", "/srv/"} {
		_, ok = narrow(path, Write)
		assert.False(t, ok, path)
	}
}

// TestRelabel holds that the labels of others, and nothing else, follow a profile that
// gets another name.
func TestRelabel(t *testing.T) {
	for _, c := range []struct {
		req   Request
		rule  string // for the request of profile b
		peers int
	}{
		{PtraceRequest{Trace, "a"}, "ptrace (trace) peer=b,", 1},
		{SignalRequest{Send, "term", "a"}, "signal (send) set=(term) peer=b,", 1},
		{SignalRequest{Send, "term", "c"}, "signal (send) set=(term) peer=c,", 1},
		{UnixRequest{Perms: Send, Type: "stream", PeerLabel: "a"}, "unix (send) type=stream peer=(label=b),", 1},
		{DBusRequest{Perms: Send, Bus: "a", PeerLabel: "a"}, "dbus (send) bus=a peer=(label=b),", 1},
		{MqueueRequest{Perms: Open, Type: "posix", Name: "/a", Label: "a"}, "mqueue (open) type=posix label=b /a,", 1},
		{IOUringRequest{OverrideCreds, "a"}, "io_uring (override_creds) label=b,", 1},
		{ChangeProfileRequest{Target: "a"}, "change_profile -> a,", 0},
		{FileRequest{Path: "/a", Perms: Read}, "/a r,", 0},
	} {
		rule := RuleFor(Relabel(c.req, "a", "b"), Transition{})
		assert.Equal(t, c.rule, rule)
		named := 0
		for _, label := range Labels(loadProfile(t, "profile p {\n  "+rule+"\n}\n").Rules[0]) {
			if label != nil {
				named++
			}
		}
		assert.Equal(t, c.peers, named, rule)
	}
}
