// Package family knows the products that make AppArmor profiles for what they run: what
// a profile is of by its name, who writes its file and where, and how people change what
// the product makes of it. It holds values alone, and does no I/O; what it returns is made
// of the names that it was given, and so as hostile as those.
package family

import (
	"path"
	"regexp"
	"slices"
	"strings"
)

// A product is one that makes profiles. Its texts are templates of regexp.Expand: ${name}
// is what the group of that name matched.
type product struct {
	name      string // of the product, or of the part of it
	profile   *regexp.Regexp
	namespace *regexp.Regexp // of the policy namespace that it makes for a container, beside its profile; nil for none

	runtime string   // of the container that the group name names; "" for what is no container
	what    string   // what runs under the profile
	files   []string // where the profile lies, and where else; DASHED is dir with a dash for each slash
	configs []string // where the product's own config of what runs lies, patterns of path.Match

	writer string // who makes the file of it anew, and when: a clause. "" if it is the user's or a package's
	add    string // how the product is given a rule, which is RULE in it: a clause; "" if it takes none
	then   string // what puts it in force
	change string // where rules that were given are changed, a clause; "" where that is not told
	given  string // the line below which the file has them
	other  []string

	// scrubs is whether what it starts by its own rules enters a profile if there is one, and is unconfined else (PUx).
	scrubs bool

	starter string // the command that starts containers and has this profile itself
	enter   string // begins a command in the container
	source  string // the name of the file that the profile is made of, which is people's own
	loose   bool   // people's own profiles can have such a name
}

// What stands in texts of products for something else.
const (
	rule   = "RULE"   // the rule, in add
	dashed = "DASHED" // ${dir} with dashes in place of slashes
)

// A Member is one profile of a product, as its name tells.
type Member struct {
	Product string   // snap
	Runtime string   // of the container that it is of: lxc; "" if it is of no container
	Name    string   // of that container
	Project string   // that it is in, of Incus or LXD; "" for the default one
	What    string   // "app mysql of snap nextcloud"
	Files   []string // where the profile lies, or else; none if that is not known
	Configs []string // where the product's own config of what runs lies, patterns of path.Match
	// Writer is who makes the file anew, a clause: what is changed in it by hand does not last. It is
	// "" for a file that people may edit.
	Writer string
	Other  []string // what else may be done, sentences
	// Inside is set for what its policy namespace alone is of the product: the policy that
	// decides is the container's own. Enter begins a command in the container.
	Inside  bool
	Enter   string
	Starter string // the command that starts containers and has this profile itself
	Scrubs  bool   // what it executes by its own rules, it does with PUx

	add, then, source string
	change, given     string
	loose             bool
}

// Of returns what a profile is of, or the policy namespace that it is in, if it is in one:
// there a container can have profiles of any name. It is nil if that is of no product that
// is known. Of a stack it is the first profile that is, of a child its parent.
func Of(profile, namespace string) *Member {
	if namespace != "" && namespace != "root" {
		return ofNamespace(namespace)
	}
	for part := range strings.SplitSeq(profile, "//&") {
		parent, _, _ := strings.Cut(part, "//")
		if m := match(parent, func(p *product) *regexp.Regexp { return p.profile }); m != nil {
			return m
		}
	}
	return nil
}

// ofNamespace is Of for a policy namespace, such as root//lxd-web1_<var-lib-lxd>: the
// outermost one.
func ofNamespace(namespace string) *Member {
	outer, _, _ := strings.Cut(strings.TrimPrefix(namespace, "root//"), "//")
	m := match(outer, func(p *product) *regexp.Regexp { return p.namespace })
	if m != nil {
		m.What = "a process in the policy namespace of " + m.What
		m.Inside, m.Files, m.Writer, m.Other, m.add, m.then = true, nil, "", nil, "", ""
	}
	return m
}

func match(name string, by func(*product) *regexp.Regexp) *Member {
	all := products()
	for i := range all {
		p := &all[i]
		pattern := by(p)
		if pattern == nil {
			continue
		}
		at := pattern.FindStringSubmatchIndex(name)
		if at == nil {
			continue
		}
		expand := func(template string) string { return string(pattern.ExpandString(nil, template, name, at)) }
		m := &Member{
			Product: p.name, Runtime: p.runtime, What: expand(p.what), Writer: p.writer, Enter: expand(p.enter), Scrubs: p.scrubs, Starter: p.starter,
			add: expand(p.add), then: expand(p.then), change: expand(p.change), given: p.given, source: p.source, loose: p.loose,
		}
		if p.runtime != "" {
			m.Name, m.Project = expand("${name}"), expand("${project}")
		}
		for _, file := range p.files {
			m.Files = append(m.Files, strings.ReplaceAll(expand(file), dashed, strings.ReplaceAll(expand("${dir}"), "/", "-")))
		}
		for _, config := range p.configs {
			m.Configs = append(m.Configs, path.Clean(expand(config)))
		}
		for _, other := range p.other {
			m.Other = append(m.Other, expand(other))
		}
		return m
	}
	return nil
}

// Generated reports whether the product makes the file of the profile anew, so that no
// change of it lasts.
func (m *Member) Generated() bool { return m != nil && m.Writer != "" }

// IsOwn reports whether a profile that was read from a file is people's own all the same:
// it is what the product makes its own of, or its name alone is like that of the
// product's, and it is not where the product keeps them.
func (m *Member) IsOwn(file string) bool {
	return path.Base(file) == m.source || m.loose && !slices.Contains(m.Files, file)
}

// Adds reports whether the product takes rules of people's own.
func (m *Member) Adds() bool { return m.add != "" }

// IsGiven reports whether a rule that begins at an offset of the text of the profile's file is one that the product
// was given, as far as that is told.
func (m *Member) IsGiven(file string, at int) bool {
	return m.given != "" && strings.Contains(file[:at], m.given)
}

// Changing says how a rule that the product was given is changed, or taken out for "" as the new one, and what puts that
// in force.
func (m *Member) Changing(old, with string) string {
	if with == "" {
		return m.change + " take the line `" + old + "` out; then " + m.then
	}
	return m.change + " put `" + strings.ReplaceAll(with, "\n", "`, `") + "` in place of the line `" + old + "`; then " + m.then
}

// Adding says how the product is given a rule, and what puts it in force. It is "" where
// it takes none.
func (m *Member) Adding(text string) string {
	if !m.Adds() {
		return ""
	}
	return strings.ReplaceAll(m.add, rule, text) + "; then " + m.then
}
