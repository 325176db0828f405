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
	for _, ask := range []func(*report.Report) error{q.totals, q.times, q.containers, q.programs, q.texts, q.losses, q.overlap} {
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
	days, edges  string // conditions on denial_day and on denial; "" for none of these
}

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
	p.edges = fmt.Sprintf("day >= %d AND day <= %d AND at > %d AND at <= %d AND last >= %d AND first < %d",
		earliest/day*day, latest/day*day, earliest, latest, since, until)
	from := (since + day*1000 - 1) / (day * 1000) * day
	to := (until/1000 - 1<<widths[0]) / day * day
	if from < to {
		p.days = fmt.Sprintf("day >= %d AND day < %d", from, to)
		p.edges += fmt.Sprintf(" AND (day < %d OR day >= %d)", from, to)
	}
	return p
}

// by returns a statement that sums up the denials of a part by columns.
func (p part) by(columns, where, sums string) string {
	return fmt.Sprintf("SELECT %s, %s FROM (%s) GROUP BY %[1]s", columns, sums, p.union(columns, where))
}

// union returns a statement that sums up the denials of a part by columns, apart in whole days
// and in what remains: with the columns n, began and ended.
func (p part) union(columns, where string) string {
	var list []string
	for _, of := range []struct{ table, within string }{{"denial_day", p.days}, {"denial", p.edges}} {
		if of.within != "" {
			list = append(list, fmt.Sprintf("SELECT %s, sum(count) AS n, min(first) AS began, max(last) AS ended FROM %s WHERE %s AND %s GROUP BY %[1]s", columns, of.table, of.within, where))
		}
	}
	return strings.Join(list, " UNION ALL ")
}

// timed returns a statement that sums up the denials of a part by columns and at, the beginning
// of narrowest buckets: with these the column n. Those of whole days are added up as arrays.
func (p part) timed(columns, where string) string {
	var list []string
	if p.days != "" {
		list = append(list, fmt.Sprintf(`SELECT %s, intDiv(day + 4096 * place - 1, 4096) * 4096 AS at, n
			FROM (SELECT %[1]s, day, sumForEach(each) AS sums FROM denial_day WHERE %s AND %s GROUP BY %[1]s, day)
			ARRAY JOIN sums AS n, arrayEnumerate(sums) AS place WHERE n > 0`, columns, p.days, where))
	}
	if p.edges != "" {
		list = append(list, fmt.Sprintf("SELECT %s, at, sum(count) AS n FROM denial WHERE %s AND %s GROUP BY %[1]s, at", columns, p.edges, where))
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

func (q *question) totals(*report.Report) error {
	return q.each(q.by("finding", "1", "sum(n), min(began), max(ended)"), func(scan func(...any) error) error {
		var id string
		var first, last int64
		f := new(kept)
		err := scan(&id, &f.Count, &first, &last)
		f.First, f.Last = timeOf(first), timeOf(last)
		q.findings[id] = f
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

// most returns a statement that gives of each finding what of a column has the most denials.
func (q *question) most(columns, where string) string {
	return fmt.Sprintf("%s ORDER BY sum(n) DESC, %s LIMIT %d BY finding", q.by("finding, "+columns, where, "sum(n)"), columns, maxCounted)
}

func (q *question) containers(*report.Report) error {
	return q.each(q.most("name, container, image", "(name <> '' OR container <> '')"), func(scan func(...any) error) error {
		var id string
		var c report.Counted
		err := scan(&id, &c.Name, &c.ID, &c.Image, &c.Count)
		f := q.of(id)
		f.Containers = append(f.Containers, c)
		return err
	})
}

func (q *question) programs(*report.Report) error {
	return q.each(q.most("program", "program <> ''"), func(scan func(...any) error) error {
		var id string
		var c report.Counted
		err := scan(&id, &c.Name, &c.Count)
		f := q.of(id)
		f.Programs = append(f.Programs, c)
		return err
	})
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
	statement := fmt.Sprintf("SELECT sum(count) FROM denial WHERE %s AND (first < %d OR last >= %d)", q.edges, q.since, q.until)
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
	statement := "SELECT max(at) FROM (SELECT if(max(made) > 0, max(made), min(first)) AS at FROM denial_day WHERE " + named + " GROUP BY name, container, image)"
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
