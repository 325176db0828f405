package apparmor

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/whydenied/whydenied/rules"
)

var update = flag.Bool("update", false, "write the golden files")

// TestLintNginx lints a hardening profile for containers that is published as
// an example, and that no nginx starts under.
func TestLintNginx(t *testing.T) {
	l := Loader{Include: []string{"testdata/include"}}
	text, err := os.ReadFile("testdata/profiles/docker-nginx-restricted")
	require.NoError(t, err)
	p, diags := l.Load(rules.NewFile("docker-nginx-restricted", string(text)))
	require.Empty(t, diagText(diags))
	var out strings.Builder
	for _, d := range Lint(p) {
		out.WriteString(d.String() + "\n")
		for _, r := range d.Related {
			out.WriteString("  " + r.At.String() + ": " + r.Message + "\n")
		}
		for _, f := range d.Fixes {
			out.WriteString("  fix: " + f.Message + ": " + f.Rule + "\n")
		}
	}
	golden := "testdata/lint-nginx.golden"
	if *update {
		require.NoError(t, os.WriteFile(golden, []byte(out.String()), 0o600))
	}
	want, err := os.ReadFile(golden)
	require.NoError(t, err)
	assert.Equal(t, string(want), out.String())
	assert.Contains(t, out.String(), "/usr/sbin/nginx cannot be executed, and nothing is logged")
}

func TestLint(t *testing.T) {
	const abi = "abi <abi/3.0>,\n"
	profile := func(body string) string { return abi + "profile p /opt/p {\n" + body + "}\n" }
	tests := []struct {
		name, policy string
		want         []string // place and code of each diagnostic
	}{
		{"nothing wrong", profile("  /etc/hosts r,\n  /tmp/** rw,\n  capability kill,\n  network inet,\n"), nil},
		{"no abi", "profile p { }\n", []string{"1:1 abi-missing"}},
		{"deny covers allow", profile("  deny /data/** w,\n  /data/x rw,\n"), []string{"4:3 shadowed-rule"}},
		{"deny covers allow, logged", profile("  audit deny /data/** rw,\n  /data/x rw,\n"), []string{"4:3 shadowed-rule"}},
		{"deny of append", profile("  deny /data/** a,\n  /data/x w,\n"), []string{"4:3 shadowed-rule"}},
		{"deny takes a part", profile("  /data/** rw,\n  deny /data/secret/** w,\n"), []string{"3:3 shadowed-in-part"}},
		{"deny of owner takes a part", profile("  /data/x rw,\n  deny owner /data/x w,\n"), []string{"3:3 shadowed-in-part"}},
		{"deny of other paths", profile("  /data/** rw,\n  deny /dat/** w,\n  deny /data/** x,\n"), nil},
		{"deny with a priority", profile("  priority=3 deny /data/** w,\n  priority = 2 /data/x rw,\n"), []string{"3:3 needs-version", "4:3 shadowed-rule"}},
		{"the target of a link", "@{HOME}=/root/\n" + profile("  /data/a rwl -> @{HOME}/b,\n  /data/c rl -> @{HOME}/b,\n"), nil},
		{"higher priority", profile("  deny /data/** w,\n  priority=5 /data/x rw,\n"), []string{"4:3 needs-version"}},
		{"capability", profile("  capability chown kill,\n  deny capability kill,\n"), []string{"3:3 shadowed-rule"}},
		{"all capabilities", profile("  capability chown,\n  deny capability,\n"), []string{"3:3 shadowed-rule"}},
		{"network", profile("  network inet stream,\n  deny network inet,\n"), []string{"3:3 shadowed-rule"}},
		{"network apart", profile("  network inet stream,\n  deny network raw,\n"), nil},
		{"loader denied", profile("  deny /usr/lib/** m,\n"), []string{"3:3 silent-deny"}},
		{"own program denied", profile("  deny /opt/* r,\n"), []string{"3:3 silent-deny"}},
		{"loader denied, logged", profile("  audit deny /usr/lib/** m,\n"), nil},
		{"duplicate", profile("  /a r,\n  /b r,\n  /a r,\n"), []string{"5:3 subsumed-rule"}},
		{"subsumed", profile("  /etc/passwd r,\n  /etc/** rw,\n"), []string{"3:3 subsumed-rule"}},
		{"subsumed by an exec mode apart", profile("  /opt/x ix,\n  /opt/** px,\n"), nil},
		{"owner does not subsume", profile("  owner /etc/** r,\n  /etc/passwd r,\n"), nil},
		{"subsumes owner", profile("  /etc/** r,\n  owner /etc/passwd r,\n"), []string{"4:3 subsumed-rule"}},
		{"relative path", profile("  foo r,\n"), []string{"3:3 never-matches"}},
		{"dots", profile("  /a/../b r,\n  /a/./b r,\n"), []string{"3:3 never-matches", "4:3 never-matches"}},
		{"program of change_profile", "@{DIR}=/srv/\n@{HOME}=/home/*/ /root/\n" + profile("  change_profile @{DIR}/x -> y,\n  change_profile @{HOME}/x -> y,\n  change_profile /a/**/b -> y,\n"), []string{"5:18 never-matches"}},
		{"proc self", profile("  /proc/self/status r,\n"), []string{"3:3 never-matches"}},
		{"merged usr", profile("  /bin/foo ix,\n"), []string{"3:3 merged-usr"}},
		{"merged usr, both", profile("  /{,usr/}bin/foo ix,\n  /sbin/x r,\n  /usr/sbin/* r,\n"), nil},
		{"child is missing", profile("  /opt/x cx -> c,\n"), []string{"3:16 exec-target"}},
		{"child is there", profile("  /opt/x cx -> c,\n  profile c {\n  }\n"), nil},
		{"other profile", profile("  /opt/x px -> q,\n"), []string{"3:16 exec-target"}},
		{"with fallback", profile("  /opt/x pix -> q,\n"), nil},
		{"variable as target", profile("  /opt/x px -> @{profile_name},\n"), []string{"3:16 exec-target"}},
		{"exec conflict", profile("  /opt/*x ix,\n  /opt/y* px,\n"), []string{"4:3 exec-conflict"}},
		{"container", abi + "profile docker-x {\n  file,\n}\n", []string{"2:1 attach-disconnected"}},
		{"container by its rules", abi + "profile x {\n  file,\n  deny /sys/firmware/** rw,\n}\n", []string{"2:1 attach-disconnected", "3:3 shadowed-in-part"}},
		{"container with the flag", abi + "profile docker-x flags=(attach_disconnected) {\n}\n", nil},
		{"from an abstraction", profile("  include <abstractions/files>\n  deny /etc/included r,\n"), nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l := Loader{Include: []string{"testdata/include"}}
			p, diags := l.Load(newFile(tt.policy))
			require.Empty(t, diagText(diags))
			var got []string
			for _, d := range Lint(p) {
				got = append(got, strings.TrimPrefix(d.At.String(), "policy:")+" "+d.Code)
				for _, f := range d.Fixes {
					changes, err := rules.Apply(f.Edits)
					require.NoError(t, err)
					fixed, diags := l.Load(rules.NewFile("policy", changes[0].New))
					require.Empty(t, diagText(diags), changes[0].New)
					for _, again := range Lint(fixed) {
						if again.Code == d.Code && d.Code != "shadowed-rule" {
							assert.NotEqual(t, d.Message, again.Message, "the fix leaves it:\n%s", changes[0].New)
						}
					}
				}
			}
			assert.Equal(t, tt.want, got)
		})
	}
}

// TestLintSystem lints the system's policy: it has no conflicts, and every
// fix applies and is accepted.
func TestLintSystem(t *testing.T) {
	names, err := filepath.Glob("/etc/apparmor.d/*")
	require.NoError(t, err)
	if len(names) == 0 {
		t.Skip("no policy in /etc/apparmor.d")
	}
	l := Loader{}
	count := 0
	for _, name := range names {
		if info, err := os.Stat(name); err != nil || info.IsDir() {
			continue
		}
		p, _, err := l.LoadFile(name)
		require.NoError(t, err)
		for _, d := range Lint(p) {
			count++
			t.Log(d)
			assert.NotEqual(t, rules.Error, d.Severity, "%s", d)
		}
	}
	t.Log(count, "diagnostics")
}

// BenchmarkLint lints a profile of thousands of rules.
func BenchmarkLint(b *testing.B) {
	var policy strings.Builder
	policy.WriteString("profile p {\n")
	for i := range 5000 {
		fmt.Fprintf(&policy, "  /srv/%d/%d/*/file r,\n", i%70, i)
	}
	policy.WriteString("  deny /srv/7/** w,\n  /** r,\n}\n")
	p, diags := (&Loader{}).Load(newFile(policy.String()))
	require.Empty(b, diagText(diags))
	for b.Loop() {
		require.NotEmpty(b, Lint(p))
	}
}
