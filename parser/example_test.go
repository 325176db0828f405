package parser_test

import (
	"fmt"

	"github.com/whydenied/whydenied/parser"
)

// One line, of whatever log, is one record.
func ExampleParse() {
	d, err := parser.Parse(`[   18.157759] audit: type=1400 audit(1795427172.956:20): apparmor="DENIED" operation="open" profile="web" name=2F7372762F6120 pid=181 comm="cat" requested_mask="w" denied_mask="w" fsuid=0 ouid=0`)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(d.Time, d.Mode, d.Subject.Comm, d.Subject.PID)
	fmt.Printf("%s of %q\n", d.AppArmor.Operation, d.AppArmor.Name)
	// Output:
	// 2026-11-23 09:46:12.956 +0000 UTC DENIED cat 181
	// open of "/srv/a "
}

// A log is read a block at a time, and what else is in it is counted.
func ExampleScan() {
	log := `Nov 23 09:46:16 web systemd[1]: Started session 4.
Nov 23 09:46:17 web kernel: audit: type=1326 audit(1795427177.100:21): auid=0 uid=0 gid=0 ses=1 pid=90 comm="mkdir" exe="/bin/mkdir" sig=0 arch=c000003e syscall=83 compat=0 ip=0x7f code=0x7ffc0000
`
	denials, stats := parser.Scan(nil, parser.Block{File: "kern.log", Body: []byte(log)})
	for _, d := range denials {
		fmt.Println(d.Subject.Exe, "called", d.Seccomp.Syscall, "on line", d.Event.Records[d.Record].Origin.Line)
	}
	fmt.Println(stats.Lines, "lines,", stats.Records, "record")
	// Output:
	// /bin/mkdir called 83 on line 2
	// 2 lines, 1 record
}
