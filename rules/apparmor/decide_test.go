package apparmor

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/whydenied/whydenied/rules"
)

// profileOf loads the only top-level profile of a policy text, given its rules.
func profileOf(t testing.TB, flags, body string) *Profile {
	t.Helper()
	return loadText(t, "abi <abi/3.0>,\nprofile p "+flags+" {\n"+body+"\n}\n").Profiles[0]
}

func TestDecideFile(t *testing.T) {
	tests := []struct {
		name, body                  string
		req                         FileRequest
		granted, refused, unmatched Perms
		quiet                       bool
	}{
		{"union", "/a r,\n/* w,", FileRequest{Path: "/a", Perms: Read | Write}, Read | Write, 0, 0, false},
		{"w includes a", "/a w,", FileRequest{Path: "/a", Perms: Append}, Append, 0, 0, false},
		{"a is not w", "/a a,", FileRequest{Path: "/a", Perms: Write}, 0, 0, Write, false},
		{"ix includes m", "/a ix,", FileRequest{Path: "/a", Perms: Mmap}, Mmap, 0, 0, false},
		{"pix includes m", "/a pix,", FileRequest{Path: "/a", Perms: Mmap}, Mmap, 0, 0, false},
		{"px does not", "/a px,", FileRequest{Path: "/a", Perms: Mmap}, 0, 0, Mmap, false},
		{"owner", "owner /a r,", FileRequest{Path: "/a", Perms: Read, Owner: true}, Read, 0, 0, false},
		{"not owner", "owner /a r,", FileRequest{Path: "/a", Perms: Read}, 0, 0, Read, false},
		{"deny beats allow", "/a rw,\ndeny /* w,", FileRequest{Path: "/a", Perms: Read | Write}, Read, Write, 0, true},
		{"partial deny is logged for the rest", "deny /a w,", FileRequest{Path: "/a", Perms: Read | Write}, 0, Write, Read, false},
		{"audit deny is logged", "audit deny /a r,", FileRequest{Path: "/a", Perms: Read}, 0, Read, 0, false},
		{"a plain deny quiets an audit deny", "audit deny /a r,\ndeny /* r,", FileRequest{Path: "/a", Perms: Read}, 0, Read, 0, true},
		{"deny w takes a", "/a a,\ndeny /a w,", FileRequest{Path: "/a", Perms: Append}, 0, Append, 0, true},
		{"deny owner", "/a r,\ndeny owner /a r,", FileRequest{Path: "/a", Perms: Read}, Read, 0, 0, false},
		{"bare file", "file,", FileRequest{Path: "/", Perms: Read | Write | Exec | Mmap | Lock}, Read | Write | Exec | Mmap | Lock, 0, 0, false},
		{"priority", "deny /a r,\npriority=1 /a r,", FileRequest{Path: "/a", Perms: Read}, Read, 0, 0, false},
		{"priority of deny", "priority=2 deny /a r,\npriority=1 /a r,", FileRequest{Path: "/a", Perms: Read}, 0, Read, 0, true},
		{"slashes in a rule", "/a//b r,", FileRequest{Path: "/a/b", Perms: Read}, Read, 0, 0, false},
		{"merged with change_profile by what is written", "/a//b r,\nchange_profile -> /a//b,", FileRequest{Path: "/a/b", Perms: Read}, 0, 0, Read, false},
		{"not merged with change_profile", "/a//b r,\nchange_profile -> /a/b,", FileRequest{Path: "/a/b", Perms: Read}, Read, 0, 0, false},
		{"merged with change_profile", "/a r,\nchange_profile -> /a,", FileRequest{Path: "/a", Perms: Read}, 0, 0, Read, false},
		{"implied by change_profile", "change_profile -> x,", FileRequest{Path: "/proc/1/attr/exec", Perms: Write, Owner: true}, Write, 0, 0, false},
		{"implied by hats", "^h { /a r, }", FileRequest{Path: "/proc/1/attr/current", Perms: Write, Owner: true}, Write, 0, 0, false},
		{"all", "all,", FileRequest{Path: "/a", Perms: Read | Exec}, Read | Exec, 0, 0, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			d := profileOf(t, "", test.body).Decide(test.req)
			assert.Equal(t, test.granted, d.Granted, "granted")
			assert.Equal(t, test.refused, d.Refused, "refused")
			assert.Equal(t, test.unmatched, d.Unmatched, "unmatched")
			assert.Equal(t, test.quiet, d.Quiet, "quiet")
			assert.Equal(t, test.granted == test.req.Perms, d.Permitted)
		})
	}
}

func TestDecideLogged(t *testing.T) {
	d := profileOf(t, "", "deny /a w,").Decide(FileRequest{Path: "/a", Perms: Read | Write})
	assert.Equal(t, Read, d.Logged())
	d = profileOf(t, "flags=(audit)", "deny /a w,").Decide(FileRequest{Path: "/a", Perms: Write})
	assert.Equal(t, Write, d.Logged(), "flags=(audit) logs even quiet denies")
	d = profileOf(t, "", "audit /a rw,").Decide(FileRequest{Path: "/a", Perms: Read})
	assert.Equal(t, Read, d.Audited)
}

func TestDecideModes(t *testing.T) {
	req := FileRequest{Path: "/a", Perms: Read}
	d := profileOf(t, "flags=(complain)", "/b r,").Decide(req)
	assert.True(t, d.Permitted, "complain mode permits what it logs")
	assert.Zero(t, d.Granted)
	d = profileOf(t, "flags=(complain)", "deny /a r,").Decide(req)
	assert.False(t, d.Permitted, "a quiet deny is enforced in complain mode")
	d = profileOf(t, "flags=(complain)", "deny /a w,").Decide(FileRequest{Path: "/a", Perms: Read | Write})
	assert.True(t, d.Permitted, "what is logged in part is permitted whole")
	d = profileOf(t, "flags=(unconfined)", "deny /a r,").Decide(req)
	assert.True(t, d.Permitted)
	d = profileOf(t, "flags=(default_allow)", "audit deny /a r,").Decide(req)
	assert.True(t, d.Permitted, "the kernel has it for unconfined")
	d = profileOf(t, "flags=(default_allow)", "").Decide(req)
	assert.Equal(t, Read, d.Granted)
}

func TestDecideExec(t *testing.T) {
	tests := []struct {
		body    string
		mode    string
		profile string
		missing bool
	}{
		{"/bin/x ix,", "ix", "p", false},
		{"/bin/x ux,", "ux", "unconfined", false},
		{"/bin/* px,\n/bin/x ix,", "ix", "p", false}, // the literal rule dominates
		{"/bin/x ix,\n/bin/* px,", "ix", "p", false},
		{"/bin/{x,y} ix,\n/bin/* px,", "ix", "p", false},
		{"/bin/x Px,", "Px", "", true},
		{"/bin/x Pix,", "Pix", "p", false},
		{"/bin/x PUx,", "PUx", "unconfined", false},
		{"/bin/x px -> q,", "px", "q", false},
		{"/bin/x px -> &q,", "px", "p//&q", false},
		{"/bin/x cx -> c,", "cx", "p//c", false},
		{"/bin/y cx,\n/bin/x cx,", "cx", "p//attached", false},
		{"/bin/x cx -> nowhere,", "cx", "", true},
	}
	for _, test := range tests {
		policy := loadText(t, "profile p {\n"+test.body+"\nprofile c { /a r, }\nprofile attached /bin/x { /a r, }\n}\nprofile q { /a r, }\n")
		d := policy.Profiles[0].Decide(FileRequest{Path: "/bin/x", Perms: Exec})
		assert.Equal(t, Exec, d.Granted, test.body)
		require.NotNil(t, d.Exec, test.body)
		assert.Equal(t, test.mode, d.Exec.Transition.String(), test.body)
		assert.Equal(t, test.profile, d.Exec.Profile, test.body)
		assert.Equal(t, test.missing, d.Exec.Missing, test.body)
		assert.NotNil(t, d.Exec.Rule)
	}
	p := profileOf(t, "", "/bin/* px,\n/b*n/x ix,\n/bin/x ux,\n/usr/** cx,")
	conflicts := p.ExecConflicts()
	require.Len(t, conflicts, 1)
	assert.Equal(t, "/bin/x", conflicts[0].Example)
	d := p.Decide(FileRequest{Path: "/bin/x", Perms: Exec})
	assert.Equal(t, "ux", d.Exec.Transition.String())
}

func TestDecideLink(t *testing.T) {
	tests := []struct {
		body           string
		owner, granted bool
	}{
		{"/new l,\n/old r,", true, true},
		{"/new rl,\n/old w,", true, false}, // the new name would be readable
		{"/new rl,\n/old rw,", true, true},
		{"/new rl,\n/old w,", false, true}, // subset is for the owner alone
		{"link /new -> /old,\n/new rw,", true, true},
		{"link subset /new -> /old,\n/new rw,", true, false},
		{"link /new -> /other,", true, false},
		{"/new l,\ndeny link /new -> /old,", true, false},
		{"/new lix,\n/old ix,", true, true},
		{"/new lix,\n/old px,", true, false},
		{"/old rw,", true, false},
	}
	for _, test := range tests {
		d := profileOf(t, "", test.body).Decide(FileRequest{Path: "/new", Target: "/old", Perms: Link, Owner: test.owner})
		assert.Equal(t, test.granted, d.Granted == Link, test.body)
		assert.Equal(t, test.granted, d.Permitted, test.body)
	}
}

func TestDecideOtherClasses(t *testing.T) {
	tests := []struct {
		body    string
		req     Request
		granted bool
	}{
		{"capability kill chown,", CapabilityRequest{"chown"}, true},
		{"capability kill,", CapabilityRequest{"chown"}, false},
		{"capability,\ndeny capability chown,", CapabilityRequest{"chown"}, false},
		{"network inet tcp,", NetworkRequest{Family: "inet", Type: "stream"}, true},
		{"network inet tcp,", NetworkRequest{Family: "inet", Type: "dgram"}, false},
		{"network tcp,", NetworkRequest{Family: "inet6", Type: "stream"}, true},
		{"network icmp,", NetworkRequest{Family: "inet6", Type: "raw"}, false},
		{"network inet,", NetworkRequest{Family: "inet", Type: "dccp"}, false},
		{"network,", NetworkRequest{Family: "inet", Type: "dccp"}, true},
		{"unix (send) type=stream,", NetworkRequest{Family: "unix", Type: "stream"}, true}, // downgraded
		{"network,\ndeny unix,", NetworkRequest{Family: "unix", Type: "stream"}, true},     // not downgraded
		{"network unix,", UnixRequest{Perms: Connect, Type: "stream", Addr: "@a", PeerAddr: "@b"}, true},
		{"unix (connect) type=stream peer=(addr=@b*),", UnixRequest{Perms: Connect, Type: "stream", PeerAddr: "@bc"}, true},
		{"unix (connect) type=stream peer=(addr=@b*),", UnixRequest{Perms: Connect, Type: "stream", PeerAddr: "@c"}, false},
		{"unix (bind) addr=auto,", UnixRequest{Perms: Bind, Type: "dgram"}, true},
		{"unix (bind) addr=@x,", UnixRequest{Perms: Bind, Type: "dgram", Addr: "@x"}, true},
		{"unix (create),", UnixRequest{Perms: Create, Type: "dgram"}, true},
		{"signal (send) set=(term, rtmin+3) peer=a,", SignalRequest{Send, "rtmin+3", "a"}, true},
		{"signal (send) set=(term) peer=a,", SignalRequest{Send, "kill", "a"}, false},
		{"signal (receive) peer=a,", SignalRequest{Send, "kill", "a"}, false},
		{"signal peer=a,\nsignal peer=b,", SignalRequest{Send, "kill", "a//&b"}, true}, // each part
		{"signal peer=a,", SignalRequest{Send, "kill", "a//&b"}, false},
		{"ptrace (trace) peer=/usr/bin/*,", PtraceRequest{Trace, "/usr/bin/x"}, true},
		{"ptrace (trace),", PtraceRequest{TracedBy, "x"}, false},
		{"dbus (send) bus=system path=/org/** member=Get,", DBusRequest{Perms: Send, Bus: "system", Path: "/org/a", Member: "Get"}, true},
		{"dbus (send) bus=system member=Get,", DBusRequest{Perms: Send, Bus: "session", Member: "Get"}, false},
		{"dbus (bind) name=org.a,", DBusRequest{Perms: Bind, Bus: "system", Name: "org.a"}, true},
		{"change_profile -> a*,", ChangeProfileRequest{Target: "ab"}, true},
		{"change_profile -> a,", ChangeProfileRequest{Target: "&a"}, false},
		{"change_profile -> :n:a,", ChangeProfileRequest{Target: "a", Namespace: "n"}, true},
		{"change_profile /bin/x -> a,", ChangeProfileRequest{Target: "a", OnExec: "/bin/x"}, true},
		{"change_profile /bin/x -> a,", ChangeProfileRequest{Target: "a", OnExec: "/bin/y"}, false},
		{"change_profile,\ndeny change_profile -> b,", ChangeProfileRequest{Target: "a", OnExec: "/bin/y"}, false},
		{"mount fstype=tmpfs options=(nosuid) none -> /mnt/,", MountRequest{Source: "none", Target: "/mnt/", Fstype: "tmpfs", Flags: []string{"rw", "nosuid"}}, true},
		{"mount fstype=tmpfs options=(nosuid) none -> /mnt/,", MountRequest{Source: "none", Target: "/mnt/", Fstype: "tmpfs"}, false},
		{"mount options in (nosuid, nodev) -> /mnt/,", MountRequest{Source: "none", Target: "/mnt/", Fstype: "tmpfs", Flags: []string{"nodev"}}, true},
		{"mount options=(bind) /a/ -> /b/,", MountRequest{Op: "bind", Source: "/a/", Target: "/b/"}, true},
		{"mount options=(bind) /a/ -> /b/,", MountRequest{Source: "/a/", Target: "/b/", Flags: []string{"rbind"}}, false},
		{"mount options=(bind) /a/ -> /b/,", MountRequest{Source: "/a/", Target: "/b/"}, false}, // CVE-2016-1585
		{"mount options=(rslave) -> /,", MountRequest{Target: "/", Flags: []string{"rw", "rslave"}}, true},
		{"remount options=(ro, remount) /a/,", MountRequest{Target: "/a/", Flags: []string{"ro", "remount"}}, true},
		{"mount,", MountRequest{Op: "umount", Target: "/a/"}, false},
		{"umount /a/,", MountRequest{Op: "umount", Target: "/a/"}, true},
		{"pivot_root oldroot=/o/ /n/,", PivotRootRequest{"/n/", "/o/"}, true},
		{"pivot_root /n/,", PivotRootRequest{"/m/", "/o/"}, false},
		{"set rlimit nofile <= 10,", RlimitRequest{"nofile", 10}, true},
		{"set rlimit nofile <= 10,", RlimitRequest{"nofile", 11}, false},
		{"set rlimit as <= 1K,", RlimitRequest{"as", 1025}, false},
		{"set rlimit cpu <= 2min,", RlimitRequest{"cpu", 120}, true},
		{"/a r,", RlimitRequest{"nofile", 1 << 40}, true},
		{"userns,", UsernsRequest{}, true},
		{"/a r,", UsernsRequest{}, false},
		{"mqueue (read) type=posix /q,", MqueueRequest{Perms: Read, Type: "posix", Name: "/q"}, true},
		{"io_uring (sqpoll),", IOUringRequest{Perms: OverrideCreds}, false},
		{"all,", CapabilityRequest{"chown"}, true},
		{"all,\ndeny capability chown,", CapabilityRequest{"chown"}, false},
	}
	for _, test := range tests {
		p := profileOf(t, "", test.body)
		d := p.Decide(test.req)
		assert.Equal(t, test.granted, d.Granted == test.req.wanted(), "%s: %+v", test.body, test.req)
		assert.Equal(t, test.granted, d.Permitted)
		assert.Equal(t, test.req.wanted(), d.Granted|d.Refused|d.Unmatched)
		if test.granted {
			assert.Empty(t, d.Near())
		}
	}
}

func TestDecideNotes(t *testing.T) {
	p := loadText(t, "profile p { /a r, }").Profiles[0]
	d := p.Decide(NetworkRequest{Family: "inet", Type: "stream"})
	require.Len(t, d.Notes, 1)
	assert.Contains(t, d.Notes[0], "names no abi")
	d = profileOf(t, "", "/a r,").Decide(UsernsRequest{})
	require.Len(t, d.Notes, 1)
	assert.Contains(t, d.Notes[0], "abi 3.0 does not know userns")
	d = profileOf(t, "", "/a r,").Decide(CapabilityRequest{"chown"})
	assert.Empty(t, d.Notes)
}

func TestNear(t *testing.T) {
	tests := []struct {
		body string
		req  Request
		near []string // reason and source of the rule
	}{
		{"/var/cache/** r,", FileRequest{Path: "/var/cache/x", Perms: Write}, []string{"other-permissions: /var/cache/** r,"}},
		{"owner /a r,", FileRequest{Path: "/a", Perms: Read}, []string{"owner: owner /a r,"}},
		{"/srv/www/index r,\n/opt/x r,", FileRequest{Path: "/srv/web/index", Perms: Read}, []string{"other-component: /srv/www/index r,"}},
		{"/srv/*/a r,\n/srv/www/* r,\n/srv/www/b/c r,", FileRequest{Path: "/srv/www/b", Perms: Write | Read},
			[]string{"other-permissions: /srv/www/* r,"}},
		{"/srv/d r,", FileRequest{Path: "/srv/d/", Perms: Read}, []string{"trailing-slash: /srv/d r,"}},
		{"deny /usr/sbin/** mrwklx,\n/usr/sbin/nginx ix,", FileRequest{Path: "/usr/sbin/nginx", Perms: Exec}, []string{"denied: /usr/sbin/nginx ix,"}},
		{"/b r,\n  # /a rw,\n#  some prose, that is no rule,", FileRequest{Path: "/a", Perms: Read}, []string{"commented-out: # /a rw,"}},
		{"/a r,\nchange_profile -> /a,", FileRequest{Path: "/a", Perms: Read}, []string{"merged: /a r,"}},
		{"network inet stream,\nnetwork netlink raw,", NetworkRequest{Family: "inet6", Type: "stream"}, []string{"other-condition: network inet stream,"}},
		{"signal (send) peer=a,\nsignal (receive) peer=b,", SignalRequest{Send, "term", "b"},
			[]string{"other-permissions: signal (receive) peer=b,", "other-condition: signal (send) peer=a,"}},
		{"signal (receive) peer=a,\nsignal (send) peer=a,", SignalRequest{Send, "term", "b"}, []string{"other-condition: signal (send) peer=a,"}},
		{"mount fstype=proc none -> /mnt/,", MountRequest{Source: "none", Target: "/mnt/", Fstype: "tmpfs"}, []string{"other-condition: mount fstype=proc none -> /mnt/,"}},
		{"link /new -> /other,", FileRequest{Path: "/new", Target: "/old", Perms: Link}, []string{"other-condition: link /new -> /other,"}},
		{"link /new -> /old,\ndeny link /new -> /old,", FileRequest{Path: "/new", Target: "/old", Perms: Link}, []string{"denied: link /new -> /old,"}},
		{"capability chown,", CapabilityRequest{"kill"}, []string{"other-condition: capability chown,"}},
	}
	for _, test := range tests {
		d := profileOf(t, "", test.body).Decide(test.req)
		var got []string
		for _, n := range d.Near() {
			got = append(got, n.Why.String()+": "+n.At.Text())
			assert.NotEmpty(t, n.Detail)
		}
		assert.Equal(t, test.near, got, test.body)
	}
}

func TestNearOwnRulesFirst(t *testing.T) {
	included := filepath.Join(t.TempDir(), "included")
	require.NoError(t, os.WriteFile(included, []byte("signal (receive) peer=unconfined,\n"), 0o644))
	loader := &Loader{Allow: []string{filepath.Dir(included)}}
	policy, problems := loader.Load(rules.NewFile("policy", "abi <abi/3.0>,\nprofile p {\ninclude \""+included+"\"\nsignal (receive) peer=b,\n}\n"))
	require.Empty(t, problems)
	d := policy.Profiles[0].Decide(SignalRequest{Receive, "term", "a"})
	require.Len(t, d.Near(), 2)
	assert.Equal(t, "signal (receive) peer=b,", d.Near()[0].At.Text())
}

func TestNearIsSmall(t *testing.T) {
	var body strings.Builder
	for i := range 100 {
		fmt.Fprintf(&body, "/srv/x%d/file r,\n", i)
	}
	d := profileOf(t, "", body.String()).Decide(FileRequest{Path: "/srv/y/file", Perms: Read})
	assert.Len(t, d.Near(), maxNear)
}

func TestDecideConcurrently(t *testing.T) {
	p := profileOf(t, "", "/usr/** r,\n/{a,b}/[c-f]*/** rw,\ndeny /usr/lib/*/x r,")
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for n := range 300 {
				d := p.Decide(FileRequest{Path: fmt.Sprintf("/usr/lib/%d/x", n*i), Perms: Read})
				assert.Equal(t, Read, d.Refused)
			}
		})
	}
	wg.Wait()
}

// FuzzDecide checks that no profile makes a decision panic, and that every
// permission gets exactly one answer.
func FuzzDecide(f *testing.F) {
	f.Add("/a/** rwl,\ndeny owner /a/* w,\nlink subset /a -> /b,\n", "/a/b")
	f.Add("change_profile /x -> a,\n^h { file, }\nnetwork tcp,\n", "/x")
	f.Add("mount options in (ro, bind) /a/ -> /b/,\nset rlimit cpu <= 1min,\nunix peer=(addr=@a),\n# /c r,", "/b/")
	f.Add("l subset /a,\nall,\npriority=3 deny /b/{c,d*} x,\n", "/b/c")
	f.Fuzz(func(t *testing.T, body, path string) {
		policy, _ := (&Loader{Include: []string{"testdata/corpus/include"}}).Load(rules.NewFile("fuzz", "profile p {\n"+body+"\n}\n"))
		for _, p := range policy.Profiles {
			p.ExecConflicts()
			for _, req := range []Request{
				FileRequest{Path: path, Perms: FilePerms, Target: path}, FileRequest{Path: path, Perms: Link, Owner: true},
				CapabilityRequest{path}, NetworkRequest{Family: path}, MountRequest{Source: path, Target: path, Flags: []string{"ro", path}},
				PivotRootRequest{path, path}, PtraceRequest{Trace, path}, SignalRequest{Send, "kill", path}, UnixRequest{Perms: Send, Addr: path},
				DBusRequest{Perms: Send, Path: path}, ChangeProfileRequest{Target: path, OnExec: path}, RlimitRequest{"cpu", 61},
				UsernsRequest{}, MqueueRequest{Perms: Read, Name: path}, IOUringRequest{Perms: SQPoll},
			} {
				d := p.Decide(req)
				require.Equal(t, req.wanted(), d.Granted|d.Refused|d.Unmatched)
				require.Zero(t, d.Granted&d.Refused|d.Granted&d.Unmatched|d.Refused&d.Unmatched)
				require.LessOrEqual(t, len(d.Near()), maxNear)
			}
		}
	})
}

// benchmarkProfile has the given number of file rules in the manner of a large
// profile: literal paths and globs below common directories.
func benchmarkProfile(b *testing.B, n int) *Profile {
	var body strings.Builder
	for i := range n {
		dir := [...]string{"usr/lib", "etc", "var/lib", "usr/share", "opt"}[i%5]
		tail := [...]string{"conf", "*", "**", "{a,b}.so*", "[0-9]*/data"}[i/5%5]
		fmt.Fprintf(&body, "/%s/package%d/%s r,\n", dir, i, tail)
	}
	body.WriteString("deny /opt/** w,\nowner /home/*/** rw,\n/usr/bin/* ix,\n")
	return profileOf(b, "", body.String())
}

func BenchmarkDecide(b *testing.B) {
	p := benchmarkProfile(b, 5000)
	p.Decide(FileRequest{Path: "/", Perms: Read})
	var paths []string
	for i := range 20000 { // more names than the automaton has states for at once
		dir := [...]string{"usr/lib", "etc", "var/lib", "usr/share", "opt", "home/x"}[i%6]
		paths = append(paths, fmt.Sprintf("/%s/package%d/sub%d/file.so", dir, i*7919%5000, i))
	}
	b.Run("same", func(b *testing.B) {
		for b.Loop() {
			p.Decide(FileRequest{Path: paths[1], Perms: Read})
		}
	})
	b.Run("many", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			p.Decide(FileRequest{Path: paths[i%len(paths)], Perms: Read | Write})
		}
	})
	b.Run("first", func(b *testing.B) { // 20000 names, each for the first time
		for b.Loop() {
			b.StopTimer()
			p := benchmarkProfile(b, 5000)
			p.Decide(FileRequest{Path: "/", Perms: Read})
			b.StartTimer()
			for _, path := range paths {
				p.Decide(FileRequest{Path: path, Perms: Read | Write})
			}
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(paths)), "ns/name")
	})
	b.Run("near", func(b *testing.B) {
		for b.Loop() {
			d := p.Decide(FileRequest{Path: "/srv/package1/conf", Perms: Read})
			d.Near()
		}
	})
}

func BenchmarkCompile(b *testing.B) {
	for b.Loop() {
		b.StopTimer()
		p := benchmarkProfile(b, 5000)
		b.StartTimer()
		p.Decide(FileRequest{Path: "/", Perms: Read})
	}
}

// What compiled policy logs of what a rule grants in passing: nothing of the m of ix,
// and of a link what the rule on the pair says.
func TestAuditedInPassing(t *testing.T) {
	p := loadText(t, `profile p { audit /x ix, file, audit link /a/* -> /b, }`).Profiles[0]
	assert.Equal(t, Exec, p.Decide(FileRequest{Path: "/x", Perms: Exec | Mmap}).Audited)
	assert.Equal(t, Link, p.Decide(FileRequest{Path: "/a/x", Target: "/b", Perms: Link}).Audited)
	assert.Zero(t, p.Decide(FileRequest{Path: "/a/x", Target: "/c", Perms: Link}).Audited)
}
