package fix

import (
	"fmt"
	"slices"
	"strings"

	"github.com/whydenied/whydenied/explain/container"
	"github.com/whydenied/whydenied/rules"
	"github.com/whydenied/whydenied/rules/seccomp"
)

// A want is what the kernel asks for a refused call besides the filter's answer, as
// far as the container is not known to have it. It is the zero want if the filter
// is all that refuses.
type want struct {
	seccomp.Privilege
	lacks bool // it is known that the container has none of them
}

// Wanted returns what the kernel asks for a call that a profile refused, unless the
// container holds it. lacks says that it is known not to, and not only not known: from
// its capabilities or, as it was refused, by an entry that would have allowed the call
// to a process that has one.
func Wanted(profile *seccomp.Profile, call seccomp.Call) (p seccomp.Privilege, lacks, ok bool) {
	p, ok = call.Privilege()
	if !ok {
		return p, false, false
	}
	if call.Caps != nil {
		held := slices.ContainsFunc(p.Caps, func(name string) bool { return slices.Contains(call.Caps, name) })
		return p, !held, !held
	}
	lacks = !slices.ContainsFunc(p.Caps, func(name string) bool { return !opens(profile, call, name) })
	return p, lacks, true
}

// opens reports whether a profile is sure to allow a call to a container that is
// given a capability.
func opens(profile *seccomp.Profile, call seccomp.Call, name string) bool {
	d := decideWith(profile, call, name)
	return settled(d) && !d.Ambiguous && d.Action.Permits()
}

// decideWith asks a profile about a call of a container that is given a capability.
func decideWith(profile *seccomp.Profile, call seccomp.Call, name string) seccomp.Decision {
	call.Caps = append(slices.Clone(call.Caps), name)
	return profile.Decide(call)
}

// propose proposes what allows the call: the capability alone, where the profile then
// allows the call by itself, as the default profiles of engines do; else changes of the
// profile, together with the capability if the kernel asks for it in any case.
func (c *callFix) propose() {
	opener := ""
	if i := slices.IndexFunc(c.want.Caps, func(name string) bool { return opens(c.profile, c.call, name) }); i >= 0 {
		opener = c.want.Caps[i]
	}
	switch {
	case len(c.want.Caps) == 0:
		c.edit()
	case c.want.Unless != "":
		c.edit()
		c.give(opener)
	case opener == c.want.Caps[0]:
		c.give(opener)
		if useful := c.usefulAlone(); useful != "" {
			c.editWith(func(f *rules.Fix) { f.Message += ", " + useful })
		}
	default:
		c.editWith(c.withCapability)
		c.give(opener) // the greater one, which opens the filter
	}
}

// edit proposes changes of the profile.
func (c *callFix) edit() {
	set, whole := c.together()
	if whole {
		c.fixes = append(c.fixes, set...)
	}
	c.allowWhen()
	if !c.lift() {
		c.allow()
	}
	if !whole {
		c.fixes = append(c.fixes, set...)
	}
}

// editWith is edit, with what is to be said of each of its fixes.
func (c *callFix) editWith(say func(*rules.Fix)) {
	n := len(c.fixes)
	c.edit()
	for i := range c.fixes[n:] {
		say(&c.fixes[n+i])
	}
}

// withCapability makes a fix of the profile, which does not help alone, name the
// capability that is its other half.
func (c *callFix) withCapability(f *rules.Fix) {
	name := c.want.Caps[0]
	f.Capability = name
	f.Message += ", and give the container " + name
	if !c.want.lacks {
		f.Message += " if it does not hold it"
	}
	f.Proof = append(f.Proof, c.asks(name))
	if danger := CapabilityDanger(name); danger.Risk > f.Risk {
		f.Risk, f.Reason = danger.Risk, danger.Reason
	}
}

// usefulAlone says where the kernel takes the call without the capability, if there
// can be such a case.
func (c *callFix) usefulAlone() string {
	switch {
	case c.want.Setting != "":
		return "of use with " + c.want.Setting
	case !c.want.Host && c.makesUserNamespaces():
		return "of use to a process in a user namespace of its own"
	}
	return ""
}

// makesUserNamespaces reports whether the profile lets a process of the container make
// a user namespace, in which it then has all capabilities.
func (c *callFix) makesUserNamespaces() bool {
	const newUser, sigchld = 0x10000000, 17
	call := c.call
	if call.Caps == nil {
		call.Caps = []string{} // it lacks the one that the call wants
	}
	for name, args := range map[string][]uint64{"unshare": {newUser}, "clone": {newUser | sigchld, 0, 0, 0, 0, 0}} {
		call.Name, call.Args = name, args
		if d := c.profile.Decide(call); settled(d) && d.Action.Permits() {
			return true
		}
	}
	return false
}

// give proposes to give the container a capability with which the profile allows the
// call by itself, unless there is none.
func (c *callFix) give(name string) {
	if name == "" {
		return
	}
	danger := CapabilityDanger(name)
	c.fixes = append(c.fixes, rules.Fix{
		Message:    fmt.Sprintf("give the container %s, with which the profile allows %s by itself", name, c.d.Syscall) + c.unless(),
		Rule:       strings.Join(container.Container{}.GivenCapability(name), "\n"),
		Capability: name,
		Grants:     opened(c.profile, c.d.Syscall, name),
		Risk:       danger.Risk,
		Reason:     danger.Reason,
		Proof:      []string{"with it the profile allows the call" + newerLibrary(c.call, decideWith(c.profile, c.call, name)), c.asks(name)},
	})
}

// unless says where the capability is not needed, as an afterthought.
func (c *callFix) unless() string {
	if c.want.Unless == "" {
		return ""
	}
	return ", which the kernel asks for unless " + c.want.Unless
}

// asks says where the kernel asks for a capability.
func (c *callFix) asks(name string) string {
	whose := ""
	if c.want.Host {
		whose = " in the user namespace of the host"
	}
	return fmt.Sprintf("Linux asks for %s%s: %s", name, whose, c.want.Source)
}

// opened says what else a profile allows to a container with a capability: the calls
// of entries that ask for it.
func opened(profile *seccomp.Profile, syscall, name string) string {
	var others []string
	for _, e := range profile.Entries {
		if !e.Action.Permits() || !slices.Equal(e.Includes.Caps, []string{name}) {
			continue
		}
		for _, n := range e.Names {
			if n.Text != syscall && !slices.Contains(others, n.Text) {
				others = append(others, n.Text)
			}
		}
	}
	text := "all that " + name + " is for"
	if len(others) > 0 {
		text += "; by the filter: " + joined(others)
	}
	return text
}

// CapabilityDanger is how dangerous a capability, such as CAP_SYSLOG, is to give to a
// container; low for "".
func CapabilityDanger(name string) Danger {
	return capDangers[strings.ToLower(strings.TrimPrefix(name, "CAP_"))]
}
