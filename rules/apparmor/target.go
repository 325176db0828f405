package apparmor

import (
	"fmt"
	"slices"
	"strings"

	"github.com/whydenied/whydenied/rules"
)

// A Target is what policy is loaded for. What a rule means depends on it and on the
// policy's abi: an apparmor_parser leaves out what it or the abi does not know, and a
// kernel mediates what it can.
type Target struct {
	Parser string // the version of apparmor_parser, such as "4.1" or "3.0.8"; "" if it is not known
	Kernel string // the kernel's release, such as "6.12.48-amd64"; "" if it is not known
}

// AtLeast reports whether the parser is known to be of a version or a newer one.
func (t Target) AtLeast(version string) bool {
	return t.Parser != "" && compareVersions(t.Parser, version) >= 0
}

// KernelBefore reports whether the kernel is known to be older than a version.
func (t Target) KernelBefore(version string) bool {
	return t.Kernel != "" && compareVersions(t.Kernel, version) < 0
}

// String names the parts that are known: "apparmor_parser 4.1, Linux 6.12".
func (t Target) String() string {
	var parts []string
	if t.Parser != "" {
		parts = append(parts, "apparmor_parser "+t.Parser)
	}
	if t.Kernel != "" {
		parts = append(parts, "Linux "+t.Kernel)
	}
	return strings.Join(parts, ", ")
}

// compareVersions compares the numbers of two versions, as far as both go: 4.1.0 is
// 4.1.
func compareVersions(a, b string) int {
	as, bs := rules.VersionNumbers(a), rules.VersionNumbers(b)
	n := min(len(as), len(bs))
	return slices.Compare(as[:n], bs[:n])
}

// A Construct is something in a policy that not every version of apparmor_parser
// reads: one that does not refuses the whole file.
type Construct struct {
	At    rules.Location
	What  string // such as "userns rules"
	Since string // the first version that reads it, "" for all before Until
	Until string // the first version that refuses it, "" for none
}

// ReadBy reports whether a version of apparmor_parser reads all of the policy, as far as
// its constructs say: "" is one that nobody knows.
func (p *Policy) ReadBy(version string) bool {
	return !slices.ContainsFunc(p.Constructs, func(c Construct) bool { return version == "" || !c.ReadBy(version) })
}

// ReadBy reports whether a version of the parser reads it.
func (c Construct) ReadBy(version string) bool {
	return (c.Since == "" || compareVersions(version, c.Since) >= 0) && (c.Until == "" || compareVersions(version, c.Until) < 0)
}

// construct records what not every version reads.
func (p *parser) construct(at rules.Location, what, since, until string) {
	if len(p.constructs) < maxDiagnostics {
		p.constructs = append(p.constructs, Construct{at, what, since, until})
	}
}

// since records the same of a rule, at the token that was read last.
func (p *parser) since(h *Header, version, what string) {
	h.Since = later(h.Since, version)
	p.construct(p.loc(p.before, p.last), what, version, "")
}

// construct records what not every version reads, of what is known only once the
// policy is put together.
func (p *Policy) construct(at rules.Location, what, since, until string) {
	c := Construct{at, what, since, until}
	near := p.Constructs[max(0, len(p.Constructs)-20):] // of a rule that several profiles include
	if len(p.Constructs) < maxDiagnostics && !slices.Contains(near, c) {
		p.Constructs = append(p.Constructs, c)
	}
}

// versions reports what the target refuses of the policy. Where it is not known, it is
// taken for the newest: what that refuses is an error.
func (r *resolver) versions() {
	for _, c := range r.policy.Constructs {
		switch t := r.policy.Target; {
		case t.Parser != "" && !c.ReadBy(t.Parser):
			r.report(c.refused(t.Parser))
		case t.Parser == "" && c.Until != "":
			r.report(c.refused(newestRelease()))
		}
	}
}

// refused says that versions refuse the file for it.
func (c Construct) refused(versions ...string) rules.Diagnostic {
	return rules.Diagnostic{At: c.At, Code: "needs-version", Message: refusing(versions) + " the file: " + c.why()}
}

// why says which versions read it.
func (c Construct) why() string {
	switch {
	case c.Until == "":
		return fmt.Sprintf("%s came with %s", c.What, c.Since)
	case c.Since == "":
		return fmt.Sprintf("since %s it refuses %s", c.Until, c.What)
	}
	return fmt.Sprintf("%s came with %s, and since %s it refuses them", c.What, c.Since, c.Until)
}

// refusing begins a sentence on versions that refuse something.
func refusing(versions []string) string {
	if len(versions) == 1 {
		return parserVersions(versions) + " refuses"
	}
	return parserVersions(versions) + " refuse"
}

// parserVersions lists versions of apparmor_parser with the distributions that ship
// them.
func parserVersions(versions []string) string {
	named := make([]string, len(versions))
	for i, v := range versions {
		named[i] = withSystems(v)
	}
	if n := len(named); n > 1 {
		return "apparmor_parser " + strings.Join(named[:n-1], ", ") + " and " + named[n-1]
	}
	return "apparmor_parser " + strings.Join(named, "")
}

// For returns a loader that reads policy for a target, and keeps what this one has
// parsed.
func (l *Loader) For(target Target) *Loader {
	other := l.With(nil)
	other.Target = target
	return other
}

// Versions says of each version of apparmor_parser whether it takes a policy file: an
// error for each reason to refuse it, with the versions that do, and a note that names
// those that take it.
func (l *Loader) Versions(file *rules.File, versions []string) []rules.Diagnostic {
	type reason struct {
		at        rules.Location
		code, why string
	}
	var out []rules.Diagnostic
	var taking []string
	refuse := map[reason][]string{}
	index := map[reason]int{}
	for _, v := range versions {
		policy, diags := l.For(Target{Parser: v}).Load(file)
		refused := false
		for _, d := range append(diags, Lint(policy)...) {
			if d.Severity != rules.Error {
				continue
			}
			refused = true
			why := d.Message
			if d.Code == "needs-version" {
				_, why, _ = strings.Cut(why, " the file: ")
			}
			key := reason{d.At, d.Code, why}
			if refuse[key] == nil {
				index[key] = len(out)
				out = append(out, d)
			}
			refuse[key] = append(refuse[key], v)
		}
		if !refused {
			taking = append(taking, v)
		}
	}
	for key, by := range refuse {
		if by = slices.Compact(by); len(by) < len(versions) || key.code == "needs-version" {
			out[index[key]].Message = refusing(by) + " the file: " + key.why
		}
	}
	if len(taking) > 0 {
		verb := " take the file"
		if len(taking) == 1 {
			verb = " takes the file"
		}
		out = append(out, rules.Diagnostic{At: rules.Location{File: file}, Severity: rules.Note, Code: "takes-version", Message: parserVersions(taking) + verb})
	}
	return out
}

// LintParser warns of what the apparmor_parser of this host does not read, where the
// policy names no abi whose version says what it was written for.
func LintParser(p *Policy, version string) []rules.Diagnostic {
	if version == "" || p.Target.Parser != "" || p.ABI != nil && p.ABI.version() != "" {
		return nil
	}
	return p.unread(version, "")
}

// unread warns of what a version does not read, once for each kind of it.
func (p *Policy) unread(version, because string) (out []rules.Diagnostic) {
	said := map[string]bool{}
	for _, c := range p.Constructs {
		if c.ReadBy(version) || c.Until != "" || said[c.What] {
			continue // what newer ones refuse is an error already
		}
		said[c.What] = true
		d := c.refused(version)
		d.Severity, d.Message = rules.Warning, because+d.Message
		out = append(out, d)
	}
	return out
}

// releases are the versions of apparmor_parser that differ in their language, and the
// distributions that ship them.
var releases = []struct {
	version string
	systems []string
}{
	{"3.0", []string{"Ubuntu 22.04", "Debian 12"}},
	{"3.1", nil},
	{"4.0", []string{"Ubuntu 24.04"}},
	{"4.1", []string{"Debian 13"}},
	{"5.0", []string{"Ubuntu 26.04"}},
}

func newestRelease() string { return releases[len(releases)-1].version }

// Releases returns the versions of apparmor_parser that differ in the language that
// they read, the oldest first.
func Releases() (versions []string) {
	for _, r := range releases {
		versions = append(versions, r.version)
	}
	return versions
}

// Systems returns the distributions that ship a version of apparmor_parser.
func Systems(version string) []string {
	for _, r := range releases {
		if compareVersions(r.version, version) == 0 {
			return r.systems
		}
	}
	return nil
}

// withSystems is a version with the distributions that ship it.
func withSystems(version string) string {
	if systems := Systems(version); len(systems) > 0 {
		return version + " (" + strings.Join(systems, ", ") + ")"
	}
	return version
}

// meant returns the rules that a rule stands for. What `/a rl -> /b,` names after the
// arrow is the file that /a may be linked to, from 5.0 on. Before, nothing came of it:
// /a may be linked to any file.
func (r *resolver) meant(rule Rule) []Rule {
	f, ok := rule.(*FileRule)
	if !ok || f.Exec.Target == nil || f.Perms&Exec != 0 || f.Perms&Link == 0 || !r.modern() {
		return []Rule{rule}
	}
	link := &LinkRule{Header: f.Header, Link: f.Path, Target: f.Exec.Target, LinkAt: f.PathAt}
	rest := *f
	rest.Perms &^= Link
	rest.Exec = Transition{}
	if rest.Perms == 0 {
		return []Rule{link}
	}
	return []Rule{&rest, link}
}

// modern reports whether rules mean what they do from 5.0 on. Where nobody says which
// parser it is, the abi does.
func (r *resolver) modern() bool { return r.policy.modern() }

func (p *Policy) modern() bool {
	return p.Target.AtLeast("5.0") || p.Target.Parser == "" && p.ABI != nil && p.ABI.version() >= "5.0"
}

// checkSafety reports change_profile rules for one program and one profile that differ in
// whether the environment is scrubbed, which apparmor_parser cannot merge.
func (r *resolver) checkSafety(p *Profile) {
	seen := map[string]*ChangeProfileRule{}
	for _, rule := range p.Rules {
		c, ok := rule.(*ChangeProfileRule)
		if !ok || c.Exec == nil || c.Deny {
			continue
		}
		key := strings.Join(c.Exec.Expanded, "\n") + "\x00"
		if c.Target != nil {
			key += strings.Join(c.Target.Expanded, "\n")
		}
		if other := seen[key]; other == nil {
			seen[key] = c
		} else if other.Unsafe != c.Unsafe {
			r.report(rules.Diagnostic{At: c.At, Code: "exec-conflict",
				Message: fmt.Sprintf("this rule and %q say both safe and unsafe of one change of profile, which apparmor_parser refuses", other.At.Text()),
				Related: []rules.Related{{At: other.At, Message: "the other rule"}}})
		}
	}
}
