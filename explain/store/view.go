package store

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/whydenied/whydenied/explain"
	"github.com/whydenied/whydenied/explain/report"
)

// A view is a range as statements read it, in words that SQLite and ClickHouse share; what
// they say differently is a text of it. Statements of a view sum up and choose; what comes of
// them is no more than is shown.
type view struct {
	since, until int64 // milliseconds
	each         func(statement string, args []any, row func(scan func(...any) error) error) error

	// denials gives a statement that sums up the denials of the range that meet a condition, by
	// columns: with these n, began and ended. timed is the same by columns and at, the
	// beginning of buckets of a width.
	denials func(columns, where string) (statement string, args []any)
	timed   func(columns, where string) (statement string, args []any, width time.Duration)

	// Of each node: lost has cluster, node, kind, count, first, last; span cluster, node,
	// reader, first, last; answered the latest answers of the range, cluster, node, name,
	// newest, newest_found; sighting of each finding first_cluster, first_node, began.
	lost, span, answered, sighting string

	digest string // of the column image; "" if that has none
	ids    string // the distinct ones of the column finding, with commas between them

	among func(findings []string) string // the condition that the finding is one of these
}

// keys are what the denials of a finding are counted by, as expressions of the columns of
// denials, and which of these they need.
func (v *view) keys() map[string]struct{ expression, columns string } {
	type key = struct{ expression, columns string }
	return map[string]key{
		"node":      {"node", "node"},
		"cluster":   {"cluster", "cluster"},
		"digest":    {v.digest, "image"},
		"deploy":    {"image", "image, made"},
		"container": {"CASE WHEN name <> '' THEN name ELSE substr(container, 1, 12) END", "name, container"},
		"image":     {"repository", "repository"},
		"program":   {"program", "program"},
	}
}

// maxGroups bounds the groups of an answer.
const maxGroups = 1000

// groups sums up the denials of findings by one of report.CountedKeys: those with the most
// denials, and how many groups there are. only are the findings, nil for all.
func (v *view) groups(by string, only []string) (list []report.Group, all int, err error) {
	key := v.keys()[by]
	where := "1"
	if only != nil {
		where = v.among(only)
	}
	columns := key.columns + ", finding"
	if by != "container" { // which are counted, too
		columns += ", name, container"
	}
	inner, args := v.denials(columns, where)
	made := "min(began)"
	if by == "deploy" { // as Made says it
		made = "min(CASE WHEN made > 0 THEN made ELSE began END)"
	}
	statement := fmt.Sprintf(`SELECT %s AS k, sum(n) AS total, count(DISTINCT CASE WHEN container <> '' THEN container ELSE name END) - max(CASE WHEN container = '' AND name = '' THEN 1 ELSE 0 END), min(began), max(ended), %s, %s
		FROM (%s) GROUP BY k`, key.expression, made, v.ids, inner)
	err = v.each(statement+fmt.Sprintf(" ORDER BY total DESC, k LIMIT %d", maxGroups), args, func(scan func(...any) error) error {
		var g report.Group
		var first, last, made int64
		var ids string
		if err := scan(&g.Key, &g.Count, &g.Containers, &first, &last, &made, &ids); err != nil {
			return err
		}
		g.First, g.Last = timeOf(first), timeOf(last)
		if by == "deploy" {
			g.Made = timeOf(made)
		}
		g.IDs = strings.Split(ids, ",")
		slices.Sort(g.IDs)
		list = append(list, g)
		return nil
	})
	if all = len(list); err == nil && all == maxGroups {
		inner, args := v.denials(key.columns, where)
		err = v.each("SELECT count(*) FROM (SELECT "+key.expression+" AS k FROM ("+inner+") GROUP BY k)", args, func(scan func(...any) error) error { return scan(&all) })
	}
	if err != nil {
		return nil, 0, err
	}
	return list, all, v.times(list, key.expression, key.columns, where)
}

// hexed returns texts as a list for hex(...) IN; hexadecimal digits have nothing that could end
// it.
func hexed(list []string) string {
	quotes := []string{"''"}
	for _, s := range list {
		quotes = append(quotes, "'"+strings.ToUpper(hex.EncodeToString([]byte(s)))+"'")
	}
	return strings.Join(quotes, ", ")
}

// times has groups tell when their denials came.
func (v *view) times(list []report.Group, expression, columns, where string) error {
	places := map[string]*report.Group{}
	var names []string
	inner, args, width := v.timed(columns, where)
	for i := range list {
		list[i].Times = explain.NewTimes(width)
		places[list[i].Key] = &list[i]
		names = append(names, list[i].Key)
	}
	statement := fmt.Sprintf("SELECT %s AS k, at, sum(n) FROM (%s) WHERE at > 0 AND hex(%[1]s) IN (%[3]s) GROUP BY k, at", expression, inner, hexed(names))
	return v.each(statement, args, func(scan func(...any) error) error {
		var name string
		var at, n int64
		err := scan(&name, &at, &n)
		if g := places[name]; g != nil {
			g.Times.Add(time.Unix(at, 0), uint32(min(n, 1<<31)))
		}
		return err
	})
}

// sightings has findings tell when and where they were seen first, in the range or before.
func (v *view) sightings(findings []report.Finding) error {
	places := map[string]*report.Finding{}
	for i := range findings {
		places[findings[i].ID] = &findings[i]
	}
	return v.each("SELECT finding, first_cluster, first_node, began FROM "+v.sighting, nil, func(scan func(...any) error) error {
		var id, cluster, node string
		var first int64
		err := scan(&id, &cluster, &node, &first)
		if f := places[id]; f != nil {
			f.FirstSeen = &report.Sighting{Time: report.Time(timeOf(first)), Cluster: cluster, Node: node}
		}
		return err
	})
}

// silence is how long a node may not have said that it looks before it counts as silent: an
// agent says so each minute. One that has been for a day before the range began is gone.
const (
	silence = 5 * time.Minute
	gone    = 24 * time.Hour
)

// watched says how many nodes are watched, and of which of them denials of the range may not
// have been seen; it is nil if none is.
func (v *view) watched(now time.Time) (*report.Watched, error) {
	end := min(v.until, now.UnixMilli())
	begin := cmp.Or(v.since, end) - gone.Milliseconds()
	nodes := map[report.Node]*report.Blind{}
	of := func(n report.Node) *report.Blind {
		if nodes[n] == nil {
			nodes[n] = &report.Blind{Node: n}
		}
		return nodes[n]
	}
	w := &report.Watched{}
	var n report.Node
	var kind, text string
	var count int
	var last int64
	heard := fmt.Sprintf("SELECT cluster, node, max(last) AS latest FROM %s WHERE reader <> 'log' AND first < %d GROUP BY cluster, node HAVING max(last) >= %d", v.span, end, begin)
	var hiding []string
	for _, name := range blinding {
		hiding = append(hiding, "'"+name+"'")
	}
	for _, ask := range []struct {
		statement string
		row       func(scan func(...any) error) error
	}{
		{"SELECT count(*) FROM (" + heard + ")", func(scan func(...any) error) error { return scan(&w.Nodes) }},
		{fmt.Sprintf("SELECT cluster, node, latest FROM (%s) WHERE latest < %d", heard, end-silence.Milliseconds()), func(scan func(...any) error) error {
			err := scan(&n.Cluster, &n.Name, &last)
			of(n).Silent = report.Time(timeOf(last))
			return err
		}},
		{fmt.Sprintf("SELECT cluster, node, kind, sum(count) FROM %s WHERE last >= %d AND first < %d GROUP BY cluster, node, kind", v.lost, v.since, v.until), func(scan func(...any) error) error {
			err := scan(&n.Cluster, &n.Name, &kind, &count)
			if to := missing[kind]; to != nil {
				*to(&of(n).Missing) += count
			} else {
				of(n).Lost += count
			}
			return err
		}},
		{fmt.Sprintf("SELECT cluster, node, name, newest_found FROM %s WHERE newest = 'hides' AND name IN (%s) ORDER BY cluster, node, name", v.answered, strings.Join(hiding, ", ")), func(scan func(...any) error) error {
			err := scan(&n.Cluster, &n.Name, &kind, &text)
			of(n).Doctor = append(of(n).Doctor, kind+": "+text)
			return err
		}},
	} {
		if err := v.each(ask.statement, nil, ask.row); err != nil {
			return nil, err
		}
	}
	w.Add(nodes)
	if w.Nodes == 0 { // saved logs, which nobody watches
		return nil, nil
	}
	return w, nil
}

// view is the range of a store.
func (s *Store) view(ctx context.Context, tx *sql.Tx, r Range) (*view, error) {
	since, until := r.bounds()
	widest, err := r.widest(ctx, tx)
	if err != nil {
		return nil, err
	}
	part, args := r.part("source, ", max(widest, 0))
	sums := func(columns, where string) (string, []any) {
		return fmt.Sprintf(`SELECT %s, sum(count) AS n, min(first) AS began, max(last) AS ended FROM (
			SELECT p.finding AS finding, at, program, count, first, last, '' AS cluster, node, ifnull(c.name, '') AS name, ifnull(c.container, '') AS container,
				ifnull(c.image, '') AS image, ifnull(c.repository, '') AS repository, ifnull(c.made, 0) AS made
			FROM (%s) p JOIN source ON source.id = p.source LEFT JOIN container c ON c.id = p.container) WHERE %s GROUP BY %[1]s`, columns, part, where), args
	}
	const ofNode = "(SELECT '' AS cluster, node, %s FROM %s JOIN source ON id = source)"
	return &view{
		since: since, until: until,
		each: func(statement string, args []any, row func(scan func(...any) error) error) error {
			return each(ctx, tx, statement, args, row)
		},
		denials: sums,
		timed: func(columns, where string) (string, []any, time.Duration) {
			statement, args := sums(columns+", at", where)
			return statement, args, time.Second << widths[max(widest, 0)]
		},
		lost: fmt.Sprintf(ofNode, "kind, first, last, count", "loss"), span: fmt.Sprintf(ofNode, "reader, first, last", "span"),
		// What is no sum is of the row that has the greatest or smallest one.
		answered: fmt.Sprintf("(SELECT '' AS cluster, node, name, status AS newest, found AS newest_found, max(at) FROM answer JOIN source ON id = source WHERE at < %d GROUP BY node, name)", until),
		sighting: fmt.Sprintf("(SELECT finding, '' AS first_cluster, node AS first_node, min(first) AS began FROM bucket JOIN source ON id = source WHERE width = %d AND first > 0 GROUP BY finding)", widths[len(widths)-1]),
		digest:   "CASE WHEN instr(image, '@') > 0 THEN substr(image, instr(image, '@') + 1) ELSE '' END",
		ids:      "group_concat(DISTINCT finding)",
		among:    func(findings []string) string { return "hex(finding) IN (" + hexed(findings) + ")" },
	}, nil
}

// view is the range of a fleet's database. span is the time that its denials span.
func (f *Fleet) view(ctx context.Context, r Range, span time.Duration) *view {
	p := partOf(r)
	return &view{
		since: p.since, until: p.until,
		each: func(statement string, _ []any, row func(scan func(...any) error) error) error {
			return f.server.each(ctx, statement, row)
		},
		denials: func(columns, where string) (string, []any) { return p.union(columns, where), nil },
		timed: func(columns, where string) (string, []any, time.Duration) {
			if span < shortest {
				return p.timed(columns, where), nil, time.Second << widths[0]
			}
			return p.union(columns+", at", where), nil, time.Second << 18
		},
		lost: "lost", span: "span",
		answered: fmt.Sprintf("(SELECT cluster, node, name, argMax(status, at) AS newest, argMax(found, at) AS newest_found FROM answer WHERE at < %d GROUP BY cluster, node, name)", p.until),
		sighting: "(SELECT finding, argMin(cluster, first) AS first_cluster, argMin(node, first) AS first_node, min(first) AS began FROM first_seen GROUP BY finding)",
		digest:   "if(position(image, '@') > 0, substring(image, position(image, '@') + 1, 1000), '')",
		ids:      "arrayStringConcat(groupUniqArray(finding), ',')",
		among:    among,
	}
}

// Groups sums up the denials of a range by one of report.CountedKeys: those with the most
// denials, 1,000 at most, and how many groups there are. Of findings only those are counted
// that are named, or all if only is nil.
func (s *Store) Groups(ctx context.Context, r Range, by string, only []string) (list []report.Group, all int, err error) {
	err = s.within(ctx, func(tx *sql.Tx) error {
		v, err := s.view(ctx, tx, r)
		if err == nil {
			list, all, err = v.groups(by, only)
		}
		return err
	})
	if err != nil {
		err = fmt.Errorf("%s: %w", s.name, err)
	}
	return list, all, err
}

// Groups sums up the denials of a range, as Store.Groups does.
func (f *Fleet) Groups(ctx context.Context, r Range, by string, only []string) (list []report.Group, all int, err error) {
	err = f.check(ctx)
	var span time.Duration
	if err == nil {
		span, err = f.span(ctx, r)
	}
	if err == nil {
		list, all, err = f.view(ctx, r, span).groups(by, only)
	}
	if err != nil {
		err = fmt.Errorf("%s: %w", f.name, err)
	}
	return list, all, err
}

// span returns the time that the denials of a range span; of a short range that is not asked for.
func (f *Fleet) span(ctx context.Context, r Range) (time.Duration, error) {
	until := r.Until
	if until.IsZero() {
		until = time.Now()
	}
	if span := until.Sub(r.Since); !r.Since.IsZero() && span < shortest {
		return span, nil
	}
	var first, last int64
	v := f.view(ctx, r, 0)
	inner, _ := v.denials("cluster", "1")
	err := v.each("SELECT min(began), max(ended) FROM ("+inner+")", nil, func(scan func(...any) error) error { return scan(&first, &last) })
	return timeOf(last).Sub(timeOf(first)), err
}
