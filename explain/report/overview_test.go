package report

import (
	"bytes"
	"fmt"
	"slices"
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
	assert.Contains(t, out.String(), "and 483 groups more with 483 findings")
}

// Names in an overview, in lines and in a comparison are inert.
func TestHostileOverview(t *testing.T) {
	for _, name := range hostileNames {
		findings := hostileReport(t, name).Findings
		findings[0].Programs = []Counted{{Name: plain(name), Count: 1}}
		findings[0].Consequence = plain(name)
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
		{ID: "d", Count: 1, First: "3", Last: "4", Mode: "KILLED"},
		{ID: "e", Count: 1, First: "0", Last: "1", Consequence: "its container ended"},
		{ID: "f", Count: 1, First: "1", Last: "2", Mode: "KILLED", Harmless: "it went on"},
	}
	for order, want := range map[string]string{"": "edbcaf", "count": "bcadef", "last": "acdbfe", "risk": "bcadef", "new": "cdbafe"} {
		slices.SortFunc(findings, func(a, b Finding) int { return strings.Compare(a.ID, b.ID) })
		Sort(findings, order)
		got := ""
		for _, f := range findings {
			got += f.ID
		}
		assert.Equal(t, want, got, order)
	}
}

// What is to be looked at first is above the groups, and takes its lines from theirs.
func TestUrgent(t *testing.T) {
	var findings []Finding
	for i := range 40 {
		findings = append(findings, Finding{ID: fmt.Sprint(i), Message: fmt.Sprintf("p%d may not read", i), Count: 100, Denial: Fields{{Key: "profile", Value: fmt.Sprintf("p%d", i)}}})
	}
	findings[7].Mode, findings[7].Last = "KILLED", "2"
	findings[8].Mode, findings[8].Last = "KILLED", "3"
	findings[9].Mode, findings[9].Last = "KILLED", "1"
	findings[20].Consequence = "its container ended within a second of the last denial, with exit code 1"
	o := TextOptions{Width: 80}
	overview := o.Overview(findings)
	require.Len(t, overview.Urgent, 2)
	assert.Equal(t, Urgent{"20", "p20 may not read", findings[20].Consequence}, overview.Urgent[0])
	assert.Equal(t, "8", overview.Urgent[1].ID, "the latest")
	assert.Equal(t, 2, overview.MoreUrgent)

	var out bytes.Buffer
	require.NoError(t, NewText(&out, o)(Message{Overview: overview}))
	assert.LessOrEqual(t, strings.Count(out.String(), "\n"), o.tableRows()+2, "with the titles and what is left")
	assert.True(t, strings.HasPrefix(out.String(), "first: p20 may not read: its container ended within a second"), out.String())
	assert.Contains(t, out.String(), "(and 2 more)")

	out.Reset()
	require.NoError(t, NewText(&out, o)(Message{Overview: NewOverview(findings[:5], "rule")}))
	assert.NotContains(t, out.String(), "first:")
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

// Nodes of one name in two clusters are blind for reasons of their own.
func TestGroupedNodesOfOneName(t *testing.T) {
	watched := &Watched{Nodes: 4}
	watched.Add(map[Node]*Blind{
		{"east", "node-1"}: {Node: Node{"east", "node-1"}, Silent: "2026-11-23T09:00:00.000Z"},
		{"", "node-1"}:     {Node: Node{"", "node-1"}, Lost: 7},
		{"east", "node-2"}: {Node: Node{"east", "node-2"}, Lost: 5},
	})
	all := &Report{Findings: []Finding{{ID: "f"}}, Summary: &Summary{Watched: watched}}
	o := all.Grouped("node", []Group{{Key: "node-1", IDs: []string{"f"}}, {Key: "node-2", IDs: []string{"f"}}, {Key: "node-3", IDs: []string{"f"}}}, 3)
	assert.Equal(t, 2, o.Groups[0].Blind)
	assert.Equal(t, "of no cluster: 7 lost; of east: silent since 2026-11-23T09:00:00.000Z", o.Groups[0].Why)
	assert.Equal(t, "5 lost", o.Groups[1].Why)
	assert.Zero(t, o.Groups[2].Blind)
	o = all.Grouped("cluster", []Group{{Key: "east", IDs: []string{"f"}}}, 1)
	assert.Equal(t, 2, o.Groups[0].Blind)
}
