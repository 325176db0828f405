package access

import (
	"cmp"
	"errors"
	"regexp"
	"strconv"
	"strings"
	"sync"

	"github.com/whydenied/whydenied/parser"
	"github.com/whydenied/whydenied/rules/apparmor"
)

func fileRequest(d *parser.Denial, mask string) (apparmor.Request, error) {
	a := d.AppArmor
	if mask == "" { // as somebody asks who does not say it
		mask = map[string]string{"exec": "x", "link": "l"}[a.Operation]
	}
	perms, err := letters(mask)
	if err == nil && perms == 0 {
		err = errors.New("mask is missing: the permissions asked for, such as r")
	}
	r := apparmor.FileRequest{Path: a.Name, Perms: perms}
	r.Owner, _ = Owned(a)
	switch {
	case a.Operation == "link" && perms&apparmor.Link != 0:
		r.Target = a.Target
	case a.Operation == "link" && a.Target != "":
		// The new name may be all that the rules let it be only if the target may, too:
		// profile_path_link() in security/apparmor/file.c logs what that lacks.
		r.Path = a.Target
	}
	return r, cmp.Or(err, needs("name", a.Name))
}

// Owned reports whether the object belongs to the task's user, as owner rules
// ask, and whether that is known: a file that is made belongs to the task that makes it, as
// common_perm_create() in security/apparmor/lsm.c has it (Linux 6.12).
func Owned(a *parser.AppArmor) (owner, known bool) {
	if a.FSUID == nil || a.OUID == nil {
		made := strings.Contains(a.Requested, "c")
		return made, made
	}
	return *a.FSUID == *a.OUID, true
}

// Lasting returns the access that must be granted for a refused one to be of use. A
// file opened to append is asked for w at each write(2), which an a rule does not
// grant: aa_map_file_to_perms() and aa_file_perm() in security/apparmor, Linux
// 6.1 to 6.12. A shared library that is opened is mapped next. A file that open(2)
// makes is asked for as c, and then for what it is opened for, and one that its maker is
// known to lock first is locked.
func Lasting(d *parser.Denial, req apparmor.Request) apparmor.Request {
	file, ok := req.(apparmor.FileRequest)
	switch {
	case ok && file.Perms&apparmor.Append != 0:
		file.Perms |= apparmor.Write
	case OpensLibrary(d, req):
		file.Perms |= apparmor.Mmap
	case ok && d.AppArmor.Operation == "mknod" && opensToRead(d):
		file.Perms |= apparmor.Read
	case !ok:
		return req
	}
	if LocksNext(d, req) != "" {
		file.Perms |= apparmor.Lock
	}
	return file
}

// lockers are who locks what it opens to write before it does anything else with it: ps_files_open() in
// ext/session/mod_files.c and zend_shared_alloc_create_lock() in ext/opcache/zend_shared_alloc.c of PHP 8.2;
// unixOpen() and unixOpenSharedMemory() in src/os_unix.c of SQLite 3.40, whose journals and logs are not
// locked.
var lockers = sync.OnceValue(func() []locker {
	return []locker{
		{"PHP", regexp.MustCompile(`/sess_[0-9A-Za-z,-]{22,256}$|/\.ZendSem\.[A-Za-z0-9]{6}$`), 0},
		{"SQLite", regexp.MustCompile(`[^/]-shm$|[^/]\.(?:db|db3|sqlite|sqlite3)$`), 0xa0042}, // O_RDWR, O_CREAT, O_NOFOLLOW and O_CLOEXEC
	}
})

type locker struct {
	who   string
	name  *regexp.Regexp
	flags uint64 // of open(2), where many programs have files of such names; else 0
}

// LocksNext says who locks the file of a refused access once it is open, or "".
func LocksNext(d *parser.Denial, req apparmor.Request) string {
	file, ok := req.(apparmor.FileRequest)
	if !ok || file.Perms&apparmor.Write == 0 || d.AppArmor.Operation != "open" && d.AppArmor.Operation != "mknod" {
		return ""
	}
	for _, l := range lockers() {
		if flags, _ := openFlags(d); l.name.MatchString(file.Path) && (l.flags == 0 || l.flags == flags) {
			return l.who
		}
	}
	return ""
}

// library is the name of a shared library, and of one in a folder for them.
var library = regexp.MustCompile(`^(/.*/lib[^/]*/)?.*\.so(\.[0-9]+)*$`)

// OpensLibrary reports whether a refused open(2) is the loader's of a shared
// library: by its name and, where the system call is logged, its flags, which are
// those of open_verify() in elf/dl-load.c of glibc 2.36.
func OpensLibrary(d *parser.Denial, req apparmor.Request) bool {
	file, ok := req.(apparmor.FileRequest)
	name := library.FindStringSubmatch(file.Path)
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

// Temporary reports whether the call of a record is one by which temporary files and
// folders are made: mkstemp(3) and its like make a file that is not there for its owner
// alone, mostly to be read and written, and mkdtemp(3) such a folder. A file that was opened
// without a name (O_TMPFILE) is given one first that nothing else has, as of QSaveFile.
func Temporary(d *parser.Denial) bool {
	if d.AppArmor != nil && unnamed.MatchString(d.AppArmor.Target) {
		return true
	}
	const (
		exclusive = 0o300 // O_CREAT and O_EXCL
		ownerFile = 0o600
		ownerDir  = 0o700
	)
	if flags, ok := openFlags(d); ok && flags&exclusive == exclusive {
		mode, ok := argument(d, map[string]string{"open": "a2", "openat": "a3"})
		return ok && mode == ownerFile
	}
	mode, ok := argument(d, map[string]string{"mkdir": "a1", "mkdirat": "a2"})
	return ok && mode == ownerDir
}

// unnamed is how the kernel names a file without a name: d_mark_tmpfile() in fs/dcache.c.
var unnamed = regexp.MustCompile(`/#[0-9]+$`)

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
	field, ok := calls[callOf(call)]
	if !ok {
		return 0, false
	}
	value, err := strconv.ParseUint(call.Get(field), 16, 64)
	return value, err == nil
}

// Attached returns the access to a file whose name does not begin at the root, as
// it is once attach_disconnected has it begin there: disconnect() in
// security/apparmor/path.c, Linux 6.12. It reports false for other records, and for what has
// no name at all, as a namespace: of that a rule for / would be about the root directory.
func Attached(d *parser.Denial) (apparmor.FileRequest, bool) {
	if c := classOf(d.AppArmor); c == nil || c != byName["file"] || d.AppArmor.Name == "" || strings.HasPrefix(d.AppArmor.Name, "/") {
		return apparmor.FileRequest{}, false
	}
	attached, named := *d, *d.AppArmor
	named.Name = "/" + named.Name
	attached.AppArmor = &named
	req, err := Request(&attached)
	if err != nil {
		return apparmor.FileRequest{}, false
	}
	file, _ := Lasting(d, req).(apparmor.FileRequest)
	return file, true
}
