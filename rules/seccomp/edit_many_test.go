package seccomp

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/whydenied/whydenied/rules"
)

// refusedNames returns some calls of x86-64 that a profile refuses.
func refusedNames(r *rand.Rand, p *Profile, most int) []string {
	var names []string
	for _, i := range r.Perm(len(tableOf(0).names)) {
		name := tableOf(0).names[i]
		if name != "" && !decide(p, name).Action.Permits() && len(names) < most {
			names = append(names, name)
		}
	}
	return names
}

// testProfiles returns the profiles in every way of writing, and the built-in ones.
func testProfiles(t *testing.T) map[string]string {
	texts := map[string]string{}
	for name, text := range formats {
		texts[name] = text
	}
	for name, text := range builtinTexts() {
		texts[name] = text
	}
	return texts
}

// Calls that are allowed one after the other, each in the text that the one
// before left, are allowed in the end, and lists that were sorted stay so.
func TestAllowInTurn(t *testing.T) {
	for name, text := range testProfiles(t) {
		r := rand.New(rand.NewPCG(5, uint64(len(name))))
		rounds := 1 // the built-in texts are many, and alike
		if formats[name] != "" {
			rounds = 3
		}
		for range rounds {
			before := parse(t, name, text)
			names := refusedNames(r, before, 2+r.IntN(19))
			p := before
			for _, call := range names {
				edits, err := p.Allow(call)
				require.NoError(t, err)
				p = applyEdits(t, edits)
			}
			for _, call := range names {
				assert.Equal(t, Allow, decide(p, call).Action, "%s: %s\n%s", name, call, p.File.Text)
			}
			for i, e := range p.Entries {
				if len(before.Entries) == len(p.Entries) && sorted(before.Entries[i]) {
					assert.True(t, sorted(e), "%s: %v", name, e.Names)
				}
			}
			gains, complete := Gains(before, p)
			// CRI-O's entries on the flags of clone disagree, and libseccomp says for which.
			assert.True(t, complete || strings.HasPrefix(name, "crio-") && slices.Contains(names, "clone"), "%s: %v", name, names)
			for _, g := range gains {
				// What runc's stub refused is asked of the profile once that names a newer call.
				stub := g.Before.Errno == enosys && namesCall(before, g.Syscall)
				assert.True(t, !g.Permits() || stub || slices.Contains(names, g.Syscall) || g.Syscall == "socketcall" || g.Syscall == "ipc", "%s: %s", name, g.Syscall)
				assert.False(t, g.Refuses(), "%s: %s", name, g.Syscall)
			}
		}
	}
}

// namesCall reports whether a profile permits a call by its name.
func namesCall(p *Profile, call string) bool {
	return slices.ContainsFunc(p.Entries, func(e *Entry) bool {
		return e.Action.Permits() && slices.ContainsFunc(e.Names, func(n Name) bool { return n.Text == call })
	})
}

func sorted(e *Entry) bool {
	return slices.IsSortedFunc(e.Names, func(a, b Name) int { return strings.Compare(a.Text, b.Text) })
}

// Edits that were each made of the same text merge, in either order: what comes
// out reads well and allows what none of the named conflicts is about.
func TestMergedAllow(t *testing.T) {
	conflicts, merged := 0, 0
	for name, text := range testProfiles(t) {
		r := rand.New(rand.NewPCG(6, uint64(len(name))))
		p := parse(t, name, text)
		for range 4 {
			names := refusedNames(r, p, 2+r.IntN(19))
			slices.Sort(names)
			for range 2 {
				var sets [][]rules.Edit
				for _, call := range names {
					edits, err := p.Allow(call)
					require.NoError(t, err)
					sets = append(sets, edits)
				}
				edits, clash := rules.Merge(sets...)
				if len(clash) > 0 {
					conflicts++
					break
				}
				merged++
				after := applyEdits(t, edits)
				for _, call := range names {
					assert.Equal(t, Allow, decide(after, call).Action, "%s: %s\n%s", name, call, after.File.Text)
				}
				slices.Reverse(names)
			}
		}
	}
	t.Logf("%d sets merged, %d named as conflicts", merged, conflicts)
	assert.Greater(t, merged, 50)
}

func TestCover(t *testing.T) {
	call := Call{Arch: I386, Name: "read"}
	for _, c := range []struct{ before, after string }{
		{`{"defaultAction":"SCMP_ACT_ERRNO","architectures":["SCMP_ARCH_X86_64"]}`, `["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"]`},
		{`{"defaultAction":"SCMP_ACT_ERRNO"}`, `"architectures":["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"]`},
		{`{"defaultAction":"SCMP_ACT_ERRNO","archMap":[{"architecture":"SCMP_ARCH_X86_64","subArchitectures":[]}]}`, `"subArchitectures":["SCMP_ARCH_X86"]`},
	} {
		p := parse(t, "profile", c.before)
		require.False(t, p.Decide(call).ArchListed)
		edits, err := p.Cover(call)
		require.NoError(t, err)
		after := applyEdits(t, edits)
		assert.Contains(t, after.File.Text, c.after)
		assert.True(t, after.Decide(call).ArchListed)
		_, err = after.Cover(call)
		assert.Error(t, err)
	}
	p := parse(t, "profile", `{"defaultAction":"SCMP_ACT_ERRNO","archMap":[{"architecture":"SCMP_ARCH_AARCH64","subArchitectures":[]}]}`)
	_, err := p.Cover(call)
	assert.ErrorContains(t, err, "no list of architectures")
}

// In a profile that allows by default, an entry that refuses a call does so but
// for one value.
func TestAllowWhenByDefault(t *testing.T) {
	for _, names := range []string{`"socket"`, `"mkdir","socket"`} {
		p := parse(t, "profile", `{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":[`+names+`],"action":"SCMP_ACT_ERRNO","errnoRet":97}]}`)
		edits, err := p.AllowWhen("socket", Arg{Op: EQ, Value: 38})
		require.NoError(t, err)
		after := applyEdits(t, edits)
		assert.Equal(t, Allow, decide(after, "socket", 38).Action)
		assert.Equal(t, 97, decide(after, "socket", 2).Errno)
		assert.Equal(t, decide(p, "mkdir").Action, decide(after, "mkdir").Action)
	}
}

func TestDerive(t *testing.T) {
	p := builtin("moby-v0.2.4")
	derived := p.Derive("web.json")
	assert.Equal(t, "web.json", derived.File.Name)
	assert.Empty(t, derived.File.Builtin)
	edits, err := derived.Allow("mount")
	require.NoError(t, err)
	after, err := derived.Edited(edits)
	require.NoError(t, err)
	assert.Equal(t, Allow, decide(after, "mount").Action)
}

// Of whatever text, an edit makes a profile that reads well and in which nothing
// but the call it is for is permitted that was not.
func FuzzEdit(f *testing.F) {
	for _, text := range formats {
		f.Add(text, uint8(0))
		f.Add(text, uint8(7))
	}
	for _, text := range []string{
		"{\"defaultAction\":\"SCMP_ACT_ERRNO\",\r\n\t\"syscalls\":[{\"names\":[\"read\",\r\n\"read\"],\"names\":[\"write\"],\"action\":\"SCMP_ACT_ALLOW\"}]}",
		"kind: SeccompProfile\r\nspec: # here\r\n  defaultAction: SCMP_ACT_ERRNO # [\"\r\n  syscalls:\r\n  - action: SCMP_ACT_ALLOW\r\n    names: # all\r\n    - read # ]\r\n",
	} {
		f.Add(text, uint8(1))
	}
	names := []string{"clone", "socket", "mkdir", "openat2"}
	f.Fuzz(func(t *testing.T, text string, choice uint8) {
		if len(text) > 4096 {
			return
		}
		p, _, err := Parse(rules.NewFile("fuzz", text))
		if err != nil {
			return
		}
		name := names[choice%4]
		var edits []rules.Edit
		want := Want{Name: name}
		switch choice / 4 % 4 {
		case 0:
			edits, err = p.Allow(name)
		case 1:
			want.Args = []Arg{{Index: 1, Op: EQ, Value: 3}}
			edits, err = p.AllowWhen(name, want.Args...)
		case 2:
			edits, err = p.AnswerENOSYS(name)
		case 3:
			edits, err = p.Cover(Call{Arch: I386, Name: name})
		}
		if err != nil {
			return
		}
		after, err := p.Edited(edits)
		if err != nil {
			if _, err := rules.Apply(edits); err != nil {
				t.Fatalf("%v\n%s", err, text)
			}
			t.Skip(err) // text whose places are not known; a fix with it is not shown
		}
		gains, _ := Gains(p, after, want)
		for _, g := range gains {
			if choice/4%4 != 3 && g.Permits() && g.Syscall != name && g.Syscall != "socketcall" {
				t.Fatalf("%s is permitted: %s\n%s\n%s", g.Syscall, name, text, after.File.Text)
			}
		}
	})
}
