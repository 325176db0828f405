package main

import (
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/plog"
)

// An otlp is a receiver of OTLP that is away at first. It counts denials by the sentence
// of their finding.
type otlp struct {
	t    *testing.T
	away int
	sink // a line for each record
}

func (o *otlp) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if o.away--; o.away >= 0 {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	z, err := gzip.NewReader(r.Body)
	if !assert.NoError(o.t, err) {
		return
	}
	body, err := io.ReadAll(z)
	assert.NoError(o.t, err)
	logs, err := (&plog.JSONUnmarshaler{}).UnmarshalLogs(body)
	if !assert.NoError(o.t, err) {
		return
	}
	for _, resource := range logs.ResourceLogs().All() {
		for _, record := range resource.ScopeLogs().At(0).LogRecords().All() {
			count, _ := record.Attributes().Get("whydenied.bucket.count")
			fmt.Fprintf(o, "%s ×%d\n", record.Body().Str(), count.Int())
		}
	}
}

// TestAgent follows a log and sends what is found to a receiver that comes late, and to
// Prometheus in both ways.
func TestAgent(t *testing.T) {
	t.Cleanup(func() { endsItself.Store(false) })
	receiver := &otlp{t: t, away: 1}
	server := httptest.NewServer(receiver)
	defer server.Close()
	textfile := filepath.Join(t.TempDir(), "whydenied.prom")

	w := started(t, "agent", "  /srv/a r,\n", "--every", "20ms", "--otlp", server.URL, "--metrics", "127.0.0.1:0", "--textfile", textfile)
	_, rest, _ := strings.Cut(w.stderr.String(), "metrics are at ")
	metrics, _, _ := strings.Cut(rest, "\n")
	eventually := func(holds func() bool, what string) {
		t.Helper()
		require.Eventually(t, holds, 10*time.Second, 5*time.Millisecond, "%s", what)
	}
	for range 3 {
		w.record("/srv/a")
	}
	const sentence = "cat (profile web, container unknown) may not write /srv/a"
	eventually(func() bool { return strings.Contains(receiver.String(), sentence+" ×3") }, "is sent when the receiver is there")
	assert.Contains(t, w.stderr.String(), "not sent, and tried again: the receiver answers 503")
	const sample = `whydenied_denials_total{layer="apparmor",cause="missing-permission",profile="web",namespace="",decision="refused"} 3` + "\n"
	eventually(func() bool {
		answer, err := http.Get(metrics)
		if err != nil {
			return false
		}
		defer answer.Body.Close()
		text, _ := io.ReadAll(answer.Body)
		return strings.Contains(string(text), sample)
	}, "is served")
	eventually(func() bool { text, _ := os.ReadFile(textfile); return strings.Contains(string(text), sample) }, "is written")
	w.record("/srv/b")
	w.stop()
	assert.Equal(t, exitClean, <-w.code)
	assert.Contains(t, receiver.String(), "may not write /srv/b ×1", "what came last is sent before it ends")
	assert.Empty(t, w.stdout.String())
}

// TestAgentGoesOn has one run find what another sends, together with what came between
// them and after: each denial counts once.
func TestAgentGoesOn(t *testing.T) {
	t.Cleanup(func() { endsItself.Store(false) })
	dir := t.TempDir()
	db, textfile := filepath.Join(dir, "agent.db"), filepath.Join(dir, "whydenied.prom")
	first := started(t, "agent", "", "--every", "20ms", "--metrics", "", "--store", db, "--textfile", textfile)
	for range 3 {
		first.record("/srv/a")
	}
	require.Eventually(t, func() bool { text, _ := os.ReadFile(textfile); return strings.Contains(string(text), "} 3\n") }, 10*time.Second, 5*time.Millisecond)
	first.stop()
	require.Equal(t, exitClean, <-first.code, first.stderr.String())
	first.record("/srv/a")

	receiver := &otlp{t: t}
	server := httptest.NewServer(receiver)
	defer server.Close()
	second := started(t, "agent", "", "--every", "20ms", "--metrics", "", "--store", db, "--otlp", server.URL, "--source", first.log)
	require.Eventually(t, func() bool { return strings.Contains(receiver.String(), "may not write /srv/a ×4\n") }, 10*time.Second, 5*time.Millisecond, "%s", second.stderr.String())
	first.record("/srv/a")
	require.Eventually(t, func() bool { return strings.Contains(receiver.String(), "may not write /srv/a ×5\n") }, 10*time.Second, 5*time.Millisecond)
	second.stop()
	assert.Equal(t, exitClean, <-second.code)
	assert.Contains(t, second.stderr.String(), "the store has what came before ")
	assert.NotContains(t, receiver.String(), "×6")
}

// TestAgentGoesOnWithClockSetBack has a denial come while no agent runs, of a clock that was set
// back since the last one that was written.
func TestAgentGoesOnWithClockSetBack(t *testing.T) {
	t.Cleanup(func() { endsItself.Store(false) })
	db := filepath.Join(t.TempDir(), "agent.db")
	receiver := &otlp{t: t}
	server := httptest.NewServer(receiver)
	defer server.Close()
	start := func(args ...string) *watching {
		return started(t, "agent", "", append(args, "--every", "20ms", "--metrics", "", "--store", db, "--otlp", server.URL)...)
	}
	first := start()
	log := first.log
	now := time.Now().Unix()
	write := func(at int64, serial int) {
		file, err := os.OpenFile(log, os.O_APPEND|os.O_WRONLY, 0)
		require.NoError(t, err)
		defer file.Close()
		fmt.Fprintf(file, "type=AVC msg=audit(%d.001:%d): apparmor=\"DENIED\" operation=\"open\" profile=\"web\" name=\"/srv/a\" pid=42 comm=\"p\" requested_mask=\"w\" denied_mask=\"w\" fsuid=0 ouid=0\n", at, serial)
	}
	sent := func(count string) {
		t.Helper()
		require.Eventually(t, func() bool { return strings.Contains(receiver.String(), "may not write /srv/a "+count+"\n") }, 10*time.Second, 5*time.Millisecond)
	}
	write(now, 1)
	write(now, 2)
	sent("×2")
	first.stop()
	require.Equal(t, exitClean, <-first.code, first.stderr.String())
	write(now-7200, 3)
	second := start("--source", log)
	sent("×1")
	second.stop()
	assert.Equal(t, exitClean, <-second.code, second.stderr.String())
}

func TestAgentUsage(t *testing.T) {
	t.Setenv("KUBERNETES_SERVICE_HOST", "")
	for _, c := range []struct {
		args string
		code int
		says string
	}{
		{"--otlp http://collector.example:4318", exitUsage, "has to be https"},
		{"--otlp nonsense", exitUsage, "is no address"},
		{"--token-file x", exitUsage, "--token-file is for --otlp"},
		{"--clickhouse clickhouse://127.0.0.1/db", exitUsage, "--clickhouse sends what is in a store"},
		{"--clickhouse clickhouse://u:p@127.0.0.1/db --store x", exitUsage, "put it in a file"},
		{"--store clickhouse://127.0.0.1/db", exitUsage, "denials are counted once in a file"},
		{"--every 0s", exitUsage, "--every must be more than nothing"},
		{"--kubernetes", exitFailed, "this is no pod of a Kubernetes cluster"},
		{"--metrics nonsense", exitFailed, "--metrics: "},
	} {
		var stdout, stderr sink
		code := run(context.Background(), append([]string{"agent"}, strings.Fields(c.args)...), strings.NewReader(""), &stdout, &stderr)
		assert.Equal(t, c.code, code, "%s: %s", c.args, stderr.String())
		assert.Contains(t, stderr.String(), c.says, c.args)
	}
}
