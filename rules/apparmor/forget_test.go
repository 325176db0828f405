package apparmor_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/whydenied/whydenied/rules"
	"github.com/whydenied/whydenied/rules/apparmor"
)

// A profile that was forgotten answers as before, and holds nothing in between.
func TestForget(t *testing.T) {
	var text strings.Builder
	for i := range 2000 {
		fmt.Fprintf(&text, "  /srv/%d/{a,b}*c/** rw,\n", i)
	}
	policy, diagnostics := (&apparmor.Loader{}).Load(rules.NewFile("p", "profile p {\n"+text.String()+"}\n"))
	require.Empty(t, rules.Errors(diagnostics))
	profile := policy.Profile("p")
	req := apparmor.FileRequest{Path: "/srv/7/axc/x", Perms: apparmor.Write}
	inUse := func() int64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}

	before := inUse()
	want := profile.Decide(req)
	require.Equal(t, apparmor.Write, want.Granted)
	compiled := inUse()
	profile.Forget()
	assert.Less(t, inUse()-before, (compiled-before)/2)
	assert.Equal(t, want, profile.Decide(req))
}
