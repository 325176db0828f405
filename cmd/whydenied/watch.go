package main

import (
	"cmp"
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/whydenied/whydenied/explain"
	"github.com/whydenied/whydenied/explain/escape"
	"github.com/whydenied/whydenied/explain/patch"
	"github.com/whydenied/whydenied/explain/report"
	"github.com/whydenied/whydenied/parser/source"
)

// watchFlags are the flags of the watch command.
type watchFlags struct {
	liveFlags
	output outputFlags
	store  storeFlags
	since  string
	last   int
	every  time.Duration
	quiet  bool
	time   time.Duration // how long; 0 is until interrupted
}

func newWatch() *cobra.Command {
	var f watchFlags
	cmd := &cobra.Command{
		Use:   "watch",
		Short: "Explain denials as they come, until interrupted",
		Long: `watch explains what AppArmor and seccomp refuse on this host from now on. A
denial is explained when it is seen first; when it comes again it is counted, and
the count printed now and then. The fixes under one policy are fitted together as
denials come: where that makes another fix of one, it is printed, and a denial
that a rule suggested before grants takes two lines.

It reads the kernel's audit netlink beside auditd if it may, else auditd's log, the
journal, or the kernel's ring buffer, and says which and why. Records that the
kernel dropped are counted and said.

Containers are told by following the processes of the host, so that one that has
ended is still known. After its sources are open it gives up the capabilities that
it no longer needs.`,
		Example: `  sudo whydenied watch --profile-dir /etc/apparmor.d --container web-1
  whydenied watch --source /var/log/audit/audit.log --last 1000 --format json`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runWatch(cmd, f) },
	}
	flags := cmd.Flags()
	f.liveFlags.add(flags)
	f.output.add(flags, report.FormatNames()...)
	f.store.add(flags)
	flags.StringVar(&f.since, "since", "", "begin with the denials from this `TIME` on, where the source keeps them")
	flags.IntVar(&f.last, "last", 0, "begin with the last `N` lines, where the source keeps them")
	flags.DurationVar(&f.time, "for", 0, "how long; until interrupted if it is not given")
	flags.DurationVar(&f.every, "every", 10*time.Second, "how often repeated findings are counted out")
	flags.BoolVarP(&f.quiet, "quiet", "q", false, "print the sentence of each finding, and neither counts nor suggestions")
	return cmd
}

func runWatch(cmd *cobra.Command, f watchFlags) error {
	if f.every <= 0 {
		return usagef("--every must be more than nothing, such as 10s")
	}
	since, err := parseTime(f.since, time.Now())
	if err != nil {
		return usagef("--since: %v", err)
	}
	f.output.brief = f.quiet
	out, err := f.output.reporter(cmd)
	if err != nil {
		return err
	}
	status := newStatus(cmd.ErrOrStderr())
	s, err := f.open(cmd, source.Start{Since: since, Last: f.last}, func(m report.Message) error {
		if f.quiet && m.Repeat != nil {
			return nil
		}
		status.clear()
		return errors.Join(out.print(m), out.out.Flush())
	})
	if err != nil {
		return err
	}
	defer s.close()
	history, err := f.store.open(cmd)
	if err := cmp.Or(err, history.watch(cmd.Context(), s)); err != nil {
		return err
	}
	if !f.quiet {
		s.suggestions = patch.NewSuggestions(s.explainer)
	}
	s.dropPrivileges()
	var background sync.WaitGroup
	ctx, stop := context.WithCancel(cmd.Context())
	if f.time > 0 {
		ctx, stop = context.WithTimeout(cmd.Context(), f.time)
	}
	background.Go(func() { s.beat(ctx, f.every, status) })
	err = s.follow(ctx)
	stop()
	background.Wait()
	s.revise(time.Second / 5)
	status.clear()
	err = s.end(err)
	out.Incomplete = s.Stats.Unparsed > 0
	if f.time > 0 && cmd.Context().Err() != nil {
		out.Incomplete = true
		if err == nil { // nothing so far does not say that there is nothing
			err = cutShort(cmd)
		}
	}
	return cmp.Or(out.end(), history.stop(cmd.Context(), s.findings()), err)
}

// beat prints counts and the status line until ctx ends.
func (s *stream) beat(ctx context.Context, every time.Duration, status *status) {
	second := time.NewTicker(time.Second)
	defer second.Stop()
	repeat := time.NewTicker(every)
	defer repeat.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-repeat.C:
			s.repeat()
		case <-second.C:
			s.revise(time.Second / 20)
			s.sayFollowing()
			kept := s.history.write(context.WithoutCancel(ctx), time.Now())
			s.mu.Lock()
			if s.err = cmp.Or(s.err, kept); s.err != nil && s.stop != nil {
				s.stop() // also if no more comes
			}
			denials := 0
			for _, n := range s.Denials {
				denials += n
			}
			status.show(s.lives[0].Name, denials, len(s.printed), s.lost)
			s.mu.Unlock()
		}
	}
}

// end prints the last counts and the summary. err is that of following.
func (s *stream) end(err error) error {
	s.repeat()
	s.sayFollowing()
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := s.queue.Len(); n > 0 {
		say(s.stderr, "%d findings of what came before the interruption are counted and not explained", n)
	}
	var explained []*explain.Explained
	for _, f := range s.Findings() {
		if p := s.printed[f]; p != nil {
			explained = append(explained, &p.Explained)
		}
	}
	s.say(report.Message{Summary: report.NewSummary(s.Session, explained)})
	s.sayFalls()
	if err == nil {
		err = s.err
	}
	missed := sayNotUnderstood(s.stderr, &s.Stats)
	if err == nil && (missed || len(s.Findings()) > 0) {
		return errFound
	}
	return err
}

// A status is a line on a terminal that says how a watch goes; it is silent
// everywhere else.
type status struct {
	w     io.Writer // nil if there is no terminal
	mu    sync.Mutex
	shown bool
	last  int // denials when it was shown last
}

func newStatus(w io.Writer) *status {
	s := &status{}
	if _, terminal := terminalWidth(w); terminal {
		s.w = w
	}
	return s
}

// show prints the line. It is called once a second.
func (s *status) show(source string, denials, findings, lost int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.w == nil {
		return
	}
	width, _ := terminalWidth(s.w)
	escape.Status(s.w, escape.Linef("%s: %d denials/s, %d distinct, %d lost", source, denials-s.last, findings, lost), width)
	s.last, s.shown = denials, true
}

// clear removes the line.
func (s *status) clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.shown {
		escape.Status(s.w, "", 0)
		s.shown = false
	}
}
