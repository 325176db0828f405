package patch

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/whydenied/whydenied/rules/apparmor"
)

// The letters that generators make names of.
const (
	digits  = "0123456789"
	hexes   = digits + "abcdef"
	letters = "abcdefghijklmnopqrstuvwxyz"
	libc    = letters + "ABCDEFGHIJKLMNOPQRSTUVWXYZ" + digits
	musl    = "abcdefghijklmnopABCDEFGHIJKLMNOP"
	python  = letters + digits + "_"
	perl    = libc + "_"
	pods    = "bcdfghjklmnpqrstvwxz2456789"
)

// fresh makes names by chance.
type fresh struct{ *rand.Rand }

func (r fresh) of(alphabet string, n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = alphabet[r.IntN(len(alphabet))]
	}
	return string(b)
}

// number returns a number without zeros before it.
func (r fresh) number(most uint64) string { return fmt.Sprint(r.Uint64N(most)) }

func (r fresh) pid() int { return 300 + r.IntN(4194304-300) }

func (r fresh) uuid(dash string) string {
	return strings.Join([]string{r.of(hexes, 8), r.of(hexes, 4), "4" + r.of(hexes, 3), "a" + r.of(hexes, 3), r.of(hexes, 12)}, dash)
}

func (r fresh) date(form string) string {
	return fmt.Sprintf(form, 2024+r.IntN(5), 1+r.IntN(12), 1+r.IntN(28), r.IntN(24), r.IntN(60), r.IntN(60))
}

// A maker is a generator of names, as a log shows it.
type maker struct {
	name   string
	called bool // the record of the call is there, and it is that of mkstemp(3) or mkdtemp(3)
	path   func(r fresh, pid int) string
}

// makers are those of the table in explain/fix, each by the source that is named there.
var makers = []maker{
	{"mkstemp", true, func(r fresh, _ int) string { return "/srv/app/job" + r.of(libc, 6) }},
	{"mkstemp after a point", true, func(r fresh, _ int) string { return "/srv/app/job." + r.of(libc, 6) }},
	{"mkstemp of musl", true, func(r fresh, _ int) string { return "/srv/app/job-" + r.of(musl, 6) }},
	{"mkstemps", true, func(r fresh, _ int) string { return "/srv/app/job." + r.of(libc, 6) + ".json" }},
	{"mkdtemp", true, func(r fresh, _ int) string { return "/srv/app/work-" + r.of(libc, 6) + "/" }},
	{"glibc's tmpfile", true, func(r fresh, _ int) string { return "/tmp/tmpf" + r.of(libc, 6) }},
	{"mktemp", false, func(r fresh, _ int) string { return "/srv/app/tmp." + r.of(libc, 10) }},
	{"ln -sf of coreutils", false, func(r fresh, _ int) string { return "/srv/d/Cu" + r.of(libc, 6) }},
	{"mktemp of busybox", false, func(r fresh, _ int) string { return "/tmp/tmp." + r.of(libc, 6) }},
	{"Python, no prefix", true, func(r fresh, _ int) string { return "/tmp/" + r.of(python, 8) }},
	{"Python, no prefix or call", false, func(r fresh, _ int) string { return "/tmp/" + r.of(python, 8) }},
	{"Python", false, func(r fresh, _ int) string { return "/srv/app/tmp" + r.of(python, 8) }},
	{"Python, and an ending", false, func(r fresh, _ int) string { return "/srv/app/tmp" + r.of(python, 8) + ".tar.gz" }},
	{"Python, a prefix", true, func(r fresh, _ int) string { return "/srv/app/job_" + r.of(python, 8) + ".json" }},
	{"Python's multiprocessing", false, func(r fresh, _ int) string { return "/tmp/pymp-" + r.of(python, 8) + "/" }},
	{"Python's listeners", false, func(r fresh, _ int) string {
		return "/tmp/pymp-" + r.of(python, 8) + "/listener-" + r.of(python, 8)
	}},
	{"Python's heap", false, func(r fresh, pid int) string { return fmt.Sprintf("/dev/shm/pym-%d-%s", pid, r.of(python, 8)) }},
	{"Python's shared memory", false, func(r fresh, _ int) string { return "/dev/shm/psm_" + r.of(hexes, 8) }},
	{"Python's compiled files", false, func(r fresh, _ int) string {
		return "/srv/app/__pycache__/a.cpython-311.pyc.1" + r.of(digits, 14)
	}},
	{"glibc's semaphores", true, func(r fresh, _ int) string { return "/dev/shm/sem." + r.of(libc, 6) }},
	{"glibc's semaphores, no call", false, func(r fresh, _ int) string { return "/dev/shm/sem." + r.of(libc, 6) }},
	{"Perl's File::Temp", true, func(r fresh, _ int) string { return "/tmp/" + r.of(perl, 10) }},
	{"Perl's File::Temp, no call", false, func(r fresh, _ int) string { return "/tmp/" + r.of(perl, 10) }},
	{"PHP's sessions", true, func(r fresh, _ int) string { return "/var/lib/php/sessions/sess_" + r.of(letters[:22]+digits, 26) }},
	{"PHP's sessions, no call", false, func(r fresh, _ int) string { return "/var/lib/php/sessions/sess_" + r.of(hexes, 32) }},
	{"PHP's uploads", true, func(r fresh, _ int) string { return "/tmp/php" + r.of(libc, 6) }},
	{"PHP's uploads, no call", false, func(r fresh, _ int) string { return "/tmp/php" + r.of(libc, 6) }},
	{"Go's CreateTemp", true, func(r fresh, _ int) string {
		return "/srv/app/job-" + fmt.Sprint(1000000+r.Uint32()%4000000000) + ".json"
	}},
	{"Go's build", false, func(r fresh, _ int) string {
		return "/tmp/go-build" + fmt.Sprint(1000000+r.Uint32()%4000000000) + "/b001/exe/main"
	}},
	{"Go's cache", false, func(r fresh, _ int) string {
		return "/home/u/.cache/go-build/" + r.of(hexes, 2) + "/" + r.of(hexes, 64) + "-d"
	}},
	{"Java's createTempFile", false, func(r fresh, _ int) string { return "/tmp/job" + fmt.Sprint(1<<61+r.Uint64N(1<<63)) + ".tmp" }},
	{"Java's performance data", false, func(r fresh, _ int) string { return fmt.Sprintf("/tmp/hsperfdata_root/%d", r.pid()) }},
	{"Java's error log", false, func(r fresh, _ int) string { return fmt.Sprintf("/srv/app/hs_err_pid%d.log", r.pid()) }},
	{"Node's mkdtemp", true, func(r fresh, _ int) string { return "/tmp/app-" + r.of(libc, 6) + "/" }},
	{"npm's cache", false, func(r fresh, _ int) string { return "/root/.npm/_cacache/tmp/" + r.of(hexes, 8) }},
	{"npm's content", false, func(r fresh, _ int) string {
		return "/root/.npm/_cacache/content-v2/sha512/" + r.of(hexes, 2) + "/" + r.of(hexes, 2) + "/" + r.of(hexes, 124)
	}},
	{"npm's logs", false, func(r fresh, _ int) string {
		return "/root/.npm/_logs/" + r.date("%d-%02d-%02dT%02d_%02d_%02d_") + r.of(digits, 3) + "Z-debug-0.log"
	}},
	{"Rust's tempfile", false, func(r fresh, _ int) string { return "/srv/app/.tmp" + r.of(libc, 6) }},
	{"rsync", true, func(r fresh, _ int) string { return "/srv/app/.data.db." + r.of(libc, 6) }},
	{"rsync, no call", false, func(r fresh, _ int) string { return "/srv/app/.data.db." + r.of(libc, 6) }},
	{"gpg's locks", false, func(r fresh, pid int) string {
		return fmt.Sprintf("/srv/gh/.#lk0x0000%s.lab.%d", "5"+r.of(hexes, 11), pid)
	}},
	{"gpg's locks in a container", false, func(r fresh, _ int) string {
		return fmt.Sprintf("/srv/gh/.#lk0x0000%s.%s1b.%d", "5"+r.of(hexes, 11), r.of(hexes, 10), r.pid())
	}},
	{"gpg's keys", false, func(r fresh, _ int) string {
		return "/srv/gh/private-keys-v1.d/" + strings.ToUpper(r.of(hexes, 40)) + ".key"
	}},
	{"SQLite", true, func(r fresh, _ int) string { return fmt.Sprintf("/var/tmp/etilqs_%x", r.Uint64()) }},
	{"SQLite, no call", false, func(r fresh, _ int) string { return fmt.Sprintf("/var/tmp/etilqs_%x", r.Uint64()) }},
	{"PostgreSQL's sorts", false, func(r fresh, pid int) string {
		return fmt.Sprintf("/var/lib/postgresql/15/main/base/pgsql_tmp/pgsql_tmp%d.%d", pid, r.IntN(20))
	}},
	{"PostgreSQL's shared memory", false, func(r fresh, _ int) string { return "/dev/shm/PostgreSQL." + r.number(1<<32) }},
	{"MySQL's tables", false, func(r fresh, _ int) string {
		return fmt.Sprintf("/var/lib/mysql/app/#sql-%x_%x.ibd", r.pid(), r.IntN(5000))
	}},
	{"MySQL's temporary tables", false, func(r fresh, _ int) string {
		return fmt.Sprintf("/tmp/#sql%x_%x_%x.MYI", r.pid(), r.IntN(5000), r.IntN(20))
	}},
	{"systemd's private folders", false, func(r fresh, _ int) string {
		return "/tmp/systemd-private-" + r.of(hexes, 32) + "-app.service-" + r.of(libc, 6) + "/"
	}},
	{"systemd's replacements", false, func(r fresh, _ int) string { return "/run/systemd/.#state" + r.of(hexes, 16) }},
	{"snapd", true, func(r fresh, _ int) string { return "/tmp/snap.rootfs_" + r.of(libc, 6) + "/" }},
	{"a snap's revisions", false, func(r fresh, _ int) string { return fmt.Sprintf("/var/snap/app/%d/state.json", 100+r.IntN(3000)) }},
	{"containers", false, func(r fresh, _ int) string {
		return "/var/lib/docker/containers/" + r.of(hexes, 64) + "/config.v2.json"
	}},
	{"containers' host names", false, func(r fresh, _ int) string { return "/srv/app/cache-a" + r.of(hexes, 10) + "1.db" }},
	{"Docker's networks", false, func(r fresh, _ int) string { return "/run/docker/netns/a" + r.of(hexes, 10) + "1" }},
	{"CNI's networks", false, func(r fresh, _ int) string { return "/run/netns/cni-" + r.uuid("-") }},
	{"pods", false, func(r fresh, _ int) string { return "/var/lib/kubelet/pods/" + r.uuid("-") + "/volumes/x" }},
	{"pods' cgroups", false, func(r fresh, _ int) string {
		return "/sys/fs/cgroup/kubepods.slice/kubepods-pod" + r.uuid("_") + ".slice/cgroup.procs"
	}},
	{"pods' logs", false, func(r fresh, _ int) string {
		return "/var/log/pods/default_web-" + r.of(pods, 10) + "-" + r.of(pods, 5) + "_" + r.uuid("-") + "/web/0.log"
	}},
	{"times", false, func(r fresh, _ int) string { return "/var/log/app/app-" + r.date("%d%02d%02d-%02d%02d%02d") + ".log" }},
	{"times of RFC 3339", false, func(r fresh, _ int) string { return "/var/log/app/" + r.date("%d-%02d-%02dT%02d:%02d:%02dZ") + ".log" }},
	{"dates", false, func(r fresh, _ int) string { return "/var/log/app/app.log-" + r.date("%d%02d%02d%.0[4]d")[:8] }},
	{"seconds", false, func(r fresh, _ int) string { return "/srv/app/dump-17" + r.of(digits, 8) + ".core" }},
	{"a time and a process", false, func(r fresh, pid int) string {
		return "/srv/app/run-" + r.date("%d%02d%02d%02d%02d%02d") + fmt.Sprintf(".%d.log", pid)
	}},
	{"apt's files", true, func(r fresh, _ int) string { return "/tmp/apt.conf." + r.of(libc, 6) }},
	{"apt's cache", false, func(r fresh, _ int) string { return "/var/cache/apt/pkgcache.bin." + r.of(libc, 6) }},
	{"apt's keys", false, func(r fresh, _ int) string { return "/tmp/apt-key-gpghome." + r.of(libc, 10) + "/" }},
	{"dpkg's updates", false, func(r fresh, _ int) string { return "/var/lib/dpkg/updates/" + r.of(digits, 4) }},
	{"pip's folders", false, func(r fresh, _ int) string {
		return "/tmp/pip-install-" + r.of(python, 8) + "/app_" + r.of(hexes, 32) + "/"
	}},
	{"git's objects", false, func(r fresh, _ int) string {
		return "/srv/app/.git/objects/" + r.of(hexes, 2) + "/tmp_obj_" + r.of(libc, 6)
	}},
	{"git's objects' names", false, func(r fresh, _ int) string { return "/srv/app/.git/objects/" + r.of(hexes, 2) + "/" + r.of(hexes, 38) }},
	{"git's packs", false, func(r fresh, _ int) string { return "/srv/app/.git/objects/pack/tmp_pack_" + r.of(libc, 6) }},
	{"git's lists", false, func(r fresh, _ int) string { return "/srv/app/.git/objects/info/packs_" + r.of(libc, 6) }},
	{"useradd's locks", false, func(_ fresh, pid int) string { return fmt.Sprintf("/etc/passwd.%d", pid) }},
	{"redis", false, func(r fresh, _ int) string { return fmt.Sprintf("/var/lib/redis/temp-%d.rdb", r.pid()) }},
	{"redis' append-only files", false, func(r fresh, _ int) string {
		return fmt.Sprintf("/var/lib/redis/appendonlydir/appendonly.aof.%d.incr.aof", 1+r.IntN(5000))
	}},
	{"ssh-agent", true, func(r fresh, _ int) string { return "/tmp/ssh-" + r.of(libc, 12) + "/" }},
	{"ssh-agent's socket", false, func(r fresh, _ int) string { return fmt.Sprintf("/tmp/ssh-%s/agent.%d", r.of(libc, 12), r.pid()) }},
	{"files without a name", false, func(r fresh, _ int) string { return fmt.Sprintf("/srv/app/#%d", 1000+r.IntN(1<<30)) }},
}

// record is the record of a program that makes a file or a folder.
func (m maker) record(serial, pid int, path string) string {
	operation, call := "mknod", "syscall=257 success=no exit=-13 a0=ffffff9c a1=7f a2=c2 a3=180"
	if strings.HasSuffix(path, "/") {
		operation, call = "mkdir", "syscall=83 success=no exit=-13 a0=7f a1=1c0 a2=0 a3=0"
	}
	log := strings.NewReplacer(`"open"`, `"`+operation+`"`, "pid=4242", fmt.Sprintf("pid=%d", pid)).Replace(opened(serial, path, "c", 0))
	if m.called {
		log += fmt.Sprintf(`type=SYSCALL msg=audit(1795427169.844:%d): arch=c000003e %s items=2 ppid=6 pid=%d uid=0 comm="app" exe="/bin/app"`+"\n", serial, call, pid)
	}
	return log
}

// TestFreshNames holds that the rule for the names of two runs covers 15 of
// the runs that follow.
func TestFreshNames(t *testing.T) {
	for i, m := range slices.Concat(makers, programs) {
		t.Run(m.name, func(t *testing.T) {
			r := fresh{rand.New(rand.NewPCG(20, uint64(i)))}
			var names []string
			log, text := "", ""
			var profile *apparmor.Profile
			for serial := range 17 {
				pid := r.pid()
				names = append(names, m.path(r, pid))
				if serial > 1 {
					continue
				}
				log += m.record(serial+1, pid, names[serial])
				patch := patched(t, log, "profile p {\n}\n", nil)
				require.Len(t, patch.Profiles, 1, names)
				require.Len(t, patch.Profiles[0].Profile.Rules, 1, patch.Changes[0].New)
				profile, text = patch.Profiles[0].Profile, patch.Changes[0].New
			}
			for _, name := range names[2:] {
				assert.True(t, profile.Grants(apparmor.FileRequest{Path: name, Perms: apparmor.Write, Owner: true}), "%s\n%s", name, text)
			}
		})
	}
}

// TestOrdinaryNames holds that names of files of Debian's packages stand for
// themselves, whether they are read or written.
func TestOrdinaryNames(t *testing.T) {
	list, err := os.ReadFile("testdata/debian-names")
	require.NoError(t, err)
	names := strings.Fields(string(list))
	require.Len(t, names, 500)
	for _, mask := range []string{"r", "w"} {
		log := ""
		for i, name := range names {
			log += opened(i+1, name, mask, 0)
		}
		patch := patched(t, log, "profile p {\n}\n", nil)
		require.Len(t, patch.Profiles, 1)
		for _, r := range patch.Profiles[0].Profile.Rules {
			_, literal := r.(*apparmor.FileRule).Path.Literal()
			assert.True(t, literal, r.Location().Text())
		}
		assert.Len(t, patch.Profiles[0].Profile.Rules, len(names))
	}
}
