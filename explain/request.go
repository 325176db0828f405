package explain

import (
	"cmp"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/whydenied/whydenied/parser"
	"github.com/whydenied/whydenied/rules/apparmor"
)

// This file is the one place where the words of log records become those of
// policy: requested_mask="wc" is w.

// maskLetters are the letters of a file record's masks: aa_perm_mask_to_str()
// in security/apparmor/lib.c, Linux 6.18. Creating, deleting, renaming and
// changing attributes are all written w in policy.
var maskLetters = map[rune]apparmor.Perms{
	'r': apparmor.Read,
	'w': apparmor.Write,
	'a': apparmor.Append,
	'c': apparmor.Write, // create
	'd': apparmor.Write, // delete, rename away
	'x': apparmor.Exec,
	'm': apparmor.Mmap,
	'k': apparmor.Lock,
	'l': apparmor.Link,
}

// maskWords are the words of the other classes' masks.
var maskWords = map[string]apparmor.Perms{
	"read": apparmor.Read, "write": apparmor.Write, "create": apparmor.Create, "delete": apparmor.Delete,
	"open": apparmor.Open, "send": apparmor.Send, "receive": apparmor.Receive, "bind": apparmor.Bind,
	"listen": apparmor.Listen, "accept": apparmor.Accept, "connect": apparmor.Connect,
	"shutdown": apparmor.Shutdown, "getattr": apparmor.GetAttr, "setattr": apparmor.SetAttr,
	"getopt": apparmor.GetOpt, "setopt": apparmor.SetOpt, "eavesdrop": apparmor.Eavesdrop,
	"trace": apparmor.Trace, "tracedby": apparmor.TracedBy, "readby": apparmor.ReadBy,
	"sqpoll": apparmor.SQPoll, "override_creds": apparmor.OverrideCreds, "userns_create": apparmor.Create,
}

// filePerms returns the permissions of a file record's mask.
func filePerms(mask string) apparmor.Perms {
	var perms apparmor.Perms
	for _, letter := range mask {
		perms |= maskLetters[letter]
	}
	return perms
}

// wordPerms returns the permissions of a mask written as words.
func wordPerms(mask string) apparmor.Perms {
	var perms apparmor.Perms
	for word := range strings.FieldsFuncSeq(mask, func(r rune) bool { return r == ' ' || r == ',' }) {
		perms |= maskWords[word]
	}
	return perms
}

// FileMask returns the permissions of a file mask as records and profiles write
// it, such as "rw"; c and d, which only records have, are w. It fails for any
// other letter.
func FileMask(mask string) (apparmor.Perms, error) {
	for _, letter := range mask {
		if _, ok := maskLetters[letter]; !ok {
			return 0, fmt.Errorf("%q is no file permission; the letters are r w a x m k l, and c d of records", letter)
		}
	}
	return filePerms(mask), nil
}

// WordMask returns the permissions of a mask written as words, such as "send
// receive" or "(send, receive)". It fails for a word that is none of allowed.
func WordMask(mask string, allowed apparmor.Perms) (apparmor.Perms, error) {
	mask = strings.Trim(mask, "()")
	for word := range strings.FieldsFuncSeq(mask, func(r rune) bool { return r == ' ' || r == ',' }) {
		if perm, ok := maskWords[word]; !ok || perm&^allowed != 0 {
			return 0, fmt.Errorf("%q is no permission here; the words are %s", word, allowed.Words())
		}
	}
	return wordPerms(mask), nil
}

// request returns the access that an AppArmor record is about, as policy
// decides on it: what was refused, or all that was asked for if the record does
// not say. It reports false for records that are not about an access that rules
// decide.
func request(d *parser.Denial) (apparmor.Request, bool) {
	a := d.AppArmor
	mask := a.Denied
	if mask == "" {
		mask = a.Requested
	}
	switch {
	case a.Operation == "capable":
		return apparmor.CapabilityRequest{Name: a.CapName}, a.CapName != ""
	case a.Operation == "signal":
		return apparmor.SignalRequest{Perms: wordPerms(mask), Signal: a.Signal, Peer: a.Peer}, wordPerms(mask) != 0
	case a.Operation == "ptrace":
		return apparmor.PtraceRequest{Perms: wordPerms(mask), Peer: a.Peer}, wordPerms(mask) != 0
	case a.Operation == "mount" || a.Operation == "umount":
		return mountRequest(a), true
	case a.Operation == "pivotroot":
		return apparmor.PivotRootRequest{NewRoot: a.Name, OldRoot: a.SrcName}, true
	case a.Operation == "setrlimit" && a.Info == "cap_sys_resource": // of another process: aa_task_setrlimit
		return apparmor.CapabilityRequest{Name: "sys_resource"}, true
	case a.Operation == "setrlimit":
		value, err := strconv.ParseUint(a.Value, 10, 64)
		return apparmor.RlimitRequest{Name: a.RLimit, Value: value}, err == nil
	case a.Operation == "userns_create" || a.Class == "namespace":
		return apparmor.UsernsRequest{}, true
	case strings.HasPrefix(a.Operation, "uring_") || a.Class == "io_uring":
		return ioUringRequest(a, mask), true
	case strings.HasSuffix(a.Class, "_mqueue"):
		kind, _, _ := strings.Cut(a.Class, "_")
		return apparmor.MqueueRequest{Perms: wordPerms(mask), Type: kind, Name: a.Name}, wordPerms(mask) != 0
	case strings.HasPrefix(a.Operation, "change_profile") || strings.HasPrefix(a.Operation, "change_onexec") || strings.HasPrefix(a.Operation, "stack"):
		return changeProfileRequest(a), true
	case strings.HasPrefix(a.Operation, "dbus_"):
		return dbusRequest(a), true
	case a.Family != "":
		return socketRequest(a, mask), true
	}
	return fileRequest(a, mask)
}

func fileRequest(a *parser.AppArmor, mask string) (apparmor.Request, bool) {
	perms := filePerms(mask)
	if a.Class != "" && a.Class != "file" {
		return nil, false // of a class that policy has no rules for
	}
	r := apparmor.FileRequest{Path: a.Name, Perms: perms}
	r.Owner, _ = owned(a)
	switch {
	case a.Operation == "link" && perms&apparmor.Link != 0:
		r.Target = a.Target
	case a.Operation == "link" && a.Target != "":
		// The new name may be all that the rules let it be only if the target may, too:
		// profile_path_link() in security/apparmor/file.c logs what that lacks.
		r.Path = a.Target
	}
	return r, perms != 0 && a.Name != ""
}

// lasting returns the access that must be granted for a refused one to be of use. A
// file opened to append is asked for w at each write(2), which an a rule does not
// grant: aa_map_file_to_perms() and aa_file_perm() in security/apparmor, Linux
// 6.1 to 6.12. A shared library that is opened is mapped next. A file that open(2)
// makes is asked for as c, and then for what it is opened for.
func lasting(d *parser.Denial, req apparmor.Request) apparmor.Request {
	file, ok := req.(apparmor.FileRequest)
	switch {
	case ok && file.Perms&apparmor.Append != 0:
		file.Perms |= apparmor.Write
	case opensLibrary(d, req):
		file.Perms |= apparmor.Mmap
	case ok && d.AppArmor.Operation == "mknod" && opensToRead(d):
		file.Perms |= apparmor.Read
	default:
		return req
	}
	return file
}

// sharedLibrary is the name of a shared library, and of one in a folder for them.
var sharedLibrary = regexp.MustCompile(`^(/.*/lib[^/]*/)?.*\.so(\.[0-9]+)*$`)

// opensLibrary reports whether a refused open(2) is the loader's of a shared
// library: by its name and, where the system call is logged, its flags, which are
// those of open_verify() in elf/dl-load.c of glibc 2.36.
func opensLibrary(d *parser.Denial, req apparmor.Request) bool {
	file, ok := req.(apparmor.FileRequest)
	name := sharedLibrary.FindStringSubmatch(file.Path)
	if !ok || name == nil || d.AppArmor.Operation != "open" || file.Perms != apparmor.Read {
		return false
	}
	if d.Event.Record(parser.SYSCALL) == nil {
		return name[1] != ""
	}
	const cloexec = 0x80000
	flags, ok := openFlags(d)
	return ok && flags == cloexec
}

// opensToRead reports whether a file that is made is opened to be read, too, as by
// mkstemp(3), or read only, as a lock.
func opensToRead(d *parser.Denial) bool {
	flags, ok := openFlags(d)
	return ok && flags&0o3 != 0o1 // O_WRONLY of O_ACCMODE
}

// clueOf returns what a record tells of its path besides the path. mkstemp(3) makes
// a file that is not there for its owner alone, to be read and written, and
// mkdtemp(3) such a folder.
func clueOf(d *parser.Denial) clue {
	const (
		exclusive = 0o302 // O_RDWR, O_CREAT and O_EXCL
		ownerFile = 0o600
		ownerDir  = 0o700
	)
	c := clue{pid: d.Subject.PID}
	if call := d.Event.Record(parser.SYSCALL); call != nil {
		c.ppid, _ = strconv.Atoi(call.Get("ppid"))
	}
	if flags, ok := openFlags(d); ok && flags&exclusive == exclusive {
		mode, ok := argument(d, map[string]string{"open": "a2", "openat": "a3"})
		c.temp = ok && mode == ownerFile
	} else if mode, ok := argument(d, map[string]string{"mkdir": "a1", "mkdirat": "a2"}); ok {
		c.temp = mode == ownerDir
	}
	return c
}

// openFlags returns the flags of the event's open(2) or openat(2).
func openFlags(d *parser.Denial) (flags uint64, ok bool) {
	return argument(d, map[string]string{"open": "a1", "openat": "a2"})
}

// argument returns an argument of the event's system call, if it is one of calls,
// which name the field of it.
func argument(d *parser.Denial, calls map[string]string) (value uint64, ok bool) {
	call := d.Event.Record(parser.SYSCALL)
	if call == nil {
		return 0, false
	}
	for name, field := range calls {
		if isCall(call, name) {
			value, err := strconv.ParseUint(call.Get(field), 16, 64)
			return value, err == nil
		}
	}
	return 0, false
}

// attached returns the access to a file whose name does not begin at the root, as
// it is once attach_disconnected has it begin there: disconnect() in
// security/apparmor/path.c, Linux 6.12. It reports false for other records.
func attached(d *parser.Denial) (apparmor.FileRequest, bool) {
	if req, ok := request(d); ok {
		if _, isFile := req.(apparmor.FileRequest); !isFile {
			return apparmor.FileRequest{}, false
		}
	}
	named := *d.AppArmor
	if strings.HasPrefix(named.Name, "/") {
		return apparmor.FileRequest{}, false
	}
	named.Name = "/" + named.Name // "/" itself for what has no path, as a namespace
	req, ok := fileRequest(&named, cmp.Or(named.Denied, named.Requested))
	if !ok {
		return apparmor.FileRequest{}, false
	}
	file, _ := lasting(d, req).(apparmor.FileRequest)
	return file, true
}

// mountRequest tells the kinds of mount apart by their flags, as
// security/apparmor/mount.c does; the kernel logs all as "mount".
func mountRequest(a *parser.AppArmor) apparmor.Request {
	r := apparmor.MountRequest{Op: a.Operation, Source: a.SrcName, Target: a.Name, Fstype: a.FSType}
	for flag := range strings.SplitSeq(a.Flags, ",") {
		switch flag = strings.TrimSpace(flag); flag {
		case "":
			continue
		case "bind", "rbind":
			r.Op = "bind"
		case "remount", "move":
			r.Op = flag
		}
		r.Flags = append(r.Flags, flag)
	}
	return r
}

// socketRequest is a UnixRequest where the kernel tells addresses apart, which
// shows in the record, and a NetworkRequest otherwise.
func socketRequest(a *parser.AppArmor, mask string) apparmor.Request {
	perms := wordPerms(mask)
	if a.Family == "unix" && (a.Addr != "" || a.PeerAddr != "") {
		return apparmor.UnixRequest{Perms: perms, Type: a.SockType, Addr: a.Addr, PeerAddr: a.PeerAddr, PeerLabel: a.Peer}
	}
	return apparmor.NetworkRequest{Family: a.Family, Type: a.SockType, Perms: perms}
}

func changeProfileRequest(a *parser.AppArmor) apparmor.Request {
	target := a.Target
	if target == "" {
		target = a.Name
	}
	if strings.HasPrefix(a.Operation, "stack") && !strings.HasPrefix(target, "&") {
		target = "&" + target
	}
	return apparmor.ChangeProfileRequest{Target: target}
}

func dbusRequest(a *parser.AppArmor) apparmor.Request {
	mask := a.Denied
	if mask == "" {
		mask = a.Requested
	}
	name := a.Name
	if strings.HasPrefix(name, ":") { // of a connection: the next has another
		name = ""
	}
	return apparmor.DBusRequest{
		Perms: wordPerms(mask), Bus: a.Bus, Path: a.Path, Interface: a.Interface, Member: a.Member,
		Name: name, PeerLabel: a.Peer,
	}
}

func ioUringRequest(a *parser.AppArmor, mask string) apparmor.Request {
	perms := wordPerms(mask)
	switch a.Operation {
	case "uring_override":
		perms = apparmor.OverrideCreds
	case "uring_sqpoll":
		perms = apparmor.SQPoll
	}
	return apparmor.IOUringRequest{Perms: perms, Label: a.Target}
}
