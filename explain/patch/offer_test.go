package patch

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
)

// offered returns the rules that are offered with the patch of a log.
func offered(t *testing.T, log, profile string) (texts []string) {
	t.Helper()
	for _, o := range patched(t, log, "profile p {\n"+profile+"}\n", nil).Offers {
		assert.NotEmpty(t, o.Findings)
		assert.NotEmpty(t, o.Fix.Grants, "what it grants beyond is said")
		texts = append(texts, o.Fix.Rule)
	}
	return texts
}

// read is the log of a program that was refused to read files, by another user than theirs.
func read(names ...string) (log string) {
	for i, name := range names {
		log += opened(i+1, name, "r", 5)
	}
	return log
}

func TestOffers(t *testing.T) {
	const three = "  /srv/t/hooks/x r,\n  /srv/t/hooks/y r,\n  /srv/t/hooks/z r,\n"
	for _, c := range []struct {
		name, log, profile string
		offers             []string
	}{
		{"three refused", read("/srv/t/a", "/srv/t/b", "/srv/t/c"), "", []string{"/srv/t/* r,"}},
		{"two refused", read("/srv/t/a", "/srv/t/b"), "", nil},
		{"three granted", read("/srv/t/hooks/a"), three, []string{"/srv/t/hooks/* r,"}},
		{"three granted otherwise", opened(1, "/srv/t/hooks/a", "w", 5), three, nil},
		{"three granted to owners", read("/srv/t/hooks/a"), "  owner /srv/t/hooks/{x,y,z} r,\n", nil},
		{"three refused otherwise", read("/srv/t/a", "/srv/t/b") + opened(3, "/srv/t/c", "w", 5), "", nil},
		{"a folder of many programs", read("/srv/a", "/srv/b", "/srv/c") + read("/tmp/a.conf", "/tmp/b.conf", "/tmp/c.conf"), "", nil},
		{"a folder of keys", read("/root/.ssh/a", "/root/.ssh/b", "/root/.ssh/c"), "", []string{"/root/.ssh/* r,"}}, // as dangerous as each
		{"a folder that holds what is dangerous", opened(1, "/etc/cron/a", "w", 5) + opened(2, "/proc/sys/kernel/a", "r", 5), "", nil},
		{"files of any process", read("/proc/77/fd/1", "/proc/77/fd/2", "/proc/77/fd/3"), "", []string{"/proc/[0-9]*/fd/* r,"}},
		{"names by chance", opened(1, "/tmp/d/app.dHk3Pq", "w", 5) + opened(2, "/tmp/d/aqp.dZk4Pq", "w", 5) + opened(3, "/tmp/d/axp.9Hk3Pq", "w", 5), "", nil},
		{"a folder and its files", read("/srv/t/", "/srv/t/a", "/srv/t/b", "/srv/t/c"), "", []string{"/srv/t/* r,"}},
		{"names that a space is in", read("/srv/a t/a", "/srv/a t/b", "/srv/a t/c"), "", []string{`"/srv/a t/*" r,`}},
		{"the shape of a folder of this name", opened(1, "/data/mysql/ib1", "rw", 5), "  /var/lib/mysql/** rwk,\n", []string{"/data/mysql/** rwk,"}},
		{"the shape of a folder of this name, for less", opened(1, "/data/mysql/ib1", "rwk", 5), "  /var/lib/mysql/** rw,\n", nil},
		{"the shape of a folder of this name, for owners", opened(1, "/data/mysql/ib1", "rw", 0), "  owner /var/lib/mysql/*.ibd rw,\n  owner /var/lib/mysql/ib* rw,\n", []string{"owner /data/mysql/ib* rw,"}},
		{"the shape of the folder beside it", opened(1, "/data/apps/git/5c/", "w", 5), "  /data/addons/** lrw,\n", []string{"/data/apps/** rwl,"}},
		{"the folder beside it, of many programs", opened(1, "/var/log/a", "w", 5), "  /var/lib/** rw,\n", nil},
		{"the shape first", read("/data/db/a", "/data/db/b", "/data/db/c"), "  /srv/db/*.d/* r,\n  /srv/db/{a,b,c}* r,\n", []string{"/data/db/{a,b,c}* r,", "/data/db/* r,"}},
	} {
		t.Run(c.name, func(t *testing.T) { assert.Equal(t, c.offers, offered(t, c.log, c.profile)) })
	}
}

// A folder in which some name is more dangerous than those that were refused is not
// offered, and no offer is wider than the folder.
func TestOffersNoDanger(t *testing.T) {
	for _, folder := range []string{"/run", "/var/run", "/dev", "/usr/bin", "/boot", "/etc"} {
		var log string
		for i := range 4 {
			log += opened(i+1, fmt.Sprintf("%s/name%c", folder, 'a'+i), "r", 5)
		}
		assert.Empty(t, offered(t, log, ""), folder)
	}
}
