//go:build unix

package main

import (
	"os"
	"runtime"
	"syscall"
)

// peakKiB returns the peak resident memory of a process that ended.
func peakKiB(state *os.ProcessState) int64 {
	usage, ok := state.SysUsage().(*syscall.Rusage)
	if !ok {
		return 0
	}
	if runtime.GOOS == "darwin" || runtime.GOOS == "ios" {
		return int64(usage.Maxrss) >> 10 // getrusage(2) counts bytes there
	}
	return int64(usage.Maxrss)
}
