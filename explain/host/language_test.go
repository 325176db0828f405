package host

import (
	"context"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestCompareByLanguage holds that a profile which is loaded otherwise is said to
// differ in what: testdata/edited.bin and testdata/loaded.bin are two texts of it.
func TestCompareByLanguage(t *testing.T) {
	edited, err := os.ReadFile("testdata/edited.bin")
	require.NoError(t, err)
	before, err := os.ReadFile("testdata/loaded.bin")
	require.NoError(t, err)
	const raw = AppArmorFS + "/policy/profiles/web.3/raw_data"
	root := tree(t, map[string]string{raw: string(before), "p/web": "profile web {}"})
	h := Host{Root: root, PolicyDir: root + "/p", Run: func(context.Context, string, ...string) ([]byte, error) { return edited, nil }}
	f := Facts{AppArmor: AppArmor{Profiles: []Loaded{{Name: "web", Mode: "enforce", Hash: "old", Raw: raw}}}}
	h.Compare(t.Context(), &f, nil)
	require.Len(t, f.Policy.Compiled, 1)
	c := f.Policy.Compiled[0]
	assert.Equal(t, []string{"/srv/x w", "/srv/x a", "something of network"}, c.Gains)
	assert.Equal(t, []string{"capability kill", "/srv/y r"}, c.Lacks)
	answers := policy(f)
	require.Len(t, answers, 1)
	assert.Contains(t, answers[0].Why, "the file grants what the loaded one does not, such as /srv/x w, ")
	assert.Contains(t, answers[0].Why, "the loaded one grants what the file does not, such as capability kill, /srv/y r")

	// The same in other words.
	assert.Equal(t, "both grant the same; flags, exec transitions or what is logged differ", difference([]Compiled{{Same: true}}))
	assert.Empty(t, difference([]Compiled{{}}))

	// What cannot be read is left out.
	f.AppArmor.Profiles[0].Raw += "x"
	f.Policy = Policy{}
	h.Compare(t.Context(), &f, nil)
	assert.Empty(t, f.Policy.Compiled[0].Gains)
}
