package diff

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/whydenied/whydenied/explain/library"
	"github.com/whydenied/whydenied/rules/apparmor"
	"github.com/whydenied/whydenied/rules/seccomp"
)

// Compiled policy is asked, and never called equal.
func TestCompareCompiled(t *testing.T) {
	compiled := apparmor.NewLoaded("a", "", nil, func(req apparmor.Request) apparmor.Answer {
		if file, ok := req.(apparmor.FileRequest); ok && file.Path == "/a" {
			return apparmor.Answer{Allow: apparmor.Read}
		}
		return apparmor.Answer{}
	})
	loaded := library.Text{Name: "loaded:a", AppArmor: []*apparmor.Profile{compiled}}
	source := appArmor(t, "profile a {\n /a r,\n /b w,\n}")
	lost := Compare(source, loaded, seccomp.Loader{})
	require.Len(t, lost, 1)
	assert.Equal(t, []string{"loss: w on /b"}, told(lost[0]))
	assert.Contains(t, lost[0].Unknown, "only an example of each rule")
	gained := Compare(loaded, source, seccomp.Loader{})
	assert.Equal(t, []string{"gain: w on /b"}, told(gained[0]))
	both := Compare(loaded, loaded, seccomp.Loader{})
	assert.False(t, both[0].Equal())
	assert.Contains(t, both[0].Unknown, "both are compiled")
}
