package explain_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/whydenied/whydenied/explain"
	"github.com/whydenied/whydenied/explain/library"
	"github.com/whydenied/whydenied/explain/patch"
	"github.com/whydenied/whydenied/parser"
	"github.com/whydenied/whydenied/rules"
)

// refusedCall explains a call that was refused with EPERM: under a profile, or Docker's
// own for "", in a container with some capabilities, nil for unknown.
func refusedCall(t *testing.T, d parser.Denial, profile string, caps []string) (*explain.Explained, *patch.Patch) {
	t.Helper()
	lib := library.New(t.TempDir(), nil)
	lib.Caps = caps
	if profile != "" {
		name := filepath.Join(t.TempDir(), "seccomp.json")
		require.NoError(t, os.WriteFile(name, []byte(profile), 0o600))
		_, err := lib.AddSeccomp(name)
		require.NoError(t, err)
	}
	x := explain.New(lib)
	g := explain.NewGroup(nil, explain.Filter{})
	g.Add(d)
	findings := x.ExplainAll(g.Findings())
	require.Len(t, findings, 1)
	return findings[0], patch.Make(x, findings)
}

// loggedCall is a record of a call, which has no arguments.
func loggedCall(t *testing.T, syscall int, program string) parser.Denial {
	return denials(t, fmt.Sprintf("type=SECCOMP msg=audit(1795427689.211:1270): auid=4294967295 uid=0 gid=0 ses=4294967295 subj=docker-default pid=3246 comm=%q exe=\"/usr/sbin/%s\" sig=0 arch=c000003e syscall=%d compat=0 ip=0x401007 code=0x50000\n", program, program, syscall))[0]
}

func messages(fixes []rules.Fix) (list []string) {
	for _, f := range fixes {
		list = append(list, f.Message)
	}
	return list
}

const (
	nrMount, nrSyslog, nrSwapon, nrUnshare, nrBPF, nrMbind = 165, 103, 167, 272, 321, 237
	nrIOUringSetup, nrFsopen, nrSethostname, nrAcct        = 425, 430, 170, 163
)

// Where the kernel itself asks for a capability, the remedy is that, and a filter that
// only allows the call is no part of a patch. The default profiles of engines open
// with it.
func TestCapabilityIsTheRemedy(t *testing.T) {
	for nr, name := range map[int]string{
		nrMount: "CAP_SYS_ADMIN", 166: "CAP_SYS_ADMIN", 155: "", 161: "", nrSethostname: "CAP_SYS_ADMIN", 171: "CAP_SYS_ADMIN",
		nrSyslog: "CAP_SYSLOG", nrAcct: "CAP_SYS_PACCT", 153: "CAP_SYS_TTY_CONFIG", 300: "", nrBPF: "CAP_BPF", 298: "CAP_PERFMON",
		175: "CAP_SYS_MODULE", 169: "CAP_SYS_BOOT", 304: "CAP_DAC_READ_SEARCH", 308: "CAP_SYS_ADMIN", 164: "CAP_SYS_TIME", nrFsopen: "CAP_SYS_ADMIN",
	} {
		f, change := refusedCall(t, loggedCall(t, nr, "x"), "", []string{"CAP_CHOWN"})
		if name == "" { // refused in no case, not gated, or only with some arguments
			continue
		}
		require.NotEmpty(t, f.Fixes, "%d", nr)
		assert.Equal(t, name, f.Fixes[0].Capability, "%d: %v", nr, messages(f.Fixes))
		assert.Empty(t, f.Fixes[0].Edits, "%d", nr)
		assert.Contains(t, f.Fixes[0].Rule, "--cap-add "+name[len("CAP_"):])
		require.Len(t, change.Capabilities, 1, "%d: %v", nr, change.Left)
		assert.Equal(t, name, change.Capabilities[0].Name)
		assert.Empty(t, change.Changes, "%d: a profile that cannot help alone", nr)
	}
}

// A profile of one's own has to allow the call, too, unless it opens with the
// capability; and where two capabilities would do, it is the lesser.
func TestCapabilityAndProfile(t *testing.T) {
	const head = `{"defaultAction":"SCMP_ACT_ERRNO","architectures":["SCMP_ARCH_X86_64"],"syscalls":[{"names":["read","statx"],"action":"SCMP_ACT_ALLOW"}`
	const plain = head + `]}`
	gated := func(call, name string) string {
		return head + `,{"names":["` + call + `"],"action":"SCMP_ACT_ALLOW","includes":{"caps":["` + name + `"]}}]}`
	}
	for _, c := range []struct {
		name, profile string
		nr            int
		caps          []string
		fixes         []string
		capability    string // of the first
		edits         bool   // of the first
	}{
		{"lacking", plain, nrMount, []string{}, []string{"allow mount, and give the container CAP_SYS_ADMIN"}, "CAP_SYS_ADMIN", true},
		{"not known", plain, nrMount, nil, []string{"allow mount, and give the container CAP_SYS_ADMIN if it does not hold it"}, "CAP_SYS_ADMIN", true},
		{"held", plain, nrMount, []string{"CAP_SYS_ADMIN"}, []string{"allow mount"}, "", true},
		{"the greater is held", plain, nrBPF, []string{"CAP_SYS_ADMIN"}, []string{"allow bpf whatever its arguments, which the record does not say"}, "", true},
		{"gated by it", gated("swapon", "CAP_SYS_ADMIN"), nrSwapon, []string{}, []string{"give the container CAP_SYS_ADMIN, with which the profile allows swapon by itself"}, "CAP_SYS_ADMIN", false},
		{"gated by more than the kernel asks for", gated("syslog", "CAP_SYS_ADMIN"), nrSyslog, []string{},
			[]string{"allow syslog whatever its arguments, which the record does not say, and give the container CAP_SYSLOG"}, "CAP_SYSLOG", true},
		{"gated by what the kernel does not ask for", gated("mkdir", "CAP_SYS_ADMIN"), 83, []string{}, []string{"allow mkdir"}, "", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			f, change := refusedCall(t, loggedCall(t, c.nr, "x"), c.profile, c.caps)
			require.Equal(t, c.fixes, messages(f.Fixes))
			assert.Equal(t, c.capability, f.Fixes[0].Capability)
			assert.Equal(t, c.edits, len(f.Fixes[0].Edits) > 0)
			assert.Equal(t, c.edits, len(change.Changes) > 0)
			assert.Equal(t, c.capability != "", len(change.Capabilities) == 1)
			require.Len(t, change.Remedies, 1)
			assert.Equal(t, c.edits, change.Remedies[0].File != "")
		})
	}
}

// A user namespace needs no capability to be made, other namespaces do.
func TestNamespaceFlags(t *testing.T) {
	for _, c := range []struct {
		flags      uint64
		capability string
	}{{0x10000000, ""}, {0x10020000, ""}, {0x20000, "CAP_SYS_ADMIN"}, {0x40000000, "CAP_SYS_ADMIN"}} {
		d := tracedDenial(nrUnshare, 0x50000, 1, c.flags)
		d.Subject.Label = "docker-default"
		f, change := refusedCall(t, d, "", []string{})
		require.NotEmpty(t, f.Fixes)
		assert.Equal(t, c.capability, f.Fixes[0].Capability, "%#x: %v", c.flags, messages(f.Fixes))
		assert.Equal(t, c.capability == "", len(change.Changes) > 0, "%#x", c.flags)
	}
	f, _ := refusedCall(t, loggedCall(t, nrUnshare, "x"), "", []string{})
	require.GreaterOrEqual(t, len(f.Fixes), 2, "the record has no arguments")
	assert.NotEmpty(t, f.Fixes[0].Edits)
	assert.Equal(t, "CAP_SYS_ADMIN", f.Fixes[len(f.Fixes)-1].Capability)
	assert.Contains(t, fmt.Sprint(f.Notes), "unless CLONE_NEWUSER is among the flags")
}

// A process that may make a user namespace holds all capabilities in it.
func TestOwnUserNamespace(t *testing.T) {
	const profile = `{"defaultAction":"SCMP_ACT_ERRNO","architectures":["SCMP_ARCH_X86_64"],"syscalls":[{"names":["read","unshare","statx"],"action":"SCMP_ACT_ALLOW"},` +
		`{"names":["mount","swapon"],"action":"SCMP_ACT_ALLOW","includes":{"caps":["CAP_SYS_ADMIN"]}}]}`
	f, _ := refusedCall(t, loggedCall(t, nrMount, "x"), profile, []string{})
	assert.Equal(t, []string{"give the container CAP_SYS_ADMIN, with which the profile allows mount by itself",
		"allow mount, of use to a process in a user namespace of its own"}, messages(f.Fixes))
	f, _ = refusedCall(t, loggedCall(t, nrSwapon, "x"), profile, []string{})
	assert.Len(t, f.Fixes, 1, "swapon wants the capability on the host: %v", messages(f.Fixes))
}

// Calls that go together are one alternative, the first where none is of use alone.
func TestSets(t *testing.T) {
	f, change := refusedCall(t, loggedCall(t, nrIOUringSetup, "x"), "", []string{})
	assert.Equal(t, []string{"allow io_uring_setup with io_uring_enter and io_uring_register, which go together: a ring is set up, then entered", "allow io_uring_setup"}, messages(f.Fixes))
	assert.Equal(t, "medium", f.Fixes[0].Risk.String())
	assert.Empty(t, f.Fixes[0].Grants)
	require.Len(t, change.Changes, 1)
	for _, name := range []string{"io_uring_setup", "io_uring_enter", "io_uring_register"} {
		assert.Contains(t, change.Changes[0].New, `"`+name+`"`)
	}

	const list = `{"defaultAction":"SCMP_ACT_ERRNO","architectures":["SCMP_ARCH_X86_64"],"syscalls":[{"names":["read","landlock_add_rule","set_mempolicy","zz_last"],"action":"SCMP_ACT_ALLOW"}]}`
	f, _ = refusedCall(t, loggedCall(t, 444, "x"), list, nil)
	require.NotEmpty(t, f.Fixes)
	assert.Equal(t, "allow landlock_create_ruleset with landlock_restrict_self, which go together: a ruleset is made, filled, then put in force", f.Fixes[0].Message)
	f, _ = refusedCall(t, loggedCall(t, nrMbind, "numad"), list, nil)
	require.Len(t, f.Fixes, 2, "%v", messages(f.Fixes))
	assert.Equal(t, "allow mbind", f.Fixes[0].Message)
	assert.Contains(t, f.Fixes[1].Message, "allow mbind with get_mempolicy and set_mempolicy_home_node")
	f, _ = refusedCall(t, loggedCall(t, nrFsopen, "x"), list, []string{})
	require.NotEmpty(t, f.Fixes)
	assert.Equal(t, "CAP_SYS_ADMIN", f.Fixes[0].Capability)
	assert.Contains(t, f.Fixes[0].Message, "allow fsopen with fsconfig, fsmount and move_mount")
}

// Where the program is known to go on without the call, nothing needs to be changed.
func TestCopes(t *testing.T) {
	f, change := refusedCall(t, loggedCall(t, nrMbind, "mysqld"), "", []string{})
	assert.Contains(t, fmt.Sprint(f.Notes), "Leave it refused")
	assert.Equal(t, "low", f.Fixes[0].Risk.String())
	require.Len(t, change.Left, 1)
	assert.Contains(t, change.Left[0].Reason, "not needed: mysqld goes on")
	f, _ = refusedCall(t, loggedCall(t, nrMbind, "numad"), "", []string{})
	assert.NotContains(t, fmt.Sprint(f.Notes), "Leave it refused")
}

// A capability does not help where AppArmor refuses it, too.
func TestMountUnderAppArmor(t *testing.T) {
	f, _ := refusedCall(t, loggedCall(t, nrMount, "mount"), "", []string{})
	assert.Contains(t, fmt.Sprint(f.Notes), "profile docker-default refuses mounts, too: `deny mount,`")
	f, _ = refusedCall(t, loggedCall(t, nrSwapon, "x"), "", []string{})
	assert.NotContains(t, fmt.Sprint(f.Notes), "AppArmor is asked next")
}

// A capability that a container is given is its root's.
func TestCapabilityOfUsers(t *testing.T) {
	d := loggedCall(t, nrSyslog, "dmesg")
	d.Subject.UID = 1000
	f, _ := refusedCall(t, d, "", []string{})
	assert.Contains(t, fmt.Sprint(f.Notes), "The process ran as user 1000")
	assert.Contains(t, fmt.Sprint(f.Notes), "userns-remap")
}
