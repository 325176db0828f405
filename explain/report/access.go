package report

import (
	"slices"
	"strings"

	"github.com/whydenied/whydenied/explain/access"
	"github.com/whydenied/whydenied/rules/apparmor"
)

// phrases word the operations that need no more than the object's name, besides those
// of access.Phrase. The operations are those of security/apparmor/include/audit.h, Linux 6.18.
var phrases = map[string]string{
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
func tried(d Fields) []string {
	op, name := d.Get("operation"), d.Get("name")
	if d.Get("family") != "" {
		return socket(op, d)
	}
	if strings.HasSuffix(d.Get("class"), "mqueue") || strings.HasPrefix(op, "mqueue_") {
		return queue(d)
	}
	if phrase := access.Phrase(op); phrase != "" {
		return sayOf(phrase, d)
	}
	if phrase, ok := phrases[op]; ok {
		if name == "" {
			name = d.Get("target")
		}
		if name == "" && op == "change_hat" {
			return say("change hat")
		}
		return say(phrase, name)
	}
	switch op {
	case "open", "file_perm", "file_receive", "file_inherit":
		return file(op, mask(d), name)
	case "file_mmap", "file_mprotect":
		return mapping(mask(d), name)
	case "exec":
		return execution(name, d.Get("target"))
	case "link":
		if target := d.Get("target"); target != "" {
			return say("link % to %", name, target)
		}
		return say("create link %", name)
	case "capable":
		return say("use capability %", d.Get("capname", "capability"))
	case "mount", "remount", "move_mount":
		return mount(d)
	case "pivotroot", "pivot_root":
		return pivotRoot(d)
	case "signal":
		return signal(d)
	case "ptrace":
		return ptrace(d)
	case "setprocattr":
		return say("change its own AppArmor attributes")
	}
	if strings.HasPrefix(op, "dbus_") {
		return dbus(op, d)
	}
	return nil
}

// fileVerbs are the letters of a file mask (aa_audit_perm_mask of
// security/apparmor/lib.c), in the order in which they read best.
var fileVerbs = []struct {
	letter byte
	verb   string
}{
	{'c', "create"}, {'r', "read"}, {'w', "write"}, {'a', "append to"}, {'d', "delete"},
	{'l', "link"}, {'k', "lock"}, {'m', "map as code"}, {'x', "execute"},
}

// file words an access by its mask.
func file(op, mask, name string) []string {
	var verbs []string
	for _, v := range fileVerbs {
		if strings.IndexByte(mask, v.letter) >= 0 {
			verbs = append(verbs, v.verb)
		}
	}
	if len(verbs) == 0 {
		verbs = []string{"access"}
	}
	what := append(say(join(verbs)), quoted(name))
	if name == "" { // of a namespace, a pipe or the like
		what = say(join(verbs) + " a file that has no path")
	}
	switch op {
	case "file_inherit":
		return append(what, say("(inherited open across exec)")...)
	case "file_receive":
		return append(what, say("(opened by another process)")...)
	}
	return what
}

// mapping words mmap and mprotect.
func mapping(mask, name string) []string {
	var ways []string
	if strings.Contains(mask, "r") {
		ways = append(ways, "for reading")
	}
	if strings.Contains(mask, "w") {
		ways = append(ways, "for writing")
	}
	if strings.ContainsAny(mask, "mx") {
		ways = append(ways, "as executable code")
	}
	return append(say("map % into memory", name), say(join(ways))...)
}

// execution words exec; the target is the profile it would have changed to.
func execution(name, target string) []string {
	switch {
	case target == "" || target == name || strings.Contains(target, apparmor.Learning):
		return say("execute %", name)
	case target == "unconfined":
		return say("execute % unconfined", name)
	}
	return say("execute % under profile %", name, target)
}

// propagations are the mount flags that change a mount's propagation.
var propagations = []string{
	"unbindable", "runbindable", "private", "rprivate", "slave", "rslave", "shared", "rshared",
}

// mount words the operations that mount(2) has, told apart by their flags
// (audit_mnt_flags in security/apparmor/mount.c).
func mount(d Fields) []string {
	name, source, kind := d.Get("name"), d.Get("srcname"), d.Get("fstype")
	flags := strings.FieldsFunc(d.Get("flags"), func(r rune) bool { return r == ',' || r == ' ' })
	has := func(flag string) bool { return slices.Contains(flags, flag) }
	switch {
	case d.Get("operation") == "remount" || has("remount"):
		flags = slices.DeleteFunc(flags, func(f string) bool { return f == "remount" })
		what := say("remount %", name)
		if len(flags) > 0 {
			what = append(what, strings.Fields("("+Escape(strings.Join(flags, ", "))+")")...)
		}
		return what
	case has("move") || d.Get("operation") == "move_mount":
		return say("move the mount % to %", source, name)
	case has("bind") || has("rbind"):
		return say("bind-mount % on %", source, name)
	}
	for _, p := range propagations {
		if has(p) {
			return append(say("change the propagation of mount % to", name), p)
		}
	}
	switch {
	case kind == "" && source == "":
		return say("mount on %", name)
	case kind == "":
		return say("mount % on %", source, name)
	case strings.ContainsAny(source, "/:"): // a device or a server's export, not "none"
		return say("mount % (%) on %", source, kind, name)
	}
	return say("mount % on %", kind, name)
}

// pivotRoot words a pivot_root by the new root and where the old one goes.
func pivotRoot(d Fields) []string {
	what := say("pivot the root to %", d.Get("name"))
	if old := d.Get("srcname"); old != "" {
		what = append(what, say("(old root to %)", old)...)
	}
	return what
}

// signal words kill(2) and friends from the side of the profile that refuses.
func signal(d Fields) []string {
	sig := d.Get("signal")
	if isPassive(d) {
		what := say("receive signal %", sig)
		if comm := d.Get("comm"); comm != "" {
			return append(what, say("from % (%)", comm, d.Get("peer"))...)
		}
		return append(what, append([]string{"from"}, peer(d)...)...)
	}
	return append(say("send signal % to", sig), peer(d)...)
}

// ptrace words the four sides of ptrace and of reading /proc/PID.
func ptrace(d Fields) []string {
	m := mask(d)
	by := peer(d)
	// Which of the two the record's comm is depends on the call, so it is only named.
	if comm := d.Get("comm"); comm != "" {
		by = append(by, say("(logged for %)", comm)...)
	}
	switch {
	case strings.Contains(m, "tracedby"):
		return append(say("be traced by"), by...)
	case strings.Contains(m, "readby"):
		return append(say("have its state read by"), by...)
	case strings.Contains(m, "trace"):
		return append(say("trace"), peer(d)...)
	}
	return append(say("read the state of"), peer(d)...)
}

// peer words the other process, of which the record has the label only.
func peer(d Fields) []string {
	switch label := d.Get("peer", "peer_label"); label {
	case "":
		return say("another process")
	case "unconfined":
		return say("an unconfined process")
	default:
		return say("a process of profile %", label)
	}
}

// queue words POSIX and System V message queues.
func queue(d Fields) []string {
	verbs := strings.Fields(mask(d))
	if len(verbs) == 0 {
		verbs = []string{"use"}
	}
	return append(strings.Fields(Escape(join(verbs))), say("message queue %", d.Get("name"))...)
}

// dbus words the records of dbus-daemon and dbus-broker.
func dbus(op string, d Fields) []string {
	bus := d.Get("bus")
	switch m := mask(d); {
	case op == "dbus_bind" || m == "bind":
		return say("own the name % on the % bus", d.Get("name"), bus)
	case op == "dbus_eavesdrop" || m == "eavesdrop":
		return say("eavesdrop on the % bus", bus)
	case m == "receive":
		return append(say("receive % from", message(d)), onBus(d, bus)...)
	default:
		return append(say("send % to", message(d)), onBus(d, bus)...)
	}
}

// message names a D-Bus message as INTERFACE.MEMBER.
func message(d Fields) string {
	full := strings.Trim(d.Get("interface")+"."+d.Get("member"), ".")
	if full == "" {
		return "a message"
	}
	return full
}

// onBus names the other side of a D-Bus message.
func onBus(d Fields, bus string) []string {
	if name := d.Get("name"); name != "" {
		return say("% on the % bus", name, bus)
	}
	return append(peer(d), say("on the % bus", bus)...)
}

// join joins verbs as English does: "a", "a and b", "a, b and c".
func join(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " and " + words[last]
}
