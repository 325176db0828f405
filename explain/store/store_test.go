package store

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/whydenied/whydenied/explain"
	"github.com/whydenied/whydenied/explain/container"
	"github.com/whydenied/whydenied/explain/report"
	"github.com/whydenied/whydenied/parser"
)

var start = time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)

// line is the record of a denial: of a name, at a time, with a serial.
func line(name string, at time.Time, serial int) string {
	return fmt.Sprintf("type=AVC msg=audit(%d.%03d:%d): apparmor=\"DENIED\" operation=\"open\" profile=\"web\" name=\"%s\" pid=%d comm=\"nginx\" requested_mask=\"w\" denied_mask=\"w\" fsuid=0 ouid=0\n",
		at.Unix(), at.Nanosecond()/1e6, serial, name, 100+serial)
}

// appendLog appends a log, as explain --store does.
func appendLog(t testing.TB, s *Store, log string) { appendOf(t, s, log, nil) }

// appendOf appends a log of which find tells the containers.
func appendOf(t testing.TB, s *Store, log string, find func(container.Subject) container.Container) {
	t.Helper()
	ctx := context.Background()
	session := addLog(t, s, log, find)
	require.NoError(t, s.Flush(ctx))
	x, _, err := explain.Options{ProfileDir: t.TempDir()}.Explainer()
	require.NoError(t, err)
	var list []report.Finding
	for _, f := range x.ExplainAll(session.Findings()) {
		list = append(list, report.NewFinding(*f))
	}
	require.NoError(t, s.Explain(ctx, list))
}

// addLog has what a log holds wait to be written.
func addLog(t testing.TB, s *Store, log string, find func(container.Subject) container.Container) *explain.Session {
	session := explain.NewSession(find, explain.Filter{})
	session.Counted = func(c explain.Counted) { require.NoError(t, s.Add(context.Background(), c)) }
	denials, _ := parser.Scan(nil, parser.Block{File: "audit.log", Body: []byte(log)})
	for _, d := range denials {
		session.Add(d)
	}
	return session
}

func openNew(t testing.TB) (s *Store, name string) {
	name = filepath.Join(t.TempDir(), "history.db")
	s, aside, err := Open(context.Background(), name)
	require.NoError(t, err)
	require.Empty(t, aside)
	t.Cleanup(func() { s.Close(context.Background()) })
	return s, name
}

func read(t testing.TB, s *Store, r Range) *report.Report {
	t.Helper()
	all, err := s.Report(context.Background(), r)
	require.NoError(t, err)
	return all
}

// total is how many denials a range has.
func total(t testing.TB, s *Store, r Range) (n int) {
	for _, f := range read(t, s, r).Findings {
		n += f.Count
	}
	return n
}

func TestSameLogCountsOnce(t *testing.T) {
	s, name := openNew(t)
	var log, half string
	for i := range 100 {
		if i == 40 {
			half = log
		}
		log += line(fmt.Sprintf("/srv/%d", i%5), start.Add(time.Duration(i)*time.Minute), 1000+i)
	}
	appendLog(t, s, half)
	appendLog(t, s, log)
	appendLog(t, s, log)
	all := read(t, s, Range{})
	require.Len(t, all.Findings, 5, "%v", all.Findings)
	assert.Equal(t, 100, all.Summary.Denials)
	assert.Equal(t, "2026-03-01T09:00:00.000Z", all.Summary.First)
	f := all.Findings[0]
	assert.Equal(t, 20, f.Count)
	assert.Equal(t, "2026-03-01T10:35:00.000Z", f.Last)
	assert.Equal(t, []report.Counted{{Name: "nginx", Count: 20}}, f.Programs)
	assert.Contains(t, f.Message, "/srv/0")
	info, err := os.Stat(name)
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o600), info.Mode())
}

// TestAnotherInventory appends a log with one and without, and a longer one: what was
// appended stays what it is, and counts once.
func TestAnotherInventory(t *testing.T) {
	find := func(container.Subject) container.Container {
		return container.Container{Name: "web-1", Image: "nginx:1.27", Confidence: container.High}
	}
	for what, finds := range map[string][2]func(container.Subject) container.Container{"known later": {nil, find}, "known before": {find, nil}} {
		t.Run(what, func(t *testing.T) {
			s, _ := openNew(t)
			log := line("/srv/x", start, 7) + line("/srv/x", start.Add(time.Second), 8) + line("/srv/y", start, 7)
			appendOf(t, s, log, finds[0])
			appendOf(t, s, log, finds[1])
			assert.Equal(t, 3, total(t, s, Range{}))
			require.Len(t, read(t, s, Range{}).Findings, 2)
			appendOf(t, s, log+line("/srv/x", start.Add(time.Minute), 9), finds[1])
			assert.Equal(t, 4, total(t, s, Range{}))
			assert.Len(t, read(t, s, Range{}).Findings, 3, "what is new is of what is known now")
		})
	}
}

// TestRangesAreExact compares ranges with what a list of the same times has.
func TestRangesAreExact(t *testing.T) {
	s, _ := openNew(t)
	random := rand.New(rand.NewPCG(1, 2))
	var log string
	var times []time.Time
	for i := range 2000 {
		at := start.Add(time.Duration(random.Int64N(int64(90 * 24 * time.Hour)))).Truncate(time.Millisecond)
		times = append(times, at)
		log += line("/srv/x", at, 1+i)
	}
	appendLog(t, s, log)
	at := func() time.Time {
		switch random.IntN(4) {
		case 0:
			return time.Time{}
		case 1:
			return times[random.IntN(len(times))]
		case 2:
			return time.Unix(floor(times[random.IntN(len(times))].UnixMilli(), widths[random.IntN(3)]), 0)
		}
		return start.Add(time.Duration(random.Int64N(int64(95 * 24 * time.Hour)))).Truncate(time.Millisecond)
	}
	for range 300 {
		r := Range{at(), at()}
		want := 0
		for _, one := range times {
			if !one.Before(r.Since) && (r.Until.IsZero() || one.Before(r.Until)) {
				want++
			}
		}
		require.Equal(t, want, total(t, s, r), "%v", r)
	}
}

// TestTimelineIsOfOneWidth has a denial an hour: whatever the range, each bucket that it is
// told in but the first and the last has as many as it has hours.
func TestTimelineIsOfOneWidth(t *testing.T) {
	s, _ := openNew(t)
	var log string
	for i := range 200 * 24 {
		log += line("/srv/x", start.Add(time.Duration(i)*time.Hour), 1+i)
	}
	appendLog(t, s, log)
	for _, days := range []int{0, 1, 3, 7, 20, 50, 100, 199} {
		var r Range
		if days > 0 {
			r.Since = start.AddDate(0, 0, 200-days).Add(17 * time.Minute)
		}
		times := read(t, s, r).Findings[0].Times
		assert.GreaterOrEqual(t, len(times.Counts), fewest, "%d days", days)
		for i, n := range times.Counts[1 : len(times.Counts)-1] {
			assert.InDelta(t, float64(times.Seconds)/3600, n, 1, "%d days: bucket %d of %v", days, i+1, times)
		}
	}
}

// TestTimelineOfAnHour holds that also a short time is told in many buckets, whole or in part.
func TestTimelineOfAnHour(t *testing.T) {
	s, _ := openNew(t)
	var log string
	for i := range 360 {
		log += line("/srv/x", start.Add(time.Duration(i)*10*time.Second), 1+i)
	}
	appendLog(t, s, log)
	for r, want := range map[Range]int{{}: 360, {Since: start.Add(30 * time.Minute)}: 180, {Since: start.Add(20 * time.Minute), Until: start.Add(25 * time.Minute)}: 30} {
		f := read(t, s, r).Findings[0]
		sum := 0
		for _, n := range f.Times.Counts {
			sum += int(n)
		}
		assert.Equal(t, want, sum)
		assert.Equal(t, want, f.Count)
		assert.Greater(t, len(f.Times.Counts), 20)
	}
}

// TestRotatedLogs appends the parts of a log in any order, and some twice.
func TestRotatedLogs(t *testing.T) {
	s, _ := openNew(t)
	random := rand.New(rand.NewPCG(3, 4))
	var lines []string
	for i := range 500 {
		lines = append(lines, line(fmt.Sprintf("/srv/%d", i%3), start.Add(time.Duration(i)*7*time.Second), 1000+i))
	}
	var parts []string
	for from := 0; from < len(lines); {
		to := min(from+1+random.IntN(90), len(lines))
		part := strings.Join(lines[from:to], "")
		parts = append(parts, part)
		if random.IntN(2) == 0 {
			parts = append(parts, part)
		}
		from = to - min(random.IntN(10), to-from-1) // they overlap
		if to == len(lines) {
			break
		}
	}
	random.Shuffle(len(parts), func(i, j int) { parts[i], parts[j] = parts[j], parts[i] })
	for _, part := range parts {
		appendLog(t, s, part)
	}
	assert.Equal(t, len(lines), total(t, s, Range{}))
}

// TestTwoBoots has two boots count their events alike: by their time they are two.
func TestTwoBoots(t *testing.T) {
	s, _ := openNew(t)
	log := line("/srv/x", start, 7) + line("/srv/x", start.Add(time.Minute), 7)
	appendLog(t, s, log)
	s.Boot = "b1f6a5a2-0000-4000-8000-000000000001"
	appendLog(t, s, log) // of which one knows the boot
	assert.Equal(t, 2, total(t, s, Range{}))
}

func TestTwoWriters(t *testing.T) {
	a, name := openNew(t)
	b, _, err := Open(context.Background(), name)
	require.NoError(t, err)
	defer b.Close(context.Background())
	var both sync.WaitGroup
	for i, s := range []*Store{a, b} {
		both.Go(func() {
			for n := range 20 {
				for k := range 2 { // the second half is of both
					at := start.Add(time.Duration(n) * time.Minute)
					s.addOne(t, line("/srv/x", at, 100+n+1000*i*k))
				}
				assert.NoError(t, s.Flush(context.Background()))
			}
		})
	}
	both.Wait()
	n := 0
	require.NoError(t, a.db.QueryRow("SELECT sum(count) FROM bucket WHERE width = 20").Scan(&n))
	assert.Equal(t, 40, n)
}

// addOne adds the denial of a line.
func (s *Store) addOne(t testing.TB, log string) {
	session := explain.NewSession(nil, explain.Filter{})
	session.Counted = func(c explain.Counted) { assert.NoError(t, s.Add(context.Background(), c)) }
	denials, _ := parser.Scan(nil, parser.Block{File: "audit.log", Body: []byte(log)})
	session.Add(denials[0])
}

func TestRetention(t *testing.T) {
	s, _ := openNew(t)
	var log string
	var times []time.Time
	for i := range 1500 {
		at := start.Add(time.Duration(i) * time.Hour)
		times = append(times, at)
		log += line(fmt.Sprintf("/srv/%d", i/500), at, 1+i)
	}
	appendLog(t, s, log)
	require.NoError(t, s.Retain(context.Background(), start.Add(600*time.Hour), 0))
	all := read(t, s, Range{})
	require.Len(t, all.Findings, 2)
	want := 0
	cut := floor(start.Add(600*time.Hour).UnixMilli(), widths[0])
	for _, at := range times {
		if at.Unix() >= cut {
			want++
		}
	}
	assert.Equal(t, want, all.Summary.Denials)
	assert.Equal(t, want, total(t, s, Range{Since: start}))
	require.Len(t, all.Notices, 1)
	assert.Contains(t, all.Notices[0].Text, "was dropped")

	used, err := s.size(context.Background())
	require.NoError(t, err)
	require.NoError(t, s.Retain(context.Background(), time.Time{}, used*9/10))
	now, err := s.size(context.Background())
	require.NoError(t, err)
	assert.LessOrEqual(t, now, used*9/10)
	assert.Less(t, total(t, s, Range{}), want)
	assert.NotZero(t, total(t, s, Range{}), "the newest stays")
}

func TestDamage(t *testing.T) {
	log := line("/srv/x", start, 7)
	for what, spoil := range map[string]func(text []byte) []byte{
		"a page":     func(text []byte) []byte { copy(text[4096*2:], bytes.Repeat([]byte{0xfe}, 4096)); return text },
		"the end":    func(text []byte) []byte { return text[:len(text)/2] },
		"all but 60": func(text []byte) []byte { return text[:60] },
	} {
		t.Run(what, func(t *testing.T) {
			ctx := context.Background()
			s, name := openNew(t)
			appendLog(t, s, log)
			require.NoError(t, s.Close(ctx))
			text, err := os.ReadFile(name)
			require.NoError(t, err)
			text = spoil(text)
			require.NoError(t, os.WriteFile(name, text, 0o600))
			s, aside, err := Open(ctx, name)
			require.NoError(t, err)
			defer s.Close(ctx)
			require.Equal(t, name+".damaged", aside)
			kept, err := os.ReadFile(aside)
			require.NoError(t, err)
			assert.Equal(t, text, kept, "not a byte of it is changed")
			assert.Zero(t, total(t, s, Range{}))
		})
	}
}

func TestNoStore(t *testing.T) {
	name := filepath.Join(t.TempDir(), "audit.log")
	require.NoError(t, os.WriteFile(name, []byte(line("/srv/x", start, 7)), 0o644))
	_, aside, err := Open(context.Background(), name)
	require.ErrorContains(t, err, "not a store")
	assert.Empty(t, aside)
	_, err = OpenToRead(context.Background(), name)
	require.ErrorContains(t, err, "not a store")
}

func TestNewerSchema(t *testing.T) {
	s, name := openNew(t)
	_, err := s.db.Exec("PRAGMA user_version = 99")
	require.NoError(t, err)
	require.NoError(t, s.Close(context.Background()))
	_, _, err = Open(context.Background(), name)
	require.ErrorContains(t, err, "schema version 99")
	_, err = OpenToRead(context.Background(), name)
	require.ErrorContains(t, err, "schema version 99")
}

// TestHostileNames keeps names that are statements, and what looks like a secret not at all.
func TestHostileNames(t *testing.T) {
	s, name := openNew(t)
	log := strings.ReplaceAll(line("/srv/'); DROP TABLE seen; --", start, 7), `comm="nginx"`, `comm="'||x'"`) +
		line("/srv/ghp_abcdefghijklmnopqrstuvwxyz0123456789", start, 8)
	appendLog(t, s, log)
	all := read(t, s, Range{})
	require.Len(t, all.Findings, 2)
	assert.Equal(t, "'||x'", all.Findings[0].Programs[0].Name)
	require.NoError(t, s.Close(context.Background()))
	text, err := os.ReadFile(name)
	require.NoError(t, err)
	assert.NotContains(t, string(text), "abcdefghijklmnopqrstuvwxyz0123456789")
}

// A log that does not say its node is of this host, also after that got another name: what is read
// again counts once.
func TestRenamedNode(t *testing.T) {
	ctx := context.Background()
	s, _, err := Open(ctx, filepath.Join(t.TempDir(), "agent.db"))
	require.NoError(t, err)
	defer s.Close(ctx)
	log := line("/srv/a", start, 1) + line("/srv/a", start, 2)
	s.Node = "old"
	appendLog(t, s, log)
	s.Node = "new"
	appendLog(t, s, log+line("/srv/a", start.Add(time.Second), 3))
	appendLog(t, s, "node=other "+line("/srv/a", start, 1)) // which is another host's
	groups, _, err := s.Groups(ctx, Range{}, "node", nil)
	require.NoError(t, err)
	counts := map[string]int{}
	for _, g := range groups {
		counts[g.Key] = g.Count
	}
	assert.Equal(t, map[string]int{"old": 2, "new": 1, "other": 1}, counts)
}

// A file that is removed while it is open takes what is written to it along.
func TestIsThere(t *testing.T) {
	ctx := context.Background()
	name := filepath.Join(t.TempDir(), "agent.db")
	s, _, err := Open(ctx, name)
	require.NoError(t, err)
	defer s.Close(ctx)
	require.NoError(t, s.IsThere())
	require.NoError(t, os.Rename(name, name+".old"))
	assert.ErrorIs(t, s.IsThere(), os.ErrNotExist)
	require.NoError(t, os.WriteFile(name, nil, 0o600))
	assert.ErrorContains(t, s.IsThere(), "another file was put in its place")
}
