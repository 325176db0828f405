package apparmor

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// keywords are the words that cannot be names at the top level, as in
// apparmor_parser's keyword table.
var keywords = wordSet(`network unix capability if else not defined change_profile unsafe safe
	link owner user other subset audit deny allow prompt set rlimit alias rewrite ptrace file
	mount remount umount unmount pivot_root in dbus signal abi userns mqueue io_uring all
	profile hat priority
	send receive bind read write eavesdrop peer trace tracedby readby`)

// ruleWords are the words that rules begin with.
const ruleWords = `file link capability network mount remount umount pivot_root ptrace signal unix dbus
	change_profile set userns mqueue io_uring all audit deny allow owner profile include`

// ruleModes are the keywords that change how the rest of their rule is read.
var ruleModes = map[string]mode{
	"rlimit": modeRlimit, "network": modeNetwork, "change_profile": modeChangeProfile,
	"mount": modeMount, "remount": modeMount, "umount": modeMount, "unmount": modeMount,
	"dbus": modeDBus, "signal": modeSignal, "ptrace": modePtrace, "unix": modeUnix,
	"abi": modeABI, "userns": modeUserns, "mqueue": modeMqueue,
}

// permNames are the permissions that each class of rule names by words.
var permNames = map[mode]map[string]Perms{
	modeDBus: {"send": Send, "write": Send, "receive": Receive, "read": Receive,
		"bind": Bind, "eavesdrop": Eavesdrop},
	modeSignal:  {"send": Send, "write": Send, "receive": Receive, "read": Receive},
	modePtrace:  {"trace": Trace, "write": Trace, "read": Read, "tracedby": TracedBy, "readby": ReadBy},
	modeUnix:    socketPermNames,
	modeNetwork: socketPermNames,
	modeMqueue: {"create": Create, "open": Open, "delete": Delete, "read": Read, "write": Write,
		"getattr": GetAttr, "setattr": SetAttr},
	modeUserns:  {"create": Create},
	modeInitial: {"sqpoll": SQPoll, "override_creds": OverrideCreds}, // io_uring
}

var socketPermNames = map[string]Perms{
	"send": Send, "write": Send, "receive": Receive, "read": Receive, "create": Create,
	"bind": Bind, "listen": Listen, "accept": Accept, "connect": Connect, "shutdown": Shutdown,
	"getattr": GetAttr, "setattr": SetAttr, "getopt": GetOpt, "setopt": SetOpt,
}

// permLetters are what r and w mean in rules that also take words.
var permLetters = map[mode][2]Perms{
	modeDBus: {Receive, Send}, modeSignal: {Receive, Send}, modePtrace: {Read, Trace},
	modeUnix: {Receive, Send}, modeNetwork: {Receive, Send}, modeMqueue: {Read, Write},
}

func permWordIn(m mode, word string) bool { return permNames[m][word] != 0 }

// isLetterPerms reports whether a word is r, w, rw or wr.
func isLetterPerms(word string) bool {
	return word == "r" || word == "w" || word == "rw" || word == "wr"
}

// capabilities are the names of capabilities(7) in the order of their numbers.
var capabilities = strings.Fields(`chown dac_override dac_read_search fowner fsetid kill setgid setuid
	setpcap linux_immutable net_bind_service net_broadcast net_admin net_raw ipc_lock ipc_owner
	sys_module sys_rawio sys_chroot sys_ptrace sys_pacct sys_admin sys_boot sys_nice sys_resource
	sys_time sys_tty_config mknod lease audit_write audit_control setfcap mac_override mac_admin
	syslog wake_alarm block_suspend audit_read perfmon bpf checkpoint_restore`)

// Capabilities returns the names of all capabilities, as the bare rule
// `capability,` grants them, without cap_.
func Capabilities() []string { return slices.Clone(capabilities) }

// families are the address families of network rules, by name and number
// (linux/socket.h).
var families = map[string]int{
	"unspec": 0, "unix": 1, "inet": 2, "ax25": 3, "ipx": 4, "appletalk": 5, "netrom": 6, "bridge": 7, "atmpvc": 8,
	"x25": 9, "inet6": 10, "rose": 11, "netbeui": 12, "security": 13, "key": 14, "netlink": 16,
	"packet": 17, "ash": 18, "econet": 19, "atmsvc": 20, "rds": 21, "sna": 22, "irda": 23, "pppox": 24,
	"wanpipe": 25, "llc": 26, "ib": 27, "mpls": 28, "can": 29, "tipc": 30, "bluetooth": 31, "iucv": 32,
	"rxrpc": 33, "isdn": 34, "phonet": 35, "ieee802154": 36, "caif": 37, "alg": 38, "nfc": 39,
	"vsock": 40, "kcm": 41, "qipcrtr": 42, "smc": 43, "xdp": 44, "mctp": 45,
}

func isFamily(name string) bool {
	_, ok := families[name]
	return ok
}

// socketTypes are the types of network rules; the protocols stand for the type
// that carries them.
var socketTypes = wordSet("stream dgram seqpacket rdm raw packet")
var socketProtocols = wordSet("tcp udp icmp")

// signals are the names of signal rules; rtmin+N is checked apart.
var signals = wordSet(`hup int quit ill trap abrt bus fpe kill usr1 segv usr2 pipe alrm term stkflt chld
	cont stop stp tstp ttin ttou urg xcpu xfsz vtalrm prof winch io poll pwr sys emt exists`)

func isSignal(name string) bool {
	_, ok := signalName(name)
	return ok
}

// signalName returns the usual spelling of a signal. What follows rtmin+ is
// read as strtoul(3) does, which the parser uses: letters after the number, and
// a number that is missing, go unnoticed.
func signalName(name string) (string, bool) {
	text, ok := strings.CutPrefix(name, "rtmin+")
	if !ok {
		return name, signals[name]
	}
	text = strings.TrimLeft(text, " \t\n\v\f\r")
	text, negative := strings.CutPrefix(text, "-")
	if !negative {
		text = strings.TrimPrefix(text, "+")
	}
	digits := len(text) - len(strings.TrimLeft(text, "0123456789"))
	n, err := strconv.ParseUint("0"+text[:digits], 10, 64)
	if negative && err == nil {
		n = -n
	}
	return "rtmin+" + strconv.FormatUint(n, 10), err == nil && n <= 32
}

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
	{"chroot_attach", "chroot_no_attach"},
}

// flagSince is the first version that accepts a flag, where 3.0 does not.
var flagSince = map[string]string{
	"prompt": "4.0", "default_allow": "4.0", "debug": "4.0", "interruptible": "4.0",
	"attach_disconnected.path": "4.0", "kill.signal": "4.0", "error": "4.0",
	"attach_disconnected.ipc": "4.1",
}

// rlimitKinds are the limits by what their values count.
var rlimitKinds = map[string]string{
	"cpu": "seconds", "rttime": "microseconds",
	"fsize": "bytes", "data": "bytes", "stack": "bytes", "core": "bytes", "rss": "bytes", "as": "bytes",
	"memlock": "bytes", "msgqueue": "bytes",
	"nofile": "number", "ofile": "number", "nproc": "number", "locks": "number", "sigpending": "number",
	"rtprio": "number", "nice": "nice",
}

// timeUnits are the units of cpu and rttime, in microseconds.
var timeUnits = map[string]int64{
	"us": 1, "microsecond": 1, "microseconds": 1, "ms": 1e3, "millisecond": 1e3, "milliseconds": 1e3,
	"s": 1e6, "sec": 1e6, "second": 1e6, "seconds": 1e6, "min": 60e6, "minute": 60e6, "minutes": 60e6,
	"h": 3600e6, "hour": 3600e6, "hours": 3600e6, "d": 86400e6, "day": 86400e6, "days": 86400e6,
	"week": 7 * 86400e6, "weeks": 7 * 86400e6,
}

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
		c, n := escape(s[i+1:])
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

// escape reads an escape sequence after its backslash: the byte it stands for
// and its length, 0 if it is none.
func escape(s string) (byte, int) {
	if s == "" {
		return 0, 0
	}
	if '0' <= s[0] && s[0] <= '7' {
		return number(s, 8, 3)
	}
	switch s[0] {
	case '\\', '"':
		return s[0], 1
	case 'a':
		return '\a', 1
	case 'e':
		return 033, 1
	case 'f':
		return '\f', 1
	case 'n':
		return '\n', 1
	case 'r':
		return '\r', 1
	case 't':
		return '\t', 1
	case 'd', 'x':
		base, most := 10, 3
		if s[0] == 'x' {
			base, most = 16, 2
		}
		c, n := number(s[1:], base, most)
		if n == 0 {
			return 0, 0
		}
		return c, n + 1
	}
	return 0, 0
}

// number reads at most n digits while the value fits a byte.
func number(s string, base, n int) (byte, int) {
	v, i := 0, 0
	for i < min(n, len(s)) {
		d := strings.IndexByte("0123456789abcdef", s[i]|0x20)
		if isDigit(s[i]) {
			d = int(s[i] - '0')
		}
		if d < 0 || d >= base || v*base+d > 255 {
			break
		}
		v = v*base + d
		i++
	}
	return byte(v), i
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
