package apparmor

import (
	"slices"
	"strings"
)

// mountCommands are the flags that say what kind of mount it is: MS_CMDS of
// mount.h in apparmor_parser.
const mountCommands = msCommands | msRec

// checkMount reports a mount rule that no mount can match, which the parser
// refuses: what makes a kind of mount (bind, move, private) excludes fstype.
func (r *resolver) checkMount(m *MountRule) {
	if m.Op == "umount" {
		return
	}
	for _, c := range m.Fstype {
		for _, v := range c.Values {
			r.checkGlob(&Pattern{At: m.At}, v, labelText)
		}
	}
	r.checkOptions(m)
	switch in30, in4 := mountIn30(m), mountIn4(m); {
	case !in30 && !in4:
		r.errorf(m.At, "empty-mount", "no mount matches this rule: bind, move, remount and propagation mounts have no fstype, and propagation mounts no source beside the mount point")
	case !in30:
		m.Since = later(m.Since, "3.1")
	}
}

// newOptions are the options that 3.0 does not know.
var newOptions = wordSet("symfollow nosymfollow nostrictatime lazytime nolazytime")

// checkOptions reports an options=(...) that both sets and clears a flag.
func (r *resolver) checkOptions(m *MountRule) {
	for _, c := range m.Options {
		if both := flagsOf(c.Values, mountFlags) & flagsOf(c.Values, clearedFlags); both != 0 && !c.In {
			r.warnf(m.At, "bad-condition", "options both set and clear a flag, which AppArmor 4 refuses: %s", strings.Join(c.Values, ", "))
		}
		if slices.ContainsFunc(c.Values, func(o string) bool { return newOptions[o] }) {
			m.Since = later(m.Since, "4.0")
		}
	}
}

// optionFlags returns what an options condition demands or permits.
func optionFlags(c MountCond) uint32 {
	if c.In {
		return flagsOf(c.Values, mountFlags) | flagsOf(c.Values, clearedFlags)
	}
	return flagsOf(c.Values, mountFlags)
}

// mountIn30 reports whether AppArmor 3.0 accepts a mount rule. It joins all
// options conditions, and wants the mount point of a propagation mount after
// the arrow.
func mountIn30(m *MountRule) bool {
	var must, may uint32
	for _, c := range m.Options {
		if c.In {
			may |= optionFlags(c)
		} else {
			must |= optionFlags(c)
			if m.Op != "remount" {
				must |= flagsOf(c.Values, clearedFlags)
			}
		}
	}
	switch {
	case m.Op == "remount" && len(m.Options) > 0 && must|may == 0:
		return true
	case m.Op == "remount":
		must |= msRemount
	case len(m.Options) == 0:
		return true
	}
	return mountMatches(m, must|may, may, m.Source == nil)
}

// mountIn4 reports whether AppArmor 3.1 and 4 accept a mount rule. Each
// options condition counts by itself there.
func mountIn4(m *MountRule) bool {
	var musts, mays []uint32
	for _, c := range m.Options {
		if c.In {
			mays = append(mays, optionFlags(c))
		} else {
			musts = append(musts, optionFlags(c))
		}
	}
	if len(mays) == 0 {
		mays = []uint32{0}
		if len(musts) == 0 && m.Op == "remount" {
			mays = []uint32{msRemountFlags &^ msRemount}
		}
	}
	if len(musts) == 0 {
		musts = []uint32{0}
	}
	for _, must := range musts {
		if m.Op == "remount" {
			must |= msRemount
		}
		for _, may := range mays {
			if must == 0 || mountMatches(m, must, may, m.Source == nil || m.Target == nil) {
				return true
			}
		}
	}
	return false
}

// mountMatches reports whether some mount has the flags of a rule along with
// its other conditions. Propagation mounts have one path only, which the caller
// has checked.
func mountMatches(m *MountRule, must, may uint32, onePath bool) bool {
	if len(m.Fstype) == 0 {
		switch {
		case must&msRemount != 0 && m.Source == nil,
			must&(msBind|msMove) != 0,
			must&(msMakeType|msRec) != 0 && onePath:
			return true
		}
	}
	return (must|may)&^mountCommands != 0
}
