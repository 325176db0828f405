package patch

import (
	"fmt"
	"slices"
	"strings"

	"github.com/whydenied/whydenied/explain"
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
		for _, r := range added {
			if r.Head().Deny || d.needs(profile, r, replacedBy(r, removed)) {
				continue
			}
			if edit, ok := apparmor.RemoveRule(r); ok {
				if next := d.load([]rules.Edit{edit}); next != nil {
					d.after, d.loader = next.policy, next.loader
					b.prune(d) // the places of the others have changed
					return
				}
			}
			d.needless = true
		}
	}
}

// needs reports whether some wanted access is refused without an added rule,
// with the rules that it replaced in its place.
func (d *policyDraft) needs(profile *apparmor.Profile, added apparmor.Rule, replaced []apparmor.Rule) bool {
	var without *apparmor.Profile
	for _, w := range d.wanted {
		if w.profile != profile.FullName() {
			continue
		}
		if w.fix != nil && len(w.requests) == 0 && w.fix.Rule == added.Location().Text() {
			return true // no request decides it
		}
		for _, req := range w.requests {
			decision := profile.Decide(req)
			if !slices.Contains(decision.Allow, added) {
				continue
			}
			if len(decision.Allow) == 1 {
				return true
			}
			if without == nil {
				without = profile.Without(added, replaced...)
			}
			if !without.Grants(req) {
				return true
			}
		}
	}
	return false
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
	gains, complete := d.gains()
	compiled, refusal := finish()
	switch file := b.changedBefore(changes); {
	case refusal != nil:
		b.leaveAll(d, "apparmor_parser refuses the changed policy: "+refusal.Error())
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
	var fixed []*explain.Explained
	for _, w := range d.wanted {
		if w.requests == nil && w.fix == nil || !d.after.Profile(w.profile).Grants(w.requests...) {
			for _, f := range w.findings {
				b.leave(f, b.noFix(d, w))
			}
			continue
		}
		r := d.remedy(w, gains, complete, proof, changes)
		for _, f := range w.findings {
			r.Finding = f
			b.remedies[f] = r
		}
		fixed = append(fixed, w.findings...)
	}
	if len(fixed) == 0 {
		return
	}
	b.patch.Changes = append(b.patch.Changes, changes...)
	b.patched(d, fixed)
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
func (b *patcher) patched(d *policyDraft, fixed []*explain.Explained) {
	file := d.after.Files[0].Name
	b.step(shell.Command("apparmor_parser -r -W", file))
	if d.derived != "" {
		b.step("give the container the new profile: " + shell.Command("docker run --security-opt", "apparmor="+d.derived) +
			", Compose security_opt: [\"apparmor=" + d.derived + "\"], Kubernetes 1.30 or later securityContext.appArmorProfile: {type: Localhost, localhostProfile: " + d.derived + "}")
	}
	for _, w := range d.wanted {
		i := slices.IndexFunc(b.patch.Profiles, func(p Patched) bool { return p.Name == w.profile && p.File == file })
		if i < 0 {
			i = len(b.patch.Profiles)
			b.patch.Profiles = append(b.patch.Profiles, Patched{Name: w.profile, File: file, Derived: d.derived != "", Profile: d.after.Profile(w.profile)})
		}
		for _, f := range w.findings {
			if slices.Contains(fixed, f) {
				b.patch.Profiles[i].addContainer(f.Container)
			}
		}
	}
}

// addContainer adds a known container once.
func (p *Patched) addContainer(c container.Container) {
	known := slices.ContainsFunc(p.Containers, func(o container.Container) bool { return o.ID == c.ID && o.Name == c.Name })
	if c.Confidence != container.Unknown && !known {
		p.Containers = append(p.Containers, c)
	}
}

// noFix says why a wanted access has no fix.
func (b *patcher) noFix(d *policyDraft, w *wanted) string {
	if profile := d.after.Profile(w.profile); profile != nil && len(w.requests) > 0 {
		if _, notes := b.x.Fixes.Candidates(profile, w.requests[0], profile.Decide(w.requests[0]), w.caller); len(notes) > 0 {
			return notes[0]
		}
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

// gains returns what the draft grants beyond what is wanted of it.
func (d *policyDraft) gains() (gains []apparmor.Gain, complete bool) {
	complete = true
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
		gains, complete = append(gains, found...), complete && all
	}
	return gains, complete
}

// remedy is the fix of a wanted access, with what is proved of it in the whole.
func (d *policyDraft) remedy(w *wanted, gains []apparmor.Gain, complete bool, proof []string, changes []rules.Change) Remedy {
	r := Remedy{Fix: rules.Fix{Message: "granted by the rule for another finding"}}
	if w.fix != nil {
		r.Fix = *w.fix
		r.Fix.Edits = nil
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
	var own []apparmor.Gain
	for _, g := range gains {
		if deciding[g.Rule] {
			own = append(own, g)
		}
	}
	danger := fix.Worst(w.requests, own, profile)
	r.Fix.Risk, r.Fix.Reason = danger.Risk, danger.Reason
	r.Fix.Grants = fix.GainsWords(own)
	r.Fix.Proof = append(slices.Clip(proof), "the access is now allowed")
	if beyond := fix.ProvedBeyond(own, complete); beyond != "" {
		r.Fix.Proof = append(r.Fix.Proof, beyond)
	}
	if !d.needless {
		r.Fix.Proof = append(r.Fix.Proof, "no edit can be left out") // see prune; a deny rule is changed only if it refuses
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

// generalise puts accesses together whose paths differ by a number, where at least
// minLike of this run do: the next run will have other numbers, as long as these.
func (d *policyDraft) generalise() {
	const minLike = 5
	type like struct {
		numbers
		profile string
		perms   apparmor.Perms
		owner   bool
	}
	type group struct {
		wanted []*wanted
		digits []int // of each name's number
	}
	groups := map[like]*group{}
	for _, w := range d.wanted {
		if len(w.requests) != 1 || w.edits != nil {
			continue
		}
		file, ok := w.requests[0].(apparmor.FileRequest)
		profile := d.after.Profile(w.profile)
		if !ok || file.Target != "" || profile == nil || profile.Decide(file).Refused != 0 {
			continue
		}
		names, digits, ok := numbered(file.Path)
		if _, _, proc := fix.ProcPID(file.Path); !ok || proc || fix.NamedAlone(profile, file) {
			continue
		}
		key := like{names, w.profile, file.Perms, file.Owner}
		if groups[key] == nil {
			groups[key] = &group{}
		}
		groups[key].wanted = append(groups[key].wanted, w)
		groups[key].digits = append(groups[key].digits, digits)
	}
	for key, g := range groups {
		if len(g.wanted) < minLike {
			continue
		}
		joined := *g.wanted[0]
		joined.glob = key.glob(g.digits)
		joined.why = fmt.Sprintf("names that differ by a number, %d of which were refused", len(g.wanted))
		for _, w := range g.wanted[1:] {
			joined.requests = append(joined.requests, w.requests...)
			joined.findings = append(joined.findings, w.findings...)
		}
		d.wanted = slices.DeleteFunc(d.wanted, func(w *wanted) bool { return slices.Contains(g.wanted, w) })
		d.wanted = append(d.wanted, &joined)
	}
}

// inFolders has the names in a folder that the program makes under a name of its own
// each time stand for those in the next one, too. Complain mode logs both at once.
func (d *policyDraft) inFolders() {
	for _, made := range d.wanted {
		if len(made.requests) != 1 || !made.caller.Temporary {
			continue
		}
		folder, _ := made.requests[0].(apparmor.FileRequest)
		like := fix.NamesOf(folder.Path, made.caller, d.after.Variables)
		if !strings.HasSuffix(folder.Path, "/") || !like.First {
			continue
		}
		for _, w := range d.wanted {
			if len(w.requests) != 1 || w.profile != made.profile || w == made {
				continue
			}
			file, _ := w.requests[0].(apparmor.FileRequest)
			if rest, ok := strings.CutPrefix(file.Path, folder.Path); ok && file.Target == "" {
				w.glob, w.why = apparmor.QuoteAround("", strings.Trim(like.Glob, `"`), rest), "this name in folders like this one, whose name holds "+like.Why
			}
		}
	}
}

// numbers are the names that differ in the last number of their last component
// alone.
type numbers struct{ before, after string }

// numbered returns the names that a path is one of, and the digits of its number.
func numbered(path string) (names numbers, digits int, ok bool) {
	name := path[strings.LastIndexByte(path, '/')+1:]
	end := strings.LastIndexAny(name, "0123456789") + 1
	if end == 0 {
		return numbers{}, 0, false
	}
	start := end
	for start > 0 && name[start-1] >= '0' && name[start-1] <= '9' {
		start--
	}
	dir := path[:len(path)-len(name)]
	return numbers{dir + name[:start], name[end:]}, end - start, true
}

// glob is the path expression for the names with numbers of these many digits.
// AppArmor has no expression for digits alone however many; [0-9]* holds letters.
func (n numbers) glob(digits []int) string {
	slices.Sort(digits)
	var choices []string
	for _, length := range slices.Compact(digits) {
		choices = append(choices, strings.Repeat("[0-9]", length))
	}
	glob := strings.Join(choices, ",")
	if len(choices) > 1 {
		glob = "{" + glob + "}"
	}
	return apparmor.QuoteAround(n.before, glob, n.after)
}
