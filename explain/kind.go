package explain

import (
	"regexp"
	"strconv"
	"strings"

	"github.com/whydenied/whydenied/explain/access"
	"github.com/whydenied/whydenied/parser"
	"github.com/whydenied/whydenied/rules/apparmor"
)

// A kind is the names that a path stands for, where it holds something that the
// next run will have another of.
type kind struct {
	glob  string // as a rule has it; "" if the path stands for itself
	why   string // what it holds: "a process ID"
	only  bool   // the path itself is of no use in a rule
	first bool   // the next run is sure to have another name
	made  bool   // first only where the file is made or changed: a name of what is only read stays
}

// A clue is what a record tells of its path besides the path.
type clue struct {
	pid  int  // of the process that was refused, 0 if it is unknown
	ppid int  // of its parent, likewise: a shell's $$ in what its children are told to open
	temp bool // the call is one by which the C library makes temporary files and folders
}

// clueOf returns what a record tells of its path besides the path.
func clueOf(d *parser.Denial) clue {
	c := clue{pid: d.Subject.PID, temp: access.Temporary(d)}
	if call := d.Event.Record(parser.SYSCALL); call != nil {
		c.ppid, _ = strconv.Atoi(call.Get("ppid"))
	}
	return c
}

// variable is a part of a path's component that changes from run to run.
type variable struct {
	part  *regexp.Regexp // its first group is replaced
	glob  string         // "" for as many ? as the part is long
	why   string
	first bool
	temp  bool                   // only with a clue that says so
	check func(part string) bool // if there is one, it must hold
}

// The variables, by the tools that make the names: mktemp(1), Python's tempfile,
// UUIDs of RFC 9562, the IDs of container engines and inodes without a name
// (O_TMPFILE of open(2)), Perl's File::Temp, mkstemp(3) after whatever a program
// has it begin with, and Go's os.CreateTemp. The others are as likely to stay as to
// change.
var variables = []variable{
	{part: regexp.MustCompile(`^#([0-9]{3,})$`), glob: "[0-9]*", why: "the number of an inode, as a file without a name does", first: true},
	{part: regexp.MustCompile(`^tmp\.([A-Za-z0-9]{6,12})$`), why: "a name of mktemp", first: true},
	{part: regexp.MustCompile(`^tmp([a-z0-9_]{8})$`), why: "a name of a temporary file", first: true},
	{part: regexp.MustCompile(`^([A-Za-z0-9_]{6,16})(?:\.[a-z]{1,5})?$`), why: randomName, first: true, temp: true, check: wholeRandom},
	{part: regexp.MustCompile(`\b([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})\b`), why: "a UUID", first: true},
	{part: regexp.MustCompile(`\b([0-9a-f]{64})\b`), glob: "[0-9a-f]*", why: "a container ID", first: true},
	{part: regexp.MustCompile(`[._-]([A-Za-z0-9]{6,})(?:\.[a-z0-9]{1,5})?$`), why: randomName, first: true, check: irregular},
	{part: regexp.MustCompile(`[._-][a-z]{3,}([A-Za-z0-9]{6})(?:\.[a-z]{1,5})?$`), why: randomName, first: true, temp: true, check: unchosen},
	{part: regexp.MustCompile(`[._-]([A-Za-z0-9]{3,})(?:\.[a-z]{1,5})?$`), why: randomName, first: true, temp: true, check: unchosen},
	{part: regexp.MustCompile(`^(?:sed|sort|php|cc)([A-Za-z0-9]{6})(?:\.[a-z]{1,3})?$`), why: randomName, first: true, check: mixed},
	{part: regexp.MustCompile(`^[a-z]+([A-Za-z0-9]{6})(?:\.[a-z]{1,5})?$`), why: randomName, first: true, temp: true, check: unchosen},
	{part: regexp.MustCompile(`([0-9]{6,})(?:\.[a-z0-9]{1,5})?$`), glob: "[0-9]*", why: "a random number", first: true, temp: true},
	{part: regexp.MustCompile(`[.-]([A-Za-z0-9]*[A-Z][A-Za-z0-9]*[0-9a-z][A-Za-z0-9]*)$`), why: randomName},
	{part: regexp.MustCompile(`[a-z.-]([0-9]+(?:\.[0-9]+)+)(?:$|[.-])`), glob: "[0-9]*", why: "a version"},
}

const randomName = "what looks like a random name"

// word is what a name is made of that somebody chose: Word, word, WORD, 123.
var word = regexp.MustCompile(`[A-Z]?[a-z]+|[A-Z]+|[0-9]+`)

// irregular reports whether a part of a name is of letters and digits by chance, as
// mkstemp(3) makes them: its words are no longer than two letters on average.
func irregular(part string) bool {
	return 2*len(word.FindAllString(part, -1)) >= len(part)
}

// chosen is a name that somebody may have chosen: words, and a number behind them.
// Of six letters and digits by chance, 1 in 15 looks like it.
var chosen = regexp.MustCompile(`^([A-Z]?[a-z]*([A-Z][a-z]{2,})*|[A-Z]+)[0-9]*$`)

func unchosen(part string) bool { return !chosen.MatchString(part) }

// libcRandom is how many letters and digits the C library puts at the end of a name.
const libcRandom = 6

// wholeRandom is the check of a name that has no other part: it does not begin with a
// word of the program's before the C library's letters, and is of short words.
func wholeRandom(part string) bool {
	lead, tail := part[:len(part)-libcRandom], part[len(part)-libcRandom:]
	if lead != "" && strings.Trim(lead, "abcdefghijklmnopqrstuvwxyz") == "" && unchosen(tail) {
		return false
	}
	if len(part) < libcRandom+2 {
		return unchosen(part) && !strings.Contains(part, "_")
	}
	return unchosen(part) && 2*len(word.FindAllString(part, -1))+2 >= len(part)
}

// mixed reports whether a part of a name is more than one word, as nearly all that
// mkstemp(3) makes are.
func mixed(part string) bool { return len(word.FindAllString(part, -1)) > 1 }

// besideName is a name with six more characters, as mkstemp(3) makes them.
var besideName = regexp.MustCompile(`(?s)^(.*[^/])([A-Za-z0-9]{6})$`)

// replacementKind is the kind of a file that a program makes beside one that the
// profile names, to take its place, as busybox's sed -i and others do.
func replacementKind(profile *apparmor.Profile, path string) kind {
	m := besideName.FindStringSubmatch(path)
	if m == nil || !mixed(m[2]) {
		return kind{}
	}
	for _, r := range naming(profile, apparmor.FileRequest{Path: m[1], Owner: true}) {
		if isLiteral(r) {
			return kind{glob: quoteAround(m[1], strings.Repeat("?", len(m[2])), ""), why: randomName, first: true, made: true}
		}
	}
	return kind{}
}

// kindOf returns the kind of a path. vars are the variables of its policy.
func kindOf(path string, c clue, vars map[string][]string) kind {
	if id, rest, ok := procPID(path); ok {
		return procKind(id, rest, vars)
	}
	start := 0
	for component := range strings.SplitAfterSeq(path, "/") {
		name := strings.TrimSuffix(component, "/")
		own := c
		own.temp = c.temp && start+len(component) == len(path)
		if k := componentKind(path, start, name, own); k.glob != "" {
			return k
		}
		start += len(component)
	}
	return homeKind(path, vars)
}

// procKind is the kind of /proc/PID/...: every process's, as the ID says nothing
// about the next run. PID 1 is the first of its namespace and stays.
func procKind(id, rest string, vars map[string][]string) kind {
	if id == "1" {
		return kind{}
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
	return kind{glob: quoteAround("", proc, rest), why: "a process ID", only: true}
}

func digits(s string) int {
	n := 0
	for n < len(s) && s[n] >= '0' && s[n] <= '9' {
		n++
	}
	return n
}

// componentKind finds a variable in one component of a path, at start.
func componentKind(path string, start int, name string, c clue) kind {
	replace := func(from, to int, glob string) string {
		return quoteAround(path[:start+from], glob, path[start+to:])
	}
	if before := path[:start]; (before == "/run/user/" || before == "/var/run/user/") && name != "" && digits(name) == len(name) {
		return kind{glob: replace(0, len(name), "[0-9]*"), why: "a user ID"}
	}
	for n, pid := range [...]int{c.pid, c.ppid} {
		id, why := strconv.Itoa(pid), [...]string{"the ID of the process", "the ID of the process's parent"}[n]
		if i := strings.Index(name, id); pid > 9 && i >= 0 && digits(name[i:]) == len(id) && (i == 0 || digits(name[i-1:i]) == 0) {
			return kind{glob: replace(i, i+len(id), "[0-9]*"), why: why, first: true}
		}
	}
	for _, v := range variables {
		m := v.part.FindStringSubmatchIndex(name)
		if m == nil || m[3]-m[2] < 3 || v.temp && !c.temp || v.check != nil && !v.check(name[m[2]:m[3]]) {
			continue
		}
		glob := v.glob
		if glob == "" {
			glob = strings.Repeat("?", m[3]-m[2])
		}
		return kind{glob: replace(m[2], m[3], glob), why: v.why, first: v.first, made: v.check != nil || v.temp}
	}
	return kind{}
}

// homeKind is the kind of a path in somebody's home directory.
func homeKind(path string, vars map[string][]string) kind {
	for _, glob := range vars["HOME"] {
		glob = strings.TrimSuffix(glob, "/")
		for end := range len(path) {
			if path[end] == '/' && end > 0 && pattern(glob).Match(path[:end]) {
				return kind{glob: quoteAround("", "@{HOME}", path[end:]), why: "a home directory"}
			}
		}
	}
	return kind{}
}

// madeKind is the kind of a path that the program makes, or that lies in a folder
// which it makes, by a rule of the profile's own that leaves part of the name open:
// the next run will have another.
func madeKind(profile *apparmor.Profile, path string) kind {
	for _, r := range profile.Rules {
		rule, ok := r.(*apparmor.FileRule)
		if !ok || rule.Path == nil || rule.Deny || rule.Perms&apparmor.Write == 0 || rule.Shared {
			continue
		}
		source := rule.Path.Source
		if openName.MatchString(source) && rule.Path.Match(path) {
			return kind{glob: spaced(source), why: "a name like those that the program makes", first: true}
		}
		folder, isFolder := strings.CutSuffix(source, "/")
		if name := folder[strings.LastIndexByte(folder, '/')+1:]; !isFolder || name == "*" || !strings.ContainsAny(name, "*?[") || strings.Contains(folder, "**") {
			continue
		}
		for end := range path {
			if path[end] == '/' && rule.Path.Match(path[:end+1]) {
				glob := strings.Trim(quoteAround("", folder, path[end:]), `"`)
				return kind{glob: spaced(glob), why: "the name of a folder that the program makes", first: true}
			}
		}
	}
	return kind{}
}

// openName is a glob that stands for names of a program's making, as globs of
// kindOf do: of letters by chance, or with a number.
var openName = regexp.MustCompile(`(\?\?\?|\[0-9\]\*)[^/]*$`)

// spaced returns a path expression as a rule has it.
func spaced(glob string) string {
	if strings.ContainsAny(glob, " \t") {
		return `"` + glob + `"`
	}
	return glob
}

// quoteAround returns a path expression of a glob between two names that stand
// for themselves.
func quoteAround(before, glob, after string) string {
	quote := false
	literal := func(name string) string {
		if name == "" {
			return ""
		}
		text := apparmor.QuotePath(name)
		if inner, ok := strings.CutPrefix(text, `"`); ok {
			quote = true
			return strings.TrimSuffix(inner, `"`)
		}
		return text
	}
	text := literal(before) + glob + literal(after)
	if quote {
		return `"` + text + `"`
	}
	return text
}

// spell returns the path expression for one path, with the variable for its
// first part that the profile's own rules use, if its value is that part alone.
func spell(profile *apparmor.Profile, path string) string {
	name, value := "", ""
	for v, values := range profile.Policy.Variables {
		if len(values) != 1 || strings.ContainsAny(values[0], `*?[]{}\`) {
			continue
		}
		dir := strings.TrimSuffix(values[0], "/")
		longer := len(dir) > len(value) || len(dir) == len(value) && v < name
		if strings.HasPrefix(dir, "/") && longer && strings.HasPrefix(path, dir+"/") && uses(profile, v) {
			name, value = v, dir
		}
	}
	if name == "" {
		return apparmor.QuotePath(path)
	}
	return quoteAround("", "@{"+name+"}", path[len(value):])
}

// uses reports whether a file rule in the profile's own text spells a variable.
func uses(profile *apparmor.Profile, variable string) bool {
	for _, r := range profile.Rules {
		file, ok := r.(*apparmor.FileRule)
		if ok && file.Path != nil && len(file.Via) == 0 && strings.HasPrefix(file.Path.Source, "@{"+variable+"}") {
			return true
		}
	}
	return false
}
