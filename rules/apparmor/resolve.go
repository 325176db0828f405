package apparmor

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/whydenied/whydenied/rules"
)

// Limits on what one Load reads. Real policy stays far below them; policy that
// includes itself through a child profile, or is made to exhaust memory, meets
// them.
const (
	maxFileSize     = 16 << 20 // bytes of one file
	maxIncludeDepth = 50
	maxIncludes     = 20_000    // include statements followed
	maxRules        = 1_000_000 // rules of all profiles together
	maxDiagnostics  = 10_000
)

// A Loader reads policy files and what they include. It reads and parses each
// included file once, and serves one goroutine at a time.
type Loader struct {
	// Include is the search path of <magic> includes and abi files, as given to
	// apparmor_parser with -b and -I; nil means /etc/apparmor.d.
	Include []string
	// Overlay replaces the text of files by name, so that an edit can be tried
	// before it is written.
	Overlay map[string]string

	parsed map[string]*parsedFile
}

// A parsedFile is a file with its statements, and what was wrong with it.
type parsedFile struct {
	file  *rules.File
	stmts []statement
	diags []rules.Diagnostic
	err   error    // the file cannot be read
	dir   []string // the files of a directory
}

// LoadFile reads the named file and loads it. The error is of reading that file
// alone; everything else is a diagnostic.
func (l *Loader) LoadFile(name string) (*Policy, []rules.Diagnostic, error) {
	text, err := l.read(name)
	if err != nil {
		return nil, nil, err
	}
	p, diags := l.Load(rules.NewFile(name, text))
	return p, diags, nil
}

// Load parses a policy file with all that it includes, and resolves variables,
// conditionals and qualifier blocks. The policy holds everything that could be
// read; apparmor_parser refuses the file if any diagnostic is an Error.
func (l *Loader) Load(file *rules.File) (*Policy, []rules.Diagnostic) {
	if text, ok := l.Overlay[file.Name]; ok && text != file.Text {
		file = rules.NewFile(file.Name, text)
	}
	root := &parsedFile{file: file}
	root.stmts, root.diags = parse(file)
	r := &resolver{
		loader:   l,
		policy:   &Policy{},
		symbols:  symbols{vars: map[string]*variable{}, bools: map[string]bool{}},
		reported: map[problem]bool{},
		names:    map[string]*Profile{},
		seen:     map[*rules.File]bool{},
	}
	r.enter(root)
	r.preamble(root.stmts, scope{included: map[string]bool{}})
	r.profiles()
	r.policy.Variables = r.symbols.values()
	return r.policy, r.diags
}

// read returns the text of a file, from the overlay if it is there.
func (l *Loader) read(name string) (string, error) {
	if text, ok := l.Overlay[name]; ok {
		return text, nil
	}
	f, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxFileSize+1))
	if err != nil {
		return "", err
	}
	if len(text) > maxFileSize {
		return "", fmt.Errorf("%s: larger than %d MiB", name, maxFileSize>>20)
	}
	return string(text), nil
}

// open returns a file or directory as parsed before, or reads it.
func (l *Loader) open(name string) *parsedFile {
	if f := l.parsed[name]; f != nil {
		return f
	}
	f := &parsedFile{}
	if info, err := os.Stat(name); err == nil && info.IsDir() {
		f.dir, f.err = l.list(name)
	} else if text, err := l.read(name); err != nil {
		f.err = err
	} else {
		f.file = rules.NewFile(name, text)
		f.stmts, f.diags = parse(f.file)
	}
	if l.parsed == nil {
		l.parsed = map[string]*parsedFile{}
	}
	l.parsed[name] = f
	return f
}

// list returns the files of an include directory that the parser reads, sorted.
func (l *Loader) list(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		name := dir + "/" + e.Name()
		if info, err := os.Stat(name); err == nil && info.Mode().IsRegular() && !ignoredFile(e.Name()) {
			names = append(names, name)
		}
	}
	for name := range l.Overlay {
		if filepath.Dir(name) == filepath.Clean(dir) && !ignoredFile(filepath.Base(name)) && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names, nil
}

// ignoredSuffixes mark backups and leftovers of package managers, which an
// included directory may hold (_aa_is_blacklisted of libapparmor 3.0).
var ignoredSuffixes = [...]string{".dpkg-new", ".dpkg-old", ".dpkg-dist", ".dpkg-bak", ".dpkg-remove",
	".pacsave", ".pacnew", ".rpmnew", ".rpmsave", ".orig", ".rej", "~"}

func ignoredFile(name string) bool {
	if strings.HasPrefix(name, ".") || name == "README" {
		return true
	}
	return slices.ContainsFunc(ignoredSuffixes[:], func(s string) bool { return strings.HasSuffix(name, s) })
}

// find returns the name under which an include or abi file is found: on the
// search path for <magic>, else as it stands, relative to the working
// directory.
func (l *Loader) find(path string, magic bool) (string, *parsedFile) {
	if !magic {
		return path, l.open(path)
	}
	dirs := l.Include
	if dirs == nil {
		dirs = []string{"/etc/apparmor.d"}
	}
	for _, dir := range dirs {
		name := strings.TrimSuffix(dir, "/") + "/" + path
		if f := l.open(name); f.err == nil {
			return name, f
		}
	}
	return "", nil
}

// A scope is where statements stand: the includes that led there, the profile
// and the blocks around.
type scope struct {
	via      []rules.Location
	included map[string]bool // files included so far in this profile's body, or in the preamble
	profile  *Profile        // nil in the preamble
	quals    Qualifiers      // of the blocks around
	inBlock  bool
}

// A resolver turns statements into a policy.
type resolver struct {
	loader   *Loader
	policy   *Policy
	symbols  symbols
	pending  []pendingProfile
	diags    []rules.Diagnostic
	reported map[problem]bool
	names    map[string]*Profile // by full name
	seen     map[*rules.File]bool
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
		if _, ok := r.symbols.bools[s.name]; ok {
			r.errorf(s.loc, "variable", "${%s} was assigned before", s.name)
		}
		r.symbols.bools[s.name] = s.value
	case *aliasStmt:
		r.policy.Aliases = append(r.policy.Aliases, s.alias)
	case *abiStmt:
		r.abi(s)
	}
}

// abi checks that the file of an abi rule exists.
func (r *resolver) abi(s *abiStmt) {
	builtin := s.magic && (s.path == "kernel" || s.path == "default")
	if _, f := r.loader.find(s.path, s.magic); !builtin && (f == nil || f.err != nil || f.dir != nil) {
		r.errorf(s.loc, "abi-not-found", "cannot open the abi file %s", s.path)
	}
	if r.policy.ABI == nil {
		r.policy.ABI = &ABI{Path: s.path, At: s.loc}
	}
}

// include resolves the statements of an included file or directory. A file that
// was included before in the same profile is passed over, as the parser does.
func (r *resolver) include(s *includeStmt, sc scope, resolve func([]statement, scope)) {
	if r.includes++; r.includes > maxIncludes || len(sc.via) >= maxIncludeDepth {
		if !r.full {
			r.full = true
			r.errorf(s.loc, "include-depth", "includes nest deeper than %d or are more than %d: does a file include itself?", maxIncludeDepth, maxIncludes)
		}
		return
	}
	name, f := r.loader.find(s.path, s.magic)
	if f == nil || f.err != nil {
		if !s.ifExists || f != nil && !os.IsNotExist(f.err) {
			r.errorf(s.loc, "include-not-found", "cannot open the included file %s%s", s.path, r.searched(s, f))
		}
		return
	}
	sc.via = append(slices.Clip(sc.via), s.loc)
	names := f.dir
	if f.dir == nil && f.file != nil {
		names = []string{name}
	}
	for _, name := range names {
		f := r.loader.open(name)
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
		return " in /etc/apparmor.d"
	}
	return " in " + strings.Join(r.loader.Include, ", ")
}

// profiles resolves the profiles that the preamble walk found.
func (r *resolver) profiles() {
	for _, p := range r.pending {
		r.profile(p.stmt, scope{via: p.via})
	}
}

// profile resolves one profile, its rules and its children.
func (r *resolver) profile(s *profileStmt, outer scope) {
	p := &Profile{Policy: r.policy, Parent: outer.profile, Hat: s.hat, Flags: s.flags,
		At: s.loc, Body: s.body, Via: outer.via}
	r.symbols.builtin = nil // @{profile_name} is not for names and attachments
	r.name(p, s)
	if other := r.names[p.FullName()]; other != nil {
		r.report(rules.Diagnostic{At: s.name.At, Code: "duplicate-profile",
			Message: fmt.Sprintf("profile %s is defined twice", p.FullName()),
			Related: []rules.Related{{At: other.At, Message: "defined here first"}}})
	}
	r.names[p.FullName()] = p
	r.policy.Profiles = append(r.policy.Profiles, p)
	r.attach(p, s)
	r.symbols.enter(p)
	// Children are resolved after their parent, whose name they see in
	// @{profile_name} as their own.
	r.body(s.stmts, scope{via: outer.via, included: map[string]bool{}, profile: p})
}

// name reads the name of a profile: NAME, :NS:NAME or :NS://NAME.
func (r *resolver) name(p *Profile, s *profileStmt) {
	raw := s.name.Source
	name, problem := r.substitute(raw)
	if problem != "" {
		r.errorf(s.name.At, "variable", "%s", problem)
		name = raw
	}
	switch {
	case strings.HasPrefix(raw, "&"):
		r.errorf(s.name.At, "bad-name", "a profile name cannot begin with &")
	case strings.HasPrefix(raw, ":"):
		ns, rest, ok := strings.Cut(name[1:], ":")
		rest = strings.TrimPrefix(rest, "//")
		if !ok || ns == "" || rest == "" {
			r.errorf(s.name.At, "bad-name", "expected :NAMESPACE:NAME, found %q", raw)
			break
		}
		p.Namespace, name = ns, rest
	case raw == "":
		r.errorf(s.name.At, "bad-name", "a profile needs a name")
	case p.Parent == nil && !s.keyword && !s.hat && raw[0] != '/':
		r.errorf(s.name.At, "bad-name", "a name that is not a path needs the keyword profile before it")
	}
	if p.Parent != nil {
		if !s.keyword && !s.hat {
			r.errorf(s.name.At, "bad-name", "a profile inside a profile needs the keyword profile before its name")
		}
		name = p.Parent.Name + "//" + name
		if p.Namespace == "" {
			p.Namespace = p.Parent.Namespace
		}
	}
	p.Name = name
}

// attach sets what the profile attaches to: its attachment, else its name if
// that is a path.
func (r *resolver) attach(p *Profile, s *profileStmt) {
	local := p.Name
	if i := strings.LastIndex(local, "//"); i >= 0 {
		local = local[i+2:]
	}
	switch {
	case s.attachment != nil:
		p.Attachment = r.alias(r.expand(s.attachment, pathText))
	case !r.checkGlob(s.name, local, pathText):
	case strings.HasPrefix(local, "/"):
		p.Attachment = r.alias(&Pattern{Source: s.name.Source, Expanded: []string{cleanSlashes(local)}, At: s.name.At})
	}
	for _, x := range s.xattrs {
		if x.Value != nil {
			x.Value = r.expand(x.Value, labelText)
		}
		p.Xattrs = append(p.Xattrs, x)
	}
}

// body resolves the statements of a profile's body.
func (r *resolver) body(stmts []statement, sc scope) {
	for _, s := range stmts {
		switch s := s.(type) {
		case *includeStmt:
			r.include(s, sc, r.body)
		case *ruleStmt:
			r.rule(s.rule, sc)
		case *profileStmt:
			if sc.inBlock {
				r.warnf(s.loc, "rule-dropped", "apparmor_parser drops this profile: blocks hold only file, link and change_profile rules")
				continue
			}
			r.child(s, sc)
		case *blockStmt:
			r.block(s, sc)
		case *ifStmt:
			if r.test(s.cond) {
				r.body(s.then, sc)
			} else {
				r.body(s.otherwise, sc)
			}
		case *abiStmt:
			r.abi(s)
		default:
			r.errorf(s.at(), "late-preamble", "variables and aliases stand before the first profile, not inside one")
		}
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

// test evaluates the condition of an if.
func (r *resolver) test(c ifCond) bool {
	value, ok := r.symbols.bools[c.name]
	switch {
	case c.defined && c.set:
		value = r.symbols.vars[c.name] != nil
	case c.defined:
		value = ok
	case !ok:
		r.errorf(c.at, "variable", "${%s} is not assigned", c.name)
	}
	return value != c.not
}

// rule puts a rule into its profile.
func (r *resolver) rule(rule Rule, sc scope) {
	if r.rules++; r.rules > maxRules {
		if !r.full {
			r.full = true
			r.errorf(rule.Location(), "too-many-rules", "more than %d rules", maxRules)
		}
		return
	}
	if sc.inBlock {
		switch rule.(type) {
		case *FileRule, *LinkRule, *ChangeProfileRule:
		default:
			r.warnf(rule.Location(), "rule-dropped",
				"apparmor_parser drops this rule: blocks hold only file, link and change_profile rules; write the qualifiers before the rule")
			return
		}
	}
	inst := r.instantiate(rule)
	head := inst.Head()
	head.Via = sc.via
	if sc.inBlock {
		if head.Deny && sc.quals.Allow || head.Allow && sc.quals.Deny {
			r.warnf(head.At, "bad-qualifier", "the rule and the block around it disagree on allow and deny, which AppArmor 4 refuses")
		}
		r.checkInBlock(inst)
		head.Qualifiers = join(sc.quals, head.Qualifiers)
		if sc.quals.Deny {
			head.Since = later(head.Since, "4.1")
		}
	}
	if m, ok := inst.(*MountRule); ok {
		r.checkMount(m)
	}
	sc.profile.Rules = append(sc.profile.Rules, inst)
}

// checkInBlock reports rules whose execute permission has no mode, which the
// parser refuses inside blocks even where it takes them outside.
func (r *resolver) checkInBlock(rule Rule) {
	switch rule := rule.(type) {
	case *FileRule:
		if rule.Perms&Exec != 0 && !rule.Deny && rule.Path != nil && len(rule.PermsAt.Text()) > 0 && !strings.ContainsAny(strings.ToLower(rule.PermsAt.Text()), "ipcu") {
			r.errorf(rule.PermsAt, "bad-exec", "x needs an exec mode before it: ix, px, cx or ux")
		}
	case *ChangeProfileRule:
		if rule.Exec != nil && rule.Deny == rule.Unsafe {
			r.errorf(rule.At, "bad-exec", "apparmor_parser refuses a change_profile rule with a program inside a block: move it out")
		}
	}
}

// instantiate copies a rule and expands its patterns for the current profile.
func (r *resolver) instantiate(rule Rule) Rule {
	path := func(p **Pattern) { *p = r.expand(*p, pathText) }
	entry := func(p **Pattern) { *p = r.alias(r.expand(*p, pathText)) }
	label := func(p **Pattern) { *p = r.expand(*p, labelText) }
	switch rule := rule.(type) {
	case *FileRule:
		c := *rule
		entry(&c.Path)
		label(&c.Exec.Target)
		return &c
	case *LinkRule:
		c := *rule
		entry(&c.Link)
		entry(&c.Target)
		return &c
	case *CapabilityRule:
		c := *rule
		return &c
	case *NetworkRule:
		c := *rule
		label(&c.Local.Label)
		label(&c.Peer.Label)
		return &c
	case *MountRule:
		c := *rule
		path(&c.Source)
		path(&c.Target)
		c.Fstype = r.values(c.Fstype, c.At)
		return &c
	case *PivotRootRule:
		c := *rule
		path(&c.OldRoot)
		path(&c.NewRoot)
		label(&c.Target)
		return &c
	case *PtraceRule:
		c := *rule
		label(&c.Peer)
		return &c
	case *SignalRule:
		c := *rule
		label(&c.Peer)
		return &c
	case *UnixRule:
		c := *rule
		r.address(&c.Addr)
		r.address(&c.PeerAddr)
		label(&c.Label)
		label(&c.PeerLabel)
		return &c
	case *DBusRule:
		c := *rule
		path(&c.Path)
		for _, p := range []**Pattern{&c.Bus, &c.Interface, &c.Member, &c.Name, &c.PeerName, &c.PeerLabel} {
			label(p)
		}
		return &c
	case *ChangeProfileRule:
		c := *rule
		entry(&c.Exec)
		label(&c.Target)
		return &c
	case *RlimitRule:
		c := *rule
		return &c
	case *UsernsRule:
		c := *rule
		return &c
	case *MqueueRule:
		c := *rule
		label(&c.Name)
		label(&c.Label)
		return &c
	case *IOUringRule:
		c := *rule
		label(&c.Label)
		return &c
	case *AllRule:
		c := *rule
		return &c
	}
	panic(fmt.Sprintf("apparmor: unknown rule %T", rule))
}

// values expands variables in the values of mount conditions.
func (r *resolver) values(conds []MountCond, at rules.Location) []MountCond {
	out := slices.Clone(conds)
	for i, c := range out {
		out[i].Values = slices.Clone(c.Values)
		for j, v := range c.Values {
			if strings.Contains(v, "@{") {
				out[i].Values[j] = r.expand(&Pattern{Source: v, At: at}, labelText).Expanded[0]
			}
		}
	}
	return out
}

// address expands the address of a unix socket: @ and a glob that may match
// NUL bytes, none or auto.
func (r *resolver) address(p **Pattern) {
	if *p == nil {
		return
	}
	*p = r.expand(*p, addressText)
}
