package apparmor

import (
	"bytes"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/whydenied/whydenied/rules"
)

// features is the feature set the oracle compiles for: everything of 3.0, so
// that no rule is passed over as unsupported by the kernel.
const features = "/etc/apparmor.d/abi/3.0"

// parserTool returns the path of apparmor_parser, or skips the test.
func parserTool(t testing.TB) string {
	t.Helper()
	path, err := lookTool()
	if err != nil {
		if os.Getenv("REQUIRE_TOOLS") == "1" {
			t.Fatalf("apparmor_parser 3.0 is needed: %v", err)
		}
		t.Skipf("apparmor_parser with %s is missing: %v", features, err)
	}
	return path
}

// lookTool finds apparmor_parser, which is often not on the path of users.
func lookTool() (string, error) {
	path, err := exec.LookPath("apparmor_parser")
	for _, p := range []string{"/sbin/apparmor_parser", "/usr/sbin/apparmor_parser"} {
		if _, statErr := os.Stat(p); err != nil && statErr == nil {
			path, err = p, nil
		}
	}
	if err != nil {
		return "", err
	}
	if _, err := os.Stat(features); err != nil {
		return "", err
	}
	return path, nil
}

// A release is an apparmor_parser that tests ask, and its version.
type release struct{ version, tool string }

// newer are the releases beside the one that is installed: where .ci/parsers puts
// them, and the variable that names another.
var newer = []struct{ version, env, suite string }{{"4.1", "APPARMOR_PARSER_41", "trixie"}, {"5.0", "APPARMOR_PARSER_50", "sid"}}

// parserReleases returns the releases that there are, the installed 3.0 first. What
// is missing is said, and fails the test if it must be there: 5.0 is unstable's.
func parserReleases(t testing.TB) []release {
	t.Helper()
	found := []release{{"3.0", parserTool(t)}}
	for _, n := range newer {
		tool := os.Getenv(n.env)
		if cache, err := os.UserCacheDir(); tool == "" && err == nil {
			tool = filepath.Join(cache, "whydenied", "parsers", n.suite, "apparmor_parser")
		}
		_, err := os.Stat(tool)
		switch {
		case err == nil:
			found = append(found, release{n.version, tool})
		case n.version == "4.1" && os.Getenv("REQUIRE_TOOLS") == "1":
			t.Fatalf("apparmor_parser 4.1 is needed; .ci/parsers gets it: %v", err)
		default:
			t.Logf("NOT RUN: apparmor_parser %s is missing; .ci/parsers gets it, or %s names it", n.version, n.env)
		}
	}
	return found
}

// policyOf returns the directory of policy that came with an apparmor_parser, and the
// newest feature set in it.
func policyOf(tool string) (base, newest string) {
	base = filepath.Join(filepath.Dir(tool), "root/etc/apparmor.d")
	for _, abi := range []string{"5.0", "4.0"} {
		if _, err := os.Stat(filepath.Join(base, "abi", abi)); err == nil {
			return base, filepath.Join(base, "abi", abi)
		}
	}
	return "/etc/apparmor.d", features
}

// accepted asks apparmor_parser whether it accepts a policy, with its output.
func accepted(t testing.TB, tool, policy string) (bool, string) {
	t.Helper()
	name := filepath.Join(t.TempDir(), "policy")
	require.NoError(t, os.WriteFile(name, []byte(policy), 0o600))
	return acceptedFile(t, tool, name, "-I", "testdata/include")
}

// acceptedAll asks about many policies at once: whether all are accepted.
func acceptedAll(t testing.TB, tool string, policies []string) (bool, string) {
	t.Helper()
	dir := t.TempDir()
	args := []string{"-j1", "-I", "testdata/include"}
	for i, policy := range policies {
		name := filepath.Join(dir, strconv.Itoa(i))
		require.NoError(t, os.WriteFile(name, []byte(policy), 0o600))
		args = append(args, name)
	}
	return acceptedFile(t, tool, args[len(args)-1], args[:len(args)-1]...)
}

// acceptedFile has every class of rules compiled, whatever the abi rule of the
// policy and the running kernel say: apparmor_parser overlooks bad patterns in
// rules of classes that it does not compile.
func acceptedFile(t testing.TB, tool, name string, args ...string) (bool, string) {
	t.Helper()
	base, features := policyOf(tool)
	args = append([]string{"-Q", "-K", "-q", "--config-file", os.DevNull, "-M", features, "--override-policy-abi", features, "-b", base}, args...)
	cmd := exec.Command(tool, append(args, name)...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	if err != nil && out.Len() == 0 {
		out.WriteString("crashed")
	}
	if _, ok := err.(*exec.ExitError); !ok {
		require.NoError(t, err)
	}
	return err == nil, out.String()
}

// accepts asks our parser whether a version of apparmor_parser accepts a policy; the
// second result says why not.
func accepts(version, policy string) (bool, string) {
	l := Loader{Include: []string{"testdata/include", "/etc/apparmor.d"}, Target: Target{Parser: version}}
	_, diags := l.Load(rules.NewFile("policy", policy))
	return !refused(diags), diagText(diags)
}

func refused(diags []rules.Diagnostic) bool {
	for _, d := range diags {
		if d.Severity == rules.Error {
			return true
		}
	}
	return false
}

func diagText(diags []rules.Diagnostic) string {
	var out strings.Builder
	for _, d := range diags {
		out.WriteString(d.String() + "\n")
	}
	return out.String()
}

// A generator writes policies of AppArmor 3.0 from a grammar. Some of what it
// writes is wrong on purpose: a wrong word, a piece left out, doubled or
// swapped.
type generator struct {
	*rand.Rand
	out strings.Builder
	// errors is the chance in 100 of a mistake at each choice.
	errors int
}

func (g *generator) pick(choices ...string) string { return choices[g.IntN(len(choices))] }

func (g *generator) words(s string) string { return g.pick(strings.Fields(s)...) }

func (g *generator) maybe(percent int, s string) string {
	if g.IntN(100) < percent {
		return s
	}
	return ""
}

func (g *generator) wrong() bool { return g.IntN(100) < g.errors }

func (g *generator) path() string {
	if g.wrong() {
		return g.pick("foo", `"foo"`, "/a{b", "/a]", "/a[b", "/a}b", "/a{b}", `/a\`, `"/a b`, "/a{b,c", "/a{{b,c}", "@{UNSET}/x",
			"@{HOME", "/@{}", "&x", "/a=b", "@x/y", `"@{HOME}"`, "/a!b", `/a\!b`, "/a#b", "/a(b)", "^a", "/a[]b]", "/a[^]", `"/a\"b"`,
			`/a\"b`, `""`, "/x,y", `/x\,y`, "/{,}", "/a[a-]", "/a[b-a]", "/$a", "${b}", "/a|b", "/a.+b", `/a\x2a`, `/a\000b`, `/\d999`, `/a\{b`,
			"@{HOME}+", "/@{HOME}=", ":ns:a", "::a", ":a", "/**/**{a,b}**", "/a**?*", `/a\*`, "/a*{a,{b,c}}d", "/{a,b", "/a,b}", "/[{,}]", "/[,]", "/{[,],b}")
	}
	p := g.pick("/a", "/etc/passwd", "/usr/bin/foo", "/tmp/**", "/tmp/*", "/home/*/.x", "@{HOME}/x", "@{HOME}", "/{a,b}/c", "/a[bc]d", "/a[^b]c",
		"/a?b", `"/a b"`, `/a\ b`, "/proc/@{pid}/x", "@{LIST}/x", "/x@{LIST}", "/@{LIST}/y", `"/q*r"`, "/a//b", "/é", "/a/", "/{,usr/}bin/x", "/**", "@{profile_name}/x", "/x/@{profile_name}")
	return p
}

func (g *generator) label() string {
	if g.wrong() {
		return g.path()
	}
	return g.pick("unconfined", "/usr/bin/foo", "foo", ":ns:foo", "foo//bar", `"a b"`, "@{profile_name}", "/usr/**", "{a,b}", "foo//&bar", "**", "snap.foo")
}

func (g *generator) perms() string {
	if g.wrong() {
		return g.pick("rwa", "x", "rx", "rq", "ixpx", "pxPx", "", "R", "RW", "rK", "wra", "aw", "pixux", "px", "lx", "A", "ixx", "xix", "Ix", "pIx", "rwix ", "uxix", "cxCx", "pxcx", "mrwklpx", "PUX", "rrrr", "puxpux", "ixpix", "xpx", "iux")
	}
	return g.pick("r", "w", "rw", "a", "k", "l", "m", "mr", "rwk", "rwkl", "ra", "ix", "rix", "px", "Px", "cx", "Cx", "ux", "Ux", "pix", "Pix", "cix", "Cix", "pux", "PUx", "cux", "CUx", "mrix", "wl", "rm")
}

func (g *generator) quals() string {
	if g.wrong() {
		return g.pick("deny audit ", "owner audit ", "audit audit ", "allow deny ", "deny allow ", "owner owner ", "owner deny ", "other ", "user ", "audit deny owner ", "quiet ", "audit other ")
	}
	return g.maybe(20, "audit ") + g.pick("", "", "", "", "allow ", "deny ")
}

func (g *generator) file() string {
	q := g.quals() + g.maybe(20, "owner ") + g.maybe(15, "file ")
	perms := g.perms()
	if strings.Contains(q, "deny") && !g.wrong() {
		perms = g.pick("r", "w", "rw", "x", "mrwklx", "wl", "rx")
	}
	exec := g.maybe(8, g.pick("safe ", "unsafe "))
	if strings.Contains(perms, "x") || g.wrong() {
		target := g.maybe(20, " -> "+g.label())
		return q + exec + g.pick(g.path()+" "+perms+target, perms+" "+g.path()+target)
	}
	switch g.IntN(12) {
	case 0:
		return g.quals() + "file"
	case 1:
		return q + g.pick("l ", "link ", "link subset ", "l subset ", "link <= ", "rl ", "rl subset ") + g.path() + " -> " + g.path()
	case 2:
		return q + g.path() + " " + perms + " -> " + g.label()
	}
	if g.wrong() {
		return q + exec + g.path()
	}
	return q + g.pick(g.path()+" "+perms, perms+" "+g.path())
}

func (g *generator) list(each func() string) string {
	switch g.IntN(4) {
	case 0:
		return "(" + each() + ")"
	case 1:
		return "(" + each() + ", " + each() + ")"
	case 2:
		return "(" + each() + " " + each() + ",)"
	}
	return each()
}

func (g *generator) conds(values map[string]func() string) string {
	var out strings.Builder
	for _, name := range sortedKeys(values) {
		if g.IntN(100) < 25 || g.wrong() {
			eq := "="
			if g.wrong() {
				eq = g.pick(" = ", "= ", " =", " in ", "", "==", "+=")
			}
			value := values[name]()
			if g.wrong() {
				value = g.pick("", "()", `""`, "(", "("+value+")", "("+value, value+")", "("+value+" "+value+")", value+","+value, "("+value+","+value+")", `"`+value+`"`)
			}
			if g.wrong() {
				name = g.pick("foo", "peer", "Label", "label", "type", "set", "name", "xattrs", "")
			}
			out.WriteString(" " + name + eq + value)
		}
	}
	return out.String()
}

func sortedKeys(m map[string]func() string) []string {
	names := keys(m)
	for i := range names {
		for j := i + 1; j < len(names); j++ {
			if names[j] < names[i] {
				names[i], names[j] = names[j], names[i]
			}
		}
	}
	return names
}

func (g *generator) peer(conds string) string {
	if conds == "" {
		return ""
	}
	return g.pick(" peer=(", " peer = (", " peer=( ") + strings.TrimSpace(conds) + g.pick(")", " )")
}

// permWords picks permissions that a class names by words.
func (g *generator) permWords(words string) string {
	if g.IntN(3) == 0 {
		return ""
	}
	return " " + g.list(func() string {
		if g.wrong() {
			return g.words("r w rw wr RW rx send receive trace read write create bind foo getattr x exec")
		}
		return g.words(words)
	})
}

func (g *generator) rule() string {
	q := g.quals() + g.maybe(1, "owner ")
	switch g.IntN(20) {
	case 0, 1:
		name := func() string {
			if g.wrong() {
				return g.words("CHOWN cap_chown foo mount kill r file 1 /a sys_amdin")
			}
			return g.words("chown kill sys_admin net_raw bpf checkpoint_restore mac_admin perfmon audit_read")
		}
		return q + "capability" + g.pick("", " "+name(), " "+name()+" "+name(), " "+name()+g.maybe(10, ",")+" "+name())
	case 2, 3:
		w := func() string {
			if g.wrong() {
				return g.words("foo tcp stream inet INET 1 inet4 r")
			}
			return ""
		}
		return q + "network" + g.pick("", " "+g.words("inet inet6 unix netlink packet can bluetooth mctp xdp"), " "+g.words("stream dgram raw tcp udp icmp rdm seqpacket packet"),
			" "+g.words("inet inet6 netlink unix llc")+" "+g.words("stream dgram raw tcp udp icmp packet seqpacket rdm")) + g.maybe(50, " "+w())
	case 4, 5:
		opts := func() string {
			return g.list(func() string {
				if g.wrong() {
					return g.words("foo bind,ro ro=1 user_xattr RO make-bind")
				}
				return g.words("ro rw bind rbind remount nosuid nodev move private make-rslave shared noatime relatime silent loud r w B M R strictatime")
			})
		}
		conds := g.conds(map[string]func() string{"options": opts, "fstype": func() string { return g.list(func() string { return g.words("ext4 proc tmpfs ext* @{LIST}") }) }})
		conds += g.maybe(15, " options in ("+g.words("ro bind nodev")+g.pick(", ", " ", ",")+g.words("rw nosuid")+")")
		op := g.words("mount mount mount remount umount unmount")
		if op == "mount" {
			return q + op + conds + g.pick("", " "+g.path(), " "+g.path()+" -> "+g.path(), " -> "+g.path())
		}
		return q + op + conds + g.pick("", " "+g.path()) + g.maybe(3, " -> "+g.path())
	case 6:
		return q + "pivot_root" + g.conds(map[string]func() string{"oldroot": g.path}) + g.pick("", " "+g.path()) + g.pick("", "", " -> "+g.label())
	case 7, 8:
		return q + "ptrace" + g.permWords("read trace readby tracedby r w rw") + g.conds(map[string]func() string{"peer": g.label})
	case 9, 10:
		sig := func() string {
			return g.list(func() string {
				if g.wrong() {
					return g.words("foo SIGKILL KILL rtmin+33 rtmin rtmax-1 9 rtmin+08")
				}
				return g.words("kill term hup rtmin+0 rtmin+32 exists winch usr1 stkflt")
			})
		}
		return q + "signal" + g.permWords("send receive r w rw read write") + g.conds(map[string]func() string{"set": sig, "peer": g.label})
	case 11, 12:
		addr := func() string {
			if g.wrong() {
				return g.pick("/a", "foo", `"@a b"`, "@a{b")
			}
			return g.pick("@foo", "none", "auto", "@foo*", "@/tmp/.X11-unix/*", `"@a"`)
		}
		return q + "unix" + g.permWords("create bind listen accept connect shutdown getattr setattr getopt setopt send receive r w rw") +
			g.conds(map[string]func() string{"type": func() string { return g.words("stream dgram seqpacket") }, "addr": addr}) +
			g.maybe(40, g.peer(g.conds(map[string]func() string{"label": g.label, "addr": addr})))
	case 13, 14:
		name := func() string {
			return g.pick("org.x", "org.x.*", `"org.x"`, "/org/x", "system", "session", "{Get,Set}*")
		}
		return q + "dbus" + g.permWords("send receive bind eavesdrop r w rw") +
			g.conds(map[string]func() string{"bus": name, "path": g.path, "interface": name, "member": name, "name": name}) +
			g.maybe(40, g.peer(g.conds(map[string]func() string{"label": g.label, "name": name})))
	case 15:
		return q + "change_profile" + g.pick("", " ", g.maybe(50, g.pick(" safe", " unsafe"))+" "+g.path()) + g.pick("", " -> "+g.label())
	case 16:
		limit := g.words("cpu fsize data stack core rss nofile ofile as nproc memlock locks sigpending msgqueue nice rtprio rttime")
		value := g.words("0 1 10 100 -1 -20 19 20 -21 infinity 0x10 010 08 99999999999999999999")
		unit := g.words("K M G KB MB GB k s ms us sec min hour hours day week weeks h d m B foo seconds")
		if g.wrong() {
			limit = g.words("foo CPU rt 1")
		}
		return g.maybe(2, "audit ") + "set rlimit " + limit + " <= " + value + g.maybe(40, g.pick("", " ")+unit)
	}
	return g.file()
}

func (g *generator) end() string {
	if g.wrong() {
		return g.pick("", ", ,", ";", ",,", " ,\n", "\n", ", #c\n", ",}")
	}
	return g.pick(",\n", ",\n", ",\n", ", # comment\n", ",  \n\n", " ,\n", ",\r\n")
}

func (g *generator) body(depth int) {
	for range g.IntN(5) {
		switch n := g.IntN(40); {
		case n == 0 && depth < 3:
			g.out.WriteString(g.pick("^h"+g.words("a b c d")+" ", "hat h"+g.words("e f g")+" ", "profile c"+g.words("a b c d")+" ", "profile n"+g.words("a b")+" "+g.path()+" ", g.path()+" ", "profile ", "^ x "))
			g.out.WriteString("{\n")
			g.body(depth + 1)
			g.out.WriteString("}\n")
		case n == 1 && depth < 3:
			g.out.WriteString(g.pick("", "audit ", "owner ", "audit owner ", "allow ", "audit allow ") + g.maybe(g.errors, "deny ") + "{\n")
			g.body(depth + 1)
			g.out.WriteString("}\n")
		case n == 2 && depth < 3:
			g.out.WriteString("if " + g.pick("$flag", "not $flag", "defined @{HOME}", "not defined $nope", "defined @{NOPE}", "${flag}", "not not $flag") + g.maybe(3, " foo") + " {\n")
			g.body(depth + 1)
			g.out.WriteString("}" + g.pick("\n", " else {\n}\n", " else if $flag { /z r, }\n", " else if not $flag { /z r, } else { }\n"))
		case n == 3:
			g.out.WriteString(g.pick("include <abstractions/base>\n", "#include <abstractions/consoles>\n", "include if exists <nope>\n", "#include if exists \"nope\"\n",
				"include <tunables/global.d>\n", "include if exists <local/usr.bin.foo>\n", "# just a comment\n", "include  <abstractions/base> # c\n", "#include<abstractions/base>\n", "abi <abi/3.0>,\n"))
			if g.wrong() {
				g.out.WriteString(g.pick("include <nope>\n", "include <>\n", "include\n", "include if <abstractions/base>\n", "include foo\n", "include <abstractions/base\n", "abi <nope>,\n", "abi <abi/3.0>\n", "@{A}=b\n"))
			}
		default:
			g.out.WriteString(g.maybe(80, "  ") + g.rule() + g.end())
		}
	}
}

func (g *generator) policy() string {
	g.out.Reset()
	if g.IntN(3) == 0 {
		g.out.WriteString(g.pick("abi <abi/3.0>,\n", "# comment\n", "alias /a/ -> /b/,\n", "@{X}=1 2\n@{X}+=3\n", "$y = true\n", "@{Z}=\"a b\" c\\ d\n", "@{Y}=@{Z}x\n@{Z}=\"\"\n", "${k}=FALSE\n", "@{L}=a \\\n b\n"))
	}
	if g.wrong() {
		g.out.WriteString(g.pick("@{X}=1,\n", "@{X}+=1\n", "@{X}=\n", "@{X} 1\n", "$y=maybe\n", "$y+=true\n", "@{HOME}=x\n", "alias a -> b,\n", "alias /a/ /b/,\n", "@{R}=@{R}\n", "/a r,\n", "@{Q}=@{UNSET}\n", "@{1}=x\n", "@X=1 2\n", "}\n", "$flag=true\n"))
	}
	g.out.WriteString("@{HOME}=/home/*/ /root/\n@{pid}=[0-9]*\n@{LIST}=one two {three,four}\n$flag=true\n")
	for i := range 1 + g.IntN(2) {
		name := g.pick("profile p", "profile p", "profile :ns:p", "/usr/bin/p", "profile \"p q\"", "profile p//q") + string(rune('0'+i))
		if g.wrong() {
			name = g.pick("p", ":ns:p", ":p", "profile", "profile &p", "profile  p", "profile \"\"", "profile p{", "hat p", "^p", "@{HOME}/p", "profile @{HOME}", "profile ::p", "profile 1", "profile p q r", "\"/usr/x\"")
		}
		attach := g.maybe(30, " "+g.path())
		xattrs := g.maybe(5, " xattrs=("+g.pick("user.a=b", "user.a", "user.a=\"b c\" user.d=e", "a=b, c=d")+")")
		flags := g.maybe(30, " "+g.pick("flags=(", "flags = (", "(", "flags=( ")+g.pick("complain", "audit", "attach_disconnected,mediate_deleted", "enforce audit", "unconfined", "kill", "chroot_relative", "complain, audit")+")")
		if g.wrong() {
			flags = g.pick(" flags=()", " flags=(foo)", " flags=(complain enforce)", " flags=complain", " ()", " Flags=(audit)", " flags=(Complain)", " flags=(mediate_deleted delegate_deleted)", " flags=(audit", " flags=(complain) flags=(audit)", " flags (audit)")
		}
		g.out.WriteString(name + attach + xattrs + flags + g.pick(" {\n", " {", "\n{\n"))
		g.body(0)
		g.out.WriteString("}" + g.pick("\n", "", "\n\n", " # c\n"))
		if g.wrong() {
			g.out.WriteString(g.pick("}", "/a r,", "# no newline", "@{Z}=1\n", "foo"))
		}
	}
	return g.out.String()
}

func newFile(policy string) *rules.File { return rules.NewFile("policy", policy) }
