package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// What was read of a log whose compressed data ends early is explained.
func TestExplainCutArchive(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(corpus, "linux-6.1-auditd/file-write/before.log"))
	require.NoError(t, err)
	var zipped bytes.Buffer
	w := gzip.NewWriter(&zipped)
	_, err = w.Write(text)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	log := filepath.Join(t.TempDir(), "audit.log.1.gz")
	require.NoError(t, os.WriteFile(log, zipped.Bytes()[:zipped.Len()-8], 0o600))

	var stdout, stderr bytes.Buffer
	assert.Equal(t, exitFailed, run(t.Context(), []string{"explain", log}, strings.NewReader(""), &stdout, &stderr))
	assert.Contains(t, stderr.String(), "ends early")
	assert.Contains(t, stdout.String(), "may not write /srv/lab/w")
	assert.Contains(t, stdout.String(), "1 denial in 1 finding")
}

func TestInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var stdout, stderr bytes.Buffer
	log := filepath.Join(corpus, "linux-6.1-auditd/file-write/before.log")
	assert.Equal(t, exitFailed, run(ctx, []string{"explain", log}, strings.NewReader(""), &stdout, &stderr))
	assert.Equal(t, "whydenied: interrupted\n", stderr.String())
}

// parse and explain name the same architecture for the same record.
func TestParseX32(t *testing.T) {
	const log = `type=SECCOMP msg=audit(1795427681.459:1): auid=0 uid=0 gid=0 ses=1 subj=unconfined pid=3 comm="x" exe="/x" sig=31 arch=c000003e syscall=1073741863 compat=0 ip=0x44 code=0x80000000` + "\n"
	var stdout, stderr bytes.Buffer
	assert.Equal(t, exitClean, run(t.Context(), []string{"parse", "-"}, strings.NewReader(log), &stdout, &stderr))
	assert.Contains(t, stdout.String(), `"syscall":1073741863`)
	assert.Contains(t, stdout.String(), `"syscall_name":"getpid","arch_name":"x32","action":"kill_process"`)
}
