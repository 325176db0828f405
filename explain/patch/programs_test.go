package patch

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// linked is the record of a refused hard link.
func linked(serial int, name, target string) string {
	return strings.NewReplacer(`"open"`, `"link"`, "\n", ` target="`+target+"\"\n").Replace(opened(serial, name, "l", 0))
}

// What programs do in one run becomes rules that all of the next run are granted by, and none
// that it has no use for.
func TestWholeRuns(t *testing.T) {
	for _, c := range []struct{ name, profile, log, want string }{
		{"a lock that is linked and read, as GnuPG does", "",
			opened(1, "/g/.#lk0x000055aebe6e2190.lab.4242", "wc", 0) + linked(2, "/g/a.lock", "/g/.#lk0x000055aebe6e2190.lab.4242") + opened(3, "/g/a.lock", "r", 0) + opened(4, "/g/a.lock", "d", 0),
			"owner \"/g/.#lk0x????????????????.lab.[0-9]*\" w,\nowner /g/a.lock rw,\nowner link /g/a.lock -> \"/g/.#lk0x????????????????.lab.[0-9]*\","},
		{"a link to itself by another name, as GnuPG tries it", "  owner \"/g/.#lk0x????????????????.lab.[0-9]*\" w,\n",
			linked(1, "/g/.#lk0x000055aebe6e2190.lab.4242x", "/g/.#lk0x000055aebe6e2190.lab.4242"),
			"owner \"/g/.#lk0x????????????????.lab.[0-9]*\" w,\nowner link subset \"/g/.#lk0x????????????????.lab.[0-9]*x\" -> \"/g/.#lk0x????????????????.lab.[0-9]*\","},
		{"a link whose name has a rule", "  owner /g/a.lock w,\n  owner /g/t w,\n",
			linked(1, "/g/a.lock", "/g/t"),
			"owner /g/a.lock w,\nowner /g/t w,\nowner link subset /g/a.lock -> /g/t,"},
		{"folders of one generator, some of which are read", "",
			opened(1, "/r/.git/objects/42/", "c", 0) + opened(2, "/r/.git/objects/47/", "c", 0) + opened(3, "/r/.git/objects/47/", "r", 0),
			"owner /r/.git/objects/[0-9a-f][0-9a-f]/ rw,"},
		{"a varying name in a varying folder", "  owner /tmp/pymp-????????/ rw,\n",
			opened(1, "/tmp/pymp-8gcbgrdl/listener-h_wotlbz", "wc", 0),
			"owner /tmp/pymp-????????/ rw,\nowner /tmp/pymp-????????/listener-???????? w,"},
		{"a name in a varying folder", "  owner /tmp/pymp-????????/ rw,\n",
			opened(1, "/tmp/pymp-8gcbgrdl/name with space", "wc", 0),
			"owner /tmp/pymp-????????/ rw,\nowner \"/tmp/pymp-????????/name with space\" w,"},
		{"git's look at what symbolic links are here", "",
			opened(1, "/r/.git/tpatbat", "wrc", 0), "owner /r/.git/t?????? rw,"},
	} {
		p := patched(t, c.log, "profile p {\n"+c.profile+"}\n", nil)
		require.Len(t, p.Changes, 1, c.name)
		assert.Empty(t, p.Left, c.name)
		var got []string
		for line := range strings.Lines(strings.TrimSuffix(strings.TrimPrefix(p.Changes[0].New, "profile p {\n"), "}\n")) {
			got = append(got, strings.TrimSpace(line))
		}
		assert.Equal(t, c.want, strings.Join(got, "\n"), c.name)
	}
}
