package binary

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/whydenied/whydenied/rules/apparmor"
)

func decoded(t *testing.T, name string) map[string]*Profile {
	t.Helper()
	list, err := Decode(compiled(t, name))
	require.NoError(t, err)
	all := map[string]*Profile{}
	for _, p := range list {
		all[p.Name] = p
	}
	return all
}

// A decision is what a profile answers to an access.
type decision struct {
	name    string
	profile *Profile
	req     apparmor.Request
	want    string
}

func decisions(t *testing.T) []decision {
	all, recent := decoded(t, "all"), decoded(t, "new")
	web, fresh := all["web"], recent["new"]
	file := func(path string, perms apparmor.Perms, owner bool) apparmor.Request {
		return apparmor.FileRequest{Path: path, Perms: perms, Owner: owner}
	}
	unix := func(perms apparmor.Perms, addr, peer string) apparmor.Request {
		return apparmor.UnixRequest{Perms: perms, Type: "stream", Addr: addr, PeerAddr: peer, PeerLabel: "peer"}
	}
	list := []decision{
		{"read", web, file("/etc/hosts", apparmor.Read, false), "granted"},
		{"write", web, file("/etc/hosts", apparmor.Read|apparmor.Write, false), "refused"},
		{"deny", web, file("/srv/no", apparmor.Read, true), "quiet"},
		{"audit", web, file("/srv/au", apparmor.Read, true), "granted, logged"},
		{"owner", web, file("/srv/own", apparmor.Read, true), "granted"},
		{"other", web, file("/srv/own", apparmor.Read, false), "refused"},
		{"owner, table", fresh, file("/srv/own", apparmor.Read, true), "granted"},
		{"other, table", fresh, file("/srv/own", apparmor.Read, false), "refused"},
		{"both, table", fresh, file("/srv/w", apparmor.Write|apparmor.Append, false), "granted"},
		{"link", web, apparmor.FileRequest{Path: "/srv/link/a", Target: "/any", Perms: apparmor.Link}, "granted"},
		{"link subset", web, apparmor.FileRequest{Path: "/srv/a", Target: "/srv/b", Perms: apparmor.Link}, "granted"},
		{"link other", web, apparmor.FileRequest{Path: "/srv/a", Target: "/srv/c", Perms: apparmor.Link}, "refused"},
		{"capability", web, apparmor.CapabilityRequest{Name: "bpf"}, "granted"},
		{"capability denied", web, apparmor.CapabilityRequest{Name: "kill"}, "quiet"},
		{"network", web, apparmor.NetworkRequest{Family: "inet", Type: "stream"}, "granted"},
		{"network type", web, apparmor.NetworkRequest{Family: "inet", Type: "dgram"}, "refused"},
		{"network, table", fresh, apparmor.NetworkRequest{Family: "inet", Type: "stream"}, "granted"},
		{"unix", web, unix(apparmor.Send, "@a", "@b"), "granted"},
		{"unix address", web, unix(apparmor.Send, "@a", "@c"), "refused"},
		{"unix, class 15", fresh, unix(apparmor.Send|apparmor.Create, "@a", "@b"), "granted"},
		{"unix address, class 15", fresh, unix(apparmor.Send, "@b", "@b"), "refused"},
		{"audit flag", all["web//hat"], file("/x", apparmor.Read, false), "granted, logged"},
	}
	return append(list, classDecisions(web, fresh, recent["new//child"])...)
}

func classDecisions(web, fresh, child *Profile) []decision {
	return []decision{
		{"signal", web, apparmor.SignalRequest{Perms: apparmor.Send, Signal: "term", Peer: "a"}, "granted"},
		{"signal of stack", web, apparmor.SignalRequest{Perms: apparmor.Send, Signal: "term", Peer: "a//&b"}, "refused"},
		{"signal number", web, apparmor.SignalRequest{Perms: apparmor.Send, Signal: "kill", Peer: "a"}, "refused"},
		{"ptrace", web, apparmor.PtraceRequest{Perms: apparmor.Trace, Peer: "a"}, "granted"},
		{"ptrace peer", web, apparmor.PtraceRequest{Perms: apparmor.Trace, Peer: "b"}, "refused"},
		{"dbus", web, apparmor.DBusRequest{Perms: apparmor.Send, Bus: "system", Path: "/org/a"}, "granted"},
		{"dbus bus", web, apparmor.DBusRequest{Perms: apparmor.Send, Bus: "session", Path: "/org/a"}, "refused"},
		{"mount", web, apparmor.MountRequest{Op: "mount", Source: "none", Target: "/mnt/", Fstype: "tmpfs", Flags: []string{"ro"}, Data: "size=1"}, "granted"},
		{"mount elsewhere", web, apparmor.MountRequest{Op: "mount", Source: "none", Target: "/srv/", Fstype: "tmpfs", Flags: []string{"ro"}}, "refused"},
		{"umount", web, apparmor.MountRequest{Op: "umount", Target: "/mnt/"}, "granted"},
		{"pivot_root", web, apparmor.PivotRootRequest{NewRoot: "/new/", OldRoot: "/new/old/"}, "granted"},
		{"pivot_root elsewhere", web, apparmor.PivotRootRequest{NewRoot: "/new/", OldRoot: "/old/"}, "refused"},
		{"change_profile", web, apparmor.ChangeProfileRequest{Target: "other", OnExec: "/bin/sh"}, "granted"},
		{"change_profile at once", web, apparmor.ChangeProfileRequest{Target: "third"}, "refused"},
		{"rlimit", web, apparmor.RlimitRequest{Name: "nofile", Value: 10}, "granted"},
		{"rlimit above", web, apparmor.RlimitRequest{Name: "nofile", Value: 11}, "refused"},
		{"rlimit without rule", web, apparmor.RlimitRequest{Name: "cpu", Value: 11}, "granted"},
		{"userns", fresh, apparmor.UsernsRequest{}, "granted"},
		{"userns of child", child, apparmor.UsernsRequest{}, "refused"},
		{"userns not mediated", web, apparmor.UsernsRequest{}, "granted, not asked"},
		{"mqueue not mediated", fresh, apparmor.MqueueRequest{Perms: apparmor.Read, Type: "posix", Name: "/a"}, "granted, not asked"},
		{"io_uring", fresh, apparmor.IOUringRequest{Perms: apparmor.SQPoll}, "granted"},
		{"io_uring label", fresh, apparmor.IOUringRequest{Perms: apparmor.OverrideCreds, Label: "a"}, "granted"},
		{"io_uring other label", fresh, apparmor.IOUringRequest{Perms: apparmor.OverrideCreds, Label: "b"}, "refused"},
		{"unknown", web, apparmor.CapabilityRequest{Name: "fly"}, "refused, not asked"},
	}
}

func TestDecide(t *testing.T) {
	for _, test := range decisions(t) {
		t.Run(test.name, func(t *testing.T) {
			d := test.profile.Decide(test.req)
			got := "refused"
			switch {
			case d.Refused|d.Unmatched == 0:
				got = "granted"
			case d.Quiet:
				got = "quiet"
			}
			if d.Audited != 0 {
				got += ", logged"
			}
			if _, file := test.req.(apparmor.FileRequest); len(d.Notes) > 0 && !file {
				got += ", not asked"
			}
			assert.Equal(t, test.want, got, "%+v", d)
		})
	}
}

func TestDecideExec(t *testing.T) {
	web, fresh := decoded(t, "all")["web"], decoded(t, "new")["new"]
	for _, test := range []struct {
		profile                *Profile
		path, transition, name string
	}{
		{web, "/usr/bin/ix", "ix", "web"},
		{web, "/usr/bin/x", "px", ""},
		{web, "/usr/bin/p", "Pix", ""},
		{web, "/usr/bin/u", "Ux", "unconfined"},
		{web, "/usr/bin/y", "cx", "web//child"},
		{fresh, "/usr/bin/y", "cx", "new//child"},
	} {
		d := test.profile.Decide(apparmor.FileRequest{Path: test.path, Perms: apparmor.Exec, Owner: true})
		require.NotNil(t, d.Exec, test.path)
		assert.Equal(t, test.transition, d.Exec.Transition.String(), test.path)
		if test.path == "/usr/bin/x" {
			test.name = "other"
		}
		assert.Equal(t, test.name, d.Exec.Profile, test.path)
	}
}

// What a kernel answered to queries of its own .access about a profile with such
// rules: Linux 7.2.13, policy of apparmor_parser 5.0.2.
func TestPermissionsAsKernel(t *testing.T) {
	for _, name := range []string{"all", "new"} {
		p := decoded(t, name)["web"]
		if p == nil {
			p = decoded(t, name)["new"]
		}
		for path, want := range map[string]perms{
			"/etc/hosts":  {allow: 0x244},
			"/etc/shadow": {},
			"/srv/w":      {allow: 0x337e},
			"/srv/no":     {allow: 0x200, quiet: 0x44},
			"/srv/au":     {allow: 0x244, audit: 0x244},
			"/srv/own":    {allow: 0x244},
		} {
			state := p.file.match(path)
			if name == "new" && path != "/srv/w" && path != "/srv/own" {
				continue
			}
			got := p.file.filePerms(state, true)
			got.quiet &^= got.allow // as aa_perms_accum() has it
			if state == 0 {
				got.allow &^= bitGetAttr // the query does not ask a state that matches nothing
			}
			assert.Equal(t, want, got, "%s %s", name, path)
		}
		class := string([]byte{classNet})
		if name == "new" {
			class = string([]byte{classNetV9})
		}
		assert.Equal(t, uint32(0x03708376), p.at(class+be16(2)+be16(1)).allow, name)
	}
}
