package seccomp

import (
	"fmt"
	"strconv"
	"strings"
)

// An Arch is an AUDIT_ARCH_* value, as arch= of an audit record holds it
// (include/uapi/linux/audit.h, Linux 6.18). The x32 ABI has none of its own:
// its calls are X86_64 with bit 30 of the number set.
type Arch uint32

// The architectures with a table of system calls.
const (
	X86_64      Arch = 0xc000003e
	I386        Arch = 0x40000003
	AARCH64     Arch = 0xc00000b7
	ARM         Arch = 0x40000028
	RISCV64     Arch = 0xc00000f3
	LOONGARCH64 Arch = 0xc0000102
	MIPS        Arch = 0x00000008
	MIPSEL      Arch = 0x40000008
	MIPS64      Arch = 0x80000008
	MIPSEL64    Arch = 0xc0000008
	PPC         Arch = 0x00000014
	PPC64       Arch = 0x80000015
	PPC64LE     Arch = 0xc0000015
	S390X       Arch = 0x80000016
	SPARC64     Arch = 0x8000002b
)

// Architectures that records and profiles name but that have no table here.
const (
	s390      Arch = 0x00000016
	mips64n32 Arch = 0xa0000008
	mipsel64n Arch = 0xe0000008
	parisc    Arch = 0x0000000f
	parisc64  Arch = 0x8000000f
	armeb     Arch = 0x00000028
	m68k      Arch = 0x00000004
)

// x32Bit marks a system call of the x32 ABI in its number.
const x32Bit = 1 << 30

// An arch is what is known of an architecture, or of the x32 ABI.
type arch struct {
	audit  Arch
	name   string // as the audit tools print it
	scmp   string // as profiles name it, after SCMP_ARCH_
	golang string // as includes.arches of a profile names it: moby's native name
	column string // of syscalls.tsv; "" if there is none
	bits32 bool   // arguments have 32 bits
	// socketcall and ipc exist: libseccomp adds their rules for socket, semop, ...
	mux bool
}

// arches lists every architecture; x32 is last and shares X86_64's value.
var arches = [...]arch{
	{X86_64, "x86_64", "X86_64", "amd64", "x86_64", false, false},
	{I386, "i386", "X86", "x86", "i386", true, true},
	{AARCH64, "aarch64", "AARCH64", "arm64", "aarch64", false, false},
	{ARM, "arm", "ARM", "arm", "arm", true, false},
	{RISCV64, "riscv64", "RISCV64", "riscv64", "riscv64", false, false},
	{LOONGARCH64, "loongarch64", "LOONGARCH64", "loongarch64", "loongarch64", false, false},
	{MIPS, "mips", "MIPS", "mips", "mips", true, true},
	{MIPSEL, "mipsel", "MIPSEL", "mipsel", "mips", true, true},
	{MIPS64, "mips64", "MIPS64", "mips64", "mips64", false, false},
	{MIPSEL64, "mipsel64", "MIPSEL64", "mipsel64", "mips64", false, false},
	{PPC, "ppc", "PPC", "ppc", "ppc", true, true},
	{PPC64, "ppc64", "PPC64", "ppc64", "ppc64", false, true},
	{PPC64LE, "ppc64le", "PPC64LE", "ppc64le", "ppc64", false, true},
	{S390X, "s390x", "S390X", "s390x", "s390x", false, true},
	{SPARC64, "sparc64", "SPARC64", "sparc64", "sparc64", false, true},
	{s390, "s390", "S390", "s390", "", true, true},
	{mips64n32, "mips64n32", "MIPS64N32", "mips64n32", "", true, false},
	{mipsel64n, "mipsel64n32", "MIPSEL64N32", "mipsel64n32", "", true, false},
	{parisc, "parisc", "PARISC", "parisc", "", true, false},
	{parisc64, "parisc64", "PARISC64", "parisc64", "", false, false},
	{armeb, "armeb", "ARMEB", "armeb", "", true, false},
	{m68k, "m68k", "M68K", "m68k", "", true, true},
	{X86_64, "x32", "X32", "x32", "x32", true, false},
}

const (
	archCount = len(arches)
	x32Index  = archCount - 1
)

// index returns the index in arches of the table that a call belongs to, or -1.
func (a Arch) index(nr uint32) int {
	if a == X86_64 {
		if nr&x32Bit != 0 {
			return x32Index
		}
		return 0
	}
	switch a {
	case I386:
		return 1
	case AARCH64:
		return 2
	}
	for i := range arches {
		if arches[i].audit == a {
			return i
		}
	}
	return -1
}

// String returns the name that the audit tools have for the architecture, such
// as "x86_64", "i386", "aarch64", or its number, such as "0x4000008c".
func (a Arch) String() string {
	if i := a.index(0); i >= 0 {
		return arches[i].name
	}
	return fmt.Sprintf("0x%x", uint32(a))
}

// SCMP returns the name that profiles have for the architecture, such as
// "SCMP_ARCH_X86_64", or its number.
func (a Arch) SCMP() string {
	if i := a.index(0); i >= 0 {
		return "SCMP_ARCH_" + arches[i].scmp
	}
	return a.String()
}

// host returns the architecture of the kernel that most often runs programs
// of a.
func (a Arch) host() Arch {
	switch a {
	case I386:
		return X86_64
	case ARM:
		return AARCH64
	case s390:
		return S390X
	case MIPS, mips64n32:
		return MIPS64
	case MIPSEL, mipsel64n:
		return MIPSEL64
	case PPC:
		return PPC64
	}
	return a
}

// goNames are the names that Go and distributions have for an architecture
// beyond those of the audit tools and of moby.
var goNames = map[string]Arch{
	"386": I386, "x86": I386, "i486": I386, "i586": I386, "i686": I386,
	"x86-64": X86_64, "loong64": LOONGARCH64, "mipsle": MIPSEL, "mips64le": MIPSEL64,
	"mips64el": MIPSEL64, "armv7l": ARM, "armhf": ARM, "ppc64el": PPC64LE,
}

// ParseArch returns the architecture of a name: x86_64, amd64,
// SCMP_ARCH_X86_64, AUDIT_ARCH_X86_64, or the hexadecimal value that records
// have (c000003e, with or without 0x). x32 is X86_64.
func ParseArch(s string) (Arch, error) {
	name := strings.ToLower(strings.TrimSpace(s))
	name = strings.TrimPrefix(strings.TrimPrefix(name, "scmp_arch_"), "audit_arch_")
	for i := range arches {
		a := &arches[i]
		if name == a.name || name == a.golang || name == strings.ToLower(a.scmp) {
			return a.audit, nil
		}
	}
	if a, ok := goNames[name]; ok {
		return a, nil
	}
	if n, err := strconv.ParseUint(strings.TrimPrefix(name, "0x"), 16, 32); err == nil && n != 0 {
		return Arch(n), nil
	}
	return 0, fmt.Errorf("unknown architecture %q: give a name such as x86_64 or aarch64, or the arch= value of a record such as c000003e", s)
}

// ArchName names the architecture of a call as programs are built for it, "x86_64" or
// "x32".
func (c Call) ArchName() string {
	const x32 = 1 << 30 // __X32_SYSCALL_BIT, arch/x86/include/uapi/asm/unistd.h
	if c.Arch == X86_64 && c.Syscall&x32 != 0 {
		return "x32"
	}
	return c.Arch.String()
}
