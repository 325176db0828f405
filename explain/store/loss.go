package store

import (
	"context"
	"database/sql"
	"time"

	"github.com/whydenied/whydenied/explain/host"
	"github.com/whydenied/whydenied/explain/report"
)

// Lose keeps that records are known to be missing. Of what is of a kind and begins at the same
// time the greatest count stands, so that a log that is appended twice counts once.
func (s *Store) Lose(ctx context.Context, kind string, first, last time.Time, count int, said string) error {
	return s.ofSource(ctx, `INSERT INTO loss (source, kind, first, last, count, said) VALUES (?, ?, ?, ?, ?, ?)
		ON CONFLICT DO UPDATE SET last = max(last, excluded.last), count = max(count, excluded.count)`, kind, millis(first), millis(last), count, plain(said))
}

// Missing keeps what a summary says is missing from a log.
func (s *Store) Missing(ctx context.Context, sum *report.Summary) error {
	first, _ := time.Parse(time.RFC3339Nano, sum.First)
	last, _ := time.Parse(time.RFC3339Nano, sum.Last)
	for kind, count := range missing {
		if n := *count(&sum.Missing); n > 0 {
			if err := s.Lose(ctx, kind, first, last, n, ""); err != nil {
				return err
			}
		}
	}
	return nil
}

// Look keeps that a reader has what was logged from a time to another. A later call with the
// same beginning lengthens it.
func (s *Store) Look(ctx context.Context, reader string, first, last time.Time) error {
	return s.ofSource(ctx, `INSERT INTO span (source, reader, first, last) VALUES (?, ?, ?, ?)
		ON CONFLICT DO UPDATE SET last = max(last, excluded.last)`, plain(reader), millis(first), millis(last))
}

// Answer keeps what doctor said at a time.
func (s *Store) Answer(ctx context.Context, at time.Time, answers []host.Answer) error {
	for _, a := range answers {
		if err := s.ofSource(ctx, `INSERT INTO answer (source, at, name, status, found) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
			millis(at), a.Name, string(a.Status), plain(a.Found)); err != nil {
			return err
		}
	}
	return nil
}

// ofSource runs a statement of which the first argument is the source of this store.
func (s *Store) ofSource(ctx context.Context, statement string, args ...any) error {
	return s.within(ctx, func(tx *sql.Tx) error {
		w := &writer{ctx: ctx, tx: tx, boot: s.Boot, sources: map[string]int64{}, nodes: map[int64]string{}}
		source, err := w.source(s.Node)
		if err == nil {
			_, err = tx.ExecContext(ctx, statement, append([]any{source}, args...)...)
		}
		return err
	})
}
