package coverage

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/whydenied/whydenied/explain/fix"
	"github.com/whydenied/whydenied/rules/apparmor"
)

// maxNarrower is how many rules may stand in place of one.
const maxNarrower = 6

// narrow finds of each rule that is used what it can be made without losing what was seen.
func narrow(u *usage, p *Profile) {
	seen := make([][]*observation, len(p.Rules))
	for _, o := range u.all {
		for _, i := range o.rules {
			seen[i] = append(seen[i], o)
		}
	}
	for i := range p.Rules {
		r := &p.Rules[i]
		if r.Count == 0 || r.Dead || r.AppArmor.Head().Deny || u.more[i] > 0 {
			continue
		}
		for _, text := range u.candidates(r.AppArmor, seen[i]) {
			if u.isNarrower(r.AppArmor, text, seen[i]) {
				r.Narrower = text
				break
			}
		}
	}
}

// candidates returns the texts that may stand in place of a rule, narrowest first.
func (u *usage) candidates(r apparmor.Rule, seen []*observation) []string {
	head := headOf(r)
	if file, ok := r.(*apparmor.FileRule); ok {
		return u.fileCandidates(file, head, seen)
	}
	if c, ok := r.(*apparmor.CapabilityRule); ok {
		var names []string
		for _, o := range seen {
			if q, ok := o.request.(apparmor.CapabilityRequest); ok {
				names = append(names, q.Name)
			}
		}
		slices.Sort(names)
		if len(c.Names) > 0 && len(names) == len(c.Names) {
			return nil
		}
		return []string{head + "capability " + strings.Join(names, " ") + ","}
	}
	var lines []string
	for _, o := range seen {
		lines = append(lines, head+apparmor.RuleFor(o.request, apparmor.Transition{}))
	}
	return few(lines)
}

// few returns different lines as one text, if they are no more than may stand in place of one rule.
func few(lines []string) []string {
	slices.Sort(lines)
	if lines = slices.Compact(lines); len(lines) == 0 || len(lines) > maxNarrower {
		return nil
	}
	return []string{strings.Join(lines, "\n")}
}

// headOf returns the qualifiers of a rule, those of blocks around it included.
func headOf(r apparmor.Rule) (head string) {
	h := r.Head()
	if h.Priority != 0 {
		head += fmt.Sprintf("priority=%d ", h.Priority)
	}
	if h.Audit {
		head += "audit "
	}
	if h.Owner {
		head += "owner "
	}
	return head
}

// fileCandidates is candidates of a rule for files: the names that were seen; all of the
// directory that holds them; the rule's own names with the permissions that were seen.
func (u *usage) fileCandidates(r *apparmor.FileRule, head string, seen []*observation) (texts []string) {
	perms := map[string]apparmor.Perms{}
	var all, common = apparmor.Perms(0), ""
	for i, o := range seen {
		file, ok := o.request.(apparmor.FileRequest)
		if !ok || !strings.HasPrefix(file.Path, "/") {
			return nil
		}
		asked := file.Perms & granted(r)
		names := fix.NamesOf(file.Path, fix.Caller{Makes: asked&(apparmor.Write|apparmor.Append) != 0}, u.appArmor.Policy.Variables)
		glob := names.Glob
		if glob == "" || !names.Only && !names.First {
			glob = apparmor.QuotePath(file.Path)
		}
		perms[glob] |= asked
		all |= asked
		if dir := path.Dir(strings.TrimSuffix(file.Path, "/")); i == 0 {
			common = dir
		} else {
			common = commonDir(common, dir)
		}
	}
	var lines []string
	for glob, asked := range perms {
		lines = append(lines, head+line(glob, asked, r))
	}
	texts = few(lines)
	if common != "/" && common != "" {
		texts = append(texts, head+line(apparmor.QuoteAround(common+"/", "**", ""), all, r))
	}
	if r.Path != nil && all != granted(r)&^implied(r) {
		texts = append(texts, head+line(r.PathAt.Text(), all, r))
	}
	return texts
}

// granted are the permissions that a rule may grant: w holds a, and ix may hold m.
func granted(r *apparmor.FileRule) apparmor.Perms { return r.Perms | implied(r) }

// implied are those of them that it does not name.
func implied(r *apparmor.FileRule) (perms apparmor.Perms) {
	if r.Perms&apparmor.Write != 0 {
		perms |= apparmor.Append
	}
	if r.Perms&apparmor.Exec != 0 {
		perms |= apparmor.Mmap
	}
	return perms &^ r.Perms
}

// line is a rule for a path expression.
func line(glob string, perms apparmor.Perms, r *apparmor.FileRule) string {
	return glob + strings.TrimPrefix(apparmor.RuleFor(apparmor.FileRequest{Path: "/", Perms: perms}, r.Exec), "/")
}

// commonDir returns the directory that two directories are or are below.
func commonDir(a, b string) string {
	for a != b && a != "/" {
		if len(a) < len(b) {
			a, b = b, a
		}
		a = path.Dir(a)
	}
	return a
}

// isNarrower reports whether a text in place of a rule is proved to grant less, to grant nothing
// else, and to decide what was seen as the rule does.
func (u *usage) isNarrower(r apparmor.Rule, text string, seen []*observation) bool {
	narrowed, ok := u.appArmor.Replaced(r, text)
	if !ok {
		return false
	}
	for _, o := range seen {
		was, is := u.appArmor.Decide(o.request), narrowed.Decide(o.request)
		if was.Granted != is.Granted || was.Audited != is.Audited || !sameExecution(was.Exec, is.Exec) {
			return false
		}
	}
	if gains, complete := apparmor.Gains(u.appArmor, narrowed); len(gains) > 0 || !complete {
		return false
	}
	losses, _ := apparmor.Gains(narrowed, u.appArmor)
	return len(losses) > 0
}

// sameExecution reports whether two executions lead to the same profile in the same way.
func sameExecution(a, b *apparmor.Execution) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Profile == b.Profile && a.Transition.String() == b.Transition.String()
}
