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
	"strings"
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

// In returns a finding with another container and program than those of its first denial, as
// far as these are known: of a container the name with its pod's, the ID and the image.
func In(f *report.Finding, c report.Counted, program string) *report.Finding {
	in := *f
	if program != "" && program != f.Subject.Comm {
		in.Subject = report.Subject{Comm: program}
	}
	if c == (report.Counted{}) || f.Container != nil && c.ID != "" && c.ID == f.Container.ID {
		return &in
	}
	in.Container = &report.Container{ID: c.ID, Name: c.Name, Image: c.Image}
	if f.Container != nil {
		in.Container.Runtime = f.Container.Runtime
	}
	switch parts := strings.Split(c.Name, "/"); len(parts) {
	case 3:
		in.Container.Namespace, in.Container.Pod, in.Container.Name = parts[0], parts[1], parts[2]
	case 2:
		in.Container.Pod, in.Container.Name = parts[0], parts[1]
	}
	return &in
}
