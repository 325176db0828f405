package seccomp

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/whydenied/whydenied/rules"
	"github.com/whydenied/whydenied/rules/yaml"
	"github.com/whydenied/whydenied/testdata/cputime"
)

func TestParsePositions(t *testing.T) {
	for _, name := range []string{"one-a-line.json", "tabs.json", "crlf.json", "config.json", "block.yaml", "flow.yaml", "quoted.yaml", "resource.json"} {
		p := parse(t, name, formats[name])
		assert.Contains(t, p.DefaultAt.Text(), "SCMP_ACT_ERRNO", name)
		assert.NotEmpty(t, p.Entries, name)
		for _, e := range p.Entries {
			assert.Equal(t, e.Action.SCMP(), strings.Trim(e.ActionAt.Text(), `"'`), name)
			for _, n := range e.Names {
				assert.Equal(t, n.Text, strings.Trim(n.At.Text(), `"'`), name)
			}
			assert.Contains(t, e.At.Text(), e.Names[0].Text, name)
		}
	}
	p := parse(t, "block.yaml", formats["block.yaml"])
	assert.Equal(t, "block.yaml:12:7", p.Entries[0].Names[1].At.String())
	assert.Equal(t, SPO, p.Form)
	assert.Equal(t, OCI, parse(t, "config.json", formats["config.json"]).Form)
}

func TestParseEverything(t *testing.T) {
	p := parse(t, "all.json", `{
		"defaultAction": "SCMP_ACT_TRACE", "defaultErrnoRet": 7, "defaultErrno": "ENOSYS",
		"archMap": [{"architecture": "SCMP_ARCH_X86_64", "subArchitectures": ["SCMP_ARCH_X86"]}],
		"flags": ["SECCOMP_FILTER_FLAG_LOG"], "listenerPath": "/run/x", "listenerMetadata": "m",
		"syscalls": [{"names": ["clone"], "action": "SCMP_ACT_NOTIFY", "errno": "EACCES", "errnoRet": 3, "comment": "why",
			"args": [{"index": 5, "value": 18446744073709551615, "valueTwo": 2, "op": "SCMP_CMP_MASKED_EQ"}],
			"includes": {"caps": ["CAP_SYS_ADMIN"], "arches": ["amd64"], "minKernel": "4.8"}, "excludes": {}}]}`)
	assert.Equal(t, Trace, p.Default)
	assert.Equal(t, enosys, p.DefaultErrno, "Podman's name wins over the number")
	assert.Equal(t, []string{FlagLog}, p.Flags)
	e := p.Entries[0]
	assert.Equal(t, UserNotif, e.Action)
	assert.Equal(t, 13, e.Errno)
	assert.Equal(t, "why", e.Comment)
	assert.Equal(t, Arg{Index: 5, Op: MaskedEQ, Value: 1<<64 - 1, ValueTwo: 2, At: e.Args[0].At}, e.Args[0])
	assert.Equal(t, "4.8", e.Includes.MinKernel)
	assert.True(t, e.Excludes.IsZero())
}

func TestParseErrors(t *testing.T) {
	deep := strings.Repeat("[", 100000)
	tests := map[string]string{
		"":                                    "empty",
		"  \n":                                "empty",
		"hello":                               "JSON value should start",
		"[]":                                  "a list instead of an object",
		"{}":                                  "no defaultAction",
		`{"a": }`:                             "1:7",
		`{"a": 1`:                             "comma or } is missing",
		`{"a": 1} x`:                          "after the end",
		`{"a": "` + "\n" + `"}`:               "control character",
		`{"a": "\q"}`:                         "bad string",
		`{"a": 01}`:                           "bad number",
		`{"defaultAction": ` + deep:           "deeper",
		"\ufeff{}":                            "byte order mark",
		`{"ociVersion": "1"}`:                 "without a seccomp filter",
		`{"kind": "SeccompProfile"}`:          "no spec",
		"kind: SeccompProfile":                "no spec",
		"a: SeccompProfile":                   "no document",
		"kind: SeccompProfile\nspec: " + deep: "deeply",
		"kind: SeccompProfile\nspec: *x":      "aliases",
		"kind: SeccompProfile\n\t- x: [":      "YAML",
	}
	for text, want := range tests {
		_, _, err := Parse(rules.NewFile("p.json", text))
		assert.ErrorContains(t, err, want, "%.40q", text)
		assert.ErrorContains(t, err, "p.json", "%.40q", text)
	}
	_, _, err := Parse(rules.NewFile("big", strings.Repeat(" ", rules.MaxFile+1)))
	assert.ErrorContains(t, err, "too many")
}

func TestParseDiagnostics(t *testing.T) {
	entry := func(s string) string { return `{"defaultAction":"SCMP_ACT_ERRNO","syscalls":[` + s + `]}` }
	tests := map[string]string{
		`{"syscalls":[]}`:                                                   "missing-default-action",
		`{"defaultAction":"SCMP_ACT_DENY"}`:                                 "unknown-action",
		`{"defaultAction":"SCMP_ACT_ERRNO","default":1}`:                    "unknown-key",
		`{"defaultAction":"SCMP_ACT_ERRNO","defaultAction":"SCMP_ACT_LOG"}`: "duplicate-key",
		`{"defaultAction":"SCMP_ACT_ERRNO","architectures":["x86_64"]}`:     "unknown-architecture",
		`{"defaultAction":"SCMP_ACT_ERRNO","architectures":["SCMP_ARCH_ARM"],"archMap":[{"architecture":"SCMP_ARCH_ARM"}]}`: "architectures-and-archmap",
		`{"defaultAction":"SCMP_ACT_ERRNO","flags":["LOG"]}`:                                                                "unknown-flag",
		`{"defaultAction":"SCMP_ACT_ERRNO","defaultErrno":"EWHAT"}`:                                                         "bad-errno",
		`{"defaultAction":"SCMP_ACT_ERRNO","defaultErrnoRet":-1}`:                                                           "wrong-type",
		`{"defaultAction":"SCMP_ACT_ERRNO","syscalls":{}}`:                                                                  "wrong-type",
		entry(`1`):               "wrong-type",
		entry(`{"names":["a"]}`): "missing-action",
		entry(`{"names":["a",1],"action":"SCMP_ACT_LOG"}`):                                                  "wrong-type",
		entry(`{"names":["a"],"name":"b","action":"SCMP_ACT_LOG"}`):                                         "name-and-names",
		entry(`{"names":["a"],"action":"SCMP_ACT_LOG","args":[{"index":6,"value":0,"op":"SCMP_CMP_EQ"}]}`):  "bad-argument-index",
		entry(`{"names":["a"],"action":"SCMP_ACT_LOG","args":[{"index":0,"value":0,"op":"=="}]}`):           "unknown-operator",
		entry(`{"names":["a"],"action":"SCMP_ACT_LOG","includes":{"minKernel":"4"}}`):                       "bad-kernel-version",
		`{"kind":"SeccompProfile","spec":{"defaultAction":"SCMP_ACT_ERRNO","archMap":[]}}`:                  "ignored-key",
		"kind: SeccompProfile\nspec:\n  defaultAction: SCMP_ACT_ERRNO\n---\nkind: SeccompProfile\nspec: {}": "more-documents",
	}
	for text, want := range tests {
		_, diagnostics, err := Parse(rules.NewFile("p.json", text))
		require.NoError(t, err, text)
		require.Len(t, diagnostics, 1, text)
		assert.Equal(t, want, diagnostics[0].Code, text)
	}
}

// Conditional entries of an OCI profile are in force whatever they say, as
// runtimes do not read their conditions.
func TestOCIHasNoConditions(t *testing.T) {
	const profile = `{"defaultAction":"SCMP_ACT_ERRNO","syscalls":[{"names":["mount"],"action":"SCMP_ACT_ALLOW","includes":{"caps":["CAP_SYS_ADMIN"]}}]}`
	assert.Equal(t, Errno, decide(parse(t, "p.json", profile), "mount").Action)
	p, _, err := Parse(rules.NewFile("config.json", `{"linux":{"seccomp":`+profile+`}}`))
	require.NoError(t, err)
	assert.Equal(t, Allow, decide(p, "mount").Action)
}

// Large hostile files take time in proportion to their size.
func TestParseLarge(t *testing.T) {
	const size = 15000 // and four times that
	repeat := func(head, item, tail string) func(int) string {
		return func(n int) string { return head + strings.Repeat(item+",", n) + item + tail }
	}
	const action = `"action":"SCMP_ACT_ALLOW"`
	tests := map[string]func(int) string{
		"keys":    repeat(`{"defaultAction":"SCMP_ACT_ERRNO",`, `"x":1`, `}`),
		"names":   repeat(`{"defaultAction":"SCMP_ACT_ERRNO","syscalls":[{"names":[`, `"clone"`, `],`+action+`}]}`),
		"entries": repeat(`{"defaultAction":"SCMP_ACT_ERRNO","syscalls":[`, `{"names":["clone"],`+action+`,"args":[{"index":0,"value":1,"op":"SCMP_CMP_EQ"}]}`, `]}`),
		"args":    repeat(`{"defaultAction":"SCMP_ACT_ERRNO","syscalls":[{"names":["clone"],`+action+`,"args":[`, `{"index":0,"value":1,"op":"SCMP_CMP_EQ"}`, `]}]}`),
		"yaml": func(n int) string {
			return "kind: SeccompProfile\nspec:\n  defaultAction: SCMP_ACT_ERRNO\n  syscalls:\n  - action: SCMP_ACT_ALLOW\n    names:\n" + strings.Repeat("    - clone\n", n)
		},
	}
	for name, text := range tests {
		t.Run(name, func(t *testing.T) {
			cputime.Linear(t, size, func(size int) {
				p, _, err := Parse(rules.NewFile(name, text(size)))
				require.NoError(t, err)
				for _, args := range [][]uint64{nil, {2, 2}} {
					p.Decide(Call{Arch: X86_64, Name: "clone", Args: args})
				}
				Lint(p)
				_, _ = p.AnswerENOSYS("clone")
				_, _ = p.Allow("clone")
			})
		})
	}
}

// A file beyond a limit is told which, and where.
func TestLimits(t *testing.T) {
	repeat := func(head, item, tail string, n int) string { return head + strings.Repeat(item+",", n) + item + tail }
	const head, action = `{"defaultAction":"SCMP_ACT_ERRNO","syscalls":[`, `"action":"SCMP_ACT_ALLOW"`
	for want, text := range map[string]string{
		"p:2:1: more than 65536 rules":                                     head + "\n" + repeat(`{"names":[`, `"read"`, `],`+action+`}]}`, maxRules),
		"p:1:47: more than 65536 rules":                                    repeat(head+`{"names":["read","write"],`+action+`,"args":[`, `{"index":0,"value":1,"op":"SCMP_CMP_EQ"}`, `]}]}`, maxRules/2),
		"more than 600000 values are too many":                             repeat(head, "0", "]}", maxValues),
		"more than 100000 values or 1000 documents are too many; split it": "kind: SeccompProfile\nspec:\n" + repeat("  syscalls: [", "a", "]\n", yaml.MaxValues),
		"more than 100000 values or 1000 documents":                        "kind: SeccompProfile\n" + strings.Repeat("---\na: 1\n", 1001),
		"p: not a SeccompProfile in YAML: 1600005 bytes are too many":      "kind: SeccompProfile\n" + strings.Repeat("#", 1_599_984),
		"8388609 bytes are too many for a seccomp profile (limit 8388608)": strings.Repeat(" ", rules.MaxFile+1),
	} {
		_, _, err := Parse(rules.NewFile("p", text))
		assert.ErrorContains(t, err, want)
	}
}

func FuzzParse(f *testing.F) {
	for _, text := range formats {
		f.Add(text)
	}
	files, _ := filepath.Glob("testdata/profiles/*.json")
	for _, file := range files {
		text, _ := os.ReadFile(file)
		f.Add(string(text))
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, _, err := Parse(rules.NewFile("fuzz", text))
		if err != nil {
			return
		}
		Lint(p)
		for _, name := range []string{"clone", "socket", "mkdir"} {
			d := p.Decide(Call{Arch: X86_64, Name: name})
			_ = fmt.Sprint(d)
			p.Decide(Call{Arch: I386, Name: name, Args: []uint64{1, 2}, Caps: []string{}})
			for _, edit := range []func(string) ([]rules.Edit, error){p.Allow, p.AnswerENOSYS} {
				if edits, err := edit(name); err == nil {
					_, err := rules.Apply(edits)
					require.NoError(t, err)
				}
			}
		}
		for _, flag := range []bool{true, false} {
			if edits, err := p.Observe(flag); err == nil {
				_, err := rules.Apply(edits)
				require.NoError(t, err)
			}
		}
	})
}
