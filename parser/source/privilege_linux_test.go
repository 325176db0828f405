package source

import (
	"os"
	"runtime"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// All threads are preferred to others, where that is permitted, and none is put behind.
func TestRaisePriority(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	before, err := unix.Getpriority(unix.PRIO_PROCESS, 0)
	require.NoError(t, err)
	want := before // the kernel has 20 less the nice value
	if unix.Setpriority(unix.PRIO_PROCESS, 0, 20-before-1) == nil {
		want = min(before+boost, 40)
		require.NoError(t, unix.Setpriority(unix.PRIO_PROCESS, 0, 20-before))
	}
	RaisePriority()
	threads, err := os.ReadDir("/proc/self/task")
	require.NoError(t, err)
	for _, thread := range threads {
		id, err := strconv.Atoi(thread.Name())
		require.NoError(t, err)
		if now, err := unix.Getpriority(unix.PRIO_PROCESS, id); err == nil { // it can have ended
			assert.Equal(t, want, now)
		}
	}
}
