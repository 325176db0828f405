package apparmor

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/whydenied/whydenied/rules"
)

// tree writes files below a new directory and returns it.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		name = filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(name), 0o700))
		require.NoError(t, os.WriteFile(name, []byte(text), 0o600))
	}
	return dir
}

func ruleTexts(p *Profile) []string {
	var out []string
	for _, r := range p.Rules {
		out = append(out, r.Location().Text())
	}
	return out
}

func TestIncludes(t *testing.T) {
	dir := tree(t, map[string]string{
		"profile": `include <tunables/x>
profile x @{BIN}/x {
  include <abstractions/a>
  #include <abstractions/a>
  include if exists <local/nope>
  include <d>
  /own r,
  profile c { include <abstractions/a> }
}
`,
		"tunables/x":      "@{BIN}=/bin /usr/bin\n",
		"abstractions/a":  "/a r,\ninclude <abstractions/b>\n",
		"abstractions/b":  "/b r,\ninclude <abstractions/a>\n",
		"d/1":             "/d1 r,\n",
		"d/2.dpkg-old":    "/d2 r,\n",
		"d/README":        "not policy",
		"d/.hidden":       "not policy",
		"d/3~":            "/d3 r,\n",
		"d/4.rpmnew":      "/d4 r,\n",
		"d/5":             "/d5 r,\n",
		"d/sub/not-read":  "/sub r,\n",
		"abs":             "/abs r,\n",
		"other/magic/two": "/two r,\n",
	})
	l := Loader{Include: []string{filepath.Join(dir, "nope"), dir}}
	p, diags, err := l.LoadFile(filepath.Join(dir, "profile"))
	require.NoError(t, err)
	require.Empty(t, diagText(diags))
	x := p.Profile("x")
	assert.Equal(t, []string{"/a r,", "/b r,", "/d1 r,", "/d5 r,", "/own r,"}, ruleTexts(x), "each file once, backups left out")
	assert.Equal(t, []string{"/a r,", "/b r,"}, ruleTexts(p.Profile("x//c")), "a child includes anew")
	assert.Equal(t, []string{"{/bin,/usr/bin}/x"}, x.Attachment.Expanded)
	assert.Equal(t, "@{BIN}/x", x.Attachment.Source)

	b := x.Rules[1].Head()
	require.Len(t, b.Via, 2)
	assert.Equal(t, "include <abstractions/a>", b.Via[0].Text())
	assert.Equal(t, "include <abstractions/b>", b.Via[1].Text())
	assert.Equal(t, filepath.Join(dir, "abstractions/b")+":1:1", b.At.String())
	assert.Empty(t, x.Rules[4].Head().Via)
	assert.Len(t, p.Files, 6)

	// An absolute path, and a search path that finds a file in its second part.
	l = Loader{Include: []string{dir, filepath.Join(dir, "other")}}
	p, diags = l.Load(rules.NewFile("q", "profile q {\n  include \""+dir+"/abs\"\n  include <magic/two>\n}\n"))
	require.Empty(t, diagText(diags))
	assert.Equal(t, []string{"/abs r,", "/two r,"}, ruleTexts(p.Profiles[0]))
}

func TestIncludeErrors(t *testing.T) {
	dir := tree(t, map[string]string{
		"loop": "profile x { include <loop>\n}\n",
		"bad":  "/a q,\n/b r,\n",
	})
	l := Loader{Include: []string{dir}}
	_, diags := l.Load(rules.NewFile("p", "profile p {\n  include <nope>\n}\n"))
	require.Len(t, diags, 1)
	assert.Equal(t, "p:2:3: error: cannot open the included file nope in "+dir+" [include-not-found]", diags[0].String())

	_, diags = l.Load(rules.NewFile("p", "profile p { include <loop>\n}\nprofile q { include <loop>\n}\n"))
	assert.Contains(t, diagText(diags), "[include-depth]", "a file that includes itself through a child profile ends")

	// What is wrong in an included file is said once, at its place, and hides
	// nothing.
	p, diags := l.Load(rules.NewFile("p", "profile p {\n  include <bad>\n  ^h { include <bad>\n}\n}\n"))
	require.Len(t, diags, 1, diagText(diags))
	assert.Equal(t, filepath.Join(dir, "bad")+":1:4", diags[0].At.String())
	assert.Equal(t, []string{"/b r,"}, ruleTexts(p.Profiles[0]))

	// The branch that is not taken is read all the same.
	_, diags = l.Load(rules.NewFile("p", "$on=true\nprofile p {\n  if $on { } else { include <nope>\n  }\n}\n"))
	assert.Contains(t, diagText(diags), "[include-not-found]")

	_, _, err := l.LoadFile(filepath.Join(dir, "missing"))
	assert.ErrorIs(t, err, os.ErrNotExist)
	_, _, err = l.LoadFile(dir)
	assert.Error(t, err)
}

func TestOverlay(t *testing.T) {
	dir := tree(t, map[string]string{"p": "profile p {\n  include <a>\n}\n", "a": "/old r,\n"})
	l := Loader{Include: []string{dir}, Overlay: map[string]string{dir + "/a": "/new r,\n"}}
	p, diags, err := l.LoadFile(dir + "/p")
	require.NoError(t, err)
	require.Empty(t, diags)
	assert.Equal(t, []string{"/new r,"}, ruleTexts(p.Profiles[0]))
	l = Loader{Include: []string{dir}, Overlay: map[string]string{dir + "/p": "profile p { /x r, }"}}
	p, _, err = l.LoadFile(dir + "/p")
	require.NoError(t, err)
	assert.Equal(t, []string{"/x r,"}, ruleTexts(p.Profiles[0]))
}

func TestVariables(t *testing.T) {
	const head = "@{HOME}=/home/*/ /root/\n@{ONE}=/one/\n@{EMPTY}=\"\" x\n@{NEST}=a@{EMPTY}b\n@{LIST}=1\n@{LIST}+=2 {3,4}\n"
	tests := []struct{ path, want string }{
		{"/@{HOME}/f", "/{home/*,root}/f"},
		{"@{HOME}r", "{/home/*/,/root/}r"},
		{"/p@{ONE}/q", "/p/one/q"},
		{"@{ONE}z", "/one/z"},
		{"/e/*@{EMPTY}", "/e/*{,x}"},
		{"/n/@{NEST}", "/n/{ab,axb}"},
		{"/l@{LIST}", "/l{1,2,{3,4}}"},
		{"/x/@{profile_name}", "/x/p"},
		{"/a//b", "/a/b"},
		{`/a\@{HOME}`, `/a\@{HOME}`},
	}
	for _, tt := range tests {
		l := Loader{}
		p, _ := l.Load(rules.NewFile("p", head+"profile p {\n  "+tt.path+" r,\n}\n"))
		f := p.Profiles[0].Rules[0].(*FileRule)
		assert.Equal(t, []string{tt.want}, f.Path.Expanded)
		assert.Equal(t, tt.path, f.Path.Source)
	}
	p := load(t, head+"alias /a/ -> /b/,\nalias /a/x -> /c,\nprofile p {\n  /a/x/y r,\n  ^h { /y/@{profile_name} r, }\n}\n")
	assert.Equal(t, []string{"/a/x/y", "/b/x/y", "/c/y"}, p.Profiles[0].Rules[0].(*FileRule).Path.Expanded)
	assert.Equal(t, []string{"/y/p/h"}, p.Profile("p//h").Rules[0].(*FileRule).Path.Expanded)
	assert.Equal(t, []string{"1", "2", "{3,4}"}, p.Variables["LIST"])
	p = load(t, "profile p /usr/bin/x { @{exec_path} mr, }")
	assert.Equal(t, []string{"/usr/bin/x"}, p.Profiles[0].Rules[0].(*FileRule).Path.Expanded)
}

// TestVariableBombs checks that policy made to explode ends soon and says so.
func TestVariableBombs(t *testing.T) {
	var doubling strings.Builder
	doubling.WriteString("@{A0}=a b\n")
	for i := range 40 {
		fmt.Fprintf(&doubling, "@{A%d}=@{A%d}@{A%d}\n", i+1, i, i)
	}
	manyValues := ""
	for i := range 20_000 {
		manyValues += fmt.Sprint(i, " ")
	}
	bombs := []string{
		doubling.String() + "profile x { /@{A40} r, }\n",
		"@{A}=" + manyValues + "\nprofile x { /" + strings.Repeat("@{A}", 1000) + " r, }\n",
		"profile x {" + strings.Repeat("{", 100_000),
		"profile x " + strings.Repeat("{ profile x ", 50_000),
		"profile x { if $a { } " + strings.Repeat("else if $a { } ", 50_000),
		"profile x { /" + strings.Repeat("{a,", 30_000) + " r, }\n",
		strings.Repeat("\"", 100_000), strings.Repeat("\\\"", 100_000), strings.Repeat("(", 100_000), strings.Repeat("profile x {\n", 1000) + strings.Repeat("}\n", 1000),
		"profile x {" + strings.Repeat("/a q,\n", 50_000),
		"@{A}=" + manyValues[:30_000] + "\nprofile x {\n" + strings.Repeat("/@{A} r,\n", 4000) + "}\n",
		"profile x { include /dev/zero\n}\n",
	}
	for i, policy := range bombs {
		l := Loader{Include: []string{"testdata/include"}}
		_, diags := l.Load(rules.NewFile("bomb", policy))
		assert.True(t, refused(diags), "bomb %d", i)
		assert.LessOrEqual(t, len(diags), maxDiagnostics)
	}
}

func TestProfileNames(t *testing.T) {
	p := load(t, `profile a /bin/a {
  ^h { }
  profile c {
    profile d { }
  }
}
:ns:b { }
/usr/bin/c { }
`)
	for name, attachment := range map[string]string{"a": "/bin/a", "a//h": "", "a//c": "", "a//c//d": "", ":ns:b": "", "b": "", "/usr/bin/c": "/usr/bin/c"} {
		prof := p.Profile(name)
		require.NotNil(t, prof, name)
		if attachment == "" {
			assert.Nil(t, prof.Attachment, name)
			continue
		}
		assert.Equal(t, []string{attachment}, prof.Attachment.Expanded)
	}
	assert.Nil(t, p.Profile("nope"))
	assert.True(t, p.Profile("a//h").Hat)
	assert.Equal(t, p.Profile("a//c"), p.Profile("a//c//d").Parent)
	assert.Equal(t, "profile a /bin/a ", strings.TrimRight(p.Profile("a").At.Text(), " ")+" ")
	assert.True(t, strings.HasPrefix(p.Profile("a").Body.Text(), "\n  ^h"))
}

func TestBlocks(t *testing.T) {
	l := Loader{}
	p, diags := l.Load(rules.NewFile("p", `$on=true
profile p {
  audit owner {
    /a r,
    deny /b w,
    capability chown,
    ^lost { }
  }
  if $on { /c r, } else { /d r, }
  if not $on { /e r, } else if $on { /f r, }
}
`))
	assert.Equal(t, []string{"/a r,", "deny /b w,", "/c r,", "/f r,"}, ruleTexts(p.Profiles[0]))
	a, b := p.Profiles[0].Rules[0].Head(), p.Profiles[0].Rules[1].Head()
	assert.Equal(t, Qualifiers{Audit: true, Owner: true}, a.Qualifiers)
	assert.Equal(t, Qualifiers{Audit: true, Owner: true, Deny: true}, b.Qualifiers)
	require.Len(t, diags, 2)
	for _, d := range diags {
		assert.Equal(t, "rule-dropped", d.Code)
		assert.Equal(t, rules.Warning, d.Severity)
	}
}

func TestFlags(t *testing.T) {
	p := load(t, "profile p flags=(complain, attach_disconnected.path=/x kill.signal=term error=EPERM) { }").Profiles[0]
	assert.True(t, p.HasFlag("complain"))
	assert.False(t, p.HasFlag("audit"))
	require.Len(t, p.Flags, 4)
	assert.Equal(t, "", p.Flags[0].Since)
	assert.Equal(t, "4.0", p.Flags[1].Since)
	assert.Equal(t, "/x", p.Flags[1].Value)
	assert.Equal(t, "error=EPERM", p.Flags[3].At.Text())
}

// TestRecovery checks that one bad rule hides no other, and that errors point
// to their place.
func TestRecovery(t *testing.T) {
	l := Loader{}
	p, diags := l.Load(rules.NewFile("p", `profile p {
  /a r
  /b r,
  capability foo,
  network inet strem,
  /c q,
  signal send
  /d r,
  mount options=(ro,nodec) /x,
  profile bad flags=(complan) {
    /e r,
  }
  /f {
    /g r,
  }
  /h r,
}
}
profile q {
  /i r,
`))
	assert.Equal(t, strings.Split(`p:2:7: error: expected a comma at the end of the rule [syntax]
p:4:14: error: unknown capability "foo" [unknown-capability]
p:5:3: error: no such network: "inet strem" is not a family and a type (stream, dgram, seqpacket, rdm, raw, packet) or protocol (tcp, udp, icmp); did you mean inet? [unknown-network]
p:6:6: error: expected permissions, such as r or rw, found "q" [syntax]
p:7:14: error: expected a comma at the end of the rule [syntax]
p:9:21: error: unknown mount option "nodec"; did you mean nodev? [unknown-option]
p:10:22: error: unknown profile flag "complan"; did you mean complain? [unknown-flag]
p:18:1: error: expected a profile or a rule, found "}" that closes nothing [syntax]
p:19:11: error: expected } to close this { [syntax]
p:13:3: error: a profile inside a profile needs the keyword profile before its name [bad-name]
`, "\n"), strings.Split(diagText(diags), "\n"))
	var got []string
	for _, prof := range p.Profiles {
		for _, r := range prof.Rules {
			if f, ok := r.(*FileRule); ok {
				got = append(got, f.At.Text())
			}
		}
	}
	assert.Equal(t, []string{"/b r,", "/d r,", "/h r,", "/e r,", "/g r,", "/i r,"}, got)
}
