package track

import (
	"path"
	"slices"
	"strings"
	"time"

	"github.com/whydenied/whydenied/explain/container"
)

// An eventKind is what a process did.
type eventKind uint32

const (
	forked   eventKind = 1 + iota // a new process, not a thread
	executed                      // a new program
	exited
	moved // to another cgroup of one hierarchy
)

// An event is what the kernel says of a process. Processes are thread groups; the
// PID is that of the first thread, as in log records.
type event struct {
	kind      eventKind
	pid       int
	at        time.Duration // since boot, suspended time included
	exact     bool          // forked: moves will be told; exited: no thread is left
	parent    int           // forked
	inherits  bool          // forked: is in its parent's cgroups
	comm      string        // executed; "" is unknown
	hierarchy int           // moved
	id        uint64        // moved: what the kernel calls the cgroup, among those of the hierarchy
	path      string        // moved
}

// A membership is the cgroups of a process, one of each hierarchy. It does not
// change, and the processes that have it share it.
type membership struct {
	cgroups []cgroup // cgroup v2 first
}

func newMembership(cgroups []cgroup) *membership {
	slices.SortFunc(cgroups, func(a, b cgroup) int { return a.hierarchy - b.hierarchy })
	return &membership{cgroups: cgroups}
}

// with returns the membership after a move. A nil membership has no cgroups.
func (m *membership) with(hierarchy int, path string) *membership {
	var cgroups []cgroup
	if m != nil {
		cgroups = slices.DeleteFunc(slices.Clone(m.cgroups), func(c cgroup) bool { return c.hierarchy == hierarchy })
	}
	return newMembership(append(cgroups, cgroup{hierarchy, path}))
}

// unit returns the service of systemd that a process of these cgroups is of, or "".
func (m *membership) unit() string {
	for _, c := range m.cgroups {
		if unit := container.UnitOf(c.path); unit != "" {
			return unit
		}
	}
	return ""
}

func (m *membership) equal(o *membership) bool {
	return m == o || m != nil && o != nil && slices.Equal(m.cgroups, o.cgroups)
}

// under reports whether one of the cgroups is another or below it.
func (m *membership) under(dir string) bool {
	dir = strings.TrimSuffix(dir, "/")
	return slices.ContainsFunc(m.cgroups, func(c cgroup) bool { return c.path == dir || strings.HasPrefix(c.path, dir+"/") })
}

// path returns the cgroup that says most: on a host with both versions one of
// them may hold everything in its root.
func (m *membership) path() string {
	best := "/"
	for _, c := range m.cgroups {
		if best == "/" || len(path.Dir(best)) == 1 && len(path.Dir(c.path)) > 1 {
			best = c.path
		}
	}
	return best
}

// A process is one use of a PID.
type process struct {
	pid      int
	start    time.Duration // since boot
	ended    time.Duration // 0 while it runs
	gone     bool          // its PID may be another's
	told     bool          // every move is an event
	copied   bool          // runs its parent's program: was forked, and nothing more
	exec     time.Duration // when it last got a new program; 0 is never
	parent   *process      // whose cgroups it had at first, if they are not its own
	changes  []change      // in order of time
	followed bool
}

// A change is what is known of a process's cgroups from a time on: moved there,
// or read to be there until a later time at least.
type change struct {
	at, until time.Duration
	member    *membership
}

// cgroupsAt returns the cgroups of a process whose moves are told, or nil if
// they are unknown.
func (p *process) cgroupsAt(at time.Duration) *membership {
	for _, c := range slices.Backward(p.changes) {
		if c.at <= at {
			return c.member
		}
	}
	return nil
}

// A span is from one time since boot to another.
type span struct{ from, to time.Duration }

// cgroupsWithin returns the cgroups that a process can have had at some time of a
// span; none if nothing is known.
//
// Where moves are not told, cgroups are read now and then, and those of a child
// are its parent's at first. Between two readings that differ it can have had
// either, but after it got its program only the later: runtimes move a process
// before they give it its program.
func (p *process) cgroupsWithin(when span) []*membership {
	from, to := max(when.from, p.start), max(when.to, p.start)
	var all []*membership
	add := func(since, until time.Duration, members ...*membership) {
		if since > to || until < from {
			return
		}
		for _, m := range members {
			if !slices.ContainsFunc(all, m.equal) {
				all = append(all, m)
			}
		}
	}
	var before []*membership
	if p.parent != nil {
		before = p.parent.cgroupsWithin(span{p.start, p.start})
	}
	since := p.start // when it was last known to be where it was before
	for _, c := range p.changes {
		settled := c.at
		if p.exec > since && p.exec < c.at && !p.told {
			settled = p.exec
		}
		switch {
		case p.told:
			add(since, c.at-1, before...)
		case len(before) == 1 && before[0].equal(c.member):
			add(since, settled, c.member)
		default:
			add(since, settled, before...)
			add(since, settled, c.member)
		}
		add(settled, c.until, c.member)
		before, since = []*membership{c.member}, max(c.at, c.until)
	}
	add(since, to, before...)
	return all
}

// Bounds of what is remembered of processes.
const (
	keepEnded    = 2 * time.Minute // logs that are read late are minutes late, not hours
	maxEnded     = 1 << 16
	maxProcesses = 1 << 18
)

// processes are the uses of all PIDs that are remembered, as events and readings
// of /proc tell them. It is for one goroutine at a time.
type processes struct {
	byPID map[int][]*process // the last is the newest
	count int
	ended []*process // in order of their end
}

// newest returns the last known use of a PID, or nil.
func (ps *processes) newest(pid int) *process {
	uses := ps.byPID[pid]
	if len(uses) == 0 {
		return nil
	}
	return uses[len(uses)-1]
}

// fork adds a new process.
func (ps *processes) fork(e event) *process {
	if old := ps.newest(e.pid); old != nil {
		if old.ended == 0 && near(old.start, e.at) {
			return old // seen in /proc before its event was read
		}
		ps.end(old, e.at)
	}
	p := &process{pid: e.pid, start: e.at, told: e.exact, copied: true}
	parent := ps.newest(e.parent)
	if parent != nil && parent.gone {
		parent = nil
	}
	if parent != nil {
		p.followed = parent.followed
	}
	switch {
	case parent == nil || !e.inherits:
	case e.exact:
		if m := parent.cgroupsAt(e.at); m != nil {
			p.changes = []change{{at: e.at, member: m}}
		}
	default:
		p.parent = parent
	}
	ps.add(p)
	return p
}

func (ps *processes) add(p *process) {
	if ps.byPID == nil {
		ps.byPID = map[int][]*process{}
	}
	if ps.count >= maxProcesses && len(ps.ended) > 0 {
		ps.forget()
	}
	if ps.count >= maxProcesses {
		return // /proc answers for it while it lives
	}
	ps.byPID[p.pid] = append(ps.byPID[p.pid], p)
	ps.count++
}

// move notes that a process is in another cgroup. Its other cgroups must be
// known.
func (ps *processes) move(e event) *process {
	p := ps.newest(e.pid)
	if p == nil || p.gone {
		return nil
	}
	p.change(change{at: e.at, member: p.cgroupsAt(e.at).with(e.hierarchy, e.path)})
	return p
}

// change adds to what is known of a process's cgroups. A runtime moves a process in
// one hierarchy after the other (12 of cgroup v1 and v2); moves long past are
// forgotten.
func (p *process) change(c change) {
	const most = 32
	if len(p.changes) == most {
		p.changes = append(p.changes[:0], p.changes[most/2:]...)
	}
	p.changes = append(p.changes, c)
}

// exit notes the end of a process; gone says that no thread of it is left. Of a
// first thread that ends before others the last event counts.
func (ps *processes) exit(pid int, at time.Duration, gone bool) {
	p := ps.newest(pid)
	if p == nil || p.gone {
		return
	}
	if p.ended == 0 {
		ps.ended = append(ps.ended, p)
	}
	p.ended, p.gone = at, gone
	for len(ps.ended) > 0 && (len(ps.ended) > maxEnded || at-ps.ended[0].ended > keepEnded) {
		ps.forget()
	}
}

// end notes that a process is no more, whenever that was.
func (ps *processes) end(p *process, at time.Duration) {
	if !p.gone && p.ended == 0 {
		ps.exit(p.pid, at, true)
	}
	p.gone = true
}

// forget drops the process that ended first.
func (ps *processes) forget() {
	p := ps.ended[0]
	ps.ended[0] = nil
	ps.ended = ps.ended[1:]
	p.parent = nil // what keeps this one does not keep all before it
	uses := slices.DeleteFunc(ps.byPID[p.pid], func(o *process) bool { return o == p })
	ps.count--
	if len(uses) == 0 {
		delete(ps.byPID, p.pid)
		return
	}
	ps.byPID[p.pid] = uses
}

// recordSlack is how much later than its time an audit record can be. The kernel
// takes that from its coarse clock (audit_log_start of kernel/audit.c), which
// moves once a tick, 1 to 10 ms, and later where a hypervisor holds the CPU.
const recordSlack = 100 * time.Millisecond

// A reading is what /proc says of a process.
type reading struct {
	pid    int
	at     time.Duration // when
	start  time.Duration // of the process, rounded down to clockTick
	comm   string
	member *membership
}

// clockTick is the unit of times in /proc/PID/stat: USER_HZ is 100 on every
// architecture that Go runs on.
const clockTick = 10 * time.Millisecond

// near reports whether a start as /proc has it can be that of an event, which is
// exact or, from the process connector, later by little.
func near(start, event time.Duration) bool {
	return start.Truncate(clockTick) <= event && event < start+2*clockTick
}

// is reports whether a reading is of this use of its PID.
func (r reading) is(p *process) bool {
	return p != nil && !p.gone && near(r.start, p.start)
}

// read notes what /proc says of the newest use of a PID, and reports whether that
// was not known. Told is whether its moves will be told, from now on.
func (ps *processes) read(r reading, told bool) (p *process, changed bool) {
	p = ps.newest(r.pid)
	if !r.is(p) {
		if p != nil {
			ps.end(p, r.start)
		}
		// A process that is seen for the first time is taken to have been there.
		p = &process{pid: r.pid, start: r.start, told: told, changes: []change{{r.start, r.at, r.member}}}
		ps.add(p)
		return p, true
	}
	if p.parent != nil { // most have their parent's: keep it once
		for _, c := range p.parent.changes {
			if c.member.equal(r.member) {
				r.member = c.member
			}
		}
	}
	n := len(p.changes)
	switch {
	case n > 0 && p.changes[n-1].member.equal(r.member):
		p.changes[n-1].until = r.at
		return p, false
	case n == 0 && p.told:
		p.change(change{p.start, r.at, r.member})
	default:
		p.change(change{r.at, r.at, r.member})
	}
	return p, true
}

// uses returns the processes that can have had a PID at some time of a span.
func (ps *processes) uses(pid int, when span) []*process {
	var found []*process
	uses := ps.byPID[pid]
	for i, p := range uses {
		last := i == len(uses)-1
		alive := p.ended == 0 || p.ended >= when.from || last && !p.gone
		if p.start <= when.to && alive && (last || uses[i+1].start > when.from) {
			found = append(found, p)
		}
	}
	return found
}
