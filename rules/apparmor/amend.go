package apparmor

import (
	"regexp"
	"strings"
	"unicode"

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
// rule is shared or is a bare "file,".
func (r *FileRule) SetPerms(word string) (edits []rules.Edit, text string, ok bool) {
	if r.Shared || r.Path == nil || word == "" {
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

// ownerWord is the qualifier with the space behind it.
var ownerWord = regexp.MustCompile(`\bowner\s+`)

// DropOwner returns the edit that has an owner rule grant its permissions whoever
// owns the file, and the rule's text afterwards. It reports false if the rule is
// shared, or owner is that of a block around it.
func (r *FileRule) DropOwner() (edit rules.Edit, text string, ok bool) {
	if r.Shared || r.Path == nil || !r.Owner {
		return rules.Edit{}, "", false
	}
	before := r.At
	before.Span.End = min(r.PathAt.Span.Start, r.PermsAt.Span.Start)
	m := ownerWord.FindStringIndex(before.Text())
	if m == nil {
		return rules.Edit{}, "", false
	}
	at := r.At
	at.Span = rules.Span{Start: r.At.Span.Start + m[0], End: r.At.Span.Start + m[1]}
	edit = rules.Edit{At: at}
	return edit, amended(r.At, []rules.Edit{edit}), true
}

// WithoutPerms returns the permissions of a deny rule as they are written, less
// the letters of some.
func (r *FileRule) WithoutPerms(perms Perms) string {
	return strings.Map(func(letter rune) rune {
		if i := strings.IndexRune(fileLetters, unicode.ToLower(letter)); i >= 0 && perms&(1<<i) != 0 {
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
