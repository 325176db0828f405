package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/whydenied/whydenied/explain/access"
)

// TestReadLine holds that a line that is too long does not fill the memory, nor
// hide those after it.
func TestReadLine(t *testing.T) {
	batch := strings.Repeat("x", 3*access.MaxLine) + "\n" + `{"class":"file","name":"/a","mask":"r"}` + "\n\n{}"
	var lines []string
	for group := range readLines(context.Background(), strings.NewReader(batch)) {
		for _, l := range group {
			lines = append(lines, string(l))
		}
	}
	require.Len(t, lines, 4)
	assert.Greater(t, len(lines[0]), access.MaxLine)
	assert.Less(t, len(lines[0]), 2*access.MaxLine)
	assert.Equal(t, "{}", lines[3])
}

// TestBatchStreams holds that an answer comes before the next request is made.
func TestBatchStreams(t *testing.T) {
	in, requests := io.Pipe()
	answers, out := io.Pipe()
	done := make(chan int)
	go func() {
		done <- run(context.Background(), []string{"query", "--profile", nginxProfile, "--profile-dir", "testdata/apparmor.d"}, in, out, io.Discard)
		out.Close()
	}()
	read := json.NewDecoder(answers)
	for range 3 {
		_, err := io.WriteString(requests, `{"class":"file","name":"/a","mask":"r"}`+"\n")
		require.NoError(t, err)
		var answer map[string]any
		require.NoError(t, read.Decode(&answer))
		assert.Equal(t, "granted", answer["decision"])
	}
	requests.Close()
	assert.Equal(t, exitClean, <-done)
}

// TestBatchEnds holds that the end of the context ends a batch that waits.
func TestBatchEnds(t *testing.T) {
	in, _ := io.Pipe()
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	assert.Equal(t, exitFailed, run(ctx, []string{"query", "--profile", nginxProfile, "--profile-dir", "testdata/apparmor.d"}, in, io.Discard, io.Discard))
}

const nginxProfile = corpus + "/linux-6.1-docker/ct-guide-nginx/profile"

// BenchmarkQueryBatch reports what a request of a batch costs, from its line to
// that of the answer. The goal is 100,000 a second.
func BenchmarkQueryBatch(b *testing.B) {
	requests := map[string]string{
		"apparmor": `{"profile":"docker-nginx-restricted","class":"file","operation":"open","name":"/srv/%d","mask":"rw","fsuid":33,"ouid":0}`,
		"seccomp":  `{"syscall":"personality","arch":"x86_64","args":[%d],"caps":["CAP_SYS_PTRACE"],"kernel":"5.15"}`,
	}
	flags := map[string][]string{
		"apparmor": {"--profile", nginxProfile, "--profile-dir", "testdata/apparmor.d"},
		"seccomp":  {"--seccomp", "builtin:docker"},
	}
	for name, format := range requests {
		b.Run(name, func(b *testing.B) {
			var batch strings.Builder
			for i := range b.N {
				fmt.Fprintf(&batch, format+"\n", i%5000)
			}
			b.ReportAllocs()
			b.ResetTimer()
			code := run(context.Background(), append([]string{"query"}, flags[name]...), strings.NewReader(batch.String()), io.Discard, io.Discard)
			require.NotEqual(b, exitFailed, code)
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "requests/s")
		})
	}
}
