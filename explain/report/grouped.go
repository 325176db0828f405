package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/whydenied/whydenied/explain"
)

// CountedKeys are those of GroupKeys that differ between the denials of a finding, so that
// what counts denials sums them up; logs and saved findings have no counts of the first two.
var CountedKeys = []string{"node", "cluster", "digest", "deploy", "container", "image", "program"}

// A Group is the denials of a store or a fleet's database that have a key in common.
type Group struct {
	Key         string // as it is kept; "" if it is not known
	Count       int
	Containers  int // distinct ones
	First, Last time.Time
	Made        time.Time // of a deploy, when the first container of it was, or else was refused something
	Times       explain.Times
	IDs         []string // of findings
}

// Grouped makes an overview of what was summed up by one of CountedKeys. all is how many groups
// there are.
func (r *Report) Grouped(by string, groups []Group, all int) *Overview {
	o := &Overview{By: by, Findings: len(r.Findings), Groups: []Row{}, Further: all - len(groups)}
	o.Urgent, o.MoreUrgent = urgent(r.Findings)
	known := map[string]*Finding{}
	for i := range r.Findings {
		f := &r.Findings[i]
		known[f.ID] = f
		o.Denials += f.Count
		o.First, o.Last = earliest(o.First, f.First), max(o.Last, f.Last)
	}
	var watched *Watched
	if r.Summary != nil {
		watched = r.Summary.Watched
	}
	for _, g := range groups {
		var list []*Finding
		for _, id := range g.IDs {
			if f := known[id]; f != nil { // what is not explained yet is no finding
				list = append(list, f)
			}
		}
		if len(list) == 0 {
			continue
		}
		row := newRow(list)
		row.Key, row.Count, row.Containers = cmp.Or(plain(g.Key), "unknown"), g.Count, g.Containers
		row.First, row.Last, row.Made, row.Times = Time(g.First), Time(g.Last), Time(g.Made), newTimes(&g.Times)
		row.Blind, row.Why = watched.of(by, g.Key)
		o.Groups = append(o.Groups, row)
	}
	return o
}

// SelectNew keeps the findings that were seen first from a time on, as FirstSeen says.
func (r *Report) SelectNew(since time.Time) {
	from := Time(since)
	r.Findings = slices.DeleteFunc(r.Findings, func(f Finding) bool { return f.FirstSeen == nil || f.FirstSeen.Time < from })
	r.Recount()
}

// digest is that of an image's name, "" if it has none.
func digest(image string) string {
	_, of, _ := strings.Cut(image, "@")
	return of
}

// sighted words where and when a finding was seen first.
func (s *Sighting) String() string {
	if s == nil || s.Node == "" {
		return ""
	}
	where := s.Node
	if s.Cluster != "" {
		where += " of " + s.Cluster
	}
	return fmt.Sprintf("%s on %s", s.Time, where)
}
