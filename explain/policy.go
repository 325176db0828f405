package explain

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/whydenied/whydenied/explain/access"
	"github.com/whydenied/whydenied/explain/container"
	"github.com/whydenied/whydenied/rules"
	"github.com/whydenied/whydenied/rules/apparmor"
	"github.com/whydenied/whydenied/rules/seccomp"
)

// A Policy is where the sources of profiles are found: files that the user
// named, a directory, what the inventory holds, and the profiles built into
// container runtimes. It reads a file when a denial first asks for it, and
// serves one goroutine at a time.
type Policy struct {
	// Arch, Caps and Kernel are of the host and the container, for what neither
	// the records nor the inventory say: Caps as "CAP_SYS_ADMIN", Kernel as "6.1".
	// Their zero values are unknown.
	Arch   seccomp.Arch
	Caps   []string
	Kernel string
	// Engines are the versions of container engines by name, where they are
	// known: they decide which built-in profiles hold.
	Engines map[string]string
	// Compile, if it is set, starts to compile the text of a policy file with
	// apparmor_parser, with the text of some included files in place of theirs, by
	// name. wait returns why it is refused, or nil. wait itself is nil where that
	// cannot be told.
	Compile func(name, text string, included map[string]string) (wait func() error)

	tree     *rules.Tree // where all but what the user names is read
	dir      string
	loader   *apparmor.Loader // keeps what files include, which most share
	named    []*apparmor.Policy
	byFile   map[string]*apparmor.Policy // loaded from dir
	dirFiles []dirFile
	indexed  bool
	problems map[*apparmor.Policy][]rules.Diagnostic

	abstractions []*abstraction         // of dir; nil until they are read
	proved       map[string]remedies    // by profile and access; see remediesOf
	provedCalls  map[string][]rules.Fix // by seccomp profile and call

	seccomp   *seccomp.Profile
	seccompBy map[string]*seccomp.Profile // from the inventory, by file name or text
	origins   map[string]origin           // of those, by profile and container
}

// dirFile is one file of the profile directory with its text.
type dirFile struct{ name, text string }

// NewPolicy returns a policy that reads AppArmor profiles from dir, such as
// /etc/apparmor.d, and looks for included files in the include directories and
// in dir.
func NewPolicy(dir string, include []string) *Policy { return NewPolicyIn(nil, dir, include) }

// NewPolicyIn is NewPolicy for a copy of another machine's files: dir, include
// and what the inventory names are names there.
func NewPolicyIn(tree *rules.Tree, dir string, include []string) *Policy {
	return &Policy{
		tree:      tree,
		dir:       dir,
		loader:    &apparmor.Loader{Tree: tree, Include: append(slices.Clip(include), dir)},
		byFile:    map[string]*apparmor.Policy{},
		problems:  map[*apparmor.Policy][]rules.Diagnostic{},
		seccompBy: map[string]*seccomp.Profile{},
		origins:   map[string]origin{},

		proved:      map[string]remedies{},
		provedCalls: map[string][]rules.Fix{},
	}
}

// AddProfile loads an AppArmor policy file that the user named; its profiles go
// before those of the directory. The diagnostics say what of it could not be
// read.
func (p *Policy) AddProfile(name string) ([]rules.Diagnostic, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("cannot read the profile: %w", err)
	}
	return p.UseProfile(rules.NewFile(name, string(text))), nil
}

// UseProfile is AddProfile for a file that has been read.
func (p *Policy) UseProfile(file *rules.File) []rules.Diagnostic {
	loaded, diagnostics := p.load(file)
	p.named = append(p.named, loaded)
	return diagnostics
}

// AddSeccomp reads the seccomp profile that the user named; it holds for every
// process whose own is not known from the inventory.
func (p *Policy) AddSeccomp(name string) ([]rules.Diagnostic, error) {
	profile, diagnostics, err := seccomp.Load(name)
	if err == nil {
		p.seccomp = profile
	}
	return diagnostics, err
}

// UseSeccomp is AddSeccomp for a file that has been read.
func (p *Policy) UseSeccomp(file *rules.File) ([]rules.Diagnostic, error) {
	profile, diagnostics, err := seccomp.Parse(file)
	if err == nil {
		p.seccomp = profile
	}
	return diagnostics, err
}

func (p *Policy) load(file *rules.File) (*apparmor.Policy, []rules.Diagnostic) {
	policy, diagnostics := p.loader.Load(file)
	p.problems[policy] = errorsOf(diagnostics)
	return policy, diagnostics
}

func errorsOf(diagnostics []rules.Diagnostic) []rules.Diagnostic {
	var errors []rules.Diagnostic
	for _, d := range diagnostics {
		if d.Severity == rules.Error {
			errors = append(errors, d)
		}
	}
	return errors
}

// profile returns the profile of that name as its source has it, or nil: from
// the files the user named, else from the directory, else from those built into
// runtimes. Learning profiles (a//null-...) are looked up as their parent.
func (p *Policy) profile(name string) *apparmor.Profile {
	name, _, _ = strings.Cut(name, access.Learning)
	if name == "" {
		return nil
	}
	for _, policy := range p.named {
		if profile := policy.Profile(name); profile != nil {
			return profile
		}
	}
	if profile := p.inDirectory(name); profile != nil {
		return profile
	}
	file, ok := apparmor.BuiltinVersion(name, p.Engines[engineOf(name)])
	if !ok {
		file, ok = apparmor.Builtin(name)
	}
	if !ok {
		return nil
	}
	policy := p.byFile[file.Name]
	if policy == nil {
		policy = p.loadBuiltin(file)
		p.byFile[file.Name] = policy
	}
	return policy.Profile(name)
}

// includeTunables is how the engines write the include of tunables/global.
var includeTunables = regexp.MustCompile(`(?m)^#?include <tunables/global>`)

// loadBuiltin reads the profile that a container engine generates. Where
// tunables/global is missing it has @{PROC}=/proc/ in its place, as engines write
// it on such a host (macroExists in github.com/moby/profiles/apparmor,
// containerd's contrib/apparmor and containers/common's pkg/apparmor).
func (p *Policy) loadBuiltin(file *rules.File) *apparmor.Policy {
	policy, diagnostics := p.load(file)
	if !slices.ContainsFunc(diagnostics, func(d rules.Diagnostic) bool { return strings.Contains(d.Message, "tunables/global") }) {
		return policy
	}
	delete(p.problems, policy)
	plain := rules.NewFile(file.Name, includeTunables.ReplaceAllLiteralString(file.Text, "@{PROC}=/proc/"))
	plain.Builtin = file.Builtin
	policy, _ = p.load(plain)
	return policy
}

// inDirectory looks for a profile in the profile directory. Only files that may
// define it are parsed, as most systems keep many and a log names few.
func (p *Policy) inDirectory(name string) *apparmor.Profile {
	p.index()
	parent, _, _ := strings.Cut(name, "//")
	word := parent[strings.LastIndexByte(parent, '/')+1:]
	for _, f := range p.dirFiles {
		if !mayDefine(f.text, word) {
			continue
		}
		policy := p.byFile[f.name]
		if policy == nil {
			policy, _ = p.load(rules.NewFile(f.name, f.text))
			p.byFile[f.name] = policy
		}
		if profile := policy.Profile(name); profile != nil {
			return profile
		}
	}
	return nil
}

// profileName finds the names in the headers of profiles.
var profileName = regexp.MustCompile(`(?m)^[ \t]*profile[ \t]+("[^"\n]+"|[^\s"{]+)`)

// nearest returns the profile whose name is most like one that is not defined, and
// the file that defines it; "" if there is none.
func (p *Policy) nearest(name string) (near, file string) {
	p.index()
	files := map[string]string{}
	for _, f := range p.dirFiles {
		for _, m := range profileName.FindAllStringSubmatch(f.text, -1) {
			files[strings.Trim(m[1], `"`)] = f.name
		}
	}
	for _, policy := range p.named {
		for _, profile := range policy.Profiles {
			files[profile.FullName()] = profile.At.File.Name
		}
	}
	near = apparmor.Nearest(name, slices.Collect(maps.Keys(files)))
	return near, files[near]
}

// mayDefine reports whether a policy's text may define a profile whose name ends
// in word: whether a line that can be a profile's header holds it.
func mayDefine(text, word string) bool {
	if word == "" { // a name that ends in a slash, or none
		return true
	}
	for rest := text; ; {
		i := strings.Index(rest, word)
		if i < 0 {
			return false
		}
		start := strings.LastIndexByte(rest[:i], '\n') + 1
		end := len(rest)
		if n := strings.IndexByte(rest[i:], '\n'); n >= 0 {
			end = i + n
		}
		if isHeader(strings.TrimSpace(rest[start:end])) {
			return true
		}
		rest = rest[end:]
	}
}

// isHeader reports whether a line can be a profile's header: it says profile,
// or opens a block that is no alternation of a path.
func isHeader(line string) bool {
	return strings.HasPrefix(line, "profile") || strings.HasSuffix(line, "{") ||
		strings.Contains(line, " {") || strings.Contains(line, "\t{") || strings.Contains(line, "){")
}

// index reads the files of the directory, and of its subdirectory containers,
// where the profiles of containers are kept by custom. A directory that is not
// there has no profiles.
func (p *Policy) index() {
	if p.indexed {
		return
	}
	p.indexed = true
	for _, dir := range []string{p.dir, p.tree.Join(p.dir, "containers")} {
		files, _ := p.tree.List(dir)
		for _, base := range files {
			if apparmor.IgnoredFile(base) {
				continue
			}
			name := p.tree.Join(dir, base)
			if text, err := p.tree.ReadFile(name); err == nil {
				p.dirFiles = append(p.dirFiles, dirFile{name, text})
			}
		}
	}
}

// seccompProfile returns the seccomp profile that a finding's process runs
// under, as seccompOf does.
func (p *Policy) seccompProfile(f *Finding) (profile *seccomp.Profile, name string) {
	return p.seccompOf(f.Container, f.Denial.Subject.Label, seccomp.Arch(f.Denial.Seccomp.Arch))
}

// seccompOf returns the seccomp profile of a container's process with an AppArmor
// label, and what it is called: the container's own, or the one that it was made
// of, which the user named or is built in; else the one the user named, else the
// default of the runtime that the label gives away. It returns nil and the reason
// if none is known.
func (p *Policy) seccompOf(c container.Container, label string, arch seccomp.Arch) (profile *seccomp.Profile, name string) {
	if c.SeccompProfile != "" {
		own, name := p.containerSeccomp(c)
		if own == nil || own.Form != seccomp.OCI {
			return own, name
		}
		return p.origin(own, name, p.callIn(c, arch))
	}
	if p.seccomp != nil {
		return p.seccomp, p.seccomp.File.Name
	}
	engine := c.Runtime
	if engine == "" {
		engine = engineOf(label)
	}
	if engine == "" {
		return nil, "the record does not say which seccomp profile is in force; name it with --seccomp, or the containers with --inventory"
	}
	builtin, full, ok := seccomp.Builtin(engine, cmp.Or(c.EngineVersion, p.Engines[engine]))
	if !ok {
		return nil, "the default seccomp profile of " + engine + " is not known here; name it with --seccomp"
	}
	return builtin, full
}

// origin returns the profile that a container's filter was made of, that of the user
// or a built-in one, or the filter itself where that is not known. It is looked for
// once.
func (p *Policy) origin(own *seccomp.Profile, name string, call seccomp.Call) (*seccomp.Profile, string) {
	key := fmt.Sprintf("%p %v %v %v", own, call.Arch, call.Caps, call.Kernel)
	found, known := p.origins[key]
	if !known {
		if p.seccomp != nil && own.MadeOf(p.seccomp, call) {
			found = origin{p.seccomp, p.seccomp.File.Name}
		} else if of, ofName, ok := own.Origin(call); ok {
			found = origin{of, ofName + ", which the container's filter was made of"}
		}
		p.origins[key] = found
	}
	if found.profile == nil {
		return own, name
	}
	return found.profile, found.name
}

// An origin is a profile, nil if there is none, and what it is called.
type origin struct {
	profile *seccomp.Profile
	name    string
}

// containerSeccomp returns the profile that the inventory gives for a
// container: the text of one, or the name of a file.
func (p *Policy) containerSeccomp(c container.Container) (*seccomp.Profile, string) {
	source := c.SeccompProfile
	if source == "unconfined" {
		return nil, "the inventory says that the container has no seccomp profile"
	}
	if profile := p.seccompBy[source]; profile != nil {
		return profile, profile.File.Name
	}
	name := c.SeccompFile
	if name == "" {
		name = "seccomp profile of container " + cmp.Or(c.Name, c.ID)
	}
	file := rules.NewFile(name, source)
	switch text := strings.HasPrefix(strings.TrimSpace(source), "{"); {
	case text && p.seccomp != nil && sameJSON(source, p.seccomp.File.Text):
		p.seccompBy[source] = p.seccomp
		return p.seccomp, p.seccomp.File.Name
	case !text:
		text, err := p.tree.ReadFile(source)
		if err != nil && p.seccomp != nil {
			return p.seccomp, p.seccomp.File.Name
		}
		if err != nil {
			return nil, fmt.Sprintf("the container's seccomp profile %s is not on this machine; name its file with --seccomp", source)
		}
		file = rules.NewFile(source, text)
	}
	profile, _, err := seccomp.Parse(file)
	if err != nil {
		return nil, err.Error()
	}
	p.seccompBy[source] = profile
	return profile, file.Name
}

// sameJSON reports whether texts differ in space alone: docker inspect has the text
// of --security-opt seccomp=FILE without any.
func sameJSON(a, b string) bool {
	var compactA, compactB bytes.Buffer
	return json.Compact(&compactA, []byte(a)) == nil && json.Compact(&compactB, []byte(b)) == nil && bytes.Equal(compactA.Bytes(), compactB.Bytes())
}

// engineOf returns the container engine whose default AppArmor profile a label
// names, or "".
func engineOf(label string) string {
	switch {
	case label == "docker-default":
		return "docker"
	case label == "cri-containerd.apparmor.d":
		return "containerd"
	case strings.HasPrefix(label, "containers-default-"):
		return "podman"
	case label == "crio-default":
		return "cri-o"
	}
	return ""
}
