package host

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/whydenied/whydenied/rules/apparmor"
	"github.com/whydenied/whydenied/rules/shell"
)

// policy compares the loaded profiles with the files.
func policy(f Facts) []Answer {
	const name = "policy"
	if len(f.AppArmor.Profiles) == 0 {
		return nil
	}
	byName := map[string][]Compiled{}
	for _, c := range f.Policy.Compiled {
		byName[c.Name] = append(byName[c.Name], c)
	}
	var all []Answer
	stale := map[string][]Loaded{} // by file
	var same, unknown, unhashed []string
	var generated []Loaded
	for _, l := range f.AppArmor.Profiles {
		compiled := byName[l.Name]
		switch {
		case len(compiled) == 0 && isGenerated(l.Name):
			generated = append(generated, l)
		case strings.Contains(l.Name, apparmor.Learning): // of complain mode, made by the kernel
		case len(compiled) == 0:
			unknown = append(unknown, l.Name)
		case l.Hash == "":
			unhashed = append(unhashed, l.Name)
		case slices.ContainsFunc(compiled, func(c Compiled) bool { return l.Hash == c.SHA1 || l.Hash == c.SHA256 }):
			same = append(same, l.Name)
		default:
			stale[compiled[0].File] = append(stale[compiled[0].File], l)
		}
	}
	for _, file := range slices.Sorted(maps.Keys(stale)) {
		var compiled []Compiled
		for _, l := range stale[file] {
			compiled = append(compiled, byName[l.Name][0])
		}
		all = append(all, staleFile(file, stale[file], compiled))
	}
	if len(same) > 0 {
		all = append(all, Answer{Name: name, Status: OK, Found: count(len(same), "loaded profile") + " as apparmor_parser makes them of the files now"})
	}
	all = append(all, generatedAnswers(f.Policy, generated)...)
	if len(unhashed) > 0 {
		all = append(all, Answer{Name: name, Status: Unknown, Found: "the kernel keeps no hash of " + few(unhashed),
			Why: "whether they are what the files say is not known; apparmor.hash_policy=1 on the kernel's command line has it keep one"})
	}
	if len(unknown) > 0 {
		all = append(all, noFile(f.Policy, unknown))
	}
	if len(f.Policy.Failed) > 0 {
		all = append(all, Answer{Name: name, Status: Unknown, Found: "apparmor_parser refuses " + few(f.Policy.Failed),
			Why: "whether their profiles are loaded as they are is not known; whydenied check says what is wrong with them"})
	}
	return all
}

// noFile is the answer for profiles of which no file was found, or looked at.
func noFile(p Policy, names []string) Answer {
	a := Answer{Name: "policy", Status: Unknown, Found: "loaded from no file of the profile directory: " + few(names),
		Why: "by which rules the kernel decides there is not known; name the files to whydenied with --profile"}
	if p.Err != nil {
		a.Found = fmt.Sprintf("%s not compared with the files: %s", count(len(names), "profile"), p.Err)
		a.Why = "whether the kernel decides by the rules of the files is not known"
	}
	return a
}

// staleFile is the answer for a file whose profiles are not what is loaded, with what
// the file comes to for each of them.
func staleFile(file string, profiles []Loaded, compiled []Compiled) Answer {
	changed := compiled[0].Changed
	var names, raw []string
	for _, l := range profiles {
		names = append(names, l.Name)
		if l.Raw != "" {
			raw = append(raw, shell.Quote(l.Raw))
		}
	}
	a := Answer{Name: "policy", Status: Stale, Found: fmt.Sprintf("loaded otherwise than apparmor_parser makes it of %s now: %s", file, few(names))}
	switch at := profiles[0].At; {
	case !at.IsZero() && changed.After(at):
		a.Why = fmt.Sprintf("the file was changed at %s, after it was loaded at %s", changed.UTC().Format(time.RFC3339), at.UTC().Format(time.RFC3339))
	default:
		a.Why = "a file that it includes was changed since it was loaded, or it was loaded with other options or by another apparmor_parser"
	}
	a.Why += ": the kernel decides by other rules than whydenied shows"
	if by := difference(compiled); by != "" {
		a.Why += "; " + by
	}
	a.Do = "apparmor_parser -r " + shell.Quote(file)
	if len(raw) == len(profiles) { // else there is nothing to go back to
		saved := shell.Quote("/run/" + filepath.Base(file) + ".loaded")
		a.Do = "cat " + strings.Join(raw, " ") + " >" + saved + " && " + a.Do
		a.Undo = "apparmor_parser -r -B " + saved
	}
	return a
}

// isGenerated reports whether a profile is one that container engines generate.
func isGenerated(name string) bool {
	return apparmor.IsBuiltin(name)
}

// few names a few of a list.
func few(names []string) string {
	const shown = 8
	if len(names) <= shown {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:shown], ", "), len(names)-shown)
}
