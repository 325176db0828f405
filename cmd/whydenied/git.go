package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path"
	"strings"
	"time"

	"github.com/whydenied/whydenied/rules"
	"github.com/whydenied/whydenied/rules/apparmor"
	"github.com/whydenied/whydenied/rules/program"
)

// readRevision is readSide for what git has, REV:PATH, as the work tree of a directory has it;
// "" is the current one. Included files are those of the disk.
func readRevision(ctx context.Context, tree, name string) (files []*rules.File, dir string, err error) {
	rev, in, _ := strings.Cut(name, ":")
	kind, err := git(ctx, tree, "cat-file", "-t", name)
	if err != nil {
		return nil, "", err
	}
	if strings.TrimSpace(kind) != "tree" {
		text, err := git(ctx, tree, "cat-file", "blob", name)
		return []*rules.File{rules.NewFile(name, text)}, "", err
	}
	list, err := git(ctx, tree, "ls-tree", "-z", "--full-tree", name)
	if err != nil {
		return nil, "", err
	}
	for entry := range strings.SplitSeq(strings.TrimSuffix(list, "\x00"), "\x00") {
		about, file, _ := strings.Cut(entry, "\t")
		if !strings.Contains(about, " blob ") || apparmor.IgnoredFile(file) {
			continue
		}
		full := rev + ":" + path.Join(in, file)
		text, err := git(ctx, tree, "cat-file", "blob", full)
		if err != nil {
			return nil, "", err
		}
		files = append(files, rules.NewFile(full, text))
	}
	return files, in, nil
}

// gitTime is how long one command of git may take.
const gitTime = 30 * time.Second

// git returns what a command of git prints in a directory, "" for the current one: at most
// as much as a policy file may hold.
func git(ctx context.Context, dir string, args ...string) (string, error) {
	ctx, stop := context.WithTimeout(ctx, gitTime)
	defer stop()
	var stdout limitedText
	var stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, "git", args...)
	cmd.Dir = dir
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
