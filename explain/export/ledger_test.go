package export_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/whydenied/whydenied/explain/export"
	"github.com/whydenied/whydenied/explain/report"
)

// A receiver counts as the package says: the largest count of each key, and then the sum.
type receiver map[string]uint64

func (r receiver) take(rows []export.Row) {
	for _, one := range rows {
		key := fmt.Sprint(one.Node, one.Run, one.Finding.ID, one.Start, one.Width)
		r[key] = max(r[key], one.Count)
	}
}

func (r receiver) sum() (n uint64) {
	for _, count := range r {
		n += count
	}
	return n
}

// What arrives is what was counted, whatever is lost, sent twice or overtaken on the way.
func TestLedgerCountsExactly(t *testing.T) {
	for seed := range uint64(200) {
		random := rand.New(rand.NewPCG(seed, 1))
		now := at
		l := export.NewLedger("node-1", "b", 40, now)
		got, counts, dropped, truth := receiver{}, map[string]int{}, 0, 0
		var late [][]export.Row
		for range 300 {
			now = now.Add(time.Duration(random.IntN(100)) * time.Second)
			id, n := fmt.Sprint(random.IntN(12)), 1+random.IntN(20)
			when := report.Time(now.Add(-time.Duration(random.IntN(30)) * time.Second))
			if counts[id] += n; counts[id] == n {
				l.Take(report.Message{Finding: row(func(f *report.Finding) { f.ID, f.Count, f.Last = id, n, when }).Finding}, now)
			} else {
				l.Take(report.Message{Repeat: &report.Repeat{ID: id, Count: counts[id], Last: when}}, now)
			}
			truth += n
			if random.IntN(3) > 0 {
				continue
			}
			rows, _ := l.Next(1 + random.IntN(30))
			switch random.IntN(4) {
			case 0: // the receiver is away
			case 1: // it has them, and we do not know it
				got.take(rows)
			case 2: // they are overtaken by what is sent after
				late = append(late, rows)
				l.Arrived(rows, now)
			default:
				got.take(rows)
				l.Arrived(rows, now)
			}
			dropped += l.Dropped()
		}
		for _, rows := range late {
			got.take(rows)
		}
		for {
			rows, _ := l.Next(100)
			if len(rows) == 0 {
				break
			}
			got.take(rows)
			l.Arrived(rows, now)
		}
		dropped += l.Dropped()
		// What was dropped may have arrived before without our knowing: that is said as
		// dropped, so that the sum is never more than was.
		assert.LessOrEqual(t, got.sum(), uint64(truth), "seed %d", seed)
		assert.GreaterOrEqual(t, got.sum()+uint64(dropped), uint64(truth), "seed %d", seed)
	}
}

// While the receiver is away, rows become of hours before any is dropped.
func TestLedgerMergesBeforeItDrops(t *testing.T) {
	l := export.NewLedger("node-1", "b", 100, at)
	for i := range 600 {
		l.Take(report.Message{Finding: row(func(f *report.Finding) {
			f.ID, f.Count, f.Last = "one", i+1, report.Time(at.Add(time.Duration(i)*time.Minute))
		}).Finding}, at)
	}
	rows, more := l.Next(1000)
	require.Zero(t, more)
	assert.Less(t, len(rows), 100)
	assert.Zero(t, l.Dropped())
	got := receiver{}
	got.take(rows)
	assert.EqualValues(t, 600, got.sum())

	for i := range 1000 {
		l.Take(report.Message{Finding: row(func(f *report.Finding) { f.ID, f.Count, f.Last = fmt.Sprint(i), 1, report.Time(at) }).Finding}, at)
	}
	rows, _ = l.Next(10000)
	assert.LessOrEqual(t, len(rows), 100)
	assert.NotZero(t, l.Dropped())
}

// A row that is not sent in full is sent again, and one that has arrived is not.
func TestLedgerSendsWhatGrew(t *testing.T) {
	l := export.NewLedger("node-1", "b", 100, at)
	f := row(func(f *report.Finding) { f.Count, f.Last = 2, report.Time(at) }).Finding
	l.Take(report.Message{Finding: f}, at)
	rows, _ := l.Next(10)
	require.Len(t, rows, 1)
	assert.EqualValues(t, 2, rows[0].Count)
	l.Take(report.Message{Repeat: &report.Repeat{ID: f.ID, Count: 5, Last: report.Time(at)}}, at)
	l.Arrived(rows, at)
	rows, _ = l.Next(10)
	require.Len(t, rows, 1)
	assert.EqualValues(t, 5, rows[0].Count, "in all of the minute, not since")
	l.Arrived(rows, at)
	rows, _ = l.Next(10)
	assert.Empty(t, rows)
	assert.Empty(t, f.Fixes)
	l.Take(report.Message{Repeat: &report.Repeat{ID: "unknown", Count: 5}}, at)
	rows, _ = l.Next(10)
	assert.Empty(t, rows)
}
