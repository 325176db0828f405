package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/whydenied/whydenied/explain/container"
	"github.com/whydenied/whydenied/explain/escape"
	"github.com/whydenied/whydenied/explain/report"
	"github.com/whydenied/whydenied/explain/store"
)

// compareFlags are the flags of the compare command.
type compareFlags struct {
	inputFlags
	output outputFlags
	split  string
	deploy string
	before string
	after  string

	watched *report.Watched // of the side that is compared with what was before
}

func newCompare() *cobra.Command {
	var f compareFlags
	cmd := &cobra.Command{
		Use:   "compare BEFORE AFTER | compare --split TIME [FILE]... | compare --since-deploy NAME [FILE]... | compare --before RANGE --after RANGE FILE...",
		Short: "Say which findings are new, gone, more or less than before",
		Long: `compare reads two logs, bundles or files of saved findings, or one that is cut at a
time: that of --split, or when the newest container of the name, or of the image, that
--since-deploy says was made, as --inventory or a store has it; or two ranges of time of
the same. Findings are the same by access,
policy and workload, whatever the container, process and program are called.

A finding is new, gone, more (twice as many denials or more), less (half of them or
fewer) or ongoing. The exit status is 3 if one is new.`,
		Example: `  whydenied compare yesterday.json today.json
  whydenied compare --since-deploy web:1.28 /var/log/audit/audit.log --inventory <(docker inspect web)
  whydenied compare --before 2026-11-01/2026-11-08 --after 2026-11-08/2026-11-15 history.db`,
		RunE: func(cmd *cobra.Command, args []string) error { return runCompare(cmd, args, f) },
	}
	flags := cmd.Flags()
	f.inputFlags.add(flags)
	f.output.add(flags, report.FormatNames()...)
	flags.StringVar(&f.split, "split", "", "compare what came before this `TIME` with what came after it")
	flags.StringVar(&f.deploy, "since-deploy", "", "the same with the time when the newest container of this `NAME` or image was made")
	flags.StringVar(&f.before, "before", "", "compare the denials of this `RANGE`, FROM/TO, with those of --after; either time may be left out")
	flags.StringVar(&f.after, "after", "", "the `RANGE` that --before is compared with")
	return cmd
}

func runCompare(cmd *cobra.Command, args []string, f compareFlags) error {
	if err := f.output.check(); err != nil {
		return err
	}
	before, after, err := f.sides(cmd, args)
	if err != nil {
		return err
	}
	list, sums := report.Compare(before, after)
	sums.Watched = f.watched
	if err := f.print(cmd, after, list, sums); err != nil {
		return err
	}
	if sums.New > 0 {
		return errFound
	}
	return nil
}

// print prints a comparison; in formats of findings alone those of after, of which the new
// ones fail.
func (f *compareFlags) print(cmd *cobra.Command, after []report.Finding, list []report.Compared, sums report.CompareSummary) error {
	format := report.CompareFormats[f.output.format]
	if format == nil && f.output.format != "json" {
		out, err := f.output.reporter(cmd)
		if err != nil {
			return err
		}
		out.Findings = report.Gated(after, list)
		return out.end()
	}
	messages := make([]report.CompareMessage, 0, len(list)+1)
	for i := range list {
		messages = append(messages, report.CompareMessage{Compared: &list[i]})
	}
	return printAll(cmd, f.output, format, append(messages, report.CompareMessage{Summary: &sums}))
}

// sides returns the findings that are compared.
func (f *compareFlags) sides(cmd *cobra.Command, args []string) (before, after []report.Finding, err error) {
	if f.before != "" || f.after != "" {
		return f.ranges(cmd, args)
	}
	var history reader
	if (f.split != "" || f.deploy != "") && isStore(cmd, args) {
		if history, err = openReader(cmd.Context(), args[0]); err != nil {
			return nil, nil, err
		}
		defer history.Close(cmd.Context())
	}
	at, err := f.at(cmd, history)
	if err != nil {
		return nil, nil, err
	}
	if !at.IsZero() && history != nil {
		return f.halves(cmd, args, history, at)
	}
	if !at.IsZero() {
		all, err := f.whole(cmd, args)
		if err != nil {
			return nil, nil, err
		}
		before, after = report.Split(all.Findings, report.Time(at))
		return before, after, nil
	}
	if len(args) != 2 {
		return nil, nil, usagef("compare takes two inputs, or --split TIME or --since-deploy NAME and what is to be cut there; see %s --help", cmd.CommandPath())
	}
	var versions [2]int
	for i, to := range []*[]report.Finding{&before, &after} {
		all, err := f.whole(cmd, args[i:i+1])
		if err != nil {
			return nil, nil, err
		}
		*to = all.Findings
		if len(*to) > 0 {
			versions[i] = max((*to)[0].IDVersion, 1)
		}
	}
	if versions[0] > 0 && versions[1] > 0 && versions[0] != versions[1] {
		return nil, nil, fmt.Errorf("%s has findings of id_version %d and %s of %d, which cannot be compared; explain the log again with this version",
			escape.Name(args[0]), versions[0], escape.Name(args[1]), versions[1])
	}
	return before, after, nil
}

// ranges returns the findings of --before and of --after.
func (f *compareFlags) ranges(cmd *cobra.Command, args []string) (before, after []report.Finding, err error) {
	if f.before == "" || f.after == "" || f.split != "" || f.deploy != "" || f.since != "" || f.until != "" {
		return nil, nil, usagef("--before and --after are given together, and without other times")
	}
	if len(args) == 0 || slices.Contains(args, "-") {
		return nil, nil, usagef("--before and --after are of files, which are read twice")
	}
	for _, side := range []struct {
		flag, text string
		to         *[]report.Finding
	}{{"--before", f.before, &before}, {"--after", f.after, &after}} {
		from, to, ok := strings.Cut(side.text, "/")
		if !ok {
			return nil, nil, usagef("%s %q is no range; write FROM/TO, such as 2026-11-01/2026-11-08", side.flag, side.text)
		}
		r := f.inputFlags
		r.since, r.until = from, to
		all, err := r.whole(cmd, args)
		if err != nil {
			return nil, nil, err
		}
		*side.to = all.Findings
		if all.Summary != nil {
			f.watched = all.Summary.Watched
		}
	}
	return before, after, nil
}

// whole returns what inputs have; that a part of them cannot be read is an error.
func (f *inputFlags) whole(cmd *cobra.Command, args []string) (*report.Report, error) {
	list, err := savedInputs(cmd, args)
	if err != nil {
		return nil, err
	}
	defer closeSaved(cmd.Context(), list)
	all, exit, err := f.collect(cmd, args, list)
	if err == nil && exit == errReported {
		err = exit
	}
	if err != nil {
		return nil, err
	}
	return all, nil
}

// isStore reports whether the inputs are one store, which can be asked for any time.
func isStore(cmd *cobra.Command, args []string) bool {
	if len(args) != 1 || args[0] == "-" { // of which nothing is to be taken twice
		return false
	}
	list, err := savedInputs(cmd, args)
	return err == nil && len(list) == 1 && list[0].isStore
}

// halves returns the findings of a store before and from a time on.
func (f *compareFlags) halves(cmd *cobra.Command, args []string, s reader, at time.Time) (before, after []report.Finding, err error) {
	if err := f.parse(args); err != nil {
		return nil, nil, err
	}
	whole := f.timesOf()
	for _, half := range []struct {
		r  store.Range
		to *[]report.Finding
	}{{store.Range{Since: whole.Since, Until: at}, &before}, {store.Range{Since: at, Until: whole.Until}, &after}} {
		all, err := s.Report(cmd.Context(), half.r)
		if err != nil {
			return nil, nil, err
		}
		if f.filtered() {
			all.Select(f.filter)
		}
		*half.to, f.watched = all.Findings, all.Summary.Watched
	}
	return before, after, nil
}

// made asks a store when the newest container of a name or image was made.
func (f *compareFlags) made(cmd *cobra.Command, s reader) (time.Time, error) {
	at, err := s.Made(cmd.Context(), f.deploy)
	if err == nil && at.IsZero() {
		err = fmt.Errorf("--since-deploy: the store has no container or image %q", f.deploy)
	}
	if err == nil {
		say(cmd.ErrOrStderr(), "comparing before and after %s", at.UTC().Format(time.RFC3339))
	}
	return at, err
}

// at is the time that the input is cut at, zero if it is not. history is nil if that is no store.
func (f *compareFlags) at(cmd *cobra.Command, history reader) (time.Time, error) {
	switch {
	case f.split != "" && f.deploy != "":
		return time.Time{}, usagef("--split and --since-deploy both say the time; give one")
	case f.deploy == "":
		at, err := parseTime(f.split, time.Now())
		if err != nil {
			err = usagef("--split: %v", err)
		}
		return at, err
	case len(f.policy.inventory) == 0 && history != nil:
		return f.made(cmd, history)
	case len(f.policy.inventory) == 0:
		return time.Time{}, usagef("--since-deploy needs --inventory, which says when the container was made: docker inspect, kubectl get pod -o json")
	}
	inventory, _, err := readInventory(f.policy.inventory)
	if err != nil {
		return time.Time{}, err
	}
	var newest time.Time
	for _, c := range inventory.Containers {
		isIt := c.Name == f.deploy || c.Image == f.deploy || container.Repository(c.Image) == f.deploy || c.ID != "" && strings.HasPrefix(c.ID, f.deploy)
		if made := cmp.Or(c.Created, c.Started); isIt && made.After(newest) {
			newest = made
		}
	}
	if newest.IsZero() {
		return newest, fmt.Errorf("--since-deploy: the inventory has no container or image %q with the time when it was made", f.deploy)
	}
	say(cmd.ErrOrStderr(), "comparing before and after %s", newest.UTC().Format(time.RFC3339))
	return newest, nil
}
