package patch

import (
	"fmt"
	"slices"
	"strings"

	"github.com/whydenied/whydenied/explain/fix"
	"github.com/whydenied/whydenied/rules/apparmor"
)

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

// A shape is what names have in common of which many were refused alike.
type shape struct {
	key   string
	least int                         // how many names make it certain
	glob  func(paths []string) string // for all of them
	why   string                      // what they have in common
}

// generalise puts accesses together whose paths are of one shape, where enough of this
// run are: the next run will have others of it.
func (d *policyDraft) generalise() {
	type like struct {
		key, profile string
		perms        apparmor.Perms
		owner        bool
	}
	shapes := map[like]shape{}
	groups := map[like][]*wanted{}
	var order []like
	for _, w := range d.wanted {
		file, ok := w.file()
		profile := d.after.Profile(w.profile)
		if !ok || file.Target != "" || profile == nil || profile.Decide(file).Refused != 0 {
			continue
		}
		s, ok := shapeOf(w, file, d.after.Variables)
		if _, _, proc := fix.ProcPID(file.Path); !ok || proc || fix.NamedAlone(profile, file) {
			continue
		}
		key := like{s.key, w.profile, file.Perms, file.Owner}
		if groups[key] == nil {
			shapes[key], order = s, append(order, key)
		}
		groups[key] = append(groups[key], w)
	}
	for _, key := range order {
		if g := groups[key]; len(g) >= shapes[key].least {
			d.join(g, shapes[key])
		}
	}
}

// join makes one of wanted accesses to files whose names are of one shape.
func (d *policyDraft) join(group []*wanted, s shape) {
	joined := *group[0]
	joined.requests, joined.findings = nil, nil
	isJoined := map[*wanted]bool{}
	var paths []string
	for _, w := range group {
		paths = append(paths, w.requests[0].(apparmor.FileRequest).Path)
		joined.requests = append(joined.requests, w.requests...)
		joined.findings = append(joined.findings, w.findings...)
		isJoined[w] = true
	}
	joined.glob = s.glob(paths)
	joined.why = fmt.Sprintf("names that differ by %s, %d of which were refused", s.why, len(group))
	d.wanted = append(slices.DeleteFunc(d.wanted, func(w *wanted) bool { return isJoined[w] }), &joined)
}

// shapeOf returns the shape of a name: three that the program makes differ by what would
// be a random name if the call were known, five by a number.
func shapeOf(w *wanted, file apparmor.FileRequest, vars map[string][]string) (shape, bool) {
	made := w.caller
	made.Makes = file.Perms&apparmor.Write != 0
	if made.Makes && !fix.NamesOf(file.Path, made, vars).First {
		made.Alike = true
		if names := fix.NamesOf(file.Path, made, vars); names.First {
			return shape{names.Glob, 3, func([]string) string { return names.Glob }, names.Why}, true
		}
	}
	names, _, ok := numbered(file.Path)
	return shape{names.before + "\x00" + names.after, 5, names.glob, "a number"}, ok
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
				w.glob, w.why = apparmor.QuoteAround("", strings.Trim(in.like.Glob, `"`), file.Path[i+1:]), "this name in folders like this one, whose name holds "+in.like.Why
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

// glob is the path expression for names with numbers of as many digits as these have.
// AppArmor has no expression for digits alone however many; [0-9]* holds letters.
func (n numbers) glob(paths []string) string {
	var digits []int
	for _, path := range paths {
		_, count, _ := numbered(path)
		digits = append(digits, count)
	}
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
