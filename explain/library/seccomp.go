package library

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"strings"

	"github.com/whydenied/whydenied/explain/container"
	"github.com/whydenied/whydenied/rules"
	"github.com/whydenied/whydenied/rules/seccomp"
)

// AddSeccomp reads the seccomp profile that the user named, a file or
// builtin:ENGINE@VERSION, where the version is that of the hosts if it is left out; it
// holds for every process whose own is not known from the inventory. The diagnostics say what a runtime would refuse of it.
func (l *Library) AddSeccomp(name string) ([]rules.Diagnostic, error) {
	if builtin, ok := strings.CutPrefix(name, builtinPrefix); ok {
		engine, version, versioned := strings.Cut(builtin, "@")
		if !versioned {
			version = l.engineVersion(container.Container{}, engine)
		}
		profile, full, ok := seccomp.Builtin(engine, version)
		if !ok {
			return nil, &UnknownBuiltin{fmt.Sprintf("no seccomp profile of %q is built in; there are docker, containerd, podman, cri-o and containers-common, each with @VERSION if need be", engine)}
		}
		l.seccomp, l.seccompName = profile, full
		return nil, nil
	}
	profile, diagnostics, err := seccomp.Load(name)
	if err == nil {
		l.seccomp, l.seccompName = profile, profile.File.Name
	}
	return diagnostics, err
}

// UseSeccomp is AddSeccomp for a file that has been read.
func (l *Library) UseSeccomp(file *rules.File) ([]rules.Diagnostic, error) {
	profile, diagnostics, err := seccomp.Parse(file)
	if err == nil {
		l.seccomp, l.seccompName = profile, file.Name
	}
	return diagnostics, err
}

// ForFilters returns a copy that tells seccomp filters, for another goroutine than that of
// the library.
func (l *Library) ForFilters() *Library {
	c := *l
	c.seccompBy, c.origins = maps.Clone(l.seccompBy), map[string]origin{}
	return &c
}

// NamedSeccomp returns the seccomp profile that the user named, nil if none was, and
// what it is called.
func (l *Library) NamedSeccomp() (profile *seccomp.Profile, name string) {
	return l.seccomp, l.seccompName
}

// Seccomp returns the seccomp profile of a container's process with an AppArmor
// label, and what it is called: the container's own, or the one that it was made
// of, which the user named or is built in; else the one the user named, else the
// default of the runtime that the label gives away. It returns nil and the reason
// if none is known.
func (l *Library) Seccomp(c container.Container, label string, arch seccomp.Arch) (profile *seccomp.Profile, name string) {
	if c.SeccompProfile != "" {
		own, name := l.containerSeccomp(c)
		if own == nil || own.Form != seccomp.OCI {
			return own, name
		}
		return l.origin(own, name, c, l.Call(c, arch))
	}
	if c.Runtime == "" {
		c.Runtime = container.EngineOf(label).Name
	}
	h := l.Host(c)
	if l.Unfiltered(c) {
		return nil, "the pod names no seccompProfile, and the kubelet of its node gives such a pod none (seccompDefault is not set): it is unconfined"
	}
	if l.seccomp != nil {
		return l.seccomp, l.seccompName
	}
	switch {
	case c.SeccompUnset && h.Unset == "":
		return nil, "the pod names no seccompProfile: it is unconfined, unless the kubelet of its node is configured with seccompDefault: true; give its configuration with --inventory, or the profile with --seccomp"
	case c.Runtime == "":
		return nil, "the record does not say which seccomp profile is in force"
	case h.Seccomp != "":
		return l.engineDefault(c, h)
	}
	builtin, full, ok := seccomp.Builtin(c.Runtime, l.engineVersion(c, c.Runtime))
	if !ok {
		return nil, "the default seccomp profile of " + c.Runtime + " is not known here; name it with --seccomp"
	}
	return builtin, full
}

// engineDefault returns the default of an engine that has another than the built-in one.
// Podman's is a file of a package of its own, containers-common.
func (l *Library) engineDefault(c container.Container, h container.Host) (*seccomp.Profile, string) {
	c.SeccompProfile = h.Seccomp
	own, name := l.containerSeccomp(c)
	if own != nil || path.Base(path.Dir(h.Seccomp)) != "containers" {
		return own, name
	}
	builtin, _, _ := seccomp.Builtin("containers-common", "")
	return builtin, builtin.File.Builtin + "; Podman takes it from " + h.Seccomp + ", and which containers-common that is of is not known"
}

// Call returns what is known of any system call in a container, from the inventory
// and what the user said of the host, which goes before.
func (l *Library) Call(c container.Container, arch seccomp.Arch) seccomp.Call {
	h := l.Host(c)
	call := seccomp.Call{Arch: arch, Caps: c.Caps, Kernel: cmp.Or(l.Kernel, h.Kernel), Host: l.Arch, Loader: l.SeccompLoader}
	call.Engine = seccomp.Engine{Name: cmp.Or(c.Runtime, h.Engine), Version: l.engineVersion(c, cmp.Or(c.Runtime, h.Engine))}
	if call.Caps == nil {
		call.Caps = l.Caps
	}
	if call.Host == 0 {
		call.Host, _ = seccomp.ParseArch(h.Arch)
	}
	below := cmp.Or(c.OCIRuntime, h.Runtime)
	if c.Runtime == seccomp.Runc || c.Runtime == seccomp.Crun { // no engine is above it
		below = c.Runtime
		call.Loader.Runtime = c.Runtime
	}
	call.Loader.Runtime = cmp.Or(call.Loader.Runtime, loaderName(below))
	if call.Loader.Runtime == h.Runtime {
		call.Loader.Version = cmp.Or(call.Loader.Version, h.RuntimeVersion)
		call.Loader.Libseccomp = cmp.Or(call.Loader.Libseccomp, h.Libseccomp)
	}
	if call.Loader.Runtime != "" || below == "" {
		l.addInstalled(&call.Loader)
	}
	return call
}

// origin returns the profile that a container's filter was made of, that of the user, a file of
// the kubelet's or a built-in one, or the filter itself where that is not known. It is looked for
// once.
func (l *Library) origin(own *seccomp.Profile, name string, c container.Container, call seccomp.Call) (*seccomp.Profile, string) {
	key := fmt.Sprintf("%p %v %v %v %q %v", own, call.Arch, call.Caps, call.Kernel, c.SeccompFrom, c.Pod != "")
	found, known := l.origins[key]
	if !known {
		if l.seccomp != nil && own.MadeOf(l.seccomp, call) {
			found = origin{l.seccomp, l.seccompName}
		} else if file := l.localhost(own, c, call); file != nil {
			found = origin{file, file.File.Name}
		} else if of, ofName, ok := own.Origin(call); ok {
			found = origin{of, ofName + ", which the container's filter was made of"}
		}
		l.origins[key] = found
	}
	if found.profile == nil {
		return own, name
	}
	return found.profile, found.name
}

// maxLocalhost bounds the kubelet's files that are compared with a filter.
const maxLocalhost = 200

// localhost returns the kubelet's file that a filter was made of: the one that the kubelet named, else the only
// one of all that says the same; nil if there is none here.
func (l *Library) localhost(own *seccomp.Profile, c container.Container, call seccomp.Call) *seccomp.Profile {
	names := []string{c.SeccompFrom}
	switch {
	case c.SeccompFrom != "":
	case c.Pod != "":
		names = l.below(container.KubeletSeccomp, maxLocalhost)
	default:
		return nil
	}
	var found *seccomp.Profile
	for _, name := range names {
		text, err := l.tree.ReadFile(name)
		if err != nil {
			continue
		}
		profile, _, err := seccomp.Parse(rules.NewFile(name, text))
		if err != nil || !own.MadeOf(profile, call) {
			continue
		}
		if found != nil {
			return nil // either may be it
		}
		found = profile
	}
	return found
}

// below lists the files below a directory, at most a number of them.
func (l *Library) below(dir string, most int) []string {
	dirs := []string{dir}
	var files []string
	for len(dirs) > 0 && len(files) < most && len(dirs) < most {
		dir, dirs = dirs[0], dirs[1:]
		names, _ := l.tree.List(dir)
		for _, name := range names {
			files = append(files, path.Join(dir, name))
		}
		inner, _ := l.tree.Dirs(dir)
		for _, name := range inner {
			dirs = append(dirs, path.Join(dir, name))
		}
	}
	return files[:min(len(files), most)]
}

// An origin is a profile, nil if there is none, and what it is called.
type origin struct {
	profile *seccomp.Profile
	name    string
}

// containerSeccomp returns the profile that the inventory gives for a
// container: the text of one, or the name of a file.
func (l *Library) containerSeccomp(c container.Container) (*seccomp.Profile, string) {
	source := c.SeccompProfile
	if source == "unconfined" {
		if c.Runtime == container.Systemd {
			return nil, "the unit has no setting that makes a seccomp filter"
		}
		return nil, "the inventory says that the container has no seccomp profile"
	}
	if profile := l.seccompBy[source]; profile != nil {
		return profile, profile.File.Name
	}
	name := c.SeccompFile
	if name == "" {
		name = "seccomp profile of container " + cmp.Or(c.Name, c.ID)
	}
	file := rules.NewFile(name, source)
	switch text := strings.HasPrefix(strings.TrimSpace(source), "{") || c.Runtime == container.Systemd || strings.Contains(source, "\n"); {
	case text && l.seccomp != nil && sameJSON(source, l.seccomp.File.Text):
		l.seccompBy[source] = l.seccomp
		return l.seccomp, l.seccompName
	case !text:
		text, err := l.tree.ReadFile(source)
		if err != nil && l.seccomp != nil {
			return l.seccomp, l.seccompName
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
	l.seccompBy[source] = profile
	return profile, file.Name
}

// sameJSON reports whether texts differ in space alone: docker inspect has the text
// of --security-opt seccomp=FILE without any.
func sameJSON(a, b string) bool {
	var compactA, compactB bytes.Buffer
	return json.Compact(&compactA, []byte(a)) == nil && json.Compact(&compactB, []byte(b)) == nil && bytes.Equal(compactA.Bytes(), compactB.Bytes())
}
