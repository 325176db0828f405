package main

import (
	"bufio"
	"fmt"
	"io"
	"iter"
	"regexp"
	"slices"

	"github.com/spf13/cobra"

	"github.com/whydenied/whydenied/explain/report"
	"github.com/whydenied/whydenied/rules"
	"github.com/whydenied/whydenied/rules/apparmor"
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
A runc before 1.2 refuses that flag. For it, --log-action turns the entries that
answer an errno or SIGSYS, or ask a tracer, to SCMP_ACT_LOG, which PERMITS what they refused.

Of an AppArmor profile, the deny rules get the word audit and refuse as before. A
file that it includes and that has some is copied in place of its include.`,
		Example: `  whydenied observe --seccomp ./seccomp.json | patch -p1
  whydenied observe --seccomp builtin:docker --format profile > observed.json
  whydenied observe --profile ./web.apparmor`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runObserve(cmd, f) },
	}
	flags := cmd.Flags()
	f.policy.addOnly(flags, "profile", "profile-dir", "include", "seccomp")
	flags.StringVar(&f.format, "format", "diff", "`FORMAT` of the answer: diff or profile")
	flags.BoolVar(&f.logAction, "log-action", false, "for a runc that refuses the log flag: turn errno, SIGSYS and trace answers to SCMP_ACT_LOG, which PERMITS the calls")
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
	observe := f.apparmor
	if f.policy.seccomp != "" {
		observe = f.seccomp
	}
	file, edits, err := observe(cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	return f.print(cmd, file, edits)
}

// seccomp returns the edits that make a seccomp profile visible.
func (f *observeFlags) seccomp(w io.Writer) (*rules.File, []rules.Edit, error) {
	policies := f.policy.library()
	diagnostics, err := policies.AddSeccomp(f.policy.seccomp)
	if err != nil {
		return nil, nil, unknownBuiltin(err)
	}
	warn(w, diagnostics)
	profile, name := policies.NamedSeccomp()
	if profile.File.Builtin != "" {
		say(w, "%s", name)
	}
	if !f.logAction && slices.Contains(profile.Flags, seccomp.FlagLog) {
		return profile.File, nil, nil
	}
	edits, err := profile.Observe(!f.logAction)
	if err != nil {
		return nil, nil, fmt.Errorf("%s cannot be made visible: %w", report.Escape(profile.File.Name), err)
	}
	if f.logAction {
		fmt.Fprint(w, permits)
	}
	return profile.File, edits, nil
}

const permits = `whydenied: WARNING: --log-action PERMITS every system call that the profile answered with an errno, SIGSYS or a tracer.
whydenied: WARNING: use it on a test host only, never with untrusted input, and remove it afterwards.
`

// priority is the only qualifier that must stand before audit.
var priority = regexp.MustCompile(`^priority\s*=\s*[-+]?\d+\s+`)

// apparmor returns the edits that have the deny rules of a policy file logged, and
// those of what it includes.
func (f *observeFlags) apparmor(w io.Writer) (*rules.File, []rules.Edit, error) {
	policies := f.policy.library()
	policy, diagnostics, err := policies.AddProfile(f.policy.profiles[0])
	if err != nil {
		return nil, nil, unknownBuiltin(err)
	}
	warn(w, diagnostics)
	if len(policy.Files) == 0 {
		return nil, nil, fmt.Errorf("%s holds no policy", report.Escape(f.policy.profiles[0]))
	}
	file := policy.Files[0]
	loud := inlineDenies(policies.Loader, policy)
	edits := auditDenies(loud)
	if len(edits) == 0 {
		return file, nil, nil
	}
	start := rules.Location{File: loud.Files[0]}
	edits = append([]rules.Edit{{At: start, New: "# Diagnostic, to be removed: whydenied observe had the deny rules of this file logged.\n"}}, edits...)
	edits, _ = rules.Merge(edits)
	changes, err := rules.Apply(edits)
	if err != nil {
		return nil, nil, err
	}
	return file, rules.Change{File: file, New: changes[0].New}.LineEdits(), nil
}

// inlineDenies copies what a policy includes into its file where deny rules that
// are not logged come of it.
func inlineDenies(loader *apparmor.Loader, policy *apparmor.Policy) *apparmor.Policy {
	const most = 100 // includes, one in another
	for range most {
		var edits []rules.Edit
		for p, r := range quietDenies(policy) {
			if edit, ok := p.Inline(r); ok {
				edits = append(edits, edit)
			}
		}
		edits, _ = rules.Merge(edits)
		changes, err := rules.Apply(edits)
		if err != nil || len(changes) == 0 {
			break
		}
		policy, _ = loader.Load(rules.NewFile(policy.Files[0].Name, changes[0].New))
	}
	return policy
}

// auditDenies returns the edits that have the deny rules of a policy's own file
// logged.
func auditDenies(policy *apparmor.Policy) (edits []rules.Edit) {
	for _, r := range quietDenies(policy) {
		at := r.Location()
		if at.File != policy.Files[0] {
			continue
		}
		at.Span.Start += len(priority.FindString(at.Text()))
		at.Span.End = at.Span.Start
		edits = append(edits, rules.Edit{At: at, New: "audit "})
	}
	return edits
}

// quietDenies are the deny rules that refuse unlogged.
func quietDenies(policy *apparmor.Policy) iter.Seq2[*apparmor.Profile, apparmor.Rule] {
	return func(yield func(*apparmor.Profile, apparmor.Rule) bool) {
		for _, p := range policy.Profiles {
			for _, r := range p.Rules {
				if h := r.Head(); h.Deny && !h.Audit && !yield(p, r) {
					return
				}
			}
		}
	}
}

// print prints the edits of a file as a diff, or the edited file.
func (f *observeFlags) print(cmd *cobra.Command, file *rules.File, edits []rules.Edit) error {
	changes, err := rules.Apply(edits)
	if err != nil {
		return err
	}
	out := bufio.NewWriter(cmd.OutOrStdout())
	changed := file.Text
	if len(changes) > 0 {
		changed = changes[0].New
	}
	switch {
	case f.format == "profile":
		out.WriteString(changed)
	case changed != file.Text:
		fmt.Fprintf(out, "# Diagnostic, to be removed: makes the refusals of %s show in the log.\n", report.Escape(file.Name))
		if f.logAction {
			fmt.Fprintln(out, "# It PERMITS every system call that the profile answered with an errno, SIGSYS or a tracer.")
		}
		out.WriteString(rules.Unified(changes))
	}
	if changed == file.Text {
		say(cmd.ErrOrStderr(), "%s logs what it refuses already", file.Name)
	} else {
		say(cmd.ErrOrStderr(), "this is a diagnostic step; go back to the profile as it was when the log has been read")
	}
	return out.Flush()
}
