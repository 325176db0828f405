package explain

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/whydenied/whydenied/explain/container"
)

// seccompFinding explains one SECCOMP record under a profile, or under what the
// label and the inventory give away if the profile is empty.
func seccompFinding(t *testing.T, label string, arch uint32, syscall int, code uint32, profile string, inventory *container.Inventory) *Finding {
	t.Helper()
	policy := NewPolicy(t.TempDir(), nil)
	if profile != "" {
		name := filepath.Join(t.TempDir(), "seccomp.json")
		require.NoError(t, os.WriteFile(name, []byte(profile), 0o600))
		_, err := policy.AddSeccomp(name)
		require.NoError(t, err)
	}
	var find func(container.Subject) container.Container
	if inventory != nil {
		find = inventory.Find
	}
	g := NewGroup(find, Filter{})
	for _, d := range denials(t, fmt.Sprintf("type=SECCOMP msg=audit(1795427689.211:1270): auid=4294967295 uid=0 gid=0 ses=4294967295 subj=%s pid=3246 comm=\"x\" exe=\"/x\" sig=0 arch=%x syscall=%d compat=0 ip=0x401007 code=0x%x\n", label, arch, syscall, code)) {
		g.Add(d)
	}
	findings := g.Findings()
	require.Len(t, findings, 1)
	policy.Explain(findings[0])
	return findings[0]
}

func TestSeccompCauses(t *testing.T) {
	const (
		amd64, i386     = 0xc000003e, 0x40000003
		errno, kill     = 0x50000, 0x80000000
		threadKill, log = 0, 0x7ffc0000
		mkdir, getpid   = 83, 39
		unshare, socket = 272, 41
	)
	const allowList = `{"defaultAction":"SCMP_ACT_ERRNO","architectures":["SCMP_ARCH_X86_64"],"syscalls":[` +
		`{"names":["read","write"],"action":"SCMP_ACT_ALLOW"},` +
		`{"names":["socket"],"action":"SCMP_ACT_ALLOW","args":[{"index":0,"value":1,"op":"SCMP_CMP_EQ"}]},` +
		`{"names":["unshare"],"action":"SCMP_ACT_ALLOW","includes":{"caps":["CAP_SYS_ADMIN"]}},` +
		`{"names":["getpid"],"action":"SCMP_ACT_ALLOW","includes":{"minKernel":"99.0"}},` +
		`{"names":["statx"],"action":"SCMP_ACT_ALLOW"}]}`
	const denyList = `{"defaultAction":"SCMP_ACT_ALLOW","architectures":["SCMP_ARCH_X86_64"],"syscalls":[{"names":["mkdir","mkdirat"],"action":"SCMP_ACT_KILL_PROCESS"}]}`
	noCaps := new(container.Inventory)
	noCaps.Add(container.Container{ID: "c1", Name: "c1", AppArmorProfile: "lab", Caps: []string{}, SeccompProfile: allowList})
	for _, c := range []struct {
		name      string
		label     string
		arch      uint32
		syscall   int
		code      uint32
		profile   string
		inventory *container.Inventory
		cause     Cause
		decision  Decision
		fixed     bool
	}{
		{"not listed", "lab", amd64, mkdir, errno, allowList, nil, SyscallNotListed, Refused, true},
		{"denied", "lab", amd64, mkdir, kill, denyList, nil, SyscallDenied, Refused, true},
		{"arguments unknown", "lab", amd64, socket, errno, allowList, nil, UndecidableArguments, Undecidable, true},
		{"capability", "lab", amd64, unshare, errno, "", noCaps, CapabilityGated, Refused, true},
		{"architecture", "lab", i386, mkdir, threadKill, allowList, nil, ArchNotListed, Refused, true},
		{"a condition that held", "lab", amd64, 135, kill, `{"defaultAction":"SCMP_ACT_ALLOW","architectures":["SCMP_ARCH_X86_64"],"syscalls":[{"names":["personality"],"action":"SCMP_ACT_KILL_PROCESS","args":[{"index":0,"value":8,"op":"SCMP_CMP_EQ"}]}]}`, nil, SyscallDenied, Refused, true},
		{"x32", "lab", amd64, 1<<30 | mkdir, threadKill, allowList, nil, ArchNotListed, Refused, false},
		{"logged only", "lab", amd64, mkdir, log, allowList, nil, LoggedOnly, Refused, true},
		{"logged only, and allowed", "lab", amd64, 332, log, allowList, nil, LoggedOnly, Granted, false},
		{"another filter", "lab", amd64, mkdir, kill, allowList, nil, FlagsMismatch, Refused, false},
		{"no profile", "lab", amd64, mkdir, errno, "", nil, ProfileNotFound, Undecidable, false},
		{"Docker's default", "docker-default", amd64, unshare, errno, "", nil, CapabilityGated, Refused, true},
		{"listed nowhere in Docker's default", "docker-default", amd64, 246, errno, "", nil, SyscallNotListed, Refused, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := seccompFinding(t, c.label, c.arch, c.syscall, c.code, c.profile, c.inventory)
			assert.Equal(t, c.cause, f.Cause, f.Why)
			assert.Equal(t, c.decision, f.Decision)
			assert.Equal(t, c.fixed, len(f.Fixes) > 0, "%+v", f.Fixes)
			assert.NotEmpty(t, f.Why)
		})
	}
}
