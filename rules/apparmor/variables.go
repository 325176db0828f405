package apparmor

import (
	"fmt"
	"slices"
	"strings"

	"github.com/whydenied/whydenied/rules"
	"github.com/whydenied/whydenied/rules/apparmor/aare"
)

// Limits on the expansion of variables, which grows exponentially in policy made
// to do so.
const (
	maxValues   = 40_000  // values of one variable
	maxExpanded = 1 << 16 // bytes of one expanded pattern
	maxShown    = 200     // bytes of a pattern in a message
	maxAliases  = 1000
	maxAll      = 3 << 19 // bytes of all patterns of a policy, expanded
)

// symbols are the variables of a policy.
type symbols struct {
	vars  map[string]*variable
	bools map[string]bool
	// builtin are the variables of the current profile: profile_name, and
	// exec_path and attach_path unless the policy assigns them.
	builtin map[string]string
	// automatic says that exec_path or attach_path of these was looked up.
	automatic bool
}

// A variable is a set of values, in the order of their assignment.
type variable struct {
	at        rules.Location
	values    []string
	known     map[string]bool // the same
	expanded  []string        // nil until it is needed
	expanding bool
}

// assign records an assignment. It returns what is wrong with it, or "".
func (s *symbols) assign(st *varStmt) string {
	v := s.vars[st.name]
	_, isBool := s.bools[st.name]
	if st.op == tokSetAssign {
		delete(s.bools, st.name)
		v, isBool = nil, false
		s.forget()
	}
	switch {
	case st.op == tokCondAssign && (v != nil || isBool):
		return ""
	case isBool:
		return fmt.Sprintf("${%s} is a boolean of this name", st.name)
	case st.op == tokAddAssign && v == nil:
		return fmt.Sprintf("@{%s} gets more values, but was not assigned before", st.name)
	case st.op == tokEquals && v != nil:
		return fmt.Sprintf("@{%s} was assigned before at %s; use += to add values", st.name, v.at)
	case v == nil:
		v = &variable{at: st.loc, known: map[string]bool{}}
		s.vars[st.name] = v
	}
	v.expanded = nil
	for _, p := range st.values {
		if !v.known[p.Source] && len(v.values) <= maxValues { // one more, which lookup tells
			v.known[p.Source] = true
			v.values = append(v.values, p.Source)
		}
	}
	return ""
}

// forget drops what variables were expanded to, as a condition may have asked for
// before.
func (s *symbols) forget() {
	for _, v := range s.vars {
		v.expanded = nil
	}
}

// enter sets the variables that depend on the profile.
func (s *symbols) enter(p *Profile) {
	s.builtin = map[string]string{"profile_name": escapeGlob(p.Name)}
	if p.Attachment == nil {
		return
	}
	for _, name := range []string{"exec_path", "attach_path"} {
		if s.vars[name] == nil {
			s.builtin[name] = p.Attachment.Expanded[0]
		}
	}
}

// escapeGlob escapes what a glob would read in a name.
func escapeGlob(name string) string {
	var out strings.Builder
	for i := 0; i < len(name); i++ {
		if name[i] == '\\' && i+1 < len(name) {
			out.WriteString(name[i : i+2])
			i++
			continue
		}
		if strings.IndexByte("{}[]*?", name[i]) >= 0 {
			out.WriteByte('\\')
		}
		out.WriteByte(name[i])
	}
	return out.String()
}

// lookup returns the values of a variable with the variables in them resolved.
func (s *symbols) lookup(name string) ([]string, string) {
	if value, ok := s.builtin[name]; ok {
		s.automatic = s.automatic || name != "profile_name"
		return []string{value}, ""
	}
	v := s.vars[name]
	switch {
	case v == nil:
		return nil, fmt.Sprintf("@{%s} is not assigned", name)
	case v.expanding:
		return nil, fmt.Sprintf("@{%s} is defined by itself", name)
	case v.expanded != nil:
		return v.expanded, ""
	}
	v.expanding = true
	defer func() { v.expanding = false }()
	var out []string
	known := map[string]bool{}
	for _, value := range v.values {
		values, problem := s.product(value)
		if problem != "" {
			return nil, problem
		}
		for _, x := range values {
			if known[x] {
				continue
			}
			if len(out) >= maxValues {
				return nil, fmt.Sprintf("@{%s} has more than %d values", name, maxValues)
			}
			known[x] = true
			out = append(out, x)
		}
	}
	v.expanded = out
	return out, ""
}

// product resolves the variables in a value to all combinations of their
// values.
func (s *symbols) product(value string) ([]string, string) {
	out := []string{""}
	size := 0
	for {
		prefix, name, suffix, ok := cutVariable(value)
		if !ok {
			for i := range out {
				out[i] += value
			}
			return out, ""
		}
		values, problem := s.lookup(name)
		if problem != "" {
			return nil, problem
		}
		if len(out)*len(values) > maxValues {
			return nil, fmt.Sprintf("more than %d combinations of values", maxValues)
		}
		var next []string
		for _, x := range out {
			for _, v := range values {
				next = append(next, x+prefix+v)
				if size += len(x) + len(prefix) + len(v); size > 64*maxExpanded {
					return nil, "the values of the variables are too long"
				}
			}
		}
		out, value = next, suffix
	}
}

// cutVariable splits text around its first @{NAME} that no backslash escapes.
// What is no name, as in @{a,b}, is an alternation after an @.
func cutVariable(text string) (prefix, name, suffix string, ok bool) {
	for i := 0; i < len(text); i++ {
		switch {
		case text[i] == '\\':
			i++
		case text[i] == '@' && strings.HasPrefix(text[i:], "@{"):
			end := i + len("@{")
			for end < len(text) && isWord(text[end]) {
				end++
			}
			if end < len(text) && text[end] == '}' {
				return text[:i], text[i+2 : end], text[end+1:], true
			}
		}
	}
	return text, "", "", false
}

// noVariable returns what 5.0 takes for a variable and refuses: an @{ after which no
// name stands. @{a,b} is an alternation after an @, but variables behind it are not
// resolved.
func noVariable(text string) string {
	for i := 0; i+1 < len(text); i++ {
		if text[i] == '\\' {
			i++
			continue
		}
		if text[i] != '@' || text[i+1] != '{' {
			continue
		}
		end := strings.IndexByte(text[i:], '}')
		if end < 0 {
			return ""
		}
		name := text[i+2 : i+end]
		rest := strings.TrimLeft(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")
		switch {
		case name != "" && isAlpha(name[0]) && rest == "":
			i += end
		case name != "" && isAlpha(name[0]) && rest[0] == ',' && !strings.Contains(text[i+end:], "@{"):
			return ""
		default:
			return text[i : i+end+1]
		}
	}
	return ""
}

// A textKind says how a pattern is read once its variables are resolved.
type textKind byte

const (
	labelText   textKind = iota // as it stands
	pathText                    // runs of slashes become one
	addressText                 // @ADDRESS, which may match NUL
)

// expand resolves the variables of a pattern. A variable of several values
// becomes an alternation {a,b}, as in the parser, which matters to what a *
// before it matches. Without variables and changes the pattern is shared.
func (r *resolver) expand(p *Pattern, kind textKind) *Pattern {
	if p == nil {
		return nil
	}
	if p.Expanded != nil {
		r.spend(p, len(p.Expanded[0]))
		return p
	}
	r.symbols.automatic = false
	text, problem := r.substitute(p.Source)
	if what := noVariable(p.Source); what != "" {
		r.policy.construct(p.At, shown(what)+", which begins no variable", "", "5.0")
	}
	if r.symbols.automatic {
		r.policy.construct(p.At, "@{exec_path} or @{attach_path} that the policy does not assign", "5.0", "")
	}
	if problem == "" && !r.spend(p, len(text)) {
		return plain(p)
	}
	if problem != "" {
		r.errorf(p.At, "variable", "%s", problem)
		text = p.Source
	}
	expanded := &Pattern{Source: p.Source, Expanded: []string{text}, At: p.At}
	if kind != labelText {
		if clean := cleanSlashes(text); clean != text {
			expanded.Expanded[0], expanded.slashes = clean, text
			text = clean
		}
	}
	good := problem == "" && r.checkGlob(expanded, text, kind)
	if good && !strings.Contains(p.Source, "@{") {
		p.Expanded, p.slashes = expanded.Expanded, expanded.slashes
		return p
	}
	if good {
		r.share(expanded)
	}
	return expanded
}

// share has a pattern share what it is compiled to with those that mean the same.
func (r *resolver) share(p *Pattern) {
	if r.matchers == nil {
		return
	}
	m := r.matchers[p.Expanded[0]]
	if m == nil {
		m = &matcher{globs: p.Expanded}
		r.matchers[p.Expanded[0]] = m
	}
	p.Expanded, p.shared = m.globs, m
}

// substitute resolves the variables of a text to alternations.
func (r *resolver) substitute(text string) (string, string) {
	if !strings.Contains(text, "@{") {
		return text, ""
	}
	var out strings.Builder
	for {
		prefix, name, suffix, ok := cutVariable(text)
		out.WriteString(prefix)
		if !ok {
			return out.String(), ""
		}
		values, problem := r.symbols.lookup(name)
		if problem != "" {
			return "", problem
		}
		writeValues(&out, values, strings.HasSuffix(out.String(), "/"), strings.HasPrefix(suffix, "/"))
		if out.Len() > maxExpanded {
			return "", fmt.Sprintf("longer than %d bytes with its variables expanded", maxExpanded)
		}
		text = suffix
	}
}

// spend counts the bytes of a pattern that is in force, and reports whether they are
// not too many yet.
func (r *resolver) spend(p *Pattern, bytes int) bool {
	if r.expanded += bytes; r.expanded > maxAll {
		r.stop(p.At, "too-large", "the patterns of a policy have more than %d KiB with their variables expanded and their aliases: the rest is not read; split it, or use fewer", maxAll>>10)
		return false
	}
	return true
}

// writeValues writes the values of a variable. In an alternation, slashes that
// would double those around it are left out.
func writeValues(out *strings.Builder, values []string, trimLeft, trimRight bool) {
	if len(values) == 1 {
		out.WriteString(values[0])
		return
	}
	for i, v := range values {
		if i == 0 {
			out.WriteByte('{')
		} else {
			out.WriteByte(',')
		}
		if trimLeft {
			v = strings.TrimLeft(v, "/")
		}
		if trimRight {
			v = strings.TrimRight(v, "/")
		}
		out.WriteString(v)
	}
	out.WriteByte('}')
}

// checkGlob reports a glob that the parser refuses.
func (r *resolver) checkGlob(p *Pattern, text string, kind textKind) bool {
	if kind == addressText && text != "" {
		text = text[1:] // the @
	}
	if !strings.ContainsAny(text, "\\[]{}") {
		return true
	}
	key := globKey{text, kind == addressText}
	if r.globs[key] {
		return true
	}
	if _, err := aare.Parse(text, key.nul); err != nil {
		reason := err.Error()
		if g, ok := err.(*aare.Error); ok {
			reason = g.Reason
		}
		if len(text) > maxShown {
			text = text[:maxShown] + "..."
		}
		r.errorf(p.At, "bad-glob", "bad pattern %q: %s", text, reason)
		return false
	}
	r.globs[key] = true
	return true
}

// alias adds the names that aliases give to a path.
func (r *resolver) alias(p *Pattern) *Pattern {
	if p == nil || len(r.policy.Aliases) == 0 {
		return p
	}
	expanded := slices.Clip(p.Expanded)
	for _, a := range r.policy.Aliases {
		if rest, ok := strings.CutPrefix(p.Expanded[0], a.From); ok && r.spend(p, len(a.To)+len(rest)) && r.checkGlob(p, a.To+rest, pathText) {
			expanded = append(expanded, a.To+rest)
		}
	}
	if len(expanded) == len(p.Expanded) {
		return p
	}
	return &Pattern{Source: p.Source, Expanded: expanded, At: p.At}
}

// values returns the variables with their expanded values, for display.
func (s *symbols) values() map[string][]string {
	out := map[string][]string{}
	for name := range s.vars {
		if values, problem := s.lookup(name); problem == "" {
			out[name] = values
		}
	}
	return out
}

// cleanSlashes joins runs of slashes, as filter_slashes() in parser_regex.c
// does to the paths of rules before they become globs. Two leading slashes
// stay: they name another namespace.
func cleanSlashes(path string) string {
	if !strings.Contains(path, "//") {
		return path
	}
	var out strings.Builder
	rest := path
	if strings.HasPrefix(path, "//") && !strings.HasPrefix(path, "///") {
		out.WriteString("//")
		rest = path[2:]
	}
	slash := false
	for i := range len(rest) {
		if rest[i] == '/' && slash {
			continue
		}
		slash = rest[i] == '/'
		out.WriteByte(rest[i])
	}
	return out.String()
}
