package container

import (
	"cmp"
	"path"
	"slices"
	"strconv"
	"strings"
)

// Limits are what else than the two policies can refuse a container's processes
// something, as far as its metadata say.
type Limits struct {
	Resolved bool // they are those of the runtime's own config.json: what is not there is not so

	UID        int      // of the first process, in the container; -1 if it is not known
	Effective  []string // its capabilities, as CAP_...; nil if they are not known
	NoNewPrivs bool
	Modules    []string // the kernel's security modules, as apparmor; nil if they are not known
	SELinux    string   // the label of its processes; "" if it has none, or if that is not known

	ReadOnlyRoot bool
	Mounts       []Mount  // those that are not plain, the deepest first
	ReadOnly     []string // paths that are made read-only
	Masked       []string // paths that are hidden

	// Protected is what the settings of a unit do to paths of the host, the deepest first. How
	// the host itself mounts them is not among it.
	Protected []Protected

	AllDevices bool     // its device cgroup refuses nothing
	Devices    []string // paths in the container that it was given besides the usual ones; nil if that is not known
	Pids       int64    // the most processes and threads; 0 if there is no limit, or it is not known
	Rlimits    []Rlimit
}

// A Mount is a mount of a container.
type Mount struct {
	Path                            string
	ReadOnly, NoExec, NoDev, NoSUID bool
}

// A Protected is a path that a unit has otherwise than the host, with all below it, or has as
// the host though not all above it.
type Protected struct {
	Path     string
	ReadOnly bool
	Hidden   bool   // an empty file or directory without permissions is there
	By       string // the setting; "" where it is as on the host
}

// An Rlimit is a limit of getrlimit(2), such as nofile.
type Rlimit struct {
	Name       string
	Soft, Hard uint64
}

// MountOf returns the mount that a path is on; ok is false if it is none that is listed.
func (l *Limits) MountOf(name string) (m Mount, ok bool) {
	for _, m := range l.Mounts {
		if within(name, m.Path) {
			return m, true
		}
	}
	return Mount{}, false
}

// ProtectedOf returns what a unit has in the place of a path; ok is false if it is what the
// host has.
func (l *Limits) ProtectedOf(name string) (p Protected, ok bool) {
	for _, p := range l.Protected {
		if within(name, p.Path) {
			return p, p.By != ""
		}
	}
	return Protected{}, false
}

// Under returns which of the paths a name is or lies below, or "".
func Under(name string, paths []string) string {
	for _, p := range paths {
		if within(name, p) {
			return p
		}
	}
	return ""
}

func within(name, dir string) bool {
	return name == dir || dir == "/" || strings.HasPrefix(name, strings.TrimSuffix(dir, "/")+"/")
}

// Rlimit returns the limit of a name.
func (l *Limits) Rlimit(name string) (r Rlimit, ok bool) {
	i := slices.IndexFunc(l.Rlimits, func(r Rlimit) bool { return r.Name == name })
	if i < 0 {
		return r, false
	}
	return l.Rlimits[i], true
}

// addMount adds a mount with its options as mount(8) spells them.
func (l *Limits) addMount(at string, options []string) {
	m := Mount{Path: path.Clean("/" + at)}
	for _, option := range options {
		for word := range strings.SplitSeq(option, ",") {
			switch word {
			case "ro", "rro":
				m.ReadOnly = true
			case "rw":
				m.ReadOnly = false
			case "noexec":
				m.NoExec = true
			case "exec":
				m.NoExec = false
			case "nodev":
				m.NoDev = true
			case "nosuid":
				m.NoSUID = true
			}
		}
	}
	l.Mounts = append(slices.DeleteFunc(l.Mounts, func(o Mount) bool { return o.Path == m.Path }), m)
}

// sortMounts puts the deepest first, which hide those above.
func (l *Limits) sortMounts() {
	slices.SortStableFunc(l.Mounts, func(a, b Mount) int { return cmp.Compare(len(b.Path), len(a.Path)) })
}

// usualMounts are those that Docker, Podman and the CRI give every container that is not
// privileged (Moby daemon/pkg/oci/defaults.go).
func (l *Limits) usualMounts() {
	hard := []string{"nosuid,noexec,nodev"}
	l.addMount("/proc", hard)
	l.addMount("/dev/shm", hard)
	l.addMount("/dev/mqueue", hard)
	l.addMount("/sys", []string{"ro,nosuid,noexec,nodev"})
	l.addMount("/sys/fs/cgroup", []string{"ro,nosuid,noexec,nodev"})
}

// setUser takes a user as engines write it, "1000:1000" or "nginx", and what follows for
// capabilities: execve(2) leaves another user than root those that are ambient, of which
// engines give none.
func (l *Limits) setUser(user string, caps []string) {
	name, _, _ := strings.Cut(user, ":")
	switch uid, err := strconv.Atoi(name); {
	case name == "" || name == "root":
		l.UID = 0
	case err == nil && uid >= 0:
		l.UID = uid
	default:
		l.UID = -1
		return
	}
	l.Effective = caps
	if l.UID != 0 {
		l.Effective = []string{}
	}
}

// securityOptions takes what of --security-opt is no profile.
func (l *Limits) securityOptions(options []string) {
	for _, option := range options {
		key, value, _ := strings.Cut(strings.Replace(option, ":", "=", 1), "=")
		if key == "no-new-privileges" && value != "false" {
			l.NoNewPrivs = true
		}
	}
}

// Lacks reports whether the kernel is known to have no security module of a name.
func (l *Limits) Lacks(module string) bool {
	return l != nil && l.Modules != nil && !slices.Contains(l.Modules, module)
}

// Holds reports whether the first process has one of some capabilities; known is false
// where that is not known.
func (l *Limits) Holds(caps []string) (holds, known bool) {
	if l.Effective == nil {
		return false, false
	}
	return slices.ContainsFunc(caps, func(c string) bool { return slices.Contains(l.Effective, c) }), true
}
