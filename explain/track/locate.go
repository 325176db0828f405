package track

import (
	"fmt"
	"time"

	"github.com/whydenied/whydenied/explain/container"
)

// A location is where a process was, if that is known.
type location struct {
	member     *membership
	confidence container.Confidence
	evidence   string
	ambiguous  bool
}

// locate tells the cgroups of the process that had a PID at a time.
func (t *Tracker) locate(pid int, at time.Time) location {
	t.catchUp()
	t.mu.Lock()
	defer t.mu.Unlock()
	when := window(at)
	uses := t.processes.uses(pid, when)
	if len(uses) == 0 || t.feed == nil && when.to > t.until {
		return t.late(pid, when)
	}
	return t.choose(uses, when)
}

// choose tells the cgroups of one of several processes, if it makes no difference
// which of them it was. Of a process that was being moved into a container it
// takes the container.
func (t *Tracker) choose(uses []*process, when span) location {
	pid := uses[0].pid
	var l location
	var found identity
	contained, outside, own := false, false, true
	for _, p := range uses {
		members := p.cgroupsWithin(when)
		outside = outside || len(members) == 0
		own = own && (p.told || len(p.changes) > 0 && p.changes[0].at <= when.to)
		for _, m := range members {
			id, in := t.cache.identify(m)
			switch {
			case !in:
				outside = true
				if l.member == nil {
					l.member = m
				}
				continue
			case contained && (id.key != found.key || id.inner != found.inner):
				return location{ambiguous: true, evidence: fmt.Sprintf("process %d was in two containers within %v of the record", pid, recordSlack)}
			}
			l.member, found, contained = m, id, true
		}
	}
	switch {
	case len(uses) > 1 && contained && outside:
		return location{ambiguous: true, evidence: fmt.Sprintf("the ID %d was that of two processes within %v of the record, one of them in container %s", pid, recordSlack, container.ShortID(found.id))}
	case l.member == nil:
		l.evidence = fmt.Sprintf("process %d ended before its cgroup could be read", pid)
		return l
	}
	path := l.member.path()
	if contained {
		path = found.path
	}
	switch {
	case contained && outside:
		l.confidence = container.Medium
		l.evidence = fmt.Sprintf("process %d was moved to cgroup %s about then", pid, path)
	case !own:
		l.confidence = container.Medium
		l.evidence = fmt.Sprintf("the cgroup of the parent of process %d was %s", pid, path)
	default:
		l.confidence = container.High
		l.evidence = fmt.Sprintf("the cgroup of process %d was %s", pid, path)
	}
	return l
}

// knowsAll reports whether each process that lives is known: from the scan at the beginning, or
// after a loss, and from its start on. To look for others in /proc costs more than all else that
// is done with a record.
func (t *Tracker) knowsAll() bool {
	return t.tier == TierBPF && t.feed != nil && t.processes.count < maxProcesses
}

// late reads a process that no event told of, after the record. It had the PID
// at the time if it started before.
func (t *Tracker) late(pid int, when span) location {
	if when.to < 0 { // of an old log that is followed: each of its repeats would be looked for
		return location{evidence: fmt.Sprintf("process %d of the record had ended before this host was started", pid)}
	}
	unseen := location{evidence: fmt.Sprintf("process %d had ended before it was seen", pid)}
	if t.knowsAll() {
		return unseen
	}
	r, ok := readProcess(pid)
	switch {
	case !ok:
		return unseen
	case r.start > when.to:
		return location{evidence: fmt.Sprintf("process %d of the record had ended; another has its ID now", pid)}
	case when.from > 0 && r.start+clockTick > when.from:
		return location{evidence: fmt.Sprintf("process %d started about when the record was made; its ID may have been another's", pid)}
	case t.feed != nil:
		// Its start was missed; from now on it is known.
		t.took(r)
	}
	l := location{member: r.member, confidence: container.High, evidence: fmt.Sprintf("the cgroup of process %d is %s (read from /proc after the record)", pid, r.member.path())}
	if when.from == 0 {
		l.confidence = container.Medium // the ID may have been another's
	}
	return l
}
