package message

import (
	"testing"

	"github.com/whydenied/whydenied/parser"
	"github.com/whydenied/whydenied/rules/seccomp"
)

// BenchmarkReader reads lines of a service's output that tell of no refusal.
func BenchmarkReader(b *testing.B) {
	lines := []string{
		`2026-11-29T10:00:07.311Z INFO [worker-3] cache miss for user session, the query took longer than the listener waits`,
		`10.0.0.7 - - [29/Nov/2026:10:00:07 +0000] "GET /api/v1/orders/17/items?page=2 HTTP/1.1" 200 5120 "-" "curl/8.5"`,
		`{"level":"info","ts":1.7e9,"msg":"worker process exited after reading the response header","n":42}`,
		`    at com.example.orders.Handler(Handler.java:311)`,
	}
	n := 0
	for _, l := range lines {
		n += len(l)
	}
	b.SetBytes(int64(n))
	r := NewReader("app.log", seccomp.X86_64, func(parser.Attempt) {})
	for b.Loop() {
		for _, line := range lines {
			r.Line(line)
		}
	}
}
