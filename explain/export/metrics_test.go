package export_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/whydenied/whydenied/explain/export"
	"github.com/whydenied/whydenied/explain/report"
)

// read reads metrics as Prometheus' own library does: by name and labels.
func read(t *testing.T, m *export.Metrics) map[string]float64 {
	t.Helper()
	var out bytes.Buffer
	require.NoError(t, m.Write(&out))
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(&out)
	require.NoError(t, err)
	all := map[string]float64{}
	for name, family := range families {
		assert.NotEmpty(t, family.GetHelp(), name)
		for _, metric := range family.GetMetric() {
			key := name
			for _, label := range metric.GetLabel() {
				key += " " + label.GetName() + "=" + label.GetValue()
			}
			all[key] = metric.GetCounter().GetValue() + metric.GetGauge().GetValue()
		}
	}
	return all
}

const web = "whydenied_denials_total layer=apparmor cause=missing-permission profile=web namespace= decision=refused"

func TestMetrics(t *testing.T) {
	m := export.NewMetrics("v1")
	f := row(nil).Finding
	f.Count = 3
	m.Take(report.Message{Finding: f})
	m.Take(report.Message{Repeat: &report.Repeat{ID: f.ID, Count: 10}})
	m.Take(report.Message{Repeat: &report.Repeat{ID: f.ID, Count: 10}})
	m.Take(report.Message{Repeat: &report.Repeat{ID: "unknown", Count: 5}})
	m.Take(report.Message{Notice: &report.Notice{Kind: "lost", Count: 7}})
	m.Take(report.Message{Notice: &report.Notice{Kind: "lost"}})
	m.Take(report.Message{Notice: &report.Notice{Kind: "rotated"}})
	m.Sending(export.Sent, 4)
	m.Waiting("one", 2, 9)
	all := read(t, m)
	assert.Equal(t, 10.0, all[web])
	assert.Equal(t, 1.0, all["whydenied_findings"])
	assert.Equal(t, 7.0, all["whydenied_records_lost_total"])
	assert.Equal(t, 2.0, all["whydenied_losses_total"])
	assert.Equal(t, 4.0, all["whydenied_rows_total outcome=sent"])
	assert.Equal(t, 0.0, all["whydenied_rows_total outcome=rejected"], "is there before it is counted")
	assert.Equal(t, 9.0, all["whydenied_denials_dropped_total"])
	assert.Equal(t, 2.0, all["whydenied_rows_waiting"])
	assert.Equal(t, 1.0, all["whydenied_build_info version=v1"])
}

// Series are bounded, and what they have no room for is counted all the same.
func TestMetricsAreBounded(t *testing.T) {
	m := export.NewMetrics("v1")
	for i := range 5000 {
		m.Take(report.Message{Finding: row(func(f *report.Finding) {
			f.ID, f.Count, f.Denial[0].Value = fmt.Sprint(i), 1, fmt.Sprint("made-up-", i)
		}).Finding})
	}
	all, sum := read(t, m), 0.0
	for name, n := range all {
		if strings.HasPrefix(name, "whydenied_denials_total") {
			sum += n
		}
	}
	assert.Less(t, len(all), 1100)
	assert.Equal(t, 5000.0, sum)
	assert.Equal(t, 4000.0, all["whydenied_denials_total layer=apparmor cause=(further) profile=(further) namespace=(further) decision=(further)"])
}

// FuzzMetrics holds that a profile's name stays the value of a label.
func FuzzMetrics(f *testing.F) {
	for _, name := range []string{"web", `a"} 1e9`, "a\nwhydenied_findings 7", `\`, `\n`, "\xff", "\u2028"} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		m := export.NewMetrics(name)
		m.Take(report.Message{Finding: row(func(f *report.Finding) { f.Count, f.Denial[0].Value = 1, name }).Finding})
		all := read(t, m)
		require.Len(t, all, 19)
		require.Equal(t, 1.0, all["whydenied_findings"])
	})
}
