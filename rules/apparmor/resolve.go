package apparmor

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/whydenied/whydenied/rules"
	"github.com/whydenied/whydenied/rules/apparmor/aare"
)

// A scope is where statements stand: the includes that led there, the profile
// and the blocks around.
type scope struct {
	via      []rules.Location
	included map[string]bool // files included so far in this profile's body, or in the preamble
	profile  *Profile        // nil in the preamble
	quals    Qualifiers      // of the blocks around
	inBlock  bool
	dead     bool // in the branch of a conditional that is not taken
}

// A resolver turns statements into a policy.
type resolver struct {
	loader   *Loader
	reach    reach
	globs    map[globKey]bool    // that are known to be well formed
	matchers map[string]*matcher // see Loader; nil to share none
	policy   *Policy
	symbols  symbols
	pending  []pendingProfile
	diags    []rules.Diagnostic
	reported map[problem]bool
	names    map[scopedName]*Profile
	seen     map[*rules.File]bool
	expanded int // bytes of patterns with their variables resolved
	includes int
	rules    int
	full     bool // a limit was met
}

// A problem is what makes two diagnostics the same.
type problem struct {
	at            rules.Location
	code, message string
}

// A pendingProfile waits until all variables are known.
type pendingProfile struct {
	stmt *profileStmt
	via  []rules.Location
}

func (r *resolver) errorf(at rules.Location, code, format string, args ...any) {
	r.report(rules.Diagnostic{At: at, Code: code, Message: fmt.Sprintf(format, args...)})
}

func (r *resolver) warnf(at rules.Location, code, format string, args ...any) {
	r.report(rules.Diagnostic{At: at, Severity: rules.Warning, Code: code, Message: fmt.Sprintf(format, args...)})
}

// report adds a diagnostic once, however often its file is included.
func (r *resolver) report(d rules.Diagnostic) {
	key := problem{d.At, d.Code, d.Message}
	if len(r.diags) < maxDiagnostics && !r.reported[key] {
		r.reported[key] = true
		r.diags = append(r.diags, d)
	}
}

// stop reports the first limit that is met. No more profiles are resolved then.
func (r *resolver) stop(at rules.Location, code, format string, args ...any) {
	if r.full {
		return
	}
	r.full = true
	r.reported = map[problem]bool{} // it is told, however many others were
	r.diags = r.diags[:min(len(r.diags), maxDiagnostics-1)]
	r.errorf(at, code, format, args...)
}

// enter takes a file and its diagnostics into the policy, once.
func (r *resolver) enter(f *parsedFile) {
	if r.seen[f.file] {
		return
	}
	r.seen[f.file] = true
	r.policy.Files = append(r.policy.Files, f.file)
	for _, d := range f.diags {
		r.report(d)
	}
	r.policy.Constructs = append(r.policy.Constructs, f.constructs...)
}

// preamble resolves the statements outside profiles.
func (r *resolver) preamble(stmts []statement, sc scope) {
	for _, s := range stmts {
		late := len(r.pending) > 0
		switch s := s.(type) {
		case *includeStmt:
			r.include(s, sc, r.preamble)
		case *profileStmt:
			r.pending = append(r.pending, pendingProfile{s, sc.via})
		case *varStmt, *boolStmt, *aliasStmt, *abiStmt:
			if late {
				r.errorf(s.at(), "late-preamble", "this must stand before the first profile of the file")
				continue
			}
			r.declare(s)
		case *unreadStmt:
			// What is wrong with it is said.
		default:
			r.errorf(s.at(), "outside-profile", "a rule must stand inside a profile")
		}
	}
}

// declare resolves a variable, an alias or an abi.
func (r *resolver) declare(s statement) {
	switch s := s.(type) {
	case *varStmt:
		if problem := r.symbols.assign(s); problem != "" {
			r.errorf(s.loc, "variable", "%s", problem)
		}
	case *boolStmt:
		value := r.test(s.value)
		_, ok := r.symbols.bools[s.name]
		switch ok = ok || r.symbols.vars[s.name] != nil; {
		case ok && s.op == tokCondAssign:
			return
		case ok && s.op == tokEquals:
			r.errorf(s.loc, "variable", "${%s} was assigned before", s.name)
		}
		delete(r.symbols.vars, s.name)
		r.symbols.bools[s.name] = value
	case *aliasStmt:
		if len(r.policy.Aliases) == maxAliases {
			r.stop(s.loc, "too-many-aliases", "more than %d aliases in a policy: the rest is not read; remove some", maxAliases)
			return
		}
		r.policy.Aliases = append(r.policy.Aliases, s.alias)
	case *abiStmt:
		r.abi(s)
		if r.policy.ABI == nil {
			r.policy.ABI = &ABI{Path: s.path, At: s.loc}
		}
	}
}

// abi checks that the file of an abi rule exists, or is one of AppArmor's own. One within a
// profile, as that of an abstraction, changes nothing: the features are settled before the
// first profile (abi_features() in parser_yacc.y of AppArmor 3.0.8 to 5.0.2).
func (r *resolver) abi(s *abiStmt) {
	builtin := s.magic && (s.path == "kernel" || s.path == "default")
	if s.magic && !builtin {
		_, builtin = abiClasses[(&ABI{Path: s.path}).name()]
	}
	isFile := func(name string) bool {
		f := r.open(name)
		return f.file != nil || errors.Is(f.err, errNotPolicy) // which it is not
	}
	if !builtin && !slices.ContainsFunc(r.candidates(s.path, s.magic), isFile) {
		r.errorf(s.loc, "abi-not-found", "cannot open the abi file %s", s.path)
	}
}

// include resolves the statements of an included file or directory. A file that
// was included before in the same profile is passed over, as the parser does.
func (r *resolver) include(s *includeStmt, sc scope, resolve func([]statement, scope)) {
	if r.includes++; r.includes > maxIncludes || len(sc.via) >= maxIncludeDepth {
		r.stop(s.loc, "include-depth", "includes nest deeper than %d or are more than %d: does a file include itself?", maxIncludeDepth, maxIncludes)
		return
	}
	name, f := r.find(s.path, s.magic)
	if f == nil || f.err != nil {
		if f == nil && !s.ifExists && r.standardTunables(s, sc) {
			return
		}
		if !s.ifExists || f != nil && !os.IsNotExist(f.err) {
			r.errorf(s.loc, "include-not-found", "cannot open the included file %s%s", s.path, r.searched(s, f))
		}
		return
	}
	if p := sc.profile; p != nil && p.local == nil && len(sc.via) == len(p.Via) && s.magic && strings.HasPrefix(s.path, "local/") {
		p.local = f.file
	}
	sc.via = append(slices.Clip(sc.via), s.loc)
	names := f.dir
	if f.dir == nil && f.file != nil {
		names = []string{name}
	}
	r.includes += len(names)
	for _, name := range names {
		f := r.open(name)
		switch {
		case sc.included[name]:
		case f.err != nil:
			r.errorf(s.loc, "include-not-found", "cannot open the included file %s: %v", name, f.err)
		default:
			sc.included[name] = true
			r.enter(f)
			resolve(f.stmts, sc)
		}
	}
}

func (r *resolver) searched(s *includeStmt, f *parsedFile) string {
	switch {
	case f != nil:
		return ": " + f.err.Error()
	case r.loader.Include == nil:
		return " in " + rules.SystemPolicy
	}
	return " in " + strings.Join(r.loader.Include, ", ")
}

// profiles resolves the profiles that the preamble walk found.
func (r *resolver) profiles() {
	for _, p := range r.pending {
		r.profile(p.stmt, scope{via: p.via})
	}
	r.ownLocals()
}

// ownLocals leaves each profile the local file that no other profile includes: what
// is added to one of several would be theirs, too.
func (r *resolver) ownLocals() {
	users := map[*rules.File]int{}
	for _, p := range r.policy.Profiles {
		users[p.local]++
	}
	for _, p := range r.policy.Profiles {
		if users[p.local] > 1 {
			p.local = nil
		}
	}
}

// profile resolves one profile, its rules and its children.
func (r *resolver) profile(s *profileStmt, outer scope) {
	if v := r.symbols.vars["profile_name"]; v != nil {
		r.policy.construct(v.at, "an assignment to @{profile_name}", "5.0", "")
	}
	if len(r.policy.Profiles) >= maxProfiles {
		r.stop(s.loc, "too-many-profiles", "more than %d profiles and hats in a policy: the rest is not read; split it", maxProfiles)
		return
	}
	p := &Profile{Policy: r.policy, Parent: outer.profile, Hat: s.hat, Flags: s.flags, Identities: s.identities,
		At: s.loc, Body: s.body, Via: outer.via, stmts: s.stmts}
	r.symbols.builtin = nil // @{profile_name} is not for names and attachments
	local := r.name(p, s)
	if other := r.names[keyOf(p)]; other != nil {
		r.report(rules.Diagnostic{At: s.name.At, Code: "duplicate-profile",
			Message: fmt.Sprintf("profile %s is defined twice", p.FullName()),
			Related: []rules.Related{{At: other.At, Message: "defined here first"}}})
	}
	r.names[keyOf(p)] = p
	r.policy.Profiles = append(r.policy.Profiles, p)
	r.attach(p, s, local)
	r.symbols.enter(p)
	r.flagValues(p)
	// Children are resolved after their parent, whose name they see in
	// @{profile_name} as their own.
	r.body(s.stmts, scope{via: outer.via, included: map[string]bool{}, profile: p})
	r.checkTargets(p)
	r.checkSafety(p)
}

// keyOf tells profiles apart as apparmor_parser does, which takes a child a//b
// of a and a profile a//b at the top level for two.
func keyOf(p *Profile) scopedName { return scopedName{p.Parent, p.FullName()} }

type scopedName struct {
	parent *Profile
	name   string
}

// name reads the name of a profile: NAME, :NS:NAME or :NS://NAME. It returns the name
// without those of the profiles around.
func (r *resolver) name(p *Profile, s *profileStmt) (local string) {
	raw := s.name.Source
	text := raw
	switch {
	case strings.HasPrefix(raw, "&"):
		r.errorf(s.name.At, "bad-name", "a profile name cannot begin with &")
	case strings.HasPrefix(raw, ":"):
		ns, rest, ok := strings.Cut(raw[1:], ":")
		rest = strings.TrimPrefix(rest, "//")
		if !ok || ns == "" || rest == "" {
			r.errorf(s.name.At, "bad-name", "expected :NAMESPACE:NAME, found %q", raw)
			break
		}
		p.Namespace, text = ns, rest // Variables in a namespace are plain text.
	case raw == "":
		r.errorf(s.name.At, "bad-name", "a profile needs a name")
	case p.Parent == nil && !s.keyword && !s.hat && raw[0] != '/':
		r.errorf(s.name.At, "bad-name", "a name that is not a path needs the keyword profile before it")
	}
	name, problem := r.substitute(text)
	if problem != "" {
		r.errorf(s.name.At, "variable", "%s", problem)
		name = text
	}
	local = name
	if p.Parent != nil {
		name = p.Parent.Name + "//" + name
		if p.Namespace == "" {
			p.Namespace = p.Parent.Namespace
		}
	}
	p.Name = name
	return local
}

// attach sets what the profile attaches to: its attachment, else its name if
// that is a path.
func (r *resolver) attach(p *Profile, s *profileStmt, local string) {
	switch {
	case s.attachment != nil:
		p.Attachment = r.alias(r.expand(s.attachment, pathText))
	case !r.checkGlob(s.name, local, pathText):
	case strings.HasPrefix(local, "/"):
		p.Attachment = r.alias(&Pattern{Source: s.name.Source, Expanded: []string{cleanSlashes(local)}, At: s.name.At})
	}
	for _, x := range s.xattrs {
		x.Value = plain(x.Value)
		if x.Value == nil {
			// The attribute alone.
		} else if _, err := aare.Parse(x.Value.Source, false); err != nil {
			r.policy.construct(x.Value.At, fmt.Sprintf("%q, which is no pattern, as the value of an xattr", x.Value.Source), "", "4.0")
		}
		p.Xattrs = append(p.Xattrs, x)
	}
}

// flagValues expands the variables in the values of flags. The prefix that
// attach_disconnected.path gives to names is a path.
func (r *resolver) flagValues(p *Profile) {
	for i, f := range p.Flags {
		if !strings.HasPrefix(f.Name, "attach_disconnected.") || !strings.Contains(f.At.Text(), "=") {
			continue
		}
		value := f.Value
		if strings.Contains(value, "@{") {
			var problem string
			if value, problem = r.substitute(value); problem != "" {
				r.errorf(f.At, "variable", "%s", problem)
				continue
			}
			p.Flags = slices.Clone(p.Flags)
			p.Flags[i].Value = value
		}
		if !strings.HasPrefix(value, "/") {
			r.errorf(f.At, "bad-path", "the value of %s must begin with /: %q", f.Name, value)
		}
	}
}

// body resolves the statements of a profile's body.
func (r *resolver) body(stmts []statement, sc scope) {
	for _, s := range stmts {
		switch s := s.(type) {
		case *includeStmt:
			r.include(s, sc, r.body)
		case *ruleStmt:
			r.policy.versioned.note(s.rule)
			for _, one := range r.meant(s.rule) {
				r.rule(one, sc)
			}
		case *profileStmt:
			if !s.hat && !s.keyword {
				r.errorf(s.name.At, "bad-name", "a profile inside a profile needs the keyword profile before its name")
			}
			if sc.dead {
				continue
			}
			if sc.inBlock {
				r.warnf(s.loc, "rule-dropped", "apparmor_parser drops this profile: blocks hold only file, link and change_profile rules")
				continue
			}
			r.child(s, sc)
		case *blockStmt:
			r.block(s, sc)
		case *ifStmt:
			r.conditional(s, sc)
		case *abiStmt:
			r.abi(s)
		case *unreadStmt:
			if !sc.dead && len(sc.profile.Unread) < maxUnread {
				sc.profile.Unread = append(sc.profile.Unread, s.loc)
			}
		default:
			r.errorf(s.at(), "late-preamble", "variables and aliases stand before the first profile, not inside one")
		}
	}
}

// maxUnread is how many places are kept of a profile that were not understood.
const maxUnread = 20

// maxTargets is how many names the exec rules of a profile can change to:
// AA_EXEC_COUNT in apparmor_parser, less those it keeps for itself.
const maxTargets = 12

// checkTargets reports a profile whose rules name too many exec targets.
func (r *resolver) checkTargets(p *Profile) {
	type target struct {
		mode ExecMode
		name string
	}
	seen := map[target]bool{}
	nothing := false
	for _, rule := range p.Rules {
		f, ok := rule.(*FileRule)
		if !ok || f.Exec.Target == nil {
			continue
		}
		// 5.0 does not count the target of a rule that executes nothing.
		none := f.Perms&Exec == 0
		if none && r.policy.Target.AtLeast("5.0") {
			continue
		}
		nothing = nothing || none
		seen[target{f.Exec.Mode, targetOf(f)}] = true
		if len(seen) > maxTargets {
			what := fmt.Sprintf("more than %d names after -> in the file rules of profile %s", maxTargets, p.Name)
			if nothing {
				r.policy.construct(f.Exec.TargetAt, what+", some of which are no exec targets", "5.0", "")
			} else {
				r.errorf(f.Exec.TargetAt, "too-many-targets", "%s", what)
			}
			return
		}
	}
}

// conditional resolves both branches of an if. Files included by the one that
// is not taken count as included, and must exist, all the same.
func (r *resolver) conditional(s *ifStmt, sc scope) {
	taken := r.test(s.cond)
	dead := sc
	dead.dead = true
	if taken {
		r.body(s.then, sc)
		r.body(s.otherwise, dead)
	} else {
		r.body(s.then, dead)
		r.body(s.otherwise, sc)
	}
}

// child resolves a profile inside a profile.
func (r *resolver) child(s *profileStmt, sc scope) {
	if len(sc.via) > maxIncludeDepth || r.full {
		return
	}
	parent := sc.profile
	r.profile(s, sc)
	r.symbols.enter(parent)
}

// block resolves a block of rules with common qualifiers.
func (r *resolver) block(s *blockStmt, sc scope) {
	q := s.quals
	if q.Deny && sc.quals.Allow || q.Allow && sc.quals.Deny {
		r.warnf(s.loc, "bad-qualifier", "the block and the one around it disagree on allow and deny, which AppArmor 4 refuses")
	}
	sc.inBlock = true
	sc.quals = join(sc.quals, q)
	r.body(s.stmts, sc)
}

// join adds the qualifiers of a rule or block to those around it.
func join(outer, inner Qualifiers) Qualifiers {
	inner.Audit = inner.Audit || outer.Audit
	inner.Deny = inner.Deny || outer.Deny
	inner.Allow = inner.Allow || outer.Allow
	inner.Prompt = inner.Prompt || outer.Prompt
	inner.Owner = inner.Owner || outer.Owner
	inner.Other = inner.Other || outer.Other
	return inner
}

// rule puts a rule into its profile.
func (r *resolver) rule(rule Rule, sc scope) {
	if sc.dead || r.expanded > maxAll {
		return
	}
	if r.rules++; r.rules > maxRules {
		r.stop(rule.Location(), "too-many-rules", "more than %d rules in a policy, with those of included files for each profile: the rest is not read; split it", maxRules)
		return
	}
	inner, mayBeInBlock := rule.(blockRule)
	if sc.inBlock && !mayBeInBlock {
		r.warnf(rule.Location(), "rule-dropped",
			"apparmor_parser drops this rule: blocks hold only file, link and change_profile rules; write the qualifiers before the rule")
		return
	}
	inst := rule.resolve(r)
	head := inst.Head()
	head.Via = sc.via
	head.Shared = len(sc.via) > 0 && (sc.profile == nil || sc.profile.local != head.At.File)
	if sc.inBlock {
		if head.Deny && sc.quals.Allow || head.Allow && sc.quals.Deny {
			r.warnf(head.At, "bad-qualifier", "the rule and the block around it disagree on allow and deny, which AppArmor 4 refuses")
		}
		inner.checkInBlock(r, sc.quals)
		head.Qualifiers = join(sc.quals, head.Qualifiers)
		if sc.quals.Deny {
			head.Since = later(head.Since, "4.0")
			r.policy.construct(head.At, "a block of deny rules", "4.0", "")
		}
	}
	if m, ok := inst.(*MountRule); ok {
		r.checkMount(m)
	}
	sc.profile.Rules = append(sc.profile.Rules, inst)
}

// A blockRule is a rule that blocks may hold. checkInBlock reports an execution
// without a mode, which the parser refuses there even where it takes it outside.
type blockRule interface {
	checkInBlock(r *resolver, block Qualifiers)
}

// path, file and label expand a pattern of a rule in place: a path, one to which
// aliases apply, and a label or another name.
func (r *resolver) path(p **Pattern)  { *p = r.expand(*p, pathText) }
func (r *resolver) file(p **Pattern)  { *p = r.alias(r.expand(*p, pathText)) }
func (r *resolver) label(p **Pattern) { *p = r.expand(*p, labelText) }

// plain returns text in which the parser expands no variables and checks no
// globs: the name of a profile to change to, the value of an xattr.
func plain(p *Pattern) *Pattern {
	if p == nil {
		return nil
	}
	return &Pattern{Source: p.Source, Expanded: []string{p.Source}, At: p.At}
}
