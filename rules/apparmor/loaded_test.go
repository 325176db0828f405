package apparmor_test

import (
	"bytes"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/whydenied/whydenied/rules"
	"github.com/whydenied/whydenied/rules/apparmor"
	"github.com/whydenied/whydenied/rules/apparmor/binary"
)

var (
	loadedProfiles = flag.Int("loaded-profiles", 240, "how many generated profiles to compare with what they are loaded as")
	loadedSeed     = flag.Uint64("loaded-seed", 5, "seed of the generated profiles")
)

// compiled has a parser compile a policy for a kernel's features.
func compiled(t testing.TB, tool, features, policy string, args ...string) []byte {
	t.Helper()
	file := filepath.Join(t.TempDir(), "policy")
	require.NoError(t, os.WriteFile(file, []byte(policy), 0o600))
	args = append([]string{"-Q", "-K", "-q", "-S", "--config-file", os.DevNull, "-M", features, "-b", "/etc/apparmor.d"}, args...)
	cmd := exec.Command(tool, append(args, file)...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	require.NoError(t, cmd.Run(), "%s\n%s", &stderr, policy)
	return stdout.Bytes()
}

// loadFor30 loads a policy as apparmor_parser 3.0 reads it.
func loadFor30(t testing.TB, text string) *apparmor.Policy {
	t.Helper()
	policy, problems := (&apparmor.Loader{Target: apparmor.Target{Parser: "3.0.8"}}).Load(rules.NewFile("policy", text))
	for _, p := range problems {
		require.NotEqual(t, rules.Error, p.Severity, "%s\n%s", p, text)
	}
	return policy
}

func decoded(t testing.TB, blob []byte) map[string]*binary.Profile {
	t.Helper()
	list, err := binary.Decode(blob)
	require.NoError(t, err)
	all := map[string]*binary.Profile{}
	for _, p := range list {
		all[p.Name] = p
	}
	return all
}

// TestLoadedDecides compares decisions from source with those of the profile as it
// is loaded.
func TestLoadedDecides(t *testing.T) {
	tool := apparmor.ParserTool(t)
	w := apparmor.NewWriter(*loadedSeed)
	asked := map[string]int{}
	const batch = 40
	for n := 0; n < *loadedProfiles; n += batch {
		text, names := apparmor.Preamble, []string(nil)
		for len(names) < batch {
			name := fmt.Sprintf("p%d", n+len(names))
			profile := w.Profile(name)
			if len(loadFor30(t, apparmor.Preamble+profile).Profiles[0].ExecConflicts()) == 0 {
				names, text = append(names, name), text+profile
			}
		}
		policy, loaded := loadFor30(t, text), decoded(t, compiled(t, tool, apparmor.Features, text))
		for _, name := range names {
			source := policy.Profile(name)
			for _, req := range w.Requests(source) {
				compareLoaded(t, asked, source, loaded[name], req)
			}
		}
	}
	total := 0
	for _, class := range slices.Sorted(maps.Keys(asked)) {
		t.Logf("%-24s %6d", class, asked[class])
		if !strings.Contains(class, " ") {
			total += asked[class]
		}
	}
	assert.Greater(t, total, 10000)
}

func compareLoaded(t *testing.T, asked map[string]int, source *apparmor.Profile, loaded *binary.Profile, req apparmor.Request) {
	class := apparmor.ClassOf(req)
	a, b := source.Decide(req), loaded.Decide(req)
	if (a.Granted != b.Granted || a.Quiet != b.Quiet) && apparmor.VersionDependent(source, req) {
		asked["mount by version"]++
		return
	}
	if wiped(source, class) && len(b.Notes) > 0 {
		asked[class+" wiped"]++
		return
	}
	asked[class]++
	if a.Refused|a.Unmatched == 0 {
		asked[class+" granted"]++
	}
	got, want := describe(b), describe(a)
	if class == "unix" { // apparmor_parser 3.0 inverts the quiet bits of what it makes of `deny network unix,`
		got, want = b.Granted.Words(), a.Granted.Words()
	}
	assert.Equal(t, want, got, "%s %+v\n%s{%s}", class, req, source.At.Text(), source.Body.Text())
	if a.Exec != nil && a.Granted&apparmor.Exec != 0 {
		assert.Equal(t, transition(source, a.Exec.Transition), transition(source, b.Exec.Transition), "%+v\n%s", req, source.Body.Text())
	}
}

// wiped reports whether apparmor_parser 3.0.8 may leave out that the profile mediates
// a class: a rule that denies and logs all of it also denies the bit that says so.
// 4.1 is mended.
func wiped(p *apparmor.Profile, class string) bool {
	return slices.ContainsFunc(p.Rules, func(r apparmor.Rule) bool {
		h := r.Head()
		switch r.(type) {
		case *apparmor.MountRule, *apparmor.PtraceRule:
			return h.Deny && h.Audit && (class == "mount" || class == "ptrace")
		}
		return false
	})
}

func describe(d apparmor.Decision) string {
	return fmt.Sprintf("granted %s, logged %s, audited %s, quiet %t, permitted %t", d.Granted, d.Logged(), d.Audited, d.Quiet, d.Permitted)
}

// transition is a transition as compiled policy tells it: with a target, p and c are
// one, and the name is the full one.
func transition(p *apparmor.Profile, t apparmor.Transition) string {
	if t.Target == nil {
		return t.String()
	}
	name := t.Target.Source
	if t.Mode == apparmor.ToChild && !strings.HasPrefix(name, p.Name+"//") {
		name = p.Name + "//" + name
	}
	t.Mode = apparmor.ToProfile
	return t.String() + " -> " + name
}

// TestLoadedForms compares the forms that one profile is compiled to: with packed
// permissions, and as Linux 7.2 takes it, with tables of permissions, states of 32
// bits and states that are differences.
func TestLoadedForms(t *testing.T) {
	t.Run("4.1", func(t *testing.T) { compareForms(t, newerParser(t, "APPARMOR_PARSER_41")) })
	t.Run("5.0", func(t *testing.T) { compareForms(t, newerParser(t, "APPARMOR_PARSER_50")) })
}

// newerParser returns the parser that the environment names, or skips the test.
func newerParser(t *testing.T, variable string) string {
	tool := os.Getenv(variable)
	if tool == "" {
		t.Skipf("%s names no apparmor_parser; .ci/parsers gets it", variable)
	}
	return tool
}

func compareForms(t *testing.T, tool string) {
	const kernel = "binary/testdata/kernel-7.2.features"
	text, err := os.ReadFile(kernel)
	require.NoError(t, err)
	packed := filepath.Join(t.TempDir(), "packed")
	plain := regexp.MustCompile(`(?m)^(permstable32|permstable32_version|state32|outofband|diff-encode) \{.*\n\}?`).ReplaceAll(text, nil)
	require.Less(t, len(plain), len(text))
	require.NoError(t, os.WriteFile(packed, plain, 0o600))
	w := apparmor.NewWriter(*loadedSeed + 1)
	asked, differ := 0, 0
	for n := range *loadedProfiles / 4 {
		profile := apparmor.Preamble + w.Profile(fmt.Sprintf("p%d", n))
		source := loadFor30(t, profile).Profiles[0]
		if len(source.ExecConflicts()) > 0 {
			continue
		}
		one := compiled(t, tool, packed, profile, "--override-policy-abi", packed)
		two := compiled(t, tool, kernel, profile, "--override-policy-abi", kernel)
		assert.False(t, bytes.Equal(one, two))
		a, b := decoded(t, one)[source.Name], decoded(t, two)[source.Name]
		for _, req := range w.Requests(source) {
			asked++
			x, y := a.Decide(req), b.Decide(req)
			assert.Equal(t, describe(x), describe(y), "%+v\n%s", req, profile)
			assert.Equal(t, x.Exec, y.Exec, "%+v\n%s", req, profile)
			if x.Granted != source.Decide(req).Granted {
				differ++
			}
		}
	}
	t.Logf("%d requests, %d of them granted otherwise than version 3.0 has it", asked, differ)
	assert.Greater(t, asked, 500)
}

// TestLoadedCompare compares what two profiles are said to differ in with their
// decisions.
func TestLoadedCompare(t *testing.T) {
	tool := apparmor.ParserTool(t)
	w := apparmor.NewWriter(*loadedSeed + 2)
	shown, same := 0, 0
	for range 30 {
		text := apparmor.Preamble + w.Profile("p0")
		if len(loadFor30(t, text).Profiles[0].ExecConflicts()) > 0 {
			continue
		}
		lines := strings.SplitAfter(text, "\n") // the other lacks its last rule
		last := len(lines) - 3
		for ; !strings.HasSuffix(lines[last], ",\n"); last-- {
		}
		other := strings.Join(slices.Delete(slices.Clone(lines), last, last+1), "")
		source := loadFor30(t, text).Profiles[0]
		a, b := decoded(t, compiled(t, tool, apparmor.Features, text))["p0"], decoded(t, compiled(t, tool, apparmor.Features, other))["p0"]
		list, full := binary.Compare(a, b)
		require.True(t, full)
		for _, d := range list {
			if d.Request == nil {
				continue
			}
			shown++
			assert.Equal(t, d.First, a.AppArmor().Grants(d.Request), "%s\n%s", d, text)
			assert.Equal(t, !d.First, b.AppArmor().Grants(d.Request), "%s\n%s", d, text)
		}
		for _, req := range w.Requests(source) {
			x, y := a.Decide(req), b.Decide(req)
			if x.Granted != y.Granted {
				class := apparmor.ClassOf(req)
				about := slices.ContainsFunc(list, func(d binary.Difference) bool {
					return d.Class == class || class == "unix" && d.Class == "network" || class == "change_profile"
				})
				assert.True(t, about, "%+v is not in %s", req, list)
				continue
			}
			same++
		}
	}
	t.Logf("%d accesses shown, %d of the same answer", shown, same)
	assert.Positive(t, shown)
}
