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
		{"the shape of the first of this name", opened(1, "/data/mysql/ib1", "rw", 5), "  /var/lib/mysql/** rwk,\n  /var/log/mysql/** rw,\n", []string{"/data/mysql/** rwk,"}},
		{"the shape of the nearest of this name", opened(1, "/var/log/app/mysql/x", "w", 5), "  /var/lib/mysql/** rwk,\n  /var/log/mysql/** rw,\n", []string{"/var/log/app/mysql/** rw,"}},
		{"the shape first", read("/data/db/a", "/data/db/b", "/data/db/c"), "  /srv/db/*.d/* r,\n  /srv/db/{a,b,c}* r,\n", []string{"/data/db/{a,b,c}* r,", "/data/db/* r,"}},
	} {
		t.Run(c.name, func(t *testing.T) { assert.Equal(t, c.offers, offered(t, c.log, c.profile)) })
	}
}

func TestOffersNext(t *testing.T) {
	record := func(operation, body string) string {
		return `type=AVC msg=audit(1795427169.844:1): apparmor="DENIED" operation="` + operation + `" profile="p" pid=7 comm="app" ` + body + "\n"
	}
	mount := record("mount", `fstype="ext4" srcname="/dev/sda" name="/mnt/" flags="rw"`)
	signal := func(mask, signal, peer string) string {
		return record("signal", `requested_mask="`+mask+`" denied_mask="`+mask+`" signal=`+signal+` peer="`+peer+`"`)
	}
	for _, c := range []struct {
		name, log, profile string
		offers             []string
	}{
		{"a lock", opened(1, "/srv/x.lock", "wrc", 0), "", []string{"owner /srv/x.lock rwk,"}},
		{"a lock that is read", opened(1, "/srv/x.lock", "r", 0), "", nil},
		{"a lock that is locked", opened(1, "/srv/x.lock", "wrc", 0) + opened(2, "/srv/x.lock", "k", 0), "", nil},
		{"a lock that may be locked", opened(1, "/srv/x.lock", "wrc", 0), "  /srv/*.lock k,\n", nil},
		{"a lock that is not to be locked", opened(1, "/srv/x.lock", "wrc", 0), "  deny /srv/*.lock k,\n", nil},
		{"a lock of another spelling", opened(1, "/srv/LCK..ttyS0", "w", 0) + opened(2, "/srv/.pwd.lck", "w", 0) + opened(3, "/srv/lock", "w", 0), "",
			[]string{"owner /srv/LCK..ttyS0 wk,", "owner /srv/.pwd.lck wk,", "owner /srv/lock wk,"}},
		{"no lock", opened(1, "/srv/block", "w", 0) + opened(2, "/srv/clockwork", "w", 0) + opened(3, "/srv/locked/x", "w", 0), "", nil},
		{"a mount", mount, "", []string{"umount /mnt/,"}},
		{"a mount that may be unmounted", mount, "  umount,\n", nil},
		{"a change of propagation", record("mount", `name="/mnt/" flags="rw, rprivate"`), "", nil},
		{"a remount", record("mount", `name="/mnt/" flags="ro, remount"`), "", nil},
		{"an unmount", record("umount", `name="/mnt/"`), "", nil},
		{"a new root", record("pivotroot", `srcname="/new/old/" name="/new/"`), "", []string{"umount /old/,"}},
		{"a signal to the same profile", signal("send", "term", "p"), "", []string{"signal (receive) set=(term) peer=p,"}},
		{"a signal to the same profile, both refused", signal("send", "term", "p") + signal("receive", "term", "p"), "", nil},
		{"a signal that ends", signal("receive", "term", "q"), "", []string{"signal (receive) set=(kill) peer=q,"}},
		{"another signal", signal("receive", "hup", "q"), "", nil},
	} {
		t.Run(c.name, func(t *testing.T) { assert.Equal(t, c.offers, offered(t, c.log, c.profile)) })
	}
}

// What is offered is no part of the patch.
func TestOffersApart(t *testing.T) {
	p := patched(t, opened(1, "/srv/x.lock", "wrc", 0), "profile p {\n}\n", nil)
	assert.Equal(t, "profile p {\n  owner /srv/x.lock rw,\n}\n", p.Changes[0].New)
	assert.Contains(t, p.Offers[0].Fix.Message, "that it is needed is not proved")
	assert.Contains(t, p.Offers[0].Fix.Grants, "k,`, which was not asked for")
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
