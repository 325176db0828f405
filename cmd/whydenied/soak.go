package main

import (
	"cmp"
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/whydenied/whydenied/explain/escape"
	"github.com/whydenied/whydenied/explain/report"
	"github.com/whydenied/whydenied/explain/store"
)

// soakFlags are the flags of the soak command.
type soakFlags struct {
	inputFlags
	output outputFlags
	long   string
}

func newSoak() *cobra.Command {
	var f soakFlags
	cmd := &cobra.Command{
		Use:   "soak FILE...",
		Short: "Say whether a profile in complain mode may be enforced",
		Long: `soak reads a store, or logs, of a time in which profiles were in complain mode, and
answers for each that had a record, or that --profile-name names:

  yes         for --for before the end of what is known nothing was logged that the profile
              would have refused, somebody looked all the time, and nothing is known that
              would have hidden it
  no          with the findings that it would have refused, and which of them are new
  cannot say  with what stands against it: that nobody looked, that records were lost or
              limited, that doctor said what hides them, or that the profile had no record

Exit status: 0 yes to all, 3 no or cannot say of one.`,
		Example: `  sudo whydenied watch --store history.db   # meanwhile
  whydenied soak history.db --profile-name web --for 72h`,
		RunE: func(cmd *cobra.Command, args []string) error { return runSoak(cmd, args, f) },
	}
	flags := cmd.Flags()
	f.inputFlags.add(flags)
	f.output.add(flags, "text", "json", "markdown", "junit", "sarif", "github", "tap")
	flags.StringVar(&f.long, "for", "72h", "how `LONG` nothing must have been found, such as 72h or 7d")
	return cmd
}

func runSoak(cmd *cobra.Command, args []string, f soakFlags) error {
	long, err := parseAge(f.long)
	if err != nil {
		return usagef("--for: %v", err)
	}
	if len(args) == 0 {
		return usagef("soak takes a store or logs of the time in which the profile was tried; see %s --help", cmd.CommandPath())
	}
	if f.filtered() && (f.since != "" || f.until != "" || len(f.filter.Containers)+len(f.filter.Comms) > 0) {
		return usagef("soak asks of all that a profile would have refused: of the filters it takes --profile-name alone")
	}
	out, err := newPrinter(cmd, f.output, report.NewSoakText, report.Soak.Diagnostic)
	if err != nil {
		return err
	}
	profiles := f.filter.Profiles
	f.filter.Profiles = nil // what else was seen says that records arrive
	evidence, err := f.evidence(cmd, args)
	if err != nil {
		return err
	}
	if len(profiles) == 0 {
		if profiles = evidence.Profiles(); len(profiles) == 0 {
			say(cmd.ErrOrStderr(), "cannot say: nothing was logged of a profile in complain mode; name one by --profile-name")
			return errFound
		}
	}
	var exit error
	for _, name := range profiles {
		answer := evidence.Soak(name, long)
		if answer.Answer != "yes" {
			exit = errFound
		}
		if err := out.print(answer); err != nil {
			return err
		}
	}
	return cmp.Or(out.end(), exit)
}

// evidence reads a store, or logs.
func (f *soakFlags) evidence(cmd *cobra.Command, args []string) (*store.Evidence, error) {
	list, err := savedInputs(cmd, args)
	if err != nil {
		return nil, err
	}
	switch {
	case len(list) == 1 && list[0].isStore:
		return storeEvidence(cmd.Context(), args[0])
	case len(list) > 0:
		return nil, usagef("%s: name one store, or logs: findings alone do not say when somebody looked", escape.Name(list[0].name))
	}
	if err := f.parse(args); err != nil {
		return nil, err
	}
	in, err := f.open(cmd, args)
	if err != nil {
		return nil, err
	}
	session, err := in.read(cmd)
	if err != nil {
		return nil, err
	}
	findings := in.explainer.ExplainAll(session.Findings())
	e := &store.Evidence{Findings: report.NewFindings(findings)}
	all := &report.Report{Summary: report.NewSummary(session, findings)}
	first, last := span(session, all)
	e.Looked = []store.Range{{Since: first, Until: last.Add(time.Second)}} // which has times to the second
	if why := all.Summary.Lost(); why != "" {
		e.Blind = append(e.Blind, store.Blind{Range: e.Looked[0], Why: "records may be missing: " + why})
	}
	if n := session.Stats.Unparsed; n > 0 {
		e.Blind = append(e.Blind, store.Blind{Range: e.Looked[0], Why: "some denials were seen and not understood"})
	}
	return e, nil
}

func storeEvidence(ctx context.Context, name string) (*store.Evidence, error) {
	if store.IsFleet(name) {
		return nil, usagef("soak is asked of a node's own store, which knows when somebody looked there; not of %s", escape.Name(name))
	}
	s, err := store.OpenToRead(ctx, name)
	if err != nil {
		return nil, err
	}
	defer s.Close(ctx)
	return s.Evidence(ctx)
}
