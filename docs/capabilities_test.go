package docs_test

import (
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/whydenied/whydenied/rules/seccomp"
)

// The page names each call of the table, but for those that are kin of one it names.
func TestCapabilitiesPage(t *testing.T) {
	page, err := os.ReadFile("capabilities.md")
	require.NoError(t, err)
	kin := map[string]string{
		"setreuid": "setuid", "setresuid": "setuid", "setfsuid": "setuid", "setuid32": "setuid", "setreuid32": "setuid", "setresuid32": "setuid", "setfsuid32": "setuid",
		"setregid": "setgid", "setresgid": "setgid", "setfsgid": "setgid", "setgid32": "setgid", "setregid32": "setgid", "setresgid32": "setgid", "setfsgid32": "setgid",
		"setgroups32": "setgroups",
	}
	for _, name := range seccomp.PrivilegedCalls() {
		if of, ok := kin[name]; ok {
			name = of
		}
		assert.Contains(t, string(page), "`"+name+"`")
	}
}
