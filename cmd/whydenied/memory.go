package main

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

// leastMemory is what the program takes, in bytes, before memory counts.
const leastMemory = 64 << 20

// collectRarely has garbage collected less often than Go does by itself, which
// makes the parsing of a long log a sixth faster: it makes much garbage and keeps
// little. Memory may grow to leastMemory, or to twice what is in use, but beyond twice
// leastMemory by no more than half of it. A user who sets GOGC or GOMEMLIMIT decides.
func collectRarely() {
	if os.Getenv("GOGC") != "" || os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	debug.SetGCPercent(400)
	debug.SetMemoryLimit(leastMemory)
	afterCollection(raiseLimit)
}

// raiseLimit keeps the limit away from what is in use: close to it, one collection
// would follow the other.
func raiseLimit() {
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(live)
	const besides = 8 << 20 // stacks and what the runtime needs itself
	inUse := int64(live[0].Value.Uint64())
	spare := min(inUse, max(leastMemory/2, 2*leastMemory-inUse))
	debug.SetMemoryLimit(max(leastMemory, inUse+spare+besides))
}

// afterCollection calls a function after each collection, in a goroutine of the
// runtime's.
func afterCollection(f func()) {
	runtime.SetFinalizer(&struct{ _ *int }{}, func(any) {
		f()
		afterCollection(f)
	})
}
