package store

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/whydenied/whydenied/explain"
	"github.com/whydenied/whydenied/explain/report"
)

// Report returns the findings with denials of a range, as Store.Report does. A bucket that
// reaches over an end of the range counts whole; how many are of such is told by a notice.
func (f *Fleet) Report(ctx context.Context, r Range) (*report.Report, error) {
	all := &report.Report{}
	q := &question{part: partOf(r), findings: map[string]*kept{}, each: func(statement string, row func(scan func(...any) error) error) error {
		return f.server.each(ctx, statement, row)
	}}
	err := f.check(ctx)
	for _, ask := range []func(*report.Report) error{q.sums, q.times, q.texts, q.losses, q.overlap} {
		if err == nil {
			err = ask(all)
		}
	}
	v := f.view(ctx, r, 0)
	if err == nil {
		err = v.sightings(all.Findings)
	}
	if err == nil {
		all.Summary.Watched, err = v.watched(time.Now())
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.name, err)
	}
	return all, nil
}

// A part is a range as conditions of statements: the whole days of it, and what remains.
type part struct {
	since, until int64  // milliseconds
	days, edges  string // conditions on days; "" for none of these
	chosen       string // condition on the buckets of edges: their count c, begin s, first f and last l
}

// What denials are read of. FINAL has rows of the same key be merged as they are read, in the
// order of the table, so that the server need not have them all in memory to know the greatest
// counts of each.
const rowsOfDays = "day FINAL"

// What statements call the columns of these rows.
const (
	wordsOfDays = `WITH day AS at, finalizeAggregation(mades) AS made, finalizeAggregation(counts) AS each,
		finalizeAggregation(firsts) AS first, finalizeAggregation(lasts) AS last`

	wordsOfBuckets = `WITH day AS at, finalizeAggregation(mades) AS made, finalizeAggregation(counts) AS each,
		arrayMap(place -> intDiv(day + 4096 * place - 1, 4096) * 4096, arrayEnumerate(each)) AS begins,
		arrayMap((s, b) -> (s + 4096) * 1000 - b, begins, finalizeAggregation(befores)) AS firsts_of, finalizeAggregation(afters) AS lasts_of`
)

// partOf says what a range is made of. A bucket that begins in a day ends up to an hour after it,
// so that the last day is left to buckets.
func partOf(r Range) part {
	const day = 86400
	since, until := r.bounds()
	if r == (Range{}) {
		return part{since: since, until: until, days: "1"}
	}
	since = max(since, 1) // 0 is what has no time
	p := part{since: since, until: until}
	earliest, latest := since/1000-1<<widths[0], until/1000 // of what begins in the range, or reaches into it
	p.edges = fmt.Sprintf("day >= %d AND day <= %d", earliest/day*day, latest/day*day)
	p.chosen = fmt.Sprintf("c > 0 AND s > %d AND s <= %d AND l >= %d AND f < %d", earliest, latest, since, until)
	from := (since + day*1000 - 1) / (day * 1000) * day
	to := (until/1000 - 1<<widths[0]) / day * day
	if from < to {
		p.days = fmt.Sprintf("day >= %d AND day < %d", from, to)
		p.edges += fmt.Sprintf(" AND (day < %d OR day >= %d)", from, to)
	}
	return p
}

// edge returns a statement that gives sums of buckets of edges, those for which a condition as
// chosen is true: of the arrays counts_in, firsts_in and lasts_in of each row. Arrays are not
// joined, as each bucket would have a copy of all names.
func (p part) edge(columns, sums, chosen, where string) string {
	list := wordsOfBuckets
	for _, of := range []struct{ name, array string }{{"counts_in", "each"}, {"firsts_in", "firsts_of"}, {"lasts_in", "lasts_of"}} {
		list += fmt.Sprintf(", arrayFilter((x, c, s, f, l) -> %s, %s, each, begins, firsts_of, lasts_of) AS %s", chosen, of.array, of.name)
	}
	return fmt.Sprintf("%s SELECT %s%s FROM %s WHERE %s AND notEmpty(counts_in) AND %s", list, columns, sums, rowsOfDays, p.edges, where)
}

// by returns a statement that sums up the denials of a part by columns.
func (p part) by(columns, where, sums string) string {
	return fmt.Sprintf("SELECT %s, %s FROM (%s) GROUP BY %[1]s", columns, sums, p.union(columns, where))
}

// union returns a statement that sums up the denials of a part by columns, apart in whole days
// and in what remains: with the columns n, began and ended. The column at is a day.
func (p part) union(columns, where string) string {
	var list []string
	if p.days != "" {
		list = append(list, fmt.Sprintf("%s SELECT %s, sum(arraySum(each)) AS n, min(first) AS began, max(last) AS ended FROM %s WHERE %s AND %s GROUP BY %[2]s", wordsOfDays, columns, rowsOfDays, p.days, where))
	}
	if p.edges != "" {
		list = append(list, p.edge(columns, ", sumArray(counts_in) AS n, minArray(firsts_in) AS began, maxArray(lasts_in) AS ended", p.chosen, where)+" GROUP BY "+columns)
	}
	return strings.Join(list, " UNION ALL ")
}

// timed returns a statement that sums up the denials of a part by columns and at, the beginning
// of narrowest buckets: with these the column n. They are added up as arrays.
func (p part) timed(columns, where string) string {
	var list []string
	add := func(sums string) {
		list = append(list, fmt.Sprintf(`SELECT %s, intDiv(day + 4096 * place - 1, 4096) * 4096 AS at, n
			FROM (%s GROUP BY %[1]s, day) ARRAY JOIN sums AS n, arrayEnumerate(sums) AS place WHERE n > 0`, columns, sums))
	}
	if p.days != "" {
		add(fmt.Sprintf("%s SELECT %s, day, sumForEach(each) AS sums FROM %s WHERE %s AND %s", wordsOfDays, columns, rowsOfDays, p.days, where))
	}
	if p.edges != "" {
		add(p.edge(columns, fmt.Sprintf(", day, sumForEach(arrayMap((c, s, f, l) -> if(%s, c, toUInt64(0)), each, begins, firsts_of, lasts_of)) AS sums", p.chosen), p.chosen, where))
	}
	return strings.Join(list, " UNION ALL ")
}

// A question is what is read of a part.
type question struct {
	part
	findings map[string]*kept
	each     func(statement string, row func(scan func(...any) error) error) error
}

// of returns a finding; of what came after the totals were read, one that is thrown away.
func (q *question) of(id string) *kept {
	if f := q.findings[id]; f != nil {
		return f
	}
	return new(kept)
}

// sums reads what the denials of each finding add up to, and what of its containers and programs
// have the most. All three are made of one sum, as to make it is most of the work.
func (q *question) sums(*report.Report) error {
	statement := fmt.Sprintf(`SELECT kind, finding, a, b, c, sum(n) AS total, min(began), max(ended)
		FROM (SELECT finding, toInt64(of) AS kind, multiIf(of = 1, name, of = 2, program, '') AS a, if(of = 1, container, '') AS b, if(of = 1, image, '') AS c, n, began, ended
			FROM (%s) ARRAY JOIN [0, 1, 2] AS of)
		WHERE kind = 0 OR a <> '' OR b <> ''
		GROUP BY kind, finding, a, b, c ORDER BY kind, total DESC, a, b, c LIMIT %d BY kind, finding`,
		q.union("finding, name, container, image, program", "1"), maxCounted)
	return q.each(statement, func(scan func(...any) error) error {
		var kind, first, last int64
		var id string
		var c report.Counted
		err := scan(&kind, &id, &c.Name, &c.ID, &c.Image, &c.Count, &first, &last)
		switch kind {
		case 0:
			f := &kept{}
			f.Count, f.First, f.Last = c.Count, timeOf(first), timeOf(last)
			q.findings[id] = f
		case 1:
			q.findings[id].Containers = append(q.findings[id].Containers, c)
		case 2:
			q.findings[id].Programs = append(q.findings[id].Programs, c)
		}
		return err
	})
}

// shortest is the time from which on timelines are of days.
const shortest = 14 * 24 * time.Hour

// times reads timelines, each of buckets of one width. Those of more than two weeks are made of
// days.
func (q *question) times(*report.Report) error {
	statement, width := q.by("finding, at", "at > 0", "sum(n)"), time.Second<<18
	if q.span() < shortest {
		statement, width = "SELECT finding, at, sum(n) FROM ("+q.timed("finding", "1")+") WHERE at > 0 GROUP BY finding, at", time.Second<<widths[0]
	}
	for _, f := range q.findings {
		f.Times = explain.NewTimes(width)
	}
	return q.each(statement, func(scan func(...any) error) error {
		var id string
		var at, n int64
		err := scan(&id, &at, &n)
		q.of(id).Times.Add(time.Unix(at, 0), uint32(min(n, 1<<31)))
		return err
	})
}

// span returns the time from the first denial to the last.
func (q *question) span() time.Duration {
	var first, last time.Time
	for _, f := range q.findings {
		if !f.First.IsZero() && (first.IsZero() || f.First.Before(first)) {
			first = f.First
		}
		if f.Last.After(last) {
			last = f.Last
		}
	}
	return last.Sub(first)
}

// texts reads what the findings are explained by, and makes the report of them.
func (q *question) texts(all *report.Report) error {
	statement := "SELECT finding, argMax(explained, said) FROM finding"
	if q.edges != "" { // not of all that there ever was
		statement += " WHERE " + among(slices.Sorted(maps.Keys(q.findings)))
	}
	err := q.each(statement+" GROUP BY finding", func(scan func(...any) error) error {
		var id string
		var text []byte
		err := scan(&id, &text)
		q.of(id).text = text
		return err
	})
	if err != nil {
		return err
	}
	return fill(all, q.findings)
}

func (q *question) losses(all *report.Report) error {
	statement := fmt.Sprintf("SELECT kind, sum(count) FROM lost WHERE last >= %d AND first < %d GROUP BY kind", q.since, q.until)
	return q.each(statement, func(scan func(...any) error) error { return lose(all, scan) })
}

// overlap says how many of the denials may have been before or after the range.
func (q *question) overlap(all *report.Report) error {
	if q.edges == "" {
		return nil
	}
	var n int
	statement := q.edge("", "sumArray(counts_in)", fmt.Sprintf("%s AND (f < %d OR l >= %d)", q.chosen, q.since, q.until), "1")
	err := q.each(statement, func(scan func(...any) error) error { return scan(&n) })
	if err == nil && n > 0 {
		all.Notices = append(all.Notices, report.Notice{Kind: "buckets", Count: n, Text: fmt.Sprintf(
			"%d of the denials are of buckets of %s that reach over an end of the time that was asked for: some of them may have been beyond it", n, time.Second<<widths[0])})
	}
	return err
}

// Made returns when the newest container of a name, an image, its repository or the
// beginning of an ID was made, as Store.Made does.
func (f *Fleet) Made(ctx context.Context, name string) (time.Time, error) {
	is := " = " + quoted(name)
	named := "name" + is + " OR image" + is + " OR repository" + is
	if len(name) >= 6 {
		named += fmt.Sprintf(" OR substring(container, 1, %d)%s", len(name), is)
	}
	// Without FINAL, as the greatest and the smallest are the same however often a row is there.
	statement := "SELECT max(since) FROM (" + wordsOfDays + " SELECT if(max(made) > 0, max(made), min(first)) AS since FROM day WHERE " + named + " GROUP BY name, container, image)"
	var ms int64
	err := f.check(ctx)
	if err == nil {
		err = f.server.each(ctx, statement, func(scan func(...any) error) error { return scan(&ms) })
	}
	if err != nil {
		return time.Time{}, fmt.Errorf("%s: %w", f.name, err)
	}
	return timeOf(ms), nil
}

// Close closes nothing: each question is a request of its own.
func (f *Fleet) Close(context.Context) error { return nil }
