package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/whydenied/whydenied/explain/escape"
	"github.com/whydenied/whydenied/rules"
	"github.com/whydenied/whydenied/rules/apparmor"
	"github.com/whydenied/whydenied/rules/program"
)

// readRevision is readSide for what git has, REV:PATH, as the work tree of a directory has it;
// "" is the current one.
func readRevision(ctx context.Context, tree, name string) (s side, err error) {
	rev, in, _ := strings.Cut(name, ":")
	if strings.HasPrefix(in, ".") { // from the current directory, and not from the root
		prefix, err := git(ctx, tree, "rev-parse", "--show-prefix")
		if err != nil {
			return s, err
		}
		in = strings.TrimPrefix(path.Join(strings.TrimSuffix(prefix, "\n"), in), ".")
		name = rev + ":" + in
	}
	kind, err := git(ctx, tree, "cat-file", "-t", name)
	if err != nil {
		return s, err
	}
	s.revision = &revision{tree: tree, name: rev}
	if strings.TrimSpace(kind) != "tree" {
		text, err := git(ctx, tree, "cat-file", "blob", name)
		s.files = []*rules.File{rules.NewFile(name, text)}
		return s, err
	}
	list, err := git(ctx, tree, "ls-tree", "-z", "--full-tree", name)
	if err != nil {
		return s, err
	}
	for entry := range strings.SplitSeq(strings.TrimSuffix(list, "\x00"), "\x00") {
		about, file, _ := strings.Cut(entry, "\t")
		if !strings.Contains(about, " blob ") || apparmor.IgnoredFile(file) {
			continue
		}
		full := rev + ":" + path.Join(in, file)
		text, err := git(ctx, tree, "cat-file", "blob", full)
		if err != nil {
			return s, err
		}
		s.files = append(s.files, rules.NewFile(full, text))
	}
	s.dir = rev + ":" + in
	return s, nil
}

// A revision is one of a work tree of git. Files of it are called REV:PATH, with the path from
// the root of the work tree.
type revision struct {
	tree string // a directory in the work tree; "" is the current one
	name string // REV
}

// search returns directories that are searched for included files as they are called in the
// revision, if the work tree has them, and what they hold there; nil if it is none of them.
func (r *revision) search(ctx context.Context, include []string, profiles string) (of []string, profileDir string, tree *rules.Tree, err error) {
	top, err := git(ctx, r.tree, "rev-parse", "--show-toplevel")
	if err != nil {
		return nil, "", nil, err
	}
	top = strings.TrimSuffix(top, "\n")
	var paths []string
	for i, dir := range append(slices.Clone(include), profiles) {
		in, ok := strings.CutPrefix(dir, r.name+":")
		if !ok {
			in, ok = below(top, dir)
		}
		if ok {
			dir = strings.TrimSuffix(r.name+":"+in, "/")
			paths = append(paths, in)
		}
		if i < len(include) {
			of = append(of, dir)
		} else {
			profileDir = dir
		}
	}
	if paths == nil {
		return of, profileDir, nil, nil
	}
	texts, err := r.texts(ctx, paths)
	return of, profileDir, rules.NewTreeOver(r.name+":", texts), err
}

// below returns where in a directory another one is.
func below(top, dir string) (in string, ok bool) {
	abs, err := filepath.Abs(dir)
	if err == nil {
		abs, err = filepath.EvalSymlinks(abs)
	}
	if err == nil {
		in, err = filepath.Rel(top, abs)
	}
	if err != nil || in == ".." || strings.HasPrefix(in, "../") {
		return "", false
	}
	return strings.TrimPrefix(in, "."), true
}

// maxRevision bounds the bytes of the files of a revision that policy may include.
const maxRevision = 64 << 20

// texts returns the files below paths.
func (r *revision) texts(ctx context.Context, paths []string) (map[string]string, error) {
	args := []string{"ls-tree", "-r", "-z", "--full-tree", r.name, "--"}
	if !slices.Contains(paths, "") { // which is the root
		args = append(args, paths...)
	}
	list, err := git(ctx, r.tree, args...)
	if err != nil {
		return nil, err
	}
	var names []string
	var objects strings.Builder
	for entry := range strings.SplitSeq(strings.TrimSuffix(list, "\x00"), "\x00") {
		about, file, _ := strings.Cut(entry, "\t")
		words := strings.Fields(about) // mode, type, object
		if len(words) != 3 || words[1] != "blob" || !strings.HasPrefix(words[0], "100") {
			continue
		}
		names = append(names, r.name+":"+file)
		objects.WriteString(words[2] + "\n")
	}
	out, err := gitWith(ctx, r.tree, objects.String(), maxRevision, "cat-file", "--batch")
	if err != nil {
		return nil, err
	}
	texts := map[string]string{}
	for _, name := range names {
		head, rest, _ := strings.Cut(out, "\n") // OBJECT blob SIZE
		words := strings.Fields(head)
		size := -1
		if len(words) == 3 {
			size, err = strconv.Atoi(words[2])
		}
		if err != nil || size < 0 || size >= len(rest) {
			return nil, fmt.Errorf("git cat-file: %.60q is not what it says of a file", head)
		}
		texts[name], out = rest[:size], rest[size+1:]
	}
	return texts, nil
}

// sayFromDisk says which files of a revision's policy are not of it.
func sayFromDisk(w io.Writer, name string, r *revision, profiles []*apparmor.Profile) {
	dirs := map[string]bool{}
	for _, p := range profiles {
		for _, file := range p.Policy.Files {
			if file.Builtin == "" && !strings.HasPrefix(file.Name, r.name+":") {
				dirs[filepath.Dir(file.Name)] = true
			}
		}
	}
	if len(dirs) > 0 {
		say(w, "%s includes what the repository does not have: it is read as the disk has it now, below %s", escape.Name(name), escape.Name(strings.Join(slices.Sorted(maps.Keys(dirs)), ", ")))
	}
}

// gitTime is how long one command of git may take.
const gitTime = 30 * time.Second

// git returns what a command of git prints in a directory, "" for the current one: at most
// as much as a policy file may hold.
func git(ctx context.Context, dir string, args ...string) (string, error) {
	return gitWith(ctx, dir, "", rules.MaxFile, args...)
}

// gitWith is git with an input, and at most so many bytes.
func gitWith(ctx context.Context, dir, stdin string, most int, args ...string) (string, error) {
	ctx, stop := context.WithTimeout(ctx, gitTime)
	defer stop()
	stdout := limitedText{most: most}
	var stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, "git", args...)
	cmd.Dir = dir
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &stdout, &stderr
	err := program.Run(cmd, program.Limits{CPU: gitTime})
	switch {
	case stdout.over:
		return "", fmt.Errorf("git %s: more than %d MiB, which no policy has", strings.Join(args, " "), most>>20)
	case err != nil:
		first, _, _ := strings.Cut(strings.TrimSpace(stderr.String()), "\n")
		return "", fmt.Errorf("git %s: %w: %s", strings.Join(args, " "), err, first)
	}
	return stdout.String(), nil
}

// A limitedText keeps what is written to it, and refuses more than some bytes.
type limitedText struct {
	strings.Builder
	most int
	over bool
}

func (t *limitedText) Write(b []byte) (int, error) {
	if t.Len()+len(b) > t.most {
		t.over = true
		return 0, errors.New("too large")
	}
	return t.Builder.Write(b)
}
