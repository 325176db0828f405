package patch

import (
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/whydenied/whydenied/explain"
	"github.com/whydenied/whydenied/explain/fix"
	"github.com/whydenied/whydenied/explain/library"
	"github.com/whydenied/whydenied/parser"
	"github.com/whydenied/whydenied/rules"
	"github.com/whydenied/whydenied/rules/apparmor"
	"github.com/whydenied/whydenied/rules/seccomp"
)

// denials parses the records of a log.
func denials(t testing.TB, log string) []parser.Denial {
	t.Helper()
	found, stats := parser.Scan(nil, parser.Block{File: "log", Body: []byte(log)})
	require.Zero(t, stats.Unparsed)
	return found
}

// patched returns the patch for a log, with profile p of the given text and the
// files of a profile directory.
func patched(t testing.TB, log, profile string, files map[string]string) *Patch {
	t.Helper()
	return patchedTo(t, fix.OfNames, log, profile, files)
}

// patchedTo is patched with rules of a breadth.
func patchedTo(t testing.TB, breadth fix.Breadth, log, profile string, files map[string]string) *Patch {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		name = filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(name), 0o700))
		require.NoError(t, os.WriteFile(name, []byte(text), 0o600))
	}
	file := filepath.Join(dir, "p")
	require.NoError(t, os.WriteFile(file, []byte(profile), 0o600))
	explainer := explain.New(library.New(dir, nil))
	explainer.Fixes.Breadth = breadth
	_, _, err := explainer.Library.AddProfile(file)
	require.NoError(t, err)
	group := explain.NewGroup(nil, explain.Filter{})
	for _, d := range denials(t, log) {
		group.Add(d)
	}
	return Make(explainer, explainer.DiagnoseAll(group.Findings()))
}

// opened is the record of a refused open.
func opened(serial int, name, mask string, ouid int) string {
	return fmt.Sprintf(`type=AVC msg=audit(1795427169.844:%d): apparmor="DENIED" operation="open" profile="p" name=%s pid=4242 comm="app" requested_mask="%[3]s" denied_mask="%[3]s" fsuid=0 ouid=%[4]d`+"\n",
		serial, strings.ToUpper(hex.EncodeToString([]byte(name))), mask, ouid)
}

func TestPatch(t *testing.T) {
	capable := func(serial int, name string, number int) string {
		return fmt.Sprintf(`type=AVC msg=audit(1795427169.844:%d): apparmor="DENIED" operation="capable" profile="p" pid=7 comm="app" capability=%d  capname="%s"`+"\n", serial, number, name)
	}
	call := func(serial, number int) string {
		return fmt.Sprintf(`type=SYSCALL msg=audit(1795427169.844:%d): arch=c000003e syscall=%d success=no exit=-13 a0=0 a1=0 a2=0 a3=0 items=0 ppid=6 pid=7 uid=0 comm="app" exe="/bin/app"`+"\n", serial, number)
	}
	with := func(serial, number int, a1, a2 string) string {
		return strings.NewReplacer("a1=0", "a1="+a1, "a2=0", "a2="+a2).Replace(call(serial, number))
	}
	made := func(name, flags, mode string) string {
		return strings.Replace(opened(1, name, "c", 0), `"open"`, `"mknod"`, 1) + strings.Replace(with(1, 257, "0", flags), "a3=0", "a3="+mode, 1)
	}
	path := func(nametype, mode string, ouid int) string {
		return fmt.Sprintf("type=PATH msg=audit(1795427169.844:1): item=0 name=\"/x\" inode=9 dev=fe:00 mode=%s ouid=%d ogid=0 rdev=00:00 nametype=%s\n", mode, ouid, nametype)
	}
	linkedOf7 := func(serial int, name, target string) string {
		return strings.Replace(linked(serial, name, target), "pid=4242", "pid=7", 1)
	}
	namedLink := func(serial, ouid int, name, target string) string {
		log := capable(serial, "dac_override", 1) + linkedOf7(serial, name, target) +
			strings.Replace(call(serial, 86), "uid=0", "uid=0 fsuid=0", 1) + path("PARENT", "040755", 0) + path("CREATE", "0100444", ouid)
		return strings.ReplaceAll(log, ".844:1)", fmt.Sprintf(".844:%d)", serial))
	}
	ownLink := func(serial, ouid int) string {
		return namedLink(serial, ouid, fmt.Sprint("/x/a", serial), fmt.Sprint("/x/t", serial))
	}
	const ownLinks = "  owner link subset /x/a1 -> /x/t1,\n  owner link subset /x/a2 -> /x/t2,\n"
	ptraced := func(serial int, mask string) string {
		return fmt.Sprintf(`type=AVC msg=audit(1795427169.844:%d): apparmor="DENIED" operation="ptrace" class="ptrace" profile="p" pid=7 comm="app" requested_mask="%[2]s" denied_mask="%[2]s" peer="unconfined"`+"\n", serial, mask)
	}
	mounted := func(serial int, flags string) string {
		return fmt.Sprintf(`type=AVC msg=audit(1795427169.844:%d): apparmor="DENIED" operation="mount" info="failed mntpnt match" error=-13 profile="p" name="/mnt/" pid=7 comm="mount" fstype="ext4" srcname="/dev/sda" flags="%s"`+"\n", serial, flags)
	}
	traced := `type=AVC msg=audit(1795427169.844:1): apparmor="DENIED" operation="ptrace" class="ptrace" profile="p" pid=7 comm="app" requested_mask="read" denied_mask="read" peer="unconfined"` + "\n"
	readby := strings.NewReplacer(`"p"`, `"q"`, `"read"`, `"readby"`, "unconfined", "p").Replace(traced)
	const library, plugin = "/usr/lib/x86_64-linux-gnu/libm.so.6", "/opt/app/plugin.so"
	link := func(serial int, name, target string) string {
		return strings.NewReplacer(`"open"`, `"link"`, "\n", " target=\""+target+"\"\n").Replace(opened(serial, name, "l", 0))
	}
	linked := strings.NewReplacer(`"open"`, `"link"`, "\n", " target=\"/srv/t\"\n").Replace(opened(1, "/srv/n", "wacd", 0))
	numbers := ""
	for i := range 5 {
		numbers += opened(i+1, fmt.Sprintf("/srv/cache/%d.tmp", i*7), "w", 0)
	}
	for _, c := range []struct {
		name, log, before, after string
		left                     int
	}{
		{"one path, two masks", opened(1, "/srv/a", "r", 0) + opened(2, "/srv/a", "w", 0), "", "  owner /srv/a rw,\n", 0},
		{"the target of a link that must be a subset", opened(1, "/etc/passwd.lock", "r", 0), "  owner /etc/passwd.lock w,\n  owner link subset /etc/passwd.lock -> /etc/passwd.[0-9]*,\n  owner /etc/passwd.[0-9]* w,\n",
			"  owner /etc/passwd.lock rw,\n  owner link subset /etc/passwd.lock -> /etc/passwd.[0-9]*,\n  owner /etc/passwd.[0-9]* rw,\n", 0},
		{"a subset, among others", opened(1, "/etc/a.lock", "r", 0) + opened(2, "/etc/x", "r", 0) + opened(3, "/etc/y", "r", 0), "  owner /etc/a.lock wl,\n  owner /etc/a.[0-9]* w,\n",
			"  owner /etc/a.lock rwl,\n  owner /etc/a.[0-9]* rw,\n  /etc/x r,\n  /etc/y r,\n", 0},
		{"a subset, beside a deny rule", opened(1, "/etc/a.lock", "r", 0) + opened(2, "/srv/x", "w", 0), "  /** rw,\n  deny /etc/a.lock r,\n  deny /etc/b r,\n  deny /srv/? w,\n  link subset /etc/a.lock -> /opt/a,\n",
			"  /** rw,\n  deny /etc/b r,\n  deny /srv/[^x/] w,\n  link subset /etc/a.lock -> /opt/a,\n", 0},
		{"a subset, after another change", opened(1, "/etc/a.lock", "r", 0) + opened(2, "/srv/x", "w", 0), "  /srv/* rw,\n  deny /srv/? w,\n  owner /etc/a.lock wl,\n  owner /etc/a.[0-9]* w,\n",
			"  /srv/* rw,\n  deny /srv/[^x/] w,\n  owner /etc/a.lock rwl,\n  owner /etc/a.[0-9]* rw,\n", 0},
		{"a rule that another makes needless, and had been there", opened(1, "/run/a", "r", 0) + opened(2, "/run/a", "k", 0), "  /run/a w,\n", "  /run/a rwk,\n", 0},
		{"one path, two owners", opened(1, "/srv/a", "r", 0) + opened(2, "/srv/a", "w", 5), "", "  /srv/a rw,\n", 0},
		{"an owner rule for this path", opened(1, "/srv/a", "w", 5), "  owner /srv/a w, # ours\n", "  /srv/a w, # ours\n", 0},
		{"an owner rule for this path, and more", opened(1, "/srv/a", "rw", 5), "  owner /srv/a w,\n", "  /srv/a rw,\n", 0},
		{"an owner rule for names like this", opened(1, "/tmp/app.dHk3Pq", "w", 5), "  owner /tmp/app.?????? w,\n", "  /tmp/app.?????? w,\n", 0},
		{"an owner rule for names like this, that grants more", opened(1, "/tmp/app.dHk3Pq", "w", 5), "  owner /tmp/app.?????? rw,\n", "  owner /tmp/app.?????? rw,\n  /tmp/app.?????? w,\n", 0},
		{"an owner rule for this path, that grants more", opened(1, "/srv/a", "w", 5), "  owner /srv/a rw,\n", "  owner /srv/a rw,\n  /srv/a w,\n", 0},
		{"an owner rule for many paths", opened(1, "/srv/a", "w", 5), "  owner /srv/* w,\n", "  owner /srv/* w,\n  /srv/a w,\n", 0},
		{"an owner rule for this path, permissions first", opened(1, "/srv/a", "w", 5), "  audit owner w /srv/a,\n", "  audit w /srv/a,\n", 0},
		{"sorted, beside its like", opened(1, "/srv/c", "r", 0) + opened(2, "/srv/b", "r", 0), "  /etc/x r,\n  /srv/a r,\n  /var/x r,\n",
			"  /etc/x r,\n  /srv/a r,\n  owner /srv/b r,\n  owner /srv/c r,\n  /var/x r,\n", 0},
		{"one rule, two permissions", opened(1, "/srv/a", "w", 0) + opened(2, "/srv/a", "k", 0), "  /srv/a r, # why\n", "  /srv/a rwk, # why\n", 0},
		{"two paths of one deny rule", opened(1, "/srv/a", "w", 0) + opened(2, "/srv/b", "w", 0), "  /srv/** rw,\n  deny /srv/? w,\n", "", 0},
		{"a process ID", opened(1, "/proc/77/stat", "r", 0), "", "  owner /proc/[0-9]*/stat r,\n", 0},
		{"process 1", opened(1, "/proc/1/stat", "r", 0), "", "  owner /proc/1/stat r,\n", 0},
		{"process 1 and others", opened(1, "/proc/1/stat", "r", 0) + opened(2, "/proc/2/stat", "r", 0) + opened(3, "/proc/77/stat", "r", 0), "", "  owner /proc/[0-9]*/stat r,\n", 0},
		{"the process's own ID", opened(1, "/run/app.4242.sock", "w", 0), "", "  owner /run/app.[0-9]*.sock w,\n", 0},
		{"the ID of the process's parent", opened(1, "/tmp/job.4000", "r", 0) + strings.Replace(call(1, 257), "ppid=6", "ppid=4000", 1), "", "  owner /tmp/job.[0-9]* r,\n", 0},
		{"a rule that another makes needless", opened(1, "/run/app.1.sock", "w", 0) + opened(2, "/run/app.4242.sock", "w", 0), "", "  owner /run/app.[0-9]*.sock w,\n", 0},
		{"a temporary file", opened(1, "/tmp/tmp.0aZ3bYx9Qk", "w", 0), "", "  owner /tmp/tmp.?????????? w,\n", 0},
		{"a temporary file of a shorter name", opened(1, "/data/tmp.0aZ3bY", "w", 0), "", "  owner /data/tmp.?????? w,\n", 0},
		{"a random name", opened(1, "/tmp/app.dHk3Pq", "rw", 0), "", "  owner /tmp/app.?????? rw,\n", 0},
		{"a random name, made to be read and written", strings.Replace(opened(1, "/tmp/app.dHk3Pq", "c", 0), `"open"`, `"mknod"`, 1) + with(1, 257, "0", "c2"), "", "  owner /tmp/app.?????? rw,\n", 0},
		{"a file that is made to be read", made("/run/job.lock", "40", "1b6"), "", "  owner /run/job.lock rw,\n", 0},
		{"a file that is made to be written", made("/run/job.lock", "41", "1b6"), "", "  owner /run/job.lock w,\n", 0},
		{"a random name after a word, made as mkstemp(3) makes files", made("/srv/sedxB12Cd", "c2", "180"), "", "  owner /srv/sed?????? rw,\n", 0},
		{"a random name as a whole", made("/tmp/Ab_EfGhIj1", "200c2", "180"), "", "  owner /tmp/?????????? rw,\n", 0},
		{"an ending that looks like one", made("/srv/.text.swpx", "c2", "180"), "", "  owner /srv/.text.swpx rw,\n", 0},
		{"a terminal", opened(1, "/dev/pts/3", "rw", 0), "", "  owner /dev/pts/[0-9]* rw,\n", 0},
		{"a short random name", made("/run/job.aB3d", "c2", "180"), "", "  owner /run/job.???? rw,\n", 0},
		{"a random number", made("/tmp/job-3928471234.json", "800c2", "180"), "", "  owner /tmp/job-[0-9]*.json rw,\n", 0},
		{"a random folder", strings.Replace(opened(1, "/srv/d/fAbCdEfGh/", "c", 0), `"open"`, `"mkdir"`, 1) + with(1, 83, "1c0", "0"), "", "  owner /srv/d/?????????/ w,\n", 0},
		{"a random folder after a word", strings.Replace(opened(1, "/srv/d/jobAbCdEf/", "c", 0), `"open"`, `"mkdir"`, 1) + with(1, 83, "1c0", "0"), "", "  owner /srv/d/job??????/ w,\n", 0},
		{"a random file and an ending", made("/srv/AbCdEfGh.log", "c2", "180"), "", "  owner /srv/????????.log rw,\n", 0},
		{"a name of two words, made for itself alone", made("/run/lock_file", "c2", "180"), "", "  owner /run/lock_file rw,\n", 0},
		{"a random folder, and a file in it", strings.Replace(opened(1, "/srv/d/fAbCdEfGh/", "c", 0), `"open"`, `"mkdir"`, 1) + with(1, 83, "1c0", "0") + opened(2, "/srv/d/fAbCdEfGh/o t", "w", 0),
			"", "  owner \"/srv/d/?????????/o t\" w,\n  owner /srv/d/?????????/ w,\n", 0},
		{"a file in a folder of a random name", opened(1, "/srv/d/fAbCdEfGh/out", "w", 0), "  owner /srv/d/f????????/ w,\n", "  owner /srv/d/f????????/ w,\n  owner /srv/d/f????????/out w,\n", 0},
		{"a link to a file of a random name", strings.NewReplacer(`"open"`, `"link"`, "\n", " target=\"/srv/.lockAbCdEf\"\n").Replace(opened(1, "/srv/lock", "l", 0)),
			"  owner /srv/.lock?????? rw,\n", "  owner /srv/.lock?????? rw,\n  owner link subset /srv/lock -> /srv/.lock??????,\n", 0},
		{"a lock of a file of a random name", strings.Replace(opened(1, "/srv/.lockAbCdEf", "k", 0), `"open"`, `"file_lock"`, 1), "  owner /srv/.lock?????? rw,\n", "  owner /srv/.lock?????? rwk,\n", 0},
		{"a lock of a file among many", strings.Replace(opened(1, "/srv/a", "k", 0), `"open"`, `"file_lock"`, 1), "  owner /srv/* rw,\n", "  owner /srv/* rw,\n  owner /srv/a k,\n", 0},
		{"a random name after a point and a word", made("/srv/.lockAbCdEf", "c2", "180"), "", "  owner /srv/.lock?????? rw,\n", 0},
		{"a link of two varying names", link(1, "/dev/shm/sem.mp-8gcbgrdl", "/dev/shm/sem.g982xQ"), "", "  owner link subset /dev/shm/sem.mp-???????? -> /dev/shm/sem.??????,\n", 0},
		{"a link to a file that was made for a while", made("/srv/app/jobqkbwzt", "c2", "180") + link(2, "/srv/app/lock", "/srv/app/jobqkbwzt"), "",
			"  owner /srv/app/job?????? rw,\n  owner link subset /srv/app/lock -> /srv/app/job??????,\n", 0},
		{"a link of names that somebody chose", link(1, "/dev/shm/sem.worker", "/srv/app/backup.config"), "", "  owner link subset /dev/shm/sem.worker -> /srv/app/backup.config,\n", 0},
		{"a lock of gpg's", opened(1, "/srv/gh/.#lk0x000055aebe6e2190.lab.4242", "wc", 0), "", "  owner \"/srv/gh/.#lk0x????????????????.lab.[0-9]*\" w,\n", 0},
		{"two process IDs and a time", opened(1, "/srv/4242/app-20261129-4242.log", "w", 0), "", "  owner /srv/[0-9]*/app-" + strings.Repeat("[0-9]", 8) + "-[0-9]*.log w,\n", 0},
		{"three names by chance", opened(1, "/srv/app/ja1kbt", "w", 0) + opened(2, "/srv/app/xz9pqa", "w", 0) + opened(3, "/srv/app/q2xdlo", "w", 0), "", "  owner /srv/app/?????? w,\n", 0},
		{"three names that somebody chose", opened(1, "/srv/app/config", "w", 0) + opened(2, "/srv/app/master", "w", 0) + opened(3, "/srv/app/server", "w", 0), "",
			"  owner /srv/app/config w,\n  owner /srv/app/master w,\n  owner /srv/app/server w,\n", 0},
		{"a file in any folder", opened(1, "/srv/d/out", "w", 0), "  owner /srv/*/ w,\n", "  owner /srv/*/ w,\n  owner /srv/d/out w,\n", 0},
		{"a name that somebody chose, made for itself alone", made("/run/appLock1", "c2", "180"), "", "  owner /run/appLock1 rw,\n", 0},
		{"a name like a random one, made for anybody", made("/srv/appxB12Cd", "c2", "1b6"), "", "  owner /srv/appxB12Cd rw,\n", 0},
		{"a random name that may be written, and is read", opened(1, "/tmp/app.dHk3Pq", "r", 0), "  /tmp/app.?????? w,\n", "  /tmp/app.?????? w,\n  owner /tmp/app.?????? r,\n", 0},
		{"a random name that its owner may write, and reads", opened(1, "/tmp/app.dHk3Pq", "r", 0), "  owner /tmp/app.?????? w,\n", "  owner /tmp/app.?????? rw,\n", 0},
		{"a file of /proc that may be read, and is written", opened(1, "/proc/77/comm", "w", 0), "  owner /proc/[0-9]*/comm r,\n", "  owner /proc/[0-9]*/comm rw,\n", 0},
		{"a random name and an ending", opened(1, "/tmp/app_qx7zk2ab.json", "w", 0), "", "  owner /tmp/app_????????.json w,\n", 0},
		{"a random name that is only read", opened(1, "/srv/main.3f9c1d2a.js", "r", 0), "", "  owner /srv/main.3f9c1d2a.js r,\n", 0},
		{"a name that somebody chose", opened(1, "/srv/org.MyEditor.conf", "w", 0), "", "  owner /srv/org.MyEditor.conf w,\n", 0},
		{"a file that is to take another's place", opened(1, "/srv/confGxh3jb", "w", 0), "  /srv/conf r,\n", "  /srv/conf r,\n  owner /srv/conf?????? w,\n", 0},
		{"a file beside another", opened(1, "/srv/confBackup", "w", 0) + opened(2, "/srv/confGxh3jb", "r", 0), "  /srv/conf r,\n", "  /srv/conf r,\n  owner /srv/confBackup w,\n  owner /srv/confGxh3jb r,\n", 0},
		{"a file in a directory that the profile names", opened(1, "/srv/Gxh3jb", "w", 0), "  /srv/ r,\n", "  /srv/ r,\n  owner /srv/Gxh3jb w,\n", 0},
		{"a temporary file of sed", opened(1, "/srv/sedkq3V2x", "w", 0) + opened(2, "/srv/sediment", "w", 0), "", "  owner /srv/sed?????? w,\n  owner /srv/sediment w,\n", 0},
		{"numbers", numbers, "", "  owner /srv/cache/{[0-9],[0-9][0-9]}.tmp w,\n", 0},
		{"to append", opened(1, "/srv/a", "a", 0), "", "  owner /srv/a w,\n", 0},
		{"to append to what can be read", opened(1, "/srv/a", "a", 0), "  /srv/a r,\n", "  /srv/a rw,\n", 0},
		{"to append, refused by a deny rule", opened(1, "/srv/a", "a", 0), "  /srv/* rw,\n  deny /srv/a w,\n", "  /srv/* rw,\n", 0},
		{"a link that is allowed more than its target", linked, "  /srv/n rwl,\n  /srv/t r,\n", "  /srv/n rwl,\n  /srv/t rw,\n", 0},
		{"a file without a name", opened(1, "/srv/#131097", "rw", 0), "", "  owner \"/srv/#[0-9]*\" rw,\n", 0},
		{"a file without a name on a tmpfs", opened(1, "/srv/#6", "rw", 0), "", "  owner \"/srv/#[0-9]*\" rw,\n", 0},
		{"a link of one to its name", strings.NewReplacer("/srv/t", "/srv/#6", "wacd", "l").Replace(linked), "", "  owner link subset /srv/n -> \"/srv/#[0-9]*\",\n", 0},
		{"a file that is read and begins like one without a name", opened(1, "/srv/#6", "r", 0), "", "  owner \"/srv/#6\" r,\n", 0},
		{"a variable of the profile's", opened(1, "/opt/app/x y", "r", 5), "  @{APP}/bin r,\n", "  @{APP}/bin r,\n  \"@{APP}/x y\" r,\n", 0},
		{"an open for reading, which asks for both", capable(1, "dac_read_search", 2) + capable(1, "dac_override", 1), "", "  capability dac_read_search,\n", 1},
		{"an open for reading, and one for writing", capable(1, "dac_read_search", 2) + capable(1, "dac_override", 1) + capable(2, "dac_override", 1), "", "  capability dac_override,\n", 1},
		{"a file made in a folder that is searched, in complain mode", strings.ReplaceAll(capable(1, "dac_read_search", 2)+capable(1, "dac_override", 1), "DENIED", "ALLOWED"), "", "  capability dac_override,\n", 1},
		{"capabilities that the kernel asks for one after the other, in complain mode", strings.ReplaceAll(capable(1, "bpf", 39)+capable(1, "sys_admin", 21), "DENIED", "ALLOWED"), "", "  capability bpf,\n  capability sys_admin,\n", 0},
		{"a capability beside a ptrace read", ptraced(1, "read") + capable(1, "perfmon", 38) + capable(1, "sys_admin", 21), "", "  ptrace (read) peer=unconfined,\n", 2},
		{"a capability beside a ptrace read, and without", ptraced(1, "read") + capable(1, "perfmon", 38) + capable(2, "perfmon", 38), "", "  capability perfmon,\n  ptrace (read) peer=unconfined,\n", 0},
		{"a capability beside a ptrace trace", ptraced(1, "trace") + capable(1, "perfmon", 38), "", "  capability perfmon,\n  ptrace (trace) peer=unconfined,\n", 0},
		{"a capability that another spares, which the profile has", capable(1, "dac_read_search", 2) + strings.Replace(call(1, 257), "success=no exit=-13", "success=yes exit=3", 1),
			"  capability dac_override,\n", "  capability dac_override,\n", 1},
		{"a capability that another spares, which the profile has, and a file", capable(1, "dac_read_search", 2) + opened(1, "/srv/a", "r", 5) + call(1, 257),
			"  capability dac_override,\n", "  capability dac_override,\n  /srv/a r,\n", 1},
		{"a capability that another does not spare, which the profile has", capable(1, "dac_read_search", 2) + call(1, 304),
			"  capability dac_override,\n", "  capability dac_override,\n  capability dac_read_search,\n", 0},
		{"a limit that mq_open asks about", capable(1, "sys_resource", 24) + call(1, 240) + opened(1, "/q", "w", 0), "", "  owner /q w,\n", 1},
		{"a limit that mq_open is refused by", capable(1, "sys_resource", 24) + call(1, 240), "", "  capability sys_resource,\n", 0},
		{"a limit of another call", capable(1, "sys_resource", 24) + call(1, 160) + opened(1, "/q", "w", 0), "", "  capability sys_resource,\n  owner /q w,\n", 0},
		{"attributes, of what complain mode learns", strings.NewReplacer(`"open"`, `"getattr"`, `profile="p"`, `profile="p//null-/bin/x"`, "DENIED", "ALLOWED").Replace(opened(1, "/", "r", 0)), "", "", 1},
		{"a link of a read-only file of one's own", capable(1, "dac_override", 1) + strings.Replace(with(1, 86, "0", "0"), "uid=0", "uid=0 fsuid=0", 1) + path("PARENT", "040755", 0) + path("CREATE", "0100444", 0), "", "", 1},
		{"links of read-only files of one's own", ownLink(1, 0) + ownLink(2, 0), "", ownLinks, 1},
		{"links of one kind", namedLink(1, 0, "/r/.git/objects/4a/7c37d4b80437a476526f82e5f1364aee65003b", "/r/.git/objects/4a/tmp_obj_w1L9mK") +
			namedLink(2, 0, "/r/.git/objects/4f/49885763b58e3370abd0083538f1699d8da73e", "/r/.git/objects/4f/tmp_obj_NZlPRN") +
			linkedOf7(3, "/r/.git/objects/84/bdbc9104e07b9d9a6f7c84dbb8a6cb37ef89e8", "/r/.git/objects/84/tmp_obj_ijEvXs"), "", // of which the kernel logs no capability any more
			"  owner link subset /r/.git/objects/[0-9a-f][0-9a-f]/?????????????????????????????????????? -> /r/.git/objects/[0-9a-f][0-9a-f]/tmp_obj_??????,\n", 1},
		{"links of files of one's own and of another's", ownLink(1, 0) + ownLink(2, 7), "", "  capability dac_override,\n" + ownLinks, 0},
		{"a link of one's own, and what else asks", ownLink(1, 0) + capable(2, "dac_override", 1) + call(2, 257), "", "  capability dac_override,\n  owner link subset /x/a1 -> /x/t1,\n", 0},
		{"a link of another's file", capable(1, "dac_override", 1) + strings.Replace(with(1, 86, "0", "0"), "uid=0", "uid=0 fsuid=0", 1) + path("PARENT", "040755", 0) + path("CREATE", "0100444", 7), "", "  capability dac_override,\n", 0},
		{"a link of one's own beside it, of which nothing else is told", capable(1, "dac_override", 1) + linkedOf7(1, "/x/a", "/x/t") + strings.Replace(call(1, 86), "uid=0", "uid=0 fsuid=0", 1), "", "  owner link subset /x/a -> /x/t,\n", 1},
		{"a link of one's own into another folder", capable(1, "dac_override", 1) + linkedOf7(1, "/y/a", "/x/t") + strings.Replace(call(1, 86), "uid=0", "uid=0 fsuid=0", 1), "", "  capability dac_override,\n  owner link subset /y/a -> /x/t,\n", 0},
		{"a link in a folder that is not writable", capable(1, "dac_override", 1) + strings.Replace(with(1, 86, "0", "0"), "uid=0", "uid=0 fsuid=0", 1) + path("PARENT", "040555", 0) + path("CREATE", "0100444", 0), "", "  capability dac_override,\n", 0},
		{"an optional capability, of what complain mode learns", strings.NewReplacer(`operation="capable"`, `operation="capable" info="optional: no audit" error=-1`, "DENIED", "ALLOWED").Replace(capable(1, "net_admin", 12)), "", "", 1},
		{"a mode without a set-group-ID bit", capable(1, "fsetid", 4) + with(1, 90, "1a0", "0"), "", "", 1},
		{"a mode with a set-group-ID bit", capable(1, "fsetid", 4) + with(1, 268, "0", "5a0"), "", "  capability fsetid,\n", 0},
		{"a library", opened(1, library, "r", 0), "", "  " + library + " rm,\n", 0},
		{"a library that the loader opens", opened(1, plugin, "r", 0) + with(1, 257, "0", "80000"), "", "  owner " + plugin + " rm,\n", 0},
		{"a library that is read", opened(1, library, "r", 0) + with(1, 257, "0", "0"), "", "  " + library + " r,\n", 0},
		{"what is named like a library", opened(1, plugin, "r", 0), "", "  owner " + plugin + " r,\n", 0},
		{"a program", strings.Replace(opened(1, "/srv/x", "x", 0), `"open"`, `"exec"`, 1), "", "  owner /srv/x rix,\n", 0},
		{"a program in memory", strings.Replace(opened(1, "/", "x", 0), `"open"`, `"exec"`, 1), "", "  owner / ix,\n", 0},
		{"a mount that is tried again read-only", mounted(1, "rw, silent") + mounted(2, "ro, silent"), "", "  mount fstype=ext4 options=(rw, silent) /dev/sda -> /mnt/,\n", 1},
		{"a mount that is read-only", mounted(1, "ro, silent"), "", "  mount fstype=ext4 options=(ro, silent) /dev/sda -> /mnt/,\n", 0},
		{"capabilities that a look at another process spares", traced + capable(1, "perfmon", 38) + capable(1, "sys_admin", 21), "", "  ptrace (read) peer=unconfined,\n", 2},
		{"capabilities that another's consent spares", readby + capable(1, "perfmon", 38) + capable(1, "sys_admin", 21), "", "", 3},
		{"capabilities of another call than a look at another process", traced + capable(2, "perfmon", 38) + capable(2, "sys_admin", 21), "", "  capability perfmon,\n  ptrace (read) peer=unconfined,\n", 1},
		{"two capabilities", capable(1, "dac_read_search", 2) + capable(2, "dac_override", 1), "", "  capability dac_override,\n  capability dac_read_search,\n", 0},
		{"nothing for a profile that allows it", opened(1, "/srv/a", "r", 0), "  /srv/* r,\n", "  /srv/* r,\n", 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			const head = "@{APP}=/opt/app\nprofile p {\n"
			patch := patched(t, c.log, head+c.before+"}\n", nil)
			assert.Len(t, patch.Left, c.left, "%+v", patch.Left)
			got := head + c.before + "}\n"
			if len(patch.Changes) > 0 {
				require.Len(t, patch.Changes, 1)
				got = patch.Changes[0].New
			}
			if c.after != "" {
				assert.Equal(t, head+c.after+"}\n", got)
			}
			for _, r := range patch.Remedies {
				assert.Contains(t, r.Fix.Proof, "the access is now allowed")
			}
		})
	}
}

// TestPatchLinkTarget holds that a link to another file than a rule names is a rule of its
// own: since AppArmor 5.0 the l of such a rule is for that file alone.
func TestPatchLinkTarget(t *testing.T) {
	log := strings.NewReplacer(`"open"`, `"link"`, "\n", " target=\"/srv/t\"\n").Replace(opened(1, "/srv/n", "l", 0))
	const head = "abi <abi/5.0>,\nprofile p {\n  /srv/n rwl -> /srv/other,\n"
	patch := patched(t, log, head+"}\n", map[string]string{"abi/5.0": "file {mask {create read write exec append mmap_exec link lock\n}\n}\n"})
	require.Len(t, patch.Changes, 1, "%+v", patch.Left)
	assert.Equal(t, head+"  owner link /srv/n -> /srv/t,\n}\n", patch.Changes[0].New)
}

// TestPatchTellsWhatIsMended holds that what a fix grants to keep links possible is told with it.
func TestPatchTellsWhatIsMended(t *testing.T) {
	patch := patched(t, opened(1, "/etc/passwd.lock", "r", 0), "profile p {\n  /etc/passwd.lock w,\n  link subset /etc/passwd.lock -> /etc/passwd.[0-9]*,\n  /etc/passwd.[0-9]* w,\n}\n", nil)
	require.Len(t, patch.Remedies, 1)
	assert.Contains(t, patch.Remedies[0].Fix.Grants, "r on everything that /etc/passwd.[0-9]* names")
	assert.NotContains(t, patch.Remedies[0].Fix.Proof, "nothing else is")
}

// TestPatchNeedless holds that a rule which another makes needless is left out,
// beside changes that no rule decides, too.
func TestPatchNeedless(t *testing.T) {
	disconnected := `type=AVC msg=audit(1795427169.844:3): apparmor="DENIED" operation="open" info="Failed name lookup - disconnected path" error=-13 profile="p" name="f" pid=7 comm="cat" requested_mask="r" denied_mask="r" fsuid=0 ouid=0` + "\n"
	patch := patched(t, opened(1, "/run/app.1.sock", "w", 0)+opened(2, "/run/app.4242.sock", "w", 0)+disconnected, "profile p {\n}\n", nil)
	require.Len(t, patch.Changes, 1, "%+v", patch.Left)
	assert.Equal(t, "profile p flags=(attach_disconnected) {\n  owner /f r,\n  owner /run/app.[0-9]*.sock w,\n}\n", patch.Changes[0].New)

	patch = patched(t, strings.Replace(disconnected, `name="f"`, `name=""`, 1), "profile p {\n}\n", nil)
	require.Len(t, patch.Changes, 1, "%+v", patch.Left)
	assert.Equal(t, "profile p flags=(attach_disconnected) {\n}\n", patch.Changes[0].New)

	patch = patched(t, disconnected, "profile p {\n  /** rw,\n}\n", nil)
	require.Len(t, patch.Changes, 1, "%+v", patch.Left)
	assert.Equal(t, "profile p flags=(attach_disconnected) {\n  /** rw,\n}\n", patch.Changes[0].New)
}

// TestPatchLocalOfTwo holds that a local file of two profiles of a policy is left as it is.
func TestPatchLocalOfTwo(t *testing.T) {
	const include = "  include if exists <local/both>\n}\n"
	patch := patched(t, opened(1, "/srv/a", "r", 0), "profile p {\n"+include+"profile q {\n"+include, map[string]string{"local/both": "# of both\n"})
	require.Len(t, patch.Changes, 1)
	assert.Equal(t, "profile p {\n"+strings.TrimSuffix(include, "}\n")+"  owner /srv/a r,\n}\nprofile q {\n"+include, patch.Changes[0].New)
}

// TestPatchStale holds that what the files allow already is to be loaded, by the file
// that includes the profile.
func TestPatchStale(t *testing.T) {
	log := strings.Replace(opened(1, "/srv/a", "r", 0), `profile="p"`, `profile="p//c"`, 1)
	patch := patched(t, log, "profile p {\n  include <children>\n}\n", map[string]string{"children": "profile c {\n  /srv/a r,\n}\n"})
	assert.Empty(t, patch.Changes)
	assert.Len(t, patch.Left, 1)
	require.Len(t, patch.Steps, 1)
	assert.Regexp(t, `^apparmor_parser -r -W /.*/p$`, patch.Steps[0])
}

// TestPatchLocal holds that a profile with a local include is left as it is, and
// gets its rules there.
func TestPatchLocal(t *testing.T) {
	const profile = "profile p {\n  /srv/a r,\n  include if exists <local/p>\n}\n"
	patch := patched(t, opened(1, "/srv/a", "w", 0)+opened(2, "/srv/b", "r", 0), profile, map[string]string{"local/p": "# Site-specific additions\n"})
	require.Len(t, patch.Changes, 1)
	assert.Equal(t, "p", filepath.Base(patch.Changes[0].File.Name))
	assert.Equal(t, "local", filepath.Base(filepath.Dir(patch.Changes[0].File.Name)))
	assert.Equal(t, "# Site-specific additions\nowner /srv/a w,\nowner /srv/b r,\n", patch.Changes[0].New)

	local := "/srv/a r,\ndeny /srv/b? w,\n/srv/* w,\n"
	patch = patched(t, opened(1, "/srv/a", "k", 0)+opened(2, "/srv/b1", "w", 0), profile, map[string]string{"local/p": local})
	require.Len(t, patch.Changes, 1, "%+v", patch.Left)
	assert.Equal(t, "/srv/a rk,\ndeny /srv/b[^1/] w,\n/srv/* w,\n", patch.Changes[0].New, "the local file's rules are the administrator's own")
}

// TestPatchDBus holds that a rule for messages does not name a connection, whose
// number is another each time.
func TestPatchDBus(t *testing.T) {
	record := func(serial int, body string) string {
		return fmt.Sprintf(`type=USER_AVC msg=audit(1795427169.844:%d): pid=400 uid=101 auid=0 ses=1 subj=unconfined msg='apparmor="DENIED" operation="dbus_%s pid=7 label="p" exe="/usr/bin/dbus-daemon" sauid=101 hostname=? addr=? terminal=?'`+"\n", serial, body)
	}
	log := record(1, `signal"  bus="system" path="/org/lab" interface="org.lab.I" member="S" name=":1.5" mask="receive" peer_label="q"`) +
		record(2, `bind"  bus="system" name="org.lab.Service" mask="bind"`)
	patch := patched(t, log, "profile p {\n}\n", nil)
	require.Len(t, patch.Changes, 1, "%+v", patch.Left)
	assert.Equal(t, "profile p {\n  dbus (bind) bus=system name=org.lab.Service,\n"+
		"  dbus (receive) bus=system path=/org/lab interface=org.lab.I member=S peer=(label=q),\n}\n", patch.Changes[0].New)
	assert.Contains(t, patch.Remedies[0].Fix.Grants, "everything else that")
	assert.Contains(t, patch.Remedies[1].Fix.Proof, "nothing else is")
}

// TestPatchSharedDeny holds that a profile gets a copy of what it includes where a
// deny rule in it is in the way, and that the included files stay as they are.
func TestPatchSharedDeny(t *testing.T) {
	const head = "profile p {\n  /srv/** rw,\n"
	files := map[string]string{
		"abstractions/outer": "# Of the system.\n/etc/hostname r,\n\ninclude <abstractions/inner>\n",
		"abstractions/inner": "deny /srv/[ab] w,\ndeny /srv/c w,\n/etc/hosts r,\n",
	}
	const copied = "  # abstractions/outer, copied for this profile alone:\n  # Of the system.\n  /etc/hostname r,\n\n" +
		"  # abstractions/inner, copied for this profile alone:\n"
	for _, c := range []struct{ name, log, after string }{
		{"one name", opened(1, "/srv/a", "w", 5), copied + "  deny /srv/b w,\n  deny /srv/c w,\n  /etc/hosts r,\n"},
		{"two rules of it", opened(1, "/srv/a", "w", 5) + opened(2, "/srv/b", "w", 5) + opened(3, "/srv/c", "w", 5), copied + "  /etc/hosts r,\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			patch := patched(t, c.log, head+"  include <abstractions/outer>\n}\n", files)
			assert.Empty(t, patch.Left)
			require.Len(t, patch.Changes, 1, "%+v", patch.Left)
			assert.Equal(t, head+c.after+"}\n", patch.Changes[0].New)
			assert.Contains(t, patch.Remedies[0].Fix.Proof, "nothing else is")
			var messages []string
			for _, r := range patch.Remedies {
				messages = append(messages, r.Fix.Message)
			}
			assert.Regexp(t, "(?m)^copy [^ ]*abstractions/outer and [^ ]*abstractions/inner into this profile instead of the include, and ", strings.Join(messages, "\n"))
		})
	}

	patch := patched(t, opened(1, "/srv/a", "w", 5), head+"  include <site.d>\n}\n", map[string]string{"site.d/1": "/x r,\n", "site.d/2": "deny /srv/a w,\n"})
	require.Len(t, patch.Changes, 1, "%+v", patch.Left)
	assert.Equal(t, head+"  # site.d/1, copied for this profile alone:\n  /x r,\n  # site.d/2, copied for this profile alone:\n}\n", patch.Changes[0].New)
}

// TestPatchSharedLocal holds that a file which two profiles share is changed for
// one at a time, and that the other's findings are not lost.
func TestPatchSharedLocal(t *testing.T) {
	log := opened(1, "/srv/a", "r", 0) + strings.ReplaceAll(opened(2, "/srv/b", "r", 0), `profile="p"`, `profile="q"`)
	patch := patched(t, log, "profile p {\n  include <local/both>\n}\n", map[string]string{
		"q":          "profile q {\n  include <local/both>\n}\n",
		"local/both": "/x r,\n",
	})
	require.Len(t, patch.Changes, 1)
	assert.Contains(t, patch.Changes[0].New, "owner /srv/a r,\n")
	require.Len(t, patch.Left, 1)
	assert.Contains(t, patch.Left[0].Reason, "run patch again")
}

// TestPatchDerived holds that a built-in profile comes out as a file of its own,
// in which it names itself.
func TestPatchDerived(t *testing.T) {
	log := strings.ReplaceAll(opened(1, "/proc/kcore", "r", 0), `profile="p"`, `profile="docker-default"`)
	patch := patched(t, log, "profile p {\n}\n", nil)
	require.Len(t, patch.Changes, 1, "%+v", patch.Left)
	c := patch.Changes[0]
	assert.True(t, c.File.Absent)
	assert.Empty(t, c.File.Text)
	assert.Contains(t, c.New, `profile "docker-default-custom"`)
	assert.Contains(t, c.New, `peer="docker-default-custom"`)
	assert.NotContains(t, c.New, `peer="docker-default"`)
	require.Len(t, patch.Profiles, 1)
	assert.True(t, patch.Profiles[0].Derived)
	assert.Equal(t, "high", patch.Remedies[0].Fix.Risk.String())
}

// TestPatchBundle holds that the filter of a bundle which is named is changed where
// it stands.
func TestPatchBundle(t *testing.T) {
	const config = `{"ociVersion":"1.0.2","linux":{"seccomp":{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["mkdir","mkdirat"],"action":"SCMP_ACT_KILL_PROCESS"}]}}}`
	name := filepath.Join(t.TempDir(), "config.json")
	require.NoError(t, os.WriteFile(name, []byte(config), 0o600))
	explainer := explain.New(library.New(t.TempDir(), nil))
	_, err := explainer.Library.AddSeccomp(name)
	require.NoError(t, err)
	group := explain.NewGroup(nil, explain.Filter{})
	for _, d := range denials(t, "type=SECCOMP msg=audit(1795427172.956:1): auid=0 uid=0 gid=0 ses=1 subj=unconfined pid=77 comm=\"sh\" exe=\"/bin/sh\" sig=31 arch=c000003e syscall=83 compat=0 ip=0x7f code=0x80000000\n") {
		group.Add(d)
	}
	patch := Make(explainer, explainer.DiagnoseAll(group.Findings()))
	require.Len(t, patch.Changes, 1, "%+v", patch.Left)
	assert.Equal(t, strings.Replace(config, `"mkdir",`, "", 1), patch.Changes[0].New)
	assert.Contains(t, patch.Steps[0], "run the bundle of "+name+" anew")
}

// TestPatchSeccomp holds that the calls of several findings go into one profile in
// their places, a built-in one as a file of its own.
func TestPatchSeccomp(t *testing.T) {
	log := ""
	for i, nr := range []int{425, 165, 83, 425} { // io_uring_setup, mount, mkdir, io_uring_setup
		log += fmt.Sprintf("type=SECCOMP msg=audit(1795427172.956:%d): auid=0 uid=0 gid=0 ses=1 subj=%s pid=77 comm=\"app%d\" exe=\"/bin/app\" sig=0 arch=c000003e syscall=%d compat=0 ip=0x7f code=0x50000\n", i+1, "docker-default", i, nr)
	}
	patch := patched(t, log, "profile p {\n}\n", nil)
	require.Len(t, patch.Left, 1, "mkdir is allowed by the profile")
	require.Len(t, patch.Remedies, 2)
	require.Len(t, patch.Changes, 1)
	assert.True(t, patch.Changes[0].File.Absent)
	assert.Equal(t, "seccomp-docker-custom.json", patch.Changes[0].File.Name)
	profile, _, err := seccomp.Parse(fileOf(patch.Changes[0].New))
	require.NoError(t, err)
	asked := seccomp.Call{Arch: seccomp.X86_64, Host: seccomp.X86_64, Caps: []string{}}
	for name, action := range map[string]seccomp.Action{"io_uring_setup": seccomp.Allow, "io_uring_enter": seccomp.Allow, "mount": seccomp.Errno} {
		asked.Name = name
		assert.Equal(t, action, profile.Decide(asked).Action, name)
	}
	require.Len(t, patch.Capabilities, 1, "with which the kernel and the profile take mount")
	assert.Equal(t, "CAP_SYS_ADMIN", patch.Capabilities[0].Name)
	require.Len(t, patch.Profiles, 1)
	assert.True(t, patch.Profiles[0].Seccomp && patch.Profiles[0].Derived)
}

// attacks are names that try to end their rule and begin another, or to stand for
// more than themselves.
var attacks = []string{
	"/x r,\n  capability sys_admin,", "/x\" rw, /** rwlkix, \"", "/x} profile q { /** rw,", "/*", "/**", "/{a,b}", "/[a-z]", "/[^a]", "/a?",
	"/@{HOME}/x", "/@{PROC}", "/a\\", "/a\\x2a", "/a\\*", "/# no comment", "/a #include <x>", "/,", "/a,b", "/a=b", "/a -> /b", "/(a)",
	"/\x1b[31mred", "/\xff\xfe", "/é", "/a\tb", "/a\rb", "/\u202etxt", "/ ", "/a//b", "/'", "/`id`", "/$x", "/%s", "/!", "/|+.^$", "/" + strings.Repeat("a*", 2047),
}

// checkExact patches a profile for one name and holds that the profile then
// grants that name and nothing else, or is not changed.
func checkExact(t testing.TB, name string) (fixed bool) {
	const profile = "profile p {\n  /bin/true r,\n}\n"
	patch := patched(t, opened(1, name, "w", 5), profile, nil)
	if len(patch.Changes) == 0 {
		require.NotEmpty(t, patch.Left, "%q", name)
		assert.NotEmpty(t, patch.Left[0].Reason)
		return false
	}
	load := func(text string) *apparmor.Profile {
		policy, problems := new(apparmor.Loader).Load(fileOf(text))
		require.Empty(t, rules.Errors(problems), "%q\n%s", name, text)
		return policy.Profile("p")
	}
	before, after := load(profile), load(patch.Changes[0].New)
	require.Len(t, after.Rules, len(before.Rules)+1, "%q\n%s", name, patch.Changes[0].New)
	want := apparmor.FileRequest{Path: name, Perms: apparmor.Write}
	assert.True(t, after.Grants(want), "%q\n%s", name, patch.Changes[0].New)
	gains, complete := apparmor.Gains(before, after, want)
	assert.True(t, complete)
	assert.Empty(t, gains, "%q\n%s", name, patch.Changes[0].New)
	return true
}

func TestPatchNamesAreExact(t *testing.T) {
	for _, name := range attacks {
		assert.True(t, checkExact(t, name) || strings.Contains(name, "//"), "%q has no fix", name)
	}
	r := rand.New(rand.NewPCG(5, 2))
	const nasty = "\n\t \"'\\*?[]{}^,@#()=!<>-:a/é\x01\x7f\xff"
	for range 300 {
		name := []byte("/")
		for range 1 + r.IntN(12) {
			if r.IntN(3) == 0 {
				name = append(name, byte(1+r.IntN(255)))
			} else {
				name = append(name, nasty[r.IntN(len(nasty))])
			}
		}
		checkExact(t, string(name))
	}
}

func FuzzPatchName(f *testing.F) {
	for _, name := range attacks {
		f.Add(strings.TrimPrefix(name, "/"))
	}
	f.Fuzz(func(t *testing.T, name string) {
		if strings.Contains(name, "\x00") || len(name) > 4096 {
			return
		}
		// What the next run will have another of is fixed by a glob.
		if fix.NamesOf("/"+name, fix.Caller{PID: 4242}, nil).Glob != "" {
			return
		}
		checkExact(t, "/"+name)
	})
}

// TestPatchHostileWords holds that other fields of a record make one rule, or
// none.
func TestPatchHostileWords(t *testing.T) {
	hostile := strings.ToUpper(hex.EncodeToString([]byte("x),\n  capability sys_admin,\n  mount fstype=(y")))
	for _, body := range []string{
		`operation="mount" profile="p" name="/mnt/" pid=7 comm="m" fstype=` + hostile + ` srcname="none"`,
		`operation="mount" profile="p" name="/mnt/" pid=7 comm="m" fstype="tmpfs" srcname=` + hostile,
		`operation="mount" profile="p" name=` + hostile + ` pid=7 comm="m" fstype="tmpfs" srcname="none"`,
		`operation="signal" profile="p" pid=7 comm="m" requested_mask="send" denied_mask="send" signal=term peer=` + hostile,
		`operation="ptrace" profile="p" pid=7 comm="m" requested_mask="read" denied_mask="read" peer=` + hostile,
		`operation="change_profile" profile="p" name=` + hostile + ` pid=7 comm="m" target=` + hostile,
		`operation="connect" profile="p" pid=7 comm="m" family="unix" sock_type="stream" protocol=0 requested_mask="connect" denied_mask="connect" addr=none peer_addr="@x),\n capability," peer="y"`,
	} {
		patch := patched(t, `type=AVC msg=audit(1795427169.844:13): apparmor="DENIED" `+body+"\n", "abi <abi/4.0>,\nprofile p {\n}\n", map[string]string{"abi/4.0": "x"})
		for _, c := range patch.Changes {
			policy, problems := new(apparmor.Loader).Load(fileOf(strings.TrimPrefix(c.New, "abi <abi/4.0>,\n")))
			require.Empty(t, rules.Errors(problems), c.New)
			require.Len(t, policy.Profile("p").Rules, 1, c.New)
			_, isCap := policy.Profile("p").Rules[0].(*apparmor.CapabilityRule)
			assert.False(t, isCap, c.New)
		}
	}
}

func fileOf(text string) *rules.File { return rules.NewFile("p", text) }

// TestManyNames holds that findings of further names are never taken for a fix, and
// that what takes long for each other access is bounded.
func TestManyNames(t *testing.T) {
	var log strings.Builder
	for i := range maxOthers + 3 {
		fmt.Fprintf(&log, `type=AVC msg=audit(1795427169.844:%d): apparmor="DENIED" operation="signal" profile="p" pid=7 comm="kill" requested_mask="send" denied_mask="send" signal=term peer="q%d"`+"\n", i+1, i)
	}
	explainer := explain.New(library.New(t.TempDir(), nil))
	explainer.Library.UseProfile(rules.NewFile("p", "profile p {\n}\n"))
	group := explain.NewGroup(nil, explain.Filter{})
	for _, d := range denials(t, log.String()) {
		group.Add(d)
	}
	findings := group.Findings()
	findings[0].Further = &explain.Further{Class: "signal"}
	p := Make(explainer, explainer.DiagnoseAll(findings))
	assert.Len(t, p.Remedies, maxOthers)
	require.Len(t, p.Left, 3)
	assert.Contains(t, p.Left[0].Reason, "more names than are told apart")
	assert.Contains(t, p.Left[1].Reason, "run patch again")
	assert.NotContains(t, p.Changes[0].New, "peer=q0,")
}

// TestPatchOfProduct holds that a file which a product makes anew is not changed: the product
// is asked, or people are told why not.
func TestPatchOfProduct(t *testing.T) {
	for label, step := range map[string]string{
		"incus-f43_</var/lib/incus>": "in `incus config edit f43` put the line `owner /srv/a r,` into raw.apparmor, below config; then `incus restart f43`",
		"snap.nextcloud.mysql":       "Which interfaces the snap has and which of them are connected: `snap connections nextcloud`. Connect one: `sudo snap connect nextcloud:PLUG`.",
	} {
		log := strings.ReplaceAll(opened(1, "/srv/a", "r", 0), `profile="p"`, `profile="`+label+`"`)
		patch := patched(t, log, "profile \""+label+"\" {\n}\n", nil)
		assert.Empty(t, patch.Changes)
		assert.Contains(t, patch.Steps, step)
		assert.Equal(t, 1, len(patch.Remedies)+len(patch.Left))
	}
}
