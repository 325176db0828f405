package main

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/whydenied/whydenied/explain/container"
	"github.com/whydenied/whydenied/explain/escape"
	"github.com/whydenied/whydenied/explain/report"
)

// compareFlags are the flags of the compare command.
type compareFlags struct {
	inputFlags
	output outputFlags
	split  string
	deploy string
}

func newCompare() *cobra.Command {
	var f compareFlags
	cmd := &cobra.Command{
		Use:   "compare BEFORE AFTER | compare --split TIME [FILE]... | compare --since-deploy NAME [FILE]...",
		Short: "Say which findings are new, gone, more or less than before",
		Long: `compare reads two logs, bundles or files of saved findings, or one that is cut at a
time: that of --split, or when the newest container of the name, or of the image, that
--since-deploy says was made, as --inventory has it. Findings are the same by access,
policy and workload, whatever the container, process and program are called.

A finding is new, gone, more (twice as many denials or more), less (half of them or
fewer) or ongoing. The exit status is 3 if one is new.`,
		Example: `  whydenied compare yesterday.json today.json
  whydenied compare --since-deploy web:1.28 /var/log/audit/audit.log --inventory <(docker inspect web)`,
		RunE: func(cmd *cobra.Command, args []string) error { return runCompare(cmd, args, f) },
	}
	flags := cmd.Flags()
	f.inputFlags.add(flags)
	f.output.add(flags, "text", "json")
	flags.StringVar(&f.split, "split", "", "compare what came before this `TIME` with what came after it")
	flags.StringVar(&f.deploy, "since-deploy", "", "the same with the time when the newest container of this `NAME` or image was made")
	return cmd
}

func runCompare(cmd *cobra.Command, args []string, f compareFlags) error {
	print, flush, err := printer(cmd, f.output, report.NewCompareText)
	if err != nil {
		return err
	}
	before, after, err := f.sides(cmd, args)
	if err != nil {
		return err
	}
	list, sums := report.Compare(before, after)
	for i := range list {
		if err := print(report.CompareMessage{Compared: &list[i]}); err != nil {
			return err
		}
	}
	if err := cmp.Or(print(report.CompareMessage{Summary: &sums}), flush()); err != nil {
		return err
	}
	if sums.New > 0 {
		return errFound
	}
	return nil
}

// sides returns the findings that are compared.
func (f *compareFlags) sides(cmd *cobra.Command, args []string) (before, after []report.Finding, err error) {
	at, err := f.at(cmd)
	if err != nil {
		return nil, nil, err
	}
	if !at.IsZero() {
		all, exit, err := f.collect(cmd, args)
		if err == nil && exit == errReported {
			err = exit
		}
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
		all, exit, err := f.collect(cmd, args[i:i+1])
		if err == nil && exit == errReported {
			err = exit
		}
		if err != nil {
			return nil, nil, err
		}
		*to = all.Findings
		if len(all.Findings) > 0 {
			versions[i] = max(all.Findings[0].IDVersion, 1)
		}
	}
	if versions[0] > 0 && versions[1] > 0 && versions[0] != versions[1] {
		return nil, nil, fmt.Errorf("%s has findings of id_version %d and %s of %d, which cannot be compared; explain the log again with this version",
			escape.Name(args[0]), versions[0], escape.Name(args[1]), versions[1])
	}
	return before, after, nil
}

// at is the time that the input is cut at, zero if it is not.
func (f *compareFlags) at(cmd *cobra.Command) (time.Time, error) {
	switch {
	case f.split != "" && f.deploy != "":
		return time.Time{}, usagef("--split and --since-deploy both say the time; give one")
	case f.deploy == "":
		at, err := parseTime(f.split, time.Now())
		if err != nil {
			err = usagef("--split: %v", err)
		}
		return at, err
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
