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

	"github.com/whydenied/whydenied/explain/escape"
	"github.com/whydenied/whydenied/explain/library"
	"github.com/whydenied/whydenied/rules"
	"github.com/whydenied/whydenied/rules/apparmor"
	"github.com/whydenied/whydenied/rules/apparmor/binary"
	"github.com/whydenied/whydenied/rules/program"
	"github.com/whydenied/whydenied/rules/seccomp"
)

// readPolicies reads the policy that a name stands for: a file or directory of this disk
// or of a revision of git, a built-in profile, or one that the kernel holds. What cannot
// be read of it is said.
func readPolicies(ctx context.Context, stderr io.Writer, flags policyFlags, name string) (library.Text, error) {
	if library.IsBuiltin(name) || library.IsLoaded(name) {
		return readNamed(flags, name)
	}
	text := library.Text{Name: name}
	files, dir, err := readSide(ctx, name)
	if err != nil {
		return text, err
	}
	include := flags.include
	if dir != "" { // a directory of policy most often brings what its files include
		include = append(slices.Clip(include), dir)
	}
	lib := library.New(flags.profileDir, include)
	lib.Loader.Allow = flags.allow
	for _, file := range files {
		if err := addTo(&text, lib, stderr, file, len(files) > 1); err != nil {
			return text, err
		}
	}
	if text.Seccomp == nil && len(text.AppArmor) == 0 {
		return text, fmt.Errorf("%s: no profile in it", escape.Name(name))
	}
	return text, nil
}

// readAllPolicies reads the policies that names stand for.
func readAllPolicies(cmd *cobra.Command, flags policyFlags, names []string) ([]library.Text, error) {
	var texts []library.Text
	for _, name := range names {
		text, err := readPolicies(cmd.Context(), cmd.ErrOrStderr(), flags, name)
		if err != nil {
			return nil, err
		}
		texts = append(texts, text)
	}
	return texts, nil
}

// readNamed reads a profile that is in no file.
func readNamed(flags policyFlags, name string) (library.Text, error) {
	text := library.Text{Name: name}
	lib := library.New(flags.profileDir, flags.include)
	lib.Loader.Allow = flags.allow
	policy, _, err := lib.AddProfile(name)
	if err == nil {
		text.AppArmor = policy.Profiles
		return text, nil
	}
	if library.IsLoaded(name) {
		return text, err
	}
	if _, other := lib.AddSeccomp(name); other != nil {
		return text, usagef("%v; and of seccomp, %v", err, other)
	}
	text.Seccomp, text.Name = lib.NamedSeccomp()
	return text, nil
}

// addTo adds what a file holds to a text. One of several that holds no profile is passed over.
func addTo(text *library.Text, lib *library.Library, stderr io.Writer, file *rules.File, several bool) error {
	switch {
	case binary.Is(file.Text):
		policy, err := lib.UseCompiled(file)
		if err != nil {
			return err
		}
		text.AppArmor = append(text.AppArmor, policy.Profiles...)
	case seccomp.IsProfile(file.Text) && several:
		say(stderr, "%s: a seccomp profile; passed over, name two of them to compare them", escape.Name(file.Name))
	case seccomp.IsProfile(file.Text):
		diagnostics, err := lib.UseSeccomp(file)
		if err != nil {
			return err
		}
		warn(stderr, rules.Errors(diagnostics))
		text.Seccomp, _ = lib.NamedSeccomp()
	default:
		policy, diagnostics := lib.UseProfile(file)
		warn(stderr, rules.Errors(diagnostics))
		text.AppArmor = append(text.AppArmor, policy.Profiles...)
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
