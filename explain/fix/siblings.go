package fix

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/whydenied/whydenied/rules"
	"github.com/whydenied/whydenied/rules/apparmor"
)

// enoughSiblings is how many names of a folder, granted or refused alike, have a rule
// for its other names offered.
const enoughSiblings = 3

// Siblings returns proved rules for the other names in the folder of files that a profile
// refused alike, the narrowest first: of the shape that a rule for a folder like it has,
// and, where enough names of it are granted or refused, of its files.
func (p *Proposer) Siblings(all []Asked) (proved []rules.Fix) {
	var requests []apparmor.Request
	for _, a := range all {
		requests = append(requests, a.File)
	}
	for _, candidate := range siblingFixes(all) {
		if _, ok := p.prove(&candidate, all[0].Profile, requests...); ok {
			proved = append(proved, candidate)
		}
	}
	return proved
}

// siblingFixes are what Siblings has to prove. Nothing is proposed that is more dangerous
// than what was asked for.
func siblingFixes(all []Asked) (fixes []rules.Fix) {
	profile, file := all[0].Profile, all[0].File
	if file.Target != "" || file.Perms&apparmor.Exec != 0 {
		return nil
	}
	if like := shapeElsewhere(profile, file); like.rule != "" {
		fixes = append(fixes, Insert(profile, like.rule, "add a rule like that for "+like.of))
	}
	folder := path.Dir(file.Path) + "/"
	if strings.HasSuffix(file.Path, "/") || isSharedFolder(folder) {
		return fixes
	}
	names := grantedSiblings(profile, file)
	granted := len(names)
	for _, a := range all {
		names[a.File.Path] = true
	}
	if len(names) < enoughSiblings || dangerOfAll(apparmor.QuoteAround(folder, "*", ""), file.Perms).Risk > RequestDanger(file).Risk {
		return fixes
	}
	what := fmt.Sprintf("%d of which were refused", len(all))
	if granted > 0 {
		what = fmt.Sprintf("%d of which are allowed already", granted)
	}
	in, last := splitName(all[0])
	if last != strings.Trim(apparmor.QuotePath(path.Base(file.Path)), `"`) {
		return fixes // which has a rule for names like it
	}
	return append(fixes, Glob(all[0], spaced(in+"*"), "all files in "+folder+", "+what))
}

// splitName splits the path expression for a file at its last slash: what varies in it is
// open.
func splitName(a Asked) (folder, name string) {
	spelled := spell(a.Profile, a.File.Path, a.Caller)
	if names := pathNames(a.Profile, a.File, a.Caller); names.Only || names.First {
		spelled = spellGlob(a.Profile, names.Glob)
	}
	spelled = strings.Trim(spelled, `"`)
	slash := strings.LastIndexByte(spelled, '/') + 1
	return spelled[:slash], spelled[slash:]
}

// grantedSiblings are the files in the folder of another that rules of the profile's own
// grant the same, each by its name.
func grantedSiblings(profile *apparmor.Profile, file apparmor.FileRequest) map[string]bool {
	names := map[string]bool{}
	for _, r := range profile.Rules {
		rule, ok := r.(*apparmor.FileRule)
		if !ok || rule.Deny || rule.Shared || rule.Path == nil || file.Perms&^grantedBy(rule) != 0 || rule.Owner && !file.Owner {
			continue
		}
		name, literal := rule.Path.Literal()
		if literal && name != file.Path && !strings.HasSuffix(name, "/") && path.Dir(name) == path.Dir(file.Path) {
			names[name] = true
		}
	}
	return names
}

// A likeRule is a rule of the shape that another has.
type likeRule struct {
	rule string
	of   string // the folder that the other is for
}

// shapeElsewhere returns the rule for a file that has the shape of a rule of the profile's
// own for a folder elsewhere: of the same name, as data are moved, or beside it. Of several
// it is that whose folder has most in common with the file's, and of those the first.
func shapeElsewhere(profile *apparmor.Profile, file apparmor.FileRequest) (best likeRule) {
	most := 0
	for _, r := range profile.Rules {
		rule, ok := r.(*apparmor.FileRule)
		if !ok || rule.Deny || rule.Shared || rule.Path == nil || file.Perms&^grantedBy(rule) != 0 || rule.Owner && !file.Owner {
			continue
		}
		from, tail := openPart(rule.Path)
		for end := range file.Path {
			to := file.Path[:end]
			if tail == "" || file.Path[end] != '/' || isSharedFolder(to+"/") {
				continue
			}
			near := inCommon(from, to)
			glob := apparmor.QuoteAround(to, tail, "")
			if near <= most || !pattern(strings.Trim(glob, `"`)).Match(file.Path) || dangerOfAll(glob, rule.Perms).Risk > RequestDanger(file).Risk {
				continue
			}
			best, most = likeRule{shapedRule(rule, file, glob), from + "/"}, near
		}
	}
	return best
}

// shapedRule is a rule with the permissions of another for what a glob names.
func shapedRule(rule *apparmor.FileRule, file apparmor.FileRequest, glob string) string {
	file.Perms = rule.Perms &^ apparmor.Exec
	text := strings.Replace(apparmor.RuleFor(file, apparmor.Transition{}), apparmor.QuotePath(file.Path), glob, 1)
	if rule.Owner {
		return "owner " + text
	}
	return text
}

// inCommon returns how much two folders have in common where what is in one may be as in the
// other, else 0: the same name counts most, then each folder above them of a common name.
func inCommon(a, b string) int {
	const sameName = 100
	near := 0
	switch {
	case a == b:
		return 0
	case path.Base(a) == path.Base(b):
		near = sameName
	case path.Dir(a) != path.Dir(b) || isSharedFolder(path.Dir(a)+"/"):
		return 0
	}
	above := strings.Split(path.Dir(a), "/")
	for component := range strings.SplitSeq(path.Dir(b), "/") {
		if slices.Contains(above, component) { // the root is one
			near++
		}
	}
	return near
}

// openPart splits a path expression into the folder whose name it gives, and what leaves
// names in it open, which begins with a slash; "" if it leaves none.
func openPart(p *apparmor.Pattern) (folder, open string) {
	if len(p.Expanded) != 1 {
		return "", ""
	}
	glob := p.Expanded[0]
	i := strings.IndexAny(glob, `*?[{\`)
	if i < 0 || !strings.HasPrefix(glob, "/") {
		return "", ""
	}
	slash := strings.LastIndexByte(glob[:i], '/')
	if slash <= 0 {
		return "", ""
	}
	return glob[:slash], glob[slash:]
}

// grantedBy are the permissions that a rule grants on what it names.
func grantedBy(rule *apparmor.FileRule) apparmor.Perms {
	if rule.Perms&apparmor.Write != 0 {
		return rule.Perms | apparmor.Append
	}
	return rule.Perms
}

// InFolders puts accesses together that are to files of one folder, or to the folder itself,
// and alike otherwise, by their places in the list: Siblings may have a rule for them.
func InFolders(all []Asked) (groups [][]int) {
	type like struct {
		profile *apparmor.Profile
		folder  string
		itself  bool
		perms   apparmor.Perms
		owner   bool
	}
	places := map[like]int{}
	for i, a := range all {
		if a.File.Target != "" {
			continue
		}
		slash := strings.LastIndexByte(a.File.Path, '/')
		key := like{a.Profile, a.File.Path[:slash+1], slash == len(a.File.Path)-1, a.File.Perms, a.File.Owner}
		n, ok := places[key]
		if !ok {
			n = len(groups)
			places[key], groups = n, append(groups, nil)
		}
		groups[n] = append(groups[n], i)
	}
	return groups
}
