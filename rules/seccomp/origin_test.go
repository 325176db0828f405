package seccomp

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/whydenied/whydenied/rules"
)

// made returns config.json of a container with what an engine makes of a built-in
// profile: entries whose condition on capabilities, architecture or kernel does not
// hold are left out (setupSeccomp of Moby's profiles/seccomp). change may alter it.
func made(t *testing.T, builtin *Profile, caps []string, change func(map[string]any)) *Profile {
	t.Helper()
	var profile map[string]any
	require.NoError(t, json.Unmarshal([]byte(builtin.File.Text), &profile))
	var entries []any
	for _, e := range profile["syscalls"].([]any) {
		entry := e.(map[string]any)
		list := func(of, key string) (all []string) {
			gate, _ := entry[of].(map[string]any)
			values, _ := gate[key].([]any)
			for _, v := range values {
				all = append(all, v.(string))
			}
			return all
		}
		lacks := func(c string) bool { return !slices.Contains(caps, c) }
		held := func(c string) bool { return slices.Contains(caps, c) }
		arches := list("includes", "arches")
		if slices.ContainsFunc(list("includes", "caps"), lacks) || slices.ContainsFunc(list("excludes", "caps"), held) ||
			len(arches) > 0 && !slices.Contains(arches, "amd64") || slices.Contains(list("excludes", "arches"), "amd64") {
			continue
		}
		delete(entry, "includes")
		delete(entry, "excludes")
		entries = append(entries, entry)
	}
	delete(profile, "archMap")
	profile["syscalls"], profile["architectures"] = entries, []string{"SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"}
	if change != nil {
		change(profile)
	}
	text, err := json.Marshal(map[string]any{"ociVersion": "1.0.2", "linux": map[string]any{"seccomp": profile}})
	require.NoError(t, err)
	p, _, err := Parse(rules.NewFile("config.json", string(text)))
	require.NoError(t, err)
	require.Equal(t, OCI, p.Form)
	return p
}

func TestOrigin(t *testing.T) {
	some := []string{"CAP_CHOWN", "CAP_SYS_CHROOT"}
	for _, text := range builtinNames() {
		for _, caps := range [][]string{{}, some, append([]string{"CAP_SYS_ADMIN", "CAP_SYS_PTRACE"}, some...)} {
			b := builtin(text)
			p := made(t, b, caps, nil)
			origin, name, ok := p.Origin(Call{Arch: X86_64, Caps: caps, Kernel: "6.18.4"})
			require.True(t, ok, text)
			assert.Equal(t, origin.File.Builtin, name)
			// Another release can give the same; it then answers the same.
			want, got := made(t, b, caps, nil), made(t, origin, caps, nil)
			gains, complete := Gains(want, got)
			assert.True(t, complete)
			assert.Empty(t, gains, "%s is taken for %s", text, name)
		}
	}
}

// Of texts that give the same, that of the engine's own release is told.
func TestOriginOfEngine(t *testing.T) {
	caps := []string{"CAP_CHOWN"}
	in := Call{Arch: X86_64, Caps: caps, Kernel: "6.18"}
	for _, e := range []Engine{
		{"containerd", "1.7.24~ds1"}, {"containerd", "1.6.20"}, {"docker", "20.10.24+dfsg1"}, {"docker", "26.1.5"}, {"podman", "4.3.1"}, {"cri-o", "1.29.13"},
	} {
		b, title, ok := Builtin(e.Name, e.Version)
		require.True(t, ok)
		in.Engine = e
		_, name, ok := made(t, b, caps, nil).Origin(in)
		require.True(t, ok, e)
		assert.Equal(t, title, name, e)
	}
	// Of an engine whose release is not known, or has none of it, another of its texts is.
	b, _, _ := Builtin("containerd", "1.7.24")
	in.Engine = Engine{"containerd", ""}
	_, name, ok := made(t, b, caps, nil).Origin(in)
	require.True(t, ok)
	assert.Contains(t, name, "containerd's default")
}

func TestNoOrigin(t *testing.T) {
	caps := []string{"CAP_CHOWN"}
	in := Call{Arch: X86_64, Caps: caps, Kernel: "6.18"}
	first := func(p map[string]any) map[string]any { return p["syscalls"].([]any)[0].(map[string]any) }
	for why, change := range map[string]func(map[string]any){
		"a name less":    func(p map[string]any) { first(p)["names"] = first(p)["names"].([]any)[1:] },
		"a name more":    func(p map[string]any) { first(p)["names"] = append(first(p)["names"].([]any), "kexec_load") },
		"an entry less":  func(p map[string]any) { p["syscalls"] = p["syscalls"].([]any)[1:] },
		"another errno":  func(p map[string]any) { p["defaultErrnoRet"] = 38 },
		"another answer": func(p map[string]any) { p["defaultAction"] = "SCMP_ACT_KILL_PROCESS" },
		"a condition": func(p map[string]any) {
			first(p)["args"] = []any{map[string]any{"index": 0, "value": 1, "op": "SCMP_CMP_EQ"}}
		},
		"the log flag": func(p map[string]any) { p["flags"] = []string{"SECCOMP_FILTER_FLAG_LOG"} },
	} {
		_, name, ok := made(t, docker(t), caps, change).Origin(in)
		assert.False(t, ok, "%s: %s", why, name)
	}
	plain := made(t, docker(t), caps, nil)
	_, _, ok := plain.Origin(Call{Arch: X86_64, Kernel: "6.18"})
	assert.False(t, ok, "capabilities unknown")
	_, _, ok = plain.Origin(Call{Arch: X86_64, Caps: []string{"CAP_SYS_ADMIN"}, Kernel: "6.18"})
	assert.False(t, ok, "other capabilities")
	_, name, ok := plain.Origin(Call{Arch: X86_64, Caps: caps})
	assert.True(t, ok, "kernel unknown")
	assert.True(t, strings.HasPrefix(name, "Docker's default seccomp profile"))
}

// What an engine makes of the user's own profile is known from the file.
func TestMadeOf(t *testing.T) {
	const custom = `{"defaultAction": "SCMP_ACT_ALLOW", "archMap": [{"architecture": "SCMP_ARCH_X86_64", "subArchitectures": ["SCMP_ARCH_X86"]}],
		"syscalls": [{"names": ["mkdir", "rmdir"], "action": "SCMP_ACT_ERRNO", "errnoRet": 13},
			{"name": "mount", "action": "SCMP_ACT_ERRNO", "excludes": {"caps": ["CAP_SYS_ADMIN"]}}]}`
	parse := func(text string) *Profile {
		p, _, err := Parse(rules.NewFile("custom.json", text))
		require.NoError(t, err)
		return p
	}
	inForce := func(entries string) *Profile {
		return parse(`{"ociVersion": "1.0.2", "linux": {"seccomp": {"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"], "syscalls": [` + entries + `]}}}`)
	}
	const dirs, mount = `{"names": ["mkdir", "rmdir"], "action": "SCMP_ACT_ERRNO", "errnoRet": 13}`, `{"names": ["mount"], "action": "SCMP_ACT_ERRNO"}`
	none, admin := Call{Arch: X86_64, Caps: []string{}}, Call{Arch: X86_64, Caps: []string{"CAP_SYS_ADMIN"}}
	of := parse(custom)
	assert.True(t, inForce(dirs+","+mount).MadeOf(of, none))
	assert.False(t, inForce(dirs).MadeOf(of, none))
	assert.True(t, inForce(dirs).MadeOf(of, admin))
	assert.True(t, inForce(dirs).MadeOf(of, Call{Arch: X86_64}), "it may have the capability")
	assert.True(t, inForce(dirs+","+mount).MadeOf(of, Call{Arch: X86_64}), "or not")
	assert.False(t, inForce(mount).MadeOf(of, Call{Arch: X86_64}))
	assert.False(t, inForce(strings.Replace(dirs, "13", "1", 1)).MadeOf(of, admin), "another errno")
	whole := inForce(dirs)
	assert.True(t, whole.MadeOf(whole, admin), "of itself")
}
