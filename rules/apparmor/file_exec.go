package apparmor

import (
	"slices"
	"strings"

	"github.com/whydenied/whydenied/rules"
	"github.com/whydenied/whydenied/rules/apparmor/aare"
)

// An ExecMode is what happens to a program's confinement when it is executed.
type ExecMode byte

// The exec modes by their letter. The zero mode is none: no execute
// permission, or the bare x of a deny rule.
const (
	Inherit    ExecMode = 'i' // ix: stay in this profile
	ToProfile  ExecMode = 'p' // px: change to the profile that attaches or is named
	ToChild    ExecMode = 'c' // cx: change to a child of this profile
	Unconfined ExecMode = 'u' // ux: leave confinement
)

// A Transition is the exec mode of a file rule.
type Transition struct {
	Mode     ExecMode
	Fallback ExecMode // Inherit or Unconfined when Mode finds no profile: pix, PUx
	Unsafe   bool     // lower case px, cx, ux: the environment is not scrubbed
	Target   *Pattern // -> target, nil if none is named
	TargetAt rules.Location
}

// String returns the mode as profiles write it: "ix", "Px", "pix", "PUx"; ""
// for none.
func (t Transition) String() string {
	switch t.Mode {
	case 0:
		return ""
	case Inherit:
		return "ix"
	}
	word := string(rune(t.Mode))
	switch t.Fallback {
	case Inherit:
		word += "i"
	case Unconfined:
		word += "u"
	}
	if !t.Unsafe {
		// Pix scrubs as Px does; the fallback of PUx scrubs too.
		word = strings.ToUpper(word)
		word = strings.Replace(word, "I", "i", 1)
	}
	return word + "x"
}

// words is the transition with its target.
func (t Transition) words() string {
	if t.Target == nil {
		return t.String()
	}
	return t.String() + " -> " + t.Target.Source
}

// OrInherit returns the transition that stays in the profile where this one
// finds no target: pix for px.
func (t Transition) OrInherit() Transition {
	t.Fallback = Inherit
	return t
}

// execMode reads ix, px, Px, pix, PUx and so on. The case of the first letter
// decides whether the environment is scrubbed.
func execMode(word string) Transition {
	t := Transition{Mode: ExecMode(word[0] | 0x20)}
	if t.Mode != Inherit {
		t.Unsafe = word[0]&0x20 != 0
	}
	if len(word) == 3 {
		t.Fallback = ExecMode(word[1] | 0x20)
	}
	return t
}

func sameTransition(a, b Transition) bool {
	target := func(t Transition) string {
		if t.Target == nil {
			return ""
		}
		return t.Target.Source
	}
	return a.Mode == b.Mode && a.Fallback == b.Fallback && a.Unsafe == b.Unsafe && target(a) == target(b)
}

// An Execution is where an execution leads.
type Execution struct {
	Rule       *FileRule  // that chose the transition; nil if an all rule did
	Transition Transition // its mode and target
	// Profile is the full name of the profile that the program runs under, "" if
	// that cannot be told from this policy.
	Profile string
	// Missing reports that neither the policy holds the profile that the
	// transition asks for nor the rule has a fallback. The kernel then refuses the
	// execution, unless another policy file brings the profile.
	Missing bool
}

func (p *Profile) decideExec(r FileRequest, a fileAnswer, d *Decision) {
	x := &Execution{Transition: *a.exec}
	d.Exec = x
	if rule, ok := a.execRule.(*FileRule); ok {
		x.Rule = rule
	}
	if a.conflict {
		d.Notes = append(d.Notes, "rules give this program different exec transitions: apparmor_parser refuses the profile")
	}
	mode := x.Transition.Mode
	if mode == ToProfile || mode == ToChild {
		x.Profile = p.execTarget(x.Transition, r.Path)
		if x.Profile != "" {
			return
		}
		mode = x.Transition.Fallback
	}
	switch mode {
	case Inherit:
		x.Profile = p.FullName()
	case Unconfined:
		x.Profile = "unconfined"
	default:
		x.Missing = true
		d.Notes = append(d.Notes, "the policy has no profile for "+x.Transition.String()+" to change to; the kernel refuses the execution if none is loaded")
	}
}

// execTarget returns the name of the profile of the policy that px or cx leads
// to, or "".
func (p *Profile) execTarget(t Transition, path string) string {
	if t.Target == nil {
		parent := p
		if t.Mode == ToProfile {
			parent = nil
		}
		return p.attached(parent, path)
	}
	target := t.Target.Source
	name := strings.TrimPrefix(target, "&")
	if t.Mode == ToChild {
		name = p.Name + "//" + name
	}
	for _, other := range p.siblingProfiles() {
		if other.FullName() != name && (other.Name != name || other.Namespace != p.Namespace) {
			continue
		}
		if name != target && t.Mode == ToProfile { // stacked
			return p.FullName() + "//&" + other.FullName()
		}
		return other.FullName()
	}
	return ""
}

// attached returns the profile with the given parent that attaches to a program
// most specifically: by its literal name, else by the longest literal start.
func (p *Profile) attached(parent *Profile, path string) string {
	best, length := "", -1
	for _, other := range p.siblingProfiles() {
		if other.Parent != parent || other.Namespace != p.Namespace || other.Hat ||
			other.Attachment == nil || !other.Attachment.Match(path) {
			continue
		}
		n := strings.IndexAny(other.Attachment.Source, "*?[{@")
		if _, ok := other.Attachment.Literal(); ok {
			n = 1 << 20
		}
		if n > length {
			best, length = other.FullName(), n
		}
	}
	return best
}

// An ExecConflict is two rules that give one program different exec transitions
// and of which neither is more specific. apparmor_parser refuses the profile:
// "has merged rule with conflicting x modifiers".
type ExecConflict struct {
	A, B    *FileRule
	Example string // a shortest program that both match
}

// ExecConflicts returns the conflicting exec rules of the profile, in source
// order. A rule without * ** ? and [^ ] wins over one that has them, so these do
// not conflict; before 4.0, [ ] was among them. Of a profile made to have very many it returns the first.
func (p *Profile) ExecConflicts() []ExecConflict { return p.execConflicts(newEffort()) }

func (p *Profile) execConflicts(e *effort) []ExecConflict {
	var conflicts []ExecConflict
	var execs []*FileRule
	for _, r := range p.Rules {
		if f, ok := r.(*FileRule); ok && !f.Deny && f.Perms&Exec != 0 && (f.Path == nil || f.Path.Err() == nil) {
			execs = append(execs, f)
		}
	}
	if len(execs) < 2 {
		return nil
	}
	merged := p.merged()
	execs = slices.DeleteFunc(execs, func(f *FileRule) bool { return f.mergedInto(merged) })
	index := indexFiles(execs)
	for i, b := range execs {
		var found []int
		for list := range index.near(filePattern(b)) {
			if !e.look(1) {
				return conflicts
			}
			if a := list.rule; a.Priority == b.Priority && !sameTransition(a.Exec, b.Exec) && a.exact() == b.exact() {
				n, _ := slices.BinarySearch(list.rules, i)
				found = append(found, list.rules[:n]...)
			}
		}
		slices.Sort(found)
		found = slices.Compact(found)
		for _, k := range found {
			if !e.pair() {
				return conflicts
			}
			if both := e.compare(filePattern(execs[k]), filePattern(b), aare.Both); both.HasBoth {
				conflicts = append(conflicts, ExecConflict{execs[k], b, both.Both})
			}
		}
	}
	return conflicts
}

// exact reports whether the rule's path is one that dominates in the choice of
// an exec transition.
func (r *FileRule) exact() bool { return filePattern(r).expr().Exact(r.classes) }
