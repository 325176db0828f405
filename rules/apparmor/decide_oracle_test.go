package apparmor

import (
	"flag"
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

// The comparison with the compiled policy makes this many profiles; each is
// asked some 40 requests.
var (
	decisionProfiles = flag.Int("decision-profiles", 360, "how many generated profiles to compare with their compiled policy")
	decisionSeed     = flag.Uint64("decision-seed", 26, "seed of the generated profiles")
)

// batch is how many profiles go into one call of apparmor_parser.
const batch = 60

// TestDecideAsCompiled compares decisions with what the kernel would read from
// the policy that apparmor_parser compiles.
func TestDecideAsCompiled(t *testing.T) {
	parserTool(t)
	w := policyWriter{rand.New(rand.NewPCG(20, *decisionSeed))}
	c := &comparison{t: t, w: w, asked: map[string]int{}}
	for n := 0; n < *decisionProfiles; {
		text := preamble
		var names []string
		for len(names) < batch {
			name := fmt.Sprintf("p%d", n+len(names))
			profile := w.profile(name)
			policy := loadFor30(t, preamble+profile)
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
		policy := loadFor30(t, text)
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
		policy, problems, err := (&Loader{Target: Target{Parser: "3.0"}}).LoadFile(file)
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
	paths     bool // names that no path has, as two slashes follow each other, are not asked
}

// conflict checks some of the profiles that we call conflicting.
func (c *comparison) conflict(profile string) {
	if c.conflicts++; c.conflicts > 40 {
		return
	}
	_, err := compile(c.t, preamble+profile)
	assert.ErrorContains(c.t, err, "conflicting x modifiers", profile)
}

// same reports one answer of both sides.
func (c *comparison) same(p *Profile, class string, req Request, want, got string) {
	if file, ok := req.(FileRequest); ok && c.paths && strings.Contains(file.Path+" "+file.Target, "//") {
		return
	}
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

// loadFor30 loads a policy as the apparmor_parser that compiles it reads it.
func loadFor30(t *testing.T, text string) *Policy {
	t.Helper()
	policy, problems := (&Loader{Target: Target{Parser: "3.0"}}).Load(rules.NewFile("policy", text))
	require.Empty(t, diagText(problems), text)
	return policy
}
