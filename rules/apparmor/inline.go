package apparmor

import (
	"path/filepath"
	"strings"

	"github.com/whydenied/whydenied/rules"
)

// Inline returns the edit that puts the text of an included file, or of those of
// an included directory, in place of the include through which a rule came, so
// that the rule can be changed for this profile alone. Where includes are nested,
// it is the outermost that goes.
//
// It reports false for a rule of the profile's own text, and for an include that
// does not stand directly in the profile's body.
func (p *Profile) Inline(r Rule) (rules.Edit, bool) {
	h := r.Head()
	if len(h.Via) <= len(p.Via) {
		return rules.Edit{}, false
	}
	at, file := h.Via[len(p.Via)], h.At.File
	if inner := h.Via[len(p.Via)+1:]; len(inner) > 0 {
		file = inner[0].File
	}
	for _, s := range p.stmts {
		include, ok := s.(*includeStmt)
		if !ok || include.loc != at || file.Builtin != "" {
			continue
		}
		if file.Name == include.path || strings.HasSuffix(file.Name, "/"+include.path) {
			return rules.Edit{At: at, New: inlined(at, include.path, file)}, true
		}
		var texts []string
		for _, f := range p.Policy.Files {
			if filepath.Dir(f.Name) == filepath.Dir(file.Name) {
				texts = append(texts, inlined(at, include.path+"/"+filepath.Base(f.Name), f))
			}
		}
		return rules.Edit{At: at, New: strings.Join(texts, lineEnding(at.File.Text, at.Span.Start)+indentation(at))}, true
	}
	return rules.Edit{}, false
}

// inlined is the text of a file as it stands in place of an include.
func inlined(at rules.Location, path string, file *rules.File) string {
	var out strings.Builder
	out.WriteString("# " + path + ", copied for this profile alone:")
	indent, end := indentation(at), lineEnding(at.File.Text, at.Span.Start)
	for line := range strings.Lines(strings.TrimRight(file.Text, " \t\r\n")) {
		out.WriteString(end)
		if line = strings.TrimRight(line, " \t\r\n"); line != "" {
			out.WriteString(indent + line)
		}
	}
	return out.String()
}
