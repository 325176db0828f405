// Package patch joins the fixes of many findings into one change of policy, proved as a
// whole: after it each access is allowed that it says is, and what else it gives is
// said. Nothing is written to disk. What cannot be fixed is in the patch with the
// reason, and no error. A patch and Suggestions serve one goroutine at a time, as the
// Explainer does that they are made with.
package patch

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/whydenied/whydenied/explain"
	"github.com/whydenied/whydenied/explain/access"
	"github.com/whydenied/whydenied/explain/container"
	"github.com/whydenied/whydenied/explain/fix"
	"github.com/whydenied/whydenied/explain/library"
	"github.com/whydenied/whydenied/rules"
	"github.com/whydenied/whydenied/rules/apparmor"
	"github.com/whydenied/whydenied/rules/shell"
)

// A Patch is one change of policy files by which the accesses of many findings
// are allowed: of each the first fix that fits with the others.
type Patch struct {
	Changes  []rules.Change // by the name of the file
	Remedies []Remedy       // in the order of the findings
	Left     []Unfixed      // findings that the changes do not remedy
	Profiles []Patched      // the profiles that are changed or made
	Steps    []string       // what to do once the files are changed, in order
	Offers   []Offer        // what may be wanted besides, and is no part of the changes
	// Capabilities are what containers have to be given besides, or in place of a change.
	Capabilities []Capability
}

// A Capability is one that containers are to be given.
type Capability struct {
	Name       string                // CAP_SYSLOG
	Containers []container.Container // as far as they are known, each once
}

// A Patched is a profile that a patch changes, or makes of a built-in one.
type Patched struct {
	Seccomp bool   // a seccomp profile; otherwise AppArmor
	Name    string // of the AppArmor profile; "" for seccomp, which goes by its file
	File    string
	Derived bool // made of a built-in profile: the containers have yet to be given it
	// Profile is the AppArmor profile as changed; nil for seccomp.
	Profile *apparmor.Profile
	// Containers are those of the findings, as far as they are known, each once.
	Containers []container.Container
}

// A Remedy is the fix of a finding as it is part of a patch. Its edits are in
// the patch.
type Remedy struct {
	Finding *explain.Explained
	Fix     rules.Fix
	File    string // that is changed
	// Rules are where the rules that grant the access stand in the changed files;
	// none if that is not a matter of rules.
	Rules []rules.Location
}

// An Offer is a fix that is proved as that of a finding is, and not part of the patch: it
// grants more than was refused.
type Offer struct {
	Findings []*explain.Explained // which it allows, too
	Fix      rules.Fix
}

// An Unfixed finding has no fix in a patch, for a reason.
type Unfixed struct {
	Finding *explain.Explained
	Reason  string
}

// maxOthers bounds the accesses of one policy that no automaton decides: each is asked
// of the rules for all the others.
const maxOthers = 500

// maxRounds bounds how often fixes that touch the same text are made anew.
const maxRounds = 200

// Held says why an access is not to be granted without being asked for, or "".
type Held func(apparmor.Request) string

// Make makes the changes that remedy the findings, which Diagnose or Explain has
// seen, and proves them together: the changed files parse (and apparmor_parser
// compiles them, if Fixes.Compile is set), every access is granted, what else is
// granted is told, and no rule that is added can be left out. It serves the goroutine
// that the explainer does.
func Make(x *explain.Explainer, findings []*explain.Explained) *Patch {
	return MakeBut(x, findings, func(apparmor.Request) string { return "" })
}

// MakeBut is Make, which leaves the findings whose access is held back.
func MakeBut(x *explain.Explainer, findings []*explain.Explained, held Held) *Patch {
	b := &patcher{x: x, held: held, patch: &Patch{}, findings: findings, remedies: map[*explain.Explained]Remedy{}, spared: map[*explain.Explained]*explain.Explained{}, changes: map[*explain.Explained]bool{}}
	for _, f := range findings {
		b.take(f)
	}
	for _, d := range b.drafts {
		b.write(d)
	}
	b.explainSpared()
	b.seccomp()
	for _, f := range findings {
		if r, ok := b.remedies[f]; ok {
			b.patch.Remedies = append(b.patch.Remedies, r)
		}
	}
	slices.SortStableFunc(b.patch.Changes, func(x, y rules.Change) int { return strings.Compare(x.File.Name, y.File.Name) })
	return b.patch
}

// A patcher collects what the findings want and turns it into changes.
type patcher struct {
	x        *explain.Explainer
	held     Held
	patch    *Patch
	findings []*explain.Explained
	drafts   []*policyDraft
	calls    []*explain.Explained // of seccomp
	remedies map[*explain.Explained]Remedy
	spared   map[*explain.Explained]*explain.Explained // by another that makes it unnecessary
	changes  map[*explain.Explained]bool               // refused changes of profile: whether a fix allows them
}

// A policyDraft is one AppArmor policy as it is being changed.
type policyDraft struct {
	of            *apparmor.Policy // under which the accesses were refused
	before, after *apparmor.Policy
	loader        *apparmor.Loader // which reads the files that are changed as they are after
	problems      int              // errors that the policy had before
	wanted        []*wanted
	files         map[fileKey]*wanted
	others        int    // wanted accesses that are not of files
	needless      bool   // a rule that is not needed could not be taken out again
	derived       string // name of the profile that is made of a built-in one
}

// A wanted access is one access that a patch is to grant, of one or more findings.
type wanted struct {
	findings []*explain.Explained
	profile  string // full name
	requests []apparmor.Request
	caller   fix.Caller
	glob     string       // a path expression that grants all requests, with why
	why      string       // what the names that glob stands for have in common
	edits    []rules.Edit // of a cause that no rule decides: a flag, a transition
	fix      *rules.Fix   // that grants it, once there is one
	tried    int          // candidates that do not
	lost     string       // what one of them would have taken away
	kept     string       // why no rule that is as wide as the patch's is for it
}

// take notes what a finding wants, or why nothing is done about it.
func (b *patcher) take(f *explain.Explained) {
	switch {
	case f.Further != nil:
		b.leave(f, "these are more names than are told apart, and a rule for all of them would grant all")
	case f.Cause == explain.EndedBySIGSYS, f.Denial.Other != nil:
		b.leave(f, f.Why)
	case f.Denial.Seccomp != nil:
		b.calls = append(b.calls, f)
	case f.Cause == explain.RestrictedUserns && len(f.Fixes) > 0 && len(f.Fixes[0].Edits) > 0:
		b.make(f)
	case f.Product.Generated():
		b.ask(f)
	case f.Request != nil:
		b.takeAccess(f)
	case access.LearnsAttributes(f.Denial.AppArmor):
		b.leave(f, "not needed: "+f.Why)
	case len(f.Fixes) == 0:
		b.leave(f, f.Why)
		if f.Cause == explain.AllowedByProfile && f.Profile.At.File.Builtin == "" && !strings.Contains(f.Denial.AppArmor.Profile, "//&") {
			b.step(explain.Loading(f.Profile))
		}
	case len(f.Fixes[0].Edits) == 0: // a profile to load
		b.remedies[f] = Remedy{Finding: f, Fix: f.Fixes[0]}
		b.step(f.Fixes[0].Message)
	default: // a flag, a transition
		d, name := b.policyDraft(f)
		flag := f.Fixes[0]
		if req, ok := access.Attached(&f.Denial); ok && f.Cause == explain.DisconnectedPath {
			d.add(f, name, req)
			flag.Edits = flag.Edits[:1]
		}
		if own := b.x.Fixes.Unix(d.before.Profile(name)); f.Cause == explain.NoMatchingRule && len(own) > 0 {
			flag = own[0] // of the derived profile
		}
		d.wanted = append(d.wanted, &wanted{findings: []*explain.Explained{f}, profile: name, edits: flag.Edits, fix: &flag})
	}
}

// make takes in the new profile of a program that the first fix of a finding makes, which
// others may make too. It is for no container.
func (b *patcher) make(f *explain.Explained) {
	made := f.Fixes[0]
	file := made.Edits[0].At.File
	r := Remedy{Finding: f, Fix: made, File: file.Name}
	r.Fix.Edits = nil
	b.remedies[f] = r
	if b.changedBefore([]rules.Change{{File: file}}) == "" {
		b.patch.Changes = append(b.patch.Changes, rules.Change{File: file, New: made.Edits[0].New})
		b.step(shell.Command("apparmor_parser -r -W", file.Name) + ", then start the program anew")
	}
}

// ask notes what the product is asked for that makes the profile of a finding: its file
// is none to change.
func (b *patcher) ask(f *explain.Explained) {
	fixes := b.x.Explain(*f.Finding).Fixes
	switch {
	case len(fixes) > 0 && len(fixes[0].Proof) == 0:
		b.leave(f, f.Why+", so that nothing is proved")
		b.step(fixes[0].Message)
		return
	case len(fixes) == 0:
		b.leave(f, fmt.Sprintf("%s, so that no change of the profile lasts", f.Product.Writer))
		for _, other := range f.Product.Other {
			b.step(other)
		}
		return
	}
	b.remedies[f] = Remedy{Finding: f, Fix: fixes[0]}
	b.step(fixes[0].Message)
}

// takeAccess notes an access that rules decide.
func (b *patcher) takeAccess(f *explain.Explained) {
	if other := b.covered(f); other != nil {
		b.spared[f] = other
		b.leave(f, "") // see explainSpared
		return
	}
	if why := b.harmless(f); why != "" {
		b.leave(f, "not needed: "+why)
		return
	}
	switch why := b.held(f.Request); {
	case f.Harmless != "":
		b.leave(f, "not needed, harmless as far as seen: "+f.Harmless)
		return
	case f.Incident != nil && f.Incident.Elsewhere:
		b.leave(f, "the remedy is no rule of this profile ("+f.Incident.ID+"): "+f.Incident.Remedy)
		return
	case why != "":
		b.leave(f, why)
		return
	}
	d, name := b.policyDraft(f)
	if _, isFile := f.Request.(apparmor.FileRequest); !isFile {
		if d.others == maxOthers {
			b.leave(f, fmt.Sprintf("a patch takes %d accesses that are not of files under one policy, and has them; apply it, and run patch again", maxOthers))
			return
		}
		d.others++
	}
	d.add(f, name, apparmor.Relabel(f.Request, f.Profile.FullName(), name))
}

func (b *patcher) leave(f *explain.Explained, reason string) {
	b.patch.Left = append(b.patch.Left, Unfixed{f, reason})
}

// madeOf notes of which text a new profile is made, where the engine's version does not
// tell which is in force.
func (b *patcher) madeOf(unknown string, releases rules.ReleaseText) {
	if unknown != "" {
		b.step(fmt.Sprintf("compare the engine's version: %s, and the new profile is made of the text of %s, so that what the one in force has otherwise changes with it", unknown, releases))
	}
}

// step notes something to do, once.
func (b *patcher) step(text string) {
	if !slices.Contains(b.patch.Steps, text) {
		b.patch.Steps = append(b.patch.Steps, text)
	}
}

// policyDraft returns the draft of the policy of a finding's profile and the name that
// the profile has in it. A built-in profile is drafted as a file of its own.
func (b *patcher) policyDraft(f *explain.Explained) (*policyDraft, string) {
	profile, policy := f.Profile, f.Profile.Policy
	i := slices.IndexFunc(b.drafts, func(d *policyDraft) bool { return d.of == policy })
	if i < 0 {
		d := &policyDraft{of: policy, before: policy, loader: b.x.Library.Loader, problems: len(b.x.Library.Problems(policy)), files: map[fileKey]*wanted{}}
		if policy.Files[0].Builtin != "" {
			d.derived = library.DerivedName(policy.Profiles[0].Name, b.container(f.Denial.Subject.Label))
			d.before = b.x.Library.Derive(policy, d.derived)
		}
		d.after = d.before
		i = len(b.drafts)
		b.drafts = append(b.drafts, d)
	}
	d := b.drafts[i]
	if d.derived == "" {
		return d, profile.FullName()
	}
	return d, strings.Replace(profile.FullName(), policy.Profiles[0].Name, d.derived, 1)
}

// container returns the name of the only container that has findings under an
// AppArmor label, or "".
func (b *patcher) container(label string) string {
	name := ""
	for _, f := range b.findings {
		if f.Denial.Subject.Label != label {
			continue
		}
		if name != "" && name != f.Container.Name {
			return ""
		}
		name = f.Container.Name
	}
	return name
}

// A fileKey is what accesses have in common that one rule can grant.
type fileKey struct{ profile, path, target string }

// add notes an access. Accesses to one path are one wanted access.
func (d *policyDraft) add(f *explain.Explained, profile string, req apparmor.Request) {
	file, isFile := req.(apparmor.FileRequest)
	key := fileKey{profile, file.Path, file.Target}
	if w := d.files[key]; isFile && w != nil {
		have := w.requests[0].(apparmor.FileRequest)
		have.Perms |= file.Perms
		have.Owner = have.Owner && file.Owner
		w.requests[0] = have
		w.caller.Temporary = w.caller.Temporary || fix.CallerOf(&f.Denial).Temporary
		w.findings = append(w.findings, f)
		return
	}
	w := &wanted{findings: []*explain.Explained{f}, profile: profile, requests: []apparmor.Request{req}, caller: fix.CallerOf(&f.Denial)}
	d.wanted = append(d.wanted, w)
	if isFile {
		d.files[key] = w
	}
}

// write changes a policy until it grants all that is wanted of it, and proves it.
func (b *patcher) write(d *policyDraft) {
	d.names(b.x.Fixes.Breadth)
	for range maxRounds {
		if !b.round(d) {
			break
		}
	}
	b.prune(d)
	b.finish(d)
}

// A proposal is a candidate for a wanted access.
type proposal struct {
	wanted *wanted
	fix    rules.Fix
}

// round proposes a fix for each open wanted access, and applies those that do not touch
// the same text. It reports whether that changed anything.
func (b *patcher) round(d *policyDraft) bool {
	var proposals []proposal
	for _, w := range d.wanted {
		if next, ok := b.propose(d, w); ok {
			proposals = append(proposals, proposal{w, next})
		}
	}
	slices.SortStableFunc(proposals, func(x, y proposal) int { return strings.Compare(x.fix.Rule, y.fix.Rule) })
	proposals = oneForEach(proposals)
	_, conflicts := merge(proposals)
	dropped := map[rules.Edit]bool{}
	for _, c := range conflicts {
		dropped[c.Dropped] = true
	}
	accepted := slices.DeleteFunc(slices.Clone(proposals), func(x proposal) bool {
		return slices.ContainsFunc(x.fix.Edits, func(e rules.Edit) bool { return dropped[e] })
	})
	if len(accepted) == 0 && len(proposals) > 0 { // its own edits touch each other
		proposals[0].wanted.tried++
		proposals[0].wanted.edits = nil
	}
	for len(accepted) > 0 {
		next, good := b.try(d, accepted)
		if next != nil && len(good) == len(accepted) {
			d.after, d.loader = next.policy, next.loader
			for _, x := range accepted {
				x.wanted.edits, x.wanted.fix = nil, &x.fix
			}
			return true
		}
		if len(good) == len(accepted) { // each is right, but not all together
			good = good[:len(good)/2]
		}
		accepted = good
	}
	return len(proposals) > 0
}

// oneForEach leaves out new rules for what another has a new rule for, which the next round adds
// the permissions to.
func oneForEach(proposals []proposal) []proposal {
	added := map[string]string{} // rules, by what they are for
	return slices.DeleteFunc(proposals, func(x proposal) bool {
		space := strings.LastIndexByte(x.fix.Rule, ' ')
		if len(x.fix.Edits) != 1 || x.fix.Edits[0].At.Span.Start != x.fix.Edits[0].At.Span.End || space < 0 || !strings.Contains(x.fix.Rule, "/") {
			return false
		}
		what := x.wanted.profile + "\x00" + x.fix.Rule[:space]
		first, ok := added[what]
		added[what] = cmp.Or(first, x.fix.Rule)
		return ok && first != x.fix.Rule
	})
}

// merge joins the edits of proposals.
func merge(proposals []proposal) ([]rules.Edit, []rules.Conflict) {
	sets := make([][]rules.Edit, len(proposals))
	for i, x := range proposals {
		sets[i] = x.fix.Edits
	}
	return rules.Merge(sets...)
}

// loaded is a policy as changed, with the loader that read it.
type loaded struct {
	policy *apparmor.Policy
	loader *apparmor.Loader
}

// try applies proposals together, and returns the policy, nil if it has errors,
// and those that hold: in it or, where one of them is at fault, in that of a half. The
// others are not proposed again.
func (b *patcher) try(d *policyDraft, proposals []proposal) (*loaded, []proposal) {
	edits, _ := merge(proposals)
	next := d.load(edits)
	if half := len(proposals) / 2; next == nil && half > 0 {
		_, first := b.try(d, proposals[:half])
		_, second := b.try(d, proposals[half:])
		return nil, slices.Concat(first, second)
	}
	if next != nil && lostBy(proposals, d.after, next.policy).Any() {
		if half := len(proposals) / 2; half > 0 {
			_, first := b.try(d, proposals[:half])
			_, second := b.try(d, proposals[half:])
			return nil, slices.Concat(first, second)
		}
		next = d.mend(&proposals[0], next)
	}
	var good []proposal
	for _, x := range proposals {
		if next != nil && next.policy.Profile(x.wanted.profile).Grants(x.wanted.requests...) {
			good = append(good, x)
			continue
		}
		x.wanted.tried++
		x.wanted.edits = nil
	}
	return next, good
}

// lostBy is what proposals take away. A fix of an exec transition is there to change it.
func lostBy(proposals []proposal, before, after *apparmor.Policy) fix.Lost {
	lost := fix.LostIn(before, after)
	if slices.ContainsFunc(proposals, func(x proposal) bool { return len(x.wanted.requests) == 0 }) {
		lost = lost.ButTransitions()
	}
	return lost
}

// mend adds to a proposal what keeps it from taking anything away, and returns the policy
// with it, or nil if something is lost all the same.
func (d *policyDraft) mend(x *proposal, next *loaded) *loaded {
	profile := d.after.Profile(x.wanted.profile)
	if profile == nil || len(x.wanted.requests) == 0 {
		return nil
	}
	mended, lost := fix.Mend(&x.fix, profile, next.policy, func(edits []rules.Edit) *apparmor.Policy {
		if next = d.load(edits); next == nil {
			return nil
		}
		return next.policy
	})
	if lost.Any() {
		x.wanted.lost = lost.Words()
		return nil
	}
	if mended == nil {
		return nil
	}
	return d.load(x.fix.Edits)
}

// load returns the policy of a draft with edits applied, or nil if that makes an
// error.
func (d *policyDraft) load(edits []rules.Edit) *loaded {
	changes, err := rules.Apply(edits)
	if err != nil {
		return nil
	}
	policy, diagnostics, loader := library.Reload(d.loader, d.after, changes)
	if len(rules.Errors(diagnostics)) > d.problems {
		return nil
	}
	for _, profile := range policy.Profiles {
		if before := d.before.Profile(profile.FullName()); before != nil {
			profile.Reuse(before)
			if fix.Conflicts(before, profile) {
				return nil
			}
		}
	}
	return &loaded{policy, loader}
}

// propose returns the next candidate for a wanted access, if it is open and has one.
func (b *patcher) propose(d *policyDraft, w *wanted) (rules.Fix, bool) {
	if w.edits != nil {
		again := *w.fix
		again.Edits = w.edits
		return again, true
	}
	profile := d.after.Profile(w.profile)
	if len(w.requests) == 0 || profile == nil || profile.Grants(w.requests...) {
		return rules.Fix{}, false
	}
	if w.glob != "" {
		if w.tried > 0 {
			return rules.Fix{}, false
		}
		return fix.Glob(fix.Asked{Profile: profile, File: fix.Together(w.asked(profile)), Caller: w.caller}, w.glob, w.why), true
	}
	candidates, _ := b.x.Fixes.Candidates(profile, w.requests[0], profile.Decide(w.requests[0]), w.caller)
	if w.tried >= len(candidates) {
		return rules.Fix{}, false
	}
	return candidates[w.tried], true
}
