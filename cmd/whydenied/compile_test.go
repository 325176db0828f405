package main

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/whydenied/whydenied/explain/fix"
)

// withCompiler has apparmor_parser asked, if this machine has it.
func withCompiler(t *testing.T) {
	compilerName = "apparmor_parser"
	t.Cleanup(func() { compilerName = "" })
	if c, err := findCompiler(t.Context(), nil); c != nil && err == nil {
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
	c, err := findCompiler(t.Context(), []string{dir, "/etc/apparmor.d"})
	require.NoError(t, err)
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "local"), 0o700))
	local := filepath.Join(dir, "local", "p")
	require.NoError(t, os.WriteFile(local, []byte("/b r,\n"), 0o600))
	compile := func(text string, included map[string]string) error {
		return c.start("/etc/apparmor.d/p", text, included)()
	}
	const policy = "profile p {\n  /a r,\n  include <local/p>\n}\n"
	assert.NoError(t, compile(policy, nil))
	assert.NoError(t, compile(policy, map[string]string{local: "/b rw,\n"}))
	assert.ErrorContains(t, compile(policy, map[string]string{local: "/b rz,\n"}), "syntax error")
	err = compile("profile p {\n  /a* Px,\n  /*b ix,\n}\n", nil)
	assert.ErrorContains(t, err, "conflicting x modifiers")
	assert.ErrorContains(t, compile("profile p {\n  nonsense\n}\n", nil), "/etc/apparmor.d/p")
	c.left = 0
	assert.EqualError(t, compile(policy, nil), "apparmor_parser was not asked: it has had its 5s")
}

// slowCompiler is one that takes for ever.
func slowCompiler(t *testing.T, ctx context.Context) *compiler {
	if runtime.GOOS != "linux" {
		t.Skip("a script is no program there, and no limit holds")
	}
	path := filepath.Join(t.TempDir(), "apparmor_parser")
	require.NoError(t, os.WriteFile(path, []byte("#!/bin/sh\nsleep 600\n"), 0o700))
	return &compiler{ctx: ctx, path: path, dirs: []string{"/etc/apparmor.d"}, left: compilerTime}
}

// Whatever a policy takes of the compiler, the compiler takes no more than its
// limits and leaves nothing behind.
func TestCompilerLimits(t *testing.T) {
	tmp := t.TempDir()
	t.Setenv("TMPDIR", tmp)
	included := map[string]string{"/etc/apparmor.d/local/p": "/a r,\n"}
	c := slowCompiler(t, t.Context())
	c.left = 50 * time.Millisecond
	first, second := c.start("p", "", included), c.start("p", "", included)
	var said []string
	for _, err := range []error{first(), second()} {
		var notAsked *fix.NotAsked
		require.ErrorAs(t, err, &notAsked)
		said = append(said, notAsked.Why)
	}
	slices.Sort(said)
	assert.Equal(t, []string{"it has had its 5s", "it needs more than 512 MiB, or than the rest of its 5s"}, said)

	ctx, cancel := context.WithCancel(t.Context())
	wait := slowCompiler(t, ctx).start("p", "", included)
	cancel()
	assert.ErrorContains(t, wait(), "apparmor_parser was not asked")
	left, err := os.ReadDir(tmp)
	require.NoError(t, err)
	assert.Empty(t, left)
}

// What apparmor_parser does not say within its limits is told in the proof.
func TestCompilerNotAsked(t *testing.T) {
	withCompiler(t)
	saved := compilerTime
	compilerTime = time.Nanosecond
	t.Cleanup(func() { compilerTime = saved })
	profile := filepath.Join(t.TempDir(), "p")
	require.NoError(t, os.WriteFile(profile, []byte("abi <abi/3.0>,\nprofile p {\n}\n"), 0o600))
	const record = `type=AVC msg=audit(1700000000.000:3): apparmor="DENIED" operation="open" class="file" profile="p" name="/x" pid=7 comm="cat" requested_mask="r" denied_mask="r" fsuid=0 ouid=0` + "\n"
	for _, command := range []string{"explain", "patch"} {
		var stdout, stderr strings.Builder
		require.Equal(t, exitFound, run(t.Context(), []string{command, "--profile", profile, "-"}, strings.NewReader(record), &stdout, &stderr), stderr.String())
		assert.Contains(t, stdout.String(), "apparmor_parser was not asked: ", command)
	}
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
