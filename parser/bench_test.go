package parser

import (
	"bytes"
	"fmt"
	"math/rand"
	"testing"
)

// mixedLog writes an audit.log of n lines: denial of every hundred lines are
// AppArmor's and as many SECCOMP, the rest are the records of other events.
func mixedLog(n, denials int) []byte {
	rng := rand.New(rand.NewSource(1))
	var b bytes.Buffer
	serial, line := 1000, 0
	add := func(format string, args ...any) {
		fmt.Fprintf(&b, format, args...)
		b.WriteByte('\n')
		line++
	}
	const enriched = "\x1dARCH=x86_64 SYSCALL=openat AUID=\"unset\" UID=\"root\" GID=\"root\" EUID=\"root\" SUID=\"root\" FSUID=\"root\" EGID=\"root\" SGID=\"root\" FSGID=\"root\""
	for line < n {
		serial++
		id := fmt.Sprintf("msg=audit(%d.%03d:%d):", 1795427000+serial/200, serial%1000, serial)
		pid := 1000 + rng.Intn(500)
		r := rng.Intn(100)
		// An AppArmor event has three lines, any other noise four.
		if r < denials*3 {
			add(`type=AVC %s apparmor="DENIED" operation="open" class="file" profile="docker-default" name="/srv/data/%d/file" pid=%d comm="worker" requested_mask="r" denied_mask="r" fsuid=0 ouid=0`+"\x1d"+`FSUID="root" OUID="root"`, id, rng.Intn(250), pid)
		}
		if r >= 100-denials*3 {
			add(`type=SECCOMP %s auid=4294967295 uid=0 gid=0 ses=4294967295 subj=docker-default pid=%d comm="worker" exe="/usr/bin/worker" sig=0 arch=c000003e syscall=%d compat=0 ip=0x7f64fb2104e7 code=0x7ffc0000`+enriched[:60], id, pid, rng.Intn(250))
			continue
		}
		add(`type=SYSCALL %s arch=c000003e syscall=257 success=no exit=-13 a0=ffffff9c a1=7ffcc2b3ceef a2=0 a3=0 items=1 ppid=148 pid=%d auid=4294967295 uid=0 gid=0 euid=0 suid=0 fsuid=0 egid=0 sgid=0 fsgid=0 tty=(none) ses=4294967295 comm="worker" exe="/usr/bin/worker" subj=docker-default key=(null)%s`, id, pid, enriched)
		if r >= denials*3 {
			add(`type=CWD %s cwd="/srv/data"`, id)
			add(`type=PATH %s item=0 name="/srv/data/%d" inode=%d dev=08:01 mode=0100644 ouid=0 ogid=0 rdev=00:00 nametype=NORMAL cap_fp=0 cap_fi=0 cap_fe=0 cap_fver=0 cap_frootid=0`+"\x1d"+`OUID="root" OGID="root"`, id, rng.Intn(250), rng.Intn(1e6))
		}
		add(`type=PROCTITLE %s proctitle=2F7573722F62696E2F776F726B6572002D2D646972002F7372762F64617461`, id)
	}
	return b.Bytes()
}

func benchScan(b *testing.B, log []byte) {
	var dst []Denial
	lines := bytes.Count(log, []byte("\n"))
	b.SetBytes(int64(len(log)))
	b.ReportAllocs()
	records := 0
	for b.Loop() {
		var stats Stats
		dst, stats = Scan(dst[:0], Block{File: "audit.log", Body: log})
		records = stats.Records
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(lines), "ns/line")
	if records > 0 {
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(records), "ns/denial")
	}
}

func BenchmarkScanNoise(b *testing.B) { benchScan(b, mixedLog(10000, 0)) }

func BenchmarkScanMixed(b *testing.B) { benchScan(b, mixedLog(10000, 5)) }

func BenchmarkScanSyslog(b *testing.B) {
	var log bytes.Buffer
	for i := range 10000 {
		fmt.Fprintf(&log, "Nov 23 09:%02d:%02d lab systemd[1]: Started session %d of user root after a while, and then something longer.\n", i/60%60, i%60, i)
	}
	benchScan(b, log.Bytes())
}

func BenchmarkDedup(b *testing.B) {
	denials, _ := Scan(nil, Block{Body: mixedLog(10000, 5)})
	b.ReportAllocs()
	for b.Loop() {
		d := NewDedup()
		for i := range denials {
			d.Duplicate(&denials[i])
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(denials)), "ns/denial")
}
