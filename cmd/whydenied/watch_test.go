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

// TestWatch follows a log: a denial is explained when it comes, counted when it
// comes again, and all is summed up at the end.
func TestWatch(t *testing.T) {
	dir := t.TempDir()
	profile, log := filepath.Join(dir, "web"), filepath.Join(dir, "audit.log")
	require.NoError(t, os.WriteFile(profile, []byte("profile web {\n  /srv/a r,\n}\n"), 0o600))
	require.NoError(t, os.WriteFile(log, nil, 0o600))
	var stdout, stderr sink
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	code := make(chan int, 1)
	go func() {
		code <- run(ctx, []string{"watch", "--source", log, "--profile", profile, "--profile-dir", dir, "--every", "50ms"}, strings.NewReader(""), &stdout, &stderr)
	}()
	require.Eventually(t, func() bool { return strings.Contains(stderr.String(), "reading ") }, 10*time.Second, 5*time.Millisecond)
	for i := range 3 {
		file, err := os.OpenFile(log, os.O_APPEND|os.O_WRONLY, 0)
		require.NoError(t, err)
		fmt.Fprintf(file, `type=AVC msg=audit(179542717%d.956:%d): apparmor="DENIED" operation="open" profile="web" name="/srv/a" pid=181 comm="cat" requested_mask="w" denied_mask="w" fsuid=0 ouid=0`+"\n", i, i+1)
		require.NoError(t, file.Close())
		want := "fix 1  add w to this rule"
		if i > 0 {
			want = fmt.Sprintf("×%d cat (profile web, container unknown) may not write /srv/a", i+1)
		}
		require.Eventually(t, func() bool { return strings.Contains(stdout.String(), want) }, 10*time.Second, 5*time.Millisecond, "%s", want)
	}
	stop()
	assert.Equal(t, exitFound, <-code)
	assert.Contains(t, stdout.String(), "3 records, 3 denials in 1 finding")
	assert.Equal(t, 1, strings.Count(stdout.String(), "cause: missing-permission"))
	assert.NotContains(t, stderr.String(), "\x1b", "no status line but on a terminal")
}
