//go:build unix

package main

import (
	"fmt"
	"syscall"
)

// leastFiles is how many files the program must be allowed to have open at one time:
// `run --silent` has 31, and questions to engines more. With fewer, what cannot be
// opened would look as if it were not there.
const leastFiles = 64

// enoughFiles says if too few files may be open. The Go runtime has raised the limit
// to what may be had.
func enoughFiles() error {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil || uint64(limit.Cur) >= leastFiles {
		return nil // what the limit is then shows where it is met
	}
	return fmt.Errorf("only %d files may be open at one time (RLIMIT_NOFILE), and %d are needed: raise the limit by ulimit -n, or a service's by LimitNOFILE=", limit.Cur, leastFiles)
}
