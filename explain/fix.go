package explain

import (
	"fmt"
	"slices"
	"strings"

	"github.com/whydenied/whydenied/rules"
	"github.com/whydenied/whydenied/rules/apparmor"
)

// fix proposes edits that make the profile grant the access, narrowest first,
// and keeps those that are proved to.
func (f *Finding) fix(p *Policy, profile *apparmor.Profile, req apparmor.Request, d apparmor.Decision) {
	if profile.At.File.Builtin != "" {
		f.Notes = append(f.Notes, "The profile is built into the runtime: write the changed profile to a file under a name of its own, load it, and give the container --security-opt apparmor=NAME (Compose: security_opt; Kubernetes: appArmorProfile type Localhost).")
	}
	danger := requestDanger(req)
	for _, candidate := range f.candidates(p, profile, req, d) {
		candidate.Risk, candidate.Reason = danger.risk, danger.reason
		if p.prove(&candidate, profile, req) {
			f.Fixes = append(f.Fixes, candidate)
		}
	}
	if d.Refused == 0 {
		f.Quiet = p.quietRule(profile, req)
	}
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
		rule = anyPID(rule, file.Path, "/proc/[0-9]*")
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

// candidates returns fixes that have yet to be proved, narrowest first.
func (f *Finding) candidates(p *Policy, profile *apparmor.Profile, req apparmor.Request, d apparmor.Decision) []rules.Fix {
	if d.Refused != 0 {
		return f.denyFixes(p, profile, req, d)
	}
	if r, ok := req.(apparmor.RlimitRequest); ok {
		return rlimitFixes(profile, r)
	}
	file, ok := req.(apparmor.FileRequest)
	if !ok {
		if target, ok := req.(apparmor.ChangeProfileRequest); ok && target.Target == "unconfined" {
			f.Notes = append(f.Notes, "No fix is proposed that leads to unconfined. Let the process change to a profile of its own instead.")
			return nil
		}
		return []rules.Fix{insertFix(profile, apparmor.RuleFor(req, ""), "add a rule for "+subjectOf(req)+" alone")}
	}
	file.Perms = d.Unmatched
	return fileFixes(profile, file)
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
// exactly this path, else by a rule for it alone, else on a rule that names it
// among others.
func fileFixes(profile *apparmor.Profile, file apparmor.FileRequest) []rules.Fix {
	var exact, wider []rules.Fix
	for _, r := range naming(profile, file) {
		rule, ok := r.(*apparmor.FileRule)
		if !ok || rule.Path == nil || rule.Owner && !file.Owner {
			continue
		}
		fix, ok := permsFix(rule, file.Perms)
		if !ok {
			continue
		}
		if _, literal := rule.Path.Literal(); literal {
			exact = append(exact, fix)
		} else {
			fix.Grants = file.Perms.String() + " on everything that " + rule.Path.Source + " names"
			wider = append(wider, fix)
		}
	}
	own := insertFix(profile, fileRule(profile, file), "add a rule for this path alone")
	if pid, rest, ok := procPID(file.Path); ok && pid != "1" {
		own.Message = "add a rule for this path of any process"
		own.Grants = fmt.Sprintf("%s on /proc/PID%s of every process ID", file.Perms, rest)
	}
	if len(exact) > 0 {
		return exact[:1]
	}
	return append([]rules.Fix{own}, wider...)
}

// fileRule returns the narrowest rule for missing file permissions. A program
// that is executed keeps the profile (ix) and must be readable then.
func fileRule(profile *apparmor.Profile, file apparmor.FileRequest) string {
	if file.Perms&apparmor.Exec != 0 {
		read := file
		read.Perms = apparmor.Read
		if profile.Decide(read).Unmatched != 0 {
			file.Perms |= apparmor.Read
		}
	}
	procDir := "/proc/[0-9]*"
	if vars := profile.Policy.Variables; vars["PROC"] != nil && vars["pid"] != nil {
		procDir = "@{PROC}/@{pid}"
	}
	return anyPID(apparmor.RuleFor(file, "ix"), file.Path, procDir)
}

// anyPID makes a rule for a path below /proc/PID name that of every process, as
// the ID of this run's process says nothing about the next run's. procDir is
// what stands for /proc/PID. Other rules, and those for PID 1, stay as they are.
func anyPID(rule, path, procDir string) string {
	pid, rest, ok := procPID(path)
	if !ok || pid == "1" {
		return rule
	}
	literal := apparmor.QuotePath("/proc/" + pid + rest)
	return strings.Replace(rule, literal, strings.Replace(literal, "/proc/"+pid, procDir, 1), 1)
}

// permsFix proposes to add permissions to a rule where it stands.
func permsFix(rule *apparmor.FileRule, perms apparmor.Perms) (rules.Fix, bool) {
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

// insertFix proposes a new rule.
func insertFix(profile *apparmor.Profile, rule, message string) rules.Fix {
	return rules.Fix{Message: message, Rule: rule, Edits: []rules.Edit{profile.Insert(rule)}}
}

// rlimitFixes proposes to raise the limit that the profile sets, or to set it.
func rlimitFixes(profile *apparmor.Profile, r apparmor.RlimitRequest) []rules.Fix {
	text := apparmor.RuleFor(r, "")
	for _, rule := range profile.Rules {
		limit, ok := rule.(*apparmor.RlimitRule)
		if ok && limit.Name == r.Name && len(limit.Via) == 0 {
			return []rules.Fix{{Message: "raise the limit to what was asked for", Rule: text, Edits: []rules.Edit{{At: limit.At, New: text}}}}
		}
	}
	return []rules.Fix{insertFix(profile, text, "set the limit to what was asked for")}
}

// flagFix proposes to add a flag to the profile. It is not proved against the
// access, as no rule decides that.
func (f *Finding) flagFix(p *Policy, profile *apparmor.Profile, flag string) {
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
	}
	if edited := p.edited(&fix, profile); edited != nil && edited.HasFlag(flag) {
		fix.Proof = []string{p.parses(profile)}
		f.Fixes = append(f.Fixes, fix)
	}
}

// transitionFix proposes another exec mode for a rule whose transition failed:
// to stay in the profile under no_new_privs, or to fall back to that where the
// target is not loaded.
func (f *Finding) transitionFix(p *Policy, profile *apparmor.Profile, rule *apparmor.FileRule) {
	mode, message := "ix", "stay in this profile"
	if f.Denial.AppArmor.Info == "profile transition not found" {
		mode, message = rule.Exec.OrInherit(), "stay in this profile where the target is not loaded"
	}
	edits, text, ok := rule.ChangeExec(mode)
	if !ok {
		return
	}
	fix := rules.Fix{
		Message: message,
		Rule:    text,
		Edits:   edits,
		Grants:  "the program runs with this profile's rules, which must then cover what it does",
		Risk:    rules.Medium,
		Reason:  "two programs share one set of rules",
	}
	if p.edited(&fix, profile) != nil {
		fix.Proof = []string{p.parses(profile)}
		f.Fixes = append(f.Fixes, fix)
	}
	f.Notes = append(f.Notes, "If the target profile should be in force, load it before the container starts; under no_new_privs the kernel changes profile only to one that allows no more.")
}

// denyFixes proposes to narrow the deny rules that refuse the access so that
// they leave it out, and then to drop it from all that they name. Where no rule
// allows the access either, a rule for it is added.
func (f *Finding) denyFixes(p *Policy, profile *apparmor.Profile, req apparmor.Request, d apparmor.Decision) []rules.Fix {
	file, isFile := req.(apparmor.FileRequest)
	perms := d.Refused
	if perms&apparmor.Exec != 0 {
		perms |= apparmor.Read | apparmor.Mmap // without which a program cannot run
	}
	narrow := rules.Fix{Message: "make the deny rule leave out this path"}
	wide := rules.Fix{Message: "take this out of the deny rule"}
	for _, r := range d.Deny {
		if via := r.Head().Via; len(via) > 0 {
			f.Notes = append(f.Notes, fmt.Sprintf("The deny rule comes from %s, which other profiles share, and no rule of this profile can outweigh it: leave out the include at %s and copy what is needed of it.", r.Location().File.Name, via[0]))
			return nil
		}
		rule, ok := r.(*apparmor.FileRule)
		if !ok || !isFile || rule.Path == nil {
			edits, grants, ok := undeny(r, req)
			if !ok {
				return nil
			}
			wide.Edits, wide.Grants = append(wide.Edits, edits...), grants
			narrow.Edits = nil
			continue
		}
		edits, text, narrowed := rule.NarrowDeny(file.Path, perms)
		if narrowed {
			narrow.Edits, narrow.Rule = append(narrow.Edits, edits...), text
		}
		edits, text, widened := dropPerms(rule, perms)
		if !widened {
			return nil
		}
		wide.Edits, wide.Rule = append(wide.Edits, edits...), text
		wide.Grants = "what other rules allow of " + (perms & rule.Perms).String() + " on everything that " + rule.Path.Source + " names"
	}
	if slices.Equal(narrow.Edits, wide.Edits) { // the rules name this path alone
		narrow.Edits, wide.Grants = nil, ""
	}
	var fixes []rules.Fix
	for _, fix := range []rules.Fix{narrow, wide} {
		if len(fix.Edits) > 0 {
			fixes = append(fixes, p.allowToo(fix, profile, req))
		}
	}
	return fixes
}

// dropPerms takes permissions out of a deny rule, or the rule out of the file.
func dropPerms(rule *apparmor.FileRule, perms apparmor.Perms) ([]rules.Edit, string, bool) {
	if rule.Perms&^perms != 0 {
		return rule.SetPerms(rule.WithoutPerms(perms))
	}
	edit, ok := apparmor.RemoveRule(rule)
	return []rules.Edit{edit}, "", ok
}

// undeny takes a capability out of a deny rule, or the whole rule of another
// class out of the file, and says what else that opens.
func undeny(r apparmor.Rule, req apparmor.Request) (edits []rules.Edit, grants string, ok bool) {
	edit, ok := apparmor.RemoveRule(r)
	if !ok {
		return nil, "", false
	}
	capability, isCap := req.(apparmor.CapabilityRequest)
	rule, isCapRule := r.(*apparmor.CapabilityRule)
	if isCap && isCapRule && len(rule.Names) == 1 && rule.Names[0] == capability.Name {
		return []rules.Edit{edit}, "", true
	}
	return []rules.Edit{edit}, "what other rules allow of everything that `" + r.Location().Text() + "` names", true
}

// allowToo adds to a fix of deny rules a rule that allows the access, if
// without the deny nothing does.
func (p *Policy) allowToo(fix rules.Fix, profile *apparmor.Profile, req apparmor.Request) rules.Fix {
	edited := p.edited(&fix, profile)
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
		rule = fileRule(profile, file)
	}
	fix.Edits = append(fix.Edits, profile.Insert(rule))
	fix.Message += " and allow it"
	fix.Rule = strings.TrimPrefix(fix.Rule+"\n"+rule, "\n")
	return fix
}

// prove reports whether the edited profile parses and grants the request, and
// writes down both.
func (p *Policy) prove(fix *rules.Fix, profile *apparmor.Profile, req apparmor.Request) bool {
	edited := p.edited(fix, profile)
	if edited == nil {
		return false
	}
	if d := edited.Decide(req); d.Refused|d.Unmatched != 0 {
		return false
	}
	fix.Proof = []string{p.parses(profile), "the access is now allowed"}
	return true
}

// parses says what edited found of a policy that it could load.
func (p *Policy) parses(profile *apparmor.Profile) string {
	if len(p.problems[profile.Policy]) > 0 {
		return "the edited profile has no error that it did not have before"
	}
	return "the edited profile parses"
}

// edited loads the policy with the fix applied and returns the profile as it
// then is, or nil if the edits cannot be applied or make an error.
func (p *Policy) edited(fix *rules.Fix, profile *apparmor.Profile) *apparmor.Profile {
	changes, err := rules.Apply(fix.Edits)
	if err != nil {
		return nil
	}
	root := profile.Policy.Files[0]
	text, loader := root.Text, p.loader
	for _, c := range changes {
		if c.File == root {
			text = c.New
			continue
		}
		if loader == p.loader {
			loader = &apparmor.Loader{Include: p.loader.Include, Overlay: map[string]string{}}
		}
		loader.Overlay[c.File.Name] = c.New
	}
	policy, diagnostics := loader.Load(rules.NewFile(root.Name, text))
	if len(errorsOf(diagnostics)) > len(p.problems[profile.Policy]) {
		return nil
	}
	return policy.Profile(profile.FullName())
}
