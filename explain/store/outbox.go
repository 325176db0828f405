package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"time"

	"github.com/whydenied/whydenied/explain/report"
)

// A Bucket is how often a finding came in a span of time, by one program in one container.
type Bucket struct {
	Node, Boot  string
	Made        time.Time // when the store began to count
	Finding     *report.Finding
	Container   report.Counted // the zero value if it is not known
	Created     time.Time      // when the container was; zero if that is not known
	Program     string         // "" if it is not known
	Start       time.Time      // of the span; zero of denials without a time
	Width       time.Duration  // of the span
	First, Last time.Time
	Count       int

	source, container int64
}

// Unsent returns the buckets of which Arrived was not told, for a receiver, as they are now: the
// oldest first, at most so many, and how many more there are. A finding that is not
// explained yet waits.
func (s *Store) Unsent(ctx context.Context, receiver string, most int) (list []Bucket, more int, err error) {
	err = s.within(ctx, func(tx *sql.Tx) error {
		var made int64
		if err := tx.QueryRowContext(ctx, `SELECT min(at) FROM made`).Scan(&made); err != nil {
			return err
		}
		rows, err := tx.QueryContext(ctx, `SELECT b.at, b.finding, b.source, b.container, b.program, b.count, b.first, b.last,
				source.node, source.boot, ifnull(c.name, ''), ifnull(c.container, ''), ifnull(c.image, ''), ifnull(c.made, 0), f.explained, count(*) OVER ()
			FROM bucket b JOIN finding f ON f.id = b.finding AND f.explained IS NOT NULL JOIN source ON source.id = b.source
			LEFT JOIN container c ON c.id = b.container
			LEFT JOIN arrived a ON a.receiver = ? AND a.at = b.at AND a.finding = b.finding AND a.source = b.source AND a.container = b.container AND a.program = b.program
			WHERE b.width = ? AND b.count > ifnull(a.count, 0) ORDER BY b.at, b.finding LIMIT ?`, receiver, widths[0], most)
		if err != nil {
			return err
		}
		defer rows.Close()
		known := map[string]*report.Finding{}
		for rows.Next() {
			b := Bucket{Made: timeOf(made), Width: time.Second << widths[0]}
			var at, first, last, created int64
			var id, text string
			var all int
			if err := rows.Scan(&at, &id, &b.source, &b.container, &b.Program, &b.Count, &first, &last,
				&b.Node, &b.Boot, &b.Container.Name, &b.Container.ID, &b.Container.Image, &created, &text, &all); err != nil {
				return err
			}
			if known[id] == nil {
				known[id] = new(report.Finding)
				if err := json.Unmarshal([]byte(text), known[id]); err != nil {
					return err
				}
			}
			b.Finding, b.Start, b.First, b.Last, b.Created = known[id], timeOf(at*1000), timeOf(first), timeOf(last), timeOf(created)
			list, more = append(list, b), all-most
		}
		return rows.Err()
	})
	return list, max(more, 0), err
}

// Arrived says that a receiver has buckets of Unsent.
func (s *Store) Arrived(ctx context.Context, receiver string, list []Bucket) error {
	return s.within(ctx, func(tx *sql.Tx) error {
		put, err := tx.PrepareContext(ctx, `INSERT INTO arrived (receiver, at, finding, source, container, program, count) VALUES (?, ?, ?, ?, ?, ?, ?)
			ON CONFLICT DO UPDATE SET count = max(count, excluded.count)`)
		if err != nil {
			return err
		}
		defer put.Close()
		for _, b := range list {
			if _, err := put.ExecContext(ctx, receiver, millis(b.Start)/1000, b.Finding.ID, b.source, b.container, b.Program, b.Count); err != nil {
				return err
			}
		}
		return nil
	})
}

// Reached returns from when on what a log has may not be in the store: the earliest time of what
// was written last, as a clock may have been set back since the latest; before anything
// was written, when somebody began to look. It is the zero time if neither is known.
func (s *Store) Reached(ctx context.Context) (time.Time, error) {
	var ms sql.NullInt64
	err := s.db.QueryRowContext(ctx, `SELECT ifnull((SELECT max(at) FROM reached), (SELECT min(first) FROM span))`).Scan(&ms)
	return timeOf(ms.Int64), damaged(err)
}

// since returns rows for a fleet's database, each behind the cluster: those of a statement of
// which the first column is the latest time of the row, from a time on. newest is the
// greatest of these.
func (s *Store) since(ctx context.Context, statement string, from int64, cluster string) (list [][]any, newest int64, err error) {
	rows, err := s.db.QueryContext(ctx, statement, from)
	if err != nil {
		return nil, 0, damaged(err)
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		return nil, 0, err
	}
	for rows.Next() {
		row, to := make([]any, len(columns)), make([]any, len(columns))
		for i := range row {
			to[i] = &row[i]
		}
		if err := rows.Scan(to...); err != nil {
			return nil, 0, damaged(err)
		}
		last, _ := row[0].(int64)
		newest = max(newest, last)
		row[0] = cluster
		list = append(list, row)
	}
	return list, newest, damaged(rows.Err())
}
