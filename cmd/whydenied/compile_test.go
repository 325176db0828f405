package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// withCompiler has apparmor_parser asked, if this machine has it.
func withCompiler(t *testing.T) {
	compilerName = "apparmor_parser"
	t.Cleanup(func() { compilerName = "" })
	if c, err := findCompiler(nil); c != nil && err == nil {
		return
	}
	if os.Getenv("REQUIRE_TOOLS") != "" {
		t.Fatal("apparmor_parser is not installed: apt-get install apparmor")
	}
	t.Skip("apparmor_parser is not installed")
}

// TestCompiler compiles policies with apparmor_parser.
func TestCompiler(t *testing.T) {
	withCompiler(t)
	dir := t.TempDir()
	c, err := findCompiler([]string{dir, "/etc/apparmor.d"})
	require.NoError(t, err)
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
	err = compile("profile p {\n  /a* Px,\n  /*b ix,\n}\n", nil)
	assert.ErrorContains(t, err, "conflicting x modifiers")
	assert.ErrorContains(t, compile("profile p {\n  nonsense\n}\n", nil), "/etc/apparmor.d/p")
	c.left = 0
	assert.Nil(t, c.start("p", policy, nil), "the budget is spent")
}

// A fix that includes an abstraction is judged with the variables which that
// needs, though its rule names none.
func TestCompilerTakesInclude(t *testing.T) {
	withCompiler(t)
	const record = `type=USER_AVC msg=audit(1700000000.000:3): pid=1 uid=0 auid=1 ses=1 subj=unconfined msg='apparmor="DENIED" operation="dbus_method_call"  bus="system" path="/org/freedesktop/systemd1" interface="org.freedesktop.systemd1.Manager" member="Get" mask="send" name="org.freedesktop.systemd1" pid=7 label="docker-default" peer_pid=1 peer_label="unconfined" exe="/usr/bin/dbus-daemon" sauid=1 hostname=? addr=? terminal=?'` + "\n"
	var stdout, stderr strings.Builder
	require.Equal(t, exitFound, run(t.Context(), []string{"explain", "-"}, strings.NewReader(record), &stdout, &stderr), stderr.String())
	assert.Regexp(t, `include the abstraction dbus(?s:.{0,400})apparmor_parser takes the rule`, stdout.String())
}
