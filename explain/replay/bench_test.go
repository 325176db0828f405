package replay

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/whydenied/whydenied/explain"
	"github.com/whydenied/whydenied/explain/library"
	"github.com/whydenied/whydenied/parser"
	"github.com/whydenied/whydenied/rules"
	"github.com/whydenied/whydenied/rules/apparmor"
)

// BenchmarkOf is what is done of a log whose records have been folded: each of 500 accesses is
// asked of the new text and of the old one, each with 300 rules. A record is one of 2,000 of its
// access. Decide is what the two decisions of an access alone take.
func BenchmarkOf(b *testing.B) {
	const accesses, each = 500, 2000
	var policy strings.Builder
	for i := range 300 {
		fmt.Fprintf(&policy, "  /srv/%d/** r,\n  /var/lib/%d/*.db rw,\n", i, i)
	}
	load := func(more string) []library.Text {
		loaded, diagnostics := (&apparmor.Loader{}).Load(rules.NewFile("policy", "profile web {\n"+policy.String()+more+"}\n"))
		require.Empty(b, diagnostics)
		return []library.Text{{Name: "policy", AppArmor: loaded.Profiles}}
	}
	p := Policies{New: load("  /etc/app/** r,\n"), Old: load("")}
	var findings []*explain.Finding
	for i := range accesses {
		d, err := parser.Parse(fmt.Sprintf(`type=AVC msg=audit(1.000:1): apparmor="DENIED" operation="open" class="file" profile="web" name="/etc/app/%d" requested_mask="r" denied_mask="r" fsuid=33 ouid=0`, i))
		require.NoError(b, err)
		findings = append(findings, &explain.Finding{ID: fmt.Sprint(i), Denial: d, Count: each})
	}
	b.Run("replay", func(b *testing.B) {
		for b.Loop() {
			list, _ := p.Of(findings)
			if len(list) != accesses || list[0].Outcome != Fixed {
				b.Fatal(len(list))
			}
		}
		b.ReportMetric(float64(b.N*accesses*each)/b.Elapsed().Seconds(), "records/s")
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*accesses), "ns/access")
	})
	b.Run("decide", func(b *testing.B) {
		list, _ := p.Of(findings)
		for b.Loop() {
			for i := range list {
				p.New[0].AppArmor[0].Decide(list[i].Request)
				p.Old[0].AppArmor[0].Decide(list[i].Request)
			}
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*accesses), "ns/access")
	})
}
