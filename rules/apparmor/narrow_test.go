package apparmor

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/whydenied/whydenied/rules"
	"github.com/whydenied/whydenied/testdata/cputime"
)

// narrowed returns the text of the profile p once a deny rule leaves out a
// request, and what says so.
func narrowed(t testing.TB, p *Profile, i int, req Request, perms Perms) (string, Narrowed, bool) {
	t.Helper()
	n, ok := p.NarrowDeny(p.Rules[i], req, perms)
	if !ok {
		return "", n, false
	}
	changes, err := rules.Apply(n.Edits)
	require.NoError(t, err)
	return changes[0].New, n, true
}

// tunables are variables as Debian's tunables/global sets them.
const tunables = "@{PROC}=/proc/\n@{HOMEDIRS}=/home/\n@{HOME}=@{HOMEDIRS}/*/ /root/\n"

func TestNarrowDenyFiles(t *testing.T) {
	for _, c := range []struct {
		rule, path string
		perms      Perms
		want       []string
	}{
		{"deny /usr/sbin/** mrwklx,", "/usr/sbin/nginx", Exec | Read | Mmap, []string{
			"deny /usr/sbin/** wkl,",
			"deny /usr/sbin/{[^n/]**,n{,[^g]**},ng{,[^i]**},ngi{,[^n]**},ngin{,[^x]**}} mrx,",
			"deny /usr/sbin/nginx{?,/}** mrx,",
		}},
		{"deny @{PROC}/* w,", "/proc/foo", Write, []string{
			"deny @{PROC}/{[^f/]*,f{,[^o/]*},fo{,[^o/]*},foo?*} w,",
		}},
		{"deny @{PROC}/sys/[^k]** w,", "/proc/sys/net/ipv4/ip_forward", Write, []string{
			"deny @{PROC}/sys/{[^kn]**,n{,[^e]**},ne{,[^t]**},net{,?**}} w,",
			"deny @{PROC}/sys/net/{,[^i]**,i{,[^p]**},ip{,[^v]**},ipv{,[^4]**},ipv4{,?**}} w,",
			"deny @{PROC}/sys/net/ipv4/{,[^i]**,i{,[^p]**},ip{,[^_]**},ip_{,[^f]**},ip_f{,[^o]**}} w,",
			"deny @{PROC}/sys/net/ipv4/ip_fo{,[^r]**,r{,[^w]**},rw{,[^a]**},rwa{,[^r]**}} w,",
			"deny @{PROC}/sys/net/ipv4/ip_forwar{,[^d]**,d{?,/}**} w,",
		}},
		{"deny @{PROC}/{[^1-9],[^1-9][^0-9],[^1-9s][^0-9y][^0-9s],[^1-9][^0-9][^0-9][^0-9/]*}/** w,", "/proc/irq/4/smp_affinity", Write, []string{
			"deny @{PROC}/{[^1-9i],[^1-9i][^0-9],[^1-9is][^0-9y][^0-9s],[^1-9i][^0-9][^0-9][^0-9/]*}/** w,",
			"deny @{PROC}/i{,[^0-9r],[^0-9ry][^0-9s],[^0-9r][^0-9][^0-9/]*}/** w,",
			"deny @{PROC}/ir{,[^0-9qs],[^0-9q][^0-9/]*,q[^0-9/]*}/** w,",
			"deny @{PROC}/irq/{[^4/]**,4{,?**}} w,",
			"deny @{PROC}/irq/4/{,[^s]**,s{,[^m]**},sm{,[^p]**},smp{,[^_]**},smp_{,[^a]**}} w,",
			"deny @{PROC}/irq/4/smp_a{,[^f]**,f{,[^f]**},ff{,[^i]**},ffi{,[^n]**},ffin{,[^i]**}} w,",
			"deny @{PROC}/irq/4/smp_affini{,[^t]**,t{,[^y]**},ty{?,/}**} w,",
		}},
		{"deny /sys/[^f]*/** wklx,", "/sys/kernel/mm/ksm/run", Write, []string{
			"deny /sys/[^f]*/** klx,",
			"deny /sys/{[^fk]*,k{,[^e/]*},ke{,[^r/]*},ker{,[^n/]*},kern{,[^e/]*}}/** w,",
			"deny /sys/kerne{,[^l/]*,l?*}/** w,",
			"deny /sys/kernel/{[^m/]**,m{,[^m]**},mm{,?**}} w,",
			"deny /sys/kernel/mm/{,[^k]**,k{,[^s]**},ks{,[^m]**},ksm{,?**}} w,",
			"deny /sys/kernel/mm/ksm/{,[^r]**,r{,[^u]**},ru{,[^n]**},run{?,/}**} w,",
		}},
		{"deny /sys/firmware/** rwklx,", "/sys/firmware/efi/", Read, []string{
			"deny /sys/firmware/** wklx,",
			"deny /sys/firmware/{[^e/]**,e{,[^f]**},ef{,[^i]**},efi{,?**}} r,",
			"deny /sys/firmware/efi/{?,/}** r,",
		}},
		{"deny /{,usr/}{,s}bin/* x,", "/usr/sbin/nginx", Exec, []string{
			"deny /{,s}bin/* x,",
			"deny /usr/bin/* x,",
			"deny /usr/sbin/{[^n/]*,n{,[^g/]*},ng{,[^i/]*},ngi{,[^n/]*},ngin{,[^x/]*},nginx?*} x,",
		}},
		{"deny @{HOME}/.ssh/** rw,", "/home/bob/.ssh/id", Read, []string{
			"deny @{HOME}/.ssh/** w,",
			"deny /root/.ssh/** r,",
			"deny /home/{,[^b/]*,b{,[^o/]*},bo{,[^b/]*},bob?*}/.ssh/** r,",
			"deny @{HOME}/.ssh/{[^i/]**,i{,[^d]**},id{?,/}**} r,",
		}},
		{"deny /** w,", "/var/lib/app/db", Write, []string{
			"deny /{[^v/]**,v{,[^a]**},va{,[^r]**},var{,?**}} w,",
			"deny /var/{,[^l]**,l{,[^i]**},li{,[^b]**},lib{,?**}} w,",
			"deny /var/lib/{,[^a]**,a{,[^p]**},ap{,[^p]**},app{,?**}} w,",
			"deny /var/lib/app/{,[^d]**,d{,[^b]**},db{?,/}**} w,",
		}},
		{"deny /etc/shadow* rw,", "/etc/shadow", Read, []string{
			"deny /etc/shadow* w,",
			"deny /etc/shadow?* r,",
		}},
		{"deny /etc/shadow* rw,", "/etc/shadow-", Read | Write, []string{
			"deny /etc/shadow{,[^-/]*,-?*} rw,",
		}},
		{"audit deny owner file /srv/? rw,", "/srv/-", Write, []string{
			"audit deny owner file /srv/? r,",
			"audit deny owner file /srv/[^-/] w,",
		}},
		{"deny rw /srv/?,", "/srv/^", Read, []string{
			"deny w /srv/?,",
			"deny r /srv/[^/^],",
		}},
		{`deny "/srv/a b*" RW,`, "/srv/a b", Write, []string{
			`deny "/srv/a b*" R,`,
			`deny "/srv/a b?*" W,`,
		}},
		{"deny /srv/[a-c] w,", "/srv/b", Write, []string{
			"deny /srv/[ac] w,",
		}},
		{"deny /srv/{a,b} w,", "/srv/b", Write, []string{
			"deny /srv/a w,",
		}},
		{"deny /srv/* w,", "/srv/\n}", Write, []string{
			`deny /srv/{[^\012/]*,\012{,[^\}/]*},\012\}?*} w,`,
		}},
		{"deny /srv/* w,", "/srv/\xff", Write, []string{
			`deny /srv/{[^\377/]*,\377?*} w,`,
		}},
		{"deny /srv/* w,", "/srv/é", Write, []string{
			`deny /srv/{[^\303/]*,\303{,[^\251/]*},é?*} w,`,
		}},
		{"deny /srv/* wk,", "/srv/a", Lock, []string{
			"deny /srv/* w,",
			`deny /srv/{[^a/\000]*,a?*} k,`,
		}},
		{"deny /srv/* wl,", "/srv/a", Link, []string{
			"deny /srv/* w,",
			"deny /srv/{[^a/]*,a?*} l,",
		}},
	} {
		p := loadProfile(t, tunables+"profile p {\n  "+c.rule+"\n}\n")
		text, n, ok := narrowed(t, p, 0, FileRequest{Path: c.path, Perms: c.perms}, c.perms)
		require.True(t, ok, c.rule)
		assert.Equal(t, strings.Join(c.want, "\n  "), n.Text)
		q := loadProfile(t, text)
		d := q.Decide(FileRequest{Path: c.path, Perms: FilePerms})
		assert.Zero(t, d.Refused&c.perms, text)
	}
}

// denyProfile makes a profile of one random deny rule and one that allows all,
// and a name and permissions that the former refuses.
func denyProfile(w policyWriter, name string) (text, path string, perms Perms, ok bool) {
	letters := w.pick("r", "w", "rw", "rwk", "mrwkx", "a", "x", "klrw", "RW")
	rule := w.pick("deny ", "audit deny ", "deny owner ", "deny file ") + w.glob() + " " + letters + ","
	if w.chance(20) {
		rule = "deny " + letters + " " + w.glob() + ","
	}
	text = "profile " + name + " {\n  /{**,} rwmkl,\n  " + rule + " # why\n}\n"
	policy, _ := (&Loader{}).Load(rules.NewFile("policy", preamble+text))
	r, isFile := policy.Profiles[0].Rules[1].(*FileRule)
	if !isFile || r.Path.Err() != nil {
		return "", "", 0, false
	}
	if path, ok = w.sample(r.Path); !ok {
		return "", "", 0, false
	}
	for perms == 0 {
		perms = r.Perms & Perms(w.Uint32())
	}
	return text, path, perms, true
}

// TestNarrowDenyExactly narrows random deny rules and asks the profiles before
// and after about names near them. A sample goes to apparmor_parser, and the
// compiled policies are asked as well.
func TestNarrowDenyExactly(t *testing.T) {
	w := policyWriter{rand.New(rand.NewPCG(5, 1))}
	var after strings.Builder
	var compared []int
	asked, refused := 0, 0
	for n := range 1000 {
		name := fmt.Sprintf("p%d", n)
		text, path, perms, ok := denyProfile(w, name)
		if !ok {
			continue
		}
		asked++
		p := loadText(t, preamble+text).Profiles[0]
		_, narrow, ok := narrowed(t, p, 1, FileRequest{Path: path, Perms: perms, Owner: true}, perms)
		if !ok {
			refused++
			t.Logf("not narrowed by %q: %s", path, text)
			continue
		}
		changes, err := rules.Apply(narrow.Edits)
		require.NoError(t, err)
		q := loadText(t, changes[0].New).Profiles[0]
		if narrow.Text != "" {
			assert.Equal(t, strings.Contains(text, "audit"), strings.Contains(narrow.Text, "audit"), narrow.Text)
			assert.Contains(t, changes[0].New, "# why")
		}
		taken := perms
		if taken&Append != 0 || taken&Write != 0 {
			taken |= Write | Append
		}
		for i := range 12 {
			other := path
			if i > 1 {
				other = w.near(p)
			}
			req := FileRequest{Path: other, Perms: FilePerms, Owner: i%2 == 0}
			want, got := p.Decide(req), q.Decide(req)
			if other == path {
				want.Refused &^= taken
			}
			require.Equal(t, want.Refused, got.Refused, "%s without %q\n%s\n%s", text, path, narrow.Text, other)
		}
		if len(compared) < 240 {
			compared = append(compared, n)
			after.WriteString(strings.TrimPrefix(changes[0].New, preamble))
		}
	}
	t.Logf("%d rules, %d of them not narrowed", asked, refused)
	assert.Less(t, refused*20, asked, "rules that cannot be narrowed")
	compareCompiled(t, w, compared, after.String())
}

// compareCompiled asks the compiled policies of some profiles about names near
// the paths of their rules.
func compareCompiled(t *testing.T, w policyWriter, profiles []int, text string) {
	parserTool(t)
	compiled, err := compile(t, preamble+text)
	require.NoError(t, err)
	policy := loadText(t, preamble+text)
	for _, n := range profiles {
		name := fmt.Sprintf("p%d", n)
		p := policy.Profile(name)
		for range 40 {
			path, owner := w.near(p), w.chance(50)
			want := compiled[name].fileAccess(path, owner)
			d := p.Decide(FileRequest{Path: path, Perms: FilePerms, Owner: owner})
			for bit, kbit := range kernelBits {
				require.Equal(t, want.allow&kbit != 0, d.Granted&bit != 0, "%s %q %s\n%s", name, path, bit, source(p))
			}
		}
	}
	t.Logf("%d requests to compiled policies", 40*len(profiles))
}

// TestNarrowDenyForms narrows rules in all the places where one can stand.
func TestNarrowDenyForms(t *testing.T) {
	const glob = "/srv/{[^a/]*,a?*}"
	for before, after := range map[string]string{
		"profile p { deny /srv/* w, } # why\n":                              "profile p { deny " + glob + " w, } # why\n",
		"profile p { deny /srv/* rw, /x r, }\n":                             "profile p { deny /srv/* r, deny " + glob + " w, /x r, }\n",
		"profile p {\r\n\tdeny /srv/* rw, # why\r\n}\r\n":                   "profile p {\r\n\tdeny /srv/* r,\r\n\tdeny " + glob + " w, # why\r\n}\r\n",
		"profile p {\n  audit deny owner {\n    /srv/* rw, # why\n  }\n}\n": "profile p {\n  audit deny owner {\n    /srv/* r,\n    " + glob + " w, # why\n  }\n}\n",
		"profile p {\n  deny\n    # why\n    /srv/*\n    w,\n}\n":           "profile p {\n  deny\n    # why\n    " + glob + "\n    w,\n}\n",
		"profile p {\n  deny /srv/a w, # why\n  /srv/* r,\n}\n":             "profile p {\n  /srv/* r,\n}\n",
		"@{D}=/srv\nprofile p {\n  deny @{D}/* w,\n}\n":                     "@{D}=/srv\nprofile p {\n  deny @{D}/{[^a/]*,a?*} w,\n}\n",
		"@{D}=/srv /opt\nprofile p {\n  deny @{D}/* w,\n}\n":                "@{D}=/srv /opt\nprofile p {\n  deny /opt/* w,\n  deny @{D}/{[^a/]*,a?*} w,\n}\n",
		"@{D}=/srv/*\nprofile p {\n  deny @{D} w,\n}\n":                     "@{D}=/srv/*\nprofile p {\n  deny " + glob + " w,\n}\n",
		"alias /srv/ -> /mnt/,\nprofile p {\n  deny /srv/* w,\n}\n":         "alias /srv/ -> /mnt/,\nprofile p {\n  deny /mnt/* w,\n  deny " + glob + " w,\n}\n",
		"alias /srv/ab -> /mnt/,\nprofile p {\n  deny /srv/* w,\n}\n":       "alias /srv/ab -> /mnt/,\nprofile p {\n  deny " + glob + " w,\n}\n",
		"alias /srv/a? -> /mnt/,\nprofile p {\n  deny /srv/* w,\n}\n":       "alias /srv/a? -> /mnt/,\nprofile p {\n  deny " + glob + " w,\n}\n",
		"alias /srv/{[^a -> /mnt/{[^b,\nprofile p {\n  deny /srv/* w,\n}\n": "", // the alias would apply to what is written
		"profile p {\n  allow /srv/* w,\n}\n":                               "",
		"profile p {\n  deny /srv/* r,\n}\n":                                "",
		"profile p {\n  deny wl /srv/* -> /x,\n}\n":                         "",
	} {
		policy, _ := (&Loader{Overlay: map[string]string{}}).Load(rules.NewFile("policy", before))
		p := policy.Profile("p")
		text, _, ok := narrowed(t, p, 0, FileRequest{Path: "/srv/a", Perms: Write, Owner: true}, Write)
		assert.Equal(t, after != "", ok, before)
		assert.Equal(t, after, text)
	}
	p := loadProfile(t, "profile p {\n  deny /srv/* w,\n}\n")
	p.Rules[0].Head().Shared = true
	_, ok := p.NarrowDeny(p.Rules[0], FileRequest{Path: "/srv/a", Perms: Write}, Write)
	assert.False(t, ok, "a rule of an include")
}

// TestNarrowDenyHostileNames holds that no name breaks out of its rule, and that
// the rules leave out the name alone.
func TestNarrowDenyHostileNames(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 2))
	bytes := "\x01\t\n\r !\"#$&'()*+,-./09:;<=>?@AZ[\\]^_`az{|}~\x7f\x80\xbf\xc3\xff"
	names := []string{"@{HOME}", "} profile q { /** rw,", "a,", "a->b", "-^]", "^", "]", "[a-z]", "\\101", "//", "{a,b}", "é"}
	for range 400 {
		var name strings.Builder
		for range 1 + r.IntN(8) {
			name.WriteByte(bytes[r.IntN(len(bytes))])
		}
		names = append(names, name.String())
	}
	var after strings.Builder
	var compared []int
	for n, name := range names {
		for _, glob := range []string{"/s**v/**", "/srv/[^x]**", "/srv/{a,b,**}", "/srv/**"} {
			p := loadProfile(t, tunables+"profile p {\n  deny "+glob+" w,\n}\n")
			path := "/srv/" + name
			if !p.Rules[0].(*FileRule).Path.Match(path) {
				continue
			}
			text, _, ok := narrowed(t, p, 0, FileRequest{Path: path, Perms: Write}, Write)
			require.True(t, ok, "%q", path)
			q := loadProfile(t, text)
			require.Len(t, q.Policy.Profiles, 1, text)
			if glob == "/srv/**" && n < 100 {
				compared = append(compared, n)
				fmt.Fprintf(&after, "profile p%d {\n  /{**,} rw,\n%s", n, strings.TrimPrefix(text, tunables+"profile p {\n"))
			}
			for i := range 40 {
				other := []byte(path)
				if i > 0 {
					other[r.IntN(len(other))] = bytes[r.IntN(len(bytes))]
				}
				if i%3 == 1 {
					other = other[:r.IntN(len(other))]
				}
				req := FileRequest{Path: string(other), Perms: Write}
				want := p.Decide(req).Refused
				if req.Path == path {
					want = 0
				}
				require.Equal(t, want, q.Decide(req).Refused, "%q of %q\n%s", other, path, text)
			}
		}
	}
	w := policyWriter{r}
	compareCompiled(t, w, compared, tunables+after.String())
	compiled, err := compile(t, preamble+tunables+after.String())
	require.NoError(t, err)
	for _, n := range compared {
		got := compiled[fmt.Sprintf("p%d", n)].fileAccess("/srv/"+names[n], false)
		assert.NotZero(t, got.allow&kWrite, "%q", names[n])
	}
}

// TestNarrowDenyLinkPairs holds that leaving k out of one path leaves the check
// of hard links as it was: there, k of the pair of names is looked up.
func TestNarrowDenyLinkPairs(t *testing.T) {
	p := loadProfile(t, "profile p {\n  /srv/** rwl,\n  /etc/* r,\n  deny /srv/** k,\n}\n")
	text, _, ok := narrowed(t, p, 2, FileRequest{Path: "/srv/db", Perms: Lock}, Lock)
	require.True(t, ok)
	q := loadProfile(t, text)
	for _, link := range []string{"/srv/d", "/srv/db", "/srv/x"} {
		req := FileRequest{Path: link, Target: "/etc/shadow", Perms: Link, Owner: true}
		assert.Equal(t, p.Decide(req).Granted, q.Decide(req).Granted, link)
		assert.NotZero(t, q.Decide(req).Unmatched, link)
	}
}

// TestNarrowDenyHostileGlobs checks that no glob takes time out of proportion.
func TestNarrowDenyHostileGlobs(t *testing.T) {
	for _, glob := range []string{
		"/**[ab]" + strings.Repeat("?", 20), // 2^20 states, were all of them compared
		"/" + strings.Repeat("{,a}", 300) + "**",
		"/" + strings.Repeat("*a", 100),
		"/**/**/**/**/**a",
	} {
		p := loadProfile(t, "profile p {\n  deny "+glob+" w,\n}\n")
		for _, path := range []string{"/" + strings.Repeat("a", 200), "/" + strings.Repeat("ab/", 500) + strings.Repeat("a", 30)} {
			took := cputime.Of(func() { p.NarrowDeny(p.Rules[0], FileRequest{Path: path, Perms: Write}, Write) })
			assert.Less(t, took, 20*time.Second, glob) // of CPU time
		}
	}
}

// FuzzNarrowDeny narrows any deny rule by any name.
func FuzzNarrowDeny(f *testing.F) {
	f.Add("/srv/**", "/srv/a", "/srv/ab")
	f.Add("@{HOME}/.ssh/*", "/home/bob/.ssh/id", "/root/.ssh/id")
	f.Add("/{,usr/}{,s}bin/*", "/usr/sbin/nginx", "/usr/bin/x")
	f.Add("/[^a]?{*,b/**}", "//x", "/bb/\xff")
	f.Fuzz(func(t *testing.T, glob, name, other string) {
		if len(glob) > 200 || len(name) > 200 || strings.ContainsRune(other, 0) {
			return
		}
		policy, diags := (&Loader{}).Load(rules.NewFile("policy", tunables+"profile p {\n  deny \""+glob+"\" rw,\n}\n"))
		if refused(diags) || len(policy.Profiles) != 1 || len(policy.Profiles[0].Rules) != 1 {
			return
		}
		p := policy.Profiles[0]
		text, _, ok := narrowed(t, p, 0, FileRequest{Path: name, Perms: Write}, Write)
		if !ok {
			return
		}
		narrowed, diags := (&Loader{}).Load(rules.NewFile("policy", text))
		if refused(diags) || len(narrowed.Profiles) != 1 {
			t.Fatalf("%q is not the policy it was\n%s", text, diagText(diags))
		}
		for _, path := range []string{name, other, name + other, name[:len(name)/2] + other} {
			req := FileRequest{Path: path, Perms: Read | Write}
			want := p.Decide(req).Refused
			if path == name {
				want &^= Write
			}
			if got := narrowed.Profiles[0].Decide(req).Refused; got != want {
				t.Fatalf("%q without %q refuses %s of %q, want %s\n%s", glob, name, got, path, want, text)
			}
		}
	})
}
