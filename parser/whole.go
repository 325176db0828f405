package parser

import "strings"

// isWhole reports whether a record has what the kernel writes last in one of its
// kind (audit_cb and its like in security/apparmor, audit_seccomp in
// kernel/auditsc.c), so that nothing of it can stand on another line. What comes
// after that, such as target=, is not in every record.
func (x *Denial) isWhole(r *Record) bool {
	if x.Seccomp != nil {
		return isAction(x.Seccomp.Code) && !isQuoted(x.Subject.Comm)
	}
	a := x.AppArmor
	switch last := r.Fields[len(r.Fields)-1]; {
	case last.Start == last.End:
		return false
	case r.Type == USERAVC:
		return r.has("label")
	}
	if r.Type != AVC || r.interpreted {
		return true
	}
	switch a.Operation {
	case "capable":
		return a.CapName != ""
	case "mount":
		return a.SrcName != "" || a.Flags != ""
	case "pivotroot":
		return a.SrcName != ""
	case "setrlimit":
		return a.Value != ""
	case "signal":
		return a.Peer != ""
	case "link":
		return a.OUID != nil && a.Target != ""
	}
	switch {
	case x.Mode == Status || x.Mode == Hint || x.Mode == Failed:
		return r.has("comm")
	case a.isFile():
		return a.OUID != nil && a.hasMasks(x.Mode)
	case a.isMasked():
		return a.hasMasks(x.Mode)
	}
	return x.Subject.Comm != "" || r.has("comm")
}

// isQuoted reports whether a name begins with a quotation mark as HTML or a word processor
// has it.
func isQuoted(name string) bool {
	return strings.HasPrefix(name, "&") || strings.HasPrefix(name, "“") || strings.HasPrefix(name, "”") || strings.HasPrefix(name, "„") || strings.HasPrefix(name, "«")
}

// cutOff says behind which key a record that is not whole was cut off, if what
// decides the access is not in it any more; else it is "". What may be the first
// digits of a number only is taken out of the record.
func (x *Denial) cutOff(r *Record) string {
	last := r.Fields[len(r.Fields)-1]
	if x.Seccomp != nil {
		return last.Key
	}
	unquoted := last.Start == last.End || r.Text[last.End-1] != '"' && last.Key != "comm" // which decides nothing
	if unquoted && last.End == len(strings.TrimRight(r.Text, " ")) {
		part := *r
		if part.Fields = r.Fields[:len(r.Fields)-1]; len(part.Fields) == 0 || typeAppArmor(x, &part) != "" {
			return last.Key
		}
		r.Fields = part.Fields
	}
	a := x.AppArmor
	masks := r.has("requested_mask") || r.has("denied_mask") || r.has("requested") || r.has("denied") || r.has("mask")
	switch {
	case x.Mode == Status || x.Mode == Hint || x.Mode == Failed:
		return ""
	case a.Info != "" && r.Type == AVC:
		// The kernel itself says what it was about.
	case isCommon(last.Key),
		a.isFile() && a.Name == "" && !masks,
		(a.isMasked() || r.Type == USERAVC) && !a.isFile() && !masks && !r.has("comm"),
		a.Operation == "capable" && a.Capability == nil && a.CapName == "" && (last.Key != "profile" || last.End < len(r.Text)):
		return last.Key
	}
	return ""
}

// isCommon reports whether a key is of those that stand before the profile.
func isCommon(key string) bool {
	switch key {
	case "apparmor", "operation", "class", "error", "namespace":
		return true
	}
	return false
}

// has reports whether a record has a field.
func (r *Record) has(key string) bool {
	_, ok := r.Lookup(key)
	return ok
}

// isFile reports whether a record is of a file, which has a name and an owner.
func (a *AppArmor) isFile() bool {
	switch a.Operation {
	case "open", "exec", "mknod", "mkdir", "rmdir", "unlink", "link", "symlink", "truncate", "getattr", "chmod", "chown",
		"rename_src", "rename_dest", "file_lock", "file_mmap", "file_mprotect", "file_receive":
		return a.Family == ""
	}
	return a.Class == "file" && a.Family == "" && (a.Operation == "file_perm" || a.Operation == "setattr")
}

// isMasked reports whether the kernel writes masks into a record.
func (a *AppArmor) isMasked() bool {
	switch a.Operation {
	case "ptrace", "signal", "userns_create", "uring_override", "uring_sqpoll", "create", "bind", "listen", "connect", "accept",
		"sendmsg", "recvmsg", "getsockname", "getpeername", "getsockopt", "setsockopt", "socket_shutdown", "file_perm":
		return true
	}
	return a.isFile() || a.Class == "net" || a.Class == "posix_mqueue" || a.Family != ""
}

// hasMasks reports whether a record has the last of its masks.
func (a *AppArmor) hasMasks(mode Mode) bool {
	return a.Denied != "" || mode == Audited && a.Requested != ""
}

// isAction reports whether code= is one of seccomp's actions, without the data
// that a filter adds: a part of one is none (include/uapi/linux/seccomp.h).
func isAction(code uint32) bool {
	switch code {
	case 0, 0x80000000, 0x00030000, 0x00050000, 0x7fc00000, 0x7ff00000, 0x7ffc0000, 0x7fff0000:
		return true
	}
	return false
}
