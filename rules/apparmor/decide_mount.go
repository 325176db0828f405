package apparmor

import (
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
	fstypes        []string // globs, nil for any
	must, may      uint32   // flags that have to be there, and that can be
	anyFlags       bool
}

// mountForms returns the forms of a mount or remount rule.
func mountForms(r *MountRule) []mountForm {
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

// formsOf returns the forms for one choice of flags.
func formsOf(r *MountRule, fstypes []string, must, may uint32) []mountForm {
	form := func(mask uint32, source *Pattern, fstypes []string) mountForm {
		return mountForm{r.Target, source, fstypes, must & mask, may & mask, must == msAll}
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
		var forms []mountForm
		if noType && r.Source == nil {
			forms = append(forms, point(msRemountFlags))
		}
		if noType {
			forms = append(forms, form(msBindFlags, r.Source, nil), form(msMoveFlags, r.Source, nil))
		}
		if noType && (r.Source == nil || r.Target == nil) {
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

// mountDiff compares a mount rule, as match_mnt() in security/apparmor/mount.c
// does, and returns how its nearest form differs.
func mountDiff(r *MountRule, req MountRequest) []string {
	if req.Op == "umount" {
		if r.Op != "umount" {
			return []string{"operation"}
		}
		target := r.Target
		if target == nil {
			target = r.Source
		}
		return compareAll(field{"mount point", target.Match(req.Target)})
	}
	if r.Op == "umount" {
		return []string{"operation"}
	}
	source, fstype, flags := looksAt(flagsOf(append([]string{req.Op}, req.Flags...), mountFlags), req.Source, req.Fstype)
	best := []string{"operation"}
	for i, f := range mountForms(r) {
		diff := compareAll(
			field{"mount point", f.target.Match(req.Target)},
			field{"source", f.source.Match(source)},
			field{"fstype", f.fstypes == nil || matchAnyGlob(f.fstypes, fstype)},
			field{"flags", f.anyFlags || f.must&^f.may&^flags == 0 && flags&^(f.must|f.may) == 0})
		if i == 0 || len(diff) < len(best) {
			best = diff
		}
	}
	return best
}

// noteRemount says where versions of apparmor_parser differ: 3.0.8 and older let
// a remount rule without options cover the flag remount alone, and demand the
// options that options in makes optional.
func noteRemount(req MountRequest, d *Decision) {
	if kindOf(flagsOf(append([]string{req.Op}, req.Flags...), mountFlags)) != remount {
		return
	}
	for _, r := range d.Allow {
		m, ok := r.(*MountRule)
		loose := ok && (len(m.Options) == 0 || slices.ContainsFunc(m.Options, func(c MountCond) bool { return c.In }))
		if !ok || m.Op != "remount" || !loose {
			return
		}
	}
	if len(d.Allow) > 0 {
		d.Notes = append(d.Notes, "AppArmor 3.0.8 and older read a remount rule like this as covering fewer flags")
	}
}

// matchAnyGlob reports whether one of a few globs matches.
func matchAnyGlob(globs []string, name string) bool {
	return slices.ContainsFunc(globs, func(g string) bool {
		return g == name || (&Pattern{Expanded: []string{g}}).Match(name)
	})
}
