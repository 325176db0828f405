package report_test

import (
	"fmt"
	"os"
	"slices"

	"github.com/whydenied/whydenied/explain"
	"github.com/whydenied/whydenied/explain/library"
	"github.com/whydenied/whydenied/explain/report"
	"github.com/whydenied/whydenied/parser"
)

// A report of what a log tells, written as annotations of a GitHub workflow; any
// other format of the table is written the same way.
func Example() {
	log := `type=AVC msg=audit(1795427172.956:20): apparmor="DENIED" operation="open" profile="nosuch" name="/srv/a" pid=181 comm="cat" requested_mask="w" denied_mask="w" fsuid=0 ouid=0`
	denials, _ := parser.Scan(nil, parser.Block{File: "audit.log", Body: []byte(log + "\n")})
	group := explain.NewGroup(nil, explain.Filter{})
	for _, d := range denials {
		group.Add(d)
	}
	explainer := explain.New(library.New("none", nil))

	var r report.Report
	for _, f := range explainer.ExplainAll(group.Findings()) {
		r.Findings = append(r.Findings, report.NewFinding(*f))
	}
	github := report.Formats[slices.Index(report.FormatNames(), "github")]
	if err := github.Write(os.Stdout, &r, report.TextOptions{}); err != nil {
		fmt.Println(err)
	}
	// Output:
	// ::error title=whydenied%3A profile-not-found::cat (profile nosuch, container unknown) may not write /srv/a: the source of profile nosuch was not found; give its file with --profile, or its directory with --profile-dir
}
