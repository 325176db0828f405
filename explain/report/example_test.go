package report_test

import (
	"fmt"
	"os"
	"slices"

	"github.com/whydenied/whydenied/explain"
	"github.com/whydenied/whydenied/explain/report"
	"github.com/whydenied/whydenied/parser"
)

// A report of what a log tells, written as annotations of a GitHub workflow; any
// other format of the table is written the same way.
func Example() {
	log := `type=AVC msg=audit(1795427172.956:20): apparmor="DENIED" operation="open" profile="nosuch" name="/srv/a" pid=181 comm="cat" requested_mask="w" denied_mask="w" fsuid=0 ouid=0`
	findings, _, err := explain.Log(parser.Block{File: "audit.log", Body: []byte(log)}, explain.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	var r report.Report
	for _, f := range findings {
		r.Findings = append(r.Findings, report.NewFinding(*f))
	}
	github := report.Formats[slices.Index(report.FormatNames(), "github")]
	if err := github.Write(os.Stdout, &r, report.TextOptions{}); err != nil {
		fmt.Println(err)
	}
	// Output:
	// ::error title=whydenied%3A profile-not-found::cat (profile nosuch, container unknown) may not write /srv/a: the source of its profile was not found
}
