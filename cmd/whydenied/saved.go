package main

import (
	"bufio"
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/whydenied/whydenied/explain/escape"
	"github.com/whydenied/whydenied/explain/report"
	"github.com/whydenied/whydenied/explain/store"
)

// A saved is an input that holds findings: those that --format json wrote, or a store, which
// may be a fleet's.
type saved struct {
	name    string
	in      io.Reader
	isStore bool
	store   reader // open since it was asked first
}

// ask returns the store to be asked, which closeSaved closes.
func (s *saved) ask(ctx context.Context) (reader, error) {
	if s.store != nil {
		return s.store, nil
	}
	store, err := openReader(ctx, s.name)
	if err != nil {
		return nil, err
	}
	s.store = store
	return store, nil
}

// closeSaved closes the stores that were asked.
func closeSaved(ctx context.Context, list []*saved) {
	for _, s := range list {
		if s.store != nil {
			s.store.Close(ctx)
			s.store = nil
		}
	}
}

// savedInputs returns the inputs that hold findings, known by their content. All
// have to, or none: what a log says is counted by denials, and what was saved is counted
// already. Files stay open until the program ends.
func savedInputs(cmd *cobra.Command, args []string) (list []*saved, err error) {
	var others []string
	for _, arg := range args {
		if store.IsFleet(arg) {
			list = append(list, &saved{name: arg, isStore: true})
			continue
		}
		in := bufio.NewReader(cmd.InOrStdin())
		if arg == "-" {
			cmd.SetIn(in) // with what Peek took
		} else {
			file, err := openRegular(arg)
			if err != nil {
				others = append(others, arg) // which reading it as a log reports
				continue
			}
			in.Reset(file)
		}
		switch head, _ := in.Peek(512); {
		case report.IsSaved(head):
			list = append(list, &saved{name: arg, in: in})
		case store.IsStore(head):
			if arg == "-" {
				return nil, usagef("a store cannot be read from standard input; name its file")
			}
			list = append(list, &saved{name: arg, isStore: true})
		default:
			others = append(others, arg)
		}
	}
	if len(list) > 0 && len(others) > 0 {
		return nil, usagef("%s has saved findings and %s has not: name either findings or logs; findings of the log, saved with --format json, can be named with them",
			escape.Name(list[0].name), escape.Name(others[0]))
	}
	return list, nil
}

// openRegular opens a file that can be read again: what is taken of a pipe to look at it
// would be missing in the log.
func openRegular(name string) (*os.File, error) {
	if info, err := os.Stat(name); err != nil || !info.Mode().IsRegular() {
		return nil, cmp.Or(err, os.ErrInvalid)
	}
	return os.Open(name)
}

// refuseSaved refuses saved findings for a command that needs the log.
func refuseSaved(cmd *cobra.Command, args []string, why string) error {
	list, err := savedInputs(cmd, args)
	if err == nil && len(list) > 0 {
		err = usagef("%s has saved findings: %s", escape.Name(list[0].name), why)
	}
	return err
}

// readSaved reads saved findings as one report. Of stores it has the denials of a range.
func readSaved(ctx context.Context, list []*saved, r store.Range) (*report.Report, error) {
	all := &report.Report{Version: version()}
	for _, s := range list {
		one, err := s.read(ctx, r)
		if err != nil {
			return nil, err
		}
		all.Merge(one)
	}
	if len(list) > 1 {
		all.Recount()
	}
	return all, nil
}

// readSaved reads saved findings as one report, of which the filter selects.
func (f *inputFlags) readSaved(ctx context.Context, list []*saved) (*report.Report, error) {
	if f.fresh && (f.filter.Since.IsZero() || !onlyStores(list)) {
		return nil, usagef("--new is of a store or a fleet's database, and needs --since TIME: what was seen before it is left out")
	}
	all, err := readSaved(ctx, list, f.timesOf())
	if err != nil {
		return nil, err
	}
	if f.filtered() {
		all.Select(f.filter)
	}
	if f.fresh {
		all.SelectNew(f.filter.Since)
	}
	return all, nil
}

// onlyStores reports whether inputs are stores or databases, and there are some.
func onlyStores(list []*saved) bool {
	return len(list) > 0 && !slices.ContainsFunc(list, func(s *saved) bool { return !s.isStore })
}

// grouped groups findings by a key; a store or a database sums up itself what differs between
// the denials of a finding.
func (f *inputFlags) grouped(ctx context.Context, list []*saved, all *report.Report, by string) (*report.Overview, error) {
	counted := slices.Contains(report.CountedKeys, by)
	switch {
	case by == "":
		return nil, nil
	case counted && len(list) == 1 && list[0].isStore:
		break
	case by == "node" || by == "cluster":
		return nil, usagef("--by %s is of one store or of a fleet's database, named alone: nothing else counts by it", by)
	default:
		return report.NewOverview(all.Findings, by), nil
	}
	s, err := list[0].ask(ctx)
	if err != nil {
		return nil, err
	}
	var only []string
	if f.filtered() || f.fresh {
		only = []string{}
		for i := range all.Findings {
			only = append(only, all.Findings[i].ID)
		}
	}
	groups, n, err := s.Groups(ctx, f.timesOf(), by, only)
	if err != nil {
		return nil, err
	}
	return all.Grouped(by, groups, n), nil
}

// read reads one input.
func (s *saved) read(ctx context.Context, r store.Range) (*report.Report, error) {
	if s.isStore {
		store, err := s.ask(ctx)
		if err != nil {
			return nil, err
		}
		return store.Report(ctx, r)
	}
	one := &report.Report{}
	for m, err := range report.Read(s.in) {
		if err != nil {
			return nil, fmt.Errorf("%s: %w", escape.Name(s.name), err)
		}
		if err := one.Add(m); err != nil {
			return nil, err
		}
	}
	return one, nil
}

// timesOf returns the times that the filter selects.
func (f *inputFlags) timesOf() store.Range {
	r := store.Range{Since: f.filter.Since, Until: f.filter.Until}
	if !r.Until.IsZero() {
		r.Until = r.Until.Add(time.Millisecond) // a filter has its end in it
	}
	return r
}

// replay shows saved findings again.
func (f *explainFlags) replay(ctx context.Context, list []*saved, out *reporter) error {
	if f.store.file != "" {
		return usagef("--store knows denials by their place in the log, which saved findings do not have; name the log")
	}
	if f.failed.given() {
		return usagef("--exit-code, --stderr and --strace are asked of policies, which saved findings do not have; name the log, or none")
	}
	defer closeSaved(ctx, list)
	all, err := f.readSaved(ctx, list)
	if err != nil {
		return err
	}
	overview, err := f.grouped(ctx, list, all, f.by)
	if err != nil {
		return err
	}
	if err := out.show(all, &f.viewFlags, overview); err != nil {
		return err
	}
	if len(all.Findings) > 0 {
		return errFound
	}
	return nil
}
