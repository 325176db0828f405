// Package library knows where profiles come from: files that the user names, a
// directory such as /etc/apparmor.d, what the inventory holds of a container, the
// profiles built into container runtimes, and what is made of them. It reads policy
// files and nothing else.
//
// A file that the user names and that cannot be read is an error; in a file that can,
// what is wrong is told as diagnostics, and the rest of it is used. What nobody named
// and is not there is simply not found.
package library

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/whydenied/whydenied/explain/container"
	"github.com/whydenied/whydenied/rules"
	"github.com/whydenied/whydenied/rules/apparmor"
	"github.com/whydenied/whydenied/rules/apparmor/binary"
	"github.com/whydenied/whydenied/rules/seccomp"
)

// A Library has the profiles that may have been in force. It reads a file when it is
// first asked for, and serves one goroutine at a time.
type Library struct {
	// Arch, Caps and Kernel are of the host and the container, for what neither
	// the records nor the inventory say: Caps as "CAP_SYS_ADMIN", Kernel as "6.1".
	// Their zero values are unknown.
	Arch   seccomp.Arch
	Caps   []string
	Kernel string
	// SeccompLoader is what made filters of seccomp profiles, where the inventory
	// does not say.
	SeccompLoader seccomp.Loader
	// Parser is the version of this host's apparmor_parser, "" if there is none or it
	// is not known. Versions are those for which Lint says whether they take a file.
	Parser   string
	Versions []string
	// Engines are the versions of container engines by name, where they are
	// known: they decide which built-in profiles hold.
	Engines map[string]string
	// Loader reads policy, and keeps what files include, which most share.
	Loader *apparmor.Loader

	// Root is that of the host whose kernel holds the profiles loaded:NAME; "" is this
	// host's, or that of the tree.
	Root string

	kernel   bool // see UseKernel
	hosts    []container.Host
	runtimes []container.Host    // see UseRuntimes
	loaded   map[string][]string // see UseLoaded
	tree     *rules.Tree         // where all but what the user names is read
	dir      string
	named    []namedPolicy
	byFile   map[string]*apparmor.Policy // loaded from dir
	dirFiles []dirFile
	indexed  bool
	problems map[*apparmor.Policy][]rules.Diagnostic
	rules    int    // of the policies that were loaded
	text     int    // bytes of their files
	unread   string // see Unread

	abstractions []Abstraction // of dir; nil until they are read

	seccomp     *seccomp.Profile // that the user named
	seccompName string
	seccompBy   map[string]*seccomp.Profile // from the inventory, by file name or text
	origins     map[string]origin           // of those, by profile and container
}

// SystemProfiles is where AppArmor's own tools keep profiles. It need not exist.
const SystemProfiles = rules.SystemPolicy

// New returns a library that reads AppArmor profiles from dir, such as
// SystemProfiles, and looks for included files in the include directories and
// in dir.
func New(dir string, include []string) *Library { return In(nil, dir, include) }

// In is New for a copy of another machine's files: dir, include and what the
// inventory names are names there.
func In(tree *rules.Tree, dir string, include []string) *Library {
	if !slices.Contains(include, dir) {
		include = append(slices.Clip(include), dir)
	}
	return &Library{
		tree:      tree,
		dir:       dir,
		Loader:    &apparmor.Loader{Tree: tree, Include: include},
		byFile:    map[string]*apparmor.Policy{},
		problems:  map[*apparmor.Policy][]rules.Diagnostic{},
		seccompBy: map[string]*seccomp.Profile{},
		origins:   map[string]origin{},
	}
}

// builtinPrefix begins the name of a profile that is built in: builtin:NAME or
// builtin:NAME@VERSION.
const builtinPrefix = "builtin:"

// IsBuiltin reports whether a name is that of a profile that is built in, and not a
// file's.
func IsBuiltin(name string) bool { return strings.HasPrefix(name, builtinPrefix) }

// An UnknownBuiltin is the error for the name of a profile that is not built in.
type UnknownBuiltin struct{ text string }

func (e *UnknownBuiltin) Error() string { return e.text }

// AddProfile loads an AppArmor policy that the user named: a file, of text or
// compiled, builtin:NAME@VERSION, or loaded:NAME of this host's kernel; its profiles go before those of the directory. The
// diagnostics say what of it could not be read.
func (l *Library) AddProfile(name string) (*apparmor.Policy, []rules.Diagnostic, error) {
	if builtin, ok := strings.CutPrefix(name, builtinPrefix); ok {
		return l.addBuiltin(builtin)
	}
	if loaded, ok := strings.CutPrefix(name, loadedPrefix); ok {
		policy, err := l.readLoaded(loaded)
		return l.addCompiled(name, policy, err)
	}
	text, err := rules.ReadFile(name)
	if err != nil {
		return nil, nil, fmt.Errorf("cannot read the profile: %w", err)
	}
	if binary.Is(text) {
		policy, err := l.UseCompiled(rules.NewFile(name, text))
		return policy, nil, err
	}
	if seccomp.IsProfile(text) {
		return nil, nil, fmt.Errorf("%s is a seccomp profile, and no AppArmor profile: name it by --seccomp", name)
	}
	if kind := kindOf(text); kind != "" {
		return nil, nil, fmt.Errorf("%s is no AppArmor profile: %s", name, kind)
	}
	policy, diagnostics := l.UseProfile(rules.NewFile(name, text))
	return policy, diagnostics, nil
}

// addBuiltin is AddProfile for NAME or NAME@VERSION.
func (l *Library) addBuiltin(name string) (*apparmor.Policy, []rules.Diagnostic, error) {
	profile, version, versioned := strings.Cut(name, "@")
	if !versioned {
		version = l.engineVersion(container.Container{}, container.EngineOf(profile).Name)
	}
	policy := l.builtin(profile, version)
	if policy == nil || versioned && rules.VersionNumbers(version) == nil {
		return nil, nil, &UnknownBuiltin{fmt.Sprintf("no profile %q is built in; there are docker-default, cri-containerd.apparmor.d, crio-default and containers-default-VERSION, each with @VERSION of the engine if need be", name)}
	}
	l.named = append(l.named, namedPolicy{builtinPrefix + name, policy})
	return policy, nil, nil
}

// UseProfile is AddProfile for a file that has been read.
func (l *Library) UseProfile(file *rules.File) (*apparmor.Policy, []rules.Diagnostic) {
	loaded, diagnostics := l.load(file)
	l.named = append(l.named, namedPolicy{file.Name, loaded})
	return loaded, diagnostics
}

// load loads a policy, unless those that were loaded before are too many.
func (l *Library) load(file *rules.File) (*apparmor.Policy, []rules.Diagnostic) {
	if !l.full(file.Name) {
		return l.loadAlways(file)
	}
	file = rules.NewFile(file.Name, "")
	policy := &apparmor.Policy{Files: []*rules.File{file}}
	l.problems[policy] = []rules.Diagnostic{{At: rules.Location{File: file}, Code: "too-many-rules",
		Message: fmt.Sprintf("not read, as the policies before it have more than %d rules or %d MiB; name fewer", maxRules, maxText>>20)}}
	return policy, l.problems[policy]
}

// full reports whether the policies that were loaded are too many for another, and
// notes that it is not read.
func (l *Library) full(name string) bool {
	if l.rules <= maxRules && l.text <= maxText {
		return false
	}
	l.unread = fmt.Sprintf("%s, as the policies that were read before it have more than %d rules or %d MiB", name, maxRules, maxText>>20)
	return true
}

// loadAlways loads what is small: a profile that is built in, and what is made of it.
func (l *Library) loadAlways(file *rules.File) (*apparmor.Policy, []rules.Diagnostic) {
	policy, diagnostics := l.Loader.Load(file)
	l.text += len(file.Text)
	for _, profile := range policy.Profiles {
		l.rules += 1 + len(profile.Rules)
	}
	l.problems[policy] = rules.Errors(diagnostics)
	return policy, diagnostics
}

// Problems returns the errors of a policy, of which part could not be read then.
func (l *Library) Problems(policy *apparmor.Policy) []rules.Diagnostic { return l.problems[policy] }

// Source names where a profile was read, and says of a built-in one why it may not be
// the one in force.
func (l *Library) Source(profile *apparmor.Profile) string {
	file := profile.At.File
	switch {
	case file.Builtin == "":
		return file.Name
	case profile.Policy.Unknown != "":
		return file.Builtin + "; " + profile.Policy.Unknown
	}
	return file.Builtin
}

// Profile returns the profile of that name as its source has it, or nil: from
// the files the user named, else from the directory, else from those built into
// runtimes, as the engine of a container has it, or as any may, see Policy.Others,
// else from this host's kernel, see UseKernel.
// Learning profiles (a//null-...) are looked up as their parent.
func (l *Library) Profile(c container.Container, name string) *apparmor.Profile {
	name, _, _ = strings.Cut(name, apparmor.Learning)
	if name == "" {
		return nil
	}
	for _, policy := range l.named {
		if profile := policy.Profile(name); profile != nil {
			return profile
		}
	}
	if profile := l.inDirectory(name); profile != nil {
		return profile
	}
	if profile := l.ofProduct(name); profile != nil {
		return profile
	}
	if policy := l.builtin(name, l.engineVersion(c, container.EngineOf(name).Name)); policy != nil {
		return policy.Profile(name)
	}
	return l.inThisKernel(name)
}

// builtin returns the policy that an engine of a version makes up, or nil.
func (l *Library) builtin(profile, version string) *apparmor.Policy {
	key := builtinPrefix + profile + "@" + version
	if policy := l.byFile[key]; policy != nil {
		return policy
	}
	texts, unknown := apparmor.Builtins(profile, version)
	if texts == nil {
		return nil
	}
	if in := l.inKernel(profile); in != nil {
		texts, unknown = in, ""
	}
	policy := l.loadBuiltin(texts[0].File)
	if unknown != "" {
		policy.Unknown, policy.Releases = unknown, texts[0].Releases
		for _, t := range texts[1:] {
			other := l.loadBuiltin(t.File)
			other.Unknown, other.Releases = unknown, t.Releases
			policy.Others = append(policy.Others, other)
		}
	}
	l.byFile[key] = policy
	return policy
}

// UseLoaded says of which built-in texts the kernel of this host has one, by profile and
// the texts' names, as its hashes tell. They are the same to the kernel, and go before
// what the engine's version says.
func (l *Library) UseLoaded(texts map[string][]string) { l.loaded = texts }

// inKernel returns the newest text that the kernel has of a profile, if that is known.
func (l *Library) inKernel(profile string) []apparmor.Builtin {
	all, _ := apparmor.Builtins(profile, "")
	for i := range all {
		t := all[(len(all)-i)%len(all)] // the first is the newest that is released
		if slices.Contains(l.loaded[profile], t.Releases.Name) {
			t.File.Builtin += ", which the kernel has by its hash"
			return []apparmor.Builtin{t}
		}
	}
	return nil
}

// includeTunables is how the engines write the include of tunables/global.
var includeTunables = regexp.MustCompile(`(?m)^#?include <tunables/global>`)

// loadBuiltin reads the profile that a container engine generates. Where
// tunables/global is missing it has @{PROC}=/proc/ in its place, as engines write
// it on such a host (macroExists in github.com/moby/profiles/apparmor,
// containerd's contrib/apparmor and containers/common's pkg/apparmor).
func (l *Library) loadBuiltin(file *rules.File) *apparmor.Policy {
	policy, diagnostics := l.loadAlways(file)
	if !slices.ContainsFunc(diagnostics, func(d rules.Diagnostic) bool { return strings.Contains(d.Message, "tunables/global") }) {
		return policy
	}
	delete(l.problems, policy)
	plain := rules.NewFile(file.Name, includeTunables.ReplaceAllLiteralString(file.Text, "@{PROC}=/proc/"))
	plain.Builtin = file.Builtin
	policy, _ = l.loadAlways(plain)
	return policy
}
