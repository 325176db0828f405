package patch

import (
	"slices"
	"strings"

	"github.com/whydenied/whydenied/explain/fix"
	"github.com/whydenied/whydenied/rules/apparmor"
)

// names has rules stand for as many names as a breadth says.
func (d *policyDraft) names(breadth fix.Breadth) {
	d.temporaries()
	switch breadth {
	case fix.OfNames:
		d.generalise()
		d.inFolders()
	case fix.OfFolder, fix.OfTree:
		d.inFolders()
		d.widen(breadth)
		d.generalise()
	}
}

// temporaries has a link to a file that was made by a call for temporary files know so.
func (d *policyDraft) temporaries() {
	for _, w := range d.wanted {
		if file, ok := w.file(); ok && file.Target != "" {
			target := d.files[fileKey{profile: w.profile, path: file.Target}]
			w.caller.Linked = target != nil && target.caller.Temporary
		}
	}
}

// file returns the access to a file that is wanted, if it is one.
func (w *wanted) file() (apparmor.FileRequest, bool) {
	if len(w.requests) != 1 || w.edits != nil {
		return apparmor.FileRequest{}, false
	}
	file, ok := w.requests[0].(apparmor.FileRequest)
	return file, ok
}

// asked are the accesses to files of which each has a rule of its own so far, and what is
// wanted with them.
func (d *policyDraft) asked() (asked []fix.Asked, wanting []*wanted) {
	for _, w := range d.wanted {
		file, ok := w.file()
		if profile := d.after.Profile(w.profile); ok && w.glob == "" && profile != nil {
			wanting = append(wanting, w)
			asked = append(asked, fix.Asked{Profile: profile, File: file, Caller: w.caller})
		}
	}
	return asked, wanting
}

// asked are the accesses to files that are wanted, under a profile as it is now.
func (w *wanted) asked(profile *apparmor.Profile) (all []fix.Asked) {
	for _, req := range w.requests {
		all = append(all, fix.Asked{Profile: profile, File: req.(apparmor.FileRequest), Caller: w.caller})
	}
	return all
}

// widen puts accesses to files together that one rule of a breadth grants.
func (d *policyDraft) widen(breadth fix.Breadth) {
	asked, wanting := d.asked()
	for _, wider := range breadth.Wider(asked) {
		var group []*wanted
		for _, i := range wider.Of {
			group = append(group, wanting[i])
			if wider.Glob == "" {
				wanting[i].kept = wider.Why
			}
		}
		if wider.Glob != "" {
			d.join(group, wider.Glob, wider.Why)
		}
	}
}

// generalise puts accesses together whose paths are of one shape, where enough of this
// run are: the next run will have others of it.
func (d *policyDraft) generalise() {
	asked, wanting := d.asked()
	for _, like := range fix.Likenesses(asked) {
		var group []*wanted
		for _, i := range like.Of {
			group = append(group, wanting[i])
		}
		d.join(group, like.Glob, like.Why)
	}
}

// join makes one of wanted accesses to files: glob stands for all of them, and why says
// what they have in common.
func (d *policyDraft) join(group []*wanted, glob, why string) {
	joined := *group[0]
	joined.requests, joined.findings = nil, nil
	joined.glob, joined.why = glob, why
	isJoined := map[*wanted]bool{}
	for _, w := range group {
		joined.requests = append(joined.requests, w.requests...)
		joined.findings = append(joined.findings, w.findings...)
		isJoined[w] = true
	}
	d.wanted = append(slices.DeleteFunc(d.wanted, func(w *wanted) bool { return isJoined[w] }), &joined)
}

// inFolders has the names in a folder that the program makes under a name of its own
// each time stand for those in the next one, too. Complain mode logs both at once.
func (d *policyDraft) inFolders() {
	type folder struct {
		made *wanted
		like fix.Names
		at   int // in d.wanted
	}
	folders := map[fileKey]folder{}
	for i, made := range d.wanted {
		if len(made.requests) != 1 || !made.caller.Temporary {
			continue
		}
		file, _ := made.requests[0].(apparmor.FileRequest)
		maker := made.caller
		maker.Makes = true
		if like := fix.NamesOf(file.Path, maker, d.after.Variables); strings.HasSuffix(file.Path, "/") && like.First {
			folders[fileKey{profile: made.profile, path: file.Path}] = folder{made, like, i}
		}
	}
	if len(folders) == 0 {
		return
	}
	for _, w := range d.wanted {
		if len(w.requests) != 1 {
			continue
		}
		file, _ := w.requests[0].(apparmor.FileRequest)
		last := -1
		for i := range file.Path {
			in, ok := folders[fileKey{profile: w.profile, path: file.Path[:i+1]}]
			if file.Path[i] == '/' && ok && in.made != w && in.at > last && file.Target == "" {
				last = in.at
				caller := w.caller
				caller.Makes = file.Perms&apparmor.Write != 0
				names := fix.NamesOf(file.Path, caller, d.after.Variables)
				w.glob, w.why = names.In(strings.TrimSuffix(strings.Trim(in.like.Glob, `"`), "/"), file.Path, i), "this name in folders like this one, whose name holds "+in.like.Why
			}
		}
	}
}
