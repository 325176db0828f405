package main

import (
	"time"

	"github.com/whydenied/whydenied/explain"
	"github.com/whydenied/whydenied/explain/report"
	"github.com/whydenied/whydenied/parser"
)

// summary counts what was read, found, and perhaps missed.
func summary(session *explain.Session) *report.Summary {
	counts, lost := session.Denials, session.Stats.Lost
	s := &report.Summary{
		Lines:      session.Stats.Lines,
		Records:    session.Stats.Records - session.Duplicates,
		Duplicates: session.Duplicates,
		Denials:    counts[parser.Denied] + counts[parser.Killed] + counts[parser.Hint] + counts[parser.Failed],
		Complain:   counts[parser.Allowed],
		Audited:    counts[parser.Audited],
		Status:     counts[parser.Status],
		Dropped:    session.Dropped,
		Unparsed:   session.Stats.Unparsed,
		Overlong:   session.TooLong,
		NULBytes:   session.Stats.NULs,
		CRLFLines:  session.Stats.CRLF,
		TornLines:  session.Torn,
		Missing: report.Missing{
			AuditLost:   lost.AuditLost,
			Suppressed:  lost.Suppressed,
			RateLimited: lost.RateLimited,
			Backlog:     lost.Backlog,
			Messages:    lost.Messages,
			Auditd:      lost.Dropped,
		},
	}
	for _, u := range session.Stats.Samples {
		s.Samples = append(s.Samples, report.Unparsed{File: u.Origin.File, Line: u.Origin.Line, Why: u.Why, Text: u.Text})
	}
	var first, last time.Time
	for _, f := range session.Findings() {
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
	if missing, ok := session.Stats.Serials.Missing(); ok {
		s.Missing.SerialGaps = missing
	}
	return s
}
