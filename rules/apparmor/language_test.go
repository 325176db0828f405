package apparmor

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/whydenied/whydenied/rules"
)

// A languageCase is a policy, and the versions of apparmor_parser that take it: the
// first digits of 3.0, 4.1 and 5.0. The manual page apparmor.d(5) of the newest has
// what each construct is; the parsers judge the case.
type languageCase struct {
	takers string
	policy string
}

// bodies are cases whose text is the body of a profile.
func bodies(takers string, texts ...string) (cases []languageCase) {
	for _, b := range texts {
		cases = append(cases, languageCase{takers, "$x=true\n$n=false\n@{A}=a b\n@{ONE}=1\nprofile p {\n  " + b + "\n}\n"})
	}
	return cases
}

// whole are cases whose text is all of the policy.
func whole(takers string, policies ...string) (cases []languageCase) {
	for _, p := range policies {
		cases = append(cases, languageCase{takers, p + "\n"})
	}
	return cases
}

// languageCases are what differs between the versions, by kind.
func languageCases() []languageCase {
	return slices.Concat(conditionCases(), variableCases(), headerCases(), networkCases(), ruleCases())
}

func conditionCases() []languageCase {
	return slices.Concat(
		bodies("345", "if $x { /a r, }", "if not $x { /a r, } else { /b r, }", "if defined @{A} { /a r, }", "if defined @A { /a r, }",
			"if not not not $x { /a r, }", "if $x { network, } else if $n { unix, }", "if defined $x { /a r, }",
			strings.Repeat("if $n { /a r, } else ", 100)+"{ /b r, }"),
		bodies("35", "if defined $nope { /a r, }"), // which 4.1 reads as $nope
		bodies("34", "if $x{ /a r, }", "if $x {}", "if $x # why\n { /a r, }"),
		bodies("5", "if $x and $n { /a r, }", "if $x or $n and not $x { /a r, }", "if ($x) { /a r, }", "if ( $x or $n ) and not ( $n ) { /a r, }",
			"if true { /a r, }", "if FALSE { /a r, } else { /b r, }", `if "a" in @{A} { /a r, }`, "if @{A} in @{A} { /a r, }", "if @{A} == a { /a r, }", "if a==a { /a r, }",
			"if @A != b { /a r, }", "if @{ONE} < 2 { /a r, }", "if 0x10 >= 010 { /a r, }", "if @{A} <= @{A} { /a r, }", "if @{A} < x { /a r, }",
			"if not $x and defined $nope { /a r, }", "if defined @{A} and not defined @NOPE { /a r, }", `if "@{A}" == a { /a r, }`, "if -1 > -2 { /a r, }"),
		bodies("", "if $nope { /a r, }", "if maybe { /a r, }", "if @{A} { /a r, }", "if @NOPE == 1 { /a r, }", "if @{ONE} < x { /a r, }", "if 08 < 9 { /a r, }",
			"if $x == true { /a r, }", "if $x or { /a r, }", "if ($x { /a r, }", "if 99999999999999999999 < 1 { /a r, }",
			"if $x and and $n { /a r, }", "if { /a r, }", "if not { /a r, }", "if in @{A} { /a r, }", "if true or $nope { /a r, }", "if (true) { /a r, } else if"))
}

func variableCases() []languageCase {
	return slices.Concat(
		whole("345", "$a=true\nprofile p { }", "$a=\"true\"\nprofile p { }", "@A=x\nprofile p { /@{A} r, }", "@FOO = x\nprofile p { /@{FOO} r, }",
			"@{A}=x # c\nprofile p { }", "@{exec_path}=/x\nprofile p /a { @{exec_path} r, }"),
		whole("5", "$a = not true\nprofile p { }", "$a ?= true\nprofile p { }", "$a = true\n$a ?= false\nprofile p { }", "$a := true\n$a := false\nprofile p { }",
			"$b=true\n$a=$b and not false # c\nprofile p { }", "$b=true\n$a=($b)\nprofile p { }", "@{A}=1\n$a=@{A} == 1\nprofile p { }",
			"@{A} ?= x\n@{A} ?= y\n@{A}+=z\nprofile p { /@{A} r, }", "@{A}?=x\nprofile p { /@{A} r, }", "@{A} := x\n@{A} := y z\nprofile p { /@{A} r, }",
			"$A=true\n@{A} ?= x\nprofile p { }", "@{A}=x\n$A := true\nprofile p { }", "@{profile_name}=x\nprofile p { }",
			"profile p /a { @{exec_path} r, }", "profile p /a/* { @{attach_path} r, }", "profile p { profile /a { @{attach_path} r, } }"),
		whole("", "$a += true\nprofile p { }", "@{A}?=x\n@{A}=y\nprofile p { }", "@{A} := x\n@{A}=y\nprofile p { }", "@{A}:=x\nprofile p { }", "$A=true\n@{A}=x\nprofile p { }",
			"$a=true,\nprofile p { }", "$a=maybe\nprofile p { }", "$a=\nprofile p { }", "@{A}+=x\n@{A}?=y\nprofile p { }",
			"profile p { @{exec_path} r, }", "profile p /a { ^h { @{exec_path} r, } }"))
}

func headerCases() []languageCase {
	return slices.Concat(
		whole("5", "profile p + identities=(a b) { }", "profile p + identities=( a , b ) flags=(complain) { }", `profile p /a + identities=("/x y")+ identities=(z) { }`,
			"profile p flags=(attach_disconnected.ipc) { }", "profile p flags=(attach_disconnected.ipc=/x) { }", "@{V}=/x\nprofile p flags=(attach_disconnected.ipc=@{V}/) { }"),
		whole("45", "profile p flags=(error=EPERM) { }", "profile p flags=(error=eperm error=EPERM) { }", "profile p flags=(attach_disconnected.path=/a) { }",
			"@{V}=/x\nprofile p flags=(attach_disconnected.path=@{V}/y) { }", "profile p flags=(debug interruptible) { }", "profile p flags=(prompt) { /a r, }",
			"profile p flags=(default_allow) { }", "profile p flags=(kill.signal=hup) { }", "profile p flags=(attach_disconnected.path=/a attach_disconnected.path=/a) { }"),
		whole("", "profile p flags=(complain) + identities=(a) { }", `profile p + identities=("x y") { }`, "profile p + identities=() { }", "profile p + identities=a { }",
			"profile p + { }", "profile p flags=(error=13) { }", "profile p flags=(error=EFOO) { }", "profile p flags=(error=) { }", "profile p flags=(error=EPERM error=ENOENT) { }",
			"profile p flags=(kill.signal=hup kill.signal=int) { }", "profile p flags=(attach_disconnected.path=/a attach_disconnected.path=/b) { }",
			"profile p flags=(attach_disconnected.path=a) { }", "profile p flags=(attach_disconnected.path=) { }", "profile p flags=(attach_disconnected.path=/a no_attach_disconnected) { }",
			"profile p flags=(attach_disconnected.ipc no_attach_disconnected) { }", "profile p flags=(attach_disconnected.path=@{NOPE}) { }",
			"@{V}=x\nprofile p flags=(attach_disconnected.ipc=@{V}) { }"))
}

func networkCases() []languageCase {
	return slices.Concat(
		bodies("45", "network tcp ip=1.1.1.1,", "network inet6 ip=::1 port=80,", "network ip=none,", "network (send) peer=(ip=1.1.1.1 port=1-2),", "network stream ip=1.1.1.1,", "network raw ip=1.1.1.1,",
			"network (create) inet stream,"),
		bodies("5", "network send peer=(label:=x),", "network (send receive) inet peer=(label=x ip=::1),", "network interface=eth0,", "network interface=(eth0),", "network label=x peer=(label=y),",
			"network create peer=(label=x),", "network unix stream peer=(label=x),", "network send peer=(label=(x)),", "network inet interface=veth*,"),
		bodies("", "network unix label=x,", "network netlink ip=1.1.1.1,", "network ip=10.0.0.0/8,", "network port=70000,", "network inet port=3-2,", "network inet ip=1.1.1.1 ip=2.2.2.2,",
			"network inet peer=(interface=eth0),", "network create inet peer=(ip=::1),", "network send peer=(ip:=::1),", "network send label:=x,", "unix send peer=(label:=x),",
			"network send peer=(label),", "network send peer=(label=),", `network inet interface="a{b",`, "network none,", "network inet dccp,", "owner network,", "priority=1 network,"))
}

func ruleCases() []languageCase {
	return slices.Concat(
		bodies("345", "/a rwl -> /b,", "/a lix -> /b,", "l /a -> /b,", "/a r -> /b,", "/a l -> :ns:b,", "mount options in (ro, rw) /a -> /b,", "mount options=(ro) options=(rw) -> /foo,",
			"change_profile safe /a -> /b, change_profile unsafe /a -> /c,", "change_profile /a -> b, deny change_profile unsafe /a -> b,", "/@{A}?x r,"),
		bodies("45", "mqueue (open, delete) type=sysv,", "mqueue (open) type=sysv 12,", "userns,", "all,", "allow all,", "io_uring peer=(label=x),", "prompt /a r,", "audit prompt /a r,", "prompt network,",
			"priority=1 capability kill,", "priority=-1 unix,", "priority=1 link /a -> /b,", "priority=1 change_profile -> x,", "mount options=(nosymfollow) /a -> /b,", "mount options=(lazytime) /a -> /b,", "deny { /a r, }"),
		bodies("34", "@{A}?x r,"),
		bodies("3", "mount options=(ro, rw) -> /foo,", "remount options=(ro,rw) /a,", "/a x -> b,"),
		bodies("", "lpx /a -> /b,", "l /a -> :ns:b,", "change_profile /a -> b, change_profile unsafe /a -> b,", "change_profile safe /a -> b, change_profile unsafe /a -> b,",
			"mount options=(strictatime, nostrictatime) -> /foo,", "mount options=(symfollow, nosymfollow) -> /foo,", "mount options=(lazytime, nolazytime) -> /foo,",
			"priority=1 all,", "priority=1 set rlimit nofile <= 3,", "owner all,", "owner unix,", "prompt deny /a r,", "mqueue (open) type=posix 12,"))
}

// TestLanguage asks each version about each case, ours and the parser itself.
func TestLanguage(t *testing.T) {
	for _, release := range parserReleases(t) {
		for _, c := range languageCases() {
			want := strings.Contains(c.takers, release.version[:1])
			took, said := accepted(t, release.tool, c.policy)
			assert.Equal(t, want, took, "apparmor_parser %s: %s\n%s", release.version, c.policy, said)
			got, why := checks(release.version, c.policy)
			assert.Equal(t, want, got, "whydenied for %s: %s\n%s", release.version, c.policy, why)
		}
	}
}

// TestShippedPolicy holds that nothing is refused of what Debian unstable ships.
func TestShippedPolicy(t *testing.T) {
	releases := parserReleases(t)
	newest := releases[len(releases)-1]
	if newest.version != "5.0" {
		t.Skip("NOT RUN: apparmor_parser 5.0 is missing, and the profiles that come with it; .ci/parsers gets them")
	}
	base, _ := policyOf(newest.tool)
	loader := Loader{Include: []string{base}}
	files := 0
	for _, dir := range []string{base, filepath.Join(base, "../../usr/share/apparmor/extra-profiles")} {
		names, err := PolicyFiles(nil, dir)
		require.NoError(t, err)
		for _, name := range names {
			p, diags, err := loader.LoadFile(name)
			require.NoError(t, err)
			diags = append(diags, Lint(p)...)
			assert.False(t, refused(diags), diagText(diags))
			files++
		}
	}
	assert.Greater(t, files, 200)
}

// What a newer version may have is told once, and what stands behind it is read.
func TestNewerLanguage(t *testing.T) {
	header := []string{"flags=(frob) ", "flags=(frob=3, complain) ", "flags=(frob=(a, b)) ", "frob=(a b) ", "frob=a flags=(complain) "}
	bodies := []string{"frob foo=(bar, baz) { /q r, }", "frob foo=(bar, baz) { /q r, },", "frob foo=(bar, baz) -> x,", "deny frob foo,", "frob=3 /b r,", "frob=(a, b) /b r,",
		"if frob(x) { /w r, }", `if @{A} ~ "x" { /w r, } else { /v r, }`, "/b frob=foo r,", "network frob=(foo, bar) inet,", "signal (send) frob=3 peer=x,", "mount frob=3 /a -> /b,",
		"mount frob=(a, b) options=ro /a -> /b,", "dbus (send) frob=(x=y, z) bus=session,", "capability frob,", "set frob foo <= 3,", "/b frob,", "unix (send) frob=@{A} peer=(label=x),"}
	check := func(header, body string) {
		text := "@{A}=a\nprofile p " + header + "{\n  " + body + "\n  /after r,\n}\nprofile q { /q r, }\n"
		p, diags := (&Loader{}).Load(rules.NewFile("p", text))
		require.NotNil(t, p.Profile("p"), text)
		require.NotNil(t, p.Profile("q"), text)
		assert.Len(t, rules.Errors(diags), 1, "%s\n%s", text, diagText(diags))
		d := p.Profile("p").Decide(FileRequest{Path: "/after", Perms: Read})
		assert.Equal(t, Read, d.Granted, text)
		assert.Contains(t, strings.Join(d.Notes, ""), "not understood", text)
	}
	for _, h := range header {
		check(h, "")
	}
	for _, b := range bodies {
		check("", b)
	}
}
