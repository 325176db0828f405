package seccomp

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/whydenied/whydenied/rules"
)

// A Loader is the program that makes a filter of a profile and loads it, and the
// library that it makes it with. What is not known is "".
type Loader struct {
	Runtime    string // Runc or Crun
	Version    string // of the runtime, as it prints it: "1.1.5+ds1"
	Libseccomp string // as `runc --version` prints it: "2.5.4"
}

// The runtimes that are known to load filters, as Loader names them.
const (
	Runc = "runc"
	Crun = "crun"
)

// ParseRuntime reads the name of a runtime and, after an "@", its version: "runc",
// "runc@1.1.5", "crun@1.8.1".
func ParseRuntime(s string) (l Loader, err error) {
	name, version, versioned := strings.Cut(s, "@")
	if name != Runc && name != Crun {
		return l, fmt.Errorf("unknown runtime %.40q: give runc or crun, and a version after @ if it is known", name)
	}
	if versioned && !IsVersion(version) {
		return l, fmt.Errorf("%.40q is no version of %s, such as 1.1.5", version, name)
	}
	return Loader{Runtime: name, Version: version}, nil
}

// IsVersion reports whether a text starts as a version does, with a number.
func IsVersion(s string) bool { return rules.VersionNumbers(s) != nil }

// The versions of runc that changed what its stub does, from the tags of
// github.com/opencontainers/runc, libcontainer/seccomp/patchbpf/enosys_linux.go.
const (
	stubSince       = "1.0.0-rc93" // there is one, for the architectures that the profile lists
	stubNativeSince = "1.1.15"     // and for the host's own, if it lists it or not
	stubSetupSince  = "1.1.3"      // on s390x it takes 0, which stands for numbers that the kernel does not know
)

// stubbed reports whether the loader puts a stub before the filter, on an
// architecture of the index i, by which calls that are newer than every one that the
// profile names answer ENOSYS. unless is the condition under which it does not, where
// that is open. setup is for 0 on s390x. crun has no stub (src/libcrun/seccomp.c of
// 1.29.1).
func (p *Profile) stubbed(c *Call, i int, setup bool) (s status, unless string) {
	if p.Form.isOwn() {
		return no, ""
	}
	if p.Default.Permits() || p.Default == Trace || c.Loader.Runtime == Crun {
		return no, ""
	}
	since := stubSince
	switch {
	case !p.lists(i, c.Host):
		since = stubNativeSince
	case setup:
		since = stubSetupSince
	}
	switch {
	case c.Loader.Runtime != Runc:
		return maybe, "the filter was loaded by crun, or by runc older than " + since
	case !IsVersion(c.Loader.Version):
		return maybe, "the filter was loaded by runc older than " + since
	case compareVersions(c.Loader.Version, since) < 0:
		return no, ""
	}
	return yes, ""
}

// compareVersions compares two versions: -1 if a is the older one.
func compareVersions(a, b string) int { return slices.Compare(versionOf(a), versionOf(b)) }

// versionOf returns a version of a runtime as numbers that compare as versions
// do, with release candidates before what they become: "1.1.5+ds1", "1.0.0-rc93",
// "1.0.0~rc6+dfsg1". It returns nil if there is none.
func versionOf(s string) []int {
	numbers := rules.VersionNumbers(s)
	if numbers == nil {
		return nil
	}
	for len(numbers) < 3 {
		numbers = append(numbers, 0)
	}
	_, rest, candidate := strings.Cut(s, "rc")
	if !candidate {
		return append(numbers[:3], 0)
	}
	rest = strings.TrimPrefix(rest, ".")
	end := strings.IndexFunc(rest, func(r rune) bool { return r < '0' || r > '9' })
	if end < 0 {
		end = len(rest)
	}
	n, _ := strconv.Atoi(rest[:end])
	return append(numbers[:3], -1, n)
}
