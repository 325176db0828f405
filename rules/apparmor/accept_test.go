package apparmor

import (
	"cmp"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A syntaxCase is a policy, whether AppArmor accepts it and since when. Cases
// without a version are compared with apparmor_parser 3.0, others must be refused by
// it. What else differs between versions is in languageCases.
type syntaxCase struct {
	policy string
	ok     bool
	since  string
	code   string // of the first diagnostic, when it is refused
}

// in returns cases whose text is the body of a profile.
func in(ok bool, code string, bodies ...string) []syntaxCase {
	var out []syntaxCase
	for _, b := range bodies {
		out = append(out, syntaxCase{policy: "@{HOME}=/home/*/ /root/\n$flag=true\nprofile x {\n  " + b + "\n}\n", ok: ok, code: code})
	}
	return out
}

func since(version string, bodies ...string) []syntaxCase {
	cases := in(true, "", bodies...)
	for i := range cases {
		cases[i].since = version
	}
	return cases
}

func top(ok bool, code string, policies ...string) []syntaxCase {
	var out []syntaxCase
	for _, p := range policies {
		out = append(out, syntaxCase{policy: p + "\n", ok: ok, code: code})
	}
	return out
}

// syntaxCases are the cases of our own. apparmor_parser 3.0 is the judge of
// them, except for what later versions brought, which we take without a version
// because it is no rule: the flags default_allow, prompt, debug, interruptible,
// kill.signal, error and attach_disconnected.path; `abi <kernel>,`;
// @{exec_path} and @{attach_path} of a profile with an attachment; blocks with
// deny.
func syntaxCases() []syntaxCase {
	var all []syntaxCase
	add := func(cases []syntaxCase) { all = append(all, cases...) }

	// Profiles.
	add(top(true, "", "profile x { }", "/usr/bin/x { }", "/usr/bin/x flags=(complain) { }", "profile x /bin/x (audit, complain) { }",
		"profile x /bin/* xattrs=(user.a=b security.tag=\"c d\") flags=(attach_disconnected,mediate_deleted) { }", ":ns:x { }", "profile :ns://x { }",
		"profile \"a b\" \"/c d\" { }", "profile x flags=(unconfined) { }", "profile x flags=(kill) { }", "profile x flags=(enforce) { }", "profile x\n{\n}", "profile x { ^h { } hat g { } profile c /bin/c { } }",
		"profile a//b { }", "hat x { }", "^x { }", "profile x flags = ( chroot_relative ) { }", "profile x flags=(no_attach_disconnected namespace_relative delegate_deleted chroot_attach) { }", "", "# only a comment",
		"abi <abi/3.0>,\nprofile x { }", "abi \"/etc/apparmor.d/abi/3.0\",\nprofile x { }", "profile x { abi <abi/3.0>, }", "profile x { }\nprofile y { }", "/usr/{bin,sbin}/x { }", "profile 1 { }"))
	add(top(false, "syntax", "profile { }", "profile x { ", "profile x }", "profile x { } }", "profile x{ }", "profile x flags=complain { }", "profile x flags=() { }", "profile x foo=(a) { }",
		"profile x flags=(complain { }", "^ x { }", "profile x flags=(audit) flags=(complain) { }", "profile x { profile { } }", "foo", "x"))
	add(top(false, "unknown-flag", "profile x flags=(foo) { }", "profile x flags=(Complain) { }"))
	add(top(false, "flag-conflict", "profile x flags=(complain enforce) { }", "profile x flags=(mediate_deleted,delegate_deleted) { }", "profile x flags=(attach_disconnected no_attach_disconnected) { }"))
	add(top(false, "bad-name", "foo { }", "profile ::x { }", "profile :ns: { }", "profile &x { }", "profile \"\" { }", ":ns { }", "profile x {\n  /bin/y {\n  }\n}"))
	add(top(false, "bad-attachment", "profile x bin/x { }"))
	add(top(false, "duplicate-profile", "profile x { }\nprofile x { }", "profile x { ^h { } ^h { } }"))
	add(top(false, "bad-xattrs", "profile x { ^h xattrs=(a=b) { } }"))
	add(top(false, "bad-glob", "/usr/{bin { }", "profile x /a[b { }"))

	var targets strings.Builder
	for i := range 13 {
		fmt.Fprintf(&targets, "/%d px -> t%d,\n", i, i)
	}
	add(in(false, "too-many-targets", targets.String()))
	add(in(true, "", strings.Replace(targets.String(), "t12", "t0", 1)))

	// Preamble.
	add(top(true, "", "@{A}=a b\nprofile x { /@{A} r, }", "@{A}=a\n@{A}+=b\nprofile x { /@{A} r, }", "@{A}=\"a b\" c\\ d\nprofile x { /@{A} r, }", "@{B}=1\n@{A}=@{B}/c\nprofile x { /@{A} r, }", "@{A}=@{B}\n@{B}=1\nprofile x { /@{A} r, }",
		"$b=true\nprofile x { if $b { /a r, } }", "${b}=FALSE\nprofile x { if not ${b} { /a r, } else { /b r, } }", "@{A}=a \\\n b\nprofile x { }", "@A=b\nprofile x { }", "@{A}=\"\"\nprofile x { /a@{A} r, }",
		"alias /a/ -> /b/,\nprofile x { /a/c r, }", "rewrite /a -> /b,\nprofile x { }", "profile x { /@{profile_name} r, }", "@{A}=@{A}\nprofile x { }", "@{X}=1\r\nprofile x { }", "@{A}={a,b}\nprofile x { /@{A} r, }",
		"include <tunables/global>\nprofile x { @{HOME}/x r, }", "#include <tunables/global>\nprofile x { }", "include if exists <nope>\nprofile x { }", "include if exists \"nope\"\nprofile x { }"))
	add(top(false, "variable", "@{A}+=a\nprofile x { }", "@{A}=a\n@{A}=b\nprofile x { }", "profile x { /@{A} r, }", "@{A}=@{A}\nprofile x { /@{A} r, }", "@{A}=@{B}\n@{B}=@{A}\nprofile x { /@{A} r, }", "$b=true\n$b=false\nprofile x { }", "profile x { if $b { } }", "profile x /@{profile_name} { }"))
	add(top(false, "syntax", "@{A}=\nprofile x { }", "@{A}=a,\nprofile x { }", "@{A} a\nprofile x { }", "alias /a /b,\nprofile x { }", "alias /a -> /b\nprofile x { }", "@{1}=a\nprofile x { }", "abi <abi/3.0>\nprofile x { }", "include\nprofile x { }"))
	add(top(false, "late-preamble", "profile x { }\n@{A}=a", "profile x {\n  @{A}=a\n}", "profile x { }\nalias /a -> /b,", "profile x { alias /a -> /b, }"))
	add(top(false, "outside-profile", "/a r,", "profile x { }\ncapability,"))
	add(top(false, "include-not-found", "include <nope>\nprofile x { }", "profile x { #include \"nope\"\n}"))
	add(top(false, "abi-not-found", "abi <nope>,\nprofile x { }"))

	// A name ends at a NUL byte, and a comma before a letter is part of a word.
	add(top(true, "", "profile x { /a\x00{b r, }", "$b=true\x00\nprofile x { }", "profile x flags=(complain\x00d) { }"))
	add(top(false, "nul-byte", "profile \x00x { }", "profile x\x00y { }\nprofile x { }"))
	add(top(false, "syntax", "profile x { abi <abi/3.0>,}", "abi <abi/3.0>,profile x { }", "profile x { \"/a\x00b\" r, }"))

	// Variables and globs in a namespace or in the profile that a program changes to are plain text.
	add(top(true, "", ":ns@{NOPE}:x { }"))
	add(in(true, "", "/a px -> {b,", "/a r -> [b,", "/a cx -> b],", "/a px -> @{NOPE},", "pivot_root -> @{NOPE},", "pivot_root /a -> {b,"))

	add(in(true, "", "mount options in (bind) /a -> /b,", "mount options in (private) -> /b,", "network unspec,", "network unspec raw,", "unix create addr=@a{b,",
		"pivot_root oldroot=/a oldroot=/b,", "pivot_root oldroot in (/a),"))
	add(in(false, "bad-glob", "unix (create, bind) addr=@a{b,", "pivot_root oldroot=/b oldroot=/a{b,"))
	add(in(false, "needs-version", "network \"inet\","))

	add(in(true, "", "/a@{,b} r,", "/@{a,b}/@{HOME} r,", "change_profile -> x@{a,b},"))
	add(in(false, "variable", "/@{1} r,", "/@{a,b}/@{NOPE} r,"))
	add(top(false, "abi-not-found", "abi </>,\nprofile x { }", "abi <abstractions>,\nprofile x { }"))

	// Names that two kinds of things share, and text that is not read.
	add(top(false, "variable", "$a=true\n@{a}=b\nprofile x { }", "@{a}=b\n$a=true\nprofile x { }"))
	add(top(false, "needs-version", "@{profile_name}=a\nprofile x { }"))
	add(top(false, "needs-version", "profile x { network,}", "profile x { network inet\n,}"))
	add(top(false, "bad-condition", "$b=maybe\nprofile x { }"))
	add(top(true, "", "profile x { ^h { } }\nprofile x//h { }", "profile x xattrs=(user.a={b user.c=@{NOPE}) { }", "@{profile_name}=a"))
	add(top(false, "bad-glob", "alias /a/ -> /{b,\nprofile x { /a/c r, }"))
	add(top(false, "syntax", "include <tunables/global\t>\nprofile x { }", "abi <\tabi/3.0>,\nprofile x { }"))

	// Files.
	add(in(true, "", "/a r,", "/a rwkml,", "/a ra,", "r /a,", "file /a r,", "file r /a,", "file,", "audit file,", "owner /a rw,", "audit deny owner /a w,", "allow /a r,", "deny /a x,", "deny x /a,", "deny /a mrwklx,", "/a ix,", "/a rPx,", "/a px -> b,",
		"/a pix,", "/a Pix -> b//c,", "/a cx -> d,", "/a CUx,", "/a PUx -> :ns:x,", "/a px -> &b,", "/a ux,", "/a Ux,", "px /a -> b,", "unsafe px /a,", "safe px /a -> b,", "unsafe /a px,", "/a pxpx,", "/a pxx,", "/a xix,", "/a R,", "/a RW,", "@{HOME}/x r,", "@{HOME} r,", "\"/a b\" r,", "/a\\ b r,", "/a,b r,", "/a\\,b r,",
		"/{a,b} r,", "/{a,{b,c}} r,", "/[abc] r,", "/[^abc]x r,", "/a[a-z] r,", "/a?b* r,", "/** r,", "/a#b r,", "/a//b r,", "/a\\x41 r,", "/a\\101\\d65 r,", "other /a r,", "user /a r,", "foo r,", "/a r , /b w,", "/a r, # c", "/a\n  r,", "/a x -> b,", "/a r -> b,", "/a rw -> b,"))
	add(in(true, "", "link /a -> /b,", "link subset /a -> /b,", "l /a -> /b,", "l subset /a -> /b,", "/a l,", "/a rl,", "rl /a -> /b,", "owner link /a -> /b,", "deny link /a -> /b,", "audit l @{HOME}/a -> /**,"))
	add(in(false, "bad-exec", "/a x,", "/a rx,", "deny /a ix,", "deny /a rpx,", "deny file,", "unsafe /a r,", "safe r /a,", "deny unsafe /a x,", "{ /a x -> b, }"))
	add(in(false, "bad-perms", "/a aw,", "/a ixpx,", "/a rxpx,", "/a pxPx,", "/a pxcx,", "/a pixpux,", "/a uxUx,"))
	add(in(false, "bad-link", "rl subset /a -> /b,", "r subset /a,", "lpx /a -> /b,"))
	add(in(false, "syntax", "/a,", "/a r", "r,", "/a q,", "link /a,", "link /a /b,", "/a px ->,", "file /a,", "owner,", "audit,", "deny audit /a r,", "owner audit /a r,", "deny owner allow /a r,", "audit audit /a r,", "/a r;", "\"/a r,", "/a! r,", "/a r -> ,", "\"foo\" r,", "rr /a /b,", "/a rr rr,", "link <= /a -> /b,"))
	add(in(false, "not-understood", "foo,", "quiet /a r,", "landlock fs { /x r, }", "frobnicate (read,\n write) label=x peer=(y=z),"))
	add(in(false, "bad-glob", "/a{b r,", "/a} r,", "/a{b} r,", "/a[b r,", "/a] r,"))
	add(in(false, "variable", "@{NOPE}/a r,", "/a@{NOPE} r,"))

	// Everything else.
	add(in(true, "", "capability,", "capability chown,", "capability chown setuid,", "deny capability sys_admin,", "audit capability bpf perfmon checkpoint_restore,"))
	add(in(false, "unknown-capability", "capability foo,", "capability CHOWN,", "capability cap_chown,"))
	add(in(false, "bad-qualifier", "owner capability chown,", "owner network,", "owner signal,", "owner mount,", "owner ptrace,", "owner unix,", "owner dbus,", "owner change_profile,"))
	add(in(true, "", "network,", "network inet,", "network stream,", "network inet stream,", "network inet6 tcp,", "network tcp,", "network icmp,", "network inet icmp,", "network netlink raw,", "network unix,", "deny network mctp,", "network packet,", "network packet packet,"))
	add(in(false, "unknown-network", "network foo,", "network inet foo,", "network tcp inet,", "network stream inet,", "network netlink tcp,", "network inet6 icmp,"))
	add(since("4.0", "network (send, receive) inet,", "network connect,", "network inet ip=127.0.0.1 port=80,", "network inet6 ip=::1 peer=(ip=::2 port=1-1024),", "network ip=none,", "network (create, bind) inet stream,"))
	add(in(false, "bad-address", "network inet ip=foo,", "unix addr=foo,"))
	add(in(false, "bad-port", "network inet port=99999,", "network inet port=5-4,"))
	add(in(true, "", "mount,", "mount /a,", "mount /a -> /b,", "mount -> /b,", "mount options=ro /a,", "mount options=(ro, nosuid) /a -> /b/,", "mount options in (ro,nodev) -> /b,", "mount fstype=ext4 /a -> /b,", "mount fstype=(ext4 xfs),", "mount options=(rw, rbind) /a -> /b,",
		"mount options=(rw, make-rslave) -> /b,", "remount,", "remount options=ro /b,", "umount,", "umount /b/,", "unmount /b,", "deny mount,", "audit umount,", "mount fstype=tmpfs options=(rw,nodev) tmpfs -> /tmp/,", "mount options=(move) /a -> /b,", "mount \"/a b\" -> \"/c d\","))
	add(in(false, "unknown-option", "mount options=foo,", "mount options=(ro,foo),"))
	add(in(false, "bad-condition", "mount foo=bar,", "signal foo=bar,", "ptrace set=(a),", "unix foo=bar,", "dbus foo=bar,", "dbus bus=(a b),", "dbus send bus=system name=a,", "dbus bind path=/a,", "dbus eavesdrop path=/a,", "unix create peer=(label=x),", "pivot_root foo=/a,", "unix label=x,"))
	add(in(false, "variable", "unix create addr=@{NOPE},"))
	add(in(false, "empty-mount", "mount options=bind fstype=ext4,", "remount options in (bind) fstype=ext4,", "mount options=(private) /a -> /b,"))
	add(since("3.1", "mount options=(private) /a,", "remount fstype=ext4,"))
	add(since("3.1", "mount options=nosymfollow,"))
	add(in(false, "syntax", "mount /a /b,", "mount -> ,", "umount /a -> /b,", "mount options=(ro /a,"))
	add(in(true, "", "pivot_root,", "pivot_root /a/,", "pivot_root oldroot=/a/ /b/,", "pivot_root oldroot=/a/ /b/ -> x,", "pivot_root -> x,"))
	add(in(true, "", "ptrace,", "ptrace read,", "ptrace (read, trace) peer=x,", "ptrace peer=\"a b\",", "ptrace rw,", "ptrace (r readby),", "deny ptrace tracedby,"))
	add(in(false, "unknown-permission", "ptrace (foo),", "signal (trace),", "unix (foo),", "dbus (send foo),"))
	add(in(false, "syntax", "ptrace foo,", "signal send receive,", "ptrace trace read,", "dbus send receive,"))
	add(in(true, "", "signal,", "signal send,", "signal (send receive) set=(kill, term) peer=x,", "signal set=hup,", "signal set=(rtmin+0 rtmin+32 exists),", "signal r set=kill set=term,", "signal set=(rtmin+ rtmin+1x rtmin+032),", "signal peer=/usr/{a,b},"))
	add(in(false, "unknown-signal", "signal set=foo,", "signal set=(KILL),", "signal set=rtmin+33,", "signal set=rtmin+-1,", "signal set=SIGKILL,"))
	add(in(true, "", "unix,", "unix send,", "unix (create, bind) type=stream,", "unix addr=@foo,", "unix addr=none peer=(label=x addr=@y),", "unix (connect, send, receive) type=dgram peer=(addr=\"@a*\"),", "unix rw,", "unix peer=( label=a//b ),"))
	add(in(false, "unknown-type", "unix type=foo,"))
	add(in(true, "", "dbus,", "dbus send,", "dbus (send, receive) bus=system path=/org/x interface=org.x member=Get peer=(name=org.x label=y),", "dbus bind bus=session name=org.x,", "dbus eavesdrop bus=session,", "dbus bus=system,", "dbus send path=\"/a b\","))
	add(in(true, "", "change_profile,", "change_profile -> x,", "change_profile /a -> x,", "change_profile safe /a -> x,", "change_profile unsafe /a,", "change_profile -> :ns:x,", "change_profile -> @{HOME},", "deny change_profile -> x,", "change_profile -> \"a b\",", "change_profile -> {a,b},"))
	add(in(false, "bad-exec", "change_profile safe -> x,", "change_profile unsafe,"))
	add(in(false, "bad-path", "change_profile foo -> x,"))
	add(in(true, "", "set rlimit cpu <= 1s,", "set rlimit nofile <= 1024,", "set rlimit as <= 1G,", "set rlimit data <= 100KB,", "set rlimit nice <= -5,", "set rlimit rttime <= 10ms,", "set rlimit core <= infinity,", "set rlimit nproc <= 0,", "set rlimit cpu <= 2 min,"))
	add(in(false, "bad-rlimit", "set rlimit nofile <= 1K,", "set rlimit nice <= 20,", "set rlimit cpu <= 1ms,", "set rlimit as <= 1T,", "set rlimit rttime <= 0us,", "set rlimit cpu <= 99999999999999999999s,", "set rlimit nproc <= -1,", "set rlimit cpu <= 1 foo,"))
	add(in(false, "unknown-rlimit", "set rlimit foo <= 1,"))
	add(in(false, "syntax", "set rlimit cpu = 1,", "set foo,", "set rlimit cpu <= ,"))
	add(in(false, "bad-qualifier", "audit set rlimit cpu <= 1s,"))
	add(since("4.0", "userns,", "userns create,", "mqueue,", "mqueue (create read) /q,", "mqueue r type=sysv 123,", "mqueue type=posix label=x /q,", "io_uring,", "io_uring sqpoll,", "io_uring (sqpoll override_creds) label=x,", "all,", "deny userns,", "deny { /a r, }"))
	add(since("4.1", "priority=10 /a r,", "priority=-1 deny /a w,", "prompt /a r,"))
	add(in(false, "bad-priority", "priority=2000 /a r,"))
	add(in(false, "bad-name", "mqueue foo,", "mqueue type=sysv /q,"))

	// Blocks and conditionals.
	add(in(true, "", "{ /a r, }", "audit { /a r, /b w, }", "owner { /a r, }", "audit owner { /a r, owner { /b r, } }", "allow { /a r, }", "if $flag { /a r, }", "if not $flag { /a r, } else { /b r, }", "if $flag { /a r, } else if not $flag { /b r, } else { /c r, }",
		"if defined @{HOME} { /a r, }", "if not defined @{NOPE} { /a r, }", "if defined $flag { signal, }", "if ${flag} { }", "audit { capability chown, }"))
	add(in(false, "syntax", "if { }", "if $flag /a r,", "else { }", "{ /a r,", "if $flag { } else"))
	add(in(false, "bad-condition", "if @{HOME} { }"))
	add(in(false, "bad-exec", "audit { change_profile /a -> b, }"))
	return all
}

func TestSyntaxCases(t *testing.T) {
	tool, missing := lookTool()
	cases := syntaxCases()
	include := []string{"testdata/include", "/etc/apparmor.d"}
	if missing != nil {
		include = include[:1]
		cases = slices.DeleteFunc(cases, func(c syntaxCase) bool {
			return strings.Contains(c.policy, "<tunables/") || strings.Contains(c.policy, "abi/3.0")
		})
	}
	var good []string // what apparmor_parser must accept, in one call
	for _, c := range cases {
		t.Run("", func(t *testing.T) {
			l := Loader{Include: include, Target: Target{Parser: cmp.Or(c.since, "3.0")}}
			p, diags := l.Load(newFile(c.policy))
			if !c.ok {
				if assert.NotEmpty(t, diags, "accepted:\n%s", c.policy) {
					assert.Equal(t, c.code, diags[0].Code, "%s%s", diagText(diags), c.policy)
				}
			} else {
				assert.False(t, refused(diags), "%s%s", diagText(diags), c.policy)
			}
			if c.since != "" {
				assert.Equal(t, c.since, p.Profiles[0].Rules[0].Head().Since, c.policy)
			}
			if c.ok && c.since == "" {
				good = append(good, c.policy)
			} else if missing == nil && !strings.HasPrefix(c.code, "bad-po") && c.code != "bad-priority" {
				ok, _ := accepted(t, tool, c.policy)
				assert.False(t, ok, "apparmor_parser accepts:\n%s", c.policy)
			}
		})
	}
	if missing != nil && os.Getenv("REQUIRE_TOOLS") != "1" {
		t.Skipf("not compared with apparmor_parser: %v", missing)
	}
	require.NoError(t, missing)
	if ok, _ := acceptedAll(t, tool, good); ok {
		return
	}
	for _, policy := range good {
		ok, out := accepted(t, tool, policy)
		assert.True(t, ok, "apparmor_parser: %s\n%s", out, policy)
	}
}

var compileAll = flag.Bool("compile", false, "have apparmor_parser compile all of the system's policy, which takes long")

// TestSystemPolicy loads every profile of the system, which must be accepted
// without any diagnostic, and every abstraction in a profile.
func TestSystemPolicy(t *testing.T) {
	tool := parserTool(t)
	depth := "--names" // reads a file, but does not compile it
	if *compileAll {
		depth = "--quiet"
	}
	var names []string
	for _, pattern := range []string{"/etc/apparmor.d/*", "/usr/share/apparmor/extra-profiles/*"} {
		found, err := filepath.Glob(pattern)
		require.NoError(t, err)
		names = append(names, found...)
	}
	loader := Loader{}
	profiles, ruleCount := 0, 0
	for _, name := range names {
		if info, err := os.Stat(name); err != nil || info.IsDir() || IgnoredFile(filepath.Base(name)) {
			continue
		}
		p, diags, err := loader.LoadFile(name)
		require.NoError(t, err)
		want, out := acceptedFile(t, tool, name, depth)
		assert.Equal(t, want, !refused(diags), "%s: apparmor_parser: %s\nwhydenied: %s", name, out, diagText(diags))
		profiles += len(p.Profiles)
		for _, prof := range p.Profiles {
			ruleCount += len(prof.Rules)
		}
	}
	// Without Debian's apparmor-profiles there are but a few.
	if _, err := os.Stat("/usr/share/apparmor/extra-profiles"); err == nil || os.Getenv("REQUIRE_TOOLS") == "1" {
		assert.Greater(t, profiles, 20)
		assert.Greater(t, ruleCount, 1000)
	}

	abstractions, err := filepath.Glob("/etc/apparmor.d/abstractions/*")
	require.NoError(t, err)
	var policies []string
	for _, name := range abstractions {
		if info, err := os.Stat(name); err != nil || info.IsDir() {
			continue
		}
		policy := "include <tunables/global>\nprofile x {\n  include <abstractions/" + filepath.Base(name) + ">\n}\n"
		_, diags := loader.Load(newFile(policy))
		assert.Empty(t, diagText(diags))
		policies = append(policies, policy)
	}
	if !*compileAll {
		return
	}
	ok, out := acceptedAll(t, tool, policies)
	assert.True(t, ok, out)
}

// TestRulesReparse reads the text of every rule of the system's policy alone,
// and gets the same rule: positions are exact.
func TestRulesReparse(t *testing.T) {
	names, err := filepath.Glob("/etc/apparmor.d/abstractions/*")
	require.NoError(t, err)
	var texts []string
	for _, name := range names {
		if data, err := os.ReadFile(name); err == nil {
			texts = append(texts, string(data))
		}
	}
	for i := range 300 {
		g := generator{Rand: rand.New(rand.NewPCG(11, uint64(i)))}
		texts = append(texts, g.policy())
	}
	count := 0
	for _, text := range texts {
		f, _ := parse(newFile(text), maxTokens)
		if len(f.diags) > 0 {
			continue
		}
		for _, r := range rulesOf(f.stmts) {
			count++
			again, _ := parse(newFile("profile x {\n"+r.Location().Text()+"\n}\n"), maxTokens)
			require.Empty(t, again.diags, "%s", r.Location().Text())
			same := false
			for _, o := range rulesOf(again.stmts) {
				same = same || o.Location().Text() == r.Location().Text() && fmt.Sprintf("%T", o) == fmt.Sprintf("%T", r)
			}
			require.True(t, same, "%s", r.Location().Text())
			if f, ok := r.(*FileRule); ok && f.Path != nil {
				assert.Equal(t, f.Path.Source, unescape(f.PathAt.Text()))
				perms, _, problem := parsePerms(f.PermsAt.Text())
				assert.Empty(t, problem)
				assert.Equal(t, f.Perms, perms&f.Perms, f.PermsAt.Text())
			}
		}
	}
	assert.Greater(t, count, 500)
}

func rulesOf(stmts []statement) (out []Rule) {
	for _, s := range stmts {
		switch s := s.(type) {
		case *ruleStmt:
			out = append(out, s.rule)
		case *profileStmt:
			out = append(out, rulesOf(s.stmts)...)
		case *blockStmt:
			out = append(out, rulesOf(s.stmts)...)
		case *ifStmt:
			out = append(out, rulesOf(append(s.then, s.otherwise...))...)
		}
	}
	return out
}

func BenchmarkLoadSystemPolicy(b *testing.B) {
	names, err := filepath.Glob("/etc/apparmor.d/*")
	require.NoError(b, err)
	for b.Loop() {
		loader := Loader{}
		for _, name := range names {
			if info, err := os.Stat(name); err == nil && !info.IsDir() {
				_, _, err := loader.LoadFile(name)
				require.NoError(b, err)
			}
		}
	}
}
