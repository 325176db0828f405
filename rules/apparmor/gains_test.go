package apparmor

import (
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestGains(t *testing.T) {
	file := func(path string, perms Perms) FileRequest { return FileRequest{Path: path, Perms: perms} }
	for _, c := range []struct {
		name          string
		before, after string
		wanted        []Request
		want          []string // perms, whose, example
	}{
		{"nothing changed", "/a r,", "/a r,", nil, nil},
		{"moved", "/a r,\n/b w,", "/b w,\n/a r,", nil, nil},
		{"less", "/a rw,", "/a r,", nil, nil},
		{"the wanted access alone", "/a r,", "/a rw,", []Request{file("/a", Write)}, nil},
		{"more than wanted", "/a r,", "/a rwk,", []Request{file("/a", Write)}, []string{"k /a single"}},
		{"a glob", "/a r,", "/a r,\n/b/* w,", []Request{file("/b/x", Write)}, []string{"wa /b/a"}},
		{"covered by another rule", "/a/** rw,", "/a/** rw,\n/a/b w,", nil, nil},
		{"covered in part", "/a/** r,", "/a/** r,\n/a/b rw,", nil, []string{"wa /a/b single"}},
		{"beside a deny", "deny /a/b w,", "deny /a/b w,\n/a/b rw,", nil, []string{"r /a/b single"}},
		{"a deny that goes", "/a/* r,\ndeny /a/b r,", "/a/* r,", nil, []string{"r /a/b single"}},
		{"a deny that goes, with nothing below", "deny /a/b r,", "", nil, nil},
		{"owner", "", "owner /a r,", nil, []string{"r owner /a single"}},
		{"owner, wanted", "", "owner /a r,", []Request{FileRequest{Path: "/a", Perms: Read, Owner: true}}, nil},
		{"everybody where the owner is wanted", "", "/a r,", []Request{FileRequest{Path: "/a", Perms: Read, Owner: true}}, []string{"r others /a single"}},
		{"no longer for the owner alone", "owner /a r,", "/a r,", nil, []string{"r others /a single"}},
		{"exec", "", "/a ix,", []Request{file("/a", Exec)}, nil},
		{"exec mode", "/a px,", "/a ix,", nil, []string{"m /a single", "x ix in place of px /a single"}},
		{"exec of one among many", "/a/* px,", "/a/* px,\n/a/b ix,", nil, []string{"m /a/b single", "x ix in place of px /a/b single"}},
		{"link", "/a r,\n/b r,", "/a rl,\n/b r,", nil, []string{"l /a -> /a single"}},
		{"link pair", "", "link /a -> /b,", []Request{FileRequest{Path: "/a", Target: "/b", Perms: Link}}, nil},
		{"link without subset", "link subset /a -> /b,", "link /a -> /b,", nil, []string{"l owner /a -> /b"}},
		{"change_profile", "", "change_profile -> b,", []Request{ChangeProfileRequest{Target: "b"}}, []string{
			"it [program /a] b", "rw owner /proc/a/attr/exec"}},
		{"capability", "capability chown,", "capability chown kill,", []Request{CapabilityRequest{"kill"}}, nil},
		{"all capabilities", "capability chown,", "capability,", []Request{CapabilityRequest{"kill"}}, []string{"it dac_override"}},
		{"network", "", "network inet stream,", []Request{NetworkRequest{Family: "inet", Type: "stream", Perms: Create}}, nil},
		{"network family", "", "network inet,", []Request{NetworkRequest{Family: "inet", Type: "stream"}}, []string{"any inet dgram"}},
		{"signal", "", "signal send set=(term, hup) peer=x,", []Request{SignalRequest{Send, "term", "x"}}, []string{"send hup x"}},
		{"signal that a deny rule no longer refuses", "signal peer=a*,\ndeny signal send set=rtmin+32 peer=a,", "signal peer=a*,", nil, []string{"send rtmin+32 a"}},
		{"all signals but one", "signal send set=(term),", "signal send peer=a,", nil, []string{"send abrt a"}},
		{"a child, whose parent can change to it", "profile q { }", "profile q { }\nprofile r { }", nil, nil},
		{"the first child, whose parent can change to it", "", "profile q { }", nil, []string{"rw owner /proc/0/attr/current"}},
		{"the last hat", "^q { }", "", nil, nil},
		{"signal of any peer", "", "signal send set=term,", []Request{SignalRequest{Send, "term", "x"}}, []string{"send term a"}},
		{"ptrace", "", "ptrace (read, trace) peer=x,", []Request{PtraceRequest{Read, "x"}}, []string{"trace x"}},
		{"unix", "", "unix (create) type=stream,", []Request{UnixRequest{Perms: Create, Type: "stream"}}, nil},
		{"mount", "", "mount fstype=tmpfs options=(ro, nosuid) tmpfs -> /a/,",
			[]Request{MountRequest{Op: "mount", Source: "tmpfs", Target: "/a/", Fstype: "tmpfs", Flags: []string{"ro", "nosuid"}}}, nil},
		{"mount flags", "", "mount fstype=tmpfs options in (ro, nosuid) tmpfs -> /a/,",
			[]Request{MountRequest{Op: "mount", Source: "tmpfs", Target: "/a/", Fstype: "tmpfs", Flags: []string{"ro", "nosuid"}}}, []string{"it tmpfs /a/ []"}},
		{"umount", "", "umount /a/*,", []Request{MountRequest{Op: "umount", Target: "/a/b"}}, []string{"it  /a/a []"}},
		{"rlimit", "set rlimit nofile <= 10,", "set rlimit nofile <= 20,", []Request{RlimitRequest{"nofile", 20}}, nil},
		{"dbus", "", "dbus send bus=system path=/a interface=i member=m peer=(name=n),",
			[]Request{DBusRequest{Perms: Send, Bus: "system", Path: "/a", Interface: "i", Member: "m", Name: "n"}}, []string{"send system a"}},
		{"userns", "", "userns create,", []Request{UsernsRequest{}}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			load := func(rules string) *Profile { return loadProfile(t, "profile p {\n"+rules+"\n}\n") }
			before, after := load(c.before), load(c.after)
			gains, complete := Gains(before, after, c.wanted...)
			assert.True(t, complete)
			var got []string
			for _, g := range gains {
				got = append(got, describeGain(g))
			}
			assert.Equal(t, c.want, got)
		})
	}
}

func describeGain(g Gain) string {
	words := []string{g.Perms.String()}
	if g.Perms&(Access|onExec) != 0 {
		words[0] = "it"
	}
	if g.Owner {
		words = append(words, "owner")
	}
	if g.Others {
		words = append(words, "others")
	}
	if g.Exec != nil {
		words = append(words, g.Exec.String())
	}
	switch r := g.Example.(type) {
	case FileRequest:
		words = append(words, r.Path)
		if r.Target != "" {
			words = append(words, "-> "+r.Target)
		}
	case ChangeProfileRequest:
		if r.OnExec != "" {
			words = append(words, "[program "+r.OnExec+"]")
		}
		words = append(words, r.Target)
	case CapabilityRequest:
		words = append(words, r.Name)
	case NetworkRequest:
		words = []string{"any", r.Family, r.Type}
	case SignalRequest:
		words = append(words, r.Signal, r.Peer)
	case PtraceRequest:
		words = append(words, r.Peer)
	case MountRequest:
		words = append(words, r.Source, r.Target, "["+strings.Join(r.Flags, " ")+"]")
	case DBusRequest:
		words = append(words, r.Bus, r.PeerLabel)
	}
	if g.Single {
		words = append(words, "single")
	}
	return strings.Join(words, " ")
}

// TestGainsAreDecisions holds that gains are what decisions differ by, on random
// changes of random profiles: no more, and as far as random requests tell, no
// less. A profile that reuses what another compiled must decide as if it did not.
func TestGainsAreDecisions(t *testing.T) {
	w := policyWriter{rand.New(rand.NewPCG(5, 1))}
	found, incomplete := 0, 0
	for range 600 {
		text := strings.Split(w.profile("p"), "\n")
		changed := append([]string{}, text...)
		i := 1 + w.IntN(max(len(text)-3, 1))
		changed[i] = w.pick("", changed[i]+"\n  "+w.rule(), "  "+w.rule())
		load := func(lines []string) *Profile { return loadText(t, preamble+strings.Join(lines, "\n")).Profile("p") }
		before, after, plain := load(text), load(changed), load(changed)
		after.Reuse(before)
		gains, complete := Gains(before, after)
		if !complete {
			incomplete++
		}
		for _, g := range gains {
			found++
			if g.Exec == nil && g.Perms&Link == 0 {
				b, a := before.Decide(g.Example), plain.Decide(g.Example)
				assert.NotZero(t, a.Granted&^b.Granted, "%+v\n%s\n%s", g, source(before), source(after))
			}
		}
		for range 60 {
			req := w.anyRequest(after)
			if file, ok := req.(FileRequest); ok && strings.Contains(file.Path, "//") {
				continue // which no path holds
			}
			a, b := plain.Decide(req), before.Decide(req)
			assert.Equal(t, a.Granted, after.Decide(req).Granted, "%+v\n%s\n%s", req, source(before), source(after))
			if a.Granted&^b.Granted == 0 || !complete {
				continue
			}
			explained := false
			for _, g := range gains {
				same := reflect.TypeOf(g.Example) == reflect.TypeOf(req)
				if g.Rule != nil { // a network rule grants unix sockets, and the other way round
					perms, diff := req.ask(g.Rule)
					same = same || perms != 0 && len(diff) == 0
				}
				explained = explained || same && g.Perms&(a.Granted&^b.Granted) != 0
			}
			assert.True(t, explained, "%+v is gained and not told\n%s\n%s", req, source(before), source(after))
		}
	}
	t.Logf("%d gains, %d of 600 comparisons incomplete", found, incomplete)
	require.Greater(t, found, 200)
}

// anyRequest makes a request of any class that a profile may grant.
func (w policyWriter) anyRequest(p *Profile) Request {
	if len(p.Rules) == 0 {
		return FileRequest{Path: w.path(), Perms: Read}
	}
	switch w.IntN(9) {
	case 0:
		return CapabilityRequest{capabilities[w.IntN(len(capabilities))]}
	case 1:
		return NetworkRequest{Family: w.pick("inet", "unix", "netlink", "packet"), Type: w.pick("stream", "dgram", "raw")}
	case 2:
		return SignalRequest{Send, w.signals(), w.peer()}
	case 3:
		return PtraceRequest{Read, w.peer()}
	case 4:
		return MountRequest{Op: w.pick("mount", "umount"), Source: w.pick("/dev/sda1", "tmpfs"), Target: w.pick("/a/", "/b/", "/a/b/"),
			Fstype: w.pick("ext4", "tmpfs"), Flags: strings.Fields(w.pick("", "ro", "bind", "ro nosuid"))}
	case 5:
		return UnixRequest{Perms: Send, Type: "stream", Addr: w.pick("@a", "none"), PeerAddr: w.pick("@a", "none"), PeerLabel: w.peer()}
	case 6:
		return DBusRequest{Perms: Send, Bus: "system", Path: "/org/a", Interface: "org.I", Member: "Get", Name: "org.a", PeerLabel: w.peer()}
	}
	return FileRequest{Path: w.near(p), Perms: []Perms{Read, Write, Exec, Lock, Mmap}[w.IntN(5)], Owner: w.chance(50)}
}
