package report

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/whydenied/whydenied/explain"
	"github.com/whydenied/whydenied/explain/escape"
	"github.com/whydenied/whydenied/explain/secret"
	"github.com/whydenied/whydenied/parser"
)

// NewSummary counts what a session read, found, and perhaps missed. Of the explained
// findings it names the policies that were not found.
func NewSummary(session *explain.Session, findings []*explain.Explained) *Summary {
	counts, lost := session.Denials, session.Stats.Lost
	s := &Summary{
		Lines:      session.Stats.Lines,
		Records:    session.Stats.Records - session.Duplicates - session.Answered,
		Duplicates: session.Duplicates,
		Denials:    counts[parser.Denied] + counts[parser.Killed] + counts[parser.Hint] + counts[parser.Failed],
		Complain:   counts[parser.Allowed],
		Audited:    counts[parser.Audited],
		Status:     counts[parser.Status],
		Dropped:    session.Beyond,
		Unparsed:   session.Stats.Unparsed,
		Overlong:   session.TooLong,
		NULBytes:   session.Stats.NULs,
		CRLFLines:  session.Stats.CRLF,
		TornLines:  session.Torn,
		Missing: Missing{
			AuditLost:   lost.AuditLost,
			Suppressed:  lost.Suppressed,
			RateLimited: lost.RateLimited,
			Backlog:     lost.Backlog,
			Failed:      lost.Failed,
			Messages:    lost.Messages,
			Auditd:      lost.Dropped,
		},
	}
	s.NotFound = notFound(findings)
	for _, u := range session.Stats.Samples {
		s.Samples = append(s.Samples, Unparsed{File: u.Origin.File, Line: u.Origin.Line, Why: u.Why, Text: secret.Text(u.Text, nil)})
	}
	for kind, n := range session.Stats.Neighbours {
		if n > 0 {
			if s.Neighbours == nil {
				s.Neighbours = map[string]int{}
			}
			s.Neighbours[parser.Neighbour(kind).String()] = n
		}
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
	s.First, s.Last = Time(first), Time(last)
	if missing, ok := session.Stats.Serials.Missing(); ok {
		s.Missing.SerialGaps = missing
	}
	return s
}

// maxSamples is how many lines that were not understood are printed.
const maxSamples = 5

// summary writes the closing line and the first lines that were not understood.
func (p *page) summary(s *Summary) {
	p.wrap(0, 2, prose(normal, summaryLine(s)))
	p.notFound(s.NotFound)
	for _, u := range s.Samples[:min(len(s.Samples), maxSamples)] {
		line := words(faint, "unparsed:")
		line = append(line, words(normal, escape.Line(u.File)+":"+escape.Number(u.Line)+":")...)
		line = append(line, prose(normal, u.Why+":")...)
		p.wrap(2, 4, append(line, prose(faint, u.Text)...))
	}
}

// sums writes a summary below an overview, which is to fit on the screen with it: of policies
// that were not found and lines that were not understood only how many there are.
func (p *page) sums(s *Summary) {
	p.wrap(0, 2, prose(normal, summaryLine(s)))
	if n := len(s.NotFound); n > 0 {
		p.wrap(0, 2, append(words(strong, "not", "found:"), prose(normal, manyPolicies(n)+"; explain names them, and what to give")...))
	}
}

// manyPolicies words a number of policies.
func manyPolicies(n int) string {
	if n == 1 {
		return "1 policy"
	}
	return thousands(n) + " policies"
}

// summaryLine words a summary: "1,234 lines, 56 records, 34 denials in 5
// findings; 0 unparsed; records may be missing: 305 suppressed".
func summaryLine(s *Summary) string {
	var line strings.Builder
	if s.Lines > 0 || s.Denials == 0 { // of a store nothing was read
		fmt.Fprintf(&line, "%s, %s, ", count(s.Lines, "line"), count(s.Records, "record"))
	}
	fmt.Fprintf(&line, "%s in %s; %s unparsed", count(s.Denials, "denial"), count(s.Findings, "finding"), thousands(s.Unparsed))
	some := func(n int, format string) {
		if n != 0 {
			fmt.Fprintf(&line, "; "+format, thousands(n))
		}
	}
	some(s.Complain, "%s logged and permitted")
	some(s.Audited, "%s permitted and audited")
	some(s.Claims, "%s not logged, by what a program tried")
	some(s.Duplicates, "%s seen twice and counted once")
	if s.Overlong > 0 {
		fmt.Fprintf(&line, "; %s passed over as too long", count(s.Overlong, "line"))
	}
	if s.NULBytes > 0 {
		fmt.Fprintf(&line, "; %s (a log that was not closed cleanly)", count(s.NULBytes, "NUL byte"))
	}
	if s.TornLines > 0 {
		fmt.Fprintf(&line, "; %s cut off at the end of a file", count(s.TornLines, "line"))
	}
	if s.Dropped > 0 {
		fmt.Fprintf(&line, "; %s beyond the distinct ones that are kept", count(s.Dropped, "denial"))
	}
	if len(s.Neighbours) > 0 {
		var kinds []string
		for _, kind := range slices.Sorted(maps.Keys(s.Neighbours)) {
			kinds = append(kinds, thousands(s.Neighbours[kind])+" "+kind)
		}
		line.WriteString("; records of other security modules: " + strings.Join(kinds, ", "))
	}
	if lost := s.Lost(); lost != "" {
		line.WriteString("; records may be missing: " + lost)
	}
	if blind := s.Watched.String(); blind != "" {
		line.WriteString("; " + blind)
	}
	return line.String()
}

// Lost words the signs of missing records; "" if there are none.
func (s *Summary) Lost() string { return strings.Join(missingParts(s.Missing), ", ") }

// missingParts words the signs of missing records that were seen.
func missingParts(m Missing) []string {
	var parts []string
	some := func(n int, one, many string) {
		switch {
		case n == 1:
			parts = append(parts, "1 "+one)
		case n != 0:
			parts = append(parts, thousands(n)+" "+many)
		}
	}
	some(m.AuditLost, "lost by the audit system", "lost by the audit system")
	some(m.Suppressed, "suppressed", "suppressed")
	some(m.SerialGaps, "serial gap", "serial gaps")
	some(m.RateLimited, "rate limit exceeded", "times the rate limit exceeded")
	some(m.Backlog, "backlog limit exceeded", "times the backlog limit exceeded")
	some(m.Failed, "record without a part that failed", "records without a part that failed")
	some(m.Messages, "message dropped by the logger", "messages dropped by the logger")
	some(m.Auditd, "complaint of auditd", "complaints of auditd")
	return parts
}

// count words a number of things.
func count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return thousands(n) + " " + thing + "s"
}

// thousands groups the digits of a number: 1,234,567.
func thousands(n int) string {
	digits := strconv.Itoa(n)
	sign := ""
	if n < 0 {
		sign, digits = "-", digits[1:]
	}
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return sign + digits
}
