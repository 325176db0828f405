package binary

import (
	"bytes"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestInMode(t *testing.T) {
	policy := compiled(t, "all")
	packer, err := zstd.NewWriter(nil)
	require.NoError(t, err)
	all, err := Decode(policy)
	require.NoError(t, err)
	for _, in := range [][]byte{policy, packer.EncodeAll(policy, nil)} {
		for i, want := range []struct {
			mode  string
			flags []string
		}{
			{"enforce", nil},
			{"complain", []string{"complain"}},
			{"kill", []string{"hat", "kill", "audit"}},
		} {
			out, err := InMode(in, all[i].Name, want.mode)
			require.NoError(t, err)
			alone, err := Decode(out)
			require.NoError(t, err)
			require.Len(t, alone, 1)
			assert.Equal(t, all[i].Name, alone[0].Name)
			assert.Equal(t, want.flags, alone[0].Flags)
			assert.Equal(t, all[i].ABI, alone[0].ABI)
			assert.Equal(t, all[i].Capabilities, alone[0].Capabilities)
		}
	}

	// There and back again it is what apparmor_parser made, byte for byte.
	there, err := InMode(policy, "web", "enforce")
	require.NoError(t, err)
	back, err := InMode(there, "web", "complain")
	require.NoError(t, err)
	assert.True(t, bytes.HasPrefix(policy, back))

	for _, wrong := range [][2]string{{"none", "complain"}, {"web", ""}, {"web", "quiet"}} {
		_, err := InMode(policy, wrong[0], wrong[1])
		assert.Error(t, err, wrong)
	}
	_, err = InMode(policy[:len(policy)-1], "web", "complain")
	assert.Error(t, err)
}

// A policy that was compiled to complain does so whatever its profiles say.
func TestInModeForced(t *testing.T) {
	policy := bytes.Clone(compiled(t, "all"))
	policy[len(versionElement)+1] |= forceComplain >> 8
	forced, err := Decode(policy)
	require.NoError(t, err)
	require.Contains(t, forced[0].Flags, "complain")
	out, err := InMode(policy, "web", "enforce")
	require.NoError(t, err)
	profiles, err := Decode(out)
	require.NoError(t, err)
	assert.Empty(t, profiles[0].Flags)
}

func TestInModeOfANamespace(t *testing.T) {
	name := append(append([]byte{}, namespaceElement...), "\x03\x00ns\x00"...)
	policy := compiled(t, "all")
	at := len(versionElement) + 4
	policy = append(append(append([]byte{}, policy[:at]...), name...), policy[at:]...)
	out, err := InMode(policy, "web", "kill")
	require.NoError(t, err)
	profiles, err := Decode(out)
	require.NoError(t, err)
	assert.Equal(t, "ns", profiles[0].Namespace)
	assert.Equal(t, []string{"kill"}, profiles[0].Flags)
}
