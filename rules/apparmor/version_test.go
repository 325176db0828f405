package apparmor

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/whydenied/whydenied/rules"
)

// TestMeaningByVersion holds what a rule means to parsers of different versions: what
// was seen of them on Linux 6.1, 6.12 and 7.2.
func TestMeaningByVersion(t *testing.T) {
	link := FileRequest{Path: "/a", Target: "/c", Perms: Link}
	cases := []struct {
		name, abi, parser, body string
		req                     Request
		granted, quiet          bool
	}{
		{"the target of rl, before 5.0", "3.0", "4.1", "/a rl -> /b,", link, true, false},
		{"the target of rl", "3.0", "5.0", "/a rl -> /b,", link, false, false},
		{"the target of rl by the abi", "5.0", "", "/a rl -> /b,", link, false, false},
		{"that target itself", "5.0", "", "/a rl -> /b,", FileRequest{Path: "/a", Target: "/b", Perms: Link}, true, false},
		{"ix gave m before 5.0", "3.0", "4.1", "/a ix,", FileRequest{Path: "/a", Perms: Mmap}, true, false},
		{"ix gives no m", "5.0", "5.0.2", "/a ix,", FileRequest{Path: "/a", Perms: Mmap}, false, false},
		{"px with the fallback i", "5.0", "", "/a pix,", FileRequest{Path: "/a", Perms: Mmap}, false, false},
		{"all holds m", "5.0", "5.0", "all,", FileRequest{Path: "/a", Perms: Mmap}, true, false},
		{"types of a family, before 5.0", "4.0", "4.1", "network inet,", NetworkRequest{Family: "inet", Type: "dccp"}, false, false},
		{"types of a family", "5.0", "5.0", "network inet,", NetworkRequest{Family: "inet", Type: "dccp"}, true, false},
		{"a prompt rule", "5.0", "5.0", "prompt /a r,", FileRequest{Path: "/a", Perms: Read}, false, false},
		{"deny all, of a capability", "5.0", "5.0", "capability, deny all,", CapabilityRequest{Name: "kill"}, false, false},
		{"deny all, before 5.0", "4.0", "4.1", "capability, deny all,", CapabilityRequest{Name: "kill"}, true, false},
		{"deny all, of a file", "5.0", "5.0", "/a r, deny all,", FileRequest{Path: "/a", Perms: Read}, false, false},
		{"deny of an address where none is mediated", "5.0", "5.0", "network inet stream, deny network connect inet stream peer=(ip=127.0.0.1 port=80),",
			NetworkRequest{Family: "inet", Type: "stream", Perms: Connect}, false, true},
		{"deny of an address where it is", "5.0", "5.0", "network inet stream, deny network connect inet stream peer=(ip=127.0.0.1 port=80),",
			NetworkRequest{Family: "inet", Type: "stream", Perms: Connect, PeerIP: "127.0.0.2", PeerPort: "80"}, true, false},
	}
	for _, c := range cases {
		l := Loader{Target: Target{Parser: c.parser}}
		p, diags := l.Load(rules.NewFile("policy", "abi <abi/"+c.abi+">,\nprofile p {\n"+c.body+"\n}\n"))
		assert.False(t, refused(diags), "%s: %s", c.name, diagText(diags))
		d := p.Profile("p").Decide(c.req)
		assert.Equal(t, c.granted, d.Permitted, c.name)
		assert.Equal(t, c.quiet, d.Quiet, c.name)
	}
}

// TestVersions holds how the versions of Loader.Versions are told.
func TestVersions(t *testing.T) {
	text := "abi <abi/4.0>,\nprofile p {\n  userns,\n  if true { /a r, }\n}\n"
	file := rules.NewFile("policy", text)
	said := diagText(new(Loader).Versions(file, []string{"3.0", "4.1", "5.0"}))
	assert.Contains(t, said, "apparmor_parser 3.0 (Ubuntu 22.04, Debian 12) refuses the file: userns rules came with 4.0")
	assert.Contains(t, said, "apparmor_parser 3.0 (Ubuntu 22.04, Debian 12) and 4.1 (Debian 13) refuse the file: values in a condition came with 5.0")
	assert.Contains(t, said, "note: apparmor_parser 5.0 (Ubuntu 26.04) takes the file")
	said = diagText(new(Loader).Versions(rules.NewFile("policy", "profile p { /a q, }\n"), Releases()))
	assert.Contains(t, said, "syntax")
	assert.NotContains(t, said, "take")
}

// TestNotUnderstood holds that what a newer language may bring is told once and where,
// that reading goes on after it, and that answers which it could change say so.
func TestNotUnderstood(t *testing.T) {
	cases := []struct{ name, statement, said string }{
		{"a rule", "frobnicate (read,\n  write) label=x peer=(y=z),", "policy:3:1: error: frobnicate is not understood"},
		{"a block", "landlock fs {\n  /x r,\n  deny /after r,\n}", "policy:3:1: error: landlock is not understood"},
		{"a condition", "if $x xor $x {\n  /x r,\n} else if $x {\n  deny /after r,\n} else {\n}", "policy:3:7: error: expected {"},
		{"a condition of a rule", "network inet stream foo=bar,", "policy:3:21: error: unknown condition"},
		{"a flag of a child", "profile q flags=(newflag=3) {\n  /x r,\n}", "policy:3:18: error: unknown profile flag"},
	}
	for _, c := range cases {
		p, diags := new(Loader).Load(rules.NewFile("policy", "$x=true\nprofile p {\n"+c.statement+"\n/after r,\n}\nprofile next { /a r, }\n"))
		assert.Contains(t, diagText(diags), c.said, c.name)
		assert.Len(t, diags, 1, c.name)
		d := p.Profile("p").Decide(FileRequest{Path: "/after", Perms: Read})
		assert.Equal(t, Read, d.Granted, c.name)
		of := p.Profile("p")
		if of.Unread == nil {
			of = p.Profile("p//q") // whose flag it is
		}
		d = of.Decide(FileRequest{Path: "/other", Perms: Read})
		assert.Contains(t, d.Notes, "what stands at "+of.Unread[0].String()+" was not understood: with it the answer may be another", c.name)
		assert.NotNil(t, p.Profile("next"), c.name)
		assert.Empty(t, p.Profile("next").Unread, c.name)
	}
}
