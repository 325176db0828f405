package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/whydenied/whydenied/explain/diff"
	"github.com/whydenied/whydenied/explain/escape"
	"github.com/whydenied/whydenied/explain/library"
	"github.com/whydenied/whydenied/explain/report"
	"github.com/whydenied/whydenied/rules"
	"github.com/whydenied/whydenied/rules/apparmor"
	"github.com/whydenied/whydenied/rules/apparmor/binary"
	"github.com/whydenied/whydenied/rules/program"
	"github.com/whydenied/whydenied/rules/seccomp"
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
revision of git has it: HEAD~1:profiles/web. Profiles are compared by name; a single
one with the single other.

Exit status: 0 no difference, 3 some, or not compared in full; 2 wrong usage, 1
something could not be read. --fail-on says which differences count.`,
		Example: `  whydenied diff HEAD~1:profiles/web profiles/web
  whydenied diff /etc/apparmor.d ./apparmor.d --fail-on gain
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
	f.output.add(flags, "text", "json", "markdown")
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
	var sides [2]diff.Side
	for i, name := range args {
		if sides[i], err = f.side(cmd.Context(), cmd.ErrOrStderr(), name); err != nil {
			return err
		}
	}
	if (sides[0].Seccomp == nil) != (sides[1].Seccomp == nil) {
		return usagef("%s and %s are of two languages; compare AppArmor with AppArmor, and seccomp with seccomp", escape.Name(args[0]), escape.Name(args[1]))
	}
	profiles := diff.Compare(sides[0], sides[1], loader)
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
	if f.output.format == "markdown" {
		return report.WriteComparisonMarkdown(cmd.OutOrStdout(), list)
	}
	print, flush, err := printer(cmd, f.output, report.NewComparisonText)
	if err != nil {
		return err
	}
	for _, c := range list {
		if err := print(c); err != nil {
			return err
		}
	}
	return flush()
}

// side reads one of the two policies.
func (f *diffFlags) side(ctx context.Context, stderr io.Writer, name string) (diff.Side, error) {
	side := diff.Side{Name: name}
	lib := library.New(f.policy.profileDir, f.policy.include)
	lib.Loader.Allow = f.policy.allow
	if library.IsBuiltin(name) {
		policy, _, err := lib.AddProfile(name)
		if err == nil {
			side.AppArmor = policy.Profiles
			return side, nil
		}
		if _, other := lib.AddSeccomp(name); other != nil {
			return side, usagef("%v; and of seccomp, %v", err, other)
		}
		side.Seccomp, side.Name = lib.NamedSeccomp()
		return side, nil
	}
	files, dir, err := readSide(ctx, name)
	if err != nil {
		return side, err
	}
	if dir != "" { // a directory of policy most often brings what its files include
		lib = library.New(f.policy.profileDir, append(slices.Clip(f.policy.include), dir))
		lib.Loader.Allow = f.policy.allow
	}
	for _, file := range files {
		if err := addTo(&side, lib, stderr, file, len(files) > 1); err != nil {
			return side, err
		}
	}
	if side.Seccomp == nil && len(side.AppArmor) == 0 {
		return side, fmt.Errorf("%s: no profile in it", escape.Name(name))
	}
	return side, nil
}

// addTo adds what a file holds to a side. One of several that holds no profile is passed over.
func addTo(side *diff.Side, lib *library.Library, stderr io.Writer, file *rules.File, several bool) error {
	switch {
	case binary.Is(file.Text):
		return fmt.Errorf("%s: compiled policy, which has no rules any more to compare; whydenied doctor compares loaded profiles with their files", escape.Name(file.Name))
	case seccomp.IsProfile(file.Text) && several:
		say(stderr, "%s: a seccomp profile; passed over, name two of them to compare them", escape.Name(file.Name))
	case seccomp.IsProfile(file.Text):
		diagnostics, err := lib.UseSeccomp(file)
		if err != nil {
			return err
		}
		warn(stderr, rules.Errors(diagnostics))
		side.Seccomp, _ = lib.NamedSeccomp()
	default:
		policy, diagnostics := lib.UseProfile(file)
		warn(stderr, rules.Errors(diagnostics))
		side.AppArmor = append(side.AppArmor, policy.Profiles...)
	}
	return nil
}

// readSide returns the policy files that a name stands for, and the directory if it is
// one: of this disk, or of a revision of git, REV:PATH.
func readSide(ctx context.Context, name string) (files []*rules.File, dir string, err error) {
	info, err := os.Stat(name)
	rev, in, isRevision := strings.Cut(name, ":")
	switch {
	case err != nil && isRevision && rev != "" && rev[0] != '-': // which git would take for an option
		return readRevision(ctx, name, rev, in)
	case err != nil:
		return nil, "", err
	case !info.IsDir():
		text, err := rules.ReadFile(name)
		return []*rules.File{rules.NewFile(name, text)}, "", err
	}
	names, err := apparmor.PolicyFiles(nil, name)
	for _, file := range names {
		text, readErr := readPolicy(file, true)
		if readErr != nil {
			err = errors.Join(err, readErr)
			continue
		}
		files = append(files, rules.NewFile(file, text))
	}
	return files, name, err
}

// readRevision is readSide for what git has. Included files are those of the disk.
func readRevision(ctx context.Context, name, rev, in string) (files []*rules.File, dir string, err error) {
	kind, err := git(ctx, "cat-file", "-t", name)
	if err != nil {
		return nil, "", err
	}
	if strings.TrimSpace(kind) != "tree" {
		text, err := git(ctx, "cat-file", "blob", name)
		return []*rules.File{rules.NewFile(name, text)}, "", err
	}
	list, err := git(ctx, "ls-tree", "-z", name)
	if err != nil {
		return nil, "", err
	}
	for entry := range strings.SplitSeq(strings.TrimSuffix(list, "\x00"), "\x00") {
		about, file, _ := strings.Cut(entry, "\t")
		if !strings.Contains(about, " blob ") || apparmor.IgnoredFile(file) {
			continue
		}
		full := rev + ":" + path.Join(in, file)
		text, err := git(ctx, "cat-file", "blob", full)
		if err != nil {
			return nil, "", err
		}
		files = append(files, rules.NewFile(full, text))
	}
	return files, in, nil
}

// gitTime is how long one command of git may take.
const gitTime = 30 * time.Second

// git returns what a command of git prints, at most as much as a policy file may hold.
func git(ctx context.Context, args ...string) (string, error) {
	ctx, stop := context.WithTimeout(ctx, gitTime)
	defer stop()
	var stdout limitedText
	var stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, "git", args...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := program.Run(cmd, program.Limits{CPU: gitTime})
	switch {
	case stdout.over:
		return "", fmt.Errorf("git %s: more than %d MiB, which no policy has", strings.Join(args, " "), rules.MaxFile>>20)
	case err != nil:
		first, _, _ := strings.Cut(strings.TrimSpace(stderr.String()), "\n")
		return "", fmt.Errorf("git %s: %w: %s", strings.Join(args, " "), err, first)
	}
	return stdout.String(), nil
}

// A limitedText keeps what is written to it, and refuses more than a policy file may hold.
type limitedText struct {
	strings.Builder
	over bool
}

func (t *limitedText) Write(b []byte) (int, error) {
	if t.Len()+len(b) > rules.MaxFile {
		t.over = true
		return 0, errors.New("too large")
	}
	return t.Builder.Write(b)
}
