package export_test

import (
	"fmt"
	"os"
	"time"

	"github.com/whydenied/whydenied/explain/export"
	"github.com/whydenied/whydenied/explain/report"
)

// A finding that came twice, the second time in another minute, is two rows; each is
// written as a record of OpenTelemetry.
func Example() {
	at := time.Date(2026, 3, 1, 9, 12, 3, 0, time.UTC)
	ledger := export.NewLedger("node-1", "", 1000, at)
	f := report.Finding{ID: "0123456789ab", Message: "cat may not write /srv/a", Mode: "DENIED", Count: 1, Last: report.Time(at)}
	ledger.Take(report.Message{Finding: &f}, at)
	ledger.Take(report.Message{Repeat: &report.Repeat{ID: f.ID, Count: 2, Last: report.Time(at.Add(time.Minute))}}, at)
	rows, _ := ledger.Next(100)
	for _, r := range rows {
		fmt.Println(r.Start.Format(time.TimeOnly), r.Finding.Message, r.Count)
	}
	if err := export.Logs(os.Stdout, "v0.1.0", at, rows[:1]); err != nil {
		fmt.Println(err)
	}
	// Output:
	// 09:12:00 cat may not write /srv/a 1
	// 09:13:00 cat may not write /srv/a 1
	// {"resourceLogs":[{"resource":{"attributes":[{"key":"host.name","value":{"stringValue":"node-1"}}]},"scopeLogs":[{"scope":{"name":"github.com/whydenied/whydenied","version":"v0.1.0"},"logRecords":[{"timeUnixNano":"1772356323000000000","observedTimeUnixNano":"1772356323000000000","severityNumber":13,"severityText":"WARN","eventName":"whydenied.denial","body":{"stringValue":"cat may not write /srv/a"},"attributes":[{"key":"whydenied.finding.id","value":{"stringValue":"0123456789ab"}},{"key":"whydenied.finding.id_version","value":{"intValue":"0"}},{"key":"whydenied.layer","value":{"stringValue":"apparmor"}},{"key":"whydenied.mode","value":{"stringValue":"DENIED"}},{"key":"whydenied.run","value":{"stringValue":"2026-03-01T09:12:03.000Z"}},{"key":"whydenied.bucket.start","value":{"stringValue":"2026-03-01T09:12:00.000Z"}},{"key":"whydenied.bucket.seconds","value":{"intValue":"60"}},{"key":"whydenied.bucket.count","value":{"intValue":"1"}}]}]}]}]}
}
