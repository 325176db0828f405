package host

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/whydenied/whydenied/rules/apparmor/binary"
)

// learner is a host with the profiles web, of which the kernel keeps what it was loaded from,
// web//child, web//hat and webb, and one that it made for a program.
func learner(t *testing.T) Host {
	raw, err := os.ReadFile("../../rules/apparmor/binary/testdata/all.bin")
	require.NoError(t, err)
	const dir = "sys/kernel/security/apparmor/"
	const web = dir + "policy/profiles/web.1/"
	return Host{Root: tree(t, map[string]string{
		dir + ".replace":                    "",
		web + "name":                        "web\n",
		web + "mode":                        "enforce\n",
		web + "raw_data":                    string(raw),
		web + "profiles/child.2/name":       "child\n",
		web + "profiles/child.2/mode":       "kill\n",
		web + "profiles/child.2/raw_data":   string(raw),
		web + "profiles/hat.3/name":         "hat\n",
		web + "profiles/hat.3/mode":         "complain\n",
		web + "profiles/hat.3/raw_data":     string(raw),
		web + "profiles/null.4/name":        "null-/bin/x\n",
		web + "profiles/null.4/mode":        "complain\n",
		dir + "policy/profiles/webb.5/name": "webb\n",
		dir + "policy/profiles/webb.5/mode": "enforce\n",
		dir + "policy/profiles/bare.6/name": "bare\n",
		dir + "policy/profiles/bare.6/mode": "unconfined\n",
		"proc/7/attr/current":               "web//null-/bin/x (complain)\n",
		"proc/8/attr/current":               "web (complain)\n",
		"proc/9/attr/current":               "other//null-/bin/x (complain)\n",
		"proc/10/attr/current":              "unconfined\n",
		"proc/sys/kernel/random/boot_id":    "one\n",
	})}
}

// replaced is the profile that was loaded last.
func (h Host) replaced(t *testing.T) *binary.Profile {
	t.Helper()
	policy, err := os.ReadFile(h.Root + AppArmorFS + "/.replace")
	require.NoError(t, err)
	profiles, err := binary.Decode(policy)
	require.NoError(t, err)
	require.Len(t, profiles, 1)
	return profiles[0]
}

func TestLearn(t *testing.T) {
	h := learner(t)
	levers, err := h.Learn([]string{"web", "web", "bare"})
	require.NoError(t, err)
	assert.Equal(t, []Lever{
		{Name: "profile-mode", Value: "complain", Profile: "web"},
		{Name: "profile-mode", Value: "complain", Profile: "web//child"},
	}, levers, "the hat complains already, as does what the kernel made")
	assert.Equal(t, []string{"7 in web//null-/bin/x"}, h.StillLearning([]string{"web", "webb"}))
	_, err = h.Learn([]string{"none"})
	assert.EqualError(t, err, "profile none is not loaded")
	_, err = h.Learn([]string{"webb"})
	assert.ErrorContains(t, err, "does not keep what profile webb was loaded from")

	file := filepath.Join(t.TempDir(), "run", "undo.json")
	changes, err := h.Apply(file, levers)
	require.NoError(t, err)
	assert.Equal(t, "enforce", changes[0].Previous)
	assert.Equal(t, "kill", changes[1].Previous)
	last := h.replaced(t)
	assert.Equal(t, "web//child", last.Name)
	assert.Equal(t, []string{"complain"}, last.Flags)

	// The kernel shows that they complain now, and somebody has loaded the child anew.
	web := h.Root + AppArmorFS + "/policy/profiles/web.1/"
	require.NoError(t, os.WriteFile(web+"mode", []byte("complain\n"), 0o600))
	require.NoError(t, os.WriteFile(web+"profiles/child.2/mode", []byte("enforce\n"), 0o600))
	done, err := h.Undo(file)
	require.NoError(t, err)
	assert.Equal(t, "enforce", done[0].Left)
	assert.Empty(t, done[1].Left)
	assert.Equal(t, "web", h.replaced(t).Name)
	assert.Empty(t, h.replaced(t).Flags)
}
