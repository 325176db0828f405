package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/whydenied/whydenied/explain/escape/escapetest"
)

// TestCauses holds that each cause of an error is a line, whatever the error that it
// is part of says before it.
func TestCauses(t *testing.T) {
	missing := &fs.PathError{Op: "open", Path: "a b", Err: syscall.ENOENT}
	for _, c := range []struct {
		err  error
		want []string
	}{
		{errors.New("plain"), []string{"plain"}},
		{errors.Join(errors.New("a"), nil, errors.New("b")), []string{"a", "b"}},
		{fmt.Errorf("of x: %w", errors.Join(errors.New("a"), fmt.Errorf("y: %w", errors.Join(errors.New("b"), errors.New("c"))))), []string{"of x: a", "of x: y: b", "of x: y: c"}},
		{fmt.Errorf("%w, %w", errors.New("a"), errors.New("b")), []string{"a, b"}},
		{fmt.Errorf("cannot read: %w; name it", missing), []string{`cannot read: open "a b": no such file or directory; name it`}},
		{usageError{errors.New("u")}, []string{"u"}},
		{errReported, []string{"failed"}},
	} {
		assert.Equal(t, c.want, causes(c.err))
	}
}

// hostile are names that others choose and that a user or a script passes on.
var hostile = []string{"\x1b]8;;http://x\x1b\\", "::error::x", "##[error]x", "a\n::add-mask::b\n", "section_start:1:x\r\x1b[0K", "\u202ea", "\xff", "a b", "`", "%s%d"}

// TestMessagesAreText runs the commands with hostile names in each place that takes
// one, and files of such names that hold them: what is printed is text, and what is
// said is a line for each thing.
func TestMessagesAreText(t *testing.T) {
	if testing.Short() {
		t.Skip("asks one thing after the other, and takes long under the race detector")
	}
	dir := t.TempDir()
	web := filepath.Join(dir, "web")
	require.NoError(t, os.WriteFile(web, []byte("profile web {\n  deny /etc/** w,\n}\n"), 0o600))
	log := filepath.Join(dir, "log")
	require.NoError(t, os.WriteFile(log, []byte("type=AVC msg=audit(1795427169.844:1): apparmor=\"DENIED\" operation=\"open\" profile=\"web\" name=\"/x\" pid=7 comm=\"c\" requested_mask=\"r\" denied_mask=\"r\" fsuid=0 ouid=0\n"), 0o600))
	for _, name := range hostile {
		for _, args := range [][]string{
			{name}, {"--" + name}, {"help", name}, {"completion", name}, {"doctor", name}, {"trace", name}, {"observe", name},
			{"explain", log, "--since", name}, {"explain", log, "--format", name}, {"explain", log, "--color", name}, {"explain", log, "--profile", "builtin:" + name},
			{"explain", log, "--arch", name}, {"explain", log, "--container", name, "--comm", name}, {"explain", log, "--caps", name}, {"parse", "--format", name}, {"check", "builtin:" + name},
			{"query", "--profile", web, "--access", name}, {"query", "--profile", web, "--name", name, "--access", "open /x r"}, {"query", "--profile", web, "--access", "open " + name + " r"},
			{"query", "--seccomp", "builtin:docker", "--syscall", name}, {"query", "--seccomp", "builtin:" + name, "--syscall", "open"}, {"run", "--fail-on", name, "--", "true"},
		} {
			printsText(t, args)
		}
		path := filepath.Join(dir, strings.ReplaceAll(name, "/", "_"))
		for _, content := range []string{"", "profile \"" + strings.ReplaceAll(name, "\n", "") + "\" {\n  deny /b w,\n  " + name + "\n}\n", "{\"defaultAction\":\"" + name + "\"}", "kind: SeccompProfile\nspec: [" + name, "type=AVC apparmor=\"DENIED\" " + name + "\n"} {
			if content != "" {
				require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
			}
			for _, args := range [][]string{
				{"explain", path}, {"explain", path, path}, {"explain", log, "--seccomp", path}, {"explain", log, "--inventory", path}, {"explain", log, "--profile-dir", path},
				{"explain", log, "--strace", path}, {"explain", log, "--stderr", path, "--profile", web}, {"check", path}, {"check", web, path, "--format", "markdown"}, {"parse", path},
				{"query", "--profile", path, "--access", "open /x r"}, {"query", "--seccomp", path, "--syscall", "open"}, {"observe", "--seccomp", path},
				{"watch", "--source", path, "--cgroup", name}, {"run", "--baseline", path, "--", "true"}, {"collect", path},
			} {
				printsText(t, args)
			}
		}
	}
}

// printsText runs a command.
func printsText(t *testing.T, args []string) {
	var stdout, stderr bytes.Buffer
	run(context.Background(), args, strings.NewReader(""), &stdout, &stderr)
	for _, out := range []string{stdout.String(), stderr.String()} {
		assert.NoError(t, (&escapetest.Terminal{}).Print(out), "%q", args)
		assert.Empty(t, escapetest.Commands(out), "%q", args)
	}
	for line := range strings.Lines(stderr.String()) {
		assert.Regexp(t, `^(whydenied: |audit and)`, line, "%q", args)
		assert.NotRegexp(t, `[a-z)]\\n[a-z]`, line, "%q", args)
	}
}
