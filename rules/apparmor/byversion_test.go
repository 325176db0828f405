package apparmor

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/whydenied/whydenied/rules"
)

func TestByVersion(t *testing.T) {
	mmap := FileRequest{Path: "/a", Perms: Mmap}
	link := FileRequest{Path: "/a", Target: "/c", Perms: Link}
	for name, c := range map[string]struct {
		abi, parser, body string
		req               Request
		want              string
	}{
		"known":                    {"3.0", "5.0.2", "/a ix,", mmap, "this is the answer of apparmor_parser 5.0.2: it is granted by 3.0, 3.1, 4.0, 4.1; refused by 5.0"},
		"not known":                {"3.0", "", "/a ix,", mmap, "which apparmor_parser loads the profile is not known, and was taken for that of its abi 3.0: it is granted by 3.0, 3.1, 4.0, 4.1; refused by 5.0"},
		"a link rule":              {"4.0", "4.1", "/a rl -> /b,", link, "this is the answer of apparmor_parser 4.1: it is granted by 3.0, 3.1, 4.0, 4.1; refused by 5.0"},
		"a link rule, modern":      {"4.0", "5.0", "/a rl -> /b,", link, "this is the answer of apparmor_parser 5.0: it is granted by 3.0, 3.1, 4.0, 4.1; refused by 5.0"},
		"a family":                 {"4.0", "4.1", "network inet,", NetworkRequest{Family: "inet", Type: "dccp"}, "this is the answer of apparmor_parser 4.1: it is refused by 3.0, 3.1, 4.0, 4.1; granted by 5.0"},
		"deny all":                 {"4.0", "", "capability, deny all,", CapabilityRequest{Name: "kill"}, "which apparmor_parser loads the profile is not known, and was taken for that of its abi 4.0: it is granted by 4.0, 4.1; refused by 5.0"},
		"a boolean":                {"4.0", "5.0", "if defined ${b} { /x r, }", FileRequest{Path: "/x", Perms: Read}, "this is the answer of apparmor_parser 5.0: it is granted by 3.0, 3.1; refused by 4.0, 4.1, 5.0"},
		"the same in all":          {"3.0", "5.0", "/a ix, /a m,", mmap, ""},
		"what it does not concern": {"3.0", "5.0", "/a ix,", FileRequest{Path: "/b", Perms: Read}, ""},
		"a plain policy":           {"3.0", "5.0", "/a r,", mmap, ""},
	} {
		l := Loader{Target: Target{Parser: c.parser}}
		p, _ := l.Load(rules.NewFile("policy", "abi <abi/"+c.abi+">,\n${b}=false\nprofile p {\n"+c.body+"\n}\n"))
		profile := p.Profile("p")
		d := profile.Decide(c.req)
		assert.Equal(t, c.want, profile.ByVersion(c.req, &d), name)
	}
}
