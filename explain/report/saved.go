package report

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/whydenied/whydenied/explain"
	"github.com/whydenied/whydenied/parser"
)

// Merge adds a report of saved findings: what has the same ID becomes one finding. A
// finding that is in both word for word, as where one file was given twice, counts once.
func (r *Report) Merge(o *Report) {
	r.addConfig(o.Config)
	if r.places == nil {
		r.places = map[string]int{}
	}
	for _, f := range o.Findings {
		i, known := r.places[f.ID]
		if !known {
			r.places[f.ID] = len(r.Findings)
			r.Findings = append(r.Findings, f)
			continue
		}
		r.Findings[i].merge(&f)
	}
	switch {
	case o.Summary == nil:
	case r.Summary == nil:
		s := *o.Summary
		r.Summary = &s
	default:
		r.Summary.merge(o.Summary)
	}
	r.Notices = append(r.Notices, o.Notices...)
	r.Silent = cmp.Or(r.Silent, o.Silent)
	r.Patch = cmp.Or(r.Patch, o.Patch)
}

// addConfig adds what another report was made of.
func (r *Report) addConfig(c *Config) {
	if c == nil {
		return
	}
	if r.Config == nil {
		one := *c
		r.Config = &one
		return
	}
	r.Config.Inputs = slices.Concat(r.Config.Inputs, c.Inputs)
	for _, policy := range c.Policies {
		if !slices.Contains(r.Config.Policies, policy) {
			r.Config.Policies = append(slices.Clip(r.Config.Policies), policy)
		}
	}
}

// merge adds the denials of the same finding elsewhere.
func (f *Finding) merge(o *Finding) {
	if f.Count == o.Count && f.First == o.First && f.Last == o.Last && slices.Equal(f.Serials, o.Serials) {
		return
	}
	f.Count += o.Count
	if f.First == "" || o.First != "" && o.First < f.First { // RFC 3339 in UTC sorts as text
		f.First, f.Denial, f.Subject, f.Container = o.First, o.Denial, o.Subject, o.Container
	}
	f.Last = max(f.Last, o.Last)
	serials := slices.Concat(f.Serials, o.Serials)
	slices.Sort(serials)
	f.Serials = slices.Compact(serials)
	f.Serials = f.Serials[:min(len(f.Serials), maxSavedSerials)]
	f.Times = mergeTimes(f.Times, o.Times)
	f.Containers, f.Programs = mergeCounted(f.Containers, o.Containers), mergeCounted(f.Programs, o.Programs)
	if o.FirstSeen != nil && (f.FirstSeen == nil || o.FirstSeen.Time < f.FirstSeen.Time) {
		f.FirstSeen = o.FirstSeen
	}
	f.Message = sentenceOf(f).String()
}

// maxSavedSerials and maxSavedNames are as many as a finding has anyway.
const (
	maxSavedSerials = 20
	maxSavedNames   = 32
)

// mergeTimes adds buckets up, those that are nil left out.
func mergeTimes(list ...*Times) *Times {
	widest := int64(1)
	for _, t := range list {
		if t != nil {
			widest = max(widest, t.Seconds)
		}
	}
	all := explain.NewTimes(time.Duration(min(widest, 1<<32)) * time.Second)
	for _, t := range list {
		if t == nil {
			continue
		}
		start, err := time.Parse(time.RFC3339Nano, t.Start)
		if err != nil || t.Seconds <= 0 {
			continue
		}
		for i, n := range t.Counts[:min(len(t.Counts), 1<<10)] {
			if n > 0 {
				all.Add(start.Add(time.Duration(i)*time.Duration(t.Seconds)*time.Second), n)
			}
		}
	}
	return newTimes(&all)
}

func mergeCounted(a, b []Counted) []Counted {
	all := slices.Clone(a)
	for _, c := range b {
		i := slices.IndexFunc(all, func(o Counted) bool { return o.Name == c.Name && o.ID == c.ID })
		if i < 0 {
			all = append(all, c)
		} else {
			all[i].Count += c.Count
		}
	}
	slices.SortStableFunc(all, compareCounted)
	return all[:min(len(all), maxSavedNames)]
}

// merge adds the counts of another summary.
func (s *Summary) merge(o *Summary) {
	for _, n := range [...]struct {
		to   *int
		from int
	}{
		{&s.Lines, o.Lines}, {&s.Records, o.Records}, {&s.Duplicates, o.Duplicates}, {&s.Denials, o.Denials}, {&s.Findings, o.Findings},
		{&s.Complain, o.Complain}, {&s.Audited, o.Audited}, {&s.Status, o.Status}, {&s.Claims, o.Claims}, {&s.Dropped, o.Dropped},
		{&s.Unparsed, o.Unparsed}, {&s.Overlong, o.Overlong}, {&s.NULBytes, o.NULBytes}, {&s.CRLFLines, o.CRLFLines}, {&s.TornLines, o.TornLines},
		{&s.Missing.SerialGaps, o.Missing.SerialGaps}, {&s.Missing.AuditLost, o.Missing.AuditLost}, {&s.Missing.Suppressed, o.Missing.Suppressed},
		{&s.Missing.RateLimited, o.Missing.RateLimited}, {&s.Missing.Backlog, o.Missing.Backlog}, {&s.Missing.Failed, o.Missing.Failed},
		{&s.Missing.Messages, o.Missing.Messages}, {&s.Missing.Auditd, o.Missing.Auditd},
	} {
		*n.to += n.from
	}
	s.Samples = slices.Concat(s.Samples, o.Samples)
	s.Samples = s.Samples[:min(len(s.Samples), maxSamples)]
	if s.First == "" || o.First != "" && o.First < s.First {
		s.First = o.First
	}
	s.Last = max(s.Last, o.Last)
	s.Watched = s.Watched.merge(o.Watched)
}

// Select keeps the findings that a filter selects; one of which some denials are is kept
// whole. The summary counts what is left of them, and all else as it was read.
func (r *Report) Select(f explain.Filter) {
	r.Findings = slices.DeleteFunc(r.Findings, func(one Finding) bool { return !one.meets(&f) })
	r.Recount()
}

// Recount has the summary count the findings of the report.
func (r *Report) Recount() {
	if r.Summary == nil {
		return
	}
	r.Summary.Findings, r.Summary.Claims, r.Summary.Denials, r.Summary.Complain = 0, 0, 0, 0
	for i := range r.Findings {
		switch f := &r.Findings[i]; {
		case f.Claim != nil:
			r.Summary.Claims++
		case f.Mode == "ALLOWED":
			r.Summary.Findings++
			r.Summary.Complain += f.Count
		default:
			r.Summary.Findings++
			r.Summary.Denials += f.Count
		}
	}
}

// meets reports whether a denial of the finding can meet a filter.
func (f *Finding) meets(filter *explain.Filter) bool {
	first, err := time.Parse(time.RFC3339Nano, f.First)
	last, err2 := time.Parse(time.RFC3339Nano, f.Last)
	if err == nil && err2 == nil && (!filter.Since.IsZero() && last.Before(filter.Since) || !filter.Until.IsZero() && first.After(filter.Until)) {
		return false
	}
	named := func(list []Counted, own string, wanted []string) bool {
		return len(wanted) == 0 || slices.Contains(wanted, own) && own != "" ||
			slices.ContainsFunc(list, func(c Counted) bool { return slices.Contains(wanted, c.Name) })
	}
	if !named(f.Programs, f.Subject.Comm, filter.Comms) {
		return false
	}
	label := cmp.Or(f.Subject.Label, f.Denial.Get("profile", "label"))
	if len(filter.Profiles) > 0 && !slices.ContainsFunc(filter.Profiles, func(name string) bool { return explain.MatchLabel(name, label) }) {
		return false
	}
	return len(filter.Containers) == 0 || slices.ContainsFunc(f.everyContainer(), func(c Counted) bool {
		return slices.ContainsFunc(filter.Containers, func(name string) bool {
			return c.Name == name || strings.HasSuffix(c.Name, "/"+name) || c.ID != "" && strings.HasPrefix(c.ID, name)
		})
	})
}

// everyContainer are the containers of the finding, of one that was saved before they
// were counted the one that it has.
func (f *Finding) everyContainer() []Counted {
	if len(f.Containers) > 0 || f.Container == nil {
		return f.Containers
	}
	return []Counted{{Name: f.Container.Name, ID: f.Container.ID, Image: f.Container.Image, Count: f.Count}}
}

// Recorded returns the record that a saved finding has, as it was logged but for what may
// be a secret; false if it has none that AppArmor or seccomp decided on, or names in it are
// no UTF-8.
func (f *Finding) Recorded() (parser.Denial, bool) {
	record := parser.Record{Type: parser.Type(f.Denial.Get("type"))}
	for _, field := range f.Denial {
		switch {
		case strings.HasSuffix(field.Key, "_hex"):
			return parser.Denial{}, false
		case !slices.Contains([]string{"type", "time", "serial", "node"}, field.Key):
			record.Fields = append(record.Fields, parser.Field{Key: field.Key, Value: field.Value})
		}
	}
	d, ok := record.Denial()
	return d, ok && d.Other == nil && f.Claim == nil
}
