package seccomp

import (
	"fmt"
	"strings"

	"github.com/whydenied/whydenied/rules"
)

// An entryText is an entry to be written.
type entryText struct {
	name   string
	action Action
	errno  int // 0 for none
	args   []Arg
	notOn  []string // architectures of hosts, as excludes.arches has them
}

// A style is how a profile writes its entries.
type style struct {
	newline string // "" for all on one line
	indent  string // before the entry
	inner   string // before its keys
	colon   string // between key and value
	comma   string // between values on one line
	tall    bool   // lists of one have lines of their own
}

// style returns the style of the last entry, or of the profile if it has none.
func (p *Profile) style() style {
	src := p.File.Text
	n := p.node
	if list := p.node.get("syscalls"); list != nil && len(list.items) > 0 && len(list.items[len(list.items)-1].keys) > 0 {
		n = &list.items[len(list.items)-1]
	}
	s := style{colon: ": ", comma: ", "}
	if len(n.keys) == 0 {
		return s
	}
	s.colon = src[n.keys[0].at.End:n.keys[0].value.at.Start]
	lead := src[n.at.Start:n.keys[0].at.Start]
	if strings.Contains(lead, "\n") {
		s.newline = p.newline()
		s.indent = p.indent(n.at.Start)
		s.inner = p.indent(n.keys[0].at.Start)
	} else if len(n.keys) > 1 {
		s.comma = src[n.keys[0].value.at.End:n.keys[1].at.Start]
	} else if s.colon == ":" {
		s.comma = ","
	}
	if n == p.node && s.newline != "" { // entries are two levels further in
		unit := s.inner
		s.indent, s.inner = unit+unit, unit+unit+unit
	}
	if s.newline != "" && strings.ContainsAny(s.colon, "\n") {
		s.colon = ": "
	}
	if strings.ContainsAny(s.comma, "\n") {
		s.comma = ", "
	}
	for _, e := range p.Entries {
		if len(e.Names) == 1 && !e.NamesAt.IsZero() && strings.HasPrefix(e.NamesAt.Text(), "[") {
			s.tall = strings.Contains(e.NamesAt.Text(), "\n")
		}
	}
	return s
}

// render writes an entry in the style of the profile.
func (p *Profile) render(e entryText) string {
	list := p.node.get("syscalls")
	if !p.node.flow && (list == nil || !list.flow) {
		return p.renderYAML(e)
	}
	s := p.style()
	names := fmt.Sprintf("[%q]", e.name)
	if s.newline != "" && s.tall {
		unit := strings.TrimPrefix(s.inner, s.indent)
		names = fmt.Sprintf("[%s%q%s]", s.newline+s.inner+unit, e.name, s.newline+s.inner)
	}
	key := func(k, v string) string { return `"` + k + `"` + s.colon + v }
	fields := []string{key("names", names), key("action", `"`+e.action.SCMP()+`"`)}
	if e.errno != 0 {
		fields = append(fields, key("errnoRet", fmt.Sprint(e.errno)))
	}
	if len(e.args) > 0 {
		var args []string
		for _, a := range e.args {
			f := []string{key("index", fmt.Sprint(a.Index)), key("value", fmt.Sprint(a.Value))}
			if a.Op == MaskedEQ {
				f = append(f, key("valueTwo", fmt.Sprint(a.ValueTwo)))
			}
			args = append(args, "{"+strings.Join(append(f, key("op", `"`+a.Op.SCMP()+`"`)), s.comma)+"}")
		}
		fields = append(fields, key("args", "["+strings.Join(args, s.comma)+"]"))
	}
	if len(e.notOn) > 0 {
		arches := `["` + strings.Join(e.notOn, `"`+s.comma+`"`) + `"]`
		fields = append(fields, key("excludes", "{"+key("arches", arches)+"}"))
	}
	if s.newline == "" {
		return "{" + strings.Join(fields, s.comma) + "}"
	}
	return "{" + s.newline + s.inner + strings.Join(fields, ","+s.newline+s.inner) + s.newline + s.indent + "}"
}

// renderYAML writes an entry as an item of a block list, without the dash and
// the white space before it.
func (p *Profile) renderYAML(e entryText) string {
	nl := p.newline() + p.itemIndent() + "  "
	text := "action: " + e.action.SCMP() + nl + "names:" + nl + "- " + e.name
	if e.errno != 0 {
		text += nl + fmt.Sprintf("errnoRet: %d", e.errno)
	}
	if len(e.args) > 0 {
		text += nl + "args:"
		for _, a := range e.args {
			text += nl + fmt.Sprintf("- index: %d", a.Index) + nl + fmt.Sprintf("  value: %d", a.Value)
			if a.Op == MaskedEQ {
				text += nl + fmt.Sprintf("  valueTwo: %d", a.ValueTwo)
			}
			text += nl + "  op: " + a.Op.SCMP()
		}
	}
	return text
}

// itemIndent returns the white space before the dash of entries in YAML.
func (p *Profile) itemIndent() string {
	if list := p.node.get("syscalls"); list != nil && len(list.items) > 0 {
		return p.indent(list.items[0].at.Start)
	}
	return p.indent(p.node.at.Start)
}

// appendEntry adds a rendered entry after the last, or after the last that
// stays when some go.
func (p *Profile) appendEntry(list *node, gone map[int]bool, text string) rules.Edit {
	if list == nil || list.kind != array || !list.flow && len(list.items) == 0 {
		return p.newSyscalls(list, text)
	}
	if !list.flow {
		last := len(list.items) - 1
		for gone[last] {
			last--
		}
		return p.insert(p.lineEnd(list.items[last].at.End), p.newline()+p.itemIndent()+"- "+text)
	}
	s := p.style()
	if len(list.items) == 0 {
		if s.newline == "" {
			return p.edit(list.at, "["+text+"]")
		}
		outer := strings.TrimSuffix(s.indent, strings.TrimPrefix(s.inner, s.indent))
		return p.edit(list.at, "["+s.newline+s.indent+text+s.newline+outer+"]")
	}
	last := list.items[len(list.items)-1]
	separator := s.comma
	if n := len(list.items); n > 1 {
		separator = p.File.Text[list.items[n-2].at.End:last.at.Start]
	} else if lead := p.File.Text[list.at.Start+1 : last.at.Start]; strings.Contains(lead, "\n") {
		separator = "," + lead
	}
	return p.insert(last.at.End, separator+text)
}

// newSyscalls adds the list of entries to a profile without one.
func (p *Profile) newSyscalls(list *node, text string) rules.Edit {
	switch {
	case list != nil && p.node.flow:
		return p.edit(list.at, "["+text+"]")
	case p.node.flow:
		return p.addKey("syscalls", "["+text+"]")
	}
	indent := p.itemIndent()
	block := p.newline() + indent + "- " + text
	if list != nil {
		return p.edit(list.at, block)
	}
	return p.afterDefault(p.lineEnd(p.DefaultAt.Span.End), p.newline()+indent+"syscalls:"+block)
}

// afterDefault puts text at an offset on the line of the default action, as a
// replacement of the action by itself and what follows: two edits that each add a
// key are then a conflict, and not a key given twice.
func (p *Profile) afterDefault(at int, text string) rules.Edit {
	s := rules.Span{Start: p.DefaultAt.Span.Start, End: at}
	return p.edit(s, p.File.Text[s.Start:s.End]+text)
}

// addKey adds a key to the profile after its default action.
func (p *Profile) addKey(key, value string) rules.Edit {
	at := p.DefaultAt.Span.End
	if !p.node.flow {
		return p.afterDefault(p.lineEnd(at), p.newline()+p.indent(p.node.at.Start)+key+": "+value)
	}
	src := p.File.Text
	separator, colon := ", ", ": "
	for i, m := range p.node.keys {
		if m.value.at != p.DefaultAt.Span {
			continue
		}
		colon = src[m.at.End:m.value.at.Start]
		before := p.node.at.Start + 1
		if i > 0 {
			before = p.node.keys[i-1].value.at.End + 1
		}
		separator = "," + strings.TrimLeft(src[before:m.at.Start], ",")
	}
	return p.afterDefault(at, separator+`"`+key+`"`+colon+value)
}
