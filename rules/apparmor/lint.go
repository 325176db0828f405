package apparmor

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/whydenied/whydenied/rules"
	"github.com/whydenied/whydenied/rules/apparmor/aare"
)

// Lint returns what apparmor_parser does not say about a policy it accepts, or
// says without a place: rules that have no effect, refusals that leave no
// record, and traps. An Error is something that the parser refuses; a Warning
// does something else than it seems to; a Note may be on purpose. Rules that
// come from included files are judged only where they meet the profile's own.
func Lint(p *Policy) []rules.Diagnostic {
	lints := []func(*Profile, *effort) []rules.Diagnostic{
		lintShadowed, lintShadowedCapabilities, lintShadowedNetwork, lintSilentStart, lintSubsumed, lintUnmatchable, lintUnmatchablePrograms,
		lintMergedUsr, lintExecTargets, lintExecConflicts, lintDisconnected,
	}
	diags := append(lintABI(p), lintVersions(p)...)
	whole := newEffort()
	for _, prof := range p.Profiles {
		for _, lint := range lints {
			one := &effort{pairs: maxPairs, left: whole.left}
			diags = append(diags, lint(prof, one)...)
			whole.left = one.left
		}
	}
	rank := map[*rules.File]int{}
	for i, f := range p.Files {
		rank[f] = i
	}
	slices.SortStableFunc(diags, func(a, b rules.Diagnostic) int {
		return cmp.Or(cmp.Compare(rank[a.At.File], rank[b.At.File]), cmp.Compare(a.At.Span.Start, b.At.Span.Start))
	})
	return diags[:min(len(diags), maxDiagnostics)]
}

// maxParts is how many deny rules are shown that take a part of one rule.
const maxParts = 3

// fileRules returns the profile's file rules that allow, and those that deny.
func (p *Profile) fileRules() (allow, deny []*FileRule) {
	for _, r := range p.Rules {
		if f, ok := r.(*FileRule); ok {
			if f.Deny {
				deny = append(deny, f)
			} else {
				allow = append(allow, f)
			}
		}
	}
	return allow, deny
}

// own reports whether a rule stands in the profile's own file.
func own(r Rule) bool { return len(r.Head().Via) == 0 }

// withAppend adds a to w, which holds it.
func withAppend(p Perms) Perms {
	if p&Write != 0 {
		p |= Append
	}
	return p
}

// lintShadowed finds allow rules whose permissions a deny rule takes away. A
// deny always wins, wherever it stands, unless the allow rule has a higher
// priority.
func lintShadowed(p *Profile, e *effort) []rules.Diagnostic {
	allow, deny := p.fileRules()
	var out []rules.Diagnostic
	denied := indexFiles(deny)
	for _, a := range allow {
		if !own(a) {
			continue
		}
		var found []int // of deny
		for list := range denied.near(filePattern(a)) {
			if !e.look(1) {
				return out
			}
			if d := list.rule; withAppend(a.Perms)&withAppend(d.Perms) != 0 && a.Priority <= d.Priority {
				found = append(found, list.rules...)
			}
		}
		slices.Sort(found)
		found = slices.Compact(found)
		var part []rules.Related
		parts := 0
		for _, i := range found {
			d := deny[i]
			lost := withAppend(a.Perms) & withAppend(d.Perms)
			if !e.pair() {
				return out
			}
			rel := e.compare(filePattern(d), filePattern(a), aare.Both)
			switch {
			case !rel.HasBoth:
			case (a.Owner || !d.Owner) && e.covers(filePattern(d), sample(filePattern(a))):
				out = append(out, shadowedWholly(a, d, lost))
			default:
				if parts++; parts > maxParts {
					continue
				}
				part = append(part, rules.Related{At: d.At, Message: fmt.Sprintf("takes %s away, such as for %s", withoutAppend(lost), shown(rel.Both))})
			}
		}
		if parts > 0 {
			message := "deny rules take away a part of what this rule grants"
			if parts > maxParts {
				message = fmt.Sprintf("%d %s; the first %d of them are shown", parts, message, maxParts)
			}
			out = append(out, rules.Diagnostic{At: a.At, Severity: rules.Note, Code: "shadowed-in-part", Related: part, Message: message})
		}
	}
	return out
}

// withoutAppend leaves out a where w stands, for messages.
func withoutAppend(p Perms) Perms {
	if p&Write != 0 {
		p &^= Append
	}
	return p
}

func shadowedWholly(a, d *FileRule, lost Perms) rules.Diagnostic {
	what := "grants nothing"
	if withAppend(a.Perms)&^lost != 0 {
		what = fmt.Sprintf("does not grant %s", withoutAppend(lost))
	}
	message := fmt.Sprintf("this rule %s: %q denies it, and deny wins", what, d.At.Text())
	if lost&Exec != 0 {
		message += fmt.Sprintf("; %s cannot be executed", subject(a))
	}
	diag := rules.Diagnostic{At: a.At, Severity: rules.Warning, Code: "shadowed-rule",
		Related: []rules.Related{{At: d.At, Message: "the deny rule that wins"}}}
	if !d.Audit {
		message += ", and nothing is logged"
		if own(d) {
			diag.Fixes = []rules.Fix{logDeny(d)}
		}
	}
	diag.Message = message
	return diag
}

// subject names the programs of a rule in a sentence.
func subject(r *FileRule) string {
	if name, ok := filePattern(r).Literal(); ok {
		return shown(name)
	}
	return "what it names"
}

// shown returns a name as it can be shown: quoted where it holds more than
// plain characters.
func shown(name string) string {
	if quoted := fmt.Sprintf("%q", name); quoted != `"`+name+`"` {
		return quoted
	}
	return name
}

// priorityWord is what may stand before audit.
var priorityWord = regexp.MustCompile(`^priority\s*=\s*[-+]?\d+\s*`)

// logDeny has a silent deny rule write records.
func logDeny(d *FileRule) rules.Fix {
	at, text := d.At, d.At.Text()
	n := len(priorityWord.FindString(text))
	at.Span.Start += n
	at.Span.End = at.Span.Start
	return rules.Fix{Message: "log what this rule refuses, to see it", Rule: text[:n] + "audit " + text[n:],
		Edits: []rules.Edit{{At: at, New: "audit "}}, Reason: "it grants nothing"}
}

// lintShadowedBy finds rules of a class other than files from which deny rules of
// that class take something, which lost names.
func lintShadowedBy[R Rule](p *Profile, e *effort, lost func(allow, deny R) string) []rules.Diagnostic {
	var out []rules.Diagnostic
	var denied []R
	for _, r := range p.Rules {
		if d, ok := r.(R); ok && d.Head().Deny {
			denied = append(denied, d)
		}
	}
	for _, r := range p.Rules {
		a, ok := r.(R)
		if !ok || a.Head().Deny || !own(a) {
			continue
		}
		for _, d := range denied {
			if d.Head().Priority < a.Head().Priority {
				continue
			}
			if !e.pair() || !e.look(len(a.Location().Text())*len(d.Location().Text())) {
				return out
			}
			if what := lost(a, d); what != "" {
				out = append(out, shadowedBy(a, d, what))
			}
		}
	}
	return out
}

// shadowedBy reports a rule other than for files that a deny rule takes from.
func shadowedBy(a, d Rule, what string) rules.Diagnostic {
	message := fmt.Sprintf("this rule does not grant %s: %q denies it, and deny wins", what, d.Location().Text())
	if !d.Head().Audit {
		message += ", and nothing is logged"
	}
	return rules.Diagnostic{At: a.Location(), Severity: rules.Warning, Code: "shadowed-rule", Message: message,
		Related: []rules.Related{{At: d.Location(), Message: "the deny rule that wins"}}}
}

// startFiles are mapped or read by every dynamically linked program before its
// first instruction runs.
var startFiles = []string{
	"/lib64/ld-linux-x86-64.so.2", "/usr/lib64/ld-linux-x86-64.so.2", "/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2",
	"/usr/lib/x86_64-linux-gnu/libc.so.6", "/lib/x86_64-linux-gnu/libc.so.6", "/usr/lib64/libc.so.6",
	"/usr/lib/aarch64-linux-gnu/libc.so.6", "/lib/ld-linux-aarch64.so.1", "/lib/ld-musl-x86_64.so.1", "/etc/ld.so.cache",
}

// lintSilentStart finds deny rules without audit that stop programs before they
// can say anything themselves.
func lintSilentStart(p *Profile, _ *effort) []rules.Diagnostic {
	names := startFiles
	program, ok := "", false
	if p.Attachment != nil {
		if program, ok = p.Attachment.Literal(); ok {
			names = append(slices.Clip(names), program)
		}
	}
	_, deny := p.fileRules()
	var out []rules.Diagnostic
	for _, d := range deny {
		if d.Audit || d.Owner || d.Perms&(Read|Mmap) == 0 || !own(d) {
			continue
		}
		i := slices.IndexFunc(names, filePattern(d).Match)
		if i < 0 {
			continue
		}
		why := "which programs load before they start"
		if names[i] == program && ok {
			why = "the profile's own program"
		}
		out = append(out, rules.Diagnostic{At: d.At, Severity: rules.Warning, Code: "silent-deny", Fixes: []rules.Fix{logDeny(d)},
			Message: fmt.Sprintf("this rule denies %s, %s, and nothing is logged when that fails", shown(names[i]), why)})
	}
	return out
}

// lintSubsumed finds the profile's own file rules that another rule makes
// needless.
func lintSubsumed(p *Profile, e *effort) []rules.Diagnostic {
	allow, deny := p.fileRules()
	var out []rules.Diagnostic
	pairs := e.pairs
	for _, group := range [][]*FileRule{allow, deny} {
		index := p.indexCovers(group)
		e.pairs = pairs
		for i, b := range group {
			if !own(b) {
				continue
			}
			path, prefix := sample(filePattern(b)), literalPrefix(filePattern(b))
			for _, j := range index.covering(e, path, func(j int) bool {
				return i != j && grantsAll(group[j], b) && strings.HasPrefix(prefix, literalPrefix(filePattern(group[j])))
			}) {
				a := group[j]
				if !e.pair() {
					return out
				}
				// Of two rules that cover each other the later is needless.
				if !e.coversSampled(filePattern(a), path) || j > i && grantsAll(b, a) && own(a) && e.covers(filePattern(b), sample(filePattern(a))) {
					continue
				}
				out = append(out, subsumed(a, b))
				break
			}
			if !e.look(1) {
				return out
			}
		}
	}
	return out
}

// grantsAll reports whether a rule says of its paths all that another says.
func grantsAll(a, b *FileRule) bool {
	if a.Qualifiers != b.Qualifiers && (a.Owner && !b.Owner || a.Audit != b.Audit || a.Priority != b.Priority || a.Prompt != b.Prompt || a.Other != b.Other) {
		return false
	}
	if withAppend(b.Perms)&^withAppend(a.Perms) != 0 || b.Path == nil {
		return false
	}
	if b.Perms&Exec == 0 {
		return true
	}
	return a.Exec.String() == b.Exec.String() && a.Exec.Unsafe == b.Exec.Unsafe && targetOf(a) == targetOf(b)
}

func targetOf(r *FileRule) string {
	if r.Exec.Target == nil {
		return ""
	}
	return r.Exec.Target.Expanded[0]
}

func subsumed(a, b *FileRule) rules.Diagnostic {
	d := rules.Diagnostic{At: b.At, Severity: rules.Note, Code: "subsumed-rule",
		Message: fmt.Sprintf("this rule adds nothing to %q", a.At.Text()),
		Related: []rules.Related{{At: a.At, Message: "the rule that covers it"}}}
	if edit, ok := RemoveRule(b); ok {
		d.Fixes = []rules.Fix{{Message: "remove the rule", Edits: []rules.Edit{edit}, Reason: "what it says is said already"}}
	}
	return d
}

// unmatchable are pieces of paths that the kernel never sees in a name, and why.
var unmatchable = []struct{ piece, why string }{
	{"/../", "the kernel resolves .. before it asks"},
	{"/./", "the kernel resolves . before it asks"},
	{"/proc/self/", "/proc/self is a link to the process's own directory: write /proc/@{pid}/"},
	{"/proc/thread-self/", "/proc/thread-self is a link: write /proc/@{pid}/task/@{tid}/"},
	{"/var/run/", "/var/run is a link to /run on current systems: write @{run} or /run/"},
	{"/var/lock/", "/var/lock is a link to /run/lock on current systems: write /run/lock/"},
}

// lintUnmatchable finds file rules whose paths no access has.
func lintUnmatchable(p *Profile, e *effort) []rules.Diagnostic {
	var out []rules.Diagnostic
	for _, r := range p.Rules {
		f, ok := r.(*FileRule)
		if !ok || f.Path == nil || !own(f) {
			continue
		}
		why := ""
		prefix := literalPrefix(f.Path)
		for _, u := range unmatchable {
			if strings.HasPrefix(prefix, u.piece) || strings.Contains(prefix, u.piece) && strings.HasPrefix(u.piece, "/.") {
				why = u.why
			}
		}
		if !matchesPath(f.Path, e) {
			why = "a path begins with /"
		}
		if why != "" {
			out = append(out, rules.Diagnostic{At: f.PathAt, Severity: rules.Warning, Code: "never-matches",
				Message: "this path is never asked for: " + why})
		}
	}
	return out
}

// twoSlashes is what no path has that the kernel asks for.
var twoSlashes = &Pattern{Source: "{**,}//{**,}", Expanded: []string{"{**,}//{**,}"}}

// lintUnmatchablePrograms finds change_profile rules whose program no execution has.
// apparmor_parser compiles it as it stands, without joining slashes as it does for files,
// and the values of variables often end with one.
func lintUnmatchablePrograms(p *Profile, e *effort) []rules.Diagnostic {
	var out []rules.Diagnostic
	for _, r := range p.Rules {
		c, ok := r.(*ChangeProfileRule)
		if !ok || c.Exec == nil || c.Exec.expr() == nil || !own(c) {
			continue
		}
		if found := e.compare(c.Exec, twoSlashes, aare.OnlyA); found.Complete && !found.HasOnlyA {
			out = append(out, rules.Diagnostic{At: c.Exec.At, Severity: rules.Warning, Code: "never-matches",
				Message: fmt.Sprintf("no program has such a path: apparmor_parser compiles it as %s, and does not join slashes here", shown(c.Exec.Expanded[0]))})
		}
	}
	return out
}

// matchesPath reports whether a pattern matches some name that begins with /.
func matchesPath(p *Pattern, e *effort) bool {
	switch m := p.read(); {
	case m.err != nil:
		return false
	case m.exact:
		return strings.HasPrefix(m.prefix, "/")
	case m.prefix != "":
		return m.prefix[0] == '/' && m.expr().Possible()
	case slices.ContainsFunc(sample(p).names, func(name string) bool { return strings.HasPrefix(name, "/") }):
		return true
	}
	return e.compare(p, everyFile, aare.Both).HasBoth
}

// mergedDirs are the directories that are links into /usr on current systems.
var mergedDirs = []string{"/bin/", "/sbin/", "/lib/", "/lib32/", "/lib64/", "/libx32/"}

// lintMergedUsr finds rules for /bin, /sbin and /lib alone. Where those are
// links the kernel asks for /usr/bin, which the rule does not match.
func lintMergedUsr(p *Profile, e *effort) []rules.Diagnostic {
	allow, deny := p.fileRules()
	var out []rules.Diagnostic
	for _, group := range [][]*FileRule{allow, deny} {
		var index *coverIndex // when it is needed
		for _, f := range group {
			if f.Path == nil || !own(f) || len(p.Policy.Aliases) > 0 {
				continue
			}
			i := slices.IndexFunc(mergedDirs, func(dir string) bool { return strings.HasPrefix(literalPrefix(f.Path), dir) })
			if i < 0 {
				continue
			}
			if index == nil {
				index = p.indexCovers(group)
			}
			if index.alsoUsr(f, e) {
				continue
			}
			if !e.pair() {
				return out
			}
			out = append(out, mergedUsr(f, mergedDirs[i]))
		}
	}
	return out
}

// alsoUsr reports whether another rule says the same of the path below /usr.
func (x *coverIndex) alsoUsr(f *FileRule, e *effort) bool {
	path := sample(&Pattern{Source: "/usr" + f.Path.Source, Expanded: []string{"/usr" + f.Path.Expanded[0]}})
	for _, i := range x.covering(e, path, func(i int) bool { return grantsAll(x.group[i], f) }) {
		if !e.pair() || e.coversSampled(filePattern(x.group[i]), path) {
			return true // or nobody knows
		}
	}
	return false
}

func mergedUsr(f *FileRule, dir string) rules.Diagnostic {
	d := rules.Diagnostic{At: f.PathAt, Severity: rules.Warning, Code: "merged-usr",
		Message: fmt.Sprintf("%s is a link to /usr%s on current systems, where this rule matches nothing", strings.TrimSuffix(dir, "/"), strings.TrimSuffix(dir, "/"))}
	at := f.PathAt
	if i := strings.Index(at.Text(), dir); i >= 0 {
		at.Span.Start += i
		at.Span.End = at.Span.Start + 1
		d.Fixes = []rules.Fix{{Message: "name both", Edits: []rules.Edit{{At: at, New: "/{,usr/}"}},
			Grants: "the same below /usr", Risk: rules.Low, Reason: "they are the same directory where one is a link"}}
	}
	return d
}

// lintExecTargets finds exec rules whose target profile is not in the policy.
func lintExecTargets(p *Profile, _ *effort) []rules.Diagnostic {
	var out []rules.Diagnostic
	allow, _ := p.fileRules()
	for _, f := range allow {
		if f.Exec.Target == nil || f.Exec.Fallback != 0 || f.Perms&Exec == 0 {
			continue // of /a rl -> /b, it is the file that /a may be linked to
		}
		name := targetOf(f)
		d := rules.Diagnostic{At: f.Exec.TargetAt, Code: "exec-target"}
		switch {
		case strings.Contains(name, "@{"):
			d.Severity = rules.Warning
			d.Message = fmt.Sprintf("variables are not expanded here: the execution asks for a profile named %s", shown(name))
		case strings.HasPrefix(name, "&") || strings.HasPrefix(name, ":"):
			continue
		case f.Exec.Mode == ToChild && p.Policy.Profile(root(p)+"//"+name) == nil && p.Policy.Profile(p.Name+"//"+name) == nil:
			d.Severity = rules.Warning
			d.Message = fmt.Sprintf("profile %s has no child %s: the execution fails", p.Name, shown(name))
		case f.Exec.Mode == ToProfile && p.Policy.Profile(name) == nil:
			d.Severity = rules.Note
			d.Message = fmt.Sprintf("profile %s is not in this file: if it is not loaded either, the execution fails", shown(name))
		default:
			continue
		}
		out = append(out, d)
	}
	return out
}

// root returns the name of the outermost profile around one.
func root(p *Profile) string {
	for p.Parent != nil {
		p = p.Parent
	}
	return p.Name
}

// lintExecConflicts finds exec rules that the parser refuses to merge.
func lintExecConflicts(p *Profile, e *effort) []rules.Diagnostic {
	var out []rules.Diagnostic
	for _, c := range p.execConflicts(e) {
		out = append(out, rules.Diagnostic{At: c.B.Location(), Code: "exec-conflict",
			Message: fmt.Sprintf("this rule and %q give %s different exec modes, which apparmor_parser refuses", c.A.Location().Text(), shown(c.Example)),
			Related: []rules.Related{{At: c.A.Location(), Message: "the other rule"}}})
	}
	return out
}

// lintABI notes a missing abi rule.
func lintABI(p *Policy) []rules.Diagnostic {
	if p.ABI != nil || len(p.Files) == 0 || len(p.Profiles) == 0 {
		return nil
	}
	at := rules.Location{File: p.Files[0]}
	return []rules.Diagnostic{{At: at, Severity: rules.Note, Code: "abi-missing",
		Message: "no abi rule: apparmor_parser takes the features that its parser.conf pins (Debian's does, to those of its own kernel), or else those of Linux 5.4; rules of classes that are not among them (of unix, dbus, userns, mqueue, io_uring) are not enforced",
		Fixes: []rules.Fix{{Message: "state the abi that the policy is written for", Rule: "abi <abi/3.0>,",
			Edits: []rules.Edit{{At: at, New: "abi <abi/3.0>,\n"}}, Reason: "more rules are enforced: test before you rely on it", Risk: rules.Medium}}}}
}

// lintDisconnected notes a container's profile without attach_disconnected:
// files that a container inherits or gets mounted from outside its mount
// namespace have no path inside, and are refused whatever the rules say.
func lintDisconnected(p *Profile, _ *effort) []rules.Diagnostic {
	if !isContainer(p) || slices.ContainsFunc(p.Flags, func(f Flag) bool { return strings.HasPrefix(f.Name, "attach_disconnected") || f.Name == "unconfined" }) {
		return nil
	}
	return []rules.Diagnostic{{At: p.At, Severity: rules.Warning, Code: "attach-disconnected",
		Message: "a container's profile without attach_disconnected refuses files that come from outside the container's mount namespace (info=\"Failed name lookup - disconnected path\")",
		Fixes: []rules.Fix{{Message: "add the flag, as the profiles of container runtimes do", Edits: []rules.Edit{p.AddFlag("attach_disconnected")},
			Grants: "rules for / also apply to files without a path in the mount namespace", Risk: rules.Low}}}}
}

// isContainer guesses whether a profile is a container's: it attaches to no
// program, and is named after a runtime or closes off what runtimes do.
func isContainer(p *Profile) bool {
	if p.Attachment != nil || p.Parent != nil || p.Hat {
		return false
	}
	for _, word := range []string{"docker", "container", "podman", "cri-", "crio", "k8s", "kube", "lxc", "runc", "crun"} {
		if strings.Contains(strings.ToLower(p.Name), word) {
			return true
		}
	}
	_, deny := p.fileRules()
	return slices.ContainsFunc(deny, func(d *FileRule) bool {
		return strings.HasPrefix(literalPrefix(filePattern(d)), "/sys/firmware") || filePattern(d).Match("/proc/sysrq-trigger")
	})
}
