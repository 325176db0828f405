package report

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/whydenied/whydenied/explain/escape"
)

// manyFindings are 500 of 8 profiles and 4 kinds.
func manyFindings() (list []Finding) {
	for i := range 500 {
		f := Finding{
			ID: fmt.Sprintf("%012x", i), Cause: []string{"no-matching-rule", "deny-rule"}[i%2], Count: i + 1, Mode: "DENIED",
			First: fmt.Sprintf("2026-11-23T09:%02d:00.000Z", i%60), Last: fmt.Sprintf("2026-11-23T10:%02d:00.000Z", i%60),
			Times:      &Times{Start: "2026-11-23T09:00:00.000Z", Seconds: 64, Counts: []uint32{1, uint32(i)}},
			Containers: []Counted{{Name: fmt.Sprint("c", i%5), ID: fmt.Sprint("id", i%5), Image: "web:1", Count: i/2 + 1}},
			Subject:    Subject{Comm: "app", Label: fmt.Sprint("p", i%8)},
			Message:    fmt.Sprint("finding ", i),
		}
		profile := Field{Key: "profile", Value: fmt.Sprint("p", i%8)}
		switch i % 4 {
		case 0:
			f.Denial = Fields{profile, {Key: "operation", Value: "capable"}, {Key: "capname", Value: fmt.Sprint("cap", i)}}
		case 1:
			f.Seccomp = &Seccomp{SyscallName: fmt.Sprint("call", i), ArchName: "x86_64", Action: "errno"}
		default:
			f.Denial = Fields{profile, {Key: "operation", Value: "open"}, {Key: "name", Value: fmt.Sprintf("/srv/%d/a/b/%d", i%3, i)}, {Key: "denied_mask", Value: "r"}}
		}
		list = append(list, f)
	}
	return list
}

// However findings are grouped, each denial is in one group.
func TestOverviewCounts(t *testing.T) {
	findings := manyFindings()
	denials := 0
	for i := range findings {
		denials += findings[i].Count
	}
	for _, by := range GroupKeys {
		o := NewOverview(findings, by)
		sum := 0
		for i, row := range o.Groups {
			sum += row.Count
			assert.True(t, i == 0 || o.Groups[i-1].Count >= row.Count, by)
		}
		assert.Equal(t, denials, sum, by)
		assert.Equal(t, denials, o.Denials)
		assert.Equal(t, "2026-11-23T09:00:00.000Z", o.First)
	}
	assert.Len(t, NewOverview(findings, "profile").Groups, 8)
	assert.Len(t, NewOverview(findings, "container").Groups, 6, "and what is of none")
	assert.Equal(t, "file below /srv", whatOf([]*Finding{&findings[2], &findings[3]}))
	assert.Equal(t, "access", whatOf([]*Finding{{}, {}}), "records that say nothing")
	assert.Equal(t, "capability cap0, cap12, cap4 +1", whatOf([]*Finding{&findings[0], &findings[4], &findings[8], &findings[12]}))
}

// 500 findings are a screen of 80 columns and 24 lines.
func TestOverviewFits(t *testing.T) {
	findings := manyFindings()
	o := TextOptions{Width: 80, Rows: 24}
	overview := o.Overview(findings)
	require.NotNil(t, overview)
	var out bytes.Buffer
	require.NoError(t, NewText(&out, o)(Message{Overview: overview}))
	lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
	assert.LessOrEqual(t, len(lines), 20)
	for _, line := range lines {
		assert.LessOrEqual(t, escape.Line(line).Width(), 80, line)
	}
	assert.Nil(t, o.Overview(findings[:1]), "one finding is its own overview")
	assert.Nil(t, TextOptions{Width: 80, Rows: 1000}.Overview(findings[:8]))
	assert.NotNil(t, o.Overview(findings[:20]))

	out.Reset()
	require.NoError(t, NewText(&out, o)(Message{Overview: NewOverview(findings, "rule")}))
	assert.Contains(t, out.String(), "and 482 groups more with 482 findings")
}

// Names in an overview, in lines and in a comparison are inert.
func TestHostileOverview(t *testing.T) {
	for _, name := range hostileNames {
		findings := hostileReport(t, name).Findings
		findings[0].Programs = []Counted{{Name: plain(name), Count: 1}}
		for _, by := range GroupKeys {
			var out bytes.Buffer
			require.NoError(t, NewText(&out, TextOptions{Width: 80})(Message{Overview: NewOverview(findings, by)}))
			list, sums := Compare(nil, findings)
			require.NoError(t, newCompareText(&out, TextOptions{Width: 80})(CompareMessage{Compared: &list[0]}))
			require.NoError(t, newCompareText(&out, TextOptions{Width: 80})(CompareMessage{Summary: &sums}))
			assertPrintable(t, out.String())
		}
	}
}

func TestSort(t *testing.T) {
	findings := []Finding{
		{ID: "a", Count: 1, First: "1", Last: "9", Fixes: []Fix{{Risk: "low"}}},
		{ID: "b", Count: 5, First: "2", Last: "3", Investigate: "x"},
		{ID: "c", Count: 3, First: "4", Last: "5", Fixes: []Fix{{Risk: "high"}}},
	}
	for order, want := range map[string]string{"count": "bca", "last": "acb", "risk": "bca", "new": "cba"} {
		Sort(findings, order)
		got := ""
		for _, f := range findings {
			got += f.ID
		}
		assert.Equal(t, want, got, order)
	}
}

func TestSplit(t *testing.T) {
	both := Finding{ID: "a", Count: 10, First: "2026-11-23T09:00:00.000Z", Last: "2026-11-23T09:10:00.000Z",
		Times: &Times{Start: "2026-11-23T09:00:00.000Z", Seconds: 64, Counts: []uint32{3, 3, 0, 0, 0, 0, 0, 0, 4}}}
	before, after := Split([]Finding{both}, "2026-11-23T09:05:00.000Z")
	assert.Equal(t, 6, before[0].Count)
	assert.Equal(t, 4, after[0].Count)
	list, sums := Compare(before, after)
	assert.Equal(t, "ongoing", list[0].State)
	assert.Equal(t, CompareSummary{SchemaVersion: SchemaVersion, Ongoing: 1}, sums)
}
