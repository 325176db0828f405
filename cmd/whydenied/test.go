package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/whydenied/whydenied/explain/escape"
	"github.com/whydenied/whydenied/explain/expect"
	"github.com/whydenied/whydenied/explain/library"
	"github.com/whydenied/whydenied/explain/report"
	"github.com/whydenied/whydenied/rules"
	"github.com/whydenied/whydenied/rules/seccomp"
)

// testFlags are the flags of the test command.
type testFlags struct {
	policy   policyFlags
	output   outputFlags
	policies []string
	from     []string
}

func newTest() *cobra.Command {
	var f testFlags
	cmd := &cobra.Command{
		Use:   "test FILE... | test --from LOG --policy POLICY",
		Short: "Hold expectations against profiles",
		Long: `test reads expectations, one a line, and says which of them profiles do not meet, with
the rules that decide:

  policy web.apparmor          what they are of: a file, directory or built-in profile
  profile web                  of it, for the lines below; * is every profile
  allow open /srv/www/x r      granted; accesses are in the words of query
  deny open /etc/shadow r      refused
  silent open /etc/shadow r    refused, and no record is written
  logged capability kill       refused, and the record names all of it
  exec /usr/bin/php -> php     the program runs under that profile
  never /etc/** w,             nothing that the rule names is granted: compared exactly
  allow syscall clone3 0 caps=CAP_SYS_ADMIN arch=amd64 kernel=6.1

An access that begins with owner is of a file that the process owns. Names of policies
begin at the folder of FILE.

With --from it writes such a file instead: of each access that logs, bundles or saved
findings have, what the policies answer to it now. Read it before you keep it.

Exit status: 0 all hold, 3 some do not, 2 wrong usage or expectation, 1 something
could not be read.`,
		Example: `  whydenied test profiles/web.expect
  whydenied test profiles/web.expect --policy HEAD~1:profiles/web
  whydenied test --from audit.log --policy profiles/web > profiles/web.expect`,
		Args: func(cmd *cobra.Command, args []string) error {
			switch {
			case len(f.from) > 0 && len(args) > 0:
				return usagef("--from writes expectations to standard output, and holds none; name no FILE")
			case len(f.from) == 0 && len(args) == 0:
				return usagef("name the files of expectations; see whydenied test --help")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(f.from) > 0 {
				return f.propose(cmd)
			}
			return runTest(cmd, args, f)
		},
	}
	flags := cmd.Flags()
	f.policy.addOnly(flags, "include", "profile-dir", "allow-includes", "runtime", "libseccomp")
	f.output.add(flags, "text", "json", "markdown", "junit", "sarif", "github", "tap")
	flags.StringArrayVar(&f.policies, "policy", nil, "hold the expectations against this `POLICY` in place of those that the files name; repeatable")
	flags.StringArrayVar(&f.from, "from", nil, "write expectations of what the policies answer to the accesses of this `LOG`, or of a bundle or saved findings; repeatable")
	return cmd
}

func runTest(cmd *cobra.Command, args []string, f testFlags) error {
	out, err := newPrinter(cmd, f.output, report.NewExpectationText, report.Expectation.Diagnostic)
	if err != nil {
		return err
	}
	all, failed := 0, 0
	for _, name := range args {
		text, err := rules.ReadFile(name)
		if err != nil {
			return fmt.Errorf("cannot read the expectations: %w", err)
		}
		file, err := expect.Parse(name, text)
		if err != nil {
			return usagef("%v", err)
		}
		results, err := f.results(cmd, file)
		if err != nil {
			return err
		}
		for _, r := range results {
			if all++; !r.Holds {
				failed++
			}
			if err := out.print(report.NewExpectation(name, r)); err != nil {
				return err
			}
		}
	}
	out.title = fmt.Sprintf("%d of %d expectations hold", all-failed, all)
	if err := out.end(); err != nil {
		return err
	}
	say(cmd.ErrOrStderr(), "%s", out.title)
	if failed > 0 {
		return errFound
	}
	return nil
}

// results holds the expectations of a file against the policies.
func (f *testFlags) results(cmd *cobra.Command, file expect.File) ([]expect.Result, error) {
	sides, err := f.sides(cmd, file)
	if err != nil {
		return nil, err
	}
	loader, err := f.policy.loader()
	if err != nil {
		return nil, err
	}
	var results []expect.Result
	for _, e := range file.Expectations {
		before := len(results)
		for _, side := range sides {
			isCall := strings.HasPrefix(e.Access, "syscall ")
			if isCall && side.Seccomp == nil {
				continue
			}
			if isCall {
				r, err := expect.CheckCall(e, side.Seccomp, callOf(loader))
				if err != nil {
					return nil, usagef("%s:%d: %v", file.Name, e.Line, err)
				}
				results = append(results, r)
				continue
			}
			for _, p := range side.AppArmor {
				if e.Profile != "" && e.Profile != p.FullName() && e.Profile != p.Name {
					continue
				}
				r, err := expect.Check(e, p)
				if err != nil {
					return nil, usagef("%s:%d: %v", file.Name, e.Line, err)
				}
				results = append(results, r)
			}
		}
		if len(results) == before {
			return nil, usagef("%s:%d: no policy has a profile for this expectation", file.Name, e.Line)
		}
	}
	return results, nil
}

// callOf is what holds of a system call of which an expectation does not say it.
func callOf(loader seccomp.Loader) seccomp.Call {
	return seccomp.Call{Arch: seccomp.X86_64, Caps: []string{}, Loader: loader}
}

// sides reads the policies that a file names, or those of --policy.
func (f *testFlags) sides(cmd *cobra.Command, file expect.File) ([]library.Text, error) {
	names := f.policies
	if len(names) == 0 {
		for _, p := range file.Policies {
			name := p.Name
			if dir := filepath.Dir(file.Name); isRelative(dir, name) {
				name = filepath.Join(dir, name)
			}
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return nil, usagef("%s: it names no policy; write a line `policy NAME`, or give --policy", escape.Name(file.Name))
	}
	return readAllPolicies(cmd, f.policy, names)
}

// isRelative reports whether the name of a policy is that of a file or directory below a
// folder, and not one that git has, REV:PATH.
func isRelative(dir, name string) bool {
	if library.IsBuiltin(name) || library.IsLoaded(name) || filepath.IsAbs(name) {
		return false
	}
	_, err := os.Stat(filepath.Join(dir, name))
	return err == nil || !strings.Contains(name, ":")
}
