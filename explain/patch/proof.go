package patch

import (
	"slices"
	"strings"

	"github.com/whydenied/whydenied/explain/container"
	"github.com/whydenied/whydenied/explain/fix"
	"github.com/whydenied/whydenied/rules"
	"github.com/whydenied/whydenied/rules/apparmor"
	"github.com/whydenied/whydenied/rules/shell"
)

// prune takes out of a draft the rules that it added and that turned out not to
// be needed, as another covers what they are for.
func (b *patcher) prune(d *policyDraft) {
	for _, profile := range d.after.Profiles {
		before := d.before.Profile(profile.FullName())
		if before == nil {
			continue
		}
		removed, added := apparmor.ChangedRules(before, profile)
		uses := d.uses(profile)
		for _, r := range added {
			replaced := replacedBy(r, removed)
			if r.Head().Deny || uses.needs(profile, r, replaced) {
				continue
			}
			next, keeps := d.without(r, replaced)
			if next != nil {
				d.after, d.loader = next.policy, next.loader
				b.prune(d) // the places of the others have changed
				return
			}
			d.needless = d.needless || !keeps
		}
	}
}

// without returns the policy of a draft less an added rule, with what stood in its place. It is
// nil if that cannot be taken out again, or if the rule keeps something from being
// lost.
func (d *policyDraft) without(added apparmor.Rule, replaced []apparmor.Rule) (next *loaded, keeps bool) {
	edit, ok := apparmor.RemoveRule(added)
	if len(replaced) > 0 {
		edit = rules.Edit{At: added.Location(), New: replaced[0].Location().Text()}
		ok = !added.Head().Shared
	}
	if !ok {
		return nil, false
	}
	if next = d.load([]rules.Edit{edit}); next == nil {
		return nil, false
	}
	if fix.LostIn(d.after, next.policy).Any() && d.lost(next.policy).Any() {
		return nil, true
	}
	return next, false
}

// lost is what a policy takes away of what the draft's granted before.
func (d *policyDraft) lost(after *apparmor.Policy) fix.Lost {
	lost := fix.LostIn(d.before, after)
	if slices.ContainsFunc(d.wanted, func(w *wanted) bool { return len(w.requests) == 0 }) {
		lost = lost.ButTransitions()
	}
	return lost
}

// uses are what the wanted accesses of a profile need its rules for.
type uses struct {
	alone  map[apparmor.Rule]bool               // no other rule allows an access
	shared map[apparmor.Rule][]apparmor.Request // others do as well
	texts  map[string]bool                      // of rules that no request decides
}

func (d *policyDraft) uses(profile *apparmor.Profile) uses {
	u := uses{map[apparmor.Rule]bool{}, map[apparmor.Rule][]apparmor.Request{}, map[string]bool{}}
	for _, w := range d.wanted {
		if w.profile != profile.FullName() {
			continue
		}
		if w.fix != nil && len(w.requests) == 0 {
			u.texts[w.fix.Rule] = true
		}
		for _, req := range w.requests {
			allow := profile.Decide(req).Allow
			if len(allow) == 1 {
				u.alone[allow[0]] = true
				continue
			}
			for _, r := range allow {
				u.shared[r] = append(u.shared[r], req)
			}
		}
	}
	return u
}

// needs reports whether some wanted access is refused without an added rule,
// with the rules that it replaced in its place.
func (u uses) needs(profile *apparmor.Profile, added apparmor.Rule, replaced []apparmor.Rule) bool {
	if u.alone[added] || u.texts[added.Location().Text()] {
		return true
	}
	shared := u.shared[added]
	return len(shared) > 0 && !profile.Without(added, replaced...).Grants(shared...)
}

// replacedBy returns the removed rules for the path of an added one.
func replacedBy(added apparmor.Rule, removed []apparmor.Rule) (replaced []apparmor.Rule) {
	file, ok := added.(*apparmor.FileRule)
	for _, r := range removed {
		other, isFile := r.(*apparmor.FileRule)
		if ok && isFile && file.Path != nil && other.Path != nil && file.Path.Source == other.Path.Source && file.Deny == other.Deny {
			replaced = append(replaced, r)
		}
	}
	return replaced
}

// finish proves a draft as a whole and takes it into the patch, with a remedy for
// each finding that it fixes.
func (b *patcher) finish(d *policyDraft) {
	finish := b.x.Fixes.CompileChanged(d.before, d.after, d.loader)
	changes := d.changes()
	gains, lost := d.gains(), d.lost(d.after)
	compiled, refusal := finish()
	switch file := b.changedBefore(changes); {
	case refusal != nil:
		b.leaveAll(d, "apparmor_parser refuses the changed policy: "+refusal.Error())
		return
	case !gains.complete || !lost.Complete:
		b.leaveAll(d, "the changes give or take too much to be compared in full: have explain propose a fix for each")
		return
	case lost.Any():
		b.leaveAll(d, "the changes together would take away what the policy allows: "+lost.Words())
		return
	case file != "":
		b.leaveAll(d, "the patch changes "+file+" for another profile; apply that, and run patch again")
		return
	}
	proof := []string{"the changed policy parses"}
	if d.problems > 0 {
		proof = []string{"the changed policy has no error that it did not have before"}
	}
	proof = append(proof, compiled...)
	gains.kept = lost.Proof()
	var fixed []*wanted
	for _, w := range d.wanted {
		if w.requests == nil && w.fix == nil || !d.after.Profile(w.profile).Grants(w.requests...) {
			for _, f := range w.findings {
				b.leave(f, b.noFix(d, w))
			}
			continue
		}
		r := d.remedy(w, gains, proof, changes)
		for _, f := range w.findings {
			r.Finding = f
			b.remedies[f] = r
		}
		fixed = append(fixed, w)
	}
	if len(fixed) == 0 {
		return
	}
	b.patch.Changes = append(b.patch.Changes, changes...)
	b.patched(d, fixed)
	b.offer(d, fixed)
}

// changedBefore returns the name of a file that another draft has changed
// already, as profiles may share a local file, or "".
func (b *patcher) changedBefore(changes []rules.Change) string {
	for _, c := range changes {
		if slices.ContainsFunc(b.patch.Changes, func(o rules.Change) bool { return o.File.Name == c.File.Name }) {
			return c.File.Name
		}
	}
	return ""
}

// leaveAll leaves all findings of a draft, for one reason.
func (b *patcher) leaveAll(d *policyDraft, reason string) {
	for _, w := range d.wanted {
		for _, f := range w.findings {
			b.leave(f, reason)
		}
	}
}

// patched notes the profiles of a draft that are changed, and what to do to have
// them in force.
func (b *patcher) patched(d *policyDraft, fixed []*wanted) {
	file := d.after.Files[0].Name
	b.step(shell.Command("apparmor_parser -r -W", file))
	if d.derived != "" {
		b.madeOf(d.of.Unknown, d.of.Releases)
		for _, w := range fixed {
			for _, f := range w.findings {
				b.step("give the container the new profile: " + f.Container.GivenPolicy(container.GivenAppArmor, d.derived))
			}
		}
	}
	isFixed := map[*wanted]bool{}
	for _, w := range fixed {
		isFixed[w] = true
	}
	for _, w := range d.wanted {
		i := slices.IndexFunc(b.patch.Profiles, func(p Patched) bool { return p.Name == w.profile && p.File == file })
		if i < 0 {
			i = len(b.patch.Profiles)
			b.patch.Profiles = append(b.patch.Profiles, Patched{Name: w.profile, File: file, Derived: d.derived != "", Profile: d.after.Profile(w.profile)})
		}
		for _, f := range w.findings {
			if isFixed[w] {
				b.patch.Profiles[i].Containers = addContainer(b.patch.Profiles[i].Containers, f.Container)
			}
		}
	}
}

// addContainer adds a known container to a list once.
func addContainer(list []container.Container, c container.Container) []container.Container {
	known := slices.ContainsFunc(list, func(o container.Container) bool { return o.ID == c.ID && o.Name == c.Name })
	if c.Confidence != container.Unknown && !known {
		list = append(list, c)
	}
	return list
}

// noFix says why a wanted access has no fix.
func (b *patcher) noFix(d *policyDraft, w *wanted) string {
	if profile := d.after.Profile(w.profile); profile != nil && len(w.requests) > 0 {
		if _, notes := b.x.Fixes.Candidates(profile, w.requests[0], profile.Decide(w.requests[0]), w.caller); len(notes) > 0 {
			return notes[0]
		}
	}
	if w.lost != "" {
		return "what would grant it would take away what the profile allows: " + w.lost
	}
	return "no change of the profile that grants it could be proved"
}

// changes returns the files that a draft changes.
func (d *policyDraft) changes() []rules.Change {
	var changes []rules.Change
	for _, file := range d.after.Files {
		i := slices.IndexFunc(d.before.Files, func(f *rules.File) bool { return f.Name == file.Name })
		switch {
		case file == d.after.Files[0] && d.derived != "":
			absent := rules.NewFile(file.Name, "")
			absent.Absent = true
			changes = append(changes, rules.Change{File: absent, New: file.Text})
		case i >= 0 && d.before.Files[i].Text != file.Text:
			changes = append(changes, rules.Change{File: d.before.Files[i], New: file.Text})
		}
	}
	return changes
}

// gained is what a draft grants beyond what is wanted of it.
type gained struct {
	all      []apparmor.Gain
	dangers  []fix.Danger            // of each
	of       map[apparmor.Rule][]int // those of a rule
	complete bool
	kept     string // what is proved of what is lost
}

func (d *policyDraft) gains() gained {
	g := gained{of: map[apparmor.Rule][]int{}, complete: true}
	for _, profile := range d.after.Profiles {
		before := d.before.Profile(profile.FullName())
		if before == nil {
			continue
		}
		var requests []apparmor.Request
		for _, w := range d.wanted {
			if w.profile == profile.FullName() {
				requests = append(requests, w.requests...)
			}
		}
		found, all := apparmor.Gains(before, profile, requests...)
		g.all, g.complete = append(g.all, found...), g.complete && all
	}
	for i, gain := range g.all {
		g.dangers = append(g.dangers, fix.GainDanger(gain))
		g.of[gain.Rule] = append(g.of[gain.Rule], i)
	}
	return g
}

// remedy is the fix of a wanted access, with what is proved of it in the whole.
func (d *policyDraft) remedy(w *wanted, gains gained, proof []string, changes []rules.Change) Remedy {
	r := Remedy{Fix: rules.Fix{Message: "granted by the rule for another finding"}}
	if w.fix != nil {
		r.Fix = *w.fix
		r.Fix.Edits = nil
		if w.kept != "" {
			r.Fix.Message += ", not for " + w.kept
		}
	}
	if len(changes) > 0 {
		r.File = changes[len(changes)-1].File.Name
	}
	if len(w.requests) == 0 {
		return r // its risk and proof were told when it was proposed
	}
	before, profile := d.before.Profile(w.profile), d.after.Profile(w.profile)
	if r.Rules = grantedBy(profile, w.requests, changes); len(r.Rules) > 0 {
		r.File = r.Rules[0].File.Name
	}
	deciding := map[apparmor.Rule]bool{} // what grants the requests, and what refused them
	for _, req := range w.requests {
		for _, r := range slices.Concat(profile.Decide(req).Allow, before.Decide(req).Deny) {
			deciding[r] = true
		}
	}
	if w.fix != nil { // and what it grants besides, to keep what would be lost
		for r := range gains.of {
			if r != nil && slices.Contains(strings.Split(w.fix.Rule, "\n"), r.Location().Text()) {
				deciding[r] = true
			}
		}
	}
	var places []int
	for r := range deciding {
		places = append(places, gains.of[r]...)
	}
	slices.Sort(places)
	danger := fix.Worst(w.requests, nil, profile)
	var own []apparmor.Gain
	for _, i := range places {
		own = append(own, gains.all[i])
		if gains.dangers[i].Risk > danger.Risk {
			danger = gains.dangers[i]
		}
	}
	r.Fix.Risk, r.Fix.Reason = danger.Risk, danger.Reason
	r.Fix.Grants = fix.GainsWords(own)
	r.Fix.Proof = append(slices.Clip(proof), "the access is now allowed")
	if beyond := fix.ProvedBeyond(own, gains.complete); beyond != "" {
		r.Fix.Proof = append(r.Fix.Proof, beyond)
	}
	r.Fix.Proof = append(r.Fix.Proof, gains.kept)
	if !d.needless {
		r.Fix.Proof = append(r.Fix.Proof, "each edit is needed") // see prune; a deny rule is changed only if it refuses
	}
	return r
}

// grantedBy returns where the rules that grant requests stand in changed files,
// each once.
func grantedBy(profile *apparmor.Profile, requests []apparmor.Request, changes []rules.Change) (places []rules.Location) {
	for _, req := range requests {
		for _, r := range profile.Decide(req).Allow {
			at := r.Location()
			changed := at.File != nil && slices.ContainsFunc(changes, func(c rules.Change) bool { return c.File.Name == at.File.Name })
			if changed && !slices.Contains(places, at) {
				places = append(places, at)
			}
		}
	}
	return places
}
