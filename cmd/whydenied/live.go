package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/whydenied/whydenied/explain"
	"github.com/whydenied/whydenied/explain/container"
	"github.com/whydenied/whydenied/explain/host"
	"github.com/whydenied/whydenied/explain/patch"
	"github.com/whydenied/whydenied/explain/report"
	"github.com/whydenied/whydenied/explain/track"
	"github.com/whydenied/whydenied/parser/source"
	"github.com/whydenied/whydenied/rules/seccomp"
)

// liveFlags are the flags of the commands that explain denials as they come.
type liveFlags struct {
	policy policyFlags
	filter explain.Filter
	source string
	cgroup string
	silent bool
	learn  bool // of run alone
}

func (f *liveFlags) add(flags *pflag.FlagSet) {
	f.policy.add(flags)
	addFilter(flags, &f.filter)
	flags.StringVar(&f.source, "source", "", "read `SOURCE`: audit (the kernel's audit netlink), audit-unicast (the same in auditd's place, which must not run), kmsg, journal, trace (see the command), or a file that is followed; by default the best that can be opened")
	f.addCgroup(flags)
	flags.BoolVar(&f.silent, "silent", false, "see also what leaves no record: trace system calls, which slows this host down, and have AppArmor log quiet denials until the end; whydenied help trace.md has what it costs")
}

func (f *liveFlags) addCgroup(flags *pflag.FlagSet) {
	flags.StringVar(&f.cgroup, "cgroup", "", "only processes in the cgroup `PATH` or below it, as /proc/PID/cgroup has it: /system.slice/web.service")
}

func (f *liveFlags) checkCgroup() error {
	if f.cgroup != "" && (!strings.HasPrefix(f.cgroup, "/") || strings.HasPrefix(f.cgroup, "/sys/fs/cgroup")) {
		return usagef("--cgroup %q is no cgroup's path; /proc/PID/cgroup has it behind the last colon, such as /system.slice/web.service", f.cgroup)
	}
	return nil
}

// A stream explains denials as they come. Its methods may be called by several
// goroutines.
type stream struct {
	lives     []*source.Live
	tracker   *track.Tracker // nil where processes cannot be followed
	undo      func()         // of noquiet
	learner   *learner       // nil unless profiles learn
	explainer *explain.Explainer
	stderr    io.Writer
	print     func(report.Message) error // and flush

	// explaining is held by who explains; mu is not held meanwhile, so that records
	// need not wait. Who takes both takes explaining first.
	explaining  sync.Mutex
	suggestions *patch.Suggestions // nil if none are to be made
	history     *history           // nil if nothing is to be kept
	reviseFrom  time.Time          // when work on suggestions may go on

	mu sync.Mutex
	*explain.Session
	queue    explain.Queue // new findings that are to be explained
	waiting  chan struct{} // holds a token when one was added
	printed  map[*explain.Finding]*printed
	repeated []*explain.Finding // that came again since they were printed
	lost     int
	followed following // as was said
	left     elsewhere
	at       time.Time // of the last denial that was taken
	err      error     // of printing, or of keeping the history
	stop     func()    // ends follow
}

// open opens the source and what tells containers apart, and says which were
// taken.
func (f *liveFlags) open(cmd *cobra.Command, from source.Start, print func(report.Message) error) (*stream, error) {
	stderr := cmd.ErrOrStderr()
	if err := f.checkCgroup(); err != nil {
		return nil, err
	}
	explainer, inventory, err := f.policy.load(cmd.Context(), stderr, true)
	if err != nil {
		return nil, err
	}
	explainer.Library.UseKernel()
	explainer.Fixes.Compile = nil // it takes longer than everything else, and patch asks it
	s := &stream{undo: func() {}, explainer: explainer, stderr: stderr, print: print, waiting: make(chan struct{}, 1), printed: map[*explain.Finding]*printed{}}
	// Processes first: what the first records are about must be known by then.
	find := inventory.Find
	if s.tracker, err = track.Watch(cmd.Context(), inventory); err != nil {
		complain(stderr, fmt.Errorf("processes are not followed: %w", err))
	} else {
		find = s.tracker.Find
	}
	if err := s.openSources(f, from); err != nil {
		s.close()
		return nil, err
	}
	s.Session = explain.NewSession(find, f.filter)
	if err := s.pullLevers(f); err != nil {
		s.close()
		return nil, err
	}
	if f.cgroup != "" {
		if s.tracker == nil {
			s.close()
			return nil, errors.New("--cgroup needs the processes of this host to be followed, which they are not")
		}
		s.Filter.Keep = func(subject container.Subject, _ container.Container) bool {
			return s.tracker.Under(subject, f.cgroup)
		}
	}
	var taken []string
	for _, l := range s.lives {
		taken = append(taken, l.Taken)
	}
	endsItself.Store(true)
	say(stderr, "reading %s; %s", strings.Join(taken, ", and "), s.tier())
	if s.tracker != nil {
		s.followed.tier, _ = s.tracker.Tier()
	}
	return s, nil
}

// pullLevers has AppArmor log more while the stream lasts, as --learn and --silent say.
func (s *stream) pullLevers(f *liveFlags) error {
	if !f.learn && !f.silent {
		return nil
	}
	if err := undoLeft(host.Host{}, host.StateFile, s.stderr); err != nil {
		return err
	}
	if !f.learn {
		s.undo = sync.OnceFunc(noquiet(host.Host{}, s.stderr))
		return nil
	}
	var err error
	if s.learner, err = learn(host.Host{}, s.explainer.Library, f.silent); err != nil {
		return err
	}
	s.undo = func() { _ = s.learner.release() } // which was said if it was called before
	s.Filter.Learning = s.learner.profiles
	return nil
}

// cutShort returns an error if a signal came before the answer was whole. The exit
// status is that of the signal then.
func cutShort(cmd *cobra.Command) error {
	err := cmd.Context().Err()
	if err != nil {
		endsItself.Store(false)
	}
	return err
}

// openSources opens the source of records, and with --silent the tracing of
// system calls.
func (s *stream) openSources(f *liveFlags, from source.Start) error {
	if f.silent && f.source == "trace" {
		return usagef("--silent traces besides another source; leave out --source trace")
	}
	l, err := source.Open(f.source, from)
	if err != nil {
		return err
	}
	s.lives = []*source.Live{l}
	for _, why := range l.Passed {
		complain(s.stderr, errors.New(why))
	}
	if !f.silent {
		return nil
	}
	t, err := source.Open("trace", source.Start{})
	if err != nil {
		l.Close()
		return fmt.Errorf("--silent: %w", err)
	}
	s.lives = append(s.lives, t)
	return nil
}

// tier says how containers are told apart.
func (s *stream) tier() string {
	if s.tracker == nil {
		return "containers are known from the inventory alone"
	}
	tier, why := s.tracker.Tier()
	if why != "" {
		why = " (" + why + ")"
	}
	return "processes are followed by " + tier + why
}

// A following is how processes are followed.
type following struct {
	tier, why string
	lost      int // times that events were
}

// sayFollowing says what has changed for the worse in how processes are followed.
func (s *stream) sayFollowing() {
	if s.tracker == nil {
		return
	}
	now := following{lost: s.tracker.Lost()}
	now.tier, now.why = s.tracker.Tier()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, text := range now.since(s.followed) {
		s.say(report.Message{Notice: &report.Notice{Kind: "unfollowed", Text: text}})
	}
	s.followed = now
}

// since says what is worse than before.
func (f following) since(before following) (worse []string) {
	if times := f.lost - before.lost; times > 0 {
		worse = append(worse, fmt.Sprintf("%d times processes came and went faster than could be read; those of these moments may be known late, or not at all", times))
	}
	if before.tier != "" && f.tier != before.tier {
		worse = append(worse, fmt.Sprintf("processes are followed by %s no more (%s); those that end before their records are read are not known from now on", before.tier, f.why))
	}
	return worse
}

// close ends the following of processes, and puts back what --silent changed; that
// of the sources closes them.
func (s *stream) close() {
	s.undo()
	if s.tracker != nil {
		s.tracker.Close()
	}
}

// dropPrivileges gives up what reading on does not need, with a last use of it.
func (s *stream) dropPrivileges() {
	source.RaisePriority()
	keep := []source.Capability{source.DACReadSearch, source.SysPtrace}
	for _, l := range s.lives {
		keep = append(keep, l.Needs...)
	}
	if err := source.DropCapabilities(keep...); err != nil {
		complain(s.stderr, fmt.Errorf("capabilities that are not needed are kept: %w", err))
	}
}

// unhurry has sources be read in larger pieces, if processes are known by then that have ended.
func (s *stream) unhurry() {
	if s.tracker == nil {
		return
	}
	if tier, _ := s.tracker.Tier(); tier == track.TierProc {
		return
	}
	for _, l := range s.lives {
		l.Unhurried()
	}
}

// follow explains what comes until ctx ends or one of the sources does.
func (s *stream) follow(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	s.mu.Lock()
	s.stop = stop
	s.mu.Unlock()
	var wait sync.WaitGroup
	errs := make([]error, len(s.lives))
	for i, l := range s.lives {
		wait.Go(func() {
			defer stop()
			errs[i] = s.followOne(ctx, l)
		})
	}
	ended, explained := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(explained)
		s.explainWaiting(ended)
	}()
	wait.Wait()
	close(ended)
	<-explained
	return errors.Join(errs...)
}

// explainWaiting explains what waits until ended is closed, and for a second more.
func (s *stream) explainWaiting(ended <-chan struct{}) {
	var end time.Time
	for end.IsZero() || time.Now().Before(end) {
		select {
		case <-ended:
			if end.IsZero() {
				end = time.Now().Add(time.Second)
			}
		default:
		}
		began := time.Now()
		explained := s.explainNext()
		switch {
		case !explained && !end.IsZero():
			return
		case !explained:
			select {
			case <-s.waiting:
			case <-ended:
			}
		case end.IsZero() && s.onlyOneWaits():
			// Reading goes before the thousands that one container may have.
			select {
			case <-s.waiting:
			case <-ended:
			case <-time.After(time.Since(began)):
			}
		}
	}
}

// onlyOneWaits reports whether only findings of one container wait.
func (s *stream) onlyOneWaits() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.queue.Containers() == 1
}

// anyWaits reports whether a finding waits to be explained.
func (s *stream) anyWaits() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.queue.Len() > 0
}

// followOne explains what comes of one source until ctx ends or it does. What came
// before the end of ctx is explained, too.
func (s *stream) followOne(ctx context.Context, l *source.Live) error {
	for batch, err := range source.Follow(ctx, l) {
		if err != nil && err == ctx.Err() {
			return nil
		}
		if err != nil {
			return err
		}
		if err := s.take(batch); err != nil {
			return err
		}
	}
	return nil
}

// take folds a batch, and has findings that are new wait to be explained. The error is
// that of printing.
func (s *stream) take(batch source.Batch) error {
	s.mu.Lock()
	s.Count(batch.Stats, batch.TooLong)
	for _, n := range batch.Notices {
		s.notice(n)
	}
	s.mu.Unlock()
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	taken := 0
	for d, r := range batch.All() {
		if taken++; taken%64 == 0 { // as a batch can be long and another waits to explain
			s.mu.Unlock()
			s.mu.Lock()
		}
		f, isNew := add(s.Session, d, r)
		if f != nil {
			s.at = now
			s.fold(f, isNew)
		}
	}
	for _, why := range s.Spent() {
		s.say(report.Message{Notice: &report.Notice{Kind: "budget", Text: why}})
	}
	return s.err
}

// fold has a finding that is new wait to be explained, and notes one that came again.
func (s *stream) fold(f *explain.Finding, isNew bool) {
	if isNew {
		s.queue.Add(f)
		select {
		case s.waiting <- struct{}{}:
		default:
		}
		return
	}
	if p := s.printed[f]; p != nil && f.Count == p.count+1 {
		s.repeated = append(s.repeated, f)
	}
}

// A printed is a finding as it was when it was explained, and how often it had been seen
// when it was printed.
type printed struct {
	explain.Explained
	count int
}

// explainNext explains and prints the finding whose turn it is, and reports whether
// there was one.
func (s *stream) explainNext() bool {
	s.explaining.Lock()
	defer s.explaining.Unlock()
	s.mu.Lock()
	finding := s.queue.Next()
	if finding == nil || s.err != nil {
		s.mu.Unlock()
		return false
	}
	now := finding.Clone()
	s.mu.Unlock()
	f := &printed{Explained: explain.Explained{Finding: &now, Explanation: s.explainer.Explain(now)}}
	var granted *report.Granted
	if s.suggestions != nil {
		if rule, revision := s.suggestions.Add(&f.Explained); rule != "" {
			granted = report.NewGranted(rule, revision)
		}
	}
	m := report.NewFinding(f.Explained)
	m.Granted = granted
	s.history.explained(m)
	s.mu.Lock()
	defer s.mu.Unlock()
	f.count = now.Count
	if finding.Count > f.count {
		s.repeated = append(s.repeated, finding)
	}
	s.printed[finding] = f
	s.say(report.Message{Finding: &m})
	return true
}

// revise prints the fixes that are others since findings have come that they must
// fit with. It begins no more work after a time or while a finding waits, and makes up for
// what it took longer by waiting, as records wait for it.
func (s *stream) revise(most time.Duration) {
	s.explaining.Lock()
	defer s.explaining.Unlock()
	began := time.Now()
	if s.suggestions == nil || began.Before(s.reviseFrom) {
		return
	}
	for more := true; more && time.Since(began) < most && !s.anyWaits(); {
		var revisions []patch.Revision
		revisions, more = s.suggestions.Revise()
		for _, r := range revisions {
			u := report.NewUpdate(r)
			s.mu.Lock()
			s.say(report.Message{Update: &u})
			s.mu.Unlock()
		}
	}
	if spent := time.Since(began); spent > most {
		s.reviseFrom = time.Now().Add(spent * time.Second / most)
	}
}

// sayFalls says at the end which calls fell back on others.
func (s *stream) sayFalls() {
	for _, name := range slices.Sorted(maps.Keys(s.Falls)) {
		older, _, _ := seccomp.Fallback(name)
		say(s.stderr, "%s was answered ENOSYS %d times, on which programs go on with %s; these are no findings", name, s.Falls[name], older)
	}
}

func (s *stream) notice(n source.Notice) {
	if n.Kind == source.Lost {
		s.lost += n.Count
	}
	m := report.Notice{Kind: n.Kind.String(), Count: n.Count, Text: n.Text}
	s.err = cmp.Or(s.err, s.history.lost(context.Background(), m, time.Now()))
	s.say(report.Message{Notice: &m})
}

func (s *stream) say(m report.Message) {
	if err := s.print(m); err != nil && s.err == nil {
		s.err = err
	}
}

// repeat prints how often the findings were seen that were seen again since.
func (s *stream) repeat() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.repeated {
		s.printed[f].count = f.Count
		m := report.NewRepeat(explain.Explained{Finding: f, Explanation: s.printed[f].Explanation})
		s.say(report.Message{Repeat: &m})
	}
	s.repeated = s.repeated[:0]
}

// findings returns what was found so far. What came too late to be printed is
// explained without proved fixes.
func (s *stream) findings() (findings []*explain.Explained) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.Findings() {
		if p := s.printed[f]; p != nil {
			findings = append(findings, &explain.Explained{Finding: f, Explanation: p.Explanation})
		} else {
			findings = append(findings, &explain.Explained{Finding: f, Explanation: s.explainer.Diagnose(*f)})
		}
	}
	return findings
}

// quiet reports whether no denial came for a while, and none waits to be explained.
func (s *stream) quiet(d time.Duration, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.queue.Len() == 0 && now.Sub(s.at) >= d
}
