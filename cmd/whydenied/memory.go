package main

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync/atomic"
)

// How large the heap may grow, in bytes, before garbage is collected.
const (
	leastHeap   = 44 << 20 // whatever is in use
	leastBeside = 12 << 20 // beside what is in use
	mostBeside  = 64 << 20 // the same
	little      = 32 << 20 // in use: twice what is beyond may be allocated beside it

	mostHeap   = 150 << 20 // beyond, what is in use leaves less than mostBeside, but
	hugeBeside = 24 << 20  // so much
)

// sparing is set for a command that runs for ever beside others' work and makes little garbage:
// the heap may then grow by a quarter, but by sparingBeside at least.
var sparing atomic.Bool

const sparingBeside = 8 << 20 // bytes

// spacious is set for a command that compares many profiles one after the other, of each of
// which much is in use for a moment and then none of it: most of what a collection walks through
// then is garbage by the next one. The heap may grow by spaciousBeside, and the limit of all
// memory holds.
var spacious atomic.Bool

const spaciousBeside = 96 << 20 // bytes

const leastLimit = 176 << 20 // of all memory, in bytes

// collectRarely has garbage collected less often than Go does by itself, which
// makes the parsing of a long log a sixth faster: it makes much garbage and keeps
// little. A user who sets GOGC or GOMEMLIMIT decides.
//
// How much may be allocated until the next collection follows from what is in use, and not,
// but where that is very much, from a limit of all memory: what the runtime needs itself and
// what lies between objects counts against that, so that there is nothing left to allocate
// and one collection follows the other.
func collectRarely() {
	if os.Getenv("GOGC") != "" || os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	debug.SetGCPercent(percent(leastInUse))
	debug.SetMemoryLimit(limit(leastInUse))
	afterCollection(func() {
		inUse := inUse()
		debug.SetGCPercent(percent(inUse))
		debug.SetMemoryLimit(limit(inUse))
	})
}

// spareMemory has garbage of this process collected more often from now on.
func spareMemory() {
	sparing.Store(true)
	runtime.GC()
}

// takeMemory has garbage of this process collected less often from the next collection on.
func takeMemory() { spacious.Store(true) }

// leastInUse is what Go takes to be in use at least, in bytes.
const leastInUse = 4 << 20

// inUse returns what the last collection left, in bytes.
func inUse() uint64 {
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(live)
	return max(live[0].Value.Uint64(), leastInUse)
}

// percent is what Go calls GOGC: of what is in use, how much may be allocated beside it
// until the next collection.
func percent(inUse uint64) int { return int(100 * beside(inUse) / inUse) }

// beside returns how much that is, in bytes: what is left of leastHeap, but leastBeside at
// least, and of much twice what is more than little, within bounds.
func beside(inUse uint64) uint64 {
	if sparing.Load() {
		return max(sparingBeside, inUse/4)
	}
	if spacious.Load() {
		return spaciousBeside
	}
	left := func(of, least uint64) uint64 { return max(of-min(of, inUse), least) }
	much := 2 * (inUse - min(inUse, little))
	return max(left(leastHeap, leastBeside), min(much, mostBeside, left(mostHeap, hugeBeside)))
}

// limit returns the memory, in bytes, from which on the runtime gives back at once what
// it has freed, and collects more often. That matters to nobody but who sends what is made
// to exhaust memory.
func limit(inUse uint64) int64 {
	const besides = 28 << 20 // to allocate, stacks and what the runtime needs itself
	return int64(max(leastLimit, inUse+besides))
}

// afterCollection calls a function after each collection, in a goroutine of the
// runtime's.
func afterCollection(f func()) {
	runtime.SetFinalizer(&struct{ _ *int }{}, func(any) {
		f()
		afterCollection(f)
	})
}
