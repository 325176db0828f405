package host

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestKernelHashes compares the hashes of a compiled policy with those that a
// kernel had of it: testdata/policy.bin is what apparmor_parser 3.0.8 of Debian 12
// made, and the hashes are what Linux 6.1 said once it was loaded.
func TestKernelHashes(t *testing.T) {
	stream, err := os.ReadFile("testdata/policy.bin")
	require.NoError(t, err)
	var got [][2]string
	for _, c := range profilesIn(stream) {
		got = append(got, [2]string{c.Name, c.SHA1})
		assert.Len(t, c.SHA256, 64)
	}
	assert.Equal(t, [][2]string{
		{"lab_one", "3c451ebd11602a74d46007445276c09fc4e2d2fe"},
		{"lab_one//child", "2672cc3d04479043afc62e7b6ac8552de8c9d276"},
		{"lab_one//hat", "30ff8bbba48b1340270c3f1dc496d0bd923146e0"},
		{"lab_two", "98023af790c8071931e6f696989da7f1beb12aa9"},
	}, got)
}

// A namespace is no part of what the kernel hashes, but of the name.
func TestHashWithNamespace(t *testing.T) {
	profile := []byte("\x04\x08\x00profile\x00\x07\x05\x02\x00p\x00\x08")
	plain := append(append(bytes.Clone(versionElement), 7, 0, 0, 0), profile...)
	spaced := append(append(bytes.Clone(versionElement), 7, 0, 0, 0), "\x04\x0a\x00namespace\x00\x05\x03\x00ns\x00"...)
	spaced = append(spaced, profile...)
	a, b := profilesIn(plain), profilesIn(spaced)
	require.Len(t, a, 1)
	require.Len(t, b, 1)
	assert.Equal(t, "p", a[0].Name)
	assert.Equal(t, ":ns://p", b[0].Name)
	assert.Equal(t, a[0].SHA1, b[0].SHA1)
}

func FuzzProfilesIn(f *testing.F) {
	stream, err := os.ReadFile("testdata/policy.bin")
	require.NoError(f, err)
	f.Add(stream)
	f.Add(versionElement)
	f.Add(append(append(bytes.Clone(versionElement), 7, 0, 0, 0), profileElement...))
	f.Fuzz(func(t *testing.T, stream []byte) {
		for _, c := range profilesIn(stream) {
			assert.Len(t, c.SHA1, 40)
		}
	})
}

func TestCompare(t *testing.T) {
	stream, err := os.ReadFile("testdata/policy.bin")
	require.NoError(t, err)
	dir := filepath.Join(tree(t, map[string]string{
		"p/lab": "profile lab_one {}", "p/other": "profile other {}", "p/lab.dpkg-old": "profile lab_one {}",
		"p/broken": "profile lab_one {", "p/containers/two": "profile lab_two {}",
	}), "p")
	var ran []string
	h := Host{PolicyDir: dir, Run: func(_ context.Context, program string, args ...string) ([]byte, error) {
		assert.Equal(t, "apparmor_parser", program)
		file := args[len(args)-1]
		ran = append(ran, filepath.Base(file))
		if filepath.Base(file) == "broken" {
			return nil, errors.New("exit status 1")
		}
		return stream, nil
	}}
	f := Facts{AppArmor: AppArmor{Profiles: []Loaded{{Name: "lab_one//child"}, {Name: "lab_two"}}}}
	h.Compare(t.Context(), &f, nil)
	assert.NoError(t, f.Policy.Err)
	assert.Equal(t, []string{"broken", "lab", "two"}, ran)
	assert.Equal(t, []string{filepath.Join(dir, "broken")}, f.Policy.Failed)
	assert.Len(t, f.Policy.Compiled, 8)
	assert.False(t, f.Policy.Compiled[0].Changed.IsZero())

	h.Run = programs(nil)
	h.Compare(t.Context(), &f, nil)
	assert.ErrorContains(t, f.Policy.Err, "not installed")
}

// TestParserIsSteady holds what the comparison rests on: apparmor_parser makes
// the same of the same policy.
func TestParserIsSteady(t *testing.T) {
	tool := "/usr/sbin/apparmor_parser"
	if _, err := os.Stat(tool); err != nil {
		if os.Getenv("REQUIRE_TOOLS") != "" {
			t.Fatal("apparmor_parser is not installed: apt-get install apparmor")
		}
		t.Skip("apparmor_parser is not installed")
	}
	file := filepath.Join(t.TempDir(), "policy")
	require.NoError(t, os.WriteFile(file, []byte("profile p {\n  /a/{b,c}*/** rw,\n  deny /x/** w,\n  ^hat { /y r, }\n}\nprofile q { capability, }\n"), 0o600))
	var first []Compiled
	for range 3 {
		out, err := exec.Command(tool, "-Q", "-K", "-q", "-S", "--config-file", os.DevNull, file).Output()
		require.NoError(t, err)
		compiled := profilesIn(out)
		require.Len(t, compiled, 3)
		if first == nil {
			first = compiled
		}
		assert.Equal(t, first, compiled)
	}
}
