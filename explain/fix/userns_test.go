package fix

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/whydenied/whydenied/explain/library"
	"github.com/whydenied/whydenied/rules"
)

func TestUserns(t *testing.T) {
	for _, c := range []struct{ exe, comm, header, note string }{
		{"/usr/bin/nsjail", "nsjail", "profile nsjail /usr/bin/nsjail flags=(unconfined) {", ""},
		{"", "nsjail", "profile nsjail /{,usr/,usr/local/}{,s}bin/nsjail flags=(unconfined) {", ""},
		{"", "chrome_crashpad", "profile chrome_crashpad /{,usr/,usr/local/}{,s}bin/chrome_crashpad* flags=(unconfined) {", ""},
		{"/opt/My App/app[1]", "app", `profile app-1- "/opt/My App/app\[1\]" flags=(unconfined) {`, ""},
		{"/usr/bin/bwrap", "bwrap", "profile bwrap /usr/bin/bwrap flags=(unconfined) {", "bwrap-userns-restrict"},
		{"/usr/bin/python3.12", "python3.12", "profile python3.12 /usr/bin/python3.12 flags=(unconfined) {", "runs whatever it is told to"},
	} {
		p := New(library.New(t.TempDir(), nil))
		f := p.Userns(c.exe, c.comm)
		changes, err := rules.Apply(f.Edits)
		require.NoError(t, err)
		if !assert.Len(t, changes, 1, c.exe+c.comm) {
			continue
		}
		assert.True(t, changes[0].File.Absent)
		assert.Contains(t, changes[0].New, "abi <abi/4.0>,\ninclude <tunables/global>\n\n")
		assert.Contains(t, changes[0].New, "\n"+c.header+"\n  userns,\n")
		assert.Equal(t, c.exe == "", strings.Contains(changes[0].New, "# No record says where the program lies."))
		assert.Equal(t, rules.High, f.Risk)
		assert.Contains(t, strings.Join(f.Notes, " "), c.note)
		assert.Equal(t, c.note == "", len(f.Notes) == 0)
		loads(t, "APPARMOR_PARSER_41", "trixie", changes[0].New)
		loads(t, "APPARMOR_PARSER_50", "sid", changes[0].New)
	}
	for _, none := range [][2]string{{"", ""}, {"", "(sd-userns)"}, {"relative", "x"}, {"", "kworker/0:1"}} {
		assert.Empty(t, New(library.New(t.TempDir(), nil)).Userns(none[0], none[1]).Edits, none)
	}
}

// loads holds that an apparmor_parser takes a policy: that which a variable names, or
// which .ci/parsers has got of a suite of Debian.
func loads(t *testing.T, variable, suite, text string) {
	t.Helper()
	tool := os.Getenv(variable)
	if cache, err := os.UserCacheDir(); tool == "" && err == nil {
		tool = filepath.Join(cache, "whydenied", "parsers", suite, "apparmor_parser")
	}
	if _, err := os.Stat(tool); err != nil {
		t.Logf("NOT RUN: %s names no apparmor_parser; .ci/parsers gets it", variable)
		return
	}
	base := strings.TrimSuffix(tool, "apparmor_parser") + "root/etc/apparmor.d"
	cmd := exec.Command(tool, "--skip-kernel-load", "--skip-cache", "--stdout", "--base", base, "--config-file", "/dev/null")
	cmd.Stdin = strings.NewReader(text)
	var said strings.Builder
	cmd.Stderr = &said
	out, err := cmd.Output()
	assert.NoError(t, err, "%s\n%s", said.String(), text)
	assert.NotEmpty(t, out, text)
}

// A name that is taken is not taken again.
func TestUsernsTaken(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(dir+"/nsjail", []byte("profile other {\n}\n"), 0o600))
	f := New(library.New(dir, nil)).Userns("/usr/bin/nsjail", "nsjail")
	assert.Equal(t, dir+"/nsjail-userns", f.Edits[0].At.File.Name)
	assert.Contains(t, f.Edits[0].New, "profile nsjail-userns /usr/bin/nsjail flags=(unconfined)")
}
