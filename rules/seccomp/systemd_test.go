package seccomp

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/whydenied/whydenied/rules"
)

// unitOf is the filter of a unit with some settings.
func unitOf(t *testing.T, settings string) *Profile {
	t.Helper()
	p, diagnostics, err := Parse(rules.NewFile("x.service", "[Unit]\nSystemCallFilter=nothing\n[Service]\n"+settings))
	require.NoError(t, err)
	require.Empty(t, diagnostics)
	require.Equal(t, Unit, p.Form)
	return p
}

// What units of systemd answer is what systemd.exec(5) says of their settings.
func TestUnit(t *testing.T) {
	const cloneNewUser, cloneNewNet = 0x10000000, 0x40000000
	for _, c := range []struct {
		settings, call string
		args           []uint64
		want           string // of the outcome
	}{
		{"SystemCallFilter=@system-service", "read", nil, "allow"},
		{"SystemCallFilter=@system-service", "mount", nil, "kill_process"},
		{"SystemCallFilter=@system-service", "nanosleep", nil, "allow"}, // @default
		{"SystemCallFilter=@system-service\nSystemCallErrorNumber=EPERM", "mount", nil, "errno(1)"},
		{"SystemCallFilter=@system-service\nSystemCallErrorNumber=13", "mount", nil, "errno(13)"},
		{"SystemCallFilter=@system-service\nSystemCallFilter=mount", "mount", nil, "allow"},
		{"SystemCallFilter=@system-service\nSystemCallFilter=~@resources", "setpriority", nil, "kill_process"},
		{"SystemCallFilter=@system-service\nSystemCallFilter=~@resources:EPERM", "setpriority", nil, "kill_process"},
		{"SystemCallFilter=~@mount @swap", "mount", nil, "kill_process"},
		{"SystemCallFilter=~@mount:EPERM @swap", "mount", nil, "errno(1)"},
		{"SystemCallFilter=~@mount:EPERM @swap", "swapon", nil, "kill_process"},
		{"SystemCallFilter=~@mount", "read", nil, "allow"},
		{"SystemCallFilter=~@mount\nSystemCallFilter=mount", "mount", nil, "allow"},
		{"SystemCallFilter=~@mount\nSystemCallFilter=mount", "umount2", nil, "kill_process"},
		{"SystemCallFilter=~@mount\nSystemCallFilter=\nSystemCallFilter=@mount read", "write", nil, "kill_process"},
		{"SystemCallFilter=~@mount \\\n# a comment\n  @swap", "swapon", nil, "kill_process"},
		{"RestrictNamespaces=yes", "unshare", []uint64{cloneNewUser}, "errno(1)"},
		{"RestrictNamespaces=yes", "clone", []uint64{17}, "allow"},
		{"RestrictNamespaces=yes", "clone3", nil, "errno(38)"},
		{"RestrictNamespaces=net", "unshare", []uint64{cloneNewNet}, "allow"},
		{"RestrictNamespaces=net", "unshare", []uint64{cloneNewUser}, "errno(1)"},
		{"RestrictNamespaces=~user", "unshare", []uint64{cloneNewUser}, "errno(1)"},
		{"RestrictNamespaces=~user", "unshare", []uint64{cloneNewNet}, "allow"},
		{"RestrictNamespaces=yes\nRestrictNamespaces=user", "unshare", []uint64{cloneNewUser}, "allow"},
		{"RestrictNamespaces=yes\nRestrictNamespaces=user", "unshare", []uint64{cloneNewNet}, "errno(1)"},
		{"RestrictAddressFamilies=AF_UNIX\nRestrictAddressFamilies=AF_INET", "socket", []uint64{2, 1, 0}, "allow"},
		{"RestrictAddressFamilies=none", "socket", []uint64{2, 1, 0}, "errno(97)"},
		{"RestrictNamespaces=no\nLockPersonality=yes", "unshare", []uint64{cloneNewUser}, "allow"},
		{"SystemCallFilter=@system-service\nRestrictNamespaces=yes", "clone", []uint64{17}, "allow"},
		{"SystemCallFilter=@system-service\nRestrictNamespaces=yes", "clone", []uint64{cloneNewUser}, "errno(1)"},
		{"RestrictAddressFamilies=AF_UNIX AF_INET", "socket", []uint64{2, 1, 0}, "allow"},
		{"RestrictAddressFamilies=AF_UNIX AF_INET", "socket", []uint64{16, 3, 0}, "errno(97)"},
		{"RestrictAddressFamilies=AF_UNIX AF_INET", "socket", []uint64{60, 3, 0}, "errno(97)"},
		{"RestrictAddressFamilies=~AF_NETLINK", "socket", []uint64{16, 3, 0}, "errno(97)"},
		{"RestrictAddressFamilies=~AF_NETLINK", "socket", []uint64{2, 3, 0}, "allow"},
		{"SystemCallFilter=@system-service\nRestrictAddressFamilies=AF_UNIX", "socket", []uint64{1, 1, 0}, "allow"},
		{"SystemCallFilter=@system-service\nRestrictAddressFamilies=AF_UNIX", "socket", []uint64{2, 1, 0}, "errno(97)"},
		{"MemoryDenyWriteExecute=true", "mmap", []uint64{0, 4096, 7, 0x22}, "errno(1)"},
		{"MemoryDenyWriteExecute=true", "mmap", []uint64{0, 4096, 5, 2}, "allow"},
		{"MemoryDenyWriteExecute=true", "mprotect", []uint64{0, 4096, 5}, "errno(1)"},
		{"LockPersonality=true", "personality", []uint64{0x40000}, "errno(1)"},
		{"RestrictRealtime=true", "sched_setscheduler", []uint64{0, 1}, "errno(1)"},
		{"RestrictSUIDSGID=true", "chmod", []uint64{0, 0o4755}, "errno(1)"},
		{"RestrictSUIDSGID=true", "fchmodat", []uint64{0, 0, 0o2755}, "errno(1)"},
		{"ProtectClock=yes", "settimeofday", nil, "errno(1)"},
		{"ProtectHostname=yes\nSystemCallFilter=sethostname", "sethostname", nil, "errno(1)"},
		{"PrivateDevices=no\nProtectKernelLogs=yes", "syslog", nil, "errno(1)"},
	} {
		p := unitOf(t, c.settings+"\n")
		d := p.Decide(Call{Arch: X86_64, Host: X86_64, Name: c.call, Args: c.args, Loader: Loader{Libseccomp: "2.5.4"}})
		got := d.Action.String()
		if d.Action == Errno {
			got = fmt.Sprintf("errno(%d)", d.Errno)
		}
		assert.Equal(t, c.want, got, "%s: %s%v", c.settings, c.call, c.args)
		assert.False(t, d.Undecidable, "%s: %s%v", c.settings, c.call, c.args)
		_, err := p.Allow(c.call)
		assert.Error(t, err, "a drop-in is the way")
	}
}

// What systemctl show prints is read, too: a line for each property, of which not all are
// settings of a filter.
func TestUnitShown(t *testing.T) {
	shown := "Type=simple\nSystemCallFilter=~kexec_load mount:EPERM\nSystemCallArchitectures=\nSystemCallErrorNumber=0\nRestrictAddressFamilies=~\nRestrictNamespaces=no\nId=web.service\n"
	p, _, err := Parse(rules.NewFile("show", shown))
	require.NoError(t, err)
	mount := p.Decide(Call{Arch: X86_64, Host: X86_64, Name: "mount"})
	assert.Equal(t, Errno, mount.Action)
	assert.Equal(t, "mount:EPERM", mount.At(p).Text())
	assert.Equal(t, KillProcess, p.Decide(Call{Arch: X86_64, Host: X86_64, Name: "kexec_load"}).Action)
	assert.Equal(t, Allow, p.Decide(Call{Arch: X86_64, Host: X86_64, Name: "socket", Args: []uint64{16}}).Action)

	for _, text := range []string{"[Service]\nExecStart=/bin/true\n", "[Service]\n", "[Service]\nSystemCallFilter=\n"} {
		_, _, err := Parse(rules.NewFile("x.service", text))
		assert.ErrorContains(t, err, "no SystemCallFilter=", text)
	}
}

// A unit costs what it is long: calls that are listed and taken out again are many here, and
// groups many more.
func TestUnitBounds(t *testing.T) {
	var names strings.Builder
	for i := range 200_000 {
		fmt.Fprintf(&names, " a%d", i)
	}
	p := unitOf(t, "SystemCallFilter=read"+names.String()+"\nSystemCallFilter=~a0"+names.String())
	assert.Equal(t, 1, strings.Count(fmt.Sprint(p.Entries[len(p.Entries)-1].Names), "read"))

	_, _, err := Parse(rules.NewFile("u.service", "[Service]\nSystemCallFilter="+strings.Repeat("@system-service ", 100_000)))
	assert.ErrorContains(t, err, "names calls more than 600000 times")
}
