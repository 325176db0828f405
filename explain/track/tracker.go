// Package track follows the processes and containers of this host while they
// live, so that it can say which container a process was in that has ended. It
// says so with the evidence for it, and never guesses: no evidence means unknown.
// A Tracker is safe for concurrent use; its error is that nothing can be followed, and
// what is lost later it tells.
package track

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/whydenied/whydenied/explain/container"
)

// A Tracker says which containers the processes of this host belong to, those
// that have ended included. It may be used by several goroutines.
//
// It knows a process by its PID and its start, and a container by its cgroup;
// what Watch says of tiers decides how much of that it sees. Its memory is
// bounded: it forgets processes two minutes after their end, or before if
// there are many, and containers by last use.
type Tracker struct {
	inventory *container.Inventory // what the caller knows; may be nil
	cache     *cache
	ctx       context.Context // ends with the tracker
	stop      context.CancelFunc
	done      chan struct{} // closed when nothing follows events any more
	asking    chan struct{} // bounds questions to engines at one time

	mu        sync.Mutex
	feed      feed // nil if there are no events
	tier, why string
	until     time.Duration // when events ended, since boot
	lost      int
	last      time.Duration // of the last event, since boot
	processes processes
	cgroups   map[cgroupID]string // the paths of those that something was moved to
	unread    []int               // PIDs whose cgroups are to be read
	starting  []int               // PIDs whose cgroups are to be read again and again
	fresh     map[key]identity    // containers to look up
	commands  []command           // to be read
	learning  chan struct{}       // closed when those before have been read; nil if there are none
	undecided []*membership       // whose container those may tell
}

// A command is that of a low-level runtime that has started.
type command struct {
	pid   int
	start time.Duration // since boot
}

// A feed is where events come from: eBPF or the process connector. Drain hands
// over all that the kernel has told so far, without waiting, and says if some of
// it was lost; fd can be polled for more.
type feed interface {
	drain(apply func(event)) (lost bool, err error)
	fd() int
	close()
}

// Tiers of a Tracker.
const (
	TierBPF       = "ebpf"
	TierConnector = "connector"
	TierProc      = "proc"
)

// Watch starts to track the processes and containers of this host, until the
// context ends or Close. It takes the best tier that this host and the caller's
// privileges allow:
//
//   - ebpf: raw tracepoints tell each fork, exec and exit, and each move to
//     another cgroup with its path, before the process goes on. The answers are
//     exact. Linux 5.8 with BTF; CAP_BPF and CAP_PERFMON to start.
//   - connector: the process connector (linux/cn_proc.h) tells each fork, exec
//     and exit; cgroups are read from /proc at once, and inherited by what ends
//     sooner. The initial network namespace; before Linux 6.6 CAP_NET_ADMIN to
//     start.
//   - proc: /proc/PID/cgroup when a record asks. It knows only what still runs.
//
// An inventory, which may be nil, completes what is found; it must not change
// any more. To read metadata the caller needs access to the runtimes' folders
// and sockets while it runs: as root no capability, except CAP_DAC_READ_SEARCH
// for rootless containers and CAP_SYS_PTRACE for what runtimes are told to make: it
// shows which file a runtime runs, without which none is believed.
//
// It fails outside of the initial PID namespace, as log records have PIDs of
// that one, and on other systems than Linux.
func Watch(ctx context.Context, inventory *container.Inventory) (*Tracker, error) {
	return watch(ctx, inventory, TierBPF)
}

// watch is Watch with the best tier to try.
func watch(ctx context.Context, inventory *container.Inventory, best string) (*Tracker, error) {
	if err := canTrack(); err != nil {
		return nil, err
	}
	t := &Tracker{inventory: inventory, cache: newCache(), done: make(chan struct{}), asking: make(chan struct{}, 8)}
	t.ctx, t.stop = context.WithCancel(ctx)
	t.open(best)
	t.cache.scan(time.Now())
	t.mu.Lock()
	t.scan()
	if t.feed == nil {
		t.processes = processes{} // nothing would tell when they end
	}
	all := len(t.fresh) < maxContainers
	t.learn()
	t.mu.Unlock()
	t.prefetch()
	t.cache.knowsAll(t.feed != nil && all)
	if t.feed == nil {
		close(t.done)
		return t, nil
	}
	go t.follow()
	return t, nil
}

// open opens the best feed that can be had.
func (t *Tracker) open(best string) {
	t.tier = TierProc
	var reasons []string
	for _, try := range []struct {
		tier string
		open func() (feed, error)
	}{{TierBPF, openBPF}, {TierConnector, openConnector}} {
		if best == TierProc || best == TierConnector && try.tier == TierBPF {
			continue
		}
		opened, err := try.open()
		if err == nil {
			t.feed, t.tier = opened, try.tier
			break
		}
		reasons = append(reasons, fmt.Sprintf("%s: %v", try.tier, err))
	}
	t.why = strings.Join(reasons, "; ")
}

// Tier returns the tier in use, TierBPF, TierConnector or TierProc, and why no better
// one is.
func (t *Tracker) Tier() (tier, why string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.tier, t.why
}

// Lost returns how many times events were lost, as they came faster than they
// were read. Processes of that moment may be unknown; what lives is read again.
func (t *Tracker) Lost() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.lost
}

// Close stops tracking. Find then answers from what was known.
func (t *Tracker) Close() error {
	t.stop()
	<-t.done
	return nil
}

// follow reads events as they come, so that the kernel need not drop any, and
// looks up new containers before they are gone.
func (t *Tracker) follow() {
	defer close(t.done)
	tier, _ := t.Tier()
	fd, again := t.feed.fd(), false
	w := newWaiter(fd)
	defer w.close()
	for t.ctx.Err() == nil {
		if again {
			waitFor(fd, 250*time.Microsecond)
		} else {
			w.wait(fd, 100*time.Millisecond) // so that the end of the context is noticed
		}
		if tier == TierBPF {
			time.Sleep(10 * time.Millisecond) // nothing needs to be read in haste: take more at once
		}
		t.mu.Lock()
		t.unread, t.starting = append(t.unread, t.starting...), nil
		t.drain()
		again = len(t.starting) > 0
		ended := t.feed == nil
		t.mu.Unlock()
		t.prefetch()
		if ended {
			return
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.drain()
	t.unfeed(sinceBoot(time.Now()))
}

// unfeed ends the events; what was known until then stays.
func (t *Tracker) unfeed(until time.Duration) {
	if t.feed != nil {
		t.feed.close()
		t.feed, t.until = nil, until
	}
}

// drain takes in what the kernel has told so far. What it tells of a process
// comes before what the process then does, so that after it all is known that
// can be of a process in a record that has been read.
func (t *Tracker) drain() {
	if t.feed == nil {
		return
	}
	defer t.learn()
	t.pull()
	// A PID can be another's by the time that it is read: a reading holds if no
	// later event says so.
	for rounds := 0; len(t.unread) > 0 && rounds < 8; rounds++ {
		slices.Sort(t.unread)
		pids := slices.Compact(t.unread)
		t.unread = nil
		var readings []reading
		for _, pid := range pids {
			if p := t.processes.newest(pid); p == nil || p.gone || p.ended > 0 {
				continue
			}
			if r, ok := readProcess(pid); ok {
				readings = append(readings, r)
			}
		}
		t.pull()
		for _, r := range readings {
			if r.is(t.processes.newest(r.pid)) {
				t.took(r)
			}
		}
	}
}

// pull applies the events that there are.
func (t *Tracker) pull() {
	if t.feed == nil {
		return
	}
	before := t.last
	lost, err := t.feed.drain(t.apply)
	if err != nil {
		t.unfeed(before)
		t.tier, t.why = TierProc, fmt.Sprintf("%s: %v", t.tier, err)
		return
	}
	if lost {
		t.lost++
		t.resync(before)
	}
}

// apply takes in one event.
func (t *Tracker) apply(e event) {
	t.last = max(t.last, e.at)
	switch e.kind {
	case forked:
		if p := t.processes.fork(e); len(p.changes) == 0 {
			t.unread = append(t.unread, e.pid)
		}
	case executed:
		p := t.processes.newest(e.pid)
		if p == nil || p.gone {
			return
		}
		p.exec, p.copied = e.at, false
		switch {
		case !p.told:
			t.unread = append(t.unread, e.pid)
		case runtimeOf(e.comm) != "":
			t.invoked(p, p.cgroupsAt(e.at))
		}
	case exited:
		t.processes.exit(e.pid, e.at, e.exact)
	case moved:
		if p := t.processes.move(e); p != nil {
			t.noticed(p.cgroupsAt(e.at))
		}
		if t.cgroups == nil || len(t.cgroups) >= maxContainers {
			t.cgroups = map[cgroupID]string{}
		}
		t.cgroups[cgroupID{e.hierarchy, e.id}] = e.path
	}
}

// took takes in what was read of a process.
func (t *Tracker) took(r reading) {
	p, changed := t.processes.read(r, t.tier == TierBPF)
	if changed {
		t.noticed(r.member)
	}
	// A child without a program of its own shows its parent's command line, but can
	// be in another working directory already.
	if runtimeOf(r.comm) != "" && !p.copied {
		t.invoked(p, r.member)
	}
	// runc exec has its child join the container's cgroup between its start and
	// its program, which can end at once.
	if _, in := t.cache.identify(r.member); !in && !p.told && p.exec == 0 && isStarting(r.comm) && r.at-p.start < time.Second {
		t.starting = append(t.starting, r.pid)
	}
}

// noticed has the container of a membership looked up.
func (t *Tracker) noticed(m *membership) {
	if (len(t.commands) > 0 || t.learning != nil) && len(t.undecided) < maxContainers {
		t.undecided = append(t.undecided, m)
	}
	id, ok := t.cache.identify(m)
	switch {
	case !ok:
	case len(t.fresh) < maxContainers:
		if t.fresh == nil {
			t.fresh = map[key]identity{}
		}
		t.fresh[id.key] = id
	default:
		t.cache.knowsAll(false) // more are looked up when Find asks
	}
}

// invoked has the container noted that a low-level runtime makes, unless it runs in
// a container itself: what that says is of no weight here.
func (t *Tracker) invoked(p *process, m *membership) {
	if _, inside := t.cache.identify(m); !inside {
		t.commands = append(t.commands, command{p.pid, p.start})
	}
}

// learn starts to read the commands that there are. What they are and name can be
// made by others, so that nobody has the lock while they are read.
func (t *Tracker) learn() {
	if len(t.commands) == 0 {
		return
	}
	commands, before, learned := t.commands, t.learning, make(chan struct{})
	t.commands, t.learning = nil, learned
	go func() {
		defer close(learned)
		for _, c := range commands {
			t.cache.learn(c)
		}
		if before != nil {
			<-before
		}
		t.mu.Lock()
		undecided := t.undecided
		t.undecided = nil
		if t.learning == learned {
			t.learning = nil
		}
		for _, m := range undecided {
			t.noticed(m)
		}
		t.mu.Unlock()
		t.prefetch()
	}()
}

// catchUp takes in what the kernel has told so far, and waits for what runtimes were
// told by then.
func (t *Tracker) catchUp() {
	t.mu.Lock()
	t.drain()
	learning := t.learning
	t.mu.Unlock()
	if learning == nil {
		return
	}
	timer := time.NewTimer(readTimeout)
	defer timer.Stop()
	select {
	case <-learning:
	case <-timer.C:
	}
}

// scan reads all processes that there are.
func (t *Tracker) scan() (seen map[int]bool) {
	seen = map[int]bool{}
	for _, pid := range listProcesses() {
		if r, ok := readProcess(pid); ok {
			t.took(r)
			seen[pid] = true
		}
	}
	return seen
}

// resync makes good for events that were lost after a time: who is not there any
// more ended then, as far as is known.
func (t *Tracker) resync(after time.Duration) {
	var alive []*process
	for pid := range t.processes.byPID {
		if p := t.processes.newest(pid); !p.gone && p.ended == 0 {
			alive = append(alive, p)
			p.copied = false // its new program may be what was lost
		}
	}
	seen := t.scan()
	for _, p := range alive {
		if t.processes.newest(p.pid) != p || !seen[p.pid] {
			t.processes.end(p, after)
			p.ended = after
		}
	}
}

// prefetch starts to look up the metadata of containers that are new: those of a
// container that ends at once are gone when its records are read. Engines answer
// when they have started the container, so that nothing waits for them.
func (t *Tracker) prefetch() {
	t.mu.Lock()
	fresh := t.fresh
	t.fresh = nil
	t.mu.Unlock()
	for _, id := range fresh {
		t.cache.note(id.key)
		go func() {
			t.cache.container(t.ctx, id, false)
			select {
			case t.asking <- struct{}{}:
				t.cache.container(t.ctx, id, true)
				<-t.asking
			default: // Find asks
			}
		}()
	}
}

// Find returns the container of a process, with Evidence and Confidence: High if
// the kernel told its cgroup at that time, Medium if it was concluded from its
// parent's or read a little later. Without a PID, or where the process was not
// seen, it answers as container.Inventory's does. A process on the host itself, and one
// whose PID can have been another's at the time, have nothing but Evidence.
//
// It reads what the kernel has told so far and waits for nothing else, but for
// what is on disk of a container that is looked up for the first time, 1 s at most,
// and its engines, 2 s each at most. Who did not answer in time is left alone for a
// while, so that users cannot keep it waiting with files and engines of their own.
func (t *Tracker) Find(s container.Subject) container.Container {
	if s.CgroupPath != "" {
		if c, ok := t.known(newMembership([]cgroup{{0, s.CgroupPath}}), container.High, "its cgroup is "+s.CgroupPath); ok {
			return c
		}
	}
	if s.PID <= 0 {
		return t.offline(s, "")
	}
	l := t.locate(s.PID, s.Time)
	switch {
	case l.ambiguous:
		return container.Container{Evidence: []string{l.evidence}}
	case l.member == nil:
		return t.offline(s, l.evidence)
	}
	if c, ok := t.known(l.member, l.confidence, l.evidence); ok {
		return c
	}
	if t.inventory != nil {
		if c, ok := t.inventory.ByPID(s); ok {
			return c
		}
	}
	return container.Container{Evidence: []string{l.evidence + ", which is no container's"}, Unit: l.member.unit()}
}

// Follow marks a process: it and the children that it has from now on, and
// theirs, are then Followed. It does nothing for one that is not known, and in
// TierProc.
func (t *Tracker) Follow(pid int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.drain()
	if p := t.processes.newest(pid); p != nil && !p.gone {
		p.followed = true
	}
}

// Followed reports whether a process is known to be one that Follow marked, or
// to come from one.
func (t *Tracker) Followed(s container.Subject) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.drain()
	uses := t.processes.uses(s.PID, window(s.Time))
	return len(uses) > 0 && !slices.ContainsFunc(uses, func(p *process) bool { return !p.followed })
}

// Under reports whether a process was in a cgroup, or one below it, of any
// hierarchy. The path is from the hierarchy's root, as in /proc/PID/cgroup. A
// process whose ID can have been another's must have been there whichever it was,
// and one that is not known was not.
func (t *Tracker) Under(s container.Subject, cgroup string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.drain()
	when := window(s.Time)
	uses := t.processes.uses(s.PID, when)
	if len(uses) == 0 || t.feed == nil && when.to > t.until {
		l := t.late(s.PID, when)
		return l.member != nil && l.member.under(cgroup)
	}
	return !slices.ContainsFunc(uses, func(p *process) bool {
		return !slices.ContainsFunc(p.cgroupsWithin(when), func(m *membership) bool { return m.under(cgroup) })
	})
}

// CgroupPath returns the path of a cgroup by its ID among those of a hierarchy, 0
// for version 2, from the hierarchy's root. It is "" if no process was moved there
// since Watch, or so many to others that it is forgotten, and in other tiers than TierBPF.
func (t *Tracker) CgroupPath(hierarchy int, id uint64) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.drain()
	return t.cgroups[cgroupID{hierarchy, id}]
}

// window returns when, since boot, something with that time in its record was.
func window(at time.Time) span {
	if at.IsZero() {
		return span{0, sinceBoot(time.Now())}
	}
	from := sinceBoot(at)
	return span{from, from + recordSlack}
}

// known returns the container of a membership.
func (t *Tracker) known(m *membership, confidence container.Confidence, evidence string) (container.Container, bool) {
	id, ok := t.cache.identify(m)
	if !ok {
		t.cache.scan(time.Now())
		if id, ok = t.cache.identify(m); !ok {
			return container.Container{}, false
		}
	}
	c := t.cache.container(t.ctx, id, true)
	if t.inventory != nil {
		if known := t.inventory.ByID(c.ID); known != nil {
			c.Merge(*known)
		}
	}
	if c.Parent != "" {
		evidence += ", in container " + container.ShortID(c.Parent)
	}
	c.Confidence, c.Evidence = confidence, []string{evidence}
	return c, true
}

// offline answers from metadata alone.
func (t *Tracker) offline(s container.Subject, evidence string) container.Container {
	c := t.cache.inventory(t.inventory).Find(s)
	if evidence != "" {
		c.Evidence = append([]string{evidence}, c.Evidence...)
	}
	return c
}
