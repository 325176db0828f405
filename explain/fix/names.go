package fix

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/whydenied/whydenied/explain/access"
	"github.com/whydenied/whydenied/explain/secret"
	"github.com/whydenied/whydenied/parser"
	"github.com/whydenied/whydenied/rules/apparmor"
)

// Names are the names that a path stands for, where it holds something that the
// next run will have another of.
type Names struct {
	Glob  string // as a rule has it; "" if the path stands for itself
	Why   string // what it holds: "a process ID"
	Only  bool   // the path itself is of no use in a rule
	First bool   // the next run is sure to have another name
	made  bool   // First only where the file is made or changed: a name of what is only read stays
}

// A Caller is what a record tells of who asked for a path, and how.
type Caller struct {
	PID       int  // of the process that was refused, 0 if it is unknown
	PPID      int  // of its parent, likewise: a shell's $$ in what its children are told to open
	Makes     bool // the program makes or changes the file
	Temporary bool // the call is one by which temporary files and folders are made
	Alike     bool // whether such a call or not, several names of its run would be of one shape then
	Linked    bool // the target of the link was made by such a call
	Home      bool // its profile has a variable for the home directories of users, and uses it
	Root      bool // the file belongs to root
	Exact     bool // rules are to be for the names that were refused, and no others
}

// CallerOf returns the caller of a record.
func CallerOf(d *parser.Denial) Caller {
	c := Caller{PID: d.Subject.PID, Temporary: access.Temporary(d)}
	if a := d.AppArmor; a != nil && a.OUID != nil {
		c.Root = *a.OUID == 0
	}
	if call := d.Event.Record(parser.SYSCALL); call != nil {
		c.PPID, _ = strconv.Atoi(call.Get("ppid"))
	}
	return c
}

// besideName is a name with six more characters, as mkstemp(3) makes them.
var besideName = regexp.MustCompile(`(?s)^(.*[^/])([A-Za-z0-9]{6})$`)

// replacementNames are those of a file that a program makes beside one that the
// profile names, to take its place, as busybox's sed -i and others do.
func replacementNames(profile *apparmor.Profile, path string) Names {
	m := besideName.FindStringSubmatch(path)
	if m == nil || !random(m[2], 1) {
		return Names{}
	}
	if !NamedAlone(profile, apparmor.FileRequest{Path: m[1], Owner: true}) {
		return Names{}
	}
	return Names{Glob: apparmor.QuoteAround(m[1], strings.Repeat("?", len(m[2])), ""), Why: randomName, First: true, made: true}
}

// older is the name of an older file, which a rotation has given a number behind a dot.
var older = lazy(`(?s)^(.*[^/.])\.([1-9][0-9]{0,2})((?:\.[a-z0-9]{1,4})?)$`)

// rotatedNames are those of older files of one that the program rotates: each gets the next number, as
// log.1 becomes log.2. Known are they where rules name the one before alone, and the file itself or the one
// before that.
func rotatedNames(profile *apparmor.Profile, path string) Names {
	m := older().FindStringSubmatch(path)
	if m == nil || packaged.MatchString(path) {
		return Names{}
	}
	n, _ := strconv.Atoi(m[2])
	kept := func(n int) bool { return n > 0 && writtenAlone(profile, m[1]+"."+strconv.Itoa(n)+m[3]) }
	if !kept(n-1) || !writtenAlone(profile, m[1]) && !kept(n-2) {
		return Names{}
	}
	return Names{Glob: apparmor.QuoteAround(m[1]+".", strings.Repeat("[0-9]", len(m[2])), m[3]), Why: "the number of a file that is rotated", First: true, made: true}
}

// writtenAlone reports whether a rule for a file alone lets it be written.
func writtenAlone(profile *apparmor.Profile, name string) bool {
	file := apparmor.FileRequest{Path: name, Perms: apparmor.Write, Owner: true}
	return NamedAlone(profile, file) && profile.Decide(file).Unmatched == 0
}

// writtenBy reports whether a rule with a path expression lets a file be written.
func writtenBy(profile *apparmor.Profile, name, glob string) bool {
	return slices.ContainsFunc(profile.Decide(apparmor.FileRequest{Path: name, Perms: apparmor.Write, Owner: true}).Allow, func(r apparmor.Rule) bool {
		rule, ok := r.(*apparmor.FileRule)
		return ok && rule.Path != nil && rule.Path.Source == glob
	})
}

// numberedNames are those of files that a program makes one after the other, each with the next number,
// where it ends at the first that it is refused. Known are they where rules name the four before alone, as five
// are where they are refused at once, or by such a rule for shorter numbers.
func numberedNames(profile *apparmor.Profile, path string) Names {
	like, width, ok := numbersOf(path)
	if !ok || notMade().MatchString(path) {
		return Names{}
	}
	n, err := strconv.Atoi(path[len(like.before):][:width])
	if err != nil || n < enoughNumbers-1 {
		return Names{}
	}
	for i := n - enoughNumbers + 1; i < n; i++ {
		known := func(digits string) bool {
			name := like.before + digits + like.after
			return writtenAlone(profile, name) || writtenBy(profile, name, like.glob([]string{name}))
		}
		if !known(strconv.Itoa(i)) && !known(fmt.Sprintf("%0*d", width, i)) {
			return Names{}
		}
	}
	return Names{Glob: like.glob([]string{path}), Why: "a number, and the profile names the four before", First: true, made: true}
}

// notMade is where files whose names differ by a number are devices, or made by somebody else.
var notMade = lazy(`^/(?:dev|proc|sys|etc|usr|bin|sbin|lib[^/]*|boot)/`)

// A span is a part of a path that a glob stands for.
type span struct {
	from, to int
	Names
}

// NamesOf returns the names that a path stands for: all that varies in it does so
// in them. vars are the variables of its policy.
func NamesOf(path string, c Caller, vars map[string][]string) Names {
	var spans []span
	if s, ok := procSpan(path, vars); ok {
		spans = append(spans, s)
	} else if s, ok := secretSpan(path); ok {
		spans = append(spans, s)
	}
	home, inHome := homeSpan(path, vars)
	if inHome && c.Home && !c.Exact && len(spans) == 0 {
		home.First = true
		spans = append(spans, home)
	}
	masked := []byte(path)
	for _, s := range spans {
		mask(masked, s)
	}
	start := 0
	for component := range strings.SplitAfterSeq(path, "/") {
		own := c
		last := start+len(component) == len(path)
		own.Temporary, own.Alike = c.Temporary && last, c.Alike && last
		if c.Exact {
			break
		}
		spans = append(spans, componentSpans(path[:start], masked[start:start+len(strings.TrimSuffix(component, "/"))], own)...)
		start += len(component)
	}
	for _, which := range []func(n Names) bool{
		func(n Names) bool { return n.Only || n.First && (c.Makes || !n.made) },
		func(n Names) bool { return n.First },
	} {
		if names := together(path, spans, which); names.Glob != "" {
			return names
		}
	}
	if len(spans) > 0 {
		return together(path, spans[:1], func(Names) bool { return true })
	}
	if inHome && !c.Exact {
		return together(path, []span{home}, func(Names) bool { return true })
	}
	return Names{}
}

// together are the names for those spans of a path that are of a kind.
func together(path string, spans []span, which func(Names) bool) (names Names) {
	slices.SortFunc(spans, func(x, y span) int { return x.from - y.from })
	var glob strings.Builder
	quote, end := false, 0
	add := func(text string) {
		inner, quoted := strings.CutPrefix(text, `"`)
		glob.WriteString(strings.TrimSuffix(inner, `"`))
		quote = quote || quoted
	}
	var whys []string
	for _, s := range spans {
		if !which(s.Names) {
			continue
		}
		add(apparmor.QuoteAround(path[end:s.from], s.Glob, ""))
		end = s.to
		names.Only = names.Only || s.Only
		names.First = names.First || s.First
		names.made = names.made || s.made
		if !slices.Contains(whys, s.Why) {
			whys = append(whys, s.Why)
		}
	}
	if end == 0 {
		return Names{}
	}
	add(apparmor.QuoteAround(path[end:], "", ""))
	names.Why, names.Glob = list(whys), uncounted(glob.String())
	if quote {
		names.Glob = `"` + names.Glob + `"`
	}
	return names
}

// counted is a * with many of ? behind it: apparmor_parser makes twice the states for each, as for
// every byte it must know which of the last ones could have begun them.
var counted = regexp.MustCompile(`(\*[^/*]*?)\?{9,}`)

// uncounted returns a glob with a * in place of what cannot be counted behind another.
func uncounted(glob string) string {
	for counted.MatchString(glob) {
		glob = counted.ReplaceAllString(glob, "$1*")
	}
	return glob
}

// mask takes a part of a path out of what is looked at: a NUL is in no name.
func mask(path []byte, s span) {
	for i := s.from; i < s.to; i++ {
		path[i] = 0
	}
}

// hidden is what a bundle has in place of a secret.
var hidden = regexp.MustCompile(`\*{8,}`)

// secretSpan finds a secret in a path: it is not for a profile, which many may read.
func secretSpan(path string) (span, bool) {
	from, to, ok := secret.Places(path)
	if at := hidden.FindStringIndex(path); !ok && at != nil {
		from, to, ok = at[0], at[1], true
	}
	if !ok {
		return span{}, false
	}
	glob := []byte(path[from:to])
	for i, c := range glob {
		if c != '/' {
			glob[i] = '?'
		}
	}
	return span{from, to, Names{Glob: string(glob), Why: "what looks like a secret", Only: true}}, true
}

// procSpan finds the ID in /proc/PID/...: a rule is for every process's, as the ID
// says nothing about the next run. PID 1 is the first of its namespace and stays.
func procSpan(path string, vars map[string][]string) (span, bool) {
	id, rest, ok := ProcPID(path)
	if !ok || id == "1" {
		return span{}, false
	}
	proc, thread := "/proc/[0-9]*", "[0-9]*"
	if vars["PROC"] != nil && vars["pid"] != nil {
		proc, thread = "@{PROC}/@{pid}", "@{pid}"
		if vars["tid"] != nil {
			thread = "@{tid}"
		}
	}
	if tail, ok := strings.CutPrefix(rest, "/task/"); ok {
		if n := digits(tail); n > 0 && (n == len(tail) || tail[n] == '/') {
			proc, rest = proc+"/task/"+thread, tail[n:]
		}
	}
	return span{0, len(path) - len(rest), Names{Glob: proc, Why: "a process ID", Only: true}}, true
}

func digits(s string) int {
	n := 0
	for n < len(s) && s[n] >= '0' && s[n] <= '9' {
		n++
	}
	return n
}

// userID is a component that is a user's ID, in a folder for users' files.
var userFolder = regexp.MustCompile(`^(?:/var)?/run/user/$`)

// componentSpans finds what varies in one component of a path, a name in a folder, and
// masks it.
func componentSpans(folder string, name []byte, c Caller) (spans []span) {
	start := len(folder)
	if len(name) > 0 && digits(string(name)) == len(name) && userFolder.MatchString(folder) {
		return []span{{start, start + len(name), Names{Glob: "[0-9]*", Why: "a user ID"}}}
	}
	word := len(name) > 2 && isWord(string(name)) // as most are
	if word && !c.Makes {
		return nil
	}
	claim := func(s span) {
		mask(name, s)
		s.from, s.to = s.from+start, s.to+start
		spans = append(spans, s)
	}
	if word {
		generated(folder, name, sureGenerators(), c, false, claim)
		return spans
	}
	fromPackages := packaged.MatchString(folder)
	generated(folder, name, times(), c, fromPackages, claim)
	for n, pid := range [...]int{c.PID, c.PPID} {
		if fromPackages {
			break
		}
		why := [...]string{"the ID of the process", "the ID of the process's parent"}[n]
		for _, at := range numbersIn(name, pid) {
			claim(span{at, at + len(strconv.Itoa(pid)), Names{Glob: "[0-9]*", Why: why, First: true}})
		}
	}
	generated(folder, name, generators(), c, fromPackages, claim)
	return spans
}

// numbersIn returns where a process ID stands in a name as a number of its own. One of
// less than three digits is as likely another number.
func numbersIn(name []byte, pid int) (places []int) {
	id := strconv.Itoa(pid)
	for i := 0; pid > 9 && i+len(id) <= len(name); i++ {
		end := i + len(id)
		whole := (i == 0 || !isDigit(name[i-1])) && (end == len(name) || !isDigit(name[end]))
		if whole && string(name[i:end]) == id {
			places = append(places, i)
		}
	}
	return places
}

// generated claims the parts of a name that generators have made, in a folder that is
// packaged or not.
func generated(folder string, name []byte, table []generator, c Caller, fromPackages bool, claim func(span)) {
	for i := range table {
		g := &table[i]
		least := g.least
		switch {
		case g.need == made && fromPackages:
			continue // what is there has the name that its package gave it
		case g.need != nothing && g.need != never && fromPackages:
			least = max(least, 3)
		case g.need == scratch && c.Temporary, c.Alike:
			least = min(least, 1)
		}
		called := c.Temporary || c.Alike || g.need == scratch && c.Makes && scratchFolder.MatchString(folder)
		if (g.need == byCall || g.need == scratch) && !called {
			continue
		}
		if g.in != nil && !g.in().MatchString(folder) {
			continue
		}
		look := name // with what is not by chance taken out, as another match may begin in it
		for again := true; again; {
			again = false
			for _, m := range g.name().FindAllSubmatchIndex(look, -1) {
				for n, group := range g.name().SubexpNames() {
					from, to := m[2*n], m[2*n+1]
					if group == "" || from < 0 {
						continue
					}
					again = true
					if part := string(name[from:to]); byChance(group, part, least) {
						claim(span{from, to, Names{Glob: alphabet(group, part), Why: g.why, First: g.need != never, made: g.need != nothing}})
						mask(look, span{from: from, to: to})
						continue
					}
					look = slices.Concat(look[:from], bytes.Repeat([]byte{1}, to-from), look[to:])
				}
			}
		}
	}
}

// packaged is a folder that is filled from packages: programs make no names there but
// by the way, and what looks like one is as likely a version or a size.
var packaged = regexp.MustCompile(`^/(?:usr/(?:bin|sbin|lib[^/]*|share|include|games)|bin|sbin|lib[^/]*|boot|opt/[^/]+/(?:bin|lib))/`)

// scratchFolder is one for temporary files of all programs, or of one.
var scratchFolder = regexp.MustCompile(`^/dev/shm/$|/te?mp/$`)

// slashes stand together where a variable that ends in one is part of another's value.
var slashes = regexp.MustCompile(`//+`)

// homeSpan finds the home directory that a path lies in.
func homeSpan(path string, vars map[string][]string) (span, bool) {
	for _, glob := range vars["HOME"] {
		glob = strings.TrimSuffix(slashes.ReplaceAllString(glob, "/"), "/")
		for end := range len(path) {
			if path[end] == '/' && end > 0 && pattern(glob).Match(path[:end]) {
				return span{0, end, Names{Glob: "@{HOME}", Why: "a home directory"}}, true
			}
		}
	}
	return span{}, false
}

// madeNames are those of a path that the program makes, or that lies in a folder
// which it makes, by a rule of the profile's own that leaves part of the name open:
// the next run will have another.
//
// What varies in the names below such a folder does so in names.
func madeNames(profile *apparmor.Profile, path string, names Names) Names {
	for _, r := range profile.Rules {
		rule, ok := r.(*apparmor.FileRule)
		if !ok || rule.Path == nil || rule.Deny || rule.Perms&apparmor.Write == 0 || rule.Shared {
			continue
		}
		source := rule.Path.Source
		if openName.MatchString(source) && rule.Path.Match(path) {
			return Names{Glob: spaced(source), Why: "a name like those that the program makes", First: true}
		}
		folder, isFolder := strings.CutSuffix(source, "/")
		if name := folder[strings.LastIndexByte(folder, '/')+1:]; !isFolder || name == "*" || !strings.ContainsAny(name, "*?[") || strings.Contains(folder, "**") {
			continue
		}
		for end := range path {
			if path[end] == '/' && rule.Path.Match(path[:end+1]) {
				glob := names.In(folder, path, end)
				return Names{Glob: glob, Why: "the name of a folder that the program makes", First: true}
			}
		}
	}
	return Names{}
}

// In returns the path expression for a path of which a glob stands for the folder that ends
// before the slash at end: what varies behind it does so as in the names of the path.
func (names Names) In(folder, path string, end int) string {
	below := strings.Trim(apparmor.QuoteAround("", "", path[end:]), `"`)
	if varying := strings.Trim(names.Glob, `"`); names.First && strings.HasPrefix(varying, "/") {
		if from := nthSlash(varying, strings.Count(path[:end+1], "/")); from >= 0 {
			below = varying[from:]
		}
	}
	return spaced(folder + below)
}

// nthSlash returns where the nth slash of a path expression is, -1 if it has fewer.
func nthSlash(glob string, n int) int {
	for i := range len(glob) {
		if glob[i] == '/' {
			if n--; n == 0 {
				return i
			}
		}
	}
	return -1
}

// openName is a glob that stands for names of a program's making, as globs of
// kindOf do: of letters by chance, or with a number.
var openName = regexp.MustCompile(`(\?\?\?|\[0-9(a-f)?\]\*|(\[0-9(a-f)?\]){4})[^/]*$`)

// spaced returns a path expression as a rule has it.
func spaced(glob string) string {
	if strings.ContainsAny(glob, " \t#") {
		return `"` + glob + `"`
	}
	return glob
}

// spell returns the path expression for one path, with the variable for its first part
// that the profile uses, if its value is that part alone.
func spell(profile *apparmor.Profile, path string, c Caller) string {
	if c.Exact {
		return apparmor.QuotePath(path)
	}
	return spellGlob(profile, apparmor.QuotePath(path))
}

// spellGlob is spell of a path expression, as a rule has it.
func spellGlob(profile *apparmor.Profile, glob string) string {
	inner := strings.TrimPrefix(glob, `"`)
	name, value := "", ""
	for v, values := range profile.Policy.Variables {
		dir, ok := oneFolder(values)
		longer := len(dir) > len(value) || len(dir) == len(value) && v < name
		if ok && longer && strings.HasPrefix(inner, dir+"/") && usesFor(profile, v, dir) {
			name, value = v, dir
		}
	}
	if name == "" {
		return glob
	}
	return strings.Replace(glob, value, "@{"+name+"}", 1)
}

// spellings are the texts by which rules of a profile name a path expression: as it is, and as spellGlob spells it.
func spellings(profile *apparmor.Profile, glob string) []string {
	return []string{strings.Trim(glob, `"`), strings.Trim(spellGlob(profile, glob), `"`)}
}

// oneFolder returns the folder that is a variable's only value, without the slash at its
// end. /var/run is /run by another name, since version 3.0 of the Filesystem Hierarchy
// Standard.
func oneFolder(values []string) (dir string, ok bool) {
	for _, value := range values {
		value = strings.TrimSuffix(value, "/")
		if value == "/var/run" {
			value = "/run"
		}
		if !strings.HasPrefix(value, "/") || strings.ContainsAny(value, `*?[]{}\`) || dir != "" && dir != value {
			return "", false
		}
		dir = value
	}
	return dir, dir != ""
}

// usesFor reports whether a profile spells the paths below a folder by a variable: in its
// own text, or, where that speaks of none of them, in what it includes; there the
// standard ones alone, as others are of that file.
func usesFor(profile *apparmor.Profile, variable, dir string) bool {
	standard := variable == "run" || variable == "PROC" || variable == "sys"
	included := false
	for _, r := range profile.Rules {
		file, ok := r.(*apparmor.FileRule)
		if !ok || file.Path == nil {
			continue
		}
		spelled, own := strings.HasPrefix(file.Path.Source, "@{"+variable+"}"), len(file.Via) == 0
		switch {
		case own && spelled:
			return true
		case own && strings.HasPrefix(file.Path.Source, dir+"/"):
			standard = false
		case spelled:
			included = true
		}
	}
	return standard && included
}

// spells reports whether a profile or what it includes has a rule for a path that begins
// with a variable.
func spells(profile *apparmor.Profile, variable string) bool {
	start := "@{" + variable + "}"
	return slices.ContainsFunc(profile.Rules, func(r apparmor.Rule) bool {
		file, ok := r.(*apparmor.FileRule)
		return ok && file.Path != nil && strings.HasPrefix(file.Path.Source, start)
	})
}

// ProcPID splits /proc/123/stat into 123 and /stat.
func ProcPID(name string) (pid, rest string, ok bool) {
	tail, ok := strings.CutPrefix(name, "/proc/")
	if !ok {
		return "", "", false
	}
	n := 0
	for n < len(tail) && tail[n] >= '0' && tail[n] <= '9' {
		n++
	}
	if n == 0 || n < len(tail) && tail[n] != '/' {
		return "", "", false
	}
	return tail[:n], tail[n:], true
}
