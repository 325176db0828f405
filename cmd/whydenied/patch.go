package main

import (
	"bufio"
	"errors"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/whydenied/whydenied/explain"
	"github.com/whydenied/whydenied/explain/deploy"
	"github.com/whydenied/whydenied/explain/escape"
	"github.com/whydenied/whydenied/explain/fix"
	"github.com/whydenied/whydenied/explain/patch"
	"github.com/whydenied/whydenied/explain/report"
	"github.com/whydenied/whydenied/rules"
	"github.com/whydenied/whydenied/rules/apparmor"
)

// patchFlags are the flags of the patch command.
type patchFlags struct {
	inputFlags
	output outputFlags
	write  bool
	risk   string
	breadth
	args []string // the logs, as they were named
}

func newPatch() *cobra.Command {
	var f patchFlags
	cmd := &cobra.Command{
		Use:   "patch [FILE|DIR|-]...",
		Short: "Print one diff of the policy that remedies all denials of the logs",
		Long: `patch reads logs as explain does, takes of each finding the first fix that fits
with the others, and prints their changes as one unified diff, below comments that
say what each is for, its risk and what was proved of it. git apply and patch -p1
accept the output. With --write it changes the files instead.

A profile that a runtime generates and keeps nowhere on disk comes out as a new
file under a name of its own, with the words that give it to a container.

The other formats are the changed files whole; the rules alone, by their profile, also
for profiles whose source is not known, for which they are not proved and never
written; what gives the containers their
profiles in a Compose override or a patch of a Kubernetes pod template, resources
of the Security Profiles Operator, and JSON and SARIF for other programs.

--breadth says how many names beside those that were refused rules for files are
for: exact, none; name, those that differ by what varies from run to run; dir, all
in the folder; tree, all below it. A folder that holds what is more dangerous than
what was refused is kept to the names.

A fix whose risk is high is part of the diff too, and says "investigate first":
such a denial is more often the policy doing its work. What a process could undo its
confinement by (the capabilities mac_admin, mac_override, sys_module, sys_rawio,
sys_boot and audit_control) --write leaves out, unless --risk high is given.`,
		Example: `  whydenied patch /var/log/audit/audit.log --profile ./web.apparmor | patch -p1
  whydenied patch --since 10m --container web-1 --write`,
		RunE: func(cmd *cobra.Command, args []string) error { return runPatch(cmd, args, f) },
	}
	flags := cmd.Flags()
	f.inputFlags.add(flags)
	f.failed.add(flags)
	f.output.add(flags, patchFormats()...)
	f.breadth.add(flags)
	flags.BoolVar(&f.write, "write", false, "change the files; each is kept as FILE.orig beside it")
	flags.StringVar(&f.risk, "risk", "", "with --write, `high` also grants what a process could undo its confinement by, such as mac_admin")
	return cmd
}

// patchFormats are the forms of a change, and those of the findings.
func patchFormats() []string {
	names := []string{"diff", "files", "rules"}
	for _, f := range deploy.Formats {
		names = append(names, f.Name)
	}
	return append(names, report.FormatNames()...)
}

func runPatch(cmd *cobra.Command, args []string, f patchFlags) error {
	if err := f.output.check(); err != nil {
		return err
	}
	if f.risk != "" && (f.risk != "high" || !f.write) {
		return usagef("--risk: high is all that it takes, together with --write")
	}
	if err := f.parse(args); err != nil {
		return err
	}
	f.args = args
	if err := refuseSaved(cmd, args, "a patch is made of the log and the policy, name those; the diff of each finding by itself is in its fixes"); err != nil {
		return err
	}
	in, err := f.open(cmd, args)
	if err != nil {
		return err
	}
	if f.write && in.bundle != nil {
		return usagef("--write: the files of a bundle are another machine's; take the diff there, for patch -p1 -d /")
	}
	in.explainer.Fixes.Breadth = f.of
	session, err := in.read(cmd)
	if err != nil {
		return err
	}
	if _, err := f.claims(cmd, in, session.Group); err != nil {
		return err
	}
	findings := in.explainer.DiagnoseAll(session.Findings())
	change := patch.MakeBut(in.explainer, findings, f.held)
	if err := f.print(cmd, in, session, findings, change); err != nil {
		return err
	}
	if f.write {
		if err := write(cmd, change.Changes); err != nil {
			return err
		}
	}
	return f.exit(cmd, in, &session.Stats, len(findings))
}

// held says why --write does not grant an access, or returns "".
func (f *patchFlags) held(req apparmor.Request) string {
	why := fix.Undoes(req)
	if why == "" || !f.write || f.risk == "high" {
		return ""
	}
	return why + ": --write grants it with --risk high alone"
}

// print writes a patch in the chosen format. Where nothing was refused, nothing is
// written in those that are a patch alone.
func (f *patchFlags) print(cmd *cobra.Command, in input, session *explain.Session, findings []*explain.Explained, change *patch.Patch) error {
	out := bufio.NewWriter(cmd.OutOrStdout())
	wire := report.NewPatch(change)
	var err error
	switch {
	case f.output.format == "json":
		err = wire.WriteJSON(out)
	case slices.Contains(report.FormatNames(), f.output.format):
		return f.report(cmd, in, session, findings, wire)
	case len(findings) == 0:
	case f.output.format == "diff":
		err = wire.WriteDiff(out)
	case f.output.format == "files":
		err = wire.WriteFiles(out)
	case f.output.format == "rules":
		err = report.WriteRules(out, patch.RuleSets(in.explainer, findings, change))
	default:
		i := slices.IndexFunc(deploy.Formats, func(d deploy.Format) bool { return d.Name == f.output.format })
		var limits []string
		limits, err = deploy.Formats[i].Write(out, change)
		for _, limit := range limits {
			say(cmd.ErrOrStderr(), "%s", limit)
		}
		f.sayWhoWrites(cmd, in, change)
	}
	return errors.Join(err, out.Flush())
}

// sayWhoWrites gives the command that writes the files which a form of deployment names.
func (f *patchFlags) sayWhoWrites(cmd *cobra.Command, in input, change *patch.Patch) {
	if f.write || len(change.Changes) == 0 {
		return
	}
	var names []string
	for _, c := range change.Changes {
		names = append(names, string(escape.Name(c.File.Name)))
	}
	last, what := "--write", "writes "+strings.Join(names, ", ")
	if in.bundle != nil { // of another machine
		last, what = "--format=files", "prints "+strings.Join(names, ", ")
	}
	command := join("whydenied", append([]string{"patch"}, f.args...), f.policy.words(), f.selection(), f.failed.words(), []string{last})
	say(cmd.ErrOrStderr(), "nothing is changed yet: `%s` %s", command, what)
}

// report writes the findings with their patch.
func (f *patchFlags) report(cmd *cobra.Command, in input, session *explain.Session, findings []*explain.Explained, patch *report.Patch) error {
	out, err := f.output.reporter(cmd)
	if err != nil {
		return err
	}
	if err := out.findings(findings); err != nil {
		return err
	}
	if err := out.print(report.Message{Summary: report.NewSummary(session, findings)}); err != nil {
		return err
	}
	out.Patch = patch
	out.Incomplete = in.failed > 0 || session.Stats.Unparsed > 0
	return out.end()
}

// write changes the files of a patch and says so.
func write(cmd *cobra.Command, changes []rules.Change) error {
	for _, c := range changes {
		backup, err := rules.Write(c)
		if err != nil {
			return err
		}
		text := "changed " + escape.Name(c.File.Name) + "; it was kept as " + escape.Name(backup)
		if c.File.Absent {
			text = "wrote " + escape.Name(c.File.Name)
		}
		say(cmd.ErrOrStderr(), "%s", text)
	}
	return nil
}
