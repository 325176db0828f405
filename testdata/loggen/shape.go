package main

import (
	"fmt"
	"strings"
	"time"
)

// shapes are how one record is written as a line.
var shapes = map[string]func(l *log, recordType, body string) string{
	"audit": func(l *log, recordType, body string) string {
		return "type=" + recordType + " msg=" + l.stamp + ": " + body
	},
	"syslog": func(l *log, recordType, body string) string {
		return fmt.Sprintf("%s host kernel: [%6d.%03d123] %s", time.UnixMilli(l.millis).UTC().Format(time.Stamp),
			l.uptime()/1000, l.millis%1000, l.message(recordType, body))
	},
	"json": func(l *log, recordType, body string) string {
		message := strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(l.message(recordType, body))
		return fmt.Sprintf(`{"__CURSOR":"s=7cf0cc5a2a3c4a8f9f0f8d8f1b9f3a7e;i=%x;b=0f1e2d3c4b5a69788796a5b4c3d2e1f0;m=%x;t=%x;x=%x","__REALTIME_TIMESTAMP":"%d123",`+
			`"__MONOTONIC_TIMESTAMP":"%d123","_BOOT_ID":"0f1e2d3c4b5a69788796a5b4c3d2e1f0","_TRANSPORT":"kernel","PRIORITY":"5","SYSLOG_FACILITY":"0",`+
			`"SYSLOG_IDENTIFIER":"kernel","_MACHINE_ID":"1b2c3d4e5f60718293a4b5c6d7e8f901","_HOSTNAME":"host","_SOURCE_MONOTONIC_TIMESTAMP":"%d123","MESSAGE":"%s"}`,
			l.serial, l.uptime(), l.millis, l.millis*7, l.millis, l.uptime(), l.uptime(), message)
	},
}

// uptime is the kernel's own time in milliseconds.
func (l *log) uptime() int64 { return l.millis - 1_759_990_000_000 }

// message is a record as the kernel prints it.
func (l *log) message(recordType, body string) string {
	return fmt.Sprintf("audit: type=%d %s: %s", numbers[recordType], l.stamp, body)
}

// numbers are those of the types of records (include/uapi/linux/audit.h).
var numbers = map[string]int{
	"SYSCALL": 1300, "PATH": 1302, "CWD": 1307, "EXECVE": 1309, "SECCOMP": 1326, "PROCTITLE": 1327, "AVC": 1400,
	"USER_ACCT": 1101, "CRED_ACQ": 1103, "CRED_DISP": 1104, "USER_START": 1105, "USER_END": 1106, "USER_AVC": 1107,
	"SERVICE_START": 1130, "SERVICE_STOP": 1131,
}
