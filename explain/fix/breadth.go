package fix

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/whydenied/whydenied/rules"
	"github.com/whydenied/whydenied/rules/apparmor"
)

// A Breadth is how many names beside those that were refused a file rule is to be for.
type Breadth int

// The breadths. Of each the path of a process, /proc/PID, is that of any.
const (
	OfNames  Breadth = iota // name: those that differ by what varies from run to run
	Exact                   // exact: none
	OfFolder                // dir: all in the same folder
	OfTree                  // tree: all below it, too
)

var breadths = []string{OfNames: "name", Exact: "exact", OfFolder: "dir", OfTree: "tree"}

// MarshalText returns the word for a breadth, such as "dir".
func (b Breadth) MarshalText() ([]byte, error) { return []byte(breadths[b]), nil }

// UnmarshalText sets a breadth by its word.
func (b *Breadth) UnmarshalText(word []byte) error {
	i := slices.Index(breadths, string(word))
	if i < 0 {
		return fmt.Errorf("%.20q is none of exact, name, dir, tree", word)
	}
	*b = Breadth(i)
	return nil
}

// glob is the path expression for all names in a folder, behind its slash.
func (b Breadth) glob() string {
	switch b {
	case OfFolder:
		return "*"
	case OfTree:
		return "**"
	}
	return ""
}

// A Wider is how accesses to files of one folder are granted together.
type Wider struct {
	Of   []int  // places in the list that was asked about
	Glob string // the path expression for all of them; "" if there is none, for a reason
	Why  string
}

// Wider puts accesses together that a rule as wide as b can grant, by the folder. One that
// would be more dangerous than they are is none.
func (b Breadth) Wider(all []Asked) (found []Wider) {
	type like struct {
		profile *apparmor.Profile
		folder  string
	}
	places := map[like]int{}
	for i, a := range all {
		if b.glob() == "" || a.File.Target != "" || a.File.Perms&apparmor.Exec != 0 || strings.HasSuffix(a.File.Path, "/") || a.Profile.Decide(a.File).Refused != 0 {
			continue
		}
		folder, _ := splitName(a)
		n, ok := places[like{a.Profile, folder}]
		if !ok {
			n = len(found)
			places[like{a.Profile, folder}] = n
			found = append(found, Wider{Glob: spaced(folder + b.glob())})
		}
		found[n].Of = append(found[n].Of, i)
	}
	for n := range found {
		some := Those(all, found[n].Of)
		folder := path.Dir(some[0].File.Path)
		found[n].Why = "all files in " + folder
		if b == OfTree {
			found[n].Why = "all files below " + folder
		}
		together := Together(some)
		if danger := dangerOfAll(apparmor.QuoteAround(strings.TrimSuffix(folder, "/")+"/", b.glob(), ""), together.Perms); danger.Risk > worstOf(some) {
			found[n].Glob, found[n].Why = "", found[n].Why+": "+danger.Reason
		}
	}
	return found
}

// Together is the first access to one of several files, with the permissions of all, for
// the owner alone if all are.
func Together(all []Asked) apparmor.FileRequest {
	file := all[0].File
	for _, a := range all {
		file.Perms |= a.File.Perms
		file.Owner = file.Owner && a.File.Owner
	}
	return file
}

func worstOf(all []Asked) (most rules.Risk) {
	for _, a := range all {
		most = max(most, RequestDanger(a.File).Risk)
	}
	return most
}

// dangerOfAll is the danger of permissions on all that a path expression names.
func dangerOfAll(glob string, perms apparmor.Perms) Danger {
	return globDanger(&apparmor.FileRule{Path: pattern(strings.Trim(glob, `"`))}, perms)
}

// widerFixes propose rules as wide as the proposer is to be.
func (p *Proposer) widerFixes(a Asked) (fixes []rules.Fix) {
	for _, w := range p.Breadth.Wider([]Asked{a}) {
		if w.Glob != "" {
			fixes = append(fixes, Glob(a, w.Glob, w.Why))
		}
	}
	return fixes
}
