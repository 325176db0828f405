package main

import (
	"bytes"
	"encoding/json"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/whydenied/whydenied/explain/report"
)

// TestDoctor runs on whatever host this is: it has an answer to each question,
// and the exit code says what they come to.
func TestDoctor(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("needs Linux")
	}
	var stdout, stderr bytes.Buffer
	code := run(t.Context(), []string{"doctor", "--format", "json", "--profile-dir", t.TempDir()}, strings.NewReader(""), &stdout, &stderr)
	assert.Empty(t, stderr.String())
	seen := map[string]bool{}
	want := exitClean
	var summary *report.DoctorSummary
	for line := range strings.Lines(stdout.String()) {
		var m report.DoctorMessage
		require.NoError(t, json.Unmarshal([]byte(line), &m))
		if m.Answer == nil {
			summary = m.Summary
			continue
		}
		seen[m.Answer.Name] = true
		if m.Answer.Status == "hides" || m.Answer.Status == "stale" {
			want = exitFound
		}
	}
	assert.Equal(t, want, code)
	for _, check := range []string{"apparmor", "seccomp-actions", "audit", "auditd", "printk-ratelimit", "journal", "user-namespaces", "cgroups", "engines", "privileges"} {
		assert.True(t, seen[check], check)
	}
	require.NotNil(t, summary)
	assert.Equal(t, report.SchemaVersion, summary.SchemaVersion)
}
