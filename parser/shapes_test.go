package parser

import (
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var reference = time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC)

func scanString(t testing.TB, log string) ([]Denial, Stats) {
	t.Helper()
	return Scan(nil, Block{File: "log", Body: []byte(log), Reference: reference})
}

// The denial that every shape below holds.
const (
	avcBody     = `apparmor="DENIED" operation="open" class="file" profile="lab" name=2F7372762F61206220C3AF pid=234 comm="aaop" requested_mask="r" denied_mask="r" fsuid=0 ouid=0`
	seccompBody = `auid=4294967295 uid=0 gid=0 ses=4294967295 subj=lab pid=235 comm="aaop" exe="/bin/aaop" sig=0 arch=c000003e syscall=39 compat=0 ip=0x4402e9 code=0x50000`
	interpreted = `apparmor=DENIED operation=open class="file" profile=lab name=/srv/a b ï pid=234 comm=aaop requested_mask=r denied_mask=r fsuid=root ouid=root `
)

// stamped says whether a shape carries the serial and the exact time.
type stamped uint8

const (
	exact    stamped = iota
	inSecond         // the time to the second, and no serial
	untimed
)

func quoteJSON(s string) string { return strings.ReplaceAll(s, `"`, `\"`) }

func bytesJSON(s string) string {
	return strings.Trim(strings.ReplaceAll(fmt.Sprint([]byte(s)), " ", ","), "[]")
}

func binaryField(key, value string) string {
	var n [8]byte
	binary.LittleEndian.PutUint64(n[:], uint64(len(value)))
	return key + "\n" + string(n[:]) + value + "\n"
}

var shapes = []struct {
	name      string
	log       string // %s is the body
	node      string
	transport Transport
	stamp     stamped
}{
	{"auditd raw", "type=AVC msg=audit(1795426979.597:47): %s\n", "", AuditLog, exact},
	{"auditd enriched", "type=AVC msg=audit(1795426979.597:47): %s\x1dFSUID=\"root\" OUID=\"root\"\n", "", AuditLog, exact},
	{"auditd enriched, separator lost", "type=AVC msg=audit(1795426979.597:47): %sFSUID=\"root\" OUID=\"root\"\n", "", AuditLog, exact},
	{"auditd enriched, separator as a space", "type=AVC msg=audit(1795426979.597:47): %s FSUID=\"root\" OUID=\"root\"\n", "", AuditLog, exact},
	{"auditd enriched, separator as typed", "type=AVC msg=audit(1795426979.597:47): %s^]FSUID=\"root\" OUID=\"root\"\n", "", AuditLog, exact},
	{"auditd numeric", "type=1400 msg=audit(1795426979.597:47): %s\n", "", AuditLog, exact},
	{"auditd unknown", "type=UNKNOWN[1400] msg=audit(1795426979.597:47): %s\n", "", AuditLog, exact},
	{"auditd node", "node=lab type=AVC msg=audit(1795426979.597:47): %s\n", "lab", AuditLog, exact},
	{"auditd crlf", "type=AVC msg=audit(1795426979.597:47): %s\r\n", "", AuditLog, exact},
	{"auditd after nul bytes", "\x00\x00\x00type=AVC msg=audit(1795426979.597:47): %s\n", "", AuditLog, exact},
	{"auditd without newline", "type=AVC msg=audit(1795426979.597:47): %s", "", AuditLog, exact},
	{"ausearch", "----\ntime->Mon Nov 23 09:42:59 2026\ntype=AVC msg=audit(1795426979.597:47): %s\n", "", AuditLog, exact},
	{"grep", "/var/log/audit/audit.log:type=AVC msg=audit(1795426979.597:47): %s\n", "", AuditLog, exact},
	{"grep -n", "/var/log/syslog:17:Nov 23 09:42:59 lab kernel: [   40.392669] audit: type=1400 audit(1795426979.597:47): %s\n", "lab", RingBuffer, exact},
	{"audisp-syslog", "Nov 23 09:42:59 lab audisp-syslog: type=AVC msg=audit(1795426979.597:47): %s\n", "lab", AuditLog, exact},
	{"audisp-syslog with pid", "Nov 23 09:42:59 lab audisp-syslog[512]: node=lab type=AVC msg=audit(1795426979.597:47): %s\x1dFSUID=\"root\"\n", "lab", AuditLog, exact},
	{"audisp-syslog alone", "audisp-syslog: type=AVC msg=audit(1795426979.597:47): %s\n", "", AuditLog, exact},
	{"audispd", "Nov 23 09:42:59 lab audispd: node=lab type=AVC msg=audit(1795426979.597:47): %s\n", "lab", AuditLog, exact},
	{"kmsg", "5,1234,40392669,-;audit: type=1400 audit(1795426979.597:47): %s\n SUBSYSTEM=acpi\n", "", RingBuffer, exact},
	{"kmsg with caller", "5,1234,40392669,-,caller=T234;audit: type=1400 audit(1795426979.597:47): %s\n", "", RingBuffer, exact},
	{"dmesg", "[   40.392669] audit: type=1400 audit(1795426979.597:47): %s\n", "", RingBuffer, exact},
	{"dmesg with caller", "[   40.392669][  T234] audit: type=1400 audit(1795426979.597:47): %s\n", "", RingBuffer, exact},
	{"dmesg of old kernels", "[   40.392669] type=1400 audit(1795426979.597:47): %s\n", "", RingBuffer, exact},
	{"dmesg -T", "[Mon Nov 23 09:42:59 2026] audit: type=1400 audit(1795426979.597:47): %s\n", "", RingBuffer, exact},
	{"dmesg -x", "kern  :notice: [   40.392669] audit: type=1400 audit(1795426979.597:47): %s\n", "", RingBuffer, exact},
	{"dmesg -r", "<5>[   40.392669] audit: type=1400 audit(1795426979.597:47): %s\n", "", RingBuffer, exact},
	{"dmesg -r without time", "<5>audit: type=1400 audit(1795426979.597:47): %s\n", "", RingBuffer, exact},
	{"dmesg -t", "audit: type=1400 audit(1795426979.597:47): %s\n", "", RingBuffer, exact},
	{"dmesg -d", "[   40.392669 <    0.000123>] audit: type=1400 audit(1795426979.597:47): %s\n", "", RingBuffer, exact},
	{"dmesg -e", "[Nov23 09:42] audit: type=1400 audit(1795426979.597:47): %s\n", "", RingBuffer, exact},
	{"dmesg -e later", "[  +0.000123] audit: type=1400 audit(1795426979.597:47): %s\n", "", RingBuffer, exact},
	{"dmesg iso", "2026-11-23T09:42:59,597123+00:00 audit: type=1400 audit(1795426979.597:47): %s\n", "", RingBuffer, exact},
	{"dmesg --json", "{\n   \"dmesg\": [\n      {\n         \"pri\": 5,\n         \"time\":    40.392669,\n         \"msg\": \"audit: type=1400 audit(1795426979.597:47): %q\"\n      }\n   ]\n}\n", "", RingBuffer, exact},
	{"dmesg --json second", "{\n   \"dmesg\": [\n      {\n         \"pri\": 6,\n         \"msg\": \"x\"\n      },{\n         \"pri\": 5,\n         \"time\":    40.392669,\n         \"msg\": \"audit: type=1400 audit(1795426979.597:47): %q\"\n      }\n   ]\n}\n", "", RingBuffer, exact},
	{"syslog", "Nov 23 09:42:59 lab kernel: audit: type=1400 audit(1795426979.597:47): %s\n", "lab", RingBuffer, exact},
	{"syslog with kernel time", "Nov 23 09:42:59 lab kernel: [   40.392669] audit: type=1400 audit(1795426979.597:47): %s\n", "lab", RingBuffer, exact},
	{"syslog with pid", "Nov 23 09:42:59 lab kernel[1]: audit: type=1400 audit(1795426979.597:47): %s\n", "lab", RingBuffer, exact},
	{"syslog with priority", "<5>Nov 23 09:42:59 lab kernel: audit: type=1400 audit(1795426979.597:47): %s\n", "lab", RingBuffer, exact},
	{"syslog without host", "Nov 23 09:42:59 kernel: audit: type=1400 audit(1795426979.597:47): %s\n", "", RingBuffer, exact},
	{"syslog day of one digit", "Nov  3 09:42:59 lab kernel: audit: type=1400 audit(1795426979.597:47): %s\n", "lab", RingBuffer, exact},
	{"syslog iso", "2026-11-23T09:42:59.607716+00:00 lab kernel: [   40.392669] audit: type=1400 audit(1795426979.597:47): %s\n", "lab", RingBuffer, exact},
	{"syslog 5424", "<5>1 2026-11-23T09:42:59.607716Z lab kernel - - - [   40.392669] audit: type=1400 audit(1795426979.597:47): %s\n", "lab", RingBuffer, exact},
	{"syslog 5424 with data", `<5>1 2026-11-23T09:42:59.607716+01:00 lab kernel - - [meta sequenceId="1" x="a]\"b"][b@1 c="d"] ` + "\ufeffaudit: type=1400 audit(1795426979.597:47): %s\n", "lab", RingBuffer, exact},
	{"busybox", "Nov 23 09:42:59 lab kern.notice kernel: [   40.392669] audit: type=1400 audit(1795426979.597:47): %s\n", "lab", RingBuffer, exact},
	{"openwrt", "Mon Nov 23 09:42:59 2026 kern.notice kernel: [   40.392669] audit: type=1400 audit(1795426979.597:47): %s\n", "", RingBuffer, exact},
	{"facility alone", "kern.notice kernel: [   40.392669] audit: type=1400 audit(1795426979.597:47): %s\n", "", RingBuffer, exact},
	{"tag alone", "kernel: audit: type=1400 audit(1795426979.597:47): %s\n", "", RingBuffer, exact},
	{"journalctl short-precise", "Nov 23 09:42:59.607716 lab kernel: audit: type=1400 audit(1795426979.597:47): %s\n", "lab", RingBuffer, exact},
	{"journalctl short-iso", "2026-11-23T09:42:59+0000 lab kernel: audit: type=1400 audit(1795426979.597:47): %s\n", "lab", RingBuffer, exact},
	{"journalctl short-full", "Mon 2026-11-23 09:42:59 UTC lab kernel: audit: type=1400 audit(1795426979.597:47): %s\n", "lab", RingBuffer, exact},
	{"journalctl short-monotonic", "[   40.392669] lab kernel: audit: type=1400 audit(1795426979.597:47): %s\n", "lab", RingBuffer, exact},
	{"journalctl short-delta", "[   40.392669 <    0.000103 >] lab kernel: audit: type=1400 audit(1795426979.597:47): %s\n", "lab", RingBuffer, exact},
	{"journalctl short-unix", "1795426979.607716 lab kernel: audit: type=1400 audit(1795426979.597:47): %s\n", "lab", RingBuffer, exact},
	{"journalctl json kernel", `{"_TRANSPORT":"kernel","SYSLOG_FACILITY":"0","_HOSTNAME":"lab","MESSAGE":"audit: type=1400 audit(1795426979.597:47): %q","SYSLOG_IDENTIFIER":"kernel"}` + "\n", "lab", RingBuffer, exact},
	{"journalctl json audit", `{"_AUDIT_ID":"47","_TRANSPORT":"audit","_AUDIT_TYPE":"1400","_HOSTNAME":"lab","MESSAGE":"AVC %q","_SOURCE_REALTIME_TIMESTAMP":"1795426979597000","__REALTIME_TIMESTAMP":"1795426979606484"}` + "\n", "lab", JournalAudit, exact},
	{"journalctl json bytes", `{"_AUDIT_ID":"47","_TRANSPORT":"audit","_AUDIT_TYPE":"1400","_HOSTNAME":"lab","MESSAGE":[65,86,67,32,%b],"_SOURCE_REALTIME_TIMESTAMP":"1795426979597000"}` + "\n", "lab", JournalAudit, exact},
	{"journalctl json-sse", `data: {"_AUDIT_ID":"47","_TRANSPORT":"audit","_AUDIT_TYPE":"1400","_HOSTNAME":"lab","MESSAGE":"AVC %q","_SOURCE_REALTIME_TIMESTAMP":"1795426979597000"}` + "\n\n", "lab", JournalAudit, exact},
	{"journalctl json-seq", "\x1e" + `{"_AUDIT_ID":"47","_TRANSPORT":"audit","_AUDIT_TYPE":"1400","_HOSTNAME":"lab","MESSAGE":"AVC %q","_SOURCE_REALTIME_TIMESTAMP":"1795426979597000"}` + "\n", "lab", JournalAudit, exact},
	{"journalctl json-pretty", "{\n\t\"_AUDIT_ID\" : \"47\",\n\t\"_TRANSPORT\" : \"audit\",\n\t\"_AUDIT_TYPE\" : \"1400\",\n\t\"_AUDIT_TYPE_NAME\" : \"AVC\",\n\t\"MESSAGE\" : \"AVC %q\",\n\t\"_HOSTNAME\" : \"lab\",\n\t\"_SOURCE_REALTIME_TIMESTAMP\" : \"1795426979597000\"\n}\n", "lab", JournalAudit, exact},
	{"journalctl export", "__CURSOR=s=1\n__REALTIME_TIMESTAMP=1795426979606484\n_HOSTNAME=lab\n_TRANSPORT=audit\n_AUDIT_TYPE=1400\n_AUDIT_TYPE_NAME=AVC\n_SOURCE_REALTIME_TIMESTAMP=1795426979597000\n_AUDIT_ID=47\nMESSAGE=AVC %s\n_AUDIT_FIELD_APPARMOR=\"DENIED\"\n\n", "lab", JournalAudit, exact},
	{"journalctl export, serial behind", "__CURSOR=s=1\n__REALTIME_TIMESTAMP=1795426979606484\nMESSAGE=AVC %s\n_HOSTNAME=lab\n_TRANSPORT=audit\n_AUDIT_TYPE=1400\n_SOURCE_REALTIME_TIMESTAMP=1795426979597000\n_AUDIT_ID=47\n\n", "lab", JournalAudit, exact},
	{"journalctl export kernel", "__CURSOR=s=1\n__REALTIME_TIMESTAMP=1795426979606484\n_HOSTNAME=lab\n_TRANSPORT=kernel\nSYSLOG_FACILITY=0\nMESSAGE=audit: type=1400 audit(1795426979.597:47): %s\n\n", "lab", RingBuffer, exact},
	{"journalctl verbose", "Mon 2026-11-23 09:42:59.606484 UTC [s=1;i=204]\n    _TRANSPORT=audit\n    _HOSTNAME=lab\n    _AUDIT_TYPE=1400\n    MESSAGE=AVC %s\n    _SOURCE_REALTIME_TIMESTAMP=1795426979597000\n    _AUDIT_ID=47\n", "lab", JournalAudit, exact},
	{"journalctl cat kernel", "audit: type=1400 audit(1795426979.597:47): %s\n", "", RingBuffer, exact},
	{"journalctl short audit", "Nov 23 09:42:59 lab audit[234]: AVC %s\n", "lab", JournalAudit, inSecond},
	{"journalctl short-iso audit", "2026-11-23T09:42:59+00:00 lab audit[234]: AVC %s\n", "lab", JournalAudit, inSecond},
	{"journalctl with-unit audit", "Mon 2026-11-23 09:42:59 UTC lab nginx.service[234]: AVC %s\n", "lab", JournalAudit, inSecond},
	{"journalctl short-monotonic audit", "[   40.392669] lab audit[234]: AVC %s\n", "lab", JournalAudit, untimed},
	{"rsyslog repeated", "Nov 23 09:42:59 lab audit[234]: message repeated 3 times: [ AVC %s]\n", "lab", JournalAudit, inSecond},
	{"journalctl cat audit", "AVC %s\n", "", Unknown, untimed},
	{"Fluent Bit, kmsg", `{"priority":5,"sequence":7,"sec":40,"usec":392669,"msg":"audit: type=1400 audit(1795426979.597:47): %q"}` + "\n", "", RingBuffer, exact},
	{"Fluent Bit, tail", `{"date":1795426979.6,"log":"Nov 23 09:42:59 lab kernel: audit: type=1400 audit(1795426979.597:47): %q"}` + "\n", "lab", RingBuffer, exact},
	{"Loki", `{"labels":{"job":"kern"},"line":"Nov 23 09:42:59 lab kernel: audit: type=1400 audit(1795426979.597:47): %q","timestamp":"2026-11-23T09:42:59Z"}` + "\n", "lab", RingBuffer, exact},
	{"Elastic", `{"_index":"i","_source":{"@timestamp":"2026-11-23T09:42:59Z","event":{"original":"type=AVC msg=audit(1795426979.597:47): %q"}}}` + "\n", "", AuditLog, exact},
	{"Elastic, a key a line", "{\n  \"_source\": {\n    \"message\": \"type=AVC msg=audit(1795426979.597:47): %q\",\n    \"tags\": []\n  }\n}\n", "", AuditLog, exact},
	{"CloudWatch", `{"events":[{"timestamp":1,"message":"audit: type=1400 audit(1795426979.597:47): %q"}],"nextForwardToken":"f"}` + "\n", "", RingBuffer, exact},
	{"Auditbeat, raw", `{"auditd":{"messages":["type=AVC msg=audit(1795426979.597:47): %q"]}}` + "\n", "", AuditLog, exact},
	{"bare", "%s\n", "", Unknown, untimed},
	{"bare, indented", "    %s\n", "", Unknown, untimed},
	{"redacted", "[  246.467043] audit: type=1400 audit(0000000000.000:0000): %s\n", "", RingBuffer, untimed},
}

func fill(format, body string) string {
	return strings.NewReplacer("%s", body, "%q", quoteJSON(body), "%b", bytesJSON(body)).Replace(format)
}

func TestShapes(t *testing.T) {
	plain, _ := scanString(t, fill(shapes[0].log, avcBody))
	require.Len(t, plain, 1)
	want := plain[0].AppArmor
	require.Equal(t, "/srv/a b ï", want.Name)
	for _, shape := range shapes {
		t.Run(shape.name, func(t *testing.T) {
			log := fill(shape.log, avcBody)
			denials, stats := scanString(t, log)
			require.Len(t, denials, 1, log)
			assert.Equal(t, 1, stats.Records)
			assert.Zero(t, stats.Unparsed, "%v", stats.Samples)
			x := denials[0]
			assert.Equal(t, want, x.AppArmor)
			assert.Equal(t, Subject{PID: 234, Comm: "aaop", Label: "lab"}, x.Subject)
			checkOrigin(t, &x, shape.node, shape.transport, shape.stamp)
			if i := strings.Index(log, "apparmor="); i >= 0 {
				assert.Equal(t, 1+strings.Count(log[:i], "\n"), x.Event.Records[0].Origin.Line)
			}
		})
	}
}

func checkOrigin(t *testing.T, x *Denial, node string, transport Transport, stamp stamped) {
	t.Helper()
	r := x.Event.Records[x.Record]
	assert.Equal(t, AVC, r.Type)
	assert.Equal(t, node, r.Node)
	assert.Equal(t, transport, r.Origin.Transport)
	assert.False(t, r.Origin.UserSpace)
	at := time.Date(2026, 11, 23, 9, 42, 59, 597e6, time.UTC)
	switch stamp {
	case exact:
		assert.Equal(t, uint32(47), r.Serial)
		assert.Equal(t, at, r.Time)
	case inSecond:
		assert.Zero(t, r.Serial)
		assert.Equal(t, at.Truncate(time.Second), r.Time)
	case untimed:
		assert.Zero(t, r.Serial)
		assert.True(t, r.Time.IsZero())
	}
	assert.Equal(t, r.Time, x.Time)
}

func TestShapesSeccomp(t *testing.T) {
	want := &Seccomp{Arch: 0xc000003e, Syscall: 39, IP: 0x4402e9, Code: 0x50000}
	replace := strings.NewReplacer("type=AVC", "type=SECCOMP", "1400", "1326", "AVC ", "SECCOMP ", "65,86,67,", "83,69,67,67,79,77,80,",
		"FSUID=\"root\" OUID=\"root\"", "AUID=\"unset\" UID=\"root\" GID=\"root\" ARCH=x86_64 SYSCALL=getpid", "[234]", "[235]")
	for _, shape := range shapes {
		if strings.HasPrefix(shape.log, "%s") || strings.HasPrefix(shape.log, "    %s") {
			continue // without its type a SECCOMP record is not told from others
		}
		t.Run(shape.name, func(t *testing.T) {
			denials, stats := scanString(t, fill(replace.Replace(shape.log), seccompBody))
			require.Len(t, denials, 1)
			assert.Zero(t, stats.Unparsed)
			x := denials[0]
			assert.Equal(t, want, x.Seccomp)
			assert.Equal(t, Denied, x.Mode)
			assert.Equal(t, Subject{PID: 235, Comm: "aaop", Exe: "/bin/aaop", Label: "lab"}, x.Subject)
			assert.False(t, x.Event.Records[0].Origin.UserSpace)
		})
	}
}

func TestInterpreted(t *testing.T) {
	plain, _ := scanString(t, fill(shapes[0].log, avcBody))
	for _, date := range []string{"11/23/2026", "11/23/26", "23.11.2026", "23/11/26", "2026-11-23", "23-11-2026", "2026/11/23"} {
		t.Run(date, func(t *testing.T) {
			denials, stats := scanString(t, "----\ntype=AVC msg=audit("+date+" 09:42:59.597:47) : "+interpreted+"\n")
			require.Len(t, denials, 1)
			assert.Zero(t, stats.Unparsed)
			x := denials[0]
			assert.Equal(t, plain[0].AppArmor, x.AppArmor)
			assert.Equal(t, plain[0].Subject, x.Subject)
			checkOrigin(t, &x, "", AuditLog, exact)
			d := NewDedup()
			assert.False(t, d.Duplicate(&plain[0]))
			assert.True(t, d.Duplicate(&x))
		})
	}
}

// As ausearch 3.0.9 prints them; the comm ends in a space.
func TestInterpretedSeccomp(t *testing.T) {
	for body, want := range map[string]Seccomp{
		`auid=root uid=root gid=root ses=1 subj=a//&b (enforce) pid=12 comm=a b  exe=/a b sig=SIG0 arch=i386 syscall=getpid compat=1 ip=0xf7f1 code=log `:                        {Arch: 0x40000003, SyscallName: "getpid", Compat: true, IP: 0xf7f1, Code: 0x7ffc0000},
		`auid=unset uid=root gid=root ses=unset subj=a//&b pid=12 comm=a b  exe=/a b sig=SIGSYS arch=x86_64 syscall=unknown-syscall(1073741863) compat=0 ip=0x401007 code=kill `: {Arch: 0xc000003e, Syscall: 1073741863, Signal: 31, IP: 0x401007, Code: 0x80000000},
		`auid=unset uid=root gid=root ses=unset subj=a//&b pid=12 comm=a b  exe=/a b sig=SIG0 arch=unknown-elf-type(c0000032) syscall=iopl compat=0 ip=0x1 code=user-notify `:    {Arch: 0xc0000032, SyscallName: "iopl", IP: 1, Code: 0x7fc00000},
	} {
		denials, stats := scanString(t, "type=SECCOMP msg=audit(11/23/26 09:54:52.100:502) : "+body+"\n")
		require.Len(t, denials, 1, body)
		assert.Zero(t, stats.Unparsed)
		assert.Equal(t, want, *denials[0].Seccomp)
		s := denials[0].Subject
		assert.Equal(t, Subject{PID: 12, Comm: "a b ", Exe: "/a b", Label: "a//&b"}, s)
	}
}

func TestMixedStream(t *testing.T) {
	var log strings.Builder
	for i, shape := range shapes {
		body := strings.Replace(avcBody, "pid=234", fmt.Sprintf("pid=%d", 5000+i), 1)
		format := strings.ReplaceAll(shape.log, "[234]", fmt.Sprintf("[%d]", 5000+i))
		log.WriteString(strings.TrimSuffix(fill(format, body), "\n") + "\n")
	}
	denials, stats := scanString(t, log.String())
	require.Len(t, denials, len(shapes))
	assert.Zero(t, stats.Unparsed)
	for i := range denials {
		assert.Equal(t, 5000+i, denials[i].Subject.PID)
		assert.False(t, denials[i].Event.Records[0].Origin.UserSpace, shapes[i].name)
	}
}

func TestBinaryExportFields(t *testing.T) {
	entry := func(size int) string {
		body := avcBody + strings.Repeat(" ", size)
		return "__CURSOR=s=1\n__REALTIME_TIMESTAMP=1795426979606484\n_HOSTNAME=lab\n_TRANSPORT=audit\n_AUDIT_TYPE=1400\n" +
			"_SOURCE_REALTIME_TIMESTAMP=1795426979597000\n_AUDIT_ID=47\n" + binaryField("MESSAGE", "AVC "+body) + "_PID=234\n\n"
	}
	for size := range 300 { // lengths with a newline in them too
		denials, stats := scanString(t, entry(size))
		require.Len(t, denials, 1, size)
		require.Zero(t, stats.Unparsed, "%d %q", size, stats.Samples)
		checkOrigin(t, &denials[0], "lab", JournalAudit, exact)
		require.Equal(t, 8, denials[0].Event.Records[0].Origin.Line)
	}
	// A program's message with a newline and a record behind it.
	spoof := "__CURSOR=s=1\n__REALTIME_TIMESTAMP=1795426979606484\n_HOSTNAME=lab\n_TRANSPORT=journal\n" +
		binaryField("MESSAGE", "hello\naudit: type=1400 audit(1795426979.597:47): "+avcBody+"\ntype=AVC msg=audit(1795426979.597:48): "+avcBody) + "\n"
	denials, _ := scanString(t, spoof)
	for i := range denials {
		assert.True(t, denials[i].Event.Records[0].Origin.UserSpace)
	}
}

// What names a profile to a container engine is no record of a refusal, and a record
// that is torn in its mode is.
func TestOptionsAreNoRecords(t *testing.T) {
	for text, unparsed := range map[string]int{
		"apparmor=docker-default\n":   0,
		`      "apparmor=web"` + "\n": 0,
		`    "SecurityOpt": ["seccomp=unconfined", "apparmor=unconfined"],` + "\n": 0,
		"docker run --security-opt apparmor=Web-1 nginx\n":                         0,
		"  - apparmor=/etc/web\n":                                                  0,
		`apparmor="DENI` + "\n":                                                    1,
		"type=AVC msg=audit(1795427171.844:13): apparmor=\"DEN\n":                  1,
		"type=AVC msg=audit(1795427171.844:13): apparmor=\"web\" name=\"/x\"\n":    1,
	} {
		denials, stats := scanString(t, text)
		assert.Empty(t, denials, text)
		assert.EqualValues(t, unparsed, stats.Unparsed, text)
	}
}
