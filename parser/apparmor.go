package parser

import (
	"cmp"
	"strconv"
	"strings"
)

// appArmorBox holds an AppArmor with the numbers it points to: one allocation.
type appArmorBox struct {
	AppArmor
	fsuid, ouid, capability, protocol int
}

// isAppArmor reports whether a record of a type and a body is AppArmor's. The
// type decides: other records can hold the same words in their values.
func isAppArmor(typ Type, body string) bool {
	switch typ {
	case AVC:
		return strings.HasPrefix(body, "apparmor=")
	case USERAVC:
		return strings.HasPrefix(body, "apparmor=") || strings.Contains(body, "msg='apparmor=")
	}
	return strings.HasPrefix(string(typ), "APPARMOR")
}

// typeAppArmor fills in x from its record r. It returns what is wrong with the
// record, or "".
func typeAppArmor(x *Denial, r *Record) string {
	box := new(appArmorBox)
	a := &box.AppArmor
	word := strings.TrimPrefix(string(r.Type), "APPARMOR_") // types 1501 to 1507 say it
	x.Subject = Subject{UID: -1}
	x.AppArmor = a
	for i := range r.Fields {
		if f := &r.Fields[i]; f.Key == "apparmor" {
			word = f.Value
		} else {
			a.set(x, box, f.Key, f.Value)
		}
	}
	mode, ok := modeOf(word)
	if !ok {
		return "apparmor=" + strconv.Quote(word) + " is none of DENIED, ALLOWED, AUDIT, STATUS, HINT, ERROR, KILLED"
	}
	x.Mode = mode
	a.complete(x, r, box)
	if mode == Allowed && a.isWithoutName() {
		x.Mode = Denied
	}
	if a.Operation == "" && (mode == Denied || mode == Allowed || mode == Killed) {
		return "an AppArmor record without operation="
	}
	return ""
}

// isWithoutName reports whether a file was refused as its name could not be looked up, which
// complain mode does not permit though the record says so: path_name() in security/apparmor/file.c
// returns the error (Linux 4.13 to 7.2), where that of a mount is complain mode's to permit.
func (a *AppArmor) isWithoutName() bool {
	switch a.Operation {
	case "mount", "umount", "pivotroot":
		return false
	}
	return strings.HasPrefix(a.Info, "Failed name lookup")
}

// set sets what a field of the record says.
func (a *AppArmor) set(x *Denial, box *appArmorBox, key, value string) {
	switch key {
	case "operation":
		a.Operation = value
	case "class":
		a.Class = value
	case "namespace":
		a.Namespace = value
	case "profile":
		a.Profile = value
		x.Subject.Label = value
	case "label":
		if x.Subject.Label == "" {
			x.Subject.Label = value
		}
	case "name":
		a.Name = value
	case "info":
		a.Info = value
	case "error":
		a.Error, _ = strconv.Atoi(value)
	case "requested_mask", "requested", "mask":
		a.Requested = value
	case "denied_mask", "denied":
		a.Denied = value
	case "fsuid":
		a.FSUID = number(&box.fsuid, value)
	case "ouid":
		a.OUID = number(&box.ouid, value)
	case "target":
		a.Target = value
	case "peer", "peer_profile", "peer_label", "tcontext":
		a.Peer = value
	case "capability":
		a.Capability = number(&box.capability, value)
		if a.Capability == nil { // ausearch -i
			a.CapName = value
		}
	case "capname":
		a.CapName = value
	case "pid":
		x.Subject.PID, _ = strconv.Atoi(value)
	case "comm":
		x.Subject.Comm = value
	default:
		a.setRare(x, box, key, value)
	}
}

// setRare sets what only some classes of records have.
func (a *AppArmor) setRare(x *Denial, box *appArmorBox, key, value string) {
	switch key {
	case "family":
		a.Family = value
	case "sock_type":
		a.SockType = value
	case "protocol":
		a.Protocol = number(&box.protocol, value)
	case "addr", "laddr", "saddr":
		a.Addr = value
	case "peer_addr", "faddr", "daddr":
		a.PeerAddr = value
	case "lport", "src":
		a.Port, _ = strconv.Atoi(value)
	case "fport", "dest":
		a.PeerPort, _ = strconv.Atoi(value)
	case "signal":
		a.Signal = value
	case "name2": // of SUSE's kernels before AppArmor was upstream
		a.Target = value
	case "execpath":
		x.Subject.Exe = value
	case "srcname":
		a.SrcName = value
	case "fstype":
		a.FSType = value
	case "flags":
		a.Flags = value
	case "rlimit":
		a.RLimit = value
	case "value":
		a.Value = value
	case "bus":
		a.Bus = value
	case "path":
		a.Path = value
	case "interface":
		a.Interface = value
	case "member", "method": // of dbus-daemon, and of dbus-broker
		a.Member = value
	}
}

// complete sets what follows from several fields or from the record's shape.
func (a *AppArmor) complete(x *Denial, r *Record, box *appArmorBox) {
	if a.FSUID != nil {
		x.Subject.UID = *a.FSUID
	}
	if strings.HasPrefix(string(r.Type), "APPARMOR_") {
		a.modernise(r, box)
	}
	if a.Class == "sysv_mqueue" { // whose name is a number, which hexadecimal could be taken for
		a.Name = cmp.Or(r.raw("name"), a.Name)
	}
	if r.Type == USERAVC {
		// dbus-daemon writes mask= alone, label= for the profile, and its own uid.
		if a.Profile == "" {
			a.Profile = x.Subject.Label
		}
		if a.Denied == "" && x.Mode != Audited {
			a.Denied = a.Requested
		}
		a.Addr = "" // addr= is of the sender's terminal
	}
	if !r.interpreted {
		return
	}
	// ausearch -i reads family= and flags= as if other record types had them, and
	// capability= as the capability's name.
	if a.Family == "unspecified" {
		a.Family = ""
	}
	if strings.HasPrefix(a.Flags, "MAP_") {
		a.Flags = ""
	}
	if a.CapName != "" && a.Capability == nil {
		for n, name := range capNames {
			if name == a.CapName {
				box.capability = n
				a.Capability = &box.capability
			}
		}
	}
	for _, id := range [...]struct {
		key string
		to  **int
		at  *int
	}{{"fsuid", &a.FSUID, &box.fsuid}, {"ouid", &a.OUID, &box.ouid}} {
		if *id.to == nil {
			if uid, ok := interpretedUID(r.Get(id.key)); ok {
				*id.at, *id.to = uid, id.at
			}
		}
	}
	if a.FSUID != nil {
		x.Subject.UID = *a.FSUID
	}
}

// interpretedUID undoes ausearch -i for the user names that mean the same number
// on every host: root, unset, and unknown(N).
func interpretedUID(s string) (int, bool) {
	switch s {
	case "root":
		return 0, true
	case "unset":
		unset := uint32(1<<32 - 1)
		return int(unset), true
	}
	if n, ok := strings.CutPrefix(s, "unknown("); ok {
		v, ok := atoi(strings.TrimSuffix(n, ")"))
		return int(v), ok
	}
	return 0, false
}

// number stores a decimal number and returns where, or nil if s is none.
func number(to *int, s string) *int {
	n, err := strconv.Atoi(s)
	if err != nil {
		return nil
	}
	*to = n
	return to
}

// modeOf reads AppArmor's word for a mode: aa_audit_type in
// security/apparmor/audit.c, and APPARMOR_KILL of auditd's type names.
func modeOf(word string) (Mode, bool) {
	switch word {
	case "DENIED":
		return Denied, true
	case "ALLOWED":
		return Allowed, true
	case "AUDIT":
		return Audited, true
	case "STATUS":
		return Status, true
	case "HINT":
		return Hint, true
	case "ERROR":
		return Failed, true
	case "KILLED", "KILL":
		return Killed, true
	}
	return 0, false
}

// capNames are the capabilities by number (include/uapi/linux/capability.h).
var capNames = [...]string{
	"chown", "dac_override", "dac_read_search", "fowner", "fsetid", "kill", "setgid", "setuid",
	"setpcap", "linux_immutable", "net_bind_service", "net_broadcast", "net_admin", "net_raw", "ipc_lock", "ipc_owner",
	"sys_module", "sys_rawio", "sys_chroot", "sys_ptrace", "sys_pacct", "sys_admin", "sys_boot", "sys_nice",
	"sys_resource", "sys_time", "sys_tty_config", "mknod", "lease", "audit_write", "audit_control", "setfcap",
	"mac_override", "mac_admin", "syslog", "wake_alarm", "block_suspend", "audit_read", "perfmon", "bpf", "checkpoint_restore",
}
