package apparmor

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"github.com/whydenied/whydenied/rules"
	"github.com/whydenied/whydenied/rules/disk"
)

// A reach says which files a policy file may include. A profile may be a stranger's,
// who would have us print what we can read and they cannot.
type reach struct {
	policy []string // directories of policy, resolved
	others []string // the file's own, and those of Loader.Allow: what is read there must be policy
	known  map[string]found
}

// A found is what an included name means.
type found struct {
	real, dir string // resolved, and the directory that it is below; "" for links of the system's policy
	policy    bool   // it is in a directory of policy
	err       error
}

// reachOf returns the reach of a file, which is that of all in its directory.
func (l *Loader) reachOf(file *rules.File) reach {
	own := filepath.Dir(file.Name)
	if file.Builtin != "" {
		own = ""
	}
	if r, ok := l.reaches[own]; ok {
		return r
	}
	r := reach{known: map[string]found{}}
	add := func(to *[]string, dir string) {
		dir, err := filepath.Abs(dir)
		if err == nil {
			dir, err = filepath.EvalSymlinks(dir)
		}
		if err == nil {
			*to = append(*to, dir)
		}
	}
	add(&r.policy, rules.SystemPolicy)
	for _, dir := range l.Include {
		if filepath.Clean(dir) != own { // a stranger's directory is searched too when it is checked
			add(&r.policy, dir)
		}
	}
	for _, dir := range l.Allow {
		add(&r.others, dir)
	}
	// Below the root would be everything.
	if abs, err := filepath.Abs(own); own != "" && err == nil && abs != filepath.Dir(abs) {
		add(&r.others, own)
	}
	if l.reaches == nil {
		l.reaches = map[string]reach{}
	}
	l.reaches[own] = r
	return r
}

// find tells what a name means, on this machine's disk.
func (r reach) find(name string) found {
	if f, ok := r.known[name]; ok {
		return f
	}
	f := found{}
	f.real, f.dir, f.err = disk.Resolve(r.policy, name)
	f.policy = f.err == nil
	if errors.Is(f.err, disk.ErrOutside) {
		f.real, f.dir, f.err = disk.Resolve(r.others, name)
	}
	var path *fs.PathError
	switch {
	case errors.As(f.err, &path):
		f.err = &fs.PathError{Op: "open", Path: name, Err: path.Err}
	case errors.Is(f.err, disk.ErrOutside) && strings.HasPrefix(name, rules.SystemPolicy+"/") && filepath.Clean(name) == name:
		f = found{policy: true}
	case errors.Is(f.err, disk.ErrOutside):
		f.err = errOutside
	}
	r.known[name] = f
	return f
}

var (
	errOutside   = errors.New("outside of the directories that are read; --allow-includes names more of them")
	errNotPolicy = errors.New("not AppArmor policy")
)

// open returns a file or directory that the policy includes.
func (r *resolver) open(name string) *parsedFile {
	l := r.loader
	if _, changed := l.Overlay[name]; changed || l.Tree.Has(name) {
		return l.open(name, found{policy: true})
	}
	at := r.reach.find(name)
	if at.err != nil {
		return &parsedFile{err: at.err}
	}
	f := l.open(name, at)
	if f.file == nil || at.policy {
		return f
	}
	// Neither its text nor what could be made of it is shown: it may be anything.
	for _, d := range f.diags {
		if d.Severity == rules.Error {
			return &parsedFile{err: fmt.Errorf("%s: %w", d.At, errNotPolicy)}
		}
	}
	return f
}
