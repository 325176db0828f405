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
	"docs":              {},
	"parser/bpf":        {},
	"parser":            {},
	"parser/source":     {"parser", "parser/bpf"},
	"rules":             {},
	"rules/apparmor":    {"rules"},
	"rules/seccomp":     {"rules"},
	"explain/container": {"parser/bpf"},
	"explain/bundle":    {"parser", "rules"},
	"explain/host":      {"rules/apparmor"},
	"explain/access":    {"parser", "rules/apparmor", "rules/seccomp"},
	"explain":           {"parser", "rules", "rules/apparmor", "rules/seccomp", "explain/access", "explain/container"},
	"explain/report":    {"explain", "explain/access", "parser", "rules", "rules/apparmor", "rules/seccomp", "explain/container", "explain/host"},
	"cmd/whydenied": {
		"docs", "explain", "explain/access", "explain/bundle", "explain/container", "explain/host", "explain/report", "parser", "parser/source",
		"rules", "rules/apparmor", "rules/seccomp",
	},
	"testdata/loggen": {},
}

func TestImportsRunOneWay(t *testing.T) {
	out, err := exec.Command("go", "list", "-f", `{{.ImportPath}}{{range .Imports}} {{.}}{{end}}`, "./...", "./testdata/loggen").CombinedOutput()
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
