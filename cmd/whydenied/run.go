package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/whydenied/whydenied/explain"
	"github.com/whydenied/whydenied/explain/container"
	"github.com/whydenied/whydenied/explain/escape"
	"github.com/whydenied/whydenied/explain/patch"
	"github.com/whydenied/whydenied/explain/report"
	"github.com/whydenied/whydenied/explain/track"
	"github.com/whydenied/whydenied/parser"
	"github.com/whydenied/whydenied/parser/source"
	"github.com/whydenied/whydenied/rules/disk"
)

// runFlags are the flags of the run command.
type runFlags struct {
	liveFlags
	output        outputFlags
	store         storeFlags
	all           bool
	baseline      string
	writeBaseline string
	failOn        string
	patchDir      string
}

func newRun() *cobra.Command {
	var f runFlags
	cmd := &cobra.Command{
		Use:   "run [flags] -- COMMAND [ARGS]...",
		Short: "Run a command, explain what is refused meanwhile, and gate on it",
		Long: `run starts a command, such as a test suite, and explains what AppArmor and seccomp
refuse to its processes and to the containers that start while it runs; with
--container or --cgroup, to those instead. When it has ended and the log is quiet,
run prints one merged patch for all findings. Formats other than text leave
standard output to the findings: the command's goes to standard error.

Signals go to the command, and its exit status is passed on if it is not 0. If it
is 0, run exits with 3 when the gate of --fail-on trips: on any finding, on those
that are not in the baseline (new, the default with --baseline), on those whose
fix has a high risk (risk=high), or never.

With --learn the profiles of --profile are in complain mode while the command runs:
what their rules do not allow is logged and permitted, to every process under them,
so that one run shows all that they lack. It is the loaded profile that is put in that
mode and back again, whatever its file says by then; also when whydenied is killed.

On GitHub Actions every finding is an annotation too.`,
		Example: `  sudo whydenied run -- docker compose up --abort-on-container-exit
  sudo whydenied run --learn --profile /etc/apparmor.d/usr.sbin.cron -- service cron restart
  sudo whydenied run --baseline denials.jsonl --patch-dir suggestions -- go test ./...`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usagef("name the command to run: whydenied run [flags] -- COMMAND [ARGS]...")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return runRun(cmd, args, f) },
	}
	flags := cmd.Flags()
	flags.SetInterspersed(false)
	f.liveFlags.add(flags)
	f.output.add(flags, report.FormatNames()...)
	f.store.add(flags)
	flags.BoolVar(&f.learn, "learn", false, "have the profiles of --profile complain while the command runs: what they do not allow is logged and permitted, and the patch is of all of it at once")
	flags.BoolVar(&f.all, "all", false, "explain what is refused to any process of this host meanwhile")
	flags.StringVar(&f.baseline, "baseline", "", "`FILE` of findings that are known and do not fail the run")
	flags.StringVar(&f.writeBaseline, "write-baseline", "", "write the findings to `FILE`, for --baseline")
	flags.StringVar(&f.failOn, "fail-on", "", "`WHICH` findings make the run fail: any, new, risk=high or never")
	flags.StringVar(&f.patchDir, "patch-dir", "", "write the merged patch and the changed files below `DIR`")
	return cmd
}

// settle is how long the log must be quiet after the command has ended, and at
// most that long it is waited for.
const (
	settle    = 500 * time.Millisecond
	settleMax = 5 * time.Second
)

func runRun(cmd *cobra.Command, args []string, f runFlags) error {
	gate, err := newGate(f.failOn, f.baseline)
	if err := cmp.Or(err, f.canKeep()); err != nil {
		return err
	}
	out, err := f.output.reporter(cmd)
	if err != nil {
		return err
	}
	var annotations report.Report // which the text has besides on GitHub Actions
	f.nameSeccomp(cmd, args)
	s, err := f.open(cmd, source.Start{}, func(m report.Message) error {
		if m.Finding != nil {
			gate.mark(m.Finding)
		}
		return errors.Join(out.print(m), annotations.Add(m), out.out.Flush())
	})
	if err != nil {
		return err
	}
	defer s.close()
	history, err := f.store.open(cmd)
	if err := cmp.Or(err, history.watch(cmd.Context(), s)); err != nil {
		return err
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(cmd.Context())) // signals are the command's
	defer stop()
	running, err := f.begin(cmd, args, s)
	if err != nil {
		return err
	}
	followed := make(chan error, 1)
	go func() { followed <- s.follow(ctx) }()
	status, err := running.wait()
	ended := time.Now()
	if err := errors.Join(err, s.learnt()); err != nil {
		return err
	}
	s.settle()
	stop()
	following := <-followed
	s.sayLastRefused(status, ended)
	if notice := s.left.notice(); notice != nil {
		s.tell(report.Message{Notice: notice})
	}
	if err := s.end(following); err != nil && !errors.Is(err, errFound) {
		return err
	}
	findings := s.findings()
	out.Patch, out.Incomplete = report.NewPatch(patch.Make(s.explainer, findings)), s.Stats.Unparsed > 0
	if err := errors.Join(f.sayUnseen(out, s, args, status, findings), f.annotate(out, &annotations), out.end(), f.keep(findings, out.Patch, gate), history.stop(cmd.Context(), findings)); err != nil {
		return err
	}
	if status != 0 {
		return exitStatus(status)
	}
	return gate.exit(cmd.ErrOrStderr(), findings, s.Stats.Unparsed)
}

// recent is how long before the end of a command that failed a denial is told with it, and
// maxRecent how many are at most.
const (
	recent    = 2 * time.Second
	maxRecent = 3
)

// sayLastRefused says what lastRefused does.
func (s *stream) sayLastRefused(status int, ended time.Time) {
	if text := lastRefused(s.findings(), status, ended); text != "" {
		s.tell(report.Message{Notice: &report.Notice{Kind: "failed", Text: text}})
	}
}

// lastRefused says what was refused just before a command failed, the latest first; "" if it
// did not fail, or nothing was. That is where to look first, and proves nothing.
func lastRefused(findings []*explain.Explained, status int, ended time.Time) string {
	if status == 0 {
		return ""
	}
	var list []*explain.Explained
	for _, f := range findings {
		before := ended.Sub(f.Last)
		if f.Denial.Mode != parser.Allowed && f.Harmless == "" && f.Further == nil && before >= 0 && before <= recent {
			list = append(list, f)
		}
	}
	if len(list) == 0 {
		return ""
	}
	slices.SortStableFunc(list, func(a, b *explain.Explained) int { return b.Last.Compare(a.Last) })
	var said []string
	for _, f := range list[:min(len(list), maxRecent)] {
		said = append(said, fmt.Sprintf("%s, %.1f s before", report.NewFinding(*f).Message, ended.Sub(f.Last).Seconds()))
	}
	if n := len(list) - len(said); n > 0 {
		said = append(said, fmt.Sprintf("and %d more", n))
	}
	return fmt.Sprintf("the command failed with status %d; refused just before, which need not be why: %s", status, strings.Join(said, "; "))
}

// sayUnseen says what to do about that which left no record: a command that failed without one, and
// what programs without a rule did while profiles learnt.
func (f *runFlags) sayUnseen(out *reporter, s *stream, args []string, status int, findings []*explain.Explained) error {
	switch {
	case status != 0 && len(findings) == 0 && s.Stats.Unparsed == 0:
		return out.print(report.Message{Silent: f.afterSilence(args, status)})
	case s.learner != nil && slices.ContainsFunc(findings, ranWithoutRule):
		return out.print(report.Message{Notice: unlearnt()})
	}
	return nil
}

// learnt has the profiles decide again that learnt.
func (s *stream) learnt() error {
	if s.learner == nil {
		return nil
	}
	m, err := s.learner.stop()
	if err == nil {
		s.tell(m)
	}
	return err
}

// tell says something that no record brought.
func (s *stream) tell(m report.Message) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.say(m)
}

// annotate has annotations in GitHub Actions besides: with text on standard output, with
// what programs read on standard error, which the job looks through as well.
func (f *runFlags) annotate(out *reporter, annotations *report.Report) error {
	if os.Getenv("GITHUB_ACTIONS") != "true" || f.output.format == "github" {
		return nil
	}
	if f.output.format == "text" {
		return report.WriteGitHub(out.out, annotations, out.options)
	}
	return report.WriteGitHub(out.stderr, annotations, out.options)
}

// securityOption is what names a seccomp profile in a command of Docker's or Podman's.
var securityOption = regexp.MustCompile(`^(?:--security-opt=)?seccomp[=:](.+)$`)

// nameSeccomp takes the seccomp profile that the command's own line names, if it is one
// file: the container's is what the engine makes of it, and that is not what to change.
func (f *runFlags) nameSeccomp(cmd *cobra.Command, args []string) {
	if f.policy.seccomp != "" {
		return
	}
	named := ""
	for _, arg := range args {
		m := securityOption.FindStringSubmatch(arg)
		if m == nil || m[1] == named {
			continue
		}
		if info, err := os.Stat(m[1]); err != nil || !info.Mode().IsRegular() {
			continue
		}
		if named != "" {
			say(cmd.ErrOrStderr(), "the command names several seccomp profiles; name the one to change by --seccomp")
			return
		}
		named = m[1]
	}
	if named != "" {
		say(cmd.ErrOrStderr(), "taking %s for the seccomp profile, which the command names", escape.Name(named))
		f.policy.seccomp = named
	}
}

// afterSilence says what to type next where a command failed and nothing was logged.
func (f *runFlags) afterSilence(args []string, status int) *report.Silent {
	s := &report.Silent{Policies: []report.SilentPolicy{}, Next: []report.Step{}}
	if !f.silent {
		s.Next = append(s.Next, report.Step{
			Command: join("sudo whydenied", []string{"run", "--silent"}, f.policy.words(), []string{"--"}, args),
			Why:     fmt.Sprintf("the command failed with status %d and nothing of it was logged, as of a deny rule without audit and of seccomp's errno answer; this sees both", status),
		})
	}
	s.Next = append(s.Next, report.Step{
		Command: join("whydenied", []string{"explain"}, f.policy.words(), []string{"--exit-code", strconv.Itoa(status), "--stderr", "saved"}),
		Why:     "asks the profiles, named by --profile, --seccomp or --inventory, about what the program says was refused; saved is a file of its error output",
	}, report.Step{Command: "sudo whydenied doctor", Why: "says what on this host keeps refusals out of the log"})
	return s
}

// begin says whose denials are wanted, starts the command, unless a signal came before, and
// then gives up what reading and writing do not need, before anything that the command can
// have logged is read.
func (f *runFlags) begin(cmd *cobra.Command, args []string, s *stream) (running, error) {
	if !f.all && f.cgroup == "" && len(f.filter.Containers) == 0 {
		s.narrow()
	}
	for _, l := range s.lives {
		l.Patient() // what counts is the whole of it at the end
	}
	if s.learner != nil {
		s.tell(s.learner.permits())
	}
	r, err := f.start(cmd, args)
	if err != nil {
		return r, err
	}
	if f.patchDir != "" || f.writeBaseline != "" {
		if err := disk.KeepInvoker(); err != nil {
			complain(s.stderr, err)
		}
	}
	s.dropPrivileges()
	return r, nil
}

// narrow has only the denials explained that the command and the containers that
// start from now on cause.
func (s *stream) narrow() {
	if s.tracker == nil {
		say(s.stderr, "which processes are the command's cannot be told here; everything that is refused on this host is explained")
		return
	}
	if tier, _ := s.tracker.Tier(); tier == track.TierProc {
		say(s.stderr, "which processes are the command's cannot be told without eBPF or the process connector; everything that is refused on this host is explained")
		return
	}
	started := time.Now()
	s.tracker.Follow(os.Getpid()) // and what it starts from now on
	s.Filter.Keep = func(subject container.Subject, c container.Container) bool {
		if s.tracker.Followed(subject) || c.Confidence != container.Unknown && !c.Created.Before(started) {
			return true
		}
		s.left.add(c)
		return false
	}
}

// A running is a command that has been started, and the signals that are for it.
type running struct {
	command *exec.Cmd
	signals chan os.Signal
}

// start starts the command with this program's own streams and privileges.
func (f *runFlags) start(cmd *cobra.Command, args []string) (running, error) {
	command := exec.Command(args[0], args[1:]...)
	command.Stdin, command.Stdout, command.Stderr = cmd.InOrStdin(), cmd.OutOrStdout(), cmd.ErrOrStderr()
	if f.output.format != "text" { // what is read by programs must be whole
		command.Stdout = command.Stderr
	}
	r := running{command, make(chan os.Signal, 8)}
	signal.Notify(r.signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	if err := cutShort(cmd); err != nil {
		signal.Stop(r.signals)
		return r, err
	}
	if err := command.Start(); err != nil {
		signal.Stop(r.signals)
		return r, fmt.Errorf("cannot run the command: %w", err)
	}
	return r, nil
}

// wait passes signals on to the command until it ends, and returns its exit status:
// 128 and the signal if it was killed by one.
func (r running) wait() (int, error) {
	defer signal.Stop(r.signals)
	done := make(chan error, 1)
	go func() { done <- r.command.Wait() }()
	for {
		select {
		case sig := <-r.signals:
			if sig != os.Interrupt || !inForeground() { // else the terminal has sent it to the command, too
				r.command.Process.Signal(sig)
			}
		case err := <-done:
			return statusOf(r.command, err)
		}
	}
}

// statusOf is the exit status of a command that has ended, as a shell has it.
func statusOf(command *exec.Cmd, err error) (int, error) {
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return 0, err
	}
	if ws, ok := command.ProcessState.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		return 128 + int(ws.Signal()), nil
	}
	return command.ProcessState.ExitCode(), nil
}

// settle waits until the log is quiet.
func (s *stream) settle() {
	s.mu.Lock()
	s.at = time.Now()
	s.mu.Unlock()
	for end := time.Now().Add(settleMax); time.Now().Before(end) && !s.quiet(settle, time.Now()); {
		time.Sleep(settle / 10)
	}
}
