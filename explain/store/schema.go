package store

import (
	"context"
	"database/sql"
	"fmt"
)

// migrations make the schema of one version of that before; the first makes the first of
// an empty file. Those that were released are not changed.
//
// Times are milliseconds since 1970 but for at, the seconds at which a bucket begins. A
// bucket's width is one of widths: those of each are the sums of those of the next
// narrower. The narrowest are the sums of what seen has, which holds each denial's
// position; sequence is its serial>>16, so that a row is bounded.
var migrations = []string{
	`CREATE TABLE source ( -- a boot of a node, as far as the log or the host says
		id INTEGER PRIMARY KEY, node TEXT NOT NULL, boot TEXT NOT NULL,
		UNIQUE (node, boot)) STRICT;
	CREATE TABLE container ( -- 0 is none that is known
		id INTEGER PRIMARY KEY, name TEXT NOT NULL, container TEXT NOT NULL, image TEXT NOT NULL,
		repository TEXT NOT NULL, made INTEGER NOT NULL, -- 0 if that is not known
		UNIQUE (name, container, image)) STRICT;
	CREATE TABLE finding (
		id TEXT PRIMARY KEY, id_version INTEGER NOT NULL,
		first INTEGER NOT NULL, last INTEGER NOT NULL, mode TEXT NOT NULL,
		profile TEXT NOT NULL DEFAULT '', cause TEXT NOT NULL DEFAULT '', layer TEXT NOT NULL DEFAULT '',
		workload TEXT NOT NULL DEFAULT '', message TEXT NOT NULL DEFAULT '',
		explained TEXT) STRICT, WITHOUT ROWID; -- JSON as of package report, NULL until it is explained
	CREATE TABLE seen (
		finding TEXT NOT NULL, at INTEGER NOT NULL, sequence INTEGER NOT NULL, source INTEGER NOT NULL,
		container INTEGER NOT NULL, program TEXT NOT NULL,
		count INTEGER NOT NULL, positions BLOB NOT NULL,
		PRIMARY KEY (finding, at, sequence, source, container, program)) STRICT, WITHOUT ROWID;
	CREATE INDEX seen_at ON seen (at);
	CREATE TABLE bucket (
		width INTEGER NOT NULL, at INTEGER NOT NULL, finding TEXT NOT NULL, source INTEGER NOT NULL,
		container INTEGER NOT NULL, program TEXT NOT NULL,
		count INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,
		PRIMARY KEY (width, at, finding, source, container, program)) STRICT, WITHOUT ROWID;
	CREATE TABLE policy ( -- a version of the rules that decided a finding
		hash TEXT PRIMARY KEY, name TEXT NOT NULL, rules TEXT NOT NULL) STRICT, WITHOUT ROWID;
	CREATE TABLE decided (
		finding TEXT NOT NULL, policy TEXT NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,
		PRIMARY KEY (finding, policy)) STRICT, WITHOUT ROWID;
	CREATE TABLE loss ( -- what is known to be missing between two times
		source INTEGER NOT NULL, kind TEXT NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,
		count INTEGER NOT NULL, said TEXT NOT NULL,
		PRIMARY KEY (source, kind, first)) STRICT, WITHOUT ROWID;
	CREATE TABLE dropped (before INTEGER NOT NULL) STRICT; -- the time that retention has cut at
	CREATE VIEW denial AS SELECT node, boot, finding, width, at, name, container.container, image, program, count, first, last
		FROM bucket JOIN source ON source.id = bucket.source LEFT JOIN container ON container.id = bucket.container;`,
	`CREATE TABLE span ( -- a time for which a log or a watching command has what was logged
		source INTEGER NOT NULL, reader TEXT NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,
		PRIMARY KEY (source, reader, first)) STRICT, WITHOUT ROWID;
	CREATE TABLE answer ( -- of doctor, when a watch began
		source INTEGER NOT NULL, at INTEGER NOT NULL, name TEXT NOT NULL, status TEXT NOT NULL, found TEXT NOT NULL,
		PRIMARY KEY (source, at, name)) STRICT, WITHOUT ROWID;`,
	`CREATE TABLE arrived ( -- what a receiver has of the narrowest buckets
		at INTEGER NOT NULL, finding TEXT NOT NULL, source INTEGER NOT NULL,
		container INTEGER NOT NULL, program TEXT NOT NULL, count INTEGER NOT NULL,
		PRIMARY KEY (at, finding, source, container, program)) STRICT, WITHOUT ROWID;
	CREATE TABLE made (at INTEGER NOT NULL) STRICT; -- when counting began that receivers add up
	INSERT INTO made VALUES (CAST(unixepoch('subsec') * 1000 AS INTEGER));`,
	// Buckets of 2^18 seconds, so that a question is answered from fewer.
	`INSERT INTO bucket (width, at, finding, source, container, program, count, first, last)
		SELECT 18, at >> 18 << 18, finding, source, container, program, sum(count), min(first), max(last)
		FROM bucket WHERE width = 16 GROUP BY 2, 3, 4, 5, 6;`,
	// What tells that a denial was appended before, with another inventory.
	`ALTER TABLE finding ADD COLUMN bare TEXT NOT NULL DEFAULT ''; -- as of explain.Finding; '' if it is not known
	UPDATE finding SET bare = id WHERE workload = '';
	CREATE INDEX finding_bare ON finding (bare);`,
	`ALTER TABLE arrived RENAME TO arrived_at_one;
	CREATE TABLE arrived ( -- what each receiver has of the narrowest buckets
		receiver TEXT NOT NULL, at INTEGER NOT NULL, finding TEXT NOT NULL, source INTEGER NOT NULL,
		container INTEGER NOT NULL, program TEXT NOT NULL, count INTEGER NOT NULL,
		PRIMARY KEY (receiver, at, finding, source, container, program)) STRICT, WITHOUT ROWID;
	INSERT INTO arrived SELECT 'otlp', * FROM arrived_at_one;
	DROP TABLE arrived_at_one;
	CREATE TABLE reached (at INTEGER NOT NULL) STRICT; -- the earliest time of what was written last
	INSERT INTO reached SELECT max(last) FROM bucket WHERE width = 12 HAVING count(*) > 0;`,
}

// widths are those of buckets in powers of two of seconds, as explain.Times has them: 68
// minutes, 18 hours, 3 days and 12 days.
var widths = []uint{12, 16, 18, 20}

// checkVersion refuses a store of another version of the schema.
func (s *Store) checkVersion(ctx context.Context) error {
	var version int
	if err := s.db.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version); err != nil {
		return err
	}
	switch {
	case version > len(migrations):
		return newer(version)
	case version < len(migrations):
		return fmt.Errorf("a store of schema version %d, which is brought to %d when it is next appended to: by explain, watch or run --store", version, len(migrations))
	}
	return nil
}

func newer(version int) error {
	return fmt.Errorf("a store of schema version %d, this program knows up to %d; use the version of whydenied that wrote it", version, len(migrations))
}

// migrate brings the schema to the newest version, all of it or nothing.
func (s *Store) migrate(ctx context.Context) error {
	changed := false
	err := s.within(ctx, func(tx *sql.Tx) error {
		var version, of, tables int
		for query, to := range map[string]*int{"PRAGMA user_version": &version, "PRAGMA application_id": &of, "SELECT count(*) FROM sqlite_schema": &tables} {
			if err := tx.QueryRowContext(ctx, query).Scan(to); err != nil {
				return err
			}
		}
		switch {
		case of != application && (of != 0 || tables > 0):
			return errNoStore
		case version > len(migrations):
			return newer(version)
		case version == len(migrations):
			return nil
		}
		for _, step := range migrations[version:] {
			if _, err := tx.ExecContext(ctx, step); err != nil {
				return fmt.Errorf("bringing the schema up to date: %w", err)
			}
		}
		changed = true
		_, err := tx.ExecContext(ctx, fmt.Sprintf("PRAGMA user_version = %d; PRAGMA application_id = %d", len(migrations), application))
		return err
	})
	if err == nil && changed { // so that the file begins with the mark
		_, err = s.db.ExecContext(ctx, "PRAGMA wal_checkpoint")
	}
	return err
}
