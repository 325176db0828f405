package seccomp

import (
	"fmt"
	"os"
	"regexp"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestSyscallName(t *testing.T) {
	tests := []struct {
		arch Arch
		nr   uint32
		name string
	}{
		{X86_64, 0, "read"}, {X86_64, 435, "clone3"}, {X86_64, 469, "file_setattr"}, {X86_64, 470, "listns"}, {X86_64, 335, "uretprobe"},
		{X86_64, x32Bit, "read"}, {X86_64, x32Bit | 512, "rt_sigaction"}, {X86_64, x32Bit | 547, "pwritev2"}, {X86_64, x32Bit | 59, ""}, {X86_64, 512, ""},
		{I386, 102, "socketcall"}, {I386, 403, "clock_gettime64"}, {I386, 11, "execve"},
		{AARCH64, 221, "execve"}, {AARCH64, 244, ""}, {ARM, 0xf0005, "set_tls"}, {ARM, 0, "restart_syscall"},
		{RISCV64, 259, "riscv_flush_icache"}, {LOONGARCH64, 63, "read"}, {S390X, 11, "execve"}, {PPC64LE, 249, "swapcontext"},
		{MIPS, 4011, "execve"}, {MIPSEL64, 5000, "read"}, {SPARC64, 59, "execve"},
		{X86_64, 4294967295, ""}, {Arch(0x12345678), 0, ""}, {MIPS, 0, ""},
	}
	for _, test := range tests {
		name, ok := SyscallName(test.arch, test.nr)
		assert.Equal(t, test.name, name, "%s %d", test.arch, test.nr)
		assert.Equal(t, test.name != "", ok)
		if ok && test.nr&x32Bit == 0 {
			nr, ok := SyscallNumber(test.arch, name)
			assert.True(t, ok)
			assert.Equal(t, test.nr, nr)
		}
	}
}

// The kernel's own headers, where they are installed.
func TestSyscallHeaders(t *testing.T) {
	define := regexp.MustCompile(`(?m)^#define __NR_(\w+) (?:\(__X32_SYSCALL_BIT \+ )?(\d+)\)?$`)
	for header, bit := range map[string]uint32{"unistd_64.h": 0, "unistd_x32.h": x32Bit, "unistd_32.h": 1} {
		text, err := os.ReadFile("/usr/include/x86_64-linux-gnu/asm/" + header)
		if err != nil {
			t.Skipf("kernel header %s is missing", header)
		}
		arch := X86_64
		if bit == 1 {
			arch, bit = I386, 0
		}
		found := define.FindAllStringSubmatch(string(text), -1)
		require.Greater(t, len(found), 300)
		for _, m := range found {
			nr, err := strconv.ParseUint(m[2], 10, 32)
			require.NoError(t, err)
			name, _ := SyscallName(arch, uint32(nr)|bit)
			assert.Equal(t, m[1], name, "%s %d", header, nr)
		}
	}
}

func TestParseArch(t *testing.T) {
	for s, want := range map[string]Arch{
		"x86_64": X86_64, "amd64": X86_64, "SCMP_ARCH_X86_64": X86_64, "c000003e": X86_64, "0xC000003E": X86_64, "x32": X86_64,
		"AUDIT_ARCH_AARCH64": AARCH64, "arm64": AARCH64, "386": I386, "i386": I386, "SCMP_ARCH_X86": I386, "40000003": I386,
		"loong64": LOONGARCH64, "mipsle": MIPSEL, "ppc64el": PPC64LE, "s390x": S390X, "riscv64": RISCV64, "arm": ARM, "0x4000008c": 0x4000008c,
	} {
		got, err := ParseArch(s)
		require.NoError(t, err, s)
		assert.Equal(t, want, got, s)
	}
	for _, s := range []string{"", "vax", "0", "123456789a", "SCMP_ARCH_"} {
		_, err := ParseArch(s)
		assert.ErrorContains(t, err, "c000003e", s)
	}
	assert.Equal(t, "x86_64 i386 aarch64 0x4000008c", fmt.Sprint(X86_64, " ", I386, " ", AARCH64, " ", Arch(0x4000008c)))
	assert.Equal(t, "SCMP_ARCH_X86", I386.SCMP())
}

func TestAction(t *testing.T) {
	for code, want := range map[Action]string{0x80000000: "kill_process", 0: "kill_thread", 0x30000: "trap", 0x50001: "errno",
		0x7fc00000: "user_notif", 0x7ff00000: "trace", 0x7ffc0000: "log", 0x7fff0000: "allow", 0x12340000: "0x12340000"} {
		assert.Equal(t, want, code.String())
	}
	for _, a := range actions {
		got, ok := ParseAction(a.scmp)
		assert.True(t, ok)
		assert.Equal(t, a.action, got)
	}
	assert.Equal(t, "EPERM ENOSYS EHWPOISON 41 4096", fmt.Sprint(ErrnoName(1), " ", ErrnoName(38), " ", ErrnoName(133), " ", ErrnoName(41), " ", ErrnoName(4096)))
}
