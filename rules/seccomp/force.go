package seccomp

import (
	"slices"
	"strings"
)

// inForce reports whether the conditions of an entry on the host and on the
// container's capabilities hold. The rules are those of moby's loader
// (github.com/moby/profiles/seccomp v0.2.4): includes wants all capabilities of
// the bounding set, excludes any of them.
func (e *Entry) inForce(c *Call) status {
	in, ex := e.conditions(c)
	s := yes
	if len(in.Arches) > 0 {
		s = min(s, listed(in.Arches, c.Host))
	}
	if len(in.Caps) > 0 {
		s = min(s, allCaps(in.Caps, c))
	}
	if in.MinKernel != "" {
		s = min(s, kernelAt(in.MinKernel, c.Kernel))
	}
	if len(ex.Arches) > 0 {
		s = min(s, yes-listed(ex.Arches, c.Host))
	}
	if len(ex.Caps) > 0 {
		s = min(s, yes-anyCap(ex.Caps, c))
	}
	if ex.MinKernel != "" {
		s = min(s, yes-kernelAt(ex.MinKernel, c.Kernel))
	}
	return s
}

// InForce reports whether an entry of the profile counts in a container: false if a
// condition on capabilities, the kernel or the host's architecture is known not to hold.
// Of the call only what is known of container and host is asked, and the architecture.
func (p *Profile) InForce(e *Entry, c Call) bool {
	if c.Host == 0 {
		c.Host = c.Arch.host()
	}
	c.ignored = p.ignores(c.Engine)
	return e.inForce(&c) != no
}

// conditions returns includes and excludes of an entry, without what the engine passes
// over.
func (e *Entry) conditions(c *Call) (in, ex *Filter) {
	in, ex = &e.Includes, &e.Excludes
	switch {
	case c.ignored.conditions:
		return new(Filter), new(Filter)
	case c.ignored.kernels && (in.MinKernel != "" || ex.MinKernel != ""):
		olderIn, olderEx := *in, *ex
		olderIn.MinKernel, olderEx.MinKernel = "", ""
		return &olderIn, &olderEx
	}
	return in, ex
}

// listed reports whether a list of architectures, as moby names them, has the
// host's.
func listed(names []string, host Arch) status {
	if i := host.index(0); i >= 0 && slices.Contains(names, arches[i].golang) {
		return yes
	}
	return no
}

// held reports whether the container holds a capability.
func held(name string, c *Call) status {
	switch {
	case slices.Contains(c.Caps, name) || slices.Contains(c.present, name):
		return yes
	case c.Caps != nil || slices.Contains(c.absent, name):
		return no
	}
	return maybe
}

// allCaps reports whether all of the named capabilities are held.
func allCaps(names []string, c *Call) status {
	s := yes
	for _, n := range names {
		s = min(s, held(n, c))
	}
	return s
}

// anyCap reports whether any of the named capabilities is held.
func anyCap(names []string, c *Call) status {
	s := no
	for _, n := range names {
		s = max(s, held(n, c))
	}
	return s
}

// anyKernel is the version that every kernel is of or newer.
const anyKernel = "0.0"

// kernelAt reports whether a kernel is of the version or newer.
func kernelAt(version, kernel string) status {
	if version == anyKernel {
		return yes
	}
	have, ok := kernelVersion(kernel)
	if !ok {
		return maybe
	}
	if want, _ := kernelVersion(version); have >= want {
		return yes
	}
	return no
}

// exclude notes in the call what is known in the cases that are left once the
// case in which this entry is in force is dealt with.
func (e *Entry) exclude(c *Call) {
	in, ex := e.conditions(c)
	switch {
	case in.MinKernel != "" || ex.MinKernel != "":
	case len(in.Caps) == 1 && len(ex.Caps) == 0:
		c.absent = append(c.absent, in.Caps[0])
	case len(ex.Caps) == 1 && len(in.Caps) == 0:
		c.present = append(c.present, ex.Caps[0])
	}
}

// needs returns the conditions of an entry that are not known to hold, as text.
func (e *Entry) needs(c *Call) string {
	in, ex := e.conditions(c)
	var parts []string
	if allCaps(in.Caps, c) == maybe {
		parts = append(parts, strings.Join(in.Caps, " and ")+" held")
	}
	if anyCap(ex.Caps, c) == maybe {
		parts = append(parts, strings.Join(ex.Caps, " and ")+" not held")
	}
	if in.MinKernel != "" && kernelAt(in.MinKernel, c.Kernel) == maybe {
		parts = append(parts, "kernel "+in.MinKernel+" or newer")
	}
	if ex.MinKernel != "" && kernelAt(ex.MinKernel, c.Kernel) == maybe {
		parts = append(parts, "kernel older than "+ex.MinKernel)
	}
	return strings.Join(parts, " and ")
}

// dropped returns why an entry is not in force, if it is known not to be.
func (e *Entry) dropped(c *Call) (Dropped, bool) {
	in, ex := e.conditions(c)
	d := Dropped{Entry: e}
	switch {
	case len(in.Arches) > 0 && listed(in.Arches, c.Host) == no:
		d.Gate, d.Why = ArchGate, "only for hosts of architecture "+strings.Join(in.Arches, ", ")
	case listed(ex.Arches, c.Host) == yes:
		d.Gate, d.Why = ArchGate, "not for hosts of architecture "+strings.Join(ex.Arches, ", ")
	case in.MinKernel != "" && kernelAt(in.MinKernel, c.Kernel) == no:
		d.Gate, d.Why = KernelGate, "needs kernel "+in.MinKernel+" or newer, this is "+c.Kernel
	case ex.MinKernel == anyKernel:
		d.Gate, d.Why = KernelGate, `excludes has an empty minKernel, which is any kernel`
	case ex.MinKernel != "" && kernelAt(ex.MinKernel, c.Kernel) == yes:
		d.Gate, d.Why = KernelGate, "only for kernels older than "+ex.MinKernel+", this is "+c.Kernel
	case allCaps(in.Caps, c) == no:
		d.Gate, d.Why, d.Caps = CapGate, e.caps, in.Caps
	case anyCap(ex.Caps, c) == yes:
		d.Gate, d.Why, d.Caps = CapGate, "only without "+strings.Join(ex.Caps, " and "), ex.Caps
	default:
		return d, false
	}
	return d, true
}
