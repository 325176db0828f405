package patch

import (
	"fmt"
	"strings"
)

// upper are letters that generators make names of, too.
const upper = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

// programs are further makers: programs by the names that they make, with and without the
// record of the call, and names that somebody chose so that a rule for them is hard to write.
var programs = []maker{
	{"Ruby's Tempfile", true, func(r fresh, pid int) string {
		return fmt.Sprintf("/tmp/job%s-%d-%s.txt", r.date("%d%02d%02d%.0[4]d")[:8], pid, r.of(letters+digits, 6))
	}},
	{"Ruby's mktmpdir", true, func(r fresh, pid int) string {
		return fmt.Sprintf("/tmp/d%s-%d-%s/", r.date("%d%02d%02d%.0[4]d")[:8], pid, r.of(letters+digits, 6))
	}},
	{".NET's temporary files", true, func(r fresh, _ int) string { return "/tmp/tmp" + r.of(libc, 6) + ".tmp" }},
	{".NET's diagnostics", false, func(r fresh, pid int) string {
		return fmt.Sprintf("/tmp/dotnet-diagnostic-%d-%d-socket", pid, 100000+r.IntN(90000000))
	}},
	{".NET's pipes", false, func(r fresh, pid int) string {
		return fmt.Sprintf("/tmp/clr-debug-pipe-%d-%d-in", pid, 100000+r.IntN(90000000))
	}},
	{"Chromium's shared memory", true, func(r fresh, _ int) string { return "/dev/shm/.org.chromium.Chromium." + r.of(libc, 6) }},
	{"Chromium's shared memory, no call", false, func(r fresh, _ int) string { return "/dev/shm/.org.chromium.Chromium." + r.of(libc, 6) }},
	{"Firefox's shared memory", false, func(r fresh, pid int) string { return fmt.Sprintf("/dev/shm/org.mozilla.ipc.%d.%d", pid, r.IntN(500)) }},
	{"GLib's replacements", false, func(r fresh, _ int) string { return "/srv/app/app.ini." + r.of(upper+digits, 6) }},
	{"Qt's replacements", true, func(r fresh, _ int) string { return "/srv/app/app.ini." + r.of(letters+upper, 6) }},
	{"WiredTiger's tables", false, func(r fresh, _ int) string {
		return fmt.Sprintf("/var/lib/mongodb/collection-%d-%d.wt", r.IntN(90), 1<<60+r.Uint64N(1<<62))
	}},
	{"Kafka's segments", false, func(r fresh, _ int) string { return fmt.Sprintf("/var/lib/kafka/t-0/%020d.log", r.Uint32()) }},
	{"Prometheus' blocks", false, func(r fresh, _ int) string {
		return "/var/lib/prometheus/01J" + r.of("0123456789ABCDEFGHJKMNPQRSTVWXYZ", 23) + "/meta.json"
	}},
	{"etcd's log", false, func(r fresh, _ int) string {
		return fmt.Sprintf("/var/lib/etcd/member/wal/%016x-%016x.wal", r.IntN(900), r.IntN(1<<30))
	}},
	{"Docker's blobs", true, func(r fresh, _ int) string {
		return fmt.Sprintf("/var/lib/docker/tmp/GetImageBlob%d", 100000000+r.Uint32()%4000000000)
	}},
	{"Docker's builder", false, func(r fresh, _ int) string {
		return fmt.Sprintf("/var/lib/docker/tmp/docker-builder%d/", 100000000+r.Uint32()%4000000000)
	}},
	{"containerd's mounts", false, func(r fresh, _ int) string {
		return fmt.Sprintf("/var/lib/containerd/tmpmounts/containerd-mount%d/etc/passwd", 100000000+r.Uint32()%4000000000)
	}},
	{"containerd's ingests", false, func(r fresh, _ int) string {
		return "/var/lib/containerd/io.containerd.content.v1.content/ingest/" + r.of(hexes, 64) + "/data"
	}},
	{"runc's processes", true, func(r fresh, _ int) string {
		return fmt.Sprintf("/tmp/runc-process%d", 100000000+r.Uint32()%4000000000)
	}},
	{"runc's processes, no call", false, func(r fresh, _ int) string {
		return fmt.Sprintf("/tmp/runc-process%d", 100000000+r.Uint32()%4000000000)
	}},
	{"cloud-init's instances", false, func(r fresh, _ int) string { return "/var/lib/cloud/instances/i-0" + r.of(hexes, 16) + "/obj.pkl" }},
	{"sudoedit", true, func(r fresh, _ int) string { return "/var/tmp/app" + r.of(libc, 8) + ".conf" }},
	{"mutt", true, func(r fresh, pid int) string {
		return fmt.Sprintf("/tmp/mutt-lab-1000-%d-%d", pid, 1<<60+r.Uint64N(1<<62))
	}},
	{"Midnight Commander", true, func(r fresh, _ int) string { return "/tmp/mc-root/mcext" + r.of(libc, 6) }},
	{"tac", true, func(r fresh, _ int) string { return "/tmp/tac" + r.of(libc, 6) }},
	{"patch", true, func(r fresh, _ int) string { return "/tmp/po" + r.of(libc, 6) }},
	{"OpenVPN", true, func(r fresh, _ int) string { return "/tmp/openvpn_cc_" + r.of(hexes, 32) + ".tmp" }},
	{"Postfix's queue", false, func(r fresh, pid int) string {
		return fmt.Sprintf("/var/spool/postfix/incoming/%d.%d", 100000+r.IntN(900000), pid)
	}},
	{"Maildir", false, func(r fresh, pid int) string {
		return fmt.Sprintf("/home/u/Maildir/tmp/17%s.M%dP%d.lab", r.of(digits, 8), 100000+r.IntN(900000), pid)
	}},
	{"CUPS' jobs", false, func(r fresh, _ int) string { return fmt.Sprintf("/var/spool/cups/tmp/%05x%08x", r.pid(), r.Uint32()) }},
	{"at's jobs", false, func(r fresh, _ int) string {
		return fmt.Sprintf("/var/spool/cron/atjobs/a%05x%08x", 1+r.IntN(90), 0x1c00000+r.IntN(1<<20))
	}},
	{"crontab's files", true, func(r fresh, _ int) string { return "/tmp/crontab." + r.of(libc, 6) + "/" }},
	{"crontab's spool", true, func(r fresh, _ int) string { return "/var/spool/cron/crontabs/tmp." + r.of(libc, 6) }},
	{"journald's files", false, func(r fresh, _ int) string {
		return "/var/log/journal/" + r.of(hexes, 32) + "/system@" + r.of(hexes, 32) + "-" + r.of(hexes, 16) + "-0006" + r.of(hexes, 12) + ".journal"
	}},
	{"systemd's cores", false, func(r fresh, pid int) string {
		return fmt.Sprintf("/var/lib/systemd/coredump/core.app.1000.%s.%d.17%s.zst", r.of(hexes, 32), pid, r.of(digits, 14))
	}},
	{"ICE's sockets", false, func(r fresh, pid int) string { return fmt.Sprintf("/tmp/.ICE-unix/%d", pid) }},
	{"PulseAudio's memory", false, func(r fresh, _ int) string {
		return fmt.Sprintf("/dev/shm/pulse-shm-%d", 100000000+r.Uint32()%4000000000)
	}},
	{"PulseAudio's folder", true, func(r fresh, _ int) string { return "/tmp/pulse-" + r.of(libc, 12) + "/" }},
	{"screen's sockets", false, func(r fresh, pid int) string { return fmt.Sprintf("/run/screen/S-root/%d.pts-0.lab", pid) }},
	{"yarn's folders", false, func(r fresh, _ int) string {
		return fmt.Sprintf("/tmp/yarn--17%s-0.%d/", r.of(digits, 11), 1<<53+r.Uint64N(1<<55))
	}},
	{"V8's logs", false, func(r fresh, pid int) string {
		return fmt.Sprintf("/srv/app/isolate0x%s-%d-v8.log", "5"+r.of(hexes, 6), pid)
	}},
	{"Gradle's daemon", false, func(r fresh, pid int) string { return fmt.Sprintf("/root/.gradle/daemon/8.5/daemon-%d.out.log", pid) }},
	{"JNA", false, func(r fresh, _ int) string { return fmt.Sprintf("/tmp/jna-3506402/jna%d.tmp", 1<<61+r.Uint64N(1<<63)) }},
	{"Tomcat", false, func(r fresh, _ int) string { return fmt.Sprintf("/tmp/tomcat.8080.%d/", 1<<61+r.Uint64N(1<<63)) }},
	{"Perl's templates of four", true, func(r fresh, _ int) string { return "/tmp/job_" + r.of(perl, 4) }},
	{"R's folders", true, func(r fresh, _ int) string { return "/tmp/Rtmp" + r.of(libc, 6) + "/" }},
	{"R's files", false, func(r fresh, _ int) string { return "/tmp/Rtmp" + r.of(libc, 6) + "/file" + r.of(hexes, 12) }},
	{"Julia", true, func(r fresh, _ int) string { return "/tmp/jl_" + r.of(libc, 6) }},
	{"Julia, no call", false, func(r fresh, _ int) string { return "/tmp/jl_" + r.of(libc, 6) }},
	{"Lua", true, func(r fresh, _ int) string { return "/tmp/lua_" + r.of(libc, 6) }},
	{"GHC", false, func(r fresh, pid int) string { return fmt.Sprintf("/tmp/ghc%d_0/ghc_1.s", pid) }},
	{"OCaml", true, func(r fresh, _ int) string { return "/tmp/camlasm" + r.of(hexes, 6) + ".s" }},
	{"Kubernetes' volumes", false, func(r fresh, _ int) string {
		return "/etc/config/.." + r.date("%d_%02d_%02d_%02d_%02d_%02d") + "." + r.of(digits, 9) + "/app.yaml"
	}},
	{"veth", false, func(r fresh, _ int) string { return "/sys/class/net/veth" + r.of(hexes, 7) + "/address" }},
	{"Samba's sockets", false, func(r fresh, pid int) string { return fmt.Sprintf("/run/samba/msg.sock/%d", pid) }},
	{"Kerberos' caches", true, func(r fresh, _ int) string { return "/tmp/krb5cc_1000_" + r.of(libc, 6) }},
	{"clang", true, func(r fresh, _ int) string { return "/tmp/app-" + r.of(hexes, 6) + ".o" }},
	{"clang, no call", false, func(r fresh, _ int) string { return "/tmp/app-" + r.of(hexes, 6) + ".o" }},
	{"ccache", true, func(r fresh, _ int) string { return "/root/.cache/ccache/tmp/cpp_stdout." + r.of(libc, 6) + ".ii" }},
	{"rustc", true, func(r fresh, _ int) string { return "/tmp/rustc" + r.of(libc, 6) + "/" }},
	{"curl's cookies", true, func(r fresh, _ int) string { return "/srv/app/cookies.txt." + r.of(libc, 8) + ".tmp" }},
	{"apr's files", true, func(r fresh, _ int) string { return "/var/cache/apache2/mod_cache_disk/aptmp" + r.of(libc, 6) }},
	{"hostile: globs", true, func(r fresh, _ int) string { return "/srv/app/[x]{a,b}*?-" + r.of(libc, 6) }},
	{"hostile: a variable", true, func(r fresh, _ int) string { return "/srv/app/@{HOME}." + r.of(libc, 6) }},
	{"hostile: a space", true, func(r fresh, _ int) string { return "/srv/my app/my job." + r.of(libc, 6) }},
	{"hostile: a comma, a hash", true, func(r fresh, _ int) string { return "/srv/app/a,#b." + r.of(libc, 6) + ",v" }},
	{"hostile: a long name", true, func(r fresh, _ int) string { return "/srv/" + strings.Repeat("long", 60) + "/job." + r.of(libc, 6) }},
	{"PHP 8.4's tempnam", true, func(r fresh, _ int) string { return "/srv/app/lab" + r.of(digits+letters[:22], 13) + r.of(libc, 6) }},
	{"PHP 8.4's tempnam, no call", false, func(r fresh, _ int) string { return "/tmp/lab" + r.of(digits+letters[:22], 13) + r.of(libc, 6) }},
}
