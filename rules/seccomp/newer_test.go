package seccomp

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/whydenied/whydenied/rules"
)

// TestMendedBy holds which releases are named as a remedy: newer ones, and only while the
// newest is among them.
func TestMendedBy(t *testing.T) {
	for _, c := range []struct {
		arch                  Arch
		call, engine, version string
		releases, answer      string
	}{
		{X86_64, "clone3", "docker", "20.10.7", "Docker 20.10.10 to 29.7.2", "errno 38 (ENOSYS)"},
		{PPC64LE, "fchmodat2", "docker", "24.0.5", "Docker 25.0.3 to 29.7.2", "allow"},
		{RISCV64, "riscv_flush_icache", "docker", "24.0.7", "Docker 25.0.7 to 25.0.17 or 27.3.0 to 29.7.2", "allow"},
		{X86_64, "clone3", "docker", "", "Docker 20.10.10 to 29.7.2", "errno 38 (ENOSYS)"},
		{X86_64, "io_uring_setup", "docker", "28.0.0", "", ""}, // older ones allow it
		{X86_64, "mount", "docker", "20.10.7", "", ""},
		{X86_64, "clone3", "", "", "", ""},
	} {
		releases, answer, ok := MendedBy(Call{Arch: c.arch, Name: c.call, Engine: Engine{Name: c.engine, Version: c.version}, Caps: []string{"CAP_CHOWN"}})
		assert.Equal(t, c.releases != "", ok, c.call)
		assert.Equal(t, c.releases, releases, c.call)
		if ok {
			assert.Equal(t, c.answer, answer.String(), c.call)
		}
	}
}

// TestOtherArch holds which architecture a profile's list speaks for.
func TestOtherArch(t *testing.T) {
	for list, want := range map[string]Arch{
		`"architectures": ["SCMP_ARCH_ARM"],`:                       ARM,
		`"architectures": ["SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"],`:  AARCH64,
		`"architectures": ["SCMP_ARCH_S390X", "SCMP_ARCH_X86_64"],`: 0,
		`"archMap": [{"architecture": "SCMP_ARCH_AARCH64"}],`:       0,
		``: 0,
	} {
		p, _, err := Parse(rules.NewFile("p.json", `{"defaultAction": "SCMP_ACT_ERRNO", `+list+` "syscalls": []}`))
		require.NoError(t, err)
		assert.Equal(t, want, p.OtherArch(), list)
	}
}
