package main

import (
	"cmp"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/whydenied/whydenied/explain"
	"github.com/whydenied/whydenied/explain/access"
	"github.com/whydenied/whydenied/explain/escape"
	"github.com/whydenied/whydenied/explain/report"
	"github.com/whydenied/whydenied/parser"
	"github.com/whydenied/whydenied/rules/apparmor"
)

// whoCanFlags are the flags of the who-can command.
type whoCanFlags struct {
	policy policyFlags
	output outputFlags
	owner  bool
}

func newWhoCan() *cobra.Command {
	var f whoCanFlags
	cmd := &cobra.Command{
		Use:   "who-can ACCESS [POLICY...]",
		Short: "Say which AppArmor profiles grant an access, and by which rules",
		Long: `who-can asks every AppArmor profile of files and directories about an access, and
says which of them grant it, with the rules that do. Without POLICY it asks those of
the profile directory. A profile in complain mode grants what it does not deny, and
one that is unconfined everything.

An ACCESS is a verb and its object, in the words of policy; quote names that hold
spaces:

` + access.Usage() + `
Exit status: 0 no profile grants it, 3 some do, 2 wrong usage, 1 something could not
be read.`,
		Example: `  whydenied who-can 'open /etc/shadow r'
  whydenied who-can 'capability sys_admin' ./apparmor.d builtin:docker-default`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usagef("name the access, such as 'open /etc/shadow r'; see whydenied who-can --help")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return runWhoCan(cmd, args[0], args[1:], f) },
	}
	flags := cmd.Flags()
	f.policy.addOnly(flags, "include", "profile-dir", "allow-includes")
	f.output.add(flags, "text", "json")
	flags.BoolVar(&f.owner, "owner", false, "the process owns the files it asks for")
	return cmd
}

func runWhoCan(cmd *cobra.Command, asked string, names []string, f whoCanFlags) error {
	d, err := access.Parse(asked, f.owner)
	if err != nil {
		return usagef("%q: %v", asked, err)
	}
	if len(names) == 0 {
		names = []string{f.policy.profileDir}
	}
	print, flush, err := printer(cmd, f.output, report.NewAnswerText)
	if err != nil {
		return err
	}
	grant, all := 0, 0
	for _, name := range names {
		side, err := readPolicies(cmd.Context(), cmd.ErrOrStderr(), f.policy, name)
		if err != nil {
			return err
		}
		if len(side.AppArmor) == 0 {
			return usagef("%s: a seccomp profile; who-can asks AppArmor profiles, whydenied query asks this one", escape.Name(name))
		}
		for _, p := range side.AppArmor {
			answer, err := askProfile(d, p)
			if err != nil {
				return err
			}
			if all++; answer.Decision != string(explain.Granted) {
				continue
			}
			grant++
			answer.Asked = asked
			if err := print(answer); err != nil {
				return err
			}
		}
	}
	if err := flush(); err != nil {
		return err
	}
	say(cmd.ErrOrStderr(), "%d of %d profiles grant it", grant, all)
	if grant > 0 {
		return errFound
	}
	return nil
}

// askProfile answers an access by one profile.
func askProfile(d *parser.Denial, p *apparmor.Profile) (report.Answer, error) {
	v := access.Decide(d, func(string) *apparmor.Profile { return p })
	if v.Err != nil {
		return report.Answer{}, fmt.Errorf("%s: %w", escape.Name(cmp.Or(p.FullName(), p.At.File.Name)), v.Err)
	}
	return report.NewAnswer(v, false), nil
}
