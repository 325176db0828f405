package apparmor

import (
	"maps"
	"slices"
	"strings"
)

// Mount flags as mount(2) has them.
const (
	msRdonly = 1 << iota
	msNosuid
	msNodev
	msNoexec
	msSync
	msRemount
	msMand
	msDirsync
	msNosymfollow
	_
	msNoatime
	msNodiratime
	msBind
	msMove
	msRec
	msSilent
	msACL
	msUnbindable
	msPrivate
	msSlave
	msShared
	msRelatime
	_
	msIversion
	msStrictatime
	msLazytime
)
const msNouser = 1 << 31

// The kinds of mount, by the flags that each looks at: mount.h of
// apparmor_parser.
const (
	msMakeType  = msUnbindable | msPrivate | msSlave | msShared
	msBindFlags = msBind | msRec
	msMakeFlags = msMakeType | msRec | msSilent
	msMoveFlags = msMove
	msCommands  = msMove | msRemount | msBind | msMakeType
	msAll       = msRdonly | msNosuid | msNodev | msNoexec | msSync | msMand | msDirsync | msNosymfollow |
		msNoatime | msNodiratime | msRec | msSilent | msACL | msRelatime | msIversion | msStrictatime |
		msLazytime | msNouser | msCommands
	msNewFlags     = msAll &^ (msCommands | msRec)
	msRemountFlags = msAll&^(msCommands|msRec) | msRemount | msBind
)

// mountFlags are the words of mount options by the flag they set. Words that
// clear one (rw, suid, dev) and user space's own (defaults) set none.
var mountFlags = map[string]uint32{
	"ro": msRdonly, "r": msRdonly, "read-only": msRdonly,
	"nosuid": msNosuid, "nodev": msNodev, "noexec": msNoexec, "sync": msSync, "remount": msRemount,
	"mand": msMand, "dirsync": msDirsync, "nosymfollow": msNosymfollow,
	"noatime": msNoatime, "nodiratime": msNodiratime,
	"bind": msBind, "B": msBind, "rbind": msBind | msRec, "R": msBind | msRec,
	"move": msMove, "M": msMove,
	"verbose": msSilent, "silent": msSilent, "acl": msACL,
	"unbindable": msUnbindable, "make-unbindable": msUnbindable,
	"runbindable": msUnbindable | msRec, "make-runbindable": msUnbindable | msRec,
	"private": msPrivate, "make-private": msPrivate, "rprivate": msPrivate | msRec, "make-rprivate": msPrivate | msRec,
	"slave": msSlave, "make-slave": msSlave, "rslave": msSlave | msRec, "make-rslave": msSlave | msRec,
	"shared": msShared, "make-shared": msShared, "rshared": msShared | msRec, "make-rshared": msShared | msRec,
	"relatime": msRelatime, "iversion": msIversion, "strictatime": msStrictatime, "lazytime": msLazytime,
	"nouser": msNouser,
}

// clearedFlags are the words that name the absence of a flag. After options in
// they make that flag optional.
var clearedFlags = map[string]uint32{
	"rw": msRdonly, "w": msRdonly, "suid": msNosuid, "dev": msNodev, "exec": msNoexec, "async": msSync,
	"nomand": msMand, "symfollow": msNosymfollow, "atime": msNoatime, "diratime": msNodiratime,
	"loud": msSilent, "noacl": msACL, "norelatime": msRelatime, "noiversion": msIversion,
	"nostrictatime": msStrictatime, "nolazytime": msLazytime, "user": msNouser,
}

func flagsOf(words []string, table map[string]uint32) (flags uint32) {
	for _, w := range words {
		flags |= table[strings.TrimSpace(w)]
	}
	return flags
}

// mountKind is what mount(2) does, as apparmor_sb_mount() in
// security/apparmor/lsm.c tells by the flags.
type mountKind int

const (
	newMount mountKind = iota
	remount
	bindMount
	changeType
	moveMount
)

func kindOf(flags uint32) mountKind {
	switch {
	case flags&msRemount != 0:
		return remount
	case flags&msBind != 0:
		return bindMount
	case flags&msMakeType != 0:
		return changeType
	case flags&msMove != 0:
		return moveMount
	}
	return newMount
}

// A mountForm is one of the forms that apparmor_parser compiles a mount rule to:
// mnt_rule::gen_flag_rules() in mount.cc, AppArmor 4. (3.0.8 and older also let
// bind and move rules grant a plain mount without flags, CVE-2016-1585; that is
// not reproduced.)
type mountForm struct {
	target, source *Pattern
	fstypes        []string   // globs, nil for any
	types          []*Pattern // of them
	must, may      uint32     // flags that have to be there, and that can be
	anyFlags       bool
}

// takes reports whether a form takes what the kernel looks at of mount flags.
func (f *mountForm) takes(flags uint32) bool {
	return f.anyFlags || f.must&^f.may&^flags == 0 && flags&^(f.must|f.may) == 0
}

// takesType is takes for a type of file system.
func (f *mountForm) takesType(name string, known memo) bool {
	return f.fstypes == nil || slices.Contains(f.fstypes, name) || slices.ContainsFunc(f.types, func(p *Pattern) bool { return known.matches(p, name) })
}

// mountForms returns the forms of a mount or remount rule.
func mountForms(r *MountRule) []mountForm {
	if r.forms != nil {
		return r.forms
	}
	var eq, in []uint32
	var fstypes []string
	for _, c := range r.Fstype {
		fstypes = append(fstypes, c.Values...)
	}
	for _, c := range r.Options {
		set := flagsOf(c.Values, mountFlags)
		switch {
		case c.In:
			in = append(in, set|flagsOf(c.Values, clearedFlags))
		case r.Op == "remount":
			eq = append(eq, set|msRemount)
		default:
			eq = append(eq, set)
		}
	}
	isRemount := r.Op == "remount"
	switch {
	case len(eq)+len(in) == 0 && isRemount:
		eq, in = []uint32{msRemount}, []uint32{msRemountFlags &^ msRemount}
	case len(eq)+len(in) == 0:
		eq, in = []uint32{msAll}, []uint32{msAll}
	case len(eq) == 0 && isRemount:
		eq = []uint32{msRemount}
	case len(eq) == 0:
		eq = []uint32{0}
	case len(in) == 0:
		in = []uint32{0}
	}
	var forms []mountForm
	for _, must := range eq {
		for _, may := range in {
			forms = append(forms, formsOf(r, fstypes, must, may)...)
		}
	}
	return forms
}

// patterns are those of globs.
func patterns(globs []string) (list []*Pattern) {
	for _, g := range globs {
		list = append(list, &Pattern{Source: g, Expanded: []string{g}})
	}
	return list
}

// formsOf returns the forms for one choice of flags.
func formsOf(r *MountRule, fstypes []string, must, may uint32) []mountForm {
	form := func(mask uint32, source *Pattern, fstypes []string) mountForm {
		return mountForm{r.Target, source, fstypes, patterns(fstypes), must & mask, may & mask, must == msAll}
	}
	// Remount and change of type have no source: one alone is the mount point.
	point := func(mask uint32) mountForm {
		f := form(mask, nil, nil)
		if f.target == nil {
			f.target = r.Source
		}
		return f
	}
	noType := len(fstypes) == 0
	every := must == 0 || must == msAll
	switch {
	case every:
		// A command that the rule does not name has a form that takes no mount.
		var forms []mountForm
		named := func(command uint32) bool { return noType && (must|may)&command != 0 }
		if named(msRemount) && r.Source == nil {
			forms = append(forms, point(msRemountFlags))
		}
		if named(msBind) {
			forms = append(forms, form(msBindFlags, r.Source, nil))
		}
		if named(msMove) {
			forms = append(forms, form(msMoveFlags, r.Source, nil))
		}
		if named(msMakeType) && (r.Source == nil || r.Target == nil) {
			forms = append(forms, point(msMakeFlags))
		}
		return append(forms, form(msNewFlags, r.Source, fstypes))
	case must&msRemount != 0 && r.Source == nil && noType:
		return []mountForm{point(msRemountFlags)}
	case must&msBind != 0 && noType:
		return []mountForm{form(msBindFlags, r.Source, nil)}
	case must&msMakeType != 0 && (r.Source == nil || r.Target == nil) && noType:
		return []mountForm{point(msMakeFlags)}
	case must&msMove != 0 && noType:
		return []mountForm{form(msMoveFlags, r.Source, nil)}
	case (must|may)&^msCommands != 0:
		return []mountForm{form(msNewFlags, r.Source, fstypes)}
	}
	return nil
}

// looksAt returns what the kernel looks at of a mount of some flags.
func looksAt(flags uint32, source, fstype string) (string, string, uint32) {
	switch kindOf(flags) {
	case remount:
		return "", "", flags
	case changeType:
		return "", "", flags & msMakeFlags
	case bindMount:
		return source, "", flags & msBindFlags
	case moveMount:
		return source, "", msMove
	}
	return source, fstype, flags
}

// flagWords returns the words of mount flags as the kernel logs them.
func flagWords(flags uint32) []string {
	var words []string
	for _, w := range []string{"ro", "nosuid", "nodev", "noexec", "sync", "remount", "mand", "dirsync", "nosymfollow",
		"noatime", "nodiratime", "move", "silent", "acl", "relatime", "iversion", "strictatime", "lazytime", "nouser"} {
		if flags&mountFlags[w] != 0 {
			words = append(words, w)
		}
	}
	for _, w := range []string{"bind", "unbindable", "private", "slave", "shared"} {
		switch {
		case flags&mountFlags[w] == 0:
		case flags&msRec != 0:
			words = append(words, "r"+w)
		default:
			words = append(words, w)
		}
	}
	return words
}

// mountCommands are the flags that say what kind of mount it is: MS_CMDS of
// mount.h in apparmor_parser.
const mountCommands = msCommands | msRec

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

// flagCells returns flags for all that the mount rules tell apart of what the kernel acts
// on: a bind mount by its two flags, one propagation at a time, and of the options of new
// mounts and remounts those that stand together in all rules none, one or all.
func (c *celler) flagCells() []uint32 {
	if c.flags != nil {
		return c.flags
	}
	columns := map[uint32]string{} // of each option, in which forms it may or must stand
	column := func(flags uint32) {
		for bit := uint32(1); bit != 0; bit <<= 1 {
			if msNewFlags&bit != 0 {
				columns[bit] += map[bool]string{false: "0", true: "1"}[flags&bit != 0]
			}
		}
	}
	for _, r := range c.rules {
		if m, ok := r.(*MountRule); ok && m.Op != "umount" {
			for _, f := range mountForms(m) {
				if !f.anyFlags {
					column(f.must &^ f.may)
					column(f.must | f.may)
				}
			}
		}
	}
	for _, w := range c.wanted {
		if m, ok := w.(MountRequest); ok {
			column(m.flags())
		}
	}
	alike := map[string]uint32{}
	for bit, key := range columns {
		alike[key] |= bit
	}
	options := []uint32{0}
	for _, key := range slices.Sorted(maps.Keys(alike)) {
		class := alike[key]
		for _, o := range options {
			options = append(options, o|class)
			if one := class & -class; one != class {
				options = append(options, o|one)
			}
		}
		if len(options) > maxCells {
			c.left = 0
			return nil
		}
	}
	var cells []uint32
	for _, o := range options {
		cells = append(cells, o, o|msRemount, o|msRemount|msBind)
	}
	cells = append(cells, msBind, msBindFlags, msMove)
	for _, word := range makeWords {
		for _, more := range []uint32{0, msRec, msSilent, msRec | msSilent} {
			cells = append(cells, mountFlags[word]|more)
		}
	}
	c.flags = cells
	return cells
}
