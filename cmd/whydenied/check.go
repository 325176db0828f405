package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/whydenied/whydenied/explain/escape"
	"github.com/whydenied/whydenied/explain/library"
	"github.com/whydenied/whydenied/explain/report"
	"github.com/whydenied/whydenied/rules"
	"github.com/whydenied/whydenied/rules/apparmor"
)

func newCheck() *cobra.Command {
	var policy policyFlags
	var output outputFlags
	var versions []string
	cmd := &cobra.Command{
		Use:   "check PROFILE...",
		Short: "Say what is wrong with AppArmor and seccomp profiles",
		Long: `check reads policy files and says what apparmor_parser or a container runtime
would refuse, and what they accept but does not do what it seems to: rules that a
deny takes away, refusals that leave no record, system calls without which no
program starts. Of a directory it reads the policy files in it.

AppArmor policy and seccomp profiles (Docker, OCI and Kubernetes JSON, SeccompProfile
resources) are told apart by their content. The profiles that runtimes generate go
by names: builtin:docker-default, builtin:docker@28.1.

With --for it says whether those versions of apparmor_parser take a file: 3.0 is that
of Ubuntu 22.04 and Debian 12, 4.0 of Ubuntu 24.04, 4.1 of Debian 13, 5.0 of Ubuntu
26.04. Without, what the version of the file's abi does not read is a warning; or, of
a file without one, what the apparmor_parser of this host does not.

Exit status: 0 all accepted, 3 a file is refused, 2 wrong usage, 1 a file could not
be read. Warnings and notes do not change it.`,
		Example: `  whydenied check /etc/apparmor.d
  whydenied check ./web.apparmor --for 3.0,4.0,4.1,5.0
  whydenied check ./web.apparmor ./seccomp.json --format sarif > check.sarif`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usagef("name the policy files to check")
			}
			for _, v := range versions {
				if !parserVersion.MatchString(v) {
					return usagef("--for %q is no version of apparmor_parser from 3.0 on; there are %s", v, strings.Join(apparmor.Releases(), ", "))
				}
			}
			return runCheck(cmd, args, versions, policy, output)
		},
	}
	policy.addOnly(cmd.Flags(), "include", "profile-dir", "allow-includes")
	cmd.Flags().StringSliceVar(&versions, "for", nil, "say whether these `VERSIONS` of apparmor_parser take the file, such as 3.0,4.1")
	output.add(cmd.Flags(), report.FormatNames()...)
	return cmd
}

// parserVersion matches the versions whose language is known.
var parserVersion = regexp.MustCompile(`^[3-9]\.[0-9]+(\.[0-9]+)*$`)

// A checker reads policy files and counts what is wrong with them.
type checker struct {
	flags    policyFlags
	lib      *library.Library
	parser   string          // the version of this host's apparmor_parser
	versions []string        // of --for
	said     map[string]bool // diagnostics of files that several include
	summary  report.CheckSummary
	out      *reporter
	stderr   io.Writer
}

func runCheck(cmd *cobra.Command, args, versions []string, policy policyFlags, output outputFlags) error {
	out, err := output.reporter(cmd)
	if err != nil {
		return err
	}
	c := &checker{
		flags:    policy,
		parser:   thisHost.Parser(cmd.Context()),
		versions: versions,
		said:     map[string]bool{},
		summary:  report.CheckSummary{SchemaVersion: report.SchemaVersion},
		out:      out,
		stderr:   cmd.ErrOrStderr(),
	}
	c.lib = c.library(policy.include)
	for _, name := range args {
		if err := cmd.Context().Err(); err != nil {
			return err
		}
		if err := c.path(name); err != nil {
			return err
		}
	}
	out.Check = &c.summary
	out.Incomplete = c.summary.Unreadable > 0
	if err := out.end(); err != nil {
		return err
	}
	switch n := c.summary.Unreadable; {
	case n == 1:
		return errors.New("1 file could not be read")
	case n > 1:
		return fmt.Errorf("%d files could not be read", n)
	case c.summary.Refused > 0:
		return errFound
	}
	return nil
}

// library returns one that looks for included files in some directories.
func (c *checker) library(include []string) *library.Library {
	lib := library.New(c.flags.profileDir, include)
	lib.Loader.Allow = c.flags.allow
	lib.Parser, lib.Versions = c.parser, c.versions
	return lib
}

// path checks a file, or the policy files of a directory. What cannot be read is
// said, and the others are checked.
func (c *checker) path(name string) error {
	if library.IsBuiltin(name) {
		file, text, diagnostics, err := c.lib.LintBuiltin(name)
		if err == nil {
			say(c.stderr, "%s", text)
			c.report(file, diagnostics)
		}
		return unknownBuiltin(err)
	}
	info, err := os.Stat(name)
	if err != nil || !info.IsDir() {
		c.file(name, false)
		return nil
	}
	names, err := apparmor.PolicyFiles(nil, name)
	if err == nil && len(names) == 0 {
		err = fmt.Errorf("%s: no policy files in this directory", escape.Name(name))
	}
	if err != nil {
		c.unreadable(err)
		return nil
	}
	outside := c.lib
	// A directory of policy most often brings what its files include.
	c.lib = c.library(append(slices.Clip(c.flags.include), name))
	defer func() { c.lib = outside }()
	for _, file := range names {
		c.file(file, true)
	}
	return nil
}

func (c *checker) unreadable(err error) {
	c.summary.Unreadable++
	complain(c.stderr, err)
}

// file checks one policy file. What is listed in a directory and evidently no
// policy, such as a log, is passed over.
func (c *checker) file(name string, listed bool) {
	text, err := readPolicy(name, listed)
	if err != nil {
		c.unreadable(err)
		return
	}
	file := rules.NewFile(name, text)
	diagnostics, noPolicy := c.lib.Lint(file)
	if noPolicy != nil && listed {
		say(c.stderr, "%v; passed over", noPolicy)
		return
	}
	c.report(file, diagnostics)
}

// readPolicy reads a file that the user named, or one that is listed in a directory.
func readPolicy(name string, listed bool) (string, error) {
	if listed {
		return (*rules.Tree)(nil).ReadListed(filepath.Dir(name), name)
	}
	return rules.ReadFile(name)
}

// report adds what is wrong with a checked file and what it includes, each thing
// once.
func (c *checker) report(file *rules.File, diagnostics []rules.Diagnostic) {
	c.summary.Files++
	refused := false
	slices.SortStableFunc(diagnostics, func(a, b rules.Diagnostic) int { return order(file, a.At, b.At) })
	for _, d := range diagnostics {
		refused = refused || d.Severity == rules.Error
		key := d.String()
		if c.said[key] {
			continue
		}
		c.said[key] = true
		switch d.Severity {
		case rules.Error:
			c.summary.Errors++
		case rules.Warning:
			c.summary.Warnings++
		default:
			c.summary.Notes++
		}
		c.out.Diagnostics = append(c.out.Diagnostics, report.NewDiagnostic(d))
	}
	if refused {
		c.summary.Refused++
	}
}

// order compares two places: the checked file comes first, then those that it
// includes by name.
func order(checked *rules.File, a, b rules.Location) int {
	rank := func(at rules.Location) string {
		if at.File == checked || at.File == nil {
			return ""
		}
		return at.File.Name
	}
	if c := strings.Compare(rank(a), rank(b)); c != 0 {
		return c
	}
	return a.Span.Start - b.Span.Start
}
