package apparmor

import (
	"regexp"
	"strings"
	"unicode"

	"github.com/whydenied/whydenied/rules"
)

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

// DropOwner returns the edits that have an owner rule grant its permissions, and some more, whoever
// owns the file, and the rule's text afterwards. It reports false if the rule is
// shared, or owner is that of a block around it.
func (r *FileRule) DropOwner(more Perms) (edits []rules.Edit, text string, ok bool) {
	if r.Shared || r.Path == nil || !r.Owner {
		return nil, "", false
	}
	before := r.At
	before.Span.End = min(r.PathAt.Span.Start, r.PermsAt.Span.Start)
	m := ownerWord.FindStringIndex(before.Text())
	if m == nil {
		return nil, "", false
	}
	at := r.At
	at.Span = rules.Span{Start: r.At.Span.Start + m[0], End: r.At.Span.Start + m[1]}
	edits = []rules.Edit{{At: at}}
	if more&^r.Perms != 0 {
		add, _, ok := r.AddPerms(more)
		if !ok {
			return nil, "", false
		}
		edits = append(edits, add)
	}
	return edits, amended(r.At, edits), true
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

// ChangeExec returns the edits that give an executing rule the mode of another
// exec transition, and the rule's text afterwards. A rule whose new mode can take
// a target keeps its own.
func (r *FileRule) ChangeExec(exec Transition) (edits []rules.Edit, text string, ok bool) {
	edits, text, ok = r.SetPerms((r.Perms &^ Exec).String() + exec.String())
	if ok && exec.Mode != Inherit {
		edits = edits[:1]
		text = amended(r.At, edits)
	}
	return edits, text, ok
}

// AddPerms returns the edit that adds permissions to the rule where it stands,
// and the rule's text afterwards. It reports false if the rule came through an
// include, is a deny or a bare "file," rule, has a permission that excludes
// one of them (w and a), or has l for one target alone: add a rule instead. Execute is not added; see SetExec.
func (r *FileRule) AddPerms(perms Perms) (edit rules.Edit, text string, ok bool) {
	add := perms & FilePerms &^ (r.Perms | Exec)
	if add&Link != 0 && strings.ContainsAny(r.PermsAt.Text(), "lL") {
		return rules.Edit{}, "", false // it is there, for another target: see meant
	}
	if (r.Perms|perms)&Write != 0 {
		add &^= Append // w holds a
	}
	if add&Write != 0 && r.Perms&Append != 0 {
		return r.replacePerms(strings.Map(dropAppend, r.PermsAt.Text()), add)
	}
	return r.replacePerms(r.PermsAt.Text(), add)
}

// dropAppend removes a, which w implies and excludes.
func dropAppend(c rune) rune {
	if c == 'a' {
		return -1
	}
	return c
}

// replacePerms adds letters to the permissions as the source writes them, before
// an exec mode that ends them.
func (r *FileRule) replacePerms(old string, add Perms) (edit rules.Edit, text string, ok bool) {
	if r.Shared || r.Path == nil || r.Deny || add == 0 {
		return rules.Edit{}, "", false
	}
	at := len(old)
	if n := len(r.Exec.String()); r.Perms&Exec != 0 && n > 0 && n <= at && strings.EqualFold(old[at-n:], r.Exec.String()) {
		at -= n
	}
	word := old[:at] + add.letters() + old[at:]
	if old == r.Perms.String() {
		word = (r.Perms | add).String() // in the order in which they are, if that is the usual one
	}
	if perms, _, problem := parsePerms(word); problem != "" || perms&add != add {
		return rules.Edit{}, "", false
	}
	return r.editPerms(word)
}

// SetExec returns the edit that gives a rule without execute permission the mode
// of an exec transition, as AddPerms does.
func (r *FileRule) SetExec(exec Transition) (edit rules.Edit, text string, ok bool) {
	if r.Shared || r.Path == nil || r.Deny || r.Perms&Exec != 0 {
		return rules.Edit{}, "", false
	}
	word := r.PermsAt.Text() + exec.String()
	if _, read, problem := parsePerms(word); problem != "" || read.Mode == 0 {
		return rules.Edit{}, "", false
	}
	return r.editPerms(word)
}

// editPerms replaces the permissions of the rule.
func (r *FileRule) editPerms(word string) (edit rules.Edit, text string, ok bool) {
	whole, at := r.At.Span, r.PermsAt.Span
	text = r.At.File.Text[whole.Start:at.Start] + word + r.At.File.Text[at.End:whole.End]
	return rules.Edit{At: r.PermsAt, New: word}, text, true
}
