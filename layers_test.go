package whydenied

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const module = "github.com/whydenied/whydenied/"

// layers says which packages of this module each package may import. It is the
// picture in docs/architecture.md.
var layers = map[string][]string{
	"docs":                    {},
	"rules/disk":              {},
	"rules/shell":             {},
	"rules/program":           {},
	"rules/yaml":              {},
	"parser/bpf":              {},
	"parser":                  {},
	"parser/source":           {"rules/disk", "rules/program", "rules/shell", "parser", "parser/bpf"},
	"rules":                   {"rules/disk"},
	"rules/apparmor":          {"rules/disk", "rules", "rules/apparmor/aare"},
	"rules/seccomp":           {"rules/disk", "rules/yaml", "rules"},
	"explain/access":          {"parser", "rules", "rules/apparmor", "rules/seccomp"},
	"explain/container":       {"rules/shell", "rules/yaml"},
	"explain/family":          {},
	"explain/secret":          {"parser"},
	"explain/track":           {"explain/container", "parser/bpf", "rules/disk"},
	"explain/library":         {"explain/container", "explain/family", "rules", "rules/apparmor", "rules/apparmor/binary", "rules/disk", "rules/seccomp"},
	"explain/fix":             {"explain/access", "explain/container", "explain/library", "explain/secret", "parser", "rules", "rules/apparmor", "rules/seccomp"},
	"explain/host":            {"explain/container", "rules/program", "rules/disk", "rules/shell", "rules", "rules/apparmor", "rules/apparmor/binary"},
	"explain":                 {"explain/access", "explain/container", "explain/family", "explain/fix", "explain/library", "rules/shell", "parser", "rules", "rules/apparmor", "rules/seccomp"},
	"explain/patch":           {"explain", "explain/access", "explain/container", "explain/fix", "explain/library", "rules/shell", "parser", "rules", "rules/apparmor", "rules/seccomp"},
	"explain/patch/patchtest": {"explain", "explain/container", "explain/library", "explain/patch", "parser", "rules"},
	"explain/diff":            {"explain/fix", "explain/library", "rules", "rules/apparmor", "rules/seccomp"},
	"explain/replay":          {"explain", "explain/access", "explain/library", "parser", "rules", "rules/apparmor", "rules/seccomp"},
	"explain/coverage":        {"explain/access", "explain/container", "explain/fix", "explain/library", "explain/silent", "parser", "rules", "rules/apparmor", "rules/seccomp"},
	"explain/bisect":          {},
	"explain/expect":          {"explain/access", "parser", "rules", "rules/apparmor", "rules/seccomp"},
	"explain/layer":           {"explain/access", "explain/container", "parser", "rules/seccomp"},
	"explain/message":         {"parser", "rules/seccomp"},
	"explain/silent":          {"explain", "explain/access", "explain/container", "explain/layer", "explain/library", "explain/message", "parser", "rules", "rules/apparmor", "rules/seccomp", "rules/shell"},
	"explain/escape":          {}, "explain/escape/escapetest": {},
	"explain/bundle": {"explain", "explain/container", "explain/family", "explain/host", "explain/secret", "explain/track", "rules/disk", "parser", "parser/source", "rules", "rules/apparmor", "rules/seccomp"},
	"explain/report": {
		"explain", "explain/access", "explain/container", "explain/coverage", "explain/diff", "explain/escape", "explain/expect", "explain/family", "explain/host", "explain/layer", "explain/patch", "explain/replay", "explain/secret", "explain/silent", "parser", "rules", "rules/apparmor", "rules/seccomp",
	},
	"explain/store":  {"explain", "explain/container", "explain/escape", "explain/export", "explain/host", "explain/report", "explain/secret", "rules/disk"},
	"explain/export": {"explain/container", "explain/escape", "explain/report", "rules/disk"},
	"explain/deploy": {"explain", "explain/container", "explain/escape", "explain/patch", "explain/report", "explain/secret", "rules/shell", "rules", "rules/apparmor", "rules/seccomp"},
	"cmd/whydenied": {
		"docs", "explain", "explain/access", "explain/bisect", "explain/bundle", "explain/container", "explain/coverage", "explain/deploy", "explain/diff", "explain/escape", "explain/expect", "explain/export", "explain/fix", "explain/host", "explain/library", "explain/message", "explain/patch",
		"explain/replay", "explain/report", "explain/secret", "explain/silent", "explain/store", "explain/track", "rules/disk", "rules/shell", "parser", "parser/source", "rules/program",
		"rules", "rules/apparmor", "rules/apparmor/binary", "rules/seccomp",
	},
	"rules/apparmor/aare": {}, "rules/apparmor/binary": {"rules/apparmor"},
	"testdata/bombs":   {},
	"testdata/loggen":  {},
	"testdata/secrets": {},
}

// What explains saved logs links nothing that asks a kernel, a network or an engine.
func TestExplainIsPure(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", "./explain").CombinedOutput()
	require.NoError(t, err, "%s", out)
	for _, heavy := range []string{"net/http", "os/exec", "crypto/tls", "github.com/cilium/", "google.golang.org/protobuf/", module + "explain/track"} {
		assert.NotContains(t, string(out), "\n"+heavy)
	}
	out, err = exec.Command("go", "list", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", "./explain/container").CombinedOutput()
	require.NoError(t, err, "%s", out)
	for _, name := range strings.Fields(string(out)) {
		assert.Regexp(t, `^(`+module+`(explain/container|rules/shell|rules/yaml)|github\.com/goccy/go-yaml(/.*)?)$`, name, "values link the standard library, how a shell quotes, and YAML alone")
	}
}

func TestImportsRunOneWay(t *testing.T) {
	out, err := exec.Command("go", "list", "-f", `{{.ImportPath}}{{range .Imports}} {{.}}{{end}}`, "./...", "./testdata/bombs", "./testdata/loggen", "./testdata/secrets").CombinedOutput()
	require.NoError(t, err, "%s", out)
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(line)
		name, ok := strings.CutPrefix(fields[0], module)
		if !ok {
			continue // the module's root, which holds this test alone
		}
		allowed, ok := layers[name]
		assert.True(t, ok, "package %s is not in the list of layers", name)
		for _, imported := range fields[1:] {
			if inner, ours := strings.CutPrefix(imported, module); ours {
				assert.Contains(t, allowed, inner, "%s imports %s", name, inner)
			}
		}
	}
}
