package track

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestParseCgroups(t *testing.T) {
	hex := strings.Repeat("0123456789abcdef", 4)
	for name, test := range map[string]struct {
		text string
		want []cgroup
	}{
		"v2":             {"0::/system.slice/docker-" + hex + ".scope\n", []cgroup{{0, "/system.slice/docker-" + hex + ".scope"}}},
		"v1":             {"3:cpu,cpuacct:/docker/a\n2:name=systemd:/docker/a\n", []cgroup{{3, "/docker/a"}, {2, "/docker/a"}}},
		"hybrid":         {"1:name=systemd:/x\n0::/\n", []cgroup{{1, "/x"}, {0, "/"}}},
		"deleted":        {"0::/docker/a (deleted)\n", []cgroup{{0, "/docker/a"}}},
		"colon in path":  {"0::/a:b\n", []cgroup{{0, "/a:b"}}},
		"above the root": {"0::/../docker/a\n", []cgroup{{0, "/../docker/a"}}},
		"no end of line": {"0::/a", []cgroup{{0, "/a"}}},
		"nonsense":       {"x::/a\n-1::/b\n0:/c\n0::d\n\n::\n0::", nil},
	} {
		assert.Equal(t, test.want, parseCgroups(test.text), name)
	}
}

// What a path names is written in it, and nothing makes it fail.
func FuzzCgroups(f *testing.F) {
	hex := strings.Repeat("0123456789abcdef", 4)
	for _, path := range []string{"/docker/" + hex, "/machine.slice/machine-a\\x2d.scope", "/lxc/c1", "/kubepods/pod0/" + hex, "/../x", "/"} {
		f.Add("0::" + path + "\n12:name=systemd:" + path + " (deleted)\n")
	}
	f.Fuzz(func(t *testing.T, text string) {
		cgroups := parseCgroups(text)
		assert.LessOrEqual(t, len(cgroups), strings.Count(text, "\n")+1)
		m := newMembership(cgroups)
		k := newCache()
		k.add(bundle{id: "plain"})
		id, ok := k.identify(m)
		if len(cgroups) > 0 {
			assert.Contains(t, text, m.path())
		}
		if !ok {
			return
		}
		assert.NotEmpty(t, id.id)
		assert.Contains(t, text, id.path)
		if !strings.Contains(text, `\x`) { // systemd's escape
			assert.Contains(t, text, id.id)
			assert.Contains(t, text, id.inner.ID)
		}
	})
}
