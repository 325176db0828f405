// Command loggen writes a made-up audit log to standard output: what auditd
// (log_format = RAW) of a busy container host leaves, with AppArmor and seccomp
// denials in it. The same flags give the same bytes on every machine.
//
//	go run ./testdata/loggen -lines 1000000 > big.log
//
// Of the lines 5% are AppArmor records, 5% SECCOMP records, and the rest is the
// ordinary noise of SYSCALL, PATH, CWD, EXECVE, PROCTITLE and USER_* records in
// event groups; a line has about 190 bytes. The denials repeat about 500
// distinct ones, some far more often than others.
package main

import (
	"bufio"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
)

func main() {
	lines := flag.Int("lines", 100_000, "number of lines")
	seed := flag.Uint64("seed", 1, "seed of the random numbers")
	distinct := flag.Int("distinct", 500, "how many denials are distinct; 0 for all, as a program that makes up names has them")
	shape := flag.String("shape", "audit", "of the lines: audit, syslog or json, the journal's")
	flag.Parse()
	if flag.NArg() > 0 || *lines < 0 || *distinct < 0 || shapes[*shape] == nil {
		fmt.Fprintln(os.Stderr, "usage: loggen [-lines N] [-seed N] [-distinct N] [-shape audit|syslog|json] > FILE")
		os.Exit(2)
	}
	out := bufio.NewWriterSize(os.Stdout, 1<<20)
	l := newLog(out, *seed, *lines, *distinct)
	l.shape = shapes[*shape]
	l.write()
	if err := out.Flush(); err != nil {
		fmt.Fprintln(os.Stderr, "loggen:", err)
		os.Exit(1)
	}
}

// A log is the state of the generator.
type log struct {
	out       *bufio.Writer
	rng       *rand.Rand
	apparmors []denial
	seccomps  []denial
	millis    int64  // time of the event being written, milliseconds since 1970
	serial    uint32 // and its serial
	stamp     string // "audit(SECONDS.MILLIS:SERIAL)"
	pid       int
	shape     func(l *log, recordType, body string) string
	made      int // names that were made up so far; -1 if none are to be

	lines, max        int
	apparmor, seccomp int // lines of either kind so far
}

func newLog(out *bufio.Writer, seed uint64, most, distinct int) *log {
	l := &log{out: out, max: most, rng: rand.New(rand.NewPCG(seed, 0)), millis: 1_760_000_000_000, serial: 1000, pid: 2000, made: -1}
	if distinct == 0 {
		distinct, l.made = 500, 0
	}
	l.apparmors = apparmorDenials(l.rng, max(distinct*4/5, 1))
	l.seccomps = seccompDenials(l.rng, max(distinct/5, 1))
	return l
}

// write writes whole events until the log has its lines; the last event may be
// cut, as it is in a log that was copied while auditd was writing.
func (l *log) write() {
	for l.lines < l.max {
		l.next()
		behind := func(n int) bool { return n*20 < l.lines+20 && l.rng.IntN(3) == 0 }
		switch {
		case behind(l.apparmor):
			l.apparmorEvent(pick(l.rng, l.apparmors))
		case behind(l.seccomp):
			l.seccompEvent(pick(l.rng, l.seccomps))
		default:
			l.noiseEvent()
		}
	}
}

// next starts an event: the next serial, a little later.
func (l *log) next() {
	l.serial++
	l.millis += int64(l.rng.IntN(40))
	l.stamp = fmt.Sprintf("audit(%d.%03d:%d)", l.millis/1000, l.millis%1000, l.serial)
	if l.rng.IntN(4) == 0 {
		l.pid = 2000 + (l.pid-2000+1+l.rng.IntN(50))%60_000
	}
}

// record writes one line.
func (l *log) record(recordType, format string, args ...any) {
	if l.lines >= l.max {
		return
	}
	l.lines++
	l.out.WriteString(l.shape(l, recordType, fmt.Sprintf(format, args...)))
	l.out.WriteByte('\n')
}

// apparmorEvent writes the AVC record and, as a host with audit rules has them,
// the SYSCALL and PROCTITLE records of the same event.
func (l *log) apparmorEvent(d denial) {
	l.apparmor++
	d = l.apart(d)
	if d.userAVC {
		l.record("USER_AVC", "%spid=%d%s", d.before, l.pid, d.after)
		return
	}
	l.record("AVC", "%spid=%d%s", d.before, l.pid, d.after)
	if l.rng.IntN(2) == 0 {
		l.syscall(d.syscall, -13, d.exe, d.label)
		l.proctitle(d.exe)
	}
}

func (l *log) seccompEvent(d denial) {
	l.seccomp++
	d = l.apart(d)
	l.record("SECCOMP", "%spid=%d%s", d.before, l.pid, d.after)
}

// apart is a denial that no other is like, if all are to be distinct: of a name that a
// program made up for itself or, on D-Bus, for what it calls.
func (l *log) apart(d denial) denial {
	if l.made < 0 {
		return d
	}
	l.made++
	d.before = strings.Replace(d.before, `member="`, fmt.Sprintf(`member="%d`, l.made), 1)
	d.after = strings.Replace(d.after, `comm="`, fmt.Sprintf(`comm="%d`, l.made), 1)
	return d
}

// pick returns one of the denials, the early ones far more often.
func pick(rng *rand.Rand, from []denial) denial {
	f := rng.Float64()
	return from[int(f*f*f*float64(len(from)))]
}

func (l *log) syscall(number, exit int, exe, label string) {
	success := "yes"
	if exit < 0 {
		success = "no"
	}
	l.record("SYSCALL", "arch=c000003e syscall=%d success=%s exit=%d a0=ffffff9c a1=7ff%09x a2=%x a3=0 items=%d ppid=%d pid=%d auid=4294967295 uid=0 gid=0 euid=0 suid=0 fsuid=0 egid=0 sgid=0 fsgid=0 tty=(none) ses=4294967295 comm=\"%s\" exe=\"%s\" subj=%s key=(null)",
		number, success, exit, l.rng.Int64N(1<<36), l.rng.IntN(1<<20), l.rng.IntN(3), l.pid-1, l.pid, comm(exe), exe, label)
}

func (l *log) proctitle(argv string) {
	l.record("PROCTITLE", "proctitle=%X", argv+"\x00--config\x00/etc/"+comm(argv)+".conf")
}

// noiseEvent writes an event that no one is denied anything in.
func (l *log) noiseEvent() {
	program := programs[l.rng.IntN(len(programs))]
	switch l.rng.IntN(10) {
	case 0, 1: // a watched execve
		l.syscall(59, 0, program, "unconfined")
		l.record("EXECVE", "argc=3 a0=\"%s\" a1=\"-c\" a2=%X", comm(program), "test -r "+l.file())
		l.record("CWD", "cwd=\"/var/lib/%s\"", comm(program))
		l.path(program, "NORMAL")
		l.path("/lib64/ld-linux-x86-64.so.2", "NORMAL")
		l.proctitle(program)
	case 2, 3, 4, 5: // a watched open
		l.syscall(257, 3+l.rng.IntN(60), program, "unconfined")
		l.record("CWD", "cwd=\"/\"")
		l.path(l.file(), "NORMAL")
		l.proctitle(program)
	case 6: // a watched rename
		l.syscall(82, 0, program, "unconfined")
		l.record("CWD", "cwd=\"/\"")
		l.path("/var/lib/", "PARENT")
		l.path("/var/cache/", "PARENT")
		l.path(l.file(), "DELETE")
		l.path(l.file(), "CREATE")
		l.proctitle(program)
	default:
		l.userEvent()
	}
}

func (l *log) path(name, nametype string) {
	l.record("PATH", "item=%d name=\"%s\" inode=%d dev=fd:00 mode=0100%o ouid=0 ogid=0 rdev=00:00 nametype=%s cap_fp=0 cap_fi=0 cap_fe=0 cap_fver=0 cap_frootid=0",
		l.rng.IntN(4), name, 100_000+l.rng.IntN(3_000_000), 0o600+l.rng.IntN(0o177), nametype)
}

// userEvent writes the records of a session or a service, as PAM and systemd do.
func (l *log) userEvent() {
	session := 1 + l.rng.IntN(4000)
	if l.rng.IntN(3) == 0 {
		what := [...]string{"SERVICE_START", "SERVICE_STOP"}[l.rng.IntN(2)]
		l.record(what, "pid=1 uid=0 auid=4294967295 ses=4294967295 subj=unconfined msg='unit=%s comm=\"systemd\" exe=\"/usr/lib/systemd/systemd\" hostname=? addr=? terminal=? res=success'",
			comm(programs[l.rng.IntN(len(programs))]))
		return
	}
	for i, r := range [...]struct{ what, op string }{
		{"USER_ACCT", "PAM:accounting grantors=pam_permit"}, {"CRED_ACQ", "PAM:setcred grantors=pam_permit"},
		{"USER_START", "PAM:session_open grantors=pam_loginuid,pam_limits"}, {"CRED_DISP", "PAM:setcred grantors=pam_permit"},
		{"USER_END", "PAM:session_close grantors=pam_loginuid,pam_limits"},
	} {
		if i > 0 {
			l.next()
		}
		l.record(r.what, "pid=%d uid=0 auid=0 ses=%d subj=unconfined msg='op=%s acct=\"root\" exe=\"/usr/sbin/cron\" hostname=? addr=? terminal=cron res=success'",
			l.pid, session, r.op)
	}
}

func (l *log) file() string {
	return fmt.Sprintf("%s/%s-%04x", folders[l.rng.IntN(len(folders))], words[l.rng.IntN(len(words))], l.rng.IntN(1<<16))
}

// untrusted writes a name as audit_log_untrustedstring of the kernel does:
// quoted, or as bare hex if it holds a space, a quote or a control character.
func untrusted(name string) string {
	for _, c := range []byte(name) {
		if c <= ' ' || c == '"' || c > '~' {
			return fmt.Sprintf("%X", name)
		}
	}
	return `"` + name + `"`
}
