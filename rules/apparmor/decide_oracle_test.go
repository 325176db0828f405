package apparmor

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/whydenied/whydenied/rules"
)

// decisionProfiles is how many profiles the comparison with the compiled policy
// makes; each is asked some 40 requests.
const decisionProfiles = 360

// batch is how many profiles go into one call of apparmor_parser.
const batch = 60

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
				"{a,b}", "{a,b/c}", "{,a}", "{*,b}", "{a,{b,c}}", "{a*,b/**}", `\*`, "a.b", "***", "a+", "(b)"))
		}
	}
	if w.chance(15) {
		out.WriteString("/")
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
		path = strings.NewReplacer("[^a]", "?", "[^/b]", "*").Replace(w.glob())
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
	s, name := a.start.Load(), ""
	for range 60 {
		if len(s.tags) > 0 && (w.chance(30) || len(name) > 40) {
			return name, true
		}
		var choices []byte
		for _, c := range append([]byte("ab/c.x+*"), a.reps...) {
			if c != 0 && len(a.next(s, c).nodes) > 0 {
				choices = append(choices, c)
			}
		}
		if len(choices) == 0 {
			break
		}
		c := choices[w.IntN(len(choices))]
		s, name = a.next(s, c), name+string(c)
	}
	return name, len(s.tags) > 0
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

// TestDecideAsCompiled compares decisions with what the kernel would read from
// the policy that apparmor_parser compiles.
func TestDecideAsCompiled(t *testing.T) {
	parserTool(t)
	w := policyWriter{rand.New(rand.NewPCG(20, 26))}
	c := &comparison{t: t, w: w, asked: map[string]int{}}
	for n := 0; n < decisionProfiles; {
		text := "abi <abi/3.0>,\n"
		var names []string
		for len(names) < batch {
			name := fmt.Sprintf("p%d", n+len(names))
			profile := w.profile(name)
			policy := loadText(t, "abi <abi/3.0>,\n"+profile)
			if len(policy.Profiles[0].ExecConflicts()) > 0 {
				c.conflict(profile)
				continue
			}
			names = append(names, name)
			text += profile
		}
		n += batch
		compiled, err := compile(t, text)
		require.NoError(t, err, text)
		policy := loadText(t, text)
		for _, name := range names {
			c.profile(policy.Profile(name), compiled[name])
		}
	}
	total := 0
	for _, class := range slices.Sorted(maps.Keys(c.asked)) {
		if !strings.HasPrefix(class, "granted") {
			t.Logf("%-15s %6d requests, %d granted", class, c.asked[class], c.asked["granted "+class])
			total += c.asked[class]
		}
	}
	assert.Greater(t, total, 5000)
}

// TestDecideSystemProfiles compares decisions on the file rules of the profiles
// that Debian ships, with all their abstractions.
func TestDecideSystemProfiles(t *testing.T) {
	parserTool(t)
	w := policyWriter{rand.New(rand.NewPCG(20, 27))}
	c := &comparison{t: t, w: w, asked: map[string]int{}}
	for _, name := range []string{"sbin.klogd", "usr.sbin.traceroute", "usr.sbin.nscd", "lsb_release", "usr.bin.man", "php-fpm"} {
		file := filepath.Join("/etc/apparmor.d", name)
		text, err := os.ReadFile(file)
		if err != nil {
			t.Logf("%s is not installed", name)
			continue
		}
		policy, problems, err := (&Loader{}).LoadFile(file)
		require.NoError(t, err)
		for _, p := range problems {
			require.NotEqual(t, rules.Error, p.Severity, "%s", p)
		}
		compiled, err := compile(t, string(text))
		require.NoError(t, err)
		for _, p := range policy.Profiles {
			k := compiled[p.Name]
			require.NotNil(t, k, p.Name)
			for range 400 {
				c.file(p, k, p.HasFlag("audit"))
			}
		}
	}
	t.Logf("%d requests, %d granted, %d of them executions", c.asked["file"], c.asked["granted file"], c.asked["exec"])
}

func loadText(t testing.TB, text string) *Policy {
	t.Helper()
	policy, problems := (&Loader{}).Load(rules.NewFile("policy", text))
	for _, p := range problems {
		require.NotEqual(t, rules.Error, p.Severity, "%s\n%s", p, text)
	}
	return policy
}

// A comparison asks both sides.
type comparison struct {
	t         *testing.T
	w         policyWriter
	asked     map[string]int
	conflicts int
}

// conflict checks some of the profiles that we call conflicting.
func (c *comparison) conflict(profile string) {
	if c.conflicts++; c.conflicts > 40 {
		return
	}
	_, err := compile(c.t, "abi <abi/3.0>,\n"+profile)
	assert.ErrorContains(c.t, err, "conflicting x modifiers", profile)
}

// same reports one answer of both sides.
func (c *comparison) same(p *Profile, class string, req Request, want, got string) {
	c.asked[class]++
	if strings.HasPrefix(want, "granted") {
		c.asked["granted "+class]++
	}
	if want != got {
		c.t.Errorf("%s %+v: compiled policy says %s, Decide says %s\n%s", class, req, want, got, source(p))
	}
}

func source(p *Profile) string { return p.At.Text() + "{" + p.Body.Text() + "}" }

func verdict(granted, quiet bool) string {
	switch {
	case granted:
		return "granted"
	case quiet:
		return "quiet"
	}
	return "refused"
}

// kernelBits are our permissions as the compiled policy has them.
var kernelBits = map[Perms]uint32{Read: kRead, Write: kWrite, Append: kAppend, Exec: kExec, Mmap: kMmap, Lock: kLock, Link: kLink}

func (c *comparison) profile(p *Profile, k *compiledProfile) {
	audit := p.HasFlag("audit")
	for range 14 {
		c.file(p, k, audit)
	}
	for range 4 {
		req := FileRequest{Path: c.w.near(p), Target: c.w.near(p), Perms: Link, Owner: c.w.chance(50)}
		allowed, quiet := k.link(req.Path, req.Target, req.Owner)
		d := p.Decide(req)
		c.same(p, "link", req, verdict(allowed, quiet && !audit), verdict(d.Granted == Link, d.Quiet))
	}
	for _, path := range []string{"/proc/1/attr/current", "/proc/1/attr/apparmor/exec", "/proc/x/attr/current"} {
		req := FileRequest{Path: path, Perms: Write, Owner: true}
		want := k.fileAccess(path, true)
		d := p.Decide(req)
		c.same(p, "implied", req, verdict(want.allow&kWrite != 0, want.quiet&kWrite != 0 && !audit), verdict(d.Granted == Write, d.Quiet))
	}
	for i, name := range capabilities {
		if i%5 == c.w.IntN(5) {
			d := p.Decide(CapabilityRequest{Name: name})
			c.same(p, "capability", d.req, verdict(k.allow>>i&1 != 0, k.quiet>>i&1 != 0 && !audit), verdict(d.Granted == Access, d.Quiet))
		}
	}
	for range 5 {
		c.network(p, k, audit)
		c.signal(p, k, audit)
		c.ptrace(p, k, audit)
		c.mount(p, k)
		c.dbus(p, k, audit)
		c.changeProfile(p, k)
		c.unix(p, k)
	}
}

func (c *comparison) file(p *Profile, k *compiledProfile, audit bool) {
	req := FileRequest{Path: c.w.near(p), Owner: c.w.chance(50)}
	for _, bit := range []Perms{Read, Write, Append, Exec, Exec, Mmap, Lock} {
		if c.w.chance(25) {
			req.Perms |= bit
		}
	}
	if req.Perms == 0 {
		req.Perms = Read
	}
	want := k.fileAccess(req.Path, req.Owner)
	d := p.Decide(req)
	var granted, quiet Perms
	for bit, kbit := range kernelBits {
		if want.allow&kbit != 0 {
			granted |= bit
		}
		if want.quiet&kbit != 0 && !audit {
			quiet |= bit
		}
	}
	missing := req.Perms &^ granted
	describe := func(granted, logged Perms) string {
		word := "refused"
		if granted == req.Perms {
			word = "granted"
		}
		return word + " " + granted.String() + " logged " + logged.String()
	}
	c.same(p, "file", req, describe(req.Perms&granted, missing&^quiet), describe(d.Granted, d.Logged()))
	if d.Granted&Exec == 0 || d.Exec == nil {
		return
	}
	mode, target := k.exec(want.xindex)
	got := d.Exec.Transition.String()
	if d.Exec.Transition.Target != nil {
		got = "tx " + strings.ToLower(got)
		got += " " + d.Exec.Transition.Target.Source
	}
	if target != "" {
		// The table holds the name that cx leads to in full, and the letters p and
		// c are not kept.
		prefix := ""
		if d.Exec.Transition.Mode == ToChild {
			prefix = p.Name + "//"
		}
		assert.Equal(c.t, target, prefix+d.Exec.Transition.Target.Source, source(p))
		mode, got = "", ""
	}
	c.same(p, "exec", req, mode, got)
}

func (c *comparison) network(p *Profile, k *compiledProfile, audit bool) {
	types := map[string]byte{"stream": 1, "dgram": 2, "raw": 3, "rdm": 4, "seqpacket": 5, "dccp": 6, "packet": 10}
	req := NetworkRequest{
		Family: c.w.pick("inet", "inet6", "netlink", "packet", "vsock", "unix"),
		Type:   c.w.pick("stream", "dgram", "raw", "seqpacket", "packet", "dccp"),
	}
	const create = 0x10
	allow, quiet := k.classPerms(string([]byte{14, 0, byte(families[req.Family]), 0, types[req.Type]}))
	d := p.Decide(req)
	c.same(p, "network", req, verdict(allow&create != 0, quiet&create != 0 && !audit), verdict(d.Granted == NetworkPerms, d.Quiet))
}

func (c *comparison) signal(p *Profile, k *compiledProfile, audit bool) {
	numbers := map[string]byte{"hup": 1, "int": 2, "kill": 9, "term": 15, "usr1": 10, "exists": 35, "rtmin+0": 128, "rtmin+32": 160}
	req := SignalRequest{Signal: c.w.signals(), Peer: c.w.peer()}
	bit := uint32(2)
	if req.Perms = Send; c.w.chance(50) {
		req.Perms, bit = Receive, 4
	}
	allow, quiet := k.label("\x0a"+string([]byte{numbers[req.Signal]}), req.Peer, bit)
	d := p.Decide(req)
	c.same(p, "signal", req, verdict(allow, quiet && !audit), verdict(d.Granted == req.Perms, d.Quiet))
}

func (c *comparison) ptrace(p *Profile, k *compiledProfile, audit bool) {
	bits := map[Perms]uint32{Trace: 2, Read: 4, TracedBy: 8, ReadBy: 16}
	req := PtraceRequest{Perms: []Perms{Trace, Read, TracedBy, ReadBy}[c.w.IntN(4)], Peer: c.w.peer()}
	allow, quiet := k.label("\x09", req.Peer, bits[req.Perms])
	d := p.Decide(req)
	c.same(p, "ptrace", req, verdict(allow, quiet && !audit), verdict(d.Granted == req.Perms, d.Quiet))
}

// label is aa_label_match(): the whole label, or all its parts.
func (p *compiledProfile) label(prefix, label string, bit uint32) (allow, quiet bool) {
	a, q := p.classPerms(prefix + label)
	if a&bit != 0 || !strings.Contains(label, "//&") {
		return a&bit != 0, q&bit != 0
	}
	allow, quiet = true, true
	for _, part := range strings.Split(label, "//&") { // aa_perms_accum()
		a, q := p.classPerms(prefix + part)
		allow = allow && a&bit != 0
		quiet = quiet && q&bit != 0 && a&bit == 0
	}
	return allow, quiet
}

func (c *comparison) mount(p *Profile, k *compiledProfile) {
	w := c.w
	req := MountRequest{
		Op:     w.pick("mount", "mount", "mount", "umount", "remount", "bind", "move"),
		Source: w.pick("/dev/sda1", "tmpfs", "/a/", "/b/"), Target: w.pick("/a/", "/b/", "/a/b/", "/c/"),
		Fstype: w.pick("ext4", "tmpfs", "proc"),
	}
	req.Flags = strings.Fields(w.pick("", "ro", "ro nosuid", "noexec", "nodev ro", "rslave", "private", "rshared", "rbind"))
	d := p.Decide(req)
	want := k.mount(req)
	if want != (d.Granted == Access) && versionDependent(p, req) {
		c.asked["mount quirks"]++
		return
	}
	c.same(p, "mount", req, verdict(want, d.Quiet), verdict(d.Granted == Access, d.Quiet))
}

// versionDependent reports whether a rule of the profile means something else
// to the apparmor_parser that Debian 12 ships than to later ones: up to 3.0.8,
// rules with options also compile to a plain mount (CVE-2016-1585), and a
// remount rule demands or forbids the flags that it should make optional.
func versionDependent(p *Profile, req MountRequest) bool {
	kind := kindOf(flagsOf(append(req.Flags, req.Op), mountFlags))
	return slices.ContainsFunc(p.Rules, func(r Rule) bool {
		m, ok := r.(*MountRule)
		return ok && m.Op != "umount" && (m.Op == "remount" || kind == newMount && len(m.Options) > 0)
	})
}

func (c *comparison) dbus(p *Profile, k *compiledProfile, audit bool) {
	w := c.w
	req := DBusRequest{
		Perms: []Perms{Send, Receive, Bind, Eavesdrop}[w.IntN(4)], Bus: w.pick("system", "session"),
		Path: w.pick("/org/a", "/org/a/b"), Interface: w.pick("org.I", "org.J"), Member: w.pick("Get", "Put"),
		Name: w.pick("org.a", "org.b", "x"), PeerLabel: w.pick("a", "p1", "/a"),
	}
	bits := map[Perms]uint32{Send: 2, Receive: 4, Bind: 0x40, Eavesdrop: 0x20}
	key := "\x20" + req.Bus
	switch req.Perms {
	case Bind:
		key += "\x00" + req.Name
	case Send, Receive:
		key += "\x00" + strings.Join([]string{req.Name, req.PeerLabel, req.Path, req.Interface, req.Member}, "\x00")
	}
	bit := bits[req.Perms]
	allow, quiet := k.classPerms(key)
	d := p.Decide(req)
	c.same(p, "dbus", req, verdict(allow&bit != 0, quiet&bit != 0 && !audit), verdict(d.Granted == req.Perms, d.Quiet))
}

func (c *comparison) changeProfile(p *Profile, k *compiledProfile) {
	req := ChangeProfileRequest{Target: c.w.pick("a", "b", "/a/b", "p1", "unconfined", "&a"), OnExec: c.w.pick("", c.w.path())}
	d := p.Decide(req)
	c.same(p, "change_profile", req, verdict(k.changeProfile(req.Target, req.OnExec), false), verdict(d.Granted == Access, d.Quiet))
}

// unix asks about a socket as a kernel with unix mediation of version 7 does:
// aa_unix_*_perm() in security/apparmor/af_unix.c of Ubuntu's kernels, whose
// layout gen_policy_re() in af_unix.cc of apparmor_parser describes.
func (c *comparison) unix(p *Profile, k *compiledProfile) {
	w := c.w
	bits := map[Perms]uint32{Create: 0x10, Bind: 0x20000, GetAttr: 0x8000, Listen: 0x40000, Send: 2, Receive: 4, Connect: 0x40, Accept: 0x10000}
	order := []Perms{Create, Bind, GetAttr, Listen, Send, Receive, Connect, Accept}
	req := UnixRequest{
		Perms: order[w.IntN(len(order))], Type: w.pick("stream", "dgram"), Addr: w.pick("@a", "@ab", "@x", "none", "@01f2c"),
		Label: w.pick("p1", "a"), PeerAddr: w.pick("@a", "@b", "none"), PeerLabel: w.pick("p1", "a", "unconfined"),
	}
	if req.Perms == Bind && w.chance(30) {
		req.Addr = ""
	}
	addr := func(a string) string {
		if a == "none" {
			return "\x01"
		}
		return strings.Replace(a, "@", "\x00", 1)
	}
	key := string([]byte{14, 0, 1, 0, map[string]byte{"stream": 1, "dgram": 2}[req.Type], 0, 0})
	if req.Perms != Create {
		key += addr(req.Addr) + "\x00" + req.Label + "\x00"
	}
	switch req.Perms {
	case Listen:
		key += "\x02\x00\x05"
	case Send, Receive, Connect, Accept:
		key += "\x01" + addr(req.PeerAddr) + "\x00" + req.PeerLabel
	}
	// The quiet bits are not compared: apparmor_parser 3.0 inverts them in the unix
	// rules that it makes of `deny network unix,`.
	allow, _ := k.classPerms(key)
	d := p.Decide(req)
	c.same(p, "unix", req, verdict(allow&bits[req.Perms] != 0, false), verdict(d.Granted == req.Perms, false))
}
