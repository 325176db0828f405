package main

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/whydenied/whydenied/explain/report"
)

// TestCheckGuide checks the hardening profile for nginx that the lab's
// ct-guide-nginx took from a published guide: it is accepted, but nginx cannot
// be executed under it, and the kernel says nothing.
func TestCheckGuide(t *testing.T) {
	var stdout, stderr bytes.Buffer
	code := run(context.Background(), []string{"check", "--format", "json", "--profile-dir", "testdata/apparmor.d", nginxProfile},
		strings.NewReader(""), &stdout, &stderr)
	assert.Equal(t, exitClean, code, stderr.String())
	for decoder := json.NewDecoder(&stdout); decoder.More(); {
		var m report.CheckMessage
		require.NoError(t, decoder.Decode(&m))
		if m.Diagnostic == nil || m.Diagnostic.Code != "shadowed-rule" {
			continue
		}
		assert.Equal(t, "  /usr/sbin/nginx ix,", m.Diagnostic.Text)
		assert.Equal(t, "  deny /usr/sbin/** mrwklx,", m.Diagnostic.Related[0].Text)
		assert.Contains(t, m.Diagnostic.Message, "/usr/sbin/nginx cannot be executed")
		assert.Contains(t, m.Diagnostic.Message, "nothing is logged")
		return
	}
	assert.Fail(t, "the allow rule that the deny rule takes away is not reported")
}

// TestCheckRestrictive checks the same guide's list of allowed system calls: no
// shell starts under it, and the calls that are missing are named.
func TestCheckRestrictive(t *testing.T) {
	var stdout, stderr bytes.Buffer
	code := run(context.Background(), []string{"check", "../../rules/seccomp/testdata/profiles/restrictive.json"},
		strings.NewReader(""), &stdout, &stderr)
	assert.Equal(t, exitFound, code, stderr.String())
	assert.Contains(t, stdout.String(), "error[cannot-start]: the profile cannot start a shell: ")
	for _, missing := range []string{"rt_sigreturn", "wait4"} {
		assert.Contains(t, stdout.String(), "\n  - "+missing)
	}
}
