package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/whydenied/whydenied/rules/apparmor"
)

// TestPatchCorpus patches the profile of every scenario of the lab for which the
// lab verified a fix. The diff is that of the golden file; with it, the log has
// nothing left to fix, and the patched profile grants nothing that the verified
// one does not.
func TestPatchCorpus(t *testing.T) {
	if testing.Short() {
		t.Skip("asks one thing after the other, and takes long under the race detector")
	}
	fixed, err := filepath.Glob(corpus + "/*/*/profile.fixed")
	require.NoError(t, err)
	require.NotEmpty(t, fixed)
	root, err := os.Getwd()
	require.NoError(t, err)
	profileDir := filepath.Join(root, "testdata/apparmor.d")
	for _, name := range fixed {
		dir := filepath.Join(root, filepath.Dir(name))
		t.Run(filepath.Base(filepath.Dir(dir))+"/"+filepath.Base(dir), func(t *testing.T) {
			log := filepath.Join(dir, "before.log")
			t.Chdir(t.TempDir())
			for _, file := range []string{"profile", "profile.fixed"} {
				text, err := os.ReadFile(filepath.Join(dir, file))
				require.NoError(t, err)
				require.NoError(t, os.WriteFile(file, text, 0o600))
			}
			diff, code := patchLog(t, profileDir, log)
			golden(t, filepath.Join(dir, "patch.diff"), diff)
			if code == exitClean { // a silent refusal, which leaves no record
				return
			}
			patched, code := patchLog(t, profileDir, log, "--write", "--risk", "high")
			assert.Equal(t, diff, patched)
			assert.Equal(t, exitFound, code)
			again, _ := patchLog(t, profileDir, log)
			assert.NotContains(t, string(again), "--- a/", "the patched profile needs no patch")
			// In the one the lab's fix is to leave the process unconfined, and ours never is; in the
			// other it is dac_override, where dac_read_search is all that a read takes.
			if other := []string{"change-profile-unconfined", "cap-dac"}; !slices.Contains(other, filepath.Base(dir)) {
				comparePatched(t, profileDir)
			}
		})
	}
}

// patchLog runs patch on a log and the profile of the working directory.
func patchLog(t *testing.T, profileDir, log string, args ...string) ([]byte, int) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	args = append([]string{"patch", log, "--profile", "profile", "--profile-dir", profileDir}, args...)
	code := run(context.Background(), args, strings.NewReader(""), &stdout, &stderr)
	return stdout.Bytes(), code
}

// comparePatched compares the profiles of the working directory: the patched one
// may grant no access that the lab's verified fix does not.
func comparePatched(t *testing.T, profileDir string) {
	t.Helper()
	loader := &apparmor.Loader{Include: []string{profileDir}}
	patched, _, err := loader.LoadFile("profile")
	require.NoError(t, err)
	verified, _, err := loader.LoadFile("profile.fixed")
	require.NoError(t, err)
	for _, p := range patched.Profiles {
		other := verified.Profile(p.FullName())
		require.NotNil(t, other, p.FullName())
		gains, complete := apparmor.Gains(other, p)
		assert.True(t, complete)
		for _, g := range gains {
			t.Errorf("grants %s of %+v beyond the verified fix, by %v", g.Perms, g.Example, g.Rule)
		}
	}
}
