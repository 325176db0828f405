package main

import (
	"cmp"
	"errors"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/whydenied/whydenied/explain/report"
	"github.com/whydenied/whydenied/parser/source"
)

// explainFlags are the flags of the explain command.
type explainFlags struct {
	inputFlags
	viewFlags
	output outputFlags
	store  storeFlags
	breadth
}

func newExplain() *cobra.Command {
	var f explainFlags
	cmd := &cobra.Command{
		Use:   "explain [FILE|DIR|-]...",
		Short: "Explain the denials of saved logs, or of this host's own",
		Long: `explain reads logs in any shape (audit.log, dmesg, syslog, journalctl, ausearch;
plain, gzip or zstd; mixed), folds what AppArmor and seccomp refused into
findings, and says of each which rule is responsible and what would remedy it.

Without a file it reads this host's own log: audit.log, else the journal, else
the kernel's ring buffer, with this host's containers for the inventory. Findings
saved with --format json are shown again, and a bundle that collect made on another
machine is explained as it was there.

The commonest refusals leave no record. Where the log has none, it says what would
have been silent: the quiet deny rules and the errno answers of the container's own
profiles, named by --profile, --seccomp or --inventory. How the program failed tells
more: its exit status, its error output, or what strace -f printed. What they name is
asked of these profiles, and what a profile refuses is explained like a denial, marked
"not logged", as no record of the kernel says so. A file or standard input, named
alone, that has no record but what a program printed or strace wrote is read as that.`,
		Example: `  whydenied explain /var/log/audit/audit.log --inventory <(docker inspect web)
  journalctl -k -o json | whydenied explain - --profile ./web.apparmor
  docker logs web 2>&1 | whydenied explain --stderr - --inventory <(docker inspect web)`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return runExplain(cmd, args, f)
		},
	}
	flags := cmd.Flags()
	f.inputFlags.add(flags)
	f.addNew(flags)
	f.failed.add(flags)
	f.viewFlags.add(flags)
	f.output.add(flags, report.FormatNames()...)
	f.store.add(flags)
	f.breadth.add(flags)
	return cmd
}

func runExplain(cmd *cobra.Command, args []string, f explainFlags) error {
	out, err := f.output.reporter(cmd)
	if err != nil {
		return err
	}
	if err := cmp.Or(f.parse(args), f.viewFlags.check()); err != nil {
		return err
	}
	pasted := f.peek(cmd, args)
	if list, err := savedInputs(cmd, args); len(list) > 0 || err != nil {
		if err != nil {
			return err
		}
		return errors.Join(f.replay(cmd.Context(), list, out), out.end())
	}
	in, err := f.open(cmd, args)
	if err != nil {
		return err
	}
	in.explainer.Fixes.Breadth = f.of
	ahead := in.explainer.Ahead()
	in.found = ahead.Add
	history, err := f.store.open(cmd)
	if err != nil {
		return err
	}
	in.counted = history.counted(cmd.Context())
	session, args, err := f.read(cmd, &in, args, pasted)
	ahead.End()
	if err != nil {
		return err
	}
	unexplained, err := f.claims(cmd, in, session.Group)
	if err != nil {
		return err
	}
	findings := in.explainer.ExplainAll(session.Findings())
	all := &report.Report{Config: f.config(in.logs), Findings: report.NewFindings(findings)}
	if len(in.logs) > 0 || f.output.format == "json" {
		all.Summary = report.NewSummary(session, findings)
	}
	if len(findings) == 0 || len(unexplained) > 0 || f.failed.given() {
		all.Silent = f.silent(in, args, findings, unexplained)
	} else {
		all.Next = f.next(args, findings)
	}
	grouped, err := f.grouped(cmd.Context(), nil, all, f.by)
	if err != nil {
		return err
	}
	if err := out.show(all, &f.viewFlags, grouped); err != nil {
		return err
	}
	out.Incomplete = in.failed > 0 || session.Stats.Unparsed > 0
	if err := errors.Join(out.end(), history.keep(cmd, &in, session, all)); err != nil {
		return err
	}
	return f.exit(cmd, in, &session.Stats, len(findings))
}

// config says what is read and how.
func (f *inputFlags) config(inputs []source.Input) *report.Config {
	c := &report.Config{
		SchemaVersion: report.SchemaVersion,
		Tool:          "whydenied",
		Version:       version(),
		Policies:      append(slices.Clip(f.policy.profiles), f.policy.profileDir),
		Inventory:     f.policy.inventory,
	}
	for _, input := range inputs {
		c.Inputs = append(c.Inputs, input.Name)
	}
	if f.policy.seccomp != "" {
		c.Policies = append(c.Policies, f.policy.seccomp)
	}
	if f.filtered() {
		c.Filters = &report.Filters{
			Since: rfc3339(f.filter.Since), Until: rfc3339(f.filter.Until),
			Container: f.filter.Containers, Profile: f.filter.Profiles, Comm: f.filter.Comms,
		}
	}
	return c
}

func rfc3339(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}
