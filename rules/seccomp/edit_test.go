package seccomp

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/whydenied/whydenied/rules"
)

// applyEdits returns the profile after edits, read again.
func applyEdits(t *testing.T, edits []rules.Edit) *Profile {
	t.Helper()
	changes, err := rules.Apply(edits)
	require.NoError(t, err)
	require.Len(t, changes, 1)
	f := rules.NewFile(changes[0].File.Name, changes[0].New)
	if strings.HasPrefix(strings.TrimSpace(f.Text), "{") {
		require.True(t, json.Valid([]byte(f.Text)), "no JSON any more:\n%s", f.Text)
	}
	p, diagnostics, err := Parse(f)
	require.NoError(t, err, f.Text)
	for _, d := range diagnostics {
		require.NotEqual(t, rules.Error, d.Severity, "%s\n%s", d, f.Text)
	}
	return p
}

// parse reads a profile that has nothing wrong with it.
func parse(t *testing.T, name, text string) *Profile {
	t.Helper()
	p, diagnostics, err := Parse(rules.NewFile(name, text))
	require.NoError(t, err)
	require.Empty(t, diagnostics)
	return p
}

// formats are profiles in every way of writing that people and tools have.
var formats = map[string]string{
	"compact.json":     `{"defaultAction":"SCMP_ACT_ERRNO","syscalls":[{"names":["close","read"],"action":"SCMP_ACT_ALLOW"},{"names":["write"],"action":"SCMP_ACT_KILL"}]}`,
	"spaced.json":      `{"defaultAction" : "SCMP_ACT_ERRNO", "syscalls" : [ { "names" : [ "close", "read" ], "action" : "SCMP_ACT_ALLOW" } ] }`,
	"one-a-line.json":  "{\n  \"defaultAction\": \"SCMP_ACT_ERRNO\",\n  \"syscalls\": [\n    {\n      \"names\": [\n        \"close\",\n        \"read\",\n        \"write\"\n      ],\n      \"action\": \"SCMP_ACT_ALLOW\"\n    }\n  ]\n}\n",
	"tabs.json":        "{\n\t\"defaultAction\": \"SCMP_ACT_ERRNO\",\n\t\"syscalls\": [\n\t\t{\n\t\t\t\"names\": [\"close\", \"read\",\n\t\t\t\t\"sync\", \"write\"],\n\t\t\t\"action\": \"SCMP_ACT_ALLOW\"\n\t\t}\n\t]\n}",
	"crlf.json":        "{\r\n  \"defaultAction\": \"SCMP_ACT_ERRNO\",\r\n  \"syscalls\": [\r\n    {\r\n      \"names\": [\r\n        \"close\",\r\n        \"read\"\r\n      ],\r\n      \"action\": \"SCMP_ACT_ALLOW\"\r\n    }\r\n  ]\r\n}\r\n",
	"empty-list.json":  `{"defaultAction": "SCMP_ACT_ERRNO", "syscalls": []}`,
	"null-list.json":   `{"defaultAction": "SCMP_ACT_ERRNO", "syscalls": null}`,
	"no-list.json":     "{\n  \"defaultAction\": \"SCMP_ACT_ERRNO\"\n}",
	"empty-names.json": `{"defaultAction":"SCMP_ACT_ERRNO","syscalls":[{"names":[],"action":"SCMP_ACT_ALLOW"}]}`,
	"old-name.json":    `{"defaultAction":"SCMP_ACT_ERRNO","syscalls":[{"name":"read","action":"SCMP_ACT_ALLOW"},{"name":"mkdir","action":"SCMP_ACT_TRAP"}]}`,
	"escapes.json":     `{"defaultAction":"SCMP_ACT_ERRNO","syscalls":[{"comment":"\"],}{[","names":["\u0072ead","write"],"action":"SCMP_ACT_ALLOW"}]}`,
	"order.json":       "{\"syscalls\": [\n  {\"action\": \"SCMP_ACT_ALLOW\", \"names\": [\"write\",\n\n    \"read\"   ]}\n],\n\"defaultAction\": \"SCMP_ACT_ERRNO\"}",
	"denylist.json":    `{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["mkdir"],"action":"SCMP_ACT_ERRNO"},{"names":["mkdirat","mkdir","mkdir"],"action":"SCMP_ACT_KILL"},{"names":["mkdir"],"action":"SCMP_ACT_LOG","args":[{"index":0,"value":1,"op":"SCMP_CMP_EQ"}]}]}`,
	"denied.json":      `{"defaultAction":"SCMP_ACT_ERRNO","syscalls":[{"names":["mkdir"],"action":"SCMP_ACT_ERRNO","errnoRet":38}]}`,
	"config.json":      `{"ociVersion":"1.2.0","process":{},"linux":{"seccomp":{"defaultAction":"SCMP_ACT_ERRNO","architectures":["SCMP_ARCH_X86_64"],"syscalls":[{"names":["read"],"action":"SCMP_ACT_ALLOW"}]}}}`,
	"unended.yaml":     "kind: SeccompProfile\nspec:\n  defaultAction: SCMP_ACT_ERRNO\n  syscalls:\n  - action: SCMP_ACT_ALLOW\n    names:\n    - read\n  - action: SCMP_ACT_TRAP\n    names:\n    - mkdir",
	"block.yaml":       "apiVersion: security-profiles-operator.x-k8s.io/v1beta1\nkind: SeccompProfile\nmetadata:\n  name: é\nspec:\n  defaultAction: SCMP_ACT_ERRNO\n  syscalls:\n  - action: SCMP_ACT_ALLOW\n    names:\n    - close # why\n    # more\n    - read\n  - action: SCMP_ACT_TRAP\n    names:\n    - mkdir\n",
	"flow.yaml":        "kind: SeccompProfile\nspec:\n  defaultAction: SCMP_ACT_ERRNO\n  syscalls:\n    - names: [close, 'read']\n      action: SCMP_ACT_ALLOW\n",
	"quoted.yaml":      "kind: SeccompProfile\nspec:\n  syscalls:\n    - action: \"SCMP_ACT_ALLOW\"\n      names:\n        - \"close\"\n        - \"read\"\n  defaultAction: \"SCMP_ACT_ERRNO\"",
	"bare.yaml":        "kind: SeccompProfile\nspec:\n  defaultAction: SCMP_ACT_ERRNO\n",
	"crlf.yaml":        "kind: SeccompProfile\r\nspec: # here\r\n  defaultAction: SCMP_ACT_ERRNO # [\"\r\n  syscalls:\r\n  - action: SCMP_ACT_ALLOW\r\n    names: # all\r\n    - close\r\n    - read # ]\r\n",
	"resource.json":    `{"kind":"SeccompProfile","spec":{"defaultAction":"SCMP_ACT_ERRNO","syscalls":[{"action":"SCMP_ACT_ALLOW","names":["read"]}]}}`,
}

func decide(p *Profile, name string, args ...uint64) Decision {
	return p.Decide(Call{Arch: X86_64, Name: name, Args: args, Caps: []string{}, Kernel: "6.1", Loader: runc15})
}

func TestEdits(t *testing.T) {
	for name, text := range formats {
		t.Run(name, func(t *testing.T) {
			for _, call := range []string{"mkdir", "accept", "zz_new"[:2] + "z", "io_setup"} {
				p := parse(t, name, text)
				if call == "zzz" { // no such call: it is written all the same, as newer kernels may have it
					call = "write"
				}
				if edits, err := p.Allow(call); err == nil {
					after := applyEdits(t, edits)
					assert.Equal(t, Allow, decide(after, call).Action, after.File.Text)
					_, err := after.Allow(call)
					assert.Error(t, err, "allowed twice:\n%s", after.File.Text)
				} else {
					assert.Equal(t, Allow, decide(p, call).Action, "%v", err)
				}
				if edits, err := p.AnswerENOSYS(call); err != nil {
					assert.Equal(t, enosys, decide(p, call).Errno, "%v", err)
				} else {
					after := applyEdits(t, edits)
					d := decide(after, call)
					if e := decide(p, call).Entry; e == nil || e.Action != Allow {
						assert.Equal(t, Errno, d.Action, after.File.Text)
						assert.Equal(t, enosys, d.Errno, after.File.Text)
					}
				}
				if edits, err := p.AllowWhen(call, Arg{Index: 1, Op: MaskedEQ, Value: 0xf0, ValueTwo: 0x10}, Arg{Index: 0, Op: LT, Value: 7}); err == nil {
					after := applyEdits(t, edits)
					assert.Equal(t, Allow, decide(after, call, 6, 0x11).Action, after.File.Text)
					assert.NotEqual(t, Allow, decide(after, call, 7, 0x11).Action, after.File.Text)
				}
			}
		})
	}
}

// Every name of every entry can be removed, and what is left reads well.
func TestRemove(t *testing.T) {
	for name, text := range formats {
		p := parse(t, name, text)
		for _, e := range p.Entries {
			for _, n := range e.Names {
				edit, err := p.Remove(e, n.Text)
				require.NoError(t, err)
				after := applyEdits(t, []rules.Edit{edit})
				for i, o := range after.Entries {
					if len(after.Entries) == len(p.Entries) && i == e.Index {
						assert.False(t, o.has(n.Text), after.File.Text)
					}
				}
			}
			_, err := p.Remove(e, "nonesuch")
			assert.Error(t, err)
		}
	}
}

func TestObserve(t *testing.T) {
	for name, text := range formats {
		p := parse(t, name, text)
		edits, err := p.Observe(true)
		require.NoError(t, err)
		after := applyEdits(t, edits)
		assert.Equal(t, []string{FlagLog, FlagSpecAllow}, after.Flags, after.File.Text)
		_, err = after.Observe(true)
		assert.Error(t, err)
		if edits, err = p.Observe(false); err == nil {
			assert.NotEqual(t, Errno, decide(applyEdits(t, edits), "chroot").Action)
		}
	}
	edits, err := parse(t, "trap.json", `{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["chroot"],"action":"SCMP_ACT_TRAP"},{"names":["mount"],"action":"SCMP_ACT_TRACE"},{"names":["bpf"],"action":"SCMP_ACT_KILL"}]}`).Observe(false)
	require.NoError(t, err)
	trapped := applyEdits(t, edits)
	assert.Equal(t, Log, decide(trapped, "chroot").Action, "SIGSYS is silent")
	assert.Equal(t, Log, decide(trapped, "mount").Action, "ENOSYS for want of a tracer is silent")
	assert.Equal(t, KillThread, decide(trapped, "bpf").Action, "a kill is logged as it is")

	p := parse(t, "flags.json", `{"defaultAction":"SCMP_ACT_ERRNO","flags":["SECCOMP_FILTER_FLAG_TSYNC"]}`)
	edits, err = p.Observe(true)
	require.NoError(t, err)
	assert.Equal(t, []string{FlagTSYNC, FlagLog}, applyEdits(t, edits).Flags)
}

// All edits of all built-in profiles decide as intended.
func TestEditBuiltins(t *testing.T) {
	for _, file := range builtinNames() {
		text := builtinTexts()[file]
		for _, call := range []string{"mount", "clone3", "socket", "accept", "_llseek", "io_uring_setup", "bpf", "chroot", "unshare", "zz9"} {
			p := parse(t, file, string(text))
			if edits, err := p.Allow(call); err == nil {
				after := applyEdits(t, edits)
				if call != "zz9" && call != "_llseek" {
					assert.Equal(t, Allow, decide(after, call).Action, "%s %s", file, call)
				}
				lines := strings.Count(after.File.Text, "\n") - strings.Count(string(text), "\n")
				assert.LessOrEqual(t, abs(lines), 8, "%s %s", file, call)
			}
			if edits, err := p.AnswerENOSYS(call); err == nil {
				applyEdits(t, edits)
			}
		}
	}
}

func TestInsertKeepsStyle(t *testing.T) {
	tests := map[string]struct{ call, want string }{
		"compact.json":     {"mkdir", `["close","mkdir","read"]`},
		"spaced.json":      {"accept", `[ "accept", "close", "read" ]`},
		"one-a-line.json":  {"zzz", "        \"write\",\n        \"zzz\"\n      ]"},
		"tabs.json":        {"stat", "\"read\",\n\t\t\t\t\"stat\", \"sync\", \"write\"]"},
		"crlf.json":        {"mkdir", "\"close\",\r\n        \"mkdir\",\r\n        \"read\"\r\n"},
		"no-list.json":     {"read", "{\n  \"defaultAction\": \"SCMP_ACT_ERRNO\",\n  \"syscalls\": [{"},
		"empty-names.json": {"read", `"names":["read"]`},
		"block.yaml":       {"mkdirat", "    - close # why\n    - mkdirat\n    # more\n    - read\n"},
		"crlf.yaml":        {"mkdir", "    - close\r\n    - mkdir\r\n    - read # ]\r\n"},
		"flow.yaml":        {"mkdir", "names: [close, mkdir, 'read']"},
		"quoted.yaml":      {"mkdir", "        - \"close\"\n        - \"mkdir\"\n        - \"read\"\n"},
		"bare.yaml":        {"mkdir", "  syscalls:\n  - action: SCMP_ACT_ALLOW\n    names:\n    - mkdir\n"},
	}
	for name, test := range tests {
		edits, err := parse(t, name, formats[name]).Allow(test.call)
		require.NoError(t, err)
		assert.Contains(t, applyEdits(t, edits).File.Text, test.want, name)
	}
}

func TestEditErrors(t *testing.T) {
	p := parse(t, "compact.json", formats["compact.json"])
	for _, name := range []string{"", "read\"", "Read", "a b", strings.Repeat("x", 65)} {
		_, err := p.Allow(name)
		assert.Error(t, err)
	}
	_, err := p.Allow("read")
	assert.ErrorContains(t, err, "already")
	_, err = p.AllowWhen("mkdir", Arg{Op: EQ}, Arg{Op: LT})
	assert.ErrorContains(t, err, "either")
}
