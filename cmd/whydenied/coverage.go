package main

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/whydenied/whydenied/explain"
	"github.com/whydenied/whydenied/explain/coverage"
	"github.com/whydenied/whydenied/explain/escape"
	"github.com/whydenied/whydenied/explain/library"
	"github.com/whydenied/whydenied/explain/report"
	"github.com/whydenied/whydenied/parser"
	"github.com/whydenied/whydenied/parser/source"
	"github.com/whydenied/whydenied/rules/seccomp"
)

// evidenceFlags are the flags of the commands that ask what rules were used for: where policy
// and what was seen are read.
type evidenceFlags struct {
	policy       policyFlags
	logs         []string
	strace       []string
	traces       []string
	containers   []string // of traces
	since, until string
	filter       explain.Filter // has these times alone
}

func (f *evidenceFlags) add(flags *pflag.FlagSet) {
	f.policy.addOnly(flags, "profile", "profile-dir", "include", "allow-includes", "seccomp", "arch", "caps", "kernel", "runtime", "libseccomp")
	flags.StringArrayVar(&f.logs, "log", nil, "`FILE` or directory of records: an audit.log, or what dmesg, journalctl, ausearch or a syslog daemon wrote; repeatable, as are further arguments")
	flags.StringArrayVar(&f.strace, "strace", nil, "`FILE` that strace -f wrote of a process of the profile: all its calls count; repeatable")
	flags.StringArrayVar(&f.traces, "trace", nil, "`FILE` that trace --observe --format json wrote: the system calls in it count, for the seccomp profile; repeatable")
	flags.StringArrayVar(&f.containers, "container", nil, "of what --trace names only the calls of this container: `NAME`, ID, POD, NAMESPACE/POD or NAMESPACE/POD/NAME; repeatable")
	flags.StringVar(&f.since, "since", "", "only records from this `TIME` on: RFC 3339, a date, HH:MM, or an age such as 2h")
	flags.StringVar(&f.until, "until", "", "only records up to this `TIME`")
}

// coverageFlags are the flags of the coverage command.
type coverageFlags struct {
	evidenceFlags
	output outputFlags
}

func newCoverage() *cobra.Command {
	var f coverageFlags
	cmd := &cobra.Command{
		Use:   "coverage [--log] LOG...",
		Short: "Say which rules of a profile were used, which were not seen used, and which are dead",
		Long: `coverage holds what was seen of a workload against the rules of its profiles, those of
included files too. Of each rule it says how often it decided something, or that this was
not observed in so many records of so many hours; whether it is dead, which is proved:
without it the profile answers every access alike; and what narrower rule would have been
enough, which is proved to grant nothing else.

What is seen are records of accesses that were refused (DENIED), that complain mode let
pass (ALLOWED) and that a rule asks to log (AUDIT), all calls of a trace of strace, and
of a seccomp profile the calls that trace --observe saw, those that were allowed, too.
The kernel logs what a rule grants only if the rule, its profile (flags=(audit)) or
AppArmor's parameter audit=all asks for it; of other rules it is not said that they were
not used.

Without --profile it is about the profiles of the profile directory that records name.
container:NAME in its place, or in that of --seccomp, is the policy in force for a container
of this host, by its name, ID or pod.

Exit status: 0 no rule of the profile itself is dead, 3 some are, 2 wrong usage, 1 something could not be read.`,
		Example: `  whydenied coverage --log /var/log/audit/audit.log --profile ./web.apparmor
  whydenied coverage audit.log --profile ./web.apparmor --format html > coverage.html
  whydenied coverage --strace trace.txt --profile ./web.apparmor --seccomp ./web.json
  whydenied coverage --trace web.calls --seccomp ./web.json`,
		RunE: func(cmd *cobra.Command, args []string) error { return runCoverage(cmd, args, f) },
	}
	f.evidenceFlags.add(cmd.Flags())
	f.output.add(cmd.Flags(), "text", "json", "lcov", "html")
	return cmd
}

func runCoverage(cmd *cobra.Command, args []string, f coverageFlags) error {
	if err := f.output.check(); err != nil {
		return err
	}
	profiles, _, failed, err := f.collect(cmd, args)
	if err != nil {
		return err
	}
	list := make([]report.Coverage, len(profiles))
	dead := false
	for i := range profiles {
		list[i] = report.NewCoverage(&profiles[i])
		dead = dead || profiles[i].Count(func(r *coverage.Rule) bool { return r.Dead && !r.Shared() }) > 0
	}
	if err := f.print(cmd, list); err != nil {
		return err
	}
	switch {
	case failed:
		return errReported
	case dead:
		return errFound
	}
	return nil
}

func (f *coverageFlags) print(cmd *cobra.Command, list []report.Coverage) error {
	write := map[string]func(io.Writer, []report.Coverage) error{"lcov": report.WriteLCOV, "html": report.WriteCoverageHTML}[f.output.format]
	if write != nil {
		out := bufio.NewWriter(cmd.OutOrStdout())
		return errors.Join(write(out, list), out.Flush())
	}
	return printAll(cmd, f.output, report.NewCoverageText, list)
}

// collect reads policy and what was seen, and returns the library that it is of. failed says that some of the logs could not be
// read, which was said.
func (f *evidenceFlags) collect(cmd *cobra.Command, args []string) (profiles []coverage.Profile, lib *library.Library, failed bool, err error) {
	if f.filter.Since, f.filter.Until, err = parseSpan(f.since, f.until); err != nil {
		return nil, nil, false, err
	}
	logs := append(slices.Clip(f.logs), args...)
	inForce, err := f.policy.takeContainers(cmd)
	if err != nil {
		return nil, nil, false, err
	}
	options, err := f.policy.options()
	if err != nil {
		return nil, nil, false, err
	}
	explainer, err := load(options, cmd.ErrOrStderr())
	if err != nil {
		return nil, nil, false, err
	}
	lib = explainer.Library
	c := coverage.New(lib)
	named := map[string]bool{}
	for _, text := range inForce {
		useInForce(cmd.ErrOrStderr(), c, named, text)
	}
	for _, policy := range lib.Named() {
		for _, p := range policy.Profiles {
			if p.Loaded() {
				return nil, nil, false, usagef("%s is compiled and has no rules; name the file that it was loaded from", escape.Name(policy.Files[0].Name))
			}
			named[p.FullName()] = true
			c.Use(p)
		}
	}
	c.UseSeccomp()
	if len(f.policy.profiles) > 0 || f.policy.seccomp != "" || len(inForce) > 0 {
		c.Only = func(name string) bool { return named[name] }
	}
	if err := f.checkTraced(len(inForce) > 0); err != nil {
		return nil, nil, false, err
	}
	if failed, err = f.readLogs(cmd, c, logs); err != nil {
		return nil, nil, false, err
	}
	for _, name := range f.strace {
		if err := readStrace(cmd, c, name); err != nil {
			return nil, nil, false, err
		}
	}
	for _, name := range f.traces {
		if err := f.readTrace(cmd, c, name); err != nil {
			return nil, nil, false, err
		}
	}
	for _, name := range c.Unknown {
		say(cmd.ErrOrStderr(), "records name the profile %s, whose source was not found; give its file with --profile, or its directory with --profile-dir", escape.Name(name))
	}
	if profiles = c.Profiles(); len(profiles) == 0 {
		return nil, nil, false, errors.New("no profile is named, and the records name none whose source is known; name one with --profile or --seccomp")
	}
	return profiles, lib, failed, nil
}

// checkTraced refuses traces without the policy that they are of; inForce says that it is that
// of containers.
func (f *evidenceFlags) checkTraced(inForce bool) error {
	switch {
	case inForce || f.policy.seccomp != "":
	case len(f.strace) > 0 && len(f.policy.profiles) == 0:
		return usagef("--strace: a trace does not say which profile its processes have; name it with --profile or --seccomp")
	case len(f.traces) > 0:
		return usagef("--trace: what is observed are system calls, without the names of files; name the seccomp profile with --seccomp")
	}
	return nil
}

// useInForce has the policy of a container be told of. What the kernel alone has of it has no rules.
func useInForce(stderr io.Writer, c *coverage.Collector, named map[string]bool, text library.Text) {
	for _, p := range text.AppArmor {
		if p.Loaded() {
			say(stderr, "the AppArmor profile %s of %s has no rules, as the kernel has it compiled; name the file that it was loaded from with --profile", escape.Name(p.FullName()), escape.Name(text.Name))
			continue
		}
		named[p.FullName()] = true
		c.Use(p)
	}
	if text.Seccomp != nil {
		c.UseFilter(text.Seccomp, text.Name)
	}
}

// readLogs gives the records of logs to a collector, and reports whether one could not be read.
func (f *evidenceFlags) readLogs(cmd *cobra.Command, c *coverage.Collector, logs []string) (failed bool, err error) {
	if len(logs) == 0 {
		return false, nil
	}
	var stats parser.Stats
	unreadable, err := foldLogs(cmd, source.Inputs(logs, cmd.InOrStdin()), false, func(batch source.Batch) {
		stats.Add(batch.Stats)
		for d, r := range batch.All() {
			switch {
			case d != nil && f.filter.Spans(d.Time):
				c.Add(d)
			case d == nil && f.filter.Spans(r.Time):
				c.AddRepeat(r)
			}
		}
	})
	if err == nil {
		sayNotUnderstood(cmd.ErrOrStderr(), &stats)
	}
	return unreadable > 0, err
}

// readStrace gives the calls of a trace to a collector.
func readStrace(cmd *cobra.Command, c *coverage.Collector, name string) error {
	trace := &parser.Strace{File: name, All: true}
	if err := eachLine(cmd, name, func(line string) {
		if a, ok := trace.Line(line); ok {
			c.Call(&a)
		}
	}); err != nil {
		return err
	}
	if trace.Calls == 0 {
		return fmt.Errorf("%s: no system call is in it; name what strace -f wrote", escape.Name(name))
	}
	return nil
}

// readTrace gives the system calls that were observed to a collector. Those of several containers may
// be of several profiles, and so must be chosen among.
func (f *evidenceFlags) readTrace(cmd *cobra.Command, c *coverage.Collector, name string) error {
	var problem error
	unfiltered, missing, taken := "", uint64(0), 0
	if err := eachLine(cmd, name, func(line string) {
		o, err := report.ReadObservation([]byte(line))
		if problem = cmp.Or(problem, err); err != nil || len(f.containers) > 0 && !slices.ContainsFunc(f.containers, o.IsOf) {
			return
		}
		taken, missing = taken+1, max(missing, o.Missing)
		if !o.Filtered {
			unfiltered = o.Whose()
		}
		for _, call := range o.Calls {
			if arch, err := seccomp.ParseArch(call.Arch); err == nil {
				c.Observed(arch, call.Number, call.Answered)
			}
		}
	}); err != nil {
		return err
	}
	switch {
	case problem != nil:
		return fmt.Errorf("%s: %w; name what whydenied trace --observe --format json wrote", escape.Name(name), problem)
	case taken == 0:
		return fmt.Errorf("%s: no calls of a container that is asked for; name what whydenied trace --observe --format json wrote", escape.Name(name))
	case taken > 1 && len(f.containers) == 0:
		return usagef("%s: calls of %d containers or services; choose by --container", escape.Name(name), taken)
	}
	if unfiltered != "" {
		say(cmd.ErrOrStderr(), "%s had no seccomp filter when it was observed: what its runtime called to start it counts, too", escape.Name(unfiltered))
	}
	if missing > 0 {
		say(cmd.ErrOrStderr(), "%s: %d system calls of that host were not looked at; \"not observed\" is less sure for it", escape.Name(name), missing)
	}
	return nil
}
