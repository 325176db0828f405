package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestCompiler compiles policies with apparmor_parser, if this machine has it.
func TestCompiler(t *testing.T) {
	saved := compilerPlaces
	compilerPlaces = systemCompiler
	t.Cleanup(func() { compilerPlaces = saved })
	dir := t.TempDir()
	c := findCompiler([]string{dir, "/etc/apparmor.d"})
	if c == nil {
		if os.Getenv("REQUIRE_TOOLS") != "" {
			t.Fatal("apparmor_parser is not installed: apt-get install apparmor")
		}
		t.Skip("apparmor_parser is not installed")
	}
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "local"), 0o700))
	local := filepath.Join(dir, "local", "p")
	require.NoError(t, os.WriteFile(local, []byte("/b r,\n"), 0o600))
	compile := func(text string, included map[string]string) error {
		wait := c.start("/etc/apparmor.d/p", text, included)
		require.NotNil(t, wait)
		return wait()
	}
	const policy = "profile p {\n  /a r,\n  include <local/p>\n}\n"
	assert.NoError(t, compile(policy, nil))
	assert.NoError(t, compile(policy, map[string]string{local: "/b rw,\n"}))
	assert.ErrorContains(t, compile(policy, map[string]string{local: "/b rz,\n"}), "syntax error")
	err := compile("profile p {\n  /a* Px,\n  /*b ix,\n}\n", nil)
	assert.ErrorContains(t, err, "conflicting x modifiers")
	assert.ErrorContains(t, compile("profile p {\n  nonsense\n}\n", nil), "/etc/apparmor.d/p")
	c.left = 0
	assert.Nil(t, c.start("p", policy, nil), "the budget is spent")
}
