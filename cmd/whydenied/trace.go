package main

import (
	"time"

	"github.com/spf13/cobra"

	"github.com/whydenied/whydenied/explain/report"
)

func newTrace() *cobra.Command {
	f := watchFlags{liveFlags: liveFlags{source: "trace"}}
	observe := false
	cmd := &cobra.Command{
		Use:   "trace",
		Short: "Explain what seccomp refuses without a record, for a minute",
		Long: `trace explains the system calls that seccomp filters refuse on this host, also
those that leave no record: the errno answer of every runtime's default profile,
and SIGSYS without the log flag. It sees the calls' arguments, so that conditional
entries of a profile are decided. A refusal for want of a capability, or by
AppArmor, is none of these and not told.

It sees them by eBPF programs at the begin and the end of each system call of this
host, which slows calls down (whydenied help trace.md has the figures). So it ends by
itself.

With --observe it explains nothing, and says which system calls each container makes,
those that are allowed, too: what coverage and minimise --trace go by.`,
		Example: `  sudo whydenied trace --container web-1
  sudo whydenied trace --observe --container web-1 --for 10m --format json > web.calls
  sudo whydenied trace --for 10m --format json`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if f.time <= 0 {
				return usagef("--for must be more than nothing, such as 1m")
			}
			if observe {
				return runTraceObserve(cmd, f)
			}
			return runWatch(cmd, f)
		},
	}
	flags := cmd.Flags()
	f.policy.add(flags)
	addFilter(flags, &f.filter)
	f.addCgroup(flags)
	flags.BoolVar(&observe, "observe", false, "say which system calls are made, by container, whatever becomes of them; --format text or json")
	f.output.add(flags, report.FormatNames()...)
	flags.DurationVar(&f.time, "for", time.Minute, "how long")
	flags.DurationVar(&f.every, "every", 10*time.Second, "how often repeated findings are counted out")
	return cmd
}
