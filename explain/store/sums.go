package store

import (
	"cmp"
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"modernc.org/sqlite"

	"github.com/whydenied/whydenied/explain"
	"github.com/whydenied/whydenied/explain/report"
)

// A sums is what the denials of a finding add up to.
type sums struct {
	kept
	first, last int64
	containers  map[int64]int
	programs    map[string]int
}

// sumsOf adds up the denials of a range.
func sumsOf(ctx context.Context, tx *sql.Tx, r Range) (map[string]*sums, error) {
	widest, err := r.widest(ctx, tx)
	if err != nil {
		return nil, err
	}
	all, err := addUp(ctx, tx, r, max(widest, 0))
	if err == nil && widest < 0 {
		err = tellTimes(ctx, tx, r, all)
	}
	if err != nil {
		return nil, err
	}
	return all, cmp.Or(name(ctx, tx, all), explained(ctx, tx, all))
}

// addUp reads the buckets of a range. They are read once, and in their own order: SQLite
// would sort them for each sum.
func addUp(ctx context.Context, tx *sql.Tx, r Range, widest int) (map[string]*sums, error) {
	all := map[string]*sums{}
	part, args := r.part("", widest)
	var id, program string
	var in, at, first, last int64
	var n int
	err := each(ctx, tx, part, args, func(scan func(...any) error) error {
		if err := scan(&id, &in, &program, &at, &n, &first, &last); err != nil {
			return err
		}
		f := all[id]
		if f == nil {
			f = &sums{first: first, last: last, containers: map[int64]int{}, programs: map[string]int{}}
			f.Times = explain.NewTimes(time.Second << widths[widest])
			all[id] = f
		}
		f.Count += n
		f.first, f.last = min(f.first, first), max(f.last, last)
		f.First, f.Last = timeOf(f.first), timeOf(f.last)
		f.containers[in] += n
		f.programs[program] += n
		if at > 0 {
			f.Times.Add(time.Unix(at, 0), uint32(min(int64(n), 1<<31)))
		}
		return nil
	})
	return all, err
}

// tellTimes counts when denials came by their positions, of a range that has few buckets.
func tellTimes(ctx context.Context, tx *sql.Tx, r Range, all map[string]*sums) error {
	for _, f := range all {
		f.Times = explain.Times{}
	}
	since, until := r.bounds()
	var id string
	var at int64
	var blob []byte
	return each(ctx, tx, `SELECT finding, at, positions FROM seen WHERE at > 0 AND at BETWEEN ? AND ?`, []any{floor(since, widths[0]), until / 1000}, func(scan func(...any) error) error {
		if err := scan(&id, &at, &blob); err != nil {
			return err
		}
		positions, err := decode(blob)
		for _, p := range between(positions, at, since, until) {
			all[id].Times.Add(timeOf(place{at: at, position: p}.time()), 1)
		}
		return err
	})
}

// maxCounted is how many containers or programs of a finding are told, those with the most
// denials; the rest of its count is of others.
const maxCounted = 32

// most returns the keys of the greatest counts, as many as are told. That of what is not
// known is none.
func most[K cmp.Ordered](counts map[K]int) []K {
	var unknown K
	delete(counts, unknown)
	keys := slices.SortedFunc(maps.Keys(counts), func(a, b K) int {
		return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(a, b))
	})
	return keys[:min(len(keys), maxCounted)]
}

// name has findings tell the containers and programs with the most denials.
func name(ctx context.Context, tx *sql.Tx, all map[string]*sums) error {
	named, err := tx.PrepareContext(ctx, `SELECT name, container, image FROM container WHERE id = ?`)
	if err != nil {
		return err
	}
	defer named.Close()
	known := map[int64]report.Counted{}
	for _, f := range all {
		for _, id := range most(f.containers) {
			c, ok := known[id]
			if !ok {
				if err := named.QueryRowContext(ctx, id).Scan(&c.Name, &c.ID, &c.Image); err != nil {
					return err
				}
				known[id] = c
			}
			c.Count = f.containers[id]
			f.Containers = append(f.Containers, c)
		}
		for _, name := range most(f.programs) {
			f.Programs = append(f.Programs, report.Counted{Name: name, Count: f.programs[name]})
		}
	}
	return nil
}

// explained has findings have their texts.
func explained(ctx context.Context, tx *sql.Tx, all map[string]*sums) error {
	text, err := tx.PrepareContext(ctx, `SELECT explained FROM finding WHERE id = ?`)
	if err != nil {
		return err
	}
	defer text.Close()
	for id, f := range all {
		if err := text.QueryRowContext(ctx, id).Scan(&f.text); err != nil {
			return err
		}
	}
	return nil
}

// fewest is in how many buckets a range should be told at least, so that one sees how it went.
const fewest = 8

// widest returns which of widths is the widest that a range is to be told in: that of its
// denials is cut into enough of. It is -1 if that of none is.
func (r Range) widest(ctx context.Context, tx *sql.Tx) (int, error) {
	var oldest, newest sql.NullInt64
	// Two statements, each of which is one look at the key: of both at once SQLite reads all.
	err := tx.QueryRowContext(ctx, `SELECT (SELECT min(at) FROM bucket WHERE width = ?1 AND at > 0), (SELECT max(at) FROM bucket WHERE width = ?1)`, widths[0]).Scan(&oldest, &newest)
	if err != nil {
		return 0, err
	}
	since, until := r.bounds()
	span := min(until/1000, newest.Int64) - max(since/1000, oldest.Int64)
	i := len(widths) - 1
	for i >= 0 && span>>widths[i] < fewest {
		i--
	}
	return i, nil
}

// part returns a statement that gives the buckets of a range, with its arguments. They are of
// the widest kind that fits in, up to that of widths which is given; of the narrowest that
// are not whole in it the denials are counted by their positions. Further columns come first.
func (r Range) part(further string, widest int) (statement string, args []any) {
	columns := "SELECT " + further + "finding, container, program, at, count, first, last FROM bucket WHERE width = "
	if r == (Range{}) {
		return fmt.Sprint(columns, widths[widest]), nil
	}
	var list []string
	since, until := r.bounds()
	since = max(since, 1000<<widths[len(widths)-1]) // below is what has no time
	edge := func(at int64) {
		const call = "within(positions, at, ?, ?, %d)"
		list = append(list, fmt.Sprintf("SELECT "+further+"finding, container, program, at, "+call+" AS count, "+call+" AS first, "+call+" AS last FROM seen WHERE at = ? AND "+call+" > 0", 0, 1, 2, 0))
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
	decompose(widths[:widest+1], from, high, whole)
	if len(list) == 0 {
		return columns + "0", nil
	}
	return strings.Join(list, " UNION ALL "), args
}

// decompose calls whole with the fewest buckets of widths that a range of the narrowest is
// made of.
func decompose(widths []uint, from, to int64, whole func(width uint, from, to int64)) {
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
