package apparmor

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/whydenied/whydenied/rules/apparmor/aare"
)

// preamble declares what the rules of a policyWriter use.
const preamble = `abi <abi/3.0>,
@{DIR}=/a/
@{NAMES}=a b/ /c
@{NESTED}=@{NAMES}{x,*} [^a]b
@{NONE}=""
`

// A policyWriter makes random profiles whose rules are likely to overlap, and
// requests that are likely to meet them.
type policyWriter struct{ *rand.Rand }

func (w policyWriter) pick(words ...string) string { return words[w.IntN(len(words))] }

func (w policyWriter) chance(percent int) bool { return w.IntN(100) < percent }

// glob makes a path glob of a few short components.
func (w policyWriter) glob() string {
	var out strings.Builder
	for range 1 + w.IntN(3) {
		out.WriteString("/")
		for range 1 + w.IntN(2) {
			out.WriteString(w.pick("a", "b", "ab", "c", "*", "**", "?", "[ab]", "[^a]", "[a-c]", "[^/b]",
				"{a,b}", "{a,b/c}", "{,a}", "{*,b}", "{a,{b,c}}", "{a*,b/**}", `\*`, "a.b", "***", "a+", "(b)",
				"@{NAMES}", "@{NESTED}", "@{NONE}", "@{DIR}", "{,a/}", "{**,b/}", "{a,b{,c{x,}}}", "{[ab],?x}", `{\*,\{}`, `[\*a]`,
				"?*", "**b", "a**c", "*?", "{,*/}", "{,**/}", "[a-b]*", "[^a]*", "[+(]", `\x61`, `\142`, "{/a,b}", "{a,b/,{,}}", "a{,b}*"))
		}
	}
	if w.chance(15) {
		out.WriteString("/")
	}
	if w.chance(4) {
		return w.pick("@{DIR}", "@{DIR}/", "@{DIR}@{NAMES}") + w.pick("", "*", "b/**", "/x")
	}
	if w.chance(5) {
		return "/{," + w.pick("**", "a/", "*/b") + "}"
	}
	return strings.ReplaceAll(out.String(), "//", "/")
}

// path makes a name that such globs may match.
func (w policyWriter) path() string {
	var out strings.Builder
	for range 1 + w.IntN(3) {
		out.WriteString("/" + w.pick("a", "b", "ab", "c", "ac", "ba", "*", "a.b", "axb", "aa", "abc", "a+", "(b)", ".", "é"))
	}
	if w.chance(20) {
		out.WriteString("/")
	}
	return out.String()
}

func (w policyWriter) label() string {
	return w.pick("a", "b", "/a", "/a/b", "p1", "unconfined", "p1//h", "a*", "/a/*", "/**", "{a,b}", "p?", "[^a]*", "**")
}

// target makes the target of a change_profile rule. It is never the path of an
// exec rule: apparmor_parser merges the two rules, and the exec type that stays
// behind may conflict with that of other change_profile rules.
func (w policyWriter) target() string {
	for {
		target := w.pick(w.label(), w.glob())
		if !slices.Contains(execPaths, target) {
			return target
		}
	}
}

// execPaths are most of the programs of exec rules. They are literal, since two
// globs with different modes often conflict.
var execPaths = []string{"/a", "/b", "/ab/c", "/a/b", "/{a,b}/c", "/c"}

func (w policyWriter) peer() string {
	return w.pick("a", "b", "/a", "/a/b", "p1", "unconfined", "p1//h", "ab", "/a/b/c", "p2", "a//&b", "p1//&unconfined")
}

const signalNames = "hup int kill term exists rtmin+0 rtmin+32 usr1"

func (w policyWriter) signals() string {
	names := strings.Fields(signalNames)
	return w.pick(names...)
}

func (w policyWriter) qualifiers() string {
	return w.pick("", "", "", "", "audit ", "deny ", "deny ", "audit deny ")
}

// rule makes a rule of any class.
func (w policyWriter) rule() string {
	q := w.qualifiers()
	deny := strings.Contains(q, "deny")
	switch n := w.IntN(100); {
	case n < 40:
		return q + w.pick("", "", "owner ") + w.glob() + " " + w.perms() + ","
	case n < 52:
		if deny {
			return q + w.glob() + " " + w.pick("x", "rx", "wx", "mx") + ","
		}
		return w.pick("", "owner ", "audit ") + w.execRule()
	case n < 56:
		return q + w.pick("", "owner ") + "link " + w.pick("", "subset ") + w.glob() + " -> " + w.glob() + ","
	case n < 62:
		return q + "capability " + w.pick("chown", "kill", "net_admin sys_admin", "bpf", "", "setuid chown") + ","
	case n < 70:
		return q + "network " + w.pick("", "inet", "inet stream", "inet6 dgram", "tcp", "udp", "inet tcp", "inet6 udp", "icmp",
			"raw", "stream", "netlink raw", "packet", "unix", "unix dgram", "netlink") + ","
	case n < 78:
		return q + "signal " + w.pick("", "send ", "receive ", "(send, receive) ", "rw ") +
			w.pick("", "", "set=("+w.signals()+") ", "set=("+w.signals()+", "+w.signals()+") ") +
			w.pick("", "peer="+w.label()) + ","
	case n < 85:
		return q + "ptrace " + w.pick("", "trace ", "read ", "(read, readby) ", "tracedby ", "rw ") + w.pick("", "peer="+w.label()) + ","
	case n < 91:
		return w.mountRule(q)
	case n < 95:
		return w.pick("", "", "deny ") + "change_profile " + w.pick("", "", w.glob()+" ") + w.pick("", "-> "+w.target(), "-> "+w.target()) + ","
	case n < 98:
		return w.unixRule(q)
	default:
		return w.dbusRule(q)
	}
}

func (w policyWriter) unixRule(q string) string {
	conds := w.pick("", "", "type=stream ", "type=dgram ") + w.pick("", "", "addr=@a ", "addr=@a* ", "addr=none ", "addr=auto ")
	switch w.IntN(3) {
	case 0:
		return q + "unix " + w.pick("", "(create) ", "(bind, getattr) ", "(listen) ", "(send) ") + conds + ","
	case 1:
		return q + "unix " + w.pick("", "(send, receive) ", "(connect) ", "(accept) ") + conds +
			w.pick("peer=(addr=@a)", "peer=(label=p?)", "peer=(addr=@[a-c]*, label=a)", "peer=(addr=none)") + ","
	}
	return q + "unix,"
}

func (w policyWriter) perms() string {
	return w.pick("r", "w", "rw", "a", "ra", "k", "rk", "l", "rl", "rwl", "m", "mr", "rwlk", "rwmkl")
}

func (w policyWriter) execRule() string {
	mode := w.pick("ix", "ix", "px", "Px", "ux", "Ux", "cx", "pix", "Pix", "PUx", "pux", "Cix", "mrix", "rpx")
	target := ""
	if strings.ContainsAny(mode, "pPcC") && w.chance(30) {
		target = " -> " + w.pick("p1", "t", "a")
	}
	path := w.pick(execPaths...)
	if w.chance(35) {
		// A class like [^a] matches the NUL between the halves of a change_profile
		// rule with a program, where a conflict is none of exec rules alone.
		path = strings.NewReplacer("[^a]", "?", "[^/b]", "*", "@{NESTED}", "@{NAMES}").Replace(w.glob())
	}
	return path + " " + mode + target + ","
}

func (w policyWriter) mountRule(q string) string {
	dir := func() string { return w.pick("/a/", "/b/", "/a/**", "/*/", "/a/b/", "/{a,b}/") }
	options := w.pick("", "", "options=(ro) ", "options=(ro,nosuid) ", "options in (ro,nosuid) ", "options=(rw) ", "options in (rw,noexec) ",
		"options=(ro) options in (nodev) ")
	switch w.IntN(6) {
	case 0:
		return q + "umount " + w.pick("", dir()) + ","
	case 1:
		return q + "remount " + options + w.pick("", dir()) + ","
	case 2:
		return q + "mount options=" + w.pick("(bind)", "(rbind)", "(bind,ro)", "(move)") + " " + dir() + " -> " + dir() + ","
	case 3:
		return q + "mount options=" + w.pick("(make-rslave)", "(private)", "(rshared)") + " -> " + dir() + ","
	}
	return q + "mount " + w.pick("", "fstype=ext4 ", "fstype=(tmpfs,proc) ", "fstype=ext* ") + options +
		w.pick("", "/dev/sd* ", "tmpfs ") + w.pick("", "-> "+dir()) + ","
}

func (w policyWriter) dbusRule(q string) string {
	bus := w.pick("", "bus=system ", "bus=session ")
	switch w.IntN(4) {
	case 0:
		return q + "dbus bind " + bus + w.pick("", "name=org.a", "name=org.*") + ","
	case 1:
		return q + "dbus eavesdrop " + bus + ","
	case 2:
		return q + "dbus " + bus + ","
	}
	return q + "dbus " + w.pick("send", "receive", "(send, receive)") + " " + bus + w.pick("", "path=/org/a ", "path=/org/** ") +
		w.pick("", "interface=org.I ") + w.pick("", "member=Get ", "member={Get,Set} ") +
		w.pick("", "peer=(name=org.a) ", "peer=(label=a) ", "peer=(name=org.*, label=p?) ") + ","
}

// near returns a request string that one of the globs of a profile is likely to
// match, or a random path.
func (w policyWriter) near(p *Profile) string {
	for range 3 {
		if r, ok := p.Rules[w.IntN(len(p.Rules))].(*FileRule); ok && r.Path != nil && w.chance(70) {
			if name, ok := w.sample(r.Path); ok {
				return name
			}
		}
	}
	return w.path()
}

// sample walks a pattern at random to a name that it matches.
func (w policyWriter) sample(p *Pattern) (string, bool) {
	a := p.automaton()
	s, name := a.Start(), ""
	for range 60 {
		if len(s.Tags) > 0 && (w.chance(30) || len(name) > 40) {
			return name, true
		}
		var choices []byte
		for _, c := range append([]byte("ab/c.x+*"), aare.Alphabet(a)...) {
			if c != 0 && !a.Next(s, c).Dead() {
				choices = append(choices, c)
			}
		}
		if len(choices) == 0 {
			break
		}
		c := choices[w.IntN(len(choices))]
		s, name = a.Next(s, c), name+string(c)
	}
	return name, len(s.Tags) > 0
}

// profile makes a profile that apparmor_parser is expected to accept.
func (w policyWriter) profile(name string) string {
	var out strings.Builder
	flags := w.pick("", "", "", " flags=(complain)", " flags=(audit)")
	fmt.Fprintf(&out, "profile %s%s {\n", name, flags)
	for range 3 + w.IntN(15) {
		out.WriteString("  " + w.rule() + "\n")
	}
	if w.chance(10) {
		out.WriteString("  " + w.pick("file,", "audit owner file,") + "\n")
	}
	if w.chance(10) {
		out.WriteString("  ^h { /a r, }\n")
	}
	if w.chance(10) {
		out.WriteString("  profile c { /a r, }\n")
	}
	out.WriteString("}\n")
	return out.String()
}
