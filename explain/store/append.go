package store

import (
	"cmp"
	"context"
	"database/sql"
	"maps"
	"slices"
	"strings"

	"github.com/whydenied/whydenied/explain"
	"github.com/whydenied/whydenied/explain/container"
	"github.com/whydenied/whydenied/explain/escape"
	"github.com/whydenied/whydenied/explain/secret"
)

// A pendingKey is a row of seen that is to be written. What is counted in is known by its
// pointer.
type pendingKey struct {
	finding            *explain.Finding
	container, program *explain.Tallied
	node               string
	at, sequence       int64
}

// A pendingRow is what is to be added to a row of seen.
type pendingRow struct {
	finding, bare, mode, node string
	anyNode                   bool // the log does not say which
	container                 named
	program                   string
	at, sequence              int64
	positions                 []uint64
}

// A named is a container as the store has it; the zero value is none that is known.
type named struct {
	name, id, image string
	made            int64
}

// maxHeld bounds the positions that wait to be written.
const maxHeld = 1 << 18

// Add has a denial be written by the next Flush, which it calls itself when much waits (2^18
// denials); its error is Flush's. What no log has, a claim, is no history and passed over.
func (s *Store) Add(ctx context.Context, c explain.Counted) error {
	if c.Finding.IsClaim() {
		return nil
	}
	p := placeOf(&c)
	key := pendingKey{c.Finding, c.Container, c.Program, c.Node, p.at, p.sequence}
	s.mu.Lock()
	row := s.pending[key]
	if row == nil {
		row = newRow(&c, p)
		row.anyNode, row.node = row.node == "", cmp.Or(row.node, s.Node)
		s.pending[key] = row
		s.held += 16 // which a row takes besides
	}
	row.positions = append(row.positions, p.position)
	s.held++
	full := s.held >= maxHeld
	s.mu.Unlock()
	if full {
		return s.Flush(ctx)
	}
	return nil
}

func newRow(c *explain.Counted, p place) *pendingRow {
	row := &pendingRow{finding: c.Finding.ID, bare: cmp.Or(c.Finding.Bare, c.Finding.ID), mode: c.Finding.Denial.Mode.String(), node: plain(c.Node), at: p.at, sequence: p.sequence}
	if t := c.Container; t != nil {
		row.container = named{plain(t.Name), plain(t.ID), plain(t.Image), millis(c.Made)}
	}
	if c.Program != nil {
		row.program = plain(c.Program.Name)
	}
	return row
}

// plain returns a name without what looks like a secret, and as valid UTF-8.
func plain(s string) string { return escape.UTF8(secret.Text(s, nil)) }

// Flush writes what Add was given, all or nothing, and returns when it is on disk. What could
// not be written is kept for the next time.
func (s *Store) Flush(ctx context.Context) error {
	s.mu.Lock()
	rows := s.pending
	s.pending, s.held = map[pendingKey]*pendingRow{}, 0
	s.mu.Unlock()
	if len(rows) == 0 {
		return nil
	}
	err := s.within(ctx, func(tx *sql.Tx) error {
		w, err := newWriter(ctx, tx, s.Boot)
		if err != nil {
			return err
		}
		defer w.close()
		for _, row := range slices.SortedFunc(maps.Values(rows), compareRows) {
			if err := w.add(row); err != nil {
				return err
			}
		}
		return w.end()
	})
	if err != nil {
		s.putBack(rows)
	}
	return err
}

// putBack has rows wait that could not be written.
func (s *Store) putBack(rows map[pendingKey]*pendingRow) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for key, row := range rows {
		if newer := s.pending[key]; newer != nil {
			newer.positions = append(newer.positions, row.positions...)
		} else {
			s.pending[key] = row
		}
		s.held += len(row.positions)
	}
}

func compareRows(a, b *pendingRow) int {
	return cmp.Or(strings.Compare(a.finding, b.finding), cmp.Compare(a.at, b.at), cmp.Compare(a.sequence, b.sequence),
		strings.Compare(a.container.id, b.container.id), strings.Compare(a.program, b.program))
}

// A writer writes rows in a transaction.
type writer struct {
	ctx  context.Context
	tx   *sql.Tx
	boot string

	sources    map[string]int64
	nodes      map[int64]string // of sources
	containers map[named]int64
	sums       map[bucketKey]*sum
	findings   map[string]*sum

	seen, put *sql.Stmt
}

type bucketKey struct {
	width             uint
	at                int64
	finding           string
	source, container int64
	program           string
}

// A sum is what is added to a bucket or a finding.
type sum struct {
	count       int
	first, last int64
	mode, bare  string // of a finding
}

func (s *sum) add(n int, first, last int64) {
	if s.count == 0 {
		s.first, s.last = first, last
	}
	s.count += n
	s.first, s.last = min(s.first, first), max(s.last, last)
}

func newWriter(ctx context.Context, tx *sql.Tx, boot string) (*writer, error) {
	w := &writer{
		ctx: ctx, tx: tx, boot: boot, sources: map[string]int64{}, nodes: map[int64]string{},
		containers: map[named]int64{{}: 0}, sums: map[bucketKey]*sum{}, findings: map[string]*sum{},
	}
	var err error
	w.seen, err = tx.PrepareContext(ctx, `SELECT finding, source, container, program, positions FROM seen
		WHERE finding IN (SELECT ? UNION SELECT id FROM finding WHERE bare = ?) AND at = ? AND sequence = ?`)
	if err == nil {
		w.put, err = tx.PrepareContext(ctx, `INSERT INTO seen (finding, at, sequence, source, container, program, count, positions) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
			ON CONFLICT DO UPDATE SET count = excluded.count, positions = excluded.positions`)
	}
	return w, err
}

func (w *writer) close() {
	w.seen.Close()
	if w.put != nil {
		w.put.Close()
	}
}

// add writes a row of seen, and notes what it adds to buckets.
func (w *writer) add(row *pendingRow) error {
	source, err := w.source(row.node)
	if err != nil {
		return err
	}
	in, err := w.container(row.container)
	if err != nil {
		return err
	}
	have, more, err := w.unseen(row, source, in)
	if err != nil || len(more) == 0 {
		return err
	}
	all, added := unite(have, more)
	if _, err := w.put.ExecContext(w.ctx, row.finding, row.at, row.sequence, source, in, row.program, len(all), encode(all)); err != nil {
		return err
	}
	first, last := boundsOf(row.at, more)
	for _, width := range widths {
		key := bucketKey{width, floor(row.at*1000, width), row.finding, source, in, row.program}
		addTo(w.sums, key).add(added, first, last)
	}
	of := addTo(w.findings, row.finding)
	of.add(added, first, last)
	of.mode, of.bare = row.mode, row.bare
	return nil
}

func addTo[K comparable](sums map[K]*sum, key K) *sum {
	one := sums[key]
	if one == nil {
		one = new(sum)
		sums[key] = one
	}
	return one
}

// unseen returns the positions that a row has, and those that are new: neither in it nor
// counted in another container or program, or under another boot, of the same node, nor in
// the finding that it is by what else is known of its container. Where a log does not say its
// node it can be any: a host can get another name.
func (w *writer) unseen(row *pendingRow, source, in int64) (have, more []uint64, err error) {
	more = slices.Clone(row.positions)
	slices.Sort(more)
	more = slices.Compact(more)
	rows, err := w.seen.QueryContext(w.ctx, row.finding, row.bare, row.at, row.sequence)
	if err != nil {
		return nil, nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var of, container int64
		var finding, program string
		var blob []byte
		if err := rows.Scan(&finding, &of, &container, &program, &blob); err != nil {
			return nil, nil, err
		}
		positions, err := decode(blob)
		if err != nil {
			return nil, nil, err
		}
		if finding == row.finding && of == source && container == in && program == row.program {
			have = positions
		}
		if node := w.nodes[of]; node == row.node || node == "" || row.anyNode {
			more = without(more, positions)
		}
	}
	return have, more, rows.Err()
}

// source returns the number of a node's boot.
func (w *writer) source(node string) (id int64, err error) {
	if id, ok := w.sources[node]; ok {
		return id, nil
	}
	if len(w.nodes) == 0 {
		if err := w.readNodes(); err != nil {
			return 0, err
		}
	}
	err = w.tx.QueryRowContext(w.ctx, `INSERT INTO source (node, boot) VALUES (?, ?) ON CONFLICT DO UPDATE SET boot = excluded.boot RETURNING id`, node, w.boot).Scan(&id)
	w.sources[node], w.nodes[id] = id, node
	return id, err
}

func (w *writer) readNodes() error {
	rows, err := w.tx.QueryContext(w.ctx, `SELECT id, node FROM source`)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var id int64
		var node string
		if err := rows.Scan(&id, &node); err != nil {
			return err
		}
		w.nodes[id] = node
	}
	return rows.Err()
}

// container returns the number of a container.
func (w *writer) container(c named) (id int64, err error) {
	key := c
	key.made = 0
	if id, ok := w.containers[key]; ok {
		return id, nil
	}
	err = w.tx.QueryRowContext(w.ctx, `INSERT INTO container (name, container, image, repository, made) VALUES (?, ?, ?, ?, ?)
		ON CONFLICT DO UPDATE SET made = max(made, excluded.made) RETURNING id`, c.name, c.id, c.image, container.Repository(c.image), c.made).Scan(&id)
	w.containers[key] = id
	return id, err
}

// end writes the sums.
func (w *writer) end() error {
	put, err := w.tx.PrepareContext(w.ctx, `INSERT INTO bucket (width, at, finding, source, container, program, count, first, last) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT DO UPDATE SET count = count + excluded.count, first = min(first, excluded.first), last = max(last, excluded.last)`)
	if err != nil {
		return err
	}
	defer put.Close()
	for key, n := range w.sums {
		if _, err := put.ExecContext(w.ctx, key.width, key.at, key.finding, key.source, key.container, key.program, n.count, n.first, n.last); err != nil {
			return err
		}
	}
	reached := int64(1<<63 - 1)
	for id, n := range w.findings {
		if _, err := w.tx.ExecContext(w.ctx, `INSERT INTO finding (id, id_version, first, last, mode, bare) VALUES (?, ?, ?, ?, ?, ?)
			ON CONFLICT DO UPDATE SET first = min(first, excluded.first), last = max(last, excluded.last), bare = excluded.bare`, id, explain.IDVersion, n.first, n.last, n.mode, n.bare); err != nil {
			return err
		}
		reached = min(reached, n.first)
	}
	if len(w.findings) == 0 {
		return nil
	}
	_, err = w.tx.ExecContext(w.ctx, `DELETE FROM reached; INSERT INTO reached VALUES (?)`, reached)
	return err
}

// Containers has containers be known, with when they were made.
func (s *Store) Containers(ctx context.Context, list []container.Container) error {
	if len(list) == 0 {
		return nil
	}
	return s.within(ctx, func(tx *sql.Tx) error {
		w := &writer{ctx: ctx, tx: tx, containers: map[named]int64{{}: 0}}
		for i := range list {
			c := &list[i]
			if _, err := w.container(named{plain(explain.NameOf(c)), plain(c.ID), plain(c.Image), millis(cmp.Or(c.Created, c.Started))}); err != nil {
				return err
			}
		}
		return nil
	})
}
