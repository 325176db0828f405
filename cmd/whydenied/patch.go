package main

import (
	"bufio"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/whydenied/whydenied/explain"
	"github.com/whydenied/whydenied/explain/report"
	"github.com/whydenied/whydenied/rules"
)

// patchFormats are the values of --format.
var patchFormats = []string{"diff", "files", "json", "sarif", "compose", "kubernetes", "spo"}

// patchFlags are the flags of the patch command.
type patchFlags struct {
	inputFlags
	format string
	write  bool
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

The other formats are the changed files whole, what gives the containers their
profiles in a Compose override or a patch of a Kubernetes pod template, resources
of the Security Profiles Operator, and JSON and SARIF for other programs.

A fix whose risk is high is part of the diff too, and says "investigate first":
such a denial is more often the policy doing its work.`,
		Example: `  whydenied patch /var/log/audit/audit.log --profile ./web.apparmor | patch -p1
  whydenied patch --since 10m --container web-1 --write`,
		RunE: func(cmd *cobra.Command, args []string) error { return runPatch(cmd, args, f) },
	}
	flags := cmd.Flags()
	f.inputFlags.add(flags)
	f.symptoms.add(flags)
	flags.StringVar(&f.format, "format", "diff", "`FORMAT` of the answer: "+oneOf(patchFormats))
	flags.BoolVar(&f.write, "write", false, "change the files; each is kept as FILE.orig beside it")
	return cmd
}

// oneOf lists words: "a, b or c".
func oneOf(words []string) string {
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " or " + words[last]
}

func runPatch(cmd *cobra.Command, args []string, f patchFlags) error {
	if !slices.Contains(patchFormats, f.format) {
		return usagef("--format %q is unknown; use %s", f.format, oneOf(patchFormats))
	}
	if err := f.parse(args); err != nil {
		return err
	}
	in, err := f.open(cmd, args)
	if err != nil {
		return err
	}
	if f.write && in.bundle != nil {
		return usagef("--write: the files of a bundle are another machine's; take the diff there, for patch -p1 -d /")
	}
	session, err := in.read(cmd)
	if err != nil {
		return err
	}
	if _, err := f.claims(cmd, in, session.Group); err != nil {
		return err
	}
	findings := in.explainer.DiagnoseAll(session.Findings())
	patch := in.explainer.Patch(findings)
	out := bufio.NewWriter(cmd.OutOrStdout())
	if len(findings) > 0 || f.format == "json" || f.format == "sarif" { // which are whole documents
		if err := f.print(cmd, out, patch); err != nil {
			return err
		}
	}
	if err := out.Flush(); err != nil {
		return err
	}
	if f.write {
		if err := write(cmd, patch.Changes); err != nil {
			return err
		}
	}
	return f.verdict(cmd, in, len(findings))
}

// print writes a patch in the chosen format.
func (f *patchFlags) print(cmd *cobra.Command, out io.Writer, patch *explain.Patch) error {
	switch f.format {
	case "json":
		return report.NewPatch(patch).WriteJSON(out)
	case "files":
		return report.NewPatch(patch).WriteFiles(out)
	case "compose":
		return report.WriteCompose(out, patch)
	case "kubernetes":
		return report.WriteKubernetes(out, patch)
	case "spo":
		limits, err := report.WriteSPO(out, patch)
		for _, limit := range limits {
			say(cmd.ErrOrStderr(), "%s", limit)
		}
		return err
	case "sarif":
		return report.WriteSARIF(out, version(), report.PatchDiagnostics(patch), true)
	}
	return report.NewPatch(patch).WriteDiff(out)
}

// write changes the files of a patch and says so.
func write(cmd *cobra.Command, changes []rules.Change) error {
	for _, c := range changes {
		backup, err := rules.Write(c)
		if err != nil {
			return err
		}
		text := "changed " + c.File.Name + "; it was kept as " + backup
		if c.File.Absent {
			text = "wrote " + c.File.Name
		}
		say(cmd.ErrOrStderr(), "%s", text)
	}
	return nil
}
