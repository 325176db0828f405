package fix

import (
	"fmt"
	"slices"
	"strings"

	"github.com/whydenied/whydenied/rules"
	"github.com/whydenied/whydenied/rules/apparmor"
)

// An Asked is an access to a file that a profile refused.
type Asked struct {
	Profile *apparmor.Profile
	File    apparmor.FileRequest
	Caller  Caller
}

// Those are the accesses of a list at some places.
func Those(all []Asked, places []int) (some []Asked) {
	for _, i := range places {
		some = append(some, all[i])
	}
	return some
}

// A Likeness is what names have in common that were refused alike: Glob stands for all
// of them, as the next run will have others, and Why says what they have in common.
type Likeness struct {
	Of        []int // places in the list that was asked about
	Glob, Why string
}

// A shape is what names have in common of which many were refused alike.
type shape struct {
	key   string
	least int                         // how many names make it certain
	glob  func(paths []string) string // for all of them
	why   string                      // what they have in common
}

// Likenesses puts accesses together whose paths are of one shape, where enough of them
// are. Each is in one at most.
func Likenesses(all []Asked) (found []Likeness) {
	type like struct {
		profile *apparmor.Profile
		key     string
		perms   apparmor.Perms
		owner   bool
	}
	shapes, groups := map[like]shape{}, map[like][]int{}
	var order []like
	for i, a := range all {
		if a.File.Target != "" || a.Profile.Decide(a.File).Refused != 0 {
			continue
		}
		s, ok := shapeOf(a)
		if _, _, proc := ProcPID(a.File.Path); !ok || proc || NamedAlone(a.Profile, a.File) {
			continue
		}
		key := like{a.Profile, s.key, a.File.Perms, a.File.Owner}
		if groups[key] == nil {
			shapes[key], order = s, append(order, key)
		}
		groups[key] = append(groups[key], i)
	}
	for _, key := range order {
		of, s := groups[key], shapes[key]
		if len(of) < s.least {
			continue
		}
		var paths []string
		for _, i := range of {
			paths = append(paths, all[i].File.Path)
		}
		found = append(found, Likeness{of, s.glob(paths), fmt.Sprintf("names that differ by %s, %d of which were refused", s.why, len(of))})
	}
	return found
}

// enoughNumbers is how many names that differ by a number have a rule for any.
const enoughNumbers = 5

// shapeOf returns the shape of a name: three that the program makes differ by what would
// be a random name if the call were known, five by a number.
func shapeOf(a Asked) (shape, bool) {
	vars, made := a.Profile.Policy.Variables, a.Caller
	made.Makes = a.File.Perms&apparmor.Write != 0
	if made.Makes && !NamesOf(a.File.Path, made, vars).First {
		made.Alike = true
		if names := NamesOf(a.File.Path, made, vars); names.First {
			return shape{names.Glob, 3, func([]string) string { return names.Glob }, names.Why}, true
		}
	}
	names, _, ok := numbersOf(a.File.Path)
	return shape{names.before + "\x00" + names.after, enoughNumbers, names.glob, "a number"}, ok
}

// numbers are the names that differ in the last number of their last component
// alone.
type numbers struct{ before, after string }

// numbersOf returns the names that a path is one of, and the digits of its number.
func numbersOf(path string) (names numbers, digits int, ok bool) {
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
		_, count, _ := numbersOf(path)
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

// Alike returns the proved rule for accesses of one likeness, if there is one.
func (p *Proposer) Alike(all []Asked, l Likeness) (rules.Fix, bool) {
	profile := all[l.Of[0]].Profile
	var requests []apparmor.Request
	for _, i := range l.Of {
		requests = append(requests, all[i].File)
	}
	fix := Glob(all[l.Of[0]], l.Glob, l.Why)
	_, ok := p.prove(&fix, profile, requests...)
	return fix, ok
}
