package parser

import (
	"strconv"
	"strings"
)

// typeSeccomp fills in x from a SECCOMP record: audit_seccomp in
// kernel/auditsc.c writes auid, uid, gid, ses, subj, pid, comm, exe, sig, arch,
// syscall, compat, ip, code. It returns what is wrong with the record, or "".
func typeSeccomp(x *Denial, r *Record) string {
	s := new(Seccomp)
	x.Subject = Subject{UID: -1}
	x.Seccomp = s
	var arch, syscall, code bool
	for i := range r.Fields {
		value := r.Fields[i].Value
		switch r.Fields[i].Key {
		case "uid":
			if n, err := strconv.Atoi(value); err == nil {
				x.Subject.UID = n
			} else if n, ok := interpretedUID(value); ok && r.interpreted {
				x.Subject.UID = n
			}
		case "subj":
			x.Subject.Label = labelOf(value)
		case "pid":
			x.Subject.PID, _ = strconv.Atoi(value)
		case "comm":
			x.Subject.Comm = value
		case "exe":
			x.Subject.Exe = value
		case "sig":
			s.Signal = signalOf(value)
		case "arch":
			s.Arch, arch = archOf(value, r.interpreted)
		case "syscall":
			syscall = s.setSyscall(value, r.interpreted)
		case "compat":
			s.Compat = value == "1"
		case "ip":
			s.IP, _ = strconv.ParseUint(strings.TrimPrefix(value, "0x"), 16, 64)
		case "code":
			s.Code, code = codeOf(strings.TrimRight(value, "`*.,;)"), r.interpreted) // of a sentence or of Markdown around the record
		}
	}
	switch {
	case !syscall:
		return noSyscall
	case !arch:
		return "a SECCOMP record without a known arch="
	case !code:
		return "a SECCOMP record without code="
	}
	x.Mode = seccompMode(s.Code)
	return ""
}

// typeAbend fills in x from an ANOM_ABEND record: audit_core_dumps in
// kernel/auditsc.c writes auid, uid, gid, ses, subj, pid, comm, exe, sig, res for a
// process that a signal ends, and which can dump core. SIGSYS is what a filter sends.
func typeAbend(x *Denial, r *Record) string {
	if why := typeSeccomp(x, r); why != noSyscall {
		return why
	}
	*x.Seccomp = Seccomp{Signal: x.Seccomp.Signal, Suspected: true}
	x.Mode = Killed
	return ""
}

// isSuspicion reports whether the body of an ANOM_ABEND record says SIGSYS.
func isSuspicion(body string) bool {
	sig := strings.Trim(fieldOf(body, "sig"), `"`)
	return sig == "31" || sig == "SIGSYS"
}

// noSyscall is what is wrong with a record of no call.
const noSyscall = "a SECCOMP record without syscall="

// seccompMode says what an action does to the call (include/uapi/linux/seccomp.h).
func seccompMode(code uint32) Mode {
	switch code & 0xffff0000 {
	case 0x7ffc0000, 0x7fff0000: // SECCOMP_RET_LOG, SECCOMP_RET_ALLOW
		return Allowed
	case 0x80000000, 0x00000000: // SECCOMP_RET_KILL_PROCESS, SECCOMP_RET_KILL_THREAD
		return Killed
	}
	return Denied
}

// setSyscall reads syscall=: a number, or what ausearch -i makes of it.
func (s *Seccomp) setSyscall(value string, interpreted bool) bool {
	digits := value
	if interpreted {
		digits = strings.TrimSuffix(strings.TrimPrefix(value, "unknown-syscall("), ")")
	}
	n, err := strconv.ParseUint(digits, 10, 32)
	if err != nil {
		s.SyscallName = value
		return interpreted && value != ""
	}
	s.Syscall = uint32(n)
	return true
}

// archOf reads arch=: hexadecimal, or auparse's name of the machine.
func archOf(value string, interpreted bool) (uint32, bool) {
	if interpreted {
		switch value {
		case "x86_64":
			return 0xc000003e, true
		case "i386", "i486", "i586", "i686":
			return 0x40000003, true
		case "aarch64":
			return 0xc00000b7, true
		case "arm", "armeb", "armv5tejl", "armv7l":
			return 0x40000028, true
		case "ppc64le":
			return 0xc0000015, true
		case "ppc64":
			return 0x80000015, true
		case "ppc":
			return 0x14, true
		case "s390x":
			return 0x80000016, true
		case "s390":
			return 0x16, true
		case "riscv64":
			return 0xc00000f3, true
		case "loongarch64":
			return 0xc0000102, true
		}
		value = strings.TrimSuffix(strings.TrimPrefix(value, "unknown-elf-type("), ")")
	}
	n, err := strconv.ParseUint(value, 16, 32)
	return uint32(n), err == nil
}

// codeOf reads code=: hexadecimal, or auparse's name of the action, which is the
// same for killing the process and the thread.
func codeOf(value string, interpreted bool) (uint32, bool) {
	if interpreted {
		switch value {
		case "kill", "kill_process", "kill-process":
			return 0x80000000, true
		case "kill_thread", "kill-thread":
			return 0, true
		case "trap":
			return 0x00030000, true
		case "errno":
			return 0x00050000, true
		case "user-notify", "user_notif":
			return 0x7fc00000, true
		case "trace":
			return 0x7ff00000, true
		case "log":
			return 0x7ffc0000, true
		case "allow":
			return 0x7fff0000, true
		}
	}
	n, err := strconv.ParseUint(strings.TrimPrefix(value, "0x"), 16, 32)
	return uint32(n), err == nil
}

// signalOf reads sig=: a number, or SIGSYS and the like from ausearch -i.
func signalOf(value string) int {
	switch value {
	case "SIGSYS":
		return 31
	case "SIGKILL":
		return 9
	}
	n, _ := strconv.Atoi(strings.TrimPrefix(value, "SIG"))
	return n
}

// labelOf removes from subj= the mode that the kernel writes behind a label, and
// the "=" that kernels with several security modules wrote before it. It is "" for
// the "?" that Linux 6.18 writes where there are several: see describeSubject.
func labelOf(subj string) string {
	if subj == "?" {
		return ""
	}
	subj = strings.TrimPrefix(subj, "=")
	for _, mode := range [...]string{" (enforce)", " (complain)", " (kill)", " (unconfined)", " (mixed)", " (user)"} {
		subj = strings.TrimSuffix(subj, mode)
	}
	return subj
}

// IsContext reports whether a label is a context of SELinux, user:role:type and
// perhaps a level, of which roles end in _r. No name of a profile does.
func IsContext(label string) bool {
	parts := strings.SplitN(label, ":", 4)
	return len(parts) >= 3 && parts[0] != "" && strings.HasSuffix(parts[1], "_r") && parts[2] != ""
}
