package seccomp

import (
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestSystemdGroup(t *testing.T) {
	for call, want := range map[string]string{
		"setpriority": "@resources", "chroot": "@mount", "mount": "@mount", "keyctl": "@keyring", "bpf": "@privileged", "getrandom": "@default",
		"io_uring_setup": "@aio", "landlock_create_ruleset": "@sandbox", "reboot": "@reboot", "fchown": "@chown", "userfaultfd": "@system-service", "nosuch": "",
	} {
		got, calls := SystemdGroup(call)
		assert.Equal(t, want, got, call)
		assert.Equal(t, want != "", slices.Contains(calls, call), call)
	}
	names, members := groups()
	assert.Greater(t, len(names), 25)
	for _, name := range names {
		for _, member := range members[name] {
			if strings.HasPrefix(member, "@") {
				assert.Contains(t, members, member)
			}
		}
	}
}

// What an older systemd has in a group, that of the table has, too.
func TestSystemdGroupsOfThisHost(t *testing.T) {
	said, err := exec.Command("systemd-analyze", "--version").Output()
	version := regexp.MustCompile(`^systemd (\d+)`).FindSubmatch(said)
	if err != nil || version == nil {
		t.Skip("systemd-analyze is not installed")
	}
	if n, _ := strconv.Atoi(string(version[1])); n > 257 {
		t.Skipf("systemd %d is newer than the table", n)
	}
	out, err := exec.Command("systemd-analyze", "syscall-filter").Output()
	require.NoError(t, err)
	_, members := groups()
	group, compared := "", 0
	for line := range strings.Lines(string(out)) {
		switch name := strings.TrimSpace(line); {
		case strings.HasPrefix(line, "@") || strings.HasPrefix(line, "#"):
			group = name
		case members[group] != nil && name != "" && !strings.HasPrefix(name, "#"):
			assert.Contains(t, members[group], name, group)
			compared++
		}
	}
	assert.Greater(t, compared, 400)
}
