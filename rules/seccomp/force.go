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
	in, ex := &e.Includes, &e.Excludes
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

// kernelAt reports whether a kernel is of the version or newer.
func kernelAt(version, kernel string) status {
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
	if e.Includes.MinKernel != "" || e.Excludes.MinKernel != "" {
		return
	}
	in, ex := e.Includes.Caps, e.Excludes.Caps
	switch {
	case len(in) == 1 && len(ex) == 0:
		c.absent = append(c.absent, in[0])
	case len(ex) == 1 && len(in) == 0:
		c.present = append(c.present, ex[0])
	}
}

// needs returns the conditions of an entry that are not known to hold, as text.
func (e *Entry) needs(c *Call) string {
	var parts []string
	if allCaps(e.Includes.Caps, c) == maybe {
		parts = append(parts, strings.Join(e.Includes.Caps, " and ")+" held")
	}
	if anyCap(e.Excludes.Caps, c) == maybe {
		parts = append(parts, strings.Join(e.Excludes.Caps, " and ")+" not held")
	}
	if e.Includes.MinKernel != "" && kernelAt(e.Includes.MinKernel, c.Kernel) == maybe {
		parts = append(parts, "kernel "+e.Includes.MinKernel+" or newer")
	}
	if e.Excludes.MinKernel != "" && kernelAt(e.Excludes.MinKernel, c.Kernel) == maybe {
		parts = append(parts, "kernel older than "+e.Excludes.MinKernel)
	}
	return strings.Join(parts, " and ")
}

// dropped returns why an entry is not in force, if it is known not to be.
func (e *Entry) dropped(c *Call) (Dropped, bool) {
	d := Dropped{Entry: e}
	switch {
	case len(e.Includes.Arches) > 0 && listed(e.Includes.Arches, c.Host) == no:
		d.Gate, d.Why = ArchGate, "only for hosts of architecture "+strings.Join(e.Includes.Arches, ", ")
	case listed(e.Excludes.Arches, c.Host) == yes:
		d.Gate, d.Why = ArchGate, "not for hosts of architecture "+strings.Join(e.Excludes.Arches, ", ")
	case e.Includes.MinKernel != "" && kernelAt(e.Includes.MinKernel, c.Kernel) == no:
		d.Gate, d.Why = KernelGate, "needs kernel "+e.Includes.MinKernel+" or newer, this is "+c.Kernel
	case e.Excludes.MinKernel != "" && kernelAt(e.Excludes.MinKernel, c.Kernel) == yes:
		d.Gate, d.Why = KernelGate, "only for kernels older than "+e.Excludes.MinKernel+", this is "+c.Kernel
	case allCaps(e.Includes.Caps, c) == no:
		d.Gate, d.Why, d.Caps = CapGate, e.caps, e.Includes.Caps
	case anyCap(e.Excludes.Caps, c) == yes:
		d.Gate, d.Why, d.Caps = CapGate, "only without "+strings.Join(e.Excludes.Caps, " and "), e.Excludes.Caps
	default:
		return d, false
	}
	return d, true
}
