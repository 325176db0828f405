package explain

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/whydenied/whydenied/explain/access"
	"github.com/whydenied/whydenied/rules"
	"github.com/whydenied/whydenied/rules/apparmor"
)

// fixAppArmor proposes edits that make the profile grant the access, narrowest
// first, and keeps those that are proved to.
func (p *Policy) fixAppArmor(f *Explained) {
	profile, req := f.Profile, f.Request
	if profile.At.File.Builtin != "" {
		f.Notes = append(f.Notes, "The profile is built into the runtime: `whydenied patch` writes the changed profile to a file under a name of its own, and says how the container is given that.")
	}
	r := p.remediesOf(profile, req, profile.Decide(req), clueOf(&f.Denial))
	f.Fixes = slices.Clone(r.fixes)
	f.Notes = append(f.Notes, r.notes...)
	f.Quiet = r.quiet
}

// remedies are the proved fixes of an access, what the reader should know of
// them, and the rule that keeps it refused and quiet.
type remedies struct {
	fixes []rules.Fix
	notes []string
	quiet string
}

// remediesOf returns the remedies of an access. They are proved once, however
// many programs and containers were refused it.
func (p *Policy) remediesOf(profile *apparmor.Profile, req apparmor.Request, d apparmor.Decision, c clue) remedies {
	key := fmt.Sprintf("%p %#v", profile, req)
	if file, ok := req.(apparmor.FileRequest); ok && (c.temp || strings.Contains(file.Path, strconv.Itoa(c.pid)) || strings.Contains(file.Path, strconv.Itoa(c.ppid))) {
		key = fmt.Sprint(key, c) // which the kind of the path depends on
	}
	if r, ok := p.proved[key]; ok {
		return r
	}
	var r remedies
	var candidates []rules.Fix
	candidates, r.notes = p.candidates(profile, req, d, c)
	for _, candidate := range candidates {
		if p.prove(&candidate, profile, req) {
			r.fixes = append(r.fixes, candidate)
		}
	}
	if d.Refused == 0 {
		r.quiet = p.quietRule(profile, req)
	}
	p.proved[key] = r
	return r
}

// quietRule returns the deny rule that keeps the access refused and unlogged,
// or "" if there is none. As deny beats allow, nothing of the profile matters
// but the flag by which everything is logged.
func (p *Policy) quietRule(profile *apparmor.Profile, req apparmor.Request) string {
	if profile.HasFlag("audit") {
		return ""
	}
	rule := "deny " + apparmor.RuleFor(withoutExecMode(req), "")
	if file, ok := req.(apparmor.FileRequest); ok {
		if k := kindOf(file.Path, clue{}, nil); k.only {
			rule = strings.Replace(rule, apparmor.QuotePath(file.Path), k.glob, 1)
		}
	}
	policy, diagnostics := p.loader.Load(rules.NewFile("deny", "profile p {\n  "+rule+"\n}\n"))
	denying := policy.Profile("p")
	if denying == nil || len(errorsOf(diagnostics)) > 0 {
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

// candidates returns fixes that have yet to be proved, narrowest first, and what
// the reader should know where there is none.
func (p *Policy) candidates(profile *apparmor.Profile, req apparmor.Request, d apparmor.Decision, c clue) (fixes []rules.Fix, notes []string) {
	if d.Refused != 0 {
		return p.denyFixes(profile, req, d)
	}
	switch r := req.(type) {
	case apparmor.RlimitRequest:
		return rlimitFixes(profile, r), nil
	case apparmor.FileRequest:
		r.Perms = d.Unmatched
		return p.fileFixes(profile, r, c), nil
	case apparmor.ChangeProfileRequest:
		if r.Target == "unconfined" {
			return nil, []string{"No fix is proposed that leads to unconfined. Let the process change to a profile of its own instead."}
		}
	}
	own := insertFix(profile, apparmor.RuleFor(req, ""), "add a rule for "+subjectOf(req)+" alone")
	return append([]rules.Fix{own}, p.abstractionFixes(profile, req)...), nil
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
	case apparmor.SignalRequest:
		return "this signal and peer"
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
// or by an abstraction.
func (p *Policy) fileFixes(profile *apparmor.Profile, file apparmor.FileRequest, c clue) []rules.Fix {
	k := pathKind(profile, file, c)
	var wider []rules.Fix
	ours := file
	ours.Owner = true // owner rules name it, too
	for _, r := range naming(profile, ours) {
		rule, ok := r.(*apparmor.FileRule)
		if !ok || rule.Path == nil {
			continue
		}
		_, literal := rule.Path.Literal()
		fix, ok := permsFix(profile, rule, file.Perms)
		if rule.Owner && !file.Owner {
			fix, ok = ownerFix(profile, rule, file.Perms)
			ok = ok && literal
		}
		if !ok {
			continue
		}
		if literal || (k.only || k.first) && rule.Owner == file.Owner && rule.Path.Source == strings.Trim(k.glob, `"`) {
			return append([]rules.Fix{fix}, execFixes(profile, file)...)
		}
		wider = append(wider, fix)
	}
	own, alike := pathFixes(profile, file, k)
	return slices.Concat(own, execFixes(profile, file), alike, wider, p.abstractionFixes(profile, file))
}

// pathFixes proposes rules for a path, and for names of its kind. Where the next
// run is sure to have another name, only or first those.
func pathFixes(profile *apparmor.Profile, file apparmor.FileRequest, k kind) (own, alike []rules.Fix) {
	target := apparmor.QuotePath(file.Target)
	if k := pathKind(profile, apparmor.FileRequest{Path: file.Target, Perms: apparmor.Link}, clue{}); file.Target != "" && k.first {
		target = k.glob
	}
	add := func(fixes []rules.Fix, glob, message string) []rules.Fix {
		rule := strings.Replace(fileRule(profile, file, "ix"), apparmor.QuotePath(file.Path), glob, 1)
		if strings.HasPrefix(rule, "link ") {
			return append(fixes, linkFixes(profile, glob+" -> "+target+",", file.Owner, message)...)
		}
		if file.Owner {
			fixes = append(fixes, insertFix(profile, "owner "+rule, message+", for the owner of the file"))
		}
		return append(fixes, insertFix(profile, rule, message))
	}
	what := "add a rule"
	if file.Perms&apparmor.Exec != 0 {
		what = "let it run under this profile (ix): add a rule"
	}
	switch {
	case k.glob == "":
		return add(nil, spell(profile, file.Path), what+" for this path alone"), nil
	case k.only:
		return add(nil, k.glob, what+" for this path of any process"), nil
	case k.first:
		own = add(nil, k.glob, what+" for names like this, as it holds "+k.why)
		return add(own, spell(profile, file.Path), what+" for this path alone"), nil
	}
	return add(nil, spell(profile, file.Path), what+" for this path alone"),
		add(nil, k.glob, what+" for names like this, as it holds "+k.why)
}

// pathKind is the kind of a path for which a profile is to have a rule.
func pathKind(profile *apparmor.Profile, file apparmor.FileRequest, c clue) kind {
	k := kindOf(file.Path, c, profile.Policy.Variables)
	if made := madeKind(profile, file.Path); !k.only && made.glob != "" {
		return made
	}
	if !k.only && !k.first {
		k = cmp.Or(replacementKind(profile, file.Path), k)
	}
	if k.first && k.made && !makes(profile, file) {
		k.first = false
	}
	return k
}

// makes reports whether a program makes or changes a file: it asks for that, or
// is allowed it already.
func makes(profile *apparmor.Profile, file apparmor.FileRequest) bool {
	changes := apparmor.Write | apparmor.Append
	if file.Perms&changes != 0 {
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
			fixes = append(fixes, insertFix(profile, "owner "+rule, message+", for the owner of the file"))
		}
		fixes = append(fixes, insertFix(profile, rule, message))
	}
	return fixes
}

// fileRule returns the narrowest rule for missing file permissions. A program
// that is executed must be readable where it keeps the profile; but for one in
// memory, which attach_disconnected shows as /, that would be the root directory.
func fileRule(profile *apparmor.Profile, file apparmor.FileRequest, exec string) string {
	if file.Perms&apparmor.Exec != 0 && exec == "ix" && file.Path != "/" {
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
			fixes = append(fixes, insertFix(profile, fileRule(profile, file, "Cx"), "run it under the child profile that is there for it (Cx): "+other.Name))
		case nil:
			fixes = append(fixes, insertFix(profile, fileRule(profile, file, "Px"), "run it under a profile of its own (Px): "+other.Name+", which must be loaded"))
		}
	}
	return fixes
}

// permsFix proposes to add permissions to a rule where it stands. A profile with
// a local/ include keeps its own text, and gets a rule there.
func permsFix(profile *apparmor.Profile, rule *apparmor.FileRule, perms apparmor.Perms) (rules.Fix, bool) {
	if local := profile.Local(); local != nil && rule.At.File != local {
		return rules.Fix{}, false
	}
	if perms&apparmor.Exec != 0 {
		if perms != apparmor.Exec {
			return rules.Fix{}, false
		}
		edit, text, ok := rule.SetExec("ix")
		return rules.Fix{Message: "add ix to this rule", Rule: text, Edits: []rules.Edit{edit}}, ok
	}
	edit, text, ok := rule.AddPerms(perms)
	return rules.Fix{Message: fmt.Sprintf("add %s to this rule", perms), Rule: text, Edits: []rules.Edit{edit}}, ok
}

// ownerFix proposes to have a rule grant what it does whoever owns the file, where
// that is all that is missing.
func ownerFix(profile *apparmor.Profile, rule *apparmor.FileRule, perms apparmor.Perms) (rules.Fix, bool) {
	if local := profile.Local(); rule.Perms != perms || perms&apparmor.Exec != 0 || local != nil && rule.At.File != local {
		return rules.Fix{}, false
	}
	edit, text, ok := rule.DropOwner()
	return rules.Fix{Message: "take owner out of this rule", Rule: text, Edits: []rules.Edit{edit}}, ok
}

// insertFix proposes a new rule. A text that is not one rule, as a name in it was
// made to end the rule early, makes a fix without edits, which proves nothing.
func insertFix(profile *apparmor.Profile, rule, message string) rules.Fix {
	if !apparmor.IsRule(rule) {
		return rules.Fix{}
	}
	return rules.Fix{Message: message, Rule: rule, Edits: []rules.Edit{profile.Insert(rule)}}
}

// rlimitFixes proposes to raise the limit that the profile sets, or to set it.
func rlimitFixes(profile *apparmor.Profile, r apparmor.RlimitRequest) []rules.Fix {
	text := apparmor.RuleFor(r, "")
	for _, rule := range profile.Rules {
		limit, ok := rule.(*apparmor.RlimitRule)
		if ok && limit.Name == r.Name && !limit.Shared {
			return []rules.Fix{{Message: "raise the limit to what was asked for", Rule: text, Edits: []rules.Edit{{At: limit.At, New: text}}}}
		}
	}
	return []rules.Fix{insertFix(profile, text, "set the limit to what was asked for")}
}

// flagFix proposes to add a flag to the profile. It is not proved against the
// access, as no rule decides that.
func (f *Explained) flagFix(p *Policy, profile *apparmor.Profile, flag string) {
	fix := rules.Fix{
		Message: "add the flag " + flag,
		Rule:    "flags=(" + flag + ")",
		Edits:   []rules.Edit{profile.AddFlag(flag)},
		Grants:  "whatever the rules say of such paths, as if they began at the root",
		Risk:    rules.Medium,
		Reason:  "a path outside the container can look like one inside",
	}
	if flag == "mediate_deleted" {
		fix.Grants = "whatever the rules say of the deleted file's old path"
		fix.Risk, fix.Reason = rules.Low, ""
	} else if req, ok := access.Attached(&f.Denial); ok {
		if own := p.attachedRule(profile, req, clueOf(&f.Denial)); own.Edits != nil {
			fix.Message += ", and a rule for the name that the file then has"
			fix.Rule += "\n" + own.Rule
			fix.Edits = append(fix.Edits, own.Edits...)
		}
	}
	if edited := p.edited(fix.Edits, profile); edited != nil && edited.HasFlag(flag) {
		fix.Proof = []string{p.parses(profile)}
		f.Fixes = append(f.Fixes, fix)
	}
}

// attachedRule is the rule that is needed beside attach_disconnected, if one is.
func (p *Policy) attachedRule(profile *apparmor.Profile, req apparmor.FileRequest, c clue) rules.Fix {
	d := profile.Decide(req)
	if d.Refused != 0 || d.Unmatched == 0 {
		return rules.Fix{}
	}
	candidates, _ := p.candidates(profile, req, d, c)
	return slices.Concat(candidates, []rules.Fix{{}})[0]
}

// transitionFix proposes another exec mode where a transition failed: to stay in
// the profile under no_new_privs, or to fall back to that where the target is not
// loaded.
func (f *Explained) transitionFix(p *Policy, profile *apparmor.Profile, rule *apparmor.FileRule) {
	mode, message := "ix", "stay in this profile"
	if access.ReasonOf(f.Denial.AppArmor) == access.TransitionNotFound {
		mode, message = rule.Exec.OrInherit(), "stay in this profile where the target is not loaded"
	}
	edits, text := execEdits(profile, rule, f.Denial.AppArmor.Name, mode, rule.Exec.Target)
	fix := rules.Fix{
		Message: message,
		Rule:    text,
		Edits:   edits,
		Grants:  "the program runs with this profile's rules, which must then cover what it does",
		Risk:    rules.Medium,
		Reason:  "two programs share one set of rules",
	}
	if len(edits) > 0 && p.changesExec(edits, profile) {
		fix.Proof = []string{p.parses(profile)}
		f.Fixes = append(f.Fixes, fix)
	}
	f.Notes = append(f.Notes, "If the target profile should be in force, load it before the container starts; under no_new_privs the kernel changes profile only to one that allows no more.")
}

// linkFix proposes to have a link executed as its target is, where both may be and
// otherwise: the kernel compares the transitions of a link and its target.
func (f *Explained) linkFix(p *Policy, profile *apparmor.Profile) {
	a := f.Denial.AppArmor
	target, link := execRule(profile, a.Target), execRule(profile, a.Name)
	if target == nil || link == nil {
		return
	}
	edits, text := execEdits(profile, link, a.Name, target.Exec.String(), target.Exec.Target)
	if len(edits) == 0 || !p.changesExec(edits, profile) {
		return
	}
	f.Fixes = append(f.Fixes, rules.Fix{
		Message: "let the link run as its target does",
		Rule:    text,
		Edits:   edits,
		Grants:  "what the rule for " + a.Target + " does, by another name of the same file",
		Risk:    rules.Low,
		Proof:   []string{p.parses(profile)},
	})
}

// execRule returns the rule that decides how a program runs, or nil.
func execRule(profile *apparmor.Profile, path string) *apparmor.FileRule {
	for _, r := range profile.Decide(apparmor.FileRequest{Path: path, Perms: apparmor.Exec, Owner: true}).Allow {
		if rule, ok := r.(*apparmor.FileRule); ok && rule.Path != nil && rule.Exec.Mode != 0 {
			return rule
		}
	}
	return nil
}

// execEdits returns the edits that have one program run in another mode than the
// rule that decides it now says, and the rule that does so: that one changed if
// it names the program alone, else a new one, which wins over a glob. target is
// where px and cx lead, nil if they name none.
func execEdits(profile *apparmor.Profile, rule *apparmor.FileRule, path, mode string, target *apparmor.Pattern) ([]rules.Edit, string) {
	if rule.Path != nil {
		if _, literal := rule.Path.Literal(); literal {
			if mode != "ix" && target != rule.Exec.Target {
				return nil, "" // the rule keeps its own
			}
			edits, text, _ := rule.ChangeExec(mode)
			return edits, text
		}
	}
	text := apparmor.RuleFor(apparmor.FileRequest{Path: path, Perms: apparmor.Exec}, mode)
	if target != nil && mode != "ix" {
		text = strings.TrimSuffix(text, ",") + " -> " + target.At.Text() + ","
	}
	return insertFix(profile, text, "").Edits, text
}

// changesExec reports whether edits of exec modes make a policy without errors.
func (p *Policy) changesExec(edits []rules.Edit, profile *apparmor.Profile) bool {
	edited := p.edited(edits, profile)
	return edited != nil && !conflicts(profile, edited)
}

// denyFixes proposes to narrow the deny rules that refuse the access so that
// they leave it out, and then to drop it from all that they name. Where no rule
// allows the access either, a rule for it is added.
func (p *Policy) denyFixes(profile *apparmor.Profile, req apparmor.Request, d apparmor.Decision) (fixes []rules.Fix, notes []string) {
	perms := d.Refused
	if _, isFile := req.(apparmor.FileRequest); isFile && perms&apparmor.Exec != 0 {
		perms |= apparmor.Read | apparmor.Mmap // without which a program cannot run
	}
	narrow := &rules.Fix{Message: "make the deny rule leave out this alone"}
	wide := rules.Fix{Message: "take this out of the deny rule"}
	written := map[string]bool{}
	for _, r := range d.Deny {
		if r.Head().Shared {
			return p.inlineFixes(profile, req, r)
		}
		narrowed, ok := profile.NarrowDeny(r, req, perms)
		if !ok {
			narrow = nil
		}
		if narrow != nil {
			unrepeated(narrowed.Edits, written)
			narrow.Edits = append(narrow.Edits, narrowed.Edits...)
			narrow.Rule = strings.TrimPrefix(narrow.Rule+"\n"+narrowed.Text, "\n")
			if narrowed.Note != "" {
				notes = append(notes, narrowed.Note)
			}
		}
		edits, text, ok := dropPerms(r, perms)
		if !ok {
			return nil, nil
		}
		wide.Edits, wide.Rule = append(wide.Edits, edits...), strings.TrimPrefix(wide.Rule+"\n"+text, "\n")
	}
	if narrow != nil && narrow.Rule == "" {
		narrow.Message = "remove the deny rule (it names nothing else)"
	}
	if narrow != nil {
		fixes = append(fixes, p.allowToo(*narrow, profile, req))
	}
	if narrow == nil || !slices.Equal(narrow.Edits, wide.Edits) {
		fixes = append(fixes, p.allowToo(wide, profile, req))
	}
	return fixes, notes
}

// unrepeated takes out of edits the rules that others have written already, as two
// deny rules that overlap leave much the same.
func unrepeated(edits []rules.Edit, written map[string]bool) {
	for i := range edits {
		var kept []string
		for line := range strings.SplitSeq(edits[i].New, "\n") {
			rule := strings.TrimSpace(line)
			if !written[rule] || rule == "" {
				kept = append(kept, line)
				written[rule] = true
			}
		}
		if len(kept) > 0 {
			edits[i].New = strings.TrimLeft(strings.Join(kept, "\n"), " \t")
		}
	}
}

// inlineFixes proposes what is to be done about a deny rule that other profiles
// share, and that no rule of this one outweighs: instead of the include, the
// profile gets a copy of what it includes, in which the rule is changed.
func (p *Policy) inlineFixes(profile *apparmor.Profile, req apparmor.Request, denying apparmor.Rule) (fixes []rules.Fix, notes []string) {
	const most = 8 // includes that are copied, one in another
	include := denying.Head().Via[0]
	copied := profile
	for range most {
		d := copied.Decide(req)
		i := slices.IndexFunc(d.Deny, func(r apparmor.Rule) bool { return r.Head().Shared })
		if i < 0 {
			fixes, notes = p.denyFixes(copied, req, d)
			break
		}
		edit, ok := copied.Inline(d.Deny[i])
		if !ok {
			break
		}
		if copied = p.edited([]rules.Edit{edit}, copied); copied == nil {
			break
		}
	}
	kept := fixes[:0]
	for _, fix := range fixes {
		if edits, ok := sinceEdits(profile.Policy, fix.Edits); ok {
			fix.Edits = edits
			fix.Message = "copy " + denying.Location().File.Name + " into this profile instead of the include, and " + fix.Message
			kept = append(kept, fix)
		}
	}
	note := "The deny rule comes from %s, which other profiles share, and no rule of this profile can outweigh it: leave out the include at %s and copy what is needed of it."
	if len(kept) > 0 {
		note = "The deny rule comes from %s, which other profiles share, and no rule of this profile can outweigh it: the fix puts a copy in place of the include at %s, which later versions of that file do not change."
	}
	return kept, append(notes, fmt.Sprintf(note, denying.Location().File.Name, include))
}

// sinceEdits turns edits of a later version of a policy into edits of the policy
// itself, one for each file. It reports false if a file is not of the policy.
func sinceEdits(policy *apparmor.Policy, later []rules.Edit) (edits []rules.Edit, ok bool) {
	changes, err := rules.Apply(later)
	for _, c := range changes {
		i := slices.IndexFunc(policy.Files, func(f *rules.File) bool { return f.Name == c.File.Name })
		if i < 0 {
			return nil, false
		}
		file := policy.Files[i]
		lines := rules.Change{File: file, New: c.New}.LineEdits()
		if len(lines) == 0 {
			continue
		}
		span := rules.Span{Start: lines[0].At.Span.Start, End: lines[len(lines)-1].At.Span.End}
		edits = append(edits, rules.Edit{At: rules.Location{File: file, Span: span}, New: c.New[span.Start : len(c.New)-len(file.Text)+span.End]})
	}
	return edits, err == nil && len(edits) > 0
}

// dropPerms takes permissions out of a deny rule for files, or the whole rule out
// of the file.
func dropPerms(r apparmor.Rule, perms apparmor.Perms) ([]rules.Edit, string, bool) {
	if file, ok := r.(*apparmor.FileRule); ok && file.Path != nil && file.Perms&^perms != 0 {
		return file.SetPerms(file.WithoutPerms(perms))
	}
	edit, ok := apparmor.RemoveRule(r)
	return []rules.Edit{edit}, "", ok
}

// allowToo adds to a fix of deny rules a rule that allows the access, if
// without the deny nothing does.
func (p *Policy) allowToo(fix rules.Fix, profile *apparmor.Profile, req apparmor.Request) rules.Fix {
	edited := p.edited(fix.Edits, profile)
	if edited == nil {
		return fix
	}
	d := edited.Decide(req)
	if d.Unmatched == 0 {
		return fix
	}
	rule := apparmor.RuleFor(req, "ix")
	if file, ok := req.(apparmor.FileRequest); ok {
		file.Perms = d.Unmatched
		rule = fileRule(profile, file, "ix")
		if file.Owner {
			rule = "owner " + rule
		}
	}
	if !apparmor.IsRule(rule) {
		return rules.Fix{}
	}
	fix.Edits = append(fix.Edits, profile.Insert(rule))
	fix.Message += " and allow it"
	fix.Rule = strings.TrimPrefix(fix.Rule+"\n"+rule, "\n")
	return fix
}
