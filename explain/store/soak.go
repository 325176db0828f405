package store

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"

	"github.com/whydenied/whydenied/explain/report"
)

// Evidence is what is known of a time in which a profile was tried: the findings, when
// somebody looked, and what would have kept a denial from being seen.
type Evidence struct {
	Findings []report.Finding
	Looked   []Range // in any order
	Blind    []Blind
}

// A Blind is a reason why what was logged may not have been seen.
type Blind struct {
	Range        // the time that it is of, with its end
	Why   string // a clause
}

// blinding are the answers of doctor that speak of records of AppArmor's not being logged, or
// not reaching a log. That a deny rule is quiet is the same in both modes.
var blinding = []string{"apparmor", "audit", "audit-rate-limit", "audit-excludes", "auditd"}

// Evidence returns what the store has.
func (s *Store) Evidence(ctx context.Context) (*Evidence, error) {
	all, err := s.Report(ctx, Range{})
	if err != nil {
		return nil, err
	}
	e := &Evidence{Findings: all.Findings}
	err = s.within(ctx, func(tx *sql.Tx) error {
		if err := e.looked(ctx, tx); err != nil {
			return err
		}
		if err := e.lost(ctx, tx); err != nil {
			return err
		}
		return e.hidden(ctx, tx)
	})
	return e, err
}

func (e *Evidence) looked(ctx context.Context, tx *sql.Tx) error {
	rows, err := tx.QueryContext(ctx, `SELECT first, last FROM span ORDER BY first`)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var first, last int64
		if err := rows.Scan(&first, &last); err != nil {
			return err
		}
		e.Looked = append(e.Looked, Range{timeOf(first), timeOf(last)})
	}
	return rows.Err()
}

func (e *Evidence) lost(ctx context.Context, tx *sql.Tx) error {
	rows, err := tx.QueryContext(ctx, `SELECT kind, first, last, count, said FROM loss ORDER BY first`)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var kind, said string
		var first, last int64
		var n int
		if err := rows.Scan(&kind, &first, &last, &n, &said); err != nil {
			return err
		}
		e.Blind = append(e.Blind, Blind{Range{timeOf(first), timeOf(last)}, "records may be missing: " + cmp.Or(said, fmt.Sprintf("%s %d", kind, n))})
	}
	return rows.Err()
}

// hidden adds the answers of doctor that hide denials, each from when it was given until the
// next one of its name.
func (e *Evidence) hidden(ctx context.Context, tx *sql.Tx) error {
	rows, err := tx.QueryContext(ctx, `SELECT name, status, found, at, lead(at, 1, 1 << 52) OVER (PARTITION BY source, name ORDER BY at) FROM answer`)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var name, status, found string
		var at, next int64
		if err := rows.Scan(&name, &status, &found, &at, &next); err != nil {
			return err
		}
		if status == "hides" && slices.Contains(blinding, name) {
			e.Blind = append(e.Blind, Blind{Range{timeOf(at), timeOf(next)}, "doctor said of " + name + ": " + found})
		}
	}
	return rows.Err()
}

// maxGap is how long nobody may have looked, as while a watch is started again.
const maxGap = time.Minute

// Soak says whether a profile that only logs may be enforced: whether for a time that ends
// with the evidence, nothing was found that it would refuse, and everything would have been
// seen.
func (e *Evidence) Soak(profile string, long time.Duration) report.Soak {
	a := report.Soak{Profile: profile, Hours: long.Hours()}
	var end time.Time
	for _, r := range e.Looked {
		if r.Until.After(end) {
			end = r.Until
		}
	}
	var known bool
	for i := range e.Findings {
		if f := &e.Findings[i]; f.IsOf(profile) {
			known = true
			if last, _ := time.Parse(time.RFC3339Nano, f.Last); last.After(end) {
				end = last
			}
		}
	}
	begin := end.Add(-long)
	a.Since, a.Until = report.Time(begin), report.Time(end)
	for i := range e.Findings {
		if f := &e.Findings[i]; f.IsOf(profile) && f.Last >= a.Since {
			a.Findings = append(a.Findings, report.SoakFinding{ID: f.ID, Message: f.Message, Cause: f.Cause, New: f.First >= a.Since, First: f.First, Last: f.Last})
		}
	}
	if len(a.Findings) > 0 {
		a.Answer = "no"
		return a
	}
	if !known {
		a.Because = append(a.Because, "no record of this profile was ever seen, so that nothing says that it is loaded, that something runs under it, or that its records arrive")
	}
	a.Because = append(a.Because, e.gaps(begin, end)...)
	for _, b := range e.Blind {
		if !b.Until.Before(begin) && !b.Since.After(end) {
			a.Because = append(a.Because, b.Why)
		}
	}
	a.Because = slices.Compact(a.Because)
	a.Answer = "yes"
	if len(a.Because) > 0 {
		a.Answer = "cannot say"
	}
	return a
}

// gaps says when between two times nobody looked.
func (e *Evidence) gaps(begin, end time.Time) (list []string) {
	looked := slices.Clone(e.Looked)
	slices.SortFunc(looked, func(a, b Range) int { return a.Since.Compare(b.Since) })
	gap := func(from, to time.Time) {
		if to.Sub(from) > maxGap {
			list = append(list, fmt.Sprintf("nobody looked from %s to %s (%s)", report.Time(from), report.Time(to), to.Sub(from).Round(time.Second)))
		}
	}
	at := begin
	for _, r := range looked {
		if r.Until.Before(at) || r.Since.After(end) {
			continue
		}
		gap(at, r.Since)
		if r.Until.After(at) {
			at = r.Until
		}
	}
	gap(at, end)
	return list
}

// Profiles returns the profiles of which something was logged and permitted, as in complain
// mode, sorted.
func (e *Evidence) Profiles() (names []string) {
	for i := range e.Findings {
		if f := &e.Findings[i]; f.Mode == "ALLOWED" && f.Seccomp == nil {
			if name := f.Denial.Get("profile", "label"); name != "" {
				names = append(names, name)
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}
