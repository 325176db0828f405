package apparmor

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/whydenied/whydenied/rules"
	"github.com/whydenied/whydenied/rules/apparmor/aare"
)

var policyDir = flag.String("policy.dir", "", "a directory of policy and what it includes, of which TestLintsOfFiles lints the files too")

// The lints that look at pairs of rules say what those say that look at all pairs.
func TestLintsPlainly(t *testing.T) {
	found := map[string]int{}
	for seed := range uint64(300) {
		w := policyWriter{rand.New(rand.NewPCG(seed, 17))}
		var policy strings.Builder
		policy.WriteString(preamble)
		if w.chance(10) {
			policy.WriteString("alias /a/ -> /b/,\n")
		}
		policy.WriteString("profile p {\n")
		for range 4 + w.IntN(40) {
			path := w.glob()
			if w.chance(30) {
				path = w.pick("/bin", "/usr/bin", "/lib", "/usr/lib") + path
			}
			fmt.Fprintf(&policy, "  %s%s%s \"%s\" %s,\n", w.pick("", "", "", "audit "), w.pick("", "", "deny "), w.pick("", "", "owner "), path, w.pick("r", "rw", "w", "a", "k", "rwk"))
		}
		for range w.IntN(8) {
			fmt.Fprintf(&policy, "  \"%s\" %s,\n", w.glob(), w.pick("ix", "Px", "Px -> q", "rix", "Cx", "rPx", "rUx"))
		}
		policy.WriteString("}\n")
		l := Loader{}
		p, _ := l.Load(newFile(policy.String()))
		requirePlainLints(t, p.Profiles[0], found)
	}
	t.Log(found)
	for _, code := range []string{"shadowed-rule", "shadowed-in-part", "subsumed-rule", "merged-usr", "exec-conflict"} {
		assert.Greater(t, found[code], 20, code)
	}
}

// They do so in the policy files of this machine, one after the other with what they
// include, under whatever values of variables.
func TestLintsOfFiles(t *testing.T) {
	include := filepath.Join(t.TempDir(), "abstractions")
	require.NoError(t, os.Mkdir(include, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(include, "own"), []byte("  @{own}/** rw,\n  /etc/{own,x} r,\n  deny @{own}/x w,\n  /{,usr/}bin/@{profile_name} rix,\n"), 0o644))
	loader := Loader{Include: []string{filepath.Dir(include), "testdata/include", "/etc/apparmor.d"}}
	found, files := map[string]int{}, 0
	lint := func(file *rules.File) {
		policy, _ := loader.Load(file)
		for _, profile := range policy.Profiles {
			requirePlainLints(t, profile, found)
		}
	}
	for i := range 12 {
		lint(newFile(fmt.Sprintf("@{own}=/srv/%d /opt/%d\nprofile p%d {\n  include <abstractions/own>\n  /{srv,opt}/1/a w,\n  /srv/%[1]d/x rw,\n  /usr/bin/p3 Px,\n  /etc/x r,\n}\n", i%6, i%6, i)))
	}
	assert.Equal(t, map[string]int{"subsumed-rule": 26, "shadowed-rule": 12, "exec-conflict": 1}, found)
	dirs := []string{"testdata/profiles", "/etc/apparmor.d", "/usr/share/apparmor/extra-profiles"}
	if *policyDir != "" {
		dirs = append(dirs, *policyDir)
		loader.Include = append([]string{*policyDir}, loader.Include...)
	}
	for _, dir := range dirs {
		names, _ := PolicyFiles(nil, dir)
		for _, name := range names {
			text, err := os.ReadFile(name)
			require.NoError(t, err)
			lint(rules.NewFile(name, string(text)))
			files++
		}
	}
	t.Log(files, found)
}

// requirePlainLints holds that the lints of pairs say what plainLints says, and counts
// what they find.
func requirePlainLints(t *testing.T, p *Profile, found map[string]int) {
	want := plainLints(p)
	for _, d := range slices.Concat(lintShadowed(p, newEffort()), lintSubsumed(p, newEffort()),
		lintMergedUsr(p, newEffort()), lintExecConflicts(p, newEffort()), lintUnmatchable(p, newEffort())) {
		if strings.HasSuffix(d.Code, "never-matches") && !strings.HasSuffix(d.Message, "a path begins with /") {
			continue
		}
		text := d.String()
		for _, r := range d.Related {
			text += " " + r.At.String()
		}
		require.NotEmpty(t, want, text)
		require.Contains(t, text, want[0])
		want = want[1:]
		found[d.Code]++
	}
	require.Empty(t, want)
}

// plainLints returns what lints of pairs begin with, by looking at all pairs.
func plainLints(p *Profile) (all []string) {
	allow, deny := p.fileRules()
	for _, a := range allow {
		if !own(a) {
			continue
		}
		parts := 0
		for _, d := range deny {
			rel := Compare(filePattern(d), filePattern(a), aare.Both|aare.OnlyB)
			switch {
			case withAppend(a.Perms)&withAppend(d.Perms) == 0 || a.Priority > d.Priority || !rel.HasBoth:
			case !rel.HasOnlyB && (a.Owner || !d.Owner):
				all = append(all, a.At.String()+": warning: this rule")
			default:
				parts++
			}
		}
		if parts > 0 {
			all = append(all, a.At.String()+": note: ")
		}
	}
	covers := func(a, b *Pattern) bool { return !Compare(a, b, aare.OnlyB).HasOnlyB }
	for _, group := range [][]*FileRule{allow, deny} {
		for i, b := range group {
			if !own(b) {
				continue
			}
			j := slices.IndexFunc(group, func(a *FileRule) bool {
				return a != b && grantsAll(a, b) && strings.HasPrefix(literalPrefix(filePattern(b)), literalPrefix(filePattern(a))) && covers(filePattern(a), filePattern(b)) &&
					!(slices.Index(group, a) > i && grantsAll(b, a) && own(a) && covers(filePattern(b), filePattern(a)))
			})
			if j >= 0 {
				all = append(all, b.At.String()+": note: this rule adds nothing to "+fmt.Sprintf("%q", group[j].At.Text()))
			}
		}
	}
	for _, group := range [][]*FileRule{allow, deny} {
		for _, f := range group {
			if !own(f) || f.Path == nil {
				continue
			}
			usr := &Pattern{Expanded: []string{"/usr" + f.Path.Expanded[0]}}
			merged := slices.ContainsFunc(mergedDirs, func(dir string) bool { return strings.HasPrefix(literalPrefix(f.Path), dir) })
			if merged && len(p.Policy.Aliases) == 0 && !slices.ContainsFunc(group, func(o *FileRule) bool { return grantsAll(o, f) && covers(filePattern(o), usr) }) {
				all = append(all, f.PathAt.String()+": warning: ")
			}
		}
	}
	all = append(all, plainExecConflicts(allow)...)
	for _, r := range p.Rules {
		f, ok := r.(*FileRule)
		if !ok || !own(f) || f.Path == nil {
			continue
		}
		if _, ok := Overlaps(f.Path, everyFile); !ok {
			all = append(all, f.PathAt.String()+": warning: this path is never asked for: a path begins")
		}
	}
	return all
}

// plainExecConflicts is plainLints for the conflicts of exec rules.
func plainExecConflicts(allow []*FileRule) (all []string) {
	for i, b := range allow {
		for _, a := range allow[:i] {
			if a.Perms&b.Perms&Exec == 0 || filePattern(a).Err() != nil || filePattern(b).Err() != nil || sameTransition(a.Exec, b.Exec) || a.Priority != b.Priority || a.exact() != b.exact() {
				continue
			}
			if _, ok := Overlaps(filePattern(a), filePattern(b)); ok {
				all = append(all, b.At.String()+": error: this rule and "+fmt.Sprintf("%q", a.At.Text()))
			}
		}
	}
	return all
}

// What a pattern matches begins with one of its prefixes.
func TestPrefixes(t *testing.T) {
	for text, want := range map[string][]string{
		"/a/b":                                 {"/a/b"},
		"/{,usr/}lib{,32}/*":                   {"/lib/", "/lib32/", "/usr/lib/", "/usr/lib32/"},
		"/{a,b{c,d}e}/{f,g*}h":                 {"/a/", "/bce/", "/bde/"},
		"**":                                   {""},
		"/[ab]":                                {"/"},
		`/a\{b,c}`:                             {"/a"},
		"/{" + strings.Repeat("a,", 20) + "b}": {"/"},
		"/a{b,c}}":                             {"/ab", "/ac"},
		"/{a,b":                                {"/"},
	} {
		assert.Equal(t, want, prefixes(glob(text), maxPrefixes), text)
	}
	w := policyWriter{rand.New(rand.NewPCG(3, 4))}
	for range 5000 {
		p := &Pattern{Expanded: []string{w.glob(), w.pick("/{a,{b,c}}", "/x", w.glob())}}
		for _, name := range sample(p).names {
			list := prefixes(p, 1+w.IntN(16))
			assert.True(t, slices.ContainsFunc(list, func(prefix string) bool { return strings.HasPrefix(name, prefix) }), "%q %q %q", p.Expanded, name, list)
		}
	}
}

// However many rules are alike, an effort ends.
func TestEffortEnds(t *testing.T) {
	for _, rule := range []string{"  /a%d{a,b*}*?{a,b*}*? r,\n", "  /**%d* ix,\n  /**%d? Px,\n", "  deny /*%d* r,\n  /?%d** r,\n", "  /bin/*%d r,\n"} {
		var policy strings.Builder
		policy.WriteString("profile p {\n")
		for i := range 2_000 {
			fmt.Fprint(&policy, strings.ReplaceAll(rule, "%d", fmt.Sprint(i)))
		}
		policy.WriteString("}\n")
		p, _ := new(Loader).Load(newFile(policy.String()))
		for _, lint := range []func(*Profile, *effort) int{
			func(p *Profile, e *effort) int { return len(lintShadowed(p, e)) },
			func(p *Profile, e *effort) int { return len(lintSubsumed(p, e)) },
			func(p *Profile, e *effort) int { return len(lintMergedUsr(p, e)) },
			func(p *Profile, e *effort) int { return len(lintExecConflicts(p, e)) },
		} {
			e := &effort{pairs: 100, left: 1 << 20}
			assert.LessOrEqual(t, lint(p.Profiles[0], e), 200)
			assert.Greater(t, e.left, -(1 << 24))
		}
	}
}
