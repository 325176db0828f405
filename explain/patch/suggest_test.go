package patch

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/whydenied/whydenied/explain"
	"github.com/whydenied/whydenied/explain/library"
)

// A suggester takes records as they come.
type suggester struct {
	t           testing.TB
	explainer   *explain.Explainer
	group       *explain.Group
	suggestions *Suggestions
	findings    []*explain.Explained
}

// suggesting takes what is refused under profile p, whose rules are given.
func suggesting(t testing.TB, rules string) *suggester {
	dir := t.TempDir()
	file := filepath.Join(dir, "p")
	require.NoError(t, os.WriteFile(file, []byte("profile p {\n"+rules+"}\n"), 0o600))
	explainer := explain.New(library.New(dir, nil))
	_, _, err := explainer.Library.AddProfile(file)
	require.NoError(t, err)
	return &suggester{t, explainer, explain.NewGroup(nil, explain.Filter{}), NewSuggestions(explainer), nil}
}

// add takes a log of new findings and returns, of the last, the rule that grants
// it already.
func (s *suggester) add(log string) (rule string, revision int) {
	for _, d := range denials(s.t, log) {
		found, isNew := s.group.Add(d)
		require.True(s.t, isNew)
		f := s.explainer.ExplainAll([]*explain.Finding{found})[0]
		s.findings = append(s.findings, f)
		rule, revision = s.suggestions.Add(f)
	}
	return rule, revision
}

// revised returns "NUMBER xFINDINGS RULE" of each fix that is another now.
func (s *suggester) revised() (lines []string) {
	revisions, more := s.suggestions.Revise()
	assert.False(s.t, more)
	for _, r := range revisions {
		assert.Equal(s.t, s.findings[0].Policy, r.Policy)
		assert.NotEmpty(s.t, r.Fix.Message)
		lines = append(lines, fmt.Sprintf("%d x%d %s", r.Number, len(r.Findings), r.Fix.Rule))
	}
	return lines
}

// The fixes of findings change as others come: a rule for one path, then for
// names with numbers, which then grants what comes after it.
func TestSuggestions(t *testing.T) {
	s := suggesting(t, "  /srv/data r,\n")
	name := func(i int) string { return fmt.Sprintf("/srv/log/%d.log", i) }
	for i := range 4 {
		rule, _ := s.add(opened(i+1, name(i), "w", 0))
		assert.Empty(t, rule)
		assert.Empty(t, s.revised(), "each has its own rule")
	}
	s.add(opened(5, name(4), "w", 0))
	assert.Equal(t, []string{"2 x5 owner /srv/log/[0-9].log w,"}, s.revised())
	rule, revision := s.add(opened(6, name(7), "w", 0))
	assert.Equal(t, "owner /srv/log/[0-9].log w,", rule)
	assert.Equal(t, 2, revision)
	assert.Empty(t, s.revised(), "nothing is to be done for it")

	rule, _ = s.add(opened(7, name(7), "r", 0))
	assert.Empty(t, rule, "another permission")
	assert.Empty(t, s.revised(), "its own rule")

	// Two permissions of one rule, one after the other.
	s.add(opened(8, "/srv/data", "w", 0))
	assert.Empty(t, s.revised(), "as its finding has it")
	s.add(opened(9, "/srv/data", "k", 0))
	assert.Equal(t, []string{"3 x2 /srv/data rwk,"}, s.revised())
	for _, f := range s.findings {
		assert.Empty(t, f.Notes, "findings are left as they are")
	}
}

// What should be looked into is told whole, though a suggestion grants it.
func TestSuggestionsInvestigate(t *testing.T) {
	s := suggesting(t, "")
	for i := range 6 {
		rule, _ := s.add(opened(i+1, fmt.Sprintf("/proc/sys/net/%d", i), "w", 0))
		assert.Empty(t, rule)
		s.revised()
	}
}

// Work and memory are bounded, and that is said.
func TestSuggestionsAreBounded(t *testing.T) {
	s := suggesting(t, "")
	for i := range maxSuggested + 1 {
		s.add(opened(i+1, fmt.Sprintf("/srv/%c%c%c", 'a'+i%26, 'a'+i/26%26, 'a'+i/676), "r", 0))
	}
	full := s.findings[maxSuggested]
	require.Len(t, full.Notes, 1)
	assert.Contains(t, full.Notes[0], "no longer fitted together")
	assert.Empty(t, s.findings[maxSuggested-1].Notes)
	assert.Len(t, s.suggestions.all[full.Policy].findings, maxSuggested)
}

// A suggestion is for one policy; two are made one after the other.
func TestSuggestionsOfTwoPolicies(t *testing.T) {
	s := suggesting(t, "")
	s.group.Find = nil
	const capable = `type=AVC msg=audit(1795427169.844:%d): apparmor="DENIED" operation="capable" profile="docker-default" pid=7 comm="app" capability=%d  capname="%s"` + "\n"
	s.add(opened(1, "/srv/a", "r", 0) + opened(2, "/srv/a", "w", 0) + fmt.Sprintf(capable, 3, 12, "net_admin") + fmt.Sprintf(capable, 4, 25, "sys_time"))
	first, more := s.suggestions.Revise()
	assert.True(t, more)
	require.Len(t, first, 1)
	assert.Equal(t, "owner /srv/a rw,", first[0].Fix.Rule)
	second, more := s.suggestions.Revise()
	assert.False(t, more)
	for _, r := range second {
		assert.Contains(t, r.Policy, "moby")
	}
}
