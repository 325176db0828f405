package store

import (
	"context"
	"crypto/sha256"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/whydenied/whydenied/explain/container"
)

// A Fleet is the findings of many nodes in a ClickHouse database, which has the tables of
// deploy/clickhouse/schema.sql. What is sent to it twice counts once, whatever came
// between: a bucket's count only grows, and of each the greatest stands. It is safe for
// concurrent use.
type Fleet struct {
	Cluster string // that the node which sends is of; "" if it is of none

	name   string // host and database
	server *clickHouse

	mu   sync.Mutex
	sent map[string][sha256.Size]byte // what findings are explained by there, by ID
	told int64                        // up to when losses and the like were sent

	checked bool // whether the schema is one that is known
}

// IsFleet reports whether a name is a fleet's database and no file.
func IsFleet(name string) bool { return strings.HasPrefix(name, scheme) }

// OpenFleet returns the database at an address: clickhouse://USER@HOST:PORT/DATABASE, with
// ?password-file=FILE. What is not on this machine is asked over TLS. Nothing is asked yet.
func OpenFleet(address string) (*Fleet, error) {
	c, err := newClickHouse(address)
	if err != nil {
		return nil, err
	}
	return &Fleet{name: c.url.Host + "/" + c.database, server: c, sent: map[string][sha256.Size]byte{}}, nil
}

// Name returns the host and the database.
func (f *Fleet) Name() string { return f.name }

// fleetVersion is that of the schema that this program reads and writes: 2 since it has
// sightings, losses and what was watched, 3 since the buckets of a day are one row, 4 since
// these are asked for as they lie, day by day.
const fleetVersion = 4

// check says why a database cannot be read or written by this program. It asks once.
func (f *Fleet) check(ctx context.Context) error {
	f.mu.Lock()
	known := f.checked
	f.mu.Unlock()
	if known {
		return nil
	}
	var version int
	err := f.server.each(ctx, `SELECT version FROM schema_version`, func(scan func(...any) error) error { return scan(&version) })
	switch {
	case err != nil:
		return err
	case version < fleetVersion:
		return fmt.Errorf("its schema has version %d, and this program needs %d: make another database by deploy/clickhouse/schema.sql; upgrade.sh beside it copies what this one has, and agents send what their stores have", version, fleetVersion)
	case version > fleetVersion:
		return fmt.Errorf("its schema has version %d, and this program knows %d; use the version of whydenied that it was made for", version, fleetVersion)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.checked = true
	return nil
}

// Put sends buckets of Unsent. Those for which it returns nil have arrived.
func (f *Fleet) Put(ctx context.Context, list []Bucket) error {
	if len(list) == 0 {
		return nil
	}
	if err := f.check(ctx); err != nil {
		return err
	}
	if err := f.explain(ctx, list); err != nil {
		return err
	}
	rows := make([][]any, len(list))
	for i, b := range list {
		rows[i] = []any{f.Cluster, b.Node, b.Boot, millis(b.Made), b.Finding.ID, millis(b.Start) / 1000,
			b.Container.Name, b.Container.ID, b.Container.Image, container.Repository(b.Container.Image), millis(b.Created),
			b.Program, int64(b.Count), millis(b.First), millis(b.Last)}
	}
	return f.server.insert(ctx, "bucket", "cluster, node, boot, sequence, finding, at, name, container, image, repository, made, program, count, first, last", rows)
}

// explain sends what the findings of buckets are explained by, unless it has been.
func (f *Fleet) explain(ctx context.Context, list []Bucket) error {
	now := time.Now().UnixMilli()
	news := map[string][sha256.Size]byte{}
	var rows [][]any
	for _, b := range list {
		if _, done := news[b.Finding.ID]; done {
			continue
		}
		kept, err := b.Finding.Keep()
		if err != nil {
			return err
		}
		sum := sha256.Sum256(kept.Text)
		f.mu.Lock()
		known := f.sent[b.Finding.ID] == sum
		f.mu.Unlock()
		news[b.Finding.ID] = sum
		if !known {
			rows = append(rows, []any{b.Finding.ID, now, int64(b.Finding.IDVersion), b.Finding.Mode, kept.Profile, b.Finding.Cause, kept.Layer, b.Finding.Workload, b.Finding.Message, string(kept.Text)})
		}
	}
	if len(rows) == 0 {
		return nil
	}
	if err := f.server.insert(ctx, "finding", "finding, said, id_version, mode, profile, cause, layer, workload, message, explained", rows); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for id, sum := range news {
		f.sent[id] = sum
	}
	return nil
}

// Tell sends what a node's store has of losses, of when somebody looked and of what doctor
// said, as far as it is newer than what was sent before.
func (f *Fleet) Tell(ctx context.Context, s *Store) error {
	f.mu.Lock()
	since := f.told
	f.mu.Unlock()
	latest := since
	for _, table := range []struct{ name, columns, rows string }{
		{"loss", "node, boot, kind, first, last, count, said", `SELECT last, node, boot, kind, first, last, count, said FROM loss JOIN source ON id = source WHERE last >= ?`},
		{"span", "node, boot, reader, first, last", `SELECT last, node, boot, reader, first, last FROM span JOIN source ON id = source WHERE last >= ?`},
		{"answer", "node, boot, at, name, status, found", `SELECT at, node, boot, at, name, status, found FROM answer JOIN source ON id = source WHERE at >= ?`},
	} {
		rows, newest, err := s.since(ctx, table.rows, since, f.Cluster)
		if err == nil && len(rows) > 0 {
			err = f.server.insert(ctx, table.name, "cluster, "+table.columns, rows)
		}
		if err != nil {
			return err
		}
		latest = max(latest, newest)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.told = latest
	return nil
}
