package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
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

// apparmor_parser is asked about an abstraction with the variables that it uses.
func TestCompilerTakesAbstractions(t *testing.T) {
	saved := compilerPlaces
	compilerPlaces = systemCompiler
	t.Cleanup(func() { compilerPlaces = saved })
	dir := t.TempDir()
	if findCompiler([]string{dir}) == nil {
		if os.Getenv("REQUIRE_TOOLS") != "" {
			t.Fatal("apparmor_parser is not installed: apt-get install apparmor")
		}
		t.Skip("apparmor_parser is not installed")
	}
	for name, text := range map[string]string{
		"tunables/global": "@{etc}=/etc/ /usr/etc/\n",
		"abstractions/a":  "@{etc}/x r,\n",
		"web":             "include <tunables/global>\nprofile web {\n  /a r,\n}\n",
		"log":             `type=AVC msg=audit(1795427171.844:13): apparmor="DENIED" operation="open" profile="web" name="/etc/x" pid=1 comm="c" requested_mask="r" denied_mask="r" fsuid=0 ouid=0` + "\n",
	} {
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700))
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	var stdout, stderr bytes.Buffer
	args := []string{"explain", filepath.Join(dir, "log"), "--profile-dir", dir, "--format", "json"}
	assert.Equal(t, exitFound, run(context.Background(), args, strings.NewReader(""), &stdout, &stderr))
	assert.Contains(t, stdout.String(), `"rule":"include <abstractions/a>"`)
	assert.Contains(t, stdout.String(), "apparmor_parser takes the rule")
	assert.Empty(t, stderr.String())
}
