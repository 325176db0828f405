// Package store keeps findings over time in an SQLite file: what was found, when it came in
// buckets of time, in which containers, under which policy, and what is known to be missing.
//
// A denial is known by its position: its node, its time to the millisecond and its serial,
// which the kernel gives no other event of the same boot. What is appended twice, by the
// same log or by another that has the same records, counts once. What Flush returned for
// without an error outlives the end of the process and a loss of power.
//
// Names are parameters of statements and never their text. What is kept of containers and
// programs is valid UTF-8 and without what looks like a secret, as that of package report.
//
// A Store is safe for concurrent use, and several processes may append to one file: a call
// waits for another's for up to 30 seconds. Errors of all name what could not be done, and
// are ErrDamaged where the file is; Report, which is of any file, names it too.
package store

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"time"

	"modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"

	"github.com/whydenied/whydenied/rules/disk"
)

// A Store is a file of findings that is open.
type Store struct {
	name string // of the file, without links
	info os.FileInfo
	db   *sql.DB

	mu      sync.Mutex // of what is not yet written
	pending map[pendingKey]*pendingRow
	held    int // positions in it
	dropped int // denials that had not arrived, since Dropped was asked

	// Of denials whose log says none, "" if not known. They are set before the first call.
	Node, Boot string

	Receivers []string // for which Retain counts what it drops unsent
}

// magic is how an SQLite file begins (https://www.sqlite.org/fileformat.html), and
// application marks one as a store, in the four bytes from offset 68 on: "why!".
const (
	magic       = "SQLite format 3\x00"
	application = 0x77687921
)

// IsStore reports whether the first bytes of a file, a hundred or more, are those of a
// store.
func IsStore(head []byte) bool {
	return len(head) >= 72 && isSQLite(head) && bytes.Equal(head[68:72], []byte("why!"))
}

// ErrDamaged is the error for a store that cannot be read as one any more.
var ErrDamaged = errors.New("the store is damaged; move it away, and append the logs to a new one")

// Open opens a store to append to, and makes it if there is none. One that is damaged gets
// another name, which is returned with the new one: nothing of it is lost by that. A file
// that is no store, or one of a newer version, is an error, and so is a directory in which
// others could replace the file.
func Open(ctx context.Context, name string) (s *Store, aside string, err error) {
	real, err := disk.Keep(name)
	if err != nil {
		return nil, "", fmt.Errorf("cannot keep a store there: %w", err)
	}
	if err := checkHead(real, name); err != nil {
		return nil, "", err
	}
	s, err = open(ctx, real, "rwc")
	if errors.Is(err, ErrDamaged) {
		if aside, err = disk.SetAside(real, "damaged", "-wal", "-shm"); err != nil {
			return nil, "", fmt.Errorf("%s: %w, and cannot be set aside: %w", name, ErrDamaged, err)
		}
		if real, err = disk.Keep(name); err != nil {
			return nil, aside, err
		}
		s, err = open(ctx, real, "rwc")
	}
	if err != nil {
		return nil, aside, fmt.Errorf("%s: %w", name, err)
	}
	return s, aside, nil
}

// OpenToRead opens a store that is there. It is not changed: one of an older version, or one
// that is damaged, is an error.
func OpenToRead(ctx context.Context, name string) (*Store, error) {
	if err := checkHead(name, name); err != nil {
		return nil, err
	}
	real, err := filepath.Abs(name)
	if err != nil {
		return nil, err
	}
	s, err := open(ctx, real, "ro")
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return s, nil
}

// checkHead refuses a file that is neither a store nor empty. One that has lost its end
// is damaged, which opening it tells.
func checkHead(real, name string) error {
	f, err := disk.Open(real)
	if err != nil {
		return err
	}
	defer f.Close()
	head := make([]byte, 100)
	n, _ := io.ReadFull(f, head)
	// One that another process is about to make has no mark yet, which migrate asks for again.
	isOurs := IsStore(head) || isSQLite(head) && bytes.Equal(head[68:72], make([]byte, 4))
	isCut := n < len(head) && isSQLite(head[:n])
	if n > 0 && !isOurs && !isCut {
		return fmt.Errorf("%s: %w; name another file, or move this one away", name, errNoStore)
	}
	return nil
}

var errNoStore = errors.New("not a store of whydenied")

// isSQLite reports whether what is there of a file's beginning is SQLite's.
func isSQLite(head []byte) bool {
	return bytes.HasPrefix([]byte(magic), head[:min(len(head), len(magic))])
}

// maxChecked is the size of the largest store that is checked whole when it is opened to
// append to, in bytes. Of a larger one the two tables that make it large are not, which
// would take seconds: what is wrong with them is told by what reads it.
var maxChecked int64 = 32 << 20

// check returns an error of a store that is damaged.
func (s *Store) check(ctx context.Context, size int64) error {
	if size == 0 {
		return nil
	}
	statement := "PRAGMA quick_check(1)"
	if size > maxChecked {
		statement = `SELECT quick_check FROM sqlite_schema, pragma_quick_check(name) WHERE type = 'table' AND name NOT IN ('seen', 'bucket') ORDER BY quick_check = 'ok' LIMIT 1`
	}
	var found string
	if err := s.db.QueryRowContext(ctx, statement).Scan(&found); err != nil {
		if errors.Is(err, sql.ErrNoRows) { // it has no tables yet
			return nil
		}
		return err
	}
	if found != "ok" {
		return fmt.Errorf("%w: %s", ErrDamaged, found)
	}
	return nil
}

// open opens a file in one of SQLite's modes, rwc or ro.
func open(ctx context.Context, real, mode string) (*Store, error) {
	options := url.Values{"mode": {mode}, "_pragma": {"busy_timeout(30000)", "trusted_schema(0)", "cell_size_check(1)", "synchronous(full)", "temp_store(memory)"}}
	if mode != "ro" {
		options.Set("_txlock", "immediate")
	}
	db, err := sql.Open("sqlite", (&url.URL{Scheme: "file", Path: real, RawQuery: options.Encode()}).String())
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1) // a second would wait for the first
	s := &Store{name: real, db: db, pending: map[pendingKey]*pendingRow{}}
	if mode == "ro" {
		err = s.checkVersion(ctx)
	} else {
		err = s.prepare(ctx)
	}
	if err == nil {
		s.info, err = os.Stat(real)
	}
	if err != nil {
		db.Close()
		return nil, damaged(err)
	}
	return s, nil
}

// IsThere returns an error if the file was removed or another was put in its place: what is
// written from then on nobody else sees, and it ends with the process.
func (s *Store) IsThere() error {
	info, err := os.Stat(s.name)
	if err == nil && !os.SameFile(info, s.info) {
		err = fmt.Errorf("%s: another file was put in its place", s.name)
	}
	return err
}

// prepare checks a store that is to be appended to, and brings its schema up to date. It
// changes nothing of one that is damaged.
func (s *Store) prepare(ctx context.Context) error {
	info, err := os.Stat(s.name)
	if err != nil {
		return err
	}
	if err := s.check(ctx, info.Size()); err != nil {
		return err
	}
	if info.Size() == 0 { // later it is what it is
		if _, err := s.db.ExecContext(ctx, "PRAGMA auto_vacuum = incremental"); err != nil {
			return err
		}
	}
	if _, err := s.db.ExecContext(ctx, "PRAGMA journal_mode = wal"); err != nil {
		return err
	}
	return s.migrate(ctx)
}

// damaged makes an error of SQLite's that says so ErrDamaged.
func damaged(err error) error {
	var e *sqlite.Error
	if errors.As(err, &e) && !errors.Is(err, ErrDamaged) {
		switch e.Code() & 0xff {
		case lib.SQLITE_CORRUPT, lib.SQLITE_NOTADB:
			return fmt.Errorf("%w: %w", ErrDamaged, err)
		}
	}
	return err
}

// Close writes what is held and closes the store, also where writing fails.
func (s *Store) Close(ctx context.Context) error {
	return errors.Join(s.Flush(ctx), s.db.Close())
}

// within calls do in a transaction, which is written if do returns nil.
func (s *Store) within(ctx context.Context, do func(tx *sql.Tx) error) error {
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return damaged(err)
	}
	if err := do(tx); err != nil {
		return damaged(errors.Join(err, tx.Rollback()))
	}
	return damaged(tx.Commit())
}

// millis is a time as the store has it, 0 for the zero time.
func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// timeOf is the time of what millis returned.
func timeOf(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}
