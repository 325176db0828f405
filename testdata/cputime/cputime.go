// Package cputime measures what tests cost in CPU time, which, unlike wall-clock time, does
// not grow while others use the machine.
package cputime

import (
	"testing"
	"time"
)

// noise is CPU time that a measurement may be off by: a collection of garbage, a tick of the
// kernel's clock.
const noise = 100 * time.Millisecond

// tries bounds how often a size is measured: caches and the neighbour on a core make the same
// work take up to twice the time.
const tries = 5

// Linear fails a test whose work takes more than in proportion to its size. work does it for a
// size; it is measured at that and at four times that, for which it may take up to eight times
// as long, where what is quadratic takes sixteen times. It measures the whole process, so no
// test may run at its side.
func Linear(t *testing.T, size int, work func(size int)) {
	t.Helper()
	small, large := time.Duration(1<<62), time.Duration(1<<62)
	for range tries {
		small, large = min(small, Of(func() { work(size) })), min(large, Of(func() { work(4 * size) }))
		if large <= 8*small+noise {
			return
		}
	}
	t.Errorf("%v of CPU time for %d, and %v for four times that", small, size, large)
}

// Of returns the CPU time of the process while work is done, in user space.
func Of(work func()) time.Duration {
	before := used()
	work()
	return used() - before
}
