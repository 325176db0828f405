package export

import (
	"cmp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/whydenied/whydenied/explain/report"
)

// The spans of rows. Where too many rows wait, those of an hour become one.
const (
	span     = time.Minute
	longSpan = time.Hour
)

// A Ledger makes rows of what a watch reports, and keeps them until they have arrived. Its
// memory is bounded by the findings of the watch and the rows that may wait. It is safe
// for concurrent use.
type Ledger struct {
	about Row // node, boot and run of all rows
	room  int // for rows

	mu       sync.Mutex
	findings map[string]*seen
	rows     map[rowKey]*entry
	dropped  int // denials of rows that there was no room for, since Dropped was asked
}

// A seen is a finding and how many of its denials are in rows.
type seen struct {
	finding *report.Finding
	count   int
}

type rowKey struct {
	id    string
	start time.Time
	width time.Duration
}

// An entry is a row that waits, or may still grow.
type entry struct {
	Row
	arrived uint64 // the count that has arrived
	given   bool   // to be sent, so that it may have arrived
}

// NewLedger returns an empty ledger of a node and its boot, with room for some rows, of
// the run that begins now.
func NewLedger(node, boot string, room int, now time.Time) *Ledger {
	return &Ledger{about: Row{Node: node, Boot: boot, Run: now.UTC()}, room: room, findings: map[string]*seen{}, rows: map[rowKey]*entry{}}
}

// Take enters a message of a watch: a finding, or how often it came again. What has no
// time counts as of now.
func (l *Ledger) Take(message report.Message, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case message.Finding != nil:
		f := slim(message.Finding)
		if l.findings[f.ID] == nil {
			l.findings[f.ID] = &seen{finding: f}
		}
		l.enter(f.ID, f.Count, f.Last, now)
	case message.Repeat != nil:
		l.enter(message.Repeat.ID, message.Repeat.Count, message.Repeat.Last, now)
	}
}

// slim is a finding without what is not sent of it.
func slim(f *report.Finding) *report.Finding {
	s := *f
	s.Rules = slices.Clone(f.Rules[:min(len(f.Rules), 1)])
	s.Fixes, s.Notes, s.Serials, s.Times, s.Containers, s.Programs = nil, nil, nil, nil, nil, nil
	return &s
}

// enter counts the denials of a finding that are in no row yet.
func (l *Ledger) enter(id string, count int, last string, now time.Time) {
	s := l.findings[id]
	if s == nil || count <= s.count {
		return
	}
	at, err := time.Parse(time.RFC3339, last)
	if err != nil {
		at = now
	}
	r := l.about
	r.Finding, r.Count = s.finding, uint64(count-s.count)
	r.Start, r.Width, r.Last = at.UTC().Truncate(span), span, at.UTC()
	l.add(r)
	s.count = count
	if len(l.rows) > l.room {
		l.merge()
	}
}

func (l *Ledger) add(r Row) {
	key := rowKey{r.Finding.ID, r.Start, r.Width}
	e := l.rows[key]
	if e == nil {
		l.rows[key] = &entry{Row: r}
		return
	}
	e.Count += r.Count
	if r.Last.After(e.Last) {
		e.Last = r.Last
	}
}

// merge makes room: rows that were never given become rows of an hour, then the oldest of
// all are dropped, down to three quarters so that it is not done for each row. A row that
// was given may have arrived, so that its denials must stay in the row of that key.
func (l *Ledger) merge() {
	for key, e := range l.rows {
		if e.given || e.Width == longSpan {
			continue
		}
		delete(l.rows, key)
		e.Start, e.Width = e.Start.Truncate(longSpan), longSpan
		l.add(e.Row)
	}
	if len(l.rows) <= l.room*3/4 {
		return
	}
	for _, e := range l.oldest() {
		if len(l.rows) <= l.room*3/4 {
			return
		}
		l.dropped += int(e.Count - e.arrived)
		delete(l.rows, rowKey{e.Finding.ID, e.Start, e.Width})
	}
}

// oldest returns the rows, the oldest first.
func (l *Ledger) oldest() []*entry {
	list := make([]*entry, 0, len(l.rows))
	for _, e := range l.rows {
		list = append(list, e)
	}
	slices.SortFunc(list, func(a, b *entry) int {
		return cmp.Or(a.Start.Compare(b.Start), cmp.Compare(a.Width, b.Width), strings.Compare(a.Finding.ID, b.Finding.ID))
	})
	return list
}

// Next returns at most so many rows that have not arrived as they are now, the oldest
// first, and how many more wait.
func (l *Ledger) Next(most int) (rows []Row, more int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range l.oldest() {
		switch {
		case e.Count == e.arrived:
		case len(rows) == most:
			more++
		default:
			e.given = true
			rows = append(rows, e.Row)
		}
	}
	return rows, more
}

// Arrived says that rows of Next need not be sent again. A row of which the span is over
// is forgotten then, unless it has grown meanwhile.
func (l *Ledger) Arrived(rows []Row, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, r := range rows {
		key := rowKey{r.Finding.ID, r.Start, r.Width}
		if e := l.rows[key]; e != nil {
			e.arrived = max(e.arrived, r.Count)
		}
	}
	for key, e := range l.rows {
		if e.Count == e.arrived && now.Sub(e.Start) > e.Width+longSpan { // as records can be late
			delete(l.rows, key)
		}
	}
}

// Dropped returns how many denials were dropped since it was asked last.
func (l *Ledger) Dropped() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := l.dropped
	l.dropped = 0
	return n
}
