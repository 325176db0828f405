package library_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/whydenied/whydenied/explain/container"
	"github.com/whydenied/whydenied/rules/apparmor"
	"github.com/whydenied/whydenied/rules/seccomp"
)

// Every engine of the table has its default profiles built in, but for LXC and what uses it, whose
// profiles are files.
func TestEnginesAreBuiltIn(t *testing.T) {
	for _, e := range container.Engines {
		for _, name := range e.Profiles {
			if strings.HasSuffix(name, "-") {
				name += "0.57.4"
			}
			assert.Equal(t, len(e.Plain) == 0, apparmor.IsBuiltin(name), name)
		}
		_, _, ok := seccomp.Builtin(e.Name, "")
		assert.Equal(t, len(e.Plain) == 0, ok, e.Name)
	}
}
