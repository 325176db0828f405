package fix

import (
	"cmp"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/whydenied/whydenied/rules"
	"github.com/whydenied/whydenied/rules/apparmor"
)

// Remedies are the proved fixes of an access, narrowest first; but before a deny rule that
// nobody would read stands one that is wider, if there is no other.
type Remedies struct {
	Fixes []rules.Fix
	Notes []string // what the reader should know of them
	Quiet string   // the rule that keeps the access refused and out of the log; "" if there is none
}

// Access returns the remedies of an access that a profile refuses. They are proved
// once, however many programs and containers were refused it.
func (p *Proposer) Access(profile *apparmor.Profile, req apparmor.Request, c Caller) Remedies {
	key := accessKey(profile, req, c)
	if r, ok := p.proved[key]; ok {
		return r
	}
	d := profile.Decide(req)
	var r Remedies
	var candidates []rules.Fix
	candidates, r.Notes = p.Candidates(profile, req, d, c)
	candidates = p.withSplit(profile, req, d, candidates)
	for _, wide := range p.wholeDenyFixes(profile, req, d) {
		if len(candidates) == 0 || !slices.Equal(candidates[0].Edits, wide.Edits) {
			candidates = append(candidates, wide)
		}
	}
	lost := ""
	for _, candidate := range candidates {
		if hasNearly(r.Fixes, candidate) {
			continue
		}
		taken, ok := p.prove(&candidate, profile, req)
		if ok {
			r.Fixes = append(r.Fixes, candidate)
		}
		lost = cmp.Or(lost, taken)
	}
	if mount, ok := req.(apparmor.MountRequest); ok && len(r.Fixes) == 0 && d.Refused == 0 {
		candidate := mountAnyhow(profile, mount)
		if _, ok := p.prove(&candidate, profile, req); ok {
			r.Fixes = append(r.Fixes, candidate)
		}
	}
	if len(r.Fixes) == 0 && lost != "" {
		r.Notes = append(r.Notes, takesAway(lost))
	}
	if d.Refused == 0 && len(r.Fixes) > 0 {
		if both, ok := p.withNext(profile, req, r.Fixes[0], c); ok {
			r.Fixes = slices.Insert(r.Fixes, 1, both)
		}
	}
	if d.Refused == 0 {
		r.Quiet = p.quietRule(profile, req)
	}
	p.proved[key] = r
	return r
}

// Narrowest returns the first of the fixes of Access, for where no other is shown. It has no
// edits if there is none.
func (p *Proposer) Narrowest(profile *apparmor.Profile, req apparmor.Request, c Caller) rules.Fix {
	key := accessKey(profile, req, c)
	if fix, ok := p.narrowest[key]; ok {
		return fix
	}
	fix := p.proveNarrowest(profile, req, c)
	p.narrowest[key] = fix
	return fix
}

func (p *Proposer) proveNarrowest(profile *apparmor.Profile, req apparmor.Request, c Caller) rules.Fix {
	if d := profile.Decide(req); d.Refused == 0 {
		fixes, _, _ := p.ruleFixes(profile, missing(req, d), c)
		for _, fix := range fixes {
			if _, ok := p.prove(&fix, profile, req); ok {
				return fix
			}
		}
	}
	for _, fix := range p.Access(profile, req, c).Fixes {
		if !isSplit(fix) {
			return fix
		}
	}
	return rules.Fix{}
}

// accessKey tells accesses apart that may have other fixes.
func accessKey(profile *apparmor.Profile, req apparmor.Request, c Caller) string {
	key := fmt.Sprintf("%p %#v", profile, req)
	if file, ok := req.(apparmor.FileRequest); ok && (c.Temporary || c.Root || holdsID(file.Path+file.Target, c)) {
		key = fmt.Sprint(key, c) // which its names depend on
	}
	return key
}

// qualified are the words by which rules differ that are hardly two to choose from.
var qualified = strings.NewReplacer("owner ", "", "subset ", "")

// hasNearly reports whether there is a rule like that of a fix already, for the owner alone
// or not, with subset or without.
func hasNearly(fixes []rules.Fix, fix rules.Fix) bool {
	return slices.ContainsFunc(fixes, func(have rules.Fix) bool {
		return qualified.Replace(have.Rule) == qualified.Replace(fix.Rule)
	})
}

// holdsID reports whether a name may hold the ID of its caller.
func holdsID(name string, c Caller) bool {
	return strings.Contains(name, strconv.Itoa(c.PID)) || strings.Contains(name, strconv.Itoa(c.PPID))
}

// quietRule returns the deny rule that keeps the access refused and unlogged,
// or "" if there is none. As deny beats allow, nothing of the profile matters
// but the flag by which everything is logged.
func (p *Proposer) quietRule(profile *apparmor.Profile, req apparmor.Request) string {
	if profile.HasFlag("audit") || !profile.HasEffect(req) {
		return ""
	}
	rule := "deny " + apparmor.RuleFor(withoutExecMode(req), apparmor.Transition{})
	if file, ok := req.(apparmor.FileRequest); ok {
		if names := NamesOf(file.Path, Caller{}, nil); names.Only {
			rule = strings.Replace(rule, apparmor.QuotePath(file.Path), names.Glob, 1)
		}
	}
	policy, diagnostics := p.Library.Loader.Load(rules.NewFile("deny", "profile p {\n  "+rule+"\n}\n"))
	denying := policy.Profile("p")
	if denying == nil || len(rules.Errors(diagnostics)) > 0 {
		return ""
	}
	if d := denying.Decide(req); !d.Quiet {
		return ""
	}
	return rule
}

// withoutExecMode is the request as a deny rule covers it: link rules name both
// paths, deny rules the new one.
func withoutExecMode(req apparmor.Request) apparmor.Request {
	if file, ok := req.(apparmor.FileRequest); ok {
		file.Target = ""
		return file
	}
	return req
}

// Candidates returns fixes that have yet to be proved, narrowest first, and what
// the reader should know where there is none.
func (p *Proposer) Candidates(profile *apparmor.Profile, req apparmor.Request, d apparmor.Decision, c Caller) (fixes []rules.Fix, notes []string) {
	if d.Refused != 0 {
		return p.denyFixes(profile, req, d)
	}
	req = missing(req, d)
	fixes, notes, last := p.ruleFixes(profile, req, c)
	if mount, ok := req.(apparmor.MountRequest); ok {
		fixes = append(fixes, mountLike(profile, mount, d)...)
	}
	if !last {
		fixes = append(fixes, p.abstractionFixes(profile, req)...)
	}
	return fixes, notes
}

// missing is a request for what no rule grants of one.
func missing(req apparmor.Request, d apparmor.Decision) apparmor.Request {
	if file, ok := req.(apparmor.FileRequest); ok {
		file.Perms = d.Unmatched
		return file
	}
	return req
}

// ruleFixes are the Candidates that are rules, where none refuses the access. last
// reports that there are no others.
func (p *Proposer) ruleFixes(profile *apparmor.Profile, req apparmor.Request, c Caller) (fixes []rules.Fix, notes []string, last bool) {
	switch r := req.(type) {
	case apparmor.RlimitRequest:
		return rlimitFixes(profile, r), nil, true
	case apparmor.FileRequest:
		fixes, last = p.fileFixes(profile, r, c)
		return fixes, nil, last
	case apparmor.SignalRequest:
		return signalFixes(profile, r), nil, false
	case apparmor.ChangeProfileRequest:
		if r.Target == "unconfined" {
			return nil, []string{"No fix is proposed that leads to unconfined. Let the process change to a profile of its own instead."}, true
		}
	}
	own := Insert(profile, apparmor.RuleFor(req, apparmor.Transition{}), "add a rule for "+subjectOf(req)+" alone")
	if abi := apparmor.NeededABI(req); abi != "" && profile.Policy.ABI == nil && own.Edits != nil {
		edit, rule := profile.Policy.SetABI(abi)
		own.Message += ", and `" + rule + "` of AppArmor " + path.Base(abi) + ", without which it may have no effect"
		own.Edits = append([]rules.Edit{edit}, own.Edits...)
	}
	return []rules.Fix{own}, nil, false
}

// mountLike proposes the nearest rule that the profile has for mounts elsewhere, with its file
// systems and options, for the mount point of a request: a program that mounts at one place
// does so at others. Whether it grants the request is to be proved.
func mountLike(profile *apparmor.Profile, req apparmor.MountRequest, d apparmor.Decision) []rules.Fix {
	for _, near := range d.Near() {
		rule, ok := near.Rule.(*apparmor.MountRule)
		if !ok || rule.Shared || rule.Op != "mount" || rule.Target == nil || rule.Target.Match(req.Target) {
			continue
		}
		text, point := rule.At.Text(), rule.Target.At.Text()
		at := strings.LastIndex(text, point)
		if at < 0 || strings.Contains(text, "\n") {
			continue
		}
		like := func(other string) string { return text[:at] + other + text[at+len(point):] }
		message := "add a rule like that for " + rule.Target.Source
		fixes := []rules.Fix{Insert(profile, like(apparmor.QuotePath(req.Target)), message+", for this mount point")}
		if dir := aboveNumbers(req.Target); strings.HasSuffix(point, "/**/") && dir != "" {
			fixes = append(fixes, Insert(profile, like(apparmor.QuotePath(dir)+"**/"), message+", for all mount points below "+dir))
		}
		return fixes
	}
	return nil
}

// aboveNumbers is the directory in which a program has its mount points, by the name of one: the
// one above the first name with a digit, of which there will be others, else the one that it is
// in; "" if that is the root directory or one right below it.
func aboveNumbers(point string) string {
	names := strings.Split(strings.Trim(point, "/"), "/")
	names = names[:len(names)-1]
	if i := slices.IndexFunc(names, func(name string) bool { return strings.ContainsAny(name, "0123456789") }); i >= 0 {
		names = names[:i]
	}
	if len(names) < 2 {
		return ""
	}
	return "/" + strings.Join(names, "/") + "/"
}

// mountAnyhow proposes a rule for whatever is mounted at a mount point. A rule that names
// options has those of one operation, and the kernel asks about what the program gave, such as
// a remount with a propagation, which is none.
func mountAnyhow(profile *apparmor.Profile, req apparmor.MountRequest) rules.Fix {
	return Insert(profile, "mount -> "+apparmor.QuotePath(req.Target)+",",
		"add a rule for any mount at this mount point: none that names options grants these together")
}

// FromSnap reports whether a signal that a container is refused is from its engine, which a
// snap confines: from nobody else of a snap does a container receive signals.
func FromSnap(r apparmor.SignalRequest) bool {
	return r.Perms == apparmor.Receive && strings.HasPrefix(r.Peer, "snap.")
}

// signalFixes proposes to allow a signal. An engine sends others next, all of which its own
// text of the profile allows, so all of those come first.
func signalFixes(profile *apparmor.Profile, r apparmor.SignalRequest) []rules.Fix {
	own := Insert(profile, apparmor.RuleFor(r, apparmor.Transition{}), "add a rule for this signal and peer alone")
	if !FromSnap(r) {
		return []rules.Fix{own}
	}
	r.Signal = ""
	return []rules.Fix{Insert(profile, apparmor.RuleFor(r, apparmor.Transition{}), "let the container's engine send it signals, as the engine's own text of the profile does"), own}
}

// subjectOf names what a rule for a request would be about.
func subjectOf(req apparmor.Request) string {
	switch req.(type) {
	case apparmor.CapabilityRequest:
		return "this capability"
	case apparmor.NetworkRequest, apparmor.UnixRequest:
		return "sockets of this kind"
	case apparmor.MountRequest, apparmor.PivotRootRequest:
		return "this mount operation"
	case apparmor.PtraceRequest:
		return "this peer"
	case apparmor.ChangeProfileRequest:
		return "this change of profile"
	}
	return "this access"
}

// fileFixes proposes to grant missing file permissions: on the rule that names
// exactly this path or, where the next run has another, its kind, else by a rule for
// it alone, else by one for names of its kind, on a rule that names it among others,
// or by an abstraction, which is not among them and does not come in question if they are last.
func (p *Proposer) fileFixes(profile *apparmor.Profile, file apparmor.FileRequest, c Caller) (fixes []rules.Fix, last bool) {
	c.Exact = p.Breadth == Exact
	first := slices.Concat(namesakeFixes(profile, file), p.widerFixes(Asked{profile, file, c})) // of a program, or of other files
	names := pathNames(profile, file, c)
	var wider []rules.Fix // at most one, of the rule that names the least beside it
	closest := 0
	ours := file
	ours.Owner = true // owner rules name it, too
	spelled := strings.Trim(spell(profile, file.Path, c), `"`)
	var kinds []string // of the path, which a rule may name
	if file.Target == "" && (names.Only || names.First) {
		kinds = spellings(profile, names.Glob)
	}
	for _, r := range profile.Naming(ours) {
		rule, ok := r.(*apparmor.FileRule)
		if !ok || rule.Path == nil {
			continue
		}
		_, literal := rule.Path.Literal()
		literal = literal || rule.Path.Source == spelled
		ofKind := slices.Contains(kinds, rule.Path.Source)
		fix, ok := permsFix(profile, rule, file.Perms)
		if rule.Owner && !file.Owner {
			fix, ok = ownerFix(profile, rule, file.Perms)
			ok = ok && (literal || ofKind)
			literal = literal || ofKind
		}
		if !ok {
			continue
		}
		if file.Target != "" { // l of a rule is for links to whatever file
			literal = false
		}
		if literal || ofKind && rule.Owner == file.Owner {
			return slices.Concat(first, []rules.Fix{fix}, execFixes(profile, file)), true
		}
		if at := strings.IndexAny(rule.Path.Source, "*?[{"); wider == nil || at > closest {
			wider, closest = []rules.Fix{fix}, at
		}
	}
	own, alike := pathFixes(profile, file, names, c)
	if c.Exact {
		return slices.Concat(first, own, execFixes(profile, file)), true
	}
	return slices.Concat(first, own, execFixes(profile, file), siblingFixes([]Asked{{profile, file, c}}), alike, wider), false
}

// pathFixes proposes rules for a path, and for names of its kind. Where the next
// run is sure to have another name, only or first those.
func pathFixes(profile *apparmor.Profile, file apparmor.FileRequest, names Names, c Caller) (own, alike []rules.Fix) {
	target := apparmor.QuotePath(file.Target)
	c.Temporary = c.Linked
	if names := pathNames(profile, apparmor.FileRequest{Path: file.Target, Perms: apparmor.Link}, c); file.Target != "" && names.First {
		target = names.Glob
	}
	if !c.Exact {
		names.Glob = spellGlob(profile, names.Glob)
	}
	add := func(fixes []rules.Fix, glob, message string) []rules.Fix {
		rule := strings.Replace(fileRule(profile, file, inherit), apparmor.QuotePath(file.Path), glob, 1)
		if strings.HasPrefix(rule, "link ") {
			return append(fixes, linkFixes(profile, glob+" -> "+target+",", file.Owner, message)...)
		}
		whoever := Insert(profile, rule, message)
		if !file.Owner {
			return append(fixes, whoever)
		}
		owned := Insert(profile, "owner "+rule, message+", for the owner of the file")
		if systemFile(file.Path, c) {
			return append(fixes, whoever, owned)
		}
		return append(fixes, owned, whoever)
	}
	what := "add a rule"
	if file.Perms&apparmor.Exec != 0 {
		what = "let it run under this profile (ix): add a rule"
	}
	switch {
	case names.Glob == "":
		return add(nil, spell(profile, file.Path, c), what+" for this path alone"), nil
	case names.Only && strings.HasPrefix(file.Path, "/proc/"):
		return add(nil, names.Glob, what+" for this path of any process"), nil
	case names.Only:
		return add(nil, names.Glob, what+" for names like this, as it holds "+names.Why), nil
	case names.First:
		own = add(nil, names.Glob, what+" for names like this, as it holds "+names.Why)
		return add(own, spell(profile, file.Path, c), what+" for this path alone"), nil
	}
	return add(nil, spell(profile, file.Path, c), what+" for this path alone"),
		add(nil, names.Glob, what+" for names like this, as it holds "+names.Why)
}

// pathNames are those of a path for which a profile is to have a rule.
func pathNames(profile *apparmor.Profile, file apparmor.FileRequest, c Caller) Names {
	c.Makes = makes(profile, file)
	c.Home = !strings.HasPrefix(file.Path, "/root/") && spells(profile, "HOME")
	names := NamesOf(file.Path, c, profile.Policy.Variables)
	if c.Exact {
		return names
	}
	own := names.Only || names.First && file.Target != "" // the rule of a link is one of its own
	if made := madeNames(profile, file.Path, names); !own && made.Glob != "" {
		return made
	}
	if !names.Only && !names.First {
		names = cmp.Or(replacementNames(profile, file.Path), rotatedNames(profile, file.Path), numberedNames(profile, file.Path), names)
	}
	names.First = names.First && (c.Makes || !names.made)
	return names
}

// systemFile reports whether a file is root's as all of its folder are: that a process of
// root was refused it does not tell that it is for its owner.
func systemFile(path string, c Caller) bool { return c.Root && systemFolder.MatchString(path) }

var systemFolder = regexp.MustCompile(`^/(?:etc|usr|bin|sbin|lib[^/]*|boot|sys|proc/sys)/`)

// makes reports whether a program makes or changes a file: it asks for that, to make a
// link of it too, or is allowed it already.
func makes(profile *apparmor.Profile, file apparmor.FileRequest) bool {
	changes := apparmor.Write | apparmor.Append
	if file.Perms&(changes|apparmor.Link) != 0 {
		return true
	}
	file.Perms, file.Target = changes, ""
	return profile.Decide(file).Granted&changes != 0
}

// linkFixes proposes a rule for one pair of names: first with subset, by which the
// new name may grant nothing that the target does not.
func linkFixes(profile *apparmor.Profile, pair string, owner bool, message string) (fixes []rules.Fix) {
	for _, rule := range []string{"link subset " + pair, "link " + pair} {
		if owner {
			fixes = append(fixes, Insert(profile, "owner "+rule, message+", for the owner of the file"))
		}
		fixes = append(fixes, Insert(profile, rule, message))
	}
	return fixes
}

// inherit is ix: the program stays in the profile.
var inherit = apparmor.Transition{Mode: apparmor.Inherit}

// fileRule returns the narrowest rule for missing file permissions. A program
// that is executed must be readable where it keeps the profile; but for one in
// memory, which attach_disconnected shows as /, that would be the root directory.
func fileRule(profile *apparmor.Profile, file apparmor.FileRequest, exec apparmor.Transition) string {
	if file.Perms&apparmor.Exec != 0 && exec.Mode == apparmor.Inherit && file.Path != "/" {
		read := file
		read.Perms = apparmor.Read
		if profile.Decide(read).Unmatched != 0 {
			file.Perms |= apparmor.Read
		}
	}
	return apparmor.RuleFor(file, exec)
}

// execFixes proposes to execute a program under a profile of its own, where the
// policy has one: a child of this profile, or one that attaches to the program.
func execFixes(profile *apparmor.Profile, file apparmor.FileRequest) []rules.Fix {
	if file.Perms != apparmor.Exec {
		return nil
	}
	var fixes []rules.Fix
	for _, other := range profile.Policy.Profiles {
		if other.Hat || other == profile || other.Attachment == nil || !other.Attachment.Match(file.Path) {
			continue
		}
		switch other.Parent {
		case profile:
			fixes = append(fixes, Insert(profile, fileRule(profile, file, apparmor.Transition{Mode: apparmor.ToChild}), "run it under the child profile that is there for it (Cx): "+other.Name))
		case nil:
			fixes = append(fixes, Insert(profile, fileRule(profile, file, apparmor.Transition{Mode: apparmor.ToProfile}), "run it under a profile of its own (Px): "+other.Name+", which must be loaded"))
		}
	}
	return fixes
}

// local finds programs that an administrator installed, which have namesakes of a package.
var local = lazy(`^/usr/local/(s?bin/[^/]+)$`)

// namesakeFixes proposes to execute a program of /usr/local as the profile executes that of the same name
// which a package has in /usr: under this profile it would lack what the other does not.
func namesakeFixes(profile *apparmor.Profile, file apparmor.FileRequest) []rules.Fix {
	m := local().FindStringSubmatch(file.Path)
	if m == nil || file.Perms&apparmor.Exec == 0 {
		return nil
	}
	namesake := apparmor.FileRequest{Path: "/usr/" + m[1], Perms: apparmor.Exec}
	for _, rule := range profile.Decide(namesake).Allow {
		other, ok := rule.(*apparmor.FileRule)
		if ok && other.Perms&apparmor.Exec != 0 && other.Exec.Mode != apparmor.Inherit && other.Path != nil {
			return []rules.Fix{Insert(profile, fileRule(profile, file, other.Exec), "execute it as "+namesake.Path+", for which the profile has "+other.Path.Source)}
		}
	}
	return nil
}

// Executing returns the fix that has a profile execute a program with a transition, proved. It has no edits if
// that cannot be.
func (p *Proposer) Executing(profile *apparmor.Profile, file apparmor.FileRequest, t apparmor.Transition, message string) rules.Fix {
	fix := Insert(profile, fileRule(profile, file, t), message)
	if _, ok := p.prove(&fix, profile, file); !ok {
		return rules.Fix{}
	}
	return fix
}

// permsFix proposes to add permissions to a rule where it stands. A profile with
// a local/ include keeps its own text, and gets a rule there.
func permsFix(profile *apparmor.Profile, rule *apparmor.FileRule, perms apparmor.Perms) (rules.Fix, bool) {
	if local := profile.Local(); local != nil && rule.At.File.Name != local.Name {
		return rules.Fix{}, false
	}
	if perms&apparmor.Exec != 0 {
		if perms != apparmor.Exec {
			return rules.Fix{}, false
		}
		edit, text, ok := rule.SetExec(inherit)
		return rules.Fix{Message: "add ix to this rule", Rule: text, Edits: []rules.Edit{edit}}, ok
	}
	edit, text, ok := rule.AddPerms(perms)
	return rules.Fix{Message: fmt.Sprintf("add %s to this rule", perms), Rule: text, Edits: []rules.Edit{edit}}, ok
}

// ownerFix proposes to have a rule grant what it does, and what else is missing, whoever owns the
// file, where all of that is.
func ownerFix(profile *apparmor.Profile, rule *apparmor.FileRule, perms apparmor.Perms) (rules.Fix, bool) {
	if local := profile.Local(); rule.Perms&^perms != 0 || perms&apparmor.Exec != 0 || local != nil && rule.At.File.Name != local.Name {
		return rules.Fix{}, false
	}
	edits, text, ok := rule.DropOwner(perms)
	message := "take owner out of this rule"
	if more := perms &^ rule.Perms; more != 0 {
		message = fmt.Sprintf("add %s to this rule, and take owner out of it", more)
	}
	return rules.Fix{Message: message, Rule: text, Edits: edits}, ok
}

// Insert proposes a new rule. A text that is not one rule, as a name in it was
// made to end the rule early, makes a fix without edits, which proves nothing.
func Insert(profile *apparmor.Profile, rule, message string) rules.Fix {
	if !apparmor.IsRule(rule) {
		return rules.Fix{}
	}
	return rules.Fix{Message: message, Rule: rule, Edits: []rules.Edit{profile.Insert(rule)}}
}

// rlimitFixes proposes to raise the limit that the profile sets, or to set it.
func rlimitFixes(profile *apparmor.Profile, r apparmor.RlimitRequest) []rules.Fix {
	text := apparmor.RuleFor(r, apparmor.Transition{})
	for _, rule := range profile.Rules {
		limit, ok := rule.(*apparmor.RlimitRule)
		if ok && limit.Name == r.Name && !limit.Shared {
			return []rules.Fix{{Message: "raise the limit to what was asked for", Rule: text, Edits: []rules.Edit{{At: limit.At, New: text}}}}
		}
	}
	return []rules.Fix{Insert(profile, text, "set the limit to what was asked for")}
}

// NamedAlone reports whether a rule of the profile names this file and no other.
func NamedAlone(profile *apparmor.Profile, file apparmor.FileRequest) bool {
	return slices.ContainsFunc(profile.Naming(file), func(r apparmor.Rule) bool {
		rule, ok := r.(*apparmor.FileRule)
		if !ok {
			return false
		}
		_, literal := rule.Path.Literal()
		return literal
	})
}

// Glob proposes one rule for several names of files, of which one was refused: glob
// stands for all of them, and why says what they have in common. If there is a rule for
// that, it gets what it lacks.
func Glob(a Asked, glob, why string) rules.Fix {
	profile, file := a.Profile, a.File
	owner, texts := file.Owner && !systemFile(file.Path, a.Caller), spellings(profile, glob)
	for _, r := range profile.Naming(file) {
		rule, ok := r.(*apparmor.FileRule)
		if !ok || rule.Path == nil || rule.Owner != owner || !slices.Contains(texts, rule.Path.Source) {
			continue
		}
		if fix, ok := permsFix(profile, rule, file.Perms); ok {
			return fix
		}
	}
	text := strings.Replace(apparmor.RuleFor(file, inherit), apparmor.QuotePath(file.Path), spellGlob(profile, glob), 1)
	if owner {
		text = "owner " + text
	}
	return Insert(profile, text, "add a rule for "+why)
}
