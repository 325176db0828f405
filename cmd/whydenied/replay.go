package main

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/whydenied/whydenied/explain"
	"github.com/whydenied/whydenied/explain/escape"
	"github.com/whydenied/whydenied/explain/library"
	"github.com/whydenied/whydenied/explain/replay"
	"github.com/whydenied/whydenied/explain/report"
	"github.com/whydenied/whydenied/rules/seccomp"
)

// replayFlags are the flags of the replay command.
type replayFlags struct {
	inputFlags
	output  outputFlags
	against []string
}

func newReplay() *cobra.Command {
	var f replayFlags
	cmd := &cobra.Command{
		Use:   "replay [LOG|DIR|-]... --profile NEW | --seccomp NEW [--against OLD]",
		Short: "Ask a changed profile about all accesses that logs have",
		Long: `replay asks a text of policy about every access that logs have a record of: refusals,
what complain mode let through, what an audit rule logged, and seccomp's records. Each
is fixed, still-refused, newly-refused, newly-silent (refused by both, and no longer
logged), undecidable or still-granted, with the rules that decide. What was answered
before is what the record says, or with --against what another text does.

NEW and OLD are files, directories, built-in profiles (builtin:docker-default@28.1), what
the kernel has (loaded:NAME), or any file or directory as a revision of git has it:
HEAD~1:profiles/web. A record is asked of the profile that it names.

Exit status: 0 nothing is newly refused, 3 something is, 2 wrong usage, 1 something
could not be read.`,
		Example: `  whydenied replay /var/log/audit/audit.log --profile profiles/web --against HEAD:profiles/web
  whydenied replay audit.log --seccomp seccomp.json --format markdown`,
		RunE: func(cmd *cobra.Command, args []string) error { return runReplay(cmd, args, f) },
	}
	flags := cmd.Flags()
	f.inputFlags.add(flags)
	f.output.add(flags, "text", "json", "markdown", "junit", "sarif", "github", "tap")
	flags.StringArrayVar(&f.against, "against", nil, "what was answered before is what this `POLICY` does, and not what the record says; repeatable")
	return cmd
}

func runReplay(cmd *cobra.Command, args []string, f replayFlags) error {
	if err := f.parse(args); err != nil {
		return err
	}
	if err := refuseSaved(cmd, args, "replay asks of what records say whole; name the log"); err != nil {
		return err
	}
	policies, lib, err := f.policies(cmd)
	if err != nil {
		return err
	}
	out, err := newPrinter(cmd, f.output, report.NewReplayedText, report.Replayed.Diagnostic)
	if err != nil {
		return err
	}
	session, exit, err := f.observed(cmd, args)
	if err != nil {
		return err
	}
	policies.Call = func(of *explain.Finding) seccomp.Call {
		return lib.Call(of.Container, seccomp.Arch(of.Denial.Seccomp.Arch))
	}
	list, others := policies.Of(session.Findings())
	if len(list) == 0 && len(others) > 0 {
		return fmt.Errorf("no record is of these policies; the logs have those of %s", someOf(others))
	}
	refused := false
	for _, a := range list {
		refused = refused || a.Outcome == replay.NewlyRefused
		if err := out.print(report.NewReplayed(a)); err != nil {
			return err
		}
	}
	out.title = report.ReplayedSummary(list)
	if err := out.end(); err != nil {
		return err
	}
	say(cmd.ErrOrStderr(), "%s", out.title)
	if len(others) > 0 {
		say(cmd.ErrOrStderr(), "records of other policies were not asked about: %s", someOf(others))
	}
	if session.Beyond > 0 {
		say(cmd.ErrOrStderr(), "%d records are of more accesses than are told apart, and were not asked about", session.Beyond)
	}
	if refused {
		return errFound
	}
	return exit
}

// policies reads the new policies and the old ones.
func (f *replayFlags) policies(cmd *cobra.Command) (p replay.Policies, lib *library.Library, err error) {
	names := f.policy.profiles
	if f.policy.seccomp != "" {
		names = append(slices.Clip(names), f.policy.seccomp)
	}
	if len(names) == 0 {
		return p, nil, usagef("name the changed policy with --profile or --seccomp; see %s --help", cmd.CommandPath())
	}
	plain := f.policy
	plain.profiles, plain.seccomp = nil, "" // which may be of other texts than files
	if p.New, err = readAllPolicies(cmd, plain, names); err != nil {
		return p, nil, err
	}
	if p.Old, err = readAllPolicies(cmd, plain, f.against); err != nil {
		return p, nil, err
	}
	o, err := plain.options()
	if err != nil {
		return p, nil, err
	}
	explainer, err := load(o, cmd.ErrOrStderr())
	if err != nil {
		return p, nil, err
	}
	return p, explainer.Library, nil
}

// observed folds all records of accesses that logs have, permitted ones too. exit stands
// for the exit status if nothing is found in them.
func (f *inputFlags) observed(cmd *cobra.Command, args []string) (session *explain.Session, exit, err error) {
	plain := *f
	plain.policy.profiles, plain.policy.seccomp = nil, "" // which may be of other texts than files
	in, err := plain.open(cmd, args)
	if err != nil {
		return nil, nil, err
	}
	in.audited = true
	if session, err = in.read(cmd); err != nil {
		return nil, nil, err
	}
	if sayNotUnderstood(cmd.ErrOrStderr(), &session.Stats) {
		exit = errFound
	}
	if in.failed > 0 {
		exit = errReported
	}
	if len(session.Findings()) == 0 {
		say(cmd.ErrOrStderr(), "the logs have no record of an access")
	}
	return session, exit, nil
}

// someOf lists names with their counts, the most first.
func someOf(counts map[string]int) string {
	const most = 5
	names := slices.SortedFunc(maps.Keys(counts), func(a, b string) int { return cmp.Or(counts[b]-counts[a], strings.Compare(a, b)) })
	var words []string
	for _, name := range names[:min(len(names), most)] {
		words = append(words, fmt.Sprintf("%s (%d)", escape.Name(name), counts[name]))
	}
	if more := len(names) - most; more > 0 {
		words = append(words, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(words, ", ")
}
