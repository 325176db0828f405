package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/whydenied/whydenied/explain/report"
)

// A sink is a writer that a test reads while a command writes.
type sink struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (s *sink) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

func (s *sink) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// A watching is a command that follows a log.
type watching struct {
	t              *testing.T
	log            string
	stdout, stderr sink
	stop           context.CancelFunc
	code           chan int
	records        int
}

// watched starts a watch of profile web, whose rules are given.
func watched(t *testing.T, rules string, args ...string) *watching {
	return started(t, "watch", rules, args...)
}

// started is watched of another command.
func started(t *testing.T, command, rules string, args ...string) *watching {
	dir := t.TempDir()
	profile := filepath.Join(dir, "web")
	w := &watching{t: t, log: filepath.Join(dir, "audit.log"), code: make(chan int, 1)}
	require.NoError(t, os.WriteFile(profile, []byte("profile web {\n"+rules+"}\n"), 0o600))
	require.NoError(t, os.WriteFile(w.log, nil, 0o600))
	ctx, stop := context.WithCancel(context.Background())
	w.stop = stop
	t.Cleanup(stop)
	args = append([]string{command, "--source", w.log, "--profile", profile, "--profile-dir", dir}, args...)
	go func() { w.code <- run(ctx, args, strings.NewReader(""), &w.stdout, &w.stderr) }()
	require.Eventually(t, func() bool { return strings.Contains(w.stderr.String(), "reading ") }, 10*time.Second, 5*time.Millisecond)
	return w
}

// refuse has cat's write of a file refused, and waits for what is then printed.
func (w *watching) refuse(path, printed string) {
	w.t.Helper()
	w.record(path)
	w.prints(printed)
}

// record has cat's write of a file refused.
func (w *watching) record(path string) {
	w.t.Helper()
	file, err := os.OpenFile(w.log, os.O_APPEND|os.O_WRONLY, 0)
	require.NoError(w.t, err)
	w.records++
	fmt.Fprintf(file, `type=AVC msg=audit(179542717%d.956:%d): apparmor="DENIED" operation="open" profile="web" name="%s" pid=181 comm="cat" requested_mask="w" denied_mask="w" fsuid=0 ouid=0`+"\n", w.records, w.records, path)
	require.NoError(w.t, file.Close())
}

func (w *watching) prints(text string) {
	w.t.Helper()
	require.Eventually(w.t, func() bool { return strings.Contains(w.stdout.String(), text) }, 10*time.Second, 5*time.Millisecond, "%s", text)
}

// TestWatch follows a log: a denial is explained when it comes, counted when it
// comes again, and all is summed up at the end.
func TestWatch(t *testing.T) {
	w := watched(t, "  /srv/a r,\n", "--every", "50ms")
	for i := range 3 {
		want := "fix 1  add w to this rule"
		if i > 0 {
			want = fmt.Sprintf("×%d cat (profile web, container unknown) may not write /srv/a", i+1)
		}
		w.refuse("/srv/a", want)
	}
	w.stop()
	assert.Equal(t, exitFound, <-w.code)
	assert.Contains(t, w.stdout.String(), "3 records, 3 denials in 1 finding")
	assert.Equal(t, 1, strings.Count(w.stdout.String(), "cause: missing-permission"))
	assert.NotContains(t, w.stderr.String(), "\x1b", "no status line but on a terminal")
}

// TestWatchQuiet holds that --quiet prints a line for each finding.
func TestWatchQuiet(t *testing.T) {
	w := watched(t, "", "--quiet", "--every", "10ms")
	w.refuse("/srv/a", "/srv/a")
	w.refuse("/srv/a", "/srv/a")
	w.refuse("/srv/b", "/srv/b")
	w.stop()
	assert.Equal(t, exitFound, <-w.code)
	lines := strings.Split(strings.TrimSpace(w.stdout.String()), "\n")
	require.Len(t, lines, 3)
	for i, want := range []string{"may not write /srv/a ", "may not write /srv/b ", "3 lines, 3 records, 3 denials in 2 findings"} {
		assert.Contains(t, lines[i], want)
	}
}

// TestWatchSuggests holds that the fixes of names that differ by a number become
// one, which is said once, and that what it grants is not explained again.
func TestWatchSuggests(t *testing.T) {
	t.Setenv("COLUMNS", "300")
	w := watched(t, "")
	for i := range 5 {
		w.refuse(fmt.Sprintf("/srv/%d.log", i), fmt.Sprintf("+   owner /srv/%d.log w,", i))
	}
	w.prints("suggestion 2 for 5 findings, the first: cat (profile web, container unknown) may not write /srv/0.log")
	w.prints("+ owner /srv/[0-9].log w,")
	w.refuse("/srv/7.log", "/srv/7.log")
	w.stop()
	assert.Equal(t, exitFound, <-w.code)
	_, after, _ := strings.Cut(w.stdout.String(), "suggestion 2")
	assert.Contains(t, after, "granted by what is suggested already: `owner /srv/[0-9].log w,`")
	assert.NotContains(t, after, "fix 1")
	assert.Equal(t, 1, strings.Count(w.stdout.String(), "suggestion 2"))
}

// TestWatchSuggestsJSON holds that an update names the findings by their IDs, and
// that what watch prints reads back.
func TestWatchSuggestsJSON(t *testing.T) {
	w := watched(t, "", "--format", "json")
	for i := range 5 {
		w.refuse(fmt.Sprintf("/srv/%d.log", i), fmt.Sprintf("/srv/%d.log", i))
	}
	w.prints(`{"update":`)
	w.refuse("/srv/7.log", "/srv/7.log")
	w.stop()
	assert.Equal(t, exitFound, <-w.code)
	ids := map[string]bool{}
	updates := 0
	for m, err := range report.Read(strings.NewReader(w.stdout.String())) {
		require.NoError(t, err)
		switch {
		case m.Finding != nil:
			ids[m.Finding.ID] = true
			if len(ids) == 6 {
				assert.Equal(t, &report.Granted{Rule: "owner /srv/[0-9].log w,", Revision: 2}, m.Finding.Granted)
			}
		case m.Update != nil:
			updates++
			assert.Equal(t, 2, m.Update.Revision)
			assert.Equal(t, "owner /srv/[0-9].log w,", m.Update.Fix.Rule)
			assert.Len(t, m.Update.IDs, 5)
			for _, id := range m.Update.IDs {
				assert.True(t, ids[id], id)
			}
		}
	}
	assert.Equal(t, 1, updates)
	assert.Len(t, ids, 6)
}
