package store

import (
	"context"
	"database/sql"
	"time"

	"github.com/whydenied/whydenied/explain/report"
)

// Lose keeps that records are known to be missing. Of what begins at the same time the
// greatest count stands, so that a log that is appended twice counts once.
func (s *Store) Lose(ctx context.Context, kind string, first, last time.Time, count int, said string) error {
	return s.within(ctx, func(tx *sql.Tx) error { return s.lose(ctx, tx, kind, millis(first), millis(last), count, said) })
}

func (s *Store) lose(ctx context.Context, tx *sql.Tx, kind string, first, last int64, count int, said string) error {
	w := &writer{ctx: ctx, tx: tx, boot: s.Boot, sources: map[string]int64{}, nodes: map[int64]string{}}
	source, err := w.source(s.Node)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO loss (source, kind, first, last, count, said) VALUES (?, ?, ?, ?, ?, ?)
		ON CONFLICT DO UPDATE SET last = max(last, excluded.last), count = max(count, excluded.count)`, source, kind, first, last, count, plain(said))
	return err
}

// Missing keeps what a summary says is missing from a log.
func (s *Store) Missing(ctx context.Context, sum *report.Summary) error {
	return s.within(ctx, func(tx *sql.Tx) error {
		for kind, count := range missing {
			if n := *count(&sum.Missing); n > 0 {
				if err := s.lose(ctx, tx, kind, millisOf(sum.First), millisOf(sum.Last), n, ""); err != nil {
					return err
				}
			}
		}
		return nil
	})
}
