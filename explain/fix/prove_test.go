package fix

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/whydenied/whydenied/explain/library"
	"github.com/whydenied/whydenied/rules"
	"github.com/whydenied/whydenied/rules/apparmor"
)

// loadedFix loads the text of one profile, p, for a proposer.
func loadedFix(t *testing.T, text string) (*Proposer, *apparmor.Profile) {
	t.Helper()
	l := library.New(t.TempDir(), nil)
	policy, diagnostics := l.Loader.Load(rules.NewFile("p", text))
	require.Empty(t, rules.Errors(diagnostics))
	return New(l), policy.Profile("p")
}

// A fix with an edit that the others do without is none, whatever it is for.
func TestEachEditIsNeeded(t *testing.T) {
	p, profile := loadedFix(t, "profile p {\n  /a r,\n}\n")
	flag := profile.AddFlag("attach_disconnected")
	flagged := func(edited *apparmor.Profile) bool { return edited.HasFlag("attach_disconnected") }
	fix := rules.Fix{Edits: []rules.Edit{flag}}
	assert.True(t, p.proveDoes(&fix, profile, flagged))
	assert.Equal(t, []string{"the edited profile parses", "nothing is lost", "each edit is needed"}, fix.Proof)
	fix.Edits = append(fix.Edits, profile.Insert("owner / r,"))
	assert.False(t, p.proveDoes(&fix, profile, flagged))
}

// A rule stands beside attach_disconnected only where the profile refuses the name that the
// file then has.
func TestFlagWithRule(t *testing.T) {
	attached := apparmor.FileRequest{Path: "/dev/null", Perms: apparmor.Read, Owner: true}
	for text, edits := range map[string]int{
		"profile p {\n  /dev/null r,\n}\n":      1,
		"profile p {\n  /dev/zero r,\n}\n":      2,
		"profile p {\n  deny /dev/null r,\n}\n": 1,
	} {
		p, profile := loadedFix(t, text)
		fixes := p.Flag(profile, "attach_disconnected", &attached, Caller{})
		require.Len(t, fixes, 1, text)
		assert.Len(t, fixes[0].Edits, edits, text)
		assert.Contains(t, fixes[0].Proof, "each edit is needed", text)
	}
}

// The mode and the target of a transition go together, and are both needed.
func TestTransitionOfTwoEdits(t *testing.T) {
	for text, want := range map[string]string{
		"profile p {\n  /t px -> q,\n}\n":            "/t ix,",
		"profile p {\n  /t px,\n}\n":                 "/t ix,",
		"profile p {\n  /t* px -> q,\n}\n":           "/t ix,",
		"profile p {\n  /t px -> q,\n  /** ux,\n}\n": "/t ix,",
	} {
		p, profile := loadedFix(t, text)
		fixes := p.Transition(profile, execRule(profile, "/t"), "/t", false)
		require.Len(t, fixes, 1, text)
		assert.Equal(t, want, fixes[0].Rule, text)
		assert.Contains(t, fixes[0].Proof, "nothing is lost but how the program was executed", text)
		assert.Contains(t, fixes[0].Proof, "each edit is needed", text)
	}
}
