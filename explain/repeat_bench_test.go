package explain

import (
	"fmt"
	"strings"
	"testing"

	"github.com/whydenied/whydenied/explain/container"
	"github.com/whydenied/whydenied/parser"
)

// BenchmarkRepeat is what one more denial of a finding costs once it is found to be a
// repeat: without containers, and with what tells them.
func BenchmarkRepeat(b *testing.B) {
	var text strings.Builder
	const n = 4096
	for i := range n {
		fmt.Fprintf(&text, "type=AVC msg=audit(1795427%03d.844:%d): apparmor=\"DENIED\" operation=\"open\" profile=\"web\" name=\"/srv/%d\" pid=%d comm=\"cat\" requested_mask=\"r\" denied_mask=\"r\" fsuid=0 ouid=0\n", i/8, i+1, i%16, i%3+1)
	}
	ids := [...]string{strings.Repeat("a", 64), strings.Repeat("b", 64), strings.Repeat("c", 64)}
	for name, find := range map[string]func(container.Subject) container.Container{
		"bare": nil,
		"containers": func(s container.Subject) container.Container {
			return container.Container{ID: ids[s.PID-1], Name: "web", Image: "web:1", Confidence: container.High}
		},
	} {
		b.Run(name, func(b *testing.B) {
			forms := parser.NewForms(false)
			denials, repeats, _ := forms.Scan(nil, nil, &parser.Block{Body: []byte(text.String())})
			s := NewSession(find, Filter{})
			for _, d := range denials {
				s.Add(d)
			}
			for b.Loop() {
				for i := range repeats {
					repeats[i].Serial += n // or it is a duplicate
					s.AddRepeat(&repeats[i])
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(repeats)), "ns/repeat")
		})
	}
}
