//go:build linux

package seccomp

import (
	"testing"

	"github.com/elastic/go-libaudit/v2/auparse"
	"github.com/stretchr/testify/assert"
)

// The tables agree with those of go-libaudit wherever both know a number.
func TestAuparse(t *testing.T) {
	words := map[string]Arch{
		"x86_64": X86_64, "i386": I386, "aarch64": AARCH64, "arm": ARM, "ppc": PPC, "ppc64": PPC64, "ppc64le": PPC64LE, "s390x": S390X,
	}
	compared := 0
	for word, arch := range words {
		for nr, theirs := range auparse.AuditSyscalls[word] {
			ours, ok := SyscallName(arch, uint32(nr))
			if !ok || differs[theirs] == ours {
				continue
			}
			compared++
			assert.Equal(t, theirs, ours, "%s %d", word, nr)
		}
	}
	assert.Greater(t, compared, 2000)
	assert.Equal(t, auparse.AUDIT_ARCH_X86_64.String(), X86_64.String())
}

// differs are the names of the audit tools that are not those of the kernel's
// headers.
var differs = map[string]string{
	"fadvise64_64": "arm_fadvise64_64", "fstatat64": "newfstatat", "getdents": "getdents64", "llseek": "_llseek",
	"madvise1": "madvise", "newfstat": "fstat", "newselect": "_newselect", "perf_counter_open": "perf_event_open",
	"pread": "pread64", "pwrite": "pwrite64", "sched_rr_get_interval64": "sched_rr_get_interval_time64",
	"sync_file_range": "arm_sync_file_range", "sys_kexec_load": "kexec_load", "sysctl": "_sysctl", "timerfd": "timerfd_create",
}
