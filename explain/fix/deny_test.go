package fix

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/whydenied/whydenied/explain/library"
	"github.com/whydenied/whydenied/rules"
	"github.com/whydenied/whydenied/rules/apparmor"
)

// TestUnrepeated holds that what two deny rules leave is written once, and an edit is
// never left without a rule.
func TestUnrepeated(t *testing.T) {
	written := map[string]bool{}
	for _, c := range []struct{ edit, want string }{
		{"deny /a/b w,\n  deny /a/c w,", "deny /a/b w,\n  deny /a/c w,"},
		{"deny /a/b w,\n  deny /d w,\n  deny /a/c w,", "deny /d w,"},
		{"deny /d w,", "deny /d w,"},
		{"", ""},
	} {
		edits := []rules.Edit{{New: c.edit}}
		unrepeated(edits, written)
		assert.Equal(t, c.want, edits[0].New)
	}
}

// TestDenyRulesAreNarrowed holds that of a deny rule of any class all that was not asked for
// stays refused, and that what else is given is told in full.
func TestDenyRulesAreNarrowed(t *testing.T) {
	mount := func(op, source, fstype string, flags ...string) apparmor.MountRequest {
		return apparmor.MountRequest{Op: op, Source: source, Target: "/mnt/", Fstype: fstype, Flags: flags}
	}
	for _, c := range []struct {
		text  string
		req   apparmor.Request
		other apparmor.Request // that stays refused
	}{
		{"deny network raw,", apparmor.NetworkRequest{Family: "inet", Type: "raw"}, apparmor.NetworkRequest{Family: "packet", Type: "raw"}},
		{"deny network,", apparmor.NetworkRequest{Family: "inet", Type: "stream"}, apparmor.NetworkRequest{Family: "inet", Type: "dgram"}},
		{"deny mount,", mount("mount", "tmpfs", "tmpfs", "rw"), mount("bind", "/", "", "rw", "bind")},
		{"deny mount,", mount("bind", "/srv/", "", "rw", "bind"), mount("bind", "/", "", "rw", "bind")},
		{"deny remount,", mount("remount", "", "", "ro", "remount"), apparmor.MountRequest{Op: "remount", Target: "/", Flags: []string{"ro", "remount"}}},
		{"deny umount,", mount("umount", "", ""), apparmor.MountRequest{Op: "umount", Target: "/"}},
		{"deny pivot_root,", apparmor.PivotRootRequest{NewRoot: "/n/", OldRoot: "/n/o/"}, apparmor.PivotRootRequest{NewRoot: "/n/", OldRoot: "/n/p/"}},
		{"deny unix,", apparmor.UnixRequest{Perms: apparmor.Connect, Type: "stream", Addr: "none", Label: "p", PeerAddr: "@x", PeerLabel: "a"},
			apparmor.UnixRequest{Perms: apparmor.Connect, Type: "stream", Addr: "none", Label: "p", PeerAddr: "@x", PeerLabel: "b"}},
		{"deny change_profile,", apparmor.ChangeProfileRequest{Target: "web"}, apparmor.ChangeProfileRequest{Target: "db"}},
		{"deny change_profile -> {web,db},", apparmor.ChangeProfileRequest{Target: "web", OnExec: "/bin/a"}, apparmor.ChangeProfileRequest{Target: "web", OnExec: "/bin/b"}},
		{"deny mqueue,", apparmor.MqueueRequest{Perms: apparmor.Open, Type: "posix", Name: "/q"}, apparmor.MqueueRequest{Perms: apparmor.Open, Type: "posix", Name: "/r"}},
		{"deny io_uring,", apparmor.IOUringRequest{Perms: apparmor.SQPoll}, apparmor.IOUringRequest{Perms: apparmor.OverrideCreds}},
		{"deny capability,", apparmor.CapabilityRequest{Name: "chown"}, apparmor.CapabilityRequest{Name: "sys_admin"}},
		{"deny all,", apparmor.CapabilityRequest{Name: "chown"}, apparmor.CapabilityRequest{Name: "sys_admin"}},
		{"deny all,", apparmor.FileRequest{Path: "/srv/a", Perms: apparmor.Read, Owner: true}, apparmor.FileRequest{Path: "/srv/b", Perms: apparmor.Read, Owner: true}},
	} {
		for _, allow := range []string{"", "  network,\n  mount,\n  umount,\n  pivot_root,\n  unix,\n  capability,\n  /** rw,\n"} {
			profile, r := remedies(t, "  "+c.text+"\n"+allow, c.req)
			if !assert.NotEmpty(t, r.Fixes, "%s %+v %s", c.text, c.req, r.Notes) {
				continue
			}
			narrowed := slices.IndexFunc(r.Fixes, func(f rules.Fix) bool { return !strings.HasPrefix(f.Message, "put a rule") })
			require.GreaterOrEqual(t, narrowed, 0, c.text)
			edited := New(library.New(t.TempDir(), nil)).Library.Edited(r.Fixes[narrowed].Edits, profile)
			require.NotNil(t, edited)
			assert.True(t, edited.Grants(c.req), c.text)
			d := edited.Decide(c.other)
			assert.NotZero(t, d.Refused, "%s\n%s", c.text, r.Fixes[narrowed].Rule)
			assert.NotContains(t, r.Fixes[narrowed].Proof, "what else is allowed was not compared in full", c.text)
		}
	}
}

// TestRuleInPlaceOfDeny holds that where no rule allows what a deny rule refuses, a plain rule
// in its place comes before one that nobody would read, and grants no more.
func TestRuleInPlaceOfDeny(t *testing.T) {
	bind := apparmor.MountRequest{Op: "bind", Source: "/srv/", Target: "/mnt/", Flags: []string{"rw", "bind"}}
	for text, inPlace := range map[string]bool{
		"  deny mount,\n  /** rw,\n":                      true,
		"  audit deny mount,\n  /** rw,\n":                true,
		"  deny mount,\n  mount,\n":                       false,
		"  deny mount,\n  mount fstype=proc -> /proc/,\n": false,
		"  deny mount,\n  deny mount /srv/,\n":            false,
		"  deny all,\n":                                   false,
	} {
		profile, r := remedies(t, text, bind)
		require.NotEmpty(t, r.Fixes, text)
		first := r.Fixes[0]
		assert.Equal(t, inPlace, strings.HasPrefix(first.Message, "put a rule"), "%s%s", text, first.Message)
		if !inPlace {
			continue
		}
		assert.Equal(t, "mount options=(rw, bind) /srv/ -> /mnt/,", first.Rule)
		assert.Equal(t, strings.HasPrefix(text, "  deny"), strings.HasSuffix(first.Message, "and is logged from then on"), "%s%s", text, first.Message)
		assert.Contains(t, first.Proof, "nothing else is")
		edited := New(library.New(t.TempDir(), nil)).Library.Edited(first.Edits, profile)
		assert.True(t, edited.Grants(bind))
		assert.NotContains(t, edited.Policy.Files[0].Text, "deny mount")
		bind := bind
		bind.Source = "/"
		assert.False(t, edited.Grants(bind))
	}
}

// TestReadableFormFirst holds that where narrowing takes globs that nobody reads, a rule of a
// higher priority comes first, if the policy is for a parser that has that.
func TestReadableFormFirst(t *testing.T) {
	write := apparmor.FileRequest{Path: "/srv/lib/app/db", Perms: apparmor.Write, Owner: true}
	for _, c := range []struct{ abi, text, want string }{
		{"abi <abi/5.0>,\n", "  /** rw,\n  deny /srv/** w,\n", "priority=1 owner /srv/lib/app/db w,"},
		{"abi <abi/5.0>,\n", "  /** rw,\n  priority=5 deny /srv/** w,\n", "priority=6 owner /srv/lib/app/db w,"},
		{"abi <abi/5.0>,\n", "  /** rw,\n  deny /srv/lib/app/d? w,\n", "deny /srv/lib/app/d[^b/] w,"},
	} {
		l := library.New(t.TempDir(), nil)
		policy, diagnostics := l.Loader.Load(rules.NewFile("p", c.abi+"profile p {\n"+c.text+"}\n"))
		require.Empty(t, rules.Errors(diagnostics))
		profile := policy.Profile("p")
		r := New(l).Access(profile, write, Caller{})
		require.NotEmpty(t, r.Fixes, c.text)
		assert.Contains(t, r.Fixes[0].Rule, c.want)
		edited := l.Edited(r.Fixes[0].Edits, profile)
		assert.NotZero(t, edited.Decide(apparmor.FileRequest{Path: "/srv/lib/app/dx", Perms: apparmor.Write}).Refused, c.text)
	}
}

// TestSplitBeforeGlobs holds that explain shows a deny rule that is split by directory before one
// that nobody would read, with what stays refused and what does not, and that what is
// written unasked is the narrower.
func TestSplitBeforeGlobs(t *testing.T) {
	write := apparmor.FileRequest{Path: "/srv/lib/app/db", Perms: apparmor.Write, Owner: true}
	profile, r := remedies(t, "  /** rw,\n  deny /srv/** w,\n", write)
	require.Len(t, r.Fixes, 2)
	split, globs := r.Fixes[0], r.Fixes[1]
	assert.Equal(t, "deny /srv/[^l/]** w,\n  deny /srv/lib/[^a/]** w,\n  deny /srv/lib/app/[^d/]** w,", split.Rule)
	assert.Contains(t, split.Message, "/srv/[^l/]**, /srv/lib/[^a/]** and /srv/lib/app/[^d/]** stay refused; what else is named /srv/l**, /srv/lib/a** or /srv/lib/app/d** no longer is")
	assert.Contains(t, split.Grants, "such as /srv/l")
	assert.Contains(t, globs.Rule, "deny /srv/{[^l/]**")
	assert.NotContains(t, globs.Grants, "such as")
	edited := New(library.New(t.TempDir(), nil)).Library.Edited(globs.Edits, profile)
	assert.NotZero(t, edited.Decide(apparmor.FileRequest{Path: "/srv/lib/app/dx", Perms: apparmor.Write}).Refused)
	p := New(library.New(t.TempDir(), nil))
	assert.Equal(t, globs.Rule, p.Narrowest(profile, write, Caller{}).Rule)
	candidates, _ := p.Candidates(profile, write, profile.Decide(write), Caller{})
	require.Len(t, candidates, 1)
	assert.Equal(t, globs.Rule, candidates[0].Rule)

	_, r = remedies(t, "  /** rw,\n  deny /srv/d? w,\n", apparmor.FileRequest{Path: "/srv/db", Perms: apparmor.Write, Owner: true})
	require.Len(t, r.Fixes, 1, "which is read as it is")
}

// TestGainOfNarrowedDeny holds that what a deny rule refuses still is not said to be granted.
func TestGainOfNarrowedDeny(t *testing.T) {
	_, r := remedies(t, "  deny mount fstype=tmpfs -> /srv/**,\n  mount,\n", apparmor.MountRequest{Op: "mount", Source: "none", Target: "/srv/a/", Fstype: "tmpfs"})
	require.NotEmpty(t, r.Fixes)
	assert.Contains(t, r.Fixes[0].Grants, "more of what `deny mount fstype=tmpfs -> /srv/**,` names, such as `mount")
	assert.NotContains(t, r.Fixes[0].Grants, "everything else")
}
