package apparmor

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

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
		want := plainLints(p.Profiles[0])
		for _, d := range slices.Concat(lintShadowed(p.Profiles[0], newEffort()), lintSubsumed(p.Profiles[0], newEffort()),
			lintMergedUsr(p.Profiles[0], newEffort()), lintExecConflicts(p.Profiles[0], newEffort()), lintUnmatchable(p.Profiles[0], newEffort())) {
			require.NotEmpty(t, want, "%s\n%s", d, policy.String())
			text := d.String()
			for _, r := range d.Related {
				text += " " + r.At.String()
			}
			require.Contains(t, text, want[0], policy.String())
			want = want[1:]
			found[d.Code]++
		}
		require.Empty(t, want, policy.String())
	}
	t.Log(found)
	for _, code := range []string{"shadowed-rule", "shadowed-in-part", "subsumed-rule", "merged-usr", "exec-conflict"} {
		assert.Greater(t, found[code], 20, code)
	}
}

// plainLints returns what lints of pairs begin with, by looking at all pairs.
func plainLints(p *Profile) (all []string) {
	allow, deny := p.fileRules()
	for _, a := range allow {
		parts := 0
		for _, d := range deny {
			rel := Compare(filePattern(d), filePattern(a))
			switch {
			case withAppend(a.Perms)&withAppend(d.Perms) == 0 || !rel.HasBoth:
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
	covers := func(a, b *Pattern) bool { return !Compare(a, b).HasOnlyB }
	for _, group := range [][]*FileRule{allow, deny} {
		for i, b := range group {
			j := slices.IndexFunc(group, func(a *FileRule) bool {
				return a != b && grantsAll(a, b) && strings.HasPrefix(literalPrefix(filePattern(b)), literalPrefix(filePattern(a))) && covers(filePattern(a), filePattern(b)) &&
					!(slices.Index(group, a) > i && grantsAll(b, a) && covers(filePattern(b), filePattern(a)))
			})
			if j >= 0 {
				all = append(all, b.At.String()+": note: this rule adds nothing to "+fmt.Sprintf("%q", group[j].At.Text()))
			}
		}
	}
	for _, group := range [][]*FileRule{allow, deny} {
		for _, f := range group {
			usr := &Pattern{Expanded: []string{"/usr" + f.Path.Expanded[0]}}
			merged := slices.ContainsFunc(mergedDirs, func(dir string) bool { return strings.HasPrefix(literalPrefix(f.Path), dir) })
			if merged && len(p.Policy.Aliases) == 0 && !slices.ContainsFunc(group, func(o *FileRule) bool { return grantsAll(o, f) && covers(o.Path, usr) }) {
				all = append(all, f.PathAt.String()+": warning: ")
			}
		}
	}
	for i, r := range p.Rules {
		for _, other := range p.Rules[:i] {
			a, b := other.(*FileRule), r.(*FileRule)
			if a.Deny || b.Deny || a.Perms&b.Perms&Exec == 0 || sameTransition(a.Exec, b.Exec) || a.exact() != b.exact() {
				continue
			}
			if _, ok := Overlaps(a.Path, b.Path); ok {
				all = append(all, b.At.String()+": error: this rule and "+fmt.Sprintf("%q", a.At.Text()))
			}
		}
	}
	for _, r := range p.Rules {
		f := r.(*FileRule)
		if _, ok := Overlaps(f.Path, everyFile); !ok {
			all = append(all, f.PathAt.String()+": warning: this path is never asked for: a path begins")
		}
	}
	return all
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
