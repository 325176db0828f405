package main

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"runtime"
	"time"

	"github.com/spf13/cobra"

	"github.com/whydenied/whydenied/explain/escape"
	"github.com/whydenied/whydenied/explain/host"
	"github.com/whydenied/whydenied/explain/report"
	"github.com/whydenied/whydenied/rules/shell"
)

// doctorFlags are the flags of the doctor command.
type doctorFlags struct {
	policy policyFlags
	output outputFlags
	apply  bool
	undo   bool
	limit  time.Duration
	grants bool
	state  string
	guard  string
}

func newDoctor() *cobra.Command {
	var f doctorFlags
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Say what on this host would keep a denial out of the logs",
		Long: `doctor looks at everything between a refusal and its line in a log: AppArmor and
its loaded profiles, what it and seccomp leave unlogged, auditing and its limits,
auditd, the journal, the ring buffer, container runtimes, and its own privileges.
Each line is ok, hides (it would hide denials), stale (the kernel has another policy
than the files) or unknown, and says why; with the command that changes it and the
one that puts it back, for a root shell.

Nothing is changed without --apply, which sets those settings of the running kernel
that only add records to the log. How to undo it is stored first; "doctor --undo"
does. With --for it is undone when that time is over, on Ctrl-C, and when whydenied
is killed.

Exit status: 0 nothing would hide denials, 3 something would, or the policy is stale,
1 whydenied failed, 2 wrong usage.`,
		Example: `  sudo whydenied doctor
  sudo whydenied doctor --apply --for 10m
  sudo whydenied doctor --apply --grants --for 10m   # for whydenied coverage
  sudo whydenied doctor --undo`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runDoctor(cmd, f) },
	}
	flags := cmd.Flags()
	f.policy.addOnly(flags, "profile-dir")
	f.output.add(flags, "text", "json")
	flags.BoolVar(&f.apply, "apply", false, "set what would show more denials, and store how to undo it")
	flags.BoolVar(&f.undo, "undo", false, "undo what --apply did")
	flags.DurationVar(&f.limit, "for", 0, "with --apply: stay for this `TIME`, such as 10m, then undo it")
	flags.BoolVar(&f.grants, "grants", false, "with --apply and --for: have AppArmor log all that it grants, too, as coverage needs; on a busy host that is a flood")
	flags.StringVar(&f.state, "state", host.StateFile, "`FILE` that holds how to undo it")
	flags.StringVar(&f.guard, "guard", "", "")
	_ = flags.MarkHidden("guard") // of the process that undoes: see host.Hold
	return cmd
}

func runDoctor(cmd *cobra.Command, f doctorFlags) error {
	if err := f.check(cmd); err != nil {
		return err
	}
	if f.guard != "" {
		return host.Host{}.Guard(cmd.Context(), os.Stdin, cmd.OutOrStdout(), f.state, f.guard, f.limit)
	}
	print, flush, err := printer(cmd, f.output, report.NewDoctorText)
	if err != nil {
		return err
	}
	if f.undo {
		return errors.Join(undoChanges(cmd, f.state, print), flush())
	}
	return f.examine(cmd, print, flush)
}

// check reports flags that do not go together, and a system without any of this.
func (f *doctorFlags) check(cmd *cobra.Command) error {
	switch {
	case f.apply && f.undo:
		return usagef("--apply and --undo do not go together")
	case f.limit < 0 || f.limit == 0 && cmd.Flags().Changed("for"):
		return usagef("--for must be more than nothing, such as 10m")
	case f.limit > 0 && !f.apply && f.guard == "":
		return usagef("--for is for --apply")
	case f.grants && f.limit == 0:
		return usagef("--grants is for --apply --for, as it floods the log")
	case runtime.GOOS != "linux":
		return errors.New("doctor is for Linux hosts, and this is " + runtime.GOOS + ": run it on the host that logs")
	}
	return nil
}

// examine prints what would hide denials on this host and, with --apply, changes
// it. The error is errFound if any of it remains.
func (f *doctorFlags) examine(cmd *cobra.Command, print func(report.DoctorMessage) error, flush func() error) error {
	h, answers := diagnose(cmd.Context(), cmd, f.policy.profileDir, f.state)
	if err := cmd.Context().Err(); err != nil {
		return err
	}
	summary, err := printAnswers(answers, print)
	if err := errors.Join(err, flush()); err != nil {
		return err
	}
	left := summary.Hides + summary.Stale
	if f.apply {
		applied, err := f.applyLevers(cmd, h, answers, func(m report.DoctorMessage) error {
			return errors.Join(print(m), flush())
		})
		if err != nil {
			return err
		}
		left -= applied
	}
	if left > 0 {
		return errFound
	}
	return nil
}

// diagnose finds out what would hide denials on this host.
func diagnose(ctx context.Context, cmd *cobra.Command, policyDir, state string) (host.Host, []host.Answer) {
	h := host.Host{Run: host.RunProgram, PolicyDir: policyDir}
	facts := h.Read(ctx)
	facts.Applied = h.Applied(state)
	progress := newProgress(cmd.ErrOrStderr())
	h.Compare(ctx, &facts, progress.step)
	progress.clear()
	return h, host.Answers(facts)
}

// printAnswers prints each answer, and their summary.
func printAnswers(answers []host.Answer, print func(report.DoctorMessage) error) (report.DoctorSummary, error) {
	summary := report.DoctorSummary{SchemaVersion: report.SchemaVersion}
	for _, a := range answers {
		summary.Count(a)
		answer := report.NewHostAnswer(a)
		if err := print(report.DoctorMessage{Answer: &answer}); err != nil {
			return summary, err
		}
	}
	return summary, print(report.DoctorMessage{Summary: &summary})
}

// applyLevers pulls the levers of the answers that hide denials, and returns of
// how many answers that remains true.
func (f *doctorFlags) applyLevers(cmd *cobra.Command, h host.Host, answers []host.Answer, print func(report.DoctorMessage) error) (int, error) {
	levers := host.Levers(answers)
	if f.grants {
		levers = host.WithGrants(levers)
	}
	if len(levers) == 0 {
		say(cmd.ErrOrStderr(), "there is nothing to apply")
		return 0, nil
	}
	if f.limit > 0 {
		return 0, f.applyFor(cmd, h, levers, print)
	}
	changes, err := h.Apply(f.state, levers)
	if err != nil {
		return 0, err
	}
	say(cmd.ErrOrStderr(), "it stays until the next boot; %s undoes it (stored in %s)", undoCommand(f.state), escape.Name(f.state))
	return len(levers), printChanges(changes, report.NewApplied, print)
}

// undoCommand is the command that undoes what a state file holds.
func undoCommand(state string) string {
	if state == host.StateFile {
		return "whydenied doctor --undo"
	}
	return shell.Command("whydenied doctor --undo --state", state)
}

// printChanges prints changes that were applied, or undone.
func printChanges(changes []host.Change, done func(host.Change) report.Change, print func(report.DoctorMessage) error) error {
	for _, c := range changes {
		change := done(c)
		if err := print(report.DoctorMessage{Change: &change}); err != nil {
			return err
		}
	}
	return nil
}

// applyFor pulls levers until the time is over or the command is interrupted,
// which is no failure.
func (f *doctorFlags) applyFor(cmd *cobra.Command, h host.Host, levers []host.Lever, print func(report.DoctorMessage) error) error {
	changes, release, err := hold(h, f.state, levers, f.limit)
	if err != nil {
		return err
	}
	endsItself.Store(true)
	err = printChanges(changes, report.NewApplied, print)
	if err == nil {
		say(cmd.ErrOrStderr(), "undone in %s, on Ctrl-C, and if this process is killed", f.limit)
		ctx, stop := context.WithTimeout(cmd.Context(), f.limit)
		<-ctx.Done()
		stop()
	}
	if err := errors.Join(err, release()); err != nil {
		return err
	}
	return printChanges(changes, report.NewUndone, print)
}

// hold pulls levers until release is called, this process ends in whatever way,
// or limit is over, which is no limit if it is 0; see host.Hold.
func hold(h host.Host, state string, levers []host.Lever, limit time.Duration) (changes []host.Change, release func() error, err error) {
	self, err := os.Executable()
	if err != nil {
		return nil, nil, err
	}
	args := []string{"doctor", "--state", state}
	if limit > 0 {
		args = append(args, "--for", limit.String())
	}
	guardian := exec.Command(self, append(args, "--guard")...)
	guardian.Stderr = os.Stderr
	return h.Hold(state, levers, guardian)
}

func undoChanges(cmd *cobra.Command, state string, print func(report.DoctorMessage) error) error {
	changes, err := host.Host{}.Undo(state)
	if err == nil && len(changes) == 0 {
		say(cmd.ErrOrStderr(), "there is nothing to undo in %s", escape.Name(state))
	}
	return errors.Join(err, printChanges(changes, report.NewUndone, print))
}
