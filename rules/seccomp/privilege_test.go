package seccomp

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Each row of the table is of system calls that there are, names capabilities that
// there are, and says where that is written; what needs none says in which case.
func TestPrivilegeTable(t *testing.T) {
	caps := strings.Fields(`BPF DAC_READ_SEARCH IPC_LOCK MKNOD NET_ADMIN NET_RAW PERFMON SETGID SETUID SYSLOG SYS_ADMIN SYS_BOOT
		SYS_CHROOT SYS_MODULE SYS_NICE SYS_PACCT SYS_PTRACE SYS_RAWIO SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG WAKE_ALARM`)
	for _, r := range privileges {
		for _, name := range r.names {
			known := false
			for _, n := range numberings() {
				_, ok := n.numbers[name]
				known = known || ok
			}
			assert.True(t, known, "no architecture has %s", name)
		}
		for _, name := range r.Caps {
			assert.Contains(t, caps, strings.TrimPrefix(name, "CAP_"))
		}
		assert.Equal(t, len(r.Caps) > 0, r.Source != "", "%v", r.names)
		assert.True(t, len(r.Caps) > 0 || r.Unless != "", "%v", r.names)
		for _, b := range r.when {
			for _, v := range b.values {
				assert.Equal(t, v, v&b.mask, "%v: a value outside of the mask never holds", r.names)
			}
		}
	}
	for _, name := range PrivilegedCalls() { // the last row is for all arguments
		rows, _ := candidates(name, nil)
		require.NotEmpty(t, rows, name)
	}
}

func TestPrivilege(t *testing.T) {
	for _, c := range []struct {
		name   string
		args   []uint64
		caps   string // "" for none
		unless string
		host   bool
	}{
		{"mount", nil, "CAP_SYS_ADMIN", "", false},
		{"read", nil, "", "", false},
		{"set_mempolicy", nil, "", "", false},
		{"unshare", []uint64{0x20000}, "CAP_SYS_ADMIN", "", false},
		{"unshare", []uint64{0x10020000}, "", "", false},
		{"unshare", []uint64{0x200}, "", "", false},
		{"unshare", nil, "CAP_SYS_ADMIN", "CLONE_NEWUSER is among the flags, or the flags name no namespace", false},
		{"clone", []uint64{0x40000011}, "CAP_SYS_ADMIN", "", false},
		{"clone", []uint64{0x3d0f00}, "", "", false},
		{"clone", []uint64{0x91}, "", "", false}, // a signal number, not CLONE_NEWTIME
		{"clone3", []uint64{1, 88}, "CAP_SYS_ADMIN", "CLONE_NEWUSER is among the flags, or they name no namespace", false},
		{"syslog", []uint64{3, 0, 0}, "CAP_SYSLOG", "", true},
		{"syslog", nil, "CAP_SYSLOG", "", true},
		{"open_tree", []uint64{1, 0, 0x80000}, "", "", false},
		{"open_tree", []uint64{1, 0, 0x80001}, "CAP_SYS_ADMIN", "", false},
		{"fanotify_init", []uint64{0, 0}, "CAP_SYS_ADMIN", "", true},
		{"fanotify_init", []uint64{0x200, 0}, "", "", false},
		{"fanotify_init", []uint64{0x204, 0}, "CAP_SYS_ADMIN", "", true},
		{"quotactl", []uint64{0x80000100}, "", "", false},
		{"quotactl", []uint64{0xffffffff80000200}, "CAP_SYS_ADMIN", "", true}, // Q_QUOTAON, as an int
		{"bpf", []uint64{5}, "CAP_BPF CAP_SYS_ADMIN", "", false},
		{"bpf", []uint64{11}, "CAP_SYS_ADMIN", "", true},
		{"bpf", []uint64{1}, "CAP_BPF CAP_SYS_ADMIN", "", false}, // the descriptor comes from another command,
		{"mknod", []uint64{0, 0x11b6, 0}, "", "", false},
		{"mknod", []uint64{0, 0x21b6, 0x103}, "CAP_MKNOD", "", true},
		{"mknodat", []uint64{0, 0, 0x21b6, 0}, "", "", false},
		{"socket", []uint64{2, 0x80003, 1}, "CAP_NET_RAW", "", false},
		{"socket", []uint64{2, 2, 1}, "", "", false},
		{"socket", []uint64{17, 3, 0}, "CAP_NET_RAW", "", false},
		{"socket", []uint64{38, 5, 0}, "", "", false},
		{"socket", []uint64{40, 1, 0}, "", "", false},
		{"mbind", []uint64{0, 0, 0, 0, 0, 4}, "CAP_SYS_NICE", "", true},
		{"mbind", []uint64{0, 0, 0, 0, 0, 2}, "", "", false},
		{"mbind", []uint64{0, 0, 0, 0}, "CAP_SYS_NICE", "it moves no pages that other processes map (MPOL_MF_MOVE_ALL)", true},
		{"ioprio_set", []uint64{1, 0, 0x2004}, "CAP_SYS_NICE CAP_SYS_ADMIN", "", true},
		{"ioprio_set", []uint64{1, 0, 0x4004}, "", "", false},
		{"userfaultfd", []uint64{1}, "", "", false},
		{"userfaultfd", []uint64{0}, "CAP_SYS_PTRACE", "", true},
		{"ioctl", []uint64{0, 0x5412}, "CAP_SYS_ADMIN", "", true},
		{"ioctl", []uint64{0, 0x5401}, "", "", false},
		{"ptrace", []uint64{0}, "", "", false},
		{"clock_settime", []uint64{0}, "CAP_SYS_TIME", "", true},
	} {
		p, ok := Call{Arch: X86_64, Name: c.name, Args: c.args}.Privilege()
		assert.Equal(t, c.caps != "", ok, "%s %#x", c.name, c.args)
		assert.Equal(t, c.caps, strings.Join(p.Caps, " "), "%s %#x", c.name, c.args)
		assert.Equal(t, c.unless, p.Unless, "%s %#x", c.name, c.args)
		assert.Equal(t, c.host, p.Host, "%s %#x", c.name, c.args)
	}
	_, ok := Call{Arch: S390X, Name: "clone", Args: []uint64{0x3ffb3006000, 0x11}}.Privilege()
	assert.False(t, ok, "the flags are the second argument there")
	p, ok := Call{Arch: S390X, Name: "clone", Args: []uint64{0, newUser >> 1}}.Privilege()
	assert.True(t, ok && p.Unless == "", "%+v", p)
	p, ok = Call{Arch: X86_64, Name: "keyctl"}.Privilege()
	assert.True(t, ok && p.Maybe, "most operations ask for none")
}
