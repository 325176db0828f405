package apparmor

import (
	"slices"
	"strings"

	"github.com/whydenied/whydenied/rules"
)

// A Split is a deny rule that is taken apart by directory.
type Split struct {
	Narrowed
	Refused []string // path expressions of what stays refused
	Freed   []string // the same of what is refused no more, the file among it
}

// maxKnown is how many names of one directory a split has a rule for.
const maxKnown = 8

// SplitDeny returns what becomes of a deny rule for all of a folder when it is taken apart by
// the directories on the way to a file: in each, names that begin with another letter stay
// refused, and those that begin alike and that rules of the profile speak of. What else
// begins alike is refused no more: that is what it costs to be read more easily than what
// NarrowDeny returns. perms are as there. It reports false for a rule of another form, for a
// file in the rule's own folder, and for execution, as what else begins so is too much of that.
func (p *Profile) SplitDeny(r Rule, req Request, perms Perms) (s Split, ok bool) {
	rule, isFile := r.(*FileRule)
	file, forFile := req.(FileRequest)
	if !isFile || !forFile || rule.Path == nil || len(rule.Path.Expanded) != 1 || rule.Shared || !rule.Deny || rule.Exec.Target != nil || file.Target != "" {
		return s, false
	}
	taken := rule.Perms & perms & FilePerms
	if taken == 0 || taken&Exec != 0 || !p.splitGlobs(rule, file.Path, &s) {
		return s, false
	}
	var texts []string
	if left := rule.WithoutPerms(taken); left != "" {
		texts = append(texts, amended(rule.At, []rules.Edit{{At: rule.PermsAt, New: left}}))
	}
	for _, g := range s.Refused {
		texts = append(texts, amended(rule.At, []rules.Edit{{At: rule.PathAt, New: quoted(g)}, {At: rule.PermsAt, New: rule.WithoutPerms(^taken)}}))
	}
	if !readAsFiles(rule, texts, s.Refused, taken) {
		return s, false
	}
	s.Edits, s.Text, ok = replaceRule(rule, texts)
	return s, ok
}

// splitGlobs fills in the path expressions of a split. The rule must be for a folder that it
// names, and for all below it.
func (p *Profile) splitGlobs(rule *FileRule, path string, s *Split) bool {
	folder, whole := strings.CutSuffix(rule.Path.Expanded[0], "/**")
	written, spelled := strings.CutSuffix(rule.Path.Source, "/**")
	below, inside := strings.CutPrefix(path, folder+"/")
	if !whole || !spelled || !inside || strings.ContainsAny(folder, special) || !printable(written) {
		return false
	}
	for name := range strings.SplitSeq(strings.TrimSuffix(below, "/"), "/") {
		if name == "" || !plainLetter(name[0]) || strings.ContainsAny(folder, special) || !printable(folder) {
			return false
		}
		begins := name[:1]
		s.Refused = append(s.Refused, written+"/[^"+begins+"/]**")
		s.Freed = append(s.Freed, written+"/"+begins+"**")
		for _, known := range p.namedIn(folder+"/", begins, name) {
			s.Refused = append(s.Refused, written+"/"+known)
		}
		folder, written = folder+"/"+name, written+"/"+name
	}
	return len(s.Freed) > 1
}

// special are the letters that do not stand for themselves in a path expression.
const special = `*?[]{}\^@`

// plainLetter reports whether a letter stands for itself in a class, and for no range.
func plainLetter(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '.' || c == '_'
}

// namedIn returns the names in a folder that begin with a letter and that file rules of a
// profile speak of, but one, sorted; of folders the expression for all that is in them.
func (p *Profile) namedIn(folder, begins, but string) (names []string) {
	for _, r := range p.Rules {
		rule, ok := r.(*FileRule)
		if !ok || rule.Path == nil {
			continue
		}
		for _, glob := range rule.Path.Expanded {
			name, inside := strings.CutPrefix(glob, folder)
			name, _, isFolder := strings.Cut(name, "/")
			if !inside || name == but || !strings.HasPrefix(name, begins) || !printable(name) || strings.ContainsAny(name, special) {
				continue
			}
			if isFolder {
				name += "/{,**}"
			}
			if !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	slices.Sort(names)
	return names[:min(len(names), maxKnown)]
}
