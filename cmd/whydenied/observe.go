package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/whydenied/whydenied/explain/container"
	"github.com/whydenied/whydenied/explain/escape"
	"github.com/whydenied/whydenied/explain/library"
	"github.com/whydenied/whydenied/explain/report"
	"github.com/whydenied/whydenied/explain/secret"
	"github.com/whydenied/whydenied/rules"
	"github.com/whydenied/whydenied/rules/seccomp"
)

// observeFlags are the flags of the observe command.
type observeFlags struct {
	policy    policyFlags
	format    string
	logAction bool
}

func newObserve() *cobra.Command {
	var f observeFlags
	cmd := &cobra.Command{
		Use:   "observe --seccomp FILE | --profile FILE",
		Short: "Print a profile changed so that its silent refusals are logged",
		Long: `observe prints the change that makes a profile's silent refusals show in the log,
as a unified diff or, with --format profile, the whole changed profile. No file is
changed. It is a diagnostic step: load it, reproduce the failure, read the log with
"whydenied explain", and go back to the profile as it was.

Of a seccomp profile, the filter gets SECCOMP_FILTER_FLAG_LOG and answers as before.
Docker drops that flag in silence before 23.0, Podman before 4.1 and CRI-O before 1.25,
and a runc before 1.2 refuses it. For them, --log-action turns the entries that
answer an errno or SIGSYS, or ask a tracer, to SCMP_ACT_LOG, which PERMITS what they refused.
With the engine's version, by builtin:ENGINE@VERSION or --inventory, it is said which is needed.

Of an AppArmor profile, the deny rules get the word audit and refuse as before. A
file that it includes and that has some is copied in place of its include.`,
		Example: `  whydenied observe --seccomp ./seccomp.json | patch -p1
  whydenied observe --seccomp builtin:docker --format profile > observed.json
  whydenied observe --profile ./web.apparmor`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runObserve(cmd, f) },
	}
	flags := cmd.Flags()
	f.policy.addOnly(flags, "profile", "profile-dir", "include", "allow-includes", "seccomp", "inventory")
	flags.StringVar(&f.format, "format", "diff", "`FORMAT` of the answer: diff or profile")
	flags.BoolVar(&f.logAction, "log-action", false, "for an engine that drops the log flag or a runc that refuses it: turn errno, SIGSYS and trace answers to SCMP_ACT_LOG, which PERMITS the calls")
	return cmd
}

func runObserve(cmd *cobra.Command, f observeFlags) error {
	switch {
	case f.format != "diff" && f.format != "profile":
		return usagef("--format %q is unknown; use diff or profile", f.format)
	case (f.policy.seccomp == "") == (len(f.policy.profiles) == 0) || len(f.policy.profiles) > 1:
		return usagef("name one profile with --seccomp or --profile")
	case f.logAction && f.policy.seccomp == "":
		return usagef("--log-action is for a seccomp profile; use it with --seccomp")
	}
	lib, err := f.policy.library(cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	file, edits, err := f.edits(lib, cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	return f.print(cmd, file, edits)
}

// edits returns the file of the profile and the edits that make its refusals visible.
func (f *observeFlags) edits(lib *library.Library, w io.Writer) (*rules.File, []rules.Edit, error) {
	if named := lib.Named(); len(named) > 0 {
		if named[0].Profiles != nil && named[0].Profiles[0].Loaded() {
			return nil, nil, fmt.Errorf("%s is compiled and has no rules to change; name the file that it was loaded from", escape.Name(named[0].Files[0].Name))
		}
		if named[0].Files[0].Builtin != "" {
			say(w, "%s", lib.Source(named[0].Profiles[0]))
		}
		edits, err := lib.Loader.Observe(named[0])
		return named[0].Files[0], edits, err
	}
	profile, name := lib.NamedSeccomp()
	if profile.File.Builtin != "" {
		say(w, "%s", name)
	}
	if !f.logAction && slices.Contains(profile.Flags, seccomp.FlagLog) {
		return profile.File, nil, nil
	}
	edits, err := profile.Observe(!f.logAction)
	if err != nil {
		return nil, nil, fmt.Errorf("%s cannot be made visible: %w", escape.Name(profile.File.Name), err)
	}
	if f.logAction {
		escape.Write(w, permits)
		return profile.File, edits, nil
	}
	return profile.File, edits, f.sayWhoLogs(w)
}

// sayWhoLogs says which engines and runtimes take the flag, and which of those that are
// known does not.
func (f *observeFlags) sayWhoLogs(w io.Writer) error {
	_, hosts, err := readInventory(f.policy.inventory)
	if err != nil {
		return err
	}
	if name, version, ok := strings.Cut(strings.TrimPrefix(f.policy.seccomp, "builtin:"), "@"); ok && library.IsBuiltin(f.policy.seccomp) {
		hosts = append(hosts, container.Host{Engine: name, Version: version})
	}
	for _, h := range hosts {
		if takes, since, known := seccomp.TakesFlags(h.Engine, h.Version); known && !takes {
			say(w, "WARNING: %s %s drops the log flag in silence, so that nothing would be logged; it is taken from %s on: use --log-action instead", h.Engine, h.Version, since)
		}
		if h.Runtime == seccomp.Runc && rules.VersionNumbers(h.RuntimeVersion) != nil && slices.Compare(rules.VersionNumbers(h.RuntimeVersion), []int{1, 2}) < 0 {
			say(w, "WARNING: runc %s refuses the log flag, so that containers would not start; it is taken from 1.2.0 on: use --log-action instead", h.RuntimeVersion)
		}
	}
	say(w, "this logs with Docker 23.0, Podman 4.1, CRI-O 1.25 or any containerd, and later, with runc 1.2 or crun 0.9.1, and later; older ones need --log-action")
	return nil
}

const permits escape.Text = `whydenied: WARNING: --log-action PERMITS every system call that the profile answered with an errno, SIGSYS or a tracer.
whydenied: WARNING: use it on a test host only, never with untrusted input, and remove it afterwards.
`

// print prints the edits of a file as a diff, or the edited file.
func (f *observeFlags) print(cmd *cobra.Command, file *rules.File, edits []rules.Edit) error {
	changes, err := rules.Apply(edits)
	if err != nil {
		return err
	}
	out := bufio.NewWriter(cmd.OutOrStdout())
	part := file.Told()
	before := file.Text[part.Start:part.End]
	changed := before
	if len(changes) > 0 {
		changed = changes[0].Told().New
	}
	switch {
	case f.format == "profile":
		if len(before) < len(file.Text) {
			say(cmd.ErrOrStderr(), "%s holds more than policy, and only its linux.seccomp is printed", escape.Name(file.Name))
		}
		err = escape.Write(out, escape.Raw(changed))
	case changed != before:
		head := "# Diagnostic, to be removed: makes the refusals of " + escape.Name(file.Name) + " show in the log.\n"
		if f.logAction {
			head += "# It PERMITS every system call that the profile answered with an errno, SIGSYS or a tracer.\n"
		}
		err = report.WriteDiff(out, head, secret.Policy(rules.Unified(changes), nil))
	}
	if changed == before {
		say(cmd.ErrOrStderr(), "%s logs what it refuses already", escape.Name(file.Name))
	} else {
		say(cmd.ErrOrStderr(), "this is a diagnostic step; go back to the profile as it was when the log has been read")
	}
	return errors.Join(err, out.Flush())
}
