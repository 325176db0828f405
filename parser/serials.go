package parser

import (
	"cmp"
	"slices"
	"time"
)

// A run is a range of consecutive serials, with the times in seconds of its first
// and last record.
type run struct {
	lo, hi      uint32
	first, last int64
}

const (
	maxNodes = 64      // hosts kept apart in one log
	maxRuns  = 1 << 13 // runs kept of each
)

// serialsOf is what is being collected of one node.
type serialsOf struct {
	runs    []run
	merged  int    // how many runs were left when they were last merged
	serial  uint32 // of the last line
	latest  int64  // greatest time in the log so far
	related bool   // the last event holds a denial, or began before the block
	started bool
}

// see notes a line of auditd's log.
func (s *Serials) see(node []byte, serial uint32, sec int64, k kind) {
	if k == daemonKind || serial == 0 || s.truncated {
		return
	}
	n := s.last
	if n == nil || string(node) != s.lastNode {
		n = s.node(string(node))
		if n == nil {
			return
		}
	}
	if n.started && serial == n.serial {
		if k == denialKind && !n.related {
			n.related = true
			s.unrelated--
		}
		return
	}
	s.events++
	n.related = k == denialKind
	if !n.related {
		s.unrelated++
	}
	n.serial, n.started = serial, true
	// A record carries the time at which its system call began, the serial and the
	// place in the log are of when it was written.
	if sec > n.latest || n.latest-sec > 3600 {
		n.latest = sec
	}
	if i := len(n.runs) - 1; i >= 0 {
		r := &n.runs[i]
		if serial >= r.lo && serial <= r.hi+1 && n.latest-r.last < 60 {
			r.hi, r.last = max(r.hi, serial), n.latest
			return
		}
	}
	n.runs = append(n.runs, run{serial, serial, n.latest, n.latest})
	s.bound(n)
}

// node returns what is collected of a node, or nil if there are too many.
func (s *Serials) node(name string) *serialsOf {
	n := s.nodes[name]
	if n == nil {
		if len(s.nodes) >= maxNodes {
			s.truncated = true
			return nil
		}
		if s.nodes == nil {
			s.nodes = map[string]*serialsOf{}
		}
		n = new(serialsOf)
		s.nodes[name] = n
	}
	s.last, s.lastNode = n, name
	return n
}

// finish ends the collection in a block.
func (s *Serials) finish() {
	s.last, s.lastNode = nil, ""
	for _, n := range s.nodes {
		n.runs = slices.Clip(mergeRuns(n.runs))
		n.merged, n.started = len(n.runs), false
	}
}

// bound merges the runs whenever they have doubled, and gives up counting when
// too many are left: a log with that many holes is a selection of records, not a
// log that lost some.
func (s *Serials) bound(n *serialsOf) {
	if len(n.runs) < 2*n.merged+256 {
		return
	}
	n.runs = mergeRuns(n.runs)
	n.merged = len(n.runs)
	if n.merged > maxRuns {
		s.truncated, s.nodes, s.last, s.lastNode = true, nil, nil, ""
	}
}

func (s *Serials) add(t *Serials) {
	s.events += t.events
	s.unrelated += t.unrelated
	if t.truncated {
		s.truncated, s.nodes = true, nil
	}
	for name, from := range t.nodes {
		if s.truncated {
			break
		}
		if to := s.node(name); to != nil {
			to.runs = append(to.runs, from.runs...)
			s.bound(to)
		}
	}
	s.last, s.lastNode = nil, ""
}

// mergeRuns joins the runs that touch in serials and time.
func mergeRuns(runs []run) []run {
	slices.SortFunc(runs, func(a, b run) int {
		return cmp.Or(cmp.Compare(a.first/60, b.first/60), cmp.Compare(a.lo, b.lo), cmp.Compare(a.first, b.first), cmp.Compare(a.hi, b.hi))
	})
	var out []run
	for _, r := range runs {
		if i := len(out) - 1; i >= 0 && r.lo >= out[i].lo && r.lo <= out[i].hi+1 && r.first-out[i].last < 120 && out[i].first-r.last < 120 {
			out[i].hi = max(out[i].hi, r.hi)
			out[i].first, out[i].last = min(out[i].first, r.first), max(out[i].last, r.last)
			continue
		}
		out = append(out, r)
	}
	return out
}

// Missing returns the number of serials that are missing between the first and
// the last of each boot. It is false when that says nothing about loss: no
// audit.log lines, or a log that was filtered and so holds little but denials.
func (s *Serials) Missing() (int, bool) {
	if s.events == 0 || s.truncated || s.unrelated*10 < s.events {
		return 0, false
	}
	missing, seen := 0, 0
	for _, n := range s.nodes {
		for _, boot := range boots(n.runs) {
			slices.SortFunc(boot, func(a, b run) int { return cmp.Compare(a.lo, b.lo) })
			next := boot[0].lo
			holes, have := 0, 0
			for _, r := range boot {
				if r.lo > next {
					holes += int(r.lo - next)
				}
				if r.hi >= next {
					have += int(r.hi-max(next, r.lo)) + 1
					next = r.hi + 1
				}
			}
			missing, seen = missing+holes, seen+have
		}
	}
	if missing > seen {
		return 0, false
	}
	return missing, true
}

// Span returns the times of the first and the last event, to the second; they are zero if
// there are no audit.log lines, or too many holes between them.
func (s *Serials) Span() (first, last time.Time) {
	for _, n := range s.nodes {
		for _, r := range n.runs {
			from, to := time.Unix(r.first, 0).UTC(), time.Unix(r.last, 0).UTC()
			if first.IsZero() || from.Before(first) {
				first = from
			}
			if to.After(last) {
				last = to
			}
		}
	}
	return first, last
}

// boots splits runs where the kernel began to count anew: at low serials, lower
// than before, and later by more than it takes to write one event.
func boots(runs []run) [][]run {
	runs = slices.Clone(runs)
	slices.SortFunc(runs, func(a, b run) int {
		return cmp.Or(cmp.Compare(a.first, b.first), cmp.Compare(a.lo, b.lo))
	})
	var out [][]run
	start, highest := 0, uint32(0)
	for i, r := range runs {
		if i > start && r.lo < 1000 && r.hi < highest && r.first-runs[i-1].last >= 2 {
			out = append(out, runs[start:i])
			start, highest = i, 0
		}
		highest = max(highest, r.hi)
	}
	if start < len(runs) {
		out = append(out, runs[start:])
	}
	return out
}
