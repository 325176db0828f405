package apparmor

import (
	"fmt"
	"slices"
	"strings"

	"github.com/whydenied/whydenied/rules"
)

// maxNear is how many nearest rules an answer holds.
const maxNear = 5

// A NearReason is why a rule that looks as if it should have granted an access
// did not.
type NearReason int

// The reasons, nearest first.
const (
	NearDenied       NearReason = iota // it does grant it; a deny rule takes it away
	NearMerged                         // it would grant it, but apparmor_parser drops it
	NearPerms                          // it matches the object and grants other permissions
	NearOwner                          // it grants it to the owner of the file alone
	NearSlash                          // its path differs by the slash at the end of directories
	NearComponent                      // its path differs in one component
	NearField                          // one condition differs: family, peer, fstype, ...
	NearCommentedOut                   // it is in a comment
)

// String returns the reason as a stable kebab-case name.
func (r NearReason) String() string {
	return [...]string{"denied", "merged", "other-permissions", "owner", "trailing-slash", "other-component",
		"other-condition", "commented-out"}[r]
}

// A Near is a rule that nearly granted what was refused.
type Near struct {
	Rule   Rule           // nil when it is commented out
	At     rules.Location // of the rule, or of the comment
	Why    NearReason
	Detail string // what differs, in words
}

// Near returns the rules that come closest to granting what the decision does
// not, the nearest first, at most five. It looks at every rule, which takes much
// longer than deciding.
func (d *Decision) Near() []Near {
	missing := d.Refused | d.Unmatched
	if missing == 0 {
		return nil
	}
	var near []Near
	if r, ok := d.req.(FileRequest); ok {
		near = d.profile.nearFiles(r, missing)
	} else {
		near = d.profile.nearOthers(d.req, missing)
	}
	near = append(near, d.profile.nearComments(d.req, missing)...)
	slices.SortStableFunc(near, func(a, b Near) int { return int(a.Why) - int(b.Why) })
	return near[:min(len(near), maxNear)]
}

func nearRule(r Rule, why NearReason, format string, args ...any) Near {
	return Near{r, r.Location(), why, fmt.Sprintf(format, args...)}
}

// nearFiles finds the file rules near a file request.
func (p *Profile) nearFiles(req FileRequest, missing Perms) []Near {
	var near, apart []Near
	for _, rule := range p.Rules {
		if link, ok := rule.(*LinkRule); ok && missing&Link != 0 && !link.Deny && link.Link.Match(req.Path) {
			near = append(near, nearLink(link, req))
		}
		r, ok := rule.(*FileRule)
		if !ok || r.Deny || r.Path == nil || r.Path.Err() != nil {
			continue
		}
		perms := filePerms(r)
		switch {
		case r.Path.Match(req.Path):
			near = append(near, p.nearSamePath(r, req, perms, missing))
		case perms&missing == 0:
		case r.Path.Match(otherSlash(req.Path)):
			near = append(near, nearRule(r, NearSlash, "%s", slashDetail(req.Path)))
		default:
			if part, ok := otherComponent(r.Path, req.Path); ok {
				apart = append(apart, nearRule(r, NearComponent, "the rule has another name in place of %q", part))
			}
		}
	}
	// Of rules for other paths, those that share the longest start come first.
	slices.SortStableFunc(apart, func(a, b Near) int {
		return sharedStart(b.Rule.(*FileRule), req.Path) - sharedStart(a.Rule.(*FileRule), req.Path)
	})
	return append(near, apart[:min(len(apart), maxNear)]...)
}

// nearSamePath says why a rule whose path matches did not grant what is missing.
func (p *Profile) nearSamePath(r *FileRule, req FileRequest, perms, missing Perms) Near {
	switch {
	case slices.Contains(p.compile().lost, r):
		return nearRule(r, NearMerged, "a change_profile rule names the same text, and apparmor_parser drops the permissions of this rule")
	case perms&missing == 0:
		return nearRule(r, NearPerms, "the rule grants %s", r.Perms)
	case r.Owner && !req.Owner:
		return nearRule(r, NearOwner, "the rule is for the owner of the file, and the task is not")
	}
	return nearRule(r, NearDenied, "a deny rule takes %s away", perms&missing)
}

func sharedStart(r *FileRule, path string) int {
	n := 0
	for n < len(path) && n < len(r.Path.Source) && r.Path.Source[n] == path[n] {
		n++
	}
	return n
}

// otherSlash adds the slash of directories to a path, or takes it away.
func otherSlash(path string) string {
	if rest, ok := strings.CutSuffix(path, "/"); ok {
		return rest
	}
	return path + "/"
}

func slashDetail(path string) string {
	if strings.HasSuffix(path, "/") {
		return "the path is a directory, and the rule has no / at its end"
	}
	return "the rule is for a directory: its path ends in /"
}

// otherComponent reports whether a pattern would match the path with one of its
// components replaced, and which. Paths of a single component are near nothing.
func otherComponent(p *Pattern, path string) (part string, ok bool) {
	components := strings.SplitAfter(strings.TrimPrefix(path, "/"), "/")
	if len(components) < 2 || path[0] != '/' || p.Err() != nil {
		return "", false
	}
	m := p.read()
	if m.exact {
		return otherInLiteral(m.prefix, path)
	}
	if !nearPrefix(m.prefix, path) {
		return "", false
	}
	auto := p.automaton()
	s := auto.Walk(auto.Start(), "/")
	rest := path[1:]
	for _, c := range components {
		if c == "" || s.Dead() {
			break
		}
		rest = rest[len(c):]
		name := strings.TrimSuffix(c, "/")
		for _, detour := range auto.AfterComponent(s) {
			if len(auto.Walk(detour, c[len(name):]+rest).Tags) > 0 {
				return name, true
			}
		}
		s = auto.Walk(s, c)
	}
	return "", false
}

// otherInLiteral is otherComponent for a pattern that matches one name.
func otherInLiteral(name, path string) (part string, ok bool) {
	a, b := strings.Split(name, "/"), strings.Split(path, "/")
	if len(a) != len(b) {
		return "", false
	}
	found := false
	for i := range b {
		if a[i] == b[i] {
			continue
		}
		if found || a[i] == "" || b[i] == "" {
			return "", false
		}
		part, found = b[i], true
	}
	return part, found
}

// nearPrefix reports whether a path can begin with a prefix when one component
// of it is replaced: it must agree with the prefix again behind that component.
func nearPrefix(prefix, path string) bool {
	n := 0
	for n < len(prefix) && n < len(path) && prefix[n] == path[n] {
		n++
	}
	if n == len(prefix) || n == len(path) {
		return true
	}
	i, j := strings.IndexByte(prefix[n:], '/'), strings.IndexByte(path[n:], '/')
	if i < 0 || j < 0 {
		return true
	}
	rest, tail := prefix[n+i:], path[n+j:]
	return strings.HasPrefix(tail, rest) || strings.HasPrefix(rest, tail)
}

// nearOthers finds the rules near a request of another class: those that match
// in all but one condition, or grant other permissions. The profile's own go
// before those that it includes, as who reads it had them in mind.
func (p *Profile) nearOthers(req Request, missing Perms) []Near {
	var near []Near
	for _, r := range p.Rules {
		perms, diff := req.ask(r)
		switch {
		case perms == 0 || r.Head().Deny:
		case len(diff) == 0 && perms&missing == 0:
			near = append(near, nearRule(r, NearPerms, "the rule grants %s", perms.Words()))
		case len(diff) == 0:
			near = append(near, nearRule(r, NearDenied, "a deny rule takes it away"))
		case len(diff) == 1 && perms&missing != 0:
			near = append(near, nearRule(r, NearField, "the rule has another %s", diff[0]))
		}
	}
	slices.SortStableFunc(near, func(a, b Near) int { return len(a.Rule.Head().Via) - len(b.Rule.Head().Via) })
	return near
}

// nearComments finds rules that the profile's own body holds in comments and
// that would grant what is missing. The text after the # is read as a rule.
func (p *Profile) nearComments(req Request, missing Perms) []Near {
	if p.Body.IsZero() {
		return nil
	}
	var near []Near
	offset := p.Body.Span.Start
	for _, line := range strings.SplitAfter(p.Body.Text(), "\n") {
		start := offset + strings.IndexByte(line, '#')
		offset += len(line)
		text, ok := commentedRule(line)
		if !ok {
			continue
		}
		policy, problems := (&Loader{}).Load(rules.NewFile("comment", p.variablesOf(text)+"profile comment {\n"+text+"\n}\n"))
		if len(problems) > 0 || len(policy.Profiles) != 1 {
			continue
		}
		other := policy.Profiles[0]
		if d := other.Decide(req); d.Granted&missing == 0 {
			continue
		}
		at := rules.Location{File: p.Body.File, Span: rules.Span{Start: start, End: offset}}
		at.Span.End = at.Span.Start + len(strings.TrimRight(at.Text(), "\r\n"))
		near = append(near, Near{nil, at, NearCommentedOut, "the rule is commented out: " + text})
	}
	return near
}

// variablesOf assigns the variables that a text names, as the policy has them.
func (p *Profile) variablesOf(text string) string {
	var out strings.Builder
	assigned := map[string]bool{}
	for {
		_, name, rest, ok := cutVariable(text)
		if !ok {
			return out.String()
		}
		if text = rest; p.Policy != nil && !assigned[name] {
			assigned[name] = true
			fmt.Fprintf(&out, "@{%s}=\"%s\"\n", name, strings.Join(p.Policy.Variables[name], `" "`))
		}
	}
}

// commentedRule returns the rule in a line that is a comment and nothing else.
// Prose seldom ends in a comma; what does and is no rule fails to parse later.
func commentedRule(line string) (string, bool) {
	text := strings.TrimSpace(line)
	if !strings.HasPrefix(text, "#") || len(text) > 1000 {
		return "", false
	}
	text = strings.TrimSpace(strings.TrimLeft(text, "#"))
	if strings.HasPrefix(text, "include") || !strings.Contains(text, ",") {
		return "", false
	}
	if end := strings.LastIndex(text, ","); !strings.Contains(text[end:], "#") && strings.TrimSpace(text[end+1:]) != "" {
		return "", false
	}
	return text, true
}
