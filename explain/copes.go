package explain

import (
	"path"
	"slices"
	"strings"

	"github.com/whydenied/whydenied/rules/seccomp"
)

// copes are programs that try a call and go on without it: nothing has to be allowed
// for them.
var copes = []struct {
	programs, calls string
	how             string // what the program does instead
	source          string
}{
	{"mysqld", "mbind set_mempolicy get_mempolicy", "goes on, with its memory placed as the kernel does by itself, and says \"mbind: Operation not permitted\" in its log",
		"docker-library/mysql issues 303 and 422"},
	{"mysqld mariadbd", "io_uring_setup", "falls back to libaio, or to innodb_use_native_aio=OFF",
		"MariaDB server, MDEV-36234 and its log message"},
	{"node", "io_uring_setup", "lets its thread pool do the work", "libuv src/unix/linux.c, uv__iou_init()"},
	{"gdb", "personality", "warns that address space randomization stays on, and goes on", "gdb/nat/linux-personality.c"},
}

// Copes says how the program of a finding goes on without a call that it was refused,
// one clause; "" if that is not known.
func (f *Finding) Copes() string {
	if f.Denial.Seccomp == nil {
		return ""
	}
	call := f.Denial.Seccomp.SyscallName
	if call == "" {
		call, _ = seccomp.SyscallName(seccomp.Arch(f.Denial.Seccomp.Arch), f.Denial.Seccomp.Syscall)
	}
	program := path.Base(f.Denial.Subject.Exe) // a thread has a name of its own
	if f.Denial.Subject.Exe == "" {
		program = f.Denial.Subject.Comm
	}
	for _, c := range copes {
		if slices.Contains(strings.Fields(c.programs), program) && slices.Contains(strings.Fields(c.calls), call) {
			return program + " " + c.how + " (" + c.source + ")"
		}
	}
	return ""
}
