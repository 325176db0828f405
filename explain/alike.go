package explain

import (
	"slices"

	"github.com/whydenied/whydenied/explain/fix"
	"github.com/whydenied/whydenied/rules"
	"github.com/whydenied/whydenied/rules/apparmor"
)

// fixAlike adds fixes to findings that together tell more than each by itself: of files whose
// names are of one shape first what allows all names of it, as a patch does, and of
// several in one folder what allows the others, after the narrowest. Another breadth has
// its own.
func (x *Explainer) fixAlike(all []*Explained) {
	if x.Fixes.Breadth != fix.OfNames {
		return
	}
	asked, findings := refusedFiles(all)
	for _, of := range fix.InFolders(asked) {
		if len(of) > 1 {
			offer(findings, of, 1, x.Fixes.Siblings(fix.Those(asked, of))...)
		}
	}
	for _, like := range fix.Likenesses(asked) {
		if proved, ok := x.Fixes.Alike(asked, like); ok {
			offer(findings, like.Of, 0, proved)
		}
	}
}

// refusedFiles are the files that findings are about, each access once, and the findings
// of each. Where a rule refuses one, or nothing could be proved, another rule would not
// allow it.
func refusedFiles(all []*Explained) (asked []fix.Asked, findings [][]*Explained) {
	type key struct {
		profile *apparmor.Profile
		file    apparmor.FileRequest
	}
	places := map[key]int{}
	for _, f := range all {
		if f == nil || len(f.Fixes) == 0 || f.Cause == DenyRule {
			continue
		}
		file, ok := f.Request.(apparmor.FileRequest)
		if !ok {
			continue
		}
		i, ok := places[key{f.Profile, file}]
		if !ok {
			i = len(asked)
			places[key{f.Profile, file}] = i
			asked = append(asked, fix.Asked{Profile: f.Profile, File: file, Caller: fix.CallerOf(&f.Denial)})
			findings = append(findings, nil)
		}
		findings[i] = append(findings[i], f)
	}
	return asked, findings
}

// offer puts fixes that a finding does not have yet at a place among its own.
func offer(findings [][]*Explained, of []int, at int, fixes ...rules.Fix) {
	for _, i := range of {
		for _, f := range findings[i] {
			fresh := slices.DeleteFunc(slices.Clone(fixes), func(x rules.Fix) bool {
				return slices.ContainsFunc(f.Fixes, func(have rules.Fix) bool { return have.Rule == x.Rule })
			})
			f.Fixes = slices.Insert(f.Fixes, min(at, len(f.Fixes)), fresh...)
		}
	}
}
