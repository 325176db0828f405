package library

import (
	"cmp"
	"slices"

	"github.com/whydenied/whydenied/explain/container"
	"github.com/whydenied/whydenied/rules"
	"github.com/whydenied/whydenied/rules/seccomp"
)

// UseHosts has the library know the hosts that ran the containers. Where all of them are
// alike, that is Arch and Kernel, if they are not set.
func (l *Library) UseHosts(hosts []container.Host) {
	l.hosts = hosts
	var arch seccomp.Arch
	kernel, alike := "", true
	for _, h := range hosts {
		of, _ := seccomp.ParseArch(h.Arch) // amd64 is x86_64
		alike = alike && (arch == 0 || of == 0 || arch == of) && (kernel == "" || h.Kernel == "" || kernel == h.Kernel)
		arch, kernel = cmp.Or(arch, of), cmp.Or(kernel, h.Kernel)
	}
	if !alike {
		return
	}
	l.Arch, l.Kernel = cmp.Or(l.Arch, arch), cmp.Or(l.Kernel, kernel)
}

// UseRuntimes has the library know the low-level container runtimes that are installed
// on the host that the log is of, as they say themselves. What is known of a container
// or of its engine goes before. Where nobody says which a container ran by, it is the
// only one that there is.
func (l *Library) UseRuntimes(runtimes []container.Host) { l.runtimes = runtimes }

// addInstalled adds to a loader what the installed runtime tells that it is, if it is one.
func (l *Library) addInstalled(to *seccomp.Loader) {
	if to.Runtime == "" && len(l.runtimes) == 1 {
		to.Runtime = loaderName(l.runtimes[0].Runtime)
	}
	for _, r := range l.runtimes {
		// Of another version, it is another program, of which the library is not known.
		if r.Runtime == to.Runtime && (to.Version == "" || slices.Equal(rules.VersionNumbers(to.Version), rules.VersionNumbers(r.RuntimeVersion))) {
			to.Version = cmp.Or(to.Version, r.RuntimeVersion)
			to.Libseccomp = cmp.Or(to.Libseccomp, r.Libseccomp)
		}
	}
}

// loaderName returns the name of a runtime whose way to load filters is known, or "".
func loaderName(runtime string) string {
	if runtime == seccomp.Runc || runtime == seccomp.Crun {
		return runtime
	}
	return ""
}

// Host returns what is known of the host that runs a container, and of its engine: what
// is said of its node, then what is said of no node. If only one node is known, it is that.
func (l *Library) Host(c container.Container) container.Host {
	h := container.Host{Engine: c.Runtime, Node: l.node(c.Node)}
	for _, o := range l.hosts {
		if o.Node != "" && o.Node == h.Node {
			h.Merge(o)
		}
	}
	for _, o := range l.hosts {
		if o.Node == "" {
			h.Merge(o)
		}
	}
	return h
}

// node returns the node of the hosts that a name means: that of the name, or else the
// only one whose name differs behind the first dot alone, as logs and Kubernetes have
// one with its domain or without. If nobody says which it is, it is the only one. It
// returns "" if that is none, or if they are several.
func (l *Library) node(name string) string {
	node := ""
	for _, h := range l.hosts {
		switch {
		case h.Node == "" || !container.SameNode(h.Node, name):
		case h.Node == name:
			return name
		case node != "" && h.Node != node:
			node = several
		default:
			node = h.Node
		}
	}
	if node == several {
		return ""
	}
	return node
}

// several is no node's name.
const several = "\x00"

// engineVersion returns the version of a container's engine, "" if it is not known.
func (l *Library) engineVersion(c container.Container, engine string) string {
	if c.Runtime == "" {
		c.Runtime = engine
	}
	known := ""
	if h := l.Host(c); c.Runtime == engine {
		known = h.Version
	}
	return cmp.Or(c.EngineVersion, known, l.Engines[engine])
}
