package store

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/whydenied/whydenied/explain/container"
	"github.com/whydenied/whydenied/explain/host"
	"github.com/whydenied/whydenied/explain/report"
)

// ofNode is a log as a node's.
func ofNode(node, log string) string {
	return strings.ReplaceAll(log, "type=AVC", "node="+node+" type=AVC")
}

// summed are the counts and findings of groups by their keys.
func summed(list []report.Group) map[string][3]int {
	sums := map[string][3]int{}
	for _, g := range list {
		sums[g.Key] = [3]int{g.Count, len(g.IDs), g.Containers}
	}
	return sums
}

// TestGroups holds that a store sums up denials by what differs between those of a finding,
// for a range that cuts buckets too.
func TestGroups(t *testing.T) {
	s, _ := openNew(t)
	ctx := context.Background()
	for i, node := range []string{"a", "b"} {
		var log string
		for n := range 30 {
			log += line(fmt.Sprintf("/srv/%d", n%(2+i)), start.Add(time.Duration(n)*time.Hour), 100*i+n)
		}
		c := container.Container{ID: strings.Repeat(node, 64), Name: "web-" + node, Image: "registry/web:1." + node + "@sha256:" + node, Created: start.Add(-time.Hour), Confidence: container.High}
		appendOf(t, s, ofNode(node, log), func(container.Subject) container.Container { return c })
	}
	for _, c := range []struct {
		by   string
		want map[string][3]int
	}{
		{"node", map[string][3]int{"a": {30, 2, 1}, "b": {30, 3, 1}}},
		{"cluster", map[string][3]int{"": {60, 3, 2}}},
		{"digest", map[string][3]int{"sha256:a": {30, 2, 1}, "sha256:b": {30, 3, 1}}},
		{"deploy", map[string][3]int{"registry/web:1.a@sha256:a": {30, 2, 1}, "registry/web:1.b@sha256:b": {30, 3, 1}}},
		{"container", map[string][3]int{"web-a": {30, 2, 1}, "web-b": {30, 3, 1}}},
		{"image", map[string][3]int{"registry/web": {60, 3, 2}}},
		{"program", map[string][3]int{"nginx": {60, 3, 2}}},
	} {
		list, all, err := s.Groups(ctx, Range{}, c.by, nil)
		require.NoError(t, err, c.by)
		assert.Equal(t, c.want, summed(list), c.by)
		assert.Equal(t, len(c.want), all)
	}
	list, _, err := s.Groups(ctx, Range{start.Add(2*time.Hour + time.Millisecond), start.Add(20 * time.Hour)}, "node", nil)
	require.NoError(t, err)
	assert.Equal(t, map[string][3]int{"a": {17, 2, 1}, "b": {17, 3, 1}}, summed(list))
	require.Len(t, list, 2)
	assert.Equal(t, start.Add(3*time.Hour), list[0].First.UTC())
	assert.NotEmpty(t, list[0].Times.Counts)

	all := read(t, s, Range{})
	list, _, err = s.Groups(ctx, Range{}, "node", []string{all.Findings[0].ID})
	require.NoError(t, err)
	assert.Equal(t, map[string][3]int{"a": {15, 1, 1}, "b": {10, 1, 1}}, summed(list))
	list, _, err = s.Groups(ctx, Range{}, "deploy", nil)
	require.NoError(t, err)
	assert.Equal(t, start.Add(-time.Hour), list[0].Made.UTC())
}

// TestFirstSeen holds that a finding tells where it was seen first of all, before a range
// too, and that SelectNew leaves those of before out.
func TestFirstSeen(t *testing.T) {
	s, _ := openNew(t)
	appendLog(t, s, ofNode("late", line("/srv/old", start.Add(2*time.Hour), 1)+line("/srv/new", start.Add(3*time.Hour), 2)))
	appendLog(t, s, ofNode("early", line("/srv/old", start, 3)))
	all := read(t, s, Range{Since: start.Add(time.Hour)})
	require.Len(t, all.Findings, 2)
	assert.Equal(t, &report.Sighting{Time: report.Time(start), Node: "early"}, all.Findings[0].FirstSeen)
	assert.Equal(t, &report.Sighting{Time: report.Time(start.Add(3 * time.Hour)), Node: "late"}, all.Findings[1].FirstSeen)
	all.SelectNew(start.Add(time.Hour))
	require.Len(t, all.Findings, 1)
	assert.Contains(t, all.Findings[0].Message, "/srv/new")
	assert.Equal(t, 1, all.Summary.Findings)
}

// TestWatched holds which nodes count as blind: of which records were lost in the range, of
// which doctor's newest answer says that denials are hidden, and which fell silent.
func TestWatched(t *testing.T) {
	ctx := context.Background()
	s, _ := openNew(t)
	now := time.Now()
	node := func(name string, looked time.Duration) {
		s.Node, s.Boot = name, "boot-of-"+name
		require.NoError(t, s.Look(ctx, "audit", now.Add(-5*time.Hour), now.Add(-looked)))
	}
	answer := func(ago time.Duration, status host.Status) {
		require.NoError(t, s.Answer(ctx, now.Add(-ago), []host.Answer{{Name: "audit", Status: status, Found: "auditing is off"}, {Name: "quiet-denies", Status: host.Hides, Found: "as is usual"}}))
	}
	node("sound", 0)
	answer(3*time.Hour, host.Hides)
	answer(2*time.Hour, host.OK)
	node("limited", 0)
	require.NoError(t, s.Lose(ctx, "suppressed", now.Add(-time.Hour), now.Add(-time.Hour), 305, ""))
	require.NoError(t, s.Lose(ctx, "lost", now.Add(-30*time.Hour), now.Add(-30*time.Hour), 7, ""))
	node("off", 0)
	answer(3*time.Hour, host.Hides)
	node("silent", 3*time.Hour)
	node("long-gone", 0)
	require.NoError(t, s.Lose(ctx, "lost", now.Add(-30*time.Hour), now.Add(-30*time.Hour), 7, ""))
	s.Node = "removed"
	require.NoError(t, s.Look(ctx, "audit", now.Add(-100*time.Hour), now.Add(-90*time.Hour)))
	s.Node = "saved-log"
	require.NoError(t, s.Look(ctx, "log", now.Add(-5*time.Hour), now.Add(-4*time.Hour)))

	w := read(t, s, Range{Since: now.Add(-10 * time.Hour)}).Summary.Watched
	require.NotNil(t, w)
	assert.Equal(t, 5, w.Nodes)
	assert.Equal(t, "3 of 5 nodes may be blind: limited (305 suppressed), off (audit: auditing is off), silent (silent since "+report.Time(now.Add(-3*time.Hour))+")", w.String())
	assert.Nil(t, read(t, s, Range{Until: now.Add(-200 * time.Hour)}).Summary.Watched)
}
