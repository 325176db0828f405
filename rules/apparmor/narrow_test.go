package apparmor

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/whydenied/whydenied/rules"
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

func TestNarrowDenyFiles(t *testing.T) {
	for _, c := range []struct {
		rule, path string
		perms      Perms
		want       string
	}{
		{"deny /usr/sbin/** mrwklx,", "/usr/sbin/nginx", Exec | Read | Mmap, ""},
		{"deny @{PROC}/* w,", "/proc/foo", Write, ""},
		{"deny @{PROC}/sys/[^k]** w,", "/proc/sys/net/ipv4/ip_forward", Write, ""},
		{"deny @{PROC}/{[^1-9],[^1-9][^0-9],[^1-9s][^0-9y][^0-9s],[^1-9][^0-9][^0-9][^0-9/]*}/** w,", "/proc/irq/4/smp_affinity", Write, ""},
		{"deny /sys/[^f]*/** wklx,", "/sys/kernel/mm/ksm/run", Write, ""},
		{"deny /sys/firmware/** rwklx,", "/sys/firmware/efi/", Read, ""},
		{"deny /{,usr/}{,s}bin/* x,", "/usr/sbin/nginx", Exec, ""},
		{"deny @{HOME}/.ssh/** rw,", "/home/bob/.ssh/id", Read, ""},
		{"deny /** w,", "/var/lib/app/db", Write, ""},
		{"deny /etc/shadow* rw,", "/etc/shadow", Read, ""},
		{"deny /etc/shadow* rw,", "/etc/shadow-", Read, ""},
	} {
		p := loadProfile(t, "@{PROC}=/proc/\n@{HOMEDIRS}=/home/\n@{HOME}=@{HOMEDIRS}/*/ /root/\nprofile p {\n  "+c.rule+"\n}\n")
		text, n, ok := narrowed(t, p, 0, FileRequest{Path: c.path, Perms: c.perms}, c.perms)
		assert.True(t, ok, c.rule)
		t.Log(c.rule, c.path, "\n  ", n.Text)
		if ok {
			loadProfile(t, text)
		}
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
// and after about names near them. A sample of both goes to apparmor_parser, and
// the compiled policies are asked as well.
func TestNarrowDenyExactly(t *testing.T) {
	w := policyWriter{rand.New(rand.NewPCG(5, 1))}
	var before, after strings.Builder
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
			before.WriteString(text)
			after.WriteString(strings.TrimPrefix(changes[0].New, preamble))
		}
	}
	t.Logf("%d rules, %d of them not narrowed", asked, refused)
	assert.Less(t, refused*20, asked, "rules that cannot be narrowed")
	compareCompiled(t, w, compared, before.String(), after.String())
}

// compareCompiled asks two compiled policies about names near the paths of their
// profiles, and expects the answers to differ where those of Decide do.
func compareCompiled(t *testing.T, w policyWriter, profiles []int, before, after string) {
	parserTool(t)
	old, err := compile(t, preamble+before)
	require.NoError(t, err)
	narrowed, err := compile(t, preamble+after)
	require.NoError(t, err)
	policies := [2]*Policy{loadText(t, preamble+before), loadText(t, preamble+after)}
	asked := 0
	for _, n := range profiles {
		name := fmt.Sprintf("p%d", n)
		for range 40 {
			path, owner := w.near(policies[0].Profile(name)), w.chance(50)
			for i, k := range []*compiledProfile{old[name], narrowed[name]} {
				want := k.fileAccess(path, owner)
				d := policies[i].Profile(name).Decide(FileRequest{Path: path, Perms: FilePerms, Owner: owner})
				for bit, kbit := range kernelBits {
					require.Equal(t, want.allow&kbit != 0, d.Granted&bit != 0, "%s %q %s", name, path, bit)
				}
				asked++
			}
		}
	}
	t.Logf("%d requests to the compiled policies", asked)
}
