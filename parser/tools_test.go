package parser

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// What a tool prints is named and counted, with what to give instead.
func TestTools(t *testing.T) {
	for line, name := range map[string]string{
		`DENIED  mysqld open /d/x comm=mysqld requested_mask=r denied_mask=r`:                                                   "aa-log",
		"\x1b[1;31mDENIED \x1b[0m \x1b[34mmysqld\x1b[0m open \x1b[35m/d/x\x1b[0m comm=mysqld requested_mask=\x1b[1;31mr\x1b[0m": "aa-log",
		`ALLOWED dhcpcd getattr /etc/ld.so.cache info="no new privs" comm=resolvconf`:                                           "aa-log",
		"Denied: r": "aa-notify",
		`    AppArmor DENIED open /d/x by profile /usr/sbin/mysqld: 3 Time(s)`:                                                                          "logwatch",
		`I0623 12:51:04.257814 1854764 enricher.go:373] log-enricher "msg"="audit" "apparmor"="DENIED" "node"="n" "operation"="open" "type"="apparmor"`: "the Security Profiles Operator's log-enricher",
		`I0624 14:24:40.360812 1854764 enricher.go:373] log-enricher "msg"="audit" "executable"="/bin/sh" "pid"=19 "syscallID"=3 "type"="seccomp"`:      "the Security Profiles Operator's log-enricher",
		`{"@timestamp":"2026-11-23T09:42:59Z","auditd":{"message_type":"seccomp","data":{"arch":"x86_64","syscall":"getpid"}},"process":{"pid":7}}`:     "Auditbeat",
		`20:12:31.123456789: Warning AppArmor denied an access (user=root command=cat container=web)`:                                                   "Falco",
		`7. 11/23/26 09:42:59 ? (null) 0 (null) (null) (null) denied 47`:                                                                                "aureport",
		`Suggestions:`: "snappy-debug",
	} {
		denials, stats := scanString(t, "hello\n"+line+"\n")
		assert.Empty(t, denials, line)
		require.Equal(t, 1, stats.Unparsed, line)
		assert.Contains(t, stats.Samples[0].Why, "a line of "+name+", which has no record: ", line)
		assert.Equal(t, 2, stats.Samples[0].Origin.Line)
		_, stats = Scan(nil, Block{Body: []byte(line + "\n"), Live: true})
		assert.Zero(t, stats.Unparsed, "live")
	}
	for _, line := range []string{
		"DENIED by the firewall", "Denied: permission to x from 10.0.0.1", "I0623 12:51:04.257814 1 x.go:3] hello", "cron ran: 3 Time(s)",
		`{"defaultAction":"SCMP_ACT_ERRNO","seccomp":{"type":"RuntimeDefault"}}`, "20:12:31.123456789: Warning a shell was spawned",
	} {
		_, stats := scanString(t, line+"\n")
		assert.Zero(t, stats.Unparsed, line)
	}
}

// What snappy-debug says of a record that it printed is no denial that was not understood.
func TestSuggestionBelowLog(t *testing.T) {
	const log = "= AppArmor =\nTime: Nov 23 09:42:59\nLog: " + avcBody + "\nFile: /x (read)\nSuggestion:\n* add 'home' to 'plugs'\n"
	denials, stats := scanString(t, log)
	assert.Len(t, denials, 1)
	assert.Zero(t, stats.Unparsed)
	_, stats = scanString(t, strings.ReplaceAll(log, "\nFile", "\n\nFile")) // of something else
	assert.Equal(t, 1, stats.Unparsed)
}

const carriedRecord = "audit: type=1400 audit(1795426979.597:47): " + avcBody

// Lines of logs in what collectors make of them.
func TestCarried(t *testing.T) {
	inner, _ := json.Marshal(`{"log":"` + quoteJSON(carriedRecord) + `\n","x":{"y":[1,2]}}`)
	twice := strings.Trim(string(inner), `"`)
	plain, _ := scanString(t, carriedRecord)
	for name, c := range map[string]struct {
		log       string
		lookAlike bool
	}{
		"Docker json-file":           {`{"log":"` + quoteJSON(carriedRecord) + `\n","stream":"stderr","time":"2026-11-23T09:42:59.6Z"}`, true},
		"Fluent Bit, kmsg":           {`{"priority":5,"sequence":7,"sec":40,"usec":392669,"msg":"` + quoteJSON(carriedRecord) + `"}`, false},
		"Fluent Bit, systemd":        {`{"TRANSPORT":"kernel","message":"` + quoteJSON(carriedRecord) + `"}`, false},
		"Fluent Bit, syslog":         {`{"pri":"5","host":"lab","ident":"kernel","message":"` + quoteJSON(carriedRecord) + `"}`, false},
		"a process's tag":            {`{"host":"lab","ident":"evil","message":"` + quoteJSON(carriedRecord) + `"}`, true},
		"Loki":                       {`{"labels":{"job":"kern"},"line":"Nov 23 09:42:59 lab kernel: ` + quoteJSON(carriedRecord) + `","timestamp":"2026-11-23T09:42:59Z"}`, false},
		"Loki, a process":            {`{"line":"Nov 23 09:42:59 lab evil[1]: ` + quoteJSON(carriedRecord) + `"}`, true},
		"Elastic":                    {`{"_index":"i","_source":{"@timestamp":"2026-11-23T09:42:59Z","message":"` + quoteJSON(carriedRecord) + `","event":{"original":"<5>Nov 23 09:42:59 lab kernel: ` + quoteJSON(carriedRecord) + `"}}}`, false},
		"CloudWatch":                 {`{"events":[{"timestamp":1,"message":"` + quoteJSON(carriedRecord) + `"}],"nextForwardToken":"f"}`, false},
		"nested twice":               {`{"date":1.5,"log":"` + twice + `"}`, false},
		"nested, of a process":       {`{"stream":"stdout","log":"` + twice + `"}`, true},
		"one key a line":             {"{\n  \"@timestamp\": \"x\",\n  \"message\": \"" + quoteJSON(carriedRecord) + "\",\n  \"tags\": [\n    \"a\"\n  ]\n}", false},
		"Auditbeat, raw":             {`{"auditd":{"data":{"apparmor":"DENIED","operation":"open"},"messages":["type=SYSCALL msg=audit(1.2:47): arch=1","type=AVC msg=audit(1795426979.597:47): ` + quoteJSON(avcBody) + `"]}}`, false},
		"behind a line of a process": {`{"message":"hello\n` + quoteJSON(carriedRecord) + `"}`, true},
	} {
		denials, stats := scanString(t, c.log+"\n")
		require.Len(t, denials, 1, "%s: %v", name, stats.Samples)
		assert.Equal(t, plain[0].AppArmor, denials[0].AppArmor, name)
		assert.Equal(t, c.lookAlike, denials[0].Event.Records[0].IsLookAlike(), name)
		assert.Zero(t, stats.Unparsed, name)
	}
	// The facts of a record without its text.
	denials, _ := scanString(t, `{"process":{"pid":"234","name":"aaop"},"auditd":{"data":{"apparmor":"DENIED","operation":"ptrace","profile":"lab","requested_mask":"trace","denied_mask":"trace","peer":"p"}}}`)
	require.Len(t, denials, 1)
	assert.Equal(t, AppArmor{Operation: "ptrace", Profile: "lab", Requested: "trace", Denied: "trace", Peer: "p"}, *denials[0].AppArmor)
	assert.Equal(t, Subject{PID: 234, Comm: "aaop", Label: "lab", UID: -1}, denials[0].Subject)
	// Several on one line are not passed over.
	other := quoteJSON(`audit: type=1400 audit(1795426979.597:48): ` + avcBody)
	denials, stats := scanString(t, `[{"message":"x"},{"message":"y"}]`+"\n"+`{"events":[{"message":"`+quoteJSON(carriedRecord)+`"},{"message":"`+other+`"}]}`)
	assert.Empty(t, denials)
	require.Equal(t, 1, stats.Unparsed)
	assert.Contains(t, stats.Samples[0].Why, "several records on one line")
}

// No line of a process changes, hides or merges what the kernel wrote whole.
func TestContinuationsOfProcesses(t *testing.T) {
	record := "audit: type=1400 audit(1795426979.597:47): "
	plain, _ := scanString(t, record+avcBody)
	for _, line := range []string{
		`target="/x"`, `name="/evil" profile="evil"`, `00`, `\`, `> `, `audit:`, `"`, `'`, `requested_mask="w" denied_mask="w"`, `FSUID="x"`, "\x1b[0m", "[/b]",
		`{"apparmor":"DENIED"}`, `0`, `comm="evil" ouid=0`, `    ouid=1000`, `audit: type=1400 audit(1.2:3):`, `type=AVC msg=audit(1.2:3):`, `audit: type=14`,
	} {
		for _, log := range []string{record + avcBody + "\n" + line + "\n", line + "\n" + record + avcBody + "\n", line + "\n" + record + avcBody + "\n" + line} {
			denials, _ := scanString(t, log)
			require.Len(t, denials, 1, log)
			assert.Equal(t, plain[0].AppArmor, denials[0].AppArmor, log)
			assert.Equal(t, plain[0].Subject, denials[0].Subject, log)
			assert.Equal(t, plain[0].Event.Records[0].Serial, denials[0].Event.Records[0].Serial, log)
			assert.False(t, denials[0].Event.Records[0].IsLookAlike(), log)
		}
	}
	// Not even what the kernel did not write whole, live or where it is as long as
	// nothing wraps.
	cut := record + `apparmor="DENIED" operation="open" class="file" profile="lab" name="/x`
	for _, b := range []Block{
		{Body: []byte(cut + "\n" + `" pid=1 comm="x" requested_mask="r" denied_mask="r" fsuid=0 ouid=0`), Live: true},
		{Body: append(append([]byte(cut), make([]byte, maxWidth)...), "\n\" pid=1 comm=\"x\" requested_mask=\"r\" denied_mask=\"r\" fsuid=0 ouid=0"...)},
	} {
		denials, stats := Scan(nil, b)
		assert.Empty(t, denials)
		assert.Equal(t, 1, stats.Unparsed)
	}
	// A process cannot have its own lines taken for the kernel's by marks of quoting.
	for _, log := range []string{
		"Nov 23 09:42:59 lab evil[1]: x\n                             > " + record + avcBody,
		"Nov 23 09:42:59 lab evil[1]: " + record + "\n                             " + avcBody,
		"Nov 23 09:42:59 lab evil[1]: > " + record + avcBody,
		"Nov 23 09:42:59 lab evil[1]: \x1b[0m" + record + avcBody,
		"Nov 23 09:42:59 lab evil[1]: [b]" + record + avcBody + "[/b]",
	} {
		denials, _ := scanString(t, log)
		for i := range denials {
			assert.True(t, denials[i].Event.Records[0].IsLookAlike(), log)
		}
	}
}
