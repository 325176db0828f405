package deploy

import (
	"path/filepath"
	"slices"
	"strings"

	"github.com/whydenied/whydenied/explain/container"
	"github.com/whydenied/whydenied/explain/patch"
)

// A workload is what a deployment file has to give to a container so that it
// runs under the profiles of a patch, with the capabilities that are its other half.
type workload struct {
	container container.Container // the zero Container if none is known
	apparmor  string              // name of the profile that it is started under, or ""
	seccomp   string              // file, or ""
	caps      []string            // that it is to be given, without CAP_
}

// workloads returns the containers that a patch concerns, each once, with their
// profiles and capabilities. Those whose containers are unknown come last, together.
func workloads(p *patch.Patch) []workload {
	var known []workload
	var unknown workload
	give := func(containers []container.Container, to func(*workload)) {
		for _, c := range containers {
			i := slices.IndexFunc(known, func(w workload) bool { return w.container.ID == c.ID && w.container.Name == c.Name })
			if i < 0 {
				i = len(known)
				known = append(known, workload{container: c})
			}
			to(&known[i])
		}
		if len(containers) == 0 {
			to(&unknown)
		}
	}
	for _, profile := range p.Profiles {
		give(profile.Containers, func(w *workload) { w.give(profile) })
	}
	for _, c := range p.Capabilities {
		give(c.Containers, func(w *workload) { w.caps = append(w.caps, strings.TrimPrefix(c.Name, "CAP_")) })
	}
	if unknown.apparmor != "" || unknown.seccomp != "" || len(unknown.caps) > 0 {
		known = append(known, unknown)
	}
	return known
}

// give notes a profile. A container is started under a profile, never under a
// child of one.
func (w *workload) give(p patch.Patched) {
	if p.Seccomp {
		w.seccomp = p.File
		return
	}
	if w.apparmor == "" {
		w.apparmor, _, _ = strings.Cut(p.Name, "//")
	}
}

// relativePath returns a file's name as one that is looked up below the file that
// names it, unless it is absolute.
func relativePath(name string) string {
	slash := filepath.ToSlash(name)
	if filepath.IsAbs(name) || strings.HasPrefix(slash, "/") || strings.HasPrefix(slash, "./") || strings.HasPrefix(slash, "../") {
		return slash
	}
	return "./" + slash
}
