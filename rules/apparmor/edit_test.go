package apparmor

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/whydenied/whydenied/rules"
)

func applied(t *testing.T, edits ...rules.Edit) string {
	t.Helper()
	changes, err := rules.Apply(edits)
	require.NoError(t, err)
	require.Len(t, changes, 1)
	return changes[0].New
}

func TestInsert(t *testing.T) {
	const file, cap = "/new r,", "capability kill,"
	tests := []struct{ name, policy, profile, rule, want string }{
		{"after the last file rule", "profile x {\n  /a r,\n  /b r,\n  signal,\n}\n", "x", file, "profile x {\n  /a r,\n  /b r,\n  /new r,\n  signal,\n}\n"},
		{"after the last of its kind", "profile x {\n\tcapability chown, # why\n\n\t/a r,\n}\n", "x", cap, "profile x {\n\tcapability chown, # why\n\tcapability kill,\n\n\t/a r,\n}\n"},
		{"no kin: after the last rule", "profile x {\n  /a r,\n  include if exists <local/x>\n}\n", "x", cap, "profile x {\n  /a r,\n  capability kill,\n  include if exists <local/x>\n}\n"},
		{"only includes", "profile x {\n  include if exists <nope>\n}\n", "x", file, "profile x {\n  include if exists <nope>\n  /new r,\n}\n"},
		{"only comments", "profile x {\n  # nothing yet\n}\n", "x", file, "profile x {\n  # nothing yet\n  /new r,\n}\n"},
		{"empty body", "profile x {\n}\n", "x", file, "profile x {\n  /new r,\n}\n"},
		{"empty body, one line", "profile x {}", "x", file, "profile x { /new r, }"},
		{"empty body, one line, space", "profile x { }", "x", file, "profile x { /new r, }"},
		{"one line", "profile x { /a r, }", "x", file, "profile x { /a r, /new r, }"},
		{"one line, tight", "profile x { /a r,}", "x", "network inet,", "profile x { /a r, network inet, }"},
		{"brace on the rule's line", "profile x {\n  /a r, }\n", "x", file, "profile x {\n  /a r, /new r, }\n"},
		{"two rules on a line", "profile x {\n  /a r, signal,\n}\n", "x", file, "profile x {\n  /a r, /new r, signal,\n}\n"},
		{"no final newline", "profile x {\n  /a r,\n}", "x", file, "profile x {\n  /a r,\n  /new r,\n}"},
		{"CR LF", "profile x {\r\n  /a r,\r\n}\r\n", "x", file, "profile x {\r\n  /a r,\r\n  /new r,\r\n}\r\n"},
		{"CR LF, empty", "profile x {\r\n}\r\n", "x", file, "profile x {\r\n  /new r,\r\n}\r\n"},
		{"parent, not child", "profile x {\n  signal,\n  ^h {\n    /a r,\n  }\n}\n", "x", file, "profile x {\n  signal,\n  /new r,\n  ^h {\n    /a r,\n  }\n}\n"},
		{"child", "profile x {\n  signal,\n  ^h {\n    /a r,\n  }\n}\n", "x//h", file, "profile x {\n  signal,\n  ^h {\n    /a r,\n    /new r,\n  }\n}\n"},
		{"empty child", "profile x {\n  profile c {\n  }\n}\n", "x//c", file, "profile x {\n  profile c {\n    /new r,\n  }\n}\n"},
		{"not into a block", "profile x {\n  audit {\n    /a r,\n  }\n  signal,\n}\n", "x", file, "profile x {\n  audit {\n    /a r,\n  }\n  signal,\n  /new r,\n}\n"},
		{"rule over two lines", "profile x {\n  mount options=ro\n    /a,\n}\n", "x", "mount /b,", "profile x {\n  mount options=ro\n    /a,\n    mount /b,\n}\n"},
		{"second profile of the file", "profile x { /a r, }\nprofile y {\n  /a r,\n}\n", "y", file, "profile x { /a r, }\nprofile y {\n  /a r,\n  /new r,\n}\n"},
	}
	tool, _ := lookTool()
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			before := load(t, tt.policy)
			p := before.Profile(tt.profile)
			require.NotNil(t, p)
			got := applied(t, p.Insert(tt.rule))
			if tt.name != "rule over two lines" {
				assert.Equal(t, tt.want, got)
			}
			after := load(t, got).Profile(tt.profile)
			assert.Len(t, after.Rules, len(p.Rules)+1)
			assert.True(t, hasRule(after, tt.rule), "the rule is there as one")
			if tool != "" {
				ok, out := accepted(t, tool, got)
				assert.True(t, ok, "apparmor_parser: %s\n%s", out, got)
			}
		})
	}
}

func hasRule(p *Profile, text string) bool {
	for _, r := range p.Rules {
		if r.Location().Text() == text {
			return true
		}
	}
	return false
}

// load returns a policy that must be accepted.
func load(t testing.TB, policy string) *Policy {
	t.Helper()
	l := Loader{Include: []string{"testdata/include"}}
	p, diags := l.Load(rules.NewFile("policy", policy))
	require.False(t, refused(diags), "%s\n%s", policy, diagText(diags))
	return p
}

func TestAddPerms(t *testing.T) {
	tests := []struct {
		rule  string
		perms Perms
		want  string // "" if it cannot be added
	}{
		{"/a r,", Write, "/a rw,"},
		{"/a r, # why", Write, "/a rw,"},
		{"owner /a  r,", Write | Lock, "owner /a  rwk,"},
		{"/a rix,", Mmap, "/a rmix,"},
		{"r /a,", Write, "rw /a,"},
		{"/a w,", Read | Lock, "/a rwk,"},
		{"/a wr,", Lock, "/a wrk,"},
		{"/a Pxr -> b,", Write, "/a Pxrw -> b,"},
		{"/a px -> b,", Read, "/a rpx -> b,"},
		{"/a ra,", Write, "/a rw,"},
		{"/a rw,", Append, ""},
		{"/a r,", Read, ""},
		{"/a r,", Exec, ""},
		{"deny /a r,", Write, ""},
		{"file,", Write, ""},
	}
	for _, tt := range tests {
		t.Run(tt.rule, func(t *testing.T) {
			p := load(t, "profile x {\n  "+tt.rule+"\n}\n")
			edit, text, ok := p.Profiles[0].Rules[0].(*FileRule).AddPerms(tt.perms)
			require.Equal(t, tt.want != "", ok)
			if !ok {
				return
			}
			assert.Equal(t, tt.want, text)
			got := load(t, applied(t, edit)).Profiles[0].Rules[0].(*FileRule)
			assert.Equal(t, tt.want, got.At.Text())
			assert.Equal(t, tt.perms, got.Perms&tt.perms)
		})
	}
	p := load(t, "profile x {\n  include <abstractions/files>\n}\n")
	_, _, ok := p.Profiles[0].Rules[0].(*FileRule).AddPerms(Write)
	assert.False(t, ok, "a rule of an included file is not edited")
}

func TestSetExec(t *testing.T) {
	p := load(t, "profile x {\n  /a rw,\n  deny /b r,\n  /c px,\n}\n").Profiles[0]
	_, text, ok := p.Rules[0].(*FileRule).SetExec(Transition{Mode: Inherit})
	assert.True(t, ok)
	assert.Equal(t, "/a rwix,", text)
	_, _, ok = p.Rules[1].(*FileRule).SetExec(Transition{Mode: Inherit})
	assert.False(t, ok)
	_, _, ok = p.Rules[2].(*FileRule).SetExec(Transition{Mode: Inherit})
	assert.False(t, ok)
	_, _, ok = p.Rules[0].(*FileRule).SetExec(Transition{})
	assert.False(t, ok)
}

func TestRemoveRule(t *testing.T) {
	tests := []struct{ policy, want string }{
		{"profile x {\n  /a r,\n  /b r,\n}\n", "profile x {\n  /b r,\n}\n"},
		{"profile x {\n  /a r, # why\n}\n", "profile x {\n}\n"},
		{"profile x { /a r, /b r, }", "profile x { /b r, }"},
		{"profile x {\n  mount\n    /a,\n  /b r,\n}", "profile x {\n  /b r,\n}"},
	}
	for _, tt := range tests {
		edit, ok := RemoveRule(load(t, tt.policy).Profiles[0].Rules[0])
		require.True(t, ok)
		assert.Equal(t, tt.want, applied(t, edit))
	}
}

// TestQuotePath checks that a quoted name matches itself and nothing near it,
// in our reading and in what apparmor_parser compiles.
func TestQuotePath(t *testing.T) {
	names := []string{"/a", "/a b", "/a ", "/a,b", "/a,", "/a*", "/a**b", "/a?", "/a[b]", "/a{b,c}", "/a{b", "/a}b", "/@{HOME}/x", "/a@{b}", "/a\"b", "/a\\b", "/a\\", "/a\\\\",
		"/a\\nb", "/a\nb", "/a\tb", "/a\x01b", "/a#b", "/#a", "/a!b", "/a^b", "/a=b", "/a(b)", "/a\xff\xfeb", "/é", "/\u202eabc", "/a\\x41", "/a|b.+$", "/~/'x'", "/a\rb", "/a$b", "/a-\u200b", "/\\*", "/a\\\"", "/a,b,c d"}
	rng := rand.New(rand.NewPCG(9, 9))
	for range 40 {
		b := []byte("/")
		for range 1 + rng.IntN(10) {
			b = append(b, byte(1+rng.IntN(255)))
		}
		if !strings.Contains(string(b), "//") {
			names = append(names, string(b))
		}
	}
	var policy strings.Builder
	for i, name := range names {
		policy.WriteString("profile p" + string(rune('A'+i/26)) + string(rune('a'+i%26)) + " {\n  " + QuotePath(name) + " r,\n}\n")
	}
	p := load(t, policy.String())
	require.Len(t, p.Profiles, len(names))
	for i, prof := range p.Profiles {
		require.Len(t, prof.Rules, 1, "%q", names[i])
		path := prof.Rules[0].(*FileRule).Path
		got, ok := path.Literal()
		assert.True(t, ok && got == names[i], "%q is read as %q", names[i], got)
		assert.True(t, path.Match(names[i]))
		assert.False(t, path.Match(names[i]+"x"))
	}
	compiled, err := compile(t, policy.String())
	require.NoError(t, err)
	for i, prof := range p.Profiles {
		c := compiled[prof.Name]
		require.NotNil(t, c, prof.Name)
		name := names[i]
		assert.NotZero(t, c.fileAccess(name, true).allow, "%q is not matched", name)
		for _, near := range []string{name + "x", name + "/", name[:len(name)-1], strings.ToUpper(name) + "\x01", strings.NewReplacer("*", "zz", "?", "z", "[", "", "{", "", "}", "", "\\", "").Replace(name)} {
			if near != name {
				assert.Zero(t, c.fileAccess(near, true).allow, "%q is matched by the rule for %q", near, name)
			}
		}
	}
}
