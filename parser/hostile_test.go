package parser

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/whydenied/whydenied/testdata/cputime"
)

// What a program wrote is never the kernel's.
func TestLookAlikes(t *testing.T) {
	record := "audit: type=1400 audit(1795426979.597:47): " + avcBody
	for name, log := range map[string]string{
		"another tag":                 "Nov 23 09:42:59 lab evil[1]: " + record,
		"another tag, record alone":   "Nov 23 09:42:59 lab evil[1]: " + avcBody,
		"another tag, auditd":         "Nov 23 09:42:59 lab evil: type=AVC msg=audit(1795426979.597:47): " + avcBody,
		"text before it":              "Nov 23 09:42:59 lab kernel: evil: " + record,
		"text before it, dmesg":       "[   40.392669] evil: " + record,
		"text before it, kmsg":        "5,1,2,-;evil: " + record,
		"kmsg facility":               "13,1,2,-;" + record,
		"dmesg -x facility":           "user  :notice: [   40.392669] " + record,
		"dmesg --json facility":       "{\n \"dmesg\": [\n {\n \"pri\": 13,\n \"msg\": \"" + quoteJSON(record) + "\"\n }\n ]\n}",
		"priority":                    "<13>Nov 23 09:42:59 lab kernel: " + record,
		"priority 5424":               "<13>1 2026-11-23T09:42:59Z lab kernel - - - " + record,
		"facility word":               "Nov 23 09:42:59 lab user.notice kernel: " + record,
		"journal stdout":              `{"_TRANSPORT":"stdout","SYSLOG_IDENTIFIER":"kernel","MESSAGE":"` + quoteJSON(record) + `"}`,
		"journal syslog":              `{"_TRANSPORT":"syslog","SYSLOG_IDENTIFIER":"audit","MESSAGE":"AVC ` + quoteJSON(avcBody) + `"}`,
		"journal kernel facility":     `{"_TRANSPORT":"kernel","SYSLOG_FACILITY":"1","MESSAGE":"` + quoteJSON(record) + `"}`,
		"journal without transport":   `{"SYSLOG_IDENTIFIER":"x","MESSAGE":"` + quoteJSON(record) + `"}`,
		"docker json-file":            `{"log":"` + quoteJSON(record) + `","stream":"stdout"}`,
		"export stdout":               "__REALTIME_TIMESTAMP=1\n_TRANSPORT=stdout\nMESSAGE=" + record + "\n",
		"continuation of a message":   "Nov 23 09:42:59 lab evil[1]: hello\n                             " + record,
		"another unit":                "Mon 2026-11-23 09:42:59 UTC lab evil.service[77]: AVC " + avcBody,
		"dbus-daemon without audit":   `Nov 23 09:42:59 lab dbus-daemon[7]: apparmor="DENIED" operation="dbus_method_call" bus="system" mask="send" label="x" pid=5`,
		"audisp tag, kernel's record": "Nov 23 09:42:59 lab audispd: " + record,
	} {
		t.Run(name, func(t *testing.T) {
			denials, stats := scanString(t, log+"\n")
			assert.Zero(t, stats.Unparsed)
			for i := range denials {
				r := denials[i].Event.Records[0]
				assert.True(t, r.Origin.UserSpace)
				assert.Equal(t, strings.Contains(name, "dbus"), r.Type == USERAVC)
			}
			if name != "docker json-file" {
				assert.Len(t, denials, 1)
			}
			// It takes nothing from the kernel's record of the same text.
			real, _ := scanString(t, record+"\n")
			d := NewDedup()
			for i := range denials {
				d.Duplicate(&denials[i])
			}
			assert.False(t, d.Duplicate(&real[0]))
		})
	}
}

// Text of no known format proves nothing of who wrote the record behind it.
func TestUnknownPrefix(t *testing.T) {
	const record = "audit: type=1400 audit(1795426979.597:47): " + avcBody
	real := one(t, record)
	for _, log := range []string{
		"20261123|" + record,
		"| 2021-11-10 16:26:13 | AVC " + avcBody + " |",
		"2021-11-10T16:26:13Z AVC " + avcBody,
		"[2021-11-10 16:26:13] AVC " + avcBody,
		"2021-11-10 16:26:13 type=AVC msg=audit(1795426979.597:47): " + avcBody,
		"   1 Time(s): " + record,
		"Unexpected journal message '" + record + "'",
		"``" + "`" + record + "``" + "`",
		"10.5.0.2: kern:  notice: [2021-11-10T16:26:13.4Z]: " + record,
		"node-1 some words: " + record,
		"? type=AVC msg=audit(1795426979.597:47): " + avcBody,
		"node-logger-x7k2p logger type=AVC msg=audit(1795426979.597:47): " + avcBody, // stern
		"node-logger-x7k2p › logger " + record,
		"\x1b[36mnode-logger-x7k2p\x1b[0m \x1b[36mlogger\x1b[0m " + record,
		"[pod/node-logger-x7k2p/logger] " + record, // kubectl logs --prefix
		"logger-1  | " + record,                    // docker compose logs
	} {
		x := one(t, log)
		o := x.Event.Records[0].Origin
		assert.True(t, o.UnknownPrefix, log)
		assert.False(t, o.UserSpace, log)
		assert.False(t, x.Event.Records[0].IsLookAlike())
		assert.Equal(t, real.AppArmor, x.AppArmor, log)
		// It takes nothing from the kernel's record of the same text.
		d := NewDedup()
		d.Duplicate(x)
		assert.False(t, d.Duplicate(real), log)
		// Written down, it says so still.
		again := one(t, string(x.Event.Records[0].AppendLine(nil)))
		assert.True(t, again.Event.Records[0].Origin.UnknownPrefix)
	}
	for _, log := range []string{ // of socklogd, and with a time alone
		"2021-11-10_16:26:13.12345 kern.notice: [   40.392669] " + record,
		"2021-11-10T16:26:13.12345 kern.notice: Nov 10 16:26:13 kernel: [   40.392669] " + record,
		"2021-11-10 16:26:13 " + record,
	} {
		o := one(t, log).Event.Records[0].Origin
		assert.False(t, o.UnknownPrefix, log)
		assert.False(t, o.UserSpace, log)
	}
	// A tag names a process.
	assert.True(t, one(t, "2021/11/10 16:26:13 lab evil[77]: "+record).Event.Records[0].Origin.UserSpace)
	// A word of a record is none, but what is evidently one is not lost.
	denials, stats := scanString(t, "$ journalctl -k | grep apparmor=\"DENIED\" | tail\nx: apparmor=\"DENIED\" operation=\"open\" name=\"/srv/\n")
	assert.Empty(t, denials)
	assert.Equal(t, 1, stats.Unparsed)
}

// The type of a record decides, not the words in it.
func TestOtherTypes(t *testing.T) {
	for _, log := range []string{
		`type=EXECVE msg=audit(1.2:3): argc=2 a0="grep" a1="apparmor=DENIED"`,
		`type=USER_CMD msg=audit(1.2:3): pid=1 uid=0 msg='cwd="/" cmd="apparmor=" terminal=? res=success'`,
		`type=USER_AVC msg=audit(1.2:3): pid=1 uid=0 msg='avc:  denied  { send_msg } for apparmor="DENIED" scontext=a'`,
		`type=AVC msg=audit(1.2:3): avc:  denied  { read } for  pid=1 comm="apparmor=" name="x" scontext=a tcontext=b tclass=file`,
		`type=CWD msg=audit(1.2:3): cwd="apparmor="`,
		`[ 12.3] audit: type=1309 audit(1.2:3): argc=2 a0="grep" a1="apparmor=x"`,
		`Nov 23 09:42:59 lab audit: EXECVE argc=2 a0="grep" a1="apparmor=x"`,
		`Nov 23 09:42:59 lab sudo[7]: root : TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=/usr/bin/grep apparmor="DENIED" /var/log/syslog`,
		`{"_TRANSPORT":"audit","_AUDIT_TYPE":"1309","MESSAGE":"EXECVE argc=2 a0=\"grep\" a1=\"apparmor=\""}`,
		`{"_TRANSPORT":"syslog","_CMDLINE":"grep apparmor=\"DENIED\"","MESSAGE":"hello"}`,
		"_TRANSPORT=syslog\n_CMDLINE=grep apparmor=\"DENIED\"\nMESSAGE=hello",
		`audit: type=1409 audit(1.2:3): netlabel: SECCOMP auid=0`,
		`Nov 23 09:42:59 lab systemd[1]: Load AppArmor profiles apparmor=1 SECCOMP`,
		`[    0.000000] Command line: root=/dev/vda apparmor=1 security=apparmor audit=1`,
	} {
		denials, stats := scanString(t, log+"\n")
		for _, x := range denials {
			assert.NotNil(t, x.Other, log) // SELinux's
		}
		assert.Zero(t, stats.Unparsed, log)
	}
}

func TestUnparsed(t *testing.T) {
	for log, why := range map[string]string{
		`type=AVC msg=audit(1795426979): apparmor="DENIED" operation="open"`:                                 "no known log format",
		`type=AVC msg=audit(1.2:3): apparmor="DENIED" operation="open" name="/etc/shad`:                      "inside a quoted value",
		`type=AVC msg=audit(1.2:3): apparmor="FORBIDDEN" operation="open" name="/etc/shadow"`:                "none of DENIED",
		`type=AVC msg=audit(1.2:3): apparmor="DENIED" profile="x"`:                                           "without operation=",
		`type=SECCOMP msg=audit(1.2:3): auid=1 uid=0 arch=c000003e sysca`:                                    "without syscall=",
		`type=SECCOMP msg=audit(1.2:3): auid=1 uid=0 arch=c000003e syscall=1`:                                "without code=",
		`[ 1.2] audit: type=1326 audit(1.2:3): auid=1 syscall=1 code=0x0`:                                    "known arch=",
		`{"_TRANSPORT":"audit","_AUDIT_TYPE":"1400","MESSAGE":"AVC apparmor=\"DENIED\" operation=\"open\" n`: "no known log format",
	} {
		denials, stats := scanString(t, "\n"+log+"\n")
		assert.Empty(t, denials, log)
		require.Equal(t, 1, stats.Unparsed, log)
		require.Len(t, stats.Samples, 1)
		assert.Contains(t, stats.Samples[0].Why, why)
		assert.Equal(t, 2, stats.Samples[0].Origin.Line)
		assert.Equal(t, log[:min(len(log), maxSampleText)], stats.Samples[0].Text)
	}
}

func TestTornAndDirty(t *testing.T) {
	line := "type=AVC msg=audit(1795426979.597:47): " + avcBody
	_, stats := scanString(t, line)
	assert.True(t, stats.TornLast)
	_, stats = scanString(t, line+"\n")
	assert.False(t, stats.TornLast)
	_, stats = Scan(nil, Block{Body: []byte(line), After: []byte("x")})
	assert.False(t, stats.TornLast)
	denials, stats := scanString(t, line+"\r\n\x00\x00\x00\r\n"+strings.Repeat("\x00", 4096)+line+"\r\n")
	assert.Len(t, denials, 2)
	assert.Equal(t, 3, stats.CRLF)
	assert.Equal(t, 4099, stats.NULs)
	assert.Equal(t, 3, stats.Lines)
	denials, stats = scanString(t, "")
	assert.Empty(t, denials)
	assert.Zero(t, stats.Lines)
}

// No bytes take more than linear time and memory.
func TestHostileSizes(t *testing.T) {
	const size = 512 << 10 // and four times that
	line := "type=AVC msg=audit(1795426979.597:47): " + avcBody + "\n"
	call := "type=SYSCALL msg=audit(1795426979.597:47): exe=\"/x\"\n"
	for name, unit := range map[string]string{
		"one event":            line + call + call + call,
		"short records":        "type=AVC msg=audit(1.1:1): apparmor=\"DENIED\" operation=\"\"\n",
		"short companions":     "audit(:1)\n",
		"export messages":      "__REALTIME_TIMESTAMP=1\nMESSAGE=AVC " + avcBody + "\n",
		"export without end":   "A=1\n_AUDIT_ID=1\nMESSAGE=AVC " + avcBody + "\n",
		"binary fields":        "__REALTIME_TIMESTAMP=1\nMESSAGE\n\x01\x00\x00\x00\x00\x00\x00\x00\nAVC " + avcBody + "\n",
		"pretty":               "\t\"MESSAGE\" : \"AVC apparmor=\\\"DENIED\\\"\",\n",
		"open objects":         "{\n\"MESSAGE\" : [\n",
		"json lines":           `{"MESSAGE":"AVC apparmor=\"DENIED\" operation=\"x\"","_TRANSPORT":"audit"}` + "\n",
		"newlines":             "\n",
		"one line":             "apparmor=\"DENIED\" ",
		"one line of keys":     "a=1 ",
		"one line of json":     `{"MESSAGE":"apparmor=\"DENIED\"",`,
		"one line of arrays":   `"MESSAGE":[1,`,
		"one line of brackets": "[",
		"one line of types":    "type=AVC audit(",
		"one line of subj":     "SECCOMP subj=a b ",
		"one line of escapes":  `{"MESSAGE":"\u0061pparmor=`,
		"quotes":               `apparmor="DENIED" msg='`,
		"serials":              "type=X msg=audit(1.1:%d): x\n",
		"suppressed":           "[ 1.%d] kauditd_printk_skb: 5 callbacks suppressed\n",
		"nodes":                "node=n%d type=X msg=audit(1.1:5): x\n",
		"short journal":        "Nov 23 09:42:59 lab audit[234]: AVC " + avcBody + "\n",
	} {
		t.Run(name, func(t *testing.T) {
			log := []byte{}
			if strings.HasPrefix(name, "one line") && strings.HasSuffix(name, "s") {
				log = append(log, "type=AVC msg=audit(1.1:1): apparmor=\"DENIED\" "...)
			}
			for i := 0; len(log) < 4*size; i++ {
				if strings.Contains(unit, "%d") {
					log = fmt.Appendf(log, unit, (i*7919)%100000)
				} else {
					log = append(log, unit...)
				}
			}
			var stats Stats
			cputime.Linear(t, size, func(size int) {
				part := log[:size]
				_, stats = Scan(nil, Block{Body: part, Before: part, After: part, Reference: reference})
			})
			assert.Equal(t, lineCount(log[:4*size]), stats.Lines)
			assert.LessOrEqual(t, len(stats.Samples), maxSamples)
			stats.Serials.Missing()
			var sum Stats
			for range 10 {
				sum.Add(stats)
			}
			assert.Equal(t, 10*stats.Lines, sum.Lines)
		})
	}
}

func lineCount(log []byte) int {
	n := bytes.Count(log, []byte("\n"))
	if len(log) > 0 && log[len(log)-1] != '\n' {
		n++
	}
	return n
}
