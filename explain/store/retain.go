package store

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"time"
)

// Retain drops what came before a time, unless that is zero, and then the oldest until the
// store has at most so many bytes, unless size is 0. The time before which something was
// dropped is kept, and told by Report. It is cut where a narrowest bucket begins.
func (s *Store) Retain(ctx context.Context, before time.Time, size int64) error {
	if !before.IsZero() {
		if err := s.drop(ctx, floor(millis(before), widths[0])); err != nil {
			return err
		}
	}
	for size > 0 {
		used, err := s.size(ctx)
		if err != nil || used <= size {
			return err
		}
		var oldest, newest sql.NullInt64
		if err := s.db.QueryRowContext(ctx, `SELECT min(at), max(at) FROM seen`).Scan(&oldest, &newest); err != nil {
			return damaged(err)
		}
		if !oldest.Valid || oldest.Int64 == newest.Int64 {
			return nil // what is of now stays
		}
		// A sixteenth of the time at once, so that few steps do.
		step := max((newest.Int64-oldest.Int64)/16, 1)
		if err := s.drop(ctx, min(floor((oldest.Int64+step)*1000, widths[0])+1<<widths[0], newest.Int64)); err != nil {
			return err
		}
	}
	return nil
}

// size returns how many bytes of the file are in use.
func (s *Store) size(ctx context.Context) (int64, error) {
	var pages, free, size int64
	for pragma, to := range map[string]*int64{"page_count": &pages, "freelist_count": &free, "page_size": &size} {
		if err := s.db.QueryRowContext(ctx, "PRAGMA "+pragma).Scan(to); err != nil {
			return 0, damaged(err)
		}
	}
	return (pages - free) * size, nil
}

// drop drops what came before at, in seconds.
func (s *Store) drop(ctx context.Context, at int64) error {
	unsent := 0
	err := s.within(ctx, func(tx *sql.Tx) error {
		var some bool
		if err := tx.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM seen WHERE at < ?)`, at).Scan(&some); err != nil || !some {
			return err
		}
		run := func(statement string, args ...any) (err error) {
			_, err = tx.ExecContext(ctx, statement, args...)
			return err
		}
		var err error
		if unsent, err = s.unsent(ctx, tx, at); err != nil {
			return err
		}
		if err := run(`DELETE FROM seen WHERE at < ?`, at); err != nil {
			return err
		}
		if err := dropBuckets(run, at); err != nil {
			return err
		}
		for _, statement := range []string{
			`DELETE FROM finding WHERE id NOT IN (SELECT finding FROM bucket)`,
			`DELETE FROM decided WHERE finding NOT IN (SELECT id FROM finding)`,
			`DELETE FROM policy WHERE hash NOT IN (SELECT policy FROM decided)`,
			`DELETE FROM container WHERE made < ?1 * 1000 AND id NOT IN (SELECT container FROM bucket)`,
			`DELETE FROM arrived WHERE at < ?1`,
			`DELETE FROM loss WHERE last < ?1 * 1000`,
			`DELETE FROM span WHERE last < ?1 * 1000`,
			`DELETE FROM answer WHERE at < ?1 * 1000`,
			`DELETE FROM dropped`,
			`INSERT INTO dropped (before) VALUES (?1 * 1000)`,
		} {
			if err := run(statement, at); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.dropped += unsent
	s.mu.Unlock()
	_, err = s.db.ExecContext(ctx, "PRAGMA incremental_vacuum")
	return damaged(err)
}

// dropBuckets drops the counts before at, in seconds. Of a wider bucket that reaches beyond, what
// is left is the sum of the narrower ones.
func dropBuckets(run func(statement string, args ...any) error, at int64) error {
	for i, width := range widths {
		cut := floor(at*1000, width)
		if err := run(`DELETE FROM bucket WHERE width = ? AND at < ?`, width, cut); err != nil {
			return err
		}
		if cut == at {
			continue
		}
		if err := run(`DELETE FROM bucket WHERE width = ? AND at = ?`, width, cut); err != nil {
			return err
		}
		if err := run(fmt.Sprintf(`INSERT INTO bucket (width, at, finding, source, container, program, count, first, last)
			SELECT %d, ?, finding, source, container, program, sum(count), min(first), max(last) FROM bucket
			WHERE width = %d AND at >= ? AND at < ? GROUP BY finding, source, container, program`, width, widths[i-1]), cut, floor(at*1000, widths[i-1]), cut+1<<width); err != nil {
			return err
		}
	}
	return nil
}

// unsent returns how many of the denials before at, in seconds, have not arrived at a receiver.
func (s *Store) unsent(ctx context.Context, tx *sql.Tx, at int64) (n int, err error) {
	for _, receiver := range s.Receivers {
		var of int
		err = cmp.Or(err, tx.QueryRowContext(ctx, `SELECT (SELECT ifnull(sum(count), 0) FROM bucket WHERE width = ? AND at < ?)
			- (SELECT ifnull(sum(count), 0) FROM arrived WHERE receiver = ? AND at < ?)`, widths[0], at, receiver, at).Scan(&of))
		n += of
	}
	return n, err
}

// Dropped returns how many denials were dropped before they arrived, added up over Receivers,
// since it was asked last.
func (s *Store) Dropped() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.dropped
	s.dropped = 0
	return n
}
