package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/whydenied/whydenied/explain"
	"github.com/whydenied/whydenied/explain/bundle"
	"github.com/whydenied/whydenied/explain/container"
	"github.com/whydenied/whydenied/explain/report"
	"github.com/whydenied/whydenied/parser"
	"github.com/whydenied/whydenied/parser/source"
	"github.com/whydenied/whydenied/rules/seccomp"
)

// inputFlags are the flags of the commands that explain logs: where policy is
// read, and which denials are wanted.
type inputFlags struct {
	policy       policyFlags
	since, until string
	filter       explain.Filter
	symptoms     symptomFlags
}

func (f *inputFlags) add(flags *pflag.FlagSet) {
	f.policy.add(flags)
	flags.StringVar(&f.since, "since", "", "only denials from this `TIME` on: RFC 3339, a date, HH:MM, or an age such as 2h")
	flags.StringVar(&f.until, "until", "", "only denials up to this `TIME`")
	addFilter(flags, &f.filter)
}

// addFilter adds the flags that select denials by whose they are.
func addFilter(flags *pflag.FlagSet, filter *explain.Filter) {
	flags.StringArrayVar(&filter.Containers, "container", nil, "only this container: `NAME` or ID; repeatable")
	flags.StringArrayVar(&filter.Profiles, "profile-name", nil, "only this AppArmor profile: `NAME`, with its children; repeatable")
	flags.StringArrayVar(&filter.Comms, "comm", nil, "only processes of this `NAME`; repeatable")
}

// explainFlags are the flags of the explain command.
type explainFlags struct {
	inputFlags
	output outputFlags
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
the kernel's ring buffer. Findings saved with --format json are shown again, and
a bundle that collect made on another machine is explained as it was there.

The commonest refusals leave no record. Where the log has none, it says what would
have been silent: the quiet deny rules and the errno answers of the container's own
profiles, named by --profile, --seccomp or --inventory. How the program failed tells
more: its exit status, its error output, or what strace -f printed. What they name is
asked of these profiles, and what a profile refuses is explained like a denial, marked
"not logged", as no record of the kernel says so.`,
		Example: `  whydenied explain /var/log/audit/audit.log --inventory <(docker inspect web)
  journalctl -k -o json | whydenied explain - --profile ./web.apparmor
  docker logs web 2>&1 | whydenied explain --stderr - --inventory <(docker inspect web)`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return runExplain(cmd, args, f)
		},
	}
	flags := cmd.Flags()
	f.inputFlags.add(flags)
	f.symptoms.add(flags)
	f.output.add(flags)
	return cmd
}

func runExplain(cmd *cobra.Command, args []string, f explainFlags) error {
	print, flush, err := f.output.printer(cmd)
	if err != nil {
		return err
	}
	if err := f.parse(args); err != nil {
		return err
	}
	if saved, err := replay(cmd, args, print); saved || err != nil {
		return errors.Join(err, flush())
	}
	in, err := f.open(cmd, args)
	if err != nil {
		return err
	}
	if err := print(report.Message{Config: f.config(in.logs)}); err != nil {
		return err
	}
	read, err := in.read(cmd)
	if err != nil {
		return err
	}
	unexplained, err := f.claims(cmd, in, read.group)
	if err != nil {
		return err
	}
	findings := read.group.Findings()
	explainAll(in.policy, findings)
	for _, finding := range findings {
		m := report.New(*finding)
		if err := print(report.Message{Finding: &m}); err != nil {
			return err
		}
	}
	if len(in.logs) > 0 || f.output.format == "json" {
		if err := print(report.Message{Summary: read.summary(findings)}); err != nil {
			return err
		}
	}
	if len(findings) == 0 || f.symptoms.given() {
		silence := f.silence(in, args, findings)
		silence.Unexplained = unexplained
		if err := print(report.Message{Silent: silence}); err != nil {
			return err
		}
	}
	if err := flush(); err != nil {
		return err
	}
	return f.verdict(cmd, in, read, len(findings))
}

// explainAll explains findings: those of AppArmor first, as apparmor_parser looks at
// their fixes while the others are explained.
func explainAll(policy *explain.Policy, findings []*explain.Finding) {
	for _, f := range findings {
		if f.Denial.AppArmor != nil {
			policy.Explain(f)
		}
	}
	finish := policy.Check(findings)
	for _, f := range findings {
		if f.Denial.AppArmor == nil {
			policy.Explain(f)
		}
	}
	finish()
}

// parse reads the times of the filter, and checks what the command line says of
// how the program failed.
func (f *inputFlags) parse(args []string) (err error) {
	now := time.Now()
	if f.filter.Since, err = parseTime(f.since, now); err != nil {
		return usagef("--since: %v", err)
	}
	if f.filter.Until, err = parseTime(f.until, now); err != nil {
		return usagef("--until: %v", err)
	}
	return f.symptoms.check(args)
}

// An input is what is needed to explain logs.
type input struct {
	policy    *explain.Policy
	inventory *container.Inventory // nil if none is named
	bundle    *bundle.Bundle       // that all of it is of; nil if it is of this machine
	logs      []source.Input
	filter    explain.Filter
}

// open reads the policy and the inventory that the flags name, and finds the logs.
func (f *inputFlags) open(cmd *cobra.Command, args []string) (in input, err error) {
	if b, err := readBundle(cmd, args); b != nil || err != nil {
		if err != nil {
			return in, err
		}
		return f.openBundle(cmd, args[0], b)
	}
	in.filter = f.filter
	if in.policy, err = f.policy.load(cmd.ErrOrStderr()); err != nil {
		return in, err
	}
	if in.inventory, err = f.policy.containers(in.policy); err != nil {
		return in, err
	}
	if len(args) == 0 && f.symptoms.files() {
		return in, nil // they are what is to be explained
	}
	in.logs, err = logs(cmd, args)
	return in, err
}

// read folds the denials of the logs. It fails if none of them can be read, or
// if what was read is plainly no log.
func (in *input) read(cmd *cobra.Command) (*reading, error) {
	read, err := readLogs(cmd, in.logs, explain.NewGroup(findIn(in.inventory), in.filter))
	if err != nil {
		return nil, err
	}
	if read.stats.Records == 0 {
		if err := refuseNoLog(in.logs); err != nil {
			return nil, err
		}
	}
	if len(in.logs) > 0 && read.failed == len(in.logs) && read.stats.Lines == 0 {
		return nil, errReported
	}
	return read, nil
}

// findIn returns what finds a container in an inventory, nil if there is none.
func findIn(inventory *container.Inventory) func(container.Subject) container.Container {
	if inventory == nil {
		return nil
	}
	return inventory.Find
}

// verdict returns the error that stands for the exit status, and says what it
// means that nothing was found.
func (f *inputFlags) verdict(cmd *cobra.Command, in input, read *reading, findings int) error {
	switch {
	case read.failed > 0:
		return errReported
	case findings > 0:
		return errFound
	case len(in.logs) == 0: // but what strace or the program said
		return nil
	}
	fmt.Fprintln(cmd.ErrOrStderr(), f.why(in.inventory))
	return nil
}

// why says what no finding means.
func (f *inputFlags) why(inventory *container.Inventory) string {
	switch {
	case len(f.filter.Containers) > 0 && inventory == nil:
		return "whydenied: a log does not name containers: --container needs --inventory"
	case f.filtered():
		return "whydenied: no denial of these logs meets the filters"
	}
	return silence
}

// filtered reports whether the user wants only some of the denials.
func (f *inputFlags) filtered() bool {
	return f.since != "" || f.until != "" || len(f.filter.Containers)+len(f.filter.Profiles)+len(f.filter.Comms) > 0
}

// silence keeps an empty answer from being read as "nothing was refused".
const silence = `whydenied: these logs hold no denial, which does not mean that nothing was refused: a deny rule without
audit and seccomp's errno answer, the default of every container runtime, leave no record.`

// logs returns the inputs that args name, or this host's own log, which it says.
func logs(cmd *cobra.Command, args []string) ([]source.Input, error) {
	if len(args) > 0 {
		return source.Inputs(args, cmd.InOrStdin()), nil
	}
	host := source.Host()
	for _, why := range host.Passed {
		fmt.Fprintf(cmd.ErrOrStderr(), "whydenied: %s\n", why)
	}
	if len(host.Inputs) == 0 {
		return nil, errors.New("no log of this host can be read; name a saved log")
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "whydenied: reading %s\n", host.Taken)
	return host.Inputs, nil
}

// A reading is what the logs gave.
type reading struct {
	group      *explain.Group
	stats      parser.Stats
	duplicates int
	tooLong    int // lines that were skipped for their length
	torn       int // inputs whose last line has no end
	failed     int // inputs that could not be read
}

// readLogs folds the denials of the inputs into the group. An input that cannot
// be read is reported to stderr, and the others are read.
func readLogs(cmd *cobra.Command, inputs []source.Input, group *explain.Group) (*reading, error) {
	r := &reading{group: group}
	progress := newProgress(cmd.ErrOrStderr())
	defer progress.clear()
	seen := parser.NewDedup()
	for batch, err := range source.Scan(cmd.Context(), inputs) {
		if isUnreadable(err) {
			progress.clear()
			complain(cmd.ErrOrStderr(), err)
			r.failed++
			continue
		}
		if err != nil {
			return nil, err
		}
		r.stats.Add(batch.Stats)
		r.tooLong += batch.TooLong
		if batch.Stats.TornLast {
			r.torn++
		}
		for i := range batch.Denials {
			if seen.Duplicate(&batch.Denials[i]) {
				r.duplicates++
				continue
			}
			group.Add(batch.Denials[i])
		}
		progress.update(int(batch.Stats.Bytes), len(batch.Denials))
	}
	return r, nil
}

// isUnreadable reports whether an error is of one input, and others follow.
func isUnreadable(err error) bool {
	var unreadable *source.Error
	return errors.As(err, &unreadable)
}

// replay prints findings that were saved as JSON, if that is what the one input
// that is named holds, and reports whether it did.
func replay(cmd *cobra.Command, args []string, print func(report.Message) error) (bool, error) {
	if len(args) != 1 {
		return false, nil
	}
	in := bufio.NewReader(cmd.InOrStdin())
	if args[0] == "-" {
		cmd.SetIn(in) // with what Peek took
	} else {
		file, err := os.Open(args[0])
		if err != nil {
			return false, nil // which reading it as a log reports
		}
		defer file.Close()
		in.Reset(file)
	}
	if head, _ := in.Peek(512); !report.IsSaved(head) {
		return false, nil
	}
	found := false
	for m, err := range report.Read(in) {
		if err != nil {
			return true, fmt.Errorf("%s: %w", args[0], err)
		}
		found = found || m.Finding != nil
		if err := print(m); err != nil {
			return true, err
		}
	}
	if found {
		return true, errFound
	}
	return true, nil
}

// config says what is read and how.
func (f *inputFlags) config(inputs []source.Input) *report.Config {
	c := &report.Config{
		SchemaVersion: report.SchemaVersion,
		Tool:          "whydenied",
		Version:       version(),
		Policies:      append(append([]string{}, f.policy.profiles...), f.policy.profileDir),
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

// load reads the policy that the flags name. What cannot be read of a profile
// is said to w, and the rest is used.
func (f *policyFlags) load(w io.Writer) (*explain.Policy, error) {
	if f.profileDir != systemProfiles {
		if _, err := os.ReadDir(f.profileDir); err != nil {
			return nil, fmt.Errorf("cannot read the profile directory: %w; --profile-dir names a copy of /etc/apparmor.d", err)
		}
	}
	policy := explain.NewPolicy(f.profileDir, f.include)
	if c := findCompiler(append(append([]string{}, f.include...), f.profileDir)); c != nil {
		policy.Compile = c.start
	}
	return policy, f.apply(policy, w)
}

// apply gives a policy what the flags say but for its directories.
func (f *policyFlags) apply(policy *explain.Policy, w io.Writer) error {
	if f.arch != "" {
		arch, err := seccomp.ParseArch(f.arch)
		if err != nil {
			return usagef("--arch: %v", err)
		}
		policy.Arch = arch
	}
	policy.Kernel = f.kernel
	for _, name := range f.caps {
		name = strings.ToUpper(strings.TrimSpace(name))
		policy.Caps = append(policy.Caps, "CAP_"+strings.TrimPrefix(name, "CAP_"))
	}
	for _, name := range f.profiles {
		diagnostics, err := policy.AddProfile(name)
		if err != nil {
			return err
		}
		warn(w, diagnostics)
	}
	if f.seccomp == "" {
		return nil
	}
	diagnostics, err := policy.AddSeccomp(f.seccomp)
	if err != nil {
		return err
	}
	warn(w, diagnostics)
	return nil
}

// containers reads the inventory files; the inventory is nil if none is named.
// The versions of engines among them go to the policy.
func (f *policyFlags) containers(policy *explain.Policy) (*container.Inventory, error) {
	if len(f.inventory) == 0 {
		return nil, nil
	}
	inventory := new(container.Inventory)
	policy.Engines = map[string]string{}
	for _, name := range f.inventory {
		text, err := os.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("cannot read the inventory: %w", err)
		}
		if engine, ok := container.ReadEngine(text); ok {
			policy.Engines[engine.Name] = engine.Version
			continue
		}
		found, err := container.Read(name, text)
		if err != nil {
			return nil, err
		}
		inventory.Add(found...)
	}
	return inventory, nil
}

// parseTime reads a moment as people type it; "" is the zero time.
func parseTime(s string, now time.Time) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	if age, err := time.ParseDuration(strings.TrimPrefix(s, "-")); err == nil {
		return now.Add(-age), nil
	}
	if t, err := time.Parse(time.RFC3339, s); err == nil {
		return t, nil
	}
	for _, layout := range []string{"2006-01-02 15:04:05", "2006-01-02T15:04:05", "2006-01-02 15:04", "2006-01-02"} {
		if t, err := time.ParseInLocation(layout, s, now.Location()); err == nil {
			return t, nil
		}
	}
	for _, layout := range []string{"15:04:05", "15:04"} {
		if t, err := time.ParseInLocation(layout, s, now.Location()); err == nil {
			y, m, d := now.Date()
			return time.Date(y, m, d, t.Hour(), t.Minute(), t.Second(), 0, now.Location()), nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is no time; write 2026-01-31T09:00:00Z, \"2026-01-31 09:00\", 09:00 or an age such as 2h", s)
}
