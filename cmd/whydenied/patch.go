package main

import (
	"bufio"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/whydenied/whydenied/explain/report"
	"github.com/whydenied/whydenied/rules"
)

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

A fix whose risk is high is part of the diff too, and says "investigate first":
such a denial is more often the policy doing its work.`,
		Example: `  whydenied patch /var/log/audit/audit.log --profile ./web.apparmor | patch -p1
  whydenied patch --since 10m --container web-1 --write`,
		RunE: func(cmd *cobra.Command, args []string) error { return runPatch(cmd, args, f) },
	}
	flags := cmd.Flags()
	f.inputFlags.add(flags)
	flags.StringVar(&f.format, "format", "diff", "`FORMAT` of the answer: diff, or json")
	flags.BoolVar(&f.write, "write", false, "change the files; each is kept as FILE.orig beside it")
	return cmd
}

func runPatch(cmd *cobra.Command, args []string, f patchFlags) error {
	if f.format != "diff" && f.format != "json" {
		return usagef("--format %q is unknown; use diff or json", f.format)
	}
	if err := f.parse(); err != nil {
		return err
	}
	in, err := f.open(cmd, args)
	if err != nil {
		return err
	}
	read, err := in.read(cmd)
	if err != nil {
		return err
	}
	findings := read.group.Findings()
	patch := in.policy.Patch(findings)
	wire := report.NewPatch(patch)
	out := bufio.NewWriter(cmd.OutOrStdout())
	print := wire.WriteDiff
	if f.format == "json" {
		print = wire.WriteJSON
	}
	if len(findings) > 0 || f.format == "json" {
		if err := print(out); err != nil {
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
	return f.verdict(cmd, in, read, len(findings))
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
		fmt.Fprintf(cmd.ErrOrStderr(), "whydenied: %s\n", report.Escape(text))
	}
	return nil
}
