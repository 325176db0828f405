package source

import (
	"encoding/binary"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/whydenied/whydenied/parser"
)

// The places of registers in struct pt_regs of Linux 6.18, as its headers have them:
// arch/x86/include/asm/ptrace.h, arch/arm64/include/asm/ptrace.h.
var ptRegs = map[string]map[string]int{
	"amd64": {
		"bp": 32, "bx": 40, "r10": 56, "r9": 64, "r8": 72, "cx": 88, "dx": 96, "si": 104, "di": 112, "orig_ax": 120, "ip": 128,
	},
	"arm64": {
		"regs.1": 8, "regs.2": 16, "regs.3": 24, "regs.4": 32, "regs.5": 40, "pc": 256, "orig_x0": 272, "syscallno": 280,
	},
}

// rawCall makes what the programs leave, with each register given holding a value.
func rawCall(t *testing.T, arch string, result int64, compat, trap uint32, values map[string]uint64) []byte {
	t.Helper()
	raw := make([]byte, callRegs+336)
	binary.NativeEndian.PutUint64(raw[callTime:], 123456789)
	binary.NativeEndian.PutUint64(raw[callResult:], uint64(result))
	binary.NativeEndian.PutUint32(raw[callPID:], 4711)
	binary.NativeEndian.PutUint32(raw[callUID:], 1000)
	binary.NativeEndian.PutUint32(raw[callCompat:], compat)
	binary.NativeEndian.PutUint32(raw[callTrap:], trap)
	copy(raw[callComm:], "a\nb\x00rest")
	for name, v := range values {
		offset, ok := ptRegs[arch][name]
		require.True(t, ok, name)
		if name == "syscallno" {
			binary.NativeEndian.PutUint32(raw[callRegs+offset:], uint32(v))
			continue
		}
		binary.NativeEndian.PutUint64(raw[callRegs+offset:], v)
	}
	return raw
}

func places(t *testing.T, arch string) registers {
	t.Helper()
	r, err := registersOf(layouts[arch], func(member string) (int, error) {
		offset, ok := ptRegs[arch][member]
		if !ok {
			return 0, fmt.Errorf("no %s", member)
		}
		return offset, nil
	})
	require.NoError(t, err)
	return r
}

func TestTracedCall(t *testing.T) {
	const wide = 0xdeadbeef00000000
	amd64 := map[string]uint64{"orig_ax": 272, "ip": 0x401163, "di": 0x10000000, "si": 1<<64 - 1, "dx": 3, "r10": 4, "r8": 5, "r9": 6, "cx": 77, "bx": 88}
	i386 := map[string]uint64{"orig_ax": 39, "ip": 0x8049000, "bx": 1, "cx": 2 | wide, "dx": 3, "si": 4, "di": 5, "bp": 6}
	x32 := map[string]uint64{"orig_ax": 1<<30 | 83}
	arm64 := map[string]uint64{"syscallno": 97, "pc": 0xffff0000, "orig_x0": 0x20000, "regs.1": 2, "regs.2": 3, "regs.3": 4, "regs.4": 5, "regs.5": 6}
	for _, test := range []struct {
		name, arch   string
		result       int64
		compat, trap uint32
		values       map[string]uint64
		want         parser.Seccomp
	}{
		{"amd64", "amd64", -1, 0, 0, amd64, parser.Seccomp{Arch: 0xc000003e, Syscall: 272, Code: 0x50000, Errno: 1, IP: 0x401163, Args: []uint64{0x10000000, 1<<64 - 1, 3, 4, 5, 6}}},
		{"i386", "amd64", -38, 2, 0, i386, parser.Seccomp{Arch: 0x40000003, Syscall: 39, Compat: true, Code: 0x50000, Errno: 38, IP: 0x8049000, Args: []uint64{1, 2, 3, 4, 5, 6}}},
		{"x32", "amd64", -1, 0, 0, x32, parser.Seccomp{Arch: 0xc000003e, Syscall: 1<<30 | 83, Code: 0x50000, Errno: 1, Args: make([]uint64, 6)}},
		{"trap", "amd64", 272, 0, 1 << 30, amd64, parser.Seccomp{Arch: 0xc000003e, Syscall: 272, Code: 0x30000, Signal: 31, IP: 0x401163, Args: []uint64{0x10000000, 1<<64 - 1, 3, 4, 5, 6}}},
		{"arm64", "arm64", -13, 0, 0, arm64, parser.Seccomp{Arch: 0xc00000b7, Syscall: 97, Code: 0x50000, Errno: 13, IP: 0xffff0000, Args: []uint64{0x20000, 2, 3, 4, 5, 6}}},
		{"arm", "arm64", -1, 1 << 22, 0, arm64, parser.Seccomp{Arch: 0x40000028, Syscall: 97, Compat: true, Code: 0x50000, Errno: 1, IP: 0xffff0000, Args: []uint64{0x20000, 2, 3, 4, 5, 6}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			c, ok := decodeCall(rawCall(t, test.arch, test.result, test.compat, test.trap, test.values))
			require.True(t, ok)
			assert.Equal(t, time.Duration(123456789), c.at)
			at := time.Date(2026, 11, 25, 1, 2, 3, 4e6, time.UTC)
			d, ok := c.denial(places(t, test.arch), at)
			require.True(t, ok)
			test.want.Traced = true
			assert.Equal(t, &test.want, d.Seccomp)
			assert.Equal(t, parser.Subject{PID: 4711, Comm: "a\nb", UID: 1000}, d.Subject)
			assert.Equal(t, parser.Denied, d.Mode)
			assert.Equal(t, at, d.Time)
			json, err := d.Pairs().MarshalJSON()
			require.NoError(t, err)
			assert.Contains(t, string(json), fmt.Sprintf(`{"type":"TRACE","time":"2026-11-25T01:02:03.004Z","uid":1000,"pid":4711,"comm":"a\nb","sig":%d,"arch":"%x","syscall":%d,`,
				test.want.Signal, test.want.Arch, test.want.Syscall))
		})
	}
}

// A call whose number a tracer took away is none; nor is what is too short.
func TestTracedCallWithoutNumber(t *testing.T) {
	for arch, number := range map[string]string{"amd64": "orig_ax", "arm64": "syscallno"} {
		raw := rawCall(t, arch, -38, 0, 0, map[string]uint64{number: 1<<64 - 1})
		c, ok := decodeCall(raw)
		require.True(t, ok)
		_, ok = c.denial(places(t, arch), time.Time{})
		assert.False(t, ok)
		for n := range raw {
			if c, ok := decodeCall(raw[:n]); ok {
				_, ok = c.denial(places(t, arch), time.Time{})
				assert.False(t, ok)
			}
		}
	}
}

// A kernel that lacks a register is refused by the register's name.
func TestRegistersOfAnotherKernel(t *testing.T) {
	_, err := registersOf(layouts["amd64"], func(member string) (int, error) {
		if member == "r10" {
			return 0, fmt.Errorf("struct pt_regs of this kernel has no %s", member)
		}
		return 0, nil
	})
	assert.ErrorContains(t, err, "r10")
}
