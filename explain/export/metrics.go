package export

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"

	"github.com/whydenied/whydenied/explain/escape"
	"github.com/whydenied/whydenied/explain/report"
)

// maxSeries bounds the series of denials. Those of further profiles or namespaces are
// counted in one for each layer.
const maxSeries = 1000

// Further is the profile and the namespace of a series that counts what there was no
// room for.
const Further = "(further)"

// A series is what denials are counted by. Nothing of it is a path of a file, a program, a
// container or a pod, of which there is no end.
type series struct{ layer, cause, profile, namespace, decision string }

// Metrics counts what a watch reports, for Prometheus. It is safe for concurrent use; the
// zero value is not ready, NewMetrics makes one.
type Metrics struct {
	mu        sync.Mutex
	version   string
	denials   map[series]uint64
	findings  map[string]counted // by ID
	lost      uint64
	losses    uint64            // notices of loss, of which some do not know how many
	sent      map[string]uint64 // rows, by outcome
	waiting   map[string]int    // rows, by receiver
	dropped   uint64            // denials
	written   map[string]uint64 // objects of a cluster, by outcome
	errors    map[string]uint64 // by what gave them
	unwritten int               // that wait
}

// A counted is how often a finding was counted in which series.
type counted struct {
	series series
	count  int
}

// NewMetrics returns metrics that count nothing yet, of a version of whydenied.
func NewMetrics(version string) *Metrics {
	return &Metrics{version: version, denials: map[series]uint64{}, findings: map[string]counted{}, sent: map[string]uint64{}, waiting: map[string]int{}, written: map[string]uint64{}, errors: map[string]uint64{}}
}

// Take counts a message of a watch: findings, how often they came again, and notices of
// loss.
func (m *Metrics) Take(message report.Message) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case message.Finding != nil:
		f := message.Finding
		m.count(f.ID, m.seriesOf(f), f.Count)
	case message.Repeat != nil:
		if known, ok := m.findings[message.Repeat.ID]; ok {
			m.count(message.Repeat.ID, known.series, message.Repeat.Count)
		}
	case message.Notice != nil && message.Notice.Kind == "lost":
		m.losses++
		m.lost += uint64(max(message.Notice.Count, 0))
	}
}

// count notes how often a finding was seen in all.
func (m *Metrics) count(id string, s series, count int) {
	known := m.findings[id]
	if count > known.count {
		m.denials[s] += uint64(count - known.count)
	}
	m.findings[id] = counted{s, max(count, known.count)}
}

// seriesOf is the series of a finding.
func (m *Metrics) seriesOf(f *report.Finding) series {
	s := series{layer: layerOf(f), cause: f.Cause, profile: profileOf(f), decision: f.Decision}
	if f.Container != nil {
		s.namespace = f.Container.Namespace
	}
	if _, known := m.denials[s]; !known && len(m.denials) >= maxSeries {
		s = series{layer: s.layer, cause: Further, profile: Further, namespace: Further, decision: Further}
	}
	return s
}

// What becomes of rows that are sent.
const (
	Sent     = "sent"     // taken by the receiver
	Rejected = "rejected" // thrown away by it
	Failed   = "failed"   // to be sent again, as it is not known that they arrived
)

// Sending counts rows by what became of them.
func (m *Metrics) Sending(outcome string, rows int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sent[outcome] += uint64(rows)
}

// Waiting notes how many rows wait for a receiver, and counts denials that are dropped for want
// of room.
func (m *Metrics) Waiting(receiver string, rows, dropped int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.waiting[receiver] = rows
	m.dropped += uint64(dropped)
}

// Outputs are where an agent puts what it finds, by which its errors are counted.
const (
	OTLP       = "otlp"
	ClickHouse = "clickhouse"
	Kubernetes = "kubernetes"
	Textfile   = "textfile"
	Store      = "store"
)

// Error counts an error of an output.
func (m *Metrics) Error(output string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.errors[output]++
}

// Writing counts an object of a cluster by what became of it, and notes how many wait.
func (m *Metrics) Writing(outcome string, waiting int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.written[outcome]++
	m.unwritten = waiting
}

// Write writes the metrics in the text format of Prometheus, version 0.0.4, in one order.
func (m *Metrics) Write(w io.Writer) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out escape.Builder[escape.Metric]
	out.Add(escape.MetricHead("whydenied_build_info", "gauge", "The version of whydenied, as a label."))
	out.Add(escape.MetricLine("whydenied_build_info", 1, "version", m.version))
	out.Add(escape.MetricHead("whydenied_denials_total", "counter", "Denials, by what refused them and why. Of profiles and namespaces beyond the first "+fmt.Sprint(maxSeries)+" series the labels are "+Further+"."))
	for _, s := range slices.SortedFunc(maps.Keys(m.denials), series.compare) {
		out.Add(escape.MetricLine("whydenied_denials_total", m.denials[s], "layer", s.layer, "cause", s.cause, "profile", s.profile, "namespace", s.namespace, "decision", s.decision))
	}
	out.Add(escape.MetricHead("whydenied_findings", "gauge", "Distinct denials since the agent was started."))
	out.Add(escape.MetricLine("whydenied_findings", uint64(len(m.findings))))
	out.Add(escape.MetricHead("whydenied_records_lost_total", "counter", "Records of the kernel that were lost before they were read, as far as their number is known."))
	out.Add(escape.MetricLine("whydenied_records_lost_total", m.lost))
	out.Add(escape.MetricHead("whydenied_losses_total", "counter", "Times that records were lost, known in number or not."))
	out.Add(escape.MetricLine("whydenied_losses_total", m.losses))
	out.Add(escape.MetricHead("whydenied_rows_total", "counter", "Rows for the receiver, by what became of them."))
	for _, outcome := range []string{Failed, Rejected, Sent} {
		out.Add(escape.MetricLine("whydenied_rows_total", m.sent[outcome], "outcome", outcome))
	}
	out.Add(escape.MetricHead("whydenied_rows_waiting", "gauge", "Rows that are to be sent."))
	waiting := 0
	for _, rows := range m.waiting {
		waiting += rows
	}
	out.Add(escape.MetricLine("whydenied_rows_waiting", uint64(waiting)))
	out.Add(escape.MetricHead("whydenied_denials_dropped_total", "counter", "Denials that were not sent, as too many rows waited."))
	out.Add(escape.MetricLine("whydenied_denials_dropped_total", m.dropped))
	out.Add(escape.MetricHead("whydenied_kubernetes_objects_total", "counter", "Events and reports of Kubernetes, by what became of them."))
	for _, outcome := range []string{Failed, Rejected, Sent} {
		out.Add(escape.MetricLine("whydenied_kubernetes_objects_total", m.written[outcome], "outcome", outcome))
	}
	out.Add(escape.MetricHead("whydenied_kubernetes_objects_waiting", "gauge", "Events and reports of Kubernetes that are to be written."))
	out.Add(escape.MetricLine("whydenied_kubernetes_objects_waiting", uint64(m.unwritten)))
	out.Add(escape.MetricHead("whydenied_errors_total", "counter", "Errors, by the output that gave them. Standard error has each, and the same once a minute."))
	for _, output := range []string{ClickHouse, Kubernetes, OTLP, Store, Textfile} {
		out.Add(escape.MetricLine("whydenied_errors_total", m.errors[output], "output", output))
	}
	return escape.Write(w, out.Text())
}

func (s series) compare(t series) int {
	return slices.Compare([]string{s.layer, s.cause, s.profile, s.namespace, s.decision}, []string{t.layer, t.cause, t.profile, t.namespace, t.decision})
}
