package main

import (
	"bufio"
	"errors"

	"github.com/spf13/cobra"

	"github.com/whydenied/whydenied/explain/coverage"
	"github.com/whydenied/whydenied/explain/report"
)

// minimiseFlags are the flags of the minimise command.
type minimiseFlags struct {
	evidenceFlags
	output outputFlags
	narrow bool
	write  bool
}

func newMinimise() *cobra.Command {
	var f minimiseFlags
	cmd := &cobra.Command{
		Use:   "minimise --profile FILE | --seccomp FILE [LOG...]",
		Short: "Print a proved diff that removes what a profile does not need",
		Long: `minimise prints the change that removes the dead rules of profiles as a unified diff:
without them the policy answers every access alike, which is proved of the changed text as
a whole. Rules of included files that other profiles have, too, are left.

With --narrow it also goes by what was seen, see whydenied coverage: narrower rules take
the place of those that are broader than that, and allow rules go that were not observed
though their use would have been. It is proved that nothing is granted besides, and that
all that was seen is decided as before. What the workload does at other times is lost: read
the diff, and watch the log after.

Exit status: 0 there is nothing to take away, 3 there is, 2 wrong usage, 1 something could
not be read or proved.`,
		Example: `  whydenied minimise --profile ./web.apparmor | patch -p1
  whydenied minimise --profile ./web.apparmor --log audit.log --narrow
  whydenied minimise --seccomp ./web.json --trace web.calls --narrow --write`,
		RunE: func(cmd *cobra.Command, args []string) error { return runMinimise(cmd, args, f) },
	}
	flags := cmd.Flags()
	f.evidenceFlags.add(flags)
	f.output.add(flags, "diff", "json")
	flags.BoolVar(&f.narrow, "narrow", false, "also take away what was not seen used")
	flags.BoolVar(&f.write, "write", false, "change the files; each is kept as FILE.orig beside it")
	return cmd
}

func runMinimise(cmd *cobra.Command, args []string, f minimiseFlags) error {
	if err := f.output.check(); err != nil {
		return err
	}
	seen := len(f.logs)+len(f.strace)+len(f.traces)+len(args) > 0
	switch {
	case f.narrow && !seen:
		return usagef("--narrow goes by what was seen; give it with --log, --strace or --trace")
	case len(f.policy.profiles) == 0 && f.policy.seccomp == "":
		return usagef("name the profile with --profile or --seccomp")
	}
	profiles, lib, failed, err := f.collect(cmd, args)
	if err != nil {
		return err
	}
	minimal, err := coverage.Minimise(lib, profiles, f.narrow)
	if err != nil {
		return err
	}
	out := bufio.NewWriter(cmd.OutOrStdout())
	wire := report.NewMinimal(&minimal)
	if f.output.format == "json" {
		err = wire.WriteJSON(out)
	} else {
		err = wire.WriteDiff(out)
	}
	if err := errors.Join(err, out.Flush()); err != nil {
		return err
	}
	for _, kept := range minimal.Kept {
		say(cmd.ErrOrStderr(), "%s", kept)
	}
	if f.write {
		if err := write(cmd, minimal.Changes); err != nil {
			return err
		}
	}
	switch {
	case failed:
		return errReported
	case len(minimal.Changes) > 0:
		return errFound
	}
	say(cmd.ErrOrStderr(), "there is nothing to take away")
	return nil
}
