package deploy

import (
	"path/filepath"
	"slices"
	"strings"

	"github.com/whydenied/whydenied/explain/container"
	"github.com/whydenied/whydenied/explain/patch"
)

// A workload is what a deployment file has to give to a container so that it
// runs under the profiles of a patch.
type workload struct {
	container container.Container // the zero Container if none is known
	apparmor  string              // name of the profile that it is started under, or ""
	seccomp   string              // file, or ""
}

// workloads returns the containers that a patch concerns, each once, with their
// profiles. Profiles whose containers are unknown come last, together.
func workloads(p *patch.Patch) []workload {
	var known []workload
	var unknown workload
	for _, profile := range p.Profiles {
		for _, c := range profile.Containers {
			i := slices.IndexFunc(known, func(w workload) bool { return w.container.ID == c.ID && w.container.Name == c.Name })
			if i < 0 {
				i = len(known)
				known = append(known, workload{container: c})
			}
			known[i].give(profile)
		}
		if len(profile.Containers) == 0 {
			unknown.give(profile)
		}
	}
	if unknown.apparmor != "" || unknown.seccomp != "" {
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
