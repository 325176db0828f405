package library

import (
	"cmp"

	"github.com/whydenied/whydenied/explain/container"
	"github.com/whydenied/whydenied/rules/seccomp"
)

// UseHosts has the library know the hosts that ran the containers. Where all of them are
// alike, that is Arch and Kernel, if they are not set.
func (l *Library) UseHosts(hosts []container.Host) {
	l.hosts = hosts
	arch, kernel, alike := "", "", true
	for _, h := range hosts {
		alike = alike && (arch == "" || h.Arch == "" || arch == h.Arch) && (kernel == "" || h.Kernel == "" || kernel == h.Kernel)
		arch, kernel = cmp.Or(arch, h.Arch), cmp.Or(kernel, h.Kernel)
	}
	if !alike {
		return
	}
	if l.Arch == 0 && arch != "" {
		l.Arch, _ = seccomp.ParseArch(arch)
	}
	l.Kernel = cmp.Or(l.Kernel, kernel)
}

// host returns what is known of the host that runs a container, and of its engine: what
// is said of its node, then what is said of no node. If only one node is known, it is that.
func (l *Library) host(c container.Container) container.Host {
	h := container.Host{Engine: c.Runtime, Node: c.Node}
	if h.Node == "" {
		h.Node = l.onlyNode()
	}
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

// onlyNode returns the node of the hosts, "" if they are several.
func (l *Library) onlyNode() string {
	node := ""
	for _, h := range l.hosts {
		if h.Node != "" && node != "" && h.Node != node {
			return ""
		}
		node = cmp.Or(node, h.Node)
	}
	return node
}

// engineVersion returns the version of a container's engine, "" if it is not known.
func (l *Library) engineVersion(c container.Container, engine string) string {
	if c.Runtime == "" {
		c.Runtime = engine
	}
	known := ""
	if h := l.host(c); c.Runtime == engine {
		known = h.Version
	}
	return cmp.Or(c.EngineVersion, known, l.Engines[engine])
}
