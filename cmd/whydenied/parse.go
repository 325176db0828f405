package main

import (
	"bufio"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/whydenied/whydenied/explain/escape"
	"github.com/whydenied/whydenied/explain/report"
	"github.com/whydenied/whydenied/explain/secret"
	"github.com/whydenied/whydenied/parser"
	"github.com/whydenied/whydenied/parser/source"
)

func newParse() *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use:   "parse [FILE|DIR|-]...",
		Short: "Print the AppArmor and seccomp records of logs as JSON lines",
		Long: `parse prints every AppArmor and SECCOMP record of the logs as one JSON object,
with the kernel's own key names, decoded values, and type, time, serial and node;
for SECCOMP also syscall_name, arch_name, action and, where the event has them, args.
Nothing is folded: a record
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
	var stats parser.Stats
	failed, tooLong := 0, 0
	for batch, err := range source.Scan(cmd.Context(), inputs) {
		if isUnreadable(err) {
			complain(cmd.ErrOrStderr(), err)
			failed++
			continue
		}
		if err != nil {
			return err
		}
		stats.Add(batch.Stats)
		tooLong += batch.TooLong
		for i := range batch.Denials {
			if err := escape.JSON(out, pairs(&batch.Denials[i])); err != nil {
				return err
			}
		}
	}
	if err := out.Flush(); err != nil {
		return err
	}
	for _, u := range stats.Samples {
		say(cmd.ErrOrStderr(), "%s:%d: not understood: %s", escape.Name(u.Origin.File), u.Origin.Line, u.Why)
	}
	if rest := stats.Unparsed - len(stats.Samples); rest > 0 {
		say(cmd.ErrOrStderr(), "and %d more lines like these", rest)
	}
	if tooLong > 0 {
		say(cmd.ErrOrStderr(), "%d lines passed over as too long", tooLong)
	}
	if failed > 0 {
		return errReported
	}
	return nil
}

// pairs returns a denial's record with the names of what seccomp has numbers for, and
// what the log says of who wrote it.
func pairs(d *parser.Denial) parser.Pairs {
	p := secret.Pairs(d.Pairs())
	if d.Event.Records[d.Record].IsLookAlike() {
		p = append(p, parser.Pair{Key: "look_alike", Value: true})
	}
	if d.Seccomp != nil && !d.Seccomp.Suspected {
		names := report.NewSeccomp(d.Seccomp)
		if names.SyscallName == "" {
			names.SyscallName = fmt.Sprintf("syscall_%d", d.Seccomp.Syscall)
		}
		p = append(p,
			parser.Pair{Key: "syscall_name", Value: names.SyscallName},
			parser.Pair{Key: "arch_name", Value: names.ArchName},
			parser.Pair{Key: "action", Value: names.Action})
		if d.Seccomp.Args != nil {
			p = append(p, parser.Pair{Key: "args", Value: d.Seccomp.Args})
		}
	}
	return p
}
