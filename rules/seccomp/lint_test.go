package seccomp

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// lintText returns all diagnostics of a profile, a line each.
func lintText(p *Profile) string {
	var b strings.Builder
	for _, d := range Lint(p) {
		b.WriteString(d.String() + "\n")
		for _, r := range d.Related {
			b.WriteString("  " + r.At.String() + ": " + r.Message + "\n")
		}
	}
	return b.String()
}

func TestLintGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/profiles/*.json")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		got := lintText(parse(t, filepath.Base(file), string(text)))
		golden := strings.TrimSuffix(file, ".json") + ".lint"
		if *update {
			require.NoError(t, os.WriteFile(golden, []byte(got), 0o644))
		}
		want, err := os.ReadFile(golden)
		require.NoError(t, err)
		assert.Equal(t, string(want), got, file)
	}
}

// The guide's allowlist cannot start sh, and the report says why.
func TestLintRestrictive(t *testing.T) {
	text, err := os.ReadFile("testdata/profiles/restrictive.json")
	require.NoError(t, err)
	said := map[string]string{}
	for _, d := range Lint(parse(t, "restrictive.json", string(text))) {
		said[d.Code] = d.Severity.String() + " " + d.Message
	}
	assert.Equal(t, "error the profile cannot start a shell: it refuses rt_sigreturn, clone or clone3 or fork or vfork, wait4 or waitid", said["cannot-start"])
	assert.Contains(t, said["cannot-start-some"], "prctl")
}

// Of the calls of x86-64, check wants those that starts of containers were measured to
// fail without, and says which.
func TestLintStart(t *testing.T) {
	var all []string
	for nr := range uint32(512) {
		if name, ok := SyscallName(X86_64, nr); ok {
			all = append(all, name)
		}
	}
	without := func(missing ...string) (severity, related string) {
		names, err := json.Marshal(slices.DeleteFunc(slices.Clone(all), func(n string) bool { return slices.Contains(missing, n) }))
		require.NoError(t, err)
		p := parse(t, "p.json", `{"defaultAction":"SCMP_ACT_ERRNO","architectures":["SCMP_ARCH_X86_64"],"syscalls":[{"names":`+string(names)+`,"action":"SCMP_ACT_ALLOW"}]}`)
		for _, d := range Lint(p) {
			if strings.HasPrefix(d.Code, "cannot-start") {
				return d.Severity.String(), d.Related[0].Message
			}
		}
		return "", ""
	}
	for missing, want := range map[string]string{
		"capget":     "warning capget: needed by runc without no_new_privileges",
		"getcwd":     "warning getcwd: needed by runc without no_new_privileges",
		"newfstatat": "warning newfstatat: needed by runc without no_new_privileges, programs that are linked dynamically",
		"fstat":      "warning fstat: needed by runc without no_new_privileges, runc 1.3.7 and 1.5.2 with no_new_privileges",
		"statx":      "warning statx: needed by runc 1.3.7 and 1.5.2",
		"capset":     "warning capset: needed by runc without no_new_privileges, crun without no_new_privileges",
		"chdir":      "warning chdir: needed by runc without no_new_privileges",
		"getppid":    "warning getppid: needed by runc without no_new_privileges",
		"prctl":      "warning prctl: needed by runc without no_new_privileges, crun without no_new_privileges",
		"setuid":     "warning setuid: needed by runc without no_new_privileges",
		"setgid":     "warning setgid: needed by runc without no_new_privileges",
		"setgroups":  "warning setgroups: needed by runc without no_new_privileges",
		"read":       "warning read: needed by runc without no_new_privileges, programs that are linked dynamically",
		"openat":     "error openat: needed by runc, programs that are linked dynamically",
		"fstatfs":    "error fstatfs: needed by runc",
		"getdents64": "error getdents64: needed by runc",
		"execve":     "error execve: needed by runc, crun, shells",
		"wait4":      " ", // waitid does
		"madvise":    " ",
		"mkdir":      " ",
	} {
		severity, related := without(missing)
		assert.Equal(t, want, severity+" "+related, missing)
	}
	severity, related := without("faccessat", "faccessat2")
	assert.Equal(t, "warning faccessat or faccessat2: needed by runc 1.1.5 without no_new_privileges", severity+" "+related)
}

// Nothing in a default profile is unknown, duplicate or unreachable; what else is said
// of one is so: old ones lack rseq, and CRI-O's entries on clone stand for several.
func TestLintBuiltins(t *testing.T) {
	for _, name := range builtinNames() {
		for _, d := range Lint(builtin(name)) {
			assert.Contains(t, []string{"dangerous-allow", "no-fallback", "missing-basics", "alternative-conditions", "same-as-default"}, d.Code, "%s", d)
		}
	}
}

func TestAdvice(t *testing.T) {
	older, who, ok := Fallback("clone3")
	assert.True(t, ok)
	assert.Equal(t, "clone", older)
	assert.Contains(t, who, "glibc")
	names, why := Relatives("clone3")
	assert.Contains(t, names, "clone")
	assert.NotContains(t, names, "clone3")
	assert.NotEmpty(t, why)
	for _, f := range families {
		for _, name := range f.names {
			assert.True(t, inAnyTable(name) || name == "fstatat64", name)
		}
	}
	for name, f := range fallbacks {
		assert.True(t, inAnyTable(name), name)
		assert.True(t, inAnyTable(f.older), f.older)
	}
	_, needs := startTable()
	for _, n := range needs {
		for _, name := range n.alternatives() {
			assert.True(t, inAnyTable(name), name)
		}
	}
	for _, b := range commonCalls {
		for _, name := range b.names {
			assert.True(t, inAnyTable(name), name)
		}
	}
	for name := range dangerous {
		assert.True(t, inAnyTable(name), name)
	}
}

// SCMP_ACT_NOTIFY is for a listener, which runc wants to be told of.
func TestLintNotify(t *testing.T) {
	const entry = `"syscalls":[{"names":["mkdir"],"action":"SCMP_ACT_NOTIFY"}]}`
	has := func(text string) bool {
		return strings.Contains(lintText(parse(t, "p.json", text)), "notify-no-listener")
	}
	assert.True(t, has(`{"defaultAction":"SCMP_ACT_ALLOW",`+entry))
	assert.True(t, has(`{"defaultAction":"SCMP_ACT_ALLOW","listenerPath":"",`+entry))
	assert.False(t, has(`{"defaultAction":"SCMP_ACT_ALLOW","listenerPath":"/run/agent.sock",`+entry))
	assert.False(t, has(`{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["mkdir"],"action":"SCMP_ACT_ERRNO"}]}`))
}

// What a base profile allows is not missed, nor is what one may that is not known.
func TestLintBase(t *testing.T) {
	for base, missed := range map[string]string{"runc-v1.1.5": "statx", "house-base": ""} {
		p := parse(t, "p.yaml", `{"apiVersion":"security-profiles-operator.x-k8s.io/v1beta1","kind":"SeccompProfile","metadata":{"name":"p"},`+
			`"spec":{"baseProfileName":"`+base+`","defaultAction":"SCMP_ACT_ERRNO","architectures":["SCMP_ARCH_X86_64"],"syscalls":[{"names":["mkdir"],"action":"SCMP_ACT_ALLOW"}]}}`)
		text := lintText(p)
		assert.NotContains(t, text, "[cannot-start-runc]", base)
		assert.NotContains(t, text, "capset", base)
		assert.Contains(t, text, missed, base)
	}
}
