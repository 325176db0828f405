package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

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
