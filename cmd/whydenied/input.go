package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/whydenied/whydenied/explain"
	"github.com/whydenied/whydenied/explain/bundle"
	"github.com/whydenied/whydenied/explain/container"
	"github.com/whydenied/whydenied/explain/escape"
	"github.com/whydenied/whydenied/explain/library"
	"github.com/whydenied/whydenied/parser"
	"github.com/whydenied/whydenied/parser/source"
	"github.com/whydenied/whydenied/rules/apparmor"
)

// inputFlags are the flags of the commands that explain logs: where policy is
// read, and which denials are wanted.
type inputFlags struct {
	policy       policyFlags
	since, until string
	filter       explain.Filter
	failed       failedFlags
	fresh        bool
}

func (f *inputFlags) add(flags *pflag.FlagSet) {
	f.policy.add(flags)
	flags.StringVar(&f.since, "since", "", "only denials from this `TIME` on: RFC 3339, a date, HH:MM, or an age such as 2h")
	flags.StringVar(&f.until, "until", "", "only denials up to this `TIME`")
	addFilter(flags, &f.filter)
}

// addNew adds the flag of the commands that show what a store has.
func (f *inputFlags) addNew(flags *pflag.FlagSet) {
	flags.BoolVar(&f.fresh, "new", false, "of a store or a fleet's database: only what was seen nowhere before --since")
}

// addFilter adds the flags that select denials by whose they are.
func addFilter(flags *pflag.FlagSet, filter *explain.Filter) {
	flags.StringArrayVar(&filter.Containers, "container", nil, "only this container: `NAME`, ID, POD, NAMESPACE/POD or NAMESPACE/POD/NAME, or how it begins; repeatable")
	flags.StringArrayVar(&filter.Profiles, "profile-name", nil, "only this AppArmor profile: `NAME`, with its children; repeatable")
	flags.StringArrayVar(&filter.Comms, "comm", nil, "only processes of this `NAME`; repeatable")
}

// parse reads the times of the filter, and checks what the command line says of
// how the program failed.
func (f *inputFlags) parse(args []string) (err error) {
	if f.filter.Since, f.filter.Until, err = parseSpan(f.since, f.until); err != nil {
		return err
	}
	return f.failed.check(args)
}

// parseSpan reads the times of --since and --until.
func parseSpan(since, until string) (from, to time.Time, err error) {
	now := time.Now()
	if from, err = parseTime(since, now); err != nil {
		return from, to, usagef("--since: %v", err)
	}
	if to, err = parseTime(until, now); err != nil {
		return from, to, usagef("--until: %v", err)
	}
	return from, to, nil
}

// An input is what is needed to explain logs.
type input struct {
	explainer *explain.Explainer
	inventory *container.Inventory // nil if none is named
	bundle    *bundle.Bundle       // that all of it is of; nil if it is of this machine
	logs      []source.Input
	own       bool // they are this host's
	gathered  bool // the inventory is of this host, and not of one program that failed
	failed    int  // of them, which could not be read
	filter    explain.Filter
	found     func(*explain.Finding)       // is told each new finding, if it is set
	counted   func(explain.Counted)        // is told each denial that is counted, if it is set
	audited   bool                         // records of permitted accesses are findings too
	takes     func(name, flag string) bool // takes a file that was named as a log by the flag that it is for, if it is set
}

// open reads the policy and the inventory that the flags name, and finds the logs.
func (f *inputFlags) open(cmd *cobra.Command, args []string) (in input, err error) {
	if b, err := readBundle(cmd, args); b != nil || err != nil {
		if err != nil {
			return in, err
		}
		return f.openBundle(cmd, args[0], b)
	}
	in.own = len(args) == 0 && !f.failed.files()
	if in.explainer, in.inventory, err = f.policy.load(cmd.Context(), cmd.ErrOrStderr(), in.own); err != nil {
		return in, err
	}
	if in.own && in.inventory == nil {
		in.inventory = inventoryHere(cmd)
		in.gathered = in.inventory != nil
	}
	f.filter.Resolve(in.inventory)
	in.filter = f.filter
	if len(args) == 0 && !in.own {
		return in, nil // they are what is to be explained
	}
	in.logs, err = logs(cmd, args)
	return in, err
}

// gathering bounds how long this host's engines are asked for their containers.
const gathering = 10 * time.Second

// inventoryHere returns the containers of this host, whose own log is read; nil if it has none.
func inventoryHere(cmd *cobra.Command) *container.Inventory {
	ctx, stop := context.WithTimeout(cmd.Context(), gathering)
	defer stop()
	all, missing := containersHere(ctx)
	if len(all) == 0 {
		return nil
	}
	inv := &container.Inventory{}
	inv.Add(all...)
	text := "taking this host's containers for the inventory (%d known"
	if missing != nil {
		text += ", others could not be read"
	}
	say(cmd.ErrOrStderr(), text+")", len(inv.Containers))
	return inv
}

// read folds the denials of the logs. It fails if none of them can be read, or
// if what was read is plainly no log.
func (in *input) read(cmd *cobra.Command) (*explain.Session, error) {
	session := explain.NewSession(in.explainer.Find(in.inventory), in.filter)
	session.Counted = in.counted
	session.Audited = in.audited
	if err := in.readLogs(cmd, session); err != nil {
		return nil, err
	}
	if in.own {
		in.explainer.Library.UseKernel()
		in.askKernel(cmd.Context(), session)
	}
	session.End()
	if session.Stats.Records > 0 {
		in.besides(cmd)
	} else if err := in.foreign(cmd); err != nil {
		return nil, err
	}
	if len(in.logs) > 0 && in.failed == len(in.logs) && session.Stats.Lines == 0 {
		return nil, errReported
	}
	return session, nil
}

// foreign fails if a log in which nothing was found is plainly none and was named, or
// if all are none that were found in a directory. If only some are, it says which.
func (in *input) foreign(cmd *cobra.Command) error {
	const what = "not a log of a known format; name an audit.log, or what dmesg, journalctl, ausearch or a syslog daemon wrote; what a program printed goes by whydenied explain --stderr"
	var names []string
	var errs []error
	for _, log := range in.logs {
		is, flag := "", ""
		if !log.Found {
			is, flag = mistaken(log.Name)
		}
		switch {
		case flag != "" && in.takes != nil && in.takes(log.Name, flag):
		case flag != "":
			errs = append(errs, notALog(cmd, log.Name, is, flag))
		case !source.IsNoLog(log.Name):
		case !log.Found:
			errs = append(errs, fmt.Errorf("%s: %s", escape.Name(log.Name), what))
		default:
			names = append(names, log.Name)
		}
	}
	if len(errs) > 0 || len(names) == 0 {
		return errors.Join(errs...)
	}
	first := escape.Name(names[0])
	switch {
	case len(names) == len(in.logs):
		return fmt.Errorf("%s: %s", first, what)
	case len(names) == 1:
		say(cmd.ErrOrStderr(), "%s is not a log of a known format, and is passed over", first)
	default:
		say(cmd.ErrOrStderr(), "%s and %d more are not logs of a known format, and are passed over", first, len(names)-1)
	}
	return nil
}

// besides says which files, named beside a log, are policy or an inventory in JSON, which
// could be taken for logs without denials.
func (in *input) besides(cmd *cobra.Command) {
	if len(in.logs) < 2 {
		return
	}
	for _, log := range in.logs {
		if log.Found {
			continue
		}
		if is, flag := mistaken(log.Name); flag == "inventory" || flag == "seccomp" {
			complain(cmd.ErrOrStderr(), notALog(cmd, log.Name, is, flag))
		}
	}
}

// askKernel has the profiles that container engines make up be explained by the texts
// that the kernel of this host has, where it tells.
func (in *input) askKernel(ctx context.Context, session *explain.Session) {
	var names []string
	for _, f := range session.Findings() {
		if a := f.Denial.AppArmor; a != nil && apparmor.IsBuiltin(a.Profile) && !slices.Contains(names, a.Profile) {
			names = append(names, a.Profile)
		}
	}
	if len(names) > 0 {
		h := thisHost
		h.PolicyDir = library.SystemProfiles
		in.explainer.Library.UseLoaded(h.LoadedTexts(ctx, names))
	}
}

// logs returns the inputs that args name, or this host's own log, which it says.
func logs(cmd *cobra.Command, args []string) ([]source.Input, error) {
	for _, arg := range args {
		if err := typed(arg); err != nil {
			return nil, err
		}
	}
	if len(args) > 0 {
		return source.Inputs(args, cmd.InOrStdin()), nil
	}
	host := source.Host()
	for _, why := range host.Passed {
		say(cmd.ErrOrStderr(), "%s", why)
	}
	if len(host.Inputs) == 0 {
		return nil, errors.New("no log of this host can be read; name a saved log")
	}
	say(cmd.ErrOrStderr(), "reading %s", host.Taken)
	return host.Inputs, nil
}

// add gives a session one of a denial and a repeat: the other is nil.
func add(session *explain.Session, d *parser.Denial, r *parser.Repeat) (f *explain.Finding, isNew bool) {
	if r != nil {
		return session.AddRepeat(r)
	}
	return session.Add(*d)
}

// readLogs folds the denials of the logs.
func (in *input) readLogs(cmd *cobra.Command, session *explain.Session) (err error) {
	in.failed, err = foldLogs(cmd, in.logs, in.inventory != nil, func(batch source.Batch) {
		session.Count(batch.Stats, batch.TooLong)
		for d, r := range batch.All() {
			f, isNew := add(session, d, r)
			if isNew && in.found != nil {
				in.found(f)
			}
		}
	})
	return err
}

// foldLogs gives what logs hold to a function, with attributed for each process by itself. A
// log that cannot be read is reported to stderr and counted, and the others are read.
func foldLogs(cmd *cobra.Command, logs []source.Input, attributed bool, take func(source.Batch)) (failed int, err error) {
	progress := newProgress(cmd.ErrOrStderr())
	progress.total = sizeOf(logs)
	defer progress.clear()
	for batch, err := range source.Fold(cmd.Context(), logs, attributed) {
		if isUnreadable(err) {
			progress.clear()
			complain(cmd.ErrOrStderr(), err)
			failed++
			continue
		}
		if err != nil {
			return failed, err
		}
		take(batch)
		progress.update(int(batch.Stats.Bytes), len(batch.Denials)+len(batch.Repeats))
	}
	return failed, nil
}

// sizeOf returns how many bytes logs hold, 0 if one of them does not tell before it is read.
func sizeOf(logs []source.Input) (bytes int) {
	for _, log := range logs {
		info, err := os.Stat(log.Name)
		if err != nil || !info.Mode().IsRegular() || slices.Contains([]string{".gz", ".zst"}, filepath.Ext(log.Name)) {
			return 0
		}
		bytes += int(info.Size())
	}
	return bytes
}

// isUnreadable reports whether an error is of one input, and others follow.
func isUnreadable(err error) bool {
	var unreadable *source.Error
	return errors.As(err, &unreadable)
}

// exit returns the error that stands for the exit status, and says what it
// means that nothing was found.
func (f *inputFlags) exit(cmd *cobra.Command, in input, stats *parser.Stats, findings int) error {
	missed := sayNotUnderstood(cmd.ErrOrStderr(), stats)
	switch {
	case in.failed > 0:
		return errReported
	case findings > 0 || missed:
		return errFound
	case len(in.logs) == 0: // but what strace or the program said
		return nil
	}
	why := f.why(in.inventory)
	if slices.ContainsFunc(in.logs, func(log source.Input) bool { return log.Name == "-" }) {
		why += "\nWhat a program printed goes by --stderr -."
	}
	escape.Write(cmd.ErrOrStderr(), "whydenied: "+why+"\n")
	return nil
}

// sayNotUnderstood says how many denials were seen and not understood, and where, and
// reports whether there are any: they are no less refused than those that were.
func sayNotUnderstood(w io.Writer, stats *parser.Stats) bool {
	if stats.Unparsed == 0 {
		return false
	}
	const shown = 5
	var places []string
	for _, u := range stats.Samples[:min(len(stats.Samples), shown)] {
		places = append(places, fmt.Sprintf("%s:%d (%s)", escape.Name(u.Origin.File), u.Origin.Line, u.Why))
	}
	if rest := stats.Unparsed - len(places); rest > 0 {
		places = append(places, fmt.Sprintf("and %d more", rest))
	}
	denials := "1 denial was"
	if stats.Unparsed > 1 {
		denials = fmt.Sprintf("%d denials were", stats.Unparsed)
	}
	say(w, "%s seen and not understood: %s", denials, strings.Join(places, "; "))
	return true
}

// why says what no finding means.
func (f *inputFlags) why(inventory *container.Inventory) escape.Text {
	switch {
	case len(f.filter.Containers) > 0 && inventory == nil:
		return "a log does not name containers: --container needs --inventory"
	case f.filtered():
		return "no denial of these logs meets the filters"
	}
	return noDenial
}

// filtered reports whether the user wants only some of the denials.
func (f *inputFlags) filtered() bool {
	return f.since != "" || f.until != "" || len(f.filter.Containers)+len(f.filter.Profiles)+len(f.filter.Comms) > 0
}

// noDenial keeps an empty answer from being read as "nothing was refused".
const noDenial = `these logs hold no denial, which does not mean that nothing was refused: a deny rule without
audit and seccomp's errno answer, the default of every container runtime, leave no record.`

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
