package main

import (
	"context"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/whydenied/whydenied/explain/escape"
	"github.com/whydenied/whydenied/explain/report"
)

// onDisk is the version of a policy that is in no commit: that of the disk.
const onDisk = ""

// A gitHistory is what git knows of the versions of a policy file or directory. A version is
// called COMMIT:PATH, with the path from the root of the work tree.
type gitHistory struct {
	dir  string // in the work tree
	name string // of the policy on the disk; "" if the last version is a commit's
	last string // version
	head string // the first version that is a commit's; "" if there is none

	shallow bool // git does not have older commits

	// searched are the pathspecs of directories of the repository that included files are looked
	// for in: commits that changed these are versions, too.
	searched []string

	versions map[string]*gitVersion
}

// A gitVersion is what a commit made of a policy.
type gitVersion struct {
	report.Commit
	path    string
	parents []string
}

// openHistory finds the versions of a policy: a file or directory, or one of a revision,
// REV:PATH. Included files are looked for in the directories of search.
func openHistory(ctx context.Context, name string, search []string) (*gitHistory, error) {
	h := &gitHistory{versions: map[string]*gitVersion{}}
	rev, in, isRevision := strings.Cut(name, ":")
	info, err := os.Stat(name)
	switch {
	case err == nil:
		rev, h.name = "HEAD", name
		if h.dir, err = filepath.EvalSymlinks(name); err != nil {
			return nil, err
		}
		if in = ""; !info.IsDir() {
			h.dir, in = filepath.Dir(h.dir), filepath.Base(h.dir)
		}
	case !isRevision || rev == "" || rev[0] == '-': // which git would take for an option
		return nil, err
	}
	if h.name != "" || strings.HasPrefix(in, ".") {
		prefix, err := git(ctx, h.dir, "rev-parse", "--show-prefix")
		if err != nil {
			return nil, err
		}
		in = path.Join(strings.TrimSuffix(prefix, "\n"), in)
	}
	if h.name != "" {
		h.last = onDisk
		if _, err := git(ctx, h.dir, "rev-parse", "--quiet", "--verify", rev); err != nil {
			return h, nil // nothing is committed yet
		}
	}
	top, err := git(ctx, h.dir, "rev-parse", "--show-toplevel")
	if err != nil {
		return nil, err
	}
	for _, dir := range search {
		if in, ok := below(strings.TrimSuffix(top, "\n"), dir); ok {
			h.searched = append(h.searched, ":(top,literal)"+in)
		}
	}
	if h.head, err = h.read(ctx, rev, in); err != nil {
		return nil, err
	}
	if h.name == "" {
		h.last = h.head
	}
	if h.name == "" && h.head == "" {
		return nil, fmt.Errorf("git has no version of %s", escape.Name(name))
	}
	shallow, err := git(ctx, h.dir, "rev-parse", "--is-shallow-repository")
	h.shallow = strings.TrimSpace(shallow) == "true"
	return h, err
}

// read reads the commits up to a revision that changed a path or what is searched, and returns the last version.
// Merges of which no side is as they left it are among them, and parents are the last ones
// before that changed it.
func (h *gitHistory) read(ctx context.Context, rev, in string) (last string, err error) {
	const fields = 5
	args := append([]string{"-c", "log.follow=false", "-c", "log.showSignature=false", "log", "-z", "--encoding=UTF-8", "--simplify-merges", "--parents",
		"--format=%H%x00%P%x00%an%x00%aI%x00%s", rev, "--", ":(top,literal)" + in}, h.searched...)
	out, err := git(ctx, h.dir, args...)
	if err != nil || out == "" {
		return "", err
	}
	list := strings.Split(strings.TrimSuffix(out, "\x00"), "\x00")
	for ; len(list) >= fields; list = list[fields:] {
		v := &gitVersion{Commit: report.Commit{ID: list[0], Author: list[2], Time: list[3], Subject: list[4]}, path: in}
		for parent := range strings.FieldsSeq(list[1]) {
			v.parents = append(v.parents, parent+":"+in)
		}
		key := v.ID + ":" + in
		h.versions[key] = v
		if last == "" {
			last = key
		}
	}
	return last, nil
}

// parents returns the versions that one was made of: where a commit gave the policy its name,
// the last under the name before.
func (h *gitHistory) parents(ctx context.Context, version string) ([]string, error) {
	if version == onDisk {
		if h.head == "" {
			return nil, nil
		}
		return []string{h.head}, nil
	}
	v := h.versions[version]
	if v.path == "" || len(v.parents) > 0 && h.has(ctx, v.parents[0]) {
		return v.parents, nil
	}
	out, err := git(ctx, h.dir, "diff-tree", "--root", "-r", "-M", "-z", "--no-commit-id", "--name-status", "--diff-filter=R", v.ID)
	if err != nil {
		return nil, err
	}
	list := strings.Split(out, "\x00")
	for ; len(list) >= 3; list = list[3:] {
		before, ok := renamed(v.path, list[1], list[2])
		if !ok {
			continue
		}
		last, err := h.read(ctx, v.ID+"^", before)
		if err != nil || last == "" {
			return nil, err
		}
		v.parents = []string{last}
		break
	}
	return v.parents, nil
}

// has reports whether a version has the policy, which a commit of what is searched may not.
func (h *gitHistory) has(ctx context.Context, version string) bool {
	_, err := git(ctx, h.dir, "cat-file", "-e", version)
	return err == nil
}

// renamed returns what a file or directory was called before one file was given another name.
func renamed(name, from, to string) (before string, ok bool) {
	if to == name {
		return from, true
	}
	rest, below := strings.CutPrefix(to, name+"/")
	if !below {
		return "", false
	}
	return strings.CutSuffix(from, "/"+rest)
}

// files returns the policy files of a version.
func (h *gitHistory) files(ctx context.Context, version string) (side, error) {
	if version == onDisk {
		return readSide(ctx, h.name)
	}
	v := h.versions[version]
	return readRevision(ctx, h.dir, v.Short()+":"+v.path)
}

// commit returns the commit of a version, nil of that on the disk.
func (h *gitHistory) commit(version string) *report.Commit {
	if version == onDisk {
		return nil
	}
	return &h.versions[version].Commit
}
