package report

import (
	"slices"
	"strings"

	"github.com/whydenied/whydenied/explain/access"
	"github.com/whydenied/whydenied/explain/escape"
	"github.com/whydenied/whydenied/rules/apparmor"
)

// phrases word the operations that need no more than the object's name, besides those
// of access.Phrase. The operations are those of security/apparmor/include/audit.h, Linux 6.18.
var phrases = map[string]escape.Text{
	"unlink":      "delete %",
	"mkdir":       "create directory %",
	"rmdir":       "remove directory %",
	"mknod":       "create %",
	"truncate":    "truncate %",
	"symlink":     "create symbolic link %",
	"rename_src":  "rename %",
	"rename_dest": "rename a file to %",
	"chmod":       "change the mode of %",
	"chown":       "change the owner of %",
	"getattr":     "read the attributes of %",
	"setattr":     "change the attributes of %",
	"file_lock":   "lock %",
	"sysctl":      "use sysctl %",
	"syscall":     "call %", // of kernels before 2.6.36
	"umount":      "unmount %",

	"change_profile":  "change to profile %",
	"change_onexec":   "change to profile % at its next exec",
	"change_hat":      "change to hat %",
	"stack":           "stack profile %",
	"stack_onexec":    "stack profile % at its next exec",
	"profile_load":    "load profile %",
	"profile_replace": "replace profile %",
	"profile_remove":  "remove profile %",
}

// tried words what an AppArmor record says was tried, as an infinitive without
// "to": "write /etc/passwd". It returns nil for an operation it does not know.
func tried(d Fields) []escape.Text {
	op, name := d.Get("operation"), d.Get("name")
	if d.Get("family") != "" {
		return socket(op, d)
	}
	if strings.HasSuffix(d.Get("class"), "mqueue") || strings.HasPrefix(op, "mqueue_") {
		return queue(d)
	}
	if of := d.Get("tcontext", "object_label"); op == "uring_override" && of != "" {
		return escape.Words("take the credentials of % through io_uring", of)
	}
	if phrase := access.Phrase(op); phrase != "" {
		return phrased(phrase, d)
	}
	if phrase, ok := phrases[op]; ok {
		if name == "" {
			name = d.Get("target")
		}
		if name == "" && op == "change_hat" {
			return escape.Words("change hat")
		}
		return escape.Words(phrase, name)
	}
	switch op {
	case "open", "file_perm", "file_receive", "file_inherit":
		return file(op, mask(d), name)
	case "file_mmap", "file_mprotect":
		return mapping(mask(d), name)
	case "exec":
		return execution(name, d.Get("target"))
	case "link":
		if target := d.Get("target", "name2"); target != "" {
			return escape.Words("link % to %", name, target)
		}
		return escape.Words("create link %", name)
	case "capable":
		return escape.Words("use capability %", d.Get("capname", "capability", "name")) // the name of kernels before 2.6.36
	case "mount", "remount", "move_mount":
		return mount(d)
	case "pivotroot", "pivot_root":
		return pivotRoot(d)
	case "signal":
		return signal(d)
	case "ptrace":
		return ptrace(d)
	case "setprocattr":
		return escape.Words("change its own AppArmor attributes")
	}
	switch {
	case strings.HasPrefix(op, "dbus_"):
		return dbus(op, d)
	case op == "connect" && name != "": // to a socket that is a file
		return escape.Words("connect to socket %", name)
	case socketVerbs[op] != "" && name != "":
		return append(escape.Fields(socketVerbs[op]), escape.Words("socket %", name)...)
	case op != "" && isFileMask(mask(d)) && strings.HasPrefix(name, "/"):
		return append(file(op, mask(d), name), escape.Words("(operation %)", op)...)
	}
	return nil
}

// isFileMask reports whether a mask is of a file.
func isFileMask(mask string) bool {
	return mask != "" && strings.IndexFunc(mask, func(r rune) bool {
		return !slices.ContainsFunc(fileVerbs, func(v fileVerb) bool { return rune(v.letter) == r })
	}) < 0
}

type fileVerb struct {
	letter byte
	verb   escape.Text
}

// fileVerbs are the letters of a file mask (aa_audit_perm_mask of
// security/apparmor/lib.c), in the order in which they read best.
var fileVerbs = []fileVerb{
	{'c', "create"}, {'r', "read"}, {'w', "write"}, {'a', "append to"}, {'d', "delete"},
	{'l', "link"}, {'k', "lock"}, {'m', "map as code"}, {'x', "execute"},
}

// file words an access by its mask.
func file(op, mask, name string) []escape.Text {
	var verbs []escape.Text
	for _, v := range fileVerbs {
		if strings.IndexByte(mask, v.letter) >= 0 {
			verbs = append(verbs, v.verb)
		}
	}
	if len(verbs) == 0 {
		verbs = []escape.Text{"access"}
	}
	what := append(escape.Words(join(verbs)), escape.Name(name))
	if name == "" { // of a namespace, a pipe or the like
		what = escape.Words(join(verbs) + " a file that has no path")
	}
	switch op {
	case "file_inherit":
		return append(what, escape.Words("(inherited open across exec)")...)
	case "file_receive":
		return append(what, escape.Words("(opened by another process)")...)
	}
	return what
}

// mapping words mmap and mprotect.
func mapping(mask, name string) []escape.Text {
	var ways []escape.Text
	if strings.Contains(mask, "r") {
		ways = append(ways, "for reading")
	}
	if strings.Contains(mask, "w") {
		ways = append(ways, "for writing")
	}
	if strings.ContainsAny(mask, "mx") {
		ways = append(ways, "as executable code")
	}
	return append(escape.Words("map % into memory", name), escape.Words(join(ways))...)
}

// execution words exec; the target is the profile it would have changed to.
func execution(name, target string) []escape.Text {
	switch {
	case target == "" || target == name || strings.Contains(target, apparmor.Learning):
		return escape.Words("execute %", name)
	case target == "unconfined":
		return escape.Words("execute % unconfined", name)
	}
	return escape.Words("execute % under profile %", name, target)
}

// propagations are the mount flags that change a mount's propagation.
var propagations = []string{
	"unbindable", "runbindable", "private", "rprivate", "slave", "rslave", "shared", "rshared",
}

// mount words the operations that mount(2) has, told apart by their flags
// (audit_mnt_flags in security/apparmor/mount.c).
func mount(d Fields) []escape.Text {
	name, source, kind := d.Get("name"), d.Get("srcname"), d.Get("fstype")
	flags := strings.FieldsFunc(d.Get("flags"), func(r rune) bool { return r == ',' || r == ' ' })
	has := func(flag string) bool { return slices.Contains(flags, flag) }
	switch {
	case d.Get("operation") == "remount" || has("remount"):
		flags = slices.DeleteFunc(flags, func(f string) bool { return f == "remount" })
		what := escape.Words("remount %", name)
		if len(flags) > 0 {
			what = append(what, escape.Fields("("+escape.Line(strings.Join(flags, ", "))+")")...)
		}
		return what
	case has("move") || d.Get("operation") == "move_mount":
		return escape.Words("move the mount % to %", source, name)
	case has("bind") || has("rbind"):
		return escape.Words("bind-mount % on %", source, name)
	}
	for _, p := range propagations {
		if has(p) {
			return append(escape.Words("change the propagation of mount % to", name), escape.Name(p))
		}
	}
	switch {
	case kind == "" && source == "":
		return escape.Words("mount on %", name)
	case kind == "":
		return escape.Words("mount % on %", source, name)
	case strings.ContainsAny(source, "/:"): // a device or a server's export, not "none"
		return escape.Words("mount % (%) on %", source, kind, name)
	}
	return escape.Words("mount % on %", kind, name)
}

// pivotRoot words a pivot_root by the new root and where the old one goes.
func pivotRoot(d Fields) []escape.Text {
	what := escape.Words("pivot the root to %", d.Get("name"))
	if old := d.Get("srcname"); old != "" {
		what = append(what, escape.Words("(old root to %)", old)...)
	}
	return what
}

// signal words kill(2) and friends from the side of the profile that refuses.
func signal(d Fields) []escape.Text {
	sig := d.Get("signal")
	if isPassive(d) {
		what := escape.Words("receive signal %", sig)
		if comm := d.Get("comm"); comm != "" {
			return append(what, escape.Words("from % (%)", comm, d.Get("peer"))...)
		}
		return append(what, append([]escape.Text{"from"}, peer(d)...)...)
	}
	return append(escape.Words("send signal % to", sig), peer(d)...)
}

// ptrace words the four sides of ptrace and of reading /proc/PID.
func ptrace(d Fields) []escape.Text {
	m := mask(d)
	by := peer(d)
	// Which of the two the record's comm is depends on the call, so it is only named.
	if comm := d.Get("comm"); comm != "" {
		by = append(by, escape.Words("(logged for %)", comm)...)
	}
	switch {
	case strings.Contains(m, "tracedby"):
		return append(escape.Words("be traced by"), by...)
	case strings.Contains(m, "readby"):
		return append(escape.Words("have its state read by"), by...)
	case strings.Contains(m, "trace"):
		return append(escape.Words("trace"), peer(d)...)
	}
	return append(escape.Words("read the state of"), peer(d)...)
}

// peer words the other process, of which the record has the label only.
func peer(d Fields) []escape.Text {
	switch label := d.Get("peer", "peer_label"); label {
	case "":
		return escape.Words("another process")
	case "unconfined":
		return escape.Words("an unconfined process")
	default:
		return escape.Words("a process of profile %", label)
	}
}

// queue words POSIX and System V message queues.
func queue(d Fields) []escape.Text {
	verbs := escape.Prose(mask(d))
	if len(verbs) == 0 {
		verbs = []escape.Text{"use"}
	}
	return append(escape.Fields(join(verbs)), escape.Words("message queue %", d.Get("name"))...)
}

// dbus words the records of dbus-daemon and dbus-broker.
func dbus(op string, d Fields) []escape.Text {
	bus := d.Get("bus")
	switch m := mask(d); {
	case op == "dbus_bind" || m == "bind":
		return escape.Words("own the name % on the % bus", d.Get("name"), bus)
	case op == "dbus_eavesdrop" || m == "eavesdrop":
		return escape.Words("eavesdrop on the % bus", bus)
	case m == "receive":
		return append(escape.Words("receive % from", message(d)), onBus(d, bus)...)
	default:
		return append(escape.Words("send % to", message(d)), onBus(d, bus)...)
	}
}

// message names a D-Bus message as INTERFACE.MEMBER.
func message(d Fields) string {
	full := strings.Trim(d.Get("interface")+"."+d.Get("member", "method"), ".")
	if full == "" {
		return "a message"
	}
	return full
}

// onBus names the other side of a D-Bus message.
func onBus(d Fields, bus string) []escape.Text {
	if name := d.Get("name"); name != "" {
		return escape.Words("% on the % bus", name, bus)
	}
	return append(peer(d), escape.Words("on the % bus", bus)...)
}

// join joins verbs as English does: "a", "a and b", "a, b and c".
func join(words []escape.Text) escape.Text {
	if len(words) < 2 {
		return escape.Join(words, "")
	}
	last := len(words) - 1
	return escape.Join(words[:last], ", ") + " and " + words[last]
}
