package main

import (
	"cmp"
	"context"
	"slices"

	"github.com/spf13/cobra"

	"github.com/whydenied/whydenied/explain/report"
)

// summaryFlags are the flags of the summary command.
type summaryFlags struct {
	inputFlags
	output outputFlags
	by     string
}

func newSummary() *cobra.Command {
	var f summaryFlags
	cmd := &cobra.Command{
		Use:   "summary [FILE|DIR|-]...",
		Short: "Print one screen that says what was refused, in groups",
		Long: `summary reads what explain reads: logs, a bundle, saved findings, or a store that
--store of explain, watch or run made. It prints the findings in groups, those with the most denials first: how often, in how many
containers, when, the risk of the fix, the profile and the cause. The groups are as
fine as fit on the screen, 24 lines where there is none; --by says by what.`,
		Example: `  whydenied summary /var/log/audit/audit.log --inventory containers.json
  whydenied summary findings.json --by image
  whydenied summary history.db --since 168h`,
		RunE: func(cmd *cobra.Command, args []string) error { return runSummary(cmd, args, f) },
	}
	flags := cmd.Flags()
	f.inputFlags.add(flags)
	f.addNew(flags)
	f.output.add(flags, report.FormatNames()...)
	flags.StringVar(&f.by, "by", "", "group by `WHAT`: "+oneOf(report.GroupKeys))
	return cmd
}

func runSummary(cmd *cobra.Command, args []string, f summaryFlags) error {
	if err := (&viewFlags{by: f.by}).check(); err != nil {
		return err
	}
	out, err := f.output.reporter(cmd)
	if err != nil {
		return err
	}
	list, err := savedInputs(cmd, args)
	if err != nil {
		return err
	}
	defer closeSaved(cmd.Context(), list)
	all, exit, err := f.collect(cmd, args, list)
	if err != nil {
		return err
	}
	if !slices.Contains(report.OverviewFormats, f.output.format) {
		out.Findings, out.Notices, out.Summary = all.Findings, all.Notices, all.Summary
		return cmp.Or(out.end(), exit)
	}
	overview, err := f.overview(cmd.Context(), list, all, out.options)
	if err != nil {
		return err
	}
	if f.output.format != "text" || len(overview.Groups) > 0 {
		err = out.print(report.Message{Overview: overview})
	}
	for i := range all.Notices {
		err = cmp.Or(err, out.print(report.Message{Notice: &all.Notices[i]}))
	}
	if all.Summary != nil {
		err = cmp.Or(err, out.print(report.Message{Summary: all.Summary}))
	}
	return cmp.Or(err, out.end(), exit)
}

// overview groups what was read by what --by says, else as finely as fits on the screen.
func (f *summaryFlags) overview(ctx context.Context, list []*saved, all *report.Report, o report.TextOptions) (*report.Overview, error) {
	if f.by == "" {
		return o.Summarised(all.Findings), nil
	}
	return f.grouped(ctx, list, all, f.by)
}

// collect reads logs, a bundle or the saved findings of a list, and returns their findings as one
// report, and the error that stands for the exit status.
func (f *inputFlags) collect(cmd *cobra.Command, args []string, list []*saved) (all *report.Report, exit, err error) {
	if err := f.parse(args); err != nil {
		return nil, nil, err
	}
	if len(list) > 0 {
		all, err := f.readSaved(cmd.Context(), list)
		if err != nil {
			return nil, nil, err
		}
		if len(all.Findings) > 0 {
			exit = errFound
		}
		return all, exit, nil
	}
	in, err := f.open(cmd, args)
	if err != nil {
		return nil, nil, err
	}
	ahead := in.explainer.Ahead()
	in.found = ahead.Add
	session, err := in.read(cmd)
	ahead.End()
	if err != nil {
		return nil, nil, err
	}
	findings := in.explainer.ExplainAll(session.Findings())
	all = &report.Report{
		Version: version(), Config: f.config(in.logs), Findings: report.NewFindings(findings), Summary: report.NewSummary(session, findings),
	}
	return all, f.exit(cmd, in, &session.Stats, len(all.Findings)), nil
}
