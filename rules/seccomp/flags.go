package seccomp

import (
	"slices"

	"github.com/whydenied/whydenied/rules"
)

// flagsSince are the first releases of engines that give the runtime the flags of a
// profile; older ones drop them in silence. From the engines' release tags: Seccomp of
// moby's profiles/seccomp has had the fields of specs.LinuxSeccomp since 23.0, and
// containers-common's loader copies flags since 0.48, which Podman 4.1 and CRI-O 1.25
// took. containerd hands a file on as it is.
var flagsSince = map[string]string{
	"docker": "23.0.0", "containerd": "", "podman": "4.1.0", "cri-o": "1.25.0", "containers-common": "0.48.0",
}

// TakesFlags reports whether an engine of a version gives the runtime the flags of a
// profile, and since which release it does, "" for all; known is false for another
// engine, or where the version is needed and is none.
func TakesFlags(engine, version string) (takes bool, since string, known bool) {
	releases, ok := rules.FindReleases(engine, version)
	if !ok {
		return false, "", false
	}
	since = flagsSince[releases.Engine]
	numbers := rules.VersionNumbers(version)
	if since == "" {
		return true, since, true
	}
	return slices.Compare(numbers, rules.VersionNumbers(since)[:min(max(len(numbers), 1), 3)]) >= 0, since, numbers != nil
}
