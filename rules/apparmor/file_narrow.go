package apparmor

import (
	"strings"

	"github.com/whydenied/whydenied/rules"
)

// narrow leaves permissions on one path out of a file rule: the others stay on all
// that the rule names, these on all but the path.
func (r *FileRule) narrow(p *Profile, req Request, perms Perms) (n Narrowed, ok bool) {
	q, ok := req.(FileRequest)
	if !ok || r.Path == nil || r.Exec.Target != nil {
		return n, false
	}
	if r.Perms&Write != 0 && perms&Append != 0 {
		perms |= Write
	}
	taken := r.Perms & perms & FilePerms
	left := r.WithoutPerms(taken)
	linked := taken&Link != 0 && q.Target != ""
	if taken == 0 || !r.Path.Match(q.Path) {
		return n, false
	}
	if _, literal := r.Path.Literal(); literal && !linked {
		if left == "" {
			n.Edits, n.Text, ok = replaceRule(r, nil)
			return n, ok
		}
		n.Edits, n.Text, ok = r.SetPerms(left)
		return n, ok
	}
	res := p.resolver(true)
	globs, ok := except(res, r.Path, pathText, q.Path, taken&Lock != 0)
	if !ok {
		return n, false
	}
	var texts []string
	if left != "" {
		texts = append(texts, amended(r.At, []rules.Edit{{At: r.PermsAt, New: left}}))
	}
	for _, g := range globs {
		texts = append(texts, amended(r.At, []rules.Edit{{At: r.PathAt, New: quoted(g)}, {At: r.PermsAt, New: r.WithoutPerms(^taken)}}))
	}
	if !readAsFiles(r, texts, globs, taken) {
		return n, false
	}
	if linked {
		links, ok := otherLinks(res, r, q)
		if !ok {
			return n, false
		}
		texts = append(texts, links...)
	}
	if len(strings.Join(texts, "\n")) > maxNarrowed {
		return n, false
	}
	n.Edits, n.Text, ok = replaceRule(r, texts)
	return n, ok
}

// readAsFiles reports whether texts read as the rule less some permissions, and
// as those permissions on each of the globs.
func readAsFiles(r *FileRule, texts, globs []string, taken Perms) bool {
	before, ok := readRule(r.At.Text()).(*FileRule)
	if !ok {
		return false
	}
	want := make([]FileRule, 0, len(texts))
	if len(texts) > len(globs) {
		want = append(want, FileRule{Path: before.Path, Perms: before.Perms &^ taken})
	}
	for _, g := range globs {
		want = append(want, FileRule{Path: &Pattern{Source: unescape(`"` + g + `"`)}, Perms: taken})
	}
	for i, text := range texts {
		got, ok := readRule(text).(*FileRule)
		if !ok || got.Qualifiers != before.Qualifiers || got.Path.Source != want[i].Path.Source || got.Perms != want[i].Perms || got.Exec != before.Exec {
			return false
		}
	}
	return true
}
