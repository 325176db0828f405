package apparmor

import (
	"cmp"
	"slices"
	"strings"
)

// narrow writes a mount rule as one for each kind of mount that it covers besides that of
// the request, and as others of this kind, from another source, to another mount point
// or of another file system.
func (r *MountRule) narrow(p *Profile, req Request, _ Perms) (n Narrowed, ok bool) {
	q, ok := req.(MountRequest)
	if !ok || mountDiff(r, q) != nil {
		return n, false
	}
	w := mountWriter{rule: r, res: p.resolver(false), start: qualifiersOf(r, r.word())}
	note := ""
	switch kind := kindOf(flagsOf(append([]string{q.Op}, q.Flags...), mountFlags)); {
	case r.Op == "umount":
		ok = w.others("umount", "", "", nil, nil, w.target(r.point(), q.Target))
	case len(r.Options) > 0 && !r.oneKind():
		return n, false
	case len(r.Options) > 0 || r.Op == "remount":
		ok = w.others(r.word(), w.options(), w.types(), w.fstype(kind, q), w.source(kind, q.Source), w.target(r.pointOf(kind), q.Target))
		if len(r.Options) == 0 {
			note = anyOption
		}
	default:
		note = w.kinds(kind, q)
		ok = !w.failed
	}
	if !ok || w.failed {
		return n, false
	}
	exact := note == ""
	return p.narrowedBut(r, q, w.texts, note, mountNeighbours(q), func(other Request) bool {
		o := other.(MountRequest)
		return within(other, q.looked()) && (o.sameFlags(q) || !exact && o.kind() == q.kind() && (q.kind() != changeType || o.flags()&q.flags()&msMakeType != 0))
	})
}

const anyOption = "The mount is left out with every option."

// word is the keyword of the rule, as it is written.
func (r *MountRule) word() string {
	if r.Op == "umount" && !strings.Contains(r.At.Text(), "umount") {
		return "unmount"
	}
	return r.Op
}

// point is what a umount rule is about.
func (r *MountRule) point() *Pattern {
	if r.Target == nil {
		return r.Source
	}
	return r.Target
}

// pointOf is the mount point of a kind: of those without a source, a lone path is it.
func (r *MountRule) pointOf(kind mountKind) *Pattern {
	if kind == remount || kind == changeType {
		return r.point()
	}
	return r.Target
}

// oneKind reports whether the options of a rule are of one kind of mount, and no others
// would do.
func (r *MountRule) oneKind() bool {
	return len(mountForms(r)) == 1 && len(r.Options) == 1 && !r.Options[0].In
}

func (q MountRequest) flags() uint32 { return flagsOf(append([]string{q.Op}, q.Flags...), mountFlags) }

func (q MountRequest) kind() mountKind { return kindOf(q.flags()) }

// sameFlags reports whether two mounts have the same flags, as far as the kernel looks.
func (q MountRequest) sameFlags(o MountRequest) bool {
	_, _, a := looksAt(q.flags(), "", "")
	_, _, b := looksAt(o.flags(), "", "")
	if q.Op == "umount" || o.Op == "umount" {
		return q.Op == o.Op
	}
	return a == b
}

// looked is a request less what the kernel does not look at of its kind.
func (q MountRequest) looked() MountRequest {
	q.Source, q.Fstype, _ = looksAt(q.flags(), q.Source, q.Fstype)
	return q
}

// mountNeighbours are a mount, and those that differ from it in kind, flags, source, mount
// point or type.
func mountNeighbours(q MountRequest) []Request {
	all := neighbours(q)
	for _, words := range []string{"mount", "mount ro", "mount nosuid silent", "mount rprivate", "mount shared", "mount slave silent", "mount unbindable",
		"remount", "remount ro", "bind", "bind rbind", "move", "umount"} {
		op, flags, _ := strings.Cut(words, " ")
		other := q
		other.Op, other.Flags = op, strings.Fields(flags)
		all = append(all, neighbours(other)...)
	}
	return slices.DeleteFunc(all, func(o Request) bool { return !o.(MountRequest).sensible() })
}

// sensible reports whether a mount is one that the kernel may make: a new one is of a type,
// whose name has no slash.
func (q MountRequest) sensible() bool {
	return q.kind() != newMount || q.Op == "umount" || q.Fstype != "" && !strings.Contains(q.Fstype, "/")
}

// A mountWriter writes mount rules that together leave something out of another.
type mountWriter struct {
	rule   *MountRule
	res    *resolver
	start  string // the qualifiers
	texts  []string
	failed bool // something cannot be written
}

// A mountPart is a condition of a mount rule: what the rule has, and the texts that
// together are all of that but the request's.
type mountPart struct {
	is     string
	others []string
	rest   string // of a list of types: what the rules for the others leave
}

// part narrows a pattern; nil is any, of which others are of.
func (w *mountWriter) part(pattern, of *Pattern, kind textKind, value string) *mountPart {
	part := &mountPart{}
	if pattern != nil {
		part.is, of = pattern.At.Text(), pattern
	}
	if _, literal := of.Literal(); literal {
		return part
	}
	globs, ok := except(w.res, of, kind, value, false)
	if !ok || value == "" || !of.Match(value) {
		w.failed = true
		return part
	}
	for _, g := range globs {
		part.others = append(part.others, quoted(g))
	}
	return part
}

func (w *mountWriter) target(pattern *Pattern, value string) *mountPart {
	return w.part(pattern, everyFile, pathText, value)
}

// source narrows the source of kinds that have one; of a new mount it need not be a path.
func (w *mountWriter) source(kind mountKind, value string) *mountPart {
	switch kind {
	case remount, changeType:
		return nil
	case newMount:
		if value == "" {
			return &mountPart{}
		}
		return w.part(w.rule.Source, anyProfile, pathText, value)
	}
	return w.part(w.rule.Source, everyFile, pathText, value)
}

// fstype narrows the file systems of a new mount.
func (w *mountWriter) fstype(kind mountKind, q MountRequest) *mountPart {
	r := w.rule
	switch {
	case kind != newMount || q.Fstype == "":
		return nil
	case len(r.Fstype) == 0:
		return w.part(nil, anyFstype, labelText, q.Fstype)
	}
	part := &mountPart{is: w.types()}
	for _, c := range r.Fstype {
		for _, v := range c.Values {
			if v == q.Fstype {
				continue
			}
			if matchAnyGlob([]string{v}, q.Fstype) {
				w.failed = true
			}
			part.others = append(part.others, v)
		}
	}
	if len(part.others) > 0 {
		part.rest = mountCondition("fstype", MountCond{Values: []string{q.Fstype}})
	}
	return part
}

// types and options are the conditions as the rule has them.
func (w *mountWriter) types() string {
	var texts []string
	for _, c := range w.rule.Fstype {
		texts = append(texts, mountCondition("fstype", c))
	}
	return strings.Join(texts, " ")
}

func (w *mountWriter) options() string {
	var texts []string
	for _, c := range w.rule.Options {
		texts = append(texts, mountCondition("options", c))
	}
	return strings.Join(texts, " ")
}

func mountCondition(name string, c MountCond) string {
	if name == "fstype" && !c.In && len(c.Values) == 1 {
		return name + "=" + quoteIf(c.Values[0])
	}
	if c.In {
		return name + " in (" + strings.Join(c.Values, ", ") + ")"
	}
	return name + "=(" + strings.Join(c.Values, ", ") + ")"
}

// write adds a rule.
func (w *mountWriter) write(word, options, fstype, source, target string) {
	if word == "mount" && target != "" {
		target = "-> " + target
	}
	w.texts = append(w.texts, w.start+joinWords(word, fstype, options, source, target)+",")
}

// others adds the rules of one kind that leave out what its parts do: a rule for the others
// of each part. A part that is nil is not looked at.
func (w *mountWriter) others(word, options, types string, fstype, source, target *mountPart) bool {
	is := func(part *mountPart) string {
		if part == nil {
			return ""
		}
		return part.is
	}
	if fstype != nil {
		for _, other := range fstype.others {
			w.write(word, options, `fstype="`+strings.Trim(other, `"`)+`"`, is(source), is(target))
		}
		types = cmp.Or(fstype.rest, types)
	}
	if target != nil {
		for _, other := range target.others {
			w.write(word, options, types, is(source), other)
		}
	}
	if source != nil {
		for _, other := range source.others {
			w.write(word, options, types, other, is(target))
		}
	}
	return !w.failed
}

// anyFstype is the type of every new mount. No other kind has one.
var anyFstype = &Pattern{Source: "?*", Expanded: []string{"?*"}}

// makeWords are the options by which a mount is given a propagation.
var makeWords = []string{"unbindable", "private", "slave", "shared"}

// kinds adds rules for all that a rule without options covers but one mount, and returns
// what is left out besides.
func (w *mountWriter) kinds(kind mountKind, q MountRequest) (note string) {
	r := w.rule
	source, target := textOf(r.Source), textOf(r.Target)
	noType := len(r.Fstype) == 0
	if noType && r.Source == nil {
		if kind == remount {
			w.others("remount", "", "", nil, nil, w.target(r.point(), q.Target))
			note = anyOption
		} else {
			w.write("remount", "", "", "", target)
		}
	}
	if noType {
		flags := q.flags()
		for _, form := range []struct {
			kind    mountKind
			flags   uint32
			options string
		}{{bindMount, msBind, "options=(bind)"}, {bindMount, msBindFlags, "options=(rbind)"}, {moveMount, msMove, "options=(move)"}} {
			if kind == form.kind && flags&msBindFlags == form.flags&msBindFlags {
				w.others("mount", form.options, "", nil, w.source(kind, q.Source), w.target(r.Target, q.Target))
			} else {
				w.write("mount", form.options, "", source, target)
			}
		}
	}
	if noType && (r.Source == nil || r.Target == nil) {
		point := textOf(r.point())
		for _, word := range makeWords {
			if kind == changeType && flagsOf([]string{word}, mountFlags)&q.flags() != 0 {
				w.makes(word, q)
				note = "The mount is left out with every option of its kind."
			} else {
				w.write("mount", "options=("+word+") options in ("+withOthers(word)+")", "", "", point)
			}
		}
	}
	types := w.types()
	if types == "" {
		types = "fstype=" + anyFstype.Source
	}
	if kind == newMount {
		w.others("mount", "", types, w.fstype(kind, q), w.source(kind, q.Source), w.target(r.Target, q.Target))
		return anyOption
	}
	w.write("mount", "", types, source, target)
	return note
}

// makes adds the rules for a propagation of all mounts but one.
func (w *mountWriter) makes(word string, q MountRequest) {
	for _, option := range []string{word, "r" + word} {
		w.others("mount", "options=("+option+") options in (silent)", "", nil, nil, w.target(w.rule.point(), q.Target))
	}
}

// withOthers are the options beside which one that gives a propagation may stand.
func withOthers(word string) string {
	var others []string
	for _, w := range makeWords {
		if w != word {
			others = append(others, "r"+w)
		}
	}
	return strings.Join(append(others, "silent"), ", ")
}

func textOf(p *Pattern) string {
	if p == nil {
		return ""
	}
	return p.At.Text()
}
