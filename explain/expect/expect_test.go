package expect

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/whydenied/whydenied/rules"
	"github.com/whydenied/whydenied/rules/apparmor"
)

func TestParse(t *testing.T) {
	f, err := Parse("x", "# nothing\n\npolicy a b\nprofile p\nallow open \"/a #b\" r # why\nprofile *\n\tnever /etc/** w,\n")
	require.NoError(t, err)
	assert.Equal(t, File{Name: "x", Policies: []Policy{{3, "a b"}}, Expectations: []Expectation{
		{5, `allow open "/a #b" r`, Allow, "p", `open "/a #b" r`}, {7, "never /etc/** w,", Never, "", "/etc/** w,"},
	}}, f)
	f, err = Parse("x", `allow open "/a\" #b\\" r # why`)
	require.NoError(t, err)
	assert.Equal(t, `open "/a\" #b\\" r`, f.Expectations[0].Access)
	for text, want := range map[string]string{"allow": "x:1: nothing follows allow", "\npermit x": `x:2: "permit" is none of`} {
		_, err := Parse("x", text)
		assert.ErrorContains(t, err, want)
	}
}

// The mode of a profile does not matter, as what it would refuse is what is expected.
func TestCheckInComplainMode(t *testing.T) {
	policy, _ := (&apparmor.Loader{}).Load(rules.NewFile("policy", "profile p flags=(complain) { /a r, }"))
	for access, want := range map[string]bool{"open /a r": true, "open /b r": false} {
		r, err := Check(Expectation{Verb: Allow, Access: access}, policy.Profiles[0])
		require.NoError(t, err)
		assert.Equal(t, want, r.Holds, access)
	}
}

func FuzzParse(f *testing.F) {
	f.Add("policy a\nprofile p\nallow open /a r\nnever /x w,\n")
	policy, _ := (&apparmor.Loader{}).Load(rules.NewFile("policy", "profile p { /a r, }"))
	f.Fuzz(func(t *testing.T, text string) {
		file, err := Parse("x", text)
		if err != nil {
			return
		}
		for _, e := range file.Expectations {
			r, err := Check(e, policy.Profiles[0])
			if err == nil && r.Holds != (r.Why == "") {
				t.Errorf("%q: holds %v, %q", e.Text, r.Holds, r.Why)
			}
		}
	})
}
