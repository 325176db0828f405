package explain

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/whydenied/whydenied/explain/access"
	"github.com/whydenied/whydenied/explain/fix"
	"github.com/whydenied/whydenied/parser"
	"github.com/whydenied/whydenied/rules"
	"github.com/whydenied/whydenied/rules/apparmor"
	"github.com/whydenied/whydenied/rules/shell"
)

func (x *Explainer) explainAppArmor(f *Explained) {
	a := f.Denial.AppArmor
	if a.Profile == "unconfined" {
		x.explainUnconfined(f)
		return
	}
	if isStub(a.Profile) {
		x.explainStub(f)
		return
	}
	v := access.Decide(&f.Denial, func(name string) *apparmor.Profile { return x.profile(f.Finding, name) })
	cause := causes[v.Reason]
	if v.Profile == nil {
		f.Cause, f.Decision, f.NotFound = ProfileNotFound, Undecidable, notFound(v.Unknown)
		f.Why = "the source of its profile was not found"
		if unread := x.Library.Unread(); unread != "" {
			f.Why += "; not read was " + unread
		}
		if cause != "" {
			f.Cause, f.Why = cause, v.Reason.Why(a)
		}
		f.noteRecord()
		return
	}
	text, decided := f.chooseText(x, &v)
	f.Profile, f.Policy, cause = v.Profile, text, causes[v.Reason]
	partly := x.noteProblems(f)
	f.noteRecord()
	if v.Profile.Loaded() {
		f.explainCompiled(&v, cause)
		return
	}
	switch {
	case cause != "":
		f.Cause, f.Why, f.Decision = cause, v.Reason.Why(a), Refused
		x.explainReason(f, v.Reason)
	case access.LearnsAttributes(a):
		f.Cause, f.Why, f.Decision = Complain, v.Granted, Granted
		f.Rules = []Place{profilePlace(v.Profile, "lets attributes be read, as each profile does")}
	case f.contradicts(v.Profile):
	case v.Err != nil:
		f.Cause, f.Decision = UndecidedOperation, Undecidable
		f.Why = fmt.Sprintf("rules do not decide %q by what this record says", a.Operation)
		f.Rules = []Place{profilePlace(v.Profile, "the profile in force")}
	default:
		f.decide(v.Request, v.Decision)
	}
	if partly && f.Cause == NoMatchingRule {
		f.Why = "no rule of the profile that could be read speaks of it; one that could not may"
	}
	if !decided {
		f.Decision = Undecidable
	}
}

// notFound names profiles of a label whose sources are not known; one that was learning
// is its parent.
func notFound(names []string) string {
	parents := slices.Clone(names)
	for i, name := range parents {
		parents[i], _, _ = strings.Cut(name, apparmor.Learning)
	}
	return strings.Join(slices.Compact(parents), "//&")
}

// profile returns the profile of a name that decided on a finding, nil if it is not known.
// One in the policy namespace of a container is none of the host's.
func (x *Explainer) profile(f *Finding, name string) *apparmor.Profile {
	profile := x.Library.Profile(f.where(), name)
	if m := productOf(&f.Denial); m != nil && m.Inside && x.Library.IsHosts(profile) {
		return nil
	}
	return profile
}

// profilePlace points at a profile's name.
func profilePlace(profile *apparmor.Profile, note string) Place {
	return Place{At: profile.At, Via: profile.Via, Note: note}
}

// rulePlace points at a rule.
func rulePlace(r apparmor.Rule, note string) Place {
	return Place{At: r.Location(), Via: r.Head().Via, Note: note}
}

// noteProblems says what of the policy could not be read, as a decision on half
// a profile can be wrong, and reports whether there is something.
func (x *Explainer) noteProblems(f *Explained) (some bool) {
	problems := x.Library.Problems(f.Profile.Policy)
	if len(problems) == 0 {
		return false
	}
	note := fmt.Sprintf("Part of this policy could not be read, so rules may be missing from this answer: %s", problems[0])
	if n := len(problems) - 1; n > 0 {
		note += fmt.Sprintf(", and %d more", n)
	}
	f.Notes = append(f.Notes, note+".")
	return true
}

// noteRecord says what in the record makes its profile or its meaning special.
func (f *Explained) noteRecord() {
	a := f.Denial.AppArmor
	if a.Namespace != "" {
		f.Notes = append(f.Notes, "The record is of policy namespace "+a.Namespace+", which may hold another profile of this name.")
	}
	if parent, program, ok := strings.Cut(a.Profile, apparmor.Learning); ok {
		program = strings.ReplaceAll(program, apparmor.Learning, ", then ")
		f.Notes = append(f.Notes, fmt.Sprintf("Logged while profile %s was learning: %s was executed without a rule. The fix is right if that execution gets ix.", parent, program))
	}
	if r := f.Denial.Event.Record(parser.AVC); f.Denial.Mode == parser.Denied && r != nil && r.Get("apparmor") == parser.Allowed.String() {
		f.Notes = append(f.Notes, "The record says ALLOWED, but a path that cannot be looked up is refused: complain mode does not permit it.")
	}
	switch a.CapName {
	case "dac_override":
		f.Notes = append(f.Notes, "To read a file or search a directory the kernel asks for dac_read_search first: where that was refused in the same event, it alone is enough.")
	case "dac_read_search":
		f.Notes = append(f.Notes, "The kernel asks for dac_read_search before dac_override: where dac_override is allowed, this refusal does no harm.")
	}
}

// explainUnconfined explains records that name no profile of their own: a
// change to a profile that the kernel does not have.
func (x *Explainer) explainUnconfined(f *Explained) {
	a := f.Denial.AppArmor
	if a.Operation == "userns_create" {
		x.explainRestricted(f)
		return
	}
	reason := access.ReasonOf(a)
	f.Cause, f.Why = causes[reason], reason.Why(a)
	if f.Cause == "" {
		f.Cause, f.Why = UndecidedOperation, "the task is unconfined: no profile of its own refused this"
	}
	f.Decision = Refused
	if f.Cause != ProfileNotLoaded {
		f.Decision = Undecidable
		return
	}
	x.explainNotLoaded(f)
}

// explainNotLoaded points at the source of the profile that is not loaded, if
// it is known, and says how to load it.
func (x *Explainer) explainNotLoaded(f *Explained) {
	a := f.Denial.AppArmor
	name := cmp.Or(a.Name, a.Target)
	profile := x.profile(f.Finding, name)
	fromSystemd := isSystemd(f.Denial.Subject)
	if fromSystemd {
		f.noteUnitsProfile(name)
	}
	if profile == nil && a.Namespace != "" {
		return // see noteInside
	}
	if profile == nil {
		if near, file := x.Library.Nearest(name); near != "" {
			f.Notes = append(f.Notes, fmt.Sprintf("%s defines a profile %s: was that meant?", file, near))
		}
		if fromSystemd {
			return
		}
		f.Notes = append(f.Notes, fmt.Sprintf("No file here defines a profile %s. Look for a misspelt name in --security-opt apparmor=..., security_opt or appArmorProfile; on a cluster the profile must be loaded on the node that runs the pod.", name))
		return
	}
	f.Policy = x.Library.Source(profile)
	f.Rules = []Place{profilePlace(profile, "defined here, but not loaded into the kernel when the container started")}
	if profile.At.File.Builtin == "" {
		loading := Loading(profile)
		if a.Namespace != "" {
			loading = shell.Command(loadInto(a.Namespace), profile.Policy.Files[0].Name)
		}
		f.Fixes = []rules.Fix{{
			Message: "load it: " + loading,
			Grants:  "",
			Proof:   []string{"the file defines the profile"},
		}}
		return
	}
	f.Notes = append(f.Notes, "The runtime generates and loads this profile itself when it starts; restart the runtime.")
}

// Loading is the command that loads a profile, by the file that may include its own.
func Loading(profile *apparmor.Profile) string {
	return shell.Command("apparmor_parser -r -W", profile.Policy.Files[0].Name)
}

// causes are those that the kernel itself names.
var causes = map[access.Reason]Cause{
	access.Disconnected: DisconnectedPath, access.Deleted: DisconnectedPath,
	access.NoNewPrivs: ExecTransition, access.TransitionNotFound: ExecTransition,
	access.LinkNotSubset: MissingPermission,
	access.HatNotFound:   ProfileNotLoaded, access.NotLoaded: ProfileNotLoaded,
	access.Uncovered: NoMatchingRule,
}

// explainReason adds the rules and fixes of a cause that the kernel named.
func (x *Explainer) explainReason(f *Explained, reason access.Reason) {
	a, profile := f.Denial.AppArmor, f.Profile
	switch reason {
	case access.Disconnected, access.Deleted:
		x.explainFlag(f, reason.Flag())
	case access.NoNewPrivs, access.TransitionNotFound:
		x.explainTransition(f, reason)
	case access.LinkNotSubset:
		for _, path := range [...]string{a.Name, a.Target} {
			for _, r := range profile.Naming(apparmor.FileRequest{Path: path, Owner: true}) {
				f.addPlace(rulePlace(r, "is what "+path+" is allowed"))
			}
		}
		f.Fixes = x.Fixes.Link(profile, a.Name, a.Target)
	case access.Uncovered:
		x.explainUnix(f)
	case access.HatNotFound, access.NotLoaded:
		if a.Operation == "change_hat" {
			f.Rules = []Place{profilePlace(profile, "defines no such hat, or did not when it was loaded")}
			return
		}
		x.explainNotLoaded(f)
	}
}

// explainFlag explains what a flag of the profile would change.
func (x *Explainer) explainFlag(f *Explained, flag string) {
	profile := f.Profile
	if flag == "attach_disconnected" && profile.HasFlag(flag+".path") { // which says where they begin
		flag += ".path"
	}
	if profile.HasFlag(flag) {
		f.allowedBySource(apparmor.Decision{})
		f.Why = fmt.Sprintf("the profile's source has the flag %s, so the kernel applied another text, or another profile of a stack", flag)
		f.Rules = []Place{profilePlace(profile, "has "+flag)}
		return
	}
	f.Rules = []Place{profilePlace(profile, "flags has no "+flag)}
	var attached *apparmor.FileRequest
	if req, ok := access.Attached(&f.Denial); ok {
		attached = &req
	}
	f.Fixes = x.Fixes.Flag(profile, flag, attached, fix.CallerOf(&f.Denial))
}

// explainTransition points at the rule whose exec transition failed.
func (x *Explainer) explainTransition(f *Explained, reason access.Reason) {
	a, notFound := f.Denial.AppArmor, reason == access.TransitionNotFound
	owner, _ := access.Owned(a)
	decision := f.Profile.Decide(apparmor.FileRequest{Path: a.Name, Perms: apparmor.Exec, Owner: owner})
	for _, r := range decision.Allow {
		rule, ok := r.(*apparmor.FileRule)
		if !ok || rule.Exec.Mode == 0 {
			continue
		}
		note := fmt.Sprintf("%s leads to profile %s", rule.Exec, a.Target)
		if notFound {
			f.Why, note = missingTarget(f.Profile, rule, a.Name)
		}
		f.Rules = append(f.Rules, Place{At: rule.PermsAt, Via: rule.Via, Note: note})
		f.Fixes = append(f.Fixes, x.Fixes.Transition(f.Profile, rule, a.Name, notFound)...)
		f.Notes = append(f.Notes, "If the target profile should be in force, load it before the container starts; under no_new_privs the kernel changes profile only to one that allows no more.")
	}
}

// missingTarget says which profile the kernel did not find for a program, and where
// the rule leads. The record does not: it has the program's name for the target, or
// none.
func missingTarget(profile *apparmor.Profile, rule *apparmor.FileRule, program string) (why, note string) {
	if rule.Exec.Target != nil {
		name := rule.Exec.Target.At.Text()
		return fmt.Sprintf("the rule sends %s to profile %s, which is not loaded", program, name), fmt.Sprintf("%s leads to profile %s", rule.Exec, name)
	}
	kind, parent := "profile", (*apparmor.Profile)(nil)
	if rule.Exec.Mode == apparmor.ToChild {
		kind, parent = "child profile", profile
	}
	note = fmt.Sprintf("%s leads to the %s that attaches to the program", rule.Exec, kind)
	var names []string
	for _, other := range profile.Policy.Profiles {
		if other.Parent == parent && other.Attachment != nil && other.Attachment.Match(program) {
			names = append(names, other.Name)
		}
	}
	switch len(names) {
	case 0:
		return fmt.Sprintf("the rule sends %s to the %s that attaches to it, and none that does is loaded", program, kind), note
	case 1:
		return fmt.Sprintf("the rule sends %s to the %s that attaches to it, and %s is not loaded", program, kind, names[0]), note
	}
	return fmt.Sprintf("the rule sends %s to the %s that attaches to it, and %s all do: where neither names it more closely, the kernel takes none", program, kind, strings.Join(names, " and ")), note
}

// decide names the cause of what a profile decided of an access.
func (f *Explained) decide(req apparmor.Request, d apparmor.Decision) {
	f.Notes = append(f.Notes, d.Notes...)
	f.Decision = Refused
	switch {
	case d.Refused|d.Unmatched == 0:
		f.allowedBySource(d)
		return
	case d.Refused != 0:
		f.denied(d)
	default:
		f.unmatched(req, d)
	}
	if d.Quiet {
		f.Decision = Quiet
	}
	f.investigate(req)
	if access.OpensLibrary(&f.Denial, req) {
		f.Notes = append(f.Notes, "A shared library is mapped once it is open, so the fix grants m, too.")
	}
	if who := access.LocksNext(&f.Denial, req); who != "" {
		f.Notes = append(f.Notes, who+" locks the file once it is open, so the fix grants k, too.")
	}
	if name := askedNext(req); name != "" && !f.Profile.Grants(apparmor.CapabilityRequest{Name: name}) {
		f.Notes = append(f.Notes, fmt.Sprintf("The kernel asks for capability %s next, which the profile does not allow either.", name))
	}
	f.Request = access.Lasting(&f.Denial, req)
	f.noteLoader(req)
}

// fixAppArmor adds what would make the profile grant the access, narrowest first, as
// far as it is proved to.
func (x *Explainer) fixAppArmor(f *Explained) {
	if f.Profile.At.File.Builtin != "" {
		f.noteDerived()
	}
	r := x.Fixes.Access(f.Profile, f.Request, fix.CallerOf(&f.Denial))
	f.Fixes = slices.Clone(r.Fixes)
	f.Notes = append(f.Notes, r.Notes...)
	f.Quiet = r.Quiet
}

// askedNext returns the capability that the kernel asks for once it is granted a
// request, or "": path_mount() in fs/namespace.c, inet_create() in
// net/ipv4/af_inet.c, packet_create() in net/packet, Linux 6.12.
func askedNext(req apparmor.Request) string {
	switch r := req.(type) {
	case apparmor.MountRequest:
		if r.Op != "umount" {
			return "sys_admin"
		}
	case apparmor.NetworkRequest:
		if r.Family == "packet" || r.Type == "raw" && strings.HasPrefix(r.Family, "inet") {
			return "net_raw"
		}
	}
	return ""
}

// allowedBySource explains a refusal that the source of the profile does not
// have: the kernel applied something else.
func (f *Explained) allowedBySource(d apparmor.Decision) {
	f.Cause, f.Decision = AllowedByProfile, Granted
	f.Why = "the profile's source allows this, so the kernel applied another text, or another profile of a stack"
	for _, r := range d.Allow {
		f.addPlace(rulePlace(r, "allows it"))
	}
	if strings.Contains(f.Denial.AppArmor.Profile, apparmor.Learning) {
		f.Cause = Complain
		f.Why = "no rule says how the program runs, so the kernel gave it a profile without rules, in complain mode; this profile, which it runs under once it gets ix, allows this"
		return
	}
	if builtin := f.Profile.At.File.Builtin; builtin != "" {
		f.Notes = append(f.Notes, "The runtime's own version of this profile may be older or newer than "+builtin+".")
	} else {
		f.Notes = append(f.Notes, edited(f.Profile))
	}
}

// edited says why the text of a file may be another than that in force: it was edited since, or it is this host's
// where the log is of another.
func edited(p *apparmor.Profile) string {
	note := "If the file was edited since, load it: " + Loading(p)
	if strings.HasPrefix(p.At.File.Name, rules.SystemPolicy+"/") {
		note += "; if the log is of another host, its file may be older or newer: give it by --profile-dir DIR"
	}
	return note
}

// denied explains a refusal by deny rules.
func (f *Explained) denied(d apparmor.Decision) {
	f.Cause = DenyRule
	f.Why = "a deny rule refuses it, and deny beats every allow rule"
	for _, r := range d.Deny {
		logged := "and nothing is logged unless the kernel is asked to (audit=noquiet)"
		if r.Head().Audit {
			logged = "and audit makes it logged"
		}
		f.addPlace(rulePlace(r, "refuses "+permsWords(d.Refused)+", "+logged))
	}
	for _, r := range d.Allow {
		f.addPlace(rulePlace(r, "would allow it, but deny wins"))
	}
}

// unmatched explains a refusal because no rule grants the access.
func (f *Explained) unmatched(req apparmor.Request, d apparmor.Decision) {
	if file, ok := req.(apparmor.FileRequest); ok && f.unmatchedFile(file, d) {
		return
	}
	if limit, ok := req.(apparmor.RlimitRequest); ok && f.limited(limit) {
		return
	}
	f.Cause = NoMatchingRule
	f.Why = "no rule of the profile speaks of it"
	for _, near := range d.Near() {
		if len(f.Rules) < 2 && !faraway(near, req) {
			f.addPlace(nearPlace(near))
		}
	}
	if len(f.Rules) == 0 {
		f.addPlace(profilePlace(f.Profile, "no rule of this profile matches"))
	}
	if _, ok := req.(apparmor.FileRequest); ok {
		f.noteNoFileRules()
	}
}

// noteNoFileRules says of a profile that allows something, and no file at all, that it was
// hardly meant so: under it not even the first program of a container is read. What
// abstractions/base has, which nearly every profile includes, does not change that: it
// names libraries and no program.
func (f *Explained) noteNoFileRules() {
	allows, but := 0, ""
	for _, r := range f.Profile.Rules {
		if isOfBase(r.Head()) {
			but = " but those of abstractions/base"
			continue
		}
		if _, ok := r.(*apparmor.FileRule); ok {
			return
		}
		if !r.Head().Deny {
			allows++
		}
	}
	if allows > 0 {
		f.Notes = append(f.Notes, "The profile has no rule for files at all"+but+", so that no program gets on under it: what no rule allows is refused. If it is to restrict other things alone, the rule `file,` is what it lacks; deny rules of its own go on to refuse.")
	}
}

// isOfBase reports whether a rule is of abstractions/base, or of what that includes.
func isOfBase(head *apparmor.Header) bool {
	return slices.ContainsFunc(append(slices.Clip(head.Via), head.At), func(at rules.Location) bool {
		return strings.HasSuffix(at.File.Name, "abstractions/base")
	})
}

// unmatchedFile explains the refusal of a file that a rule names but does not
// grant, and reports whether there is one.
func (f *Explained) unmatchedFile(file apparmor.FileRequest, d apparmor.Decision) bool {
	if !file.Owner {
		asOwner := file
		asOwner.Owner = true
		if o := f.Profile.Decide(asOwner); o.Refused|o.Unmatched == 0 {
			f.Cause = OwnerMismatch
			f.Why = "an owner rule grants it, but the file belongs to another user than the process" + f.users()
			for _, r := range o.Allow {
				if r.Head().Owner {
					f.addPlace(rulePlace(r, "grants "+permsWords(d.Unmatched)+" to the owner only"+f.users()))
				}
			}
			return true
		}
	}
	for _, r := range f.Profile.Naming(file) {
		rule, ok := r.(*apparmor.FileRule)
		if !ok {
			continue
		}
		f.Cause = MissingPermission
		f.Why = "a rule names this path but does not grant " + permsWords(d.Unmatched)
		f.addPlace(Place{At: rule.PermsAt, Via: rule.Via, Note: fmt.Sprintf("grants %s; the process asked for %s%s", grants(rule), permsWords(d.Unmatched), f.mask())})
	}
	return f.Cause == MissingPermission
}

// limited explains the refusal of a resource limit above the one that a rule
// sets, and reports whether there is one.
func (f *Explained) limited(limit apparmor.RlimitRequest) bool {
	for _, r := range f.Profile.Rules {
		if rule, ok := r.(*apparmor.RlimitRule); ok && rule.Name == limit.Name {
			f.Cause = MissingPermission
			f.Why = fmt.Sprintf("a rule limits %s to %s", rule.Name, rule.Value)
			f.addPlace(Place{At: rule.At, Via: rule.Via, Note: fmt.Sprintf("the process asked for %d", limit.Value)})
		}
	}
	return f.Cause == MissingPermission
}

// grants returns what a file rule grants, as its permissions are written.
func grants(rule *apparmor.FileRule) string {
	if rule.Exec.Mode == 0 {
		return rule.Perms.String()
	}
	return (rule.Perms &^ apparmor.Exec).String() + rule.Exec.String()
}

// permsWords returns permissions as a sentence has them. Classes with a single
// permission have no word for it.
func permsWords(perms apparmor.Perms) string {
	if perms&apparmor.Access != 0 {
		return "it"
	}
	return perms.String()
}

// mask returns the mask as the record spells it, for the reader to recognise.
func (f *Explained) mask() string {
	if mask := f.Denial.AppArmor.Denied; mask != "" {
		return fmt.Sprintf(" (denied_mask=%q)", mask)
	}
	return ""
}

// users returns the two user IDs of a file record.
func (f *Explained) users() string {
	a := f.Denial.AppArmor
	if a.FSUID == nil || a.OUID == nil {
		return ""
	}
	return fmt.Sprintf(" (fsuid=%d, ouid=%d)", *a.FSUID, *a.OUID)
}

// faraway reports whether a rule for another path shares not even the first
// directory: that tells the reader nothing.
func faraway(n apparmor.Near, req apparmor.Request) bool {
	rule, ok := n.Rule.(*apparmor.FileRule)
	file, isFile := req.(apparmor.FileRequest)
	if !ok || !isFile || n.Why != apparmor.NearComponent {
		return false
	}
	end := strings.IndexByte(strings.TrimPrefix(file.Path, "/"), '/') + 1
	return end == 0 || !strings.HasPrefix(rule.Path.Source, file.Path[:end])
}

// nearPlace points at a rule that nearly matches and says why it does not.
func nearPlace(n apparmor.Near) Place {
	place := Place{At: n.At, Note: "near, but " + n.Detail}
	if n.Rule != nil {
		place.Via = n.Rule.Head().Via
	}
	return place
}

// addPlace adds a place that is not there yet, up to maxPlaces.
func (f *Explained) addPlace(p Place) {
	for _, have := range f.Rules {
		if have.At == p.At {
			return
		}
	}
	if len(f.Rules) < maxPlaces {
		f.Rules = append(f.Rules, p)
	}
}

// investigate says so if granting the access would be dangerous.
func (f *Explained) investigate(req apparmor.Request) {
	if d := fix.RequestDanger(req); d.Risk == rules.High {
		f.Investigate = d.Reason + ". Find out why the process asks for it before allowing it: the policy may be doing its work."
	}
}

// modes compares what the kernel did with the mode that the source asks for.
func (f *Explained) modes() {
	complains := f.Profile.HasFlag("complain")
	switch {
	case f.Denial.Mode == parser.Allowed:
		f.Why = "the profile is in complain mode, so this was logged and permitted; enforced, it would be refused: " + f.Why
		f.Cause, f.Decision = Complain, Granted
		if !complains {
			f.Notes = append(f.Notes, "The source does not say complain: the profile was loaded in complain mode by other means (aa-complain, apparmor_parser -C, whydenied run --learn).")
		}
	case complains && f.Cause != DenyRule:
		f.Why = "another version of the profile is in force: the source has flags=(complain), and the kernel enforced it"
		f.Cause = FlagsMismatch
		f.addPlace(profilePlace(f.Profile, "says complain"))
	case f.Denial.Mode == parser.Killed:
		f.Notes = append(f.Notes, "The profile is in kill mode: the process was killed for this.")
	}
}
