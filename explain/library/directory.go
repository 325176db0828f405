package library

import (
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/whydenied/whydenied/rules"
	"github.com/whydenied/whydenied/rules/apparmor"
)

// A dirFile is one file of the profile directory with its text.
type dirFile struct{ name, text string }

// inDirectory looks for a profile in the profile directory. Only files that may
// define it are parsed, as most systems keep many and a log names few.
func (l *Library) inDirectory(name string) *apparmor.Profile {
	l.index()
	parent, _, _ := strings.Cut(name, "//")
	word := parent[strings.LastIndexByte(parent, '/')+1:]
	for _, f := range l.dirFiles {
		if !mayDefine(f.text, word) {
			continue
		}
		policy := l.byFile[f.name]
		if policy == nil {
			policy, _ = l.load(rules.NewFile(f.name, f.text))
			l.byFile[f.name] = policy
		}
		if profile := policy.Profile(name); profile != nil {
			return profile
		}
	}
	return nil
}

// profileName finds the names in the headers of profiles.
var profileName = regexp.MustCompile(`(?m)^[ \t]*profile[ \t]+("[^"\n]+"|[^\s"{]+)`)

// Nearest returns the profile whose name is most like one that is not defined, and
// the file that defines it; "" if there is none.
func (l *Library) Nearest(name string) (near, file string) {
	l.index()
	files := map[string]string{}
	for _, f := range l.dirFiles {
		for _, m := range profileName.FindAllStringSubmatch(f.text, -1) {
			files[strings.Trim(m[1], `"`)] = f.name
		}
	}
	for _, policy := range l.named {
		for _, profile := range policy.Profiles {
			files[profile.FullName()] = profile.At.File.Name
		}
	}
	near = apparmor.Nearest(name, slices.Collect(maps.Keys(files)))
	return near, files[near]
}

// mayDefine reports whether a policy's text may define a profile whose name ends
// in word: whether a line that can be a profile's header holds it.
func mayDefine(text, word string) bool {
	if word == "" { // a name that ends in a slash, or none
		return true
	}
	for rest := text; ; {
		i := strings.Index(rest, word)
		if i < 0 {
			return false
		}
		start := strings.LastIndexByte(rest[:i], '\n') + 1
		end := len(rest)
		if n := strings.IndexByte(rest[i:], '\n'); n >= 0 {
			end = i + n
		}
		if isHeader(strings.TrimSpace(rest[start:end])) {
			return true
		}
		rest = rest[end:]
	}
}

// isHeader reports whether a line can be a profile's header: it says profile,
// or opens a block that is no alternation of a path.
func isHeader(line string) bool {
	return strings.HasPrefix(line, "profile") || strings.HasSuffix(line, "{") ||
		strings.Contains(line, " {") || strings.Contains(line, "\t{") || strings.Contains(line, "){")
}

// index reads the files of the directory, and of its subdirectory containers,
// where the profiles of containers are kept by custom. A directory that is not
// there has no profiles.
func (l *Library) index() {
	if l.indexed {
		return
	}
	l.indexed = true
	for _, dir := range []string{l.dir, l.tree.Join(l.dir, "containers")} {
		names, _ := apparmor.PolicyFiles(l.tree, dir)
		for _, name := range names {
			if text, err := l.tree.ReadListed(l.dir, name); err == nil {
				l.dirFiles = append(l.dirFiles, dirFile{name, text})
			}
		}
	}
}
