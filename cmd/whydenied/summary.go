package main

import (
	"time"

	"github.com/whydenied/whydenied/explain"
	"github.com/whydenied/whydenied/explain/report"
	"github.com/whydenied/whydenied/parser"
)

// summary counts what was read, found, and perhaps missed.
func (r *reading) summary(findings []*explain.Finding) *report.Summary {
	counts, lost := r.group.Denials, r.stats.Lost
	s := &report.Summary{
		Lines:      r.stats.Lines,
		Records:    r.stats.Records - r.duplicates,
		Duplicates: r.duplicates,
		Denials:    counts[parser.Denied] + counts[parser.Killed] + counts[parser.Hint] + counts[parser.Failed],
		Complain:   counts[parser.Allowed],
		Audited:    counts[parser.Audited],
		Status:     counts[parser.Status],
		Dropped:    r.group.Dropped,
		Unparsed:   r.stats.Unparsed,
		Overlong:   r.tooLong,
		NULBytes:   r.stats.NULs,
		CRLFLines:  r.stats.CRLF,
		TornLines:  r.torn,
		Missing: report.Missing{
			AuditLost:   lost.AuditLost,
			Suppressed:  lost.Suppressed,
			RateLimited: lost.RateLimited,
			Backlog:     lost.Backlog,
			Messages:    lost.Messages,
			Auditd:      lost.Dropped,
		},
	}
	for _, u := range r.stats.Samples {
		s.Samples = append(s.Samples, report.Unparsed{File: u.Origin.File, Line: u.Origin.Line, Why: u.Why, Text: u.Text})
	}
	var first, last time.Time
	for _, f := range findings {
		if f.IsClaim() {
			s.Claims++
			continue
		}
		s.Findings++
		if first.IsZero() || !f.First.IsZero() && f.First.Before(first) {
			first = f.First
		}
		if f.Last.After(last) {
			last = f.Last
		}
	}
	s.First, s.Last = report.Time(first), report.Time(last)
	if missing, ok := r.stats.Serials.Missing(); ok {
		s.Missing.SerialGaps = missing
	}
	return s
}
