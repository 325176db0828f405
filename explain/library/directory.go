package library

import (
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/whydenied/whydenied/explain/family"
	"github.com/whydenied/whydenied/rules"
	"github.com/whydenied/whydenied/rules/apparmor"
)

// A dirFile is one file of the profile directory, with the lines that can be the
// headers of profiles.
type dirFile struct{ name, headers string }

// The bounds of a library. Beyond them its policies are not read.
const (
	maxHeaders = 8 << 20  // bytes of such lines of the profile directory
	maxRules   = 200_000  // rules of all policies together
	maxText    = 32 << 20 // bytes of their files
)

// inDirectory looks for a profile in the profile directory. Only files that may
// define it are parsed, as most systems keep many and a log names few.
func (l *Library) inDirectory(name string) *apparmor.Profile {
	l.index()
	parent, _, _ := strings.Cut(name, "//")
	word := parent[strings.LastIndexByte(parent, '/')+1:]
	for _, f := range l.dirFiles {
		if !mayDefine(f.headers, word) {
			continue
		}
		policy := l.ofFile(l.dir, f.name)
		if policy == nil {
			continue
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
	files := l.definers()
	near = apparmor.Nearest(name, slices.Collect(maps.Keys(files)))
	return near, files[near]
}

// Names are the names of the profiles of the directory and of the files that were named,
// in order, as far as their headers say.
func (l *Library) Names() []string { return slices.Sorted(maps.Keys(l.definers())) }

// definers returns the file that defines each profile.
func (l *Library) definers() map[string]string {
	l.index()
	files := map[string]string{}
	for _, f := range l.dirFiles {
		for _, m := range profileName.FindAllStringSubmatch(f.headers, -1) {
			files[strings.Trim(m[1], `"`)] = f.name
		}
	}
	for _, policy := range l.named {
		for _, profile := range policy.Profiles {
			files[profile.FullName()] = profile.At.File.Name
		}
	}
	return files
}

// mayDefine reports whether a policy of such headers may define a profile whose
// name ends in word.
func mayDefine(headers, word string) bool { return strings.Contains(headers, word) }

// headersOf returns the lines of a policy that can be the headers of profiles.
func headersOf(text string) string {
	var headers strings.Builder
	for line := range strings.Lines(text) {
		if isHeader(strings.TrimSpace(line)) {
			headers.WriteString(line)
		}
	}
	return headers.String()
}

// isHeader reports whether a line can be a profile's header: it says profile,
// or opens a block that is no alternation of a path.
func isHeader(line string) bool {
	return strings.HasPrefix(line, "profile") || strings.HasSuffix(line, "{") ||
		strings.Contains(line, " {") || strings.Contains(line, "\t{") || strings.Contains(line, "){")
}

// Unread says which policy was not read, as there is too much of it; "" if all was.
func (l *Library) Unread() string { return l.unread }

// noProfiles are the directories of a profile directory that hold parts of profiles, or
// names of those that are switched off (apparmor.d(5), apparmor_parser(8), 4.1).
var noProfiles = []string{"abi", "abstractions", "cache", "disable", "force-complain", "local", "tunables"}

// index reads the files of the directory and of those right below it, which others
// include or which programs load by themselves: containers, lxc, libvirt. A file that
// includes others stands for what they define, and goes before them, as it is what is
// loaded. A directory that is not there has no profiles.
func (l *Library) index() {
	if l.indexed {
		return
	}
	l.indexed = true
	dirs := []string{l.dir}
	below, _ := l.tree.Dirs(l.dir)
	for _, name := range below {
		if !slices.Contains(noProfiles, name) {
			dirs = append(dirs, l.tree.Join(l.dir, name))
		}
	}
	read := map[string][]int{}     // by the name of a file, and of its directory
	included := map[int][]string{} // as the includes of a file have them
	size := 0
	for _, dir := range dirs {
		names, _ := apparmor.PolicyFiles(l.tree, dir)
		for _, name := range names {
			text, err := l.tree.ReadListed(l.dir, name)
			if err != nil {
				continue
			}
			headers := headersOf(text)
			if size += len(headers); size > maxHeaders {
				l.unread = fmt.Sprintf("%s and what comes after it in %s, as the files there begin too many profiles (more than %d MiB of lines)", name, dir, maxHeaders>>20)
				return
			}
			i := len(l.dirFiles)
			l.dirFiles = append(l.dirFiles, dirFile{name, headers})
			read[name], read[dir] = append(read[name], i), append(read[dir], i)
			for line := range strings.Lines(text) {
				if !strings.Contains(line, "include") { // as most
					continue
				}
				if m := includeLine.FindStringSubmatch(line); m != nil {
					included[i] = append(included[i], l.tree.Join(l.dir, m[1]))
				}
			}
		}
	}
	own := slices.Clone(l.dirFiles)
	for i := range l.dirFiles {
		for _, name := range included[i] {
			for _, other := range read[name] {
				if size += len(own[other].headers); other != i && size <= maxHeaders {
					l.dirFiles[i].headers += own[other].headers
				}
			}
		}
	}
}

// includeLine is a line that includes a file, by its name below the directory.
var includeLine = regexp.MustCompile(`^[ \t]*#?include[ \t]+(?:if[ \t]+exists[ \t]+)?<([^>\n]+)>`)

// ofProduct looks for a profile where the product keeps it that makes those of such a
// name, if the directory is that of a host.
func (l *Library) ofProduct(name string) *apparmor.Profile {
	m := family.Of(name, "")
	if m == nil || l.dir != SystemProfiles {
		return nil
	}
	for _, file := range m.Files {
		if path.Clean(file) != file { // a folder, or a name from the log that leads elsewhere
			continue
		}
		if policy := l.ofFile(path.Dir(file), file); policy != nil {
			if profile := policy.Profile(name); profile != nil {
				return profile
			}
		}
	}
	return nil
}

// ofFile returns the policy of a file that was found in a directory; nil if it cannot be
// read.
func (l *Library) ofFile(dir, file string) *apparmor.Policy {
	if policy := l.byFile[file]; policy != nil {
		return policy
	}
	text, err := l.tree.ReadListed(dir, file)
	if err != nil || l.full(file) {
		return nil
	}
	policy, _ := l.load(rules.NewFile(file, text))
	l.byFile[file] = policy
	return policy
}

// IsHosts reports whether a profile was found on the host, and not named by the user
// or built in: it is of no container that has policy of its own.
func (l *Library) IsHosts(profile *apparmor.Profile) bool {
	return profile != nil && l.byFile[profile.Policy.Files[0].Name] == profile.Policy
}
