package main

import (
	"slices"

	"github.com/spf13/cobra"

	"github.com/whydenied/whydenied/explain/diff"
	"github.com/whydenied/whydenied/explain/escape"
	"github.com/whydenied/whydenied/explain/report"
	"github.com/whydenied/whydenied/rules"
)

// diffFlags are the flags of the diff command.
type diffFlags struct {
	policy policyFlags
	output outputFlags
	equal  bool
	failOn []string
}

func newDiff() *cobra.Command {
	var f diffFlags
	cmd := &cobra.Command{
		Use:   "diff OLD NEW",
		Short: "Say what a change of a profile grants, takes away, silences or logs",
		Long: `diff compares two texts of policy by what they answer, not by how they are written:
what one grants and the other does not, each with the shortest example and the rules
that decide it, which executions lead elsewhere, which refusals become silent or
logged. Where it says "equal", every access of every class is answered alike.

OLD and NEW are files or directories of AppArmor profiles, seccomp profiles, built-in
ones (builtin:docker@25.0.6, builtin:docker-default@28.1), or any of these as a
revision of git has it: HEAD~1:profiles/web; evidence bundles, what the kernel has
(loaded:NAME), and the profiles of a container of this host (container:NAME). Profiles are
compared by name; a single one with the single other.

Exit status: 0 no difference, 3 some, or not compared in full; 2 wrong usage, 1
something could not be read. --fail-on says which differences count.`,
		Example: `  whydenied diff HEAD~1:profiles/web profiles/web
  whydenied diff /etc/apparmor.d ./apparmor.d --fail-on gain
  whydenied diff container:web profiles/web
  whydenied diff builtin:docker@25.0.6 builtin:docker@28.1 --format markdown`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 2 {
				return usagef("name the old and the new policy; see whydenied diff --help")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return runDiff(cmd, args, f) },
	}
	flags := cmd.Flags()
	f.policy.addOnly(flags, "include", "profile-dir", "allow-includes", "runtime", "libseccomp")
	f.output.add(flags, "text", "json", "markdown", "sarif")
	flags.BoolVar(&f.equal, "equal", false, "say nothing of what differs: only whether the two are proved equal")
	flags.StringSliceVar(&f.failOn, "fail-on", nil, "`DIFFERENCES` that count for the exit status: gain, loss, exec, silenced, logged, or risk=high, risk=medium of a gain; repeatable")
	return cmd
}

// failWords are what --fail-on takes.
var failWords = []string{"gain", "loss", "exec", "answer", "silenced", "logged", "header", "risk=high", "risk=medium"}

func runDiff(cmd *cobra.Command, args []string, f diffFlags) error {
	for _, word := range f.failOn {
		if !slices.Contains(failWords, word) {
			return usagef("--fail-on %q is unknown; use %s", word, oneOf(failWords))
		}
	}
	if err := f.output.check(); err != nil {
		return err
	}
	loader, err := f.policy.loader()
	if err != nil {
		return err
	}
	sides, err := readAllPolicies(cmd, f.policy, args)
	if err != nil {
		return err
	}
	takeMemory()
	profiles := diff.Compare(sides[0], sides[1], loader)
	if len(profiles) == 0 {
		return usagef("%s and %s are of two languages; compare AppArmor with AppArmor, and seccomp with seccomp", escape.Name(args[0]), escape.Name(args[1]))
	}
	if err := f.print(cmd, profiles); err != nil {
		return err
	}
	if slices.ContainsFunc(profiles, func(p diff.Profile) bool { return f.counts(&p) }) {
		return errFound
	}
	return nil
}

// counts reports whether a profile's differences decide the exit status. What was not
// compared in full may hold any.
func (f *diffFlags) counts(p *diff.Profile) bool {
	if len(f.failOn) == 0 || p.Unknown != "" {
		return !p.Equal()
	}
	return slices.ContainsFunc(f.failOn, func(word string) bool {
		switch word {
		case "risk=high":
			return p.Risk() >= rules.High
		case "risk=medium":
			return p.Risk() >= rules.Medium
		case "gain":
			return p.Has(diff.Gain) || p.Only == "new"
		case "loss":
			return p.Has(diff.Loss) || p.Only == "old"
		}
		return p.Has(diff.Kind(word))
	})
}

func (f *diffFlags) print(cmd *cobra.Command, profiles []diff.Profile) error {
	var list []report.Comparison
	for i := range profiles {
		c := report.NewComparison(&profiles[i])
		if f.equal && !c.Equal {
			c.Changes = c.Changes[:0]
		}
		list = append(list, c)
	}
	switch f.output.format {
	case "markdown":
		return report.WriteComparisonMarkdown(cmd.OutOrStdout(), list)
	case "sarif":
		return report.WriteComparisonSARIF(cmd.OutOrStdout(), list, version())
	}
	return printAll(cmd, f.output, report.NewComparisonText, list)
}
