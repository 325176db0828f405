package store

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/whydenied/whydenied/explain"
	"github.com/whydenied/whydenied/parser"
)

// BenchmarkYear asks a year of 500 findings a day for all of it, and for a month.
func BenchmarkYear(b *testing.B) {
	s, _ := openNew(b)
	var all string
	for k := range 500 {
		all += line(fmt.Sprintf("/srv/%d", k), start, 1+k)
	}
	appendLog(b, s, all)
	ctx := context.Background()
	findings := findingsOf(all)
	for day := range 365 {
		for k, f := range findings {
			at := start.AddDate(0, 0, day).Add(time.Duration(k*37%86400) * time.Second)
			require.NoError(b, s.Add(ctx, explain.Counted{Finding: f, Time: at, Serial: uint32(1 + day*500 + k), Program: f.Programs[0]}))
		}
	}
	require.NoError(b, s.Flush(ctx))
	for name, r := range map[string]Range{
		"all":   {},
		"year":  {Since: start.Add(time.Hour), Until: start.AddDate(1, 0, -1)},
		"month": {Since: start.AddDate(0, 5, 0).Add(time.Minute), Until: start.AddDate(0, 6, 0)},
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				require.Len(b, read(b, s, r).Findings, 500)
			}
		})
	}
}

// BenchmarkAppend appends denials of 500 findings as they come.
func BenchmarkAppend(b *testing.B) {
	s, _ := openNew(b)
	var all string
	for k := range 500 {
		all += line(fmt.Sprintf("/srv/%d", k), start, 1+k)
	}
	findings := findingsOf(all)
	ctx := context.Background()
	i := 0
	for b.Loop() {
		f := findings[i*7919%500]
		require.NoError(b, s.Add(ctx, explain.Counted{Finding: f, Time: start.Add(time.Duration(i) * time.Millisecond), Serial: uint32(1 + i), Program: f.Programs[0]}))
		i++
	}
	require.NoError(b, s.Flush(ctx))
}

// findingsOf folds a log.
func findingsOf(log string) []*explain.Finding {
	session := explain.NewSession(nil, explain.Filter{})
	denials, _ := parser.Scan(nil, parser.Block{File: "audit.log", Body: []byte(log)})
	for _, d := range denials {
		session.Add(d)
	}
	return session.Findings()
}
