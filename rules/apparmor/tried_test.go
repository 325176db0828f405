package apparmor

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/whydenied/whydenied/rules"
)

// TestTried holds what is told of a profile without loading its policy against what loading
// tells: of random profiles, with blocks, conditions, aliases and includes, to which rules are added
// and of which rules are changed.
func TestTried(t *testing.T) {
	w := policyWriter{rand.New(rand.NewPCG(40, 1))}
	loader := &Loader{Include: []string{"testdata/include"}}
	told, asked := 0, 0
	for range 60 {
		text := w.pick("", "", "alias /a/ -> /b/,\n") + preamble + w.pick("", "${B}=true\n", "priority r,\n") + w.profile("p") + w.profile("q")
		if w.chance(30) {
			text = text[:len(text)-len("}\n")] + "  include <abstractions/files>\n  audit { /a/b r, /c w, }\n  /x r, /y rw,\n}\n"
		}
		policy, diags := loader.Load(rules.NewFile("policy", text))
		for _, p := range policy.Profiles {
			for _, edits := range someEdits(w, p) {
				asked++
				tried := p.Tried(edits)
				if tried == nil {
					continue
				}
				told++
				changes, err := rules.Apply(edits)
				require.NoError(t, err, "%s\n%v", text, edits)
				require.Len(t, changes, 1)
				loaded, after := loader.Load(rules.NewFile("policy", changes[0].New))
				require.Len(t, after, len(diags), "%s\n%v\n%s", text, edits, diagText(after))
				want := loaded.Profile(p.FullName())
				require.NotNil(t, want)
				want.Reuse(p) // as tried does
				sameProfile(t, w, want, tried, changes[0].New)
			}
		}
	}
	assert.Greater(t, told, asked/5)
	assert.Less(t, told, asked, "some have to be loaded")
	t.Logf("%d of %d", told, asked)
}

// someEdits are edits of a profile as fixes make them, and some that none does.
func someEdits(w policyWriter, p *Profile) (all [][]rules.Edit) {
	for range 4 {
		all = append(all, []rules.Edit{p.Insert(w.rule())})
	}
	for _, text := range []string{"/a r", "/a r, /b r,", "/a r, # why", "/a r, # why,", "", "# /a r,", "/new r, }", "priority=3 /a r,", "/@{NO} r,", "/a[ r,", "/new rk,"} {
		all = append(all, []rules.Edit{p.Insert(text)})
	}
	inner := p.Insert("/new r,")
	inner.At.Span.Start--
	inner.At.Span.End--
	all = append(all, []rules.Edit{inner})
	for _, r := range p.Rules {
		file, ok := r.(*FileRule)
		if !ok {
			continue
		}
		if edit, _, ok := file.AddPerms(Read | Write); ok {
			all = append(all, []rules.Edit{edit})
		}
		if edit, _, ok := file.AddPerms(Lock); ok {
			all = append(all, []rules.Edit{edit, p.Insert("/other r,")})
		}
		if edits, _, ok := file.SetPerms(w.perms()); ok {
			all = append(all, edits)
		}
		if edits, _, ok := file.DropOwner(Lock); ok {
			all = append(all, edits)
		}
		all = append(all, []rules.Edit{{At: file.At, New: w.rule()}}, []rules.Edit{{At: file.At, New: ""}})
	}
	return all
}

// sameProfile holds two profiles to the same rules, and the same answers.
func sameProfile(t *testing.T, w policyWriter, want, got *Profile, text string) {
	t.Helper()
	require.Len(t, got.Rules, len(want.Rules), "%s", text)
	for i, r := range want.Rules {
		require.Equal(t, keyOfRule(r), keyOfRule(got.Rules[i]), "%s", text)
		require.Equal(t, r.Head().Shared, got.Rules[i].Head().Shared, "%s", text)
		require.Equal(t, r.Head().Since, got.Rules[i].Head().Since, "%s", text)
		if file, ok := r.(*FileRule); ok {
			require.Equal(t, keyOfFile(file), keyOfFile(got.Rules[i].(*FileRule)), "%s", text)
		}
	}
	assert.True(t, sameSurroundings(want, got))
	assert.Equal(t, want.Unread, got.Unread)
	for range 5 {
		req := FileRequest{Path: w.near(want), Perms: Read | Write, Owner: w.chance(50)}
		a, b := want.Decide(req), got.Decide(req)
		require.Equal(t, [3]Perms{a.Granted, a.Refused, a.Unmatched}, [3]Perms{b.Granted, b.Refused, b.Unmatched}, "%v of %s", req, text)
		require.Equal(t, textsOf(a.Allow), textsOf(b.Allow), "%v of %s", req, text)
	}
}

func textsOf(list []Rule) (texts []string) {
	for _, r := range list {
		texts = append(texts, r.Location().Text())
	}
	return texts
}
