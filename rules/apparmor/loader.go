package apparmor

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/whydenied/whydenied/rules"
	"github.com/whydenied/whydenied/rules/disk"
)

// Limits on policy. What people write stays far below them; policy that includes
// itself through a child profile, or is made to exhaust memory, meets them. What is
// within them takes less than 256 MB.
const (
	maxTokens       = 160_000  // of one file, and of all that a Loader's files include
	maxIncluded     = 16 << 20 // bytes of all included files of a Loader
	maxIncludeDepth = 50
	maxIncludes     = 20_000 // include statements followed
	maxRules        = 50_000 // rules of all profiles of a policy together
	maxProfiles     = 10_000 // of a policy
	maxDiagnostics  = 10_000
)

// A Loader reads policy files and what they include. It reads and parses each
// included file once, and serves one goroutine at a time.
type Loader struct {
	// Include is the search path of <magic> includes and abi files, in order;
	// nil means /etc/apparmor.d. apparmor_parser searches the directories of
	// -I first, then that of -b.
	Include []string
	// Allow are directories below which files may be included, besides those of
	// Include, /etc/apparmor.d and the directory of the policy file itself. Below it
	// and these, only what parses as policy is. Other files are not read.
	Allow []string
	// Tree is where files are read; nil is this machine's disk.
	Tree *rules.Tree
	// Overlay replaces the text of files by name, so that an edit can be tried
	// before it is written.
	Overlay map[string]string
	// Target is what policy is read for; its zero value is not known.
	Target Target

	parsed   map[string]*parsedFile
	included int                 // bytes of the parsed files
	tokens   int                 // of the parsed files
	globs    map[globKey]bool    // that are known to be well formed
	matchers map[string]*matcher // of patterns with variables, by what those become
	sets     *patternSets
	reaches  map[string]reach // by the directory of policy files
}

// A globKey is a glob as it is checked: some match NUL.
type globKey struct {
	text string
	nul  bool
}

// A parsedFile is a file with its statements, and what was wrong with it.
type parsedFile struct {
	file  *rules.File
	stmts []statement
	diags []rules.Diagnostic
	// constructs are what not every apparmor_parser reads of the file.
	constructs []Construct
	err        error    // the file cannot be read
	dir        []string // the files of a directory
}

// With returns a loader that reads the texts of overlay in place of those files,
// and keeps what this one has parsed of all others.
func (l *Loader) With(overlay map[string]string) *Loader {
	other := &Loader{Include: l.Include, Allow: l.Allow, Tree: l.Tree, Target: l.Target, Overlay: maps.Clone(l.Overlay), parsed: maps.Clone(l.parsed), included: l.included, tokens: l.tokens, globs: l.globs, matchers: l.matchers, sets: l.sets, reaches: l.reaches}
	if other.Overlay == nil {
		other.Overlay = map[string]string{}
	}
	for name, text := range overlay {
		other.Overlay[name] = text
		delete(other.parsed, name)
		delete(other.parsed, filepath.Dir(name)) // a listing, which may lack it
	}
	return other
}

// LoadFile reads the named file and loads it. The error is of reading that file
// alone; everything else is a diagnostic.
func (l *Loader) LoadFile(name string) (*Policy, []rules.Diagnostic, error) {
	text, ok := l.Overlay[name]
	if !ok && l.Tree == nil {
		content, err := disk.ReadNamed(name, rules.MaxFile)
		if err != nil {
			return nil, nil, err
		}
		text = string(content)
	} else if !ok {
		var err error
		if text, err = l.Tree.ReadFile(name); err != nil {
			return nil, nil, err
		}
	}
	p, diags := l.Load(rules.NewFile(name, text))
	return p, diags, nil
}

// Load parses a policy file with all that it includes, and resolves variables,
// conditionals and qualifier blocks. The policy holds everything that could be
// read; apparmor_parser refuses the file if any diagnostic is an Error.
func (l *Loader) Load(file *rules.File) (*Policy, []rules.Diagnostic) {
	if text, ok := l.Overlay[file.Name]; ok && text != file.Text {
		file = rules.NewFile(file.Name, text)
	}
	if len(l.globs) > maxRules || l.globs == nil {
		l.globs = map[globKey]bool{}
	}
	if len(l.matchers) > maxRules || l.matchers == nil {
		l.matchers = map[string]*matcher{}
	}
	if l.sets == nil {
		l.sets = &patternSets{}
	}
	root, tokens := parse(file, maxTokens)
	r := &resolver{
		loader:   l,
		reach:    l.reachOf(file),
		globs:    l.globs,
		matchers: l.matchers,
		policy:   &Policy{Target: l.Target, sets: l.sets},
		symbols:  symbols{vars: map[string]*variable{}, bools: map[string]bool{}},
		reported: map[problem]bool{},
		names:    map[scopedName]*Profile{},
		seen:     map[*rules.File]bool{},
	}
	r.enter(root)
	r.preamble(root.stmts, scope{included: map[string]bool{}})
	r.profiles()
	r.policy.Variables = r.symbols.values()
	r.versions()
	r.policy.spent = spent{len(r.diags) == 0, tokens, r.rules, r.expanded}
	r.policy.versioned.load = func(t Target) *Policy {
		p, _ := l.For(t).Load(file)
		return p
	}
	return r.policy, r.diags
}

// read returns the text of a file, from the overlay if it is there.
func (l *Loader) read(name string, at found) (string, error) {
	if text, ok := l.Overlay[name]; ok {
		return text, nil
	}
	if at.dir != "" {
		text, err := disk.ReadBelow(at.dir, at.real, rules.MaxFile)
		return string(text), err
	}
	return l.Tree.ReadFile(name)
}

// open returns a file or directory as parsed before, or reads it.
func (l *Loader) open(name string, at found) *parsedFile {
	if f := l.parsed[name]; f != nil {
		return f
	}
	f := &parsedFile{}
	if l.Tree.IsDir(name) {
		f.dir, f.err = l.list(name)
	} else if text, err := l.read(name, at); err != nil {
		f.err = err
	} else if l.included += len(text); l.included > maxIncluded {
		f.err = fmt.Errorf("the included files are larger than %d MiB together; include fewer", maxIncluded>>20)
	} else {
		tokens := 0
		f, tokens = parse(rules.NewFile(name, text), maxTokens-l.tokens)
		l.tokens += tokens
	}
	if l.parsed == nil {
		l.parsed = map[string]*parsedFile{}
	}
	l.parsed[name] = f
	return f
}

// list returns the files of an include directory that the parser reads, sorted.
func (l *Loader) list(dir string) ([]string, error) {
	files, err := l.Tree.List(dir)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, name := range files {
		if !IgnoredFile(name) {
			names = append(names, dir+"/"+name)
		}
	}
	for name := range l.Overlay {
		if filepath.Dir(name) == filepath.Clean(dir) && !IgnoredFile(filepath.Base(name)) && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names, nil
}

// ignoredSuffixes mark backups and leftovers of package managers, which an
// included directory may hold (_aa_is_blacklisted of libapparmor 3.0).
var ignoredSuffixes = [...]string{".dpkg-new", ".dpkg-old", ".dpkg-dist", ".dpkg-bak", ".dpkg-remove",
	".pacsave", ".pacnew", ".rpmnew", ".rpmsave", ".orig", ".rej", "~"}

// IgnoredFile reports whether apparmor_parser passes over a file of that name,
// without its directory, when it reads a directory.
func IgnoredFile(name string) bool {
	if strings.HasPrefix(name, ".") || name == "README" {
		return true
	}
	return slices.ContainsFunc(ignoredSuffixes[:], func(s string) bool { return strings.HasSuffix(name, s) })
}

// PolicyFiles returns the names of the files of a directory that apparmor_parser reads:
// not those below it, such as abstractions. tree is where the directory is, nil for
// this machine's disk.
func PolicyFiles(tree *rules.Tree, dir string) (names []string, err error) {
	files, err := tree.List(dir)
	for _, name := range files {
		if !IgnoredFile(name) {
			names = append(names, tree.Join(dir, name))
		}
	}
	return names, err
}

// candidates returns the names of an include or abi file: on the search path for
// <magic>, else as it stands, relative to the working directory.
func (r *resolver) candidates(path string, magic bool) []string {
	if !magic {
		return []string{path}
	}
	dirs := r.loader.Include
	if dirs == nil {
		dirs = []string{rules.SystemPolicy}
	}
	names := make([]string, len(dirs))
	for i, dir := range dirs {
		names[i] = strings.TrimSuffix(dir, "/") + "/" + path
	}
	return names
}

// find returns the first name of an include file that can be opened; of one that is
// not on the search path, also what is wrong with it.
func (r *resolver) find(path string, magic bool) (string, *parsedFile) {
	for _, name := range r.candidates(path, magic) {
		if f := r.open(name); f.err == nil || !magic {
			return name, f
		}
	}
	return "", nil
}
