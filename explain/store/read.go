package store

import (
	"cmp"
	"context"
	"database/sql"
	"database/sql/driver"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"modernc.org/sqlite"

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
// what was missing meanwhile.
func (s *Store) Report(ctx context.Context, r Range) (*report.Report, error) {
	all := &report.Report{}
	err := s.within(ctx, func(tx *sql.Tx) error { // so that all is of one moment
		part, args := r.part()
		q := &query{statements: inFile, findings: map[string]*kept{}}
		q.each = func(statement string, row func(scan func(...any) error) error) error {
			return each(ctx, tx, part+statement, args, row)
		}
		if err := q.read(all); err != nil {
			return err
		}
		return losses(ctx, tx, r, all)
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

// A query reads what belongs to a range. It asks a file and a fleet's database the same, in
// the SQL of either.
type query struct {
	statements
	each func(statement string, row func(scan func(...any) error) error) error

	order    []string // of findings, as they began
	findings map[string]*kept
}

// statements are what is asked of the denials of a range, with the columns of the answers.
// Of containers and programs they give the 32 of each finding with the most denials;
// the rest of its count is of others.
type statements struct {
	totals     string // finding, count, first, last
	times      string // finding, at, count
	containers string // finding, name, container, image, count
	programs   string // finding, program, count
	texts      string // finding, explained
}

// inFile are the statements that ask SQLite. The buckets of the range are its table part.
var inFile = statements{
	totals:     `SELECT finding, sum(count), min(first), max(last) FROM part GROUP BY finding`,
	times:      `SELECT finding, at, sum(count) FROM part WHERE at > 0 GROUP BY finding, at`,
	containers: `, counted AS (SELECT finding, name, container.container, image, sum(count) AS n FROM part JOIN container ON container.id = part.container GROUP BY finding, container.id) SELECT finding, name, container, image, n` + most,
	programs:   `, counted AS (SELECT finding, program, sum(count) AS n FROM part WHERE program <> '' GROUP BY finding, program) SELECT finding, program, n` + most,
	texts:      `SELECT id, explained FROM finding WHERE id IN (SELECT finding FROM part)`,
}

// most takes of each finding what was counted most.
const most = ` FROM (SELECT *, row_number() OVER (PARTITION BY finding ORDER BY n DESC) AS rank FROM counted) WHERE rank <= 32`

// read reads the findings of the range, in the order in which they began.
func (q *query) read(all *report.Report) error {
	for _, read := range []func() error{q.readTotals, q.readTimes, q.readContainers, q.readPrograms, q.readTexts} {
		if err := read(); err != nil {
			return err
		}
	}
	slices.SortFunc(q.order, func(a, b string) int {
		return cmp.Or(q.findings[a].First.Compare(q.findings[b].First), strings.Compare(a, b))
	})
	return q.fill(all)
}

func (q *query) readTotals() error {
	return q.each(q.totals, func(scan func(...any) error) error {
		var id string
		var first, last int64
		f := new(kept)
		if err := scan(&id, &f.Count, &first, &last); err != nil {
			return err
		}
		f.First, f.Last = timeOf(first), timeOf(last)
		q.order, q.findings[id] = append(q.order, id), f
		return nil
	})
}

func (q *query) readTimes() error {
	return q.each(q.times, func(scan func(...any) error) error {
		var id string
		var at, n int64
		err := scan(&id, &at, &n)
		if f := q.findings[id]; err == nil && f != nil {
			f.Times.Add(time.Unix(at, 0), uint32(min(n, 1<<31)))
		}
		return err
	})
}

func (q *query) readContainers() error {
	return q.each(q.containers, func(scan func(...any) error) error {
		var id string
		var c report.Counted
		err := scan(&id, &c.Name, &c.ID, &c.Image, &c.Count)
		if f := q.findings[id]; err == nil && f != nil {
			f.Containers = append(f.Containers, c)
		}
		return err
	})
}

func (q *query) readPrograms() error {
	return q.each(q.programs, func(scan func(...any) error) error {
		var id string
		var c report.Counted
		err := scan(&id, &c.Name, &c.Count)
		if f := q.findings[id]; err == nil && f != nil {
			f.Programs = append(f.Programs, c)
		}
		return err
	})
}

func (q *query) readTexts() error {
	return q.each(q.texts, func(scan func(...any) error) error {
		var id string
		var text []byte
		err := scan(&id, &text)
		if f := q.findings[id]; err == nil && f != nil {
			f.text = text
		}
		return err
	})
}

// fill makes findings of what was read.
func (q *query) fill(all *report.Report) error {
	all.Summary = &report.Summary{}
	unexplained, denials := 0, 0
	for _, id := range q.order {
		f := q.findings[id]
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

// part returns the buckets of a range as a common table, with the arguments. They are of the
// widest kind that fits in; of the narrowest that are not whole in it the denials are
// counted by their positions.
func (r Range) part() (statement string, args []any) {
	const columns = "SELECT finding, source, container, program, at, count, first, last FROM bucket WHERE width = "
	if r == (Range{}) {
		return fmt.Sprintf("WITH part AS (%s%d) ", columns, widths[len(widths)-1]), nil
	}
	var list []string
	since, until := r.bounds()
	since = max(since, 1000<<widths[len(widths)-1]) // below is what has no time
	edge := func(at int64) {
		const call = "within(positions, at, ?, ?, %d)"
		list = append(list, fmt.Sprintf("SELECT finding, source, container, program, at, "+call+" AS count, "+call+", "+call+" FROM seen WHERE at = ? AND "+call+" > 0", 0, 1, 2, 0))
		args = append(args, since, until, since, until, since, until, at, since, until)
	}
	whole := func(width uint, from, to int64) {
		if from < to {
			list = append(list, fmt.Sprintf("%s%d AND at >= ? AND at < ?", columns, width))
			args = append(args, from, to)
		}
	}
	low, high := floor(since, widths[0]), floor(until, widths[0])
	from := low
	if low*1000 < since {
		edge(low)
		from += 1 << widths[0]
	}
	if high*1000 < until && (high != low || from == low) {
		edge(high)
	}
	decompose(from, high, whole)
	if len(list) == 0 {
		return "WITH part AS (" + columns + "0) ", nil
	}
	return "WITH part(finding, source, container, program, at, count, first, last) AS (" + strings.Join(list, " UNION ALL ") + ") ", args
}

// decompose calls whole with the fewest buckets that a range of narrowest ones is made of.
func decompose(from, to int64, whole func(width uint, from, to int64)) {
	for i, width := range widths {
		if i == len(widths)-1 {
			whole(width, from, to)
			return
		}
		wider := int64(1) << widths[i+1]
		up, down := (from+wider-1)/wider*wider, to/wider*wider
		if up >= down {
			whole(width, from, to)
			return
		}
		whole(width, from, up)
		whole(width, down, to)
		from, to = up, down
	}
}

// within is a function of statements: of the positions of a bucket those of times from since
// on and before until: how many they are (0), the first (1) and the last (2) of the times.
func init() {
	sqlite.MustRegisterDeterministicScalarFunction("within", 5, func(_ *sqlite.FunctionContext, args []driver.Value) (driver.Value, error) {
		blob, _ := args[0].([]byte)
		var n [4]int64
		for i := range n {
			n[i], _ = args[i+1].(int64)
		}
		positions, err := decode(blob)
		if err != nil {
			return nil, err
		}
		positions = between(positions, n[0], n[1], n[2])
		if n[3] == 0 || len(positions) == 0 {
			return int64(len(positions)), nil
		}
		first, last := boundsOf(n[0], positions)
		return []int64{first, last}[n[3]-1], nil
	})
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
