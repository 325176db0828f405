package apparmor

import (
	"fmt"
	"slices"
	"strings"

	"github.com/whydenied/whydenied/rules/apparmor/aare"
)

// profileModes are the flags of which a profile has at most one.
var profileModes = wordSet("enforce complain kill unconfined prompt default_allow")

// flagNames are the flags other than modes.
var flagNames = wordSet(`audit chroot_relative namespace_relative mediate_deleted delegate_deleted
	attach_disconnected no_attach_disconnected chroot_attach chroot_no_attach debug interruptible
	attach_disconnected.ipc`)

// flagConflicts are pairs of flags that cannot stand together.
var flagConflicts = [...][2]string{
	{"chroot_relative", "namespace_relative"},
	{"mediate_deleted", "delegate_deleted"},
	{"attach_disconnected", "no_attach_disconnected"},
	{"attach_disconnected.path", "no_attach_disconnected"},
	{"attach_disconnected.ipc", "no_attach_disconnected"},
	{"chroot_attach", "chroot_no_attach"},
}

// valuedFlags are the flags that take one value each.
var valuedFlags = wordSet("attach_disconnected.path attach_disconnected.ipc kill.signal error")

// errnoNames are the names of errors on Linux: errno-base.h and errno.h of
// asm-generic.
var errnoNames = wordSet(`EPERM ENOENT ESRCH EINTR EIO ENXIO E2BIG ENOEXEC EBADF ECHILD EAGAIN ENOMEM EACCES EFAULT
	ENOTBLK EBUSY EEXIST EXDEV ENODEV ENOTDIR EISDIR EINVAL ENFILE EMFILE ENOTTY ETXTBSY EFBIG ENOSPC ESPIPE EROFS
	EMLINK EPIPE EDOM ERANGE EDEADLK ENAMETOOLONG ENOLCK ENOSYS ENOTEMPTY ELOOP EWOULDBLOCK ENOMSG EIDRM ECHRNG
	EL2NSYNC EL3HLT EL3RST ELNRNG EUNATCH ENOCSI EL2HLT EBADE EBADR EXFULL ENOANO EBADRQC EBADSLT EDEADLOCK EBFONT
	ENOSTR ENODATA ETIME ENOSR ENONET ENOPKG EREMOTE ENOLINK EADV ESRMNT ECOMM EPROTO EMULTIHOP EDOTDOT EBADMSG
	EOVERFLOW ENOTUNIQ EBADFD EREMCHG ELIBACC ELIBBAD ELIBSCN ELIBMAX ELIBEXEC EILSEQ ERESTART ESTRPIPE EUSERS
	ENOTSOCK EDESTADDRREQ EMSGSIZE EPROTOTYPE ENOPROTOOPT EPROTONOSUPPORT ESOCKTNOSUPPORT EOPNOTSUPP EPFNOSUPPORT
	EAFNOSUPPORT EADDRINUSE EADDRNOTAVAIL ENETDOWN ENETUNREACH ENETRESET ECONNABORTED ECONNRESET ENOBUFS EISCONN
	ENOTCONN ESHUTDOWN ETOOMANYREFS ETIMEDOUT ECONNREFUSED EHOSTDOWN EHOSTUNREACH EALREADY EINPROGRESS ESTALE
	EUCLEAN ENOTNAM ENAVAIL EISNAM EREMOTEIO EDQUOT ENOMEDIUM EMEDIUMTYPE ECANCELED ENOKEY EKEYEXPIRED EKEYREVOKED
	EKEYREJECTED EOWNERDEAD ENOTRECOVERABLE ERFKILL EHWPOISON ENOTSUP`)

// flagSince is the first version that accepts a flag, where 3.0 does not.
var flagSince = map[string]string{
	"prompt": "4.0", "default_allow": "4.0", "debug": "4.0", "interruptible": "4.0",
	"attach_disconnected.path": "4.0", "kill.signal": "4.0", "error": "4.1",
	"attach_disconnected.ipc": "5.0",
}

// Learning is in the name of a profile that the kernel makes for a program which is
// executed in complain mode without a rule: a//null-...
const Learning = "//null-"

func wordSet(words string) map[string]bool {
	m := map[string]bool{}
	for _, w := range strings.Fields(words) {
		m[w] = true
	}
	return m
}

// modeWord reports whether a word is made of file permissions: r w a l k m x
// in either case and the exec modes ix ux px cx pix cux and so on.
func modeWord(word string) bool {
	for i := 0; i < len(word); {
		n := modeLen(word[i:])
		if n == 0 {
			return false
		}
		i += n
	}
	return word != ""
}

// modeLen returns the length of the permission that starts a word, or 0.
func modeLen(word string) int {
	lower := strings.ToLower(word[:min(3, len(word))])
	for _, m := range [...]string{"pix", "pux", "cix", "cux", "px", "cx", "ix", "ux"} {
		if strings.HasPrefix(lower, m) {
			return len(m)
		}
	}
	// k has no upper case, nor has a.
	if strings.IndexByte("rRwWaLlMmkXx", word[0]) >= 0 {
		return 1
	}
	return 0
}

// unescape removes quotes, cuts at the first NUL byte, which ends a string in
// the parser, and resolves escapes as the parser does before globbing: \n, \t, \x41, \d65 and \101 become the byte, unless that byte means
// something in a glob; then, and where the escape is no such sequence, the
// backslash stays for the glob to read.
func unescape(s string) string {
	if len(s) >= 2 && s[0] == '"' && s[len(s)-1] == '"' {
		s = s[1 : len(s)-1]
	}
	s, _, _ = strings.Cut(s, "\x00")
	if strings.IndexByte(s, '\\') < 0 {
		return s
	}
	var out strings.Builder
	for i := 0; i < len(s); {
		if s[i] != '\\' || i+1 == len(s) {
			out.WriteByte(s[i])
			i++
			continue
		}
		c, n := aare.ReadEscape(s[i+1:])
		switch {
		case n == 0:
			out.WriteByte(s[i])
			i++
			continue
		case c == 0:
			out.WriteString(s[i : i+1+n])
		case strings.IndexByte("*?[]{}^,\\", c) >= 0:
			out.WriteByte('\\')
			out.WriteByte(c)
		default:
			out.WriteByte(c)
		}
		i += 1 + n
	}
	return out.String()
}

// quoteByte shows a byte of the source in a message.
func quoteByte(c byte) string {
	if c > ' ' && c < 0x7f {
		return "'" + string(rune(c)) + "'"
	}
	return fmt.Sprintf("0x%02x", c)
}

// closest returns a question after the known name that is nearest to one, or "".
func closest(name string, known []string) string {
	best := Nearest(name, known)
	if best == "" {
		return ""
	}
	return "; did you mean " + best + "?"
}

// Nearest returns the known name that differs least from one that is not known, or ""
// if none is like it.
func Nearest(name string, known []string) string {
	best, limit := "", 1+len(name)/4
	slices.Sort(known)
	for _, k := range known {
		if d := distance(name, k); d <= limit {
			best, limit = k, d-1
		}
	}
	return best
}

// distance is the edit distance of two short names.
func distance(a, b string) int {
	if len(a) > 40 || len(b) > 40 {
		return 40
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		prev := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := prev
			if a[i] != b[j] {
				cost++
			}
			prev = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

func keys[V any](m map[string]V) []string {
	names := make([]string, 0, len(m))
	for k := range m {
		names = append(names, k)
	}
	return names
}
