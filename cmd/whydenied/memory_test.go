package main

import (
	"runtime"
	"runtime/debug"
	"testing"

	"github.com/stretchr/testify/assert"
)

// Garbage is collected as often whether much or little is in use: each collection costs as
// much as is in use, so that a log with many findings would else take ever longer for each.
func TestCollectionsDoNotCrowd(t *testing.T) {
	const mib = 1 << 20
	defer debug.SetGCPercent(debug.SetGCPercent(100))
	for _, live := range []int{8, 64, 160} {
		kept := make([][]byte, live*16) // of small objects with gaps, as findings leave them
		for i := range kept {
			kept[i] = make([]byte, mib/16)
		}
		runtime.GC()
		debug.SetGCPercent(percent(inUse()))
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for range 640 * 16 {
			garbage = make([]byte, mib/16)
		}
		runtime.ReadMemStats(&after)
		assert.LessOrEqual(t, after.NumGC-before.NumGC, uint32(640/(leastBeside/mib)+2), "with %d MiB in use", live)
		runtime.KeepAlive(kept)
	}
}

// A command that compares many profiles collects no more often for what one of them takes.
func TestSpacious(t *testing.T) {
	defer sparing.Store(sparing.Swap(false)) // which a command that another test ran may have set
	takeMemory()
	defer spacious.Store(false)
	for mib := uint64(4); mib < 1024; mib++ {
		assert.EqualValues(t, spaciousBeside, beside(mib<<20), "%d MiB", mib)
	}
}

// A command that spares memory has little garbage lie about, whatever is in use.
func TestSparing(t *testing.T) {
	sparing.Store(true)
	defer sparing.Store(false)
	for mib := uint64(4); mib < 1024; mib++ {
		assert.EqualValues(t, max(sparingBeside, mib<<20/4), beside(mib<<20), "%d MiB", mib)
		assert.GreaterOrEqual(t, percent(mib<<20), 25, "%d MiB", mib)
	}
}

// garbage keeps the compiler from leaving out what is allocated.
var garbage []byte

func TestBeside(t *testing.T) {
	for mib := uint64(4); mib < 1024; mib++ {
		inUse := mib << 20
		got := beside(inUse)
		assert.GreaterOrEqual(t, got, uint64(leastBeside), "%d MiB", mib)
		assert.GreaterOrEqual(t, inUse+got, uint64(leastHeap), "%d MiB", mib)
		assert.Greater(t, limit(inUse), int64(inUse+leastBeside), "%d MiB", mib)
		assert.LessOrEqual(t, inUse+got, max(leastHeap, inUse+mostBeside), "%d MiB", mib)
		assert.LessOrEqual(t, inUse+got, max(mostHeap, inUse+hugeBeside), "%d MiB", mib)
	}
}
