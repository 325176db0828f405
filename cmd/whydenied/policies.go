package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/whydenied/whydenied/explain/escape"
	"github.com/whydenied/whydenied/explain/library"
	"github.com/whydenied/whydenied/rules"
	"github.com/whydenied/whydenied/rules/apparmor"
	"github.com/whydenied/whydenied/rules/apparmor/binary"
	"github.com/whydenied/whydenied/rules/seccomp"
)

// readPolicies reads the policy that a name stands for: a file or directory of this disk
// or of a revision of git, a built-in profile, or one that the kernel holds. What cannot
// be read of it is said.
func readPolicies(ctx context.Context, stderr io.Writer, flags policyFlags, name string) (library.Text, error) {
	if library.IsBuiltin(name) || library.IsLoaded(name) {
		return readNamed(flags, name)
	}
	if of, ok := strings.CutPrefix(name, containerPrefix); ok {
		return readContainer(ctx, stderr, flags, of)
	}
	if b, err := readBundleFile(name); b != nil || err != nil {
		return bundledText(stderr, name, b, err)
	}
	s, err := readSide(ctx, name)
	if err != nil {
		return library.Text{Name: name}, err
	}
	return textOf(ctx, stderr, flags, name, s)
}

// A side is the policy files that a name stands for.
type side struct {
	files    []*rules.File
	dir      string    // that they are of, "" if one file was named
	revision *revision // of git, nil of the disk
}

// textOf makes a text of policy files. What they include is of the same revision where the
// repository has the directory that is searched, else of the disk.
func textOf(ctx context.Context, stderr io.Writer, flags policyFlags, name string, s side) (library.Text, error) {
	text := library.Text{Name: name}
	include, profiles := flags.include, flags.profileDir
	if s.dir != "" { // a directory of policy most often brings what its files include
		include = append(slices.Clip(include), s.dir)
	}
	var tree *rules.Tree
	if s.revision != nil {
		var err error
		if include, profiles, tree, err = s.revision.search(ctx, include, profiles); err != nil {
			return text, err
		}
	}
	lib := library.New(profiles, include)
	lib.Loader.Allow, lib.Loader.Tree = flags.allow, tree
	for _, file := range s.files {
		if err := addTo(&text, lib, stderr, file, len(s.files) > 1); err != nil {
			return text, err
		}
	}
	if s.revision != nil {
		sayFromDisk(stderr, name, s.revision, text.AppArmor)
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

// readSide returns the policy files that a name stands for: of this disk, or of a revision of
// git, REV:PATH.
func readSide(ctx context.Context, name string) (s side, err error) {
	info, err := os.Stat(name)
	rev, _, isRevision := strings.Cut(name, ":")
	switch {
	case err != nil && isRevision && rev != "" && rev[0] != '-': // which git would take for an option
		return readRevision(ctx, "", name)
	case err != nil:
		return s, err
	case !info.IsDir():
		text, err := rules.ReadFile(name)
		return side{files: []*rules.File{rules.NewFile(name, text)}}, err
	}
	s.dir = name
	names, err := apparmor.PolicyFiles(nil, name)
	for _, file := range names {
		text, readErr := readPolicy(file, true)
		if readErr != nil {
			err = errors.Join(err, readErr)
			continue
		}
		s.files = append(s.files, rules.NewFile(file, text))
	}
	return s, err
}
