package container

import (
	"regexp"
	"strings"
	"sync"
)

// FromCgroup returns the ID and the runtime of the innermost container that a
// cgroup path names: a path as in /proc/PID/cgroup (a whole line of it too), or
// the SLICE:PREFIX:ID of an OCI bundle's cgroupsPath. It is false for what is no
// container, such as sessions, services and conmon, and for what only looks as
// if it could be one: ctr's /NAMESPACE/ID outside the well-known namespaces.
// The runtime is "" where the path does not tell (Kubernetes with cgroupfs).
func FromCgroup(path string) (id, runtime string, ok bool) {
	if m := procCgroup.FindStringSubmatch(path); m != nil {
		path = m[1]
	}
	if parts := strings.Split(path, ":"); len(parts) == 3 && !strings.Contains(parts[1]+parts[2], "/") {
		return fromSegment(parts[0], parts[1]+"-"+parts[2]+".scope", "")
	}
	if named := InCgroup(path); len(named) > 0 {
		return named[0].ID, named[0].Runtime, true
	}
	return "", "", false
}

var procCgroup = regexp.MustCompile(`^\d+:[^:/]*:(/.*?)\n?$`)

// A Named is a container that a cgroup path names. The runtime is "" where the
// path does not tell.
type Named struct{ ID, Runtime string }

// InCgroup returns the containers that a cgroup path names, the innermost first:
// a container that runs in another is in a cgroup below it. A path is such as
// /proc/PID/cgroup has; one of more than 4096 bytes names none.
func InCgroup(path string) []Named {
	if len(path) > 4096 { // PATH_MAX
		return nil
	}
	var all []Named
	segments := strings.Split(strings.Trim(path, "/"), "/")
	for i := len(segments) - 1; i >= 0; i-- {
		below := ""
		if i+1 < len(segments) {
			below = segments[i+1]
		}
		id, runtime, ok := fromSegment(strings.Join(segments[:i], "/"), segments[i], below)
		if ok && (len(all) == 0 || all[len(all)-1].ID != id) {
			all = append(all, Named{id, runtime})
		}
	}
	return all
}

// isService reports whether a cgroup is of a service of systemd (systemd.unit(5)); of a user's manager
// the services are below its own, user@1000.service. That is asked with each denial of a process
// in no container, so without a regular expression.
func isService(segment string) bool {
	name, ok := strings.CutSuffix(segment, ".service")
	return ok && name != "" && strings.Trim(name, serviceCharacters) == ""
}

const serviceCharacters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789:_.@\\-"

// UnitOf returns the service of systemd that a cgroup is of, the innermost one; "" if it is of
// none, or of one of a user's manager, which systemctl reaches as that user alone.
func UnitOf(path string) string {
	unit := ""
	for segment := range strings.SplitSeq(path, "/") {
		switch {
		case strings.HasPrefix(segment, "user@"):
			return ""
		case isService(segment):
			unit = segment
		}
	}
	return unit
}

// Nspawn is the Runtime of machines of systemd-nspawn, whose names are their IDs.
const Nspawn = "systemd-nspawn"

// A shape is one way in which a runtime names the cgroup of a container.
type shape struct {
	parent  *regexp.Regexp // of the path before the segment; nil is any
	segment *regexp.Regexp // its first group is the ID
	runtime string         // "" is unknown, "-" not a container
	below   string         // the segment below, "" for any
}

// shapes are tried in order. Sources: cgroup drivers of runc and crun, and what
// the engines were seen to make (Docker 20.10, containerd, Podman 4, LXC 5,
// systemd-nspawn 252 and 262).
var shapes = sync.OnceValue(func() []shape {
	machine := regexp.MustCompile(`(?:^|/)machine\.slice$`)
	return []shape{
		{segment: regexp.MustCompile(`^(?:libpod|crio)-conmon-(.+)$`), runtime: "-"},
		{segment: regexp.MustCompile(`^lxc\.monitor\.(.+)$`), runtime: "-"},

		// systemd's cgroup driver; the plain forms are the cgroupfs driver's.
		{segment: regexp.MustCompile(`^docker-([0-9a-f]{64})\.scope$`), runtime: "docker"},
		{segment: regexp.MustCompile(`^libpod-(?:payload-)?([0-9a-f]{64})(?:\.scope)?$`), runtime: "podman"},
		{segment: regexp.MustCompile(`^crio-([0-9a-f]{64})(?:\.scope)?$`), runtime: "cri-o"},
		{segment: regexp.MustCompile(`^cri-containerd-([0-9a-f]{64})\.scope$`), runtime: "containerd"},
		{segment: regexp.MustCompile(`^nerdctl-(.+)\.scope$`), runtime: "containerd"},
		{segment: regexp.MustCompile(`^buildah-(.+?)(?:\.scope)?$`), runtime: "buildah"},
		{segment: regexp.MustCompile(`^[A-Za-z0-9_.-]+-([0-9a-f]{64})\.scope$`)},

		{segment: regexp.MustCompile(`^lxc\.payload\.(.+)$`), runtime: "lxc"},
		{parent: regexp.MustCompile(`(?:^|/)lxc$`), segment: regexp.MustCompile(`^(.+)$`), runtime: "lxc"},
		{segment: regexp.MustCompile(`^systemd-nspawn@(.+)\.service$`), runtime: Nspawn},
		{parent: machine, segment: regexp.MustCompile(`^machine-qemu\\x2d(.+)\.scope$`), runtime: "-"}, // a virtual machine
		{parent: machine, segment: regexp.MustCompile(`^machine-(.+)\.scope$`), runtime: Nspawn},
		// The scope that systemd-nspawn makes itself: one of systemd-vmspawn has nothing below it.
		{parent: machine, segment: regexp.MustCompile(`^(.+)\.scope$`), below: "payload", runtime: Nspawn},

		{parent: regexp.MustCompile(`(?:^|/)buildkit$`), segment: regexp.MustCompile(`^([0-9a-z]{8,64})$`), runtime: "buildkit"},
		{parent: regexp.MustCompile(`(?:^|/)docker$`), segment: regexp.MustCompile(`^([0-9a-f]{64})$`), runtime: "docker"},
		{parent: regexp.MustCompile(`(?:^|/)libpod_parent$`), segment: regexp.MustCompile(`^([0-9a-f]{64})$`), runtime: "podman"},
		{parent: regexp.MustCompile(`(?:^|/)ecs(?:/[^/]+)+$`), segment: regexp.MustCompile(`^([0-9a-f]{64})$`), runtime: "docker"},
		{parent: regexp.MustCompile(`(?:^|/)ecs(?:/[^/]+)+$`), segment: regexp.MustCompile(`^([0-9a-f]{32}-[0-9]+)$`), runtime: "containerd"}, // Fargate
		{parent: regexp.MustCompile(`(?:^|/)kubepods(?:/[^/]+)*/pod[0-9a-f_-]+$`), segment: regexp.MustCompile(`^([0-9a-f]{64})$`)},
		{parent: regexp.MustCompile(`^(?:default|k8s\.io|moby)$`), segment: regexp.MustCompile(`^([A-Za-z0-9_.-]+)$`), runtime: "containerd"},
	}
})

func fromSegment(parent, segment, below string) (id, runtime string, ok bool) {
	for _, s := range shapes() {
		if s.parent != nil && !s.parent.MatchString(parent) || s.below != "" && s.below != below {
			continue
		}
		m := s.segment.FindStringSubmatch(segment)
		if m == nil {
			continue
		}
		if s.runtime == "-" {
			return "", "", false
		}
		if s.runtime == Nspawn {
			m[1] = unescapeUnit(m[1])
		}
		return m[1], s.runtime, true
	}
	return "", "", false
}

// unescapeUnit undoes systemd's escaping of unit names: \x2d is "-".
func unescapeUnit(s string) string {
	return unitEscape.ReplaceAllStringFunc(s, func(e string) string {
		return string(rune(strings.IndexByte(hexDigits, e[2])<<4 | strings.IndexByte(hexDigits, e[3])))
	})
}

const hexDigits = "0123456789abcdef"

var unitEscape = regexp.MustCompile(`\\x[0-7][0-9a-f]`)
