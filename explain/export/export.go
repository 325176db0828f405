// Package export gives findings to the systems that a fleet is watched by: to receivers
// of OpenTelemetry logs over HTTP, and to Prometheus.
//
// What is sent is a [Row]: how often one finding came in one span of time on one node. A
// row is sent again whenever its count has grown and whenever it is not certain that it
// arrived, so that a receiver has some more than once. It counts exactly all the same if
// it takes the largest count for each of node, run, finding, start and width, and then the
// sum.
//
// All text of a row is what a report.Finding has: escaped, and without secrets.
package export

import (
	"time"

	"github.com/whydenied/whydenied/explain/report"
)

// A Row is how often a finding came in a span of time, so far.
type Row struct {
	Node    string          // the host's name, or that of the Kubernetes node
	Boot    string          // the kernel's ID of this boot (/proc/sys/kernel/random/boot_id, random(4)); "" if unknown
	Run     time.Time       // when the process began that counts: another begins at 0
	Finding *report.Finding // as it was explained; its count and times are those of the whole, not of the row
	Start   time.Time       // of the span
	Width   time.Duration   // of the span
	Last    time.Time       // of its latest denial
	Count   uint64          // of its denials
}
