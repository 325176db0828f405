package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/whydenied/whydenied/explain"
	"github.com/whydenied/whydenied/explain/library"
	"github.com/whydenied/whydenied/explain/report"
	"github.com/whydenied/whydenied/explain/silent"
	"github.com/whydenied/whydenied/parser"
)

// symptomFlags are the flags that say how a program failed.
type symptomFlags struct {
	status         int // 0 if it is not known
	stderr, strace string
}

func (f *symptomFlags) add(flags *pflag.FlagSet) {
	flags.IntVar(&f.status, "exit-code", 0, "`STATUS` that the program ended with, such as 126: what its profile refuses that could be why")
	flags.StringVar(&f.stderr, "stderr", "", "`FILE` of the program's error output: what it says was refused is asked of the profiles")
	flags.StringVar(&f.strace, "strace", "", "`FILE` that strace -f wrote: the calls that failed are asked of the profiles")
}

// given reports whether anything is known of how a program failed.
func (f *symptomFlags) given() bool { return f.status != 0 || f.files() }

// files reports whether there are files that say it.
func (f *symptomFlags) files() bool { return f.stderr != "" || f.strace != "" }

func (f *symptomFlags) check(args []string) error {
	if f.status < 0 || f.status > 255 {
		return usagef("--exit-code %d is no exit status; they are 1 to 255", f.status)
	}
	readers := 0
	for _, name := range append([]string{f.stderr, f.strace}, args...) {
		if name == "-" {
			readers++
		}
	}
	if readers > 1 {
		return usagef("standard input can be read once; save the others to files")
	}
	return nil
}

// claims adds to the group what the policies refuse of what failed, and returns
// what they do not.
func (f *inputFlags) claims(cmd *cobra.Command, in input, group *explain.Group) ([]report.Unexplained, error) {
	targets := silent.Targets(in.explainer.Library, in.inventory, f.filter)
	if !f.symptoms.given() {
		knownSymptoms(in.explainer.Library, targets, group)
		return nil, nil
	}
	target, err := onlyTarget(targets)
	if err != nil {
		return nil, err
	}
	j := &judge{policies: in.explainer.Library, target: target, group: group, seen: map[string]verdict{}}
	if f.symptoms.strace != "" {
		trace := &parser.Strace{File: f.symptoms.strace}
		if err := eachLine(cmd, f.symptoms.strace, func(line string) {
			if a, failed := trace.Line(line); failed {
				j.add(a)
			}
		}); err != nil {
			return nil, err
		}
		if trace.Calls == 0 {
			return nil, fmt.Errorf("%s: no system call is in it; name what strace -f wrote", f.symptoms.strace)
		}
	}
	if f.symptoms.stderr != "" {
		o := parser.Origin{File: f.symptoms.stderr}
		if err := eachLine(cmd, f.symptoms.stderr, func(line string) {
			o.Line++
			if a, ok := parser.ReadComplaint(o, line); ok {
				j.add(a)
			}
		}); err != nil {
			return nil, err
		}
	}
	for _, d := range silent.Suspects(in.explainer.Library, target, f.symptoms.status) {
		group.AddClaim(d, target.Container)
	}
	return j.unexplained, nil
}

// knownSymptoms takes the exit status from the inventory, if the logs have
// nothing.
func knownSymptoms(policies *library.Library, targets []silent.Target, group *explain.Group) {
	if len(group.Findings()) > 0 {
		return
	}
	for _, t := range targets {
		if t.Container.ExitCode != 126 && t.Container.ExitCode != 127 {
			continue // others are the program's own
		}
		for _, d := range silent.Suspects(policies, t, t.Container.ExitCode) {
			group.AddClaim(d, t.Container)
		}
	}
}

// onlyTarget returns the one whose policies are to be asked.
func onlyTarget(targets []silent.Target) (silent.Target, error) {
	switch {
	case len(targets) == 1:
		return targets[0], nil
	case len(targets) == 0:
		return silent.Target{}, usagef("which profiles were in force is not known; name them by --profile, --seccomp or --inventory")
	}
	const shown = 5
	var names []string
	for _, t := range targets[:min(len(targets), shown)] {
		names = append(names, report.Escape(t.Name()))
	}
	if len(targets) > shown {
		names = append(names, "...")
	}
	return silent.Target{}, usagef("how one program failed is asked of one container's profiles, and there are %d: %s; choose by --container or --profile-name",
		len(targets), strings.Join(names, ", "))
}

// A judge asks the policies of a target about what failed.
type judge struct {
	policies    *library.Library
	target      silent.Target
	group       *explain.Group
	unexplained []report.Unexplained
	claims      int                // distinct ones
	seen        map[string]verdict // by what was tried, as a program can try it often
}

// A verdict is the record of what was refused, or the index of what was not.
type verdict struct {
	denial      parser.Denial
	refused     bool
	unexplained int
}

// maxFailures bounds the distinct failures that are remembered, maxClaims and
// maxUnexplained those among them that are kept for the answer.
const (
	maxFailures    = 20000
	maxClaims      = 500
	maxUnexplained = 500
)

// add judges something that failed.
func (j *judge) add(a parser.Attempt) {
	key := strings.Join(append([]string{a.Comm, a.Cwd, a.Arch, a.Syscall, a.Path, a.Errno}, a.Args...), "\x00")
	if a.Syscall == "" && a.Path == "" {
		key = a.Text
	}
	v, seen := j.seen[key]
	if !seen {
		v = j.judge(a)
		if len(j.seen) < maxFailures {
			j.seen[key] = v
		}
	}
	switch {
	case v.refused && j.claims == maxClaims && !seen:
		j.group.Dropped++
	case v.refused:
		if _, isNew := j.group.AddClaim(v.denial, j.target.Container); isNew {
			j.claims++
		}
	case v.unexplained >= 0:
		j.unexplained[v.unexplained].Count++
	}
}

// judge decides on something for the first time.
func (j *judge) judge(a parser.Attempt) verdict {
	d, refused := silent.Judge(j.policies, a, j.target)
	if refused || silent.IsHarmless(&a) || len(j.unexplained) == maxUnexplained {
		return verdict{d, refused, -1}
	}
	j.unexplained = append(j.unexplained, report.NewUnexplained(a))
	return verdict{unexplained: len(j.unexplained) - 1}
}

// maxLine bounds the bytes of a line that are read; the rest of it is passed over.
const maxLine = 1 << 20

// eachLine calls with each line of a file, or of standard input for "-", without
// its end.
func eachLine(cmd *cobra.Command, name string, call func(line string)) error {
	var in io.Reader = cmd.InOrStdin()
	if name != "-" {
		file, err := os.Open(name)
		if err != nil {
			return err
		}
		defer file.Close()
		in = file
	}
	lines := bufio.NewReaderSize(in, maxLine)
	for {
		line, isPrefix, err := lines.ReadLine()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		call(string(line))
		for isPrefix && err == nil {
			_, isPrefix, err = lines.ReadLine()
		}
		if err := cmd.Context().Err(); err != nil {
			return err
		}
	}
}

// silence says what the policies refuse without a record, and what to type next.
func (f *inputFlags) silence(in input, args []string, findings []*explain.Explained) *report.Silence {
	s := &report.Silence{Policies: []report.SilentPolicy{}}
	targets := silent.Targets(in.explainer.Library, in.inventory, f.filter)
	next := newSteps(f, args, targets)
	if slices.ContainsFunc(findings, func(f *explain.Explained) bool { return f.IsClaim() && len(f.Fixes) > 0 }) {
		next.patch()
	}
	for _, t := range targets[:min(len(targets), maxTargets)] {
		status := f.symptoms.status
		if status == 0 {
			status = t.Container.ExitCode
		}
		for _, policy := range silent.Of(in.explainer.Library, t, status) {
			s.Policies = append(s.Policies, report.NewSilentPolicy(policy))
			next.observe(policy)
		}
	}
	next.others(targets)
	s.Next = next.steps
	return s
}

// maxTargets bounds the containers whose policies are listed.
const maxTargets = 20
