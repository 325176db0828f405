package explain

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/whydenied/whydenied/explain/library"
)

// rulesOf are the rules of the fixes of each finding of files that were refused alike.
func rulesOf(t *testing.T, profile string, names ...string) (all [][]string) {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "p")
	require.NoError(t, os.WriteFile(file, []byte("profile p {\n"+profile+"}\n"), 0o600))
	x := New(library.New(filepath.Join(dir, "none"), nil))
	_, _, err := x.Library.AddProfile(file)
	require.NoError(t, err)
	g := NewGroup(nil, Filter{})
	for i, name := range names {
		record := fmt.Sprintf("type=AVC msg=audit(1795427169.844:%d): apparmor=\"DENIED\" operation=\"open\" profile=\"p\" name=%q pid=7 comm=\"cat\" requested_mask=\"w\" denied_mask=\"w\" fsuid=0 ouid=5\n", i, name)
		for _, d := range denials(t, record) {
			g.Add(d)
		}
	}
	for _, f := range x.ExplainAll(g.Findings()) {
		var texts []string
		for _, fix := range f.Fixes {
			texts = append(texts, fix.Rule)
			assert.NotEmpty(t, fix.Proof)
		}
		all = append(all, texts)
	}
	return all
}

func TestAlike(t *testing.T) {
	for _, c := range []struct {
		name, profile string
		names         []string
		first         []string // rules of the first finding
	}{
		{"three of a folder", "", []string{"/srv/t/a", "/srv/t/b", "/srv/t/c"}, []string{"/srv/t/a w,", "/srv/t/* w,"}},
		{"two of a folder", "", []string{"/srv/t/a", "/srv/t/b"}, []string{"/srv/t/a w,"}},
		{"the fourth of a folder", "  /srv/t/b w,\n  /srv/t/c w,\n  /srv/t/d rw,\n", []string{"/srv/t/a"}, []string{"/srv/t/a w,", "/srv/t/* w,"}},
		{"five that differ by a number", "", []string{"/srv/t1", "/srv/t2", "/srv/t3", "/srv/t4", "/srv/t5"}, []string{"/srv/t[0-9] w,", "/srv/t1 w,"}},
		{"a name of another folder", "", []string{"/srv/u/a", "/srv/t/a", "/srv/t/b", "/srv/t/c"}, []string{"/srv/u/a w,"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			all := rulesOf(t, c.profile, c.names...)
			assert.Equal(t, c.first, all[0])
			assert.Len(t, all, len(c.names))
		})
	}
}
