package patch

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/whydenied/whydenied/explain"
	"github.com/whydenied/whydenied/explain/library"
)

const corpus = "../../testdata/corpus"

// scenario returns the findings of a scenario of the lab, and the policy that it was
// recorded under.
func scenario(t *testing.T, dir string) (*explain.Explainer, []*explain.Finding) {
	t.Helper()
	explainer := explain.New(library.New(filepath.Join(t.TempDir(), "none"), nil))
	if profile := filepath.Join(dir, "profile"); exists(profile) {
		_, _, err := explainer.Library.AddProfile(profile)
		require.NoError(t, err)
	}
	for _, name := range []string{"seccomp.json", "profile.json"} {
		if file := filepath.Join(dir, name); exists(file) {
			_, err := explainer.Library.AddSeccomp(file)
			require.NoError(t, err)
		}
	}
	log, err := os.ReadFile(filepath.Join(dir, "before.log"))
	require.NoError(t, err)
	group := explain.NewGroup(nil, explain.Filter{})
	for _, d := range denials(t, string(log)) {
		group.Add(d)
	}
	return explainer, group.Findings()
}

func exists(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}

// Explain changes no finding, and neither it nor a patch what was explained before:
// the same question has the same answer again. What is proposed is in the patch, and
// what is in the patch was proposed.
func TestExplainAndPatchAgree(t *testing.T) {
	logs, err := filepath.Glob(corpus + "/*/*/before.log")
	require.NoError(t, err)
	require.NotEmpty(t, logs)
	for _, log := range logs {
		dir := filepath.Dir(log)
		t.Run(strings.TrimPrefix(dir, corpus+"/"), func(t *testing.T) {
			explainer, findings := scenario(t, dir)
			explained := explainer.ExplainAll(findings)
			before := printed(t, explained)
			patch := Make(explainer, explained)
			assert.Equal(t, before, printed(t, explained), "a patch changes no explanation")
			assert.Equal(t, before, printed(t, explainer.ExplainAll(findings)), "the same finding has the same explanation again")
			for _, r := range patch.Remedies {
				assert.NotEmpty(t, r.Finding.Fixes, "patched: %s", r.Fix.Message)
			}
			for _, l := range patch.Left {
				if !strings.HasPrefix(l.Reason, "not needed") { // or harmless, which is no need either
					assert.Empty(t, l.Finding.Fixes, "left: %s", l.Reason)
				}
			}
			diagnosed := Make(explainer, explainer.DiagnoseAll(findings))
			assert.Equal(t, patch.Changes, diagnosed.Changes, "fixes are made anew, proved or not")
		})
	}
}

// printed returns what explanations say.
func printed(t *testing.T, explained []*explain.Explained) string {
	t.Helper()
	var out strings.Builder
	for _, f := range explained {
		for _, place := range f.Rules {
			fmt.Fprintln(&out, place.At, place.Note)
		}
		for _, fix := range f.Fixes {
			fmt.Fprintln(&out, fix.Message, fix.Rule, len(fix.Edits), fix.Grants, fix.Risk, fix.Reason, fix.Proof)
		}
		text, err := json.Marshal([]any{f.ID, f.Count, f.Serials, f.Cause, f.Why, f.Decision, f.Policy, f.Quiet, f.Notes, f.Investigate})
		require.NoError(t, err)
		out.Write(append(text, '\n'))
	}
	return out.String()
}
