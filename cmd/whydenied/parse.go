package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/whydenied/whydenied/explain/report"
	"github.com/whydenied/whydenied/parser"
	"github.com/whydenied/whydenied/parser/source"
	"github.com/whydenied/whydenied/rules/seccomp"
)

func newParse() *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use:   "parse [FILE|DIR|-]...",
		Short: "Print the AppArmor and seccomp records of logs as JSON lines",
		Long: `parse prints every AppArmor and SECCOMP record of the logs as one JSON object,
with the kernel's own key names, decoded values, and type, time, serial and node;
for SECCOMP also syscall_name, arch_name and action. Nothing is folded: a record
that reached the logs twice is printed twice.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if format != "json" {
				return usagef("--format %q is unknown; parse prints json", format)
			}
			return runParse(cmd, args)
		},
	}
	cmd.Flags().StringVar(&format, "format", "json", "`FORMAT` of the answer: json")
	return cmd
}

func runParse(cmd *cobra.Command, args []string) error {
	inputs, err := logs(cmd, args)
	if err != nil {
		return err
	}
	out := bufio.NewWriter(cmd.OutOrStdout())
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	var stats parser.Stats
	failed := 0
	for batch, err := range source.Scan(cmd.Context(), inputs) {
		var unreadable *source.Error
		if errors.As(err, &unreadable) {
			fmt.Fprintf(cmd.ErrOrStderr(), "whydenied: %s\n", report.Escape(err.Error()))
			failed++
			continue
		}
		if err != nil {
			return err
		}
		stats.Add(batch.Stats)
		for i := range batch.Denials {
			if err := encoder.Encode(pairs(&batch.Denials[i])); err != nil {
				return err
			}
		}
	}
	if err := out.Flush(); err != nil {
		return err
	}
	for _, u := range stats.Samples {
		fmt.Fprintf(cmd.ErrOrStderr(), "whydenied: %s:%d: not understood: %s\n", report.Escape(u.Origin.File), u.Origin.Line, u.Why)
	}
	if rest := stats.Unparsed - len(stats.Samples); rest > 0 {
		fmt.Fprintf(cmd.ErrOrStderr(), "whydenied: and %d more lines like these\n", rest)
	}
	if failed > 0 {
		return errReported
	}
	return nil
}

// pairs returns a denial's record with the names of what seccomp has numbers for.
func pairs(d *parser.Denial) parser.Pairs {
	p := d.Pairs()
	if s := d.Seccomp; s != nil {
		arch := seccomp.Arch(s.Arch)
		name, ok := s.SyscallName, true
		if name == "" {
			name, ok = seccomp.SyscallName(arch, s.Syscall)
		}
		if !ok {
			name = fmt.Sprintf("syscall_%d", s.Syscall)
		}
		p = append(p,
			parser.Pair{Key: "syscall_name", Value: name},
			parser.Pair{Key: "arch_name", Value: arch.String()},
			parser.Pair{Key: "action", Value: seccomp.Action(s.Code).String()})
	}
	return p
}
