package apparmor

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/whydenied/whydenied/rules"
	"github.com/whydenied/whydenied/testdata/cputime"
)

// FuzzParseProfile checks that any text loads without a panic, in bounded
// time, that positions lie in the file, and that edits apply.
func FuzzParseProfile(f *testing.F) {
	for _, c := range syntaxCases() {
		f.Add(c.policy)
	}
	for i := range 20 {
		g := generator{Rand: rand.New(rand.NewPCG(1, uint64(i))), errors: 2}
		f.Add(g.policy())
	}
	names, _ := filepath.Glob("testdata/profiles/*")
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text))
	}
	f.Fuzz(func(t *testing.T, text string) {
		f, _ := parse(newFile(text), maxTokens)
		if len(text) > 1<<16 || includesOutside(f.stmts) {
			return
		}
		var p *Policy
		var diags []rules.Diagnostic
		l := Loader{Include: []string{"testdata/include"}}
		if took := cputime.Of(func() { p, diags = l.Load(rules.NewFile("fuzz", text)) }); took > 10*time.Second {
			t.Fatalf("took %v of CPU time", took)
		}
		for _, d := range diags {
			inFile(t, d.At)
			_ = d.String()
		}
		for i, prof := range p.Profiles {
			inFile(t, prof.At)
			inFile(t, prof.Body)
			for _, r := range prof.Rules {
				inFile(t, r.Location())
				if f, ok := r.(*FileRule); ok && f.Path != nil {
					inFile(t, f.PathAt)
					inFile(t, f.PermsAt)
				}
			}
			if i > 0 || refused(diags) {
				continue
			}
			changes, err := rules.Apply([]rules.Edit{prof.Insert("/fuzz r,")})
			if err != nil {
				t.Fatal(err)
			}
			again, diags := l.Load(rules.NewFile("fuzz", changes[0].New))
			if refused(diags) {
				t.Fatalf("inserting a rule breaks\n%q\ninto\n%q\n%s", text, changes[0].New, diagText(diags))
			}
			if got := again.Profile(prof.FullName()); got == nil || len(got.Rules) != len(prof.Rules)+1 {
				t.Fatalf("inserting a rule into\n%q\nadds none:\n%q", text, changes[0].New)
			}
		}
	})
}

// includesOutside reports whether a policy includes files that are not the
// test's own.
func includesOutside(stmts []statement) bool {
	return slices.ContainsFunc(stmts, func(s statement) bool {
		switch s := s.(type) {
		case *includeStmt:
			return !s.magic || !filepath.IsLocal(s.path)
		case *profileStmt:
			return includesOutside(s.stmts)
		case *blockStmt:
			return includesOutside(s.stmts)
		case *ifStmt:
			return includesOutside(s.then) || includesOutside(s.otherwise)
		}
		return false
	})
}

func inFile(t *testing.T, at rules.Location) {
	t.Helper()
	if at.File == nil || at.Span.Start < 0 || at.Span.End < at.Span.Start || at.Span.End > len(at.File.Text) {
		t.Fatalf("position %+v is outside its file", at.Span)
	}
}
