//go:build unix && !aix && !solaris

package main

import (
	"os"

	"golang.org/x/sys/unix"
)

// inForeground reports whether this process is in the foreground of its terminal, so
// that ^C there is a signal for it and for what it started in its process group.
func inForeground() bool {
	tty, err := os.OpenFile("/dev/tty", os.O_RDONLY|unix.O_NOCTTY, 0)
	if err != nil {
		return false
	}
	defer tty.Close()
	group, err := unix.IoctlGetInt(int(tty.Fd()), unix.TIOCGPGRP)
	return err == nil && group == unix.Getpgrp()
}
