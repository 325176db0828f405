package apparmor

import (
	"strings"

	"github.com/whydenied/whydenied/rules"
)

// AddFlag returns the edit that adds a flag to the profile's header.
func (p *Profile) AddFlag(name string) rules.Edit {
	if n := len(p.Flags); n > 0 {
		at := p.Flags[n-1].At
		at.Span.Start = at.Span.End
		return rules.Edit{At: at, New: ", " + name}
	}
	at := p.At
	header := strings.TrimRight(at.Text(), " \t\r\n")
	at.Span.Start += len(header)
	at.Span.End = at.Span.Start
	return rules.Edit{At: at, New: " flags=(" + name + ")"}
}

// SetPerms returns the edits that replace the permissions of a rule where it
// stands, and the rule's text afterwards. word is what stands in their place,
// such as "rw" or "rix"; a target after an arrow goes. It reports false if the
// rule came through an include or is a bare "file,".
func (r *FileRule) SetPerms(word string) (edits []rules.Edit, text string, ok bool) {
	if len(r.Via) > 0 || r.Path == nil || word == "" {
		return nil, "", false
	}
	edits = []rules.Edit{{At: r.PermsAt, New: word}}
	if r.Exec.Target != nil {
		target := r.Exec.TargetAt
		target.Span.Start = r.PermsAt.Span.End
		if r.Leading {
			target.Span.Start = r.PathAt.Span.End
		}
		edits = append(edits, rules.Edit{At: target, New: ""})
	}
	return edits, amended(r.At, edits), true
}

// WithoutPerms returns the permissions of a deny rule as they are written, less
// the letters of some.
func (r *FileRule) WithoutPerms(perms Perms) string {
	return strings.Map(func(letter rune) rune {
		if i := strings.IndexRune(fileLetters, letter); i >= 0 && perms&(1<<i) != 0 {
			return -1
		}
		return letter
	}, r.PermsAt.Text())
}

// ChangeExec returns the edits that give an executing rule another exec mode,
// such as "ix", and the rule's text afterwards. A rule whose new mode can take
// a target keeps it.
func (r *FileRule) ChangeExec(mode string) (edits []rules.Edit, text string, ok bool) {
	edits, text, ok = r.SetPerms((r.Perms &^ Exec).String() + mode)
	if ok && mode != "ix" {
		edits = edits[:1]
		text = amended(r.At, edits)
	}
	return edits, text, ok
}

// OrInherit returns the exec mode that stays in the profile where this one
// finds no target: pix for px.
func (t Transition) OrInherit() string {
	t.Fallback = Inherit
	return t.String()
}

// NarrowDeny returns the edits that make a deny rule leave out some permissions
// on one path and refuse all else that it did, and the text that stands in its
// place. It reports false for a rule that came through an include, and for
// globs that cannot be written without one of their names.
func (r *FileRule) NarrowDeny(path string, perms Perms) (edits []rules.Edit, text string, ok bool) {
	if !r.Deny || len(r.Via) > 0 || r.Path == nil {
		return nil, "", false
	}
	left := r.WithoutPerms(perms)
	if _, literal := r.Path.Literal(); literal {
		if left == "" {
			edit, ok := RemoveRule(r)
			return []rules.Edit{edit}, "", ok
		}
		return r.SetPerms(left)
	}
	glob, ok := except(r.Path.Source, path)
	if !ok {
		return nil, "", false
	}
	path = `"` + glob + `"`
	if !strings.ContainsAny(glob, " \t") {
		path = glob
	}
	head := amended(r.At, []rules.Edit{{At: r.PathAt, New: path}, {At: r.PermsAt, New: (r.Perms & perms).String()}})
	if left == "" {
		return []rules.Edit{{At: r.At, New: head}}, head, true
	}
	rest := amended(r.At, []rules.Edit{{At: r.PermsAt, New: left}})
	text = rest + "\n" + indentation(r.At) + head
	return []rules.Edit{{At: r.At, New: text}}, text, true
}

// except returns a glob that names what "prefix**" or "prefix*" names but for
// one path, and reports false for any other glob. It spells the path letter by
// letter: what differs at the first, at the second, and so on, what ends too
// early, and what goes on.
func except(glob, path string) (string, bool) {
	const special = "*?[]{}^\\\"@,- \t\n"
	prefix, ok := strings.CutSuffix(glob, "**")
	tail, slash := "**", ""
	if !ok {
		prefix, ok = strings.CutSuffix(glob, "*")
		tail, slash = "*", "/"
	}
	name, under := strings.CutPrefix(path, prefix)
	if !ok || !under || name == "" || strings.ContainsAny(prefix, special) || strings.ContainsAny(name, "*?[]{}^\\\"@, \t\n") || slash == "/" && strings.Contains(name, "/") {
		return "", false
	}
	var out strings.Builder
	out.WriteString(prefix + "{")
	for i := range len(name) {
		class := name[i : i+1]
		if class == "-" {
			class = `\-`
		}
		other := "[^" + class + slash + "]" + tail
		if i == 0 {
			out.WriteString(other)
		} else {
			out.WriteString("," + name[:i] + "{," + other + "}")
		}
	}
	longer := "," + name + "?" + tail
	if slash == "" {
		longer = "," + name + "{?,/}**"
	}
	out.WriteString(longer + "}")
	return out.String(), true
}

// indentation returns the white space before a location on its line, or "" if
// something else is there.
func indentation(at rules.Location) string {
	line, _ := at.File.Position(at.Span.Start)
	before := at.File.Text[at.File.LineStart(line):at.Span.Start]
	if strings.Trim(before, " \t") != "" {
		return ""
	}
	return before
}

// amended returns the text at a location with edits inside it applied.
func amended(at rules.Location, edits []rules.Edit) string {
	inner := rules.NewFile(at.File.Name, at.Text())
	moved := make([]rules.Edit, len(edits))
	for i, e := range edits {
		moved[i] = rules.Edit{
			At:  rules.Location{File: inner, Span: rules.Span{Start: e.At.Span.Start - at.Span.Start, End: e.At.Span.End - at.Span.Start}},
			New: e.New,
		}
	}
	changes, err := rules.Apply(moved)
	if err != nil || len(changes) == 0 {
		return at.Text()
	}
	return changes[0].New
}
