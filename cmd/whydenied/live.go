package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/whydenied/whydenied/explain"
	"github.com/whydenied/whydenied/explain/container"
	"github.com/whydenied/whydenied/explain/report"
	"github.com/whydenied/whydenied/parser"
	"github.com/whydenied/whydenied/parser/source"
	"github.com/whydenied/whydenied/rules/seccomp"
)

// liveFlags are the flags of the commands that explain denials as they come.
type liveFlags struct {
	policy policyFlags
	filter explain.Filter
	source string
	silent bool
}

func (f *liveFlags) add(flags *pflag.FlagSet) {
	f.policy.add(flags)
	addFilter(flags, &f.filter)
	flags.StringVar(&f.source, "source", "", "read `SOURCE`: audit (the kernel's audit netlink), kmsg, journal, trace (see the command), or a file that is followed; by default the best that can be opened")
	flags.BoolVar(&f.silent, "silent", false, "see also what leaves no record: trace system calls, which slows this host down, and have AppArmor log quiet denials until the end; see docs/trace.md")
}

// A session explains denials as they come. Its methods may be called by several
// goroutines.
type session struct {
	lives   []*source.Live
	tracker *container.Tracker // nil where processes cannot be followed
	silent  bool
	undo    func() // of noquiet
	policy  *explain.Policy
	stderr  io.Writer
	print   func(report.Message) error // and flush

	mu      sync.Mutex
	reading reading
	seen    *parser.Dedup
	told    map[*explain.Finding]int // how often each finding was when it was printed last
	falls   map[string]int           // calls that fell back on others, see fallsBack
	lost    int
	at      time.Time // of the last denial that was taken
	err     error     // of printing
}

// open opens the source and what tells containers apart, and says which were
// taken.
func (f *liveFlags) open(cmd *cobra.Command, from source.Start, print func(report.Message) error) (*session, error) {
	stderr := cmd.ErrOrStderr()
	policy, err := f.policy.load(stderr)
	if err != nil {
		return nil, err
	}
	if policy.Kernel == "" {
		release, _ := os.ReadFile("/proc/sys/kernel/osrelease") // without it, entries that want a kernel are undecided
		policy.Kernel = strings.TrimSpace(string(release))
	}
	policy.Compile = nil // it takes longer than everything else, and patch asks it
	inventory, err := f.policy.containers(policy)
	if err != nil {
		return nil, err
	}
	s := &session{silent: f.silent, undo: func() {}, policy: policy, stderr: stderr, print: print, seen: parser.NewDedup(), told: map[*explain.Finding]int{}, falls: map[string]int{}}
	// Processes first: what the first records are about must be known by then.
	find := findIn(inventory)
	if s.tracker, err = container.Watch(cmd.Context(), inventory); err != nil {
		complain(stderr, fmt.Errorf("processes are not followed: %w", err))
	} else {
		find = s.tracker.Find
	}
	if err := s.openSources(f, from); err != nil {
		s.close()
		return nil, err
	}
	if f.silent {
		s.undo = noquiet(cmd.Context(), stderr)
	}
	s.reading.group = explain.NewGroup(find, f.filter)
	var taken []string
	for _, l := range s.lives {
		taken = append(taken, l.Taken)
	}
	fmt.Fprintf(stderr, "whydenied: reading %s; %s\n", report.Escape(strings.Join(taken, ", and ")), report.Escape(s.tier()))
	return s, nil
}

// openSources opens the source of records, and with --silent the tracing of
// system calls.
func (s *session) openSources(f *liveFlags, from source.Start) error {
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
func (s *session) tier() string {
	if s.tracker == nil {
		return "containers are known from the inventory alone"
	}
	tier, why := s.tracker.Tier()
	if why != "" {
		why = " (" + why + ")"
	}
	return "processes are followed by " + tier + why
}

// close ends the following of processes, and puts back what --silent changed; that
// of the sources closes them.
func (s *session) close() {
	s.undo()
	if s.tracker != nil {
		s.tracker.Close()
	}
}

// dropPrivileges gives up what reading on does not need.
func (s *session) dropPrivileges() {
	keep := []source.Capability{source.DACReadSearch, source.SysPtrace}
	if s.silent {
		keep = append(keep, source.MACAdmin) // undo needs it
	}
	for _, l := range s.lives {
		keep = append(keep, l.Needs...)
	}
	if err := source.DropCapabilities(keep...); err != nil {
		complain(s.stderr, fmt.Errorf("capabilities that are not needed are kept: %w", err))
	}
}

// follow explains what comes until ctx ends or one of the sources does.
func (s *session) follow(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var wait sync.WaitGroup
	errs := make([]error, len(s.lives))
	for i, l := range s.lives {
		wait.Go(func() {
			defer stop()
			errs[i] = s.followOne(ctx, l)
		})
	}
	wait.Wait()
	return errors.Join(errs...)
}

// followOne explains what comes of one source until ctx ends or it does. What came
// before the end of ctx is explained, too.
func (s *session) followOne(ctx context.Context, l *source.Live) error {
	for batch, err := range source.Follow(ctx, l) {
		if err != nil && ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		s.mu.Lock()
		s.take(batch)
		err := s.err
		s.mu.Unlock()
		if err != nil {
			return err
		}
	}
	return nil
}

// take folds a batch, and prints each finding when it is new.
func (s *session) take(batch source.Batch) {
	s.reading.stats.Add(batch.Stats)
	s.reading.tooLong += batch.TooLong
	for _, n := range batch.Notices {
		s.notice(n)
	}
	for _, d := range batch.Denials {
		if s.seen.Duplicate(&d) {
			s.reading.duplicates++
			continue
		}
		if name, ok := fallsBack(&d); ok {
			s.falls[name]++
			continue
		}
		f, isNew := s.reading.group.Add(d)
		if f == nil {
			continue
		}
		s.at = time.Now()
		if isNew {
			s.policy.Explain(f)
			s.told[f] = f.Count
			m := report.New(*f)
			s.say(report.Message{Finding: &m})
		}
	}
}

// fallsBack reports whether a traced call had the answer by which programs go on
// with an older one, as profiles mean them to: nothing fails by that, and nothing
// is to be granted. Each thread that glibc starts under Docker's default profile is
// one.
func fallsBack(d *parser.Denial) (name string, ok bool) {
	if d.Seccomp == nil || !d.Seccomp.Traced || seccomp.ErrnoName(d.Seccomp.Errno) != "ENOSYS" {
		return "", false
	}
	name, _ = seccomp.SyscallName(seccomp.Arch(d.Seccomp.Arch), d.Seccomp.Syscall)
	_, _, ok = seccomp.Fallback(name)
	return name, ok
}

// sayFalls says at the end which calls fell back on others.
func (s *session) sayFalls() {
	for _, name := range slices.Sorted(maps.Keys(s.falls)) {
		older, _, _ := seccomp.Fallback(name)
		fmt.Fprintf(s.stderr, "whydenied: %s was answered ENOSYS %d times, on which programs go on with %s; these are no findings\n", name, s.falls[name], older)
	}
}

func (s *session) notice(n source.Notice) {
	if n.Kind == source.Lost {
		s.lost += n.Count
	}
	s.say(report.Message{Notice: &report.Notice{Kind: n.Kind.String(), Count: n.Count, Text: n.Text}})
}

func (s *session) say(m report.Message) {
	if err := s.print(m); err != nil && s.err == nil {
		s.err = err
	}
}

// repeat prints how often the findings were seen that were seen again since.
func (s *session) repeat() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.reading.group.Findings() {
		if f.Count == s.told[f] {
			continue
		}
		s.told[f] = f.Count
		m := report.New(*f)
		s.say(report.Message{Repeat: &report.Repeat{ID: m.ID, Message: m.Message, Count: m.Count, First: m.First, Last: m.Last}})
	}
}

// findings returns what was found so far.
func (s *session) findings() []*explain.Finding {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.reading.group.Findings()
}

// quiet reports whether no denial came for a while.
func (s *session) quiet(d time.Duration, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return now.Sub(s.at) >= d
}
