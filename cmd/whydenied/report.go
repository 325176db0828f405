package main

import (
	"bytes"
	"cmp"

	"github.com/spf13/cobra"

	"github.com/whydenied/whydenied/docs"
	"github.com/whydenied/whydenied/explain/escape"
	"github.com/whydenied/whydenied/explain/report"
	"github.com/whydenied/whydenied/rules/disk"
)

func newReport() *cobra.Command {
	var f inputFlags
	var output string
	cmd := &cobra.Command{
		Use:   "report -o FILE [FILE|DIR|-]...",
		Short: "Write one HTML file of all findings, to be mailed",
		Long: `report reads what explain reads: logs, a bundle, or saved findings. It writes one file
of HTML that needs nothing else and asks nothing of the network: what was refused and
what may be missing, when it came, and each finding with its place in the policy, its
fixes and how all that is known, to be searched, grouped and printed. The heaviest
findings are there without JavaScript too.

The page stays below 3 MB. Of more findings than that holds, those that differ in the
last part of their name are folded, and what finds no room is counted.`,
		Example: `  whydenied report -o report.html /var/log/audit/audit.log --inventory containers.json
  whydenied report -o - findings.json >report.html`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if output == "" {
				return usagef("-o FILE is needed: the page to write, such as -o report.html, or - for standard output")
			}
			return runReport(cmd, args, f, output)
		},
	}
	flags := cmd.Flags()
	f.add(flags)
	f.addNew(flags)
	flags.StringVarP(&output, "output", "o", "", "`FILE` to write; - is standard output")
	return cmd
}

func runReport(cmd *cobra.Command, args []string, f inputFlags, output string) error {
	if output != "-" {
		if err := disk.CanPut(output); err != nil {
			return err
		}
	}
	list, err := savedInputs(cmd, args)
	if err != nil {
		return err
	}
	defer closeSaved(cmd.Context(), list)
	all, exit, err := f.collect(cmd, args, list)
	if err != nil {
		return err
	}
	all.Help, all.Incomplete = docs.Cause, exit == errReported
	if output == "-" {
		return cmp.Or(report.WriteHTML(cmd.OutOrStdout(), all), exit)
	}
	var page bytes.Buffer
	if err := report.WriteHTML(&page, all); err != nil {
		return err
	}
	if err := disk.Put(output, page.Bytes()); err != nil {
		return err
	}
	say(cmd.ErrOrStderr(), "wrote %s: %d findings, %d KB", escape.Name(output), len(all.Findings), (page.Len()+1023)>>10)
	return exit
}
