package fix

import (
	"regexp"
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
	Temporary bool // the call is one by which the C library makes temporary files and folders
}

// CallerOf returns the caller of a record.
func CallerOf(d *parser.Denial) Caller {
	c := Caller{PID: d.Subject.PID, Temporary: access.Temporary(d)}
	if call := d.Event.Record(parser.SYSCALL); call != nil {
		c.PPID, _ = strconv.Atoi(call.Get("ppid"))
	}
	return c
}

// variable is a part of a path's component that changes from run to run.
type variable struct {
	part  *regexp.Regexp // its first group is replaced
	glob  string         // "" for as many ? as the part is long
	why   string
	first bool
	temp  bool                   // only where the caller makes temporary files
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

// replacementNames are those of a file that a program makes beside one that the
// profile names, to take its place, as busybox's sed -i and others do.
func replacementNames(profile *apparmor.Profile, path string) Names {
	m := besideName.FindStringSubmatch(path)
	if m == nil || !mixed(m[2]) {
		return Names{}
	}
	if !NamedAlone(profile, apparmor.FileRequest{Path: m[1], Owner: true}) {
		return Names{}
	}
	return Names{Glob: apparmor.QuoteAround(m[1], strings.Repeat("?", len(m[2])), ""), Why: randomName, First: true, made: true}
}

// NamesOf returns the names that a path stands for. vars are the variables of its policy.
func NamesOf(path string, c Caller, vars map[string][]string) Names {
	if id, rest, ok := ProcPID(path); ok {
		return procNames(id, rest, vars)
	}
	if names := secretNames(path); names.Only {
		return names
	}
	start := 0
	for component := range strings.SplitAfterSeq(path, "/") {
		name := strings.TrimSuffix(component, "/")
		own := c
		own.Temporary = c.Temporary && start+len(component) == len(path)
		if names := componentNames(path, start, name, own); names.Glob != "" {
			return names
		}
		start += len(component)
	}
	return homeNames(path, vars)
}

// hidden is what a bundle has in place of a secret.
var hidden = regexp.MustCompile(`\*{8,}`)

// secretNames are those of a path that holds a secret: it is not for a profile, which
// many may read.
func secretNames(path string) Names {
	from, to, ok := secret.Places(path)
	if at := hidden.FindStringIndex(path); !ok && at != nil {
		from, to, ok = at[0], at[1], true
	}
	if !ok {
		return Names{}
	}
	glob := []byte(path[from:to])
	for i, c := range glob {
		if c != '/' {
			glob[i] = '?'
		}
	}
	return Names{Glob: apparmor.QuoteAround(path[:from], string(glob), path[to:]), Why: "what looks like a secret", Only: true}
}

// procNames are those of /proc/PID/...: every process's, as the ID says nothing
// about the next run. PID 1 is the first of its namespace and stays.
func procNames(id, rest string, vars map[string][]string) Names {
	if id == "1" {
		return Names{}
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
	return Names{Glob: apparmor.QuoteAround("", proc, rest), Why: "a process ID", Only: true}
}

func digits(s string) int {
	n := 0
	for n < len(s) && s[n] >= '0' && s[n] <= '9' {
		n++
	}
	return n
}

// componentNames finds a variable in one component of a path, at start.
func componentNames(path string, start int, name string, c Caller) Names {
	replace := func(from, to int, glob string) string {
		return apparmor.QuoteAround(path[:start+from], glob, path[start+to:])
	}
	if before := path[:start]; (before == "/run/user/" || before == "/var/run/user/") && name != "" && digits(name) == len(name) {
		return Names{Glob: replace(0, len(name), "[0-9]*"), Why: "a user ID"}
	}
	for n, pid := range [...]int{c.PID, c.PPID} {
		id, why := strconv.Itoa(pid), [...]string{"the ID of the process", "the ID of the process's parent"}[n]
		if i := strings.Index(name, id); pid > 9 && i >= 0 && digits(name[i:]) == len(id) && (i == 0 || digits(name[i-1:i]) == 0) {
			return Names{Glob: replace(i, i+len(id), "[0-9]*"), Why: why, First: true}
		}
	}
	for _, v := range variables {
		m := v.part.FindStringSubmatchIndex(name)
		if m == nil || m[3]-m[2] < 3 || v.temp && !c.Temporary || v.check != nil && !v.check(name[m[2]:m[3]]) {
			continue
		}
		glob := v.glob
		if glob == "" {
			glob = strings.Repeat("?", m[3]-m[2])
		}
		return Names{Glob: replace(m[2], m[3], glob), Why: v.why, First: v.first, made: v.check != nil || v.temp}
	}
	return Names{}
}

// homeNames are those of a path in somebody's home directory.
func homeNames(path string, vars map[string][]string) Names {
	for _, glob := range vars["HOME"] {
		glob = strings.TrimSuffix(glob, "/")
		for end := range len(path) {
			if path[end] == '/' && end > 0 && pattern(glob).Match(path[:end]) {
				return Names{Glob: apparmor.QuoteAround("", "@{HOME}", path[end:]), Why: "a home directory"}
			}
		}
	}
	return Names{}
}

// madeNames are those of a path that the program makes, or that lies in a folder
// which it makes, by a rule of the profile's own that leaves part of the name open:
// the next run will have another.
func madeNames(profile *apparmor.Profile, path string) Names {
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
				glob := strings.Trim(apparmor.QuoteAround("", folder, path[end:]), `"`)
				return Names{Glob: spaced(glob), Why: "the name of a folder that the program makes", First: true}
			}
		}
	}
	return Names{}
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
	return apparmor.QuoteAround("", "@{"+name+"}", path[len(value):])
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
