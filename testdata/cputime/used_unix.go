//go:build unix

package cputime

import (
	"syscall"
	"time"
)

// used returns the CPU time of this process so far, in user space: getrusage(2).
func used() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		panic("getrusage: " + err.Error()) // its arguments are right
	}
	return time.Duration(usage.Utime.Nano())
}
