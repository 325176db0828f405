package apparmor

import (
	"reflect"
	"slices"
	"strings"

	"github.com/whydenied/whydenied/rules"
)

// Local returns the file of the profile's own include <local/NAME>, which
// packages keep for what the administrator of a system adds, or nil if it has
// none, the file is not there, or another profile of the policy includes it, too.
func (p *Profile) Local() *rules.File { return p.local }

// Insert returns the edit that adds a rule, such as "/etc/hosts r,", or an
// include: at the end of the profile's local file if it has one, else to its own
// body: after the file rule that shares most of its directories, else the last
// rule of its kind, else after the last rule, else after the last include, else before
// the closing brace; indented and with line endings as its neighbours. The body
// is that of the file where the profile stands, never that of another included
// file, nor of a block or a conditional.
func (p *Profile) Insert(rule string) rules.Edit {
	rule = strings.TrimSpace(rule)
	if p.local != nil {
		return insertLast(p.local, rule)
	}
	file, body := p.Body.File, p.Body.Span
	if anchor, ok := p.anchor(rule); ok {
		return insertAfter(file, body, anchor, rule)
	}
	return insertFirst(file, body, rule)
}

// insertLast adds a rule at the end of a file of rules.
func insertLast(file *rules.File, rule string) rules.Edit {
	text := strings.TrimRight(file.Text, " \t\r\n")
	if text == "" {
		return insertion(file, len(file.Text), rule+"\n")
	}
	last := strings.LastIndexByte(text, '\n') + 1
	end := len(text)
	if i := strings.IndexByte(file.Text[end:], '\n'); i >= 0 {
		return insertion(file, end+i+1, indentOf(text, last)+rule+lineEnding(file.Text, last))
	}
	return insertion(file, len(file.Text), "\n"+indentOf(text, last)+rule+"\n")
}

// anchor returns the statement of the body after which a new rule goes: the
// last rule of its kind, else the last rule, else the last include. A file rule
// goes after the last of those that share most of its directories.
func (p *Profile) anchor(rule string) (rules.Span, bool) {
	kind, path := kindOfText(rule)
	var include, last, kin, like rules.Span
	shared := len("/")
	for _, item := range p.own() {
		switch item.kind {
		case nil:
			include = item.span
		case kind:
			kin, last = item.span, item.span
			if n := sharedDirectories(item.path, path); n > shared || n == shared && like.End > 0 {
				shared, like = n, item.span
			}
		default:
			last = item.span
		}
	}
	if kind == nil { // an include goes to its like
		kin = include
	}
	for _, s := range []rules.Span{like, kin, last, include} {
		if s.End > 0 {
			return s, true
		}
	}
	return rules.Span{}, false
}

// sharedDirectories returns the length of the directories that two paths begin
// with alike, with their last slash.
func sharedDirectories(a, b string) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return strings.LastIndexByte(a[:n], '/') + 1
}

// An ownItem is a statement that stands directly in the body of a profile.
type ownItem struct {
	span rules.Span
	kind reflect.Type // of the rule; nil for an include
	path string       // of a file rule, as written
}

// own returns the rules and includes that stand directly in the profile's body.
func (p *Profile) own() []ownItem {
	p.itemsOnce.Do(func() {
		for _, s := range p.stmts {
			switch s := s.(type) {
			case *ruleStmt:
				p.items = append(p.items, ownItem{s.rule.Location().Span, reflect.TypeOf(s.rule), pathAsWritten(s.rule)})
			case *includeStmt:
				p.items = append(p.items, ownItem{span: s.loc.Span})
			}
		}
	})
	return p.items
}

// pathAsWritten is the path of a file rule, or "".
func pathAsWritten(r Rule) string {
	if f, ok := r.(*FileRule); ok && f.Path != nil {
		return f.Path.Source
	}
	return ""
}

// kindOfText returns the kind of the rule that a text holds, nil if it is an
// include, and the path of a file rule.
func kindOfText(text string) (kind reflect.Type, path string) {
	if r, ok := oneStatement(text).(*ruleStmt); ok {
		return reflect.TypeOf(r.rule), pathAsWritten(r.rule)
	}
	return nil, ""
}

// IsRule reports whether a text is one rule or include and nothing else. What is
// made of names from a log must be, before it goes into a profile.
func IsRule(text string) bool {
	switch oneStatement(text).(type) {
	case *ruleStmt, *includeStmt:
		return true
	}
	return false
}

// oneStatement returns the only statement of a text, or nil.
func oneStatement(text string) statement {
	f, _ := parse(rules.NewFile("", "profile x {\n"+text+"\n}\n"), maxTokens)
	if len(f.stmts) != 1 || slices.ContainsFunc(f.diags, func(d rules.Diagnostic) bool { return d.Severity == rules.Error }) {
		return nil
	}
	if p, ok := f.stmts[0].(*profileStmt); ok && len(p.stmts) == 1 {
		return p.stmts[0]
	}
	return nil
}

// insertAfter adds a rule on a line of its own below a statement of the body,
// or beside it if the body's end or another statement shares its line.
func insertAfter(file *rules.File, body, anchor rules.Span, rule string) rules.Edit {
	text := file.Text
	end := anchor.End
	lineEnd := end + strings.IndexByte(text[end:]+"\n", '\n')
	rest := strings.TrimSpace(text[end:min(lineEnd, body.End)])
	if lineEnd > body.End || rest != "" && !strings.HasPrefix(rest, "#") {
		// Something else follows on this line.
		return insertion(file, end, " "+rule+separator(text[end:]))
	}
	indent := indentOf(text, anchor.Start)
	return insertion(file, lineEnd+1, indent+rule+lineEnding(text, anchor.Start))
}

// insertFirst adds a rule to a body without rules, before its closing brace.
func insertFirst(file *rules.File, body rules.Span, rule string) rules.Edit {
	text := file.Text
	line := strings.LastIndexByte(text[:body.End], '\n') + 1
	if line <= body.Start || strings.TrimSpace(text[line:body.End]) != "" {
		return insertion(file, body.Start, " "+rule+separator(text[body.Start:]))
	}
	return insertion(file, line, indentOf(text, body.End)+"  "+rule+lineEnding(text, line-1))
}

// separator is the space to leave before what follows an insertion.
func separator(following string) string {
	if following != "" && strings.IndexByte(" \t\r\n", following[0]) < 0 {
		return " "
	}
	return ""
}

func insertion(file *rules.File, at int, text string) rules.Edit {
	return rules.Edit{At: rules.Location{File: file, Span: rules.Span{Start: at, End: at}}, New: text}
}

// indentOf returns the blanks that start the line of an offset.
func indentOf(text string, pos int) string {
	start := strings.LastIndexByte(text[:pos], '\n') + 1
	line := text[start:]
	return line[:len(line)-len(strings.TrimLeft(line, " \t"))]
}

// lineEnding returns the ending of the line of an offset.
func lineEnding(text string, pos int) string {
	if i := pos + strings.IndexByte(text[pos:], '\n'); i > 0 && i >= pos && text[i-1] == '\r' {
		return "\r\n"
	}
	return "\n"
}

// RemoveRule returns the edit that deletes a rule: with its whole line if it
// stands alone there but for a comment behind it. It reports false if the rule
// is shared.
func RemoveRule(r Rule) (rules.Edit, bool) {
	at := r.Location()
	if r.Head().Shared {
		return rules.Edit{}, false
	}
	text, span := at.File.Text, at.Span
	start := span.Start - len(indentOf(text, span.Start))
	alone := start == strings.LastIndexByte(text[:span.Start], '\n')+1 && strings.TrimSpace(text[start:span.Start]) == ""
	end := len(text)
	if n := strings.IndexByte(text[span.End:], '\n'); n >= 0 {
		end = span.End + n
	}
	rest := strings.TrimSpace(text[span.End:end])
	if alone && (rest == "" || rest[0] == '#') {
		span = rules.Span{Start: start, End: min(end+1, len(text))}
	} else if span.Start > 0 && text[span.Start-1] == ' ' {
		span.Start--
	}
	return rules.Edit{At: rules.Location{File: at.File, Span: span}}, true
}

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
