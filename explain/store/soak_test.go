package store

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/whydenied/whydenied/explain/host"
)

func TestSoak(t *testing.T) {
	ctx := context.Background()
	complain := func(name string, at time.Time, serial int) string {
		return strings.ReplaceAll(line(name, at, serial), "DENIED", "ALLOWED")
	}
	end := start.Add(100 * time.Hour)
	for _, test := range []struct {
		name    string
		fill    func(s *Store)
		answer  string
		because string // how the first reason begins
	}{
		{"nobody looked", func(s *Store) {}, "cannot say", "nobody looked from "},
		{"quiet since", func(s *Store) { require.NoError(t, s.Look(ctx, "audit", start, end)) }, "yes", ""},
		{"started again within a minute", func(s *Store) {
			require.NoError(t, s.Look(ctx, "audit", start, end.Add(-5*time.Hour)))
			require.NoError(t, s.Look(ctx, "audit", end.Add(-5*time.Hour+30*time.Second), end))
		}, "yes", ""},
		{"down for an hour", func(s *Store) {
			require.NoError(t, s.Look(ctx, "audit", start, end.Add(-5*time.Hour)))
			require.NoError(t, s.Look(ctx, "audit", end.Add(-4*time.Hour), end))
		}, "cannot say", "nobody looked from "},
		{"lost some", func(s *Store) {
			require.NoError(t, s.Look(ctx, "audit", start, end))
			require.NoError(t, s.Lose(ctx, "lost", end.Add(-time.Hour), end.Add(-time.Hour), 7, "7 records were lost"))
		}, "cannot say", "records may be missing: 7 records were lost"},
		{"lost some long before", func(s *Store) {
			require.NoError(t, s.Look(ctx, "audit", start, end))
			require.NoError(t, s.Lose(ctx, "lost", start, start, 7, "7 records were lost"))
		}, "yes", ""},
		{"limited", func(s *Store) {
			require.NoError(t, s.Look(ctx, "audit", start, end))
			require.NoError(t, s.Answer(ctx, start, []host.Answer{{Name: "audit-rate-limit", Status: host.Hides, Found: "at most 1 audit record a second"}}))
		}, "cannot say", "doctor said of audit-rate-limit: at most 1"},
		{"limited until it was lifted", func(s *Store) {
			require.NoError(t, s.Look(ctx, "audit", start, end))
			require.NoError(t, s.Answer(ctx, start, []host.Answer{{Name: "audit-rate-limit", Status: host.Hides, Found: "at most 1 audit record a second"}}))
			require.NoError(t, s.Answer(ctx, start.Add(time.Hour), []host.Answer{{Name: "audit-rate-limit", Status: host.OK}}))
		}, "yes", ""},
		{"found something", func(s *Store) {
			require.NoError(t, s.Look(ctx, "audit", start, end))
			appendLog(t, s, complain("/srv/new", end.Add(-time.Hour), 9))
		}, "no", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			s, _ := openNew(t)
			appendLog(t, s, complain("/srv/old", start, 1))
			if test.name == "nobody looked" {
				appendLog(t, s, strings.ReplaceAll(complain("/srv/x", end, 2), `"web"`, `"other"`))
				require.NoError(t, s.Look(ctx, "audit", end, end))
			}
			test.fill(s)
			e, err := s.Evidence(ctx)
			require.NoError(t, err)
			assert.Contains(t, e.Profiles(), "web")
			a := e.Soak("web", 72*time.Hour)
			assert.Equal(t, test.answer, a.Answer, "%+v", a)
			if test.because != "" {
				require.NotEmpty(t, a.Because)
				assert.Contains(t, a.Because[0], test.because)
			}
			if test.answer == "no" {
				require.Len(t, a.Findings, 1)
				assert.True(t, a.Findings[0].New)
			}
			assert.Equal(t, "cannot say", e.Soak("nosuch", time.Hour).Answer, "of which nothing was ever seen")
		})
	}
}
