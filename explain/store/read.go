package store

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/whydenied/whydenied/explain/report"
)

// A Range is the denials from a time on and before another. A zero time is no bound. What
// has no time is in no range but the zero one.
type Range struct{ Since, Until time.Time }

// A kept is a finding of a range: its counts, and its text as JSON, nil if there is none.
type kept struct {
	report.Counts
	text []byte
}

// Report returns the findings with denials of a range as they are explained by now, with the
// counts of those denials, in the order in which they began. The summary counts them, and has
// what was missing meanwhile. An explanation that cannot be read is ErrDamaged.
func (s *Store) Report(ctx context.Context, r Range) (*report.Report, error) {
	all := &report.Report{}
	err := s.within(ctx, func(tx *sql.Tx) error { // so that all is of one moment
		sums, err := sumsOf(ctx, tx, r)
		if err != nil {
			return err
		}
		findings := map[string]*kept{}
		for id, sum := range sums {
			findings[id] = &sum.kept
		}
		if err := fill(all, findings); err != nil {
			return err
		}
		if err := losses(ctx, tx, r, all); err != nil {
			return err
		}
		v, err := s.view(ctx, tx, r)
		if err == nil {
			err = v.sightings(all.Findings)
		}
		if err == nil {
			all.Summary.Watched, err = v.watched(time.Now())
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.name, err)
	}
	return all, nil
}

// each calls row for each row that a statement gives.
func each(ctx context.Context, tx *sql.Tx, statement string, args []any, row func(scan func(...any) error) error) error {
	rows, err := tx.QueryContext(ctx, statement, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := row(rows.Scan); err != nil {
			return err
		}
	}
	return rows.Err()
}

// fill makes findings of what was read, in the order in which they began.
func fill(all *report.Report, findings map[string]*kept) error {
	order := slices.SortedFunc(maps.Keys(findings), func(a, b string) int {
		return cmp.Or(findings[a].First.Compare(findings[b].First), strings.Compare(a, b))
	})
	all.Summary = &report.Summary{}
	unexplained, denials := 0, 0
	for _, id := range order {
		f := findings[id]
		if len(f.text) == 0 {
			unexplained++
			denials += f.Count
			continue
		}
		var one report.Finding
		if err := json.Unmarshal(f.text, &one); err != nil {
			return fmt.Errorf("%w: finding %s: %w", ErrDamaged, id, err)
		}
		one = one.With(f.Counts)
		if first := one.First; all.Summary.First == "" {
			all.Summary.First = first
		}
		all.Summary.Last = max(all.Summary.Last, one.Last)
		all.Findings = append(all.Findings, one)
	}
	all.Recount()
	if unexplained > 0 {
		all.Notices = append(all.Notices, report.Notice{Kind: "unexplained", Count: denials, Text: fmt.Sprintf(
			"%d denials of %d findings were written and not explained, as the program was ended before that; append the log again", denials, unexplained)})
	}
	return nil
}

// missing says which count of a summary has the losses of a kind.
var missing = map[string]func(*report.Missing) *int{
	"serial_gaps":  func(m *report.Missing) *int { return &m.SerialGaps },
	"audit_lost":   func(m *report.Missing) *int { return &m.AuditLost },
	"suppressed":   func(m *report.Missing) *int { return &m.Suppressed },
	"rate_limited": func(m *report.Missing) *int { return &m.RateLimited },
	"backlog":      func(m *report.Missing) *int { return &m.Backlog },
	"failed":       func(m *report.Missing) *int { return &m.Failed },
	"messages":     func(m *report.Missing) *int { return &m.Messages },
	"auditd":       func(m *report.Missing) *int { return &m.Auditd },
}

// lose adds a count of losses: kind, count.
func lose(all *report.Report, scan func(...any) error) error {
	var kind string
	var n int
	if err := scan(&kind, &n); err != nil {
		return err
	}
	if count := missing[kind]; count != nil {
		*count(&all.Summary.Missing) += n
	} else {
		all.Notices = append(all.Notices, report.Notice{Kind: kind, Count: n, Text: fmt.Sprintf("%d records are known to be missing", n)})
	}
	return nil
}

// losses adds what was missing in a range, and what was dropped of it for its age.
func losses(ctx context.Context, tx *sql.Tx, r Range, all *report.Report) error {
	since, until := r.bounds()
	err := each(ctx, tx, `SELECT kind, sum(count) FROM loss WHERE last >= ? AND first < ? GROUP BY kind`, []any{since, until}, func(scan func(...any) error) error { return lose(all, scan) })
	if err != nil {
		return err
	}
	var before sql.NullInt64
	if err := tx.QueryRowContext(ctx, `SELECT max(before) FROM dropped`).Scan(&before); err != nil {
		return err
	}
	if before.Valid && since < before.Int64 {
		all.Notices = append(all.Notices, report.Notice{Kind: "dropped", Text: "what came before " + report.Time(timeOf(before.Int64)) + " was dropped, as the store keeps no more"})
	}
	return nil
}

// bounds returns a range in milliseconds.
func (r Range) bounds() (since, until int64) {
	since, until = millis(r.Since), millis(r.Until)
	if until == 0 {
		until = 1 << 52 // no year that people write
	}
	return since, until
}

// Made returns when the newest container of a name, an image, its repository or the
// beginning of an ID was made: as the engine says, or else when it was first refused
// something. It is the zero time if none is known.
func (s *Store) Made(ctx context.Context, name string) (time.Time, error) {
	var ms sql.NullInt64
	err := s.db.QueryRowContext(ctx, `SELECT max(CASE WHEN made > 0 THEN made ELSE (SELECT min(first) FROM bucket WHERE width = ?1 AND bucket.container = container.id) END)
		FROM container WHERE name = ?2 OR image = ?2 OR repository = ?2 OR length(?2) >= 6 AND substr(container, 1, length(?2)) = ?2`, widths[len(widths)-1], name).Scan(&ms)
	return timeOf(ms.Int64), damaged(err)
}
